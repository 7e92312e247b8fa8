/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes: what an engine did with a command, for whoever watches. They change nothing.
 */
#ifndef HWQ_EMU_PROBE_H
#define HWQ_EMU_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/addr.h"

enum probe_kind {
	PROBE_EXECUTED, /* a command ran */
	PROBE_STOPPED,  /* the queue stopped at a command */
};

struct probe {
	enum probe_kind kind;
	const char *engine;
	uint32_t context; /* the engine's number of the queue */
	uint32_t index;   /* of the command, with its wrap flag */
	struct pa pa;     /* it was fetched from */
	uint64_t time_ps;
	uint64_t fetched[2]; /* the command's words as fetched */
	uint64_t ran[2];     /* as it ran, with the owner's numbers put in */
	uint32_t error;      /* STOPPED: the code that software reads */
	uint32_t removed;    /* cached translations that went */
};

#endif
