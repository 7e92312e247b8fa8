/* SPDX-License-Identifier: Apache-2.0 */
/* Promises about frames, and what an access is by them. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/machine.h"
#include "tests/kit/run.h"

static struct machine *machine;
static struct ledger *ledger;
static uint32_t holder;
static uint32_t vmm;
static uint32_t other;

static void setup(void)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 64UL << 20;
	machine = machine_new(&config);
	ck_assert_ptr_nonnull(machine);
	ledger = &machine->ledger;
	vmm = machine_owner(machine, "vmm");
	other = machine_owner(machine, "other");
	holder = ledger_holder_new(ledger, "guest");
}

static void teardown(void)
{
	machine_free(machine);
}

static uint64_t take(uint32_t owner, uint64_t count)
{
	uint64_t pfn = 0;
	ck_assert_uint_eq(memory_alloc(&machine->memory, owner, count, count, 1, 0, &pfn), count);
	return pfn;
}

static enum promise_state state_of(uint64_t pfn)
{
	return ledger_promise(ledger, holder, pfn).state;
}

static enum judgement judge(uint64_t pfn)
{
	return checker_judge(ledger, holder, pa_of(pfn * PAGE_SIZE + 0x123));
}

static void take_away(uint64_t pfn, uint64_t count)
{
	ledger_revoke(ledger, holder, pfn, count, ledger_revocation_new(ledger, "UNMAP"));
}

/* ---- promises ---- */

START_TEST(promise_goes_from_granted_to_revoked)
{
	uint64_t pfn = take(vmm, 4);
	ck_assert_int_eq(state_of(pfn), PROMISE_NONE);
	ledger_grant(ledger, holder, pfn, 4);
	ck_assert_int_eq(state_of(pfn + 3), PROMISE_GRANTED);
	ck_assert_uint_eq(ledger_promise(ledger, holder, pfn).owner, vmm);
	ck_assert_uint_eq(ledger_promise(ledger, holder, pfn).generation,
			  memory_frame(&machine->memory, pfn, NULL).generation);
	ck_assert_uint_eq(ledger_granted(ledger, holder), 4);
	take_away(pfn, 4);
	ck_assert_int_eq(state_of(pfn), PROMISE_REVOKING);
	ck_assert_uint_eq(ledger_granted(ledger, holder), 0);
	ledger_revoked(ledger, holder, pfn, 4);
	ck_assert_int_eq(state_of(pfn), PROMISE_REVOKED);
	ck_assert_int_eq(state_of(pfn + 4), PROMISE_NONE);
}
END_TEST

START_TEST(granted_twice_needs_two_revocations)
{
	uint64_t pfn = take(vmm, 2);
	ledger_grant(ledger, holder, pfn, 2);
	ledger_grant(ledger, holder, pfn, 1);
	take_away(pfn, 2);
	ck_assert_int_eq(state_of(pfn), PROMISE_GRANTED);
	ck_assert_int_eq(state_of(pfn + 1), PROMISE_REVOKING);
	ledger_revoked(ledger, holder, pfn, 2);
	ck_assert_int_eq(state_of(pfn), PROMISE_GRANTED);
	ck_assert_int_eq(state_of(pfn + 1), PROMISE_REVOKED);
	take_away(pfn, 1);
	ledger_revoked(ledger, holder, pfn, 1);
	ck_assert_int_eq(state_of(pfn), PROMISE_REVOKED);
}
END_TEST

START_TEST(granted_again_is_a_new_promise)
{
	uint64_t pfn = take(vmm, 1);
	ledger_grant(ledger, holder, pfn, 1);
	take_away(pfn, 1);
	ledger_grant(ledger, holder, pfn, 1);
	ck_assert_int_eq(state_of(pfn), PROMISE_GRANTED);
	/* The end of the earlier revocation no longer matters. */
	ledger_revoked(ledger, holder, pfn, 1);
	ck_assert_int_eq(state_of(pfn), PROMISE_GRANTED);
	take_away(pfn, 1);
	ledger_revoked(ledger, holder, pfn, 1);
	ck_assert_int_eq(state_of(pfn), PROMISE_REVOKED);
}
END_TEST

