// A child that has become an ordinary user, with groups, and one that has given
// up capabilities: each is who it was.
// run: root
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>

#include "tree.h"

static void work(int i) {
  gid_t groups[] = {111, 222}, after[8];
  uid_t r, e, s;
  if (i == 0) {
    NEED(setgroups(2, groups) == 0 && setresgid(65534, 65534, 65534) == 0);
    NEED(setresuid(65534, 65534, 65534) == 0);
  } else {
    NEED(prctl(PR_CAPBSET_DROP, 5) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    // CAP_NET_BIND_SERVICE goes on to programs that it executes.
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];
    NEED(syscall(SYS_capget, &header, sets) == 0);
    sets[0].inheritable |= 1 << 10;
    NEED(syscall(SYS_capset, &header, sets) == 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 10, 0, 0) == 0);
  }
  char *before = strdup(strstr(slurp("/proc/self/status"), "CapInh"));
  *strstr(before, "Seccomp") = 0;
  // In root's directory it can make no files.
  if (i) did("child.1");
  wait_go();
  NEED(getresuid(&r, &e, &s) == 0);
  if (i == 0) {
    CHECK(r == 65534 && e == 65534 && s == 65534 && getgid() == 65534, "user %d %d %d", r, e, s);
    CHECK(getgroups(8, after) == 2 && after[0] == 111 && after[1] == 222, "groups");
    CHECK(setuid(0) == -1, "it can become root");
  }
  CHECK(strstr(slurp("/proc/self/status"), before), "child %d had\n%s", i, before);
}

int main(void) {
  pid_t pids[] = {child(work, 0), child(work, 1)};
  await_did("child.1");
  while (!strstr(process_file(pids[0], "status"), "Uid:\t65534\t65534\t65534")) probe_nap(1);
  probe_nap(20);
  save_here();
  CHECK(getuid() == 0 && geteuid() == 0, "the parent is %d", geteuid());
  for (int i = 0; i < 2; i++) ends_well(pids[i]);
  return done();
}
