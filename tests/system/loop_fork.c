/*
 * test: loop
 * test: refusable
 * test: checkpoints 200
 * test: time 120
 *
 * 200 checkpoints, or attempts at one, of a program whose threads start other programs in every way
 * there is. While a child lives the checkpoint may be refused; no child is ever harmed by one.
 */
#include "harness.h"
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static volatile bool stop;
static long done[5];

static int wait_for(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		check(false, "waitpid: EINTR");
	return status;
}

static int by_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/true", "true", NULL);
		_exit(99);
	}
	return wait_for(pid);
}

static int by_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/bin/true", "true", NULL);
		_exit(99);
	}
	return wait_for(pid);
}

static int by_spawn(void)
{
	char *argv[] = {"true", NULL};
	pid_t pid;

	return posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) ? -1 : wait_for(pid);
}

static int by_system(void)
{
	return system("exit 0");
}

static int by_popen(void)
{
	FILE *f = popen("echo line; exit 7", "r");
	char line[16] = "";
	int status;

	if (!f)
		return -1;
	check(fgets(line, sizeof(line), f) && !strcmp(line, "line\n"), "popen gives \"%s\"", line);
	status = pclose(f);
	return status == 7 << 8 ? 0 : status;
}

static int (*const ways[])(void) = {by_fork, by_vfork, by_spawn, by_system, by_popen};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static void *thread(void *arg)
{
	long i = (long)arg;

	while (!stop) {
		int status = ways[i]();

		check(status == 0, "way %ld: status %x", i, status);
		done[i]++;
		usleep(2000); /* moments without a child */
	}
	return NULL;
}

int main(void)
{
	pthread_t t[WAYS];

	for (long i = 0; i < WAYS; i++)
		pthread_create(&t[i], NULL, thread, (void *)i);
	ready();
	stop = true;
	for (int i = 0; i < WAYS; i++) {
		pthread_join(t[i], NULL);
		check(!getenv("CKPT_TEST_GO") || done[i] > 10, "way %d: done %ld times", i, done[i]);
	}
	return verdict();
}
