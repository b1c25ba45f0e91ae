/*
 * What mapped files hold is in the image once for the whole job, whoever has them mapped where. A table
 * that all writers share has a slot for each piece of each file. The first to claim it writes the piece, and
 * tells in the slot where; the others refer to that.
 *
 * Pieces end where offsets in the file are multiples of PIECE, so that processes whose mappings differ
 * a little still have most of them in common. Their keys are hashes of file, offset and length; a slot
 * is found by trying a few, and a process that finds none free writes the piece for itself.
 */
#define _GNU_SOURCE
#include "writer.h"
#include "frozen.h"

struct text_slot {
	uint64_t key;   /* 0: free; claimed by compare and exchange */
	uint32_t ready; /* futex: chunk and chunk_offset hold */
	uint32_t chunk, chunk_offset;
	uint32_t reserved;
};

enum { SLOTS = 1 << 16, TRIES = 64, PIECE = 256 << 10 };

void texts_begin(struct writer *w)
{
	uint64_t offset;

	if (w->shared->nprocesses > 1 && writer_map_shared(w, SLOTS * sizeof(struct text_slot), &offset))
		w->shared->texts_offset = offset;
}

static uint64_t piece_key(struct writer *w, const struct text_range *t, const struct text_piece *p)
{
	struct {
		struct text_file file;
		uint64_t offset, len;
	} what = {t->file, t->offset + (p->start - t->start), p->len};
	struct image_hash h = image_hash(&what, sizeof(what), w->shared->hash_seed);

	return h.low ? h.low : 1;
}

/* Take a slot for the piece, or find the one that another process has taken for the same. Relaxed: what is in the slot is read when it is ready. */
static void claim(struct writer *w, const struct text_range *t, struct text_piece *p)
{
	uint64_t key = w->texts ? piece_key(w, t, p) : 0;

	p->slot = -1;
	p->ours = true;
	for (uint32_t i = 0; w->texts && i < TRIES; i++) {
		struct text_slot *s = &w->texts[(key + i) % SLOTS];
		uint64_t is = 0;

		p->slot = (key + i) % SLOTS;
		if (__atomic_compare_exchange_n(&s->key, &is, key, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return;
		p->ours = false;
		if (is == key)
			return;
		p->ours = true;
		p->slot = -1;
	}
}

int texts_claim(struct writer *w)
{
	const struct text_range *t = (const struct text_range *)w->plan.text.data;
	uint32_t n = w->plan.text.len / sizeof(*t);

	if (w->shared->texts_offset)
		w->texts = writer_map_at(w, w->shared->texts_offset, SLOTS * sizeof(*w->texts));
	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = t[i].start, end;

		for (; at < t[i].end; at = end) {
			struct text_piece p = {.start = at, .text = i};
			uint64_t offset = t[i].offset + (at - t[i].start);

			end = at + (PIECE - offset % PIECE);
			end = end < t[i].end ? end : t[i].end;
			p.len = end - at;
			claim(w, &t[i], &p);
			blob_put(&w->pieces, &p, sizeof(p));
		}
	}
	return w->pieces.err;
}

static void place_ours(struct writer *w, struct text_piece *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct text_slot *s;

		if (!p[i].ours || p[i].slot < 0)
			continue;
		s = &w->texts[p[i].slot];
		s->chunk = p[i].chunk;
		s->chunk_offset = p[i].chunk_offset;
		__atomic_store_n(&s->ready, 1, __ATOMIC_RELEASE); /* pairs with writer_await() */
		shared_wake(&s->ready);
	}
}

static int refer_to_others(struct writer *w, struct text_piece *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct text_slot *s;
		int r;

		if (p[i].ours)
			continue;
		s = &w->texts[p[i].slot];
		r = writer_await(w, &s->ready, 1);
		if (r < 0)
			return r;
		extents_refer(&w->list,
			      (struct image_extent){p[i].start, p[i].len, s->chunk, s->chunk_offset,
						    STREAM_FILE_TEXT},
			      i && p[i - 1].text == p[i].text);
	}
	return w->list.refs.err;
}

int texts_refer(struct writer *w)
{
	struct text_piece *p = (struct text_piece *)w->pieces.data;
	size_t n = w->pieces.len / sizeof(*p);

	if (!w->texts)
		return 0;
	place_ours(w, p, n);
	return refer_to_others(w, p, n);
}
