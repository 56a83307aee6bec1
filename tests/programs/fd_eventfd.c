// eventfd: counter, semaphore mode, flags.
#include <sys/eventfd.h>

#include "probe.h"

int main(void) {
  eventfd_t value = 0;
  int a = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), b = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK),
      c = eventfd(0, EFD_NONBLOCK);
  NEED(eventfd_write(a, 0xfffffffffffffff0) == 0);
  save_here();
  CHECK(fcntl(a, F_GETFD) == FD_CLOEXEC && fcntl(a, F_GETFL) & O_NONBLOCK, "flags");
  CHECK(eventfd_read(a, &value) == 0 && value == 0xfffffffffffffff0, "%lx", value);
  for (int i = 0; i < 3; i++) CHECK(eventfd_read(b, &value) == 0 && value == 1, "%d: %lu", i,
      value);
  CHECK(eventfd_read(b, &value) == -1 && errno == EAGAIN, "%lu", value);
  CHECK(eventfd_read(c, &value) == -1 && errno == EAGAIN, "%lu", value);
  return done();
}
