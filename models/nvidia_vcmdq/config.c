// SPDX-License-Identifier: Apache-2.0
/* Stream table lookup, and the cache of what STEs say (smmuv3 4.1, 4.2, 7.1). */
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"

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

/* --- geometry of tables, of either stage (5.1) --- */

bool smmu_granule_exists(const struct smmu *smmu, unsigned page_shift)
{
	uint64_t bit = page_shift == 12   ? IDR5_GRAN4K
		       : page_shift == 14 ? IDR5_GRAN16K
					  : IDR5_GRAN64K;
	return smmu->idr[5] & bit;
}

static unsigned oas_of(const struct smmu *smmu)
{
	return smmu_address_bits((unsigned)field_get(smmu->idr[5], IDR5_OAS));
}

/* More than 48 bits are for the 64 KiB granule, and with DS for the others. */
void smmu_set_output(const struct smmu *smmu, bool asked, unsigned code, struct tables *tables)
{
	bool large = tables->page_shift == 16;
	unsigned bits = smmu_address_bits(code), oas = oas_of(smmu);
	tables->ds = asked && !large && (smmu->idr[5] & IDR5_DS);
	unsigned most = large || tables->ds ? 52 : 48;
	bits = bits < oas ? bits : oas;
	tables->output_bits = (uint8_t)(bits < most ? bits : most);
	tables->wide = tables->ds || tables->output_bits == 52;
}

bool smmu_input_size_legal(const struct smmu *smmu, unsigned txsz, unsigned page_shift)
{
	unsigned most = !(smmu->idr[3] & IDR3_STT) ? 39 : page_shift == 16 ? 47 : 48;
	return txsz <= most;
}

bool smmu_format_legal(const struct smmu *smmu, bool aarch64)
{
	return aarch64 && (field_get(smmu->idr[0], IDR0_TTF) & TTF_AARCH64);
}

/* The sheet leaves open what a reserved TTENDIAN is: little-endian here. */
bool smmu_endianness_legal(const struct smmu *smmu, bool big_endian)
{
	uint64_t known = field_get(smmu->idr[0], IDR0_TTENDIAN);
	return known == TTENDIAN_MIXED || big_endian == (known == TTENDIAN_BIG);
}

bool smmu_updates_legal(const struct smmu *smmu, bool access, bool dirty)
{
	uint64_t httu = field_get(smmu->idr[0], IDR0_HTTU);
	return !(access && httu < HTTU_ACCESS) && !(dirty && httu < HTTU_DIRTY);
}

/* --- what an STE says (4.2) --- */

/* Start levels by S2SL0; 4: none (5.4). */
static int start_level_of(unsigned sl0, unsigned page_shift)
{
	static const uint8_t levels[3][4] = {{2, 1, 0, 3}, {3, 2, 1, 0}, {3, 2, 1, 4}};
	return levels[(page_shift - PAGE_SHIFT) / 2][sl0];
}

/* Small address sizes begin one level lower, concatenated (5.4). */
static bool start_level_legal(const struct smmu *smmu, const struct tables *tables)
{
	unsigned oas = oas_of(smmu);
	switch (tables->page_shift) {
	case 12: /* level 3: small tables only */
		return (tables->start_level != 0 || oas >= 44) &&
		       (tables->start_level != 3 || (smmu->idr[3] & IDR3_STT));
	case 14: /* level 0: with DS */
		return (tables->start_level != 1 || oas >= 42) &&
		       (tables->start_level != 0 ||
			(tables->ds && tables->input_bits > 48 && oas > 48));
	default:
		return tables->start_level != 1 || oas >= 44;
	}
}

