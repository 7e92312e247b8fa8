// SPDX-License-Identifier: Apache-2.0
/* The host's registers, and how the model is made (amd-iommu 2 to 5). */
#include <assert.h>

#include "models/amd_iommu/amd_iommu.h"

const struct parameter_range amd_parameters[] = {
	{"doorbell.latency_ns", 0, 1000000},
	{"fetch.line_latency_ns", 0, 1000000},
	{"command.service_ns", 0, 1000000},
	{"completion.store_ns", 0, 1000000},
	{"walk.read_ns", 0, 1000000},
	{"tlb.hit_ns", 0, 1000000},
	{"ats.round_trip_ns", 0, 1000000000},
	{"tlb.entries", 4, 65536},
	{"tlb.ways", 1, 64},
	{"buffer.entries", 4, 65536},
	{"pde.entries", 4, 65536},
	{"gcr3.entries", 4, 65536},
	{"dte.entries", 1, 65536},
	{"hats.code", 0, 2},
	{"efr.features", 0, UINT64_MAX},
	{"efr2.features", 0, UINT64_MAX},
	{"iotlb.supported", 0, 1},
	{"npcache.supported", 0, 1},
	{"vf.enabled", 0, 1},
	{"vfcntl.enabled", 0, 1},
	{NULL, 0, 0},
};

