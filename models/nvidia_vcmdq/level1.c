// SPDX-License-Identifier: Apache-2.0
/* Level-1 descriptors of the stream table and of tables of contexts, kept as they were fetched (smmuv3 7.1). */
#include "models/nvidia_vcmdq/smmu.h"

void level1_cache_init(struct level1_cache *cache, struct machine *machine, uint32_t count)
{
	cache->count = 1;
	while (cache->count * 2 <= count)
		cache->count *= 2;
	cache->machine = machine;
	cache->entries = NULL;
	cache->used = 0;
	cache->hits = 0;
}

/* Number N of the aligned powers of two. BITS may be 32: all. */
static uint32_t number_of(uint32_t n, unsigned bits)
{
	return (uint32_t)((uint64_t)n >> bits);
}

static struct level1 *place_of(const struct level1_cache *cache, const struct level1_key *key)
{
	uint32_t streams = number_of(key->sid, key->sid_bits);
	uint32_t substreams = number_of(key->ssid, key->ssid_bits);
	return &cache->entries[(streams ^ substreams * 0x9e3779b1U) & (cache->count - 1)];
}

/* Aligned powers of two: one holds the other, or they have nothing in common. */
static bool meet(uint32_t a, unsigned a_bits, uint32_t b, unsigned b_bits)
{
	unsigned bits = a_bits > b_bits ? a_bits : b_bits;
	return number_of(a, bits) == number_of(b, bits);
}

static bool keys_meet(const struct level1_key *a, const struct level1_key *b)
{
	return meet(a->sid, a->sid_bits, b->sid, b->sid_bits) &&
	       meet(a->ssid, a->ssid_bits, b->ssid, b->ssid_bits);
}

bool level1_cache_find(struct level1_cache *cache, const struct level1_key *key,
		       uint64_t *descriptor)
{
	if (cache->used == 0)
		return false;
	const struct level1 *entry = place_of(cache, key);
	if (!entry->valid || entry->key.sid_bits != key->sid_bits ||
	    entry->key.ssid_bits != key->ssid_bits || !keys_meet(&entry->key, key))
		return false;
	*descriptor = entry->descriptor;
	cache->hits++;
	return true;
}

void level1_cache_insert(struct level1_cache *cache, const struct level1_key *key,
			 uint64_t descriptor)
{
	if (cache->entries == NULL)
		cache->entries =
			arena_alloc(cache->machine->arena, sizeof(*cache->entries) * cache->count);
	struct level1 *entry = place_of(cache, key);
	cache->used += !entry->valid;
	*entry = (struct level1){.key = *key, .valid = true, .descriptor = descriptor};
}

void level1_cache_drop(struct level1_cache *cache, const struct level1_key *key)
{
	for (uint32_t i = 0; cache->used > 0 && i < cache->count; i++) {
		struct level1 *entry = &cache->entries[i];
		if (!entry->valid || !keys_meet(&entry->key, key))
			continue;
		entry->valid = false;
		cache->used--;
	}
}

void level1_cache_hash(const struct level1_cache *cache, struct hash *hash)
{
	for (uint32_t i = 0; cache->used > 0 && i < cache->count; i++) {
		const struct level1 *entry = &cache->entries[i];
		if (!entry->valid)
			continue;
		const struct level1_key *key = &entry->key;
		hash_u64(hash, (uint64_t)number_of(key->sid, key->sid_bits) << 32 |
				       number_of(key->ssid, key->ssid_bits));
		hash_u64(hash, (uint64_t)key->sid_bits << 8 | key->ssid_bits);
		hash_u64(hash, entry->descriptor);
	}
}
