// Anonymous memory that is mapped, grown, moved and unmapped on afterwards.
#include "maps.h"

int main(void) {
  size_t size = 2 << 20;
  char *p = map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  fill(p, size, 1);
  save_here();
  CHECK(filled(p, size, 1), "content");
  char *q = mremap(p, size, 2 * size, MREMAP_MAYMOVE);
  CHECK(q != MAP_FAILED, "mremap: %s", strerror(errno));
  if (q == MAP_FAILED) return done();
  CHECK(filled(q, size, 1), "content after mremap");
  for (size_t i = size; i < 2 * size; i++)
    if (q[i]) {
      CHECK(0, "new memory is not zero at %zu", i);
      break;
    }
  fill(q + size, size, 2);
  CHECK(munmap(q, size) == 0, "munmap: %s", strerror(errno));
  CHECK(filled(q + size, size, 2), "content after munmap");
  return done();
}
