/*
 * Process groups and sessions: a group of two whose leader waits, one whose leader has ended and was
 * waited for, one whose leader is a zombie; a session with a member that its leader made before.
 */
#include "tree.h"

static struct signpost set_up;

static void stay(void *arg)
{
	struct who me;

	if (arg)
		setpgid(0, *(pid_t *)arg);
	me = who_am_i();
	signpost_tell(&set_up);
	wait_gone();
	check_who(&me, "member");
}

static void lead(void *arg)
{
	setpgid(0, 0);
	if (arg)
		_exit(3);
	stay(NULL);
}

static void session(void *arg)
{
	pid_t before = child_start(stay, NULL), after;
	struct who me;

	(void)arg;
	if (setsid() < 0)
		die("setsid");
	after = child_start(stay, NULL);
	me = who_am_i();
	signpost_tell(&set_up);
	wait_gone();
	check_who(&me, "session leader");
	child_end(before, 0);
	child_end(after, 0);
}

/* The second joins the first's group as soon as that is one. */
static pid_t joiner(pid_t leader)
{
	while (getpgid(leader) != leader)
		sleep_ms(1);
	return child_start(stay, &leader);
}

int main(void)
{
	struct signpost hold = signpost_make();
	pid_t leader, member, zombie, of_zombie, gone_leader, of_gone, s;
	siginfo_t si;

	set_up = signpost_make();
	leader = child_start(lead, NULL);
	member = joiner(leader);
	zombie = child_start(lead, &hold);
	of_zombie = joiner(zombie);
	gone_leader = child_start(lead, &hold);
	of_gone = joiner(gone_leader);
	s = child_start(session, NULL);
	signpost_await(&set_up, 7);
	if (waitid(P_PID, zombie, &si, WEXITED | WNOWAIT))
		die("waitid");
	child_end(gone_leader, 3);
	ready();
	check(getpgid(of_gone) == gone_leader, "group of a leader that is gone: %d, was %d", getpgid(of_gone),
	      gone_leader);
	child_end(zombie, 3);
	child_end(leader, 0);
	child_end(member, 0);
	child_end(of_zombie, 0);
	child_end(of_gone, 0);
	child_end(s, 0);
	return verdict();
}
