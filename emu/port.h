/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: an engine's only way to memory.
 *
 * Concepts
 *   port     of one engine; names it in reports and in fault directives
 *   access   one read or write: what for, on whose behalf (context), where, when
 *   fault    what an experiment injects: an access aborts, or its bytes are flipped
 *   watcher  sees every access after it happened: the checker
 *
 * A port does not wait: the engine adds the port's latency to its own time.
 */
#ifndef HWQ_EMU_PORT_H
#define HWQ_EMU_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/addr.h"

#define PORT_FAULTS_MAX 16U

struct machine;

enum port_status {
	PORT_OK,
	PORT_ABORT,
};

enum access_purpose {
	ACCESS_COMMAND_FETCH,
	ACCESS_CONFIG_FETCH, /* STE, CD, DTE */
	ACCESS_TABLE_WALK,
	ACCESS_POINTER_WRITE, /* a copy of a queue pointer */
	ACCESS_EVENT_WRITE,
	ACCESS_COMPLETION_WRITE, /* MSI, COMPLETION_WAIT store */
	ACCESS_DMA_READ,
	ACCESS_DMA_WRITE,
};

struct access {
	const char *engine;
	uint32_t context; /* the engine's own number of whom it acts for: a queue, a stream */
	enum access_purpose purpose;
	struct pa pa;
	uint32_t size;  /* bytes */
	uint32_t index; /* of the entry, for queues */
	enum port_status status;
	uint64_t time_ps;
};

enum fault_action {
	FAULT_ABORT,
	FAULT_FLIP, /* bit 0 of the first byte */
};

/* The NTH access (from 1) of a purpose through a port of this name, or every one (0). */
struct port_fault {
	const char *port;
	enum access_purpose purpose;
	uint64_t nth;
	uint64_t seen;
	enum fault_action action;
};

struct port_faults {
	struct port_fault faults[PORT_FAULTS_MAX];
	uint32_t count;
};

struct port {
	struct machine *machine;
	const char *name;
};

/* False: too many faults. */
bool port_inject(struct machine *machine, const struct port_fault *fault);
/* ACCESS carries engine, context, purpose, pa, size, index; status and time are filled in. */
enum port_status port_read(struct port *port, struct access *access, void *data);
enum port_status port_write(struct port *port, struct access *access, const void *data);
static inline bool access_writes(const struct access *access)
{
	return access->purpose == ACCESS_POINTER_WRITE || access->purpose == ACCESS_EVENT_WRITE ||
	       access->purpose == ACCESS_COMPLETION_WRITE || access->purpose == ACCESS_DMA_WRITE;
}

#endif
