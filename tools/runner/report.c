// SPDX-License-Identifier: Apache-2.0
#include "tools/runner/report.h"

#include <inttypes.h>
#include <string.h>

#define STORY_WIDTH   100U
#define STORY_RUN_MIN 4U /* calls of one process in a row: told in one line */

static double us(uint64_t ps)
{
	return (double)ps / 1e6;
}

/* --- the story --- */

/* "mmap = 0x7ff..." -> "mmap": the call alone; NULL where it is no call that went well. */
static char *bare_call(const struct story_line *line)
{
	const char *equals = strstr(line->what, " = ");
	bool call = line->line != 0 && equals != NULL && equals[3] != '-' &&
		    (strncmp(line->who, "vmm", 3) == 0 || strncmp(line->who, "other", 5) == 0);
	if (!call)
		return NULL;
	gsize length = (gsize)(equals - line->what);
	const char *space = memchr(line->what, ' ', length);
	return g_strndup(line->what, space != NULL ? (gsize)(space - line->what) : length);
}

/* How many lines from FIRST on are calls of one process. */
static guint run_length(const GPtrArray *story, guint first)
{
	const struct story_line *head = story->pdata[first];
	guint length = 0;
	for (; first + length < story->len; length++) {
		const struct story_line *line = story->pdata[first + length];
		char *name = strcmp(line->who, head->who) == 0 ? bare_call(line) : NULL;
		g_free(name);
		if (name == NULL)
			break;
	}
	return length;
}

static void print_run(const GPtrArray *story, guint first, guint length, FILE *out)
{
	const struct story_line *head = story->pdata[first];
	const struct story_line *last = story->pdata[first + length - 1];
	char *lines = g_strdup_printf("%u-%u", head->line, last->line);
	size_t column =
		(size_t)fprintf(out, "%10.3f %6s  %-15s ", us(head->time_ps), lines, head->who);
	size_t indent = column;
	for (guint i = 0; i < length; i++) {
		char *name = bare_call(story->pdata[first + i]);
		if (i > 0 && column + strlen(name) + 2 > STORY_WIDTH) {
			fprintf(out, ",\n%*s", (int)indent, "");
			column = indent;
		} else if (i > 0) {
			column += (size_t)fprintf(out, ", ");
		}
		column += (size_t)fprintf(out, "%s", name);
		g_free(name);
	}
	fputc('\n', out);
	g_free(lines);
}

static void print_story(const struct outcome *outcome, FILE *out)
{
	const GPtrArray *story = outcome->story;
	if (story->len > 0)
		fprintf(out, "%10s %6s  %-15s %s\n", "us", "line", "who", "what");
	for (guint i = 0; i < story->len;) {
		const struct story_line *line = story->pdata[i];
		guint run = run_length(story, i);
		if (run >= STORY_RUN_MIN) {
			print_run(story, i, run, out);
			i += run;
			continue;
		}
		char *number = line->line != 0 ? g_strdup_printf("%u", line->line) : g_strdup("");
		fprintf(out, "%10.3f %6s  %-15s %s\n", us(line->time_ps), number, line->who,
			line->what);
		g_free(number);
		i++;
	}
	if (outcome->story_left_out > 0)
		fprintf(out, "%u more things happened\n", outcome->story_left_out);
}

/* --- violations --- */

static void print_where(const struct found_violation *found, FILE *out)
{
	fprintf(out, "  %-10s PA 0x%" PRIx64 " +%u",
		found->write        ? "write"
		: found->is_command ? "fetch"
				    : "read",
		found->pa, found->size);
	if (found->has_input)
		fprintf(out, ", for 0x%" PRIx64, found->input);
	if (found->has_ipa)
		fprintf(out, ", IPA 0x%" PRIx64, found->ipa);
	if (found->is_command)
		fprintf(out, ", index %u", found->index);
	if (found->base_by != NULL)
		fprintf(out, "; base set by %s (line %u)", found->base_by, found->base_line);
	fputc('\n', out);
}

