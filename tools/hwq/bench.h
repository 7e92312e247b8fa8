/* SPDX-License-Identifier: Apache-2.0 */
/* What benchmarks share. */
#ifndef HWQ_TOOLS_HWQ_BENCH_H
#define HWQ_TOOLS_HWQ_BENCH_H

/* CPU time of this process. */
double bench_cpu_seconds(void);
/* One line: `name value unit`. */
void bench_figure(const char *name, double value, const char *unit);

int bench_vcmdq(void);
int bench_experiment(void);

#endif
