// epoll within epoll, epoll of a duplicate, of a timerfd and of a signalfd.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "probe.h"

int main(void) {
  int outer = epoll_create1(0), inner = epoll_create1(0), p[2];
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  NEED(sigprocmask(SIG_BLOCK, &mask, NULL) == 0 && pipe(p) == 0 && dup2(p[0], 60) == 60);
  int sfd = signalfd(-1, &mask, SFD_NONBLOCK), tfd = timerfd_create(CLOCK_MONOTONIC, 0);
  struct epoll_event e = {EPOLLIN, {.u64 = 1}}, got[4];
  NEED(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &e) == 0);
  e.data.u64 = 2;
  NEED(epoll_ctl(inner, EPOLL_CTL_ADD, 60, &e) == 0);
  e.data.u64 = 4;
  NEED(epoll_ctl(outer, EPOLL_CTL_ADD, sfd, &e) == 0);
  e.data.u64 = 8;
  NEED(epoll_ctl(outer, EPOLL_CTL_ADD, tfd, &e) == 0);
  save_here();
  CHECK(epoll_wait(outer, got, 4, 0) == 0, "something is ready");
  NEED(write(p[1], "x", 1) == 1);
  CHECK(epoll_wait(outer, got, 4, 0) == 1 && got[0].data.u64 == 1, "nested");
  CHECK(epoll_wait(inner, got, 4, 0) == 1 && got[0].data.u64 == 2, "inner");
  NEED(read(60, got, 1) == 1 && raise(SIGUSR1) == 0);
  CHECK(epoll_wait(outer, got, 4, 0) == 1 && got[0].data.u64 == 4, "signalfd");
  struct signalfd_siginfo info;
  struct itimerspec soon = {{0, 0}, {0, 1}};
  NEED(read(sfd, &info, sizeof info) == sizeof info && timerfd_settime(tfd, 0, &soon, NULL) == 0);
  CHECK(epoll_wait(outer, got, 4, 5000) == 1 && got[0].data.u64 == 8, "timerfd");
  return done();
}
