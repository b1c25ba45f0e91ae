/*
 * Interval timers: a periodic one goes on at its period, one-shot ones keep what was left, those of
 * processor time too.
 */
#include "harness.h"
#include <signal.h>
#include <sys/time.h>

static volatile int alarms, profs;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static void on_prof(int sig)
{
	(void)sig;
	profs++;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval real = {{0, 20000}, {0, 20000}}, virt = {{7, 500}, {1000, 0}}, prof = {{0, 0}, {0, 30000}};
	struct itimerval t;
	int before;
	int64_t start;

	sigaction(SIGALRM, &sa, NULL);
	sa.sa_handler = on_prof;
	sigaction(SIGPROF, &sa, NULL);
	setitimer(ITIMER_REAL, &real, NULL);
	setitimer(ITIMER_VIRTUAL, &virt, NULL);
	setitimer(ITIMER_PROF, &prof, NULL);

	ready();

	before = alarms;
	start = now_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < 3000 && alarms < before + 10; i++)
		sleep_ms(1);
	check(alarms >= before + 10, "the periodic timer stands still");
	check(now_ns(CLOCK_MONOTONIC) - start > 150000000, "10 alarms in %ld ms",
	      (long)(now_ns(CLOCK_MONOTONIC) - start) / 1000000);
	getitimer(ITIMER_REAL, &t);
	check(seconds(t.it_interval) == 0.02, "the period is %f", seconds(t.it_interval));
	getitimer(ITIMER_VIRTUAL, &t);
	/* the kernel rounds processor time to its ticks */
	check(seconds(t.it_interval) > 6.9 && seconds(t.it_interval) < 7.1, "ITIMER_VIRTUAL's period is %f",
	      seconds(t.it_interval));
	check(seconds(t.it_value) > 900 && seconds(t.it_value) <= 1000.1, "ITIMER_VIRTUAL has %f left",
	      seconds(t.it_value));
	for (start = now_ns(CLOCK_MONOTONIC); !profs && now_ns(CLOCK_MONOTONIC) < start + 10000000000;)
		;
	check(profs == 1, "ITIMER_PROF came %d times", profs);
	getitimer(ITIMER_PROF, &t);
	check(seconds(t.it_value) == 0 && seconds(t.it_interval) == 0, "ITIMER_PROF still runs");
	return verdict();
}
