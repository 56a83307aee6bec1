// Counts like counter, with so much memory that it is copied while it runs. Each
// step changes some of it at random.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { WORDS = 7 << 20, STEP = 1 << 12 };

int main(int argc, char **argv) {
  int steps = argc > 1 ? atoi(argv[1]) : 100;
  unsigned long state = 88172645463325252, sum = 0;
  unsigned long *memory = mmap(NULL, WORDS * 8L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || madvise(memory, WORDS * 8L, MADV_NOHUGEPAGE)) return 1;
  for (int i = 0; i < WORDS; i++) memory[i] = i;
  for (int step = 1; step <= steps; step++) {
    for (int i = 0; i < STEP; i++) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      memory[state % WORDS] += state;
      sum = sum * 31 + memory[(state >> 9) % WORDS];
    }
    printf("%d %016lx\n", step, sum);
    fflush(stdout);
    nanosleep(&(struct timespec){0, 5000000}, NULL);
  }
  return 0;
}
