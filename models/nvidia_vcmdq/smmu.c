// SPDX-License-Identifier: Apache-2.0
/* SMMUv3 registers, enable protocol, event queue (smmuv3 1, 6). */
#include "models/nvidia_vcmdq/smmu.h"

#include <string.h>

#define LATENCY_MAX_NS     1000000000U
#define ATS_TIMEOUT_MAX_NS 1000000000000ULL

const struct parameter_range smmu_parameters[] = {
	{"doorbell.latency_ns", 0, LATENCY_MAX_NS},
	{"fetch.line_latency_ns", 0, LATENCY_MAX_NS},
	{"command.service_ns", 0, LATENCY_MAX_NS},
	{"sync.drain_ns", 0, LATENCY_MAX_NS},
	{"memory.write_ns", 0, LATENCY_MAX_NS},
	{"walk.read_ns", 0, LATENCY_MAX_NS},
	{"tlb.hit_ns", 0, LATENCY_MAX_NS},
	{"ats.round_trip_ns", 0, LATENCY_MAX_NS},
	{"ats.timeout_ns", 1, ATS_TIMEOUT_MAX_NS},
	{"config.entries", 1, CONFIG_CACHE_MAX},
	{"tlb.entries", 64, 1U << 20},
	{"tlb.ways", 1, 64},
	{"idr0.features", 0, UINT32_MAX},
	{"idr1.features", 0, UINT32_MAX}, /* less CMDQS and EVENTQS */
	{"idr3.features", 0, UINT32_MAX},
	{"idr5.features", 0, UINT32_MAX}, /* less OAS */
	{"aidr.value", 0, 4},
	{"gbpa.reset", 0, UINT32_MAX},
	{"oas.bits", 32, 52},
	{"cmdqs.log2", 7, 19}, /* Linux needs more than 64 entries (smmuv3 1.3) */
	{"cmdqv.present", 0, 1},
	{"vcmdq.count_log2", 6, 7}, /* one a VINTF at least */
	{"vintf.count_log2", 1, 6}, /* VINTF0 is the host's */
	{"sid_pairs.log2", 0, 4},
	/* Not the engine's: a guest's CPU and its VMM, for `hwq bench timing`. */
	{"guest.unmap_ns", 0, LATENCY_MAX_NS},
	{"guest.page_ns", 0, LATENCY_MAX_NS},
	{"guest.cons_read_ns", 1, LATENCY_MAX_NS},
	{"vmm.exit_ns", 0, LATENCY_MAX_NS},
	{"vmm.command_ns", 0, LATENCY_MAX_NS},
	{NULL, 0, 0},
};

