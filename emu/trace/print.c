/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/trace/trace.h"

#include <stdlib.h>
#include <string.h>

/* ---- the text ---- */

void trace_text_init(struct trace_text *text)
{
	*text = (struct trace_text){0};
}

void trace_text_clear(struct trace_text *text)
{
	text->length = 0;
	text->failed = false;
	if (text->data)
		text->data[0] = '\0';
}

void trace_text_free(struct trace_text *text)
{
	free(text->data);
	trace_text_init(text);
}

/* Makes room for length bytes and a NUL. */
static bool reserve(struct trace_text *text, size_t length)
{
	if (length < text->capacity - text->length)
		return true;
	size_t capacity = text->capacity ? text->capacity : 256;
	while (length >= capacity - text->length)
		capacity *= 2;
	char *data = realloc(text->data, capacity);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->capacity = capacity;
	return true;
}

void trace_text_append(struct trace_text *text, const char *data, size_t length)
{
	if (!reserve(text, length))
		return;
	if (length)
		memcpy(text->data + text->length, data, length);
	text->length += length;
	text->data[text->length] = '\0';
}

static void append_char(struct trace_text *text, char c)
{
	trace_text_append(text, &c, 1);
}

#define APPEND(text, literal) trace_text_append(text, literal, sizeof(literal) - 1)

/* ---- numbers: by hand, as printf() would take most of the time ---- */

/* With at least min_digits digits. */
static void append_decimal(struct trace_text *out, uint64_t number, int min_digits)
{
	char digits[20];
	size_t at = sizeof(digits);

	for (; number > 0 || min_digits > 0; number /= 10, min_digits--)
		digits[--at] = (char)('0' + number % 10);
	trace_text_append(out, digits + at, sizeof(digits) - at);
}

static void append_hex(struct trace_text *out, uint64_t number)
{
	char digits[16];
	size_t at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[number & 15];
		number >>= 4;
	} while (number > 0);
	APPEND(out, "0x");
	trace_text_append(out, digits + at, sizeof(digits) - at);
}

static void print_number(const struct trace_value *value, struct trace_text *out)
{
	uint64_t number = value->number;

	if (value->negative) {
		append_char(out, '-');
		number = -number;
	}
	if (value->hex)
		append_hex(out, number);
	else
		append_decimal(out, number, 1);
}

/* ---- values ---- */

static void print_struct(const struct trace_value *value, struct trace_text *out)
{
	append_char(out, '{');
	for (uint32_t i = 0; i < value->field_count; i++) {
		const struct trace_field *field = &value->fields[i];
		if (i)
			APPEND(out, ", ");
		trace_text_append(out, field->name, field->name_length);
		append_char(out, '=');
		trace_print_value(&field->value, out);
	}
	append_char(out, '}');
}

static void print_plain(const struct trace_value *value, struct trace_text *out)
{
	switch (value->kind) {
	case TRACE_NUMBER:
		print_number(value, out);
		break;
	case TRACE_STRING:
		append_char(out, '"');
		trace_text_append(out, value->text, value->length);
		append_char(out, '"');
		break;
	case TRACE_NAME:
		append_char(out, '$');
		trace_text_append(out, value->text, value->length);
		if (value->number != 0 || value->hex) {
			append_char(out, '+');
			print_number(value, out);
		}
		break;
	case TRACE_SYMBOL:
		trace_text_append(out, value->text, value->length);
		break;
	case TRACE_STRUCT:
		print_struct(value, out);
		break;
	case TRACE_UNKNOWN:
		append_char(out, '?');
		break;
	}
}

void trace_print_value(const struct trace_value *value, struct trace_text *out)
{
	print_plain(value, out);
	if (value->contents) {
		APPEND(out, "->");
		print_plain(value->contents, out);
	}
	if (value->contents_after) {
		APPEND(out, " => ");
		print_plain(value->contents_after, out);
	}
	if (value->after) {
		APPEND(out, " => ");
		print_plain(value->after, out);
	}
}

void trace_print_bytes(const uint8_t *bytes, size_t length, struct trace_text *out)
{
	if (!reserve(out, 2 * length + 2))
		return;
	append_char(out, '"');
	for (size_t i = 0; i < length; i++) {
		out->data[out->length++] = "0123456789abcdef"[bytes[i] >> 4];
		out->data[out->length++] = "0123456789abcdef"[bytes[i] & 15];
	}
	append_char(out, '"');
}

/* ---- lines ---- */

static void print_label(const struct trace_call *call, struct trace_text *out)
{
	append_char(out, '[');
	append_decimal(out, call->pid, 1);
	append_char(out, '.');
	append_decimal(out, call->tid, 1);
	APPEND(out, "] ");
	append_decimal(out, call->nanoseconds / 1000000000, 1);
	append_char(out, '.');
	append_decimal(out, call->nanoseconds % 1000000000, 9);
	append_char(out, ' ');
}

void trace_print_call(const struct trace_call *call, struct trace_text *out)
{
	if (call->has_label)
		print_label(call, out);
	if (call->actor) {
		trace_text_append(out, call->actor, call->actor_length);
		APPEND(out, ": ");
	}
	trace_text_append(out, call->name, call->name_length);
	append_char(out, '(');
	for (uint32_t i = 0; i < call->arg_count; i++) {
		if (i)
			APPEND(out, ", ");
		trace_print_value(&call->args[i], out);
	}
	APPEND(out, ") = ");
	print_plain(&call->result, out);
	if (call->error) {
		append_char(out, ' ');
		trace_text_append(out, call->error, call->error_length);
	}
}

void trace_print_line(const struct trace_line *line, struct trace_text *out)
{
	switch (line->kind) {
	case TRACE_LINE_BLANK:
		trace_text_append(out, "", 0);
		break;
	case TRACE_LINE_COMMENT:
		append_char(out, '#');
		trace_text_append(out, line->text, line->length);
		break;
	case TRACE_LINE_CALL:
		trace_print_call(&line->call, out);
		break;
	}
	if (line->trailing_comment) {
		APPEND(out, " #");
		trace_text_append(out, line->trailing_comment, line->trailing_comment_length);
	}
}
