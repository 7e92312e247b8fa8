// SPDX-License-Identifier: Apache-2.0
/* The TLB: finite, set-associative, tagged by VMID (smmuv3 7). */
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"

void tlb_init(struct tlb *tlb, struct machine *machine, uint32_t sets, uint32_t ways)
{
	memset(tlb, 0, sizeof(*tlb));
	/* Rounded down to a power of two, so that a mask finds the set. */
	tlb->sets = sets > 1 ? 1U << (31 - __builtin_clz(sets)) : 1;
	tlb->ways = ways;
	tlb->entries = arena_alloc(machine->arena, sizeof(*tlb->entries) * tlb->sets * ways);
}

static struct tlb_entry *set_of(struct tlb *tlb, uint16_t vmid, uint64_t input)
{
	uint64_t hash = (input ^ (uint64_t)vmid << 7) * 0x9e3779b97f4a7c15ULL >> 40;
	return &tlb->entries[(hash & (tlb->sets - 1)) * tlb->ways];
}

/* Of a leaf of 2^ORDER pages that holds page INPUT. */
static uint64_t first_page(uint64_t input, uint32_t order)
{
	return input & ~((1ULL << order) - 1);
}

struct tlb_entry *tlb_lookup(struct tlb *tlb, uint16_t vmid, uint64_t input)
{
	for (uint32_t orders = tlb->orders; orders != 0; orders &= orders - 1) {
		uint32_t order = (uint32_t)__builtin_ctz(orders);
		uint64_t first = first_page(input, order);
		struct tlb_entry *set = set_of(tlb, vmid, first);
		for (uint32_t way = 0; way < tlb->ways; way++) {
			struct tlb_entry *entry = &set[way];
			if (!entry->valid || entry->vmid != vmid || entry->order != order ||
			    entry->input != first)
				continue;
			tlb->hits++;
			return entry;
		}
	}
	tlb->misses++;
	return NULL;
}

void tlb_insert(struct tlb *tlb, const struct tlb_entry *entry)
{
	struct tlb_entry *set = set_of(tlb, entry->vmid, entry->input);
	struct tlb_entry *victim = &set[tlb->next_victim++ % tlb->ways];
	for (uint32_t way = 0; way < tlb->ways; way++)
		if (!set[way].valid)
			victim = &set[way];
	*victim = *entry;
	victim->valid = true;
	tlb->orders |= 1U << entry->order;
}

uint32_t tlb_remove_at(struct tlb *tlb, uint32_t order, uint16_t vmid, uint64_t first,
		       tlb_match_fn *match, const void *key)
{
	struct tlb_entry *set = set_of(tlb, vmid, first);
	uint32_t removed = 0;
	for (uint32_t way = 0; way < tlb->ways; way++) {
		if (!set[way].valid || set[way].order != order || !match(&set[way], key))
			continue;
		set[way].valid = false;
		removed++;
	}
	return removed;
}

uint32_t tlb_remove(struct tlb *tlb, tlb_match_fn *match, const void *key)
{
	uint32_t removed = 0;
	for (uint32_t i = 0; i < tlb->sets * tlb->ways; i++) {
		if (!tlb->entries[i].valid || !match(&tlb->entries[i], key))
			continue;
		tlb->entries[i].valid = false;
		removed++;
	}
	return removed;
}
