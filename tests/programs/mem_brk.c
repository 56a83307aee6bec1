// The heap of brk: its content, and that it goes on growing and shrinking.
// run: static nopie generations
#include "probe.h"

int main(void) {
  char *start = sbrk(0);
  size_t size = 3 << 20;
  NEED(sbrk((intptr_t)size) == start);
  fill(start, size, 5);
  save_here();
  CHECK(sbrk(0) == start + size, "break at %p, was %p", sbrk(0), (void *)(start + size));
  CHECK(filled(start, size, 5), "content");
  CHECK(sbrk(1 << 20) == start + size, "cannot grow: %s", strerror(errno));
  memset(start + size, 7, 1 << 20);
  CHECK(sbrk(-(2 << 20)) == start + size + (1 << 20), "cannot shrink");
  CHECK(filled(start, size - (1 << 20), 5), "content after growing");
  CHECK(strstr(slurp("/proc/self/maps"), "[heap]"), "the kernel does not know the heap");
  return done();
}
