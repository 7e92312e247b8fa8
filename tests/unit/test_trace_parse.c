/* SPDX-License-Identifier: Apache-2.0 */
/* What a line of trace text means, and what each wrong one is told. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/trace/trace.h"
#include "tests/kit/run.h"

static const struct trace_pos LINE_7 = {7, 1};

static struct trace_arena arena;
static struct trace_line line;
static struct trace_diag diag;

static void setup(void)
{
	trace_arena_init(&arena);
}

static void teardown(void)
{
	trace_diag_free(&diag);
	trace_arena_free(&arena);
}

static int parse_bytes(const char *text, size_t length)
{
	/* A copy of the exact size, so that a sanitizer sees a read past its end. */
	char *copy = malloc(length ? length : 1);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, length);
	int result = trace_parse_text("x.trace", LINE_7, copy, length, &arena, &line, &diag);
	free(copy);
	return result;
}

static void parse(const char *text)
{
	int result = parse_bytes(text, strlen(text));
	ck_assert_msg(result == 0, "%s", result ? trace_diag_text(&diag) : "");
}

/* The line is refused in these very words. */
static void refuse_bytes(const char *text, size_t length, const char *expected)
{
	ck_assert_int_eq(parse_bytes(text, length), -1);
	ck_assert_str_eq(trace_diag_text(&diag), expected);
}

static void refuse(const char *text, const char *expected)
{
	refuse_bytes(text, strlen(text), expected);
}

/* The only argument of f(...). */
static const struct trace_value *argument(const char *text)
{
	char buffer[256];
	int length = snprintf(buffer, sizeof(buffer), "f(%s) = 0", text);
	ck_assert_int_lt(length, (int)sizeof(buffer));
	parse(buffer);
	ck_assert_uint_eq(line.call.arg_count, 1);
	return &line.call.args[0];
}

#define ck_assert_text(text, length, expected)               \
	do {                                                 \
		ck_assert_str_eq(text, expected);            \
		ck_assert_uint_eq(length, strlen(expected)); \
	} while (0)

/* ---- lines ---- */

START_TEST(empty_and_blank_lines_are_blank)
{
	parse("");
	ck_assert_int_eq(line.kind, TRACE_LINE_BLANK);
	ck_assert_str_eq(line.text, "");
	parse(" \t ");
	ck_assert_int_eq(line.kind, TRACE_LINE_BLANK);
	ck_assert_uint_eq(line.number, 7);
}
END_TEST

START_TEST(comment_text_starts_after_the_hash)
{
	parse("# memory 0x1000-0x2000 r--p file");
	ck_assert_int_eq(line.kind, TRACE_LINE_COMMENT);
	ck_assert_text(line.text, line.length, " memory 0x1000-0x2000 r--p file");
}
END_TEST

START_TEST(trailing_comment_is_kept)
{
	parse("close(3) = 0 # the last one");
	ck_assert_int_eq(line.kind, TRACE_LINE_CALL);
	ck_assert_text(line.trailing_comment, line.trailing_comment_length, " the last one");
	parse("close(3) = 0");
	ck_assert_ptr_null(line.trailing_comment);
}
END_TEST

START_TEST(hash_in_a_string_is_no_comment)
{
	parse("open(\"/tmp/#1\", 0x0) = 3 #2");
	ck_assert_text(line.call.args[0].text, line.call.args[0].length, "/tmp/#1");
	ck_assert_text(line.trailing_comment, line.trailing_comment_length, "2");
}
END_TEST

START_TEST(utf8_is_accepted)
{
	parse("open(\"/tmp/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\", 0x0) = 3 # \xc3\xa9");
	ck_assert_int_eq(line.kind, TRACE_LINE_CALL);
}
END_TEST

/* ---- calls ---- */

