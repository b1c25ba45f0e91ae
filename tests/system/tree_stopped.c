/*
 * Children that are stopped stay stopped, with all of their threads, until they are continued. Of one the
 * parent's wait(2) has told so already, of the other not yet; both as before.
 */
#include "tree.h"
#include <pthread.h>
#include <sys/mman.h>

static volatile int *count; /* [0] and [1]: of the children's threads, [2]: SIGCHLD seen */

static void on_chld(int sig)
{
	(void)sig;
	count[2]++;
}

static void *thread_main(void *arg)
{
	(void)arg;
	for (;;) {
		count[1]++;
		sleep_ms(1);
	}
	return NULL;
}

static void counts(void *arg)
{
	pthread_t t;

	(void)arg;
	pthread_create(&t, NULL, thread_main, NULL);
	for (;;) {
		count[0]++;
		sleep_ms(1);
	}
}

static void child_stop(pid_t pid, int options)
{
	siginfo_t si;

	while (!count[0] || !count[1])
		sleep_ms(1);
	kill(pid, SIGSTOP);
	if (waitid(P_PID, pid, &si, WSTOPPED | options))
		die("waitid");
}

static void check_still(void)
{
	int a = count[0], b = count[1];

	sleep_ms(100);
	check(a == count[0] && b == count[1], "a child that is stopped runs");
}

static bool tells_stop(pid_t pid)
{
	siginfo_t si = {0};

	return waitid(P_PID, pid, &si, WSTOPPED | WNOHANG) == 0 && si.si_pid == pid && si.si_code == CLD_STOPPED;
}

static void child_go_on(pid_t pid)
{
	int a, b;

	count[0] = count[1] = 0;
	kill(pid, SIGCONT);
	for (int i = 0; i < 2000 && (!count[0] || !count[1]); i++)
		sleep_ms(5);
	a = count[0];
	b = count[1];
	check(a && b, "a child that is continued does not run: %d, %d", a, b);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	pid_t told, untold;

	count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	signal(SIGCHLD, on_chld);
	told = child_start(counts, NULL);
	child_stop(told, 0);
	count[0] = count[1] = 0;
	untold = child_start(counts, NULL);
	child_stop(untold, WNOWAIT);
	count[2] = 0;
	ready();
	check(!count[2], "%d signals that a child stopped", count[2]);
	check_still();
	check(!tells_stop(told), "a stop is told twice");
	check(tells_stop(untold), "a stop is not told");
	child_go_on(told);
	child_go_on(untold);
	return verdict();
}
