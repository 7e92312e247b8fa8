/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios: experiments with several actors, as text.
 *
 * Concepts
 *   scenario    a text that starts with `# hwq-scenario 1`; one line, one thing that happens
 *   actor       `vmm`, `other`, ...: a process, made at its first line; `vmm.2` is its second
 *               thread. `guest`: the VM's vCPU. `host`: the machine's owner
 *   name        $fd: bound where a line first gives it a value, a number ever after
 *   line order  a line starts when the one before it is done; `after T` starts it T after the
 *               start of the line before, without waiting; then both run at once
 *   run-out     when the lines are done, the machine runs until nothing is due
 *   expectation the violations that must happen, exactly; without one, none may
 */
#ifndef HWQ_TOOLS_RUNNER_SCENARIO_H
#define HWQ_TOOLS_RUNNER_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "emu/checker.h"
#include "emu/trace/trace.h"

struct scenario;

enum scenario_result {
	SCENARIO_RAN,
	SCENARIO_BAD_INPUT, /* DIAG says where and why */
};

struct scenario_options {
	const char *profile_dir; /* where `profile NAME` finds its file */
	bool check_steps;        /* save and restore at every step */
};

/* Runs the scenario at PATH. Free the outcome with scenario_free(), also after bad input. */
enum scenario_result scenario_run(const char *path, const struct scenario_options *options,
				  struct scenario **out, struct trace_diag *diag);
void scenario_free(struct scenario *scenario);

/* All results and violations were as the text says. */
bool scenario_as_expected(const struct scenario *scenario);
/* What was not, a line each; and each violation in full. */
void scenario_report(const struct scenario *scenario, FILE *out);

/* One row of the table. Texts live as long as the scenario. */
struct scenario_row {
	const char *title;
	const char *unmapped; /* what the unmap of the queue's page returned */
	const char *hardware; /* what the hardware did after it */
	const char *guest;    /* what the guest can see */
	const char *verdict;
	const char *effect; /* time from revocation to effect */
	const char *depends;
};

struct scenario_row scenario_row(const struct scenario *scenario);

#endif
