// SPDX-License-Identifier: Apache-2.0
/* What CR0 and CR1 govern besides enabling (smmuv3 1.2, 1.4). */
#include <check.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu_host.h"

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

/* 1.2: TABLE_* by SMMUEN, QUEUE_* by the enables of the queues. */
START_TEST(attributes_are_fixed_while_they_are_used)
{
	static const struct {
		uint64_t cr0;
		uint32_t kept;
	} rows[] = {{0, 0},
		    {CR0_SMMUEN, 0xfc0},
		    {CR0_PRIQEN, 0x3f},
		    {CR0_EVENTQEN, 0x3f},
		    {CR0_CMDQEN, 0x3f},
		    {CR0_ATSCHK, 0},
		    {CR0_SMMUEN | CR0_CMDQEN, 0xfff}};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		kit_smmu_write(host.kit, SMMU_CR0, 4, 0);
		kit_smmu_write(host.kit, SMMU_CR1, 4, 0xd75);
		kit_smmu_write(host.kit, SMMU_CR0, 4, rows[i].cr0);
		kit_smmu_write(host.kit, SMMU_CR1, 4, 0xfff & ~0xd75U);
		uint64_t want = (0xd75 & rows[i].kept) | (0x28a & ~rows[i].kept);
		ck_assert_msg(kit_smmu_read(host.kit, SMMU_CR1, 4) == want, "%u", i);
	}
}
END_TEST

/* A queue that has not stopped yet counts as enabled: what is acknowledged does. */
START_TEST(attributes_are_fixed_until_the_stop_is_acknowledged)
{
	const struct port_fault late = {.engine = host.kit->smmu->port.engine,
					.purpose = ACCESS_COMMAND_FETCH,
					.action = FAULT_LATE,
					.late_ps = 1000000,
					.nth = 1};
	kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_CMDQEN);
	ck_assert(port_inject(host.kit->machine, &late));
	kit_put(host.kit, host.queue, 0, command_tlbi_nsnh_all());
	kit_smmu_write(host.kit, SMMU_CMDQ_PROD, 4, 1);
	ck_assert(clock_step(&host.kit->machine->clock));
	kit_smmu_write(host.kit, SMMU_CR0, 4, 0);
	kit_smmu_write(host.kit, SMMU_CR1, 4, 0x3f);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CR1, 4), 0);
	kit_run(host.kit);
	kit_smmu_write(host.kit, SMMU_CR1, 4, 0x3f);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CR1, 4), 0x3f);
}
END_TEST

/* --- VMW --- */

static void set_vmw(uint64_t value)
{
	uint64_t cr0 = kit_smmu_read(host.kit, SMMU_CR0, 4);
	kit_smmu_write(host.kit, SMMU_CR0, 4, field_set(cr0, CR0_VMW, value));
}

static bool cached(uint32_t sid)
{
	return smmu_translate(host.kit->smmu, sid, SLOT(1), false, &got) == TRANSLATE_OK;
}

/* Streams 8 to 40, each with its VMID, cached; how many are after COMMAND with VMW. */
static unsigned left(uint64_t vmw, struct smmu_command command)
{
	unsigned count = 0;
	set_vmw(0);
	host_issue(&host, command_tlbi_nsnh_all());
	for (uint32_t sid = 8; sid < 40; sid++) {
		uint64_t table = host_stage2(&host, sid, 0);
		host_map(&host, table, 1, 5, HOST_LEAF2);
		ck_assert_int_eq(smmu_translate(host.kit->smmu, sid, SLOT(1), false, &got),
				 TRANSLATE_OK);
		kit_set_word(host.kit, table + 8, 0);
	}
	set_vmw(vmw);
	host_issue(&host, command);
	for (uint32_t sid = 8; sid < 40; sid++)
		count += cached(sid);
	return count;
}

START_TEST(an_invalidation_may_take_vmids_for_one)
{
	static const unsigned gone[] = {1, 2, 4, 8, 16, 1, 1, 1};
	for (unsigned vmw = 0; vmw < 8; vmw++) {
		ck_assert_msg(left(vmw, command_tlbi_s2_ipa(21, SLOT(1), 1)) == 32 - gone[vmw],
			      "%u", vmw);
		ck_assert_msg(left(vmw, command_tlbi_s12_vmall(21)) == 32 - gone[vmw], "%u", vmw);
	}
	left(2, command_tlbi_s12_vmall(21));
	ck_assert(cached(19) && !cached(20) && !cached(23) && cached(24));
}
END_TEST

/* Lookups never do. */
START_TEST(a_translation_is_of_its_own_vmid)
{
	set_vmw(4);
	host_map(&host, host_stage2(&host, 16, 0), 1, 5, HOST_LEAF2);
	host_map(&host, host_stage2(&host, 17, 0), 1, 6, HOST_LEAF2);
	ck_assert_int_eq(smmu_translate(host.kit->smmu, 16, SLOT(1), false, &got), TRANSLATE_OK);
	ck_assert_int_eq(smmu_translate(host.kit->smmu, 17, SLOT(1), false, &got), TRANSLATE_OK);
	ck_assert_uint_eq(got.pa.value, SLOT(6));
}
END_TEST

START_TEST(hardware_may_lack_the_wildcard)
{
	struct profile profile = smmu_kit_everything();
	smmu_kit_set(&profile, "idr0.features", profile_get(&profile, "idr0.features") & ~IDR0_VMW);
	teardown();
	host = smmu_host_new(&profile);
	ck_assert_uint_eq(left(4, command_tlbi_s12_vmall(21)), 31);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CR0, 4) & CR0_VMW, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_control");
	TCase *tests = tcase_create("control");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, attributes_are_fixed_while_they_are_used);
	tcase_add_test(tests, attributes_are_fixed_until_the_stop_is_acknowledged);
	tcase_add_test(tests, an_invalidation_may_take_vmids_for_one);
	tcase_add_test(tests, a_translation_is_of_its_own_vmid);
	tcase_add_test(tests, hardware_may_lack_the_wildcard);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
