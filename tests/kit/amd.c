// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/amd.h"

#include <assert.h>
#include <string.h>

#include "tools/runner/builtin_profiles.h"

#define LINE_IRQ 3U
#define OWN_MODE 3U
#define LOG_CODE field_put(RING_LENGTH, 8)
#define RUN_ALL                                                                                \
	(CONTROL_IOMMU_EN | CONTROL_EVENT_LOG_EN | CONTROL_EVENT_INT_EN | CONTROL_CMD_BUF_EN | \
	 CONTROL_GA_EN | CONTROL_VCMD_EN | CONTROL_VIOMMU_EN | CONTROL_GST_BUFFER_TRP)

static const struct amd_board board = {
	.name = "amd",
	.ecam = {ECAM_AT},
	.base = {AMD_AT},
	.vf_base = {VF_AT},
	.vfcntl_base = {VFCNTL_AT},
	.own_device = OWN_DEVICE,
	.irq = LINE_IRQ,
};

struct profile amd_kit_profile(void)
{
	return amd_kit_profile_named("amd-viommu");
}

struct profile amd_kit_profile_named(const char *name)
{
	struct profile profile;
	struct trace_diag diag = {0};
	const struct builtin_profile *builtin = builtin_profiles;
	while (strcmp(builtin->name, name) != 0)
		builtin++;
	int result = profile_parse(&profile, builtin->name, (const char *)builtin->text,
				   builtin->length, amd_parameters, &diag);
	assert(result == 0);
	(void)result;
	return profile;
}

void amd_kit_set(struct profile *profile, const char *name, uint64_t value)
{
	for (uint32_t i = 0; i < profile->count; i++) {
		if (strcmp(profile->parameters[i].name, name) != 0)
			continue;
		profile->parameters[i].value = value;
		return;
	}
	assert(!"a parameter of the profile");
}

static void on_access(void *context, struct machine *machine, const struct access *access)
{
	struct amd_kit *kit = context;
	(void)machine;
	if (kit->access_count < KIT_LOG_MAX)
		kit->accesses[kit->access_count] = *access;
	kit->access_count++;
}

static void on_probe(void *context, struct machine *machine, const struct probe *probe)
{
	struct amd_kit *kit = context;
	(void)machine;
	if (kit->probe_count < KIT_LOG_MAX)
		kit->probes[kit->probe_count] = *probe;
	kit->probe_count++;
	assert(kit->probe_count < KIT_RUNAWAY);
}

static void on_note(void *context, struct machine *machine, const struct note *note)
{
	struct amd_kit *kit = context;
	(void)machine;
	if (note->kind == NOTE_INTERRUPT && note->who == LINE_IRQ)
		kit->interrupts++;
}

static void start(struct amd_kit *kit)
{
	kit->devices = amd_kit_frames(kit, KIT_DEVICES * DTE_SIZE / PAGE_SIZE);
	kit->ring = amd_kit_frames(kit, 1);
	kit->log = amd_kit_frames(kit, 1);
	kit->own_root = amd_kit_frames(kit, 1);
	amd_kit_set_dte(kit, OWN_DEVICE, amd_kit_dte(kit->own_root, OWN_MODE, KIT_OWN_DOMAIN));
	amd_kit_write(kit, AMD_DEV_TABLE, 8,
		      kit->devices | (KIT_DEVICES * DTE_SIZE / PAGE_SIZE - 1));
	amd_kit_write(kit, AMD_CMD_BASE, 8, kit->ring | LOG_CODE);
	amd_kit_write(kit, AMD_EVENT_BASE, 8, kit->log | LOG_CODE);
	amd_kit_write(kit, AMD_CONTROL, 8,
		      RUN_ALL | field_put(CONTROL_INV_TIMEOUT, INV_TIMEOUT_1S));
}

struct amd_kit *amd_kit_new(const struct profile *profile)
{
	struct machine_config config = machine_config_default();
	struct option_set assumptions;
	config.arena_bytes = 256ULL << 20; /* quicker to make */
	struct machine *machine = machine_new(&config);
	struct amd_kit *kit = arena_new(machine->arena, struct amd_kit);
	const struct observer observer = {
		.context = kit, .access = on_access, .probe = on_probe, .note = on_note};
	option_set_init(&assumptions, amd_assumptions);
	kit->machine = machine;
	kit->amd = amd_iommu_new(machine, &board, profile, &assumptions);
	start(kit);
	machine_observe(machine, &observer);
	return kit;
}

void amd_kit_free(struct amd_kit *kit)
{
	machine_free(kit->machine);
}

void amd_kit_clear(struct amd_kit *kit)
{
	kit->probe_count = 0;
	kit->access_count = 0;
	kit->interrupts = 0;
}

void amd_kit_assume(struct amd_kit *kit, enum amd_assumption assumption, unsigned value)
{
	kit->amd->assumptions.values[assumption] = (uint8_t)value;
}

