// SPDX-License-Identifier: Apache-2.0
/*
 * Guest (v2) tables: GCR3 tables, tables as AMD64 has them, and both over host tables
 * (amd-iommu 9, 12).
 *
 * Tables of GCR3 are where their root is: in memory, or with GCR3TRPMode at guest addresses. CR3
 * and all below it are guest addresses; without a host table these are physical.
 */
#include "models/amd_iommu/walk.h"

struct guest_walk {
	struct walk *walk;
	enum amd_leaf_cache cache; /* of host leaves, too */
	uint64_t table;            /* a guest address, */
	unsigned level;            /* of it */
	unsigned perm;
	unsigned table_perm; /* without that of its entry */
	struct met met[GUEST_LEVELS_MAX];
	unsigned count;
};

static bool caches_tables(struct amd_iommu *amd)
{
	return option_get(&amd->assumptions, AMD_PDE_CACHE) == AMD_PDE_CACHED;
}

static struct tlb_tag tag_of(const struct walk *walk, uint16_t domain)
{
	return (struct tlb_tag){.stage1 = true, .domain = domain, .space = walk->pasid};
}

/* --- guest addresses --- */

/*
 * The leaf under which GPA lies, all of memory if there is no host table; WRITE as the access it
 * is for. Faults on the way are told with GPA.
 */
static enum amd_translate_result host_leaf(struct guest_walk *guest, uint64_t gpa, bool write,
					   struct tlb_entry *leaf)
{
	struct walk nested = *guest->walk;
	nested.address = gpa;
	nested.guest = false;
	nested.write = write;
	if (field_get(nested.dte->q[0], DTE_MODE) == 0) {
		*leaf = (struct tlb_entry){.order = 40,
					   .perm = PERM_READ | PERM_WRITE | PERM_HOST_DIRTY};
		return AMD_TRANSLATED;
	}
	enum amd_translate_result result = amd_walk_host(&nested, guest->cache, leaf);
	if (result != AMD_TRANSLATED || (leaf->perm & (write ? PERM_WRITE : PERM_READ)))
		return result;
	return amd_walk_page_fault(&nested, EVT_PR | EVT_PE);
}

static uint64_t inside(const struct tlb_entry *leaf, uint64_t address)
{
	return leaf->pa * PAGE_SIZE + (address & ((PAGE_SIZE << leaf->order) - 1));
}

/* A word of a table at a guest address. */
static enum amd_translate_result read_guest(struct guest_walk *guest, uint64_t gpa, struct met *met)
{
	struct tlb_entry leaf;
	enum amd_translate_result result = host_leaf(guest, gpa, false, &leaf);
	if (result != AMD_TRANSLATED)
		return result;
	met->input = gpa;
	met->at = inside(&leaf, gpa);
	return amd_walk_read(guest->walk, met->at, &met->entry);
}

/* --- GCR3 tables --- */

static enum amd_translate_result walk_gcr3(struct guest_walk *guest, uint64_t *cr3)
{
	struct walk *walk = guest->walk;
	bool is_guests = walk->amd->control & CONTROL_GCR3_TRP;
	uint64_t table = amd_dte_gcr3(walk->dte);
	for (unsigned level = (unsigned)field_get(walk->dte->q[0], DTE_GLX) + 1; level > 0;
	     level--) {
		uint64_t index = walk->pasid >> GCR3_PASID_BITS * (level - 1) & 511;
		struct met met;
		enum amd_translate_result result =
			is_guests ? read_guest(guest, table + 8 * index, &met)
				  : amd_walk_read(walk, table + 8 * index, &met.entry);
		if (result != AMD_TRANSLATED)
			return result;
		if (!(met.entry & GCR3_V))
			return amd_walk_page_fault(walk, 0);
		table = met.entry & GCR3_ADDR;
	}
	*cr3 = table;
	return AMD_TRANSLATED;
}

static enum amd_translate_result find_cr3(struct guest_walk *guest, uint64_t *cr3)
{
	struct amd_iommu *amd = guest->walk->amd;
	struct tlb_entry entry = {.tag = tag_of(guest->walk, guest->walk->out->domain)};
	const struct tlb_entry *known =
		caches_tables(amd) ? tlb_lookup(&amd->gcr3, entry.tag, 0) : NULL;
	if (known != NULL) {
		*cr3 = known->pa * PAGE_SIZE;
		return AMD_TRANSLATED;
	}
	enum amd_translate_result result = walk_gcr3(guest, cr3);
	if (result != AMD_TRANSLATED)
		return result;
	entry.pa = *cr3 / PAGE_SIZE;
	if (caches_tables(amd))
		tlb_insert(&amd->gcr3, &entry, 0);
	return AMD_TRANSLATED;
}

/* --- guest tables --- */

