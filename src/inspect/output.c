#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "die.h"
#include "inspect.h"

/* Whatever ends the program before the file is whole, like damage found in the image, removes it. */
static const char *unfinished;

static void unfinished_remove(void)
{
	if (unfinished)
		unlink(unfinished);
}

void output_finish(void)
{
	unfinished = NULL;
}

/* Not emptied before it is known to be a file of the user's, and not the image itself. */
int output_create(const struct report *r, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	struct stat st, image;

	if (fd < 0)
		die("cannot open %s:", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		die("%s: no regular file", path);
	if (fstat(r->image.fd, &image) < 0 || (st.st_dev == image.st_dev && st.st_ino == image.st_ino))
		die("%s: that is the image itself", path);
	unfinished = path;
	if (atexit(unfinished_remove))
		die("out of memory");
	if (fchmod(fd, 0600) < 0 || ftruncate(fd, 0) < 0)
		die("cannot write %s:", path);
	return fd;
}