START_TEST(label_has_pid_tid_and_nanoseconds)
{
	parse("[56.57] 12.011635563 close(3) = 0");
	ck_assert(line.call.has_label);
	ck_assert_uint_eq(line.call.pid, 56);
	ck_assert_uint_eq(line.call.tid, 57);
	ck_assert_uint_eq(line.call.nanoseconds, 12011635563u);
	ck_assert_text(line.call.name, line.call.name_length, "close");
	ck_assert_uint_eq(line.call.pos.line, 7);
	ck_assert_uint_eq(line.call.pos.column, 22);
	ck_assert_ptr_null(line.call.actor);
}
END_TEST

START_TEST(largest_label_is_accepted)
{
	parse("[4294967295.4294967295] 18446744073.709551615 close(3) = 0");
	ck_assert_uint_eq(line.call.pid, UINT32_MAX);
	ck_assert_uint_eq(line.call.nanoseconds, UINT64_MAX);
}
END_TEST

START_TEST(actor_stands_before_the_name)
{
	parse("vmm: close($fd) = 0");
	ck_assert(!line.call.has_label);
	ck_assert_text(line.call.actor, line.call.actor_length, "vmm");
	ck_assert_uint_eq(line.call.actor_pos.column, 1);
	ck_assert_text(line.call.name, line.call.name_length, "close");
	ck_assert_uint_eq(line.call.pos.column, 6);
}
END_TEST

START_TEST(call_without_arguments)
{
	parse("fork( ) = 57");
	ck_assert_uint_eq(line.call.arg_count, 0);
	ck_assert_ptr_null(line.call.args);
	ck_assert_uint_eq(line.call.result.number, 57);
}
END_TEST

START_TEST(failed_call_has_an_error)
{
	parse("close(3) = -1 EBADF");
	ck_assert_int_eq(line.call.result.kind, TRACE_NUMBER);
	ck_assert_uint_eq(line.call.result.number, UINT64_MAX);
	ck_assert(line.call.result.negative);
	ck_assert_text(line.call.error, line.call.error_length, "EBADF");
	ck_assert_int_eq(line.call.error_number, 9);
	ck_assert_uint_eq(line.call.error_pos.column, 15);
}
END_TEST

START_TEST(unknown_result_and_bound_result)
{
	parse("exit(0) = ?");
	ck_assert_int_eq(line.call.result.kind, TRACE_UNKNOWN);
	ck_assert_ptr_null(line.call.error);
	parse("open(\"/dev/iommu\", O_RDWR) = $fd");
	ck_assert_int_eq(line.call.result.kind, TRACE_NAME);
	ck_assert_text(line.call.result.text, line.call.result.length, "fd");
	ck_assert_uint_eq(line.call.result.pos.column, 30);
}
END_TEST

START_TEST(blanks_between_tokens_do_not_matter)
{
	parse("  ioctl( 4 ,\tX , { a = 1 , b = 0x2 -> \"00\" => \"01\" } )=0#c");
	const struct trace_value *fields = &line.call.args[2];
	ck_assert_uint_eq(fields->field_count, 2);
	ck_assert_uint_eq(fields->fields[0].value.number, 1);
	ck_assert_str_eq(fields->fields[1].value.contents_after->text, "01");
	ck_assert_text(line.trailing_comment, line.trailing_comment_length, "c");
}
END_TEST

/* ---- values ---- */

START_TEST(numbers_keep_their_base_and_sign)
{
	const struct trace_value *value = argument("18446744073709551615");
	ck_assert_int_eq(value->kind, TRACE_NUMBER);
	ck_assert_uint_eq(value->number, UINT64_MAX);
	ck_assert(!value->hex && !value->negative);
	value = argument("0xffffFFFFffffffff");
	ck_assert_uint_eq(value->number, UINT64_MAX);
	ck_assert(value->hex);
	value = argument("-9223372036854775808");
	ck_assert_uint_eq(value->number, (uint64_t)1 << 63);
	ck_assert(value->negative);
	value = argument("0x00000000000000000002a");
	ck_assert_uint_eq(value->number, 42);
}
END_TEST

