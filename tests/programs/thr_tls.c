// What belongs to a thread in memory: thread-local variables, initialised and
// not, errno, keys, its stack and its handle.
// run: each=1,8,200 static
#include "threads.h"

static __thread int initialised = 41;
static __thread char block[3000];
static pthread_key_t key;
static int destroyed;
static void destroy(void *value) { __atomic_fetch_add(&destroyed, value != NULL, __ATOMIC_SEQ_CST); }

static int work(int i) {
  char stack[5000];
  pthread_t me = pthread_self();
  void *tls = block, *base = __builtin_thread_pointer();
  initialised += i;
  fill(block, sizeof block, (unsigned)i);
  fill(stack, sizeof stack, (unsigned)i + 500);
  NEED(pthread_setspecific(key, stack) == 0);
  errno = i;
  pass_gate(i);
  int error = errno;
  // The gate's last wait may have failed with EAGAIN.
  CHECK(error == i || error == EAGAIN, "thread %d: errno %d", i, error);
  CHECK(initialised == 41 + i, "thread %d: %d", i, initialised);
  CHECK(filled(block, sizeof block, (unsigned)i), "thread %d: block", i);
  CHECK(filled(stack, sizeof stack, (unsigned)i + 500), "thread %d: stack", i);
  CHECK(pthread_getspecific(key) == stack, "thread %d: key", i);
  CHECK(pthread_equal(me, pthread_self()) && pthread_equal(me, threads[i]), "thread %d: self", i);
  CHECK(tls == block && base == __builtin_thread_pointer(), "thread %d: area", i);
  return 1000 + i;
}

int main(int argc, char **argv) {
  int n = count_argument(argc, argv);
  NEED(pthread_key_create(&key, destroy) == 0);
  initialised = 7;
  fill(block, sizeof block, 999);
  start(n, work);
  leader_waits();
  CHECK(initialised == 7 && filled(block, sizeof block, 999), "the leader's");
  join_all();
  CHECK(destroyed == n, "%d destructors of %d", destroyed, n);
  return done();
}
