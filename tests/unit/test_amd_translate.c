/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device table entries and v1 tables, against an obvious walker; faults and their flags; what is
 * cached and what drops it: sheet amd-iommu (9, 10, 11, 13).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define DEVICE       0x20U
#define OTHER        0x28U
#define DOMAIN       0x10U
#define OTHER_DOMAIN 0x11U
#define AT           0x12345000ULL
#define NO_RAM       0x1000ULL
#define SEED         20261126U
#define RIGHTS       PTE_RW

#define ILLEGAL_ENTRY (1ULL << 60)
#define PAGE_FAULT    (2ULL << 60 | (uint64_t)DOMAIN << 32)

static struct profile profile;
static struct amd_kit *kit;
static struct amd_translation got;
static uint64_t root;
static uint64_t page; /* two pages of memory */

static void setup(void)
{
	profile = amd_kit_profile();
	kit = amd_kit_new(&profile);
	root = amd_kit_frames(kit, 1);
	page = amd_kit_frames(kit, 2);
	amd_kit_set_dte(kit, DEVICE, amd_kit_dte(root, 3, DOMAIN));
	amd_kit_clear(kit);
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

static void check_reaches(uint64_t address, uint64_t pa)
{
	ck_assert_msg(works(address, false), "%lx faults with %016lx", address, got.event.q[0]);
	ck_assert_uint_eq(got.pa.value, pa);
}

/* Q0 less the DeviceID and, of a write, RW. */
static void check_faults(uint64_t address, bool write, uint64_t q0)
{
	ck_assert_msg(!works(address, write), "%lx is translated", address);
	ck_assert_msg(got.event.q[0] == (q0 | DEVICE | (write ? EVT_RW : 0)),
		      "%lx: event %016lx, expected %016lx", address, got.event.q[0], q0);
	ck_assert_uint_eq(got.event.q[1], address);
}

/* The hardware sees it. */
static void set_dte(uint64_t q0, uint64_t q1)
{
	amd_kit_set_dte(kit, DEVICE, (struct amd_dte){{q0, q1, 0, 0}});
	amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE));
}

static void map(uint64_t address, uint64_t pa, uint64_t rights)
{
	amd_kit_map(kit, root, 3, address, pa, rights);
}

static void set_entry(uint64_t address, unsigned level, uint64_t value)
{
	amd_kit_set_word(kit, amd_kit_entry(kit, root, 3, address, level), value);
}

/* Nothing of DOMAIN is cached. */
static void flush(void)
{
	amd_kit_issue(kit, amd_command_invalidate_domain(DOMAIN));
}

/* --- device table entries [10] --- */

#define V_TV     (DTE_V | DTE_TV)
#define MODE(n)  ((uint64_t)(n) << 9)
#define DTE_RW   (DTE_IR | DTE_IW)
#define DOMAIN_1 ((uint64_t)DOMAIN)

START_TEST(an_invalid_entry_forwards_unchecked_whatever_else_it_says)
{
	static const uint64_t entries[] = {0, DTE_TV, MODE(7), ~DTE_V};
	for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		set_dte(entries[i], ~0ULL);
		for (unsigned write = 0; write < 2; write++) {
			ck_assert(works(AT, write));
			ck_assert_uint_eq(got.pa.value, AT);
			ck_assert_int_eq(got.path, PATH_BYPASS);
			ck_assert(got.readable && got.writable);
		}
	}
}
END_TEST

START_TEST(an_entry_without_translation_information_aborts)
{
	set_dte(DTE_V | DTE_RW, DOMAIN_1);
	check_faults(AT, false, PAGE_FAULT);
	check_faults(AT, true, PAGE_FAULT);
}
END_TEST

START_TEST(mode_0_passes_through_what_ir_and_iw_allow)
{
	for (unsigned rights = 0; rights < 4; rights++) {
		set_dte(V_TV | (rights & 1 ? DTE_IR : 0) | (rights & 2 ? DTE_IW : 0), DOMAIN_1);
		for (unsigned write = 0; write < 2; write++) {
			if (!(rights & (write ? 2 : 1))) {
				check_faults(AT, write, PAGE_FAULT | EVT_PR | EVT_PE);
				continue;
			}
			ck_assert(works(AT, write));
			ck_assert_uint_eq(got.pa.value, AT);
			ck_assert_int_eq(got.readable, (rights & 1) != 0);
			ck_assert_int_eq(got.writable, (rights & 2) != 0);
		}
	}
}
END_TEST

START_TEST(modes_beyond_what_the_iommu_has_are_illegal)
{
	for (unsigned hats = 0; hats < 3; hats++) {
		teardown();
		profile = amd_kit_profile();
		amd_kit_set(&profile, "hats.code", hats);
		kit = amd_kit_new(&profile);
		root = amd_kit_frames(kit, 1);
		for (unsigned mode = 1; mode < 8; mode++) {
			set_dte(V_TV | DTE_RW | MODE(mode) | root, DOMAIN_1);
			bool legal = mode <= 4 + hats;
			check_faults(AT & 0xfffff, false, legal ? PAGE_FAULT : ILLEGAL_ENTRY);
		}
	}
}
END_TEST

START_TEST(reserved_bits_of_an_entry_are_illegal)
{
	static const unsigned bits[] = {2, 3, 4, 5, 6, 63};
	map(AT, page, RIGHTS);
	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		set_dte(amd_kit_dte(root, 3, 0).q[0] | 1ULL << bits[i], DOMAIN_1);
		check_faults(AT, i % 2, ILLEGAL_ENTRY | EVT_RZ);
	}
	set_dte(amd_kit_dte(root, 3, 0).q[0], DOMAIN_1);
	check_reaches(AT, page);
}
END_TEST

