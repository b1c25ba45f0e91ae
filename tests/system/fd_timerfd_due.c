/* timerfd: hundreds of them that are due at any moment. The kernel tells of one that is just due as of one that is not set. */
#include "harness.h"
#include <sys/timerfd.h>

enum { TIMERS = 500, INTERVAL_NS = 5000 };

static int ticking(const int *timers)
{
	uint64_t n;
	int i, found = 0;

	for (i = 0; i < TIMERS; i++)
		found += read(timers[i], &n, 8) == 8;
	return found;
}

int main(void)
{
	const struct itimerspec its = {{0, INTERVAL_NS}, {0, INTERVAL_NS}};
	int timers[TIMERS], i, n;

	for (i = 0; i < TIMERS; i++) {
		timers[i] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
		if (timers[i] < 0 || timerfd_settime(timers[i], 0, &its, NULL))
			die("timerfd");
	}

	ready();

	for (i = 0; i < 3; i++) {
		sleep_ms(20);
		n = ticking(timers);
		check(n == TIMERS, "round %d: %d of %d tick", i, n, TIMERS);
	}
	return verdict();
}
