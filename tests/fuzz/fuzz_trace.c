/* SPDX-License-Identifier: Apache-2.0 */
/* Reads any bytes as a trace. A line that is accepted prints to a text that prints as itself. */
#include <assert.h>
#include <string.h>

#include "emu/trace/trace.h"

/* A bomb of a megabyte does not find more than one of gigabytes. */
#define BYTES_MAX ((uint64_t)8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_string(const struct trace_value *value)
{
	uint8_t bytes[64];
	size_t length = 0;
	struct trace_diag diag = {0};

	if (trace_value_hex_length(value, "fuzz", &length, &diag) == 0) {
		size_t expected = length < sizeof(bytes) ? length : sizeof(bytes);
		assert(trace_string_bytes(value, bytes, sizeof(bytes)) == expected);
	} else {
		assert(diag.text);
		assert(trace_string_bytes(value, bytes, sizeof(bytes)) <= sizeof(bytes));
	}
	trace_diag_free(&diag);
}

static void check_value(const struct trace_value *value, int depth)
{
	assert(depth <= TRACE_DEPTH_MAX);
	assert(value->pos.column > 0);
	assert(!value->text || value->text[value->length] == '\0');
	check_string(value);
	for (uint32_t i = 0; i < value->field_count; i++)
		check_value(&value->fields[i].value, depth + 1);
	if (value->contents)
		check_string(value->contents);
	if (value->contents_after)
		check_string(value->contents_after);
	if (value->after)
		check_value(value->after, depth);
}

static void check_line(const struct trace_line *line, struct trace_arena *arena)
{
	struct trace_text first = {0};
	struct trace_text second = {0};
	struct trace_diag diag = {0};
	struct trace_line again;

	for (uint32_t i = 0; i < line->call.arg_count; i++)
		check_value(&line->call.args[i], 0);
	trace_print_line(line, &first);
	trace_arena_reset(arena);
	int result = trace_parse_text("fuzz", (struct trace_pos){line->number, 1}, first.data,
				      first.length, arena, &again, &diag);
	assert(result == 0);
	assert(again.kind == line->kind && again.number == line->number);
	trace_print_line(&again, &second);
	assert(first.length == second.length);
	assert(memcmp(first.data, second.data, first.length) == 0);
	trace_text_free(&first);
	trace_text_free(&second);
	trace_diag_free(&diag);
}

static void check_diag(const struct trace_diag *diag)
{
	assert(diag->text);
	assert(strncmp(diag->text, "fuzz:", 5) == 0);
	for (const char *c = diag->text; *c; c++)
		assert(*c >= ' ' && *c < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const headers[] = {"# hwq-capture 1"};
	struct trace_diag diag = {0};
	struct trace_line line;
	struct trace_arena arena;
	int result;
	struct trace_reader *reader = trace_reader_open_memory("fuzz", data, size, &diag);

	assert(reader);
	trace_reader_limit_bytes(reader, BYTES_MAX);
	trace_arena_init(&arena);
	trace_reader_expect_header(reader, headers, 1, &diag);
	while ((result = trace_reader_next(reader, &line, &diag)) > 0)
		check_line(&line, &arena);
	if (result < 0)
		check_diag(&diag);
	trace_reader_close(reader);
	trace_arena_free(&arena);
	trace_diag_free(&diag);
	return 0;
}
