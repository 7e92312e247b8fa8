/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests' rings and logs with GstBufferTRPMode 0: in slots of the IOMMU's private addresses, through its
 * own table entry (amd-viommu 5, 7).
 */
#include <check.h>
#include <stdlib.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define GUEST    5U
#define TRANS    0x3f0U
#define DOMAIN   0x31U
#define DEVICE   0x10U
#define RING_IPA (0x2800000000ULL + GUEST * 0x80000)
#define PPR_IPA  (0x3000000000ULL + GUEST * 0x80000)
#define LOG_IPA  (0x4000000000ULL + GUEST * 0x80000)

static struct profile profile;
static struct amd_kit *kit;
static struct amd_kit_guest guest;

static void map_private(uint64_t ipa, uint64_t pa)
{
	amd_kit_map(kit, kit->own_root, 3, ipa, pa, pa != 0 ? PTE_RW : 0);
}

/* The guest's own ring and log, where only the IOMMU's own table leads. */
static void setup(void)
{
	profile = amd_kit_profile();
	kit = amd_kit_new(&profile);
	guest = amd_kit_guest(kit, GUEST, TRANS, DOMAIN);
	amd_kit_control(kit, CONTROL_GST_BUFFER_TRP, CONTROL_PPR_LOG_EN);
	amd_kit_guest_map(&guest, GUEST_RING_AT, 0, 0);
	amd_kit_guest_map(&guest, GUEST_LOG_AT, 0, 0);
	map_private(RING_IPA, guest.ring);
	map_private(LOG_IPA, guest.log);
	amd_kit_clear(kit);
}

static void teardown(void)
{
	amd_kit_free(kit);
}

static struct amd_command store(uint64_t data)
{
	return amd_command_completion_wait(GUEST_MEMORY_AT, data);
}

static bool is_done(uint64_t data)
{
	return amd_kit_word(kit, guest.memory) == data;
}

/* The first access of PURPOSE that the log has. */
static const struct access *access_of(enum access_purpose purpose)
{
	for (unsigned i = 0; i < kit->access_count; i++)
		if (kit->accesses[i].purpose == purpose)
			return &kit->accesses[i];
	return NULL;
}

START_TEST(commands_come_from_the_slot_and_semaphores_go_to_guest_addresses)
{
	amd_kit_guest_issue(&guest, store(7));
	ck_assert(is_done(7));
	const struct access *fetch = access_of(ACCESS_COMMAND_FETCH);
	const struct access *wait = access_of(ACCESS_COMPLETION_WRITE);
	ck_assert_uint_eq(fetch->input, RING_IPA);
	ck_assert_uint_eq(fetch->pa.value, guest.ring);
	ck_assert_uint_eq(fetch->context, GUEST);
	ck_assert_uint_eq(wait->input, GUEST_MEMORY_AT);
	ck_assert_uint_eq(wait->pa.value, guest.memory);
}
END_TEST

START_TEST(a_slot_is_of_one_guest)
{
	struct amd_kit_guest other = amd_kit_guest(kit, GUEST + 1, TRANS + 1, DOMAIN + 1);
	map_private(RING_IPA + 0x80000, other.ring);
	amd_kit_guest_issue(&other, store(9));
	ck_assert_uint_eq(amd_kit_word(kit, other.memory), 9);
	ck_assert(!is_done(9));
}
END_TEST

/* The base in VFCntl says nothing. */
START_TEST(the_base_of_a_private_ring_is_ignored)
{
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, 0);
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, 0x123456000 | GUEST_LENGTH | GUEST_CMD_EN);
	amd_kit_guest_issue(&guest, store(7));
	ck_assert(is_done(7));
}
END_TEST

START_TEST(events_go_to_their_slot)
{
	amd_kit_guest_issue(&guest, (struct amd_command){{0, 0}});
	ck_assert_uint_eq(amd_kit_vf(&guest, AMD_EVENT_TAIL), EVENT_SIZE);
	struct amd_event event = amd_kit_event(kit, guest.log, 0);
	ck_assert_uint_eq(field_get(event.q[0], EVT_CODE), EVENT_ILLEGAL_COMMAND_ERROR);
	ck_assert_uint_eq(event.q[1], GUEST_RING_AT);
	ck_assert_uint_eq(access_of(ACCESS_EVENT_WRITE)->input, LOG_IPA);
}
END_TEST

