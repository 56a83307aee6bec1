// A child made by clone(2) that shares descriptors, or the directory and mask
// of files, or memory with its parent: what one changes, the other sees.
// run: each=files,fs,vm,all
#include <sched.h>
#include <sys/stat.h>

#include "tree.h"

static char stack[256 << 10] __attribute__((aligned(16)));
static volatile int memory = 1;
static int flags, files, fs, vm, top;

// await_at_top is await_did for processes whose directory changes.
static void await_at_top(const char *name) {
  for (double end = now() + 20; faccessat(top, name, F_OK, 0) != 0 && now() < end;) probe_nap(2);
}

static int work(void *unused) {
  (void)unused;
  memory = 2;
  did("child");
  await_at_top("did.parent");
  CHECK(memory == (vm ? 3 : 2), "the child sees %d", memory);
  memory = 4;
  CHECK((fcntl(100, F_GETFD) >= 0) == !!files, "the child's descriptor 100");
  int fd = open("/dev/null", O_RDONLY);
  NEED(dup2(fd, 101) == 101);
  CHECK(umask(0) == (fs ? 012 : 022), "the child's mask");
  umask(034);
  NEED(chdir("below") == 0);
  NEED(openat(top, "did.changed", O_CREAT | O_WRONLY, 0600) >= 0);
  await_at_top("did.end");
  _exit(probe_failures ? 1 : 5);
}

int main(int argc, char **argv) {
  const char *how = argument(argc, argv);
  char cwd[4096];
  files = is(how, "files") || is(how, "all");
  fs = is(how, "fs") || is(how, "all");
  vm = is(how, "vm") || is(how, "all");
  flags = (files ? CLONE_FILES : 0) | (fs ? CLONE_FS : 0) | (vm ? CLONE_VM : 0);
  NEED(mkdir("below", 0700) == 0 && (top = open(".", O_RDONLY | O_DIRECTORY)) >= 0);
  umask(022);
  pid_t pid = clone(work, stack + sizeof stack, flags | SIGCHLD, NULL);
  NEED(pid > 0);
  await_did("child");
  save_here();
  CHECK(memory == (vm ? 2 : 1), "the parent sees %d", memory);
  memory = 3;
  NEED(dup2(top, 100) == 100);
  umask(012);
  did("parent");
  await_at_top("did.changed");
  CHECK(memory == (vm ? 4 : 3), "the parent sees %d", memory);
  CHECK((fcntl(101, F_GETFD) >= 0) == !!files, "the parent's descriptor 101");
  CHECK(umask(0) == (fs ? 034 : 012), "the parent's mask");
  NEED(getcwd(cwd, sizeof cwd));
  CHECK(is(strrchr(cwd, '/'), "/below") == !!fs, "the parent is in %s", cwd);
  NEED(fchdir(top) == 0);
  did("end");
  int status = status_of(pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5, "status %x", status);
  return done();
}