/* Stage 2 from the STE; false: not consistent (C_BAD_STE). */
static bool decode_stage2(const struct smmu *smmu, const uint64_t ste[STE_WORDS],
			  struct stream_config *config)
{
	static const uint8_t page_shifts[] = {12, 16, 14, 0};
	struct tables *tables = &config->stage2;
	unsigned t0sz = (unsigned)field_get(ste[2], STE_S2T0SZ), oas = oas_of(smmu);
	tables->page_shift = page_shifts[field_get(ste[2], STE_S2TG)];
	smmu_set_output(smmu, ste[3] & STE_S2DS, (unsigned)field_get(ste[2], STE_S2PS), tables);
	if (tables->page_shift == 0 || !smmu_granule_exists(smmu, tables->page_shift) ||
	    !smmu_format_legal(smmu, ste[2] & STE_S2AA64) || t0sz < 64 - oas ||
	    t0sz < (tables->page_shift == 16 || tables->ds ? 12U : 16U) ||
	    (tables->ds && (ste[3] & STE_S2SL0_2)) || /* the sheet has no level for it */
	    !smmu_input_size_legal(smmu, t0sz, tables->page_shift) ||
	    !smmu_endianness_legal(smmu, ste[2] & STE_S2ENDI) ||
	    !smmu_updates_legal(smmu, ste[2] & STE_S2HA, ste[2] & STE_S2HD) ||
	    ((ste[2] & STE_S2HD) && !(ste[2] & STE_S2HA)))
		return false;
	tables->input_bits = (uint8_t)(64 - t0sz);
	tables->start_level =
		start_level_of((unsigned)field_get(ste[2], STE_S2SL0), tables->page_shift);
	tables->no_access_fault = field_get(ste[2], STE_S2AFFD);
	tables->protected = field_get(ste[2], STE_S2PTW);
	tables->big_endian = ste[2] & STE_S2ENDI;
	tables->set_access = ste[2] & STE_S2HA;
	tables->set_dirty = ste[2] & STE_S2HD;
	tables->root = ste[3] & STE_S2TTB;
	config->record = field_get(ste[2], STE_S2R);
	config->stall = field_get(ste[2], STE_S2S);
	/* Index bits at the start level: 1 to bits + 4, the rest concatenated tables (5.4). */
	int level_bits = tables->page_shift - 3;
	int bits = (int)tables->input_bits - tables->page_shift -
		   level_bits * (3 - tables->start_level);
	if (tables->start_level > 3 || bits < 1 || bits > level_bits + 4 ||
	    !start_level_legal(smmu, tables) || tables->root >> tables->output_bits != 0)
		return false;
	tables->root = smmu_table_base(tables->root, (unsigned)bits);
	/* Settings of what IDR registers do not offer (4.2). */
	unsigned stall_model = (unsigned)field_get(smmu->idr[0], IDR0_STALL_MODEL);
	bool stalls = ste[2] & STE_S2S;
	return !((ste[1] & STE_S2FWB) && !(smmu->idr[3] & IDR3_FWB)) &&
	       !(stalls && stall_model == 1) && !(!stalls && stall_model == 2) &&
	       !(stalls && field_get(ste[1], STE_EATS) == 1);
}

static bool decode_stage1(const struct smmu *smmu, const uint64_t ste[STE_WORDS],
			  struct stream_config *config)
{
	config->contexts = ste[0] & STE_S1CONTEXTPTR;
	config->context_bits = (uint8_t)field_get(ste[0], STE_S1CDMAX);
	config->context_format = (uint8_t)field_get(ste[0], STE_S1FMT);
	config->unnumbered = (uint8_t)field_get(ste[1], STE_S1DSS);
	config->no_stall = field_get(ste[1], STE_S1STALLD);
	if (config->context_bits > field_get(smmu->idr[1], IDR1_SSIDSIZE))
		return false;
	if (config->context_bits == 0)
		config->context_format = S1FMT_LINEAR; /* ignored */
	if (config->context_format > S1FMT_64K ||
	    (config->context_format != S1FMT_LINEAR && !(smmu->idr[0] & IDR0_CD2L)))
		return false;
	/* Beside stage 2 it is not looked at. */
	uint64_t world = config->kind == STREAM_STAGE1 ? field_get(ste[1], STE_STRW) : STRW_NS_EL1;
	config->el2 = world == STRW_EL2;
	if (world != STRW_NS_EL1 && !(config->el2 && (smmu->idr[0] & IDR0_HYP)))
		return false;
	if (is_plain_el2(smmu, config))
		config->privilege = PRIVCFG_PRIV; /* it has no other accesses */
	return !(config->no_stall && field_get(smmu->idr[0], IDR0_STALL_MODEL) != 0);
}