START_TEST(page_requests_go_to_their_slot)
{
	uint64_t log = amd_kit_frames(kit, 1);
	struct amd_dte dte = amd_kit_dte(guest.root, GUEST_MODE, DOMAIN);
	dte.q[0] |= DTE_PPR;
	dte.q[3] = DTE_VIOMMU_EN | field_put(DTE_GUEST, GUEST) | field_put(DTE_GDEVICE, 3);
	amd_kit_set_dte(kit, DEVICE, dte);
	map_private(PPR_IPA, log);
	amd_kit_set_vfcntl(&guest, VFCNTL_PPR, GUEST_LENGTH | GUEST_PPR_LOG_EN | GUEST_PPR_EN);
	const struct amd_page_request request = {.device = DEVICE, .read = true, .last = true};
	ck_assert_int_eq(amd_page_request(kit->amd, &request), AMD_PPR_LOGGED);
	ck_assert_uint_eq(amd_kit_word(kit, log) & 0xffff, 3);
}
END_TEST

/* The fault is of the IOMMU's own entry; the guest's buffer is still named. */
START_TEST(a_slot_that_is_not_mapped_halts_the_ring)
{
	map_private(RING_IPA, 0);
	amd_kit_guest_issue(&guest, store(7));
	ck_assert(!is_done(7));
	ck_assert(guest.kit->amd->guests_by_id[0][GUEST]->ring.halted);
	struct amd_event event = amd_kit_event(kit, kit->log, 0);
	ck_assert_uint_eq(field_get(event.q[0], EVT_CODE), EVENT_IO_PAGE_FAULT);
	ck_assert_uint_eq(field_get(event.q[0], EVT_DEVICE), OWN_DEVICE);
	ck_assert_uint_ne(event.q[0] & EVT_VCMD, 0);
	ck_assert_uint_eq(event.q[1], RING_IPA);
}
END_TEST

/* What is cached of a slot is the private domain's: that of trans_devid does not matter. */
START_TEST(a_slot_is_cached_until_the_private_domain_is_invalidated)
{
	amd_kit_guest_issue(&guest, store(1));
	map_private(RING_IPA, 0);
	amd_kit_issue(kit, amd_command_invalidate_domain(DOMAIN));
	amd_kit_guest_issue(&guest, store(2));
	ck_assert(is_done(2));
	amd_kit_issue(kit, amd_command_invalidate_pages(KIT_OWN_DOMAIN, RING_IPA, RING_IPA, false));
	for (unsigned i = 3; i <= 5; i++) /* beyond the line that is fetched already */
		amd_kit_guest_issue(&guest, store(i));
	ck_assert(!is_done(5));
}
END_TEST

START_TEST(a_new_mode_drops_what_was_fetched)
{
	amd_kit_guest_map(&guest, GUEST_RING_AT, amd_kit_frames(kit, 1), PTE_RW);
	for (unsigned i = 1; i <= 3; i++)
		amd_kit_guest_post(&guest, store(i));
	while (!is_done(1))
		clock_step(&kit->machine->clock);
	amd_kit_control(kit, 0, CONTROL_GST_BUFFER_TRP);
	amd_kit_run(kit);
	ck_assert(!is_done(3)); /* the ring at the guest address has none */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_buffers");
	TCase *tests = tcase_create("amd_buffers");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, commands_come_from_the_slot_and_semaphores_go_to_guest_addresses);
	tcase_add_test(tests, a_slot_is_of_one_guest);
	tcase_add_test(tests, the_base_of_a_private_ring_is_ignored);
	tcase_add_test(tests, events_go_to_their_slot);
	tcase_add_test(tests, page_requests_go_to_their_slot);
	tcase_add_test(tests, a_slot_that_is_not_mapped_halts_the_ring);
	tcase_add_test(tests, a_slot_is_cached_until_the_private_domain_is_invalidated);
	tcase_add_test(tests, a_new_mode_drops_what_was_fetched);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
