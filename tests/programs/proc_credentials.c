// Real, effective, saved and file system ids, groups and capabilities.
// run: root
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

#include "probe.h"

int main(void) {
  gid_t groups[] = {11, 22, 33}, groups_after[8];
  uid_t r, e, s;
  NEED(setgroups(3, groups) == 0 && setresgid(1001, 1002, 1003) == 0);
  NEED(prctl(PR_CAPBSET_DROP, 18) == 0);  // CAP_SYS_CHROOT
  NEED(prctl(PR_SET_KEEPCAPS, 1) == 0 && setresuid(0, 0, 2003) == 0);
  setfsgid(1004);
  setfsuid(2004);
  NEED(prctl(PR_SET_DUMPABLE, 1) == 0);
  save_here();
  NEED(getresuid(&r, &e, &s) == 0);
  CHECK(r == 0 && e == 0 && s == 2003, "uid %u %u %u", r, e, s);
  NEED(getresgid(&r, &e, &s) == 0);
  CHECK(r == 1001 && e == 1002 && s == 1003, "gid %u %u %u", r, e, s);
  CHECK(setfsuid((uid_t)-1) == 2004 && setfsgid((gid_t)-1) == 1004, "file system ids");
  CHECK(getgroups(8, groups_after) == 3 && !memcmp(groups, groups_after, sizeof groups),
      "groups");
  CHECK(prctl(PR_CAPBSET_READ, 18) == 0, "the bounding set has CAP_SYS_CHROOT back");
  return done();
}
