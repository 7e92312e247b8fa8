// SPDX-License-Identifier: Apache-2.0
/* Stream table lookup and the stage-2 walk, 4 KiB granule (smmuv3 4.1, 4.2, 5). */
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"

#define LEVEL_BITS 9U

struct request {
	struct smmu *smmu;
	uint32_t sid;
	uint64_t iova;
	bool write;
	struct translation *out;
};

/* ADDRESS is what dw3 holds: the IPA, or what was being fetched (6.1). */
static enum translate_result report(struct request *request, unsigned event, bool stage2,
				    uint64_t address)
{
	uint64_t record[4] = {0};
	record[0] = field_put(EVT_ID, event) | field_put(EVT_SID, request->sid);
	if (event >= EVT_F_WALK_EABT) {
		record[1] = field_put(EVT_RNW, !request->write) | field_put(EVT_S2, stage2) |
			    field_put(EVT_CLASS, EVT_CLASS_IN);
		record[2] = request->iova;
	}
	record[3] = address;
	request->out->event = event;
	smmu_record_event(request->smmu, record);
	return TRANSLATE_FAULT;
}

/* A configuration fault: IPA 0; or a fault of stage 2. */
static enum translate_result fault(struct request *request, unsigned event, uint64_t ipa)
{
	return report(request, event, true, ipa & ~(PAGE_SIZE - 1));
}

static enum port_status read_memory(struct request *request, uint64_t pa, void *data, uint32_t size,
				    enum access_purpose purpose)
{
	struct access access = {
		.context = request->sid, .purpose = purpose, .pa = pa_of(pa), .size = size};
	return port_read(&request->smmu->port, &access, data);
}

/* A linear table: STE at base + 64 * SID. */
static enum translate_result fetch_ste(struct request *request, uint64_t ste[STE_WORDS])
{
	struct smmu *smmu = request->smmu;
	uint8_t bytes[STE_SIZE];
	uint32_t log2size = (uint32_t)field_get(smmu->strtab_cfg, STRTAB_CFG_LOG2SIZE);
	uint32_t sid_bits = (uint32_t)field_get(smmu->idr[1], IDR1_SIDSIZE);
	uint64_t base = smmu->strtab_base & STRTAB_BASE_ADDR;
	if (request->sid >> (log2size < sid_bits ? log2size : sid_bits) != 0) {
		if (smmu->cr2 & CR2_RECINVSID)
			return fault(request, EVT_C_BAD_STREAMID, 0);
		return TRANSLATE_FAULT;
	}
	base &= log2size + 6 < 64 ? ~((1ULL << (log2size + 6)) - 1) : 0;
	base += (uint64_t)STE_SIZE * request->sid;
	if (read_memory(request, base, bytes, STE_SIZE, ACCESS_CONFIG_FETCH) != PORT_OK)
		return report(request, EVT_F_STE_FETCH, false, base);
	for (unsigned i = 0; i < STE_WORDS; i++)
		ste[i] = load_le64(bytes + 8 * i);
	return TRANSLATE_OK;
}

/* Geometry of stage 2 from dw2; false: not consistent (C_BAD_STE). */
struct stage2 {
	unsigned input_bits;
	unsigned start_level;
	unsigned output_bits;
	uint64_t table;
	uint16_t vmid;
};

static bool stage2_of(const struct smmu *smmu, const uint64_t ste[STE_WORDS], struct stage2 *s2)
{
	static const unsigned start_levels[] = {2, 1, 0, 3};
	unsigned t0sz = (unsigned)field_get(ste[2], STE_S2T0SZ);
	unsigned oas = smmu_address_bits((unsigned)field_get(smmu->idr[5], IDR5_OAS));
	if (field_get(ste[2], STE_S2TG) != 0 || !field_get(ste[2], STE_S2AA64) || t0sz < 16 ||
	    t0sz < 64 - oas || t0sz > 39 || (ste[2] & (STE_S2ENDI | STE_S2HD | STE_S2HA)))
		return false;
	s2->input_bits = 64 - t0sz;
	s2->start_level = start_levels[field_get(ste[2], STE_S2SL0)];
	s2->output_bits = smmu_address_bits((unsigned)field_get(ste[2], STE_S2PS));
	s2->output_bits = s2->output_bits < oas ? s2->output_bits : oas;
	s2->table = ste[3] & STE_S2TTB;
	s2->vmid = (uint16_t)field_get(ste[2], STE_S2VMID);
	/* Index bits at the start level: 1 to bits + 4, the rest concatenated tables (5.4). */
	int bits = (int)s2->input_bits - (int)(PAGE_SHIFT + LEVEL_BITS * (3 - s2->start_level));
	if (s2->start_level == 3 || bits < 1 || bits > (int)LEVEL_BITS + 4 ||
	    s2->table >> s2->output_bits != 0)
		return false;
	/* The start table is aligned to its size. */
	s2->table &= ~((bits < 3 ? 64ULL : 8ULL << bits) - 1);
	return true;
}

static enum translate_result check_leaf(struct request *request, uint64_t pte,
					const uint64_t ste[STE_WORDS])
{
	uint64_t need = request->write ? PTE_S2_WRITE : PTE_S2_READ;
	if (!(pte & PTE_AF) && !field_get(ste[2], STE_S2AFFD))
		return fault(request, EVT_F_ACCESS, request->iova);
	if (!(pte & need))
		return fault(request, EVT_F_PERMISSION, request->iova);
	return TRANSLATE_OK;
}

