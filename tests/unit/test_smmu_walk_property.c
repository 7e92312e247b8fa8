// SPDX-License-Identifier: Apache-2.0
/*
 * Random tables, walked by the model and by an obvious walker; and a random life of tables, entries
 * and commands, in which the model may answer only what some cache could still hold (smmuv3 5, 7).
 *
 * Concepts
 *   tree    tables of one stage at random: leaves of all sizes, runs, restrictions, rubbish
 *   regime  a stream with its STE, its CD and its trees
 *   slot    a place of the input space, mapped or not (second part)
 *   held    what caches may hold for a slot: all that the tables said since the last completed
 *           invalidation that reaches it; the tables are those of now, and those that caches may
 *           still lead to, whatever these hold meanwhile
 */
#include <check.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu.h"
#include "tests/kit/smmu_walker.h"

#define SEED       20261126U
#define SIDS_LOG2  4U
#define POOL_PAGES 16384U /* 64 MiB of tables, aligned to it */
#define POOL_BYTES ((uint64_t)POOL_PAGES * PAGE_SIZE)
#define TABLES_AT  0x40000000ULL /* where a nested stream sees the pool */
#define LEAVES_MAX 160U
#define ACCESSES   20000U
#define OAS        (wide ? 52U : 44U)
#define HAD        2ULL
#define QUEUE_LOG2 6U
#define STEPS      40000U

static struct smmu_kit *kit;
static uint64_t streams; /* the stream table */
static uint64_t pool, pool_used;
static uint64_t random_state;
static bool big_endian[2]; /* tables of stage 1, of stage 2 */
static bool wide;          /* all has 52 bits, and DS */

static uint64_t random_bits(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dULL;
}

static uint64_t random_below(uint64_t limit)
{
	return (random_bits() >> 16) % limit;
}

static bool one_in(unsigned count)
{
	return random_below(count) == 0;
}

static uint64_t below_bits(unsigned bits)
{
	return random_bits() & ((1ULL << bits) - 1);
}

static void set_up(unsigned seed)
{
	struct profile profile = smmu_kit_profile("qemu-virt");
	smmu_kit_set(&profile, "tlb.entries", 256);
	smmu_kit_set(
		&profile, "idr0.features",
		field_set(profile_get(&profile, "idr0.features"), IDR0_TTENDIAN, TTENDIAN_MIXED));
	if (wide) {
		smmu_kit_set(&profile, "oas.bits", 52);
		smmu_kit_set(&profile, "idr5.features",
			     profile_get(&profile, "idr5.features") | IDR5_DS |
				     field_put(IDR5_VAX, 1));
	}
	big_endian[0] = seed & 1;
	big_endian[1] = seed >> 1 & 1;
	kit = smmu_kit_new(&profile);
	random_state = SEED + 77 * seed;
	uint64_t frames = kit_frames(kit, 2 * POOL_PAGES);
	pool = align_up(frames, POOL_BYTES);
	pool_used = 0;
	streams = align_up(kit_frames(kit, 2), 1ULL << (SIDS_LOG2 + 6));
	kit_smmu_write(kit, SMMU_STRTAB_BASE, 8, streams);
	kit_smmu_write(kit, SMMU_STRTAB_BASE_CFG, 4, SIDS_LOG2);
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_SMMUEN);
}

static uint64_t pool_take(uint64_t bytes)
{
	pool_used = align_up(pool_used, bytes);
	ck_assert_uint_le(pool_used + bytes, POOL_BYTES);
	pool_used += bytes;
	return pool + pool_used - bytes;
}

/* --- random tables --- */

struct leaf_range {
	uint64_t at;
	uint64_t size;
};

struct tree {
	bool second;
	bool top;        /* TTB1: the upper half of the input space */
	uint64_t offset; /* of a table's address over where it lies: behind stage 2 */
	unsigned page;
	unsigned bits;
	int start;
	unsigned output;
	uint64_t root; /* as structures and descriptors say it */
	struct leaf_range leaves[LEAVES_MAX];
	unsigned leaf_count;
};

static uint64_t in_byte_order(const struct tree *tree, uint64_t descriptor)
{
	return big_endian[tree->second] ? GUINT64_SWAP_LE_BE(descriptor) : descriptor;
}

static uint64_t descriptor_at(const struct tree *tree, uint64_t slot)
{
	return in_byte_order(tree, kit_word(kit, slot));
}

static void put_descriptor(const struct tree *tree, uint64_t slot, uint64_t descriptor)
{
	kit_set_word(kit, slot, in_byte_order(tree, descriptor));
}

static unsigned level_shift(const struct tree *tree, int level)
{
	return tree->page + (tree->page - 3) * (unsigned)(3 - level);
}

static void make_tree(struct tree *tree)
{
	uint64_t bytes = 8ULL << (tree->bits - level_shift(tree, tree->start));
	tree->root = pool_take(bytes < 64 ? 64 : bytes) + tree->offset;
	tree->leaf_count = 0;
}

/* Where the descriptor of LEVEL for AT lies; 0: something else is in the way. */
static uint64_t slot_at(struct tree *tree, uint64_t at, int level)
{
	uint64_t table = tree->root - tree->offset, inside = at & ((1ULL << tree->bits) - 1);
	for (int here = tree->start;; here++) {
		uint64_t index = inside >> level_shift(tree, here);
		if (here > tree->start)
			index &= (1ULL << (tree->page - 3)) - 1;
		uint64_t slot = table + 8 * index, descriptor = descriptor_at(tree, slot);
		if (here == level)
			return slot;
		if (descriptor == 0) {
			uint64_t next = pool_take(1ULL << tree->page) + tree->offset;
			/* The restrictions of tables of stage 1; stage 2 has none. */
			uint64_t attributes = one_in(4) ? random_below(16) << 59 : 0;
			descriptor = next | 3 | (tree->second ? 0 : attributes);
			put_descriptor(tree, slot, descriptor);
		}
		if ((descriptor & 3) != 3)
			return 0;
		table = (descriptor & 0x0000fffffffff000) - tree->offset;
	}
}

