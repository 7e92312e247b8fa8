/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HWQ_EMU_TRACE_INTERNAL_H
#define HWQ_EMU_TRACE_INTERNAL_H

#include "emu/trace/trace.h"

/* What the files of this directory share and nobody else needs. */

/*
 * Where arguments and fields wait until their list ends and its length is known; only then do they
 * move to the arena. Fixed arrays, so that a list's earlier members never move under a pointer.
 */
struct trace_scratch {
	struct trace_value args[TRACE_ITEMS_MAX];
	struct trace_field fields[TRACE_DEPTH_MAX * TRACE_ITEMS_MAX];
};

/* NULL: no memory. */
void *trace_arena_new_chunk(struct trace_arena *arena, size_t size);
struct trace_scratch *trace_arena_scratch(struct trace_arena *arena);

/* Room for a text: no alignment. NULL: no memory. */
static inline char *trace_arena_bytes(struct trace_arena *arena, size_t size)
{
	if ((size_t)(arena->end - arena->at) < size)
		return trace_arena_new_chunk(arena, size);
	char *place = arena->at;
	arena->at += size;
	return place;
}

/* Room for nodes, aligned for them. NULL: no memory. */
static inline void *trace_arena_nodes(struct trace_arena *arena, size_t size)
{
	size_t misaligned = (size_t)((uintptr_t)arena->at % _Alignof(struct trace_field));
	size_t padding = misaligned ? _Alignof(struct trace_field) - misaligned : 0;

	if ((size_t)(arena->end - arena->at) < padding + size)
		return trace_arena_new_chunk(arena, size);
	char *place = arena->at + padding;
	arena->at = place + size;
	return place;
}

/* Checks that a line is UTF-8 without control characters but tabs. 0, or -1 with diag set. */
int trace_check_text(const char *file, struct trace_pos start, const char *text, size_t length,
		     struct trace_diag *diag);

/* trace_parse_text() for a line that trace_check_text() has passed. */
int trace_parse_checked(const char *file, struct trace_pos start, const char *text, size_t length,
			struct trace_arena *arena, struct trace_line *line,
			struct trace_diag *diag);

#endif
