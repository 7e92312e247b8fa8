// SPDX-License-Identifier: Apache-2.0
/*
 * Guests: VF and VFCntl registers, the maps of ids, and how a guest's buffers are translated
 * (amd-viommu 4 to 8, 10).
 */
#include <string.h>

#include "models/amd_iommu/amd_iommu.h"

struct amd_guest *amd_guest_find(struct amd_iommu *amd, uint16_t id)
{
	struct amd_guest **row = amd->guests_by_id[id >> 8];
	return row != NULL ? row[id & 0xff] : NULL;
}

static struct amd_guest *guest_at(struct amd_iommu *amd, uint16_t id)
{
	struct arena *arena = amd->machine->arena;
	struct amd_guest *guest = amd_guest_find(amd, id);
	if (guest != NULL)
		return guest;
	if (amd->guests_by_id[id >> 8] == NULL)
		amd->guests_by_id[id >> 8] = arena_alloc(arena, 256 * sizeof(guest));
	guest = arena_new(arena, struct amd_guest);
	guest->amd = amd;
	guest->id = id;
	amd_ring_init(&guest->ring, amd, guest, id);
	LIST_INSERT_HEAD(&amd->guests, guest, link);
	amd->guests_by_id[id >> 8][id & 0xff] = guest;
	return guest;
}

static uint32_t ring_bytes(uint64_t code)
{
	return code >= RING_CODE_MIN ? (uint32_t)COMMAND_SIZE << code : 0;
}

/* RESET_VMMIO: whether a running ring goes on is not known (20.2). */
void amd_guest_reset(struct amd_guest *guest)
{
	bool stops = option_get(&guest->amd->assumptions, AMD_RESET_VMMIO) == AMD_RESET_STOPS;
	if (stops) {
		amd_ring_reset(&guest->ring);
		guest->command = 0;
	}
	guest->misc = 0;
	guest->event = 0;
	guest->event_b = 0;
	guest->ppr = 0;
	guest->ppr_b = 0;
	guest->status = 0;
	memset(&guest->events, 0, sizeof(guest->events));
	memset(&guest->pprs, 0, sizeof(guest->pprs));
	guest->ppr_auto = 0;
	memset(guest->ppr_early, 0, sizeof(guest->ppr_early));
}

/* --- translation of buffers --- */

static enum amd_leaf_cache buffer_cache(struct amd_iommu *amd)
{
	if (option_get(&amd->assumptions, AMD_BUFFER_CACHE) == AMD_BUFFER_WALKED)
		return AMD_LEAVES_NOWHERE;
	return option_get(&amd->assumptions, AMD_BUFFER_TAG) == AMD_BUFFER_TAG_DOMAIN
		       ? AMD_LEAVES_BY_DOMAIN
		       : AMD_LEAVES_BY_DEVICE;
}

enum amd_translate_result amd_guest_translate(struct amd_guest *guest, uint64_t address, bool write,
					      struct amd_translation *translation)
{
	struct amd_iommu *amd = guest->amd;
	uint16_t device = (uint16_t)field_get(guest->misc, MISC_TRANS_DEVICE);
	bool none = device == 0 &&
		    option_get(&amd->assumptions, AMD_TRANS_ZERO) == AMD_TRANS_ZERO_IS_NONE;
	enum amd_translate_result result = AMD_FAULT;
	if (none)
		memset(translation, 0, sizeof(*translation));
	else
		result = amd_translate(amd, device, address, write, buffer_cache(amd), translation);
	if (result == AMD_TRANSLATED && translation->invalid_entry &&
	    option_get(&amd->assumptions, AMD_DTE_V0) == AMD_DTE_V0_FAULTS)
		none = true;
	if (!none)
		return result;
	translation->event.q[0] =
		field_put(EVT_CODE, EVENT_IO_PAGE_FAULT) | device | (write ? EVT_RW : 0);
	translation->event.q[1] = address;
	return AMD_FAULT;
}

/* The IOMMU's own table entry translates private addresses; there is no slot for semaphores (7). */
static bool buffers_are_private(const struct amd_iommu *amd)
{
	return !(amd->control & CONTROL_GST_BUFFER_TRP);
}

