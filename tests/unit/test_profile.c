/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles are read strictly, and say what is wrong. */
#include <check.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/profile.h"
#include "tests/kit/run.h"
#include "tools/runner/builtin_profiles.h"
#include "tools/runner/platform.h"

static const struct parameter_range known[] = {
	{"a.ns", 0, UINT64_MAX}, {"b.count", 1, 64}, {NULL, 0, 0}};
static struct profile profile;
static struct trace_diag diag;

static void teardown(void)
{
	trace_diag_free(&diag);
	memset(&diag, 0, sizeof(diag));
}

static int parse_bytes(const char *text, size_t length)
{
	/* A copy of the exact size, so that a sanitizer sees a read past its end. */
	char *copy = malloc(length ? length : 1);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, length);
	int result = profile_parse(&profile, "p", copy, length, known, &diag);
	free(copy);
	return result;
}

static void refused_bytes(const char *text, size_t length, const char *message)
{
	ck_assert_int_eq(parse_bytes(text, length), -1);
	ck_assert_str_eq(trace_diag_text(&diag), message);
}

static void refused(const char *text, const char *message)
{
	refused_bytes(text, strlen(text), message);
}

START_TEST(a_whole_profile_is_read)
{
	static const char text[] = "# comment\n"
				   "\n"
				   "b.count = 0x10 ; measured ; smmuv3 1.3; boot log\n"
				   "\t a.ns=7;derived;sheet 2 \t\n";
	ck_assert_int_eq(parse_bytes(text, sizeof(text) - 1), 0);
	ck_assert_uint_eq(profile.count, 2);
	ck_assert_uint_eq(profile_get(&profile, "a.ns"), 7);
	ck_assert_uint_eq(profile_get(&profile, "b.count"), 16);
	ck_assert_str_eq(profile.parameters[0].source, "smmuv3 1.3; boot log");
	ck_assert_str_eq(profile.parameters[1].source, "sheet 2");
	ck_assert_int_eq(profile.parameters[0].status, PARAMETER_MEASURED);
	ck_assert_int_eq(profile.parameters[1].status, PARAMETER_DERIVED);
}
END_TEST

START_TEST(the_last_line_needs_no_newline)
{
	ck_assert_int_eq(parse_bytes("a.ns=1;assumed;x\nb.count=2;assumed;y", 36), 0);
	ck_assert_uint_eq(profile_get(&profile, "b.count"), 2);
}
END_TEST

START_TEST(a_missing_part_is_reported)
{
	static const char message[] = "p:1:1: bad parameter line, a part is missing, expected "
				      "'name = value ; status ; source'";
	refused("a.ns", message);
	refused("a.ns = 1", message);
	refused("a.ns = 1 ; assumed", message);
	refused("a.ns = 1 ; assumed ; ", message);
	refused("a.ns 1 ; assumed ; x", message);
}
END_TEST

START_TEST(an_unknown_name_is_reported_with_its_line)
{
	refused("a.ns = 1 ; assumed ; x\n\nc = 1 ; assumed ; x\n",
		"p:3:1: unknown parameter 'c', no model has it, expected a known one");
	refused("a = 1 ; assumed ; x",
		"p:1:1: unknown parameter 'a', no model has it, expected a known one");
}
END_TEST

START_TEST(a_value_is_a_whole_number)
{
	static const char *const values[] = {"-1", "1.5", "x", "", "1 2", "0x", "1x", "+1"};
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char text[64], message[128];
		snprintf(text, sizeof(text), "a.ns = %s ; assumed ; x", values[i]);
		snprintf(message, sizeof(message),
			 "p:1:1: bad value '%s', it is no number, expected a whole number",
			 values[i]);
		refused(text, message);
	}
	refused("a.ns = 18446744073709551616 ; assumed ; x",
		"p:1:1: bad value '18446744073709551616', it is no number, expected a whole "
		"number");
	ck_assert_int_eq(parse_bytes("a.ns = 1\0x ; assumed ; x", 24), -1);
}
END_TEST

