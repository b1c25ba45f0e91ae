/*
 * Freeze: every other thread of the process takes the reserved signal and parks in its handler.
 *
 * Threads may be created and may end meanwhile. The leader lists /proc/self/task, signals every task
 * it has not signalled yet and waits until as many have parked, again until a pass finds no new one:
 * a parked thread makes no threads, so what the last pass saw is all there is. A task that ends
 * instead of parking is found by looking at it every half millisecond, and one that blocks the signal
 * is made to take it (unblock.c).
 *
 * generation is the futex that parked threads sleep on. It only grows: odd while frozen, even while
 * running, so a thread that is late to wake from one freeze is not caught by the next unseen.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <time.h>
#include "preload.h"
#include "frozen.h"

/* Looks at late threads, half a millisecond each, until one that can't be made to stop is given up. */
enum { HOPELESS_LOOKS = 2000 };

static uint32_t generation;	 /* odd: frozen; futex of the parked; written by the leader only */
static uint32_t nparked;	 /* futex of the leader */
static uint32_t narrived;	 /* in the restored process: threads that are back; futex */
static int32_t leader;		 /* tid, 0: none */
static struct parked *parked;	 /* stack of all parked threads; pushed with release */

struct restart_control restart_control = {.magic = RESTART_CONTROL_MAGIC};

static void futex_wake(uint32_t *word)
{
	sys_futex(word, FUTEX_WAKE_PRIVATE, 0x7fffffff, NULL);
}

