// A listening socket: a connection that was accepted, two that wait, and new ones
// afterwards; a client that is blocked because the queue is full; its owner is
// blocked in accept. (What was sent through one that waits nobody can read.)
// run: each=path,abstract,seqpacket,accept
#include "unix.h"

static char name[64];
static int type = SOCK_STREAM;

static void client(int i) {
  char text[32] = "";
  int fd = socket(AF_UNIX, type, 0);
  NEED(fd >= 0);
  if (i == 3) did("client.3");  // it has to wait
  int error = unix_connect(fd, name) ? errno : 0;
  CHECK(error == 0, "connect of %d: %s", i, strerror(error));
  snprintf(text, sizeof text, "client %d", i);
  if (i == 0) NEED(send(fd, text, strlen(text), 0) > 0);
  if (i < 3) did("client.%d", i);
  wait_go();
  if (i > 0) NEED(send(fd, text, strlen(text), 0) > 0);
  memset(text, 0, sizeof text);
  struct timeval limit = {20, 0};
  NEED(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  CHECK(recv(fd, text, sizeof text, 0) > 0 && atoi(text) == i + 70, "client %d got \"%s\"", i, text);
}

// serve speaks with the client that has connected as the i-th.
static void serve(int fd, int i) {
  char text[32] = "", want[32], answer[32];
  snprintf(want, sizeof want, "client %d", i);
  CHECK(recv(fd, text, sizeof text - 1, 0) > 0 && is(text, want), "\"%s\", not \"%s\"", text, want);
  snprintf(answer, sizeof answer, "%d", i + 70);
  CHECK(send(fd, answer, strlen(answer), MSG_NOSIGNAL) > 0, "to %d: %s", i, strerror(errno));
  close(fd);
}

static void acceptor(int server) {
  did("acceptor");
  int fd = accept(server, NULL, NULL);
  CHECK(fd >= 0, "a blocked accept: %s", strerror(errno));
  serve(fd, 0);
}

int main(int argc, char **argv) {
  const char *how = argument(argc, argv);
  struct sockaddr_un a, want;
  socklen_t length = sizeof a;
  if (is(how, "abstract")) snprintf(name, sizeof name, "@probe-%d", getpid());
  else strcpy(name, "server");
  if (is(how, "seqpacket")) type = SOCK_SEQPACKET;
  int server = unix_bound(type | SOCK_CLOEXEC, name), first = -1;
  NEED(listen(server, 1) == 0);
  pid_t pids[4] = {0};
  if (is(how, "accept")) {
    pids[0] = child(acceptor, server);
    await_did("acceptor");
    await_call(pids[0], SYS_accept);
  } else {
    for (int i = 0; i < 4; i++) {
      pids[i] = child(client, i);
      await_did("client.%d", i);
      if (i == 0) NEED((first = accept(server, NULL, NULL)) >= 0);
    }
    await_call(pids[3], SYS_connect);
  }
  save_here();
  socklen_t size = unix_address(&want, name);
  CHECK(getsockname(server, (struct sockaddr *)&a, &length) == 0 && length == size &&
            memcmp(&a, &want, size) == 0, "its name: %u bytes, not %u", length, size);
  CHECK(option(server, SO_ACCEPTCONN) == 1, "it does not listen");
  if (is(how, "accept")) {
    pids[1] = child(client, 0);
  } else {
    length = sizeof a;
    CHECK(getsockname(first, (struct sockaddr *)&a, &length) == 0 && length == size, "accepted one's name");
    serve(first, 0);
    for (int i = 1; i < 4; i++) {
      int fd = accept(server, NULL, NULL);
      CHECK(fd >= 0, "accept %d: %s", i, strerror(errno));
      serve(fd, i);
    }
  }
  for (int i = 0; i < 4; i++)
    if (pids[i]) ends_well(pids[i]);
  return done();
}
