/*
 * A private mapping of a file, read-only and writable: pages of the file, pages written to, and the
 * end inside a page. The file stays as it is; it is never written through a private mapping.
 */
#include "harness.h"
#include <sys/mman.h>
#include <sys/stat.h>

enum { PAGE = 4096, N = 64, SIZE = N * PAGE - 1000 };

int main(void)
{
	static unsigned char bytes[SIZE], again[SIZE];
	int fd = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600);
	unsigned char *rw, *ro, *middle;

	for (int i = 0; i < SIZE; i++)
		bytes[i] = (unsigned char)(i * 7 + i / 251);
	if (fd < 0 || write(fd, bytes, SIZE) != SIZE)
		die("data");
	rw = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ro = mmap(NULL, N * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	middle = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 16 * PAGE);
	if (rw == MAP_FAILED || ro == MAP_FAILED || middle == MAP_FAILED)
		die("mmap");
	close(fd);
	for (int i = 0; i < N; i += 3)
		rw[i * PAGE + 10] = 0xee;
	middle[3 * PAGE] = 0xdd;

	ready();

	for (int i = 0; i < SIZE; i++) {
		bool written = i % PAGE == 10 && i / PAGE % 3 == 0;

		if (rw[i] != (written ? 0xee : bytes[i]) || ro[i] != bytes[i]) {
			check(false, "byte %d is %d and %d, was %d", i, rw[i], ro[i], bytes[i]);
			break;
		}
	}
	check(rw[SIZE] == 0, "the bytes behind the end of the file");
	check(middle[3 * PAGE] == 0xdd && middle[PAGE] == bytes[17 * PAGE], "the inner mapping");
	fd = open("data", O_RDONLY);
	check(read(fd, again, SIZE) == SIZE && !memcmp(bytes, again, SIZE), "the file has changed");
	rw[PAGE] = 1;
	return verdict();
}
