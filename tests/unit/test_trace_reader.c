/* SPDX-License-Identifier: Apache-2.0 */
/* How text becomes lines: from files and memory, plain and compressed, whole and broken. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "emu/trace/trace.h"
#include "tests/kit/run.h"

static struct trace_diag diag;
static struct trace_line line;
static struct trace_reader *reader;
static char folder[64];
static char path[128];

static void setup(void)
{
	snprintf(folder, sizeof(folder), "test_trace_reader.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	path[0] = '\0';
	reader = NULL;
}

static void teardown(void)
{
	trace_reader_close(reader);
	trace_diag_free(&diag);
	if (path[0])
		remove(path);
	rmdir(folder);
}

/* ---- help ---- */

static void write_file(const char *name, const void *data, size_t length)
{
	if (path[0])
		remove(path);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "wb");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(data, 1, length, file), length);
	ck_assert_int_eq(fclose(file), 0);
}

static void open_file(const char *name, const void *data, size_t length)
{
	write_file(name, data, length);
	trace_reader_close(reader);
	reader = trace_reader_open(path, &diag);
	ck_assert_msg(reader != NULL, "%s", trace_diag_text(&diag));
}

static void open_memory(const void *data, size_t length)
{
	trace_reader_close(reader);
	reader = trace_reader_open_memory("x.trace", data, length, &diag);
	ck_assert_msg(reader != NULL, "%s", trace_diag_text(&diag));
}

static void open_text(const char *text)
{
	open_memory(text, strlen(text));
}

/* A zstd frame of text, with a checksum; the caller frees it. */
static void *compressed(const char *text, size_t text_length, size_t *length)
{
	size_t room = ZSTD_compressBound(text_length);
	void *data = malloc(room);
	ZSTD_CCtx *context = ZSTD_createCCtx();
	ck_assert_ptr_nonnull(data);
	ck_assert_ptr_nonnull(context);
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	*length = ZSTD_compress2(context, data, room, text, text_length);
	ck_assert(!ZSTD_isError(*length));
	ZSTD_freeCCtx(context);
	return data;
}

static void next_is_call(const char *name, uint32_t number)
{
	int result = trace_reader_next(reader, &line, &diag);
	ck_assert_msg(result == 1, "%s", result < 0 ? trace_diag_text(&diag) : "end");
	ck_assert_int_eq(line.kind, TRACE_LINE_CALL);
	ck_assert_str_eq(line.call.name, name);
	ck_assert_uint_eq(line.number, number);
}

static void next_is_end(void)
{
	ck_assert_int_eq(trace_reader_next(reader, &line, &diag), 0);
	ck_assert_int_eq(trace_reader_next(reader, &line, &diag), 0);
}

/* In words that follow the file's name. */
static void said(const char *expected)
{
	const char *text = trace_diag_text(&diag);
	const char *name = reader ? trace_reader_name(reader) : path;
	ck_assert_msg(strncmp(text, name, strlen(name)) == 0, "%s", text);
	ck_assert_str_eq(text + strlen(name), expected);
}

static void next_fails(const char *expected)
{
	ck_assert_int_eq(trace_reader_next(reader, &line, &diag), -1);
	said(expected);
}

static void next_fails_for_good(const char *expected)
{
	next_fails(expected);
	trace_diag_free(&diag);
	next_fails(expected);
}

/* ---- lines ---- */

START_TEST(lines_are_counted_from_one)
{
	open_text("a() = 0\n\n# c\nb() = 0\n");
	next_is_call("a", 1);
	ck_assert_int_eq(trace_reader_next(reader, &line, &diag), 1);
	ck_assert_int_eq(line.kind, TRACE_LINE_BLANK);
	ck_assert_int_eq(trace_reader_next(reader, &line, &diag), 1);
	ck_assert_int_eq(line.kind, TRACE_LINE_COMMENT);
	next_is_call("b", 4);
	ck_assert_uint_eq(line.call.pos.line, 4);
	next_is_end();
}
END_TEST

