// SPDX-License-Identifier: Apache-2.0
/* CMDQV registers, VINTFs, substitution, errors (tegra241-cmdqv 2 .. 8). */
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"

/* --- who a queue belongs to --- */

static uint32_t vintf_number(const struct vcmdq *vcmdq)
{
	return (uint32_t)field_get(vcmdq->alloc, ALLOC_VINTF);
}

/* Anew, when the queue's assignment or the VINTFs have changed. */
static void find_vintf(struct smmu *smmu, struct vcmdq *vcmdq)
{
	uint32_t v = vintf_number(vcmdq);
	vcmdq->vintf = v < smmu->vintf_count ? smmu->vintfs[v] : NULL;
}

static struct vintf *vintf_at(struct smmu *smmu, uint32_t v)
{
	if (smmu->vintfs[v] != NULL)
		return smmu->vintfs[v];
	smmu->vintfs[v] = arena_new(smmu->machine->arena, struct vintf);
	for (uint32_t q = 0; q < smmu->vcmdq_count; q++)
		find_vintf(smmu, &smmu->vcmdqs[q]);
	return smmu->vintfs[v];
}

static uint32_t logical_number(const struct vcmdq *vcmdq)
{
	return (uint32_t)field_get(vcmdq->alloc, ALLOC_LVCMDQ);
}

static bool owner_enabled(struct smmu *smmu, const struct vcmdq *vcmdq)
{
	return (smmu->cmdqv_config & CONFIG_CMDQV_EN) && (vcmdq->alloc & ALLOC_ALLOC) &&
	       vcmdq->vintf != NULL && (vcmdq->vintf->config & VINTF_CONFIG_ENABLE);
}

/* --- commands (7) --- */

/* Puts the physical stream id in for a guest's; false: no enabled pair matches. */
static bool replace_sid(struct smmu *smmu, const struct vintf *vintf, struct smmu_command *command)
{
	uint64_t sid = field_get(command->dw[0], CMD_SID);
	uint32_t found = smmu->sid_pairs, matches = 0;
	for (uint32_t k = 0; k < smmu->sid_pairs; k++) {
		uint32_t match = vintf->sid_match[k];
		if (!(match & SID_MATCH_ENABLE) || field_get(match, SID_MATCH_VIRT) != sid)
			continue;
		bool last = matches > 0 && option_get(&smmu->assumptions, ASSUME_SID_CONFLICT) ==
						   SID_CONFLICT_LAST;
		if (matches++ == 0 || last)
			found = k;
	}
	if (matches == 0)
		return false;
	command->dw[0] = field_set(command->dw[0], CMD_SID, vintf->sid_replace[found]);
	return true;
}

static enum vcmdq_admission stop(enum vcmdq_error *error, enum vcmdq_error code)
{
	*error = code;
	return VCMDQ_STOP;
}

/* Only CS = NONE is known to work; what passes as such tells nobody else (7.1). */
static enum vcmdq_admission admit_sync(struct smmu *smmu, struct smmu_command *command,
				       enum vcmdq_error *error)
{
	if (field_get(command->dw[0], CMD_SYNC_CS) == SYNC_CS_NONE)
		return VCMDQ_RUN;
	if (option_get(&smmu->assumptions, ASSUME_GUEST_SYNC_CS) != GUEST_SYNC_CS_AS_NONE)
		return stop(error, VCMDQ_ERR_ILL_OPCODE);
	command->dw[0] = field_set(command->dw[0], CMD_SYNC_CS, SYNC_CS_NONE);
	return VCMDQ_RUN;
}

static enum vcmdq_admission admit_atc_inv(struct smmu *smmu, const struct vintf *vintf,
					  struct smmu_command *command, enum vcmdq_error *error)
{
	if (replace_sid(smmu, vintf, command))
		return VCMDQ_RUN;
	switch (option_get(&smmu->assumptions, ASSUME_UNMATCHED_SID)) {
	case UNMATCHED_SID_ILL_OPCODE:
		return stop(error, VCMDQ_ERR_ILL_OPCODE);
	case UNMATCHED_SID_DROPPED:
		return VCMDQ_SKIP;
	default:
		return stop(error, VCMDQ_ERR_ILL_ACCESS);
	}
}

