/*
 * A checkpoint inside nested handlers, the innermost of a fault: each returns to where it came from,
 * with the mask that it had, by way of sigreturn and of siglongjmp.
 */
#include "harness.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf out;
static char *page;
static int depth;

static void on_segv(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	check(info->si_addr == page + 5, "fault at %p", info->si_addr);
	depth++;
	ready();
	mprotect(page, 4096, PROT_READ | PROT_WRITE); /* and the access is repeated */
}

static void on_usr2(int sig)
{
	(void)sig;
	depth++;
	page[5] = 7;
	check(page[5] == 7, "the access was not repeated");
	siglongjmp(out, 3);
}

static void on_usr1(int sig)
{
	sigset_t now;

	(void)sig;
	depth++;
	if (sigsetjmp(out, 1) == 0)
		raise(SIGUSR2);
	sigprocmask(SIG_SETMASK, NULL, &now);
	check(sigismember(&now, SIGUSR1) && sigismember(&now, SIGTERM), "the mask in the handler");
	check(!sigismember(&now, SIGUSR2), "SIGUSR2 is still blocked");
	depth++;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = on_usr1};
	sigset_t now;

	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaddset(&sa.sa_mask, SIGTERM);
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_handler = on_usr2;
	sigaction(SIGUSR2, &sa, NULL);
	sa.sa_sigaction = on_segv;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGSEGV, &sa, NULL);

	raise(SIGUSR1);

	check(depth == 4, "depth is %d", depth);
	sigprocmask(SIG_SETMASK, NULL, &now);
	check(!sigismember(&now, SIGUSR1) && !sigismember(&now, SIGTERM), "the mask after all");
	return verdict();
}
