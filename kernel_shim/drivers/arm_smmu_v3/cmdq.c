// SPDX-License-Identifier: Apache-2.0
/* Command queues as Linux drives them: batches, CMD_SYNC, wait (smmuv3 3.5, 3.6). */
#include <assert.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define SPIN_POLLS      9U
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
static uint64_t send(const struct arm_smmu_batch *batch, bool sync)
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
	unsigned times = arm_smmu_repeats(batch->cmdq->smmu, &batch->commands[0]) ? 2 : 1;
	for (unsigned i = 0; i < times; i++) {
		uint64_t target = send(batch, true);
		if (wait)
			wait_until(batch->cmdq, target, "CMD_SYNC");
	}
	batch->count = 0;
}

/* Whether a batch that more commands follow ends with a CMD_SYNC: an erratum's workaround (3.6). */
static bool sync_is_forced(const struct arm_smmu_batch *batch)
{
	return (batch->count == TLBI_BATCH - 1 &&
		kernel_option(batch->cmdq->smmu->machine, KERNEL_ARM_FORCE_SYNC) ==
			KERNEL_SWITCH_OTHER) ||
	       (batch->count == TLBI_BATCH &&
		arm_smmu_repeats(batch->cmdq->smmu, &batch->commands[0]));
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

/* As it is; whatever else stopped a queue, its command is given up (3.4). */
static bool is_tried_again(uint64_t error)
{
	return error == CERROR_NONE || error == CERROR_ABT || error == CERROR_ATC_INV_SYNC;
}

void arm_smmu_cmdq_skip_error(struct arm_smmu_cmdq *cmdq)
{
	uint32_t cons = read_cons(cmdq);
	struct smmu_command skip = command_sync(cmdq->sync_cs);
	if (!is_tried_again(field_get(cons, CMDQ_CONS_ERR)))
		store(cmdq, cons, &skip);
}

void arm_smmu_cmdq_init(struct arm_smmu_cmdq *cmdq, struct arm_smmu *smmu, struct pa prod,
			struct pa cons, unsigned sync_cs)
{
	cmdq->smmu = smmu;
	cmdq->prod = prod;
	cmdq->cons = cons;
	cmdq->sync_cs = sync_cs;
	cmdq->log2size = arm_smmu_queue_log2size(smmu, IDR1_CMDQS);
	cmdq->pfn = arm_smmu_alloc_frames(smmu->machine, (uint64_t)COMMAND_SIZE << cmdq->log2size);
	mutex_init(&cmdq->lock);
}

uint64_t arm_smmu_cmdq_base(const struct arm_smmu_cmdq *cmdq)
{
	return cmdq->pfn * PAGE_SIZE | cmdq->log2size;
}
