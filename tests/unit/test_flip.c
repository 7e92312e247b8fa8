/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replay that finds nothing proves nothing unless it finds what is wrong. Here each thing that a
 * recording says the kernel answered is changed, one at a time, and the replay must point at it:
 * its line and its field.
 *
 * What a change turns into something else, and so is not always found:
 *   - the address of an mmap() without MAP_FIXED: another binding;
 *   - a failed open() of a file that is not /dev/iommu: what files there were is not recorded, so
 *     the line becomes unverifiable;
 *   - the label of a fork: another binding, of which the lines of the child speak; it is reported
 *     at the fork's line.
 */
#include <check.h>
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/run.h"
#include "tools/runner/trace_replay.h"

static const char *const captures[] = {
	"iommufd_viommu.mock_viommu.hw_queue",
	"iommufd.cmd_length",
	"iommufd_viommu.mock_viommu.vdevice_alloc",
};

/* What a replay of the changed recording must say. */
enum verdict {
	DIFFERS,      /* at the changed line, with the changed field's name */
	UNVERIFIABLE, /* the changed line */
	ANYTHING,
};

static char *text;
static char **lines; /* of text, without '\n' */
static struct trace_arena arena;
static struct trace_line *parsed; /* one for each of lines */
static uint32_t line_count;
static uint32_t flips;

/* What the replay at hand is to find, and what it found. */
static uint32_t wanted_line;
static const char *wanted_field;
static int64_t wanted_offset;
static bool found;
static bool unverifiable;
static uint8_t *differing; /* by line */

static void on_difference(void *context, const struct difference *difference)
{
	(void)context;
	ck_assert_uint_lt(difference->call->line, line_count + 1);
	ck_assert_str_ne(difference->expected, difference->got);
	differing[difference->call->line] = 1;
	if (difference->call->line == wanted_line && strcmp(difference->field, wanted_field) == 0 &&
	    difference->offset == wanted_offset)
		found = true;
}

static void on_unverifiable(void *context, const struct recorded_call *call, const char *reason)
{
	(void)context;
	ck_assert_ptr_nonnull(reason);
	if (call->line == wanted_line)
		unverifiable = true;
}

static struct replay_counts replay_text(const char *changed, size_t length)
{
	struct replay_options options = replay_options_default();
	struct replay_events events = {NULL, on_difference, on_unverifiable};
	struct replay_counts counts = {0};
	struct trace_diag diag = {0};
	options.machine.arena_bytes = 32ULL << 20;
	memset(differing, 0, line_count + 1);
	found = unverifiable = false;
	struct trace_reader *reader = trace_reader_open_memory("flipped", changed, length, &diag);
	ck_assert_ptr_nonnull(reader);
	enum trace_replay_result result = trace_replay(reader, &options, &events, &counts, &diag);
	ck_assert_msg(result == TRACE_REPLAYED, "%s", diag.text);
	trace_diag_free(&diag);
	uint64_t differ = 0;
	for (uint32_t i = 1; i <= line_count; i++)
		differ += differing[i];
	/* A line counts once, however much of it differs. */
	ck_assert_uint_eq(counts.differ, differ);
	ck_assert_uint_eq(counts.calls, counts.equal + counts.differ + counts.unverifiable);
	return counts;
}

static void load(const char *name)
{
	char *path = g_strdup_printf("%s/traces/captures/iommufd/%s.trace", HWQ_SOURCE_DIR, name);
	struct trace_diag diag = {0};
	GError *error = NULL;
	ck_assert_msg(g_file_get_contents(path, &text, NULL, &error), "%s", path);
	g_free(path);
	lines = g_strsplit(text, "\n", -1);
	line_count = g_strv_length(lines);
	parsed = calloc(line_count, sizeof(*parsed));
	differing = calloc(line_count + 1, 1);
	trace_arena_init(&arena);
	for (uint32_t i = 0; i < line_count; i++)
		ck_assert_int_eq(trace_parse_text(name, (struct trace_pos){i + 1, 1}, lines[i],
						  strlen(lines[i]), &arena, &parsed[i], &diag),
				 0);
	flips = 0;
}

static void unload(void)
{
	trace_arena_free(&arena);
	g_strfreev(lines);
	g_free(text);
	free(parsed);
	free(differing);
}

/* Replays the recording with line I as its nodes are now. */
static void flip(uint32_t i, enum verdict verdict, const char *field, int64_t offset)
{
	struct trace_text line = {0};
	GString *changed = g_string_sized_new(64 << 10);
	trace_print_line(&parsed[i], &line);
	ck_assert(!line.failed);
	ck_assert_str_ne(line.data, lines[i]);
	for (uint32_t j = 0; j < line_count; j++) {
		g_string_append(changed, j == i ? line.data : lines[j]);
		g_string_append_c(changed, '\n');
	}
	wanted_line = i + 1;
	wanted_field = field;
	wanted_offset = offset;
	struct replay_counts counts = replay_text(changed->str, changed->len);
	if (verdict == DIFFERS) {
		ck_assert_msg(found, "not found: %s, byte %d, in %u: %s", field, (int)offset, i + 1,
			      line.data);
		ck_assert_uint_ge(counts.differ, 1);
	} else if (verdict == UNVERIFIABLE) {
		ck_assert_msg(unverifiable, "not unverifiable: %u: %s", i + 1, line.data);
		ck_assert_uint_eq(counts.unverifiable, 1);
	}
	flips++;
	trace_text_free(&line);
	g_string_free(changed, TRUE);
}

