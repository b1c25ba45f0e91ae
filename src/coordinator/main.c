/*
 * ckpt_coordinator: one daemon for a user's jobs on a host. It holds nothing that can't be found
 * out again, so it may end, or be killed, at any time.
 */
#include "claim.h"
#include "command.h"
#include "die.h"
#include "linger.h"
#include "log.h"
#include "loop.h"
#include "peer.h"
#include "run.h"
#include "runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

static const char usage[] = "usage: ckpt_coordinator [--foreground]\n";

/* listener: listened on anew, for SO_PEERCRED at the other ends names who did so last. */
static void be_daemon(int listener)
{
	int null = open("/dev/null", O_RDWR);
	pid_t pid = fork();

	if (pid < 0)
		die("cannot become a daemon:");
	if (pid > 0)
		_exit(0);
	setsid();
	pid = fork();
	if (pid != 0)
		_exit(pid < 0);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	listen(listener, SOMAXCONN);
}

static void raise_descriptor_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

static void signal_ready(struct watch *w, uint32_t events)
{
	struct signalfd_siginfo si;

	(void)events;
	if (read(w->fd, &si, sizeof(si)) != sizeof(si))
		return;
	log_line("is to end by signal %u", si.ssi_signo);
	if (si.ssi_signo == SIGTERM)
		linger_leave();
	else
		linger_quit();
}

/*
 * From before there is a socket that would be left. Those that we take are SIGTERM and SIGINT. The others are meant for
 * programs, and come to us where somebody sends one to all processes that there are: nobody's checkpoint ends by that.
 */
static sigset_t block_signals(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigdelset(&set, faults[i]);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return set;
}

static int watch_signals(const sigset_t *set)
{
	static struct watch w = {.ready = signal_ready};

	w.fd = signalfd(-1, set, SFD_CLOEXEC);
	return w.fd < 0 ? -errno : loop_add(&w, EPOLLIN);
}

static bool parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"foreground", no_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	bool foreground = false;
	int c;

	while ((c = getopt_long(argc, argv, "fh", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			exit(0);
		}
		if (c == 'V')
			version_show();
		if (c != 'f')
			exit(STATUS_USAGE);
		foreground = true;
	}
	if (optind < argc)
		die_status(STATUS_USAGE, "unexpected argument %s", argv[optind]);
	return foreground;
}

int main(int argc, char **argv)
{
	char path[SOCKET_PATH_MAX];
	bool foreground;
	sigset_t signals;
	int fd, err;

	die_init("ckpt_coordinator", 1);
	foreground = parse_options(argc, argv);
	runtime_fault(&run_fault);
	fault_armed = run_fault.pid ? 0 : run_fault.armed;
	close_range(3, ~0u, 0);
	raise_descriptor_limit();
	runtime_socket_path(path);
	linger_init();
	signals = block_signals();
	fd = claim_socket(path);
	if (fd < 0) {
		if (foreground)
			die("another coordinator answers at %s", path);
		return 0;
	}
	if (!foreground)
		be_daemon(fd);
	if (chdir("/"))
		return 1;
	log_open(path);
	err = loop_init();
	if (!err)
		err = watch_signals(&signals);
	if (!err)
		err = peers_listen(fd);
	if (err)
		die("cannot watch descriptors: %s", strerror(-err));
	log_line("starts at %s", path);
	command_init(path);
	linger_update();
	loop_run();
	claim_release(path);
	log_line("ends");
	return 0;
}