static void bad_ste(struct stream_config *config)
{
	config->kind = STREAM_FAULT;
	config->event = EVT_C_BAD_STE;
}

static void decode_stages(const struct smmu *smmu, const uint64_t ste[STE_WORDS],
			  struct stream_config *config)
{
	bool stage1 = config->kind != STREAM_STAGE2, stage2 = config->kind != STREAM_STAGE1;
	unsigned needs = (stage1 ? COMMAND_NEEDS_STAGE1 : 0) | (stage2 ? COMMAND_NEEDS_STAGE2 : 0);
	uint16_t vmid = (uint16_t)field_get(ste[2], STE_S2VMID);
	bool split = config->kind == STREAM_NESTED && !(ste[2] & STE_S2S) &&
		     !(smmu->idr[0] & IDR0_NS1ATS);
	config->ats = (uint8_t)field_get(ste[1], STE_EATS);
	if (config->ats > EATS_SPLIT || !(smmu->features & COMMAND_NEEDS_ATS))
		config->ats = EATS_OFF;
	/* The VMID is a tag of stage 1 alone too, where there is a stage 2 (7.2). */
	config->vmid = smmu->features & COMMAND_NEEDS_STAGE2 ? vmid : 0;
	if ((needs & ~smmu->features) != 0 || (config->vmid & ~smmu->vmid_mask) != 0 ||
	    (field_get(ste[1], STE_EATS) == EATS_SPLIT && !split) ||
	    (stage1 && !decode_stage1(smmu, ste, config)) ||
	    (stage2 && !decode_stage2(smmu, ste, config)))
		bad_ste(config);
}

static void decode(const struct smmu *smmu, const uint64_t ste[STE_WORDS],
		   struct stream_config *config)
{
	if (!field_get(ste[0], STE_V)) {
		bad_ste(config);
		return;
	}
	if (smmu->idr[1] & IDR1_ATTR_PERMS_OVR) {
		config->privilege = (uint8_t)field_get(ste[1], STE_PRIVCFG);
		config->instruction = (uint8_t)field_get(ste[1], STE_INSTCFG);
	}
	switch (field_get(ste[0], STE_CONFIG)) {
	case STE_CONFIG_BYPASS:
		config->kind = STREAM_BYPASS;
		break;
	case STE_CONFIG_S2:
		config->kind = STREAM_STAGE2;
		decode_stages(smmu, ste, config);
		break;
	case STE_CONFIG_S1:
		config->kind = STREAM_STAGE1;
		decode_stages(smmu, ste, config);
		break;
	case STE_CONFIG_NESTED:
		config->kind = STREAM_NESTED;
		decode_stages(smmu, ste, config);
		break;
	default:
		config->kind = STREAM_ABORT;
		break;
	}
}

/* --- where it is (4.1) --- */

static enum port_status fetch(struct smmu *smmu, uint32_t sid, uint64_t address, void *bytes,
			      uint32_t size)
{
	struct access access = {.context = CONTEXT_DEVICE(sid),
				.purpose = ACCESS_CONFIG_FETCH,
				.pa = pa_of(address),
				.size = size};
	return port_read(&smmu->port, &access, bytes);
}

/* The level-1 descriptor at ADDRESS, cached or fetched; false: it can't be read. */
static bool read_level1(struct smmu *smmu, const struct level1_key *key, uint64_t address,
			uint64_t *descriptor)
{
	uint8_t bytes[L1STD_SIZE];
	if (level1_cache_find(&smmu->level1_streams, key, descriptor))
		return true;
	if (fetch(smmu, key->sid, address, bytes, sizeof(bytes)) != PORT_OK)
		return false;
	*descriptor = load_le64(bytes);
	return true;
}

/*
 * Through level 1. 0 and *ADDRESS, or the event; *ADDRESS is then what could not be read. What leads
 * nowhere is not cached.
 */
