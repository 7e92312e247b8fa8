// SPDX-License-Identifier: Apache-2.0
/* v1 page tables as Linux makes them (11): the largest leaf that fits, coded sizes included. */
#include <assert.h>

#include "kernel_shim/drivers/amd_iommu/amd.h"

#define START_MODE 3U
#define INDEX_BITS 9U

static uint64_t read_entry(const struct amd_tables *tables, uint64_t at)
{
	return read_shared_word(tables->machine, at);
}

static void write_entry(struct amd_tables *tables, uint64_t at, uint64_t entry)
{
	write_shared_word(tables->machine, at, entry);
}

/* A zeroed page for a table; 0: no memory. */
static uint64_t new_page(struct amd_tables *tables)
{
	uint64_t pfn;
	if (no_memory(tables->machine, "page table") ||
	    memory_alloc(&tables->machine->memory, OWNER_KERNEL, 1, 1, 1, 0, &pfn) == 0)
		return 0;
	spans_set(&tables->pages, pfn, pfn, 0, 0);
	return pfn;
}

bool amd_tables_init(struct amd_tables *tables, struct machine *machine)
{
	tables->machine = machine;
	tables->mode = START_MODE;
	spans_init(&tables->pages, machine->arena, false);
	spans_init(&tables->freed.pages, machine->arena, false);
	tables->root_pfn = new_page(tables);
	if (tables->root_pfn == 0)
		spans_fini(&tables->pages);
	return tables->root_pfn != 0;
}

static void give_back(struct amd_tables *tables, struct spans *pages)
{
	struct span *span;
	SPANS_FOREACH (span, pages)
		memory_put(&tables->machine->memory, span->first, span->last - span->first + 1);
	spans_fini(pages);
}

void amd_tables_fini(struct amd_tables *tables)
{
	give_back(tables, &tables->freed.pages);
	give_back(tables, &tables->pages);
}

static uint64_t entry_pa(uint64_t table_pfn, uint64_t iova, unsigned level)
{
	uint64_t index = (iova >> amd_level_shift(level)) & ((1U << INDEX_BITS) - 1);
	return table_pfn * PAGE_SIZE + 8 * index;
}

static uint64_t table_entry(uint64_t pfn, unsigned next)
{
	return PTE_PR | field_put(PTE_NEXT, next) | (pfn * PAGE_SIZE & PTE_ADDR) | PTE_IR | PTE_IW;
}

/* New levels on top, the old root in their first slot. */
static bool grow_to(struct amd_tables *tables, uint64_t last, bool *grew)
{
	while (tables->mode < LEVELS_MAX && last >> amd_level_shift(tables->mode + 1) != 0) {
		uint64_t root = new_page(tables);
		if (root == 0)
			return false;
		write_entry(tables, root * PAGE_SIZE, table_entry(tables->root_pfn, tables->mode));
		tables->root_pfn = root;
		tables->mode++;
		*grew = true;
	}
	return true;
}

static bool is_leaf(uint64_t entry)
{
	uint64_t next = field_get(entry, PTE_NEXT);
	return next == 0 || next == NEXT_CODED_SIZE;
}

/* The table that ENTRY leads to; 0: none. DMA may have overwritten it: only own tables count. */
static uint64_t next_table(struct amd_tables *tables, uint64_t entry)
{
	uint64_t pfn = (entry & PTE_ADDR) / PAGE_SIZE;
	bool table = (entry & PTE_PR) && !is_leaf(entry);
	return table && spans_find(&tables->pages, pfn) != NULL ? pfn : 0;
}

/* --- tables that go --- */

bool amd_tables_have_freed(struct amd_tables *tables)
{
	return spans_from(&tables->freed.pages, 0) != NULL;
}

void amd_tables_take_freed(struct amd_tables *tables, struct amd_freed *freed)
{
	*freed = tables->freed;
	spans_init(&tables->freed.pages, tables->machine->arena, false);
}

void amd_tables_release(struct amd_tables *tables, struct amd_freed *freed)
{
	give_back(tables, &freed->pages);
}

/* The table and all that it leads to. */
static void take_out(struct amd_tables *tables, uint64_t pfn, unsigned level)
{
	for (uint64_t i = 0; level > 1 && i < 1U << INDEX_BITS; i++) {
		uint64_t next = next_table(tables, read_entry(tables, pfn * PAGE_SIZE + 8 * i));
		if (next != 0)
			take_out(tables, next, level - 1);
	}
	spans_clear(&tables->pages, pfn, pfn);
	spans_set(&tables->freed.pages, pfn, pfn, 0, 0);
}

