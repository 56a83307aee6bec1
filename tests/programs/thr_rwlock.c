// Read-write locks: one held by three readers with a writer waiting, one held
// by a writer with three readers waiting, one held by the leader for writing.
// run: ids
#include "threads.h"

static pthread_rwlock_t readers, writer, leader;
static int order;  // who got in

// 0-2 read, 3 waits to write; 4 writes, 5-7 wait to read; 8 waits for the leader.
static int work(int i) {
  if (i < 3) {
    NEED(pthread_rwlock_rdlock(&readers) == 0);
    pass_gate(i);
    CHECK(__atomic_load_n(&order, __ATOMIC_SEQ_CST) % 100 == 0, "the writer came between");
    CHECK(pthread_rwlock_unlock(&readers) == 0, "reader %d", i);
  } else if (i == 3) {
    arrive(i);
    CHECK(pthread_rwlock_wrlock(&readers) == 0, "waiting writer");
    __atomic_fetch_add(&order, 1, __ATOMIC_SEQ_CST);
    CHECK(pthread_rwlock_unlock(&readers) == 0, "waiting writer");
  } else if (i == 4) {
    NEED(pthread_rwlock_wrlock(&writer) == 0);
    pass_gate(i);
    CHECK(__atomic_load_n(&order, __ATOMIC_SEQ_CST) / 100 % 100 == 0, "readers came between");
    CHECK(pthread_rwlock_rdlock(&writer) == EDEADLK, "the writer is not known any more");
    CHECK(pthread_rwlock_unlock(&writer) == 0, "writer");
  } else if (i < 8) {
    arrive(i);
    CHECK(pthread_rwlock_rdlock(&writer) == 0, "waiting reader %d", i);
    __atomic_fetch_add(&order, 100, __ATOMIC_SEQ_CST);
    CHECK(pthread_rwlock_unlock(&writer) == 0, "waiting reader %d", i);
  } else {
    arrive(i);
    CHECK(pthread_rwlock_rdlock(&leader) == 0, "waiting for the leader");
    __atomic_fetch_add(&order, 10000, __ATOMIC_SEQ_CST);
    CHECK(pthread_rwlock_unlock(&leader) == 0, "waiting for the leader");
  }
  return 1000 + i;
}

int main(void) {
  pthread_rwlockattr_t a;
  NEED(pthread_rwlockattr_init(&a) == 0);
  pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  NEED(pthread_rwlock_init(&readers, NULL) == 0 && pthread_rwlock_init(&writer, &a) == 0);
  NEED(pthread_rwlock_init(&leader, NULL) == 0 && pthread_rwlock_wrlock(&leader) == 0);
  thread_work = work;
  // The holders first.
  static const int sequence[] = {0, 1, 2, 4, 3, 5, 6, 7, 8};
  for (thread_count = 0; thread_count < 9; thread_count++) {
    int i = sequence[thread_count];
    NEED(pthread_create(&threads[i], NULL, thread_main, (void *)(long)i) == 0);
    await_arrival(i);
    await_call(tids[i], SYS_futex);
  }
  save_here();
  CHECK(order == 0, "somebody came in: %d", order);
  CHECK(pthread_rwlock_trywrlock(&readers) == EBUSY, "no readers");
  CHECK(pthread_rwlock_tryrdlock(&writer) == EBUSY, "no writer");
  CHECK(pthread_rwlock_rdlock(&leader) == EDEADLK, "the leader does not know it holds it");
  open_gate();
  CHECK(pthread_rwlock_unlock(&leader) == 0, "the leader's");
  join_all();
  CHECK(order == 10301, "%d", order);
  CHECK(pthread_rwlock_trywrlock(&readers) == 0 && pthread_rwlock_trywrlock(&writer) == 0, "not free");
  return done();
}
