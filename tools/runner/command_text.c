// SPDX-License-Identifier: Apache-2.0
#include "tools/runner/command_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/runner/words.h"

/* An operand: a field of one of the two words; SHIFTED ones are addresses that keep their place. */
struct operand {
	const char *name;
	uint64_t field;
	unsigned word;
	bool in_place;
};

static const struct operand operands[] = {
	{"vmid", CMD_VMID, 0, false},     {"asid", CMD_ASID, 0, false},
	{"sid", CMD_SID, 0, false},       {"va", CMD_ADDR, 1, true},
	{"ipa", CMD_ADDR, 1, true},       {"leaf", CMD_LEAF, 1, false},
	{"size", CMD_ATC_SIZE, 1, false}, {"cs", CMD_SYNC_CS, 0, false},
	{"dw0", ~0ULL, 0, true},          {"dw1", ~0ULL, 1, true},
};

#define OPERANDS    (sizeof(operands) / sizeof(operands[0]))
#define OPCODES_MAX 0x100U

/* What each opcode shows. */
static const char *const shown[][5] = {
	{"TLBI_NH_ASID", "vmid", "asid", NULL, NULL}, {"TLBI_NH_VA", "vmid", "asid", "va", "leaf"},
	{"TLBI_NH_VAA", "vmid", "va", "leaf", NULL},  {"TLBI_NH_ALL", "vmid", NULL, NULL, NULL},
	{"TLBI_S12_VMALL", "vmid", NULL, NULL, NULL}, {"TLBI_S2_IPA", "vmid", "ipa", "leaf", NULL},
	{"ATC_INV", "sid", "va", "size", NULL},       {"CFGI_STE", "sid", "leaf", NULL, NULL},
};

static const struct operand *find_operand(const char *name, size_t length)
{
	for (size_t i = 0; i < OPERANDS; i++)
		if (strlen(operands[i].name) == length &&
		    memcmp(operands[i].name, name, length) == 0)
			return &operands[i];
	return NULL;
}

struct cursor {
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

static int parse_operand(struct cursor *cursor, struct smmu_command *command)
{
	size_t start = cursor->at, length = take_until(cursor, "=, ");
	const char *name = cursor->text + start;
	const struct operand *operand = find_operand(name, length);
	char digits[32], *end;
	if (operand == NULL) {
		struct nearest nearest;
		cursor->at = start;
		nearest_start(&nearest, name, length);
		for (size_t i = 0; i < OPERANDS; i++)
			nearest_try(&nearest, operands[i].name);
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
	length = length < sizeof(digits) ? length : sizeof(digits) - 1;
	memcpy(digits, cursor->text + start, length);
	digits[length] = 0;
	uint64_t value = strtoull(digits, &end, 0);
	if (length == 0 || *end != 0) {
		cursor->at = start;
		trace_diag_set(cursor->diag, cursor->file, here(cursor),
			       "bad value '%s', it is no number, expected a number", digits);
		return -1;
	}
	uint64_t placed =
		operand->in_place ? value & operand->field : field_put(operand->field, value);
	if (!operand->in_place && field_get(placed, operand->field) != value) {
		cursor->at = start;
		trace_diag_set(cursor->diag, cursor->file, here(cursor),
			       "bad value '%s', it does not fit '%s', expected at most 0x%llx",
			       digits, operand->name,
			       (unsigned long long)field_get(~0ULL, operand->field));
		return -1;
	}
	command->dw[operand->word] = (command->dw[operand->word] & ~operand->field) | placed;
	return 0;
}

static int parse_command(struct cursor *cursor, struct smmu_command *command)
{
	size_t start = cursor->at, length = take_until(cursor, ", ");
	const char *name = cursor->text + start;
	struct nearest nearest;
	bool found = length == 3 && memcmp(name, "RAW", 3) == 0;
	nearest_start(&nearest, name, length);
	*command = (struct smmu_command){{0, 0}};
	for (unsigned opcode = 0; !found && opcode < OPCODES_MAX; opcode++) {
		const char *known = command_name(opcode);
		if (known == NULL)
			continue;
		nearest_try(&nearest, known);
		found = strlen(known) == length && memcmp(known, name, length) == 0;
		if (found)
			command->dw[0] =
				opcode == CMD_SYNC ? command_sync(SYNC_CS_NONE).dw[0] : opcode;
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

int commands_parse(const char *file, struct trace_pos pos, const char *text, size_t length,
		   struct smmu_command commands[COMMANDS_TEXT_MAX], unsigned *count,
		   struct trace_diag *diag)
{
	struct cursor cursor = {file, pos, text, length, 0, diag};
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

void command_print(const uint64_t words[2], char *text, size_t size)
{
	const char *name = command_name(words[0] & 0xff);
	if (name == NULL) {
		snprintf(text, size, "opcode 0x%02x", (unsigned)(words[0] & 0xff));
		return;
	}
	size_t used = (size_t)snprintf(text, size, "%s", name);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		if (strcmp(shown[i][0], name) != 0)
			continue;
		for (int k = 1; k < 5 && shown[i][k] != NULL && used < size; k++) {
			const struct operand *operand =
				find_operand(shown[i][k], strlen(shown[i][k]));
			uint64_t word = words[operand->word];
			uint64_t value = operand->in_place ? word & operand->field
							   : field_get(word, operand->field);
			used += (size_t)snprintf(text + used, size - used, " %s=0x%llx",
						 shown[i][k], (unsigned long long)value);
		}
	}
}