START_TEST(strings_have_no_escapes)
{
	const struct trace_value *value = argument("\"a\\\"");
	ck_assert_int_eq(value->kind, TRACE_STRING);
	ck_assert_text(value->text, value->length, "a\\");
	ck_assert_uint_eq(value->pos.column, 3);
	value = argument("\"\"");
	ck_assert_text(value->text, value->length, "");
}
END_TEST

START_TEST(symbol_joins_flags)
{
	const struct trace_value *value = argument("PROT_READ|PROT_WRITE|0x10|8");
	ck_assert_int_eq(value->kind, TRACE_SYMBOL);
	ck_assert_text(value->text, value->length, "PROT_READ|PROT_WRITE|0x10|8");
}
END_TEST

START_TEST(name_is_without_its_dollar)
{
	const struct trace_value *value = argument("$ring_0");
	ck_assert_int_eq(value->kind, TRACE_NAME);
	ck_assert_text(value->text, value->length, "ring_0");
	ck_assert_uint_eq(value->pos.column, 3);
}
END_TEST

START_TEST(name_may_have_a_number_added)
{
	const struct trace_value *value = argument("$ring_0+0x1000");
	ck_assert_int_eq(value->kind, TRACE_NAME);
	ck_assert_text(value->text, value->length, "ring_0");
	ck_assert_uint_eq(value->number, 0x1000);
	ck_assert(value->hex);
	value = argument("$a+16->\"00\"");
	ck_assert_uint_eq(value->number, 16);
	ck_assert_ptr_nonnull(value->contents);
	ck_assert_uint_eq(argument("$a")->number, 0);
}
END_TEST

START_TEST(arrow_gives_the_value_after)
{
	parse("poll(5, 0x1 => 0x4, 1000) = 1");
	const struct trace_value *events = &line.call.args[1];
	ck_assert_uint_eq(events->number, 1);
	ck_assert_uint_eq(events->after->number, 4);
	ck_assert_uint_eq(events->after->pos.column, 16);
	ck_assert_ptr_null(line.call.args[0].after);
	ck_assert_ptr_null(line.call.args[2].after);
	const struct trace_value *tail = argument("\"00\" => \"ff\"");
	ck_assert_str_eq(tail->text, "00");
	ck_assert_str_eq(tail->after->text, "ff");
	ck_assert_ptr_null(tail->contents);
}
END_TEST

START_TEST(pointer_has_contents_before_and_after)
{
	const struct trace_value *value = argument("0x7ffd4479378->\"00\" => \"03\"");
	ck_assert_uint_eq(value->number, 0x7ffd4479378);
	ck_assert_int_eq(value->contents->kind, TRACE_STRING);
	ck_assert_str_eq(value->contents->text, "00");
	ck_assert_uint_eq(value->contents->pos.column, 18);
	ck_assert_str_eq(value->contents_after->text, "03");
	ck_assert_ptr_null(value->after);
	value = argument("$buffer->\"11\"");
	ck_assert_int_eq(value->kind, TRACE_NAME);
	ck_assert_str_eq(value->contents->text, "11");
	ck_assert_ptr_null(value->contents_after);
}
END_TEST

START_TEST(struct_has_fields_in_order)
{
	const struct trace_value *value =
		argument("{size=72, op=ACCESS_RW, access_rw.uptr=0x10->\"ab\", out=0 => $id}");
	ck_assert_int_eq(value->kind, TRACE_STRUCT);
	ck_assert_uint_eq(value->field_count, 4);
	ck_assert_text(value->fields[2].name, value->fields[2].name_length, "access_rw.uptr");
	ck_assert_uint_eq(value->fields[2].pos.column, 27);
	ck_assert_uint_eq(value->fields[2].value.pos.column, 42);
	ck_assert_str_eq(value->fields[3].value.after->text, "id");
	ck_assert_ptr_eq(trace_value_field(value, "op"), &value->fields[1]);
	ck_assert_ptr_null(trace_value_field(value, "o"));
	ck_assert_uint_eq(argument("{}")->field_count, 0);
}
END_TEST

