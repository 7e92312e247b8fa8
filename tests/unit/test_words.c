/* SPDX-License-Identifier: Apache-2.0 */
/* Words with values, and which word is near a wrong one. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/run.h"
#include "tools/runner/words.h"

static const struct word fruit[] = {
	{"apple", 1}, {"apples", 2}, {"zero", 0}, {"large", UINT64_MAX}, {NULL, 9},
};

static const char *nearest_to(const char *text)
{
	struct nearest nearest;
	nearest_start(&nearest, text, strlen(text));
	for (const struct word *word = fruit; word->name != NULL; word++)
		nearest_try(&nearest, word->name);
	return nearest.best;
}

START_TEST(word_is_found_with_its_value)
{
	uint64_t value = 7;
	ck_assert(word_find(fruit, "apples", 6, &value));
	ck_assert_uint_eq(value, 2);
	ck_assert(word_find(fruit, "large", 5, &value));
	ck_assert_uint_eq(value, UINT64_MAX);
	ck_assert(word_find(fruit, "zero", 4, &value));
	ck_assert_uint_eq(value, 0);
}
END_TEST

START_TEST(length_counts_and_not_a_terminator)
{
	uint64_t value;
	ck_assert(word_find(fruit, "apple|zero", 5, &value));
	ck_assert_uint_eq(value, 1);
	ck_assert(word_find(fruit, "apples", 5, &value));
	ck_assert_uint_eq(value, 1);
}
END_TEST

START_TEST(word_that_is_not_there_leaves_the_value)
{
	uint64_t value = 7;
	ck_assert(!word_find(fruit, "appl", 4, &value));
	ck_assert(!word_find(fruit, "Apple", 5, &value));
	ck_assert(!word_find(fruit, "", 0, &value));
	ck_assert_uint_eq(value, 7);
}
END_TEST

START_TEST(nearest_word_is_the_one_with_fewest_changes)
{
	ck_assert_str_eq(nearest_to("appel"), "apple");
	ck_assert_str_eq(nearest_to("aples"), "apples");
	ck_assert_str_eq(nearest_to("zeros"), "zero");
	ck_assert_str_eq(nearest_to("lage"), "large");
}
END_TEST

START_TEST(of_equally_near_words_the_first_is_taken)
{
	struct nearest nearest;
	nearest_start(&nearest, "cat", 3);
	nearest_try(&nearest, "bat");
	nearest_try(&nearest, "hat");
	ck_assert_str_eq(nearest.best, "bat");
	ck_assert_uint_eq(nearest.distance, 1);
}
END_TEST

START_TEST(word_like_none_has_no_nearest)
{
	ck_assert_ptr_null(nearest_to("qqqqqqqqqq"));
	ck_assert_ptr_null(nearest_to(""));
	ck_assert_ptr_null(nearest_to("x"));
}
END_TEST

START_TEST(distance_counts_insertions_deletions_and_changes)
{
	struct nearest nearest;
	nearest_start(&nearest, "kitten", 6);
	nearest_try(&nearest, "sitting");
	ck_assert_uint_eq(nearest.distance, 3);
	nearest_try(&nearest, "kitten");
	ck_assert_uint_eq(nearest.distance, 0);
	ck_assert_str_eq(nearest.best, "kitten");
}
END_TEST

START_TEST(long_word_is_near_to_nothing)
{
	char text[1001];
	struct nearest nearest;
	memset(text, 'a', 1000);
	text[1000] = '\0';
	nearest_start(&nearest, text, 1000);
	nearest_try(&nearest, "a");
	ck_assert_ptr_nonnull(nearest.text);
	ck_assert(nearest.best == NULL || nearest.distance >= 64);
	nearest_start(&nearest, "a", 1);
	nearest_try(&nearest, text);
	ck_assert_ptr_null(nearest.best);
}
END_TEST

static bool parses(const char *text, uint64_t expected)
{
	uint64_t number;
	return number_parse(text, strlen(text), &number) && number == expected;
}

START_TEST(numbers_are_decimal_or_hexadecimal_and_64_bits_wide)
{
	static const char *const bad[] = {"",
					  "0x",
					  "-1",
					  "+1",
					  " 1",
					  "1 ",
					  "0X1",
					  "1x",
					  "0xg",
					  "18446744073709551616",
					  "0x10000000000000000"};
	uint64_t number;
	ck_assert(parses("0", 0));
	ck_assert(parses("010", 10));
	ck_assert(parses("0xfF", 255));
	ck_assert(parses("18446744073709551615", UINT64_MAX));
	ck_assert(parses("0x000000000ffffffffffffffff", UINT64_MAX));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!number_parse(bad[i], strlen(bad[i]), &number), "%s", bad[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("words");
	TCase *tcase = tcase_create("words");
	tcase_add_test(tcase, word_is_found_with_its_value);
	tcase_add_test(tcase, numbers_are_decimal_or_hexadecimal_and_64_bits_wide);
	tcase_add_test(tcase, length_counts_and_not_a_terminator);
	tcase_add_test(tcase, word_that_is_not_there_leaves_the_value);
	tcase_add_test(tcase, nearest_word_is_the_one_with_fewest_changes);
	tcase_add_test(tcase, of_equally_near_words_the_first_is_taken);
	tcase_add_test(tcase, word_like_none_has_no_nearest);
	tcase_add_test(tcase, distance_counts_insertions_deletions_and_changes);
	tcase_add_test(tcase, long_word_is_near_to_nothing);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
