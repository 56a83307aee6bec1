# Background jobs, waited for one by one, their statuses folded into one number.
fold=1
trap 'echo "end $fold $reaped"' EXIT
trap 'reaped=$((reaped + 1))' USR1
reaped=0
work() { local i=$1 x=$1; for ((n = 0; n < 6000; n++)); do x=$(((x * 1103515245 + 12345) & 0x7fffffff)); done; return $((x % 100 + 1)); }
for round in 1 2 3 4 5; do
  pids=()
  for i in 1 2 3 4 5; do
    work $((round * 10 + i)) &
    pids+=($!)
  done
  kill -USR1 "$BASHPID" # not $$: saved without a job, it is one process, and gets a new id
  for pid in "${pids[@]}"; do
    wait "$pid"
    fold=$(((fold * 31 + $?) % 1000003))
  done
  echo "round $round: $fold"
done
