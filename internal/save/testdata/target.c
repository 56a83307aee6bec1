// A program that is saved and must not notice. It works until its input ends,
// prints a line a round, and checks its registers, its memory below the stack
// pointer, and its signal mask.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t signals;
static void handler(int sig) { signals++; }

static void say(const char *what, long n) {
	printf("%s %ld\n", what, n);
	fflush(stdout);
}

static void work(void) {
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	sigprocmask(SIG_SETMASK, &mask, 0);
	size_t size = 8 << 20;
	unsigned char *p = malloc(size);
	for (size_t i = 0; i < size; i++) p[i] = i * 7;
	for (long n = 0;; n++) {
		uint64_t sum = 0, again = 0;
		double f = 1.5;
		for (int i = 0; i < 20000; i++) { sum = sum * 31 + i; f = f * 1.0001 + 0.25; }
		static double first;
		if (!first) first = f;
		for (int i = 0; i < 20000; i++) again = again * 31 + i;
		sigset_t now;
		sigprocmask(SIG_SETMASK, 0, &now);
		if (sum != again || f != first || p[n % size] != (unsigned char)((n % size) * 7) ||
		    !sigismember(&now, SIGUSR2) || sigismember(&now, SIGUSR1)) {
			say("BAD", n);
			exit(1);
		}
		struct timespec t = {0, 1000000};
		if (nanosleep(&t, 0)) say("EINTR", n);
		else say("ok", n);
	}
}

// Waits for ever in epoll_wait and tells how that ended.
static void waits(void) {
	struct sigaction a = {.sa_handler = handler};
	sigaction(SIGUSR1, &a, 0);
	struct epoll_event e;
	int fd = epoll_create1(EPOLL_CLOEXEC);
	say("ok", 0);
	for (long n = 1;; n++) {
		int r = epoll_wait(fd, &e, 1, -1);
		say(r < 0 && errno == EINTR ? "EINTR" : "woke", signals);
	}
}

// Sets one of everything that a save has to ask the process for.
static void state(void) {
	struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
	sigaddset(&a.sa_mask, SIGTERM);
	sigaction(SIGUSR1, &a, 0);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTRAP, SIG_IGN); // which a breakpoint would change
	struct sigaction c = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
	sigaction(SIGCHLD, &c, 0);
	stack_t s = {.ss_sp = malloc(65536), .ss_size = 65536};
	sigaltstack(&s, 0);
	struct itimerval i = {{7000, 3}, {1000, 0}};
	setitimer(ITIMER_REAL, &i, 0);
	timer_t id;
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 64};
	struct itimerspec t = {{5, 6}, {2000, 0}};
	timer_create(CLOCK_MONOTONIC, &e, &id);
	timer_settime(id, 0, &t, 0);
	prctl(PR_SET_TIMERSLACK, 123456);
	prctl(PR_SET_PDEATHSIG, SIGURG); // comes when the thread of the test ends that made us
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	sigprocmask(SIG_SETMASK, &mask, 0);
	raise(SIGUSR2);
}

// Writes, gives back, maps anew and protects pages at random, and notes in a table what
// each of them holds: its number, or 0. Those of one step are pending meanwhile. The
// n-th is a mapping of 16 pages that is moved to and fro.
static void restless(void) {
	enum { n = 8192 };
	struct { uint64_t from, to, rounds, moved, is[n + 1]; } *volatile note = mmap((void *)0x300000000, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	char *base = mmap((void *)0x200000000, n * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	char *places[2] = {(char *)0x280000000, (char *)0x290000000};
	uint64_t x = 88172645463325252;
	if (mmap(places[0], 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != places[0]) exit(1);
	if (base == MAP_FAILED || note == MAP_FAILED) exit(1);
#define RANDOM(m) (x ^= x << 13, x ^= x >> 7, x ^= x << 17, x % (m))
#define BARRIER __asm__ volatile("" ::: "memory")
	for (uint64_t round = 1;; round++) {
		uint64_t what = RANDOM(1000), from = RANDOM(n), len = 1;
		if (what > 990) len = RANDOM(64) + 1;
		if (what > 997) from &= ~511ull, len = 512 * (RANDOM(3) + 1);
		if (what < 10) from = n;
		else if (from + len > n) len = n - from;
		char *at = base + from * 4096;
		note->from = from, note->to = from + len;
		BARRIER;
		if (what > 995) {
			if (what % 2 ? madvise(at, len * 4096, MADV_DONTNEED) : mmap(at, len * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) exit(1);
			for (uint64_t i = from; i < from + len; i++) note->is[i] = 0;
		} else if (what > 990) {
			if (mprotect(at, len * 4096, PROT_READ) || mprotect(at, len * 4096, PROT_READ | PROT_WRITE)) exit(1);
		} else if (what < 5) {
			int to = !note->moved;
			if (mremap(places[!to], 16 * 4096, 16 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, places[to]) != places[to]) exit(1);
			note->moved = to;
		} else {
			if (what < 10) at = places[note->moved];
			for (int i = 0; i < (what < 10 ? 16 * 512 : 512); i += 64) ((uint64_t *)at)[i] = round;
			note->is[from] = round;
		}
		BARRIER;
		note->from = note->to = 0;
		note->rounds = round;
		if (round % 20000 == 1) say("ok", round);
		if (round % 50 == 0) usleep(50);
	}
}

int main(int argc, char **argv) {
	const char *mode = argc > 1 ? argv[1] : "";
	if (!strcmp(mode, "library") && mmap(0, 1 << 17, PROT_READ | PROT_EXEC, MAP_PRIVATE, open(argv[2], O_RDONLY), 0) == MAP_FAILED) return 1;
	if (!strcmp(mode, "epoll") || !strcmp(mode, "library")) waits();
	if (strstr(mode, "subreaper")) prctl(PR_SET_CHILD_SUBREAPER, 1); // has no twin
	if (!strcmp(mode, "restless")) restless();
	if (!strcmp(mode, "undumpable")) prctl(PR_SET_DUMPABLE, 0);
	if (!strcmp(mode, "parent") && fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) pause();
	}
	if (!strcmp(mode, "vfork")) { // stopped uninterruptibly until the child has ended
		say("ok", 0);
		if (vfork() == 0) {
			char c;
			while (read(0, &c, 1) > 0);
			_exit(0);
		}
	}
	if (!strncmp(mode, "large", 5)) { // every word is its own index; in the middle is a page that may not be read
		enum { words = 3 << 20 };
		long *at = mmap((void *)0x200000000, 8 * words, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		for (long i = 0; i < words; i++) at[i] = i;
		if (at == MAP_FAILED || mprotect(at + words / 2, 4096, PROT_NONE)) return 1;
	}
	if (!strcmp(mode, "zombie") && fork() == 0) _exit(0);
	if (!strcmp(mode, "blocked")) {
		sigset_t all;
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, 0);
		for (long n = 0;; n++) { usleep(1000); say("ok", n); }
	}
	if (!strcmp(mode, "file")) { // keeps argv[2] mapped, and holds it open if there is argv[3]
		FILE *f = fopen(argv[2], "r+");
		if (!f || mmap(0, 4096, PROT_READ, MAP_SHARED, fileno(f), 0) == MAP_FAILED) return 1;
		if (argc < 4) fclose(f);
	}
	if (!strcmp(mode, "state")) state();
	work();
}
