/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/trace/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * A recursive-descent parser of one line, a character at a time. Functions return false after they
 * have set the diagnosis, and the line is then abandoned.
 */
struct parser {
	const char *at;
	const char *end;
	const char *begin; /* of the text, whose place is start */
	struct trace_pos start;
	const char *file;
	struct trace_arena *arena;
	struct trace_scratch *scratch;
	struct trace_diag *diag;
	uint32_t depth;      /* of structs that are open */
	uint32_t field_used; /* of scratch->fields */
};

static inline struct trace_pos position(const struct parser *p, const char *at)
{
	return (struct trace_pos){p->start.line, p->start.column + (uint32_t)(at - p->begin)};
}

/* The character at hand; '\0', which no checked line holds, at its end. */
static inline char peek(const struct parser *p)
{
	return p->at < p->end ? *p->at : '\0';
}

static inline char peek_second(const struct parser *p)
{
	return p->end - p->at > 1 ? p->at[1] : '\0';
}

static inline void skip_blanks(struct parser *p)
{
	while (p->at < p->end && (*p->at == ' ' || *p->at == '\t'))
		p->at++;
}

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

static inline bool is_word_start(char c)
{
	return (unsigned char)((c | 0x20) - 'a') < 26 || c == '_';
}

static inline bool is_word(char c)
{
	return is_word_start(c) || is_digit(c);
}

static inline int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	char lower = (char)(c | 0x20);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* ---- what goes wrong ---- */

static bool fail(const struct parser *p, const char *at, const char *message)
{
	trace_diag_set(p->diag, p->file, position(p, at), "%s", message);
	return false;
}

/* The character at hand is not what the grammar wants next. */
static bool fail_unexpected(const struct parser *p, const char *why, const char *expected)
{
	struct trace_pos pos = position(p, p->at);
	unsigned char c = (unsigned char)peek(p);

	if (p->at == p->end)
		trace_diag_set(p->diag, p->file, pos, "early end of the line, %s, expected %s", why,
			       expected);
	else if (c > ' ' && c < 0x7f)
		trace_diag_set(p->diag, p->file, pos, "unexpected '%c', %s, expected %s", c, why,
			       expected);
	else if (c == ' ' || c == '\t')
		trace_diag_set(p->diag, p->file, pos, "unexpected %s, %s, expected %s",
			       c == ' ' ? "space" : "tab", why, expected);
	else
		trace_diag_set(p->diag, p->file, pos, "unexpected byte 0x%02x, %s, expected %s", c,
			       why, expected);
	return false;
}

static bool fail_memory(const struct parser *p)
{
	return fail(p, p->at, "out of memory, the parsed text does not fit, expected more of it");
}

/* ---- tokens ---- */

static bool keep_text(struct parser *p, const char *from, const char **text, uint32_t *length)
{
	size_t bytes = (size_t)(p->at - from);
	char *copy = trace_arena_bytes(p->arena, bytes + 1);

	if (!copy)
		return fail_memory(p);
	memcpy(copy, from, bytes);
	copy[bytes] = '\0';
	*text = copy;
	*length = (uint32_t)bytes;
	return true;
}

static inline void skip_word(struct parser *p)
{
	while (p->at < p->end && is_word(*p->at))
		p->at++;
}

static bool parse_word(struct parser *p, const char *why, const char *expected, const char **text,
		       uint32_t *length)
{
	const char *from = p->at;

	if (!is_word_start(peek(p)))
		return fail_unexpected(p, why, expected);
	skip_word(p);
	return keep_text(p, from, text, length);
}

/* What follows a number's digits directly must not look like more of it. */
static bool number_ends(const struct parser *p)
{
	if (is_word(peek(p)))
		return fail_unexpected(p, "it follows a number directly",
				       "a digit or the number's end");
	return true;
}

static bool parse_decimal(struct parser *p, uint64_t *number)
{
	const char *from = p->at;
	uint64_t value = 0;

	if (!is_digit(peek(p)))
		return fail_unexpected(p, "a number has digits", "a decimal digit");
	for (; is_digit(peek(p)); p->at++) {
		uint64_t digit = (uint64_t)(*p->at - '0');
		if (value > UINT64_MAX / 10 || value * 10 > UINT64_MAX - digit)
			return fail(p, from,
				    "number too large, it needs more than 64 bits, "
				    "expected at most 18446744073709551615");
		value = value * 10 + digit;
	}
	if (*from == '0' && p->at - from > 1)
		return fail(p, from,
			    "leading zero, which could mean octal, expected a decimal number "
			    "without it or hex after '0x'");
	*number = value;
	return true;
}

