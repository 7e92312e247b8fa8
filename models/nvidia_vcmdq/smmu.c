// SPDX-License-Identifier: Apache-2.0
/* SMMUv3 registers and what writing them does (smmuv3 1). */
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"

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
	{"walk_cache.entries", 0, 1U << 16}, /* 0: none */
	{"walk_cache.ways", 1, 64},
	{"idr0.features", 0, UINT32_MAX},
	{"idr1.features", 0, UINT32_MAX}, /* less CMDQS and EVENTQS */
	{"idr3.features", 0, UINT32_MAX},
	{"idr5.features", 0, UINT32_MAX}, /* less OAS */
	{"aidr.value", 0, 4},
	{"gbpa.reset", 0, UINT32_MAX},
	{"oas.bits", 32, 52},
	{"cmdqs.log2", 0, 19},
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
	{SMMU_CR2, 1, 4, 4, REGISTER_RW, 0, CR2_KNOWN, "CR2", "smmuv3 1.2"},
	{SMMU_GBPA, 1, 4, 4, REGISTER_RW, 0, GBPA_KNOWN | GBPA_UPDATE, "GBPA", "smmuv3 1.2"},
	{SMMU_AGBPA, 1, 4, 4, REGISTER_RW, 0, UINT32_MAX, "AGBPA", "smmuv3 1.2"},
	{SMMU_IRQ_CTRL, 1, 4, 4, REGISTER_RW, 0, BITS(2, 0), "IRQ_CTRL", "smmuv3 1.2"},
	{SMMU_IRQ_CTRLACK, 1, 4, 4, REGISTER_RO, 0, BITS(2, 0), "IRQ_CTRLACK", "smmuv3 1.2"},
	{SMMU_GERROR, 1, 4, 4, REGISTER_RO, 0, GERROR_KNOWN, "GERROR", "smmuv3 1.5"},
	{SMMU_GERRORN, 1, 4, 4, REGISTER_RW, 0, GERROR_KNOWN, "GERRORN", "smmuv3 1.5"},
	{SMMU_GERROR_IRQ_CFG0, 1, 8, 8, REGISTER_RW, 0, BITS(55, 2), "GERROR_IRQ_CFG0",
	 "smmuv3 1.2"},
	{SMMU_GERROR_IRQ_CFG1, 1, 4, 4, REGISTER_RW, 0, UINT32_MAX, "GERROR_IRQ_CFG1",
	 "smmuv3 1.2"},
	{SMMU_GERROR_IRQ_CFG2, 1, 4, 4, REGISTER_RW, 0, BITS(5, 0), "GERROR_IRQ_CFG2",
	 "smmuv3 1.2"},
	{SMMU_STRTAB_BASE, 1, 8, 8, REGISTER_RW, 0, STRTAB_BASE_ADDR | BITS(62, 62), "STRTAB_BASE",
	 "smmuv3 1.2"},
	{SMMU_STRTAB_BASE_CFG, 1, 4, 4, REGISTER_RW, 0, STRTAB_CFG_KNOWN, "STRTAB_BASE_CFG",
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
	{SMMU_PRIQ_BASE, 1, 8, 8, REGISTER_RW, 0, QUEUE_BASE_ADDR | BITS(62, 62) | BITS(4, 0),
	 "PRIQ_BASE", "smmuv3 1.2"},
	{SMMU_PRIQ_IRQ_CFG0, 1, 8, 8, REGISTER_RW, 0, BITS(55, 2), "PRIQ_IRQ_CFG0", "smmuv3 1.2"},
	{SMMU_PRIQ_IRQ_CFG1, 1, 4, 4, REGISTER_RW, 0, UINT32_MAX, "PRIQ_IRQ_CFG1", "smmuv3 1.2"},
	{SMMU_PRIQ_IRQ_CFG2, 1, 4, 4, REGISTER_RW, 0, PRIQ_CFG2_LO | BITS(5, 0), "PRIQ_IRQ_CFG2",
	 "smmuv3 1.2"},
	{SMMU_PIDR4, 1, 4, 4, REGISTER_RO, 0, UINT8_MAX, "PIDR4", "smmuv3 1.2"},
	{SMMU_PIDR4 + 4, 1, 4, 4, REGISTER_RO, 0, UINT8_MAX, "PIDR5", "smmuv3 1.2"},
	{SMMU_PIDR4 + 8, 1, 4, 4, REGISTER_RO, 0, UINT8_MAX, "PIDR6", "smmuv3 1.2"},
	{SMMU_PIDR4 + 12, 1, 4, 4, REGISTER_RO, 0, UINT8_MAX, "PIDR7", "smmuv3 1.2"},
	{SMMU_PIDR0, 1, 4, 4, REGISTER_RO, 0, UINT8_MAX, "PIDR0", "smmuv3 1.2"},
	{SMMU_PIDR0 + 4, 1, 4, 4, REGISTER_RO, 0, UINT8_MAX, "PIDR1", "smmuv3 1.2"},
	{SMMU_PIDR0 + 8, 1, 4, 4, REGISTER_RO, 0, UINT8_MAX, "PIDR2", "smmuv3 1.2"},
	{SMMU_PIDR0 + 12, 1, 4, 4, REGISTER_RO, 0, UINT8_MAX, "PIDR3", "smmuv3 1.2"},
	{SMMU_CIDR0, 1, 4, 4, REGISTER_RO, 0x0d, UINT8_MAX, "CIDR0", "smmuv3 1.2"},
	{SMMU_CIDR0 + 4, 1, 4, 4, REGISTER_RO, 0xf0, UINT8_MAX, "CIDR1", "smmuv3 1.2"},
	{SMMU_CIDR0 + 8, 1, 4, 4, REGISTER_RO, 0x05, UINT8_MAX, "CIDR2", "smmuv3 1.2"},
	{SMMU_CIDR0 + 12, 1, 4, 4, REGISTER_RO, 0xb1, UINT8_MAX, "CIDR3", "smmuv3 1.2"},
	{SMMU_EVENTQ_PROD, 1, 4, 4, REGISTER_RW, 0, QUEUE_POINTER | QUEUE_OVERFLOW, "EVENTQ_PROD",
	 "smmuv3 1.2"},
	{SMMU_EVENTQ_CONS, 1, 4, 4, REGISTER_RW, 0, QUEUE_POINTER | QUEUE_OVERFLOW, "EVENTQ_CONS",
	 "smmuv3 1.2"},
	{SMMU_PRIQ_PROD, 1, 4, 4, REGISTER_RW, 0, QUEUE_POINTER | QUEUE_OVERFLOW, "PRIQ_PROD",
	 "smmuv3 1.2"},
	{SMMU_PRIQ_CONS, 1, 4, 4, REGISTER_RW, 0, QUEUE_POINTER | QUEUE_OVERFLOW, "PRIQ_CONS",
	 "smmuv3 1.2"},
	{0, 0, 0, 0, 0, 0, 0, NULL, NULL},
};

