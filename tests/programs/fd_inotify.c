// inotify: the same watch descriptors (with a gap), masks, events afterwards.
// run: generations
#include <sys/inotify.h>
#include <sys/stat.h>

#include "probe.h"

static int fd;

static const struct inotify_event *next(void) {
  static char buffer[4096] __attribute__((aligned(8)));
  return read(fd, buffer, sizeof(struct inotify_event) + 256) > 0 ? (void *)buffer : NULL;
}

int main(void) {
  NEED((fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) >= 0);
  NEED(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0 && mkdir("c", 0755) == 0);
  int a = inotify_add_watch(fd, "a", IN_CREATE), b = inotify_add_watch(fd, "b", IN_ALL_EVENTS);
  int c = inotify_add_watch(fd, "c", IN_CREATE | IN_DELETE | IN_ONLYDIR);
  NEED(a > 0 && c > b && inotify_rm_watch(fd, b) == 0 && next()->mask == IN_IGNORED);
  save_here();
  CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK, "flags");
  const struct inotify_event *e = next();
  CHECK(e == NULL, "an event that was none: %x of %d", e->mask, e->wd);
  close(open("b/x", O_CREAT | O_WRONLY, 0644));
  close(open("c/x", O_CREAT | O_WRONLY, 0644));
  e = next();
  CHECK(e && e->wd == c && e->mask == IN_CREATE && !strcmp(e->name, "x"), "no event of c");
  unlink("c/x");
  e = next();
  CHECK(e && e->wd == c && e->mask == IN_DELETE, "no second event of c");
  CHECK(inotify_rm_watch(fd, a) == 0 && (e = next()) && e->wd == a && e->mask == IN_IGNORED,
      "a is not watched");
  CHECK(inotify_add_watch(fd, "b", IN_CREATE) > 0, "%s", strerror(errno));
  return done();
}
