/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs B of events and of page requests, of the host and of a guest: registers, when which log is in
 * use, overflow and autoswap: sheets amd-iommu (2 to 5, 13, 14) and amd-viommu (V: 4, 5).
 * What these leave open is as docs/limits.md has it.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define DEVICE     0x20U
#define GUEST      5U
#define TRANS      0x3f0U
#define ROOM       (KIT_ENTRIES - 1) /* one slot is never used */
#define LOG_LENGTH field_put(RING_LENGTH, 8)
#define A_GPA      0x10003000ULL
#define B_GPA      0x10004000ULL

/* Whose log of what it is: all of them behave alike. */
struct side {
	bool guest;
	bool ppr;
	uint32_t base[2]; /* registers */
	uint32_t head[2];
	uint64_t overflow[2]; /* bits of the status register */
	uint64_t interrupt;
	uint64_t run;
	uint64_t active;
};

#define EVENTS                                                                               \
	.head = {0x2010, 0x2070}, .overflow = {1ULL << 0, 1ULL << 15}, .interrupt = 1U << 1, \
	.run = 1U << 3, .active = 1U << 16
#define PPRS                                                                        \
	.ppr = true, .head = {0x2030, 0x2050}, .overflow = {1ULL << 5, 1ULL << 11}, \
	.interrupt = 1U << 6, .run = 1U << 7, .active = 1U << 12

static const struct side sides[] = {
	{EVENTS, .base = {0x10, 0xf8}},
	{PPRS, .base = {0x38, 0xf0}},
	{EVENTS, .guest = true},
	{PPRS, .guest = true},
};

static struct profile profile;
static struct amd_kit *kit;
static struct amd_kit_guest guest;
static const struct side *side;
static uint64_t logs[2]; /* physical addresses of A, B */

static void start(int number, uint64_t supported)
{
	uint64_t efr = profile_get(&profile, "efr.features");
	efr = field_set(efr, EFR_DUAL_EVENT_LOG, supported);
	amd_kit_set(&profile, "efr.features", field_set(efr, EFR_DUAL_PPR_LOG, supported));
	kit = amd_kit_new(&profile);
	side = &sides[number];
	guest = amd_kit_guest(kit, GUEST, TRANS, 0x32);
	for (unsigned i = 0; i < 2; i++) {
		logs[i] = amd_kit_frames(kit, 1);
		amd_kit_guest_map(&guest, i == 0 ? A_GPA : B_GPA, logs[i], PTE_RW);
	}
	struct amd_dte dte = amd_kit_dte(0, 0, 0x10);
	dte.q[0] |= DTE_PPR;
	if (side->guest)
		dte.q[3] = DTE_VIOMMU_EN | field_put(DTE_GUEST, GUEST);
	amd_kit_set_dte(kit, DEVICE, dte);
	amd_kit_control(kit, CONTROL_EVENT_LOG_EN, CONTROL_PPR_EN | CONTROL_PPR_INT_EN);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, 0);
	amd_kit_clear(kit);
}

static void setup(void)
{
	profile = amd_kit_profile();
}

static void teardown(void)
{
	amd_kit_free(kit);
}

/* --- registers --- */

static void place(void)
{
	if (side->guest) {
		amd_kit_set_vfcntl(&guest, side->ppr ? VFCNTL_PPR_B : VFCNTL_EVENT_B, B_GPA);
		return;
	}
	for (unsigned i = 0; i < 2; i++)
		amd_kit_write(kit, side->base[i], 8, logs[i] | LOG_LENGTH);
}

static void enable(unsigned dual, bool on)
{
	uint64_t lengths = 8 | 8 << 4;
	if (side->guest && side->ppr)
		amd_kit_set_vfcntl(&guest, VFCNTL_PPR,
				   A_GPA << 4 | lengths | (on ? 1U << 8 : 0) | GUEST_PPR_EN |
					   (uint64_t)dual << 11);
	else if (side->guest)
		amd_kit_set_vfcntl(&guest, VFCNTL_EVENT,
				   A_GPA | lengths | (on ? 1U << 8 : 0) | (uint64_t)dual << 10);
	else if (side->ppr)
		amd_kit_control(kit, 3ULL << 30 | 1U << 13,
				(uint64_t)dual << 30 | (on ? 1U << 13 : 0));
	else
		amd_kit_control(kit, 3ULL << 32 | 1U << 2,
				(uint64_t)dual << 32 | (on ? 1U << 2 : 0));
}

