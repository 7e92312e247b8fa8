/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody who sees each system call of a replay or an experiment before it starts. He may try it
 * out on the machine, and must leave the machine as it was.
 */
#ifndef HWQ_TOOLS_RUNNER_CALL_WATCH_H
#define HWQ_TOOLS_RUNNER_CALL_WATCH_H

#include <stdint.h>

#include "emu/syscall.h"
#include "tools/runner/platform.h"

struct watched_call {
	struct thread *thread;   /* free, about to make it */
	struct syscall *syscall; /* filled in, not started */
	uint32_t line;
	const struct platform *platform; /* of the hardware */
	void *hardware;                  /* NULL: none */
};

struct call_watch {
	void *context;
	void (*ready)(void *context, const struct watched_call *call);
	/* After the last call; the machine is the watcher's. NULL: not of interest. */
	void (*ended)(void *context, struct machine *machine);
};

#endif
