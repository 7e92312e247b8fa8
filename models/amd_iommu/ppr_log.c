// SPDX-License-Identifier: Apache-2.0
/*
 * Page requests of devices: the host's PPR log and those of guests (amd-iommu 14; amd-viommu 11).
 * What the sheets do not say is in docs/limits.md: who is told of a request that is not allowed,
 * and when the early overflow is due.
 */
#include "models/amd_iommu/amd_iommu.h"

/* A PRG response: of a request's group, to the device. */
static void respond(struct amd_iommu *amd, uint16_t device, const struct amd_ppr_response *response)
{
	struct amd_endpoint *endpoint = amd_endpoint_find(amd, device);
	if (endpoint == NULL)
		return;
	endpoint->response = *response;
	endpoint->responses++;
}

void amd_complete_ppr(struct amd_iommu *amd, uint16_t device, const struct amd_command *command)
{
	const struct amd_ppr_response response = {
		.pasid = (uint32_t)field_get(command->q[0], CMD_PPR_PASID),
		.has_pasid = command->q[1] & CMD_GN,
		.group = (uint16_t)field_get(command->q[1], CMD_PPR_GROUP),
		.code = (uint8_t)field_get(command->q[1], CMD_PPR_CODE),
	};
	respond(amd, device, &response);
}

static void answer(struct amd_iommu *amd, const struct amd_page_request *request, uint8_t code)
{
	const struct amd_ppr_response response = {
		.pasid = request->pasid,
		.has_pasid = request->has_pasid,
		.group = request->group,
		.code = code,
	};
	respond(amd, request->device, &response);
}

/* --- records (14) --- */

static struct amd_event record_of(const struct amd_page_request *request, uint16_t device)
{
	uint64_t pasid = request->has_pasid ? request->pasid : 0;
	return (struct amd_event){
		{field_put(PPR_TYPE, PPR_TYPE_PAGE_REQUEST) | device |
			 field_put(PPR_PASID_15_0, pasid) |
			 field_put(PPR_PASID_19_16, pasid >> 16) |
			 field_put(PPR_GROUP, request->group) | (request->last ? PPR_LAST : 0) |
			 (request->execute ? PPR_EXECUTE : 0) | (request->read ? PPR_READ : 0) |
			 (request->write ? PPR_WRITE : 0) | (request->privileged ? 0 : PPR_USER) |
			 (request->has_pasid ? PPR_GN : 0),
		 request->address & CMD_ADDR}};
}

static void log_invalid(struct amd_iommu *amd, const struct amd_page_request *request)
{
	uint64_t pasid = request->has_pasid ? request->pasid : 0;
	const struct amd_event event = {{field_put(EVT_CODE, EVENT_INVALID_PPR_REQUEST) |
						 request->device |
						 field_put(EVT_PPR_PASID_15_0, pasid) |
						 field_put(EVT_PPR_PASID_19_16, pasid >> 16) |
						 field_put(EVT_PPR_TAG, request->group) |
						 EVT_PPR_RX | (request->has_pasid ? EVT_PPR_GN : 0),
					 request->address & CMD_ADDR}};
	amd_log_event(amd, &event);
	answer(amd, request, PPR_INVALID);
}

/* --- logs --- */

bool amd_early_overflow(const struct amd_iommu *amd, const struct amd_event_log *log,
			uint64_t early)
{
	uint32_t used = ((log->tail - log->head) & (log->size - 1)) / EVENT_SIZE;
	return (amd->efr & EFR_PPR_EARLY) && (early & PPR_EARLY_EN) &&
	       used >= field_get(early, PPR_EARLY_THRESHOLD);
}

/* A request that no log takes: the last of a group may be answered for software (14). */
static enum amd_ppr_result drop(struct amd_iommu *amd, const struct amd_page_request *request,
				bool auto_response, uint64_t setting)
{
	struct amd_page_request answered = *request;
	if (!auto_response || !(amd->efr & EFR_PPR_AUTO_RSP) || !request->last)
		return AMD_PPR_DROPPED;
	answered.has_pasid = request->has_pasid && !(setting & PPR_AUTO_MASK_GN);
	answer(amd, &answered, (uint8_t)field_get(setting, PPR_AUTO_CODE));
	return AMD_PPR_ANSWERED;
}

