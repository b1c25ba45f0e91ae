/*
 * Nodes: the processes of the image, and those that stand beside them for the sake of ids. What each does
 * and when is told in handover.h, at struct plan_node; here it is carried out. A node is made by a fork of its
 * creator, in the restorer, and shares init's descriptor table.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include "restorer.h"

/* ---- meeting ---- */

static void futex_wake(uint32_t *word)
{
	sys_futex(word, FUTEX_WAKE, 0x7fffffff, NULL);
}

void sync_arrive(uint32_t *word)
{
	__atomic_add_fetch(word, 1, __ATOMIC_RELEASE);
	futex_wake(word);
}

void sync_await(struct restore_job *job, uint32_t *word, uint32_t n)
{
	uint32_t have;

	while ((have = __atomic_load_n(word, __ATOMIC_ACQUIRE)) < n) {
		if (__atomic_load_n(&job->sync->failed, __ATOMIC_ACQUIRE))
			sys_exit_group(125);
		sys_futex(word, FUTEX_WAIT, have, NULL);
	}
}

void fail(struct restore_job *job, const char *what, uint64_t addr, long err)
{
	struct restart_sync *s = job->sync;
	char buf[256];
	struct text t = TEXT(buf);

	text_put(&t, "ckpt_restart: cannot %s %lx: %s\n", what, (unsigned long)addr,
		 errno_name((int)err));
	if (!__atomic_exchange_n(&s->failed, 1, __ATOMIC_ACQ_REL))
		io_write(job->log_fd, buf, t.len);
	futex_wake(&s->created);
	futex_wake(&s->grouped);
	futex_wake(&s->files);
	futex_wake(&s->restored);
	futex_wake(&s->tables);
	futex_wake(&s->parted);
	futex_wake(&s->taken);
	sys_exit_group(125);
	__builtin_unreachable();
}

/* ---- making ---- */

/* Both a node and its maker say so, for one of them may be killed before. */
static void node_seen(struct restore_job *job, uint32_t node, int32_t pid)
{
	__atomic_store_n(&job->sync->seen[node].pid, pid, __ATOMIC_RELEASE); /* pairs with init's node_lost() */
}

/* In the child 0. */
static long node_clone(struct restore_job *job, struct plan_node *n)
{
	pid_t pid = n->pid;
	struct clone_args a = {
		.flags = CLONE_FILES | n->clone_flags,
		.exit_signal = n->clone_flags & CLONE_PARENT ? 0 : n->exit_signal,
		.set_tid = pid ? (uint64_t)&pid : 0,
		.set_tid_size = pid ? 1 : 0,
	};
	long r = sys_call2(__NR_clone3, &a, sizeof(a));

	if (r < 0)
		fail(job, "make the process with the id (hex)", pid, r);
	if (r > 0)
		n->pid = r; /* in our copy: for who waits for it */
	node_seen(job, n - job->nodes, r > 0 ? r : sys_getpid());
	return r;
}

static bool is_child(const struct restore_job *job, uint32_t i, uint32_t me, bool before_setsid, bool sharing)
{
	const struct plan_node *n = &job->nodes[i];

	return n->creator == (int32_t)me && !!n->before_setsid == before_setsid &&
	       !!n->shares_memory == sharing;
}

/* Make the nodes of this one that are to be made now. In such a node: its index; else me. */
static uint32_t children_make(struct restore_job *job, uint32_t me, bool before_setsid, bool sharing)
{
	for (uint32_t i = 0; i < job->nnodes; i++)
		if (is_child(job, i, me, before_setsid, sharing) && node_clone(job, &job->nodes[i]) == 0)
			return i;
	return me;
}

static bool has_children(const struct restore_job *job, uint32_t me, bool before_setsid, bool sharing)
{
	for (uint32_t i = 0; i < job->nnodes; i++)
		if (is_child(job, i, me, before_setsid, sharing))
			return true;
	return false;
}

