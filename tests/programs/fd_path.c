// O_PATH descriptors of a file, a directory and a symbolic link.
#include <sys/stat.h>

#include "probe.h"

int main(void) {
  struct stat st;
  char target[16] = "";
  NEED(close(open("file", O_CREAT | O_WRONLY, 0644)) == 0 && mkdir("dir", 0755) == 0 &&
      symlink("file", "link") == 0);
  NEED(close(open("dir/inside", O_CREAT | O_WRONLY, 0644)) == 0);
  int file = open("file", O_PATH | O_CLOEXEC), dir = open("dir", O_PATH | O_DIRECTORY),
      link = open("link", O_PATH | O_NOFOLLOW);
  NEED(file >= 0 && dir >= 0 && link >= 0);
  save_here();
  char byte;
  CHECK(read(file, &byte, 1) == -1 && errno == EBADF, "not O_PATH any more");
  CHECK(fcntl(file, F_GETFD) == FD_CLOEXEC, "close-on-exec");
  CHECK(fstat(file, &st) == 0 && S_ISREG(st.st_mode), "file");
  CHECK(faccessat(dir, "inside", F_OK, 0) == 0, "directory: %s", strerror(errno));
  CHECK(fstat(link, &st) == 0 && S_ISLNK(st.st_mode), "link: mode %o", st.st_mode);
  CHECK(readlinkat(link, "", target, 15) == 4 && !strcmp(target, "file"), "link to %s", target);
  return done();
}
