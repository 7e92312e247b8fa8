// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/hwq/hwq.h"

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
