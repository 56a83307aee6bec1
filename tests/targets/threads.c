// Three threads, each at a depth of its own, and the first one wait. With "dead"
// the first one ends instead. It says "ready" when they are there.
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static pthread_barrier_t there;

__attribute__((noinline)) int deep(int n) {
  if (n > 0) return deep(n - 1) + n;
  pthread_barrier_wait(&there);
  return pause();
}

static void *run(void *arg) {
  prctl(PR_SET_NAME, "worker");
  return (void *)(long)(deep((int)(long)arg) + 1);
}

int main(int argc, char **argv) {
  pthread_t t;
  pthread_barrier_init(&there, NULL, 4);
  for (long i = 1; i <= 3; i++) pthread_create(&t, NULL, run, (void *)i);
  pthread_barrier_wait(&there);
  puts("ready");
  fflush(stdout);
  if (argc > 1 && strcmp(argv[1], "dead") == 0) pthread_exit(NULL);
  return pause();
}
