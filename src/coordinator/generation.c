#include "generation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIGITS_MIN = 5, DIGITS_MAX = 18 };

int generation_check_dir(const char *dir, struct text *why)
{
	struct stat st;

	if (!*dir) {
		text_put(why, "the job has no directory for its images (CKPT_DIR is not set)");
		return -EINVAL;
	}
	if (stat(dir, &st)) {
		text_put(why, "directory for images %s: %s", dir, strerror(errno));
		return -errno;
	}
	if (!S_ISDIR(st.st_mode)) {
		text_put(why, "directory for images %s: not a directory", dir);
		return -ENOTDIR;
	}
	if (access(dir, W_OK | X_OK)) {
		text_put(why, "directory for images %s: %s", dir, strerror(errno));
		return -errno;
	}
	return 0;
}

/* The generation in a name "STEM.GGGGG.ckpt[.part]", 0 when it is none. */
static uint64_t parse_generation(const char *name, const char *stem)
{
	const char *digits;
	uint64_t n;

	if (!parse_skip(&name, stem) || *name++ != '.')
		return 0;
	digits = name;
	n = parse_dec(&name);
	if (name - digits < DIGITS_MIN || name - digits > DIGITS_MAX)
		return 0;
	return str_eq(name, ".ckpt.part") || str_eq(name, ".ckpt") ? n : 0;
}

uint64_t generation_next(const char *dir, const char *stem)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	uint64_t highest = 0;

	while (d && (e = readdir(d))) {
		uint64_t n = parse_generation(e->d_name, stem);

		if (n > highest)
			highest = n;
	}
	if (d)
		closedir(d);
	return highest + 1;
}
