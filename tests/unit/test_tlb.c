/* SPDX-License-Identifier: Apache-2.0 */
/* The TLB against a list that is too slow to be wrong (smmuv3 7.2, 7.3). */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "emu/machine.h"
#include "models/tlb.h"
#include "tests/kit/run.h"

#define SEED       20261124U
#define MODEL_MAX  4096U
#define OPERATIONS 30000U
#define LAST_PAGE  ((1ULL << 52) - 1)

static struct machine *machine;
static struct tlb tlb;

static void setup(void)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 64ULL << 20; /* quicker to make */
	machine = machine_new(&config);
	tlb_init(&tlb, machine, 64, 4);
}

static void teardown(void)
{
	machine_free(machine);
}

static struct tlb_tag stage2(uint16_t vmid)
{
	return (struct tlb_tag){.domain = vmid};
}

static struct tlb_tag stage1(uint16_t vmid, uint16_t asid)
{
	return (struct tlb_tag){.stage1 = true, .domain = vmid, .space = asid};
}

static struct tlb_tag global(uint16_t vmid, uint16_t asid)
{
	return (struct tlb_tag){.stage1 = true, .global = true, .domain = vmid, .space = asid};
}

static void insert(struct tlb_tag tag, unsigned order, uint64_t page, uint64_t pa)
{
	const struct tlb_entry entry = {.tag = tag, .order = (uint8_t)order, .perm = 1, .pa = pa};
	tlb_insert(&tlb, &entry, page);
}

static bool hits(struct tlb_tag tag, uint64_t page)
{
	return tlb_lookup(&tlb, tag, page) != NULL;
}

/* UINT64_MAX: a miss. */
static uint64_t hit_pa(struct tlb_tag tag, uint64_t page)
{
	const struct tlb_entry *hit = tlb_lookup(&tlb, tag, page);
	return hit != NULL ? hit->pa : UINT64_MAX;
}

/* --- the slow list: all that was inserted and not invalidated since --- */

struct model_entry {
	struct tlb_entry entry;
	uint64_t page;
};

struct model {
	struct model_entry entries[MODEL_MAX];
	unsigned count;
	bool forget_equals; /* an insertion takes the place of its equal */
	bool pieces;        /* there are some, of leaves that stage 2 cut */
};

static struct model model;

/* What an invalidation is aimed at. */
enum aim {
	AIM_ALL,
	AIM_VMID,
	AIM_STAGE1,
	AIM_ASID,
	AIM_VA,
	AIM_VA_ANY_ASID,
	AIM_IPA,
	AIM_RANGE, /* RANGE_PAGES from the page on */
	AIMS,
};

#define RANGE_PAGES 600U

static bool holds(const struct model_entry *it, uint64_t page)
{
	return it->page >> it->entry.order == page >> it->entry.order;
}

/* An address removes it: its own, or one of the leaf that it is a piece of. */
static bool is_reached(const struct model_entry *it, uint64_t page)
{
	unsigned reach = it->entry.reach;
	return holds(it, page) || (reach > it->entry.order && it->page >> reach == page >> reach);
}

/* Page by page, as far as it matters. */
static bool in_range(const struct model_entry *it, uint64_t first)
{
	for (uint64_t page = first; page < first + RANGE_PAGES; page++)
		if (holds(it, page))
			return true;
	return false;
}

static bool translates(const struct model_entry *it, struct tlb_tag tag, uint64_t page)
{
	const struct tlb_tag *own = &it->entry.tag;
	return own->domain == tag.domain && own->stage1 == tag.stage1 && holds(it, page) &&
	       (!own->stage1 || own->global || own->space == tag.space);
}

static bool is_hit(const struct model_entry *it, enum aim aim, struct tlb_tag tag, uint64_t page)
{
	const struct tlb_tag *own = &it->entry.tag;
	if (aim == AIM_ALL)
		return true;
	if (own->domain != tag.domain)
		return false;
	switch (aim) {
	case AIM_VMID:
		return true;
	case AIM_STAGE1:
		return own->stage1;
	case AIM_ASID:
		return own->stage1 && !own->global && own->space == tag.space;
	case AIM_VA:
		return own->stage1 && is_reached(it, page) &&
		       (own->global || own->space == tag.space);
	case AIM_VA_ANY_ASID:
		return own->stage1 && is_reached(it, page);
	case AIM_RANGE:
		return !own->stage1 && in_range(it, page);
	default:
		return !own->stage1 && holds(it, page);
	}
}

