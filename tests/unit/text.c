#include <errno.h>
#include <string.h>
#include "core.h"
#include "unit.h"

static const char *format(char *buf, size_t cap, const char *fmt, ...)
{
	struct text t = {.buf = buf, .cap = cap};
	va_list ap;

	va_start(ap, fmt);
	text_vput(&t, fmt, ap);
	va_end(ap);
	ck_assert_uint_eq(strlen(buf), t.len);
	return buf;
}

#define FORMAT(...) format((char[256]){0}, 256, __VA_ARGS__)

UNIT_TEST(text_knows_each_conversion)
{
	ck_assert_str_eq(FORMAT("%s %c 100%%", "abc", 'x'), "abc x 100%");
	ck_assert_str_eq(FORMAT("%d %d %ld", 0, -1, -9223372036854775807L - 1),
			 "0 -1 -9223372036854775808");
	ck_assert_str_eq(FORMAT("%u %lu %llu", 4294967295u, 18446744073709551615ul, 7ull),
			 "4294967295 18446744073709551615 7");
	ck_assert_str_eq(FORMAT("%x %lx", 0xbeefu, 0xfedcba9876543210ul), "beef fedcba9876543210");
	ck_assert_str_eq(FORMAT("%05u %05lu %02x %05d", 42u, 123456ul, 0xau, -42),
			 "00042 123456 0a -0042");
}

UNIT_TEST(text_cuts_what_does_not_fit)
{
	char buf[8];

	ck_assert_str_eq(format(buf, sizeof(buf), "%s", "1234567890"), "1234567");
	ck_assert_str_eq(format(buf, 1, "%d", 5), "");
}

UNIT_TEST(text_appends)
{
	char buf[16];
	struct text t = TEXT(buf);

	text_put(&t, "a");
	text_put(&t, "b%d", 1);
	ck_assert_str_eq(buf, "ab1");
	ck_assert_uint_eq(t.len, 3);
}

UNIT_TEST(text_names_errors)
{
	ck_assert_str_eq(errno_name(ENOENT), "ENOENT");
	ck_assert_str_eq(errno_name(-EHWPOISON), "EHWPOISON");
	ck_assert_str_eq(errno_name(0), "E?");
	ck_assert_str_eq(errno_name(41), "E?");
	ck_assert_str_eq(errno_name(100000), "E?");
	ck_assert_str_eq(errno_name(-2147483647 - 1), "E?");
}

UNIT_TEST(strings_compare)
{
	ck_assert(str_eq("", "") && str_eq("abc", "abc"));
	ck_assert(!str_eq("abc", "ab") && !str_eq("ab", "abc") && !str_eq("", "a"));
	ck_assert(str_starts("socket:[1]", "socket:[") && !str_starts("sock", "socket"));
	ck_assert(str_ends("x.ckpt", ".ckpt") && !str_ends("ckpt", ".ckpt"));
	ck_assert_uint_eq(str_len("four"), 4);
}

UNIT_TEST(str_copy_terminates)
{
	char buf[4] = "zzz";

	ck_assert(str_copy(buf, "abc", sizeof(buf)));
	ck_assert_str_eq(buf, "abc");
	ck_assert(!str_copy(buf, "abcd", sizeof(buf)));
	ck_assert_str_eq(buf, "abc");
	ck_assert(!str_copy(buf, "x", 0));
	ck_assert_str_eq(buf, "abc");
}

UNIT_TEST(numbers_are_parsed_up_to_the_first_other_character)
{
	const char *p = "123abc";

	ck_assert_uint_eq(parse_dec(&p), 123);
	ck_assert_uint_eq(parse_hex(&p), 0xabc);
	ck_assert_str_eq(p, "");
	p = "0755 x";
	ck_assert_uint_eq(parse_oct(&p), 0755);
	ck_assert_str_eq(p, " x");
	ck_assert_uint_eq(parse_dec(&p), 0);
	ck_assert_str_eq(p, " x");
}

UNIT_TEST(parse_skip_moves_only_behind_the_prefix)
{
	const char *p = "pipe:[5]";

	ck_assert(!parse_skip(&p, "socket:["));
	ck_assert_str_eq(p, "pipe:[5]");
	ck_assert(parse_skip(&p, "pipe:["));
	ck_assert_str_eq(p, "5]");
}

static bool glob(const char *patterns, const char *s, const char *rest)
{
	bool matches = str_glob(&patterns, s);

	ck_assert_str_eq(patterns, rest);
	return matches;
}

UNIT_TEST(globs_match_all_of_a_text)
{
	ck_assert(glob("socket:*", "socket:[12]", ""));
	ck_assert(glob("*", "", ""));
	ck_assert(glob("/dev/*/x?", "/dev/a/b/xy", ""));
	ck_assert(glob("*a*b*", "xxaaxbb", ""));
	ck_assert(glob("", "", ""));
	ck_assert(!glob("socket:", "socket:[12]", ""));
	ck_assert(!glob("*x", "xy", ""));
	ck_assert(!glob("a?", "a", ""));
	ck_assert(!glob("", "a", ""));
}

UNIT_TEST(globs_end_at_a_comma)
{
	ck_assert(glob("a*,b", "axx", ",b"));
	ck_assert(!glob("b,a*", "axx", ",a*"));
	ck_assert(!glob("a,b", "a,b", ",b"));
}

UNIT_TEST(proc_field_finds_the_line_that_starts_with_key)
{
	const char *text = "Name:\tTgid: 1\nTgid:\t812\nNSpid:\t 9 1\nLast:";

	ck_assert_uint_eq(strncmp(proc_field(text, "Tgid:"), "812", 3), 0);
	ck_assert_uint_eq(strncmp(proc_field(text, "NSpid:"), "9 1", 3), 0);
	ck_assert_str_eq(proc_field(text, "Last:"), "");
	ck_assert_ptr_null(proc_field(text, "pid:"));
	ck_assert_ptr_null(proc_field("", "x"));
	ck_assert_uint_eq(proc_dec(text, "Tgid:"), 812);
	ck_assert_uint_eq(proc_hex(text, "Tgid:"), 0x812);
	ck_assert_uint_eq(proc_dec(text, "pid:"), 0);
}
