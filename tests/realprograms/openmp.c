// Loops in four threads, scheduled as they come; the sums do not depend on that.
#include <stdio.h>

int main(void) {
  unsigned long hash = 1;
  for (int round = 0; round < 200; round++) {
    unsigned long sum = 0;
#pragma omp parallel for schedule(dynamic, 7) num_threads(4) reduction(+ : sum)
    for (int i = 0; i < 4000; i++) {
      unsigned long x = (unsigned long)(i * 100 + round);
      for (int n = 0; n < 300; n++) x = x * 6364136223846793005 + 1442695040888963407;
      sum += x >> 20;
    }
    hash = hash * 31 + sum;
    if (round % 10 == 9) {
      printf("%d %lx\n", round, hash);
      fflush(stdout);
    }
  }
  return 0;
}
