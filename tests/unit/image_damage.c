/*
 * Images: what is damaged, cut or forged is refused.
 */
#include "image_forge.h"

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