static void print_command(const struct found_violation *found, FILE *out)
{
	if (found->ran != NULL)
		fprintf(out, "  ran as     %s%s%s; %s; removed %u cached translations\n",
			found->ran, found->changed[0] != 0 ? ", " : "", found->changed,
			found->reach, found->removed);
	if (found->stopped != NULL)
		fprintf(out, "  stopped    at %s\n", found->stopped);
}

static void print_revocation(const struct found_violation *found, FILE *out)
{
	if (!found->revoked)
		return;
	fprintf(out, "  revoked by ");
	if (found->revoked_line != 0)
		fprintf(out, "line %u ", found->revoked_line);
	fprintf(out, "%s (revoking from %.3f", found->revoked_by, us(found->revoking_ps));
	if (found->cleared_ps != UINT64_MAX)
		fprintf(out, ", tables cleared %.3f", us(found->cleared_ps));
	fprintf(out, ", revoked %.3f us)\n", us(found->revoked_ps));
	for (guint i = 0; i < found->frame_events->len; i++) {
		const struct frame_event *event = found->frame_events->pdata[i];
		fprintf(out, "  %-10s %s at %.3f us", i == 0 ? "the frame" : "", event->what,
			us(event->time_ps));
		if (event->line != 0)
			fprintf(out, ", by line %u%s%s", event->line,
				event->call != NULL ? " " : "",
				event->call != NULL ? event->call : "");
		fputc('\n', out);
	}
}

static void print_depends(const struct outcome *outcome, FILE *out)
{
	const struct other_value *other = outcome_hangs_on(outcome, 0);
	fprintf(out, "  depends on kernel %s; hardware assumptions:%s%s\n", outcome->kernel,
		outcome->hardware[0] != 0 ? " " : "",
		outcome->hardware[0] != 0 ? outcome->hardware
		: other == NULL           ? " none"
					  : "");
	for (guint i = 0; (other = outcome_hangs_on(outcome, i)) != NULL; i++) {
		const struct option_value *values = other->option->values;
		fprintf(out, "             %s=%s [%s, %s]; with %s: %s\n", other->option->key,
			values[other->value].name, values[other->value].tag, other->option->source,
			values[other->another].name, other->verdict);
	}
}

static void print_violation(const struct outcome *outcome, const struct found_violation *found,
			    FILE *out)
{
	fprintf(out, "BUG: %s in %s at %.3f us\n", violation_name(found->kind), found->queue,
		us(found->time_ps));
	print_where(found, out);
	fprintf(out, "  owner      then %s, now %s; the bytes are %s's\n", found->owner_then,
		found->owner_now, found->bytes_of);
	print_command(found, out);
	if (found->guest != NULL)
		fprintf(out, "  guest sees %s\n", found->guest);
	print_revocation(found, out);
	fprintf(out, "  why        %s\n", found->why);
	print_depends(outcome, out);
}

static void print_differences(const struct outcome *outcome, FILE *out)
{
	for (guint i = 0; i < outcome->differences->len; i++) {
		const struct difference_line *difference = outcome->differences->pdata[i];
		fprintf(out, "%s", outcome->path);
		if (difference->line != 0)
			fprintf(out, ":%u", difference->line);
		fprintf(out, ": %s: expected %s, got %s", difference->what, difference->expected,
			difference->got);
		if (difference->rule != NULL)
			fprintf(out, " (%s)", difference->rule);
		fputc('\n', out);
	}
}

void report_print(const struct outcome *outcome, FILE *out)
{
	fprintf(out, "%s: %s\n", outcome->path, outcome->title);
	print_story(outcome, out);
	for (guint i = 0; i < outcome->violations->len; i++)
		print_violation(outcome, outcome->violations->pdata[i], out);
	if (outcome->violation_count > outcome->violations->len)
		fprintf(out, "%u more violations\n",
			outcome->violation_count - outcome->violations->len);
	if (outcome->violation_count == 0) {
		fprintf(out, "no violation\n");
		print_depends(outcome, out);
	}
	print_differences(outcome, out);
}

