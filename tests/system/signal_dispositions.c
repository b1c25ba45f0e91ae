/* Signal dispositions: handler, flags and mask of every signal; those ignored; those at default. */
#include "harness.h"
#include <signal.h>
#include <sys/syscall.h>

/* As the kernel has it. */
struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

static volatile int count[65];

static void on_signal(int sig)
{
	count[sig]++;
}

static void on_siginfo(int sig, siginfo_t *info, void *context)
{
	(void)context;
	count[sig] += info->si_value.sival_int;
}

int main(void)
{
	struct kernel_sigaction before[65], after;

	for (int sig = 1; sig < SIGRTMAX; sig++) {
		struct sigaction sa = {.sa_handler = on_signal};

		if (sig == SIGKILL || sig == SIGSTOP || sig == 32 || sig == 33)
			continue;
		if (sig % 5 == 0) {
			sa.sa_handler = SIG_IGN;
		} else if (sig % 5 == 1) {
			sa.sa_handler = SIG_DFL;
		} else if (sig % 5 == 2) {
			sa.sa_sigaction = on_siginfo;
			sa.sa_flags = SA_SIGINFO | SA_RESTART;
		}
		if (sig % 3 == 0)
			sa.sa_flags |= SA_NODEFER | SA_ONSTACK;
		if (sig % 7 == 0 && sig % 5 > 1)
			sa.sa_flags |= SA_RESETHAND;
		if (sig == SIGCHLD)
			sa.sa_flags |= SA_NOCLDSTOP | SA_NOCLDWAIT;
		sigemptyset(&sa.sa_mask);
		sigaddset(&sa.sa_mask, sig / 2 + 1);
		if (sigaction(sig, &sa, NULL))
			die("sigaction %d", sig);
	}
	for (int sig = 1; sig < SIGRTMAX; sig++)
		syscall(SYS_rt_sigaction, sig, NULL, &before[sig], 8);

	ready();

	for (int sig = 1; sig < SIGRTMAX; sig++) {
		syscall(SYS_rt_sigaction, sig, NULL, &after, 8);
		/* where handlers return to is libc's business, and after a freeze libckpt's */
		check(after.handler == before[sig].handler && after.flags == before[sig].flags &&
			      after.mask == before[sig].mask,
		      "signal %d: handler %lx flags %lx mask %lx, were %lx %lx %lx", sig,
		      (long)after.handler, (long)after.flags, (long)after.mask,
		      (long)before[sig].handler, (long)before[sig].flags, (long)before[sig].mask);
	}
	for (int sig = 1; sig < SIGRTMAX; sig++) {
		union sigval value = {.sival_int = 10};
		int want = sig % 5 == 2 ? 10 : 1;

		if (sig == SIGKILL || sig == SIGSTOP || sig == 32 || sig == 33 || sig % 5 == 1)
			continue;
		sigqueue(getpid(), sig, value);
		check(count[sig] == (sig % 5 ? want : 0), "signal %d: counted %d", sig, count[sig]);
	}
	return verdict();
}
