// SPDX-License-Identifier: Apache-2.0
/* Which commands the main queue runs, in which order, and where it stops (smmuv3 2, 3). */
#include <check.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu_host.h"

#define SID  3U
#define ENDS (2U * HOST_QUEUE)

static struct smmu_host host;
static struct translation got;

static void setup(void)
{
	struct profile profile = smmu_kit_everything();
	host = smmu_host_new(&profile);
}

static void teardown(void)
{
	smmu_host_free(&host);
}

static uint64_t cons(void)
{
	return kit_smmu_read(host.kit, SMMU_CMDQ_CONS, 4);
}

static bool stopped(void)
{
	uint64_t gerror = kit_smmu_read(host.kit, SMMU_GERROR, 4);
	return (gerror ^ kit_smmu_read(host.kit, SMMU_GERRORN, 4)) & GERROR_CMDQ_ERR;
}

static void acknowledge(void)
{
	kit_smmu_write(host.kit, SMMU_GERRORN, 4, kit_smmu_read(host.kit, SMMU_GERROR, 4));
}

/* --- which are legal --- */

/* 3.2: of a Non-secure queue, on hardware that has all that the model has. */
static bool is_of_the_table(unsigned opcode)
{
	static const uint8_t opcodes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11,
					  0x12, 0x13, 0x20, 0x21, 0x22, 0x23, 0x28, 0x2a,
					  0x30, 0x40, 0x41, 0x44, 0x45, 0x46};
	for (unsigned i = 0; i < sizeof(opcodes); i++)
		if (opcodes[i] == opcode)
			return true;
	return false;
}

START_TEST(every_other_opcode_is_illegal)
{
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		teardown();
		setup();
		host_issue_words(&host, opcode, 0);
		ck_assert_msg(stopped() == !is_of_the_table(opcode), "%x", opcode);
		if (stopped())
			ck_assert_uint_eq(cons(), field_put(CMDQ_CONS_ERR, CERROR_ILL));
	}
}
END_TEST

/* 3.3: numbers out of range are not illegal. */
START_TEST(any_number_is_legal)
{
	static const struct smmu_command commands[] = {
		{{CMD_CFGI_STE | 0xffffffffULL << 32, 1}},
		{{CMD_CFGI_CD | 0xffffffffULL << 32 | 0xfffffULL << 12, 1}},
		{{CMD_TLBI_NH_VA | 0xffffffffULL << 32, ~0xfffULL}},
		{{CMD_TLBI_S2_IPA | 0xffffULL << 32, 0xffffffffff000}},
		{{CMD_ATC_INV | 0xffffffffULL << 32 | 0xfffffULL << 12 | CMD_SSV, ~0xfc0ULL}},
	};
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		host_issue(&host, commands[i]);
	ck_assert(!stopped());
}
END_TEST

/* 3.3: UNSURE; here it is one granule. */
START_TEST(a_range_without_numbers_is_one_granule)
{
	uint64_t table = host_stage1(&host, SID, CD_A);
	host_map(&host, table, 1, 5, HOST_LEAF1);
	ck_assert_int_eq(smmu_translate(host.kit->smmu, SID, SLOT(1), false, &got), TRANSLATE_OK);
	kit_set_word(host.kit, table + 8, 0);
	struct smmu_command command = command_tlbi_nh_va(0, SID, SLOT(1), 1);
	command.dw[1] |= field_put(CMD_TLBI_TG, 1);
	host_issue(&host, command);
	ck_assert_int_eq(smmu_translate(host.kit->smmu, SID, SLOT(1), false, &got),
			 TRANSLATE_FAULT);
}
END_TEST

/* --- contexts of substreams --- */

START_TEST(all_contexts_of_a_stream_go_at_once)
{
	for (uint32_t sid = SID; sid < SID + 2; sid++) {
		uint64_t table = host_stage1(&host, sid, CD_A);
		host_map(&host, table, 1, 5, HOST_LEAF1);
		host_change_ste(&host, sid, 0, STE_S1CDMAX, field_put(STE_S1CDMAX, 2));
		host_change_ste(&host, sid, 1, STE_S1DSS, field_put(STE_S1DSS, S1DSS_SSID0));
		uint64_t at = kit_word(host.kit, host.streams + STE_SIZE * sid) & STE_S1CONTEXTPTR;
		for (unsigned ssid = 1; ssid < 4; ssid++) {
			kit_set_word(host.kit, at + CD_SIZE * ssid, kit_word(host.kit, at));
			kit_set_word(host.kit, at + CD_SIZE * ssid + 8, table);
		}
	}
	for (unsigned round = 0; round < 2; round++) {
		for (uint32_t n = 0; n < 6; n++) {
			const struct smmu_access access = {.sid = SID + n / 3,
							   .has_ssid = true,
							   .ssid = 1 + n % 3,
							   .iova = SLOT(1)};
			bool ok = smmu_translate_access(host.kit->smmu, &access, &got) ==
				  TRANSLATE_OK;
			ck_assert_msg(ok == (round == 0 || n >= 3), "%u", n);
		}
		for (uint32_t sid = SID; sid < SID + 2; sid++) {
			uint64_t at = kit_word(host.kit, host.streams + STE_SIZE * sid) &
				      STE_S1CONTEXTPTR;
			for (unsigned ssid = 0; ssid < 4; ssid++)
				kit_set_word(host.kit, at + CD_SIZE * ssid, 0);
		}
		host_issue(&host,
			   (struct smmu_command){{CMD_CFGI_CD_ALL | (uint64_t)SID << 32, 0}});
	}
}
END_TEST

