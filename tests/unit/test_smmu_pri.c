// SPDX-License-Identifier: Apache-2.0
/* Page requests of devices, the PRI queue, and the answers (smmuv3 1.2, 3.2, 6.4, 6.6). */
#include <check.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu_host.h"

#define SID     3U
#define OTHER   4U
#define NOWHERE 0x1000ULL /* no memory */

static struct smmu_host host;
static struct smmu_endpoint *endpoint;

static void begin(const struct profile *profile)
{
	host = smmu_host_new(profile);
	endpoint = smmu_endpoint_new(host.kit->smmu, SID);
	smmu_kit_clear(host.kit);
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

static void ask(uint16_t group, bool last)
{
	const struct smmu_page_request request = {
		.sid = SID, .read = true, .last = last, .group = group, .address = 0x5000};
	smmu_page_request(host.kit->smmu, &request);
}

static uint32_t prod(void)
{
	return (uint32_t)kit_smmu_read(host.kit, SMMU_PRIQ_PROD, 4);
}

static void set_cons(uint32_t cons)
{
	kit_smmu_write(host.kit, SMMU_PRIQ_CONS, 4, cons);
}

static struct smmu_command response(uint32_t sid, uint64_t group, uint64_t code)
{
	return (struct smmu_command){{CMD_PRI_RESP | field_put(CMD_SID, sid),
				      group | field_put(CMD_PRI_RESP_CODE, code)}};
}

static void answered(unsigned times, uint16_t group, uint8_t code)
{
	ck_assert_uint_eq(endpoint->responses, times);
	ck_assert_uint_eq(endpoint->response.group, group);
	ck_assert_uint_eq(endpoint->response.code, code);
}

/* --- records --- */

START_TEST(a_request_is_recorded_as_the_device_made_it)
{
	static const struct {
		struct smmu_page_request request;
		uint64_t dw0;
		uint64_t dw1;
	} rows[] = {
		{{.sid = 0xabc, .read = true, .address = 0x123456789abc},
		 1ULL << 60 | 0xabc,
		 0x123456789000},
		{{.sid = 1, .has_ssid = true, .ssid = 0xfffff, .write = true},
		 1ULL << 63 | 1ULL << 61 | 0xfffffULL << 32 | 1,
		 0},
		{{.sid = 1, .instruction = true, .group = 0x1ff}, 1ULL << 59 | 1, 0x1ff},
		{{.sid = 1, .privileged = true, .last = true}, 1ULL << 62 | 1ULL << 58 | 1, 0},
	};
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		smmu_page_request(host.kit->smmu, &rows[i].request);
		ck_assert_uint_eq(prod(), i + 1);
		ck_assert_msg(host_request(&host, i, 0) == rows[i].dw0, "%u", i);
		ck_assert_msg(host_request(&host, i, 1) == rows[i].dw1, "%u", i);
	}
}
END_TEST

START_TEST(what_is_taken_is_not_answered_by_the_hardware)
{
	ask(1, true);
	ck_assert_uint_eq(endpoint->responses, 0);
}
END_TEST

/* 3.2: Deny is PCIe's Response Failure. */
START_TEST(software_answers_a_group)
{
	static const uint8_t codes[] = {0xf, 0x1, 0x0};
	for (unsigned i = 0; i < 3; i++) {
		host_issue(&host, response(SID, 0x100 + i, i));
		answered(i + 1, (uint16_t)(0x100 + i), codes[i]);
	}
	ck_assert(!endpoint->response.has_ssid);
	struct smmu_command command = response(SID, 7, 2);
	command.dw[0] |= CMD_SSV | field_put(CMD_SSID, 0x54321);
	host_issue(&host, command);
	ck_assert(endpoint->response.has_ssid);
	ck_assert_uint_eq(endpoint->response.ssid, 0x54321);
	host_issue(&host, response(OTHER, 8, 2)); /* another's, who is not there */
	answered(4, 7, 0);
}
END_TEST

START_TEST(an_answer_is_ignored_while_the_smmu_is_disabled)
{
	kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_CMDQEN);
	host_issue(&host, response(SID, 1, 2));
	ck_assert_uint_eq(endpoint->responses, 0);
}
END_TEST

