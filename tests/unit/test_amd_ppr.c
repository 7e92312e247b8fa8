/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page requests, the logs they go to, overflow, and what devices are told: sheets amd-iommu (2, 4,
 * 7, 14) and amd-viommu (V: 5, 9, 11).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define DEVICE     0x20U
#define GDEVICE    0x31U
#define DOMAIN     0x10U
#define GUEST      5U
#define TRANS      0x3f0U
#define AT         0x123456789000ULL
#define PPR_GPA    0x10003000ULL
#define ROOM       (KIT_ENTRIES - 1) /* one slot is never used */
#define LOG_LENGTH field_put(RING_LENGTH, 8)
#define PPR_BITS \
	(STATUS_PPR_OVERFLOW | STATUS_PPR_INT | STATUS_PPR_LOG_RUN | STATUS_PPR_OVERFLOW_EARLY)

static struct amd_kit *kit;
static struct amd_kit_guest guest;
static struct amd_endpoint *endpoint;
static uint64_t log_at; /* physical addresses */
static uint64_t guest_log;

static void set(uint64_t offset, uint64_t value)
{
	amd_kit_write(kit, offset, 8, value);
}

static uint64_t get(uint64_t offset)
{
	return amd_kit_read(kit, offset, 8);
}

static struct amd_dte host_dte(void)
{
	struct amd_dte dte = amd_kit_dte(0, 0, DOMAIN);
	dte.q[0] |= DTE_PPR;
	return dte;
}

static void use(struct amd_dte dte)
{
	amd_kit_set_dte(kit, DEVICE, dte);
	amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE));
}

static void setup(void)
{
	struct profile profile = amd_kit_profile();
	kit = amd_kit_new(&profile);
	endpoint = amd_endpoint_new(kit->amd, DEVICE);
	log_at = amd_kit_frames(kit, 1);
	set(AMD_PPR_BASE, log_at | LOG_LENGTH);
	amd_kit_control(kit, 0, CONTROL_PPR_EN | CONTROL_PPR_INT_EN | CONTROL_PPR_LOG_EN);
	use(host_dte());
	guest = amd_kit_guest(kit, GUEST, TRANS, 0x32);
	guest_log = amd_kit_frames(kit, 1);
	amd_kit_guest_map(&guest, PPR_GPA, guest_log, PTE_RW);
	amd_kit_set_vfcntl(&guest, VFCNTL_PPR,
			   PPR_GPA << 4 | GUEST_LENGTH | GUEST_PPR_LOG_EN | GUEST_PPR_EN);
	amd_kit_clear(kit);
}

static void teardown(void)
{
	amd_kit_free(kit);
}

/* The device is the guest's. */
static void give_to_guest(void)
{
	struct amd_dte dte = host_dte();
	dte.q[3] = DTE_VIOMMU_EN | field_put(DTE_GDEVICE, GDEVICE) | field_put(DTE_GUEST, GUEST);
	use(dte);
	amd_kit_clear(kit);
}

static enum amd_ppr_result ask(uint16_t group, bool last)
{
	const struct amd_page_request request = {
		.address = AT, .device = DEVICE, .group = group, .last = last, .read = true};
	return amd_page_request(kit->amd, &request);
}

static void fill(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(ask((uint16_t)i, false), AMD_PPR_LOGGED);
}

static uint64_t status(void)
{
	return get(AMD_STATUS) & PPR_BITS;
}

static uint64_t guest_status(void)
{
	return amd_kit_vf(&guest, AMD_STATUS) & PPR_BITS;
}

static void check_record(uint64_t log, uint32_t entry, uint64_t q0, uint64_t q1)
{
	struct amd_event record = amd_kit_event(kit, log, entry);
	ck_assert_msg(record.q[0] == q0 && record.q[1] == q1,
		      "record %u is %016lx %016lx, expected %016lx %016lx", entry, record.q[0],
		      record.q[1], q0, q1);
}

