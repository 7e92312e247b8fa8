/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the hwq program, and what they share. */
#ifndef HWQ_TOOLS_HWQ_HWQ_H
#define HWQ_TOOLS_HWQ_HWQ_H

#include <glib.h>
#include <stdbool.h>

/* Exit codes. */
enum hwq_exit {
	HWQ_AS_EXPECTED = 0,
	HWQ_NOT_AS_EXPECTED = 1,
	HWQ_BAD_INPUT = 2, /* or bad usage */
	HWQ_INTERNAL_ERROR = 3,
};

int hwq_replay(int argc, char **argv);
int hwq_bench(int argc, char **argv);

/*
 * The trace files that PATHS name, directories recursively in byte order of their names. False:
 * a path is missing or unreadable; the message is printed.
 */
bool hwq_find_traces(char **paths, GPtrArray *files);
/* Prints "hwq: " and the message, and the way to the help; returns HWQ_BAD_INPUT. */
int hwq_usage_error(const char *command, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
