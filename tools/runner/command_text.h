/* SPDX-License-Identifier: Apache-2.0 */
/* SMMU commands as text: `TLBI_NH_ASID asid=0x51, CMD_SYNC`. */
#ifndef HWQ_TOOLS_RUNNER_COMMAND_TEXT_H
#define HWQ_TOOLS_RUNNER_COMMAND_TEXT_H

#include <stddef.h>

#include "emu/trace/diag.h"
#include "models/nvidia_vcmdq/smmu_spec.h"

#define COMMANDS_TEXT_MAX 64U

/* Parses a list that starts at POS in FILE: *COUNT commands, or -1 with DIAG. */
int commands_parse(const char *file, struct trace_pos pos, const char *text, size_t length,
		   struct smmu_command commands[COMMANDS_TEXT_MAX], unsigned *count,
		   struct trace_diag *diag);
/* `TLBI_NH_ASID asid=0x51`, into TEXT. */
void command_print(const uint64_t words[2], char *text, size_t size);

#endif
