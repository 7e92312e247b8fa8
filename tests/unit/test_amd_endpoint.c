/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices with a translation cache of their own: what they ask for, use and drop, and what a
 * COMPLETION_WAIT says of it: sheet amd-iommu (8, 13, 16).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define DEVICE 0x20U
#define OTHER  0x28U
#define DOMAIN 0x10U
#define AT     0x12345000ULL
#define MS     1000000000ULL
#define ALL    0, ~0ULL

static struct amd_kit *kit;
static struct amd_endpoint *endpoint;
static struct amd_translation got;
static uint64_t root;
static uint64_t page; /* two of them */

static void map(uint64_t address, uint64_t pa, uint64_t rights)
{
	amd_kit_map(kit, root, 3, address, pa, rights);
}

static void set_dte(struct amd_dte dte)
{
	amd_kit_set_dte(kit, DEVICE, dte);
	amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE));
}

static struct amd_dte dte_with_ats(void)
{
	struct amd_dte dte = amd_kit_dte(root, 3, DOMAIN);
	dte.q[1] |= DTE_I;
	return dte;
}

static void setup(void)
{
	struct profile profile = amd_kit_profile();
	kit = amd_kit_new(&profile);
	root = amd_kit_frames(kit, 1);
	page = amd_kit_frames(kit, 2);
	endpoint = amd_endpoint_new(kit->amd, DEVICE);
	map(AT, page, PTE_RW);
	set_dte(dte_with_ats());
	amd_kit_clear(kit);
}

static void teardown(void)
{
	amd_kit_free(kit);
}

static enum amd_translate_result dma(uint64_t address, bool write)
{
	const struct amd_request request = {.address = address, .device = DEVICE, .write = write};
	uint64_t word = 0;
	return amd_endpoint_dma(endpoint, &request, &word, sizeof(word), &got);
}

static void check_reaches(uint64_t address, bool write, uint64_t pa, enum access_path path)
{
	ck_assert_int_eq(dma(address, write), AMD_TRANSLATED);
	ck_assert_msg(got.pa.value == pa, "%lx reaches %lx, not %lx", address, got.pa.value, pa);
	ck_assert_int_eq(got.path, path);
	const struct access *access = &kit->accesses[kit->access_count - 1];
	ck_assert_uint_eq(access->pa.value, pa);
	ck_assert_int_eq(access->path, path);
	ck_assert_int_eq(access->purpose, write ? ACCESS_DMA_WRITE : ACCESS_DMA_READ);
}

static void check_event(uint32_t entry, uint64_t q0, uint64_t q1)
{
	struct amd_event event = amd_kit_event(kit, kit->log, entry);
	ck_assert_uint_eq(amd_kit_events(kit), entry + 1);
	ck_assert_msg(event.q[0] == q0 && event.q[1] == q1, "event %016lx %016lx", event.q[0],
		      event.q[1]);
}

static void flush_iommu(void)
{
	amd_kit_issue(kit, amd_command_invalidate_domain(DOMAIN));
}

static void flush_device(uint64_t first, uint64_t last)
{
	amd_kit_issue(kit, amd_command_invalidate_iotlb(DEVICE, DEVICE, 32, first, last));
}

START_TEST(what_a_device_was_told_it_uses_itself)
{
	check_reaches(AT + 0x10, false, page + 0x10, PATH_WALKED);
	kit->access_count = 0;
	check_reaches(AT + 0x20, false, page + 0x20, PATH_DEVICE);
	ck_assert_uint_eq(kit->access_count, 1); /* no table is read */
}
END_TEST

START_TEST(a_device_keeps_it_whatever_the_iommu_drops)
{
	check_reaches(AT, false, page, PATH_WALKED);
	map(AT, page + 0x1000, PTE_RW);
	flush_iommu();
	amd_kit_issue(kit, amd_command_invalidate_all());
	check_reaches(AT, false, page, PATH_DEVICE);
	flush_device(AT, AT + 0xfff);
	check_reaches(AT, false, page + 0x1000, PATH_WALKED);
}
END_TEST

/* The device refetches the old mapping from the still-stale IOMMU (8.1). */
START_TEST(a_flush_of_the_device_before_the_iommus_is_in_vain)
{
	check_reaches(AT, false, page, PATH_WALKED);
	map(AT, page + 0x1000, PTE_RW);
	flush_device(AT, AT + 0xfff);
	check_reaches(AT, false, page, PATH_CACHED);
	flush_iommu();
	check_reaches(AT, false, page, PATH_DEVICE);
}
END_TEST

