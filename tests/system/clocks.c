/*
 * test: dead 2
 * test: once
 *
 * The clocks that a process may take for continuous: none goes back, none jumps over the time when the
 * program was not there.
 */
#include "harness.h"

static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
				   CLOCK_BOOTTIME};
enum { N = sizeof(clocks) / sizeof(clocks[0]) };

static double uptime(void)
{
	char *text = read_whole("/proc/uptime", NULL);
	double s = strtod(text, NULL);

	free(text);
	return s;
}

int main(void)
{
	int64_t last[N], gap[N] = {0}, now;
	double up = uptime();

	for (int i = 0; i < N; i++)
		last[i] = now_ns(clocks[i]);
	printf("ready\n");
	fflush(stdout);
	do {
		for (int i = 0; i < N; i++) {
			now = now_ns(clocks[i]);
			check(now >= last[i], "clock %d went back by %ld us", clocks[i],
			      (long)(last[i] - now) / 1000);
			if (now - last[i] > gap[i])
				gap[i] = now - last[i];
			last[i] = now;
		}
		sleep_ms(1);
	} while (!gone());
	for (int i = 0; i < N; i++)
		check(gap[i] < 1500000000, "clock %d jumped by %ld ms", clocks[i],
		      (long)gap[i] / 1000000);
	check(uptime() >= up, "/proc/uptime went back from %f to %f", up, uptime());
	return verdict();
}
