/*
 * What a process has from its parent. A forked child shares most of its memory with the parent, copy on
 * write, and must again: it is made by a fork when the parent's memory is there, and then only what
 * differs is unmapped, mapped and loaded. That bytes are the same is told by the image: both refer to the same
 * bytes of a chunk.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include "die.h"
#include "plan.h"

/* A growing array. */
struct list {
	void *data;
	size_t size; /* of an element */
	uint32_t n, cap;
};

static void *list_add(struct list *l)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->data = realloc(l->data, l->cap * l->size);
		if (!l->data)
			die("out of memory");
	}
	return (uint8_t *)l->data + l->n++ * l->size;
}

static struct list list_of(size_t size)
{
	return (struct list){plan_alloc(1, size), size, 0, 1};
}

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void range_add(struct list *l, uint64_t start, uint64_t end)
{
	if (start < end)
		*(struct plan_range *)list_add(l) = (struct plan_range){start, end};
}

/* Call fn for each part of [start, end) that is in none of the ranges, which ascend; *i only grows. */
static void outside(const struct list *ranges, uint32_t *i, uint64_t start, uint64_t end,
		    void (*fn)(void *arg, uint64_t start, uint64_t end), void *arg)
{
	const struct plan_range *r = ranges->data;

	while (*i < ranges->n && r[*i].end <= start)
		++*i;
	for (uint32_t k = *i; start < end; k++) {
		uint64_t stop = k < ranges->n ? min(end, r[k].start) : end;

		if (start < stop)
			fn(arg, start, stop);
		if (k == ranges->n || r[k].start >= end)
			break;
		start = max(start, r[k].end);
	}
}

/* ---- areas ---- */

/* Mapped alike, so that what is there by fork is what would be mapped. */
static bool same_mapping(const struct plan_vma *a, const struct plan_vma *b)
{
	const uint32_t flags = VMA_SHARED | VMA_GROWSDOWN | VMA_NORESERVE | VMA_HUGETLB | VMA_AIO |
			       VMA_HUGEPAGE | VMA_NOHUGEPAGE | VMA_SYSV | VMA_READONLY;

	/* Of huge pages no part can be unmapped, nor made to read as zeros. */
	if ((a->flags ^ b->flags) & flags || (a->flags | b->flags) & (VMA_DROPPABLE | VMA_HUGETLB) || a->fd != b->fd)
		return false;
	if (a->flags & VMA_SYSV) /* attached as a whole, or inherited as a whole */
		return a->shmid == b->shmid && a->start == b->start && a->end == b->end &&
		       a->offset == b->offset && a->prot == b->prot;
	return a->fd < 0 || a->offset - a->start == b->offset - b->start;
}

/* Ranges that both have, ascending. */
static struct list common_ranges(const struct restore_plan *child, const struct restore_plan *parent)
{
	struct list kept = list_of(sizeof(struct plan_range));
	uint32_t i = 0, k = 0;

	while (i < child->nvmas && k < parent->nvmas) {
		const struct plan_vma *a = &child->vmas[i], *b = &parent->vmas[k];

		if (same_mapping(a, b))
			range_add(&kept, max(a->start, b->start), min(a->end, b->end));
		if (a->end < b->end)
			i++;
		else
			k++;
	}
	return kept;
}

static void add_drop(void *arg, uint64_t start, uint64_t end)
{
	range_add(arg, start, end);
}

struct piece_adder {
	struct list *maps;
	const struct plan_vma *vma;
};

static void add_piece(void *arg, uint64_t start, uint64_t end)
{
	struct piece_adder *a = arg;
	struct plan_vma *piece = list_add(a->maps);

	*piece = *a->vma;
	piece->start = start;
	piece->end = end;
	piece->offset += start - a->vma->start;
}

/* ---- contents ---- */