START_TEST(an_invalidation_is_of_its_device_and_range)
{
	struct amd_endpoint *other = amd_endpoint_new(kit->amd, OTHER);
	const struct amd_request request = {.address = AT, .device = OTHER};
	uint64_t word;
	amd_kit_set_dte(kit, OTHER, dte_with_ats());
	map(AT + 0x1000, page + 0x1000, PTE_RW);
	check_reaches(AT, false, page, PATH_WALKED);
	ck_assert(amd_endpoint_ask(other, &request));
	check_reaches(AT + 0x1000, false, page + 0x1000, PATH_WALKED);
	map(AT, 0, 0);
	map(AT + 0x1000, 0, 0);
	flush_iommu();
	flush_device(AT + 0x1000, AT + 0x1fff);
	check_reaches(AT, false, page, PATH_DEVICE);
	ck_assert_int_eq(dma(AT + 0x1000, false), AMD_FAULT);
	flush_device(ALL);
	ck_assert_int_eq(dma(AT, false), AMD_FAULT);
	ck_assert_int_eq(amd_endpoint_dma(other, &request, &word, 8, &got), AMD_TRANSLATED);
	ck_assert_int_eq(got.path, PATH_DEVICE);
}
END_TEST

START_TEST(a_device_may_use_what_it_has_until_it_answers)
{
	check_reaches(AT, false, page, PATH_WALKED);
	map(AT, 0, 0);
	flush_iommu();
	amd_kit_put(kit, kit->ring, 2, amd_command_invalidate_iotlb(DEVICE, DEVICE, 32, ALL));
	amd_kit_put(kit, kit->ring, 3, amd_command_completion_wait(page, 0x1234));
	amd_kit_write(kit, AMD_CMD_TAIL, 8, 4 * COMMAND_SIZE);
	kit->probe_count = 0;
	while (dma(AT, false) == AMD_TRANSLATED)
		ck_assert(clock_step(&kit->machine->clock));
	ck_assert_uint_eq(kit->machine->clock.now_ps,
			  kit->probes[0].time_ps + kit->amd->timing.ats_round_trip_ps);
	/* The store comes no sooner. */
	ck_assert_uint_ne(amd_kit_word(kit, page), 0x1234);
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, page), 0x1234);
}
END_TEST

START_TEST(a_device_that_timed_out_goes_on_with_what_it_has)
{
	check_reaches(AT, false, page, PATH_WALKED);
	endpoint->silent = true;
	map(AT, 0, 0);
	flush_iommu();
	uint64_t from_ps = kit->machine->clock.now_ps;
	flush_device(ALL);
	amd_kit_issue(kit, amd_command_completion_wait(page, 0x1234));
	ck_assert_uint_eq(amd_kit_word(kit, page), 0x1234);
	ck_assert_uint_ge(kit->machine->clock.now_ps - from_ps, 1000 * MS);
	check_event(0, 7ULL << 60 | DEVICE, kit->ring + 2ULL * COMMAND_SIZE);
	check_reaches(AT, false, page, PATH_DEVICE);
	endpoint->silent = false;
	flush_device(ALL);
	ck_assert_int_eq(dma(AT, false), AMD_FAULT);
}
END_TEST

START_TEST(rights_are_those_that_were_asked_for)
{
	check_reaches(AT, false, page, PATH_WALKED);
	check_reaches(AT, true, page, PATH_CACHED); /* asked again */
	check_reaches(AT, true, page, PATH_DEVICE);
	map(AT + 0x1000, page + 0x1000, PTE_IR);
	ck_assert_int_eq(dma(AT + 0x1000, true), AMD_FAULT);
	check_event(0, 2ULL << 60 | (uint64_t)DOMAIN << 32 | EVT_PR | EVT_PE | EVT_RW | DEVICE,
		    AT + 0x1000);
}
END_TEST

START_TEST(a_large_leaf_is_kept_whole)
{
	uint64_t run = (amd_kit_frames(kit, 1024) + 0x1fffff) & ~0x1fffffULL;
	amd_kit_set_word(kit, amd_kit_entry(kit, root, 3, 0x40000000, 2), PTE_PR | PTE_RW | run);
	check_reaches(0x40012340, false, run + 0x12340, PATH_WALKED);
	check_reaches(0x401ff000, false, run + 0x1ff000, PATH_DEVICE);
	amd_kit_set_word(kit, amd_kit_entry(kit, root, 3, 0x40000000, 2), 0);
	flush_iommu();
	flush_device(0x40100000, 0x40100fff);
	ck_assert_int_eq(dma(0x40012340, false), AMD_FAULT);
}
END_TEST

