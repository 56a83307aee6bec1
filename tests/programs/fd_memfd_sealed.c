// A memfd that is sealed against writing, and its read-only mapping.
#include <sys/mman.h>

#include "probe.h"

int main(void) {
  int fd = memfd_create("sealed", MFD_ALLOW_SEALING),
      all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  char text[8] = "";
  NEED(fd >= 0 && write(fd, "hello", 5) == 5 && fcntl(fd, F_ADD_SEALS, all) == 0);
  char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  NEED(p != MAP_FAILED);
  save_here();
  CHECK(fcntl(fd, F_GET_SEALS) == all, "seals %x", fcntl(fd, F_GET_SEALS));
  CHECK(write(fd, "x", 1) == -1 && errno == EPERM, "it can be written");
  CHECK(pread(fd, text, 7, 0) == 5 && !strcmp(text, "hello") && !memcmp(p, "hello", 6), "%s",
      text);
  return done();
}
