// Makes one call that waits 400 ms if nobody disturbs it, and prints the
// result, errno and how many milliseconds it took.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct timespec start;

static long ms(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (t.tv_sec - start.tv_sec) * 1000 + (t.tv_nsec - start.tv_nsec) / 1000000;
}

int main(int argc, char **argv) {
	const char *m = argv[1];
	struct timespec d = {0, 400000000}, rem = {9, 9};
	struct timeval tv = {0, 400000};
	int p[2], sv[2], word = 1, ep = epoll_create1(0);
	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	int sem = semget(IPC_PRIVATE, 1, 0600);
	struct epoll_event ev;
	struct pollfd pf = {p[0], POLLIN};
	struct sembuf down = {0, -1, 0};
	fd_set set;
	FD_ZERO(&set);
	FD_SET(p[0], &set);
	sigset_t usr1;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	char c;
	long r = -2;

	printf("ready\n");
	fflush(stdout);
	clock_gettime(CLOCK_MONOTONIC, &start);
	errno = 0;
	if (!strcmp(m, "nanosleep"))
		r = syscall(SYS_nanosleep, &d, &rem);
	else if (!strcmp(m, "nanosleep-null"))
		r = syscall(SYS_nanosleep, &d, NULL);
	else if (!strcmp(m, "clock_nanosleep"))
		r = syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &d, &rem);
	else if (!strcmp(m, "clock_nanosleep-abs")) {
		d = start;
		d.tv_nsec += 400000000;
		if (d.tv_nsec >= 1000000000)
			d.tv_nsec -= 1000000000, d.tv_sec++;
		r = syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &d, NULL);
	} else if (!strcmp(m, "poll"))
		r = poll(&pf, 1, 400);
	else if (!strcmp(m, "ppoll"))
		r = ppoll(&pf, 1, &d, &usr1);
	else if (!strcmp(m, "select"))
		r = select(p[0] + 1, &set, NULL, NULL, &tv);
	else if (!strcmp(m, "futex"))
		r = syscall(SYS_futex, &word, FUTEX_WAIT, 1, &d, NULL, 0);
	else if (!strcmp(m, "epoll_wait"))
		r = epoll_wait(ep, &ev, 1, 400);
	else if (!strcmp(m, "sigtimedwait"))
		r = sigtimedwait(&usr1, NULL, &d);
	else if (!strcmp(m, "recv"))
		r = recv(sv[0], &c, 1, 0);
	else if (!strcmp(m, "semtimedop"))
		r = semtimedop(sem, &down, 1, &d);
	else if (!strcmp(m, "vfork")) {
		// The parent waits in state D, where nothing but death reaches it.
		if (!vfork()) {
			nanosleep(&d, NULL);
			_exit(0);
		}
		r = 0;
	} else if (!strcmp(m, "seccomp")) {
		// Whoever calls getuid is killed.
		struct sock_filter f[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getuid, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		struct sock_fprog prog = {4, f};
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		r = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
		nanosleep(&d, NULL);
	}
	printf("%ld %d %ld\n", r, errno, ms());
	semctl(sem, 0, IPC_RMID);
	return 0;
}
