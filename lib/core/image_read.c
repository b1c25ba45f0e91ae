/*
 * Reading an image. The file may be anything: a number from it is compared with what it may be
 * before it is used, and memory is taken only for what the file can really hold.
 *
 * image_open() shows that header, chunks, sections, footer and trailer cover the file without a gap
 * and without an overlap, so there is no byte that no checksum guards.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <errno.h>
#include <sys/stat.h>
#include "image.h"

/* User addresses end here on any machine, five-level page tables included. */
#define ADDRESS_END (1ull << 56)

/* Say why, as far as a place for it was given, and return err. */
static int refuse(struct text *why, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int refuse(struct text *why, int err, const char *fmt, ...)
{
	va_list ap;

	if (!why)
		return err;
	va_start(ap, fmt);
	text_vput(why, fmt, ap);
	va_end(ap);
	return err;
}

static int refuse_read(struct text *why, int err, const char *what)
{
	return refuse(why, err, "%s can't be read: %s", what, errno_name(err));
}

/* ---- spans ---- */

/* Bytes, or numbers, [at, at + len) of a group. */
struct span {
	uint64_t group, at, len;
};

static bool span_before(const struct span *a, const struct span *b)
{
	return a->group != b->group ? a->group < b->group : a->at < b->at;
}

/* Let s[i] sink to its place in the heap s[0..n), the last of a group on top. */
static void span_sink(struct span *s, size_t i, size_t n)
{
	struct span moved = s[i];
	size_t child;

	while ((child = 2 * i + 1) < n) {
		if (child + 1 < n && span_before(&s[child], &s[child + 1]))
			child++;
		if (!span_before(&moved, &s[child]))
			break;
		s[i] = s[child];
		i = child;
	}
	s[i] = moved;
}

static bool spans_sorted(const struct span *s, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (span_before(&s[i], &s[i - 1]))
			return false;
	return true;
}

/* Heapsort: whatever the file says, it takes n log n steps and no memory. */
static void spans_sort(struct span *s, size_t n)
{
	if (spans_sorted(s, n))
		return;
	for (size_t i = n / 2; i-- > 0;)
		span_sink(s, i, n);
	for (size_t i = n; i-- > 1;) {
		struct span last = s[i];

		s[i] = s[0];
		s[0] = last;
		span_sink(s, 0, i);
	}
}

/* Sorts s; true when no two overlap. No at + len may overflow, and no span may be empty. */
static bool spans_disjoint(struct span *s, size_t n)
{
	spans_sort(s, n);
	for (size_t i = 1; i < n; i++)
		if (s[i].group == s[i - 1].group && s[i].at - s[i - 1].at < s[i - 1].len)
			return false;
	return true;
}

/* ---- header, trailer, footer ---- */

static int read_size(struct image *img, struct text *why)
{
	struct stat st;
	int r = sys_call2(__NR_fstat, img->fd, &st);

	if (r < 0)
		return refuse_read(why, r, "its size");
	if (!S_ISREG(st.st_mode))
		return refuse(why, -ENOEXEC, "not an image: not a regular file");
	img->size = st.st_size;
	return 0;
}

static int read_header(struct image *img, struct text *why)
{
	struct image_header *h = &img->header;
	int r;

	if (img->size < sizeof(h->magic))
		return refuse(why, -ENOEXEC, "not an image: %lu bytes long", img->size);
	r = io_pread(img->fd, h->magic, sizeof(h->magic), 0);
	if (r < 0)
		return refuse_read(why, r, "the header");
	if (__builtin_memcmp(h->magic, IMAGE_MAGIC, sizeof(h->magic)))
		return refuse(why, -ENOEXEC, "not an image");
	if (img->size < sizeof(*h) + sizeof(struct image_trailer))
		return refuse(why, -EBADMSG, "truncated: %lu bytes long", img->size);
	r = io_pread(img->fd, h, sizeof(*h), 0);
	if (r < 0)
		return refuse_read(why, r, "the header");
	if (h->checksum != image_checksum(h, offsetof(struct image_header, checksum)))
		return refuse(why, -EBADMSG, "damaged: wrong checksum of the header");
	if (h->version != IMAGE_VERSION && h->version != IMAGE_VERSION_FLAGS)
		return refuse(why, -EPROTONOSUPPORT, "format version %u, known here are versions %d and %d",
			      h->version, IMAGE_VERSION, IMAGE_VERSION_FLAGS);
	if (h->version == IMAGE_VERSION_FLAGS && h->flags & ~HEADER_ENCRYPTED)
		return refuse(why, -ENOTSUP, "made by a newer version: unknown flags %x", h->flags);
	if (h->machine != IMAGE_MACHINE)
		return refuse(why, -ENOTSUP, "made on another architecture (ELF machine %u)",
			      h->machine);
	if (h->page_size != CKPT_PAGE)
		return refuse(why, -ENOTSUP, "made with pages of %u bytes, here they have %d",
			      h->page_size, CKPT_PAGE);
	if (h->header_size != sizeof(*h))
		return refuse(why, -EBADMSG, "damaged: header of %u bytes", h->header_size);
	return 0;
}

uint64_t image_created_ns(int fd)
{
	struct image img = {.fd = fd};

	return read_size(&img, NULL) == 0 && read_header(&img, NULL) == 0 ? img.header.created_ns : 0;
}

static int read_trailer(struct image *img, struct image_trailer *t, struct text *why)
{
	uint64_t at = img->size - sizeof(*t);
	int r = io_pread(img->fd, t, sizeof(*t), at);

	if (r < 0)
		return refuse_read(why, r, "the trailer");
	if (__builtin_memcmp(t->magic, IMAGE_TRAILER_MAGIC, sizeof(t->magic)))
		return refuse(why, -EBADMSG, "truncated: no trailer after %lu bytes", img->size);
	if (t->checksum != image_checksum(t, offsetof(struct image_trailer, checksum)))
		return refuse(why, -EBADMSG, "damaged: wrong checksum of the trailer");
	if (t->file_size != img->size)
		return refuse(why, -EBADMSG, "truncated: %lu of %lu bytes", img->size,
			      t->file_size);
	if (t->nsections > IMAGE_SECTIONS_MAX)
		return refuse(why, -EBADMSG, "damaged: %u sections", t->nsections);
	if (t->footer_offset < sizeof(img->header) || t->footer_offset > at ||
	    at - t->footer_offset != t->nsections * sizeof(struct image_section))
		return refuse(why, -EBADMSG, "damaged: footer at %lu", t->footer_offset);
	return 0;
}

static int read_footer(struct image *img, const struct image_trailer *t, struct text *why)
{
	size_t n = t->nsections * sizeof(struct image_section);
	int r;

	img->sections = arena_alloc(&img->arena, n);
	if (!img->sections)
		return refuse(why, -ENOMEM, "no memory for %u sections", t->nsections);
	r = io_pread(img->fd, img->sections, n, t->footer_offset);
	if (r < 0)
		return refuse_read(why, r, "the footer");
	if (t->footer_checksum != image_checksum(img->sections, n))
		return refuse(why, -EBADMSG, "damaged: wrong checksum of the footer");
	img->nsections = t->nsections;
	return 0;
}

/* ---- sections ---- */

static bool section_is_known(uint32_t type)
{
	return type >= SECTION_JOB && type <= SECTION_KEYFILE;
}

static bool is_encrypted(const struct image *img)
{
	return img->header.version == IMAGE_VERSION_FLAGS && img->header.flags & HEADER_ENCRYPTED;
}

/* Bytes that a seal takes in this section. */
static uint64_t section_seal(const struct image *img, const struct image_section *s)
{
	return is_encrypted(img) && s->type != SECTION_KEYFILE ? IMAGE_SEAL : 0;
}

/* end: where the footer begins. */
static int check_section(const struct image *img, const struct image_section *s, uint64_t end, struct text *why)
{
	uint64_t seal = section_seal(img, s);

	if (s->flags & ~(SECTION_REQUIRED | SECTION_ZSTD))
		return refuse(why, -ENOTSUP, "section of type %u has unknown flags %x", s->type,
			      s->flags);
	if (!section_is_known(s->type) && (s->flags & SECTION_REQUIRED))
		return refuse(why, -ENOTSUP, "made by a newer version: section of type %u",
			      s->type);
	if (s->offset < sizeof(struct image_header) || s->stored > end ||
	    s->offset > end - s->stored)
		return refuse(why, -EBADMSG,
			      "damaged: section of type %u lies at %lu, %lu bytes long", s->type,
			      s->offset, s->stored);
	if (s->stored < seal || (s->flags & SECTION_ZSTD ? s->raw > IMAGE_SECTION_MAX : s->raw != s->stored - seal))
		return refuse(why, -EBADMSG, "damaged: section of type %u has %lu bytes in %lu",
			      s->type, s->raw, s->stored);
	return 0;
}

/* Each type but once for an owner. */
static int check_unique(const struct image *img, struct text *why)
{
	struct arena tmp = {0};
	struct span *s = arena_alloc(&tmp, img->nsections * sizeof(*s));
	size_t n = 0;
	int r = 0;

	if (!s)
		return refuse(why, -ENOMEM, "no memory for %u sections", img->nsections);
	for (uint32_t i = 0; i < img->nsections; i++)
		if (section_is_known(img->sections[i].type))
			s[n++] = (struct span){img->sections[i].type, img->sections[i].owner, 1};
	if (!spans_disjoint(s, n))
		r = refuse(why, -EBADMSG, "damaged: a section is there twice");
	arena_free(&tmp);
	return r;
}

static int check_sections(const struct image *img, uint64_t end, struct text *why)
{
	for (uint32_t i = 0; i < img->nsections; i++) {
		int r = check_section(img, &img->sections[i], end, why);

		if (r < 0)
			return r;
	}
	return check_unique(img, why);
}

const struct image_section *image_find(const struct image *img, uint32_t type, uint32_t owner)
{
	for (uint32_t i = 0; i < img->nsections; i++)
		if (img->sections[i].type == type && img->sections[i].owner == owner)
			return &img->sections[i];
	return NULL;
}

/* What is in a section once it is open: points into the memory it was read to. */
struct payload {
	void *data;
	size_t n;
};

/* Read the stored bytes into memory of a, check them, and open the seal in place. */
static int section_bytes(const struct image *img, const struct image_section *s, struct arena *a,
			 struct payload *p)
{
	struct image_bound bound = {s->type, s->flags, s->owner, s->first, s->offset, s->raw};
	uint8_t *in = arena_alloc(a, s->stored);
	int r;

	if (!in)
		return -ENOMEM;
	r = io_pread(img->fd, in, s->stored, s->offset);
	if (r < 0)
		return r;
	if (image_checksum(in, s->stored) != s->checksum)
		return -EBADMSG;
	*p = (struct payload){in, s->stored};
	if (!section_seal(img, s))
		return 0;
	*p = (struct payload){in + IMAGE_SEAL_FRONT, s->stored - IMAGE_SEAL};
	return image_unseal(&img->key, &bound, in, s->stored, p->data);
}

int image_verify_section(const struct image *img, const struct image_section *s)
{
	struct arena tmp = {0};
	struct payload p;
	uint64_t sum;
	int r;

	if (section_seal(img, s)) {
		r = section_bytes(img, s, &tmp, &p);
		arena_free(&tmp);
		return r;
	}
	r = image_checksum_file(img->fd, s->offset, s->stored, &sum);
	if (r < 0)
		return r;
	return sum == s->checksum ? 0 : -EBADMSG;
}

/* Decompress p into memory of keep; tmp is for the decompressor. */
static int unpack_section(const struct image_section *s, struct payload p, struct arena *keep,
			  struct arena *tmp, void **data)
{
	size_t n = image_dctx_size();
	void *mem, *out;

	if (ZSTD_getFrameContentSize(p.data, p.n) != s->raw)
		return -EBADMSG;
	mem = arena_alloc(tmp, n);
	out = arena_alloc(keep, s->raw);
	if (!mem || !out)
		return -ENOMEM;
	if (ZSTD_decompressDCtx(image_dctx(mem, n), out, s->raw, p.data, p.n) != s->raw)
		return -EBADMSG;
	*data = out;
	return 0;
}

/* Read, check and decompress into memory of keep. */
static int load_section(const struct image *img, const struct image_section *s, struct arena *keep,
			struct arena *tmp, void **data)
{
	bool packed = s->flags & SECTION_ZSTD;
	struct payload p;
	int r = section_bytes(img, s, packed ? tmp : keep, &p);

	if (r < 0)
		return r;
	if (packed)
		return unpack_section(s, p, keep, tmp, data);
	*data = p.data;
	return 0;
}

static int read_section(const struct image *img, const struct image_section *s, struct arena *keep,
			void **data, struct text *why)
{
	struct arena tmp = {0};
	int r = load_section(img, s, keep, &tmp, data);

	arena_free(&tmp);
	if (r == -EBADMSG)
		return refuse(why, r, "damaged: section of type %u at %lu", s->type, s->offset);
	if (r < 0)
		return refuse(why, r, "section of type %u at %lu can't be read: %s", s->type,
			      s->offset, errno_name(r));
	return 0;
}

int image_read_section(struct image *img, const struct image_section *s, void **data, size_t *n,
		       struct text *why)
{
	int r = read_section(img, s, &img->arena, data, why);

	*n = r < 0 ? 0 : s->raw;
	return r;
}

/* The owners of sections PROCESS are 0, 1, …; each is there once. */
static int count_processes(struct image *img, struct text *why)
{
	uint32_t n = 0, last = 0;

	for (uint32_t i = 0; i < img->nsections; i++) {
		const struct image_section *s = &img->sections[i];

		if (s->type != SECTION_PROCESS)
			continue;
		last = s->owner > last ? s->owner : last;
		n++;
	}
	if (n && last >= n)
		return refuse(why, -EBADMSG, "damaged: process %u of %u", last, n);
	img->nprocesses = n;
	return 0;
}

/* ---- chunks ---- */

static bool section_is_chunks(const struct image_section *s)
{
	return s->type == SECTION_CHUNKS;
}

/*
 * Do the ids of all tables together make 0, 1, … nchunks - 1, each but once? As many as there are
 * between 0 and their number, and none twice.
 */
static bool chunks_tile(const struct image *img, struct span *s)
{
	size_t n = 0;

	for (uint32_t i = 0; i < img->nsections; i++) {
		const struct image_section *t = &img->sections[i];
		uint64_t count = t->raw / sizeof(struct image_chunk);

		if (!section_is_chunks(t) || count == 0)
			continue;
		if (count > img->nchunks || t->first > img->nchunks - count)
			return false;
		s[n++] = (struct span){0, t->first, count};
	}
	return spans_disjoint(s, n);
}

/* How many there are. A chunk takes a byte of the file at least. */
static int count_chunks(struct image *img, uint64_t end, struct text *why)
{
	uint64_t n = 0;
	bool any = false;

	for (uint32_t i = 0; i < img->nsections; i++) {
		const struct image_section *s = &img->sections[i];

		if (!section_is_chunks(s))
			continue;
		any = true;
		n += s->raw / sizeof(struct image_chunk);
		if (s->raw % sizeof(struct image_chunk) || n > end || n > UINT32_MAX)
			return refuse(why, -EBADMSG, "damaged: table of chunks of %lu bytes", s->raw);
	}
	if (!any)
		return refuse(why, -EBADMSG, "damaged: no table of chunks");
	img->nchunks = n;
	return 0;
}

static bool chunk_is_good(const struct image *img, const struct image_chunk *c, uint64_t end)
{
	uint32_t seal = image_seal_size(&img->key);

	return c->raw > 0 && c->raw <= IMAGE_CHUNK_MAX && c->stored > seal && c->stored - seal <= c->raw &&
	       c->offset >= sizeof(struct image_header) && c->offset <= end &&
	       c->stored <= end - c->offset;
}

/* Put the tables in their places among img->chunks. */
static int load_chunks(struct image *img, struct text *why)
{
	for (uint32_t i = 0; i < img->nsections; i++) {
		const struct image_section *s = &img->sections[i];
		struct arena tmp = {0};
		void *data;
		int r;

		if (!section_is_chunks(s))
			continue;
		r = read_section(img, s, &tmp, &data, why);
		if (r == 0)
			__builtin_memcpy(img->chunks + s->first, data, s->raw);
		arena_free(&tmp);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_chunks(struct image *img, uint64_t end, struct text *why)
{
	struct arena tmp = {0};
	struct span *s;
	bool good;
	int r = count_chunks(img, end, why);

	if (r < 0)
		return r;
	s = arena_alloc(&tmp, img->nsections * sizeof(*s));
	good = s && chunks_tile(img, s);
	arena_free(&tmp);
	img->chunks = arena_alloc(&img->arena, img->nchunks * sizeof(*img->chunks));
	if (!s || !img->chunks)
		return refuse(why, -ENOMEM, "no memory for %lu chunks", img->nchunks);
	if (!good)
		return refuse(why, -EBADMSG, "damaged: tables of chunks overlap or leave a gap");
	r = load_chunks(img, why);
	if (r < 0)
		return r;
	for (uint64_t i = 0; i < img->nchunks; i++)
		if (!chunk_is_good(img, &img->chunks[i], end))
			return refuse(why, -EBADMSG, "damaged: chunk %lu at %lu", i,
				      img->chunks[i].offset);
	return 0;
}

/* Chunks and sections lie between header and footer, no two overlap, and they are as long. */
static int check_cover(const struct image *img, uint64_t end, struct text *why)
{
	struct arena tmp = {0};
	struct span *s = arena_alloc(&tmp, (img->nchunks + img->nsections) * sizeof(*s));
	uint64_t left = end - sizeof(struct image_header);
	size_t n = 0;
	int r = 0;

	if (!s)
		return refuse(why, -ENOMEM, "no memory for %lu chunks", img->nchunks);
	for (uint64_t i = 0; i < img->nchunks; i++)
		s[n++] = (struct span){0, img->chunks[i].offset, img->chunks[i].stored};
	for (uint32_t i = 0; i < img->nsections; i++)
		if (img->sections[i].stored)
			s[n++] = (struct span){0, img->sections[i].offset, img->sections[i].stored};
	if (spans_disjoint(s, n))
		for (size_t i = 0; i < n; i++)
			left -= s[i].len;
	if (left)
		r = refuse(why, -EBADMSG, "damaged: its parts overlap or leave a gap");
	arena_free(&tmp);
	return r;
}

/* ---- keys ---- */

/* The path of the key file that the image names; "" when there is none or it can't be one. */
static int read_key_name(const struct image *img, char *name, struct text *why)
{
	const struct image_section *s = image_find(img, SECTION_KEYFILE, 0);
	int r;

	name[0] = 0;
	if (!s || s->stored >= IMAGE_KEY_PATH_MAX || s->flags & SECTION_ZSTD)
		return 0;
	r = io_pread(img->fd, name, s->stored, s->offset);
	name[s->stored] = 0;
	return r < 0 ? refuse_read(why, r, "the name of its key file") : 0;
}

/* Derive the image's keys. */
static int take_key(struct image *img, const struct image_keys *keys, struct text *why)
{
	uint8_t master[IMAGE_KEY_BYTES];
	char named[IMAGE_KEY_PATH_MAX], *file = arena_alloc(&img->arena, IMAGE_KEY_PATH_MAX);
	int r = read_key_name(img, named, why);

	if (r < 0)
		return r;
	if (!keys)
		return refuse(why, -ENOKEY, "encrypted");
	if (!file)
		return refuse(why, -ENOMEM, "no memory");
	img->keyfile = file;
	r = keys->find(keys, named, master, file, why);
	if (r == 0)
		image_key_derive(&img->key, master, img->header.salt);
	image_key_wipe(master, sizeof(master));
	return r;
}

static int unlock(struct image *img, const struct image_trailer *t, const struct image_keys *keys,
		  struct text *why)
{
	const struct image_header *h = &img->header;
	uint8_t mac[sizeof(t->mac)];
	int r;

	if (!is_encrypted(img))
		return 0;
	r = take_key(img, keys, why);
	if (r < 0)
		return r;
	if (__builtin_memcmp(h->key_check, img->key.check, sizeof(h->key_check)))
		return refuse(why, -EKEYREJECTED, "the key in %s is not that of this image", img->keyfile);
	image_mac(&img->key, h, img->sections, img->nsections * sizeof(*img->sections), t, mac);
	if (!image_mac_same(mac, t->mac))
		return refuse(why, -EBADMSG, "damaged: not what was written with its key");
	return 0;
}

/* ---- the image ---- */

int image_open_sealed(struct image *img, int fd, const struct image_keys *keys, struct text *why)
{
	struct image made = {.fd = fd};
	struct image_trailer t;
	int r = read_size(&made, why);

	if (r == 0)
		r = read_header(&made, why);
	if (r == 0)
		r = read_trailer(&made, &t, why);
	if (r == 0)
		r = read_footer(&made, &t, why);
	if (r == 0)
		r = check_sections(&made, t.footer_offset, why);
	if (r == 0)
		r = unlock(&made, &t, keys, why);
	if (r == 0)
		r = count_processes(&made, why);
	if (r == 0)
		r = read_chunks(&made, t.footer_offset, why);
	if (r == 0)
		r = check_cover(&made, t.footer_offset, why);
	if (r < 0) {
		image_close(&made);
	}
	*img = made;
	image_key_wipe(&made.key, sizeof(made.key));
	return r;
}

void image_close(struct image *img)
{
	arena_free(&img->arena);
	image_key_wipe(&img->key, sizeof(img->key));
	*img = (struct image){.fd = -1};
}

/* ---- extents ---- */

static bool extent_is_good(const struct image *img, const struct image_extent *e)
{
	uint64_t limit = INT64_MAX;

	if (e->stream == STREAM_MEMORY || e->stream == STREAM_FILE_TEXT) {
		limit = ADDRESS_END;
		if (e->start % CKPT_PAGE || e->len % CKPT_PAGE)
			return false;
	} else if (e->stream < STREAM_OBJECT) {
		return false;
	}
	if (e->len == 0 || e->start > limit || e->len > limit - e->start)
		return false;
	if (e->chunk >= img->nchunks)
		return false;
	return e->chunk_offset <= img->chunks[e->chunk].raw &&
	       e->len <= img->chunks[e->chunk].raw - e->chunk_offset;
}

/* No byte has two contents. */
static int extents_disjoint(const struct image_extent *e, size_t n)
{
	struct arena tmp = {0};
	struct span *s = arena_alloc(&tmp, n * sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		s[i] = (struct span){e[i].stream, e[i].start, e[i].len};
	r = spans_disjoint(s, n) ? 0 : -EBADMSG;
	arena_free(&tmp);
	return r;
}

int image_extents(struct image *img, uint32_t owner, struct image_extent **e, size_t *n,
		  struct text *why)
{
	const struct image_section *s = image_find(img, SECTION_EXTENTS, owner);
	struct image_extent *found;
	size_t size, count;
	void *data;
	int r;

	if (!s)
		return refuse(why, -EBADMSG, "damaged: no extents of process %u", owner);
	r = image_read_section(img, s, &data, &size, why);
	if (r < 0)
		return r;
	if (size % sizeof(*found))
		return refuse(why, -EBADMSG, "damaged: extents of %lu bytes", size);
	found = data;
	count = size / sizeof(*found);
	for (size_t i = 0; i < count; i++)
		if (!extent_is_good(img, &found[i]))
			return refuse(why, -EBADMSG, "damaged: extent %lu of process %u", i, owner);
	r = extents_disjoint(found, count);
	if (r < 0)
		return refuse(why, r, "damaged: extents of process %u overlap", owner);
	*e = found;
	*n = count;
	return 0;
}
