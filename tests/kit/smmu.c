// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/smmu.h"

#include <assert.h>
#include <string.h>

#include "kernel_shim/iommufd.h"
#include "tools/runner/builtin_profiles.h"

const struct smmu_board smmu_kit_board = {
	.name = "smmu",
	.base = {SMMU_AT},
	.cmdqv_base = {CMDQV_AT},
	.gerror_irq = KIT_IRQ_GERROR,
	.eventq_irq = KIT_IRQ_EVENTQ,
	.cmdqv_irq = KIT_IRQ_CMDQV,
	.priq_irq = KIT_IRQ_PRIQ,
	.sync_irq = KIT_IRQ_SYNC,
};

struct profile smmu_kit_profile(const char *name)
{
	struct profile profile;
	struct trace_diag diag = {0};
	const struct builtin_profile *found = builtin_profiles;
	while (strcmp(found->name, name) != 0)
		found++;
	int result = profile_parse(&profile, name, (const char *)found->text, found->length,
				   smmu_parameters, &diag);
	assert(result == 0);
	(void)result;
	return profile;
}

struct profile smmu_kit_grace(void)
{
	return smmu_kit_profile("grace");
}

struct profile smmu_kit_everything(void)
{
	struct profile profile = smmu_kit_grace();
	smmu_kit_set(&profile, "idr0.features",
		     profile_get(&profile, "idr0.features") | IDR0_MSI | IDR0_PRI | IDR0_VMW |
			     IDR0_CD2L | IDR0_ATSRECERR | IDR0_HYP |
			     field_put(IDR0_HTTU, HTTU_DIRTY) | field_put(IDR0_ST_LEVEL, 1));
	smmu_kit_set(&profile, "idr1.features",
		     profile_get(&profile, "idr1.features") | IDR1_ATTR_PERMS_OVR |
			     field_put(IDR1_SSIDSIZE, 12));
	smmu_kit_set(&profile, "idr3.features", IDR3_HAD | IDR3_XNX | IDR3_E0PD | IDR3_RIL);
	smmu_kit_set(&profile, "idr5.features",
		     IDR5_GRAN4K | IDR5_GRAN16K | IDR5_GRAN64K |
			     field_put(IDR5_STALL_MAX, KIT_STALL_MAX));
	return profile;
}

void smmu_kit_set(struct profile *profile, const char *name, uint64_t value)
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
	struct smmu_kit *kit = context;
	(void)machine;
	if (kit->access_count < KIT_LOG_MAX)
		kit->accesses[kit->access_count] = *access;
	kit->access_count++;
}

static void on_probe(void *context, struct machine *machine, const struct probe *probe)
{
	struct smmu_kit *kit = context;
	(void)machine;
	if (kit->probe_count < KIT_LOG_MAX)
		kit->probes[kit->probe_count] = *probe;
	kit->probe_count++;
	assert(kit->probe_count < KIT_RUNAWAY);
}

static void on_note(void *context, struct machine *machine, const struct note *note)
{
	struct smmu_kit *kit = context;
	(void)machine;
	if (note->kind == NOTE_INTERRUPT && note->who < KIT_IRQS)
		kit->interrupts[note->who]++;
}

struct smmu_kit *smmu_kit_new(const struct profile *profile)
{
	struct machine_config config = machine_config_default();
	struct option_set assumptions;
	config.arena_bytes = 256ULL << 20; /* quicker to make */
	struct machine *machine = machine_new(&config);
	struct smmu_kit *kit = arena_new(machine->arena, struct smmu_kit);
	const struct observer observer = {
		.context = kit, .access = on_access, .probe = on_probe, .note = on_note};
	option_set_init(&assumptions, smmu_assumptions);
	kit->machine = machine;
	kit->smmu = smmu_new(machine, &smmu_kit_board, profile, &assumptions);
	machine_observe(machine, &observer);
	return kit;
}

void smmu_kit_free(struct smmu_kit *kit)
{
	machine_free(kit->machine);
}

void smmu_kit_clear(struct smmu_kit *kit)
{
	kit->probe_count = 0;
	kit->access_count = 0;
	memset(kit->interrupts, 0, sizeof(kit->interrupts));
}

uint64_t kit_read(struct smmu_kit *kit, uint64_t offset, unsigned width)
{
	return bus_read(&kit->machine->bus, pa_of(CMDQV_AT + offset), width);
}

void kit_write(struct smmu_kit *kit, uint64_t offset, unsigned width, uint64_t value)
{
	bus_write(&kit->machine->bus, pa_of(CMDQV_AT + offset), width, value);
}

uint64_t kit_smmu_read(struct smmu_kit *kit, uint64_t offset, unsigned width)
{
	return bus_read(&kit->machine->bus, pa_of(SMMU_AT + offset), width);
}

void kit_smmu_write(struct smmu_kit *kit, uint64_t offset, unsigned width, uint64_t value)
{
	bus_write(&kit->machine->bus, pa_of(SMMU_AT + offset), width, value);
}

