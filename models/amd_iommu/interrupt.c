// SPDX-License-Identifier: Apache-2.0
/*
 * Interrupt remapping: of devices by their own tables (amd-iommu 9, 10, 13, 15), of guests' logs by
 * the two-level tables of the IOMMU's own entry (amd-viommu 11). What becomes of the interrupt at
 * a CPU is not modelled, but for the bit that is set in a vAPIC page.
 */
#include <string.h>

#include "models/amd_iommu/amd_iommu.h"

#define IRTES_CACHED 64U /* a power of two; no size is published */
#define VAPIC_IRR    0x200U

void amd_irte_cache_init(struct amd_irte_cache *cache, struct machine *machine)
{
	cache->entries = arena_alloc(machine->arena, sizeof(*cache->entries) * IRTES_CACHED);
}

static struct amd_irte_entry *slot_of(struct amd_irte_cache *cache, uint16_t device, uint32_t index)
{
	return &cache->entries[(index + device * 31U) & (IRTES_CACHED - 1)];
}

void amd_irte_cache_drop(struct amd_irte_cache *cache, uint16_t device)
{
	for (unsigned i = 0; i < IRTES_CACHED; i++)
		if (cache->entries[i].device == device)
			cache->entries[i].valid = false;
}

void amd_irte_cache_drop_all(struct amd_irte_cache *cache)
{
	memset(cache->entries, 0, sizeof(*cache->entries) * IRTES_CACHED);
}

void amd_irte_cache_hash(const struct amd_irte_cache *cache, struct hash *hash)
{
	for (unsigned i = 0; i < IRTES_CACHED; i++) {
		const struct amd_irte_entry *entry = &cache->entries[i];
		if (!entry->valid)
			continue;
		hash_u64(hash, (uint64_t)entry->device << 32 | entry->index);
		hash_u64(hash, entry->irte.q[0]);
		hash_u64(hash, entry->irte.q[1]);
	}
}

/* --- tables of devices --- */

/* One interrupt under way. */
struct remap {
	struct amd_iommu *amd;
	uint16_t device;
	uint64_t address; /* of the MSI, for events */
	const struct amd_dte *dte;
};

static enum amd_interrupt_result fault(const struct remap *remap, unsigned code, uint64_t flags,
				       uint64_t address)
{
	const struct amd_event event = {
		{field_put(EVT_CODE, code) | remap->device | EVT_I | EVT_RW | flags, address}};
	amd_log_event(remap->amd, &event);
	return AMD_INTERRUPT_ABORTED;
}

static uint64_t domain_of(const struct remap *remap)
{
	return field_put(EVT_DOMAIN, field_get(remap->dte->q[1], DTE_DOMAIN));
}

/* IG and SupIOPF let none be logged (13). */
static enum amd_interrupt_result unmapped(const struct remap *remap, bool silent)
{
	if (silent || (remap->dte->q[2] & DTE_IG))
		return AMD_INTERRUPT_ABORTED;
	return fault(remap, EVENT_IO_PAGE_FAULT, domain_of(remap), remap->address);
}

/* 4 bytes, or with GAEn 16. */
static bool read_irte(struct amd_iommu *amd, uint16_t device, uint64_t at, struct amd_irte *irte)
{
	bool wide = amd->control & CONTROL_GA_EN;
	uint8_t bytes[IRTE_WIDE_SIZE] = {0};
	struct access access = {
		.context = CONTEXT_DEVICE(device),
		.purpose = ACCESS_CONFIG_FETCH,
		.pa = pa_of(at),
		.size = wide ? IRTE_WIDE_SIZE : IRTE_SIZE,
	};
	if (port_read(&amd->port, &access, bytes) != PORT_OK)
		return false;
	*irte = (struct amd_irte){{load_le64(bytes), load_le64(bytes + 8)}};
	return true;
}

