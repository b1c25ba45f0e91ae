/*
 * Images: what is written comes back.
 */
#include "image_forge.h"

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
