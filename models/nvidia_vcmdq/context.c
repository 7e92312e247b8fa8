// SPDX-License-Identifier: Apache-2.0
/* Context descriptors, and the cache of what they say (smmuv3 4.3, 7.1). */
#include "models/nvidia_vcmdq/smmu.h"

/* --- the cache --- */

void context_cache_init(struct context_cache *cache, struct machine *machine, uint32_t count)
{
	cache->count = 1;
	while (cache->count * 2 <= count)
		cache->count *= 2;
	cache->entries = arena_alloc(machine->arena, sizeof(*cache->entries) * cache->count);
	cache->used = 0;
}

/* Streams and substreams lie beside each other. */
static struct context_config *place_of(struct context_cache *cache, uint32_t sid, uint32_t ssid)
{
	return &cache->entries[(sid ^ ssid * 0x9e3779b1U) & (cache->count - 1)];
}

static void drop(struct context_cache *cache, struct context_config *entry)
{
	cache->used -= entry->valid;
	entry->valid = false;
}

void context_cache_drop_one(struct context_cache *cache, uint32_t sid, uint32_t ssid)
{
	struct context_config *entry = place_of(cache, sid, ssid);
	if (entry->sid == sid && entry->ssid == ssid)
		drop(cache, entry);
}

void context_cache_drop(struct context_cache *cache, uint32_t sid, uint32_t range)
{
	uint64_t mask = ~((1ULL << range) - 1);
	for (uint32_t i = 0; cache->used > 0 && i < cache->count; i++)
		if ((cache->entries[i].sid & mask) == (sid & mask))
			drop(cache, &cache->entries[i]);
}

/* --- what a CD says --- */

/* Of TTB0 or TTB1, whose granules are coded otherwise. */
static bool decode_half(const struct smmu *smmu, const uint64_t cd[CD_WORDS], unsigned half,
			struct tables *tables)
{
	static const uint8_t page_shifts[2][4] = {{12, 16, 14, 0}, {0, 14, 12, 16}};
	uint64_t word = cd[1 + half];
	unsigned txsz = (unsigned)field_get(cd[0], half == 0 ? CD_T0SZ : CD_T1SZ);
	unsigned granule = (unsigned)field_get(cd[0], half == 0 ? CD_TG0 : CD_TG1);
	tables->disabled = cd[0] & (half == 0 ? CD_EPD0 : CD_EPD1);
	if (tables->disabled)
		return true; /* and the rest is not looked at */
	tables->page_shift = page_shifts[half][granule];
	smmu_set_output(smmu, cd[2] & CD_DS, (unsigned)field_get(cd[0], CD_IPS), tables);
	bool vax = field_get(smmu->idr[5], IDR5_VAX) != 0;
	bool large = tables->page_shift == 16 || tables->ds;
	if (tables->page_shift == 0 || !smmu_granule_exists(smmu, tables->page_shift) ||
	    txsz < (large && vax ? 12U : 16U) ||
	    !smmu_input_size_legal(smmu, txsz, tables->page_shift))
		return false;
	unsigned level_bits = tables->page_shift - 3U;
	tables->input_bits = (uint8_t)(64 - txsz);
	unsigned above_page = tables->input_bits - tables->page_shift;
	unsigned levels = (above_page + level_bits - 1) / level_bits;
	tables->start_level = 4 - (int)levels;
	tables->no_access_fault = cd[0] & CD_AFFD;
	tables->tagged = cd[0] & (half == 0 ? CD_TBI0 : CD_TBI1);
	tables->flat = (word & CD_HAD) && (smmu->idr[3] & IDR3_HAD);
	tables->privileged = (word & CD_E0PD) && (smmu->idr[3] & IDR3_E0PD);
	tables->big_endian = cd[0] & CD_ENDI;
	tables->set_access = cd[0] & CD_HA;
	tables->set_dirty = (cd[0] & CD_HD) && tables->set_access;
	tables->no_write_exec = cd[0] & CD_WXN;
	tables->no_user_data = cd[0] & CD_PAN;
	tables->root = word & CD_TTB;
	if (tables->root >> tables->output_bits != 0)
		return false;
	tables->root = smmu_table_base(tables->root, above_page - level_bits * (levels - 1));
	return true;
}

