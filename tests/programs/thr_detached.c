// Detached threads: they run on, and their stacks are used again for others.
#include "threads.h"

static int ended;

static int work(int i) {
  if (!gate && i % 2) NEED(pthread_detach(pthread_self()) == 0);
  pthread_t me = pthread_self();
  pass_gate(i);
  CHECK(pthread_self() == me, "thread %d", i);
  __atomic_fetch_add(&ended, 1, __ATOMIC_SEQ_CST);
  return 0;
}

int main(void) {
  pthread_attr_t a;
  NEED(pthread_attr_init(&a) == 0);
  NEED(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED) == 0);
  thread_work = work;
  for (long i = 0; i < 16; i++) {
    NEED(pthread_create(&threads[i], i % 2 ? NULL : &a, thread_main, (void *)i) == 0);
    await_arrival((int)i);
  }
  save_here();
  pid_t ids[16];
  for (int i = 0; i < 16; i++) {
    ids[i] = tid_of(i);
    pthread_attr_t now_it_is;
    int state = -1;
    NEED(pthread_getattr_np(threads[i], &now_it_is) == 0);
    NEED(pthread_attr_getdetachstate(&now_it_is, &state) == 0);
    pthread_attr_destroy(&now_it_is);
    CHECK(state == PTHREAD_CREATE_DETACHED, "thread %d can be joined", i);
  }
  open_gate();
  for (int i = 0; i < 16; i++) await_end(ids[i]);
  CHECK(ended == 16, "%d ended", ended);
  for (int i = 0; i < 16; i++) {
    tids[i] = 0;
    CHECK(pthread_create(&threads[i], &a, thread_main, (void *)(long)i) == 0, "a new one");
    await_arrival(i);
  }
  for (int i = 0; i < 16; i++) await_end(tids[i]);
  CHECK(ended == 32, "%d ended", ended);
  return done();
}
