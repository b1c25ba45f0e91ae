/* pidfd of the process itself. */
#include "harness.h"
#include <signal.h>
#include <sys/syscall.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open	      434
#define SYS_pidfd_send_signal 424
#endif

static volatile sig_atomic_t signals;

static void count(int sig)
{
	(void)sig;
	signals++;
}

int main(void)
{
	int fd = syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0)
		skip("no pidfd_open");
	signal(SIGUSR1, count);

	ready();

	check(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0) == 0, "%s", strerror(errno));
	check(signals == 1, "%d signals", (int)signals);
	check(fcntl(fd, F_GETFD) == FD_CLOEXEC, "close-on-exec lost");
	return verdict();
}
