// Protections, and content behind PROT_NONE and read-only areas.
#include "maps.h"

static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
                            PROT_EXEC, PROT_READ | PROT_EXEC,
                            PROT_READ | PROT_WRITE | PROT_EXEC, PROT_WRITE};
enum { KINDS = sizeof prots / sizeof *prots };

int main(void) {
  char *p = map(3 * KINDS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  char lines[KINDS][512];
  fill(p, 3 * KINDS * PAGE, 21);
  for (int i = 0; i < KINDS; i++) {
    NEED(mprotect(p + 3 * i * PAGE, 2 * PAGE, prots[i]) == 0);
    NEED(mprotect(p + (3 * i + 2) * PAGE, PAGE, PROT_NONE) == 0);
  }
  for (int i = 0; i < KINDS; i++) strcpy(lines[i], vma_line(p + 3 * i * PAGE, ""));
  save_here();
  for (int i = 0; i < KINDS; i++) {
    const char *line = vma_line(p + 3 * i * PAGE, "");
    CHECK(strcmp(line, lines[i]) == 0, "%.60s, was %.60s", line, lines[i]);
  }
  CHECK(mprotect(p, 3 * KINDS * PAGE, PROT_READ) == 0, "%s", strerror(errno));
  CHECK(filled(p, 3 * KINDS * PAGE, 21), "content");
  return done();
}
