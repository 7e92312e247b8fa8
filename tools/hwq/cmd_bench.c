// SPDX-License-Identifier: Apache-2.0
#include "tools/hwq/hwq.h"
int hwq_bench(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}
