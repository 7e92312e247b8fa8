/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest tables: GCR3, four and five levels, rights, accessed and dirty bits, nesting, and exactly
 * what each command removes of what is cached: sheet amd-iommu (9, 10, 12, 13).
 *
 * Concepts
 *   flat    no host table: guest addresses are physical
 *   nested  guest addresses from HIGH on go through the host's tables, which map them elsewhere
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define DEVICE    0x20U
#define DOMAIN    0x10U
#define PASID     5U
#define AT        0x12345678000ULL
#define HIGH      0x7000000000ULL
#define HOST_MODE 4U
#define SEED      20261126U

#define P  GPTE_P
#define RW GPTE_RW
#define US GPTE_US
#define AD (GPTE_A | GPTE_D)

#define ILLEGAL_ENTRY (1ULL << 60)
#define HOST_FAULT    (2ULL << 60 | (uint64_t)DOMAIN << 32)

static struct profile profile;
static struct amd_kit *kit;
static struct amd_translation got;
static struct amd_dte dte;
static bool nested;
static uint64_t host_root;
static uint64_t next_page; /* guest address */
static uint64_t gcr3;      /* physical address of the table of level 1 */
static uint64_t cr3;       /* guest address */
static uint64_t page;      /* guest address */

/* --- guest memory --- */

/* A page, and where it lies. */
static uint64_t new_page(void)
{
	uint64_t frame = amd_kit_frames(kit, 1);
	if (!nested)
		return frame;
	next_page += PAGE_SIZE;
	amd_kit_map(kit, host_root, HOST_MODE, next_page, frame, PTE_RW);
	return next_page;
}

static uint64_t host_entry(uint64_t gpa)
{
	return amd_kit_entry(kit, host_root, HOST_MODE, gpa, 1);
}

static uint64_t memory_of(uint64_t gpa)
{
	return nested ? (amd_kit_word(kit, host_entry(gpa & ~0xfffULL)) & PTE_ADDR) | (gpa & 0xfff)
		      : gpa;
}

/* The physical address of the entry of LEVEL for ADDRESS; tables on the way are made. */
static uint64_t entry_in(uint64_t table, unsigned levels, uint64_t address, unsigned level)
{
	for (unsigned at = levels;; at--) {
		uint64_t entry = memory_of(table) + (address >> (12 + 9 * (at - 1)) & 511) * 8;
		if (at == level)
			return entry;
		if (!(amd_kit_word(kit, entry) & P))
			amd_kit_set_word(kit, entry, P | RW | US | new_page());
		table = amd_kit_word(kit, entry) & GPTE_ADDR;
	}
}

static uint64_t entry_of(uint64_t address, unsigned level)
{
	return entry_in(cr3, 4, address, level);
}

static void put(uint64_t address, unsigned level, uint64_t value)
{
	amd_kit_set_word(kit, entry_of(address, level), value);
}

/* --- one device --- */

/* The hardware sees it, and has nothing cached. */
static void use(struct amd_dte entry)
{
	dte = entry;
	amd_kit_set_dte(kit, DEVICE, entry);
	amd_kit_issue(kit, amd_command_invalidate_all());
}

static void flush(void)
{
	amd_kit_issue(kit, amd_command_invalidate_all());
}

static void start(bool over_host)
{
	kit = amd_kit_new(&profile);
	amd_kit_control(kit, 0, CONTROL_GT_EN);
	nested = over_host;
	next_page = HIGH;
	host_root = amd_kit_frames(kit, 1);
	gcr3 = amd_kit_frames(kit, 1);
	cr3 = new_page();
	page = new_page();
	amd_kit_set_word(kit, gcr3 + 8ULL * PASID, GCR3_V | cr3);
	dte = amd_kit_dte(nested ? host_root : 0, nested ? HOST_MODE : 0, DOMAIN);
	dte.q[0] |= DTE_GV;
	amd_dte_set_gcr3(&dte, gcr3);
	put(AT, 1, P | RW | US | page);
	use(dte);
	amd_kit_clear(kit);
}

/* Features that the profile's IOMMU does not have. */
static void set_features(uint64_t mask, uint64_t value)
{
	uint64_t efr = 0;
	for (uint32_t i = 0; i < profile.count; i++)
		if (strcmp(profile.parameters[i].name, "efr.features") == 0)
			efr = profile.parameters[i].value;
	amd_kit_set(&profile, "efr.features", (efr & ~mask) | value);
}

static void setup(void)
{
	profile = amd_kit_profile();
	start(false);
}

static void setup_nested(void)
{
	profile = amd_kit_profile();
	start(true);
}

static void again(bool over_host)
{
	amd_kit_free(kit);
	start(over_host);
}

static void teardown(void)
{
	amd_kit_free(kit);
}

static bool ask(struct amd_request request)
{
	return amd_translate_request(kit->amd, &request, AMD_LEAVES_BY_DOMAIN, &got) ==
	       AMD_TRANSLATED;
}

static bool works(uint32_t pasid, uint64_t address, bool write)
{
	return ask((struct amd_request){.address = address,
					.pasid = pasid,
					.device = DEVICE,
					.has_pasid = true,
					.write = write});
}

static void check_reaches(uint64_t address, uint64_t pa)
{
	ck_assert_msg(works(PASID, address, false), "%lx faults with %016lx", address,
		      got.event.q[0]);
	ck_assert_msg(got.pa.value == pa, "%lx: %lx, expected %lx", address, got.pa.value, pa);
}

/* Of a user's access by PASID. */
static uint64_t guest_fault(uint32_t pasid)
{
	return 2ULL << 60 | 1ULL << 48 | 1ULL << 50 | (uint64_t)(pasid & 0xffff) << 32 |
	       (uint64_t)(pasid >> 16) << 16;
}

