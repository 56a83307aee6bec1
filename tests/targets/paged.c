// Paged: sums up much memory again and again, and tells how many pages of it were not
// there before. It executes another program when there is a file named exec.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 8192, WORDS = PAGE / 8 };
static unsigned char there[PAGES];

int main(void) {
  unsigned long *memory = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  unsigned long state = 88172645463325252;
  for (long i = 0; i < (long)PAGES * WORDS; i++) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    memory[i] = state >> 44;
  }
  for (;;) {
    int missing = 0;
    if (mincore(memory, (size_t)PAGES * PAGE, there)) return 2;
    for (int i = 0; i < PAGES; i++) missing += !(there[i] & 1);
    if (access("exec", F_OK) == 0) execl("/bin/sleep", "sleep", "1000", NULL);
    unsigned long sum = 0;
    for (long i = (long)PAGES * WORDS - 1; i >= 0; i--) sum = sum * 31 + memory[i];
    printf("missing %d sum %lx\n", missing, sum);
    fflush(stdout);
    nanosleep(&(struct timespec){0, 5000000}, NULL);
  }
}
