/*
 * test: checkpoints 10
 * test: time 60
 *
 * Calls that wait with a time limit, each in a thread of its own, over and over: none reports EINTR,
 * none ends early, none ends late. Late is more than 50 ms behind the limit, on top of what a thread
 * that only waits for absolute times is late itself: the machine may have other things to do.
 *
 * With an argument the limits are so many ms longer (test_waits.py).
 */
#include "harness.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <threads.h>
#include <linux/futex.h>

enum { ALLOWED_MS = 50 };

static volatile bool stop, stop_control;
static int longer; /* ms */
static int64_t noise; /* the most that the control thread was late, ns */
static long looks;    /* how often it has looked */

static struct timespec span(int ms)
{
	return (struct timespec){ms / 1000, ms % 1000 * 1000000};
}

static struct timespec from_now(clockid_t clock, int ms)
{
	int64_t t = now_ns(clock) + ms * 1000000ll;

	return (struct timespec){t / 1000000000, t % 1000000000};
}

/* Each call waits ms and returns 0 when it timed out as it should, else its errno, or -1. */

static int result(long ret, long wanted)
{
	return ret == wanted ? 0 : ret < 0 ? errno : -1;
}

static int timed_out(long ret, int err)
{
	return ret < 0 && errno == err ? 0 : ret < 0 ? errno : -1;
}

static int nanosleep_rest(int ms)
{
	struct timespec t = span(ms), rest;

	return result(nanosleep(&t, &rest), 0);
}

static int nanosleep_no_rest(int ms)
{
	struct timespec t = span(ms);

	return result(nanosleep(&t, NULL), 0);
}

static int clock_monotonic(int ms)
{
	struct timespec t = span(ms), rest;

	return clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &rest);
}

static int clock_realtime(int ms)
{
	struct timespec t = span(ms);

	return clock_nanosleep(CLOCK_REALTIME, 0, &t, NULL);
}

static int clock_absolute(int ms)
{
	struct timespec t = from_now(CLOCK_MONOTONIC, ms);

	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static int do_usleep(int ms)
{
	return result(usleep((useconds_t)ms * 1000), 0);
}

static int do_thrd_sleep(int ms)
{
	struct timespec t = span(ms), rest;

	return thrd_sleep(&t, &rest);
}

static int quiet_fd(void)
{
	static __thread int fds[2] = {-1, -1};

	if (fds[0] < 0 && pipe(fds))
		die("pipe");
	return fds[0];
}

static int do_poll(int ms)
{
	struct pollfd p = {.fd = quiet_fd(), .events = POLLIN};

	return result(poll(&p, 1, ms), 0);
}

static int poll_nothing(int ms)
{
	return result(poll(NULL, 0, ms), 0);
}

static int do_ppoll(int ms)
{
	struct pollfd p = {.fd = quiet_fd(), .events = POLLIN};
	struct timespec t = span(ms);
	sigset_t set;

	sigemptyset(&set);
	return result(ppoll(&p, 1, &t, &set), 0);
}

static int do_select(int ms)
{
	struct timeval t = {ms / 1000, ms % 1000 * 1000};
	fd_set set;
	int fd = quiet_fd();

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return result(select(fd + 1, &set, NULL, NULL, &t), 0);
}

static int do_pselect(int ms)
{
	struct timespec t = span(ms);
	fd_set set;
	int fd = quiet_fd();

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return result(pselect(fd + 1, &set, NULL, NULL, &t, NULL), 0);
}

static int epoll_fd(void)
{
	static __thread int epfd = -1;
	struct epoll_event event = {.events = EPOLLIN};

	if (epfd < 0) {
		epfd = epoll_create1(EPOLL_CLOEXEC);
		if (epoll_ctl(epfd, EPOLL_CTL_ADD, quiet_fd(), &event))
			die("epoll_ctl");
	}
	return epfd;
}

static int do_epoll_wait(int ms)
{
	struct epoll_event event;

	return result(epoll_wait(epoll_fd(), &event, 1, ms), 0);
}

static int do_epoll_pwait(int ms)
{
	struct epoll_event event;
	sigset_t set;

	sigemptyset(&set);
	return result(epoll_pwait(epoll_fd(), &event, 1, ms, &set), 0);
}

static int do_epoll_pwait2(int ms)
{
	struct epoll_event event;
	struct timespec t = span(ms);

	return result(epoll_pwait2(epoll_fd(), &event, 1, &t, NULL), 0);
}

static int cond_timedwait(int ms)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	struct timespec t = from_now(CLOCK_REALTIME, ms);
	int err;

	pthread_mutex_lock(&lock);
	err = pthread_cond_timedwait(&cond, &lock, &t);
	pthread_mutex_unlock(&lock);
	return err == ETIMEDOUT ? 0 : err ? err : -1;
}

