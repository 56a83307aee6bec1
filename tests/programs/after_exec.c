// execve after the restore: descriptors without O_CLOEXEC are inherited, the
// others not, signals that were ignored still are.
#include <signal.h>

#include "probe.h"

int main(int argc, char **argv) {
  if (argc > 1) {
    char text[8] = "";
    CHECK(read(7, text, 5) == 5 && !strcmp(text, "hello"), "descriptor 7: %s", text);
    CHECK(fcntl(8, F_GETFD) == -1, "descriptor 8 is not closed");
    CHECK(signal(SIGHUP, SIG_DFL) == SIG_IGN, "SIGHUP is not ignored");
    return done();
  }
  int fd = open("input", O_RDWR | O_CREAT, 0644);
  NEED(fd >= 0 && write(fd, "hello", 5) == 5 && lseek(fd, 0, SEEK_SET) == 0);
  NEED(dup2(fd, 7) == 7 && dup3(fd, 8, O_CLOEXEC) == 8);
  signal(SIGHUP, SIG_IGN);
  save_here();
  execv(argv[0], (char *[]){argv[0], "again", NULL});
  CHECK(0, "execv: %s", strerror(errno));
  return done();
}