static void decode(const struct amd_iommu *amd, const struct amd_irte *irte,
		   struct amd_interrupt *out)
{
	bool wide = amd->control & CONTROL_GA_EN;
	*out = (struct amd_interrupt){
		.vector = (uint8_t)(wide ? field_get(irte->q[1], IRTE_WIDE_VECTOR)
					 : field_get(irte->q[0], IRTE_VECTOR)),
		.destination =
			(uint32_t)(wide ? field_get(irte->q[0], IRTE_WIDE_DEST_LOW) |
						   field_get(irte->q[1], IRTE_WIDE_DEST_HIGH) << 24
					: field_get(irte->q[0], IRTE_DEST)),
		.posted = wide && (irte->q[0] & IRTE_GUEST_MODE),
	};
	if (!out->posted) {
		out->type = (uint8_t)field_get(irte->q[0], IRTE_TYPE);
		out->logical = irte->q[0] & IRTE_DM;
		return;
	}
	out->vapic = pa_of(irte->q[1] & IRTE_WIDE_VAPIC);
	out->tag = (uint32_t)field_get(irte->q[0], IRTE_WIDE_TAG);
}

/* Into the vAPIC page: the request bit of the vector, as an APIC has it. */
static enum amd_interrupt_result post(struct amd_iommu *amd, uint16_t device,
				      const struct amd_interrupt *interrupt)
{
	uint32_t word = interrupt->vector / 32;
	uint8_t bytes[4];
	uint32_t pending;
	struct access access = {
		.context = CONTEXT_DEVICE(device),
		.purpose = ACCESS_CONFIG_FETCH,
		.pa = pa_of(interrupt->vapic.value + VAPIC_IRR + 0x10ULL * word),
		.size = sizeof(bytes),
	};
	if (port_read(&amd->port, &access, bytes) != PORT_OK)
		return AMD_INTERRUPT_ABORTED;
	memcpy(&pending, bytes, sizeof(pending));
	pending = htole32(le32toh(pending) | 1U << interrupt->vector % 32);
	memcpy(bytes, &pending, sizeof(pending));
	access.purpose = ACCESS_CONFIG_WRITE;
	return port_write(&amd->port, &access, bytes) == PORT_OK ? AMD_INTERRUPT_POSTED
								 : AMD_INTERRUPT_ABORTED;
}

static enum amd_interrupt_result deliver(struct amd_iommu *amd, uint16_t device,
					 const struct amd_irte *irte, struct amd_interrupt *out)
{
	decode(amd, irte, out);
	if (!out->posted)
		return AMD_INTERRUPT_REMAPPED;
	enum amd_interrupt_result result = post(amd, device, out);
	if (result == AMD_INTERRUPT_POSTED && (irte->q[0] & IRTE_GA_LOG) &&
	    !(irte->q[0] & IRTE_IS_RUN))
		amd_log_ga(amd, device, out->tag);
	return result;
}

/* Linux changes IsRun with each schedule of a vCPU, and invalidates nothing: it is not cached. */
static void refresh(struct amd_iommu *amd, uint16_t device, uint64_t at, struct amd_irte *irte)
{
	const uint64_t looked_at = IRTE_GUEST_MODE | IRTE_GA_LOG;
	struct amd_irte now;
	if ((irte->q[0] & looked_at) == looked_at && (amd->control & CONTROL_GA_EN) &&
	    read_irte(amd, device, at, &now))
		irte->q[0] = (irte->q[0] & ~IRTE_IS_RUN) | (now.q[0] & IRTE_IS_RUN);
}

static enum amd_interrupt_result remap_by_table(const struct remap *remap, uint32_t index,
						struct amd_interrupt *out)
{
	struct amd_iommu *amd = remap->amd;
	struct amd_irte_entry *slot = slot_of(&amd->irtes, remap->device, index);
	uint64_t size = amd->control & CONTROL_GA_EN ? IRTE_WIDE_SIZE : IRTE_SIZE;
	uint64_t at = (remap->dte->q[2] & DTE_INT_ROOT) + size * index;
	struct amd_irte irte;
	if (slot->valid && slot->device == remap->device && slot->index == index &&
	    !(amd->control & CONTROL_IRT_CACHE_DIS)) {
		refresh(amd, remap->device, at, &slot->irte);
		return deliver(amd, remap->device, &slot->irte, out);
	}
	if (index >= 1U << field_get(remap->dte->q[2], DTE_INT_LENGTH))
		return unmapped(remap, false);
	if (!read_irte(amd, remap->device, at, &irte))
		return fault(remap, EVENT_PAGE_TAB_HARDWARE_ERROR,
			     domain_of(remap) | field_put(EVT_TYPE, EVT_TYPE_MASTER_ABORT), at);
	if (!(irte.q[0] & IRTE_REMAP_EN))
		return unmapped(remap, irte.q[0] & IRTE_SUP_IOPF);
	if (!(amd->control & CONTROL_IRT_CACHE_DIS))
		*slot = (struct amd_irte_entry){true, remap->device, index, irte};
	return deliver(amd, remap->device, &irte, out);
}

