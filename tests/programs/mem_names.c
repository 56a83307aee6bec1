// Names of anonymous memory (PR_SET_VMA_ANON_NAME).
// run: generations
#include <sys/prctl.h>

#include "maps.h"

int main(void) {
  char *p = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, 2 * PAGE, "my arena: 1") != 0)
    SKIP("no CONFIG_ANON_VMA_NAME");
  save_here();
  CHECK(strstr(vma_line(p, ""), "[anon:my arena: 1]"), "%s", vma_line(p, ""));
  CHECK(!strstr(vma_line(p + 2 * PAGE, ""), "arena"), "%s", vma_line(p + 2 * PAGE, ""));
  return done();
}
