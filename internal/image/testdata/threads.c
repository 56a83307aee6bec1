// Eight threads and the first one, each at a depth of its own, all waiting.
// When they are there, the first one calls ready.
#include <pthread.h>
#include <unistd.h>

enum { count = 8 };
static pthread_barrier_t there;

__attribute__((noinline)) static int deep(int n)
{
	if (n > 0)
		return deep(n - 1) + n;
	pthread_barrier_wait(&there);
	return pause();
}

static void *run(void *arg) { return (void *)(long)(deep((int)(long)arg) + 1); }

__attribute__((noinline)) void ready(void) { __asm__ volatile("" ::: "memory"); }

int main(void)
{
	pthread_t t;
	pthread_barrier_init(&there, 0, count + 1);
	for (long i = 1; i <= count; i++)
		pthread_create(&t, 0, run, (void *)i);
	pthread_barrier_wait(&there);
	usleep(100000); // until they are all in pause
	ready();
	return 0;
}
