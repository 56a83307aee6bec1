// fork, exec, wait and popen after the restore.
// run: static generations
#include <sys/wait.h>

#include "probe.h"

int main(void) {
  char text[64] = "";
  int status = 0;
  save_here();
  pid_t child = fork();
  NEED(child >= 0);
  if (child == 0) _exit(getppid() > 1 ? 42 : 1);
  CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 42, "fork: status %x",
      status);
  FILE *p = popen("echo hello $((6*7))", "r");
  CHECK(p && fgets(text, sizeof text, p) && !strcmp(text, "hello 42\n"), "popen: %s", text);
  CHECK(p && pclose(p) == 0, "pclose");
  CHECK(system("exit 7") == 7 << 8, "system");
  return done();
}
