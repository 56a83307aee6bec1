// A server and its clients: listening at a path, a relative path, an abstract
// and a chosen name; connections that were accepted, and some that wait.
// run: generations
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "probe.h"

static struct sockaddr_un name[4];
static socklen_t length[4];

static struct sockaddr_un seen;
static socklen_t seen_length;

static int named(int fd, int peer, int i) {
  seen_length = sizeof seen;
  memset(&seen, 0, sizeof seen);
  int r = peer ? getpeername(fd, (struct sockaddr *)&seen, &seen_length) : getsockname(fd, (struct sockaddr *)&seen, &seen_length);
  return r == 0 && seen_length == length[i] && !memcmp(&seen, &name[i], seen_length);
}

static int client(int i, int type) {
  int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  NEED(fd >= 0 && connect(fd, (struct sockaddr *)&name[i], length[i]) == 0);
  return fd;
}

int main(void) {
  static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_STREAM, SOCK_STREAM};
  char cwd[80];
  int server[4], accepted[4], first[4], second[4], third[4];
  NEED(getcwd(cwd, sizeof cwd));
  for (int i = 0; i < 4; i++) {
    name[i].sun_family = AF_UNIX;
    int n = 0;
    if (i == 0) n = snprintf(name[i].sun_path, sizeof name[i].sun_path, "%s/socket", cwd) + 1;
    if (i == 1) n = snprintf(name[i].sun_path, sizeof name[i].sun_path, "./relative") + 1;
    if (i == 2) n = snprintf(name[i].sun_path, sizeof name[i].sun_path, "%cckpt %s", 0, cwd);
    length[i] = (socklen_t)offsetof(struct sockaddr_un, sun_path) + (socklen_t)n;
    NEED((server[i] = socket(AF_UNIX, types[i] | SOCK_NONBLOCK, 0)) >= 0);
    NEED(bind(server[i], (struct sockaddr *)&name[i], i == 3 ? sizeof(sa_family_t) : length[i]) == 0);
    length[i] = sizeof name[i];
    NEED(getsockname(server[i], (struct sockaddr *)&name[i], &length[i]) == 0);
    NEED(listen(server[i], 4) == 0);
    first[i] = client(i, types[i]);
    NEED((accepted[i] = accept(server[i], NULL, NULL)) >= 0);
    NEED(write(first[i], "request", 7) == 7 && write(accepted[i], "reply", 5) == 5);
    second[i] = client(i, types[i]), third[i] = client(i, types[i]);
  }
  NEED(chmod("socket", 0640) == 0);
  save_here();
  for (int i = 0; i < 4; i++) {
    char got[20];
    CHECK(named(server[i], 0, i) && named(accepted[i], 0, i) && named(first[i], 1, i), "name %d: %.80s", i, seen.sun_path);
    CHECK(read(accepted[i], got, 20) == 7 && read(first[i], got, 20) == 5, "what waited in %d", i);
    CHECK(write(third[i], "3", 1) == 1 && write(second[i], "2", 1) == 1, "write %d: %s", i, strerror(errno));
    for (char c = '2'; c <= '3'; c++) {
      int fd = accept(server[i], NULL, NULL);
      CHECK(fd >= 0 && read(fd, got, 20) == 1 && *got == c, "the connection of %c at %d", c, i);
      CHECK(write(fd, "ok", 2) == 2 && read(c == '2' ? second[i] : third[i], got, 20) == 2, "the answer to %c", c);
      close(fd);
    }
    CHECK(accept(server[i], NULL, NULL) < 0 && errno == EAGAIN, "another connection at %d", i);
    int later = client(i, types[i]);
    CHECK(write(later, "new", 3) == 3, "a new client");
    int fd = accept(server[i], NULL, NULL);
    CHECK(fd >= 0 && read(fd, got, 20) == 3, "a new connection at %d", i);
  }
  struct stat st;
  CHECK(stat("socket", &st) == 0 && st.st_mode == (S_IFSOCK | 0640), "mode %o", st.st_mode);
  return done();
}
