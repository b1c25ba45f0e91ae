/*
 * Stand-ins: the program's parent, the leader of its session and of its process group were outside the
 * job. In the capsule a sleeping process takes each of their places, so that getppid(2), getsid(2) and
 * getpgrp(2) say what they said. On a terminal there is no stand-in for the session: the program stays
 * in the caller's, whose terminal it uses.
 *
 *   init ─ [session leader] ─ [parent ─ [group leader]] ─ program
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "die.h"
#include "restart.h"

pid_t fork_as(pid_t pid)
{
	struct clone_args a = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&pid,
		.set_tid_size = 1,
	};
	long child = syscall(SYS_clone3, &a, sizeof(a));

	if (child < 0 && errno == EEXIST)
		die("process id %d is taken", pid);
	if (child < 0)
		die("cannot make a process with id %d:", pid);
	return child;
}

/* Nothing but SIGKILL disturbs a stand-in, whatever is typed on the terminal. */
static void signals_block(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
}

static void event_send(int events, int what, int status, int fd)
{
	struct event e = {.what = what, .status = status};
	struct iovec iov = {&e, sizeof(e)};
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} c = {.h = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
		m.msg_control = &c;
		m.msg_controllen = sizeof(c);
	}
	sendmsg(events, &m, MSG_NOSIGNAL);
}

/*
 * Reap until nothing is left: the program, telling the outside what becomes of it, and, for the
 * capsule's init, every orphan. When the program ends, so does the stand-in `other`.
 */
static void __attribute__((noreturn)) wait_all(int events, pid_t program, pid_t other)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WUNTRACED | WCONTINUED)) > 0 || errno == EINTR) {
		if (pid <= 0 || pid != program)
			continue;
		if (WIFSTOPPED(status)) {
			event_send(events, EVENT_STOPPED, status, -1);
		} else if (WIFCONTINUED(status)) {
			event_send(events, EVENT_CONTINUED, status, -1);
		} else {
			event_send(events, EVENT_ENDED, status, -1);
			if (other)
				kill(other, SIGKILL);
		}
	}
	_exit(0);
}

static void __attribute__((noreturn)) wait_program(int events, pid_t program, pid_t other)
{
	int pidfd = syscall(SYS_pidfd_open, program, 0);

	event_send(events, EVENT_STARTED, 0, pidfd);
	if (pidfd >= 0)
		close(pidfd);
	wait_all(events, program, other);
}

static pid_t group_make(pid_t pgid)
{
	pid_t pid = fork_as(pgid);

	if (pid) {
		setpgid(pid, pid);
		return pid;
	}
	setpgid(0, 0);
	for (;;)
		pause();
}

/* In the program's process: its session and group. */
static void groups_join(const struct restart *r)
{
	const struct rec_process *p = &r->process;

	if (!r->on_terminal && p->sid == p->pid) {
		setsid();
		return;
	}
	setpgid(0, p->pgid == p->pid ? 0 : p->pgid);
	for (int fd = 0; r->foreground && fd < 3; fd++)
		if (tcsetpgrp(fd, getpgrp()) == 0)
			break;
}

void family_make(struct restart *r, struct family *f)
{
	const struct rec_process *p = &r->process;
	bool session = !r->opt.no_capsule && !r->on_terminal && p->sid > 1 && p->sid != p->pid;
	bool parent = !r->opt.no_capsule && p->ppid > 1;
	pid_t self = getpid(), group = 0, child;
	sigset_t old;

	sigprocmask(SIG_BLOCK, NULL, &old);
	signals_block();
	if (session && p->sid != p->ppid) {
		child = fork_as(p->sid);
		if (child)
			wait_all(f->events, 0, 0);
		self = p->sid;
		setsid();
	}
	if (parent) {
		child = fork_as(p->ppid);
		if (child)
			wait_all(f->events, 0, 0);
		self = p->ppid;
		if (session && p->sid == p->ppid)
			setsid();
		else if (p->pgid == p->ppid)
			setpgid(0, 0);
	}
	if (!r->opt.no_capsule && p->pgid > 1 && p->pgid != p->pid && p->pgid != self &&
	    p->pgid != (session ? p->sid : 0))
		group = group_make(p->pgid);
	child = p->pid == self ? 0 : fork_as(p->pid);
	if (child)
		wait_program(f->events, child, group);
	close(f->events);
	groups_join(r);
	sigprocmask(SIG_SETMASK, &old, NULL);
}
