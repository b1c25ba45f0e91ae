/*
 * Outside the capsule: ckpt_restart stands for the program towards whoever started it. Signals go in, a
 * stop and the exit status come out, and the terminal's foreground group is the program's while it runs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "die.h"
#include "restart.h"

struct outside {
	int events, signals, tty;
	int pidfd;	/* of the program, -1 before it has started */
	pid_t group;	/* its process group, as seen from outside; 0: unknown */
	pid_t init;
	int init_status;
	int status;	/* of the program, as waitpid(2) has it */
	bool ended;	/* status is known */
};

/* Signals that are passed on; the rest keep their action on us. */
static const int forwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM,
				SIGTSTP, SIGCONT, SIGWINCH, SIGURG, SIGPWR, SIGXCPU};

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	sigaddset(&set, SIGCHLD);
	signal(SIGTTOU, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* The outer process group of the program, by the pid that our /proc has for its pidfd. */
static pid_t group_find(int pidfd)
{
	char path[64], line[128];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	if (f)
		fclose(f);
	return pid > 0 ? getpgid(pid) : 0;
}

/* Hand the foreground from us to the program or back, if the giver has it. */
static void foreground(struct outside *o, bool program)
{
	pid_t us = getpgrp(), now;

	if (o->tty < 0)
		return;
	if (o->pidfd >= 0)
		o->group = group_find(o->pidfd);
	now = tcgetpgrp(o->tty);
	if (program && now == us && o->group > 0)
		tcsetpgrp(o->tty, o->group);
	if (!program && now != us && (now == o->group || o->ended))
		tcsetpgrp(o->tty, us);
}

static void on_started(struct outside *o, struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	if (!c || c->cmsg_type != SCM_RIGHTS)
		return;
	memcpy(&o->pidfd, CMSG_DATA(c), sizeof(o->pidfd));
}

/*
 * The program has stopped: so do we, and the shell has the terminal until it continues us. Unless it
 * wanted the terminal, which the shell has given to us without a word ("fg" of a running job).
 */
static void on_stopped(struct outside *o, int sig)
{
	bool wants_tty = sig == SIGTTIN || sig == SIGTTOU;

	if (o->tty < 0)
		return;
	if (!wants_tty || tcgetpgrp(o->tty) != getpgrp()) {
		foreground(o, false);
		raise(SIGSTOP);
	}
	foreground(o, true);
	if (o->group > 0)
		kill(-o->group, SIGCONT);
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
		on_started(o, &m);
	} else if (e.what == EVENT_STOPPED) {
		on_stopped(o, WSTOPSIG(e.status));
	} else if (e.what == EVENT_ENDED) {
		o->status = e.status;
		o->ended = true;
	}
	return true;
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
	foreground(o, true);
	if (o->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, o->pidfd, si.ssi_signo, NULL, 0);
}

static int exit_status(const struct outside *o)
{
	int s = o->ended ? o->status : o->init_status;

	return WIFSIGNALED(s) ? 128 + WTERMSIG(s) : WEXITSTATUS(s);
}

int supervise(struct restart *r, int events, pid_t init)
{
	struct outside o = {.events = events, .signals = signals_open(), .init = init, .pidfd = -1};
	struct pollfd p[2] = {{.fd = o.signals, .events = POLLIN}, {.fd = events, .events = POLLIN}};

	if (waitpid(init, &o.init_status, WNOHANG) == init)
		o.init = 0;
	o.tty = r->on_terminal ? open("/dev/tty", O_RDWR | O_CLOEXEC) : -1;
	while (o.init) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents && !on_event(&o))
			p[1].fd = -1;
		if (p[0].revents)
			on_signal(&o);
	}
	while (p[1].fd >= 0 && on_event(&o))
		;
	if (r->foreground)
		foreground(&o, false);
	return exit_status(&o);
}
