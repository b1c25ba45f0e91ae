/*
 * The order in which a tree of processes is made.
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
 *
 * Session 0 is the one init is in. In the tables, processes of the image come first, then its zombies,
 * then stand-ins and helpers; at the end they are sorted so that creators come first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "pstree.h"

enum {
	PID_END = 1 << 22, /* PID_MAX_LIMIT of the kernel */
	PID_FREE = 300,	   /* where the search for the pid of a helper begins, as the kernel's does */
	NO_NODE = -2,
	OUTSIDE = -3, /* no node, but an id from outside of the job */
	ANY = -1, /* as session: whichever */
};

/* Numbers to numbers; never full. */
struct map {
	struct slot {
		int32_t key, value; /* key 0: free */
	} *slots;
	uint32_t mask;
};

/* A process group that the image's processes are in. */
struct group {
	int32_t id, sid;
	uint32_t late;	/* those who join it late */
	bool lasting;	/* has a member that stays in it from the start */
	bool left;	/* it is outside: its members stay where they are made, or lead */
};

struct builder {
	const struct pstree_job *job;
	struct plan_node *nodes;
	int32_t *birth; /* the session each node is made in, or ANY */
	uint32_t n;
	uint32_t nimage; /* processes and zombies, the first ones */
	struct map pids; /* to node; or NO_NODE or OUTSIDE when something else has that number */
	struct map group_ids;
	struct group *groups;
	uint32_t ngroups;
	int32_t free_pid;
	struct text *why;
};