static unsigned levels_of(const struct walk *walk)
{
	return 4 + (unsigned)field_get(walk->dte->q[2], DTE_GUEST_MODE);
}

/* At a table of level 1 that is remembered, or at the top. */
static enum amd_translate_result start(struct guest_walk *guest)
{
	struct walk *walk = guest->walk;
	const struct tlb_entry *known =
		caches_tables(walk->amd)
			? tlb_lookup(&walk->amd->pdes, tag_of(walk, walk->out->domain),
				     walk->address / PAGE_SIZE)
			: NULL;
	if (known != NULL) {
		guest->table = known->pa * PAGE_SIZE;
		guest->level = 1;
		guest->perm = known->perm;
		return AMD_TRANSLATED;
	}
	guest->level = levels_of(walk);
	guest->perm = PERM_READ | PERM_WRITE | PERM_USER | PERM_EXECUTE;
	return find_cr3(guest, &guest->table);
}

/* Once all above it are marked: a walk that begins there does not see them again. */
static void remember_table(const struct guest_walk *guest)
{
	struct walk *walk = guest->walk;
	const struct tlb_entry entry = {
		.tag = tag_of(walk, walk->out->domain),
		.order = 9,
		.perm = (uint8_t)guest->table_perm,
		.pa = guest->table / PAGE_SIZE,
	};
	if (guest->level == 1 && guest->count > 1 && caches_tables(walk->amd))
		tlb_insert(&walk->amd->pdes, &entry, walk->address / PAGE_SIZE);
}

/* US and NX count where the hardware has them (12). */
static unsigned perm_of(const struct amd_iommu *amd, uint64_t entry)
{
	bool user = (entry & GPTE_US) || !(amd->efr & EFR_US);
	bool execute = !(entry & GPTE_NX) || !(amd->efr & EFR_NX);
	return PERM_READ | (entry & GPTE_RW ? PERM_WRITE : 0) | (user ? PERM_USER : 0) |
	       (execute ? PERM_EXECUTE : 0);
}

/* Of a large leaf the address bits below its size but PAT, bit 12; PS where no leaf can be. */
static bool has_reserved_bits(uint64_t entry, unsigned level)
{
	if (level == 1 || !(entry & GPTE_PS))
		return false;
	return level > GUEST_LEAF_LEVELS || (entry & BITS(amd_level_shift(level) - 1, 13)) != 0;
}

/* To the leaf: its entry is the last that was met. */
static enum amd_translate_result descend(struct guest_walk *guest)
{
	struct walk *walk = guest->walk;
	for (;;) {
		uint64_t index = walk->address >> amd_level_shift(guest->level) & 511;
		struct met *met = &guest->met[guest->count];
		enum amd_translate_result result = read_guest(guest, guest->table + 8 * index, met);
		if (result != AMD_TRANSLATED)
			return result;
		guest->count++;
		if (!(met->entry & GPTE_P))
			return amd_walk_page_fault(walk, 0);
		if (has_reserved_bits(met->entry, guest->level))
			return amd_walk_page_fault(walk, EVT_PR | EVT_RZ);
		guest->perm &= perm_of(walk->amd, met->entry);
		if (guest->level == 1 || (met->entry & GPTE_PS))
			return AMD_TRANSLATED;
		guest->table = met->entry & GPTE_ADDR;
		guest->level--;
		guest->table_perm = guest->perm;
	}
}

static bool allows(const struct walk *walk, unsigned perm)
{
	unsigned needed = PERM_READ | (walk->write ? PERM_WRITE : 0) |
			  (walk->user ? PERM_USER : 0) | (walk->execute ? PERM_EXECUTE : 0);
	return (perm & needed) == needed;
}

/* The device's table entry, which a walk of guest tables is told before it marks anything (11). */
static bool entry_allows(const struct walk *walk)
{
	return walk->dte->q[0] & (walk->write ? DTE_IW : DTE_IR);
}

/* --- accessed and dirty (12) --- */

/* The page that the entry is in is written through the host's tables, if there are any. */
static enum amd_translate_result mark_entry(struct guest_walk *guest, struct met *met,
					    uint64_t bits)
{
	struct walk nested = *guest->walk;
	struct tlb_entry leaf;
	if ((met->entry & bits) == bits)
		return AMD_TRANSLATED;
	enum amd_translate_result result = host_leaf(guest, met->input, true, &leaf);
	if (result != AMD_TRANSLATED)
		return result;
	nested.address = met->input;
	nested.guest = false;
	nested.write = true;
	return amd_walk_mark(&nested, met, bits);
}

