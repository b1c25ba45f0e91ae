/*
 * ckpt_become(): the job ends, and what another image holds takes its place: the same process for whoever has
 * started it, on the same terminal. Runs in the program's own time.
 *
 * The first time that is an exec of ckpt_restart. In a restarted job it would nest one capsule in the other each
 * time; there the ckpt_restart that is outside does it, which finds the image's path in a file when the first
 * process has ended (src/restart/become.c).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "preload.h"
#include "handler.h"

#define API __attribute__((visibility("default")))

extern char **environ;

/* What makes a program one of the job. */
static bool is_of_job(const char *var)
{
	static const char *const names[] = {"LD_PRELOAD=", "CKPT_JOB=", "CKPT_FIRST=", "CKPT_SESSION="};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_starts(var, names[i]))
			return true;
	return false;
}

static int exec_restart(const char *image)
{
	char path[CKPT_PATH_MAX];
	char *argv[] = {"ckpt_restart", (char *)image, NULL}, **env;
	size_t n = 0;

	if (!program_path("ckpt_restart", path, sizeof(path)))
		return -ENOENT;
	while (environ[n])
		n++;
	env = calloc(n + 1, sizeof(*env));
	if (!env)
		return -ENOMEM;
	n = 0;
	for (char **e = environ; *e; e++)
		if (!is_of_job(*e))
			env[n++] = *e;
	execve(path, argv, env);
	free(env);
	return -errno;
}

static int ask_outside(const char *image)
{
	char name[BECOME_PATH_MAX];
	struct text t = TEXT(name);
	ssize_t len = strlen(image);
	int fd;

	become_path(&t, preload.socket, preload.outside_pid);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, image, len) != len) {
		close(fd);
		unlink(name);
		return -EIO;
	}
	close(fd);
	_exit(0);
}

API int ckpt_become(const char *image)
{
	int err = -EPERM;

	if (!preload.active)
		err = -ENOTCONN;
	else if (image[0] != '/')
		err = -EINVAL;
	else if (strlen(image) >= CKPT_PATH_MAX)
		err = -ENAMETOOLONG;
	else if (sys_getpid() == preload.first_pid)
		err = preload.outside_pid ? ask_outside(image) : exec_restart(image);
	errno = -err;
	return -1;
}
