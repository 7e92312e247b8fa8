/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A translation cache: finite, set-associative, tagged as both architectures tag theirs (smmuv3 7,
 * amd-iommu 9).
 *
 * Concepts
 *   entry   one leaf of 2^ORDER pages, found under its first page; made by stage 2 (host tables)
 *           alone, or by or with stage 1 (guest tables)
 *   domain  VMID, DomainID
 *   space   of stage 1, within a domain: ASID, PASID; a global entry is in all
 *   bucket  entries of domains that share their low bits, linked: invalidating a domain costs what
 *           these are, not what the cache holds
 *
 * Digests of keys stand apart from the rest: a lookup that misses reads nothing else, four ways at
 * once. So do the links of buckets, which a walk of one follows from each to the next. The rest of
 * a set is made when its first entry comes.
 */
#ifndef HWQ_MODELS_TLB_H
#define HWQ_MODELS_TLB_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/hash.h"

#define TLB_BUCKETS    256U
#define TLB_ORDERS_MAX 52U

struct machine;

/* Of four ways' keys; 0: no entry. */
typedef uint32_t tlb_digests __attribute__((vector_size(16)));

struct tlb_tag {
	bool stage1;
	bool global; /* of an entry: it is in every space */
	uint16_t domain;
	uint32_t space;
};

struct tlb_entry {
	struct tlb_tag tag;
	uint8_t order; /* log2 of its pages */
	uint8_t perm;  /* of the engine: PTE_S2_READ | PTE_S2_WRITE, and others */
	uint8_t level; /* of the engine: of the descriptor that said it */
	/* Larger than order: it is a piece, cut by stage 2, of a leaf of stage 1 that has this order. */
	uint8_t reach;
	uint64_t pa; /* its first page */
};

struct tlb {
	struct machine *machine;
	/* By an entry's number, which is set << way_bits | way. */
	uint64_t *keys; /* valid, stage, order, first page (tlb.c); 0: none */
	tlb_digests *digests;
	uint32_t *next; /* in its bucket: number + 1 */
	uint32_t *previous;
	uint32_t way_bits;
	uint32_t row; /* digests a set */
	struct tlb_entry **sets;
	uint32_t set_count; /* a power of two */
	uint32_t ways;
	uint32_t next_victim; /* round robin over ways */
	uint64_t orders;      /* bit n: there are entries of order n */
	uint32_t order_counts[TLB_ORDERS_MAX];
	uint32_t count;
	uint32_t stage1_count; /* entries that stage 1 made, alone or with stage 2 */
	uint32_t piece_count;  /* of them those that are pieces */
	uint32_t buckets[TLB_BUCKETS];
	uint64_t hits;
	uint64_t misses;
};

/* ENTRIES over sets of WAYS, rounded down to a power of two sets. With none it never keeps anything. */
void tlb_init(struct tlb *tlb, struct machine *machine, uint32_t entries, uint32_t ways);
/* What translates PAGE under TAG, or NULL. */
const struct tlb_entry *tlb_lookup(struct tlb *tlb, struct tlb_tag tag, uint64_t page);
/* A leaf that holds PAGE. */
void tlb_insert(struct tlb *tlb, const struct tlb_entry *entry, uint64_t page);

/* Each removes what matches, and returns how many. A piece goes with any page of the leaf that it is of. */
uint32_t tlb_remove_all(struct tlb *tlb);
uint32_t tlb_remove_domain(struct tlb *tlb, uint16_t domain);
uint32_t tlb_remove_stage1(struct tlb *tlb, uint16_t domain);
uint32_t tlb_remove_space(struct tlb *tlb, uint16_t domain, uint32_t space);
/* Entries of stage 2 that hold any of the pages [FIRST, LAST]. */
uint32_t tlb_remove_range(struct tlb *tlb, uint16_t domain, uint64_t first, uint64_t last);
/* Entries that hold any of the pages [FIRST, LAST]; otherwise as tlb_remove_page(). */
uint32_t tlb_remove_span(struct tlb *tlb, struct tlb_tag tag, bool any_space, uint64_t first,
			 uint64_t last);
/* The same of entries of LEVEL alone; 0: of any. */
uint32_t tlb_remove_level(struct tlb *tlb, struct tlb_tag tag, bool any_space, uint8_t level,
			  uint64_t first, uint64_t last);
/* Entries that hold PAGE. With stage 1: of the space and global ones, or of any. */
uint32_t tlb_remove_page(struct tlb *tlb, struct tlb_tag tag, bool any_space, uint64_t page);

void tlb_hash(const struct tlb *tlb, struct hash *hash);

#endif