START_TEST(structs_nest_four_deep)
{
	const struct trace_value *value = argument("{a={b={c={d=1}, e=2}}, f=3}");
	ck_assert_uint_eq(value->field_count, 2);
	ck_assert_uint_eq(value->fields[1].value.number, 3);
	const struct trace_value *b = &value->fields[0].value.fields[0].value;
	ck_assert_uint_eq(b->field_count, 2);
	ck_assert_uint_eq(b->fields[0].value.fields[0].value.number, 1);
	ck_assert_uint_eq(b->fields[1].value.number, 2);
	refuse("f({a={b={c={d={}}}}}) = 0",
	       "x.trace:7:15: struct too deep, its nesting has a limit, "
	       "expected at most 4 levels");
}
END_TEST

/* text with count members, each of which is `item`. */
static char *repeated(const char *before, const char *item, size_t count, const char *behind)
{
	struct trace_text text = {0};
	trace_text_append(&text, before, strlen(before));
	for (size_t i = 0; i < count; i++) {
		trace_text_append(&text, ",", i > 0);
		trace_text_append(&text, item, strlen(item));
	}
	trace_text_append(&text, behind, strlen(behind));
	return text.data;
}

START_TEST(members_have_a_limit)
{
	char *text = repeated("f(", "1", 256, ") = 0");
	parse(text);
	ck_assert_uint_eq(line.call.arg_count, 256);
	free(text);
	text = repeated("f(", "1", 257, ") = 0");
	refuse(text, "x.trace:7:515: too many arguments, a call has a limit, expected at most 256");
	free(text);
	text = repeated("f({", "a=1", 256, "}) = 0");
	parse(text);
	ck_assert_uint_eq(line.call.args[0].field_count, 256);
	free(text);
	text = repeated("f({", "a=1", 257, "}) = 0");
	refuse(text, "x.trace:7:1028: too many fields, a struct has a limit, expected at most 256");
	free(text);
}
END_TEST

