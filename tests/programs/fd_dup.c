// Descriptors made by dup share one offset and flags, two opens of one file do
// not; dup also of one that is closed since, in an order that is not sorted.
// run: generations
#include "probe.h"

int main(void) {
  int a = open("data", O_RDWR | O_CREAT, 0644), b = open("data", O_RDWR);
  NEED(a >= 0 && b >= 0 && write(a, "0123456789", 10) == 10);
  NEED(dup2(a, 40) == 40 && dup2(a, 30) == 30 && dup3(b, 20, O_CLOEXEC) == 20 && close(a) == 0);
  NEED(lseek(30, 7, SEEK_SET) == 7 && lseek(b, 2, SEEK_SET) == 2);
  save_here();
  CHECK(lseek(40, 0, SEEK_CUR) == 7 && lseek(20, 0, SEEK_CUR) == 2, "offsets %ld %ld",
      lseek(40, 0, SEEK_CUR), lseek(20, 0, SEEK_CUR));
  NEED(lseek(40, 1, SEEK_CUR) >= 0 && lseek(b, 1, SEEK_CUR) >= 0);
  CHECK(lseek(30, 0, SEEK_CUR) == 8, "30 and 40 do not share: %ld", lseek(30, 0, SEEK_CUR));
  CHECK(lseek(20, 0, SEEK_CUR) == 3, "20 and %d do not share: %ld", b, lseek(20, 0, SEEK_CUR));
  NEED(fcntl(30, F_SETFL, O_APPEND) == 0);
  CHECK(fcntl(40, F_GETFL) & O_APPEND, "flags are not shared");
  CHECK(!(fcntl(20, F_GETFL) & O_APPEND), "flags of different opens are shared");
  CHECK(fcntl(20, F_GETFD) == FD_CLOEXEC && fcntl(b, F_GETFD) == 0, "close-on-exec");
  CHECK(fcntl(a, F_GETFD) == -1 && errno == EBADF, "a closed descriptor is open");
  return done();
}
