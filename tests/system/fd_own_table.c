/*
 * A thread with a descriptor table of its own, which nobody else sees.
 * test: refused has a descriptor table of its own
 */
#include "harness.h"
#include <pthread.h>
#include <sched.h>

static pthread_barrier_t start;

static void *run(void *arg)
{
	if (unshare(CLONE_FILES))
		die("unshare");
	pthread_barrier_wait(&start);
	pause();
	return arg;
}

int main(void)
{
	pthread_t t;

	pthread_barrier_init(&start, NULL, 2);
	if (pthread_create(&t, NULL, run, NULL))
		die("pthread_create");
	pthread_barrier_wait(&start);

	ready();

	return verdict();
}
