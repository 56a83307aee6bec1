// One open file in several processes: its offset and flags are shared, also
// that of a file that was deleted, and of one only the children have open.
#include "tree.h"

static int named, deleted, only;

static long at(int fd) { return lseek(fd, 0, SEEK_CUR); }

static void work(int i) {
  char c = 0;
  did("child.%d", i);
  wait_go();
  await_did(i ? "first" : "parent");
  CHECK(at(named) == (i ? 301 : 300), "child %d: offset %ld", i, at(named));
  CHECK(read(named, &c, 1) == 1 && c == (char)(44 + i), "child %d: byte %d", i, c);
  CHECK(read(deleted, &c, 1) == 1 && c == (char)(i + 10), "child %d: deleted %d", i, c);
  CHECK(!!(fcntl(named, F_GETFL) & O_APPEND), "child %d: flags", i);
  CHECK(at(only) == 70 + i && lseek(only, 1, SEEK_CUR) == 71 + i, "child %d: %ld", i, at(only));
  did(i ? "second" : "first");
}

int main(void) {
  char bytes[1000];
  for (int i = 0; i < 1000; i++) bytes[i] = (char)i;
  NEED((named = open("named", O_RDWR | O_CREAT, 0600)) >= 0 && write(named, bytes, 1000) == 1000);
  NEED((deleted = open("deleted", O_RDWR | O_CREAT, 0600)) >= 0 && write(deleted, bytes, 1000) == 1000);
  NEED((only = open("named", O_RDONLY)) >= 0 && lseek(only, 70, SEEK_SET) == 70);
  NEED(unlink("deleted") == 0 && lseek(deleted, 5, SEEK_SET) == 5 && lseek(named, 200, SEEK_SET) == 200);
  pid_t pids[2] = {child(work, 0), child(work, 1)};
  close(only);
  int other = open("named", O_RDONLY);
  await_did("child.0");
  await_did("child.1");
  save_here();
  CHECK(at(named) == 200 && at(deleted) == 5 && at(other) == 0, "%ld, %ld, %ld", at(named),
        at(deleted), at(other));
  NEED(lseek(named, 300, SEEK_SET) == 300 && lseek(deleted, 10, SEEK_SET) == 10);
  NEED(fcntl(named, F_SETFL, O_APPEND) == 0);
  did("parent");
  for (int i = 0; i < 2; i++) ends_well(pids[i]);
  CHECK(at(named) == 302 && at(deleted) == 12, "%ld, %ld afterwards", at(named), at(deleted));
  CHECK(at(other) == 0, "a file opened twice is one: %ld", at(other));
  return done();
}
