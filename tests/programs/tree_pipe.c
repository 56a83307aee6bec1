// Pipes between processes, with bytes in flight both ways: order, amounts and
// the ends; a reader and a writer that are blocked at the save.
#include "tree.h"

static int down[2], up[2], full[2], empty[2];

static void work(int i) {
  char text[100];
  (void)i;
  close(down[1]), close(up[0]), close(full[1]), close(empty[1]);
  NEED(write(up[1], "from the child", 14) == 14);
  did("child");
  wait_go();
  CHECK(read(down[0], text, 6) == 6 && memcmp(text, "from t", 6) == 0, "the child read %.6s", text);
  CHECK(read(down[0], text, 100) == 9 && memcmp(text, "he parent", 9) == 0, "then %.9s", text);
  NEED(write(up[1], "!", 1) == 1);
  CHECK(read(down[0], text, 100) == 0, "no end");
  long got = 0;
  static char all[1 << 20];
  for (ssize_t n; (n = read(full[0], all + got, sizeof all - (size_t)got)) > 0;) got += n;
  CHECK(got == 65536 + 100000 && filled(all, (size_t)got, 9), "%ld bytes through the full pipe", got);
}

static void writer(int i) {
  static char all[65536 + 100000];
  (void)i;
  close(full[0]), close(down[1]), close(empty[1]);
  fill(all, sizeof all, 9);
  NEED(write(full[1], all, 65536) == 65536);
  did("writer");
  ssize_t n = write(full[1], all + 65536, 100000);
  CHECK(n == 100000, "a blocked write: %zd, %s", n, strerror(errno));
}

static void reader(int i) {
  char c = 0;
  (void)i;
  close(empty[1]), close(full[1]), close(full[0]), close(down[1]);
  did("reader");
  ssize_t n = read(empty[0], &c, 1);
  CHECK(n == 1 && c == 'x', "a blocked read: %zd, %s", n, strerror(errno));
  CHECK(read(empty[0], &c, 1) == 0, "no end for the reader");
}

int main(void) {
  char text[100];
  NEED(pipe(down) == 0 && pipe(up) == 0 && pipe(full) == 0 && pipe(empty) == 0);
  NEED(fcntl(up[0], F_SETPIPE_SZ, 16384) == 16384);
  pid_t pids[] = {child(work, 0), child(writer, 1), child(reader, 2)};
  close(down[0]), close(up[1]), close(full[0]), close(full[1]), close(empty[0]);
  NEED(write(down[1], "from the parent", 15) == 15);
  await_did("child");
  await_did("writer");
  await_did("reader");
  await_call(pids[1], SYS_write);
  await_call(pids[2], SYS_read);
  save_here();
  CHECK(fcntl(up[0], F_GETPIPE_SZ) == 16384, "size %d", fcntl(up[0], F_GETPIPE_SZ));
  CHECK(read(up[0], text, 14) == 14 && memcmp(text, "from the child", 14) == 0, "%.14s", text);
  CHECK(read(up[0], text, 1) == 1 && *text == '!', "the answer");
  close(down[1]);
  NEED(write(empty[1], "x", 1) == 1);
  close(empty[1]);
  for (int i = 0; i < 3; i++) ends_well(pids[i]);
  CHECK(read(up[0], text, 1) == 0, "no end when the child has ended");
  return done();
}