/* Levels that leaves may be at; now and then one that they may not be at. */
static int random_level(const struct tree *tree)
{
	int lowest = (tree->page == 12 ? 1 : 2) - (wide ? 1 : 0);
	if (one_in(40))
		lowest = 0;
	lowest = lowest < tree->start ? tree->start : lowest;
	return lowest + (int)random_below((uint64_t)(4 - lowest));
}

static uint64_t random_attributes(const struct tree *tree, int level)
{
	uint64_t bits = level == 3 ? 3 : 1;
	if (one_in(40))
		bits = level == 3 ? random_below(4) : random_below(3); /* rubbish, at most levels */
	bits |= one_in(12) ? 0 : PTE_AF;
	/* One after the other: a seed means the same everywhere. */
	uint64_t rights = random_below(4), all = tree->second ? 3 : 1;
	bits |= (one_in(3) ? rights : all) << 6;
	bits |= random_below(4) << 53;
	bits |= random_below(2) << 11;
	bits |= tree->second ? random_below(16) << 2 : random_below(8) << 2;
	return bits;
}

/* An address as a descriptor has it. */
static uint64_t address_bits(const struct tree *tree, uint64_t address)
{
	if (!wide)
		return address;
	if (tree->page == 16)
		return (address & BITS(47, 16)) | address >> 48 << 12;
	return (address & BITS(49, 12)) | address >> 50 << 8;
}

/* A contiguous run, or one leaf; where it would lie over another one, nothing. */
static void put_leaf(struct tree *tree, uint64_t at, int level, uint64_t to)
{
	static const unsigned runs[3][4] = {{0, 4, 4, 4}, {0, 0, 5, 7}, {0, 0, 5, 5}};
	unsigned shift = level_shift(tree, level);
	unsigned run = one_in(4) ? runs[(tree->page - 12) / 2][level] : 0;
	uint64_t attributes = random_attributes(tree, level);
	if (shift + run > tree->bits)
		run = 0;
	if ((attributes & 3) != (level == 3 ? 3 : 1))
		run = 0;
	uint64_t size = 1ULL << (shift + run);
	at &= ~(size - 1);
	to &= ~(size - 1);
	for (uint64_t i = 0; i < 1ULL << run; i++) {
		uint64_t slot = slot_at(tree, at + (i << shift), level);
		if (slot == 0 || descriptor_at(tree, slot) != 0)
			return; /* before any of the run: it lies in one table */
	}
	if (run > 0)
		attributes |= PTE_CONTIGUOUS;
	for (uint64_t i = 0; i < 1ULL << run; i++)
		put_descriptor(tree, slot_at(tree, at + (i << shift), level),
			       address_bits(tree, to + (i << shift)) | attributes);
	if (tree->leaf_count < LEAVES_MAX)
		tree->leaves[tree->leaf_count++] = (struct leaf_range){at, size};
}

static uint64_t random_input(const struct tree *tree)
{
	uint64_t sign = tree->top ? ~0ULL << tree->bits : 0;
	return below_bits(tree->bits) | sign;
}

/* In a leaf, at its ends, around it, or anywhere. */
static uint64_t random_address(const struct tree *tree)
{
	if (tree->leaf_count == 0 || one_in(12))
		return one_in(4) ? random_bits() : random_input(tree);
	const struct leaf_range *leaf = &tree->leaves[random_below(tree->leaf_count)];
	switch (random_below(6)) {
	case 0:
		return leaf->at;
	case 1:
		return leaf->at + leaf->size - 1;
	case 2:
		return leaf->at - 1 - random_below(PAGE_SIZE);
	case 3:
		return leaf->at + leaf->size;
	default:
		return leaf->at + random_below(leaf->size);
	}
}

/* BEHIND: what stage 2 maps, where outputs of stage 1 should lie. */
static void fill(struct tree *tree, const struct tree *behind, unsigned leaves)
{
	for (unsigned i = 0; i < leaves; i++) {
		uint64_t to = below_bits(one_in(30) ? (wide ? 52 : 47) : tree->output);
		uint64_t at = random_input(tree);
		if (behind != NULL && !one_in(10))
			to = random_address(behind) & ((1ULL << OAS) - 1);
		if (i % 3 != 0 && tree->leaf_count > 0) { /* near another one: in the same tables */
			int level = 2 + (int)random_below(2);
			at = tree->leaves[random_below(tree->leaf_count)].at;
			at += random_below(64) << level_shift(tree, level);
		}
		if (tree->top)
			at |= ~0ULL << tree->bits;
		else
			at &= (1ULL << tree->bits) - 1;
		put_leaf(tree, at, random_level(tree), to);
	}
}

/* --- streams --- */

static const unsigned pages[] = {12, 14, 16};

static uint64_t code_of(unsigned page, bool second_half)
{
	if (second_half)
		return page == 12 ? 2 : page == 14 ? 1 : 3;
	return page == 12 ? 0 : page == 14 ? 2 : 1;
}

static void set_ste(uint32_t sid, uint64_t dw0, uint64_t dw2, uint64_t dw3)
{
	uint64_t at = streams + STE_SIZE * (uint64_t)sid;
	kit_set_word(kit, at, dw0);
	kit_set_word(kit, at + 16, dw2);
	kit_set_word(kit, at + 24, dw3);
}

/* A legal start level for the tree's input size; at random where there are two. */
static void choose_start(struct tree *tree)
{
	unsigned level_bits = tree->page - 3, most = level_bits + (tree->second ? 4 : 0);
	int legal[5];
	unsigned count = 0;
	for (int start = tree->second ? 0 : -1; start < 4; start++) {
		unsigned shift = level_shift(tree, start);
		if (shift >= tree->bits || tree->bits - shift > most)
			continue;
		if (tree->second && start == 3 && tree->page == 12)
			continue; /* small tables only */
		if (tree->second && start == 0 && tree->page != 12 && tree->bits <= 48)
			continue;
		legal[count++] = start;
	}
	ck_assert_uint_gt(count, 0);
	tree->start = legal[random_below(count)];
}