static void check_event(uint64_t q0, uint64_t q1)
{
	ck_assert_msg(got.event.q[0] == (q0 | DEVICE), "event %016lx, expected %016lx",
		      got.event.q[0], q0 | DEVICE);
	ck_assert_msg(got.event.q[1] == q1, "event of %lx, expected %lx", got.event.q[1], q1);
}

static void check_faults(uint64_t address, bool write, uint64_t flags)
{
	ck_assert_msg(!works(PASID, address, write), "%lx is translated", address);
	check_event(guest_fault(PASID) | flags | (write ? EVT_RW : 0), address);
}

/* --- whose tables they are [10, 12] --- */

START_TEST(the_gcr3_root_lies_in_three_fields)
{
	struct amd_dte entry = {{0, 0, 0, 0}};
	amd_dte_set_gcr3(&entry, 0xfffffffffffff000);
	ck_assert_uint_eq(entry.q[0], 7ULL << 58);
	ck_assert_uint_eq(entry.q[1], 0xfffff800ffff0000);
	amd_dte_set_gcr3(&entry, 0x8000c5a5000);
	ck_assert_uint_eq(entry.q[0], 5ULL << 58);
	ck_assert_uint_eq(entry.q[1] >> 16 & 0xffff, 0x18b4);
	ck_assert_uint_eq(entry.q[1] >> 43, 0x1000);
	ck_assert_uint_eq(amd_dte_gcr3(&entry), 0x8000c5a5000);
}
END_TEST

START_TEST(a_request_with_a_pasid_uses_its_tables)
{
	check_reaches(AT + 0x123, page + 0x123);
	ck_assert_int_eq(got.path, PATH_WALKED);
	ck_assert_uint_eq(got.order, 0);
	ck_assert(!works(PASID + 1, AT, false));
	check_event(guest_fault(PASID + 1), AT);
}
END_TEST

START_TEST(without_gten_or_gv_there_are_no_tables_of_pasids)
{
	struct amd_dte entry = dte;
	amd_kit_control(kit, CONTROL_GT_EN, 0);
	check_faults(AT, false, 0);
	amd_kit_control(kit, 0, CONTROL_GT_EN);
	check_reaches(AT, page);
	entry.q[0] &= ~DTE_GV;
	use(entry);
	check_faults(AT, false, 0);
}
END_TEST

START_TEST(a_request_without_a_pasid_uses_pasid_0_with_giov_and_host_tables_without)
{
	struct amd_dte entry = dte;
	uint64_t other = amd_kit_frames(kit, 1), root = amd_kit_frames(kit, 1);
	const struct amd_request plain = {.address = AT, .device = DEVICE};
	amd_kit_set_word(kit, gcr3, GCR3_V | root);
	amd_kit_set_word(kit, entry_in(root, 4, AT, 1), P | RW | US | other);
	ck_assert(ask(plain));
	ck_assert_uint_eq(got.pa.value, AT); /* Mode 0 */
	entry.q[0] |= DTE_GIOV;
	use(entry);
	ck_assert(ask(plain));
	ck_assert_uint_eq(got.pa.value, other);
	amd_kit_set_word(kit, gcr3, 0);
	flush();
	ck_assert(!ask(plain));
	check_event(guest_fault(0), AT);
}
END_TEST

START_TEST(an_entry_that_is_invalid_or_has_no_translation_is_so_for_pasids_too)
{
	struct amd_dte entry = dte;
	entry.q[0] &= ~DTE_V;
	use(entry);
	check_reaches(AT, AT);
	ck_assert_int_eq(got.path, PATH_BYPASS);
	entry.q[0] = (dte.q[0] | DTE_V) & ~DTE_TV;
	use(entry);
	check_faults(AT, false, 0);
}
END_TEST

START_TEST(gcr3_tables_have_one_to_three_levels_of_nine_bits)
{
	static const uint32_t pasids[] = {0, 1, 0x1ff, 0x200, 0x3ff, 0x12345, 0x40005, 0xfffff};
	set_features(EFR_GLX, field_put(EFR_GLX, 2));
	for (unsigned glx = 0; glx < 3; glx++) {
		again(false);
		for (unsigned i = 0; i < sizeof(pasids) / sizeof(pasids[0]); i++) {
			uint32_t pasid = pasids[i];
			uint64_t root = amd_kit_frames(kit, 1), table = root, frame;
			for (unsigned level = glx; level > 0; level--) {
				uint64_t next = amd_kit_frames(kit, 1);
				amd_kit_set_word(kit, table + (pasid >> 9 * level & 511) * 8,
						 GCR3_V | next);
				table = next;
			}
			cr3 = amd_kit_frames(kit, 1);
			frame = amd_kit_frames(kit, 1);
			amd_kit_set_word(kit, table + (pasid & 511) * 8, GCR3_V | cr3);
			put(AT, 1, P | US | frame);
			amd_dte_set_gcr3(&dte, root);
			dte.q[0] = field_set(dte.q[0], DTE_GLX, glx);
			use(dte);
			amd_kit_clear(kit);
			ck_assert(works(pasid, AT, false));
			ck_assert_uint_eq(got.pa.value, frame);
			/* The entry of the device, of each GCR3 table, and of each table. */
			ck_assert_uint_eq(kit->accesses[0].pa.value,
					  kit->devices + (uint64_t)DTE_SIZE * DEVICE);
			ck_assert_uint_eq(kit->accesses[1].pa.value,
					  root + (pasid >> 9 * glx & 511) * 8);
			ck_assert_uint_eq(kit->access_count, 1 + glx + 1 + 4 + 4);
			/* Upper bits of a PASID do not count beyond the levels that are there. */
			ck_assert_int_eq(works(pasid ^ 0x40000, AT, false), glx < 2);
			ck_assert_int_eq(works(pasid ^ 0x200, AT, false), glx < 1);
			ck_assert(!works(pasid ^ 1, AT, false));
		}
	}
}
END_TEST

