/* timerfd: time left on clocks that stop with the program, absolute times, ticks, intervals. */
#include "harness.h"
#include <poll.h>
#include <sys/timerfd.h>

enum { MS = 1000000 };

static int make(int clock, int flags, int64_t value_ns, int64_t interval_ns)
{
	struct itimerspec its = {{interval_ns / 1000000000, interval_ns % 1000000000},
				 {value_ns / 1000000000, value_ns % 1000000000}};
	int fd = timerfd_create(clock, TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, flags, &its, NULL))
		die("timerfd");
	return fd;
}

static int64_t left_ns(int fd)
{
	struct itimerspec its = {{0, 0}, {0, 0}};

	timerfd_gettime(fd, &its);
	return its.it_value.tv_sec * 1000000000ll + its.it_value.tv_nsec;
}

int main(void)
{
	int64_t hour = 3600ll * 1000 * MS, start = now_ns(CLOCK_MONOTONIC), now;
	int once = make(CLOCK_MONOTONIC, 0, hour, 0);
	int absolute = make(CLOCK_MONOTONIC, TFD_TIMER_ABSTIME, start + 2 * hour, 0);
	int wall = make(CLOCK_REALTIME, TFD_TIMER_ABSTIME, now_ns(CLOCK_REALTIME) + hour, 0);
	int periodic = make(CLOCK_MONOTONIC, 0, 10 * MS, 10 * MS);
	int expired = make(CLOCK_BOOTTIME, 0, 1 * MS, 0),
	    unset = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec its;
	uint64_t n = 0;

	sleep_ms(30);

	ready();

	now = now_ns(CLOCK_MONOTONIC);
	check(llabs(left_ns(once) - (start + hour - now)) < 50 * MS, "once: %lld ms off",
	      (long long)(left_ns(once) - (start + hour - now)) / MS);
	check(llabs(left_ns(absolute) - (start + 2 * hour - now)) < 50 * MS,
	      "absolute: %lld ms off",
	      (long long)(left_ns(absolute) - (start + 2 * hour - now)) / MS);
	check(left_ns(wall) > 0 && left_ns(wall) <= hour, "wall clock: %lld ms left",
	      (long long)left_ns(wall) / MS);
	now = (now_ns(CLOCK_MONOTONIC) - start) / (10 * MS);
	check(read(periodic, &n, 8) == 8 && llabs((int64_t)n - now) <= 5, "%llu ticks, not %lld",
	      (unsigned long long)n, (long long)now);
	check(timerfd_gettime(periodic, &its) == 0 && its.it_interval.tv_nsec == 10 * MS,
	      "interval lost");
	sleep_ms(25);
	check(poll(&(struct pollfd){.fd = periodic, .events = POLLIN}, 1, 10000) == 1, "it ticks no more");
	check(read(periodic, &n, 8) == 8 && n >= 2, "in 25 ms it has ticked %llu times", (unsigned long long)n);
	check(read(expired, &n, 8) == 8 && n == 1, "the tick not read yet");
	check(read(expired, &n, 8) < 0 && errno == EAGAIN, "it ticks again");
	check(left_ns(unset) == 0 && !(fcntl(unset, F_GETFL) & O_NONBLOCK),
	      "the one that was never set");
	return verdict();
}
