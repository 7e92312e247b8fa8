// SPDX-License-Identifier: Apache-2.0
/* Interrupts of the SMMU: MSIs, wires, and what a failed one is (smmuv3 1.5, 1.6). */
#include <check.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu_host.h"

#define SID     3U
#define NOWHERE 0x30ULL /* no memory, no registers */

static struct smmu_host host;
static uint64_t mailbox;

static void setup(void)
{
	struct profile profile = smmu_kit_everything();
	host = smmu_host_new(&profile);
	mailbox = kit_frames(host.kit, 1);
	host_stage1(&host, SID, CD_A | CD_R);
	smmu_kit_clear(host.kit);
}

static void teardown(void)
{
	smmu_host_free(&host);
}

/* With the source disabled meanwhile. */
static void set_msi(uint32_t cfg0, uint64_t address, uint32_t data)
{
	kit_smmu_write(host.kit, SMMU_IRQ_CTRL, 4, 0);
	kit_smmu_write(host.kit, cfg0, 8, address);
	kit_smmu_write(host.kit, cfg0 + 8, 4, data);
	kit_smmu_write(host.kit, SMMU_IRQ_CTRL, 4, 7);
}

/* A record comes. */
static void fault(void)
{
	struct translation got;
	ck_assert_int_eq(smmu_translate(host.kit->smmu, SID, SLOT(1), false, &got),
			 TRANSLATE_FAULT);
}

static void illegal_command(void)
{
	host_issue_words(&host, 0xff, 0);
}

static uint32_t active(void)
{
	return (uint32_t)(kit_smmu_read(host.kit, SMMU_GERROR, 4) ^
			  kit_smmu_read(host.kit, SMMU_GERRORN, 4));
}

START_TEST(an_msi_writes_its_data_at_its_address)
{
	static const uint32_t sources[] = {SMMU_EVENTQ_IRQ_CFG0, SMMU_GERROR_IRQ_CFG0};
	kit_set_word(host.kit, mailbox + 8, ~0ULL);
	for (unsigned i = 0; i < 2; i++)
		set_msi(sources[i], mailbox + 4 + 8 * i, 0x12345678 + i);
	fault();
	ck_assert_uint_eq(kit_word(host.kit, mailbox), 0x1234567800000000);
	illegal_command();
	ck_assert_uint_eq(kit_word(host.kit, mailbox + 8), 0x12345679ffffffff);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_EVENTQ], 0);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_GERROR], 0);
}
END_TEST

START_TEST(an_address_of_zero_is_a_wire)
{
	set_msi(SMMU_EVENTQ_IRQ_CFG0, 0, 5);
	fault();
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_EVENTQ], 1);
	illegal_command();
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_GERROR], 1);
}
END_TEST

START_TEST(an_msi_is_written_after_what_it_tells)
{
	set_msi(SMMU_EVENTQ_IRQ_CFG0, mailbox, 5);
	smmu_kit_clear(host.kit);
	fault();
	unsigned last = host.kit->access_count - 1;
	ck_assert_int_eq(host.kit->accesses[last].purpose, ACCESS_COMPLETION_WRITE);
	ck_assert_int_eq(host.kit->accesses[last - 1].purpose, ACCESS_EVENT_WRITE);
}
END_TEST

START_TEST(hardware_without_msis_has_wires_alone)
{
	struct profile profile = smmu_kit_everything();
	smmu_kit_set(&profile, "idr0.features", profile_get(&profile, "idr0.features") & ~IDR0_MSI);
	teardown();
	host = smmu_host_new(&profile);
	mailbox = kit_frames(host.kit, 1);
	host_stage1(&host, SID, CD_A | CD_R);
	set_msi(SMMU_EVENTQ_IRQ_CFG0, mailbox, 5);
	fault();
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_EVENTQ], 1);
	host_issue_words(&host, CMD_SYNC | field_put(CMD_SYNC_CS, SYNC_CS_IRQ) | 7ULL << 32,
			 mailbox);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_SYNC], 1);
	ck_assert_uint_eq(kit_word(host.kit, mailbox), 0);
}
END_TEST

/* 1.2: while the source is enabled its configuration stands. */
START_TEST(a_source_that_is_enabled_keeps_its_configuration)
{
	static const uint32_t sources[] = {SMMU_GERROR_IRQ_CFG0, SMMU_PRIQ_IRQ_CFG0,
					   SMMU_EVENTQ_IRQ_CFG0};
	for (unsigned i = 0; i < 3; i++) {
		set_msi(sources[i], mailbox, 5);
		kit_smmu_write(host.kit, SMMU_IRQ_CTRL, 4, 1U << i);
		kit_smmu_write(host.kit, sources[i], 8, mailbox + 8);
		kit_smmu_write(host.kit, sources[i] + 8, 4, 6);
		kit_smmu_write(host.kit, sources[i] + 12, 4, 7);
		ck_assert_uint_eq(kit_smmu_read(host.kit, sources[i], 8), mailbox);
		ck_assert_uint_eq(kit_smmu_read(host.kit, sources[i] + 8, 4), 5);
		ck_assert_uint_eq(kit_smmu_read(host.kit, sources[i] + 12, 4), 0);
		kit_smmu_write(host.kit, SMMU_IRQ_CTRL, 4, 7 & ~(1U << i));
		kit_smmu_write(host.kit, sources[i] + 12, 4, 7);
		ck_assert_uint_eq(kit_smmu_read(host.kit, sources[i] + 12, 4), 7);
	}
}
END_TEST

