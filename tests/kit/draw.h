/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers of property tests: a seed gives the same ones everywhere. */
#ifndef HWQ_TESTS_KIT_DRAW_H
#define HWQ_TESTS_KIT_DRAW_H

#include <stdbool.h>
#include <stdint.h>

/* SplitMix64: below BELOW, or of 64 bits (0). */
static inline uint64_t draw_from(uint64_t *state, uint64_t below)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	z ^= z >> 31;
	return below == 0 ? z : z % below;
}

#endif
