// Helpers for probes about mappings.
#ifndef MAPS_H
#define MAPS_H
#include <sys/mman.h>

#include "probe.h"

enum { PAGE = 4096 };

UNUSED static void *map(size_t size, int prot, int flags) {
  void *p = mmap(NULL, size, prot, flags | MAP_ANONYMOUS, -1, 0);
  NEED(p != MAP_FAILED);
  return p;
}

// vma_line is the line of /proc/self/smaps that begins with key, of the area
// that contains address; "" if there is none. Valid until the next call.
UNUSED static const char *vma_line(const void *address, const char *key) {
  static char line[512];
  static char found[512];
  FILE *smaps = fopen("/proc/self/smaps", "re");
  unsigned long start = 0, end = 0, at = (unsigned long)address;
  *found = 0;
  while (smaps && fgets(line, sizeof line, smaps)) {
    unsigned long a, b;
    if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
      start = a, end = b;
      if (at >= a && at < b && !*key) strcpy(found, line);
    } else if (at >= start && at < end && *key && !strncmp(line, key, strlen(key))) {
      strcpy(found, line);
    }
  }
  if (smaps) fclose(smaps);
  return found;
}

// vma_flag reports whether the area has the VmFlag, e.g. "gd".
UNUSED static int vma_flag(const void *address, const char *flag) {
  char word[8];
  snprintf(word, sizeof word, " %s ", flag);
  return strstr(vma_line(address, "VmFlags:"), word) != NULL;
}
#endif
