/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accessed and dirty bits of host tables: who lets them be set, which entries have them, and what a
 * cached leaf knows of them: sheet amd-iommu (3, 5, 10, 11, 12).
 */
#include <check.h>
#include <stdlib.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define DEVICE   0x20U
#define OTHER    0x28U
#define TRANS    0x30U
#define DOMAIN   0x10U
#define MODE     3U
#define AT       0x12345000ULL
#define GUEST_AT 0x7654321000ULL
#define PASID    5U
#define A        PTE_A
#define AD       (PTE_A | PTE_D)
#define BOTH     3U

static struct profile profile;
static struct amd_kit *kit;
static struct amd_translation got;
static uint64_t root;
static uint64_t page;

static struct amd_dte dte_with(uint64_t had)
{
	struct amd_dte dte = amd_kit_dte(root, MODE, DOMAIN);
	dte.q[0] |= field_put(DTE_HAD, had);
	return dte;
}

static void use(uint16_t device, struct amd_dte dte)
{
	amd_kit_set_dte(kit, device, dte);
	amd_kit_issue(kit, amd_command_invalidate_devtab(device));
}

static void flush(void)
{
	amd_kit_issue(kit, amd_command_invalidate_domain(DOMAIN));
}

static void start(void)
{
	kit = amd_kit_new(&profile);
	root = amd_kit_frames(kit, 1);
	page = amd_kit_frames(kit, 1);
	amd_kit_map(kit, root, MODE, AT, page, PTE_RW);
	amd_kit_control(kit, 0, CONTROL_HAD_UPDATE);
	use(DEVICE, dte_with(BOTH));
	amd_kit_clear(kit);
}

static void set_features(uint64_t value)
{
	uint64_t efr = profile_get(&profile, "efr.features");
	amd_kit_set(&profile, "efr.features", (efr & ~(EFR_HA | EFR_HD)) | value);
}

static void setup(void)
{
	profile = amd_kit_profile();
	set_features(EFR_HA | EFR_HD);
	start();
}

static void teardown(void)
{
	amd_kit_free(kit);
}

static bool works_for(uint16_t device, uint64_t address, bool write)
{
	return amd_translate(kit->amd, device, address, write, AMD_LEAVES_BY_DOMAIN, &got) ==
	       AMD_TRANSLATED;
}

static bool works(uint64_t address, bool write)
{
	return works_for(DEVICE, address, write);
}

static uint64_t entry_at(uint64_t address, unsigned level)
{
	return amd_kit_entry(kit, root, MODE, address, level);
}

/* A and D of the entry of LEVEL for ADDRESS. */
static uint64_t marks(uint64_t address, unsigned level)
{
	return amd_kit_word(kit, entry_at(address, level)) & AD;
}

static void unmark(uint64_t address, unsigned level)
{
	uint64_t at = entry_at(address, level);
	amd_kit_set_word(kit, at, amd_kit_word(kit, at) & ~AD);
}

/* --- what is set [11] --- */

START_TEST(a_read_sets_a_at_every_level_and_a_write_d_of_the_leaf)
{
	uint64_t leaf = amd_kit_word(kit, entry_at(AT, 1)),
		 table = amd_kit_word(kit, entry_at(AT, 2));
	ck_assert(works(AT, false));
	ck_assert_uint_eq(amd_kit_word(kit, entry_at(AT, 1)), leaf | 1ULL << 5);
	ck_assert_uint_eq(amd_kit_word(kit, entry_at(AT, 2)), table | 1ULL << 5);
	ck_assert_uint_eq(marks(AT, 3), A);
	ck_assert(works(AT, true));
	ck_assert_uint_eq(amd_kit_word(kit, entry_at(AT, 1)), leaf | 3ULL << 5);
	ck_assert_uint_eq(marks(AT, 2), A);
	ck_assert_uint_eq(marks(AT, 3), A);
}
END_TEST

