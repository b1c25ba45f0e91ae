/* Children that have ended and were not waited for: their statuses are still there, once each. */
#include "tree.h"

static volatile sig_atomic_t nchld;

static void on_chld(int sig)
{
	(void)sig;
	nchld++;
}

static void exits(void *arg)
{
	_exit(*(int *)arg);
}

static void killed(void *arg)
{
	raise(*(int *)arg);
	for (;;)
		pause();
}

static void await_zombie(pid_t pid)
{
	siginfo_t si;

	if (waitid(P_PID, pid, &si, WEXITED | WNOWAIT))
		die("waitid");
}

int main(void)
{
	int code = 7, sig = SIGTERM, status;
	pid_t a, b, c;

	signal(SIGCHLD, on_chld);
	a = child_start(exits, &code);
	await_zombie(a);
	b = child_start(killed, &sig);
	await_zombie(b);
	code = 0;
	c = child_start(exits, &code);
	await_zombie(c);
	nchld = 0;
	ready();
	check(nchld == 0, "%d signals that a child ended", (int)nchld);
	child_end(a, 7);
	check(waitpid(b, &status, 0) == b && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "status %x",
	      status);
	child_end(c, 0);
	check(waitpid(-1, NULL, 0) < 0 && errno == ECHILD, "more children than there were");
	return verdict();
}