static int cond_clockwait(int ms)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	struct timespec t = from_now(CLOCK_MONOTONIC, ms);
	int err;

	pthread_mutex_lock(&lock);
	err = pthread_cond_clockwait(&cond, &lock, CLOCK_MONOTONIC, &t);
	pthread_mutex_unlock(&lock);
	return err == ETIMEDOUT ? 0 : err ? err : -1;
}

static int mutex_timedlock(int ms)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct timespec t = from_now(CLOCK_REALTIME, ms);
	static bool taken;
	int err;

	if (!taken)
		pthread_mutex_lock(&lock);
	taken = true;
	err = pthread_mutex_timedlock(&lock, &t);
	return err == ETIMEDOUT ? 0 : err ? err : -1;
}

static int do_sem_timedwait(int ms)
{
	static sem_t sem;
	struct timespec t = from_now(CLOCK_REALTIME, ms);

	return timed_out(sem_timedwait(&sem, &t), ETIMEDOUT);
}

static int sem_clock(int ms)
{
	static sem_t sem;
	struct timespec t = from_now(CLOCK_MONOTONIC, ms);

	return timed_out(sem_clockwait(&sem, CLOCK_MONOTONIC, &t), ETIMEDOUT);
}

static int raw_futex(int ms)
{
	static uint32_t word;
	struct timespec t = span(ms);

	return timed_out(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &t), ETIMEDOUT);
}

static int do_sigtimedwait(int ms)
{
	struct timespec t = span(ms);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return timed_out(sigtimedwait(&set, NULL, &t), EAGAIN);
}

