// SPDX-License-Identifier: Apache-2.0
/* Accesses that a fault holds up, and how software lets go of them (smmuv3 4.3, 6.4, 6.5). */
#include <check.h>
#include <string.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu_host.h"

#define SID   3U
#define OTHER 4U
#define ENDED 16U /* accesses that a test can tell */

static struct smmu_host host;
static uint64_t table;
static struct {
	uint64_t iova;
	enum translate_result result;
	uint64_t pa;
} ended[ENDED];
static unsigned ended_count;

static void begin(const struct profile *profile)
{
	host = smmu_host_new(profile);
	table = host_stage1(&host, SID, CD_A | CD_S);
	host_stage1(&host, OTHER, CD_A | CD_S);
	ended_count = 0;
}

static void setup(void)
{
	struct profile profile = smmu_kit_everything();
	begin(&profile);
}

static void teardown(void)
{
	smmu_host_free(&host);
}

static void resumed(const struct smmu_access *access, enum translate_result result,
		    const struct translation *translation)
{
	ck_assert_uint_lt(ended_count, ENDED);
	ended[ended_count].iova = access->iova;
	ended[ended_count].result = result;
	ended[ended_count++].pa = translation->pa.value;
}

static enum translate_result access_of(uint32_t sid, uint64_t iova, bool write)
{
	struct translation got;
	const struct smmu_access access = {
		.sid = sid, .iova = iova, .write = write, .resumed = resumed};
	return smmu_translate_access(host.kit->smmu, &access, &got);
}

static void stalls(uint32_t sid, uint64_t iova)
{
	ck_assert_int_eq(access_of(sid, iova, false), TRANSLATE_STALLED);
}

/* The STAG of record N, which is one of a stall. */
static uint64_t stag(uint32_t n)
{
	uint64_t word = host_event(&host, n, 1);
	ck_assert(word & EVT_STALL);
	return field_get(word, EVT_STAG);
}

static void resume(uint32_t sid, uint64_t tag, uint64_t how)
{
	host_issue(&host, (struct smmu_command){{CMD_RESUME | how | field_put(CMD_SID, sid), tag}});
}

START_TEST(a_fault_of_a_stalling_context_holds_the_access_up)
{
	stalls(SID, SLOT(1) + 0x1234);
	/* Recorded although R = 0: {A, R, S} = xx1. */
	ck_assert_uint_eq(host_events(&host), 1);
	ck_assert_uint_eq(host_event(&host, 0, 0), (uint64_t)SID << 32 | EVT_F_TRANSLATION);
	ck_assert_uint_eq(host_event(&host, 0, 1) & ~EVT_STAG,
			  EVT_STALL | EVT_RNW | field_put(EVT_CLASS, EVT_CLASS_IN));
	ck_assert_uint_eq(host_event(&host, 0, 2), SLOT(1) + 0x1234);
	ck_assert_uint_eq(ended_count, 0);
}
END_TEST

START_TEST(each_kind_of_translation_fault_stalls)
{
	host_map(&host, table, 1, 1, HOST_LEAF1 & ~PTE_AF);
	host_map(&host, table, 2, 2, HOST_LEAF1 | PTE_S1_AP_RO);
	kit_set_word(host.kit, table + 24, BITS(47, 47) | HOST_LEAF1);
	host_change_ste(&host, SID, 0, 0, 0);
	uint64_t context = kit_word(host.kit, host.streams + STE_SIZE * SID) & STE_S1CONTEXTPTR;
	kit_set_word(host.kit, context, field_set(kit_word(host.kit, context), CD_IPS, 4));
	host_issue(&host, command_cfgi_cd(SID, 0, 1));
	stalls(SID, SLOT(1));
	ck_assert_int_eq(access_of(SID, SLOT(2), true), TRANSLATE_STALLED);
	stalls(SID, SLOT(3));
	static const unsigned events[] = {EVT_F_ACCESS, EVT_F_PERMISSION, EVT_F_ADDR_SIZE};
	for (uint32_t n = 0; n < 3; n++)
		ck_assert_uint_eq(field_get(host_event(&host, n, 0), EVT_ID), events[n]);
}
END_TEST