uint64_t amd_buffer_at(const struct amd_guest *guest, uint64_t slots, uint64_t base)
{
	return buffers_are_private(guest->amd) ? slots + guest->id * BUFFER_SLOT_SIZE : base;
}

enum amd_translate_result amd_buffer_translate(struct amd_guest *guest, uint64_t address,
					       bool write, struct amd_translation *translation)
{
	struct amd_iommu *amd = guest->amd;
	if (!buffers_are_private(amd))
		return amd_guest_translate(guest, address, write, translation);
	return amd_translate(amd, amd->board.own_device, address, write, buffer_cache(amd),
			     translation);
}

/* --- the maps of ids (7): written by port, read by commands, both at private addresses --- */

static uint64_t device_entry(const struct amd_guest *guest, uint64_t guest_device)
{
	return IPA_DEVICE_MAPS + guest->id * DEVICE_MAP_SIZE + guest_device * DEVICE_MAP_ENTRY;
}

static uint64_t domain_entry(const struct amd_guest *guest, uint64_t guest_domain)
{
	return IPA_DOMAIN_MAPS + guest->id * DOMAIN_MAP_SIZE + guest_domain * DOMAIN_MAP_ENTRY;
}

/* Where a private address lies. A fault is the host's to know. */
static bool private_access(struct amd_guest *guest, uint64_t ipa, bool write, struct access *access)
{
	struct amd_iommu *amd = guest->amd;
	struct amd_translation translation;
	if (amd_translate(amd, amd->board.own_device, ipa, write, AMD_LEAVES_BY_DOMAIN,
			  &translation) != AMD_TRANSLATED) {
		amd_log_event(amd, &translation.event);
		return false;
	}
	*access = (struct access){
		.context = CONTEXT_HOST_RING,
		.purpose = write ? ACCESS_CONFIG_WRITE : ACCESS_CONFIG_FETCH,
		.path = translation.path,
		.input = ipa,
		.pa = translation.pa,
	};
	return true;
}

/* The memory layout of an entry is not known: the port's own fields are kept as they are. */
static void write_map(struct amd_guest *guest, bool device, uint64_t value)
{
	struct access access;
	uint64_t number = field_get(value, MAP_GUEST);
	uint64_t ipa = device ? device_entry(guest, number) : domain_entry(guest, number);
	if ((value & MAP_WRITE) && private_access(guest, ipa, true, &access))
		port_write_u64(&guest->amd->port, &access, value & (MAP_HOST | MAP_VALID));
}

static bool read_map(struct amd_guest *guest, uint64_t ipa, uint16_t *number)
{
	struct access access;
	uint64_t entry;
	if (!private_access(guest, ipa, false, &access) ||
	    port_read_u64(&guest->amd->port, &access, &entry) != PORT_OK || !(entry & MAP_VALID))
		return false;
	*number = (uint16_t)field_get(entry, MAP_HOST);
	return true;
}

bool amd_map_device(struct amd_guest *guest, uint16_t guest_device, uint16_t *device)
{
	return read_map(guest, device_entry(guest, guest_device), device);
}

bool amd_map_domain(struct amd_guest *guest, uint16_t guest_domain, uint16_t *domain)
{
	return read_map(guest, domain_entry(guest, guest_domain), domain);
}

/* --- VFCntl: the host's (5) --- */

static uint64_t vfcntl_register(const struct amd_guest *guest, uint32_t offset)
{
	switch (offset) {
	case VFCNTL_MISC:
		return guest->misc;
	case VFCNTL_EVENT_B:
		return guest->event_b;
	case VFCNTL_COMMAND:
		return guest->command;
	case VFCNTL_EVENT:
		return guest->event;
	case VFCNTL_PPR:
		return guest->ppr;
	case VFCNTL_PPR_B:
		return guest->ppr_b;
	default:
		return 0; /* the ports of the maps are write-only */
	}
}

