// SPDX-License-Identifier: Apache-2.0
#include "tools/runner/trace_replay.h"

#include <stdlib.h>
#include <string.h>

static const char *const headers[] = {"# hwq-capture 1"};

/* A line as a replay takes it. */
struct item {
	uint32_t line;
	uint32_t column;
	bool is_call;
	union {
		struct recorded_call call;
		struct recorded_context context;
	};
};

struct loaded_trace {
	char *name;
	struct trace_arena arena;
	struct trace_line **lines; /* decoded calls point into them */
	struct item *items;
	uint32_t count;
	uint32_t capacity;
};

/* 1: an item, 0: nothing to do, -1: bad input. */
static int decode(const char *file, const struct trace_line *line, struct trace_arena *arena,
		  struct item *item, struct trace_diag *diag)
{
	item->line = line->number;
	item->column = line->kind == TRACE_LINE_CALL ? line->call.pos.column : 1;
	item->is_call = line->kind == TRACE_LINE_CALL;
	if (line->kind == TRACE_LINE_BLANK)
		return 0;
	if (line->number > 1 && line->kind == TRACE_LINE_COMMENT &&
	    strncmp(line->text, " hwq-capture ", 13) == 0) {
		trace_diag_set(diag, file, (struct trace_pos){line->number, 1},
			       "second header, another recording begins here, expected one "
			       "recording a file");
		return -1;
	}
	if (item->is_call)
		return recorded_call_decode(file, line, arena, &item->call, diag) != 0 ? -1 : 1;
	if (recorded_context_decode(file, line, &item->context, diag) != 0)
		return -1;
	return item->context.kind != CONTEXT_OTHER && item->context.kind != CONTEXT_KERNEL;
}

static enum trace_replay_result run(struct replay *replay, const char *file,
				    const struct item *item, struct trace_diag *diag)
{
	if (!item->is_call) {
		if (replay_context(replay, &item->context))
			return TRACE_REPLAYED;
		trace_diag_set(diag, file, (struct trace_pos){item->line, 1},
			       "misplaced context line, the process or descriptor that it is "
			       "about is not there, expected it behind what makes it");
		return TRACE_BAD_INPUT;
	}
	if (replay_call(replay, &item->call) == 0)
		return TRACE_REPLAYED;
	struct trace_pos pos = {item->line, item->column};
	bool internal = replay_is_internal(replay);
	trace_diag_set(diag, file, pos,
		       "the replay stops here, %s, expected a call that can be made",
		       replay_failure(replay));
	return internal ? TRACE_INTERNAL_ERROR : TRACE_BAD_INPUT;
}

static void add_counts(struct replay_counts *sum, const struct replay_counts *counts)
{
	sum->calls += counts->calls;
	sum->equal += counts->equal;
	sum->differ += counts->differ;
	sum->unverifiable += counts->unverifiable;
	sum->results += counts->results;
	sum->errnos += counts->errnos;
	sum->fields += counts->fields;
	sum->bytes += counts->bytes;
}

static struct replay *start(const struct replay_options *options,
			    const struct replay_events *events, const char *file,
			    struct trace_diag *diag)
{
	struct replay *replay = replay_new(options, events);
	if (replay == NULL)
		trace_diag_set(diag, file, (struct trace_pos){1, 1},
			       "no machine, the host has no address space for it, expected %llu "
			       "bytes",
			       (unsigned long long)options->machine.arena_bytes);
	return replay;
}

static enum trace_replay_result finish(struct replay *replay, enum trace_replay_result result,
				       struct replay_counts *counts)
{
	if (result == TRACE_REPLAYED)
		replay_end(replay);
	add_counts(counts, replay_counts(replay));
	replay_free(replay);
	return result;
}

enum trace_replay_result trace_replay(struct trace_reader *reader,
				      const struct replay_options *options,
				      const struct replay_events *events,
				      struct replay_counts *counts, struct trace_diag *diag)
{
	const char *file = trace_reader_name(reader);
	enum trace_replay_result result = TRACE_BAD_INPUT;
	struct trace_arena arena;
	struct trace_line line;
	struct item item;
	int more;
	trace_arena_init(&arena);
	struct replay *replay = start(options, events, file, diag);
	if (replay == NULL)
		goto close;
	if (trace_reader_expect_header(reader, headers, 1, diag) < 0)
		goto end;
	result = TRACE_REPLAYED;
	while (result == TRACE_REPLAYED && (more = trace_reader_next(reader, &line, diag)) != 0) {
		trace_arena_reset(&arena);
		int decoded = more > 0 ? decode(file, &line, &arena, &item, diag) : -1;
		if (decoded < 0)
			result = TRACE_BAD_INPUT;
		else if (decoded > 0)
			result = run(replay, file, &item, diag);
	}
end:
	result = finish(replay, result, counts);
close:
	trace_arena_free(&arena);
	trace_reader_close(reader);
	return result;
}

static struct item *next_item(struct loaded_trace *trace)
{
	if (trace->count == trace->capacity) {
		uint32_t capacity = trace->capacity * 2 + 64;
		void *items = realloc(trace->items, capacity * sizeof(*trace->items));
		void *lines = realloc(trace->lines, capacity * sizeof(*trace->lines));
		if (items == NULL || lines == NULL)
			abort();
		trace->items = items;
		trace->lines = lines;
		trace->capacity = capacity;
	}
	return &trace->items[trace->count];
}

struct loaded_trace *trace_load(struct trace_reader *reader, struct trace_diag *diag)
{
	struct loaded_trace *trace = calloc(1, sizeof(*trace));
	int more = -1;
	if (trace == NULL)
		abort();
	trace_arena_init(&trace->arena);
	trace->name = strdup(trace_reader_name(reader));
	if (trace_reader_expect_header(reader, headers, 1, diag) < 0)
		goto end;
	for (;;) {
		struct item *item = next_item(trace);
		struct trace_line *line = trace_arena_alloc(&trace->arena, sizeof(*line));
		if (line == NULL)
			abort();
		more = trace_reader_next_into(reader, &trace->arena, line, diag);
		if (more <= 0)
			break;
		trace->lines[trace->count] = line;
		more = decode(trace->name, line, &trace->arena, item, diag);
		if (more < 0)
			break;
		trace->count += (uint32_t)more;
	}
end:
	trace_reader_close(reader);
	if (more == 0)
		return trace;
	loaded_trace_free(trace);
	return NULL;
}

enum trace_replay_result trace_replay_loaded(const struct loaded_trace *trace,
					     const struct replay_options *options,
					     const struct replay_events *events,
					     struct replay_counts *counts, struct trace_diag *diag)
{
	struct replay *replay = start(options, events, trace->name, diag);
	enum trace_replay_result result = TRACE_REPLAYED;
	if (replay == NULL)
		return TRACE_BAD_INPUT;
	for (uint32_t i = 0; result == TRACE_REPLAYED && i < trace->count; i++)
		result = run(replay, trace->name, &trace->items[i], diag);
	return finish(replay, result, counts);
}

void loaded_trace_free(struct loaded_trace *trace)
{
	if (trace == NULL)
		return;
	trace_arena_free(&trace->arena);
	free(trace->name);
	free(trace->items);
	free(trace->lines);
	free(trace);
}
