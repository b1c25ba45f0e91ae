/*
 * Orphans keep who adopted them, and the session that they were born in: a daemon, made by two forks, whose
 * session's leader has ended; and, below a subreaper, one whose session's leader lives further down.
 */
#include "tree.h"
#include <sys/prctl.h>

static struct signpost set_up, verdicts;
static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

/* Wait for what makes us an orphan, then for the end; who adopted us would not know how we ended. */
static void orphan(const char *name, pid_t mother)
{
	struct who me;

	while (getppid() == mother)
		sleep_ms(1);
	signal(SIGUSR1, on_signal);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	me = who_am_i();
	signpost_tell(&set_up);
	wait_gone();
	check_who(&me, name);
	check(signals == 0, "%s: its parent has ended", name);
	if (write(verdicts.fd[1], test_failures ? "b" : "g", 1) != 1)
		_exit(2);
	_exit(0);
}

static void orphan_make(const char *name)
{
	pid_t mother = getpid(), pid = fork();

	if (pid == 0)
		orphan(name, mother);
}

/* Two of them, the second leading a group. */
static void daemon_make(void *arg)
{
	(void)arg;
	if (setsid() < 0)
		die("setsid");
	orphan_make("daemon");
	if (fork() == 0) {
		setpgid(0, 0);
		orphan_make("daemon in a group whose leader is gone");
		_exit(0);
	}
	if (wait(NULL) < 0)
		die("wait");
}

static void mother(void *arg)
{
	(void)arg;
	orphan_make("orphan below a subreaper");
}

/* Leads a session; what its child leaves behind is adopted above. */
static void leader(void *arg)
{
	struct who me;

	(void)arg;
	if (setsid() < 0)
		die("setsid");
	child_end(child_start(mother, NULL), 0);
	me = who_am_i();
	signpost_tell(&set_up);
	wait_gone();
	check_who(&me, "leader");
}

static void between(void *arg)
{
	(void)arg;
	child_end(child_start(leader, NULL), 0);
}

static void subreaper(void *arg)
{
	pid_t pid;
	struct who me = who_am_i();
	int n = 0, is_one = 0;

	(void)arg;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	child_start(between, NULL);
	wait_gone();
	check_who(&me, "subreaper");
	prctl(PR_GET_CHILD_SUBREAPER, &is_one);
	check(is_one == 1, "it is no subreaper any more");
	while ((pid = wait(NULL)) > 0)
		n++;
	check(n == 2, "the subreaper had %d children", n);
}

static void await_verdict(void)
{
	char c = 0;

	check(read(verdicts.fd[0], &c, 1) == 1 && c == 'g', "an orphan is not what it was");
}

int main(void)
{
	pid_t s;

	set_up = signpost_make();
	verdicts = signpost_make();
	child_end(child_start(daemon_make, NULL), 0);
	s = child_start(subreaper, NULL);
	signpost_await(&set_up, 4);
	ready();
	for (int i = 0; i < 3; i++)
		await_verdict();
	child_end(s, 0);
	return verdict();
}
