// SPDX-License-Identifier: Apache-2.0
#include "tools/runner/answer.h"

#include <stdio.h>
#include <string.h>

#include "emu/bits.h"

void answer_number_text(char *text, size_t size, uint64_t number)
{
	if (number < 0x100000)
		snprintf(text, size, "%llu", (unsigned long long)number);
	else
		snprintf(text, size, "0x%llx", (unsigned long long)number);
}

/* Up to eight bytes from AT on, as hex digits. */
static void bytes_text(char *text, size_t size, const uint8_t *bytes, uint32_t at, uint32_t length)
{
	size_t used = (size_t)snprintf(text, size, "...\"");
	for (uint32_t i = at; i < length && i < at + 8; i++)
		used += (size_t)snprintf(text + used, size - used, "%02x", bytes[i]);
	snprintf(text + used, size - used, "\"%s", at + 8 < length ? "..." : "");
}

bool answer_compare_bytes(const char *name, const uint8_t *expected, const uint8_t *got,
			  uint32_t length, const struct answer_events *events)
{
	char a[ANSWER_TEXT_MAX], b[ANSWER_TEXT_MAX];
	if (memcmp(expected, got, length) == 0)
		return true;
	uint32_t at = 0;
	while (expected[at] == got[at])
		at++;
	bytes_text(a, sizeof(a), expected, at, length);
	bytes_text(b, sizeof(b), got, at, length);
	events->differs(events->context, name, at, a, b);
	return false;
}

/* Whether the line says what the byte is then: in a recording it does for all. */
static bool is_asked(const struct recorded_call *call, uint32_t at)
{
	return call->asked == NULL || call->asked[at] != 0;
}

static bool compare_tail(const struct recorded_call *call, uint32_t at, const uint8_t *got,
			 const struct answer_events *events)
{
	uint32_t end = at;
	while (end < call->argument.length && is_asked(call, end))
		end++;
	return answer_compare_bytes("tail", call->argument.after + at, got + at, end - at, events);
}

static const struct field_layout *field_at(const struct recorded_call *call, uint32_t offset)
{
	const struct field_layout *lists[2] = {call->test_op != NULL ? call->test_op->fields : NULL,
					       call->layout->fields};
	for (int i = 0; i < 2; i++)
		for (const struct field_layout *field = lists[i];
		     field != NULL && field->name != NULL; field++)
			if (offset >= field->offset &&
			    offset < (uint32_t)field->offset + field->width)
				return field;
	return NULL;
}

bool answer_compare_struct(const struct recorded_call *call, const uint8_t *got,
			   const struct answer_events *events)
{
	const uint8_t *expected = call->argument.after;
	const uint32_t length = call->argument.length;
	bool same = true;
	if (memcmp(expected, got, length) == 0)
		return true;
	for (uint32_t at = 0; at < length; at++) {
		if (expected[at] == got[at] || !is_asked(call, at))
			continue;
		const struct field_layout *field = field_at(call, at);
		if (field == NULL || (uint32_t)field->offset + field->width > length)
			return compare_tail(call, at, got, events);
		char a[ANSWER_TEXT_MAX], b[ANSWER_TEXT_MAX];
		answer_number_text(a, sizeof(a), load_le(expected + field->offset, field->width));
		answer_number_text(b, sizeof(b), load_le(got + field->offset, field->width));
		events->differs(events->context, field->name, -1, a, b);
		same = false;
		at = (uint32_t)field->offset + field->width - 1;
	}
	return same;
}
