#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "records.h"
#include "unit.h"

UNIT_TEST(records_come_back_in_order)
{
	struct rec_fd fd = {.fd = 7, .cloexec = 1, .file = 3}, got;
	struct blob b = {0};
	struct rec_iter it;
	const struct rec *r;
	size_t len;

	rec_put(&b, REC_FD, REC_REQUIRED, &fd, sizeof(fd), "/a path", 8);
	rec_put_string(&b, STRING_CWD, "/tmp", 4);
	rec_put(&b, REC_BYTES, 0, NULL, 0, "123456789", 9);
	ck_assert_int_eq(b.err, 0);
	ck_assert_uint_eq(b.len % 8, 0);

	it = rec_iter(b.data, b.len);
	r = rec_next(&it);
	ck_assert_uint_eq(r->type, REC_FD);
	ck_assert_uint_eq(r->flags, REC_REQUIRED);
	rec_get(r, &got, sizeof(got));
	ck_assert_mem_eq(&got, &fd, sizeof(fd));
	ck_assert_str_eq(rec_extra(r, sizeof(fd), &len), "/a path");
	ck_assert_uint_eq(len, 7);

	r = rec_next_type(&it, REC_STRING);
	ck_assert_str_eq(rec_extra(r, sizeof(struct rec_string), &len), "/tmp");
	ck_assert_uint_eq(((const struct rec_string *)(r + 1))->len, 4);

	r = rec_next(&it);
	ck_assert_uint_eq(r->size, 9);
	ck_assert_str_eq(rec_extra(r, 0, &len), ""); /* not terminated */
	ck_assert_uint_eq(len, 0);
	ck_assert_ptr_null(rec_next(&it));
	ck_assert_int_eq(it.err, 0);
	blob_free(&b);
}

UNIT_TEST(record_of_a_shorter_version_reads_as_zeros_at_its_end)
{
	struct rec_vma vma;
	struct blob b = {0};
	uint64_t start = 0x1000;

	rec_put(&b, REC_VMA, 0, &start, sizeof(start), NULL, 0);
	memset(&vma, 0xff, sizeof(vma));
	rec_get((struct rec *)b.data, &vma, sizeof(vma));
	ck_assert_uint_eq(vma.start, 0x1000);
	ck_assert_uint_eq(vma.end, 0);
	ck_assert_uint_eq(vma.page_kb, 0);
	ck_assert_str_eq(rec_extra((struct rec *)b.data, sizeof(vma), &(size_t){0}), "");
	blob_free(&b);
}

UNIT_TEST(records_of_later_versions_are_passed_over)
{
	struct blob b = {0};
	struct rec_iter it;

	rec_put(&b, 999, 0, "?", 1, NULL, 0);
	rec_put(&b, REC_FD, 0, NULL, 0, NULL, 0);
	it = rec_iter(b.data, b.len);
	ck_assert_ptr_nonnull(rec_next_type(&it, REC_FD));
	blob_free(&b);
}

UNIT_TEST(record_errors_are_sticky)
{
	struct blob b = {0};

	ck_assert_ptr_null(rec_put(&b, REC_FD, 0, "", (size_t)1 << 33, NULL, 0));
	ck_assert_int_eq(b.err, -E2BIG);
	ck_assert_ptr_null(rec_put(&b, REC_FD, 0, "x", 1, NULL, 0));
	rec_put_string(&b, STRING_COMM, "x", 1);
	ck_assert_int_eq(b.err, -E2BIG);
	ck_assert_uint_eq(b.len, 0);
	blob_free(&b);
}

UNIT_TEST(no_records_are_no_error)
{
	struct rec_iter it = rec_iter(NULL, 0);

	ck_assert_ptr_null(rec_next(&it));
	ck_assert_int_eq(it.err, 0);
}

UNIT_TEST(records_cut_anywhere_end_there)
{
	struct blob b = {0};

	rec_put(&b, REC_BYTES, 0, "12345", 5, NULL, 0);
	rec_put(&b, REC_BYTES, 0, "123456789", 9, NULL, 0);
	for (size_t n = 0; n <= b.len; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		struct rec_iter it = rec_iter(memcpy(copy, b.data, n), n);
		size_t found = 0;

		while (rec_next(&it))
			found++;
		ck_assert_uint_eq(found, (n >= 16) + (n >= 40));
		ck_assert_int_eq(it.err, n == 0 || n == 16 || n == 40 ? 0 : -EBADMSG);
		free(copy);
	}
	blob_free(&b);
}

UNIT_TEST(record_longer_than_the_rest_is_refused)
{
	static const uint32_t sizes[] = {1, 8, 0x7fffffff, 0xfffffff8, 0xfffffff9, 0xffffffff};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct rec r = {.type = REC_FD, .size = sizes[i]};
		struct rec_iter it = rec_iter(&r, sizeof(r));

		ck_assert_ptr_null(rec_next(&it));
		ck_assert_int_eq(it.err, -EBADMSG);
		ck_assert_ptr_null(rec_next(&it));
	}
}
