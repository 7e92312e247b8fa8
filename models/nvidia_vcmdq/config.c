// SPDX-License-Identifier: Apache-2.0
/* Stream table lookup, and the cache of what STEs say (smmuv3 4.1, 4.2, 7.1). */
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"

#define LEVEL_BITS 9U

void config_cache_init(struct config_cache *cache, struct machine *machine, uint32_t count)
{
	cache->count = 1;
	while (cache->count * 2 <= count)
		cache->count *= 2;
	cache->entries = arena_alloc(machine->arena, sizeof(*cache->entries) * cache->count);
}

void config_cache_drop(struct config_cache *cache, uint32_t sid, uint32_t range)
{
	uint64_t mask = ~((1ULL << range) - 1);
	if (range == 0) {
		struct stream_config *entry = &cache->entries[sid & (cache->count - 1)];
		entry->valid &= entry->sid != sid;
		return;
	}
	for (uint32_t i = 0; i < cache->count; i++)
		if ((cache->entries[i].sid & mask) == (sid & mask))
			cache->entries[i].valid = false;
}

/* Stage 2 from the STE; false: not consistent (C_BAD_STE). */
static bool decode_stage2(const struct smmu *smmu, const uint64_t ste[STE_WORDS],
			  struct stream_config *config)
{
	static const uint8_t start_levels[] = {2, 1, 0, 3};
	unsigned t0sz = (unsigned)field_get(ste[2], STE_S2T0SZ);
	unsigned oas = smmu_address_bits((unsigned)field_get(smmu->idr[5], IDR5_OAS));
	if (field_get(ste[2], STE_S2TG) != 0 || !field_get(ste[2], STE_S2AA64) || t0sz < 16 ||
	    t0sz < 64 - oas || t0sz > 39 || (ste[2] & (STE_S2ENDI | STE_S2HD | STE_S2HA)))
		return false;
	unsigned output = smmu_address_bits((unsigned)field_get(ste[2], STE_S2PS));
	config->input_bits = (uint8_t)(64 - t0sz);
	config->start_level = start_levels[field_get(ste[2], STE_S2SL0)];
	config->output_bits = (uint8_t)(output < oas ? output : oas);
	config->no_access_fault = field_get(ste[2], STE_S2AFFD);
	config->vmid = (uint16_t)field_get(ste[2], STE_S2VMID);
	config->table = ste[3] & STE_S2TTB;
	/* Index bits at the start level: 1 to bits + 4, the rest concatenated tables (5.4). */
	int bits = (int)config->input_bits -
		   (int)(PAGE_SHIFT + LEVEL_BITS * (3U - config->start_level));
	if (config->start_level == 3 || bits < 1 || bits > (int)LEVEL_BITS + 4 ||
	    config->table >> (config->output_bits < 48 ? config->output_bits : 48) != 0)
		return false; /* without DS a table of this granule lies below 2^48 */
	/* Settings of nested streams, and of what IDR registers do not offer (4.2). */
	unsigned eats = (unsigned)field_get(ste[1], STE_EATS);
	if (eats == 2 || (eats == 1 && (ste[2] & STE_S2S)) || (ste[1] & STE_S2FWB))
		return false;
	/* 48 bits of address, and 40 or 42, begin one level lower, concatenated (5.4). */
	if (config->start_level == 0 && oas < 44)
		return false;
	/* The start table is aligned to its size. */
	config->table &= ~((bits < 3 ? 64ULL : 8ULL << bits) - 1);
	return true;
}

static void bad_ste(struct stream_config *config)
{
	config->kind = STREAM_FAULT;
	config->event = EVT_C_BAD_STE;
}

static void decode(const struct smmu *smmu, const uint64_t ste[STE_WORDS],
		   struct stream_config *config)
{
	if (!field_get(ste[0], STE_V)) {
		bad_ste(config);
		return;
	}
	switch (field_get(ste[0], STE_CONFIG)) {
	case STE_CONFIG_BYPASS:
		config->kind = STREAM_BYPASS;
		break;
	case STE_CONFIG_S2:
		config->kind = STREAM_STAGE2;
		if (!decode_stage2(smmu, ste, config))
			bad_ste(config);
		break;
	case STE_CONFIG_S1:
	case STE_CONFIG_NESTED:
		bad_ste(config); /* stage 1: not modelled yet */
		break;
	default:
		config->kind = STREAM_ABORT;
		break;
	}
}

/* A linear table: STE at base + 64 * SID. */
static bool find_ste(const struct smmu *smmu, uint32_t sid, uint64_t *address)
{
	uint32_t log2size = (uint32_t)field_get(smmu->strtab_cfg, STRTAB_CFG_LOG2SIZE);
	uint32_t sid_bits = (uint32_t)field_get(smmu->idr[1], IDR1_SIDSIZE);
	uint64_t base = smmu->strtab_base & STRTAB_BASE_ADDR;
	if (sid >> (log2size < sid_bits ? log2size : sid_bits) != 0)
		return false;
	base &= log2size + 6 < 64 ? ~((1ULL << (log2size + 6)) - 1) : 0;
	*address = base + (uint64_t)STE_SIZE * sid;
	return true;
}

const struct stream_config *smmu_stream_config(struct smmu *smmu, uint32_t sid, unsigned *event,
					       uint64_t *fetch_address)
{
	struct stream_config *entry = &smmu->configs.entries[sid & (smmu->configs.count - 1)];
	uint8_t bytes[STE_SIZE];
	uint64_t ste[STE_WORDS];
	if (entry->valid && entry->sid == sid)
		return entry;
	*fetch_address = 0;
	*event = EVT_C_BAD_STREAMID;
	if (!find_ste(smmu, sid, fetch_address))
		return NULL;
	struct access access = {.context = CONTEXT_DEVICE(sid),
				.purpose = ACCESS_CONFIG_FETCH,
				.pa = pa_of(*fetch_address),
				.size = STE_SIZE};
	*event = EVT_F_STE_FETCH;
	if (port_read(&smmu->port, &access, bytes) != PORT_OK)
		return NULL;
	for (unsigned i = 0; i < STE_WORDS; i++)
		ste[i] = load_le64(bytes + 8 * i);
	*entry = (struct stream_config){.sid = sid, .valid = true};
	decode(smmu, ste, entry);
	return entry;
}