/* --- pointers (2.1, 2.2) --- */

START_TEST(bits_above_the_wrap_flag_do_not_count)
{
	kit_put(host.kit, host.queue, 0, command_tlbi_nsnh_all());
	kit_smmu_write(host.kit, SMMU_CMDQ_PROD, 4, 1 | (0xfffffU & ~(ENDS - 1)));
	kit_run(host.kit);
	ck_assert_uint_eq(host.kit->probe_count, 1);
	ck_assert_uint_eq(cons() % ENDS, 1);
}
END_TEST

START_TEST(each_command_is_seen_in_cons)
{
	for (unsigned i = 1; i < 4; i++) {
		host_issue_words(&host, CMD_TLBI_NSNH_ALL, 0);
		ck_assert_uint_eq(cons(), i);
	}
}
END_TEST

/* 3.5: a SYNC is a barrier: what comes after it starts when it is done. */
START_TEST(nothing_passes_a_sync)
{
	smmu_endpoint_new(host.kit->smmu, SID);
	uint64_t began = host.kit->machine->clock.now_ps;
	kit_put(host.kit, host.queue, host.queued++, command_atc_inv(SID, 0, ATC_SIZE_ALL));
	kit_put(host.kit, host.queue, host.queued++, command_sync(SYNC_CS_NONE));
	smmu_kit_clear(host.kit);
	host_issue_words(&host, CMD_TLBI_NSNH_ALL, 0);
	ck_assert_uint_eq(host.kit->probe_count, 3);
	uint64_t answered = host.kit->probes[0].time_ps + host.kit->smmu->timing.ats_round_trip_ps;
	ck_assert_uint_ge(host.kit->probes[0].time_ps, began);
	ck_assert_uint_ge(host.kit->probes[2].time_ps, answered);
}
END_TEST

/* --- stops (3.4, 1.4) --- */

START_TEST(an_error_is_acknowledged_by_gerrorn_alone)
{
	host_issue_words(&host, 0xff, 0);
	uint64_t at = cons();
	uint64_t cr0 = kit_smmu_read(host.kit, SMMU_CR0, 4);
	kit_smmu_write(host.kit, SMMU_CR0, 4, cr0 & ~CR0_CMDQEN);
	ck_assert(stopped());
	kit_smmu_write(host.kit, SMMU_CR0, 4, cr0);
	kit_run(host.kit);
	ck_assert(stopped());
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_GERRORN, 4), 0);
	ck_assert_uint_eq(cons(), at);
	kit_put(host.kit, host.queue, 0, command_tlbi_nsnh_all());
	acknowledge();
	kit_run(host.kit);
	ck_assert(!stopped());
	ck_assert_uint_eq(cons(), 1);
}
END_TEST

START_TEST(an_aborted_read_leaves_cons_where_it_is)
{
	const struct port_fault once = {.engine = host.kit->smmu->port.engine,
					.purpose = ACCESS_COMMAND_FETCH,
					.action = FAULT_ABORT,
					.nth = 1};
	ck_assert(port_inject(host.kit->machine, &once));
	host_issue_words(&host, CMD_TLBI_NSNH_ALL, 0);
	ck_assert_uint_eq(cons(), field_put(CMDQ_CONS_ERR, CERROR_ABT));
	ck_assert(stopped());
	acknowledge();
	kit_run(host.kit);
	ck_assert_uint_eq(cons(), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_commands");
	TCase *tests = tcase_create("commands");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, every_other_opcode_is_illegal);
	tcase_add_test(tests, any_number_is_legal);
	tcase_add_test(tests, a_range_without_numbers_is_one_granule);
	tcase_add_test(tests, all_contexts_of_a_stream_go_at_once);
	tcase_add_test(tests, bits_above_the_wrap_flag_do_not_count);
	tcase_add_test(tests, each_command_is_seen_in_cons);
	tcase_add_test(tests, nothing_passes_a_sync);
	tcase_add_test(tests, an_error_is_acknowledged_by_gerrorn_alone);
	tcase_add_test(tests, an_aborted_read_leaves_cons_where_it_is);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
