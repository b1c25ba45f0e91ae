/*
 * Plans of process trees are carried out by a model of the kernel: what it makes of them must be what was
 * asked for. Trees are written down, or come from lives that the same model has led at random.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pstree.h"
#include "unit.h"

enum {
	TASKS_MAX = 400,
	IMAGE_MAX = 100,
	OUTSIDE = 5000, /* session and group of the model's init: 0 for who looks from inside */
};

/* ---- the model of the kernel ---- */

struct task {
	int pid, parent, pgid, sid, exit_signal; /* parent: index of a task */
	bool leader, subreaper, ended, reaped;
};

struct kernel {
	struct task tasks[TASKS_MAX]; /* [0]: init */
	int n;
};

static void kernel_start(struct kernel *k)
{
	memset(k, 0, sizeof(*k));
	k->tasks[k->n++] = (struct task){.pid = 1, .pgid = OUTSIDE, .sid = OUTSIDE};
}

static bool pid_in_use(const struct kernel *k, int pid)
{
	for (int i = 0; i < k->n; i++) {
		const struct task *t = &k->tasks[i];

		if (!t->reaped && (t->pid == pid || t->pgid == pid || t->sid == pid))
			return true;
	}
	return false;
}

static int group_session(const struct kernel *k, int pgid)
{
	for (int i = 0; i < k->n; i++)
		if (!k->tasks[i].reaped && k->tasks[i].pgid == pgid)
			return k->tasks[i].sid;
	return -1;
}

static int k_clone(struct kernel *k, int by, int pid, bool sibling, int exit_signal)
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

static bool k_setsid(struct kernel *k, int i)
{
	struct task *t = &k->tasks[i];

	if (t->leader || group_session(k, t->pid) >= 0)
		return false;
	t->leader = true;
	t->sid = t->pgid = t->pid;
	return true;
}

static bool k_setpgid(struct kernel *k, int i, int pgid)
{
	struct task *t = &k->tasks[i];

	if (t->leader || (pgid != t->pid && group_session(k, pgid) != t->sid))
		return false;
	t->pgid = pgid;
	return true;
}

static void k_exit(struct kernel *k, int i)
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

static bool k_reap(struct kernel *k, int by, int i)
{
	if (k->tasks[i].parent != by || !k->tasks[i].ended || k->tasks[i].reaped)
		return false;
	k->tasks[i].reaped = true;
	return true;
}

static int task_of(const struct kernel *k, int pid)
{
	for (int i = 0; i < k->n; i++)
		if (!k->tasks[i].reaped && k->tasks[i].pid == pid)
			return i;
	return -1;
}

/* ---- a node at work, as handover.h says ---- */

struct runner {
	struct kernel k;
	const struct pstree *tree;
	int task[TASKS_MAX]; /* of each node; -1: not made yet */
	int step[TASKS_MAX], cursor[TASKS_MAX];
	uint32_t created, grouped;
	int free_pid;
};

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

/* All nodes at once, in no particular order, until nothing moves. */
static void tree_run(struct runner *r, const struct pstree *tree)
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

static void tree_is_right(const struct pstree_job *job, const struct pstree *tree)
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

/* Returns how many nodes of the kind there are. */
static int comes_out_right(const struct pstree_job *job, enum node_kind kind)
{
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);
	int n = 0;

	buf[0] = 0;
	ck_assert_msg(pstree_build(job, &tree, &why) == 0, "%s", buf);
	tree_is_right(job, &tree);
	for (uint32_t i = 0; i < tree.n; i++)
		n += tree.nodes[i].kind == kind;
	free(tree.nodes);
	return n;
}

static void refused(const struct pstree_job *job, const char *text)
{
	struct pstree tree = {0};
	char buf[256];
	struct text why = TEXT(buf);

	ck_assert_int_eq(pstree_build(job, &tree, &why), -EINVAL);
	ck_assert_msg(strstr(buf, text), "\"%s\"", buf);
	ck_assert_ptr_null(tree.nodes);
}

/* ---- trees written down ---- */