const struct register_row smmu_registers[] = {
	{SMMU_IDR0, 6, 4, 4, REGISTER_RO, 0, UINT32_MAX, "IDR", "smmuv3 1.3"},
	{SMMU_IIDR, 1, 4, 4, REGISTER_RO, 0, UINT32_MAX, "IIDR", "smmuv3 1.2"},
	{SMMU_AIDR, 1, 4, 4, REGISTER_RO, 1, UINT32_MAX, "AIDR", "smmuv3 1.2"},
	{SMMU_CR0, 1, 4, 4, REGISTER_RW, 0, CR0_KNOWN, "CR0", "smmuv3 1.4"},
	{SMMU_CR0ACK, 1, 4, 4, REGISTER_RO, 0, CR0_KNOWN, "CR0ACK", "smmuv3 1.4"},
	{SMMU_CR1, 1, 4, 4, REGISTER_RW, 0, BITS(11, 0), "CR1", "smmuv3 1.2"},
	{SMMU_CR2, 1, 4, 4, REGISTER_RW, 0, BITS(2, 0), "CR2", "smmuv3 1.2"},
	{SMMU_GBPA, 1, 4, 4, REGISTER_RW, 0, BITS(31, 0), "GBPA", "smmuv3 1.2"},
	{SMMU_IRQ_CTRL, 1, 4, 4, REGISTER_RW, 0, BITS(2, 0), "IRQ_CTRL", "smmuv3 1.2"},
	{SMMU_IRQ_CTRLACK, 1, 4, 4, REGISTER_RO, 0, BITS(2, 0), "IRQ_CTRLACK", "smmuv3 1.2"},
	{SMMU_GERROR, 1, 4, 4, REGISTER_RO, 0, BITS(10, 0), "GERROR", "smmuv3 1.5"},
	{SMMU_GERRORN, 1, 4, 4, REGISTER_RW, 0, BITS(10, 0), "GERRORN", "smmuv3 1.5"},
	{SMMU_GERROR_IRQ_CFG0, 1, 8, 8, REGISTER_RW, 0, BITS(55, 2), "GERROR_IRQ_CFG0",
	 "smmuv3 1.2"},
	{SMMU_GERROR_IRQ_CFG1, 1, 4, 4, REGISTER_RW, 0, UINT32_MAX, "GERROR_IRQ_CFG1",
	 "smmuv3 1.2"},
	{SMMU_GERROR_IRQ_CFG2, 1, 4, 4, REGISTER_RW, 0, BITS(5, 0), "GERROR_IRQ_CFG2",
	 "smmuv3 1.2"},
	{SMMU_STRTAB_BASE, 1, 8, 8, REGISTER_RW, 0, STRTAB_BASE_ADDR | BITS(62, 62), "STRTAB_BASE",
	 "smmuv3 1.2"},
	{SMMU_STRTAB_BASE_CFG, 1, 4, 4, REGISTER_RW, 0, BITS(17, 0), "STRTAB_BASE_CFG",
	 "smmuv3 1.2"},
	{SMMU_CMDQ_BASE, 1, 8, 8, REGISTER_RW, 0, QUEUE_BASE_ADDR | BITS(62, 62) | BITS(4, 0),
	 "CMDQ_BASE", "smmuv3 1.2"},
	{SMMU_CMDQ_PROD, 1, 4, 4, REGISTER_RW, 0, QUEUE_POINTER, "CMDQ_PROD", "smmuv3 1.2"},
	{SMMU_CMDQ_CONS, 1, 4, 4, REGISTER_RW, 0, QUEUE_POINTER | CMDQ_CONS_ERR, "CMDQ_CONS",
	 "smmuv3 1.2"},
	{SMMU_EVENTQ_BASE, 1, 8, 8, REGISTER_RW, 0, QUEUE_BASE_ADDR | BITS(62, 62) | BITS(4, 0),
	 "EVENTQ_BASE", "smmuv3 1.2"},
	{SMMU_EVENTQ_IRQ_CFG0, 1, 8, 8, REGISTER_RW, 0, BITS(55, 2), "EVENTQ_IRQ_CFG0",
	 "smmuv3 1.2"},
	{SMMU_EVENTQ_IRQ_CFG1, 1, 4, 4, REGISTER_RW, 0, UINT32_MAX, "EVENTQ_IRQ_CFG1",
	 "smmuv3 1.2"},
	{SMMU_EVENTQ_IRQ_CFG2, 1, 4, 4, REGISTER_RW, 0, BITS(5, 0), "EVENTQ_IRQ_CFG2",
	 "smmuv3 1.2"},
	{SMMU_EVENTQ_PROD, 1, 4, 4, REGISTER_RW, 0, QUEUE_POINTER | EVENTQ_OVERFLOW, "EVENTQ_PROD",
	 "smmuv3 1.2"},
	{SMMU_EVENTQ_CONS, 1, 4, 4, REGISTER_RW, 0, QUEUE_POINTER | EVENTQ_OVERFLOW, "EVENTQ_CONS",
	 "smmuv3 1.2"},
	{0, 0, 0, 0, 0, 0, 0, NULL, NULL},
};

static void hash_queue(const struct command_queue *queue, struct hash *hash)
{
	hash_u64(hash, (uint64_t)queue->prod << 32 | queue->cons);
	hash_u64(hash, queue->base | queue->entries);
	hash_u64(hash, (uint64_t)queue->error << 32 | queue->gerror << 8 | queue->gerrorn);
	hash_u64(hash, (uint64_t)queue->line_at << 32 | queue->line_count << 4 |
			       (uint64_t)queue->enabled << 2 | (uint64_t)queue->fetching << 1 |
			       queue->stopping);
	hash_u64(hash, queue->atc_done_ps << 1 | queue->atc_timed_out);
	hash_u64(hash, (uint64_t)queue->line_status << 1 | queue->fetch_dropped);
	if (queue->fetching) {
		hash_u64(hash, queue->fetch_pa.value);
		hash_u64(hash, (uint64_t)queue->fetch_index << 32 | queue->fetch_count);
	}
	hash_bytes(hash, queue->line, (size_t)queue->line_count * COMMAND_SIZE);
	if (queue->line_count > 0) {
		hash_u64(hash, queue->line_ps);
		hash_u64(hash, queue->line_prod);
	}
}