static unsigned model_remove(enum aim aim, struct tlb_tag tag, uint64_t page)
{
	unsigned kept = 0, before = model.count;
	for (unsigned i = 0; i < before; i++)
		if (!is_hit(&model.entries[i], aim, tag, page))
			model.entries[kept++] = model.entries[i];
	model.count = kept;
	return before - kept;
}

static uint32_t tlb_remove(enum aim aim, struct tlb_tag tag, uint64_t page)
{
	switch (aim) {
	case AIM_ALL:
		return tlb_remove_all(&tlb);
	case AIM_VMID:
		return tlb_remove_domain(&tlb, tag.domain);
	case AIM_STAGE1:
		return tlb_remove_stage1(&tlb, tag.domain);
	case AIM_ASID:
		return tlb_remove_space(&tlb, tag.domain, tag.space);
	case AIM_VA:
	case AIM_VA_ANY_ASID:
		tag.stage1 = true;
		return tlb_remove_page(&tlb, tag, aim == AIM_VA_ANY_ASID, page);
	case AIM_RANGE:
		return tlb_remove_range(&tlb, tag.domain, page, page + RANGE_PAGES - 1);
	default:
		tag.stage1 = false;
		return tlb_remove_page(&tlb, tag, true, page);
	}
}

static void model_insert(const struct tlb_entry *entry, uint64_t page)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < model.count; i++) {
		const struct model_entry *it = &model.entries[i];
		bool equal = model.forget_equals && it->entry.order == entry->order &&
			     translates(it, entry->tag, page);
		if (!equal)
			model.entries[kept++] = *it;
	}
	ck_assert_uint_lt(kept, MODEL_MAX);
	model.entries[kept] = (struct model_entry){*entry, page};
	model.count = kept + 1;
}

/* Every entry has a PA of its own, so that a hit can be told from any other. */
static bool model_has(const struct tlb_entry *hit, struct tlb_tag tag, uint64_t page)
{
	for (unsigned i = 0; i < model.count; i++) {
		const struct model_entry *it = &model.entries[i];
		if (it->entry.pa == hit->pa)
			return translates(it, tag, page) && it->entry.order == hit->order &&
			       it->entry.perm == hit->perm;
	}
	return false;
}

static bool model_hits(struct tlb_tag tag, uint64_t page)
{
	for (unsigned i = 0; i < model.count; i++)
		if (translates(&model.entries[i], tag, page))
			return true;
	return false;
}

/* --- random operations --- */

static uint32_t random_state;

static uint32_t below(uint32_t limit)
{
	random_state = random_state * 1664525U + 1013904223U;
	return (uint32_t)((uint64_t)(random_state >> 4) * limit >> 28);
}

/* Few pages, so that they meet; some far apart, so that blocks of all orders differ. */
static uint64_t any_page(void)
{
	return (uint64_t)below(2) << 41 | (uint64_t)below(2) << 18 | (uint64_t)below(3) << 9 |
	       below(2) << 4 | below(4);
}

/* VMIDs 1 and 257 agree in their low byte. */
static struct tlb_tag any_tag(void)
{
	static const uint16_t vmids[] = {1, 2, 257};
	return (struct tlb_tag){
		.stage1 = below(2), .domain = vmids[below(3)], .space = (uint16_t)below(3)};
}

static void insert_any(uint64_t pa)
{
	static const uint8_t orders[] = {0, 0, 4, 9, 18};
	uint64_t page = any_page();
	struct tlb_entry entry = {.tag = any_tag(),
				  .order = orders[below(5)],
				  .perm = (uint8_t)(64 * (1 + below(3))),
				  .pa = pa};
	/* Where all must agree, the entries of a block are all global, or none is. */
	bool is_global = model.forget_equals ? page >> entry.order & 1 : below(4) == 0;
	entry.tag.global = entry.tag.stage1 && is_global;
	if (entry.tag.stage1 && model.pieces && below(3) == 0)
		entry.reach = orders[below(5)];
	tlb_insert(&tlb, &entry, page);
	model_insert(&entry, page);
	const struct tlb_entry *hit = tlb_lookup(&tlb, entry.tag, page);
	ck_assert(hit != NULL && model_has(hit, entry.tag, page));
}

