// memfd: name, content with holes, size, offset, seals, a mapping of it.
// run: generations
#include <sys/mman.h>
#include <sys/stat.h>

#include "probe.h"

int main(void) {
  int fd = memfd_create("my data", MFD_CLOEXEC | MFD_ALLOW_SEALING),
      plain = memfd_create("plain", 0);
  char text[8] = "", link[64] = "", path[64];
  struct stat st;
  NEED(fd >= 0 && plain >= 0 && ftruncate(fd, 1L << 30) == 0 &&
      pwrite(fd, "hello", 5, 1 << 29) == 5 && lseek(fd, 77, SEEK_SET) == 77);
  char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 1 << 29);
  NEED(p != MAP_FAILED && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
  int seals = fcntl(plain, F_GET_SEALS);
  save_here();
  CHECK(fcntl(fd, F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_GROW), "seals %x",
      fcntl(fd, F_GET_SEALS));
  CHECK(fcntl(plain, F_GET_SEALS) == seals, "seals %x, were %x", fcntl(plain, F_GET_SEALS),
      seals);
  CHECK(ftruncate(fd, 1) == -1 && errno == EPERM, "it can be cut");
  CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC, "close-on-exec");
  CHECK(fstat(fd, &st) == 0 && st.st_size == 1L << 30 && st.st_blocks < 100,
      "size %ld, %ld blocks", st.st_size, st.st_blocks);
  CHECK(lseek(fd, 0, SEEK_CUR) == 77, "offset %ld", lseek(fd, 0, SEEK_CUR));
  CHECK(pread(fd, text, 5, 1 << 29) == 5 && !strcmp(text, "hello"), "%s", text);
  memcpy(p, "HALLO", 5);
  CHECK(pread(fd, text, 5, 1 << 29) == 5 && !strcmp(text, "HALLO"),
      "mapping and descriptor are apart: %s", text);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  CHECK(readlink(path, link, 63) > 0 && !strcmp(link, "/memfd:my data (deleted)"), "name %s",
      link);
  return done();
}
