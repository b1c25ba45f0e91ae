/* The robust list: a thread that ends with a robust mutex locked leaves it to the next as dead. */
#include "harness.h"
#include <pthread.h>

enum { N = 3 };

static pthread_mutex_t mutex[N];
static pthread_barrier_t set_up, go_on;

static void *holder(void *arg)
{
	for (int i = 0; i < N; i++)
		pthread_mutex_lock(&mutex[i]);
	pthread_barrier_wait(&set_up);
	pthread_barrier_wait(&go_on);
	return arg; /* without unlocking */
}

static void *waiter(void *arg)
{
	int err = pthread_mutex_lock(&mutex[0]);

	check(err == EOWNERDEAD, "the waiter got %s", strerror(err));
	pthread_mutex_consistent(&mutex[0]);
	pthread_mutex_unlock(&mutex[0]);
	return arg;
}

int main(void)
{
	pthread_mutexattr_t attr;
	pthread_t t, w;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	for (int i = 0; i < N; i++)
		pthread_mutex_init(&mutex[i], &attr);
	pthread_barrier_init(&set_up, NULL, 2);
	pthread_barrier_init(&go_on, NULL, 2);
	pthread_create(&t, NULL, holder, NULL);
	pthread_barrier_wait(&set_up);
	pthread_create(&w, NULL, waiter, NULL);
	sleep_ms(20);

	ready();

	check(pthread_mutex_trylock(&mutex[1]) == EBUSY, "the mutex is free");
	pthread_barrier_wait(&go_on);
	pthread_join(t, NULL);
	pthread_join(w, NULL);
	for (int i = 1; i < N; i++) {
		int err = pthread_mutex_lock(&mutex[i]);

		check(err == EOWNERDEAD, "mutex %d: %s", i, strerror(err));
		pthread_mutex_consistent(&mutex[i]);
		check(pthread_mutex_unlock(&mutex[i]) == 0, "unlock");
	}
	return verdict();
}
