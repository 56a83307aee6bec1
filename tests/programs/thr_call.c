// A thread that is blocked in a system call at the save, the leader is not: the
// call ends when what it waits for happens, as if nothing had been.
// run: each=read,write,nanosleep,futex,poll,select,epoll,sigwait,pause,flock,ofd,eventfd,timerfd,join,fifo,all
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "threads.h"

static int in[2], full[2], polled[2], selected[2], watched[2], ofd, held, event, timer, set, word,
    locked, fifo;
static double begin;
static volatile int paused;
static void handler(int s) { (void)s, paused++; }

static void set_up(void) {
  struct itimerspec soon = {.it_value = {2, 0}};
  struct flock whole = {.l_type = F_WRLCK};
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
  NEED(pipe(in) == 0 && pipe(full) == 0 && pipe(polled) == 0 && pipe(selected) == 0);
  NEED(pipe(watched) == 0 && sigaction(SIGUSR1, &a, NULL) == 0);
  NEED((locked = open("locked", O_RDWR | O_CREAT | O_CLOEXEC, 0600)) >= 0);
  NEED(flock(locked, LOCK_EX) == 0);
  NEED((held = open("held", O_RDWR | O_CREAT | O_CLOEXEC, 0600)) >= 0);
  NEED((ofd = open("held", O_RDWR | O_CLOEXEC)) >= 0 && fcntl(held, F_OFD_SETLK, &whole) == 0);
  NEED((event = eventfd(0, 0)) >= 0 && (timer = timerfd_create(CLOCK_MONOTONIC, 0)) >= 0);
  begin = now();  // not later: the timer may run for long before the threads do
  NEED(timerfd_settime(timer, 0, &soon, NULL) == 0);
  struct epoll_event e = {.events = EPOLLIN, .data.u64 = 4711};
  NEED((set = epoll_create1(0)) >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, watched[0], &e) == 0);
  static char some[4096];
  NEED(fcntl(full[1], F_SETFL, O_NONBLOCK) == 0);
  while (write(full[1], some, sizeof some) > 0) {
  }
  NEED(fcntl(full[1], F_SETFL, 0) == 0);
  NEED(mkfifo("fifo", 0600) == 0 && (fifo = open("fifo", O_RDWR)) >= 0);
}

static int do_read(void) { char c; return read(in[0], &c, 1) == 1 && c == 'r'; }
static int do_write(void) { return write(full[1], "w", 1) == 1; }
static int do_nanosleep(void) {
  struct timespec t = {2, 0};
  return nanosleep(&t, NULL) == 0 && now() - begin > 1.99;
}
static int do_futex(void) {
  while (!__atomic_load_n(&word, __ATOMIC_SEQ_CST))
    if (futex(&word, FUTEX_WAIT_PRIVATE, 0) != 0 && errno != EAGAIN) return 0;
  return 1;
}
static int do_poll(void) {
  struct pollfd p = {.fd = polled[0], .events = POLLIN};
  return poll(&p, 1, 600000) == 1 && p.revents == POLLIN;
}
static int do_select(void) {
  fd_set read_set;
  FD_ZERO(&read_set);
  FD_SET(selected[0], &read_set);
  return select(selected[0] + 1, &read_set, NULL, NULL, NULL) == 1 && FD_ISSET(selected[0], &read_set);
}
static int do_epoll(void) {
  struct epoll_event e = {0};
  return epoll_wait(set, &e, 1, -1) == 1 && e.data.u64 == 4711;
}
static int do_sigwait(void) {
  sigset_t s;
  int sig = 0;
  sigemptyset(&s);
  sigaddset(&s, SIGRTMIN + 3);
  NEED(pthread_sigmask(SIG_BLOCK, &s, NULL) == 0);
  return sigwait(&s, &sig) == 0 && sig == SIGRTMIN + 3;
}
static int do_pause(void) { return pause() == -1 && errno == EINTR && paused; }
static int do_flock(void) {
  int fd = open("locked", O_RDWR | O_CLOEXEC);
  return flock(fd, LOCK_EX) == 0;
}
static int do_ofd(void) {
  struct flock whole = {.l_type = F_WRLCK};
  return fcntl(ofd, F_OFD_SETLKW, &whole) == 0;
}
static int do_eventfd(void) {
  eventfd_t value = 0;
  return eventfd_read(event, &value) == 0 && value == 77;
}
static int do_timerfd(void) {
  unsigned long ticks = 0;
  return read(timer, &ticks, 8) == 8 && ticks == 1 && now() - begin > 1.99;
}
static void *joined(void *unused) {
  (void)unused;
  return do_futex() ? (void *)5 : NULL;
}
static int do_join(void) {
  pthread_t t;
  void *value = NULL;
  NEED(pthread_create(&t, NULL, joined, NULL) == 0);
  return pthread_join(t, &value) == 0 && value == (void *)5;
}
static int do_fifo(void) {
  char c = 0;
  int fd = open("fifo", O_RDONLY);
  return read(fd, &c, 1) == 1 && c == 'f';
}

