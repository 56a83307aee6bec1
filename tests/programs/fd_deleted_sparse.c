// A deleted file of 10 GB with holes: the holes stay holes.
#include <sys/stat.h>

#include "probe.h"

int main(void) {
  char text[5];
  struct stat st;
  int fd = open("gone", O_RDWR | O_CREAT, 0600);
  NEED(fd >= 0);
  if (ftruncate(fd, 10L << 30) != 0) SKIP("no file of 10 GB");
  NEED(pwrite(fd, "first", 5, 1L << 30) == 5 && pwrite(fd, "later", 5, (9L << 30) + 77) == 5 &&
      unlink("gone") == 0);
  save_here();
  CHECK(fstat(fd, &st) == 0 && st.st_size == 10L << 30, "size %ld", st.st_size);
  CHECK(st.st_blocks * 512 < 1 << 20, "%ld bytes on disk", st.st_blocks * 512);
  CHECK(pread(fd, text, 5, 1L << 30) == 5 && !memcmp(text, "first", 5), "%.5s", text);
  CHECK(pread(fd, text, 5, (9L << 30) + 77) == 5 && !memcmp(text, "later", 5), "%.5s", text);
  CHECK(pread(fd, text, 5, 5L << 30) == 5 && !memcmp(text, "\0\0\0\0", 5), "hole");
  return done();
}
