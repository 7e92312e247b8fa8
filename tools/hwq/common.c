// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel_shim/options.h"
#include "tools/hwq/hwq.h"
#include "tools/runner/platform.h"

int hwq_usage_error(const char *command, const char *format, ...)
{
	va_list args;
	fprintf(stderr, "hwq %s: ", command);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (hwq %s --help)\n", command);
	return HWQ_BAD_INPUT;
}

/* --- options --- */

static void list_options(const struct option *options)
{
	for (; options->key != NULL; options++) {
		fprintf(stderr, "  %s=", options->key);
		for (uint32_t i = 0; i < option_value_count(options); i++)
			fprintf(stderr, "%s%s", i > 0 ? "|" : "", options->values[i].name);
		fprintf(stderr, "  (%s)\n", options->source);
	}
}

static bool check_kernel(const char *command, char **texts)
{
	unsigned option, value;
	for (; texts != NULL && *texts != NULL; texts++) {
		if (option_find(kernel_options, *texts, &option, &value))
			continue;
		hwq_usage_error(command, "unknown kernel option '%s', expected one of:", *texts);
		list_options(kernel_options);
		return false;
	}
	return true;
}

static bool check_hardware(const char *command, char **texts)
{
	unsigned option, value;
	for (; texts != NULL && *texts != NULL; texts++) {
		bool found = false;
		for (size_t i = 0; platform_at(i) != NULL; i++)
			found |= option_find(platform_at(i)->assumptions, *texts, &option, &value);
		if (found)
			continue;
		hwq_usage_error(command,
				"unknown hardware assumption '%s', expected one of:", *texts);
		for (size_t i = 0; platform_at(i) != NULL; i++)
			list_options(platform_at(i)->assumptions);
		return false;
	}
	return true;
}

bool hwq_options_parse(struct hwq_options *options, const char *command, const char *summary,
		       const char *paths, const char *description, const GOptionEntry *own,
		       int *argc, char ***argv)
{
	*options = (struct hwq_options){.seed = 1};
	const GOptionEntry shared[] = {
		{"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "one JSON object instead of text",
		 NULL},
		{"seed", 0, 0, G_OPTION_ARG_INT64, &options->seed,
		 "of what is chosen at random (default 1)", "N"},
		{"profile", 0, 0, G_OPTION_ARG_STRING, &options->profile,
		 "hardware parameters: one that is built in, or a file with a '/' in its name",
		 "NAME|FILE"},
		{"kernel", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->kernel,
		 "the emulated kernel decides otherwise", "KEY=VALUE"},
		{"hardware", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->hardware,
		 "another assumption about the hardware", "KEY=VALUE"},
		{G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->paths, NULL,
		 paths},
		G_OPTION_ENTRY_NULL,
	};
	GError *error = NULL;
	GOptionContext *context = g_option_context_new(summary);
	g_option_context_add_main_entries(context, own, NULL);
	g_option_context_add_main_entries(context, shared, NULL);
	g_option_context_set_description(context, description);
	bool ok = g_option_context_parse(context, argc, argv, &error);
	if (!ok) {
		hwq_usage_error(command, "%s", error->message);
		g_error_free(error);
	} else if (options->seed <= 0) {
		hwq_usage_error(command, "--seed must be 1 or more");
		ok = false;
	} else {
		ok = check_kernel(command, options->kernel) &&
		     check_hardware(command, options->hardware);
	}
	g_option_context_free(context);
	return ok;
}

void hwq_options_free(struct hwq_options *options)
{
	g_free(options->profile);
	g_strfreev(options->kernel);
	g_strfreev(options->hardware);
	g_strfreev(options->paths);
}

/* --- output --- */

void hwq_print_json(JsonBuilder *builder)
{
	JsonNode *root = json_builder_get_root(builder);
	char *text = json_to_string(root, TRUE);
	puts(text);
	g_free(text);
	json_node_unref(root);
}

void hwq_progress(struct hwq_progress *progress, guint done, guint files)
{
	gint64 now_us = g_get_monotonic_time();
	if (progress->start_us == 0)
		progress->start_us = now_us;
	if (!isatty(STDERR_FILENO) || now_us - progress->start_us < G_USEC_PER_SEC)
		return;
	fprintf(stderr, "\r%u of %u files%s", done, files, done == files ? "\r\033[K" : "");
}

/* --- files --- */

/* SUFFIX, or SUFFIX.zst */
static bool has_suffix(const char *name, const char *suffix)
{
	char *packed = g_strconcat(suffix, ".zst", NULL);
	bool found = g_str_has_suffix(name, suffix) || g_str_has_suffix(name, packed);
	g_free(packed);
	return found;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool add_directory(const char *path, const char *suffix, GPtrArray *files)
{
	GError *error = NULL;
	GDir *dir = g_dir_open(path, 0, &error);
	if (dir == NULL) {
		fprintf(stderr, "%s:1:1: directory can't be read, %s, expected a readable one\n",
			path, error->message);
		g_error_free(error);
		return false;
	}
	GPtrArray *entries = g_ptr_array_new_with_free_func(g_free);
	const char *name;
	while ((name = g_dir_read_name(dir)) != NULL)
		g_ptr_array_add(entries, g_build_filename(path, name, NULL));
	g_dir_close(dir);
	g_ptr_array_sort(entries, by_bytes);
	bool ok = true;
	for (guint i = 0; ok && i < entries->len; i++) {
		char *entry = entries->pdata[i];
		bool link = g_file_test(entry, G_FILE_TEST_IS_SYMLINK); /* could be a cycle */
		if (g_file_test(entry, G_FILE_TEST_IS_DIR))
			ok = link || add_directory(entry, suffix, files);
		else if (has_suffix(entry, suffix) && g_file_test(entry, G_FILE_TEST_IS_REGULAR))
			g_ptr_array_add(files, g_strdup(entry));
	}
	g_ptr_array_free(entries, TRUE);
	return ok;
}

bool hwq_find_files(char **paths, const char *suffix, GPtrArray *files)
{
	for (; *paths != NULL; paths++) {
		if (!g_file_test(*paths, G_FILE_TEST_EXISTS)) {
			fprintf(stderr,
				"%s:1:1: no such file, it does not exist, expected a trace "
				"or a directory of them\n",
				*paths);
			return false;
		}
		if (g_file_test(*paths, G_FILE_TEST_IS_DIR)) {
			guint before = files->len;
			if (!add_directory(*paths, suffix, files))
				return false;
			if (files->len == before) {
				fprintf(stderr,
					"%s:1:1: no traces, the directory holds none, expected "
					"files named *%s or *%s.zst\n",
					*paths, suffix, suffix);
				return false;
			}
		} else {
			g_ptr_array_add(files, g_strdup(*paths));
		}
	}
	return true;
}
