/*
 * test: dead 1
 *
 * alarm(): what was left is left, the time when the program was not there does not count.
 */
#include "harness.h"
#include <signal.h>

static volatile bool came;

static void on_alarm(int sig)
{
	(void)sig;
	came = true;
}

int main(void)
{
	int64_t due;

	signal(SIGALRM, on_alarm);
	due = now_ns(CLOCK_MONOTONIC) + 3000000000;
	alarm(3);
	ready();
	if (!getenv("CKPT_TEST_GO"))
		return verdict();
	if (now_ns(CLOCK_MONOTONIC) < due - 500000000)
		check(!came, "the alarm came early");
	for (int i = 0; i < 10000 && !came; i++)
		sleep_ms(1);
	check(came, "the alarm did not come");
	check(now_ns(CLOCK_MONOTONIC) >= due - 20000000, "the alarm came %ld ms early",
	      (long)(due - now_ns(CLOCK_MONOTONIC)) / 1000000);
	return verdict();
}