START_TEST(a_page_fault_of_a_translation_request_is_no_event)
{
	const struct amd_request request = {.address = AT + 0x5000, .device = DEVICE};
	ck_assert(!amd_endpoint_ask(endpoint, &request));
	ck_assert_uint_eq(amd_kit_events(kit), 0);
	/* DMA goes untranslated then, and that is one. */
	ck_assert_int_eq(dma(AT + 0x5000, false), AMD_FAULT);
	check_event(0, 2ULL << 60 | (uint64_t)DOMAIN << 32 | DEVICE, AT + 0x5000);
}
END_TEST

START_TEST(an_entry_without_i_v_or_tv_makes_a_translation_request_invalid)
{
	struct amd_request request = {.address = AT, .device = DEVICE};
	for (unsigned i = 0; i < 3; i++) {
		struct amd_dte dte = dte_with_ats();
		if (i == 0)
			dte.q[1] &= ~DTE_I;
		else
			dte.q[0] &= ~(i == 1 ? DTE_V : DTE_TV);
		set_dte(dte);
		ck_assert(!amd_endpoint_ask(endpoint, &request));
		check_event(i, 8ULL << 60 | 1ULL << 56 | DEVICE, AT);
	}
	request.has_pasid = true;
	request.pasid = 0xa1234;
	ck_assert(!amd_endpoint_ask(endpoint, &request));
	const uint64_t told = 8ULL << 60 | 1ULL << 56 | 1ULL << 48 | 0x1234ULL << 32 | 0xa0000;
	check_event(3, told | 1ULL << 49 | DEVICE, AT);
	request.privileged = true;
	ck_assert(!amd_endpoint_ask(endpoint, &request));
	check_event(4, told | DEVICE, AT);
}
END_TEST

START_TEST(an_entry_that_ats_does_not_find_is_told_with_the_request)
{
	const struct amd_request request = {.address = AT,
					    .pasid = 0xa1234,
					    .device = KIT_DEVICES,
					    .has_pasid = true,
					    .write = true};
	struct amd_endpoint *beyond = amd_endpoint_new(kit->amd, KIT_DEVICES);
	ck_assert(!amd_endpoint_ask(beyond, &request));
	check_event(0,
		    1ULL << 60 | 1ULL << 56 | 1ULL << 53 | 1ULL << 48 | 0x1234ULL << 32 | 0xa0000 |
			    KIT_DEVICES,
		    AT);
}
END_TEST

START_TEST(an_iommu_that_is_off_answers_no_request_and_checks_nothing)
{
	const struct amd_request request = {.address = AT, .device = DEVICE};
	dma(AT, false);
	amd_kit_control(kit, CONTROL_IOMMU_EN, 0);
	struct amd_dte dte = dte_with_ats();
	dte.q[1] &= ~DTE_I;
	set_dte(dte);
	check_reaches(AT, false, page, PATH_DEVICE);
	ck_assert(!amd_endpoint_ask(endpoint, &request));
	ck_assert_uint_eq(amd_kit_events(kit), 0);
}
END_TEST

START_TEST(translated_dma_needs_i_and_v)
{
	for (unsigned i = 0; i < 2; i++) {
		struct amd_dte dte = dte_with_ats();
		set_dte(dte);
		dma(AT, false);
		if (i == 0)
			dte.q[1] &= ~DTE_I;
		else
			dte.q[0] &= ~DTE_V;
		set_dte(dte);
		ck_assert_int_eq(dma(AT, false), AMD_FAULT);
		ck_assert_int_eq(got.path, PATH_DEVICE);
		check_event(i, 8ULL << 60 | 1ULL << 57 | DEVICE, AT);
	}
	/* TV does not matter: nothing is walked. */
	struct amd_dte dte = dte_with_ats();
	dte.q[0] &= ~DTE_TV;
	set_dte(dte);
	check_reaches(AT, false, page, PATH_DEVICE);
}
END_TEST

/* --- PASIDs [7, 12] --- */

static struct amd_command of_pasid(uint32_t pasid)
{
	struct amd_command command = amd_command_invalidate_iotlb(DEVICE, DEVICE, 32, ALL);
	command.q[0] |= (uint64_t)(pasid >> 8 & 0xff) << 16 | (uint64_t)(pasid & 0xff) << 48 |
			(uint64_t)(pasid >> 16) << 56;
	command.q[1] |= CMD_GN;
	return command;
}

