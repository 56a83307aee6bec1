// Files of other processes in /proc, and a descriptor of a process, that several
// processes share: with one offset and one set of flags.
#include "tree.h"

static int status, process;


static void sleeper(int i) {
  (void)i;
  did("sleeper");
  wait_go();
  await_did("end");
}

static void sharer(int i) {
  char text[200] = "";
  (void)i;
  did("sharer");
  wait_go();
  await_did("looked");
  CHECK(lseek(status, 0, SEEK_CUR) == 5, "position %ld", (long)lseek(status, 0, SEEK_CUR));
  CHECK(fcntl(process, F_GETFL) & O_NONBLOCK, "flags %x", fcntl(process, F_GETFL));
  CHECK(syscall(SYS_pidfd_send_signal, process, 0, NULL, 0) == 0, "%s", strerror(errno));
  NEED(lseek(status, 0, SEEK_SET) == 0 && read(status, text, 6) == 6);
  CHECK(is(text, "Name:\t"), "\"%s\"", text);
  did("shared");
}

int main(void) {
  char path[64], text[4096] = "", want[64];
  pid_t pids[2];
  pids[0] = child(sleeper, 0);
  await_did("sleeper");
  snprintf(path, sizeof path, "/proc/%d/status", pids[0]);
  NEED((status = open(path, O_RDONLY)) >= 0 && read(status, text, 5) == 5);
  snprintf(path, sizeof path, "/proc/%d", pids[0]);
  int directory = open(path, O_RDONLY | O_DIRECTORY);
  NEED(directory >= 0 && (process = (int)syscall(SYS_pidfd_open, pids[0], 0)) >= 0);
  pids[1] = child(sharer, 1);
  await_did("sharer");
  save_here();
  CHECK(lseek(status, 0, SEEK_CUR) == 5, "position %ld", (long)lseek(status, 0, SEEK_CUR));
  NEED(fcntl(process, F_SETFL, O_NONBLOCK) == 0);
  int stat = openat(directory, "stat", O_RDONLY);
  CHECK(stat >= 0, "the directory: %s", strerror(errno));
  NEED(read(stat, text, sizeof text - 1) > 0);
  CHECK(atoi(text) == pids[0], "the directory of %d", atoi(text));
  did("looked");
  await_did("shared");
  CHECK(lseek(status, 0, SEEK_CUR) == 6, "position %ld after the other read", (long)lseek(status, 0, SEEK_CUR));
  memset(text, 0, sizeof text);
  NEED(lseek(status, 0, SEEK_SET) == 0 && read(status, text, sizeof text - 1) > 0);
  snprintf(want, sizeof want, "\nPid:\t%d\n", pids[0]);
  CHECK(strstr(text, want), "not of %d: %s", pids[0], text);
  did("end");
  for (int i = 0; i < 2; i++) ends_well(pids[i]);
  return done();
}
