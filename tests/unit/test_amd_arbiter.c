/* SPDX-License-Identifier: Apache-2.0 */
/* How rings share the command processor: amd-viommu (10), which leaves it open: amd.arbiter. */
#include <check.h>
#include <stdlib.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define GUESTS 3U
#define FIRST  5U /* GuestID of the first */
#define EACH   4U /* commands of each ring, one line */

static struct profile profile;
static struct amd_kit *kit;
static struct amd_kit_guest guests[GUESTS];
static uint64_t command_ps; /* of one that does not wait */

static void setup(void)
{
	profile = amd_kit_profile();
	kit = amd_kit_new(&profile);
	command_ps = kit->amd->timing.command_ps;
	for (unsigned i = 0; i < GUESTS; i++) {
		guests[i] = amd_kit_guest(kit, (uint16_t)(FIRST + i), (uint16_t)(0x300 + i),
					  (uint16_t)(0x31 + i));
		amd_kit_guest_domain(&guests[i], 1, (uint16_t)(0x41 + i));
	}
	amd_kit_clear(kit);
}

static void teardown(void)
{
	amd_kit_free(kit);
}

static struct amd_command pages(void)
{
	return amd_command_invalidate_domain(1);
}

/* COUNT commands at the host's tail, which moves once. */
static void post_host(unsigned count)
{
	uint64_t tail = amd_kit_read(kit, AMD_CMD_TAIL, 8);
	for (unsigned i = 0; i < count; i++)
		amd_kit_put(kit, kit->ring, (uint32_t)(tail / COMMAND_SIZE + i), pages());
	amd_kit_write(kit, AMD_CMD_TAIL, 8, tail + (uint64_t)count * COMMAND_SIZE);
}

static void post_guests(unsigned count, unsigned each)
{
	for (unsigned i = 0; i < count; i++)
		for (unsigned k = 0; k < each; k++)
			amd_kit_guest_post(&guests[i], pages());
}

/* Of the commands done by CONTEXT, the last one's time. */
static uint64_t end_of(uint32_t context)
{
	uint64_t end_ps = 0;
	for (unsigned i = 0; i < kit->probe_count; i++)
		if (kit->probes[i].context == context)
			end_ps = kit->probes[i].time_ps;
	return end_ps;
}

static unsigned done_by(uint32_t context)
{
	unsigned count = 0;
	for (unsigned i = 0; i < kit->probe_count; i++)
		count += kit->probes[i].context == context && kit->probes[i].kind == PROBE_EXECUTED;
	return count;
}

/* The place in the log of CONTEXT's NTH command. */
static unsigned place_of(uint32_t context, unsigned nth)
{
	for (unsigned i = 0; i < kit->probe_count; i++)
		if (kit->probes[i].context == context && nth-- == 0)
			return i;
	ck_abort_msg("context %u did fewer commands", context);
}

/* Until RING waits for its turn. */
static void step_until_waiting(const struct amd_ring *ring)
{
	while (ring->state != RING_WAITING)
		ck_assert(clock_step(&kit->machine->clock));
}

static struct amd_ring *ring_of(unsigned i)
{
	return &amd_guest_find(kit->amd, guests[i].id)->ring;
}

START_TEST(each_ring_runs_as_if_it_were_alone)
{
	post_guests(1, EACH);
	amd_kit_run(kit);
	uint64_t alone_ps = end_of(FIRST), begun_ps = kit->machine->clock.now_ps;
	teardown();
	setup();
	post_guests(GUESTS, EACH);
	amd_kit_run(kit);
	ck_assert_uint_gt(begun_ps, 0);
	for (unsigned i = 0; i < GUESTS; i++)
		ck_assert_uint_eq(end_of(FIRST + i), alone_ps);
}
END_TEST

START_TEST(rings_take_turns_a_command_at_a_time)
{
	amd_kit_assume(kit, AMD_ARBITER, AMD_ARBITER_TURNS);
	post_guests(GUESTS, EACH);
	amd_kit_run(kit);
	ck_assert_uint_eq(kit->probe_count, GUESTS * EACH);
	for (unsigned i = 0; i < kit->probe_count; i++) {
		ck_assert_uint_eq(kit->probes[i].context, FIRST + i % GUESTS);
		ck_assert_uint_eq(kit->probes[i].time_ps, kit->probes[0].time_ps + i * command_ps);
	}
}
END_TEST

