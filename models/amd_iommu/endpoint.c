// SPDX-License-Identifier: Apache-2.0
/* Devices with ATS: what they ask for, keep, and drop (amd-iommu 8.4, 8.5, 13, 16). */
#include "models/amd_iommu/amd_iommu.h"

struct amd_endpoint *amd_endpoint_new(struct amd_iommu *amd, uint16_t device)
{
	struct amd_endpoint *endpoint = arena_new(amd->machine->arena, struct amd_endpoint);
	endpoint->amd = amd;
	endpoint->device = device;
	atc_init(&endpoint->atc, amd->machine);
	LIST_INSERT_HEAD(&amd->endpoints, endpoint, link);
	return endpoint;
}

struct amd_endpoint *amd_endpoint_find(struct amd_iommu *amd, uint16_t device)
{
	struct amd_endpoint *endpoint;
	LIST_FOREACH (endpoint, &amd->endpoints, link)
		if (endpoint->device == device)
			break;
	return endpoint;
}

/* --- invalidations --- */

/* GN = 1: of a PASID; else of requests without one. */
static struct tlb_tag tag_of(const struct amd_command *command)
{
	uint64_t q0 = command->q[0];
	return atc_tag(command->q[1] & CMD_GN,
		       (uint32_t)(field_get(q0, CMD_IOTLB_PASID_7_0) |
				  field_get(q0, CMD_IOTLB_PASID_15_8) << 8 |
				  field_get(q0, CMD_IOTLB_PASID_19_16) << 16));
}

void amd_endpoint_invalidate(struct amd_endpoint *endpoint, const struct amd_command *command,
			     uint64_t due_ps)
{
	uint64_t first, last;
	amd_command_range(command, &first, &last);
	atc_invalidate(&endpoint->atc, tag_of(command), false, first / PAGE_SIZE, last / PAGE_SIZE,
		       due_ps);
}

/* --- translation requests --- */

static uint64_t event_of(const struct amd_request *request, uint64_t type, bool asks)
{
	uint64_t pasid = request->pasid;
	return field_put(EVT_CODE, EVENT_INVALID_DEVICE_REQUEST) | request->device |
	       field_put(EVT_REQUEST_TYPE, type) | (asks ? EVT_TR : 0) |
	       (request->has_pasid ? EVT_GN | (request->privileged ? 0 : EVT_REQUEST_US) |
					     field_put(EVT_PASID_15_0, pasid) |
					     field_put(EVT_PASID_19_16, pasid >> 16)
				   : 0);
}

/*
 * Whether the device's entry lets it use ATS: I, V, and for a translation request TV. Otherwise an
 * INVALID_DEVICE_REQUEST is logged, of type 0 for such a request, of type 1 for DMA (13).
 */
static bool may_use(struct amd_iommu *amd, const struct amd_request *request, bool asks)
{
	const struct amd_dte *dte;
	struct amd_event event;
	if (!(amd->control & CONTROL_IOMMU_EN))
		return !asks; /* nothing is translated, nor checked (3) */
	if (!amd_find_dte(amd, request, &dte, &event)) {
		event.q[0] |= asks ? EVT_TR : 0;
		amd_log_event(amd, &event);
		return false;
	}
	bool valid = (dte->q[0] & DTE_V) && (dte->q[1] & DTE_I) && (!asks || dte->q[0] & DTE_TV);
	if (valid)
		return true;
	event = (struct amd_event){{event_of(request, asks ? 0 : 1, asks), request->address}};
	amd_log_event(amd, &event);
	return false;
}

/* Page faults of translation requests are told to the device alone (13). */
static bool ask(struct amd_iommu *amd, const struct amd_request *request,
		struct amd_translation *translation)
{
	if (amd_translate_request(amd, request, AMD_LEAVES_BY_DOMAIN, translation) ==
	    AMD_TRANSLATED)
		return true;
	if (field_get(translation->event.q[0], EVT_CODE) != EVENT_IO_PAGE_FAULT) {
		translation->event.q[0] |= EVT_TR;
		amd_log_event(amd, &translation->event);
	}
	return false;
}

