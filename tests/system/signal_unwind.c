/*
 * A stack can be walked from a signal handler to what it interrupted, before and after: debuggers, profilers,
 * faulthandler and the end of a cancelled thread do. Where a handler returns to must say how.
 */
#include "harness.h"
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>

enum { DEPTH = 64 };

static int quiet[2];
static void *seen[DEPTH];
static volatile int nseen;
static volatile bool cleaned_up;

static void on_usr1(int sig)
{
	(void)sig;
	nseen = backtrace(seen, DEPTH);
}

static void on_usr2(int sig)
{
	(void)sig;
	pthread_exit("from the handler");
}

__attribute__((noinline, noclone)) static ssize_t waits_inside(void)
{
	char byte;
	volatile ssize_t n = read(quiet[0], &byte, 1);

	return n + 1;
}

__attribute__((noinline, noclone)) static ssize_t calls_it(void)
{
	volatile ssize_t n = waits_inside();

	return n + 1;
}

/* A frame's address is inside of a function when it is soon behind its beginning. */
static bool is_seen(const void *function)
{
	for (int i = 0; i < nseen; i++)
		if (seen[i] > function && (char *)seen[i] < (char *)function + 256)
			return true;
	return false;
}

static void check_walk(const char *when)
{
	nseen = 0;
	check(calls_it() == 1, "%s: the read was not interrupted", when);
	check(is_seen((void *)waits_inside) && is_seen((void *)calls_it), "%s: %d frames, not the right ones", when,
	      nseen);
}

static void clean_up(void *arg)
{
	cleaned_up = arg;
}

static void *ended_by_handler(void *arg)
{
	pthread_cleanup_push(clean_up, quiet);
	calls_it();
	pthread_cleanup_pop(0);
	return arg;
}

static void *interrupter(void *arg)
{
	sleep_ms(50);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void walk(const char *when)
{
	pthread_t self = pthread_self(), t;

	pthread_create(&t, NULL, interrupter, &self);
	check_walk(when);
	pthread_join(t, NULL);
}

int main(void)
{
	struct sigaction sa = {.sa_handler = on_usr1};
	void *result = NULL;
	pthread_t t;

	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_handler = on_usr2;
	sigaction(SIGUSR2, &sa, NULL);
	if (pipe(quiet))
		die("pipe");
	walk("before");
	pthread_create(&t, NULL, ended_by_handler, NULL);
	sleep_ms(20);
	ready();
	walk("after");
	pthread_kill(t, SIGUSR2);
	pthread_join(t, &result);
	check(result && !strcmp(result, "from the handler") && cleaned_up, "the thread's end by its handler");
	return verdict();
}
