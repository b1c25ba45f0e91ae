/*
 * The reserved signal and those that ask for a checkpoint stay ours: out of every mask and set that the program
 * hands to libc, and their actions are kept. Introspection can't help: a program that blocks or takes the signal
 * is a program that can't be asked any more.
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
#include "request.h"
#include "waiting.h"
#include "wrap.h"

int real_sigaction(int sig, const struct sigaction *sa, struct sigaction *old) HIDDEN;

/* set without the signals that are ours, in *copy; NULL stays NULL. */
const sigset_t *without_owned(const sigset_t *set, sigset_t *copy) HIDDEN;

/* The kernel's part of a set. */
static uint64_t set_word(const sigset_t *set)
{
	uint64_t word;

	memcpy(&word, set, sizeof(word));
	return word;
}

static void set_set_word(sigset_t *set, uint64_t word)
{
	memcpy(set, &word, sizeof(word));
}

const sigset_t *without_owned(const sigset_t *set, sigset_t *copy)
{
	if (!set || !preload.active)
		return set;
	*copy = *set;
	set_set_word(copy, set_word(set) & ~preload.owned);
	return copy;
}

static bool is_reserved(int sig)
{
	return preload.active && sig == preload.config.signo;
}

/* One that asks for a checkpoint: what the program would have it do is only remembered. */
static void remember(int sig, const struct sigaction *sa, struct sigaction *old)
{
	struct request_action a = request_action(sig);

	if (sa)
		request_set_action(sig, (struct request_action){(uint64_t)sa->sa_handler, (uint32_t)sa->sa_flags,
								set_word(&sa->sa_mask)});
	if (!old)
		return;
	memset(old, 0, sizeof(*old));
	old->sa_handler = (sighandler_t)a.handler;
	old->sa_flags = (int)a.flags;
	set_set_word(&old->sa_mask, a.mask);
}

/* The same for those functions that give a handler only. */
static sighandler_t remember_handler(int sig, sighandler_t handler, int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags}, old;

	remember(sig, &sa, &old);
	return old.sa_handler;
}

WRAP(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old))
{
	sigset_t copy;

	if (how == SIG_UNBLOCK)
		return REAL(sigprocmask)(how, set, old);
	return REAL(sigprocmask)(how, without_owned(set, &copy), old);
}

WRAP(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old))
{
	sigset_t copy;

	return REAL(pthread_sigmask)(how, without_owned(set, &copy), old);
}

/* The program has installed a handler, or not. See eintr_is_stray(). */
static void installed(int sig)
{
	if (preload.active && request_is_any() && sig >= 1 && sig <= 64)
		eintr_watch_handler(sig);
}

static sighandler_t installed_over(int sig, sighandler_t old)
{
	installed(sig);
	return old;
}

/* Of the reserved signal the program sees the default action, and that its own was taken. */
WRAP(int, sigaction, (int sig, const struct sigaction *sa, struct sigaction *old))
{
	struct sigaction copy;
	int ret;

	if (is_reserved(sig)) {
		if (old)
			memset(old, 0, sizeof(*old));
		return 0;
	}
	if (request_is_owned(sig)) {
		remember(sig, sa, old);
		return 0;
	}
	if (sa && preload.active) {
		copy = *sa;
		without_owned(&sa->sa_mask, &copy.sa_mask);
		sa = &copy;
	}
	ret = REAL(sigaction)(sig, sa, old);
	if (sa)
		installed(sig);
	return ret;
}

int real_sigaction(int sig, const struct sigaction *sa, struct sigaction *old)
{
	return REAL(sigaction)(sig, sa, old);
}

/* True when the signal is ours; *old is what the program is to hear. */
static bool is_kept(int sig, sighandler_t handler, int flags, sighandler_t *old)
{
	*old = SIG_DFL;
	if (is_reserved(sig))
		return true;
	if (!request_is_owned(sig))
		return false;
	*old = remember_handler(sig, handler, flags);
	return true;
}

WRAP(sighandler_t, signal, (int sig, sighandler_t handler))
{
	sighandler_t old;

	return is_kept(sig, handler, SA_RESTART, &old) ? old : installed_over(sig, REAL(signal)(sig, handler));
}

WRAP(sighandler_t, sysv_signal, (int sig, sighandler_t handler))
{
	sighandler_t old;

	return is_kept(sig, handler, SA_RESETHAND | SA_NODEFER, &old) ? old : installed_over(sig, REAL(sysv_signal)(sig, handler));
}

WRAP(sighandler_t, __sysv_signal, (int sig, sighandler_t handler))
{
	sighandler_t old;

	return is_kept(sig, handler, SA_RESETHAND | SA_NODEFER, &old) ? old : installed_over(sig, REAL(__sysv_signal)(sig, handler));
}

/* These call libc's own sigaction(2), past the wrapper. */
WRAP(int, sigignore, (int sig))
{
	sighandler_t old;

	return is_kept(sig, SIG_IGN, 0, &old) ? 0 : REAL(sigignore)(sig);
}

WRAP(sighandler_t, sigset, (int sig, sighandler_t handler))
{
	sighandler_t old;

	if (handler == SIG_HOLD)
		return is_reserved(sig) || request_is_owned(sig) ? SIG_DFL : REAL(sigset)(sig, handler);
	return is_kept(sig, handler, 0, &old) ? old : installed_over(sig, REAL(sigset)(sig, handler));
}

WRAP(int, sighold, (int sig))
{
	return is_reserved(sig) || request_is_owned(sig) ? 0 : REAL(sighold)(sig);
}

WRAP(int, siginterrupt, (int sig, int interrupt))
{
	return is_reserved(sig) || request_is_owned(sig) ? 0 : REAL(siginterrupt)(sig, interrupt);
}

WRAP(int, sigsuspend, (const sigset_t *set))
{
	sigset_t copy;

	return REAL(sigsuspend)(without_owned(set, &copy));
}

WRAP(int, sigwait, (const sigset_t *set, int *sig))
{
	sigset_t copy;

	return REAL(sigwait)(without_owned(set, &copy), sig);
}

WRAP(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info))
{
	sigset_t copy;

	set = without_owned(set, &copy);
	return UNDISTURBED(REAL(sigwaitinfo)(set, info), );
}

WRAP(int, signalfd, (int fd, const sigset_t *set, int flags))
{
	sigset_t copy;

	return REAL(signalfd)(fd, without_owned(set, &copy), flags);
}

WRAP(int, pthread_attr_setsigmask_np, (pthread_attr_t *attr, const sigset_t *set))
{
	sigset_t copy;

	return REAL(pthread_attr_setsigmask_np)(attr, without_owned(set, &copy));
}

/* Blocked until the new program's constructor has installed the handlers: see exec.c. */
WRAP(int, posix_spawnattr_setsigmask, (posix_spawnattr_t *attr, const sigset_t *set))
{
	sigset_t copy = *set;

	if (preload.active)
		set_set_word(&copy, set_word(set) | preload.owned);
	return REAL(posix_spawnattr_setsigmask)(attr, &copy);
}
