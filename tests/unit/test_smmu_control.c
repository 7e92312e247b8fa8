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

/* --- registers --- */

START_TEST(nothing_is_enabled_after_reset)
{
	struct profile profile = smmu_kit_everything();
	teardown();
	host.kit = smmu_kit_new(&profile);
	static const uint32_t zero[] = {SMMU_CR0,         SMMU_CR0ACK, SMMU_IRQ_CTRL,
					SMMU_IRQ_CTRLACK, SMMU_GERROR, SMMU_GERRORN};
	for (unsigned i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
		ck_assert_msg(kit_smmu_read(host.kit, zero[i], 4) == 0, "%x", zero[i]);
}
END_TEST

START_TEST(what_is_written_is_acknowledged)
{
	static const uint32_t values[] = {CR0_SMMUEN, CR0_PRIQEN, CR0_EVENTQEN,
					  CR0_CMDQEN, CR0_ATSCHK, CR0_SMMUEN | CR0_ATSCHK};
	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		kit_smmu_write(host.kit, SMMU_CR0, 4, values[i]);
		ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CR0ACK, 4), values[i]);
	}
	for (uint32_t value = 0; value < 8; value++) {
		kit_smmu_write(host.kit, SMMU_IRQ_CTRL, 4, value);
		ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_IRQ_CTRLACK, 4), value);
	}
}
END_TEST

START_TEST(id_registers_are_those_of_the_profile)
{
	struct profile profile = smmu_kit_everything();
	uint64_t log2 = profile_get(&profile, "cmdqs.log2");
	uint64_t queues = log2 << 11 | log2 << 16 | log2 << 21;
	const uint64_t values[][2] = {
		{SMMU_IDR0, profile_get(&profile, "idr0.features")},
		{SMMU_IDR1, profile_get(&profile, "idr1.features") | queues},
		{SMMU_IDR3, profile_get(&profile, "idr3.features")},
		{SMMU_IDR5, profile_get(&profile, "idr5.features") | 5}, /* 48 bits */
		{SMMU_AIDR, profile_get(&profile, "aidr.value")},
		{SMMU_IIDR, 0}, /* who made it is left open */
	};
	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		kit_smmu_write(host.kit, values[i][0], 4, 0);
		ck_assert_uint_eq(kit_smmu_read(host.kit, values[i][0], 4), values[i][1]);
	}
}
END_TEST

/* 1.2: CIDR0 to CIDR3; what the sheet leaves open, PIDR0 to PIDR7, is 0. */
START_TEST(a_component_is_known_by_its_bytes)
{
	static const uint32_t cidr[] = {0x0d, 0xf0, 0x05, 0xb1};
	for (uint32_t i = 0; i < 4; i++) {
		kit_smmu_write(host.kit, SMMU_CIDR0 + 4 * i, 4, 0xff);
		ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CIDR0 + 4 * i, 4), cidr[i]);
	}
	for (uint32_t at = SMMU_PIDR4; at < SMMU_CIDR0; at += 4)
		ck_assert_uint_eq(kit_smmu_read(host.kit, at, 4), 0);
}
END_TEST

/* 1.1 */
START_TEST(a_wide_register_is_written_whole_or_in_halves)
{
	kit_smmu_write(host.kit, SMMU_CR0, 4, 0);
	kit_smmu_write(host.kit, SMMU_STRTAB_BASE, 8, 0x4000123456789000);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_STRTAB_BASE, 8),
			  0x4000123456789000 & ~BITS(61, 56));
	kit_smmu_write(host.kit, SMMU_STRTAB_BASE + 4, 4, 0x55);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_STRTAB_BASE, 4), 0x56789000);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_STRTAB_BASE + 4, 4), 0x55);
	kit_smmu_write(host.kit, SMMU_STRTAB_BASE, 4, 0x1000);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_STRTAB_BASE, 8), 0x5500001000);
}
END_TEST

