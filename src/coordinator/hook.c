/*
 * The program may do what it likes, and it may hang: so it is a session of its own, which is killed when its time is
 * up, and the coordinator goes on meanwhile. The processes of the job stand still.
 */
#include "hook.h"
#include "log.h"
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_NS 30000000000ull

enum { ENVIRONMENT_MAX = 8 << 20 };

struct hook {
	pid_t pid;
	struct watch ended; /* pidfd */
	struct timer limit;
	bool late;
	void (*over)(void *arg, const char *why);
	void *arg;
	char *text; /* of the environment, */
	char **env; /* and where its variables begin; the first is CKPT_ON_COMMIT's, or NULL */
};

static void hook_free(struct hook *h)
{
	free(h->text);
	free(h->env);
	free(h);
}

/* ---- the environment ---- */

static bool is_left_out(const char *variable)
{
	return str_starts(variable, "LD_PRELOAD=") || str_starts(variable, "CKPT_JOB=");
}

static ssize_t environment_read(int pid, char **text)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*text = malloc(ENVIRONMENT_MAX + 1);
	n = *text ? io_read(fd, *text, ENVIRONMENT_MAX) : -ENOMEM;
	close(fd);
	if (n >= 0)
		(*text)[n] = 0;
	return n;
}

/* 0 or -errno. */
static int environment_take(struct hook *h, int pid)
{
	ssize_t len = environment_read(pid, &h->text);
	size_t n = 0;

	if (len < 0)
		return len;
	for (ssize_t i = 0; i <= len; i++)
		n += !h->text[i];
	h->env = calloc(n + 2, sizeof(*h->env));
	if (!h->env)
		return -ENOMEM;
	n = 1;
	for (char *v = h->text; v < h->text + len; v += strlen(v) + 1) {
		if (str_starts(v, "CKPT_ON_COMMIT=/"))
			h->env[0] = v;
		else if (!is_left_out(v))
			h->env[n++] = v;
	}
	return 0;
}

/* ---- the program ---- */

static void __attribute__((noreturn)) be_hook(const struct hook *h)
{
	char *program = strchr(h->env[0], '=') + 1;
	char *argv[] = {program, NULL};
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	setsid();
	signal(SIGHUP, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close_range(3, ~0u, 0);
	execve(program, argv, h->env);
	_exit(errno == ENOENT ? 127 : 126);
}

static void put_failure(const struct hook *h, int status, char *why, size_t n)
{
	if (h->late)
		snprintf(why, n, "did not end in %llu s", LIMIT_NS / 1000000000);
	else if (WIFSIGNALED(status))
		snprintf(why, n, "was ended by signal %d", WTERMSIG(status));
	else
		snprintf(why, n, "ended with status %d", WEXITSTATUS(status));
}

static void hook_ends(struct watch *w, uint32_t events)
{
	struct hook *h = CONTAINER_OF(w, struct hook, ended);
	char why[64];
	int status = 0;

	(void)events;
	waitpid(h->pid, &status, 0);
	timer_clear(&h->limit);
	loop_remove(w);
	close(w->fd);
	log_line("hook %d: status %x", h->pid, status);
	if (status)
		put_failure(h, status, why, sizeof(why));
	if (h->over)
		h->over(h->arg, status ? why : NULL);
	hook_free(h);
}

static void hook_is_late(struct timer *t)
{
	struct hook *h = CONTAINER_OF(t, struct hook, limit);

	h->late = true;
	if (kill(-h->pid, SIGKILL))
		kill(h->pid, SIGKILL); /* it is not even a session yet */
}

static int hook_start(struct hook *h)
{
	h->pid = fork();
	if (h->pid < 0)
		return -errno;
	if (h->pid == 0)
		be_hook(h);
	h->ended = (struct watch){.fd = syscall(SYS_pidfd_open, h->pid, 0), .ready = hook_ends};
	if (h->ended.fd < 0 || loop_add(&h->ended, EPOLLIN)) {
		kill(h->pid, SIGKILL);
		waitpid(h->pid, NULL, 0);
		if (h->ended.fd >= 0)
			close(h->ended.fd);
		return -EMFILE;
	}
	h->limit.fire = hook_is_late;
	timer_set(&h->limit, loop_now() + LIMIT_NS);
	return 0;
}

struct hook *hook_run(int pid, void (*over)(void *arg, const char *why), void *arg, struct text *why)
{
	struct hook *h = calloc(1, sizeof(*h));
	int err = h ? environment_take(h, pid) : -ENOMEM;

	if (!err && h->env[0]) {
		h->over = over;
		h->arg = arg;
		err = hook_start(h);
		if (!err)
			return h;
	}
	if (err)
		text_put(why, "%s", strerror(-err));
	if (h)
		hook_free(h);
	return NULL;
}

void hook_forget(struct hook *h)
{
	h->over = NULL;
}
