/* F_SETOWN, F_SETSIG and O_ASYNC: the signal that tells of input still comes. */
#include "harness.h"
#include <signal.h>
#include <sys/socket.h>

static volatile sig_atomic_t from_fd, signals;

static void note(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)uc;
	from_fd = info->si_fd;
	signals++;
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	struct f_owner_ex owner = {F_OWNER_PID, getpid()}, got = {0, 0};
	int s[2];

	sigaction(SIGRTMIN + 1, &sa, NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) || fcntl(s[0], F_SETOWN_EX, &owner) ||
	    fcntl(s[0], F_SETSIG, SIGRTMIN + 1) || fcntl(s[0], F_SETFL, O_ASYNC))
		die("F_SETOWN");

	ready();

	check(signals == 0, "%d signals before there was input", (int)signals);
	check(fcntl(s[0], F_GETSIG) == SIGRTMIN + 1, "signal %d", fcntl(s[0], F_GETSIG));
	check(fcntl(s[0], F_GETOWN_EX, &got) == 0 && got.type == F_OWNER_PID && got.pid == getpid(),
	      "owner %d", got.pid);
	check(write(s[1], "x", 1) == 1, "write: %s", strerror(errno));
	check(signals == 1 && from_fd == s[0], "%d signals, of fd %d", (int)signals, (int)from_fd);
	return verdict();
}
