// A pipe with both ends inside and bytes in it; then an end of file and EPIPE.
// run: static generations
#include <signal.h>
#include <sys/ioctl.h>

#include "probe.h"

int main(void) {
  int p[2], q[2], count = 0;
  static char bytes[20000];
  NEED(pipe2(p, O_CLOEXEC) == 0 && pipe(q) == 0);
  fill(bytes, sizeof bytes, 1);
  NEED(write(p[1], bytes, sizeof bytes) == sizeof bytes && write(q[1], "empty it", 8) == 8 &&
      read(q[0], bytes, 8) == 8);
  save_here();
  CHECK(ioctl(p[0], FIONREAD, &count) == 0 && count == sizeof bytes, "%d bytes", count);
  CHECK(ioctl(q[0], FIONREAD, &count) == 0 && count == 0, "%d bytes in the empty one", count);
  CHECK(fcntl(p[0], F_GETFD) == FD_CLOEXEC && fcntl(q[0], F_GETFD) == 0, "close-on-exec");
  CHECK(read(p[0], bytes, sizeof bytes) == sizeof bytes && filled(bytes, sizeof bytes, 1),
      "content");
  CHECK(write(q[1], "hello", 5) == 5 && close(q[1]) == 0, "%s", strerror(errno));
  CHECK(read(q[0], bytes, 9) == 5 && read(q[0], bytes, 9) == 0, "no end of file");
  signal(SIGPIPE, SIG_IGN);
  close(p[0]);
  CHECK(write(p[1], "x", 1) == -1 && errno == EPIPE, "no EPIPE");
  return done();
}
