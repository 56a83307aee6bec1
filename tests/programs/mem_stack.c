// The stack: its content, and that it grows after the restore to its limit.
// run: static nopie generations
#include "maps.h"

static unsigned long deep(unsigned depth) {
  volatile char frame[4000];
  frame[0] = (char)depth;
  frame[3999] = 1;
  unsigned long below = depth ? deep(depth - 1) : 0;
  return below + (unsigned char)frame[0] + (unsigned char)frame[3999];
}

int main(void) {
  char content[100000];
  fill(content, sizeof content, 8);
  unsigned long expected = 0;
  for (unsigned i = 0; i <= 1800; i++) expected += (unsigned char)i + 1;
  save_here();
  CHECK(filled(content, sizeof content, 8), "content");
  CHECK(vma_flag(content, "gd"), "the stack does not grow down any more");
  CHECK(deep(1800) == expected, "deep recursion");
  CHECK(strstr(vma_line(content, ""), "[stack]"), "not known as the stack: %s",
        vma_line(content, ""));
  return done();
}