static int recv_timeout(int ms)
{
	static int fds[2] = {-1, -1};
	struct timeval t = {ms / 1000, ms % 1000 * 1000};
	char byte;

	if (fds[0] < 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		die("socketpair");
	setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	return timed_out(recv(fds[0], &byte, 1, 0), EAGAIN);
}

/* How a call's limit is kept. */
enum limit {
	MONOTONIC, /* time when the program was not there does not count */
	REALTIME,  /* it does: an absolute CLOCK_REALTIME passes then, too */
	NONE,	   /* the kernel keeps no limit for it that outlives a signal */
};

static struct call {
	const char *name;
	int (*call)(int ms);
	enum limit limit;
	int times;
} calls[] = {
	{"nanosleep", nanosleep_rest, MONOTONIC, 0},
	{"nanosleep without rest", nanosleep_no_rest, MONOTONIC, 0},
	{"clock_nanosleep", clock_monotonic, MONOTONIC, 0},
	{"clock_nanosleep CLOCK_REALTIME", clock_realtime, MONOTONIC, 0},
	{"clock_nanosleep TIMER_ABSTIME", clock_absolute, MONOTONIC, 0},
	{"usleep", do_usleep, MONOTONIC, 0},
	{"thrd_sleep", do_thrd_sleep, MONOTONIC, 0},
	{"poll", do_poll, MONOTONIC, 0},
	{"poll of nothing", poll_nothing, MONOTONIC, 0},
	{"ppoll", do_ppoll, MONOTONIC, 0},
	{"select", do_select, MONOTONIC, 0},
	{"pselect", do_pselect, MONOTONIC, 0},
	{"epoll_wait", do_epoll_wait, MONOTONIC, 0},
	{"epoll_pwait", do_epoll_pwait, MONOTONIC, 0},
	{"epoll_pwait2", do_epoll_pwait2, MONOTONIC, 0},
	{"pthread_cond_timedwait", cond_timedwait, REALTIME, 0},
	{"pthread_cond_clockwait", cond_clockwait, MONOTONIC, 0},
	{"pthread_mutex_timedlock", mutex_timedlock, REALTIME, 0},
	{"sem_timedwait", do_sem_timedwait, REALTIME, 0},
	{"sem_clockwait", sem_clock, MONOTONIC, 0},
	{"sigtimedwait", do_sigtimedwait, MONOTONIC, 0},
	{"futex by syscall()", raw_futex, NONE, 0},
	{"recv with SO_RCVTIMEO", recv_timeout, NONE, 0},
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

/* How late is a thread that waits for absolute times only? */
static void *control(void *arg)
{
	while (!stop_control) {
		struct timespec t = from_now(CLOCK_MONOTONIC, 2);
		int64_t due = t.tv_sec * 1000000000ll + t.tv_nsec, late;

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		late = now_ns(CLOCK_MONOTONIC) - due;
		if (late > __atomic_load_n(&noise, __ATOMIC_RELAXED))
			__atomic_store_n(&noise, late, __ATOMIC_RELAXED);
		__atomic_add_fetch(&looks, 1, __ATOMIC_SEQ_CST);
	}
	return arg;
}

/* Was the call late? The control thread, which may be late as well, says what it has seen first. */
static void check_late(const struct call *c, int ms, long took)
{
	long seen = __atomic_load_n(&looks, __ATOMIC_SEQ_CST);

	if (took <= (ms + ALLOWED_MS) * 1000)
		return;
	while (__atomic_load_n(&looks, __ATOMIC_SEQ_CST) < seen + 2)
		sleep_ms(1);
	check(took <= (ms + ALLOWED_MS) * 1000 + __atomic_load_n(&noise, __ATOMIC_RELAXED) / 1000,
	      "%s: %d ms took %ld us, and the control thread is %ld us late", c->name, ms, took, (long)noise / 1000);
}

static void *thread(void *arg)
{
	struct call *c = arg;
	int ms = 250 + longer + (int)(c - calls) * 11;

	while (!stop) {
		int64_t start = now_ns(CLOCK_MONOTONIC), real = now_ns(CLOCK_REALTIME), took, at_least;
		int err = c->call(ms);

		at_least = took = (now_ns(CLOCK_MONOTONIC) - start) / 1000;
		if (c->limit == REALTIME)
			at_least = (now_ns(CLOCK_REALTIME) - real) / 1000;
		check(!err, "%s: %s", c->name, err > 0 ? strerror(err) : "another result");
		check(at_least >= ms * 1000 - 2000, "%s: %d ms took %ld us", c->name, ms, (long)at_least);
		if (c->limit != NONE)
			check_late(c, ms, took);
		c->times++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[CALLS], c;

	longer = argc > 1 ? atoi(argv[1]) : 0;
	pthread_create(&c, NULL, control, NULL);
	for (int i = 0; i < CALLS; i++)
		pthread_create(&t[i], NULL, thread, &calls[i]);
	sleep_ms(30);
	ready();
	sleep_ms(300);
	stop = true;
	for (int i = 0; i < CALLS; i++) {
		pthread_join(t[i], NULL);
		check(calls[i].times > 0, "%s was never done", calls[i].name);
	}
	stop_control = true;
	pthread_join(c, NULL);
	check(noise < 1000000000, "the control thread was %ld us late", (long)noise / 1000);
	return verdict();
}
