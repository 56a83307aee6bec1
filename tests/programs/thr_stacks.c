// Stacks: tiny ones, a huge one of which little was touched, deep ones, one of
// the program's own; guard pages are where they were.
#include "threads.h"

static char own[64 << 10] __attribute__((aligned(4096)));
static int null;

static int deep(int depth, int i) {
  char frame[1024];
  int result;
  fill(frame, sizeof frame, (unsigned)(depth * 8 + i));
  if (depth > 0) {
    result = deep(depth - 1, i);
  } else {
    pass_gate(i);
    result = 0;
  }
  return result + !filled(frame, sizeof frame, (unsigned)(depth * 8 + i));
}

// readable tells whether the kernel can read there.
static int readable(const void *address) {
  int ends[2];
  NEED(pipe(ends) == 0);
  int ok = write(ends[1], address, 1) == 1;
  close(ends[0]);
  close(ends[1]);
  return ok;
}

static const int depths[] = {4, 4, 5000, 100, 20};

static int work(int i) {
  pthread_attr_t a;
  void *address, *again;
  size_t size, guard;
  NEED(pthread_getattr_np(pthread_self(), &a) == 0);
  NEED(pthread_attr_getstack(&a, &address, &size) == 0 && pthread_attr_getguardsize(&a, &guard) == 0);
  int wrong = deep(depths[i], i);
  CHECK(wrong == 0, "thread %d: %d frames", i, wrong);
  NEED(pthread_getattr_np(pthread_self(), &a) == 0 && pthread_attr_getstack(&a, &again, &size) == 0);
  CHECK(again == address, "thread %d: %p, was %p", i, again, address);
  if (i != 4) {
    CHECK(guard > 0 && !readable((char *)address - 1), "thread %d: no guard", i);
    CHECK(readable(address), "thread %d: the lowest byte", i);
  }
  return 1000 + i;
}

int main(void) {
  static const size_t sizes[] = {16384, 32768, 16 << 20, 1UL << 30};
  thread_work = work;
  NEED((null = open("/dev/null", O_WRONLY | O_CLOEXEC)) >= 0);
  for (thread_count = 0; thread_count < 5; thread_count++) {
    pthread_attr_t a;
    NEED(pthread_attr_init(&a) == 0);
    if (thread_count == 4)
      NEED(pthread_attr_setstack(&a, own, sizeof own) == 0);
    else
      NEED(pthread_attr_setstacksize(&a, sizes[thread_count]) == 0);
    NEED(pthread_create(&threads[thread_count], &a, thread_main, (void *)(long)thread_count) == 0);
    await_arrival(thread_count);
  }
  leader_waits();
  join_all();
  return done();
}
