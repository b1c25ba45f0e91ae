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
#include <ucontext.h>

static volatile bool stop;
static int quiet[2];
static sem_t sem;

struct call {
	const char *name;
	int (*call)(struct call *c);
	pthread_t thread;
	volatile pid_t tid;
	volatile int handled;	  /* handlers run */
	volatile int in_call;	  /* of them, those that came upon a call */
	volatile int interrupted; /* calls that returned EINTR */
	volatile int restarted;
	int sent;
};

static __thread struct call *mine;

/* When the signal found the thread in a call that waits, the call is to return EINTR: the kernel has
 * put that into the frame already, or the thread is on its way back to the call after a freeze. */
static void on_usr1(int sig, siginfo_t *info, void *context)
{
	const greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	if ((reg[REG_RAX] == -EINTR && !memcmp((void *)(reg[REG_RIP] - 2), "\x0f\x05", 2)) ||
	    !memcmp((void *)reg[REG_RIP], "\x0f\x05", 2))
		mine->in_call++;
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
		ret = c->call(c);
		check(ret == -1 && errno == EINTR, "%s gives %d: %s", c->name, ret, strerror(errno));
		if (ret != -1 || errno != EINTR)
			break;
		c->interrupted++;
		check(c->interrupted == c->in_call, "%s: EINTR %d times, %d were due", c->name,
		      c->interrupted, c->in_call);
	}
	return NULL;
}

static void wait_handled(struct call *c, int handled)
{
	for (int i = 0; i < 20000; i++) {
		if (c->handled == handled && c->interrupted == c->in_call)
			return;
		usleep(300);
	}
	check(false, "%s: handler %d times of %d, EINTR %d of %d", c->name, c->handled, handled,
	      c->interrupted, c->in_call);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO};
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
		while (!calls[i].tid)
			sleep_ms(1);
	printf("ready\n");
	fflush(stdout);
	do {
		for (int i = 0; i < CALLS && !test_failures; i++) {
			struct call *c = &calls[i];

			/* read and sem_wait go on after a handler with SA_RESTART */
			if (rounds % 3 == 0 && (c->call == do_read || c->call == do_sem_wait))
				pthread_kill(c->thread, SIGUSR2);
			pthread_kill(c->thread, SIGUSR1);
			wait_handled(c, ++c->sent);
		}
		rounds++;
	} while (!gone() && !test_failures);
	stop = true;
	for (int i = 0; i < CALLS && !test_failures; i++) {
		check(rounds < 20 || calls[i].interrupted > 0, "%s was never interrupted", calls[i].name);
		while (pthread_tryjoin_np(calls[i].thread, NULL) == EBUSY) {
			pthread_kill(calls[i].thread, SIGUSR1);
			sleep_ms(2);
		}
	}
	return verdict();
}
