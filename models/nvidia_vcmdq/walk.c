// SPDX-License-Identifier: Apache-2.0
/* Walks of translation tables, of either stage and any granule (smmuv3 5). */
#include "models/nvidia_vcmdq/smmu.h"

struct walk {
	struct request *request;
	const struct tables *tables;
	const struct stage_input *input;
	struct tlb_tag tag;
	struct tlb *cache;     /* of tables */
	uint64_t restrictions; /* PTE_S1_TABLE_RIGHTS of the tables on the way */
	/* The descriptor read last. */
	uint64_t at;       /* PA */
	uint64_t input_at; /* behind stage 2: IPA */
	bool read_only;    /* stage 2 lets nobody write it */
};

/* A descriptor of stage 1, as stage 2 is to find it. */
static struct stage_input descriptor_input(const struct walk *walk, bool writes)
{
	const struct stream_config *config = walk->request->config;
	return (struct stage_input){.stage2 = true,
				    .record = config->record,
				    .stall = config->stall,
				    .writes = writes,
				    .class = EVT_CLASS_TT,
				    .address = walk->input_at};
}

/* Descriptors of stage 1 lie behind stage 2. False: a fault. */
__attribute__((noinline)) static bool locate(struct walk *walk)
{
	const struct stage_input input = descriptor_input(walk, false);
	struct leaf leaf;
	enum access_path path;
	if (smmu_stage2(walk->request, &input, PERM_READ | PERM_USER_READ, &leaf, &path) !=
	    TRANSLATE_OK)
		return false;
	walk->at = leaf_pa(&leaf, walk->input_at);
	walk->read_only = !(leaf.perm & (PERM_WRITE | PERM_USER_WRITE));
	return true;
}

/* A descriptor as memory has it, by what it is; and the other way round (ENDI, 5.2). */
static inline uint64_t in_byte_order(const struct tables *tables, uint64_t descriptor)
{
	return tables->big_endian ? __builtin_bswap64(descriptor) : descriptor;
}

static inline bool read_descriptor(struct walk *walk, bool nested, uint64_t address,
				   uint64_t *descriptor)
{
	struct request *request = walk->request;
	walk->at = address;
	walk->input_at = address;
	if (nested && !locate(walk))
		return false;
	struct access access = {.context = CONTEXT_DEVICE(request->access->sid),
				.purpose = ACCESS_TABLE_WALK,
				.pa = pa_of(walk->at)};
	if (port_read_u64(&request->smmu->port, &access, descriptor) == PORT_OK) {
		*descriptor = in_byte_order(walk->tables, *descriptor);
		return true;
	}
	smmu_walk_abort(request, walk->input, walk->at);
	return false;
}

/* HTTU: the descriptor read last becomes DESCRIPTOR (5.5). False: a fault. */
__attribute__((noinline)) static bool update_descriptor(struct walk *walk, uint64_t descriptor)
{
	struct request *request = walk->request;
	if (walk->read_only) {
		const struct stage_input input = descriptor_input(walk, true);
		smmu_stage_fault(request, EVT_F_PERMISSION, &input);
		return false;
	}
	struct access access = {.context = CONTEXT_DEVICE(request->access->sid),
				.purpose = ACCESS_TABLE_WRITE,
				.pa = pa_of(walk->at)};
	if (port_write_u64(&request->smmu->port, &access,
			   in_byte_order(walk->tables, descriptor)) == PORT_OK)
		return true;
	smmu_walk_abort(request, walk->input, walk->at);
	return false;
}

/*
 * Bit level + 1: 1 GiB and 2 MiB; 32 MiB; 512 MiB. Where addresses have 52 bits 512 GiB; 64 GiB; 4 TiB
 * besides (5.1).
 */
static inline unsigned block_levels(const struct tables *tables)
{
	bool level1 = tables->page_shift == 12 || tables->wide;
	bool level0 = tables->page_shift == 12 && tables->wide;
	return 1U << 3 | (level1 ? 1U << 2 : 0) | (level0 ? 1U << 1 : 0);
}

/* The bits of an address above 48, of tables that have them (5.2). */
static uint64_t high_address(const struct tables *tables, uint64_t descriptor)
{
	if (tables->ds)
		return (descriptor & PTE_DS_ADDR) | field_get(descriptor, PTE_DS_ADDR_TOP) << 50;
	return field_get(descriptor, PTE_ADDR_HIGH) << 48;
}

static inline uint64_t address_of(const struct tables *tables, uint64_t descriptor, uint64_t mask,
				  bool wide)
{
	uint64_t address = descriptor & mask;
	if (wide)
		address |= high_address(tables, descriptor);
	return address;
}

/* AP[1] counts as 1, and there is one kind of access (5.3). */
static uint8_t el2_perm(const struct walk *walk, uint64_t leaf)
{
	uint64_t tables = walk->restrictions;
	bool write = !(leaf & PTE_S1_AP_RO) && !(tables & PTE_S1_AP_TABLE_RO);
	bool exec = !(leaf & PTE_S1_UXN) && !(tables & PTE_S1_UXN_TABLE) &&
		    !(walk->tables->no_write_exec && write);
	return (uint8_t)(PERM_READ | (write ? (unsigned)PERM_WRITE : 0U) |
			 (exec ? (unsigned)PERM_EXEC : 0U));
}

