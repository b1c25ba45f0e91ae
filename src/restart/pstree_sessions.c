/*
 * Who makes whom.
 *
 * A process gets its session from who makes it, or makes one of its own, once. So:
 *
 *   - whose session is that of its parent is made by that;
 *   - whose session is the one that its parent was in before it made its own is made before that;
 *   - any other has lost the parent that made it, and was adopted: it is made by the leader of its
 *     session, as a sibling (CLONE_PARENT) when both have one parent, or else by a helper below the leader
 *     that ends, so that the kernel gives the orphan to the parent it had.
 *
 * A leader that is not in the image is a helper, which sits below the parent of those orphans. Process
 * groups are joined when all is made: until then, whoever leads one is there, be it a helper or a zombie.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include "pstree_parts.h"

/* ---- stand-ins and sessions ---- */

int parents_make(struct builder *b)
{
	for (uint32_t i = 0; i < b->job->nprocesses; i++) {
		const struct pstree_process *p = &b->job->processes[i];
		int32_t n;

		if (p->parent >= 0 || p->ppid <= 1 || b->job->no_capsule)
			continue;
		n = node_of(b, p->ppid);
		if (n == NO_NODE)
			n = node_add(b, NODE_STANDIN, p->ppid, SIGCHLD);
		if (b->nodes[n].kind != NODE_STANDIN)
			return refuse(b, "process %d: its parent %d is not where it should be", p->pid,
				      p->ppid);
		b->nodes[i].parent = n;
	}
	return 0;
}

/*
 * Nobody in the image leads it, and it is known whose it was: one outside of the job. The terminal outside has
 * a session already, so one that the job had on it becomes that.
 */
static bool session_is_outside(const struct builder *b, int32_t sid)
{
	int32_t leader = node_of(b, sid);

	if (leader != NO_NODE)
		return b->nodes[leader].kind == NODE_STANDIN || sid == b->job->terminal_sid;
	return map_slot(&b->pids, sid)->value == OUTSIDE;
}

/* See that somebody leads the session of node i. */
static int session_make(struct builder *b, uint32_t i)
{
	int32_t sid = b->nodes[i].sid, leader = node_of(b, sid);
	struct plan_node *l;

	if (session_is_outside(b, sid) && (b->job->on_terminal || b->job->no_capsule)) {
		b->nodes[i].sid = 0;
		return 0;
	}
	if (leader == NO_NODE && session_is_outside(b, sid))
		leader = node_add(b, NODE_STANDIN, sid, SIGCHLD);
	else if (leader == NO_NODE)
		leader = node_add(b, NODE_HELPER, sid, 0);
	l = &b->nodes[leader];
	if ((uint32_t)leader >= b->nimage)
		l->sid = l->pgid = sid;
	if (l->sid != sid)
		return refuse(b, "process %d is in session %d, which process %d does not lead",
			      b->nodes[i].pid, sid, sid);
	l->setsid = 1;
	return 0;
}

/* A stand-in is where it leads a group of its session, or where it may make a child in it. */
static void standin_seat(struct builder *b, int32_t node, int32_t sid)
{
	struct plan_node *n = &b->nodes[node];

	if (n->kind == NODE_STANDIN && !n->setsid && sid && b->nodes[leader_of(b, sid)].kind == NODE_STANDIN)
		n->sid = sid;
}

int sessions_make(struct builder *b)
{
	int r = 0;

	for (uint32_t i = 0; i < b->nimage && r == 0; i++)
		if (b->nodes[i].sid)
			r = session_make(b, i);
	for (uint32_t i = 0; i < b->nimage && r == 0; i++) {
		struct plan_node *n = &b->nodes[i];

		if (n->sid == 0)
			continue;
		if (n->parent != NODE_INIT)
			standin_seat(b, n->parent, n->sid);
		if (n->pgid && node_of(b, n->pgid) >= 0)
			standin_seat(b, node_of(b, n->pgid), n->sid);
	}
	for (uint32_t i = 0; i < b->n; i++)
		b->birth[i] = b->nodes[i].setsid ? ANY : b->nodes[i].sid;
	return r;
}

/* ---- who makes whom ---- */

/*
 * May node r, which leads a session now, have been in session sid before, because who made it was?
 * Then it is noted for all of those up to where that session is from.
 */
static void birth_claim(struct builder *b, int32_t r, int32_t sid)
{
	int32_t top = r;

	for (;; top = b->nodes[top].parent) {
		if (top == NODE_INIT || !b->nodes[top].setsid)
			return;
		if (b->birth[top] == sid)
			break;
		if (b->birth[top] != ANY || b->nodes[top].kind == NODE_HELPER)
			return;
		if (session_of(b, b->nodes[top].parent) == sid) {
			b->birth[top] = sid;
			break;
		}
	}
	for (; r != top; r = b->nodes[r].parent)
		b->birth[r] = sid;
}

