// A child that is stopped: it stays so until it is continued; what its parent
// has been told of it, or has not, stays so, too.
// run: each=told,untold,continued,group
#include "tree.h"

static volatile long *rounds;

static void work(int i) {
  if (i) NEED(setpgid(0, 0) == 0);
  did("child");
  for (int n = 0; n < 50000; n++) {
    (*rounds)++;
    if (access("did.end", F_OK) == 0) _exit(probe_failures ? 1 : 9);
    probe_nap(1);
  }
}

int main(int argc, char **argv) {
  const char *how = argument(argc, argv);
  int status = 0;
  rounds = shared(4096);
  pid_t pid = child(work, is(how, "group"));
  await_did("child");
  NEED(kill(pid, is(how, "group") ? SIGTSTP : SIGSTOP) == 0);
  await_state(pid, 'T');
  if (is(how, "continued")) {
    NEED(waitpid(pid, &status, WUNTRACED) == pid && kill(pid, SIGCONT) == 0);
    while (process_state(pid) == 'T') probe_nap(1);
  }
  if (is(how, "told") || is(how, "group")) NEED(waitpid(pid, &status, WUNTRACED) == pid);
  save_here();
  pid_t got = waitpid(pid, &status, WUNTRACED | WNOHANG);
  if (is(how, "untold"))
    CHECK(got == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "%d, %x", got, status);
  else
    CHECK(got == 0, "told of something again: %d, %x", got, status);
  long before = *rounds;
  if (is(how, "continued")) {
    got = waitpid(pid, &status, WCONTINUED | WNOHANG);
    CHECK(got == pid && WIFCONTINUED(status), "not told of SIGCONT: %d, %x", got, status);
    for (double end = now() + 10; *rounds == before && now() < end;) probe_nap(1);
    CHECK(*rounds > before, "it does not run");
  } else {
    CHECK(process_state(pid) == 'T', "state %c", process_state(pid));
    probe_nap(50);
    CHECK(*rounds == before, "it runs");
    NEED(kill(pid, SIGCONT) == 0);
    CHECK(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status), "continued: %x", status);
    for (double end = now() + 10; *rounds == before && now() < end;) probe_nap(1);
    CHECK(*rounds > before, "it does not run after SIGCONT");
  }
  did("end");
  status = status_of(pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9, "status %x", status);
  return done();
}