/* 1.2: bits that the table does not have. */
START_TEST(reserved_bits_are_not_kept)
{
	static const uint32_t rows[][2] = {{SMMU_GBPA, 0x1f3f1f},
					   {SMMU_AGBPA, UINT32_MAX},
					   {SMMU_STRTAB_BASE_CFG, 0x307ff},
					   {SMMU_GERRORN, 0x7fd}};
	kit_smmu_write(host.kit, SMMU_CR0, 4, 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		kit_smmu_write(host.kit, rows[i][0], 4, UINT32_MAX);
		ck_assert_msg(kit_smmu_read(host.kit, rows[i][0], 4) == rows[i][1], "%u", i);
	}
	struct profile profile = smmu_kit_everything();
	smmu_kit_set(&profile, "gbpa.reset", UINT32_MAX);
	teardown();
	host = smmu_host_new(&profile);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_GBPA, 4), 0x1f3f1f);
}
END_TEST

START_TEST(cr2_has_the_bits_that_idr0_offers)
{
	static const uint64_t rows[][2] = {{0, CR2_RECINVSID},
					   {IDR0_HYP, CR2_RECINVSID | CR2_E2H},
					   {IDR0_BTM, CR2_RECINVSID | CR2_PTM},
					   {IDR0_ATSRECERR, CR2_RECINVSID | CR2_REC_CFG_ATS}};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct profile profile = smmu_kit_grace();
		smmu_kit_set(&profile, "idr0.features",
			     profile_get(&profile, "idr0.features") | rows[i][0]);
		teardown();
		host.kit = smmu_kit_new(&profile);
		kit_smmu_write(host.kit, SMMU_CR2, 4, UINT32_MAX);
		ck_assert_msg(kit_smmu_read(host.kit, SMMU_CR2, 4) == rows[i][1], "%u", i);
	}
}
END_TEST

/* 1.2: RW while CMDQEN is 0. */
START_TEST(err_can_be_written_while_the_queue_is_disabled)
{
	const uint64_t value = field_put(CMDQ_CONS_ERR, 0x55) | 3;
	kit_smmu_write(host.kit, SMMU_CMDQ_CONS, 4, value);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CMDQ_CONS, 4), 0);
	kit_smmu_write(host.kit, SMMU_CR0, 4, 0);
	kit_smmu_write(host.kit, SMMU_CMDQ_CONS, 4, value);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CMDQ_CONS, 4), value);
}
END_TEST

/* 1.2: guards, and what is behind them once they are gone. */
START_TEST(a_register_can_be_written_while_its_guard_is_off)
{
	static const struct {
		uint32_t offset;
		uint64_t guard; /* of CR0 */
	} rows[] = {
		{SMMU_CR2, CR0_SMMUEN},           {SMMU_CMDQ_BASE, CR0_CMDQEN},
		{SMMU_CMDQ_CONS, CR0_CMDQEN},     {SMMU_EVENTQ_BASE, CR0_EVENTQEN},
		{SMMU_EVENTQ_PROD, CR0_EVENTQEN},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t other = rows[i].guard == CR0_SMMUEN ? CR0_EVENTQEN : CR0_SMMUEN;
		kit_smmu_write(host.kit, SMMU_CR0, 4, other);
		kit_smmu_write(host.kit, rows[i].offset, 4, 2);
		ck_assert_msg(kit_smmu_read(host.kit, rows[i].offset, 4) == 2, "%u", i);
		kit_smmu_write(host.kit, SMMU_CR0, 4, other | rows[i].guard);
		kit_smmu_write(host.kit, rows[i].offset, 4, 1);
		ck_assert_msg(kit_smmu_read(host.kit, rows[i].offset, 4) == 2, "%u", i);
	}
	kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_EVENTQEN);
	kit_smmu_write(host.kit, SMMU_EVENTQ_CONS, 4, 3); /* has none */
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_EVENTQ_CONS, 4), 3);
}
END_TEST

/* 1.5 */
START_TEST(the_hardware_changes_gerror_and_software_gerrorn)
{
	host_issue_words(&host, 0xff, 0);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_GERROR, 4), GERROR_CMDQ_ERR);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_GERRORN, 4), 0);
	kit_smmu_write(host.kit, SMMU_GERROR, 4, 0);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_GERROR, 4), GERROR_CMDQ_ERR);
	kit_smmu_write(host.kit, SMMU_GERRORN, 4, GERROR_CMDQ_ERR);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_GERRORN, 4), GERROR_CMDQ_ERR);
}
END_TEST

