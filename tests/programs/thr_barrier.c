// A barrier at which all threads but one have arrived; it is used further on.
// run: each=8,200
#include "threads.h"

enum { ROUNDS = 5 };
static pthread_barrier_t barrier;
static int serial[ROUNDS], count[ROUNDS];

static void rounds(int who) {
  for (int r = 0; r < ROUNDS; r++) {
    __atomic_fetch_add(&count[r], 1, __ATOMIC_SEQ_CST);
    int result = pthread_barrier_wait(&barrier);
    CHECK(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD, "%d: %s", who, strerror(result));
    if (result) __atomic_fetch_add(&serial[r], 1, __ATOMIC_SEQ_CST);
    int seen = __atomic_load_n(&count[r], __ATOMIC_SEQ_CST);
    CHECK(seen == thread_count + 1, "%d left round %d when %d had come", who, r, seen);
  }
}

static int work(int i) {
  arrive(i);
  rounds(i);
  return 1000 + i;
}

int main(int argc, char **argv) {
  int n = count_argument(argc, argv);
  NEED(pthread_barrier_init(&barrier, NULL, (unsigned)n + 1) == 0);
  start(n, work);
  for (int i = 0; i < n; i++) await_call(tids[i], SYS_futex);
  save_here();
  CHECK(count[0] == n && count[1] == 0, "%d %d arrivals", count[0], count[1]);
  rounds(-1);
  join_all();
  for (int r = 0; r < ROUNDS; r++) CHECK(serial[r] == 1, "round %d: %d serial threads", r, serial[r]);
  CHECK(pthread_barrier_destroy(&barrier) == 0, "destroy");
  return done();
}
