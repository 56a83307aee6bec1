// Datagram sockets with names: messages that wait, of several senders, with
// their addresses; a connected one; a sender that has gone.
// run: each=path,abstract
#include "unix.h"

static char names[3][64];

static void work(int i) {
  char text[32];
  struct sockaddr_un to;
  int fd = unix_bound(SOCK_DGRAM, names[i]);
  socklen_t length = unix_address(&to, names[0]);
  snprintf(text, sizeof text, "from %d", i);
  NEED(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, length) > 0);
  if (i == 2) return;
  NEED(connect(fd, (struct sockaddr *)&to, length) == 0 && send(fd, "connected", 9, 0) == 9);
  did("child");
  wait_go();
  NEED(send(fd, "after", 5, 0) == 5);
  did("sent");
  struct timeval limit = {20, 0};
  NEED(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  CHECK(recv(fd, text, sizeof text, 0) == 6 && memcmp(text, "answer", 6) == 0, "%s", strerror(errno));
}

static void expect(int fd, const char *text, int from) {
  char got[100] = "";
  struct sockaddr_un a = {0}, want;
  socklen_t length = sizeof a, size = unix_address(&want, names[from]);
  ssize_t n = recvfrom(fd, got, 99, MSG_DONTWAIT, (struct sockaddr *)&a, &length);
  CHECK(n == (ssize_t)strlen(text) && is(got, text), "\"%s\", not \"%s\"", got, text);
  CHECK(length == size && memcmp(&a, &want, size) == 0, "%s: from \"%s\", not \"%s\"", text,
        a.sun_path + !a.sun_path[0], names[from]);
}

int main(int argc, char **argv) {
  int abstract = is(argument(argc, argv), "abstract");
  for (int i = 0; i < 3; i++)
    snprintf(names[i], sizeof names[i], "%sprobe-%d-%d", abstract ? "@" : "", getpid(), i);
  int fd = unix_bound(SOCK_DGRAM | SOCK_CLOEXEC, names[0]);
  ends_well(child(work, 2));
  pid_t pid = child(work, 1);
  await_did("child");
  save_here();
  await_did("sent");
  expect(fd, "from 2", 2);
  expect(fd, "from 1", 1);
  expect(fd, "connected", 1);
  expect(fd, "after", 1);
  struct sockaddr_un to;
  socklen_t length = unix_address(&to, names[1]);
  CHECK(sendto(fd, "answer", 6, 0, (struct sockaddr *)&to, length) == 6, "%s", strerror(errno));
  ends_well(pid);
  return done();
}