/* A of all that the walk met, D of the leaf if it is written. */
static enum amd_translate_result mark(struct guest_walk *guest)
{
	const struct walk *walk = guest->walk;
	uint64_t accessed = walk->amd->control & CONTROL_GA_UPDATE_DIS ? 0 : GPTE_A;
	uint64_t dirty = walk->amd->control & CONTROL_GD_UPDATE_DIS || !walk->write ? 0 : GPTE_D;
	for (unsigned i = 0; i < guest->count; i++) {
		bool leaf = i + 1 == guest->count;
		enum amd_translate_result result =
			mark_entry(guest, &guest->met[i], accessed | (leaf ? dirty : 0));
		if (result != AMD_TRANSLATED)
			return result;
	}
	if ((walk->amd->control & CONTROL_GD_UPDATE_DIS) ||
	    (guest->met[guest->count - 1].entry & GPTE_D))
		guest->perm |= PERM_DIRTY;
	return AMD_TRANSLATED;
}

/* --- both stages --- */

/* LEAF: guest address to physical address, as large and as permissive as both stages let it be. */
static enum amd_translate_result walk_both(struct guest_walk *guest, struct tlb_entry *leaf)
{
	struct walk *walk = guest->walk;
	struct tlb_entry host;
	enum amd_translate_result result = start(guest);
	if (result == AMD_TRANSLATED)
		result = descend(guest);
	if (result != AMD_TRANSLATED)
		return result;
	if (!allows(walk, guest->perm) || !entry_allows(walk))
		return amd_walk_page_fault(walk, EVT_PR | EVT_PE);
	uint64_t size = 1ULL << amd_level_shift(guest->level);
	uint64_t base = guest->met[guest->count - 1].entry & GPTE_ADDR & ~(size - 1);
	uint64_t gpa = base | (walk->address & (size - 1));
	result = host_leaf(guest, gpa, walk->write, &host);
	if (result == AMD_TRANSLATED)
		result = mark(guest);
	if (result != AMD_TRANSLATED)
		return result;
	remember_table(guest);
	uint8_t order = (uint8_t)(amd_level_shift(guest->level) - 12);
	leaf->order = host.order < order ? host.order : order;
	leaf->perm = (uint8_t)((guest->perm & (host.perm | ~(PERM_READ | PERM_WRITE))) |
			       (host.perm & PERM_HOST_DIRTY));
	leaf->pa = inside(&host, gpa) / PAGE_SIZE >> leaf->order << leaf->order;
	return AMD_TRANSLATED;
}

/* What the entry says of guest tables, and the hardware may not have (5, 10). */
static bool is_legal(const struct walk *walk)
{
	const struct amd_dte *dte = walk->dte;
	uint64_t glx = field_get(dte->q[0], DTE_GLX), mode = field_get(dte->q[2], DTE_GUEST_MODE);
	return glx != DTE_GLX_RESERVED && glx <= field_get(walk->amd->efr, EFR_GLX) && mode <= 1 &&
	       mode <= field_get(walk->amd->efr, EFR_GATS);
}

/* AMD64: the bits above the top level repeat its highest one. */
static bool is_canonical(const struct walk *walk)
{
	unsigned top = amd_level_shift(levels_of(walk) + 1) - 1;
	uint64_t high = walk->address >> top;
	return high == 0 || high == UINT64_MAX >> top;
}

/* A leaf that does not allow the access, or whose D is to be set, is walked for anew. */
static bool serves(const struct walk *walk, const struct tlb_entry *known)
{
	return allows(walk, known->perm) && (!walk->write || (known->perm & PERM_DIRTY)) &&
	       !amd_walk_dirties(walk, known->perm);
}

enum amd_translate_result amd_walk_guest(struct walk *walk, enum amd_leaf_cache cache)
{
	struct guest_walk guest = {.walk = walk, .cache = cache};
	uint16_t domain;
	struct tlb *tlb = amd_walk_leaves(walk, cache, &domain);
	struct tlb_entry leaf = {.tag = tag_of(walk, domain)};
	if (!is_legal(walk))
		return amd_walk_fault(walk, EVENT_ILLEGAL_DEV_TABLE_ENTRY, 0,
				      walk->address & ~3ULL);
	if (!is_canonical(walk))
		return amd_walk_page_fault(walk, 0);
	const struct tlb_entry *known =
		tlb != NULL ? tlb_lookup(tlb, leaf.tag, walk->address / PAGE_SIZE) : NULL;
	if (known != NULL && serves(walk, known)) {
		walk->out->cost_ps += walk->amd->timing.tlb_hit_ps;
		return amd_walk_finish(walk, known, PATH_CACHED);
	}
	enum amd_translate_result result = walk_both(&guest, &leaf);
	if (result != AMD_TRANSLATED)
		return result;
	if (tlb != NULL)
		tlb_insert(tlb, &leaf, walk->address / PAGE_SIZE);
	return amd_walk_finish(walk, &leaf, PATH_WALKED);
}
