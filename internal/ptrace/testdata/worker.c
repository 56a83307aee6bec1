// A program that does nothing but check itself, round after round: whatever an
// engine does to it, living or dying, every round has to give the same result.
//
//   worker MODE   MODE: main, ucontext, thread or sleep
//
// It prints "tid N" and then "ok N" for each round, or what went wrong, and
// ends when nobody reads that any more.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

typedef double v4 __attribute__((vector_size(32)));
typedef uint64_t u4 __attribute__((vector_size(32)));

static volatile sig_atomic_t ticks;
static void on_alarm(int sig) { ticks++; }

static void bad(const char *what) {
	dprintf(1, "BAD %s\n", what);
	_exit(1);
}

#define BODY                                                                   \
	v4 f = {1.5, 2.5, 3.5, 4.5};                                           \
	u4 u = {1, 2, 3, 4};                                                   \
	uint64_t h = 14695981039346656037u, a = 1, b = 2, c = 3, d = 4;        \
	for (int i = 0; i < 400000; i++) {                                     \
		f = f * 1.0000001 + 0.25;                                      \
		u = u * 3 + (u >> 7);                                          \
		h = (h ^ (uint64_t)i) * 1099511628211u;                        \
		a += h; b ^= a; c = c * 5 + b; d -= c;                         \
	}                                                                      \
	for (int i = 0; i < 4; i++) {                                          \
		double x = f[i];                                               \
		uint64_t y;                                                    \
		memcpy(&y, &x, 8);                                             \
		h = (h ^ y ^ u[i]) * 1099511628211u;                           \
	}                                                                      \
	return h ^ a ^ b ^ c ^ d;

static uint64_t sum_sse(void) { BODY }
__attribute__((target("avx2"))) static uint64_t sum_avx(void) { BODY }

static uint64_t sum(void) {
	return __builtin_cpu_supports("avx2") ? sum_avx() : sum_sse();
}

static int sleeping;

static uint64_t round_(void) {
	if (!sleeping)
		return sum();
	struct timespec t0, t1, d = {0, 10000000}, rem = {7, 7};
	clock_gettime(CLOCK_MONOTONIC, &t0);
	if (nanosleep(&d, &rem))
		bad("nanosleep failed");
	clock_gettime(CLOCK_MONOTONIC, &t1);
	if ((t1.tv_sec - t0.tv_sec) * 1000000000L + t1.tv_nsec - t0.tv_nsec < 10000000)
		bad("slept too short");
	return 1;
}

static void loop(void) {
	unsigned char stack[4096];
	memset(stack, 0x5a, sizeof stack);
	sigset_t mask, now;
	stack_t ss, ss2;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	sigaltstack(NULL, &ss);
	uint64_t want = round_();
	dprintf(1, "tid %ld\n", (long)syscall(SYS_gettid));
	for (long n = 1;; n++) {
		if (round_() != want)
			bad("checksum");
		for (size_t i = 0; i < sizeof stack; i++)
			if (((volatile unsigned char *)stack)[i] != 0x5a)
				bad("stack");
		sigprocmask(SIG_BLOCK, NULL, &now);
		if (memcmp(&mask, &now, 8))
			bad("signal mask");
		sigaltstack(NULL, &ss2);
		if (ss.ss_sp != ss2.ss_sp || ss.ss_size != ss2.ss_size || ss.ss_flags != ss2.ss_flags)
			bad("alternate stack");
		if (dprintf(1, "ok %ld %d\n", n, (int)ticks) < 0)
			_exit(0);
	}
}

static void *thread(void *arg) { loop(); return arg; }

int main(int argc, char **argv) {
	const char *mode = argc > 1 ? argv[1] : "main";
	signal(SIGPIPE, SIG_IGN);
	stack_t ss = {.ss_sp = malloc(16384), .ss_size = 16384};
	sigaltstack(&ss, NULL);
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	sigprocmask(SIG_BLOCK, &s, NULL);
	sleeping = !strcmp(mode, "sleep");
	if (!sleeping) {
		struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
		sigaction(SIGALRM, &sa, NULL);
		struct itimerval it = {{0, 500}, {0, 500}};
		setitimer(ITIMER_REAL, &it, NULL);
	}
	if (!strcmp(mode, "ucontext")) {
		static ucontext_t here, there;
		// What lies right below a coroutine's stack belongs to somebody else.
		static unsigned char area[2][65536];
		memset(area[0], 0x77, sizeof area[0]);
		getcontext(&there);
		there.uc_stack.ss_sp = area[1];
		there.uc_stack.ss_size = sizeof area[1];
		there.uc_link = &here;
		makecontext(&there, loop, 0);
		swapcontext(&here, &there);
	} else if (!strcmp(mode, "thread")) {
		pthread_t t;
		pthread_create(&t, NULL, thread, NULL);
		pthread_join(t, NULL);
	} else
		loop();
}
