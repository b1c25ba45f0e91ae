/*
 * A small image with everything in it, and a look at every byte of one: for tests and for the
 * fuzzer's first inputs.
 */
#ifndef CKPT_TEST_SAMPLE_H
#define CKPT_TEST_SAMPLE_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "contents.h"
#include "image.h"
#include "records.h"

enum { SAMPLE_CHUNKS = 3, SAMPLE_CHUNK_SIZE = 2 * CKPT_PAGE, SAMPLE_SECTIONS = 5 };

/* Byte i of the content of chunk c: compressible, and another for each chunk. */
static inline uint8_t sample_byte(uint32_t c, uint32_t i)
{
	return (i / 64 * 7 + c) & 0xff;
}

/* Memory for the writers of an image of n processes, as the coordinator makes it; NULL: there is none. */
static inline struct shared_head *sample_shared(uint32_t n)
{
	enum { SECTIONS = 64 };
	size_t head = ALIGN_UP(sizeof(struct shared_head) + n * sizeof(struct shared_process), 8);
	size_t len = ALIGN_UP(head + SECTIONS * sizeof(struct image_section), (size_t)CKPT_PAGE);
	struct shared_head *sh =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (sh == MAP_FAILED)
		return NULL;
	sh->magic = SHARED_MAGIC;
	sh->nprocesses = n;
	sh->head_len = len;
	sh->sections_max = SECTIONS;
	sh->sections_offset = head;
	sh->top = len;
	return sh;
}

static inline int sample_put_chunks(struct image_writer *w, struct image_chunk *chunks)
{
	struct image_scratch s;
	uint8_t raw[SAMPLE_CHUNK_SIZE];
	int r = image_scratch_init(&s, w->level, IMAGE_CHUNK_MAX);

	for (uint32_t c = 0; r == 0 && c < SAMPLE_CHUNKS; c++) {
		for (uint32_t i = 0; i < sizeof(raw); i++)
			raw[i] = sample_byte(c, i);
		r = image_put_chunk(w, &s, raw, sizeof(raw), &chunks[c]);
	}
	return r;
}

static inline int sample_put_records(struct image_writer *w)
{
	struct rec_job job = {.job = "1a2b",
			      .name = "sim",
			      .host = "node7",
			      .kernel = "6.1.0",
			      .generation = 3,
			      .nprocesses = 1,
			      .uid = 1000,
			      .pause_ns = 1800000};
	struct rec_process p = {.pid = 812,
				.ppid = 1,
				.pgid = 812,
				.sid = 1,
				.leader_tid = 812,
				.nthreads = 1,
				.uid = 1000,
				.gid = 1000};
	struct rec_thread t = {.tid = 812, .flags = THREAD_LEADER, .comm = "sim"};
	struct rec_vma heap = {.start = 0x10000, .end = 0x14000, .prot = 3, .flags = VMA_HEAP};
	struct rec_vma text = {.start = 0x400000, .end = 0x402000, .prot = 5, .flags = VMA_FILE};
	struct rec_fd fd = {.fd = 3, .file = 1};
	struct rec_file file = {
		.id = 1, .plugin = "regular", .mode = 0100644, .pos = 10, .size = 20};
	struct blob b = {0};
	int r;

	rec_put(&b, REC_JOB, REC_REQUIRED, &job, sizeof(job), NULL, 0);
	r = image_put_section(w, SECTION_JOB, SECTION_REQUIRED, 0, b.data, b.len);
	blob_free(&b);
	if (r < 0)
		return r;
	rec_put(&b, REC_PROCESS, REC_REQUIRED, &p, sizeof(p), NULL, 0);
	rec_put_string(&b, STRING_COMM, "sim", 3);
	rec_put_string(&b, STRING_CMDLINE,
		       "sim\0-n\0"
		       "7\0",
		       9);
	rec_put(&b, REC_THREAD, REC_REQUIRED, &t, sizeof(t), NULL, 0);
	rec_put(&b, REC_VMA, REC_REQUIRED, &heap, sizeof(heap), "", 1);
	rec_put(&b, REC_VMA, REC_REQUIRED, &text, sizeof(text), "/usr/bin/sim", 13);
	rec_put(&b, REC_FD, REC_REQUIRED, &fd, sizeof(fd), NULL, 0);
	rec_put(&b, REC_FILE, REC_REQUIRED, &file, sizeof(file), "/tmp/log", 9);
	r = image_put_section(w, SECTION_PROCESS, SECTION_REQUIRED | SECTION_ZSTD, 0, b.data,
			      b.len);
	blob_free(&b);
	return r;
}