START_TEST(an_answer_of_another_kind_is_illegal)
{
	host_issue_words(&host, response(SID, 1, 3).dw[0], response(SID, 1, 3).dw[1]);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CMDQ_CONS, 4),
			  field_put(CMDQ_CONS_ERR, CERROR_ILL));
	ck_assert_uint_eq(endpoint->responses, 0);
}
END_TEST

START_TEST(hardware_without_pri_has_no_queue_and_no_answers)
{
	struct profile profile = smmu_kit_everything();
	smmu_kit_set(&profile, "idr0.features", profile_get(&profile, "idr0.features") & ~IDR0_PRI);
	teardown();
	begin(&profile);
	static const uint32_t offsets[] = {SMMU_PRIQ_BASE,     SMMU_PRIQ_IRQ_CFG0,
					   SMMU_PRIQ_IRQ_CFG1, SMMU_PRIQ_IRQ_CFG2,
					   SMMU_PRIQ_PROD,     SMMU_PRIQ_CONS};
	kit_smmu_write(host.kit, SMMU_CR0, 4, 0);
	kit_smmu_write(host.kit, SMMU_IRQ_CTRL, 4, 0);
	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		kit_smmu_write(host.kit, offsets[i], 4, ~0U);
		ck_assert_msg(kit_smmu_read(host.kit, offsets[i], 4) == 0, "%x", offsets[i]);
	}
	kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_SMMUEN | CR0_PRIQEN | CR0_CMDQEN);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CR0ACK, 4), CR0_SMMUEN | CR0_CMDQEN);
	ck_assert_uint_eq(field_get(kit_smmu_read(host.kit, SMMU_IDR1, 4), IDR1_PRIQS), 0);
	host_issue_words(&host, response(SID, 1, 2).dw[0], response(SID, 1, 2).dw[1]);
	ck_assert_uint_eq(field_get(kit_smmu_read(host.kit, SMMU_CMDQ_CONS, 4), CMDQ_CONS_ERR),
			  CERROR_ILL);
}
END_TEST

/* --- overflow (6.4) --- */

static void fill(void)
{
	for (unsigned i = 0; i < HOST_QUEUE; i++)
		ask(0, false);
	ck_assert_uint_eq(prod(), HOST_QUEUE);
}

START_TEST(of_what_overflows_the_last_of_a_group_is_answered)
{
	fill();
	ask(1, false);
	ck_assert_uint_eq(prod(), QUEUE_OVERFLOW | HOST_QUEUE);
	ck_assert_uint_eq(endpoint->responses, 0);
	ask(1, true);
	answered(1, 1, 0); /* success: it will ask again */
	ck_assert_uint_eq(prod(), QUEUE_OVERFLOW | HOST_QUEUE);
}
END_TEST

START_TEST(an_overflow_blocks_until_it_is_acknowledged)
{
	fill();
	ask(1, true);
	set_cons(4); /* there is space, and no acknowledgement */
	ask(2, true);
	answered(2, 2, 0);
	ck_assert_uint_eq(prod(), QUEUE_OVERFLOW | HOST_QUEUE);
	set_cons((uint32_t)QUEUE_OVERFLOW | 4);
	ask(3, true);
	answered(2, 2, 0);
	ck_assert_uint_eq(prod(), QUEUE_OVERFLOW | (HOST_QUEUE + 1));
	ck_assert_uint_eq(host_request(&host, 0, 1) & PRI_GROUP, 3);
}
END_TEST

START_TEST(a_stop_marker_is_never_answered)
{
	const struct smmu_page_request marker = {
		.sid = SID, .has_ssid = true, .ssid = 5, .last = true};
	fill();
	smmu_page_request(host.kit->smmu, &marker);
	ck_assert_uint_eq(endpoint->responses, 0);
}
END_TEST

/* --- off --- */

START_TEST(a_disabled_queue_lets_groups_fail)
{
	static const uint32_t off[] = {CR0_SMMUEN, CR0_PRIQEN, 0};
	for (unsigned i = 0; i < 3; i++) {
		kit_smmu_write(host.kit, SMMU_CR0, 4, off[i]);
		/* What is acknowledged is the bit as it is (1.4). */
		ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_CR0ACK, 4), off[i]);
		ask(1, false);
		ask((uint16_t)(2 + i), true);
		answered(i + 1, (uint16_t)(2 + i), 0xf);
		ck_assert_uint_eq(prod(), 0);
	}
}
END_TEST

