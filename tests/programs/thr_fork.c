// A thread that is not the leader forks, afterwards: the child has that thread
// only, with its own TLS and id, and can make threads; vfork and popen work.
#include <sys/wait.h>

#include "threads.h"

static __thread int own;
static int handlers;
static void at_fork(void) { handlers++; }

static void *in_child(void *value) { return (char *)value + own + 1; }

static int work(int i) {
  own = 10 + i;
  pass_gate(i);
  if (i != 2) return 1000 + i;
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    pthread_t t;
    void *value = NULL;
    int right = own == 12 && getpid() == gettid() && pthread_self() == threads[2];
    right &= pthread_create(&t, NULL, in_child, (void *)5) == 0;
    right &= pthread_join(t, &value) == 0 && value == (void *)6;
    _exit(right ? 5 : 6);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child, "fork: %s", strerror(errno));
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5, "the child: %x", status);
  FILE *f = popen("echo $((6 * 7))", "r");
  int answer = 0;
  CHECK(f && fscanf(f, "%d", &answer) == 1 && answer == 42 && pclose(f) == 0, "popen: %d", answer);
  CHECK(handlers == 1, "%d handlers of pthread_atfork", handlers);
  return 1000 + i;
}

int main(void) {
  NEED(pthread_atfork(at_fork, NULL, NULL) == 0);
  start(4, work);
  leader_waits();
  join_all();
  return done();
}
