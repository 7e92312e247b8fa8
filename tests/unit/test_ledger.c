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

#define NOTES_MAX 32U

static struct note notes[NOTES_MAX];
static unsigned note_count;

static void on_note(void *context, struct machine *from, const struct note *note)
{
	(void)context;
	(void)from;
	ck_assert_uint_lt(note_count, NOTES_MAX);
	notes[note_count++] = *note;
}

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
	ledger_revoke(ledger, holder, pfn, count, ledger_revocation_new(ledger, holder, "UNMAP"));
}

/* A bit for each of the first 64 frames from PFN that a note of KIND told about. */
static uint64_t told(enum note_kind kind, uint64_t pfn)
{
	uint64_t bits = 0;
	for (unsigned i = 0; i < note_count; i++)
		if (notes[i].kind == kind && notes[i].who == holder)
			for (uint64_t at = 0; at < notes[i].count; at++)
				bits |= 1ULL << (notes[i].first + at - pfn);
	return bits;
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

/* ---- holders that an engine acts for ---- */

START_TEST(nothing_is_ever_promised_to_the_first_holder)
{
	uint64_t pfn = take(vmm, 1);
	ck_assert_uint_ne(holder, LEDGER_NOTHING);
	ledger_grant(ledger, holder, pfn, 1);
	ck_assert_uint_eq(ledger_granted(ledger, LEDGER_NOTHING), 0);
	ck_assert_int_eq(checker_judge(ledger, LEDGER_NOTHING, pa_of_pfn(pfn)),
			 ACCESS_NEVER_PROMISED);
	ledger_holder_gone(ledger, LEDGER_NOTHING);
	ck_assert_uint_ne(ledger_holder_new(ledger, "next"), LEDGER_NOTHING);
}
END_TEST

START_TEST(a_bound_holder_is_never_used_again)
{
	uint32_t second = ledger_holder_new(ledger, "second");
	ledger_bind(ledger, 0, 1, holder, LEDGER_NO_GUEST);
	/* Once is enough: what the engine fetched then may still be under way. */
	ledger_bind(ledger, 0, 1, second, LEDGER_NO_GUEST);
	ledger_holder_gone(ledger, holder);
	ledger_holder_gone(ledger, second);
	for (int i = 0; i < 40; i++) {
		uint32_t next = ledger_holder_new(ledger, "next");
		ck_assert_uint_ne(next, holder);
		ck_assert_uint_ne(next, second);
	}
}
END_TEST

START_TEST(what_a_bound_holder_had_is_revoked_when_it_goes)
{
	uint64_t pfn = take(vmm, 4);
	ledger_bind(ledger, 0, 1, holder, LEDGER_NO_GUEST);
	ledger_grant(ledger, holder, pfn, 3);
	ledger_grant(ledger, holder, pfn, 1); /* twice */
	take_away(pfn + 1, 1);
	ledger->call++;
	machine->clock.now_ps = 300;
	ledger_holder_gone(ledger, holder);
	for (uint64_t i = 0; i < 3; i++)
		ck_assert_int_eq(state_of(pfn + i), PROMISE_REVOKED);
	ck_assert_int_eq(state_of(pfn + 3), PROMISE_NONE);
	ck_assert_uint_eq(ledger_granted(ledger, holder), 0);
	ck_assert_int_eq(judge(pfn), ACCESS_AFTER_UNMAP);
	uint32_t why = ledger_promise(ledger, holder, pfn).revocation;
	ck_assert_uint_eq(ledger->revocations[why].call, ledger->call);
	ck_assert_uint_eq(ledger->revocations[why].done_ps, 300);
}
END_TEST

START_TEST(what_was_revoked_before_its_holder_went_keeps_its_revocation)
{
	uint64_t pfn = take(vmm, 2);
	ledger_bind(ledger, 0, 1, holder, LEDGER_NO_GUEST);
	ledger_grant(ledger, holder, pfn, 2);
	ledger->call = 3;
	take_away(pfn, 1);
	ledger_revoked(ledger, holder, pfn, 1);
	ledger->call = 4;
	ledger_holder_gone(ledger, holder);
	const struct revocation *all = ledger->revocations;
	ck_assert_uint_eq(all[ledger_promise(ledger, holder, pfn).revocation].call, 3);
	ck_assert_uint_eq(all[ledger_promise(ledger, holder, pfn + 1).revocation].call, 4);
}
END_TEST

/* ---- bindings ---- */

START_TEST(a_context_that_was_never_bound_is_the_hosts)
{
	ck_assert_ptr_null(ledger_binding(ledger, 0, 0));
	ledger_bind(ledger, 1, 2, holder, LEDGER_NO_GUEST);
	ck_assert_ptr_null(ledger_binding(ledger, 0, 0));
	ck_assert_ptr_null(ledger_binding(ledger, 0, 2));
	ck_assert_ptr_null(ledger_binding(ledger, 2, 1));
	ck_assert_ptr_null(ledger_binding(ledger, 1, CONTEXT_DEVICE(2)));
}
END_TEST

static void assert_bound(uint32_t engine, uint32_t context, uint32_t to, uint32_t guest)
{
	const struct ledger_binding *binding = ledger_binding(ledger, engine, context);
	ck_assert_ptr_nonnull(binding);
	ck_assert_uint_eq(binding->engine, engine);
	ck_assert_uint_eq(binding->context, context);
	ck_assert_uint_eq(binding->holder, to);
	ck_assert_uint_eq(binding->guest, guest);
}

START_TEST(a_binding_is_found_by_engine_and_context)
{
	uint32_t second = ledger_holder_new(ledger, "second"), guest = ledger_guest_new(ledger);
	ledger_bind(ledger, 1, 2, holder, guest);
	ledger_bind(ledger, 2, 1, second, LEDGER_NO_GUEST);
	ledger_bind(ledger, 1, CONTEXT_DEVICE(2), LEDGER_NOTHING, LEDGER_NO_GUEST);
	assert_bound(1, 2, holder, guest);
	assert_bound(2, 1, second, LEDGER_NO_GUEST);
	assert_bound(1, CONTEXT_DEVICE(2), LEDGER_NOTHING, LEDGER_NO_GUEST);
}
END_TEST

START_TEST(bound_anew_a_context_acts_for_the_new_holder_only)
{
	uint32_t second = ledger_holder_new(ledger, "second"), guest = ledger_guest_new(ledger);
	ledger->call = 5;
	ledger_bind(ledger, 1, 2, holder, guest);
	ck_assert_uint_eq(ledger_binding(ledger, 1, 2)->call, 5);
	ledger->call = 6;
	for (int i = 0; i < 100; i++) {
		ledger_bind(ledger, 1, 2, LEDGER_IN_TRANSITION, LEDGER_NO_GUEST);
		assert_bound(1, 2, LEDGER_IN_TRANSITION, LEDGER_NO_GUEST);
		ledger_bind(ledger, 1, 2, second, LEDGER_NO_GUEST);
	}
	assert_bound(1, 2, second, LEDGER_NO_GUEST);
	ck_assert_uint_eq(ledger_binding(ledger, 1, 2)->call, 6);
	ck_assert_uint_eq(ledger->binding_count, 1);
}
END_TEST

START_TEST(many_bindings_are_kept)
{
	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t context = i % 2 == 0 ? i : CONTEXT_DEVICE(i);
		ledger_bind(ledger, i % 3, context, holder, i);
		/* A few at a time: the earlier ones must outlive each growth of the table. */
		if (i % 100 == 0)
			assert_bound(0, 0, holder, 0);
	}
	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t context = i % 2 == 0 ? i : CONTEXT_DEVICE(i);
		assert_bound(i % 3, context, holder, i);
		ck_assert_ptr_null(ledger_binding(ledger, (i + 1) % 3, context));
	}
	ck_assert_uint_eq(ledger->binding_count, 3000);
}
END_TEST

