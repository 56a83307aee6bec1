// flock, POSIX and OFD locks are held again: another process cannot take them,
// what was not locked it can.
// run: generations
#include <sys/file.h>
#include <sys/wait.h>

#include "probe.h"

// held asks in a child, by a file opened anew, whether [start, start+1) of the
// file is locked against writing: 1 by a write lock, 2 by a read lock.
static int held(const char *path, long start) {
  int status;
  pid_t child = fork();
  if (child == 0) {
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = 1};
    int fd = open(path, O_RDWR);
    if (fd < 0 || fcntl(fd, F_GETLK, &l) != 0) _exit(9);
    _exit(l.l_type == F_WRLCK ? 1 : l.l_type == F_RDLCK ? 2 : 0);
  }
  NEED(child > 0 && waitpid(child, &status, 0) == child);
  return WEXITSTATUS(status);
}

static int flocked(const char *path, int how) {
  int fd = open(path, O_RDWR), busy = flock(fd, how | LOCK_NB) != 0;
  close(fd);
  return busy;
}

int main(void) {
  struct flock w = {.l_type = F_WRLCK, .l_start = 10, .l_len = 5},
      r = {.l_type = F_RDLCK, .l_start = 100, .l_len = 0};
  int posix = open("posix", O_RDWR | O_CREAT, 0644), ofd = open("ofd", O_RDWR | O_CREAT, 0644);
  int ex = open("exclusive", O_RDWR | O_CREAT, 0644), sh = open("shared", O_RDWR | O_CREAT, 0644);
  NEED(fcntl(posix, F_SETLK, &w) == 0 && fcntl(posix, F_SETLK, &r) == 0);
  NEED(fcntl(ofd, F_OFD_SETLK, &w) == 0 && fcntl(ofd, F_OFD_SETLK, &r) == 0);
  NEED(flock(ex, LOCK_EX) == 0 && flock(sh, LOCK_SH) == 0);
  save_here();
  const char *files[] = {"posix", "ofd"};
  for (int i = 0; i < 2; i++) {
    CHECK(held(files[i], 10) == 1 && held(files[i], 14) == 1, "%s: write lock is lost", files[i]);
    CHECK(held(files[i], 9) == 0 && held(files[i], 15) == 0, "%s: locked too much", files[i]);
    CHECK(held(files[i], 100) == 2 && held(files[i], 1L << 40) == 2, "%s: read lock is lost",
        files[i]);
  }
  CHECK(flocked("exclusive", LOCK_SH), "exclusive flock is lost");
  CHECK(flocked("shared", LOCK_EX) && !flocked("shared", LOCK_SH),
      "shared flock is lost or became exclusive");
  w.l_type = F_UNLCK;
  CHECK(fcntl(posix, F_SETLK, &w) == 0 && held("posix", 10) == 0, "not this process's lock");
  CHECK(fcntl(ofd, F_OFD_SETLK, &w) == 0 && held("ofd", 10) == 0, "not this descriptor's lock");
  CHECK(flock(ex, LOCK_UN) == 0 && !flocked("exclusive", LOCK_EX), "not this descriptor's flock");
  return done();
}
