#!/bin/bash
# Runs every fuzz target of the tree: fuzz.sh TIME
# "go test" fuzzes one target at a time only. So as many run as there are processors,
# each on one: most would not be faster with more.
set -euo pipefail

cd "$(dirname "$0")/.."

# one fuzzes a target, given as FILE:func NAME, for a time.
one() {
  local file=${1%%:*} name=${1##* } time=$2 log
  log=$(mktemp)
  # What is found is made smaller byte by byte, for a minute by default: inputs
  # of some ten thousand bytes would take all the time.
  if go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 20x -parallel 1 "./${file%/*}" >"$log" 2>&1; then
    echo "fuzz: $name of ${file%/*}, $time: $(tail -n 2 "$log" | head -n 1)"
  # go test takes it for a failure when the time ends while an input is being
  # tried. A real one names the input that it wrote to testdata.
  elif grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then
    echo "fuzz: $name of ${file%/*}, $time: the time was over, nothing was found"
  else
    echo "fuzz: $name of ${file%/*}"
    cat "$log"
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}
export -f one

mapfile -t targets < <(grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' internal | sort)
[ ${#targets[@]} -gt 0 ] || { echo "fuzz: no targets found" >&2; exit 1; }
printf '%s\0' "${targets[@]}" | xargs -0 -P "$(nproc)" -I '{}' bash -c 'one "$1" "$2"' one '{}' "$1"
