/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the hwq program, and what they share. */
#ifndef HWQ_TOOLS_HWQ_HWQ_H
#define HWQ_TOOLS_HWQ_HWQ_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit codes. */
enum hwq_exit {
	HWQ_AS_EXPECTED = 0,
	HWQ_NOT_AS_EXPECTED = 1,
	HWQ_BAD_INPUT = 2, /* or bad usage */
	HWQ_INTERNAL_ERROR = 3,
};

int hwq_run(int argc, char **argv);
int hwq_replay(int argc, char **argv);
int hwq_exec(int argc, char **argv);
int hwq_bench(int argc, char **argv);

/* What every command takes. */
struct hwq_options {
	gboolean json;
	gint64 seed;
	char *profile;
	char **kernel;   /* KEY=VALUE; NULL: none */
	char **hardware; /* the same */
	char **paths;    /* what is no option */
};

/*
 * Parses ARGV: OWN options and the shared ones. SUMMARY and PATHS ("PATH...") are for the help,
 * DESCRIPTION ends it. False: wrong, the message is printed. Free with hwq_options_free().
 */
bool hwq_options_parse(struct hwq_options *options, const char *command, const char *summary,
		       const char *paths, const char *description, const GOptionEntry *own,
		       int *argc, char ***argv);
void hwq_options_free(struct hwq_options *options);

/*
 * The files that PATHS name; of directories those that end in SUFFIX or SUFFIX.zst, recursively,
 * in byte order. False:
 * a path is missing or unreadable; the message is printed.
 */
bool hwq_find_files(char **paths, const char *suffix, GPtrArray *files);
/* Prints "hwq: " and the message, and the way to the help; returns HWQ_BAD_INPUT. */
int hwq_usage_error(const char *command, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Prints what BUILDER has built. */
void hwq_print_json(JsonBuilder *builder);
/* On a terminal, for what takes over a second, where it stands; nothing in a pipe. */
struct hwq_progress {
	gint64 start_us;
};
void hwq_progress(struct hwq_progress *progress, guint done, guint files);

#endif
