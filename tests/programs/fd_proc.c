// Descriptors of the process's own /proc files: read halfway, its directory,
// its descriptors' directory. They are the new process's afterwards.
#include "probe.h"

int main(void) {
  char text[4096] = "", pid[32];
  int status = open("/proc/self/status", O_RDONLY), dir = open("/proc/self",
      O_RDONLY | O_DIRECTORY);
  int maps = open("/proc/self/maps", O_RDONLY), version = open("/proc/version", O_RDONLY);
  NEED(status >= 0 && dir >= 0 && maps >= 0 && version >= 0 && read(version, text, 6) == 6 &&
      read(maps, text, 100) > 0);
  save_here();
  CHECK(pread(status, text, sizeof text - 1, 0) > 0, "%s", strerror(errno));
  snprintf(pid, sizeof pid, "\nPid:\t%d\n", getpid());
  CHECK(strstr(text, pid), "not this process's: %.100s", text);
  CHECK(faccessat(dir, "maps", F_OK, 0) == 0, "directory: %s", strerror(errno));
  CHECK(lseek(maps, 0, SEEK_SET) == 0 && read(maps, text, sizeof text - 1) > 0, "maps: %s",
      strerror(errno));
  CHECK(read(version, text, 8) == 8 && !memcmp(text, "version ", 8),
      "offset of /proc/version: %.8s", text);
  return done();
}
