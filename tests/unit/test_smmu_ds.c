// SPDX-License-Identifier: Apache-2.0
/* Addresses of 52 bits in tables of 4 and 16 KiB granules: DS (smmuv3 4.2, 4.3, 5.1, 5.2, 5.4). */
#include <check.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu_host.h"

#define SID  3U
#define HIGH (11ULL << 48) /* an output's bits 51 to 48 */

enum granule { KIB_4, KIB_16 };

static struct smmu_host host;
static struct translation got;

/* All granules, OAS, VAX, and DS or not. */
static void begin(unsigned oas, uint64_t idr5)
{
	struct profile profile = smmu_kit_everything();
	smmu_kit_set(&profile, "oas.bits", oas);
	smmu_kit_set(&profile, "idr5.features", idr5 | IDR5_GRAN4K | IDR5_GRAN16K | IDR5_GRAN64K);
	host = smmu_host_new(&profile);
}

#define VAX_52 field_put(IDR5_VAX, 1)

static void setup(void)
{
	begin(52, IDR5_DS | VAX_52);
}

static void teardown(void)
{
	smmu_host_free(&host);
}

static bool passes(uint64_t iova)
{
	return smmu_translate(host.kit->smmu, SID, iova, false, &got) == TRANSLATE_OK;
}

static void faults(uint64_t iova, unsigned event)
{
	ck_assert(!passes(iova));
	ck_assert_uint_eq(got.event, event);
}

/* An address as descriptors have it with DS: bits 51 and 50 are their bits 9 and 8 (5.2). */
static uint64_t ds_bits(uint64_t address)
{
	return (address & BITS(49, 12)) | (address >> 50) << 8;
}

/* Input bits, granule, output size and DS of a stage: its start table. */
static uint64_t stage1_with(unsigned bits, enum granule granule, unsigned output, bool ds)
{
	uint64_t table = align_up(kit_frames(host.kit, 8), 4 * PAGE_SIZE);
	host_stage1(&host, SID, CD_A | CD_R);
	uint64_t ste = host.streams + (uint64_t)STE_SIZE * SID;
	uint64_t context = kit_word(host.kit, ste) & STE_S1CONTEXTPTR;
	uint64_t word = field_set(kit_word(host.kit, context), CD_T0SZ, 64 - bits);
	word = field_set(word, CD_TG0, granule == KIB_4 ? 0 : 2);
	word = field_set(word, CD_IPS, smmu_address_code(output));
	kit_set_word(host.kit, context, word);
	kit_set_word(host.kit, context + 8, table);
	kit_set_word(host.kit, context + 16, ds ? CD_DS : 0);
	kit_forget(host.kit);
	return table;
}

static uint64_t stage2_with(unsigned bits, enum granule granule, unsigned sl0, bool ds)
{
	uint64_t table = align_up(kit_frames(host.kit, 32), 16 * PAGE_SIZE);
	host_stage2(&host, SID, STE_S2R);
	host_change_ste(&host, SID, 2, STE_S2T0SZ | STE_S2SL0 | STE_S2TG | STE_S2PS,
			field_put(STE_S2T0SZ, 64 - bits) | field_put(STE_S2SL0, sl0) |
				field_put(STE_S2TG, granule == KIB_4 ? 0 : 2) |
				field_put(STE_S2PS, 6));
	host_change_ste(&host, SID, 3, ~0ULL, table | (ds ? STE_S2DS : 0));
	return table;
}

static void put(uint64_t table, uint64_t index, uint64_t descriptor)
{
	kit_set_word(host.kit, table + 8 * index, descriptor);
}

/* A 1-GiB block, a 32-MiB one. */
START_TEST(leaves_of_stage_1_have_52_bits_of_address)
{
	uint64_t table = stage1_with(39, KIB_4, 52, true);
	put(table, 1, ds_bits(HIGH | 5ULL << 30) | HOST_LEAF1);
	ck_assert(passes(SLOT(1) + 0x1234));
	ck_assert_uint_eq(got.pa.value, (HIGH | 5ULL << 30) + 0x1234);
	table = stage1_with(36, KIB_16, 52, true);
	put(table, 1, ds_bits(HIGH | 5ULL << 25) | HOST_LEAF1);
	ck_assert(passes((1ULL << 25) + 0x1234));
	ck_assert_uint_eq(got.pa.value, (HIGH | 5ULL << 25) + 0x1234);
}
END_TEST