/* Heap from chunks 0 and 1, the program's text in chunk 2. */
static const struct image_extent sample_extents[] = {
	{0x10000, SAMPLE_CHUNK_SIZE, 0, 0, STREAM_MEMORY},
	{0x12000, SAMPLE_CHUNK_SIZE, 1, 0, STREAM_MEMORY},
	{0x400000, CKPT_PAGE, 2, CKPT_PAGE, STREAM_FILE_TEXT},
};

/* Two files beside the image: one of two pieces with a hole between them, and a clone. */
struct sample_contents {
	struct contents_head head;
	struct contents_file files[2];
	struct contents_piece pieces[2];
};

static inline struct sample_contents sample_contents(void)
{
	return (struct sample_contents){
		.head = {.version = CONTENTS_VERSION, .nfiles = 2, .npieces = 2, .seed = 99, .created_ns = 1ll << 60},
		.files = {{.object = 1, .how = CONTENTS_PIECES, .size = 3 * CONTENTS_PIECE - 5,
			   .bytes = 2 * CONTENTS_PIECE - 5, .npieces = 2, .dev = 7, .ino = 8},
			  {.object = 2, .how = CONTENTS_CLONE, .size = 1 << 30, .bytes = 1 << 20}},
		.pieces = {{.offset = 0, .len = CONTENTS_PIECE, .hash = {1, 2}},
			   {.offset = 2 * CONTENTS_PIECE, .len = CONTENTS_PIECE - 5, .hash = {3, 0xab}}},
	};
}

/* All of an image but its end; master NULL: not encrypted; chunks takes SAMPLE_CHUNKS. Returns 0 or -errno. */
static inline int sample_begin_sealed(struct image_writer *w, int fd, int level, const uint8_t *master,
				      struct image_chunk *chunks)
{
	uint32_t first;
	int r = 0;

	*w = (struct image_writer){.fd = fd, .level = level, .shared = sample_shared(1)};
	if (!w->shared)
		return -ENOMEM;
	if (master)
		r = image_encrypt(w, master, true);
	if (r == 0)
		r = image_begin(w, 1700000000ull * 1000000000);
	if (r == 0 && master)
		r = image_put_section(w, SECTION_KEYFILE, 0, 0, "/key", 5);
	if (r == 0)
		r = image_take_chunks(w, SAMPLE_CHUNKS, &first);
	if (r == 0)
		r = sample_put_chunks(w, chunks);
	if (r == 0)
		r = sample_put_records(w);
	return r;
}

static inline int sample_begin(struct image_writer *w, int fd, int level, struct image_chunk *chunks)
{
	return sample_begin_sealed(w, fd, level, NULL, chunks);
}

static inline int sample_end(struct image_writer *w, const struct image_chunk *chunks,
			     size_t nchunks, const struct image_extent *e, size_t n)
{
	const uint32_t flags = SECTION_REQUIRED | SECTION_ZSTD;
	struct sample_contents beside = sample_contents();
	int r = image_put_section(w, SECTION_EXTENTS, flags, 0, e, n * sizeof(*e));

	if (r == 0)
		r = image_put_section(w, SECTION_CONTENTS, flags, 0, &beside, sizeof(beside));
	if (r == 0)
		r = image_put_chunks(w, 0, 0, chunks, nchunks);
	if (r == 0)
		r = image_end(w);
	munmap(w->shared, w->shared->head_len);
	return r;
}

static inline int sample_write_sealed(int fd, int level, const uint8_t *master)
{
	struct image_chunk chunks[SAMPLE_CHUNKS];
	struct image_writer w;
	int r = sample_begin_sealed(&w, fd, level, master, chunks);

	if (r < 0)
		return r;
	return sample_end(&w, chunks, SAMPLE_CHUNKS, sample_extents, ARRAY_SIZE(sample_extents));
}

static inline int sample_write(int fd, int level)
{
	return sample_write_sealed(fd, level, NULL);
}

