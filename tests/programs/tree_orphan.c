// Orphans that a subreaper inside the tree has adopted, here the root or a
// process in the middle; the next orphan goes to the same one.
// run: each=root,middle
#include <sys/prctl.h>

#include "tree.h"

static pid_t *orphans, reaper;

static void orphan(int i) {
  orphans[i] = getpid();
  for (double end = now() + 20; getppid() != reaper && now() < end;) probe_nap(1);
  CHECK(getppid() == reaper, "orphan %d is adopted by %d, not %d", i, getppid(), reaper);
  did("orphan.%d", i);
  if (i == 0) wait_go();
  CHECK(getppid() == reaper, "orphan %d has parent %d, not %d", i, getppid(), reaper);
  _exit(probe_failures ? 99 : 30 + i);
}
static void parent_of(int i) { child(orphan, i); }

static void adopt(int i) {
  ends_well(child(parent_of, i));
  await_did("orphan.%d", i);
}

static void reap(int i) {
  int status = 0;
  pid_t got = waitpid(-1, &status, 0);
  CHECK(got == orphans[i], "orphan %d: %d, not %d", i, got, orphans[i]);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 30 + i, "orphan %d: status %x", i, status);
}

static void be_reaper(int middle) {
  int set = 0;
  reaper = getpid();
  NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  adopt(0);
  if (middle) did("middle"), wait_go();
  else save_here();
  CHECK(prctl(PR_GET_CHILD_SUBREAPER, &set) == 0 && set == 1, "no subreaper any more");
  reap(0);
  adopt(1);
  reap(1);
}

int main(int argc, char **argv) {
  orphans = shared(4096);
  if (is(argument(argc, argv), "root")) {
    be_reaper(0);
  } else {
    pid_t pid = child(be_reaper, 1);
    await_did("middle");
    save_here();
    ends_well(pid);
  }
  return done();
}
