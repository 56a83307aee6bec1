// Mappings longer than their file: SIGBUS behind its end, as before.
#include <setjmp.h>
#include <signal.h>

#include "maps.h"

static sigjmp_buf back;
static void on_bus(int s) { siglongjmp(back, s); }

static void check_bus(char *p, const char *what) {
  int caught = sigsetjmp(back, 1);
  if (!caught) *(volatile char *)p;
  CHECK(caught == SIGBUS, "%s: no SIGBUS", what);
}

int main(void) {
  signal(SIGBUS, on_bus);
  int fd = open("short", O_RDWR | O_CREAT, 0644);
  NEED(fd >= 0 && write(fd, "hello", 5) == 5);
  char *shared = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *private = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  NEED(shared != MAP_FAILED && private != MAP_FAILED && close(fd) == 0);
  private[1] = 'a';
  save_here();
  CHECK(!memcmp(shared, "hello\0", 6), "shared content");
  CHECK(!memcmp(private, "hallo\0", 6), "private content");
  check_bus(shared + PAGE, "shared");
  check_bus(private + 2 * PAGE, "private");
  return done();
}