START_TEST(ranges_are_split)
{
	uint64_t pfn = take(vmm, 10);
	ledger_grant(ledger, holder, pfn, 10);
	take_away(pfn + 3, 4);
	ledger_revoked(ledger, holder, pfn + 4, 2);
	static const enum promise_state expected[10] = {
		PROMISE_GRANTED, PROMISE_GRANTED, PROMISE_GRANTED,  PROMISE_REVOKING,
		PROMISE_REVOKED, PROMISE_REVOKED, PROMISE_REVOKING, PROMISE_GRANTED,
		PROMISE_GRANTED, PROMISE_GRANTED,
	};
	for (int i = 0; i < 10; i++)
		ck_assert_msg(state_of(pfn + (uint64_t)i) == expected[i], "frame %d", i);
	ck_assert_uint_eq(ledger_granted(ledger, holder), 6);
}
END_TEST

START_TEST(grant_spans_frames_of_several_owners)
{
	uint64_t first = take(vmm, 3);
	uint64_t second = take(other, 3);
	ck_assert_uint_eq(second, first + 3);
	ledger_grant(ledger, holder, first, 6);
	ck_assert_uint_eq(ledger_promise(ledger, holder, first + 2).owner, vmm);
	ck_assert_uint_eq(ledger_promise(ledger, holder, second).owner, other);
	ck_assert_uint_eq(ledger_granted(ledger, holder), 6);
}
END_TEST

START_TEST(holders_are_apart)
{
	uint32_t second = ledger_holder_new(ledger, "device");
	uint64_t pfn = take(vmm, 1);
	ck_assert_uint_ne(second, holder);
	ledger_grant(ledger, second, pfn, 1);
	ck_assert_int_eq(state_of(pfn), PROMISE_NONE);
	ck_assert_int_eq(checker_judge(ledger, second, pa_of_pfn(pfn)), ACCESS_LEGAL);
	ck_assert_int_eq(judge(pfn), ACCESS_NEVER_PROMISED);
}
END_TEST

START_TEST(number_of_a_gone_holder_is_used_again)
{
	uint64_t pfn = take(vmm, 1);
	ledger_grant(ledger, holder, pfn, 1);
	uint32_t kept[20];
	for (int i = 0; i < 20; i++)
		kept[i] = ledger_holder_new(ledger, "many");
	ledger_grant(ledger, kept[19], pfn, 1);
	ledger_holder_gone(ledger, holder);
	ck_assert_uint_eq(ledger_granted(ledger, holder), 0);
	ck_assert_uint_eq(ledger_holder_new(ledger, "next"), holder);
	ck_assert_int_eq(state_of(pfn), PROMISE_NONE);
	ck_assert_uint_eq(ledger_granted(ledger, kept[19]), 1);
}
END_TEST

START_TEST(one_call_is_one_revocation)
{
	uint64_t pfn = take(vmm, 4);
	ledger_grant(ledger, holder, pfn, 4);
	static const char unmap[] = "UNMAP";
	ledger->call = 7;
	machine->clock.now_ps = 100;
	uint32_t first = ledger_revocation_new(ledger, unmap);
	ck_assert_uint_eq(ledger_revocation_new(ledger, unmap), first);
	ck_assert_uint_ne(ledger_revocation_new(ledger, "DESTROY"), first);
	ledger->call = 8;
	uint32_t second = ledger_revocation_new(ledger, unmap);
	ck_assert_uint_ne(second, first);
	ledger_revoke(ledger, holder, pfn, 2, first);
	ledger_revoke(ledger, holder, pfn + 2, 2, second);
	ck_assert_uint_eq(ledger_promise(ledger, holder, pfn + 1).revocation, first);
	ck_assert_uint_eq(ledger_promise(ledger, holder, pfn + 2).revocation, second);
	machine->clock.now_ps = 250;
	ledger_revoked(ledger, holder, pfn, 2);
	ck_assert_uint_eq(ledger->revocations[first].call, 7);
	ck_assert_str_eq(ledger->revocations[first].what, "UNMAP");
	ck_assert_uint_eq(ledger->revocations[first].start_ps, 100);
	ck_assert_uint_eq(ledger->revocations[first].done_ps, 250);
	ck_assert_uint_eq(ledger->revocations[second].done_ps, UINT64_MAX);
}
END_TEST

