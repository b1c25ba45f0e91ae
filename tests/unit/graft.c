/* Variables that take the place of others: --env. */
#include <string.h>
#include "graft.h"
#include "unit.h"

/* As it is handed over. */
static const char graft[] = "A,B_*,C?\0A=1\0B_=\0B_X=y=z\0";

UNIT_TEST(graft_means_names_and_not_values)
{
	static const char *const meant[] = {"A=", "A=x", "B_=", "B_XYZ=A", "CC=1", NULL};
	static const char *const not_meant[] = {"AA=", "B=", "X=A", "C=1", "CCC=1", "A", "", "=A", NULL};
	char longest[400] = "B_";

	for (const char *const *e = meant; *e; e++)
		ck_assert_msg(graft_means("A,B_*,C?", *e), "%s", *e);
	for (const char *const *e = not_meant; *e; e++)
		ck_assert_msg(!graft_means("A,B_*,C?", *e), "%s", *e);
	ck_assert(!graft_means("", "A=1"));
	memset(longest + 2, 'x', 253);
	longest[255] = '=';
	ck_assert(graft_means("B_*", longest));
	memset(longest + 2, 'x', 300);
	longest[302] = '=';
	ck_assert_msg(!graft_means("B_*", longest), "a name that is too long is left alone");
}

UNIT_TEST(graft_finds_what_is_handed_over)
{
	ck_assert_str_eq(graft_first(graft), "A=1");
	ck_assert_str_eq(graft_find(graft, "A=before"), "A=1");
	ck_assert_str_eq(graft_find(graft, "B_=before"), "B_=");
	ck_assert_str_eq(graft_find(graft, "B_X="), "B_X=y=z");
	ck_assert_ptr_null(graft_find(graft, "B_Y=1"));
	ck_assert_ptr_null(graft_find(graft, "C1=1"));
	ck_assert_ptr_null(graft_find(graft, "A"));
	ck_assert_ptr_null(graft_find("A\0", "A=1"));
	ck_assert(graft_same("A=1", "A=") && !graft_same("A=1", "AB=1") && !graft_same("A", "A") && !graft_same("=", "="));
}
