/*
 * Work for a program that runs meanwhile, of which it is to see nothing: a task that shares its memory, on a
 * stack of ours, with a descriptor table of its own. So no other thread of the program finds a descriptor of
 * ours, a child that one makes just then has none, and a program with none left is no obstacle; and no wait of
 * the program's is told of the task, which has no exit signal.
 *
 * One at a time. All signals are blocked then, so that nobody is frozen or restored in the midst of it.
 */
#define _GNU_SOURCE
#include <linux/close_range.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include "preload.h"
#include "handler.h"
#include "helper.h"
#include "frozen.h"

enum { STD_FDS = 3 };

static uint32_t busy; /* a futex: 1 while there is a task */

struct work {
	int (*fn)(void *arg);
	void *arg;
	int result;
};

void helper_reset(void)
{
	__atomic_store_n(&busy, 0, __ATOMIC_RELAXED);
}

/* Nobody holds it for long, and nobody can be woken who has become another process. */
static void lock(void)
{
	const struct timespec look = {.tv_nsec = 10000000};

	while (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
		sys_futex(&busy, FUTEX_WAIT_PRIVATE, 1, &look);
}

static void unlock(void)
{
	__atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
	sys_futex(&busy, FUTEX_WAKE_PRIVATE, 1, NULL);
}

static int task_main(void *arg)
{
	struct work *w = arg;

	sys_call3(__NR_close_range, STD_FDS, ~0u, 0);
	w->result = w->fn(w->arg);
	return 0;
}

static void run_here(void *arg)
{
	struct work *w = arg;

	w->result = w->fn(w->arg);
}

static void run(struct work *w)
{
	void *top = preload.helper_stack + preload.helper_stack_len;
	long pid = clone_on_stack(CLONE_VM | CLONE_VFORK | CLONE_FS, top, task_main, w);
	int status;

	if (pid < 0) { /* the limit on processes: then it shows for a moment */
		call_on_stack(run_here, w, top);
		return;
	}
	while (sys_call4(__NR_wait4, pid, &status, __WALL, NULL) == -EINTR)
		;
}

/* What the task starts must not become a child of the program, should that be a subreaper. */
int helper_run(int (*fn)(void *arg), void *arg)
{
	struct work w = {fn, arg, -EAGAIN};
	int subreaper = 0;

	if (!process_is_own())
		return -EBUSY;
	lock();
	sys_prctl(PR_GET_CHILD_SUBREAPER, (unsigned long)&subreaper, 0, 0, 0);
	if (subreaper)
		sys_prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	run(&w);
	if (subreaper)
		sys_prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	unlock();
	return w.result;
}
