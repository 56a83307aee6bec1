// Threads that sleep again and again, in short and in long sleeps, and others
// that wait, saved and restored ten times: each comes out of its stub, and
// nothing of any restore is left.
// run: ldflags=-pthread generations
#include "threads.h"

static int rounds[MOST];

static int work(int i) {
  arrive(i);
  while (!__atomic_load_n(&gate, __ATOMIC_ACQUIRE)) {
    struct timespec request = {0, i % 2 ? 300000000 : 20000000}, rest = {0, 0};
    int error = i % 4 < 2 ? nanosleep(&request, &rest) * errno
                          : clock_nanosleep(CLOCK_MONOTONIC, 0, &request, &rest);
    CHECK(error == 0, "thread %d: sleep: %d", i, error);
    rounds[i]++;
  }
  return 1000 + i;
}

int main(void) {
  start(6, work);
  int before[6];
  memcpy(before, rounds, sizeof before);
  save_here();
  open_gate();
  join_all();
  for (int i = 0; i < 6; i++) CHECK(rounds[i] > before[i], "thread %d sleeps no more", i);
  return done();
}
