// A parent that is blocked in wait for its child at the save gets its status.
// run: each=waitpid,any,group,waitid
#include "tree.h"

static long number;

static void work(int i) {
  (void)i;
  await_call(getppid(), number);
  probe_say("ready");
  wait_go();
  _exit(23);
}

int main(int argc, char **argv) {
  const char *how = argument(argc, argv);
  int status = 0;
  siginfo_t info = {0};
  number = is(how, "waitid") ? SYS_waitid : SYS_wait4;
  pid_t pid = child(work, 0), got = pid;
  if (is(how, "waitid")) {
    CHECK(waitid(P_ALL, 0, &info, WEXITED) == 0 && info.si_pid == pid && info.si_status == 23,
          "%d ended with %d; %s", info.si_pid, info.si_status, strerror(errno));
  } else {
    got = waitpid(is(how, "any") ? -1 : is(how, "group") ? 0 : pid, &status, 0);
    CHECK(got == pid && status == 23 << 8, "%d ended with %x; %s", got, status, strerror(errno));
  }
  wait_go();
  return done();
}