START_TEST(many_revocations_are_kept)
{
	for (uint64_t call = 1; call <= 100; call++) {
		ledger->call = call;
		ck_assert_uint_eq(ledger_revocation_new(ledger, "UNMAP"), call - 1);
	}
	for (uint64_t call = 1; call <= 100; call++)
		ck_assert_uint_eq(ledger->revocations[call - 1].call, call);
}
END_TEST

/* ---- judgements ---- */

START_TEST(access_is_legal_until_revoked)
{
	uint64_t pfn = take(vmm, 1);
	ck_assert_int_eq(judge(pfn), ACCESS_NEVER_PROMISED);
	ledger_grant(ledger, holder, pfn, 1);
	ck_assert_int_eq(judge(pfn), ACCESS_LEGAL);
	take_away(pfn, 1);
	ck_assert_int_eq(judge(pfn), ACCESS_LEGAL);
	ledger_revoked(ledger, holder, pfn, 1);
	ck_assert_int_eq(judge(pfn), ACCESS_AFTER_UNMAP);
	ck_assert_int_eq(judge(pfn + 1), ACCESS_NEVER_PROMISED);
}
END_TEST

static uint64_t revoked_frame(void)
{
	uint64_t pfn = take(vmm, 1);
	ledger_grant(ledger, holder, pfn, 1);
	take_away(pfn, 1);
	ledger_revoked(ledger, holder, pfn, 1);
	return pfn;
}

START_TEST(access_to_a_free_frame_is_after_free)
{
	uint64_t pfn = revoked_frame();
	ck_assert(memory_pin(&machine->memory, pfn, 1));
	memory_put(&machine->memory, pfn, 1);
	ck_assert_int_eq(judge(pfn), ACCESS_AFTER_UNMAP);
	memory_unpin(&machine->memory, pfn, 1);
	ck_assert_int_eq(judge(pfn), ACCESS_AFTER_FREE);
}
END_TEST

START_TEST(access_to_a_reused_frame_is_foreign)
{
	uint64_t pfn = revoked_frame();
	memory_put(&machine->memory, pfn, 1);
	ck_assert_uint_eq(take(other, 1), pfn);
	ck_assert_int_eq(judge(pfn), ACCESS_FOREIGN);
}
END_TEST

START_TEST(frame_reused_by_its_owner_is_not_foreign)
{
	uint64_t pfn = revoked_frame();
	memory_put(&machine->memory, pfn, 1);
	ck_assert_uint_eq(take(vmm, 1), pfn);
	ck_assert_int_eq(judge(pfn), ACCESS_AFTER_UNMAP);
}
END_TEST

START_TEST(reused_frame_may_be_granted_again)
{
	uint64_t pfn = revoked_frame();
	memory_put(&machine->memory, pfn, 1);
	ck_assert_uint_eq(take(other, 1), pfn);
	ledger_grant(ledger, holder, pfn, 1);
	ck_assert_int_eq(judge(pfn), ACCESS_LEGAL);
	ck_assert_uint_eq(ledger_promise(ledger, holder, pfn).owner, other);
	take_away(pfn, 1);
	ledger_revoked(ledger, holder, pfn, 1);
	ck_assert_int_eq(judge(pfn), ACCESS_AFTER_UNMAP);
}
END_TEST

START_TEST(hash_follows_promises)
{
	uint64_t pfn = take(vmm, 2);
	struct hash before, after;
	hash_init(&before);
	ledger_hash(ledger, &before);
	ledger_grant(ledger, holder, pfn, 2);
	hash_init(&after);
	ledger_hash(ledger, &after);
	ck_assert_uint_ne(before.value, after.value);
}
END_TEST

/* ---- against an array by frame ---- */

#define CELLS 256

static struct cell {
	enum promise_state state;
	int grants;
	uint32_t revocation;
} model[CELLS];
static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

