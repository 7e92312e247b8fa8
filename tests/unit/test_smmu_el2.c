// SPDX-License-Identifier: Apache-2.0
/* Streams of StreamWorld EL2 and EL2-E2H: their tables, their TLB, its invalidation (smmuv3 4.2, 5.1, 5.3, 7.2). */
#include <check.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu_host.h"

#define SID   3U
#define OTHER 4U
#define EL1   5U
#define EL2   field_put(STE_STRW, STRW_EL2)

static struct smmu_host host;
static uint64_t tables[HOST_STREAMS];
static struct translation got;

static uint64_t stream(uint32_t sid, uint64_t world)
{
	tables[sid] = host_stage1(&host, sid, CD_A | CD_R);
	host_change_ste(&host, sid, 1, STE_STRW, world);
	return tables[sid];
}

static void set_e2h(bool e2h)
{
	uint64_t cr0 = kit_smmu_read(host.kit, SMMU_CR0, 4);
	kit_smmu_write(host.kit, SMMU_CR0, 4, cr0 & ~CR0_SMMUEN);
	kit_smmu_write(host.kit, SMMU_CR2, 4, e2h ? CR2_E2H : 0);
	kit_smmu_write(host.kit, SMMU_CR0, 4, cr0);
	host_issue(&host, command_cfgi_all());
}

static void setup(void)
{
	struct profile profile = smmu_kit_everything();
	host = smmu_host_new(&profile);
	stream(SID, EL2);
	stream(OTHER, EL2);
	stream(EL1, 0);
}

static void teardown(void)
{
	smmu_host_free(&host);
}

static bool passes(uint32_t sid, uint64_t iova, bool write)
{
	return smmu_translate(host.kit->smmu, sid, iova, write, &got) == TRANSLATE_OK;
}

/* Slot 1 of all three is cached, and gone from the tables. */
static void fill(uint64_t bits)
{
	static const uint32_t sids[] = {SID, OTHER, EL1};
	for (unsigned i = 0; i < 3; i++) {
		host_map(&host, tables[sids[i]], 1, 10 + i, bits);
		host_map(&host, tables[sids[i]], 2, 20 + i, bits);
		ck_assert(passes(sids[i], SLOT(1), false));
		ck_assert(passes(sids[i], SLOT(2), false));
		kit_set_word(host.kit, tables[sids[i]] + 8, 0);
		kit_set_word(host.kit, tables[sids[i]] + 16, 0);
	}
}

static void kept(uint32_t sid, bool one, bool two)
{
	ck_assert_msg(passes(sid, SLOT(1), false) == one, "%u", sid);
	ck_assert_msg(passes(sid, SLOT(2), false) == two, "%u", sid);
}

/* 5.3: AP[1] counts as 1, and everything is privileged. */
START_TEST(el2_has_one_kind_of_access)
{
	host_map(&host, tables[SID], 1, 5, HOST_LEAF1 & ~PTE_S1_AP_EL0);
	ck_assert(passes(SID, SLOT(1), true));
	host_map(&host, tables[SID], 2, 5, HOST_LEAF1 | PTE_S1_AP_RO);
	ck_assert(passes(SID, SLOT(2), false));
	ck_assert(!passes(SID, SLOT(2), true));
	ck_assert_uint_eq(host_event(&host, 0, 1), EVT_PNU | field_put(EVT_CLASS, EVT_CLASS_IN));
}
END_TEST

/* XN is bit 54; what an unprivileged access may write does not matter to it. */
START_TEST(el2_executes_by_one_bit)
{
	const struct smmu_access fetch = {.sid = SID, .iova = SLOT(1), .instruction = true};
	host_map(&host, tables[SID], 1, 5, HOST_LEAF1 | PTE_S1_PXN);
	ck_assert_int_eq(smmu_translate_access(host.kit->smmu, &fetch, &got), TRANSLATE_OK);
	host_map(&host, tables[SID], 1, 5, HOST_LEAF1 | PTE_S1_UXN);
	host_issue(&host, (struct smmu_command){{CMD_TLBI_EL2_ALL, 0}});
	ck_assert_int_eq(smmu_translate_access(host.kit->smmu, &fetch, &got), TRANSLATE_FAULT);
}
END_TEST