static bool is(const struct trace_call *call, const char *name)
{
	return trace_text_is(call->name, call->name_length, name);
}

/* --- results --- */

static void set_error(struct trace_call *call, const char *error)
{
	call->result =
		(struct trace_value){.kind = TRACE_NUMBER, .negative = true, .number = UINT64_MAX};
	call->error = error;
	call->error_length = (uint32_t)strlen(error);
	call->error_number = strcmp(error, "EINVAL") == 0 ? EINVAL : EXDEV;
}

static enum verdict verdict_of_number(const struct trace_call *call)
{
	bool fixed = is(call, "mmap") && call->args[3].kind == TRACE_SYMBOL &&
		     strstr(call->args[3].text, "MAP_FIXED") != NULL;
	return is(call, "mmap") && !fixed ? ANYTHING : DIFFERS;
}

static enum verdict verdict_of_failure(const struct trace_call *call)
{
	return is(call, "open") && strcmp(call->args[0].text, "/dev/iommu") != 0 ? UNVERIFIABLE
										 : DIFFERS;
}

static void flip_result(uint32_t i)
{
	struct trace_call *call = &parsed[i].call, saved = *call;
	if (call->result.kind == TRACE_UNKNOWN)
		return;
	if (call->error != NULL) {
		set_error(call, call->error_number == EINVAL ? "EXDEV" : "EINVAL");
		flip(i, DIFFERS, "result", -1);
		call->error = NULL;
		call->result = (struct trace_value){.kind = TRACE_NUMBER};
		flip(i, DIFFERS, "result", -1);
	} else {
		call->result.number++;
		flip(i, verdict_of_number(call), "result", -1);
		set_error(call, "EINVAL");
		flip(i, verdict_of_failure(call), "result", -1);
	}
	*call = saved;
}

/* --- values after the call --- */

/* VALUE is what the recording says was there after the call. */
static void flip_number(uint32_t i, struct trace_value *value, const char *field)
{
	bool all_ones = value->number == UINT64_MAX || value->number == UINT32_MAX;
	uint64_t saved = value->number;
	value->number += all_ones ? (uint64_t)-1 : 1;
	flip(i, DIFFERS, field, -1);
	value->number = saved;
}

static void flip_digits(uint32_t i, struct trace_value *string, const char *field)
{
	static const char digits[] = "0123456789abcdef";
	const char *original = string->text;
	char *copy = g_strndup(original, string->length);
	string->text = copy;
	for (uint32_t at = 0; at + 1 < string->length; at += 2) {
		char saved = copy[at + 1];
		const char *digit = strchr(digits, saved);
		ck_assert_ptr_nonnull(digit);
		copy[at + 1] = digits[(digit - digits) ^ 1];
		flip(i, DIFFERS, field, at / 2);
		copy[at + 1] = saved;
	}
	string->text = original;
	g_free(copy);
}

/* Where the line says `unchanged` by saying nothing, it is made to say it first. */
static void flip_field(uint32_t i, struct trace_field *field)
{
	struct trace_value *value = &field->value;
	struct trace_value after = *value;
	char *name = g_strndup(field->name, field->name_length);
	if (value->contents != NULL) {
		struct trace_value *saved = value->contents_after;
		after = saved != NULL ? *saved : *value->contents;
		value->contents_after = &after;
		flip_digits(i, &after, name);
		value->contents_after = saved;
	} else if (value->kind != TRACE_SYMBOL) {
		struct trace_value *saved = value->after;
		after = saved != NULL ? *saved : *value;
		value->after = &after;
		if (value->kind == TRACE_NUMBER)
			flip_number(i, &after, name);
		else
			flip_digits(i, &after, name);
		value->after = saved;
	}
	g_free(name);
}

static void flip_outputs(uint32_t i)
{
	struct trace_call *call = &parsed[i].call;
	if (is(call, "ioctl") && call->args[2].kind == TRACE_STRUCT)
		for (uint32_t j = 0; j < call->args[2].field_count; j++)
			flip_field(i, &call->args[2].fields[j]);
	else if (is(call, "read"))
		flip_digits(i, &call->args[1], "buffer");
	else if (is(call, "poll"))
		flip_number(i, call->args[1].after, "revents");
	else if (is(call, "waitpid"))
		flip_number(i, &call->args[1], "status");
}

START_TEST(every_changed_answer_is_found)
{
	load(captures[_i]);
	struct replay_counts counts = replay_text(text, strlen(text));
	ck_assert_uint_eq(counts.equal, counts.calls);
	for (uint32_t i = 0; i < line_count; i++) {
		if (parsed[i].kind != TRACE_LINE_CALL)
			continue;
		flip_result(i);
		flip_outputs(i);
	}
	printf("%s: %u changes in %u calls\n", captures[_i], flips, (unsigned)counts.calls);
	ck_assert_uint_gt(flips, 4 * counts.calls);
	unload();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flip");
	TCase *tcase = tcase_create("captures");
	tcase_add_loop_test(tcase, every_changed_answer_is_found, 0,
			    sizeof(captures) / sizeof(captures[0]));
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
