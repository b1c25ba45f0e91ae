/*
 * test: checkpoints 10
 *
 * The program's own handlers go on to interrupt its calls: every signal sent to a thread that waits runs
 * the handler once and ends the call with EINTR once; nanosleep says what was left; a handler with
 * SA_RESTART ends no read. Signals fly all through the checkpoints.
 */
#include "harness.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>

static volatile bool stop;
static int quiet[2];
static sem_t sem;

struct call {
	const char *name;
	int (*call)(struct call *c);
	pthread_t thread;
	volatile pid_t tid;
	volatile bool waiting;
	volatile int handled, interrupted, restarted;
	int sent;
};

static __thread struct call *mine;

static void on_usr1(int sig)
{
	(void)sig;
	mine->handled++;
}

static void on_usr2(int sig)
{
	(void)sig;
	mine->restarted++;
}

static int do_poll(struct call *c)
{
	struct pollfd p = {.fd = quiet[0], .events = POLLIN};

	(void)c;
	return poll(&p, 1, 100000);
}

static int do_ppoll(struct call *c)
{
	struct pollfd p = {.fd = quiet[0], .events = POLLIN};
	sigset_t mask, old;
	int ret;

	(void)c;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &mask, &old);
	ret = ppoll(&p, 1, NULL, &old);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

static int do_epoll_pwait(struct call *c)
{
	static int epfd;
	struct epoll_event e;
	sigset_t mask, old;
	int ret, err;

	(void)c;
	if (!epfd)
		epfd = epoll_create1(0);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &mask, &old);
	ret = epoll_pwait(epfd, &e, 1, -1, &old);
	err = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = err;
	return ret;
}

static int do_read(struct call *c)
{
	char byte;

	(void)c;
	return (int)read(quiet[0], &byte, 1);
}

static int do_sem_wait(struct call *c)
{
	(void)c;
	return sem_wait(&sem);
}

static int do_pause(struct call *c)
{
	(void)c;
	return pause();
}

static int do_nanosleep(struct call *c)
{
	struct timespec t = {10, 0}, rest = {0, 0};
	int64_t start = now_ns(CLOCK_MONOTONIC), slept, left;
	int ret = nanosleep(&t, &rest), err = errno;

	slept = (now_ns(CLOCK_MONOTONIC) - start) / 1000000;
	left = rest.tv_sec * 1000 + rest.tv_nsec / 1000000;
	check(slept + left >= 9990 && slept + left <= 10500, "%s: slept %ld ms, %ld were left", c->name,
	      (long)slept, (long)left);
	errno = err;
	return ret;
}

static struct call calls[] = {
	{.name = "poll", .call = do_poll},	{.name = "ppoll", .call = do_ppoll},
	{.name = "read", .call = do_read},	{.name = "sem_wait", .call = do_sem_wait},
	{.name = "pause", .call = do_pause},	{.name = "nanosleep", .call = do_nanosleep},
	{.name = "epoll_pwait", .call = do_epoll_pwait},
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void *thread(void *arg)
{
	struct call *c = mine = arg;
	int ret;

	c->tid = gettid();
	while (!stop) {
		c->waiting = true;
		ret = c->call(c);
		c->waiting = false;
		check(ret == -1 && errno == EINTR, "%s gives %d: %s", c->name, ret, strerror(errno));
		if (ret != -1 || errno != EINTR)
			break;
		c->interrupted++;
		check(c->interrupted <= c->handled, "%s: EINTR %d, handler %d", c->name, c->interrupted,
		      c->handled);
	}
	return NULL;
}

/* Is the thread asleep inside its call? */
static bool asleep(struct call *c)
{
	char path[64], *text, *end;
	bool yes;

	if (!c->waiting)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", c->tid);
	text = read_whole(path, NULL);
	end = text ? strrchr(text, ')') : NULL;
	yes = end && end[2] == 'S';
	free(text);
	return yes;
}

static bool wait_until(struct call *c, int handled, int interrupted)
{
	for (int i = 0; i < 20000; i++) {
		if (c->handled == handled && c->interrupted == interrupted && c->waiting && asleep(c))
			return true;
		usleep(300);
	}
	check(false, "%s: handler %d of %d, EINTR %d of %d", c->name, c->handled, handled,
	      c->interrupted, interrupted);
	return false;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = on_usr1};
	int rounds = 0;

	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_handler = on_usr2;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &sa, NULL);
	if (pipe(quiet))
		die("pipe");
	sem_init(&sem, 0, 0);
	for (int i = 0; i < CALLS; i++)
		pthread_create(&calls[i].thread, NULL, thread, &calls[i]);
	for (int i = 0; i < CALLS; i++)
		wait_until(&calls[i], 0, 0);
	printf("ready\n");
	fflush(stdout);
	do {
		for (int i = 0; i < CALLS && !test_failures; i++) {
			struct call *c = &calls[i];

			/* read and sem_wait go on after a handler with SA_RESTART */
			if (rounds % 3 == 0 && (c->call == do_read || c->call == do_sem_wait))
				pthread_kill(c->thread, SIGUSR2);
			pthread_kill(c->thread, SIGUSR1);
			c->sent++;
			wait_until(c, c->sent, c->sent);
		}
		rounds++;
	} while (!gone() && !test_failures);
	stop = true;
	for (int i = 0; i < CALLS && !test_failures; i++) {
		pthread_kill(calls[i].thread, SIGUSR1);
		pthread_join(calls[i].thread, NULL);
	}
	return verdict();
}
