// Threads that compute all the time, with atomic operations, plain ones under a
// spin lock, and in registers: nothing is lost and nothing is done twice.
// run: each=1,8
#include "threads.h"

static volatile int stop;
static long shared_count, locked_count;
static int spin_lock;
static long sums[MOST], own_count[MOST];
static double squares[MOST];

static int work(int i) {
  long count = 0, sum = 0;
  double square = 0;
  arrive(i);
  while (!stop) {
    __atomic_fetch_add(&shared_count, 1, __ATOMIC_RELAXED);
    while (__atomic_exchange_n(&spin_lock, 1, __ATOMIC_ACQUIRE)) sched_yield();
    locked_count++;
    __atomic_store_n(&spin_lock, 0, __ATOMIC_RELEASE);
    count++;
    sum += count;
    square += (double)(count % 1000) * 0.5;
  }
  own_count[i] = count;
  sums[i] = sum;
  squares[i] = square;
  return 1000 + i;
}

int main(int argc, char **argv) {
  int n = count_argument(argc, argv);
  start(n, work);
  save_here();
  long before = __atomic_load_n(&shared_count, __ATOMIC_SEQ_CST);
  for (double end = now() + 20; now() < end;) {
    if (__atomic_load_n(&shared_count, __ATOMIC_SEQ_CST) > before + 1000) break;
    probe_nap(1);
  }
  stop = 1;
  join_all();
  long total = 0;
  for (int i = 0; i < n; i++) {
    long c = own_count[i];
    double want = 0.5 * ((double)(c / 1000) * 499500 + (double)((c % 1000) * (c % 1000 + 1) / 2));
    total += c;
    CHECK(sums[i] == c * (c + 1) / 2, "thread %d: %ld rounds, sum %ld", i, c, sums[i]);
    CHECK(squares[i] == want, "thread %d: %f, not %f", i, squares[i], want);
  }
  CHECK(shared_count == total, "%ld atomic increments of %ld", shared_count, total);
  CHECK(locked_count == total, "%ld locked increments of %ld", locked_count, total);
  CHECK(shared_count > before + 1000, "they stand still");
  return done();
}
