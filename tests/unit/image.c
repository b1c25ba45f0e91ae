/*
 * Images: what is written comes back; what is damaged, cut or forged is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sample.h"
#include "unit.h"

/* ---- helpers ---- */

static int new_file(void)
{
	int fd = memfd_create("image", 0);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static struct image_writer new_writer(int fd, int level)
{
	struct image_writer w = {.fd = fd, .level = level, .shared = sample_shared(1)};

	ck_assert_ptr_nonnull(w.shared);
	return w;
}

static int new_sample(int level)
{
	int fd = new_file();

	ck_assert_int_eq(sample_write(fd, level), 0);
	return fd;
}

/* Expect the image to be refused with err and a reason that has word in it. */
static void assert_refused(int fd, int err, const char *word)
{
	char why[256] = "";
	struct text t = TEXT(why);
	struct image img;
	int r = image_open(&img, fd, &t);

	ck_assert_msg(r == err, "%s, not %s: %s", errno_name(r), errno_name(err), why);
	ck_assert_msg(strstr(why, word) != NULL, "no \"%s\" in \"%s\"", word, why);
	ck_assert_ptr_null(img.arena.head);
	ck_assert_ptr_null(img.sections);
}

static off_t file_size(int fd)
{
	return lseek(fd, 0, SEEK_END);
}

static void read_trailer(int fd, struct image_trailer *t)
{
	ck_assert_int_eq(io_pread(fd, t, sizeof(*t), file_size(fd) - sizeof(*t)), 0);
}

static void write_trailer(int fd, struct image_trailer *t)
{
	t->checksum = image_checksum(t, offsetof(struct image_trailer, checksum));
	ck_assert_int_eq(io_pwrite(fd, t, sizeof(*t), file_size(fd) - sizeof(*t)), 0);
}

static void write_header(int fd, struct image_header *h)
{
	h->checksum = image_checksum(h, offsetof(struct image_header, checksum));
	ck_assert_int_eq(io_pwrite(fd, h, sizeof(*h), 0), 0);
}

/* A sample whose header, its checksum made right again, was changed. */
#define FORGED_HEADER(change)                                                                      \
	({                                                                                         \
		int fd_ = new_sample(1);                                                           \
		struct image_header h;                                                             \
		ck_assert_int_eq(io_pread(fd_, &h, sizeof(h), 0), 0);                              \
		change;                                                                            \
		write_header(fd_, &h);                                                             \
		fd_;                                                                               \
	})

/* The same with its trailer t. */
#define FORGED_TRAILER(change)                                                                     \
	({                                                                                         \
		int fd_ = new_sample(1);                                                           \
		struct image_trailer t;                                                            \
		read_trailer(fd_, &t);                                                             \
		change;                                                                            \
		write_trailer(fd_, &t);                                                            \
		fd_;                                                                               \
	})

/* And with the section s of the type in its footer. */
static int sample_with_section(uint32_t type, struct image_section **s, struct image_section *all)
{
	int fd = new_sample(1);
	struct image_trailer t;

	read_trailer(fd, &t);
	ck_assert_uint_eq(t.nsections, SAMPLE_SECTIONS);
	ck_assert_int_eq(io_pread(fd, all, SAMPLE_SECTIONS * sizeof(*all), t.footer_offset), 0);
	for (*s = all; (*s)->type != type; (*s)++)
		;
	return fd;
}

static void write_footer(int fd, const struct image_section *all)
{
	struct image_trailer t;

	read_trailer(fd, &t);
	ck_assert_int_eq(io_pwrite(fd, all, SAMPLE_SECTIONS * sizeof(*all), t.footer_offset), 0);
	t.footer_checksum = image_checksum(all, SAMPLE_SECTIONS * sizeof(*all));
	write_trailer(fd, &t);
}

#define FORGED_SECTION(type_, change)                                                              \
	({                                                                                         \
		struct image_section all_[SAMPLE_SECTIONS], *s;                                                  \
		int fd_ = sample_with_section(type_, &s, all_);                                    \
		change;                                                                            \
		write_footer(fd_, all_);                                                           \
		fd_;                                                                               \
	})

/* A sample with n of these chunks in its table, after change. */
#define FORGED_CHUNKS(n, change)                                                                   \
	({                                                                                         \
		struct image_chunk c[SAMPLE_CHUNKS + 1] = {{0}};                                   \
		struct image_writer w;                                                             \
		int fd_ = new_file();                                                              \
		ck_assert_int_eq(sample_begin(&w, fd_, 1, c), 0);                                  \
		change;                                                                            \
		ck_assert_int_eq(sample_end(&w, c, n, sample_extents, ARRAY_SIZE(sample_extents)), \
				 0);                                                               \
		fd_;                                                                               \
	})

/* What image_extents() says of a sample with these extents. */
static int open_extents(const struct image_extent *e, size_t n)
{
	struct image_chunk c[SAMPLE_CHUNKS];
	struct image_extent *got = NULL;
	struct image_writer w;
	struct image img;
	char why[256] = "";
	struct text t = TEXT(why);
	int fd = new_file(), r;
	size_t ngot = 0;

	ck_assert_int_eq(sample_begin(&w, fd, 1, c), 0);
	ck_assert_int_eq(sample_end(&w, c, SAMPLE_CHUNKS, e, n), 0);
	ck_assert_int_eq(image_open(&img, fd, NULL), 0);
	r = image_extents(&img, 0, &got, &ngot, &t);
	if (r == 0) {
		ck_assert_uint_eq(ngot, n);
		ck_assert_mem_eq(got, e, n * sizeof(*e));
	} else {
		ck_assert_ptr_null(got);
		ck_assert_ptr_nonnull(strstr(why, "extent"));
	}
	image_close(&img);
	close(fd);
	return r;
}

#define EXTENTS(...)                                                                               \
	({                                                                                         \
		const struct image_extent e_[] = {__VA_ARGS__};                                    \
		open_extents(e_, ARRAY_SIZE(e_));                                                  \
	})

/* ---- what is written comes back ---- */

UNIT_TEST(image_sections_and_chunks_come_back)
{
	static const int levels[] = {0, 1, 3, 19};

	for (size_t l = 0; l < ARRAY_SIZE(levels); l++) {
		static uint8_t in[IMAGE_CHUNK_MAX], out[IMAGE_CHUNK_MAX];
		int fd = new_sample(levels[l]);
		size_t n = image_dctx_size(), size;
		void *dctx = image_dctx(malloc(n), n), *data;
		struct rec_job job;
		struct image img;

		ck_assert_int_eq(sample_read(fd, NULL), 0);
		ck_assert_int_eq(image_open(&img, fd, NULL), 0);
		ck_assert_uint_eq(img.nchunks, SAMPLE_CHUNKS);
		for (uint32_t c = 0; c < SAMPLE_CHUNKS; c++) {
			ck_assert_int_eq(img.chunks[c].stored == img.chunks[c].raw, levels[l] == 0);
			ck_assert_int_eq(image_load_chunk(fd, &img.key, &img.chunks[c], dctx, in, out), 0);
			for (uint32_t i = 0; i < SAMPLE_CHUNK_SIZE; i++)
				ck_assert_uint_eq(out[i], sample_byte(c, i));
		}
		ck_assert_int_eq(image_read_section(&img, image_find(&img, SECTION_JOB, 0), &data,
						    &size, NULL),
				 0);
		rec_get(data, &job, sizeof(job));
		ck_assert_str_eq(job.host, "node7");
		ck_assert_ptr_null(image_find(&img, SECTION_PROCESS, 1));
		image_close(&img);
		close(fd);
	}
}

UNIT_TEST(image_chunks_of_every_size_come_back)
{
	static const uint32_t sizes[] = {1,	 2,	 100,	 4095,	 16384,	  16385,
					 131072, 131073, 262144, 262145, 1000000, IMAGE_CHUNK_MAX};
	static uint8_t raw[IMAGE_CHUNK_MAX], in[IMAGE_CHUNK_MAX], out[IMAGE_CHUNK_MAX];

	for (uint32_t i = 0; i < sizeof(raw); i++)
		raw[i] = i * i >> 11;
	for (int level = 1; level <= 19; level++) {
		size_t n = image_dctx_size();
		void *dctx = image_dctx(malloc(n), n);
		int fd = new_file();
		struct image_writer w = new_writer(fd, level);
		struct image_scratch s;

		ck_assert_int_eq(image_scratch_init(&s, level, IMAGE_CHUNK_MAX), 0);
		ck_assert_int_eq(image_begin(&w, 0), 0);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			struct image_chunk c;

			ck_assert_int_eq(image_put_chunk(&w, &s, raw, sizes[i], &c), 0);
			ck_assert_uint_eq(c.raw, sizes[i]);
			if (sizes[i] > 4096)
				ck_assert_uint_lt(c.stored, c.raw);
			ck_assert_int_eq(image_load_chunk(fd, &w.key, &c, dctx, in, out), 0);
			ck_assert_mem_eq(out, raw, sizes[i]);
		}
		close(fd);
	}
}

