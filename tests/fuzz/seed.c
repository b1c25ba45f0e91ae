/*
 * seed DIR: first inputs for the fuzzers, one directory each.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../unit/sample.h"

static int create(const char *top, const char *target, const char *name)
{
	char path[4096];
	struct text t = TEXT(path);
	int fd;

	text_put(&t, "%s/%s", top, target);
	mkdir(path, 0755);
	text_put(&t, "/%s", name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

/* A sample image of one process or two; the byte behind it tells image_fuzz whether to mend checksums. */
static int seed_image(const char *top, const char *name, int processes, int level, const char *last)
{
	int fd = create(top, "image_fuzz", name);
	int r = processes == 1 ? sample_write(fd, level) : sample_write_two(fd, level);

	if (r == 0)
		r = io_pwrite(fd, last, 1, lseek(fd, 0, SEEK_END));
	close(fd);
	return r;
}

static int seed_maps(const char *top)
{
	static char maps[1 << 20];
	ssize_t n = io_read_file("/proc/self/maps", maps, sizeof(maps));
	int fd = create(top, "maps_fuzz", "self"), r;

	r = n < 0 ? (int)n : io_write(fd, maps, n);
	close(fd);
	return r;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seed DIR\n");
		return 2;
	}
	if (seed_image(argv[1], "raw", 1, 0, "m") < 0 || seed_image(argv[1], "zstd", 1, 1, "m") < 0 ||
	    seed_image(argv[1], "as-is", 1, 1, "r") < 0 || seed_image(argv[1], "two", 2, 0, "m") < 0 ||
	    seed_maps(argv[1]) < 0) {
		fprintf(stderr, "seed: cannot write to %s\n", argv[1]);
		return 1;
	}
	return 0;
}