/* The table below the entry AT of LEVEL, for addresses from IOVA on; none: nothing. */
static void free_below(struct amd_tables *tables, uint64_t at, unsigned level, uint64_t iova)
{
	uint64_t table = next_table(tables, read_entry(tables, at));
	uint64_t last = iova | ((1ULL << amd_level_shift(level)) - 1);
	if (table == 0)
		return;
	struct amd_freed *freed = &tables->freed;
	bool first_one = !amd_tables_have_freed(tables);
	freed->first = first_one || iova < freed->first ? iova : freed->first;
	freed->last = first_one || last > freed->last ? last : freed->last;
	take_out(tables, table, level - 1);
	write_entry(tables, at, 0);
}

/* Tables below TABLE that are for addresses of [FIRST, LAST] alone. */
static void free_covered(struct amd_tables *tables, uint64_t table, unsigned level, uint64_t first,
			 uint64_t last)
{
	uint64_t size = 1ULL << amd_level_shift(level), iova = align_down(first, size);
	for (;; iova += size) {
		uint64_t at = entry_pa(table, iova, level);
		uint64_t next = next_table(tables, read_entry(tables, at));
		if (iova >= first && last - iova >= size - 1)
			free_below(tables, at, level, iova);
		else if (next != 0 && level > 2)
			free_covered(tables, next, level - 1, first > iova ? first : iova,
				     last - iova < size ? last : iova + size - 1);
		if (last - iova < size)
			return;
	}
}

/* *AT: the entry for IOVA at LEVEL, tables made where missing. False: no memory. */
static bool make_path(struct amd_tables *tables, uint64_t iova, unsigned level, uint64_t *at)
{
	uint64_t table = tables->root_pfn;
	for (unsigned at_level = tables->mode; at_level > level; at_level--) {
		*at = entry_pa(table, iova, at_level);
		table = next_table(tables, read_entry(tables, *at));
		if (table != 0)
			continue;
		table = new_page(tables);
		if (table == 0)
			return false;
		write_entry(tables, *at, table_entry(table, at_level - 1));
	}
	*at = entry_pa(table, iova, level);
	return true;
}

/* log2 bytes that a leaf at LEVEL covers, replicas together; not what DMA has put there. */
static unsigned leaf_bits(uint64_t entry, unsigned level)
{
	unsigned bits = amd_level_shift(level);
	uint64_t zeros = ~entry & PTE_ADDR;
	if (field_get(entry, PTE_NEXT) != 0 && zeros != 0)
		bits = (unsigned)__builtin_ctzll(zeros) + 1;
	bool fits = bits >= amd_level_shift(level) && bits < amd_level_shift(level + 1);
	return fits ? bits : amd_level_shift(level);
}

/* The leaf for IOVA: its entry and level; false: not mapped. */
static bool find_leaf(struct amd_tables *tables, uint64_t iova, uint64_t *at, unsigned *level,
		      uint64_t *entry)
{
	uint64_t table = tables->root_pfn;
	if (tables->mode < LEVELS_MAX && iova >> amd_level_shift(tables->mode + 1) != 0)
		return false;
	for (*level = tables->mode; *level > 0; --*level) {
		*at = entry_pa(table, iova, *level);
		*entry = read_entry(tables, *at);
		if ((*entry & PTE_PR) && is_leaf(*entry))
			return true;
		table = next_table(tables, *entry);
		if (table == 0)
			return false;
	}
	return false;
}

/* log2 bytes of the largest leaf that fits: any power of two below 512 GiB (11). */
static unsigned pick_bits(uint64_t iova, uint64_t pa, uint64_t length, uint64_t chunk)
{
	unsigned bits = 12;
	while (bits + 1 < 39 && ((iova | pa) & ((2ULL << bits) - 1)) == 0 &&
	       length >= 2ULL << bits && (chunk == 0 || chunk >= 2ULL << bits))
		bits++;
	return bits;
}

/* The level whose entries are not larger than 2^BITS. */
static unsigned level_of(unsigned bits)
{
	return (bits - 12) / INDEX_BITS + 1;
}

/* A leaf: what it is for, and its first entry of COPIES. */
struct leaf {
	uint64_t iova;
	uint64_t size;
	uint64_t at;
	uint64_t copies;
};

/* False: none holds IOVA. */
static bool leaf_of(struct amd_tables *tables, uint64_t iova, struct leaf *leaf)
{
	uint64_t at, entry;
	unsigned level;
	if (!find_leaf(tables, iova, &at, &level, &entry))
		return false;
	leaf->size = 1ULL << leaf_bits(entry, level);
	leaf->iova = align_down(iova, leaf->size);
	leaf->copies = leaf->size >> amd_level_shift(level);
	leaf->at = entry_pa(at / PAGE_SIZE, leaf->iova, level);
	return true;
}

