// A file renamed since it was opened, and one with a strange name.
#include "probe.h"

int main(void) {
  int a = open("old", O_RDWR | O_CREAT, 0644), b = open("a \n\\ (deleted)", O_RDWR | O_CREAT,
      0644);
  NEED(a >= 0 && b >= 0 && rename("old", "new") == 0);
  save_here();
  CHECK(write(a, "hello", 5) == 5 && !strcmp(slurp("new"), "hello"), "not the renamed file");
  CHECK(write(b, "hallo", 5) == 5 && !strcmp(slurp("a \n\\ (deleted)"), "hallo"),
      "not the strange one");
  CHECK(access("old", F_OK) != 0, "a file of the old name is there");
  return done();
}