static void hash_tables(const struct tables *tables, struct hash *hash)
{
	hash_u64(hash, tables->root);
	hash_u64(hash, (uint64_t)tables->page_shift << 24 | (uint64_t)tables->input_bits << 16 |
			       (uint64_t)tables->start_level << 8 | tables->output_bits);
	hash_u64(hash, (uint64_t)tables->no_access_fault << 8 | (uint64_t)tables->wide << 7 |
			       (uint64_t)tables->disabled << 6 | (uint64_t)tables->flat << 5 |
			       (uint64_t)tables->tagged << 4 | (uint64_t)tables->privileged << 3 |
			       (uint64_t)tables->no_write_exec << 2 |
			       (uint64_t)tables->no_user_data << 1 | tables->protected);
}

static void hash_config(const struct stream_config *config, struct hash *hash)
{
	hash_u64(hash, (uint64_t)config->sid << 32 | config->kind);
	hash_u64(hash, (uint64_t)config->event << 48 | (uint64_t)config->vmid << 32 |
			       (uint64_t)config->context_bits << 24 |
			       (uint64_t)config->context_format << 16 |
			       (uint64_t)config->unnumbered << 8 |
			       (uint64_t)config->privilege << 4 |
			       (uint64_t)config->instruction << 2 |
			       (uint64_t)config->no_stall << 1 | config->record);
	hash_u64(hash, config->contexts);
	hash_tables(&config->stage2, hash);
}

static void hash_context(const struct context_config *context, struct hash *hash)
{
	hash_u64(hash, (uint64_t)context->sid << 32 | context->ssid);
	hash_u64(hash,
		 (uint64_t)context->asid << 2 | (uint64_t)context->bad << 1 | context->record);
	hash_tables(&context->halves[0], hash);
	hash_tables(&context->halves[1], hash);
}

void smmu_hash(const struct smmu *smmu, struct hash *hash)
{
	const struct smmu_endpoint *endpoint;
	hash_u64(hash, (uint64_t)smmu->cr0 << 32 | smmu->gerror);
	hash_u64(hash, (uint64_t)smmu->gbpa << 32 | smmu->irq_ctrl);
	hash_u64(hash, smmu->strtab_base);
	hash_u64(hash, (uint64_t)smmu->strtab_cfg << 32 | smmu->cmdqv_config);
	hash_u64(hash, (uint64_t)smmu->eventq_prod << 32 | smmu->eventq_cons);
	hash_u64(hash, (uint64_t)smmu->vi_int_mask[1] << 32 | smmu->vi_int_mask[0]);
	hash_u64(hash, smmu->eventq_base);
	hash_bytes(hash, smmu->irq_cfg, sizeof(smmu->irq_cfg));
	hash_u64(hash, (uint64_t)smmu->cr1 << 32 | smmu->cr2);
	LIST_FOREACH (endpoint, &smmu->endpoints, link)
		hash_u64(hash, (uint64_t)endpoint->sid << 1 | endpoint->silent);
	hash_queue(&smmu->cmdq, hash);
	arbiter_hash(smmu, hash);
	for (uint32_t q = 0; q < smmu->vcmdq_count; q++) {
		const struct vcmdq *vcmdq = &smmu->vcmdqs[q];
		hash_queue(&vcmdq->queue, hash);
		hash_u64(hash, vcmdq->alloc);
		hash_u64(hash, vcmdq->base_register);
		hash_u64(hash, vcmdq->cons_base);
	}
	for (uint32_t v = 0; v < smmu->vintf_count; v++) {
		const struct vintf *vintf = smmu->vintfs[v];
		if (vintf == NULL)
			continue;
		hash_u64(hash, (uint64_t)v << 32 | vintf->config);
		hash_bytes(hash, vintf->sid_match, sizeof(vintf->sid_match));
		hash_bytes(hash, vintf->sid_replace, sizeof(vintf->sid_replace));
	}
	for (uint32_t i = 0; i < smmu->configs.count; i++)
		if (smmu->configs.entries[i].valid)
			hash_config(&smmu->configs.entries[i], hash);
	for (uint32_t i = 0; smmu->contexts.used > 0 && i < smmu->contexts.count; i++)
		if (smmu->contexts.entries[i].valid)
			hash_context(&smmu->contexts.entries[i], hash);
	tlb_hash(&smmu->tlb, hash);
}

