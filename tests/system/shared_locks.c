/*
 * fcntl(2) locks that a parent and its child have, each its own, through one open file; flock(2) and an
 * open file's lock (OFD) through another. Each lock is still had by who had it.
 */
#include "tree.h"
#include <sys/file.h>

static int fd, ofd;

static struct flock range(int type, long start, long len)
{
	return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
}

static void take(int cmd, int f, long start, long len)
{
	struct flock l = range(F_WRLCK, start, len);

	if (fcntl(f, cmd, &l))
		die("lock");
}

/* Who stands against a lock of ours on the bytes, 0: nobody. */
static int holder(long start, long len)
{
	struct flock l = range(F_WRLCK, start, len);

	if (fcntl(fd, F_GETLK, &l))
		die("F_GETLK");
	return l.l_type == F_UNLCK ? 0 : l.l_pid;
}

static void child_main(void *arg)
{
	pid_t parent = getppid();

	take(F_SETLK, fd, 100, 10);
	if (write(*(int *)arg, "x", 1) != 1)
		die("write");
	wait_gone();
	check(holder(0, 10) == parent, "the parent's lock: process %d", holder(0, 10));
	check(!holder(100, 10), "the child's own lock is that of %d", holder(100, 10));
	sleep_ms(300);
}

int main(void)
{
	int tell[2], other = open("shared_locks.other", O_RDWR | O_CREAT, 0600);
	struct flock l = range(F_WRLCK, 0, 5);
	pid_t child;
	char c;

	fd = open("shared_locks.file", O_RDWR | O_CREAT, 0600);
	ofd = open("shared_locks.other", O_RDWR);
	if (fd < 0 || ofd < 0 || other < 0 || pipe(tell))
		die("open");
	take(F_SETLK, fd, 0, 10);
	take(F_OFD_SETLK, ofd, 0, 5);
	if (flock(ofd, LOCK_EX))
		die("flock");
	child = child_start(child_main, &tell[1]);
	if (read(tell[0], &c, 1) != 1)
		die("read");
	ready();
	check(holder(100, 10) == child, "the child's lock: process %d", holder(100, 10));
	check(!holder(0, 10), "the own lock is that of %d", holder(0, 10));
	check(fcntl(other, F_OFD_GETLK, &l) == 0 && l.l_type == F_WRLCK, "the open file's lock is gone");
	check(flock(other, LOCK_EX | LOCK_NB) < 0, "flock is gone");
	check(flock(ofd, LOCK_EX | LOCK_NB) == 0, "flock is another's");
	child_end(child, 0);
	unlink("shared_locks.file");
	unlink("shared_locks.other");
	return verdict();
}