/* CMDQEN is acknowledged when no read of the queue is outstanding (1.4). */
static uint32_t cr0ack(const struct smmu *smmu)
{
	return smmu->cr0 | (smmu->cmdq.enabled ? (uint32_t)CR0_CMDQEN : 0);
}

static enum smmu_source source_of(uint32_t offset)
{
	switch (offset & ~0xfU) {
	case SMMU_PRIQ_IRQ_CFG0:
		return SOURCE_PRIQ;
	case SMMU_EVENTQ_IRQ_CFG0:
		return SOURCE_EVENTQ;
	default:
		return SOURCE_GERROR;
	}
}

static bool is_pri(uint32_t offset)
{
	return (offset >= SMMU_PRIQ_BASE && offset <= SMMU_PRIQ_IRQ_CFG2) ||
	       offset == SMMU_PRIQ_PROD || offset == SMMU_PRIQ_CONS;
}

static struct output_queue *output_of(struct smmu *smmu, uint32_t offset)
{
	return is_pri(offset) ? &smmu->priq : &smmu->eventq;
}

/* IDR and CIDR; who made it (IIDR, PIDR) is left open, and 0. */
static uint32_t identification(const struct smmu *smmu, uint32_t offset)
{
	if (offset <= SMMU_IDR5)
		return smmu->idr[offset / 4];
	return offset >= SMMU_CIDR0 && offset <= SMMU_CIDR3
		       ? CIDR_BYTES >> 8 * ((offset - SMMU_CIDR0) / 4) & UINT8_MAX
		       : 0;
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
	case SMMU_AGBPA:
		return smmu->agbpa;
	case SMMU_IRQ_CTRL:
	case SMMU_IRQ_CTRLACK:
		return smmu->irq_ctrl;
	case SMMU_GERROR:
		return smmu->gerror;
	case SMMU_GERRORN:
		return smmu->gerrorn;
	case SMMU_GERROR_IRQ_CFG0:
	case SMMU_PRIQ_IRQ_CFG0:
	case SMMU_EVENTQ_IRQ_CFG0:
		return smmu->msis[source_of(offset)].address;
	case SMMU_GERROR_IRQ_CFG1:
	case SMMU_PRIQ_IRQ_CFG1:
	case SMMU_EVENTQ_IRQ_CFG1:
		return smmu->msis[source_of(offset)].data;
	case SMMU_GERROR_IRQ_CFG2:
	case SMMU_PRIQ_IRQ_CFG2:
	case SMMU_EVENTQ_IRQ_CFG2:
		return smmu->msis[source_of(offset)].attributes;
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
	case SMMU_PRIQ_BASE:
		return output_of(smmu, offset)->base;
	case SMMU_EVENTQ_PROD:
	case SMMU_PRIQ_PROD:
		return output_of(smmu, offset)->prod;
	case SMMU_EVENTQ_CONS:
	case SMMU_PRIQ_CONS:
		return output_of(smmu, offset)->cons;
	case SMMU_AIDR:
		return smmu->aidr;
	default:
		return identification(smmu, offset);
	}
}

