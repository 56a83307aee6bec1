// malloc: lists of small and large blocks, freed and allocated on afterwards.
// run: static nopie generations
#include "probe.h"

enum { BLOCKS = 4000 };
static char *blocks[BLOCKS];

static size_t size_of(unsigned i) { return i % 97 == 0 ? 300000 + i : 16 + i * 7 % 900; }

static void check_all(const char *when) {
  for (unsigned i = 0; i < BLOCKS; i++)
    if (blocks[i] && !filled(blocks[i], size_of(i), i)) {
      CHECK(0, "block %u %s", i, when);
      return;
    }
}

static void replace(unsigned first, unsigned step) {
  for (unsigned i = first; i < BLOCKS; i += step) {
    free(blocks[i]);
    NEED((blocks[i] = malloc(size_of(i))));
    fill(blocks[i], size_of(i), i);
  }
}

int main(void) {
  replace(0, 1);
  for (unsigned i = 0; i < BLOCKS; i += 3) free(blocks[i]), blocks[i] = NULL;
  save_here();
  check_all("after the restore");
  replace(0, 2);
  check_all("after allocating on");
  char *large = malloc(64 << 20);
  CHECK(large, "64 MB: %s", strerror(errno));
  if (large) memset(large, 1, 64 << 20);
  free(large);
  return done();
}
