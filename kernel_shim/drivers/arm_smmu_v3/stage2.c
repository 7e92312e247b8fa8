// SPDX-License-Identifier: Apache-2.0
/*
 * Stage-2 domains: tables in memory, 4 KiB granule, four levels; unmap clears, invalidates and
 * waits before it returns (smmuv3 3.6, 5).
 */
#include <assert.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define LEVEL_BITS 9U
#define TLBI_BATCH 64U  /* commands before a CMD_SYNC */
#define TLBI_MAX   512U /* from here on the whole VMID goes */
#define S2_PGSIZES (PAGE_SIZE | 1ULL << 21 | 1ULL << 30)

struct arm_smmu_domain *to_arm_smmu_domain(struct iommu_domain *domain)
{
	return domain->driver == &arm_smmu_ops ? (struct arm_smmu_domain *)domain : NULL;
}

static unsigned level_shift(unsigned level)
{
	return PAGE_SHIFT + LEVEL_BITS * (3 - level);
}

static uint64_t pte_pa(uint64_t table_pfn, uint64_t iova, unsigned level)
{
	return table_pfn * PAGE_SIZE + 8 * (iova >> level_shift(level) & ((1U << LEVEL_BITS) - 1));
}

static uint64_t read_pte(struct arm_smmu_domain *domain, uint64_t at)
{
	uint8_t bytes[8];
	memory_read(&domain->smmu->machine->memory, pa_of(at), bytes, sizeof(bytes));
	return load_le64(bytes);
}

static void write_pte(struct arm_smmu_domain *domain, uint64_t at, uint64_t pte)
{
	uint8_t bytes[8];
	store_le64(bytes, pte);
	memory_write(&domain->smmu->machine->memory, pa_of(at), bytes, sizeof(bytes), OWNER_KERNEL);
}

/* A zeroed table page, or 0. */
static uint64_t new_table(struct arm_smmu_domain *domain)
{
	struct machine *machine = domain->smmu->machine;
	uint64_t pfn;
	if (no_memory(machine, "page table") ||
	    memory_alloc(&machine->memory, OWNER_KERNEL, 1, 1, 1, 0, &pfn) == 0)
		return 0;
	spans_set(&domain->tables, pfn, pfn, 0, 0);
	return pfn;
}

/* Address of the PTE for IOVA at LEVEL, tables made where missing; 0: no memory. */
static uint64_t make_path(struct arm_smmu_domain *domain, uint64_t iova, unsigned level)
{
	uint64_t table = domain->root_pfn;
	for (unsigned up = 0; up < level; up++) {
		uint64_t at = pte_pa(table, iova, up), pte = read_pte(domain, at);
		if (!(pte & PTE_VALID)) {
			table = new_table(domain);
			if (table == 0)
				return 0;
			write_pte(domain, at, table * PAGE_SIZE | PTE_VALID | PTE_TABLE);
			continue;
		}
		table = (pte & PTE_ADDR) / PAGE_SIZE;
	}
	return pte_pa(table, iova, level);
}

/* The leaf for IOVA: address of its PTE and its level; 0: not mapped. */
static uint64_t find_leaf(struct arm_smmu_domain *domain, uint64_t iova, unsigned *level)
{
	uint64_t table = domain->root_pfn;
	for (*level = 0;; ++*level) {
		uint64_t at = pte_pa(table, iova, *level), pte = read_pte(domain, at);
		if (!(pte & PTE_VALID))
			return 0;
		if (*level == 3 || !(pte & PTE_TABLE))
			return at;
		table = (pte & PTE_ADDR) / PAGE_SIZE;
	}
}

static uint64_t leaf_attributes(uint32_t prot)
{
	return (prot & IOMMU_READ ? PTE_S2_READ : 0) | (prot & IOMMU_WRITE ? PTE_S2_WRITE : 0) |
	       field_put(PTE_S2_MEMATTR, prot & IOMMU_MMIO ? 1 : PTE_MEMATTR_WB) |
	       field_put(PTE_SH, PTE_SH_INNER) | PTE_AF | PTE_VALID;
}

static unsigned pick_level(uint64_t iova, uint64_t pa, uint64_t length, uint64_t chunk)
{
	for (unsigned level = 1; level < 3; level++) {
		uint64_t size = 1ULL << level_shift(level);
		if (((iova | pa) & (size - 1)) == 0 && length >= size &&
		    (chunk == 0 || chunk >= size))
			return level;
	}
	return 3;
}

static void clear_range(struct arm_smmu_domain *domain, uint64_t iova, uint64_t length)
{
	uint64_t end = iova + length;
	while (iova < end) {
		unsigned level;
		uint64_t at = find_leaf(domain, iova, &level);
		assert(at != 0);
		write_pte(domain, at, 0);
		iova = align_down(iova, 1ULL << level_shift(level)) + (1ULL << level_shift(level));
	}
}

