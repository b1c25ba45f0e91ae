/*
 * test: root
 *
 * Real-time scheduling policies and their priorities, deadlines not.
 */
#include "harness.h"
#include <pthread.h>
#include <sched.h>

static pthread_barrier_t set_up, go_on;

static void *thread(void *arg)
{
	struct sched_param param = {.sched_priority = 7}, is;
	int policy = (int)(long)arg;

	if (sched_setscheduler(0, policy, &param))
		skip("no permission for a real-time policy");
	pthread_barrier_wait(&set_up);
	pthread_barrier_wait(&go_on);
	sched_getparam(0, &is);
	check(sched_getscheduler(0) == policy, "policy is %d, was %d", sched_getscheduler(0), policy);
	check(is.sched_priority == 7, "priority is %d, was 7", is.sched_priority);
	return NULL;
}

int main(void)
{
	static const int policies[] = {SCHED_FIFO, SCHED_RR, SCHED_RR | SCHED_RESET_ON_FORK};
	pthread_t t[3];

	pthread_barrier_init(&set_up, NULL, 4);
	pthread_barrier_init(&go_on, NULL, 4);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, thread, (void *)(long)policies[i]);
	pthread_barrier_wait(&set_up);
	ready();
	pthread_barrier_wait(&go_on);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	return verdict();
}
