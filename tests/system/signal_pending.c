/*
 * Signals that are pending because they are blocked, for the process and for each thread: which, how
 * often, in which order, and all of their siginfo.
 */
#include "harness.h"
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

enum { SIGA = 40, SIGB = 45, SIGC = 50, QUEUED = 20 };

static pthread_barrier_t set_up, go_on;
static sigset_t blocked;

static void queue(pid_t tid, int sig, int code, int value)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	info.si_errno = value + 3;
	info.si_pid = 1000 + value;
	info.si_uid = getuid();
	info.si_value.sival_ptr = (void *)(0x123456700000000 + (long)value);
	if (tid ? syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, sig, &info)
		: syscall(SYS_rt_sigqueueinfo, getpid(), sig, &info))
		die("sigqueueinfo");
}

/* Take the next pending signal of the set {sig} and compare it with what queue() sent. */
static void take(const char *whose, int sig, int code, int value)
{
	static const struct timespec none;
	siginfo_t info;
	sigset_t one;

	memset(&info, 0, sizeof(info));
	sigemptyset(&one);
	sigaddset(&one, sig);
	if (sigtimedwait(&one, &info, &none) != sig) {
		check(false, "%s: signal %d number %d is not pending", whose, sig, value);
		return;
	}
	check(info.si_signo == sig && info.si_code == code && info.si_errno == value + 3 &&
		      info.si_pid == 1000 + value && info.si_uid == getuid() &&
		      info.si_value.sival_ptr == (void *)(0x123456700000000 + (long)value),
	      "%s: signal %d number %d has code %d errno %d pid %d value %p", whose, sig, value,
	      info.si_code, info.si_errno, info.si_pid, info.si_value.sival_ptr);
}

static void send_all(pid_t tid)
{
	queue(tid, SIGUSR1, SI_QUEUE, 1);
	queue(tid, SIGUSR2, SI_MESGQ, 2);
	for (int i = 0; i < QUEUED; i++) {
		queue(tid, SIGA, SI_QUEUE, i);
		queue(tid, i % 2 ? SIGB : SIGC, SI_ASYNCIO, 100 + i);
	}
	queue(tid, SIGUSR1, SI_QUEUE, 77); /* a second one is not queued */
}

static void take_all(const char *whose)
{
	take(whose, SIGUSR1, SI_QUEUE, 1);
	take(whose, SIGUSR2, SI_MESGQ, 2);
	for (int i = 0; i < QUEUED; i++) {
		take(whose, SIGA, SI_QUEUE, i);
		take(whose, i % 2 ? SIGB : SIGC, SI_ASYNCIO, 100 + i);
	}
}

static void none_left(const char *whose)
{
	sigset_t left;

	sigpending(&left);
	for (int sig = 1; sig < SIGRTMAX; sig++)
		check(!sigismember(&left, sig), "%s: signal %d is still pending", whose, sig);
}

static void *thread(void *arg)
{
	char whose[16];

	snprintf(whose, sizeof(whose), "thread %d", (int)(long)arg);
	send_all(gettid());
	pthread_barrier_wait(&set_up);
	pthread_barrier_wait(&go_on);
	take_all(whose);
	pthread_barrier_wait(&go_on); /* main sends to the process only after we have ours */
	return NULL;
}

int main(void)
{
	pthread_t t[3];
	sigset_t before, after;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGUSR2);
	sigaddset(&blocked, SIGALRM);
	sigaddset(&blocked, SIGA);
	sigaddset(&blocked, SIGB);
	sigaddset(&blocked, SIGC);
	pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	pthread_barrier_init(&set_up, NULL, 4);
	pthread_barrier_init(&go_on, NULL, 4);
	for (long i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, thread, (void *)i);
	pthread_barrier_wait(&set_up);
	kill(getpid(), SIGALRM);
	send_all(0);
	sigpending(&before);

	ready();

	sigpending(&after);
	check(!memcmp(&before, &after, 8), "other signals are pending");
	pthread_barrier_wait(&go_on);
	pthread_barrier_wait(&go_on);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	take_all("process");
	sigemptyset(&after);
	sigaddset(&after, SIGALRM);
	check(sigtimedwait(&after, NULL, &(struct timespec){0}) == SIGALRM, "SIGALRM is not pending");
	none_left("process");
	return verdict();
}
