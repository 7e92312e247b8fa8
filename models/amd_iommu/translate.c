// SPDX-License-Identifier: Apache-2.0
/* Device table, v1 page tables with their A and D, and what is cached of both (amd-iommu 9, 10, 11). */
#include <string.h>

#include "models/amd_iommu/walk.h"

/* GN and PASID of a guest address (13). */
static uint64_t whose(const struct walk *walk)
{
	return walk->guest ? EVT_GN | field_put(EVT_PASID_15_0, walk->pasid) |
				     field_put(EVT_PASID_19_16, walk->pasid >> 16)
			   : 0;
}

enum amd_translate_result amd_walk_fault(struct walk *walk, unsigned code, uint64_t flags,
					 uint64_t address)
{
	walk->out->event.q[0] = field_put(EVT_CODE, code) | walk->device |
				(walk->write ? EVT_RW : 0) | whose(walk) | flags;
	walk->out->event.q[1] = address;
	return AMD_FAULT;
}

static struct dte_cache_entry *dte_slot(struct dte_cache *cache, uint16_t device)
{
	return &cache->entries[device & (cache->count - 1)];
}

/* What suppresses the log of a page fault: SA all, SE all but the first (10). */
static bool silenced(const struct walk *walk)
{
	return (walk->dte->q[1] & DTE_SA) ||
	       ((walk->dte->q[1] & DTE_SE) &&
		dte_slot(&walk->amd->dtes, walk->device)->fault_logged);
}

/* The DomainID of an address that is no guest's (13). */
static uint64_t domain_of(const struct walk *walk)
{
	return walk->guest ? 0 : field_put(EVT_DOMAIN, field_get(walk->dte->q[1], DTE_DOMAIN));
}

enum amd_translate_result amd_walk_page_fault(struct walk *walk, uint64_t flags)
{
	walk->out->silent = silenced(walk);
	if (walk->guest)
		flags |= (walk->execute ? EVT_NX : 0) | (walk->user ? EVT_US : 0);
	return amd_walk_fault(walk, EVENT_IO_PAGE_FAULT, flags | domain_of(walk), walk->address);
}

/* --- device table entries --- */

void dte_cache_drop(struct dte_cache *cache, uint16_t device)
{
	struct dte_cache_entry *entry = dte_slot(cache, device);
	if (entry->device == device)
		entry->valid = false;
}

void dte_cache_drop_all(struct dte_cache *cache)
{
	memset(cache->entries, 0, sizeof(*cache->entries) * cache->count);
}

/* The table that DEVICE's entry is in, and the entry's place there: the top bits choose (10). */
static uint64_t dev_table_of(const struct amd_iommu *amd, uint16_t device, uint32_t *place)
{
	unsigned wanted = (unsigned)field_get(amd->control, CONTROL_DEV_TABLE_SEG);
	unsigned most = (unsigned)field_get(amd->efr, EFR_DEV_TABLE_SEG);
	unsigned bits = 16 - (wanted < most ? wanted : most);
	*place = device & ((1U << bits) - 1);
	return amd->dev_table[device >> bits];
}

/* 256 bits in one transaction (9). */
static enum amd_translate_result fetch_dte(struct walk *walk, struct amd_dte *dte)
{
	struct amd_iommu *amd = walk->amd;
	uint32_t place;
	uint64_t table = dev_table_of(amd, walk->device, &place);
	uint64_t entries = (field_get(table, DEV_TABLE_SIZE) + 1) * PAGE_SIZE / DTE_SIZE;
	uint8_t bytes[DTE_SIZE];
	if (place >= entries)
		return amd_walk_fault(walk, EVENT_ILLEGAL_DEV_TABLE_ENTRY, 0,
				      walk->address & ~3ULL);
	struct access access = {
		.context = CONTEXT_DEVICE(walk->device),
		.purpose = ACCESS_CONFIG_FETCH,
		.pa = pa_of((table & DEV_TABLE_ADDR) + (uint64_t)place * DTE_SIZE),
		.size = DTE_SIZE,
		.index = walk->device,
	};
	walk->out->cost_ps += amd->timing.walk_read_ps;
	if (port_read(&amd->port, &access, bytes) != PORT_OK) {
		walk->guest = false; /* this event has no PASID (13) */
		return amd_walk_fault(walk, EVENT_DEV_TAB_HARDWARE_ERROR,
				      field_put(EVT_TYPE, EVT_TYPE_MASTER_ABORT), access.pa.value);
	}
	for (unsigned i = 0; i < DTE_WORDS; i++)
		dte->q[i] = load_le64(bytes + 8 * i);
	return AMD_TRANSLATED;
}