/* EXACT: nothing is ever evicted, so that list and TLB agree about everything. */
static void operate(uint64_t number, bool exact)
{
	uint32_t choice = below(32);
	struct tlb_tag tag = any_tag();
	uint64_t page = any_page();
	if (choice < 10) {
		insert_any(number);
	} else if (choice < 13 && below(4) == 0) {
		enum aim aim = (enum aim)below(AIMS);
		uint32_t removed = tlb_remove(aim, tag, page);
		unsigned wanted = model_remove(aim, tag, page);
		ck_assert_uint_le(removed, wanted);
		ck_assert(!exact || removed == wanted);
	} else {
		const struct tlb_entry *hit = tlb_lookup(&tlb, tag, page);
		ck_assert_msg(hit == NULL || model_has(hit, tag, page), "operation %lu", number);
		ck_assert(!exact || (hit != NULL) == model_hits(tag, page));
	}
	ck_assert_uint_le(tlb.count, model.count);
	ck_assert(!exact || tlb.count == model.count);
}

static void operate_on(uint32_t entries, uint32_t ways, bool exact)
{
	tlb_init(&tlb, machine, entries, ways);
	model.count = 0;
	model.forget_equals = exact;
	random_state = SEED;
	for (uint64_t number = 1; number <= OPERATIONS; number++) {
		operate(number, exact);
		if (model.count == MODEL_MAX - 1) {
			tlb_remove_all(&tlb);
			model.count = 0;
		}
	}
	ck_assert_uint_gt(tlb.hits, OPERATIONS / 20);
	ck_assert_uint_gt(tlb.misses, OPERATIONS / 20);
}

START_TEST(a_hit_was_inserted_and_not_invalidated_since)
{
	static const uint32_t shapes[][2] = {{16, 4}, {8, 1}, {15, 3}, {40, 5}, {64, 64}, {64, 4}};
	model.pieces = _i != 0;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		operate_on(shapes[i][0], shapes[i][1], false);
}
END_TEST

START_TEST(nothing_that_fits_is_forgotten_before_its_invalidation)
{
	model.pieces = _i != 0;
	operate_on(65536, 64, true);
}
END_TEST

/* --- what the list does not show --- */

START_TEST(entries_are_rounded_down_to_a_power_of_two_sets)
{
	static const uint32_t shapes[][4] = {{64, 4, 16, 4},
					     {100, 4, 16, 4},
					     {127, 1, 64, 1},
					     {4, 64, 1, 64},
					     {4096, 4, 1024, 4}};
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		tlb_init(&tlb, machine, shapes[i][0], shapes[i][1]);
		ck_assert_uint_eq(tlb.set_count, shapes[i][2]);
		ck_assert_uint_eq(tlb.ways, shapes[i][3]);
		ck_assert(!hits(stage2(0), 0));
	}
}
END_TEST

START_TEST(a_full_set_loses_one_entry_for_a_new_one)
{
	tlb_init(&tlb, machine, 4, 4);
	for (uint64_t page = 0; page < 4; page++)
		insert(stage2(1), 0, page, page);
	insert(stage2(1), 0, 4, 4);
	ck_assert_uint_eq(tlb.count, 4);
	ck_assert(hits(stage2(1), 4));
	unsigned left = 0;
	for (uint64_t page = 0; page < 4; page++)
		left += hits(stage2(1), page);
	ck_assert_uint_eq(left, 3);
	/* What was evicted is in no list any more. */
	ck_assert_uint_eq(tlb_remove_domain(&tlb, 1), 4);
	ck_assert_uint_eq(tlb.orders, 0);
}
END_TEST

START_TEST(an_entry_takes_the_place_of_its_equal)
{
	insert(stage1(1, 5), 0, 7, 70);
	insert(stage1(1, 5), 0, 7, 71);
	ck_assert_uint_eq(tlb.count, 1);
	ck_assert_uint_eq(hit_pa(stage1(1, 5), 7), 71);
	insert(stage1(1, 6), 0, 7, 72);
	ck_assert_uint_eq(tlb.count, 2);
	ck_assert_uint_eq(hit_pa(stage1(1, 5), 7), 71);
}
END_TEST

