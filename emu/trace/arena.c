/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/trace/internal.h"

#include <stdlib.h>
#include <string.h>

/* Small enough to stay in a core's cache when each line reuses it. */
#define CHUNK_BYTES ((size_t)64 << 10)

struct trace_chunk {
	struct trace_chunk *older;
	size_t size;
	max_align_t bytes[];
};

void trace_arena_init(struct trace_arena *arena)
{
	*arena = (struct trace_arena){.chunk_bytes = CHUNK_BYTES};
}

static void free_chunks(struct trace_arena *arena)
{
	while (arena->chunks) {
		struct trace_chunk *chunk = arena->chunks;
		arena->chunks = chunk->older;
		free(chunk);
	}
	arena->at = NULL;
	arena->end = NULL;
}

void trace_arena_reset(struct trace_arena *arena)
{
	struct trace_chunk *chunk = arena->chunks;

	if (!chunk)
		return;
	if (!chunk->older) {
		arena->at = (char *)chunk->bytes;
		return;
	}
	/* One chunk for all of it, next time: then a reset costs nothing. */
	size_t total = 0;
	for (; chunk; chunk = chunk->older)
		total += chunk->size;
	free_chunks(arena);
	arena->chunk_bytes = total;
}

void trace_arena_free(struct trace_arena *arena)
{
	free_chunks(arena);
	free(arena->scratch);
	trace_arena_init(arena);
}

void *trace_arena_new_chunk(struct trace_arena *arena, size_t size)
{
	size_t room = size > arena->chunk_bytes ? size : arena->chunk_bytes;

	if (room < CHUNK_BYTES)
		room = CHUNK_BYTES;
	struct trace_chunk *chunk = malloc(sizeof(*chunk) + room);
	if (!chunk)
		return NULL;
	chunk->older = arena->chunks;
	chunk->size = room;
	arena->chunks = chunk;
	arena->at = (char *)chunk->bytes + size;
	arena->end = (char *)chunk->bytes + room;
	return chunk->bytes;
}

void *trace_arena_alloc(struct trace_arena *arena, size_t size)
{
	return trace_arena_nodes(arena, size);
}

struct trace_scratch *trace_arena_scratch(struct trace_arena *arena)
{
	if (!arena->scratch)
		arena->scratch = malloc(sizeof(*arena->scratch));
	return arena->scratch;
}
