// SPDX-License-Identifier: Apache-2.0
#include "tools/runner/words.h"

#include <glib.h>
#include <string.h>

#define WORD_MAX 64U

bool number_parse(const char *text, size_t length, uint64_t *number)
{
	bool hex = length > 2 && text[0] == '0' && text[1] == 'x';
	uint64_t base = hex ? 16 : 10;
	*number = 0;
	for (size_t at = hex ? 2 : 0; at < length; at++) {
		int digit = hex ? g_ascii_xdigit_value(text[at]) : g_ascii_digit_value(text[at]);
		if (digit < 0 || *number > (UINT64_MAX - (uint64_t)digit) / base)
			return false;
		*number = *number * base + (uint64_t)digit;
	}
	return length > 0;
}

bool word_find(const struct word *table, const char *text, size_t length, uint64_t *value)
{
	for (; table->name != NULL; table++) {
		if (strlen(table->name) != length || memcmp(table->name, text, length) != 0)
			continue;
		*value = table->value;
		return true;
	}
	return false;
}

/* Levenshtein's distance; long words count as far. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t row[WORD_MAX + 1];
	if (a_length > WORD_MAX || b_length > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);
			size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
			diagonal = row[j];
			row[j] = change < best ? change : best;
		}
	}
	return row[b_length];
}

void nearest_start(struct nearest *nearest, const char *text, size_t length)
{
	*nearest = (struct nearest){text, length, NULL, length / 2 + 2};
}

void nearest_try(struct nearest *nearest, const char *candidate)
{
	size_t distance =
		edit_distance(nearest->text, nearest->length, candidate, strlen(candidate));
	if (distance < nearest->distance) {
		nearest->distance = distance;
		nearest->best = candidate;
	}
}
