// SPDX-License-Identifier: Apache-2.0
/*
 * Devices with ATS: what they ask for, keep, and drop (amd-iommu 8.4, 8.5, 13, 16).
 *
 * A device keeps what it was told until an invalidation has reached it: at the latest moment that
 * the hardware allows, when its answer is due. Memory, tables and the IOMMU's caches do not matter
 * to it meanwhile.
 */
#include "models/amd_iommu/amd_iommu.h"

#define ATC_ENTRIES 64U /* the device's own affair: no sheet has a size */
#define ATC_WAYS    4U
#define ATC_READ    1U
#define ATC_WRITE   2U

/* One under way. Lies in the arena until the device has answered. */
struct amd_invalidation {
	LIST_ENTRY(amd_invalidation) link;
	struct amd_endpoint *endpoint;
	struct event event;
	uint64_t due_ps;
	struct tlb_tag tag;
	uint64_t first; /* pages */
	uint64_t last;
};

struct amd_endpoint *amd_endpoint_new(struct amd_iommu *amd, uint16_t device)
{
	struct amd_endpoint *endpoint = arena_new(amd->machine->arena, struct amd_endpoint);
	endpoint->amd = amd;
	endpoint->device = device;
	LIST_INIT(&endpoint->invalidations);
	tlb_init(&endpoint->atc, amd->machine, ATC_ENTRIES, ATC_WAYS);
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

static void invalidated(struct event *event)
{
	struct amd_invalidation *one = event->owner;
	tlb_remove_span(&one->endpoint->atc, one->tag, false, one->first, one->last);
	LIST_REMOVE(one, link);
	arena_delete(one->endpoint->amd->machine->arena, one);
}

/* GN = 1: of a PASID; else of requests without one. */
static struct tlb_tag tag_of(const struct amd_command *command)
{
	uint64_t q0 = command->q[0];
	if (!(command->q[1] & CMD_GN))
		return (struct tlb_tag){.stage1 = false};
	return (struct tlb_tag){
		.stage1 = true,
		.space = (uint32_t)(field_get(q0, CMD_IOTLB_PASID_7_0) |
				    field_get(q0, CMD_IOTLB_PASID_15_8) << 8 |
				    field_get(q0, CMD_IOTLB_PASID_19_16) << 16),
	};
}

void amd_endpoint_invalidate(struct amd_endpoint *endpoint, const struct amd_command *command,
			     uint64_t due_ps)
{
	struct machine *machine = endpoint->amd->machine;
	struct amd_invalidation *one = arena_new(machine->arena, struct amd_invalidation);
	uint64_t first, last;
	amd_command_range(command, &first, &last);
	one->endpoint = endpoint;
	one->event.fn = invalidated;
	one->event.owner = one;
	one->due_ps = due_ps;
	one->tag = tag_of(command);
	one->first = first / PAGE_SIZE;
	one->last = last / PAGE_SIZE;
	LIST_INSERT_HEAD(&endpoint->invalidations, one, link);
	clock_post(&machine->clock, &one->event, due_ps, EVENT_HARDWARE);
}

/* --- translation requests --- */

static uint64_t event_of(const struct amd_request *request, uint64_t type, bool asks)
{
	uint64_t pasid = request->pasid;
	return field_put(EVT_CODE, EVENT_INVALID_DEVICE_REQUEST) | request->device |
	       field_put(EVT_REQUEST_TYPE, type) | (asks ? EVT_TR : 0) |
	       (request->has_pasid ? EVT_GN | field_put(EVT_PASID_15_0, pasid) |
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
	if (!amd_find_dte(amd, request->device, request->address, &dte, &event)) {
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
	return (struct tlb_tag){.stage1 = request->has_pasid,
				.space = request->has_pasid ? request->pasid : 0};
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
	tlb_insert(&endpoint->atc, entry, request->address / PAGE_SIZE);
	return true;
}

bool amd_endpoint_ask(struct amd_endpoint *endpoint, const struct amd_request *request)
{
	struct tlb_entry entry;
	enum access_path path;
	return learn(endpoint, request, &entry, &path);
}

/* --- DMA --- */

static const struct tlb_entry *known(struct amd_endpoint *endpoint,
				     const struct amd_request *request)
{
	const struct tlb_entry *entry =
		tlb_lookup(&endpoint->atc, tag_for(request), request->address / PAGE_SIZE);
	bool serves = entry != NULL && (entry->perm & (request->write ? ATC_WRITE : ATC_READ));
	return serves ? entry : NULL;
}

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
	const struct tlb_entry *entry = known(endpoint, request);
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
	const struct amd_invalidation *one;
	hash_u64(hash, (uint64_t)endpoint->device << 1 | endpoint->silent);
	hash_u64(hash, endpoint->responses);
	hash_u64(hash, (uint64_t)response->pasid << 32 | (uint64_t)response->group << 8 |
			       (uint64_t)response->code << 1 | response->has_pasid);
	tlb_hash(&endpoint->atc, hash);
	LIST_FOREACH (one, &endpoint->invalidations, link) {
		hash_u64(hash, one->due_ps);
		hash_u64(hash, (uint64_t)one->tag.space << 1 | one->tag.stage1);
		hash_u64(hash, one->first);
		hash_u64(hash, one->last);
	}
}