/* Apart, so that the usual hit stays short. */
__attribute__((noinline)) static enum amd_translate_result read_dte(struct walk *walk,
								    struct dte_cache_entry *entry)
{
	enum amd_translate_result result = fetch_dte(walk, &entry->dte);
	entry->device = walk->device;
	entry->valid = result == AMD_TRANSLATED;
	entry->fault_logged = false;
	return result;
}

static inline enum amd_translate_result find_dte(struct walk *walk)
{
	struct dte_cache_entry *entry = dte_slot(&walk->amd->dtes, walk->device);
	walk->dte = &entry->dte;
	return entry->valid && entry->device == walk->device ? AMD_TRANSLATED
							     : read_dte(walk, entry);
}

static struct walk walk_of(struct amd_iommu *amd, const struct amd_request *request,
			   struct amd_translation *translation)
{
	return (struct walk){
		.amd = amd,
		.address = request->address,
		.pasid = request->has_pasid ? request->pasid : 0,
		.device = request->device,
		.guest = request->has_pasid,
		.write = request->write,
		.execute = request->execute,
		.user = !request->privileged,
		.out = translation,
	};
}

bool amd_find_dte(struct amd_iommu *amd, const struct amd_request *request,
		  const struct amd_dte **dte, struct amd_event *event)
{
	struct amd_translation translation = {.pa = {0}};
	struct walk walk = walk_of(amd, request, &translation);
	bool found = find_dte(&walk) == AMD_TRANSLATED;
	*dte = walk.dte;
	*event = translation.event;
	return found;
}

static unsigned levels_supported(const struct amd_iommu *amd)
{
	return 4 + (unsigned)field_get(amd->efr, EFR_HATS);
}

/* --- the walk --- */

/* log2 pages of a leaf at LEVEL, and its first address; -1: the coded size is bad. */
static int leaf_order(uint64_t entry, unsigned level, uint64_t *address)
{
	unsigned shift = amd_level_shift(level);
	*address = entry & PTE_ADDR;
	if (field_get(entry, PTE_NEXT) == 0) {
		*address &= ~((1ULL << shift) - 1);
		return level < LEVELS_MAX ? (int)(shift - 12) : -1;
	}
	uint64_t zeros = ~*address & PTE_ADDR;
	unsigned size = (zeros != 0 ? (unsigned)__builtin_ctzll(zeros) : 52) + 1;
	if (size <= shift || size >= amd_level_shift(level + 1) || level >= LEVELS_MAX)
		return -1;
	*address &= ~((1ULL << size) - 1);
	return (int)(size - 12);
}

static unsigned perm_of(uint64_t entry)
{
	return (entry & PTE_IR ? PERM_READ : 0) | (entry & PTE_IW ? PERM_WRITE : 0);
}

static enum amd_translate_result table_error(struct walk *walk, uint64_t at)
{
	return amd_walk_fault(walk, EVENT_PAGE_TAB_HARDWARE_ERROR,
			      domain_of(walk) | field_put(EVT_TYPE, EVT_TYPE_MASTER_ABORT), at);
}

static inline enum amd_translate_result read_entry(struct walk *walk, uint64_t at, uint64_t *entry)
{
	struct access access = {
		.context = CONTEXT_DEVICE(walk->device),
		.purpose = ACCESS_TABLE_WALK,
		.input = walk->address,
		.pa = pa_of(at),
	};
	walk->out->cost_ps += walk->amd->timing.walk_read_ps;
	return port_read_u64(&walk->amd->port, &access, entry) == PORT_OK ? AMD_TRANSLATED
									  : table_error(walk, at);
}

enum amd_translate_result amd_walk_read(struct walk *walk, uint64_t at, uint64_t *entry)
{
	return read_entry(walk, at, entry);
}

