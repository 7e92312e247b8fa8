/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Platforms: the hardware of an experiment, its driver, and the words it is spoken of in.
 *
 * Concepts
 *   platform   one engine with the Linux driver above it; a profile says which by its first line
 *   hardware   one made of it, on a machine
 *   bare       without the driver: `mmio` lines, or a recording, take its place
 *   command    16 bytes in a queue: two little-endian words
 *   queue      what a guest knows of a hardware queue: a mapped page of registers, an index, memory
 *
 * The runner knows no engine; it asks the platform.
 */
#ifndef HWQ_TOOLS_RUNNER_PLATFORM_H
#define HWQ_TOOLS_RUNNER_PLATFORM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "emu/bus.h"
#include "emu/checker.h"
#include "emu/machine.h"
#include "emu/option.h"
#include "emu/profile.h"
#include "emu/trace/trace.h"
#include "kernel_shim/iommu.h"
#include "tools/runner/words.h"

#define COMMANDS_TEXT_MAX 64U
#define COMMAND_BYTES     16U

struct command_words {
	uint64_t word[2];
};

/* A register that a guest reaches through the page that its VMM mapped. */
struct platform_register {
	const char *name;
	uint32_t offset; /* bytes, in the queue's slot */
	uint8_t width;   /* bytes */
};

/* Registers for `mmio` lines: `smmu.CR0`, or at any offset: `smmu+0x20`. */
struct register_window {
	const char *name;
	struct pa base;
	uint64_t size;
	unsigned width;                  /* of one that is given by its offset, bytes */
	const struct register_row *rows; /* NULL: none has a name */
};

struct platform_dma {
	bool ok;
	struct pa pa;
	const char *event; /* of a fault: its name, or NULL where none is recorded */
	enum access_path path;
};

/* What a translation without an access answers. */
struct platform_translation {
	bool ok;
	struct pa pa;
	bool readable;
	bool writable;
	const char *event;
};

struct platform {
	const char *name;   /* "nvidia_vcmdq" */
	const char *engine; /* in fault lines: "smmu" */
	const struct parameter_range *parameters;
	const struct option *assumptions;

	/* Why the driver takes no hardware of this profile, or NULL; itself NULL: it takes any. */
	const char *(*refused)(const struct profile *profile);
	/* Makes the hardware; probes it with the driver, which takes it, unless BARE. ASSUMPTIONS are copied. */
	void *(*create)(struct machine *machine, const struct profile *profile,
			const struct option_set *assumptions, bool bare);
	/* The hardware's own copy, which knows what was consulted. */
	struct option_set *(*assumed)(void *hardware);
	void (*hash)(void *hardware, struct hash *hash);

	/* Devices. */
	const char *device_key; /* "sid" */
	const char *domain_key; /* "VMID" */
	uint32_t device_limit;
	/* A function with this id, and ATS or not; NULL on bare hardware: it has no driver. */
	struct device *(*add_device)(void *hardware, uint32_t id, bool ats);
	/* One of the host's own, passed through untranslated; NULL: not modelled. */
	void (*add_host_device)(void *hardware, uint32_t id);
	/* It no longer answers, or answers again, invalidations of its translation cache. */
	void (*set_silent)(void *hardware, uint32_t id, bool silent);
	struct platform_dma (*dma)(void *hardware, uint32_t id, uint64_t iova, bool write,
				   void *data, uint32_t size);
	struct platform_translation (*translate)(void *hardware, uint32_t id, uint64_t iova,
						 bool write);

	const struct command_language *language;  /* command_text.h */
	const char *(*event_name)(unsigned code); /* of a fault; NULL: no such event */
	/* Of a record in a guest's event queue of this type, by its first word; NULL: it has none. */
	const char *(*guest_event_name)(uint32_t type, uint64_t word);

	/* A guest's queue. */
	const struct platform_register *registers; /* ends with the name NULL */
	uint32_t queue_stride;                     /* of the slots in the mapped page, bytes */
	uint32_t queue_indices;

	const struct platform_register *tail;
	/* Its value when COMMANDS have been put into a queue of ENTRIES. */
	uint64_t (*tail_value)(uint32_t commands, uint32_t entries);
	/* Lines that a `vm` line stands for; '@': the queue's name. Ends with NULL. */
	const char *const *vm;

	/* The context (emu/port.h) of the queue whose slot of registers is at PA; false: none. */
	bool (*queue_context)(void *hardware, struct pa pa, uint32_t *context);

	const struct register_window *windows; /* ends with the name NULL */

	/* Texts for reports; OUT is appended to. */
	void (*queue_text)(void *hardware, uint32_t context, GString *out);
	const char *(*stop_text)(uint32_t error);
	/* What a guest can read of the queue, and of whether it goes on. */
	void (*guest_text)(void *hardware, uint32_t context, GString *out);
	/* The property of the hardware that let it happen. */
	const char *(*why)(const struct violation *violation);
	const struct qemu_dialect *qemu; /* qemu_events.h */

	/* How the probe's command was changed: "VMID 3 substituted"; nothing where it was not. */
	void (*ran_text)(const struct probe *probe, GString *out);
};

extern const struct platform platform_nvidia;
extern const struct platform platform_amd;

/* Where the register of an `mmio` line is, and its width in bytes. False: there is none. */
bool platform_find_register(const struct platform *platform, const char *name, struct pa *pa,
			    unsigned *width);
/* Calls VISIT for each name; for the nearest word. */
void platform_each_register(const struct platform *platform,
			    void (*visit)(void *context, const char *name), void *context);

/* By the name that a profile's first line gives; NULL: none. */
const struct platform *platform_by_name(const char *name, size_t length);
/* In order, NULL at the end. */
const struct platform *platform_at(size_t index);

/*
 * Reads the profile NAME: one that is built in, or a file if it has a '/'. 0 and *PLATFORM, or -1
 * with DIAG, which points at POS in FILE where the name is unknown.
 */
int platform_profile(const char *name, const char *file, struct trace_pos pos,
		     struct profile *profile, const struct platform **platform,
		     struct trace_diag *diag);
/* Whether its driver takes hardware of the profile NAME: 0, or -1 with DIAG. */
int platform_probes(const struct platform *platform, const struct profile *profile,
		    const char *name, const char *file, struct trace_pos pos,
		    struct trace_diag *diag);

#endif