START_TEST(a_value_lies_in_the_model_s_range)
{
	refused("b.count = 0 ; assumed ; x",
		"p:1:1: value 0 out of range, the model can't take it for 'b.count', expected 1 to "
		"64");
	refused("a.ns = 1 ; assumed ; x\nb.count = 65 ; assumed ; x",
		"p:2:1: value 65 out of range, the model can't take it for 'b.count', expected 1 "
		"to 64");
	ck_assert_int_eq(parse_bytes("a.ns=0;assumed;x\nb.count=64;assumed;y", 37), 0);
}
END_TEST

START_TEST(a_leading_zero_is_not_octal)
{
	ck_assert_int_eq(parse_bytes("a.ns=010;assumed;x\nb.count=2;assumed;y", 38), 0);
	ck_assert_uint_eq(profile_get(&profile, "a.ns"), 10);
}
END_TEST

START_TEST(the_largest_number_fits)
{
	static const char text[] = "a.ns=18446744073709551615;assumed;x\nb.count=2;assumed;y";
	ck_assert_int_eq(parse_bytes(text, sizeof(text) - 1), 0);
	ck_assert_uint_eq(profile_get(&profile, "a.ns"), UINT64_MAX);
}
END_TEST

START_TEST(a_status_is_one_of_three)
{
	refused("a.ns = 1 ; guessed ; x", "p:1:1: bad status 'guessed', it is none of the three, "
					  "expected measured, derived or assumed");
	ck_assert_str_eq(parameter_status_name(PARAMETER_MEASURED), "measured");
	ck_assert_str_eq(parameter_status_name(PARAMETER_ASSUMED), "assumed");
}
END_TEST

START_TEST(a_parameter_is_given_once)
{
	refused("a.ns = 1 ; assumed ; x\na.ns = 1 ; assumed ; x",
		"p:2:1: parameter 'a.ns' again, it was given before, expected it once");
	refused("a.ns = 1 ; assumed ; x",
		"p:1:1: parameter 'b.count' is missing, every model parameter needs a value, "
		"expected 'b.count = ...'");
	refused("", "p:1:1: parameter 'a.ns' is missing, every model parameter needs a value, "
		    "expected 'a.ns = ...'");
}
END_TEST

START_TEST(a_source_that_does_not_fit_is_refused)
{
	char text[256] = "a.ns = 1 ; assumed ; ";
	size_t length = strlen(text);
	memset(text + length, 'x', PROFILE_SOURCE_MAX);
	refused_bytes(text, length + PROFILE_SOURCE_MAX,
		      "p:1:1: parameter too long, or too many of them, expected a shorter profile");
	ck_assert_int_eq(parse_bytes(text, length + PROFILE_SOURCE_MAX - 1), -1); /* b.count */
	ck_assert_uint_eq(profile.count, 1);
	ck_assert_uint_eq(strlen(profile.parameters[0].source), PROFILE_SOURCE_MAX - 1);
}
END_TEST

/* --- which engine a profile is of --- */

static const struct trace_pos here = {4, 9};

static int find_profile(const char *name, const struct platform **platform)
{
	return platform_profile(name, "x.hwq", here, &profile, platform, &diag);
}

START_TEST(profiles_are_built_in)
{
	const struct platform *platform = NULL;
	ck_assert_int_eq(find_profile("grace", &platform), 0);
	ck_assert_ptr_eq(platform, &platform_nvidia);
	for (const struct parameter_range *range = platform->parameters; range->name != NULL;
	     range++) {
		uint64_t value = profile_get(&profile, range->name);
		ck_assert(value >= range->min && value <= range->max);
	}
	for (const struct builtin_profile *known_one = builtin_profiles; known_one->name != NULL;
	     known_one++)
		ck_assert_int_eq(find_profile(known_one->name, &platform), 0);
}
END_TEST