/* Where a walk stands: the table that is read next, at LEVEL, and the rights so far. */
struct position {
	uint64_t table;
	unsigned level;
	unsigned perm;
};

/* What the walk met, from the top to the leaf. */
struct trail {
	struct met met[LEVELS_MAX];
	unsigned count;
	struct position last; /* where the leaf's entry was */
	bool absent;          /* and it is not present */
};

/*
 * The table of level 1 is remembered for what lies under it (9, page-directory entries): once all
 * above it are marked, as a walk that begins there does not see them again.
 */
static void remember_table(struct walk *walk, const struct trail *trail)
{
	struct amd_iommu *amd = walk->amd;
	const struct position *at = &trail->last;
	if (at->level != 1 || trail->count == 1 ||
	    option_get(&amd->assumptions, AMD_PDE_CACHE) == AMD_PDE_WALKED)
		return;
	struct tlb_entry entry = {
		.tag = {.domain = (uint16_t)field_get(walk->dte->q[1], DTE_DOMAIN)},
		.order = 9,
		.perm = (uint8_t)at->perm,
		.pa = at->table / PAGE_SIZE,
	};
	tlb_insert(&amd->pdes, &entry, walk->address / PAGE_SIZE);
}

static struct position start_of(struct walk *walk)
{
	struct amd_iommu *amd = walk->amd;
	struct tlb_tag tag = {.domain = (uint16_t)field_get(walk->dte->q[1], DTE_DOMAIN)};
	const struct tlb_entry *known =
		option_get(&amd->assumptions, AMD_PDE_CACHE) == AMD_PDE_CACHED
			? tlb_lookup(&amd->pdes, tag, walk->address / PAGE_SIZE)
			: NULL;
	if (known != NULL)
		return (struct position){known->pa * PAGE_SIZE, 1, known->perm};
	return (struct position){walk->dte->q[0] & DTE_ROOT,
				 (unsigned)field_get(walk->dte->q[0], DTE_MODE),
				 PERM_READ | PERM_WRITE};
}

/* The bits of levels that NEXT skips must be 0 (11). */
static bool skips_address(uint64_t address, unsigned level, unsigned next)
{
	unsigned high = amd_level_shift(level), low = amd_level_shift(next + 1);
	return next + 1 < level && ((address & ((1ULL << high) - 1)) >> low) != 0;
}

/*
 * NpCache: what is not present is kept where it would be if it were: a page with the leaves, a table
 * with the tables, which only PDE drops (7, 9).
 */
static void remember_absence(struct walk *walk, enum amd_leaf_cache cache, unsigned level)
{
	struct amd_iommu *amd = walk->amd;
	struct tlb_entry entry = {
		.tag = {.domain = walk->out->domain},
		.order = (uint8_t)(amd_level_shift(level) - 12),
		.perm = PERM_ABSENT,
	};
	struct tlb *tlb = &amd->pdes;
	if (!(amd_config_read(amd, AMD_CAP) & CAP_NP_CACHE))
		return;
	if (level == 1)
		tlb = amd_walk_leaves(walk, cache, &entry.tag.domain);
	else if (option_get(&amd->assumptions, AMD_PDE_CACHE) == AMD_PDE_WALKED)
		return;
	if (tlb != NULL)
		tlb_insert(tlb, &entry, walk->address / PAGE_SIZE);
}

/* Fills LEAF; its rights are those of all levels. */
static enum amd_translate_result walk_tables(struct walk *walk, struct tlb_entry *leaf,
					     struct trail *trail)
{
	struct position at = start_of(walk);
	if (at.perm & PERM_ABSENT)
		return amd_walk_page_fault(walk, 0);
	for (;;) {
		trail->last = at;
		uint64_t shift = amd_level_shift(at.level), entry, address;
		uint64_t index = (walk->address >> shift) & (at.level == LEVELS_MAX ? 127 : 511);
		enum amd_translate_result result = read_entry(walk, at.table + 8 * index, &entry);
		if (result != AMD_TRANSLATED)
			return result;
		trail->absent = !(entry & PTE_PR);
		if (trail->absent)
			return amd_walk_page_fault(walk, 0);
		if (entry & PTE_RESERVED)
			return amd_walk_page_fault(walk, EVT_PR | EVT_RZ);
		trail->met[trail->count++] =
			(struct met){at.table + 8 * index, walk->address, entry};
		unsigned next = (unsigned)field_get(entry, PTE_NEXT);
		at.perm &= perm_of(entry);
		if (next == 0 || next == NEXT_CODED_SIZE) {
			int order = leaf_order(entry, at.level, &address);
			if (order < 0)
				return amd_walk_page_fault(walk, EVT_PR);
			leaf->order = (uint8_t)order;
			leaf->perm = (uint8_t)at.perm;
			leaf->pa = address / PAGE_SIZE;
			return AMD_TRANSLATED;
		}
		if (next >= at.level || skips_address(walk->address, at.level, next))
			return amd_walk_page_fault(walk, EVT_PR);
		at.table = entry & PTE_ADDR;
		at.level = next;
	}
}

