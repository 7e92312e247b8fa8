// SPDX-License-Identifier: Apache-2.0
/* hwq exec: runs a program against the shim. */
#include <string.h>

#include "tools/exec/exec.h"
#include "tools/hwq/hwq.h"

static const char description[] =
	"The program finds the shim behind /dev/iommu; everything else is the system's own.\n"
	"The exit status is the program's (128 + N when signal N ended it; 127: not found).\n";

int hwq_exec(int argc, char **argv)
{
	struct hwq_options options;
	char *trace = NULL;
	gboolean check = FALSE;
	const GOptionEntry own[] = {
		{"trace", 0, 0, G_OPTION_ARG_FILENAME, &trace,
		 "record what the program asked for, for hwq replay", "FILE"},
		{"check", 0, 0, G_OPTION_ARG_NONE, &check,
		 "print violations as they happen (with --profile)", NULL},
		G_OPTION_ENTRY_NULL,
	};
	int result = HWQ_BAD_INPUT;
	if (hwq_options_parse(&options, "exec", "- run a program against the shim",
			      "-- PROGRAM [ARG...]", description, own, &argc, &argv)) {
		struct exec_options exec = {
			.program = options.paths,
			.trace = trace,
			.profile = options.profile,
			.check = check,
			.kernel = (const char *const *)options.kernel,
			.hardware = (const char *const *)options.hardware,
			.seed = (uint64_t)options.seed,
		};
		if (options.paths == NULL)
			hwq_usage_error("exec", "no program given");
		else
			result = exec_run(&exec);
	}
	g_free(trace);
	hwq_options_free(&options);
	return result;
}
