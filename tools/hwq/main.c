// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/hwq/hwq.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

static const struct command commands[] = {
	{"run", hwq_run, "run experiments: scenarios with several actors"},
	{"replay", hwq_replay, "issue recorded calls and compare with what the kernel answered"},
	{"exec", hwq_exec, "run a program against the shim"},
	{"bench", hwq_bench, "measure the hot paths"},
};

static void print_help(FILE *out)
{
	fprintf(out, "hwq: runs IOMMU hardware queues against a model of Linux 7.3's iommufd\n\n"
		     "usage: hwq COMMAND [OPTIONS] [ARGUMENTS]\n\ncommands:\n");
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fprintf(out, "\n'hwq COMMAND --help' tells more; 'hwq --version' prints the version.\n"
		     "exit: 0 all as expected, 1 something was not, 2 bad usage or input, "
		     "3 internal error\n");
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return HWQ_BAD_INPUT;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(stdout);
		return HWQ_AS_EXPECTED;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("hwq %s\n", HWQ_VERSION);
		return HWQ_AS_EXPECTED;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "hwq: unknown command '%s', expected one of:", argv[1]);
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		fprintf(stderr, " %s", commands[i].name);
	fputc('\n', stderr);
	return HWQ_BAD_INPUT;
}

/* Output that was lost must not look like success. */
int main(int argc, char **argv)
{
	int result = run(argc, argv);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return result;
	fprintf(stderr, "hwq: the output can't be written: %s\n", g_strerror(errno));
	return HWQ_INTERNAL_ERROR;
}
