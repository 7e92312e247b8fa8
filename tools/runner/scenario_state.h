/* SPDX-License-Identifier: Apache-2.0 */
/* What running and reporting a scenario share. */
#ifndef HWQ_TOOLS_RUNNER_SCENARIO_STATE_H
#define HWQ_TOOLS_RUNNER_SCENARIO_STATE_H

#include <glib.h>

#include "tools/runner/recording.h"
#include "tools/runner/scenario.h"

#define SCENARIO_ROW_TEXTS 6

struct arm_smmu;
struct smmu;

struct guest_ram {
	uint64_t gpa;
	uint64_t va; /* in the VMM */
	uint64_t length;
};

struct guest_queue {
	const char *name;
	uint64_t page0; /* va of VINTF page 0 in the VMM */
	uint64_t index; /* logical */
	uint64_t gpa;
	uint64_t entries;
	uint64_t tail; /* commands that the guest has put there */
};

struct scenario_actor {
	char *name;
	struct process *process;
	uint64_t scratch_free; /* va of memory for an argument that no call uses */
};

struct scenario_call {
	struct recorded_call call;
	struct scenario_actor *actor;
	struct syscall *syscall;
	uint64_t scratch;
	uint64_t start_ps;
	uint64_t done_ps;
	int64_t result;
	bool finished;
};

struct scenario {
	struct scenario_options options;
	char *path;
	const char *title;
	struct trace_diag *diag;
	struct trace_arena arena;
	GStringChunk *texts;
	GHashTable *names; /* name -> uint64_t */
	GPtrArray *actors; /* struct scenario_actor */
	GPtrArray *calls;  /* struct scenario_call, in order of the lines */
	guint first_running;
	GArray *ram;    /* struct guest_ram */
	GArray *queues; /* struct guest_queue */
	GString *mismatches;
	GString *depends; /* kernel options that are not 7.3.4's */
	bool expected[VIOLATION_KINDS];
	uint64_t line_start_ps;
	struct machine *machine;
	struct smmu *hardware;
	struct arm_smmu *driver;
	struct checker *checker;
	struct arena_snapshot *snapshot;
	char *row_texts[SCENARIO_ROW_TEXTS];
};

#endif
