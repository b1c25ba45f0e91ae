/*
 * Blocking calls with a relative timeout. After a freeze they are run again (eintr.c). Of most the kernel reports no
 * rest when a signal interrupts them, and how long they have waited can't be asked; of the others the rest is as of
 * the freeze, so that each would add its pause. So the wrapper records when they are due. That costs a
 * clock_gettime(2) in the vdso, no system call. (semtimedop(2) is in ipc.c, io_getevents(2) in aio.c.)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
#include "waiting.h"
#include "wrap.h"

extern const sigset_t *without_owned(const sigset_t *set, sigset_t *copy) HIDDEN;

WRAP(int, poll, (struct pollfd *fds, nfds_t n, int ms))
{
	if (ms <= 0)
		return REAL(poll)(fds, n, ms);
	return WAITING(__NR_poll, ms * 1000000ull, REAL(poll)(fds, n, ms));
}

WRAP(int, __poll_chk, (struct pollfd *fds, nfds_t n, int ms, size_t len))
{
	if (ms <= 0)
		return REAL(__poll_chk)(fds, n, ms, len);
	return WAITING(__NR_poll, ms * 1000000ull, REAL(__poll_chk)(fds, n, ms, len));
}

WRAP(int, epoll_wait, (int fd, struct epoll_event *ev, int max, int ms))
{
	if (ms <= 0)
		return UNDISTURBED(REAL(epoll_wait)(fd, ev, max, ms), );
	return WAITING(__NR_epoll_wait, ms * 1000000ull,
		       UNDISTURBED(REAL(epoll_wait)(fd, ev, max, ms), ms = wait_rest_ms()));
}

WRAP(int, epoll_pwait, (int fd, struct epoll_event *ev, int max, int ms, const sigset_t *set))
{
	sigset_t copy;

	set = without_owned(set, &copy);
	if (ms <= 0)
		return UNDISTURBED(REAL(epoll_pwait)(fd, ev, max, ms, set), );
	return WAITING(__NR_epoll_pwait, ms * 1000000ull,
		       UNDISTURBED(REAL(epoll_pwait)(fd, ev, max, ms, set), ms = wait_rest_ms()));
}

WRAP(int, epoll_pwait2, (int fd, struct epoll_event *ev, int max, const struct timespec *t,
			 const sigset_t *set))
{
	struct timespec left;
	sigset_t copy;

	set = without_owned(set, &copy);
	if (!t)
		return UNDISTURBED(REAL(epoll_pwait2)(fd, ev, max, t, set), );
	left = *t;
	return WAITING(__NR_epoll_pwait2, timespec_ns(t),
		       UNDISTURBED(REAL(epoll_pwait2)(fd, ev, max, &left, set), left = wait_rest()));
}

/* libc gives the kernel a copy of the timeout, as it does for the next three. */
WRAP(int, select, (int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *t))
{
	if (!t || (!t->tv_sec && !t->tv_usec))
		return REAL(select)(n, r, w, x, t);
	return WAITING(__NR_pselect6, timeval_ns(t), REAL(select)(n, r, w, x, t));
}

WRAP(int, pselect, (int n, fd_set *r, fd_set *w, fd_set *x, const struct timespec *t,
		    const sigset_t *set))
{
	sigset_t copy;

	set = without_owned(set, &copy);
	if (!t)
		return REAL(pselect)(n, r, w, x, t, set);
	return WAITING(__NR_pselect6, timespec_ns(t), REAL(pselect)(n, r, w, x, t, set));
}

WRAP(int, ppoll, (struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *set))
{
	sigset_t copy;

	set = without_owned(set, &copy);
	if (!t)
		return REAL(ppoll)(fds, n, t, set);
	return WAITING(__NR_ppoll, timespec_ns(t), REAL(ppoll)(fds, n, t, set));
}

WRAP(int, __ppoll_chk, (struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *set,
			size_t len))
{
	sigset_t copy;

	set = without_owned(set, &copy);
	if (!t)
		return REAL(__ppoll_chk)(fds, n, t, set, len);
	return WAITING(__NR_ppoll, timespec_ns(t), REAL(__ppoll_chk)(fds, n, t, set, len));
}

WRAP(int, clock_nanosleep, (clockid_t clock, int flags, const struct timespec *t,
			    struct timespec *rem))
{
	struct timespec left;

	if (!t || flags & TIMER_ABSTIME)
		return REAL(clock_nanosleep)(clock, flags, t, rem);
	left = *t;
	if (clock == CLOCK_PROCESS_CPUTIME_ID || clock < 0) /* its time is another: the kernel says the rest */
		return REAL(clock_nanosleep)(clock, flags, &left, rem ? rem : &left);
	return WAITING(__NR_clock_nanosleep, timespec_ns(t),
		       REAL(clock_nanosleep)(clock, flags, &left, rem));
}

/* libc's others call its own clock_nanosleep(), which no wrapper sees. */
WRAP(int, nanosleep, (const struct timespec *t, struct timespec *rem))
{
	int err = clock_nanosleep(CLOCK_REALTIME, 0, t, rem);

	if (!err)
		return 0;
	errno = err;
	return -1;
}

WRAP(int, usleep, (useconds_t us))
{
	struct timespec t = {us / 1000000, us % 1000000 * 1000};

	return nanosleep(&t, NULL);
}

WRAP(unsigned, sleep, (unsigned s))
{
	struct timespec t = {s, 0};

	return nanosleep(&t, &t) ? t.tv_sec : 0;
}

WRAP(int, thrd_sleep, (const struct timespec *t, struct timespec *rem))
{
	int err = clock_nanosleep(CLOCK_REALTIME, 0, t, rem);

	return !err ? 0 : err == EINTR ? -1 : -2;
}

WRAP(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *t))
{
	struct timespec left;
	sigset_t copy;

	set = without_owned(set, &copy);
	if (!t)
		return UNDISTURBED(REAL(sigtimedwait)(set, info, t), );
	left = *t;
	return WAITING(__NR_rt_sigtimedwait, timespec_ns(t),
		       UNDISTURBED(REAL(sigtimedwait)(set, info, &left), left = wait_rest()));
}
