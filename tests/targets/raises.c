// Saves itself, three times, and looks whether that was done when it goes on.
#include <signal.h>
#include <unistd.h>

int main(void) {
  for (int i = 0; i < 3; i++) {
    unlink("myckpt");
    raise(SIGUSR2);
    // The engine is a child of nobody here by then, and gives the image its name.
    for (int tries = 0; access("myckpt", F_OK); tries++) {
      if (tries == 10000) return 1;
      usleep(1000);
    }
  }
  return 0;
}
