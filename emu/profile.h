/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles: hardware parameters with their sources.
 *
 * A profile is a text of lines `name = value ; status ; source`, `#` starts a comment. Status is
 * measured, derived or assumed. Every parameter that the models know must be given once, and no
 * other: a profile is read strictly.
 */
#ifndef HWQ_EMU_PROFILE_H
#define HWQ_EMU_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/trace/diag.h"

#define PROFILE_NAME_MAX       48U
#define PROFILE_SOURCE_MAX     96U
#define PROFILE_PARAMETERS_MAX 64U

enum parameter_status {
	PARAMETER_MEASURED,
	PARAMETER_DERIVED,
	PARAMETER_ASSUMED,
};

struct parameter {
	char name[PROFILE_NAME_MAX];
	uint64_t value; /* in the unit that the name ends with */
	enum parameter_status status;
	char source[PROFILE_SOURCE_MAX];
};

struct profile {
	char name[PROFILE_NAME_MAX];
	struct parameter parameters[PROFILE_PARAMETERS_MAX];
	uint32_t count;
};

/* What a model takes for a parameter, both ends included. A list ends with the name NULL. */
struct parameter_range {
	const char *name;
	uint64_t min;
	uint64_t max;
};

/*
 * Parses TEXT, which FILE names in messages. KNOWN lists the parameters that must be there.
 * 0, or -1 with DIAG.
 */
int profile_parse(struct profile *profile, const char *file, const char *text, size_t length,
		  const struct parameter_range *known, struct trace_diag *diag);
/* The value of a parameter that the list of known ones has. */
uint64_t profile_get(const struct profile *profile, const char *name);
const char *parameter_status_name(enum parameter_status status);

#endif
