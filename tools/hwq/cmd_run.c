// SPDX-License-Identifier: Apache-2.0
/* hwq run: experiments with several actors. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/hwq/hwq.h"
#include "tools/runner/report.h"

struct run {
	struct script_options script;
	struct experiment_options experiment;
	struct machine *machine;
	bool table_only;
	bool sweep;
	bool json;
	char **compare; /* profiles; NULL: each scenario once */
	struct hwq_progress progress;
	GPtrArray *outcomes; /* struct outcome */
};

static int run_file(struct run *run, const char *path)
{
	struct trace_diag diag = {0};
	struct script *script = script_parse(path, &run->script, &diag);
	if (script == NULL) {
		fflush(stdout);
		fprintf(stderr, "%s\n", trace_diag_text(&diag));
		trace_diag_free(&diag);
		return HWQ_BAD_INPUT;
	}
	struct outcome *outcome = experiment_run(script, &run->experiment, &run->machine);
	experiment_sweep(script, outcome, &run->machine);
	g_ptr_array_add(run->outcomes, outcome);
	script_free(script);
	trace_diag_free(&diag);
	return HWQ_AS_EXPECTED;
}

/* On each profile that is compared, or on the scenario's own. */
static int run_on_each(struct run *run, const char *path)
{
	int result = HWQ_AS_EXPECTED;
	if (run->compare == NULL)
		return run_file(run, path);
	for (char **profile = run->compare; *profile != NULL && result == HWQ_AS_EXPECTED;
	     profile++) {
		run->script.profile = *profile;
		result = run_file(run, path);
	}
	return result;
}

static void print_comparisons(const struct run *run)
{
	guint count = g_strv_length(run->compare);
	for (guint i = 0; i < run->outcomes->len; i += count) {
		report_side_by_side((struct outcome *const *)run->outcomes->pdata + i, count,
				    stdout);
		putchar('\n');
	}
}

/* What each other value of a consulted assumption would make of each verdict. */
static void print_sweep(const struct run *run)
{
	printf("assumption                          with                verdict\n");
	for (guint i = 0; i < run->outcomes->len; i++) {
		const struct outcome *outcome = run->outcomes->pdata[i];
		printf("%s: %s\n", outcome->title, outcome->verdict);
		for (guint k = 0; k < outcome->other_values->len; k++) {
			const struct other_value *other = outcome->other_values->pdata[k];
			char *is = g_strdup_printf("%s=%s", other->option->key,
						   other->option->values[other->value].name);
			printf("  %-33s %-19s %s", is, other->option->values[other->another].name,
			       other->changed ? other->verdict : "the same");
			if (strcmp(other->did, outcome->did) != 0)
				printf("; hardware then: %s", other->did);
			if (strcmp(other->guest, outcome->guest) != 0)
				printf("; guest sees: %s", other->guest);
			putchar('\n');
			g_free(is);
		}
	}
	putchar('\n');
}

/* The last line is a contract. */
static void print_text(const struct run *run, guint as_expected)
{
	for (guint i = 0; !run->table_only && i < run->outcomes->len; i++) {
		report_print(run->outcomes->pdata[i], stdout);
		putchar('\n');
	}
	if (run->sweep)
		print_sweep(run);
	if (run->compare != NULL)
		print_comparisons(run);
	else
		report_table(run->outcomes, stdout);
	printf("%u scenarios: %u as expected, %u not\n", run->outcomes->len, as_expected,
	       run->outcomes->len - as_expected);
}

static void print_json(const struct run *run, guint as_expected)
{
	JsonBuilder *json = json_builder_new();
	json_builder_begin_object(json);
	json_builder_set_member_name(json, "scenarios");
	json_builder_begin_array(json);
	for (guint i = 0; i < run->outcomes->len; i++)
		report_json(run->outcomes->pdata[i], json);
	json_builder_end_array(json);
	json_builder_set_member_name(json, "as_expected");
	json_builder_add_int_value(json, as_expected);
	json_builder_set_member_name(json, "not");
	json_builder_add_int_value(json, (gint64)run->outcomes->len - as_expected);
	json_builder_end_object(json);
	hwq_print_json(json);
	g_object_unref(json);
}

static int run_files(struct run *run, const GPtrArray *files)
{
	guint as_expected = 0;
	for (guint i = 0; i < files->len; i++) {
		hwq_progress(&run->progress, i, files->len);
		int result = run_on_each(run, files->pdata[i]);
		if (result != HWQ_AS_EXPECTED)
			return result;
	}
	for (guint i = 0; i < run->outcomes->len; i++) {
		const struct outcome *outcome = run->outcomes->pdata[i];
		as_expected += outcome->as_expected;
	}
	hwq_progress(&run->progress, files->len, files->len);
	if (run->json)
		print_json(run, as_expected);
	else
		print_text(run, as_expected);
	return as_expected == run->outcomes->len ? HWQ_AS_EXPECTED : HWQ_NOT_AS_EXPECTED;
}

