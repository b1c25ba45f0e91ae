/*
 * A coordinator when there is none: it may have been killed, and a signal that asks for a checkpoint does not
 * wait until somebody starts another. Its path, and what of the environment it is to have, are found by the
 * constructor, for a signal handler can't.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include "preload.h"
#include "handler.h"
#include "helper.h"

/* By the first two an administrator's scripts know whose it is (SLURM). */
static const char *const inherited[] = {"SLURM_JOB_ID", "SLURM_CLUSTER_NAME", "CKPT_LINGER", "CKPT_LOG", "CKPT_LOG_DIR"};

static char path[CKPT_PATH_MAX]; /* "": not found */
static char variables[1024];	 /* "NAME=value", each terminated */
static char *environment[ARRAY_SIZE(inherited) + 3];

static char *variable_put(struct text *t, const char *name, const char *value)
{
	char *at = t->buf + t->len;

	if (t->len + str_len(name) + str_len(value) + 3 > t->cap)
		return NULL;
	text_put(t, "%s=%s", name, value);
	t->len++; /* the terminator stays */
	return at;
}

void coordinator_find(void)
{
	struct text t = TEXT(variables);
	size_t n = 0;

	if (path[0] || !program_path("ckpt_coordinator", path, sizeof(path)))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(inherited); i++) {
		const char *value = getenv(inherited[i]);

		environment[n] = value ? variable_put(&t, inherited[i], value) : NULL;
		n += !!environment[n];
	}
}

/*
 * The socket may be another since a restart. One that is started inside of a capsule serves nobody else, and
 * ckpt_restart waits for it: it is not to linger.
 */
static int exec_coordinator(void *arg)
{
	char socket[sizeof(CKPT_ENV_SOCKET) + sizeof(preload.socket) + 1], *argv[] = {path, NULL};
	char *envp[ARRAY_SIZE(environment)];
	struct text t = TEXT(socket);
	size_t n = 0;

	(void)arg;
	text_put(&t, "%s=%s", CKPT_ENV_SOCKET, preload.socket);
	envp[n++] = socket;
	if (preload.outside_pid)
		envp[n++] = "CKPT_LINGER=1";
	for (char **e = environment; *e; e++)
		if (!preload.outside_pid || !str_starts(*e, "CKPT_LINGER="))
			envp[n++] = *e;
	envp[n] = NULL;
	sys_call3(__NR_execve, path, argv, envp);
	return 127;
}

void coordinator_start(void)
{
	int status;
	long pid;

	if (!path[0])
		return;
	pid = clone_on_stack(CLONE_VM | CLONE_VFORK | SIGCHLD, preload.helper_stack + COORDINATOR_STACK,
			     exec_coordinator, NULL);
	while (pid > 0 && sys_call4(__NR_wait4, pid, &status, __WALL, NULL) == -EINTR)
		;
}
