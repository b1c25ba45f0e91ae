/*
 * Whether what the image says of a process's memory can be at all. The restorer writes where it is told and goes on
 * where it is told, so this is looked at before any file is touched or any process made. What depends on
 * the files as they are now is plan.c's business.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include "die.h"
#include "handover.h"
#include "restart.h"
#include "special.h"

struct areas {
	struct rec_vma *v; /* ascending, without guard pages */
	uint32_t n;
};

/* The area at addr, NULL when there is none. */
static const struct rec_vma *area_at(const struct areas *a, uint64_t addr)
{
	uint32_t low = 0, high = a->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (a->v[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < a->n && a->v[low].start <= addr ? &a->v[low] : NULL;
}

/* Is each byte of [start, start + len) in an area? */
static bool covered(const struct areas *a, uint64_t start, uint64_t len)
{
	uint64_t end = start + len;
	const struct rec_vma *v;

	while (start < end && (v = area_at(a, start)))
		start = v->end;
	return start >= end && end >= len;
}

static void area_check(const struct restart *r, const struct rec_vma *v, uint64_t above)
{
	if (!area_plausible(v, v->flags & VMA_GUARD ? 0 : above))
		die("%s: damaged: area %lx-%lx", r->path, (long)v->start, (long)v->end);
	if (v->flags & VMA_HUGETLB && (v->page_kb < 4 || v->page_kb & (v->page_kb - 1)))
		die("%s: damaged: area %lx of huge pages", r->path, (long)v->start);
	if (v->flags & VMA_SYSV && (v->offset > v->start || v->offset % CKPT_PAGE || !(v->flags & VMA_SHARED)))
		die("%s: damaged: area %lx of SysV shared memory", r->path, (long)v->start);
}

static struct areas areas_check(const struct restart *r, const struct saved *p)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	struct areas a = {0};
	uint64_t above = 0;
	const struct rec *rec;
	uint32_t n = 0;

	while (rec_next_type(&it, REC_VMA))
		n++;
	a.v = calloc(n + 1, sizeof(*a.v));
	if (!a.v)
		die("out of memory");
	it = rec_iter(p->records, p->nrecords);
	while ((rec = rec_next_type(&it, REC_VMA))) {
		struct rec_vma *v = &a.v[a.n];

		rec_get(rec, v, sizeof(*v));
		area_check(r, v, above);
		if (v->flags & VMA_GUARD)
			continue;
		above = v->end;
		a.n++;
	}
	return a;
}

static void extents_check(const struct restart *r, const struct saved *p, const struct areas *a)
{
	for (size_t i = 0; i < p->nextents; i++) {
		const struct image_extent *e = &p->extents[i];

		if (e->stream < STREAM_OBJECT && !covered(a, e->start, e->len))
			die("%s: damaged: contents outside of memory at %lx", r->path, (long)e->start);
	}
}

/* Threads are sent to where they stood in libckpt. */
static void threads_check(const struct restart *r, const struct saved *p, const struct areas *a)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *rec;
	uint32_t n = 0;

	for (; (rec = rec_next_type(&it, REC_THREAD)); n++) {
		const struct rec_vma *code, *stack;
		struct rec_thread t;

		rec_get(rec, &t, sizeof(t));
		code = area_at(a, t.context.rip);
		stack = area_at(a, t.context.rsp);
		if (!code || !(code->prot & PROT_EXEC) || !stack || !(stack->prot & PROT_WRITE))
			die("%s: damaged: thread %d is outside of memory", r->path, t.tid);
	}
	if (n != p->rec.nthreads)
		die("%s: damaged: threads are missing", r->path);
}

/* What every libckpt has of struct restart_control; one that encrypts has all. */
static size_t control_size(const struct restart *r)
{
	return r->keyfile[0] ? offsetof(struct restart_control, graft) : offsetof(struct restart_control, moves);
}

void memory_check(const struct restart *r, const struct saved *p)
{
	struct areas a = areas_check(r, p);
	const struct rec_vma *v = area_at(&a, p->rec.control);

	extents_check(r, p, &a);
	if (!v || v->flags & VMA_SHARED || v->end - p->rec.control < control_size(r))
		die("%s: damaged: libckpt is not in it", r->path);
	threads_check(r, p, &a);
	free(a.v);
}