START_TEST(the_hosts_ring_waits_like_any_other)
{
	const struct amd_ring *ring;
	unsigned before_it = 1; /* the one that is served */
	amd_kit_assume(kit, AMD_ARBITER, AMD_ARBITER_TURNS);
	post_guests(GUESTS, 3 * EACH);
	step_until_waiting(ring_of(2));
	post_host(1);
	step_until_waiting(&kit->amd->ring);
	TAILQ_FOREACH (ring, &kit->amd->arbiter.waiting, turn)
		before_it += ring != &kit->amd->ring;
	ck_assert_uint_gt(before_it, 1);
	unsigned done = kit->probe_count;
	amd_kit_run(kit);
	ck_assert_uint_eq(place_of(CONTEXT_HOST_RING, 0), done + before_it);
}
END_TEST

/* Its next command is there when the one before is done: nobody comes between. */
START_TEST(the_hosts_ring_may_come_first)
{
	amd_kit_assume(kit, AMD_ARBITER, AMD_ARBITER_HOST_FIRST);
	post_guests(GUESTS, 3 * EACH);
	step_until_waiting(ring_of(2));
	post_host(EACH);
	step_until_waiting(&kit->amd->ring);
	unsigned before = kit->probe_count;
	amd_kit_run(kit);
	unsigned first = place_of(CONTEXT_HOST_RING, 0);
	ck_assert_uint_le(first, before + 1);
	for (unsigned i = 0; i < EACH; i++)
		ck_assert_uint_eq(place_of(CONTEXT_HOST_RING, i), first + i);
	for (unsigned i = 0; i < GUESTS; i++)
		ck_assert_uint_eq(done_by(FIRST + i), 3 * EACH);
}
END_TEST

START_TEST(a_completion_wait_takes_no_turn)
{
	amd_kit_assume(kit, AMD_ARBITER, AMD_ARBITER_TURNS);
	amd_kit_guest_post(&guests[1], amd_command_completion_wait(GUEST_MEMORY_AT, 7));
	amd_kit_run(kit);
	uint64_t alone_ps = end_of(FIRST + 1);
	teardown();
	setup();
	amd_kit_assume(kit, AMD_ARBITER, AMD_ARBITER_TURNS);
	post_guests(1, EACH);
	amd_kit_guest_post(&guests[1], amd_command_completion_wait(GUEST_MEMORY_AT, 7));
	amd_kit_run(kit);
	ck_assert_uint_eq(end_of(FIRST + 1), alone_ps);
	ck_assert_uint_eq(amd_kit_word(kit, guests[1].memory), 7);
}
END_TEST

START_TEST(a_ring_that_stops_while_it_waits_gives_its_turn_away)
{
	amd_kit_assume(kit, AMD_ARBITER, AMD_ARBITER_TURNS);
	post_guests(GUESTS, EACH);
	step_until_waiting(ring_of(1));
	amd_kit_set_vfcntl(&guests[1], VFCNTL_COMMAND,
			   amd_kit_vfcntl(&guests[1], VFCNTL_COMMAND) & ~GUEST_CMD_EN);
	amd_kit_run(kit);
	ck_assert_uint_eq(done_by(FIRST + 1), 0);
	ck_assert_uint_eq(done_by(FIRST), EACH);
	ck_assert_uint_eq(done_by(FIRST + 2), EACH);
	ck_assert_ptr_null(kit->amd->arbiter.serving);
	amd_kit_guest_restart(&guests[1]);
	amd_kit_run(kit);
	ck_assert_uint_eq(done_by(FIRST + 1), EACH);
}
END_TEST

START_TEST(a_ring_that_is_toggled_while_it_waits_waits_once)
{
	amd_kit_assume(kit, AMD_ARBITER, AMD_ARBITER_TURNS);
	post_guests(GUESTS, EACH);
	step_until_waiting(ring_of(1));
	amd_kit_guest_restart(&guests[1]);
	amd_kit_run(kit);
	for (unsigned i = 0; i < GUESTS; i++)
		ck_assert_uint_eq(done_by(FIRST + i), EACH);
	ck_assert(TAILQ_EMPTY(&kit->amd->arbiter.waiting));
}
END_TEST

