// A shared mapping of a file opened read-only stays read-only for good.
#include "maps.h"

int main(void) {
  int fd = open("input", O_RDWR | O_CREAT, 0644);
  NEED(fd >= 0 && write(fd, "hello", 5) == 5 && close(fd) == 0);
  NEED((fd = open("input", O_RDONLY)) >= 0);
  char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
  NEED(p != MAP_FAILED && close(fd) == 0);
  save_here();
  CHECK(!memcmp(p, "hello\0", 6), "content");
  CHECK(mprotect(p, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES,
        "it can be made writable now");
  NEED((fd = open("input", O_WRONLY)) >= 0 && pwrite(fd, "J", 1, 0) == 1);
  CHECK(*p == 'J', "not the file any more");
  return done();
}