static int map(struct iommu_domain *iommu_domain, struct iova iova, struct pa pa, uint64_t length,
	       uint32_t prot, uint64_t chunk)
{
	struct arm_smmu_domain *domain = (struct arm_smmu_domain *)iommu_domain;
	uint64_t done = 0;
	while (done < length) {
		uint64_t at_iova = iova.value + done, at_pa = pa.value + done;
		unsigned level = pick_level(at_iova, at_pa, length - done, chunk);
		uint64_t at = make_path(domain, at_iova, level);
		if (at == 0) {
			if (done > 0)
				clear_range(domain, iova.value, done);
			return refuse(iommu_domain->machine, ENOMEM, "iommufd 3.3",
				      "no memory for a page table");
		}
		write_pte(domain, at,
			  (at_pa & PTE_ADDR) | leaf_attributes(prot) |
				  (level == 3 ? PTE_TABLE : 0));
		done += 1ULL << level_shift(level);
	}
	return 0;
}

/* One TLBI a page without RIL, SYNC at the end; a nested parent also drops stage 1 (3.6). */
static void invalidate(struct arm_smmu_domain *domain, uint64_t iova, uint64_t length)
{
	struct smmu_command batch[TLBI_BATCH];
	uint32_t count = 0;
	if (length / PAGE_SIZE >= TLBI_MAX) {
		batch[count++] = command_tlbi_s12_vmall(domain->vmid);
		arm_smmu_cmdq_issue(domain->smmu, batch, count);
		return;
	}
	for (uint64_t at = iova; at < iova + length; at += PAGE_SIZE) {
		batch[count++] = command_tlbi_s2_ipa(domain->vmid, at, 1);
		if (count < TLBI_BATCH && at + PAGE_SIZE < iova + length)
			continue;
		arm_smmu_cmdq_issue(domain->smmu, batch, count);
		count = 0;
	}
	if (domain->nest_parent) {
		batch[0] = command_tlbi_nh_all(domain->vmid);
		arm_smmu_cmdq_issue(domain->smmu, batch, 1);
	}
}

static void unmap(struct iommu_domain *iommu_domain, struct iova iova, uint64_t length)
{
	struct arm_smmu_domain *domain = (struct arm_smmu_domain *)iommu_domain;
	clear_range(domain, iova.value, length);
	invalidate(domain, iova.value, length);
}

static bool translate(struct iommu_domain *iommu_domain, struct iova iova, struct pa *pa)
{
	struct arm_smmu_domain *domain = (struct arm_smmu_domain *)iommu_domain;
	unsigned level;
	uint64_t at = find_leaf(domain, iova.value, &level);
	if (at == 0)
		return false;
	uint64_t mask = (1ULL << level_shift(level)) - 1;
	*pa = pa_of((read_pte(domain, at) & PTE_ADDR & ~mask) | (iova.value & mask));
	return true;
}

static void free_domain(struct iommu_domain *iommu_domain)
{
	struct arm_smmu_domain *domain = (struct arm_smmu_domain *)iommu_domain;
	struct arm_smmu *smmu = domain->smmu;
	struct smmu_command vmall = command_tlbi_s12_vmall(domain->vmid);
	struct span *span;
	arm_smmu_cmdq_issue(smmu, &vmall, 1);
	SPANS_FOREACH (span, &domain->tables)
		memory_put(&smmu->machine->memory, span->first, span->last - span->first + 1);
	spans_fini(&domain->tables);
	smmu->vmids[domain->vmid / 64] &= ~(1ULL << domain->vmid % 64);
	arena_delete(smmu->machine->arena, domain);
}

const struct iommu_domain_ops arm_smmu_domain_ops = {
	.map = map,
	.unmap = unmap,
	.translate = translate,
	.attach = arm_smmu_attach,
	.free = free_domain,
};

/* The lowest free VMID from 1; 0: none. */
static uint16_t take_vmid(struct arm_smmu *smmu)
{
	for (uint32_t vmid = 1; vmid < 65536; vmid++) {
		if (smmu->vmids[vmid / 64] >> vmid % 64 & 1)
			continue;
		smmu->vmids[vmid / 64] |= 1ULL << vmid % 64;
		return (uint16_t)vmid;
	}
	return 0;
}

int arm_smmu_domain_alloc(struct arm_smmu *smmu, bool nest_parent, struct iommu_domain **out)
{
	struct machine *machine = smmu->machine;
	unsigned oas = smmu_address_bits((unsigned)field_get(smmu->idr[5], IDR5_OAS));
	struct arm_smmu_domain *domain = arena_new(machine->arena, struct arm_smmu_domain);
	spans_init(&domain->tables, machine->arena, false);
	domain->smmu = smmu;
	domain->nest_parent = nest_parent;
	domain->root_pfn = new_table(domain);
	domain->vmid = domain->root_pfn != 0 ? take_vmid(smmu) : 0;
	if (domain->vmid == 0) {
		if (domain->root_pfn != 0)
			memory_put(&machine->memory, domain->root_pfn, 1);
		spans_fini(&domain->tables);
		arena_delete(machine->arena, domain);
		return refuse(machine, ENOMEM, "iommufd 3.3", "no memory or no VMID");
	}
	domain->domain = (struct iommu_domain){
		.kind = IOMMU_DOMAIN_PAGING,
		.machine = machine,
		.driver = &arm_smmu_ops,
		.ops = &arm_smmu_domain_ops,
		.pgsize_bitmap = S2_PGSIZES,
		.aperture_last = (1ULL << oas) - 1,
	};
	*out = &domain->domain;
	return 0;
}
