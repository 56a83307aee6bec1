// A socket pair between two processes, bytes or messages in flight both ways,
// boundaries kept; options; one direction shut down; a reader that is blocked.
// run: each=stream,dgram,seqpacket
#include "unix.h"

static int one[2], two[2], three[2], type;

static void expect(int fd, const char *text) {
  char got[100] = "";
  // A stream has no boundaries: exactly that many.
  ssize_t n = recv(fd, got, type == SOCK_STREAM ? strlen(text) : 99, MSG_DONTWAIT);
  CHECK(n == (ssize_t)strlen(text) && is(got, text), "%zd bytes \"%s\", not \"%s\": %s", n, got, text,
        strerror(errno));
}

static void work(int i) {
  char c;
  (void)i;
  close(one[0]), close(two[0]), close(three[0]);
  NEED(send(one[1], "up 1", 4, 0) == 4 && send(one[1], "up two", 6, 0) == 6);
  if (type != SOCK_STREAM) NEED(send(one[1], "", 0, 0) == 0);
  NEED(send(two[1], "last", 4, 0) == 4 && shutdown(two[1], SHUT_WR) == 0);
  did("child");
  CHECK(recv(three[1], &c, 1, 0) == 1 && c == 'x', "a blocked recv: %s", strerror(errno));
  wait_go();
  expect(one[1], "down 1");
  expect(one[1], "down two");
  NEED(send(one[1], "after", 5, 0) == 5);
  expect(two[1], "other way");
  CHECK(send(two[1], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "not shut down");
  did("read");
}

int main(int argc, char **argv) {
  const char *how = argument(argc, argv);
  type = is(how, "stream") ? SOCK_STREAM : is(how, "dgram") ? SOCK_DGRAM : SOCK_SEQPACKET;
  int size = 100000, set = 1;
  struct timeval limit = {77, 0}, limit_after;
  socklen_t length = sizeof limit;
  NEED(socketpair(AF_UNIX, type, 0, one) == 0 && socketpair(AF_UNIX, type, 0, two) == 0);
  NEED(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, three) == 0);
  NEED(setsockopt(one[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
  NEED(setsockopt(one[0], SOL_SOCKET, SO_PASSCRED, &set, sizeof set) == 0);
  NEED(setsockopt(one[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  int buffer = option(one[0], SO_SNDBUF);
  pid_t pid = child(work, 0), maker = getpid();
  close(one[1]), close(two[1]), close(three[1]);
  NEED(send(one[0], "down 1", 6, 0) == 6 && send(one[0], "down two", 8, 0) == 8);
  NEED(send(two[0], "other way", 9, 0) == 9);
  await_did("child");
  await_call(pid, SYS_recvfrom);
  save_here();
  CHECK(option(one[0], SO_TYPE) == type && option(one[0], SO_PASSCRED) == 1, "type, credentials");
  CHECK(option(one[0], SO_SNDBUF) == buffer, "buffer %d, was %d", option(one[0], SO_SNDBUF), buffer);
  CHECK(getsockopt(one[0], SOL_SOCKET, SO_RCVTIMEO, &limit_after, &length) == 0 &&
            limit_after.tv_sec == 77, "time limit %ld", limit_after.tv_sec);
  CHECK(fcntl(three[0], F_GETFD) == FD_CLOEXEC, "close-on-exec");
  CHECK(peer(one[0]) == maker, "the peer is %d, not %d", peer(one[0]), maker);
  NEED(send(three[0], "x", 1, 0) == 1);
  await_did("read");
  expect(one[0], "up 1");
  expect(one[0], "up two");
  if (type != SOCK_STREAM) expect(one[0], "");
  expect(one[0], "after");
  expect(two[0], "last");
  ends_well(pid);
  char c;
  if (type != SOCK_DGRAM) CHECK(recv(one[0], &c, 1, MSG_DONTWAIT) == 0, "no end: %s", strerror(errno));
  return done();
}
