// Transparent huge pages: content of 32 MB, and a hole in it.
#include "maps.h"

int main(void) {
  size_t size = 32 << 20;
  char *p = map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  madvise(p, size, MADV_HUGEPAGE);
  fill(p, size, 3);
  NEED(madvise(p + (9 << 20), 1 << 20, MADV_DONTNEED) == 0);
  char *one_byte = p + (9 << 20) + 5 * PAGE + 7;
  *one_byte = 1;
  save_here();
  CHECK(*one_byte == 1 && one_byte[1] == 0 && p[9 << 20] == 0, "hole");
  memset(p + (9 << 20), 0, 1 << 20);
  CHECK(filled(p, 9 << 20, 3), "content");
  return done();
}
