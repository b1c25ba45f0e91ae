/*
 * A subreaper: it is one still, and what writes the image, which is forked by each process of the job, is
 * never its child.
 */
#include "tree.h"
#include <sys/mman.h>
#include <sys/prctl.h>

static volatile int nchld;
static volatile pid_t *grandchild; /* shared */

static void on_chld(int sig)
{
	(void)sig;
	nchld++;
}

static void grand_main(void *arg)
{
	pid_t reaper = *(pid_t *)arg;

	wait_gone();
	for (int i = 0; i < 2000 && getppid() != reaper; i++)
		sleep_ms(5);
	check(getppid() == reaper, "the orphan's parent is %d, not %d", getppid(), reaper);
}

static void child_main(void *arg)
{
	*grandchild = child_start(grand_main, arg);
	wait_gone();
}

int main(void)
{
	pid_t self = getpid(), child;

	grandchild = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		die("prctl");
	signal(SIGCHLD, on_chld);
	child = child_start(child_main, &self);
	while (!*grandchild)
		sleep_ms(1);
	ready();
	child_end(child, 0);
	child_end(*grandchild, 0);
	check(nchld <= 2, "%d signals of two children", nchld);
	check(waitpid(-1, NULL, __WALL) < 0 && errno == ECHILD, "there are more children");
	return verdict();
}
