#!/bin/sh
# What the container tests need on Debian: the tools, and a base image from Debian's own archive. Run as root.
set -eu

cache=$(cd "$(dirname "$0")/../.." && pwd)/.cache/containers
suite=trixie # Python 3.13, as AWS's base image has
tools="buildah podman runc debootstrap"

for tool in $tools; do
  command -v "$tool" >/dev/null && continue
  echo "Installing $tools from Debian"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    $tools netavark aardvark-dns iptables >/dev/null
  break
done

if [ ! -f "$cache/$suite/rootfs.tar" ]; then
  echo "Making a base image of Debian $suite (once; about half a minute)"
  mkdir -p "$cache/$suite"
  root=$(mktemp -d)
  trap 'rm -rf "$root"' EXIT
  debootstrap --variant=minbase --include=python3,ca-certificates "$suite" "$root" >"$cache/debootstrap.log" 2>&1 ||
    { tail -n 20 "$cache/debootstrap.log"; exit 1; }
  # The archive's fixed times would make bytecode that is checked by time stale, and every start slow.
  chroot "$root" python3 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3 /usr/lib/python3.13
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/dev/*
  tar -C "$root" --sort=name --numeric-owner --mtime=@315532800 -cf "$cache/$suite/rootfs.tar.part" .
  printf 'FROM scratch\nADD rootfs.tar /\n' >"$cache/$suite/Dockerfile"
  mv "$cache/$suite/rootfs.tar.part" "$cache/$suite/rootfs.tar"
fi
