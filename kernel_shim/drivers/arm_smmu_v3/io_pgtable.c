// SPDX-License-Identifier: Apache-2.0
#include "kernel_shim/drivers/arm_smmu_v3/io_pgtable.h"

#include "models/nvidia_vcmdq/smmu_spec.h"

#define LEVEL_BITS 9U
#define ENTRIES    (1U << LEVEL_BITS)
#define LAST_LEVEL 3U

#define MEMATTR_FORCED_WB 0x6U         /* with S2FWB (5.3) */
#define PTE_SYNCED        BITS(55, 55) /* software's: the table is out of the CPU's caches (5.3) */

/* --- descriptors --- */

static unsigned level_shift(unsigned level)
{
	return PAGE_SHIFT + LEVEL_BITS * (LAST_LEVEL - level);
}

/* The start table may be several concatenated ones: its index has more bits (5.4). */
static uint64_t pte_pa(const struct io_pgtable *table, uint64_t pfn, uint64_t iova, unsigned level)
{
	uint64_t index = iova >> level_shift(level);
	if (level != table->start_level)
		index &= ENTRIES - 1;
	return pfn * PAGE_SIZE + 8 * index;
}

static unsigned stage_2_memory(const struct io_pgtable *table, bool device)
{
	if (device)
		return PTE_MEMATTR_DEVICE;
	return table->force_write_back ? MEMATTR_FORCED_WB : PTE_MEMATTR_WB;
}

/* As Linux encodes them (5.3); stage 1 has no write-only. Memory of devices is not cached. */
static uint64_t leaf_attributes(const struct io_pgtable *table, uint32_t prot)
{
	bool device = prot & IOMMU_MMIO;
	bool read_only = (prot & (IOMMU_READ | IOMMU_WRITE)) == IOMMU_READ;
	uint64_t pte = PTE_VALID | PTE_AF | field_put(PTE_SH, device ? PTE_SH_OUTER : PTE_SH_INNER);
	if (table->stage == 1)
		return pte | PTE_S1_NG | PTE_S1_AP_EL0 | (read_only ? PTE_S1_AP_RO : 0) |
		       field_put(PTE_S1_ATTRINDX, device ? PTE_ATTRINDX_DEVICE : PTE_ATTRINDX_WB);
	return pte | (prot & IOMMU_READ ? PTE_S2_READ : 0) |
	       (prot & IOMMU_WRITE ? PTE_S2_WRITE : 0) |
	       field_put(PTE_S2_MEMATTR, stage_2_memory(table, device));
}

/* --- tables --- */

/* COUNT zeroed pages for a table, consecutive and aligned; 0: no memory. */
static uint64_t new_table(struct io_pgtable *table, uint64_t count)
{
	struct machine *machine = table->machine;
	uint64_t pfn;
	if (no_memory(machine, "page table") ||
	    memory_alloc(&machine->memory, OWNER_KERNEL, count, count, count, 0, &pfn) == 0)
		return 0;
	spans_set(&table->tables, pfn, pfn + count - 1, 0, 0);
	return pfn;
}

/* The table that PTE leads to; 0: none. DMA may have overwritten it: only own tables are followed. */
static uint64_t next_table(struct io_pgtable *table, uint64_t pte)
{
	uint64_t pfn = (pte & PTE_ADDR) / PAGE_SIZE;
	bool leads = (pte & PTE_VALID) && (pte & PTE_TABLE);
	return leads && spans_find(&table->tables, pfn) != NULL ? pfn : 0;
}

/* Taken off the list first: DMA may have made it lead to itself. */
static void free_table(struct io_pgtable *table, uint64_t pfn, unsigned level)
{
	spans_split(&table->tables, pfn);
	spans_split(&table->tables, pfn + 1);
	spans_clear(&table->tables, pfn, pfn);
	for (uint64_t i = 0; level < LAST_LEVEL && i < ENTRIES; i++) {
		uint64_t below = next_table(
			table, read_shared_word(table->machine, pfn * PAGE_SIZE + 8 * i));
		if (below != 0)
			free_table(table, below, level + 1);
	}
	memory_put(&table->machine->memory, pfn, 1);
}

/* What PTE, which is cleared, led to: a table goes, and with it what is cached on the way. */
static void drop_table(struct io_pgtable *table, uint64_t iova, uint64_t pte, unsigned level)
{
	uint64_t below = level < LAST_LEVEL ? next_table(table, pte) : 0;
	if (below == 0)
		return;
	table->flusher->walk(table->context, iova, 1ULL << level_shift(level));
	free_table(table, below, level + 1);
}

bool io_pgtable_init(struct io_pgtable *table)
{
	unsigned root_bits = table->input_bits - level_shift(table->start_level);
	spans_init(&table->tables, table->machine->arena, false);
	table->root_pfn =
		new_table(table, root_bits > LEVEL_BITS ? 1ULL << (root_bits - LEVEL_BITS) : 1);
	return table->root_pfn != 0;
}