static bool parse_hex(struct parser *p, uint64_t *number)
{
	const char *from = p->at;
	uint64_t value = 0;

	p->at += 2; /* 0x */
	if (hex_digit(peek(p)) < 0)
		return fail_unexpected(p, "'0x' begins a hex number", "a hex digit");
	for (int digit; (digit = hex_digit(peek(p))) >= 0; p->at++) {
		if (value >> 60)
			return fail(p, from,
				    "number too large, it needs more than 64 bits, "
				    "expected at most 0xffffffffffffffff");
		value = value << 4 | (uint64_t)digit;
	}
	*number = value;
	return true;
}

static bool parse_number(struct parser *p, struct trace_value *value)
{
	const char *from = p->at;

	value->kind = TRACE_NUMBER;
	value->negative = peek(p) == '-';
	if (value->negative)
		p->at++;
	value->hex = peek(p) == '0' && peek_second(p) == 'x';
	if (!(value->hex ? parse_hex(p, &value->number) : parse_decimal(p, &value->number)))
		return false;
	if (!number_ends(p))
		return false;
	if (!value->negative)
		return true;
	if (value->number > (uint64_t)1 << 63)
		return fail(p, from,
			    "number too small, it needs more than 64 bits, "
			    "expected at least -9223372036854775808");
	value->number = -value->number;
	return true;
}

static bool parse_string(struct parser *p, struct trace_value *value)
{
	const char *quote = p->at++;
	const char *close = memchr(p->at, '"', (size_t)(p->end - p->at));

	if (!close)
		return fail(p, quote,
			    "unterminated string, the line ends inside it, expected '\"'");
	value->kind = TRACE_STRING;
	p->at = close;
	if (!keep_text(p, quote + 1, &value->text, &value->length))
		return false;
	p->at++;
	return true;
}

static bool parse_symbol(struct parser *p, struct trace_value *value)
{
	const char *from = p->at;

	value->kind = TRACE_SYMBOL;
	skip_word(p);
	while (peek(p) == '|') {
		uint64_t number;
		p->at++;
		if (is_word_start(peek(p)))
			skip_word(p);
		else if (!is_digit(peek(p)))
			return fail_unexpected(p, "'|' joins flags", "a flag's name or a number");
		else if (!(peek_second(p) == 'x' ? parse_hex(p, &number)
						 : parse_decimal(p, &number)) ||
			 !number_ends(p))
			return false;
	}
	return keep_text(p, from, &value->text, &value->length);
}

static bool parse_name(struct parser *p, struct trace_value *value)
{
	p->at++; /* $ */
	value->kind = TRACE_NAME;
	if (!parse_word(p, "'$' begins a name", "a letter or '_'", &value->text, &value->length))
		return false;
	if (peek(p) != '+')
		return true;
	p->at++;
	if (!is_digit(peek(p)))
		return fail_unexpected(p, "'+' adds a number to a name", "a digit");
	value->hex = peek_second(p) == 'x';
	return (value->hex ? parse_hex(p, &value->number) : parse_decimal(p, &value->number)) &&
	       number_ends(p);
}

/* ---- values ---- */

static bool parse_value(struct parser *p, struct trace_value *value);

static bool parse_field(struct parser *p, struct trace_field *field)
{
	const char *from = p->at;

	field->pos = position(p, from);
	if (!is_word_start(peek(p)))
		return fail_unexpected(p, "a struct consists of fields", "a field's name");
	skip_word(p);
	while (peek(p) == '.') {
		p->at++;
		if (!is_word_start(peek(p)))
			return fail_unexpected(p, "'.' leads to a field within a field",
					       "a field's name");
		skip_word(p);
	}
	if (!keep_text(p, from, &field->name, &field->name_length))
		return false;
	skip_blanks(p);
	if (peek(p) != '=' || peek_second(p) == '>')
		return fail_unexpected(p, "a field has a value", "'='");
	p->at++;
	skip_blanks(p);
	return parse_value(p, &field->value);
}

