// SPDX-License-Identifier: Apache-2.0
#include "tools/runner/platform.h"

#include <string.h>

#include "tools/runner/builtin_profiles.h"

#define HEADER "# hwq-profile 1 "

static const struct platform *const platforms[] = {&platform_nvidia, &platform_amd};

const struct platform *platform_at(size_t index)
{
	return index < G_N_ELEMENTS(platforms) ? platforms[index] : NULL;
}

const struct platform *platform_by_name(const char *name, size_t length)
{
	for (size_t i = 0; i < G_N_ELEMENTS(platforms); i++)
		if (strlen(platforms[i]->name) == length &&
		    memcmp(platforms[i]->name, name, length) == 0)
			return platforms[i];
	return NULL;
}

/* The first line names the platform whose parameters follow. */
static int parse_text(const char *file, const char *text, size_t length, struct profile *profile,
		      const struct platform **platform, struct trace_diag *diag)
{
	const char *end = length > 0 ? memchr(text, '\n', length) : NULL;
	size_t line = end != NULL ? (size_t)(end - text) : length, header = strlen(HEADER);
	*platform = NULL;
	if (line > header && memcmp(text, HEADER, header) == 0)
		*platform = platform_by_name(text + header, line - header);
	if (*platform == NULL) {
		trace_diag_set(diag, file, (struct trace_pos){1, 1},
			       "unknown header, line 1 names the format and the engine, expected "
			       "'" HEADER "%s'",
			       platforms[0]->name);
		return -1;
	}
	return profile_parse(profile, file, text, length, (*platform)->parameters, diag);
}

static int unknown_profile(const char *name, const char *file, struct trace_pos pos,
			   struct trace_diag *diag)
{
	struct nearest nearest;
	nearest_start(&nearest, name, strlen(name));
	for (const struct builtin_profile *known = builtin_profiles; known->name != NULL; known++)
		nearest_try(&nearest, known->name);
	trace_diag_set(diag, file, pos,
		       "unknown profile '%s', none of that name is built in, expected %s%s%s or a "
		       "file with a '/' in its name",
		       name, nearest.best != NULL ? "perhaps '" : "a known one",
		       nearest.best != NULL ? nearest.best : "", nearest.best != NULL ? "'" : "");
	return -1;
}

static bool find_in_window(const struct register_window *window, const char *name, struct pa *pa,
			   unsigned *width)
{
	uint64_t offset;
	if (name[0] == '.' && window->rows != NULL) {
		uint32_t row_offset;
		if (!register_by_name(window->rows, name + 1, &row_offset, width))
			return false;
		offset = row_offset;
	} else {
		*width = window->width;
		if (name[0] != '+' || !number_parse(name + 1, strlen(name + 1), &offset) ||
		    offset >= window->size || offset % *width != 0)
			return false;
	}
	*pa = pa_of(window->base.value + offset);
	return true;
}

bool platform_find_register(const struct platform *platform, const char *name, struct pa *pa,
			    unsigned *width)
{
	for (const struct register_window *window = platform->windows; window->name != NULL;
	     window++) {
		size_t length = strlen(window->name);
		if (strncmp(name, window->name, length) == 0 &&
		    find_in_window(window, name + length, pa, width))
			return true;
	}
	return false;
}

static void visit_row(const struct register_window *window, const struct register_row *row,
		      void (*visit)(void *context, const char *name), void *context)
{
	for (uint32_t i = 0; i < row->count; i++) {
		char *name = row->count > 1 ? g_strdup_printf("%s.%s%u", window->name, row->name, i)
					    : g_strdup_printf("%s.%s", window->name, row->name);
		visit(context, name);
		g_free(name);
	}
}

void platform_each_register(const struct platform *platform,
			    void (*visit)(void *context, const char *name), void *context)
{
	for (const struct register_window *window = platform->windows; window->name != NULL;
	     window++)
		for (const struct register_row *row = window->rows;
		     row != NULL && row->name != NULL; row++)
			visit_row(window, row, visit, context);
}

int platform_profile(const char *name, const char *file, struct trace_pos pos,
		     struct profile *profile, const struct platform **platform,
		     struct trace_diag *diag)
{
	if (strchr(name, '/') != NULL) {
		gchar *text;
		gsize length;
		if (!g_file_test(name, G_FILE_TEST_IS_REGULAR) ||
		    !g_file_get_contents(name, &text, &length, NULL)) {
			trace_diag_set(diag, file, pos,
				       "profile '%s' can't be read, expected a readable file",
				       name);
			return -1;
		}
		int error = parse_text(name, text, length, profile, platform, diag);
		g_free(text);
		return error;
	}
	for (const struct builtin_profile *known = builtin_profiles; known->name != NULL; known++)
		if (strcmp(known->name, name) == 0)
			return parse_text(name, (const char *)known->text, known->length, profile,
					  platform, diag);
	return unknown_profile(name, file, pos, diag);
}

int platform_probes(const struct platform *platform, const struct profile *profile,
		    const char *name, const char *file, struct trace_pos pos,
		    struct trace_diag *diag)
{
	const char *why = platform->refused != NULL ? platform->refused(profile) : NULL;
	if (why == NULL)
		return 0;
	trace_diag_set(diag, file, pos,
		       "profile '%s' is refused by the driver, %s, expected hardware that it takes",
		       name, why);
	return -1;
}
