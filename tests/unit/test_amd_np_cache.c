/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NpCache = 1: hardware that keeps what is not present, too, and a driver that flushes after each map
 * for it (amd-iommu 1, 7, 9). "Capture": commands of Linux 7.3.4 on an emulated AMD IOMMU that says so.
 */
#include <check.h>

#include "tests/kit/amd.h"
#include "tests/kit/amd_world.h"
#include "tests/kit/run.h"

#define DEVICE        0x20U
#define DOMAIN        0xcU /* the capture's */
#define OTHER_DOMAIN  0x11U
#define ATS_DEVICE    0x30U
#define PASID         5U
#define AT            0x12345000ULL
#define GUEST_PAGE_AT 0x23456000ULL
#define IOVA          0x40000000ULL
#define RIGHTS        PTE_RW
#define PAGE_FAULT    (2ULL << 60 | (uint64_t)DOMAIN << 32)

static struct amd_kit *kit;
static struct amd_world *amd;
static struct amd_translation got;
static uint64_t root;
static uint64_t page;

static void setup(void)
{
	struct profile profile = amd_kit_profile();
	uint64_t efr = profile_get(&profile, "efr.features");
	amd_kit_set(&profile, "npcache.supported", 1);
	amd_kit_set(&profile, "efr.features", efr | EFR_HA | EFR_HD);
	kit = amd_kit_new(&profile);
	root = amd_kit_frames(kit, 1);
	page = amd_kit_frames(kit, 1);
	amd_kit_set_dte(kit, DEVICE, amd_kit_dte(root, 3, DOMAIN));
}

static void teardown(void)
{
	amd_kit_free(kit);
}

/* --- hardware --- */

static bool works(uint64_t address, bool write)
{
	amd_kit_clear(kit);
	return amd_translate(kit->amd, DEVICE, address, write, AMD_LEAVES_BY_DOMAIN, &got) ==
	       AMD_TRANSLATED;
}

static void check_absent(uint64_t address)
{
	for (unsigned write = 0; write < 2; write++) {
		ck_assert_msg(!works(address, write), "%lx is translated", address);
		ck_assert_uint_eq(got.event.q[0], PAGE_FAULT | DEVICE | (write ? EVT_RW : 0));
		ck_assert_uint_eq(got.event.q[1], address);
	}
}

static void map(uint64_t address)
{
	amd_kit_map(kit, root, 3, address, page, RIGHTS);
}

static void flush(uint16_t domain, uint64_t address, bool pde)
{
	amd_kit_issue(kit, amd_command_invalidate_pages(domain, address, address + 0xfff, pde));
}

START_TEST(an_absent_page_stays_absent_until_it_is_invalidated)
{
	map(AT + PAGE_SIZE); /* its tables are there */
	check_absent(AT);
	map(AT);
	flush(DOMAIN, AT + PAGE_SIZE, true);
	flush(OTHER_DOMAIN, AT, true);
	check_absent(AT);
	ck_assert_uint_eq(kit->access_count, 0); /* no entry was read */
	ck_assert(works(AT + PAGE_SIZE, true));
	flush(DOMAIN, AT, false);
	ck_assert(works(AT, true));
	ck_assert_uint_eq(got.pa.value, page);
}
END_TEST

/* "Linux sets PDE on the flush after a map": without it what there was of a table stays. */
START_TEST(an_absent_table_stays_absent_until_it_is_invalidated_with_pde)
{
	for (unsigned level = 3; level >= 2; level--) {
		uint64_t there = AT + (level == 2 ? 1ULL << 25 : 0), near = there + PAGE_SIZE;
		check_absent(there);
		map(there);
		map(near);
		flush(DOMAIN, there, false);
		check_absent(there);
		check_absent(near); /* under the same hole */
		ck_assert_uint_eq(kit->access_count, 0);
		flush(DOMAIN, there, true);
		ck_assert(works(there, true));
		ck_assert(works(near, true));
	}
}
END_TEST

/* Nothing that is absent has a D to be set. */
START_TEST(a_write_that_would_set_d_finds_what_is_absent)
{
	struct amd_dte dte = amd_kit_dte(root, 3, DOMAIN);
	dte.q[0] |= field_put(DTE_HAD, HAD_ACCESSED_DIRTY);
	amd_kit_set_dte(kit, DEVICE, dte);
	amd_kit_control(kit, 0, field_put(CONTROL_HAD_UPDATE, HAD_ACCESSED_DIRTY));
	map(AT + PAGE_SIZE);
	check_absent(AT);
	map(AT);
	check_absent(AT);
	ck_assert_uint_eq(kit->access_count, 0);
}
END_TEST

