// SPDX-License-Identifier: Apache-2.0
/* Access flags and dirty states that the hardware sets itself (smmuv3 4.2, 4.3, 5.5). */
#include <check.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu_host.h"

#define SID   3U
#define CLEAN (HOST_LEAF1 | PTE_S1_AP_RO | PTE_DBM) /* of stage 1: writable, not written */

static struct smmu_host host;
static struct translation got;

static void begin(uint64_t httu)
{
	struct profile profile = smmu_kit_everything();
	smmu_kit_set(&profile, "idr0.features",
		     field_set(profile_get(&profile, "idr0.features"), IDR0_HTTU, httu));
	host = smmu_host_new(&profile);
}

static void setup(void)
{
	begin(HTTU_DIRTY);
}

static void teardown(void)
{
	smmu_host_free(&host);
}

static bool passes(uint64_t iova, bool write)
{
	return smmu_translate(host.kit->smmu, SID, iova, write, &got) == TRANSLATE_OK;
}

static uint64_t word(uint64_t table, unsigned slot)
{
	return kit_word(host.kit, table + 8ULL * slot);
}

static unsigned writes(void)
{
	unsigned count = 0;
	for (unsigned i = 0; i < host.kit->access_count; i++)
		count += host.kit->accesses[i].purpose == ACCESS_TABLE_WRITE;
	return count;
}

START_TEST(an_access_sets_the_access_flag_once)
{
	uint64_t stage1 = host_stage1(&host, SID, CD_A | CD_HA);
	host_map(&host, stage1, 1, 5, HOST_LEAF1 & ~PTE_AF);
	smmu_kit_clear(host.kit);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(passes(SLOT(1), false));
		ck_assert_uint_eq(word(stage1, 1), SLOT(5) | HOST_LEAF1);
		ck_assert_uint_eq(writes(), 1);
		host_issue(&host, command_tlbi_nsnh_all());
	}
}
END_TEST

START_TEST(stage_2_sets_its_access_flag)
{
	uint64_t stage2 = host_stage2(&host, SID, STE_S2HA);
	host_map(&host, stage2, 1, 5, HOST_LEAF2 & ~PTE_AF);
	ck_assert(passes(SLOT(1), false));
	ck_assert_uint_eq(word(stage2, 1), SLOT(5) | HOST_LEAF2);
}
END_TEST

START_TEST(without_ha_an_access_flag_of_zero_faults)
{
	uint64_t stage1 = host_stage1(&host, SID, CD_A | CD_R);
	host_map(&host, stage1, 1, 5, HOST_LEAF1 & ~PTE_AF);
	ck_assert(!passes(SLOT(1), false));
	ck_assert_uint_eq(got.event, EVT_F_ACCESS);
	ck_assert_uint_eq(word(stage1, 1), SLOT(5) | (HOST_LEAF1 & ~PTE_AF));
}
END_TEST

START_TEST(a_write_makes_a_clean_page_dirty)
{
	uint64_t stage1 = host_stage1(&host, SID, CD_A | CD_R | CD_HA | CD_HD);
	host_map(&host, stage1, 1, 5, CLEAN);
	ck_assert(passes(SLOT(1), false));
	ck_assert_uint_eq(word(stage1, 1), SLOT(5) | CLEAN); /* a read does not */
	/* Although the TLB has it read-only. */
	ck_assert(passes(SLOT(1), true));
	ck_assert_uint_eq(word(stage1, 1), SLOT(5) | (CLEAN & ~PTE_S1_AP_RO));
	ck_assert(passes(SLOT(1), true));
	ck_assert_int_eq(got.path, PATH_CACHED);
	ck_assert_uint_eq(writes(), 1);
}
END_TEST

START_TEST(a_write_makes_a_clean_page_of_stage_2_dirty)
{
	uint64_t clean = (HOST_LEAF2 | PTE_DBM) & ~PTE_S2_WRITE;
	uint64_t stage2 = host_stage2(&host, SID, STE_S2HA | STE_S2HD | STE_S2R);
	host_map(&host, stage2, 1, 5, clean);
	ck_assert(passes(SLOT(1), false));
	ck_assert_uint_eq(word(stage2, 1), SLOT(5) | clean);
	ck_assert(passes(SLOT(1), true));
	ck_assert_uint_eq(word(stage2, 1), SLOT(5) | clean | PTE_S2_WRITE);
	ck_assert(passes(SLOT(1), true));
	ck_assert_int_eq(got.path, PATH_CACHED);
}
END_TEST