static int __attribute__((format(printf, 2, 3))) refuse(struct builder *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_vput(b->why, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* ---- maps ---- */

static bool map_init(struct map *m, size_t keys)
{
	size_t size = 16;

	while (size < 2 * keys)
		size *= 2;
	m->mask = size - 1;
	m->slots = calloc(size, sizeof(*m->slots));
	return m->slots;
}

/* The slot of the key, or the free one where it belongs. */
static struct slot *map_slot(const struct map *m, int32_t key)
{
	uint32_t i = (uint32_t)key * 2654435761u;

	for (i ^= i >> 15;; i++) {
		struct slot *s = &m->slots[i & m->mask];

		if (s->key == key || s->key == 0)
			return s;
	}
}

static void map_put(struct map *m, int32_t key, int32_t value)
{
	*map_slot(m, key) = (struct slot){key, value};
}

/* ---- nodes ---- */

static int32_t node_of(const struct builder *b, int32_t pid)
{
	const struct slot *s = map_slot(&b->pids, pid);

	return s->key == pid && s->value >= 0 ? s->value : NO_NODE;
}

static int32_t node_add(struct builder *b, enum node_kind kind, int32_t pid, int32_t exit_signal)
{
	b->nodes[b->n] = (struct plan_node){
		.pid = pid,
		.kind = kind,
		.creator = NODE_INIT,
		.parent = NODE_INIT,
		.process = -1,
		.exit_signal = exit_signal,
		.tty_fd = -1,
	};
	b->birth[b->n] = ANY;
	if (pid)
		map_put(&b->pids, pid, b->n);
	return b->n++;
}

static int32_t session_of(const struct builder *b, int32_t node)
{
	return node == NODE_INIT ? 0 : b->nodes[node].sid;
}

static int32_t leader_of(const struct builder *b, int32_t sid)
{
	return sid ? node_of(b, sid) : NODE_INIT;
}

/* Is a (a node or init) above node x in the tree as it will be? */
static bool is_above(const struct builder *b, int32_t a, int32_t x)
{
	while (x != NODE_INIT && x != a)
		x = b->nodes[x].parent;
	return x == a;
}

/* ---- what the image says ---- */

static int ids_check(struct builder *b, int32_t pid, int32_t pgid, int32_t sid)
{
	if (pid == 1)
		return refuse(b, "process 1: its pid is that of init here");
	if (pid < 1 || pid >= PID_END || pgid < 0 || pgid >= PID_END || sid < 0 || sid >= PID_END)
		return refuse(b, "process %d in group %d and session %d: no such ids", pid, pgid, sid);
	if (node_of(b, pid) >= 0)
		return refuse(b, "two processes have pid %d", pid);
	if (sid == pid && pgid != pid)
		return refuse(b, "process %d leads a session, but is in group %d", pid, pgid);
	return 0;
}

static int process_add(struct builder *b, uint32_t i)
{
	const struct pstree_process *p = &b->job->processes[i];
	int r = ids_check(b, p->pid, p->pgid, p->sid);
	struct plan_node *n;

	if (r < 0)
		return r;
	if (p->parent < -1 || (p->parent >= 0 && (uint32_t)p->parent >= i) || p->ppid < 0 ||
	    p->ppid >= PID_END)
		return refuse(b, "process %d has no such parent", p->pid);
	if (p->parent >= 0 && b->nodes[p->parent].pid != p->ppid)
		return refuse(b, "process %d: process %d is not its parent", p->pid,
			      b->nodes[p->parent].pid);
	n = &b->nodes[node_add(b, NODE_PROCESS, p->pid, p->exit_signal)];
	n->process = i;
	n->parent = p->parent;
	n->pgid = p->pgid > 1 ? p->pgid : 0;
	n->sid = p->sid > 1 ? p->sid : 0;
	return 0;
}

static int zombie_add(struct builder *b, const struct pstree_zombie *z)
{
	int r = ids_check(b, z->pid, z->pgid, z->sid);
	struct plan_node *n;

	if (r < 0)
		return r;
	if (z->parent < 0 || (uint32_t)z->parent >= b->job->nprocesses)
		return refuse(b, "process %d, which has ended, has no such parent", z->pid);
	if (z->end_signal < 0 || z->end_signal > SIGRTMAX)
		return refuse(b, "process %d can't have ended by signal %d", z->pid, z->end_signal);
	n = &b->nodes[node_add(b, NODE_ZOMBIE, z->pid, z->exit_signal)];
	n->process = n->parent = z->parent;
	n->pgid = z->pgid > 1 ? z->pgid : 0;
	n->sid = z->sid > 1 ? z->sid : 0;
	n->end_code = z->end_code;
	n->end_signal = z->end_signal;
	memcpy(n->comm, z->comm, sizeof(n->comm));
	return 0;
}

static void id_reserve(struct builder *b, int32_t id)
{
	if (id > 0 && map_slot(&b->pids, id)->key == 0)
		map_put(&b->pids, id, NO_NODE);
}

/* Sessions that came with the job: of its first process, and of who has a terminal. */
static void outside_note(struct builder *b, int32_t sid)
{
	if (sid > 1 && node_of(b, sid) == NO_NODE)
		map_put(&b->pids, sid, OUTSIDE);
}

/* Ids that mean something, though no node has them, are not for helpers. */
static void ids_reserve(struct builder *b)
{
	for (uint32_t i = 0; i < b->job->nprocesses; i++)
		if (b->job->processes[i].has_tty || (i == 0 && !b->job->first_gone))
			outside_note(b, b->job->processes[i].sid);
	outside_note(b, b->job->processes[0].ppid);
	for (uint32_t i = 0; i < b->nimage; i++) {
		id_reserve(b, b->nodes[i].pgid);
		id_reserve(b, b->nodes[i].sid);
	}
	for (uint32_t i = 0; i < b->job->nprocesses; i++)
		id_reserve(b, b->job->processes[i].ppid);
	for (uint32_t i = 0; i < b->job->ntids; i++)
		id_reserve(b, b->job->tids[i]);
}

static int image_read(struct builder *b)
{
	int r = b->job->nprocesses ? 0 : refuse(b, "no processes");

	for (uint32_t i = 0; i < b->job->nprocesses && r == 0; i++)
		r = process_add(b, i);
	for (uint32_t i = 0; i < b->job->nzombies && r == 0; i++)
		r = zombie_add(b, &b->job->zombies[i]);
	b->nimage = b->n;
	if (r == 0)
		ids_reserve(b);
	return r;
}

/* ---- stand-ins and sessions ---- */

/* A stand-in for each parent outside of the job: children of 1 are init's. */
static int parents_make(struct builder *b)
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

static int sessions_make(struct builder *b)
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

static int creators_find(struct builder *b)
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

/* The kernel gives an orphan to the nearest that adopts any: is this the parent it is to have? */
static int adoptions_check(struct builder *b)
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

/* ---- process groups ---- */

static struct group *group_of(struct builder *b, int32_t id)
{
	struct slot *s = map_slot(&b->group_ids, id);

	if (s->key != id) {
		*s = (struct slot){id, b->ngroups};
		b->groups[b->ngroups++] = (struct group){.id = id, .sid = ANY};
	}
	return &b->groups[s->value];
}

static int groups_collect(struct builder *b)
{
	for (uint32_t i = 0; i < b->nimage; i++) {
		const struct plan_node *n = &b->nodes[i];
		struct group *g;

		if (!n->pgid)
			continue;
		g = group_of(b, n->pgid);
		if (g->sid == ANY)
			g->sid = n->sid;
		if (g->sid != n->sid)
			return refuse(b, "process %d: its group %d is in another session", n->pid, g->id);
	}
	return 0;
}

/* Nobody has the group's number: somebody outside of the job led it, or one that has ended. */
static void group_leader_make(struct builder *b, struct group *g)
{
	int32_t session = leader_of(b, g->sid);
	bool outside = g->id == b->job->processes[0].pgid && !b->job->first_gone &&
		       (session == NODE_INIT || b->nodes[session].kind == NODE_STANDIN);
	struct plan_node *n;
	int32_t i;

	if (outside && b->job->no_capsule) {
		g->left = true;
		return;
	}
	i = outside ? node_add(b, NODE_STANDIN, g->id, SIGCHLD) : node_add(b, NODE_HELPER, g->id, 0);
	n = &b->nodes[i];
	n->creator = n->parent = session;
	n->sid = b->birth[i] = g->sid;
	n->pgid = g->id;
	n->leads = 1;
}

static int group_lead(struct builder *b, struct group *g)
{
	int32_t i = node_of(b, g->id);
	struct plan_node *n;

	if (i == NO_NODE) {
		group_leader_make(b, g);
		return 0;
	}
	n = &b->nodes[i];
	if (n->sid != g->sid)
		return refuse(b, "group %d is in session %d, but process %d in session %d", g->id, g->sid,
			      n->pid, n->sid);
	n->leads = !n->setsid;
	if ((uint32_t)i >= b->nimage)
		n->pgid = g->id;
	return 0;
}

static int groups_make(struct builder *b)
{
	int r = groups_collect(b);

	for (uint32_t i = 0; i < b->ngroups && r == 0; i++)
		r = group_lead(b, &b->groups[i]);
	for (uint32_t i = 0; i < b->nimage && r == 0; i++)
		if (b->nodes[i].pgid && group_of(b, b->nodes[i].pgid)->left)
			b->nodes[i].pgid = 0;
	return r;
}

/* It has made a group that others are in, and gone to another: not before they have come. */
static bool joins_late(const struct plan_node *n)
{
	return n->leads && n->pgid != n->pid && n->pgid;
}

/* Late joiners take turns: each leaves the group that it leads when somebody is in it. */
static int late_order(struct builder *b, int32_t *queue)
{
	uint32_t nlate = 0, first = 0, last = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct plan_node *n = &b->nodes[i];

		if (joins_late(n)) {
			group_of(b, n->pgid)->late++;
			nlate++;
		} else if (n->pgid && n->pgid != n->pid) {
			group_of(b, n->pgid)->lasting = true;
		}
	}
	for (uint32_t i = 0; i < b->n; i++)
		if (joins_late(&b->nodes[i]) && group_of(b, b->nodes[i].pid)->lasting)
			queue[last++] = i;
	while (first < last) {
		struct plan_node *n = &b->nodes[queue[first]];
		struct group *g = group_of(b, n->pgid);
		int32_t next = node_of(b, g->id);

		n->group_after = b->n - nlate + first++;
		if (--g->late == 0 && !g->lasting && joins_late(&b->nodes[next]))
			queue[last++] = next;
	}
	for (uint32_t i = 0; i < b->n; i++)
		if (joins_late(&b->nodes[i]) && !b->nodes[i].group_after)
			return refuse(b, "process %d can't go to group %d and leave one behind",
				      b->nodes[i].pid, b->nodes[i].pgid);
	return 0;
}

/* ---- the result ---- */

/* Who is made by whom, as lists: of node c, those it makes begin at first[c + 1]. */
static void links_make(const struct builder *b, int32_t *first, int32_t *next)
{
	for (uint32_t i = 0; i <= b->n; i++)
		first[i] = NO_NODE;
	for (uint32_t i = b->n; i-- > 0;) {
		int32_t *head = &first[b->nodes[i].creator + 1];

		next[i] = *head;
		*head = i;
	}
}

/* Generation by generation, from those that init makes. What is not reached would make itself. */
static uint32_t order_find(const struct builder *b, int32_t *order, int32_t *place)
{
	int32_t *first = place + b->n, *next = first + b->n + 1;
	uint32_t n = 0;

	links_make(b, first, next);
	for (int32_t i = first[0]; i != NO_NODE; i = next[i])
		order[n++] = i;
	for (uint32_t done = 0; done < n; done++)
		for (int32_t i = first[order[done] + 1]; i != NO_NODE; i = next[i])
			order[n++] = i;
	for (uint32_t i = 0; i < b->n; i++)
		place[i] = NO_NODE;
	for (uint32_t i = 0; i < n; i++)
		place[order[i]] = i;
	return n;
}

static int nodes_sort(struct builder *b, struct pstree *tree, int32_t *room)
{
	int32_t *order = room, *place = room + b->n;
	struct plan_node *out;

	if (order_find(b, order, place) < b->n)
		for (uint32_t i = 0; i < b->n; i++)
			if (place[i] == NO_NODE)
				return refuse(b, "process %d would be made by one that it makes itself",
					      b->nodes[i].pid);
	out = calloc(b->n, sizeof(*out));
	if (!out)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->n; i++) {
		out[i] = b->nodes[order[i]];
		if (out[i].creator != NODE_INIT)
			out[i].creator = place[out[i].creator];
		if (out[i].parent != NODE_INIT)
			out[i].parent = place[out[i].parent];
	}
	*tree = (struct pstree){.nodes = out, .n = b->n, .root = place[0]};
	return 0;
}