START_TEST(a_device_beyond_the_table_is_illegal)
{
	ck_assert(works_for(KIT_DEVICES - 1, AT, false));
	ck_assert(!works_for(KIT_DEVICES, AT, false));
	ck_assert_uint_eq(got.event.q[0], ILLEGAL_ENTRY | KIT_DEVICES);
	ck_assert(!works_for(0xffff, AT, true));
	ck_assert_uint_eq(got.event.q[0], ILLEGAL_ENTRY | EVT_RW | 0xffff);
}
END_TEST

/* On an IOMMU with up to MOST bits of segment; one page of entries each, of domain 1 + its number. */
static void make_segments(unsigned most, unsigned bits)
{
	struct profile segmented = amd_kit_profile();
	uint64_t efr = profile_get(&segmented, "efr.features");
	teardown();
	amd_kit_set(&segmented, "efr.features", field_set(efr, EFR_DEV_TABLE_SEG, most));
	kit = amd_kit_new(&segmented);
	amd_kit_control(kit, CONTROL_IOMMU_EN, 0);
	for (uint32_t i = 0; i < AMD_DEV_TABLES; i++) {
		uint64_t table = amd_kit_frames(kit, 1);
		amd_kit_set_word(kit, table + DTE_SIZE * 5, V_TV | DTE_RW);
		amd_kit_set_word(kit, table + DTE_SIZE * 5 + 8, 1 + i);
		amd_kit_write(kit, i == 0 ? AMD_DEV_TABLE : AMD_DEV_TABLE_SEG + 8 * (i - 1), 8,
			      table);
	}
	amd_kit_control(kit, CONTROL_DEV_TABLE_SEG, field_put(CONTROL_DEV_TABLE_SEG, bits));
	amd_kit_control(kit, CONTROL_IOMMU_EN, CONTROL_IOMMU_EN);
}

static void check_segments(unsigned bits)
{
	for (uint32_t i = 0; i < 1U << bits; i++) {
		uint16_t first = (uint16_t)(i << (16 - bits));
		ck_assert(works_for(first + 5, AT, false));
		ck_assert_uint_eq(got.domain, 1 + i);
		ck_assert(!works_for(first + PAGE_SIZE / DTE_SIZE, AT, false));
		ck_assert_uint_eq(got.event.q[0], ILLEGAL_ENTRY | (first + PAGE_SIZE / DTE_SIZE));
	}
}

START_TEST(the_top_bits_of_a_device_choose_the_segment)
{
	for (unsigned bits = 0; bits <= 3; bits++) {
		make_segments(3, bits);
		check_segments(bits);
	}
}
END_TEST

/* The sheet is silent; the hardware has as many as it says. */
START_TEST(there_are_no_more_segments_than_the_feature_says)
{
	make_segments(1, 3);
	check_segments(1);
	make_segments(0, 1);
	check_segments(0);
}
END_TEST

START_TEST(an_illegal_entrys_event_has_an_address_of_four_bytes)
{
	static const struct {
		uint64_t q0;
		uint64_t q1;
	} rows[] = {
		{V_TV | DTE_RW | MODE(7), 0},
		{V_TV | DTE_RW | BITS(2, 2), 0},
	};
	ck_assert(!works_for(KIT_DEVICES, AT + 7, false));
	ck_assert_uint_eq(got.event.q[1], AT + 4);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_dte(rows[i].q0, rows[i].q1);
		ck_assert(!works(AT + 7, true));
		ck_assert_uint_eq(field_get(got.event.q[0], EVT_CODE), 1);
		ck_assert_uint_eq(got.event.q[1], AT + 4);
	}
}
END_TEST

START_TEST(sats_is_no_reserved_bit)
{
	set_dte(V_TV | DTE_RW, BITS(42, 42));
	ck_assert(works(AT, true));
}
END_TEST

START_TEST(a_device_beyond_the_table_is_told_with_its_pasid)
{
	const struct amd_request request = {
		.address = AT, .pasid = 0x54321, .device = KIT_DEVICES, .has_pasid = true};
	ck_assert_int_eq(amd_translate_request(kit->amd, &request, AMD_LEAVES_NOWHERE, &got),
			 AMD_FAULT);
	ck_assert_uint_eq(got.event.q[0],
			  1ULL << 60 | 1ULL << 48 | 0x4321ULL << 32 | 5U << 16 | KIT_DEVICES);
}
END_TEST

START_TEST(an_entry_that_cannot_be_read_is_a_hardware_error)
{
	amd_kit_control(kit, CONTROL_IOMMU_EN, 0);
	amd_kit_write(kit, AMD_DEV_TABLE, 8, NO_RAM);
	amd_kit_control(kit, 0, CONTROL_IOMMU_EN);
	ck_assert(!works(AT, true));
	ck_assert_uint_eq(got.event.q[0], 3ULL << 60 | 1ULL << 57 | EVT_RW | DEVICE);
	ck_assert_uint_eq(got.event.q[1], NO_RAM + DEVICE * 32);
}
END_TEST

START_TEST(nothing_is_translated_while_the_iommu_is_off)
{
	amd_kit_control(kit, CONTROL_IOMMU_EN, 0);
	check_reaches(AT, AT);
	ck_assert_int_eq(got.path, PATH_BYPASS);
	ck_assert_uint_eq(kit->access_count, 0);
}
END_TEST