#define RW REGISTER_RW
#define RO REGISTER_RO
const struct register_row amd_registers[] = {
	{AMD_DEV_TABLE, 1, 8, 8, RW, 0, DEV_TABLE_SIZE | DEV_TABLE_ADDR, "DEV_TABLE", "2"},
	{AMD_CMD_BASE, 1, 8, 8, RW, 0, RING_ADDR | RING_LENGTH, "CMD_BASE", "2"},
	{AMD_EVENT_BASE, 1, 8, 8, RW, 0, RING_ADDR | RING_LENGTH, "EVENT_BASE", "2"},
	{AMD_CONTROL, 1, 8, 8, RW, 0, ~0ULL, "CONTROL", "3"},
	{AMD_EXCL_BASE, 1, 8, 8, RW, 0, RING_ADDR | BITS(1, 0), "EXCL_BASE", "2"},
	{AMD_EXCL_LIMIT, 1, 8, 8, RW, 0, RING_ADDR, "EXCL_LIMIT", "2"},
	{AMD_EFR, 1, 8, 8, RO, 0, ~0ULL, "EFR", "5"},
	{AMD_PPR_BASE, 1, 8, 8, RW, 0, RING_ADDR | RING_LENGTH, "PPR_BASE", "2"},
	{AMD_HW_EVENT_UPPER, 1, 8, 8, RW, 0, ~0ULL, "HW_EVENT_UPPER", "2"},
	{AMD_HW_EVENT_LOWER, 1, 8, 8, RW, 0, ~0ULL, "HW_EVENT_LOWER", "2"},
	{AMD_HW_EVENT_STATUS, 1, 8, 8, RW, 0, HW_EVENT_VALID | HW_EVENT_OVERFLOW, "HW_EVENT_STATUS",
	 "2"},
	{AMD_GA_BASE, 1, 8, 8, RW, 0, RING_ADDR | RING_LENGTH, "GA_BASE", "2"},
	{AMD_GA_TAIL_COPY, 1, 8, 8, RW, 0, GA_TAIL_ADDR, "GA_TAIL_COPY", "2"},
	{AMD_PPR_B_BASE, 1, 8, 8, RW, 0, RING_ADDR | RING_LENGTH, "PPR_B_BASE", "2"},
	{AMD_EVENT_B_BASE, 1, 8, 8, RW, 0, RING_ADDR | RING_LENGTH, "EVENT_B_BASE", "2"},
	{AMD_DEV_TABLE_SEG, AMD_DEV_TABLES - 1, 8, 8, RW, 0, BITS(7, 0) | DEV_TABLE_ADDR,
	 "DEV_TABLE_SEG", "2"},
	{AMD_XT_GENERAL, 1, 8, 8, RW, 0, XT_INTERRUPT, "XT_GENERAL", "2"},
	{AMD_XT_PPR, 1, 8, 8, RW, 0, XT_INTERRUPT, "XT_PPR", "2"},
	{AMD_XT_GA, 1, 8, 8, RW, 0, XT_INTERRUPT, "XT_GA", "2"},
	{AMD_EFR2, 1, 8, 8, RO, 0, ~0ULL, "EFR2", "5"},
	{AMD_CMD_HEAD, 1, 8, 8, RW, 0, RING_POINTER, "CMD_HEAD", "2"},
	{AMD_CMD_TAIL, 1, 8, 8, RW, 0, RING_POINTER, "CMD_TAIL", "2"},
	{AMD_EVENT_HEAD, 1, 8, 8, RW, 0, RING_POINTER, "EVENT_HEAD", "2"},
	{AMD_EVENT_TAIL, 1, 8, 8, RW, 0, RING_POINTER, "EVENT_TAIL", "2"},
	{AMD_STATUS, 1, 8, 8, RW, 0, 0x79fff, "STATUS", "4"},
	{AMD_PPR_HEAD, 1, 8, 8, RW, 0, RING_POINTER, "PPR_HEAD", "2"},
	{AMD_PPR_TAIL, 1, 8, 8, RW, 0, RING_POINTER, "PPR_TAIL", "2"},
	{AMD_GA_HEAD, 1, 8, 8, RW, 0, GA_POINTER, "GA_HEAD", "2"},
	{AMD_GA_TAIL, 1, 8, 8, RW, 0, GA_POINTER, "GA_TAIL", "2"},
	{AMD_PPR_B_HEAD, 1, 8, 8, RW, 0, RING_POINTER, "PPR_B_HEAD", "2"},
	{AMD_PPR_B_TAIL, 1, 8, 8, RW, 0, RING_POINTER, "PPR_B_TAIL", "2"},
	{AMD_EVENT_B_HEAD, 1, 8, 8, RW, 0, RING_POINTER, "EVENT_B_HEAD", "2"},
	{AMD_EVENT_B_TAIL, 1, 8, 8, RW, 0, RING_POINTER, "EVENT_B_TAIL", "2"},
	{AMD_PPR_AUTO, 1, 8, 8, RW, 0, PPR_AUTO_CODE | PPR_AUTO_MASK_GN, "PPR_AUTO", "2"},
	{AMD_PPR_EARLY, 1, 8, 8, RW, 0, PPR_EARLY_THRESHOLD | BITS(31, 30), "PPR_EARLY", "2"},
	{AMD_PPR_B_EARLY, 1, 8, 8, RW, 0, PPR_EARLY_THRESHOLD | BITS(31, 30), "PPR_B_EARLY", "2"},
	{0, 0, 0, 0, 0, 0, 0, NULL, NULL},
};
#undef RW
#undef RO

void amd_raise_status(struct amd_iommu *amd, uint64_t bit, bool enabled)
{
	bool edge = !(amd->status & bit);
	amd->status |= bit;
	if (edge && enabled)
		irq_raise(amd->machine, amd->board.irq);
}

/* What a register keeps that has no effect on anything modelled. */
static uint64_t *kept(struct amd_iommu *amd, uint32_t offset)
{
	uint32_t row = 0;
	while (amd_registers[row].offset != offset)
		row++;
	assert(row < AMD_REGISTERS_MAX);
	return &amd->kept[row];
}

