/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/trace/diag.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "file:line:column: " and then the formatted rest, or NULL without memory. */
static char *place_and_text(const char *file, struct trace_pos pos, const char *format,
			    va_list arguments)
{
	va_list again;
	va_copy(again, arguments);
	int place = snprintf(NULL, 0, "%s:%" PRIu32 ":%" PRIu32 ": ", file, pos.line, pos.column);
	int rest = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (place < 0 || rest < 0)
		return NULL;

	size_t size = (size_t)place + (size_t)rest + 1;
	char *text = malloc(size);
	if (!text)
		return NULL;
	snprintf(text, size, "%s:%" PRIu32 ":%" PRIu32 ": ", file, pos.line, pos.column);
	vsnprintf(text + place, size - (size_t)place, format, arguments);
	return text;
}

void trace_diag_set(struct trace_diag *diag, const char *file, struct trace_pos pos,
		    const char *format, ...)
{
	if (!diag)
		return;
	trace_diag_free(diag);
	va_list arguments;
	va_start(arguments, format);
	diag->text = place_and_text(file, pos, format, arguments);
	va_end(arguments);
	diag->pos = pos;
}

void trace_diag_copy(struct trace_diag *to, const struct trace_diag *from)
{
	if (!to)
		return;
	trace_diag_free(to);
	to->pos = from->pos;
	if (!from->text)
		return;
	size_t size = strlen(from->text) + 1;
	to->text = malloc(size);
	if (to->text)
		memcpy(to->text, from->text, size);
}

const char *trace_diag_text(const struct trace_diag *diag)
{
	return diag->text ? diag->text : "out of memory";
}

void trace_diag_free(struct trace_diag *diag)
{
	if (!diag)
		return;
	free(diag->text);
	*diag = (struct trace_diag){0};
}
