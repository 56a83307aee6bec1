#!/bin/bash
# Runs every fuzz target of the tree, one after the other: fuzz.sh TIME
# "go test" fuzzes one target at a time only.
set -euo pipefail

time=$1
cd "$(dirname "$0")/.."
mapfile -t targets < <(grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' internal | sort)
[ ${#targets[@]} -gt 0 ] || { echo "fuzz: no targets found" >&2; exit 1; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for target in "${targets[@]}"; do
  file=${target%%:*}
  name=${target##* }
  echo "fuzz: $name of ${file%/*}, $time"
  # What is found is made smaller byte by byte, for a minute by default: inputs
  # of some ten thousand bytes would take all the time.
  if go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 20x "./${file%/*}" >"$log" 2>&1; then
    tail -n 2 "$log"
    continue
  fi
  # go test takes it for a failure when the time ends while an input is being
  # tried. A real one names the input that it wrote to testdata.
  if grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then
    echo "fuzz: the time was over, nothing was found"
    continue
  fi
  cat "$log"
  exit 1
done
