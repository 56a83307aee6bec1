// The leader has ended by pthread_exit, the others run on; it stays a zombie
// that owns the process's id and can be joined.
// run: ids ldflags=-pthread
#include "threads.h"

static pthread_t leader;
static pid_t pid;
static int others;

static int work(int i) {
  pass_gate(i);
  CHECK(getpid() == pid, "pid %d, was %d", getpid(), pid);
  CHECK(gettid() != pid, "thread %d is the leader", i);
  __atomic_fetch_add(&others, 1, __ATOMIC_SEQ_CST);
  return 1000 + i;
}

static void *speaker(void *unused) {
  void *value = NULL;
  start(4, work);
  while (task_state(pid) != 'Z') probe_nap(1);
  save_here();
  CHECK(getpid() == pid, "pid %d, was %d", getpid(), pid);
  for (int i = 0; i < 5000 && task_state(pid) != 'Z'; i++) probe_nap(1);  // it ends last
  CHECK(task_state(pid) == 'Z', "the leader's state is %c", task_state(pid));
  CHECK(task_value(gettid(), "Threads:", 10) == 6, "%lu threads", task_value(gettid(), "Threads:", 10));
  open_gate();
  join_all();
  CHECK(others == 4, "%d others", others);
  CHECK(pthread_join(leader, &value) == 0 && value == (void *)42, "join of the leader: %p", value);
  exit(done());
  return unused;
}

int main(void) {
  pthread_t t;
  leader = pthread_self();
  pid = getpid();
  NEED(pthread_create(&t, NULL, speaker, NULL) == 0);
  pthread_exit((void *)42);
}
