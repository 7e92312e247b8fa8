/* SPDX-License-Identifier: Apache-2.0 */
/* Words of the language with their values, and the nearest word to a wrong one. */
#ifndef HWQ_TOOLS_RUNNER_WORDS_H
#define HWQ_TOOLS_RUNNER_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct word {
	const char *name;
	uint64_t value;
};

/* Decimal digits, or 0x and hex digits, up to 64 bits. */
bool number_parse(const char *text, size_t length, uint64_t *number);

/* The table ends with a NULL name. */
bool word_find(const struct word *table, const char *text, size_t length, uint64_t *value);

/* Feeds candidates one by one; the nearest so far is in best (NULL: none is near). */
struct nearest {
	const char *text;
	size_t length;
	const char *best;
	size_t distance;
};

void nearest_start(struct nearest *nearest, const char *text, size_t length);
void nearest_try(struct nearest *nearest, const char *candidate);

#endif
