/*
 * A thread that no signal reaches for a while: the parent of a vfork() waits uninterruptibly for its
 * child. Prints a line every 50 ms, and "child" when the child has ended.
 *
 *	vfork_wait SECONDS
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int seconds;

static void *parent(void *arg)
{
	int status = -1;
	pid_t pid = vfork();

	if (pid == 0) {
		sleep((unsigned)seconds);
		_exit(3);
	}
	waitpid(pid, &status, 0);
	printf("child %d\n", status >> 8);
	fflush(stdout);
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t;

	seconds = argc > 1 ? atoi(argv[1]) : 1;
	pthread_create(&t, NULL, parent, NULL);
	for (int i = 0; i < 20 * seconds + 20; i++) {
		printf("line %d\n", i);
		fflush(stdout);
		usleep(50000);
	}
	pthread_join(t, NULL);
	return 0;
}