static void restart(unsigned dual)
{
	enable(dual, false);
	enable(dual, true);
}

static uint64_t get(uint32_t offset)
{
	return side->guest ? amd_kit_vf(&guest, offset) : amd_kit_read(kit, offset, 8);
}

static void set(uint32_t offset, uint64_t value)
{
	if (side->guest)
		amd_kit_set_vf(&guest, offset, value);
	else
		amd_kit_write(kit, offset, 8, value);
}

static uint64_t status(void)
{
	return get(AMD_STATUS) & (side->overflow[0] | side->overflow[1] | side->run | side->active);
}

/* Entries behind head in A or B. */
static uint32_t used(unsigned log)
{
	return (uint32_t)(get(side->head[log] + 8) - get(side->head[log])) % KIT_BYTES / EVENT_SIZE;
}

static void drain(unsigned log)
{
	set(side->head[log], get(side->head[log] + 8));
}

/* --- what goes into them --- */

static void cause(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct amd_event event = {{2ULL << 60, 0x1000 * i}};
		const struct amd_page_request request = {
			.address = 0x1000 * i, .device = DEVICE, .read = true};
		if (side->ppr)
			amd_page_request(kit->amd, &request);
		else if (side->guest)
			amd_log_guest_event(amd_guest_find(kit->amd, GUEST), &event);
		else
			amd_log_event(kit->amd, &event);
	}
}

START_TEST(without_the_feature_or_its_enable_there_is_log_a_alone)
{
	for (unsigned dual = 0; dual < 4; dual++) {
		start(_i, dual == 0 ? 2 : 0);
		place();
		enable(dual, true);
		cause(ROOM + 2);
		ck_assert_uint_eq(used(0), ROOM);
		ck_assert_uint_eq(status(), side->overflow[0]);
		restart(dual);
		cause(1);
		ck_assert_uint_eq(used(1), 0);
		ck_assert_uint_eq(status(), side->overflow[0]);
		teardown();
	}
	start(_i, 0);
}
END_TEST

START_TEST(with_autoswap_the_other_log_takes_what_the_first_has_no_room_for)
{
	start(_i, 2);
	place();
	enable(2, true);
	ck_assert_uint_eq(status(), side->run);
	cause(ROOM);
	ck_assert_uint_eq(used(0), ROOM);
	ck_assert_uint_eq(status(), side->run);
	cause(1);
	ck_assert_uint_eq(used(0), ROOM);
	ck_assert_uint_eq(used(1), 1);
	ck_assert_uint_eq(status(), side->run | side->active);
	ck_assert_uint_ne(amd_kit_word(kit, logs[1]), 0);
	drain(0);
	cause(ROOM); /* back, once B is full */
	ck_assert_uint_eq(used(1), ROOM);
	ck_assert_uint_eq(used(0), 1);
	ck_assert_uint_eq(status(), side->run);
}
END_TEST

/* GstBufferTRPMode 0: (amd-viommu 7). */
START_TEST(a_guests_log_b_has_a_private_slot_of_its_own)
{
	static const uint64_t slots[2][2] = {{0x4000000000, 0x4800000000},
					     {0x3000000000, 0x3800000000}};
	start(_i, 2);
	amd_kit_control(kit, CONTROL_GST_BUFFER_TRP, 0);
	for (unsigned i = 0; i < 2; i++)
		amd_kit_map(kit, kit->own_root, 3, slots[side->ppr][i] + GUEST * 0x80000ULL,
			    logs[i], PTE_RW);
	place();
	enable(2, true);
	cause(1);
	uint64_t first = amd_kit_word(kit, logs[0] + 8);
	ck_assert_uint_eq(amd_kit_word(kit, logs[1]), 0);
	cause(ROOM);
	ck_assert_uint_eq(used(1), 1);
	ck_assert_uint_ne(amd_kit_word(kit, logs[1]), 0);
	ck_assert_uint_eq(amd_kit_word(kit, logs[0] + 8), first);
}
END_TEST

