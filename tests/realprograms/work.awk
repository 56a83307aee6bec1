# A linear congruential generator into an array.
BEGIN {
  x = 12345
  for (i = 1; i <= n; i++) {
    x = (x * 16807) % 2147483647
    count[x % 5003]++
    if (i % (n / 10) == 0) {
      sum = 0
      for (key in count) sum += key * count[key] % 97
      printf "%d %d %d %.17g\n", i, x, sum, sin(x)
      fflush()
    }
  }
}
