// SPDX-License-Identifier: Apache-2.0
/* The main command queue as Linux drives it: batch, CMD_SYNC, wait (smmuv3 3.5, 3.6). */
#include <assert.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define POLL_PS         1000000ULL       /* 1 us */
#define SYNC_TIMEOUT_PS 1000000000000ULL /* 1 s */

static uint32_t wrap_mask(const struct arm_smmu *smmu)
{
	return (2U << smmu->cmdq_log2size) - 1;
}

static void put(struct arm_smmu *smmu, const struct smmu_command *command)
{
	uint8_t bytes[COMMAND_SIZE];
	uint32_t entry = smmu->cmdq_prod & ((1U << smmu->cmdq_log2size) - 1);
	command_store(bytes, command);
	memory_write(&smmu->machine->memory,
		     pa_of(smmu->cmdq_pfn * PAGE_SIZE + (uint64_t)entry * COMMAND_SIZE), bytes,
		     sizeof(bytes), OWNER_KERNEL);
	smmu->cmdq_prod = (smmu->cmdq_prod + 1) & wrap_mask(smmu);
}

/* CS = SEV: completion shows in CONS. */
static void wait_for_sync(struct arm_smmu *smmu)
{
	uint64_t deadline_ps = smmu->machine->clock.now_ps + SYNC_TIMEOUT_PS;
	while (smmu->machine->clock.now_ps < deadline_ps) {
		uint64_t cons = arm_smmu_read(smmu, SMMU_CMDQ_CONS, 4);
		if (field_get(cons, QUEUE_POINTER) == smmu->cmdq_prod)
			return;
		arm_smmu_delay(smmu->machine, POLL_PS / 10, "CMD_SYNC");
	}
}

void arm_smmu_cmdq_issue(struct arm_smmu *smmu, const struct smmu_command *commands, uint32_t count)
{
	struct smmu_command sync = command_sync(SYNC_CS_SEV);
	struct scheduler *sched = sched_of(smmu->machine);
	assert(count + 1 < 1U << smmu->cmdq_log2size);
	mutex_lock(sched, &smmu->cmdq_lock, "cmdq");
	for (uint32_t i = 0; i < count; i++)
		put(smmu, &commands[i]);
	put(smmu, &sync);
	arm_smmu_write(smmu, SMMU_CMDQ_PROD, 4, smmu->cmdq_prod);
	wait_for_sync(smmu);
	mutex_unlock(sched, &smmu->cmdq_lock);
}