/* --- accessed and dirty (11) --- */

/* What Control and the device's entry let be written: A, or A and D. */
static uint64_t updates(const struct walk *walk)
{
	const struct amd_iommu *amd = walk->amd;
	uint64_t had =
		field_get(amd->control, CONTROL_HAD_UPDATE) & field_get(walk->dte->q[0], DTE_HAD);
	return (had & HAD_ACCESSED && amd->efr & EFR_HA ? PTE_A : 0) |
	       (had == HAD_ACCESSED_DIRTY && amd->efr & EFR_HD ? PTE_D : 0);
}

bool amd_walk_dirties(const struct walk *walk, unsigned perm)
{
	return walk->write && !(perm & PERM_HOST_DIRTY) && (updates(walk) & PTE_D);
}

enum amd_translate_result amd_walk_mark(struct walk *walk, struct met *met, uint64_t bits)
{
	struct access access = {
		.context = CONTEXT_DEVICE(walk->device),
		.purpose = ACCESS_TABLE_WRITE,
		.path = PATH_WALKED,
		.input = met->input,
		.pa = pa_of(met->at),
	};
	if ((met->entry & bits) == bits)
		return AMD_TRANSLATED;
	met->entry |= bits;
	walk->out->cost_ps += walk->amd->timing.walk_read_ps;
	if (port_write_u64(&walk->amd->port, &access, met->entry) == PORT_OK)
		return AMD_TRANSLATED;
	return table_error(walk, met->at);
}

/* A of all that the walk met, D of the leaf if it is written: of the replica that was met. */
static enum amd_translate_result mark(struct walk *walk, struct trail *trail,
				      struct tlb_entry *leaf)
{
	uint64_t bits = updates(walk);
	const struct met *last = &trail->met[trail->count - 1];
	for (struct met *met = trail->met; bits != 0 && met <= last; met++) {
		enum amd_translate_result result =
			amd_walk_mark(walk, met, met == last && walk->write ? bits : bits & PTE_A);
		if (result != AMD_TRANSLATED)
			return result;
	}
	leaf->perm |= last->entry & PTE_D ? PERM_HOST_DIRTY : 0;
	return AMD_TRANSLATED;
}

/* --- translations --- */

static bool allows(const struct walk *walk, unsigned perm)
{
	const struct amd_dte *dte = walk->dte;
	return walk->write ? (perm & PERM_WRITE) && (dte->q[0] & DTE_IW)
			   : (perm & PERM_READ) && (dte->q[0] & DTE_IR);
}

enum amd_translate_result amd_walk_finish(struct walk *walk, const struct tlb_entry *leaf,
					  enum access_path path)
{
	uint64_t size = PAGE_SIZE << leaf->order;
	struct amd_translation *out = walk->out;
	if (leaf->perm & PERM_ABSENT)
		return amd_walk_page_fault(walk, 0);
	out->pa = pa_of(leaf->pa * PAGE_SIZE | (walk->address & (size - 1)));
	out->path = path;
	out->order = leaf->order;
	out->readable = (leaf->perm & PERM_READ) && (walk->dte->q[0] & DTE_IR);
	out->writable = (leaf->perm & PERM_WRITE) && (walk->dte->q[0] & DTE_IW);
	return allows(walk, leaf->perm) ? AMD_TRANSLATED
					: amd_walk_page_fault(walk, EVT_PR | EVT_PE);
}

