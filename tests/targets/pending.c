// Executes its arguments with every signal blocked, some of them pending, and
// an interval timer running: what an execve lets pass.
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  raise(SIGURG);
  kill(getpid(), SIGUSR1);
  struct itimerval soon = {{0, 0}, {0, 300000}};
  setitimer(ITIMER_REAL, &soon, NULL);
  execvp(argv[1], argv + 1);
  return 1;
}
