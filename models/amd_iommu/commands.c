// SPDX-License-Identifier: Apache-2.0
/* What commands do (amd-iommu 7, 8, 9), and how a guest's are told apart (amd-viommu 10). */
#include "models/amd_iommu/amd_iommu.h"

/* Without InvIotlbTypeSup its Type is reserved (7). */
static bool iotlb_command_legal(const struct amd_iommu *amd, const struct amd_command *command)
{
	return (amd_config_read(amd, AMD_CAP) & CAP_IOTLB_SUP) &&
	       ((amd->efr & EFR_IOTLB_TYPE) || field_get(command->q[1], CMD_IOTLB_TYPE) == 0);
}

bool amd_command_legal(const struct amd_iommu *amd, const struct amd_ring *ring,
		       const struct amd_command *command)
{
	const struct amd_command_rules *rules = &amd_command_rules[amd_command_opcode(command)];
	if (rules->name == NULL || (rules->needs & ~amd->efr) != 0 ||
	    (ring->guest != NULL && !rules->guest) ||
	    (amd_command_opcode(command) == CMD_INVALIDATE_IOTLB_PAGES &&
	     !iotlb_command_legal(amd, command)))
		return false;
	return (command->q[0] & ~rules->used[0]) == 0 && (command->q[1] & ~rules->used[1]) == 0;
}

static void reached(struct amd_ring *ring, enum probe_effect effect, uint32_t target)
{
	ring->probe.effect = effect;
	ring->probe.target = target;
}

/* Puts the host's DeviceID in for a guest's. False: it has none. */
static bool own_device(struct amd_ring *ring, uint16_t *device)
{
	struct probe *probe = &ring->probe;
	*device = (uint16_t)field_get(ring->taken.q[0], CMD_DEVICE);
	if (ring->guest != NULL && !amd_map_device(ring->guest, *device, device))
		return false;
	probe->ran[0] = field_set(probe->ran[0], CMD_DEVICE, *device);
	reached(ring, EFFECT_DEVICE, *device);
	return true;
}

static bool own_domain(struct amd_ring *ring, uint16_t *domain)
{
	struct probe *probe = &ring->probe;
	*domain = (uint16_t)field_get(ring->taken.q[0], CMD_DOMAIN);
	if (ring->guest != NULL && !amd_map_domain(ring->guest, *domain, domain))
		return false;
	probe->ran[0] = field_set(probe->ran[0], CMD_DOMAIN, *domain);
	reached(ring, EFFECT_DOMAIN, *domain);
	return true;
}

/* GN = 1: translations of one PASID; with PDE its tables too, and where they begin. */
static void invalidate_guest_pages(struct amd_ring *ring, uint16_t domain, uint64_t first,
				   uint64_t last)
{
	struct amd_iommu *amd = ring->amd;
	const struct tlb_tag tag = {
		.stage1 = true,
		.domain = domain,
		.space = (uint32_t)field_get(ring->taken.q[0], CMD_PASID),
	};
	ring->probe.removed = tlb_remove_span(&amd->tlb, tag, false, first, last);
	if (!(ring->taken.q[1] & CMD_PDE))
		return;
	tlb_remove_span(&amd->pdes, tag, false, first, last);
	tlb_remove_page(&amd->gcr3, tag, false, 0);
}

/*
 * GN = 0 concerns the host's translations of the domain, and all of its guests', which may have
 * been made with them (9).
 */
static void invalidate_pages(struct amd_ring *ring, uint16_t domain)
{
	struct amd_iommu *amd = ring->amd;
	const struct amd_command *command = &ring->taken;
	uint64_t first, last;
	amd_command_range(command, &first, &last);
	first /= PAGE_SIZE;
	last /= PAGE_SIZE;
	if (command->q[1] & CMD_GN) {
		invalidate_guest_pages(ring, domain, first, last);
		return;
	}
	ring->probe.removed = tlb_remove_range(&amd->tlb, domain, first, last);
	if (amd->tlb.stage1_count != 0)
		ring->probe.removed += tlb_remove_stage1(&amd->tlb, domain);
	if (!(command->q[1] & CMD_PDE))
		return;
	tlb_remove_range(&amd->pdes, domain, first, last);
	tlb_remove_stage1(&amd->pdes, domain);
}

static void log_timeout(struct event *event)
{
	struct amd_timeout *timeout = event->owner;
	amd_log_event(timeout->amd, &timeout->record);
	LIST_REMOVE(timeout, link);
	arena_delete(timeout->amd->machine->arena, timeout);
}

