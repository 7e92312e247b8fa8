/* SPDX-License-Identifier: Apache-2.0 */
/* What benchmarks share. */
#ifndef HWQ_TOOLS_HWQ_BENCH_H
#define HWQ_TOOLS_HWQ_BENCH_H

#include "emu/machine.h"
#include "tools/hwq/hwq.h"
#include "tools/runner/script.h"

/* CPU time of this process. */
double bench_cpu_seconds(void);
/* One run of the command: what the user wants, and where figures go. */
struct bench_run {
	const struct hwq_options *options;
	JsonBuilder *json; /* NULL: text */
};

/* One line: `name value unit`. */
void bench_figure(struct bench_run *run, const char *name, double value, const char *unit);

/* A machine; where there is no room for one, the program ends with a message. */
struct machine *bench_machine(const struct machine_config *config);

/* TEXT, parsed with the user's options. NULL: the reason is printed, *STATUS is the exit code. */
struct script *bench_script(const struct bench_run *run, const char *text, int *status);

/* Each returns an exit code. */
int bench_amd(struct bench_run *run);
int bench_amd_guests(struct bench_run *run);
int bench_exec(struct bench_run *run);
int bench_timing(struct bench_run *run);
int bench_timing_sweep(struct bench_run *run);
int bench_vcmdq(struct bench_run *run);
int bench_experiment(struct bench_run *run);

#endif