enum vcmdq_admission cmdqv_admit(struct smmu *smmu, struct vcmdq *vcmdq,
				 struct smmu_command *command, enum vcmdq_error *error)
{
	const struct vintf *vintf = vcmdq->vintf;
	unsigned opcode = command_opcode(command);
	unsigned guest = command_rules[opcode].guest;
	if (!smmu_command_legal(smmu, command))
		return stop(error, VCMDQ_ERR_ILL_OPCODE);
	if (opcode == CMD_SYNC)
		return admit_sync(smmu, command, error);
	if (vintf->config & VINTF_CONFIG_HYP_OWN)
		return VCMDQ_RUN;
	if (!(guest & COMMAND_GUEST_LEGAL) &&
	    (!(guest & COMMAND_GUEST_UNSURE) ||
	     option_get(&smmu->assumptions, ASSUME_GUEST_STAGE2_TLBI) == GUEST_STAGE2_TLBI_ILLEGAL))
		return stop(error, VCMDQ_ERR_ILL_OPCODE);
	if (guest & COMMAND_GUEST_VMID)
		command->dw[0] = field_set(command->dw[0], CMD_VMID,
					   field_get(vintf->config, VINTF_CONFIG_VMID));
	return opcode == CMD_ATC_INV ? admit_atc_inv(smmu, vintf, command, error) : VCMDQ_RUN;
}

/* --- errors (8) --- */

static bool has_error(const struct vcmdq *vcmdq)
{
	return ((vcmdq->queue.gerror ^ vcmdq->queue.gerrorn) & VCMDQ_GERROR_KNOWN) != 0;
}

/* Each new error is an edge, whatever the maps show already (8.2). */
void cmdqv_error_raised(struct smmu *smmu, struct vcmdq *vcmdq)
{
	uint32_t v = vintf_number(vcmdq);
	if (!(smmu->vi_int_mask[v / 32] >> v % 32 & 1))
		irq_raise(smmu->machine, smmu->board.cmdqv_irq);
}

/* Toggles a bit of GERROR, unless it is active already. */
static void raise_gerror(struct smmu *smmu, struct vcmdq *vcmdq, uint32_t bit)
{
	if ((vcmdq->queue.gerror ^ vcmdq->queue.gerrorn) & bit)
		return;
	vcmdq->queue.gerror ^= bit;
	cmdqv_error_raised(smmu, vcmdq);
}

/* Bit of each of 32 VCMDQs, VINTFs or logical queues from FIRST on. */
static uint32_t vcmdq_error_map(struct smmu *smmu, uint32_t first)
{
	uint32_t map = 0;
	for (uint32_t q = first; q < first + 32 && q < smmu->vcmdq_count; q++)
		map |= (uint32_t)has_error(&smmu->vcmdqs[q]) << (q - first);
	return map;
}

static uint32_t logical_error_map(const struct vintf *vintf, uint32_t first)
{
	uint32_t map = 0;
	for (uint32_t l = first; l < first + 32; l++)
		if (vintf->slots[l] != NULL && has_error(vintf->slots[l]))
			map |= 1U << (l - first);
	return map;
}

static bool vintf_has_error(const struct vintf *vintf)
{
	for (uint32_t first = 0; first < CMDQV_QUEUES_MAX; first += 32)
		if (logical_error_map(vintf, first) != 0)
			return true;
	return false;
}

static uint32_t vintf_error_map(struct smmu *smmu, uint32_t first)
{
	uint32_t map = 0;
	for (uint32_t v = first; v < first + 32 && v < smmu->vintf_count; v++)
		if (smmu->vintfs[v] != NULL && vintf_has_error(smmu->vintfs[v]))
			map |= 1U << (v - first);
	return map;
}

