// SPDX-License-Identifier: Apache-2.0
/* The stream table, linear or of two levels, and what the driver writes into it (smmuv3 1.7, 4). */
#include <assert.h>
#include <string.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define LINEAR_LOG2SIZE 9U /* what an experiment needs; Linux takes all of SIDSIZE */
#define SPLIT           8U
#define LEAF_STES       (1U << SPLIT)
#define LEVEL_1_MAX     17U /* log2 of the entries */

/* --- the table --- */

/* Fresh memory is zero: an entry that aborts has V alone. */
static uint64_t new_entries(struct arm_smmu *smmu, uint32_t count)
{
	uint64_t pfn = arm_smmu_alloc_frames(smmu->machine, (uint64_t)STE_SIZE * count);
	for (uint32_t i = 0; i < count; i++)
		write_shared_word(smmu->machine, pfn * PAGE_SIZE + (uint64_t)STE_SIZE * i, STE_V);
	return pfn;
}

static void set_up_linear(struct arm_smmu *smmu)
{
	smmu->strtab_log2size = LINEAR_LOG2SIZE;
	smmu->strtab_pfn = new_entries(smmu, 1U << LINEAR_LOG2SIZE);
	smmu->strtab_config = LINEAR_LOG2SIZE;
}

static void set_up_two_levels(struct arm_smmu *smmu, uint32_t sid_bits)
{
	uint32_t log2 = sid_bits - SPLIT < LEVEL_1_MAX ? sid_bits - SPLIT : LEVEL_1_MAX;
	smmu->strtab_two_levels = true;
	smmu->strtab_log2size = log2 + SPLIT;
	smmu->strtab_pfn = arm_smmu_alloc_frames(smmu->machine, (uint64_t)L1STD_SIZE << log2);
	smmu->strtab_config =
		(uint32_t)(field_put(STRTAB_CFG_FMT, STRTAB_FMT_2LEVEL) |
			   field_put(STRTAB_CFG_SPLIT, SPLIT) | smmu->strtab_log2size);
}

void arm_smmu_set_up_stream_table(struct arm_smmu *smmu)
{
	uint32_t sid_bits = (uint32_t)field_get(smmu->idr[1], IDR1_SIDSIZE);
	if (field_get(smmu->idr[0], IDR0_ST_LEVEL) == 1 && sid_bits > SPLIT)
		set_up_two_levels(smmu, sid_bits);
	else
		set_up_linear(smmu);
	arm_smmu_write(smmu, SMMU_STRTAB_BASE, 8, smmu->strtab_pfn * PAGE_SIZE | BITS(62, 62));
	arm_smmu_write(smmu, SMMU_STRTAB_BASE_CFG, 4, smmu->strtab_config);
}

static uint64_t level_1_pa(const struct arm_smmu *smmu, uint32_t sid)
{
	return smmu->strtab_pfn * PAGE_SIZE + (uint64_t)L1STD_SIZE * (sid >> SPLIT);
}

void arm_smmu_add_stream(struct arm_smmu *smmu, uint32_t sid)
{
	assert(sid >> smmu->strtab_log2size == 0);
	if (!smmu->strtab_two_levels || read_shared_word(smmu->machine, level_1_pa(smmu, sid)) != 0)
		return;
	write_shared_word(smmu->machine, level_1_pa(smmu, sid),
			  new_entries(smmu, LEAF_STES) * PAGE_SIZE |
				  field_put(L1STD_SPAN, SPLIT + 1));
}

uint64_t arm_smmu_ste_pa(struct arm_smmu *smmu, uint32_t sid)
{
	if (!smmu->strtab_two_levels)
		return smmu->strtab_pfn * PAGE_SIZE + (uint64_t)STE_SIZE * sid;
	uint64_t leaf = read_shared_word(smmu->machine, level_1_pa(smmu, sid)) & L1STD_L2PTR;
	return leaf + (uint64_t)STE_SIZE * (sid & (LEAF_STES - 1));
}

/* --- entries --- */

