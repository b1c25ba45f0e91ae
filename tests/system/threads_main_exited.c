/* The main thread has ended by pthread_exit(); others go on and end the process. */
#include "harness.h"
#include <pthread.h>

static pthread_t main_thread;

static void *work(void *arg)
{
	void *value;

	(void)arg;
	pthread_join(main_thread, &value);
	ready();
	check(value == (void *)5, "main returned %p", value);
	check(getpid() != gettid(), "we are the main thread");
	exit(verdict());
}

static void *sleeps(void *arg)
{
	pause();
	return arg;
}

int main(void)
{
	pthread_t t;

	main_thread = pthread_self();
	pthread_create(&t, NULL, work, NULL);
	pthread_create(&t, NULL, sleeps, NULL);
	pthread_exit((void *)5);
}