static enum amd_ppr_result log_for_host(struct amd_iommu *amd,
					const struct amd_page_request *request)
{
	struct amd_logs *logs = &amd->pprs;
	const struct amd_event record = record_of(request, request->device);
	bool interrupt = amd->control & CONTROL_PPR_INT_EN;
	bool auto_response = amd->control & CONTROL_PPR_AUTO_RSP;
	uint32_t offset;
	if (!amd_event_log_running(amd, amd_logs_current(logs)))
		return drop(amd, request, auto_response, amd->ppr_auto);
	struct amd_event_log *log = amd_logs_take_slot(amd, logs, &offset);
	if (log == NULL) {
		amd_raise_status(amd, amd_ppr_bits.overflow[logs->active], interrupt);
		return drop(amd, request, auto_response, amd->ppr_auto);
	}
	struct access access = {
		.context = CONTEXT_HOST_RING,
		.pa = pa_of(log->base + offset),
		.index = offset / EVENT_SIZE,
	};
	if (!amd_log_write(amd, &access, &record))
		return AMD_PPR_DROPPED;
	amd_log_advance(log);
	amd_raise_status(amd, STATUS_PPR_INT, interrupt);
	uint64_t early = amd->ppr_early[logs->active];
	if (amd_early_overflow(amd, log, early))
		amd_raise_status(amd, amd_ppr_bits.early[logs->active], early & PPR_EARLY_INT_EN);
	return AMD_PPR_LOGGED;
}

/* With the guest's DeviceID, at a guest address. */
static enum amd_ppr_result log_for_guest(struct amd_guest *guest,
					 const struct amd_page_request *request,
					 uint16_t guest_device)
{
	struct amd_iommu *amd = guest->amd;
	struct amd_logs *logs = &guest->pprs;
	const struct amd_event record = record_of(request, guest_device);
	bool auto_response = guest->ppr & GUEST_PPR_AUTO_RSP;
	bool interrupt = guest->ppr & GUEST_PPR_INT_EN;
	struct amd_translation translation;
	uint32_t offset;
	if (!amd_event_log_running(amd, amd_logs_current(logs)))
		return drop(amd, request, auto_response, guest->ppr_auto);
	struct amd_event_log *log = amd_logs_take_slot(amd, logs, &offset);
	if (log == NULL) {
		amd_guest_raise(guest, amd_ppr_bits.overflow[logs->active], interrupt,
				AMD_EXTENDED_PPR);
		return drop(amd, request, auto_response, guest->ppr_auto);
	}
	uint64_t slots = log == &logs->of[1] ? IPA_PPR_LOGS_B : IPA_PPR_LOGS;
	uint64_t at = amd_buffer_at(guest, slots, log->base) + offset;
	if (amd_buffer_translate(guest, at, true, &translation) != AMD_TRANSLATED) {
		log->enabled = false;
		translation.event.q[0] |= EVT_VPPR;
		amd_log_event(amd, &translation.event);
		return drop(amd, request, auto_response, guest->ppr_auto);
	}
	struct access access = {
		.context = guest->id,
		.path = translation.path,
		.input = at,
		.pa = translation.pa,
		.index = offset / EVENT_SIZE,
	};
	if (!amd_log_write(amd, &access, &record))
		return AMD_PPR_DROPPED;
	amd_log_advance(log);
	amd_guest_raise(guest, STATUS_PPR_INT, interrupt, AMD_EXTENDED_PPR);
	uint64_t early = guest->ppr_early[logs->active];
	if (amd_early_overflow(amd, log, early))
		amd_guest_raise(guest, amd_ppr_bits.early[logs->active], early & PPR_EARLY_INT_EN,
				AMD_EXTENDED_PPR);
	return AMD_PPR_LOGGED;
}

/* The guest whose device it is (amd-viommu 9); NULL: the host's. */
static struct amd_guest *guest_of(struct amd_iommu *amd, const struct amd_dte *dte)
{
	if (!(amd->control & CONTROL_VIOMMU_EN) || !(dte->q[3] & DTE_VIOMMU_EN))
		return NULL;
	return amd_guest_find(amd, (uint16_t)field_get(dte->q[3], DTE_GUEST));
}

enum amd_ppr_result amd_page_request(struct amd_iommu *amd, const struct amd_page_request *request)
{
	const struct amd_dte *dte;
	struct amd_event event;
	if (!(amd->control & CONTROL_IOMMU_EN))
		return AMD_PPR_DROPPED;
	const struct amd_request asked = {.address = request->address,
					  .pasid = request->pasid,
					  .device = request->device,
					  .has_pasid = request->has_pasid,
					  .write = request->write};
	if (!amd_find_dte(amd, &asked, &dte, &event)) {
		amd_log_event(amd, &event);
		answer(amd, request, PPR_FAILURE);
		return AMD_PPR_ANSWERED;
	}
	struct amd_guest *guest = guest_of(amd, dte);
	bool enabled = guest != NULL ? guest->ppr & GUEST_PPR_EN : amd->control & CONTROL_PPR_EN;
	if (!(dte->q[0] & DTE_V) || !(dte->q[0] & DTE_PPR) || !enabled) {
		log_invalid(amd, request);
		return AMD_PPR_ANSWERED;
	}
	if (guest == NULL)
		return log_for_host(amd, request);
	return log_for_guest(guest, request, (uint16_t)field_get(dte->q[3], DTE_GDEVICE));
}
