// What differs between a parent and its child: directory, mask, name, limits,
// nice value, signal handlers and mask, timers, personality, oom_score_adj,
// environment, program.
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "tree.h"

static volatile int rang;
static void handler(int s) { (void)s, rang++; }

static void work(int i) {
  char cwd[4096], name[17] = "";
  struct rlimit limit = {100 + (rlim_t)i, 200}, after;
  struct itimerval timer = {{0, 7000}, {0, 7000}}, left;
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART}, action;
  snprintf(name, sizeof name, "child %d", i);
  NEED(mkdir(name, 0700) == 0 && prctl(PR_SET_NAME, name) == 0);
  did("child.%d", i);
  if (i) NEED(personality(ADDR_NO_RANDOMIZE) >= 0);
  int score = open("/proc/self/oom_score_adj", O_WRONLY);
  NEED(dprintf(score, "%d", 700 + i) == 3 && close(score) == 0);
  NEED(chdir(name) == 0);
  umask((mode_t)(020 + i));
  NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0 && setpriority(PRIO_PROCESS, 0, 5 + i) == 0);
  NEED(sigaction(SIGALRM, &a, NULL) == 0);
  if (i) NEED(setitimer(ITIMER_REAL, &timer, NULL) == 0);
  for (int n = 0; n < 20000 && access("../go", F_OK) != 0; n++) probe_nap(2);
  NEED(getcwd(cwd, sizeof cwd) && chdir("..") == 0);
  CHECK(is(strrchr(cwd, '/') + 1, name), "child %d in %s", i, cwd);
  CHECK(umask(0) == (mode_t)(020 + i), "child %d: mask", i);
  CHECK(getrlimit(RLIMIT_NOFILE, &after) == 0 && after.rlim_cur == limit.rlim_cur &&
            after.rlim_max == 200, "child %d: %lu descriptors", i, (unsigned long)after.rlim_cur);
  int kind = personality(0xffffffff);
  CHECK(!i || kind == ADDR_NO_RANDOMIZE, "child %d: personality %#x", i, kind);
  CHECK(atoi(slurp("/proc/self/oom_score_adj")) == 700 + i, "child %d: %s", i, slurp("/proc/self/oom_score_adj"));
  CHECK(getpriority(PRIO_PROCESS, 0) == 5 + i, "child %d: nice %d", i, getpriority(PRIO_PROCESS, 0));
  CHECK(strstr(slurp("/proc/self/comm"), name), "child %d: %s", i, slurp("/proc/self/comm"));
  CHECK(sigaction(SIGALRM, NULL, &action) == 0 && action.sa_handler == handler, "child %d: handler", i);
  CHECK(getitimer(ITIMER_REAL, &left) == 0 && left.it_interval.tv_usec == (i ? 7000 : 0),
        "child %d: interval %ld", i, left.it_interval.tv_usec);
  int before = rang;
  for (double end = now() + 20; i && rang < before + 3 && now() < end;) probe_nap(1);
  CHECK(!i || rang >= before + 3, "child %d: the timer does not fire", i);
}

int main(int argc, char **argv) {
  if (argc > 1) {  // the program that the third child executes
    char *value = getenv("PROBE_VALUE");
    did("executed");
    wait_go();
    CHECK(value && is(value, "in the child"), "environment: %s", value ? value : "none");
    CHECK(is(argv[0], "another-name"), "argv[0] is %s", argv[0]);
    CHECK(is(slurp("/proc/self/comm"), "exe\n"), "executed: %s", slurp("/proc/self/comm"));
    return probe_failures != 0;
  }
  mode_t mask = umask(0);
  umask(mask);
  struct sigaction action;
  pid_t pids[] = {child(work, 0), child(work, 1), fork()};
  NEED(pids[2] >= 0);
  if (pids[2] == 0) {
    NEED(setenv("PROBE_VALUE", "in the child", 1) == 0);
    execl("/proc/self/exe", "another-name", "executed", NULL);
    _exit(95);
  }
  await_did("child.0");
  await_did("child.1");
  await_did("executed");
  probe_nap(30);
  save_here();
  CHECK(umask(mask) == mask && getpriority(PRIO_PROCESS, 0) == 0, "the parent's");
  CHECK(sigaction(SIGALRM, NULL, &action) == 0 && action.sa_handler == SIG_DFL, "parent's handler");
  CHECK(getenv("PROBE_VALUE") == NULL, "the parent's environment");
  for (int i = 0; i < 3; i++) ends_well(pids[i]);
  return done();
}
