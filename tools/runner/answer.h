/* SPDX-License-Identifier: Apache-2.0 */
/* What a call answered besides its result, against what its line shows right of `=>`. */
#ifndef HWQ_TOOLS_RUNNER_ANSWER_H
#define HWQ_TOOLS_RUNNER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/runner/recording.h"

#define ANSWER_TEXT_MAX 160U

/* Who is told. OFFSET is that of a byte in the field's contents; -1: the field itself. */
struct answer_events {
	void *context;
	void (*differs)(void *context, const char *field, int64_t offset, const char *expected,
			const char *got);
};

/* "12", from 2^20 on "0x100000" */
void answer_number_text(char *text, size_t size, uint64_t number);

/* Both return whether all is as shown, and tell of what is not: of the first byte of some bytes ... */
bool answer_compare_bytes(const char *name, const uint8_t *expected, const uint8_t *got,
			  uint32_t length, const struct answer_events *events);
/* ... and of each field of the call's struct, which is GOT now. */
bool answer_compare_struct(const struct recorded_call *call, const uint8_t *got,
			   const struct answer_events *events);

#endif
