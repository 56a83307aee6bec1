// A program of many threads that check themselves.
//
//   threads N        N threads besides the leader, each in a call or computing
//   threads churn    threads that make others and end, without a pause
//   threads exec     a thread executes another program at the first byte of input
//   threads leader   the leader has ended, three threads run
//
// It prints "ready", and then a line "ok" whenever all its threads have done
// some rounds more, or what went wrong.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int n;
static volatile unsigned rounds[512];
static char stacks[512][65536] __attribute__((aligned(64)));

static void bad(const char *what) {
	dprintf(1, "BAD %s\n", what);
	_exit(1);
}

static uint64_t sum(uint64_t h) {
	double f = 1.5;
	for (int i = 0; i < 20000; i++) {
		f = f * 1.0000001 + 0.25;
		h = (h ^ (uint64_t)i) * 1099511628211u;
	}
	return h ^ (uint64_t)f;
}

// The stacks lie beside each other without any room between them.
static void *work(void *arg) {
	int me = (int)(intptr_t)arg;
	unsigned char here[2048];
	stack_t s = {.ss_sp = malloc(16384), .ss_size = 16384}, now;
	sigaltstack(&s, NULL);
	sigset_t mask, mask2;
	sigemptyset(&mask);
	sigaddset(&mask, SIGRTMIN + me % 20);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	memset(here, me, sizeof here);
	uint64_t want = sum(me);
	for (;; rounds[me]++) {
		struct timespec t = {0, 1000000}, rest = {7, 7};
		if (me % 3 == 0 && nanosleep(&t, &rest))
			bad("nanosleep failed");
		if (me % 3 == 1 && sum(me) != want)
			bad("checksum");
		if (me % 3 == 2 && syscall(SYS_futex, &rest, 128, 7, &t, 0, 0) != -1 && errno != ETIMEDOUT)
			bad("futex");
		if (me % 3 == 1 && n > 8)
			usleep(2000);
		for (size_t i = 0; i < sizeof here; i++)
			if (((volatile unsigned char *)here)[i] != (unsigned char)me)
				bad("stack");
		pthread_sigmask(SIG_BLOCK, NULL, &mask2);
		if (memcmp(&mask, &mask2, 8))
			bad("mask");
		sigaltstack(NULL, &now);
		if (now.ss_sp != s.ss_sp || now.ss_size != s.ss_size)
			bad("altstack");
	}
}

static void begin(void *(*f)(void *), int i) {
	pthread_t t;
	pthread_attr_t a;
	pthread_attr_init(&a);
	if (f == work)
		pthread_attr_setstack(&a, stacks[i], sizeof stacks[i]);
	else
		pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	while (pthread_create(&t, &a, f, (void *)(intptr_t)i))
		sched_yield();
}

static void *churn(void *arg) {
	begin(churn, 0);
	__sync_fetch_and_add(&rounds[0], 1);
	return arg;
}

static void *executes(void *arg) {
	char c, *argv[] = {"threads", "1", NULL};
	if (read(0, &c, 1) == 1)
		execv("/proc/self/exe", argv);
	return arg;
}

static void report(void) {
	unsigned before[512];
	for (;;) {
		memcpy(before, (void *)rounds, sizeof before);
		for (int i = 0; i < n; i++)
			while (rounds[i] - before[i] < 2)
				usleep(1000);
		if (dprintf(1, "ok\n") < 0)
			_exit(0);
	}
}

static void *reports(void *arg) { report(); return arg; }

int main(int argc, char **argv) {
	const char *mode = argc > 1 ? argv[1] : "1";
	signal(SIGPIPE, SIG_IGN);
	n = atoi(mode);
	if (!strcmp(mode, "churn")) {
		n = 1;
		for (int i = 0; i < 3; i++)
			begin(churn, 0);
	} else {
		if (!strcmp(mode, "leader"))
			n = 3;
		if (!strcmp(mode, "exec")) {
			n = 2;
			begin(executes, 0);
		}
		for (int i = 0; i < n; i++)
			begin(work, i);
	}
	dprintf(1, "ready\n");
	if (!strcmp(mode, "leader")) {
		begin(reports, 0);
		pthread_exit(NULL);
	}
	report();
}
