// Says of every signal that it gets, which is one too many. With "large" it has
// memory that is a single area of more than all the memory of most machines,
// but was asked for in pieces; with "high" a descriptor with a high number.
#include <signal.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include "../programs/probe.h"

static void caught(int sig) { CHECK(0, "signal %d", sig); }

static void large(void) {
  struct sysinfo s;
  NEED(sysinfo(&s) == 0);
  size_t size = (s.totalram + s.totalswap) * s.mem_unit / 2 & ~(size_t)0x1fffff;
  char *last = NULL;
  for (int i = 0; i < 3; i++) {
    char *p = (char *)mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(p != MAP_FAILED && (!last || p + size == last));
    last = p;
    p[0] = p[size - 1] = 1;
  }
}

int main(int argc, char **argv) {
  for (int sig = 1; sig < NSIG; sig++) signal(sig, caught);
  if (argc > 1 && !strcmp(argv[1], "large")) large();
  if (argc > 1 && !strcmp(argv[1], "high")) NEED(dup2(1, 900) == 900);
  save_here();
  for (int i = 0; i < 50; i++) probe_nap(10);
  return done();
}