START_TEST(a_hole_in_a_gcr3_table_is_not_present)
{
	struct amd_dte entry = dte;
	uint64_t root = amd_kit_frames(kit, 1);
	amd_kit_set_word(kit, gcr3 + 8ULL * PASID, cr3);
	flush();
	check_faults(AT, false, 0);
	amd_dte_set_gcr3(&entry, root);
	entry.q[0] = field_set(entry.q[0], DTE_GLX, 1);
	use(entry);
	check_faults(AT, false, 0);
	/* NpCache = 0: nothing is kept of it. */
	amd_kit_set_word(kit, root, GCR3_V | gcr3);
	amd_kit_set_word(kit, gcr3 + 8ULL * PASID, GCR3_V | cr3);
	check_reaches(AT, page);
}
END_TEST

START_TEST(more_levels_than_the_iommu_has_are_illegal)
{
	/* The profile: two levels of GCR3, four of tables. */
	for (unsigned glx = 0; glx < 4; glx++)
		for (uint64_t mode = 0; mode < 4; mode++) {
			struct amd_dte entry = dte;
			entry.q[0] = field_set(entry.q[0], DTE_GLX, glx);
			entry.q[2] = field_set(entry.q[2], DTE_GUEST_MODE, mode);
			use(entry);
			if (glx == 0 && mode == 0) {
				check_reaches(AT, page);
				continue;
			}
			ck_assert(!works(PASID, AT + 7, false));
			if (glx > 1 || mode > 0)
				check_event(ILLEGAL_ENTRY | 1ULL << 48 | (uint64_t)PASID << 32,
					    AT + 4);
		}
	/* GLX = 3 and modes 2 and 3 mean nothing, whatever the features say. */
	set_features(EFR_GLX | EFR_GATS, EFR_GLX | EFR_GATS);
	again(false);
	for (unsigned i = 0; i < 3; i++) {
		struct amd_dte entry = dte;
		entry.q[0] = field_set(entry.q[0], DTE_GLX, i == 0 ? 3 : 0);
		entry.q[2] = field_set(entry.q[2], DTE_GUEST_MODE, i == 0 ? 0 : i + 1);
		use(entry);
		ck_assert(!works(PASID, AT, false));
		check_event(ILLEGAL_ENTRY | 1ULL << 48 | (uint64_t)PASID << 32, AT);
	}
}
END_TEST

/* --- tables [12] --- */

START_TEST(five_levels_take_57_bits)
{
	uint64_t high = 0x00ab000000000000ULL, other;
	set_features(EFR_GATS, field_put(EFR_GATS, 1));
	again(false);
	other = amd_kit_frames(kit, 1);
	dte.q[2] = field_set(dte.q[2], DTE_GUEST_MODE, 1);
	cr3 = amd_kit_frames(kit, 1);
	amd_kit_set_word(kit, gcr3 + 8ULL * PASID, GCR3_V | cr3);
	amd_kit_set_word(kit, entry_in(cr3, 5, high | AT, 1), P | US | other);
	use(dte);
	check_reaches(high | AT, other);
	check_faults(AT, false, 0);
	check_faults(1ULL << 57 | AT, false, 0);
}
END_TEST

START_TEST(an_address_repeats_its_highest_bit)
{
	uint64_t upper = 0xffff800000001000ULL;
	put(upper, 1, P | US | page);
	check_reaches(upper, page);
	check_faults(0x0000800000001000ULL, false, 0);
	check_faults(0x0001000000001000ULL | AT, false, 0);
	check_faults(0xffff000000001000ULL, false, 0);
}
END_TEST

START_TEST(leaves_are_of_4_kib_2_mib_and_1_gib)
{
	for (unsigned level = 1; level <= 3; level++) {
		uint64_t size = 1ULL << (12 + 9 * (level - 1)), base = 0x1c0000000ULL;
		uint64_t at = (uint64_t)level << 40;
		put(at, level, P | US | base | (level > 1 ? GPTE_PS | 1ULL << 12 : 0));
		check_reaches(at, base);
		ck_assert_uint_eq(PAGE_SIZE << got.order, size);
		check_reaches(at + size - 1, base + size - 1);
		ck_assert_int_eq(got.path, PATH_CACHED);
		check_faults(at + size, false, 0);
	}
}
END_TEST

START_TEST(reserved_bits_of_a_guest_entry_fault_with_rz)
{
	for (unsigned level = 2; level <= 4; level++)
		for (unsigned number = 13; number < 12 + 9 * (level - 1) && level < 4; number++) {
			put(AT, level, P | US | GPTE_PS | 1ULL << number);
			flush();
			check_faults(AT, false, EVT_PR | EVT_RZ);
		}
	put(AT, 4, P | US | GPTE_PS); /* no leaf is that large */
	flush();
	check_faults(AT, false, EVT_PR | EVT_RZ);
}
END_TEST

START_TEST(a_hole_at_any_guest_level_is_not_present)
{
	for (unsigned level = 1; level <= 4; level++) {
		uint64_t entry = entry_of(AT, level), value = amd_kit_word(kit, entry);
		amd_kit_set_word(kit, entry, value & ~P);
		flush();
		check_faults(AT, false, 0);
		check_faults(AT, true, 0);
		amd_kit_set_word(kit, entry, value);
		check_reaches(AT, page);
	}
}
END_TEST

