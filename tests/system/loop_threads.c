/*
 * test: loop
 * test: checkpoints 200
 * test: time 120
 *
 * 200 checkpoints of a program that never stands still: threads that make threads and end, that
 * allocate, map and unmap, that signal each other with values; nothing is lost or doubled.
 */
#include "harness.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

enum { MAKERS = 3, SIGNALLERS = 2, ALLOCATORS = 2, SIGA = 42 };

static volatile bool stop;
static long made, ended, sent, received, sum_sent, sum_received;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	__atomic_add_fetch(&received, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&sum_received, info->si_value.sival_int, __ATOMIC_RELAXED);
}

static void *brief(void *arg)
{
	char *p = malloc(5000);

	memset(p, (int)(long)arg, 5000);
	free(p);
	__atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
	return arg;
}

static void *maker(void *arg)
{
	for (long i = 0; !stop; i++) {
		pthread_t t[4];
		pthread_attr_t detached;
		int n = 1 + (int)(i % 4);

		for (int k = 0; k < n; k++)
			check(!pthread_create(&t[k], NULL, brief, (void *)(i + k)), "pthread_create");
		for (int k = 0; k < n; k++) {
			void *value;

			check(!pthread_join(t[k], &value) && value == (void *)(i + k), "join");
		}
		__atomic_add_fetch(&made, n, __ATOMIC_RELAXED);
		if (i % 3 == 0) {
			pthread_attr_init(&detached);
			pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
			__atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
			check(!pthread_create(t, &detached, brief, NULL), "pthread_create");
			usleep(500);
		}
	}
	return arg;
}

static void *signaller(void *arg)
{
	for (int i = 1; !stop; i++) {
		union sigval value = {.sival_int = i % 1000};

		if (sigqueue(getpid(), SIGA, value) == 0) {
			__atomic_add_fetch(&sent, 1, __ATOMIC_RELAXED);
			__atomic_add_fetch(&sum_sent, i % 1000, __ATOMIC_RELAXED);
		}
		if (i % 8 == 0)
			usleep(200);
	}
	return arg;
}

static void *allocator(void *arg)
{
	unsigned seed = (unsigned)(long)arg;

	while (!stop) {
		size_t n = (size_t)rand_r(&seed) % 3000000 + 1;
		char *p = malloc(n), *q = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
					       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		p[0] = p[n - 1] = q[4096] = 'x';
		check(p[0] == 'x' && q[4096] == 'x', "memory");
		p = realloc(p, n * 2);
		check(p[n - 1] == 'x', "memory after realloc");
		munmap(q, 1 << 20);
		free(p);
		usleep(500); /* leaves the snapshot's writer some time */
	}
	return arg;
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	pthread_t t[MAKERS + SIGNALLERS + ALLOCATORS];
	int n = 0;

	sigaction(SIGA, &sa, NULL);
	for (long i = 0; i < MAKERS; i++)
		pthread_create(&t[n++], NULL, maker, (void *)i);
	for (long i = 0; i < SIGNALLERS; i++)
		pthread_create(&t[n++], NULL, signaller, (void *)i);
	for (long i = 0; i < ALLOCATORS; i++)
		pthread_create(&t[n++], NULL, allocator, (void *)i);
	ready();
	stop = true;
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 5000 && (received < sent || ended < made); i++)
		sleep_ms(1);
	check(made == ended, "%ld threads were made, %ld ended", made, ended);
	check(sent == received && sum_sent == sum_received,
	      "%ld signals sent, %ld received; sums %ld and %ld", sent, received, sum_sent,
	      sum_received);
	return verdict();
}
