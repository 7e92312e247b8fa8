// SPDX-License-Identifier: Apache-2.0
/*
 * The mock domain's page table (iommufd 7.4): three levels of 512 entries over 2 KiB granules. An
 * IOPTE larger than its level's entry is repeated; its first entry carries the dirty bit.
 */
#include <assert.h>
#include <errno.h>

#include "kernel_shim/drivers/mock/mock.h"

#define GRANULE_SHIFT 11
#define LEVEL_BITS    9
#define ENTRIES       (1U << LEVEL_BITS)
#define LEVELS        3
#define PA_BITS       51

/* A leaf: address 11..50, present 0, dirty 1, log2 of the size 56..61. A table: its pointer. */
#define ENTRY_PRESENT    1ULL
#define ENTRY_DIRTY      2ULL
#define ENTRY_ADDRESS    0x7fffffffff800ULL
#define ENTRY_SIZE_SHIFT 56

struct mock_table {
	uint64_t entries[ENTRIES];
	uint32_t used;
};

static unsigned level_shift(unsigned level)
{
	return GRANULE_SHIFT + LEVEL_BITS * level;
}

static unsigned index_at(uint64_t iova, unsigned level)
{
	return iova >> level_shift(level) & (ENTRIES - 1);
}

static struct mock_table *table_of(uint64_t entry)
{
	return (struct mock_table *)(uintptr_t)entry;
}

static bool is_leaf(uint64_t entry)
{
	return entry & ENTRY_PRESENT;
}

static uint64_t leaf_size(uint64_t entry)
{
	return 1ULL << (entry >> ENTRY_SIZE_SHIFT);
}

/* The leaf that translates IOVA: pointer to the first of its entries, and its level. */
static uint64_t *find_leaf(struct mock_domain *mock, uint64_t iova, struct mock_table **table)
{
	struct mock_table *at = mock->root;
	if (iova >> MOCK_TABLE_BITS != 0)
		return NULL;
	for (unsigned level = LEVELS - 1; at != NULL; level--) {
		uint64_t entry = at->entries[index_at(iova, level)];
		if (is_leaf(entry)) {
			*table = at;
			return &at->entries[index_at(align_down(iova, leaf_size(entry)), level)];
		}
		if (level == 0)
			break;
		at = table_of(entry);
	}
	return NULL;
}

static unsigned level_of_size(uint64_t size)
{
	unsigned level = ((unsigned)__builtin_ctzll(size) - GRANULE_SHIFT) / LEVEL_BITS;
	return level < LEVELS ? level : LEVELS - 1;
}

/* The table at LEVEL above IOVA, made where missing; NULL where a leaf is in the way. */
static struct mock_table *get_table(struct mock_domain *mock, uint64_t iova, unsigned level)
{
	struct arena *arena = mock->domain.machine->arena;
	if (mock->root == NULL)
		mock->root = arena_new(arena, struct mock_table);
	struct mock_table *at = mock->root;
	for (unsigned up = LEVELS - 1; up > level; up--) {
		uint64_t *entry = &at->entries[index_at(iova, up)];
		if (is_leaf(*entry))
			return NULL;
		if (*entry == 0) {
			*entry = (uint64_t)(uintptr_t)arena_new(arena, struct mock_table);
			at->used++;
		}
		at = table_of(*entry);
	}
	return at;
}

static int in_the_way(struct mock_domain *mock)
{
	return refuse(mock->domain.machine, EADDRINUSE, "iommufd 3.3",
		      "the domain has a mapping there");
}

/*
 * Writes COUNT leaves of SIZE from IOVA on that lie in one table; *DONE counts those written.
 */
static int map_run(struct mock_domain *mock, uint64_t iova, uint64_t pa, uint64_t size,
		   uint64_t count, uint64_t *done)
{
	unsigned level = level_of_size(size);
	struct mock_table *table = get_table(mock, iova, level);
	*done = 0;
	if (table == NULL)
		return in_the_way(mock);
	uint64_t repeats = size >> level_shift(level);
	uint64_t *entry = &table->entries[index_at(iova, level)];
	uint64_t value = pa | ENTRY_PRESENT | (uint64_t)__builtin_ctzll(size) << ENTRY_SIZE_SHIFT;
	uint64_t room = (uint64_t)(&table->entries[ENTRIES] - entry) / repeats;
	uint64_t wanted = count < room ? count : room;
	count = wanted;
	if (table->used != 0)
		for (uint64_t i = 0; i < count * repeats; i++)
			if (entry[i] != 0)
				count = i / repeats; /* what stands before it fits */
	for (uint64_t i = 0; i < count; i++, value += size)
		for (uint64_t j = 0; j < repeats; j++)
			*entry++ = value;
	table->used += (uint32_t)(count * repeats);
	*done = count;
	return count < wanted ? in_the_way(mock) : 0;
}

/* The largest page size that alignment, rest and CHUNK allow; 0: none fits (7.4). */
static uint64_t pick_size(const struct mock_domain *mock, uint64_t iova, uint64_t pa,
			  uint64_t length, uint64_t chunk)
{
	uint64_t sizes = mock->domain.pgsize_bitmap;
	uint64_t align = iova | pa;
	uint64_t limit = chunk != 0 && chunk < length ? chunk : length;
	if (align != 0) {
		uint64_t lowest = align & -align;
		limit = limit < lowest ? limit : lowest;
	}
	uint64_t top = 1ULL << (63 - __builtin_clzll(limit));
	sizes &= (top << 1) - 1;
	return sizes == 0 ? 0 : 1ULL << (63 - __builtin_clzll(sizes));
}

