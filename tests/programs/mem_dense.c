// Memory that is full of content, which a restore reads by two threads and in
// huge pages where it can: the content, but no trace of how it came there.
#include <dirent.h>

#include "maps.h"

static long resident(void) {
  long all, pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  NEED(f && fscanf(f, "%ld %ld", &all, &pages) == 2);
  fclose(f);
  return pages;
}

static int advised(void) {
  char line[4096];
  int found = 0;
  FILE *f = fopen("/proc/self/smaps", "r");
  NEED(f);
  while (fgets(line, sizeof line, f))
    if (!strncmp(line, "VmFlags:", 8) && strstr(line, " hg")) found = 1;
  fclose(f);
  return found;
}

static int threads(void) {
  int n = 0;
  DIR *d = opendir("/proc/self/task");
  NEED(d);
  for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

int main(void) {
  size_t size = 48 << 20, hole = 21 << 20;
  char *p = map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  fill(p, size, 5);
  // Some pages that are not there, in the middle of what could be a huge one.
  NEED(madvise(p + hole, 64 * PAGE, MADV_DONTNEED) == 0);
  long before = resident();
  save_here();
  CHECK(resident() < before + 256, "%ld pages, and there were %ld", resident(), before);
  CHECK(filled(p, hole, 5), "content");
  for (int i = 0; i < 64 * PAGE; i++) CHECK(p[hole + i] == 0, "hole");
  fill(p, 4096, 9);
  CHECK(!advised(), "memory is advised to be huge");
  CHECK(threads() == 1, "%d threads", threads());
  return done();
}