START_TEST(with_both_full_the_one_in_use_overflows)
{
	start(_i, 2);
	place();
	enable(2, true);
	cause(2 * ROOM);
	ck_assert_uint_eq(status(), side->run | side->active);
	cause(1);
	ck_assert_uint_eq(status(), side->overflow[1] | side->active);
	drain(0);
	cause(1); /* it stands until software says otherwise */
	ck_assert_uint_eq(used(0), 0);
	restart(2);
	ck_assert_uint_eq(status(), side->run);
	cause(1);
	ck_assert_uint_eq(used(0), 1);
}
END_TEST

START_TEST(without_autoswap_a_restart_after_an_overflow_changes_the_log)
{
	start(_i, 2);
	place();
	enable(1, true);
	cause(ROOM);
	restart(1); /* nothing has overflowed */
	ck_assert_uint_eq(status(), side->run);
	cause(1);
	ck_assert_uint_eq(status(), side->overflow[0]);
	ck_assert_uint_eq(used(1), 0);
	restart(1);
	ck_assert_uint_eq(status(), side->run | side->active);
	cause(2);
	ck_assert_uint_eq(used(0), ROOM);
	ck_assert_uint_eq(used(1), 2);
	cause(ROOM);
	ck_assert_uint_eq(status(), side->overflow[1] | side->active);
	drain(0);
	restart(1);
	ck_assert_uint_eq(status(), side->run);
}
END_TEST

START_TEST(hardware_without_autoswap_has_none)
{
	start(_i, 1);
	place();
	enable(2, true);
	cause(ROOM + 1);
	ck_assert_uint_eq(status(), side->overflow[0]);
	ck_assert_uint_eq(used(1), 0);
}
END_TEST

START_TEST(without_their_enable_log_a_is_used_again)
{
	start(_i, 2);
	place();
	enable(2, true);
	cause(ROOM + 1);
	ck_assert_uint_eq(status(), side->run | side->active);
	drain(0);
	enable(0, true);
	ck_assert_uint_eq(status(), side->run);
	cause(1);
	ck_assert_uint_eq(used(0), 1);
	ck_assert_uint_eq(used(1), 1);
}
END_TEST

START_TEST(log_b_without_a_length_is_not_changed_to)
{
	start(_i, 2);
	place();
	if (side->guest) {
		uint32_t offset = side->ppr ? VFCNTL_PPR : VFCNTL_EVENT;
		enable(2, false);
		amd_kit_set_vfcntl(&guest, offset,
				   (amd_kit_vfcntl(&guest, offset) & ~0xf0ULL) | 1U << 8);
	} else {
		amd_kit_write(kit, side->base[1], 8, logs[1] | field_put(RING_LENGTH, 7));
		enable(2, true);
	}
	cause(ROOM + 1);
	ck_assert_uint_eq(status(), side->overflow[0]);
}
END_TEST

START_TEST(log_b_moves_only_while_it_stands)
{
	uint64_t other;
	start(_i, 2);
	other = amd_kit_frames(kit, 1);
	place();
	enable(2, true);
	cause(ROOM + 1);
	if (side->guest)
		amd_kit_set_vfcntl(&guest, side->ppr ? VFCNTL_PPR_B : VFCNTL_EVENT_B, A_GPA);
	else
		amd_kit_write(kit, side->base[1], 8, other | LOG_LENGTH);
	ck_assert_uint_eq(used(1), 1);
	cause(1);
	ck_assert_uint_ne(amd_kit_word(kit, logs[1] + EVENT_SIZE), 0);
	if (!side->guest) {
		ck_assert_uint_eq(amd_kit_read(kit, side->base[1], 8), logs[1] | LOG_LENGTH);
		enable(2, false);
		amd_kit_write(kit, side->base[1], 8, other | LOG_LENGTH);
		ck_assert_uint_eq(amd_kit_read(kit, side->base[1], 8), other | LOG_LENGTH);
		ck_assert_uint_eq(get(side->head[1] + 8), 0);
	}
}
END_TEST

