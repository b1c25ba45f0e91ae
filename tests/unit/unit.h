/*
 * A unit test is one UNIT_TEST(what_is_expected) { ... } with Check's ck_assert macros in it;
 * writing it is enough to have it run, in a process of its own.
 */
#ifndef CKPT_TEST_UNIT_H
#define CKPT_TEST_UNIT_H

#include <check.h>

/* A new directory, with all that the run leaves removed when its last process has ended. */
enum { UNIT_DIR_MAX = 40 };
void unit_dir(char path[UNIT_DIR_MAX]);

#define UNIT_TEST(test)                                                                            \
	static void test##_fn(int);                                                                \
	static const TTest test##_test = {#test, test##_fn, __FILE__, __LINE__};                   \
	static const TTest *const test##_entry __attribute__((section("unit_tests"), used)) =      \
		&test##_test;                                                                      \
	static void test##_fn(int unused __attribute__((unused)))

#endif
