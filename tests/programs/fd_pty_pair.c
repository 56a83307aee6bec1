// A pseudo terminal with both ends in one program: settings, size, packet mode,
// and what is written afterwards goes through it.
// run: generations
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "probe.h"

// take reads as much as text has: it may come in pieces.
static int take(int fd, const char *text) {
  char got[100];
  size_t n = 0;
  struct pollfd p = {fd, POLLIN, 0};
  while (n < strlen(text) && poll(&p, 1, 5000) == 1) {
    ssize_t r = read(fd, got + n, strlen(text) - n);
    if (r <= 0) break;
    n += (size_t)r;
  }
  return n == strlen(text) && !memcmp(got, text, n);
}

int main(void) {
  int master, slave, on = 1;
  struct termios was, is;
  struct winsize size = {33, 77, 5, 6}, now = {0, 0, 0, 0};
  NEED(openpty(&master, &slave, NULL, NULL, &size) == 0 && tcgetattr(slave, &was) == 0);
  was.c_lflag &= ~(tcflag_t)ECHO;
  was.c_cc[VERASE] = 'Q';
  NEED(tcsetattr(slave, TCSANOW, &was) == 0 && fcntl(slave, F_SETFD, FD_CLOEXEC) == 0);
  int single = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), packet, other;
  NEED(single >= 0 && openpty(&packet, &other, NULL, NULL, NULL) == 0 && ioctl(packet, TIOCPKT, &on) == 0);
  int closed, gone;
  NEED(openpty(&closed, &gone, NULL, NULL, NULL) == 0 && close(gone) == 0);
  save_here();
  CHECK(tcgetattr(slave, &is) == 0 && !memcmp(is.c_cc, was.c_cc, sizeof is.c_cc) && is.c_lflag == was.c_lflag &&
            is.c_iflag == was.c_iflag && is.c_oflag == was.c_oflag && is.c_cflag == was.c_cflag, "settings");
  CHECK(ioctl(master, TIOCGWINSZ, &now) == 0 && !memcmp(&now, &size, sizeof now), "size %d %d", now.ws_row, now.ws_col);
  CHECK(fcntl(slave, F_GETFD) == FD_CLOEXEC && isatty(slave), "slave");
  CHECK(write(master, "lineQx\n", 7) == 7 && take(slave, "linx\n"), "in");
  CHECK(write(slave, "out\n", 4) == 4 && take(master, "out\r\n"), "out");
  CHECK(write(other, "p", 1) == 1 && read(packet, &now, sizeof now) == 2, "packet mode");
  CHECK(unlockpt(single) == 0 && ptsname(single), "a terminal that was not open yet");
  int fresh = open(ptsname(single), O_RDWR | O_NOCTTY);
  CHECK(fresh >= 0 && write(fresh, "fresh", 5) == 5 && take(single, "fresh"), "open: %s", strerror(errno));
  char c;
  CHECK(read(closed, &c, 1) < 0 && errno == EIO, "of a slave that is closed: %s", strerror(errno));
  return done();
}