/* 1.2: what is used is no larger than IDR1.CMDQS, and is aligned down. */
START_TEST(the_command_queue_is_no_larger_than_the_hardware_has)
{
	struct profile profile = smmu_kit_everything();
	smmu_kit_set(&profile, "cmdqs.log2", 7);
	teardown();
	host = smmu_host_new(&profile);
	uint64_t queue = kit_frames(host.kit, 1);
	kit_smmu_write(host.kit, SMMU_CR0, 4, 0);
	kit_smmu_write(host.kit, SMMU_CMDQ_BASE, 8, queue | 0x7e0 | 19); /* bits below 2 KiB */
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CMDQ_BASE, 8), queue | 0x7e0 | 19);
	kit_smmu_write(host.kit, SMMU_CMDQ_CONS, 4, 128);
	kit_smmu_write(host.kit, SMMU_CMDQ_PROD, 4, 129);
	kit_put(host.kit, queue, 0, command_tlbi_nsnh_all());
	kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_CMDQEN);
	smmu_kit_clear(host.kit);
	kit_run(host.kit);
	ck_assert_uint_eq(host.kit->accesses[0].pa.value, queue);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CMDQ_CONS, 4), 129);
}
END_TEST

/* 1.2: bits 55 to 52 of a base are part of it; nothing lies there. */
START_TEST(a_queue_beyond_memory_fails)
{
	for (unsigned bit = 52; bit < 56; bit++) {
		uint64_t far = 1ULL << bit;
		teardown();
		setup();
		kit_smmu_write(host.kit, SMMU_CR0, 4, 0);
		kit_smmu_write(host.kit, SMMU_CMDQ_BASE, 8, far | host.queue | HOST_QUEUE_LOG2);
		kit_smmu_write(host.kit, SMMU_EVENTQ_BASE, 8, far | host.events | HOST_QUEUE_LOG2);
		kit_smmu_write(host.kit, SMMU_PRIQ_BASE, 8, far | host.requests | HOST_QUEUE_LOG2);
		kit_smmu_write(host.kit, SMMU_CR0, 4,
			       CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN | CR0_PRIQEN);
		kit_smmu_write(host.kit, SMMU_CMDQ_PROD, 4, 1);
		kit_run(host.kit);
		ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CMDQ_CONS, 4),
				  field_put(CMDQ_CONS_ERR, CERROR_ABT));
		smmu_translate(host.kit->smmu, 1, 0, false, &got); /* C_BAD_STE */
		const struct smmu_page_request request = {.sid = 1, .read = true};
		smmu_page_request(host.kit->smmu, &request);
		ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_GERROR, 4),
				  GERROR_CMDQ_ERR | GERROR_EVENTQ_ABT_ERR | GERROR_PRIQ_ABT_ERR);
	}
}
END_TEST

/* 1.4 */
START_TEST(a_disabled_event_queue_keeps_what_it_has)
{
	host_stage1(&host, 3, CD_A | CD_R);
	ck_assert_int_eq(smmu_translate(host.kit->smmu, 3, SLOT(1), false, &got), TRANSLATE_FAULT);
	uint64_t record = host_event(&host, 0, 0);
	kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_SMMUEN);
	ck_assert_uint_eq(host_events(&host), 1);
	ck_assert_uint_eq(host_event(&host, 0, 0), record);
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
	tcase_add_test(tests, nothing_is_enabled_after_reset);
	tcase_add_test(tests, what_is_written_is_acknowledged);
	tcase_add_test(tests, id_registers_are_those_of_the_profile);
	tcase_add_test(tests, a_component_is_known_by_its_bytes);
	tcase_add_test(tests, a_wide_register_is_written_whole_or_in_halves);
	tcase_add_test(tests, reserved_bits_are_not_kept);
	tcase_add_test(tests, cr2_has_the_bits_that_idr0_offers);
	tcase_add_test(tests, err_can_be_written_while_the_queue_is_disabled);
	tcase_add_test(tests, a_register_can_be_written_while_its_guard_is_off);
	tcase_add_test(tests, the_hardware_changes_gerror_and_software_gerrorn);
	tcase_add_test(tests, the_command_queue_is_no_larger_than_the_hardware_has);
	tcase_add_test(tests, a_queue_beyond_memory_fails);
	tcase_add_test(tests, a_disabled_event_queue_keeps_what_it_has);
	tcase_add_test(tests, an_invalidation_may_take_vmids_for_one);
	tcase_add_test(tests, a_translation_is_of_its_own_vmid);
	tcase_add_test(tests, hardware_may_lack_the_wildcard);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
