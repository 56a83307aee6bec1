// C++: exceptions thrown after the restore through frames from before it,
// destructors, iostreams, containers, thread-local objects.
// run: static nopie
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "probe.h"

static int destroyed;
struct Guard {
  ~Guard() { destroyed++; }
};

static thread_local std::string name = "thread local";

static void work(int depth) {
  Guard guard;
  if (depth > 0) return work(depth - 1);
  save_here();
  throw std::runtime_error("thrown after the restore");
}

int main() {
  std::map<std::string, std::vector<int>> table;
  for (int i = 0; i < 1000; i++) table["key" + std::to_string(i % 50)].push_back(i);
  std::unique_ptr<std::string> text(new std::string(10000, 'x'));
  std::cout << "before" << std::endl;
  try {
    work(20);
    CHECK(false, "nothing was thrown");
  } catch (const std::exception &e) {
    CHECK(e.what() == std::string("thrown after the restore"), "%s", e.what());
  }
  CHECK(destroyed == 21, "%d guards", destroyed);
  CHECK(table.size() == 50 && table["key7"][3] == 157, "map");
  CHECK(*text == std::string(10000, 'x') && name == "thread local", "strings");
  std::cout << "after" << std::endl;
  return done();
}