UNIT_TEST(image_chunk_that_does_not_shrink_is_stored_as_it_is)
{
	static uint8_t raw[SAMPLE_CHUNK_SIZE], in[SAMPLE_CHUNK_SIZE];
	int fd = new_file();
	struct image_writer w = new_writer(fd, 1);
	struct image_scratch s;
	struct image_chunk c;

	srandom(1);
	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = random() >> 7;
	ck_assert_int_eq(image_scratch_init(&s, 1, sizeof(raw)), 0);
	ck_assert_int_eq(image_begin(&w, 0), 0);
	ck_assert_int_eq(image_put_chunk(&w, &s, raw, sizeof(raw), &c), 0);
	ck_assert_uint_eq(c.stored, c.raw);
	ck_assert_int_eq(image_load_chunk(fd, &w.key, &c, NULL, in, NULL), 0);
	ck_assert_mem_eq(in, raw, sizeof(raw));
}

UNIT_TEST(image_of_nothing_but_tables_is_an_image)
{
	int fd = new_file();
	struct image_writer w = new_writer(fd, 1);

	ck_assert_int_eq(image_begin(&w, 0), 0);
	ck_assert_int_eq(sample_end(&w, NULL, 0, NULL, 0), 0);
	ck_assert_int_eq(sample_read(fd, NULL), 0);
}

