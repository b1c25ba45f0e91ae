#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "kernel_model.h"
#include "unit.h"

void kernel_start(struct kernel *k)
{
	memset(k, 0, sizeof(*k));
	k->tasks[k->n++] = (struct task){.pid = 1, .pgid = OUTSIDE, .sid = OUTSIDE};
}

bool pid_in_use(const struct kernel *k, int pid)
{
	for (int i = 0; i < k->n; i++) {
		const struct task *t = &k->tasks[i];

		if (!t->reaped && (t->pid == pid || t->pgid == pid || t->sid == pid))
			return true;
	}
	return false;
}

int group_session(const struct kernel *k, int pgid)
{
	for (int i = 0; i < k->n; i++)
		if (!k->tasks[i].reaped && k->tasks[i].pgid == pgid)
			return k->tasks[i].sid;
	return -1;
}

int k_clone(struct kernel *k, int by, int pid, bool sibling, int exit_signal)
{
	const struct task *c = &k->tasks[by];

	if (c->ended || k->n == TASKS_MAX || pid_in_use(k, pid) || (sibling && by == 0))
		return -1;
	k->tasks[k->n] = (struct task){
		.pid = pid,
		.parent = sibling ? c->parent : by,
		.pgid = c->pgid,
		.sid = c->sid,
		.exit_signal = sibling ? c->exit_signal : exit_signal,
	};
	return k->n++;
}

bool k_setsid(struct kernel *k, int i)
{
	struct task *t = &k->tasks[i];

	if (t->leader || group_session(k, t->pid) >= 0)
		return false;
	t->leader = true;
	t->sid = t->pgid = t->pid;
	return true;
}

bool k_setpgid(struct kernel *k, int i, int pgid)
{
	struct task *t = &k->tasks[i];

	if (t->leader || (pgid != t->pid && group_session(k, pgid) != t->sid))
		return false;
	t->pgid = pgid;
	return true;
}

void k_exit(struct kernel *k, int i)
{
	int heir = k->tasks[i].parent;

	while (heir && (k->tasks[heir].ended || !k->tasks[heir].subreaper))
		heir = k->tasks[heir].parent;
	k->tasks[i].ended = true;
	for (int c = 1; c < k->n; c++) {
		if (k->tasks[c].parent != i || k->tasks[c].reaped)
			continue;
		k->tasks[c].parent = heir;
		k->tasks[c].exit_signal = SIGCHLD;
	}
}

bool k_reap(struct kernel *k, int by, int i)
{
	if (k->tasks[i].parent != by || !k->tasks[i].ended || k->tasks[i].reaped)
		return false;
	k->tasks[i].reaped = true;
	return true;
}

int task_of(const struct kernel *k, int pid)
{
	for (int i = 0; i < k->n; i++)
		if (!k->tasks[i].reaped && k->tasks[i].pid == pid)
			return i;
	return -1;
}

/* ---- a node at work, as handover.h says ---- */

enum step { ADOPT, MAKE_FIRST, SETSID, MAKE, REAP_FIRST, LEAD, COUNT, GROUP, REAP, END, DONE };

static void node_make(struct runner *r, int by, int i)
{
	const struct plan_node *n = &r->tree->nodes[i];

	r->task[i] = k_clone(&r->k, by, n->pid ? n->pid : r->free_pid++, n->clone_flags & CLONE_PARENT,
			     n->exit_signal);
	ck_assert_msg(r->task[i] > 0, "clone of %d by %d", n->pid, r->k.tasks[by].pid);
}

/* Make the next node that `creator` is to; false when there is none. */
static bool make_next(struct runner *r, int creator, bool before_setsid, int *cursor)
{
	int by = creator < 0 ? 0 : r->task[creator];

	for (; *cursor < (int)r->tree->n; ++*cursor) {
		const struct plan_node *n = &r->tree->nodes[*cursor];

		if (n->creator != creator || n->before_setsid != before_setsid)
			continue;
		node_make(r, by, (*cursor)++);
		return true;
	}
	*cursor = 0;
	return false;
}

/* Wait for the helpers that are children; true when all have been. */
static bool reap_helpers(struct runner *r, int parent, bool at_once)
{
	bool all = true;

	for (uint32_t i = 0; i < r->tree->n; i++) {
		const struct plan_node *n = &r->tree->nodes[i];

		if (n->kind != NODE_HELPER || n->parent != parent || n->ends_at_once != at_once)
			continue;
		if (r->task[i] < 0)
			all = false;
		else if (!r->k.tasks[r->task[i]].reaped)
			all &= k_reap(&r->k, parent < 0 ? 0 : r->task[parent], r->task[i]);
	}
	return all;
}

static bool node_join(struct runner *r, int i)
{
	const struct plan_node *n = &r->tree->nodes[i];

	if (r->created < r->tree->n || r->grouped < n->group_after)
		return false;
	if (n->pgid && n->pgid != n->pid)
		ck_assert_msg(k_setpgid(&r->k, r->task[i], n->pgid), "%d to group %d", n->pid, n->pgid);
	r->grouped++;
	return true;
}

