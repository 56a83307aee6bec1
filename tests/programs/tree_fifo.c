// A FIFO between two processes, and what both have of a kind that has no name:
// an eventfd, a timer, a memfd. What one does, the other sees.
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "tree.h"

static int event, timer, memfd;

static void work(int i) {
  char text[100] = "";
  (void)i;
  did("opens");
  int fifo = open("fifo", O_WRONLY | O_CLOEXEC);
  NEED(fifo >= 0 && write(fifo, "before", 6) == 6);
  did("child");
  wait_go();
  NEED(write(fifo, " and after", 10) == 10 && close(fifo) == 0);
  NEED(eventfd_write(event, 30) == 0);
  await_did("parent");
  CHECK(pread(memfd, text, 99, 0) == 7 && is(text, "changed"), "memfd: \"%s\"", text);
  struct itimerspec t;
  CHECK(timerfd_gettime(timer, &t) == 0 && t.it_value.tv_sec > 7000, "timer: %ld s", t.it_value.tv_sec);
}

int main(void) {
  char text[100] = "";
  eventfd_t value = 0;
  struct itimerspec t = {.it_value = {5000, 0}};
  NEED(mkfifo("fifo", 0600) == 0 && (event = eventfd(12, 0)) >= 0);
  NEED((timer = timerfd_create(CLOCK_MONOTONIC, 0)) >= 0 && timerfd_settime(timer, 0, &t, NULL) == 0);
  NEED((memfd = (int)syscall(SYS_memfd_create, "both", 0)) >= 0 && write(memfd, "content", 7) == 7);
  pid_t pid = child(work, 0);
  await_did("opens");
  int fifo = open("fifo", O_RDONLY | O_CLOEXEC);
  NEED(fifo >= 0);
  await_did("child");
  save_here();
  NEED(pwrite(memfd, "changed", 7, 0) == 7);
  t.it_value.tv_sec = 8000;
  NEED(timerfd_settime(timer, 0, &t, NULL) == 0);
  did("parent");
  ends_well(pid);
  CHECK(read(fifo, text, 99) == 16 && is(text, "before and after"), "fifo: \"%s\"", text);
  CHECK(read(fifo, text, 99) == 0, "no end");
  CHECK(eventfd_read(event, &value) == 0 && value == 42, "eventfd: %ld", (long)value);
  return done();
}
