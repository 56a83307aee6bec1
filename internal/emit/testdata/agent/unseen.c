/* Raises the signal several times and looks for anything that it changed:
 * children, SIGCHLD, errno, descriptors, mappings, the blocked mask. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t chld;
static volatile int stop, reaped, all;

static void on_chld(int sig) { (void)sig; chld++; }

static void *waiter(void *arg)
{
	while (!stop) {
		if (waitpid(-1, NULL, all) > 0)
			reaped++;
		usleep(100);
	}
	return arg;
}

/* pages is the size of the address space; a leak may merge with a neighbour,
 * so that counting mappings would not show it. */
static int pages(void)
{
	char buf[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY);
	if (fd < 0 || read(fd, buf, sizeof buf - 1) <= 0)
		return -1;
	close(fd);
	return atoi(buf);
}

static int fail(const char *what, int n)
{
	fprintf(stderr, "%s: %d\n", what, n);
	return 1;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	struct sigaction sa = { .sa_handler = on_chld };
	if (!strcmp(mode, "ignore"))
		sa.sa_handler = SIG_IGN;
	if (!strcmp(mode, "nocldwait"))
		sa.sa_flags = SA_NOCLDWAIT;
	sigaction(SIGCHLD, &sa, NULL);
	/* wall: a program that reaps clones too takes the middle child away, as
	 * it is away in a restored process: the handler gets ECHILD. */
	if (!strcmp(mode, "wall"))
		all = __WALL;
	int p[2], fd = open("/proc/self/maps", O_RDONLY);
	if (pipe(p) || fd < 0 || dup2(fd, 500) != 500)
		return fail("descriptors", errno);
	pthread_t t;
	if (pthread_create(&t, NULL, waiter, NULL))
		return fail("thread", 0);
	sigset_t block, before, after; /* musl fills only their beginning */
	memset(&before, 0, sizeof before);
	memset(&after, 0, sizeof after);
	sigemptyset(&block);
	sigaddset(&block, SIGCHLD);
	pthread_sigmask(SIG_UNBLOCK, &block, NULL);
	pthread_sigmask(SIG_SETMASK, NULL, &before);

	raise(SIGUSR2); /* from here on libc has what it needs */
	int size = pages();
	for (int i = 0; i < 4; i++) {
		errno = 4242;
		raise(SIGUSR2);
		if (errno != 4242)
			return fail("errno", errno);
	}
	if (size <= 0 || pages() != size)
		return fail("pages more than before", pages() - size);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	if (memcmp(&before, &after, sizeof after))
		return fail("mask changed", 0);
	stop = 1;
	pthread_join(t, NULL);
	if (chld || (reaped && !all))
		return fail("children seen", chld + reaped);
	int status;
	if (waitpid(-1, &status, WNOHANG) != -1 || errno != ECHILD)
		return fail("a child is left", errno);
	if (waitpid(-1, &status, WNOHANG | __WALL) != -1 || errno != ECHILD)
		return fail("a clone is left", errno);
	if (fcntl(500, F_GETFD) < 0 || fcntl(p[0], F_GETFD) < 0)
		return fail("descriptor gone", errno);
	puts("ok");
	return 0;
}
