// SPDX-License-Identifier: Apache-2.0
/* Tables in either byte order (smmuv3 1.3, 4.2, 4.3, 5.2). */
#include <check.h>
#include <glib.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu_host.h"

#define SID 3U

static struct smmu_host host;
static struct translation got;

static void begin(uint64_t endian)
{
	struct profile profile = smmu_kit_everything();
	smmu_kit_set(&profile, "idr0.features",
		     field_set(profile_get(&profile, "idr0.features"), IDR0_TTENDIAN, endian));
	host = smmu_host_new(&profile);
}

static void setup(void)
{
	begin(TTENDIAN_MIXED);
}

static void teardown(void)
{
	smmu_host_free(&host);
}

static bool passes(uint64_t iova)
{
	return smmu_translate(host.kit->smmu, SID, iova, false, &got) == TRANSLATE_OK;
}

static uint64_t swapped_word(uint64_t table, unsigned slot)
{
	return GUINT64_SWAP_LE_BE(kit_word(host.kit, table + 8ULL * slot));
}

/* Turns the bytes of a descriptor round. */
static void swap(uint64_t table, unsigned slot)
{
	kit_set_word(host.kit, table + 8ULL * slot, swapped_word(table, slot));
}

START_TEST(stage_1_has_the_byte_order_of_endi)
{
	uint64_t stage1 = host_stage1(&host, SID, CD_A | CD_R | CD_ENDI);
	host_map(&host, stage1, 1, 5, HOST_LEAF1);
	host_map(&host, stage1, 2, 6, HOST_LEAF1);
	swap(stage1, 1);
	ck_assert(passes(SLOT(1) + 0x123));
	ck_assert_uint_eq(got.pa.value, SLOT(5) + 0x123);
	ck_assert(!passes(SLOT(2)));
	ck_assert_uint_eq(got.event, EVT_F_TRANSLATION);
}
END_TEST

START_TEST(stage_2_has_the_byte_order_of_s2endi)
{
	uint64_t stage2 = host_stage2(&host, SID, STE_S2ENDI | STE_S2R);
	host_map(&host, stage2, 1, 5, HOST_LEAF2);
	host_map(&host, stage2, 2, 6, HOST_LEAF2);
	swap(stage2, 1);
	ck_assert(passes(SLOT(1) + 0x123));
	ck_assert_uint_eq(got.pa.value, SLOT(5) + 0x123);
	ck_assert(!passes(SLOT(2)));
	ck_assert_uint_eq(got.event, EVT_F_TRANSLATION);
}
END_TEST

START_TEST(each_stage_has_a_byte_order_of_its_own)
{
	uint64_t stage2, stage1 = host_nested(&host, SID, CD_A | CD_ENDI, 0, &stage2);
	host_map(&host, stage1, 1, 5, HOST_LEAF1);
	host_map(&host, stage2, 5, 7, HOST_LEAF2);
	swap(stage1, 1);
	ck_assert(passes(SLOT(1)));
	ck_assert_uint_eq(got.pa.value, SLOT(7));
	teardown();
	setup();
	stage1 = host_nested(&host, SID, CD_A, STE_S2ENDI, &stage2);
	host_map(&host, stage1, 1, 5, HOST_LEAF1);
	host_map(&host, stage2, 5, 7, HOST_LEAF2);
	for (unsigned slot = 0; slot < 8; slot++)
		swap(stage2, slot);
	ck_assert(passes(SLOT(1)));
	ck_assert_uint_eq(got.pa.value, SLOT(7));
}
END_TEST

/* 5.5: HTTU. */
START_TEST(what_the_hardware_writes_is_in_the_byte_order_of_the_table)
{
	uint64_t stage1 = host_stage1(&host, SID, CD_A | CD_HA | CD_ENDI);
	host_map(&host, stage1, 1, 5, HOST_LEAF1 & ~PTE_AF);
	swap(stage1, 1);
	ck_assert(passes(SLOT(1)));
	ck_assert_uint_eq(swapped_word(stage1, 1), SLOT(5) | HOST_LEAF1);
}
END_TEST

/* What TTENDIAN lets tables be: little-endian, big-endian. 1 is reserved. */
static const struct {
	uint64_t endian;
	bool legal[2];
} known[] = {
	{TTENDIAN_MIXED, {true, true}},
	{1, {true, false}},
	{TTENDIAN_LITTLE, {true, false}},
	{TTENDIAN_BIG, {false, true}},
};

START_TEST(endi_is_one_that_the_hardware_has)
{
	for (unsigned big = 0; big < 2; big++) {
		teardown();
		begin(known[_i].endian);
		uint64_t stage1 = host_stage1(&host, SID, CD_A | (big ? CD_ENDI : 0));
		host_map(&host, stage1, 1, 5, HOST_LEAF1);
		if (big)
			swap(stage1, 1);
		ck_assert(passes(SLOT(1)) == known[_i].legal[big]);
		ck_assert_uint_eq(got.event, known[_i].legal[big] ? 0 : EVT_C_BAD_CD);
	}
}
END_TEST

START_TEST(s2endi_is_one_that_the_hardware_has)
{
	for (unsigned big = 0; big < 2; big++) {
		teardown();
		begin(known[_i].endian);
		uint64_t stage2 = host_stage2(&host, SID, big ? STE_S2ENDI : 0);
		host_map(&host, stage2, 1, 5, HOST_LEAF2);
		if (big)
			swap(stage2, 1);
		ck_assert(passes(SLOT(1)) == known[_i].legal[big]);
		ck_assert_uint_eq(got.event, known[_i].legal[big] ? 0 : EVT_C_BAD_STE);
	}
}
END_TEST

int main(void)
{
	const int count = sizeof(known) / sizeof(known[0]);
	Suite *suite = suite_create("smmu_endianness");
	TCase *tests = tcase_create("endianness");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, stage_1_has_the_byte_order_of_endi);
	tcase_add_test(tests, stage_2_has_the_byte_order_of_s2endi);
	tcase_add_test(tests, each_stage_has_a_byte_order_of_its_own);
	tcase_add_test(tests, what_the_hardware_writes_is_in_the_byte_order_of_the_table);
	tcase_add_loop_test(tests, endi_is_one_that_the_hardware_has, 0, count);
	tcase_add_loop_test(tests, s2endi_is_one_that_the_hardware_has, 0, count);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