static void check_told(uint64_t responses, uint16_t group, unsigned code)
{
	ck_assert_uint_eq(endpoint->responses, responses);
	ck_assert_uint_eq(endpoint->response.group, group);
	ck_assert_uint_eq(endpoint->response.code, code);
}

/* --- the host's log [14] --- */

START_TEST(a_request_is_written_at_tail_and_interrupts)
{
	ck_assert_uint_eq(status(), STATUS_PPR_LOG_RUN);
	ck_assert_int_eq(ask(0x123, true), AMD_PPR_LOGGED);
	check_record(log_at, 0, 0x1044032300000020, AT);
	ck_assert_uint_eq(get(AMD_PPR_TAIL), 16);
	ck_assert_uint_eq(status(), STATUS_PPR_LOG_RUN | STATUS_PPR_INT);
	ck_assert_uint_eq(kit->interrupts, 1);
	ask(0x124, false); /* no edge */
	check_record(log_at, 1, 0x1044012400000020, AT);
	ck_assert_uint_eq(kit->interrupts, 1);
	ck_assert_uint_eq(endpoint->responses, 0);
}
END_TEST

START_TEST(a_record_says_all_of_the_request)
{
	static const struct {
		struct amd_page_request request;
		uint64_t q0;
	} rows[] = {
		{{.address = AT + 0x345, .privileged = true}, 0x1000000000000020},
		{{.address = AT, .execute = true, .privileged = true}, 0x1002000000000020},
		{{.address = AT, .read = true, .privileged = true}, 0x1004000000000020},
		{{.address = AT, .write = true, .privileged = true}, 0x1020000000000020},
		{{.address = AT}, 0x1040000000000020},
		{{.address = AT, .has_pasid = true, .pasid = 0xa1234, .privileged = true},
		 0x1100280012340020},
		{{.address = AT, .pasid = 0xa1234, .privileged = true}, 0x1000000000000020},
		{{.address = AT, .group = 0x1ff, .last = true, .privileged = true},
		 0x100003ff00000020},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct amd_page_request request = rows[i].request;
		request.device = DEVICE;
		ck_assert_int_eq(amd_page_request(kit->amd, &request), AMD_PPR_LOGGED);
		check_record(log_at, i, rows[i].q0, AT);
	}
}
END_TEST

START_TEST(an_interrupt_needs_pprinten)
{
	amd_kit_control(kit, CONTROL_PPR_INT_EN, 0);
	ask(0, true);
	ck_assert_uint_eq(status(), STATUS_PPR_LOG_RUN | STATUS_PPR_INT);
	ck_assert_uint_eq(kit->interrupts, 0);
}
END_TEST

START_TEST(the_log_wraps_and_head_makes_room)
{
	fill(ROOM);
	set(AMD_PPR_HEAD, 16 * 3);
	fill(3);
	ck_assert_uint_eq(get(AMD_PPR_TAIL), 16 * 2);
	check_record(log_at, 0, 0x1040000000000020 | PPR_READ | 1ULL << 32, AT);
	ck_assert_uint_eq(status() & STATUS_PPR_OVERFLOW, 0);
}
END_TEST

START_TEST(a_full_log_drops_requests_and_stops_until_it_is_enabled_anew)
{
	fill(ROOM);
	kit->interrupts = 0;
	set(AMD_STATUS, STATUS_PPR_INT);
	ck_assert_int_eq(ask(0, true), AMD_PPR_DROPPED);
	ck_assert_uint_eq(status(), STATUS_PPR_OVERFLOW);
	ck_assert_uint_eq(kit->interrupts, 1);
	ck_assert_uint_eq(endpoint->responses, 0);
	/* Neither room nor a cleared bit makes it go on. */
	set(AMD_PPR_HEAD, 16 * 10);
	set(AMD_STATUS, STATUS_PPR_OVERFLOW);
	ck_assert_int_eq(ask(0, true), AMD_PPR_DROPPED);
	ck_assert_uint_eq(status(), 0);
	amd_kit_control(kit, CONTROL_PPR_LOG_EN, 0);
	amd_kit_control(kit, 0, CONTROL_PPR_LOG_EN);
	ck_assert_uint_eq(status(), STATUS_PPR_LOG_RUN);
	ck_assert_int_eq(ask(0, true), AMD_PPR_LOGGED);
	/* The event log is another. */
	ck_assert(get(AMD_STATUS) & STATUS_EVENT_LOG_RUN);
}
END_TEST

