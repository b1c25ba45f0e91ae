/*
 * What belongs to a thread: TLS, thread-specific data, errno, its id and handle, and the rseq area
 * that sched_getcpu() reads.
 */
#include "harness.h"
#include <pthread.h>
#include <sched.h>
#include <sys/rseq.h>
#include <sys/syscall.h>

enum { THREADS = 8 };

static __thread long tls_number = 17;
static __thread char tls_block[5000];
static pthread_key_t key;
static pthread_barrier_t set_up, go_on;
static int destroyed;

static void destroy(void *value)
{
	(void)value;
	__atomic_add_fetch(&destroyed, 1, __ATOMIC_RELAXED);
}

static void verify_cpu(void)
{
	struct rseq *rseq = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);

	for (int i = 0; i < CPU_SETSIZE; i++) {
		cpu_set_t all, one;

		sched_getaffinity(0, sizeof(all), &all);
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		sched_setaffinity(0, sizeof(one), &one);
		check(sched_getcpu() == i, "sched_getcpu is %d on CPU %d", sched_getcpu(), i);
		if (__rseq_size)
			check((int)rseq->cpu_id == i, "rseq has CPU %d, not %d", (int)rseq->cpu_id, i);
		sched_setaffinity(0, sizeof(all), &all);
	}
}

static void *thread(void *arg)
{
	long me = (long)arg;
	pthread_t self = pthread_self();
	pid_t tid = gettid();
	void *tls = &tls_number;

	tls_number += me;
	memset(tls_block, (int)me, sizeof(tls_block));
	pthread_setspecific(key, (void *)(me + 1));
	errno = (int)me + 30;
	pthread_barrier_wait(&set_up);
	pthread_barrier_wait(&go_on);
	check(errno == me + 30, "errno is %d, was %ld", errno, me + 30);
	check(tls_number == 17 + me, "thread %ld: TLS holds %ld", me, tls_number);
	check(tls == &tls_number, "thread %ld: TLS has moved", me);
	check(tls_block[0] == me && tls_block[4999] == me, "thread %ld: TLS block", me);
	check(pthread_getspecific(key) == (void *)(me + 1), "thread %ld: specific data", me);
	check(pthread_equal(self, pthread_self()), "thread %ld: handle", me);
	check(gettid() == tid && syscall(SYS_gettid) == tid, "tid is %ld, was %d",
	      syscall(SYS_gettid), tid);
	verify_cpu();
	return (void *)(me * 2);
}

int main(void)
{
	pthread_t t[THREADS];

	tls_number = 1000;
	pthread_key_create(&key, destroy);
	pthread_barrier_init(&set_up, NULL, THREADS + 1);
	pthread_barrier_init(&go_on, NULL, THREADS + 1);
	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, thread, (void *)i))
			die("pthread_create");
	pthread_barrier_wait(&set_up);

	ready();

	pthread_barrier_wait(&go_on);
	for (long i = 0; i < THREADS; i++) {
		void *value;

		pthread_join(t[i], &value);
		check(value == (void *)(i * 2), "thread %ld returned %ld", i, (long)value);
	}
	check(tls_number == 1000, "main's TLS holds %ld", tls_number);
	check(destroyed == THREADS, "%d destructors ran", destroyed);
	verify_cpu();
	return verdict();
}
