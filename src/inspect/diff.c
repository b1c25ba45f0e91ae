/*
 * What changed between two images of a job, by mapping: the areas of both are cut where either begins or ends, and
 * what both have is compared page by page.
 */
#include <stdlib.h>
#include <string.h>
#include "die.h"
#include "diff.h"
#include "memory.h"

enum { BLOCK = 256 * CKPT_PAGE };

static void *need(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		die("out of memory");
	return p;
}

/* ---- one stretch ---- */

struct comparison {
	struct memory *a, *b;
	uint8_t *in_a, *in_b; /* BLOCK each */
};

static uint64_t next_of(struct memory *m, const struct area *area, uint64_t at, uint64_t end)
{
	uint64_t s, e;

	return memory_next(m, area, at, &s, &e) && s < end ? s : end;
}

static void block_read(struct memory *m, uint64_t at, uint8_t *to, size_t n)
{
	size_t got = memory_read(m, at, to, n);

	memset(to + got, 0, n - got);
}

/* How many pages of [at, end), which lies in one area of each, differ. */
static uint64_t pages_compare(const struct comparison *c, const struct area *a, const struct area *b, uint64_t at,
			      uint64_t end)
{
	uint64_t changed = 0;

	for (;;) {
		uint64_t in_a = next_of(c->a, a, at, end), in_b = next_of(c->b, b, at, end);
		size_t n;

		at = (in_a < in_b ? in_a : in_b) / CKPT_PAGE * CKPT_PAGE;
		if (at >= end)
			return changed;
		n = end - at < BLOCK ? end - at : BLOCK;
		block_read(c->a, at, c->in_a, n);
		block_read(c->b, at, c->in_b, n);
		for (size_t i = 0; i < n; i += CKPT_PAGE)
			changed += memcmp(c->in_a + i, c->in_b + i, CKPT_PAGE) != 0;
		at += n;
	}
}

/* ---- one process ---- */

/* The first area that ends behind at, from i on; guards are no areas of their own. */
static size_t area_from(const struct process *p, size_t i, uint64_t at)
{
	while (i < p->nareas && (p->areas[i].rec.end <= at || p->areas[i].rec.flags & VMA_GUARD))
		i++;
	return i;
}

static bool covers(const struct area *a, uint64_t at)
{
	return a && a->rec.start <= at && at < a->rec.end;
}

static struct change *change_of(struct difference *d, const struct area *area)
{
	if (d->nchanges && d->changes[d->nchanges - 1].area == area)
		return &d->changes[d->nchanges - 1];
	d->changes[d->nchanges] = (struct change){.area = area};
	return &d->changes[d->nchanges++];
}

static uint64_t lower(uint64_t x, uint64_t y)
{
	return x < y ? x : y;
}

static void process_compare(struct difference *d, const struct comparison *c)
{
	const struct process *pa = d->before, *pb = d->after;
	uint64_t at = 0;

	d->changes = need(2 * (pa->nareas + pb->nareas) + 1, sizeof(*d->changes));
	for (size_t ia = 0, ib = 0;;) {
		const struct area *a, *b;
		uint64_t end = UINT64_MAX;
		struct change *now;

		ia = area_from(pa, ia, at);
		ib = area_from(pb, ib, at);
		a = ia < pa->nareas ? &pa->areas[ia] : NULL;
		b = ib < pb->nareas ? &pb->areas[ib] : NULL;
		if (!a && !b)
			return;
		if (!covers(a, at) && !covers(b, at))
			at = lower(a ? a->rec.start : UINT64_MAX, b ? b->rec.start : UINT64_MAX);
		if (a)
			end = lower(end, covers(a, at) ? a->rec.end : a->rec.start);
		if (b)
			end = lower(end, covers(b, at) ? b->rec.end : b->rec.start);
		now = change_of(d, covers(b, at) ? b : a);
		if (!covers(a, at))
			now->added += (end - at) / CKPT_PAGE;
		else if (!covers(b, at))
			now->removed += (end - at) / CKPT_PAGE;
		else
			now->changed += pages_compare(c, a, b, at, end);
		at = end;
	}
}

static const struct process *process_of(const struct report *r, int pid)
{
	for (size_t i = 0; i < r->nprocesses; i++)
		if (r->processes[i].rec.pid == pid)
			return &r->processes[i];
	return NULL;
}

static void both_compare(struct difference *d, const struct report *a, const struct report *b)
{
	struct comparison c = {
		.a = memory_open(a, d->before),
		.b = memory_open(b, d->after),
		.in_a = need(1, BLOCK),
		.in_b = need(1, BLOCK),
	};

	process_compare(d, &c);
	free(c.in_a);
	free(c.in_b);
}

struct difference *report_diff(const struct report *a, const struct report *b, size_t *n)
{
	struct difference *all = need(a->nprocesses + b->nprocesses, sizeof(*all));

	*n = 0;
	for (size_t i = 0; i < b->nprocesses; i++) {
		struct difference *d = &all[(*n)++];

		d->after = &b->processes[i];
		d->before = process_of(a, d->after->rec.pid);
		if (d->before)
			both_compare(d, a, b);
	}
	for (size_t i = 0; i < a->nprocesses; i++)
		if (!process_of(b, a->processes[i].rec.pid))
			all[(*n)++].before = &a->processes[i];
	return all;
}