static uint64_t read_register(struct amd_iommu *amd, uint32_t offset, uint32_t index)
{
	uint64_t pointer;
	if (amd_logs_read(&amd->events, &amd->pprs, offset, &pointer))
		return pointer;
	switch (offset) {
	case AMD_DEV_TABLE:
		return amd->dev_table[0];
	case AMD_DEV_TABLE_SEG:
		return amd->dev_table[1 + index];
	case AMD_CMD_BASE:
		return amd->cmd_base;
	case AMD_EVENT_BASE:
		return amd->event_base[0];
	case AMD_EVENT_B_BASE:
		return amd->event_base[1];
	case AMD_CONTROL:
		return amd->control;
	case AMD_EXCL_BASE:
		return amd->excl_base;
	case AMD_EXCL_LIMIT:
		return amd->excl_limit;
	case AMD_EFR:
		return amd->efr;
	case AMD_EFR2:
		return amd->efr2;
	case AMD_PPR_BASE:
		return amd->ppr_base[0];
	case AMD_PPR_B_BASE:
		return amd->ppr_base[1];
	case AMD_CMD_HEAD:
		return amd->ring.head;
	case AMD_CMD_TAIL:
		return amd->ring.tail;
	case AMD_STATUS:
		return amd->status | (amd_ring_running(&amd->ring) ? STATUS_CMD_BUF_RUN : 0) |
		       amd_logs_status(amd, &amd->events, &amd_event_bits) |
		       amd_logs_status(amd, &amd->pprs, &amd_ppr_bits) |
		       (amd_ga_running(amd) ? STATUS_GA_LOG_RUN : 0);
	case AMD_GA_BASE:
		return amd->ga.base;
	case AMD_GA_TAIL_COPY:
		return amd->ga.tail_copy;
	case AMD_GA_HEAD:
		return amd->ga.log.head;
	case AMD_GA_TAIL:
		return amd->ga.log.tail;
	case AMD_PPR_AUTO:
		return amd->ppr_auto;
	case AMD_PPR_EARLY:
		return amd->ppr_early[0];
	case AMD_PPR_B_EARLY:
		return amd->ppr_early[1];
	case AMD_HW_EVENT_UPPER:
		return amd->hw_event.q[0];
	case AMD_HW_EVENT_LOWER:
		return amd->hw_event.q[1];
	case AMD_HW_EVENT_STATUS:
		return amd->hw_event_status;
	default:
		return *kept(amd, offset);
	}
}

static uint32_t ring_bytes(uint64_t base)
{
	uint64_t code = field_get(base, RING_LENGTH);
	return code >= RING_CODE_MIN ? (uint32_t)COMMAND_SIZE << code : 0;
}

/* What needs a feature does not stick where that is missing. */
static uint64_t missing_features(const struct amd_iommu *amd)
{
	return (amd->efr & EFR_VIOMMU
			? 0
			: CONTROL_VCMD_EN | CONTROL_VIOMMU_EN | CONTROL_GST_BUFFER_TRP) |
	       (amd->efr & EFR_GT ? 0 : CONTROL_GT_EN) | (amd->efr & EFR_GA ? 0 : CONTROL_GA_EN) |
	       (amd->efr & EFR_PPR ? 0 : CONTROL_PPR_EN) |
	       (amd->efr2 & EFR2_GCR3_TRP ? 0 : CONTROL_GCR3_TRP);
}

static void write_control(struct amd_iommu *amd, uint64_t value)
{
	struct amd_guest *guest;
	value &= ~missing_features(amd);
	if ((amd->control ^ value) &
	    (CONTROL_IOMMU_EN | CONTROL_VCMD_EN | CONTROL_VIOMMU_EN | CONTROL_GST_BUFFER_TRP)) {
		amd_ring_forget(&amd->ring);
		LIST_FOREACH (guest, &amd->guests, link)
			amd_ring_forget(&guest->ring);
	}
	amd->control = value;
	amd_logs_enable(&amd->events, &amd_event_bits, value & CONTROL_EVENT_LOG_EN,
			amd_dual_of(field_get(value, CONTROL_DUAL_EVENT_LOG),
				    field_get(amd->efr, EFR_DUAL_EVENT_LOG)),
			&amd->status);
	amd_logs_enable(&amd->pprs, &amd_ppr_bits, value & CONTROL_PPR_LOG_EN,
			amd_dual_of(field_get(value, CONTROL_DUAL_PPR_LOG),
				    field_get(amd->efr, EFR_DUAL_PPR_LOG)),
			&amd->status);
	amd_ga_enable(amd, value & CONTROL_GA_LOG_EN);
	amd_ring_enable(&amd->ring, value & CONTROL_CMD_BUF_EN);
	amd_ring_kick(&amd->ring, 0);
	LIST_FOREACH (guest, &amd->guests, link)
		amd_ring_kick(&guest->ring, 0);
}

