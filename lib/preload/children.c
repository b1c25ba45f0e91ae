/*
 * What a process has not yet been told of its children: that they have ended, stopped, gone on. The kernel
 * shows it without taking it (WNOWAIT). At restart the parent's children are made to be what they were,
 * zombies by the restorer, stopped ones by themselves; each such change sends a signal that the program has
 * had long ago, or that is among those saved, so here these are thrown away.
 */
#define _GNU_SOURCE
#include <sys/wait.h>
#include <time.h>
#include "preload.h"
#include "frozen.h"

enum { CHANGES = WEXITED | WSTOPPED | WCONTINUED };

static int change_of(int type, int32_t pid, int options, siginfo_t *si)
{
	si->si_pid = 0;
	return sys_call5(__NR_waitid, type, pid, si, options, NULL);
}

/* ---- saving ---- */

static void take_name(const char *stat, char *comm, size_t n)
{
	const char *from = stat, *end = stat;

	while (*from && *from++ != '(')
		;
	for (const char *p = stat; *p; p++)
		if (*p == ')')
			end = p;
	for (size_t i = 0; i + 1 < n && from < end; i++)
		*comm++ = *from++;
	*comm = 0;
}

static void child_put(struct process_state *ps, struct save *s, const siginfo_t *si)
{
	struct rec_child rec = {.pid = si->si_pid, .code = si->si_code, .status = si->si_status, .uid = si->si_uid};
	char path[64], stat[1024];
	struct text t = TEXT(path);

	text_put(&t, "/proc/%d/stat", rec.pid);
	if (io_read_file(path, stat, sizeof(stat)) <= 0) {
		save_refuse(s, "child %d: %s can't be read", rec.pid, path);
		return;
	}
	rec.pgid = stat_field(stat, 5);
	rec.sid = stat_field(stat, 6);
	if (rec.sid == 0)
		rec.sid = preload.sid;
	rec.exit_signal = stat_field(stat, 38);
	take_name(stat, rec.comm, sizeof(rec.comm));
	if (rec.exit_signal > 0 && rec.exit_signal <= 64)
		ps->child_signals |= 1ull << (rec.exit_signal - 1);
	rec_put(&s->rec, REC_CHILD, REC_REQUIRED, &rec, sizeof(rec), NULL, 0);
}

/* The stop of a child that is in the image may have been told, or be still to be told. */
static void stopped_note(struct process_state *ps, struct save *s, int32_t pid)
{
	siginfo_t si;
	bool waited = change_of(P_PID, pid, WSTOPPED | WNOWAIT | WNOHANG | __WALL, &si) < 0 || !si.si_pid;

	if (ps->nstopped == STOPPED_MAX) {
		save_refuse(s, "more than %d of its children are stopped", STOPPED_MAX);
		return;
	}
	ps->stopped[ps->nstopped].pid = pid;
	ps->stopped[ps->nstopped++].waited = waited;
}

static void stopped_save(struct process_state *ps, struct save *s)
{
	const struct shared_head *head = s->shared->head;

	for (uint32_t i = s->shared->index + 1; i < head->nprocesses; i++)
		if (head->process[i].parent == (int32_t)s->shared->index && head->process[i].flags & SHARED_STOPPED)
			stopped_note(ps, s, head->process[i].pid);
}

/* Those children of a thread that have changed state. */
static void children_of_thread(struct process_state *ps, struct save *s, int32_t tid)
{
	char path[64], *list;
	struct text t = TEXT(path);
	size_t cap = 4096;
	ssize_t n;
	siginfo_t si;

	text_put(&t, "/proc/self/task/%d/children", tid);
	do {
		cap *= 4;
		list = arena_alloc(&s->arena, cap);
		n = list ? io_read_file(path, list, cap) : -ENOMEM;
	} while (n == -EFBIG);
	if (n < 0)
		save_refuse(s, "%s can't be read: %s", path, errno_name(n));
	for (const char *p = list; n > 0 && *p >= '0' && *p <= '9'; parse_skip(&p, " "))
		if (change_of(P_PID, parse_dec(&p), CHANGES | WNOWAIT | WNOHANG | __WALL, &si) == 0 && si.si_pid)
			child_put(ps, s, &si);
}

void children_save(struct process_state *ps, struct save *s)
{
	siginfo_t si;

	ps->child_signals = 1ull << (SIGCHLD - 1);
	stopped_save(ps, s);
	if (change_of(P_ALL, 0, CHANGES | WNOWAIT | WNOHANG | __WALL, &si) < 0 || !si.si_pid)
		return;
	children_of_thread(ps, s, sys_gettid());
	if (sys_gettid() != sys_getpid() && ps->rec.main_exited)
		children_of_thread(ps, s, sys_getpid());
	for (const struct parked *p = freeze_list(); p; p = p->next)
		children_of_thread(ps, s, p->tid);
}

/* ---- restoring ---- */

/* Signals that wait now, of children that have changed state since the process was made. */
static void signals_drop(uint64_t set)
{
	const struct timespec now = {0, 0};
	siginfo_t si;

	while (sys_call4(__NR_rt_sigtimedwait, &set, &si, &now, 8) > 0)
		;
}

void children_resume(struct process_state *ps)
{
	siginfo_t si;

	for (uint32_t i = 0; i < ps->nstopped; i++) {
		while (change_of(P_PID, ps->stopped[i].pid, WSTOPPED | WEXITED | WNOWAIT | __WALL, &si) == -EINTR)
			;
		if (ps->stopped[i].waited)
			change_of(P_PID, ps->stopped[i].pid, WSTOPPED | WNOHANG | __WALL, &si);
	}
	signals_drop(ps->child_signals);
}
