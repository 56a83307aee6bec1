// Sessions and process groups: a child with a session of its own and two groups
// in it, a group whose leader has ended, a session whose leader has ended; and
// signals to groups reach their members and nobody else.
#include <sys/prctl.h>

#include "tree.h"

enum { ROOT, LEADER, MEMBER, OTHER, SECOND, LOST, N };
static struct ids { pid_t pid, group, session; } *ids;
static int *handled;
static int number;

static void handler(int s) { (void)s, handled[number]++; }

static void settle(int i) {
  number = i;
  ids[i] = (struct ids){getpid(), getpgrp(), getsid(0)};
  did("settled.%d", i);
}

static void compare(int i) {
  if (i == ROOT) return;  // its group and session are the harness's affair
  CHECK(getpid() == ids[i].pid, "%d: pid %d, was %d", i, getpid(), ids[i].pid);
  CHECK(getpgrp() == ids[i].group, "%d: group %d, was %d", i, getpgrp(), ids[i].group);
  CHECK(getsid(0) == ids[i].session, "%d: session %d, was %d", i, getsid(0), ids[i].session);
}

static void member(int i) {
  // In the leader's group, in one of its own, or with the one of its own.
  if (i == OTHER) NEED(setpgid(0, 0) == 0);
  if (i == SECOND) NEED(setpgid(0, ids[OTHER].pid) == 0);
  settle(i);
  wait_go();
  compare(i);
  did("compared.%d", i);
  await_did("end");
}

static void leader(int i) {
  NEED(setsid() == getpid());
  settle(i);
  pid_t members[3];
  for (int m = 0; m < 3; m++) {
    members[m] = child(member, MEMBER + m);
    await_did("settled.%d", MEMBER + m);
  }
  wait_go();
  compare(i);
  did("compared.%d", i);
  CHECK(setsid() == -1 && errno == EPERM, "a second session");
  await_did("end");
  for (int m = 0; m < 3; m++) ends_well(members[m]);
}

// Leads a session and a group that outlive it.
static void lost_leader(int i) {
  NEED(setsid() == getpid());
  child(member, i);
  await_did("settled.%d", i);
}

static void reaches(pid_t group, const char *want) {
  for (int i = 0; i < N; i++) handled[i] = 0;
  NEED(kill(-group, SIGUSR1) == 0);
  for (int i = 0; i < N; i++)
    for (double end = now() + 10; want[i] == '1' && !handled[i] && now() < end;) probe_nap(1);
  probe_nap(20);
  for (int i = 0; i < N; i++)
    CHECK(handled[i] == want[i] - '0', "group %d: process %d handled %d", group, i, handled[i]);
}

int main(void) {
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
  ids = shared(4096);
  handled = shared(4096);
  NEED(sigaction(SIGUSR1, &a, NULL) == 0);
  NEED(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);  // orphans stay in the tree
  settle(ROOT);
  pid_t lost = child(lost_leader, LOST), led = child(leader, LEADER);
  ends_well(lost);
  for (int i = 0; i < N; i++) await_did("settled.%d", i);
  save_here();
  for (int i = 1; i < N; i++) await_did("compared.%d", i);
  // As others see it.
  for (int i = 1; i < N; i++) {
    CHECK(getpgid(ids[i].pid) == ids[i].group, "%d: group %d", i, getpgid(ids[i].pid));
    CHECK(getsid(ids[i].pid) == ids[i].session, "%d: session %d", i, getsid(ids[i].pid));
  }
  CHECK(ids[LOST].group == lost && kill(lost, 0) == -1 && errno == ESRCH, "the lost leader lives");
  reaches(ids[LEADER].pid, "011000");
  reaches(ids[OTHER].pid, "000110");
  reaches(lost, "000001");
  did("end");
  ends_well(led);
  ends_well(ids[LOST].pid);
  return done();
}