START_TEST(an_aborted_record_stops_the_queue_until_acknowledged)
{
	kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_SMMUEN);
	kit_smmu_write(host.kit, SMMU_PRIQ_BASE, 8, NOWHERE | HOST_QUEUE_LOG2);
	kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_SMMUEN | CR0_PRIQEN);
	ask(1, true);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_GERROR, 4), GERROR_PRIQ_ABT_ERR);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_GERROR], 1);
	ck_assert_uint_eq(prod(), 0);
	answered(1, 1, 0xf);
	smmu_kit_clear(host.kit);
	ask(2, true);
	answered(2, 2, 0xf);
	ck_assert_uint_eq(host.kit->access_count, 0); /* not tried again */
	kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_SMMUEN);
	kit_smmu_write(host.kit, SMMU_PRIQ_BASE, 8, host.requests | HOST_QUEUE_LOG2);
	kit_smmu_write(host.kit, SMMU_GERRORN, 4, GERROR_PRIQ_ABT_ERR);
	kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_SMMUEN | CR0_PRIQEN);
	ask(3, true);
	ck_assert_uint_eq(prod(), 1);
}
END_TEST

START_TEST(the_queue_does_not_move_while_it_is_enabled)
{
	kit_smmu_write(host.kit, SMMU_PRIQ_BASE, 8, NOWHERE);
	kit_smmu_write(host.kit, SMMU_PRIQ_PROD, 4, 9);
	set_cons(5);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_PRIQ_BASE, 8),
			  host.requests | HOST_QUEUE_LOG2);
	ck_assert_uint_eq(prod(), 0);
	ck_assert_uint_eq(kit_smmu_read(host.kit, SMMU_PRIQ_CONS, 4), 5);
	kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_SMMUEN | CR0_EVENTQEN);
	kit_smmu_write(host.kit, SMMU_PRIQ_PROD, 4, 9);
	ck_assert_uint_eq(prod(), 9);
}
END_TEST

/* --- interrupts (1.2, 1.6) --- */

START_TEST(the_first_request_of_a_queue_interrupts)
{
	ask(1, false);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_PRIQ], 1);
	ask(1, true);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_PRIQ], 1);
	set_cons(2);
	ask(2, false);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_PRIQ], 2);
}
END_TEST

START_TEST(with_lo_the_last_of_each_group_interrupts)
{
	kit_smmu_write(host.kit, SMMU_IRQ_CTRL, 4, 0);
	kit_smmu_write(host.kit, SMMU_PRIQ_IRQ_CFG2, 4, PRIQ_CFG2_LO);
	kit_smmu_write(host.kit, SMMU_IRQ_CTRL, 4, IRQ_CTRL_PRIQ);
	ask(1, false);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_PRIQ], 0);
	ask(1, true);
	ask(2, true);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_PRIQ], 2);
	for (unsigned i = 3; i < HOST_QUEUE; i++)
		ask(3, false);
	ask(4, false);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_PRIQ], 2);
	ask(4, true); /* dropped */
	ck_assert_uint_eq(prod(), QUEUE_OVERFLOW | HOST_QUEUE);
	ck_assert_uint_eq(host.kit->interrupts[KIT_IRQ_PRIQ], 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_pri");
	TCase *tests = tcase_create("requests");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_request_is_recorded_as_the_device_made_it);
	tcase_add_test(tests, what_is_taken_is_not_answered_by_the_hardware);
	tcase_add_test(tests, software_answers_a_group);
	tcase_add_test(tests, an_answer_is_ignored_while_the_smmu_is_disabled);
	tcase_add_test(tests, an_answer_of_another_kind_is_illegal);
	tcase_add_test(tests, hardware_without_pri_has_no_queue_and_no_answers);
	tcase_add_test(tests, of_what_overflows_the_last_of_a_group_is_answered);
	tcase_add_test(tests, an_overflow_blocks_until_it_is_acknowledged);
	tcase_add_test(tests, a_stop_marker_is_never_answered);
	tcase_add_test(tests, a_disabled_queue_lets_groups_fail);
	tcase_add_test(tests, an_aborted_record_stops_the_queue_until_acknowledged);
	tcase_add_test(tests, the_queue_does_not_move_while_it_is_enabled);
	tcase_add_test(tests, the_first_request_of_a_queue_interrupts);
	tcase_add_test(tests, with_lo_the_last_of_each_group_interrupts);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
