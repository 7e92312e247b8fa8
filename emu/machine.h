/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine: one emulated host.
 *
 * Concepts
 *   machine  clock, physical memory, processes, ledger, devices by path; all of it in one arena,
 *            so that two machines run side by side and each can be saved and restored whole
 *   owner    a number that frames carry, with a name for reports
 *   engine   a number for each hardware engine by its name: ports, probes and the ledger use it
 *   rule     the sheet section behind the last refusal of a system call; reports show it
 *   broken   the arena's limit was hit in a task: the machine can only be thrown away
 */
#ifndef HWQ_EMU_MACHINE_H
#define HWQ_EMU_MACHINE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "emu/arena.h"
#include "emu/bus.h"
#include "emu/clock.h"
#include "emu/hash.h"
#include "emu/irq.h"
#include "emu/ledger.h"
#include "emu/memory.h"
#include "emu/observer.h"
#include "emu/port.h"
#include "emu/process.h"
#include "emu/task.h"

#define PROCESSES_MAX  4096U
#define OWNER_NAME_MAX 24U
#define ENGINES_MAX    8U

struct machine_config {
	uint64_t memory_bytes;   /* emulated RAM */
	uint64_t ram_base;       /* its physical address */
	uint64_t arena_bytes;    /* limit of the emulator's own memory for this machine */
	uint64_t huge_pages;     /* pool of 2 MiB pages */
	uint64_t rlimit_memlock; /* bytes, of every process */
	bool privileged;         /* processes have all capabilities */
	enum reuse_order reuse;
	uint64_t seed;     /* of what is chosen at random: REUSE_RANDOM */
	bool track_stated; /* see memory.h; for replays */
};

/* Defaults: 64 GiB at 0x100000000, root, RLIMIT_MEMLOCK 8 MiB, 64 huge pages. */
struct machine_config machine_config_default(void);

/* Opens a device node: a file (one reference), or NULL with *ERROR a negative errno. */
typedef struct file *device_open_fn(struct thread *thread, void *context, uint32_t flags,
				    int *error);

struct path_device {
	const char *path;
	device_open_fn *open;
	void *context;
};

/* Why a call was refused. Strings are literals. */
struct rule {
	int error;      /* positive errno; 0: none */
	const char *id; /* sheet section and step: "iommufd 2.8 4b" */
	const char *why;
};

#define FAILURE_NAMES_MAX 32U

/* Counts modelled allocations and user copies; fails the one that an experiment names. */
struct failure_injector {
	uint64_t countdown; /* 1: the next one fails; 0: off */
	const char *only;   /* of those with this name; NULL: of all */
	uint64_t hits;      /* points that failed */
	uint64_t points;    /* points passed */
	const char *last;   /* name of the one that failed */
	uint64_t last_rank; /* which of its name it was, from 1, since the countdown was set */
	struct {
		const char *name;
		uint64_t count;
	} passed[FAILURE_NAMES_MAX];
};

struct owner {
	char name[OWNER_NAME_MAX];
};

struct machine {
	struct arena *arena;
	struct machine_config config;
	struct clock clock;
	struct scheduler scheduler;
	struct memory memory;
	struct ledger ledger;
	struct process_list processes;
	uint32_t process_count;
	uint32_t next_pid;
	struct user root_user;
	uint64_t huge_free;
	struct swapped_pages swap;
	struct wait_queue poll_waiters; /* anyone in poll(): woken when a queue changes */
	uint64_t poll_events; /* what queues got so far; edge-triggered waiters count it */
	struct path_device *devices;
	uint32_t device_count;
	uint32_t device_capacity;
	struct owner *owners;
	uint32_t owner_count;
	uint32_t owner_capacity;
	struct rule rule; /* of the last refusal */
	struct failure_injector failures;
	void *kernel; /* the kernel shim's own state */
	/* Moves, or catches up with the move of, a page that the kernel has pinned; NULL: never. */
	int (*move_pinned)(struct machine *machine, struct mm *mm, struct va va,
			   enum host_move move);
	struct bus bus;
	struct port_faults faults;
	uint64_t access_count; /* of all ports */
	struct irqs irqs;
	const char *engines[ENGINES_MAX]; /* literals */
	uint32_t engine_count;
	struct observer observers[OBSERVERS_MAX];
	uint32_t observer_count;
};

/* NULL when the address space can't be reserved. */
struct machine *machine_new(const struct machine_config *config);
/* A new machine in the memory of an old one, which is gone. The limit on its size stays. */
struct machine *machine_renew(struct machine *machine, const struct machine_config *config);
void machine_free(struct machine *machine);

/*
 * Runs the statement under `machine_guard(machine) == 0`; a second return with 1 means that the
 * arena's limit was hit outside a task. Tasks that hit it set scheduler.broken instead.
 */
jmp_buf *machine_guard_buffer(struct machine *machine);
#define machine_guard(machine) setjmp(*machine_guard_buffer(machine))

void machine_register_device(struct machine *machine, const char *path, device_open_fn *open,
			     void *context);
/* A new owner number; NAME is copied, cut to OWNER_NAME_MAX - 1 bytes. */
uint32_t machine_owner(struct machine *machine, const char *name);
void machine_owner_rename(struct machine *machine, uint32_t owner, const char *name);
const char *machine_owner_name(const struct machine *machine, uint32_t owner);

/* The engine's number; NAME is a literal. */
uint32_t machine_engine(struct machine *machine, const char *name);

void machine_observe(struct machine *machine, const struct observer *observer);
void machine_tell_note(struct machine *machine, const struct note *note);
void machine_tell_mmio(struct machine *machine, const struct mmio_access *access);
static inline void machine_tell_probe(struct machine *machine, const struct probe *probe)
{
	for (uint32_t i = 0; i < machine->observer_count; i++)
		if (machine->observers[i].probe != NULL)
			machine->observers[i].probe(machine->observers[i].context, machine, probe);
}
static inline void machine_note(struct machine *machine, const struct note *note)
{
	if (machine->observer_count > 0)
		machine_tell_note(machine, note);
}

/* Remembers why a call is refused, and returns -ERROR. */
static inline int refuse(struct machine *machine, int error, const char *id, const char *why)
{
	machine->rule = (struct rule){error, id, why};
	return -error;
}

/* The NTH point from here on fails (0: none); of those named ONLY, if that is not NULL. */
void machine_fail_nth(struct machine *machine, uint64_t nth, const char *only);
/* True when the experiment wants this modelled allocation or user copy to fail. */
bool fails_here(struct machine *machine, const char *name);

/* Lets time pass for a driver: in a task as a preemption point, else by running the machine. */
void machine_delay(struct machine *machine, uint64_t delay_ps, const char *where);

/* Hash of all that a later step could depend on, in this module's state. */
void machine_hash(struct machine *machine, struct hash *hash);

#endif
