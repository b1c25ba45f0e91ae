/*
 * A file of which a part is mapped for writing, and no descriptor is left: what the program wrote after
 * the checkpoint is taken back in that part, and the rest of the file is as it was.
 */
#include "harness.h"
#include <sys/mman.h>
#include <sys/stat.h>

enum { SIZE = 100000 };

int main(void)
{
	char *map, now[SIZE];
	struct stat st;
	int fd = open("part", O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (int i = 0; i < SIZE; i++)
		now[i] = i % 251;
	if (fd < 0 || write(fd, now, SIZE) != SIZE)
		die("write");
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap");
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	memcpy(map, "first", 5);
	ready();
	check(!memcmp(map, "first", 5), "mapping is %.5s", map);
	fd = open("part", O_RDONLY);
	check(!fstat(fd, &st) && st.st_size == SIZE, "size is %ld", (long)st.st_size);
	memset(now, 0, SIZE);
	check(read(fd, now, SIZE) == SIZE, "short");
	check(!memcmp(now, "first", 5), "file begins %.5s", now);
	for (int i = 5; i < SIZE; i++)
		if (now[i] != (char)(i % 251)) {
			check(false, "byte %d is %d", i, now[i]);
			break;
		}
	memcpy(map, "after", 5);
	memcpy(map, "first", 5);
	close(fd);
	return verdict();
}
