/* What numactl(8) and ionice(1) set, of each thread its own. */
#include "harness.h"
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sys/syscall.h>

enum { THREAD = 1, IDLE = 3 << 13, BEST_EFFORT_7 = 2 << 13 | 7 };

static pthread_barrier_t begun, gone_on;

static void set(int policy, int priority)
{
	unsigned long node = 1;

	if (syscall(SYS_ioprio_set, THREAD, 0, priority))
		die("ioprio_set");
	if (syscall(SYS_set_mempolicy, policy, &node, 64) && errno != ENOSYS && errno != EPERM)
		die("set_mempolicy");
}

static void look(int policy, int priority, const char *who)
{
	unsigned long nodes[16] = {0};
	int now = -1, got = syscall(SYS_ioprio_get, THREAD, 0);

	check(got == priority, "%s: I/O priority %x, was %x", who, got, priority);
	if (syscall(SYS_get_mempolicy, &now, nodes, 1024, 0, 0) == 0)
		check(now == policy && nodes[0] == 1, "%s: policy %d of nodes %lx, was %d of 1", who, now, nodes[0], policy);
}

static void *thread_main(void *arg)
{
	(void)arg;
	set(MPOL_BIND, BEST_EFFORT_7);
	pthread_barrier_wait(&begun);
	pthread_barrier_wait(&gone_on);
	look(MPOL_BIND, BEST_EFFORT_7, "thread");
	return NULL;
}

int main(void)
{
	pthread_t t;

	pthread_barrier_init(&begun, NULL, 2);
	pthread_barrier_init(&gone_on, NULL, 2);
	pthread_create(&t, NULL, thread_main, NULL);
	pthread_barrier_wait(&begun);
	set(MPOL_INTERLEAVE, IDLE);
	ready();
	look(MPOL_INTERLEAVE, IDLE, "main thread");
	pthread_barrier_wait(&gone_on);
	pthread_join(t, NULL);
	return verdict();
}
