"""What a passport says, for people: a page with plots, and tables for the terminal.

reading    the candidates with the words and figures that both show
charts     plots as SVG
page       `passport.html`, one file without scripts
terminal   `modelet show NAME --passport`
"""
