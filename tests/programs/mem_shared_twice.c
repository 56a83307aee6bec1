// Shared anonymous memory that is mapped twice, and some with a hole unmapped in
// it: the parts still are the same memory.
#include "maps.h"

int main(void) {
  char *p = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  char *twice = mremap(p + PAGE, 0, 4 * PAGE, MREMAP_MAYMOVE);
  char *holed = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  NEED(twice != MAP_FAILED);
  fill(p, 3 * PAGE, 12);
  fill(holed, 8 * PAGE, 13);
  NEED(munmap(holed + 2 * PAGE, 3 * PAGE) == 0);
  save_here();
  CHECK(filled(p, 3 * PAGE, 12) && filled(holed, 2 * PAGE, 13), "content");
  CHECK(!memcmp(p + PAGE, twice, 4 * PAGE), "second mapping");
  p[2 * PAGE] ^= 1;
  CHECK(p[2 * PAGE] == twice[PAGE], "mappings are not shared any more");
  char *all = mremap(holed + 6 * PAGE, 0, PAGE, MREMAP_MAYMOVE);
  CHECK(all != MAP_FAILED && !memcmp(all, holed + 6 * PAGE, PAGE), "not the page behind the hole");
  return done();
}
