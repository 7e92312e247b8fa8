/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of a test program on a fresh world for each test; included once, by its main file. */
#ifndef HWQ_TESTS_KIT_TEST_H
#define HWQ_TESTS_KIT_TEST_H

#include <check.h>
#include <errno.h>

#include "tests/kit/run.h"
#include "tests/kit/world.h"

static struct world *world;

#define ck_assert_ok(call)             ck_assert_int_eq((call), 0)
#define ck_assert_refused(call, error) ck_assert_int_eq((call), -(error))
/* The number that CALL made. */
#define made(call) made_number((call), #call, __LINE__)

static inline uint32_t made_number(int64_t result, const char *call, int line)
{
	ck_assert_msg(result >= 0, "line %d: %s = %d", line, call, (int)result);
	return (uint32_t)result;
}

static void world_setup(void)
{
	world = world_new();
}

static void world_teardown(void)
{
	world_free(world);
}

static int run_tests(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	tcase_add_checked_fixture(tcase, world_setup, world_teardown);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}

#define RUN_TESTS(name, tests) run_tests((name), (tests), sizeof(tests) / sizeof((tests)[0]))

#endif
