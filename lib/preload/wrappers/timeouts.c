/*
 * Blocking calls with a relative timeout of which the kernel reports no rest when a signal interrupts
 * them. After a freeze they are run again (eintr.c), and how long they have waited can't be asked: so
 * the wrapper records when they are due. That costs a clock_gettime(2) in the vdso, no system call.
 * (semtimedop(2) is in ipc.c.)
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include "waiting.h"
#include "wrap.h"

extern const sigset_t *without_reserved(const sigset_t *set, sigset_t *copy) HIDDEN;

WRAP(int, poll, (struct pollfd *fds, nfds_t n, int ms))
{
	if (ms <= 0)
		return REAL(poll)(fds, n, ms);
	return WAITING(__NR_poll, ms * 1000000ull, NULL, REAL(poll)(fds, n, ms));
}

WRAP(int, __poll_chk, (struct pollfd *fds, nfds_t n, int ms, size_t len))
{
	if (ms <= 0)
		return REAL(__poll_chk)(fds, n, ms, len);
	return WAITING(__NR_poll, ms * 1000000ull, NULL, REAL(__poll_chk)(fds, n, ms, len));
}

WRAP(int, epoll_wait, (int fd, struct epoll_event *ev, int max, int ms))
{
	if (ms <= 0)
		return REAL(epoll_wait)(fd, ev, max, ms);
	return WAITING(__NR_epoll_wait, ms * 1000000ull, NULL, REAL(epoll_wait)(fd, ev, max, ms));
}

WRAP(int, epoll_pwait, (int fd, struct epoll_event *ev, int max, int ms, const sigset_t *set))
{
	sigset_t copy;

	set = without_reserved(set, &copy);
	if (ms <= 0)
		return REAL(epoll_pwait)(fd, ev, max, ms, set);
	return WAITING(__NR_epoll_pwait, ms * 1000000ull, NULL,
		       REAL(epoll_pwait)(fd, ev, max, ms, set));
}

WRAP(int, epoll_pwait2, (int fd, struct epoll_event *ev, int max, const struct timespec *t,
			 const sigset_t *set))
{
	struct timespec left;
	sigset_t copy;

	set = without_reserved(set, &copy);
	if (!t)
		return REAL(epoll_pwait2)(fd, ev, max, t, set);
	left = *t;
	return WAITING(__NR_epoll_pwait2, timespec_ns(t), &left,
		       REAL(epoll_pwait2)(fd, ev, max, &left, set));
}

/* With rem the kernel leaves the rest there. */
WRAP(int, nanosleep, (const struct timespec *t, struct timespec *rem))
{
	struct timespec left;

	if (rem || !t)
		return REAL(nanosleep)(t, rem);
	left = *t;
	return WAITING(__NR_clock_nanosleep, timespec_ns(t), &left, REAL(nanosleep)(&left, NULL));
}

WRAP(int, clock_nanosleep, (clockid_t clock, int flags, const struct timespec *t,
			    struct timespec *rem))
{
	struct timespec left;

	if (rem || !t || flags & TIMER_ABSTIME)
		return REAL(clock_nanosleep)(clock, flags, t, rem);
	left = *t;
	return WAITING(__NR_clock_nanosleep, timespec_ns(t), &left,
		       REAL(clock_nanosleep)(clock, flags, &left, NULL));
}

/* libc's calls its own nanosleep, which no wrapper sees. */
WRAP(int, usleep, (useconds_t us))
{
	struct timespec t = {us / 1000000, us % 1000000 * 1000};

	return nanosleep(&t, NULL);
}

WRAP(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *t))
{
	struct timespec left;
	sigset_t copy;

	set = without_reserved(set, &copy);
	if (!t)
		return REAL(sigtimedwait)(set, info, t);
	left = *t;
	return WAITING(__NR_rt_sigtimedwait, timespec_ns(t), &left,
		       REAL(sigtimedwait)(set, info, &left));
}
