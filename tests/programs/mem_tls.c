// Thread-local variables, initialised and not, and errno.
// run: static nopie
#include "probe.h"

static __thread int counter = 41;
static __thread char block[5000];
static __thread char *self;

int main(void) {
  counter++;
  fill(block, sizeof block, 3);
  self = block;
  errno = 0;
  save_here();
  errno = ENOTTY;
  CHECK(counter == 42, "%d", counter);
  CHECK(self == block, "thread area moved: %p, was %p", (void *)block, (void *)self);
  CHECK(filled(block, sizeof block, 3), "content");
  CHECK(errno == ENOTTY, "errno %d", errno);
  return done();
}