void kit_forget(struct smmu_kit *kit)
{
	static const struct level1_key all = {.sid_bits = LEVEL1_ALL, .ssid_bits = LEVEL1_ALL};
	struct smmu *smmu = kit->smmu;
	config_cache_drop(&smmu->configs, 0, 32);
	context_cache_drop(&smmu->contexts, 0, 32);
	level1_cache_drop(&smmu->level1_streams, &all);
	level1_cache_drop(&smmu->level1_contexts, &all);
	tlb_remove_all(&smmu->tlb);
	tlb_remove_all(&smmu->walks);
	if (!(smmu->features & COMMAND_NEEDS_HYP))
		return;
	tlb_remove_all(&smmu->el2_tlb);
	tlb_remove_all(&smmu->el2_walks);
}

unsigned kit_run(struct smmu_kit *kit)
{
	unsigned steps = 0;
	while (clock_step(&kit->machine->clock)) {
		steps++;
		assert(steps < KIT_RUNAWAY);
	}
	return steps;
}

uint64_t kit_frames(struct smmu_kit *kit, uint32_t count)
{
	uint64_t pfn = 0;
	uint64_t got = memory_alloc(&kit->machine->memory, OWNER_KERNEL, count, count, 1, 0, &pfn);
	assert(got == count);
	(void)got;
	return pfn * PAGE_SIZE;
}

void kit_put(struct smmu_kit *kit, uint64_t base, uint32_t entry, struct smmu_command command)
{
	uint8_t bytes[COMMAND_SIZE];
	command_store(bytes, &command);
	memory_write(&kit->machine->memory, pa_of(base + (uint64_t)COMMAND_SIZE * entry), bytes,
		     sizeof(bytes), OWNER_KERNEL);
}

void kit_assume(struct smmu_kit *kit, enum smmu_assumption assumption, unsigned value)
{
	kit->smmu->assumptions.values[assumption] = (uint8_t)value;
}

void kit_alloc(struct smmu_kit *kit, uint32_t queue, uint32_t vintf, uint32_t logical, bool alloc)
{
	kit_write(kit, CMDQV_ALLOC_MAP + 4 * queue, 4,
		  field_put(ALLOC_VINTF, vintf) | field_put(ALLOC_LVCMDQ, logical) | alloc);
}

void kit_enable(struct smmu_kit *kit, uint32_t queue, uint32_t vintf, uint32_t logical,
		uint32_t config, uint64_t base)
{
	kit_write(kit, kit_vintf(vintf, VINTF_CONFIG), 4, config);
	kit_alloc(kit, queue, vintf, logical, true);
	kit_write(kit, kit_direct1(queue, VCMDQ_BASE), 8, base);
	kit_switch(kit, queue, true);
}

void kit_switch(struct smmu_kit *kit, uint32_t queue, bool on)
{
	kit_write(kit, kit_direct(queue, VCMDQ_CONFIG), 4, on);
}

void kit_ring(struct smmu_kit *kit, uint32_t queue, uint32_t prod)
{
	kit_write(kit, kit_direct(queue, VCMDQ_PROD), 4, prod);
}

bool kit_enabled(struct smmu_kit *kit, uint32_t queue)
{
	return kit_read(kit, kit_direct(queue, VCMDQ_STATUS), 4) & VCMDQ_EN;
}

uint32_t kit_cons(struct smmu_kit *kit, uint32_t queue)
{
	return (uint32_t)field_get(kit_read(kit, kit_direct(queue, VCMDQ_CONS), 4), VCMDQ_POINTER);
}

uint32_t kit_error(struct smmu_kit *kit, uint32_t queue)
{
	return (uint32_t)field_get(kit_read(kit, kit_direct(queue, VCMDQ_CONS), 4), VCMDQ_CONS_ERR);
}

bool kit_stopped(struct smmu_kit *kit, uint32_t queue)
{
	uint64_t active = kit_read(kit, kit_direct(queue, VCMDQ_GERROR), 4) ^
			  kit_read(kit, kit_direct(queue, VCMDQ_GERRORN), 4);
	return active & VCMDQ_GERROR_CMDQ_ERR;
}

void kit_acknowledge(struct smmu_kit *kit, uint32_t queue)
{
	kit_write(kit, kit_direct(queue, VCMDQ_GERRORN), 4,
		  kit_read(kit, kit_direct(queue, VCMDQ_GERROR), 4));
}

void kit_enable_main(struct smmu_kit *kit, uint64_t base, uint32_t log2size)
{
	uint64_t cr0 = kit_smmu_read(kit, SMMU_CR0, 4);
	kit_smmu_write(kit, SMMU_CMDQ_BASE, 8, base | log2size);
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, 0);
	kit_smmu_write(kit, SMMU_CMDQ_CONS, 4, 0);
	kit_smmu_write(kit, SMMU_CR0, 4, cr0 | CR0_CMDQEN);
}

uint64_t kit_word(struct smmu_kit *kit, uint64_t pa)
{
	uint8_t bytes[8];
	memory_read(&kit->machine->memory, pa_of(pa), bytes, sizeof(bytes));
	return load_le64(bytes);
}

void kit_set_word(struct smmu_kit *kit, uint64_t pa, uint64_t value)
{
	uint8_t bytes[8];
	store_le64(bytes, value);
	memory_write(&kit->machine->memory, pa_of(pa), bytes, sizeof(bytes), OWNER_KERNEL);
}