/* One transaction of 256 bits [10], then one read a level [11]. */
START_TEST(a_walk_reads_an_entry_a_level)
{
	map(AT, page, RIGHTS);
	check_reaches(AT + 0x678, page + 0x678);
	ck_assert_int_eq(got.path, PATH_WALKED);
	ck_assert_uint_eq(kit->access_count, 4);
	ck_assert_uint_eq(kit->accesses[0].pa.value, kit->devices + DEVICE * 32);
	ck_assert_uint_eq(kit->accesses[0].size, 32);
	ck_assert_uint_eq(kit->accesses[1].pa.value, root + (AT >> 30) * 8);
	ck_assert_uint_eq(kit->accesses[3].pa.value, amd_kit_entry(kit, root, 3, AT, 1));
	ck_assert_uint_eq(got.cost_ps, 4 * 125000);
	check_reaches(AT, page);
	ck_assert_uint_eq(kit->access_count, 4);
	ck_assert_int_eq(got.path, PATH_CACHED);
}
END_TEST

/* --- table entries [11, 13] --- */

START_TEST(a_hole_at_any_level_is_not_present)
{
	for (unsigned level = 3; level >= 1; level--) {
		set_entry(AT, level, ~PTE_PR);
		check_faults(AT, level & 1, PAGE_FAULT);
		set_entry(AT, level, 0);
	}
	map(AT, page, RIGHTS); /* not-present is not cached */
	check_reaches(AT, page);
}
END_TEST

START_TEST(permission_is_that_of_all_levels_and_of_the_device)
{
	for (unsigned where = 0; where < 4; where++)
		for (unsigned rights = 0; rights < 4; rights++) {
			uint64_t lacking = (rights & 1 ? 0 : PTE_IR) | (rights & 2 ? 0 : PTE_IW);
			map(AT, page, RIGHTS);
			set_dte(amd_kit_dte(root, 3, 0).q[0] & ~(where == 0 ? lacking : 0),
				DOMAIN_1);
			uint64_t at = amd_kit_entry(kit, root, 3, AT, where > 0 ? where : 1);
			uint64_t entry = amd_kit_word(kit, at);
			amd_kit_set_word(kit, at, entry & ~(where > 0 ? lacking : 0));
			flush();
			for (unsigned write = 0; write < 2; write++) {
				if (rights & (write ? 2 : 1))
					ck_assert(works(AT, write));
				else
					check_faults(AT, write, PAGE_FAULT | EVT_PR | EVT_PE);
				ck_assert_int_eq(got.readable, rights & 1);
				ck_assert_int_eq(got.writable, rights >> 1);
			}
			amd_kit_set_word(kit, at, entry);
		}
}
END_TEST

START_TEST(reserved_bits_of_a_table_entry_fault_with_rz)
{
	static const unsigned bits[] = {52, 53, 54, 55, 56, 63};
	map(AT, page, RIGHTS);
	for (unsigned level = 1; level <= 3; level++)
		for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
			uint64_t at = amd_kit_entry(kit, root, 3, AT, level);
			uint64_t entry = amd_kit_word(kit, at);
			amd_kit_set_word(kit, at, entry | 1ULL << bits[i]);
			flush();
			check_faults(AT, i % 2, PAGE_FAULT | EVT_PR | EVT_RZ);
			amd_kit_set_word(kit, at, entry);
		}
}
END_TEST

START_TEST(attributes_of_a_leaf_do_not_matter)
{
	map(AT, page, RIGHTS);
	set_entry(AT, 1, page | PTE_PR | RIGHTS | BITS(6, 5) | BITS(60, 57));
	check_reaches(AT, page);
}
END_TEST

/* What an entry of a level may not be: bad levels and sizes. */
START_TEST(bad_levels_and_sizes_fault_with_pr_alone)
{
	static const struct {
		unsigned level;
		unsigned next;
		uint64_t address;
	} rows[] = {
		{1, 1, 0},
		{1, 6, 0},
		{2, 2, 0},
		{2, 3, 0},
		{3, 3, 0},
		{3, 6, 0},
		{1, 7, 0x000ff000},   /* 2 MiB */
		{1, 7, 0x7fffff000},  /* far beyond */
		{2, 7, 0x00000000},   /* 8 KiB */
		{2, 7, 0x0007f000},   /* 1 MiB */
		{2, 7, 0x000ff000},   /* 2 MiB: the level's own */
		{2, 7, 0x1ffff000},   /* 1 GiB: the next level's */
		{3, 7, 0x1ffff000},   /* 1 GiB: the level's own */
		{3, 7, 0x3ffffff000}, /* 512 GiB: the next level's */
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		map(AT, page, RIGHTS);
		set_entry(AT, rows[i].level,
			  PTE_PR | RIGHTS | MODE(rows[i].next) | rows[i].address);
		flush();
		check_faults(AT, i % 2, PAGE_FAULT | EVT_PR);
		set_entry(AT, rows[i].level, 0);
	}
}
END_TEST

START_TEST(level_6_has_no_leaves)
{
	set_dte(amd_kit_dte(root, 6, 0).q[0], DOMAIN_1);
	amd_kit_set_word(kit, root, PTE_PR | RIGHTS);
	check_faults(AT, false, PAGE_FAULT | EVT_PR);
	amd_kit_set_word(kit, root, PTE_PR | RIGHTS | MODE(7) | 0x7fffffffff000);
	check_faults(AT, false, PAGE_FAULT | EVT_PR);
}
END_TEST