/* Also without one. */
static bool open_qemu_events(struct run *run, const char *path)
{
	if (path == NULL)
		return true;
	run->experiment.qemu_events = fopen(path, "w");
	if (run->experiment.qemu_events == NULL)
		fprintf(stderr, "hwq run: %s: cannot be written: %s\n", path, strerror(errno));
	return run->experiment.qemu_events != NULL;
}

static int close_qemu_events(struct run *run, const char *path, int result)
{
	FILE *out = run->experiment.qemu_events;
	if (out == NULL)
		return result;
	bool failed = ferror(out) != 0;
	if (fclose(out) == 0 && !failed)
		return result;
	fprintf(stderr, "hwq run: %s: cannot be written: %s\n", path, strerror(errno));
	return HWQ_INTERNAL_ERROR;
}

static int start(struct run *run, char **paths)
{
	struct machine_config config = machine_config_default();
	GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
	int result = HWQ_BAD_INPUT;
	run->outcomes = g_ptr_array_new_with_free_func((GDestroyNotify)outcome_free);
	if (hwq_find_files(paths, ".hwq", files)) {
		run->machine = machine_new(&config);
		if (run->machine == NULL) {
			fprintf(stderr, "hwq run: no address space for a machine\n");
			result = HWQ_INTERNAL_ERROR;
		} else {
			result = run_files(run, files);
			machine_free(run->machine);
		}
	}
	g_ptr_array_free(run->outcomes, TRUE);
	g_ptr_array_free(files, TRUE);
	return result;
}

int hwq_run(int argc, char **argv)
{
	struct hwq_options shared;
	gboolean table_only = FALSE, check_steps = FALSE, sweep = FALSE;
	gchar *compare = NULL, *qemu_events = NULL;
	const GOptionEntry own[] = {
		{"table", 0, 0, G_OPTION_ARG_NONE, &table_only, "only the table, no reports", NULL},
		{"sweep-assumptions", 0, 0, G_OPTION_ARG_NONE, &sweep,
		 "show what other values of hardware assumptions would make of each verdict", NULL},
		{"compare", 0, 0, G_OPTION_ARG_STRING, &compare,
		 "run each scenario on each profile, outcomes side by side", "PROFILE,PROFILE..."},
		{"qemu-events", 0, 0, G_OPTION_ARG_FILENAME, &qemu_events,
		 "write what the engines do as trace events of QEMU's models", "FILE"},
		{"check-steps", 0, 0, G_OPTION_ARG_NONE, &check_steps,
		 "save and restore at every step; the output must not change", NULL},
		G_OPTION_ENTRY_NULL,
	};
	int result = HWQ_BAD_INPUT;
	if (!hwq_options_parse(&shared, "run", "- run scenarios", "PATH...",
			       "PATH is a scenario (*.hwq, *.hwq.zst) or a directory of them. The "
			       "last line is\n'N scenarios: N as expected, N not'. Options of the "
			       "command line take the place\nof a scenario's own lines.",
			       own, &argc, &argv)) {
		/* said */
	} else if (shared.paths == NULL) {
		hwq_usage_error("run", "no PATH is given");
	} else if (compare != NULL && compare[0] == 0) {
		hwq_usage_error("run", "--compare names no profile");
	} else if (compare != NULL && shared.profile != NULL) {
		hwq_usage_error("run", "--compare and --profile both choose profiles");
	} else if (qemu_events != NULL && (sweep || check_steps || compare != NULL)) {
		hwq_usage_error("run", "--qemu-events is of one run: not with "
				       "--sweep-assumptions, --check-steps or --compare");
	} else {
		struct run run = {
			.script = {.profile = shared.profile,
				   .kernel = (const char *const *)shared.kernel,
				   .hardware = (const char *const *)shared.hardware,
				   .seed = (uint64_t)shared.seed},
			.experiment = {.check_steps = check_steps,
				       .story = !table_only && !shared.json,
				       .other_option = -1},
			.table_only = table_only,
			.sweep = sweep,
			.json = shared.json,
			.compare = compare != NULL ? g_strsplit(compare, ",", -1) : NULL,
		};
		if (open_qemu_events(&run, qemu_events))
			result = close_qemu_events(&run, qemu_events, start(&run, shared.paths));
		g_strfreev(run.compare);
	}
	g_free(compare);
	g_free(qemu_events);
	hwq_options_free(&shared);
	return result;
}
