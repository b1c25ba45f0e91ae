/*
 * SIGEV_THREAD timers: libc waits for them in a thread that blocks every signal, the reserved one too.
 * They go on, and no thread sees a failing call.
 * test: checkpoints 3
 */
#include "harness.h"
#include <pthread.h>
#include <signal.h>

enum { N = 3 };

static volatile int calls[N];

static void on_timer(union sigval value)
{
	__atomic_add_fetch(&calls[value.sival_int], 1, __ATOMIC_RELAXED);
}

static int count(int i)
{
	return __atomic_load_n(&calls[i], __ATOMIC_RELAXED);
}

int main(void)
{
	struct itimerspec spec = {{0, 7000000}, {0, 7000000}};
	timer_t id[N];
	int before;

	for (int i = 0; i < N; i++) {
		struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_timer,
					 .sigev_value.sival_int = i};

		if (timer_create(CLOCK_MONOTONIC, &event, &id[i]))
			die("timer_create");
		if (timer_settime(id[i], 0, &spec, NULL))
			die("timer_settime");
		spec.it_interval.tv_nsec *= 3;
		spec.it_value = spec.it_interval;
	}
	ready();
	for (int i = 0; i < N; i++) {
		before = count(i);
		for (int k = 0; k < 5000 && count(i) < before + 3; k++)
			sleep_ms(1);
		check(count(i) >= before + 3, "timer %d stands still", i);
		check(timer_delete(id[i]) == 0, "deleting timer %d: %s", i, strerror(errno));
	}
	return verdict();
}