bool freeze_lead(void)
{
	int32_t none = 0;

	return __atomic_compare_exchange_n(&leader, &none, sys_gettid(), false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

void freeze_resign(void)
{
	__atomic_store_n(&leader, 0, __ATOMIC_RELEASE);
}

void freeze_reset(void)
{
	generation = ALIGN_UP(generation, 2);
	nparked = narrived = 0;
	parked = NULL;
	leader = 0;
}

struct parked *freeze_list(void)
{
	return __atomic_load_n(&parked, __ATOMIC_ACQUIRE);
}

static void parked_push(struct parked *p)
{
	p->next = __atomic_load_n(&parked, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&parked, &p->next, p, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
	__atomic_add_fetch(&nparked, 1, __ATOMIC_RELEASE);
	futex_wake(&nparked);
}

void freeze_park(ucontext_t *uc)
{
	struct parked p = {.next = NULL};
	uint32_t g = __atomic_load_n(&generation, __ATOMIC_ACQUIRE);

	if (g % 2 == 0) {
		eintr_restart_alone(uc);
		return;
	}
	thread_save(&p, uc);
	if (context_save(&p.context) == 0) {
		parked_push(&p);
	} else {
		thread_restore(&p);
		__atomic_add_fetch(&narrived, 1, __ATOMIC_RELEASE);
		futex_wake(&narrived);
	}
	while (__atomic_load_n(&generation, __ATOMIC_ACQUIRE) == g)
		sys_futex(&generation, FUTEX_WAIT_PRIVATE, g, NULL);
	signals_free(&p.queued);
	eintr_restart(uc, NULL);
	stop_thread(uc);
}

/* ---- the leader's side ---- */

enum task_state { TASK_SIGNALLED, TASK_PARKED, TASK_GONE };

struct task {
	int32_t tid; /* 0: free slot */
	int32_t state;
};

/* Tasks seen, hashed by tid; capacity is a power of two, at most half full. */
struct task_set {
	struct arena arena;
	struct task *slot;
	uint32_t cap, used;
	uint32_t ngone;
	uint32_t looks;	 /* times that tasks were looked at for being late */
	int unblock_err; /* why the reserved signal can't be unblocked, -errno */
	bool main_exited;
};

static struct task *task_find(struct task_set *ts, int32_t tid)
{
	uint32_t i = (uint32_t)tid * 2654435761u;

	for (;; i++) {
		struct task *t = &ts->slot[i & (ts->cap - 1)];

		if (t->tid == tid || t->tid == 0)
			return t;
	}
}

static int task_set_grow(struct task_set *ts)
{
	struct task *old = ts->slot;
	uint32_t oldcap = ts->cap;

	ts->cap = oldcap ? oldcap * 2 : 256;
	ts->slot = arena_alloc(&ts->arena, ts->cap * sizeof(*ts->slot));
	if (!ts->slot)
		return -ENOMEM;
	for (uint32_t i = 0; i < oldcap; i++)
		if (old[i].tid)
			*task_find(ts, old[i].tid) = old[i];
	return 0;
}

/* Signal tid if this is the first time it is seen. 1: it was new, 0, -errno. */
static int task_signal(struct task_set *ts, int32_t tid)
{
	struct task *t;
	int r;

	if (ts->used * 2 >= ts->cap) {
		r = task_set_grow(ts);
		if (r < 0)
			return r;
	}
	t = task_find(ts, tid);
	if (t->tid)
		return 0;
	t->tid = tid;
	ts->used++;
	r = sys_tgkill(sys_getpid(), tid, preload.config.signo);
	if (r == -ESRCH) {
		t->state = TASK_GONE;
		ts->ngone++;
		return 1;
	}
	return r < 0 ? r : 1;
}

/* One pass over /proc/self/task. Number of tasks not seen before, or -errno. */
static int tasks_signal(struct task_set *ts)
{
	char buf[4096];
	int fd = sys_open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int fresh = 0, r = 0;
	long n;

	if (fd < 0)
		return fd;
	while (r >= 0 && (n = sys_getdents(fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n && r >= 0;) {
			struct sys_dirent *d = (struct sys_dirent *)(buf + at);
			const char *p = d->name;
			int32_t tid = parse_dec(&p);

			at += d->reclen;
			if (tid == 0 || tid == leader)
				continue;
			r = task_signal(ts, tid);
			fresh += r > 0;
		}
	}
	sys_close(fd);
	return r < 0 ? r : n < 0 ? (int)n : fresh;
}

/* State letter of a thread, 'X' when it is gone. */
static char task_state(int32_t tid)
{
	char path[64], buf[512];
	struct text t = TEXT(path);
	const char *p = buf;

	text_put(&t, "/proc/self/task/%d/stat", tid);
	if (io_read_file(path, buf, sizeof(buf)) < 0)
		return 'X';
	for (const char *q = buf; *q; q++)
		if (*q == ')')
			p = q;
	return p[0] && p[1] && p[2] ? p[2] : 'X';
}

/* Look at the tasks that have not parked: those that have ended no longer count. */
static void tasks_reap(struct task_set *ts)
{
	for (struct parked *p = freeze_list(); p; p = p->next)
		task_find(ts, p->tid)->state = TASK_PARKED;
	for (uint32_t i = 0; i < ts->cap; i++) {
		struct task *t = &ts->slot[i];
		char s;

		if (!t->tid || t->state != TASK_SIGNALLED)
			continue;
		s = task_state(t->tid);
		if (s != 'Z' && s != 'X')
			continue;
		t->state = TASK_GONE;
		ts->ngone++;
		if (t->tid == sys_getpid())
			ts->main_exited = true;
	}
}

/* True when the thread blocks the reserved signal. */
static bool task_blocks(int32_t tid)
{
	char path[64], buf[4096];
	struct text t = TEXT(path);
	const char *p;

	text_put(&t, "/proc/self/task/%d/status", tid);
	if (io_read_file(path, buf, sizeof(buf)) < 0)
		return false;
	p = proc_field(buf, "SigBlk:");
	return p && parse_hex(&p) & preload.sigbit;
}

/* Those that will never take the signal are made to; more than a few at a time come by and by. */
static void tasks_unblock(struct task_set *ts)
{
	int32_t tid[64];
	uint32_t n = 0;

	if (ts->unblock_err && ts->unblock_err != -ETIMEDOUT)
		return;
	for (uint32_t i = 0; i < ts->cap && n < ARRAY_SIZE(tid); i++)
		if (ts->slot[i].tid && ts->slot[i].state == TASK_SIGNALLED && task_blocks(ts->slot[i].tid))
			tid[n++] = ts->slot[i].tid;
	if (n)
		ts->unblock_err = threads_unblock(tid, n);
}

/* A task is late: it has ended, or blocks the signal for longer than libc does for a moment. */
static void tasks_look(struct task_set *ts)
{
	tasks_reap(ts);
	if (++ts->looks % 4 == 0)
		tasks_unblock(ts);
}

/* Wait until all signalled tasks have parked or ended. */
static int tasks_await(struct task_set *ts, uint64_t deadline_ns)
{
	const struct timespec half_ms = {.tv_nsec = 500000};

	for (;;) {
		uint32_t n = __atomic_load_n(&nparked, __ATOMIC_ACQUIRE);

		if (n + ts->ngone >= ts->used)
			return 0;
		if (sys_futex(&nparked, FUTEX_WAIT_PRIVATE, n, &half_ms) == -ETIMEDOUT)
			tasks_look(ts);
		if (sys_clock_ns(CLOCK_MONOTONIC) > deadline_ns ||
		    (ts->unblock_err == -EPERM && ts->looks > HOPELESS_LOOKS))
			return -ETIMEDOUT;
	}
}

/* Say which thread did not stop, and where it is. */
static void explain_timeout(struct task_set *ts, struct text *why)
{
	char path[64], wchan[128];

	tasks_reap(ts);
	for (uint32_t i = 0; i < ts->cap; i++) {
		struct task *t = &ts->slot[i];
		struct text tp = TEXT(path);

		if (!t->tid || t->state != TASK_SIGNALLED)
			continue;
		text_put(&tp, "/proc/self/task/%d/wchan", t->tid);
		if (io_read_file(path, wchan, sizeof(wchan)) <= 0)
			str_copy(wchan, "?", sizeof(wchan));
		text_put(why, "thread %d does not stop: state %c in %s", t->tid,
			 task_state(t->tid), wchan);
		if (task_blocks(t->tid))
			text_put(why, ", blocks signal %d", preload.config.signo);
		if (ts->unblock_err)
			text_put(why, ", which can't be changed by ptrace: %s", errno_name(ts->unblock_err));
		return;
	}
	text_put(why, "a thread does not stop");
}

int freeze_threads(uint32_t timeout_ms, uint32_t *nthreads, bool *main_exited, struct text *why)
{
	uint64_t deadline = sys_clock_ns(CLOCK_MONOTONIC) + timeout_ms * 1000000ull;
	struct task_set ts = {.cap = 0};
	int r;

	parked = NULL;
	nparked = narrived = 0;
	__atomic_add_fetch(&generation, 1, __ATOMIC_RELEASE);
	do {
		r = tasks_signal(&ts);
		if (r < 0)
			text_put(why, "threads can't be listed: %s", errno_name(r));
		else if (tasks_await(&ts, deadline) < 0) {
			explain_timeout(&ts, why);
			r = -ETIMEDOUT;
		}
	} while (r > 0);
	*nthreads = __atomic_load_n(&nparked, __ATOMIC_ACQUIRE) + 1;
	*main_exited = ts.main_exited;
	arena_free(&ts.arena);
	return r;
}

void freeze_await_arrivals(uint32_t n)
{
	uint32_t have;

	while ((have = __atomic_load_n(&narrived, __ATOMIC_ACQUIRE)) < n)
		sys_futex(&narrived, FUTEX_WAIT_PRIVATE, have, NULL);
}

void freeze_thaw(void)
{
	__atomic_add_fetch(&generation, 1, __ATOMIC_RELEASE);
	futex_wake(&generation);
}
