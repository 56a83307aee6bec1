// A directory being listed: the listing goes on at its position, no name twice
// and none left out.
#include <dirent.h>
#include <sys/stat.h>

#include "probe.h"

enum { FILES = 2000 };

int main(void) {
  static char seen[FILES];
  char name[64];
  int read = 0, twice = 0;
  NEED(mkdir("many", 0755) == 0);
  for (int i = 0; i < FILES; i++) {
    snprintf(name, sizeof name, "many/file%d", i);
    NEED(close(open(name, O_WRONLY | O_CREAT, 0644)) == 0);
  }
  DIR *dir = opendir("many");
  NEED(dir);
  struct dirent *entry;
  while ((entry = readdir(dir))) {
    int i;
    if (sscanf(entry->d_name, "file%d", &i) != 1) continue;
    twice += seen[i]++;
    if (++read == FILES / 2) save_here();
  }
  CHECK(read == FILES && twice == 0, "%d names, %d of them twice", read, twice);
  CHECK(fstatat(dirfd(dir), "file7", &(struct stat){0}, 0) == 0, "%s", strerror(errno));
  closedir(dir);
  return done();
}