/* pid, ppid, pgid, sid, index of the parent */
#define P(pid, ppid, pgid, sid, parent) {pid, ppid, pgid, sid, parent, SIGCHLD, false}
#define Z(pid, pgid, sid, parent) {pid, pgid, sid, parent, SIGCHLD, 3, 0, "gone"}

#define JOB(...) \
	((struct pstree_job){ \
		.processes = (const struct pstree_process[]){__VA_ARGS__}, \
		.nprocesses = ARRAY_SIZE(((const struct pstree_process[]){__VA_ARGS__})), \
	})
#define ZOMBIES(job, ...) \
	((job).zombies = (const struct pstree_zombie[]){__VA_ARGS__}, \
	 (job).nzombies = ARRAY_SIZE(((const struct pstree_zombie[]){__VA_ARGS__})))

UNIT_TEST(pstree_of_one_process_has_stand_ins_for_who_was_outside)
{
	struct pstree_job leads = JOB(P(70, 60, 70, 70, -1)), plain = JOB(P(70, 60, 65, 50, -1));
	struct pstree_job child_of_leader = JOB(P(70, 50, 70, 50, -1)), of_init = JOB(P(70, 1, 70, 70, -1));

	ck_assert_int_eq(comes_out_right(&leads, NODE_STANDIN), 1);
	ck_assert_int_eq(comes_out_right(&plain, NODE_STANDIN), 3);
	ck_assert_int_eq(comes_out_right(&child_of_leader, NODE_STANDIN), 1);
	ck_assert_int_eq(comes_out_right(&of_init, NODE_STANDIN), 0);
}

UNIT_TEST(pstree_parent_outside_leads_the_group)
{
	struct pstree_job job = JOB(P(70, 60, 60, 50, -1), P(71, 70, 60, 50, 0));

	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 2);
	job.on_terminal = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 1);
}

UNIT_TEST(pstree_on_a_terminal_has_no_stand_in_for_the_session)
{
	struct pstree_job job = JOB(P(70, 60, 65, 50, -1), P(71, 70, 71, 50, 0), P(72, 70, 72, 72, 0));

	job.on_terminal = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 2);
}

UNIT_TEST(pstree_leader_of_the_terminals_session_leads_none)
{
	struct pstree_job job = JOB(P(70, 60, 70, 70, -1), P(71, 70, 71, 70, 0), P(72, 70, 72, 72, 0));
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);

	job.on_terminal = true;
	job.terminal_sid = 70;
	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 1);
	ck_assert_int_eq(pstree_build(&job, &tree, &why), 0);
	for (uint32_t i = 0; i < tree.n; i++)
		ck_assert_int_eq(tree.nodes[i].setsid, tree.nodes[i].pid == 72);
	free(tree.nodes);
}

UNIT_TEST(pstree_without_capsule_has_no_stand_ins)
{
	struct pstree_job job = JOB(P(70, 60, 65, 50, -1), P(71, 70, 65, 50, 0), P(72, 70, 72, 50, 0),
				    P(73, 72, 73, 73, 2));

	job.no_capsule = true;
	comes_out_right(&job, NODE_STANDIN);
}

UNIT_TEST(pstree_of_generations)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(71, 70, 70, 50, 0), P(72, 71, 70, 50, 1),
				    P(60, 70, 70, 50, 0), P(59, 60, 70, 50, 3));

	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 1);
}

UNIT_TEST(pstree_of_a_shell_with_job_control)
{
	/* 80 | 81 in the foreground, 90 & whose leader has ended, 95 whose leader is a zombie */
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(80, 70, 80, 50, 0), P(81, 70, 80, 50, 0),
				    P(91, 70, 90, 50, 0), P(96, 70, 95, 50, 0));

	ZOMBIES(job, Z(95, 95, 50, 0));
	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
	job.on_terminal = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
}

UNIT_TEST(pstree_child_made_before_setsid)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(71, 70, 71, 71, 0), P(72, 71, 70, 50, 1),
				    P(73, 71, 71, 71, 1));
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);

	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 0);
	ck_assert_int_eq(pstree_build(&job, &tree, &why), 0);
	for (uint32_t i = 0; i < tree.n; i++)
		ck_assert_int_eq(tree.nodes[i].before_setsid, tree.nodes[i].pid == 72);
	free(tree.nodes);
}

