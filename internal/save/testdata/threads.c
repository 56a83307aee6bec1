// A program of many threads that are saved and must not notice.
//
//   threads N             N threads besides the leader: each in another call
//   threads N leaderless  ... and the leader has ended
//   threads churn         threads that make others and end, without a pause
//   threads own-fds       a thread with a descriptor table of its own
//   threads own-fs        a thread with a working directory of its own
//   threads sharer        another process shares the memory
//   threads state         a thread with one of everything
//
// It prints "ok 0" and then "ok N" after each round in which all threads that
// do not only wait have gone on, or what went wrong.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int n, never[2];
static volatile unsigned rounds[1024];
static volatile int ready;

static void say(const char *what, long k) {
	char line[100];
	if (write(1, line, snprintf(line, sizeof line, "%s %ld\n", what, k)) < 0) _exit(0);
}

static void bad(const char *what) {
	say(what, errno);
	_exit(1);
}

static void *works(void *arg) {
	int me = (int)(intptr_t)arg;
	char name[16];
	snprintf(name, sizeof name, "worker %d", me);
	pthread_setname_np(pthread_self(), name);
	struct timespec ms = {0, 1000000};
	struct epoll_event e;
	sigset_t none;
	sigemptyset(&none);
	sigaddset(&none, SIGRTMAX);
	int word = 7, ep = epoll_create1(0);
	char c;
	for (;; rounds[me]++) {
		long r = 0;
		switch (me % 8) {
		case 0: r = nanosleep(&ms, 0); break;
		case 1: r = poll(0, 0, 1); break;
		case 2: r = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 7, &ms, 0, 0) < 0 && errno == ETIMEDOUT ? 0 : -1; break;
		case 3: r = epoll_wait(ep, &e, 1, 1); break;
		case 4: { struct timeval tv = {0, 1000}; r = select(0, 0, 0, 0, &tv); break; }
		case 5: r = sigtimedwait(&none, 0, &ms) < 0 && errno == EAGAIN ? 0 : -1; break;
		case 6: r = read(never[0], &c, 1); break; // for ever
		case 7: { volatile double f = 1; for (int i = 0; i < 10000; i++) f = f * 1.0001; usleep(1000); } break;
		}
		if (r) bad("BAD result");
	}
}

static void begin(void *(*f)(void *), int i) {
	pthread_t t;
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 65536);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	while (pthread_create(&t, &a, f, (void *)(intptr_t)i)) sched_yield();
}

static void *churn(void *arg) {
	rounds[0]++;
	begin(churn, 0);
	return arg;
}

static void *apart(void *arg) {
	if (unshare((int)(intptr_t)arg)) bad("BAD unshare");
	ready = 1;
	for (;;) pause();
}

static void handler(int sig) {}

static void *state(void *arg) {
	stack_t s = {.ss_sp = malloc(32768), .ss_size = 32768};
	sigaltstack(&s, 0);
	prctl(PR_SET_NAME, "state)\n");
	prctl(PR_SET_TIMERSLACK, 777777);
	prctl(PR_SET_PDEATHSIG, SIGURG); // comes when the thread of the test ends that made us
	setpriority(0, (int)syscall(SYS_gettid), 5);
	struct sched_param p = {0};
	pthread_setschedparam(pthread_self(), SCHED_BATCH, &p);
	syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6);
	cpu_set_t cpu;
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	sched_setaffinity(0, sizeof cpu, &cpu);
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGRTMIN + 3);
	pthread_sigmask(SIG_SETMASK, &mask, 0);
	pthread_sigqueue(pthread_self(), SIGRTMIN + 3, (union sigval){.sival_int = 4711});
	timer_t id;
	struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = 64};
	e._sigev_un._tid = (int)syscall(SYS_gettid);
	timer_create(CLOCK_MONOTONIC, &e, &id);
	ready = 1;
	for (;;) pause();
}

// Ends with the process that made it, which it is no child of.
static int sharer(void *of) {
	for (int fd = 0; fd < 10; fd++) close(fd); // the test waits for the end of output
	while (kill((int)(intptr_t)of, 0) == 0) usleep(10000);
	_exit(0);
}

static void report(void) {
	unsigned before[1024];
	for (long k = 0;; k++) {
		say("ok", k);
		usleep(1000);
		memcpy(before, (void *)rounds, sizeof before);
		for (int i = 0; i < n; i++)
			while (i % 8 != 6 && rounds[i] - before[i] < 2) usleep(1000);
	}
}

static void *reports(void *arg) { report(); return arg; }

int main(int argc, char **argv) {
	const char *mode = argc > 1 ? argv[1] : "1";
	signal(SIGUSR1, handler);
	pipe(never);
	// They wait for it; nobody sends it.
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGRTMAX);
	pthread_sigmask(SIG_BLOCK, &mask, 0);
	n = atoi(mode);
	for (int i = 0; i < n; i++) begin(works, i);
	if (!strcmp(mode, "churn")) {
		n = 1;
		for (int i = 0; i < 4; i++) begin(churn, 0);
	}
	if (!strcmp(mode, "own-fds")) begin(apart, CLONE_FILES);
	else if (!strcmp(mode, "own-fs")) begin(apart, CLONE_FS);
	else if (!strcmp(mode, "state")) begin(state, 0);
	else ready = 1;
	while (!ready) usleep(1000);
	if (!strcmp(mode, "sharer")) {
		// Not our child: that is another reason.
		char *stack = malloc(65536);
		if (clone(sharer, stack + 65536, CLONE_VM | CLONE_PARENT, (void *)(intptr_t)getpid()) < 0) bad("BAD clone");
		n = 1;
		begin(works, 0);
	}
	if (argc > 2) {
		begin(reports, 0);
		pthread_exit(0);
	}
	report();
}
