// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzz target: any bytes are a scenario, or are refused with a place. What parses is run twice on one
 * machine, renewed in between; half of the inputs with each step undone and done again the second
 * time. Both runs must tell the same.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/runner/experiment.h"
#include "tools/runner/report.h"

#define BYTES_MAX   (16U << 10)
#define ARENA_BYTES (256ULL << 20)
/* Of simulated time; a driver retries for ever where a fault hits every access. */
#define TIME_MAX_PS       200000000000000ULL /* 200 s: ATC_INV times out after 60 s */
#define RETRY_TIME_MAX_PS 10000000000ULL     /* 10 ms */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what)
{
	fprintf(stderr, "fuzz_script: %s\n", what);
	abort();
}

/* Files of the host are no input: an image, or a profile with a '/' in its name. */
static bool names_a_file(const char *text)
{
	if (strstr(text, "load") != NULL)
		return true;
	for (const char *at = text; (at = strstr(at, "profile")) != NULL;) {
		at += strlen("profile");
		const char *word = at + strspn(at, " \t");
		if (memchr(word, '/', strcspn(word, " \t\n")) != NULL)
			return true;
	}
	return false;
}

/* The path of a file with these bytes, which lives as long as *FILE is open. */
static void store(const uint8_t *data, size_t size, int *file, char path[32])
{
	*file = memfd_create("scenario", 0);
	if (*file < 0 || write(*file, data, size) != (ssize_t)size)
		fail("no memory for a file");
	snprintf(path, 32, "/proc/self/fd/%d", *file);
}

static struct script *parse(const char *path)
{
	static const struct script_options options = {.seed = 1};
	struct trace_diag diag = {0};
	struct script *script = script_parse(path, &options, &diag);
	if (script == NULL) {
		const char *text = trace_diag_text(&diag);
		if (strncmp(text, path, strlen(path)) != 0 || strstr(text, ", expected ") == NULL)
			fail("a refusal without its place, or what was expected");
	}
	trace_diag_free(&diag);
	return script;
}

static bool takes_too_long(const struct script *script)
{
	uint64_t total_ps = 0, limit_ps = TIME_MAX_PS;
	for (guint i = 0; i < script->steps->len; i++) {
		const struct script_step *step =
			&g_array_index(script->steps, struct script_step, i);
		uint64_t more_ps = step->start_ps;
		if (step->kind == STEP_RUN)
			more_ps += step->duration_ps;
		else if (step->kind == STEP_DELAY)
			more_ps += step->delay.delay_ps;
		else if (step->kind == STEP_WRITE_FAULT)
			more_ps += step->write_fault.late_ps;
		else if (step->kind == STEP_PORT_FAULT)
			more_ps += step->port_fault.late_ps;
		if (step->kind == STEP_PORT_FAULT && step->port_fault.nth == 0)
			limit_ps = RETRY_TIME_MAX_PS;
		if (more_ps > TIME_MAX_PS)
			return true;
		total_ps += more_ps;
	}
	return total_ps > limit_ps;
}

static char *tell(const struct script *script, bool check_steps, struct machine **machine)
{
	const struct experiment_options options = {
		.check_steps = check_steps, .story = true, .other_option = -1};
	struct outcome *outcome = experiment_run(script, &options, machine);
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	if (out == NULL)
		fail("no memory for a report");
	report_print(outcome, out);
	fprintf(out, "%s|%s|%s|%s|%s|%s\n", outcome->unmapped, outcome->did, outcome->guest,
		outcome->verdict, outcome->after, outcome->depends);
	fprintf(out, "%" PRIu64 "\n", (*machine)->clock.now_ps);
	fclose(out);
	outcome_free(outcome);
	return text;
}

static void run_twice(const struct script *script, bool check_steps)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = ARENA_BYTES;
	struct machine *machine = machine_new(&config);
	if (machine == NULL)
		fail("no machine");
	char *first = tell(script, false, &machine);
	char *second = tell(script, check_steps, &machine);
	if (strcmp(first, second) != 0) {
		fprintf(stderr, "%s\n%s\n", first, second);
		fail("two runs of one scenario differ");
	}
	free(first);
	free(second);
	machine_free(machine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[32];
	int file;
	char *text = g_strndup((const char *)data, size < BYTES_MAX ? size : BYTES_MAX);
	bool skip = strlen(text) != size || names_a_file(text);
	g_free(text);
	if (skip)
		return 0;
	store(data, size, &file, path);
	struct script *script = parse(path);
	if (script != NULL && !takes_too_long(script))
		run_twice(script, size % 2 == 1);
	script_free(script);
	close(file);
	return 0;
}
