// SPDX-License-Identifier: Apache-2.0
/* Commands as text: what each word puts into the 16 bytes, and that printing is its inverse. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/kit/run.h"
#include "tools/runner/command_text.h"

#define COLUMN 9U

static struct trace_diag diag;
static struct command_words commands[COMMANDS_TEXT_MAX];
static unsigned count;
static uint64_t random_state;

static void teardown(void)
{
	trace_diag_free(&diag);
}

static int parse_bytes(const char *text, size_t length)
{
	/* A copy of the exact size, so that a sanitizer sees a read past its end. */
	char *copy = g_memdup2(text, length);
	int result =
		commands_parse(platform_nvidia.language, "x.hwq", (struct trace_pos){7, COLUMN},
			       copy, length, commands, &count, &diag);
	g_free(copy);
	return result;
}

static int parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void assert_words(const char *text, uint64_t dw0, uint64_t dw1)
{
	ck_assert_msg(parse(text) == 0, "%s", trace_diag_text(&diag));
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(commands[0].word[0], dw0);
	ck_assert_uint_eq(commands[0].word[1], dw1);
}

static void assert_printed(uint64_t dw0, uint64_t dw1, const char *expected)
{
	char text[128];
	command_print(platform_nvidia.language, (uint64_t[]){dw0, dw1}, text, sizeof(text));
	ck_assert_str_eq(text, expected);
}

/* Refused at the place of WHERE in TEXT, in these words. */
static void refused(const char *text, const char *where, const char *message)
{
	char expected[512];
	const char *at = strstr(text, where);
	ck_assert_ptr_nonnull(at);
	snprintf(expected, sizeof(expected), "x.hwq:7:%u: %s", COLUMN + (unsigned)(at - text),
		 message);
	ck_assert_int_eq(parse(text), -1);
	ck_assert_str_eq(trace_diag_text(&diag), expected);
}

static uint64_t random_bits(unsigned width)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	uint64_t high = random_state >> 32;
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	uint64_t value = high << 32 | random_state >> 32;
	return width == 64 ? value : value & ((1ULL << width) - 1);
}

/* --- golden words: smmuv3 3.1, 3.2 --- */

START_TEST(opcodes_are_those_of_the_sheet)
{
	static const struct {
		const char *name;
		uint64_t opcode;
	} forms[] = {
		{"PREFETCH_CONFIG", 0x01}, {"PREFETCH_ADDR", 0x02},  {"CFGI_STE", 0x03},
		{"CFGI_STE_RANGE", 0x04},  {"CFGI_CD", 0x05},        {"CFGI_CD_ALL", 0x06},
		{"TLBI_NH_ALL", 0x10},     {"TLBI_NH_ASID", 0x11},   {"TLBI_NH_VA", 0x12},
		{"TLBI_NH_VAA", 0x13},     {"TLBI_S12_VMALL", 0x28}, {"TLBI_S2_IPA", 0x2a},
		{"TLBI_NSNH_ALL", 0x30},   {"ATC_INV", 0x40},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(forms); i++)
		assert_words(forms[i].name, forms[i].opcode, 0);
}
END_TEST

START_TEST(operands_lie_where_the_sheet_has_them)
{
	assert_words("TLBI_NH_VA vmid=0x1234 asid=0xabcd va=0xfedcba9876543000 leaf=1",
		     0xabcd123400000012, 0xfedcba9876543001);
	assert_words("TLBI_S2_IPA vmid=3 ipa=0x40000000", 0x000000030000002a, 0x40000000);
	assert_words("TLBI_NH_ASID asid=0xffff vmid=0xffff", 0xffffffff00000011, 0);
	assert_words("CFGI_STE sid=0xffffffff leaf=1", 0xffffffff00000003, 1);
	assert_words("CFGI_STE_RANGE range=31", 0x04, 31); /* CFGI_ALL */
	assert_words("ATC_INV sid=0x100 size=52", 0x0000010000000040, 52);
	assert_words("ATC_INV size=63 va=0x7000", 0x40, 0x703f);
}
END_TEST

/* As Linux writes it: MSH 3, MSIAttr 0xf. With CS=SEV the sheet gives the word. */
START_TEST(sync_is_what_linux_writes)
{
	assert_words("CMD_SYNC", 0x0fc00046, 0);
	assert_words("CMD_SYNC cs=2", 0x0fc02046, 0);
}
END_TEST