static unsigned find_in_level2(struct smmu *smmu, uint32_t sid, uint32_t log2size,
			       uint64_t *address)
{
	uint32_t split = (uint32_t)field_get(smmu->strtab_cfg, STRTAB_CFG_SPLIT);
	uint64_t descriptor;
	split = split == 8 || split == 10 ? split : 6;
	const struct level1_key key = {
		.sid = sid, .sid_bits = (uint8_t)split, .ssid_bits = LEVEL1_ALL};
	uint32_t bits = log2size > split ? log2size - split : 0;
	*address = smmu_table_base(smmu->strtab_base & STRTAB_BASE_ADDR, bits) +
		   (uint64_t)L1STD_SIZE * (sid >> split);
	if (!read_level1(smmu, &key, *address, &descriptor))
		return EVT_F_STE_FETCH;
	uint32_t span = (uint32_t)field_get(descriptor, L1STD_SPAN);
	uint32_t index = sid & ((1U << split) - 1);
	if (span == 0 || span > SPAN_MAX || span > split + 1 || index >> (span - 1) != 0)
		return EVT_C_BAD_STREAMID;
	uint64_t table = descriptor & L1STD_L2PTR & ~(((uint64_t)STE_SIZE << (span - 1)) - 1);
	*address = table + (uint64_t)STE_SIZE * index;
	if (table >> oas_of(smmu) != 0)
		return EVT_F_STE_FETCH;
	level1_cache_insert(&smmu->level1_streams, &key, descriptor);
	return 0;
}

/* 0 and *ADDRESS of the STE, or the event. */
static unsigned find_ste(struct smmu *smmu, uint32_t sid, uint64_t *address)
{
	uint32_t log2size = (uint32_t)field_get(smmu->strtab_cfg, STRTAB_CFG_LOG2SIZE);
	uint32_t sid_bits = (uint32_t)field_get(smmu->idr[1], IDR1_SIDSIZE);
	uint64_t base = smmu->strtab_base & STRTAB_BASE_ADDR;
	uint32_t known = log2size < sid_bits ? log2size : sid_bits;
	if (known < 32 && sid >> known != 0)
		return EVT_C_BAD_STREAMID;
	if (field_get(smmu->strtab_cfg, STRTAB_CFG_FMT) == STRTAB_FMT_2LEVEL &&
	    field_get(smmu->idr[0], IDR0_ST_LEVEL) == 1)
		return find_in_level2(smmu, sid, log2size, address);
	base &= log2size + 6 < 64 ? ~((1ULL << (log2size + 6)) - 1) : 0;
	*address = base + (uint64_t)STE_SIZE * sid;
	return 0;
}

__attribute__((noinline)) static const struct stream_config *
fetch_config(struct smmu *smmu, uint32_t sid, struct stream_config *entry, unsigned *event,
	     uint64_t *fetch_address)
{
	uint8_t bytes[STE_SIZE];
	uint64_t ste[STE_WORDS];
	*fetch_address = 0;
	*event = find_ste(smmu, sid, fetch_address);
	if (*event == EVT_C_BAD_STREAMID)
		*fetch_address = 0;
	if (*event != 0)
		return NULL;
	*event = EVT_F_STE_FETCH;
	if (fetch(smmu, sid, *fetch_address, bytes, sizeof(bytes)) != PORT_OK)
		return NULL;
	for (unsigned i = 0; i < STE_WORDS; i++)
		ste[i] = load_le64(bytes + 8 * i);
	*entry = (struct stream_config){.sid = sid, .valid = true};
	decode(smmu, ste, entry);
	return entry;
}

const struct stream_config *smmu_stream_config(struct smmu *smmu, uint32_t sid, unsigned *event,
					       uint64_t *fetch_address)
{
	struct stream_config *entry = &smmu->configs.entries[sid & (smmu->configs.count - 1)];
	if (entry->valid && entry->sid == sid)
		return entry;
	return fetch_config(smmu, sid, entry, event, fetch_address);
}