static void wake_write(void) { char some[4096]; NEED(read(full[0], some, sizeof some) == 4096); }
static void wake_futex(void) {
  __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
  futex(&word, FUTEX_WAKE_PRIVATE, 100);
}
static void wake_ofd(void) {
  struct flock none = {.l_type = F_UNLCK};
  NEED(fcntl(held, F_OFD_SETLK, &none) == 0);
}
static void wake_read(void) { NEED(write(in[1], "r", 1) == 1); }
static void wake_poll(void) { NEED(write(polled[1], "p", 1) == 1); }
static void wake_select(void) { NEED(write(selected[1], "s", 1) == 1); }
static void wake_epoll(void) { NEED(write(watched[1], "e", 1) == 1); }
static void wake_flock(void) { NEED(flock(locked, LOCK_UN) == 0); }
static void wake_eventfd(void) { NEED(eventfd_write(event, 77) == 0); }
static void wake_fifo(void) { NEED(write(fifo, "f", 1) == 1); }
static void nothing(void) {}

static const struct call {
  const char *name;
  long number;  // -1: any
  int (*wait)(void);
  void (*wake)(void);
  int sig;  // wakes it
  int ends; // by itself
} calls[] = {
    {"read", SYS_read, do_read, wake_read, 0, 0},
    {"write", SYS_write, do_write, wake_write, 0, 0},
    {"nanosleep", -1, do_nanosleep, nothing, 0, 1},
    {"futex", SYS_futex, do_futex, wake_futex, 0, 0},
    {"poll", SYS_poll, do_poll, wake_poll, 0, 0},
    {"select", -1, do_select, wake_select, 0, 0},
    {"epoll", -1, do_epoll, wake_epoll, 0, 0},
    {"sigwait", SYS_rt_sigtimedwait, do_sigwait, nothing, 37, 0},
    {"pause", SYS_pause, do_pause, nothing, SIGUSR1, 0},
    {"flock", SYS_flock, do_flock, wake_flock, 0, 0},
    {"ofd", SYS_fcntl, do_ofd, wake_ofd, 0, 0},
    {"eventfd", SYS_read, do_eventfd, wake_eventfd, 0, 0},
    {"timerfd", SYS_read, do_timerfd, nothing, 0, 1},
    {"join", SYS_futex, do_join, wake_futex, 0, 0},
    {"fifo", SYS_read, do_fifo, wake_fifo, 0, 0},
};
enum { CALLS = sizeof calls / sizeof *calls };

static int chosen, ended[CALLS];

static int work(int i) {
  const struct call *call = &calls[chosen < 0 ? i : chosen];
  arrive(i);
  int right = call->wait(), error = errno;
  CHECK(right, "%s: %s", call->name, strerror(error));
  __atomic_store_n(&ended[call - calls], 1, __ATOMIC_SEQ_CST);
  return 1000 + i;
}

int main(int argc, char **argv) {
  const char *name = argument(argc, argv);
  chosen = is(name, "all") ? -1 : 0;
  while (chosen >= 0 && !is(calls[chosen].name, name)) chosen++;
  set_up();
  start(chosen < 0 ? CALLS : 1, work);
  for (int i = 0; i < thread_count; i++) await_call(tids[i], calls[chosen < 0 ? i : chosen].number);
  save_here();
  for (int i = 0; i < CALLS; i++) CHECK(!ended[i] || calls[i].ends, "%s: too early", calls[i].name);
  for (int i = 0; i < thread_count; i++) {
    const struct call *call = &calls[chosen < 0 ? i : chosen];
    call->wake();
    // A second wake_futex would do no harm, a signal has to find its thread.
    if (call->sig) pthread_kill(threads[i], call->sig);
  }
  join_all();
  return done();
}