static uint64_t stage2_words(const struct tree *tree, uint16_t vmid)
{
	static const uint64_t sl0[2][4] = {{2, 1, 0, 3}, {3, 2, 1, 0}};
	static const uint64_t tg[] = {0, 2, 1};
	unsigned row = (tree->page - 12) / 2;
	uint64_t words = vmid | (64ULL - tree->bits) << 32 | sl0[row != 0][tree->start] << 38 |
			 tg[row] << 46 | (uint64_t)smmu_address_code(tree->output) << 48 |
			 STE_S2AA64 | STE_S2R;
	words |= one_in(3) ? STE_S2AFFD : 0;
	words |= one_in(2) ? STE_S2PTW : 0;
	words |= big_endian[1] ? STE_S2ENDI : 0;
	return words;
}

static void random_geometry(struct tree *tree, unsigned page)
{
	static const unsigned outputs[] = {36, 40, 42, 44, 44, 44};
	tree->page = page;
	tree->bits = 25 + (unsigned)random_below(wide ? 28 : tree->second ? 20 : 24);
	tree->output = outputs[random_below(6)] + (wide ? 8 : 0);
	choose_start(tree);
}

static struct tree second, halves[2];

/* Stage 2, with the pool in it where stage 1 is behind it. */
static void make_second(unsigned page, bool nested)
{
	memset(&second, 0, sizeof(second));
	second.second = true;
	random_geometry(&second, page);
	if (nested && second.bits < 31) {
		second.bits = 40;
		choose_start(&second);
	}
	if (nested)
		second.output = OAS; /* outputs of stage 1 have that many bits */
	make_tree(&second);
}

static void map_pool(void)
{
	/* The pool's pages, but for a few that can't be read. */
	for (uint64_t at = 0; at < POOL_BYTES; at += 1ULL << second.page) {
		uint64_t rights = one_in(200) ? PTE_S2_WRITE : PTE_S2_WRITE | PTE_S2_READ;
		uint64_t slot = slot_at(&second, TABLES_AT + at, 3);
		if (slot != 0 && kit_word(kit, slot) == 0 && !one_in(300))
			put_descriptor(&second, slot,
				       (pool + at) | PTE_AF | rights |
					       field_put(PTE_S2_MEMATTR, one_in(100) ? 1 : 15) | 3);
	}
}

static void make_half(unsigned half, unsigned page, bool nested)
{
	struct tree *tree = &halves[half];
	memset(tree, 0, sizeof(*tree));
	tree->top = half != 0;
	tree->offset = nested ? TABLES_AT - pool : 0;
	random_geometry(tree, page);
	if (nested)
		tree->output = wide ? 48 : OAS;
	make_tree(tree);
}

static uint64_t make_context(uint16_t asid, bool nested)
{
	uint64_t at = pool_take(CD_SIZE);
	uint64_t dw0 = (64ULL - halves[0].bits) | code_of(halves[0].page, false) << 6 |
		       (64ULL - halves[1].bits) << 16 | code_of(halves[1].page, true) << 22 |
		       (uint64_t)smmu_address_code(halves[0].output) << 32 | CD_V | CD_AA64 | CD_R |
		       CD_A | (uint64_t)asid << 48;
	dw0 |= one_in(6) ? CD_EPD1 : 0;
	dw0 |= one_in(3) ? CD_TBI0 : 0;
	dw0 |= one_in(3) ? CD_TBI1 : 0;
	dw0 |= one_in(3) ? CD_WXN : 0;
	dw0 |= one_in(3) ? CD_PAN : 0;
	dw0 |= one_in(4) ? CD_AFFD : 0;
	dw0 |= big_endian[0] ? CD_ENDI : 0;
	kit_set_word(kit, at, dw0);
	kit_set_word(kit, at + 8, halves[0].root | (one_in(3) ? HAD : 0));
	kit_set_word(kit, at + 16, halves[1].root | (one_in(3) ? HAD : 0) | (wide ? CD_DS : 0));
	return at + (nested ? TABLES_AT - pool : 0);
}

/* What came of it, over the rounds of a test. */
static unsigned granted, refused_by[256], in_stage2;
static uint64_t hits;

static void compare(uint32_t sid, uint64_t iova)
{
	struct smmu_access access = {.sid = sid, .iova = iova};
	access.write = one_in(2);
	access.privileged = one_in(3);
	access.instruction = one_in(4);
	struct translation got;
	struct walker_answer answer = walker_translate(kit, streams, &access);
	bool ok = smmu_translate_access(kit->smmu, &access, &got) == TRANSLATE_OK;
	ck_assert_msg(ok == answer.ok && got.pa.value == answer.pa,
		      "sid %u iova %lx %s%s: %d %lx event %x, walker %d %lx event %x", sid, iova,
		      access.privileged ? "privileged " : "", access.write ? "write" : "read", ok,
		      got.pa.value, got.event, answer.ok, answer.pa, answer.event);
	ck_assert_msg(
		got.event == answer.event && got.stage2 == answer.stage2 && got.ipa == answer.ipa,
		"iova %lx: event %x of stage %u at %lx, walker %x of stage %u at %lx", iova,
		got.event, 1 + got.stage2, got.ipa, answer.event, 1 + answer.stage2, answer.ipa);
	granted += ok;
	refused_by[answer.event & 0xff] += !ok;
	in_stage2 += answer.stage2;
}

static void compare_many(const struct tree *inputs, unsigned count)
{
	for (unsigned i = 0; i < ACCESSES; i++) {
		if (i < ACCESSES / 3)
			kit_forget(kit);
		uint64_t iova = random_address(&inputs[random_below(count)]);
		if (one_in(10))
			iova ^= random_below(256) << 56; /* tags */
		compare(1, iova);
		smmu_kit_clear(kit);
	}
	hits += kit->smmu->tlb.hits;
}

