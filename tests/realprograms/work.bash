# Builtins only: arrays, arithmetic, string operations, a function, a trap.
declare -A count
x=12345
step() { x=$(((x * 1103515245 + 12345) & 0x7fffffff)); }
trap 'printf "end %d\n" "$x"' EXIT
for ((i = 1; i <= 60000; i++)); do
  step
  key=k$((x >> 22))
  ((count[$key]++))
  if ((i % 5000 == 0)); then
    text="${!count[*]}"
    printf '%d %d %d %d\n' "$i" "$x" "${#count[@]}" "${#text}"
  fi
done
