#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include "core.h"
#include "unit.h"

/* Parse exactly n bytes of s, with nothing readable behind them. */
static int parse_n(const char *s, size_t n, struct map_line *m)
{
	char *copy = malloc(n ? n : 1);
	const char *p = copy;
	int r;

	memcpy(copy, s, n);
	r = maps_next(&p, copy + n, m);
	if (r == 1)
		ck_assert(p <= copy + n);
	free(copy);
	return r;
}

static int parse(const char *s, struct map_line *m)
{
	return parse_n(s, strlen(s), m);
}

UNIT_TEST(maps_line_of_a_file)
{
	const char *s = "7f3c18000000-7f3c18021000 rw-s 0001f000 fd:1a 1312 /a b (deleted)\n",
		   *p = s;
	struct map_line m;

	ck_assert_int_eq(maps_next(&p, s + strlen(s), &m), 1);
	ck_assert_uint_eq(m.start, 0x7f3c18000000);
	ck_assert_uint_eq(m.end, 0x7f3c18021000);
	ck_assert_uint_eq(m.offset, 0x1f000);
	ck_assert_uint_eq(m.dev, makedev(0xfd, 0x1a));
	ck_assert_uint_eq(m.ino, 1312);
	ck_assert_int_eq(m.prot, PROT_READ | PROT_WRITE);
	ck_assert(m.shared);
	ck_assert_uint_eq(m.name_len, 14);
	ck_assert_mem_eq(m.name, "/a b (deleted)", 14);
	ck_assert_int_eq(maps_next(&p, s + strlen(s), &m), 0);
}

UNIT_TEST(maps_line_without_a_name)
{
	struct map_line m;

	ck_assert_int_eq(parse("00400000-00401000 ---p 00000000 00:00 0 \n", &m), 1);
	ck_assert_uint_eq(m.name_len, 0);
	ck_assert_int_eq(m.prot, PROT_NONE);
	ck_assert_int_eq(parse("00400000-00401000 r-xp 00000000 00:00 0", &m), 1);
	ck_assert_uint_eq(m.name_len, 0);
	ck_assert_int_eq(m.prot, PROT_READ | PROT_EXEC);
}

UNIT_TEST(maps_of_the_vsyscall_page)
{
	struct map_line m;

	ck_assert_int_eq(
		parse("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n", &m),
		1);
	ck_assert_uint_eq(m.end, 0xffffffffff601000);
}

UNIT_TEST(maps_refuses_lines_that_are_none)
{
	static const char *const bad[] = {
		"\n",
		"x",
		"1-2",
		"1000-1000 rw-p 0 0:0 0\n",
		"2000-1000 rw-p 0 0:0 0\n",
		"-2000 rw-p 0 0:0 0\n",
		"1000-2000 rwxz 0 0:0 0\n",
		"1000-2000 rw-p  0:0 0\n",
		"1000-2000 rw-p 0 0:0 \n",
		"1000-2000 rw-p 0 0:0 0x\n",
		"11112222333344445-11112222333344446 rw-p 0 0:0 0\n",
		"1000-2000 rw-p 0 0:0 99999999999999999999\n",
	};
	struct map_line m;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(parse(bad[i], &m) == -EINVAL, "taken: %s", bad[i]);
}

UNIT_TEST(maps_line_cut_anywhere_is_not_read_beyond)
{
	const char *s = "7f3c18000000-7f3c18021000 rw-p 0001f000 fd:01 1312 /usr/lib/libc.so.6\n";
	struct map_line m;

	for (size_t n = 0; n <= strlen(s); n++)
		ck_assert_int_le(parse_n(s, n, &m), 1);
}

UNIT_TEST(maps_of_this_process_in_order)
{
	static char buf[1 << 20];
	ssize_t n = io_read_file("/proc/self/maps", buf, sizeof(buf));
	const char *p = buf;
	struct map_line m;
	uint64_t last = 0;
	bool found = false;
	int r;

	ck_assert_int_gt(n, 0);
	while ((r = maps_next(&p, buf + n, &m)) == 1) {
		ck_assert_uint_ge(m.start, last);
		last = m.end;
		found |= m.start <= (uintptr_t)buf && (uintptr_t)buf < m.end;
	}
	ck_assert_int_eq(r, 0);
	ck_assert(found);
}