static bool decode(const struct smmu *smmu, const uint64_t cd[CD_WORDS],
		   const struct stream_config *config, struct context_config *context)
{
	unsigned stall_model = (unsigned)field_get(smmu->idr[0], IDR0_STALL_MODEL);
	bool stalls = cd[0] & CD_S;
	context->asid = (uint16_t)field_get(cd[0], CD_ASID);
	context->record = cd[0] & CD_R;
	context->stall = stalls;
	context->ignore = !(cd[0] & CD_A);
	if (!(cd[0] & CD_V) || (stalls && config->no_stall) || (stalls && stall_model == 1) ||
	    (!stalls && stall_model == 2) ||
	    (!(cd[0] & CD_A) && (smmu->idr[0] & IDR0_TERM_MODEL)) ||
	    !smmu_format_legal(smmu, cd[0] & CD_AA64) ||
	    !smmu_endianness_legal(smmu, cd[0] & CD_ENDI) ||
	    !smmu_updates_legal(smmu, cd[0] & CD_HA, cd[0] & CD_HD) ||
	    (context->asid & ~smmu->asid_mask) != 0)
		return false;
	return decode_half(smmu, cd, 0, &context->halves[0]) &&
	       (is_plain_el2(smmu, config) || decode_half(smmu, cd, 1, &context->halves[1]));
}

/* --- where it is --- */

/* SIZE bytes at ADDRESS, an IPA where stage 2 is on. */
static bool fetch(struct request *request, uint64_t address, void *bytes, uint32_t size)
{
	struct smmu *smmu = request->smmu;
	if (request->config->kind == STREAM_NESTED) {
		const struct stage_input input = {.stage2 = true,
						  .record = request->config->record,
						  .stall = request->config->stall,
						  .class = EVT_CLASS_CD,
						  .address = address};
		struct leaf leaf;
		enum access_path path;
		if (smmu_stage2(request, &input, PERM_READ | PERM_USER_READ, &leaf, &path) !=
		    TRANSLATE_OK)
			return false;
		address = leaf_pa(&leaf, address);
	}
	struct access access = {.context = CONTEXT_DEVICE(request->access->sid),
				.purpose = ACCESS_CONFIG_FETCH,
				.pa = pa_of(address),
				.size = size};
	if (port_read(&smmu->port, &access, bytes) == PORT_OK)
		return true;
	smmu_config_fault(request, EVT_F_CD_FETCH, address);
	return false;
}

static bool find(struct request *request, uint32_t ssid, uint64_t *address)
{
	const struct stream_config *config = request->config;
	struct level1_cache *cache = &request->smmu->level1_contexts;
	uint8_t bytes[L1CD_SIZE];
	uint64_t descriptor;
	if (config->context_format == S1FMT_LINEAR) {
		/* Aligned to its size. */
		uint64_t size = (uint64_t)CD_SIZE << config->context_bits;
		*address = (config->contexts & ~(size - 1)) + (uint64_t)CD_SIZE * ssid;
		return true;
	}
	unsigned leaf_bits = config->context_format == S1FMT_4K ? 6 : 10;
	unsigned bits = config->context_bits > leaf_bits ? config->context_bits - leaf_bits : 0U;
	const struct level1_key key = {
		.sid = request->access->sid, .ssid = ssid, .ssid_bits = (uint8_t)leaf_bits};
	if (!level1_cache_find(cache, &key, &descriptor)) {
		if (!fetch(request,
			   smmu_table_base(config->contexts, bits) +
				   (uint64_t)L1CD_SIZE * (ssid >> leaf_bits),
			   bytes, sizeof(bytes)))
			return false;
		descriptor = load_le64(bytes);
		if (!(descriptor & L1CD_V)) {
			smmu_config_fault(request, EVT_C_BAD_SUBSTREAMID, 0);
			return false;
		}
		level1_cache_insert(cache, &key, descriptor);
	}
	uint64_t table = descriptor & L1CD_L2PTR & ~(((uint64_t)CD_SIZE << leaf_bits) - 1);
	*address = table + (uint64_t)CD_SIZE * (ssid & ((1U << leaf_bits) - 1));
	return true;
}

const struct context_config *smmu_context(struct request *request, uint32_t ssid)
{
	struct smmu *smmu = request->smmu;
	uint32_t sid = request->access->sid;
	struct context_config *entry = place_of(&smmu->contexts, sid, ssid);
	if (!entry->valid || entry->sid != sid || entry->ssid != ssid) {
		uint8_t bytes[CD_SIZE];
		uint64_t address, cd[CD_WORDS];
		if (!find(request, ssid, &address) ||
		    !fetch(request, address, bytes, sizeof(bytes)))
			return NULL;
		for (unsigned i = 0; i < CD_WORDS; i++)
			cd[i] = load_le64(bytes + 8 * i);
		smmu->contexts.used += !entry->valid;
		*entry = (struct context_config){.sid = sid, .ssid = ssid, .valid = true};
		entry->bad = !decode(smmu, cd, request->config, entry);
	}
	if (!entry->bad)
		return entry;
	smmu_config_fault(request, EVT_C_BAD_CD, 0);
	return NULL;
}