static bool made_after_setsid(const struct builder *b, int32_t i)
{
	return b->birth[i] == ANY || b->birth[i] == session_of(b, b->nodes[i].parent);
}

static bool made_before_setsid(const struct builder *b, int32_t i)
{
	int32_t parent = b->nodes[i].parent;

	return parent != NODE_INIT && b->nodes[parent].setsid && b->birth[i] == b->birth[parent];
}

static bool is_orphan(const struct builder *b, int32_t i)
{
	return !made_after_setsid(b, i) && !made_before_setsid(b, i);
}

/* A leader that has ended is made by the lowest of those in the tree who adopted others of its session. */
static void helper_seat(struct builder *b, int32_t orphan)
{
	const struct plan_node *o = &b->nodes[orphan];
	int32_t leader = leader_of(b, b->birth[orphan]);
	struct plan_node *l;

	if (leader == NODE_INIT || b->nodes[leader].kind != NODE_HELPER)
		return;
	l = &b->nodes[leader];
	if (!is_above(b, l->parent, o->parent) || (l->exit_signal && l->parent == o->parent))
		return;
	l->creator = l->parent = o->parent;
	l->exit_signal = o->exit_signal;
}

static int32_t pid_free(struct builder *b)
{
	if (b->job->no_capsule)
		return 0;
	while (map_slot(&b->pids, b->free_pid)->key)
		b->free_pid++;
	return b->free_pid;
}

/* The leader makes a helper that makes the orphan and ends. */
static int orphan_adopt(struct builder *b, int32_t i, int32_t leader)
{
	struct plan_node *n = &b->nodes[i], *h;

	if (n->exit_signal != SIGCHLD)
		return refuse(b, "process %d, an orphan, would tell its end by signal %d", n->pid,
			      n->exit_signal);
	n->creator = node_add(b, NODE_HELPER, pid_free(b), 0);
	h = &b->nodes[n->creator];
	h->creator = h->parent = leader;
	h->sid = b->birth[n->creator] = b->birth[i];
	h->ends_at_once = 1;
	if (n->parent != NODE_INIT)
		b->nodes[n->parent].adopts = 1;
	return 0;
}

enum { PARENT_MOVED = 1 };

/*
 * Node i was not made by its parent, or the parent was in its session before. PARENT_MOVED: the latter,
 * and the parent has to be placed anew.
 */
static int orphan_place(struct builder *b, int32_t i)
{
	struct plan_node *n = &b->nodes[i];
	int32_t sid = b->birth[i], parent = n->parent, leader = leader_of(b, sid);

	if (leader != NODE_INIT && b->nodes[leader].parent == parent &&
	    b->nodes[leader].exit_signal == n->exit_signal) {
		n->creator = leader;
		n->clone_flags = CLONE_PARENT;
		return 0;
	}
	if (leader != NODE_INIT && is_above(b, parent, leader))
		return orphan_adopt(b, i, leader);
	if (parent == NODE_INIT || !b->nodes[parent].setsid || b->birth[parent] != ANY)
		return refuse(b, "process %d can't be in session %d: its parent %d never was", n->pid,
			      sid, parent == NODE_INIT ? 1 : b->nodes[parent].pid);
	b->birth[parent] = sid;
	n->creator = parent;
	n->before_setsid = 1;
	return PARENT_MOVED;
}

static int node_place(struct builder *b, int32_t i)
{
	int r = PARENT_MOVED;

	for (; r == PARENT_MOVED; i = b->nodes[i].parent) {
		r = 0;
		if (is_orphan(b, i)) {
			r = orphan_place(b, i);
			continue;
		}
		b->nodes[i].creator = b->nodes[i].parent;
		b->nodes[i].before_setsid = !made_after_setsid(b, i);
	}
	return r;
}

int creators_find(struct builder *b)
{
	uint32_t n = b->n;
	int r = 0;

	for (uint32_t i = 0; i < n; i++)
		if (!b->nodes[i].setsid && is_orphan(b, i))
			birth_claim(b, b->nodes[i].parent, b->birth[i]);
	for (uint32_t i = 0; i < n; i++)
		if (b->nodes[i].kind != NODE_HELPER && is_orphan(b, i))
			helper_seat(b, i);
	for (uint32_t i = 0; i < n && r == 0; i++)
		if (b->nodes[i].kind != NODE_HELPER)
			r = node_place(b, i);
	return r;
}

int adoptions_check(struct builder *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		const struct plan_node *n = &b->nodes[i];
		int32_t x = n->creator;

		if (x == NODE_INIT || !b->nodes[x].ends_at_once)
			continue;
		for (x = b->nodes[x].creator; x != NODE_INIT && !b->nodes[x].adopts;)
			x = b->nodes[x].parent;
		if (x != n->parent)
			return refuse(b, "process %d, an orphan, would be adopted by process %d, not %d",
				      n->pid, x == NODE_INIT ? 1 : b->nodes[x].pid,
				      n->parent == NODE_INIT ? 1 : b->nodes[n->parent].pid);
	}
	return 0;
}