START_TEST(a_block_is_found_and_removed_by_each_of_its_pages)
{
	static const unsigned orders[] = {0, 1, 4, 9, 18, 51};
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		uint64_t pages = 1ULL << orders[i], first = LAST_PAGE - pages + 1;
		const uint64_t at[] = {first, first + pages / 2, LAST_PAGE};
		for (unsigned k = 0; k < 3; k++) {
			insert(stage2(1), orders[i], at[k], 1);
			ck_assert(hits(stage2(1), at[2 - k]));
			ck_assert(!hits(stage2(1), first - 1));
			ck_assert_uint_eq(tlb_remove_page(&tlb, stage2(1), true, first - 1), 0);
			ck_assert_uint_eq(tlb_remove_page(&tlb, stage2(1), true, at[2 - k]), 1);
			ck_assert(!hits(stage2(1), at[k]));
		}
	}
}
END_TEST

START_TEST(pages_are_compared_in_all_their_bits)
{
	for (unsigned bit = 0; bit < 52; bit++) {
		uint64_t page = 1ULL << bit;
		insert(stage2(1), 0, page, bit);
		ck_assert(hits(stage2(1), page));
		for (unsigned other = 0; other < 52; other++)
			ck_assert(other == bit || !hits(stage2(1), page ^ 1ULL << other));
		ck_assert_uint_eq(tlb_remove_page(&tlb, stage2(1), true, page), 1);
	}
}
END_TEST

/* smmuv3 3.6: one command is about a whole leaf of stage 1, however stage 2 cut it. */
START_TEST(an_address_takes_every_piece_of_its_leaf)
{
	struct tlb_entry piece = {.tag = stage1(1, 5), .reach = 9, .level = 2};
	insert(stage2(1), 0, 0x200, 1);
	insert(stage1(1, 5), 0, 0x1ff, 2);
	for (uint64_t page = 0x200; page < 0x400; page += 0x81)
		tlb_insert(&tlb, &piece, page);
	ck_assert_uint_eq(tlb.piece_count, 4);
	ck_assert_uint_eq(tlb_remove_page(&tlb, stage1(1, 6), false, 0x200), 0);
	ck_assert_uint_eq(tlb_remove_page(&tlb, stage1(2, 5), true, 0x200), 0);
	ck_assert_uint_eq(tlb_remove_page(&tlb, stage1(1, 5), false, 0x400), 0);
	ck_assert_uint_eq(tlb_remove_page(&tlb, stage2(1), true, 0x201), 0);
	ck_assert_uint_eq(tlb_remove_level(&tlb, stage1(1, 5), false, 3, 0x201, 0x210), 0);
	ck_assert_uint_eq(tlb_remove_page(&tlb, stage1(1, 5), false, 0x3ff), 4);
	ck_assert_uint_eq(tlb.piece_count, 0);
	for (uint64_t page = 0x200; page < 0x400; page += 0x81)
		tlb_insert(&tlb, &piece, page);
	ck_assert_uint_eq(tlb_remove_span(&tlb, stage1(1, 5), false, 0x201, 0x27f), 4);
	ck_assert(hits(stage2(1), 0x200) && hits(stage1(1, 5), 0x1ff));
	tlb_insert(&tlb, &piece, 0x200);
	ck_assert_uint_eq(tlb_remove_all(&tlb), 3);
	ck_assert_uint_eq(tlb.piece_count, 0);
}
END_TEST

/* smmuv3 7.2: nG = 0 matches any ASID of its VMID. */
START_TEST(a_global_entry_serves_every_asid_of_its_vmid)
{
	insert(global(1, 5), 0, 7, 70);
	ck_assert(hits(stage1(1, 5), 7));
	ck_assert(hits(stage1(1, 9), 7));
	ck_assert(!hits(stage1(2, 5), 7));
	ck_assert(!hits(stage2(1), 7));
}
END_TEST

/* smmuv3 7.3: NH_ASID takes non-global ones alone, NH_VA global ones as well. */
START_TEST(a_global_entry_outlives_its_asid_but_not_its_address)
{
	insert(global(1, 5), 0, 7, 70);
	insert(stage1(1, 5), 0, 8, 80);
	ck_assert_uint_eq(tlb_remove_space(&tlb, 1, 5), 1);
	ck_assert(hits(stage1(1, 5), 7));
	ck_assert_uint_eq(tlb_remove_page(&tlb, stage1(1, 9), false, 7), 1);
	ck_assert(!hits(stage1(1, 5), 7));
}
END_TEST

