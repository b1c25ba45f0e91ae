/*
 * Process groups. They are joined when all processes are made: until then, whoever leads one is there, be it a helper
 * or a zombie.
 */
#include <signal.h>
#include "pstree_parts.h"

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

int groups_make(struct builder *b)
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

int late_order(struct builder *b, int32_t *queue)
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