/* When the invalidation is given up, and that logged. */
static uint64_t give_up_after(struct amd_ring *ring, uint16_t device, uint64_t sent_ps,
			      uint64_t limit_ms)
{
	struct amd_iommu *amd = ring->amd;
	struct amd_timeout *timeout = arena_new(amd->machine->arena, struct amd_timeout);
	timeout->amd = amd;
	timeout->event.fn = log_timeout;
	timeout->event.owner = timeout;
	timeout->due_ps = sent_ps + limit_ms * 1000000000ULL;
	timeout->record = (struct amd_event){
		{field_put(EVT_CODE, EVENT_IOTLB_INV_TIMEOUT) | device, ring->probe.pa.value}};
	LIST_INSERT_HEAD(&amd->timeouts, timeout, link);
	clock_post(&amd->machine->clock, &timeout->event, timeout->due_ps, EVENT_HARDWARE);
	return timeout->due_ps;
}

static bool is_of_queue(const struct amd_pending *pending, const struct amd_ring *ring)
{
	return pending->context == ring->context &&
	       pending->queue == field_get(ring->taken.q[0], CMD_QUEUE);
}

static void drop_done(struct amd_iommu *amd)
{
	struct amd_pending *first;
	while ((first = TAILQ_FIRST(&amd->pendings)) != NULL &&
	       first->done_ps <= amd->machine->clock.now_ps) {
		TAILQ_REMOVE(&amd->pendings, first, link);
		arena_delete(amd->machine->arena, first);
	}
}

/* The device is asked once its queue has fewer than MaxPend in flight (7, 16). */
static uint64_t sent_ps(struct amd_ring *ring)
{
	struct amd_iommu *amd = ring->amd;
	const struct amd_pending *pending;
	uint64_t most = field_get(ring->taken.q[0], CMD_MAX_PEND), ahead = 0, seen = 0;
	most = most != 0 ? most : ATS_QUEUE_DEPTH_MAX;
	drop_done(amd);
	TAILQ_FOREACH (pending, &amd->pendings, link)
		ahead += is_of_queue(pending, ring);
	if (ahead < most)
		return amd->machine->clock.now_ps;
	TAILQ_FOREACH (pending, &amd->pendings, link)
		if (is_of_queue(pending, ring) && seen++ == ahead - most)
			break;
	return pending->done_ps;
}

static void put_into_queue(struct amd_ring *ring, uint64_t done_ps)
{
	struct amd_iommu *amd = ring->amd;
	struct amd_pending *before = TAILQ_LAST(&amd->pendings, amd_pendings);
	struct amd_pending *pending = arena_new(amd->machine->arena, struct amd_pending);
	pending->context = ring->context;
	pending->queue = (uint16_t)field_get(ring->taken.q[0], CMD_QUEUE);
	pending->done_ps = done_ps;
	while (before != NULL && before->done_ps > done_ps)
		before = TAILQ_PREV(before, amd_pendings, link);
	if (before != NULL)
		TAILQ_INSERT_AFTER(&amd->pendings, before, pending, link);
	else
		TAILQ_INSERT_HEAD(&amd->pendings, pending, link);
}

/* The device answers after a round trip, or is given up after InvTimeOut (3, 8.5). */
static void invalidate_iotlb(struct amd_ring *ring, uint16_t device)
{
	static const uint64_t limits_ms[8] = {0, 1, 10, 100, 1000, 10000, 100000, 0};
	struct amd_iommu *amd = ring->amd;
	uint64_t limit_ms = limits_ms[field_get(amd->control, CONTROL_INV_TIMEOUT)];
	uint64_t start_ps = sent_ps(ring), done_ps = UINT64_MAX;
	struct amd_endpoint *endpoint = amd_endpoint_find(amd, device);
	if (start_ps == UINT64_MAX) { /* behind what is never answered */
		ring->iotlb_done_ps = UINT64_MAX;
		return;
	}
	if (endpoint != NULL && !endpoint->silent) {
		done_ps = start_ps + amd->timing.ats_round_trip_ps;
		amd_endpoint_invalidate(endpoint, &ring->taken, done_ps);
	} else if (limit_ms != 0) {
		done_ps = give_up_after(ring, device, start_ps, limit_ms);
	}
	put_into_queue(ring, done_ps);
	ring->iotlb_done_ps = done_ps > ring->iotlb_done_ps ? done_ps : ring->iotlb_done_ps;
}