START_TEST(enabling_the_log_clears_its_overflow)
{
	fill(ROOM);
	ask(0, true);
	amd_kit_control(kit, CONTROL_PPR_LOG_EN, 0);
	ck_assert(status() & STATUS_PPR_OVERFLOW);
	amd_kit_control(kit, 0, CONTROL_PPR_LOG_EN);
	ck_assert_uint_eq(status() & (STATUS_PPR_OVERFLOW | STATUS_PPR_LOG_RUN),
			  STATUS_PPR_LOG_RUN);
}
END_TEST

START_TEST(an_auto_response_answers_the_last_of_a_group_that_no_log_takes)
{
	struct amd_page_request request = {.address = AT,
					   .device = DEVICE,
					   .group = 7,
					   .pasid = 0x55,
					   .has_pasid = true,
					   .last = true};
	amd_kit_control(kit, 0, CONTROL_PPR_AUTO_RSP);
	set(AMD_PPR_AUTO, 0xf);
	fill(ROOM);
	ck_assert_int_eq(ask(5, false), AMD_PPR_DROPPED);
	ck_assert_uint_eq(endpoint->responses, 0);
	ck_assert_int_eq(ask(5, true), AMD_PPR_ANSWERED);
	check_told(1, 5, 0xf);
	ck_assert_int_eq(amd_page_request(kit->amd, &request), AMD_PPR_ANSWERED);
	check_told(2, 7, 0xf);
	ck_assert(endpoint->response.has_pasid);
	ck_assert_uint_eq(endpoint->response.pasid, 0x55);
	set(AMD_PPR_AUTO, 0x11);
	ck_assert_uint_eq(get(AMD_PPR_AUTO), 0x11);
	ck_assert_int_eq(amd_page_request(kit->amd, &request), AMD_PPR_ANSWERED);
	check_told(3, 7, 1);
	ck_assert(!endpoint->response.has_pasid);
}
END_TEST

START_TEST(an_early_overflow_is_told_at_its_threshold)
{
	set(AMD_PPR_EARLY, PPR_EARLY_EN | PPR_EARLY_INT_EN | 4);
	amd_kit_control(kit, CONTROL_PPR_INT_EN, 0);
	fill(3);
	ck_assert_uint_eq(status() & STATUS_PPR_OVERFLOW_EARLY, 0);
	fill(1);
	ck_assert_uint_eq(status(),
			  STATUS_PPR_LOG_RUN | STATUS_PPR_INT | STATUS_PPR_OVERFLOW_EARLY);
	ck_assert_uint_eq(kit->interrupts, 1);
	/* Nothing stops. */
	fill(1);
	set(AMD_PPR_HEAD, 16 * 4);
	set(AMD_STATUS, STATUS_PPR_OVERFLOW_EARLY);
	set(AMD_PPR_EARLY, PPR_EARLY_EN | 4);
	fill(2);
	ck_assert_uint_eq(status() & STATUS_PPR_OVERFLOW_EARLY, 0);
	fill(1);
	ck_assert(status() & STATUS_PPR_OVERFLOW_EARLY);
	ck_assert_uint_eq(kit->interrupts, 1);
	set(AMD_STATUS, STATUS_PPR_OVERFLOW_EARLY);
	set(AMD_PPR_EARLY, 4);
	fill(1);
	ck_assert_uint_eq(status() & STATUS_PPR_OVERFLOW_EARLY, 0);
}
END_TEST

