/*
 * program is what the benchmark saves and restores: a process with so much
 * memory that beats regularly. It talks to the benchmark through a shared
 * mapped file, which lives on beside the process when it is killed: at 0 the
 * words of struct header, at 4096 the times of the last beats.
 *
 * usage: program FILE BYTES MICROSECONDS OWNER THREADS PROCESSES RANDOM DIRTY
 *
 * RANDOM is 1 if all of the memory is to be random, and DIRTY how many bytes of
 * pages it writes to in a second, at random, what they hold already.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BEATS = 65536, PAGE = 4096, MIXTURE = 256 };
enum { FORK = 1, CHECK = 2, QUIT = 3, WRITE = 4 };

struct header {
	uint64_t beats;   /* so far; the time of beat i is at i % BEATS */
	uint64_t command; /* FORK and so on, set by the benchmark, 0 when done */
	uint64_t answer;  /* to the last command: FORK: ns; CHECK: 1 if the memory is as it was */
};

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/*
 * fill mixes memory: of every 256 pages the first 32 are zeros (written to, so
 * that they are there), then come random pages and text by turns, with a lone
 * page of zeros now and then. Or all is random.
 */
static void fill(uint64_t *m, size_t words, int random)
{
	static const char text[] = "the quick brown fox jumps over the lazy dog; ";
	uint64_t x = 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < words; i++) {
		size_t page = i * 8 / PAGE % MIXTURE;
		if (random) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			m[i] = x;
		} else if (page < 32 || page == 100 || page == 200) {
			m[i] = 0;
		} else if (page / 8 % 2) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			m[i] = x;
		} else {
			memcpy(&m[i], text + i * 8 % (sizeof text - 8), 8);
		}
	}
}

/* touch writes to some page what it holds already. */
static void touch(volatile uint64_t *m, size_t pages)
{
	static uint64_t x = 88172645463325252;
	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	volatile uint64_t *word = m + x % pages * (PAGE / 8);
	*word = *word;
}

/* dirty writes to as many pages as are due, up to some at once. */
static void dirty(volatile uint64_t *m, size_t pages, uint64_t rate, uint64_t since)
{
	static uint64_t done;
	uint64_t due = (now() - since) / 1000 * rate / PAGE / 1000000;
	for (int i = 0; done < due && i < 1000; i++, done++)
		touch(m, pages);
	if (done + 1000 < due)
		done = due; /* it stood still: that is not made up for */
}

static uint64_t checksum(const uint64_t *m, size_t words)
{
	uint64_t h = 1;
	for (size_t i = 0; i < words; i++)
		h = (h ^ m[i]) * 0x100000001b3;
	return h;
}

/* time_fork is how long fork() holds the caller up. */
static uint64_t time_fork(void)
{
	uint64_t t = now();
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	t = now() - t;
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return child > 0 ? t : 0;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *idle(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* company starts threads and child processes, up to so many with the caller. */
static void company(int threads, int processes)
{
	pid_t self = getpid();
	for (int i = 1; i < processes; i++) {
		pid_t child = fork();
		if (child < 0)
			die("fork");
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != self)
				_exit(1);
			idle(NULL);
		}
	}
	pthread_attr_t small;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 << 10);
	for (int i = 1; i < threads; i++) {
		pthread_t t;
		errno = pthread_create(&t, &small, idle, NULL);
		if (errno)
			die("pthread_create");
	}
}

int main(int argc, char **argv)
{
	if (argc != 9) {
		fprintf(stderr, "usage: program FILE BYTES MICROSECONDS OWNER THREADS PROCESSES RANDOM DIRTY\n");
		return 2;
	}
	size_t size = strtoull(argv[2], NULL, 0), words = size / 8;
	long pause = atol(argv[3]);
	pid_t owner = atoi(argv[4]);
	close_range(3, ~0U, 0); /* what the benchmark's caller may have left open */

	int fd = open(argv[1], O_RDWR);
	if (fd < 0)
		die(argv[1]);
	size_t shared = PAGE + BEATS * sizeof(uint64_t);
	volatile struct header *h = mmap(NULL, shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (h == MAP_FAILED)
		die("mmap");
	close(fd);
	volatile uint64_t *beat = (volatile uint64_t *)((volatile char *)h + PAGE);

	uint64_t *memory = NULL;
	if (size) {
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			die("mmap");
		fill(memory, words, atoi(argv[7]));
	}
	uint64_t sum = checksum(memory, words);
	company(atoi(argv[5]), atoi(argv[6]));

	uint64_t rate = strtoull(argv[8], NULL, 0), start = now();
	struct timespec t = { 0, pause * 1000 };
	for (uint64_t n = 0;; n++) {
		beat[h->beats % BEATS] = now();
		h->beats++;
		if (rate && size)
			dirty(memory, size / PAGE, rate, start);
		if (h->command == FORK) {
			h->answer = time_fork();
			h->command = 0;
		} else if (h->command == CHECK) {
			h->answer = checksum(memory, words) == sum;
			h->command = 0;
		} else if (h->command == WRITE) {
			for (size_t i = 0; i < size / PAGE / 100; i++)
				touch(memory, size / PAGE);
			h->command = 0;
		}
		if (h->command == QUIT) {
			h->command = 0;
			return 0;
		}
		/* Whatever becomes of the benchmark, this does not stay behind. */
		if (n % 64 == 0 && kill(owner, 0) < 0 && errno == ESRCH)
			return 1;
		nanosleep(&t, NULL);
	}
}
