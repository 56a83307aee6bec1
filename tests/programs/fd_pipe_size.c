// Capacity, O_NONBLOCK of one end only, and a pipe that is full to the brim.
#include "probe.h"

int main(void) {
  int big[2], full[2], odd[2];
  static char bytes[1 << 20];
  NEED(pipe(big) == 0 && pipe2(full, O_NONBLOCK) == 0 && pipe(odd) == 0);
  NEED(fcntl(big[1], F_SETPIPE_SZ, 1 << 18) == 1 << 18 && fcntl(odd[0], F_SETPIPE_SZ,
      4096) == 4096);
  NEED(fcntl(odd[0], F_SETFL, O_NONBLOCK) == 0);
  fill(bytes, sizeof bytes, 2);
  ssize_t fits = write(full[1], bytes, sizeof bytes);
  NEED(fits > 4096 && write(big[1], bytes, 200000) == 200000);
  save_here();
  CHECK(fcntl(big[0], F_GETPIPE_SZ) == 1 << 18, "capacity %d", fcntl(big[0], F_GETPIPE_SZ));
  CHECK(fcntl(odd[0], F_GETPIPE_SZ) == 4096, "capacity %d", fcntl(odd[0], F_GETPIPE_SZ));
  CHECK(fcntl(odd[0], F_GETFL) & O_NONBLOCK && !(fcntl(odd[1], F_GETFL) & O_NONBLOCK),
      "O_NONBLOCK");
  CHECK(read(odd[0], bytes, 1) == -1 && errno == EAGAIN, "not empty");
  CHECK(write(full[1], "x", 1) == -1 && errno == EAGAIN, "not full");
  memset(bytes, 0, sizeof bytes);
  CHECK(read(full[0], bytes, sizeof bytes) == fits && filled(bytes, (size_t)fits, 2),
      "content of the full one");
  CHECK(read(big[0], bytes, sizeof bytes) == 200000 && filled(bytes, 200000, 2),
      "content of the big one");
  return done();
}