START_TEST(leaves_of_stage_2_have_52_bits_of_address)
{
	uint64_t table = stage2_with(39, KIB_4, 1, true);
	put(table, 1, ds_bits(HIGH | 5ULL << 30) | HOST_LEAF2);
	ck_assert(passes(SLOT(1) + 0x1234));
	ck_assert_uint_eq(got.pa.value, (HIGH | 5ULL << 30) + 0x1234);
}
END_TEST

/* Where a table could not be read tells where it was looked for. */
START_TEST(tables_have_52_bits_of_address)
{
	uint64_t table = stage1_with(39, KIB_4, 52, true);
	const struct port_fault abort = {.engine = host.kit->smmu->port.engine,
					 .purpose = ACCESS_TABLE_WALK,
					 .action = FAULT_ABORT,
					 .nth = 2};
	put(table, 1, ds_bits(HIGH | 5ULL << 30) | 3);
	ck_assert(port_inject(host.kit->machine, &abort));
	faults(SLOT(1) + (9ULL << 21), EVT_F_WALK_EABT);
	ck_assert_uint_eq(host_event(&host, 0, 3), (HIGH | 5ULL << 30) + 8 * 9);
}
END_TEST

/* Bits 9 and 8 are shareability then, and bits 49 and 48 nothing. */
START_TEST(without_ds_addresses_have_48_bits)
{
	for (unsigned i = 0; i < 2; i++) {
		teardown();
		begin(52, VAX_52 | (i == 0 ? IDR5_DS : 0)); /* not asked for; not there */
		uint64_t table = stage1_with(39, KIB_4, 52, i == 1);
		put(table, 1, ds_bits(HIGH | 5ULL << 30) | HOST_LEAF1);
		ck_assert(passes(SLOT(1)));
		ck_assert_uint_eq(got.pa.value, 5ULL << 30);
		table = stage2_with(39, KIB_4, 1, i == 1);
		put(table, 1, ds_bits(HIGH | 5ULL << 30) | HOST_LEAF2);
		ck_assert(passes(SLOT(1)));
		ck_assert_uint_eq(got.pa.value, 5ULL << 30);
	}
}
END_TEST

/* IPS of 48 bits: the layout is DS's all the same. */
START_TEST(an_address_beyond_the_output_size_faults)
{
	uint64_t table = stage1_with(39, KIB_4, 48, true);
	put(table, 1, ds_bits(HIGH | 5ULL << 30) | HOST_LEAF1);
	put(table, 2, ds_bits(1ULL << 50 | 5ULL << 30) | HOST_LEAF1);
	put(table, 3, ds_bits(5ULL << 30) | HOST_LEAF1);
	faults(SLOT(1), EVT_F_ADDR_SIZE);
	faults(SLOT(2), EVT_F_ADDR_SIZE);
	ck_assert(passes(SLOT(3)));
}
END_TEST

/* 5.1: a start level of -1, and the blocks of level 0. */
START_TEST(an_input_of_52_bits_takes_five_levels)
{
	uint64_t root = stage1_with(52, KIB_4, 52, true), level0 = kit_frames(host.kit, 1);
	put(root, 13, level0 | 3);
	put(level0, 3, ds_bits(HIGH | 7ULL << 39) | HOST_LEAF1);
	uint64_t iova = 13ULL << 48 | 3ULL << 39;
	for (unsigned i = 0; i < 3; i++) { /* by the walk cache, by the TLB */
		ck_assert(passes(iova + 0x40001234));
		ck_assert_uint_eq(got.pa.value, (HIGH | 7ULL << 39) + 0x40001234);
		if (i == 0)
			tlb_remove_all(&host.kit->smmu->tlb);
	}
	faults(12ULL << 48 | 3ULL << 39, EVT_F_TRANSLATION);
}
END_TEST

START_TEST(blocks_of_512_gib_and_64_gib_need_ds)
{
	for (unsigned ds = 0; ds < 2; ds++) {
		uint64_t table = stage1_with(48, KIB_4, 52, ds);
		put(table, 1, 7ULL << 39 | HOST_LEAF1);
		ck_assert(passes(1ULL << 39) == ds);
		table = stage1_with(47, KIB_16, 52, ds);
		put(table, 1, 7ULL << 36 | HOST_LEAF1);
		ck_assert(passes(1ULL << 36) == ds);
	}
}
END_TEST