/* CONFIG.CONS_DRAM_EN: a copy of CONS at CONS_INDX_BASE, a physical address (5, 11). */
void cmdqv_cons_moved(struct smmu *smmu, struct vcmdq *vcmdq)
{
	uint8_t bytes[4];
	if (vcmdq->cons_base == 0)
		return;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(vcmdq->queue.cons >> (8 * i));
	struct access access = {
		.context = vcmdq->queue.context,
		.purpose = ACCESS_POINTER_WRITE,
		.path = PATH_PHYSICAL,
		.pa = pa_of(vcmdq->cons_base),
		.size = sizeof(bytes),
		.index = vcmdq->queue.cons,
	};
	if (port_write(&smmu->port, &access, bytes) != PORT_OK)
		raise_gerror(smmu, vcmdq, (uint32_t)VCMDQ_GERROR_CONS_DRAM);
}

/* --- VCMDQ registers (5); what may be written, and which bits there are, is in cmdqv_spec.c --- */

static uint64_t read_page0(const struct vcmdq *vcmdq, uint32_t offset)
{
	const struct command_queue *queue = &vcmdq->queue;
	switch (offset) {
	case VCMDQ_CONS:
		return queue->cons | field_put(VCMDQ_CONS_ERR, queue->error);
	case VCMDQ_PROD:
		return queue->prod;
	case VCMDQ_CONFIG:
		return vcmdq->config;
	case VCMDQ_STATUS:
		return queue->enabled;
	case VCMDQ_GERROR:
		return queue->gerror;
	case VCMDQ_GERRORN:
		return queue->gerrorn;
	default:
		return 0;
	}
}

/*
 * EN_OK stays 0 where the queue has no owner (5.1), or no base (5, 8.1). A stop under way ceases, as in
 * the architected queue; what its fetch brings is not run.
 */
static void enable_queue(struct smmu *smmu, struct vcmdq *vcmdq)
{
	if (vcmdq->queue.enabled && !vcmdq->queue.stopping)
		return;
	if (!owner_enabled(smmu, vcmdq)) {
		if (option_get(&smmu->assumptions, ASSUME_ENABLE_REFUSED) ==
		    ENABLE_REFUSED_INIT_ERR)
			raise_gerror(smmu, vcmdq, (uint32_t)VCMDQ_GERROR_INIT);
		return;
	}
	if ((vcmdq->base_register & VCMDQ_BASE_ADDR) == 0)
		raise_gerror(smmu, vcmdq, (uint32_t)VCMDQ_GERROR_INIT);
	else
		command_queue_start(&vcmdq->queue);
}

static void stop_orphan(struct smmu *smmu, struct vcmdq *vcmdq)
{
	if (vcmdq->queue.enabled && !owner_enabled(smmu, vcmdq))
		command_queue_stop(&vcmdq->queue);
}

/* CMDQV or a VINTF went: so do the queues that it carried (5.1, 10). */
static void stop_orphans(struct smmu *smmu)
{
	for (uint32_t q = 0; q < smmu->vcmdq_count; q++)
		stop_orphan(smmu, &smmu->vcmdqs[q]);
}

static void write_page0(struct smmu *smmu, struct vcmdq *vcmdq, uint32_t offset, uint32_t value)
{
	struct command_queue *queue = &vcmdq->queue;
	switch (offset) {
	case VCMDQ_CONS:
		if (queue->enabled)
			break;
		queue->cons = (uint32_t)(value & VCMDQ_POINTER);
		queue->error = (uint32_t)field_get(value, VCMDQ_CONS_ERR);
		break;
	case VCMDQ_PROD:
		queue->prod = value;
		command_queue_kick(queue, smmu->timing.doorbell_ps);
		break;
	case VCMDQ_CONFIG:
		vcmdq->config = value;
		if (value & VCMDQ_EN)
			enable_queue(smmu, vcmdq);
		else if (queue->enabled)
			command_queue_stop(queue);
		break;
	case VCMDQ_GERRORN:
		queue->gerrorn = value;
		command_queue_kick(queue, 0);
		break;
	default:
		break;
	}
}

static uint64_t page1_register(const struct vcmdq *vcmdq, const struct register_row *row)
{
	return row->offset == VCMDQ_BASE ? vcmdq->base_register : vcmdq->cons_base;
}