/*
 * How many IOPTEs of SIZE the greedy choice makes in a row: until a larger size fits, or until
 * less than SIZE is left.
 */
static uint64_t same_size_run(const struct mock_domain *mock, uint64_t iova, uint64_t pa,
			      uint64_t size, uint64_t end, uint64_t chunk)
{
	uint64_t larger = mock->domain.pgsize_bitmap & ~(2 * size - 1);
	uint64_t count = (end - iova) / size;
	if (larger == 0 || (chunk != 0 && chunk < 2 * size))
		return count;
	uint64_t next = larger & -larger; /* fits where both are aligned to it, if ever */
	if (((iova ^ pa) & (next - 1)) != 0)
		return count;
	uint64_t until = (next - (iova & (next - 1))) / size;
	return until < count ? until : count;
}

int mock_table_map(struct mock_domain *mock, uint64_t iova, uint64_t pa, uint64_t length,
		   uint64_t chunk)
{
	struct machine *machine = mock->domain.machine;
	uint64_t start = iova, end = iova + length;
	if ((end - 1) >> MOCK_TABLE_BITS != 0 || (pa + length - 1) >> PA_BITS != 0)
		return refuse(machine, ERANGE, "iommufd 3.3", "an address does not fit the table");
	while (iova < end) {
		uint64_t size = pick_size(mock, iova, pa, end - iova, chunk), done = 0;
		int error =
			size == 0 ? refuse(machine, ENXIO, "iommufd 3.3", "no page size fits")
				  : map_run(mock, iova, pa, size,
					    same_size_run(mock, iova, pa, size, end, chunk), &done);
		iova += done * size;
		pa += done * size;
		if (error != 0) {
			if (iova > start)
				mock_table_unmap(mock, start, iova - start);
			return error;
		}
	}
	return 0;
}

/*
 * Clears the leaves of one table from IOVA up to END, and tables that became empty; returns where
 * it stopped. What is not mapped, as the host has taken it, is passed over.
 */
static uint64_t unmap_run(struct mock_domain *mock, uint64_t iova, uint64_t end)
{
	struct mock_table *path[LEVELS];
	struct mock_table *at = mock->root;
	unsigned level = LEVELS - 1;
	for (; at != NULL; level--) {
		path[level] = at;
		uint64_t entry = at->entries[index_at(iova, level)];
		if (is_leaf(entry))
			break;
		at = level > 0 ? table_of(entry) : NULL;
	}
	if (at == NULL)
		return iova + (1ULL << level_shift(0));
	unsigned index = index_at(iova, level);
	uint64_t span = 1ULL << level_shift(level + 1);
	if (level == 0 && index == 0 && end - iova >= span && at->used == ENTRIES) {
		at->used = 0; /* the whole table goes: no need to clear it */
		iova += span;
	}
	while (at->used != 0 && iova < end && index < ENTRIES && is_leaf(at->entries[index])) {
		uint64_t size = leaf_size(at->entries[index]);
		uint32_t repeats = (uint32_t)(size >> level_shift(level));
		for (uint32_t i = 0; i < repeats; i++)
			at->entries[index + i] = 0;
		at->used -= repeats;
		index += repeats;
		iova += size;
	}
	for (; level < LEVELS - 1 && path[level]->used == 0; level++) {
		arena_delete(mock->domain.machine->arena, path[level]);
		path[level + 1]->entries[index_at(iova - 1, level + 1)] = 0;
		path[level + 1]->used--;
	}
	return iova;
}

void mock_table_unmap(struct mock_domain *mock, uint64_t iova, uint64_t length)
{
	uint64_t end = iova + length;
	while (iova < end)
		iova = unmap_run(mock, iova, end);
}

bool mock_table_translate(struct mock_domain *mock, uint64_t iova, uint64_t *pa)
{
	struct mock_table *table;
	uint64_t *leaf = find_leaf(mock, iova, &table);
	if (leaf == NULL)
		return false;
	*pa = (*leaf & ENTRY_ADDRESS) + (iova & (leaf_size(*leaf) - 1));
	return true;
}

void mock_table_set_dirty(struct mock_domain *mock, uint64_t iova)
{
	struct mock_table *table;
	uint64_t *leaf = find_leaf(mock, iova, &table);
	if (leaf != NULL)
		*leaf |= ENTRY_DIRTY;
}

void mock_table_read_dirty(struct mock_domain *mock, uint64_t iova, uint64_t last, bool clear,
			   dirty_fn *report, void *context)
{
	while (iova <= last) {
		struct mock_table *table;
		uint64_t *leaf = find_leaf(mock, iova, &table);
		if (leaf == NULL)
			return;
		uint64_t size = leaf_size(*leaf), base = align_down(iova, size);
		if (*leaf & ENTRY_DIRTY) {
			report(context, base, size);
			if (clear)
				*leaf &= ~ENTRY_DIRTY;
		}
		if (add_overflows(base, size, &iova))
			return;
	}
}

static void free_tables(struct arena *arena, struct mock_table *table, unsigned level)
{
	for (unsigned i = 0; level > 0 && i < ENTRIES; i++)
		if (table->entries[i] != 0 && !is_leaf(table->entries[i]))
			free_tables(arena, table_of(table->entries[i]), level - 1);
	arena_delete(arena, table);
}

void mock_table_free(struct mock_domain *mock)
{
	if (mock->root != NULL)
		free_tables(mock->domain.machine->arena, mock->root, LEVELS - 1);
	mock->root = NULL;
}
