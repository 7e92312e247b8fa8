// SPDX-License-Identifier: Apache-2.0
#include "models/tlb.h"

#include <assert.h>
#include <string.h>

#include "emu/machine.h"

/* key: valid 63, stage 1 62, order 52..57, first page 0..51 */
#define KEY_VALID    (1ULL << 63)
#define KEY_PAGE     ((1ULL << 52) - 1)
#define WAY_BITS_MIN 2U /* the ways of one tlb_digests */

static uint64_t key_of(bool stage1, uint32_t order, uint64_t page)
{
	return KEY_VALID | (uint64_t)stage1 << 62 | (uint64_t)order << 52 |
	       (page & KEY_PAGE) >> order << order;
}

/* Equal for equal keys, and seldom for others; never 0. */
static inline uint32_t digest_of(bool stage1, uint32_t order, uint64_t page)
{
	return ((uint32_t)(page >> order) << 1 | 1) ^ order << 24 ^ (uint32_t)stage1 << 31;
}

void tlb_init(struct tlb *tlb, struct machine *machine, uint32_t entries, uint32_t ways)
{
	uint32_t sets = entries / ways;
	memset(tlb, 0, sizeof(*tlb));
	tlb->machine = machine;
	if (entries == 0)
		return;
	tlb->set_count = sets > 1 ? 1U << (31 - __builtin_clz(sets)) : 1;
	tlb->ways = ways;
	tlb->way_bits = WAY_BITS_MIN;
	while (1U << tlb->way_bits < ways)
		tlb->way_bits++;
	tlb->row = 1U << (tlb->way_bits - WAY_BITS_MIN);
	size_t numbers = (size_t)tlb->set_count << tlb->way_bits;
	tlb->keys = arena_alloc(machine->arena, sizeof(*tlb->keys) * numbers);
	tlb->digests = arena_alloc(machine->arena, sizeof(uint32_t) * numbers);
	tlb->next = arena_alloc(machine->arena, sizeof(*tlb->next) * numbers);
	tlb->previous = arena_alloc(machine->arena, sizeof(*tlb->previous) * numbers);
	tlb->sets = arena_alloc(machine->arena, sizeof(*tlb->sets) * tlb->set_count);
}

/* Neighbouring leaves lie in neighbouring sets; domains begin at different ones. */
static inline uint32_t set_of(const struct tlb *tlb, uint16_t domain, uint32_t order, uint64_t page)
{
	return ((uint32_t)(page >> order) + domain * 0x9e3779b1U) & (tlb->set_count - 1);
}

static inline uint64_t *keys_of(const struct tlb *tlb, uint32_t set)
{
	return &tlb->keys[(size_t)set << tlb->way_bits];
}

static struct tlb_entry *entry_at(const struct tlb *tlb, uint32_t number)
{
	return &tlb->sets[number >> tlb->way_bits][number & ((1U << tlb->way_bits) - 1)];
}

static inline bool tag_matches(const struct tlb_entry *entry, struct tlb_tag tag, bool any_space)
{
	return entry->tag.domain == tag.domain &&
	       (!tag.stage1 || any_space || entry->tag.global || entry->tag.space == tag.space);
}

/* Whether some way of SET may have a key with this digest. */
static inline bool may_have(const struct tlb *tlb, uint32_t set, uint32_t digest)
{
	typedef int64_t halves __attribute__((vector_size(16)));
	const tlb_digests wanted = {digest, digest, digest, digest};
	const tlb_digests *digests = &tlb->digests[(size_t)set * tlb->row];
	const tlb_digests *end = digests + tlb->row;
	for (; digests < end; digests++) {
		halves equal = (halves)(*digests == wanted);
		if ((equal[0] | equal[1]) != 0)
			return true;
	}
	return false;
}

static void set_key(struct tlb *tlb, uint32_t number, uint64_t key, uint32_t digest)
{
	tlb->keys[number] = key;
	tlb->digests[number >> WAY_BITS_MIN][number & ((1U << WAY_BITS_MIN) - 1)] = digest;
}

/* The way of SET from FIRST on that has this key and tag; else the number of ways. */
static inline uint32_t find_way(const struct tlb *tlb, uint32_t set, uint32_t first, uint64_t key,
				struct tlb_tag tag, bool any_space)
{
	const uint64_t *keys = keys_of(tlb, set);
	uint32_t way = first;
	while (way < tlb->ways &&
	       (keys[way] != key || !tag_matches(&tlb->sets[set][way], tag, any_space)))
		way++;
	return way;
}

