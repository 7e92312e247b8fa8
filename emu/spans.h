/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disjoint spans of 64-bit keys, each with a value: how extents, pins, promises and page tables of
 * processes are kept, so that a terabyte costs as much as its pieces.
 *
 * Concepts
 *   span    [first, last] (inclusive) with one value {base, tag}
 *   linear  a map whose base advances with the key (key -> frame); others have a constant base
 *   merge   neighbours whose values continue each other become one span
 */
#ifndef HWQ_EMU_SPANS_H
#define HWQ_EMU_SPANS_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/tree.h"

struct arena;

struct span {
	RB_ENTRY(span) node;
	uint64_t first;
	uint64_t last;
	uint64_t base;
	uint64_t tag;
};

RB_HEAD(span_tree, span);

struct spans {
	struct span_tree tree;
	struct arena *arena;
	struct span *recent; /* of the last lookup: most come again nearby */
	bool linear;
};

void spans_init(struct spans *spans, struct arena *arena, bool linear);
/* Frees every span. */
void spans_fini(struct spans *spans);
/* The span that holds KEY, or NULL. */
struct span *spans_find(struct spans *spans, uint64_t key);
/* The first span with last >= KEY, or NULL. */
struct span *spans_from(struct spans *spans, uint64_t key);
struct span *spans_next(struct span *span);
/* The value at KEY of a linear span. */
static inline uint64_t span_at(const struct span *span, uint64_t key)
{
	return span->base + (key - span->first);
}
/* Sets [first, last], whatever was there. BASE is the value at FIRST. */
void spans_set(struct spans *spans, uint64_t first, uint64_t last, uint64_t base, uint64_t tag);
void spans_clear(struct spans *spans, uint64_t first, uint64_t last);
/* Makes KEY the first of a span, if a span holds it. */
void spans_split(struct spans *spans, uint64_t key);
/* Merges the spans of [first, last] with each other and with their neighbours where they can. */
void spans_merge(struct spans *spans, uint64_t first, uint64_t last);

#define SPANS_FOREACH(span, spans) \
	for ((span) = spans_from((spans), 0); (span) != NULL; (span) = spans_next(span))

#endif