static uint64_t merge_half(uint64_t old, uint32_t offset, unsigned width, uint64_t value)
{
	if (width == 8)
		return value;
	return offset % 8 == 0 ? (old & ~(uint64_t)UINT32_MAX) | value
			       : (old & UINT32_MAX) | value << 32;
}

static void write_page1(struct smmu *smmu, struct vcmdq *vcmdq, const struct register_row *row,
			uint64_t value)
{
	struct command_queue *queue = &vcmdq->queue;
	uint32_t cap = (uint32_t)field_get(smmu->idr[1], IDR1_CMDQS);
	if (queue->enabled)
		return; /* writable only when disabled (5.1) */
	if (row->offset == VCMDQ_CONS_BASE) {
		vcmdq->cons_base = value & row->mask;
		return;
	}
	vcmdq->base_register = value & row->mask;
	uint32_t log2size = (uint32_t)field_get(vcmdq->base_register, VCMDQ_BASE_LOG2SIZE);
	queue->entries = 1U << (log2size < cap ? log2size : cap);
	uint64_t size = (uint64_t)COMMAND_SIZE * queue->entries;
	queue->base = vcmdq->base_register & VCMDQ_BASE_ADDR;
	/* As in the architected queue, base bits below the size do not count (11.1). */
	if ((queue->base & (size - 1)) != 0 &&
	    option_get(&smmu->assumptions, ASSUME_BASE_LOW_BITS) == BASE_LOW_BITS_IGNORED)
		queue->base &= ~(size - 1);
}

/* --- VINTF and CONFIG page registers (3, 4) --- */

static uint32_t mapped_count(const struct vintf *vintf)
{
	uint32_t count = 0;
	for (uint32_t l = 0; l < CMDQV_QUEUES_MAX; l++)
		count += vintf->slots[l] != NULL;
	return count;
}

/* A stop is acknowledged when no queue has a fetch under way (5.1). */
static bool vintf_runs(const struct vintf *vintf)
{
	bool runs = vintf->config & VINTF_CONFIG_ENABLE;
	for (uint32_t l = 0; !runs && l < CMDQV_QUEUES_MAX; l++)
		runs = vintf->slots[l] != NULL && vintf->slots[l]->queue.enabled;
	return runs;
}

static bool cmdqv_runs(const struct smmu *smmu)
{
	bool runs = smmu->cmdqv_config & CONFIG_CMDQV_EN;
	for (uint32_t q = 0; !runs && q < smmu->vcmdq_count; q++)
		runs = smmu->vcmdqs[q].queue.enabled;
	return runs;
}

/* One register of a table: the row, and which of its registers. */
struct found {
	const struct register_row *row; /* NULL: none */
	uint32_t index;
};

static struct found find(const struct register_row *rows, uint32_t offset)
{
	struct found found = {NULL, 0};
	found.row = register_find(rows, offset, &found.index);
	return found;
}

/* Nor are there more pairs than PARAM tells. */
static struct found find_in_vintf(const struct smmu *smmu, uint32_t offset)
{
	struct found found = find(cmdqv_vintf_registers, offset);
	bool pair = offset >= VINTF_SID_MATCH && offset < VINTF_LVCMDQ_ERR_MAP;
	if (pair && found.index >= smmu->sid_pairs)
		found.row = NULL;
	return found;
}

static uint64_t read_vintf(const struct smmu *smmu, uint32_t v, struct found found)
{
	static const struct vintf never_written = {0};
	const struct vintf *vintf = smmu->vintfs[v] != NULL ? smmu->vintfs[v] : &never_written;
	switch (found.row->offset) {
	case VINTF_CONFIG:
		return vintf->config;
	case VINTF_STATUS:
		return field_put(VINTF_STATUS_ENABLE_OK, vintf_runs(vintf)) |
		       field_put(VINTF_STATUS_STATUS, vintf_has_error(vintf)) |
		       field_put(VINTF_STATUS_NUM_LVCMDQ, mapped_count(vintf));
	case VINTF_SID_MATCH:
		return vintf->sid_match[found.index];
	case VINTF_SID_REPLACE:
		return vintf->sid_replace[found.index];
	default:
		return logical_error_map(vintf, found.index * 32);
	}
}

