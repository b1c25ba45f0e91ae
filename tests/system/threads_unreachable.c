/*
 * A thread blocks every signal, and is traced already: it can't be frozen. The checkpoint is
 * refused, and the program runs on.
 * test: refused blocks signal 64
 */
#include "harness.h"
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static volatile bool stop;
static volatile int blocked; /* its id */

static void *block_all(void *arg)
{
	uint64_t all = ~0ull;

	syscall(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &all, NULL, 8);
	blocked = gettid();
	while (!stop)
		;
	return arg;
}

/* Who is traced can't be by another. */
static pid_t trace(int tid)
{
	int told[2];
	pid_t pid;
	char c = 0;

	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	if (pipe(told) || (pid = fork()) < 0)
		die("fork");
	if (pid == 0) {
		c = ptrace(PTRACE_SEIZE, tid, NULL, NULL) ? 'n' : 'y';
		if (write(told[1], &c, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(told[0], &c, 1) != 1 || c != 'y') {
		kill(pid, SIGKILL);
		skip("no ptrace");
	}
	return pid;
}

int main(void)
{
	pid_t tracer;
	pthread_t t;

	pthread_create(&t, NULL, block_all, NULL);
	while (!blocked)
		sleep_ms(1);
	tracer = trace(blocked);
	ready();
	kill(tracer, SIGKILL);
	stop = true;
	pthread_join(t, NULL);
	check(waitpid(tracer, NULL, 0) == tracer, "the tracer");
	return verdict();
}
