// A tree that keeps forking while it is saved: children and grandchildren come
// and go, every one ends as it should and is waited for.
#include "tree.h"

static struct { long begun, ended; int stop; } *count;

static void short_one(int i) {
  __atomic_fetch_add(&count->begun, 1, __ATOMIC_SEQ_CST);
  if (i) {
    ends_well(child(short_one, i - 1));
  }
  __atomic_fetch_add(&count->ended, 1, __ATOMIC_SEQ_CST);
  _exit(i + 10 * (probe_failures > 0));
}

static void work(int i) {
  (void)i;
  did("child.%d", i);
  for (int round = 0; !__atomic_load_n(&count->stop, __ATOMIC_SEQ_CST) && round < 30000; round++) {
    pid_t pid = child(short_one, round % 2);
    int status = status_of(pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == round % 2, "round %d: %x", round, status);
  }
}

int main(void) {
  pid_t pids[3];
  count = shared(4096);
  for (int i = 0; i < 3; i++) pids[i] = child(work, i);
  for (int i = 0; i < 3; i++) await_did("child.%d", i);
  save_here();
  long before = count->begun;
  for (double end = now() + 20; count->begun < before + 10 && now() < end;) probe_nap(1);
  CHECK(count->begun >= before + 10, "it stands still");
  count->stop = 1;
  for (int i = 0; i < 3; i++) ends_well(pids[i]);
  CHECK(count->begun == count->ended, "%ld begun, %ld ended", count->begun, count->ended);
  return done();
}