START_TEST(each_mark_is_one_write_of_the_whole_entry)
{
	static const unsigned levels[] = {3, 2, 1};
	unsigned writes = 0;
	ck_assert(works(AT, true));
	for (unsigned i = 0; i < kit->access_count; i++) {
		const struct access *access = &kit->accesses[i];
		if (access->purpose != ACCESS_TABLE_WRITE)
			continue;
		ck_assert_uint_lt(writes, 3);
		ck_assert_uint_eq(access->pa.value, entry_at(AT, levels[writes++]));
		ck_assert_uint_eq(access->size, 8);
		ck_assert_uint_eq(access->input, AT);
	}
	ck_assert_uint_eq(writes, 3);
	ck_assert_uint_eq(marks(AT, 3), A);
	ck_assert_uint_eq(marks(AT, 2), A);
	ck_assert_uint_eq(marks(AT, 1), AD);
	/* The entry of the device, three of tables, and three writes. */
	ck_assert_uint_eq(got.cost_ps, (1 + 3 + 3) * kit->amd->timing.walk_read_ps);
}
END_TEST

START_TEST(control_the_devices_entry_and_the_features_all_have_to_allow_it)
{
	static const uint64_t features[] = {0, EFR_HA, EFR_HD, EFR_HA | EFR_HD};
	for (unsigned f = 0; f < 4; f++) {
		teardown();
		set_features(features[f]);
		start();
		for (unsigned update = 0; update < 4; update++)
			for (unsigned had = 0; had < 4; had++) {
				uint64_t a = update & had & 1 && features[f] & EFR_HA ? A : 0;
				uint64_t d =
					update == 3 && had == 3 && features[f] & EFR_HD ? PTE_D : 0;
				amd_kit_control(kit, CONTROL_HAD_UPDATE,
						field_put(CONTROL_HAD_UPDATE, update));
				use(DEVICE, dte_with(had));
				flush();
				unmark(AT, 1);
				ck_assert(works(AT, true));
				ck_assert_uint_eq(marks(AT, 1), a | d);
			}
	}
}
END_TEST

START_TEST(what_faults_marks_nothing)
{
	amd_kit_map(kit, root, MODE, AT, page, PTE_IR);
	ck_assert(!works(AT, true));
	for (unsigned level = 1; level <= MODE; level++)
		ck_assert_uint_eq(marks(AT, level), 0);
	/* Nor is it kept: the read that follows is walked for, and marks. */
	ck_assert(works(AT, false));
	ck_assert_uint_eq(marks(AT, 1), A);
	ck_assert(!works(AT, true));
	ck_assert_uint_eq(marks(AT, 1), A);
	ck_assert(!works(AT + PAGE_SIZE, true)); /* not present */
	ck_assert_uint_eq(marks(AT + PAGE_SIZE, 1), 0);
}
END_TEST

START_TEST(a_device_that_may_not_write_dirties_nothing)
{
	struct amd_dte dte = dte_with(BOTH);
	dte.q[0] &= ~DTE_IW;
	use(DEVICE, dte);
	ck_assert(!works(AT, true));
	ck_assert_uint_eq(marks(AT, 1), 0);
}
END_TEST

START_TEST(of_replicas_the_one_that_was_met_has_the_marks)
{
	const uint64_t base = 0x40000000;
	uint64_t frames = amd_kit_frames(kit, 8);
	uint64_t block = align_up(frames, 4 * PAGE_SIZE);
	for (unsigned i = 0; i < 4; i++) /* 16 KiB: bits 12 on are 1, 0 */
		amd_kit_set_word(kit, entry_at(base + i * PAGE_SIZE, 1),
				 PTE_PR | PTE_RW | field_put(PTE_NEXT, NEXT_CODED_SIZE) | block |
					 PAGE_SIZE);
	ck_assert(works(base + 2 * PAGE_SIZE, true));
	ck_assert_uint_eq(got.order, 2);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(marks(base + i * PAGE_SIZE, 1), i == 2 ? AD : 0);
	ck_assert(works(base, true)); /* of the same leaf: it is known to be dirty */
	ck_assert_int_eq(got.path, PATH_CACHED);
	ck_assert_uint_eq(marks(base, 1), 0);
}
END_TEST

