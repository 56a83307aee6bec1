// Several descriptors of each end of a pipe, one end opened again through
// /proc with flags of its own.
#include "probe.h"

int main(void) {
  int p[2];
  char path[64], text[16] = "";
  NEED(pipe(p) == 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", p[1]);
  int again = open(path, O_WRONLY | O_NONBLOCK), both;
  snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
  both = open(path, O_RDWR);
  NEED(again >= 0 && both >= 0 && dup2(p[1], 50) == 50 && close(p[1]) == 0);
  NEED(write(again, "abc", 3) == 3);
  save_here();
  CHECK(fcntl(again, F_GETFL) & O_NONBLOCK && !(fcntl(50, F_GETFL) & O_NONBLOCK), "flags");
  CHECK((fcntl(both, F_GETFL) & O_ACCMODE) == O_RDWR, "access mode");
  CHECK(write(50, "de", 2) == 2 && write(both, "f", 1) == 1, "%s", strerror(errno));
  CHECK(read(p[0], text, 15) == 6 && !strcmp(text, "abcdef"), "%s", text);
  return done();
}