static void random_grant(uint64_t base, uint64_t first, uint64_t count)
{
	ledger_grant(ledger, holder, base + first, count);
	for (uint64_t i = first; i < first + count; i++) {
		model[i].grants = model[i].state == PROMISE_GRANTED ? model[i].grants + 1 : 1;
		model[i].state = PROMISE_GRANTED;
	}
}

static void random_revoke(uint64_t base, uint64_t first, uint64_t count)
{
	uint64_t n = 0;
	while (n < count && model[first + n].state == PROMISE_GRANTED)
		n++;
	if (n == 0)
		return;
	ledger->call++;
	uint32_t revocation = ledger_revocation_new(ledger, "UNMAP");
	ledger_revoke(ledger, holder, base + first, n, revocation);
	for (uint64_t i = first; i < first + n; i++) {
		if (--model[i].grants > 0)
			continue;
		model[i].state = PROMISE_REVOKING;
		model[i].revocation = revocation;
	}
}

static void random_revoked(uint64_t base, uint64_t first, uint64_t count)
{
	ledger_revoked(ledger, holder, base + first, count);
	for (uint64_t i = first; i < first + count; i++)
		if (model[i].state == PROMISE_REVOKING)
			model[i].state = PROMISE_REVOKED;
}

static void assert_promises(uint64_t base, int seed, int op)
{
	uint64_t granted = 0;
	for (uint64_t i = 0; i < CELLS; i++) {
		struct promise promise = ledger_promise(ledger, holder, base + i);
		bool taken = promise.state >= PROMISE_REVOKING;
		if (promise.state != model[i].state ||
		    (taken && promise.revocation != model[i].revocation))
			ck_abort_msg("seed %d, operation %d: frame %d is %d, expected %d", seed, op,
				     (int)i, (int)promise.state, (int)model[i].state);
		granted += model[i].state == PROMISE_GRANTED;
	}
	ck_assert_uint_eq(ledger_granted(ledger, holder), granted);
}

START_TEST(promises_agree_with_an_array)
{
	random_state = (uint64_t)_i + 1;
	memset(model, 0, sizeof(model));
	uint64_t base = take(vmm, CELLS / 2);
	take(other, CELLS / 2);
	for (int op = 0; op < 1500; op++) {
		uint64_t first = random_below(CELLS);
		uint64_t count = 1 + random_below(30);
		count = first + count > CELLS ? CELLS - first : count;
		uint32_t kind = random_below(3);
		if (kind == 0)
			random_grant(base, first, count);
		else if (kind == 1)
			random_revoke(base, first, count);
		else
			random_revoked(base, first, count);
		assert_promises(base, _i, op);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("ledger");
	TCase *promises = tcase_create("promises");
	tcase_add_checked_fixture(promises, setup, teardown);
	tcase_add_test(promises, promise_goes_from_granted_to_revoked);
	tcase_add_test(promises, granted_twice_needs_two_revocations);
	tcase_add_test(promises, granted_again_is_a_new_promise);
	tcase_add_test(promises, ranges_are_split);
	tcase_add_test(promises, grant_spans_frames_of_several_owners);
	tcase_add_test(promises, holders_are_apart);
	tcase_add_test(promises, number_of_a_gone_holder_is_used_again);
	tcase_add_test(promises, one_call_is_one_revocation);
	tcase_add_test(promises, many_revocations_are_kept);
	tcase_add_loop_test(promises, promises_agree_with_an_array, 0, 4);
	suite_add_tcase(s, promises);

	TCase *judgements = tcase_create("judgements");
	tcase_add_checked_fixture(judgements, setup, teardown);
	tcase_add_test(judgements, access_is_legal_until_revoked);
	tcase_add_test(judgements, access_to_a_free_frame_is_after_free);
	tcase_add_test(judgements, access_to_a_reused_frame_is_foreign);
	tcase_add_test(judgements, frame_reused_by_its_owner_is_not_foreign);
	tcase_add_test(judgements, reused_frame_may_be_granted_again);
	tcase_add_test(judgements, hash_follows_promises);
	suite_add_tcase(s, judgements);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
