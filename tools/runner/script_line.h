/* SPDX-License-Identifier: Apache-2.0 */
/* A line of a script, read from the left: words, `key=value`, durations, and what is wrong with it. */
#ifndef HWQ_TOOLS_RUNNER_SCRIPT_LINE_H
#define HWQ_TOOLS_RUNNER_SCRIPT_LINE_H

#include "tools/runner/script.h"

#define DURATION_MAX_PS 1000000000000000000ULL /* 10^6 s */

struct script_line {
	struct script *script;
	struct trace_diag *diag;
	GHashTable *names; /* of the script: text -> index + 1 */
	const char *text;
	size_t length;
	size_t at;
	uint32_t number;
	size_t word_at;              /* where the last word began */
	bool timed;                  /* it starts `at` or `after` */
	struct trace_pos profile_at; /* the profile's name */
};

struct trace_pos line_position(const struct script_line *line);
/* Of the last word. */
struct trace_pos line_word_position(const struct script_line *line);
void line_skip_blanks(struct script_line *line);
/* The next word, up to a blank; owned by the script. Empty at the end of the line. */
const char *line_word(struct script_line *line);
/* The rest of the line, without blanks around it. */
const char *line_rest(struct script_line *line);

/* Sets the diagnosis, at the last word. WORD may be NULL. */
void line_tell_refused(struct script_line *line, const char *what, const char *word,
		       const char *why, const char *expected);
void line_tell_unknown(struct script_line *line, const char *what, const char *word,
		       const char *const *known);

/* All return -1, for the caller to return. */
static inline int line_refused(struct script_line *line, const char *what, const char *word,
			       const char *why, const char *expected)
{
	line_tell_refused(line, what, word, why, expected);
	return -1;
}

/* It is not in the language. */
static inline int line_bad(struct script_line *line, const char *what, const char *word,
			   const char *expected)
{
	return line_refused(line, what, word, "it is not in the language", expected);
}

static inline int line_unknown(struct script_line *line, const char *what, const char *word,
			       const char *const *known)
{
	line_tell_unknown(line, what, word, known);
	return -1;
}

/* The value behind KEY in `key=value`, or NULL. */
const char *line_value_of(const char *word, const char *key);
int line_number(struct script_line *line, const char *word, uint64_t *number);
/* A number or a bound $name. */
int line_value(struct script_line *line, const char *word, struct script_value *value);
/* 300ns, 1.5us */
int line_duration(struct script_line *line, const char *word, uint64_t *ps);
/* `key=VALUE` is the next word, or -1 with an error that expects FORM. */
int line_key_value(struct script_line *line, const char *key, const char *what, const char *form,
		   struct script_value *value);

/* Names of the script, for calls. */
bool line_use_name(void *context, const char *name, uint32_t length, uint32_t *number);
uint32_t line_bind_name(void *context, const char *name, uint32_t length);

#endif
