/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/trace/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/*
 * Bytes (input, as they come) become text (plain) in a buffer that has room for the longest line
 * and one piece more:
 *
 *	buffer ... start ... scanned ... end ... buffer + BUFFER_BYTES
 *
 * [start, end) is not handed out yet; up to scanned it is known to hold no '\n'. What is plain and
 * in memory needs no buffer: start and end point into it, and nothing is ever filled.
 */
#define PIECE_BYTES  ((size_t)128 << 10)
#define BUFFER_BYTES (TRACE_LINE_MAX + 1 + PIECE_BYTES)

struct trace_reader {
	char *name;
	FILE *file;                 /* NULL: all bytes are in memory */
	unsigned char *piece;       /* of the file; input points into it */
	const unsigned char *input; /* bytes not yet made text: [input, input_end) */
	const unsigned char *input_end;
	ZSTD_DStream *zstd; /* NULL: plain */
	bool frame_open;    /* zstd: the end of the bytes would be too early now */

	char *buffer;
	const char *start;
	const char *scanned;
	const char *end;
	bool drained;       /* nothing follows end */
	uint32_t line;      /* number of the line handed out last */
	uint64_t bytes;     /* of text handed out */
	uint64_t max_bytes; /* of it */

	bool failed; /* the stream, for good */
	struct trace_diag failure;
	struct trace_arena arena;
};

/* ---- bytes to text ---- */

static int fail_at(struct trace_reader *reader, size_t column, const char *message)
{
	struct trace_pos pos = {reader->line + 1, (uint32_t)column};

	reader->failed = true;
	trace_diag_set(&reader->failure, reader->name, pos, "%s", message);
	return -1;
}

/* At the place up to which there is text. */
static int fail_at_end(struct trace_reader *reader, const char *message)
{
	return fail_at(reader, (size_t)(reader->end - reader->start) + 1, message);
}

static int fail_read(struct trace_reader *reader, int error)
{
	struct trace_pos pos = {reader->line + 1, (uint32_t)(reader->end - reader->start) + 1};

	reader->failed = true;
	trace_diag_set(&reader->failure, reader->name, pos,
		       "cannot read the file, %s, expected a readable one", strerror(error));
	return -1;
}

/* The file's next bytes become the input. 1: some; 0: it ends; -1: error. */
static int read_piece(struct trace_reader *reader)
{
	if (!reader->file)
		return 0;
	errno = 0;
	size_t count = fread(reader->piece, 1, PIECE_BYTES, reader->file);
	if (count < PIECE_BYTES && ferror(reader->file))
		return fail_read(reader, errno);
	reader->input = reader->piece;
	reader->input_end = reader->piece + count;
	return count > 0;
}

/* Both make up to room bytes of text at to. >0: how many; 0: the text ends; -1: error. */
static int copy_plain(struct trace_reader *reader, void *to, size_t room)
{
	if (reader->input == reader->input_end) {
		int more = read_piece(reader);
		if (more <= 0)
			return more;
	}
	size_t available = (size_t)(reader->input_end - reader->input);
	size_t count = available < room ? available : room;
	memcpy(to, reader->input, count);
	reader->input += count;
	return (int)count;
}

static int decompress(struct trace_reader *reader, void *to, size_t room)
{
	for (;;) {
		/* Even without input: the decoder may still hold text that had no room before. */
		ZSTD_inBuffer in = {reader->input, (size_t)(reader->input_end - reader->input), 0};
		ZSTD_outBuffer out = {to, room, 0};
		size_t left = ZSTD_decompressStream(reader->zstd, &out, &in);
		if (ZSTD_isError(left))
			return fail_at_end(reader, "corrupt zstd data, it cannot be decompressed, "
						   "expected whole zstd frames");
		reader->input += in.pos;
		if (in.pos > 0 || out.pos > 0)
			reader->frame_open = left != 0;
		if (out.pos > 0)
			return (int)out.pos;
		if (reader->input < reader->input_end)
			continue;
		int more = read_piece(reader);
		if (more < 0)
			return -1;
		if (more == 0)
			break;
	}
	if (reader->frame_open)
		return fail_at_end(reader, "truncated zstd data, it ends inside a frame, "
					   "expected the rest of it");
	return 0;
}