START_TEST(a_mark_that_can_not_be_written_is_a_hardware_error)
{
	port_inject(kit->machine, &(struct port_fault){.engine = kit->amd->port.engine,
						       .purpose = ACCESS_TABLE_WRITE,
						       .nth = 3,
						       .action = FAULT_ABORT});
	ck_assert(!works(AT, true));
	ck_assert_uint_eq(got.event.q[0],
			  4ULL << 60 | 1ULL << 57 | (uint64_t)DOMAIN << 32 | EVT_RW | DEVICE);
	ck_assert_uint_eq(got.event.q[1], entry_at(AT, 1));
	ck_assert_uint_eq(marks(AT, 1), 0);
	ck_assert(works(AT, true)); /* nothing was kept */
	ck_assert_uint_eq(marks(AT, 1), AD);
}
END_TEST

/* --- what is cached --- */

START_TEST(a_cached_leaf_that_is_clean_is_walked_for_by_the_first_write)
{
	ck_assert(works(AT, false));
	ck_assert(works(AT, false));
	ck_assert_int_eq(got.path, PATH_CACHED);
	ck_assert_uint_eq(marks(AT, 1), A);
	ck_assert(works(AT, true));
	ck_assert_int_eq(got.path, PATH_WALKED);
	ck_assert_uint_eq(marks(AT, 1), AD);
	ck_assert(works(AT, true));
	ck_assert_int_eq(got.path, PATH_CACHED);
}
END_TEST

START_TEST(a_leaf_that_software_made_dirty_needs_no_mark)
{
	uint64_t at = entry_at(AT, 1);
	amd_kit_set_word(kit, at, amd_kit_word(kit, at) | PTE_D);
	ck_assert(works(AT, false));
	ck_assert(works(AT, true));
	ck_assert_int_eq(got.path, PATH_CACHED);
}
END_TEST

START_TEST(what_software_cleared_is_set_again_after_an_invalidation)
{
	ck_assert(works(AT, true));
	unmark(AT, 1);
	ck_assert(works(AT, true));
	ck_assert_uint_eq(marks(AT, 1), 0);
	flush();
	ck_assert(works(AT, true));
	ck_assert_uint_eq(marks(AT, 1), AD);
}
END_TEST

START_TEST(a_device_without_had_uses_a_clean_leaf_as_it_is)
{
	use(OTHER, dte_with(0));
	ck_assert(works(AT, false));
	ck_assert(works_for(OTHER, AT, true));
	ck_assert_int_eq(got.path, PATH_CACHED);
	ck_assert_uint_eq(marks(AT, 1), A);
	flush();
	ck_assert(works_for(OTHER, AT, true)); /* nor does its walk say that it is dirty */
	ck_assert(works(AT, true));
	ck_assert_uint_eq(marks(AT, 1), AD);
}
END_TEST

START_TEST(a_table_is_remembered_once_those_above_are_marked)
{
	const uint64_t hole = AT + PAGE_SIZE;
	ck_assert(!works(hole, false));
	ck_assert_uint_eq(marks(AT, 2), 0);
	amd_kit_map(kit, root, MODE, hole, page, PTE_RW);
	ck_assert(works(hole, false));
	ck_assert_uint_eq(marks(AT, 3), A);
	ck_assert_uint_eq(marks(AT, 2), A);
	unmark(AT, 3);
	ck_assert(works(AT, false)); /* begins at the table of level 1 */
	ck_assert_uint_eq(marks(AT, 1), A);
	ck_assert_uint_eq(marks(AT, 3), 0);
}
END_TEST

