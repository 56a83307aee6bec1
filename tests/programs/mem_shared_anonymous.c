// Shared anonymous memory, mapped twice, and shared with a later child.
// run: generations
#include <sys/wait.h>

#include "maps.h"

int main(void) {
  char *p = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  char *twice = mremap(p + PAGE, 0, 4 * PAGE, MREMAP_MAYMOVE);
  NEED(twice != MAP_FAILED);
  fill(p, 3 * PAGE, 12);
  save_here();
  CHECK(filled(p, 3 * PAGE, 12), "content");
  CHECK(p[5 * PAGE] == 0, "untouched page");
  CHECK(!memcmp(p + PAGE, twice, 4 * PAGE), "second mapping");
  p[2 * PAGE] ^= 1;
  CHECK(p[2 * PAGE] == twice[PAGE], "mappings are not shared any more");
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
