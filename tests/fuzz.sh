#!/bin/sh
# Runs every fuzz target of the module for a while: fuzz.sh [TIME], 10s if not
# said otherwise. The first failure ends it; go test then has written the
# failing input under testdata/fuzz of its package.
set -eu

time=${1:-10s}
targets=$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n 1 dirname | sort -u)
for package in $targets; do
  # Not a pipe: a failure in it would be lost.
  names=$(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true)
  for name in $names; do
    echo "$package $name"
    go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$package"
  done
done
