// mlock and MLOCK_ONFAULT.
#include "maps.h"

int main(void) {
  char *now_locked = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  char *on_fault = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  char *not = map(4 * PAGE, PROT_READ, MAP_PRIVATE);
  NEED(mlock(now_locked, 4 * PAGE) == 0);
  NEED(mlock2(on_fault, 4 * PAGE, MLOCK_ONFAULT) == 0);
  fill(now_locked, 4 * PAGE, 1);
  save_here();
  CHECK(vma_flag(now_locked, "lo"), "mlock is lost");
  CHECK(vma_flag(on_fault, "lo"), "MLOCK_ONFAULT is lost");
  CHECK(!vma_flag(not, "lo"), "locked now");
  CHECK(filled(now_locked, 4 * PAGE, 1), "content");
  CHECK(strstr(vma_line(on_fault, "Rss:"), " 0 kB"), "%s", vma_line(on_fault, "Rss:"));
  return done();
}
