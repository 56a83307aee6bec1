// Sleeps for ten minutes, with one thing in hand that the argument names.
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "nothing";
  int bad = 0;
  if (!strcmp(what, "nothing")) bad = 0;
  else if (!strcmp(what, "append")) bad = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644) < 0 ||
      dprintf(3, "saved\n") != 6;
  else if (!strcmp(what, "input")) bad = open("input", O_RDONLY) < 0;
  else if (!strcmp(what, "output")) bad = open("output", O_RDWR) < 0;
  else if (!strcmp(what, "io_uring")) bad = syscall(SYS_io_uring_setup, 8, (char[120]){0}) < 0;
  else if (!strcmp(what, "socket")) bad = socket(AF_INET, SOCK_STREAM, 0) < 0;
  else if (!strcmp(what, "zombie")) bad = fork() == 0 ? (_exit(0), 1) : 0;
  else bad = 1;
  if (bad) perror(what);
  printf(bad ? "cannot\n" : "ready\n");
  fflush(stdout);
  return poll(NULL, 0, 600000);  // nothing is left behind for good
}