/* One step of node i; true when it could be done. */
static bool node_step(struct runner *r, int i)
{
	const struct plan_node *n = &r->tree->nodes[i];
	struct task *t = &r->k.tasks[r->task[i]];
	bool next = true;

	switch (r->step[i]) {
	case ADOPT:
		t->subreaper = n->adopts;
		break;
	case MAKE_FIRST:
	case MAKE:
		next = !make_next(r, i, r->step[i] == MAKE_FIRST, &r->cursor[i]);
		r->step[i] += next;
		return true;
	case SETSID:
		if (n->setsid)
			ck_assert_msg(k_setsid(&r->k, r->task[i]), "setsid of %d", n->pid);
		break;
	case REAP_FIRST:
		next = reap_helpers(r, i, true);
		break;
	case LEAD:
		if (n->leads)
			ck_assert(k_setpgid(&r->k, r->task[i], n->pid));
		break;
	case COUNT:
		r->created++;
		if (!n->ends_at_once)
			break;
		r->grouped++;
		k_exit(&r->k, r->task[i]);
		r->step[i] = END;
		break;
	case GROUP:
		next = node_join(r, i);
		break;
	case REAP:
		next = r->grouped == r->tree->n && reap_helpers(r, i, false);
		break;
	case END:
		if (n->kind == NODE_HELPER || n->kind == NODE_ZOMBIE)
			k_exit(&r->k, r->task[i]);
		break;
	case DONE:
		return false;
	}
	r->step[i] += next;
	return next;
}

void tree_run(struct runner *r, const struct pstree *tree)
{
	int cursor = 0, done = 0;

	memset(r, 0, sizeof(*r));
	kernel_start(&r->k);
	r->tree = tree;
	r->free_pid = 10000;
	ck_assert_uint_lt(tree->n, TASKS_MAX);
	for (uint32_t i = 0; i < tree->n; i++)
		r->task[i] = -1;
	while (make_next(r, -1, false, &cursor))
		;
	for (int idle = 0; idle < 2000; idle++) {
		int i = random() % tree->n;

		if (r->task[i] > 0 && node_step(r, i))
			idle = 0;
		if (idle == 1000)
			reap_helpers(r, -1, true);
	}
	reap_helpers(r, -1, false);
	for (uint32_t i = 0; i < tree->n; i++)
		done += r->step[i] >= DONE;
	ck_assert_int_eq(done, tree->n);
}

/* ---- what was asked for ---- */

static void ids_equal(const struct pstree_job *job, const struct task *t, int pgid, int sid)
{
	bool outside = t->sid == OUTSIDE;

	ck_assert_msg(t->sid == sid || (outside && sid <= 1) ||
			      (outside && (job->on_terminal || job->no_capsule)),
		      "%d: session %d, not %d", t->pid, t->sid, sid);
	if (pgid == job->processes[0].pgid && outside && job->no_capsule && t->pgid != pgid)
		pgid = t->pgid == t->pid ? t->pid : OUTSIDE; /* nobody knows that group here */
	ck_assert_msg(pgid <= 1 || t->pgid == pgid, "%d: group %d, not %d", t->pid, t->pgid, pgid);
}

static void process_is_right(const struct pstree_job *job, const struct kernel *k, uint32_t i)
{
	const struct pstree_process *p = &job->processes[i];
	int task = task_of(k, p->pid), parent;

	ck_assert_int_gt(task, 0);
	ck_assert(!k->tasks[task].ended);
	ids_equal(job, &k->tasks[task], p->pgid, p->sid);
	parent = k->tasks[k->tasks[task].parent].pid;
	if (!job->no_capsule || p->parent >= 0)
		ck_assert_msg(parent == p->ppid || (p->ppid == 0 && parent == 1),
			      "parent of %d is %d, not %d", p->pid, parent, p->ppid);
	ck_assert_int_eq(k->tasks[task].exit_signal, p->exit_signal);
}

static void zombie_is_right(const struct pstree_job *job, const struct kernel *k, uint32_t i)
{
	const struct pstree_zombie *z = &job->zombies[i];
	int task = task_of(k, z->pid);

	ck_assert_int_gt(task, 0);
	ck_assert(k->tasks[task].ended);
	ids_equal(job, &k->tasks[task], z->pgid, z->sid);
	ck_assert_int_eq(k->tasks[k->tasks[task].parent].pid, job->processes[z->parent].pid);
}

/* Nothing else is left but stand-ins. */
static void rest_is_standins(const struct pstree_job *job, const struct runner *r)
{
	uint32_t alive = 0, standins = 0;

	for (int i = 1; i < r->k.n; i++)
		alive += !r->k.tasks[i].reaped;
	for (uint32_t i = 0; i < r->tree->n; i++)
		standins += r->tree->nodes[i].kind == NODE_STANDIN;
	ck_assert_uint_eq(alive, standins + job->nprocesses + job->nzombies);
	ck_assert(!job->no_capsule || !standins);
}

static void creators_come_first(const struct pstree *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		ck_assert_int_lt(t->nodes[i].creator, (int)i);
		ck_assert_int_ge(t->nodes[i].creator, NODE_INIT);
	}
}

void tree_is_right(const struct pstree_job *job, const struct pstree *tree)
{
	static struct runner r;

	ck_assert_int_eq(tree->nodes[tree->root].pid, job->processes[0].pid);
	creators_come_first(tree);
	tree_run(&r, tree);
	for (uint32_t i = 0; i < job->nprocesses; i++)
		process_is_right(job, &r.k, i);
	for (uint32_t i = 0; i < job->nzombies; i++)
		zombie_is_right(job, &r.k, i);
	rest_is_standins(job, &r);
}
