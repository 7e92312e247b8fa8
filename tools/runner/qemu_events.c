// SPDX-License-Identifier: Apache-2.0
#include "tools/runner/qemu_events.h"

#include <stdarg.h>

static void on_mmio(void *context, struct machine *machine, const struct mmio_access *access)
{
	struct qemu_events *events = context;
	(void)machine;
	events->dialect->mmio(events, access);
}

static void on_probe(void *context, struct machine *machine, const struct probe *probe)
{
	struct qemu_events *events = context;
	(void)machine;
	events->dialect->command(events, probe);
}

static void on_note(void *context, struct machine *machine, const struct note *note)
{
	struct qemu_events *events = context;
	(void)machine;
	if (note->kind == NOTE_FAULT)
		events->dialect->fault(events, note);
}

void qemu_events_start(struct machine *machine, const struct qemu_dialect *dialect, FILE *out)
{
	struct qemu_events *events = arena_new(machine->arena, struct qemu_events);
	events->machine = machine;
	events->dialect = dialect;
	events->out = out;
	machine_observe(machine, &(struct observer){.context = events,
						    .probe = on_probe,
						    .note = on_note,
						    .mmio = on_mmio});
}

void qemu_event(struct qemu_events *events, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vfprintf(events->out, format, args);
	va_end(args);
	fputc('\n', events->out);
}

uint64_t qemu_register(struct qemu_events *events, const char *name, uint64_t offset,
		       unsigned width)
{
	const struct mmio_region *region = bus_region(&events->machine->bus, name);
	return region != NULL ? region->ops->read(region->owner, offset, width) : 0;
}