START_TEST(without_had_the_tables_are_never_written)
{
	use(DEVICE, dte_with(0));
	amd_kit_clear(kit);
	ck_assert(works(AT, true));
	ck_assert(works(AT, true));
	ck_assert_int_eq(got.path, PATH_CACHED);
	for (unsigned i = 0; i < kit->access_count; i++)
		ck_assert_int_ne(kit->accesses[i].purpose, ACCESS_TABLE_WRITE);
}
END_TEST

/* --- guests --- */

/* The entry of the guest's own tables for one of its buffers. */
static uint64_t buffer_marks(const struct amd_kit_guest *guest, uint64_t address)
{
	return amd_kit_word(kit, amd_kit_entry(kit, guest->root, GUEST_MODE, address, 1)) & AD;
}

START_TEST(a_guests_ring_is_accessed_and_what_it_stores_to_is_dirty)
{
	for (unsigned tag = AMD_BUFFER_TAG_DOMAIN; tag <= AMD_BUFFER_TAG_DEVICE; tag++) {
		uint16_t device = (uint16_t)(TRANS + tag), domain = (uint16_t)(DOMAIN + 1 + tag);
		struct amd_kit_guest guest =
			amd_kit_guest(kit, (uint16_t)(7 + tag), device, domain);
		struct amd_dte dte = amd_kit_dte(guest.root, GUEST_MODE, domain);
		amd_kit_assume(kit, AMD_BUFFER_TAG, tag);
		amd_kit_guest_issue(&guest, amd_command_completion_wait(GUEST_MEMORY_AT, 1));
		ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 1);
		ck_assert_uint_eq(buffer_marks(&guest, GUEST_MEMORY_AT), 0);
		dte.q[0] |= field_put(DTE_HAD, BOTH);
		use(device, dte);
		amd_kit_issue(kit, amd_command_invalidate_domain(domain));
		for (unsigned i = 0; i < 4; i++) /* another line */
			amd_kit_guest_issue(&guest,
					    amd_command_completion_wait(GUEST_MEMORY_AT, 2));
		ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 2);
		ck_assert_uint_eq(buffer_marks(&guest, GUEST_RING_AT), A);
		ck_assert_uint_eq(buffer_marks(&guest, GUEST_MEMORY_AT), AD);
		amd_kit_guest_issue(&guest, (struct amd_command){{0, 0}}); /* an event */
		ck_assert_uint_eq(buffer_marks(&guest, GUEST_LOG_AT), AD);
	}
}
END_TEST

/* --- nested [12] --- */

static uint64_t next_page;
static uint64_t guest_page;

/* A page of guest memory. */
static uint64_t new_page(void)
{
	next_page += PAGE_SIZE;
	amd_kit_map(kit, root, MODE, next_page, amd_kit_frames(kit, 1), PTE_RW);
	return next_page;
}

static uint64_t memory_of(uint64_t gpa)
{
	return (amd_kit_word(kit, entry_at(gpa & ~0xfffULL, 1)) & PTE_ADDR) | (gpa & 0xfff);
}

/* The guest's tables of GUEST_AT, from the top, and the guest addresses of their pages. */
static uint64_t tables[5];

static uint64_t guest_entry(unsigned level)
{
	return tables[level] + (GUEST_AT >> amd_level_shift(level) & 511) * 8;
}

static void nest(void)
{
	struct amd_dte dte = dte_with(BOTH);
	uint64_t gcr3 = amd_kit_frames(kit, 1);
	next_page = 0x1000000;
	guest_page = new_page();
	for (unsigned level = 4; level > 0; level--)
		tables[level] = new_page();
	for (unsigned level = 4; level > 0; level--)
		amd_kit_set_word(kit, memory_of(guest_entry(level)),
				 GPTE_P | GPTE_RW | GPTE_US |
					 (level > 1 ? tables[level - 1] : guest_page));
	amd_kit_set_word(kit, gcr3 + 8ULL * PASID, GCR3_V | tables[4]);
	dte.q[0] |= DTE_GV;
	amd_dte_set_gcr3(&dte, gcr3);
	amd_kit_control(kit, 0, CONTROL_GT_EN);
	use(DEVICE, dte);
}