/* Into the host's memory, or through the guest's translation (amd-viommu 10). */
static enum amd_result store(struct amd_ring *ring)
{
	struct amd_iommu *amd = ring->amd;
	uint64_t address = ring->taken.q[0] & CMD_STORE_ADDR;
	struct amd_translation translation = {.pa = pa_of(address), .path = PATH_PHYSICAL};
	if (ring->guest != NULL &&
	    amd_guest_translate(ring->guest, address, true, &translation) != AMD_TRANSLATED) {
		amd_log_buffer_fault(ring->guest, translation.event, EVT_VCMD);
		return option_get(&amd->assumptions, AMD_FAULT_STOP) == AMD_FAULT_SKIPS
			       ? AMD_DONE
			       : AMD_FAULTED;
	}
	struct access access = {
		.context = ring->context,
		.purpose = ACCESS_COMPLETION_WRITE,
		.path = translation.path,
		.input = address,
		.pa = translation.pa,
		.index = ring->probe.index,
	};
	if (port_write_u64(&amd->port, &access, ring->taken.q[1]) == PORT_OK)
		return AMD_DONE;
	ring->bad_pa = translation.pa;
	ring->bad_input = address;
	return AMD_FAILED;
}

/* Store before interrupt (8.3). */
static enum amd_result completion_wait(struct amd_ring *ring)
{
	struct amd_iommu *amd = ring->amd;
	enum amd_result result = AMD_DONE;
	ring->iotlb_done_ps = 0;
	if (ring->taken.q[0] & CMD_STORE)
		result = store(ring);
	if (result != AMD_DONE)
		return result;
	if ((ring->taken.q[0] & CMD_INTERRUPT) && ring->guest == NULL)
		amd_raise_status(amd, STATUS_COMWAIT_INT, amd->control & CONTROL_COMWAIT_INT_EN);
	else if (ring->taken.q[0] & CMD_INTERRUPT)
		ring->guest->status |= STATUS_COMWAIT_INT; /* its route is not known */
	return AMD_DONE;
}

static void invalidate_all(struct amd_ring *ring)
{
	dte_cache_drop_all(&ring->amd->dtes);
	amd_irte_cache_drop_all(&ring->amd->irtes);
	ring->probe.removed = tlb_remove_all(&ring->amd->tlb);
	tlb_remove_all(&ring->amd->buffers);
	tlb_remove_all(&ring->amd->pdes);
	tlb_remove_all(&ring->amd->gcr3);
	reached(ring, EFFECT_ALL, 0);
}

static void reset_vmmio(struct amd_ring *ring)
{
	struct amd_guest *guest =
		amd_guest_find(ring->amd, (uint16_t)field_get(ring->taken.q[0], CMD_GUEST));
	if (guest != NULL)
		amd_guest_reset(guest);
}

enum amd_result amd_execute(struct amd_ring *ring)
{
	uint16_t number;
	ring->bad_pa = ring->probe.pa;
	switch (amd_command_opcode(&ring->taken)) {
	case CMD_COMPLETION_WAIT:
		return completion_wait(ring);
	case CMD_INVALIDATE_DEVTAB_ENTRY:
		if (!own_device(ring, &number))
			return AMD_FAILED;
		dte_cache_drop(&ring->amd->dtes, number);
		tlb_remove_domain(&ring->amd->buffers, number);
		return AMD_DONE;
	case CMD_INVALIDATE_IOMMU_PAGES:
		if (!own_domain(ring, &number))
			return AMD_FAILED;
		invalidate_pages(ring, number);
		return AMD_DONE;
	case CMD_INVALIDATE_IOTLB_PAGES:
		if (!own_device(ring, &number))
			return AMD_FAILED;
		invalidate_iotlb(ring, number);
		return AMD_DONE;
	case CMD_INVALIDATE_INTERRUPT_TABLE:
		if (!own_device(ring, &number))
			return AMD_FAILED;
		amd_irte_cache_drop(&ring->amd->irtes, number);
		return AMD_DONE;
	case CMD_COMPLETE_PPR_REQUEST:
		if (!own_device(ring, &number))
			return AMD_FAILED;
		amd_complete_ppr(ring->amd, number, &ring->taken);
		return AMD_DONE;
	case CMD_INVALIDATE_IOMMU_ALL:
		invalidate_all(ring);
		return AMD_DONE;
	case CMD_RESET_VMMIO:
		reset_vmmio(ring);
		return AMD_DONE;
	default: /* PREFETCH_IOMMU_PAGES, a hint; INSERT_GUEST_EVENT, whose payload is not known */
		return AMD_DONE;
	}
}