START_TEST(a_devices_translations_are_of_a_pasid)
{
	static const uint32_t pasids[] = {0, 0x1234, 0x34, 0x11234};
	uint64_t gcr3[2] = {amd_kit_frames(kit, 1), amd_kit_frames(kit, 1)};
	uint64_t table = amd_kit_frames(kit, 1), below = amd_kit_frames(kit, 1);
	struct amd_dte dte = dte_with_ats();
	struct amd_request request = {.address = AT, .device = DEVICE, .has_pasid = true};
	uint64_t word;
	/* All PASIDs share tables: 1 GiB from 0 on. */
	for (unsigned i = 0; i < 512; i++) {
		amd_kit_set_word(kit, gcr3[0] + 8ULL * i, GCR3_V | gcr3[1]);
		amd_kit_set_word(kit, gcr3[1] + 8ULL * i, GCR3_V | table);
	}
	amd_kit_set_word(kit, table, GPTE_P | GPTE_US | below);
	amd_kit_set_word(kit, below, GPTE_P | GPTE_US | GPTE_PS);
	dte.q[0] |= DTE_GV | field_put(DTE_GLX, 1);
	dte.q[0] &= ~DTE_MODE & ~DTE_ROOT;
	amd_dte_set_gcr3(&dte, gcr3[0]);
	set_dte(dte);
	amd_kit_control(kit, 0, CONTROL_GT_EN);
	for (unsigned gone = 0; gone < 4; gone++) {
		for (unsigned i = 0; i < 4; i++) {
			request.pasid = pasids[i];
			ck_assert(amd_endpoint_ask(endpoint, &request));
		}
		amd_kit_issue(kit, of_pasid(pasids[gone]));
		flush_device(ALL); /* GN = 0: not theirs */
		for (unsigned i = 0; i < 4; i++) {
			request.pasid = pasids[i];
			amd_endpoint_dma(endpoint, &request, &word, 8, &got);
			ck_assert_int_eq(got.path == PATH_DEVICE, i != gone);
		}
	}
}
END_TEST

/* --- queues of invalidations [7, 16] --- */

#define ROUND (kit->amd->timing.ats_round_trip_ps)

static void put_at(uint32_t entry, uint16_t queue, uint8_t max_pend)
{
	amd_kit_put(kit, kit->ring, entry,
		    amd_command_invalidate_iotlb(DEVICE, queue, max_pend, ALL));
}

/* From the first command that was done to the last; all of them, from entry 1 on. */
static uint64_t time_of(unsigned count)
{
	amd_kit_put(kit, kit->ring, 1 + count, amd_command_completion_wait(page, 1));
	amd_kit_write(kit, AMD_CMD_TAIL, 8, (2ULL + count) * COMMAND_SIZE);
	amd_kit_run(kit);
	ck_assert_uint_eq(kit->probe_count, count + 1);
	return kit->probes[count].time_ps - kit->probes[0].time_ps;
}

START_TEST(a_queue_has_maxpend_invalidations_in_flight)
{
	static const uint8_t most[] = {1, 2, 3, 6};
	for (unsigned i = 0; i < sizeof(most); i++) {
		uint64_t trips = (6 + most[i] - 1) / most[i];
		teardown();
		setup();
		for (unsigned entry = 1; entry <= 6; entry++)
			put_at(entry, DEVICE, most[i]);
		uint64_t took = time_of(6); /* the commands take less than a trip */
		ck_assert_uint_ge(took, trips * ROUND);
		ck_assert_uint_lt(took, (trips + 1) * ROUND);
	}
}
END_TEST

START_TEST(queues_do_not_wait_for_each_other)
{
	for (uint16_t entry = 1; entry <= 6; entry++)
		put_at(entry, entry, 1);
	ck_assert_uint_lt(time_of(6), 2 * ROUND);
}
END_TEST

START_TEST(maxpend_0_is_32)
{
	struct profile profile = amd_kit_profile();
	amd_kit_set(&profile, "ats.round_trip_ns", 1000000);
	for (unsigned count = 32; count <= 33; count++) {
		teardown();
		kit = amd_kit_new(&profile);
		endpoint = amd_endpoint_new(kit->amd, DEVICE);
		page = amd_kit_frames(kit, 1);
		amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE));
		amd_kit_clear(kit);
		for (unsigned entry = 1; entry <= count; entry++)
			put_at(entry, DEVICE, 0);
		uint64_t took = time_of(count);
		ck_assert_int_eq(took >= 2 * ROUND, count > 32);
	}
}
END_TEST