START_TEST(part_of_a_line_keeps_its_columns)
{
	struct trace_pos start = {3, 20};
	struct trace_value value;
	ck_assert_int_eq(
		trace_parse_value("x.hwq", start, " 0x10 => 2 ", 11, &arena, &value, &diag), 0);
	ck_assert_uint_eq(value.pos.column, 21);
	ck_assert_uint_eq(value.after->pos.line, 3);
	ck_assert_uint_eq(value.after->pos.column, 29);
	ck_assert_int_eq(trace_parse_value("x.hwq", start, "1 2", 3, &arena, &value, &diag), -1);
	ck_assert_str_eq(trace_diag_text(&diag),
			 "x.hwq:3:22: unexpected '2', the value ends before "
			 "it, expected nothing more");
	ck_assert_int_eq(trace_parse_text("x.hwq", start, "f(;", 3, &arena, &line, &diag), -1);
	ck_assert_uint_eq(diag.pos.line, 3);
	ck_assert_uint_eq(diag.pos.column, 22);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(unterminated_string_is_reported_at_its_quote)
{
	refuse("open(\"/dev/iommu, 0x2) = 3",
	       "x.trace:7:6: unterminated string, the line ends inside it, expected '\"'");
	refuse("write(5, \"",
	       "x.trace:7:10: unterminated string, the line ends inside it, expected '\"'");
}
END_TEST

START_TEST(missing_parenthesis_is_reported_where_it_should_be)
{
	refuse("close(3", "x.trace:7:8: early end of the line, arguments go on or end here, "
			  "expected ',' or ')'");
	refuse("close(3 = 0",
	       "x.trace:7:9: unexpected '=', arguments go on or end here, expected ',' or ')'");
	refuse("close 3) = 0", "x.trace:7:6: unexpected space, a call's name is followed by its "
			       "arguments, expected '('");
	refuse("ioctl(3, X, {a=1) = 0",
	       "x.trace:7:17: unexpected ')', fields go on or end here, expected ',' or '}'");
}
END_TEST

START_TEST(trailing_garbage_is_reported)
{
	refuse("close(3) = 0 )", "x.trace:7:14: unexpected ')', the call ends before it, "
				 "expected '#' or the end of the line");
	refuse("close(3) = 0 => 1", "x.trace:7:14: unexpected '=', the call ends before it, "
				    "expected '#' or the end of the line");
	refuse("close(3) = -1 EBADF 1", "x.trace:7:21: unexpected '1', the call ends before it, "
					"expected '#' or the end of the line");
}
END_TEST

START_TEST(unexpected_characters_are_named)
{
	refuse("; close(3) = 0", "x.trace:7:1: unexpected ';', a call has a name, "
				 "expected a word, '[' or '#'");
	refuse("close(@) = 0", "x.trace:7:7: unexpected '@', a value begins there, "
			       "expected a number, string, symbol, '$', '{' or '?'");
	refuse("close(\xc3\xa9) = 0", "x.trace:7:7: unexpected byte 0xc3, a value begins there, "
				      "expected a number, string, symbol, '$', '{' or '?'");
	refuse("close(3,) = 0", "x.trace:7:9: unexpected ')', a value begins there, "
				"expected a number, string, symbol, '$', '{' or '?'");
	refuse("f({a=1,}) = 0",
	       "x.trace:7:8: unexpected '}', a struct consists of fields, expected a field's name");
	refuse("f({a.=1}) = 0", "x.trace:7:6: unexpected '=', '.' leads to a field within a field, "
				"expected a field's name");
	refuse("f({a=>1}) = 0", "x.trace:7:5: unexpected '=', a field has a value, expected '='");
	refuse("f({a}) = 0", "x.trace:7:5: unexpected '}', a field has a value, expected '='");
	refuse("f($) = 0",
	       "x.trace:7:4: unexpected ')', '$' begins a name, expected a letter or '_'");
	refuse("f(A|) = 0",
	       "x.trace:7:5: unexpected ')', '|' joins flags, expected a flag's name or a number");
}
END_TEST

START_TEST(missing_result_is_reported)
{
	refuse("close(3)", "x.trace:7:9: early end of the line, a call has a result, expected '='");
	refuse("close(3) =", "x.trace:7:11: early end of the line, a call has a result, "
			     "expected a number, '$' or '?'");
	refuse("close(3) = \"0\"", "x.trace:7:12: unexpected '\"', a call has a result, "
				   "expected a number, '$' or '?'");
}
END_TEST

START_TEST(unknown_and_misplaced_errors_are_reported)
{
	refuse("close(3) = -1 EBADFF", "x.trace:7:15: unknown error, Linux has none of that name, "
				       "expected one as in errno.h");
	refuse("close(3) = 0 EBADF", "x.trace:7:14: misplaced error, only -1 has one, "
				     "expected '#' or nothing");
	refuse("close(3) = ? EBADF", "x.trace:7:14: misplaced error, only -1 has one, "
				     "expected '#' or nothing");
}
END_TEST

START_TEST(numbers_out_of_range_are_reported)
{
	refuse("f(18446744073709551616) = 0",
	       "x.trace:7:3: number too large, it needs more than 64 bits, "
	       "expected at most 18446744073709551615");
	refuse("f(0x10000000000000000) = 0",
	       "x.trace:7:3: number too large, it needs more than 64 bits, "
	       "expected at most 0xffffffffffffffff");
	refuse("f(-9223372036854775809) = 0",
	       "x.trace:7:3: number too small, it needs more than 64 bits, "
	       "expected at least -9223372036854775808");
}
END_TEST

START_TEST(malformed_numbers_are_reported)
{
	refuse("f(012) = 0", "x.trace:7:3: leading zero, which could mean octal, expected a "
			     "decimal number without it or hex after '0x'");
	refuse("f(0x) = 0",
	       "x.trace:7:5: unexpected ')', '0x' begins a hex number, expected a hex digit");
	refuse("f(0x1g) = 0", "x.trace:7:6: unexpected 'g', it follows a number directly, "
			      "expected a digit or the number's end");
	refuse("f(1a) = 0", "x.trace:7:4: unexpected 'a', it follows a number directly, "
			    "expected a digit or the number's end");
	refuse("f(-) = 0",
	       "x.trace:7:4: unexpected ')', a number has digits, expected a decimal digit");
	refuse("f(--1) = 0",
	       "x.trace:7:4: unexpected '-', a number has digits, expected a decimal digit");
}
END_TEST

START_TEST(malformed_labels_are_reported)
{
	refuse("[1] 0.000000000 f() = 0",
	       "x.trace:7:3: unexpected ']', a label names a process and a thread, "
	       "expected '.' and a tid");
	refuse("[1.1 0.000000000 f() = 0",
	       "x.trace:7:5: unexpected space, a label ends there, expected ']'");
	refuse("[4294967296.1] 0.000000000 f() = 0",
	       "x.trace:7:2: number too large, a pid or tid has 32 bits, "
	       "expected at most 4294967295");
	refuse("[1.1] 0.00000000 f() = 0",
	       "x.trace:7:17: unexpected space, a label's seconds have 9 decimals, "
	       "expected a decimal digit");
	refuse("[1.1] 0.0000000000 f() = 0",
	       "x.trace:7:18: unexpected '0', a label ends after 9 decimals, expected a space");
	refuse("[1.1] 18446744073.709551616 f() = 0",
	       "x.trace:7:7: time too large, its nanoseconds need more than 64 bits, "
	       "expected at most 18446744073.709551615");
	refuse("[1.1] 0.000000000 vmm: f() = 0",
	       "x.trace:7:22: unexpected ':', a call's name is followed by its arguments, "
	       "expected '('");
	refuse("vmm: [1.1] 0.000000000 f() = 0",
	       "x.trace:7:6: unexpected '[', an actor makes a call, expected its name");
}
END_TEST

START_TEST(misplaced_arrows_are_reported)
{
	refuse("f(A->\"00\") = 0", "x.trace:7:4: misplaced '->', only a pointer has contents, "
				   "expected a number or a '$' name before it");
	refuse("f(0x1->2) = 0",
	       "x.trace:7:8: unexpected '2', a pointer's contents are a string, expected '\"'");
	refuse("f(0x1->\"00\" => 2) = 0",
	       "x.trace:7:16: unexpected '2', contents change to a string, expected '\"'");
	refuse("f(0 => {}) = 0", "x.trace:7:8: struct after '=>', the arrow stands inside structs, "
				 "expected a value that is none");
	refuse("f(0 => 1 => 2) = 0",
	       "x.trace:7:10: unexpected '=', arguments go on or end here, expected ',' or ')'");
}
END_TEST

START_TEST(bytes_that_are_no_text_are_reported)
{
	refuse("close(3) = 0\r", "x.trace:7:13: carriage return, lines end in '\\n' alone, "
				 "expected '\\n'");
	refuse_bytes("# a\0b", 5,
		     "x.trace:7:4: control character 0x00, a trace is no binary, "
		     "expected text");
	refuse("# 12345678901234567890\x1b[2J",
	       "x.trace:7:23: control character 0x1b, a trace is no binary, expected text");
	refuse("# \x7f",
	       "x.trace:7:3: control character 0x7f, a trace is no binary, expected text");
}
END_TEST

START_TEST(bad_utf8_is_reported)
{
	static const char *const bad[] = {
		"\x80",             /* continuation first */
		"\xc3",             /* cut */
		"\xe2\x82",         /* cut */
		"\xe2\x82z",        /* not a continuation */
		"\xc0\xaf",         /* overlong */
		"\xe0\x80\xaf",     /* overlong */
		"\xf0\x80\x80\xaf", /* overlong */
		"\xed\xa0\x80",     /* surrogate */
		"\xf4\x90\x80\x80", /* past U+10FFFF */
		"\xf5\x80\x80\x80",
		"\xff",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[32];
		char expected[128];
		snprintf(text, sizeof(text), "# 3456789%s", bad[i]);
		snprintf(expected, sizeof(expected),
			 "x.trace:7:10: bad byte 0x%02x, it begins no UTF-8 character, "
			 "expected UTF-8",
			 (unsigned char)bad[i][0]);
		refuse(text, expected);
	}
}
END_TEST

/* ---- hex strings and errno names ---- */

START_TEST(hex_strings_are_decoded)
{
	const struct trace_value *value = argument("\"00fFA5\"");
	size_t bytes = 0;
	uint8_t out[4] = {9, 9, 9, 9};
	ck_assert_int_eq(trace_value_hex_length(value, "x.trace", &bytes, &diag), 0);
	ck_assert_uint_eq(bytes, 3);
	ck_assert_uint_eq(trace_string_bytes(value, out, sizeof(out)), 3);
	ck_assert_mem_eq(out, ((const uint8_t[]){0x00, 0xff, 0xa5, 9}), 4);
	ck_assert_uint_eq(trace_string_bytes(value, out, 1), 1);
	ck_assert_int_eq(trace_value_hex_length(argument("\"\""), "x.trace", &bytes, &diag), 0);
	ck_assert_uint_eq(bytes, 0);
}
END_TEST

START_TEST(each_hex_digit_has_its_value)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	for (int c = 1; c < 256; c++) {
		char text[3] = {'0', (char)c, '\0'};
		struct trace_value value = {.kind = TRACE_STRING, .text = text, .length = 2};
		const char *place = strchr(digits, c);
		size_t bytes;
		uint8_t out = 99;
		int result = trace_value_hex_length(&value, "x.trace", &bytes, &diag);
		ck_assert_int_eq(result, place ? 0 : -1);
		ck_assert_uint_eq(trace_string_bytes(&value, &out, 1), place ? 1 : 0);
		if (place)
			ck_assert_int_eq(out, strtol(text, NULL, 16));
	}
}
END_TEST