/* CMDQEN is acknowledged when no read of the queue is outstanding (1.4). */
static uint32_t cr0ack(const struct smmu *smmu)
{
	return smmu->cr0 | (smmu->cmdq.enabled ? (uint32_t)CR0_CMDQEN : 0);
}

static uint64_t read_register(struct smmu *smmu, uint32_t offset)
{
	switch (offset) {
	case SMMU_CR0:
		return smmu->cr0;
	case SMMU_CR0ACK: /* other updates take effect at once */
		return cr0ack(smmu);
	case SMMU_CR1:
		return smmu->cr1;
	case SMMU_CR2:
		return smmu->cr2;
	case SMMU_GBPA:
		return smmu->gbpa;
	case SMMU_IRQ_CTRL:
	case SMMU_IRQ_CTRLACK:
		return smmu->irq_ctrl;
	case SMMU_GERROR:
		return smmu->gerror;
	case SMMU_GERRORN:
		return smmu->gerrorn;
	case SMMU_GERROR_IRQ_CFG0:
	case SMMU_EVENTQ_IRQ_CFG0:
		return smmu->irq_cfg[offset == SMMU_EVENTQ_IRQ_CFG0][0];
	case SMMU_GERROR_IRQ_CFG1:
	case SMMU_EVENTQ_IRQ_CFG1:
		return (uint32_t)smmu->irq_cfg[offset == SMMU_EVENTQ_IRQ_CFG1][1];
	case SMMU_GERROR_IRQ_CFG2:
	case SMMU_EVENTQ_IRQ_CFG2:
		return smmu->irq_cfg[offset == SMMU_EVENTQ_IRQ_CFG2][1] >> 32;
	case SMMU_STRTAB_BASE:
		return smmu->strtab_base;
	case SMMU_STRTAB_BASE_CFG:
		return smmu->strtab_cfg;
	case SMMU_CMDQ_BASE:
		return smmu->cmdq_base;
	case SMMU_CMDQ_PROD:
		return smmu->cmdq.prod;
	case SMMU_CMDQ_CONS:
		return smmu->cmdq.cons | field_put(CMDQ_CONS_ERR, smmu->cmdq.error);
	case SMMU_EVENTQ_BASE:
		return smmu->eventq_base;
	case SMMU_EVENTQ_PROD:
		return smmu->eventq_prod;
	case SMMU_EVENTQ_CONS:
		return smmu->eventq_cons;
	case SMMU_AIDR:
		return smmu->aidr;
	default:
		return offset <= SMMU_IDR5 ? smmu->idr[offset / 4] : 0;
	}
}

/* LIMIT is IDR1.CMDQS or IDR1.EVENTQS. */
static uint32_t capped_entries(const struct smmu *smmu, uint64_t base, uint64_t limit)
{
	uint32_t cap = (uint32_t)field_get(smmu->idr[1], limit);
	uint32_t log2size = (uint32_t)field_get(base, QUEUE_BASE_LOG2SIZE);
	return 1U << (log2size < cap ? log2size : cap);
}

/* The base that counts is aligned to the queue's size (1.2). */
static uint64_t aligned_base(uint64_t base, uint32_t entries, uint32_t entry_size)
{
	uint64_t size = (uint64_t)entry_size * entries;
	return (base & QUEUE_BASE_ADDR) & ~((size > 32 ? size : 32) - 1);
}

static void write_cr0(struct smmu *smmu, uint32_t value)
{
	smmu->cr0 = value & CR0_KNOWN;
	if (smmu->cr0 & CR0_CMDQEN)
		command_queue_start(&smmu->cmdq);
	else
		command_queue_stop(&smmu->cmdq);
}

static void write_gerrorn(struct smmu *smmu, uint32_t value)
{
	smmu->gerrorn = value & BITS(10, 0);
	smmu->cmdq.gerrorn = smmu->gerrorn;
	command_queue_kick(&smmu->cmdq, 0);
}

