/* Threads with 32 KiB of stack, most of it in use: the signal frame must find room. */
#include "harness.h"
#include <pthread.h>

enum { THREADS = 10, STACK = 32 << 10, USED = 16 << 10 };

static volatile bool stop;
static int deep;

static void *work(void *arg)
{
	volatile char used[USED];
	unsigned long n = 0;

	for (int i = 0; i < USED; i++)
		used[i] = (char)(i * 7);
	__atomic_add_fetch(&deep, 1, __ATOMIC_RELAXED);
	while (!stop) {
		n++;
		if ((long)arg % 2)
			usleep(1000);
	}
	for (int i = 0; i < USED; i++)
		if (used[i] != (char)(i * 7)) {
			check(false, "thread %ld: byte %d of its stack", (long)arg, i);
			break;
		}
	return (void *)n;
}

int main(void)
{
	pthread_t t[THREADS];
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	if (pthread_attr_setstacksize(&attr, STACK))
		skip("threads can't have 32 KiB of stack here");
	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], &attr, work, (void *)i))
			die("pthread_create");
	while (__atomic_load_n(&deep, __ATOMIC_RELAXED) < THREADS)
		sleep_ms(1);
	ready();
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	return verdict();
}