static int build(struct builder *b, struct pstree *tree, int32_t *room)
{
	int r = image_read(b);

	if (r == 0)
		r = parents_make(b);
	if (r == 0)
		r = sessions_make(b);
	if (r == 0)
		r = creators_find(b);
	if (r == 0)
		r = adoptions_check(b);
	if (r == 0)
		r = groups_make(b);
	if (r == 0)
		r = late_order(b, room);
	return r == 0 ? nodes_sort(b, tree, room) : r;
}

int pstree_build(const struct pstree_job *job, struct pstree *tree, struct text *why)
{
	struct builder b = {.job = job, .why = why, .free_pid = PID_FREE};
	size_t image = (size_t)job->nprocesses + job->nzombies;
	size_t nodes = 5 * image; /* each with a parent, two leaders and a helper of its own */
	int32_t *room;
	int r = -ENOMEM;

	if (image > PID_END)
		return refuse(&b, "more processes than there are pids");
	b.nodes = calloc(nodes + 1, sizeof(*b.nodes));
	b.birth = calloc(nodes + 1, sizeof(*b.birth));
	b.groups = calloc(image + 1, sizeof(*b.groups));
	room = calloc(nodes + 1, 4 * sizeof(*room));
	if (b.nodes && b.birth && b.groups && room && map_init(&b.pids, nodes + job->ntids) &&
	    map_init(&b.group_ids, image))
		r = build(&b, tree, room);
	free(room);
	free(b.group_ids.slots);
	free(b.pids.slots);
	free(b.groups);
	free(b.birth);
	free(b.nodes);
	return r;
}
