// Descriptors in flight: a file with its offset, an end of a pipe that nobody
// else has, a socket pair's end in the queue of the other one, and one that a
// process has sent to another.
#include "unix.h"

static int line[2];

static void work(int i) {
  (void)i;
  close(line[0]);
  int file = open("child", O_RDWR | O_CREAT, 0600);
  NEED(file >= 0 && write(file, "the child's", 11) == 11 && lseek(file, 4, SEEK_SET) == 4);
  give(line[1], "a file", file, 0);
  close(file);
  did("child");
  wait_go();
  await_did("parent");
  struct taken t = take(line[1]);
  char text[100] = "";
  CHECK(t.size == 6 && is(t.text, "a pipe") && t.fd >= 0, "\"%s\", descriptor %d", t.text, t.fd);
  CHECK(read(t.fd, text, 99) == 7 && is(text, "in pipe"), "through the pipe: \"%s\"", text);
  CHECK(read(t.fd, text, 99) == 0, "no end");
}

int main(void) {
  char text[100] = "";
  int ends[2], pair[2];
  NEED(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, line) == 0 && pipe(ends) == 0);
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  pid_t pid;
  NEED(write(ends[1], "in pipe", 7) == 7);
  give(line[0], "a pipe", ends[0], 0);
  // The only reference to an end is in the queue of the other.
  NEED(send(pair[1], "for one", 7, 0) == 7);
  give(pair[1], "itself", pair[1], 0);
  close(pair[1]);
  NEED((pid = fork()) >= 0);
  if (pid == 0) {
    close(ends[0]), close(ends[1]), close(pair[0]);
    work(0);
    _exit(probe_failures);
  }
  close(ends[0]), close(line[1]);
  await_did("child");
  save_here();
  close(ends[1]);
  did("parent");
  struct taken t = take(line[0]);
  CHECK(t.size == 6 && is(t.text, "a file") && t.fd >= 0, "\"%s\", descriptor %d", t.text, t.fd);
  CHECK(read(t.fd, text, 99) == 7 && is(text, "child's"), "from the file: \"%s\"", text);
  CHECK(recv(pair[0], text, 7, MSG_DONTWAIT) == 7 && memcmp(text, "for one", 7) == 0, "%.7s", text);
  t = take(pair[0]);
  CHECK(t.size == 6 && is(t.text, "itself") && t.fd >= 0, "\"%s\", descriptor %d", t.text, t.fd);
  CHECK(send(t.fd, "back", 4, MSG_NOSIGNAL) == 4 && recv(pair[0], text, 99, MSG_DONTWAIT) == 4,
        "the end that was in flight: %s", strerror(errno));
  ends_well(pid);
  return done();
}
