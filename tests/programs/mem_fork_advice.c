// MADV_WIPEONFORK and MADV_DONTFORK: the saved content is there (a twin made by
// fork does not have it), and both still work.
#include <sys/wait.h>

#include "maps.h"

int main(void) {
  char *wipe = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  char *dont = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  NEED(madvise(wipe, 4 * PAGE, MADV_WIPEONFORK) == 0);
  NEED(madvise(dont, 4 * PAGE, MADV_DONTFORK) == 0);
  fill(wipe, 4 * PAGE, 1);
  fill(dont, 4 * PAGE, 2);
  save_here();
  CHECK(filled(wipe, 4 * PAGE, 1), "content of wipeonfork");
  CHECK(filled(dont, 4 * PAGE, 2), "content of dontfork");
  int status = 0;
  pid_t child = fork();
  NEED(child >= 0);
  if (child == 0) {
    int gone = msync(dont, PAGE, MS_ASYNC) == -1 && errno == ENOMEM;
    _exit((wipe[0] || wipe[3 * PAGE]) + 2 * !gone);
  }
  NEED(waitpid(child, &status, 0) == child);
  CHECK(status == 0, "in a child: status %x", status);
  return done();
}