/* ---- guests ---- */

START_TEST(a_guest_reaches_what_it_was_given_until_it_is_taken_back)
{
	uint32_t guest = ledger_guest_new(ledger);
	ck_assert(!ledger_guest_reaches(ledger, guest, REACH_DOMAIN, 7));
	for (uint32_t i = 6; i <= 8; i++)
		ledger_guest_reach(ledger, guest, REACH_DOMAIN, i, true);
	ledger_guest_reach(ledger, guest, REACH_DOMAIN, 7, true); /* again: no count is kept */
	ledger_guest_reach(ledger, guest, REACH_DOMAIN, 7, false);
	ck_assert(ledger_guest_reaches(ledger, guest, REACH_DOMAIN, 6));
	ck_assert(!ledger_guest_reaches(ledger, guest, REACH_DOMAIN, 7));
	ck_assert(ledger_guest_reaches(ledger, guest, REACH_DOMAIN, 8));
	ck_assert(!ledger_guest_reaches(ledger, guest, REACH_DOMAIN, 5));
	ck_assert(!ledger_guest_reaches(ledger, guest, REACH_DOMAIN, 9));
	ledger_guest_reach(ledger, guest, REACH_DOMAIN, 99, false); /* it never had it */
	ck_assert(ledger_guest_reaches(ledger, guest, REACH_DOMAIN, 8));
}
END_TEST