START_TEST(without_their_features_there_is_no_auto_response_and_no_early_overflow)
{
	kit->amd->efr &= ~(EFR_PPR_EARLY | EFR_PPR_AUTO_RSP);
	amd_kit_control(kit, 0, CONTROL_PPR_AUTO_RSP);
	set(AMD_PPR_EARLY, PPR_EARLY_EN | 4);
	fill(ROOM);
	ck_assert_uint_eq(status() & STATUS_PPR_OVERFLOW_EARLY, 0);
	ck_assert_int_eq(ask(5, true), AMD_PPR_DROPPED);
}
END_TEST

START_TEST(base_and_tail_move_only_while_the_log_stands)
{
	fill(1);
	set(AMD_PPR_BASE, 0x5000 | LOG_LENGTH);
	set(AMD_PPR_TAIL, 16 * 9);
	ck_assert_uint_eq(get(AMD_PPR_BASE), log_at | LOG_LENGTH);
	ck_assert_uint_eq(get(AMD_PPR_TAIL), 16);
	amd_kit_control(kit, CONTROL_PPR_LOG_EN, 0);
	set(AMD_PPR_TAIL, 16 * 9);
	ck_assert_uint_eq(get(AMD_PPR_TAIL), 16 * 9);
	set(AMD_PPR_BASE, 0x5000 | LOG_LENGTH);
	ck_assert_uint_eq(get(AMD_PPR_BASE), 0x5000 | LOG_LENGTH);
	ck_assert_uint_eq(get(AMD_PPR_TAIL), 0);
	ck_assert_uint_eq(get(AMD_PPR_HEAD), 0);
}
END_TEST

START_TEST(a_log_that_is_off_takes_nothing)
{
	amd_kit_control(kit, CONTROL_PPR_LOG_EN, 0);
	ck_assert_int_eq(ask(0, true), AMD_PPR_DROPPED);
	ck_assert_uint_eq(get(AMD_PPR_TAIL), 0);
	ck_assert_uint_eq(status(), 0);
}
END_TEST

/* --- requests that are not allowed [10, 13] --- */

START_TEST(a_request_that_is_not_allowed_fails_and_is_an_event)
{
	struct amd_page_request request = {.address = AT,
					   .device = DEVICE,
					   .group = 0x12,
					   .pasid = 0xa1234,
					   .has_pasid = true,
					   .last = true};
	for (unsigned i = 0; i < 3; i++) {
		struct amd_dte dte = host_dte();
		dte.q[0] &= ~(i == 0 ? DTE_V : i == 1 ? DTE_PPR : 0);
		if (i == 2)
			amd_kit_control(kit, CONTROL_PPR_EN, 0);
		use(dte);
		ck_assert_int_eq(amd_page_request(kit->amd, &request), AMD_PPR_ANSWERED);
		check_told(i + 1, 0x12, PPR_INVALID);
		check_record(kit->log, i, 0x9201281212340020, AT);
	}
	ck_assert_uint_eq(get(AMD_PPR_TAIL), 0);
}
END_TEST

START_TEST(a_device_beyond_the_table_fails)
{
	struct amd_endpoint *far = amd_endpoint_new(kit->amd, 0x7000);
	struct amd_page_request request = {.address = AT, .device = 0x7000, .last = true};
	ck_assert_int_eq(amd_page_request(kit->amd, &request), AMD_PPR_ANSWERED);
	ck_assert_uint_eq(far->responses, 1);
	ck_assert_uint_eq(far->response.code, PPR_FAILURE);
	ck_assert_uint_eq(amd_kit_events(kit), 1);
}
END_TEST

/* --- COMPLETE_PPR_REQUEST [7] --- */

