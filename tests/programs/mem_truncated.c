// A private page that was written before its file was cut off is still there.
#include "maps.h"

int main(void) {
  static char content[4 * PAGE];
  fill(content, sizeof content, 31);
  int fd = open("cut", O_RDWR | O_CREAT, 0644);
  NEED(fd >= 0 && write(fd, content, sizeof content) == sizeof content);
  char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  NEED(p != MAP_FAILED);
  fill(p, PAGE, 32);
  NEED(ftruncate(fd, PAGE) == 0 && close(fd) == 0);
  save_here();
  CHECK(filled(p, PAGE, 32), "content");
  return done();
}