enum { WRITERS = 8, CHUNKS_EACH = 25 };

/* One process's part: its chunks, extents at addresses of its own, and records. */
static int write_part(struct image_writer *w, uint32_t index)
{
	static uint8_t raw[SAMPLE_CHUNK_SIZE];
	struct image_extent e[CHUNKS_EACH];
	struct image_chunk c[CHUNKS_EACH];
	struct image_scratch s;
	uint32_t first = 0;
	int r = image_scratch_init(&s, w->level, sizeof(raw));

	if (r == 0)
		r = image_take_chunks(w, CHUNKS_EACH, &first);
	for (uint32_t i = 0; r == 0 && i < CHUNKS_EACH; i++) {
		for (uint32_t j = 0; j < sizeof(raw); j++)
			raw[j] = sample_byte(index * CHUNKS_EACH + i, j);
		e[i] = (struct image_extent){0x10000ull * (i + 1), sizeof(raw), first + i, 0, STREAM_MEMORY};
		r = image_put_chunk(w, &s, raw, sizeof(raw), &c[i]);
	}
	if (r == 0)
		r = image_put_section(w, SECTION_PROCESS, SECTION_REQUIRED, index, "", 0);
	if (r == 0)
		r = image_put_section(w, SECTION_EXTENTS, SECTION_ZSTD, index, e, sizeof(e));
	return r < 0 ? r : image_put_chunks(w, index, first, c, CHUNKS_EACH);
}

/* An image that many processes have written at a time. */
static int new_image_of_many(void)
{
	int fd = new_file(), status;
	struct image_writer w = {.fd = fd, .level = 1, .shared = sample_shared(WRITERS)};

	ck_assert_int_eq(image_begin(&w, 0), 0);
	for (int i = 0; i < WRITERS; i++)
		if (fork() == 0)
			_exit(write_part(&w, i) < 0);
	for (int i = 0; i < WRITERS; i++) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_eq(image_end(&w), 0);
	return fd;
}

UNIT_TEST(image_takes_many_writers_at_a_time)
{
	static uint8_t in[IMAGE_CHUNK_MAX], out[IMAGE_CHUNK_MAX];
	size_t size = image_dctx_size(), n;
	void *dctx = image_dctx(malloc(size), size);
	int fd = new_image_of_many();
	struct image_extent *e;
	struct image img;

	ck_assert_int_eq(sample_read(fd, NULL), 0);
	ck_assert_int_eq(image_open(&img, fd, NULL), 0);
	ck_assert_uint_eq(img.nprocesses, WRITERS);
	ck_assert_uint_eq(img.nchunks, WRITERS * CHUNKS_EACH);
	for (uint32_t p = 0; p < WRITERS; p++) {
		ck_assert_int_eq(image_extents(&img, p, &e, &n, NULL), 0);
		ck_assert_uint_eq(n, CHUNKS_EACH);
		for (uint32_t i = 0; i < n; i++) {
			const struct image_chunk *c = &img.chunks[e[i].chunk];

			ck_assert_int_eq(image_load_chunk(fd, &img.key, c, dctx, in, out), 0);
			ck_assert_uint_eq(out[64], sample_byte(p * CHUNKS_EACH + i, 64));
			ck_assert_uint_eq(out[8000], sample_byte(p * CHUNKS_EACH + i, 8000));
		}
	}
	image_close(&img);
}