START_TEST(invalidate_all_drops_what_is_absent)
{
	check_absent(AT);
	map(AT);
	check_absent(AT);
	amd_kit_issue(kit, amd_command_invalidate_all());
	ck_assert(works(AT, false));
}
END_TEST

START_TEST(without_a_cache_of_tables_absent_ones_are_not_kept)
{
	amd_kit_assume(kit, AMD_PDE_CACHE, AMD_PDE_WALKED);
	check_absent(AT);
	ck_assert_uint_eq(kit->amd->pdes.count, 0);
	map(AT);
	ck_assert(works(AT, true));
}
END_TEST

/* Neither an entry with reserved bits nor one of a bad level, nor an address beyond the tables. */
START_TEST(other_faults_are_not_kept)
{
	const uint64_t bad[] = {1ULL << 52, field_put(PTE_NEXT, 1)};
	map(AT);
	uint64_t at = amd_kit_entry(kit, root, 3, AT, 1), entry = amd_kit_word(kit, at);
	for (unsigned i = 0; i < 2; i++) {
		amd_kit_set_word(kit, at, entry | bad[i]);
		ck_assert(!works(AT, false));
		amd_kit_set_word(kit, at, entry);
		ck_assert(works(AT, false));
		flush(DOMAIN, AT, true);
	}
	ck_assert(!works(1ULL << 40, false));
	amd_kit_set_dte(kit, DEVICE, amd_kit_dte(root, 4, DOMAIN));
	amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE));
	uint64_t tables = kit->amd->pdes.count;
	ck_assert(!works(1ULL << 40, false));
	ck_assert_uint_eq(kit->access_count, 2); /* the device's entry, and entry 2 of the root */
	ck_assert_uint_eq(kit->amd->pdes.count, tables + 1);
}
END_TEST

/* A guest's page at its own address. */
static uint64_t guest_page(void)
{
	uint64_t at = amd_kit_frames(kit, 1);
	amd_kit_map(kit, root, 3, at, at, RIGHTS);
	return at;
}

/* Four levels of guest tables lead PASID's AT to GUEST_PAGE_AT. */
static struct amd_request guest_request(void)
{
	struct amd_dte dte = amd_kit_dte(root, 3, DOMAIN);
	uint64_t gcr3 = amd_kit_frames(kit, 1), table = guest_page();
	amd_kit_control(kit, 0, CONTROL_GT_EN);
	amd_kit_set_word(kit, gcr3 + 8ULL * PASID, GCR3_V | table);
	for (unsigned level = 4; level >= 1; level--) {
		uint64_t next = level == 1 ? GUEST_PAGE_AT : guest_page();
		amd_kit_set_word(kit, table + 8 * (AT >> amd_level_shift(level) & 511),
				 GPTE_P | GPTE_RW | GPTE_US | next);
		table = next;
	}
	dte.q[0] |= DTE_GV;
	amd_dte_set_gcr3(&dte, gcr3);
	amd_kit_set_dte(kit, DEVICE, dte);
	return (struct amd_request){
		.address = AT, .pasid = PASID, .device = DEVICE, .has_pasid = true};
}

START_TEST(what_the_host_lacks_under_guest_tables_stays_absent)
{
	const struct amd_request request = guest_request();
	map(GUEST_PAGE_AT + PAGE_SIZE); /* its tables are there */
	for (unsigned i = 0; i < 3; i++) {
		amd_kit_clear(kit);
		ck_assert_int_eq(
			amd_translate_request(kit->amd, &request, AMD_LEAVES_BY_DOMAIN, &got),
			AMD_FAULT);
		ck_assert_uint_eq(got.event.q[0], PAGE_FAULT | DEVICE);
		ck_assert_uint_eq(got.event.q[1], GUEST_PAGE_AT);
		if (i == 0)
			amd_kit_map(kit, root, 3, GUEST_PAGE_AT, page, RIGHTS);
	}
	flush(DOMAIN, GUEST_PAGE_AT, true);
	ck_assert_int_eq(amd_translate_request(kit->amd, &request, AMD_LEAVES_BY_DOMAIN, &got),
			 AMD_TRANSLATED);
	ck_assert_uint_eq(got.pa.value, page);
}
END_TEST