START_TEST(software_answers_with_a_command)
{
	struct amd_command command = {
		{7ULL << 60 | 0xa1234ULL << 32 | DEVICE, 0x1105ULL << 32 | 4}};
	ask(0x105, true);
	ck_assert_uint_eq(endpoint->responses, 0);
	amd_kit_issue(kit, command);
	check_told(1, 0x105, 1);
	ck_assert_uint_eq(endpoint->response.pasid, 0xa1234);
	ck_assert(endpoint->response.has_pasid);
	command.q[1] = 0xf003ULL << 32; /* a tag that nobody has is not checked */
	amd_kit_issue(kit, command);
	check_told(2, 3, 0xf);
	ck_assert(!endpoint->response.has_pasid);
	command.q[0] += 1; /* nobody's */
	amd_kit_issue(kit, command);
	ck_assert_uint_eq(endpoint->responses, 2);
	ck_assert(get(AMD_STATUS) & STATUS_CMD_BUF_RUN);
}
END_TEST

START_TEST(a_guest_answers_its_own_devices)
{
	amd_kit_guest_device(&guest, GDEVICE, DEVICE);
	amd_kit_guest_issue(&guest, (struct amd_command){{7ULL << 60 | GDEVICE, 9ULL << 32}});
	check_told(1, 9, PPR_SUCCESS);
	amd_kit_guest_issue(&guest, (struct amd_command){{7ULL << 60 | DEVICE, 9ULL << 32}});
	ck_assert_uint_eq(endpoint->responses, 1);
}
END_TEST

/* --- guests [V 5, 9, 11] --- */

START_TEST(a_guests_device_asks_its_guest_by_its_own_number)
{
	give_to_guest();
	ck_assert_uint_eq(guest_status(), STATUS_PPR_LOG_RUN);
	ck_assert_int_eq(ask(3, true), AMD_PPR_LOGGED);
	check_record(guest_log, 0, 0x1044020300000000 | GDEVICE, AT);
	ck_assert_uint_eq(amd_kit_vf(&guest, AMD_PPR_TAIL), 16);
	ck_assert_uint_eq(guest_status(), STATUS_PPR_LOG_RUN | STATUS_PPR_INT);
	ck_assert_uint_eq(get(AMD_PPR_TAIL), 0);
	ck_assert_uint_eq(kit->accesses[kit->access_count - 1].input, PPR_GPA);
	ck_assert_uint_eq(kit->accesses[kit->access_count - 1].context, GUEST);
	/* Without vIommuEn the entry's guest does not count. */
	amd_kit_control(kit, CONTROL_VIOMMU_EN, 0);
	ck_assert_int_eq(ask(3, true), AMD_PPR_LOGGED);
	ck_assert_uint_eq(get(AMD_PPR_TAIL), 16);
}
END_TEST

START_TEST(a_guests_log_overflows_alone)
{
	uint64_t ppr = amd_kit_vfcntl(&guest, VFCNTL_PPR);
	give_to_guest();
	amd_kit_set_vf(&guest, AMD_PPR_EARLY, PPR_EARLY_EN | ROOM);
	amd_kit_set_vf(&guest, AMD_PPR_AUTO, 0xf);
	fill(ROOM - 1);
	ck_assert_uint_eq(guest_status(), STATUS_PPR_LOG_RUN | STATUS_PPR_INT);
	fill(1);
	ck_assert(guest_status() & STATUS_PPR_OVERFLOW_EARLY);
	ck_assert_int_eq(ask(1, true), AMD_PPR_DROPPED);
	ck_assert_uint_eq(guest_status() & (STATUS_PPR_OVERFLOW | STATUS_PPR_LOG_RUN),
			  STATUS_PPR_OVERFLOW);
	ck_assert_uint_eq(status(), STATUS_PPR_LOG_RUN);
	/* Auto response, then on again. */
	amd_kit_set_vfcntl(&guest, VFCNTL_PPR, ppr | GUEST_PPR_AUTO_RSP);
	ck_assert_int_eq(ask(1, true), AMD_PPR_ANSWERED);
	check_told(1, 1, 0xf);
	amd_kit_set_vfcntl(&guest, VFCNTL_PPR, ppr & ~GUEST_PPR_LOG_EN);
	amd_kit_set_vfcntl(&guest, VFCNTL_PPR, ppr);
	amd_kit_set_vf(&guest, AMD_PPR_HEAD, 16);
	ck_assert_uint_eq(amd_kit_vf(&guest, AMD_PPR_HEAD), 16);
	ck_assert_uint_eq(guest_status() & (STATUS_PPR_OVERFLOW | STATUS_PPR_LOG_RUN),
			  STATUS_PPR_LOG_RUN);
	fill(1);
}
END_TEST

