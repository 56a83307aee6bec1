// Locks between processes: a POSIX lock of the child against its parent, one
// that the parent waits for, a flock and an OFD lock that both have.
#include <sys/file.h>

#include "tree.h"

static int both, ofd;

static int posix(int command, short type, long start, struct flock *l) {
  *l = (struct flock){.l_type = type, .l_start = start, .l_len = 10};
  int fd = open("posix", O_RDWR | O_CLOEXEC);
  NEED(fd >= 0);
  return fcntl(fd, command, l);  // left open: closing any would release
}

static void holder(int i) {
  struct flock l;
  (void)i;
  NEED(posix(F_SETLK, F_WRLCK, 0, &l) == 0 && posix(F_SETLK, F_RDLCK, 100, &l) == 0);
  did("held");
  wait_go();
  await_did("asked");
  NEED(posix(F_SETLK, F_UNLCK, 0, &l) == 0);
  await_did("got");
  // This releases what the parent has, too: it is one lock.
  NEED(flock(both, LOCK_UN) == 0);
  did("unlocked");
  await_did("end");
}

static void waiter(int i) {
  struct flock l;
  (void)i;
  await_did("held");
  did("waits");
  CHECK(posix(F_SETLKW, F_WRLCK, 0, &l) == 0, "waiting: %s", strerror(errno));
  did("got");
  await_did("end");
}

static int flocked(void) {
  int fd = open("both", O_RDWR | O_CLOEXEC), busy = flock(fd, LOCK_EX | LOCK_NB) != 0;
  close(fd);
  return busy;
}

static int ofd_locked(void) {
  struct flock l = {.l_type = F_WRLCK};
  int fd = open("ofd", O_RDWR | O_CLOEXEC);
  NEED(fcntl(fd, F_OFD_GETLK, &l) == 0 && close(fd) == 0);
  return l.l_type == F_WRLCK;
}

int main(void) {
  struct flock l = {.l_type = F_WRLCK};
  NEED(open("posix", O_RDWR | O_CREAT | O_CLOEXEC, 0600) >= 0);
  NEED((both = open("both", O_RDWR | O_CREAT, 0600)) >= 0 && flock(both, LOCK_EX) == 0);
  NEED((ofd = open("ofd", O_RDWR | O_CREAT, 0600)) >= 0 && fcntl(ofd, F_OFD_SETLK, &l) == 0);
  pid_t held = child(holder, 0), waits = child(waiter, 1);
  await_did("waits");
  await_call(waits, SYS_fcntl);
  save_here();
  CHECK(posix(F_GETLK, F_WRLCK, 5, &l) == 0 && l.l_type == F_WRLCK && l.l_pid == held,
        "type %d of %d, not of %d", l.l_type, l.l_pid, held);
  CHECK(posix(F_GETLK, F_WRLCK, 100, &l) == 0 && l.l_type == F_RDLCK && l.l_pid == held,
        "type %d of %d, not of %d", l.l_type, l.l_pid, held);
  CHECK(posix(F_SETLK, F_WRLCK, 5, &l) == -1 && (errno == EAGAIN || errno == EACCES), "not locked");
  CHECK(access("did.got", F_OK) != 0, "the waiting one got it");
  CHECK(flocked() && ofd_locked(), "flock %d, OFD %d", flocked(), ofd_locked());
  CHECK(flock(both, LOCK_EX | LOCK_NB) == 0, "the parent's flock is not its own");
  did("asked");
  await_did("got");
  CHECK(posix(F_GETLK, F_WRLCK, 5, &l) == 0 && l.l_pid == waits, "of %d, not %d", l.l_pid, waits);
  await_did("unlocked");
  CHECK(!flocked(), "the child's unlock was not the parent's");
  CHECK(ofd_locked(), "the OFD lock is lost");
  did("end");
  ends_well(held);
  ends_well(waits);
  CHECK(posix(F_SETLK, F_WRLCK, 0, &l) == 0 && posix(F_SETLK, F_WRLCK, 100, &l) == 0, "left over");
  return done();
}