/* A new base zeroes both pointers; legal only while the ring stands (2). */
static void write_cmd_base(struct amd_iommu *amd, uint64_t value)
{
	if (amd_ring_running(&amd->ring))
		return;
	amd->cmd_base = value;
	amd_ring_move(&amd->ring, value & RING_ADDR, ring_bytes(value));
}

static void write_log_base(struct amd_iommu *amd, struct amd_event_log *log, uint64_t *base,
			   uint64_t value)
{
	if (amd_event_log_running(amd, log))
		return;
	*base = value;
	log->base = value & RING_ADDR;
	log->size = ring_bytes(value);
	log->head = 0;
	log->tail = 0;
}

/* Ignored while the IOMMU is on (2). */
static void write_dev_table(struct amd_iommu *amd, uint32_t number, uint64_t value)
{
	if (!(amd->control & CONTROL_IOMMU_EN))
		amd->dev_table[number] = value;
}

/* Head at any time, the rest only while the log stands (2). */
static void write_ga(struct amd_iommu *amd, uint32_t offset, uint64_t value)
{
	struct amd_event_log *log = &amd->ga.log;
	uint32_t pointer = log->size != 0 ? (uint32_t)value & (log->size - 1) : 0;
	if (offset == AMD_GA_HEAD)
		log->head = pointer;
	else if (offset == AMD_GA_BASE)
		amd_ga_move(amd, value);
	else if (!amd_ga_running(amd) && offset == AMD_GA_TAIL)
		log->tail = pointer;
	else if (!amd_ga_running(amd))
		amd->ga.tail_copy = value;
}

static void write_register(struct amd_iommu *amd, uint32_t offset, uint32_t index, uint64_t value)
{
	if (amd_logs_write(amd, &amd->events, &amd->pprs, offset, value))
		return;
	switch (offset) {
	case AMD_DEV_TABLE:
		write_dev_table(amd, 0, value);
		break;
	case AMD_DEV_TABLE_SEG:
		write_dev_table(amd, 1 + index, value);
		break;
	case AMD_CMD_BASE:
		write_cmd_base(amd, value);
		break;
	case AMD_EVENT_BASE:
		write_log_base(amd, &amd->events.of[0], &amd->event_base[0], value);
		break;
	case AMD_EVENT_B_BASE:
		write_log_base(amd, &amd->events.of[1], &amd->event_base[1], value);
		break;
	case AMD_CONTROL:
		write_control(amd, value);
		break;
	case AMD_EXCL_BASE:
		amd->excl_base = value;
		break;
	case AMD_EXCL_LIMIT:
		amd->excl_limit = value;
		break;
	case AMD_PPR_BASE:
		write_log_base(amd, &amd->pprs.of[0], &amd->ppr_base[0], value);
		break;
	case AMD_PPR_B_BASE:
		write_log_base(amd, &amd->pprs.of[1], &amd->ppr_base[1], value);
		break;
	case AMD_CMD_HEAD:
		if (!amd_ring_running(&amd->ring))
			amd->ring.head = amd_pointer_in(value, amd->ring.size);
		break;
	case AMD_CMD_TAIL:
		amd->ring.tail = amd_pointer_in(value, amd->ring.size);
		amd_ring_kick(&amd->ring, amd->timing.doorbell_ps);
		break;
	case AMD_GA_BASE:
	case AMD_GA_TAIL_COPY:
	case AMD_GA_HEAD:
	case AMD_GA_TAIL:
		write_ga(amd, offset, value);
		break;
	case AMD_PPR_AUTO:
		amd->ppr_auto = value;
		break;
	case AMD_PPR_EARLY:
		amd->ppr_early[0] = value;
		break;
	case AMD_PPR_B_EARLY:
		amd->ppr_early[1] = value;
		break;
	case AMD_STATUS:
		amd->status &= ~(value & STATUS_W1C); /* the log starts with EventLogEn (13) */
		break;
	case AMD_HW_EVENT_UPPER:
		amd->hw_event.q[0] = value;
		break;
	case AMD_HW_EVENT_LOWER:
		amd->hw_event.q[1] = value;
		break;
	case AMD_HW_EVENT_STATUS:
		amd->hw_event_status &= ~value;
		break;
	default:
		*kept(amd, offset) = value;
		break;
	}
}