UNIT_TEST(image_processes_refer_to_each_others_chunks)
{
	int fd = new_file();
	struct image_extent *e;
	struct image img;
	size_t n;

	ck_assert_int_eq(sample_write_two(fd, 1), 0);
	ck_assert_int_eq(sample_read(fd, NULL), 0);
	ck_assert_int_eq(image_open(&img, fd, NULL), 0);
	ck_assert_uint_eq(img.nprocesses, 2);
	ck_assert_uint_eq(img.nchunks, SAMPLE_CHUNKS + 1);
	ck_assert_int_eq(image_extents(&img, 1, &e, &n, NULL), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(e[0].chunk, 0);
	ck_assert_uint_eq(e[1].chunk, SAMPLE_CHUNKS);
	image_close(&img);
}

UNIT_TEST(image_writer_gives_out_no_more_chunk_ids_than_there_are)
{
	struct image_writer w = new_writer(new_file(), 0);
	uint32_t first = 0;

	ck_assert_int_eq(image_take_chunks(&w, UINT32_MAX - 1, &first), 0);
	ck_assert_int_eq(image_take_chunks(&w, 1, &first), 0);
	ck_assert_uint_eq(first, UINT32_MAX - 1);
	ck_assert_int_eq(image_take_chunks(&w, 1, &first), -E2BIG);
	ck_assert_int_eq(image_begin(&w, 0), 0);
	ck_assert_int_eq(image_end(&w), -E2BIG);
}

UNIT_TEST(image_writer_refuses_more_sections_than_there_is_room_for)
{
	struct image_writer w = new_writer(new_file(), 0);

	ck_assert_int_eq(image_begin(&w, 0), 0);
	for (uint32_t i = 0; i < w.shared->sections_max; i++)
		ck_assert_int_eq(image_put_section(&w, 99, 0, i, "x", 1), 0);
	ck_assert_int_eq(image_put_section(&w, 99, 0, 0, "x", 1), -E2BIG);
	ck_assert_int_eq(image_end(&w), -E2BIG);
}

UNIT_TEST(image_writer_keeps_the_first_error)
{
	int full = open("/dev/full", O_WRONLY);
	struct image_writer w = new_writer(full, 0);
	struct image_scratch s = {0};
	struct image_chunk c;

	ck_assert_int_eq(image_begin(&w, 0), -ENOSPC);
	w.fd = new_file();
	ck_assert_int_eq(image_put_chunk(&w, &s, "x", 1, &c), -ENOSPC);
	ck_assert_int_eq(image_put_section(&w, SECTION_JOB, 0, 0, "x", 1), -ENOSPC);
	ck_assert_int_eq(image_end(&w), -ENOSPC);
	ck_assert_int_eq(file_size(w.fd), 0);
}

UNIT_TEST(image_writer_refuses_chunks_of_no_or_too_many_bytes)
{
	struct image_writer w = new_writer(new_file(), 0);
	struct image_scratch s = {0};
	struct image_chunk c;

	ck_assert_int_eq(image_begin(&w, 0), 0);
	ck_assert_int_eq(image_put_chunk(&w, &s, "", 0, &c), -EINVAL);
	w = new_writer(new_file(), 0);
	ck_assert_int_eq(image_begin(&w, 0), 0);
	ck_assert_int_eq(image_put_chunk(&w, &s, "", IMAGE_CHUNK_MAX + 1, &c), -EINVAL);
}

/* ---- damage ---- */

UNIT_TEST(image_rejects_truncation_at_every_byte)
{
	int fd = new_sample(1), cut = new_file();
	off_t size = file_size(fd);
	char *all = malloc(size);

	ck_assert_int_eq(io_pread(fd, all, size, 0), 0);
	for (off_t n = 0; n < size; n++) {
		char why[256] = "";
		struct text t = TEXT(why);
		struct image img;
		int r;

		ck_assert_int_eq(ftruncate(cut, 0), 0);
		ck_assert_int_eq(io_pwrite(cut, all, n, 0), 0);
		r = image_open(&img, cut, &t);
		ck_assert_int_eq(r, n < 8 ? -ENOEXEC : -EBADMSG);
		ck_assert_ptr_nonnull(strstr(why, n < 8 ? "not an image" : "truncated"));
	}
}

UNIT_TEST(image_rejects_a_flip_of_any_bit)
{
	int fd = new_sample(1);
	off_t size = file_size(fd);

	ck_assert_int_lt(size, 4096);
	for (off_t at = 0; at < size; at++) {
		uint8_t byte, flipped;

		ck_assert_int_eq(io_pread(fd, &byte, 1, at), 0);
		for (int bit = 0; bit < 8; bit++) {
			flipped = byte ^ (1 << bit);
			ck_assert_int_eq(io_pwrite(fd, &flipped, 1, at), 0);
			ck_assert_msg(sample_read(fd, NULL) < 0, "bit %d of byte %ld", bit,
				      (long)at);
		}
		ck_assert_int_eq(io_pwrite(fd, &byte, 1, at), 0);
	}
	ck_assert_int_eq(sample_read(fd, NULL), 0);
}

UNIT_TEST(image_rejects_what_was_appended)
{
	int fd = new_sample(1);
	off_t size = file_size(fd);

	ck_assert_int_eq(io_pwrite(fd, "x", 1, size), 0);
	assert_refused(fd, -EBADMSG, "truncated");
	ck_assert_int_eq(ftruncate(fd, size + 4096), 0);
	assert_refused(fd, -EBADMSG, "truncated");
}

UNIT_TEST(image_rejects_what_is_none)
{
	int fd = new_file(), fds[2];

	assert_refused(fd, -ENOEXEC, "0 bytes");
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	assert_refused(fd, -ENOEXEC, "not an image");
	ck_assert_int_eq(pipe(fds), 0);
	assert_refused(fds[0], -ENOEXEC, "not a regular file");
	assert_refused(open("/", O_RDONLY), -ENOEXEC, "not a regular file");
	assert_refused(-1, -EBADF, "EBADF");
}

/* ---- other versions and machines ---- */

UNIT_TEST(image_rejects_other_versions_and_machines)
{
	assert_refused(FORGED_HEADER(h.version = 1), -EPROTONOSUPPORT, "format version 1, known here are versions 2 and 3");
	assert_refused(FORGED_HEADER(h.version = 4), -EPROTONOSUPPORT, "format version 4");
	assert_refused(FORGED_HEADER(h.version = 3; h.flags = 2), -ENOTSUP, "made by a newer version: unknown flags 2");
	assert_refused(FORGED_HEADER(h.machine = 183), -ENOTSUP, "183");
	assert_refused(FORGED_HEADER(h.page_size = 65536), -ENOTSUP, "65536");
	assert_refused(FORGED_HEADER(h.header_size = 128), -EBADMSG, "header");
}

UNIT_TEST(image_rejects_required_sections_that_it_does_not_know)
{
	assert_refused(FORGED_SECTION(SECTION_JOB, s->type = 77), -ENOTSUP, "type 77");
	assert_refused(FORGED_SECTION(SECTION_JOB, s->flags |= 4), -ENOTSUP, "flags");
}

UNIT_TEST(image_passes_over_optional_sections_that_it_does_not_know)
{
	struct image_chunk c[SAMPLE_CHUNKS];
	struct image_writer w;
	int fd = new_file();

	ck_assert_int_eq(sample_begin(&w, fd, 1, c), 0);
	ck_assert_int_eq(image_put_section(&w, 77, 0, 0, "?", 1), 0);
	ck_assert_int_eq(image_put_section(&w, 77, SECTION_ZSTD, 0, "?", 1), 0);
	ck_assert_int_eq(sample_end(&w, c, SAMPLE_CHUNKS, NULL, 0), 0);
	ck_assert_int_eq(sample_read(fd, NULL), 0);
}

/* ---- forgeries: every checksum is right ---- */

UNIT_TEST(image_rejects_hostile_trailer)
{
	assert_refused(FORGED_TRAILER(t.file_size += 1), -EBADMSG, "truncated");
	assert_refused(FORGED_TRAILER(t.nsections = IMAGE_SECTIONS_MAX + 1), -EBADMSG, "sections");
	assert_refused(FORGED_TRAILER(t.nsections = UINT32_MAX), -EBADMSG, "sections");
	assert_refused(FORGED_TRAILER(t.nsections -= 1), -EBADMSG, "footer");
	assert_refused(FORGED_TRAILER(t.footer_offset += 48), -EBADMSG, "footer");
	assert_refused(FORGED_TRAILER(t.footer_offset = 0), -EBADMSG, "footer");
	assert_refused(FORGED_TRAILER(t.footer_offset = UINT64_MAX - 63), -EBADMSG, "footer");
	assert_refused(FORGED_TRAILER(t.footer_checksum ^= 1), -EBADMSG, "checksum");
}

UNIT_TEST(image_rejects_hostile_section_places)
{
	assert_refused(FORGED_SECTION(SECTION_JOB, s->offset = 0), -EBADMSG, "lies at");
	assert_refused(FORGED_SECTION(SECTION_JOB, s->offset = UINT64_MAX), -EBADMSG, "lies at");
	assert_refused(FORGED_SECTION(SECTION_JOB, s->offset = UINT64_MAX - s->stored + 1),
		       -EBADMSG, "lies at");
	assert_refused(FORGED_SECTION(SECTION_JOB, s->stored = s->raw = UINT64_MAX), -EBADMSG,
		       "lies at");
	assert_refused(FORGED_SECTION(SECTION_JOB, s->offset -= 1), -EBADMSG, "overlap");
	assert_refused(FORGED_SECTION(SECTION_JOB, (s->stored -= 8, s->raw -= 8)), -EBADMSG, "gap");
}

UNIT_TEST(image_rejects_hostile_section_sizes)
{
	assert_refused(FORGED_SECTION(SECTION_JOB, s->raw += 1), -EBADMSG, "bytes in");
	assert_refused(FORGED_SECTION(SECTION_PROCESS, s->raw = UINT64_MAX), -EBADMSG, "bytes in");
	assert_refused(FORGED_SECTION(SECTION_PROCESS, s->raw = IMAGE_SECTION_MAX + 1), -EBADMSG,
		       "bytes in");
	assert_refused(FORGED_SECTION(SECTION_CHUNKS, s->raw = 1000000000), -EBADMSG, "table");
	assert_refused(FORGED_SECTION(SECTION_CHUNKS, s->raw = 24 * 40000000), -EBADMSG, "table");
	assert_refused(FORGED_SECTION(SECTION_CHUNKS, s->raw += 1), -EBADMSG, "table");
	assert_refused(FORGED_SECTION(SECTION_CHUNKS, s->raw += 24), -EBADMSG, "section");
	assert_refused(FORGED_SECTION(SECTION_CHUNKS, s->raw -= 24), -EBADMSG, "section");
	assert_refused(FORGED_SECTION(SECTION_CHUNKS, s->checksum ^= 1), -EBADMSG, "section");
}

UNIT_TEST(image_rejects_sections_twice_or_missing)
{
	assert_refused(FORGED_SECTION(SECTION_PROCESS, s->type = SECTION_JOB), -EBADMSG, "twice");
	assert_refused(FORGED_SECTION(SECTION_CHUNKS, (s->type = 77, s->flags = 0, s->raw = s->stored)),
		       -EBADMSG, "no table of chunks");
	assert_refused(FORGED_SECTION(SECTION_PROCESS, s->owner = 1), -EBADMSG, "process 1 of 1");
}

UNIT_TEST(image_section_that_does_not_decompress_is_refused)
{
	int fd = FORGED_SECTION(SECTION_JOB, s->flags |= SECTION_ZSTD);
	void *data = NULL;
	struct image img;
	size_t n = 0;

	ck_assert_int_eq(image_open(&img, fd, NULL), 0);
	ck_assert_int_eq(
		image_read_section(&img, image_find(&img, SECTION_JOB, 0), &data, &n, NULL),
		-EBADMSG);
	ck_assert_ptr_null(data);
	ck_assert_uint_eq(n, 0);
	image_close(&img);
}

UNIT_TEST(image_rejects_hostile_chunk_tables)
{
	enum { N = SAMPLE_CHUNKS };

	ck_assert_int_eq(sample_read(FORGED_CHUNKS(N, (void)0), NULL), 0);
	assert_refused(FORGED_CHUNKS(N, c[1].raw = 0), -EBADMSG, "chunk 1");
	assert_refused(FORGED_CHUNKS(N, c[1].raw = IMAGE_CHUNK_MAX + 1), -EBADMSG, "chunk 1");
	assert_refused(FORGED_CHUNKS(N, c[1].stored = 0), -EBADMSG, "chunk 1");
	assert_refused(FORGED_CHUNKS(N, c[1].stored = c[1].raw + 1), -EBADMSG, "chunk 1");
	assert_refused(FORGED_CHUNKS(N, c[1].offset = 63), -EBADMSG, "chunk 1");
	assert_refused(FORGED_CHUNKS(N, c[1].offset = UINT64_MAX), -EBADMSG, "chunk 1");
	assert_refused(FORGED_CHUNKS(N, c[1].offset = UINT64_MAX - c[1].stored + 1), -EBADMSG,
		       "chunk 1");
	assert_refused(FORGED_CHUNKS(N, c[1].offset = w.shared->tail + 4096), -EBADMSG, "chunk 1");
	assert_refused(FORGED_CHUNKS(N, c[1].offset -= 1), -EBADMSG, "overlap");
	assert_refused(FORGED_CHUNKS(N, c[1] = c[0]), -EBADMSG, "overlap");
	assert_refused(FORGED_CHUNKS(N, c[1].stored -= 1), -EBADMSG, "gap");
	assert_refused(FORGED_CHUNKS(N - 1, (void)0), -EBADMSG, "gap");
	assert_refused(FORGED_CHUNKS(N + 1, c[N] = c[0]), -EBADMSG, "overlap");
}

/* new_image_of_many() whose footer was changed: c is the table of chunks of each process. */
static int forged_blocks(void (*change)(struct image_section **c))
{
	int fd = new_image_of_many();
	struct image_section all[3 * WRITERS], *c[WRITERS];
	struct image_trailer t;

	read_trailer(fd, &t);
	ck_assert_uint_eq(t.nsections, ARRAY_SIZE(all));
	ck_assert_int_eq(io_pread(fd, all, sizeof(all), t.footer_offset), 0);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].type == SECTION_CHUNKS)
			c[all[i].owner] = &all[i];
	change(c);
	ck_assert_int_eq(io_pwrite(fd, all, sizeof(all), t.footer_offset), 0);
	t.footer_checksum = image_checksum(all, sizeof(all));
	write_trailer(fd, &t);
	return fd;
}

