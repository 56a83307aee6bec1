// Shared file mappings: two mappings of one file see each other, writes reach
// the file, before and after.
#include "maps.h"

int main(void) {
  int fd = open("shared", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  NEED(fd >= 0 && ftruncate(fd, 4 * PAGE) == 0);
  char *a = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *b = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
  NEED(a != MAP_FAILED && b != MAP_FAILED);
  close(fd);
  fill(a, 4 * PAGE, 6);
  save_here();
  CHECK(filled(a, 4 * PAGE, 6), "content");
  CHECK(!memcmp(a + PAGE, b, 2 * PAGE), "second mapping");
  fill(a, 4 * PAGE, 7);
  CHECK(!memcmp(a + PAGE, b, 2 * PAGE), "mappings are not shared any more");
  CHECK(!memcmp(slurp("shared"), a, 4 * PAGE), "the file was not written");
  CHECK(mprotect(b, PAGE, PROT_READ | PROT_WRITE) == 0, "may not write: %s", strerror(errno));
  return done();
}
