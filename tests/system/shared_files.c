/*
 * Open files of a parent, two children and a grandchild: which of them are one and the same is what it was,
 * by kcmp(2), and shared ones share position and flags. Some were inherited, some opened again, some are
 * had by children only.
 */
#include "harness.h"
#include <linux/kcmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { PROCESSES = 4, FILES = 24 };

static pid_t pid[PROCESSES];
static char text_path[] = "shared_files.text";

static int open_text(int flags)
{
	int fd = open(text_path, flags);

	if (fd < 0)
		die("open %s", text_path);
	return fd;
}

/* A process of the tree waits to be told to end; the pipe's bytes are one for each. */
static void child_main(int go)
{
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(go, &c, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

/* A process that has its files tells which one it is. */
struct news {
	int index;
	pid_t pid;
};

static void tell_news(int tell, int index)
{
	struct news n = {index, getpid()};

	if (write(tell, &n, sizeof(n)) != sizeof(n))
		_exit(1);
}

static void child(int go, int tell, int index)
{
	pid_t p = fork();

	if (p < 0)
		die("fork");
	if (p == 0) {
		open_text(O_RDONLY); /* one of its own */
		tell_news(tell, index);
		child_main(go);
	}
}

/* A child with a child: what the parent has closed, and opened before forking again. */
static void child_with_child(int go, int tell)
{
	pid_t p = fork();

	if (p < 0)
		die("fork");
	if (p == 0) {
		int extra = open_text(O_RDWR | O_APPEND);

		child(go, tell, 3);
		if (lseek(extra, 3, SEEK_SET) < 0)
			_exit(1);
		tell_news(tell, 2);
		child_main(go);
	}
}

static signed char matrix[PROCESSES * FILES][PROCESSES * FILES];

/* 1: the same, 0: not, -1: one of them is not open. */
static int same(int a, int b)
{
	long r = syscall(SYS_kcmp, pid[a / FILES], pid[b / FILES], KCMP_FILE, a % FILES, b % FILES);

	return r < 0 ? -1 : r == 0;
}

static void compare(bool first)
{
	for (int a = 0; a < PROCESSES * FILES; a++) {
		for (int b = 0; b < PROCESSES * FILES; b++) {
			int now = same(a, b);

			if (first)
				matrix[a][b] = now;
			else
				check(now == matrix[a][b], "fd %d of process %d and fd %d of process %d: %d, was %d",
				      a % FILES, a / FILES, b % FILES, b / FILES, now, matrix[a][b]);
		}
	}
}

int main(void)
{
	int go[2], tell[2], in, fd = open(text_path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, "0123456789", 10) != 10 || pipe(go) || pipe(tell))
		die("files");
	in = open_text(O_RDONLY | O_NONBLOCK);
	open("/dev/null", O_RDWR);
	pid[0] = getpid();
	child(go[0], tell[1], 1);
	open("/dev/null", O_RDWR);
	child_with_child(go[0], tell[1]);
	for (int i = 1; i < PROCESSES; i++) {
		struct news n;

		if (read(tell[0], &n, sizeof(n)) != sizeof(n))
			die("news of children");
		pid[n.index] = n.pid;
	}
	lseek(in, 4, SEEK_SET);
	compare(true);
	ready();
	compare(false);
	check(lseek(in, 0, SEEK_CUR) == 4, "position %ld, was 4", (long)lseek(in, 0, SEEK_CUR));
	check(fcntl(in, F_GETFL) & O_NONBLOCK, "O_NONBLOCK is gone");
	if (write(go[1], "xxx", 3) != 3)
		die("go");
	while (wait(NULL) > 0)
		;
	unlink(text_path);
	return verdict();
}
