/*
 * Writing an image. What is appended takes its place in the file by an atomic add to the tail and
 * then goes there, so writers, processes or threads, neither wait for each other nor leave gaps.
 *
 * The compressor lives in memory that zstd is given once; it never allocates.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <errno.h>
#include <sys/mman.h>
#include "image.h"

static void *map_pages(size_t n)
{
	void *p = sys_mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_is_err(p) ? NULL : p;
}

/* ---- scratch ---- */

/*
 * Bytes of a compressor for any input up to raw_max. zstd's parameters depend on the size of its
 * input, in steps; within a step the largest input needs the most.
 */
static size_t cctx_size(int level, size_t raw_max)
{
	const size_t steps[] = {16 << 10, 128 << 10, 256 << 10, raw_max};
	size_t most = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		size_t raw = steps[i] < raw_max ? steps[i] : raw_max;
		size_t n = ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(level, raw, 0));

		if (!ZSTD_isError(n) && n > most)
			most = n;
	}
	return ALIGN_UP(most, (size_t)CKPT_PAGE);
}

/* The compressor first, its output behind it, in one mapping. */
int image_scratch_init(struct image_scratch *s, int level, size_t raw_max)
{
	struct image_scratch made = {0};
	size_t work;
	uint8_t *mem;

	if (level == 0) {
		*s = made;
		return 0;
	}
	if (raw_max > IMAGE_SECTION_MAX)
		return -EINVAL;
	work = cctx_size(level, raw_max);
	made.out_cap = ZSTD_compressBound(raw_max);
	mem = map_pages(work + made.out_cap);
	if (!mem)
		return -ENOMEM;
	made.out = mem + work;
	made.cctx = ZSTD_initStaticCCtx(mem, work);
	if (!made.cctx) {
		sys_munmap(mem, work + made.out_cap);
		return -EINVAL;
	}
	*s = made;
	return 0;
}

/* Undo image_scratch_init(s, level, raw_max). */
static void scratch_free(struct image_scratch *s, int level, size_t raw_max)
{
	size_t work;

	if (!s->cctx)
		return;
	work = cctx_size(level, raw_max);
	sys_munmap(s->out - work, work + s->out_cap);
}

/* ---- appending ---- */

/* What goes into the file for some raw bytes. */
struct stored {
	const void *data;
	size_t len; /* the raw length: not compressed */
};

/* Compressed, if that makes it smaller. */
static struct stored pack(const struct image_writer *w, struct image_scratch *s, const void *raw,
			  size_t n)
{
	size_t len;

	if (!s->cctx)
		return (struct stored){raw, n};
	len = ZSTD_compressCCtx(s->cctx, s->out, s->out_cap, raw, n, w->level);
	if (ZSTD_isError(len) || len >= n)
		return (struct stored){raw, n};
	return (struct stored){s->out, len};
}

