#!/bin/sh
# Installs into a temporary directory and tries what is there, away from this
# tree: the commands, the library that finds its engine, pages, completions.
set -eu

tree=$(cd "$(dirname "$0")/.." && pwd)
cd "$tree"
dest=$(mktemp -d)
pid=''
cleanup() {
  [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true
  rm -rf "$dest"
}
trap cleanup EXIT
fail() { echo "check-install: $*" >&2; exit 1; }

make --no-print-directory install DESTDIR="$dest" PREFIX=/opt/ckpt >/dev/null
root=$dest/opt/ckpt
for file in bin/ckpt bin/myrestart lib/libckpt.so share/man/man1/ckpt.1 share/man/man1/ckpt-save.1 \
  share/man/man1/myrestart.1 share/bash-completion/completions/ckpt share/zsh/site-functions/_ckpt \
  share/fish/vendor_completions.d/ckpt.fish; do
  [ -s "$root/$file" ] || fail "$file is missing"
done
bash -n "$root/share/bash-completion/completions/ckpt" || fail "the completion for bash is no script"
"$root/bin/myrestart" --help | grep -q '^  myrestart FILE' || fail "myrestart does not know its name"
grep -q /opt/ckpt/bin/ckpt "$root/lib/libckpt.so" || fail "libckpt.so does not name its engine"

# The program's descriptors are 0, 1 and 2: whatever else is open here may lead
# to processes that are not saved with it.
cd "$dest"
bash -c 'for fd in /proc/self/fd/*; do fd=${fd##*/}; [ "$fd" -lt 3 ] || [ "$fd" = 255 ] || eval "exec $fd>&-"; done
  LD_PRELOAD=$0/lib/libckpt.so exec sleep 60' "$root" </dev/null >out 2>err &
pid=$!
tries=0
until grep -q libckpt.so "/proc/$pid/maps" && [ "$(cat "/proc/$pid/comm")" = sleep ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || fail "libckpt.so is not loaded"
  sleep 0.1
done
kill -12 "$pid"
tries=0
until [ -s myckpt ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || fail "no image after kill -12: $(cat myckpt.log err 2>/dev/null)"
  sleep 0.1
done
"$root/bin/ckpt" verify myckpt >/dev/null

make --no-print-directory -C "$tree" uninstall DESTDIR="$dest" PREFIX=/opt/ckpt
left=$(find "$root" -type f -o -type l)
[ -z "$left" ] || fail "left by uninstall: $left"
