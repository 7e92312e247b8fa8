// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/arm_smmu.h"

#include <check.h>
#include <glib.h>

static void on_access(void *context, struct machine *machine, const struct access *access)
{
	(void)context, (void)machine, (void)access;
}

static void on_note(void *context, struct machine *machine, const struct note *note)
{
	(void)context, (void)machine, (void)note;
}

static void on_probe(void *context, struct machine *machine, const struct probe *probe)
{
	struct arm_kit *kit = context;
	struct arm_logged *logged = &kit->log[kit->count];
	const struct arm_smmu_master *master = kit->watched;
	ck_assert_int_ne(probe->kind, PROBE_STOPPED);
	ck_assert_uint_lt(kit->count, ARM_LOG_MAX);
	*logged = (struct arm_logged){.command = {{probe->fetched[0], probe->fetched[1]}}};
	for (unsigned word = 0; master != NULL && word < 4; word++) {
		uint64_t ste = arm_smmu_ste_pa(kit->driver, master->sid) + 8 * word;
		logged->ste[word] = read_shared_word(machine, ste);
		if (master->cd_pa != 0)
			logged->cd[word] = read_shared_word(machine, master->cd_pa + 8 * word);
	}
	kit->count++;
}

struct arm_kit *arm_kit_new(const struct profile *profile)
{
	struct arm_kit *kit = g_new0(struct arm_kit, 1);
	bool cmdqv = profile_get(profile, "cmdqv.present") != 0;
	const struct arm_smmu_resources resources = {.name = smmu_kit_board.name,
						     .base = smmu_kit_board.base,
						     .cmdqv = pa_of(cmdqv ? CMDQV_AT : 0),
						     .gerror_irq = smmu_kit_board.gerror_irq,
						     .eventq_irq = smmu_kit_board.eventq_irq,
						     .cmdqv_irq = smmu_kit_board.cmdqv_irq};
	const struct observer observer = {
		.context = kit, .access = on_access, .probe = on_probe, .note = on_note};
	struct option_set assumptions;
	option_set_init(&assumptions, smmu_assumptions);
	kit->world = world_new();
	kit->machine = kit->world->machine;
	/* What is sent is logged as of the main queue; test_tegra241_vintf0.c has the other. */
	arm_kit_option(kit, KERNEL_CMDQV_BYPASS, KERNEL_SWITCH_OTHER);
	kit->smmu = smmu_new(kit->machine, &smmu_kit_board, profile, &assumptions);
	machine_observe(kit->machine, &observer);
	ck_assert_int_eq(arm_smmu_probe(kit->machine, &resources, &kit->driver), 0);
	return kit;
}

void arm_kit_free(struct arm_kit *kit)
{
	world_free(kit->world);
	g_free(kit);
}

struct arm_smmu_master *arm_kit_device(struct arm_kit *kit, uint32_t sid, bool ats)
{
	struct arm_smmu_master *master = arm_smmu_master_new(kit->driver, sid, ats);
	if (kit->watched == NULL)
		kit->watched = master;
	return master;
}

void arm_kit_run(struct arm_kit *kit)
{
	while (clock_step(&kit->machine->clock))
		;
}

void arm_kit_look(struct arm_kit *kit)
{
	arm_kit_run(kit);
	kit->count = 0;
}

void arm_kit_expect(struct arm_kit *kit, const struct smmu_command *commands, unsigned count)
{
	arm_kit_run(kit);
	for (unsigned i = 0; i < count && i < kit->count; i++)
		ck_assert_msg(kit->log[i].command.dw[0] == commands[i].dw[0] &&
				      kit->log[i].command.dw[1] == commands[i].dw[1],
			      "command %u is %016lx %016lx, expected %016lx %016lx", i,
			      kit->log[i].command.dw[0], kit->log[i].command.dw[1],
			      commands[i].dw[0], commands[i].dw[1]);
	ck_assert_uint_eq(kit->count, count);
}

void arm_kit_option(struct arm_kit *kit, enum kernel_option option, unsigned value)
{
	struct iommufd_module *module = kit->machine->kernel;
	module->options.values[option] = (uint8_t)value;
}
