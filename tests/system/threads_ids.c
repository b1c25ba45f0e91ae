/* Who we are: pid, ppid, process group, session and the ids of all threads; signals find them. */
#include "harness.h"
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

enum { THREADS = 5 };

static pthread_barrier_t set_up, go_on;
static pid_t tids[THREADS];
static volatile pid_t hit[THREADS];

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	hit[info->si_value.sival_int] = gettid();
}

static void *ends(void *arg)
{
	return arg;
}

static void *thread(void *arg)
{
	long i = (long)arg;

	tids[i] = gettid();
	pthread_barrier_wait(&set_up);
	pthread_barrier_wait(&go_on);
	pthread_barrier_wait(&go_on);
	return NULL;
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	pid_t pid = getpid(), ppid = getppid(), pgid = getpgrp(), sid = getsid(0);
	pthread_t t[THREADS], gone_before;

	sigaction(SIGUSR1, &sa, NULL);
	pthread_barrier_init(&set_up, NULL, THREADS + 1);
	pthread_barrier_init(&go_on, NULL, THREADS + 1);
	for (long i = 0; i < THREADS; i++) {
		/* leaves gaps between the ids */
		pthread_create(&gone_before, NULL, ends, NULL);
		pthread_join(gone_before, NULL);
		pthread_create(&t[i], NULL, thread, (void *)i);
	}
	pthread_barrier_wait(&set_up);

	ready();

	check(getpid() == pid, "pid is %d, was %d", getpid(), pid);
	check(getppid() == ppid, "ppid is %d, was %d", getppid(), ppid);
	check(getpgrp() == pgid, "process group is %d, was %d", getpgrp(), pgid);
	check(getsid(0) == sid, "session is %d, was %d", getsid(0), sid);
	check(syscall(SYS_gettid) == pid, "main's tid is %ld", syscall(SYS_gettid));
	for (int i = 0; i < THREADS; i++) {
		siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
		char path[64];

		info.si_pid = pid;
		info.si_uid = getuid();
		info.si_value.sival_int = i;
		snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tids[i]);
		check(access(path, F_OK) == 0, "%s: %s", path, strerror(errno));
		check(syscall(SYS_rt_tgsigqueueinfo, pid, tids[i], SIGUSR1, &info) == 0,
		      "signal to thread %d: %s", tids[i], strerror(errno));
		for (int k = 0; k < 2000 && !hit[i]; k++)
			sleep_ms(1);
		check(hit[i] == tids[i], "thread %d: the signal came to %d", tids[i], hit[i]);
	}
	pthread_barrier_wait(&go_on);
	pthread_barrier_wait(&go_on);
	for (int i = 0; i < THREADS; i++)
		check(pthread_join(t[i], NULL) == 0, "join");
	return verdict();
}