#define ROUNDS 4U

static void start_counting(void)
{
	granted = in_stage2 = 0;
	hits = 0;
	memset(refused_by, 0, sizeof(refused_by));
}

/* It was worth while: all that can happen has happened; of 52 bits there may be none above. */
static void check_counts(void)
{
	ck_assert_uint_gt(granted, ROUNDS * ACCESSES / 40);
	ck_assert_uint_gt(hits, ROUNDS * ACCESSES / 50);
	for (unsigned event = EVT_F_TRANSLATION; event <= EVT_F_PERMISSION; event++)
		ck_assert_msg(refused_by[event] > 0 || (wide && event == EVT_F_ADDR_SIZE),
			      "event %x was never seen", event);
}

/* Each granule; then with 52 bits. */
START_TEST(stage_1_is_walked_as_the_obvious_walker_walks)
{
	wide = _i >= 3;
	start_counting();
	for (unsigned round = 0; round < ROUNDS; round++) {
		set_up((unsigned)_i * 100 + round);
		make_half(0, pages[_i % 3], false);
		make_half(1, pages[random_below(3)], false);
		halves[1].output = halves[0].output; /* IPS is one for both */
		fill(&halves[0], NULL, LEAVES_MAX);
		fill(&halves[1], NULL, LEAVES_MAX / 2);
		set_ste(1, make_context(9, false) | STE_V | field_put(STE_CONFIG, STE_CONFIG_S1), 0,
			0);
		compare_many(halves, 2);
		smmu_kit_free(kit);
	}
	check_counts();
}
END_TEST

START_TEST(stage_2_is_walked_as_the_obvious_walker_walks)
{
	wide = _i >= 3;
	start_counting();
	for (unsigned round = 0; round < ROUNDS; round++) {
		set_up((unsigned)_i * 100 + round + 50);
		make_second(pages[_i % 3], false);
		fill(&second, NULL, LEAVES_MAX);
		set_ste(1, STE_V | field_put(STE_CONFIG, STE_CONFIG_S2), stage2_words(&second, 5),
			second.root | (wide ? STE_S2DS : 0));
		compare_many(&second, 1);
		smmu_kit_free(kit);
	}
	check_counts();
}
END_TEST

/* Each granule over each; then 4 KiB over each with 52 bits. */
START_TEST(nested_tables_are_walked_as_the_obvious_walker_walks)
{
	wide = _i >= 9;
	start_counting();
	for (unsigned round = 0; round < ROUNDS; round++) {
		set_up((unsigned)_i * 100 + round + 1000);
		make_second(pages[_i % 3], true);
		map_pool();
		fill(&second, NULL, LEAVES_MAX);
		make_half(0, pages[_i / 3 % 3], true);
		make_half(1, pages[random_below(3)], true);
		fill(&halves[0], &second, LEAVES_MAX);
		fill(&halves[1], &second, LEAVES_MAX / 2);
		set_ste(1, make_context(9, true) | STE_V | field_put(STE_CONFIG, STE_CONFIG_NESTED),
			stage2_words(&second, 5), second.root | (wide ? STE_S2DS : 0));
		compare_many(halves, 2);
		smmu_kit_free(kit);
	}
	check_counts();
	ck_assert_uint_gt(in_stage2, 100);
}
END_TEST

/* --- the life of a translation --- */

#define SLOTS     16U
#define GLOBALS   12U /* slots of stage 1 from here on are in all ASIDs */
#define SLOT_LOG2 21U
#define HELD_MAX  512U
#define HELD_FEW  5U /* of one stage: what is held of both stays within bounds */
#define FAULTS    (~0ULL)

/* Bits of a value below its output. */
#define VALUE_READ  1ULL
#define VALUE_WRITE 2ULL
#define VALUE_BLOCK 4ULL /* at level 2 */
#define VALUE_BITS  7ULL

/* What may be held of one slot: output and VALUE_*; FAULTS: not mapped. */
struct held {
	uint64_t values[HELD_MAX];
	unsigned count;
};

/*
 * Level 1 has one descriptor, of one of two tables of level 2. A slot there is a block; or, if it is
 * even, one of its two tables of level 3, whose first page is the slot's.
 */
struct life_tree {
	uint64_t root;   /* as structures and descriptors say it */
	uint64_t offset; /* of a table's address over where it lies */
	uint64_t level1;
	uint64_t level2[2];
	uint64_t level3[SLOTS][2];
	/* Bit n: caches may lead to table n. */
	unsigned tables2;
	unsigned tables3[SLOTS];
	bool second;
	struct held held[SLOTS];
};

/* A: ASID 1, B: ASID 2, both of VMID 0. C: ASID 1 of VMID 3, behind S. D: VMID 4. */
enum { TREE_A, TREE_B, TREE_C, TREE_S, TREE_D, TREES };

static struct life_tree trees[TREES];
static struct held combined[SLOTS]; /* C and S together */
static const uint16_t tree_asid[] = {1, 2, 1, 0, 0};
static const uint16_t tree_vmid[] = {0, 0, 3, 3, 4};

/* What a stream may be taken to be: bits of a choice that its caches may still hold. */
enum { AS_ABORT, AS_STAGE1, AS_S, AS_D, AS_NESTED };

struct life_stream {
	bool vm;
	unsigned ste; /* AS_* now */
	unsigned cd;  /* TREE_A or TREE_B */
	unsigned stes;
	unsigned cds;
	uint64_t context;
};

#define LIFE_STREAMS 6U
static struct life_stream life[LIFE_STREAMS];
static uint64_t queue, queue_at;

static void hold(struct held *held, uint64_t value)
{
	for (unsigned i = 0; i < held->count; i++)
		if (held->values[i] == value)
			return;
	if (held->count == HELD_MAX) /* forgetting would be unjust */
		ck_abort_msg("too much is held");
	held->values[held->count++] = value;
}

