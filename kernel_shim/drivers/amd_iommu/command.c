// SPDX-License-Identifier: Apache-2.0
/* The host's command ring as Linux drives it: entries, tail, COMPLETION_WAIT (6, 8). */
#include "kernel_shim/drivers/amd_iommu/amd.h"

#define RING_SIZE   ((uint32_t)COMMAND_SIZE << 9)
#define RING_MARGIN 0x20U      /* it never fills closer (6) */
#define POLL_PS     1000000ULL /* 1 us, 100 ms at most (8.7) */
#define POLLS_MAX   100000U

/* False: after 100 ms there is still none. */
static bool wait_for_space(struct amd *amd)
{
	for (uint32_t polls = 0; polls < POLLS_MAX; polls++) {
		uint32_t head = (uint32_t)amd_read(amd, AMD_CMD_HEAD, 4);
		uint32_t left = (head - amd->tail - COMMAND_SIZE) & (RING_SIZE - 1);
		if (left > RING_MARGIN)
			return true;
		machine_delay(amd->machine, POLL_PS, "command buffer space");
	}
	return false;
}

static int put(struct amd *amd, const struct amd_command *command)
{
	uint8_t bytes[COMMAND_SIZE];
	if (!wait_for_space(amd))
		return -EIO;
	amd_command_store(bytes, command);
	memory_write(&amd->machine->memory, pa_of(amd->ring_pfn * PAGE_SIZE + amd->tail), bytes,
		     sizeof(bytes), OWNER_KERNEL);
	amd->tail = (amd->tail + COMMAND_SIZE) & (RING_SIZE - 1);
	amd_write(amd, AMD_CMD_TAIL, 4, amd->tail);
	return 0;
}

int amd_queue(struct amd *amd, struct amd_command command)
{
	struct scheduler *sched = sched_of(amd->machine);
	mutex_lock(sched, &amd->lock, "command buffer");
	int error = put(amd, &command);
	if (error == 0)
		amd->need_sync = true;
	mutex_unlock(sched, &amd->lock);
	return error;
}

/* *NUMBER: what the last one stores. */
static int queue_wait(struct amd *amd, uint64_t *number)
{
	struct scheduler *sched = sched_of(amd->machine);
	int error = 0;
	mutex_lock(sched, &amd->lock, "command buffer");
	if (amd->need_sync) {
		struct amd_command wait =
			amd_command_completion_wait(amd->semaphore_pa, amd->semaphore + 1);
		error = put(amd, &wait);
		amd->semaphore += error == 0;
		amd->need_sync = error != 0;
	}
	*number = amd->semaphore;
	mutex_unlock(sched, &amd->lock);
	return error;
}

void amd_completion_no_wait(struct amd *amd)
{
	uint64_t number;
	queue_wait(amd, &number);
}

/* After 100 ms Linux prints an alert and goes on (amd-viommu 19). */
void amd_completion_wait(struct amd *amd)
{
	uint64_t number;
	if (queue_wait(amd, &number) != 0)
		return; /* what is not queued is not done either */
	for (uint32_t polls = 0; polls < POLLS_MAX; polls++) {
		uint8_t bytes[8];
		memory_read(&amd->machine->memory, pa_of(amd->semaphore_pa), bytes, sizeof(bytes));
		if (load_le64(bytes) >= number)
			return;
		machine_delay(amd->machine, POLL_PS, "COMPLETION_WAIT");
	}
}
