// Descriptors and credentials that wait in sockets to be received: files that
// are open elsewhere, too, or nowhere else; ends of pipes; sockets in sockets.
// run: generations
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "probe.h"

static void pass(int to, const char *text, const int *fds, size_t n) {
  char control[CMSG_SPACE(sizeof(int) * 10)];
  memset(control, 0, sizeof control);
  struct iovec v = {(void *)text, strlen(text)};
  struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
  struct cmsghdr *c = CMSG_FIRSTHDR(&h);
  c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int) * n);
  memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
  NEED(sendmsg(to, &h, 0) == (ssize_t)strlen(text));
}

static struct ucred cred;

static size_t take(int from, const char *text, int *fds) {
  char got[100], control[400];
  struct iovec v = {got, sizeof got};
  struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t r = recvmsg(from, &h, MSG_DONTWAIT);
  CHECK(r == (ssize_t)strlen(text) && !memcmp(got, text, (size_t)r), "%s: %zd %s", text, r, strerror(errno));
  size_t n = 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); r >= 0 && c; c = CMSG_NXTHDR(&h, c)) {
    if (c->cmsg_type == SCM_CREDENTIALS) memcpy(&cred, CMSG_DATA(c), sizeof cred);
    if (c->cmsg_type != SCM_RIGHTS) continue;
    n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(c), n * sizeof(int));
  }
  return n;
}

int main(void) {
  int s[2], d[2], inner[2], p[2], fds[10], on = 1;
  char got[50];
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, d) == 0);
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, inner) == 0 && pipe(p) == 0);
  NEED(setsockopt(d[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
  int kept = open("kept", O_RDWR | O_CREAT, 0600), flown = open("flown", O_RDWR | O_CREAT, 0600);
  int memory = memfd_create("memory", MFD_ALLOW_SEALING), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct itimerspec soon = {{0, 0}, {0, 1000000}};
  int set = epoll_create1(0);
  struct epoll_event e = {EPOLLIN, {.u64 = 4711}};
  NEED(kept >= 0 && write(flown, "0123456789", 10) == 10 && lseek(flown, 3, SEEK_SET) == 3);
  NEED(write(memory, "memory", 6) == 6 && fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
  NEED(timerfd_settime(timer, 0, &soon, NULL) == 0);
  NEED(set >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, s[0], &e) == 0);
  NEED(write(s[0], "plain", 5) == 5);
  int first[] = {kept, flown}, second[] = {p[1], memory, timer, set}, third[] = {inner[1]}, nested[] = {p[0]};
  pass(s[0], "files", first, 2);
  pass(inner[0], "nested", nested, 1);
  pass(d[0], "socket", third, 1);
  pass(d[0], "others", second, 4);
  close(flown), close(p[0]), close(p[1]), close(memory), close(timer), close(set), close(inner[1]);
  save_here();
  CHECK(take(s[1], "plainfiles", fds) == 2, "no files");
  CHECK(write(fds[0], "k", 1) == 1 && lseek(kept, 0, SEEK_CUR) == 1, "the first is not the one that was kept");
  CHECK(read(fds[1], got, 50) == 7 && *got == '3', "the second");
  int in[10];
  CHECK(take(d[1], "socket", in) == 1, "no socket");
  CHECK(cred.pid == getpid() && cred.uid == getuid() && cred.gid == getgid(), "from %d %d", cred.pid, cred.uid);
  int reader[10];
  CHECK(take(in[0], "nested", reader) == 1, "no reader");
  CHECK(take(d[1], "others", fds) == 4, "no others");
  CHECK(write(fds[0], "pipe", 4) == 4 && read(reader[0], got, 50) == 4, "pipe");
  CHECK(pread(fds[1], got, 50, 0) == 6 && !memcmp(got, "memory", 6) && fcntl(fds[1], F_GET_SEALS) == F_SEAL_SHRINK, "memory");
  unsigned long ticks = 0;
  for (int i = 0; i < 1000 && read(fds[2], &ticks, 8) != 8; i++) probe_nap(1);
  CHECK(ticks == 1, "%lu ticks", ticks);
  memset(&e, 0, sizeof e);
  CHECK(epoll_wait(fds[3], &e, 1, 0) == 0, "ready too soon");
  CHECK(write(s[1], "x", 1) == 1 && epoll_wait(fds[3], &e, 1, 0) == 1 && e.data.u64 == 4711, "not ready");
  return done();
}
