/*
 * Runs all unit tests, or those whose names contain an argument.
 */
#include <stdlib.h>
#include <string.h>
#include "unit.h"

enum { LIMIT_S = 120 };

/* Put together by the linker. */
extern const TTest *const __start_unit_tests[], *const __stop_unit_tests[];

static int is_wanted(const TTest *test, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strstr(test->name, argv[i]))
			return 1;
	return argc < 2;
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("unit");
	TCase *all = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(all, LIMIT_S);
	for (const TTest *const *t = __start_unit_tests; t < __stop_unit_tests; t++)
		if (is_wanted(*t, argc, argv))
			tcase_add_test(all, *t);
	suite_add_tcase(suite, all);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
