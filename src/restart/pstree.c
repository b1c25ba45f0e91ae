/*
 * The order in which a tree of processes is made: what the image says, then who makes whom (pstree_sessions.c), then
 * process groups (pstree_groups.c).
 *
 * Session 0 is the one init is in. In the tables, processes of the image come first, then its zombies,
 * then stand-ins and helpers; at the end they are sorted so that creators come first.
 */
#include <signal.h>
#include <string.h>
#include "pstree_parts.h"

int refuse(struct builder *b, const char *fmt, ...)
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
struct slot *map_slot(const struct map *m, int32_t key)
{
	uint32_t i = (uint32_t)key * 2654435761u;

	for (i ^= i >> 15;; i++) {
		struct slot *s = &m->slots[i & m->mask];

		if (s->key == key || s->key == 0)
			return s;
	}
}

void map_put(struct map *m, int32_t key, int32_t value)
{
	*map_slot(m, key) = (struct slot){key, value};
}

/* ---- nodes ---- */

int32_t node_of(const struct builder *b, int32_t pid)
{
	const struct slot *s = map_slot(&b->pids, pid);

	return s->key == pid && s->value >= 0 ? s->value : NO_NODE;
}

int32_t node_add(struct builder *b, enum node_kind kind, int32_t pid, int32_t exit_signal)
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

int32_t session_of(const struct builder *b, int32_t node)
{
	return node == NODE_INIT ? 0 : b->nodes[node].sid;
}

int32_t leader_of(const struct builder *b, int32_t sid)
{
	return sid ? node_of(b, sid) : NODE_INIT;
}

bool is_above(const struct builder *b, int32_t a, int32_t x)
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
