// VMA flags of madvise, mlock and mmap, as /proc/self/smaps shows them.
// run: generations
#include "maps.h"

static const struct {
  const char *name;
  int advice;
  const char *flag;
} advices[] = {
    {"dontfork", MADV_DONTFORK, "dc"},     {"wipeonfork", MADV_WIPEONFORK, "wf"},
    {"hugepage", MADV_HUGEPAGE, "hg"},     {"nohugepage", MADV_NOHUGEPAGE, "nh"},
    {"dontdump", MADV_DONTDUMP, "dd"},     {"mergeable", MADV_MERGEABLE, "mg"},
    {"sequential", MADV_SEQUENTIAL, "sr"}, {"random", MADV_RANDOM, "rr"},
};
enum { ADVICES = sizeof advices / sizeof *advices, SIZE = 4 * PAGE };

int main(void) {
  char *p[ADVICES];
  int works[ADVICES];
  for (int i = 0; i < ADVICES; i++) {
    p[i] = map(SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    fill(p[i], SIZE, (unsigned)i);
    works[i] = madvise(p[i], SIZE, advices[i].advice) == 0 &&
               vma_flag(p[i], advices[i].flag);
  }
  char *down = map(SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN);
  char *sparse = map(SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE);
  NEED(vma_flag(down, "gd") && vma_flag(sparse, "nr"));
  save_here();
  for (int i = 0; i < ADVICES; i++) {
    if (!works[i]) continue;
    CHECK(vma_flag(p[i], advices[i].flag), "%s is lost", advices[i].name);
    CHECK(filled(p[i], SIZE, (unsigned)i), "content of %s", advices[i].name);
  }
  CHECK(vma_flag(down, "gd"), "growsdown is lost");
  CHECK(vma_flag(sparse, "nr"), "noreserve is lost");
  return done();
}
