// SPDX-License-Identifier: Apache-2.0
/*
 * Logs that the hardware writes: where the next entry goes, and the second ones (amd-iommu 2, 4, 13).
 * What the sheet leaves open of these, when they change and what LogActive says, is in docs/limits.md.
 */
#include "models/amd_iommu/amd_iommu.h"

const struct amd_log_bits amd_event_bits = {
	.overflow = {STATUS_EVENT_OVERFLOW, STATUS_EVENT_OVERFLOW_B},
	.interrupt = STATUS_EVENT_INT,
	.run = STATUS_EVENT_LOG_RUN,
	.active = STATUS_EVENT_LOG_ACTIVE,
};

const struct amd_log_bits amd_ppr_bits = {
	.overflow = {STATUS_PPR_OVERFLOW, STATUS_PPR_OVERFLOW_B},
	.early = {STATUS_PPR_OVERFLOW_EARLY, STATUS_PPR_OVERFLOW_EARLY_B},
	.interrupt = STATUS_PPR_INT,
	.run = STATUS_PPR_LOG_RUN,
	.active = STATUS_PPR_LOG_ACTIVE,
};

/* --- one log --- */

bool amd_event_log_running(const struct amd_iommu *amd, const struct amd_event_log *log)
{
	return log->enabled && !log->overflow && log->size != 0 &&
	       (amd->control & CONTROL_IOMMU_EN);
}

static bool is_full(const struct amd_event_log *log)
{
	return ((log->tail + EVENT_SIZE) & (log->size - 1)) == log->head;
}

bool amd_log_take_slot(struct amd_event_log *log, uint32_t *offset)
{
	if (is_full(log)) {
		log->overflow = true;
		return false;
	}
	*offset = log->tail;
	return true;
}

void amd_log_advance(struct amd_event_log *log)
{
	log->tail = (log->tail + EVENT_SIZE) & (log->size - 1);
}

/* --- A and B --- */

struct amd_event_log *amd_logs_take_slot(const struct amd_iommu *amd, struct amd_logs *logs,
					 uint32_t *offset)
{
	const struct amd_event_log *other = &logs->of[!logs->active];
	if (logs->dual == AMD_DUAL_AUTOSWAP && is_full(amd_logs_current(logs)) &&
	    amd_event_log_running(amd, other) && !is_full(other))
		logs->active = !logs->active;
	struct amd_event_log *log = amd_logs_current(logs);
	return amd_log_take_slot(log, offset) ? log : NULL;
}

/* EventLogEn and PPRLogEn start a log that had overflowed (13): of two the other one. */
void amd_logs_enable(struct amd_logs *logs, const struct amd_log_bits *bits, bool enabled,
		     unsigned dual, uint64_t *status)
{
	bool starts = enabled && !amd_logs_current(logs)->enabled;
	if (dual == AMD_DUAL_OFF)
		logs->active = 0;
	else if (starts && amd_logs_current(logs)->overflow)
		logs->active = !logs->active;
	if (starts) {
		logs->of[0].overflow = false;
		logs->of[1].overflow = false;
		*status &= ~(bits->overflow[0] | bits->overflow[1]);
	}
	logs->dual = (uint8_t)dual;
	logs->of[0].enabled = enabled;
	logs->of[1].enabled = enabled && dual != AMD_DUAL_OFF;
}

uint64_t amd_logs_status(const struct amd_iommu *amd, const struct amd_logs *logs,
			 const struct amd_log_bits *bits)
{
	return (amd_event_log_running(amd, &logs->of[logs->active]) ? bits->run : 0) |
	       (logs->active != 0 ? bits->active : 0);
}

/* --- pointers --- */

uint32_t amd_pointer_in(uint64_t value, uint32_t size)
{
	return size != 0 ? (uint32_t)(value & RING_POINTER) & (size - 1) : 0;
}

#define TAIL 8U /* each lies behind its head */

static struct amd_event_log *log_at(struct amd_logs *events, struct amd_logs *pprs, uint32_t offset)
{
	switch (offset & ~TAIL) {
	case AMD_EVENT_HEAD:
		return &events->of[0];
	case AMD_EVENT_B_HEAD:
		return &events->of[1];
	case AMD_PPR_HEAD:
		return &pprs->of[0];
	case AMD_PPR_B_HEAD:
		return &pprs->of[1];
	default:
		return NULL;
	}
}

bool amd_logs_read(struct amd_logs *events, struct amd_logs *pprs, uint32_t offset, uint64_t *value)
{
	const struct amd_event_log *log = log_at(events, pprs, offset);
	if (log != NULL)
		*value = offset & TAIL ? log->tail : log->head;
	return log != NULL;
}

/* Head at any time; tail only while the log stands (2). */
bool amd_logs_write(const struct amd_iommu *amd, struct amd_logs *events, struct amd_logs *pprs,
		    uint32_t offset, uint64_t value)
{
	struct amd_event_log *log = log_at(events, pprs, offset);
	if (log == NULL)
		return false;
	if (!(offset & TAIL))
		log->head = amd_pointer_in(value, log->size);
	else if (!amd_event_log_running(amd, log))
		log->tail = amd_pointer_in(value, log->size);
	return true;
}
