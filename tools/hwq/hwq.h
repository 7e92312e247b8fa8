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

int hwq_run(int argc, char **argv);
int hwq_replay(int argc, char **argv);
int hwq_bench(int argc, char **argv);

/*
 * The files that PATHS name; of directories those that end in SUFFIX or SUFFIX.zst, recursively,
 * in byte order. False:
 * a path is missing or unreadable; the message is printed.
 */
bool hwq_find_files(char **paths, const char *suffix, GPtrArray *files);
/* Prints "hwq: " and the message, and the way to the help; returns HWQ_BAD_INPUT. */
int hwq_usage_error(const char *command, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