/* Bits of CR0 that this hardware has. */
static uint32_t cr0_mask(const struct smmu *smmu)
{
	uint32_t absent = (smmu->idr[0] & IDR0_PRI ? 0 : (uint32_t)CR0_PRIQEN) |
			  (smmu->idr[0] & IDR0_VMW ? 0 : (uint32_t)CR0_VMW);
	return (uint32_t)CR0_KNOWN & ~absent;
}

/* And of CR2 (1.2). */
static uint32_t cr2_mask(const struct smmu *smmu)
{
	uint32_t absent = (smmu->idr[0] & IDR0_HYP ? 0 : (uint32_t)CR2_E2H) |
			  (smmu->idr[0] & IDR0_BTM ? 0 : (uint32_t)CR2_PTM) |
			  (smmu->idr[0] & IDR0_ATSRECERR ? 0 : (uint32_t)CR2_REC_CFG_ATS);
	return (uint32_t)CR2_KNOWN & ~absent;
}

static void write_cr0(struct smmu *smmu, uint32_t value)
{
	uint32_t old = smmu->cr0;
	smmu->cr0 = value & cr0_mask(smmu);
	if (old & ~smmu->cr0 & CR0_SMMUEN)
		smmu_end_all_stalls(smmu);
	smmu_tell_stalls(smmu);
	if (smmu->cr0 & CR0_CMDQEN)
		command_queue_start(&smmu->cmdq);
	else
		command_queue_stop(&smmu->cmdq);
}

/* Attributes of queues are guarded by the queues' enables, those of tables by SMMUEN (1.2). */
static void write_cr1(struct smmu *smmu, uint32_t value)
{
	bool queues = cr0ack(smmu) & (CR0_PRIQEN | CR0_EVENTQEN | CR0_CMDQEN);
	uint32_t kept = (queues ? (uint32_t)CR1_QUEUES : 0) |
			(smmu->cr0 & CR0_SMMUEN ? (uint32_t)CR1_TABLES : 0);
	smmu->cr1 = (smmu->cr1 & kept) | (value & ~kept);
}

static void write_gerrorn(struct smmu *smmu, uint32_t value)
{
	smmu->gerrorn = value;
	smmu->cmdq.gerrorn = smmu->gerrorn;
	command_queue_kick(&smmu->cmdq, 0);
	smmu_tell_stalls(smmu);
}

/* Guarded by the source's enable (1.2). */
static void write_msi(struct smmu *smmu, uint32_t offset, uint64_t value)
{
	enum smmu_source source = source_of(offset);
	struct smmu_msi *msi = &smmu->msis[source];
	if (smmu->irq_ctrl >> source & 1)
		return;
	switch (offset) {
	case SMMU_GERROR_IRQ_CFG0:
	case SMMU_PRIQ_IRQ_CFG0:
	case SMMU_EVENTQ_IRQ_CFG0:
		msi->address = value;
		break;
	case SMMU_GERROR_IRQ_CFG1:
	case SMMU_PRIQ_IRQ_CFG1:
	case SMMU_EVENTQ_IRQ_CFG1:
		msi->data = (uint32_t)value;
		break;
	default:
		msi->attributes = (uint32_t)value;
		break;
	}
}

