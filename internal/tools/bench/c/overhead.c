/*
 * overhead does plain things over and over, whenever it is told to, so that a
 * program with libckpt.so can be compared with one without it.
 *
 * usage: overhead syscall|fork|compute COUNT
 *
 * For each byte on stdin it does COUNT of them, and writes how long that took to
 * stdout: nanoseconds, 8 bytes.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t sink;

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void system_calls(long n)
{
	while (n-- > 0)
		syscall(SYS_getppid);
}

static void forks(long n)
{
	while (n-- > 0) {
		pid_t child = fork();
		if (child == 0)
			_exit(0);
		if (child < 0 || waitpid(child, NULL, 0) != child) {
			perror("fork");
			exit(1);
		}
	}
}

static void compute(long n)
{
	uint64_t x = 88172645463325252;
	while (n-- > 0)
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	sink = x;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: overhead syscall|fork|compute COUNT\n");
		return 1;
	}
	long count = atol(argv[2]);
	char go;
	while (read(0, &go, 1) == 1) {
		uint64_t start = now();
		if (!strcmp(argv[1], "syscall"))
			system_calls(count);
		else if (!strcmp(argv[1], "fork"))
			forks(count);
		else
			compute(count);
		uint64_t took = now() - start;
		if (write(1, &took, sizeof took) != sizeof took)
			return 1;
	}
	return 0;
}