START_TEST(a_device_keeps_what_waits_in_a_queue_longer)
{
	check_reaches(AT, false, page, PATH_WALKED);
	put_at(1, DEVICE, 1);
	amd_kit_put(kit, kit->ring, 1, amd_command_invalidate_iotlb(DEVICE, 7, 1, 0, 0xfff));
	amd_kit_put(kit, kit->ring, 2, amd_command_invalidate_iotlb(DEVICE, 7, 1, ALL));
	amd_kit_write(kit, AMD_CMD_TAIL, 8, 3ULL * COMMAND_SIZE);
	while (atc_find(&endpoint->atc, atc_tag(false, 0), AT / PAGE_SIZE, false) != NULL)
		ck_assert(clock_step(&kit->machine->clock));
	ck_assert_uint_eq(kit->machine->clock.now_ps, kit->probes[0].time_ps + 2 * ROUND);
}
END_TEST

START_TEST(behind_one_that_is_never_answered_nothing_is_sent)
{
	amd_kit_control(kit, CONTROL_INV_TIMEOUT, 0);
	endpoint->silent = true;
	put_at(1, DEVICE, 1);
	amd_kit_write(kit, AMD_CMD_TAIL, 8, 2ULL * COMMAND_SIZE);
	amd_kit_run(kit);
	endpoint->silent = false;
	check_reaches(AT, false, page, PATH_WALKED);
	put_at(2, DEVICE, 1);
	put_at(3, 9, 1);
	amd_kit_write(kit, AMD_CMD_TAIL, 8, 3ULL * COMMAND_SIZE);
	amd_kit_run(kit);
	check_reaches(AT, false, page, PATH_DEVICE);
	amd_kit_write(kit, AMD_CMD_TAIL, 8, 4ULL * COMMAND_SIZE);
	amd_kit_run(kit);
	check_reaches(AT, false, page, PATH_CACHED); /* another queue */
}
END_TEST

START_TEST(a_limit_begins_when_the_device_is_asked)
{
	endpoint->silent = true;
	put_at(1, DEVICE, 1);
	put_at(2, DEVICE, 1);
	uint64_t took = time_of(2);
	ck_assert_uint_ge(took, 2 * 1000000000000ULL); /* twice a second */
	ck_assert_uint_eq(amd_kit_events(kit), 2);
}
END_TEST

START_TEST(a_guests_queues_are_its_own)
{
	struct amd_kit_guest guest = amd_kit_guest(kit, 5, 0x3f0, 0x32);
	amd_kit_control(kit, CONTROL_INV_TIMEOUT, 0);
	amd_kit_guest_device(&guest, 0x31, DEVICE);
	endpoint->silent = true;
	amd_kit_guest_issue(&guest, amd_command_invalidate_iotlb(0x31, DEVICE, 1, ALL));
	endpoint->silent = false;
	check_reaches(AT, false, page, PATH_WALKED);
	put_at(1, DEVICE, 1);
	amd_kit_write(kit, AMD_CMD_TAIL, 8, 2ULL * COMMAND_SIZE);
	amd_kit_run(kit);
	check_reaches(AT, false, page, PATH_CACHED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_endpoint");
	TCase *tests = tcase_create("amd_endpoint");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, what_a_device_was_told_it_uses_itself);
	tcase_add_test(tests, a_device_keeps_it_whatever_the_iommu_drops);
	tcase_add_test(tests, a_flush_of_the_device_before_the_iommus_is_in_vain);
	tcase_add_test(tests, an_invalidation_is_of_its_device_and_range);
	tcase_add_test(tests, a_device_may_use_what_it_has_until_it_answers);
	tcase_add_test(tests, a_device_that_timed_out_goes_on_with_what_it_has);
	tcase_add_test(tests, rights_are_those_that_were_asked_for);
	tcase_add_test(tests, a_large_leaf_is_kept_whole);
	tcase_add_test(tests, a_page_fault_of_a_translation_request_is_no_event);
	tcase_add_test(tests, an_entry_without_i_v_or_tv_makes_a_translation_request_invalid);
	tcase_add_test(tests, an_entry_that_ats_does_not_find_is_told_with_the_request);
	tcase_add_test(tests, an_iommu_that_is_off_answers_no_request_and_checks_nothing);
	tcase_add_test(tests, translated_dma_needs_i_and_v);
	tcase_add_test(tests, a_devices_translations_are_of_a_pasid);
	tcase_add_test(tests, a_queue_has_maxpend_invalidations_in_flight);
	tcase_add_test(tests, queues_do_not_wait_for_each_other);
	tcase_add_test(tests, maxpend_0_is_32);
	tcase_add_test(tests, a_device_keeps_what_waits_in_a_queue_longer);
	tcase_add_test(tests, behind_one_that_is_never_answered_nothing_is_sent);
	tcase_add_test(tests, a_limit_begins_when_the_device_is_asked);
	tcase_add_test(tests, a_guests_queues_are_its_own);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
