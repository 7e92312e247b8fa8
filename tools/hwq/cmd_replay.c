// SPDX-License-Identifier: Apache-2.0
/* hwq replay: recordings of a real kernel against the shim. */
#include <inttypes.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

#include "tools/hwq/hwq.h"
#include "tools/runner/trace_replay.h"

#define MEMORY_MIB_MAX (1 << 24)
#define SHOWN_MAX      20U /* differences in full; the rest is counted */

struct session {
	struct replay_options options;
	const char *file;
	struct replay_counts counts;
	uint64_t shown;
	bool list_unverifiable;
	bool quiet;
	struct hwq_progress progress;
	JsonBuilder *json; /* NULL: text */
};

static void rule_text(const struct difference *difference, char *text, size_t size)
{
	const struct recorded_call *call = difference->call;
	if (difference->rule.id != NULL)
		snprintf(text, size, "%s: %s", difference->rule.id, difference->rule.why);
	else if (call->layout != NULL)
		snprintf(text, size, "iommufd %s (%s%s%s), no refusal", call->layout->section,
			 call->layout->name, call->test_op != NULL ? " " : "",
			 call->test_op != NULL ? call->test_op->name : "");
	else
		snprintf(text, size, "none of iommufd's: the emulated system call answered");
}

static void json_member(JsonBuilder *json, const char *name, const char *value)
{
	json_builder_set_member_name(json, name);
	json_builder_add_string_value(json, value);
}

static void json_number(JsonBuilder *json, const char *name, uint64_t value)
{
	json_builder_set_member_name(json, name);
	json_builder_add_int_value(json, (gint64)value);
}

static void difference_json(struct session *session, const struct difference *difference,
			    const char *field, const char *rule)
{
	json_builder_begin_object(session->json);
	char *file = g_filename_display_name(session->file); /* JSON is UTF-8 */
	json_member(session->json, "file", file);
	g_free(file);
	json_number(session->json, "line", difference->call->line);
	json_member(session->json, "field", field);
	json_member(session->json, "expected", difference->expected);
	json_member(session->json, "got", difference->got);
	json_member(session->json, "rule", rule);
	json_builder_end_object(session->json);
}

static void on_difference(void *context, const struct difference *difference)
{
	struct session *session = context;
	char rule[256], field[96];
	rule_text(difference, rule, sizeof(rule));
	if (difference->offset >= 0)
		snprintf(field, sizeof(field), "%s, byte %" PRId64, difference->field,
			 difference->offset);
	else
		snprintf(field, sizeof(field), "%s", difference->field);
	if (session->json != NULL) {
		difference_json(session, difference, field, rule);
		return;
	}
	if (session->shown++ >= SHOWN_MAX)
		return;
	struct trace_text text = {0};
	trace_print_call(difference->call->source, &text);
	printf("%s:%u: %.*s%s\n", session->file, difference->call->line,
	       text.length > 400 ? 400 : (int)text.length, text.data,
	       text.length > 400 ? " ..." : "");
	printf("  field     %s\n  expected  %s\n  got       %s\n  rule      %s\n", field,
	       difference->expected, difference->got, rule);
	trace_text_free(&text);
}

static void on_unverifiable(void *context, const struct recorded_call *call, const char *reason)
{
	struct session *session = context;
	if (session->list_unverifiable && session->json == NULL)
		printf("%s:%u: unverifiable: %s\n", session->file, call->line, reason);
}

static void print_file(const struct session *session, const struct replay_counts *before)
{
	const struct replay_counts *now = &session->counts;
	if (session->quiet || session->json != NULL)
		return;
	printf("%s: %" PRIu64 " calls, %" PRIu64 " differ, %" PRIu64 " unverifiable\n",
	       session->file, now->calls - before->calls, now->differ - before->differ,
	       now->unverifiable - before->unverifiable);
}

/* The summary; its last line is a contract. */
static void print_counts(const struct session *session, guint files)
{
	const struct replay_counts *counts = &session->counts;
	printf("compared in %u file%s: %" PRIu64 " results (%" PRIu64 " errnos), %" PRIu64
	       " structs after the call, %" PRIu64 " bytes of memory\n",
	       files, files == 1 ? "" : "s", counts->results, counts->errnos, counts->fields,
	       counts->bytes);
	if (session->shown > SHOWN_MAX)
		printf("%" PRIu64 " more differences are not shown\n", session->shown - SHOWN_MAX);
	printf("%" PRIu64 " calls: %" PRIu64 " equal, %" PRIu64 " differ, %" PRIu64
	       " unverifiable\n",
	       counts->calls, counts->equal, counts->differ, counts->unverifiable);
}