static void load(struct restore_job *job, uint32_t me)
{
	if (job->nodes[me].kind == NODE_PROCESS)
		memory_load(job, &job->plans[job->nodes[me].process]);
}

static void session_make(struct restore_job *job, const struct plan_node *n)
{
	long r = sys_call0(__NR_setsid);

	if (r < 0)
		fail(job, "make the session (hex)", n->pid, r);
	if (n->tty_fd < 0)
		return;
	r = sys_ioctl(n->tty_fd, TIOCSCTTY, NULL);
	if (r < 0)
		fail(job, "have a controlling terminal, session (hex)", n->pid, r);
}

/* A foreground group that had no members any more is not there: then the leader's stays. */
void node_terminal(const struct plan_node *n)
{
	int32_t pgid = n->tty_pgid;

	if (n->tty_fd >= 0 && n->setsid)
		sys_ioctl(n->tty_fd, TIOCSPGRP, &pgid);
	else if (n->tty_fd >= 0)
		sys_ioctl(n->tty_fd, TIOCNOTTY, NULL);
}

/*
 * Children that have nothing of this one's memory are made while there is none: that makes them cheaper.
 */
uint32_t node_build(struct restore_job *job, uint32_t me)
{
	bool load_early = has_children(job, me, true, true);
	uint32_t now;

	if (job->nodes[me].adopts)
		sys_prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	now = children_make(job, me, true, false);
	if (now != me)
		return now;
	if (load_early)
		load(job, me);
	now = children_make(job, me, true, true);
	if (now != me)
		return now;
	if (job->nodes[me].setsid)
		session_make(job, &job->nodes[me]);
	now = children_make(job, me, false, false);
	if (now != me)
		return now;
	if (!load_early)
		load(job, me);
	return children_make(job, me, false, true);
}

/* ---- ends ---- */

static void helper_reap(const struct plan_node *n)
{
	int status;

	while (sys_call4(__NR_wait4, n->pid, &status, __WALL, NULL) == -EINTR)
		;
}

void nodes_await_makers(struct restore_job *job, uint32_t me)
{
	for (uint32_t i = 0; i < job->nnodes; i++)
		if (job->nodes[i].parent == (int32_t)me && job->nodes[i].ends_at_once)
			helper_reap(&job->nodes[i]);
}

static void action_set(int sig, uint64_t handler)
{
	uint64_t action[4] = {handler}; /* no flags, no mask */

	sys_call4(__NR_rt_sigaction, sig, action, NULL, sizeof(action[3]));
}

void nodes_await_ends(struct restore_job *job, uint32_t me)
{
	siginfo_t info;

	for (uint32_t i = 0; i < job->nnodes; i++) {
		const struct plan_node *n = &job->nodes[i];

		if (n->parent != (int32_t)me || n->ends_at_once)
			continue;
		if (n->kind == NODE_ZOMBIE)
			while (sys_call5(__NR_waitid, P_PID, n->pid, &info, WEXITED | WNOWAIT | __WALL, NULL) == -EINTR)
				;
		else if (n->kind == NODE_HELPER)
			helper_reap(n);
	}
}

/* What init tells the outside of the root process, a stand-in does when that is its child. */
static void event_send(struct restore_job *job, const siginfo_t *si)
{
	struct event e = {.what = EVENT_ENDED};

	switch (si->si_code) {
	case CLD_STOPPED:
		e = (struct event){EVENT_STOPPED, W_STOPCODE(si->si_status)};
		break;
	case CLD_CONTINUED:
		e = (struct event){EVENT_CONTINUED, 0xffff};
		break;
	case CLD_EXITED:
		e.status = W_EXITCODE(si->si_status, 0);
		break;
	default:
		e.status = si->si_status;
	}
	sys_write(job->events_fd, &e, sizeof(e));
}

static int change_of(int type, int32_t pid, siginfo_t *si, int options)
{
	return sys_call5(__NR_waitid, type, pid, si, options | __WALL, NULL);
}

