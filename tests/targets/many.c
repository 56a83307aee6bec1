// many PROCESSES DESCRIPTORS: so many children, which wait for the end of a pipe
// with memory of their own, and so many descriptors, shared by none of them. When
// there is a file "go", all is compared.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEED(condition)            \
  do {                             \
    if (!(condition)) {            \
      perror(#condition);          \
      exit(99);                    \
    }                              \
  } while (0)

enum { MOST = 10000 };
static pid_t child[MOST];
static int fd[MOST];

static int wait_for_end(int pipe, pid_t me, int number) {
  char memory[9000], byte;
  memset(memory, number % 251, sizeof memory);
  while (read(pipe, &byte, 1) < 0) continue;
  for (size_t i = 0; i < sizeof memory; i++)
    if (memory[i] != (char)(number % 251)) return 2;
  return getpid() == me ? 1 : 3;
}

// A third each of files, pipes (both ends) and event counters.
static void open_all(int n) {
  char name[32];
  for (int i = 0; i < n; i++) {
    int both[2];
    switch (i % 4) {
      case 0:
        snprintf(name, sizeof name, "file%d", i);
        NEED((fd[i] = open(name, O_RDWR | O_CREAT, 0600)) >= 0 && lseek(fd[i], i, SEEK_SET) == i);
        break;
      case 1:
        NEED(pipe(both) == 0 && write(both[1], &i, sizeof i) == sizeof i);
        fd[i] = both[0];
        if (i + 1 < n) fd[i + 1] = both[1];
        break;
      case 3:
        NEED((fd[i] = eventfd((unsigned)i, 0)) >= 0);
    }
  }
}

static int wrong(int n) {
  int bad = 0, value;
  for (int i = 0; i < n; i++) {
    unsigned long long count;
    switch (i % 4) {
      case 0: bad += lseek(fd[i], 0, SEEK_CUR) != i; break;
      case 1: bad += read(fd[i], &value, sizeof value) != sizeof value || value != i; break;
      case 2: bad += write(fd[i], &i, sizeof i) != sizeof i; break;
      case 3: bad += read(fd[i], &count, sizeof count) != sizeof count || count != (unsigned)i;
    }
  }
  return bad;
}

int main(int argc, char **argv) {
  struct rlimit limit;
  int processes = argc > 2 ? atoi(argv[1]) : 0, descriptors = argc > 2 ? atoi(argv[2]) : 0, end[2];
  NEED(processes <= MOST && descriptors <= MOST && pipe(end) == 0);
  NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  for (int i = 0; i < processes; i++) {
    NEED((child[i] = fork()) >= 0);
    if (child[i] == 0) {
      close(end[1]);
      _exit(wait_for_end(end[0], getpid(), i));
    }
  }
  open_all(descriptors);
  puts("ready");
  fflush(stdout);
  for (int i = 0; access("go", F_OK) != 0; i++) {
    if (i > 6000) return 98;
    usleep(20000);
  }
  close(end[1]);
  int bad = wrong(descriptors), status;
  for (int i = 0; i < processes; i++)
    bad += waitpid(child[i], &status, 0) != child[i] || status != 1 << 8;
  printf("%d differences\n", bad);
  return bad ? 1 : 0;
}
