// SPDX-License-Identifier: Apache-2.0
/* How the driver changes an entry that the hardware may be reading (smmuv3 3.6, update algorithm). */
#include <string.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

static uint64_t word_at(const struct arm_smmu_entry *entry, unsigned word)
{
	return entry->at + 8ULL * word;
}

/* Stores words [from, to) that differ from what is there, NOW; if any did, CFGI and CMD_SYNC. */
static void store(const struct arm_smmu_entry *entry, uint64_t now[ENTRY_WORDS],
		  const uint64_t next[ENTRY_WORDS], unsigned from, unsigned to)
{
	bool changed = false;
	for (unsigned word = from; word < to; word++) {
		if (now[word] == next[word])
			continue;
		write_shared_word(entry->smmu->machine, word_at(entry, word), next[word]);
		now[word] = next[word];
		changed = true;
	}
	if (changed)
		arm_smmu_cmdq_issue(entry->smmu, entry->cfgi);
}

/* NOW with all of TARGET that the hardware does not look at yet; the words that are still to change. */
static unsigned prepare(const struct arm_smmu_entry *entry, const uint64_t now[ENTRY_WORDS],
			const uint64_t target[ENTRY_WORDS], uint64_t next[ENTRY_WORDS])
{
	uint64_t now_used[ENTRY_WORDS], target_used[ENTRY_WORDS], safe[ENTRY_WORDS] = {0};
	unsigned critical = 0;
	entry->used(now, now_used);
	entry->used(target, target_used);
	if (entry->safe != NULL)
		entry->safe(now, target, safe);
	for (unsigned word = 0; word < ENTRY_WORDS; word++) {
		uint64_t held = now_used[word] & ~(safe[word] & target_used[word]);
		next[word] = (now[word] & held) | (target[word] & ~held);
		if ((next[word] ^ target[word]) & target_used[word])
			critical |= 1U << word;
	}
	return critical;
}

/*
 * Where all used bits that change lie in one word, that word alone makes the switch, and the hardware
 * sees one entry or the other; else the entry is invalid meanwhile.
 */
void arm_smmu_write_entry(const struct arm_smmu_entry *entry, const uint64_t target[ENTRY_WORDS])
{
	uint64_t now[ENTRY_WORDS], next[ENTRY_WORDS];
	for (unsigned word = 0; word < ENTRY_WORDS; word++)
		now[word] = read_shared_word(entry->smmu->machine, word_at(entry, word));
	unsigned critical = prepare(entry, now, target, next);
	if (critical != 0 && (critical & (critical - 1)) == 0) {
		unsigned word = (unsigned)__builtin_ctz(critical);
		next[word] = now[word];
		store(entry, now, next, 0, ENTRY_WORDS);
		store(entry, now, target, word, word + 1);
	} else if (critical != 0) {
		memcpy(next, now, sizeof(next));
		next[0] &= ~entry->valid;
		store(entry, now, next, 0, 1);
		store(entry, now, target, 1, ENTRY_WORDS);
	}
	store(entry, now, target, 0, ENTRY_WORDS);
}
