// Who gets SIGIO: a child, the group of a child, the process itself; set by one
// process on what another one has open, too.
#include "tree.h"

enum { CHILD, GROUP, SELF, N };
static int ends[N][2];
static volatile int signalled;

static void handler(int s, siginfo_t *info, void *context) {
  (void)s, (void)context;
  signalled = info->si_fd + 1;
}

static void handle(int sig) {
  struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
  NEED(sigaction(sig, &a, NULL) == 0);
}

static void await_signal(int fd) {
  for (double end = now() + 20; !signalled && now() < end;) probe_nap(1);
  CHECK(signalled == fd + 1, "a signal of %d, not of %d", signalled - 1, fd);
  signalled = 0;
}

static void child_work(int i) {
  handle(SIGRTMIN + 3);
  if (i == GROUP) NEED(setpgid(0, 0) == 0);
  did("ready.%d", i);
  wait_go();
  await_signal(ends[i][0]);
  did("signalled.%d", i);
  await_did("end");
}

static void owned(int fd, int type, pid_t pid) {
  struct f_owner_ex owner = {type, pid};
  NEED(fcntl(fd, F_SETOWN_EX, &owner) == 0 && fcntl(fd, F_SETSIG, SIGRTMIN + 3) == 0);
  NEED(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
}

int main(void) {
  pid_t pids[2];
  for (int i = 0; i < N; i++) NEED(pipe(ends[i]) == 0);
  handle(SIGRTMIN + 3);
  for (int i = 0; i < 2; i++) {
    pids[i] = child(child_work, i);
    await_did("ready.%d", i);
  }
  owned(ends[CHILD][0], F_OWNER_PID, pids[CHILD]);
  owned(ends[GROUP][0], F_OWNER_PGRP, pids[GROUP]);
  owned(ends[SELF][0], F_OWNER_PID, getpid());
  save_here();
  const int types[N] = {F_OWNER_PID, F_OWNER_PGRP, F_OWNER_PID}, want[N] = {pids[0], pids[1], getpid()};
  for (int i = 0; i < N; i++) {
    struct f_owner_ex owner = {0};
    CHECK(fcntl(ends[i][0], F_GETOWN_EX, &owner) == 0 && (int)owner.type == types[i] && owner.pid == want[i],
          "%d: owner %d %d, not %d", i, owner.type, owner.pid, want[i]);
    CHECK(fcntl(ends[i][0], F_GETSIG) == SIGRTMIN + 3, "%d: signal %d", i, fcntl(ends[i][0], F_GETSIG));
    CHECK(!signalled, "a signal too early, of %d", signalled - 1);
    NEED(write(ends[i][1], "x", 1) == 1);
    if (i == SELF) await_signal(ends[i][0]);
    else await_did("signalled.%d", i);
  }
  did("end");
  for (int i = 0; i < 2; i++) ends_well(pids[i]);
  return done();
}
