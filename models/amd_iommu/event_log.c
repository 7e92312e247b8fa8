// SPDX-License-Identifier: Apache-2.0
/* Event logs: the host's and the guests' (amd-iommu 13; amd-viommu 11). */
#include "models/amd_iommu/amd_iommu.h"

static void note_event(struct amd_iommu *amd, const struct amd_event *event)
{
	struct note note = {
		.kind = NOTE_FAULT,
		.who = (uint32_t)field_get(event->q[0], EVT_DEVICE),
		.first = event->q[1],
		.count = (event->q[0] & (EVT_VCMD | EVT_VEVENT)) != 0,
		.what = amd_event_name((unsigned)field_get(event->q[0], EVT_CODE)),
	};
	machine_note(amd->machine, &note);
}

bool amd_log_write(struct amd_iommu *amd, struct access *access, const struct amd_event *event)
{
	uint8_t bytes[EVENT_SIZE];
	store_le64(bytes, event->q[0]);
	store_le64(bytes + 8, event->q[1]);
	access->purpose = ACCESS_EVENT_WRITE;
	access->size = EVENT_SIZE;
	return port_write(&amd->port, access, bytes) == PORT_OK;
}

/* HESup: errors of the hardware are copied to registers, whether they are logged or not (13). */
static void copy_hardware_event(struct amd_iommu *amd, const struct amd_event *event)
{
	unsigned code = (unsigned)field_get(event->q[0], EVT_CODE);
	if (!(amd->efr & EFR_HE) ||
	    (code != EVENT_DEV_TAB_HARDWARE_ERROR && code != EVENT_PAGE_TAB_HARDWARE_ERROR &&
	     code != EVENT_COMMAND_HARDWARE_ERROR))
		return;
	if (amd->hw_event_status & HW_EVENT_VALID)
		amd->hw_event_status |= HW_EVENT_OVERFLOW;
	amd->hw_event_status |= HW_EVENT_VALID;
	amd->hw_event = *event;
}

void amd_log_event(struct amd_iommu *amd, const struct amd_event *event)
{
	struct amd_logs *logs = &amd->events;
	bool interrupt = amd->control & CONTROL_EVENT_INT_EN;
	uint32_t offset;
	copy_hardware_event(amd, event);
	if (!amd_event_log_running(amd, amd_logs_current(logs)))
		return; /* lost (13) */
	struct amd_event_log *log = amd_logs_take_slot(amd, logs, &offset);
	if (log == NULL) {
		amd_raise_status(amd, amd_event_bits.overflow[logs->active], interrupt);
		return;
	}
	struct access access = {
		.context = CONTEXT_HOST_RING,
		.pa = pa_of(log->base + offset),
		.index = offset / EVENT_SIZE,
	};
	if (!amd_log_write(amd, &access, event))
		return;
	note_event(amd, event);
	amd_log_advance(log);
	amd_raise_status(amd, STATUS_EVENT_INT, interrupt);
}

void amd_log_guest_event(struct amd_guest *guest, const struct amd_event *event)
{
	struct amd_iommu *amd = guest->amd;
	struct amd_logs *logs = &guest->events;
	struct amd_translation translation;
	uint32_t offset;
	if (!amd_event_log_running(amd, amd_logs_current(logs)))
		return;
	struct amd_event_log *log = amd_logs_take_slot(amd, logs, &offset);
	if (log == NULL) {
		amd_guest_raise(guest, amd_event_bits.overflow[logs->active],
				guest->event & GUEST_EVENT_INT_EN, AMD_EXTENDED_EVENT);
		return;
	}
	uint64_t slots = log == &logs->of[1] ? IPA_EVENT_LOGS_B : IPA_EVENT_LOGS;
	uint64_t at = amd_buffer_at(guest, slots, log->base) + offset;
	if (amd_buffer_translate(guest, at, true, &translation) != AMD_TRANSLATED) {
		log->enabled = false;
		translation.event.q[0] |= EVT_VEVENT;
		amd_log_event(amd, &translation.event);
		return;
	}
	struct access access = {
		.context = guest->id,
		.path = translation.path,
		.input = at,
		.pa = translation.pa,
		.index = offset / EVENT_SIZE,
	};
	if (!amd_log_write(amd, &access, event))
		return;
	amd_log_advance(log);
	amd_guest_raise(guest, STATUS_EVENT_INT, guest->event & GUEST_EVENT_INT_EN,
			AMD_EXTENDED_EVENT);
}

void amd_log_buffer_fault(struct amd_guest *guest, struct amd_event event, uint64_t v_flag)
{
	struct amd_iommu *amd = guest->amd;
	unsigned where = option_get(&amd->assumptions, AMD_FAULT_LOG);
	event.q[0] |= v_flag;
	if (where != AMD_FAULT_TO_GUEST)
		amd_log_event(amd, &event);
	if (where != AMD_FAULT_TO_HOST)
		amd_log_guest_event(guest, &event);
}
