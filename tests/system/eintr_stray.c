/*
 * test: leaves
 *
 * Calls that fail with EINTR whatever has woken them (signal(7)), in many threads: a signal that is sent to the process
 * wakes one of them, and another one may take it. Here none may fail, for no handler of the program's runs.
 */
#include "harness.h"
#include <linux/aio_abi.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>

enum { THREADS_EACH = 4, MS = 40 };

static int semaphores;
static volatile bool over;
static const struct timespec limit = {.tv_nsec = MS * 1000000};

static int epoll(int ms)
{
	int fd = epoll_create1(EPOLL_CLOEXEC), ret;
	struct epoll_event e;

	ret = epoll_wait(fd, &e, 1, ms);
	if (ret < 0)
		return ret;
	close(fd);
	return ret;
}

static int epoll_for_ever(void)
{
	return epoll(-1);
}

static int epoll_timed(void)
{
	return epoll(MS);
}

static int sem_for_ever(void)
{
	struct sembuf op = {.sem_op = -1};

	return semop(semaphores, &op, 1);
}

static int sem_timed(void)
{
	struct sembuf op = {.sem_op = -1};

	return semtimedop(semaphores, &op, 1, &limit);
}

static int wait_for_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	return sigwaitinfo(&set, NULL);
}

static int wait_for_signal_timed(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	return sigtimedwait(&set, NULL, &limit);
}

static int aio_for_ever(void)
{
	aio_context_t context = 0;
	struct io_event event;

	if (syscall(SYS_io_setup, 1, &context))
		die("io_setup");
	return syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
}

static struct call {
	const char *name;
	int (*call)(void);
	bool again;
} calls[] = {
	{"epoll_wait", epoll_for_ever, false},
	{"epoll_wait with a limit", epoll_timed, true},
	{"semop", sem_for_ever, false},
	{"semtimedop", sem_timed, true},
	{"sigwaitinfo", wait_for_signal, false},
	{"sigtimedwait", wait_for_signal_timed, true},
	{"io_getevents", aio_for_ever, false},
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void *thread(void *arg)
{
	const struct call *c = arg;
	int ret;

	do {
		ret = c->call();
		check(over || ret == 0 || errno == EAGAIN, "%s: %s", c->name, strerror(errno));
		check(over || c->again, "%s has returned", c->name);
	} while (c->again && !over);
	return NULL;
}

int main(void)
{
	pthread_t t;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	semaphores = semget(IPC_PRIVATE, 1, 0600);
	if (semaphores < 0)
		die("semget");
	for (int i = 0; i < CALLS * THREADS_EACH; i++)
		if (pthread_create(&t, NULL, thread, &calls[i % CALLS]))
			die("pthread_create");
	sleep_ms(50);

	ready();

	sleep_ms(50);
	over = true;
	semctl(semaphores, 0, IPC_RMID);
	return verdict();
}
