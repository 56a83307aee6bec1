#!/bin/bash
# Shows what ckpt does: a program counts, is saved, is killed, and counts on.
# It builds ckpt first. Needs Go, gcc and gdb: as root it installs what is
# missing, else it names it.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
patience=100 # tenths of a second that any one thing may take

say() {
  if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi
}
show() { printf '  $ %s\n' "$*"; }
fail() { echo "demo: $*" >&2; exit 1; }

# await CONDITION... waits until the command succeeds, but not for ever.
await() {
  for _ in $(seq "$patience"); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "demo: waited $((patience / 10)) s in vain for: $*" >&2
  return 1
}

need() {
  local missing=()
  command -v gcc >/dev/null && [ -e /usr/include/stdio.h ] || missing+=(gcc libc6-dev)
  command -v gdb >/dev/null || missing+=(gdb)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "this needs ${missing[*]}; as root: apt-get install ${missing[*]}"
  fi
  echo "demo: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
    apt-get update >/dev/null && apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null
  } || fail "could not install ${missing[*]}"
}

# The program's output ends in a number of at least $1.
counted_to() { [ "$(tail -n 1 out 2>/dev/null || echo 0)" -ge "$1" ]; }
gone() { ! kill -0 "$1"; }
last() { tail -n 1 out; }
indent() { sed 's/^/    /'; }

need
dir=$(mktemp -d)
program='' restored=''
cleanup() {
  for pid in $program $restored; do kill -9 "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap cleanup EXIT
bin=$root/bin
if [ ! -w "$root" ]; then bin=$dir/bin; fi
make --no-print-directory -C "$root" build OUT="$bin"
cd "$dir"
gcc -g -O1 -o count "$root/demo/count.c"

say "1. A C program counts; it knows nothing of checkpoints."
show 'LD_PRELOAD=bin/libckpt.so ./count >out &'
# Only the descriptors 0, 1 and 2 are the program's: others that this script was
# started with may lead to processes that are not saved with it.
(
  for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    if [ "$fd" -gt 2 ] && [ "$fd" != 255 ]; then eval "exec $fd>&-"; fi
  done
  LD_PRELOAD="$bin/libckpt.so" exec ./count >out 2>errors </dev/null
) &
program=$!
await counted_to 5
indent <out

say "2. It is saved while it runs, by a signal, and runs on."
show "kill -12 $program"
kill -12 "$program"
await test -s myckpt
at=$(last)
await counted_to $((at + 3))
echo "    $(stat -c '%n: %s bytes' myckpt); the program counts on, it is at $(last)"

say "3. It is killed, as by a power cut."
show "kill -9 $program"
kill -9 "$program"
wait "$program" 2>/dev/null || true
await gone "$program"
program=''
echo "    the process is gone; the last number was $(last)"

say "4. It is restored and counts on."
show "./bin/myrestart myckpt"
"$bin/myrestart" myckpt </dev/null >/dev/null 2>said &
restored=$!
killed=$(last)
await counted_to $((killed + 3)) || { cat said >&2; exit 1; }
kill -9 "$restored"
wait "$restored" 2>/dev/null || true
restored=''
indent <said
tail -n 12 out | indent

say "5. The image is an ELF core, too: a debugger opens it."
show "gdb count myckpt -ex backtrace"
# gdb shows the innermost frame by itself, too.
gdb -nx -batch -ex backtrace count myckpt 2>/dev/null | awk '/^#/ && !seen[$0]++' | tee backtrace | indent
grep -q ' main (' backtrace || fail "gdb shows no main"

# Every number from 1 on, each exactly once.
lost=$(seq "$(last)" | grep -cvxFf out || true)
twice=$(sort out | uniq -d | wc -l)
say "Counted to $(last). Numbers lost: $lost, written twice: $twice"
[ "$lost" = 0 ] && [ "$twice" = 0 ]