START_TEST(raw_words_are_taken_as_they_are)
{
	assert_words("RAW", 0, 0);
	assert_words("RAW dw0=0xffffffffffffffff dw1=18446744073709551615", UINT64_MAX, UINT64_MAX);
	assert_words("RAW dw1=0x10 dw0=0x46", 0x46, 0x10);
	assert_words("RAW dw0=0xff dw0=1", 1, 0);
}
END_TEST

START_TEST(any_command_takes_any_operand)
{
	assert_words("TLBI_NSNH_ALL sid=5", 0x0000000500000030, 0);
	assert_words("CMD_SYNC dw0=0x46", 0x46, 0);
	assert_words("TLBI_NH_ALL cs=3", 0x3010, 0);
}
END_TEST

/* --- lists --- */

START_TEST(commands_are_separated_by_commas)
{
	ck_assert_int_eq(parse("TLBI_NH_ASID asid=1,CMD_SYNC ,  TLBI_NH_ALL vmid=2"), 0);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(commands[0].word[0], 0x0001000000000011);
	ck_assert_uint_eq(commands[1].word[0], 0x0fc00046);
	ck_assert_uint_eq(commands[2].word[0], 0x0000000200000010);
}
END_TEST

START_TEST(list_is_limited)
{
	GString *text = g_string_new("CMD_SYNC");
	for (unsigned i = 1; i < COMMANDS_TEXT_MAX; i++)
		g_string_append(text, ",CMD_SYNC");
	ck_assert_int_eq(parse(text->str), 0);
	ck_assert_uint_eq(count, COMMANDS_TEXT_MAX);
	g_string_append(text, ",CMD_SYNC");
	ck_assert_int_eq(parse(text->str), -1);
	ck_assert_str_eq(trace_diag_text(&diag),
			 "x.hwq:7:585: too many commands, a line holds 64, expected fewer");
	g_string_free(text, TRUE);
}
END_TEST

/* --- errors --- */

START_TEST(unknown_words_name_the_nearest)
{
	refused("CMD_SYNK", "CMD_SYNK",
		"unknown command 'CMD_SYNK', it is not in the language, expected perhaps "
		"'CMD_SYNC'");
	refused("CMD_SYNC, TLBI_NH_VAX asid=1", "TLBI_NH_VAX",
		"unknown command 'TLBI_NH_VAX', it is not in the language, expected perhaps "
		"'TLBI_NH_VA'");
	refused("TLBI_NH_VA azid=1", "azid",
		"unknown operand 'azid', it is not in the language, expected perhaps 'asid'");
	refused("TLBI_NH_VA asid=1 vmi=2", "vmi",
		"unknown operand 'vmi', it is not in the language, expected perhaps 'vmid'");
	refused("cmd_sync", "cmd_sync",
		"unknown command 'cmd_sync', it is not in the language, expected a known one");
}
END_TEST

START_TEST(missing_commands_are_refused)
{
	ck_assert_int_eq(parse(""), -1);
	ck_assert_int_eq(parse("   "), -1);
	ck_assert_int_eq(parse("CMD_SYNC,"), -1);
	ck_assert_int_eq(parse(",CMD_SYNC"), -1);
	ck_assert_int_eq(parse("CMD_SYNC,,CMD_SYNC"), -1);
	ck_assert_int_eq(parse_bytes("CMD_SYNC\0", 9), -1);
}
END_TEST

START_TEST(operand_needs_a_value)
{
	refused("TLBI_NH_VA asid vmid=1", " vmid",
		"operand 'asid' has no value, '=' is missing, expected 'asid=NUMBER'");
	refused("CMD_SYNC cs,CMD_SYNC", ",",
		"operand 'cs' has no value, '=' is missing, expected 'cs=NUMBER'");
	ck_assert_int_eq(parse("TLBI_NH_VA asid"), -1);
	ck_assert_int_eq(parse("TLBI_NH_VA =1"), -1);
}
END_TEST

START_TEST(bad_values_are_refused_where_they_stand)
{
	refused("TLBI_NH_VA asid= vmid=1", " vmid",
		"bad value '', it is no number, expected a number");
	refused("TLBI_NH_VA asid=1x", "1x", "bad value '1x', it is no number, expected a number");
	refused("TLBI_NH_VA asid=$a", "$a", "bad value '$a', it is no number, expected a number");
	refused("TLBI_NH_VA asid=0x", "0x", "bad value '0x', it is no number, expected a number");
	ck_assert_int_eq(parse("TLBI_NH_VA asid="), -1);
}
END_TEST