static uint64_t mmio_read(void *owner, uint64_t offset, unsigned width)
{
	struct amd_iommu *amd = owner;
	uint32_t index;
	const struct register_row *row = register_find(amd_registers, offset, &index);
	if (row == NULL || !amd_answers_at(amd, AMD_CAP_BASE, amd->board.base))
		return 0;
	uint64_t value = read_register(amd, row->offset, index) >>
			 (8 * ((offset - row->offset) % row->width));
	return width == 4 ? (uint32_t)value : value;
}

static void mmio_write(void *owner, uint64_t offset, unsigned width, uint64_t value)
{
	struct amd_iommu *amd = owner;
	uint32_t index;
	const struct register_row *row = register_find(amd_registers, offset, &index);
	if (row == NULL || row->access != REGISTER_RW ||
	    !amd_answers_at(amd, AMD_CAP_BASE, amd->board.base))
		return;
	if (width == 4) {
		unsigned shift = (offset - row->offset) % row->width == 0 ? 0 : 32;
		uint64_t half = (uint64_t)UINT32_MAX << shift;
		/* Of a write-1-to-clear register the other half is not written. */
		bool clears = row->offset == AMD_STATUS || row->offset == AMD_HW_EVENT_STATUS;
		uint64_t other = clears ? 0 : read_register(amd, row->offset, index);
		value = (other & ~half) | (value << shift & half);
	}
	write_register(amd, row->offset, index, value & row->mask);
}

static const struct mmio_ops amd_mmio_ops = {mmio_read, mmio_write};

/* --- making one --- */

static uint64_t ps_of(const struct profile *profile, const char *name)
{
	return profile_get(profile, name) * PS_PER_NS;
}

static void dte_cache_init(struct dte_cache *cache, struct machine *machine, uint32_t count)
{
	cache->count = 1U << (31 - __builtin_clz(count));
	cache->entries = arena_alloc(machine->arena, sizeof(*cache->entries) * cache->count);
}