static enum amd_translate_result check_width(struct walk *walk)
{
	unsigned mode = (unsigned)field_get(walk->dte->q[0], DTE_MODE);
	if (mode > levels_supported(walk->amd))
		return amd_walk_fault(walk, EVENT_ILLEGAL_DEV_TABLE_ENTRY, 0,
				      walk->address & ~3ULL);
	if (mode < LEVELS_MAX && walk->address >> amd_level_shift(mode + 1) != 0)
		return amd_walk_page_fault(walk, 0);
	return AMD_TRANSLATED;
}

/* What the cache has of it, or NULL. */
static inline const struct tlb_entry *known_leaf(struct walk *walk, enum amd_leaf_cache cache)
{
	struct tlb_tag tag = {.stage1 = false};
	struct tlb *tlb = amd_walk_leaves(walk, cache, &tag.domain);
	if (tlb == NULL)
		return NULL;
	const struct tlb_entry *known = tlb_lookup(tlb, tag, walk->address / PAGE_SIZE);
	if (known != NULL)
		walk->out->cost_ps += walk->amd->timing.tlb_hit_ps;
	return known;
}

/* Whether what is known needs no walk: it is absent, or has no D to be set. */
static bool serves(const struct walk *walk, const struct tlb_entry *known)
{
	return (known->perm & PERM_ABSENT) || !amd_walk_dirties(walk, known->perm);
}

/* A walk, of which the leaf is kept; but not unmarked, if it is to be marked. */
__attribute__((noinline)) static enum amd_translate_result
new_leaf(struct walk *walk, enum amd_leaf_cache cache, struct tlb_entry *leaf)
{
	struct trail trail = {.count = 0};
	*leaf = (struct tlb_entry){.pa = 0};
	struct tlb *tlb = amd_walk_leaves(walk, cache, &leaf->tag.domain);
	enum amd_translate_result result = walk_tables(walk, leaf, &trail);
	if (trail.absent)
		remember_absence(walk, cache, trail.last.level);
	if (result != AMD_TRANSLATED) /* of another fault nothing is */
		return result;
	if (!allows(walk, leaf->perm) && updates(walk) != 0)
		return AMD_TRANSLATED;
	result = mark(walk, &trail, leaf);
	if (result != AMD_TRANSLATED)
		return result;
	remember_table(walk, &trail);
	if (tlb != NULL)
		tlb_insert(tlb, leaf, walk->address / PAGE_SIZE);
	return AMD_TRANSLATED;
}

static enum amd_translate_result translate_paged(struct walk *walk, enum amd_leaf_cache cache)
{
	struct tlb_entry leaf;
	enum amd_translate_result result = check_width(walk);
	if (result != AMD_TRANSLATED)
		return result;
	const struct tlb_entry *known = known_leaf(walk, cache);
	if (known != NULL && serves(walk, known))
		return amd_walk_finish(walk, known, PATH_CACHED);
	result = new_leaf(walk, cache, &leaf);
	return result == AMD_TRANSLATED ? amd_walk_finish(walk, &leaf, PATH_WALKED) : result;
}

enum amd_translate_result amd_walk_host(struct walk *walk, enum amd_leaf_cache cache,
					struct tlb_entry *leaf)
{
	enum amd_translate_result result = check_width(walk);
	if (result != AMD_TRANSLATED)
		return result;
	const struct tlb_entry *known = known_leaf(walk, cache);
	if (known == NULL || !serves(walk, known))
		return new_leaf(walk, cache, leaf);
	*leaf = *known;
	return leaf->perm & PERM_ABSENT ? amd_walk_page_fault(walk, 0) : AMD_TRANSLATED;
}

static enum amd_translate_result forward(struct walk *walk, bool readable, bool writable)
{
	walk->out->pa = pa_of(walk->address);
	walk->out->path = PATH_BYPASS;
	walk->out->readable = readable;
	walk->out->writable = writable;
	return AMD_TRANSLATED;
}

/* Exclusion range: for all devices, or those that their entry admits (10). */
static bool excluded(const struct walk *walk)
{
	const struct amd_iommu *amd = walk->amd;
	return (amd->excl_base & EXCL_EN) &&
	       ((amd->excl_base & EXCL_ALLOW) || (walk->dte->q[1] & DTE_EX)) &&
	       walk->address >= (amd->excl_base & EXCL_ADDR) &&
	       walk->address <= (amd->excl_limit | (PAGE_SIZE - 1));
}

