/*
 * Alternate signal stacks: of each thread, with its size and flags; in use at the checkpoint by a
 * handler that stands in it; and used again afterwards.
 */
#include "harness.h"
#include <pthread.h>
#include <signal.h>

enum { SIZE = 64 << 10 };

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static pthread_barrier_t set_up, go_on;
static char *stack_of_main;
static volatile bool was_on_stack;

static char *use_stack(unsigned flags)
{
	stack_t ss = {.ss_sp = malloc(SIZE), .ss_size = SIZE, .ss_flags = (int)flags};

	if (sigaltstack(&ss, NULL))
		die("sigaltstack");
	return ss.ss_sp;
}

static void on_usr2(int sig)
{
	char here;

	(void)sig;
	was_on_stack = &here > stack_of_main && &here < stack_of_main + SIZE;
}

/* Stands in the alternate stack while checkpoints happen. */
static void on_usr1(int sig)
{
	stack_t ss;
	char here, *p = &here;

	(void)sig;
	check(p > stack_of_main && p < stack_of_main + SIZE, "the handler is not on its stack");
	ready();
	sigaltstack(NULL, &ss);
	check(ss.ss_flags & SS_ONSTACK, "flags are %x on the stack", ss.ss_flags);
	check(p > stack_of_main && p < stack_of_main + SIZE, "the stack has moved");
}

static void *thread(void *arg)
{
	bool disarm = arg;
	char *sp = use_stack(disarm ? SS_AUTODISARM : 0);
	stack_t ss;

	pthread_barrier_wait(&set_up);
	pthread_barrier_wait(&go_on);
	sigaltstack(NULL, &ss);
	check(ss.ss_sp == sp && ss.ss_size == SIZE, "a thread's stack is %p of %zu, was %p of %d",
	      ss.ss_sp, ss.ss_size, (void *)sp, SIZE);
	check((unsigned)ss.ss_flags == (disarm ? SS_AUTODISARM : 0), "a thread's flags are %x",
	      (unsigned)ss.ss_flags);
	return NULL;
}

static void *thread_without(void *arg)
{
	stack_t ss;

	pthread_barrier_wait(&set_up);
	pthread_barrier_wait(&go_on);
	sigaltstack(NULL, &ss);
	check(ss.ss_flags == SS_DISABLE, "a thread without a stack has one");
	return arg;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = on_usr1, .sa_flags = SA_ONSTACK};
	pthread_t t[3];
	stack_t ss;

	pthread_barrier_init(&set_up, NULL, 4);
	pthread_barrier_init(&go_on, NULL, 4);
	pthread_create(&t[0], NULL, thread, NULL);
	pthread_create(&t[1], NULL, thread, (void *)1);
	pthread_create(&t[2], NULL, thread_without, NULL);
	stack_of_main = use_stack(0);
	pthread_barrier_wait(&set_up);
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_handler = on_usr2;
	sigaction(SIGUSR2, &sa, NULL);

	raise(SIGUSR1); /* ready() is in its handler */

	pthread_barrier_wait(&go_on);
	sigaltstack(NULL, &ss);
	check(ss.ss_sp == stack_of_main && ss.ss_size == SIZE && ss.ss_flags == 0,
	      "main's stack is %p of %zu flags %x, was %p of %d flags 0", ss.ss_sp, ss.ss_size,
	      (unsigned)ss.ss_flags, (void *)stack_of_main, SIZE);
	raise(SIGUSR2);
	check(was_on_stack, "the handler did not run on the stack");
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	return verdict();
}
