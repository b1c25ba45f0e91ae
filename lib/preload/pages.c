/*
 * What a child still has of its parent's memory is in the image once: in the parent's chunks, to which
 * the child's extents refer.
 *
 * A process with children hashes each page it would write, and publishes the hashes with their
 * addresses. A child compares, writes only what differs, and when the parent's chunks have ids, refers
 * to them for the rest; what the parent itself has from its parent is found there too, for its list of
 * extents has those references in it. Hashes have 128 bits and a random seed, so that pages
 * with the same hash have the same content.
 *
 * Only processes that have come from one another by fork alone have anything to compare: after an exec
 * addresses are others (lineage).
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include "writer.h"
#include "frozen.h"

/* Pages [start, end), the first of which has hash number `first`. */
struct page_range {
	uint64_t start, end;
	uint64_t first;
};

/* What is published: this, struct page_range[], struct image_hash[] for the pages of them all. */
struct page_table {
	uint64_t nranges, npages;
	struct page_range range[];
};

enum { BLOCK = 512 }; /* pages that a worker takes at a time; whole words of `same` */

static struct image_hash *table_hash(struct page_table *t)
{
	return (struct image_hash *)(t->range + t->nranges);
}

static size_t table_size(uint64_t nranges, uint64_t npages)
{
	return sizeof(struct page_table) + nranges * sizeof(struct page_range) +
	       npages * sizeof(struct image_hash);
}

/* ---- whose pages are of use to whom ---- */

static struct shared_process *process(struct writer *w, int32_t i)
{
	return &w->shared->process[i];
}

static bool same_lineage(struct writer *w, int32_t parent, int32_t child)
{
	uint64_t a = process(w, parent)->lineage, b = process(w, child)->lineage;

	return a == b || !a || !b;
}

static bool has_children(struct writer *w)
{
	for (uint32_t i = w->index + 1; i < w->shared->nprocesses; i++)
		if (process(w, i)->parent == (int32_t)w->index && same_lineage(w, w->index, i))
			return true;
	return false;
}

static bool has_parent(struct writer *w)
{
	int32_t parent = process(w, w->index)->parent;

	return parent >= 0 && parent < (int32_t)w->index && same_lineage(w, parent, w->index);
}

static void publish(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE); /* pairs with writer_await() */
	shared_wake(word);
}

/* ---- tables ---- */

/* Pages that can be read and are there; the few others are never compared. */
static bool is_plain(const struct memory_range *r)
{
	return !r->soft && !r->unreadable;
}

static void table_fill(struct page_table *t, const struct memory_range *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_plain(&r[i]))
			continue;
		t->range[t->nranges++] = (struct page_range){r[i].start, r[i].end, t->npages};
		t->npages += (r[i].end - r[i].start) / CKPT_PAGE;
	}
}

/* A table of our pages, in memory that all share if it is to be published; the hashes are to come. */
static struct page_table *table_make(struct writer *w, bool shared)
{
	const struct memory_range *r = (const struct memory_range *)w->plan.memory.data;
	struct shared_process *self = process(w, w->index);
	size_t n = w->plan.memory.len / sizeof(*r), size;
	uint64_t nranges = 0, npages = 0;
	struct page_table *t;

	for (size_t i = 0; i < n; i++) {
		if (!is_plain(&r[i]))
			continue;
		nranges++;
		npages += (r[i].end - r[i].start) / CKPT_PAGE;
	}
	size = table_size(nranges, shared ? npages : 0);
	t = shared ? writer_map_shared(w, size, &self->pages_offset) : writer_map(size);
	if (!t)
		return NULL;
	if (shared)
		self->pages_len = size;
	table_fill(t, r, n);
	return t;
}

