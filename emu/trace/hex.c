/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/trace/trace.h"

#define NONE 0xff

/* The value of a hex digit, NONE for other characters. */
static inline uint8_t digit_value(char c)
{
	/* clang-format off */
	static const uint8_t values[] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
		10, 11, 12, 13, 14, 15, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
		NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
		NONE, NONE, NONE, NONE,
		10, 11, 12, 13, 14, 15,
	};
	/* clang-format on */
	unsigned int index = (unsigned int)((unsigned char)c - '0');

	return index < sizeof(values) ? values[index] : NONE;
}

int trace_value_hex_length(const struct trace_value *value, const char *file, size_t *bytes,
			   struct trace_diag *diag)
{
	struct trace_pos pos = value->pos;

	if (value->kind != TRACE_STRING) {
		trace_diag_set(diag, file, pos,
			       "no string, bytes are written as one, "
			       "expected '\"' and hex digits");
		return -1;
	}
	for (uint32_t i = 0; i < value->length; i++) {
		if (digit_value(value->text[i]) != NONE)
			continue;
		pos.column += 1 + i; /* the quote comes first */
		trace_diag_set(diag, file, pos,
			       "bad character in a string of bytes, it is no hex digit, "
			       "expected 0-9 or a-f");
		return -1;
	}
	if (value->length % 2) {
		pos.column += value->length;
		trace_diag_set(diag, file, pos,
			       "half a byte, the number of hex digits is odd, "
			       "expected two digits for each byte");
		return -1;
	}
	*bytes = value->length / 2;
	return 0;
}

size_t trace_string_bytes(const struct trace_value *value, uint8_t *out, size_t max)
{
	size_t length = value->length / 2;
	size_t count = length < max ? length : max;

	for (size_t i = 0; i < count; i++) {
		uint8_t high = digit_value(value->text[2 * i]);
		uint8_t low = digit_value(value->text[2 * i + 1]);
		if (high == NONE || low == NONE)
			return i;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return count;
}