START_TEST(values_that_do_not_fit_are_refused)
{
	refused("TLBI_NH_VA asid=0x10000", "0x10000",
		"bad value '0x10000', it does not fit 'asid', expected at most 0xffff");
	refused("TLBI_NH_ALL vmid=65536", "65536",
		"bad value '65536', it does not fit 'vmid', expected at most 0xffff");
	refused("CFGI_STE sid=0x100000000", "0x100000000",
		"bad value '0x100000000', it does not fit 'sid', expected at most 0xffffffff");
	refused("TLBI_NH_VA leaf=2", "2",
		"bad value '2', it does not fit 'leaf', expected at most 0x1");
	refused("ATC_INV size=64", "64",
		"bad value '64', it does not fit 'size', expected at most 0x3f");
	refused("CMD_SYNC cs=4", "4", "bad value '4', it does not fit 'cs', expected at most 0x3");
	refused("CFGI_STE_RANGE range=32", "32",
		"bad value '32', it does not fit 'range', expected at most 0x1f");
	refused("TLBI_NH_VA asid=-1", "-1", "bad value '-1', it is no number, expected a number");
}
END_TEST

/* An address keeps its place in the word: its low bits would be other fields. */
START_TEST(address_that_is_no_page_is_refused)
{
	ck_assert_int_eq(parse("TLBI_NH_VA va=0x1001"), -1);
	ck_assert_int_eq(parse("TLBI_S2_IPA ipa=0xfff"), -1);
}
END_TEST

START_TEST(number_beyond_64_bits_is_refused)
{
	ck_assert_int_eq(parse("RAW dw0=18446744073709551616"), -1);
	ck_assert_int_eq(parse("RAW dw0=0x10000000000000000"), -1);
	ck_assert_int_eq(parse("RAW dw0=-1"), -1);
	ck_assert_int_eq(parse("RAW dw0=+1"), -1);
}
END_TEST

START_TEST(long_number_is_not_cut)
{
	ck_assert_int_eq(parse("TLBI_NH_VA asid=0x00000000000000000000000000000001zzz"), -1);
	ck_assert_int_eq(parse("TLBI_NH_VA asid=0x0000000000000000000000000000000001"), 0);
	ck_assert_uint_eq(commands[0].word[0], 0x0001000000000012);
}
END_TEST

START_TEST(leading_zero_is_not_octal)
{
	if (parse("TLBI_NH_VA asid=010") == 0)
		ck_assert_uint_eq(commands[0].word[0], 0x000a000000000012);
}
END_TEST

/* --- printing --- */

START_TEST(commands_are_printed_with_their_operands)
{
	assert_printed(0xabcd123400000012, 0x7001,
		       "TLBI_NH_VA vmid=0x1234 asid=0xabcd va=0x7000 leaf=0x1");
	assert_printed(0x0fc02046, 0, "CMD_SYNC");
	assert_printed(0x0000010000000040, 52, "ATC_INV sid=0x100 va=0x0 size=0x34");
	assert_printed(0x30, 0, "TLBI_NSNH_ALL");
	assert_printed(0xff, 0, "opcode 0xff");
	assert_printed(0, 0, "opcode 0x00");
}
END_TEST

START_TEST(printing_stops_where_the_room_ends)
{
	char whole[128], text[128];
	const uint64_t words[2] = {0xabcd123400000012, 0xfedcba9876543001};
	command_print(platform_nvidia.language, words, whole, sizeof(whole));
	for (size_t size = 1; size <= strlen(whole); size++) {
		memset(text, '!', sizeof(text));
		command_print(platform_nvidia.language, words, text, size);
		ck_assert_uint_eq(strlen(text), size - 1);
		ck_assert_int_eq(memcmp(text, whole, size - 1), 0);
		ck_assert_int_eq(text[size], '!');
	}
}
END_TEST

