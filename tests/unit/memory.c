/*
 * Arenas, blobs, whole reads and writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <string.h>
#include <unistd.h>
#include "core.h"
#include "unit.h"

static void assert_zeroed(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(p[i], 0);
}

UNIT_TEST(arena_memory_is_zeroed_aligned_and_separate)
{
	const size_t sizes[] = {1, 15, 16, 17, 4096, 65504, 65505, 1 << 20, 3};
	uint8_t *got[ARRAY_SIZE(sizes)];
	struct arena a = {0};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		got[i] = arena_alloc(&a, sizes[i]);
		ck_assert_ptr_nonnull(got[i]);
		ck_assert_uint_eq((uintptr_t)got[i] % 16, 0);
		assert_zeroed(got[i], sizes[i]);
		memset(got[i], i + 1, sizes[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (size_t j = 0; j < sizes[i]; j++)
			ck_assert_uint_eq(got[i][j], i + 1);
	arena_free(&a);
	ck_assert_ptr_null(a.head);
}

UNIT_TEST(arena_refuses_what_no_kernel_has)
{
	struct arena a = {0};

	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX / 2));
	ck_assert_ptr_nonnull(arena_alloc(&a, 1));
	arena_free(&a);
}

UNIT_TEST(blob_keeps_its_bytes_when_it_grows)
{
	struct blob b = {0};

	for (uint32_t i = 0; i < 100000; i++)
		blob_put(&b, &i, sizeof(i));
	ck_assert_int_eq(b.err, 0);
	ck_assert_uint_eq(b.len, 400000);
	for (uint32_t i = 0; i < 100000; i++)
		ck_assert_uint_eq(((uint32_t *)b.data)[i], i);
	assert_zeroed(blob_grow(&b, 1 << 20), 1 << 20);
	blob_free(&b);
	ck_assert_ptr_null(b.data);
}

UNIT_TEST(blob_error_is_sticky)
{
	struct blob b = {0};

	blob_put(&b, "abc", 3);
	ck_assert_ptr_null(blob_grow(&b, SIZE_MAX - 1));
	ck_assert_int_eq(b.err, -ENOMEM);
	ck_assert_ptr_null(blob_grow(&b, 1));
	ck_assert_uint_eq(b.len, 3);
	blob_free(&b);
	ck_assert_int_eq(b.err, 0);
}

UNIT_TEST(io_read_collects_short_reads)
{
	char buf[16];
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	if (fork() == 0) {
		for (int i = 0; i < 5; i++) {
			usleep(1000);
			ck_assert_int_eq(io_write(fds[1], &"hello"[i], 1), 0);
		}
		_exit(0);
	}
	close(fds[1]);
	ck_assert_int_eq(io_read(fds[0], buf, sizeof(buf)), 5);
	ck_assert_mem_eq(buf, "hello", 5);
}

UNIT_TEST(io_pread_wants_all_bytes)
{
	int fd = memfd_create("x", 0);
	char buf[8];

	ck_assert_int_eq(io_pwrite(fd, "12345678", 8, 4), 0);
	ck_assert_int_eq(io_pread(fd, buf, 8, 4), 0);
	ck_assert_mem_eq(buf, "12345678", 8);
	ck_assert_int_eq(io_pread(fd, buf, 8, 5), -EIO);
	ck_assert_int_eq(io_pread(-1, buf, 8, 0), -EBADF);
}

UNIT_TEST(io_says_when_the_disk_is_full)
{
	int fd = open("/dev/full", O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, "x", 1), -ENOSPC);
	ck_assert_int_eq(io_pwrite(fd, "x", 1, 0), -ENOSPC);
}

UNIT_TEST(io_read_file_terminates_or_refuses)
{
	char buf[4096];
	ssize_t n = io_read_file("/proc/self/stat", buf, sizeof(buf));

	ck_assert_int_gt(n, 0);
	ck_assert_uint_eq(strlen(buf), n);
	ck_assert_int_eq(io_read_file("/proc/self/stat", buf, 4), -EFBIG);
	ck_assert_int_eq(io_read_file("/proc/self/nothing", buf, sizeof(buf)), -ENOENT);
}
