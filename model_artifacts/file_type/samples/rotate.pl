#!/usr/bin/perl
use strict;
use warnings;
use File::Copy qw(move);

my ($path, $kept) = @ARGV;
die "usage: rotate.pl FILE COUNT\n" unless defined $kept;

for my $number (reverse 1 .. $kept - 1) {
    my $old = "$path.$number";
    move($old, "$path." . ($number + 1)) if -e $old;
}
move($path, "$path.1") or die "cannot move $path: $!";
