#include <stdlib.h>
#include "die.h"
#include "tree.h"

enum { DEPTH_MAX = 40 };

enum { NOBODY = -1 };

/* Its place among the others, above it; anything else in a damaged image is taken for none. */
static int32_t parent_of(const struct report *r, int32_t i)
{
	int32_t parent = i < 0 ? NOBODY : r->processes[i].rec.parent;

	return parent >= 0 && parent < i ? parent : NOBODY;
}

/* Below its parent, as far as that is in the image. */
static int depth_of(const struct report *r, const struct process *p)
{
	int depth = 0;

	for (int32_t i = p - r->processes; (i = parent_of(r, i)) != NOBODY && depth < DEPTH_MAX;)
		depth++;
	return depth;
}

/* next[] leads from one to the next of the same parent, child[] to the first child. */
static void walk(const struct report *r, const int32_t *child, const int32_t *next, int32_t first,
		 void (*each)(const struct process *p, int depth, void *arg), void *arg)
{
	for (int32_t i = first, down; i != NOBODY; i = down) {
		each(&r->processes[i], depth_of(r, &r->processes[i]), arg);
		down = child[i];
		for (; down == NOBODY && i != NOBODY; i = parent_of(r, i))
			down = next[i];
	}
}

void tree_walk(const struct report *r, void (*each)(const struct process *p, int depth, void *arg), void *arg)
{
	int32_t *child = malloc((r->nprocesses + 1) * sizeof(*child)), first = NOBODY;
	int32_t *next = malloc((r->nprocesses + 1) * sizeof(*next));

	if (!child || !next)
		die("out of memory");
	for (size_t i = 0; i < r->nprocesses; i++)
		child[i] = NOBODY;
	for (int32_t i = (int32_t)r->nprocesses - 1; i >= 0; i--) {
		int32_t *list = parent_of(r, i) == NOBODY ? &first : &child[parent_of(r, i)];

		next[i] = *list;
		*list = i;
	}
	walk(r, child, next, first, each, arg);
	free(child);
	free(next);
}