START_TEST(an_access_needs_its_right_at_every_level)
{
	set_features(EFR_US | EFR_NX, EFR_US | EFR_NX);
	again(false);
	for (unsigned level = 1; level <= 4; level++) {
		uint64_t entry = entry_of(AT, level), value = amd_kit_word(kit, entry);
		for (unsigned rights = 0; rights < 8; rights++) {
			bool rw = rights & 1, us = rights & 2, nx = rights & 4;
			amd_kit_set_word(kit, entry,
					 (value & ~(RW | US)) | (rw ? RW : 0) | (us ? US : 0) |
						 (nx ? GPTE_NX : 0));
			flush();
			for (unsigned how = 0; how < 8; how++) {
				struct amd_request request = {.address = AT,
							      .pasid = PASID,
							      .device = DEVICE,
							      .has_pasid = true,
							      .write = how & 1,
							      .privileged = how & 2,
							      .execute = how & 4};
				bool allowed = (rw || !request.write) &&
					       (us || request.privileged) &&
					       (!nx || !request.execute);
				ck_assert_int_eq(ask(request), allowed);
				if (!allowed)
					check_event((guest_fault(PASID) & ~EVT_US) | EVT_PR |
							    EVT_PE | (request.write ? EVT_RW : 0) |
							    (request.privileged ? 0 : EVT_US) |
							    (request.execute ? EVT_NX : 0),
						    AT);
			}
		}
		amd_kit_set_word(kit, entry, value);
	}
}
END_TEST

START_TEST(us_and_nx_do_not_count_without_their_features)
{
	put(AT, 1, P | GPTE_NX | page);
	ck_assert(ask((struct amd_request){.address = AT,
					   .pasid = PASID,
					   .device = DEVICE,
					   .has_pasid = true,
					   .execute = true}));
}
END_TEST

START_TEST(the_devices_entry_limits_its_pasids_too)
{
	struct amd_dte entry = dte;
	entry.q[0] &= ~DTE_IW;
	use(entry);
	check_reaches(AT, page);
	check_faults(AT, true, EVT_PR | EVT_PE);
	entry.q[0] = (dte.q[0] | DTE_IW) & ~DTE_IR;
	use(entry);
	ck_assert(works(PASID, AT, true));
	check_faults(AT, false, EVT_PR | EVT_PE);
}
END_TEST

START_TEST(a_guest_table_that_cannot_be_read_is_a_hardware_error)
{
	put(AT, 2, P | RW | US | 0x1000); /* no RAM */
	flush();
	ck_assert(!works(PASID, AT, false));
	check_event(4ULL << 60 | 1ULL << 57 | 1ULL << 48 | (uint64_t)PASID << 32,
		    0x1000 + (AT >> 12 & 511) * 8);
}
END_TEST

START_TEST(a_large_pasid_has_its_upper_bits_in_the_event)
{
	ck_assert(!works(0xa1234, AT, false));
	ck_assert_uint_eq(got.event.q[0], 0x2005123400000000ULL | 0xa0000 | DEVICE);
}
END_TEST

START_TEST(dma_by_pasid_moves_bytes_or_logs_a_fault)
{
	uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct amd_request request = {
		.address = AT, .pasid = PASID, .device = DEVICE, .has_pasid = true, .write = true};
	ck_assert_int_eq(amd_dma_request(kit->amd, &request, bytes, 8, &got), AMD_TRANSLATED);
	ck_assert_uint_eq(amd_kit_word(kit, page), 0x0807060504030201);
	request.address = AT + 0x1000;
	ck_assert_int_eq(amd_dma_request(kit->amd, &request, bytes, 8, &got), AMD_FAULT);
	struct amd_event event = amd_kit_event(kit, kit->log, 0);
	ck_assert_uint_eq(event.q[0], guest_fault(PASID) | EVT_RW | DEVICE);
	ck_assert_uint_eq(event.q[1], AT + 0x1000);
}
END_TEST

/* --- accessed and dirty [12] --- */

static uint64_t bits_of(uint64_t address, unsigned level)
{
	return amd_kit_word(kit, entry_of(address, level)) & AD;
}

START_TEST(a_walk_marks_what_it_used_and_a_write_its_leaf)
{
	check_reaches(AT, page);
	for (unsigned level = 1; level <= 4; level++)
		ck_assert_uint_eq(bits_of(AT, level), GPTE_A);
	ck_assert(works(PASID, AT, true)); /* cached by the read, but not marked */
	ck_assert_int_eq(got.path, PATH_WALKED);
	ck_assert_uint_eq(bits_of(AT, 1), AD);
	for (unsigned level = 2; level <= 4; level++)
		ck_assert_uint_eq(bits_of(AT, level), GPTE_A);
	ck_assert(works(PASID, AT, true));
	ck_assert_int_eq(got.path, PATH_CACHED);
}
END_TEST

START_TEST(what_faults_marks_nothing)
{
	put(AT, 1, P | US | page);
	check_faults(AT, true, EVT_PR | EVT_PE);
	check_faults(AT + 0x1000, false, 0);
	for (unsigned level = 1; level <= 4; level++)
		ck_assert_uint_eq(bits_of(AT, level), 0);
}
END_TEST

START_TEST(what_the_devices_entry_forbids_marks_and_keeps_nothing)
{
	struct amd_dte entry = dte;
	entry.q[0] &= ~DTE_IW;
	use(entry);
	check_faults(AT, true, EVT_PR | EVT_PE);
	for (unsigned level = 1; level <= 4; level++)
		ck_assert_uint_eq(bits_of(AT, level), 0);
	ck_assert_uint_eq(kit->amd->tlb.count, 0);
}
END_TEST

START_TEST(marks_can_be_disabled)
{
	amd_kit_control(kit, 0, CONTROL_GA_UPDATE_DIS);
	ck_assert(works(PASID, AT, true));
	ck_assert_uint_eq(bits_of(AT, 1), GPTE_D);
	ck_assert_uint_eq(bits_of(AT, 2), 0);
	put(AT, 1, P | RW | US | page);
	flush();
	amd_kit_control(kit, CONTROL_GA_UPDATE_DIS, CONTROL_GD_UPDATE_DIS);
	check_reaches(AT, page);
	ck_assert(works(PASID, AT, true));
	ck_assert_int_eq(got.path, PATH_CACHED); /* there is nothing to mark */
	ck_assert_uint_eq(bits_of(AT, 1), GPTE_A);
}
END_TEST

