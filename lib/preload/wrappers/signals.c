/*
 * The reserved signal stays ours: out of every mask and set that the program hands to libc, and its
 * action is kept. Introspection can't help: a program that blocks or takes the signal is a program that
 * can't be asked any more.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include "wrap.h"

int real_sigaction(int sig, const struct sigaction *sa, struct sigaction *old) HIDDEN;

/* set without the reserved signal, in *copy; NULL stays NULL. */
const sigset_t *without_reserved(const sigset_t *set, sigset_t *copy) HIDDEN;

const sigset_t *without_reserved(const sigset_t *set, sigset_t *copy)
{
	if (!set || !preload.active)
		return set;
	*copy = *set;
	sigdelset(copy, preload.config.signo);
	return copy;
}

static bool is_reserved(int sig)
{
	return preload.active && sig == preload.config.signo;
}

WRAP(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old))
{
	sigset_t copy;

	if (how == SIG_UNBLOCK)
		return REAL(sigprocmask)(how, set, old);
	return REAL(sigprocmask)(how, without_reserved(set, &copy), old);
}

WRAP(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old))
{
	sigset_t copy;

	return REAL(pthread_sigmask)(how, without_reserved(set, &copy), old);
}

/* The program sees the default action, and that its own was taken. */
WRAP(int, sigaction, (int sig, const struct sigaction *sa, struct sigaction *old))
{
	struct sigaction copy;

	if (is_reserved(sig)) {
		if (old)
			memset(old, 0, sizeof(*old));
		return 0;
	}
	if (sa && preload.active) {
		copy = *sa;
		sigdelset(&copy.sa_mask, preload.config.signo);
		sa = &copy;
	}
	return REAL(sigaction)(sig, sa, old);
}

int real_sigaction(int sig, const struct sigaction *sa, struct sigaction *old)
{
	return REAL(sigaction)(sig, sa, old);
}

WRAP(sighandler_t, signal, (int sig, sighandler_t handler))
{
	return is_reserved(sig) ? SIG_DFL : REAL(signal)(sig, handler);
}

WRAP(sighandler_t, sysv_signal, (int sig, sighandler_t handler))
{
	return is_reserved(sig) ? SIG_DFL : REAL(sysv_signal)(sig, handler);
}

WRAP(sighandler_t, __sysv_signal, (int sig, sighandler_t handler))
{
	return is_reserved(sig) ? SIG_DFL : REAL(__sysv_signal)(sig, handler);
}

WRAP(int, siginterrupt, (int sig, int interrupt))
{
	return is_reserved(sig) ? 0 : REAL(siginterrupt)(sig, interrupt);
}

WRAP(int, sigsuspend, (const sigset_t *set))
{
	sigset_t copy;

	return REAL(sigsuspend)(without_reserved(set, &copy));
}

WRAP(int, sigwait, (const sigset_t *set, int *sig))
{
	sigset_t copy;

	return REAL(sigwait)(without_reserved(set, &copy), sig);
}

WRAP(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info))
{
	sigset_t copy;

	return REAL(sigwaitinfo)(without_reserved(set, &copy), info);
}

WRAP(int, signalfd, (int fd, const sigset_t *set, int flags))
{
	sigset_t copy;

	return REAL(signalfd)(fd, without_reserved(set, &copy), flags);
}

WRAP(int, pthread_attr_setsigmask_np, (pthread_attr_t *attr, const sigset_t *set))
{
	sigset_t copy;

	return REAL(pthread_attr_setsigmask_np)(attr, without_reserved(set, &copy));
}

/* Blocked until the new program's constructor has installed the handler: see exec.c. */
WRAP(int, posix_spawnattr_setsigmask, (posix_spawnattr_t *attr, const sigset_t *set))
{
	sigset_t copy = *set;

	if (preload.active)
		sigaddset(&copy, preload.config.signo);
	return REAL(posix_spawnattr_setsigmask)(attr, &copy);
}
