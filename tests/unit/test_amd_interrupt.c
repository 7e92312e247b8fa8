/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt remapping, what is cached of it and what drops it: sheet amd-iommu (9, 10, 13, 15); and
 * the interrupts of guests' logs: amd-viommu (V: 11).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define DEVICE 0x20U
#define DOMAIN 0x10U
#define GUEST  0x305U
#define MSI_AT 0xfee01000ULL
#define IRTE   0x00340000ULL /* vector 0x34 */

static struct amd_kit *kit;
static struct amd_interrupt got;
static uint64_t table;

static void set_dte(uint64_t q2)
{
	struct amd_dte dte = amd_kit_dte(0, 0, DOMAIN);
	dte.q[2] = q2;
	amd_kit_set_dte(kit, DEVICE, dte);
	amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE));
}

/* 512 entries, remapped. */
static uint64_t remapping(void)
{
	return DTE_IV | field_put(DTE_INT_LENGTH, 9) | table | field_put(DTE_INT_CTL, 2);
}

static void setup(void)
{
	struct profile profile = amd_kit_profile();
	kit = amd_kit_new(&profile);
	table = amd_kit_frames(kit, 2);
	amd_kit_control(kit, CONTROL_GA_EN, 0);
	set_dte(remapping());
	amd_kit_clear(kit);
}

static void teardown(void)
{
	amd_kit_free(kit);
}

static enum amd_interrupt_result raise_index(uint32_t data)
{
	return amd_interrupt(kit->amd, DEVICE, MSI_AT, data, &got);
}

/* Of 4 bytes: two a word. */
static void put(uint32_t index, uint32_t entry)
{
	uint64_t at = table + 4ULL * index, word = amd_kit_word(kit, at & ~7ULL);
	unsigned shift = index % 2 * 32;
	amd_kit_set_word(kit, at & ~7ULL,
			 (word & ~(0xffffffffULL << shift)) | (uint64_t)entry << shift);
}

static void put_wide(uint64_t at, uint32_t index, uint64_t low, uint64_t high)
{
	amd_kit_set_word(kit, at + 16ULL * index, low);
	amd_kit_set_word(kit, at + 16ULL * index + 8, high);
}

static void check_event(uint32_t entry, uint64_t q0, uint64_t q1)
{
	struct amd_event event = amd_kit_event(kit, kit->log, entry);
	ck_assert_uint_eq(amd_kit_events(kit), entry + 1);
	ck_assert_msg(event.q[0] == q0 && event.q[1] == q1, "event %016lx %016lx", event.q[0],
		      event.q[1]);
}

#define I_RW      (1ULL << 51 | 1ULL << 53)
#define INT_FAULT (2ULL << 60 | (uint64_t)DOMAIN << 32 | I_RW | DEVICE)

START_TEST(an_entry_says_where_an_interrupt_goes)
{
	put(7, 0x00a55645 | 0x18);
	ck_assert_int_eq(raise_index(7), AMD_INTERRUPT_REMAPPED);
	ck_assert_uint_eq(got.vector, 0xa5);
	ck_assert_uint_eq(got.destination, 0x56);
	ck_assert_uint_eq(got.type, 7);
	ck_assert(got.logical && !got.posted);
	ck_assert_uint_eq(amd_kit_events(kit), 0);
	/* The index is data[10:0]. */
	ck_assert_int_eq(raise_index(7 | 0x800), AMD_INTERRUPT_REMAPPED);
}
END_TEST

START_TEST(with_gaen_entries_have_128_bits)
{
	amd_kit_control(kit, 0, CONTROL_GA_EN);
	put_wide(table, 3, 0x0000000056781201, 0xab00000000000034);
	ck_assert_int_eq(raise_index(3), AMD_INTERRUPT_REMAPPED);
	ck_assert_uint_eq(got.vector, 0x34);
	ck_assert_uint_eq(got.destination, 0xab567812);
	ck_assert(!got.logical);
}
END_TEST

