// A reservation of 300 GB with a few pages touched.
// run: generations
#include "maps.h"

int main(void) {
  size_t size = 300UL << 30, step = size / 16;
  char *p = map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE);
  for (unsigned i = 0; i < 16; i++) fill(p + i * step + i * PAGE, PAGE, i);
  save_here();
  for (unsigned i = 0; i < 16; i++) {
    char *page = p + i * step + i * PAGE;
    CHECK(filled(page, PAGE, i), "page %u", i);
    CHECK(page[PAGE] == 0, "the page behind page %u is not zero", i);
  }
  p[size - 1] = 1;
  CHECK(munmap(p, size) == 0, "munmap: %s", strerror(errno));
  return done();
}