/* Guarded by the source's enable (1.2). NUMBER: CFG0, CFG1, CFG2. */
static void write_irq_cfg(struct smmu *smmu, bool events, unsigned number, uint64_t value)
{
	uint64_t *words = smmu->irq_cfg[events];
	if (smmu->irq_ctrl & (events ? IRQ_CTRL_EVENTQ : IRQ_CTRL_GERROR))
		return;
	if (number == 0)
		words[0] = value;
	else
		words[1] = field_set(words[1], number == 1 ? BITS(31, 0) : BITS(63, 32), value);
}

static void write_register(struct smmu *smmu, uint32_t offset, uint64_t value)
{
	bool enabled = smmu->cr0 & CR0_SMMUEN;
	switch (offset) {
	case SMMU_CR0:
		write_cr0(smmu, (uint32_t)value);
		break;
	case SMMU_CR1:
		smmu->cr1 = (uint32_t)value;
		break;
	case SMMU_CR2:
		smmu->cr2 = enabled ? smmu->cr2 : (uint32_t)value; /* guarded by SMMUEN */
		break;
	case SMMU_GBPA:
		if (value & BITS(31, 31)) /* Update: effective at once */
			smmu->gbpa = (uint32_t)(value & BITS(30, 0));
		break;
	case SMMU_IRQ_CTRL:
		smmu->irq_ctrl = (uint32_t)value;
		break;
	case SMMU_GERRORN:
		write_gerrorn(smmu, (uint32_t)value);
		break;
	case SMMU_GERROR_IRQ_CFG0:
	case SMMU_EVENTQ_IRQ_CFG0:
		write_irq_cfg(smmu, offset == SMMU_EVENTQ_IRQ_CFG0, 0, value);
		break;
	case SMMU_GERROR_IRQ_CFG1:
	case SMMU_EVENTQ_IRQ_CFG1:
		write_irq_cfg(smmu, offset == SMMU_EVENTQ_IRQ_CFG1, 1, value);
		break;
	case SMMU_GERROR_IRQ_CFG2:
	case SMMU_EVENTQ_IRQ_CFG2:
		write_irq_cfg(smmu, offset == SMMU_EVENTQ_IRQ_CFG2, 2, value);
		break;
	case SMMU_STRTAB_BASE:
		smmu->strtab_base = enabled ? smmu->strtab_base : value;
		break;
	case SMMU_STRTAB_BASE_CFG:
		smmu->strtab_cfg = enabled ? smmu->strtab_cfg : (uint32_t)value;
		break;
	case SMMU_CMDQ_BASE:
		if (smmu->cmdq.enabled)
			break; /* guarded by CMDQEN */
		smmu->cmdq_base = value;
		smmu->cmdq.entries = capped_entries(smmu, value, IDR1_CMDQS);
		smmu->cmdq.base = aligned_base(value, smmu->cmdq.entries, COMMAND_SIZE);
		break;
	case SMMU_CMDQ_PROD:
		smmu->cmdq.prod = (uint32_t)value;
		command_queue_kick(&smmu->cmdq, smmu->timing.doorbell_ps);
		break;
	case SMMU_CMDQ_CONS:
		if (!smmu->cmdq.enabled)
			smmu->cmdq.cons = (uint32_t)(value & QUEUE_POINTER);
		break;
	case SMMU_EVENTQ_BASE:
		smmu->eventq_base = smmu->cr0 & CR0_EVENTQEN ? smmu->eventq_base : value;
		break;
	case SMMU_EVENTQ_PROD:
		if (!(smmu->cr0 & CR0_EVENTQEN))
			smmu->eventq_prod = (uint32_t)value;
		break;
	case SMMU_EVENTQ_CONS:
		smmu->eventq_cons = (uint32_t)value;
		break;
	default:
		break;
	}
}

static uint64_t mmio_read(void *owner, uint64_t offset, unsigned width)
{
	struct smmu *smmu = owner;
	uint32_t index;
	const struct register_row *row = register_find(smmu_registers, offset, &index);
	if (row == NULL)
		return 0;
	uint32_t base = row->offset + index * row->stride;
	uint64_t value = read_register(smmu, base);
	value >>= 8 * (offset - base);
	return width == 4 ? (uint32_t)value : value;
}

