/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HWQ_EMU_TRACE_TRACE_H
#define HWQ_EMU_TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/trace/diag.h"
#include "emu/trace/errno_names.h"

/*
 * The text of traces and scenarios: reading it, and writing it back.
 *
 * Concepts
 *
 * line      what ends in '\n' (the last one need not): blank, a comment (`# ...`), or a call.
 * call      [label | actor:] name(argument, ...) = result [# comment]
 * label     `[pid.tid] seconds.nanoseconds`: who acted and when; recordings have it.
 * actor     a word and a colon (`vmm:`): who acts; scenarios have it.
 * value     a number (-1, 42, 0x2a), a string ("..."), a symbol (PROT_READ|PROT_WRITE), a name
 *           ($fd), a struct ({field=value, ...}) or `?`, unknown.
 * contents  the bytes that a pointer points to: 0x7ffc0000->"00ff".
 * arrow     `=>`: left of it the value before the call, right of it the value after. A pointer with
 *           contents keeps its own value; the arrow then speaks of the contents.
 * position  line and column where a thing starts; each value, field, name and error has its own.
 *
 * Grammar; blanks (spaces, tabs) may stand around each token except where it says `directly`
 *
 *	line    = [call] ["#" comment]
 *	call    = [label | actor ":"] word directly "(" [value {"," value}] ")" "=" result
 *	label   = "[" decimal "." decimal "]" decimal "." 9 digits  (directly, but behind "]")
 *	value   = plain ["=>" plain] | pointer "->" string ["=>" string]
 *	plain   = number | string | symbol | name | struct | "?"       (no struct right of "=>")
 *	name    = "$" word ["+" number without "-"]                    (directly)
 *	pointer = number | name
 *	struct  = "{" [field {"," field}] "}"
 *	field   = word {"." word} "=" value                            (the field's name directly)
 *	number  = ["-"] (decimal | "0x" hex digits)                    (decimals: no leading 0)
 *	symbol  = word {"|" (word | number without "-")}               (directly)
 *	string  = '"' anything but '"' '"'                             (no escapes: a '\' is a '\')
 *	result  = number | "?" | "$" word | "-1" errno
 *	word    = letter or "_" {letter, digit or "_"}
 *
 * The text is UTF-8 without control characters (tabs are fine). This module knows the text, not
 * what a call means: which calls there are, with which arguments and fields, is for its users to
 * check.
 *
 * There are no globals; a reader, an arena or a buffer belongs to one thread at a time.
 */

/* Limits. A text beyond one of them is refused, with the place. */
#define TRACE_LINE_MAX  ((uint32_t)1 << 20) /* bytes in a line, '\n' not counted */
#define TRACE_DEPTH_MAX 4                   /* structs within structs; an argument is at depth 1 */
#define TRACE_ITEMS_MAX 256                 /* arguments of a call, fields of a struct */
#define TRACE_BYTES_MAX ((uint64_t)UINT32_MAX) /* bytes of text in a file, decompressed */

enum trace_value_kind {
	TRACE_NUMBER,
	TRACE_STRING,
	TRACE_SYMBOL,
	TRACE_NAME,
	TRACE_STRUCT,
	TRACE_UNKNOWN, /* ? */
};

/*
 * A node. What its kind has no use for is zero. Texts end with a NUL that length does not count.
 */
struct trace_value {
	enum trace_value_kind kind;
	bool negative; /* NUMBER: written with '-', number is the two's complement */
	bool hex;      /* number: written in hex, and printed so */
	struct trace_pos pos;
	uint64_t number;  /* NUMBER; NAME: what is added to it */
	const char *text; /* SYMBOL; NAME without its '$'; STRING: what stands between the quotes */
	uint32_t length;  /* of text, in bytes */
	uint32_t field_count;
	struct trace_field *fields;         /* STRUCT, in the order of the text */
	struct trace_value *contents;       /* pointer->"hex": the STRING, or NULL */
	struct trace_value *contents_after; /* pointer->"hex" => "hex": the second, or NULL */
	struct trace_value *after;          /* A => B: B, never a STRUCT; NULL: unchanged */
};

struct trace_field {
	const char *name; /* may have dots: access_rw.uptr */
	uint32_t name_length;
	struct trace_pos pos; /* of the name; the value has its own */
	struct trace_value value;
};

struct trace_call {
	bool has_label; /* [pid.tid] seconds */
	uint32_t pid;
	uint32_t tid;
	uint64_t nanoseconds; /* of the label: seconds * 10^9 + the decimals */
	const char *actor;    /* "vmm", or NULL; never together with a label */
	uint32_t actor_length;
	struct trace_pos actor_pos;
	const char *name;
	uint32_t name_length;
	struct trace_pos pos; /* of the name */
	struct trace_value *args;
	uint32_t arg_count;
	struct trace_value result; /* NUMBER, UNKNOWN or NAME; without contents or arrow */
	const char *error;         /* "EINVAL", the result then is -1; or NULL */
	uint32_t error_length;
	int error_number; /* its number, 0 without an error; unknown names are refused */
	struct trace_pos error_pos;
};

enum trace_line_kind {
	TRACE_LINE_BLANK,
	TRACE_LINE_COMMENT,
	TRACE_LINE_CALL,
};

struct trace_line {
	enum trace_line_kind kind;
	uint32_t number;  /* from 1 */
	const char *text; /* COMMENT: what stands after the '#', NUL-terminated; else "" */
	uint32_t length;
	uint32_t trailing_comment_length;
	const char *trailing_comment; /* CALL: what stands after a '#' behind it, or NULL */
	struct trace_call call;       /* CALL */
};

/*
 * Arena: where nodes and their texts live. Nothing in it is freed by itself.
 */