START_TEST(last_line_may_lack_its_newline)
{
	open_text("a() = 0\nb() = 0");
	next_is_call("a", 1);
	next_is_call("b", 2);
	next_is_end();
	open_file("x.trace", "a() = 0", 7);
	next_is_call("a", 1);
	next_is_end();
}
END_TEST

START_TEST(empty_inputs_have_no_lines)
{
	open_memory(NULL, 0);
	next_is_end();
	open_file("x.trace", "", 0);
	next_is_end();
}
END_TEST

START_TEST(reading_goes_on_behind_a_wrong_line)
{
	open_text("a() = 0\nb( = 0\nc() = 0\n");
	next_is_call("a", 1);
	next_fails(":2:4: unexpected '=', a value begins there, "
		   "expected a number, string, symbol, '$', '{' or '?'");
	next_is_call("c", 3);
	next_is_end();
}
END_TEST

START_TEST(unparsed_lines_can_be_had_too)
{
	const char *text;
	uint32_t length;
	uint32_t number;
	open_text("expect leak\nclose(3) = 0\n\x01\n");
	ck_assert_int_eq(trace_reader_next_text(reader, &text, &length, &number, &diag), 1);
	ck_assert(trace_text_is(text, length, "expect leak"));
	ck_assert_uint_eq(number, 1);
	next_is_call("close", 2);
	ck_assert_int_eq(trace_reader_next_text(reader, &text, &length, &number, &diag), -1);
	said(":3:1: control character 0x01, a trace is no binary, expected text");
	ck_assert_int_eq(trace_reader_next_text(reader, &text, &length, &number, &diag), 0);
}
END_TEST

START_TEST(nodes_live_in_the_callers_arena)
{
	struct trace_arena arena;
	struct trace_line lines[1000];
	struct trace_text text = {0};
	trace_arena_init(&arena);
	for (int i = 0; i < 1000; i++) {
		char one[64];
		int length = snprintf(one, sizeof(one), "f(%d, {a=%d, b=\"%d\"}) = 0\n", i, i, i);
		trace_text_append(&text, one, (size_t)length);
	}
	open_file("x.trace", text.data, text.length);
	trace_text_free(&text);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(trace_reader_next_into(reader, &arena, &lines[i], &diag), 1);
	ck_assert_int_eq(trace_reader_next_into(reader, &arena, &lines[0], &diag), 0);
	for (int i = 0; i < 1000; i++) {
		const struct trace_value *args = lines[i].call.args;
		ck_assert_uint_eq(args[0].number, (uint64_t)i);
		ck_assert_int_eq(atoi(trace_value_field(&args[1], "b")->value.text), i);
	}
	trace_arena_free(&arena);
}
END_TEST

/* ---- the limits ---- */

/* prefix, then 'x' up to length bytes, then behind. */
static char *long_text(const char *prefix, size_t length, const char *behind)
{
	char *text = malloc(length + strlen(behind) + 1);
	ck_assert_ptr_nonnull(text);
	memset(text, 'x', length);
	for (size_t i = 0; prefix[i]; i++)
		text[i] = prefix[i];
	memcpy(text + length, behind, strlen(behind) + 1);
	return text;
}

static void check_long_lines(bool from_file)
{
	char *text = long_text("a() = 0\n#", 8 + TRACE_LINE_MAX, "\nb() = 0\n");
	if (from_file)
		open_file("x.trace", text, strlen(text));
	else
		open_text(text);
	next_is_call("a", 1);
	ck_assert_int_eq(trace_reader_next(reader, &line, &diag), 1);
	ck_assert_uint_eq(line.length, TRACE_LINE_MAX - 1);
	next_is_call("b", 3);
	next_is_end();
	free(text);

	text = long_text("a() = 0\n#", 8 + TRACE_LINE_MAX + 1, "\nb() = 0\n");
	if (from_file)
		open_file("x.trace", text, strlen(text));
	else
		open_text(text);
	next_is_call("a", 1);
	next_fails_for_good(":2:1048577: line too long, its length has a limit, "
			    "expected at most 1048576 bytes");
	free(text);
}

START_TEST(line_of_a_mebibyte_is_read_and_a_longer_one_refused)
{
	check_long_lines(true);
	check_long_lines(false);
}
END_TEST