enum amd_interrupt_result amd_interrupt(struct amd_iommu *amd, uint16_t device, uint64_t address,
					uint32_t data, struct amd_interrupt *out)
{
	struct remap remap = {.amd = amd, .device = device, .address = address};
	struct amd_event event;
	memset(out, 0, sizeof(*out));
	if (!(amd->control & CONTROL_IOMMU_EN))
		return AMD_INTERRUPT_FORWARDED;
	const struct amd_request request = {.address = address, .device = device, .write = true};
	if (!amd_find_dte(amd, &request, &remap.dte, &event)) {
		event.q[0] |= EVT_I;
		amd_log_event(amd, &event);
		return AMD_INTERRUPT_ABORTED;
	}
	if (!(remap.dte->q[2] & DTE_IV))
		return AMD_INTERRUPT_FORWARDED;
	if (remap.dte->q[2] & DTE_Q2_RESERVED)
		return fault(&remap, EVENT_ILLEGAL_DEV_TABLE_ENTRY, EVT_RZ, address & ~3ULL);
	switch (field_get(remap.dte->q[2], DTE_INT_CTL)) {
	case INT_CTL_ABORT:
		event = (struct amd_event){{field_put(EVT_CODE, EVENT_INVALID_DEVICE_REQUEST) |
						    device | field_put(EVT_REQUEST_TYPE, 5),
					    address}};
		amd_log_event(amd, &event);
		return AMD_INTERRUPT_ABORTED;
	case INT_CTL_FORWARD:
		return AMD_INTERRUPT_FORWARDED;
	case INT_CTL_REMAP:
		return remap_by_table(&remap, data & INTERRUPT_INDEX, out);
	default:
		return fault(&remap, EVENT_ILLEGAL_DEV_TABLE_ENTRY, EVT_RZ, address & ~3ULL);
	}
}

/* --- guests' logs (amd-viommu 11) --- */

/* The entry of an extended id, if there is one all the way. */
static bool find_extended(struct amd_iommu *amd, uint32_t id, struct amd_irte *irte)
{
	const struct amd_dte *dte;
	struct amd_event event;
	uint64_t entry;
	const struct amd_request request = {.device = amd->board.own_device};
	if (!amd_find_dte(amd, &request, &dte, &event) || !(dte->q[2] & DTE_IV) ||
	    field_get(dte->q[2], DTE_INT_CTL) != INT_CTL_REMAP ||
	    id >> 8 >= 1U << field_get(dte->q[2], DTE_INT_LENGTH))
		return false;
	struct access access = {
		.context = CONTEXT_HOST_RING,
		.purpose = ACCESS_CONFIG_FETCH,
		.pa = pa_of((dte->q[2] & DTE_INT_ROOT) + 8ULL * (id >> 8)),
	};
	if (port_read_u64(&amd->port, &access, &entry) != PORT_OK || !(entry & EXT_INT_VALID) ||
	    (id & 0xff) >= 1U << field_get(entry, EXT_INT_LENGTH))
		return false;
	uint64_t at = (entry & EXT_INT_TABLE) + (uint64_t)IRTE_WIDE_SIZE * (id & 0xff);
	return read_irte(amd, amd->board.own_device, at, irte) && (irte->q[0] & IRTE_REMAP_EN);
}

void amd_guest_raise(struct amd_guest *guest, uint64_t bit, bool enabled,
		     enum amd_extended_type type)
{
	struct amd_iommu *amd = guest->amd;
	struct amd_interrupt interrupt;
	struct amd_irte irte;
	bool edge = !(guest->status & bit);
	guest->status |= bit;
	if (edge && enabled && find_extended(amd, (uint32_t)type << 16 | guest->id, &irte))
		deliver(amd, amd->board.own_device, &irte, &interrupt);
}