static void print_json(struct session *session, guint files)
{
	const struct replay_counts *counts = &session->counts;
	JsonBuilder *json = session->json;
	json_builder_end_array(json);
	json_number(json, "files", files);
	json_number(json, "calls", counts->calls);
	json_number(json, "equal", counts->equal);
	json_number(json, "differ", counts->differ);
	json_number(json, "unverifiable", counts->unverifiable);
	json_builder_end_object(json);
	hwq_print_json(json);
}

static int replay_file(struct session *session)
{
	struct trace_diag diag = {0};
	struct replay_counts before = session->counts;
	struct replay_events events = {session, on_difference, on_unverifiable};
	enum trace_replay_result result = TRACE_BAD_INPUT;
	struct trace_reader *reader = trace_reader_open(session->file, &diag);
	if (reader != NULL)
		result = trace_replay(reader, &session->options, &events, &session->counts, &diag);
	if (result != TRACE_REPLAYED) {
		fflush(stdout);
		fprintf(stderr, "%s\n", diag.text != NULL ? diag.text : "hwq: out of memory");
	} else {
		print_file(session, &before);
	}
	trace_diag_free(&diag);
	if (result == TRACE_REPLAYED)
		return HWQ_AS_EXPECTED;
	return result == TRACE_BAD_INPUT ? HWQ_BAD_INPUT : HWQ_INTERNAL_ERROR;
}

static int replay_files(struct session *session, GPtrArray *files)
{
	int worst = HWQ_AS_EXPECTED;
	if (session->json != NULL) {
		json_builder_begin_object(session->json);
		json_builder_set_member_name(session->json, "differences");
		json_builder_begin_array(session->json);
	}
	for (guint i = 0; i < files->len && worst == HWQ_AS_EXPECTED; i++) {
		session->file = files->pdata[i];
		hwq_progress(&session->progress, i, files->len);
		worst = replay_file(session);
	}
	hwq_progress(&session->progress, files->len, files->len);
	if (worst != HWQ_AS_EXPECTED)
		return worst;
	if (session->json != NULL)
		print_json(session, files->len);
	else
		print_counts(session, files->len);
	return session->counts.differ > 0 ? HWQ_NOT_AS_EXPECTED : HWQ_AS_EXPECTED;
}

int hwq_replay(int argc, char **argv)
{
	struct session session = {.options = replay_options_default()};
	struct hwq_options shared;
	gboolean check_steps = FALSE, list = FALSE, quiet = FALSE;
	char *target = NULL;
	int64_t memory_mib = (int64_t)(session.options.machine.arena_bytes >> 20);
	const GOptionEntry own[] = {
		{"target", 0, 0, G_OPTION_ARG_STRING, &target, "what answers the calls: shim",
		 "shim"},
		{"list-unverifiable", 0, 0, G_OPTION_ARG_NONE, &list,
		 "name each line that a replay can't verify, and why", NULL},
		{"check-steps", 0, 0, G_OPTION_ARG_NONE, &check_steps,
		 "save and restore at every step; the output must not change", NULL},
		{"memory-limit", 0, 0, G_OPTION_ARG_INT64, &memory_mib,
		 "limit of the emulator's own memory, MiB", "N"},
		{"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "no line a file", NULL},
		G_OPTION_ENTRY_NULL,
	};
	int result = HWQ_BAD_INPUT;
	if (!hwq_options_parse(&shared, "replay", "- replay recorded iommufd calls", "PATH...",
			       "PATH is a trace (*.trace, *.trace.zst) or a directory of them. The "
			       "last line is\n"
			       "'N calls: N equal, N differ, N unverifiable'. Recordings reach the "
			       "mock driver\n"
			       "alone: --profile and --hardware change nothing in them.",
			       own, &argc, &argv)) {
		/* said */
	} else if (shared.paths == NULL) {
		hwq_usage_error("replay", "no PATH is given");
	} else if (target != NULL && strcmp(target, "shim") != 0) {
		hwq_usage_error("replay", "unknown target '%s', expected 'shim'", target);
	} else if (shared.json && list) {
		hwq_usage_error("replay", "--list-unverifiable lists in text, not with --json");
	} else if (memory_mib < 1 || memory_mib > MEMORY_MIB_MAX) {
		hwq_usage_error("replay", "--memory-limit must be between 1 and %d",
				MEMORY_MIB_MAX);
	} else {
		GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
		session.options.machine.arena_bytes = (uint64_t)memory_mib << 20;
		session.options.machine.seed = (uint64_t)shared.seed;
		session.options.check_steps = check_steps;
		session.options.kernel = (const char *const *)shared.kernel;
		session.list_unverifiable = list;
		session.quiet = quiet;
		session.json = shared.json ? json_builder_new() : NULL;
		if (hwq_find_files(shared.paths, ".trace", files))
			result = replay_files(&session, files);
		g_clear_object(&session.json);
		g_ptr_array_free(files, TRUE);
	}
	hwq_options_free(&shared);
	g_free(target);
	return result;
}
