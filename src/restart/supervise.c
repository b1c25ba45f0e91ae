/*
 * Outside the capsule: ckpt_restart stands for the job towards whoever started it. Signals go in to the first
 * process; its stop and its exit status come out.
 *
 * The terminal's foreground group is one of the job's while that runs, whichever the job itself puts there;
 * what is typed goes to it and not to us. We are in the foreground only for a moment: when a shell has put
 * us there, we pass it on; and before we stop or end we take it, so that the shell sees what it expects.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "connect.h"
#include "die.h"
#include "handover.h"
#include "restart.h"

struct outside {
	int events, signals, tty;
	int pidfd;	/* of the first process, -1 before the job has started */
	pid_t group;	/* the job's foreground group when we took it, as seen from outside; 0: unknown */
	int32_t group_inside; /* the one at the checkpoint, as seen from inside */
	pid_t init;	/* 0: it has ended */
	int init_status;
	int status;	/* of the first process, as waitpid(2) has it */
	bool is_first;	/* it is the one that the job was started as: its status is ours */
	bool ended;	/* status is known; it may be before we are told that the job */
	bool started;	/* has been restored, and without that it is nobody's */
	uint64_t requests; /* signals that ask for a checkpoint, as a kernel set, */
	uint64_t held;	/* and those of them that came before it had started */
	int failure;	/* the status when it was not; 0: init's */
	bool becomes;	/* the image at path takes its place, when all has ended */
	char path[CKPT_PATH_MAX];
};

/* Signals that are passed on; the rest keep their action on us. */
static const int forwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM,
				SIGTSTP, SIGCONT, SIGWINCH, SIGURG, SIGPWR, SIGXCPU};

/* Those by which somebody who waits for us to begin would end or stop us; and faults. */
static const int not_held[] = {SIGHUP,	SIGINT,	 SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGCHLD,
			       SIGPIPE, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGSYS,  SIGABRT};
static uint64_t mask_given; /* as our caller has it */

void signals_hold(void)
{
	uint64_t set = ~0ull;

	for (size_t i = 0; i < ARRAY_SIZE(not_held); i++)
		set &= ~(1ull << (not_held[i] - 1));
	sys_sigprocmask(SIG_BLOCK, &set, &mask_given);
}

void signals_hold_some(const struct restart *r)
{
	uint64_t set = mask_given | on_signal_set(r->on_signal);

	sys_sigprocmask(SIG_SETMASK, &set, NULL);
}

static int signals_open(uint64_t requests)
{
	uint64_t set = requests | 1ull << (SIGCHLD - 1);

	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		set |= 1ull << (forwarded[i] - 1);
	signal(SIGTTOU, SIG_IGN);
	sys_sigprocmask(SIG_BLOCK, &set, NULL);
	return syscall(SYS_signalfd4, -1, &set, sizeof(set), SFD_CLOEXEC);
}

/* ---- process groups of the job ---- */

/* A process, as /proc shows it here. */
struct seen {
	pid_t ppid;
	pid_t group, group_inside;
};

static bool process_see(pid_t pid, struct seen *s)
{
	char path[64], status[4096];
	const char *p;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (io_read_file(path, status, sizeof(status)) <= 0)
		return false;
	p = proc_field(status, "PPid:");
	s->ppid = p ? parse_dec(&p) : 0;
	p = proc_field(status, "NSpgid:");
	s->group = s->group_inside = p ? parse_dec(&p) : 0;
	while (p && parse_skip(&p, "\t")) /* from the outermost namespace to the innermost */
		s->group_inside = parse_dec(&p);
	return true;
}

/* Everybody of the job is below init. */
static bool is_inside(const struct outside *o, pid_t pid)
{
	struct seen s;

	while (pid > 1 && pid != o->init && process_see(pid, &s))
		pid = s.ppid;
	return o->init && pid == o->init;
}

