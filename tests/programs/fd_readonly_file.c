// A file without write permission that was opened for writing before, and one
// that may only be read.
#include <sys/stat.h>

#include "probe.h"

int main(void) {
  int out = open("readonly", O_RDWR | O_CREAT, 0444);
  NEED(out >= 0 && write(out, "hello", 5) == 5);
  int in = open("readonly", O_RDONLY);
  NEED(in >= 0 && lseek(in, 1, SEEK_SET) == 1);
  if (geteuid() != 0) close(out), out = -1;  // could not be opened again
  char text[8] = "";
  save_here();
  CHECK(read(in, text, 7) == 4 && !strcmp(text, "ello"), "%s", text);
  if (out >= 0) CHECK(write(out, "!", 1) == 1 && !strcmp(slurp("readonly"), "hello!"), "%s",
      strerror(errno));
  return done();
}
