// SPDX-License-Identifier: Apache-2.0
/* The GA log: interrupts that were posted to vCPUs which do not run (amd-iommu 2 to 4, 14, 15). */
#include "models/amd_iommu/amd_iommu.h"

bool amd_ga_running(const struct amd_iommu *amd)
{
	return (amd->efr & EFR_GA) && amd_event_log_running(amd, &amd->ga.log);
}

/* Lengths are those of other logs; a pointer reaches 64 KiB, and a longer log does not run. */
void amd_ga_move(struct amd_iommu *amd, uint64_t value)
{
	uint64_t code = field_get(value, RING_LENGTH);
	uint32_t size = code >= RING_CODE_MIN ? (uint32_t)COMMAND_SIZE << code : 0;
	if (amd_ga_running(amd))
		return;
	amd->ga.base = value;
	amd->ga.log.base = value & RING_ADDR;
	amd->ga.log.size = size <= GA_BYTES_MAX ? size : 0;
	amd->ga.log.head = 0;
	amd->ga.log.tail = 0;
}

/* It starts what had overflowed, as other logs' enables do (13). */
void amd_ga_enable(struct amd_iommu *amd, bool enabled)
{
	if (enabled && !amd->ga.log.enabled) {
		amd->ga.log.overflow = false;
		amd->status &= ~STATUS_GA_OVERFLOW;
	}
	amd->ga.log.enabled = enabled;
}

static bool write_word(struct amd_iommu *amd, uint64_t at, uint32_t index, uint64_t value)
{
	struct access access = {
		.context = CONTEXT_HOST_RING,
		.purpose = ACCESS_EVENT_WRITE,
		.pa = pa_of(at),
		.index = index,
	};
	return port_write_u64(&amd->port, &access, value) == PORT_OK;
}

/* The entry, tail, its copy in memory, the interrupt. */
void amd_log_ga(struct amd_iommu *amd, uint16_t device, uint32_t tag)
{
	struct amd_event_log *log = &amd->ga.log;
	bool interrupt = amd->control & CONTROL_GA_INT_EN;
	uint64_t entry = field_put(GA_TYPE, GA_TYPE_NOT_RUNNING) | field_put(GA_DEVICE, device) |
			 field_put(GA_TAG, tag);
	if (!amd_ga_running(amd))
		return; /* lost */
	uint32_t next = (log->tail + GA_ENTRY_SIZE) & (log->size - 1);
	if (next == log->head) {
		log->overflow = true;
		amd_raise_status(amd, STATUS_GA_OVERFLOW, interrupt);
		return;
	}
	if (!write_word(amd, log->base + log->tail, log->tail / GA_ENTRY_SIZE, entry))
		return;
	log->tail = next;
	if (amd->ga.tail_copy != 0)
		write_word(amd, amd->ga.tail_copy, 0, next);
	amd_raise_status(amd, STATUS_GA_INT, interrupt);
}
