/* SPDX-License-Identifier: Apache-2.0 */
/* The files of profiles/, built into the program. */
#ifndef HWQ_TOOLS_RUNNER_BUILTIN_PROFILES_H
#define HWQ_TOOLS_RUNNER_BUILTIN_PROFILES_H

#include <stddef.h>

struct builtin_profile {
	const char *name; /* NULL ends the list */
	const unsigned char *text;
	size_t length;
};

extern const struct builtin_profile builtin_profiles[];

#endif
