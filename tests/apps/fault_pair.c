/*
 * Two processes in step, each with a count of its own, and one that they share: if they ever came from two different
 * checkpoints, these would not agree. With "content" the first one keeps its count also in a large file, in two places.
 *
 *	fault_pair [content] STEPS MILLISECONDS
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGES = 64, PAGE = 4096, FILE_BYTES = 17 << 20 };

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

static int file_make(void)
{
	int fd = open("content", O_RDWR | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || ftruncate(fd, FILE_BYTES) || lseek(fd, 1, SEEK_SET) != 1)
		exit(2);
	return fd;
}

/* At `at` it must be what it was in the step before. */
static void file_count(int fd, off_t at, long n)
{
	long was;

	if (pread(fd, &was, sizeof(was), at) != sizeof(was) || was != n - 1 ||
	    pwrite(fd, &n, sizeof(n), at) != sizeof(n)) {
		fprintf(stderr, "the file has %ld at %ld in step %ld\n", was, (long)at, n);
		exit(3);
	}
}

int main(int argc, char **argv)
{
	long steps = atol(argv[argc - 2]), ms = atol(argv[argc - 1]), answer;
	volatile long *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *memory = calloc(PAGES, PAGE);
	int to[2], from[2], file;

	if (shared == MAP_FAILED || !memory || pipe(to) || pipe(from))
		return 2;
	if (fork() == 0) {
		close(to[1]);
		close(from[0]);
		child(to[0], from[1], shared, memory);
	}
	close(to[0]);
	close(from[1]);
	file = argc > 3 ? file_make() : -1;
	for (long n = 1; n <= steps; n++) {
		struct timespec pause = {.tv_nsec = ms * 1000000};

		transfer(put, to[1], &n);
		transfer(read, from[0], &answer);
		if (file >= 0) {
			file_count(file, 0, n);
			file_count(file, FILE_BYTES - 2 * PAGE, n);
		}
		memset(memory + n % PAGES * PAGE, (int)n, 16);
		printf("%ld %ld %ld\n", n, answer, *shared);
		fflush(stdout);
		nanosleep(&pause, NULL);
	}
	return 0;
}
