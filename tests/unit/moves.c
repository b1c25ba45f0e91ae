/* Paths that lead elsewhere now: --map-path. */
#include <errno.h>
#include <string.h>
#include "moves.h"
#include "unit.h"

static char moves[MOVES_MAX];

static const char *moved(const char *path)
{
	static char now[64];

	return moves_apply(moves, path, now, sizeof(now)) ? now : "as it was";
}

UNIT_TEST(moves_are_by_whole_names_and_the_longest_holds)
{
	memset(moves, 0, sizeof(moves));
	ck_assert_str_eq(moved("/a"), "as it was");
	ck_assert_int_eq(moves_add(moves, "/a", "/x"), 0);
	ck_assert_int_eq(moves_add(moves, "/a/b", "/y/z"), 0);
	ck_assert_int_eq(moves_add(moves, "/a/b/c", "/a"), 0);
	ck_assert_str_eq(moved("/a"), "/x");
	ck_assert_str_eq(moved("/a/f"), "/x/f");
	ck_assert_str_eq(moved("/ab/f"), "as it was");
	ck_assert_str_eq(moved("/a/b"), "/y/z");
	ck_assert_str_eq(moved("/a/b/f (deleted)"), "/y/z/f (deleted)");
	ck_assert_str_eq(moved("/a/b/c/f"), "/a/f");
	ck_assert_str_eq(moved("/c/a"), "as it was");
	ck_assert_str_eq(moved("a"), "as it was");
	ck_assert_str_eq(moved(""), "as it was");
}

UNIT_TEST(moves_need_room)
{
	char path[CKPT_PAGE];

	memset(moves, 0, sizeof(moves));
	memset(path, 'p', sizeof(path));
	path[0] = '/';
	path[60] = 0;
	ck_assert_int_eq(moves_add(moves, "/a", path), 0);
	path[60] = '/', path[61] = 'b', path[62] = 0;
	ck_assert_str_eq(moved("/a/b"), path);
	ck_assert_str_eq(moved("/a/bcd"), "as it was");
	memset(path, 'p', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	ck_assert_int_eq(moves_add(moves, "/b", path), 0);
	ck_assert_int_eq(moves_add(moves, "/c", path), -ENAMETOOLONG);
	ck_assert_str_eq(moved("/c"), "as it was");
	for (const char *const *bad = (const char *const[]){"", "a", "/", "/a/", NULL}; *bad; bad++) {
		ck_assert_int_eq(moves_add(moves, *bad, "/x"), -EINVAL);
		ck_assert_int_eq(moves_add(moves, "/x", *bad), -EINVAL);
	}
}