START_TEST(an_interrupt_of_guest_mode_is_posted)
{
	uint64_t vapic = amd_kit_frames(kit, 1);
	amd_kit_control(kit, 0, CONTROL_GA_EN);
	put_wide(table, 3, 0xdeadbeef00000081, vapic | 0x67);
	ck_assert_int_eq(raise_index(3), AMD_INTERRUPT_POSTED);
	ck_assert_uint_eq(got.vapic.value, vapic);
	ck_assert_uint_eq(got.tag, 0xdeadbeef);
	ck_assert_uint_eq(amd_kit_word(kit, vapic + 0x230), 1ULL << 7);
	put_wide(table, 4, 0x81, vapic | 0x68);
	ck_assert_int_eq(raise_index(4), AMD_INTERRUPT_POSTED);
	ck_assert_uint_eq(amd_kit_word(kit, vapic + 0x230), 3ULL << 7);
}
END_TEST

START_TEST(intctl_and_iv_decide_what_is_remapped)
{
	put(1, IRTE | 1);
	for (uint64_t ctl = 0; ctl < 4; ctl++) {
		set_dte((remapping() & ~DTE_INT_CTL) | field_put(DTE_INT_CTL, ctl));
		enum amd_interrupt_result result = raise_index(1);
		ck_assert_int_eq(result, ctl == 1   ? AMD_INTERRUPT_FORWARDED
					 : ctl == 2 ? AMD_INTERRUPT_REMAPPED
						    : AMD_INTERRUPT_ABORTED);
		if (ctl == 0)
			check_event(0, 8ULL << 60 | 5ULL << 57 | DEVICE, MSI_AT);
		if (ctl == 3)
			check_event(1, 1ULL << 60 | 1ULL << 55 | I_RW | DEVICE, MSI_AT);
	}
	set_dte(0);
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_FORWARDED);
	amd_kit_control(kit, CONTROL_IOMMU_EN, 0);
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_FORWARDED);
}
END_TEST

START_TEST(an_interrupt_that_is_not_mapped_is_a_fault_unless_told_otherwise)
{
	put(1, IRTE);
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_ABORTED);
	check_event(0, INT_FAULT, MSI_AT);
	put(1, IRTE | 2); /* SupIOPF */
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_ABORTED);
	ck_assert_uint_eq(amd_kit_events(kit), 1);
	put(1, IRTE);
	set_dte(remapping() | DTE_IG);
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_ABORTED);
	ck_assert_uint_eq(amd_kit_events(kit), 1);
	/* Nothing is kept of it. */
	put(1, IRTE | 1);
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_REMAPPED);
}
END_TEST

START_TEST(an_index_beyond_the_table_is_a_fault)
{
	for (uint64_t length = 0; length <= 9; length++) {
		uint32_t entries = 1U << length;
		set_dte((remapping() & ~DTE_INT_LENGTH) | field_put(DTE_INT_LENGTH, length));
		put(entries - 1, IRTE | 1);
		put(entries, IRTE | 1);
		amd_kit_issue(kit, (struct amd_command){{5ULL << 60 | DEVICE, 0}});
		ck_assert_int_eq(raise_index(entries - 1), AMD_INTERRUPT_REMAPPED);
		ck_assert_int_eq(raise_index(entries), AMD_INTERRUPT_ABORTED);
		check_event((uint32_t)length, INT_FAULT, MSI_AT);
	}
}
END_TEST

START_TEST(a_table_of_interrupts_that_cannot_be_read_is_a_hardware_error)
{
	set_dte((remapping() & ~DTE_INT_ROOT) | 0x1000);
	ck_assert_int_eq(raise_index(2), AMD_INTERRUPT_ABORTED);
	check_event(0, 4ULL << 60 | 1ULL << 57 | (uint64_t)DOMAIN << 32 | I_RW | DEVICE, 0x1008);
}
END_TEST