static uint8_t stage1_perm(const struct walk *walk, uint64_t leaf)
{
	uint64_t tables = walk->restrictions;
	if (is_plain_el2(walk->request->smmu, walk->request->config))
		return el2_perm(walk, leaf);
	bool user = (leaf & PTE_S1_AP_EL0) && !(tables & PTE_S1_AP_TABLE_EL0);
	bool write = !(leaf & PTE_S1_AP_RO) && !(tables & PTE_S1_AP_TABLE_RO);
	bool exec = !(leaf & PTE_S1_PXN) && !(tables & PTE_S1_PXN_TABLE);
	bool user_exec = !(leaf & PTE_S1_UXN) && !(tables & PTE_S1_UXN_TABLE);
	unsigned perm = 0;
	if (user)
		perm |= (unsigned)PERM_USER_READ | (write ? (unsigned)PERM_USER_WRITE : 0U);
	if (!(walk->tables->no_user_data && user))
		perm |= (unsigned)PERM_READ | (write ? (unsigned)PERM_WRITE : 0U);
	/* What unprivileged code may write, privileged code does not run. */
	if (exec && !(user && write) && !(walk->tables->no_write_exec && write))
		perm |= (unsigned)PERM_EXEC;
	if (user_exec && !(walk->tables->no_write_exec && user && write))
		perm |= (unsigned)PERM_USER_EXEC;
	return (uint8_t)perm;
}

/* Both kinds of access alike, but for XN: 0: both run; 1: unprivileged alone; 3: privileged alone. */
static inline uint8_t stage2_perm(const struct walk *walk, uint64_t leaf)
{
	static const uint8_t exec[4] = {PERM_EXEC | PERM_USER_EXEC, PERM_USER_EXEC, 0, PERM_EXEC};
	bool xnx = walk->request->smmu->idr[3] & IDR3_XNX;
	unsigned xn = (unsigned)field_get(leaf, PTE_S2_XN) & (xnx ? 3U : 2U);
	unsigned data = (unsigned)(leaf & (PTE_S2_READ | PTE_S2_WRITE));
	bool is_device = (field_get(leaf, PTE_S2_MEMATTR) & 0xc) == 0;
	return (uint8_t)(data | data >> 2 | exec[xn] | (is_device ? PERM_DEVICE : 0));
}

/* Log2 of the leaves in a contiguous run (5.1). */
static unsigned run_bits(const struct tables *tables, unsigned level)
{
	switch (tables->page_shift) {
	case 12:
		return level == 0 ? 0 : 4;
	case 14:
		return level == 3 ? 7 : level == 2 ? 5 : 0;
	default:
		return level == 1 ? 0 : 5;
	}
}

/* A leaf's descriptor: the address that it has, its level, log2 of its bytes. */
struct found {
	uint64_t descriptor;
	uint64_t address;
	unsigned level;
	unsigned shift;
};

static inline uint8_t leaf_perm(const struct walk *walk, uint64_t descriptor)
{
	return walk->input->stage2 ? stage2_perm(walk, descriptor) : stage1_perm(walk, descriptor);
}

static inline void make_leaf(const struct walk *walk, const struct found *found, struct leaf *leaf)
{
	const struct tables *tables = walk->tables;
	unsigned shift = found->shift;
	uint64_t address = found->address & ~((1ULL << shift) - 1);
	if (found->descriptor & PTE_CONTIGUOUS) {
		unsigned run = shift + run_bits(tables, found->level);
		uint64_t in_run =
			walk->input->address & ((1ULL << run) - 1) & ~((1ULL << shift) - 1);
		/* A hint; where it can't be true it is not taken. */
		if (run <= tables->input_bits && ((address - in_run) & ((1ULL << run) - 1)) == 0) {
			address -= in_run;
			shift = run;
		}
	}
	*leaf = (struct leaf){
		.address = address,
		.order = (uint8_t)(shift - PAGE_SHIFT),
		.perm = leaf_perm(walk, found->descriptor),
		.level = (uint8_t)found->level,
		.global = !(found->descriptor & PTE_S1_NG),
	};
}

/* What the descriptor becomes by this access: accessed; dirty, if that is what a write lacks (5.5). */
static uint64_t updated(const struct walk *walk, uint64_t descriptor)
{
	const struct request *request = walk->request;
	uint64_t accessed = descriptor | PTE_AF;
	uint64_t dirty = walk->input->stage2 ? accessed | PTE_S2_WRITE : accessed & ~PTE_S1_AP_RO;
	bool writes = (request->need & (PERM_WRITE | PERM_USER_WRITE)) &&
		      walk->input->class == EVT_CLASS_IN;
	bool lacks = !(leaf_perm(walk, accessed) & request->need);
	if (walk->tables->set_dirty && writes && lacks && (descriptor & PTE_DBM) &&
	    (leaf_perm(walk, dirty) & request->need))
		return dirty;
	return accessed;
}

