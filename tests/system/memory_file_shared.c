/* A shared mapping of a file: what was written is in memory and in the file, and still goes there. */
#include "harness.h"
#include <sys/mman.h>

enum { PAGE = 4096, N = 32 };

int main(void)
{
	int fd = open("shared", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *p, *ro, byte = 0;

	if (fd < 0 || ftruncate(fd, N * PAGE))
		die("shared");
	p = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ro = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
	if (p == MAP_FAILED || ro == MAP_FAILED)
		die("mmap");
	for (int i = 0; i < N; i++)
		p[i * PAGE + i] = (char)(i + 1);

	ready();

	for (int i = 0; i < N; i++)
		check(p[i * PAGE + i] == i + 1, "page %d", i);
	p[3 * PAGE] = 99;
	check(ro[PAGE] == 99, "the second mapping shows %d", ro[PAGE]);
	check(pread(fd, &byte, 1, 3 * PAGE) == 1 && byte == 99, "the descriptor shows %d", byte);
	close(fd);
	fd = open("shared", O_RDONLY);
	check(pread(fd, &byte, 1, 5 * PAGE + 5) == 1 && byte == 6, "the file has %d", byte);
	check(pread(fd, &byte, 1, 3 * PAGE) == 1 && byte == 99, "the file does not get writes");
	return verdict();
}