static enum translate_result walk(struct request *request, const struct stage2 *s2,
				  const uint64_t ste[STE_WORDS], struct tlb_entry *entry)
{
	uint64_t table = s2->table;
	for (unsigned level = s2->start_level;; level++) {
		unsigned shift = PAGE_SHIFT + LEVEL_BITS * (3 - level);
		uint64_t index = request->iova >> shift;
		uint8_t bytes[8];
		if (level != s2->start_level)
			index &= (1U << LEVEL_BITS) - 1;
		if (read_memory(request, table + 8 * index, bytes, sizeof(bytes),
				ACCESS_TABLE_WALK) != PORT_OK)
			return report(request, EVT_F_WALK_EABT, true, table + 8 * index);
		uint64_t pte = load_le64(bytes);
		bool table_bit = pte & PTE_TABLE;
		if (!(pte & PTE_VALID) || (level == 3 && !table_bit) || (level == 0 && !table_bit))
			return fault(request, EVT_F_TRANSLATION, request->iova);
		uint64_t address = pte & PTE_ADDR;
		if (address >> s2->output_bits != 0)
			return fault(request, EVT_F_ADDR_SIZE, request->iova);
		if (level < 3 && table_bit) {
			table = address;
			continue;
		}
		if (check_leaf(request, pte, ste) != TRANSLATE_OK)
			return TRANSLATE_FAULT;
		uint64_t block = (1ULL << shift) - 1;
		*entry = (struct tlb_entry){
			.vmid = s2->vmid,
			.order = (uint8_t)(shift - PAGE_SHIFT),
			.input = (request->iova & ~block) >> PAGE_SHIFT,
			.pa = (address & ~block) >> PAGE_SHIFT,
			.perm = (uint32_t)(pte & (PTE_S2_READ | PTE_S2_WRITE)),
		};
		return TRANSLATE_OK;
	}
}

static enum translate_result translate_stage2(struct request *request,
					      const uint64_t ste[STE_WORDS])
{
	struct smmu *smmu = request->smmu;
	struct stage2 s2;
	struct tlb_entry walked;
	if (!stage2_of(smmu, ste, &s2))
		return fault(request, EVT_C_BAD_STE, 0);
	if (request->iova >> s2.input_bits != 0)
		return fault(request, EVT_F_TRANSLATION, request->iova);
	request->out->vmid = s2.vmid;
	struct tlb_entry *entry = tlb_lookup(&smmu->tlb, s2.vmid, request->iova >> PAGE_SHIFT);
	request->out->from_tlb = entry != NULL;
	if (entry == NULL) {
		if (walk(request, &s2, ste, &walked) != TRANSLATE_OK)
			return TRANSLATE_FAULT;
		tlb_insert(&smmu->tlb, &walked);
		entry = &walked;
	} else if (!(entry->perm & (request->write ? PTE_S2_WRITE : PTE_S2_READ))) {
		return fault(request, EVT_F_PERMISSION, request->iova);
	}
	uint64_t in_leaf = request->iova - (entry->input << PAGE_SHIFT);
	request->out->pa = pa_of((entry->pa << PAGE_SHIFT) + in_leaf);
	return TRANSLATE_OK;
}

enum translate_result smmu_translate(struct smmu *smmu, uint32_t sid, uint64_t iova, bool write,
				     struct translation *translation)
{
	struct request request = {smmu, sid, iova, write, translation};
	uint64_t ste[STE_WORDS];
	bool above_oas =
		iova >> smmu_address_bits((unsigned)field_get(smmu->idr[5], IDR5_OAS)) != 0;
	memset(translation, 0, sizeof(*translation));
	if (!(smmu->cr0 & CR0_SMMUEN)) {
		translation->pa = pa_of(iova); /* GBPA: bypass, as reset leaves it */
		return above_oas || (smmu->gbpa & BITS(20, 20)) ? TRANSLATE_FAULT : TRANSLATE_OK;
	}
	if (fetch_ste(&request, ste) != TRANSLATE_OK)
		return TRANSLATE_FAULT;
	if (!field_get(ste[0], STE_V))
		return fault(&request, EVT_C_BAD_STE, 0);
	switch (field_get(ste[0], STE_CONFIG)) {
	case STE_CONFIG_BYPASS:
		if (above_oas)
			return report(&request, EVT_F_ADDR_SIZE, false, 0);
		translation->pa = pa_of(iova);
		return TRANSLATE_OK;
	case STE_CONFIG_S2:
		return translate_stage2(&request, ste);
	case STE_CONFIG_S1:
	case STE_CONFIG_NESTED:
		return fault(&request, EVT_C_BAD_STE, 0); /* stage 1: not modelled yet */
	default:
		return TRANSLATE_FAULT; /* abort, silently */
	}
}

enum translate_result smmu_dma(struct smmu *smmu, uint32_t sid, uint64_t iova, bool write,
			       void *data, uint32_t size, struct translation *translation)
{
	enum translate_result result = smmu_translate(smmu, sid, iova, write, translation);
	if (result != TRANSLATE_OK)
		return result;
	struct access access = {
		.context = sid,
		.purpose = write ? ACCESS_DMA_WRITE : ACCESS_DMA_READ,
		.pa = translation->pa,
		.size = size,
		.index = translation->from_tlb,
	};
	if (write)
		port_write(&smmu->port, &access, data);
	else
		port_read(&smmu->port, &access, data);
	return TRANSLATE_OK;
}
