// Private file mappings: pages written and pages that come from the file, at
// an offset, read-only and writable.
#include "maps.h"

int main(void) {
  static char content[8 * PAGE];
  fill(content, sizeof content, 4);
  int fd = open("input", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  NEED(fd >= 0 && write(fd, content, sizeof content) == sizeof content);
  char *p = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 2 * PAGE);
  char *r = mmap(NULL, 8 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
  NEED(p != MAP_FAILED && r != MAP_FAILED);
  close(fd);
  fill(p + PAGE, PAGE, 99);
  fill(p + 4 * PAGE, 10, 98);
  save_here();
  CHECK(filled(p + PAGE, PAGE, 99) && filled(p + 4 * PAGE, 10, 98), "written pages");
  CHECK(!memcmp(p + 4 * PAGE + 10, content + 6 * PAGE + 10, PAGE - 10), "partly written page");
  CHECK(!memcmp(p, content + 2 * PAGE, PAGE), "untouched page");
  CHECK(!memcmp(r, content, sizeof content), "read-only mapping");
  p[3 * PAGE] ^= 1;
  CHECK(!memcmp(r, content, sizeof content), "a private write reached the file");
  return done();
}
