// SPDX-License-Identifier: Apache-2.0
#include "models/atc.h"

#include "emu/machine.h"

#define ENTRIES 64U /* the device's own affair: no sheet has a size */
#define WAYS    4U

/* Lies in the arena until the device has answered. */
struct atc_invalidation {
	LIST_ENTRY(atc_invalidation) link;
	struct atc *atc;
	struct event event;
	uint64_t due_ps;
	struct tlb_tag tag;
	bool any_pasid;
	uint64_t first; /* pages */
	uint64_t last;
};

void atc_init(struct atc *atc, struct machine *machine)
{
	LIST_INIT(&atc->invalidations);
	tlb_init(&atc->entries, machine, ENTRIES, WAYS);
}

const struct tlb_entry *atc_find(struct atc *atc, struct tlb_tag tag, uint64_t page, bool write)
{
	const struct tlb_entry *entry = tlb_lookup(&atc->entries, tag, page);
	bool serves = entry != NULL && (entry->perm & (write ? ATC_WRITE : ATC_READ));
	return serves ? entry : NULL;
}

static void invalidated(struct event *event)
{
	struct atc_invalidation *one = event->owner;
	tlb_remove_span(&one->atc->entries, one->tag, one->any_pasid, one->first, one->last);
	LIST_REMOVE(one, link);
	arena_delete(one->atc->entries.machine->arena, one);
}

void atc_invalidate(struct atc *atc, struct tlb_tag tag, bool any_pasid, uint64_t first,
		    uint64_t last, uint64_t due_ps)
{
	struct machine *machine = atc->entries.machine;
	struct atc_invalidation *one = arena_new(machine->arena, struct atc_invalidation);
	one->atc = atc;
	one->event.fn = invalidated;
	one->event.owner = one;
	one->due_ps = due_ps;
	one->tag = tag;
	one->any_pasid = any_pasid;
	one->first = first;
	one->last = last;
	LIST_INSERT_HEAD(&atc->invalidations, one, link);
	clock_post(&machine->clock, &one->event, due_ps, EVENT_HARDWARE);
}

void atc_hash(const struct atc *atc, struct hash *hash)
{
	const struct atc_invalidation *one;
	tlb_hash(&atc->entries, hash);
	LIST_FOREACH (one, &atc->invalidations, link) {
		hash_u64(hash, one->due_ps);
		hash_u64(hash, (uint64_t)one->tag.space << 2 | (uint64_t)one->any_pasid << 1 |
				       one->tag.stage1);
		hash_u64(hash, one->first);
		hash_u64(hash, one->last);
	}
}
