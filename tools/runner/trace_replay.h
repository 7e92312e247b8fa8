/* SPDX-License-Identifier: Apache-2.0 */
/* Replays whole trace files: reading, context lines, calls. */
#ifndef HWQ_TOOLS_RUNNER_TRACE_REPLAY_H
#define HWQ_TOOLS_RUNNER_TRACE_REPLAY_H

#include "tools/runner/replay.h"

enum trace_replay_result {
	TRACE_REPLAYED,
	TRACE_BAD_INPUT,      /* DIAG says where and why */
	TRACE_INTERNAL_ERROR, /* DIAG says what */
};

/* Replays the lines of READER, which it closes; counts are added to COUNTS. */
enum trace_replay_result trace_replay(struct trace_reader *reader,
				      const struct replay_options *options,
				      const struct replay_events *events,
				      struct replay_counts *counts, struct trace_diag *diag);

/* A recording that is parsed and decoded once, to be replayed often. */
struct loaded_trace;

struct loaded_trace *trace_load(struct trace_reader *reader, struct trace_diag *diag);
enum trace_replay_result trace_replay_loaded(const struct loaded_trace *trace,
					     const struct replay_options *options,
					     const struct replay_events *events,
					     struct replay_counts *counts, struct trace_diag *diag);
void loaded_trace_free(struct loaded_trace *trace);

#endif