UNIT_TEST(pstree_first_process_has_made_a_session_after_its_child)
{
	struct pstree_job job = JOB(P(70, 60, 70, 70, -1), P(71, 70, 71, 50, 0));
	struct pstree_job of_leader = JOB(P(70, 50, 70, 70, -1), P(71, 70, 50, 50, 0));

	comes_out_right(&job, NODE_HELPER);
	ck_assert_int_eq(comes_out_right(&of_leader, NODE_HELPER), 0);
	of_leader.on_terminal = true;
	comes_out_right(&of_leader, NODE_HELPER);
	of_leader.no_capsule = true;
	comes_out_right(&of_leader, NODE_HELPER);
}

UNIT_TEST(pstree_chain_of_sessions_with_children_from_before)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(71, 70, 71, 71, 0), P(72, 71, 72, 72, 1),
				    P(73, 72, 73, 73, 2), P(74, 73, 70, 50, 3));

	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 0);
}

UNIT_TEST(pstree_daemon_is_the_child_of_init)
{
	/* made by two forks with a setsid between them */
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(72, 1, 71, 71, -1));

	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
	job.on_terminal = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
	job.no_capsule = true;
	comes_out_right(&job, NODE_HELPER);
}

UNIT_TEST(pstree_daemon_is_the_child_of_a_subreaper)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(75, 70, 75, 75, 0), P(72, 75, 71, 71, 1),
				    P(74, 75, 73, 71, 1));

	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 2);
}

UNIT_TEST(pstree_daemon_is_the_child_of_a_subreaper_outside)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(72, 40, 71, 71, -1));

	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 2);
}

UNIT_TEST(pstree_daemon_that_is_left_alone_is_not_on_the_terminal)
{
	struct pstree_job job = JOB(P(72, 1, 71, 71, -1), P(73, 72, 73, 71, 0));

	job.first_gone = job.on_terminal = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 0);
	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
}

UNIT_TEST(pstree_who_has_a_terminal_is_in_a_session_from_outside)
{
	struct pstree_process p[] = {P(72, 1, 70, 50, -1), P(73, 1, 70, 50, -1)};
	struct pstree_job job = {.processes = p, .nprocesses = 2, .first_gone = true};

	p[1].has_tty = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 1);
	job.on_terminal = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 0);
	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
}

UNIT_TEST(pstree_first_process_that_leads_the_session_of_the_terminal)
{
	struct pstree_process p[] = {P(70, 60, 70, 70, -1), P(71, 70, 71, 70, 0), P(72, 70, 72, 72, 0)};
	struct pstree_job job = {.processes = p, .nprocesses = 3};
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);

	p[0].has_tty = p[1].has_tty = true;
	comes_out_right(&job, NODE_STANDIN);
	job.terminal_sid = 70;
	job.on_terminal = true;
	ck_assert_int_eq(pstree_build(&job, &tree, &why), 0);
	for (uint32_t i = 0; i < tree.n; i++)
		ck_assert_int_eq(tree.nodes[i].setsid, tree.nodes[i].pid == 72);
	free(tree.nodes);
	comes_out_right(&job, NODE_STANDIN);
}

UNIT_TEST(pstree_orphan_of_a_session_whose_leader_lives)
{
	/* 80 leads below 71 and 70; 81, of its session, was adopted by 70, and 82 by init */
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(71, 70, 70, 50, 0), P(80, 71, 80, 80, 1),
				    P(81, 70, 80, 80, 0));
	struct pstree_job of_init = JOB(P(70, 50, 70, 50, -1), P(71, 70, 70, 50, 0),
					P(80, 71, 80, 80, 1), P(82, 1, 82, 80, -1));

	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
	ck_assert_int_eq(comes_out_right(&of_init, NODE_HELPER), 1);
}

UNIT_TEST(pstree_orphans_of_a_dead_leader_with_two_parents)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(72, 1, 71, 71, -1), P(73, 70, 71, 71, 0),
				    P(74, 73, 74, 71, 2));

	comes_out_right(&job, NODE_HELPER);
}

