// C++: objects with destructors that belong to threads, std::thread, mutexes,
// a condition variable, a future, an exception in flight through a save.
// run: static
#include <condition_variable>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "probe.h"

static std::mutex mutex;
static std::condition_variable cond;
static bool open_now;
static int arrived, destroyed, caught;

struct Owned {
  std::string text;
  ~Owned() {
    std::lock_guard<std::mutex> lock(mutex);
    destroyed++;
  }
};
static thread_local Owned owned;
static thread_local std::vector<int> numbers;

static void wait_open() {
  std::unique_lock<std::mutex> lock(mutex);
  arrived++;
  cond.wait(lock, [] { return open_now; });
}

static void work(int i) {
  owned.text = std::string(1000, static_cast<char>('a' + i));
  for (int n = 0; n < 100 * (i + 1); n++) numbers.push_back(n ^ i);
  try {
    throw std::runtime_error("in " + std::to_string(i));
  } catch (const std::exception &e) {
    wait_open();  // while the exception is being handled
    std::lock_guard<std::mutex> lock(mutex);
    caught += e.what() == "in " + std::to_string(i) && std::current_exception() != nullptr;
  }
  CHECK(owned.text == std::string(1000, static_cast<char>('a' + i)), "text of %d", i);
  CHECK(numbers.size() == 100u * (i + 1) && numbers.back() == ((100 * (i + 1) - 1) ^ i),
        "numbers of %d", i);
}

int main() {
  std::vector<std::thread> threads;
  std::promise<int> promise;
  std::future<int> future = promise.get_future();
  int answer = 0;
  for (int i = 0; i < 8; i++) threads.emplace_back(work, i);
  std::thread waits([&] { answer = future.get(); });
  for (;;) {
    std::lock_guard<std::mutex> lock(mutex);
    if (arrived == 8) break;
  }
  save_here();
  CHECK(destroyed == 0, "%d are gone already", destroyed);
  {
    std::lock_guard<std::mutex> lock(mutex);
    open_now = true;
  }
  cond.notify_all();
  promise.set_value(42);
  for (auto &t : threads) t.join();
  waits.join();
  CHECK(answer == 42, "future: %d", answer);
  CHECK(caught == 8, "%d exceptions", caught);
  CHECK(destroyed == 8, "%d destructors", destroyed);
  std::thread([] { owned.text = "late"; }).join();
  CHECK(destroyed == 9, "a new thread's object: %d", destroyed);
  return done();
}
