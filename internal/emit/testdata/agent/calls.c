/* One system call a mode, as libc makes it: mov $number, %eax; syscall. It
 * prints "ready NUMBER", makes the call, and prints what it returned and how many
 * milliseconds it took. SIGUSR1 has a handler without SA_RESTART. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define INLINE(insns, number, a, b, c, d, e, f)                                               \
	({                                                                                    \
		long ret, rdi = (long)(a), rsi = (long)(b), rdx = (long)(c);                  \
		register long r10 __asm__("r10") = (long)(d), r8 __asm__("r8") = (long)(e),   \
			      r9 __asm__("r9") = (long)(f);                                   \
		__asm__ volatile(insns : "=&a"(ret)                                           \
				 : "i"(number), "D"(rdi), "S"(rsi), "d"(rdx), "r"(r10),       \
				   "r"(r8), "r"(r9)                                           \
				 : "rcx", "r11", "memory");                                   \
		ret;                                                                          \
	})
#define CALL(...) INLINE("movl %1, %%eax\n\tsyscall", __VA_ARGS__)
#define RAW(...) INLINE("movl %1, %%eax\n\tnop\n\tsyscall", __VA_ARGS__)

static struct timespec two = { 2, 0 }, rest;
static sigset_t usr1; /* empty but for it */
static int fd;	      /* of nothing that ever happens */
static int word = 5;

static struct timespec *later(void)
{
	static struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += 2;
	return &t;
}

static long call_pause(void) { return CALL(SYS_pause, 0, 0, 0, 0, 0, 0); }
static long call_raw(void) { return RAW(SYS_pause, 0, 0, 0, 0, 0, 0); }
static long call_suspend(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	return CALL(SYS_rt_sigsuspend, &none, 8, 0, 0, 0, 0);
}
static long call_sleep(void) { return CALL(SYS_nanosleep, &two, &two, 0, 0, 0, 0); }
static long call_sleep_rest(void) { return CALL(SYS_nanosleep, &two, &rest, 0, 0, 0, 0); }
static long call_sleep_null(void) { return CALL(SYS_nanosleep, &two, 0, 0, 0, 0, 0); }
static long call_clock(void) { return CALL(SYS_clock_nanosleep, 1, 0, &two, &two, 0, 0); }
static long call_clock_null(void) { return CALL(SYS_clock_nanosleep, 1, 0, &two, 0, 0, 0); }
static long call_clock_until(void) { return CALL(SYS_clock_nanosleep, 1, TIMER_ABSTIME, later(), 0, 0, 0); }
static long call_select(void)
{
	struct timeval t = { 2, 0 };
	return CALL(SYS_select, 0, 0, 0, 0, &t, 0);
}
static long call_select_forever(void)
{
	long set[16] = { 1L << fd };
	return CALL(SYS_select, fd + 1, set, 0, 0, 0, 0);
}
static long call_select_sticky(void)
{
	personality(STICKY_TIMEOUTS);
	return call_select();
}
static long call_pselect(void) { return CALL(SYS_pselect6, 0, 0, 0, 0, &two, 0); }
static long call_pselect_forever(void) { return CALL(SYS_pselect6, 0, 0, 0, 0, 0, 0); }
static struct pollfd nothing(void) { return (struct pollfd){ fd, POLLIN, 0 }; }
static long call_ppoll(void)
{
	struct pollfd p = nothing();
	return CALL(SYS_ppoll, &p, 1, &two, 0, 0, 0);
}
static long call_ppoll_mask(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	return CALL(SYS_ppoll, 0, 0, 0, &none, 8, 0);
}
static long call_poll(void)
{
	struct pollfd p = nothing();
	return CALL(SYS_poll, &p, 1, -1, 0, 0, 0);
}
static long call_poll_limit(void)
{
	struct pollfd p = nothing();
	return CALL(SYS_poll, &p, 1, 2000, 0, 0, 0);
}
static struct epoll_event event;
static long call_epoll(void) { return CALL(SYS_epoll_wait, epoll_create1(0), &event, 1, -1, 0, 0); }
static long call_epoll_limit(void) { return CALL(SYS_epoll_wait, epoll_create1(0), &event, 1, 2000, 0, 0); }
static long call_epoll_pwait(void) { return CALL(SYS_epoll_pwait, epoll_create1(0), &event, 1, -1, 0, 8); }
static long call_epoll_pwait2(void) { return CALL(SYS_epoll_pwait2, epoll_create1(0), &event, 1, 0, 0, 8); }
static long call_epoll_pwait2_limit(void)
{
	return CALL(SYS_epoll_pwait2, epoll_create1(0), &event, 1, &two, 0, 8);
}
static sigset_t *term(void)
{
	static sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	return &set;
}
static long call_sigwait(void) { return CALL(SYS_rt_sigtimedwait, term(), 0, 0, 8, 0, 0); }
static long call_sigwait_limit(void) { return CALL(SYS_rt_sigtimedwait, term(), 0, &two, 8, 0, 0); }
static long call_futex_until(void)
{
	return CALL(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 5, later(), 0, -1);
}
static long call_futex_limit(void) { return CALL(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 5, &two, 0, 0); }
static long call_semop(void)
{
	struct sembuf down = { 0, -1, 0 };
	int id = semget(IPC_PRIVATE, 1, 0600);
	long ret = CALL(SYS_semop, id, &down, 1, 0, 0, 0);
	semctl(id, 0, IPC_RMID);
	return ret;
}
static long call_semtimedop(void)
{
	struct sembuf down = { 0, -1, 0 };
	int id = semget(IPC_PRIVATE, 1, 0600);
	long ret = CALL(SYS_semtimedop, id, &down, 1, 0, 0, 0);
	semctl(id, 0, IPC_RMID);
	return ret;
}
static long call_semtimedop_limit(void)
{
	struct sembuf down = { 0, -1, 0 };
	int id = semget(IPC_PRIVATE, 1, 0600);
	long ret = CALL(SYS_semtimedop, id, &down, 1, &two, 0, 0);
	semctl(id, 0, IPC_RMID);
	return ret;
}
static struct {
	long type;
	char text[4096];
} message = { .type = 1 };
static long call_msgrcv(void)
{
	int id = msgget(IPC_PRIVATE, 0600);
	long ret = CALL(SYS_msgrcv, id, &message, sizeof message.text, 0, 0, 0);
	msgctl(id, IPC_RMID, NULL);
	return ret;
}
static long call_msgsnd(void)
{
	int id = msgget(IPC_PRIVATE, 0600);
	while (msgsnd(id, &message, sizeof message.text, IPC_NOWAIT) == 0)
		;
	long ret = CALL(SYS_msgsnd, id, &message, sizeof message.text, 0, 0, 0);
	msgctl(id, IPC_RMID, NULL);
	return ret;
}
static long call_aio(void)
{
	unsigned long ctx = 0;
	char events[32];
	if (syscall(SYS_io_setup, 1, &ctx))
		return 1;
	return CALL(SYS_io_getevents, ctx, 1, 1, events, 0, 0);
}
static long call_aio_pgetevents(void)
{
	unsigned long ctx = 0;
	char events[32];
	if (syscall(SYS_io_setup, 1, &ctx))
		return 1;
	return CALL(SYS_io_pgetevents, ctx, 1, 1, events, 0, 0);
}

