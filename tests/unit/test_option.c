/* SPDX-License-Identifier: Apache-2.0 */
/* Named choices: how their text is read, what they are by default, and who asked for them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/option.h"
#include "kernel_shim/options.h"
#include "models/amd_iommu/assumptions.h"
#include "models/nvidia_vcmdq/assumptions.h"
#include "tests/kit/run.h"

enum { PIN, PIN_ORDER, FLUSH };

static const struct option options[] = {
	[PIN] = {"pin", "sheet 1", {{"on", "7.3.4"}, {"off", "what-if"}}},
	[PIN_ORDER] = {"pin.order", "sheet 2", {{"first", "7.3.4"}, {"last", "posted"}}},
	[FLUSH] = {"flush",
		   "sheet 3",
		   {{"a", "1"}, {"b", "1"}, {"c", "1"}, {"d", "1"}, {"e", "1"}, {"f", "1"}}},
	{NULL, NULL, {{NULL, NULL}}},
};

static struct option_set set;

static void setup(void)
{
	memset(&set, 0xff, sizeof(set));
	option_set_init(&set, options);
}

static void assert_found(const char *text, unsigned option, unsigned value)
{
	unsigned found_option = 99, found_value = 99;
	ck_assert_msg(option_find(options, text, &found_option, &found_value), "%s", text);
	ck_assert_uint_eq(found_option, option);
	ck_assert_uint_eq(found_value, value);
}

START_TEST(options_and_values_are_counted)
{
	ck_assert_uint_eq(option_count(options), 3);
	ck_assert_uint_eq(option_count(&options[3]), 0);
	ck_assert_uint_eq(option_value_count(&options[PIN]), 2);
	ck_assert_uint_eq(option_value_count(&options[FLUSH]), OPTION_VALUES_MAX);
}
END_TEST

START_TEST(a_choice_is_found_by_key_and_value)
{
	assert_found("pin=on", PIN, 0);
	assert_found("pin=off", PIN, 1);
	assert_found("pin.order=last", PIN_ORDER, 1);
	assert_found("flush=a", FLUSH, 0);
	assert_found("flush=f", FLUSH, 5);
}
END_TEST

START_TEST(an_unknown_key_is_refused)
{
	static const char *const texts[] = {
		"",        "=",     "=on",        "pi=on",      "pins=on",         "Pin=on",
		" pin=on", "pin .", "pin.o=last", "order=last", "pin.order.=last", "unknown=on",
		"on",
	};
	unsigned option, value;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(!option_find(options, texts[i], &option, &value), "%s", texts[i]);
}
END_TEST

START_TEST(an_unknown_value_is_refused)
{
	static const char *const texts[] = {
		"pin",     "pin=",        "pin=o",     "pin=of",     "pin=offf",  "pin=on ",
		"pin= on", "pin=ON",      "pin==on",   "pin=on=off", "pin=first", "pin.order=on",
		"flush=g", "flush=7.3.4", "pin=7.3.4", "pin=0",      "pin=1",
	};
	unsigned option, value;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(!option_find(options, texts[i], &option, &value), "%s", texts[i]);
}
END_TEST

START_TEST(a_new_set_holds_the_defaults_and_nobody_asked)
{
	ck_assert_ptr_eq(set.options, options);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(set.values[i], 0);
		ck_assert(!set.consulted[i]);
	}
}
END_TEST

START_TEST(asking_for_a_value_is_remembered_for_this_option_only)
{
	set.values[PIN_ORDER] = 1;
	ck_assert(!set.consulted[PIN_ORDER]); /* a choice that nobody looked at */
	ck_assert_uint_eq(option_get(&set, PIN_ORDER), 1);
	ck_assert(set.consulted[PIN_ORDER]);
	ck_assert(!set.consulted[PIN]);
	ck_assert(!set.consulted[FLUSH]);
	ck_assert_uint_eq(option_get(&set, PIN), 0); /* the default counts too */
	ck_assert(set.consulted[PIN]);
}
END_TEST

START_TEST(sets_are_apart)
{
	struct option_set second;
	option_set_init(&second, options);
	second.values[PIN] = 1;
	ck_assert_uint_eq(option_get(&set, PIN), 0);
	ck_assert(!second.consulted[PIN]);
	ck_assert_uint_eq(option_get(&second, PIN), 1);
}
END_TEST

/* ---- the tables of the program ---- */

/* Each choice can be written down, is found again, and says where it comes from. */
static void assert_well_formed(const struct option *table)
{
	ck_assert_uint_gt(option_count(table), 0);
	ck_assert_uint_le(option_count(table), OPTIONS_MAX);
	for (unsigned i = 0; i < option_count(table); i++) {
		ck_assert_ptr_nonnull(table[i].source);
		ck_assert_msg(option_value_count(&table[i]) >= 2, "%s", table[i].key);
		for (unsigned j = 0; j < option_value_count(&table[i]); j++) {
			char text[96];
			unsigned option = 99, value = 99;
			ck_assert_msg(table[i].values[j].tag != NULL, "%s", table[i].key);
			snprintf(text, sizeof(text), "%s=%s", table[i].key,
				 table[i].values[j].name);
			ck_assert_msg(option_find(table, text, &option, &value), "%s", text);
			ck_assert_msg(option == i && value == j, "%s is ambiguous", text);
		}
	}
}

START_TEST(the_tables_of_the_kernel_and_the_smmu_are_well_formed)
{
	assert_well_formed(kernel_options);
	assert_well_formed(smmu_assumptions);
	assert_well_formed(amd_assumptions);
}
END_TEST

/* The other values are questions; the first one is what Linux 7.3.4 does, or what was posted for it. */
START_TEST(the_kernel_does_by_default_what_its_version_does)
{
	for (unsigned i = 0; i < option_count(kernel_options); i++) {
		const char *tag = kernel_options[i].values[0].tag;
		ck_assert_msg(strcmp(tag, "7.3.4") == 0 || strcmp(tag, "posted") == 0, "%s", tag);
		for (unsigned j = 1; j < option_value_count(&kernel_options[i]); j++)
			ck_assert_str_ne(kernel_options[i].values[j].tag, "7.3.4");
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("option");
	TCase *tests = tcase_create("option");
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, options_and_values_are_counted);
	tcase_add_test(tests, a_choice_is_found_by_key_and_value);
	tcase_add_test(tests, an_unknown_key_is_refused);
	tcase_add_test(tests, an_unknown_value_is_refused);
	tcase_add_test(tests, a_new_set_holds_the_defaults_and_nobody_asked);
	tcase_add_test(tests, asking_for_a_value_is_remembered_for_this_option_only);
	tcase_add_test(tests, sets_are_apart);
	tcase_add_test(tests, the_tables_of_the_kernel_and_the_smmu_are_well_formed);
	tcase_add_test(tests, the_kernel_does_by_default_what_its_version_does);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