/* Of the event queue or the PRI queue; guarded by its enable, but for CONS. */
static void write_output(struct smmu *smmu, uint32_t offset, uint64_t value)
{
	struct output_queue *queue = output_of(smmu, offset);
	bool enabled = smmu->cr0 & (is_pri(offset) ? CR0_PRIQEN : CR0_EVENTQEN);
	switch (offset) {
	case SMMU_EVENTQ_CONS:
	case SMMU_PRIQ_CONS:
		queue->cons = (uint32_t)value;
		smmu_tell_stalls(smmu);
		break;
	case SMMU_EVENTQ_PROD:
	case SMMU_PRIQ_PROD:
		queue->prod = enabled ? queue->prod : (uint32_t)value;
		break;
	default:
		queue->base = enabled ? queue->base : value;
		break;
	}
}

static void write_register(struct smmu *smmu, uint32_t offset, uint64_t value)
{
	bool enabled = smmu->cr0 & CR0_SMMUEN;
	switch (offset) {
	case SMMU_CR0:
		write_cr0(smmu, (uint32_t)value);
		break;
	case SMMU_CR1:
		write_cr1(smmu, (uint32_t)value);
		break;
	case SMMU_CR2:
		if (!enabled) /* guarded by SMMUEN */
			smmu->cr2 = (uint32_t)value & cr2_mask(smmu);
		break;
	case SMMU_GBPA:
		if (value & GBPA_UPDATE) /* effective at once */
			smmu->gbpa = (uint32_t)(value & GBPA_KNOWN);
		break;
	case SMMU_AGBPA: /* IMPDEF: kept, without effect */
		smmu->agbpa = (uint32_t)value;
		break;
	case SMMU_IRQ_CTRL:
		smmu->irq_ctrl = (uint32_t)value;
		break;
	case SMMU_GERRORN:
		write_gerrorn(smmu, (uint32_t)value);
		break;
	case SMMU_GERROR_IRQ_CFG0:
	case SMMU_GERROR_IRQ_CFG1:
	case SMMU_GERROR_IRQ_CFG2:
	case SMMU_PRIQ_IRQ_CFG0:
	case SMMU_PRIQ_IRQ_CFG1:
	case SMMU_PRIQ_IRQ_CFG2:
	case SMMU_EVENTQ_IRQ_CFG0:
	case SMMU_EVENTQ_IRQ_CFG1:
	case SMMU_EVENTQ_IRQ_CFG2:
		write_msi(smmu, offset, value);
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
		smmu->cmdq.entries = smmu_queue_entries(smmu, value, IDR1_CMDQS);
		smmu->cmdq.base = smmu_queue_base(value, smmu->cmdq.entries, COMMAND_SIZE);
		break;
	case SMMU_CMDQ_PROD:
		smmu->cmdq.prod = (uint32_t)value;
		command_queue_kick(&smmu->cmdq, smmu->timing.doorbell_ps);
		break;
	case SMMU_CMDQ_CONS:
		if (smmu->cmdq.enabled)
			break;
		smmu->cmdq.cons = (uint32_t)(value & QUEUE_POINTER);
		smmu->cmdq.error = (uint32_t)field_get(value, CMDQ_CONS_ERR);
		break;
	case SMMU_EVENTQ_BASE:
	case SMMU_EVENTQ_PROD:
	case SMMU_EVENTQ_CONS:
	case SMMU_PRIQ_BASE:
	case SMMU_PRIQ_PROD:
	case SMMU_PRIQ_CONS:
		write_output(smmu, offset, value);
		break;
	default:
		break;
	}
}

static bool exists(const struct smmu *smmu, const struct register_row *row)
{
	return !is_pri(row->offset) || (smmu->idr[0] & IDR0_PRI);
}

