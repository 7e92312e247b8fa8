// SPDX-License-Identifier: Apache-2.0
#include "tools/runner/script_line.h"

#include <string.h>

struct trace_pos line_position(const struct script_line *line)
{
	return (struct trace_pos){line->number, (uint32_t)line->at + 1};
}

struct trace_pos line_word_position(const struct script_line *line)
{
	return (struct trace_pos){line->number, (uint32_t)line->word_at + 1};
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

void line_skip_blanks(struct script_line *line)
{
	while (line->at < line->length && blank(line->text[line->at]))
		line->at++;
}

const char *line_word(struct script_line *line)
{
	line_skip_blanks(line);
	size_t start = line->at;
	line->word_at = start;
	while (line->at < line->length && !blank(line->text[line->at]))
		line->at++;
	return g_string_chunk_insert_len(line->script->texts, line->text + start,
					 (gssize)(line->at - start));
}

const char *line_rest(struct script_line *line)
{
	line_skip_blanks(line);
	size_t start = line->at, end = line->length;
	line->word_at = start;
	while (end > start && blank(line->text[end - 1]))
		end--;
	line->at = line->length;
	return g_string_chunk_insert_len(line->script->texts, line->text + start,
					 (gssize)(end - start));
}

void line_tell_refused(struct script_line *line, const char *what, const char *word,
		       const char *why, const char *expected)
{
	const char *quote = word != NULL ? "'" : "", *gap = word != NULL ? " " : "";
	trace_diag_set(line->diag, line->script->path, line_word_position(line),
		       "%s%s%s%s%s, %s, expected %s", what, gap, quote, word != NULL ? word : "",
		       quote, why, expected);
}

void line_tell_unknown(struct script_line *line, const char *what, const char *word,
		       const char *const *known)
{
	struct nearest nearest;
	nearest_start(&nearest, word, strlen(word));
	for (; *known != NULL; known++)
		nearest_try(&nearest, *known);
	char *what_text = g_strdup_printf("unknown %s", what);
	char *expected = nearest.best != NULL ? g_strdup_printf("perhaps '%s'", nearest.best)
					      : g_strdup("a known one");
	line_bad(line, what_text, word, expected);
	g_free(what_text);
	g_free(expected);
}

/* --- names --- */

uint32_t line_bind_name(void *context, const char *name, uint32_t length)
{
	struct script_line *line = context;
	char *key = g_strndup(name, length);
	uint32_t number = GPOINTER_TO_UINT(g_hash_table_lookup(line->names, key));
	if (number != 0) {
		g_free(key);
		return number - 1;
	}
	g_ptr_array_add(line->script->names, g_string_chunk_insert(line->script->texts, key));
	g_hash_table_insert(line->names, key, GUINT_TO_POINTER(line->script->names->len));
	return line->script->names->len - 1;
}

bool line_use_name(void *context, const char *name, uint32_t length, uint32_t *number)
{
	struct script_line *line = context;
	char *key = g_strndup(name, length);
	uint32_t found = GPOINTER_TO_UINT(g_hash_table_lookup(line->names, key));
	g_free(key);
	*number = found - 1;
	return found != 0;
}

/* --- values --- */

const char *line_value_of(const char *word, const char *key)
{
	size_t length = strlen(key);
	return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

int line_number(struct script_line *line, const char *word, uint64_t *number)
{
	if (!number_parse(word, strlen(word), number))
		return line_bad(line, "bad value", word, "a number or a $name");
	return 0;
}

int line_value(struct script_line *line, const char *word, struct script_value *value)
{
	*value = (struct script_value){0};
	if (word[0] != '$')
		return line_number(line, word, &value->number);
	value->named = true;
	size_t length = strcspn(word + 1, "+");
	const char *plus = word + 1 + length;
	if (*plus != 0 && !number_parse(plus + 1, strlen(plus + 1), &value->number))
		return line_bad(line, "bad value", word, "'$name' or '$name+NUMBER'");
	if (line_use_name(line, word + 1, (uint32_t)length, &value->name))
		return 0;
	return line_refused(line, "unknown name", word, "nothing binds it",
			    "one that a line before binds");
}

/* Whole units, then parts of one, each a tenth of the one before; what is less than 1 ps is cut. */
static bool parse_duration(const char *word, uint64_t *ps)
{
	static const struct word units[] = {
		{"ps", 1},          {"ns", 1000},         {"us", 1000000},
		{"ms", 1000000000}, {"s", 1000000000000}, {NULL, 0}};
	size_t whole = strspn(word, "0123456789"), rest = whole, part = 0;
	uint64_t unit, number;
	if (word[whole] == '.') {
		part = strspn(word + whole + 1, "0123456789");
		rest = whole + 1 + part;
	}
	if (!number_parse(word, whole, &number) || (rest > whole && part == 0) ||
	    !word_find(units, word + rest, strlen(word + rest), &unit) ||
	    number > DURATION_MAX_PS / unit)
		return false;
	*ps = number * unit;
	for (size_t i = 0; i < part; i++) {
		unit /= 10;
		*ps += (uint64_t)(word[whole + 1 + i] - '0') * unit;
	}
	return true;
}

int line_duration(struct script_line *line, const char *word, uint64_t *ps)
{
	if (!parse_duration(word, ps))
		return line_bad(line, "bad duration", word, "e.g. 300ns or 1.5us");
	return 0;
}

int line_key_value(struct script_line *line, const char *key, const char *what, const char *form,
		   struct script_value *value)
{
	const char *word = line_word(line), *text = line_value_of(word, key);
	if (text == NULL)
		return line_bad(line, what, word, form);
	return line_value(line, text, value);
}