START_TEST(el2_e2h_has_two_kinds_of_access)
{
	set_e2h(true);
	host_map(&host, tables[SID], 1, 5, HOST_LEAF1 & ~PTE_S1_AP_EL0);
	ck_assert(!passes(SID, SLOT(1), true));
}
END_TEST

/* 5.1: TTB0 alone; TTB1 and EPD1 are ignored. */
START_TEST(el2_has_one_half)
{
	uint64_t context = kit_word(host.kit, host.streams + STE_SIZE * SID) & STE_S1CONTEXTPTR;
	kit_set_word(host.kit, context, kit_word(host.kit, context) & ~CD_EPD1); /* T1SZ = 0 */
	host_issue(&host, command_cfgi_cd(SID, 0, 1));
	host_map(&host, tables[SID], 1, 5, HOST_LEAF1);
	ck_assert(passes(SID, SLOT(1), false));
	ck_assert(!passes(SID, ~0xfffULL, false));
	ck_assert_uint_eq(got.event, EVT_F_TRANSLATION);
	set_e2h(true);
	ck_assert(!passes(SID, SLOT(1), false));
	ck_assert_uint_eq(got.event, EVT_C_BAD_CD);
}
END_TEST

/* 7.2: by address alone. */
START_TEST(streams_of_el2_share_translations)
{
	fill(HOST_LEAF1);
	ck_assert(passes(OTHER, SLOT(1), false));
	ck_assert_uint_eq(got.pa.value, SLOT(10)); /* the first that was walked */
	ck_assert(passes(EL1, SLOT(1), false));
	ck_assert_uint_eq(got.pa.value, SLOT(12));
}
END_TEST

START_TEST(streams_of_el2_e2h_are_told_apart_by_their_asid)
{
	set_e2h(true);
	fill(HOST_LEAF1);
	ck_assert(passes(OTHER, SLOT(1), false));
	ck_assert_uint_eq(got.pa.value, SLOT(11));
	host_issue(&host, (struct smmu_command){{CMD_TLBI_EL2_ALL, 0}});
	fill(HOST_LEAF1 & ~PTE_S1_NG); /* global: any ASID */
	ck_assert(passes(OTHER, SLOT(1), false));
	ck_assert_uint_eq(got.pa.value, SLOT(10));
}
END_TEST

static void invalidate(unsigned opcode, uint64_t asid, uint64_t address)
{
	host_issue(&host, (struct smmu_command){{opcode | asid << 48, address}});
}

START_TEST(invalidations_of_el1_leave_el2)
{
	set_e2h(true);
	fill(HOST_LEAF1);
	host_issue(&host, command_tlbi_nsnh_all());
	host_issue(&host, command_tlbi_nh_all(0));
	kept(SID, true, true);
	kept(EL1, false, false);
}
END_TEST

START_TEST(invalidations_of_el2_leave_el1)
{
	set_e2h(true);
	fill(HOST_LEAF1);
	invalidate(CMD_TLBI_EL2_ALL, 0, 0);
	kept(SID, false, false);
	kept(OTHER, false, false);
	kept(EL1, true, true);
}
END_TEST

START_TEST(el2_e2h_is_invalidated_by_asid)
{
	set_e2h(true);
	fill(HOST_LEAF1);
	invalidate(CMD_TLBI_EL2_ASID, SID, 0);
	kept(SID, false, false);
	kept(OTHER, true, true);
}
END_TEST

START_TEST(el2_e2h_is_invalidated_by_address)
{
	set_e2h(true);
	fill(HOST_LEAF1);
	invalidate(CMD_TLBI_EL2_VA, SID, SLOT(1));
	kept(SID, false, true);
	kept(OTHER, true, true);
	kept(EL1, true, true);
	invalidate(CMD_TLBI_EL2_VAA, SID, SLOT(2));
	kept(SID, false, false);
	kept(OTHER, true, false);
}
END_TEST

/* Without E2H the ASID is ignored. */
START_TEST(el2_is_invalidated_by_address_whatever_the_asid)
{
	fill(HOST_LEAF1);
	invalidate(CMD_TLBI_EL2_VA, 0x77, SLOT(1));
	kept(SID, false, true);
}
END_TEST

