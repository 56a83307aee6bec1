// Who is at the other end: SO_PEERCRED of connected sockets, and credentials in
// messages that were sent before and are sent after.
#include "unix.h"

static int line[2];

static void work(int i) {
  (void)i;
  close(line[0]);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  NEED(unix_connect(fd, "server") == 0);
  give(line[1], "before", -1, 1);
  did("child");
  wait_go();
  CHECK(peer(fd) == getppid(), "the server is %d, not %d", peer(fd), getppid());
  give(line[1], "after", -1, 1);
  did("sent");
  await_did("end");
}

int main(void) {
  int set = 1;
  NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, line) == 0);
  NEED(setsockopt(line[0], SOL_SOCKET, SO_PASSCRED, &set, sizeof set) == 0);
  int server = unix_bound(SOCK_STREAM | SOCK_CLOEXEC, "server");
  NEED(listen(server, 5) == 0);
  pid_t pid = child(work, 0);
  await_did("child");
  int connected = accept(server, NULL, NULL);
  NEED(connected >= 0);
  save_here();
  CHECK(peer(connected) == pid, "the client is %d, not %d", peer(connected), pid);
  CHECK(peer(line[0]) == getpid(), "the pair's maker is %d, not %d", peer(line[0]), getpid());
  await_did("sent");
  const char *texts[] = {"before", "after"};
  for (int i = 0; i < 2; i++) {
    struct taken t = take(line[0]);
    CHECK(t.size > 0 && is(t.text, texts[i]), "\"%s\"", t.text);
    CHECK(t.from.pid == pid && t.from.uid == getuid() && t.from.gid == getgid(),
          "%s: from %d, not %d; %u, %u", texts[i], t.from.pid, pid, t.from.uid, t.from.gid);
  }
  did("end");
  ends_well(pid);
  return done();
}