static void block_twice(struct image_section **c)
{
	c[3]->first = c[5]->first;
}

static void block_overlaps(struct image_section **c)
{
	c[3]->first += c[3]->first ? -1 : 1;
}

static void block_behind_a_gap(struct image_section **c)
{
	for (int i = 0; i < WRITERS; i++)
		c[i]->first++;
}

static void block_far_away(struct image_section **c)
{
	c[0]->first = UINT32_MAX;
}

static void block_ends_with_the_numbers(struct image_section **c)
{
	c[0]->first = UINT32_MAX - CHUNKS_EACH + 1;
}

static void block_missing(struct image_section **c)
{
	c[2]->type = 77;
	c[2]->flags = 0;
	c[2]->raw = c[2]->stored;
}

static void block_of_nothing(struct image_section **c)
{
	c[2]->flags = c[2]->stored = c[2]->raw = 0;
}

static void blocks_swapped(struct image_section **c)
{
	uint32_t first = c[1]->first;

	c[1]->first = c[6]->first;
	c[6]->first = first;
}

UNIT_TEST(image_rejects_hostile_blocks_of_chunks)
{
	assert_refused(forged_blocks(block_twice), -EBADMSG, "tables of chunks");
	assert_refused(forged_blocks(block_overlaps), -EBADMSG, "tables of chunks");
	assert_refused(forged_blocks(block_behind_a_gap), -EBADMSG, "tables of chunks");
	assert_refused(forged_blocks(block_far_away), -EBADMSG, "tables of chunks");
	assert_refused(forged_blocks(block_ends_with_the_numbers), -EBADMSG, "tables of chunks");
	assert_refused(forged_blocks(block_of_nothing), -EBADMSG, "");
	assert_refused(forged_blocks(block_missing), -EBADMSG, "");
	ck_assert_int_eq(sample_read(forged_blocks(blocks_swapped), NULL), 0);
}