static bool reaches(bool write)
{
	const struct amd_request request = {.address = GUEST_AT,
					    .pasid = PASID,
					    .device = DEVICE,
					    .has_pasid = true,
					    .write = write};
	return amd_translate_request(kit->amd, &request, AMD_LEAVES_BY_DOMAIN, &got) ==
	       AMD_TRANSLATED;
}

START_TEST(under_a_guests_tables_the_hosts_leaves_are_marked)
{
	nest();
	amd_kit_control(kit, 0, CONTROL_GA_UPDATE_DIS | CONTROL_GD_UPDATE_DIS);
	ck_assert(reaches(false));
	for (unsigned level = 1; level <= 4; level++)
		ck_assert_uint_eq(marks(tables[level], 1), A);
	ck_assert_uint_eq(marks(guest_page, 1), A);
	ck_assert(reaches(true)); /* the leaf of both was clean */
	ck_assert_int_eq(got.path, PATH_WALKED);
	ck_assert_uint_eq(marks(guest_page, 1), AD);
	for (unsigned level = 1; level <= 4; level++)
		ck_assert_uint_eq(marks(tables[level], 1), A);
	ck_assert(reaches(true));
	ck_assert_int_eq(got.path, PATH_CACHED);
}
END_TEST

START_TEST(a_mark_in_the_guests_tables_dirties_their_pages)
{
	nest();
	ck_assert(reaches(false));
	for (unsigned level = 1; level <= 4; level++) {
		ck_assert_uint_eq(amd_kit_word(kit, memory_of(guest_entry(level))) & AD, GPTE_A);
		ck_assert_uint_eq(marks(tables[level], 1), AD);
	}
	ck_assert_uint_eq(marks(guest_page, 1), A);
}
END_TEST

START_TEST(a_dirty_leaf_of_the_host_is_not_the_guests)
{
	nest();
	ck_assert(works(guest_page, true)); /* by its guest address: the host's leaf is dirty */
	ck_assert(reaches(false));
	ck_assert_uint_eq(amd_kit_word(kit, memory_of(guest_entry(1))) & AD, GPTE_A);
	ck_assert(reaches(true));
	ck_assert_uint_eq(amd_kit_word(kit, memory_of(guest_entry(1))) & AD, AD);
	ck_assert(reaches(true));
	ck_assert_int_eq(got.path, PATH_CACHED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_dirty");
	TCase *tests = tcase_create("host tables");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_read_sets_a_at_every_level_and_a_write_d_of_the_leaf);
	tcase_add_test(tests, each_mark_is_one_write_of_the_whole_entry);
	tcase_add_test(tests, control_the_devices_entry_and_the_features_all_have_to_allow_it);
	tcase_add_test(tests, what_faults_marks_nothing);
	tcase_add_test(tests, a_device_that_may_not_write_dirties_nothing);
	tcase_add_test(tests, of_replicas_the_one_that_was_met_has_the_marks);
	tcase_add_test(tests, a_mark_that_can_not_be_written_is_a_hardware_error);
	tcase_add_test(tests, a_cached_leaf_that_is_clean_is_walked_for_by_the_first_write);
	tcase_add_test(tests, a_leaf_that_software_made_dirty_needs_no_mark);
	tcase_add_test(tests, what_software_cleared_is_set_again_after_an_invalidation);
	tcase_add_test(tests, a_device_without_had_uses_a_clean_leaf_as_it_is);
	tcase_add_test(tests, a_table_is_remembered_once_those_above_are_marked);
	tcase_add_test(tests, without_had_the_tables_are_never_written);
	tcase_add_test(tests, a_guests_ring_is_accessed_and_what_it_stores_to_is_dirty);
	tcase_add_test(tests, under_a_guests_tables_the_hosts_leaves_are_marked);
	tcase_add_test(tests, a_mark_in_the_guests_tables_dirties_their_pages);
	tcase_add_test(tests, a_dirty_leaf_of_the_host_is_not_the_guests);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
