/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of a hardware queue as text: `TLBI_NH_ASID asid=0x51, CMD_SYNC`. Which there are, and with
 * which operands, is a table of the platform's.
 */
#ifndef HWQ_TOOLS_RUNNER_COMMAND_TEXT_H
#define HWQ_TOOLS_RUNNER_COMMAND_TEXT_H

#include <stddef.h>

#include "tools/runner/platform.h"

#define COMMAND_SHOWN_MAX 6U

/* A field of one of the two words; IN_PLACE ones are addresses that keep their place. */
struct command_operand {
	const char *name;
	uint64_t field;
	unsigned word;
	bool in_place;
	uint64_t sets; /* bits of the word that go with it */
};

struct command_form {
	const char *name;
	struct command_words words;           /* without operands */
	const char *shown[COMMAND_SHOWN_MAX]; /* operands, in the order in which they are shown */
};

struct command_language {
	uint64_t opcode;                        /* its field in the first word */
	const struct command_form *forms;       /* ends with the name NULL */
	const struct command_operand *operands; /* the same */
};

/* Parses a list that starts at POS in FILE: *COUNT commands, or -1 with DIAG. */
int commands_parse(const struct command_language *language, const char *file, struct trace_pos pos,
		   const char *text, size_t length,
		   struct command_words commands[COMMANDS_TEXT_MAX], unsigned *count,
		   struct trace_diag *diag);
/* `TLBI_NH_ASID vmid=0x0 asid=0x51`, or `opcode 0x..`, into TEXT. */
void command_print(const struct command_language *language, const uint64_t words[2], char *text,
		   size_t size);

#endif
