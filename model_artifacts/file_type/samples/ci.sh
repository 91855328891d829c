#!/usr/bin/env bash
# What CI runs: the commands of the README, on a machine where nothing of ours is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; "$@"; }

# The tests ask the service with curl; none of them may skip here.
command -v curl >/dev/null || { apt-get update -qq && apt-get install -y -qq curl >/dev/null; }

step make install
step make check
step make test-infra
step make synth
step make test-clients
step make test-gpu
step make test-containers
step make test
step make test-frameworks