START_TEST(an_address_beyond_the_mode_is_not_present)
{
	for (unsigned mode = 1; mode <= 5; mode++) {
		uint64_t beyond = 1ULL << (12 + 9 * mode);
		set_dte(amd_kit_dte(root, mode, 0).q[0], DOMAIN_1);
		amd_kit_map(kit, root, mode, beyond - 0x1000, page, RIGHTS);
		check_reaches(beyond - 1, page + 0xfff);
		check_faults(beyond, true, PAGE_FAULT);
		check_faults(~0ULL, false, PAGE_FAULT);
		root = amd_kit_frames(kit, 1);
		flush();
	}
	set_dte(amd_kit_dte(root, 6, 0).q[0], DOMAIN_1);
	amd_kit_map(kit, root, 6, ~0ULL, page, RIGHTS);
	check_reaches(~0ULL, page + 0xfff);
}
END_TEST

START_TEST(leaves_have_their_levels_size)
{
	for (unsigned level = 1; level <= 5; level++) {
		uint64_t size = 1ULL << (12 + 9 * (level - 1));
		uint64_t address = 0x8123456789abcdeULL;
		root = amd_kit_frames(kit, 1);
		set_dte(amd_kit_dte(root, 6, 0).q[0], DOMAIN_1);
		flush();
		/* Address bits inside the leaf are not looked at. */
		amd_kit_set_word(kit, amd_kit_entry(kit, root, 6, address, level),
				 PTE_PR | RIGHTS | 0x5a5a5a5a5a000);
		check_reaches(address, (0x5a5a5a5a5a000 & ~(size - 1)) | (address & (size - 1)));
		ck_assert_uint_eq(got.order, 9 * (level - 1));
	}
}
END_TEST

/* 2^(k+1) by the lowest zero bit k. */
START_TEST(leaves_of_coded_size_have_it)
{
	static const struct {
		unsigned level;
		unsigned bits;
		uint64_t coded;
		uint64_t pa;
	} rows[] = {
		{1, 13, 0x40000000, 0x40000000},   {1, 14, 0x40001000, 0x40000000},
		{1, 16, 0x40007000, 0x40000000},   {1, 20, 0x4007f000, 0x40000000},
		{2, 22, 0x401ff000, 0x40000000},   {2, 29, 0x4ffff000, 0x40000000},
		{3, 31, 0xc3ffff000, 0xc00000000}, {3, 38, 0x5ffffff000, 0x4000000000},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t inside = AT & ((1ULL << rows[i].bits) - 1);
		map(AT, page, RIGHTS);
		set_entry(AT, rows[i].level, PTE_PR | RIGHTS | MODE(7) | rows[i].coded);
		flush();
		if (works(AT + 0x123, false)) {
			ck_assert_uint_eq(got.order, rows[i].bits - 12);
			ck_assert_uint_eq(got.pa.value, rows[i].pa | inside | 0x123);
		} else {
			ck_abort_msg("row %u faults", i);
		}
		set_entry(AT, rows[i].level, 0);
	}
}
END_TEST

START_TEST(a_skipped_level_must_have_address_bits_of_zero)
{
	uint64_t table = amd_kit_frames(kit, 1);
	set_entry(0x40000000, 3, PTE_PR | RIGHTS | MODE(1) | table);
	for (unsigned i = 0; i < 512; i++)
		amd_kit_set_word(kit, table + 8ULL * i,
				 PTE_PR | RIGHTS | (page + 0x1000 * (i & 1)));
	check_reaches(0x40000000, page);
	check_reaches(0x401ff000, page + 0x1000);
	for (uint64_t bit = 0x200000; bit < 0x40000000; bit <<= 1)
		check_faults(0x40000000 | bit, false, PAGE_FAULT | EVT_PR);
}
END_TEST

START_TEST(a_table_that_cannot_be_read_is_a_hardware_error)
{
	set_entry(AT, 3, PTE_PR | RIGHTS | MODE(2) | NO_RAM);
	ck_assert(!works(AT, true));
	ck_assert_uint_eq(got.event.q[0],
			  4ULL << 60 | 1ULL << 57 | EVT_RW | (uint64_t)DOMAIN << 32 | DEVICE);
	ck_assert_uint_eq(got.event.q[1], NO_RAM + (AT >> 21 & 511) * 8);
}
END_TEST

/* --- DMA --- */

/* --- exclusion range, suppressed faults [2, 10] --- */

static void exclude(uint64_t first, uint64_t last, uint64_t bits)
{
	amd_kit_write(kit, AMD_EXCL_LIMIT, 8, last & EXCL_ADDR);
	amd_kit_write(kit, AMD_EXCL_BASE, 8, first | bits);
}

static void check_excluded(uint64_t address, bool excluded)
{
	ck_assert_int_eq(works(address, true), excluded);
	if (excluded)
		ck_assert_uint_eq(got.pa.value, address);
}

START_TEST(an_excluded_address_is_forwarded_for_all_devices)
{
	exclude(AT, AT + 0x1fff, EXCL_EN | EXCL_ALLOW);
	check_excluded(AT - 1, false);
	check_excluded(AT, true);
	check_excluded(AT + 0x1fff, true);
	check_excluded(AT + 0x2000, false);
	exclude(AT, AT + 0x1fff, EXCL_ALLOW);
	check_excluded(AT, false);
}
END_TEST

START_TEST(an_excluded_address_is_forwarded_for_devices_whose_entry_says_so)
{
	exclude(AT, AT, EXCL_EN);
	check_excluded(AT, false);
	set_dte(DTE_V | DTE_TV | field_put(DTE_MODE, 3) | root, DOMAIN | DTE_EX);
	check_excluded(AT, true);
	check_excluded(AT + 0x1000, false);
}
END_TEST