const struct tlb_entry *tlb_lookup(struct tlb *tlb, struct tlb_tag tag, uint64_t page)
{
	for (uint64_t orders = tlb->orders; orders != 0; orders &= orders - 1) {
		uint32_t order = (uint32_t)__builtin_ctzll(orders);
		uint32_t set = set_of(tlb, tag.domain, order, page);
		if (!may_have(tlb, set, digest_of(tag.stage1, order, page)))
			continue;
		uint64_t key = key_of(tag.stage1, order, page);
		uint32_t way = find_way(tlb, set, 0, key, tag, false);
		if (way < tlb->ways) {
			tlb->hits++;
			return &tlb->sets[set][way];
		}
	}
	tlb->misses++;
	return NULL;
}

/* --- buckets --- */

static uint32_t *bucket_of(struct tlb *tlb, uint16_t domain)
{
	return &tlb->buckets[domain % TLB_BUCKETS];
}

static inline bool is_piece(const struct tlb_entry *entry)
{
	return entry->reach > entry->order;
}

/* An entry more; the orders that there are follow. */
static void count_entry(struct tlb *tlb, const struct tlb_entry *entry)
{
	tlb->count++;
	tlb->stage1_count += entry->tag.stage1;
	tlb->piece_count += is_piece(entry);
	tlb->order_counts[entry->order]++;
	tlb->orders |= 1ULL << entry->order;
}

/* An entry less: count_orders() is due when the last one has gone. */
static inline void discount_entry(struct tlb *tlb, const struct tlb_entry *entry)
{
	tlb->count--;
	tlb->stage1_count -= entry->tag.stage1;
	tlb->piece_count -= is_piece(entry);
	tlb->order_counts[entry->order]--;
}

static void count_orders(struct tlb *tlb)
{
	for (uint64_t orders = tlb->orders; orders != 0; orders &= orders - 1)
		if (tlb->order_counts[__builtin_ctzll(orders)] == 0)
			tlb->orders &= ~(orders & -orders);
}

static void link_entry(struct tlb *tlb, uint32_t number)
{
	const struct tlb_entry *entry = entry_at(tlb, number);
	uint32_t *head = bucket_of(tlb, entry->tag.domain);
	tlb->next[number] = *head;
	tlb->previous[number] = 0;
	if (*head != 0)
		tlb->previous[*head - 1] = number + 1;
	*head = number + 1;
	count_entry(tlb, entry);
}

static void remove_entry(struct tlb *tlb, uint32_t number)
{
	const struct tlb_entry *entry = entry_at(tlb, number);
	uint32_t next = tlb->next[number], previous = tlb->previous[number];
	if (previous != 0)
		tlb->next[previous - 1] = next;
	else
		*bucket_of(tlb, entry->tag.domain) = next;
	if (next != 0)
		tlb->previous[next - 1] = previous;
	set_key(tlb, number, 0, 0);
	discount_entry(tlb, entry);
	count_orders(tlb);
}

static uint32_t victim_of(struct tlb *tlb, uint32_t set)
{
	const uint64_t *keys = keys_of(tlb, set);
	assert(tlb->ways > 0);
	for (uint32_t way = 0; way < tlb->ways; way++)
		if (keys[way] == 0)
			return way;
	return tlb->next_victim++ % tlb->ways;
}

void tlb_insert(struct tlb *tlb, const struct tlb_entry *entry, uint64_t page)
{
	assert(entry->order < TLB_ORDERS_MAX);
	if (tlb->ways == 0)
		return;
	uint64_t key = key_of(entry->tag.stage1, entry->order, page);
	uint32_t set = set_of(tlb, entry->tag.domain, entry->order, page);
	uint32_t way = find_way(tlb, set, 0, key, entry->tag, false);
	if (way == tlb->ways)
		way = victim_of(tlb, set);
	if (tlb->sets[set] == NULL)
		tlb->sets[set] = arena_alloc(tlb->machine->arena, sizeof(*entry) * tlb->ways);
	uint32_t number = set << tlb->way_bits | way;
	if (tlb->keys[number] != 0)
		remove_entry(tlb, number);
	tlb->sets[set][way] = *entry;
	set_key(tlb, number, key, digest_of(entry->tag.stage1, entry->order, page));
	link_entry(tlb, number);
}

