/*
 * Threads that ask for the time half of the time: it never goes back, and all ways to ask agree, though
 * some thread is nearly always inside of the vdso when the process is frozen.
 */
#include "harness.h"
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/time.h>

enum { THREADS = 3 };

static volatile bool stop;

static void *watch_clock(void *arg)
{
	clockid_t clock = (clockid_t)(long)arg;
	int64_t before = now_ns(clock);

	while (!stop) {
		int64_t now = now_ns(clock);

		check(now >= before, "clock %d went back by %ld ns", clock, (long)(before - now));
		before = now;
		for (volatile int i = 0; i < 20; i++)
			;
	}
	return NULL;
}

/* The kernel's answer, without the vdso. */
static int64_t kernel_ns(clockid_t clock)
{
	struct timespec t;

	syscall(SYS_clock_gettime, clock, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void compare_clock(clockid_t clock)
{
	int64_t low = kernel_ns(clock), vdso = now_ns(clock), high = kernel_ns(clock);

	check(low <= vdso && vdso <= high, "clock %d is %ld ns from the kernel's", clock,
	      (long)(vdso - low));
}

int main(void)
{
	pthread_t t[THREADS];
	struct timespec resolution;
	struct timeval tv;
	int64_t low, high;

	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, watch_clock,
			       (void *)(long)(i % 2 ? CLOCK_BOOTTIME : CLOCK_MONOTONIC));
	printf("ready\n");
	fflush(stdout);
	while (!gone())
		for (int64_t start = now_ns(CLOCK_MONOTONIC); now_ns(CLOCK_MONOTONIC) < start + 5000000;)
			;
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);

	compare_clock(CLOCK_MONOTONIC);
	compare_clock(CLOCK_BOOTTIME);
	compare_clock(CLOCK_REALTIME);
	low = kernel_ns(CLOCK_REALTIME) / 1000;
	gettimeofday(&tv, NULL);
	high = kernel_ns(CLOCK_REALTIME) / 1000;
	check(low <= tv.tv_sec * 1000000ll + tv.tv_usec && tv.tv_sec * 1000000ll + tv.tv_usec <= high,
	      "gettimeofday is %ld.%06ld", (long)tv.tv_sec, (long)tv.tv_usec);
	low = kernel_ns(CLOCK_REALTIME_COARSE) / 1000000000;
	check(time(NULL) >= low && time(NULL) <= low + 1, "time is %ld, not %ld", (long)time(NULL),
	      (long)low);
	check(sched_getcpu() >= 0, "getcpu: %s", strerror(errno));
	check(!clock_getres(CLOCK_MONOTONIC, &resolution) && resolution.tv_nsec == 1,
	      "the resolution is %ld ns", resolution.tv_nsec);
	return verdict();
}
