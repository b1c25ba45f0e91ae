/*
 * system(3). libc's own starts the shell past the wrapper of posix_spawn(3), with our signals not
 * blocked, and to block it around the whole call would make a process that waits for a command one that
 * can't be checkpointed. So this is the function itself, as POSIX has it: SIGINT and SIGQUIT are ignored
 * and SIGCHLD is blocked while the command runs; a thread that is cancelled takes the command with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <paths.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include "wrap.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under the lock: calls that are under way, and what they all gave up for the while. */
static int ncalls;
static struct sigaction old_int, old_quit;

static void signals_ignore(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	pthread_mutex_lock(&lock);
	if (ncalls++ == 0) {
		sigaction(SIGINT, &ignore, &old_int);
		sigaction(SIGQUIT, &ignore, &old_quit);
	}
	pthread_mutex_unlock(&lock);
}

static void signals_restore(void)
{
	pthread_mutex_lock(&lock);
	if (--ncalls == 0) {
		sigaction(SIGINT, &old_int, NULL);
		sigaction(SIGQUIT, &old_quit, NULL);
	}
	pthread_mutex_unlock(&lock);
}

/* One call under way. */
struct call {
	sigset_t mask; /* of the thread, before */
	pid_t pid;
};

static void call_end(struct call *c)
{
	signals_restore();
	pthread_sigmask(SIG_SETMASK, &c->mask, NULL);
}

static void call_cancelled(void *arg)
{
	struct call *c = arg;
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	kill(c->pid, SIGKILL);
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	pthread_setcancelstate(state, NULL);
	call_end(c);
}

/* The shell has the caller's mask, and of SIGINT and SIGQUIT the default unless the caller ignores them. */
static int shell_start(struct call *c, const char *command)
{
	char *const argv[] = {(char *)"sh", (char *)"-c", (char *)"--", (char *)command, NULL};
	posix_spawnattr_t attr;
	sigset_t reset;
	int err;

	sigemptyset(&reset);
	if (old_int.sa_handler != SIG_IGN)
		sigaddset(&reset, SIGINT);
	if (old_quit.sa_handler != SIG_IGN)
		sigaddset(&reset, SIGQUIT);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &c->mask);
	posix_spawnattr_setsigdefault(&attr, &reset);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	err = posix_spawn(&c->pid, _PATH_BSHELL, NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	return err;
}

static int await_command(struct call *c)
{
	int status = -1;

	pthread_cleanup_push(call_cancelled, c);
	while (waitpid(c->pid, &status, 0) != c->pid) {
		if (errno != EINTR) {
			status = -1;
			break;
		}
	}
	pthread_cleanup_pop(0);
	return status;
}

static int run(const char *command)
{
	struct call c;
	sigset_t chld;
	int err, status = W_EXITCODE(127, 0);

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	signals_ignore();
	pthread_sigmask(SIG_BLOCK, &chld, &c.mask);
	err = shell_start(&c, command);
	if (!err)
		status = await_command(&c);
	call_end(&c);
	if (err)
		errno = err;
	return status;
}

__attribute__((visibility("default"))) int system(const char *command)
{
	if (!command)
		return run("exit 0") == 0;
	return run(command);
}
