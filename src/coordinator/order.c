#include "order.h"

#include <errno.h>
#include <stdlib.h>

/* Members by place: the first child of each, and the next one of the same parent; -1: none. */
struct links {
	int32_t first, last, next;
};

static void links_make(const struct checkpoint *cp, struct links *links)
{
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		cp->members[i]->place = i;
		links[i] = (struct links){-1, -1, -1};
	}
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		const struct member *parent = cp->members[i]->parent;
		struct links *l;

		if (!parent)
			continue;
		l = &links[parent->place];
		*(l->last < 0 ? &l->first : &links[l->last].next) = i;
		l->last = i;
	}
}

/* Append those that have no parent in the job, the first or the others. How many there are in the order then. */
static uint32_t roots_put(const struct checkpoint *cp, struct member **order, bool first, uint32_t done)
{
	for (uint32_t i = 0; i < cp->nmembers; i++)
		if (!cp->members[i]->parent && cp->members[i]->is_first == first)
			order[done++] = cp->members[i];
	return done;
}

int members_order(struct checkpoint *cp)
{
	uint32_t n = cp->nmembers, done = 0, seen = 0;
	struct links *links = malloc(n * sizeof(*links));
	struct member **order = malloc(cp->cap * sizeof(*order));

	if (!links || !order) {
		free(links);
		free(order);
		return -ENOMEM;
	}
	links_make(cp, links);
	done = roots_put(cp, order, true, done);
	done = roots_put(cp, order, false, done);
	for (; seen < done; seen++)
		for (int32_t i = links[order[seen]->place].first; i >= 0; i = links[i].next)
			order[done++] = cp->members[i];
	free(links);
	if (done < n) { /* parents in a ring: pids that are out of date */
		free(order);
		return -ESTALE;
	}
	free(cp->members);
	cp->members = order;
	for (uint32_t i = 0; i < n; i++)
		order[i]->place = order[i]->index = i;
	return 0;
}
