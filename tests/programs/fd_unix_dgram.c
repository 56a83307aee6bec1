// Datagrams between sockets with names, without, with one that is gone since,
// and one that is not connected.
// run: generations
#include <sys/socket.h>
#include <sys/un.h>

#include "probe.h"

static struct sockaddr_un at(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  strcpy(a.sun_path, path);
  return a;
}

static int make(const char *path, const char *to) {
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  struct sockaddr_un own = at(path ? path : ""), other = at(to ? to : "");
  NEED(fd >= 0 && (!path || bind(fd, (struct sockaddr *)&own, sizeof own) == 0));
  NEED(!to || connect(fd, (struct sockaddr *)&other, sizeof other) == 0);
  return fd;
}

static void want(int fd, const char *text, const char *from) {
  char got[50];
  struct sockaddr_un a;
  memset(&a, 0, sizeof a);
  socklen_t n = sizeof a;
  ssize_t r = recvfrom(fd, got, sizeof got, 0, (struct sockaddr *)&a, &n);
  CHECK(r == (ssize_t)strlen(text) && !memcmp(got, text, (size_t)r), "%s: %zd %s", text, r, strerror(errno));
  CHECK(!strcmp(a.sun_path, from), "%s is from '%s', not '%s'", text, a.sun_path, from);
}

int main(void) {
  int server = make("server", NULL), named = make("named", "server"), nameless = make(NULL, "server");
  int gone = make("gone", "server"), left = make("left", NULL), right = make("right", "left");
  struct sockaddr_un to = at("right");
  NEED(connect(left, (struct sockaddr *)&to, sizeof to) == 0);
  NEED(write(named, "a", 1) == 1 && write(nameless, "bb", 2) == 2 && write(gone, "ccc", 3) == 3 && write(named, "dddd", 4) == 4);
  NEED(write(left, "to the right", 12) == 12 && write(right, "to the left", 11) == 11);
  NEED(close(gone) == 0 && unlink("gone") == 0);
  save_here();
  want(server, "a", "named"), want(server, "bb", ""), want(server, "ccc", "gone"), want(server, "dddd", "named");
  want(right, "to the right", "left"), want(left, "to the left", "right");
  CHECK(write(nameless, "more", 4) == 4 && write(named, "most", 4) == 4, "send: %s", strerror(errno));
  want(server, "more", ""), want(server, "most", "named");
  to = at("named");
  CHECK(sendto(server, "answer", 6, 0, (struct sockaddr *)&to, sizeof to) == 6, "answer: %s", strerror(errno));
  want(named, "answer", "server");
  int another = make(NULL, NULL);
  to = at("left");
  CHECK(sendto(another, "x", 1, 0, (struct sockaddr *)&to, sizeof to) < 0 && errno == EPERM, "not from anybody: %s", strerror(errno));
  CHECK(access("gone", F_OK) != 0 && access("server", F_OK) == 0, "files");
  return done();
}
