// Puts its terminal into raw mode, waits for one key and says what it was, and
// whether 0, 1, 2 and /dev/tty are still one terminal, in this mode.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

int main(void) {
  struct termios tio, after;
  char key = 0, name[64] = "";
  int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (tty < 0 || tcgetattr(0, &tio) != 0) return 1;
  cfmakeraw(&tio);
  tio.c_oflag |= OPOST;
  tio.c_cc[VINTR] = 7;
  if (tcsetattr(0, TCSANOW, &tio) != 0) return 2;
  dprintf(1, "ready\n");
  if (read(0, &key, 1) != 1) return 3;
  tcgetattr(tty, &after);
  int same = ttyname_r(0, name, sizeof name) == 0 && isatty(tty) && isatty(1) && isatty(2) &&
             after.c_lflag == tio.c_lflag && after.c_cc[VINTR] == 7;
  dprintf(tty, "key %c, %s terminal\n", key, same ? "same" : "another");
  return !same;
}