START_TEST(longest_line_may_end_the_text)
{
	char *text = long_text("#", TRACE_LINE_MAX, "");
	open_file("x.trace", text, strlen(text));
	ck_assert_int_eq(trace_reader_next(reader, &line, &diag), 1);
	next_is_end();
	free(text);
	text = long_text("#", TRACE_LINE_MAX + 1, "");
	open_file("x.trace", text, strlen(text));
	next_fails_for_good(":1:1048577: line too long, its length has a limit, "
			    "expected at most 1048576 bytes");
	free(text);
}
END_TEST

START_TEST(text_beyond_the_limit_is_refused)
{
	open_text("a() = 0\nb() = 0\nc() = 0\n");
	trace_reader_limit_bytes(reader, 19);
	trace_reader_limit_bytes(reader, 1000); /* a limit is never raised */
	next_is_call("a", 1);
	next_is_call("b", 2);
	next_fails_for_good(":3:4: text too long, its length has a limit, expected fewer bytes");
	open_text("a() = 0\nb() = 0\n");
	trace_reader_limit_bytes(reader, 16);
	next_is_call("a", 1);
	next_is_call("b", 2);
	next_is_end();
}
END_TEST

/* 4 GiB of comments of a mebibyte each: about 130 kB as zstd. */
START_TEST(decompressed_text_has_a_limit_of_4_gib)
{
	size_t part_length;
	char *text = long_text("#", TRACE_LINE_MAX - 1, "\n");
	char *part = compressed(text, strlen(text), &part_length);
	char *data = malloc(4096 * part_length);
	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < 4096; i++)
		memcpy(data + i * part_length, part, part_length);
	open_memory(data, 4096 * part_length);
	int result;
	const char *raw;
	uint32_t length;
	uint32_t number;
	while ((result = trace_reader_next_text(reader, &raw, &length, &number, &diag)) > 0)
		;
	ck_assert_int_eq(result, -1);
	said(":4096:1048576: text too long, its length has a limit, expected fewer bytes");
	free(data);
	free(part);
	free(text);
}
END_TEST

/* ---- zstd ---- */

START_TEST(zstd_is_known_by_its_first_bytes)
{
	size_t length;
	void *data = compressed("a() = 0\nb() = 0", 15, &length);
	open_memory(data, length);
	next_is_call("a", 1);
	next_is_call("b", 2);
	next_is_end();
	open_file("x.trace", data, length);
	next_is_call("a", 1);
	next_is_call("b", 2);
	next_is_end();
	free(data);
}
END_TEST

START_TEST(lines_may_cross_zstd_frames)
{
	static const char skippable[] = "\x50\x2a\x4d\x18\x03\0\0\0abc";
	struct trace_text all = {0};
	size_t length;
	trace_text_append(&all, skippable, sizeof(skippable) - 1);
	void *data = compressed("a() ", 4, &length);
	trace_text_append(&all, data, length);
	free(data);
	data = compressed("= 0\nb() = 0\n", 12, &length);
	trace_text_append(&all, data, length);
	trace_text_append(&all, skippable, sizeof(skippable) - 1);
	free(data);
	open_file("x.trace.zst", all.data, all.length);
	next_is_call("a", 1);
	next_is_call("b", 2);
	next_is_end();
	trace_text_free(&all);
}
END_TEST

START_TEST(long_zstd_text_is_read_in_pieces)
{
	struct trace_text text = {0};
	for (int i = 0; i < 100000; i++) {
		char one[64];
		int size = snprintf(one, sizeof(one), "f(%d, 0x%x) = 0\n", i, i * 7919);
		trace_text_append(&text, one, (size_t)size);
	}
	size_t length;
	void *data = compressed(text.data, text.length, &length);
	open_file("x.trace.zst", data, length);
	for (uint32_t i = 0; i < 100000; i++) {
		next_is_call("f", i + 1);
		ck_assert_uint_eq(line.call.args[0].number, i);
	}
	next_is_end();
	free(data);
	trace_text_free(&text);
}
END_TEST

