/*
 * reference measures what this machine needs for plain work of the same size,
 * beside which saving and restoring are put. Times are printed in ns.
 *
 * usage: reference warm BYTES         touch and free so much memory, 0 is printed
 *        reference write FILE BYTES   write a new file from one buffer
 *        reference reserve FILE BYTES the same with fallocate(2) first
 *        reference warm-read FILE BYTES   read it into one buffer, again and again
 *        reference fresh-read FILE BYTES  read it into memory never touched before
 *        reference huge-read FILE BYTES   the same with two threads, into huge pages
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4 << 20 };

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static char *memory(size_t size)
{
	char *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED)
		die("mmap");
	return m;
}

static uint64_t write_file(const char *path, size_t size, int reserve)
{
	char *buf = memory(BLOCK);
	memset(buf, 0x5a, BLOCK);
	unlink(path);
	uint64_t start = now();
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		die(path);
	if (reserve && fallocate(fd, 0, 0, size) < 0)
		die("fallocate");
	for (size_t at = 0; at < size;) {
		ssize_t n = write(fd, buf, size - at < BLOCK ? size - at : BLOCK);
		if (n <= 0)
			die("write");
		at += n;
	}
	return now() - start;
}

/* read_file reads into fresh memory, or into the same BLOCK bytes all the time. */
static uint64_t read_file(const char *path, size_t size, int fresh)
{
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		die(path);
	char *m = memory(fresh ? size : BLOCK);
	if (!fresh)
		memset(m, 1, BLOCK);
	uint64_t start = now();
	for (size_t at = 0; at < size;) {
		size_t want = fresh || size - at < BLOCK ? size - at : BLOCK;
		ssize_t n = pread(fd, fresh ? m + at : m, want, at);
		if (n <= 0)
			die("pread");
		at += n;
	}
	return now() - start;
}

struct part {
	int fd;
	char *m;
	size_t at, end;
};

static void *read_part(void *arg)
{
	struct part *p = arg;
	while (p->at < p->end) {
		size_t left = p->end - p->at, want = left < BLOCK / 4 ? left : BLOCK / 4;
		ssize_t n = pread(p->fd, p->m + p->at, want, p->at);
		if (n <= 0)
			die("pread");
		p->at += n;
	}
	return NULL;
}

/* read_huge reads into fresh huge pages, half of it in another thread. */
static uint64_t read_huge(const char *path, size_t size)
{
	enum { HUGE = 2 << 20 };
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		die(path);
	char *m = memory(size + HUGE);
	m += -(uintptr_t)m % HUGE;
	madvise(m, size, MADV_HUGEPAGE);
	size_t half = size / 2 / HUGE * HUGE;
	struct part first = {fd, m, 0, half}, second = {fd, m, half, size};
	uint64_t start = now();
	pthread_t thread;
	if (pthread_create(&thread, NULL, read_part, &second))
		die("pthread_create");
	read_part(&first);
	pthread_join(thread, NULL);
	return now() - start;
}

static void touch(size_t size)
{
	char *m = memory(size);
	madvise(m, size, MADV_HUGEPAGE); /* only faster */
	for (size_t at = 0; at < size; at += 4096)
		m[at] = 1;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	uint64_t ns = 0;
	if (argc == 3 && !strcmp(what, "warm"))
		touch(strtoull(argv[2], NULL, 0));
	else if (argc == 4 && !strcmp(what, "write"))
		ns = write_file(argv[2], strtoull(argv[3], NULL, 0), 0);
	else if (argc == 4 && !strcmp(what, "reserve"))
		ns = write_file(argv[2], strtoull(argv[3], NULL, 0), 1);
	else if (argc == 4 && !strcmp(what, "warm-read"))
		ns = read_file(argv[2], strtoull(argv[3], NULL, 0), 0);
	else if (argc == 4 && !strcmp(what, "fresh-read"))
		ns = read_file(argv[2], strtoull(argv[3], NULL, 0), 1);
	else if (argc == 4 && !strcmp(what, "huge-read"))
		ns = read_huge(argv[2], strtoull(argv[3], NULL, 0));
	else {
		fprintf(stderr, "usage: reference warm BYTES | write|reserve|warm-read|fresh-read|huge-read FILE BYTES\n");
		return 2;
	}
	printf("%llu\n", (unsigned long long)ns);
	return 0;
}
