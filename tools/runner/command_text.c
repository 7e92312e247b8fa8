// SPDX-License-Identifier: Apache-2.0
#include "tools/runner/command_text.h"

#include <stdio.h>
#include <string.h>

#include "emu/bits.h"
#include "tools/runner/words.h"

static const struct command_operand *find_operand(const struct command_language *language,
						  const char *name, size_t length)
{
	for (const struct command_operand *operand = language->operands; operand->name != NULL;
	     operand++)
		if (strlen(operand->name) == length && memcmp(operand->name, name, length) == 0)
			return operand;
	return NULL;
}

struct cursor {
	const struct command_language *language;
	const char *file;
	struct trace_pos pos; /* of text[0] */
	const char *text;
	size_t length;
	size_t at;
	struct trace_diag *diag;
};

static struct trace_pos here(const struct cursor *cursor)
{
	return (struct trace_pos){cursor->pos.line, cursor->pos.column + (uint32_t)cursor->at};
}

static void skip_blanks(struct cursor *cursor)
{
	while (cursor->at < cursor->length && cursor->text[cursor->at] == ' ')
		cursor->at++;
}

/* Up to one of the marks or the end. */
static size_t take_until(struct cursor *cursor, const char *marks)
{
	size_t start = cursor->at;
	while (cursor->at < cursor->length && strchr(marks, cursor->text[cursor->at]) == NULL)
		cursor->at++;
	return cursor->at - start;
}

static int unknown(struct cursor *cursor, const char *what, const char *text, size_t length,
		   const char *best)
{
	trace_diag_set(cursor->diag, cursor->file, here(cursor),
		       "unknown %s '%.*s', it is not in the language, expected %s%s%s", what,
		       (int)length, text, best != NULL ? "perhaps '" : "a known one",
		       best != NULL ? best : "", best != NULL ? "'" : "");
	return -1;
}

static int parse_operand(struct cursor *cursor, struct command_words *command)
{
	size_t start = cursor->at, length = take_until(cursor, "=, ");
	const char *name = cursor->text + start;
	const struct command_operand *operand = find_operand(cursor->language, name, length);
	if (operand == NULL) {
		struct nearest nearest;
		cursor->at = start;
		nearest_start(&nearest, name, length);
		for (operand = cursor->language->operands; operand->name != NULL; operand++)
			nearest_try(&nearest, operand->name);
		return unknown(cursor, "operand", name, length, nearest.best);
	}
	if (cursor->at == cursor->length || cursor->text[cursor->at] != '=') {
		trace_diag_set(cursor->diag, cursor->file, here(cursor),
			       "operand '%s' has no value, '=' is missing, expected '%s=NUMBER'",
			       operand->name, operand->name);
		return -1;
	}
	start = ++cursor->at;
	length = take_until(cursor, ", ");
	const char *digits = cursor->text + start;
	uint64_t value;
	if (!number_parse(digits, length, &value)) {
		cursor->at = start;
		trace_diag_set(cursor->diag, cursor->file, here(cursor),
			       "bad value '%.*s', it is no number, expected a number", (int)length,
			       digits);
		return -1;
	}
	uint64_t placed =
		operand->in_place ? value & operand->field : field_put(operand->field, value);
	if ((operand->in_place ? placed : field_get(placed, operand->field)) != value) {
		cursor->at = start;
		trace_diag_set(
			cursor->diag, cursor->file, here(cursor),
			"bad value '%.*s', it does not fit '%s', expected %s 0x%llx", (int)length,
			digits, operand->name, operand->in_place ? "bits of" : "at most",
			(unsigned long long)(operand->in_place ? operand->field
							       : field_get(~0ULL, operand->field)));
		return -1;
	}
	command->word[operand->word] =
		(command->word[operand->word] & ~operand->field) | placed | operand->sets;
	return 0;
}

static int parse_command(struct cursor *cursor, struct command_words *command)
{
	size_t start = cursor->at, length = take_until(cursor, ", ");
	const char *name = cursor->text + start;
	struct nearest nearest;
	bool found = length == 3 && memcmp(name, "RAW", 3) == 0;
	nearest_start(&nearest, name, length);
	*command = (struct command_words){{0, 0}};
	for (const struct command_form *form = cursor->language->forms;
	     !found && form->name != NULL; form++) {
		nearest_try(&nearest, form->name);
		found = strlen(form->name) == length && memcmp(form->name, name, length) == 0;
		if (found)
			*command = form->words;
	}
	if (!found) {
		cursor->at = start;
		return unknown(cursor, "command", name, length, nearest.best);
	}
	for (;;) {
		skip_blanks(cursor);
		if (cursor->at == cursor->length || cursor->text[cursor->at] == ',')
			return 0;
		if (parse_operand(cursor, command) != 0)
			return -1;
	}
}

int commands_parse(const struct command_language *language, const char *file, struct trace_pos pos,
		   const char *text, size_t length,
		   struct command_words commands[COMMANDS_TEXT_MAX], unsigned *count,
		   struct trace_diag *diag)
{
	struct cursor cursor = {language, file, pos, text, length, 0, diag};
	*count = 0;
	for (;;) {
		skip_blanks(&cursor);
		if (*count == COMMANDS_TEXT_MAX) {
			trace_diag_set(diag, file, here(&cursor),
				       "too many commands, a line holds %u, expected fewer",
				       COMMANDS_TEXT_MAX);
			return -1;
		}
		if (parse_command(&cursor, &commands[(*count)++]) != 0)
			return -1;
		if (cursor.at == cursor.length)
			return 0;
		cursor.at++; /* the comma */
	}
}

static const struct command_form *form_of(const struct command_language *language, uint64_t word)
{
	const struct command_form *form = language->forms;
	while (form->name != NULL &&
	       (form->words.word[0] & language->opcode) != (word & language->opcode))
		form++;
	return form->name != NULL ? form : NULL;
}

void command_print(const struct command_language *language, const uint64_t words[2], char *text,
		   size_t size)
{
	const struct command_form *form = form_of(language, words[0]);
	if (form == NULL) {
		snprintf(text, size, "opcode 0x%02llx",
			 (unsigned long long)field_get(words[0], language->opcode));
		return;
	}
	size_t used = (size_t)snprintf(text, size, "%s", form->name);
	for (unsigned i = 0; i < COMMAND_SHOWN_MAX && form->shown[i] != NULL && used < size; i++) {
		const struct command_operand *operand =
			find_operand(language, form->shown[i], strlen(form->shown[i]));
		uint64_t word = words[operand->word];
		uint64_t value =
			operand->in_place ? word & operand->field : field_get(word, operand->field);
		used += (size_t)snprintf(text + used, size - used, " %s=0x%llx", form->shown[i],
					 (unsigned long long)value);
	}
}