START_TEST(an_invalidation_of_el2_may_have_a_range)
{
	fill(HOST_LEAF1);
	/* TG = 4 KiB, (NUM + 1) << SCALE = 2^19 pages: both GiBs. */
	host_issue(&host, (struct smmu_command){{CMD_TLBI_EL2_VAA | field_put(CMD_TLBI_SCALE, 19),
						 SLOT(1) | field_put(CMD_TLBI_TG, 1)}});
	kept(SID, false, false);
}
END_TEST

START_TEST(hardware_without_hyp_has_no_el2)
{
	static const unsigned opcodes[] = {CMD_TLBI_EL2_ALL, CMD_TLBI_EL2_ASID, CMD_TLBI_EL2_VA,
					   CMD_TLBI_EL2_VAA};
	struct profile profile = smmu_kit_everything();
	smmu_kit_set(&profile, "idr0.features", profile_get(&profile, "idr0.features") & ~IDR0_HYP);
	for (unsigned i = 0; i < 4; i++) {
		teardown();
		host = smmu_host_new(&profile);
		host_issue_words(&host, opcodes[i], 0);
		ck_assert_msg(kit_smmu_read(host.kit, SMMU_CMDQ_CONS, 4) ==
				      field_put(CMDQ_CONS_ERR, CERROR_ILL),
			      "%x", opcodes[i]);
	}
	teardown();
	host = smmu_host_new(&profile);
	host_map(&host, stream(SID, EL2), 1, 5, HOST_LEAF1);
	ck_assert(!passes(SID, SLOT(1), false));
	ck_assert_uint_eq(got.event, EVT_C_BAD_STE);
}
END_TEST

/* 4.2 */
START_TEST(no_other_world_exists)
{
	for (uint64_t world = 1; world < 4; world += 2) {
		host_map(&host, stream(SID, field_put(STE_STRW, world)), 1, 5, HOST_LEAF1);
		ck_assert(!passes(SID, SLOT(1), false));
		ck_assert_uint_eq(got.event, EVT_C_BAD_STE);
	}
}
END_TEST

/* Where there is a stage 2 it is one of EL1, whatever STRW says. */
START_TEST(a_nested_stream_is_of_el1)
{
	uint64_t stage2, stage1 = host_nested(&host, SID, CD_A | CD_R, 0, &stage2);
	host_change_ste(&host, SID, 1, STE_STRW, field_put(STE_STRW, 3));
	host_map(&host, stage1, 1, 6, HOST_LEAF1);
	ck_assert(passes(SID, SLOT(1), false));
	host_change_ste(&host, SID, 1, STE_STRW, EL2);
	kit_set_word(host.kit, stage1 + 8, 0);
	ck_assert(passes(SID, SLOT(1), false));
	invalidate(CMD_TLBI_EL2_ALL, 0, 0);
	ck_assert(passes(SID, SLOT(1), false));
	host_issue(&host, command_tlbi_nh_all(SID));
	ck_assert(!passes(SID, SLOT(1), false));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_el2");
	TCase *tests = tcase_create("el2");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, el2_has_one_kind_of_access);
	tcase_add_test(tests, el2_executes_by_one_bit);
	tcase_add_test(tests, el2_e2h_has_two_kinds_of_access);
	tcase_add_test(tests, el2_has_one_half);
	tcase_add_test(tests, streams_of_el2_share_translations);
	tcase_add_test(tests, streams_of_el2_e2h_are_told_apart_by_their_asid);
	tcase_add_test(tests, invalidations_of_el1_leave_el2);
	tcase_add_test(tests, invalidations_of_el2_leave_el1);
	tcase_add_test(tests, el2_e2h_is_invalidated_by_asid);
	tcase_add_test(tests, el2_e2h_is_invalidated_by_address);
	tcase_add_test(tests, el2_is_invalidated_by_address_whatever_the_asid);
	tcase_add_test(tests, an_invalidation_of_el2_may_have_a_range);
	tcase_add_test(tests, hardware_without_hyp_has_no_el2);
	tcase_add_test(tests, no_other_world_exists);
	tcase_add_test(tests, a_nested_stream_is_of_el1);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
