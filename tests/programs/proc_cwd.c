// The working directory, which is not the restarter's.
#include <sys/stat.h>

#include "probe.h"

int main(void) {
  char path[4096], after[4096];
  NEED(mkdir("sub dir", 0755) == 0 && chdir("sub dir") == 0 && symlink("../go", "go") == 0);
  NEED(getcwd(path, sizeof path));
  save_here();
  NEED(getcwd(after, sizeof after));
  CHECK(strcmp(path, after) == 0, "%s, was %s", after, path);
  return done();
}
