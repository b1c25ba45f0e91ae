/* inotify: watches keep their numbers, masks and paths; events not read yet become an overflow. */
#include "harness.h"
#include <sys/inotify.h>
#include <sys/stat.h>

static int add(int fd, const char *path, uint32_t mask)
{
	int wd = inotify_add_watch(fd, path, mask);

	if (wd < 0)
		die("inotify_add_watch");
	return wd;
}

/* The next event; mask 0 when there is none. */
static struct inotify_event next(int fd, char *name)
{
	struct inotify_event e = {0};
	char buf[sizeof(e) + 256];
	ssize_t got = -1;

	*name = 0;
	/* The kernel gives whole events only: ask for more until one fits. */
	for (size_t n = sizeof(e); n <= sizeof(buf) && got < 0; n += 16) {
		got = read(fd, buf, n);
		if (got < 0 && errno != EINVAL)
			return e;
	}
	memcpy(&e, buf, sizeof(e));
	if (e.len)
		strcpy(name, buf + sizeof(e));
	return e;
}

int main(void)
{
	int fd = inotify_init1(IN_NONBLOCK), late = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int dir, file, link, gone, seen;
	struct inotify_event e;
	char name[256];

	mkdir("watched", 0700);
	close(open("a file", O_CREAT | O_WRONLY, 0600));
	if (symlink("a file", "a link"))
		die("symlink");
	gone = add(fd, "watched", IN_CREATE);
	inotify_rm_watch(fd, gone);
	next(fd, name);
	gone = add(fd, ".", IN_CREATE);
	dir = add(fd, "watched", IN_CREATE | IN_DELETE);
	file = add(fd, "a file", IN_MODIFY | IN_ONESHOT);
	link = add(fd, "a link", IN_DELETE_SELF | IN_DONT_FOLLOW);
	inotify_rm_watch(fd, gone);
	next(fd, name);
	seen = add(late, "watched", IN_CREATE);
	close(open("watched/missed", O_CREAT | O_WRONLY, 0600));
	next(fd, name);

	ready();

	check(next(fd, name).mask == 0, "an event that nobody made");
	close(open("watched/new", O_CREAT | O_WRONLY, 0600));
	e = next(fd, name);
	check(e.wd == dir && e.mask == IN_CREATE && !strcmp(name, "new"), "watch %d, mask %#x, %s",
	      e.wd, e.mask, name);
	truncate("a file", 1);
	e = next(fd, name);
	check(e.wd == file && e.mask == IN_MODIFY, "file: watch %d, mask %#x", e.wd, e.mask);
	check(next(fd, name).mask == IN_IGNORED, "IN_ONESHOT lost");
	unlink("a link");
	e = next(fd, name);
	check(e.wd == link, "link: watch %d, mask %#x", e.wd, e.mask);
	e = next(late, name);
	check((e.mask == IN_Q_OVERFLOW && e.wd == -1) || (e.mask == IN_CREATE && e.wd == seen),
	      "after lost events: watch %d, mask %#x", e.wd, e.mask);
	e = next(late, name);
	check(e.mask == IN_CREATE && !strcmp(name, "new") && e.wd == seen, "then: mask %#x, %s",
	      e.mask, name);
	check(fcntl(late, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK, "flags");
	return verdict();
}
