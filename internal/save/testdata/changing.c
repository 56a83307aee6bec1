// Changes its memory in all ways that there are, at random: so many changes for each
// line of input, a number, and a seed behind it. With a third argument it has a gigabyte
// in addition, of which it uses a page.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define MOST 24

static struct { char *at; size_t pages; int file; } map[MOST];
static uint64_t x = 88172645463325252ull;
static char name[] = "/tmp/changing-XXXXXX";
static int files[3]; // a small one, one that is larger, and one that is deleted
static pid_t child;
static volatile pid_t *settled; // the child that changes nothing any more

static uint64_t draw(uint64_t n) {
	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	return x % n;
}

static void fill(char *at, size_t n) {
	for (size_t i = 0; i < n; i += 8) *(uint64_t *)(at + i) = draw(~0ul);
}

static void deep(int n) {
	volatile char stack[3000];
	fill((char *)stack, 2992);
	if (n) deep(n - 1);
}

static void change(void) {
	int i = draw(MOST);
	char *at = map[i].at;
	size_t pages = map[i].pages;
	if (!at) {
		pages = draw(4) ? 1 + draw(40) : 512 * (1 + draw(3));
		int from = draw(2) ? 0 : draw(8) ? 1 + draw(2) : 3;
		if (from) pages = from == 2 ? 300 : 64;
		at = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, from ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS, from ? files[from - 1] : -1, 0);
		if (at == MAP_FAILED) abort();
		if (!from && pages >= 512 && draw(2)) madvise(at, pages * PAGE, MADV_HUGEPAGE);
		map[i].at = at, map[i].pages = pages, map[i].file = from;
		return;
	}
	size_t first = draw(pages), n = 1 + draw(pages - first);
	switch (draw(13)) {
	case 0:
		munmap(at, pages * PAGE);
		map[i].at = 0;
		break;
	case 1: // a part of it
		if (n < pages) {
			munmap(at + (pages - n) * PAGE, n * PAGE);
			map[i].pages -= n;
		}
		break;
	case 2: { // longer or shorter, perhaps elsewhere
		if (map[i].file) break;
		size_t to = 1 + draw(2 * pages);
		char *p = mremap(at, pages * PAGE, to * PAGE, MREMAP_MAYMOVE);
		if (p == MAP_FAILED) abort();
		map[i].at = p, map[i].pages = to;
		break;
	}
	case 3:
		madvise(at + first * PAGE, n * PAGE, MADV_DONTNEED);
		break;
	case 4:
		madvise(at, pages * PAGE, MADV_DONTNEED);
		break;
	case 5: // by the kernel
		if (pread(files[0], at + first * PAGE, 1 + draw(n * PAGE), draw(64) * PAGE) < 0) abort();
		break;
	case 6:
		memset(at + first * PAGE, 0, n * PAGE);
		break;
	case 7: // never written to, but looked at
		for (size_t k = 0; k < n; k++) x += *(volatile char *)(at + (first + k) * PAGE) & 1;
		break;
	case 8:
		mprotect(at + first * PAGE, n * PAGE, draw(2) ? PROT_READ : PROT_NONE);
		mprotect(at + first * PAGE, n * PAGE, PROT_READ | PROT_WRITE);
		break;
	case 9:
		if (draw(2)) fill(sbrk((1 + draw(8)) * PAGE), PAGE);
		else deep(draw(200));
		break;
	case 10: // copied on write
		if (child) kill(child, SIGKILL), waitpid(child, 0, 0), child = 0;
		else if (!(child = fork())) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			*settled = getpid();
			for (;;) pause();
		} else {
			while (*settled != child) usleep(100);
		}
		break;
	default:
		for (size_t k = 0; k < n; k++)
			if (draw(2)) at[(first + k) * PAGE + draw(PAGE)] = draw(256);
	}
}

int main(int argc, char **argv) {
	settled = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	files[0] = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	files[1] = open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	files[2] = mkstemp(name);
	unlink(name);
	char page[PAGE];
	for (int f = 0; f < 3; f++)
		for (int i = 0; i < (f == 1 ? 300 : 64); i++) {
			fill(page, sizeof page);
			if (write(files[f], page, sizeof page) != sizeof page) abort();
		}
	if (argc > 3) {
		char *unused = mmap(0, 1ul << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (unused == MAP_FAILED) abort();
		fill(unused + (512ul << 20), PAGE);
	}
	puts("ready");
	fflush(stdout);
	int n;
	unsigned long seed;
	while (scanf("%d %lu", &n, &seed) == 2) {
		x ^= seed * 0x9e3779b97f4a7c15ull;
		while (n--) change();
		puts("done");
		fflush(stdout);
	}
	if (child) kill(child, SIGKILL);
	return 0;
}