/* Each cut of a compressed text gives its whole lines or none, and then the diagnosis. */
START_TEST(truncated_zstd_is_reported_where_the_text_stops)
{
	size_t length;
	char *data = compressed("a() = 0\nb() = 0\n", 16, &length);
	for (size_t cut = 4; cut < length; cut++) {
		int result;
		open_memory(data, cut);
		while ((result = trace_reader_next(reader, &line, &diag)) > 0)
			;
		ck_assert_int_eq(result, -1);
		ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag),
					     ": truncated zstd data, it ends inside a frame, "
					     "expected the rest of it"));
	}
	/* Without the checksum all text is there; it is the next line that is missing. */
	open_memory(data, length - 1);
	next_is_call("a", 1);
	next_is_call("b", 2);
	next_fails_for_good(":3:1: truncated zstd data, it ends inside a frame, "
			    "expected the rest of it");
	free(data);
}
END_TEST

START_TEST(corrupt_zstd_is_reported)
{
	size_t length;
	unsigned char *data = compressed("a() = 0\nb() = 0\nc() = 0\n", 24, &length);
	data[length - 1] ^= 1; /* of the checksum */
	open_memory(data, length);
	int result;
	while ((result = trace_reader_next(reader, &line, &diag)) > 0)
		;
	ck_assert_int_eq(result, -1);
	ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag),
				     ": corrupt zstd data, it cannot be decompressed, "
				     "expected whole zstd frames"));
	free(data);
}
END_TEST

START_TEST(garbage_behind_zstd_frames_is_reported)
{
	size_t length;
	char *data = compressed("a() = 0\nb", 9, &length);
	struct trace_text all = {0};
	trace_text_append(&all, data, length);
	trace_text_append(&all, "garbage", 7);
	open_memory(all.data, all.length);
	next_is_call("a", 1);
	next_fails_for_good(":2:2: corrupt zstd data, it cannot be decompressed, "
			    "expected whole zstd frames");
	trace_text_free(&all);
	free(data);
}
END_TEST

START_TEST(zst_name_promises_zstd_data)
{
	open_file("x.zst", "a() = 0\n", 8);
	next_fails_for_good(":1:1: corrupt zstd data, it cannot be decompressed, "
			    "expected whole zstd frames");
	open_file("x.zst", "", 0);
	next_fails_for_good(":1:1: truncated zstd data, it ends inside a frame, "
			    "expected the rest of it");
}
END_TEST

/* ---- files ---- */

START_TEST(missing_file_is_reported)
{
	snprintf(path, sizeof(path), "%s/none.trace", folder);
	ck_assert_ptr_null(trace_reader_open(path, &diag));
	said(":1:1: cannot read the file, No such file or directory, expected a readable one");
	ck_assert_ptr_null(trace_reader_open(path, NULL));
	path[0] = '\0';
}
END_TEST

START_TEST(folder_is_no_file)
{
	ck_assert_ptr_null(trace_reader_open(folder, &diag));
	snprintf(path, sizeof(path), "%s", folder);
	said(":1:1: cannot read the file, Is a directory, expected a readable one");
	path[0] = '\0';
}
END_TEST

START_TEST(unreadable_file_is_reported)
{
	write_file("x.trace", "", 0);
	ck_assert_int_eq(chmod(path, 0), 0);
	reader = trace_reader_open(path, &diag);
	if (reader)
		return; /* nothing is unreadable to root */
	said(":1:1: cannot read the file, Permission denied, expected a readable one");
}
END_TEST

/* ---- the header ---- */

static const char *const HEADERS[] = {"# hwq-capture 1", "# hwq-scenario 1"};

START_TEST(known_header_is_found_and_stays)
{
	open_text("# hwq-scenario 1\na() = 0\n");
	ck_assert_int_eq(trace_reader_expect_header(reader, HEADERS, 2, &diag), 1);
	ck_assert_int_eq(trace_reader_next(reader, &line, &diag), 1);
	ck_assert_int_eq(line.kind, TRACE_LINE_COMMENT);
	ck_assert_str_eq(line.text, " hwq-scenario 1");
	next_is_call("a", 2);
	open_text("# hwq-capture 1");
	ck_assert_int_eq(trace_reader_expect_header(reader, HEADERS, 2, &diag), 0);
}
END_TEST

