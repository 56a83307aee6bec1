// Semaphores: values, threads that wait, with and without a limit.
#include <semaphore.h>

#include "threads.h"

static sem_t free_ones, none, *named;
static int got;

static int work(int i) {
  struct timespec limit;
  clock_gettime(CLOCK_MONOTONIC, &limit);
  limit.tv_sec += 5000;
  arrive(i);
  if (i < 4)
    CHECK(sem_wait(&none) == 0, "thread %d: %s", i, strerror(errno));
  else
    CHECK(sem_clockwait(&none, CLOCK_MONOTONIC, &limit) == 0, "thread %d: %s", i, strerror(errno));
  __atomic_fetch_add(&got, 1, __ATOMIC_SEQ_CST);
  return 1000 + i;
}

int main(void) {
  int value = -1;
  char name[32];
  snprintf(name, sizeof name, "/probe-%d", getpid());
  NEED(sem_init(&free_ones, 0, 3) == 0 && sem_init(&none, 0, 0) == 0);
  named = sem_open(name, O_CREAT | O_EXCL, 0600, 5);
  NEED(named != SEM_FAILED);
  start(8, work);
  for (int i = 0; i < 8; i++) await_call(tids[i], SYS_futex);
  save_here();
  CHECK(sem_getvalue(&free_ones, &value) == 0 && value == 3, "%d", value);
  CHECK(sem_getvalue(&none, &value) == 0 && value == 0 && got == 0, "%d, %d got it", value, got);
  CHECK(sem_getvalue(named, &value) == 0 && value == 5, "named: %d", value);
  CHECK(sem_wait(named) == 0 && sem_post(named) == 0, "named: %s", strerror(errno));
  sem_t *again = sem_open(name, 0);
  CHECK(again == named, "named: not the same any more");
  sem_unlink(name);
  for (int i = 0; i < 8; i++) sem_post(&none);
  join_all();
  CHECK(got == 8 && sem_trywait(&none) == -1 && errno == EAGAIN, "%d got it", got);
  return done();
}
