// A probe is a small program that proves one thing survives a checkpoint.
//
// Protocol, seen from the harness (../harness_test.go):
//
//   1. The probe runs in a directory of its own, its standard output is the
//      file "out" there. It sets up the state it is about.
//   2. It prints one line "ready", with words that say how to treat it:
//        in=NR       it is about to block in system call NR: save it there
//        ms=N        ... when it has been in that call for N milliseconds
//        wake=fd:N   wake it by one byte written to its descriptor N
//        wake=sig:N  wake it by signal N
//        wake=poke:A wake it by a byte 1 written to its memory at A
//        exit=N      the exit status it will end with (128+signal); default 0
//      and waits. Saves and restores happen here.
//   3. The harness writes the file "go": the milliseconds, rounded up, that the
//      program did not exist between save and restore, and how often it was
//      saved (0 in a native run). Then it wakes it.
//   4. The probe compares everything with what it was, prints "FAIL ..." for
//      each difference, and at last "ok" or "failed". A probe that this host
//      cannot run prints "skip REASON" and exits 77.
//
// Waiting is a loop of short sleeps and calls of access(2), so that a save
// hits it in user code, in a call, or between two. A probe never waits longer
// than a minute: nothing is left behind if the harness dies.
//
// The first lines of a probe are its description. A line "// run: WORDS" says
// how else it has to be run: see directives in ../probe_test.go.
#ifndef PROBE_H
#define PROBE_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static int probe_failures;

// probe_say prints one line in one write. PROBE_OUT, defined before this
// header is included, is for probes whose descriptor 1 is something else.
UNUSED static void probe_say(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
UNUSED static void probe_say(const char *format, ...) {
  char line[1024];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line - 1, format, args);
  va_end(args);
  if (n < 0 || n > (int)sizeof line - 2) n = (int)sizeof line - 2;
  line[n++] = '\n';
#ifdef PROBE_OUT
  int fd = open(PROBE_OUT, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
#else
  int fd = 1;
#endif
  if (write(fd, line, (size_t)n) != n) _exit(98);
#ifdef PROBE_OUT
  close(fd);
#endif
}

// CHECK(condition, format, ...) reports a difference and goes on.
#define CHECK(condition, ...)                                         \
  do {                                                                \
    if (!(condition)) probe_fail(__LINE__, #condition, __VA_ARGS__);  \
  } while (0)

UNUSED static void probe_fail(int line, const char *condition,
                              const char *format, ...)
    __attribute__((format(printf, 3, 4)));
UNUSED static void probe_fail(int line, const char *condition,
                              const char *format, ...) {
  char text[900];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  probe_say("FAIL line %d: %s: %s", line, condition, text);
  probe_failures++;
}

// NEED(condition) is for setting up: what fails here is not about checkpoints.
#define NEED(condition)                                                      \
  do {                                                                       \
    if (!(condition)) {                                                      \
      probe_say("FAIL line %d: set-up: %s: %s", __LINE__, #condition,        \
                strerror(errno));                                            \
      _exit(99);                                                             \
    }                                                                        \
  } while (0)

#define SKIP(...)             \
  do {                        \
    probe_say("skip " __VA_ARGS__); \
    _exit(77);                \
  } while (0)

UNUSED static void probe_nap(long ms) {
  struct timespec nap = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&nap, NULL);
}

UNUSED static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// wait_go returns when the harness has written "go".
UNUSED static void wait_go(void) {
  for (int i = 0; access("go", F_OK) != 0; i++) {
    if (i > 30000) _exit(97);
    probe_nap(2);
  }
}

// save_here is where a probe without a call of its own is saved.
UNUSED static void save_here(void) {
  probe_say("ready");
  wait_go();
}

UNUSED static void probe_go(double *ms, int *saves) {
  wait_go();
  FILE *go = fopen("go", "re");
  NEED(go && fscanf(go, "%lf %d", ms, saves) == 2);
  fclose(go);
}

// downtime is how long, in seconds, the program did not exist.
UNUSED static double downtime(void) {
  double ms;
  int saves;
  probe_go(&ms, &saves);
  return ms / 1000;
}

// saves is how often the program was saved.
UNUSED static int saves(void) {
  double ms;
  int n;
  probe_go(&ms, &n);
  return n;
}

UNUSED static int done(void) {
  probe_say(probe_failures ? "failed" : "ok");
  return probe_failures != 0;
}

// fill and filled write and compare a pattern that differs for every seed and
// every byte, so that a page in a wrong place is noticed.
UNUSED static void fill(void *memory, size_t size, unsigned seed) {
  unsigned char *p = (unsigned char *)memory;
  for (size_t i = 0; i < size; i++) {
    seed = seed * 1664525 + 1013904223;
    p[i] = (unsigned char)(seed >> 24);
  }
}

UNUSED static int filled(const void *memory, size_t size, unsigned seed) {
  const unsigned char *p = (const unsigned char *)memory;
  for (size_t i = 0; i < size; i++) {
    seed = seed * 1664525 + 1013904223;
    if (p[i] != (unsigned char)(seed >> 24)) return 0;
  }
  return 1;
}

// slurp reads a small file, for /proc; the result is valid until the next call.
UNUSED static char *slurp(const char *path) {
  static char text[1 << 18];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  size_t n = 0;
  ssize_t got = 0;
  while (fd >= 0 && n < sizeof text - 1 &&
         (got = read(fd, text + n, sizeof text - 1 - n)) > 0)
    n += (size_t)got;
  if (fd >= 0) close(fd);
  memset(text + n, 0, sizeof text - n);
  return text;
}

// capable reports whether the effective set has the capability.
UNUSED static int capable(int capability) {
  const char *line = strstr(slurp("/proc/self/status"), "CapEff:");
  return line && (strtoull(line + 7, NULL, 16) >> capability & 1);
}
#endif