static void header_fails(const char *text, const char *expected)
{
	open_text(text);
	ck_assert_int_eq(trace_reader_expect_header(reader, HEADERS, 2, &diag), -1);
	said(expected);
}

START_TEST(unknown_header_is_told_what_was_expected)
{
	header_fails("# hwq-capture 2\n", ":1:1: unknown header, line 1 names the format, "
					  "expected '# hwq-capture 1' or '# hwq-scenario 1'");
	header_fails("# hwq-capture 12\n", ":1:1: unknown header, line 1 names the format, "
					   "expected '# hwq-capture 1' or '# hwq-scenario 1'");
	header_fails("\n# hwq-capture 1\n", ":1:1: unknown header, line 1 names the format, "
					    "expected '# hwq-capture 1' or '# hwq-scenario 1'");
	header_fails("", ":1:1: empty file, line 1 names the format, "
			 "expected '# hwq-capture 1' or '# hwq-scenario 1'");
	header_fails("# hwq-capture 1\r\n", ":1:16: carriage return, lines end in '\\n' alone, "
					    "expected '\\n'");
	header_fails("\x7f"
		     "ELF\n",
		     ":1:1: control character 0x7f, a trace is no binary, expected text");
	open_text("x\n");
	ck_assert_int_eq(trace_reader_expect_header(reader, HEADERS, 1, &diag), -1);
	said(":1:1: unknown header, line 1 names the format, expected '# hwq-capture 1'");
}
END_TEST

START_TEST(header_check_reports_a_broken_stream)
{
	open_file("x.zst", "", 0);
	ck_assert_int_eq(trace_reader_expect_header(reader, HEADERS, 2, &diag), -1);
	said(":1:1: truncated zstd data, it ends inside a frame, expected the rest of it");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("trace_reader");
	TCase *lines = tcase_create("lines");
	tcase_add_checked_fixture(lines, setup, teardown);
	tcase_add_test(lines, lines_are_counted_from_one);
	tcase_add_test(lines, last_line_may_lack_its_newline);
	tcase_add_test(lines, empty_inputs_have_no_lines);
	tcase_add_test(lines, reading_goes_on_behind_a_wrong_line);
	tcase_add_test(lines, unparsed_lines_can_be_had_too);
	tcase_add_test(lines, nodes_live_in_the_callers_arena);
	tcase_add_test(lines, line_of_a_mebibyte_is_read_and_a_longer_one_refused);
	tcase_add_test(lines, longest_line_may_end_the_text);
	tcase_add_test(lines, text_beyond_the_limit_is_refused);
	tcase_add_test(lines, decompressed_text_has_a_limit_of_4_gib);
	suite_add_tcase(s, lines);

	TCase *zstd = tcase_create("zstd");
	tcase_add_checked_fixture(zstd, setup, teardown);
	tcase_add_test(zstd, zstd_is_known_by_its_first_bytes);
	tcase_add_test(zstd, lines_may_cross_zstd_frames);
	tcase_add_test(zstd, long_zstd_text_is_read_in_pieces);
	tcase_add_test(zstd, truncated_zstd_is_reported_where_the_text_stops);
	tcase_add_test(zstd, corrupt_zstd_is_reported);
	tcase_add_test(zstd, garbage_behind_zstd_frames_is_reported);
	tcase_add_test(zstd, zst_name_promises_zstd_data);
	suite_add_tcase(s, zstd);

	TCase *files = tcase_create("files");
	tcase_add_checked_fixture(files, setup, teardown);
	tcase_add_test(files, missing_file_is_reported);
	tcase_add_test(files, folder_is_no_file);
	tcase_add_test(files, unreadable_file_is_reported);
	tcase_add_test(files, known_header_is_found_and_stays);
	tcase_add_test(files, unknown_header_is_told_what_was_expected);
	tcase_add_test(files, header_check_reports_a_broken_stream);
	suite_add_tcase(s, files);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