/* amd-viommu 12.4 says otherwise of NpCache 0. */
START_TEST(a_guests_buffer_that_was_absent_needs_an_invalidation)
{
	struct amd_kit_guest guest = amd_kit_guest(kit, 5, 0x3fe, OTHER_DOMAIN);
	amd_kit_guest_map(&guest, GUEST_RING_AT, 0, 0);
	for (unsigned i = 0; i < 2; i++) {
		amd_kit_guest_restart(&guest);
		amd_kit_guest_issue(&guest, amd_command_completion_wait(GUEST_MEMORY_AT, 7));
		ck_assert(guest.kit->amd->guests_by_id[0][5]->ring.halted);
		amd_kit_guest_map(&guest, GUEST_RING_AT, guest.ring, PTE_RW);
	}
	flush(OTHER_DOMAIN, GUEST_RING_AT, true);
	amd_kit_guest_restart(&guest);
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 7);
}
END_TEST

/* --- the driver --- */

static const struct amd_command wait = AMD_WAIT;
static const struct amd_command whole_domain = {{0x3000000c00000000, 0x7ffffffffffff003}};

static void setup_world(void)
{
	struct profile profile = amd_world_profile();
	amd_kit_set(&profile, "npcache.supported", 1);
	amd = amd_world_new_on(true, &profile);
}

static void teardown_world(void)
{
	amd_world_free(amd);
}

/* The capture's domain with a device. */
static struct amd_domain *attached_domain(uint16_t device, bool ats)
{
	struct iommu_domain *domain;
	do
		ck_assert_int_eq(amd_domain_alloc(amd->driver, false, &domain), 0);
	while (to_amd_domain(domain)->id < DOMAIN);
	amd_attach(domain, &amd_device_new(amd->driver, device, ats)->device);
	amd_world_look(amd);
	return to_amd_domain(domain);
}

static void map_at(struct amd_domain *domain, uint64_t iova, uint64_t length)
{
	ck_assert_int_eq(amd_domain_ops.map(&domain->domain, iova_of(iova),
					    pa_of((1ULL << 33) + iova), length,
					    IOMMU_READ | IOMMU_WRITE, 0),
			 0);
}

static void unmap(struct amd_domain *domain, uint64_t iova, uint64_t length)
{
	amd_domain_ops.unmap(&domain->domain, iova_of(iova), length);
}

static bool reaches(uint64_t iova)
{
	return amd_world_works(amd, AMD_DEVICE, iova, true, &got);
}

#define PIECE(q1)                                \
	{                                        \
		{                                \
			0x3000000c00000000, (q1) \
		}                                \
	}

/* Lines 35058 ff. and 35448 ff. */
START_TEST(a_map_is_flushed_with_pde_in_aligned_pieces)
{
	struct amd_domain *domain = attached_domain(AMD_DEVICE, false);
	map_at(domain, 0x35001000, 0x30000);
	ck_assert(AMD_SENT(amd, PIECE(0x35001002), PIECE(0x35002003), PIECE(0x35005003),
			   PIECE(0x3500b003), PIECE(0x35017003), PIECE(0x35027003),
			   PIECE(0x35030002), wait));
	amd_world_look(amd);
	map_at(domain, 0x60023000, 0x15000);
	ck_assert(AMD_SENT(amd, PIECE(0x60023002), PIECE(0x60025003), PIECE(0x6002b003),
			   PIECE(0x60033003), wait));
}
END_TEST

/* Lines 35459 ff. and 35466 ff. */
START_TEST(an_unmap_is_flushed_in_aligned_pieces)
{
	struct amd_domain *domain = attached_domain(AMD_DEVICE, false);
	map_at(domain, 0x60005000, 0x3000);
	map_at(domain, 0x60023000, 0x15000);
	amd_world_look(amd);
	unmap(domain, 0x60005000, 0x3000);
	ck_assert(AMD_SENT(amd, PIECE(0x60005000), PIECE(0x60006001), wait));
	amd_world_look(amd);
	unmap(domain, 0x60023000, 0x15000);
	ck_assert(AMD_SENT(amd, PIECE(0x60023000), PIECE(0x60025001), PIECE(0x6002b001),
			   PIECE(0x60033001), wait));
}
END_TEST

START_TEST(devices_caches_are_flushed_in_the_same_pieces)
{
	struct amd_domain *domain = attached_domain(ATS_DEVICE, true);
	amd_endpoint_new(amd->iommu, ATS_DEVICE);
	map_at(domain, 0x60005000, 0x3000);
	ck_assert(AMD_SENT(
		amd, PIECE(0x60005002),
		amd_command_invalidate_iotlb(ATS_DEVICE, ATS_DEVICE, 32, 0x60005000, 0x60005fff),
		PIECE(0x60006003),
		amd_command_invalidate_iotlb(ATS_DEVICE, ATS_DEVICE, 32, 0x60006000, 0x60007fff),
		wait));
}
END_TEST

