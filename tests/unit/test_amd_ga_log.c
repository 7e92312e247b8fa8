/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GA log: which interrupts go there, its entries, the copy of its tail, overflow and registers:
 * sheet amd-iommu (2, 3, 4, 5, 14, 15).
 */
#include <check.h>
#include <stdlib.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define DEVICE  0x28U
#define MSI_AT  0xfee01000ULL
#define TAG     0xdeadbeefULL
#define ENTRIES 512U /* of 8 bytes: length code 8 */
#define VALID   1ULL
#define GA_LOG  (1ULL << 2)
#define IS_RUN  (1ULL << 6)
#define POSTS   (1ULL << 7)
#define MINE    (7ULL << 8) /* of the status register */
#define RUN     (1ULL << 8)
#define FULL    (1ULL << 9)
#define INT     (1ULL << 10)
#define CODE(n) ((uint64_t)(n) << 56)

static struct profile profile;
static struct amd_kit *kit;
static uint64_t table;
static uint64_t vapic;
static uint64_t log_at;
static uint64_t copy_at;

static void set(uint64_t offset, uint64_t value)
{
	amd_kit_write(kit, offset, 8, value);
}

static uint64_t get(uint64_t offset)
{
	return amd_kit_read(kit, offset, 8);
}

static uint64_t status(void)
{
	return get(AMD_STATUS) & MINE;
}

static void put(uint64_t flags)
{
	amd_kit_set_word(kit, table, TAG << 32 | VALID | flags);
	amd_kit_set_word(kit, table + 8, vapic | 0x45);
}

static void flush(void)
{
	amd_kit_issue(kit,
		      (struct amd_command){
			      {field_put(CMD_OPCODE, CMD_INVALIDATE_INTERRUPT_TABLE) | DEVICE, 0}});
}

static void start(void)
{
	struct amd_dte dte = amd_kit_dte(0, 0, 1);
	kit = amd_kit_new(&profile);
	table = amd_kit_frames(kit, 1);
	vapic = amd_kit_frames(kit, 1);
	log_at = amd_kit_frames(kit, 1);
	copy_at = amd_kit_frames(kit, 1) + 0x48;
	dte.q[2] = DTE_IV | field_put(DTE_INT_LENGTH, 4) | table |
		   field_put(DTE_INT_CTL, INT_CTL_REMAP);
	amd_kit_set_dte(kit, DEVICE, dte);
	set(0xe0, log_at | CODE(8));
	set(0xe8, copy_at);
	put(POSTS | GA_LOG);
	amd_kit_control(kit, 0, 3ULL << 28);
	amd_kit_clear(kit);
}

static void setup(void)
{
	profile = amd_kit_profile();
	start();
}

static void teardown(void)
{
	amd_kit_free(kit);
}

static void interrupt(unsigned count)
{
	struct amd_interrupt got;
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_ne(amd_interrupt(kit->amd, DEVICE, MSI_AT, 0, &got),
				 AMD_INTERRUPT_ABORTED);
}

START_TEST(a_posted_interrupt_of_a_vcpu_that_does_not_run_is_logged)
{
	ck_assert_uint_eq(status(), RUN);
	interrupt(1);
	ck_assert_uint_eq(amd_kit_word(kit, log_at), 0x10000028deadbeef);
	ck_assert_uint_eq(get(0x2048), 8);
	ck_assert_uint_eq(get(0x2040), 0);
	ck_assert_uint_eq(status(), RUN | INT);
	ck_assert_uint_eq(amd_kit_word(kit, vapic + 0x220), 1ULL << 5); /* it is posted, too */
	interrupt(1);
	ck_assert_uint_eq(amd_kit_word(kit, log_at + 8), 0x10000028deadbeef);
	ck_assert_uint_eq(get(0x2048), 16);
}
END_TEST

START_TEST(others_are_not_logged)
{
	static const uint64_t flags[] = {POSTS, POSTS | GA_LOG | IS_RUN, POSTS | IS_RUN, GA_LOG};
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		put(flags[i]);
		flush();
		interrupt(1);
	}
	ck_assert_uint_eq(get(0x2048), 0);
	ck_assert_uint_eq(status(), RUN);
}
END_TEST