START_TEST(an_address_of_one_asid_spares_the_others)
{
	for (uint16_t asid = 0; asid < 3; asid++)
		insert(stage1(1, asid), 0, 7, asid);
	ck_assert_uint_eq(tlb_remove_page(&tlb, stage1(1, 1), false, 7), 1);
	ck_assert(hits(stage1(1, 0), 7) && !hits(stage1(1, 1), 7) && hits(stage1(1, 2), 7));
	ck_assert_uint_eq(tlb_remove_page(&tlb, stage1(1, 1), true, 7), 2);
}
END_TEST

/* smmuv3 7.3: S2_IPA takes no combined entries, NH_* none of stage 2 alone. */
START_TEST(the_two_stages_are_invalidated_apart)
{
	insert(stage2(1), 0, 7, 70);
	insert(stage1(1, 0), 0, 7, 71);
	ck_assert_uint_eq(hit_pa(stage2(1), 7), 70);
	ck_assert_uint_eq(hit_pa(stage1(1, 0), 7), 71);
	ck_assert_uint_eq(tlb_remove_page(&tlb, stage2(1), true, 7), 1);
	ck_assert(hits(stage1(1, 0), 7));
	insert(stage2(1), 0, 7, 70);
	ck_assert_uint_eq(tlb_remove_stage1(&tlb, 1), 1);
	ck_assert_uint_eq(tlb_remove_space(&tlb, 1, 0), 0);
	ck_assert(hits(stage2(1), 7));
	ck_assert_uint_eq(tlb_remove_domain(&tlb, 1), 1);
}
END_TEST

START_TEST(vmids_are_compared_in_all_their_bits)
{
	static const uint16_t vmids[] = {1, 0x101, 0x8001, 0xff01};
	for (unsigned i = 0; i < 4; i++)
		insert(stage2(vmids[i]), 0, 7, i);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_eq(hit_pa(stage2(vmids[i]), 7), i);
		ck_assert_uint_eq(tlb_remove_domain(&tlb, vmids[i]), 1);
		ck_assert(!hits(stage2(vmids[i]), 7));
		ck_assert_uint_eq(tlb.count, 3 - i);
	}
}
END_TEST

static uint64_t hash_of(void)
{
	struct hash hash;
	hash_init(&hash);
	tlb_hash(&tlb, &hash);
	return hash.value;
}

START_TEST(the_hash_tells_what_is_cached)
{
	uint64_t empty = hash_of();
	insert(stage1(1, 5), 0, 7, 70);
	uint64_t one = hash_of();
	ck_assert_uint_ne(one, empty);
	insert(stage1(1, 5), 0, 7, 71);
	ck_assert_uint_ne(hash_of(), one);
	insert(stage1(1, 5), 0, 7, 70);
	ck_assert_uint_eq(hash_of(), one);
	const struct tlb_entry piece = {.tag = stage1(1, 5), .reach = 9, .perm = 1, .pa = 70};
	tlb_insert(&tlb, &piece, 7);
	ck_assert_uint_ne(hash_of(), one);
	tlb_remove_all(&tlb);
	ck_assert_uint_eq(hash_of(), empty);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tlb");
	TCase *tests = tcase_create("TLB");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, a_hit_was_inserted_and_not_invalidated_since, 0, 2);
	tcase_add_loop_test(tests, nothing_that_fits_is_forgotten_before_its_invalidation, 0, 2);
	tcase_add_test(tests, entries_are_rounded_down_to_a_power_of_two_sets);
	tcase_add_test(tests, a_full_set_loses_one_entry_for_a_new_one);
	tcase_add_test(tests, an_entry_takes_the_place_of_its_equal);
	tcase_add_test(tests, a_block_is_found_and_removed_by_each_of_its_pages);
	tcase_add_test(tests, pages_are_compared_in_all_their_bits);
	tcase_add_test(tests, an_address_takes_every_piece_of_its_leaf);
	tcase_add_test(tests, a_global_entry_serves_every_asid_of_its_vmid);
	tcase_add_test(tests, a_global_entry_outlives_its_asid_but_not_its_address);
	tcase_add_test(tests, an_address_of_one_asid_spares_the_others);
	tcase_add_test(tests, the_two_stages_are_invalidated_apart);
	tcase_add_test(tests, vmids_are_compared_in_all_their_bits);
	tcase_add_test(tests, the_hash_tells_what_is_cached);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