UNIT_TEST(pstree_zombie_that_led_a_session)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(72, 70, 71, 71, 0), P(73, 1, 73, 71, -1));

	ZOMBIES(job, Z(71, 71, 71, 0));
	comes_out_right(&job, NODE_HELPER);
}

UNIT_TEST(pstree_zombies_keep_what_they_were)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1));
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);

	ZOMBIES(job, Z(71, 70, 50, 0), {72, 70, 50, 0, SIGUSR1, 0, SIGKILL, "killed"});
	ck_assert_int_eq(comes_out_right(&job, NODE_ZOMBIE), 2);
	ck_assert_int_eq(pstree_build(&job, &tree, &why), 0);
	ck_assert_int_eq(tree.nodes[tree.n - 2].end_code, 3);
	ck_assert_int_eq(tree.nodes[tree.n - 1].end_signal, SIGKILL);
	ck_assert_int_eq(tree.nodes[tree.n - 1].exit_signal, SIGUSR1);
	ck_assert_str_eq(tree.nodes[tree.n - 1].comm, "killed");
	free(tree.nodes);
}

UNIT_TEST(pstree_leader_that_has_gone_to_another_group)
{
	/* 71's group has 72 in it; 71 is in 73's group, which 73 has left for that of 70 */
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(71, 70, 73, 50, 0), P(72, 70, 71, 50, 0),
				    P(73, 70, 70, 50, 0));
	struct pstree_job round = JOB(P(70, 50, 70, 50, -1), P(71, 70, 73, 50, 0), P(73, 70, 71, 50, 0));

	comes_out_right(&job, NODE_HELPER);
	refused(&round, "process 71 can't go to group 73");
}

UNIT_TEST(pstree_of_unknown_sessions_and_groups)
{
	struct pstree_job job = JOB(P(70, 50, 0, 0, -1), P(71, 70, 71, 1, 0), P(72, 71, 1, 0, 1),
				    P(73, 72, 73, 73, 2), P(74, 73, 0, 0, 3), P(75, 73, 75, 0, 3));
	struct pstree_job mixed = JOB(P(70, 50, 0, 0, -1), P(73, 70, 73, 73, 0), P(74, 73, 73, 0, 1));

	comes_out_right(&job, NODE_HELPER);
	job.on_terminal = true;
	comes_out_right(&job, NODE_HELPER);
	refused(&mixed, "process 74: its group 73 is in another session");
}

UNIT_TEST(pstree_helpers_take_no_pid_that_means_something)
{
	const int32_t tids[] = {300, 70, 302, 300};
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(301, 70, 70, 50, 0), P(80, 301, 80, 80, 1),
				    P(81, 70, 80, 80, 0));
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);

	job.tids = tids;
	job.ntids = ARRAY_SIZE(tids);
	ck_assert_int_eq(pstree_build(&job, &tree, &why), 0);
	for (uint32_t i = 0; i < tree.n; i++)
		if (tree.nodes[i].kind == NODE_HELPER)
			ck_assert_int_eq(tree.nodes[i].pid, 303);
	free(tree.nodes);
}

UNIT_TEST(pstree_refuses_what_no_tree_is)
{
	struct pstree_job none = {0}, init = JOB(P(70, 50, 70, 50, -1), P(1, 70, 70, 50, 0));
	struct pstree_job twice = JOB(P(70, 50, 70, 50, -1), P(70, 70, 70, 50, 0));
	struct pstree_job later = JOB(P(70, 50, 70, 50, 1), P(50, 1, 70, 50, -1));
	struct pstree_job own = JOB(P(70, 70, 70, 50, 0)), far = JOB(P(70, 50, 70, 50, 7));
	struct pstree_job wrong = JOB(P(70, 50, 70, 50, -1), P(71, 72, 70, 50, 0));
	struct pstree_job large = JOB(P(70, 50, 1 << 30, 50, -1)), negative = JOB(P(-70, 50, 70, 50, -1));
	struct pstree_job inside = JOB(P(70, 50, 70, 50, -1), P(71, 70, 70, 50, -1));
	struct pstree_job stray = JOB(P(70, 50, 70, 50, -1));

	refused(&none, "no processes");
	refused(&init, "process 1: its pid");
	refused(&twice, "two processes have pid 70");
	refused(&later, "process 70 has no such parent");
	refused(&own, "process 70 has no such parent");
	refused(&far, "process 70 has no such parent");
	refused(&wrong, "process 71: process 70 is not its parent");
	refused(&large, "no such ids");
	refused(&negative, "no such ids");
	refused(&inside, "process 71: its parent 70 is not where");
	ZOMBIES(stray, Z(71, 70, 50, 1));
	refused(&stray, "process 71, which has ended, has no such parent");
}

