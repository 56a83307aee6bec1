// Children that have ended and were not waited for yet: their ids and how they
// ended, by a status, by a signal, one that was waited for with WNOWAIT.
#include <sys/resource.h>

#include "tree.h"

static void ends(int i) {
  if (i == 1) raise(SIGKILL);
  if (i == 2) raise(SIGTERM);
  if (i == 3) raise(SIGSEGV);
  _exit(i == 4 ? 255 : i == 5 ? 0 : 3);
}

static const struct { int code, status; } want[] = {
    {CLD_EXITED, 3}, {CLD_KILLED, SIGKILL}, {CLD_KILLED, SIGTERM},
    {CLD_KILLED, SIGSEGV}, {CLD_EXITED, 255}, {CLD_EXITED, 0},
};
enum { N = 6 };

int main(void) {
  static const struct rlimit none = {0, 0};
  pid_t pids[N];
  siginfo_t info;
  NEED(setrlimit(RLIMIT_CORE, &none) == 0);
  for (int i = 0; i < N; i++) pids[i] = child(ends, i);
  for (int i = 0; i < N; i++) await_state(pids[i], 'Z');
  NEED(waitid(P_PID, (id_t)pids[4], &info, WEXITED | WNOWAIT) == 0 && info.si_pid == pids[4]);
  save_here();
  for (int i = 0; i < N; i++) {
    CHECK(process_state(pids[i]) == 'Z', "%d: state %c", i, process_state(pids[i]));
    CHECK(kill(pids[i], 0) == 0, "%d: kill: %s", i, strerror(errno));
  }
  for (int i = N - 1; i >= 0; i--) {
    memset(&info, 0, sizeof info);
    int error = waitid(P_PID, (id_t)pids[i], &info, WEXITED | WNOHANG) ? errno : 0;
    CHECK(error == 0 && info.si_pid == pids[i], "%d: %s, %d", i, strerror(error), info.si_pid);
    CHECK(info.si_code == want[i].code && info.si_status == want[i].status, "%d: code %d, status %d",
          i, info.si_code, info.si_status);
    CHECK(info.si_uid == getuid(), "%d: user %d", i, info.si_uid);
  }
  CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "more children");
  return done();
}
