/* --files=POLICY[:GLOB],…: what is such a list, and which policy a path has. */
#include <errno.h>
#include <string.h>
#include "files.h"
#include "unit.h"

UNIT_TEST(files_valid_knows_a_list)
{
	static const char *const good[] = {"", "save", "force:x", "ignore:*.log,truncate", "save:a:b,save:/x/*",
					   "truncate:ignore"};
	static const char *const bad[] = {"keep",    "saved",	"save:",      ":x",   ",", "save,", ",save",
					  "save,,x", "force x", "save:a,,force", "SAVE", "save:a,b"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(files_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(!files_valid(bad[i]), "%s", bad[i]);
}

UNIT_TEST(files_policy_is_of_the_last_pattern_that_matches)
{
	const char *list = "save,ignore:*.log,truncate:/var/*/a.log,force:b?";

	ck_assert_uint_eq(files_policy("", "/x"), FILES_BY_USE);
	ck_assert_uint_eq(files_policy("ignore:*.log", "/x"), FILES_BY_USE);
	ck_assert_uint_eq(files_policy(list, "/x/data"), FILES_SAVE);
	ck_assert_uint_eq(files_policy(list, "/x/y.log"), FILES_IGNORE);
	ck_assert_uint_eq(files_policy(list, "/var/log/a.log"), FILES_TRUNCATE);
	ck_assert_uint_eq(files_policy(list, "/x/b1"), FILES_FORCE);
	ck_assert_uint_eq(files_policy(list, "/b1/x"), FILES_SAVE);
	ck_assert_uint_eq(files_policy("force:*.log,save", "/a.log"), FILES_SAVE);
}

UNIT_TEST(files_policy_named_is_of_patterns_with_a_glob)
{
	ck_assert_uint_eq(files_policy_named("", "/x"), FILES_BY_USE);
	ck_assert_uint_eq(files_policy_named("save", "/x"), FILES_BY_USE);
	ck_assert_uint_eq(files_policy_named("save:x,truncate", "/x"), FILES_SAVE);
	ck_assert_uint_eq(files_policy_named("save,truncate:x,ignore:y", "/x"), FILES_TRUNCATE);
}

UNIT_TEST(files_policy_holds_a_pattern_without_slash_against_the_last_name)
{
	ck_assert_uint_eq(files_policy("save:run.log", "/a/b/run.log"), FILES_SAVE);
	ck_assert_uint_eq(files_policy("save:run.log", "/run.log/x"), FILES_BY_USE);
	ck_assert_uint_eq(files_policy("save:/a/*", "/a/b/run.log"), FILES_SAVE);
	ck_assert_uint_eq(files_policy("save:b/run.log", "/a/b/run.log"), FILES_BY_USE);
	ck_assert_uint_eq(files_policy("save:*/b/run.log", "/a/b/run.log"), FILES_SAVE);
}

UNIT_TEST(files_add_appends)
{
	char list[24] = "";

	ck_assert_int_eq(files_add(list, sizeof(list), "save:x"), 0);
	ck_assert_int_eq(files_add(list, sizeof(list), "force"), 0);
	ck_assert_int_eq(files_add(list, sizeof(list), "forced"), -EINVAL);
	ck_assert_int_eq(files_add(list, sizeof(list), ""), -EINVAL);
	ck_assert_int_eq(files_add(list, sizeof(list), "ignore:long"), -ENAMETOOLONG);
	ck_assert_str_eq(list, "save:x,force");
	ck_assert_int_eq(files_add(list, sizeof(list), "ignore:xyz"), 0);
	ck_assert_str_eq(list, "save:x,force,ignore:xyz");
	ck_assert_str_eq(files_policy_name(FILES_TRUNCATE), "truncate");
}
