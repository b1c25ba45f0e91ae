/*
 * Ways to end, by name: test_finished.py looks which of them leave a file behind. Without a name it only ends well.
 */
#include <pthread.h>
#include <sys/wait.h>
#include "harness.h"

static void last(void)
{
}

static void *runs_on(void *arg)
{
	sleep_ms(20);
	return arg;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "main";
	int status = argc > 2 ? atoi(argv[2]) : 0;
	pthread_t t;

	atexit(last);
	at_quick_exit(last);
	ready();
	if (argc == 1)
		return verdict();
	if (!strcmp(how, "exit"))
		exit(status);
	if (!strcmp(how, "_exit"))
		_exit(status);
	if (!strcmp(how, "_Exit"))
		_Exit(status);
	if (!strcmp(how, "quick_exit"))
		quick_exit(status);
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "fork") && !fork())
		exit(0);
	if (!strcmp(how, "vfork") && !vfork())
		_exit(0);
	if (strstr(how, "fork"))
		wait(NULL);
	if (!strcmp(how, "last-thread")) {
		pthread_create(&t, NULL, runs_on, NULL);
		pthread_exit(NULL);
	}
	return status;
}
