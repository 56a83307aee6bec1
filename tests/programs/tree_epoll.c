// epoll sets over what leads to other processes: a pipe, a socket pair, a
// signalfd that gets SIGCHLD, an inotify, an eventfd; the set is shared with a
// child.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tree.h"

enum { PIPE, PAIR, SIGNAL, NOTIFY, EVENT, READY, N };
static int fds[N], set, ends[2], pair[2];

// await_event expects that the next event is of that kind.
static int await_event(int kind) {
  struct epoll_event e = {.data.u32 = 99};
  int n = epoll_wait(set, &e, 1, 20000);
  CHECK(n == 1 && e.data.u32 == (unsigned)kind, "%d: %d, event %d: %s", kind, n, (int)e.data.u32,
        strerror(errno));
  return n == 1;
}

static void work(int i) {
  did("child");
  wait_go();
  NEED(write(ends[1], "p", 1) == 1);
  await_did("pipe");
  NEED(send(pair[1], "s", 1, 0) == 1);
  await_did("pair");
  NEED(open("dir/watched", O_CREAT | O_WRONLY, 0600) >= 0);
  await_did("notify");
  NEED(eventfd_write(fds[EVENT], 5) == 0);
  await_did("event");
  // The child waits for what its parent does.
  NEED(write(ends[1], "q", 1) == 1);
  await_event(PIPE);
  did("seen");
  await_did("end");
  _exit(probe_failures ? 1 : i);
}

int main(void) {
  char text[4096];
  sigset_t chld;
  struct signalfd_siginfo info;
  eventfd_t value = 0;
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  NEED(sigprocmask(SIG_BLOCK, &chld, NULL) == 0 && pipe(ends) == 0);
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && (set = epoll_create1(0)) >= 0);
  NEED(mkdir("dir", 0700) == 0);
  int notify = inotify_init1(0), watch = inotify_add_watch(notify, "dir", IN_CREATE);
  int files[N] = {ends[0], pair[0], signalfd(-1, &chld, 0), notify, eventfd(0, 0), eventfd(1, 0)};
  for (int i = 0; i < N; i++) {
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = (unsigned)i};
    fds[i] = files[i];
    NEED(fds[i] >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, fds[i], &e) == 0);
  }
  pid_t pid = child(work, 6);
  await_did("child");
  save_here();
  await_event(READY);
  CHECK(eventfd_read(fds[READY], &value) == 0 && value == 1, "%ld", (long)value);
  await_event(PIPE);
  NEED(read(ends[0], text, 1) == 1);
  did("pipe");
  await_event(PAIR);
  NEED(read(pair[0], text, 1) == 1);
  did("pair");
  await_event(NOTIFY);
  const struct inotify_event *event = (const struct inotify_event *)text;
  NEED(read(notify, text, sizeof text) > 0);
  CHECK(event->wd == watch, "watch %d, was %d", event->wd, watch);
  did("notify");
  await_event(EVENT);
  CHECK(eventfd_read(fds[EVENT], &value) == 0 && value == 5, "%ld", (long)value);
  did("event");
  await_event(PIPE);
  await_did("seen");
  did("end");
  // The pipe stays readable; what comes beside it is the child's end.
  NEED(epoll_ctl(set, EPOLL_CTL_DEL, ends[0], NULL) == 0);
  await_event(SIGNAL);
  CHECK(read(fds[SIGNAL], &info, sizeof info) == sizeof info && info.ssi_pid == (unsigned)pid &&
            info.ssi_status == 6, "from %u, status %d", info.ssi_pid, info.ssi_status);
  CHECK(status_of(pid) == 6 << 8, "the child's status");
  return done();
}
