// Grandchildren: a chain of processes, many children of one, and both; each
// has memory and an open file of its own.
// run: each=chain,wide,both,hundred
#include "tree.h"

static int depth, width;

static void work(int i);

static void family(int i) {
  pid_t children[128];
  int n = i < depth ? width : 0;
  for (int c = 0; c < n; c++) children[c] = child(work, i + 1);
  for (int c = 0; c < n; c++) await_did("%d", children[c]);
  if (i) did("%d", getpid());
  if (i) wait_go();
  else save_here();
  for (int c = 0; c < n; c++) ends_well(children[c]);
}

static void work(int i) {
  pid_t me = getpid(), parent = getppid();
  char memory[5000], name[32], text[32] = "";
  fill(memory, sizeof memory, (unsigned)me);
  snprintf(name, sizeof name, "file.%d", me);
  int fd = open(name, O_RDWR | O_CREAT, 0600);
  NEED(fd >= 0 && write(fd, name, strlen(name)) > 0 && lseek(fd, 5, SEEK_SET) == 5);
  family(i);
  CHECK(getpid() == me && getppid() == parent, "%d: pid %d, parent %d, was %d, %d", i, getpid(),
        getppid(), me, parent);
  CHECK(filled(memory, sizeof memory, (unsigned)me), "%d: memory", i);
  CHECK(read(fd, text, sizeof text) > 0 && atoi(text) == me, "%d: file \"%s\"", i, text);
}

int main(int argc, char **argv) {
  const char *how = argument(argc, argv);
  depth = is(how, "chain") ? 12 : is(how, "both") ? 3 : 1;
  width = is(how, "chain") ? 1 : is(how, "both") ? 3 : is(how, "wide") ? 12 : 100;
  family(0);
  return done();
}