UNIT_TEST(image_takes_chunks_in_any_order)
{
	int fd = FORGED_CHUNKS(SAMPLE_CHUNKS, {
		struct image_chunk first = c[0];

		c[0] = c[2];
		c[2] = first;
	});

	ck_assert_int_eq(sample_read(fd, NULL), 0);
}

UNIT_TEST(image_chunk_of_another_size_does_not_unpack)
{
	int fd = FORGED_CHUNKS(SAMPLE_CHUNKS, c[1].raw += 1);

	ck_assert_int_eq(sample_read(fd, NULL), -EBADMSG);
	fd = FORGED_CHUNKS(SAMPLE_CHUNKS, c[1].raw -= 1);
	ck_assert_int_eq(sample_read(fd, NULL), -EBADMSG);
	fd = FORGED_CHUNKS(SAMPLE_CHUNKS, c[1].checksum ^= 1);
	ck_assert_int_eq(sample_read(fd, NULL), -EBADMSG);
}

UNIT_TEST(image_takes_extents_that_fit)
{
	ck_assert_int_eq(EXTENTS({0x1000, 4096, 0, 0, STREAM_MEMORY}), 0);
	ck_assert_int_eq(EXTENTS({0x2000, 8192, 0, 0, STREAM_MEMORY},
				 {0x1000, 4096, 1, 4096, STREAM_MEMORY},
				 {0x1000, 4096, 1, 0, STREAM_FILE_TEXT}),
			 0);
	ck_assert_int_eq(EXTENTS({7, 5, 0, 1, STREAM_OBJECT + 1}, {7, 5, 0, 1, STREAM_OBJECT + 2}),
			 0);
	ck_assert_int_eq(open_extents(NULL, 0), 0);
}