/* 6.2: only 0x10 to 0x13 can. */
START_TEST(no_other_fault_stalls)
{
	kit_set_word(host.kit, table + 8, 0xfffffffff000 | PTE_VALID | PTE_TABLE);
	ck_assert_int_eq(access_of(SID, SLOT(1), false), TRANSLATE_FAULT);
	ck_assert_uint_eq(field_get(host_event(&host, 0, 0), EVT_ID), EVT_F_WALK_EABT);
	const struct smmu_access substream = {.sid = SID, .has_ssid = true, .resumed = resumed};
	struct translation got;
	ck_assert_int_eq(smmu_translate_access(host.kit->smmu, &substream, &got), TRANSLATE_FAULT);
	ck_assert_uint_eq(field_get(host_event(&host, 1, 0), EVT_ID), EVT_C_BAD_SUBSTREAMID);
	ck_assert_uint_eq(host_event(&host, 0, 1) & EVT_STALL, 0);
	ck_assert_uint_eq(host_event(&host, 1, 1) & EVT_STALL, 0);
}
END_TEST

START_TEST(a_speculative_access_is_not_held_up)
{
	const struct smmu_access access = {.sid = SID, .iova = SLOT(1), .speculative = true};
	struct translation got;
	ck_assert_int_eq(smmu_translate_access(host.kit->smmu, &access, &got), TRANSLATE_FAULT);
	ck_assert_uint_eq(host_events(&host), 0);
}
END_TEST

START_TEST(a_retry_translates_from_scratch)
{
	stalls(SID, SLOT(1) + 8);
	host_map(&host, table, 1, 5, HOST_LEAF1);
	resume(SID, stag(0), CMD_RESUME_AC);
	ck_assert_uint_eq(ended_count, 1);
	ck_assert_int_eq(ended[0].result, TRANSLATE_OK);
	ck_assert_uint_eq(ended[0].iova, SLOT(1) + 8);
	ck_assert_uint_eq(ended[0].pa, SLOT(5) + 8);
	ck_assert_uint_eq(host_events(&host), 1);
}
END_TEST

START_TEST(a_retry_may_stall_again)
{
	stalls(SID, SLOT(1));
	resume(SID, stag(0), CMD_RESUME_AC);
	ck_assert_uint_eq(ended_count, 0);
	ck_assert_uint_eq(host_events(&host), 2);
	ck_assert_uint_ne(stag(1), stag(0));
	host_map(&host, table, 1, 5, HOST_LEAF1);
	resume(SID, stag(0), CMD_RESUME_AC); /* is no more */
	ck_assert_uint_eq(ended_count, 0);
	resume(SID, stag(1), CMD_RESUME_AC);
	ck_assert_uint_eq(ended_count, 1);
	ck_assert_int_eq(ended[0].result, TRANSLATE_OK);
}
END_TEST

START_TEST(resume_aborts_or_ignores_the_access)
{
	stalls(SID, SLOT(1));
	stalls(SID, SLOT(2));
	host_map(&host, table, 1, 5, HOST_LEAF1);
	host_map(&host, table, 2, 5, HOST_LEAF1);
	resume(SID, stag(0), CMD_RESUME_AB);
	resume(SID, stag(1), 0);
	ck_assert_uint_eq(ended_count, 2);
	ck_assert_int_eq(ended[0].result, TRANSLATE_FAULT);
	ck_assert_uint_eq(ended[0].iova, SLOT(1));
	ck_assert_int_eq(ended[1].result, TRANSLATE_IGNORED);
}
END_TEST

START_TEST(hardware_that_always_aborts_ignores_no_access)
{
	struct profile profile = smmu_kit_everything();
	teardown();
	smmu_kit_set(&profile, "idr0.features",
		     profile_get(&profile, "idr0.features") | IDR0_TERM_MODEL);
	begin(&profile);
	stalls(SID, SLOT(1));
	resume(SID, stag(0), 0);
	ck_assert_int_eq(ended[0].result, TRANSLATE_FAULT);
}
END_TEST

START_TEST(resume_needs_the_stream_and_the_number)
{
	stalls(SID, SLOT(1));
	resume(OTHER, stag(0), CMD_RESUME_AB);
	resume(SID, stag(0) + 1, CMD_RESUME_AB);
	ck_assert_uint_eq(ended_count, 0);
	resume(SID, stag(0), CMD_RESUME_AB);
	ck_assert_uint_eq(ended_count, 1);
}
END_TEST