uint64_t amd_kit_read(struct amd_kit *kit, uint64_t offset, unsigned width)
{
	return bus_read(&kit->machine->bus, pa_of(AMD_AT + offset), width);
}

void amd_kit_write(struct amd_kit *kit, uint64_t offset, unsigned width, uint64_t value)
{
	bus_write(&kit->machine->bus, pa_of(AMD_AT + offset), width, value);
}

void amd_kit_control(struct amd_kit *kit, uint64_t clear, uint64_t set)
{
	uint64_t control = amd_kit_read(kit, AMD_CONTROL, 8);
	amd_kit_write(kit, AMD_CONTROL, 8, (control & ~clear) | set);
}

unsigned amd_kit_run(struct amd_kit *kit)
{
	unsigned steps = 0;
	while (clock_step(&kit->machine->clock)) {
		steps++;
		assert(steps < KIT_RUNAWAY);
	}
	return steps;
}

uint64_t amd_kit_frames(struct amd_kit *kit, uint32_t count)
{
	uint64_t pfn = 0;
	uint64_t got =
		memory_alloc(&kit->machine->memory, OWNER_NOBODY + 1, count, count, 1, 0, &pfn);
	assert(got == count);
	(void)got;
	return pfn * PAGE_SIZE;
}

uint64_t amd_kit_word(struct amd_kit *kit, uint64_t pa)
{
	uint8_t bytes[8];
	memory_read(&kit->machine->memory, pa_of(pa), bytes, sizeof(bytes));
	return load_le64(bytes);
}

void amd_kit_set_word(struct amd_kit *kit, uint64_t pa, uint64_t value)
{
	uint8_t bytes[8];
	store_le64(bytes, value);
	memory_write(&kit->machine->memory, pa_of(pa), bytes, sizeof(bytes), OWNER_NOBODY + 1);
}

void amd_kit_put(struct amd_kit *kit, uint64_t base, uint32_t entry, struct amd_command command)
{
	uint64_t at = base + (uint64_t)COMMAND_SIZE * entry;
	amd_kit_set_word(kit, at, command.q[0]);
	amd_kit_set_word(kit, at + 8, command.q[1]);
}

struct amd_event amd_kit_event(struct amd_kit *kit, uint64_t base, uint32_t entry)
{
	uint64_t at = base + (uint64_t)EVENT_SIZE * entry;
	return (struct amd_event){{amd_kit_word(kit, at), amd_kit_word(kit, at + 8)}};
}

void amd_kit_issue(struct amd_kit *kit, struct amd_command command)
{
	uint32_t tail = (uint32_t)amd_kit_read(kit, AMD_CMD_TAIL, 8);
	amd_kit_put(kit, kit->ring, tail / COMMAND_SIZE, command);
	amd_kit_write(kit, AMD_CMD_TAIL, 8, (tail + COMMAND_SIZE) % KIT_BYTES);
	amd_kit_run(kit);
}

uint32_t amd_kit_events(struct amd_kit *kit)
{
	return (uint32_t)amd_kit_read(kit, AMD_EVENT_TAIL, 8) / EVENT_SIZE;
}

/* --- tables --- */

struct amd_dte amd_kit_dte(uint64_t root, unsigned mode, uint16_t domain)
{
	return (struct amd_dte){
		{DTE_V | DTE_TV | DTE_IR | DTE_IW | field_put(DTE_MODE, mode) | root,
		 field_put(DTE_DOMAIN, domain), 0, 0}};
}

void amd_kit_set_dte(struct amd_kit *kit, uint16_t device, struct amd_dte dte)
{
	for (unsigned i = 0; i < DTE_WORDS; i++)
		amd_kit_set_word(kit, kit->devices + (uint64_t)DTE_SIZE * device + 8ULL * i,
				 dte.q[i]);
}

uint64_t amd_kit_entry(struct amd_kit *kit, uint64_t root, unsigned mode, uint64_t address,
		       unsigned level)
{
	for (unsigned at = mode;; at--) {
		uint64_t entry = root + (address >> (12 + 9 * (at - 1)) & 511) * 8;
		if (at == level)
			return entry;
		uint64_t value = amd_kit_word(kit, entry);
		if (!(value & PTE_PR)) {
			value = PTE_PR | PTE_RW | field_put(PTE_NEXT, at - 1) |
				amd_kit_frames(kit, 1);
			amd_kit_set_word(kit, entry, value);
		}
		root = value & PTE_ADDR;
	}
}

void amd_kit_map(struct amd_kit *kit, uint64_t root, unsigned mode, uint64_t address, uint64_t pa,
		 uint64_t rights)
{
	bool present = pa != 0 || rights != 0;
	amd_kit_set_word(kit, amd_kit_entry(kit, root, mode, address, 1),
			 present ? PTE_PR | PTE_FC | rights | pa : 0);
}

/* --- guests --- */

