/*
 * A job that wants to become what another image holds (ckpt_become()). Its first process leaves the image's path in
 * a file beside the coordinator's socket that has our pid in its name, and ends. Then we end the rest of the job and
 * execute ourselves for that image: the same process for whoever started us, and no capsule inside of another.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "die.h"
#include "handover.h"
#include "restart.h"

bool become_asked(const struct restart *r, char *path)
{
	char name[BECOME_PATH_MAX];
	struct text t = TEXT(name);
	struct stat st;
	ssize_t n = -1;
	int fd;

	become_path(&t, r->socket, getpid());
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid())
		n = read(fd, path, CKPT_PATH_MAX - 1);
	close(fd);
	unlink(name);
	if (n <= 0)
		return false;
	path[n] = 0;
	return true;
}

void become(const struct restart *r, char *path)
{
	char self[CKPT_PATH_MAX] = "";
	sigset_t none;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		self[0] = 0;
	r->argv[r->argc - 1] = path;
	sigemptyset(&none);
	signal(SIGTTOU, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(self, r->argv); /* by its path, which gives it its name; */
	execv("/proc/self/exe", r->argv); /* or when it has been replaced meanwhile */
	die("cannot execute ckpt_restart again, for %s:", path);
}