/* One register says where, how long and whether: a ring that runs keeps its base until it is stopped. */
static void write_command(struct amd_guest *guest, uint64_t value)
{
	struct amd_ring *ring = &guest->ring;
	uint64_t base = value & GUEST_BASE;
	uint32_t size = ring_bytes(field_get(value, GUEST_CMD_LENGTH));
	guest->command =
		value & (GUEST_BASE | GUEST_CMD_LENGTH | GUEST_CMD_EN | GUEST_CMD_COMWAIT_EN);
	if (!(value & GUEST_CMD_EN))
		amd_ring_enable(ring, false);
	if (!amd_ring_running(ring) && (ring->base != base || ring->size != size))
		amd_ring_move(ring, base, size);
	if (value & GUEST_CMD_EN)
		amd_ring_enable(ring, true);
}

/* A log that runs keeps its base, too. */
static void move_log(const struct amd_guest *guest, struct amd_event_log *log, uint64_t base,
		     uint32_t size)
{
	if (amd_event_log_running(guest->amd, log) || (log->base == base && log->size == size))
		return;
	log->base = base;
	log->size = size;
	log->head = 0;
	log->tail = 0;
}

/* Bases of the second logs have registers of their own, which are looked at with these. */
static void set_events(struct amd_guest *guest)
{
	struct amd_logs *logs = &guest->events;
	uint64_t value = guest->event;
	bool enabled = value & GUEST_EVENT_EN;
	logs->of[0].enabled &= enabled;
	logs->of[1].enabled &= enabled;
	move_log(guest, &logs->of[0], value & GUEST_BASE,
		 ring_bytes(field_get(value, GUEST_EVENT_LENGTH)));
	move_log(guest, &logs->of[1], guest->event_b,
		 ring_bytes(field_get(value, GUEST_EVENT_LENGTH_B)));
	amd_logs_enable(logs, &amd_event_bits, enabled,
			amd_dual_of(field_get(value, GUEST_EVENT_DUAL),
				    field_get(guest->amd->efr, EFR_DUAL_EVENT_LOG)),
			&guest->status);
}

static void set_pprs(struct amd_guest *guest)
{
	struct amd_logs *logs = &guest->pprs;
	uint64_t value = guest->ppr;
	bool enabled = value & GUEST_PPR_LOG_EN;
	logs->of[0].enabled &= enabled;
	logs->of[1].enabled &= enabled;
	move_log(guest, &logs->of[0], field_get(value, GUEST_PPR_BASE) * PAGE_SIZE,
		 ring_bytes(field_get(value, GUEST_PPR_LENGTH)));
	move_log(guest, &logs->of[1], guest->ppr_b,
		 ring_bytes(field_get(value, GUEST_PPR_LENGTH_B)));
	amd_logs_enable(logs, &amd_ppr_bits, enabled,
			amd_dual_of(field_get(value, GUEST_PPR_DUAL),
				    field_get(guest->amd->efr, EFR_DUAL_PPR_LOG)),
			&guest->status);
}

static void write_vfcntl(struct amd_guest *guest, uint32_t offset, uint64_t value)
{
	switch (offset) {
	case VFCNTL_DEVICE_MAP:
	case VFCNTL_DOMAIN_MAP:
		write_map(guest, offset == VFCNTL_DEVICE_MAP, value);
		break;
	case VFCNTL_MISC:
		guest->misc = value;
		break;
	case VFCNTL_EVENT_B:
		guest->event_b = value & GUEST_BASE;
		set_events(guest);
		break;
	case VFCNTL_COMMAND:
		write_command(guest, value);
		break;
	case VFCNTL_EVENT:
		guest->event = value;
		set_events(guest);
		break;
	case VFCNTL_PPR:
		guest->ppr = value;
		set_pprs(guest);
		break;
	case VFCNTL_PPR_B:
		guest->ppr_b = value & GUEST_BASE;
		set_pprs(guest);
		break;
	default:
		break;
	}
}

static uint64_t vfcntl_read(void *owner, uint64_t offset, unsigned width)
{
	struct amd_iommu *amd = owner;
	const struct amd_guest *guest = amd_guest_find(amd, (uint16_t)(offset / VFCNTL_STRIDE));
	if (!amd_answers_at(amd, AMD_VSC_VFCNTL, amd->board.vfcntl_base))
		return 0;
	uint64_t value = guest != NULL ? vfcntl_register(guest, offset % VFCNTL_STRIDE & ~7U) : 0;
	value >>= offset % 8 * 8;
	return width == 4 ? (uint32_t)value : value;
}

