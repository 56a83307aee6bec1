// libc changes the ids of all threads by a signal to each, afterwards; it must
// find every one of them.
// run: each=8,200
#include <grp.h>

#include "threads.h"

static gid_t ids[MOST];

static int work(int i) {
  pass_gate(i);
  gid_t real, effective, saved;
  NEED(syscall(SYS_getresgid, &real, &effective, &saved) == 0);
  ids[i] = effective;
  return 1000 + i;
}

int main(int argc, char **argv) {
  int n = count_argument(argc, argv);
  gid_t want = getuid() == 0 ? 54321 : getgid();
  start(n, work);
  save_here();
  int error = setresgid(want, want, want) ? errno : 0;
  // A user namespace may not know that group.
  CHECK(error == 0 || (error == EINVAL && getuid() == 0), "setresgid: %s", strerror(error));
  if (error) want = getgid();
  open_gate();
  join_all();
  for (int i = 0; i < n; i++) CHECK(ids[i] == want, "thread %d has group %u", i, ids[i]);
  return done();
}