START_TEST(a_page_that_is_read_only_stays_so)
{
	static const struct {
		uint64_t cd;
		uint64_t leaf;
	} rows[] = {
		{CD_HA | CD_HD, CLEAN & ~PTE_DBM},
		{CD_HA, CLEAN},                         /* no HD */
		{CD_HA | CD_HD, CLEAN & ~PTE_S1_AP_EL0} /* not for unprivileged accesses */
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t stage1 = host_stage1(&host, SID, CD_A | CD_R | rows[i].cd);
		host_map(&host, stage1, 1, 5, rows[i].leaf);
		host_issue(&host, command_tlbi_nsnh_all());
		ck_assert_msg(!passes(SLOT(1), true), "%u", i);
		ck_assert_uint_eq(got.event, EVT_F_PERMISSION);
		ck_assert_msg(word(stage1, 1) == (SLOT(5) | rows[i].leaf), "%u", i);
	}
}
END_TEST

/* A read of a page that nobody has touched: accessed, and still clean. */
START_TEST(a_read_sets_the_access_flag_alone)
{
	uint64_t stage1 = host_stage1(&host, SID, CD_A | CD_HA | CD_HD);
	host_map(&host, stage1, 1, 5, CLEAN & ~PTE_AF);
	ck_assert(passes(SLOT(1), false));
	ck_assert_uint_eq(word(stage1, 1), SLOT(5) | CLEAN);
	host_map(&host, stage1, 2, 5, CLEAN & ~PTE_AF);
	ck_assert(passes(SLOT(2), true));
	ck_assert_uint_eq(word(stage1, 2), SLOT(5) | (CLEAN & ~PTE_S1_AP_RO));
	ck_assert_uint_eq(writes(), 2);
}
END_TEST

START_TEST(what_a_device_may_learn_by_ats_is_not_dirty_unless_it_asks_to_write)
{
	struct smmu_access access = {.sid = SID, .iova = SLOT(1)};
	struct ats_answer told;
	uint64_t stage1 = host_stage1(&host, SID, CD_A | CD_HA | CD_HD);
	host_change_ste(&host, SID, 1, STE_EATS, field_put(STE_EATS, EATS_FULL));
	host_map(&host, stage1, 1, 5, CLEAN & ~PTE_AF);
	smmu_ats_request(host.kit->smmu, &access, &told);
	ck_assert(told.readable && !told.writable);
	ck_assert_uint_eq(word(stage1, 1), SLOT(5) | CLEAN);
	access.write = true;
	smmu_ats_request(host.kit->smmu, &access, &told);
	ck_assert(told.readable && told.writable);
	ck_assert_uint_eq(word(stage1, 1), SLOT(5) | (CLEAN & ~PTE_S1_AP_RO));
}
END_TEST

START_TEST(a_speculative_access_updates_nothing)
{
	const struct smmu_access access = {
		.sid = SID, .iova = SLOT(1), .write = true, .speculative = true};
	uint64_t stage1 = host_stage1(&host, SID, CD_A | CD_HA | CD_HD);
	host_map(&host, stage1, 1, 5, CLEAN & ~PTE_AF);
	ck_assert_int_eq(smmu_translate_access(host.kit->smmu, &access, &got), TRANSLATE_OK);
	ck_assert_uint_eq(word(stage1, 1), SLOT(5) | (CLEAN & ~PTE_AF));
	/* Nor is it cached as if it had. */
	ck_assert(passes(SLOT(1), true));
	ck_assert_uint_eq(word(stage1, 1), SLOT(5) | (CLEAN & ~PTE_S1_AP_RO));
}
END_TEST

START_TEST(an_update_that_is_aborted_is_reported)
{
	const struct port_fault once = {.engine = host.kit->smmu->port.engine,
					.purpose = ACCESS_TABLE_WRITE,
					.action = FAULT_ABORT,
					.nth = 1};
	uint64_t stage1 = host_stage1(&host, SID, CD_A | CD_R | CD_HA);
	host_map(&host, stage1, 1, 5, HOST_LEAF1 & ~PTE_AF);
	ck_assert(port_inject(host.kit->machine, &once));
	ck_assert(!passes(SLOT(1), false));
	ck_assert_uint_eq(got.event, EVT_F_WALK_EABT);
	ck_assert_uint_eq(host_event(&host, 0, 3), stage1 + 8);
	ck_assert(passes(SLOT(1), false));
}
END_TEST

