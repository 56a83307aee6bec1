// Packet mode (O_DIRECT): one read, one packet.
// run: generations
#include "probe.h"

int main(void) {
  int p[2];
  char packet[100];
  NEED(pipe2(p, O_DIRECT) == 0);
  NEED(write(p[1], "one", 3) == 3 && write(p[1], "three", 5) == 5 && write(p[1], "x", 1) == 1);
  save_here();
  CHECK(fcntl(p[1], F_GETFL) & O_DIRECT, "flags %o", fcntl(p[1], F_GETFL));
  CHECK(read(p[0], packet, 100) == 3 && !memcmp(packet, "one", 3), "first packet");
  CHECK(read(p[0], packet, 2) == 2 && !memcmp(packet, "th", 2), "second packet, cut");
  CHECK(read(p[0], packet, 100) == 1 && *packet == 'x', "third packet");
  CHECK(write(p[1], "ab", 2) == 2 && write(p[1], "cd", 2) == 2 && read(p[0], packet, 100) == 2,
      "new packets");
  return done();
}