/* The job's process group with that number, as seen from here or from inside; 0: it has none. */
static pid_t group_find(const struct outside *o, pid_t group, bool inside)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	while (dir && !found && (e = readdir(dir))) {
		pid_t pid = atoi(e->d_name);
		struct seen s;

		if (pid > 1 && process_see(pid, &s) && group == (inside ? s.group_inside : s.group) &&
		    pid != o->init && is_inside(o, pid))
			found = s.group;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The group of the first process, by the pid that our /proc has for its pidfd. */
static pid_t group_of_first(const struct outside *o)
{
	char path[64], info[512];
	const char *p;
	int64_t pid;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", o->pidfd);
	if (o->pidfd < 0 || io_read_file(path, info, sizeof(info)) <= 0)
		return 0;
	p = proc_field(info, "Pid:");
	pid = p ? parse_dec(&p) : 0;
	return pid > 0 ? getpgid(pid) : 0;
}

/* ---- the foreground ---- */

/* If a shell has put us into the foreground, that is meant for the job. */
static void foreground_give(struct outside *o)
{
	if (o->tty < 0 || o->ended || tcgetpgrp(o->tty) != getpgrp())
		return;
	if (o->group)
		o->group = group_find(o, o->group, false);
	if (!o->group && o->group_inside)
		o->group = group_find(o, o->group_inside, true);
	if (!o->group)
		o->group = group_of_first(o);
	if (o->group > 0)
		tcsetpgrp(o->tty, o->group);
}

/* From the job, or from a group of it that has ended; nobody else is deprived. */
static void foreground_take(struct outside *o)
{
	pid_t now = o->tty < 0 ? -1 : tcgetpgrp(o->tty);

	if (now <= 0 || now == getpgrp())
		return;
	o->group = group_find(o, now, false);
	if (o->group || (kill(-now, 0) < 0 && errno == ESRCH))
		tcsetpgrp(o->tty, getpgrp());
}

/* ---- what the job does ---- */

static void on_started(struct outside *o, struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	if (!c || c->cmsg_type != SCM_RIGHTS)
		return;
	memcpy(&o->pidfd, CMSG_DATA(c), sizeof(o->pidfd));
	fault(FAULT_RESTART_STARTED);
	foreground_give(o);
}

/*
 * The first process has stopped: so do we, and the shell has the terminal until it continues us. Unless
 * it wanted the terminal, which the shell has given to us without a word ("fg" of a running job).
 */
static void on_stopped(struct outside *o, int sig)
{
	bool wants_tty = sig == SIGTTIN || sig == SIGTTOU;
	pid_t group = group_of_first(o);

	if (o->tty < 0)
		return;
	if (!wants_tty || tcgetpgrp(o->tty) != getpgrp()) {
		foreground_take(o);
		raise(SIGSTOP);
	}
	foreground_give(o);
	if (group > 0)
		kill(-group, SIGCONT);
}

/* What is left of the job is in the background from now on, as it would be without us. */
static void on_ended(struct outside *o, int status)
{
	o->status = status;
	o->ended = true;
	foreground_take(o);
}

static bool on_event(struct outside *o)
{
	struct event e;
	struct iovec iov = {&e, sizeof(e)};
	char control[CMSG_SPACE(sizeof(int))];
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			   .msg_controllen = sizeof(control)};

	if (recvmsg(o->events, &m, MSG_CMSG_CLOEXEC) != sizeof(e))
		return false;
	if (e.what == EVENT_STARTED) {
		o->started = true;
		on_started(o, &m);
	} else if (e.what == EVENT_STOPPED) {
		on_stopped(o, WSTOPSIG(e.status));
	} else if (e.what == EVENT_ENDED) {
		on_ended(o, e.status);
	}
	return true;
}

/* ---- what others do to us ---- */