struct amd_kit_guest amd_kit_guest(struct amd_kit *kit, uint16_t id, uint16_t trans_device,
				   uint16_t domain)
{
	struct amd_kit_guest guest = {
		.kit = kit,
		.id = id,
		.trans_device = trans_device,
		.domain = domain,
		.root = amd_kit_frames(kit, 1),
		.ring = amd_kit_frames(kit, 1),
		.log = amd_kit_frames(kit, 1),
		.memory = amd_kit_frames(kit, 1),
	};
	amd_kit_guest_map(&guest, GUEST_RING_AT, guest.ring, PTE_RW);
	amd_kit_guest_map(&guest, GUEST_LOG_AT, guest.log, PTE_RW);
	amd_kit_guest_map(&guest, GUEST_MEMORY_AT, guest.memory, PTE_RW);
	amd_kit_set_dte(kit, trans_device, amd_kit_dte(guest.root, GUEST_MODE, domain));
	amd_kit_map(kit, kit->own_root, OWN_MODE, IPA_DEVICE_MAPS + id * DEVICE_MAP_SIZE,
		    amd_kit_frames(kit, 1), PTE_RW);
	amd_kit_map(kit, kit->own_root, OWN_MODE, IPA_DOMAIN_MAPS + id * DOMAIN_MAP_SIZE,
		    amd_kit_frames(kit, 1), PTE_RW);
	amd_kit_set_vfcntl(&guest, VFCNTL_MISC, field_put(MISC_TRANS_DEVICE, trans_device));
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, GUEST_RING_AT | GUEST_LENGTH | GUEST_CMD_EN);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, GUEST_LOG_AT | GUEST_LENGTH | GUEST_EVENT_EN);
	return guest;
}

static struct pa vf_at(const struct amd_kit_guest *guest, uint32_t offset)
{
	return pa_of(VF_AT + (uint64_t)guest->id * VF_STRIDE + (offset & 0xfff));
}

static struct pa vfcntl_at(const struct amd_kit_guest *guest, uint32_t offset)
{
	return pa_of(VFCNTL_AT + (uint64_t)guest->id * VFCNTL_STRIDE + offset);
}

uint64_t amd_kit_vf(const struct amd_kit_guest *guest, uint32_t offset)
{
	return bus_read(&guest->kit->machine->bus, vf_at(guest, offset), 8);
}

void amd_kit_set_vf(const struct amd_kit_guest *guest, uint32_t offset, uint64_t value)
{
	bus_write(&guest->kit->machine->bus, vf_at(guest, offset), 8, value);
}

uint64_t amd_kit_vfcntl(const struct amd_kit_guest *guest, uint32_t offset)
{
	return bus_read(&guest->kit->machine->bus, vfcntl_at(guest, offset), 8);
}

void amd_kit_set_vfcntl(const struct amd_kit_guest *guest, uint32_t offset, uint64_t value)
{
	bus_write(&guest->kit->machine->bus, vfcntl_at(guest, offset), 8, value);
}

void amd_kit_guest_post(const struct amd_kit_guest *guest, struct amd_command command)
{
	uint32_t tail = (uint32_t)amd_kit_vf(guest, AMD_CMD_TAIL);
	amd_kit_put(guest->kit, guest->ring, tail / COMMAND_SIZE, command);
	amd_kit_set_vf(guest, AMD_CMD_TAIL, (tail + COMMAND_SIZE) % KIT_BYTES);
}

void amd_kit_guest_issue(const struct amd_kit_guest *guest, struct amd_command command)
{
	amd_kit_guest_post(guest, command);
	amd_kit_run(guest->kit);
}

void amd_kit_guest_restart(const struct amd_kit_guest *guest)
{
	uint64_t command = amd_kit_vfcntl(guest, VFCNTL_COMMAND);
	amd_kit_set_vfcntl(guest, VFCNTL_COMMAND, command & ~GUEST_CMD_EN);
	amd_kit_set_vfcntl(guest, VFCNTL_COMMAND, command | GUEST_CMD_EN);
	amd_kit_run(guest->kit);
}

static void set_map(const struct amd_kit_guest *guest, uint32_t port, uint16_t from, uint16_t to)
{
	amd_kit_set_vfcntl(guest, port,
			   MAP_WRITE | field_put(MAP_GUEST, from) | field_put(MAP_HOST, to) |
				   MAP_VALID);
}

void amd_kit_guest_device(const struct amd_kit_guest *guest, uint16_t guest_device, uint16_t host)
{
	set_map(guest, VFCNTL_DEVICE_MAP, guest_device, host);
}

void amd_kit_guest_domain(const struct amd_kit_guest *guest, uint16_t guest_domain, uint16_t host)
{
	set_map(guest, VFCNTL_DOMAIN_MAP, guest_domain, host);
}

void amd_kit_guest_map(const struct amd_kit_guest *guest, uint64_t address, uint64_t pa,
		       uint64_t rights)
{
	amd_kit_map(guest->kit, guest->root, GUEST_MODE, address, pa, rights);
}