/* Moves the line at hand to the buffer's start and puts more text behind it. 0 or -1. */
static int fill(struct trace_reader *reader)
{
	size_t kept = (size_t)(reader->end - reader->start);
	size_t scanned = (size_t)(reader->scanned - reader->start);

	memmove(reader->buffer, reader->start, kept);
	reader->start = reader->buffer;
	reader->scanned = reader->buffer + scanned;
	reader->end = reader->buffer + kept;

	char *to = reader->buffer + kept;
	int count = reader->zstd ? decompress(reader, to, PIECE_BYTES)
				 : copy_plain(reader, to, PIECE_BYTES);
	if (count < 0)
		return -1;
	reader->end += count;
	reader->drained = count == 0;
	return 0;
}

/* ---- opening ---- */

static bool has_zstd_magic(const unsigned char *bytes, size_t length)
{
	if (length < 4)
		return false;
	uint32_t magic = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
			 (uint32_t)bytes[3] << 24;
	return magic == ZSTD_MAGICNUMBER ||
	       (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

static bool has_zstd_name(const char *name)
{
	size_t length = strlen(name);

	return length >= 4 && strcmp(name + length - 4, ".zst") == 0;
}

/* NULL: no memory, and diag says so. */
static struct trace_reader *reader_new(const char *name, struct trace_diag *diag)
{
	struct trace_reader *reader = calloc(1, sizeof(*reader));
	size_t size = strlen(name) + 1;

	if (reader) {
		reader->name = malloc(size);
		reader->max_bytes = TRACE_BYTES_MAX;
		trace_arena_init(&reader->arena);
	}
	if (!reader || !reader->name) {
		free(reader);
		trace_diag_set(diag, name, (struct trace_pos){1, 1},
			       "out of memory, it cannot be read, expected more of it");
		return NULL;
	}
	memcpy(reader->name, name, size);
	return reader;
}

static int fail_memory(struct trace_reader *reader)
{
	return fail_at(reader, 1, "out of memory, it cannot be read, expected more of it");
}

static int use_buffer(struct trace_reader *reader)
{
	reader->buffer = malloc(BUFFER_BYTES);
	if (!reader->buffer)
		return fail_memory(reader);
	reader->start = reader->buffer;
	reader->scanned = reader->buffer;
	reader->end = reader->buffer;
	return 0;
}

static int use_zstd(struct trace_reader *reader)
{
	reader->zstd = ZSTD_createDStream();
	reader->frame_open = true; /* no frame at all is too few */
	return reader->zstd ? 0 : fail_memory(reader);
}

static int open_file(struct trace_reader *reader)
{
	reader->file = fopen(reader->name, "rbe");
	if (!reader->file)
		return fail_read(reader, errno);
	setvbuf(reader->file, NULL, _IONBF, 0); /* pieces are large enough */
	reader->piece = malloc(PIECE_BYTES);
	if (!reader->piece || use_buffer(reader) < 0)
		return fail_memory(reader);
	if (read_piece(reader) < 0)
		return -1;
	size_t length = (size_t)(reader->input_end - reader->input);
	if (has_zstd_magic(reader->input, length) || has_zstd_name(reader->name))
		return use_zstd(reader);
	return 0;
}

static int open_memory(struct trace_reader *reader, const void *data, size_t length)
{
	if (has_zstd_magic(data, length)) {
		reader->input = data;
		reader->input_end = reader->input + length;
		return use_buffer(reader) < 0 ? -1 : use_zstd(reader);
	}
	reader->start = length ? data : "";
	reader->scanned = reader->start;
	reader->end = reader->start + length;
	reader->drained = true;
	return 0;
}

/* The reader, or NULL if opening it has failed. */
static struct trace_reader *opened(struct trace_reader *reader, int result, struct trace_diag *diag)
{
	if (result == 0)
		return reader;
	trace_diag_copy(diag, &reader->failure);
	trace_reader_close(reader);
	return NULL;
}

struct trace_reader *trace_reader_open(const char *path, struct trace_diag *diag)
{
	struct trace_reader *reader = reader_new(path, diag);

	return reader ? opened(reader, open_file(reader), diag) : NULL;
}

struct trace_reader *trace_reader_open_memory(const char *name, const void *data, size_t length,
					      struct trace_diag *diag)
{
	struct trace_reader *reader = reader_new(name, diag);

	return reader ? opened(reader, open_memory(reader, data, length), diag) : NULL;
}

void trace_reader_close(struct trace_reader *reader)
{
	if (!reader)
		return;
	if (reader->file)
		fclose(reader->file);
	ZSTD_freeDStream(reader->zstd);
	trace_arena_free(&reader->arena);
	trace_diag_free(&reader->failure);
	free(reader->piece);
	free(reader->buffer);
	free(reader->name);
	free(reader);
}

const char *trace_reader_name(const struct trace_reader *reader)
{
	return reader->name;
}

void trace_reader_limit_bytes(struct trace_reader *reader, uint64_t max_bytes)
{
	if (max_bytes < reader->max_bytes)
		reader->max_bytes = max_bytes;
}

/* ---- lines ---- */

/*
 * Finds the next line, of length bytes at reader->start, and leaves it there. With its '\n' it
 * takes taken bytes. 1: a line; 0: the end; -1: error.
 */
static int find_line(struct trace_reader *reader, size_t *length, size_t *taken)
{
	const char *newline;

	if (reader->failed)
		return -1;
	for (;;) {
		newline = memchr(reader->scanned, '\n', (size_t)(reader->end - reader->scanned));
		reader->scanned = newline ? newline : reader->end;
		*length = (size_t)(reader->scanned - reader->start);
		if (*length > TRACE_LINE_MAX)
			return fail_at(reader, (size_t)TRACE_LINE_MAX + 1,
				       "line too long, its length has a limit, "
				       "expected at most 1048576 bytes");
		if (newline || reader->drained)
			break;
		if (fill(reader) < 0)
			return -1;
	}
	*taken = *length + (newline ? 1 : 0);
	if (*taken > reader->max_bytes - reader->bytes)
		return fail_at(reader, (size_t)(reader->max_bytes - reader->bytes) + 1,
			       "text too long, its length has a limit, expected fewer bytes");
	return *taken > 0;
}

int trace_reader_next_text(struct trace_reader *reader, const char **text, uint32_t *length,
			   uint32_t *number, struct trace_diag *diag)
{
	size_t line_length;
	size_t taken;
	int found = find_line(reader, &line_length, &taken);

	if (found < 0)
		trace_diag_copy(diag, &reader->failure);
	if (found <= 0)
		return found;
	*text = reader->start;
	*length = (uint32_t)line_length;
	*number = ++reader->line;
	reader->start += taken;
	reader->scanned = reader->start;
	reader->bytes += taken;
	if (trace_check_text(reader->name, (struct trace_pos){*number, 1}, *text, line_length,
			     diag) < 0)
		return -1;
	return 1;
}

int trace_reader_next_into(struct trace_reader *reader, struct trace_arena *arena,
			   struct trace_line *line, struct trace_diag *diag)
{
	const char *text;
	uint32_t length;
	uint32_t number;
	int found = trace_reader_next_text(reader, &text, &length, &number, diag);

	if (found <= 0)
		return found;
	if (trace_parse_checked(reader->name, (struct trace_pos){number, 1}, text, length, arena,
				line, diag) < 0)
		return -1;
	return 1;
}

int trace_reader_next(struct trace_reader *reader, struct trace_line *line, struct trace_diag *diag)
{
	trace_arena_reset(&reader->arena);
	return trace_reader_next_into(reader, &reader->arena, line, diag);
}

/* ---- the header ---- */

static void fail_header(const struct trace_reader *reader, const char *what,
			const char *const *accepted, size_t count, struct trace_diag *diag)
{
	struct trace_text list = {0};

	for (size_t i = 0; i < count; i++) {
		trace_text_append(&list, i ? " or '" : "'", i ? 5 : 1);
		trace_text_append(&list, accepted[i], strlen(accepted[i]));
		trace_text_append(&list, "'", 1);
	}
	trace_diag_set(diag, reader->name, (struct trace_pos){1, 1},
		       "%s, line 1 names the format, expected %s", what,
		       list.data && !list.failed ? list.data : "a known one");
	trace_text_free(&list);
}

int trace_reader_expect_header(struct trace_reader *reader, const char *const *accepted,
			       size_t count, struct trace_diag *diag)
{
	size_t length;
	size_t taken;
	int found = find_line(reader, &length, &taken);

	if (found < 0) {
		trace_diag_copy(diag, &reader->failure);
		return -1;
	}
	if (found == 0) {
		fail_header(reader, "empty file", accepted, count, diag);
		return -1;
	}
	if (trace_check_text(reader->name, (struct trace_pos){1, 1}, reader->start, length, diag) <
	    0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (trace_text_is(reader->start, (uint32_t)length, accepted[i]))
			return (int)i;
	}
	fail_header(reader, "unknown header", accepted, count, diag);
	return -1;
}