struct amd_iommu *amd_iommu_new(struct machine *machine, const struct amd_board *board,
				const struct profile *profile, const struct option_set *assumptions)
{
	struct amd_iommu *amd = arena_new(machine->arena, struct amd_iommu);
	amd->machine = machine;
	amd->board = *board;
	amd->port = (struct port){machine, machine_engine(machine, board->name)};
	amd->assumptions = *assumptions;
	amd->timing = (struct amd_timing){
		.doorbell_ps = ps_of(profile, "doorbell.latency_ns"),
		.fetch_line_ps = ps_of(profile, "fetch.line_latency_ns"),
		.command_ps = ps_of(profile, "command.service_ns"),
		.store_ps = ps_of(profile, "completion.store_ns"),
		.walk_read_ps = ps_of(profile, "walk.read_ns"),
		.tlb_hit_ps = ps_of(profile, "tlb.hit_ns"),
		.ats_round_trip_ps = ps_of(profile, "ats.round_trip_ns"),
	};
	amd->efr = field_set(profile_get(profile, "efr.features"), EFR_HATS,
			     profile_get(profile, "hats.code"));
	amd->efr2 = profile_get(profile, "efr2.features");
	amd_config_init(amd, profile);
	LIST_INIT(&amd->endpoints);
	LIST_INIT(&amd->timeouts);
	TAILQ_INIT(&amd->pendings);
	LIST_INIT(&amd->guests);
	amd_ring_init(&amd->ring, amd, NULL, CONTEXT_HOST_RING);
	amd_arbiter_init(&amd->arbiter);
	amd_irte_cache_init(&amd->irtes, machine);
	dte_cache_init(&amd->dtes, machine, (uint32_t)profile_get(profile, "dte.entries"));
	uint32_t ways = (uint32_t)profile_get(profile, "tlb.ways");
	tlb_init(&amd->tlb, machine, (uint32_t)profile_get(profile, "tlb.entries"), ways);
	tlb_init(&amd->buffers, machine, (uint32_t)profile_get(profile, "buffer.entries"), ways);
	tlb_init(&amd->pdes, machine, (uint32_t)profile_get(profile, "pde.entries"), ways);
	tlb_init(&amd->gcr3, machine, (uint32_t)profile_get(profile, "gcr3.entries"), ways);
	bus_add(&machine->bus, board->base, AMD_WINDOW_SIZE, &amd_mmio_ops, amd, board->name);
	bus_add(&machine->bus, board->vf_base, VF_WINDOW_SIZE, &amd_vf_ops, amd, "vf");
	bus_add(&machine->bus, board->vfcntl_base, VFCNTL_WINDOW_SIZE, &amd_vfcntl_ops, amd,
		"vfcntl");
	bus_add(&machine->bus, pa_of(board->ecam.value + PCI_FUNCTION(board->own_device)),
		AMD_CONFIG_SIZE, &amd_config_ops, amd, "pci");
	return amd;
}

/* --- hash --- */

static void hash_ring(const struct amd_ring *ring, struct hash *hash)
{
	hash_u64(hash, ring->base);
	hash_u64(hash, (uint64_t)ring->size << 32 | ring->head);
	hash_u64(hash,
		 (uint64_t)ring->tail << 32 | ring->state << 2 | ring->enabled << 1 | ring->halted);
	hash_u64(hash, (uint64_t)ring->line_at << 32 | ring->line_count);
	for (uint32_t i = 0; i < ring->line_count * COMMAND_SIZE; i += 8)
		hash_u64(hash, load_le64(ring->line + i));
	hash_u64(hash, ring->line_pa.value);
	hash_u64(hash, ring->fetch_input);
	hash_u64(hash, ring->fetch_pa.value);
	hash_u64(hash, (uint64_t)ring->fetch_at << 32 | ring->fetch_count);
	hash_u64(hash, ring->moved << 2 | ring->dropped << 1 | ring->waited);
	hash_u64(hash, ring->taken.q[0]);
	hash_u64(hash, ring->taken.q[1]);
	hash_u64(hash, ring->iotlb_done_ps);
	hash_u64(hash, event_pending(&ring->work) ? ring->due_ps : 0);
}

static void hash_log(const struct amd_event_log *log, struct hash *hash)
{
	hash_u64(hash, log->base);
	hash_u64(hash, (uint64_t)log->size << 32 | log->enabled << 1 | log->overflow);
	hash_u64(hash, (uint64_t)log->head << 32 | log->tail);
}

static void hash_logs(const struct amd_logs *logs, struct hash *hash)
{
	hash_log(&logs->of[0], hash);
	hash_log(&logs->of[1], hash);
	hash_u64(hash, (uint64_t)logs->dual << 1 | logs->active);
}