/* --- what the tables say, and what caches may have of it --- */

static uint64_t value_of(const struct life_tree *tree, uint64_t descriptor, bool block)
{
	bool write = tree->second ? (descriptor & PTE_S2_WRITE) != 0 : !(descriptor & PTE_S1_AP_RO);
	if (!(descriptor & PTE_VALID))
		return FAULTS;
	return (descriptor & PTE_ADDR) | VALUE_READ | (write ? VALUE_WRITE : 0) |
	       (block ? VALUE_BLOCK : 0);
}

/* Which of two tables DESCRIPTOR leads to. */
static unsigned table_of(const struct life_tree *tree, uint64_t descriptor,
			 const uint64_t tables[2])
{
	return (descriptor & PTE_ADDR) == tables[1] + tree->offset;
}

static bool is_table(uint64_t descriptor)
{
	return (descriptor & 3) == 3;
}

/* What the tables say now. */
static uint64_t value_now(const struct life_tree *tree, unsigned slot)
{
	unsigned top = table_of(tree, kit_word(kit, tree->level1), tree->level2);
	uint64_t descriptor = kit_word(kit, tree->level2[top] + 8 * slot);
	if (!is_table(descriptor))
		return value_of(tree, descriptor, true);
	unsigned last = table_of(tree, descriptor, tree->level3[slot]);
	return value_of(tree, kit_word(kit, tree->level3[slot][last]), false);
}

/* A global leaf that one of A and B leads to, caches may have for the other. */
static void hold_leaf(unsigned number, unsigned slot, uint64_t value)
{
	hold(&trees[number].held[slot], value);
	if (slot >= GLOBALS && number <= TREE_B)
		hold(&trees[TREE_A + TREE_B - number].held[slot], value);
}

/* All that a walk by the tables, or by those that caches lead to, may find. */
static void look(unsigned number)
{
	struct life_tree *tree = &trees[number];
	tree->tables2 |= 1U << table_of(tree, kit_word(kit, tree->level1), tree->level2);
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		for (unsigned n = 0; n < 2; n++) {
			uint64_t descriptor = kit_word(kit, tree->level2[n] + 8 * slot);
			if (!(tree->tables2 >> n & 1))
				continue;
			if (is_table(descriptor))
				tree->tables3[slot] |=
					1U << table_of(tree, descriptor, tree->level3[slot]);
			else
				hold_leaf(number, slot, value_of(tree, descriptor, true));
		}
		for (unsigned n = 0; n < 2; n++)
			if (tree->tables3[slot] >> n & 1)
				hold_leaf(number, slot,
					  value_of(tree, kit_word(kit, tree->level3[slot][n]),
						   false));
	}
}

/* Both stages of a leaf of C: each thing that may be held of each. */
static void combine(unsigned slot)
{
	const struct held *first = &trees[TREE_C].held[slot];
	for (unsigned i = 0; i < first->count; i++) {
		uint64_t ipa = first->values[i] & ~(PAGE_SIZE - 1), value = first->values[i];
		if (value == FAULTS) {
			hold(&combined[slot], FAULTS);
			continue;
		}
		const struct held *below = &trees[TREE_S].held[ipa >> SLOT_LOG2];
		for (unsigned j = 0; j < below->count; j++) {
			uint64_t under = below->values[j];
			hold(&combined[slot],
			     under == FAULTS
				     ? FAULTS
				     : (under & ~VALUE_BITS) | (value & VALUE_BLOCK) |
					       (under & value & (VALUE_READ | VALUE_WRITE)));
		}
	}
}

static void look_everywhere(void)
{
	for (unsigned number = 0; number < TREES; number++)
		look(number);
	for (unsigned slot = 0; slot < SLOTS; slot++)
		combine(slot);
}

/* --- changes --- */

static uint64_t random_leaf(unsigned number, unsigned slot, bool block)
{
	const struct life_tree *tree = &trees[number];
	bool write = !one_in(3);
	uint64_t output = (1 + random_below(200)) << SLOT_LOG2 << 8;
	if (number == TREE_C) /* a slot of S, of the same kind */
		output = (random_below(SLOTS / 2) * 2 + slot % 2) << SLOT_LOG2;
	if (tree->second)
		return output | PTE_AF | PTE_S2_READ | (write ? PTE_S2_WRITE : 0) |
		       field_put(PTE_S2_MEMATTR, 15) | (block ? 1 : 3);
	return output | PTE_AF | PTE_S1_AP_EL0 | (write ? 0 : PTE_S1_AP_RO) |
	       (slot < GLOBALS ? PTE_S1_NG : 0) | (block ? 1 : 3);
}

/* A leaf or a table, in tables that are in use or not. */
static void set_slot(unsigned number, unsigned slot)
{
	struct life_tree *tree = &trees[number];
	bool odd = slot % 2 != 0, mapped = !one_in(4);
	unsigned n = (unsigned)random_below(2);
	uint64_t at = tree->level2[random_below(2)] + 8 * slot;
	if (!odd && !one_in(3)) /* a page */
		kit_set_word(kit, tree->level3[slot][n],
			     mapped ? random_leaf(number, slot, false) : 0);
	else if (!odd && !one_in(3))
		kit_set_word(kit, at, (tree->level3[slot][n] + tree->offset) | 3);
	else
		kit_set_word(kit, at, mapped ? random_leaf(number, slot, true) : 0);
}

static void change_slot(void)
{
	unsigned number = (unsigned)random_below(TREES), slot = (unsigned)random_below(SLOTS);
	/* Sets stay small: someone invalidates soon. */
	for (unsigned i = 0; i < SLOTS; i++)
		if (combined[i].count > HELD_MAX / 4 || trees[number].held[i].count >= HELD_FEW)
			return;
	if (one_in(16)) { /* all slots at once */
		struct life_tree *tree = &trees[number];
		kit_set_word(kit, tree->level1, (tree->level2[random_below(2)] + tree->offset) | 3);
		look_everywhere();
		return;
	}
	uint64_t keep = random_state;
	set_slot(number, slot);
	if (slot >= GLOBALS && number <= TREE_B) {
		random_state = keep; /* the same */
		set_slot(TREE_A + TREE_B - number, slot);
	}
	look_everywhere();
}