START_TEST(bad_hex_digit_is_reported_at_its_place)
{
	size_t bytes;
	ck_assert_int_eq(trace_value_hex_length(argument("\"00g0\""), "x.trace", &bytes, &diag),
			 -1);
	ck_assert_str_eq(trace_diag_text(&diag),
			 "x.trace:7:6: bad character in a string of bytes, it is no hex digit, "
			 "expected 0-9 or a-f");
	ck_assert_int_eq(trace_value_hex_length(argument("\"012\""), "x.trace", &bytes, &diag), -1);
	ck_assert_str_eq(trace_diag_text(&diag),
			 "x.trace:7:6: half a byte, the number of hex digits is odd, "
			 "expected two digits for each byte");
	ck_assert_int_eq(trace_value_hex_length(argument("0x10"), "x.trace", &bytes, &diag), -1);
	ck_assert_str_eq(trace_diag_text(&diag), "x.trace:7:3: no string, bytes are written as "
						 "one, expected '\"' and hex digits");
}
END_TEST

START_TEST(errno_names_and_numbers_agree)
{
	int named = 0;
	for (int number = -1; number < 600; number++) {
		const char *name = errno_name(number);
		if (!name)
			continue;
		named++;
		ck_assert_int_eq(errno_from_name(name, strlen(name)), number);
	}
	ck_assert_int_eq(named, 131 + 19);
	ck_assert_str_eq(errno_name(22), "EINVAL");
	ck_assert_str_eq(errno_name(95), "EOPNOTSUPP");
	ck_assert_str_eq(errno_name(133), "EHWPOISON");
	ck_assert_str_eq(errno_name(524), "ENOTSUPP");
	ck_assert_ptr_null(errno_name(0));
	ck_assert_ptr_null(errno_name(41));
	ck_assert_int_eq(errno_from_name("EWOULDBLOCK", 11), 11);
	ck_assert_int_eq(errno_from_name("ENOTSUP", 7), 95);
	ck_assert_int_eq(errno_from_name("EINVAL", 5), 0);
	ck_assert_int_eq(errno_from_name("EINVAL\0\0\0\0\0\0\0\0", 14), 0);
	ck_assert_int_eq(errno_from_name("", 0), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("trace_parse");
	TCase *lines = tcase_create("lines");
	tcase_add_checked_fixture(lines, setup, teardown);
	tcase_add_test(lines, empty_and_blank_lines_are_blank);
	tcase_add_test(lines, comment_text_starts_after_the_hash);
	tcase_add_test(lines, trailing_comment_is_kept);
	tcase_add_test(lines, hash_in_a_string_is_no_comment);
	tcase_add_test(lines, utf8_is_accepted);
	tcase_add_test(lines, label_has_pid_tid_and_nanoseconds);
	tcase_add_test(lines, largest_label_is_accepted);
	tcase_add_test(lines, actor_stands_before_the_name);
	tcase_add_test(lines, call_without_arguments);
	tcase_add_test(lines, failed_call_has_an_error);
	tcase_add_test(lines, unknown_result_and_bound_result);
	tcase_add_test(lines, blanks_between_tokens_do_not_matter);
	suite_add_tcase(s, lines);

	TCase *values = tcase_create("values");
	tcase_add_checked_fixture(values, setup, teardown);
	tcase_add_test(values, numbers_keep_their_base_and_sign);
	tcase_add_test(values, strings_have_no_escapes);
	tcase_add_test(values, symbol_joins_flags);
	tcase_add_test(values, name_is_without_its_dollar);
	tcase_add_test(values, name_may_have_a_number_added);
	tcase_add_test(values, arrow_gives_the_value_after);
	tcase_add_test(values, pointer_has_contents_before_and_after);
	tcase_add_test(values, struct_has_fields_in_order);
	tcase_add_test(values, structs_nest_four_deep);
	tcase_add_test(values, members_have_a_limit);
	tcase_add_test(values, part_of_a_line_keeps_its_columns);
	tcase_add_test(values, hex_strings_are_decoded);
	tcase_add_test(values, each_hex_digit_has_its_value);
	tcase_add_test(values, bad_hex_digit_is_reported_at_its_place);
	tcase_add_test(values, errno_names_and_numbers_agree);
	suite_add_tcase(s, values);

	TCase *refused = tcase_create("refused");
	tcase_add_checked_fixture(refused, setup, teardown);
	tcase_add_test(refused, unterminated_string_is_reported_at_its_quote);
	tcase_add_test(refused, missing_parenthesis_is_reported_where_it_should_be);
	tcase_add_test(refused, trailing_garbage_is_reported);
	tcase_add_test(refused, unexpected_characters_are_named);
	tcase_add_test(refused, missing_result_is_reported);
	tcase_add_test(refused, unknown_and_misplaced_errors_are_reported);
	tcase_add_test(refused, numbers_out_of_range_are_reported);
	tcase_add_test(refused, malformed_numbers_are_reported);
	tcase_add_test(refused, malformed_labels_are_reported);
	tcase_add_test(refused, misplaced_arrows_are_reported);
	tcase_add_test(refused, bytes_that_are_no_text_are_reported);
	tcase_add_test(refused, bad_utf8_is_reported);
	suite_add_tcase(s, refused);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
