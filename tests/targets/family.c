// Counts as long as its child checks itself, its memory and its parent. Ends with
// status 1 when anything is wrong. With an argument, signals may end sleeps.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned *rounds;
static int interruptible;

static _Noreturn void work(pid_t parent) {
  enum { words = 1 << 16 };
  uint64_t *p = malloc(words * sizeof *p);
  pid_t self = getpid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (uint64_t i = 0; i < words; i++) p[i] = i * 3;
  for (;; ++*rounds) {
    struct timespec ms = {0, 1000000};
    if (nanosleep(&ms, NULL) && !interruptible) _exit(2);
    for (uint64_t i = 0; i < words; i++)
      if (p[i] != i * 3) _exit(3);
    if (getpid() != self || getppid() != parent) _exit(4);
  }
}

int main(int argc, char **argv) {
  interruptible = argc > 1 && argv[1][0];
  pid_t self = getpid(), child;
  rounds = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (rounds == MAP_FAILED || (child = fork()) < 0) return 1;
  if (child == 0) work(self);
  for (long n = 1;; n++) {
    unsigned before = *rounds;
    int status = 0;
    while (*rounds - before < 2) {
      pid_t ended = waitpid(-1, &status, WNOHANG);
      if (ended) {
        fprintf(stderr, "waitpid: %d, status %x\n", ended, status);
        return 1;
      }
      usleep(500);
    }
    printf("%ld \n", n);
    fflush(stdout);
  }
}