static void make_life_tree(struct life_tree *tree, bool is_second, bool behind)
{
	memset(tree, 0, sizeof(*tree));
	tree->second = is_second;
	tree->offset = behind ? TABLES_AT - pool : 0;
	/* 39 bits: levels 1, 2, 3. */
	tree->level1 = pool_take(PAGE_SIZE);
	tree->root = tree->level1 + tree->offset;
	for (unsigned n = 0; n < 2; n++) {
		tree->level2[n] = pool_take(PAGE_SIZE);
		for (unsigned slot = 0; slot < SLOTS; slot += 2) {
			tree->level3[slot][n] = pool_take(PAGE_SIZE);
			kit_set_word(kit, tree->level2[n] + 8 * slot,
				     (tree->level3[slot][n] + tree->offset) | 3);
		}
	}
	kit_set_word(kit, tree->level1, (tree->level2[0] + tree->offset) | 3);
	if (!is_second)
		return;
	/* The pool itself, for tables behind this stage; slots end below it. */
	uint64_t pool_level2 = pool_take(PAGE_SIZE);
	kit_set_word(kit, tree->level1 + 8 * (TABLES_AT >> 30), pool_level2 | 3);
	for (uint64_t at = 0; at < POOL_BYTES; at += 2ULL << 20)
		kit_set_word(kit, pool_level2 + 8 * (at >> 21),
			     (pool + at) | PTE_AF | PTE_S2_READ | PTE_S2_WRITE |
				     field_put(PTE_S2_MEMATTR, 15) | 1);
}

static void write_cd(struct life_stream *stream, unsigned number)
{
	uint64_t at = stream->vm ? stream->context - TABLES_AT + pool : stream->context;
	kit_set_word(kit, at + 8, trees[number].root);
	kit_set_word(kit, at,
		     25 | CD_EPD1 | CD_V | 4ULL << 32 | CD_AA64 | CD_R | CD_A |
			     (uint64_t)tree_asid[number] << 48);
}

static void write_ste(unsigned sid)
{
	static const uint64_t config[] = {STE_CONFIG_ABORT, STE_CONFIG_S1, STE_CONFIG_S2,
					  STE_CONFIG_S2, STE_CONFIG_NESTED};
	const struct life_stream *stream = &life[sid];
	unsigned number = stream->ste == AS_D ? TREE_D : TREE_S;
	uint64_t dw2 = 0, root = 0;
	if (stream->ste >= AS_S) {
		dw2 = tree_vmid[number] | 25ULL << 32 | 1ULL << 38 | 4ULL << 48 | STE_S2AA64 |
		      STE_S2R;
		root = trees[number].root;
	}
	set_ste(sid, stream->context | STE_V | field_put(STE_CONFIG, config[stream->ste]), dw2,
		root);
}

static void change_stream(void)
{
	unsigned sid = (unsigned)random_below(LIFE_STREAMS);
	struct life_stream *stream = &life[sid];
	if (!stream->vm && one_in(2)) {
		stream->cd = one_in(2) ? TREE_A : TREE_B;
		stream->cds |= 1U << stream->cd;
		write_cd(stream, stream->cd);
		return;
	}
	stream->ste = stream->vm ? AS_S + (unsigned)random_below(3) : AS_STAGE1;
	if (one_in(5))
		stream->ste = AS_ABORT;
	stream->stes |= 1U << stream->ste;
	write_ste(sid);
}

/* --- commands, and what caches no longer hold once a CMD_SYNC is done --- */

static void issue(const struct smmu_command *commands, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		kit_put(kit, queue, (uint32_t)((queue_at + i) % (1U << QUEUE_LOG2)), commands[i]);
	queue_at = (queue_at + count) % (2U << QUEUE_LOG2);
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, queue_at);
	kit_run(kit);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_CMDQ_CONS, 4), queue_at);
	smmu_kit_clear(kit);
}

/* What a command reaches, of stage 1 or of stage 2. */
struct reach {
	uint16_t vmid;
	bool any_asid;
	uint16_t asid;
	bool globals;
	bool tables;
	unsigned level; /* of leaves; 0: any */
	uint64_t first; /* bytes */
	uint64_t last;
};

static bool overlaps(const struct reach *reach, uint64_t at, uint64_t size)
{
	return at <= reach->last && at + size - 1 >= reach->first;
}

/* Leaves of HELD that the command reaches: a block by any of its pages, even where stage 2 cuts it. */
static void forget_leaves(struct held *held, unsigned slot, const struct reach *reach)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < held->count; i++) {
		uint64_t value = held->values[i];
		bool block = value != FAULTS && (value & VALUE_BLOCK);
		uint64_t size = block ? 1ULL << SLOT_LOG2 : PAGE_SIZE;
		bool level =
			value == FAULTS || reach->level == 0 || reach->level == (block ? 2 : 3);
		if (!level || !overlaps(reach, (uint64_t)slot << SLOT_LOG2, size))
			held->values[kept++] = value;
	}
	held->count = kept;
}

/* Of tables on the way to what the command reaches none is cached any more. */
static void forget_tables(struct life_tree *tree, const struct reach *reach)
{
	if (!reach->tables || reach->level != 0)
		return;
	if (overlaps(reach, 0, 1ULL << 30))
		tree->tables2 = 0;
	for (unsigned slot = 0; slot < SLOTS; slot++)
		if (overlaps(reach, (uint64_t)slot << SLOT_LOG2, 1ULL << SLOT_LOG2))
			tree->tables3[slot] = 0;
}

