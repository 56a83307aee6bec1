// Pipes with only one end left: bytes and then an end of file, or EPIPE.
#include <signal.h>

#include "probe.h"

int main(void) {
  int reader[2], writer[2];
  char text[9] = "";
  NEED(pipe(reader) == 0 && pipe(writer) == 0);
  NEED(write(reader[1], "last", 4) == 4 && close(reader[1]) == 0 && close(writer[0]) == 0);
  signal(SIGPIPE, SIG_IGN);
  save_here();
  CHECK(read(reader[0], text, 8) == 4 && !strcmp(text, "last"), "%s", text);
  CHECK(read(reader[0], text, 8) == 0, "no end of file");
  CHECK(write(writer[1], "x", 1) == -1 && errno == EPIPE, "no EPIPE");
  return done();
}
