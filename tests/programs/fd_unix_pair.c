// Socket pairs of every type: what waits in both directions with its
// boundaries, options, flags.
// run: generations
#include <sys/socket.h>
#include <sys/time.h>

#include "probe.h"

static char big[60001];

static void want(int fd, const char *text, const char *what) {
  static char got[100000];
  ssize_t n = recv(fd, got, sizeof got, MSG_DONTWAIT);
  CHECK(n == (ssize_t)strlen(text) && !memcmp(got, text, (size_t)n), "%s: %zd bytes", what, n);
}

static void nothing(int fd) {
  char c;
  CHECK(recv(fd, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN, "something waits in %d", fd);
}

int main(void) {
  static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
  int p[3][2], size = 40000;
  memset(big, 'b', sizeof big - 1);
  for (int i = 0; i < 3; i++) {
    NEED(socketpair(AF_UNIX, types[i] | (i ? SOCK_CLOEXEC : SOCK_NONBLOCK), 0, p[i]) == 0);
    NEED(send(p[i][0], "one", 3, 0) == 3 && send(p[i][0], "three", 5, 0) == 5);
    NEED(i == 0 || send(p[i][0], "", 0, 0) == 0);
    NEED(send(p[i][0], big, sizeof big - 1, 0) == sizeof big - 1);
    NEED(send(p[i][1], "back", 4, 0) == 4);
  }
  struct timeval t = {2, 500000};
  NEED(setsockopt(p[0][0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
  NEED(setsockopt(p[0][0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
  int copy = dup(p[1][0]);
  save_here();
  for (int i = 0; i < 3; i++) {
    if (i == 0) {
      static char all[sizeof big + 8];
      memcpy(memset(all, 'b', sizeof all - 1), "onethree", 8);
      want(p[i][1], all, "stream");
    } else {
      want(p[i][1], "one", "first"), want(p[i][1], "three", "second"), want(p[i][1], "", "empty");
      want(p[i][1], big, "big");
    }
    want(p[i][0], "back", "the other way");
    CHECK((fcntl(p[i][0], F_GETFD) == FD_CLOEXEC) == (i > 0), "close-on-exec of %d", i);
    CHECK(!(fcntl(p[i][0], F_GETFL) & O_NONBLOCK) == (i > 0), "flags of %d: %o", i, fcntl(p[i][0], F_GETFL));
  }
  nothing(p[1][1]), nothing(p[2][1]), nothing(p[2][0]);
  socklen_t n = sizeof t;
  CHECK(getsockopt(p[0][0], SOL_SOCKET, SO_RCVTIMEO, &t, &n) == 0 && t.tv_sec == 2 && t.tv_usec == 500000, "timeout");
  n = sizeof size;
  CHECK(getsockopt(p[0][0], SOL_SOCKET, SO_SNDBUF, &size, &n) == 0 && size == 80000, "send buffer %d", size);
  int type = 0;
  CHECK(getsockopt(p[2][0], SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_SEQPACKET, "type %d", type);
  CHECK(send(copy, "by the copy", 11, 0) == 11, "send: %s", strerror(errno));
  want(p[1][1], "by the copy", "by the copy");
  return done();
}