START_TEST(entries_of_32_bits_are_never_posted)
{
	amd_kit_control(kit, CONTROL_GA_EN, 0);
	interrupt(1);
	ck_assert_uint_eq(get(0x2048), 0);
}
END_TEST

START_TEST(isrun_of_a_cached_entry_is_looked_at_in_memory)
{
	interrupt(1);
	put(POSTS | GA_LOG | IS_RUN);
	interrupt(1);
	ck_assert_uint_eq(get(0x2048), 8);
	put(POSTS | GA_LOG);
	interrupt(1);
	ck_assert_uint_eq(get(0x2048), 16);
	amd_kit_set_word(kit, table, VALID | POSTS | GA_LOG); /* the rest is cached */
	interrupt(1);
	ck_assert_uint_eq(amd_kit_word(kit, log_at + 16), 0x10000028deadbeef);
}
END_TEST

START_TEST(tail_is_copied_to_memory)
{
	amd_kit_set_word(kit, copy_at, ~0ULL);
	interrupt(1);
	ck_assert_uint_eq(amd_kit_word(kit, copy_at), 8);
	interrupt(2);
	ck_assert_uint_eq(amd_kit_word(kit, copy_at), 24);
	/* After the entry, and never to address 0. */
	ck_assert_uint_eq(kit->accesses[kit->access_count - 2].pa.value, log_at + 16);
	ck_assert_uint_eq(kit->accesses[kit->access_count - 1].pa.value, copy_at);
	amd_kit_control(kit, 1ULL << 28, 0);
	set(0xe8, 0);
	amd_kit_control(kit, 0, 1ULL << 28);
	interrupt(1);
	ck_assert_uint_eq(kit->accesses[kit->access_count - 1].pa.value, log_at + 24);
}
END_TEST

START_TEST(a_full_log_overflows_and_stands_until_it_is_enabled_anew)
{
	interrupt(ENTRIES - 1);
	ck_assert_uint_eq(get(0x2048), 8 * (ENTRIES - 1));
	ck_assert_uint_eq(status(), RUN | INT);
	interrupt(1);
	ck_assert_uint_eq(status(), FULL | INT);
	ck_assert_uint_eq(get(0x2048), 8 * (ENTRIES - 1));
	set(0x2040, 8 * (ENTRIES - 1));
	set(AMD_STATUS, FULL | INT);
	ck_assert_uint_eq(status(), 0);
	interrupt(1); /* lost */
	ck_assert_uint_eq(get(0x2048), 8 * (ENTRIES - 1));
	amd_kit_control(kit, 1ULL << 28, 0);
	amd_kit_control(kit, 0, 1ULL << 28);
	interrupt(1);
	ck_assert_uint_eq(get(0x2048), 0); /* it wraps */
	ck_assert_uint_eq(status(), RUN | INT);
	ck_assert_uint_eq(amd_kit_word(kit, copy_at), 0);
}
END_TEST

START_TEST(enabling_clears_the_overflow)
{
	interrupt(ENTRIES);
	amd_kit_control(kit, 1ULL << 28, 0);
	ck_assert_uint_eq(status(), FULL | INT);
	amd_kit_control(kit, 0, 1ULL << 28);
	ck_assert_uint_eq(status(), RUN | INT);
}
END_TEST

START_TEST(an_edge_interrupts_if_gainten_is_set)
{
	interrupt(3);
	ck_assert_uint_eq(kit->interrupts, 1);
	set(AMD_STATUS, INT);
	interrupt(1);
	ck_assert_uint_eq(kit->interrupts, 2);
	amd_kit_control(kit, 1ULL << 29, 0);
	set(AMD_STATUS, INT);
	interrupt(1);
	ck_assert_uint_eq(status(), RUN | INT);
	ck_assert_uint_eq(kit->interrupts, 2);
}
END_TEST

