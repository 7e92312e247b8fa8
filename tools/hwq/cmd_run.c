// SPDX-License-Identifier: Apache-2.0
/* hwq run: experiments with several actors. */
#include <stdio.h>
#include <string.h>

#include "tools/hwq/hwq.h"
#include "tools/runner/scenario.h"

#define COLUMNS 7

static const char *const headings[COLUMNS] = {"case",    "unmap", "hardware then", "guest sees",
					      "verdict", "after", "depends on"};

static const char *cell(const struct scenario_row *row, int column)
{
	const char *const cells[COLUMNS] = {row->title,   row->unmapped, row->hardware, row->guest,
					    row->verdict, row->effect,   row->depends};
	return cells[column];
}

static void print_cells(const size_t widths[COLUMNS], const char *const cells[COLUMNS])
{
	for (int i = 0; i < COLUMNS; i++)
		printf("%-*s%s", i == COLUMNS - 1 ? 0 : (int)widths[i], cells[i],
		       i == COLUMNS - 1 ? "\n" : "  ");
}

static void print_table(GPtrArray *scenarios)
{
	size_t widths[COLUMNS];
	const char *cells[COLUMNS];
	for (int i = 0; i < COLUMNS; i++) {
		widths[i] = strlen(headings[i]);
		for (guint s = 0; s < scenarios->len; s++) {
			struct scenario_row row = scenario_row(scenarios->pdata[s]);
			size_t width = strlen(cell(&row, i));
			widths[i] = width > widths[i] ? width : widths[i];
		}
	}
	print_cells(widths, headings);
	for (guint s = 0; s < scenarios->len; s++) {
		struct scenario_row row = scenario_row(scenarios->pdata[s]);
		for (int i = 0; i < COLUMNS; i++)
			cells[i] = cell(&row, i);
		print_cells(widths, cells);
	}
}

static int run_all(GPtrArray *files, const struct scenario_options *options, bool table_only)
{
	GPtrArray *scenarios = g_ptr_array_new_with_free_func((GDestroyNotify)scenario_free);
	guint as_expected = 0;
	int result = HWQ_AS_EXPECTED;
	for (guint i = 0; i < files->len && result == HWQ_AS_EXPECTED; i++) {
		struct scenario *scenario = NULL;
		struct trace_diag diag = {0};
		if (scenario_run(files->pdata[i], options, &scenario, &diag) != SCENARIO_RAN) {
			fflush(stdout);
			fprintf(stderr, "%s\n", diag.text != NULL ? diag.text : "hwq: no memory");
			result = HWQ_BAD_INPUT;
		}
		g_ptr_array_add(scenarios, scenario);
		trace_diag_free(&diag);
		if (result == HWQ_AS_EXPECTED && !table_only) {
			scenario_report(scenario, stdout);
			putchar('\n');
		}
	}
	if (result == HWQ_AS_EXPECTED) {
		for (guint i = 0; i < scenarios->len; i++)
			as_expected += scenario_as_expected(scenarios->pdata[i]);
		print_table(scenarios);
		printf("%u scenarios: %u as expected, %u not\n", scenarios->len, as_expected,
		       scenarios->len - as_expected);
		if (as_expected < scenarios->len)
			result = HWQ_NOT_AS_EXPECTED;
	}
	g_ptr_array_free(scenarios, TRUE);
	return result;
}

int hwq_run(int argc, char **argv)
{
	struct scenario_options options = {.profile_dir = "profiles"};
	gboolean table_only = FALSE, check_steps = FALSE;
	char **paths = NULL, *profiles = NULL;
	const GOptionEntry entries[] = {
		{"profiles", 0, 0, G_OPTION_ARG_FILENAME, &profiles,
		 "directory of hardware profiles (default: profiles)", "DIR"},
		{"check-steps", 0, 0, G_OPTION_ARG_NONE, &check_steps,
		 "save and restore at every step; the output must not change", NULL},
		{"table", 0, 0, G_OPTION_ARG_NONE, &table_only, "only the table, no reports", NULL},
		{G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL, "PATH..."},
		G_OPTION_ENTRY_NULL,
	};
	GError *error = NULL;
	GOptionContext *context = g_option_context_new("- run scenarios");
	g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_set_description(
		context, "PATH is a scenario (*.hwq) or a directory of them. The last line is\n"
			 "'N scenarios: N as expected, N not'.");
	int result = HWQ_BAD_INPUT;
	if (!g_option_context_parse(context, &argc, &argv, &error)) {
		hwq_usage_error("run", "%s", error->message);
		g_error_free(error);
	} else if (paths == NULL) {
		hwq_usage_error("run", "no PATH is given");
	} else {
		GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
		if (profiles != NULL)
			options.profile_dir = profiles;
		options.check_steps = check_steps;
		if (hwq_find_files(paths, ".hwq", files))
			result = run_all(files, &options, table_only);
		g_ptr_array_free(files, TRUE);
	}
	g_option_context_free(context);
	g_strfreev(paths);
	g_free(profiles);
	return result;
}