/* A second process, which has one chunk of its own and refers to one of the first's. */
static inline int sample_put_second(struct image_writer *w)
{
	struct rec_process p = {.pid = 813, .ppid = 812, .pgid = 812, .sid = 1, .leader_tid = 813, .nthreads = 1};
	struct rec_fd fd = {.fd = 4, .file = 1};
	struct image_extent e[] = {
		{0x10000, SAMPLE_CHUNK_SIZE, 0, 0, STREAM_MEMORY},
		{0x12000, CKPT_PAGE, 0, 0, STREAM_MEMORY},
	};
	uint8_t raw[CKPT_PAGE] = "another page";
	struct image_scratch s = {0};
	struct image_chunk c;
	struct blob b = {0};
	uint32_t first = 0;
	int r = image_take_chunks(w, 1, &first);

	e[1].chunk = first;
	if (r == 0)
		r = image_put_chunk(w, &s, raw, sizeof(raw), &c);
	rec_put(&b, REC_PROCESS, REC_REQUIRED, &p, sizeof(p), NULL, 0);
	rec_put(&b, REC_FD, REC_REQUIRED, &fd, sizeof(fd), NULL, 0);
	if (r == 0)
		r = image_put_section(w, SECTION_PROCESS, SECTION_REQUIRED, 1, b.data, b.len);
	blob_free(&b);
	if (r == 0)
		r = image_put_section(w, SECTION_EXTENTS, SECTION_REQUIRED, 1, e, sizeof(e));
	return r < 0 ? r : image_put_chunks(w, 1, first, &c, 1);
}

static inline int sample_write_two(int fd, int level)
{
	struct image_chunk chunks[SAMPLE_CHUNKS];
	struct image_writer w;
	int r = sample_begin(&w, fd, level, chunks);

	if (r == 0)
		r = sample_put_second(&w);
	if (r < 0)
		return r;
	return sample_end(&w, chunks, SAMPLE_CHUNKS, sample_extents, ARRAY_SIZE(sample_extents));
}

/* ---- looking at an image ---- */

static inline int sample_read_records(struct image *img, const struct image_section *s)
{
	struct rec_iter it;
	void *data;
	size_t n;
	int r = image_read_section(img, s, &data, &n, NULL);

	if (r < 0)
		return r;
	it = rec_iter(data, n);
	while (rec_next(&it))
		;
	return it.err;
}

static inline int sample_read_contents(struct image *img, uint32_t owner)
{
	const void *list;
	int r = contents_read(img, owner, &list, NULL);
	struct contents_iter it = contents_iter(list);
	char name[CONTENTS_NAME_MAX];

	while (r == 0 && contents_next(&it)) {
		contents_clone_name(it.file->object, name);
		for (uint64_t i = 0; i < it.file->npieces; i++)
			contents_piece_name(&it.pieces[i], name);
	}
	return r;
}

static inline int sample_read_sections(struct image *img)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < img->nsections; i++) {
		const struct image_section *s = &img->sections[i];
		struct image_extent *e;
		size_t n;

		r = image_verify_section(img, s);
		if (r == 0 && (s->type == SECTION_JOB || s->type == SECTION_PROCESS))
			r = sample_read_records(img, s);
		if (r == 0 && s->type == SECTION_CONTENTS)
			r = sample_read_contents(img, s->owner);
		if (r == 0 && s->type == SECTION_EXTENTS)
			r = image_extents(img, s->owner, &e, &n, NULL);
	}
	return r;
}

static inline int sample_read_chunks(struct image *img)
{
	size_t n = image_dctx_size();
	void *mem = malloc(n), *in = malloc(IMAGE_STORED_MAX), *out = malloc(IMAGE_CHUNK_MAX);
	void *dctx = image_dctx(mem, n);
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < img->nchunks; i++)
		r = image_load_chunk(img->fd, &img->key, &img->chunks[i], dctx, in, out);
	free(mem);
	free(in);
	free(out);
	return r;
}

/* Read everything in the image; 0 when all of it is good. */
static inline int sample_read_sealed(int fd, const struct image_keys *keys, struct text *why)
{
	struct image img;
	int r = image_open_sealed(&img, fd, keys, why);

	if (r < 0)
		return r;
	r = sample_read_sections(&img);
	if (r == 0)
		r = sample_read_chunks(&img);
	image_close(&img);
	return r;
}

static inline int sample_read(int fd, struct text *why)
{
	return sample_read_sealed(fd, NULL, why);
}

#endif