START_TEST(a_ring_that_is_reset_leaves_the_queue)
{
	amd_kit_assume(kit, AMD_ARBITER, AMD_ARBITER_TURNS);
	post_guests(GUESTS, EACH);
	step_until_waiting(ring_of(2));
	amd_guest_reset(amd_guest_find(kit->amd, guests[2].id));
	amd_guest_reset(amd_guest_find(kit->amd, guests[0].id));
	amd_kit_run(kit);
	ck_assert_uint_eq(done_by(FIRST + 1), EACH);
	ck_assert_uint_eq(done_by(FIRST + 2), 0);
	ck_assert(TAILQ_EMPTY(&kit->amd->arbiter.waiting));
}
END_TEST

START_TEST(an_illegal_command_gives_the_turn_away)
{
	amd_kit_assume(kit, AMD_ARBITER, AMD_ARBITER_TURNS);
	amd_kit_guest_post(&guests[0], (struct amd_command){{0, 0}});
	for (unsigned k = 0; k < EACH; k++)
		amd_kit_guest_post(&guests[1], pages());
	amd_kit_run(kit);
	ck_assert_uint_eq(done_by(FIRST), 0);
	ck_assert_uint_eq(done_by(FIRST + 1), EACH);
	ck_assert_ptr_null(kit->amd->arbiter.serving);
}
END_TEST

START_TEST(nobody_asks_for_it_where_one_ring_runs)
{
	post_guests(1, EACH);
	amd_kit_run(kit);
	ck_assert(!kit->amd->assumptions.consulted[AMD_ARBITER]);
	teardown();
	setup();
	post_guests(2, EACH);
	amd_kit_run(kit);
	ck_assert(kit->amd->assumptions.consulted[AMD_ARBITER]);
}
END_TEST

static uint64_t hash_now(void)
{
	struct hash hash;
	hash_init(&hash);
	amd_iommu_hash(kit->amd, &hash);
	return hash.value;
}

START_TEST(the_hash_sees_who_waits_and_in_which_order)
{
	amd_kit_assume(kit, AMD_ARBITER, AMD_ARBITER_TURNS);
	post_guests(GUESTS, EACH);
	step_until_waiting(ring_of(2));
	struct amd_arbiter *arbiter = &kit->amd->arbiter;
	uint64_t before = hash_now();
	struct amd_ring *first = TAILQ_FIRST(&arbiter->waiting), *serving = arbiter->serving;
	TAILQ_REMOVE(&arbiter->waiting, first, turn);
	TAILQ_INSERT_TAIL(&arbiter->waiting, first, turn);
	ck_assert_uint_ne(hash_now(), before);
	TAILQ_REMOVE(&arbiter->waiting, first, turn);
	TAILQ_INSERT_HEAD(&arbiter->waiting, first, turn);
	ck_assert_uint_eq(hash_now(), before);
	arbiter->serving = NULL;
	ck_assert_uint_ne(hash_now(), before);
	arbiter->serving = serving;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_arbiter");
	TCase *tests = tcase_create("amd_arbiter");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, each_ring_runs_as_if_it_were_alone);
	tcase_add_test(tests, rings_take_turns_a_command_at_a_time);
	tcase_add_test(tests, the_hosts_ring_waits_like_any_other);
	tcase_add_test(tests, the_hosts_ring_may_come_first);
	tcase_add_test(tests, a_completion_wait_takes_no_turn);
	tcase_add_test(tests, a_ring_that_stops_while_it_waits_gives_its_turn_away);
	tcase_add_test(tests, a_ring_that_is_toggled_while_it_waits_waits_once);
	tcase_add_test(tests, a_ring_that_is_reset_leaves_the_queue);
	tcase_add_test(tests, an_illegal_command_gives_the_turn_away);
	tcase_add_test(tests, nobody_asks_for_it_where_one_ring_runs);
	tcase_add_test(tests, the_hash_sees_who_waits_and_in_which_order);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