START_TEST(tables_are_marked_though_a_walk_had_faulted_below_them)
{
	put(AT, 1, 0);
	check_faults(AT, false, 0);
	put(AT, 1, P | RW | US | page);
	check_reaches(AT, page);
	for (unsigned level = 1; level <= 4; level++)
		ck_assert_uint_eq(bits_of(AT, level), GPTE_A);
}
END_TEST

START_TEST(an_entry_that_is_marked_is_not_written)
{
	for (unsigned level = 1; level <= 4; level++)
		amd_kit_set_word(kit, entry_of(AT, level),
				 amd_kit_word(kit, entry_of(AT, level)) | AD);
	amd_kit_clear(kit);
	ck_assert(works(PASID, AT, true));
	for (unsigned i = 0; i < kit->access_count; i++)
		ck_assert_int_ne(kit->accesses[i].purpose, ACCESS_TABLE_WRITE);
}
END_TEST

/* --- nesting [12] --- */

START_TEST(guest_pointers_and_leaves_go_through_the_hosts_tables)
{
	check_reaches(AT + 0x10, memory_of(page) + 0x10);
	ck_assert_uint_ne(memory_of(page), page);
	ck_assert_int_eq(got.path, PATH_WALKED);
}
END_TEST

/* Spread, so that no two of them share a table of the host's. */
static uint64_t far_page(unsigned number)
{
	uint64_t gpa = HIGH + ((uint64_t)(number + 1) << 30);
	amd_kit_map(kit, host_root, HOST_MODE, gpa, amd_kit_frames(kit, 1), PTE_RW);
	return gpa;
}

/* Entries that a walk of LEVELS over four of the host's reads, GCR3's and the device's apart. */
static void check_cold_walk(unsigned levels, unsigned reads)
{
	amd_kit_assume(kit, AMD_PDE_CACHE, AMD_PDE_WALKED);
	amd_kit_control(kit, 0, CONTROL_GA_UPDATE_DIS);
	cr3 = far_page(0);
	amd_kit_set_word(kit, gcr3 + 8ULL * PASID, GCR3_V | cr3);
	uint64_t table = cr3;
	for (unsigned level = levels; level > 1; level--) {
		uint64_t next = far_page(level);
		amd_kit_set_word(kit, memory_of(table) + (AT >> (12 + 9 * (level - 1)) & 511) * 8,
				 P | US | next);
		table = next;
	}
	amd_kit_set_word(kit, memory_of(table) + (AT >> 12 & 511) * 8, P | US | page);
	flush();
	amd_kit_clear(kit);
	check_reaches(AT, memory_of(page));
	unsigned walked = 0;
	for (unsigned i = 0; i < kit->access_count; i++)
		walked += kit->accesses[i].purpose == ACCESS_TABLE_WALK;
	ck_assert_uint_eq(walked, reads + 1);
	ck_assert_uint_eq(got.cost_ps, (1 + reads + 1) * kit->amd->timing.walk_read_ps);
}

START_TEST(a_cold_walk_reads_24_entries_and_those_of_gcr3)
{
	check_cold_walk(4, 24);
}
END_TEST

START_TEST(a_cold_walk_of_five_levels_reads_29)
{
	set_features(EFR_GATS, field_put(EFR_GATS, 1));
	again(true);
	dte.q[2] = field_set(dte.q[2], DTE_GUEST_MODE, 1);
	use(dte);
	check_cold_walk(5, 29);
}
END_TEST

START_TEST(with_gcr3trpmode_the_root_is_a_guest_address)
{
	uint64_t table = new_page();
	amd_kit_set_word(kit, memory_of(table) + 8ULL * PASID, GCR3_V | cr3);
	amd_dte_set_gcr3(&dte, table);
	use(dte);
	ck_assert(!works(PASID, AT, false)); /* as a physical address it is none */
	amd_kit_control(kit, 0, CONTROL_GCR3_TRP);
	flush();
	check_reaches(AT, memory_of(page));
}
END_TEST

/* Guest addresses on the way of a walk: CR3's page, tables of levels 3 to 1, the leaf's page. */
static uint64_t on_the_way(unsigned step)
{
	if (step == 0)
		return cr3;
	return amd_kit_word(kit, entry_of(AT, 5 - step)) & GPTE_ADDR;
}

START_TEST(a_guest_address_that_the_host_lacks_faults_with_it)
{
	for (unsigned step = 0; step <= 4; step++) {
		uint64_t gpa = on_the_way(step), entry = host_entry(gpa);
		uint64_t value = amd_kit_word(kit, entry), index = AT >> (39 - 9 * step) & 511;
		uint64_t address = step == 4 ? gpa + 0x120 : gpa + 8 * index;
		amd_kit_set_word(kit, entry, 0);
		flush();
		ck_assert(!works(PASID, AT + 0x120, false));
		check_event(HOST_FAULT, address);
		/* The leaf alone is written. */
		ck_assert(!works(PASID, AT + 0x120, true));
		check_event(HOST_FAULT | (step == 4 ? EVT_RW : 0), address);
		amd_kit_set_word(kit, entry, value);
	}
}
END_TEST

START_TEST(the_host_has_to_allow_what_is_done_to_its_memory)
{
	uint64_t leaf = host_entry(page), table = host_entry(on_the_way(3));
	amd_kit_set_word(kit, leaf, amd_kit_word(kit, leaf) & ~PTE_IW);
	flush();
	check_reaches(AT, memory_of(page));
	ck_assert(!got.writable);
	ck_assert(!works(PASID, AT, true));
	check_event(HOST_FAULT | EVT_PR | EVT_PE | EVT_RW, page);
	amd_kit_set_word(kit, leaf, amd_kit_word(kit, leaf) | PTE_IW);
	flush();
	/* A table that the host does not let be written can't be marked. */
	put(AT, 1, P | RW | US | page);
	amd_kit_set_word(kit, table, amd_kit_word(kit, table) & ~PTE_IW);
	flush();
	ck_assert(!works(PASID, AT, false));
	check_event(HOST_FAULT | EVT_PR | EVT_PE | EVT_RW, on_the_way(3) + (AT >> 12 & 511) * 8);
	amd_kit_set_word(kit, table, amd_kit_word(kit, table) & ~PTE_IR);
	flush();
	ck_assert(!works(PASID, AT, false));
	check_event(HOST_FAULT | EVT_PR | EVT_PE, on_the_way(3) + (AT >> 12 & 511) * 8);
}
END_TEST

