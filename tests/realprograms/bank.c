// Eight threads move money between a thousand accounts, in rounds that a barrier
// separates; a mutex for each account, a condition variable for the auditor.
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 8, ACCOUNTS = 1000, ROUNDS = 45, MOVES = 30000 };
static struct { pthread_mutex_t mutex; long money; } accounts[ACCOUNTS];
static pthread_barrier_t barrier;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int audited;
static __thread unsigned long seed;
static unsigned long hashes[THREADS];

static unsigned draw(unsigned n) {
  seed = seed * 6364136223846793005 + 1442695040888963407;
  return (unsigned)(seed >> 33) % n;
}

static void audit(int round) {
  long sum = 0;
  unsigned long hash = 0;
  for (int i = 0; i < ACCOUNTS; i++) sum += accounts[i].money;
  for (int i = 0; i < THREADS; i++) hash = hash * 31 + hashes[i];
  printf("%d %ld %lx\n", round, sum, hash);
  fflush(stdout);
}

static void *work(void *number) {
  long me = (long)number;
  seed = (unsigned long)me + 1;
  for (int round = 0; round < ROUNDS; round++) {
    for (int n = 0; n < MOVES; n++) {
      unsigned a = draw(ACCOUNTS), b = draw(ACCOUNTS), amount = draw(100);
      if (a == b) continue;
      unsigned low = a < b ? a : b, high = a < b ? b : a;
      pthread_mutex_lock(&accounts[low].mutex);
      pthread_mutex_lock(&accounts[high].mutex);
      accounts[a].money -= amount;
      accounts[b].money += amount;
      pthread_mutex_unlock(&accounts[high].mutex);
      pthread_mutex_unlock(&accounts[low].mutex);
      hashes[me] = hashes[me] * 31 + a + amount;
    }
    usleep(2000);
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
      audit(round);
      pthread_mutex_lock(&mutex);
      audited = round + 1;
      pthread_cond_broadcast(&cond);
      pthread_mutex_unlock(&mutex);
    }
    pthread_mutex_lock(&mutex);
    while (audited <= round) pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

int main(void) {
  pthread_t t[THREADS];
  pthread_barrier_init(&barrier, NULL, THREADS);
  for (int i = 0; i < ACCOUNTS; i++) {
    pthread_mutex_init(&accounts[i].mutex, NULL);
    accounts[i].money = 1000;
  }
  for (long i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, work, (void *)i);
  for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
  return 0;
}
