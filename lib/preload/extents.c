/*
 * From ranges of memory, pieces copied in the pause and text of files to extents, packed into chunks.
 */
#include "writer.h"
#include "frozen.h"

/* Bytes that the last chunk has room for; all of one when there is none yet. */
static uint32_t chunk_room(struct extent_list *l)
{
	if (l->nchunks == 0 || l->fill == IMAGE_CHUNK_MAX) {
		l->nchunks++;
		l->fill = 0;
	}
	return IMAGE_CHUNK_MAX - l->fill;
}

/* Add len bytes, packing chunks full. */
static void extent_add(struct extent_list *l, uint32_t stream, uint64_t start, uint64_t len,
		       struct extent_src src)
{
	while (len) {
		uint32_t room = chunk_room(l);
		uint32_t n = len < room ? len : room;
		struct image_extent e = {start, n, l->nchunks - 1, l->fill, stream};

		blob_put(&l->own, &e, sizeof(e));
		blob_put(&l->src, &src, sizeof(src));
		l->fill += n;
		l->bytes += n;
		start += n;
		src.addr += n;
		len -= n;
	}
}

/* Memory but for what the parent has too: runs, each of which lies in one range. */
static void cut_memory(struct writer *w)
{
	const struct memory_range *r = (const struct memory_range *)w->plan.memory.data;
	const struct same_run *same = (const struct same_run *)w->pages.runs.data;
	const struct same_run *end = same + w->pages.runs.len / sizeof(*same);

	for (size_t i = 0; i < w->plan.memory.len / sizeof(*r); i++) {
		uint64_t from = r[i].start;

		for (; same < end && same->start < r[i].end; same++) {
			extent_add(&w->list, STREAM_MEMORY, from, same->start - from,
				   (struct extent_src){from, r[i].soft, r[i].unreadable});
			from = same->end;
		}
		extent_add(&w->list, STREAM_MEMORY, from, r[i].end - from,
			   (struct extent_src){from, r[i].soft, r[i].unreadable});
	}
	w->list.nown_memory = w->list.own.len / sizeof(struct image_extent);
}

/* Of memory, which is whole pages, or of all else. */
static void cut_copies(struct writer *w, bool memory)
{
	for (struct save_piece *p = w->sn->save->pieces; p; p = p->next)
		if ((p->stream == STREAM_MEMORY) == memory)
			extent_add(&w->list, p->stream, p->start, p->len,
				   (struct extent_src){(uint64_t)p->data, 0, 0});
}

/*
 * What mapped files hold comes last and begins a chunk: most restarts do without, and then need not
 * unpack it. A piece lies in one chunk, for others to refer to.
 */
static void cut_text(struct writer *w)
{
	struct text_piece *p = (struct text_piece *)w->pieces.data;

	w->list.fill = IMAGE_CHUNK_MAX;
	for (size_t i = 0; i < w->pieces.len / sizeof(*p); i++) {
		if (!p[i].ours)
			continue;
		if (chunk_room(&w->list) < p[i].len)
			w->list.fill = IMAGE_CHUNK_MAX;
		chunk_room(&w->list);
		p[i].chunk = w->list.nchunks - 1;
		p[i].chunk_offset = w->list.fill;
		extent_add(&w->list, STREAM_FILE_TEXT, p[i].start, p[i].len,
			   (struct extent_src){p[i].start, 0, 0});
	}
}

/* Content of files may be of any length: behind it a chunk may end anywhere, but in memory only between two pages. */
int extents_cut(struct writer *w)
{
	cut_memory(w);
	cut_copies(w, true);
	cut_copies(w, false);
	cut_text(w);
	return w->list.own.err ? w->list.own.err : w->list.src.err;
}

void extents_number(struct writer *w, uint32_t first)
{
	struct image_extent *e = (struct image_extent *)w->list.own.data;
	struct text_piece *p = (struct text_piece *)w->pieces.data;

	for (size_t i = 0; i < w->list.own.len / sizeof(*e); i++)
		e[i].chunk += first;
	for (size_t i = 0; i < w->pieces.len / sizeof(*p); i++)
		if (p[i].ours)
			p[i].chunk += first;
}

void extents_refer(struct extent_list *l, struct image_extent e, bool go_on)
{
	struct image_extent *last = l->refs.len ? (struct image_extent *)(l->refs.data + l->refs.len) - 1 : NULL;

	if (last && go_on && last->stream == e.stream && last->chunk == e.chunk &&
	    last->start + last->len == e.start && last->chunk_offset + last->len == e.chunk_offset)
		last->len += e.len;
	else
		blob_put(&l->refs, &e, sizeof(e));
}
