/*
 * POSIX timers: their ids with gaps between, clocks, ways to notify, values, intervals, overruns; armed
 * and not; SIGEV_THREAD_ID and SIGEV_THREAD. Each goes on, is found under its id, and can be deleted.
 */
#include "harness.h"
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { SIGT = 41, N = 9 };

static volatile int hits[N], hit_tid[N], thread_calls;
static pid_t helper;
static volatile bool stop;

static void on_timer(int sig, siginfo_t *info, void *context)
{
	int i = info->si_value.sival_int;

	(void)sig;
	(void)context;
	if (info->si_code == SI_TIMER && i >= 0 && i < N) {
		hits[i]++;
		hit_tid[i] = gettid();
	}
}

static void on_thread(union sigval value)
{
	if (value.sival_int == 8)
		__atomic_add_fetch(&thread_calls, 1, __ATOMIC_RELAXED);
}

static void *wait_here(void *arg)
{
	helper = gettid();
	while (!stop)
		sleep_ms(2);
	return arg;
}

/* Raw, for the kernel's ids. */
static int create(clockid_t clock, int notify, int value)
{
	struct sigevent event = {.sigev_notify = notify, .sigev_signo = SIGT, .sigev_value.sival_int = value};
	int id;

	if (notify == SIGEV_THREAD_ID)
		event.sigev_notify_thread_id = helper;
	if (syscall(SYS_timer_create, clock, &event, &id))
		die("timer_create");
	return id;
}

static void set(int id, long first_ms, long period_ms, int flags)
{
	struct itimerspec spec = {{period_ms / 1000, period_ms % 1000 * 1000000},
				  {first_ms / 1000, first_ms % 1000 * 1000000}};

	if (flags & TIMER_ABSTIME) {
		int64_t at = now_ns(CLOCK_MONOTONIC) + first_ms * 1000000;

		spec.it_value = (struct timespec){at / 1000000000, at % 1000000000};
	}
	if (syscall(SYS_timer_settime, id, flags, &spec, NULL))
		die("timer_settime");
}

static void wait_hits(int i, int more)
{
	int before = hits[i];

	for (int k = 0; k < 5000 && hits[i] < before + more; k++)
		sleep_ms(1);
	check(hits[i] >= before + more, "timer %d stands still", i);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_thread,
				 .sigev_value.sival_int = 8};
	struct itimerspec spec, threaded = {{0, 10000000}, {0, 10000000}};
	int id[N], calls;
	timer_t by_thread;
	pthread_t t;

	sigaction(SIGT, &sa, NULL);
	pthread_create(&t, NULL, wait_here, NULL);
	while (!helper)
		sleep_ms(1);
	if (timer_create(CLOCK_MONOTONIC, &event, &by_thread))
		die("timer_create");
	timer_settime(by_thread, 0, &threaded, NULL);
	id[0] = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 0);
	id[1] = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 1);
	id[2] = create(CLOCK_REALTIME, SIGEV_SIGNAL, 2);
	id[3] = create(CLOCK_BOOTTIME, SIGEV_NONE, 3);
	id[4] = create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, 4);
	id[5] = create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, 5);
	id[6] = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 6);
	id[7] = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 7);
	syscall(SYS_timer_delete, id[1]);
	syscall(SYS_timer_delete, id[6]);
	set(id[0], 10, 10, 0);
	set(id[2], 15, 15, 0);
	set(id[3], 1000000, 500, 0);
	set(id[4], 12, 12, TIMER_ABSTIME);
	set(id[5], 5, 0, 0);
	/* id[7] is not armed */

	ready();

	wait_hits(0, 3);
	wait_hits(2, 3);
	wait_hits(4, 3);
	check(hit_tid[4] == helper, "the timer of thread %d came to %d", helper, hit_tid[4]);
	calls = __atomic_load_n(&thread_calls, __ATOMIC_RELAXED);
	for (int k = 0; k < 5000 && __atomic_load_n(&thread_calls, __ATOMIC_RELAXED) < calls + 3; k++)
		sleep_ms(1);
	check(thread_calls >= calls + 3, "the SIGEV_THREAD timer stands still");
	check(!syscall(SYS_timer_gettime, id[3], &spec), "timer 3: %s", strerror(errno));
	check(spec.it_interval.tv_nsec == 500000000 && spec.it_value.tv_sec > 900 &&
		      spec.it_value.tv_sec <= 1000,
	      "timer 3 has %ld s left", spec.it_value.tv_sec);
	for (int64_t start = now_ns(CLOCK_MONOTONIC);
	     !hits[5] && now_ns(CLOCK_MONOTONIC) < start + 5000000000;)
		;
	check(hits[5] == 1, "the timer of processor time came %d times", hits[5]);
	check(!syscall(SYS_timer_gettime, id[7], &spec) && !spec.it_value.tv_sec && !spec.it_value.tv_nsec,
	      "timer 7 was not armed");
	check(syscall(SYS_timer_gettime, id[1], &spec) < 0 && errno == EINVAL, "timer 1 was deleted");
	check(syscall(SYS_timer_gettime, id[6], &spec) < 0 && errno == EINVAL, "timer 6 was deleted");
	for (int i = 0; i < 8; i++)
		if (i != 1 && i != 6)
			check(!syscall(SYS_timer_delete, id[i]), "deleting timer %d", i);
	check(timer_delete(by_thread) == 0, "deleting the SIGEV_THREAD timer");
	stop = true;
	pthread_join(t, NULL);
	return verdict();
}