static void write_vintf(struct smmu *smmu, uint32_t v, struct found found, uint32_t value)
{
	struct vintf *vintf = vintf_at(smmu, v);
	switch (found.row->offset) {
	case VINTF_CONFIG:
		vintf->config = value;
		stop_orphans(smmu);
		break;
	case VINTF_SID_MATCH:
		vintf->sid_match[found.index] = value;
		break;
	default:
		vintf->sid_replace[found.index] = value;
		break;
	}
}

static void write_alloc(struct smmu *smmu, uint32_t q, uint32_t value)
{
	struct vcmdq *vcmdq = &smmu->vcmdqs[q];
	struct vintf *old = vcmdq->vintf;
	if (old != NULL && old->slots[logical_number(vcmdq)] == vcmdq)
		old->slots[logical_number(vcmdq)] = NULL;
	vcmdq->alloc = value;
	find_vintf(smmu, vcmdq);
	if ((value & ALLOC_ALLOC) && vintf_number(vcmdq) < smmu->vintf_count)
		vintf_at(smmu, vintf_number(vcmdq))->slots[logical_number(vcmdq)] = vcmdq;
	stop_orphan(smmu, vcmdq);
}

/* The VINTF whose block an offset of the CONFIG page lies in, which may not be there. */
static uint32_t vintf_of_block(uint32_t offset)
{
	return (offset - CMDQV_VINTF_BLOCKS) / CMDQV_VINTF_BLOCK_STRIDE;
}

/* Of the CONFIG page, as far as PARAM tells that it is there. */
static struct found find_in_config(const struct smmu *smmu, uint32_t offset)
{
	struct found found = {NULL, 0};
	if (offset >= CMDQV_VINTF_BLOCKS)
		return vintf_of_block(offset) < smmu->vintf_count
			       ? find_in_vintf(smmu, offset % CMDQV_VINTF_BLOCK_STRIDE)
			       : found;
	found = find(cmdqv_config_registers, offset);
	if (offset >= CMDQV_ALLOC_MAP && found.index >= smmu->vcmdq_count)
		found.row = NULL;
	return found;
}

static uint64_t read_config_page(struct smmu *smmu, uint32_t offset)
{
	struct found found = find_in_config(smmu, offset);
	if (found.row == NULL)
		return 0;
	if (offset >= CMDQV_VINTF_BLOCKS)
		return read_vintf(smmu, vintf_of_block(offset), found);
	switch (found.row->offset) {
	case CMDQV_CONFIG:
		return smmu->cmdqv_config;
	case CMDQV_PARAM:
		return field_put(PARAM_VER, 1) |
		       field_put(PARAM_NUM_VCMDQ_LOG2, (uint64_t)__builtin_ctz(smmu->vcmdq_count)) |
		       field_put(PARAM_NUM_VINTF_LOG2, (uint64_t)__builtin_ctz(smmu->vintf_count)) |
		       field_put(PARAM_NUM_SID_LOG2, (uint64_t)__builtin_ctz(smmu->sid_pairs));
	case CMDQV_STATUS:
		return cmdqv_runs(smmu) ? STATUS_CMDQV_ENABLED : 0;
	case CMDQV_VI_ERR_MAP:
		return vintf_error_map(smmu, found.index * 32);
	case CMDQV_VI_INT_MASK:
		return smmu->vi_int_mask[found.index];
	case CMDQV_CMDQ_ERR_MAP:
		return vcmdq_error_map(smmu, found.index * 32);
	default:
		return smmu->vcmdqs[found.index].alloc;
	}
}

static bool writable(const struct register_row *row)
{
	return row != NULL && row->access == REGISTER_RW;
}

static void write_config_page(struct smmu *smmu, uint32_t offset, uint32_t value)
{
	struct found found = find_in_config(smmu, offset);
	if (!writable(found.row))
		return;
	value &= (uint32_t)found.row->mask;
	if (offset >= CMDQV_VINTF_BLOCKS) {
		write_vintf(smmu, vintf_of_block(offset), found, value);
		return;
	}
	switch (found.row->offset) {
	case CMDQV_CONFIG:
		smmu->cmdqv_config = value;
		stop_orphans(smmu);
		break;
	case CMDQV_VI_INT_MASK:
		smmu->vi_int_mask[found.index] = value;
		break;
	default:
		write_alloc(smmu, found.index, value);
		break;
	}
}

