/* Signal masks: with everything blocked that can be, as the program sees it and as the kernel does. */
#include "harness.h"
#include <pthread.h>
#include <signal.h>

static pthread_barrier_t set_up, go_on;

static void fill(sigset_t *set, int kind)
{
	sigemptyset(set);
	if (kind == 0)
		sigfillset(set);
	for (int sig = 1; kind && sig < SIGRTMAX; sig++)
		if (sig % (kind + 1) == 0 && sig != 32 && sig != 33)
			sigaddset(set, sig);
}

static void *thread(void *arg)
{
	sigset_t set, before, after;

	fill(&set, (int)(long)arg);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	pthread_barrier_wait(&set_up);
	pthread_barrier_wait(&go_on);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int sig = 1; sig < SIGRTMAX; sig++)
		check(sigismember(&before, sig) == sigismember(&after, sig),
		      "thread %d: signal %d is %sblocked", (int)(long)arg, sig,
		      sigismember(&after, sig) ? "" : "not ");
	for (int sig = 1; sig < SIGRTMAX; sig++)
		if (sigismember(&set, sig) && sig != SIGKILL && sig != SIGSTOP && sig != 32 &&
		    sig != 33)
			check(sigismember(&after, sig), "thread %d: signal %d is not blocked",
			      (int)(long)arg, sig);
	return NULL;
}

int main(void)
{
	pthread_t t[4];

	pthread_barrier_init(&set_up, NULL, 5);
	pthread_barrier_init(&go_on, NULL, 5);
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, thread, (void *)i);
	pthread_barrier_wait(&set_up);
	ready();
	pthread_barrier_wait(&go_on);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	return verdict();
}
