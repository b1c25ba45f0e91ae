/*
 * The kernel's own areas, vdso and vvar: those that a process had and those of this kernel. Under the same
 * kernel they go where they were. Under another the program keeps the old code as ordinary memory, in
 * which each function jumps to this kernel's, that lies in a hole.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "die.h"
#include "special.h"
#include "vdso.h"

static void *alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		die("out of memory");
	return p;
}

static void special_add(struct special *list, uint32_t *n, uint64_t start, uint64_t end, bool is_vdso)
{
	if (*n == 8)
		die("too many vdso areas");
	list[(*n)++] = (struct special){start, end - start, is_vdso};
}

void special_own_read(struct special_own *own)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[CKPT_PATH_MAX + 128];

	if (!f)
		die("cannot read /proc/self/maps:");
	while (fgets(line, sizeof(line), f)) {
		bool is_vdso = strstr(line, "[vdso]");
		uint64_t start, end;

		if ((!is_vdso && !strstr(line, "[vvar")) || sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		special_add(own->area, &own->n, start, end, is_vdso);
		if (is_vdso)
			own->hash = image_checksum((void *)start, end - start);
	}
	fclose(f);
}

static void old_read(const struct saved *p, struct special_plan *s)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *rec;

	while ((rec = rec_next_type(&it, REC_VMA))) {
		struct rec_vma v;

		rec_get(rec, &v, sizeof(v));
		if (!(v.flags & (VMA_VDSO | VMA_VVAR)))
			continue;
		special_add(s->old, &s->nold, v.start, v.end, v.flags & VMA_VDSO);
	}
}

void special_read(const struct saved *p, const struct special_own *own,
		  struct special_plan *s)
{
	*s = (struct special_plan){.own = own};
	old_read(p, s);
	s->other_kernel = s->nold != own->n || own->hash != p->rec.vdso_hash;
	for (uint32_t i = 0; i < s->nold && !s->other_kernel; i++)
		s->other_kernel = s->old[i].len != own->area[i].len;
}

uint64_t special_span(const struct special_own *own)
{
	const struct special *last;

	if (!own->n)
		return 0;
	last = &own->area[own->n - 1];
	return last->start + last->len - own->area[0].start;
}

/* The areas go to hole and above, with the distances they have; under the same kernel to their old places. */
static void places_choose(const struct special_plan *s, uint64_t hole, uint64_t *to)
{
	for (uint32_t i = 0; i < s->own->n; i++)
		to[i] = s->other_kernel ? hole + (s->own->area[i].start - s->own->area[0].start)
					: s->old[i].start;
}

/* Copy what extent e has of the area into buf; bytes copied. */
static uint64_t extent_read(const struct restart *r, const struct image_extent *e, const struct special *area,
			    uint8_t *buf)
{
	const struct image_chunk *c = &r->image.chunks[e->chunk];
	uint64_t area_end = area->start + area->len;
	uint64_t from = e->start > area->start ? e->start : area->start;
	uint64_t end = e->start + e->len < area_end ? e->start + e->len : area_end;
	uint8_t *stored = alloc(2, IMAGE_STORED_MAX), *raw = stored + IMAGE_STORED_MAX;
	void *dctx = alloc(1, image_dctx_size());
	int err = image_load_chunk(r->image_fd, &r->image.key, c, image_dctx(dctx, image_dctx_size()), stored, raw);

	if (err < 0)
		die("%s: the vdso can't be read: %s", r->path, errno_name(err));
	memcpy(buf + (from - area->start), raw + e->chunk_offset + (from - e->start), end - from);
	free(dctx);
	free(stored);
	return end - from;
}

/* The recorded vdso, from the image. Dies where that does not have it. */
static void *old_vdso_read(const struct restart *r, const struct saved *p, const struct special *area)
{
	uint8_t *image = alloc(1, area->len);
	uint64_t found = 0;

	for (size_t i = 0; i < p->nextents; i++) {
		const struct image_extent *e = &p->extents[i];

		if (e->stream == STREAM_MEMORY && e->start < area->start + area->len &&
		    e->start + e->len > area->start)
			found += extent_read(r, e, area, image);
	}
	if (found != area->len)
		die("%s: made under another kernel (%s), and without its vdso", r->path,
		    r->job.kernel);
	return image;
}

/* A thread in the middle of the old vdso can't go on: the data it reads is not there any more. */
static void threads_outside(const struct restart *r, const struct saved *p, const struct special *area)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *rec;

	while ((rec = rec_next_type(&it, REC_THREAD))) {
		struct rec_thread t;

		rec_get(rec, &t, sizeof(t));
		if (t.app_rip - area->start < area->len)
			die("%s: thread %d was inside of the vdso of %s, which is not this kernel's: another "
			    "generation will do", r->path, t.tid, r->job.kernel);
	}
}

/* The program's way from the functions that it knows to those of this kernel. */
static void redirect(const struct restart *r, const struct saved *p, const struct special_plan *s,
		     struct restore_plan *plan)
{
	struct vdso old = {NULL, 0, 0}, now = {NULL, 0, 0};
	char buf[256];
	struct text why = TEXT(buf);
	int n;

	for (uint32_t i = 0; i < s->own->n; i++)
		if (s->own->area[i].is_vdso)
			now = (struct vdso){(void *)s->own->area[i].start, s->own->area[i].len,
					    plan->special_to[i]};
	for (uint32_t i = 0; i < s->nold; i++) {
		const struct special *area = &s->old[i];

		if (!area->is_vdso)
			continue;
		threads_outside(r, p, area);
		old = (struct vdso){old_vdso_read(r, p, area), area->len, area->start};
	}
	if (!old.len)
		return; /* the program knows of none */
	plan->patches = alloc(VDSO_PATCHES_MAX, sizeof(*plan->patches));
	n = vdso_redirect(&old, &now, plan->patches, &why);
	if (n < 0)
		die("%s: made under another kernel (%s): %s", r->path, r->job.kernel, buf);
	plan->npatches = n;
	free((void *)old.image);
}

void special_plan(const struct restart *r, const struct saved *p, const struct special_plan *s,
		  uint64_t hole, struct restore_plan *plan)
{
	places_choose(s, hole, plan->special_to);
	if (s->other_kernel)
		redirect(r, p, s, plan);
	for (uint32_t i = 0; i < s->own->n; i++) {
		if (!s->own->area[i].is_vdso)
			continue;
		plan->vdso_start = plan->special_to[i];
		plan->vdso_len = s->own->area[i].len;
	}
}

bool special_has(const struct special_plan *s, uint64_t addr)
{
	for (uint32_t i = 0; i < s->nold && !s->other_kernel; i++)
		if (addr - s->old[i].start < s->old[i].len)
			return true;
	return false;
}