/* Guest tables are for requests with a PASID, and with GIoV for all (12). */
static bool is_guests(const struct walk *walk, const struct amd_request *request)
{
	return (walk->amd->control & CONTROL_GT_EN) && (walk->dte->q[0] & DTE_GV) &&
	       (request->has_pasid || (walk->dte->q[0] & DTE_GIOV));
}

static enum amd_translate_result
translate_valid(struct walk *walk, const struct amd_request *request, enum amd_leaf_cache cache)
{
	const struct amd_dte *dte = walk->dte;
	if (dte->q[0] & DTE_Q0_RESERVED)
		return amd_walk_fault(walk, EVENT_ILLEGAL_DEV_TABLE_ENTRY, EVT_RZ,
				      walk->address & ~3ULL);
	if (excluded(walk))
		return forward(walk, true, true);
	if (!(dte->q[0] & DTE_TV))
		return amd_walk_page_fault(walk, 0);
	if (is_guests(walk, request)) {
		walk->guest = true;
		return amd_walk_guest(walk, cache);
	}
	if (walk->guest) /* there are no tables of PASIDs */
		return amd_walk_page_fault(walk, 0);
	if (field_get(dte->q[0], DTE_MODE) != 0)
		return translate_paged(walk, cache);
	if (walk->write ? !(dte->q[0] & DTE_IW) : !(dte->q[0] & DTE_IR))
		return amd_walk_page_fault(walk, EVT_PR | EVT_PE);
	return forward(walk, dte->q[0] & DTE_IR, dte->q[0] & DTE_IW);
}

enum amd_translate_result amd_translate_request(struct amd_iommu *amd,
						const struct amd_request *request,
						enum amd_leaf_cache cache,
						struct amd_translation *translation)
{
	struct walk walk = walk_of(amd, request, translation);
	memset(translation, 0, sizeof(*translation));
	if (!(amd->control & CONTROL_IOMMU_EN))
		return forward(&walk, true, true);
	enum amd_translate_result result = find_dte(&walk);
	if (result != AMD_TRANSLATED)
		return result;
	translation->domain = (uint16_t)field_get(walk.dte->q[1], DTE_DOMAIN);
	if (walk.dte->q[0] & DTE_V)
		return translate_valid(&walk, request, cache);
	translation->invalid_entry = true;
	return forward(&walk, true, true);
}

enum amd_translate_result amd_translate(struct amd_iommu *amd, uint16_t device, uint64_t address,
					bool write, enum amd_leaf_cache cache,
					struct amd_translation *translation)
{
	const struct amd_request request = {.address = address, .device = device, .write = write};
	return amd_translate_request(amd, &request, cache, translation);
}

enum amd_translate_result amd_dma_request(struct amd_iommu *amd, const struct amd_request *request,
					  void *data, uint32_t size,
					  struct amd_translation *translation)
{
	if (amd_translate_request(amd, request, AMD_LEAVES_BY_DOMAIN, translation) !=
	    AMD_TRANSLATED) {
		if (translation->silent)
			return AMD_FAULT;
		amd_log_event(amd, &translation->event);
		if (field_get(translation->event.q[0], EVT_CODE) == EVENT_IO_PAGE_FAULT)
			dte_slot(&amd->dtes, request->device)->fault_logged = true;
		return AMD_FAULT;
	}
	struct access access = {
		.context = CONTEXT_DEVICE(request->device),
		.purpose = request->write ? ACCESS_DMA_WRITE : ACCESS_DMA_READ,
		.path = translation->path,
		.input = request->address,
		.pa = translation->pa,
		.size = size,
	};
	enum port_status status = request->write ? port_write(&amd->port, &access, data)
						 : port_read(&amd->port, &access, data);
	return status == PORT_OK ? AMD_TRANSLATED : AMD_FAULT;
}

enum amd_translate_result amd_dma(struct amd_iommu *amd, uint16_t device, uint64_t address,
				  bool write, void *data, uint32_t size,
				  struct amd_translation *translation)
{
	const struct amd_request request = {.address = address, .device = device, .write = write};
	return amd_dma_request(amd, &request, data, size, translation);
}