START_TEST(a_sync_signals_its_completion_as_cs_says)
{
	static const struct {
		unsigned cs;
		bool address;
		unsigned edges;
		uint64_t word;
	} rows[] = {
		{SYNC_CS_NONE, true, 0, 0},
		{SYNC_CS_SEV, true, 0, 0}, /* no SEV: as NONE */
		{SYNC_CS_IRQ, false, 1, 0},
		{SYNC_CS_IRQ, true, 0, 0xabcd1234},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		smmu_kit_clear(host.kit);
		kit_set_word(host.kit, mailbox, 0);
		host_issue(&host,
			   (struct smmu_command){{CMD_SYNC | field_put(CMD_SYNC_CS, rows[i].cs) |
							  field_put(CMD_SYNC_MSIDATA, 0xabcd1234),
						  rows[i].address ? mailbox : 0}});
		ck_assert_msg(host.kit->interrupts[KIT_IRQ_SYNC] == rows[i].edges, "%u", i);
		ck_assert_msg(kit_word(host.kit, mailbox) == rows[i].word, "%u", i);
	}
}
END_TEST

/* --- events for CPUs that wait (SEV) --- */

static void begin_with_sev(bool sev)
{
	struct profile profile = smmu_kit_everything();
	uint64_t idr0 = profile_get(&profile, "idr0.features");
	teardown();
	smmu_kit_set(&profile, "idr0.features", sev ? idr0 | IDR0_SEV : idr0 & ~IDR0_SEV);
	host = smmu_host_new(&profile);
}

/* 3.2: with IDR0.SEV; a VCMDQ has CS = NONE alone. */
START_TEST(a_sync_with_cs_sev_wakes_who_waits)
{
	for (unsigned sev = 0; sev < 2; sev++) {
		begin_with_sev(sev);
		host_issue(&host, command_sync(SYNC_CS_NONE));
		host_issue(&host, command_sync(SYNC_CS_IRQ));
		host_issue(&host, command_tlbi_nsnh_all());
		ck_assert_uint_eq(host.kit->smmu->wakes, 0);
		host_issue(&host, command_sync(SYNC_CS_SEV));
		host_issue(&host, command_sync(SYNC_CS_SEV));
		ck_assert_uint_eq(host.kit->smmu->wakes, 2 * sev);
	}
	uint64_t base = kit_frames(host.kit, 1);
	kit_assume(host.kit, ASSUME_GUEST_SYNC_CS, GUEST_SYNC_CS_AS_NONE);
	kit_enable(host.kit, 0, 1, 0, VINTF_CONFIG_ENABLE, base | 7);
	kit_put(host.kit, base, 0, command_sync(SYNC_CS_SEV));
	kit_ring(host.kit, 0, 1);
	kit_run(host.kit);
	ck_assert_uint_eq(kit_cons(host.kit, 0), 1);
	ck_assert_uint_eq(host.kit->smmu->wakes, 2);
}
END_TEST

/* COUNT commands at once. */
static void run_many(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		kit_put(host.kit, host.queue, host.queued++ % HOST_QUEUE, command_tlbi_nsnh_all());
	kit_smmu_write(host.kit, SMMU_CMDQ_PROD, 4, host.queued % (2 * HOST_QUEUE));
	kit_run(host.kit);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CMDQ_CONS, 4),
			  host.queued % (2 * HOST_QUEUE));
}

/* 2.2 */
START_TEST(a_queue_that_is_full_no_longer_wakes_who_waits)
{
	for (unsigned sev = 0; sev < 2; sev++) {
		begin_with_sev(sev);
		run_many(HOST_QUEUE - 1);
		ck_assert_uint_eq(host.kit->smmu->wakes, 0);
		run_many(HOST_QUEUE);
		ck_assert_uint_eq(host.kit->smmu->wakes, sev);
		run_many(HOST_QUEUE);
		ck_assert_uint_eq(host.kit->smmu->wakes, 2 * sev);
	}
}
END_TEST

