// Ignored signals stay ignored, default ones deadly (the restarter's own
// dispositions do not shine through).
// run: noagent
#include <signal.h>
#include <sys/wait.h>

#include "probe.h"

int main(void) {
  signal(SIGPIPE, SIG_IGN), signal(SIGHUP, SIG_IGN);
  save_here();
  const char *status = slurp("/proc/self/status");
  unsigned long ignored = strtoul(strstr(status, "SigIgn:") + 7, NULL, 16);
  ignored &= ~(3UL << (32 - 1));  // posix_spawn of older C libraries leaves them so
  unsigned long caught = strtoul(strstr(status, "SigCgt:") + 7, NULL, 16);
  CHECK(ignored == (1UL << (SIGPIPE - 1) | 1UL << (SIGHUP - 1)), "ignored %lx", ignored);
  CHECK(caught == 0, "caught %lx", caught);
  pid_t child = fork();
  if (child == 0) raise(SIGCHLD), raise(SIGURG), raise(SIGTERM), _exit(0);
  int code = 0;
  NEED(waitpid(child, &code, 0) == child);
  CHECK(WIFSIGNALED(code) && WTERMSIG(code) == SIGTERM, "status %x", code);
  return done();
}
