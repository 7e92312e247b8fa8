/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chronicle: what happened in a machine beside what actors did, in order: accesses and commands
 * of guests' queues, frames handed out and freed, promises taken back, faults, interrupts.
 */
#ifndef HWQ_TOOLS_RUNNER_CHRONICLE_H
#define HWQ_TOOLS_RUNNER_CHRONICLE_H

#include "emu/machine.h"

#define CHRONICLE_MAX 4096U /* entries; more are counted */

enum chronicle_kind {
	CHRONICLE_ACCESS,
	CHRONICLE_PROBE,
	CHRONICLE_NOTE,
};

struct chronicle_entry {
	enum chronicle_kind kind;
	uint64_t time_ps;
	uint64_t accesses; /* of all engines up to here (struct access, number) */
	uint64_t call;     /* id of the system call that was running; 0: none */
	uint32_t line;     /* of the script, where an actor did it himself; 0: nobody's */
	union {
		struct access access;
		struct probe probe;
		struct note note;
	};
};

struct chronicle {
	struct machine *machine;
	uint32_t line; /* that is being done */
	struct chronicle_entry *entries;
	uint32_t count;
	uint32_t capacity;
	uint32_t left_out;
};

/* Starts to watch; lies in the machine's arena. */
struct chronicle *chronicle_new(struct machine *machine);

#endif
