/*
 * test: refused shares its memory with
 *
 * A process that has its memory in common with its parent, without being a thread of it or a vfork child.
 */
#include "harness.h"
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int other(void *arg)
{
	(void)arg;
	for (;;)
		syscall(SYS_pause);
	return 0;
}

int main(void)
{
	char *stack = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t p = clone(other, stack + (1 << 20), CLONE_VM | SIGCHLD, NULL);
	int status;

	if (p < 0)
		die("clone");
	ready();
	kill(p, SIGKILL);
	check(waitpid(p, &status, 0) == p && WIFSIGNALED(status), "the other task: %x", status);
	return verdict();
}
