// Private memory that a child has from its parent: the same where nobody wrote,
// each its own where somebody did, before and after.
#include "tree.h"

enum { SIZE = 16 << 20, STEP = 1 << 20 };
static unsigned char *memory;

static int as_expected(int i) {
  int wrong = 0;
  for (int n = 0; n < SIZE / STEP; n++) {
    // Its own number in every fourth piece.
    unsigned seed = i && n % 4 == i ? (unsigned)(1000 * i + n) : (unsigned)n;
    wrong += !filled(memory + n * STEP, STEP, seed);
  }
  return wrong;
}

static void work(int i) {
  for (int n = i; n < SIZE / STEP; n += 4) fill(memory + n * STEP, STEP, (unsigned)(1000 * i + n));
  did("child.%d", i);
  wait_go();
  CHECK(as_expected(i) == 0, "child %d: %d pieces", i, as_expected(i));
  memset(memory, i, STEP / 2);
  did("wrote.%d", i);
  await_did("looked");
  for (int n = 0; n < STEP / 2; n++)
    if (memory[n] != i) CHECK(memory[n] == i, "child %d: byte %d is %d", i, n, memory[n]);
}

int main(void) {
  pid_t pids[3];
  memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  NEED(memory != MAP_FAILED);
  for (int n = 0; n < SIZE / STEP; n++) fill(memory + n * STEP, STEP, (unsigned)n);
  for (int i = 0; i < 3; i++) pids[i] = child(work, i + 1);
  for (int i = 0; i < 3; i++) await_did("child.%d", i + 1);
  save_here();
  CHECK(as_expected(0) == 0, "the parent: %d pieces", as_expected(0));
  for (int i = 0; i < 3; i++) await_did("wrote.%d", i + 1);
  CHECK(as_expected(0) == 0, "the parent sees what a child wrote: %d pieces", as_expected(0));
  did("looked");
  for (int i = 0; i < 3; i++) ends_well(pids[i]);
  return done();
}