/* Faults of DEVICE's DMA, and how many of them are logged. */
static uint32_t logged_of(unsigned faults)
{
	uint32_t before = amd_kit_events(kit), bytes = 0;
	for (unsigned i = 0; i < faults; i++)
		ck_assert_int_eq(amd_dma(kit->amd, DEVICE, AT, false, &bytes, 4, &got), AMD_FAULT);
	return amd_kit_events(kit) - before;
}

START_TEST(sa_logs_no_page_fault_of_the_device)
{
	uint64_t q0 = DTE_V | DTE_TV | field_put(DTE_MODE, 3) | root;
	set_dte(q0, DOMAIN);
	ck_assert_uint_eq(logged_of(3), 3);
	set_dte(q0, DOMAIN | DTE_SA);
	ck_assert_uint_eq(logged_of(3), 0);
}
END_TEST

START_TEST(se_logs_the_first_page_fault_until_the_entry_is_read_again)
{
	set_dte(DTE_V | DTE_TV | field_put(DTE_MODE, 3) | root, DOMAIN | DTE_SE);
	ck_assert_uint_eq(logged_of(3), 1);
	ck_assert_uint_eq(logged_of(3), 0);
	amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE));
	ck_assert_uint_eq(logged_of(3), 1);
}
END_TEST

START_TEST(suppression_is_of_page_faults_only)
{
	set_dte(DTE_V | DTE_TV | BITS(2, 2), DOMAIN | DTE_SA);
	ck_assert_uint_eq(logged_of(2), 2);
	ck_assert_uint_eq(field_get(got.event.q[0], EVT_CODE), EVENT_ILLEGAL_DEV_TABLE_ENTRY);
}
END_TEST

START_TEST(dma_moves_bytes_or_logs_a_fault)
{
	uint8_t bytes[8];
	map(AT, page, PTE_IR);
	amd_kit_set_word(kit, page + 0x10, 0x1122334455667788);
	ck_assert_int_eq(amd_dma(kit->amd, DEVICE, AT + 0x10, false, bytes, 8, &got),
			 AMD_TRANSLATED);
	ck_assert_uint_eq(load_le64(bytes), 0x1122334455667788);
	const struct access *access = &kit->accesses[kit->access_count - 1];
	ck_assert_int_eq(access->purpose, ACCESS_DMA_READ);
	ck_assert_uint_eq(access->context, CONTEXT_DEVICE(DEVICE));
	ck_assert_uint_eq(access->input, AT + 0x10);
	ck_assert_int_eq(access->path, PATH_WALKED);
	ck_assert_int_eq(amd_dma(kit->amd, DEVICE, AT + 0x10, true, bytes, 8, &got), AMD_FAULT);
	ck_assert_uint_eq(amd_kit_events(kit), 1);
	ck_assert_uint_eq(amd_kit_event(kit, kit->log, 0).q[0],
			  PAGE_FAULT | EVT_PR | EVT_PE | EVT_RW | DEVICE);
	ck_assert_uint_eq(amd_kit_event(kit, kit->log, 0).q[1], AT + 0x10);
	map(AT + 0x1000, page, RIGHTS);
	store_le64(bytes, 42);
	ck_assert_int_eq(amd_dma(kit->amd, DEVICE, AT + 0x1000, true, bytes, 8, &got),
			 AMD_TRANSLATED);
	ck_assert_uint_eq(amd_kit_word(kit, page), 42);
}
END_TEST

/* --- caches [9] --- */

/* Each as an INVALIDATE_IOMMU_PAGES of DOMAIN, unless it says otherwise; whether AT is dropped. */
START_TEST(a_stale_leaf_is_used_until_its_domain_and_range_are_invalidated)
{
	static const struct {
		struct amd_command command;
		bool drops;
	} rows[] = {
		{{{0x3000001100000000, 0x7ffffffffffff003}}, false}, /* another domain */
		{{{0x3000001000000000, 0x0000000012344000}}, false}, /* the page before */
		{{{0x3000001000000000, 0x0000000012346000}}, false}, /* the page behind */
		{{{0x3000001000000000, 0x0000000012346001}}, false}, /* two pages behind */
		{{{0x3000001000000000, 0x0000000012345004}}, false}, /* GN: a guest's own */
		{{{0x2000000000000020, 0}}, false},                  /* the device's entry */
		{{{0x1000000000000000, 0}}, false},
		{{{0x3000001000000000, 0x0000000012345000}}, true},
		{{{0x3000001000000000, 0x0000000012344001}}, true}, /* 8 KiB */
		{{{0x3000001000000000, 0x0000000012347001}}, true}, /* 64 KiB: 3 ones */
		{{{0x300000100000beef, 0x7ffffffffffff003}}, true},
		{{{0x3000001000000000, 0xfffffffffffff001}}, true},
		{{{0x8000000000000000, 0}}, true},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		map(AT, page, RIGHTS);
		amd_kit_issue(kit, amd_command_invalidate_all());
		check_reaches(AT, page);
		map(AT, page + 0x1000, RIGHTS);
		check_reaches(AT, page);
		amd_kit_clear(kit);
		amd_kit_issue(kit, rows[i].command);
		ck_assert_int_eq(kit->probes[0].kind, PROBE_EXECUTED);
		ck_assert_uint_eq(kit->probes[0].removed, rows[i].drops);
		ck_assert(works(AT, false));
		ck_assert_msg(got.pa.value == page + (rows[i].drops ? 0x1000 : 0), "row %u", i);
		ck_assert_int_eq(got.path, rows[i].drops ? PATH_WALKED : PATH_CACHED);
	}
}
END_TEST

