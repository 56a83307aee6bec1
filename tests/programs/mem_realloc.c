// Blocks that are large enough to be mapped, and grow and shrink afterwards.
// run: generations
#include "probe.h"

enum { MB = 1 << 20 };

int main(void) {
  char *large = malloc(24 * MB), *small = malloc(MB), *zeros = calloc(8, MB);
  NEED(large && small && zeros);
  fill(large, 24 * MB, 1);
  fill(small, MB, 2);
  zeros[5 * MB] = 3;
  save_here();
  CHECK(filled(large, 24 * MB, 1), "large");
  CHECK(filled(small, MB, 2), "small");
  large = realloc(large, 128 * MB);
  small = realloc(small, 64 * MB);
  NEED(large && small);
  CHECK(filled(large, 24 * MB, 1), "large, grown");
  CHECK(filled(small, MB, 2), "small, grown");
  memset(large + 24 * MB, 4, 104 * MB);
  memset(small + MB, 5, 63 * MB);
  large = realloc(large, 12 * MB);
  CHECK(filled(large, 12 * MB, 1), "large, smaller");
  CHECK(zeros[5 * MB] == 3, "what is between zeros");
  for (size_t i = 0; i < 8 * MB; i++)
    if (zeros[i] && i != 5 * MB) {
      CHECK(0, "not zero at %zu", i);
      break;
    }
  free(large), free(small);
  char *again = calloc(16, MB);
  NEED(again);
  for (size_t i = 0; i < 16 * MB; i++)
    if (again[i]) {
      CHECK(0, "fresh memory is not zero at %zu", i);
      break;
    }
  return done();
}
