// For probes with several processes.
//
// They find each other by files in the working directory, which needs nothing
// that is saved: did("x") makes one, await_did("x") waits for it. A process
// made by child() ends with the number of its differences as its status, which
// ends_well() checks. All of them return from save_here() or wait_go() when the
// harness has written "go".
#ifndef TREE_H
#define TREE_H
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "probe.h"

UNUSED static int is(const char *a, const char *b) { return strcmp(a, b) == 0; }

UNUSED static const char *argument(int argc, char **argv) {
  NEED(argc > 1);
  return argv[1];
}

// did announces that something has been done; the name may be a format.
UNUSED static void did(const char *format, ...) __attribute__((format(printf, 1, 2)));
UNUSED static void did(const char *format, ...) {
  char name[64] = "did.";
  va_list args;
  va_start(args, format);
  vsnprintf(name + 4, sizeof name - 4, format, args);
  va_end(args);
  int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  NEED(fd >= 0);
  close(fd);
}

UNUSED static void await_did(const char *format, ...) __attribute__((format(printf, 1, 2)));
UNUSED static void await_did(const char *format, ...) {
  char name[64] = "did.";
  va_list args;
  va_start(args, format);
  vsnprintf(name + 4, sizeof name - 4, format, args);
  va_end(args);
  for (double end = now() + 40; access(name, F_OK) != 0;) {
    if (now() > end) {
      probe_say("FAIL process %d waited in vain for \"%s\"", getpid(), name);
      _exit(96);
    }
    probe_nap(2);
  }
}

// child makes a process that runs work(i).
UNUSED static pid_t child(void (*work)(int), int i) {
  pid_t pid = fork();
  NEED(pid >= 0);
  if (pid > 0) return pid;
  probe_failures = 0;
  work(i);
  _exit(probe_failures);
}

// status_of waits for a child and returns its status, -1 if there is none.
UNUSED static int status_of(pid_t pid) {
  int status = -1;
  pid_t got = waitpid(pid, &status, 0);
  CHECK(got == pid, "waitpid(%d): %d, %s", pid, got, strerror(errno));
  return got == pid ? status : -1;
}

UNUSED static void ends_well(pid_t pid) {
  int status = status_of(pid);
  CHECK(status == 0, "process %d ended with %x", pid, status);
}

// process_file is a file of /proc/PID; valid until the next slurp.
UNUSED static char *process_file(pid_t pid, const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  return slurp(path);
}

// process_state is its letter, 0 if there is no such process.
UNUSED static char process_state(pid_t pid) {
  char *text = process_file(pid, "stat"), *end = strrchr(text, ')');
  return end ? end[2] : 0;
}

UNUSED static void await_state(pid_t pid, char state) {
  for (double end = now() + 40; process_state(pid) != state;) {
    NEED(now() < end);
    probe_nap(1);
  }
}

// await_call waits until the process is blocked in the system call.
UNUSED static void await_call(pid_t pid, long number) {
  for (double end = now() + 40;;) {
    char *text = process_file(pid, "syscall");
    if (*text >= '0' && *text <= '9' && atol(text) == number) return;
    NEED(now() < end);
    probe_nap(1);
  }
}

// shared is memory that children inherit, of zeros.
UNUSED static void *shared(size_t size) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  NEED(p != MAP_FAILED);
  return p;
}
#endif
