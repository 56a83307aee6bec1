// A tree of processes that is saved and must not notice. The root prints a line
// a round, when each of its descendants has done a round of its own: each checks
// its memory, its parent and its ids. All end with the root.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
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

enum { most = 1024 };
static volatile long *rounds; // of each process, in shared memory
static int made;              // processes that count

static void nap(long us) {
	struct timespec t = {us / 1000000, us % 1000000 * 1000};
	while (nanosleep(&t, &t)) ;
}

static void fail(const char *what) {
	printf("BAD %s in process %d\n", what, getpid());
	fflush(stdout);
	kill(0, SIGKILL);
}

// Works as process number i.
static void work(int i) {
	size_t size = 256 << 10;
	pid_t parent = getppid(), own = getpid();
	unsigned *p = malloc(size);
	for (size_t k = 0; k < size / 4; k++) p[k] = k * 7 + i;
	for (;;) {
		for (size_t k = 0; k < size / 4; k++) if (p[k] != k * 7 + i) fail("memory");
		if (getppid() != parent || getpid() != own) fail("ids");
		rounds[i]++;
		nap(1000);
	}
}

static pid_t child(int i) {
	pid_t pid = fork();
	if (pid) return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	work(i);
	_exit(1);
}

// Keeps 16 pages of shared memory mapped, those of number i, and fills them.
static void keep(char *p, int i, int n) {
	long page = 4096, part = 16 * page;
	for (int k = 0; k < n; k++) if (k != i) munmap(p + k * part, part);
	for (int k = 0; k < 16; k++) p[i * part + k * page] = i * 16 + k;
}

// Works as process number i in the memory of its parent, with its stack only.
static int share(void *arg) {
	int i = (int)(long)arg;
	pid_t parent = getppid(), own = getpid();
	volatile long mine = own;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (mine != own) fail("stack");
		if (getppid() != parent || getpid() != own) fail("ids");
		rounds[i]++;
		nap(1000);
	}
}

// Makes children by vfork and posix_spawn, one after the other.
static void spawn(int i) {
	for (;;) {
		int status = 0;
		pid_t pid = vfork();
		if (pid == 0) {
			struct timespec t = {0, 3000000};
			nanosleep(&t, 0);
			execl("/bin/true", "true", (char *)0);
			_exit(1);
		}
		if (waitpid(pid, &status, 0) != pid || status) fail("vfork");
		rounds[i]++;
	}
}

// Makes children by fork, one after the other.
static void breed(int i) {
	for (;;) {
		int status = 0;
		pid_t pid = fork();
		if (pid == 0) {
			nap(i % 3 * 500);
			_exit(7);
		}
		if (waitpid(pid, &status, 0) != pid || status != 7 << 8) fail("fork");
		rounds[i]++;
	}
}

// Each of these makes another one and ends: the root adopts them.
static void relay(int i) {
	for (;;) {
		pid_t pid = fork();
		if (pid < 0) fail("fork");
		if (pid) _exit(0);
		prctl(PR_SET_PDEATHSIG, 0);
		rounds[i]++;
		nap(300);
	}
}

// A chain of processes, each the child of the one before.
static void chain(int i, int n) {
	if (fork()) return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (i + 1 < n) chain(i + 1, n);
	work(i);
}

int main(int argc, char **argv) {
	const char *mode = argv[1];
	int n = argc > 2 ? atoi(argv[2]) : 1;
	setpgid(0, 0);
	rounds = mmap(0, most * sizeof *rounds, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!strcmp(mode, "children")) {
		for (made = 0; made < n; made++) child(made);
	} else if (!strcmp(mode, "mortal")) { // the first may be killed
		for (made = 0; made < n; made++) child(made);
		rounds++, made--;
	} else if (!strcmp(mode, "cow")) { // 64 pages at an address, of which child i has page i for itself
		long *p = mmap((void *)0x200000000, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		madvise(p, 64 * 4096, MADV_NOHUGEPAGE);
		for (int k = 0; k < 64; k++) p[k * 512] = k + 1;
		for (made = 0; made < n; made++) if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			p[made * 512] = 1000 + made;
			work(made);
		}
	} else if (!strcmp(mode, "uneven")) { // the root alone has much memory, and goes on writing to it: see TestUneven
		for (made = 0; made < n; made++) child(made);
		volatile long *p = mmap((void *)0x300000000, 1025 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		madvise((void *)p, 1025 * 4096, MADV_NOHUGEPAGE);
		for (long c = 0;; c++) {
			p[0] = c;
			p[512 * (1 + c % 1024)] = c;
			if (c == 2048) puts("much"), fflush(stdout);
			if (c > 2048) nap(10);
		}
	} else if (!strcmp(mode, "chain")) {
		made = n;
		chain(0, n);
	} else if (!strcmp(mode, "breeding")) {
		for (made = 0; made < n; made++) if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			breed(made);
		}
	} else if (!strcmp(mode, "relays")) { // their ends are not waited for: see SIGCHLD
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		signal(SIGCHLD, SIG_IGN);
		for (made = 0; made < n; made++) if (fork() == 0) relay(made);
	} else if (!strcmp(mode, "states")) { // two zombies, one that is stopped, one of another session
		if (fork() == 0) _exit(3);
		if (fork() == 0) { raise(SIGKILL); _exit(1); }
		pid_t pid = fork();
		if (pid == 0) work(most - 1);
		kill(pid, SIGSTOP);
		if (fork() == 0) {
			setsid();
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (fork() == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				setpgid(0, 0);
				work(0);
			}
			work(1);
		}
		made = 2;
	} else if (!strcmp(mode, "shared")) {
		char *p = mmap(0, (n + 1) * 16 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		for (made = 0; made < n; made++)
			if (fork() == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				keep(p, made, n + 1);
				work(made);
			}
		keep(p, n, n + 1);
	} else if (!strcmp(mode, "clone")) { // argv[3]: what is shared
		int flags = SIGCHLD;
		if (strchr(argv[3], 'v')) flags |= CLONE_VM;
		if (strchr(argv[3], 'f')) flags |= CLONE_FILES;
		if (strchr(argv[3], 'd')) flags |= CLONE_FS;
		for (made = 0; made < n; made++) {
			char *stack = malloc(65536);
			clone(share, stack + 65536, flags, (void *)(long)made);
		}
	} else if (!strcmp(mode, "vfork")) {
		for (made = 0; made < n; made++) if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			spawn(made);
		}
	} else {
		return 1;
	}
	for (long k = 0;; k++) {
		long before[most];
		for (int i = 0; i < made; i++) before[i] = rounds[i];
		for (int i = 0; i < made; i++)
			for (int waits = 0; rounds[i] == before[i]; nap(200))
				if (++waits > 100000) fail("a descendant that stands still");
		printf("ok %ld\n", k);
		fflush(stdout);
		nap(1000);
	}
}
