/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay: issues recorded calls on a machine and compares what comes back.
 *
 * Concepts
 *   binding       a label or address of the recording and what stands for it here. Processes are
 *                 bound by label. Addresses are bound to themselves: the emulated process maps at
 *                 the recorded address, so that answers that hang on alignment stay comparable
 *   equal         every compared thing agrees: result, errno, fields and bytes after the call
 *   differ        one of them does not
 *   unverifiable  the result hangs on what no recording holds: a store of the program into its own
 *                 memory, the contents of a file. Never counted as equal
 *   step check    with options.check_steps each step is done, undone and done again, and must
 *                 lead to the same state
 */
#ifndef HWQ_TOOLS_RUNNER_REPLAY_H
#define HWQ_TOOLS_RUNNER_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/runner/answer.h"
#include "tools/runner/call_watch.h"
#include "tools/runner/recording.h"

#define DIFFERENCE_TEXT_MAX ANSWER_TEXT_MAX

struct difference {
	const struct recorded_call *call;
	const char *field; /* "result", or the field's name, or "address" */
	int64_t offset;    /* of a byte in the field's contents; -1: the field itself */
	char expected[DIFFERENCE_TEXT_MAX];
	char got[DIFFERENCE_TEXT_MAX];
	struct rule rule; /* of the shim; id NULL: none was applied */
};

struct replay_counts {
	uint64_t calls;
	uint64_t equal;
	uint64_t differ;
	uint64_t unverifiable;
	uint64_t results; /* things compared */
	uint64_t errnos;
	uint64_t fields;
	uint64_t bytes;
};

struct replay_events {
	void *context;
	void (*difference)(void *context, const struct difference *difference);
	void (*unverifiable)(void *context, const struct recorded_call *call, const char *reason);
};

struct replay_options {
	struct machine_config machine;
	bool check_steps;
	const char *const *kernel;      /* KEY=VALUE of kernel options, NULL at the end; or NULL */
	const struct call_watch *watch; /* outlives the replay; NULL: nobody */
};

struct replay;

struct replay_options replay_options_default(void);
/* NULL: no address space for the machine. EVENTS must outlive the replay. */
struct replay *replay_new(const struct replay_options *options, const struct replay_events *events);
void replay_free(struct replay *replay);

/* False: the process that it is about is not there yet. */
bool replay_context(struct replay *replay, const struct recorded_context *context);
/* 0, or -1: the machine is at its limit (of memory, or of steps) and the replay can't go on. */
int replay_call(struct replay *replay, const struct recorded_call *call);
/* Checks that need the whole recording: forks whose child never came. */
void replay_end(struct replay *replay);

const struct replay_counts *replay_counts(const struct replay *replay);
struct machine *replay_machine(struct replay *replay);
/* Why replay_call() returned -1. */
const char *replay_failure(const struct replay *replay);
/* Whether that is the emulator's fault rather than the input's. */
bool replay_is_internal(const struct replay *replay);

#endif
