/* One small scene a mode; exit status 0 says that it went as it should. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* raise: the signal, and on. */
static int mode_raise(void) { return raise(SIGUSR2); }

/* altstack: the handler runs on the smallest alternate stack there is. */
static int mode_altstack(void)
{
	size_t size = getauxval(AT_MINSIGSTKSZ) + 512, guard = 65536;
	unsigned char *m = mmap(NULL, guard + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(m, 0xa5, guard + size);
	stack_t ss = { .ss_sp = m + guard, .ss_size = size };
	if (sigaltstack(&ss, NULL))
		return 1;
	raise(SIGUSR2);
	for (size_t i = 0; i < guard; i++)
		if (m[i] != 0xa5)
			return 2; /* it ran off the stack */
	int used = 0;
	for (size_t i = 0; i < size; i++)
		used += m[guard + i] != 0xa5;
	return used ? 0 : 3;
}

/* blocked: whoever started this program had the signal blocked. */
static int mode_blocked(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_SETMASK, &set, NULL);
	return execl("/proc/self/exe", "modes", "unblocked", NULL);
}
static int mode_unblocked(void)
{
	sigset_t set;
	sigprocmask(SIG_SETMASK, NULL, &set);
	raise(SIGUSR2);
	return sigismember(&set, SIGUSR2) || !sigismember(&set, SIGHUP);
}

/* read: a blocking read is begun again, not ended by EINTR. */
static int mode_read(void)
{
	char c;
	puts("ready");
	fflush(stdout);
	return read(0, &c, 1) == 1 ? 0 : 1;
}

/* talk: says for each line of input how many pages it has, and whether a clone is
 * left; "vfork" has a child raise the signal in the program's memory first. */
static int mode_talk(void)
{
	char line[64], statm[64];
	while (read(0, line, sizeof line) > 0) {
		int status = 0, fd;
		if (line[0] == 'v') {
			pid_t pid = vfork();
			if (pid == 0) {
				raise(SIGUSR2);
				_exit(0);
			}
			if (waitpid(pid, &status, 0) != pid || status)
				return 1;
		}
		fd = open("/proc/self/statm", O_RDONLY);
		if (fd < 0 || read(fd, statm, sizeof statm) <= 0)
			return 2;
		close(fd);
		/* WNOWAIT: it is for the handler to reap. */
		siginfo_t info = { 0 };
		int clones = !waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL);
		printf("%d %d\n", atoi(statm), clones);
		fflush(stdout);
	}
	return 0;
}

/* environ: the program writes over its environment, as setproctitle does. */
static int mode_environ(void)
{
	for (char **e = environ; *e; e++)
		memset(*e, 'x', strlen(*e));
	return raise(SIGUSR2);
}

/* storm: children by posix_spawn (vfork) and exec while signals arrive. */
static int mode_storm(void)
{
	puts("ready");
	fflush(stdout);
	for (int i = 0; i < 150; i++) {
		char *args[] = { "true", NULL };
		pid_t pid, got;
		int status;
		if (posix_spawn(&pid, "/bin/true", NULL, NULL, args, environ))
			return 1;
		while ((got = waitpid(-1, &status, 0)) < 0 && errno == EINTR)
			;
		if (got != pid || status)
			return 2;
	}
	return 0;
}

/* threads: two threads get the signal at the same time. */
static pthread_barrier_t barrier;
static void *thread(void *arg)
{
	pthread_barrier_wait(&barrier);
	raise(SIGUSR2); /* tgkill to this thread */
	return arg;
}
static int mode_threads(void)
{
	pthread_t t[2];
	pthread_barrier_init(&barrier, NULL, 2);
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, thread, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	return 0;
}

/* maps: a long /proc/self/maps, read in many pieces. */
static int mode_maps(void)
{
	for (int i = 0; i < 5000; i++)
		if (mmap(NULL, 4096, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			return 1;
	return raise(SIGUSR2);
}

/* fork: a child is a target of its own. */
static int mode_fork(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(raise(SIGUSR2));
	printf("%d\n", pid);
	return waitpid(pid, &status, 0) != pid || status;
}

/* waits: one function deep, for debuggers to look at. */
static __attribute__((noinline)) int deep(void) { return raise(SIGUSR2) + 1; }
static int mode_waits(void) { return deep() - 1; }

/* denied: every system call of the handler fails once. */
static int denied(unsigned nr)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof f / sizeof *f, f };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		return 9;
	return raise(SIGUSR2);
}
static int mode_denied(void)
{
	static const unsigned calls[] = { SYS_mmap, SYS_munmap, SYS_prctl, SYS_clone, SYS_wait4, SYS_close_range,
		SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_open, SYS_read, SYS_close, SYS_execve };
	for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0)
			_exit(denied(calls[i]));
		if (waitpid(pid, &status, 0) != pid || status) {
			fprintf(stderr, "system call %u: status %x\n", calls[i], status);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct { const char *name; int (*run)(void); } modes[] = {
		{ "raise", mode_raise }, { "altstack", mode_altstack }, { "blocked", mode_blocked },
		{ "unblocked", mode_unblocked }, { "read", mode_read }, { "environ", mode_environ },
		{ "storm", mode_storm }, { "threads", mode_threads }, { "fork", mode_fork },
		{ "waits", mode_waits }, { "talk", mode_talk }, { "maps", mode_maps }, { "denied", mode_denied },
	};
	for (unsigned i = 0; argc > 1 && i < sizeof modes / sizeof *modes; i++)
		if (!strcmp(argv[1], modes[i].name))
			return modes[i].run();
	return 99;
}
