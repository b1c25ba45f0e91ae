/* File locks: flock, fcntl (the process's) and OFD (the open file's), with their ranges. */
#include "harness.h"
#include <sys/file.h>
#include <sys/wait.h>

static int make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, "content", 7) != 7)
		die("%s", path);
	return fd;
}

static void set(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock l = {.l_type = type, .l_start = start, .l_len = len};

	if (fcntl(fd, cmd, &l))
		die("fcntl");
}

/* Run in a child: can somebody else lock the range? */
static bool locked(const char *path, int type, off_t start, off_t len)
{
	struct flock l = {.l_type = type, .l_start = start, .l_len = len};
	int status, fd;
	pid_t pid = fork();

	if (!pid) {
		fd = open(path, O_RDWR);
		_exit(fcntl(fd, F_SETLK, &l) ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static bool flocked(const char *path, int op)
{
	int fd = open(path, O_RDONLY);
	bool yes = flock(fd, op | LOCK_NB) < 0;

	close(fd);
	return yes;
}

int main(void)
{
	int whole = make("whole"), shared = make("shared"), range = make("range"),
	    ofd = make("ofd");

	if (flock(whole, LOCK_EX) || flock(shared, LOCK_SH))
		die("flock");
	set(range, F_SETLK, F_WRLCK, 10, 5);
	set(range, F_SETLK, F_RDLCK, 100, 0);
	set(ofd, F_OFD_SETLK, F_WRLCK, 3, 1);

	ready();

	check(flocked("whole", LOCK_SH), "flock lost");
	check(flocked("shared", LOCK_EX) && !flocked("shared", LOCK_SH), "shared flock");
	check(locked("range", F_RDLCK, 14, 1), "fcntl lock lost");
	check(!locked("range", F_WRLCK, 15, 1) && !locked("range", F_WRLCK, 9, 1),
	      "its range grew");
	check(locked("range", F_WRLCK, 1000000, 1) && !locked("range", F_RDLCK, 1000000, 1),
	      "read lock to the end of the file");
	check(locked("ofd", F_RDLCK, 3, 1) && !locked("ofd", F_WRLCK, 4, 1), "OFD lock");
	close(ofd);
	check(!locked("ofd", F_RDLCK, 3, 1), "the OFD lock outlives its file");
	return verdict();
}