/* --- windows (2) --- */

/* What an offset past the CONFIG page names, directly or through a VINTF. */
struct place {
	struct vcmdq *vcmdq;
	const struct register_row *row; /* NULL: nothing is there */
	bool page1;
	uint32_t in_slot;
};

/* NULL: a VINTF's slot with no queue. */
static struct vcmdq *logical_queue(struct smmu *smmu, uint32_t v, uint32_t slot)
{
	return v < smmu->vintf_count && smmu->vintfs[v] != NULL ? smmu->vintfs[v]->slots[slot]
								: NULL;
}

static const struct register_row *row_in_slot(bool page1, uint32_t in_slot)
{
	if (page1)
		return in_slot / 8 < CMDQV_PAGE1_ROWS ? &cmdqv_page1_registers[in_slot / 8] : NULL;
	return in_slot / 4 < CMDQV_PAGE0_ROWS ? &cmdqv_page0_registers[in_slot / 4] : NULL;
}

static inline struct place place_of(struct smmu *smmu, uint64_t offset)
{
	uint32_t slot = (uint32_t)(offset % CMDQV_PAGE_SIZE / CMDQV_QUEUE_STRIDE);
	struct place place = {NULL, NULL, false, (uint32_t)(offset % CMDQV_QUEUE_STRIDE)};
	if (slot >= CMDQV_QUEUES_MAX)
		return place;
	if (offset < CMDQV_VINTF_PAGES) {
		place.page1 = offset >= CMDQV_DIRECT_PAGE1;
		place.vcmdq = slot < smmu->vcmdq_count ? &smmu->vcmdqs[slot] : NULL;
	} else {
		uint64_t in_vintfs = offset - CMDQV_VINTF_PAGES;
		uint32_t v = (uint32_t)(in_vintfs / CMDQV_VINTF_STRIDE);
		place.page1 = in_vintfs % CMDQV_VINTF_STRIDE >= CMDQV_PAGE_SIZE;
		place.vcmdq = logical_queue(smmu, v, slot);
	}
	if (place.vcmdq != NULL)
		place.row = row_in_slot(place.page1, place.in_slot);
	return place;
}

static uint32_t read_word(struct smmu *smmu, uint64_t offset)
{
	if (offset < CMDQV_DIRECT_PAGE0)
		return (uint32_t)read_config_page(smmu, (uint32_t)offset);
	const struct place place = place_of(smmu, offset);
	if (place.row == NULL)
		return 0;
	if (!place.page1)
		return (uint32_t)read_page0(place.vcmdq, place.row->offset);
	return (uint32_t)(page1_register(place.vcmdq, place.row) >> (place.in_slot % 8 * 8));
}

static uint64_t mmio_read(void *owner, uint64_t offset, unsigned width)
{
	uint64_t low = read_word(owner, offset);
	return width == 4 ? low : low | (uint64_t)read_word(owner, offset + 4) << 32;
}

/* 64 bits: only page 1 (2). */
static void mmio_write(void *owner, uint64_t offset, unsigned width, uint64_t value)
{
	struct smmu *smmu = owner;
	if (offset < CMDQV_DIRECT_PAGE0) {
		if (width == 4)
			write_config_page(smmu, (uint32_t)offset, (uint32_t)value);
		return;
	}
	const struct place place = place_of(smmu, offset);
	if (!writable(place.row))
		return; /* a slot with no queue: dropped */
	if (place.page1)
		write_page1(smmu, place.vcmdq, place.row,
			    merge_half(page1_register(place.vcmdq, place.row), place.in_slot, width,
				       value));
	else if (width == 4)
		write_page0(smmu, place.vcmdq, place.row->offset,
			    (uint32_t)(value & place.row->mask));
}

const struct mmio_ops cmdqv_mmio_ops = {mmio_read, mmio_write};
