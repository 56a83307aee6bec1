// A terminal with both ends inside: a shell-like child leads the session on the
// slave, a job of its own is in the foreground, another one is stopped. Bytes
// in flight, settings, size, who is in the foreground, keys that signal, hangup.
#include <sys/ioctl.h>
#include <termios.h>

#include "tree.h"

static int master;
static char slave[64];
static volatile int interrupted, resized, hung_up;
static void handler(int s) {
  if (s == SIGINT) interrupted++;
  if (s == SIGWINCH) resized++;
  if (s == SIGHUP) hung_up++;
}

static void handle(int sig) {
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
  NEED(sigaction(sig, &a, NULL) == 0);
}

static void foreground(int i) {
  char line[32] = "";
  (void)i;
  NEED(setpgid(0, 0) == 0);
  signal(SIGTTOU, SIG_IGN);
  NEED(tcsetpgrp(0, getpgrp()) == 0);
  handle(SIGINT), handle(SIGWINCH), handle(SIGHUP);
  did("foreground");
  wait_go();
  await_did("size");
  CHECK(tcgetpgrp(0) == getpgrp(), "%d is in the foreground", tcgetpgrp(0));
  // What was typed before the save.
  CHECK(read(0, line, sizeof line - 1) == 6 && is(line, "typed\n"), "\"%s\"", line);
  did("read");  // what is not is lost with an interrupt
  await_did("interrupted");
  for (double end = now() + 20; !interrupted && now() < end;) probe_nap(1);
  CHECK(interrupted == 1 && resized == 1, "%d interrupts, %d sizes", interrupted, resized);
  NEED(write(0, "after", 5) == 5);
  did("answered");
  for (double end = now() + 20; !hung_up && now() < end;) probe_nap(1);
  CHECK(hung_up, "the shell sends no SIGHUP");
}

static void background(int i) {
  (void)i;
  NEED(setpgid(0, 0) == 0);
  did("background");
  char c;
  ssize_t n = read(0, &c, 1);  // stops it: SIGTTIN
  (void)n;
  _exit(1);
}

static void shell(int i) {
  (void)i;
  close(master);
  NEED(setsid() == getpid());
  int fd = open(slave, O_RDWR);
  NEED(fd >= 0 && ioctl(fd, TIOCSCTTY, 0) == 0);
  for (int n = 0; n < 3; n++)
    if (n != 1) NEED(dup2(fd, n) == n);
  if (fd > 2) close(fd);
  handle(SIGHUP);
  pid_t jobs[2] = {child(foreground, 0), 0};
  await_did("foreground");
  jobs[1] = child(background, 1);
  await_did("background");
  int status = 0;
  NEED(waitpid(jobs[1], &status, WUNTRACED) == jobs[1] && WIFSTOPPED(status));
  did("shell");
  wait_go();
  CHECK(tcgetsid(0) == getpid() && tcgetpgrp(0) == jobs[0], "session %d, foreground %d", tcgetsid(0),
        tcgetpgrp(0));
  int tty = open("/dev/tty", O_RDWR);
  CHECK(tty >= 0, "no controlling terminal: %s", strerror(errno));
  close(tty);
  CHECK(process_state(jobs[1]) == 'T', "the stopped job's state is %c", process_state(jobs[1]));
  did("checked");
  for (double end = now() + 30; !hung_up && now() < end;) probe_nap(1);
  CHECK(hung_up == 1, "no SIGHUP");
  NEED(kill(-jobs[0], SIGHUP) == 0);
  ends_well(jobs[0]);
  NEED(kill(jobs[1], SIGKILL) == 0);
  status = status_of(jobs[1]);
  CHECK(WIFSIGNALED(status), "the background job: %x", status);
}

int main(void) {
  struct termios t, after;
  struct winsize size = {33, 111, 0, 0}, seen = {0};
  char text[100] = "";
  NEED((master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) >= 0);
  NEED(grantpt(master) == 0 && unlockpt(master) == 0);
  NEED(ptsname_r(master, slave, sizeof slave) == 0);
  int mine = open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
  NEED(mine >= 0 && tcgetattr(mine, &t) == 0);
  t.c_lflag &= (tcflag_t) ~(ECHO | ECHOE);
  t.c_cc[VINTR] = 7;
  t.c_oflag &= (tcflag_t)~OPOST;
  NEED(tcsetattr(mine, TCSANOW, &t) == 0 && ioctl(mine, TIOCSWINSZ, &size) == 0);
  pid_t pid = child(shell, 0);
  await_did("shell");
  NEED(write(master, "typed\n", 6) == 6 && write(mine, "shown", 5) == 5);
  NEED(tcgetattr(mine, &t) == 0);
  close(mine);
  save_here();
  await_did("checked");
  CHECK(tcgetattr(master, &after) == 0 && memcmp(&t, &after, sizeof t) == 0, "settings");
  CHECK(ioctl(master, TIOCGWINSZ, &seen) == 0 && seen.ws_row == 33 && seen.ws_col == 111, "size %d %d",
        seen.ws_row, seen.ws_col);
  char now_it_is[64] = "";
  CHECK(ptsname_r(master, now_it_is, sizeof now_it_is) == 0 && is(now_it_is, slave), "%s, was %s",
        now_it_is, slave);
  CHECK(read(master, text, 5) == 5 && memcmp(text, "shown", 5) == 0, "\"%s\"", text);
  size.ws_row = 44;
  NEED(ioctl(master, TIOCSWINSZ, &size) == 0);
  probe_nap(20);
  did("size");
  await_did("read");
  NEED(write(master, "\a", 1) == 1);
  did("interrupted");
  await_did("answered");
  memset(text, 0, sizeof text);
  CHECK(read(master, text, 99) == 5 && is(text, "after"), "\"%s\"", text);
  close(master);
  ends_well(pid);
  return done();
}