static void hash_guest(const struct amd_guest *guest, struct hash *hash)
{
	hash_u64(hash, guest->id);
	hash_u64(hash, guest->misc);
	hash_u64(hash, guest->command);
	hash_u64(hash, guest->event);
	hash_u64(hash, guest->event_b);
	hash_u64(hash, guest->ppr);
	hash_u64(hash, guest->ppr_b);
	hash_u64(hash, guest->status);
	hash_ring(&guest->ring, hash);
	hash_logs(&guest->events, hash);
	hash_logs(&guest->pprs, hash);
	hash_u64(hash, guest->ppr_auto);
	hash_u64(hash, guest->ppr_early[0]);
	hash_u64(hash, guest->ppr_early[1]);
}

void amd_iommu_hash(const struct amd_iommu *amd, struct hash *hash)
{
	const struct amd_guest *guest;
	const struct amd_timeout *timeout;
	const struct amd_pending *pending;
	const struct amd_endpoint *endpoint;
	amd_arbiter_hash(amd, hash);
	LIST_FOREACH (endpoint, &amd->endpoints, link)
		amd_endpoint_hash(endpoint, hash);
	LIST_FOREACH (timeout, &amd->timeouts, link) {
		hash_u64(hash, timeout->due_ps);
		hash_u64(hash, timeout->record.q[0]);
		hash_u64(hash, timeout->record.q[1]);
	}
	TAILQ_FOREACH (pending, &amd->pendings, link)
		if (pending->done_ps > amd->machine->clock.now_ps)
			hash_u64(hash, pending->done_ps ^ (uint64_t)pending->context << 16 ^
					       pending->queue);
	hash_u64(hash, amd->control);
	for (uint32_t i = 0; i < AMD_DEV_TABLES; i++)
		hash_u64(hash, amd->dev_table[i]);
	hash_u64(hash, amd->cmd_base);
	for (unsigned i = 0; i < 2; i++) {
		hash_u64(hash, amd->event_base[i]);
		hash_u64(hash, amd->ppr_base[i]);
		hash_u64(hash, amd->ppr_early[i]);
	}
	hash_u64(hash, amd->excl_base);
	hash_u64(hash, amd->excl_limit);
	hash_u64(hash, amd->status);
	for (uint32_t i = 0; i < AMD_CONFIG_SIZE / 4; i++)
		hash_u64(hash, amd->config[i]);
	for (uint32_t i = 0; i < AMD_REGISTERS_MAX; i++)
		hash_u64(hash, amd->kept[i]);
	hash_u64(hash, amd->hw_event.q[0]);
	hash_u64(hash, amd->hw_event.q[1]);
	hash_u64(hash, amd->hw_event_status);
	hash_ring(&amd->ring, hash);
	hash_logs(&amd->events, hash);
	hash_logs(&amd->pprs, hash);
	hash_u64(hash, amd->ga.base);
	hash_u64(hash, amd->ga.tail_copy);
	hash_log(&amd->ga.log, hash);
	hash_u64(hash, amd->ppr_auto);
	for (uint32_t i = 0; i < amd->dtes.count; i++) {
		const struct dte_cache_entry *entry = &amd->dtes.entries[i];
		if (!entry->valid)
			continue;
		hash_u64(hash, (uint64_t)entry->device << 1 | entry->fault_logged);
		for (unsigned q = 0; q < DTE_WORDS; q++)
			hash_u64(hash, entry->dte.q[q]);
	}
	amd_irte_cache_hash(&amd->irtes, hash);
	tlb_hash(&amd->tlb, hash);
	tlb_hash(&amd->buffers, hash);
	tlb_hash(&amd->pdes, hash);
	tlb_hash(&amd->gcr3, hash);
	LIST_FOREACH (guest, &amd->guests, link)
		hash_guest(guest, hash);
}
