// Counts: one line each 20 ms, with a checksum over a megabyte of memory that
// every step changes. The output of N steps is always the same, whatever is
// done to it in between, and a byte gone wrong shows.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WORDS = 1 << 17 };
static unsigned long memory[WORDS];

int main(int argc, char **argv) {
  int steps = argc > 1 ? atoi(argv[1]) : 100;
  unsigned long state = 88172645463325252, sum = 0;
  long ns = argc > 2 ? atol(argv[2]) : 20000000;  // of a nap
  struct timespec nap = {ns / 1000000000, ns % 1000000000};
  for (int step = 1; step <= steps; step++) {
    for (int i = 0; i < WORDS; i++) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      memory[i] += state;
      sum = sum * 31 + memory[i];
    }
    printf("%d %016lx\n", step, sum);
    fflush(stdout);
    nanosleep(&nap, NULL);
  }
  return 0;
}