struct trace_chunk;
struct trace_scratch;

struct trace_arena {
	struct trace_chunk *chunks;
	char *at; /* the newest chunk's free bytes: [at, end) */
	char *end;
	size_t chunk_bytes; /* of the next chunk, at least */
	struct trace_scratch *scratch;
};

void trace_arena_init(struct trace_arena *arena);

/* Forgets all nodes and keeps the memory for the next ones. */
void trace_arena_reset(struct trace_arena *arena);

/* SIZE bytes, aligned for any node, for what is made of the nodes. NULL: no memory. */
void *trace_arena_alloc(struct trace_arena *arena, size_t size);

/* Returns the memory; the arena is then as after trace_arena_init(). */
void trace_arena_free(struct trace_arena *arena);

/*
 * Reader: the lines of one text, in order.
 */
struct trace_reader;

/*
 * Opens a file: plain, or zstd (one frame or several) if its first bytes or a name in .zst say so.
 * Nothing is kept in memory but the line at hand. NULL: error, diag is set.
 */
struct trace_reader *trace_reader_open(const char *path, struct trace_diag *diag);

/*
 * The same for bytes in memory, plain or zstd by its first bytes. They stay the caller's and must
 * outlive the reader. name stands where messages name the file.
 */
struct trace_reader *trace_reader_open_memory(const char *name, const void *data, size_t length,
					      struct trace_diag *diag);

/* The path or name it was opened with. */
const char *trace_reader_name(const struct trace_reader *reader);

/* Lowers the limit on the bytes of text (TRACE_BYTES_MAX); for inputs that nobody vouches for. */
void trace_reader_limit_bytes(struct trace_reader *reader, uint64_t max_bytes);

/*
 * Checks that line 1 is one of count accepted ones, each given in full: "# hwq-capture 1". The line
 * stays: the next trace_reader_next() returns it, a comment. To be called before any line was read.
 * Returns the index of the header found; -1: error, diag is set.
 */
int trace_reader_expect_header(struct trace_reader *reader, const char *const *accepted,
			       size_t count, struct trace_diag *diag);

/*
 * Reads and parses the next line. Its nodes live until the next call with this reader.
 * Returns 1: a line; 0: the end; -1: error, diag is set. After an error in a line, the next call
 * goes on with the line behind it; after one of the stream (I/O, zstd, a limit) it fails alike.
 */
int trace_reader_next(struct trace_reader *reader, struct trace_line *line,
		      struct trace_diag *diag);

/* The same, with the nodes in the caller's arena, where they live as long as it does. */
int trace_reader_next_into(struct trace_reader *reader, struct trace_arena *arena,
			   struct trace_line *line, struct trace_diag *diag);

/*
 * The next line unparsed, for texts in which not every line is a call; its characters are checked,
 * and trace_parse_text() takes it from there. text is not NUL-terminated, has no '\n', and lives
 * until the next call with this reader. Returns like trace_reader_next().
 */
int trace_reader_next_text(struct trace_reader *reader, const char **text, uint32_t *length,
			   uint32_t *number, struct trace_diag *diag);

/* reader may be NULL. */
void trace_reader_close(struct trace_reader *reader);

/*
 * Parser: one line, or one value. start is the place of text[0] in its file, so that a part of a
 * line can be parsed and its errors still point into the file. text needs no NUL behind it. Nodes
 * and their texts live in the arena. 0: done; -1: error, diag is set.
 */
int trace_parse_text(const char *file, struct trace_pos start, const char *text, size_t length,
		     struct trace_arena *arena, struct trace_line *line, struct trace_diag *diag);
int trace_parse_value(const char *file, struct trace_pos start, const char *text, size_t length,
		      struct trace_arena *arena, struct trace_value *value,
		      struct trace_diag *diag);

/* The field of that name, or NULL. */
const struct trace_field *trace_value_field(const struct trace_value *value, const char *name);

/* Compares a text with its length to a NUL-terminated string. */
bool trace_text_is(const char *text, uint32_t length, const char *expected);

/*
 * Hex strings: two digits a byte, either case.
 */

/*
 * Checks the digits of a STRING and counts its bytes. file stands where messages name it.
 * 0: done; -1: error, diag points at the digit.
 */
int trace_value_hex_length(const struct trace_value *value, const char *file, size_t *bytes,
			   struct trace_diag *diag);

/*
 * Decodes a STRING, at most max bytes, up to the first digit that is none (so check it first).
 * Returns the number of bytes written to out.
 */
size_t trace_string_bytes(const struct trace_value *value, uint8_t *out, size_t max);

/*
 * Printer: nodes back to text, in one way of several that the grammar allows: as recordings are
 * written, `f(1, {a=2 => 3}) = 0 # comment`. What was printed parses to the same nodes.
 */

/* A growable text. Starts as `struct trace_text text = {0};`. */
struct trace_text {
	char *data; /* NUL-terminated once something was appended, else NULL */
	size_t length;
	size_t capacity;
	bool failed; /* memory ran out: what is there lacks a part */
};

void trace_text_init(struct trace_text *text);
void trace_text_clear(struct trace_text *text); /* empty, and keeps its memory */
void trace_text_free(struct trace_text *text);
void trace_text_append(struct trace_text *text, const char *data, size_t length);

/* Each appends; a line comes without '\n'. */
void trace_print_line(const struct trace_line *line, struct trace_text *out);
void trace_print_call(const struct trace_call *call, struct trace_text *out);
void trace_print_value(const struct trace_value *value, struct trace_text *out);

/* Appends length bytes as a quoted string of lower-case hex digits. */
void trace_print_bytes(const uint8_t *bytes, size_t length, struct trace_text *out);

#endif