/* --- the table --- */

#define COLUMNS 8

static const char *const headings[COLUMNS] = {"case",       "profile", "unmap", "hardware then",
					      "guest sees", "verdict", "after", "depends on"};

/* Kernel options, then the keys of assumptions that the verdict hangs on. */
static char *depends_cell(const struct outcome *outcome)
{
	GString *text = g_string_new(outcome->depends);
	const char *last = NULL;
	const struct other_value *other;
	for (guint i = 0; (other = outcome_hangs_on(outcome, i)) != NULL; i++) {
		const char *key = other->option->key;
		if (last == NULL || strcmp(last, key) != 0)
			g_string_append_printf(text, "%s %s", last == NULL ? ";" : ",", key);
		last = key;
	}
	return g_string_free(text, FALSE);
}

static void fill_cells(const struct outcome *outcome, char *cells[COLUMNS])
{
	cells[0] = g_strdup(outcome->title);
	cells[1] = g_strdup(outcome->profile);
	cells[2] = g_strdup(outcome->unmapped);
	cells[3] = g_strdup(outcome->did);
	cells[4] = g_strdup(outcome->guest);
	cells[5] = g_strdup(outcome->verdict);
	cells[6] = g_strdup(outcome->after);
	cells[7] = depends_cell(outcome);
}

static void print_cells(const size_t widths[COLUMNS], const char *const cells[COLUMNS], FILE *out)
{
	for (int i = 0; i < COLUMNS; i++)
		fprintf(out, "%-*s%s", i == COLUMNS - 1 ? 0 : (int)widths[i], cells[i],
			i == COLUMNS - 1 ? "\n" : "  ");
}

void report_table(const GPtrArray *outcomes, FILE *out)
{
	size_t widths[COLUMNS];
	char *(*rows)[COLUMNS] = g_malloc0_n(outcomes->len + 1, sizeof(*rows));
	for (int i = 0; i < COLUMNS; i++)
		widths[i] = strlen(headings[i]);
	for (guint row = 0; row < outcomes->len; row++) {
		fill_cells(outcomes->pdata[row], rows[row]);
		for (int i = 0; i < COLUMNS; i++)
			if (strlen(rows[row][i]) > widths[i])
				widths[i] = strlen(rows[row][i]);
	}
	print_cells(widths, headings, out);
	for (guint row = 0; row < outcomes->len; row++) {
		print_cells(widths, (const char *const *)rows[row], out);
		for (int i = 0; i < COLUMNS; i++)
			g_free(rows[row][i]);
	}
	g_free(rows);
}

void report_side_by_side(struct outcome *const *outcomes, guint count, FILE *out)
{
	char *(*columns)[COLUMNS] = g_malloc0_n(count + 1, sizeof(*columns));
	int first = (int)strlen(headings[3]);
	for (guint i = 0; i < count; i++)
		fill_cells(outcomes[i], columns[i]);
	fprintf(out, "%s: %s\n", outcomes[0]->path, outcomes[0]->title);
	for (int row = 1; row < COLUMNS; row++) {
		fprintf(out, "%-*s", first, row == 1 ? "" : headings[row]);
		for (guint i = 0; i < count; i++) {
			size_t width = 0;
			for (int other = 1; other < COLUMNS; other++)
				width = MAX(width, strlen(columns[i][other]));
			fprintf(out, "  %-*s", i == count - 1 ? 0 : (int)width, columns[i][row]);
		}
		fputc('\n', out);
	}
	for (guint i = 0; i < count; i++)
		for (int row = 0; row < COLUMNS; row++)
			g_free(columns[i][row]);
	g_free(columns);
}