START_TEST(an_entry_is_cached_until_its_devices_table_is_invalidated)
{
	put(1, IRTE | 1);
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_REMAPPED);
	put(1, 0);
	amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE));
	amd_kit_issue(kit, amd_command_invalidate_domain(DOMAIN));
	amd_kit_issue(kit, (struct amd_command){{5ULL << 60 | (DEVICE + 1), 0}});
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_REMAPPED);
	ck_assert_uint_eq(got.vector, 0x34);
	amd_kit_issue(kit, (struct amd_command){{5ULL << 60 | DEVICE, 0}});
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_ABORTED);
	put(1, IRTE | 1);
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_REMAPPED);
	put(1, 0);
	amd_kit_issue(kit, amd_command_invalidate_all());
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_ABORTED);
}
END_TEST

START_TEST(irtcachedis_keeps_nothing)
{
	amd_kit_control(kit, 0, CONTROL_IRT_CACHE_DIS);
	put(1, IRTE | 1);
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_REMAPPED);
	put(1, 0);
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_ABORTED);
}
END_TEST

START_TEST(with_irtcachedis_what_was_kept_before_is_not_used)
{
	put(1, IRTE | 1);
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_REMAPPED);
	amd_kit_control(kit, 0, CONTROL_IRT_CACHE_DIS);
	put(1, 0);
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_ABORTED);
}
END_TEST

START_TEST(reserved_bits_of_the_interrupt_part_are_illegal_with_iv)
{
	put(1, IRTE | 1);
	set_dte(remapping() | BITS(53, 53));
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_ABORTED);
	check_event(0, 1ULL << 60 | 1ULL << 55 | I_RW | DEVICE, MSI_AT);
	set_dte((remapping() | BITS(52, 52)) & ~DTE_IV);
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_FORWARDED);
}
END_TEST

START_TEST(a_guest_invalidates_the_tables_of_its_own_devices)
{
	struct amd_kit_guest guest = amd_kit_guest(kit, 5, 0x3f0, 0x31);
	amd_kit_guest_device(&guest, 9, DEVICE);
	put(1, IRTE | 1);
	raise_index(1);
	put(1, 0);
	amd_kit_guest_issue(&guest, (struct amd_command){{5ULL << 60 | DEVICE, 0}});
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_REMAPPED);
	amd_kit_guest_restart(&guest);
	amd_kit_guest_issue(&guest, (struct amd_command){{5ULL << 60 | 9, 0}});
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_REMAPPED); /* its ring stands */
	amd_kit_set_vf(&guest, AMD_CMD_HEAD, COMMAND_SIZE);
	amd_kit_guest_restart(&guest);
	ck_assert_int_eq(raise_index(1), AMD_INTERRUPT_ABORTED);
}
END_TEST

/* --- guests' logs [V 11] --- */

/* Type and GuestID: level 1 by bits 17:8, level 2 by 7:0. Returns the vAPIC page. */
static uint64_t extended(struct amd_kit_guest *guest, uint32_t type)
{
	uint64_t first = amd_kit_frames(kit, 2), second = amd_kit_frames(kit, 1);
	uint64_t vapic = amd_kit_frames(kit, 1);
	struct amd_dte own = amd_kit_dte(kit->own_root, 3, KIT_OWN_DOMAIN);
	own.q[2] = DTE_IV | field_put(DTE_INT_LENGTH, 10) | first | field_put(DTE_INT_CTL, 2);
	*guest = amd_kit_guest(kit, GUEST, 0x3f0, 0x31);
	amd_kit_set_dte(kit, OWN_DEVICE, own);
	amd_kit_control(kit, 0, CONTROL_GA_EN);
	amd_kit_issue(kit, amd_command_invalidate_all());
	amd_kit_set_word(kit, first + 8 * (type << 8 | GUEST >> 8), second | 8 << 2 | 1);
	put_wide(second, GUEST & 0xff, 0x81, vapic | 0x41);
	return vapic;
}