static uint64_t mmio_read(void *owner, uint64_t offset, unsigned width)
{
	struct smmu *smmu = owner;
	uint32_t index;
	const struct register_row *row = register_find(smmu_registers, offset, &index);
	if (row == NULL || !exists(smmu, row))
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
	if (row == NULL || row->access != REGISTER_RW || !exists(smmu, row))
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

void smmu_id_registers(const struct profile *profile, uint32_t idr[6])
{
	uint64_t cmdqs = profile_get(profile, "cmdqs.log2");
	unsigned oas = smmu_address_code((unsigned)profile_get(profile, "oas.bits"));
	memset(idr, 0, 6 * sizeof(idr[0]));
	idr[0] = (uint32_t)profile_get(profile, "idr0.features");
	uint64_t priqs = idr[0] & IDR0_PRI ? cmdqs : 0;
	idr[1] = (uint32_t)(profile_get(profile, "idr1.features") | field_put(IDR1_PRIQS, priqs) |
			    field_put(IDR1_EVENTQS, cmdqs) | field_put(IDR1_CMDQS, cmdqs));
	idr[3] = (uint32_t)profile_get(profile, "idr3.features");
	idr[5] = (uint32_t)(profile_get(profile, "idr5.features") | field_put(IDR5_OAS, oas));
}

static void set_id_registers(struct smmu *smmu, const struct profile *profile)
{
	smmu_id_registers(profile, smmu->idr);
	smmu->features = (smmu->idr[0] & IDR0_S1P ? COMMAND_NEEDS_STAGE1 : 0) |
			 (smmu->idr[0] & IDR0_S2P ? COMMAND_NEEDS_STAGE2 : 0) |
			 (smmu->idr[0] & IDR0_ATS ? COMMAND_NEEDS_ATS : 0) |
			 (smmu->idr[0] & IDR0_PRI ? COMMAND_NEEDS_PRI : 0) |
			 (smmu->idr[0] & IDR0_HYP ? COMMAND_NEEDS_HYP : 0) |
			 (field_get(smmu->idr[0], IDR0_STALL_MODEL) != 1 ? COMMAND_NEEDS_STALL : 0);
	smmu->asid_mask = smmu->idr[0] & IDR0_ASID16 ? UINT16_MAX : UINT8_MAX;
	/* Without a stage 2 there are no VMIDs (7.2). */
	smmu->vmid_mask = !(smmu->idr[0] & IDR0_S2P)   ? 0
			  : smmu->idr[0] & IDR0_VMID16 ? UINT16_MAX
						       : UINT8_MAX;
	smmu->aidr = (uint32_t)profile_get(profile, "aidr.value");
	smmu->gbpa = (uint32_t)(profile_get(profile, "gbpa.reset") & GBPA_KNOWN);
}

static uint64_t ps_of(const struct profile *profile, const char *name)
{
	return profile_get(profile, name) * PS_PER_NS;
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

static void init_caches(struct smmu *smmu, const struct profile *profile)
{
	struct machine *machine = smmu->machine;
	uint32_t configs = (uint32_t)profile_get(profile, "config.entries");
	uint32_t entries = (uint32_t)profile_get(profile, "tlb.entries");
	uint32_t ways = (uint32_t)profile_get(profile, "tlb.ways");
	uint32_t walks = (uint32_t)profile_get(profile, "walk_cache.entries");
	uint32_t walk_ways = (uint32_t)profile_get(profile, "walk_cache.ways");
	config_cache_init(&smmu->configs, machine, configs);
	context_cache_init(&smmu->contexts, machine, configs);
	level1_cache_init(&smmu->level1_streams, machine, configs);
	level1_cache_init(&smmu->level1_contexts, machine, configs);
	tlb_init(&smmu->tlb, machine, entries, ways);
	tlb_init(&smmu->walks, machine, walks, walk_ways);
	if (!(smmu->features & COMMAND_NEEDS_HYP))
		return;
	tlb_init(&smmu->el2_tlb, machine, entries, ways);
	tlb_init(&smmu->el2_walks, machine, walks, walk_ways);
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
	TAILQ_INIT(&smmu->stalls);
	set_id_registers(smmu, profile);
	command_queue_init(&smmu->cmdq, smmu, CONTEXT_MAIN_QUEUE);
	init_caches(smmu, profile);
	init_cmdqv(smmu, profile);
	bus_add(&machine->bus, board->base, SMMU_WINDOW_SIZE, &smmu_mmio_ops, smmu, board->name);
	if (smmu->vcmdq_count > 0)
		bus_add(&machine->bus, board->cmdqv_base,
			CMDQV_VINTF_PAGES + (uint64_t)CMDQV_VINTF_STRIDE * smmu->vintf_count,
			&cmdqv_mmio_ops, smmu, "cmdqv");
	return smmu;
}
