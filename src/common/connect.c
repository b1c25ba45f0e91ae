/*
 * ckpt_coordinator turns itself into a daemon once its socket answers, and two that start at once
 * settle between them who stays. So starting one is to run it and to wait for it.
 */
#include "connect.h"
#include "die.h"
#include "protocol.h"
#include "runtime.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* The daemon must not be taken for a part of the job that a caller inside a job belongs to. */
static const char *const not_inherited[] = {
	"LD_PRELOAD",	 "CKPT_JOB",	  "CKPT_NAME",	 "CKPT_DIR",	 "CKPT_KEEP",
	"CKPT_COMPRESS", "CKPT_INTERVAL", "CKPT_SIGNAL", "CKPT_TIMEOUT", "CKPT_TCP",
	"CKPT_IGNORE",	 "CKPT_KEYFILE",  "CKPT_FILES",	 "CKPT_ON_SIGNAL", "CKPT_ON_COMMIT",
};

static void exec_coordinator(const char *path)
{
	sigset_t all;

	for (size_t i = 0; i < ARRAY_SIZE(not_inherited); i++)
		unsetenv(not_inherited[i]);
	/* It chooses by itself what it takes; nothing is to end it before that. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	close_range(3, ~0u, 0);
	execl(path, path, (char *)NULL);
	warn("cannot execute %s:", path);
	_exit(STATUS_OWN);
}

static int start_coordinator(void)
{
	char path[PATH_MAX];
	int status = 0;
	pid_t pid;

	runtime_beside("ckpt_coordinator", path, sizeof(path));
	pid = fork();
	if (pid < 0)
		die("cannot start %s:", path);
	if (pid == 0)
		exec_coordinator(path);
	/* ECHILD: the caller ignores SIGCHLD, the status is lost; whether it answers will tell. */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		warn("%s was killed by signal %d", path, WTERMSIG(status));
	return status ? -ECANCELED : 0;
}

int coordinator_connect(bool start)
{
	char path[SOCKET_PATH_MAX];
	int fd, err;

	runtime_socket_path(path);
	fd = msg_connect(path);
	if (!start || (fd != -ENOENT && fd != -ECONNREFUSED))
		return fd;
	err = start_coordinator();
	return err ? err : msg_connect(path);
}