START_TEST(stall_term_ends_all_of_its_stream)
{
	stalls(SID, SLOT(1));
	stalls(OTHER, SLOT(2));
	stalls(SID, SLOT(3));
	host_issue(&host, (struct smmu_command){{CMD_STALL_TERM | field_put(CMD_SID, SID), 0}});
	ck_assert_uint_eq(ended_count, 2);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(ended[i].result, TRANSLATE_FAULT);
	ck_assert_uint_eq(ended[0].iova, SLOT(1));
	ck_assert_uint_eq(ended[1].iova, SLOT(3));
	resume(OTHER, stag(1), CMD_RESUME_AB);
	ck_assert_uint_eq(ended_count, 3);
}
END_TEST

/* 1.4 */
START_TEST(disabling_the_smmu_aborts_what_is_held_up)
{
	stalls(SID, SLOT(1));
	stalls(OTHER, SLOT(2));
	kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_EVENTQEN | CR0_CMDQEN);
	ck_assert_uint_eq(ended_count, 2);
	ck_assert_int_eq(ended[1].result, TRANSLATE_FAULT);
	resume(SID, stag(0), CMD_RESUME_AB); /* the number is free */
	ck_assert_uint_eq(ended_count, 2);
}
END_TEST

/* 3.5, 6.5 */
START_TEST(invalidations_leave_what_is_held_up)
{
	stalls(SID, SLOT(1));
	host_issue(&host, command_tlbi_nsnh_all());
	host_issue(&host, command_cfgi_all());
	host_issue(&host, command_sync(SYNC_CS_NONE));
	ck_assert_uint_eq(ended_count, 0);
}
END_TEST

START_TEST(numbers_are_unique_among_what_is_held_up)
{
	for (unsigned i = 0; i < KIT_STALL_MAX; i++)
		stalls(SID, SLOT(i));
	for (uint32_t i = 0; i < KIT_STALL_MAX; i++)
		for (uint32_t other = 0; other < i; other++)
			ck_assert_uint_ne(stag(i), stag(other));
}
END_TEST

/* The counter goes round before an old one is answered. */
START_TEST(a_number_in_use_is_passed_over)
{
	stalls(SID, SLOT(1));
	host.kit->smmu->next_stag = (uint16_t)stag(0);
	stalls(SID, SLOT(2));
	ck_assert_uint_ne(stag(1), stag(0));
}
END_TEST

START_TEST(no_more_are_told_than_the_hardware_has_numbers)
{
	for (unsigned i = 0; i < KIT_STALL_MAX + 2; i++)
		stalls(SID, SLOT(i));
	ck_assert_uint_eq(host_events(&host), KIT_STALL_MAX);
	resume(SID, stag(1), CMD_RESUME_AB);
	ck_assert_uint_eq(host_events(&host), KIT_STALL_MAX + 1);
	ck_assert_uint_eq(host_event(&host, KIT_STALL_MAX, 2), SLOT(KIT_STALL_MAX));
	resume(SID, stag(KIT_STALL_MAX), CMD_RESUME_AB);
	ck_assert_uint_eq(host_events(&host), KIT_STALL_MAX + 2);
	ck_assert_uint_eq(host_event(&host, KIT_STALL_MAX + 1, 2), SLOT(KIT_STALL_MAX + 1));
}
END_TEST

/* 6.4: they are held and written later. */
START_TEST(a_stall_waits_for_space_in_the_event_queue)
{
	host_stage1(&host, 5, CD_A | CD_R);
	for (unsigned i = 0; i < HOST_QUEUE; i++)
		ck_assert_int_eq(access_of(5, SLOT(1), false), TRANSLATE_FAULT);
	stalls(SID, SLOT(2));
	stalls(SID, SLOT(3));
	/* Nothing was lost. */
	ck_assert_uint_eq(host_events(&host), HOST_QUEUE);
	kit_smmu_write(host.kit, SMMU_EVENTQ_CONS, 4, 1);
	ck_assert_uint_eq(host_events(&host), HOST_QUEUE + 1);
	ck_assert_uint_eq(host_event(&host, 0, 2), SLOT(2));
	kit_smmu_write(host.kit, SMMU_EVENTQ_CONS, 4, 2);
	ck_assert_uint_eq(host_event(&host, 1, 2), SLOT(3));
	resume(SID, stag(1), CMD_RESUME_AB);
	ck_assert_uint_eq(ended[0].iova, SLOT(3));
}
END_TEST

