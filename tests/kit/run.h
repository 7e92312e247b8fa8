/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a test program's main(). HWQ_TEST=function in the environment runs that one alone. */
#ifndef HWQ_TESTS_KIT_RUN_H
#define HWQ_TESTS_KIT_RUN_H

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool is_wanted(const TTest *test)
{
	const char *only = getenv("HWQ_TEST");
	return only == NULL || strcmp(only, test->name) == 0;
}

/* check itself selects by suite and case, not by function. */
#undef tcase_add_test
#define tcase_add_test(tcase, test)                                      \
	do {                                                             \
		if (is_wanted(test))                                     \
			tcase_add_test_raise_signal((tcase), (test), 0); \
	} while (0)
#undef tcase_add_loop_test
#define tcase_add_loop_test(tcase, test, first, end)                                          \
	do {                                                                                  \
		if (is_wanted(test))                                                          \
			tcase_add_loop_test_raise_signal((tcase), (test), 0, (first), (end)); \
	} while (0)

/*
 * Without a fork for each test, so that the leak checker sees all of them; mutants set CK_FORK, so
 * that a test which dies is named as well.
 */
static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	if (getenv("CK_FORK") == NULL)
		srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
