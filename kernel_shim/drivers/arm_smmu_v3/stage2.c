// SPDX-License-Identifier: Apache-2.0
/*
 * Stage-2 domains: tables in memory, 4 KiB granule; unmap clears, invalidates and waits before it
 * returns (smmuv3 3.6, 5).
 */
#include <assert.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define LEVEL_BITS 9U
#define S2_PGSIZES (PAGE_SIZE | 1ULL << 21 | 1ULL << 30)

struct arm_smmu_domain *to_arm_smmu_domain(struct iommu_domain *domain)
{
	return domain->driver == &arm_smmu_ops ? (struct arm_smmu_domain *)domain : NULL;
}

static unsigned level_shift(unsigned level)
{
	return PAGE_SHIFT + LEVEL_BITS * (3 - level);
}

/* The start table may be several concatenated ones: its index has more bits (5.4). */
static uint64_t pte_pa(const struct arm_smmu_domain *domain, uint64_t table_pfn, uint64_t iova,
		       unsigned level)
{
	uint64_t index = iova >> level_shift(level);
	if (level != domain->start_level)
		index &= (1U << LEVEL_BITS) - 1;
	return table_pfn * PAGE_SIZE + 8 * index;
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

/* COUNT zeroed pages for a table, consecutive and aligned; 0: no memory. */
static uint64_t new_table(struct arm_smmu_domain *domain, uint64_t count)
{
	struct machine *machine = domain->smmu->machine;
	uint64_t pfn;
	if (no_memory(machine, "page table") ||
	    memory_alloc(&machine->memory, OWNER_KERNEL, count, count, count, 0, &pfn) == 0)
		return 0;
	spans_set(&domain->tables, pfn, pfn + count - 1, 0, 0);
	return pfn;
}

/* The table that PTE leads to; 0: none. DMA may have overwritten it: only own tables are followed. */
static uint64_t next_table(struct arm_smmu_domain *domain, uint64_t pte)
{
	uint64_t pfn = (pte & PTE_ADDR) / PAGE_SIZE;
	bool table = (pte & PTE_VALID) && (pte & PTE_TABLE);
	return table && spans_find(&domain->tables, pfn) != NULL ? pfn : 0;
}

/* *AT: the entry for IOVA at LEVEL, tables made where missing. False: no memory. */
static bool make_path(struct arm_smmu_domain *domain, uint64_t iova, unsigned level, uint64_t *at)
{
	uint64_t table = domain->root_pfn;
	for (unsigned up = domain->start_level; up < level; up++) {
		*at = pte_pa(domain, table, iova, up);
		table = next_table(domain, read_pte(domain, *at));
		if (table != 0)
			continue;
		table = new_table(domain, 1);
		if (table == 0)
			return false;
		write_pte(domain, *at, table * PAGE_SIZE | PTE_VALID | PTE_TABLE);
	}
	*at = pte_pa(domain, table, iova, level);
	return true;
}

/*
 * *AT: the entry for IOVA at *LEVEL, or of a leaf above it, whose level *LEVEL then is; *PTE is what
 * it holds. False: not mapped.
 */
static bool find_entry(struct arm_smmu_domain *domain, uint64_t iova, unsigned *level, uint64_t *at,
		       uint64_t *pte)
{
	uint64_t table = domain->root_pfn;
	for (unsigned up = domain->start_level;; up++) {
		*at = pte_pa(domain, table, iova, up);
		*pte = read_pte(domain, *at);
		table = next_table(domain, *pte);
		if (up == *level || table == 0) {
			*level = up;
			return *pte & PTE_VALID;
		}
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

/* --- invalidation (3.6) --- */

/* Leaves of one size that follow each other, cleared and not yet invalidated. */
struct gather {
	uint64_t start;
	uint64_t end;
	uint64_t granule; /* bytes; 0: empty */
};

static void submit(struct arm_smmu_domain *domain, struct arm_smmu_batch *batch)
{
	unsigned flush = kernel_option(domain->smmu->machine, KERNEL_UNMAP_FLUSH);
	if (flush == UNMAP_FLUSH_WAIT)
		arm_smmu_batch_submit(batch);
	else if (flush == UNMAP_FLUSH_NO_WAIT)
		arm_smmu_batch_submit_no_wait(batch);
	batch->count = 0;
}

/* The smallest power of two of pages that holds the range; of a nested parent everything. */
static struct smmu_command atc_inv(const struct arm_smmu_domain *domain, uint32_t sid,
				   const struct gather *gather)
{
	uint64_t first = gather->start / PAGE_SIZE, last = (gather->end - 1) / PAGE_SIZE;
	uint8_t size = first == last ? 0 : (uint8_t)(64 - __builtin_clzll(first ^ last));
	if (domain->nest_parent)
		return command_atc_inv(sid, 0, ATC_SIZE_ALL);
	return command_atc_inv(sid, align_down(gather->start, PAGE_SIZE << size), size);
}

/*
 * Without RIL one command a leaf, or all of the VMID from an eighth of a table on. A nested parent
 * then drops what stage 1 made of it. Devices with ATS come last.
 */
static void invalidate(struct arm_smmu_domain *domain, const struct gather *gather, bool leaf)
{
	struct arm_smmu_batch batch = {.smmu = domain->smmu};
	const struct arm_smmu_attachment *attachment;
	uint64_t leaves = (gather->end - gather->start) / gather->granule;
	if (kernel_option(domain->smmu->machine, KERNEL_UNMAP_FLUSH) == UNMAP_FLUSH_NONE)
		return;
	if (leaves >= gather->granule / 8) {
		arm_smmu_batch_add(&batch, command_tlbi_s12_vmall(domain->vmid));
	} else {
		for (uint64_t at = gather->start; at < gather->end; at += gather->granule)
			arm_smmu_batch_add(&batch, command_tlbi_s2_ipa(domain->vmid, at, leaf));
		if (domain->nest_parent) {
			submit(domain, &batch);
			arm_smmu_batch_add(&batch, command_tlbi_nh_all(domain->vmid));
		}
	}
	submit(domain, &batch);
	LIST_FOREACH (attachment, &domain->attachments, link)
		if (attachment->master->ats_enabled)
			arm_smmu_batch_add(&batch,
					   atc_inv(domain, attachment->master->sid, gather));
	submit(domain, &batch);
}

static void flush(struct arm_smmu_domain *domain, struct gather *gather)
{
	if (gather->granule != 0) {
		ledger_tables_cleared(&domain->smmu->machine->ledger);
		invalidate(domain, gather, true);
	}
	gather->granule = 0;
}

/* Another size, or a gap, forces out what was gathered. */
static void gather_leaf(struct arm_smmu_domain *domain, struct gather *gather, uint64_t iova,
			uint64_t size)
{
	if (gather->granule != 0 && (gather->granule != size || gather->end != iova))
		flush(domain, gather);
	if (gather->granule == 0)
		*gather = (struct gather){iova, iova, size};
	gather->end = iova + size;
}

static void free_table(struct arm_smmu_domain *domain, uint64_t pfn, unsigned level)
{
	if (spans_find(&domain->tables, pfn) == NULL)
		return; /* DMA has overwritten what led here */
	for (uint64_t i = 0; level < 3 && i < 1ULL << LEVEL_BITS; i++) {
		uint64_t pte = read_pte(domain, pfn * PAGE_SIZE + 8 * i);
		if ((pte & PTE_VALID) && (pte & PTE_TABLE))
			free_table(domain, (pte & PTE_ADDR) / PAGE_SIZE, level + 1);
	}
	spans_split(&domain->tables, pfn);
	spans_split(&domain->tables, pfn + 1);
	spans_clear(&domain->tables, pfn, pfn);
	memory_put(&domain->smmu->machine->memory, pfn, 1);
}

/* A block's worth of smaller leaves: their table goes, and with it what is cached on the way. */
static void remove_table(struct arm_smmu_domain *domain, uint64_t iova, uint64_t size, uint64_t pfn,
			 unsigned level)
{
	const struct gather walk = {iova, iova + size, PAGE_SIZE};
	invalidate(domain, &walk, false);
	free_table(domain, pfn, level);
}

static void clear_range(struct arm_smmu_domain *domain, uint64_t iova, uint64_t length)
{
	uint64_t end = iova + length;
	struct gather gather = {0};
	while (iova < end) {
		unsigned level = pick_level(iova, iova, end - iova, 0);
		uint64_t at, pte;
		bool mapped = find_entry(domain, iova, &level, &at, &pte);
		uint64_t size = 1ULL << level_shift(level);
		iova = align_down(iova, size);
		if (mapped) { /* else: DMA has overwritten it */
			write_pte(domain, at, 0);
			if (level < 3 && (pte & PTE_TABLE)) {
				ledger_tables_cleared(&domain->smmu->machine->ledger);
				remove_table(domain, iova, size, (pte & PTE_ADDR) / PAGE_SIZE,
					     level + 1);
			}
			gather_leaf(domain, &gather, iova, size);
		}
		iova += size;
	}
	flush(domain, &gather);
}

/* Where a block is to stand, a table that became empty goes first. */
static void make_room(struct arm_smmu_domain *domain, uint64_t iova, unsigned level, uint64_t at)
{
	uint64_t table = level < 3 ? next_table(domain, read_pte(domain, at)) : 0;
	if (table == 0)
		return;
	write_pte(domain, at, 0);
	remove_table(domain, iova, 1ULL << level_shift(level), table, level + 1);
}

static int map(struct iommu_domain *iommu_domain, struct iova iova, struct pa pa, uint64_t length,
	       uint32_t prot, uint64_t chunk)
{
	struct arm_smmu_domain *domain = (struct arm_smmu_domain *)iommu_domain;
	uint64_t done = 0;
	while (done < length) {
		uint64_t at_iova = iova.value + done, at_pa = pa.value + done, at;
		unsigned level = pick_level(at_iova, at_pa, length - done, chunk);
		if (!make_path(domain, at_iova, level, &at)) {
			if (done > 0)
				clear_range(domain, iova.value, done);
			return refuse(iommu_domain->machine, ENOMEM, "iommufd 3.3",
				      "no memory for a page table");
		}
		make_room(domain, at_iova, level, at);
		write_pte(domain, at,
			  (at_pa & PTE_ADDR) | leaf_attributes(prot) |
				  (level == 3 ? PTE_TABLE : 0));
		done += 1ULL << level_shift(level);
	}
	return 0;
}

static void unmap(struct iommu_domain *iommu_domain, struct iova iova, uint64_t length)
{
	struct arm_smmu_domain *domain = (struct arm_smmu_domain *)iommu_domain;
	clear_range(domain, iova.value, length);
}

static bool translate(struct iommu_domain *iommu_domain, struct iova iova, struct pa *pa)
{
	struct arm_smmu_domain *domain = (struct arm_smmu_domain *)iommu_domain;
	unsigned level = 3;
	uint64_t at, pte;
	if (!find_entry(domain, iova.value, &level, &at, &pte) || (level < 3 && (pte & PTE_TABLE)))
		return false;
	uint64_t mask = (1ULL << level_shift(level)) - 1;
	*pa = pa_of((pte & PTE_ADDR & ~mask) | (iova.value & mask));
	return true;
}

static void give_tables_back(struct arm_smmu_domain *domain)
{
	struct span *span;
	SPANS_FOREACH (span, &domain->tables)
		memory_put(&domain->smmu->machine->memory, span->first,
			   span->last - span->first + 1);
}

static void free_domain(struct iommu_domain *iommu_domain)
{
	struct arm_smmu_domain *domain = (struct arm_smmu_domain *)iommu_domain;
	struct arm_smmu *smmu = domain->smmu;
	give_tables_back(domain); /* the last device has taken the VMID along */
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

/* As Linux encodes the input size: all of the output size; 40 and 42 bits start at level 1 (5.4). */
static void set_geometry(struct arm_smmu_domain *domain)
{
	unsigned oas = smmu_address_bits((unsigned)field_get(domain->smmu->idr[5], IDR5_OAS));
	domain->input_bits = oas < 48 ? oas : 48; /* 4 KiB granule */
	domain->start_level = domain->input_bits >= 44 ? 0 : 1;
}

int arm_smmu_domain_alloc(struct arm_smmu *smmu, bool nest_parent, struct iommu_domain **out)
{
	struct machine *machine = smmu->machine;
	struct arm_smmu_domain *domain = arena_new(machine->arena, struct arm_smmu_domain);
	spans_init(&domain->tables, machine->arena, false);
	LIST_INIT(&domain->attachments);
	domain->smmu = smmu;
	domain->nest_parent = nest_parent;
	set_geometry(domain);
	unsigned root_bits = domain->input_bits - level_shift(domain->start_level);
	domain->root_pfn =
		new_table(domain, root_bits > LEVEL_BITS ? 1ULL << (root_bits - LEVEL_BITS) : 1);
	domain->vmid = domain->root_pfn != 0 ? take_vmid(smmu) : 0;
	if (domain->vmid == 0) {
		if (domain->root_pfn != 0)
			give_tables_back(domain);
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
		.aperture_last = (1ULL << domain->input_bits) - 1,
	};
	*out = &domain->domain;
	return 0;
}
