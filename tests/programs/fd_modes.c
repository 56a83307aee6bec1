// Open modes and status flags: read-only, write-only, append, non-blocking,
// synchronous, and close-on-exec.
#include "probe.h"

static const int modes[] = {
    O_RDONLY, O_WRONLY, O_RDWR, O_WRONLY | O_APPEND, O_RDWR | O_APPEND | O_NONBLOCK,
    O_RDONLY | O_CLOEXEC, O_RDWR | O_SYNC, O_RDWR | O_DSYNC | O_CLOEXEC, O_RDONLY | O_NOFOLLOW,
};
enum { MODES = sizeof modes / sizeof *modes };

int main(void) {
  int fd[MODES], flags[MODES];
  close(open("data", O_WRONLY | O_CREAT, 0644));
  for (int i = 0; i < MODES; i++) {
    NEED((fd[i] = open("data", modes[i])) >= 0);
    flags[i] = fcntl(fd[i], F_GETFL);
  }
  save_here();
  for (int i = 0; i < MODES; i++) {
    CHECK(fcntl(fd[i], F_GETFL) == flags[i], "%d: flags %o, were %o", i, fcntl(fd[i], F_GETFL),
        flags[i]);
    CHECK(fcntl(fd[i], F_GETFD) == !!(modes[i] & O_CLOEXEC), "%d: close-on-exec %d", i,
        fcntl(fd[i], F_GETFD));
  }
  CHECK(write(fd[1], "ab", 2) == 2 && write(fd[3], "cd", 2) == 2, "%s", strerror(errno));
  CHECK(!strcmp(slurp("data"), "abcd"), "append: %s", slurp("data"));
  CHECK(write(fd[0], "x", 1) == -1 && errno == EBADF, "the read-only one can be written");
  return done();
}
