/*
 * What programs of many processes share: children that wait until they are let go, check themselves, and
 * tell by their exit status. Their lines go to the same standard output.
 */
#ifndef CKPT_TEST_TREE_H
#define CKPT_TEST_TREE_H

#include "harness.h"
#include <signal.h>
#include <sys/wait.h>

/* Everything that tells who a process is. */
struct who {
	pid_t pid, ppid, pgid, sid;
};

static TEST_UNUSED struct who who_am_i(void)
{
	return (struct who){getpid(), getppid(), getpgrp(), getsid(0)};
}

static TEST_UNUSED void check_who(const struct who *before, const char *name)
{
	struct who now = who_am_i();

	check(now.pid == before->pid, "%s: pid %d, was %d", name, now.pid, before->pid);
	check(now.ppid == before->ppid, "%s: ppid %d, was %d", name, now.ppid, before->ppid);
	check(now.pgid == before->pgid, "%s: pgid %d, was %d", name, now.pgid, before->pgid);
	check(now.sid == before->sid, "%s: sid %d, was %d", name, now.sid, before->sid);
}

static TEST_UNUSED void wait_gone(void)
{
	while (!gone())
		sleep_ms(5);
}

/* Fork; the child runs fn(arg), which is to end with wait_gone() and checks, and exits. */
static TEST_UNUSED pid_t child_start(void (*fn)(void *arg), void *arg)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	fn(arg);
	_exit(test_failures ? 1 : 0);
}

/* Wait for a child and check that it ended as it should. */
static TEST_UNUSED void child_end(pid_t pid, int code)
{
	int status = -1;
	pid_t got = waitpid(pid, &status, 0);

	check(got == pid, "waitpid(%d) gives %d: %s", pid, got, strerror(errno));
	check(WIFEXITED(status) && WEXITSTATUS(status) == code, "child %d: status %x, not exit %d", pid, status,
	      code);
}

/* One byte through a pipe: the child says that it is set up. */
struct signpost {
	int fd[2];
};

static TEST_UNUSED struct signpost signpost_make(void)
{
	struct signpost s;

	if (pipe(s.fd))
		die("pipe");
	return s;
}

static TEST_UNUSED void signpost_tell(const struct signpost *s)
{
	if (write(s->fd[1], "x", 1) != 1)
		die("write");
}

/* Wait for n tellings. */
static TEST_UNUSED void signpost_await(const struct signpost *s, int n)
{
	char c;

	while (n-- > 0)
		if (read(s->fd[0], &c, 1) != 1)
			die("read");
}

#endif
