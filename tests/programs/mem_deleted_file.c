// Private and shared mappings of a file that is gone.
// run: generations
#include "maps.h"

int main(void) {
  int fd = open("gone", O_RDWR | O_CREAT, 0644);
  static char content[4 * PAGE];
  fill(content, sizeof content, 9);
  NEED(fd >= 0 && write(fd, content, sizeof content) == sizeof content);
  char *shared = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *again = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
  char *private = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  NEED(shared != MAP_FAILED && again != MAP_FAILED && private != MAP_FAILED);
  NEED(close(fd) == 0 && unlink("gone") == 0);
  fill(shared + PAGE, PAGE, 10);
  fill(private + 2 * PAGE, PAGE, 11);
  save_here();
  CHECK(!memcmp(shared, content, PAGE), "shared, untouched");
  CHECK(filled(shared + PAGE, PAGE, 10), "shared, written");
  CHECK(!memcmp(private, content, PAGE) && filled(private + PAGE, PAGE, 10),
      "private, untouched");
  CHECK(filled(private + 2 * PAGE, PAGE, 11), "private, written");
  CHECK(filled(again, PAGE, 10), "second mapping");
  shared[PAGE] ^= 1;
  CHECK(shared[PAGE] == again[0], "mappings are not shared any more");
  CHECK(access("gone", F_OK) != 0, "the deleted file is back in the directory");
  return done();
}
