// Threads are made and end all the time while the probe is saved: every one
// runs once, to its end.
#include "threads.h"

static volatile int stop;
static long made[4], ran;

static void *short_one(void *value) {
  __atomic_fetch_add(&ran, 1, __ATOMIC_SEQ_CST);
  return (char *)value + 1;
}

static int work(int i) {
  arrive(i);
  while (!stop) {
    pthread_t t[4];
    for (long n = 0; n < 4; n++) {
      int error = pthread_create(&t[n], NULL, short_one, (void *)(n * 10));
      CHECK(error == 0, "create: %s", strerror(error));
      if (error) return 0;
    }
    for (long n = 0; n < 4; n++) {
      void *value = NULL;
      int error = pthread_join(t[n], &value);
      CHECK(error == 0 && value == (void *)(n * 10 + 1), "join: %s, %p", strerror(error), value);
    }
    made[i] += 4;
  }
  return 1000 + i;
}

int main(void) {
  start(4, work);
  save_here();
  long before = made[0];
  for (double end = now() + 20; made[0] == before && now() < end;) probe_nap(1);
  stop = 1;
  join_all();
  long total = 0;
  for (int i = 0; i < 4; i++) total += made[i];
  CHECK(ran == total && made[0] > before, "%ld made, %ld ran", total, ran);
  return done();
}