START_TEST(a_stall_waits_for_the_event_queue_to_be_enabled)
{
	uint64_t cr0 = kit_smmu_read(host.kit, SMMU_CR0, 4);
	kit_smmu_write(host.kit, SMMU_CR0, 4, cr0 & ~CR0_EVENTQEN);
	stalls(SID, SLOT(2));
	ck_assert_uint_eq(host_events(&host), 0);
	kit_smmu_write(host.kit, SMMU_CR0, 4, cr0);
	ck_assert_uint_eq(host_events(&host), 1);
	ck_assert_uint_eq(host_event(&host, 0, 2), SLOT(2));
}
END_TEST

START_TEST(a_stall_waits_for_an_error_of_the_event_queue_to_be_acknowledged)
{
	const struct port_fault once = {.engine = host.kit->smmu->port.engine,
					.purpose = ACCESS_EVENT_WRITE,
					.action = FAULT_ABORT,
					.nth = 1};
	ck_assert(port_inject(host.kit->machine, &once));
	stalls(SID, SLOT(2));
	ck_assert_uint_eq(host_events(&host), 0);
	kit_smmu_write(host.kit, SMMU_GERRORN, 4, kit_smmu_read(host.kit, SMMU_GERROR, 4));
	ck_assert_uint_eq(host_events(&host), 1);
	resume(SID, stag(0), CMD_RESUME_AB);
	ck_assert_uint_eq(ended_count, 1);
}
END_TEST

/* 4.2, 4.3: S2S, whatever S2R says. */
START_TEST(a_fault_of_stage_2_stalls_by_s2s)
{
	uint64_t stage2 = host_stage2(&host, 5, STE_S2S);
	stalls(5, SLOT(1));
	ck_assert_uint_eq(host_event(&host, 0, 1) & ~EVT_STAG,
			  EVT_STALL | EVT_S2 | EVT_RNW | field_put(EVT_CLASS, EVT_CLASS_IN));
	host_map(&host, stage2, 1, 2, HOST_LEAF2);
	resume(5, stag(0), CMD_RESUME_AC);
	ck_assert_int_eq(ended[0].result, TRANSLATE_OK);
	ck_assert_uint_eq(ended[0].pa, SLOT(2));
}
END_TEST

START_TEST(a_nested_stream_stalls_by_the_stage_that_faults)
{
	uint64_t stage2, stage1 = host_nested(&host, 5, CD_A | CD_R, STE_S2S | STE_S2R, &stage2);
	ck_assert_int_eq(access_of(5, SLOT(1), false), TRANSLATE_FAULT);
	host_map(&host, stage1, 1, 100, HOST_LEAF1); /* an IPA that stage 2 has not */
	stalls(5, SLOT(1));
	ck_assert(host_event(&host, 1, 1) & EVT_S2);
	host_map(&host, stage2, 100, 2, HOST_LEAF2);
	resume(5, stag(1), CMD_RESUME_AC);
	ck_assert_uint_eq(ended[0].pa, SLOT(2));
}
END_TEST

/* --- A = 0: the device is told that it succeeded --- */