/* --- invalidation (7.3) --- */

/* What is to go, beside the domain. */
struct wanted {
	struct tlb_tag tag;
	bool any_space;
	uint32_t space;
	uint8_t level;  /* 0: any */
	uint64_t first; /* pages */
	uint64_t last;
};

typedef bool match_fn(const struct tlb_entry *entry, uint64_t page, const struct wanted *wanted);

/* Walks the bucket once; who stays is linked anew, who goes is not touched twice. */
static inline uint32_t remove_from_bucket(struct tlb *tlb, uint16_t domain,
					  const struct wanted *wanted, match_fn *match)
{
	uint32_t removed = 0, kept = 0;
	uint32_t *link = bucket_of(tlb, domain);
	for (uint32_t number = *link; number != 0;) {
		const struct tlb_entry *entry = entry_at(tlb, number - 1);
		uint32_t next = tlb->next[number - 1];
		if (entry->tag.domain == domain &&
		    match(entry, tlb->keys[number - 1] & KEY_PAGE, wanted)) {
			set_key(tlb, number - 1, 0, 0);
			discount_entry(tlb, entry);
			removed++;
		} else {
			*link = number;
			link = &tlb->next[number - 1];
			tlb->previous[number - 1] = kept;
			kept = number;
		}
		number = next;
	}
	*link = 0;
	count_orders(tlb);
	return removed;
}

static bool match_any(const struct tlb_entry *entry, uint64_t page, const struct wanted *wanted)
{
	(void)entry, (void)page, (void)wanted;
	return true;
}

static bool match_stage1(const struct tlb_entry *entry, uint64_t page, const struct wanted *wanted)
{
	(void)page, (void)wanted;
	return entry->tag.stage1;
}

static bool match_space(const struct tlb_entry *entry, uint64_t page, const struct wanted *wanted)
{
	(void)page;
	return entry->tag.stage1 && !entry->tag.global && entry->tag.space == wanted->space;
}

static inline bool level_matches(const struct tlb_entry *entry, uint8_t level)
{
	return level == 0 || entry->level == level;
}

static bool match_span(const struct tlb_entry *entry, uint64_t page, const struct wanted *wanted)
{
	uint32_t order = is_piece(entry) ? entry->reach : entry->order;
	uint64_t first = page >> order << order, last = first + (1ULL << order) - 1;
	return entry->tag.stage1 == wanted->tag.stage1 && level_matches(entry, wanted->level) &&
	       tag_matches(entry, wanted->tag, wanted->any_space) && first <= wanted->last &&
	       last >= wanted->first;
}

uint32_t tlb_remove_domain(struct tlb *tlb, uint16_t domain)
{
	return remove_from_bucket(tlb, domain, NULL, match_any);
}

uint32_t tlb_remove_stage1(struct tlb *tlb, uint16_t domain)
{
	return tlb->stage1_count != 0 ? remove_from_bucket(tlb, domain, NULL, match_stage1) : 0;
}

uint32_t tlb_remove_space(struct tlb *tlb, uint16_t domain, uint32_t space)
{
	return remove_from_bucket(tlb, domain, &(struct wanted){.space = space}, match_space);
}

uint32_t tlb_remove_range(struct tlb *tlb, uint16_t domain, uint64_t first, uint64_t last)
{
	return tlb_remove_span(tlb, (struct tlb_tag){.domain = domain}, true, first, last);
}

uint32_t tlb_remove_all(struct tlb *tlb)
{
	uint32_t removed = tlb->count;
	if (removed == 0)
		return 0;
	size_t numbers = (size_t)tlb->set_count << tlb->way_bits;
	memset(tlb->keys, 0, sizeof(*tlb->keys) * numbers);
	memset(tlb->digests, 0, sizeof(uint32_t) * numbers);
	memset(tlb->buckets, 0, sizeof(tlb->buckets));
	memset(tlb->order_counts, 0, sizeof(tlb->order_counts));
	tlb->orders = 0;
	tlb->count = 0;
	tlb->stage1_count = 0;
	tlb->piece_count = 0;
	return removed;
}