UNIT_TEST(pstree_refuses_sessions_and_groups_that_can_not_be)
{
	struct pstree_job leader = JOB(P(70, 50, 70, 50, -1), P(71, 70, 70, 70, 0));
	struct pstree_job group = JOB(P(70, 50, 70, 50, -1), P(71, 70, 70, 71, 0));
	struct pstree_job two = JOB(P(70, 50, 70, 50, -1), P(71, 70, 71, 71, 0), P(72, 71, 70, 71, 1));
	struct pstree_job other = JOB(P(70, 50, 70, 50, -1), P(71, 70, 71, 71, 0), P(72, 70, 71, 50, 0));
	/* 72 is in the session of its grandchild */
	struct pstree_job knot = JOB(P(70, 50, 70, 50, -1), P(72, 70, 74, 74, 0), P(73, 72, 74, 74, 1),
				     P(74, 73, 74, 74, 2));

	refused(&leader, "process 71 is in session 70, which process 70 does not lead");
	refused(&group, "process 71 leads a session, but is in group 70");
	refused(&two, "process 72: its group 70 is in another session");
	refused(&other, "group 71 is in");
	refused(&knot, "process 72");
}

/* ---- lives at random ---- */

enum { SHELL = 50, FIRST = 60, LIVES = 3000 };

static int random_task(const struct kernel *k)
{
	return 2 + random() % (k->n - 2); /* not init, nor the shell */
}

static void live_fork(struct kernel *k, int i, int *pid)
{
	while (pid_in_use(k, *pid))
		++*pid;
	k_clone(k, i, (*pid)++, false, SIGCHLD);
}

/* A group of the session, or one of its own. */
static void live_setpgid(struct kernel *k, int i)
{
	const struct task *other = &k->tasks[random_task(k)];

	k_setpgid(k, i, random() % 2 && !other->reaped ? other->pgid : k->tasks[i].pid);
}

static void live_step(struct kernel *k, int *pid)
{
	int i = random_task(k), what = random() % 100;

	if (k->tasks[i].ended) {
		if (random() % 4 == 0)
			k_reap(k, k->tasks[i].parent, i);
		return;
	}
	if (what < 50)
		live_fork(k, i, pid);
	else if (what < 60)
		k_setsid(k, i);
	else if (what < 75)
		live_setpgid(k, i);
	else if (what < 78)
		k->tasks[i].subreaper = true;
	else if (what < 95 && (i != 2 || what == 94))
		k_exit(k, i);
}

/* The image of what lives: parents first. Zombies of init are nobody's. */
struct life {
	struct pstree_process processes[IMAGE_MAX];
	struct pstree_zombie zombies[IMAGE_MAX];
	struct pstree_job job;
	int task[IMAGE_MAX]; /* of each process */
};

static void life_add(struct life *l, const struct kernel *k, int i, int parent)
{
	const struct task *t = &k->tasks[i];

	if (t->ended && parent >= 0)
		l->zombies[l->job.nzombies++] = (struct pstree_zombie){
			t->pid, t->pgid, t->sid, parent, t->exit_signal, 0, SIGTERM, ""};
	if (t->ended)
		return;
	l->task[l->job.nprocesses] = i;
	l->processes[l->job.nprocesses++] = (struct pstree_process){
		t->pid, k->tasks[t->parent].pid, t->pgid, t->sid, parent, t->exit_signal, t->sid == SHELL};
}