static inline enum translate_result take_leaf(struct walk *walk, const struct found *found,
					      struct leaf *leaf)
{
	struct found taken = *found;
	bool fleeting = false;
	if (walk->tables->set_access) {
		taken.descriptor = updated(walk, found->descriptor);
		bool changes = taken.descriptor != found->descriptor;
		fleeting = changes && walk->request->access->speculative;
		if (changes && !fleeting && !update_descriptor(walk, taken.descriptor))
			return TRANSLATE_FAULT;
	} else if (!(found->descriptor & PTE_AF) && !walk->tables->no_access_fault) {
		return smmu_stage_fault(walk->request, EVT_F_ACCESS, walk->input);
	}
	make_leaf(walk, &taken, leaf);
	leaf->fleeting = fleeting;
	return TRANSLATE_OK;
}

/* --- the walk cache: tables on the way, as their descriptors were read (7.1) --- */

/* The table that is read next. */
struct position {
	uint64_t table;
	uint64_t index_mask;
	int level;
	unsigned shift;
};

static inline struct position root_of(const struct tables *tables)
{
	int level = tables->start_level;
	return (struct position){
		.table = tables->root,
		.index_mask = ~0ULL, /* start tables may be longer */
		.level = level,
		.shift = tables->page_shift + (tables->page_shift - 3U) * (unsigned)(3 - level),
	};
}

static inline struct position below(const struct position *at, unsigned level_bits, uint64_t table)
{
	return (struct position){table, (1ULL << level_bits) - 1, at->level + 1,
				 at->shift - level_bits};
}

/* From the deepest table that is cached; from the root, if none is, or it is of tables of another shape. */
static inline struct position start_of(struct walk *walk)
{
	const struct tables *tables = walk->tables;
	const unsigned level_bits = tables->page_shift - 3U;
	const struct tlb_entry *known =
		tlb_lookup(walk->cache, walk->tag, walk->input->address >> PAGE_SHIFT);
	if (known == NULL)
		return root_of(tables);
	const struct position at = {.level = known->level - 1, .shift = known->order + PAGE_SHIFT};
	if (at.shift != tables->page_shift + level_bits * (unsigned)(3 - at.level))
		return root_of(tables);
	walk->restrictions = field_put(PTE_S1_TABLE_RIGHTS, known->perm);
	return below(&at, level_bits, known->pa << PAGE_SHIFT);
}

/* AT: where the descriptor of TABLE was read. */
static inline void remember_table(const struct walk *walk, const struct position *at,
				  uint64_t table)
{
	const struct tlb_entry entry = {
		.tag = walk->tag,
		.order = (uint8_t)(at->shift - PAGE_SHIFT),
		.perm = (uint8_t)field_get(walk->restrictions, PTE_S1_TABLE_RIGHTS),
		.level = (uint8_t)(at->level + 1), /* from -1 on */
		.pa = table >> PAGE_SHIFT,
	};
	tlb_insert(walk->cache, &entry, walk->input->address >> PAGE_SHIFT);
}

/* By the order of events in 6.3: abort, F_TRANSLATION, F_ADDR_SIZE, at the leaf F_ACCESS. */
enum translate_result smmu_walk(struct request *request, const struct tables *tables,
				struct tlb_tag tag, const struct stage_input *input,
				struct leaf *leaf)
{
	struct walk walk = {.request = request,
			    .tables = tables,
			    .input = input,
			    .tag = tag,
			    .cache = tag.stage1 && request->config->el2 ? &request->smmu->el2_walks
									: &request->smmu->walks};
	const bool nested = !input->stage2 && request->config->kind == STREAM_NESTED;
	const bool restricted = !input->stage2 && !tables->flat;
	const bool wide = tables->wide;
	const unsigned level_bits = tables->page_shift - 3U, output_bits = tables->output_bits;
	const unsigned blocks = block_levels(tables);
	const uint64_t mask = PTE_ADDR & ~((1ULL << tables->page_shift) - 1);
	const uint64_t address = input->address & ((1ULL << tables->input_bits) - 1);
	struct position at = start_of(&walk);
	for (;;) {
		uint64_t index = address >> at.shift & at.index_mask, descriptor;
		if (!read_descriptor(&walk, nested, at.table + 8 * index, &descriptor))
			return TRANSLATE_FAULT;
		bool table_bit = descriptor & PTE_TABLE;
		uint64_t next = address_of(tables, descriptor, mask, wide);
		if (!(descriptor & PTE_VALID) || (!table_bit && !(blocks >> (at.level + 1) & 1)))
			return smmu_stage_fault(request, EVT_F_TRANSLATION, input);
		if (next >> output_bits != 0)
			return smmu_stage_fault(request, EVT_F_ADDR_SIZE, input);
		if (at.level == 3 || !table_bit) {
			const struct found found = {descriptor, next, (unsigned)at.level, at.shift};
			return take_leaf(&walk, &found, leaf);
		}
		if (restricted)
			walk.restrictions |= descriptor & PTE_S1_TABLE_RIGHTS;
		remember_table(&walk, &at, next);
		at = below(&at, level_bits, next);
	}
}