/* 3.5: when its MSI is seen, what was before it is done. */
START_TEST(a_sync_is_signalled_after_what_is_before_it)
{
	struct smmu_endpoint *endpoint = smmu_endpoint_new(host.kit->smmu, SID);
	const uint64_t round_trip = host.kit->smmu->timing.ats_round_trip_ps;
	(void)endpoint;
	uint64_t began = host.kit->machine->clock.now_ps;
	kit_put(host.kit, host.queue, host.queued++, command_atc_inv(SID, 0, ATC_SIZE_ALL));
	smmu_kit_clear(host.kit);
	host_issue_words(&host, CMD_SYNC | field_put(CMD_SYNC_CS, SYNC_CS_IRQ), mailbox);
	ck_assert_uint_eq(host.kit->access_count, 2); /* the fetch, and the MSI */
	ck_assert_uint_ge(host.kit->accesses[1].time_ps, began + round_trip);
}
END_TEST

START_TEST(an_msi_that_is_aborted_is_an_error_of_its_source)
{
	struct smmu_page_request request = {.sid = SID, .read = true};
	set_msi(SMMU_EVENTQ_IRQ_CFG0, NOWHERE, 0);
	fault();
	ck_assert_uint_eq(active(), GERROR_MSI_EVENTQ_ABT_ERR);
	set_msi(SMMU_PRIQ_IRQ_CFG0, NOWHERE, 0);
	smmu_page_request(host.kit->smmu, &request);
	ck_assert_uint_eq(active(), GERROR_MSI_EVENTQ_ABT_ERR | GERROR_MSI_PRIQ_ABT_ERR);
	host_issue_words(&host, CMD_SYNC | field_put(CMD_SYNC_CS, SYNC_CS_IRQ), NOWHERE);
	ck_assert_uint_eq(active(), GERROR_MSI_EVENTQ_ABT_ERR | GERROR_MSI_PRIQ_ABT_ERR |
					    GERROR_MSI_CMDQ_ABT_ERR);
	/* Each told by GERROR's interrupt. */
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_GERROR], 3);
	/* No further effect: the queues go on. */
	fault();
	ck_assert_uint_eq(host_events(&host), 2);
	host_issue(&host, command_tlbi_nsnh_all());
}
END_TEST

START_TEST(a_failed_msi_of_gerror_is_not_told)
{
	set_msi(SMMU_GERROR_IRQ_CFG0, NOWHERE, 0);
	illegal_command();
	ck_assert_uint_eq(active(), GERROR_CMDQ_ERR | GERROR_MSI_GERROR_ABT_ERR);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_GERROR], 0);
}
END_TEST

START_TEST(an_error_that_is_active_is_not_logged_again)
{
	set_msi(SMMU_EVENTQ_IRQ_CFG0, NOWHERE, 0);
	fault();
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_GERROR], 1);
	kit_smmu_write(host.kit, SMMU_EVENTQ_CONS, 4, host_events(&host)); /* empty again */
	fault();
	ck_assert_uint_eq(active(), GERROR_MSI_EVENTQ_ABT_ERR);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_GERROR], 1);
	kit_smmu_write(host.kit, SMMU_GERRORN, 4, kit_smmu_read(host.kit, SMMU_GERROR, 4));
	ck_assert_uint_eq(active(), 0);
	kit_smmu_write(host.kit, SMMU_EVENTQ_CONS, 4, host_events(&host));
	fault();
	ck_assert_uint_eq(active(), GERROR_MSI_EVENTQ_ABT_ERR);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_GERROR], 2);
}
END_TEST

START_TEST(a_source_that_is_disabled_tells_nothing)
{
	set_msi(SMMU_EVENTQ_IRQ_CFG0, mailbox, 5);
	kit_smmu_write(host.kit, SMMU_IRQ_CTRL, 4, IRQ_CTRL_PRIQ);
	fault();
	illegal_command();
	ck_assert_uint_eq(kit_word(host.kit, mailbox), 0);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_GERROR], 0);
	ck_assert_uint_eq(active(), GERROR_CMDQ_ERR);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_msi");
	TCase *tests = tcase_create("interrupts");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_msi_writes_its_data_at_its_address);
	tcase_add_test(tests, an_address_of_zero_is_a_wire);
	tcase_add_test(tests, an_msi_is_written_after_what_it_tells);
	tcase_add_test(tests, hardware_without_msis_has_wires_alone);
	tcase_add_test(tests, a_source_that_is_enabled_keeps_its_configuration);
	tcase_add_test(tests, a_sync_signals_its_completion_as_cs_says);
	tcase_add_test(tests, a_sync_with_cs_sev_wakes_who_waits);
	tcase_add_test(tests, a_queue_that_is_full_no_longer_wakes_who_waits);
	tcase_add_test(tests, a_sync_is_signalled_after_what_is_before_it);
	tcase_add_test(tests, an_msi_that_is_aborted_is_an_error_of_its_source);
	tcase_add_test(tests, a_failed_msi_of_gerror_is_not_told);
	tcase_add_test(tests, an_error_that_is_active_is_not_logged_again);
	tcase_add_test(tests, a_source_that_is_disabled_tells_nothing);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
