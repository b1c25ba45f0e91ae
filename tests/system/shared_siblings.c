/*
 * test: refused shares its descriptor table (CLONE_FILES) with process
 *
 * A process that has a descriptor table in common with another than its parent.
 */
#include "harness.h"
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

int main(void)
{
	int ends[2], status;
	pid_t maker;
	char c;

	if (pipe(ends))
		die("pipe");
	maker = fork();
	if (maker == 0) {
		close(ends[1]);
		syscall(SYS_clone, SIGCHLD | CLONE_FILES | CLONE_PARENT, NULL, NULL, NULL, NULL);
		_exit(read(ends[0], &c, 1) != 0);
	}
	sleep_ms(50);
	ready();
	close(ends[1]);
	for (int i = 0; i < 2; i++)
		check(wait(&status) > 0 && status == 0, "child %d: %x", i, status);
	return verdict();
}
