// Everything one does with threads, afterwards: signals to each of the old
// ones run in that one, new ones are made beside them, some end by
// pthread_exit, one is detached, one had ended before and was not joined yet.
// run: each=1,8,200 static
#include "threads.h"

static __thread int number = -1;
static int handled[MOST];
static void handler(int s) {
  (void)s;
  if (number >= 0) __atomic_fetch_add(&handled[number], 1, __ATOMIC_SEQ_CST);
}

static int work(int i) {
  number = i;
  pass_gate(i);
  if (i % 2) pthread_exit((void *)(1000L + i));
  return 1000 + i;
}

static void *early(void *value) { return value; }
static int fresh;
static void *late(void *value) {
  static __thread long own = 5;
  own += (long)value;
  __atomic_fetch_add(&fresh, own == (long)value + 5, __ATOMIC_SEQ_CST);
  return value;
}

int main(int argc, char **argv) {
  int n = count_argument(argc, argv);
  pthread_t ended, more[8], detached;
  pthread_attr_t a;
  void *value = NULL;
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  NEED(sigaction(SIGUSR1, &action, NULL) == 0);
  NEED(pthread_create(&ended, NULL, early, (void *)77) == 0);
  start(n, work);
  save_here();
  for (int i = 0; i < n; i++) CHECK(pthread_kill(threads[i], SIGUSR1) == 0, "kill %d", i);
  for (int i = 0; i < n; i++) {
    for (double end = now() + 20; !handled[i] && now() < end;) probe_nap(1);
    CHECK(handled[i] == 1, "thread %d handled %d", i, handled[i]);
  }
  for (long i = 0; i < 8; i++) NEED(pthread_create(&more[i], NULL, late, (void *)i) == 0);
  for (long i = 0; i < 8; i++)
    CHECK(pthread_join(more[i], &value) == 0 && value == (void *)i, "new thread %ld", i);
  NEED(pthread_attr_init(&a) == 0);
  NEED(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED) == 0);
  CHECK(pthread_create(&detached, &a, late, (void *)9) == 0, "a detached one");
  for (double end = now() + 20; fresh < 9 && now() < end;) probe_nap(1);
  CHECK(fresh == 9, "%d new threads", fresh);
  CHECK(pthread_join(ended, &value) == 0 && value == (void *)77, "one that had ended: %p", value);
  open_gate();
  join_all();
  return done();
}