/* A child that has changed. It is told before it is taken: when nobody is left, init ends, and with it we. */
static int32_t change_take(struct restore_job *job, siginfo_t *si)
{
	int take = WEXITED;

	if (change_of(P_ALL, 0, si, WEXITED | WSTOPPED | WCONTINUED | WNOWAIT) < 0)
		return 0;
	if (si->si_pid == job->root_pid)
		event_send(job, si);
	if (si->si_code == CLD_STOPPED || si->si_code == CLD_CONTINUED)
		take = si->si_code == CLD_STOPPED ? WSTOPPED : WCONTINUED;
	change_of(P_PID, si->si_pid, NULL, take | WNOHANG);
	return si->si_pid;
}

static bool is_own(const struct restore_job *job, uint32_t i, uint32_t me, enum node_kind kind)
{
	return job->nodes[i].parent == (int32_t)me && job->nodes[i].kind == kind;
}

/* Processes of the image that are its children and have not ended. */
static uint32_t count_own(const struct restore_job *job, uint32_t me)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < job->nnodes; i++)
		n += is_own(job, i, me, NODE_PROCESS) && job->nodes[i].pid;
	return n;
}

static void own_ended(struct restore_job *job, uint32_t me, int32_t pid)
{
	for (uint32_t i = 0; i < job->nnodes; i++)
		if (is_own(job, i, me, NODE_PROCESS) && job->nodes[i].pid == pid)
			job->nodes[i].pid = 0;
	for (uint32_t i = 0; i < job->nnodes && count_own(job, me) == 0; i++)
		if (is_own(job, i, me, NODE_STANDIN))
			sys_call2(__NR_kill, job->nodes[i].pid, SIGKILL);
}

/*
 * In the place of a process that was outside of the job: as long as it has children, or for ever. Stand-ins
 * below it are not needed any more when its processes have ended.
 */
static void __attribute__((noreturn)) standin_stay(struct restore_job *job, uint32_t me)
{
	bool parent = false;
	siginfo_t si;

	sys_prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	sys_call1(__NR_unshare, CLONE_FILES);
	if (job->events_fd > 0)
		sys_call3(__NR_close_range, 0, job->events_fd - 1, 0);
	sys_call3(__NR_close_range, job->events_fd + 1, ~0u, 0);
	sync_arrive(&job->sync->settled);
	while (change_take(job, &si) > 0) {
		parent = true;
		if (si.si_code != CLD_STOPPED && si.si_code != CLD_CONTINUED)
			own_ended(job, me, si.si_pid);
	}
	while (!parent)
		sys_call4(__NR_ppoll, NULL, 0, NULL, NULL);
	sys_exit_group(0);
	__builtin_unreachable();
}

/* End as the zombie did. A signal that would dump core, or one that is blocked for ever, is sent to oneself. */
static void __attribute__((noreturn)) zombie_end(const struct plan_node *n)
{
	uint64_t mask = ~0ull, none[2] = {0, 0};

	sys_prctl(PR_SET_NAME, (unsigned long)n->comm, 0, 0, 0);
	if (n->end_signal) {
		action_set(n->end_signal, (uint64_t)SIG_DFL);
		sys_call4(__NR_prlimit64, 0, 4 /* RLIMIT_CORE */, none, NULL);
		sys_call3(__NR_kill, sys_getpid(), n->end_signal, 0);
		mask = 1ull << (n->end_signal - 1);
		sys_sigprocmask(SIG_UNBLOCK, &mask, NULL);
	}
	sys_exit_group(n->end_code);
	__builtin_unreachable();
}

void node_end(struct restore_job *job, uint32_t me)
{
	const struct plan_node *n = &job->nodes[me];

	image_key_wipe(&job->key, sizeof(job->key));
	nodes_await_ends(job, me);
	if (n->kind == NODE_STANDIN)
		standin_stay(job, me);
	if (n->kind == NODE_ZOMBIE)
		zombie_end(n);
	sys_exit_group(0);
	__builtin_unreachable();
}