/* Forms with the operands that reports show, and the bits of each. */
static const struct {
	const char *name;
	struct {
		const char *name;
		unsigned bits;
		unsigned shift;
	} operands[5];
} shown[] = {
	{"TLBI_NH_ASID", {{"vmid", 16, 0}, {"asid", 16, 0}}},
	{"TLBI_NH_VA", {{"vmid", 16, 0}, {"asid", 16, 0}, {"va", 52, 12}, {"leaf", 1, 0}}},
	{"TLBI_NH_VAA", {{"vmid", 16, 0}, {"va", 52, 12}, {"leaf", 1, 0}}},
	{"TLBI_NH_ALL", {{"vmid", 16, 0}}},
	{"TLBI_S12_VMALL", {{"vmid", 16, 0}}},
	{"TLBI_S2_IPA", {{"vmid", 16, 0}, {"ipa", 40, 12}, {"leaf", 1, 0}}},
	{"TLBI_NSNH_ALL", {{NULL, 0, 0}}},
	{"ATC_INV", {{"sid", 32, 0}, {"va", 52, 12}, {"size", 6, 0}}},
	{"CFGI_STE", {{"sid", 32, 0}, {"leaf", 1, 0}}},
	{"CFGI_STE_RANGE", {{"sid", 32, 0}, {"range", 5, 0}}},
	{"CFGI_CD", {{"sid", 32, 0}, {"leaf", 1, 0}}},
	{"CFGI_CD_ALL", {{"sid", 32, 0}}},
	{"PREFETCH_CONFIG", {{"sid", 32, 0}}},
	{"PREFETCH_ADDR", {{"sid", 32, 0}, {"va", 52, 12}}},
	{"CMD_SYNC", {{NULL, 0, 0}}},
};

static void random_command(size_t form, GString *text)
{
	g_string_assign(text, shown[form].name);
	for (int i = 0; shown[form].operands[i].name != NULL; i++)
		g_string_append_printf(
			text, " %s=0x%" G_GINT64_MODIFIER "x", shown[form].operands[i].name,
			random_bits(shown[form].operands[i].bits) << shown[form].operands[i].shift);
}

START_TEST(printed_command_parses_to_itself)
{
	GString *text = g_string_new(NULL);
	random_state = (uint64_t)_i + 1;
	for (int round = 0; round < 200; round++) {
		char printed[128];
		random_command((size_t)_i, text);
		ck_assert_msg(parse(text->str) == 0, "%s", trace_diag_text(&diag));
		struct command_words words = commands[0];
		command_print(platform_nvidia.language, words.word, printed, sizeof(printed));
		ck_assert_str_eq(printed, text->str);
		assert_words(printed, words.word[0], words.word[1]);
	}
	g_string_free(text, TRUE);
}
END_TEST

START_TEST(any_words_can_be_printed)
{
	random_state = 1;
	for (int round = 0; round < 20000; round++) {
		const uint64_t words[2] = {random_bits(64), random_bits(64)};
		char text[128];
		command_print(platform_nvidia.language, words, text, sizeof(text));
		ck_assert_uint_lt(strlen(text), sizeof(text) - 1);
		if (strncmp(text, "opcode ", 7) != 0)
			ck_assert_int_eq(parse(text), 0);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("command_text");
	TCase *tcase = tcase_create("command_text");
	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, opcodes_are_those_of_the_sheet);
	tcase_add_test(tcase, operands_lie_where_the_sheet_has_them);
	tcase_add_test(tcase, sync_is_what_linux_writes);
	tcase_add_test(tcase, raw_words_are_taken_as_they_are);
	tcase_add_test(tcase, any_command_takes_any_operand);
	tcase_add_test(tcase, commands_are_separated_by_commas);
	tcase_add_test(tcase, list_is_limited);
	tcase_add_test(tcase, unknown_words_name_the_nearest);
	tcase_add_test(tcase, missing_commands_are_refused);
	tcase_add_test(tcase, operand_needs_a_value);
	tcase_add_test(tcase, bad_values_are_refused_where_they_stand);
	tcase_add_test(tcase, values_that_do_not_fit_are_refused);
	tcase_add_test(tcase, commands_are_printed_with_their_operands);
	tcase_add_test(tcase, printing_stops_where_the_room_ends);
	tcase_add_loop_test(tcase, printed_command_parses_to_itself, 0, (int)G_N_ELEMENTS(shown));
	tcase_add_test(tcase, any_words_can_be_printed);
	tcase_add_test(tcase, address_that_is_no_page_is_refused);
	tcase_add_test(tcase, number_beyond_64_bits_is_refused);
	tcase_add_test(tcase, long_number_is_not_cut);
	tcase_add_test(tcase, leading_zero_is_not_octal);
	suite_add_tcase(s, tcase);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
