// A regular file: offset, status flags, descriptor flags; reading goes on.
// run: static generations
#include "probe.h"

int main(void) {
  char text[8] = "";
  int fd = open("data", O_RDWR | O_CREAT | O_NOATIME, 0644);
  NEED(fd >= 0 && write(fd, "0123456789", 10) == 10 && lseek(fd, 4, SEEK_SET) == 4);
  int flags = fcntl(fd, F_GETFL);
  save_here();
  CHECK(fcntl(fd, F_GETFL) == flags, "flags %o, were %o", fcntl(fd, F_GETFL), flags);
  CHECK(fcntl(fd, F_GETFD) == 0, "close-on-exec");
  CHECK(lseek(fd, 0, SEEK_CUR) == 4, "offset %ld", lseek(fd, 0, SEEK_CUR));
  CHECK(read(fd, text, 3) == 3 && !strcmp(text, "456"), "%s", text);
  CHECK(write(fd, "X", 1) == 1 && pread(fd, text, 4, 6) == 4 && !memcmp(text, "6X89", 4), "%.4s",
      text);
  return done();
}
