/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes for people and for programs: reports, the table, JSON. */
#ifndef HWQ_TOOLS_RUNNER_REPORT_H
#define HWQ_TOOLS_RUNNER_REPORT_H

#include <json-glib/json-glib.h>
#include <stdio.h>

#include "tools/runner/experiment.h"

/* The story, each violation in full, then what was not as expected. */
void report_print(const struct outcome *outcome, FILE *out);
/* One scenario on several profiles: a column each. */
void report_side_by_side(struct outcome *const *outcomes, guint count, FILE *out);
/* One row for each of OUTCOMES (struct outcome), under headings. */
void report_table(const GPtrArray *outcomes, FILE *out);
/* One object, as a value where BUILDER stands. */
void report_json(const struct outcome *outcome, JsonBuilder *json);

#endif
