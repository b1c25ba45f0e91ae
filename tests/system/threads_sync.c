/*
 * Locks held and waited for across the checkpoint: mutexes of every kind, one with priority
 * inheritance, read-write lock, condition variable, semaphore, barrier, join, once.
 */
#include "harness.h"
#include <pthread.h>
#include <semaphore.h>

enum { KINDS = 5, WAITERS = 3 };

static pthread_mutex_t mutex[KINDS];
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t cond_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem;
static int got[KINDS], wanted_cond, woken, posted, reading, passed;

static void *lock_mutex(void *arg)
{
	long kind = (long)arg;

	check(pthread_mutex_lock(&mutex[kind]) == 0, "lock %ld", kind);
	got[kind]++;
	check(pthread_mutex_unlock(&mutex[kind]) == 0, "unlock %ld", kind);
	return NULL;
}

static void *read_lock(void *arg)
{
	pthread_rwlock_rdlock(&rwlock);
	__atomic_add_fetch(&reading, 1, __ATOMIC_RELAXED);
	pthread_rwlock_unlock(&rwlock);
	return arg;
}

static void *wait_cond(void *arg)
{
	pthread_mutex_lock(&cond_mutex);
	while (!wanted_cond)
		pthread_cond_wait(&cond, &cond_mutex);
	woken++;
	pthread_mutex_unlock(&cond_mutex);
	return arg;
}

static void *wait_sem(void *arg)
{
	check(sem_wait(&sem) == 0, "sem_wait: %s", strerror(errno));
	__atomic_add_fetch(&posted, 1, __ATOMIC_RELAXED);
	return arg;
}

static void *wait_barrier(void *arg)
{
	pthread_barrier_wait(&barrier);
	__atomic_add_fetch(&passed, 1, __ATOMIC_RELAXED);
	return arg;
}

static void *wait_join(void *arg)
{
	check(pthread_join(*(pthread_t *)arg, NULL) == 0, "join");
	return NULL;
}

int main(void)
{
	static const int types[KINDS] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ERRORCHECK,
					 PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ADAPTIVE_NP,
					 PTHREAD_MUTEX_NORMAL};
	pthread_t t[64];
	int n = 0;

	for (int i = 0; i < KINDS; i++) {
		pthread_mutexattr_t attr;

		pthread_mutexattr_init(&attr);
		pthread_mutexattr_settype(&attr, types[i]);
		if (i == 4)
			pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
		pthread_mutex_init(&mutex[i], &attr);
		pthread_mutex_lock(&mutex[i]);
		if (types[i] == PTHREAD_MUTEX_RECURSIVE)
			pthread_mutex_lock(&mutex[i]);
	}
	pthread_rwlock_wrlock(&rwlock);
	sem_init(&sem, 0, 0);
	pthread_barrier_init(&barrier, NULL, WAITERS + 1);
	for (long i = 0; i < WAITERS; i++) {
		for (long k = 0; k < KINDS; k++)
			pthread_create(&t[n++], NULL, lock_mutex, (void *)k);
		pthread_create(&t[n++], NULL, read_lock, NULL);
		pthread_create(&t[n++], NULL, wait_cond, NULL);
		pthread_create(&t[n++], NULL, wait_sem, NULL);
		pthread_create(&t[n++], NULL, wait_barrier, NULL);
	}
	pthread_create(&t[n], NULL, wait_join, &t[n - 1]);
	sleep_ms(50); /* let them block */

	ready();

	check(pthread_mutex_lock(&mutex[1]) == EDEADLK, "the error-checking mutex is not ours");
	check(pthread_mutex_trylock(&mutex[0]) == EBUSY, "the mutex is free");
	check(!got[0] && !woken && !posted && !reading && !passed, "someone was let through");
	check(pthread_mutex_unlock(&mutex[2]) == 0, "the recursive mutex is not ours");
	sleep_ms(5);
	check(!got[2], "the recursive mutex was free after one unlock of two");
	for (int i = 0; i < KINDS; i++)
		check(pthread_mutex_unlock(&mutex[i]) == 0, "mutex %d is not ours", i);
	pthread_rwlock_unlock(&rwlock);
	pthread_mutex_lock(&cond_mutex);
	wanted_cond = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&cond_mutex);
	for (int i = 0; i < WAITERS; i++)
		sem_post(&sem);
	pthread_barrier_wait(&barrier);
	pthread_join(t[n], NULL);
	for (int i = 0; i < n - 1; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < KINDS; i++)
		check(got[i] == WAITERS, "mutex %d: %d", i, got[i]);
	check(woken == WAITERS && posted == WAITERS && reading == WAITERS && passed == WAITERS,
	      "woken %d, posted %d, reading %d, passed %d", woken, posted, reading, passed);
	return verdict();
}