START_TEST(a_page_of_a_large_leaf_drops_all_of_it)
{
	map(AT, page, RIGHTS);
	set_entry(AT, 2, PTE_PR | RIGHTS | 0x40000000);
	check_reaches(0x12200000, 0x40000000);
	set_entry(AT, 2, PTE_PR | RIGHTS | 0x80000000);
	check_reaches(0x12212345, 0x40012345);
	amd_kit_issue(kit, amd_command_invalidate_pages(DOMAIN, 0x123ff000, 0x123fffff, false));
	check_reaches(0x12212345, 0x80012345);
}
END_TEST

START_TEST(devices_of_one_domain_share_what_is_cached)
{
	uint64_t other = amd_kit_frames(kit, 1);
	map(AT, page, RIGHTS);
	amd_kit_map(kit, other, 3, AT, page + 0x1000, RIGHTS);
	amd_kit_set_dte(kit, OTHER, amd_kit_dte(other, 3, DOMAIN));
	amd_kit_set_dte(kit, OTHER + 1, amd_kit_dte(other, 3, OTHER_DOMAIN));
	check_reaches(AT, page);
	ck_assert(works_for(OTHER, AT, false));
	ck_assert_uint_eq(got.pa.value, page);
	ck_assert(works_for(OTHER + 1, AT, false));
	ck_assert_uint_eq(got.pa.value, page + 0x1000);
}
END_TEST

START_TEST(a_cached_leaf_keeps_its_rights)
{
	map(AT, page, PTE_IR);
	ck_assert(works(AT, false));
	map(AT, page, RIGHTS);
	check_faults(AT, true, PAGE_FAULT | EVT_PR | EVT_PE);
	amd_kit_issue(kit, amd_command_invalidate_pages(DOMAIN, AT, AT + 0xfff, false));
	ck_assert(works(AT, true));
	map(AT, 0, 0);
	ck_assert(works(AT, true));
}
END_TEST

START_TEST(a_stale_device_entry_is_used_until_it_is_invalidated)
{
	uint64_t other = amd_kit_frames(kit, 1);
	map(AT, page, RIGHTS);
	amd_kit_map(kit, other, 3, AT, page + 0x1000, RIGHTS);
	check_reaches(AT, page);
	amd_kit_set_dte(kit, DEVICE, amd_kit_dte(other, 3, OTHER_DOMAIN));
	check_reaches(AT, page);
	amd_kit_issue(kit, amd_command_invalidate_devtab(OTHER));
	amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE + 64)); /* of the same slot */
	flush();
	check_reaches(AT, page);
	amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE));
	check_reaches(AT, page + 0x1000);
	/* Or all is. */
	amd_kit_set_dte(kit, DEVICE, amd_kit_dte(root, 3, DOMAIN_1));
	amd_kit_issue(kit, amd_command_invalidate_all());
	check_reaches(AT, page);
}
END_TEST

/* [9 f] */
START_TEST(another_domain_in_the_entry_leaves_the_old_ones_leaves)
{
	map(AT, page, RIGHTS);
	check_reaches(AT, page);
	set_dte(amd_kit_dte(root, 3, 0).q[0], OTHER_DOMAIN);
	map(AT, page + 0x1000, RIGHTS);
	check_reaches(AT, page + 0x1000);
	set_dte(amd_kit_dte(root, 3, 0).q[0], DOMAIN_1);
	check_reaches(AT, page);
}
END_TEST

START_TEST(more_devices_than_slots_still_have_their_own_entries)
{
	uint64_t roots[3];
	for (unsigned i = 0; i < 3; i++) {
		roots[i] = amd_kit_frames(kit, 1);
		amd_kit_map(kit, roots[i], 3, AT, 0x1000 * (i + 1), RIGHTS);
		amd_kit_set_dte(kit, (uint16_t)(OTHER + 64 * i),
				amd_kit_dte(roots[i], 3, (uint16_t)(0x50 + i)));
	}
	for (unsigned i = 0; i < 9; i++) {
		ck_assert(works_for((uint16_t)(OTHER + 64 * (i % 3)), AT, false));
		ck_assert_uint_eq(got.pa.value, 0x1000 * (i % 3 + 1));
		ck_assert_uint_eq(got.domain, 0x50 + i % 3);
	}
}
END_TEST

/* The table that holds AT's leaf is replaced by another, and AT's leaf alone is invalidated. */
static bool old_table_is_used(bool pde)
{
	uint64_t table = amd_kit_frames(kit, 1);
	map(AT, page, RIGHTS);
	amd_kit_issue(kit, amd_command_invalidate_all());
	check_reaches(AT, page);
	amd_kit_set_word(kit, table + (AT >> 12 & 511) * 8, PTE_PR | RIGHTS | (page + 0x1000));
	set_entry(AT, 2, PTE_PR | RIGHTS | MODE(1) | table);
	amd_kit_issue(kit, amd_command_invalidate_pages(DOMAIN, AT, AT + 0xfff, pde));
	ck_assert(works(AT, false));
	ck_assert_int_eq(got.path, PATH_WALKED);
	return got.pa.value == page;
}

START_TEST(tables_are_cached_until_an_invalidation_with_pde)
{
	ck_assert(old_table_is_used(false));
	ck_assert(!old_table_is_used(true));
}
END_TEST

START_TEST(tables_may_be_read_each_time)
{
	amd_kit_assume(kit, AMD_PDE_CACHE, AMD_PDE_WALKED);
	ck_assert(!old_table_is_used(false));
}
END_TEST

