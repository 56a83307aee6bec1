// A deleted file: content, offset, size; two opens and a mapping of it are
// still one file.
// run: generations
#include <sys/mman.h>
#include <sys/stat.h>

#include "probe.h"

int main(void) {
  static char content[300000];
  struct stat st;
  int a = open("gone", O_RDWR | O_CREAT, 0640), b = open("gone", O_RDONLY | O_NOFOLLOW);
  fill(content, sizeof content, 1);
  NEED(a >= 0 && b >= 0 && write(a, content, sizeof content) == sizeof content);
  char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, a, 0);
  NEED(p != MAP_FAILED && unlink("gone") == 0 && lseek(b, 1000, SEEK_SET) == 1000);
  save_here();
  CHECK(fstat(a, &st) == 0 && st.st_size == sizeof content, "size %ld", st.st_size);
  CHECK((st.st_mode & 07777) == 0640 && st.st_nlink == 0, "mode %o, %lu links", st.st_mode,
      st.st_nlink);
  CHECK(lseek(a, 0, SEEK_CUR) == sizeof content && lseek(b, 0, SEEK_CUR) == 1000, "offsets");
  CHECK(pread(b, content, sizeof content, 0) == sizeof content &&
      filled(content, sizeof content, 1), "content");
  CHECK(pwrite(a, "hello", 5, 10) == 5 && pread(b, content, 5, 10) == 5, "%s", strerror(errno));
  CHECK(!memcmp(content, "hello", 5), "the two are not one file any more");
  CHECK(!memcmp(p + 10, "hello", 5), "mapping and descriptor are not one file any more");
  CHECK(access("gone", F_OK) != 0, "the deleted file is back in the directory");
  return done();
}
