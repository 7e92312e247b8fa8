/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: an engine's only way to memory.
 *
 * Concepts
 *   port     of one engine; names it in reports and in fault directives
 *   access   one read or write: what for, on whose behalf (context), where, when
 *   path     how the address was come by: as it is, by a walk, from a cache, untranslated
 *   fault    what an experiment injects: an access aborts, its bytes are flipped, it comes late
 *
 * A port does not wait: the engine adds the port's latency to its own time, and that of a fault
 * (port_late()) too. Observers see every access after it happened.
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
	ACCESS_CONFIG_FETCH, /* STE, CD, DTE, maps of ids */
	ACCESS_CONFIG_WRITE, /* maps of ids */
	ACCESS_TABLE_WALK,
	ACCESS_TABLE_WRITE,   /* accessed and dirty bits of a guest's tables */
	ACCESS_POINTER_WRITE, /* a copy of a queue pointer */
	ACCESS_EVENT_WRITE,
	ACCESS_COMPLETION_WRITE, /* MSI, COMPLETION_WAIT store */
	ACCESS_DMA_READ,
	ACCESS_DMA_WRITE,
	ACCESS_PURPOSES,
};

enum access_path {
	PATH_PHYSICAL, /* the engine was given a physical address */
	PATH_WALKED,   /* translated by the tables as they are now */
	PATH_CACHED,   /* translated by what a cache holds */
	PATH_DEVICE,   /* by what the device itself keeps (ATS) */
	PATH_BYPASS,   /* should have been translated and was not: bypass, or an invalid entry */
};

/* Contexts are queues by the engine's numbers, or devices by their stream or device id. */
#define CONTEXT_DEVICE(id) (0x80000000U | (id))

struct access {
	uint32_t engine;  /* number (machine.h) */
	uint32_t context; /* whom it acts for */
	enum access_purpose purpose;
	enum access_path path;
	uint64_t input; /* before translation; unused for PATH_PHYSICAL */
	struct pa pa;
	uint32_t size;  /* bytes */
	uint32_t index; /* of the entry, for queues */
	enum port_status status;
	uint64_t time_ps;
	uint64_t number; /* of the machine's accesses, from 1 */
};

enum fault_action {
	FAULT_ABORT,
	FAULT_FLIP, /* bit 0 of the first byte */
	FAULT_LATE, /* happens so much later; only where the engine can wait for it */
};

/* The NTH access (from 1) of a purpose through a port of this engine, or every one (0). */
struct port_fault {
	uint32_t engine;
	enum access_purpose purpose;
	enum fault_action action;
	uint64_t late_ps;
	uint64_t nth;
	uint64_t seen;
};

struct port_faults {
	struct port_fault faults[PORT_FAULTS_MAX];
	uint32_t count;
};

struct port {
	struct machine *machine;
	uint32_t engine;
};

/* False: too many faults. */
bool port_inject(struct machine *machine, const struct port_fault *fault);
/*
 * How much later an injected fault lets the access happen, in ps; asked once before the access by
 * an engine that can wait.
 */
uint64_t port_late(struct port *port, enum access_purpose purpose);
/* ACCESS carries all but engine, status, time and number, which are filled in. */
enum port_status port_read(struct port *port, struct access *access, void *data);
enum port_status port_write(struct port *port, struct access *access, const void *data);
/* The same for aligned 64-bit little-endian words. */
enum port_status port_read_u64(struct port *port, struct access *access, uint64_t *word);
enum port_status port_write_u64(struct port *port, struct access *access, uint64_t word);

static inline bool access_writes(const struct access *access)
{
	return access->purpose == ACCESS_CONFIG_WRITE || access->purpose == ACCESS_TABLE_WRITE ||
	       access->purpose == ACCESS_POINTER_WRITE || access->purpose == ACCESS_EVENT_WRITE ||
	       access->purpose == ACCESS_COMPLETION_WRITE || access->purpose == ACCESS_DMA_WRITE;
}

#endif
