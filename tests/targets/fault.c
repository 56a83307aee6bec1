// Sleeps for ten minutes, with one thing in hand that the argument names. What this
// host does not have, or does not allow to this user, it says "cannot" of.
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// An object that nobody would remove; ipcrm -s, -q and -m take these numbers.
static int object(const char *what, int id) {
  printf("%s %d\n", what, id);
  return id < 0;
}

static int io_uring(void) { return (int)syscall(SYS_io_uring_setup, 8, (char[120]){0}); }

static int mapped_io_uring(void) {
  int fd = io_uring();
  int bad = fd < 0 || mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED;
  close(fd);
  return bad;
}

static int semaphore(int wait) {
  int id = semget(IPC_PRIVATE, 3, 0600);
  if (object("semaphore", id)) return 1;
  fflush(stdout);
  struct sembuf up = {2, 1, 0}, down = {2, -1, 0};
  if (!wait) return semop(id, &up, 1) != 0;
  if (fork() == 0) {  // it has never changed the set, and waits
    printf("ready\n");
    fflush(stdout);
    _exit(semop(id, &down, 1) != 0);
  }
  return 0;
}

static int message(void) {
  int id = msgget(IPC_PRIVATE, 0600);
  struct { long type; char text[1]; } m = {1, {'x'}};
  return object("queue", id) || msgsnd(id, &m, 1, 0) != 0;
}

static int shared_memory(int attached) {
  int id = shmget(IPC_PRIVATE, 4096, 0600);
  if (object("segment", id)) return 1;
  void *at = shmat(id, NULL, 0);
  return at == (void *)-1 || (!attached && shmdt(at) != 0);
}

static int filter(void) {
  struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {1, allow};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0;
}

static int perf(void) {
  struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE, .size = sizeof a,
                              .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1, .exclude_hv = 1};
  return (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0) < 0;
}

static int bpf(void) {
  union bpf_attr a = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
  return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof a) < 0;
}

static int aio(void) {
  unsigned long context = 0;
  return (int)syscall(SYS_io_setup, 4, &context) < 0;
}

static int key(void) {
  int k = pkey_alloc(0, 0);
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return k < 0 || pkey_mprotect(page, 4096, PROT_READ | PROT_WRITE, k) != 0;
}

static int descriptor_table(void) {  // struct user_desc: a data segment of one page
  unsigned segment[4] = {0, 0, 4095, 1 | 1 << 6};
  return (int)syscall(SYS_modify_ldt, 1, segment, sizeof segment) != 0;
}

static int huge(void) {
  return mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0) == MAP_FAILED;
}

static void ignore(int sig) { (void)sig; }

static int child_with_handler(void) {
  int ready[2];
  char c;
  if (pipe(ready) != 0) return 1;
  if (fork() == 0) {
    signal(SIGUSR2, ignore);
    close(ready[0]);
    close(ready[1]);
    poll(NULL, 0, 600000);
    _exit(0);
  }
  close(ready[1]);
  return read(ready[0], &c, 1) != 0 || close(ready[0]) != 0;
}

// Nobody but root may look into the process for a moment, as in the middle of execve.
static int hidden_for_a_moment(void) {
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return 1;
  printf("hidden\n");
  fflush(stdout);
  poll(NULL, 0, 200);
  return prctl(PR_SET_DUMPABLE, 1) != 0;
}

static int take(const char *what) {
  if (!strcmp(what, "nothing")) return 0;
  if (!strcmp(what, "append")) return open("log", O_WRONLY | O_CREAT | O_APPEND, 0644) < 0 || dprintf(3, "saved\n") != 6;
  if (!strcmp(what, "input")) return open("input", O_RDONLY) < 0;
  if (!strcmp(what, "output")) return open("output", O_RDWR) < 0;
  if (!strcmp(what, "zombie")) return fork() == 0 ? (_exit(0), 1) : 0;
  if (!strcmp(what, "usr2")) return signal(SIGUSR2, ignore) == SIG_ERR;
  if (!strcmp(what, "ignore-usr2")) return signal(SIGUSR2, SIG_IGN) == SIG_ERR;
  if (!strcmp(what, "usr2-child")) return child_with_handler();
  if (!strcmp(what, "hidden")) return hidden_for_a_moment();
  // What is refused.
  if (!strcmp(what, "socket")) return socket(AF_INET, SOCK_STREAM, 0) < 0;
  if (!strcmp(what, "udp")) return socket(AF_INET6, SOCK_DGRAM, 0) < 0 && socket(AF_INET, SOCK_DGRAM, 0) < 0;
  if (!strcmp(what, "netlink")) return socket(AF_NETLINK, SOCK_RAW, 0) < 0;
  if (!strcmp(what, "io_uring")) return io_uring() < 0;
  if (!strcmp(what, "io_uring-mapped")) return mapped_io_uring();
  if (!strcmp(what, "sem")) return semaphore(0);
  if (!strcmp(what, "sem-wait")) return semaphore(1);
  if (!strcmp(what, "msg")) return message();
  if (!strcmp(what, "shm")) return shared_memory(1);
  if (!strcmp(what, "shm-detached")) return shared_memory(0);
  if (!strcmp(what, "mq")) return (int)syscall(SYS_mq_open, "ckpt-fault", O_CREAT | O_RDWR, 0600, NULL) < 0 || syscall(SYS_mq_unlink, "ckpt-fault") != 0;
  if (!strcmp(what, "seccomp")) return filter();
  if (!strcmp(what, "fanotify")) return fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY) < 0;
  if (!strcmp(what, "aio")) return aio();
  if (!strcmp(what, "perf")) return perf();
  if (!strcmp(what, "bpf")) return bpf();
  if (!strcmp(what, "userfaultfd")) return syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */) < 0;
  if (!strcmp(what, "secret")) return syscall(SYS_memfd_secret, 0) < 0;
  if (!strcmp(what, "pkey")) return key();
  if (!strcmp(what, "ldt")) return descriptor_table();
  if (!strcmp(what, "hugetlb")) return huge();
  errno = EDOM;
  return 1;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "nothing";
  int bad = take(what);
  if (bad) perror(what);
  if (strcmp(what, "sem-wait") || bad) printf(bad ? "cannot\n" : "ready\n");
  fflush(stdout);
  return poll(NULL, 0, 600000);  // nothing is left behind for good
}