START_TEST(a_leaf_of_both_stages_is_as_large_as_the_smaller)
{
	uint64_t gpa = HIGH + (64ULL << 30), at = 1ULL << 40, small = gpa + (2ULL << 20);
	/* The host: 2 MiB, then a page. The guest: 1 GiB. */
	uint64_t large = amd_kit_frames(kit, 512);
	large = (large + 0x1fffff) & ~0x1fffffULL;
	amd_kit_set_word(kit, amd_kit_entry(kit, host_root, HOST_MODE, gpa, 2),
			 PTE_PR | PTE_RW | large);
	amd_kit_map(kit, host_root, HOST_MODE, small, memory_of(page), PTE_RW);
	put(at, 3, P | RW | US | GPTE_PS | gpa);
	check_reaches(at + 0x12345, large + 0x12345);
	ck_assert_uint_eq(got.order, 9);
	check_reaches(at + (2ULL << 20) + 5, memory_of(page) + 5);
	ck_assert_uint_eq(got.order, 0);
	check_reaches(at + 0x54321, large + 0x54321);
	ck_assert_int_eq(got.path, PATH_CACHED);
}
END_TEST

/* --- what each command removes [9] --- */

#define DOMAINS   2U
#define PASIDS    2U
#define PAGES     3U /* two of one 2 MiB, one of another */
#define ANSWERS   4U /* cached leaf, cached table, cached CR3, memory */
#define FIRST_DEV 0x40U

static const uint64_t pages[PAGES] = {0x40000000, 0x40003000, 0x40200000};
static const uint32_t pasids[PASIDS] = {0, 7};

/* What is cached of each: a guest's leaves, and the host's at the same addresses. */
struct population {
	uint64_t guest[DOMAINS][PASIDS][PAGES][ANSWERS];
	uint64_t host[DOMAINS][PAGES][ANSWERS - 1];
};

static struct population all;

/* Guest and host devices of a domain; the guest's host tables are all identity, at 4 GiB on. */
static uint16_t guest_device(unsigned domain)
{
	return (uint16_t)(FIRST_DEV + 2 * domain);
}

static uint16_t host_device(unsigned domain)
{
	return (uint16_t)(FIRST_DEV + 2 * domain + 1);
}

static uint64_t reach(uint16_t device, bool guest, uint32_t pasid, uint64_t address)
{
	ck_assert_msg(
		ask((struct amd_request){
			.address = address, .pasid = pasid, .device = device, .has_pasid = guest}),
		"device %x, %lx faults with %016lx", device, address, got.event.q[0]);
	return got.pa.value;
}

/* Maps the pages below ROOT to frames of their own; guest's or host's tables. */
static uint64_t fill(uint64_t root, bool guest, uint64_t *frame, unsigned which)
{
	uint64_t entry = guest ? entry_in(root, 4, pages[which], 1)
			       : amd_kit_entry(kit, root, HOST_MODE, pages[which], 1);
	*frame = amd_kit_frames(kit, 1);
	amd_kit_set_word(kit, entry, *frame | (guest ? P | RW | US : PTE_PR | PTE_RW));
	return entry;
}

static void fill_all(uint64_t root, bool guest, uint64_t *first, unsigned stride)
{
	for (unsigned i = 0; i < PAGES; i++)
		fill(root, guest, first + (uint64_t)i * stride, i);
}

/* Other tables below the same root. */
static void cut(uint64_t root, bool guest)
{
	for (unsigned i = 0; i < PAGES; i++)
		amd_kit_set_word(kit,
				 guest ? entry_in(root, 4, pages[i], 2)
				       : amd_kit_entry(kit, root, HOST_MODE, pages[i], 2),
				 0);
}

static void populate_guest(unsigned domain, unsigned which, uint64_t table)
{
	uint64_t *frames = all.guest[domain][which][0];
	uint64_t root = amd_kit_frames(kit, 1), other = amd_kit_frames(kit, 1);
	amd_kit_set_word(kit, table + 8ULL * pasids[which], GCR3_V | root);
	fill_all(root, true, frames, ANSWERS);
	for (unsigned i = 0; i < PAGES; i++)
		ck_assert_uint_eq(reach(guest_device(domain), true, pasids[which], pages[i]),
				  frames[(uint64_t)i * ANSWERS]);
	fill_all(root, true, frames + 1, ANSWERS);
	cut(root, true);
	fill_all(root, true, frames + 2, ANSWERS);
	fill_all(other, true, frames + 3, ANSWERS);
	amd_kit_set_word(kit, table + 8ULL * pasids[which], GCR3_V | other);
}