/* After a member: true if another one follows, false at the closing character or an error. */
static bool list_goes_on(struct parser *p, char closing, const char *why, const char *expected,
			 bool *failed)
{
	skip_blanks(p);
	char c = peek(p);
	if (c == ',') {
		p->at++;
		skip_blanks(p);
		return true;
	}
	*failed = c != closing;
	if (*failed)
		fail_unexpected(p, why, expected);
	else
		p->at++;
	return false;
}

static bool parse_fields(struct parser *p, uint32_t *count)
{
	struct trace_field *fields = p->scratch->fields + p->field_used;
	bool failed = false;

	do {
		if (*count == TRACE_ITEMS_MAX)
			return fail(p, p->at,
				    "too many fields, a struct has a limit, expected at most 256");
		p->field_used++;
		if (!parse_field(p, &fields[(*count)++]))
			return false;
	} while (list_goes_on(p, '}', "fields go on or end here", "',' or '}'", &failed));
	return !failed;
}

static bool parse_struct(struct parser *p, struct trace_value *value)
{
	uint32_t base = p->field_used;

	if (p->depth == TRACE_DEPTH_MAX)
		return fail(p, p->at,
			    "struct too deep, its nesting has a limit, expected at most 4 levels");
	p->depth++;
	p->at++; /* { */
	value->kind = TRACE_STRUCT;
	skip_blanks(p);
	if (peek(p) == '}')
		p->at++;
	else if (!parse_fields(p, &value->field_count))
		return false;
	p->depth--;
	p->field_used = base;
	if (value->field_count == 0)
		return true;

	size_t size = value->field_count * sizeof(*value->fields);
	value->fields = trace_arena_nodes(p->arena, size);
	if (!value->fields)
		return fail_memory(p);
	memcpy(value->fields, p->scratch->fields + base, size);
	return true;
}

/* A value without contents or arrow. */
static bool parse_plain(struct parser *p, struct trace_value *value)
{
	char c = peek(p);

	*value = (struct trace_value){.pos = position(p, p->at)};
	if (is_digit(c) || c == '-')
		return parse_number(p, value);
	if (is_word_start(c))
		return parse_symbol(p, value);
	switch (c) {
	case '"':
		return parse_string(p, value);
	case '{':
		return parse_struct(p, value);
	case '$':
		return parse_name(p, value);
	case '?':
		value->kind = TRACE_UNKNOWN;
		p->at++;
		return true;
	default:
		return fail_unexpected(p, "a value begins there",
				       "a number, string, symbol, '$', '{' or '?'");
	}
}

static bool parse_plain_node(struct parser *p, struct trace_value **node)
{
	*node = trace_arena_nodes(p->arena, sizeof(**node));
	if (!*node)
		return fail_memory(p);
	return parse_plain(p, *node);
}

static bool parse_string_node(struct parser *p, const char *why, struct trace_value **node)
{
	skip_blanks(p);
	if (peek(p) != '"')
		return fail_unexpected(p, why, "'\"'");
	return parse_plain_node(p, node);
}

static bool parse_contents(struct parser *p, struct trace_value *value)
{
	if (value->kind != TRACE_NUMBER && value->kind != TRACE_NAME)
		return fail(p, p->at,
			    "misplaced '->', only a pointer has contents, "
			    "expected a number or a '$' name before it");
	p->at += 2;
	return parse_string_node(p, "a pointer's contents are a string", &value->contents);
}

static bool parse_arrow(struct parser *p, struct trace_value *value)
{
	p->at += 2;
	if (value->contents)
		return parse_string_node(p, "contents change to a string", &value->contents_after);
	skip_blanks(p);
	if (peek(p) == '{')
		return fail(p, p->at,
			    "struct after '=>', the arrow stands inside structs, "
			    "expected a value that is none");
	return parse_plain_node(p, &value->after);
}

static bool parse_value(struct parser *p, struct trace_value *value)
{
	if (!parse_plain(p, value))
		return false;
	/* Most values end here: do not look further than one character for them. */
	char c = peek(p);
	if (c == ',' || c == '}' || c == ')')
		return true;
	skip_blanks(p);
	if (peek(p) == '-' && peek_second(p) == '>') {
		if (!parse_contents(p, value))
			return false;
		skip_blanks(p);
	}
	if (peek(p) == '=' && peek_second(p) == '>')
		return parse_arrow(p, value);
	return true;
}

