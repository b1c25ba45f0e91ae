/* A deleted file of a size that is saved beside the image, whose directory has been removed, too. */
#include "harness.h"
#include <fcntl.h>
#include <sys/stat.h>

enum { SIZE = 20 << 20, STEP = 4096 };

int main(void)
{
	static uint32_t block[STEP / sizeof(uint32_t)];
	int fd;

	if (mkdir("dir", 0700))
		die("mkdir");
	fd = open("dir/data", O_RDWR | O_CREAT, 0600);
	for (uint32_t at = 0; at < SIZE; at += STEP) {
		for (uint32_t i = 0; i < STEP / sizeof(uint32_t); i++)
			block[i] = at * 2654435761u + i;
		if (pwrite(fd, block, STEP, at) != STEP)
			die("pwrite");
	}
	if (unlink("dir/data") || rmdir("dir"))
		die("unlink");
	ready();
	for (uint32_t at = 0; at < SIZE; at += STEP) {
		if (pread(fd, block, STEP, at) != STEP)
			die("pread");
		for (uint32_t i = 0; i < STEP / sizeof(uint32_t); i++)
			if (block[i] != at * 2654435761u + i) {
				check(false, "byte %u", at + i * 4);
				return verdict();
			}
	}
	check(pwrite(fd, "x", 1, SIZE) == 1, "it can't be written to");
	return verdict();
}
