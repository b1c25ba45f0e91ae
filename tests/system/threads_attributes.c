/* Per thread: name, nice value, scheduling policy, affinity, signal mask, timer slack. */
#include "harness.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static pthread_barrier_t set_up, go_on;

struct attributes {
	char name[16];
	int nice, policy, slack;
	cpu_set_t affinity;
	sigset_t mask;
};

static void collect(struct attributes *a)
{
	memset(a, 0, sizeof(*a));
	pthread_getname_np(pthread_self(), a->name, sizeof(a->name));
	a->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
	a->policy = sched_getscheduler(0);
	a->slack = prctl(PR_GET_TIMERSLACK);
	sched_getaffinity(0, sizeof(a->affinity), &a->affinity);
	pthread_sigmask(SIG_SETMASK, NULL, &a->mask);
}

static void set(int i)
{
	static const int policies[] = {SCHED_OTHER, SCHED_BATCH, SCHED_IDLE};
	struct sched_param param = {0};
	cpu_set_t affinity;
	sigset_t mask;
	char name[16];

	snprintf(name, sizeof(name), "name (%d) x\n", i);
	pthread_setname_np(pthread_self(), name);
	sched_setscheduler(0, policies[i % 3], &param);
	setpriority(PRIO_PROCESS, (id_t)gettid(), 2 + i);
	prctl(PR_SET_TIMERSLACK, 60000 + i);
	sched_getaffinity(0, sizeof(affinity), &affinity);
	if (i % 2)
		for (int c = CPU_SETSIZE - 1; CPU_COUNT(&affinity) > 1; c--)
			CPU_CLR(c, &affinity);
	sched_setaffinity(0, sizeof(affinity), &affinity);
	sigemptyset(&mask);
	sigaddset(&mask, 10 + i);
	sigaddset(&mask, SIGRTMIN + i);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void compare(int i, const struct attributes *was)
{
	struct attributes is;

	collect(&is);
	check(!strcmp(is.name, was->name), "thread %d: name is %s, was %s", i, is.name, was->name);
	check(is.nice == was->nice, "thread %d: nice is %d, was %d", i, is.nice, was->nice);
	check(is.policy == was->policy, "thread %d: policy is %d, was %d", i, is.policy, was->policy);
	check(is.slack == was->slack, "thread %d: timer slack is %d, was %d", i, is.slack, was->slack);
	check(CPU_EQUAL(&is.affinity, &was->affinity), "thread %d: affinity to %d CPUs, was %d", i,
	      CPU_COUNT(&is.affinity), CPU_COUNT(&was->affinity));
	check(!memcmp(&is.mask, &was->mask, 8), "thread %d: signal mask", i);
}

static void *thread(void *arg)
{
	int i = (int)(long)arg;
	struct attributes a;

	set(i);
	collect(&a);
	pthread_barrier_wait(&set_up);
	pthread_barrier_wait(&go_on);
	compare(i, &a);
	return NULL;
}

int main(void)
{
	struct attributes a;
	pthread_t t[6];

	pthread_barrier_init(&set_up, NULL, 7);
	pthread_barrier_init(&go_on, NULL, 7);
	for (long i = 1; i < 7; i++)
		pthread_create(&t[i - 1], NULL, thread, (void *)i);
	set(0);
	collect(&a);
	pthread_barrier_wait(&set_up);

	ready();

	compare(0, &a);
	pthread_barrier_wait(&go_on);
	for (int i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	return verdict();
}