void io_pgtable_fini(struct io_pgtable *table)
{
	struct span *span;
	SPANS_FOREACH (span, &table->tables)
		memory_put(&table->machine->memory, span->first, span->last - span->first + 1);
	spans_fini(&table->tables);
}

/* --- map, unmap, translate --- */

/* *AT: the entry for IOVA at LEVEL, tables made where missing. False: no memory. */
static bool make_path(struct io_pgtable *table, uint64_t iova, unsigned level, uint64_t *at)
{
	uint64_t pfn = table->root_pfn;
	for (unsigned up = table->start_level; up < level; up++) {
		*at = pte_pa(table, pfn, iova, up);
		pfn = next_table(table, read_shared_word(table->machine, *at));
		if (pfn != 0)
			continue;
		pfn = new_table(table, 1);
		if (pfn == 0)
			return false;
		write_shared_word(table->machine, *at,
				  pfn * PAGE_SIZE | PTE_VALID | PTE_TABLE |
					  (table->coherent ? 0 : PTE_SYNCED));
	}
	*at = pte_pa(table, pfn, iova, level);
	return true;
}

/*
 * *AT: the entry for IOVA at *LEVEL, or of a leaf above it, whose level *LEVEL then is; *PTE is what
 * it holds. False: not mapped.
 */
static bool find_entry(struct io_pgtable *table, uint64_t iova, unsigned *level, uint64_t *at,
		       uint64_t *pte)
{
	uint64_t pfn = table->root_pfn;
	for (unsigned up = table->start_level;; up++) {
		*at = pte_pa(table, pfn, iova, up);
		*pte = read_shared_word(table->machine, *at);
		pfn = next_table(table, *pte);
		if (up == *level || pfn == 0) {
			*level = up;
			return *pte & PTE_VALID;
		}
	}
}

static unsigned pick_level(uint64_t iova, uint64_t pa, uint64_t length, uint64_t chunk)
{
	for (unsigned level = 1; level < LAST_LEVEL; level++) {
		uint64_t size = 1ULL << level_shift(level);
		if (((iova | pa) & (size - 1)) == 0 && length >= size &&
		    (chunk == 0 || chunk >= size))
			return level;
	}
	return LAST_LEVEL;
}

/* A block takes the place of a table whose leaves have all gone (3.6). */
static void set_leaf(struct io_pgtable *table, uint64_t at, uint64_t iova, uint64_t leaf,
		     unsigned level)
{
	uint64_t old = level < LAST_LEVEL ? read_shared_word(table->machine, at) : 0;
	if (old & PTE_VALID) {
		write_shared_word(table->machine, at, 0);
		drop_table(table, iova, old, level);
	}
	write_shared_word(table->machine, at, leaf);
}

uint64_t io_pgtable_map(struct io_pgtable *table, uint64_t iova, uint64_t pa, uint64_t length,
			uint32_t prot, uint64_t chunk)
{
	uint64_t attributes = leaf_attributes(table, prot), done = 0, at;
	while (done < length) {
		unsigned level = pick_level(iova + done, pa + done, length - done, chunk);
		if (!make_path(table, iova + done, level, &at))
			break;
		set_leaf(table, at, iova + done,
			 ((pa + done) & PTE_ADDR) | attributes |
				 (level == LAST_LEVEL ? PTE_TABLE : 0),
			 level);
		done += 1ULL << level_shift(level);
	}
	return done;
}

void io_pgtable_unmap(struct io_pgtable *table, uint64_t iova, uint64_t length,
		      struct iotlb_gather *gather)
{
	uint64_t end = iova + length;
	while (iova < end) {
		unsigned level = pick_level(iova, iova, end - iova, 0);
		uint64_t at, pte;
		bool mapped = find_entry(table, iova, &level, &at, &pte);
		uint64_t size = 1ULL << level_shift(level);
		iova = align_down(iova, size);
		if (mapped) { /* else: DMA has overwritten it */
			write_shared_word(table->machine, at, 0);
			drop_table(table, iova, pte, level);
			if (gather != NULL)
				table->flusher->leaf(table->context, gather, iova, size);
		}
		iova += size;
	}
}

bool io_pgtable_translate(struct io_pgtable *table, uint64_t iova, struct pa *pa)
{
	unsigned level = LAST_LEVEL;
	uint64_t at, pte;
	if (!find_entry(table, iova, &level, &at, &pte) ||
	    (level < LAST_LEVEL && (pte & PTE_TABLE)))
		return false;
	uint64_t mask = (1ULL << level_shift(level)) - 1;
	*pa = pa_of((pte & PTE_ADDR & ~mask) | (iova & mask));
	return true;
}
