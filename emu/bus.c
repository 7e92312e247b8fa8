// SPDX-License-Identifier: Apache-2.0
#include "emu/bus.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "emu/machine.h"

const struct register_row *register_find(const struct register_row *rows, uint64_t offset,
					 uint32_t *index)
{
	for (const struct register_row *row = rows; row->name != NULL; row++) {
		uint64_t stride = row->count > 1 ? row->stride : row->width;
		if (offset < row->offset || offset >= row->offset + row->count * stride)
			continue;
		*index = (uint32_t)((offset - row->offset) / stride);
		if ((offset - row->offset) % stride < row->width)
			return row;
	}
	return NULL;
}

bool register_by_name(const struct register_row *rows, const char *name, uint32_t *offset,
		      unsigned *width)
{
	for (const struct register_row *row = rows; row->name != NULL; row++) {
		size_t length = strlen(row->name);
		char *end = NULL;
		unsigned long index = 0;
		if (strncmp(name, row->name, length) != 0)
			continue;
		if (row->count > 1) {
			bool zero = name[length] == '0' && name[length + 1] != 0;
			if (name[length] < '0' || name[length] > '9' || zero)
				continue;
			index = strtoul(name + length, &end, 10);
		}
		if (index >= row->count || (row->count > 1 ? *end : name[length]) != 0)
			continue;
		*offset = row->offset + (uint32_t)index * row->stride;
		*width = row->width;
		return true;
	}
	return false;
}

void bus_add(struct bus *bus, struct pa base, uint64_t size, const struct mmio_ops *ops,
	     void *owner, const char *name)
{
	assert(bus->count < BUS_REGIONS_MAX);
	bus->regions[bus->count++] = (struct mmio_region){base, size, ops, owner, name};
}

struct mmio_region *bus_region(struct bus *bus, const char *name)
{
	for (uint32_t i = 0; i < bus->count; i++)
		if (strcmp(bus->regions[i].name, name) == 0)
			return &bus->regions[i];
	return NULL;
}

struct mmio_region *bus_find(struct bus *bus, struct pa pa)
{
	for (uint32_t i = 0; i < bus->count; i++)
		if (pa.value - bus->regions[i].base.value < bus->regions[i].size)
			return &bus->regions[i];
	return NULL;
}

static bool well_formed(struct pa pa, unsigned width)
{
	return (width == 4 || width == 8) && pa.value % width == 0;
}

static void tell(struct bus *bus, const struct mmio_access *access)
{
	struct machine *machine = (struct machine *)((char *)bus - offsetof(struct machine, bus));
	if (machine->observer_count > 0)
		machine_tell_mmio(machine, access);
}

uint64_t bus_read(struct bus *bus, struct pa pa, unsigned width)
{
	struct mmio_region *region = bus_find(bus, pa);
	if (region == NULL || !well_formed(pa, width))
		return 0;
	uint64_t offset = pa.value - region->base.value;
	uint64_t value = region->ops->read(region->owner, offset, width);
	tell(bus, &(struct mmio_access){region, offset, width, false, value});
	return value;
}

static void deliver(struct bus *bus, struct pa pa, unsigned width, uint64_t value)
{
	struct mmio_region *region = bus_find(bus, pa);
	uint64_t carried = width == 4 ? (uint32_t)value : value;
	if (region == NULL || !well_formed(pa, width))
		return;
	uint64_t offset = pa.value - region->base.value;
	region->ops->write(region->owner, offset, width, carried);
	tell(bus, &(struct mmio_access){region, offset, width, true, carried});
}

static void arrive(struct event *event)
{
	struct bus_fault *fault = event->owner;
	deliver(&fault->machine->bus, fault->pa, fault->width, fault->value);
}

static struct bus_fault *hit(struct bus *bus, struct pa pa)
{
	struct bus_fault *found = NULL;
	for (uint32_t i = 0; i < bus->fault_count; i++) {
		struct bus_fault *fault = &bus->faults[i];
		if (fault->pa.value != pa.value)
			continue;
		fault->seen++;
		if (fault->nth == 0 || fault->nth == fault->seen)
			found = fault;
	}
	return found;
}

void bus_write(struct bus *bus, struct pa pa, unsigned width, uint64_t value)
{
	struct bus_fault *fault = bus->fault_count > 0 ? hit(bus, pa) : NULL;
	if (fault == NULL) {
		deliver(bus, pa, width, value);
		return;
	}
	struct machine *machine = fault->machine;
	bool lost = fault->late_ps == 0;
	machine_note(machine, &(struct note){.kind = lost ? NOTE_DOORBELL_LOST : NOTE_DOORBELL_LATE,
					     .first = pa.value,
					     .count = value});
	if (lost)
		return;
	clock_cancel(&machine->clock, &fault->arrival);
	fault->width = width;
	fault->value = value;
	clock_post(&machine->clock, &fault->arrival, machine->clock.now_ps + fault->late_ps,
		   EVENT_HARDWARE);
}

bool bus_inject(struct machine *machine, struct pa pa, uint64_t nth, uint64_t late_ps)
{
	struct bus *bus = &machine->bus;
	if (bus->fault_count == BUS_FAULTS_MAX)
		return false;
	struct bus_fault *fault = &bus->faults[bus->fault_count++];
	*fault = (struct bus_fault){.pa = pa, .nth = nth, .late_ps = late_ps, .machine = machine};
	fault->arrival.fn = arrive;
	fault->arrival.owner = fault;
	return true;
}
