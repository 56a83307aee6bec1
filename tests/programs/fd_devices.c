// /dev/null, zero, full, random and urandom.
#include "probe.h"

int main(void) {
  static const char *names[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
      "/dev/urandom"};
  int fd[5];
  char byte[32];
  for (int i = 0; i < 5; i++) NEED((fd[i] = open(names[i], i < 3 ? O_RDWR : O_RDONLY)) >= 0);
  save_here();
  CHECK(write(fd[0], "x", 1) == 1 && read(fd[0], byte, 1) == 0, "null");
  CHECK(read(fd[1], byte, 1) == 1 && *byte == 0, "zero");
  CHECK(write(fd[2], "x", 1) == -1 && errno == ENOSPC, "full");
  CHECK(read(fd[3], byte, 32) == 32 && read(fd[4], byte, 32) == 32, "random");
  return done();
}
