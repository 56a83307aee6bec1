// A thread that is not the leader executes a program, afterwards: the other
// threads are gone, and the process keeps its id.
// run: ids
#include "threads.h"

static pid_t pid;

static int work(int i) {
  pass_gate(i);
  if (i == 3) {
    char id[16];
    snprintf(id, sizeof id, "%d", pid);
    if (getpid() == pid) execl("/bin/sh", "sh", "-c", "[ $$ = $0 ] && echo ok || echo FAIL: $$, not $0", id, NULL);
    probe_say("FAIL: pid %d, was %d, exec: %s", getpid(), pid, strerror(errno));
    _exit(1);
  }
  for (;;) pause();
}

int main(void) {
  pid = getpid();
  start(5, work);
  leader_waits();
  for (;;) pause();
}
