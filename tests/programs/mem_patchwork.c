// Holes punched and protections split into large areas, thousands of them.
#include "maps.h"

enum { PAGES = 6000 };

int main(void) {
  char *p = map(PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  for (unsigned i = 0; i < PAGES; i++)
    if (i % 5) fill(p + i * PAGE, PAGE, i);
  for (unsigned i = 0; i < PAGES; i += 6) {
    NEED(munmap(p + i * PAGE, PAGE) == 0);
    NEED(mprotect(p + (i + 2) * PAGE, PAGE, PROT_READ) == 0);
  }
  save_here();
  unsigned bad = 0;
  static const char zero[PAGE];
  for (unsigned i = 0; i < PAGES; i++) {
    if (i % 6 == 0) {
      if (msync(p + i * PAGE, PAGE, MS_ASYNC) == 0 || errno != ENOMEM) bad++;
    } else if (i % 5 ? !filled(p + i * PAGE, PAGE, i)
                     : memcmp(p + i * PAGE, zero, PAGE) != 0) {
      bad++;
    }
  }
  CHECK(bad == 0, "%u of %d pages", bad, PAGES);
  return done();
}