START_TEST(a_whole_domain_is_one_piece)
{
	struct amd_domain *domain = attached_domain(AMD_DEVICE, false);
	amd_domain_ops.set_dirty_tracking(&domain->domain, true);
	ck_assert_uint_eq(
		amd->log[amd_world_command(amd, CMD_INVALIDATE_IOMMU_PAGES, 0)].command.q[1],
		whole_domain.q[1]);
	ck_assert_uint_eq(amd_world_command(amd, CMD_INVALIDATE_IOMMU_PAGES, 1), amd->count);
}
END_TEST

/* What a device was refused before a map works after it: page, and table. */
START_TEST(what_is_mapped_works_although_it_was_absent)
{
	struct amd_domain *domain = attached_domain(AMD_DEVICE, false);
	ck_assert(!reaches(IOVA));
	map_at(domain, IOVA, PAGE_SIZE);
	ck_assert(reaches(IOVA));
	ck_assert(!reaches(IOVA + PAGE_SIZE));
	map_at(domain, IOVA + PAGE_SIZE, PAGE_SIZE);
	ck_assert(reaches(IOVA + PAGE_SIZE));
	unmap(domain, IOVA, PAGE_SIZE);
	ck_assert(!reaches(IOVA));
	map_at(domain, IOVA, PAGE_SIZE);
	ck_assert(reaches(IOVA));
}
END_TEST

START_TEST(an_unmap_is_strict_whatever_was_asked_for)
{
	struct amd_domain *domain = attached_domain(AMD_DEVICE, false);
	amd_world_option(amd, KERNEL_IOMMU_STRICT, IOMMU_LAZY);
	map_at(domain, IOVA, PAGE_SIZE);
	map_at(domain, IOVA + PAGE_SIZE, PAGE_SIZE);
	ck_assert(reaches(IOVA));
	amd_world_look(amd);
	unmap(domain, IOVA, PAGE_SIZE);
	ck_assert(AMD_SENT(amd, PIECE(IOVA), wait));
	ck_assert(!reaches(IOVA));
}
END_TEST

/* The flush after a map is no unmap's: unmap.flush leaves it. */
START_TEST(a_map_is_flushed_and_waited_for_whatever_unmaps_do)
{
	struct amd_domain *domain = attached_domain(AMD_DEVICE, false);
	amd_world_option(amd, KERNEL_UNMAP_FLUSH, UNMAP_FLUSH_NONE);
	map_at(domain, IOVA, PAGE_SIZE);
	ck_assert(AMD_SENT(amd, PIECE(IOVA | 2), wait));
	ck_assert_uint_eq(amd->iommu->ring.head, amd->iommu->ring.tail);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_np_cache");
	TCase *tests = tcase_create("hardware");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_absent_page_stays_absent_until_it_is_invalidated);
	tcase_add_test(tests, an_absent_table_stays_absent_until_it_is_invalidated_with_pde);
	tcase_add_test(tests, a_write_that_would_set_d_finds_what_is_absent);
	tcase_add_test(tests, invalidate_all_drops_what_is_absent);
	tcase_add_test(tests, without_a_cache_of_tables_absent_ones_are_not_kept);
	tcase_add_test(tests, other_faults_are_not_kept);
	tcase_add_test(tests, what_the_host_lacks_under_guest_tables_stays_absent);
	tcase_add_test(tests, a_guests_buffer_that_was_absent_needs_an_invalidation);
	suite_add_tcase(suite, tests);
	tests = tcase_create("driver");
	tcase_add_checked_fixture(tests, setup_world, teardown_world);
	tcase_add_test(tests, a_map_is_flushed_with_pde_in_aligned_pieces);
	tcase_add_test(tests, an_unmap_is_flushed_in_aligned_pieces);
	tcase_add_test(tests, devices_caches_are_flushed_in_the_same_pieces);
	tcase_add_test(tests, a_whole_domain_is_one_piece);
	tcase_add_test(tests, what_is_mapped_works_although_it_was_absent);
	tcase_add_test(tests, an_unmap_is_strict_whatever_was_asked_for);
	tcase_add_test(tests, a_map_is_flushed_and_waited_for_whatever_unmaps_do);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