/* Bits that the hardware looks at in an entry of this kind (4.2). */
static void ste_used(const uint64_t ste[ENTRY_WORDS], uint64_t used[ENTRY_WORDS])
{
	uint64_t config = ste[0] & STE_V ? field_get(ste[0], STE_CONFIG) : STE_CONFIG_ABORT;
	memset(used, 0, ENTRY_WORDS * sizeof(*used));
	used[0] = ste[0] & STE_V ? STE_V | STE_CONFIG : STE_V;
	if (config == STE_CONFIG_S1 || config == STE_CONFIG_NESTED) {
		used[0] |= STE_S1FMT | STE_S1CONTEXTPTR | STE_S1CDMAX;
		used[1] |= STE_S1DSS | STE_S1CIR | STE_S1COR | STE_S1CSH | STE_S1STALLD | STE_STRW |
			   STE_EATS | STE_MEV;
		used[2] |= STE_S2VMID;
		if (field_get(ste[1], STE_S1DSS) == S1DSS_BYPASS)
			used[1] |= STE_SHCFG;
	}
	if (config == STE_CONFIG_S2 || config == STE_CONFIG_NESTED) {
		used[1] |= STE_EATS | STE_MEV | STE_S2FWB | STE_SHCFG;
		used[2] = ~0ULL;
		used[3] = STE_S2TTB;
	}
	if (config == STE_CONFIG_BYPASS)
		used[1] |= STE_SHCFG;
}

static bool eats_is_safe(const uint64_t ste[ENTRY_WORDS])
{
	return field_get(ste[1], STE_EATS) != EATS_SPLIT && (ste[2] & STE_S2S) == 0;
}

static void ste_safe(const uint64_t now[ENTRY_WORDS], const uint64_t target[ENTRY_WORDS],
		     uint64_t safe[ENTRY_WORDS])
{
	safe[1] = STE_MEV | (eats_is_safe(now) && eats_is_safe(target) ? STE_EATS : 0);
}

void arm_smmu_write_ste(struct arm_smmu *smmu, uint32_t sid, const uint64_t ste[STE_WORDS])
{
	const struct arm_smmu_entry entry = {.smmu = smmu,
					     .at = arm_smmu_ste_pa(smmu, sid),
					     .valid = STE_V,
					     .cfgi = command_cfgi_ste(sid, 1),
					     .used = ste_used,
					     .safe = ste_safe};
	arm_smmu_write_entry(&entry, ste);
	arm_smmu_cmdq_issue_no_sync(smmu, command_prefetch_config(sid));
}

/* --- what the driver puts there (4.3, Linux values) --- */

void arm_smmu_make_abort_ste(uint64_t ste[STE_WORDS])
{
	memset(ste, 0, STE_WORDS * sizeof(*ste));
	ste[0] = STE_V | field_put(STE_CONFIG, STE_CONFIG_ABORT);
}

void arm_smmu_make_stage1_ste(const struct arm_smmu_master *master, bool ats,
			      uint64_t ste[STE_WORDS])
{
	uint64_t stall_model = field_get(master->smmu->idr[0], IDR0_STALL_MODEL);
	memset(ste, 0, STE_WORDS * sizeof(*ste));
	ste[0] = STE_V | field_put(STE_CONFIG, STE_CONFIG_S1) | master->cd_pa;
	ste[1] = field_put(STE_S1DSS, S1DSS_SSID0) | field_put(STE_S1CIR, 1) |
		 field_put(STE_S1COR, 1) | field_put(STE_S1CSH, 3) | field_put(STE_EATS, ats);
	if (stall_model == STALL_MODEL_CHOICE)
		ste[1] |= STE_S1STALLD;
}

void arm_smmu_make_stage2_ste(const struct arm_smmu_domain *domain, bool ats,
			      uint64_t ste[STE_WORDS])
{
	const struct io_pgtable *table = &domain->table;
	const struct walk_attributes walk = arm_smmu_walk_attributes(domain->smmu);
	unsigned oas = (unsigned)field_get(domain->smmu->idr[5], IDR5_OAS);
	memset(ste, 0, STE_WORDS * sizeof(*ste));
	ste[0] = STE_V | field_put(STE_CONFIG, STE_CONFIG_S2);
	ste[1] = field_put(STE_EATS, ats);
	if (domain->smmu->idr[1] & IDR1_ATTR_TYPES_OVR)
		ste[1] |= field_put(STE_SHCFG, 1);
	if (table->force_write_back)
		ste[1] |= STE_S2FWB;
	ste[2] = field_put(STE_S2VMID, domain->vmid) |
		 field_put(STE_S2T0SZ, 64 - table->input_bits) |
		 field_put(STE_S2SL0, 2 - table->start_level) | field_put(STE_S2IR0, walk.cache) |
		 field_put(STE_S2OR0, walk.cache) | field_put(STE_S2SH0, walk.share) |
		 field_put(STE_S2PS, oas) | STE_S2AA64 | STE_S2PTW | STE_S2R;
	if (arm_smmu_stalls(domain->smmu))
		ste[2] |= STE_S2S;
	ste[3] = table->root_pfn * PAGE_SIZE & STE_S2TTB;
}
