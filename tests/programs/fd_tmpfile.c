// A file that never had a name (O_TMPFILE).
#include "probe.h"

int main(void) {
  char text[8] = "";
  int fd = open(".", O_TMPFILE | O_RDWR, 0600);
  if (fd < 0) SKIP("no O_TMPFILE here");
  NEED(write(fd, "hello", 5) == 5);
  save_here();
  CHECK(lseek(fd, 0, SEEK_CUR) == 5, "offset");
  CHECK(pread(fd, text, 7, 0) == 5 && !strcmp(text, "hello"), "%s", text);
  CHECK(write(fd, "!", 1) == 1, "%s", strerror(errno));
  return done();
}
