// A program that is saved and must not notice. It works until its input ends,
// prints a line a round, and checks its registers, its memory below the stack
// pointer, and its signal mask.
#include <errno.h>
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
	prctl(PR_SET_PDEATHSIG, SIGURG); // comes when any thread of the test ends that made us
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	sigprocmask(SIG_SETMASK, &mask, 0);
	raise(SIGUSR2);
}

int main(int argc, char **argv) {
	const char *mode = argc > 1 ? argv[1] : "";
	if (!strcmp(mode, "epoll")) waits();
	if (!strcmp(mode, "subreaper")) prctl(PR_SET_CHILD_SUBREAPER, 1); // has no twin
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
	if (!strcmp(mode, "large")) { // every word is its own index; in the middle is a page that may not be read
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
