// Thread ids: the kernel's, libc's, those in /proc and those in the memory of
// the program are the same ones; kept ids are the saved ones, all of them.
// run: ids each=1,8,200 static
#include <dirent.h>
#include <sys/prctl.h>

#include "threads.h"

static int *address[MOST + 1];
static void *robust[MOST + 1];
static pid_t later[MOST + 1];

static void *robust_list(void) {
  void *head = NULL;
  size_t size = 0;
  NEED(syscall(SYS_get_robust_list, 0, &head, &size) == 0 && size == 24);
  return head;
}

static void look(int i) {
  NEED(prctl(PR_GET_TID_ADDRESS, &address[i]) == 0);
  robust[i] = robust_list();
}

static void compare(int i) {
  int *now_at = NULL;
  later[i] = (pid_t)syscall(SYS_gettid);
  NEED(prctl(PR_GET_TID_ADDRESS, &now_at) == 0);
  CHECK(now_at == address[i], "thread %d: tid address %p, was %p", i, (void *)now_at,
        (void *)address[i]);
  CHECK(*now_at == later[i], "thread %d: libc thinks it is %d, it is %d", i, *now_at, later[i]);
  CHECK(gettid() == later[i], "thread %d: gettid %d, it is %d", i, gettid(), later[i]);
  CHECK(robust_list() == robust[i], "thread %d: robust list", i);
}

static int work(int i) {
  look(i);
  pass_gate(i);
  compare(i);
  return 1000 + i;
}

int main(int argc, char **argv) {
  int n = count_argument(argc, argv), listed = 0;
  pid_t pid = getpid();
  NEED(pid == gettid());
  look(n);
  start(n, work);
  save_here();
  CHECK(getpid() == pid, "pid %d, was %d", getpid(), pid);
  CHECK(getpid() == gettid(), "pid %d, the leader's tid %d", getpid(), gettid());
  DIR *task = opendir("/proc/self/task");
  NEED(task);
  for (struct dirent *e; (e = readdir(task));) listed += e->d_name[0] != '.';
  closedir(task);
  CHECK(listed == n + 1, "%d threads in /proc", listed);
  CHECK(task_value(pid, "Threads:", 10) == (unsigned long)n + 1, "%lu threads",
        task_value(pid, "Threads:", 10));
  open_gate();
  compare(n);
  join_all();
  int kept = 0;
  for (int i = 0; i < n; i++) {
    kept += later[i] == tids[i];
    for (int j = 0; j < i; j++) CHECK(later[i] != later[j], "%d and %d are both %d", i, j, later[i]);
  }
  CHECK(kept == n, "%d of %d ids are the saved ones", kept, n);
  return done();
}
