// SPDX-License-Identifier: Apache-2.0
#include "emu/profile.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const status_names[] = {
	[PARAMETER_MEASURED] = "measured",
	[PARAMETER_DERIVED] = "derived",
	[PARAMETER_ASSUMED] = "assumed",
};

const char *parameter_status_name(enum parameter_status status)
{
	return status_names[status];
}

struct slice {
	const char *text;
	size_t length;
};

static struct slice trim(struct slice slice)
{
	while (slice.length > 0 && (slice.text[0] == ' ' || slice.text[0] == '\t'))
		slice.text++, slice.length--;
	while (slice.length > 0 &&
	       (slice.text[slice.length - 1] == ' ' || slice.text[slice.length - 1] == '\t'))
		slice.length--;
	return slice;
}

/* Takes what stands before MARK off *REST; all of it when MARK is missing. */
static struct slice take(struct slice *rest, char mark, bool *found)
{
	const char *at = rest->length > 0 ? memchr(rest->text, mark, rest->length) : NULL;
	struct slice head = *rest;
	*found = at != NULL;
	if (at != NULL) {
		head.length = (size_t)(at - rest->text);
		rest->length -= head.length + 1;
		rest->text = at + 1;
	} else {
		rest->length = 0;
	}
	return trim(head);
}

static bool same(struct slice slice, const char *text)
{
	return strlen(text) == slice.length && memcmp(text, slice.text, slice.length) == 0;
}

static bool parse_number(struct slice slice, uint64_t *value)
{
	char digits[24];
	char *end;
	bool hex = slice.length > 2 && slice.text[0] == '0' && slice.text[1] == 'x';
	if (slice.length == 0 || slice.length >= sizeof(digits) || slice.text[0] < '0' ||
	    slice.text[0] > '9')
		return false;
	memcpy(digits, slice.text, slice.length);
	digits[slice.length] = 0;
	errno = 0;
	*value = strtoull(digits, &end, hex ? 16 : 10);
	return end == digits + slice.length && errno == 0;
}

static bool find_status(struct slice slice, enum parameter_status *status)
{
	for (size_t i = 0; i < sizeof(status_names) / sizeof(status_names[0]); i++) {
		if (same(slice, status_names[i])) {
			*status = (enum parameter_status)i;
			return true;
		}
	}
	return false;
}

static const struct parameter_range *find_range(const struct parameter_range *known,
						struct slice name)
{
	for (; known->name != NULL; known++)
		if (same(name, known->name))
			return known;
	return NULL;
}

static const struct parameter *find(const struct profile *profile, const char *name)
{
	for (uint32_t i = 0; i < profile->count; i++)
		if (strcmp(profile->parameters[i].name, name) == 0)
			return &profile->parameters[i];
	return NULL;
}

static int parse_line(struct profile *profile, const char *file, uint32_t number, struct slice line,
		      const struct parameter_range *known, struct trace_diag *diag)
{
	struct trace_pos pos = {number, 1};
	struct slice rest = line;
	bool equals, first, second;
	struct slice name = take(&rest, '=', &equals);
	struct slice value = take(&rest, ';', &first);
	struct slice status = take(&rest, ';', &second);
	struct slice source = trim(rest);
	struct parameter parameter = {0};
	if (!equals || !first || !second || source.length == 0) {
		trace_diag_set(diag, file, pos,
			       "bad parameter line, a part is missing, expected "
			       "'name = value ; status ; source'");
		return -1;
	}
	const struct parameter_range *range = find_range(known, name);
	if (range == NULL) {
		trace_diag_set(diag, file, pos,
			       "unknown parameter '%.*s', no model has it, "
			       "expected a known one",
			       (int)name.length, name.text);
		return -1;
	}
	if (!parse_number(value, &parameter.value)) {
		trace_diag_set(diag, file, pos,
			       "bad value '%.*s', it is no number, expected a "
			       "whole number",
			       (int)value.length, value.text);
		return -1;
	}
	if (parameter.value < range->min || parameter.value > range->max) {
		trace_diag_set(diag, file, pos,
			       "value %.*s out of range, the model can't take it for '%s', "
			       "expected %llu to %llu",
			       (int)value.length, value.text, range->name,
			       (unsigned long long)range->min, (unsigned long long)range->max);
		return -1;
	}
	if (!find_status(status, &parameter.status)) {
		trace_diag_set(diag, file, pos,
			       "bad status '%.*s', it is none of the three, "
			       "expected measured, derived or assumed",
			       (int)status.length, status.text);
		return -1;
	}
	if (name.length >= PROFILE_NAME_MAX || source.length >= PROFILE_SOURCE_MAX ||
	    profile->count == PROFILE_PARAMETERS_MAX) {
		trace_diag_set(diag, file, pos,
			       "parameter too long, or too many of them, expected "
			       "a shorter profile");
		return -1;
	}
	memcpy(parameter.name, name.text, name.length);
	memcpy(parameter.source, source.text, source.length);
	if (find(profile, parameter.name) != NULL) {
		trace_diag_set(diag, file, pos,
			       "parameter '%s' again, it was given before, "
			       "expected it once",
			       parameter.name);
		return -1;
	}
	profile->parameters[profile->count++] = parameter;
	return 0;
}

int profile_parse(struct profile *profile, const char *file, const char *text, size_t length,
		  const struct parameter_range *known, struct trace_diag *diag)
{
	struct slice rest = {text, length};
	memset(profile, 0, sizeof(*profile));
	for (uint32_t number = 1; rest.length > 0; number++) {
		bool ignored;
		struct slice line = take(&rest, '\n', &ignored);
		if (line.length == 0 || line.text[0] == '#')
			continue;
		if (parse_line(profile, file, number, line, known, diag) != 0)
			return -1;
	}
	for (; known->name != NULL; known++) {
		if (find(profile, known->name) != NULL)
			continue;
		trace_diag_set(diag, file, (struct trace_pos){1, 1},
			       "parameter '%s' is missing, every model parameter needs a value, "
			       "expected '%s = ...'",
			       known->name, known->name);
		return -1;
	}
	return 0;
}

uint64_t profile_get(const struct profile *profile, const char *name)
{
	const struct parameter *parameter = find(profile, name);
	assert(parameter != NULL);
	return parameter->value;
}
