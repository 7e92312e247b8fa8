/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observers: who watches a machine. They change nothing.
 *
 * Concepts
 *   access   what an engine did to memory (emu/port.h)
 *   probe    what an engine did with a command, and whom it could affect
 *   note     what became of frames and promises: handed out, freed, revoked
 *   mmio     a read or write of an engine's registers that has been done
 */
#ifndef HWQ_EMU_OBSERVER_H
#define HWQ_EMU_OBSERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/addr.h"

#define OBSERVERS_MAX 3U

struct access;
struct machine;
struct mmio_region;

enum probe_kind {
	PROBE_EXECUTED, /* a command ran */
	PROBE_STOPPED,  /* the queue stopped at a command */
};

/* Whom a command that ran could affect. */
enum probe_effect {
	EFFECT_NONE,
	EFFECT_DOMAIN, /* translations of one domain: VMID, DomainID */
	EFFECT_DEVICE, /* one device: StreamID, DeviceID */
	EFFECT_ALL,    /* everyone */
};

struct probe {
	enum probe_kind kind;
	enum probe_effect effect;
	uint32_t target;  /* of the effect: the domain's or the device's number */
	uint32_t engine;  /* number (machine.h) */
	uint32_t context; /* the engine's number of the queue */
	uint32_t index;   /* of the command, with its wrap flag */
	uint32_t error;   /* STOPPED: the code that software reads */
	uint32_t removed; /* cached translations that went */
	struct pa pa;     /* it was fetched from */
	uint64_t time_ps;
	uint64_t fetched[2]; /* the command's words as fetched */
	uint64_t ran[2];     /* as it ran, with the owner's numbers put in */
};

enum note_kind {
	NOTE_FRAMES_TAKEN,   /* [first, first + count) went to WHO */
	NOTE_FRAMES_FREED,   /* nobody holds them any more */
	NOTE_UNMAPPING,      /* frames: holder WHO had them from ADDRESS on, and is to lose them */
	NOTE_REVOKING,       /* frames: a promise to holder WHO is being taken back */
	NOTE_TABLES_CLEARED, /* the translation tables no longer have them */
	NOTE_REVOKED,        /* frames: the promise is taken back */
	NOTE_FAULT,       /* an engine recorded a fault of device WHO at address FIRST; COUNT: 1 if
				a guest's queue met it, else 0 */
	NOTE_INTERRUPT,   /* line WHO was raised */
	NOTE_GUEST_EVENT, /* a guest's event queue of type WHO took a record that begins with the
				word FIRST; COUNT: 0 if it was full */
	NOTE_DOORBELL_LOST, /* an experiment lost a write to the register at FIRST */
	NOTE_DOORBELL_LATE, /* or held it up */
};

struct note {
	enum note_kind kind;
	uint32_t who;
	uint64_t first;
	uint64_t count;
	uint64_t address;
	const char *what; /* literal: the fault, the call; or NULL */
};

struct mmio_access {
	const struct mmio_region *region; /* emu/bus.h */
	uint64_t offset;                  /* bytes from its base */
	unsigned width;                   /* bytes */
	bool write;
	uint64_t value;
};

struct observer {
	void *context;
	void (*access)(void *context, struct machine *machine, const struct access *access);
	void (*probe)(void *context, struct machine *machine, const struct probe *probe);
	void (*note)(void *context, struct machine *machine, const struct note *note);
	void (*mmio)(void *context, struct machine *machine, const struct mmio_access *access);
};

#endif
