/*
 * Locks of several processes: each has its own fcntl(2) locks on one file that they share by fork,
 * a flock(2) is of the open file that they share, another process has one of its own, an OFD lock
 * is shared, too; and one process waits for a lock that another has.
 */
#include "tree.h"
#include <sys/file.h>

static int shared, flocked, ofd;
static struct signpost up, down;

static int make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, "content", 7) != 7)
		die("%s", path);
	return fd;
}

static int set(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock l = {.l_type = type, .l_start = start, .l_len = len};

	return fcntl(fd, cmd, &l) ? errno : 0;
}

/* Who has a lock that stands against one of ours? 0: nobody, -1: an open file. */
static pid_t holder(int fd, off_t start)
{
	struct flock l = {.l_type = F_WRLCK, .l_start = start, .l_len = 1};

	if (fcntl(fd, F_GETLK, &l))
		die("F_GETLK");
	return l.l_type == F_UNLCK ? 0 : l.l_pid;
}

static void child(void *arg)
{
	int reader = open("locked", O_RDONLY);

	(void)arg;
	if (set(shared, F_SETLK, F_WRLCK, 20, 5) || set(reader, F_SETLK, F_RDLCK, 30, 1))
		die("F_SETLK");
	signpost_tell(&up);
	signpost_await(&down, 1);
	check(holder(shared, 0) == getppid(), "%d has the parent's lock", holder(shared, 0));
	check(holder(shared, 20) == 0, "its own lock is %d's", holder(shared, 20));
	check(flock(flocked, LOCK_EX | LOCK_NB) == 0, "the shared flock");
	check(flock(open("flocked", O_RDWR), LOCK_EX | LOCK_NB) < 0, "the flock is lost");
	signpost_tell(&up);
	signpost_await(&down, 1);
}

static void waiter(void *arg)
{
	(void)arg;
	signpost_tell(&up);
	check(set(shared, F_SETLKW, F_WRLCK, 0, 1) == 0, "waiting for a lock");
	check(holder(shared, 20) != getppid(), "the wrong lock");
}

int main(void)
{
	pid_t pid, waiting;

	up = signpost_make();
	down = signpost_make();
	shared = make("locked");
	flocked = make("flocked");
	ofd = make("ofd");
	if (set(shared, F_SETLK, F_WRLCK, 0, 10) || flock(flocked, LOCK_EX) ||
	    set(ofd, F_OFD_SETLK, F_WRLCK, 3, 1))
		die("locks");
	pid = child_start(child, NULL);
	waiting = child_start(waiter, NULL);
	signpost_await(&up, 2);
	sleep_ms(30);

	ready();

	check(holder(shared, 20) == pid, "%d has the child's lock", holder(shared, 20));
	check(holder(shared, 30) == pid, "%d has the child's read lock", holder(shared, 30));
	check(holder(shared, 5) == 0, "its own lock is %d's", holder(shared, 5));
	check(holder(shared, 50) == 0, "a lock too many");
	check(holder(ofd, 3) == -1, "the OFD lock is %d's", holder(ofd, 3));
	check(set(ofd, F_OFD_SETLK, F_WRLCK, 3, 2) == 0, "the OFD lock");
	signpost_tell(&down);
	signpost_await(&up, 1);
	check(waitpid(waiting, NULL, WNOHANG) == 0, "who waits did not wait");
	set(shared, F_SETLK, F_UNLCK, 0, 10);
	child_end(waiting, 0);
	signpost_tell(&down);
	child_end(pid, 0);
	return verdict();
}