static void mmio_write(void *owner, uint64_t offset, unsigned width, uint64_t value)
{
	struct smmu *smmu = owner;
	uint32_t index;
	const struct register_row *row = register_find(smmu_registers, offset, &index);
	if (row == NULL || row->access != REGISTER_RW)
		return;
	uint32_t base = row->offset + index * row->stride;
	if (row->width == 8 && width == 4) {
		unsigned shift = offset == base ? 0 : 32;
		uint64_t half = (uint64_t)UINT32_MAX << shift;
		value = (read_register(smmu, base) & ~half) | (value << shift & half);
	}
	write_register(smmu, base, value & row->mask);
}

static const struct mmio_ops smmu_mmio_ops = {mmio_read, mmio_write};

static void raise_gerror(struct smmu *smmu, uint32_t bit)
{
	smmu->gerror ^= bit;
	if (smmu->irq_ctrl & IRQ_CTRL_GERROR)
		irq_raise(smmu->machine, smmu->board.gerror_irq);
}

static void note_fault(struct smmu *smmu, const uint64_t record[4])
{
	struct note note = {
		.kind = NOTE_FAULT,
		.who = (uint32_t)field_get(record[0], EVT_SID),
		.first = record[2],
		.what = event_name((unsigned)field_get(record[0], EVT_ID)),
	};
	machine_note(smmu->machine, &note);
}