START_TEST(domains_and_devices_have_numbers_of_their_own)
{
	uint32_t guest = ledger_guest_new(ledger);
	ledger_guest_reach(ledger, guest, REACH_DOMAIN, 7, true);
	ck_assert(!ledger_guest_reaches(ledger, guest, REACH_DEVICE, 7));
	ledger_guest_reach(ledger, guest, REACH_DEVICE, 7, true);
	ledger_guest_reach(ledger, guest, REACH_DOMAIN, 7, false);
	ck_assert(ledger_guest_reaches(ledger, guest, REACH_DEVICE, 7));
}
END_TEST

START_TEST(many_guests_are_apart)
{
	uint32_t guests[40];
	for (uint32_t i = 0; i < 40; i++) {
		guests[i] = ledger_guest_new(ledger);
		ledger_guest_reach(ledger, guests[i], REACH_DOMAIN, i, true);
	}
	for (uint32_t i = 0; i < 40; i++)
		for (uint32_t domain = 0; domain < 40; domain++)
			ck_assert_int_eq(
				ledger_guest_reaches(ledger, guests[i], REACH_DOMAIN, domain),
				domain == i);
}
END_TEST

/* ---- revocations ---- */

START_TEST(one_call_is_one_revocation)
{
	uint64_t pfn = take(vmm, 4);
	ledger_grant(ledger, holder, pfn, 4);
	static const char unmap[] = "UNMAP";
	ledger->call = 7;
	machine->clock.now_ps = 100;
	uint32_t first = ledger_revocation_new(ledger, holder, unmap);
	ck_assert_uint_eq(ledger_revocation_new(ledger, holder, unmap), first);
	ck_assert_uint_ne(ledger_revocation_new(ledger, holder, "DESTROY"), first);
	ledger->call = 8;
	uint32_t second = ledger_revocation_new(ledger, holder, unmap);
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

/* As unmap does with areas: each is gone before the next begins. */
static uint32_t take_piece(uint64_t pfn, uint64_t start_ps, uint64_t done_ps)
{
	machine->clock.now_ps = start_ps;
	uint32_t revocation = ledger_revocation_new(ledger, holder, "UNMAP");
	ledger_revoke(ledger, holder, pfn, 1, revocation);
	machine->clock.now_ps = done_ps;
	ledger_revoked(ledger, holder, pfn, 1);
	return revocation;
}

START_TEST(what_one_call_takes_from_an_engine_piece_by_piece_has_its_own_times)
{
	uint64_t pfn = take(vmm, 2);
	ledger_bind(ledger, 1, 0, holder, LEDGER_NO_GUEST);
	ledger_grant(ledger, holder, pfn, 2);
	ledger->call = 7;
	uint32_t first = take_piece(pfn, 100, 200), second = take_piece(pfn + 1, 300, 400);
	ck_assert_uint_ne(first, second);
	ck_assert_uint_eq(ledger->revocations[first].done_ps, 200);
	ck_assert_uint_eq(ledger->revocations[second].start_ps, 300);
	ck_assert_uint_eq(ledger->revocations[second].call, 7);
}
END_TEST

START_TEST(what_one_call_takes_from_nobody_in_particular_is_one_revocation)
{
	uint64_t pfn = take(vmm, 2);
	ledger_grant(ledger, holder, pfn, 2);
	ledger->call = 7;
	ck_assert_uint_eq(take_piece(pfn, 100, 200), take_piece(pfn + 1, 300, 400));
}
END_TEST

START_TEST(many_revocations_are_kept)
{
	for (uint64_t call = 1; call <= 100; call++) {
		ledger->call = call;
		ck_assert_uint_eq(ledger_revocation_new(ledger, holder, "UNMAP"), call - 1);
	}
	for (uint64_t call = 1; call <= 100; call++)
		ck_assert_uint_eq(ledger->revocations[call - 1].call, call);
}
END_TEST

START_TEST(a_call_between_two_pieces_of_another_does_not_split_it)
{
	static const char unmap[] = "UNMAP";
	ledger->call = 7;
	uint32_t first = ledger_revocation_new(ledger, holder, unmap);
	ledger->call = 8;
	ck_assert_uint_ne(ledger_revocation_new(ledger, holder, unmap), first);
	ledger->call = 7;
	ck_assert_uint_eq(ledger_revocation_new(ledger, holder, unmap), first);
}
END_TEST

START_TEST(when_the_tables_were_cleared_is_kept_with_the_calls_revocation)
{
	ledger->call = 7;
	machine->clock.now_ps = 100;
	uint32_t first = ledger_revocation_new(ledger, holder, "UNMAP");
	ledger->call = 8;
	uint32_t second = ledger_revocation_new(ledger, holder, "UNMAP");
	ck_assert_uint_eq(ledger->revocations[first].cleared_ps, UINT64_MAX);
	ledger->call = 7;
	machine->clock.now_ps = 150;
	ledger_tables_cleared(ledger);
	ck_assert_uint_eq(ledger->revocations[first].cleared_ps, 150);
	ck_assert_uint_eq(ledger->revocations[first].done_ps, UINT64_MAX);
	ck_assert_uint_eq(ledger->revocations[second].cleared_ps, UINT64_MAX);
}
END_TEST

START_TEST(tables_cleared_by_a_call_that_revokes_nothing_change_nothing)
{
	ledger->call = 7;
	uint32_t first = ledger_revocation_new(ledger, holder, "UNMAP");
	ledger->call = 8;
	ledger_tables_cleared(ledger);
	ck_assert_uint_eq(ledger->revocations[first].cleared_ps, UINT64_MAX);
	ck_assert_uint_eq(ledger->revocation_count, 1);
}
END_TEST

/* ---- who watches ---- */

START_TEST(notes_tell_the_frames_whose_promise_changed_and_no_others)
{
	uint64_t pfn = take(vmm, 6);
	machine_observe(machine, &(struct observer){.note = on_note});
	note_count = 0;
	ledger_grant(ledger, holder, pfn, 6);
	ledger_grant(ledger, holder, pfn + 2, 1);
	take_away(pfn + 1, 4);
	ck_assert_uint_eq(told(NOTE_REVOKING, pfn), 0x1a); /* not 2: it was granted twice */
	ck_assert_uint_eq(told(NOTE_REVOKED, pfn), 0);
	ledger_revoked(ledger, holder, pfn, 4);
	ck_assert_uint_eq(told(NOTE_REVOKED, pfn), 0xa);
	ledger_revoked(ledger, holder, pfn, 6);
	ck_assert_uint_eq(told(NOTE_REVOKED, pfn), 0x1a);
	note_count = 0;
	ledger_tables_cleared(ledger);
	ck_assert_uint_eq(note_count, 1);
	ck_assert_int_eq(notes[0].kind, NOTE_TABLES_CLEARED);
}
END_TEST

static void assert_run(uint64_t pfn, uint64_t first, uint64_t last)
{
	uint64_t from = 0, to = 0;
	ck_assert(ledger_granted_run(ledger, holder, pfn, &from, &to));
	ck_assert_uint_eq(from, first);
	ck_assert_uint_eq(to, last);
}

START_TEST(a_granted_run_ends_where_the_promise_does)
{
	uint64_t pfn = take(vmm, 10), first, last;
	ck_assert(!ledger_granted_run(ledger, holder, pfn, &first, &last));
	ledger_grant(ledger, holder, pfn, 4);
	ledger_grant(ledger, holder, pfn + 4, 5);
	assert_run(pfn + 4, pfn, pfn + 8);
	ck_assert(!ledger_granted_run(ledger, holder, pfn + 9, &first, &last));
	take_away(pfn + 3, 2);
	assert_run(pfn, pfn, pfn + 2);
	assert_run(pfn + 8, pfn + 5, pfn + 8);
	ck_assert(!ledger_granted_run(ledger, holder, pfn + 3, &first, &last)); /* revoking */
	ledger_revoked(ledger, holder, pfn + 3, 2);
	ck_assert(!ledger_granted_run(ledger, holder, pfn + 4, &first, &last));
	ck_assert(!ledger_granted_run(ledger, LEDGER_NOTHING, pfn, &first, &last));
}
END_TEST

/* Whoever remembers a judgement compares versions. */
#define ASSERT_CHANGES(call)                                           \
	do {                                                           \
		uint64_t before = ledger->version;                     \
		call;                                                  \
		ck_assert_msg(ledger->version != before, "%s", #call); \
	} while (0)

START_TEST(the_version_changes_with_every_promise_binding_and_reach)
{
	uint64_t pfn = take(vmm, 2);
	uint32_t guest = ledger_guest_new(ledger);
	ASSERT_CHANGES(ledger_grant(ledger, holder, pfn, 2));
	ASSERT_CHANGES(ledger_grant(ledger, holder, pfn, 1));
	ASSERT_CHANGES(take_away(pfn + 1, 1));
	ASSERT_CHANGES(ledger_revoked(ledger, holder, pfn + 1, 1));
	ASSERT_CHANGES(ledger_bind(ledger, 0, 1, holder, guest));
	ASSERT_CHANGES(ledger_bind(ledger, 0, 1, LEDGER_NOTHING, guest));
	ASSERT_CHANGES(ledger_guest_reach(ledger, guest, REACH_DEVICE, 1, true));
	ASSERT_CHANGES(ledger_guest_reach(ledger, guest, REACH_DEVICE, 1, false));
	ASSERT_CHANGES(ledger_holder_gone(ledger, holder));
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

static uint64_t hash_now(void)
{
	struct hash hash;
	hash_init(&hash);
	ledger_hash(ledger, &hash);
	return hash.value;
}

START_TEST(hash_follows_promises)
{
	uint64_t pfn = take(vmm, 2);
	uint64_t before = hash_now();
	ledger_grant(ledger, holder, pfn, 2);
	uint64_t granted = hash_now();
	ck_assert_uint_ne(before, granted);
	take_away(pfn, 1);
	ck_assert_uint_ne(hash_now(), granted);
}
END_TEST

START_TEST(hash_follows_bindings_but_not_their_order)
{
	uint64_t before = hash_now();
	struct arena_snapshot *fresh = arena_save(machine->arena, NULL);
	for (uint32_t i = 0; i < 40; i++)
		ledger_bind(ledger, i % 2, i, holder, i);
	uint64_t upwards = hash_now();
	ck_assert_uint_ne(upwards, before);
	arena_restore(machine->arena, fresh);
	ck_assert_uint_eq(hash_now(), before);
	for (uint32_t i = 40; i-- > 0;)
		ledger_bind(ledger, i % 2, i, holder, i);
	ck_assert_uint_eq(hash_now(), upwards);
	ledger_bind(ledger, 0, 0, LEDGER_NOTHING, 0);
	ck_assert_uint_ne(hash_now(), upwards);
	arena_snapshot_free(fresh);
}
END_TEST

/* ---- against a count for each frame and holder ---- */

#define CELLS   64U
#define HOLDERS 5U
#define OWNERS  3U

struct cell {
	enum promise_state state;
	int grants;
	uint32_t revocation;
	uint32_t owner;
	unsigned handed_out; /* how often the frame was, when it was granted */
};

static struct {
	uint64_t base; /* pfn of frame 0 */
	struct {
		uint32_t number;
		bool bound;
		bool gone;
		struct cell cells[CELLS];
	} holders[HOLDERS];
	struct {
		bool free;
		uint32_t owner;
		unsigned handed_out;
	} frames[CELLS];
	uint32_t owners[OWNERS];
} model;
static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

static void model_init(uint64_t seed)
{
	random_state = seed;
	memset(&model, 0, sizeof(model));
	for (unsigned i = 0; i < OWNERS; i++)
		model.owners[i] = machine_owner(machine, "owner");
	model.base = take(model.owners[0], CELLS / 2);
	take(model.owners[1], CELLS / 2);
	for (unsigned i = 0; i < CELLS; i++)
		model.frames[i].owner = model.owners[i / (CELLS / 2)];
	for (unsigned h = 0; h < HOLDERS; h++)
		model.holders[h].number = ledger_holder_new(ledger, "model");
}

static void grant(unsigned h, uint32_t first, uint32_t last)
{
	uint32_t n = 0;
	while (first + n <= last && !model.frames[first + n].free)
		n++;
	if (n == 0)
		return;
	ledger_grant(ledger, model.holders[h].number, model.base + first, n);
	for (uint32_t i = first; i < first + n; i++) {
		struct cell *cell = &model.holders[h].cells[i];
		cell->grants = cell->state == PROMISE_GRANTED ? cell->grants + 1 : 1;
		cell->state = PROMISE_GRANTED;
		cell->owner = model.frames[i].owner;
		cell->handed_out = model.frames[i].handed_out;
	}
}

static void begin_revoke(unsigned h, uint32_t first, uint32_t last)
{
	struct cell *cells = model.holders[h].cells;
	uint32_t n = 0;
	while (first + n <= last && cells[first + n].state == PROMISE_GRANTED)
		n++;
	if (n == 0)
		return;
	uint32_t revocation = ledger_revocation_new(ledger, model.holders[h].number, "UNMAP");
	ledger_revoke(ledger, model.holders[h].number, model.base + first, n, revocation);
	for (uint32_t i = first; i < first + n; i++) {
		if (--cells[i].grants > 0)
			continue;
		cells[i].state = PROMISE_REVOKING;
		cells[i].revocation = revocation;
	}
}

static void end_revoke(unsigned h, uint32_t first, uint32_t last)
{
	ledger_revoked(ledger, model.holders[h].number, model.base + first, last - first + 1);
	for (uint32_t i = first; i <= last; i++)
		if (model.holders[h].cells[i].state == PROMISE_REVOKING)
			model.holders[h].cells[i].state = PROMISE_REVOKED;
}

/* A frame is freed, or a free one handed out to somebody. */
static void turn_over(uint32_t frame)
{
	uint32_t owner = model.owners[random_below(OWNERS)];
	if (!model.frames[frame].free) {
		memory_put(&machine->memory, model.base + frame, 1);
		model.frames[frame].free = true;
		return;
	}
	uint64_t given = take(owner, 1) - model.base;
	ck_assert(given < CELLS && model.frames[given].free);
	model.frames[given].free = false;
	model.frames[given].owner = owner;
	model.frames[given].handed_out++;
}

static void go(unsigned h)
{
	struct cell *cells = model.holders[h].cells;
	ledger_holder_gone(ledger, model.holders[h].number);
	model.holders[h].gone = model.holders[h].bound;
	if (!model.holders[h].bound) {
		memset(cells, 0, sizeof(model.holders[h].cells));
		model.holders[h].number = ledger_holder_new(ledger, "model");
		return;
	}
	for (uint32_t i = 0; i < CELLS; i++) {
		if (cells[i].state == PROMISE_NONE || cells[i].state == PROMISE_REVOKED)
			continue;
		cells[i].state = PROMISE_REVOKED;
		cells[i].revocation = ledger->revocation_count - 1;
	}
}

static void random_step(void)
{
	unsigned h = random_below(HOLDERS), what = random_below(100);
	uint32_t first = random_below(CELLS), last = first + random_below(16);
	last = last < CELLS ? last : CELLS - 1;
	ledger->call++;
	if (what < 20) {
		turn_over(first);
		return;
	}
	if (model.holders[h].gone)
		return;
	if (what < 50) {
		grant(h, first, last);
	} else if (what < 75) {
		begin_revoke(h, first, last);
	} else if (what < 98) {
		end_revoke(h, first, last);
	} else if (what == 98) {
		ledger_bind(ledger, 0, random_below(100), model.holders[h].number, LEDGER_NO_GUEST);
		model.holders[h].bound = true;
	} else if (random_below(4) == 0) {
		go(h);
	}
}

static enum judgement expected_judgement(const struct cell *cell, uint32_t i)
{
	if (cell->state == PROMISE_NONE)
		return ACCESS_NEVER_PROMISED;
	if (cell->state != PROMISE_REVOKED)
		return ACCESS_LEGAL;
	if (model.frames[i].free)
		return ACCESS_AFTER_FREE;
	bool same = cell->handed_out == model.frames[i].handed_out ||
		    cell->owner == model.frames[i].owner;
	return same ? ACCESS_AFTER_UNMAP : ACCESS_FOREIGN;
}

/* Says only frames that are granted, PFN among them. */
static bool run_is_granted(unsigned h, uint32_t i)
{
	uint64_t first, last;
	if (!ledger_granted_run(ledger, model.holders[h].number, model.base + i, &first, &last))
		return model.holders[h].cells[i].state != PROMISE_GRANTED;
	if (first > model.base + i || last < model.base + i)
		return false;
	for (uint64_t at = first - model.base; at <= last - model.base; at++)
		if (at >= CELLS || model.holders[h].cells[at].state != PROMISE_GRANTED)
			return false;
	return true;
}

static bool cell_agrees(unsigned h, uint32_t i)
{
	const struct cell *cell = &model.holders[h].cells[i];
	uint32_t number = model.holders[h].number;
	struct promise promise = ledger_promise(ledger, number, model.base + i);
	bool revoked = cell->state == PROMISE_REVOKING || cell->state == PROMISE_REVOKED;
	return promise.state == cell->state &&
	       (cell->state == PROMISE_NONE || promise.owner == cell->owner) &&
	       (!revoked || promise.revocation == cell->revocation) &&
	       checker_judge(ledger, number, pa_of_pfn(model.base + i)) ==
		       expected_judgement(cell, i) &&
	       run_is_granted(h, i);
}

static void assert_agreement(int seed, int step)
{
	for (unsigned h = 0; h < HOLDERS; h++) {
		uint64_t granted = 0;
		for (uint32_t i = 0; i < CELLS; i++) {
			granted += model.holders[h].cells[i].state == PROMISE_GRANTED;
			if (!cell_agrees(h, i))
				ck_abort_msg("seed %d, step %d: holder %u, frame %u", seed, step, h,
					     i);
		}
		if (ledger_granted(ledger, model.holders[h].number) != granted)
			ck_abort_msg("seed %d, step %d: frames granted to %u", seed, step, h);
	}
}

START_TEST(promises_agree_with_counts_by_frame)
{
	model_init((uint64_t)_i + 1);
	for (int step = 0; step < 1500; step++) {
		random_step();
		assert_agreement(_i, step);
	}
}
END_TEST

static TCase *group(Suite *suite, const char *name)
{
	TCase *tests = tcase_create(name);
	tcase_add_checked_fixture(tests, setup, teardown);
	suite_add_tcase(suite, tests);
	return tests;
}

static void add_promises(Suite *suite)
{
	TCase *tests = group(suite, "promises");
	tcase_add_test(tests, promise_goes_from_granted_to_revoked);
	tcase_add_test(tests, granted_twice_needs_two_revocations);
	tcase_add_test(tests, granted_again_is_a_new_promise);
	tcase_add_test(tests, ranges_are_split);
	tcase_add_test(tests, grant_spans_frames_of_several_owners);
	tcase_add_test(tests, a_granted_run_ends_where_the_promise_does);
	tcase_add_test(tests, notes_tell_the_frames_whose_promise_changed_and_no_others);
	tcase_add_test(tests, the_version_changes_with_every_promise_binding_and_reach);
	tcase_add_loop_test(tests, promises_agree_with_counts_by_frame, 0, 6);
	tests = group(suite, "revocations");
	tcase_add_test(tests, one_call_is_one_revocation);
	tcase_add_test(tests, what_one_call_takes_from_an_engine_piece_by_piece_has_its_own_times);
	tcase_add_test(tests, what_one_call_takes_from_nobody_in_particular_is_one_revocation);
	tcase_add_test(tests, many_revocations_are_kept);
	tcase_add_test(tests, when_the_tables_were_cleared_is_kept_with_the_calls_revocation);
	tcase_add_test(tests, tables_cleared_by_a_call_that_revokes_nothing_change_nothing);
	tests = group(suite, "judgements");
	tcase_add_test(tests, access_is_legal_until_revoked);
	tcase_add_test(tests, access_to_a_free_frame_is_after_free);
	tcase_add_test(tests, access_to_a_reused_frame_is_foreign);
	tcase_add_test(tests, frame_reused_by_its_owner_is_not_foreign);
	tcase_add_test(tests, reused_frame_may_be_granted_again);
}

static void add_holders(Suite *suite)
{
	TCase *tests = group(suite, "holders");
	tcase_add_test(tests, holders_are_apart);
	tcase_add_test(tests, number_of_a_gone_holder_is_used_again);
	tcase_add_test(tests, nothing_is_ever_promised_to_the_first_holder);
	tcase_add_test(tests, a_bound_holder_is_never_used_again);
	tcase_add_test(tests, what_a_bound_holder_had_is_revoked_when_it_goes);
	tcase_add_test(tests, what_was_revoked_before_its_holder_went_keeps_its_revocation);
	tests = group(suite, "bindings");
	tcase_add_test(tests, a_context_that_was_never_bound_is_the_hosts);
	tcase_add_test(tests, a_binding_is_found_by_engine_and_context);
	tcase_add_test(tests, bound_anew_a_context_acts_for_the_new_holder_only);
	tcase_add_test(tests, many_bindings_are_kept);
	tests = group(suite, "guests");
	tcase_add_test(tests, a_guest_reaches_what_it_was_given_until_it_is_taken_back);
	tcase_add_test(tests, domains_and_devices_have_numbers_of_their_own);
	tcase_add_test(tests, many_guests_are_apart);
	tests = group(suite, "hash");
	tcase_add_test(tests, hash_follows_promises);
	tcase_add_test(tests, hash_follows_bindings_but_not_their_order);
	tcase_add_test(tests, a_call_between_two_pieces_of_another_does_not_split_it);
}

int main(void)
{
	Suite *suite = suite_create("ledger");
	add_promises(suite);
	add_holders(suite);
	return run_suite(suite);
}
