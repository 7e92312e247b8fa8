/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: named choices that an experiment may change.
 *
 * Concepts
 *   option     a key with its values; the first value is the default: what Linux 7.3.4 does, or what
 *              a sheet proposes for hardware that nobody has measured
 *   tag        where a value comes from, shown beside it: "7.3.4", "posted", "what-if", "inferred"
 *   set        one machine's values for one table of options
 *   consulted  somebody asked for the value: what happened may hang on it
 */
#ifndef HWQ_EMU_OPTION_H
#define HWQ_EMU_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_MAX       64U
#define OPTION_VALUES_MAX 6U

struct option_value {
	const char *name;
	const char *tag;
};

struct option {
	const char *key;
	const char *source; /* sheet and section */
	struct option_value values[OPTION_VALUES_MAX];
};

struct option_set {
	const struct option *options; /* ends with the key NULL */
	uint8_t values[OPTIONS_MAX];  /* indices */
	bool consulted[OPTIONS_MAX];
};

/* All defaults. */
void option_set_init(struct option_set *set, const struct option *options);
uint32_t option_count(const struct option *options);
/* Values that OPTION has. */
uint32_t option_value_count(const struct option *option);

/* The index of its value; remembers that it was asked for. */
static inline unsigned option_get(struct option_set *set, unsigned option)
{
	set->consulted[option] = true;
	return set->values[option];
}

/* Finds `KEY=VALUE`: indices in *OPTION and *VALUE, or false. */
bool option_find(const struct option *options, const char *text, unsigned *option, unsigned *value);

#endif
