// A memfd that is only mapped, its descriptor closed.
// run: generations
#include "maps.h"

int main(void) {
  int fd = memfd_create("closed", MFD_CLOEXEC);
  NEED(fd >= 0 && ftruncate(fd, 16 * PAGE) == 0);
  char *a = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *b = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 3 * PAGE);
  NEED(a != MAP_FAILED && b != MAP_FAILED && close(fd) == 0);
  fill(a + 3 * PAGE, PAGE, 17);
  save_here();
  CHECK(filled(a + 3 * PAGE, PAGE, 17), "content");
  CHECK(a[0] == 0 && a[15 * PAGE] == 0, "holes");
  a[3 * PAGE] ^= 1;
  CHECK(a[3 * PAGE] == b[0], "mappings are not shared any more");
  CHECK(strstr(vma_line(a, ""), "memfd:closed"), "name: %s", vma_line(a, ""));
  return done();
}