/* Space, then the record, then PROD; a full queue toggles the overflow flag once (2.1, 6). */
void smmu_record_event(struct smmu *smmu, const uint64_t record[4])
{
	uint32_t size = capped_entries(smmu, smmu->eventq_base, IDR1_EVENTQS);
	uint32_t mask = queue_mask(size);
	uint32_t used = (smmu->eventq_prod - smmu->eventq_cons) & mask;
	uint8_t bytes[EVENT_SIZE];
	if (!(smmu->cr0 & CR0_EVENTQEN) || ((smmu->gerror ^ smmu->gerrorn) & GERROR_EVENTQ_ABT_ERR))
		return; /* not writable (6.4) */
	if (used >= size) {
		if (((smmu->eventq_prod ^ smmu->eventq_cons) & EVENTQ_OVERFLOW) == 0)
			smmu->eventq_prod ^= (uint32_t)EVENTQ_OVERFLOW;
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		store_le64(bytes + 8 * i, record[i]);
	uint64_t base = aligned_base(smmu->eventq_base, size, EVENT_SIZE);
	struct access access = {
		.context = CONTEXT_MAIN_QUEUE,
		.purpose = ACCESS_EVENT_WRITE,
		.pa = pa_of(base + (uint64_t)EVENT_SIZE * (smmu->eventq_prod & (size - 1))),
		.size = EVENT_SIZE,
		.index = smmu->eventq_prod & mask,
	};
	if (port_write(&smmu->port, &access, bytes) != PORT_OK) {
		raise_gerror(smmu, (uint32_t)GERROR_EVENTQ_ABT_ERR);
		return;
	}
	note_fault(smmu, record);
	smmu->eventq_prod =
		(smmu->eventq_prod & (uint32_t)EVENTQ_OVERFLOW) | ((smmu->eventq_prod + 1) & mask);
	if (used == 0 && (smmu->irq_ctrl & IRQ_CTRL_EVENTQ)) /* empty -> non-empty (1.6) */
		irq_raise(smmu->machine, smmu->board.eventq_irq);
}

static void set_id_registers(struct smmu *smmu, const struct profile *profile)
{
	uint64_t cmdqs = profile_get(profile, "cmdqs.log2");
	unsigned oas = smmu_address_code((unsigned)profile_get(profile, "oas.bits"));
	smmu->idr[0] = (uint32_t)profile_get(profile, "idr0.features");
	smmu->features = (smmu->idr[0] & IDR0_S1P ? COMMAND_NEEDS_STAGE1 : 0) |
			 (smmu->idr[0] & IDR0_S2P ? COMMAND_NEEDS_STAGE2 : 0) |
			 (smmu->idr[0] & IDR0_ATS ? COMMAND_NEEDS_ATS : 0) |
			 (field_get(smmu->idr[0], IDR0_STALL_MODEL) != 1 ? COMMAND_NEEDS_STALL : 0);
	smmu->idr[1] = (uint32_t)(profile_get(profile, "idr1.features") |
				  field_put(IDR1_EVENTQS, cmdqs) | field_put(IDR1_CMDQS, cmdqs));
	smmu->idr[3] = (uint32_t)profile_get(profile, "idr3.features");
	smmu->idr[5] = (uint32_t)(profile_get(profile, "idr5.features") | field_put(IDR5_OAS, oas));
	smmu->asid_mask = smmu->idr[0] & IDR0_ASID16 ? UINT16_MAX : UINT8_MAX;
	smmu->vmid_mask = smmu->idr[0] & IDR0_VMID16 ? UINT16_MAX : UINT8_MAX;
	smmu->aidr = (uint32_t)profile_get(profile, "aidr.value");
	smmu->gbpa = (uint32_t)profile_get(profile, "gbpa.reset");
}

static uint64_t ps_of(const struct profile *profile, const char *name)
{
	return profile_get(profile, name) * PS_PER_NS;
}

struct smmu_endpoint *smmu_endpoint_new(struct smmu *smmu, uint32_t sid)
{
	struct smmu_endpoint *endpoint = arena_new(smmu->machine->arena, struct smmu_endpoint);
	endpoint->sid = sid;
	LIST_INSERT_HEAD(&smmu->endpoints, endpoint, link);
	return endpoint;
}

static void init_cmdqv(struct smmu *smmu, const struct profile *profile)
{
	if (!profile_get(profile, "cmdqv.present"))
		return;
	smmu->cmdqv_config = CONFIG_RESET;
	smmu->vcmdq_count = 1U << profile_get(profile, "vcmdq.count_log2");
	smmu->vintf_count = 1U << profile_get(profile, "vintf.count_log2");
	smmu->sid_pairs = 1U << profile_get(profile, "sid_pairs.log2");
	for (uint32_t q = 0; q < smmu->vcmdq_count; q++)
		command_queue_init(&smmu->vcmdqs[q].queue, smmu, q);
}

struct smmu *smmu_new(struct machine *machine, const struct smmu_board *board,
		      const struct profile *profile, const struct option_set *assumptions)
{
	struct smmu *smmu = arena_new(machine->arena, struct smmu);
	smmu->machine = machine;
	smmu->board = *board;
	smmu->port = (struct port){machine, machine_engine(machine, board->name)};
	smmu->assumptions = *assumptions;
	smmu->timing = (struct smmu_timing){
		.doorbell_ps = ps_of(profile, "doorbell.latency_ns"),
		.fetch_line_ps = ps_of(profile, "fetch.line_latency_ns"),
		.command_ps = ps_of(profile, "command.service_ns"),
		.sync_ps = ps_of(profile, "sync.drain_ns"),
		.write_ps = ps_of(profile, "memory.write_ns"),
		.walk_read_ps = ps_of(profile, "walk.read_ns"),
		.tlb_hit_ps = ps_of(profile, "tlb.hit_ns"),
		.ats_round_trip_ps = ps_of(profile, "ats.round_trip_ns"),
		.ats_timeout_ps = ps_of(profile, "ats.timeout_ns"),
	};
	LIST_INIT(&smmu->endpoints);
	set_id_registers(smmu, profile);
	command_queue_init(&smmu->cmdq, smmu, CONTEXT_MAIN_QUEUE);
	config_cache_init(&smmu->configs, machine,
			  (uint32_t)profile_get(profile, "config.entries"));
	context_cache_init(&smmu->contexts, machine,
			   (uint32_t)profile_get(profile, "config.entries"));
	tlb_init(&smmu->tlb, machine, (uint32_t)profile_get(profile, "tlb.entries"),
		 (uint32_t)profile_get(profile, "tlb.ways"));
	init_cmdqv(smmu, profile);
	bus_add(&machine->bus, board->base, SMMU_WINDOW_SIZE, &smmu_mmio_ops, smmu, board->name);
	if (smmu->vcmdq_count > 0)
		bus_add(&machine->bus, board->cmdqv_base,
			CMDQV_VINTF_PAGES + (uint64_t)CMDQV_VINTF_STRIDE * smmu->vintf_count,
			&cmdqv_mmio_ops, smmu, "cmdqv");
	return smmu;
}
