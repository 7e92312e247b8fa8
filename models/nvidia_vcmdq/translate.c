// SPDX-License-Identifier: Apache-2.0
/* Translation of a device's DMA: configuration, TLB, stage-2 walk, 4 KiB granule (smmuv3 5, 6). */
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
	return report(request, event, true, ipa & EVT_IPA);
}

static uint64_t need_of(const struct request *request)
{
	return request->write ? PTE_S2_WRITE : PTE_S2_READ;
}

static enum translate_result check_leaf(struct request *request, uint64_t pte,
					const struct stream_config *config)
{
	if (!(pte & PTE_AF) && !config->no_access_fault)
		return fault(request, EVT_F_ACCESS, request->iova);
	if (!(pte & need_of(request)))
		return fault(request, EVT_F_PERMISSION, request->iova);
	return TRANSLATE_OK;
}

static enum translate_result walk(struct request *request, const struct stream_config *config,
				  struct tlb_entry *entry)
{
	uint64_t table = config->table;
	for (unsigned level = config->start_level;; level++) {
		unsigned shift = PAGE_SHIFT + LEVEL_BITS * (3 - level);
		uint64_t index = request->iova >> shift, pte;
		if (level != config->start_level)
			index &= (1U << LEVEL_BITS) - 1;
		struct access access = {.context = CONTEXT_DEVICE(request->sid),
					.purpose = ACCESS_TABLE_WALK,
					.pa = pa_of(table + 8 * index)};
		if (port_read_u64(&request->smmu->port, &access, &pte) != PORT_OK)
			return report(request, EVT_F_WALK_EABT, true, table + 8 * index);
		bool table_bit = pte & PTE_TABLE;
		if (!(pte & PTE_VALID) || (level == 3 && !table_bit) || (level == 0 && !table_bit))
			return fault(request, EVT_F_TRANSLATION, request->iova);
		uint64_t address = pte & PTE_ADDR;
		if (address >> config->output_bits != 0)
			return fault(request, EVT_F_ADDR_SIZE, request->iova);
		if (level < 3 && table_bit) {
			table = address;
			continue;
		}
		if (check_leaf(request, pte, config) != TRANSLATE_OK)
			return TRANSLATE_FAULT;
		uint64_t block = (1ULL << shift) - 1;
		*entry = (struct tlb_entry){
			.tag = {.domain = config->vmid},
			.order = (uint8_t)(shift - PAGE_SHIFT),
			.perm = (uint8_t)(pte & (PTE_S2_READ | PTE_S2_WRITE)),
			.pa = (address & ~block) >> PAGE_SHIFT,
		};
		return TRANSLATE_OK;
	}
}

static enum translate_result translate_stage2(struct request *request,
					      const struct stream_config *config)
{
	struct smmu *smmu = request->smmu;
	struct translation *out = request->out;
	struct tlb_tag tag = {.domain = config->vmid};
	struct tlb_entry walked;
	if (request->iova >> config->input_bits != 0)
		return fault(request, EVT_F_TRANSLATION, request->iova);
	uint64_t page = request->iova >> PAGE_SHIFT;
	const struct tlb_entry *entry = tlb_lookup(&smmu->tlb, tag, page);
	out->vmid = config->vmid;
	out->path = entry != NULL ? PATH_CACHED : PATH_WALKED;
	if (entry == NULL) {
		if (walk(request, config, &walked) != TRANSLATE_OK)
			return TRANSLATE_FAULT;
		tlb_insert(&smmu->tlb, &walked, page);
		entry = &walked;
	} else if (!(entry->perm & need_of(request))) {
		return fault(request, EVT_F_PERMISSION, request->iova);
	}
	uint64_t in_leaf = request->iova & ((PAGE_SIZE << entry->order) - 1);
	out->order = entry->order;
	out->perm = entry->perm;
	out->pa = pa_of((entry->pa << PAGE_SHIFT) + in_leaf);
	return TRANSLATE_OK;
}

static enum translate_result bypass(struct request *request)
{
	unsigned oas = smmu_address_bits((unsigned)field_get(request->smmu->idr[5], IDR5_OAS));
	if (request->iova >> oas != 0)
		return TRANSLATE_FAULT;
	request->out->pa = pa_of(request->iova);
	request->out->path = PATH_BYPASS;
	request->out->perm = PTE_S2_READ | PTE_S2_WRITE;
	return TRANSLATE_OK;
}

enum translate_result smmu_translate(struct smmu *smmu, uint32_t sid, uint64_t iova, bool write,
				     struct translation *translation)
{
	struct request request = {smmu, sid, iova, write, translation};
	unsigned event;
	uint64_t address;
	memset(translation, 0, sizeof(*translation));
	if (!(smmu->cr0 & CR0_SMMUEN)) /* as GBPA says; above OAS: abort without event */
		return smmu->gbpa & GBPA_ABORT ? TRANSLATE_FAULT : bypass(&request);
	const struct stream_config *config = smmu_stream_config(smmu, sid, &event, &address);
	if (config == NULL) {
		if (event == EVT_C_BAD_STREAMID && !(smmu->cr2 & CR2_RECINVSID))
			return TRANSLATE_FAULT;
		return report(&request, event, false, address);
	}
	switch (config->kind) {
	case STREAM_STAGE2:
		return translate_stage2(&request, config);
	case STREAM_BYPASS:
		if (bypass(&request) == TRANSLATE_OK)
			return TRANSLATE_OK;
		return report(&request, EVT_F_ADDR_SIZE, false, 0);
	case STREAM_FAULT:
		return report(&request, config->event, false, 0);
	case STREAM_ABORT:
		break;
	}
	return TRANSLATE_FAULT;
}

enum translate_result smmu_dma(struct smmu *smmu, uint32_t sid, uint64_t iova, bool write,
			       void *data, uint32_t size, struct translation *translation)
{
	enum translate_result result = smmu_translate(smmu, sid, iova, write, translation);
	if (result != TRANSLATE_OK)
		return result;
	struct access access = {
		.context = CONTEXT_DEVICE(sid),
		.purpose = write ? ACCESS_DMA_WRITE : ACCESS_DMA_READ,
		.path = translation->path,
		.input = iova,
		.pa = translation->pa,
		.size = size,
	};
	enum port_status status = write ? port_write(&smmu->port, &access, data)
					: port_read(&smmu->port, &access, data);
	return status == PORT_OK ? TRANSLATE_OK : TRANSLATE_FAULT; /* aborted beyond the SMMU */
}
