/*
 * Alternate signal stacks of 2 KiB, as small as the kernel takes: a freeze finds room, nothing below
 * them is overwritten, and each thread is told of the stack that it gave.
 * test: checkpoints 3
 */
#include "harness.h"
#include <pthread.h>
#include <signal.h>

enum { THREADS = 4, SIZE = 2048, BELOW = 32 << 10 };

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static pthread_barrier_t set_up;
static volatile bool stop;
static __thread volatile int handled;

static void check_stack(const char *memory, unsigned flags)
{
	stack_t ss;

	sigaltstack(NULL, &ss);
	check(ss.ss_sp == memory + BELOW && ss.ss_size == SIZE && (unsigned)ss.ss_flags == flags,
	      "the stack is %p of %zu flags %x, was %p of %d flags %x", ss.ss_sp, ss.ss_size,
	      (unsigned)ss.ss_flags, memory + BELOW, SIZE, flags);
}

static void on_usr1(int sig)
{
	stack_t ss;

	(void)sig;
	sigaltstack(NULL, &ss);
	check(ss.ss_flags & SS_ONSTACK && ss.ss_size == SIZE, "in a handler: flags %x, size %zu",
	      (unsigned)ss.ss_flags, ss.ss_size);
	check(sigaltstack(&ss, NULL) < 0 && errno == EPERM, "changing the stack that is in use");
	handled++;
}

static void check_changes(char *memory)
{
	stack_t none = {.ss_flags = SS_DISABLE}, ss = {.ss_sp = memory + BELOW, .ss_size = SIZE}, old;

	check(!sigaltstack(&none, &old) && old.ss_sp == memory + BELOW, "the stack that was");
	sigaltstack(NULL, &old);
	check(old.ss_flags == SS_DISABLE, "no stack has flags %x", (unsigned)old.ss_flags);
	check(!sigaltstack(&ss, &old) && old.ss_flags == SS_DISABLE, "the small stack again");
	check_stack(memory, 0);
	ss = (stack_t){.ss_sp = memory, .ss_size = BELOW};
	check(!sigaltstack(&ss, &old) && old.ss_sp == memory + BELOW, "a large stack instead");
	sigaltstack(&old, &ss);
	check(ss.ss_sp == memory && ss.ss_size == BELOW, "the large stack that was");
	ss.ss_size = SIZE - 1;
	check(sigaltstack(&ss, NULL) < 0 && errno == ENOMEM, "a stack of %d bytes", SIZE - 1);
}

static void *thread(void *arg)
{
	unsigned flags = (long)arg % 2 ? SS_AUTODISARM : 0;
	char *memory = calloc(1, BELOW + SIZE);
	stack_t ss = {.ss_sp = memory + BELOW, .ss_size = SIZE, .ss_flags = (int)flags};

	if (sigaltstack(&ss, NULL))
		die("sigaltstack");
	pthread_barrier_wait(&set_up);
	while (!stop)
		if ((long)arg / 2 % 2)
			sleep_ms(1);
	check_stack(memory, flags);
	for (int i = 0; i < BELOW; i++)
		if (memory[i]) {
			check(false, "byte %d below the stack", i - BELOW);
			break;
		}
	if (!flags && getenv("CKPT_TEST_GO")) { /* the kernel alone would kill us */
		raise(SIGUSR1);
		check(handled == 1, "the handler ran %d times", handled);
		check_changes(memory);
	}
	return NULL;
}

static void *thread_that_ends(void *arg)
{
	stack_t ss = {.ss_sp = arg, .ss_size = SIZE};

	if (sigaltstack(&ss, NULL))
		die("sigaltstack");
	return NULL;
}

static int count_areas(void)
{
	char *maps = read_whole("/proc/self/maps", NULL);
	int n = 0;

	for (char *p = maps; p && *p; p++)
		n += *p == '\n';
	free(maps);
	return n;
}

/* Whatever stands in for a small stack goes with its thread. */
static void check_threads_end(void)
{
	static char memory[SIZE];
	int before = count_areas();

	for (int i = 0; i < 50; i++) {
		pthread_t t;

		pthread_create(&t, NULL, thread_that_ends, memory);
		pthread_join(t, NULL);
	}
	check(count_areas() < before + 20, "%d areas, were %d", count_areas(), before);
}

int main(void)
{
	struct sigaction sa = {.sa_handler = on_usr1, .sa_flags = SA_ONSTACK};
	pthread_t t[THREADS];

	sigaction(SIGUSR1, &sa, NULL);
	pthread_barrier_init(&set_up, NULL, THREADS + 1);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, thread, (void *)i);
	pthread_barrier_wait(&set_up);
	check_threads_end();
	ready();
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	return verdict();
}
