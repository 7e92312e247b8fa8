// SPDX-License-Identifier: Apache-2.0
#include "emu/spans.h"

#include <assert.h>
#include <stddef.h>

#include "emu/arena.h"

static int compare(const struct span *a, const struct span *b)
{
	return a->first < b->first ? -1 : a->first > b->first;
}

TREE_GENERATE(span_tree, span, node, compare)

void spans_init(struct spans *spans, struct arena *arena, bool linear)
{
	RB_INIT(&spans->tree);
	spans->arena = arena;
	spans->recent = NULL;
	spans->linear = linear;
}

static void drop(struct spans *spans, struct span *span)
{
	RB_REMOVE(span_tree, &spans->tree, span);
	if (spans->recent == span)
		spans->recent = NULL;
	arena_delete(spans->arena, span);
}

void spans_fini(struct spans *spans)
{
	struct span *span;
	while ((span = RB_ROOT(&spans->tree)) != NULL)
		drop(spans, span);
}

struct span *spans_from(struct spans *spans, uint64_t key)
{
	struct span *span = spans->recent;
	if (span != NULL && span->first <= key && key <= span->last)
		return span;
	struct span *found = NULL;
	span = RB_ROOT(&spans->tree);
	while (span != NULL) {
		if (span->last >= key) {
			found = span;
			if (span->first <= key)
				break;
			span = RB_LEFT(span, node);
		} else {
			span = RB_RIGHT(span, node);
		}
	}
	if (found != NULL)
		spans->recent = found;
	return found;
}

struct span *spans_find(struct spans *spans, uint64_t key)
{
	struct span *span = spans_from(spans, key);
	return span != NULL && span->first <= key ? span : NULL;
}

struct span *spans_next(struct span *span)
{
	return RB_NEXT(span_tree, NULL, span);
}

static struct span *add(struct spans *spans, uint64_t first, uint64_t last, uint64_t base,
			uint64_t tag)
{
	struct span *span = arena_new(spans->arena, struct span);
	span->first = first;
	span->last = last;
	span->base = base;
	span->tag = tag;
	struct span *clash = RB_INSERT(span_tree, &spans->tree, span);
	assert(clash == NULL);
	(void)clash;
	return span;
}

static uint64_t base_at(const struct spans *spans, const struct span *span, uint64_t key)
{
	return spans->linear ? span_at(span, key) : span->base;
}

void spans_split(struct spans *spans, uint64_t key)
{
	struct span *span = spans_find(spans, key);
	if (span == NULL || span->first == key)
		return;
	uint64_t last = span->last;
	span->last = key - 1;
	add(spans, key, last, base_at(spans, span, key), span->tag);
}

void spans_clear(struct spans *spans, uint64_t first, uint64_t last)
{
	assert(first <= last);
	spans_split(spans, first);
	if (last != UINT64_MAX)
		spans_split(spans, last + 1);
	struct span *span = spans_from(spans, first);
	while (span != NULL && span->last <= last) {
		struct span *next = spans_next(span);
		drop(spans, span);
		span = next;
	}
}

static bool continues(const struct spans *spans, const struct span *a, const struct span *b)
{
	return a->last + 1 == b->first && a->tag == b->tag &&
	       (spans->linear ? a->base + (b->first - a->first) == b->base : a->base == b->base);
}

void spans_merge(struct spans *spans, uint64_t first, uint64_t last)
{
	struct span *span = spans_from(spans, first == 0 ? 0 : first - 1);
	while (span != NULL && span->first <= last) {
		struct span *next = spans_next(span);
		if (next == NULL)
			break;
		if (continues(spans, span, next)) {
			span->last = next->last;
			drop(spans, next);
		} else {
			span = next;
		}
	}
}

void spans_set(struct spans *spans, uint64_t first, uint64_t last, uint64_t base, uint64_t tag)
{
	spans_clear(spans, first, last);
	add(spans, first, last, base, tag);
	spans_merge(spans, first, last);
}