START_TEST(a_cached_table_keeps_the_rights_above_it)
{
	map(AT, page, RIGHTS);
	map(AT + 0x1000, page, RIGHTS);
	set_entry(AT, 3, amd_kit_word(kit, amd_kit_entry(kit, root, 3, AT, 3)) & ~PTE_IW);
	ck_assert(works(AT, false));
	kit->access_count = 0;
	check_faults(AT + 0x1000, true, PAGE_FAULT | EVT_PR | EVT_PE);
	ck_assert_uint_eq(kit->access_count, 1); /* the leaf */
}
END_TEST

START_TEST(leaves_are_kept_where_the_caller_says)
{
	map(AT, page, RIGHTS);
	ck_assert_int_eq(amd_translate(kit->amd, DEVICE, AT, false, AMD_LEAVES_NOWHERE, &got), 0);
	map(AT, page + 0x1000, RIGHTS);
	ck_assert_int_eq(amd_translate(kit->amd, DEVICE, AT, false, AMD_LEAVES_BY_DEVICE, &got), 0);
	ck_assert_uint_eq(got.pa.value, page + 0x1000);
	map(AT, page, RIGHTS);
	check_reaches(AT, page);
	flush();
	ck_assert_int_eq(amd_translate(kit->amd, DEVICE, AT, false, AMD_LEAVES_BY_DEVICE, &got), 0);
	ck_assert_uint_eq(got.pa.value, page + 0x1000);
	amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE));
	ck_assert_int_eq(amd_translate(kit->amd, DEVICE, AT, false, AMD_LEAVES_BY_DEVICE, &got), 0);
	ck_assert_uint_eq(got.pa.value, page);
}
END_TEST

/* --- random tables against the obvious walk --- */

#define TABLES    60U
#define ADDRESSES 300U
#define HOT       4U

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % limit;
}

/* A few slots of each table are in use, so that addresses meet them. */
static uint64_t hot_slot(unsigned level)
{
	static const uint64_t slots[HOT] = {0, 1, 0x55, 0x1ff};
	return slots[random_below(HOT)] & (level == 6 ? 127 : 511);
}

/* Ones from bit 12 on, for a size of LEVEL or one just outside it. */
static uint64_t random_coded(unsigned level)
{
	unsigned zero = 11 + 9 * (level - 1) + (unsigned)random_below(11);
	zero = zero < 51 ? zero : 51;
	uint64_t ones = zero > 12 ? BITS(zero - 1, 12) : 0;
	uint64_t address = random_below(1ULL << 39) << 12;
	return ((address | ones) & ~(1ULL << zero)) & BITS(50, 12);
}

/* CODED: leaves of coded size too, whose copies in other slots are missing. */
static void fill_table(uint64_t table, unsigned level, bool coded)
{
	for (unsigned i = 0; i < HOT; i++) {
		uint64_t kind = random_below(16), entry = PTE_PR | (random_below(1ULL << 40) << 12);
		uint64_t rights = random_below(4) == 0 ? random_below(4) << 61 : PTE_RW;
		if (kind == 0)
			entry = 0;
		else if (kind == 1)
			entry |= 1ULL << (52 + random_below(5));
		else if (kind == 2)
			entry |= MODE(level + random_below(7 - level));
		else if (kind <= 5 && coded)
			entry = PTE_PR | MODE(7) | random_coded(level);
		else if (kind <= 13 && level > 1) {
			unsigned next =
				kind == 13 ? 1 + (unsigned)random_below(level - 1) : level - 1;
			uint64_t below = amd_kit_frames(kit, 1);
			fill_table(below, next, coded);
			entry = PTE_PR | MODE(next) | below;
		}
		amd_kit_set_word(kit, table + 8 * hot_slot(level), entry | rights);
	}
}

struct slow {
	bool ok;
	uint64_t flags; /* of a fault */
	uint64_t pa;
	uint64_t size;
};

static struct slow slow_fault(uint64_t flags)
{
	return (struct slow){.flags = flags};
}

static struct slow slow_walk(uint64_t table, unsigned mode, uint64_t address, bool write)
{
	bool allowed = true;
	uint64_t natural = 4096;
	for (unsigned level = 1; level < mode; level++)
		natural *= 512;
	if (mode < 6 && address / natural >= 512)
		return slow_fault(0);
	for (unsigned level = mode;;) {
		uint64_t entry = amd_kit_word(kit, table + address / natural % 512 * 8);
		unsigned next = entry >> 9 & 7;
		uint64_t size = natural, target = entry & 0x000ffffffffff000;
		if (!(entry & 1))
			return slow_fault(0);
		if (entry & 0x81f0000000000000)
			return slow_fault(EVT_PR | EVT_RZ);
		allowed = allowed && entry >> (write ? 62 : 61) & 1;
		if (next >= level && next != 7)
			return slow_fault(EVT_PR);
		if (next == 7) {
			size = 8192;
			for (unsigned bit = 12; entry >> bit & 1; bit++)
				size *= 2;
			if (size <= natural || size / 512 >= natural)
				return slow_fault(EVT_PR);
		}
		if (next == 0 || next == 7) {
			if (level == 6)
				return slow_fault(EVT_PR);
			if (!allowed)
				return slow_fault(EVT_PR | EVT_PE);
			return (struct slow){true, 0, target / size * size + address % size, size};
		}
		for (level--; level > next; level--) {
			natural /= 512;
			if (address / natural % 512 != 0)
				return slow_fault(EVT_PR);
		}
		natural /= 512;
		table = target;
	}
}

