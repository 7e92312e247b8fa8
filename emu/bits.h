/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of hardware words: a field is its mask, e.g. #define CR0_CMDQEN BITS(3, 3). */
#ifndef HWQ_EMU_BITS_H
#define HWQ_EMU_BITS_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BITS(high, low) ((~0ULL >> (63 - (high))) & (~0ULL << (low)))

/* The field's value in WORD. */
static inline uint64_t field_get(uint64_t word, uint64_t field)
{
	return (word & field) >> __builtin_ctzll(field);
}

/* VALUE in the field's place; bits that do not fit are dropped. */
static inline uint64_t field_put(uint64_t field, uint64_t value)
{
	return (value << __builtin_ctzll(field)) & field;
}

static inline uint64_t field_set(uint64_t word, uint64_t field, uint64_t value)
{
	return (word & ~field) | field_put(field, value);
}

static inline uint64_t load_le64(const void *from)
{
	uint64_t value;
	memcpy(&value, from, sizeof(value));
	return le64toh(value);
}

/* Of WIDTH bytes, at most 8. */
static inline uint64_t load_le(const uint8_t *from, unsigned width)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < width; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

static inline void store_le64(void *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, sizeof(value));
}

#endif
