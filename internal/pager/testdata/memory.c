// Memory: watched memory whose pages are all missing, and what a program can do with
// it. It sends a userfaultfd and then the address through the socket 3, and does what
// it reads there: a letter and two numbers. It answers with one number.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 64, SOCKET = 3 };

static void need(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static void answer(uint64_t n) { need(write(SOCKET, &n, 8) == 8, "answer"); }

static void send_fd(int fd) {
  char control[CMSG_SPACE(4)] = {0}, byte = 0;
  struct iovec iov = {&byte, 1};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(4);
  memcpy(CMSG_DATA(c), &fd, 4);
  need(sendmsg(SOCKET, &m, 0) == 1, "sendmsg");
}

static int new_userfaultfd(void) {
  int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
  if (dev < 0) return syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  int fd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
  close(dev);
  return fd;
}

int main(void) {
  int fd = new_userfaultfd();
  need(fd >= 0, "userfaultfd");
  struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP};
  need(!ioctl(fd, UFFDIO_API, &api), "UFFDIO_API");
  // Room behind it, to grow into, and before.
  char *room = mmap(NULL, 4 * PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  need(room != MAP_FAILED, "mmap");
  char *p = mmap(room + PAGES * PAGE, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  need(p != MAP_FAILED, "mmap");
  struct uffdio_register r = {.range = {(uintptr_t)p, PAGES * PAGE}, .mode = UFFDIO_REGISTER_MODE_MISSING};
  need(!ioctl(fd, UFFDIO_REGISTER, &r), "UFFDIO_REGISTER");
  send_fd(fd);
  close(fd);
  answer((uintptr_t)p);
  struct { uint64_t what, a, b; } c;
  while (read(SOCKET, &c, sizeof c) == sizeof c) {
    int64_t result = 0;
    switch (c.what) {
    case 'r':  // the first word of a page
      result = *(volatile int64_t *)c.a;
      break;
    case 'k': {  // the same, read by the kernel
      int ends[2];
      need(!pipe(ends), "pipe");
      result = write(ends[1], (void *)c.a, 8) == 8 ? 0 : -errno;
      if (!result) need(read(ends[0], &result, 8) == 8, "read");
      close(ends[0]), close(ends[1]);
      break;
    }
    case 'f': {  // the same, in a child
      pid_t child = fork();
      need(child >= 0, "fork");
      if (child == 0) {
        answer(*(volatile int64_t *)c.a);
        _exit(0);
      }
      waitpid(child, NULL, 0);
      continue;
    }
    case 'm':  // mremap
      result = (intptr_t)mremap((void *)c.a, PAGE * 4, PAGE * 4, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)c.b);
      break;
    case 'g':  // mremap to a larger size
      munmap((char *)c.a + PAGES * PAGE, PAGES * PAGE);
      result = (intptr_t)mremap((void *)c.a, PAGES * PAGE, c.b * PAGE, 0);
      break;
    case 'd':
      result = madvise((void *)c.a, c.b * PAGE, MADV_DONTNEED);
      break;
    case 'u':
      result = munmap((void *)c.a, c.b * PAGE);
      break;
    case 'n':  // mmap anew
      result = (intptr_t)mmap((void *)c.a, c.b * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      break;
    case 'p':
      result = mprotect((void *)c.a, c.b * PAGE, PROT_READ);
      break;
    case 'x':
      execl("/bin/cat", "cat", NULL);
    }
    answer(result);
  }
}