/* Of one set, where a key may match. */
static uint32_t remove_from_set(struct tlb *tlb, uint32_t set, uint64_t key, struct tlb_tag tag,
				bool any_space, uint8_t level)
{
	uint32_t removed = 0;
	for (uint32_t way = 0; (way = find_way(tlb, set, way, key, tag, any_space)) < tlb->ways;
	     way++) {
		if (!level_matches(&tlb->sets[set][way], level))
			continue;
		remove_entry(tlb, set << tlb->way_bits | way);
		removed++;
	}
	return removed;
}

/* Where some set may hold PAGE. Apart, so that the usual miss stays short and saves few registers. */
__attribute__((noinline)) static uint32_t
remove_matches(struct tlb *tlb, struct tlb_tag tag, bool any_space, uint8_t level, uint64_t page)
{
	uint32_t removed = 0;
	for (uint64_t orders = tlb->orders; orders != 0; orders &= orders - 1) {
		uint32_t order = (uint32_t)__builtin_ctzll(orders);
		uint32_t set = set_of(tlb, tag.domain, order, page);
		if (may_have(tlb, set, digest_of(tag.stage1, order, page)))
			removed += remove_from_set(tlb, set, key_of(tag.stage1, order, page), tag,
						   any_space, level);
	}
	return removed;
}

/* By address, with all pieces of the leaf that is there: one command is about the whole leaf (3.6). */
__attribute__((noinline)) static uint32_t
remove_pieces(struct tlb *tlb, struct tlb_tag tag, bool any_space, uint8_t level, uint64_t page)
{
	const struct wanted wanted = {
		.tag = tag, .any_space = any_space, .level = level, .first = page, .last = page};
	return remove_from_bucket(tlb, tag.domain, &wanted, match_span);
}

static inline uint32_t remove_page(struct tlb *tlb, struct tlb_tag tag, bool any_space,
				   uint8_t level, uint64_t page)
{
	if (__builtin_expect(tlb->piece_count != 0, 0) && tag.stage1)
		return remove_pieces(tlb, tag, any_space, level, page);
	for (uint64_t orders = tlb->orders; orders != 0; orders &= orders - 1) {
		uint32_t order = (uint32_t)__builtin_ctzll(orders);
		uint32_t set = set_of(tlb, tag.domain, order, page);
		if (may_have(tlb, set, digest_of(tag.stage1, order, page)))
			return remove_matches(tlb, tag, any_space, level, page);
	}
	return 0;
}

uint32_t tlb_remove_page(struct tlb *tlb, struct tlb_tag tag, bool any_space, uint64_t page)
{
	return remove_page(tlb, tag, any_space, 0, page);
}

uint32_t tlb_remove_span(struct tlb *tlb, struct tlb_tag tag, bool any_space, uint64_t first,
			 uint64_t last)
{
	return tlb_remove_level(tlb, tag, any_space, 0, first, last);
}

uint32_t tlb_remove_level(struct tlb *tlb, struct tlb_tag tag, bool any_space, uint8_t level,
			  uint64_t first, uint64_t last)
{
	const struct wanted wanted = {
		.tag = tag, .any_space = any_space, .level = level, .first = first, .last = last};
	if (tag.stage1 && tlb->stage1_count == 0)
		return 0;
	if (first == last)
		return remove_page(tlb, tag, any_space, level, first);
	return remove_from_bucket(tlb, tag.domain, &wanted, match_span);
}

void tlb_hash(const struct tlb *tlb, struct hash *hash)
{
	hash_u64(hash, tlb->next_victim);
	for (uint32_t set = 0; set < tlb->set_count; set++) {
		const uint64_t *keys = keys_of(tlb, set);
		for (uint32_t way = 0; way < tlb->ways; way++) {
			if (keys[way] == 0)
				continue;
			const struct tlb_entry *entry = &tlb->sets[set][way];
			hash_u64(hash, (uint64_t)set << 32 | way);
			hash_u64(hash, keys[way]);
			hash_u64(hash, entry->pa << 8 | entry->perm);
			hash_u64(hash, (uint64_t)(is_piece(entry) ? entry->reach : 0) << 56 |
					       (uint64_t)entry->level << 48 |
					       (uint64_t)entry->tag.domain << 32 |
					       (uint64_t)entry->tag.space << 1 | entry->tag.global);
		}
	}
}
