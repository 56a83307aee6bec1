// epoll: several descriptors with their events and data; edge-triggered and
// one-shot ones, disabled ones too; changes afterwards.
// run: generations
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "probe.h"

static int set, fd[5];

static unsigned long ready_data(void) {
  struct epoll_event e[8];
  unsigned long data = 0;
  int n = epoll_wait(set, e, 8, 0);
  for (int i = 0; i < n; i++) data |= e[i].data.u64;
  return data;
}

static void add(int i, unsigned events) {
  struct epoll_event e = {events, {.u64 = 0xabc0000000000000 | 1u << i}};
  NEED((fd[i] = eventfd(0, EFD_NONBLOCK)) >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, fd[i], &e) == 0);
}

int main(void) {
  NEED((set = epoll_create1(EPOLL_CLOEXEC)) >= 0);
  add(0, EPOLLIN), add(1, EPOLLIN | EPOLLET), add(2, EPOLLIN | EPOLLONESHOT),
      add(3, EPOLLIN | EPOLLONESHOT), add(4, EPOLLIN | EPOLLPRI | EPOLLRDHUP);
  NEED(eventfd_write(fd[2], 1) == 0);
  // An end of a pipe that nobody writes to is ready at once when it is registered
  // again, but has been reported.
  int hung[2];
  struct epoll_event once = {EPOLLIN | EPOLLONESHOT, {.u64 = 32}};
  NEED(pipe(hung) == 0 && close(hung[1]) == 0 && epoll_ctl(set, EPOLL_CTL_ADD, hung[0], &once) == 0);
  NEED(ready_data() == (0xabc0000000000000 | 4 | 32));  // disables the one-shots
  save_here();
  CHECK(fcntl(set, F_GETFD) == FD_CLOEXEC, "close-on-exec");
  CHECK(ready_data() == 0, "a disabled one-shot fires: %lx", ready_data());
  for (int i = 0; i < 5; i++) eventfd_write(fd[i], 1);
  unsigned long data = ready_data();
  CHECK(data == (0xabc0000000000000 | 1 | 2 | 8 | 16), "data %lx", data);
  data = ready_data();  // the edge and the one-shot are used up
  CHECK(data == (0xabc0000000000000 | 1 | 16), "data %lx the second time", data);
  struct epoll_event e = {EPOLLIN, {.u64 = 64}};
  CHECK(epoll_ctl(set, EPOLL_CTL_MOD, fd[2], &e) == 0, "MOD: %s", strerror(errno));
  CHECK(epoll_ctl(set, EPOLL_CTL_DEL, fd[0], NULL) == 0, "DEL: %s", strerror(errno));
  CHECK(ready_data() & 64 && !(ready_data() & 1), "after MOD and DEL: %lx", ready_data());
  return done();
}
