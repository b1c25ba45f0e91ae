/*
 * Writing an image. What is appended takes its place in the file by an atomic add to the tail and
 * then goes there, so writers, processes or threads, neither wait for each other nor leave gaps.
 *
 * The compressor lives in memory that zstd is given once; it never allocates.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <errno.h>
#include <sodium.h>
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

/* Room for compressed bytes, or for raw ones, and for a seal around them. */
static size_t out_size(int level, size_t raw_max)
{
	return (level ? ZSTD_compressBound(raw_max) : raw_max) + IMAGE_SEAL;
}

/* The compressor first, its output behind it, in one mapping. */
int image_scratch_init(struct image_scratch *s, int level, size_t raw_max)
{
	size_t work = level ? cctx_size(level, raw_max) : 0, out = out_size(level, raw_max);
	struct image_scratch made = {.out_cap = out};
	uint8_t *mem;

	if (raw_max > IMAGE_SECTION_MAX)
		return -EINVAL;
	mem = map_pages(work + out);
	if (!mem)
		return -ENOMEM;
	made.out = mem + work;
	if (level)
		made.cctx = ZSTD_initStaticCCtx(mem, work);
	if (level && !made.cctx) {
		sys_munmap(mem, work + out);
		return -EINVAL;
	}
	*s = made;
	return 0;
}

/* Undo image_scratch_init(s, level, raw_max). */
static void scratch_free(struct image_scratch *s, int level, size_t raw_max)
{
	size_t work = level ? cctx_size(level, raw_max) : 0;

	if (s->out)
		sys_munmap(s->out - work, work + s->out_cap);
}

/* ---- appending ---- */

/* What goes into the file for some raw bytes. */
struct stored {
	const void *data;
	size_t len; /* the raw length: not compressed */
};

/* Compressed, if that makes it smaller; where it is to be sealed. */
static struct stored pack(const struct image_writer *w, struct image_scratch *s, const void *raw,
			  size_t n)
{
	uint8_t *to = s->out + IMAGE_SEAL_FRONT;
	size_t len;

	if (!s->cctx)
		return (struct stored){raw, n};
	len = ZSTD_compressCCtx(s->cctx, to, s->out_cap - IMAGE_SEAL, raw, n, w->level);
	if (ZSTD_isError(len) || len >= n)
		return (struct stored){raw, n};
	return (struct stored){to, len};
}

/* Keep the first error of all writers; relaxed, whoever reads it only wants to stop early. */
static int set_error(struct image_writer *w, int err)
{
	int32_t none = 0;

	__atomic_compare_exchange_n(&w->shared->image_err, &none, err, false, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
	return err;
}

/* Bytes that st takes in the file. */
static size_t stored_size(const struct image_writer *w, struct stored st)
{
	return st.len + image_seal_size(&w->key);
}

/* A place in the file for n bytes. */
static int take_place(struct image_writer *w, size_t n, uint64_t *offset)
{
	int r = __atomic_load_n(&w->shared->image_err, __ATOMIC_RELAXED);

	if (r < 0)
		return r;
	*offset = __atomic_fetch_add(&w->shared->tail, n, __ATOMIC_RELAXED);
	return 0;
}

static int write_place(struct image_writer *w, struct stored st, uint64_t offset)
{
	int r = io_pwrite(w->fd, st.data, st.len, offset);

	return r < 0 ? set_error(w, r) : 0;
}

/* Put st where there is room; the place goes to *offset. */
static int append(struct image_writer *w, struct stored st, uint64_t *offset)
{
	int r = take_place(w, st.len, offset);

	return r < 0 ? r : write_place(w, st, *offset);
}

/* What goes into the file for st: sealed, if the image is encrypted, in the memory of s. */
static struct stored seal(const struct image_writer *w, struct image_scratch *s, const struct image_bound *bound,
			  struct stored st)
{
	if (!w->key.on)
		return st;
	image_seal(&w->key, bound, st.data, st.len, s->out);
	return (struct stored){s->out, stored_size(w, st)};
}

/* ---- beginning ---- */

int image_encrypt(struct image_writer *w, const uint8_t *master, bool first)
{
	struct shared_head *sh = w->shared;

	if (first)
		randombytes_buf(sh->salt, sizeof(sh->salt));
	image_key_derive(&w->key, master, sh->salt);
	if (first) {
		__builtin_memcpy(sh->key_check, w->key.check, sizeof(sh->key_check));
		sh->encrypted = 1;
	}
	return __builtin_memcmp(sh->key_check, w->key.check, sizeof(sh->key_check)) ? -EKEYREJECTED : 0;
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

	if (w->key.on) {
		h.version = IMAGE_VERSION_FLAGS;
		h.flags = HEADER_ENCRYPTED;
		__builtin_memcpy(h.salt, w->shared->salt, sizeof(h.salt));
		__builtin_memcpy(h.key_check, w->key.check, sizeof(h.key_check));
	}
	h.checksum = image_checksum(&h, offsetof(struct image_header, checksum));
	w->header = h;
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
	struct image_bound bound = {.raw = n};
	struct stored st;
	int r;

	if (n == 0 || n > IMAGE_CHUNK_MAX || (w->key.on && !s->out))
		return set_error(w, -EINVAL);
	st = pack(w, s, raw, n);
	made.stored = stored_size(w, st);
	r = take_place(w, made.stored, &made.offset);
	if (r < 0)
		return r;
	bound.offset = made.offset;
	st = seal(w, s, &bound, st);
	made.checksum = image_checksum(st.data, st.len);
	r = write_place(w, st, made.offset);
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

/* Seal the packed bytes of a section if they are to be, and append them. */
static int append_section(struct image_writer *w, struct image_scratch *s, struct image_section *sec, struct stored st)
{
	struct image_writer clear = {.fd = w->fd, .shared = w->shared};
	struct image_bound bound = {.type = sec->type, .owner = sec->owner, .first = sec->first, .raw = sec->raw};
	int r;

	if (sec->type == SECTION_KEYFILE)
		w = &clear;
	else if (w->key.on && !s->out)
		return set_error(w, -ENOMEM);
	sec->stored = stored_size(w, st);
	r = take_place(w, sec->stored, &sec->offset);
	if (r < 0)
		return r;
	bound.flags = sec->flags;
	bound.offset = sec->offset;
	st = seal(w, s, &bound, st);
	sec->checksum = image_checksum(st.data, st.len);
	return write_place(w, st, sec->offset);
}

/*
 * Fill in and append the section *sec. It is compressed in one piece, in memory that lasts no longer;
 * without it, not at all.
 */
static int put_section(struct image_writer *w, struct image_section *sec, const void *raw, size_t n)
{
	int level = sec->flags & SECTION_ZSTD && n > 0 && n <= IMAGE_SECTION_MAX ? w->level : 0, r;
	struct image_scratch s = {0};
	struct stored st;

	if (level || w->key.on)
		image_scratch_init(&s, level, n);
	st = pack(w, &s, raw, n);
	if (st.len == n)
		sec->flags &= ~SECTION_ZSTD;
	sec->raw = n;
	r = append_section(w, &s, sec, st);
	scratch_free(&s, level, n);
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
	if (w->key.on)
		image_mac(&w->key, &w->header, all.data, all.len, &t, t.mac);
	t.checksum = image_checksum(&t, offsetof(struct image_trailer, checksum));
	return append(w, (struct stored){&t, sizeof(t)}, &at);
}
