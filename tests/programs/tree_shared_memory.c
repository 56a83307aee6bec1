// Memory that several processes share: what one writes, the others see, before
// and after; mapped by a fork or by each on its own, at different addresses.
// run: each=anonymous,file,shm,memfd,deleted
#include "tree.h"

enum { SIZE = 1 << 20 };
static unsigned char *memory;
static const char *how;
static char name[64];

static int open_it(void) {
  if (is(how, "shm")) {
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd;
  }
  if (is(how, "memfd")) return (int)syscall(SYS_memfd_create, "probe", 0);
  return open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static void work(int i) {
  unsigned char *view = memory;
  // The third one maps the file anew, if it has a name.
  if (i == 2 && (is(how, "file") || is(how, "shm"))) {
    int fd = open_it();
    view = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    NEED(fd >= 0 && view != MAP_FAILED && munmap(memory, SIZE) == 0 && close(fd) == 0);
  }
  view[4096 * i] = (unsigned char)(100 + i);
  did("child.%d", i);
  wait_go();
  CHECK(filled(view + 65536, SIZE - 65536, 77), "child %d: content", i);
  for (int n = 0; n < 3; n++) CHECK(view[4096 * n] == 100 + n, "child %d: %d", i, view[4096 * n]);
  await_did("go.%d", i);
  CHECK(view[4096 * 10] == 200 + i, "child %d sees %d", i, view[4096 * 10]);
  view[4096 * 10] = (unsigned char)(201 + i);
}

int main(int argc, char **argv) {
  how = argument(argc, argv);
  snprintf(name, sizeof name, "/dev/shm/probe-%d", getpid());
  if (is(how, "anonymous")) {
    memory = shared(SIZE);
  } else {
    int fd = open_it();
    NEED(fd >= 0 && ftruncate(fd, SIZE) == 0);
    memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    NEED(memory != MAP_FAILED && close(fd) == 0);
    if (is(how, "deleted")) NEED(unlink("file") == 0);
  }
  fill(memory + 65536, SIZE - 65536, 77);
  pid_t pids[3];
  for (int i = 0; i < 3; i++) pids[i] = child(work, i);
  for (int i = 0; i < 3; i++) await_did("child.%d", i);
  save_here();
  memory[4096 * 10] = 200;
  for (int i = 0; i < 3; i++) {
    did("go.%d", i);
    ends_well(pids[i]);
  }
  CHECK(memory[4096 * 10] == 203, "the parent sees %d", memory[4096 * 10]);
  CHECK(filled(memory + 65536, SIZE - 65536, 77), "content");
  if (is(how, "shm")) {
    unsigned char byte = 0;
    int fd = open_it();
    CHECK(pread(fd, &byte, 1, 4096 * 10) == 1 && byte == 203, "the file has %d", byte);
    unlink(name);
  }
  return done();
}
