// SPDX-License-Identifier: Apache-2.0
/* The main command queue as Linux drives it: batches, CMD_SYNC, wait (smmuv3 3.5, 3.6). */
#include <assert.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define SPIN_POLLS      10U
#define SPIN_PS         100000ULL        /* one poll: a read of CONS; assumed */
#define POLL_PS         1000000ULL       /* 1 us, then doubled each time */
#define SYNC_TIMEOUT_PS 1000000000000ULL /* 1 s */

static uint32_t queue_size(const struct arm_smmu *smmu)
{
	return 1U << smmu->cmdq_log2size;
}

static uint32_t prod_of(const struct arm_smmu *smmu)
{
	return (uint32_t)smmu->cmdq_issued & (2 * queue_size(smmu) - 1);
}

/* Commands that the hardware has consumed, ever, as CONS tells. */
static uint64_t consumed(struct arm_smmu *smmu)
{
	uint64_t cons = field_get(arm_smmu_read(smmu, SMMU_CMDQ_CONS, 4), QUEUE_POINTER);
	return smmu->cmdq_issued - ((smmu->cmdq_issued - cons) & (2 * queue_size(smmu) - 1));
}

/* Until the queue has consumed TARGET commands; gives up after 1 s, as Linux does. */
static void wait_until(struct arm_smmu *smmu, uint64_t target, const char *where)
{
	uint64_t deadline_ps = smmu->machine->clock.now_ps + SYNC_TIMEOUT_PS;
	uint64_t delay_ps = POLL_PS;
	for (uint32_t polls = 0; smmu->machine->clock.now_ps < deadline_ps; polls++) {
		if (consumed(smmu) >= target)
			return;
		machine_delay(smmu->machine, polls < SPIN_POLLS ? SPIN_PS : delay_ps, where);
		if (polls >= SPIN_POLLS)
			delay_ps *= 2;
	}
}

static void put(struct arm_smmu *smmu, const struct smmu_command *command)
{
	uint8_t bytes[COMMAND_SIZE];
	uint64_t entry = smmu->cmdq_issued & (queue_size(smmu) - 1);
	command_store(bytes, command);
	memory_write(&smmu->machine->memory,
		     pa_of(smmu->cmdq_pfn * PAGE_SIZE + entry * COMMAND_SIZE), bytes, sizeof(bytes),
		     OWNER_KERNEL);
	smmu->cmdq_issued++;
}

/* The batch, and a CMD_SYNC if wanted: how many commands must be consumed until all is done. */
static uint64_t send(const struct arm_smmu_batch *batch, bool sync)
{
	struct arm_smmu *smmu = batch->smmu;
	struct scheduler *sched = sched_of(smmu->machine);
	struct smmu_command last = command_sync(SYNC_CS_SEV);
	assert(TLBI_BATCH + 1 < queue_size(smmu));
	mutex_lock(sched, &smmu->cmdq_lock, "cmdq");
	uint64_t wanted = smmu->cmdq_issued + batch->count + 1;
	if (wanted > queue_size(smmu))
		wait_until(smmu, wanted - queue_size(smmu), "cmdq space");
	for (uint32_t i = 0; i < batch->count; i++)
		put(smmu, &batch->commands[i]);
	if (sync)
		put(smmu, &last);
	uint64_t target = smmu->cmdq_issued;
	arm_smmu_write(smmu, SMMU_CMDQ_PROD, 4, prod_of(smmu));
	mutex_unlock(sched, &smmu->cmdq_lock);
	return target;
}

bool arm_smmu_repeats(const struct arm_smmu *smmu, const struct smmu_command *command)
{
	unsigned opcode = command_opcode(command);
	return opcode >= CMD_CFGI_STE && opcode < CMD_ATC_INV &&
	       kernel_option(smmu->machine, KERNEL_ARM_REPEAT_TLBI_CFGI) == KERNEL_SWITCH_OTHER;
}

/* With a CMD_SYNC at its end; all of it twice, where hardware may miss it the first time. */
static void submit(struct arm_smmu_batch *batch, bool wait)
{
	unsigned times = arm_smmu_repeats(batch->smmu, &batch->commands[0]) ? 2 : 1;
	for (unsigned i = 0; i < times; i++) {
		uint64_t target = send(batch, true);
		if (wait)
			wait_until(batch->smmu, target, "CMD_SYNC");
	}
	batch->count = 0;
}

/* Whether a batch that more commands follow ends with a CMD_SYNC: an erratum's workaround (3.6). */
static bool sync_is_forced(const struct arm_smmu_batch *batch)
{
	return (batch->count == TLBI_BATCH - 1 &&
		kernel_option(batch->smmu->machine, KERNEL_ARM_FORCE_SYNC) ==
			KERNEL_SWITCH_OTHER) ||
	       (batch->count == TLBI_BATCH && arm_smmu_repeats(batch->smmu, &batch->commands[0]));
}

void arm_smmu_batch_add(struct arm_smmu_batch *batch, struct smmu_command command)
{
	if (batch->count >= TLBI_BATCH - 1 && sync_is_forced(batch))
		submit(batch, true);
	if (batch->count == TLBI_BATCH) {
		send(batch, false);
		batch->count = 0;
	}
	batch->commands[batch->count++] = command;
}

void arm_smmu_batch_submit_no_wait(struct arm_smmu_batch *batch)
{
	if (batch->count > 0)
		submit(batch, false);
}

void arm_smmu_batch_submit(struct arm_smmu_batch *batch)
{
	if (batch->count > 0)
		submit(batch, true);
}

void arm_smmu_cmdq_issue_no_sync(struct arm_smmu *smmu, struct smmu_command command)
{
	struct arm_smmu_batch batch = {.smmu = smmu};
	arm_smmu_batch_add(&batch, command);
	send(&batch, false);
}

void arm_smmu_cmdq_replace(struct arm_smmu *smmu, uint32_t cons, const struct smmu_command *command)
{
	uint64_t entry = cons & (queue_size(smmu) - 1);
	uint8_t bytes[COMMAND_SIZE];
	command_store(bytes, command);
	memory_write(&smmu->machine->memory,
		     pa_of(smmu->cmdq_pfn * PAGE_SIZE + entry * COMMAND_SIZE), bytes, sizeof(bytes),
		     OWNER_KERNEL);
}

void arm_smmu_cmdq_issue(struct arm_smmu *smmu, struct smmu_command command)
{
	struct arm_smmu_batch batch = {.smmu = smmu};
	arm_smmu_batch_add(&batch, command);
	arm_smmu_batch_submit(&batch);
}
