/*
 * Images for tests, and forged ones: a part is changed and every checksum made right again.
 */
#ifndef CKPT_TEST_IMAGE_FORGE_H
#define CKPT_TEST_IMAGE_FORGE_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sample.h"
#include "unit.h"

static inline int new_file(void)
{
	int fd = memfd_create("image", 0);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static inline struct image_writer new_writer(int fd, int level)
{
	struct image_writer w = {.fd = fd, .level = level, .shared = sample_shared(1)};

	ck_assert_ptr_nonnull(w.shared);
	return w;
}

static inline int new_sample(int level)
{
	int fd = new_file();

	ck_assert_int_eq(sample_write(fd, level), 0);
	return fd;
}

/* Expect the image to be refused with err and a reason that has word in it. */
static inline void assert_refused(int fd, int err, const char *word)
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

static inline off_t file_size(int fd)
{
	return lseek(fd, 0, SEEK_END);
}

static inline void read_trailer(int fd, struct image_trailer *t)
{
	ck_assert_int_eq(io_pread(fd, t, sizeof(*t), file_size(fd) - sizeof(*t)), 0);
}

static inline void write_trailer(int fd, struct image_trailer *t)
{
	t->checksum = image_checksum(t, offsetof(struct image_trailer, checksum));
	ck_assert_int_eq(io_pwrite(fd, t, sizeof(*t), file_size(fd) - sizeof(*t)), 0);
}

static inline void write_header(int fd, struct image_header *h)
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
static inline int sample_with_section(uint32_t type, struct image_section **s, struct image_section *all)
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

static inline void write_footer(int fd, const struct image_section *all)
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
static inline int open_extents(const struct image_extent *e, size_t n)
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

enum { WRITERS = 8, CHUNKS_EACH = 25 };

/* One process's part: its chunks, extents at addresses of its own, and records. */
static inline int write_part(struct image_writer *w, uint32_t index)
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
static inline int new_image_of_many(void)
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

#endif