static void life_image(struct life *l, const struct kernel *k)
{
	*l = (struct life){.job = {.processes = l->processes, .zombies = l->zombies}};
	l->job.first_gone = k->tasks[2].ended;
	for (int i = 2; i < k->n; i++)
		if (!k->tasks[i].reaped && k->tasks[i].parent < 2)
			life_add(l, k, i, -1);
	for (uint32_t p = 0; p < l->job.nprocesses; p++)
		for (int i = 2; i < k->n; i++)
			if (!k->tasks[i].reaped && k->tasks[i].parent == l->task[p])
				life_add(l, k, i, p);
}

static void live(struct life *l, int steps)
{
	static struct kernel k;
	int pid = FIRST, shell;

	kernel_start(&k);
	shell = k_clone(&k, 0, SHELL, false, SIGCHLD);
	k_setsid(&k, shell);
	k_setpgid(&k, k_clone(&k, shell, FIRST, false, SIGCHLD), FIRST);
	while (steps-- && k.n < IMAGE_MAX)
		live_step(&k, &pid);
	life_image(l, &k);
}

/* 0 when there is no way to make what has become of it. */
static int life_comes_out_right(const struct life *l)
{
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);

	if (!l->job.nprocesses)
		return 1;
	if (pstree_build(&l->job, &tree, &why) == 0) {
		tree_is_right(&l->job, &tree);
		free(tree.nodes);
		return 1;
	}
	ck_assert_msg(strstr(buf, "an orphan, would be adopted by"), "%s", buf);
	return 0;
}

/* Whose ancestors became subreapers between one adoption and the next can't be made: few lives do that. */
static void lives_come_out_right(bool on_terminal, bool no_capsule)
{
	static struct life l;
	int right = 0;

	for (unsigned seed = 0; seed < LIVES; seed++) {
		srandom(seed);
		live(&l, 20 + random() % 300);
		l.job.on_terminal = on_terminal;
		l.job.no_capsule = no_capsule;
		right += life_comes_out_right(&l);
	}
	ck_assert_int_gt(right, LIVES - LIVES / 100);
}

UNIT_TEST(pstree_of_any_life)
{
	lives_come_out_right(false, false);
}

UNIT_TEST(pstree_of_any_life_on_a_terminal)
{
	lives_come_out_right(true, false);
}

UNIT_TEST(pstree_of_any_life_without_capsule)
{
	lives_come_out_right(false, true);
}

/* Whatever the numbers, the answer is an error or what was asked for. */
UNIT_TEST(pstree_of_nonsense)
{
	struct pstree_process p[8];
	struct pstree_zombie z[4];
	struct pstree_job job = {.processes = p, .nprocesses = 8, .zombies = z, .nzombies = 4};

	for (unsigned seed = 0; seed < 100000; seed++) {
		struct pstree tree;
		char buf[256];
		struct text why = TEXT(buf);

		srandom(seed);
		for (int i = 0; i < 8; i++)
			p[i] = (struct pstree_process){2 + i, 0, random() % 16, random() % 16,
						       random() % (i + 1) - 1, random() % 2 ? SIGCHLD : 0,
						       random() % 4 == 0};
		for (int i = 0; i < 8; i++)
			p[i].ppid = p[i].parent < 0 ? random() % 3 * 15 : p[p[i].parent].pid;
		for (int i = 0; i < 4; i++)
			z[i] = (struct pstree_zombie){10 + i, random() % 16, random() % 16, random() % 8,
						      SIGCHLD, 0, 0, ""};
		for (int i = 0; i < 12; i++) { /* most sessions that are led are refused for their group */
			int32_t *pgid = i < 8 ? &p[i].pgid : &z[i - 8].pgid;

			if ((i < 8 ? p[i].sid : z[i - 8].sid) == i + 2)
				*pgid = i + 2;
		}
		job.on_terminal = random() % 2;
		job.no_capsule = random() % 2;
		job.first_gone = random() % 2;
		if (pstree_build(&job, &tree, &why) < 0)
			continue;
		tree_is_right(&job, &tree);
		free(tree.nodes);
	}
}
