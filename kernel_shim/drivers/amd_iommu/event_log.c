// SPDX-License-Identifier: Apache-2.0
/* The host's event log as Linux reads it, errata included (3, 4, 6, 13). */
#include "kernel_shim/drivers/amd_iommu/amd.h"

#define LOG_SIZE  ((uint32_t)EVENT_SIZE << AMD_RING_CODE)
#define POLL_PS   1000000ULL /* 1 us, 100 ms at most (6) */
#define POLLS_MAX 100000U

void amd_set_up_event_log(struct amd *amd)
{
	amd->event_log_pfn = alloc_shared_frames(amd->machine, LOG_SIZE);
	amd_write(amd, AMD_EVENT_BASE, 8,
		  amd->event_log_pfn * PAGE_SIZE | field_put(RING_LENGTH, AMD_RING_CODE));
	amd_write(amd, AMD_EVENT_HEAD, 4, 0);
	amd_write(amd, AMD_EVENT_TAIL, 4, 0);
	amd_control(amd, CONTROL_EVENT_LOG_EN, true);
	amd_control(amd, CONTROL_EVENT_INT_EN, true);
}

/*
 * Erratum 732: tail, and the interrupt, may be there before the entry. Its code is waited for, and what
 * was read is zeroed, so that the next one there can be told from it.
 */
static void take_event(struct amd *amd, uint64_t at)
{
	for (uint32_t polls = 0; polls < POLLS_MAX; polls++) {
		if (field_get(read_shared_word(amd->machine, at), EVT_CODE) != 0)
			break;
		machine_delay(amd->machine, POLL_PS, "event log entry");
	}
	write_shared_word(amd->machine, at, 0);
	write_shared_word(amd->machine, at + 8, 0);
}

static void take_events(struct amd *amd)
{
	uint32_t head = (uint32_t)amd_read(amd, AMD_EVENT_HEAD, 4);
	uint32_t tail = (uint32_t)amd_read(amd, AMD_EVENT_TAIL, 4);
	for (; head != tail; head = (head + EVENT_SIZE) & (LOG_SIZE - 1))
		take_event(amd, amd->event_log_pfn * PAGE_SIZE + head);
	amd_write(amd, AMD_EVENT_HEAD, 4, head);
}

/* A log that has overflowed starts again, if it stands (13). */
static void restart(struct amd *amd)
{
	if (amd_read(amd, AMD_STATUS, 4) & STATUS_EVENT_LOG_RUN)
		return;
	amd_control(amd, CONTROL_EVENT_LOG_EN, false);
	amd_control(amd, CONTROL_EVENT_INT_EN, false);
	amd_write(amd, AMD_STATUS, 4, STATUS_EVENT_OVERFLOW);
	amd_control(amd, CONTROL_EVENT_INT_EN, true);
	amd_control(amd, CONTROL_EVENT_LOG_EN, true);
}

/*
 * ERBT1312: a bit that is set while it is cleared stays 1, and brings no interrupt any more. So status is
 * read again until none is left.
 */
void amd_handle_irq(void *context)
{
	struct amd *amd = context;
	const uint64_t mine = STATUS_EVENT_INT | STATUS_EVENT_OVERFLOW | STATUS_COMWAIT_INT;
	uint64_t status;
	while ((status = amd_read(amd, AMD_STATUS, 4) & mine) != 0) {
		amd_write(amd, AMD_STATUS, 4, mine);
		take_events(amd);
		if (status & STATUS_EVENT_OVERFLOW)
			restart(amd);
	}
}