static void check_random_address(unsigned number, uint64_t table, unsigned mode,
				 enum amd_leaf_cache cache)
{
	uint64_t address = random_below(4096);
	for (unsigned level = 1; level <= mode; level++)
		address |= hot_slot(level) << (12 + 9 * (level - 1));
	if (random_below(16) == 0)
		address ^= 1ULL << random_below(64);
	bool write = random_below(2);
	struct slow slow = slow_walk(table, mode, address, write);
	bool ok = amd_translate(kit->amd, DEVICE, address, write, cache, &got) == AMD_TRANSLATED;
	uint64_t event = 2ULL << 60 | (uint64_t)number << 32 | DEVICE | (write ? EVT_RW : 0);
	ck_assert_msg(
		ok == slow.ok &&
			(!ok || (got.pa.value == slow.pa && 4096ULL << got.order == slow.size)) &&
			(ok || got.event.q[0] == (event | slow.flags)),
		"seed %u, table %u: mode %u, address %lx, write %d: %d %lx %016lx, "
		"expected %d %lx %016lx",
		SEED, number, mode, address, write, ok, got.pa.value, got.event.q[0], slow.ok,
		slow.pa, event | slow.flags);
}

static void check_random_tables(bool coded, enum amd_leaf_cache cache)
{
	random_state = SEED;
	for (unsigned number = 0; number < TABLES; number++) {
		unsigned mode = 1 + number % 6;
		uint64_t table = amd_kit_frames(kit, 1);
		fill_table(table, mode, coded);
		set_dte(amd_kit_dte(table, mode, 0).q[0], number); /* a domain of its own */
		for (unsigned i = 0; i < ADDRESSES; i++)
			check_random_address(number, table, mode, cache);
	}
}

START_TEST(random_tables_are_walked_as_the_obvious_walker_does)
{
	check_random_tables(true, AMD_LEAVES_NOWHERE);
}
END_TEST

START_TEST(random_tables_read_through_the_caches_say_the_same)
{
	check_random_tables(false, AMD_LEAVES_BY_DOMAIN);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_translate");
	TCase *tests = tcase_create("amd_translate");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_invalid_entry_forwards_unchecked_whatever_else_it_says);
	tcase_add_test(tests, an_entry_without_translation_information_aborts);
	tcase_add_test(tests, mode_0_passes_through_what_ir_and_iw_allow);
	tcase_add_test(tests, modes_beyond_what_the_iommu_has_are_illegal);
	tcase_add_test(tests, reserved_bits_of_an_entry_are_illegal);
	tcase_add_test(tests, a_device_beyond_the_table_is_illegal);
	tcase_add_test(tests, the_top_bits_of_a_device_choose_the_segment);
	tcase_add_test(tests, there_are_no_more_segments_than_the_feature_says);
	tcase_add_test(tests, an_illegal_entrys_event_has_an_address_of_four_bytes);
	tcase_add_test(tests, sats_is_no_reserved_bit);
	tcase_add_test(tests, a_device_beyond_the_table_is_told_with_its_pasid);
	tcase_add_test(tests, an_entry_that_cannot_be_read_is_a_hardware_error);
	tcase_add_test(tests, nothing_is_translated_while_the_iommu_is_off);
	tcase_add_test(tests, a_walk_reads_an_entry_a_level);
	tcase_add_test(tests, a_hole_at_any_level_is_not_present);
	tcase_add_test(tests, permission_is_that_of_all_levels_and_of_the_device);
	tcase_add_test(tests, reserved_bits_of_a_table_entry_fault_with_rz);
	tcase_add_test(tests, attributes_of_a_leaf_do_not_matter);
	tcase_add_test(tests, bad_levels_and_sizes_fault_with_pr_alone);
	tcase_add_test(tests, level_6_has_no_leaves);
	tcase_add_test(tests, an_address_beyond_the_mode_is_not_present);
	tcase_add_test(tests, leaves_have_their_levels_size);
	tcase_add_test(tests, leaves_of_coded_size_have_it);
	tcase_add_test(tests, a_skipped_level_must_have_address_bits_of_zero);
	tcase_add_test(tests, a_table_that_cannot_be_read_is_a_hardware_error);
	tcase_add_test(tests, an_excluded_address_is_forwarded_for_all_devices);
	tcase_add_test(tests, an_excluded_address_is_forwarded_for_devices_whose_entry_says_so);
	tcase_add_test(tests, sa_logs_no_page_fault_of_the_device);
	tcase_add_test(tests, se_logs_the_first_page_fault_until_the_entry_is_read_again);
	tcase_add_test(tests, suppression_is_of_page_faults_only);
	tcase_add_test(tests, dma_moves_bytes_or_logs_a_fault);
	tcase_add_test(tests, a_stale_leaf_is_used_until_its_domain_and_range_are_invalidated);
	tcase_add_test(tests, a_page_of_a_large_leaf_drops_all_of_it);
	tcase_add_test(tests, devices_of_one_domain_share_what_is_cached);
	tcase_add_test(tests, a_cached_leaf_keeps_its_rights);
	tcase_add_test(tests, a_stale_device_entry_is_used_until_it_is_invalidated);
	tcase_add_test(tests, another_domain_in_the_entry_leaves_the_old_ones_leaves);
	tcase_add_test(tests, more_devices_than_slots_still_have_their_own_entries);
	tcase_add_test(tests, tables_are_cached_until_an_invalidation_with_pde);
	tcase_add_test(tests, tables_may_be_read_each_time);
	tcase_add_test(tests, a_cached_table_keeps_the_rights_above_it);
	tcase_add_test(tests, leaves_are_kept_where_the_caller_says);
	tcase_add_test(tests, random_tables_are_walked_as_the_obvious_walker_does);
	tcase_add_test(tests, random_tables_read_through_the_caches_say_the_same);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
