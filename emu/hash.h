/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canonical hash of state: each component feeds what matters of it, in an order that does not
 * depend on addresses. Two machines with equal hashes behave alike.
 */
#ifndef HWQ_EMU_HASH_H
#define HWQ_EMU_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash {
	uint64_t value;
};

static inline void hash_init(struct hash *hash)
{
	hash->value = 0x9e3779b97f4a7c15ULL;
}

/* The finaliser of splitmix64 over a running value. */
static inline void hash_u64(struct hash *hash, uint64_t value)
{
	uint64_t x = hash->value ^ value;
	x = (x + 0x9e3779b97f4a7c15ULL);
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	hash->value = x ^ (x >> 31);
}

static inline void hash_bytes(struct hash *hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	hash_u64(hash, size);
	while (size > 0) {
		uint64_t word = 0;
		size_t n = size < 8 ? size : 8;
		for (size_t i = 0; i < n; i++)
			word |= (uint64_t)bytes[i] << (8 * i);
		hash_u64(hash, word);
		bytes += n;
		size -= n;
	}
}

#endif
