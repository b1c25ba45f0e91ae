/*
 * A signalfd in an epoll set: signals that come after the restart wake who waits there. The kernel has it
 * wait for those of the process that added it.
 */
#include "harness.h"
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

/* Wait for two signals, which are queued, in an epoll set of its own; 0: they came. */
static int waiter(void)
{
	struct epoll_event e = {.events = EPOLLIN};
	struct signalfd_siginfo si;
	int set = epoll_create1(0), fd;
	sigset_t queued;

	sigprocmask(SIG_BLOCK, NULL, &queued);
	fd = signalfd(-1, &queued, SFD_NONBLOCK);
	if (set < 0 || fd < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &e) < 0)
		return 1;
	for (int i = 0; i < 2; i++)
		if (epoll_wait(set, &e, 1, 5000) != 1 || read(fd, &si, sizeof(si)) != sizeof(si))
			return 2 + i;
	return 0;
}

int main(void)
{
	sigset_t queued;
	pid_t pid[2];
	int status;

	sigemptyset(&queued);
	sigaddset(&queued, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &queued, NULL);
	for (int i = 0; i < 2; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(waiter());
	}
	sleep_ms(50);
	kill(pid[0], SIGRTMIN + 1);
	sleep_ms(20);

	ready();

	kill(pid[1], SIGRTMIN + 1);
	sleep_ms(50);
	for (int i = 0; i < 2; i++)
		kill(pid[i], SIGRTMIN + 1);
	for (int i = 0; i < 2; i++) {
		pid_t got = waitpid(pid[i], &status, 0);

		check(got == pid[i] && status == 0, "process %d, waited for %d: status %x", pid[i], got, status);
	}
	return verdict();
}
