/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HWQ_EMU_TRACE_DIAG_H
#define HWQ_EMU_TRACE_DIAG_H

#include <stdint.h>

/*
 * What is wrong with an input text, and where.
 *
 * Every message has one form, on one line, without a newline at its end:
 *
 *	file:line:column: what, why, what was expected
 *
 * for example
 *
 *	x.trace:12:31: unterminated string, the line ends inside it, expected '"'
 *
 * A message never contains a byte of the input that a terminal would act on.
 */

/* A place in a text. Both count from 1; a column is a byte, not a character. */
struct trace_pos {
	uint32_t line;
	uint32_t column;
};

/*
 * Starts as `struct trace_diag diag = {0};`. Who fails sets it, who called frees it. Setting it
 * again replaces the message. Functions of this module accept NULL where they take one to set.
 */
struct trace_diag {
	char *text;           /* heap string, or NULL: nothing set, or no memory to say it */
	struct trace_pos pos; /* the same place as in text, for programs */
};

#if defined(__GNUC__)
#define TRACE_PRINTF(form, first) __attribute__((format(printf, form, first)))
#else
#define TRACE_PRINTF(form, first)
#endif

/* Writes "file:line:column: " and then format, which says "what, why, what was expected". */
void trace_diag_set(struct trace_diag *diag, const char *file, struct trace_pos pos,
		    const char *format, ...) TRACE_PRINTF(4, 5);

/* to says what from says. */
void trace_diag_copy(struct trace_diag *to, const struct trace_diag *from);

/* Never NULL: "out of memory" stands in for a message that could not be kept. */
const char *trace_diag_text(const struct trace_diag *diag);

/* Frees the message; diag is then as it started. */
void trace_diag_free(struct trace_diag *diag);

#endif