/* 5.1: a run of blocks is for the levels that the table has runs for. */
START_TEST(blocks_that_need_ds_have_no_runs)
{
	uint64_t table = stage1_with(48, KIB_4, 52, true);
	put(table, 1, 17ULL << 39 | HOST_LEAF1 | PTE_CONTIGUOUS);
	ck_assert(passes(1ULL << 39));
	ck_assert_uint_eq(got.pa.value, 17ULL << 39);
	ck_assert_uint_eq(got.order, 27);
	table = stage1_with(47, KIB_16, 52, true);
	put(table, 1, 33ULL << 36 | HOST_LEAF1 | PTE_CONTIGUOUS);
	ck_assert(passes(1ULL << 36));
	ck_assert_uint_eq(got.order, 24);
}
END_TEST

/* 4.3: 16, and 12 where VAX and DS are. */
START_TEST(an_input_beyond_48_bits_needs_ds_and_vax)
{
	for (unsigned i = 0; i < 4; i++) {
		bool vax = i & 1, ds = i & 2;
		teardown();
		begin(52, IDR5_DS | (vax ? VAX_52 : 0));
		stage1_with(52, KIB_4, 52, ds);
		faults(SLOT(1), vax && ds ? EVT_F_TRANSLATION : EVT_C_BAD_CD);
	}
	stage1_with(53, KIB_4, 52, true);
	faults(SLOT(1), EVT_C_BAD_CD);
}
END_TEST

/* 4.2, 5.4: 16 tables of level 0 one after another; level 0 of 16 KiB. */
START_TEST(stage_2_has_an_input_of_52_bits)
{
	uint64_t table = stage2_with(52, KIB_4, 2, true);
	put(table, 8191, ds_bits(HIGH | 7ULL << 39) | HOST_LEAF2);
	ck_assert(passes((8191ULL << 39) + 0x1234));
	ck_assert_uint_eq(got.pa.value, (HIGH | 7ULL << 39) + 0x1234);
	table = stage2_with(52, KIB_16, 3, true);
	uint64_t level1 = align_up(kit_frames(host.kit, 8), 4 * PAGE_SIZE);
	put(table, 31, level1 | 3);
	put(level1, 1, ds_bits(HIGH | 7ULL << 36) | HOST_LEAF2);
	ck_assert(passes((31ULL << 47 | 1ULL << 36) + 0x1234));
	ck_assert_uint_eq(got.pa.value, (HIGH | 7ULL << 36) + 0x1234);
}
END_TEST

START_TEST(stage_2_is_bad_without_what_52_bits_need)
{
	stage2_with(52, KIB_4, 2, false);
	faults(SLOT(1), EVT_C_BAD_STE);
	stage2_with(48, KIB_16, 3, true); /* level 1, with 2 tables */
	faults(SLOT(1), EVT_C_BAD_STE);
	stage2_with(48, KIB_16, 3, false);
	faults(SLOT(1), EVT_C_BAD_STE);
	stage2_with(52, KIB_4, 2, true);
	host_change_ste(&host, SID, 3, 0, STE_S2SL0_2); /* the sheet has no level for it */
	faults(SLOT(1), EVT_C_BAD_STE);
	stage2_with(52, KIB_4, 2, true);
	faults(SLOT(1), EVT_F_TRANSLATION);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_ds");
	TCase *tests = tcase_create("ds");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, leaves_of_stage_1_have_52_bits_of_address);
	tcase_add_test(tests, leaves_of_stage_2_have_52_bits_of_address);
	tcase_add_test(tests, tables_have_52_bits_of_address);
	tcase_add_test(tests, without_ds_addresses_have_48_bits);
	tcase_add_test(tests, an_address_beyond_the_output_size_faults);
	tcase_add_test(tests, an_input_of_52_bits_takes_five_levels);
	tcase_add_test(tests, blocks_of_512_gib_and_64_gib_need_ds);
	tcase_add_test(tests, blocks_that_need_ds_have_no_runs);
	tcase_add_test(tests, an_input_beyond_48_bits_needs_ds_and_vax);
	tcase_add_test(tests, stage_2_has_an_input_of_52_bits);
	tcase_add_test(tests, stage_2_is_bad_without_what_52_bits_need);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
