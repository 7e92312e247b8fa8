/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation tables of VMSAv8-64, 4 KiB granule, in memory (smmuv3 5).
 *
 * Concepts
 *   stage    1 or 2: the leaves' format; tables are the same
 *   tables   pages that are listed, to be given back; only listed ones are followed
 *   gather   leaves of one size that follow each other, cleared and not yet invalidated
 *   flusher  whom the tables tell what they no longer hold
 */
#ifndef HWQ_KERNEL_SHIM_DRIVERS_IO_PGTABLE_H
#define HWQ_KERNEL_SHIM_DRIVERS_IO_PGTABLE_H

#include "kernel_shim/iommufd.h"
#include "kernel_shim/shared_memory.h"

#define IO_PGTABLE_SIZES (PAGE_SIZE | 1ULL << 21 | 1ULL << 30)

struct iotlb_gather {
	uint64_t start;
	uint64_t end;
	uint64_t granule; /* bytes; 0: empty */
};

struct io_pgtable_flusher {
	/* A table over these bytes is no longer reached: at once, and with what leads to it. */
	void (*walk)(void *context, uint64_t iova, uint64_t size);
	/* A leaf of SIZE bytes is cleared. */
	void (*leaf)(void *context, struct iotlb_gather *gather, uint64_t iova, uint64_t size);
};

struct io_pgtable {
	struct machine *machine;
	unsigned stage;
	unsigned input_bits;
	unsigned start_level;
	bool force_write_back; /* stage 2: S2FWB is set over it (5.3) */
	bool coherent;         /* the hardware's reads see the CPU's caches */
	uint64_t root_pfn;
	struct spans tables; /* frames */
	const struct io_pgtable_flusher *flusher;
	void *context;
};

/* All fields but root_pfn and tables are the caller's to set; false: no memory. */
bool io_pgtable_init(struct io_pgtable *table);
void io_pgtable_fini(struct io_pgtable *table);
/* Bytes mapped: fewer than LENGTH where memory for a table is missing. CHUNK, if not 0, limits a leaf. */
uint64_t io_pgtable_map(struct io_pgtable *table, uint64_t iova, uint64_t pa, uint64_t length,
			uint32_t prot, uint64_t chunk);
/* GATHER: for the flusher; NULL: it is told of tables only. */
void io_pgtable_unmap(struct io_pgtable *table, uint64_t iova, uint64_t length,
		      struct iotlb_gather *gather);
bool io_pgtable_translate(struct io_pgtable *table, uint64_t iova, struct pa *pa);

#endif
