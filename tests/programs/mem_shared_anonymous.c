// Shared anonymous memory, shared with a later child.
// run: generations
#include <sys/wait.h>

#include "maps.h"

int main(void) {
  char *p = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  fill(p, 3 * PAGE, 12);
  save_here();
  CHECK(filled(p, 3 * PAGE, 12), "content");
  CHECK(p[5 * PAGE] == 0, "untouched page");
  pid_t child = fork();
  NEED(child >= 0);
  if (child == 0) {
    p[7 * PAGE] = 77;
    _exit(0);
  }
  waitpid(child, NULL, 0);
  CHECK(p[7 * PAGE] == 77, "not shared with a child: %d", p[7 * PAGE]);
  return done();
}