START_TEST(a_fault_may_be_kept_from_the_device)
{
	uint64_t word = ~0ULL;
	struct translation got;
	host_stage1(&host, 5, 0);
	ck_assert_int_eq(smmu_dma(host.kit->smmu, 5, SLOT(1), false, &word, 8, &got),
			 TRANSLATE_IGNORED);
	ck_assert_uint_eq(word, 0); /* reads as zero */
	word = ~0ULL;
	smmu_kit_clear(host.kit);
	ck_assert_int_eq(smmu_dma(host.kit->smmu, 5, SLOT(1), true, &word, 8, &got),
			 TRANSLATE_IGNORED);
	for (unsigned i = 0; i < host.kit->access_count; i++)
		ck_assert_int_ne(host.kit->accesses[i].purpose, ACCESS_DMA_WRITE);
	ck_assert_uint_eq(word, ~0ULL);
	ck_assert_uint_eq(host_events(&host), 0); /* R = 0 */
	host_stage1(&host, 5, CD_R);
	ck_assert_int_eq(access_of(5, SLOT(1), false), TRANSLATE_IGNORED);
	ck_assert_uint_eq(host_events(&host), 1);
	ck_assert_uint_eq(field_get(host_event(&host, 0, 0), EVT_ID), EVT_F_TRANSLATION);
}
END_TEST

START_TEST(a_fault_may_be_told_to_the_device_alone)
{
	host_stage1(&host, 5, CD_A);
	ck_assert_int_eq(access_of(5, SLOT(1), false), TRANSLATE_FAULT);
	ck_assert_uint_eq(host_events(&host), 0);
}
END_TEST

/* Faults of stage 2 always abort (4.3). */
START_TEST(a_fault_of_stage_2_is_never_kept_from_the_device)
{
	uint64_t stage2, stage1 = host_nested(&host, 5, 0, 0, &stage2);
	host_map(&host, stage1, 1, 100, HOST_LEAF1);
	ck_assert_int_eq(access_of(5, SLOT(1), false), TRANSLATE_FAULT);
	ck_assert_int_eq(access_of(5, SLOT(2), false), TRANSLATE_IGNORED);
}
END_TEST

static uint64_t state(void)
{
	struct hash hash;
	hash_init(&hash);
	smmu_hash(host.kit->smmu, &hash);
	return hash.value;
}

START_TEST(the_hash_sees_what_is_held_up)
{
	uint64_t before = state();
	kit_smmu_write(host.kit, SMMU_CR0, 4, 0xd & ~CR0_EVENTQEN);
	uint64_t off = state();
	stalls(SID, SLOT(1));
	uint64_t held = state();
	TAILQ_FIRST(&host.kit->smmu->stalls)->access.iova++;
	ck_assert_uint_ne(before, off);
	ck_assert_uint_ne(off, held);
	ck_assert_uint_ne(held, state());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_stall");
	TCase *tests = tcase_create("stalls");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_fault_of_a_stalling_context_holds_the_access_up);
	tcase_add_test(tests, each_kind_of_translation_fault_stalls);
	tcase_add_test(tests, no_other_fault_stalls);
	tcase_add_test(tests, a_speculative_access_is_not_held_up);
	tcase_add_test(tests, a_retry_translates_from_scratch);
	tcase_add_test(tests, a_retry_may_stall_again);
	tcase_add_test(tests, resume_aborts_or_ignores_the_access);
	tcase_add_test(tests, hardware_that_always_aborts_ignores_no_access);
	tcase_add_test(tests, resume_needs_the_stream_and_the_number);
	tcase_add_test(tests, stall_term_ends_all_of_its_stream);
	tcase_add_test(tests, disabling_the_smmu_aborts_what_is_held_up);
	tcase_add_test(tests, invalidations_leave_what_is_held_up);
	tcase_add_test(tests, numbers_are_unique_among_what_is_held_up);
	tcase_add_test(tests, a_number_in_use_is_passed_over);
	tcase_add_test(tests, no_more_are_told_than_the_hardware_has_numbers);
	tcase_add_test(tests, a_stall_waits_for_space_in_the_event_queue);
	tcase_add_test(tests, a_stall_waits_for_the_event_queue_to_be_enabled);
	tcase_add_test(tests, a_stall_waits_for_an_error_of_the_event_queue_to_be_acknowledged);
	tcase_add_test(tests, a_fault_of_stage_2_stalls_by_s2s);
	tcase_add_test(tests, a_nested_stream_stalls_by_the_stage_that_faults);
	tcase_add_test(tests, a_fault_may_be_kept_from_the_device);
	tcase_add_test(tests, a_fault_may_be_told_to_the_device_alone);
	tcase_add_test(tests, a_fault_of_stage_2_is_never_kept_from_the_device);
	tcase_add_test(tests, the_hash_sees_what_is_held_up);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
