// epoll over sockets: events that wait, edges, hangups, one that listens.
// run: generations
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "probe.h"

static int set;

static unsigned events(unsigned long data) {
  struct epoll_event e[8];
  unsigned found = 0;
  int n = epoll_wait(set, e, 8, 0);
  for (int i = 0; i < n; i++)
    if (e[i].data.u64 == data) found = e[i].events;
  return found;
}

static void add(int fd, unsigned ev, unsigned long data) {
  struct epoll_event e = {ev, {.u64 = data}};
  NEED(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e) == 0);
}

int main(void) {
  int a[2], b[2], c[2], on = 1;
  char got[10];
  struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "server"};
  int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  NEED(bind(server, (struct sockaddr *)&name, sizeof name) == 0 && listen(server, 2) == 0);
  NEED((set = epoll_create1(0)) >= 0);
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, b) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, c) == 0);
  NEED(setsockopt(a[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
  add(a[1], EPOLLIN | EPOLLRDHUP, 1), add(b[1], EPOLLIN | EPOLLET, 2), add(c[1], EPOLLIN | EPOLLRDHUP, 3), add(server, EPOLLIN, 4);
  NEED(write(a[0], "x", 1) == 1);
  NEED(write(b[0], "y", 1) == 1 && events(2) == EPOLLIN && events(2) == 0);
  NEED(shutdown(c[0], SHUT_WR) == 0);
  NEED(connect(client, (struct sockaddr *)&name, sizeof name) == 0);
  save_here();
  CHECK(events(1) == EPOLLIN, "level");
  CHECK(events(3) == (EPOLLIN | EPOLLRDHUP), "half shut: %x", events(3));
  CHECK(events(4) == EPOLLIN, "a connection waits");
  CHECK(events(2) == 0, "the edge is reported again and again");
  CHECK(write(b[0], "z", 1) == 1 && events(2) == EPOLLIN && events(2) == 0, "no new edge");
  CHECK(read(a[1], got, 10) == 1 && events(1) == 0, "still ready");
  CHECK(accept(server, NULL, NULL) >= 0 && events(4) == 0, "another connection");
  close(a[0]);
  CHECK(events(1) == (EPOLLIN | EPOLLRDHUP | EPOLLHUP), "closed: %x", events(1));
  return done();
}