START_TEST(a_guests_log_that_is_not_mapped_is_told_to_the_host_as_such)
{
	give_to_guest();
	amd_kit_guest_map(&guest, PPR_GPA, 0, 0);
	amd_kit_issue(kit, amd_command_invalidate_all());
	ck_assert_int_eq(ask(1, true), AMD_PPR_DROPPED);
	check_record(kit->log, 0, 2ULL << 60 | EVT_RW | 0x32ULL << 32 | 1ULL << 30 | TRANS,
		     PPR_GPA);
	ck_assert_uint_eq(guest_status(), 0);
	ck_assert_uint_eq(status(), STATUS_PPR_LOG_RUN);
}
END_TEST

START_TEST(a_guest_without_ppren_is_asked_nothing)
{
	give_to_guest();
	amd_kit_set_vfcntl(&guest, VFCNTL_PPR, amd_kit_vfcntl(&guest, VFCNTL_PPR) & ~GUEST_PPR_EN);
	ck_assert_int_eq(ask(1, true), AMD_PPR_ANSWERED);
	check_told(1, 1, PPR_INVALID);
}
END_TEST

START_TEST(reset_vmmio_ends_a_guests_log)
{
	fill(1);
	amd_kit_issue(kit, amd_command_reset_vmmio(GUEST));
	ck_assert_uint_eq(guest_status(), 0);
	ck_assert_uint_eq(amd_kit_vfcntl(&guest, VFCNTL_PPR), 0);
	ck_assert_uint_eq(get(AMD_PPR_TAIL), 16);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_ppr");
	TCase *tests = tcase_create("amd_ppr");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_request_is_written_at_tail_and_interrupts);
	tcase_add_test(tests, a_record_says_all_of_the_request);
	tcase_add_test(tests, an_interrupt_needs_pprinten);
	tcase_add_test(tests, the_log_wraps_and_head_makes_room);
	tcase_add_test(tests, a_full_log_drops_requests_and_stops_until_it_is_enabled_anew);
	tcase_add_test(tests, enabling_the_log_clears_its_overflow);
	tcase_add_test(tests, an_auto_response_answers_the_last_of_a_group_that_no_log_takes);
	tcase_add_test(tests, an_early_overflow_is_told_at_its_threshold);
	tcase_add_test(tests,
		       without_their_features_there_is_no_auto_response_and_no_early_overflow);
	tcase_add_test(tests, base_and_tail_move_only_while_the_log_stands);
	tcase_add_test(tests, a_log_that_is_off_takes_nothing);
	tcase_add_test(tests, a_request_that_is_not_allowed_fails_and_is_an_event);
	tcase_add_test(tests, a_device_beyond_the_table_fails);
	tcase_add_test(tests, software_answers_with_a_command);
	tcase_add_test(tests, a_guest_answers_its_own_devices);
	tcase_add_test(tests, a_guests_device_asks_its_guest_by_its_own_number);
	tcase_add_test(tests, a_guests_log_overflows_alone);
	tcase_add_test(tests, a_guests_log_that_is_not_mapped_is_told_to_the_host_as_such);
	tcase_add_test(tests, a_guest_without_ppren_is_asked_nothing);
	tcase_add_test(tests, reset_vmmio_ends_a_guests_log);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
