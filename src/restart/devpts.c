/* The capsule's own file system of pseudo terminals. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "devpts.h"
#include "die.h"

enum {
	PTS_MAJOR = 136,
	PLACES_MAX = 4096, /* masters opened, at most, to have a free number for our terminal */
};

static bool has_ptys(const struct saved *p)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *rec;

	while ((rec = rec_next_type(&it, REC_FILE))) {
		struct rec_file f;

		rec_get(rec, &f, sizeof(f));
		if (!strncmp(f.plugin, "ptm", sizeof(f.plugin)) || !strncmp(f.plugin, "pts", sizeof(f.plugin)))
			return true;
	}
	return false;
}

/* The one that a standard stream is, by its name: a descriptor, or -1. */
static int terminal_find(void)
{
	char link[64], path[64];
	struct stat std, named;

	for (int n = 0; n < 3; n++) {
		ssize_t len;

		if (fstat(n, &std) || !S_ISCHR(std.st_mode) || major(std.st_rdev) != PTS_MAJOR)
			continue;
		snprintf(link, sizeof(link), "/proc/self/fd/%d", n);
		len = readlink(link, path, sizeof(path) - 1);
		if (len <= 0)
			continue;
		path[len] = 0;
		if (!stat(path, &named) && named.st_dev == std.st_dev && named.st_ino == std.st_ino)
			return open(path, O_PATH | O_CLOEXEC);
	}
	return -1;
}

int devpts_mount(struct restart *r)
{
	bool needed = false;
	int fd;

	for (uint32_t i = 0; i < r->nprocesses && !needed; i++)
		needed = has_ptys(&r->processes[i]);
	if (!needed)
		return -1;
	fd = terminal_find();
	if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"))
		die("cannot mount /dev/pts in the capsule:");
	return fd < 0 ? -1 : fd_raise(r, fd);
}

/* Open masters until one has the number, or the next that is free: those before it are taken. */
static int number_take(unsigned int want, unsigned int *number)
{
	int fds[PLACES_MAX], n = 0, found = -1;

	while (found < 0 && n < PLACES_MAX) {
		fds[n] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (fds[n] < 0 || ioctl(fds[n], TIOCGPTN, number) < 0)
			break;
		if (*number >= want)
			found = fds[n];
		else
			n++;
	}
	while (n-- > 0)
		close(fds[n]);
	return found;
}

int devpts_place(struct restart *r, int terminal)
{
	char from[64], to[64];
	unsigned int number;
	struct stat st;
	int fd = -1;

	if (terminal < 0)
		return -1;
	if (!fstat(terminal, &st))
		fd = number_take(minor(st.st_rdev), &number);
	if (fd >= 0) {
		snprintf(from, sizeof(from), "/proc/self/fd/%d", terminal);
		snprintf(to, sizeof(to), "/dev/pts/%u", number);
		if (mount(from, to, NULL, MS_BIND, NULL)) {
			close(fd);
			fd = -1;
		}
	}
	close(terminal);
	return fd < 0 ? -1 : fd_raise(r, fd);
}
