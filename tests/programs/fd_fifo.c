// A named FIFO with both ends inside and bytes in it.
// run: generations
#include <sys/stat.h>

#include "probe.h"

int main(void) {
  char text[16] = "";
  NEED(mkfifo("fifo", 0600) == 0);
  int r = open("fifo", O_RDONLY | O_NONBLOCK), w = open("fifo", O_WRONLY);
  NEED(r >= 0 && w >= 0 && fcntl(r, F_SETFL, 0) == 0 && write(w, "hello", 5) == 5);
  save_here();
  CHECK(!(fcntl(r, F_GETFL) & O_NONBLOCK), "flags %o", fcntl(r, F_GETFL));
  CHECK(read(r, text, 15) == 5 && !strcmp(text, "hello"), "%s", text);
  // It is the FIFO of that name, not some pipe.
  int other = open("fifo", O_WRONLY | O_NONBLOCK);
  CHECK(other >= 0 && write(other, "again", 5) == 5, "%s", strerror(errno));
  CHECK(read(r, text, 15) == 5 && !strcmp(text, "again"), "%s", text);
  close(other);
  close(w);
  CHECK(read(r, text, 15) == 0, "no end of file");
  return done();
}