/* 6.2: TTRnW = 0, CLASS = TT. */
START_TEST(stage_2_must_let_stage_1s_tables_be_written)
{
	uint64_t stage2, stage1 = host_nested(&host, SID, CD_A | CD_HA, STE_S2R, &stage2);
	unsigned slot = (unsigned)(stage1 >> 30);
	host_map(&host, stage1, 1, 6, HOST_LEAF1 & ~PTE_AF);
	host_map(&host, stage2, slot, slot, HOST_LEAF2 & ~PTE_S2_WRITE);
	ck_assert(!passes(SLOT(1) + 0x10, true));
	ck_assert_uint_eq(field_get(host_event(&host, 0, 0), EVT_ID), EVT_F_PERMISSION);
	ck_assert_uint_eq(host_event(&host, 0, 1), EVT_S2 | field_put(EVT_CLASS, EVT_CLASS_TT));
	ck_assert_uint_eq(host_event(&host, 0, 2), SLOT(1) + 0x10);
	ck_assert_uint_eq(host_event(&host, 0, 3), (stage1 + 8) & EVT_IPA);
	ck_assert_uint_eq(word(stage1, 1), SLOT(6) | (HOST_LEAF1 & ~PTE_AF));
	/* A descriptor that can't even be read: TTRnW = 1. */
	host_map(&host, stage2, slot, slot, HOST_LEAF2 & ~(PTE_S2_WRITE | PTE_S2_READ));
	host_issue(&host, command_tlbi_nsnh_all());
	ck_assert(!passes(SLOT(1), true));
	ck_assert_uint_eq(host_event(&host, 1, 1) & ~EVT_RNW,
			  EVT_TTRNW | EVT_S2 | field_put(EVT_CLASS, EVT_CLASS_TT));
}
END_TEST

START_TEST(both_stages_set_what_is_theirs)
{
	uint64_t clean2 = (HOST_LEAF2 | PTE_DBM) & ~(PTE_S2_WRITE | PTE_AF);
	uint64_t stage2, stage1 = host_nested(&host, SID, CD_A | CD_HA | CD_HD, STE_S2HA | STE_S2HD,
					      &stage2);
	host_map(&host, stage1, 1, 100, CLEAN & ~PTE_AF);
	host_map(&host, stage2, 100, 6, clean2);
	ck_assert(passes(SLOT(1), true));
	ck_assert_uint_eq(got.pa.value, SLOT(6));
	ck_assert_uint_eq(word(stage1, 1), SLOT(100) | (CLEAN & ~PTE_S1_AP_RO));
	ck_assert_uint_eq(word(stage2, 100), SLOT(6) | clean2 | PTE_S2_WRITE | PTE_AF);
}
END_TEST

/* --- what IDR0.HTTU does not have --- */

START_TEST(updates_that_the_hardware_lacks_are_bad)
{
	static const struct {
		uint64_t httu;
		bool access;
		bool dirty;
	} rows[] = {{0, false, false}, {1, true, false}, {2, true, true}, {3, true, true}};
	for (unsigned i = 0; i < 4; i++) {
		teardown();
		begin(rows[i].httu);
		host_map(&host, host_stage1(&host, SID, CD_A | CD_HA), 1, 5, HOST_LEAF1);
		ck_assert_msg(passes(SLOT(1), false) == rows[i].access, "%u", i);
		if (!rows[i].access)
			ck_assert_uint_eq(got.event, EVT_C_BAD_CD);
		host_map(&host, host_stage1(&host, SID, CD_A | CD_HA | CD_HD), 1, 5, HOST_LEAF1);
		ck_assert_msg(passes(SLOT(1), false) == rows[i].dirty, "%u", i);
		host_map(&host, host_stage2(&host, SID, STE_S2HA), 1, 5, HOST_LEAF2);
		ck_assert_msg(passes(SLOT(1), false) == rows[i].access, "%u", i);
		if (!rows[i].access)
			ck_assert_uint_eq(got.event, EVT_C_BAD_STE);
		host_map(&host, host_stage2(&host, SID, STE_S2HA | STE_S2HD), 1, 5, HOST_LEAF2);
		ck_assert_msg(passes(SLOT(1), false) == rows[i].dirty, "%u", i);
	}
}
END_TEST

START_TEST(stage_2_needs_access_flags_for_dirty_states)
{
	host_map(&host, host_stage2(&host, SID, STE_S2HD), 1, 5, HOST_LEAF2);
	ck_assert(!passes(SLOT(1), false));
	ck_assert_uint_eq(got.event, EVT_C_BAD_STE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_httu");
	TCase *tests = tcase_create("updates");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_access_sets_the_access_flag_once);
	tcase_add_test(tests, stage_2_sets_its_access_flag);
	tcase_add_test(tests, without_ha_an_access_flag_of_zero_faults);
	tcase_add_test(tests, a_write_makes_a_clean_page_dirty);
	tcase_add_test(tests, a_write_makes_a_clean_page_of_stage_2_dirty);
	tcase_add_test(tests, a_page_that_is_read_only_stays_so);
	tcase_add_test(tests, a_read_sets_the_access_flag_alone);
	tcase_add_test(tests, what_a_device_may_learn_by_ats_is_not_dirty_unless_it_asks_to_write);
	tcase_add_test(tests, a_speculative_access_updates_nothing);
	tcase_add_test(tests, an_update_that_is_aborted_is_reported);
	tcase_add_test(tests, stage_2_must_let_stage_1s_tables_be_written);
	tcase_add_test(tests, both_stages_set_what_is_theirs);
	tcase_add_test(tests, updates_that_the_hardware_lacks_are_bad);
	tcase_add_test(tests, stage_2_needs_access_flags_for_dirty_states);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
