// A process that makes children by vfork all the time, as make and gcc do, and
// by posix_spawn: a save waits until the child has executed something.
#include <spawn.h>

#include "tree.h"

int main(void) {
  char *const argv[] = {(char *)"sh", (char *)"-c", (char *)"exit 6", NULL};
  probe_say("ready");
  for (int n = 0; access("go", F_OK) != 0; n++) {
    int status = 0;
    pid_t pid;
    NEED(n < 3000);
    if (n % 2) {
      pid = vfork();
      NEED(pid >= 0);
      if (pid == 0) {
        struct timespec nap = {0, 30000000};
        nanosleep(&nap, NULL);
        execv("/bin/sh", argv);
        _exit(1);
      }
    } else {
      int error = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, NULL);
      CHECK(error == 0, "posix_spawn: %s", strerror(error));
      if (error) break;
    }
    NEED(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 6, "round %d: status %x", n, status);
  }
  return done();
}