static void cause_event(const struct amd_kit_guest *guest)
{
	if (amd_kit_vf(guest, AMD_CMD_TAIL) == 0)
		amd_kit_guest_issue(guest, (struct amd_command){{0, 0}});
	else
		amd_kit_guest_restart(guest);
}

START_TEST(an_event_of_a_guest_is_posted_on_an_edge_if_enabled)
{
	struct amd_kit_guest guest;
	uint64_t vapic = extended(&guest, 0), irr = vapic + 0x220;
	cause_event(&guest);
	ck_assert_uint_eq(amd_kit_word(kit, irr), 0); /* EventIntEn = 0 */
	amd_kit_set_vf(&guest, AMD_STATUS, STATUS_EVENT_INT);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT,
			   amd_kit_vfcntl(&guest, VFCNTL_EVENT) | GUEST_EVENT_INT_EN);
	cause_event(&guest);
	ck_assert_uint_eq(amd_kit_word(kit, irr), 2);
	amd_kit_set_word(kit, irr, 0);
	cause_event(&guest); /* the bit still stands */
	ck_assert_uint_eq(amd_kit_word(kit, irr), 0);
}
END_TEST

START_TEST(a_page_request_of_a_guest_has_a_type_of_its_own)
{
	struct amd_kit_guest guest;
	uint64_t vapic = extended(&guest, 1);
	struct amd_dte dte = amd_kit_dte(0, 0, DOMAIN);
	const struct amd_page_request request = {.address = 0x1000, .device = DEVICE};
	dte.q[0] |= DTE_PPR;
	dte.q[3] = DTE_VIOMMU_EN | field_put(DTE_GUEST, GUEST);
	amd_kit_set_dte(kit, DEVICE, dte);
	amd_kit_issue(kit, amd_command_invalidate_devtab(DEVICE));
	amd_kit_set_vfcntl(&guest, VFCNTL_PPR,
			   GUEST_MEMORY_AT << 4 | GUEST_LENGTH | GUEST_PPR_LOG_EN | GUEST_PPR_EN |
				   GUEST_PPR_INT_EN);
	ck_assert_int_eq(amd_page_request(kit->amd, &request), AMD_PPR_LOGGED);
	ck_assert_uint_eq(amd_kit_word(kit, vapic + 0x220), 2);
	/* There is none for events. */
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT,
			   amd_kit_vfcntl(&guest, VFCNTL_EVENT) | GUEST_EVENT_INT_EN);
	amd_kit_set_word(kit, vapic + 0x220, 0);
	cause_event(&guest);
	ck_assert_uint_eq(amd_kit_vf(&guest, AMD_EVENT_TAIL), EVENT_SIZE);
	ck_assert_uint_eq(amd_kit_word(kit, vapic + 0x220), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_interrupt");
	TCase *tests = tcase_create("amd_interrupt");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_entry_says_where_an_interrupt_goes);
	tcase_add_test(tests, with_gaen_entries_have_128_bits);
	tcase_add_test(tests, an_interrupt_of_guest_mode_is_posted);
	tcase_add_test(tests, intctl_and_iv_decide_what_is_remapped);
	tcase_add_test(tests, an_interrupt_that_is_not_mapped_is_a_fault_unless_told_otherwise);
	tcase_add_test(tests, an_index_beyond_the_table_is_a_fault);
	tcase_add_test(tests, a_table_of_interrupts_that_cannot_be_read_is_a_hardware_error);
	tcase_add_test(tests, an_entry_is_cached_until_its_devices_table_is_invalidated);
	tcase_add_test(tests, irtcachedis_keeps_nothing);
	tcase_add_test(tests, with_irtcachedis_what_was_kept_before_is_not_used);
	tcase_add_test(tests, reserved_bits_of_the_interrupt_part_are_illegal_with_iv);
	tcase_add_test(tests, a_guest_invalidates_the_tables_of_its_own_devices);
	tcase_add_test(tests, an_event_of_a_guest_is_posted_on_an_edge_if_enabled);
	tcase_add_test(tests, a_page_request_of_a_guest_has_a_type_of_its_own);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