static uint64_t leaf_entry(uint64_t pa, unsigned bits, uint32_t prot)
{
	uint64_t entry = PTE_PR | PTE_FC | (prot & IOMMU_READ ? PTE_IR : 0) |
			 (prot & IOMMU_WRITE ? PTE_IW : 0);
	if (bits == amd_level_shift(level_of(bits)))
		return entry | (pa & PTE_ADDR);
	/* Coded size: ones below bit BITS - 1, which is 0. */
	uint64_t ones = ((1ULL << (bits - 1)) - 1) & PTE_ADDR;
	return entry | field_put(PTE_NEXT, NEXT_CODED_SIZE) | (pa & PTE_ADDR) | ones;
}

/* Every slot that the leaf covers holds the same entry. */
static bool put_leaf(struct amd_tables *tables, uint64_t iova, uint64_t pa, unsigned bits,
		     uint32_t prot)
{
	unsigned level = level_of(bits);
	uint64_t copies = 1ULL << (bits - amd_level_shift(level)), at;
	if (!make_path(tables, iova, level, &at))
		return false;
	for (uint64_t i = 0; i < copies; i++) {
		if (level > 1) /* nothing is mapped there any more */
			free_below(tables, at + 8 * i, level, iova + (i << amd_level_shift(level)));
		write_entry(tables, at + 8 * i, leaf_entry(pa, bits, prot));
	}
	return true;
}

int amd_tables_map(struct amd_tables *tables, uint64_t iova, uint64_t pa, uint64_t length,
		   uint32_t prot, uint64_t chunk, bool *grew)
{
	uint64_t done = 0;
	bool good = grow_to(tables, iova + length - 1, grew);
	while (good && done < length) {
		unsigned bits = pick_bits(iova + done, pa + done, length - done, chunk);
		good = put_leaf(tables, iova + done, pa + done, bits, prot);
		done += good ? 1ULL << bits : 0;
	}
	if (!good && done > 0)
		amd_tables_unmap(tables, iova, done);
	return good ? 0 : -ENOMEM;
}

void amd_tables_unmap(struct amd_tables *tables, uint64_t iova, uint64_t length)
{
	uint64_t done = 0;
	while (done < length) {
		struct leaf leaf;
		if (!leaf_of(tables, iova + done, &leaf)) {
			done += PAGE_SIZE; /* DMA has overwritten it */
			continue;
		}
		for (uint64_t i = 0; i < leaf.copies; i++)
			write_entry(tables, leaf.at + 8 * i, 0);
		done = leaf.iova + leaf.size - iova;
	}
	if (length >= 1ULL << amd_level_shift(2)) /* less is no table's */
		free_covered(tables, tables->root_pfn, tables->mode, iova, iova + length - 1);
}

bool amd_tables_find(struct amd_tables *tables, uint64_t iova, uint64_t *pa)
{
	uint64_t at, entry;
	unsigned level;
	if (!find_leaf(tables, iova, &at, &level, &entry))
		return false;
	uint64_t mask = (1ULL << leaf_bits(entry, level)) - 1;
	*pa = (entry & PTE_ADDR & ~mask) | (iova & mask);
	return true;
}

/* Any of the replicas may carry D (11). */
static bool is_dirty(const struct amd_tables *tables, const struct leaf *leaf)
{
	uint64_t entries = 0;
	for (uint64_t i = 0; i < leaf->copies; i++)
		entries |= read_entry(tables, leaf->at + 8 * i);
	return entries & PTE_D;
}

static void make_clean(struct amd_tables *tables, const struct leaf *leaf)
{
	for (uint64_t i = 0; i < leaf->copies; i++) {
		uint64_t at = leaf->at + 8 * i;
		write_entry(tables, at, read_entry(tables, at) & ~PTE_D);
	}
}

void amd_tables_read_dirty(struct amd_tables *tables, uint64_t iova, uint64_t last, bool clear,
			   dirty_fn *report, void *context)
{
	while (iova <= last) {
		struct leaf leaf = {.iova = iova, .size = PAGE_SIZE};
		if (leaf_of(tables, iova, &leaf) && is_dirty(tables, &leaf)) {
			report(context, leaf.iova, leaf.size);
			if (clear)
				make_clean(tables, &leaf);
		}
		if (add_overflows(leaf.iova, leaf.size, &iova))
			return;
	}
}