/* Nobody is there to take it: it does to us, and to all that is inside, what it does to any program. */
static void signal_suffer(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/*
 * The program asks for a checkpoint when it has the signal. If there is no coordinator any more it starts one, but inside
 * of the capsule; one of ours is better. A failure of ours is none of the job's.
 */
static void coordinator_see_to(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(coordinator_connect(true) < 0);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The program may have got it, too; that makes one checkpoint. Behind its end there is none to be made. */
static void on_request(struct outside *o, int sig)
{
	if (o->pidfd < 0) {
		o->held |= 1ull << (sig - 1);
	} else if (!o->ended) {
		coordinator_see_to();
		syscall(SYS_pidfd_send_signal, o->pidfd, sig, NULL, 0);
	}
}

static void send_held(struct outside *o)
{
	for (int sig = 1; sig <= ON_SIGNAL_MAX; sig++)
		if (o->held >> (sig - 1) & 1)
			on_request(o, sig);
	o->held = 0;
}

static void on_signal(struct outside *o)
{
	struct signalfd_siginfo si;

	if (read(o->signals, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD) {
		if (waitpid(o->init, &o->init_status, WNOHANG) == o->init)
			o->init = 0;
		return;
	}
	foreground_give(o);
	if (o->requests >> (si.ssi_signo - 1) & 1)
		on_request(o, si.ssi_signo);
	else if (o->pidfd < 0 || o->ended)
		signal_suffer(si.ssi_signo);
	else
		syscall(SYS_pidfd_send_signal, o->pidfd, si.ssi_signo, NULL, 0);
}

/* The first process has ended. A stand-in that is its parent may tell before init has told that all run. */
static bool first_has_ended(const struct outside *o)
{
	return o->started && o->ended;
}

static int exit_status(const struct outside *o)
{
	int s = first_has_ended(o) && o->is_first ? o->status : o->init_status;

	if (!o->started && o->failure)
		return o->failure;
	return WIFSIGNALED(s) ? 128 + WTERMSIG(s) : WEXITSTATUS(s);
}

/* It may have asked for another image, and nobody else of the job is to go on. */
static void look_for_image(const struct restart *r, struct outside *o)
{
	if (!first_has_ended(o) || o->becomes || !become_asked(r, o->path))
		return;
	o->becomes = true;
	if (o->init)
		kill(o->init, SIGKILL);
}

/* Nobody may wait for what the first process has left behind. */
static void end_rest(const struct restart *r, const struct outside *o)
{
	if (r->opt.end_with_first && o->is_first && first_has_ended(o) && o->init)
		kill(o->init, SIGKILL);
}

int supervise(struct restart *r, int events, pid_t init)
{
	struct outside o = {
		.events = events,
		.signals = signals_open(on_signal_set(r->on_signal)),
		.requests = on_signal_set(r->on_signal),
		.tty = r->on_terminal ? open("/dev/tty", O_RDWR | O_CLOEXEC) : -1,
		.pidfd = -1,
		.group_inside = terminal_group(r),
		.init = init,
		.failure = r->opt.failure,
		.is_first = r->processes[0].rec.flags & PROCESS_FIRST,
	};
	struct pollfd p[2] = {{.fd = o.signals, .events = POLLIN}, {.fd = events, .events = POLLIN}};

	image_key_wipe(&r->image.key, sizeof(r->image.key));
	become_asked(r, o.path); /* of another one that had our pid */
	if (waitpid(init, &o.init_status, WNOHANG) == init)
		o.init = 0;
	while (o.init) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents && !on_event(&o))
			p[1].fd = -1;
		look_for_image(r, &o);
		end_rest(r, &o);
		if (p[0].revents)
			on_signal(&o);
		if (o.held && o.pidfd >= 0)
			send_held(&o);
	}
	while (p[1].fd >= 0 && on_event(&o))
		;
	foreground_take(&o);
	look_for_image(r, &o);
	if (o.becomes)
		become(r, o.path);
	if (!first_has_ended(&o) && WIFSIGNALED(o.init_status))
		warn("%s: the process that stands above the job was killed (signal %d)", r->path, WTERMSIG(o.init_status));
	return exit_status(&o);
}