START_TEST(an_unknown_profile_names_the_nearest)
{
	const struct platform *platform;
	ck_assert_int_eq(find_profile("graze", &platform), -1);
	ck_assert_str_eq(trace_diag_text(&diag),
			 "x.hwq:4:9: unknown profile 'graze', none of that name is built in, "
			 "expected perhaps 'grace' or a file with a '/' in its name");
	ck_assert_int_eq(find_profile("something-else", &platform), -1);
	ck_assert_str_eq(trace_diag_text(&diag),
			 "x.hwq:4:9: unknown profile 'something-else', none of that name is built "
			 "in, expected a known one or a file with a '/' in its name");
	ck_assert_int_eq(find_profile("", &platform), -1);
}
END_TEST

START_TEST(a_profile_that_can_t_be_read_is_reported_where_it_is_named)
{
	const struct platform *platform;
	ck_assert_int_eq(find_profile("/nowhere/grace", &platform), -1);
	ck_assert_str_eq(trace_diag_text(&diag), "x.hwq:4:9: profile '/nowhere/grace' can't be "
						 "read, expected a readable file");
}
END_TEST

static void with_file(const char *text, gssize length, int expected, const char *message)
{
	const struct platform *platform = NULL;
	char *path;
	int file = g_file_open_tmp("hwq-profile-XXXXXX", &path, NULL);
	ck_assert_int_ge(file, 0);
	g_close(file, NULL);
	ck_assert(g_file_set_contents(path, text, length, NULL));
	ck_assert_int_eq(find_profile(path, &platform), expected);
	if (expected == 0)
		ck_assert(strstr(text, platform->name) != NULL);
	else
		ck_assert_str_eq(trace_diag_text(&diag) + strlen(path), message);
	g_remove(path);
	g_free(path);
}

START_TEST(the_first_line_of_a_file_names_its_engine)
{
	static const char message[] = ":1:1: unknown header, line 1 names the format and the "
				      "engine, expected '# hwq-profile 1 nvidia_vcmdq'";
	for (const struct builtin_profile *known_one = builtin_profiles; known_one->name != NULL;
	     known_one++)
		with_file((const char *)known_one->text, (gssize)known_one->length, 0, NULL);
	with_file("", 0, -1, message);
	with_file("# hwq-profile 1 ", -1, -1, message);
	with_file("# hwq-profile 1 nvidia_vcmd\n", -1, -1, message);
	with_file("# hwq-profile 1 nvidia_vcmdqs\n", -1, -1, message);
	with_file("# hwq-profile 2 nvidia_vcmdq\n", -1, -1, message);
	with_file("\n# hwq-profile 1 nvidia_vcmdq\n", -1, -1, message);
}
END_TEST

START_TEST(an_error_in_a_file_is_reported_in_that_file)
{
	with_file("# hwq-profile 1 nvidia_vcmdq\nspeed = 1 ; assumed ; x\n", -1, -1,
		  ":2:1: unknown parameter 'speed', no model has it, expected a known one");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("profile");
	TCase *tests = tcase_create("profile");
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_test(tests, a_whole_profile_is_read);
	tcase_add_test(tests, the_last_line_needs_no_newline);
	tcase_add_test(tests, a_missing_part_is_reported);
	tcase_add_test(tests, an_unknown_name_is_reported_with_its_line);
	tcase_add_test(tests, a_value_is_a_whole_number);
	tcase_add_test(tests, a_value_lies_in_the_model_s_range);
	tcase_add_test(tests, a_leading_zero_is_not_octal);
	tcase_add_test(tests, the_largest_number_fits);
	tcase_add_test(tests, a_status_is_one_of_three);
	tcase_add_test(tests, a_parameter_is_given_once);
	tcase_add_test(tests, a_source_that_does_not_fit_is_refused);
	tcase_add_test(tests, profiles_are_built_in);
	tcase_add_test(tests, an_unknown_profile_names_the_nearest);
	tcase_add_test(tests, a_profile_that_can_t_be_read_is_reported_where_it_is_named);
	tcase_add_test(tests, the_first_line_of_a_file_names_its_engine);
	tcase_add_test(tests, an_error_in_a_file_is_reported_in_that_file);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
