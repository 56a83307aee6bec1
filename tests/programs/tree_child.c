// A parent and its child: ids as they know them, each its own memory, and the
// child's status for its parent.
// run: static
#include "tree.h"

static int value = 1;
static pid_t parent;

static void work(int i) {
  pid_t me = getpid();
  value = 100 + i;
  did("child");
  wait_go();
  CHECK(getpid() == me, "the child is %d, was %d", getpid(), me);
  CHECK(getppid() == parent, "the child's parent is %d, was %d", getppid(), parent);
  CHECK(value == 105, "the child's value %d", value);
  CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "the child has children");
  _exit(probe_failures ? 1 : 7);
}

int main(void) {
  char path[32] = "";
  parent = getpid();
  pid_t pid = child(work, 5);
  await_did("child");
  save_here();
  CHECK(getpid() == parent, "pid %d, was %d", getpid(), parent);
  CHECK(getpgid(pid) == getpgrp() && getsid(pid) == getsid(0), "group %d, session %d", getpgid(pid),
        getsid(pid));
  CHECK(value == 1, "value %d", value);
  NEED(readlink("/proc/self", path, sizeof path - 1) > 0);
  CHECK(atoi(path) == parent, "/proc/self is %s", path);
  CHECK(strstr(process_file(pid, "comm"), "tree_child"), "/proc/%d is %s", pid,
        process_file(pid, "comm"));
  CHECK(atoi(slurp("/proc/thread-self/children")) == pid, "children: %s",
        slurp("/proc/thread-self/children"));
  int status = status_of(pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %x", status);
  CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "more children");
  return done();
}