START_TEST(pointers_of_log_b_are_written_as_those_of_log_a)
{
	start(_i, 2);
	place();
	enable(2, false);
	for (unsigned log = 0; log < 2; log++) {
		set(side->head[log] + 8, 0x40);
		ck_assert_uint_eq(get(side->head[log] + 8), 0x40);
		set(side->head[log], 0x20);
		ck_assert_uint_eq(get(side->head[log]), 0x20);
	}
	enable(2, true);
	for (unsigned log = 0; log < 2; log++) {
		set(side->head[log] + 8, 0x80); /* while it runs: ignored */
		ck_assert_uint_eq(get(side->head[log] + 8), 0x40);
		set(side->head[log], 0xffff30);
		ck_assert_uint_eq(get(side->head[log]), 0xf30);
	}
}
END_TEST

START_TEST(the_early_overflow_of_log_b_has_a_register_and_a_bit_of_its_own)
{
	const uint64_t early_a = 1ULL << 18, early_b = 1ULL << 17;
	if (!sides[_i].ppr) {
		start(_i, 2);
		return;
	}
	start(_i, 2);
	place();
	enable(2, true);
	set(0x2090, 1ULL << 31 | 2);
	ck_assert_uint_eq(get(0x2090), 1ULL << 31 | 2);
	ck_assert_uint_eq(get(0x2088), 0);
	cause(ROOM + 1);
	ck_assert_uint_eq(get(AMD_STATUS) & (early_a | early_b), 0);
	cause(1);
	ck_assert_uint_eq(get(AMD_STATUS) & (early_a | early_b), early_b);
	set(AMD_STATUS, early_b);
	ck_assert_uint_eq(get(AMD_STATUS) & (early_a | early_b), 0);
}
END_TEST

START_TEST(overflow_of_log_b_is_cleared_by_a_one_and_interrupts_as_log_as_does)
{
	start(_i, 2);
	place();
	enable(2, true);
	cause(2 * ROOM);
	set(AMD_STATUS, side->interrupt);
	amd_kit_clear(kit);
	cause(1);
	ck_assert_uint_eq(kit->interrupts, side->guest ? 0 : 1);
	ck_assert_uint_eq(status(), side->overflow[1] | side->active);
	set(AMD_STATUS, side->overflow[1] | side->active);
	ck_assert_uint_eq(status(), side->active); /* it starts with its enable (13) */
}
END_TEST

int main(void)
{
	const TTest *const of_each[] = {
		without_the_feature_or_its_enable_there_is_log_a_alone,
		with_autoswap_the_other_log_takes_what_the_first_has_no_room_for,
		with_both_full_the_one_in_use_overflows,
		without_autoswap_a_restart_after_an_overflow_changes_the_log,
		hardware_without_autoswap_has_none,
		without_their_enable_log_a_is_used_again,
		log_b_without_a_length_is_not_changed_to,
		log_b_moves_only_while_it_stands,
		pointers_of_log_b_are_written_as_those_of_log_a,
		the_early_overflow_of_log_b_has_a_register_and_a_bit_of_its_own,
		overflow_of_log_b_is_cleared_by_a_one_and_interrupts_as_log_as_does,
	};
	Suite *suite = suite_create("amd_second_logs");
	TCase *tests = tcase_create("each log");
	tcase_add_checked_fixture(tests, setup, teardown);
	for (size_t i = 0; i < sizeof(of_each) / sizeof(of_each[0]); i++)
		tcase_add_loop_test(tests, of_each[i], 0, (int)(sizeof(sides) / sizeof(sides[0])));
	tcase_add_loop_test(tests, a_guests_log_b_has_a_private_slot_of_its_own, 2, 4);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
