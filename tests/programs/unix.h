// For probes with unix sockets.
#ifndef UNIX_H
#define UNIX_H
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tree.h"

// unix_address is of a path, or of an abstract name if it begins with '@'.
UNUSED static socklen_t unix_address(struct sockaddr_un *a, const char *name) {
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  strcpy(a->sun_path, name);
  if (*name == '@') a->sun_path[0] = 0;
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + (*name != '@'));
}

UNUSED static int unix_bound(int type, const char *name) {
  struct sockaddr_un a;
  socklen_t length = unix_address(&a, name);
  int fd = socket(AF_UNIX, type, 0);
  NEED(fd >= 0 && bind(fd, (struct sockaddr *)&a, length) == 0);
  return fd;
}

UNUSED static int unix_connect(int fd, const char *name) {
  struct sockaddr_un a;
  socklen_t length = unix_address(&a, name);
  return connect(fd, (struct sockaddr *)&a, length);
}

// give sends bytes with a descriptor, and the sender's credentials if asked for.
UNUSED static void give(int socket, const char *text, int fd, int credentials) {
  union {
    char bytes[128];
    struct cmsghdr align;
  } control;
  struct iovec part = {(void *)(long)text, strlen(text)};
  struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes};
  memset(&control, 0, sizeof control);
  struct cmsghdr *c = &control.align;
  if (fd >= 0) {
    *c = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    m.msg_controllen += CMSG_SPACE(sizeof fd);
    c = (struct cmsghdr *)(control.bytes + m.msg_controllen);
  }
  if (credentials) {
    struct ucred me = {getpid(), getuid(), getgid()};
    *c = (struct cmsghdr){CMSG_LEN(sizeof me), SOL_SOCKET, SCM_CREDENTIALS};
    memcpy(CMSG_DATA(c), &me, sizeof me);
    m.msg_controllen += CMSG_SPACE(sizeof me);
  }
  if (!m.msg_controllen) m.msg_control = NULL;
  NEED(sendmsg(socket, &m, 0) == (ssize_t)strlen(text));
}

struct taken {
  ssize_t size;
  char text[256];
  int fd;             // -1: none came
  struct ucred from;  // pid 0: none came
};

// take receives what one give sent, without waiting.
UNUSED static struct taken take(int socket) {
  union {
    char bytes[256];
    struct cmsghdr align;
  } control;
  struct taken t = {.fd = -1};
  struct iovec part = {t.text, sizeof t.text - 1};
  struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                     .msg_controllen = sizeof control};
  t.size = recvmsg(socket, &m, MSG_DONTWAIT);
  if (t.size < 0) return t;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_type == SCM_RIGHTS) memcpy(&t.fd, CMSG_DATA(c), sizeof t.fd);
    if (c->cmsg_type == SCM_CREDENTIALS) memcpy(&t.from, CMSG_DATA(c), sizeof t.from);
  }
  return t;
}

UNUSED static int option(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  NEED(getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0);
  return value;
}

UNUSED static pid_t peer(int fd) {
  struct ucred c = {0};
  socklen_t size = sizeof c;
  NEED(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &size) == 0);
  CHECK(c.uid == getuid() && c.gid == getgid(), "the peer's ids %u, %u", c.uid, c.gid);
  return c.pid;
}
#endif