/* Index of the first range that ends behind the address, or if that is 0, behind the page's number. */
static uint64_t range_find(const struct page_table *t, uint64_t page, uint64_t addr)
{
	uint64_t low = 0, high = t->nranges;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;
		const struct page_range *r = &t->range[mid];

		if (addr ? r->end <= addr : r->first + (r->end - r->start) / CKPT_PAGE <= page)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* ---- hashing and comparing, by all workers ---- */

/* One page of ours after another, from a block to the next. */
struct cursor {
	struct page_table *t;
	const struct page_range *r;
	uint64_t page, end; /* numbers of hashes */
	uint64_t addr;
};

static bool block_take(struct writer *w, struct cursor *c)
{
	struct page_table *t = w->pages.own;
	uint64_t block = __atomic_fetch_add(&w->pages.next, 1, __ATOMIC_RELAXED);

	if (block * BLOCK >= t->npages || shared_is_off(w->shared))
		return false;
	c->t = t;
	c->page = block * BLOCK;
	c->end = c->page + BLOCK < t->npages ? c->page + BLOCK : t->npages;
	c->r = &t->range[range_find(t, c->page, 0)];
	c->addr = c->r->start + (c->page - c->r->first) * CKPT_PAGE;
	return true;
}

static bool page_next(struct cursor *c)
{
	if (++c->page == c->end)
		return false;
	c->addr += CKPT_PAGE;
	if (c->addr == c->r->end)
		c->addr = (++c->r)->start;
	return true;
}

static int hash_some(void *arg)
{
	struct writer *w = arg;
	struct image_hash *hash = table_hash(w->pages.own);
	struct cursor c;

	while (block_take(w, &c)) {
		do
			hash[c.page] = image_hash((void *)c.addr, CKPT_PAGE, w->shared->hash_seed);
		while (page_next(&c));
	}
	return 0;
}

static bool hash_equal(const struct image_hash *a, const struct image_hash *b)
{
	return a->low == b->low && a->high == b->high;
}

/* The hash of our page at the cursor: from the table that we publish, or made now. */
static struct image_hash hash_at(struct writer *w, const struct cursor *c)
{
	if (w->pages.publish)
		return table_hash(c->t)[c->page];
	return image_hash((void *)c->addr, CKPT_PAGE, w->shared->hash_seed);
}

static int compare_some(void *arg)
{
	struct writer *w = arg;
	struct page_table *theirs = w->pages.parent;
	const struct image_hash *hash = table_hash(theirs);
	const struct page_range *end = theirs->range + theirs->nranges;
	struct cursor c;

	while (block_take(w, &c)) {
		const struct page_range *r = &theirs->range[range_find(theirs, 0, c.addr)];

		do {
			struct image_hash mine;

			while (r < end && r->end <= c.addr)
				r++;
			if (r == end || r->start > c.addr)
				continue;
			mine = hash_at(w, &c);
			if (hash_equal(&mine, &hash[r->first + (c.addr - r->start) / CKPT_PAGE]))
				w->pages.same[c.page / 64] |= 1ull << c.page % 64;
		} while (page_next(&c));
	}
	return 0;
}

/* Runs of pages that are the same, each in one range. */
static void collect_runs(struct pages *p)
{
	const struct page_table *t = p->own;

	for (uint64_t i = 0; i < t->nranges; i++) {
		const struct page_range *r = &t->range[i];
		struct same_run run = {0};

		for (uint64_t at = r->start, n = r->first; at < r->end; at += CKPT_PAGE, n++) {
			if (!(p->same[n / 64] >> n % 64 & 1))
				continue;
			if (run.end != at) {
				if (run.end)
					blob_put(&p->runs, &run, sizeof(run));
				run.start = at;
			}
			run.end = at + CKPT_PAGE;
		}
		if (run.end)
			blob_put(&p->runs, &run, sizeof(run));
	}
}

static int run_blocks(struct writer *w, int (*fn)(void *w))
{
	w->pages.next = 0;
	return writer_work(w, w->pages.own->npages / BLOCK + 1, fn);
}

/* ---- the steps ---- */

/* Hash our pages for our children, if there are any. Without memory for it they do without. */
static int hash_for_children(struct writer *w)
{
	struct pages *p = &w->pages;
	int r = 0;

	if (has_children(w))
		p->own = table_make(w, true);
	p->publish = p->own;
	if (p->publish)
		r = run_blocks(w, hash_some);
	publish(&process(w, w->index)->pages_ready, p->publish ? 1 : 2);
	return r;
}

static int compare_with_parent(struct writer *w)
{
	struct shared_process *parent = process(w, process(w, w->index)->parent);
	struct pages *p = &w->pages;
	int r = writer_await(w, &parent->pages_ready, 1);

	if (r < 0 || r == 2)
		return r < 0 ? r : 0;
	if (!p->own)
		p->own = table_make(w, false);
	p->parent = writer_map_at(w, parent->pages_offset, parent->pages_len);
	p->same = p->own ? writer_map((p->own->npages / 64 + 1) * sizeof(*p->same)) : NULL;
	if (!p->own || !p->parent || !p->same)
		return -ENOMEM;
	r = run_blocks(w, compare_some);
	if (r < 0)
		return r;
	collect_runs(p);
	return p->runs.err;
}

int pages_compare(struct writer *w)
{
	int r = hash_for_children(w);

	if (r == 0 && has_parent(w))
		r = compare_with_parent(w);
	return r;
}

/* ---- references ---- */

/* Extents of the parent that one run after another lies in. */
static void refer_run(struct writer *w, const struct same_run *run, const struct image_extent **e,
		      const struct image_extent *end)
{
	uint64_t at = run->start;

	while (*e < end && (*e)->start + (*e)->len <= at)
		++*e;
	for (const struct image_extent *x = *e; x < end && x->start <= at && at < run->end; x++) {
		uint64_t skip = at - x->start;
		uint64_t left = x->len - skip, n = run->end - at < left ? run->end - at : left;

		extents_refer(&w->list,
			      (struct image_extent){at, n, x->chunk, x->chunk_offset + skip, STREAM_MEMORY},
			      at != run->start);
		at += n;
	}
}

static int refer_to_parent(struct writer *w)
{
	struct shared_process *parent = process(w, process(w, w->index)->parent);
	const struct same_run *run = (const struct same_run *)w->pages.runs.data;
	size_t n = w->pages.runs.len / sizeof(*run);
	const struct image_extent *e, *end;
	int r;

	if (n == 0)
		return 0;
	r = writer_await(w, &parent->chunks_ready, 1);
	if (r < 0)
		return r;
	e = writer_map_at(w, parent->extents_offset, parent->extents_len);
	if (!e)
		return -ENOMEM;
	end = e + parent->extents_len / sizeof(*e);
	for (size_t i = 0; i < n; i++)
		refer_run(w, &run[i], &e, end);
	return w->list.refs.err;
}

/* Where our memory is: what is in our chunks and what we refer to, in the order of addresses. */
static int publish_extents(struct writer *w)
{
	const struct image_extent *own = (const struct image_extent *)w->list.own.data;
	const struct image_extent *refs = (const struct image_extent *)w->list.refs.data;
	const struct image_extent *own_end = own + w->list.nown_memory;
	const struct image_extent *refs_end = refs + w->list.nrefs_memory;
	struct shared_process *self = process(w, w->index);
	size_t n = w->list.nown_memory + w->list.nrefs_memory;
	struct image_extent *to = writer_map_shared(w, n * sizeof(*to), &self->extents_offset);

	if (!to)
		return -ENOMEM;
	while (own < own_end || refs < refs_end) {
		if (refs == refs_end || (own < own_end && own->start < refs->start))
			*to++ = *own++;
		else
			*to++ = *refs++;
	}
	self->extents_len = n * sizeof(*to);
	publish(&self->chunks_ready, 1);
	return 0;
}

int pages_refer(struct writer *w)
{
	int r = refer_to_parent(w);

	w->list.nrefs_memory = w->list.refs.len / sizeof(struct image_extent);
	if (r == 0 && w->pages.publish)
		r = publish_extents(w);
	return r;
}