/* ---- calls ---- */

static bool parse_label_number(struct parser *p, uint32_t *number)
{
	const char *from = p->at;
	uint64_t value;

	if (!parse_decimal(p, &value))
		return false;
	if (value > UINT32_MAX)
		return fail(p, from,
			    "number too large, a pid or tid has 32 bits, "
			    "expected at most 4294967295");
	*number = (uint32_t)value;
	return true;
}

static bool expect(struct parser *p, char c, const char *why, const char *expected)
{
	if (peek(p) != c)
		return fail_unexpected(p, why, expected);
	p->at++;
	return true;
}

static bool parse_seconds(struct parser *p, uint64_t *nanoseconds)
{
	const uint64_t second = 1000000000;
	const char *from = p->at;
	uint64_t whole;
	uint64_t decimals = 0;

	if (!parse_decimal(p, &whole) ||
	    !expect(p, '.', "a label's seconds have 9 decimals", "'.'"))
		return false;
	for (int i = 0; i < 9; i++, p->at++) {
		if (!is_digit(peek(p)))
			return fail_unexpected(p, "a label's seconds have 9 decimals",
					       "a decimal digit");
		decimals = decimals * 10 + (uint64_t)(*p->at - '0');
	}
	if (whole > (UINT64_MAX - decimals) / second)
		return fail(p, from,
			    "time too large, its nanoseconds need more than 64 bits, "
			    "expected at most 18446744073.709551615");
	*nanoseconds = whole * second + decimals;
	if (peek(p) != ' ' && peek(p) != '\t')
		return fail_unexpected(p, "a label ends after 9 decimals", "a space");
	skip_blanks(p);
	return true;
}

static bool parse_label(struct parser *p, struct trace_call *call)
{
	p->at++; /* [ */
	call->has_label = true;
	if (!parse_label_number(p, &call->pid) ||
	    !expect(p, '.', "a label names a process and a thread", "'.' and a tid") ||
	    !parse_label_number(p, &call->tid) || !expect(p, ']', "a label ends there", "']'"))
		return false;
	skip_blanks(p);
	return parse_seconds(p, &call->nanoseconds);
}

/* The call's name; and before it, if the word read first turns out to be one, the actor. */
static bool parse_call_name(struct parser *p, struct trace_call *call)
{
	call->pos = position(p, p->at);
	if (!parse_word(p, "a call has a name", call->has_label ? "a word" : "a word, '[' or '#'",
			&call->name, &call->name_length))
		return false;
	if (peek(p) != ':' || call->has_label)
		return true;
	p->at++;
	call->actor = call->name;
	call->actor_length = call->name_length;
	call->actor_pos = call->pos;
	skip_blanks(p);
	call->pos = position(p, p->at);
	return parse_word(p, "an actor makes a call", "its name", &call->name, &call->name_length);
}

static bool parse_args_list(struct parser *p, uint32_t *count)
{
	bool failed = false;

	do {
		if (*count == TRACE_ITEMS_MAX)
			return fail(p, p->at,
				    "too many arguments, a call has a limit, expected at most 256");
		if (!parse_value(p, &p->scratch->args[(*count)++]))
			return false;
	} while (list_goes_on(p, ')', "arguments go on or end here", "',' or ')'", &failed));
	return !failed;
}

static bool parse_args(struct parser *p, struct trace_call *call)
{
	if (!expect(p, '(', "a call's name is followed by its arguments", "'('"))
		return false;
	skip_blanks(p);
	if (peek(p) == ')') {
		p->at++;
		return true;
	}
	if (!parse_args_list(p, &call->arg_count))
		return false;
	size_t size = call->arg_count * sizeof(*call->args);
	call->args = trace_arena_nodes(p->arena, size);
	if (!call->args)
		return fail_memory(p);
	memcpy(call->args, p->scratch->args, size);
	return true;
}

static bool parse_error(struct parser *p, struct trace_call *call)
{
	const struct trace_value *result = &call->result;
	const char *from = p->at;

	if (result->kind != TRACE_NUMBER || !result->negative || result->hex ||
	    result->number != UINT64_MAX)
		return fail(p, from, "misplaced error, only -1 has one, expected '#' or nothing");
	call->error_pos = position(p, from);
	skip_word(p);
	call->error_number = errno_from_name(from, (size_t)(p->at - from));
	if (call->error_number == 0)
		return fail(p, from,
			    "unknown error, Linux has none of that name, expected one "
			    "as in errno.h");
	return keep_text(p, from, &call->error, &call->error_length);
}

