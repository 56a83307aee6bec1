// Members signal each other by the ids they know: parent and grandchild, two
// siblings, all of a group; senders and values are right.
#include "tree.h"

enum { ROOT, CHILD, GRANDCHILD, SIBLING, N };
static pid_t *ids;

// take expects a queued signal.
static void take(int i, int from, int value) {
  sigset_t set;
  siginfo_t info = {0};
  struct timespec limit = {20, 0};
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + value);
  int got = sigtimedwait(&set, &info, &limit);
  CHECK(got == SIGRTMIN + value, "%d waits for %d from %d: %s", i, value, from, strerror(errno));
  CHECK(info.si_pid == ids[from] && info.si_value.sival_int == value, "%d: value %d from %d, not %d",
        i, info.si_value.sival_int, info.si_pid, ids[from]);
}

static void give(int to, int value) {
  union sigval v = {.sival_int = value};
  CHECK(sigqueue(ids[to], SIGRTMIN + value, v) == 0, "to %d: %s", to, strerror(errno));
}

static void talk(int i) {
  static const struct { int from, to; } talks[] = {
      {ROOT, GRANDCHILD}, {GRANDCHILD, ROOT}, {CHILD, SIBLING}, {SIBLING, GRANDCHILD},
      {GRANDCHILD, SIBLING}, {SIBLING, ROOT}, {ROOT, CHILD}, {CHILD, ROOT}, {CHILD, GRANDCHILD},
  };
  for (int t = 0; t < 9; t++) {
    if (talks[t].from == i) give(talks[t].to, t);
    if (talks[t].to == i) take(i, talks[t].from, t);
  }
  // One was pending at the save.
  if (i != ROOT) take(i, ROOT, 12);
}

static void leaf(int i) {
  ids[i] = getpid();
  did("%d", i);
  wait_go();
  talk(i);
}

static void middle(int i) {
  pid_t pid = child(leaf, GRANDCHILD);
  leaf(i);
  ends_well(pid);
}

int main(void) {
  sigset_t all;
  sigfillset(&all);
  sigdelset(&all, SIGUSR2);
  NEED(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
  ids = shared(4096);
  ids[ROOT] = getpid();
  pid_t pids[] = {child(middle, CHILD), child(leaf, SIBLING)};
  for (int i = 1; i < N; i++) await_did("%d", i);
  for (int i = 1; i < N; i++) give(i, 12);
  save_here();
  talk(ROOT);
  ends_well(pids[0]);
  ends_well(pids[1]);
  return done();
}