UNIT_TEST(image_rejects_hostile_extents)
{
	ck_assert_int_eq(EXTENTS({0x1000, 0, 0, 0, STREAM_MEMORY}), -EBADMSG);
	ck_assert_int_eq(EXTENTS({0x1001, 4096, 0, 0, STREAM_MEMORY}), -EBADMSG);
	ck_assert_int_eq(EXTENTS({0x1000, 100, 0, 0, STREAM_MEMORY}), -EBADMSG);
	ck_assert_int_eq(EXTENTS({0x1000, 4096, SAMPLE_CHUNKS, 0, STREAM_MEMORY}), -EBADMSG);
	ck_assert_int_eq(EXTENTS({0x1000, 4096, UINT32_MAX, 0, STREAM_MEMORY}), -EBADMSG);
	ck_assert_int_eq(EXTENTS({0x1000, 12288, 0, 0, STREAM_MEMORY}), -EBADMSG);
	ck_assert_int_eq(EXTENTS({0x1000, 8192, 0, 1, STREAM_MEMORY}), -EBADMSG);
	ck_assert_int_eq(EXTENTS({0x1000, 4096, 0, UINT32_MAX - 4095, STREAM_MEMORY}), -EBADMSG);
	ck_assert_int_eq(EXTENTS({1ull << 56, 4096, 0, 0, STREAM_MEMORY}), -EBADMSG);
	ck_assert_int_eq(EXTENTS({-4096ull, 4096, 0, 0, STREAM_MEMORY}), -EBADMSG);
	ck_assert_int_eq(EXTENTS({0, 1, 0, 0, STREAM_FILE_TEXT + 1}), -EBADMSG);
	ck_assert_int_eq(EXTENTS({INT64_MAX, 1, 0, 0, STREAM_OBJECT + 1}), -EBADMSG);
}

UNIT_TEST(image_rejects_extents_that_overlap)
{
	ck_assert_int_eq(
		EXTENTS({0x1000, 8192, 0, 0, STREAM_MEMORY}, {0x2000, 4096, 1, 0, STREAM_MEMORY}),
		-EBADMSG);
	ck_assert_int_eq(EXTENTS({0x9000, 4096, 0, 0, STREAM_MEMORY},
				 {0x1000, 4096, 1, 0, STREAM_MEMORY},
				 {0x9000, 4096, 2, 0, STREAM_MEMORY}),
			 -EBADMSG);
	ck_assert_int_eq(EXTENTS({1, 2, 0, 0, STREAM_OBJECT + 1}, {2, 1, 0, 0, STREAM_OBJECT + 1}),
			 -EBADMSG);
}

UNIT_TEST(image_process_without_extents_is_refused)
{
	struct image_extent *e = NULL;
	struct image img;
	size_t n = 0;

	ck_assert_int_eq(image_open(&img, new_sample(1), NULL), 0);
	ck_assert_int_eq(image_extents(&img, 1, &e, &n, NULL), -EBADMSG);
	image_close(&img);
}
