// The robust list and the address that is cleared when the thread ends.
#include <linux/futex.h>
#include <pthread.h>

#include "probe.h"

int main(void) {
  void *head = NULL, *after = NULL;
  size_t size = 0, size_after = 0;
  pthread_mutexattr_t attributes;
  pthread_mutex_t mutex;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  NEED(pthread_mutex_init(&mutex, &attributes) == 0 && pthread_mutex_lock(&mutex) == 0);
  NEED(syscall(SYS_get_robust_list, 0, &head, &size) == 0 && head && size == 24);
  save_here();
  NEED(syscall(SYS_get_robust_list, 0, &after, &size_after) == 0);
  CHECK(after == head && size_after == size, "%p %zu, was %p %zu", after, size_after, head, size);
  CHECK(((struct robust_list_head *)head)->list.next != head, "the held mutex is not in it");
  return done();
}
