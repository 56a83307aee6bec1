// Waits as in vfork(2), where nothing stops it, for a process that is not its child and
// ends when there is a file "go".
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  puts("waits");
  if (syscall(SYS_clone, CLONE_VFORK | CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0) {
    for (int i = 0; i < 6000 && access("go", F_OK) != 0; i++) usleep(10000);
    _exit(0);
  }
  puts("goes on");
  return 3;
}
