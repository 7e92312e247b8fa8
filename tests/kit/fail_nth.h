/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fails each modelled allocation and user copy of every call of a replay or an experiment, one at a
 * time and each from the machine as the call found it (iommufd app. E).
 *
 * Concepts
 *   point    where a call may fail; numbered from 1 in each call
 *   part     of what a machine is: the kernel's objects, pins, charges ...
 *   idle     the machine as it would be at the failed call's end had there been no call
 *   quirk    a part that a failed call may change, or a failure that it survives: by command and
 *            point, with the sheet's rule
 *   finding  a failure that no quirk allows; told on stdout and counted
 */
#ifndef HWQ_TESTS_KIT_FAIL_NTH_H
#define HWQ_TESTS_KIT_FAIL_NTH_H

#include <stdint.h>

#include "tools/runner/call_watch.h"

struct fail_nth {
	const char *file;    /* for findings */
	uint64_t calls;      /* seen */
	uint64_t tried;      /* calls with a point */
	uint64_t failures;   /* points that were failed */
	uint64_t refused;    /* calls that then returned an error */
	uint64_t unfinished; /* calls that sleep when nothing else happens: not tried */
	uint64_t findings;
	struct arena_snapshot *start;
};

struct call_watch fail_nth_watch(struct fail_nth *fail_nth);
void fail_nth_fini(struct fail_nth *fail_nth);

#endif