static void handler(int s) { (void)s; }

int main(int argc, char **argv)
{
#define MODE(name, nr) { #name, SYS_##nr, call_##name }
	static const struct {
		const char *name;
		int nr;
		long (*make)(void);
	} modes[] = {
		MODE(pause, pause), MODE(raw, pause), MODE(suspend, rt_sigsuspend),
		MODE(sleep, nanosleep), MODE(sleep_rest, nanosleep), MODE(sleep_null, nanosleep),
		MODE(clock, clock_nanosleep), MODE(clock_null, clock_nanosleep), MODE(clock_until, clock_nanosleep),
		MODE(select, select), MODE(select_forever, select), MODE(select_sticky, select),
		MODE(pselect, pselect6), MODE(pselect_forever, pselect6),
		MODE(ppoll, ppoll), MODE(ppoll_mask, ppoll), MODE(poll, poll), MODE(poll_limit, poll),
		MODE(epoll, epoll_wait), MODE(epoll_limit, epoll_wait), MODE(epoll_pwait, epoll_pwait),
		MODE(epoll_pwait2, epoll_pwait2), MODE(epoll_pwait2_limit, epoll_pwait2),
		MODE(sigwait, rt_sigtimedwait), MODE(sigwait_limit, rt_sigtimedwait),
		MODE(futex_until, futex), MODE(futex_limit, futex),
		MODE(semop, semop), MODE(semtimedop, semtimedop), MODE(semtimedop_limit, semtimedop),
		MODE(msgrcv, msgrcv), MODE(msgsnd, msgsnd),
		MODE(aio, io_getevents), MODE(aio_pgetevents, io_pgetevents),
	};
	struct sigaction act = { .sa_handler = handler };
	struct timespec a, b;
	int ends[2];
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	if (sigaction(SIGUSR1, &act, NULL) || pipe(ends))
		return 2;
	fd = ends[0];
	for (unsigned i = 0; argc > 1 && i < sizeof modes / sizeof *modes; i++) {
		if (strcmp(argv[1], modes[i].name))
			continue;
		printf("ready %d\n", modes[i].nr);
		fflush(stdout);
		clock_gettime(CLOCK_MONOTONIC, &a);
		long ret = modes[i].make();
		clock_gettime(CLOCK_MONOTONIC, &b);
		printf("%ld %ld\n", ret, (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
		return 0;
	}
	return 99;
}
