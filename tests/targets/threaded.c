// Counts as long as three threads check themselves, each in other calls: their
// stacks lie beside each other, so that whatever is written below one of them
// is seen by its neighbour. Ends with status 1 when anything is wrong.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static char stacks[3][32768] __attribute__((aligned(4096)));
static volatile unsigned rounds[3];

static void bad(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  _exit(1);
}

static uint64_t sum(uint64_t h) {
  double f = 1.5;
  for (int i = 0; i < 50000; i++) {
    f = f * 1.0000001 + 0.25;
    h = (h ^ (uint64_t)i) * 1099511628211u;
  }
  return h ^ (uint64_t)f;
}

static _Noreturn void *work(void *arg) {
  int me = (int)(intptr_t)arg, ep = epoll_create1(0);
  char here[4096];
  memset(here, me + 1, sizeof here);
  uint64_t want = sum((uint64_t)me);
  sigset_t mask, now;
  sigemptyset(&mask);
  sigaddset(&mask, SIGRTMIN + me);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  for (;; rounds[me]++) {
    struct timespec ms = {0, 1000000};
    struct epoll_event e;
    if (me == 0 && nanosleep(&ms, NULL)) bad("nanosleep");
    // Any stop ends it with EINTR (signal(7)), which only an engine that lives
    // can hide.
    if (me == 1 && epoll_wait(ep, &e, 1, 1) && errno != EINTR) bad("epoll_wait");
    if (me == 2 && sum((uint64_t)me) != want) bad("checksum");
    for (unsigned i = 0; i < sizeof here; i++)
      if (((volatile char *)here)[i] != me + 1) bad("stack");
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    if (memcmp(&now, &mask, 8)) bad("mask");
  }
}

int main(void) {
  for (int i = 0; i < 3; i++) {
    pthread_t t;
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstack(&a, stacks[i], sizeof stacks[i]);
    if (pthread_create(&t, &a, work, (void *)(intptr_t)i)) bad("pthread_create");
  }
  for (long n = 1;; n++) {
    unsigned before[3] = {rounds[0], rounds[1], rounds[2]};
    for (int i = 0; i < 3; i++)
      while (rounds[i] - before[i] < 2) usleep(500);
    printf("%ld \n", n);
    fflush(stdout);
  }
}