/* Keep the first error of all writers; relaxed, whoever reads it only wants to stop early. */
static int set_error(struct image_writer *w, int err)
{
	int32_t none = 0;

	__atomic_compare_exchange_n(&w->shared->image_err, &none, err, false, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
	return err;
}

/* Put st where there is room; the place goes to *offset. */
static int append(struct image_writer *w, struct stored st, uint64_t *offset)
{
	int r = __atomic_load_n(&w->shared->image_err, __ATOMIC_RELAXED);

	if (r < 0)
		return r;
	*offset = __atomic_fetch_add(&w->shared->tail, st.len, __ATOMIC_RELAXED);
	r = io_pwrite(w->fd, st.data, st.len, *offset);
	return r < 0 ? set_error(w, r) : 0;
}

int image_begin(struct image_writer *w, uint64_t created_ns)
{
	struct image_header h = {
		.magic = IMAGE_MAGIC,
		.version = IMAGE_VERSION,
		.machine = IMAGE_MACHINE,
		.header_size = sizeof(h),
		.page_size = CKPT_PAGE,
		.created_ns = created_ns,
	};
	int r;

	h.checksum = image_checksum(&h, offsetof(struct image_header, checksum));
	w->shared->tail = sizeof(h);
	r = io_pwrite(w->fd, &h, sizeof(h), 0);
	return r < 0 ? set_error(w, r) : 0;
}

/* The counter keeps within its 32 bits, and so do the ids that others have got. */
int image_take_chunks(struct image_writer *w, uint32_t n, uint32_t *first)
{
	uint32_t *next = &w->shared->nchunks, was = __atomic_load_n(next, __ATOMIC_RELAXED);

	do {
		if (n > UINT32_MAX - was)
			return set_error(w, -E2BIG);
	} while (!__atomic_compare_exchange_n(next, &was, was + n, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	*first = was;
	return 0;
}

int image_put_chunk(struct image_writer *w, struct image_scratch *s, const void *raw, size_t n,
		    struct image_chunk *c)
{
	struct image_chunk made = {.raw = n};
	struct stored st;
	int r;

	if (n == 0 || n > IMAGE_CHUNK_MAX)
		return set_error(w, -EINVAL);
	st = pack(w, s, raw, n);
	made.stored = st.len;
	made.checksum = image_checksum(st.data, st.len);
	r = append(w, st, &made.offset);
	if (r < 0)
		return r;
	*c = made;
	return 0;
}

/* ---- sections ---- */

static struct image_section *footer(const struct image_writer *w)
{
	return (struct image_section *)((uint8_t *)w->shared + w->shared->sections_offset);
}

/* An entry of the footer; the count of writers that are done orders it before image_end(). */
static int list_section(struct image_writer *w, const struct image_section *sec)
{
	uint32_t i = __atomic_fetch_add(&w->shared->nsections, 1, __ATOMIC_RELAXED);

	if (i >= w->shared->sections_max)
		return set_error(w, -E2BIG);
	footer(w)[i] = *sec;
	return 0;
}

/*
 * Fill in and append the section *sec. It is compressed in one piece, in memory that lasts no longer;
 * without it, not at all.
 */
static int put_section(struct image_writer *w, struct image_section *sec, const void *raw, size_t n)
{
	struct image_scratch s = {0};
	struct stored st;
	int r;

	if ((sec->flags & SECTION_ZSTD) && n > 0 && n <= IMAGE_SECTION_MAX)
		image_scratch_init(&s, w->level, n);
	st = pack(w, &s, raw, n);
	if (st.len == n)
		sec->flags &= ~SECTION_ZSTD;
	sec->raw = n;
	sec->stored = st.len;
	sec->checksum = image_checksum(st.data, st.len);
	r = append(w, st, &sec->offset);
	scratch_free(&s, w->level, n);
	return r < 0 ? r : list_section(w, sec);
}

int image_put_section(struct image_writer *w, uint32_t type, uint32_t flags, uint32_t owner,
		      const void *raw, size_t n)
{
	struct image_section sec = {.type = type, .flags = flags, .owner = owner};

	return put_section(w, &sec, raw, n);
}

int image_put_chunks(struct image_writer *w, uint32_t owner, uint32_t first,
		     const struct image_chunk *c, uint32_t n)
{
	struct image_section sec = {
		.type = SECTION_CHUNKS,
		.flags = SECTION_REQUIRED | SECTION_ZSTD,
		.owner = owner,
		.first = first,
	};

	return put_section(w, &sec, c, n * sizeof(*c));
}

int image_end(struct image_writer *w)
{
	uint32_t n = w->shared->nsections;
	struct stored all = {footer(w), n * sizeof(struct image_section)};
	struct image_trailer t = {.nsections = n, .magic = IMAGE_TRAILER_MAGIC};
	uint64_t at;
	int r;

	if (n > IMAGE_SECTIONS_MAX)
		return set_error(w, -E2BIG);
	r = append(w, all, &t.footer_offset);
	if (r < 0)
		return r;
	t.footer_checksum = image_checksum(all.data, all.len);
	t.file_size = w->shared->tail + sizeof(t);
	t.checksum = image_checksum(&t, offsetof(struct image_trailer, checksum));
	return append(w, (struct stored){&t, sizeof(t)}, &at);
}