static bool parse_result(struct parser *p, struct trace_call *call)
{
	skip_blanks(p);
	if (!expect(p, '=', "a call has a result", "'='"))
		return false;
	skip_blanks(p);
	char c = peek(p);
	if (!is_digit(c) && c != '-' && c != '?' && c != '$')
		return fail_unexpected(p, "a call has a result", "a number, '$' or '?'");
	if (!parse_plain(p, &call->result))
		return false;
	skip_blanks(p);
	return is_word_start(peek(p)) ? parse_error(p, call) : true;
}

static bool parse_line_end(struct parser *p, struct trace_line *line)
{
	skip_blanks(p);
	if (p->at == p->end)
		return true;
	if (*p->at != '#')
		return fail_unexpected(p, "the call ends before it", "'#' or the end of the line");
	const char *from = p->at + 1;
	p->at = p->end;
	return keep_text(p, from, &line->trailing_comment, &line->trailing_comment_length);
}

static bool parse_call(struct parser *p, struct trace_line *line)
{
	struct trace_call *call = &line->call;

	line->kind = TRACE_LINE_CALL;
	if (peek(p) == '[' && !parse_label(p, call))
		return false;
	return parse_call_name(p, call) && parse_args(p, call) && parse_result(p, call) &&
	       parse_line_end(p, line);
}

static bool parse_comment(struct parser *p, struct trace_line *line)
{
	const char *from = p->at + 1;

	line->kind = TRACE_LINE_COMMENT;
	p->at = p->end;
	return keep_text(p, from, &line->text, &line->length);
}

static bool parser_init(struct parser *p, const char *file, struct trace_pos start,
			const char *text, size_t length, struct trace_arena *arena,
			struct trace_diag *diag)
{
	*p = (struct parser){
		.at = text,
		.end = text + length,
		.begin = text,
		.start = start,
		.file = file,
		.arena = arena,
		.scratch = trace_arena_scratch(arena),
		.diag = diag,
	};
	return p->scratch || fail_memory(p);
}

int trace_parse_checked(const char *file, struct trace_pos start, const char *text, size_t length,
			struct trace_arena *arena, struct trace_line *line, struct trace_diag *diag)
{
	struct parser parser;
	bool parsed = true;

	*line = (struct trace_line){
		.kind = TRACE_LINE_BLANK,
		.number = start.line,
		.text = "",
	};
	if (!parser_init(&parser, file, start, text, length, arena, diag))
		return -1;
	skip_blanks(&parser);
	if (peek(&parser) == '#')
		parsed = parse_comment(&parser, line);
	else if (parser.at < parser.end)
		parsed = parse_call(&parser, line);
	return parsed ? 0 : -1;
}

int trace_parse_text(const char *file, struct trace_pos start, const char *text, size_t length,
		     struct trace_arena *arena, struct trace_line *line, struct trace_diag *diag)
{
	if (trace_check_text(file, start, text, length, diag) < 0)
		return -1;
	return trace_parse_checked(file, start, text, length, arena, line, diag);
}

int trace_parse_value(const char *file, struct trace_pos start, const char *text, size_t length,
		      struct trace_arena *arena, struct trace_value *value, struct trace_diag *diag)
{
	struct parser parser;

	if (trace_check_text(file, start, text, length, diag) < 0 ||
	    !parser_init(&parser, file, start, text, length, arena, diag))
		return -1;
	skip_blanks(&parser);
	if (!parse_value(&parser, value))
		return -1;
	skip_blanks(&parser);
	if (parser.at < parser.end) {
		fail_unexpected(&parser, "the value ends before it", "nothing more");
		return -1;
	}
	return 0;
}

/* ---- what users ask of nodes ---- */

bool trace_text_is(const char *text, uint32_t length, const char *expected)
{
	return strlen(expected) == length && memcmp(text, expected, length) == 0;
}

const struct trace_field *trace_value_field(const struct trace_value *value, const char *name)
{
	for (uint32_t i = 0; i < value->field_count; i++) {
		const struct trace_field *field = &value->fields[i];
		if (trace_text_is(field->name, field->name_length, name))
			return field;
	}
	return NULL;
}