START_TEST(registers_move_only_while_it_stands)
{
	set(0xe0, vapic | CODE(9));
	set(0xe8, 0x1000);
	set(0x2048, 0x40);
	ck_assert_uint_eq(get(0xe0), log_at | CODE(8));
	ck_assert_uint_eq(get(0xe8), copy_at);
	ck_assert_uint_eq(get(0x2048), 0);
	interrupt(2);
	set(0x2040, 0xfff8 | 0x7);
	ck_assert_uint_eq(get(0x2040), 0xff8); /* head at any time, inside the log */
	amd_kit_control(kit, 1ULL << 28, 0);
	set(0x2048, 0x40);
	ck_assert_uint_eq(get(0x2048), 0x40);
	set(0xe8, 0x1000);
	ck_assert_uint_eq(get(0xe8), 0x1000);
	set(0xe0, vapic | CODE(9));
	ck_assert_uint_eq(get(0xe0), vapic | CODE(9));
	ck_assert_uint_eq(get(0x2040), 0); /* a new base zeroes both */
	ck_assert_uint_eq(get(0x2048), 0);
}
END_TEST

START_TEST(it_runs_with_iommuen_galogen_a_length_and_gasup)
{
	static const uint64_t bits[] = {CONTROL_IOMMU_EN, 1ULL << 28};
	for (unsigned i = 0; i < 2; i++) {
		amd_kit_control(kit, bits[i], 0);
		ck_assert_uint_eq(status(), 0);
		amd_kit_control(kit, 0, bits[i]);
		ck_assert_uint_eq(status(), RUN);
	}
	for (unsigned code = 0; code < 16; code++) {
		amd_kit_control(kit, 1ULL << 28, 0);
		set(0xe0, log_at | CODE(code));
		amd_kit_control(kit, 0, 1ULL << 28);
		/* A pointer has bits 15:3, and reaches 64 KiB. */
		ck_assert_uint_eq(status(), code >= 8 && code <= 12 ? RUN : 0);
	}
	teardown();
	amd_kit_set(&profile, "efr.features", profile_get(&profile, "efr.features") & ~EFR_GA);
	start();
	ck_assert_uint_eq(status(), 0);
	interrupt(1);
	ck_assert_uint_eq(get(0x2048), 0);
}
END_TEST

START_TEST(an_interrupt_of_a_guests_log_is_logged_as_the_iommus_own)
{
	struct amd_kit_guest guest = amd_kit_guest(kit, 5, 0x3f0, 0x32);
	struct amd_dte own = amd_kit_dte(kit->own_root, 3, KIT_OWN_DOMAIN);
	uint64_t level1 = amd_kit_frames(kit, 2), level2 = amd_kit_frames(kit, 1);
	own.q[2] = DTE_IV | field_put(DTE_INT_LENGTH, 10) | level1 |
		   field_put(DTE_INT_CTL, INT_CTL_REMAP);
	amd_kit_set_dte(kit, OWN_DEVICE, own);
	amd_kit_issue(kit, amd_command_invalidate_devtab(OWN_DEVICE));
	amd_kit_set_word(kit, level1, EXT_INT_VALID | field_put(EXT_INT_LENGTH, 8) | level2);
	amd_kit_set_word(kit, level2 + 16ULL * 5, 0x77ULL << 32 | VALID | POSTS | GA_LOG);
	amd_kit_set_word(kit, level2 + 16ULL * 5 + 8, vapic | 0x45);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT,
			   GUEST_LOG_AT | GUEST_LENGTH | GUEST_EVENT_EN | GUEST_EVENT_INT_EN);
	amd_kit_guest_issue(&guest, (struct amd_command){{0, 0}});
	ck_assert_uint_eq(amd_kit_word(kit, log_at),
			  1ULL << 60 | (uint64_t)OWN_DEVICE << 32 | 0x77);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_ga_log");
	TCase *tests = tcase_create("log");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_posted_interrupt_of_a_vcpu_that_does_not_run_is_logged);
	tcase_add_test(tests, others_are_not_logged);
	tcase_add_test(tests, entries_of_32_bits_are_never_posted);
	tcase_add_test(tests, isrun_of_a_cached_entry_is_looked_at_in_memory);
	tcase_add_test(tests, tail_is_copied_to_memory);
	tcase_add_test(tests, a_full_log_overflows_and_stands_until_it_is_enabled_anew);
	tcase_add_test(tests, enabling_clears_the_overflow);
	tcase_add_test(tests, an_edge_interrupts_if_gainten_is_set);
	tcase_add_test(tests, registers_move_only_while_it_stands);
	tcase_add_test(tests, it_runs_with_iommuen_galogen_a_length_and_gasup);
	tcase_add_test(tests, an_interrupt_of_a_guests_log_is_logged_as_the_iommus_own);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
