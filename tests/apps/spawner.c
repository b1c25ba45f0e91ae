/*
 * Starts children one after the other, as fast as it can, and looks at the exit status of each.
 *
 *	spawner fork|vfork|clone|system|popen|posix_spawn
 *
 * Prints every 50th number, and ends when there is a file "stop" in the working directory.
 */
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Exit status of a child that was waited for. */
static int child_wait(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1000 - WTERMSIG(status);
}

static int by_fork(int n)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(n);
	return child_wait(pid);
}

static int by_vfork(int n)
{
	char code[16];
	pid_t pid;

	snprintf(code, sizeof(code), "exit %d", n);
	pid = vfork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", code, NULL);
		_exit(127);
	}
	return child_wait(pid);
}

static int child(void *n)
{
	return *(int *)n;
}

static int by_clone(int n)
{
	static char stack[65536] __attribute__((aligned(16)));

	return child_wait(clone(child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &n));
}

static int by_system(int n)
{
	char code[16];
	int status;

	snprintf(code, sizeof(code), "exit %d", n);
	status = system(code);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1000 - WTERMSIG(status);
}

static int by_popen(int n)
{
	char code[64];
	int number = -1, status;
	FILE *f;

	snprintf(code, sizeof(code), "echo %d; exit %d", n + 1000, n);
	f = popen(code, "r");
	if (!f || fscanf(f, "%d", &number) != 1 || number != n + 1000)
		printf("popen: %d is not %d\n", number, n + 1000);
	status = f ? pclose(f) : -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1000 - WTERMSIG(status);
}

static int by_posix_spawn(int n)
{
	char code[16], *argv[] = { "sh", "-c", code, NULL };
	pid_t pid;

	snprintf(code, sizeof(code), "exit %d", n);
	if (posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ))
		return -1;
	return child_wait(pid);
}

static const struct {
	const char *name;
	int (*start)(int n);
} ways[] = {
	{ "fork", by_fork }, { "vfork", by_vfork }, { "clone", by_clone }, { "system", by_system },
	{ "popen", by_popen }, { "posix_spawn", by_posix_spawn },
};

int main(int argc, char **argv)
{
	int (*start)(int n) = NULL;

	for (unsigned i = 0; argc > 1 && i < sizeof(ways) / sizeof(*ways); i++)
		if (strcmp(ways[i].name, argv[1]) == 0)
			start = ways[i].start;
	if (!start)
		return 2;
	for (int n = 0; access("stop", F_OK) < 0; n++) {
		int status = start(n % 100);

		if (status != n % 100)
			printf("child %d: status %d\n", n, status);
		if (n % 50 == 0)
			printf("%d\n", n);
		fflush(stdout);
	}
	return 0;
}
