// SPDX-License-Identifier: Apache-2.0
/* The same outcome as JSON. Times are picoseconds, addresses hexadecimal strings. */
#include <inttypes.h>

#include "tools/runner/report.h"

/* NULL becomes null. */
static void member(JsonBuilder *json, const char *name, const char *value)
{
	json_builder_set_member_name(json, name);
	if (value != NULL)
		json_builder_add_string_value(json, value);
	else
		json_builder_add_null_value(json);
}

static void number(JsonBuilder *json, const char *name, uint64_t value)
{
	json_builder_set_member_name(json, name);
	json_builder_add_int_value(json, (gint64)value);
}

static void boolean(JsonBuilder *json, const char *name, bool value)
{
	json_builder_set_member_name(json, name);
	json_builder_add_boolean_value(json, value);
}

static void address(JsonBuilder *json, const char *name, uint64_t value)
{
	char *text = g_strdup_printf("0x%" PRIx64, value);
	member(json, name, text);
	g_free(text);
}

static void list(JsonBuilder *json, const char *name)
{
	json_builder_set_member_name(json, name);
	json_builder_begin_array(json);
}

static void violation(JsonBuilder *json, const struct found_violation *found)
{
	json_builder_begin_object(json);
	member(json, "kind", violation_name(found->kind));
	number(json, "time_ps", found->time_ps);
	member(json, "engine", found->queue);
	member(json, "access", found->write ? "write" : "read");
	boolean(json, "commands", found->is_command);
	address(json, "pa", found->pa);
	if (found->has_input)
		address(json, "input", found->input);
	if (found->has_ipa)
		address(json, "ipa", found->ipa);
	number(json, "bytes", found->size);
	if (found->is_command)
		number(json, "index", found->index);
	member(json, "owner_then", found->owner_then);
	member(json, "owner_now", found->owner_now);
	member(json, "bytes_of", found->bytes_of);
	member(json, "ran", found->ran);
	member(json, "changed", found->changed);
	member(json, "stopped", found->stopped);
	if (found->revoked) {
		member(json, "revoked_by", found->revoked_by);
		number(json, "revoked_line", found->revoked_line);
		number(json, "revoking_ps", found->revoking_ps);
		if (found->cleared_ps != UINT64_MAX)
			number(json, "cleared_ps", found->cleared_ps);
		number(json, "revoked_ps", found->revoked_ps);
	}
	list(json, "frame");
	for (guint i = 0; i < found->frame_events->len; i++) {
		const struct frame_event *event = found->frame_events->pdata[i];
		json_builder_begin_object(json);
		number(json, "time_ps", event->time_ps);
		member(json, "what", event->what);
		number(json, "line", event->line);
		member(json, "call", event->call);
		json_builder_end_object(json);
	}
	json_builder_end_array(json);
	member(json, "why", found->why);
	json_builder_end_object(json);
}

static void differences(JsonBuilder *json, const struct outcome *outcome)
{
	list(json, "differences");
	for (guint i = 0; i < outcome->differences->len; i++) {
		const struct difference_line *difference = outcome->differences->pdata[i];
		json_builder_begin_object(json);
		number(json, "line", difference->line);
		member(json, "what", difference->what);
		member(json, "expected", difference->expected);
		member(json, "got", difference->got);
		member(json, "rule", difference->rule);
		json_builder_end_object(json);
	}
	json_builder_end_array(json);
}

static void other_values(JsonBuilder *json, const struct outcome *outcome)
{
	list(json, "other_values");
	for (guint i = 0; i < outcome->other_values->len; i++) {
		const struct other_value *other = outcome->other_values->pdata[i];
		json_builder_begin_object(json);
		member(json, "assumption", other->option->key);
		member(json, "value", other->option->values[other->value].name);
		member(json, "source", other->option->source);
		member(json, "another", other->option->values[other->another].name);
		member(json, "verdict", other->verdict);
		member(json, "hardware_then", other->did);
		member(json, "guest_sees", other->guest);
		boolean(json, "changed", other->changed);
		json_builder_end_object(json);
	}
	json_builder_end_array(json);
}

void report_json(const struct outcome *outcome, JsonBuilder *json)
{
	json_builder_begin_object(json);
	char *path = g_filename_display_name(outcome->path); /* JSON is UTF-8 */
	member(json, "file", path);
	g_free(path);
	member(json, "title", outcome->title);
	member(json, "profile", outcome->profile);
	boolean(json, "as_expected", outcome->as_expected);
	member(json, "verdict", outcome->verdict);
	member(json, "unmap", outcome->unmapped);
	member(json, "hardware_then", outcome->did);
	member(json, "guest_sees", outcome->guest);
	member(json, "after", outcome->after);
	member(json, "kernel", outcome->kernel);
	member(json, "hardware", outcome->hardware);
	list(json, "violations");
	for (guint i = 0; i < outcome->violations->len; i++)
		violation(json, outcome->violations->pdata[i]);
	json_builder_end_array(json);
	number(json, "violation_count", outcome->violation_count);
	differences(json, outcome);
	other_values(json, outcome);
	json_builder_end_object(json);
}