static void populate(bool over_host)
{
	nested = false; /* identity */
	for (unsigned d = 0; d < DOMAINS; d++) {
		uint64_t root = amd_kit_frames(kit, 1), table = amd_kit_frames(kit, 1);
		for (uint64_t at = 4ULL << 30; at < 6ULL << 30; at += 1ULL << 30)
			amd_kit_set_word(kit, amd_kit_entry(kit, root, HOST_MODE, at, 3),
					 PTE_PR | PTE_RW | at);
		struct amd_dte entry = amd_kit_dte(root, HOST_MODE, (uint16_t)(DOMAIN + d));
		amd_kit_set_dte(kit, host_device(d), entry);
		if (!over_host)
			entry = amd_kit_dte(0, 0, (uint16_t)(DOMAIN + d));
		entry.q[0] |= DTE_GV;
		amd_dte_set_gcr3(&entry, table);
		amd_kit_set_dte(kit, guest_device(d), entry);
		for (unsigned i = 0; i < PASIDS; i++)
			populate_guest(d, i, table);
		uint64_t *frames = all.host[d][0];
		fill_all(root, false, frames, ANSWERS - 1);
		for (unsigned i = 0; i < PAGES; i++)
			reach(host_device(d), false, 0, pages[i]);
		fill_all(root, false, frames + 1, ANSWERS - 1);
		cut(root, false);
		fill_all(root, false, frames + 2, ANSWERS - 1);
	}
}

struct removal {
	struct amd_command command;
	bool all;
	bool flushes; /* INVALIDATE_IOMMU_PAGES of: */
	bool gn;
	bool pde;
	unsigned domain;
	unsigned pasid;
	uint64_t first;
	uint64_t last;
};

static bool touches(const struct removal *what, uint64_t first, uint64_t last)
{
	return what->first <= last && what->last >= first;
}

static unsigned guest_answer(const struct removal *what, unsigned domain, unsigned pasid,
			     unsigned which)
{
	uint64_t at = pages[which], table = at & ~0x1fffffULL;
	bool pages_of = what->flushes && what->domain == domain;
	bool own = pages_of && what->gn && what->pasid == pasid;
	bool host = pages_of && !what->gn;
	if (!(what->all || host || (own && touches(what, at, at + 0xfff))))
		return 0;
	if (!(what->all || (host && what->pde) ||
	      (own && what->pde && touches(what, table, table + 0x1fffff))))
		return 1;
	return what->all || (own && what->pde) ? 3 : 2;
}

static unsigned host_answer(const struct removal *what, unsigned domain, unsigned which)
{
	uint64_t at = pages[which], table = at & ~0x1fffffULL;
	bool host = what->flushes && what->domain == domain && !what->gn;
	if (!(what->all || (host && touches(what, at, at + 0xfff))))
		return 0;
	return what->all || (host && what->pde && touches(what, table, table + 0x1fffff)) ? 2 : 1;
}

static void check_removes(const struct removal *what, bool over_host)
{
	amd_kit_set(&profile, "pde.entries", 1024); /* nothing makes way */
	again(over_host);
	populate(over_host);
	amd_kit_issue(kit, what->command);
	for (unsigned d = 0; d < DOMAINS; d++)
		for (unsigned i = 0; i < PAGES; i++) {
			uint64_t pa = reach(host_device(d), false, 0, pages[i]);
			unsigned expected = host_answer(what, d, i);
			ck_assert_msg(pa == all.host[d][i][expected],
				      "%016lx %016lx: host %u, page %u: not answer %u",
				      what->command.q[0], what->command.q[1], d, i, expected);
		}
	for (unsigned d = 0; d < DOMAINS; d++)
		for (unsigned s = 0; s < PASIDS; s++)
			for (unsigned i = 0; i < PAGES; i++) {
				uint64_t pa = reach(guest_device(d), true, pasids[s], pages[i]);
				unsigned expected = guest_answer(what, d, s, i);
				ck_assert_msg(pa == all.guest[d][s][i][expected],
					      "%016lx %016lx: domain %u, PASID %u, page %u: "
					      "not answer %u",
					      what->command.q[0], what->command.q[1], d, s, i,
					      expected);
			}
}

static struct removal pages_removal(unsigned domain, unsigned pasid, bool gn, bool pde,
				    uint64_t first, uint64_t last)
{
	uint16_t number = (uint16_t)(DOMAIN + domain);
	return (struct removal){
		.command = gn ? amd_command_invalidate_guest_pages(number, pasids[pasid], first,
								   last, pde)
			      : amd_command_invalidate_pages(number, first, last, pde),
		.flushes = true,
		.gn = gn,
		.pde = pde,
		.domain = domain,
		.pasid = pasid,
		.first = first,
		.last = last,
	};
}

START_TEST(pages_of_a_domain_or_a_pasid_go_and_nothing_else)
{
	static const uint64_t ranges[][2] = {
		{0x40000000, 0x40000fff}, {0x40003000, 0x40003fff}, {0x40000000, 0x40003fff},
		{0x40200000, 0x402fffff}, {0x80000000, 0x80000fff}, {0, UINT64_MAX},
	};
	for (unsigned over_host = 0; over_host < 2; over_host++)
		for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
			for (unsigned how = 0; how < 4; how++) {
				struct removal what =
					pages_removal(i % 2, i / 2 % 2, how & 1, how & 2,
						      ranges[i][0], ranges[i][1]);
				check_removes(&what, over_host);
			}
}
END_TEST

START_TEST(other_commands_remove_no_translation_but_one_that_removes_all)
{
	struct removal what = {.all = false};
	for (unsigned opcode = CMD_INVALIDATE_DEVTAB_ENTRY;
	     opcode <= CMD_INVALIDATE_INTERRUPT_TABLE; opcode++) {
		if (opcode == CMD_INVALIDATE_IOMMU_PAGES)
			continue;
		what.command = (struct amd_command){{(uint64_t)opcode << 60 | guest_device(0), 0}};
		check_removes(&what, true);
	}
	what = (struct removal){.command = amd_command_invalidate_all(), .all = true};
	check_removes(&what, false);
	check_removes(&what, true);
}
END_TEST

