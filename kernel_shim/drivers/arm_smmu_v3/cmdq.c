// SPDX-License-Identifier: Apache-2.0
/* Command queues as Linux drives them: batches, CMD_SYNC, wait (smmuv3 3.5, 3.6). */
#include <assert.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define SPIN_POLLS      10U
#define SPIN_PS         100000ULL        /* one poll: a read of CONS; assumed */
#define POLL_PS         1000000ULL       /* 1 us, then doubled each time */
#define SYNC_TIMEOUT_PS 1000000000000ULL /* 1 s */

static uint32_t queue_size(const struct arm_smmu_cmdq *cmdq)
{
	return 1U << cmdq->log2size;
}

static uint32_t prod_of(const struct arm_smmu_cmdq *cmdq)
{
	return (uint32_t)cmdq->issued & (2 * queue_size(cmdq) - 1);
}

static struct pa entry_pa(const struct arm_smmu_cmdq *cmdq, uint64_t number)
{
	uint64_t entry = number & (queue_size(cmdq) - 1);
	return pa_of(cmdq->pfn * PAGE_SIZE + entry * COMMAND_SIZE);
}

static uint32_t read_cons(const struct arm_smmu_cmdq *cmdq)
{
	return (uint32_t)bus_read(&cmdq->smmu->machine->bus, cmdq->cons, 4);
}

/* Commands that the hardware has consumed, ever, as CONS tells. */
static uint64_t consumed(const struct arm_smmu_cmdq *cmdq)
{
	uint64_t cons = field_get(read_cons(cmdq), QUEUE_POINTER);
	return cmdq->issued - ((cmdq->issued - cons) & (2 * queue_size(cmdq) - 1));
}

/* Until the queue has consumed TARGET commands; gives up after 1 s, as Linux does. */
static void wait_until(struct arm_smmu_cmdq *cmdq, uint64_t target, const char *where)
{
	struct machine *machine = cmdq->smmu->machine;
	uint64_t deadline_ps = machine->clock.now_ps + SYNC_TIMEOUT_PS;
	uint64_t delay_ps = POLL_PS;
	for (uint32_t polls = 0; machine->clock.now_ps < deadline_ps; polls++) {
		if (consumed(cmdq) >= target)
			return;
		machine_delay(machine, polls < SPIN_POLLS ? SPIN_PS : delay_ps, where);
		if (polls >= SPIN_POLLS)
			delay_ps *= 2;
	}
}

static void store(struct arm_smmu_cmdq *cmdq, uint64_t number, const struct smmu_command *command)
{
	uint8_t bytes[COMMAND_SIZE];
	command_store(bytes, command);
	memory_write(&cmdq->smmu->machine->memory, entry_pa(cmdq, number), bytes, sizeof(bytes),
		     OWNER_KERNEL);
}

static void put(struct arm_smmu_cmdq *cmdq, const struct smmu_command *command)
{
	store(cmdq, cmdq->issued, command);
	cmdq->issued++;
}

/* The batch, and a CMD_SYNC if wanted: how many commands must be consumed until all is done. */
static uint64_t send(struct arm_smmu_batch *batch, bool sync)
{
	struct arm_smmu_cmdq *cmdq = batch->cmdq;
	struct machine *machine = cmdq->smmu->machine;
	struct scheduler *sched = sched_of(machine);
	struct smmu_command last = command_sync(cmdq->sync_cs);
	assert(TLBI_BATCH + 1 < queue_size(cmdq));
	mutex_lock(sched, &cmdq->lock, "cmdq");
	uint64_t wanted = cmdq->issued + batch->count + 1;
	if (wanted > queue_size(cmdq))
		wait_until(cmdq, wanted - queue_size(cmdq), "cmdq space");
	for (uint32_t i = 0; i < batch->count; i++)
		put(cmdq, &batch->commands[i]);
	if (sync)
		put(cmdq, &last);
	uint64_t target = cmdq->issued;
	bus_write(&machine->bus, cmdq->prod, 4, prod_of(cmdq));
	mutex_unlock(sched, &cmdq->lock);
	batch->count = 0;
	return target;
}

void arm_smmu_batch_add(struct arm_smmu_batch *batch, struct smmu_command command)
{
	if (batch->count == TLBI_BATCH)
		send(batch, false);
	batch->commands[batch->count++] = command;
}

void arm_smmu_batch_submit_no_wait(struct arm_smmu_batch *batch)
{
	if (batch->count > 0)
		send(batch, true);
}

void arm_smmu_batch_submit(struct arm_smmu_batch *batch)
{
	if (batch->count > 0)
		wait_until(batch->cmdq, send(batch, true), "CMD_SYNC");
}

struct arm_smmu_cmdq *arm_smmu_get_cmdq(struct arm_smmu *smmu)
{
	struct arm_smmu_cmdq *cmdq = tegra241_cmdqv_get_cmdq(smmu);
	return cmdq != NULL ? cmdq : &smmu->cmdq;
}

void arm_smmu_cmdq_issue(struct arm_smmu *smmu, struct smmu_command command)
{
	arm_smmu_cmdq_issue_on(arm_smmu_get_cmdq(smmu), command);
}

void arm_smmu_cmdq_issue_on(struct arm_smmu_cmdq *cmdq, struct smmu_command command)
{
	struct arm_smmu_batch batch = {.cmdq = cmdq};
	arm_smmu_batch_add(&batch, command);
	arm_smmu_batch_submit(&batch);
}

void arm_smmu_cmdq_issue_no_sync(struct arm_smmu *smmu, struct smmu_command command)
{
	struct arm_smmu_batch batch = {.cmdq = arm_smmu_get_cmdq(smmu)};
	arm_smmu_batch_add(&batch, command);
	send(&batch, false);
}

void arm_smmu_cmdq_skip_error(struct arm_smmu_cmdq *cmdq)
{
	uint32_t cons = read_cons(cmdq);
	struct smmu_command skip = command_sync(cmdq->sync_cs);
	if (field_get(cons, CMDQ_CONS_ERR) == CERROR_ILL)
		store(cmdq, cons, &skip);
}

void arm_smmu_cmdq_init(struct arm_smmu_cmdq *cmdq, struct arm_smmu *smmu, struct pa prod,
			struct pa cons, unsigned sync_cs)
{
	uint32_t cmdqs = (uint32_t)field_get(smmu->idr[1], IDR1_CMDQS);
	cmdq->smmu = smmu;
	cmdq->prod = prod;
	cmdq->cons = cons;
	cmdq->sync_cs = sync_cs;
	cmdq->log2size = cmdqs < QUEUE_LOG2SIZE_MAX ? cmdqs : QUEUE_LOG2SIZE_MAX;
	cmdq->pfn = arm_smmu_alloc_frames(smmu->machine, (uint64_t)COMMAND_SIZE << cmdq->log2size);
	mutex_init(&cmdq->lock);
}

uint64_t arm_smmu_cmdq_base(const struct arm_smmu_cmdq *cmdq)
{
	return cmdq->pfn * PAGE_SIZE | cmdq->log2size;
}