static void forget_stage1(const struct reach *reach)
{
	for (unsigned number = TREE_A; number <= TREE_C; number++) {
		bool asid = reach->any_asid || tree_asid[number] == reach->asid;
		if (tree_vmid[number] != reach->vmid)
			continue;
		if (asid)
			forget_tables(&trees[number], reach);
		for (unsigned slot = 0; slot < SLOTS; slot++) {
			if (slot >= GLOBALS ? !reach->globals : !asid)
				continue;
			forget_leaves(&trees[number].held[slot], slot, reach);
			if (number == TREE_C)
				forget_leaves(&combined[slot], slot, reach);
		}
	}
}

static void forget_stage2(unsigned number, const struct reach *reach)
{
	forget_tables(&trees[number], reach);
	for (unsigned slot = 0; slot < SLOTS; slot++)
		forget_leaves(&trees[number].held[slot], slot, reach);
}

static void forget_stream(unsigned sid)
{
	life[sid].stes = 1U << life[sid].ste;
	life[sid].cds = 1U << life[sid].cd;
}

static bool levels_count; /* the hardware looks at TTL */

/* Another range, whose address is aligned as it has to be. */
static void make_range(struct smmu_command *command, struct reach *reach)
{
	uint64_t number = 1 + random_below(31), scale = random_below(13);
	unsigned level = one_in(2) ? 0 : 1 + (unsigned)random_below(3);
	reach->first &= ~((1ULL << scale << PAGE_SHIFT) - 1);
	reach->last = reach->first + ((number + 1) << scale << PAGE_SHIFT) - 1;
	reach->level = levels_count ? level : 0;
	command->dw[0] |= number << 12 | scale << 20;
	command->dw[1] = reach->first | (command->dw[1] & CMD_LEAF) | 1ULL << 10 |
			 field_put(CMD_TLBI_TTL, level);
}

static void invalidate_stage1(struct smmu_command *command)
{
	struct reach reach = {.vmid = one_in(2) ? 0 : 3, .tables = true, .last = ~0ULL};
	reach.asid = (uint16_t)(1 + random_below(2));
	unsigned slot = (unsigned)random_below(SLOTS);
	uint64_t va = (uint64_t)slot << SLOT_LOG2;
	if (slot % 2 != 0 || one_in(3))
		va += random_below(512) << PAGE_SHIFT;
	switch (random_below(4)) {
	case 0:
		*command = command_tlbi_nh_all(reach.vmid);
		reach.any_asid = reach.globals = true;
		break;
	case 1:
		*command = command_tlbi_nh_asid(reach.vmid, reach.asid);
		break;
	default:
		reach.tables = one_in(3);
		*command = command_tlbi_nh_va(reach.vmid, reach.asid, va, !reach.tables);
		reach.any_asid = one_in(3);
		if (reach.any_asid)
			command->dw[0] =
				(command->dw[0] & ~(CMD_OPCODE | CMD_ASID)) | CMD_TLBI_NH_VAA;
		reach.globals = true;
		reach.first = va;
		reach.last = va + PAGE_SIZE - 1;
		if (one_in(3))
			make_range(command, &reach);
		break;
	}
	forget_stage1(&reach);
}

static void invalidate_stage2(struct smmu_command *command)
{
	const struct reach all = {
		.vmid = 3, .any_asid = true, .globals = true, .tables = true, .last = ~0ULL};
	unsigned number = one_in(2) ? TREE_S : TREE_D;
	struct reach reach = {.tables = one_in(3)};
	reach.first = random_below(SLOTS) << SLOT_LOG2;
	reach.last = reach.first + PAGE_SIZE - 1;
	if (one_in(5)) {
		*command = command_tlbi_s12_vmall(tree_vmid[number]);
		forget_stage2(number, &all);
		if (number == TREE_S)
			forget_stage1(&all);
		return;
	}
	*command = command_tlbi_s2_ipa(tree_vmid[number], reach.first, !reach.tables);
	if (one_in(3))
		make_range(command, &reach);
	forget_stage2(number, &reach); /* and nothing of what was combined */
}

static void invalidate_all(struct smmu_command *command)
{
	*command = command_tlbi_nsnh_all();
	for (unsigned number = 0; number < TREES; number++) {
		trees[number].tables2 = 0;
		memset(trees[number].tables3, 0, sizeof(trees[number].tables3));
		memset(trees[number].held, 0, sizeof(trees[number].held));
	}
	memset(combined, 0, sizeof(combined));
}

static void invalidate_config(struct smmu_command *command)
{
	unsigned sid = (unsigned)random_below(LIFE_STREAMS);
	switch (random_below(4)) {
	case 0:
		*command = command_cfgi_ste(sid, one_in(2));
		forget_stream(sid);
		break;
	case 1:
		*command = command_cfgi_cd(sid, 0, one_in(2));
		life[sid].cds = 1U << life[sid].cd;
		break;
	case 2:
		*command = (struct smmu_command){{CMD_CFGI_CD_ALL | (uint64_t)sid << 32, 0}};
		life[sid].cds = 1U << life[sid].cd;
		break;
	default: /* pairs */
		*command = (struct smmu_command){{CMD_CFGI_STE_RANGE | (uint64_t)sid << 32, 0}};
		forget_stream(sid & ~1U);
		forget_stream(sid | 1U);
		break;
	}
}

static void invalidate(void)
{
	struct smmu_command commands[4];
	unsigned count = 0, wanted = 1 + (unsigned)random_below(3);
	for (; count < wanted; count++) {
		switch (random_below(16)) {
		case 0:
			invalidate_all(&commands[count]);
			break;
		case 1:
		case 2:
		case 3:
		case 4:
			invalidate_config(&commands[count]);
			break;
		case 5:
		case 6:
		case 7:
		case 8:
			invalidate_stage2(&commands[count]);
			break;
		default:
			invalidate_stage1(&commands[count]);
			break;
		}
	}
	commands[count++] = command_sync(SYNC_CS_SEV);
	issue(commands, count);
	look_everywhere();
}

/* --- what it does then --- */

