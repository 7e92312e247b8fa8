/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a test program's main(). */
#ifndef HWQ_TESTS_KIT_RUN_H
#define HWQ_TESTS_KIT_RUN_H

#include <check.h>
#include <stdlib.h>

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
