/*
 * Runs all unit tests, or those whose names contain an argument.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "unit.h"

enum { LIMIT_S = 120 };

static char top[] = "/tmp/ckpt-unit-XXXXXX"; /* of this run */

/* Put together by the linker. */
extern const TTest *const __start_unit_tests[], *const __stop_unit_tests[];

static int is_wanted(const TTest *test, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strstr(test->name, argv[i]))
			return 1;
	return argc < 2;
}

void unit_dir(char path[UNIT_DIR_MAX])
{
	snprintf(path, UNIT_DIR_MAX, "%s/XXXXXX", top);
	ck_assert_ptr_nonnull(mkdtemp(path));
}

/*
 * A child removes what tests have made, however the run ends: then nobody has the other end of its pipe any more. In a
 * session of its own it outlives a Ctrl-C.
 */
static int top_make(void)
{
	int ends[2];
	char byte;

	if (!mkdtemp(top) || pipe(ends))
		return -1;
	if (fork() == 0) {
		setsid();
		close(ends[1]);
		if (read(ends[0], &byte, 1) == 0)
			execlp("rm", "rm", "-rf", top, NULL);
		_exit(1);
	}
	close(ends[0]);
	return 0;
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("unit");
	TCase *all = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (top_make()) {
		perror(top);
		return EXIT_FAILURE;
	}
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
