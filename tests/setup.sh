#!/bin/sh
# Installs the Debian packages that the tests need, those that are missing; not
# as root, or without apt-get, it names them and fails. With the argument all
# also those of make check-all, which are big.
set -eu

# What is needed: a program (or file) that proves it, and the package it is in.
needed='gcc gcc
g++ g++
make make
/usr/include/stdio.h libc6-dev
/usr/lib/x86_64-linux-gnu/libc.a libc6-dev
gdb gdb
eu-readelf elfutils
readelf binutils
bc bc
gawk gawk
mawk mawk
lua5.4 lua5.4
tclsh tcl
sqlite3 sqlite3
/usr/bin/python3 python3
perl perl
tmux tmux
strace strace
setpriv util-linux
openssl openssl
xz xz-utils
zstd zstd
pigz pigz
ruby ruby
cadical cadical
less less'

[ "${1:-}" != all ] || needed="$needed
R r-base-core
gfortran gfortran
octave-cli octave
gp pari-gp
vim vim
stockfish stockfish
node nodejs
javac openjdk-17-jdk-headless"

# Debian's games are where not every PATH leads.
PATH=$PATH:/usr/games

missing() {
  echo "$needed" | while read -r proof package; do
    case $proof in
      /*) [ -e "$proof" ] || echo "$package" ;;
      *) command -v "$proof" >/dev/null 2>&1 || echo "$package" ;;
    esac
  done | sort -u | tr '\n' ' '
}

packages=$(missing)
[ -n "$packages" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "tests/setup.sh: the tests need these Debian packages: $packages" >&2
  echo "tests/setup.sh: as root: apt-get install $packages" >&2
  exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
echo "tests/setup.sh: installing $packages" >&2
# The lists may be missing or too old: then once more with new ones.
# shellcheck disable=SC2086 # a list of words
if ! apt-get install -y --no-install-recommends $packages >"$log" 2>&1; then
  if ! { apt-get update && apt-get install -y --no-install-recommends $packages; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    exit 1
  fi
fi

packages=$(missing)
if [ -n "$packages" ]; then
  echo "tests/setup.sh: still missing after the installation: $packages" >&2
  exit 1
fi
