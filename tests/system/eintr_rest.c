/*
 * test: checkpoints 5
 *
 * A signal of the program's own ends a wait that has gone through checkpoints: what the call says is left is what is
 * left of the time that was asked for, as if there had been none.
 */
#include "harness.h"
#include <pthread.h>
#include <signal.h>
#include <sys/select.h>

enum { SECONDS = 1000, ALLOWED_MS = 500 };

static struct wait {
	const char *name;
	int (*call)(int64_t *left); /* 0, or errno; nanoseconds left */
	pthread_t thread;
	int64_t start, end, left; /* ns */
	int err;
} waits[];

static int64_t ns(const struct timespec *t)
{
	return t->tv_sec * 1000000000ll + t->tv_nsec;
}

static int do_nanosleep(int64_t *left)
{
	struct timespec t = {SECONDS, 0}, rest = {0, 0};
	int err = nanosleep(&t, &rest) ? errno : 0;

	*left = ns(&rest);
	check(t.tv_sec == SECONDS, "nanosleep has changed the time asked for");
	return err;
}

static int do_clock_nanosleep(int64_t *left)
{
	struct timespec t = {SECONDS, 0};
	int err = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t);

	*left = ns(&t);
	return err;
}

static int do_sleep(int64_t *left)
{
	*left = sleep(SECONDS) * 1000000000ll;
	return errno;
}

static int do_select(int64_t *left)
{
	struct timeval t = {SECONDS, 0};
	int err = select(0, NULL, NULL, NULL, &t) ? errno : 0;

	*left = t.tv_sec * 1000000000ll + t.tv_usec * 1000;
	return err;
}

static struct wait waits[] = {
	{.name = "nanosleep", .call = do_nanosleep},
	{.name = "clock_nanosleep", .call = do_clock_nanosleep},
	{.name = "sleep", .call = do_sleep},
	{.name = "select", .call = do_select},
};
enum { WAITS = sizeof(waits) / sizeof(waits[0]) };

static void *wait_thread(void *arg)
{
	struct wait *w = arg;

	w->start = now_ns(CLOCK_MONOTONIC);
	w->err = w->call(&w->left);
	w->end = now_ns(CLOCK_MONOTONIC);
	return NULL;
}

static void on_usr1(int sig)
{
	(void)sig;
}

/* Between the signal and the end of the call the time left is taken; sleep(3) says whole seconds. */
static void compare(const struct wait *w, int64_t signalled)
{
	int64_t most = SECONDS * 1000000000ll - (signalled - w->start) + ALLOWED_MS * 1000000ll;
	int64_t least = SECONDS * 1000000000ll - (w->end - w->start) - 2000000;

	if (w->call == do_sleep)
		least -= 1000000000;
	check(w->err == EINTR, "%s: %s", w->name, w->err ? strerror(w->err) : "no error");
	check(w->left <= most && w->left >= least, "%s: %ld ms are left, not %ld to %ld", w->name,
	      (long)(w->left / 1000000), (long)(least / 1000000), (long)(most / 1000000));
}

int main(void)
{
	struct sigaction sa = {.sa_handler = on_usr1};

	sigaction(SIGUSR1, &sa, NULL);
	for (int i = 0; i < WAITS; i++)
		pthread_create(&waits[i].thread, NULL, wait_thread, &waits[i]);
	sleep_ms(50);
	ready();
	for (int i = 0; i < WAITS; i++) {
		int64_t now = now_ns(CLOCK_MONOTONIC);

		pthread_kill(waits[i].thread, SIGUSR1);
		pthread_join(waits[i].thread, NULL);
		compare(&waits[i], now);
	}
	return verdict();
}
