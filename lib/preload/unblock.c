/*
 * Threads that block the reserved signal. The wrappers keep it out of every mask that passes through
 * libc's functions, but libc has threads of its own that block all signals (that of SIGEV_THREAD
 * timers), and so does what was made or masked by raw system calls. Such a thread has our signal
 * pending and goes on as if there were none.
 *
 * Only a tracer can change the mask of another thread, and a thread can't trace one of its own process.
 * So a task is made that shares our memory and nothing else: it seizes the thread, stops it, takes
 * the signal out of its mask and lets go of it. The signal is pending, and the thread's next step leads
 * into the handler: an interrupted system call is behind its frame like any other (eintr.c).
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/ptrace.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include "preload.h"
#include "frozen.h"

enum { STOP_WAIT_ROUNDS = 2000, STOP_WAIT_NS = 50000 };

struct tracer {
	const int32_t *tid;
	uint32_t n;
	uint32_t go;	 /* futex: 1 when we may trace */
	uint32_t rounds; /* of waiting so far, for all of them */
	int err;	 /* first failure, -errno */
};

static long trace(int op, int tid, unsigned long addr, void *data)
{
	return sys_call4(__NR_ptrace, op, tid, addr, data);
}

/* Wait until the thread has stopped, not for ever: it may be in a sleep that nothing ends. */
static int stop_await(struct tracer *t, int tid, int *status)
{
	const struct timespec pause = {.tv_nsec = STOP_WAIT_NS};

	for (;;) {
		int r = sys_call4(__NR_wait4, tid, status, __WALL | WNOHANG, NULL);

		if (r < 0)
			return r;
		if (r > 0)
			return WIFSTOPPED(*status) ? 0 : -ESRCH;
		if (t->rounds++ > STOP_WAIT_ROUNDS)
			return -ETIMEDOUT;
		sys_call2(__NR_nanosleep, &pause, NULL);
	}
}

/* A signal that was on its way when the thread stopped goes on with it. */
static long signal_stopped_for(int status)
{
	return status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
}

static int stop_ask(int tid)
{
	int r = trace(PTRACE_SEIZE, tid, 0, NULL);

	return r < 0 ? r : trace(PTRACE_INTERRUPT, tid, 0, NULL);
}

static int unblock_stopped(int tid, int status)
{
	uint64_t mask;
	int r = trace(PTRACE_GETSIGMASK, tid, sizeof(mask), &mask);

	if (r == 0) {
		mask &= ~preload.sigbit;
		r = trace(PTRACE_SETSIGMASK, tid, sizeof(mask), &mask);
	}
	trace(PTRACE_DETACH, tid, 0, (void *)signal_stopped_for(status));
	return r;
}

static void note(struct tracer *t, int r)
{
	if (r < 0 && r != -ESRCH && r != -ECHILD && !t->err)
		t->err = r;
}

/* What has not stopped in time is let go of by our end. */
static int tracer_main(void *arg)
{
	struct tracer *t = arg;
	int status;

	while (!__atomic_load_n(&t->go, __ATOMIC_ACQUIRE))
		sys_futex(&t->go, FUTEX_WAIT_PRIVATE, 0, NULL);
	for (uint32_t i = 0; i < t->n; i++)
		note(t, stop_ask(t->tid[i]));
	for (uint32_t i = 0; i < t->n; i++) {
		int r = stop_await(t, t->tid[i], &status);

		note(t, r == 0 ? unblock_stopped(t->tid[i], status) : r);
	}
	return 0;
}

/*
 * allow: Yama lets a process be traced by its descendants only when it names one. What the program
 * itself had named can't be asked for and is lost, so this is for where it does not go without.
 */
static void tracer_run(struct tracer *t, bool allow)
{
	void *top = preload.snapshot_stack + preload.snapshot_stack_len;
	long pid = clone_on_stack(CLONE_VM | CLONE_FS | CLONE_FILES, top, tracer_main, t);
	int status;

	if (pid < 0) {
		t->err = pid;
		return;
	}
	if (allow)
		sys_prctl(PR_SET_PTRACER, pid, 0, 0, 0);
	__atomic_store_n(&t->go, 1, __ATOMIC_RELEASE);
	sys_futex(&t->go, FUTEX_WAKE_PRIVATE, 1, NULL);
	while (sys_call4(__NR_wait4, pid, &status, __WALL, NULL) == -EINTR)
		;
}

int threads_unblock(const int32_t *tid, uint32_t n)
{
	struct tracer t = {.tid = tid, .n = n};
	int dumpable = sys_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);

	if (dumpable != 1)
		sys_prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	tracer_run(&t, false);
	if (t.err == -EPERM) {
		t = (struct tracer){.tid = tid, .n = n};
		tracer_run(&t, true);
	}
	if (dumpable == 0)
		sys_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return t.err;
}
