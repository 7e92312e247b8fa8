// SPDX-License-Identifier: Apache-2.0
#include "emu/port.h"

#include <assert.h>
#include <string.h>

#include "emu/bits.h"
#include "emu/machine.h"

bool port_inject(struct machine *machine, const struct port_fault *fault)
{
	struct port_faults *faults = &machine->faults;
	if (faults->count == PORT_FAULTS_MAX)
		return false;
	faults->faults[faults->count++] = *fault;
	return true;
}

static bool waits(const struct port_fault *fault)
{
	return fault->action == FAULT_LATE;
}

/* The injected fault that hits this access, or NULL. Late ones are counted by port_late(). */
static const struct port_fault *hit(struct port *port, enum access_purpose purpose, bool late)
{
	struct port_faults *faults = &port->machine->faults;
	const struct port_fault *found = NULL;
	for (uint32_t i = 0; i < faults->count; i++) {
		struct port_fault *fault = &faults->faults[i];
		if (fault->purpose != purpose || fault->engine != port->engine ||
		    waits(fault) != late)
			continue;
		fault->seen++;
		if (fault->nth == 0 || fault->nth == fault->seen)
			found = fault;
	}
	return found;
}

uint64_t port_late(struct port *port, enum access_purpose purpose)
{
	if (port->machine->faults.count == 0)
		return 0;
	const struct port_fault *fault = hit(port, purpose, true);
	return fault != NULL ? fault->late_ps : 0;
}

/* Every page of it; RAM has holes. */
static bool inside_ram(const struct memory *memory, const struct access *access)
{
	uint64_t last;
	if (add_overflows(access->pa.value, access->size - 1, &last))
		return false;
	for (uint64_t pfn = pa_pfn(access->pa); pfn <= last / PAGE_SIZE; pfn++)
		if (!memory_is_ram(memory, pa_of_pfn(pfn)))
			return false;
	return memory_is_ram(memory, pa_of(last));
}

/* An engine's writes do not change whose bytes a page has. */
static void write_bytes(struct memory *memory, const struct access *access, const uint8_t *from,
			bool flip)
{
	uint64_t at = access->pa.value, left = access->size, n;
	for (uint64_t done = 0; done < left; done += n, at += n) {
		uint64_t room = PAGE_SIZE - page_offset(at);
		n = left - done < room ? left - done : room;
		memory_write(memory, pa_of(at), from + done, n,
			     memory_writer(memory, pa_pfn(pa_of(at))));
	}
	if (flip)
		memory_write(memory, access->pa, (const uint8_t[]){*from ^ 1}, 1,
			     memory_writer(memory, pa_pfn(access->pa)));
}

static void tell(struct machine *machine, const struct access *access)
{
	for (uint32_t i = 0; i < machine->observer_count; i++)
		if (machine->observers[i].access != NULL)
			machine->observers[i].access(machine->observers[i].context, machine,
						     access);
}

static void begin(struct port *port, struct access *access)
{
	access->engine = port->engine;
	access->time_ps = port->machine->clock.now_ps;
	access->number = ++port->machine->access_count;
	access->status = PORT_OK;
}

static enum port_status transfer(struct port *port, struct access *access, void *to,
				 const void *from)
{
	struct machine *machine = port->machine;
	const struct port_fault *fault =
		machine->faults.count > 0 ? hit(port, access->purpose, false) : NULL;
	begin(port, access);
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
	tell(machine, access);
	return access->status;
}

/* The bytes, where nothing can go wrong: no fault is injected, and one page of RAM holds them. */
static const uint8_t *at_hand(const struct port *port, const struct access *access)
{
	struct machine *machine = port->machine;
	uint64_t offset = page_offset(access->pa.value);
	if (machine->faults.count > 0 || offset + access->size > PAGE_SIZE ||
	    !memory_is_ram(&machine->memory, access->pa))
		return NULL;
	const uint8_t *bytes = memory_page(&machine->memory, pa_pfn(access->pa));
	return bytes != NULL ? bytes + offset : NULL;
}

enum port_status port_read(struct port *port, struct access *access, void *data)
{
	const uint8_t *bytes = at_hand(port, access);
	if (bytes == NULL)
		return transfer(port, access, data, NULL);
	begin(port, access);
	memcpy(data, bytes, access->size);
	tell(port->machine, access);
	return PORT_OK;
}

enum port_status port_write(struct port *port, struct access *access, const void *data)
{
	return transfer(port, access, NULL, data);
}

enum port_status port_read_u64(struct port *port, struct access *access, uint64_t *word)
{
	uint8_t buffer[8];
	access->size = sizeof(buffer);
	const uint8_t *bytes = at_hand(port, access);
	if (bytes == NULL) {
		enum port_status status = transfer(port, access, buffer, NULL);
		*word = load_le64(buffer);
		return status;
	}
	begin(port, access);
	*word = load_le64(bytes);
	tell(port->machine, access);
	return PORT_OK;
}

enum port_status port_write_u64(struct port *port, struct access *access, uint64_t word)
{
	uint8_t bytes[8];
	store_le64(bytes, word);
	access->size = sizeof(bytes);
	return transfer(port, access, NULL, bytes);
}
