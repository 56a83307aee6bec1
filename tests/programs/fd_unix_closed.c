// Connections that are half shut or whose other end was closed: the rest can be
// read, then the end or the error that was to come.
// run: generations
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "probe.h"

static char got[100];

static ssize_t take(int fd) { return recv(fd, got, sizeof got, MSG_DONTWAIT); }

int main(void) {
  int half[2], gone[2], reset[2], lost[2], end[2];
  signal(SIGPIPE, SIG_IGN);
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, half) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, gone) == 0);
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, reset) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, lost) == 0);
  NEED(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, end) == 0);
  NEED(write(half[0], "half", 4) == 4 && shutdown(half[0], SHUT_WR) == 0);
  NEED(write(gone[1], "last", 4) == 4 && close(gone[1]) == 0);
  NEED(write(reset[0], "unread", 6) == 6 && close(reset[1]) == 0);
  NEED(write(lost[1], "d", 1) == 1 && close(lost[1]) == 0);
  NEED(write(end[1], "p", 1) == 1 && close(end[1]) == 0);
  save_here();
  CHECK(take(half[1]) == 4 && take(half[1]) == 0, "half shut: no end");
  CHECK(write(half[0], "x", 1) < 0 && errno == EPIPE, "half shut: can be written");
  CHECK(write(half[1], "y", 1) == 1 && take(half[0]) == 1 && *got == 'y', "half shut: the open half");
  CHECK(take(gone[0]) == 4 && !memcmp(got, "last", 4) && take(gone[0]) == 0, "closed: no rest or no end");
  CHECK(write(gone[0], "x", 1) < 0 && errno == EPIPE, "closed: %s", strerror(errno));
  struct pollfd p = {reset[0], POLLIN, 0};
  CHECK(poll(&p, 1, 0) == 1 && p.revents & POLLERR && p.revents & POLLHUP, "reset: events %x", p.revents);
  CHECK(take(reset[0]) < 0 && errno == ECONNRESET, "reset: %s", strerror(errno));
  CHECK(take(reset[0]) == 0, "reset: no end");
  CHECK(take(lost[0]) == 1 && *got == 'd', "datagram of one that is gone");
  CHECK(write(lost[0], "x", 1) < 0 && errno == ECONNREFUSED, "datagram to nobody: %s", strerror(errno));
  CHECK(take(end[0]) == 1 && *got == 'p' && take(end[0]) == 0, "packet and end");
  return done();
}