static struct tlb_tag tag_for(const struct amd_request *request)
{
	return atc_tag(request->has_pasid, request->pasid);
}

static bool learn(struct amd_endpoint *endpoint, const struct amd_request *request,
		  struct tlb_entry *entry, enum access_path *path)
{
	struct amd_iommu *amd = endpoint->amd;
	struct amd_translation translation;
	if (!may_use(amd, request, true) || !ask(amd, request, &translation))
		return false;
	*path = translation.path;
	/* Asked for reading alone, the right to write is not given: D would not be set (12). */
	*entry = (struct tlb_entry){
		.tag = tag_for(request),
		.order = translation.order,
		.perm = (uint8_t)((translation.readable ? ATC_READ : 0) |
				  (translation.writable && request->write ? ATC_WRITE : 0)),
		.pa = pa_pfn(translation.pa) >> translation.order << translation.order,
	};
	tlb_insert(&endpoint->atc.entries, entry, request->address / PAGE_SIZE);
	return true;
}

bool amd_endpoint_ask(struct amd_endpoint *endpoint, const struct amd_request *request)
{
	struct tlb_entry entry;
	enum access_path path;
	return learn(endpoint, request, &entry, &path);
}

/* --- DMA --- */

/* With a translated address: it passes without a walk, if the device's entry allows that (16). */
static enum amd_translate_result access_at(struct amd_endpoint *endpoint,
					   const struct amd_request *request,
					   const struct tlb_entry *entry, enum access_path path,
					   void *data, uint32_t size,
					   struct amd_translation *translation)
{
	struct amd_iommu *amd = endpoint->amd;
	uint64_t offset = request->address & ((PAGE_SIZE << entry->order) - 1);
	*translation = (struct amd_translation){
		.pa = pa_of(entry->pa * PAGE_SIZE + offset),
		.path = path,
		.order = entry->order,
		.readable = entry->perm & ATC_READ,
		.writable = entry->perm & ATC_WRITE,
	};
	if (!may_use(amd, request, false)) {
		translation->event.q[0] = event_of(request, 1, false);
		translation->event.q[1] = request->address;
		return AMD_FAULT;
	}
	struct access access = {
		.context = CONTEXT_DEVICE(request->device),
		.purpose = request->write ? ACCESS_DMA_WRITE : ACCESS_DMA_READ,
		.path = path,
		.input = request->address,
		.pa = translation->pa,
		.size = size,
	};
	enum port_status status = request->write ? port_write(&amd->port, &access, data)
						 : port_read(&amd->port, &access, data);
	return status == PORT_OK ? AMD_TRANSLATED : AMD_FAULT;
}

enum amd_translate_result amd_endpoint_dma(struct amd_endpoint *endpoint,
					   const struct amd_request *request, void *data,
					   uint32_t size, struct amd_translation *translation)
{
	const struct tlb_entry *entry = atc_find(&endpoint->atc, tag_for(request),
						 request->address / PAGE_SIZE, request->write);
	struct tlb_entry learnt;
	enum access_path path;
	if (entry != NULL)
		return access_at(endpoint, request, entry, PATH_DEVICE, data, size, translation);
	if (learn(endpoint, request, &learnt, &path))
		return access_at(endpoint, request, &learnt, path, data, size, translation);
	return amd_dma_request(endpoint->amd, request, data, size, translation);
}

void amd_endpoint_hash(const struct amd_endpoint *endpoint, struct hash *hash)
{
	const struct amd_ppr_response *response = &endpoint->response;
	hash_u64(hash, (uint64_t)endpoint->device << 1 | endpoint->silent);
	hash_u64(hash, endpoint->responses);
	hash_u64(hash, (uint64_t)response->pasid << 32 | (uint64_t)response->group << 8 |
			       (uint64_t)response->code << 1 | response->has_pasid);
	atc_hash(&endpoint->atc, hash);
}
