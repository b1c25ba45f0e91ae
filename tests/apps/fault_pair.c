/*
 * Two processes in step, each with a count of its own, and one that they share: if they ever came from two different
 * checkpoints, these would not agree.
 *
 *	fault_pair STEPS MILLISECONDS
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGES = 64, PAGE = 4096 };

static void transfer(ssize_t (*call)(int, void *, size_t), int fd, long *n)
{
	if (call(fd, n, sizeof(*n)) != sizeof(*n))
		_exit(1); /* the other one is not there any more */
}

static ssize_t put(int fd, void *p, size_t n)
{
	return write(fd, p, n);
}

static void child(int in, int out, volatile long *shared, char *memory)
{
	long n, count = 0;

	for (;;) {
		transfer(read, in, &n);
		count++;
		memset(memory + count % PAGES * PAGE, (int)count, 16);
		*shared += n == count && *shared == count - 1;
		transfer(put, out, &count);
	}
}

int main(int argc, char **argv)
{
	long steps = atol(argv[argc - 2]), ms = atol(argv[argc - 1]), answer;
	volatile long *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *memory = calloc(PAGES, PAGE);
	int to[2], from[2];

	if (shared == MAP_FAILED || !memory || pipe(to) || pipe(from))
		return 2;
	if (fork() == 0) {
		close(to[1]);
		close(from[0]);
		child(to[0], from[1], shared, memory);
	}
	close(to[0]);
	close(from[1]);
	for (long n = 1; n <= steps; n++) {
		struct timespec pause = {.tv_nsec = ms * 1000000};

		transfer(put, to[1], &n);
		transfer(read, from[0], &answer);
		memset(memory + n % PAGES * PAGE, (int)n, 16);
		printf("%ld %ld %ld\n", n, answer, *shared);
		fflush(stdout);
		nanosleep(&pause, NULL);
	}
	return 0;
}