START_TEST(where_tables_begin_is_kept_until_a_flush_with_pde)
{
	uint64_t far = AT + (1ULL << 40), root = amd_kit_frames(kit, 1);
	check_reaches(AT, page);
	put(far, 1, P | US | page);
	amd_kit_set_word(kit, gcr3 + 8ULL * PASID, GCR3_V | root);
	amd_kit_issue(kit, amd_command_invalidate_guest_pages(DOMAIN, PASID, 0, ~0ULL, false));
	amd_kit_issue(kit, amd_command_invalidate_domain(DOMAIN));
	amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE));
	check_reaches(far, page);
	amd_kit_issue(kit, amd_command_invalidate_guest_pages(DOMAIN, PASID, AT, AT, true));
	ck_assert(!works(PASID, far + PAGE_SIZE, false));
	check_reaches(far, page); /* a leaf outside the range */
	check_faults(AT, false, 0);
}
END_TEST

START_TEST(a_guests_ring_removes_what_its_domain_is_mapped_to)
{
	struct amd_kit_guest guest = amd_kit_guest(kit, 3, 0x300, 0x33);
	uint64_t other = amd_kit_frames(kit, 1);
	amd_kit_guest_domain(&guest, 1, DOMAIN);
	amd_kit_guest_domain(&guest, 2, DOMAIN + 1);
	check_reaches(AT, page);
	put(AT, 1, P | US | other);
	amd_kit_guest_issue(&guest, amd_command_invalidate_guest_pages(2, PASID, 0, ~0ULL, true));
	check_reaches(AT, page);
	amd_kit_guest_issue(&guest, amd_command_invalidate_guest_pages(1, PASID, AT, AT, false));
	check_reaches(AT, other);
}
END_TEST

START_TEST(leaves_of_guests_are_kept_where_the_caller_says)
{
	const struct amd_request request = {
		.address = AT, .pasid = PASID, .device = DEVICE, .has_pasid = true};
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(
			amd_translate_request(kit->amd, &request, AMD_LEAVES_NOWHERE, &got), 0);
		ck_assert_int_eq(got.path, PATH_WALKED);
	}
	amd_translate_request(kit->amd, &request, AMD_LEAVES_BY_DEVICE, &got);
	ck_assert_int_eq(got.path, PATH_WALKED);
	amd_translate_request(kit->amd, &request, AMD_LEAVES_BY_DEVICE, &got);
	ck_assert_int_eq(got.path, PATH_CACHED);
	amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE));
	amd_translate_request(kit->amd, &request, AMD_LEAVES_BY_DEVICE, &got);
	ck_assert_int_eq(got.path, PATH_WALKED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_guest_walk");
	TCase *flat = tcase_create("flat"), *over = tcase_create("nested");
	tcase_add_checked_fixture(flat, setup, teardown);
	tcase_add_test(flat, the_gcr3_root_lies_in_three_fields);
	tcase_add_test(flat, a_request_with_a_pasid_uses_its_tables);
	tcase_add_test(flat, without_gten_or_gv_there_are_no_tables_of_pasids);
	tcase_add_test(flat,
		       a_request_without_a_pasid_uses_pasid_0_with_giov_and_host_tables_without);
	tcase_add_test(flat, an_entry_that_is_invalid_or_has_no_translation_is_so_for_pasids_too);
	tcase_add_test(flat, gcr3_tables_have_one_to_three_levels_of_nine_bits);
	tcase_add_test(flat, a_hole_in_a_gcr3_table_is_not_present);
	tcase_add_test(flat, more_levels_than_the_iommu_has_are_illegal);
	tcase_add_test(flat, five_levels_take_57_bits);
	tcase_add_test(flat, an_address_repeats_its_highest_bit);
	tcase_add_test(flat, leaves_are_of_4_kib_2_mib_and_1_gib);
	tcase_add_test(flat, reserved_bits_of_a_guest_entry_fault_with_rz);
	tcase_add_test(flat, a_hole_at_any_guest_level_is_not_present);
	tcase_add_test(flat, an_access_needs_its_right_at_every_level);
	tcase_add_test(flat, us_and_nx_do_not_count_without_their_features);
	tcase_add_test(flat, the_devices_entry_limits_its_pasids_too);
	tcase_add_test(flat, a_guest_table_that_cannot_be_read_is_a_hardware_error);
	tcase_add_test(flat, a_large_pasid_has_its_upper_bits_in_the_event);
	tcase_add_test(flat, dma_by_pasid_moves_bytes_or_logs_a_fault);
	tcase_add_test(flat, a_walk_marks_what_it_used_and_a_write_its_leaf);
	tcase_add_test(flat, what_faults_marks_nothing);
	tcase_add_test(flat, what_the_devices_entry_forbids_marks_and_keeps_nothing);
	tcase_add_test(flat, marks_can_be_disabled);
	tcase_add_test(flat, tables_are_marked_though_a_walk_had_faulted_below_them);
	tcase_add_test(flat, an_entry_that_is_marked_is_not_written);
	tcase_add_test(flat, pages_of_a_domain_or_a_pasid_go_and_nothing_else);
	tcase_add_test(flat, other_commands_remove_no_translation_but_one_that_removes_all);
	tcase_add_test(flat, where_tables_begin_is_kept_until_a_flush_with_pde);
	tcase_add_test(flat, a_guests_ring_removes_what_its_domain_is_mapped_to);
	tcase_add_test(flat, leaves_of_guests_are_kept_where_the_caller_says);
	tcase_add_checked_fixture(over, setup_nested, teardown);
	tcase_add_test(over, guest_pointers_and_leaves_go_through_the_hosts_tables);
	tcase_add_test(over, a_cold_walk_reads_24_entries_and_those_of_gcr3);
	tcase_add_test(over, a_cold_walk_of_five_levels_reads_29);
	tcase_add_test(over, with_gcr3trpmode_the_root_is_a_guest_address);
	tcase_add_test(over, a_guest_address_that_the_host_lacks_faults_with_it);
	tcase_add_test(over, the_host_has_to_allow_what_is_done_to_its_memory);
	tcase_add_test(over, a_leaf_of_both_stages_is_as_large_as_the_smaller);
	suite_add_tcase(suite, flat);
	suite_add_tcase(suite, over);
	return run_suite(suite);
}