static int by_start(const void *a, const void *b)
{
	const struct image_extent *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int by_chunk(const void *a, const void *b)
{
	const struct image_extent *x = a, *y = b;

	return x->chunk < y->chunk ? -1 : x->chunk > y->chunk;
}

/* The extents of a plan by address, as a list of its own. */
static struct list extents_sorted(const struct restore_plan *p)
{
	struct list l = list_of(sizeof(struct image_extent));

	for (uint32_t i = 0; i < p->nextents; i++)
		*(struct image_extent *)list_add(&l) = p->extents[i];
	qsort(l.data, l.n, l.size, by_start);
	return l;
}

static void add_load(struct list *loads, const struct image_extent *e, uint64_t start, uint64_t end)
{
	struct image_extent *piece = list_add(loads);

	*piece = *e;
	piece->chunk_offset += start - e->start;
	piece->start = start;
	piece->len = end - start;
}

/* The same byte of the same chunk, for the address that both have. */
static bool same_bytes(const struct image_extent *a, const struct image_extent *b)
{
	return a->chunk == b->chunk && (uint64_t)a->chunk_offset - a->start == (uint64_t)b->chunk_offset - b->start;
}

struct sweep {
	const struct list *kept, *have; /* struct plan_range, struct image_extent of the parent */
	uint32_t k, h;			/* where the next address may be found */
	struct list *loads;
	uint64_t same; /* bytes */
};

/* Add what of e is not there by fork. */
static void sweep_extent(struct sweep *s, const struct image_extent *e)
{
	const struct plan_range *kept = s->kept->data;
	const struct image_extent *have = s->have->data;
	uint64_t at = e->start, end = e->start + e->len, stop;

	for (; at < end; at = stop) {
		while (s->k < s->kept->n && kept[s->k].end <= at)
			s->k++;
		while (s->h < s->have->n && have[s->h].start + have[s->h].len <= at)
			s->h++;
		stop = end;
		if (s->k == s->kept->n || kept[s->k].start > at) {
			if (s->k < s->kept->n)
				stop = min(stop, kept[s->k].start);
			add_load(s->loads, e, at, stop);
			continue;
		}
		stop = min(stop, kept[s->k].end);
		if (s->h == s->have->n || have[s->h].start > at) {
			if (s->h < s->have->n)
				stop = min(stop, have[s->h].start);
			add_load(s->loads, e, at, stop);
			continue;
		}
		stop = min(stop, have[s->h].start + have[s->h].len);
		if (same_bytes(e, &have[s->h]))
			s->same += stop - at;
		else
			add_load(s->loads, e, at, stop);
	}
}

/* Extents as ranges. */
static struct list extent_ranges(const struct list *extents)
{
	struct list l = list_of(sizeof(struct plan_range));
	const struct image_extent *e = extents->data;

	for (uint32_t i = 0; i < extents->n; i++)
		range_add(&l, e[i].start, e[i].start + e[i].len);
	return l;
}

/* Where the parent has content in a kept range, and the process has none. */
static struct list find_zeros(const struct list *kept, const struct list *have, const struct list *own)
{
	struct list zeros = list_of(sizeof(struct plan_range)), ranges = extent_ranges(own);
	const struct plan_range *k = kept->data;
	const struct image_extent *h = have->data;
	uint32_t i = 0, at = 0, from = 0;

	while (i < kept->n && at < have->n) {
		uint64_t end = h[at].start + h[at].len;
		uint64_t start = max(k[i].start, h[at].start), stop = min(k[i].end, end);

		if (start < stop)
			outside(&ranges, &from, start, stop, add_drop, &zeros);
		if (k[i].end < end)
			i++;
		else
			at++;
	}
	free(ranges.data);
	return zeros;
}

/* ---- the whole ---- */

static void take_areas(struct restore_plan *plan, const struct restore_plan *parent, const struct list *kept)
{
	struct list drops = list_of(sizeof(struct plan_range)), maps = list_of(sizeof(struct plan_vma));
	uint32_t at = 0;

	for (uint32_t i = 0; i < parent->nvmas; i++)
		outside(kept, &at, parent->vmas[i].start, parent->vmas[i].end, add_drop, &drops);
	at = 0;
	for (uint32_t i = 0; i < plan->nvmas; i++) {
		struct piece_adder a = {&maps, &plan->vmas[i]};

		outside(kept, &at, plan->vmas[i].start, plan->vmas[i].end, add_piece, &a);
	}
	plan->drops = drops.data;
	plan->ndrops = drops.n;
	plan->maps = maps.data;
	plan->nmaps = maps.n;
}

bool plan_inherit(struct planner *pl, const struct planner *parent)
{
	struct restore_plan *plan = &pl->plan;
	struct list kept = common_ranges(plan, &parent->plan);
	struct list own = extents_sorted(plan), have = extents_sorted(&parent->plan), zeros;
	struct list loads = list_of(sizeof(struct image_extent));
	struct sweep s = {.kept = &kept, .have = &have, .loads = &loads};
	uint64_t all = 0;
	bool worth;

	for (uint32_t i = 0; i < own.n; i++) {
		const struct image_extent *e = (struct image_extent *)own.data + i;

		sweep_extent(&s, e);
		all += e->len;
	}
	worth = s.same >= all / 4 && s.same > 0;
	if (worth) {
		zeros = find_zeros(&kept, &have, &own);
		take_areas(plan, &parent->plan, &kept);
		qsort(loads.data, loads.n, loads.size, by_chunk);
		plan->extents = loads.data;
		plan->nextents = loads.n;
		plan->zeros = zeros.data;
		plan->nzeros = zeros.n;
	} else {
		free(loads.data);
	}
	free(kept.data);
	free(own.data);
	free(have.data);
	return worth;
}
