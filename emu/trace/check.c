/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/trace/internal.h"

#include <string.h>

#define EACH_BYTE 0x0101010101010101u

/* True if one of 8 bytes is a control character or not ASCII; then, and only then, look closer. */
static inline bool word_is_unusual(const char *text)
{
	uint64_t word;

	memcpy(&word, text, sizeof(word));
	/* Top bits: of w - 0x20 for controls, of w + 1 for DEL, of w for what is not ASCII. A carry
	 * between bytes comes only from a byte that is unusual itself. */
	return ((word - 0x20 * EACH_BYTE) | (word + EACH_BYTE) | word) & 0x80 * EACH_BYTE;
}

/* What is allowed for the first continuation byte, by the byte that leads (Unicode, table 3-7). */
static bool second_is_valid(unsigned char lead, unsigned char second)
{
	unsigned char low = 0x80;
	unsigned char high = 0xbf;

	if (lead == 0xe0)
		low = 0xa0; /* below: overlong */
	else if (lead == 0xed)
		high = 0x9f; /* above: surrogates */
	else if (lead == 0xf0)
		low = 0x90; /* below: overlong */
	else if (lead == 0xf4)
		high = 0x8f; /* above: past U+10FFFF */
	return second >= low && second <= high;
}

/* The bytes of the UTF-8 character at text, 0 if it is none. */
static size_t utf8_length(const unsigned char *text, size_t available)
{
	unsigned char lead = text[0];
	size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	if (length == 1)
		return 1;
	if (lead < 0xc2 || lead > 0xf4 || available < length || !second_is_valid(lead, text[1]))
		return 0;
	for (size_t i = 2; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	return length;
}

static int fail_character(const char *file, struct trace_pos pos, unsigned char c,
			  struct trace_diag *diag)
{
	if (c == '\r')
		trace_diag_set(diag, file, pos,
			       "carriage return, lines end in '\\n' alone, expected '\\n'");
	else if (c < 0x80)
		trace_diag_set(diag, file, pos,
			       "control character 0x%02x, a trace is no binary, expected text", c);
	else
		trace_diag_set(diag, file, pos,
			       "bad byte 0x%02x, it begins no UTF-8 character, expected UTF-8", c);
	return -1;
}

int trace_check_text(const char *file, struct trace_pos start, const char *text, size_t length,
		     struct trace_diag *diag)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t i = 0;

	while (i < length) {
		if (length - i >= 8 && !word_is_unusual(text + i)) {
			i += 8;
			continue;
		}
		unsigned char c = bytes[i];
		bool control = (c < ' ' && c != '\t') || c == 0x7f;
		size_t character = control ? 0 : utf8_length(bytes + i, length - i);
		if (character == 0) {
			struct trace_pos pos = {start.line, start.column + (uint32_t)i};
			return fail_character(file, pos, c, diag);
		}
		i += character;
	}
	return 0;
}
