// SPDX-License-Identifier: Apache-2.0
/* Stands in for libFuzzer: feeds the empty input, then each file of the folders given, once. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool replay_file(const char *path)
{
	g_autofree char *text = NULL;
	g_autoptr(GError) error = NULL;
	uint8_t *data;
	gsize size;

	if (!g_file_get_contents(path, &text, &size, &error)) {
		fprintf(stderr, "%s\n", error->message);
		return false;
	}
	/* A copy of the exact size: a sanitizer then sees a read past the end. */
	data = malloc(size);
	if (!data && size) {
		fprintf(stderr, "%s: out of memory\n", path);
		return false;
	}
	if (size)
		memcpy(data, text, size);
	printf("%s\n", path);
	fflush(stdout); /* names the input if the next line crashes */
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return true;
}

static bool replay_folder(const char *folder)
{
	struct dirent **entries;
	bool ok = true;
	int count = scandir(folder, &entries, is_visible, alphasort);

	if (count < 0) {
		fprintf(stderr, "%s: %s; a fuzz target needs a corpus\n", folder, strerror(errno));
		return false;
	}
	for (int i = 0; i < count; i++) {
		g_autofree char *path = g_build_filename(folder, entries[i]->d_name, NULL);

		ok = replay_file(path) && ok;
		free(entries[i]);
	}
	free(entries);
	printf("%s: %d inputs\n", folder, count);
	return ok;
}

int main(int argc, char **argv)
{
	bool ok = true;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		ok = replay_folder(argv[i]) && ok;
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
