/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a machine does, in the words of QEMU's trace events (reference/formats.md): a diff against the
 * log of a QEMU that runs the same is a check of either.
 *
 * Concepts
 *   event     a line `name arguments`, without QEMU's time stamp
 *   dialect   which events an engine has; a platform names its own
 *
 * QEMU has events for what it emulates itself: the main queue of an SMMU or IOMMU and the registers. What
 * a guest's hardware queue runs has none. QEMU runs commands while their doorbell is being written, so its
 * line of that write comes behind theirs; an engine that takes its time runs them later.
 */
#ifndef HWQ_TOOLS_RUNNER_QEMU_EVENTS_H
#define HWQ_TOOLS_RUNNER_QEMU_EVENTS_H

#include <glib.h>
#include <stdio.h>

#include "emu/machine.h"

struct qemu_events;

struct qemu_dialect {
	void (*mmio)(struct qemu_events *events, const struct mmio_access *access);
	void (*command)(struct qemu_events *events, const struct probe *probe);
	void (*fault)(struct qemu_events *events, const struct note *note);
};

struct qemu_events {
	struct machine *machine;
	const struct qemu_dialect *dialect;
	FILE *out;
	/* SMMUv3: as last seen. */
	uint32_t gerror, gerrorn;
};

/* Watches MACHINE from here on, and prints to OUT; lies in the machine's arena. */
void qemu_events_start(struct machine *machine, const struct qemu_dialect *dialect, FILE *out);

void qemu_event(struct qemu_events *events, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A register of the region NAME, read without an event. */
uint64_t qemu_register(struct qemu_events *events, const char *name, uint64_t offset,
		       unsigned width);

extern const struct qemu_dialect qemu_dialect_smmuv3;
extern const struct qemu_dialect qemu_dialect_amdvi;

#endif