/* 64-bit registers: a half would be half a command (5). */
static void vfcntl_write(void *owner, uint64_t offset, unsigned width, uint64_t value)
{
	struct amd_iommu *amd = owner;
	if (width == 8 && amd_answers_at(amd, AMD_VSC_VFCNTL, amd->board.vfcntl_base))
		write_vfcntl(guest_at(amd, (uint16_t)(offset / VFCNTL_STRIDE)),
			     offset % VFCNTL_STRIDE, value);
}

const struct mmio_ops amd_vfcntl_ops = {vfcntl_read, vfcntl_write};

/* --- VF: the guest's (4) --- */

static uint64_t vf_register(struct amd_guest *guest, uint32_t offset)
{
	uint64_t pointer;
	if (amd_logs_read(&guest->events, &guest->pprs, offset + AMD_PAGE3, &pointer))
		return pointer;
	switch (offset + AMD_PAGE3) {
	case AMD_CMD_HEAD:
		return guest->ring.head;
	case AMD_CMD_TAIL:
		return guest->ring.tail;
	case AMD_STATUS:
		return guest->status | (amd_ring_running(&guest->ring) ? STATUS_CMD_BUF_RUN : 0) |
		       amd_logs_status(guest->amd, &guest->events, &amd_event_bits) |
		       amd_logs_status(guest->amd, &guest->pprs, &amd_ppr_bits);
	case AMD_PPR_AUTO:
		return guest->ppr_auto;
	case AMD_PPR_EARLY:
		return guest->ppr_early[0];
	case AMD_PPR_B_EARLY:
		return guest->ppr_early[1];
	default:
		return 0;
	}
}

static void write_vf(struct amd_guest *guest, uint32_t offset, uint64_t value)
{
	const uint64_t early = PPR_EARLY_THRESHOLD | PPR_EARLY_INT_EN | PPR_EARLY_EN;
	if (amd_logs_write(guest->amd, &guest->events, &guest->pprs, offset + AMD_PAGE3, value))
		return;
	switch (offset + AMD_PAGE3) {
	case AMD_CMD_HEAD: /* legal only while the ring stands (2) */
		if (!amd_ring_running(&guest->ring))
			guest->ring.head = amd_pointer_in(value, guest->ring.size);
		break;
	case AMD_CMD_TAIL:
		guest->ring.tail = amd_pointer_in(value, guest->ring.size);
		amd_ring_kick(&guest->ring, guest->amd->timing.doorbell_ps);
		break;
	case AMD_STATUS:
		guest->status &= ~(value & STATUS_W1C);
		break;
	case AMD_PPR_AUTO:
		guest->ppr_auto = value & (PPR_AUTO_CODE | PPR_AUTO_MASK_GN);
		break;
	case AMD_PPR_EARLY:
		guest->ppr_early[0] = value & early;
		break;
	case AMD_PPR_B_EARLY:
		guest->ppr_early[1] = value & early;
		break;
	default:
		break;
	}
}

static uint64_t vf_read(void *owner, uint64_t offset, unsigned width)
{
	struct amd_iommu *amd = owner;
	struct amd_guest *guest = amd_guest_find(amd, (uint16_t)(offset / VF_STRIDE));
	if (!amd_answers_at(amd, AMD_VSC_VF, amd->board.vf_base))
		return 0;
	uint64_t value = guest != NULL ? vf_register(guest, offset % VF_STRIDE & ~7U) : 0;
	value >>= offset % 8 * 8;
	return width == 4 ? (uint32_t)value : value;
}

/* The pointers lie in the low half: a write to the high half changes nothing. */
static void vf_write(void *owner, uint64_t offset, unsigned width, uint64_t value)
{
	struct amd_iommu *amd = owner;
	(void)width;
	if (offset % 8 == 0 && amd_answers_at(amd, AMD_VSC_VF, amd->board.vf_base))
		write_vf(guest_at(amd, (uint16_t)(offset / VF_STRIDE)), offset % VF_STRIDE, value);
}

const struct mmio_ops amd_vf_ops = {vf_read, vf_write};
