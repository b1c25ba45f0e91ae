/* signalfd: its mask, and signals that wait in it. */
#include "harness.h"
#include <signal.h>
#include <sys/signalfd.h>

int main(void)
{
	struct signalfd_siginfo info = {0};
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0 || sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 77}))
		die("signalfd");

	ready();

	check(read(fd, &info, sizeof(info)) == sizeof(info) &&
		      (int)info.ssi_signo == SIGRTMIN + 3 && info.ssi_int == 77,
	      "signal %u with %d", info.ssi_signo, info.ssi_int);
	check(read(fd, &info, sizeof(info)) < 0 && errno == EAGAIN, "O_NONBLOCK lost");
	kill(getpid(), SIGUSR1);
	check(read(fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGUSR1,
	      "a new signal");
	check(fcntl(fd, F_GETFD) == FD_CLOEXEC, "close-on-exec lost");
	return verdict();
}
