// SPDX-License-Identifier: Apache-2.0
#include "emu/port.h"

#include <assert.h>
#include <string.h>

#include "emu/machine.h"

bool port_inject(struct machine *machine, const struct port_fault *fault)
{
	struct port_faults *faults = &machine->faults;
	if (faults->count == PORT_FAULTS_MAX)
		return false;
	faults->faults[faults->count++] = *fault;
	return true;
}

/* The injected fault that hits this access, or NULL. */
static const struct port_fault *hit(struct port *port, const struct access *access)
{
	struct port_faults *faults = &port->machine->faults;
	const struct port_fault *found = NULL;
	for (uint32_t i = 0; i < faults->count; i++) {
		struct port_fault *fault = &faults->faults[i];
		if (fault->purpose != access->purpose || strcmp(fault->port, port->name) != 0)
			continue;
		fault->seen++;
		if (fault->nth == 0 || fault->nth == fault->seen)
			found = fault;
	}
	return found;
}

static bool inside_ram(const struct memory *memory, const struct access *access)
{
	uint64_t last;
	return !add_overflows(access->pa.value, access->size - 1, &last) &&
	       memory_is_ram(memory, access->pa) && memory_is_ram(memory, pa_of(last));
}

static void write_bytes(struct memory *memory, const struct access *access, const uint8_t *from,
			bool flip)
{
	uint32_t writer = memory_writer(memory, pa_pfn(access->pa));
	memory_write(memory, access->pa, from, access->size, writer);
	if (flip)
		memory_write(memory, access->pa, (const uint8_t[]){*from ^ 1}, 1, writer);
}

static enum port_status transfer(struct port *port, struct access *access, void *to,
				 const void *from)
{
	struct machine *machine = port->machine;
	const struct port_fault *fault = hit(port, access);
	access->engine = port->name;
	access->time_ps = machine->clock.now_ps;
	access->status = PORT_OK;
	if ((fault != NULL && fault->action == FAULT_ABORT) ||
	    !inside_ram(&machine->memory, access)) {
		access->status = PORT_ABORT;
		if (to != NULL)
			memset(to, 0, access->size);
	} else if (to != NULL) {
		memory_read(&machine->memory, access->pa, to, access->size);
		if (fault != NULL)
			*(uint8_t *)to ^= 1;
	} else {
		assert(from != NULL);
		write_bytes(&machine->memory, access, from, fault != NULL);
	}
	if (machine->watch != NULL)
		machine->watch(machine, access);
	return access->status;
}

enum port_status port_read(struct port *port, struct access *access, void *data)
{
	return transfer(port, access, data, NULL);
}

enum port_status port_write(struct port *port, struct access *access, const void *data)
{
	return transfer(port, access, NULL, data);
}