struct seen {
	bool ok;
	uint64_t pa;
	bool write;
	uint64_t inside; /* of the slot */
};

static bool is_seen(uint64_t value, const struct seen *seen)
{
	bool allowed = value != FAULTS && (value & (seen->write ? VALUE_WRITE : VALUE_READ));
	return seen->ok ? allowed && (value & ~VALUE_BITS) + seen->inside == seen->pa : !allowed;
}

static bool may_hold(const struct held *held, const struct seen *seen)
{
	for (unsigned i = 0; i < held->count; i++)
		if (is_seen(held->values[i], seen))
			return true;
	return false;
}

static bool may_see(const struct life_stream *stream, unsigned slot, const struct seen *seen)
{
	if ((stream->stes & 1U << AS_ABORT) && !seen->ok)
		return true;
	if ((stream->stes & 1U << AS_S) && may_hold(&trees[TREE_S].held[slot], seen))
		return true;
	if ((stream->stes & 1U << AS_D) && may_hold(&trees[TREE_D].held[slot], seen))
		return true;
	if ((stream->stes & 1U << AS_NESTED) && may_hold(&combined[slot], seen))
		return true;
	for (unsigned number = TREE_A; number <= TREE_B; number++)
		if ((stream->stes & 1U << AS_STAGE1) && (stream->cds & 1U << number) &&
		    may_hold(&trees[number].held[slot], seen))
			return true;
	return false;
}

static unsigned passed, faulted, stale_walks;

/* A walk of one stage that did not find what the tables say: it went by a cached one. */
static bool is_stale_walk(const struct life_stream *stream, unsigned slot, const struct seen *seen,
			  const struct translation *translation)
{
	static const unsigned stage2[] = {[AS_S] = TREE_S, [AS_D] = TREE_D};
	bool sure = stream->stes == 1U << stream->ste && stream->cds == 1U << stream->cd;
	if (!sure || translation->path != PATH_WALKED || !seen->ok || stream->ste == AS_NESTED)
		return false;
	unsigned number = stream->ste == AS_STAGE1 ? stream->cd : stage2[stream->ste];
	return !is_seen(value_now(&trees[number], slot), seen);
}

static void use(void)
{
	unsigned sid = (unsigned)random_below(LIFE_STREAMS), slot = (unsigned)random_below(SLOTS);
	struct seen seen = {.write = one_in(3)};
	seen.inside = random_below(slot % 2 != 0 ? 1ULL << SLOT_LOG2 : PAGE_SIZE);
	uint64_t iova = ((uint64_t)slot << SLOT_LOG2) + seen.inside;
	struct translation got;
	seen.ok = smmu_translate(kit->smmu, sid, iova, seen.write, &got) == TRANSLATE_OK;
	seen.pa = got.pa.value;
	ck_assert_msg(may_see(&life[sid], slot, &seen),
		      "stream %u, slot %u: %s of %lx %s %lx, which no cache may hold", sid, slot,
		      seen.write ? "write" : "read", iova, seen.ok ? "reaches" : "faults, not",
		      seen.pa);
	passed += seen.ok;
	faulted += !seen.ok;
	stale_walks += is_stale_walk(&life[sid], slot, &seen, &got);
	smmu_kit_clear(kit);
}

static void start_life(void)
{
	wide = false;
	set_up(4000);
	queue = kit_frames(kit, 1);
	queue_at = 0;
	kit_enable_main(kit, queue, QUEUE_LOG2);
	memset(combined, 0, sizeof(combined));
	for (unsigned number = 0; number < TREES; number++)
		make_life_tree(&trees[number], number >= TREE_S, number == TREE_C);
	for (unsigned sid = 0; sid < LIFE_STREAMS; sid++) {
		struct life_stream *stream = &life[sid];
		*stream = (struct life_stream){
			.vm = sid >= LIFE_STREAMS / 2, .ste = AS_ABORT, .cd = TREE_A};
		stream->context = pool_take(CD_SIZE);
		if (stream->vm)
			stream->context += TABLES_AT - pool;
		write_cd(stream, stream->vm ? TREE_C : TREE_A);
		write_ste(sid);
		forget_stream(sid);
	}
	look_everywhere();
	passed = faulted = stale_walks = 0;
}

START_TEST(nothing_is_seen_that_an_invalidation_took_away)
{
	start_life();
	levels_count = _i % 2 == 0;
	kit_assume(kit, ASSUME_TTL, levels_count ? TTL_EXACT : TTL_IGNORED);
	random_state = SEED + 999 * (uint64_t)(_i + 1);
	for (unsigned step = 0; step < STEPS; step++) {
		switch (random_below(16)) {
		case 0:
		case 1:
		case 2:
			change_slot();
			break;
		case 3:
			change_stream();
			break;
		case 4:
		case 5:
			invalidate();
			break;
		default:
			use();
			break;
		}
	}
	ck_assert_uint_gt(kit->smmu->tlb.hits, STEPS / 20);
	ck_assert_uint_gt(passed, STEPS / 20);
	ck_assert_uint_gt(faulted, STEPS / 20);
	const struct tlb *walks = &kit->smmu->walks;
	printf("walk cache: %lu hits, %lu misses; %u stale walks\n", walks->hits, walks->misses,
	       stale_walks);
	ck_assert_uint_gt(walks->hits, walks->misses);
	ck_assert_uint_gt(stale_walks, STEPS / 1000);
	smmu_kit_free(kit);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_walk_property");
	TCase *tcase = tcase_create("smmu_walk_property");
	tcase_add_loop_test(tcase, stage_1_is_walked_as_the_obvious_walker_walks, 0, 6);
	tcase_add_loop_test(tcase, stage_2_is_walked_as_the_obvious_walker_walks, 0, 6);
	tcase_add_loop_test(tcase, nested_tables_are_walked_as_the_obvious_walker_walks, 0, 12);
	tcase_add_loop_test(tcase, nothing_is_seen_that_an_invalidation_took_away, 0, 4);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
