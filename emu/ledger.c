// SPDX-License-Identifier: Apache-2.0
#include "emu/ledger.h"

#include <assert.h>
#include <string.h>

#include "emu/arena.h"
#include "emu/machine.h"

#include "emu/syscall.h"

#define CALLS_AT_ONCE_MAX 64U /* that take something away, one beside the other */

/* tag of a promise: state 0..1, owner 2..21, grants 24..63; base: revocation, generation << 32 */
struct packed {
	uint64_t base;
	uint64_t tag;
};

static struct packed pack(const struct promise *promise, uint64_t grants)
{
	return (struct packed){
		(uint64_t)promise->generation << 32 | promise->revocation,
		(uint64_t)promise->state | (uint64_t)promise->owner << 2 | grants << 24,
	};
}

static struct promise unpack(const struct span *span)
{
	return (struct promise){
		.state = (enum promise_state)(span->tag & 3),
		.owner = span->tag >> 2 & 0xfffff,
		.generation = (uint32_t)(span->base >> 32),
		.revocation = (uint32_t)span->base,
	};
}

static uint64_t grants_of(const struct span *span)
{
	return span->tag >> 24;
}

void ledger_init(struct ledger *ledger, struct machine *machine)
{
	memset(ledger, 0, sizeof(*ledger));
	ledger->machine = machine;
	uint32_t nothing = ledger_holder_new(ledger, "nothing");
	assert(nothing == LEDGER_NOTHING);
	ledger->holders[nothing]->bound = true;
}

/* Room for one more pointer. */
static void *grown(struct ledger *ledger, void *array, uint32_t count, uint32_t *capacity)
{
	if (count < *capacity)
		return array;
	uint32_t old = *capacity;
	*capacity = old == 0 ? 8 : old * 2;
	return arena_grow(ledger->machine->arena, array, old * sizeof(void *),
			  *capacity * sizeof(void *));
}

uint32_t ledger_holder_new(struct ledger *ledger, const char *name)
{
	struct arena *arena = ledger->machine->arena;
	uint32_t holder = 0;
	while (holder < ledger->holder_count &&
	       (!ledger->holders[holder]->gone || ledger->holders[holder]->bound))
		holder++;
	if (holder == ledger->holder_count) {
		ledger->holders = grown(ledger, ledger->holders, ledger->holder_count,
					&ledger->holder_capacity);
		ledger->holders[holder] = arena_new(arena, struct ledger_holder);
		spans_init(&ledger->holders[holder]->promises, arena, false);
		ledger->holder_count++;
	}
	ledger->holders[holder]->name = name;
	ledger->holders[holder]->gone = false;
	return holder;
}

/* --- guests --- */

uint32_t ledger_guest_new(struct ledger *ledger)
{
	struct arena *arena = ledger->machine->arena;
	struct ledger_guest *guest = arena_new(arena, struct ledger_guest);
	for (int kind = 0; kind < REACH_KINDS; kind++)
		spans_init(&guest->reach[kind], arena, false);
	ledger->guests =
		grown(ledger, ledger->guests, ledger->guest_count, &ledger->guest_capacity);
	ledger->guests[ledger->guest_count] = guest;
	return ledger->guest_count++;
}

void ledger_guest_reach(struct ledger *ledger, uint32_t guest, enum ledger_reach kind,
			uint32_t number, bool may)
{
	struct spans *reach = &ledger->guests[guest]->reach[kind];
	ledger->version++;
	if (may)
		spans_set(reach, number, number, 0, 0);
	else
		spans_clear(reach, number, number);
}

bool ledger_guest_reaches(struct ledger *ledger, uint32_t guest, enum ledger_reach kind,
			  uint32_t number)
{
	return spans_find(&ledger->guests[guest]->reach[kind], number) != NULL;
}

/* --- bindings --- */

static uint32_t binding_slot(const struct ledger *ledger, uint32_t engine, uint32_t context)
{
	uint64_t key = (uint64_t)engine << 32 | context;
	uint32_t mask = ledger->binding_capacity - 1;
	uint32_t slot = (uint32_t)(key * 0x9e3779b97f4a7c15ULL >> 32) & mask;
	while (ledger->bindings[slot].used && (ledger->bindings[slot].context != context ||
					       ledger->bindings[slot].engine != engine))
		slot = (slot + 1) & mask;
	return slot;
}

const struct ledger_binding *ledger_binding(const struct ledger *ledger, uint32_t engine,
					    uint32_t context)
{
	if (ledger->binding_count == 0)
		return NULL;
	const struct ledger_binding *found =
		&ledger->bindings[binding_slot(ledger, engine, context)];
	return found->used ? found : NULL;
}

static void bindings_rehash(struct ledger *ledger)
{
	struct ledger_binding *old = ledger->bindings;
	uint32_t old_capacity = ledger->binding_capacity;
	ledger->binding_capacity = old_capacity == 0 ? 16 : old_capacity * 2;
	ledger->bindings = arena_alloc(ledger->machine->arena,
				       ledger->binding_capacity * sizeof(*ledger->bindings));
	for (uint32_t i = 0; i < old_capacity; i++)
		if (old[i].used)
			ledger->bindings[binding_slot(ledger, old[i].engine, old[i].context)] =
				old[i];
	arena_free(ledger->machine->arena, old, old_capacity * sizeof(*old));
}

/* The call that is running: of the task, or what started last where none runs. */
static uint64_t current_call(const struct ledger *ledger)
{
	const struct task *task = ledger->machine->scheduler.current;
	uint64_t call = task != NULL ? task_syscall_id(task) : 0;
	return call != 0 ? call : ledger->call;
}

void ledger_bind(struct ledger *ledger, uint32_t engine, uint32_t context, uint32_t holder,
		 uint32_t guest)
{
	ledger->version++;
	if ((ledger->binding_count + 1) * 2 > ledger->binding_capacity)
		bindings_rehash(ledger);
	struct ledger_binding *binding = &ledger->bindings[binding_slot(ledger, engine, context)];
	ledger->binding_count += !binding->used;
	*binding =
		(struct ledger_binding){true, engine, context, holder, guest, current_call(ledger)};
	if (holder != LEDGER_IN_TRANSITION)
		ledger->holders[holder]->bound = true;
}

/* The first promise at or after AT, split so that it starts at AT and ends by LAST. */
static struct span *take(struct spans *promises, uint64_t at, uint64_t last)
{
	spans_split(promises, at);
	spans_split(promises, last + 1);
	return spans_find(promises, at);
}

void ledger_grant(struct ledger *ledger, uint32_t holder, uint64_t pfn, uint64_t count)
{
	struct spans *promises = &ledger->holders[holder]->promises;
	uint64_t last = pfn + count - 1;
	ledger->version++;
	for (uint64_t at = pfn, end; at <= last; at = end + 1) {
		uint64_t run;
		struct frame_state frame = memory_frame(&ledger->machine->memory, at, &run);
		end = run - 1 < last - at ? at + run - 1 : last;
		struct span *span = spans_from(promises, at);
		if (span != NULL && span->first > at && span->first <= end)
			end = span->first - 1;
		else if (span != NULL && span->first <= at)
			span = take(promises, at, end);
		uint64_t grants = 1;
		if (span != NULL && span->first == at) {
			end = span->last;
			/* A revoked page that comes back with new contents is a new promise. */
			if (unpack(span).state == PROMISE_GRANTED)
				grants = grants_of(span) + 1;
		}
		struct promise promise = {PROMISE_GRANTED, frame.owner, frame.generation, 0};
		struct packed packed = pack(&promise, grants);
		spans_set(promises, at, end, packed.base, packed.tag);
	}
}

/* Records before this one belong to calls that are over. */
static uint32_t first_recent(const struct ledger *ledger)
{
	return ledger->revocation_count > CALLS_AT_ONCE_MAX
		       ? ledger->revocation_count - CALLS_AT_ONCE_MAX
		       : 0;
}

uint32_t ledger_revocation_new(struct ledger *ledger, uint32_t holder, const char *what)
{
	uint64_t call = current_call(ledger);
	for (uint32_t i = ledger->revocation_count; i > first_recent(ledger); i--) {
		const struct revocation *old = &ledger->revocations[i - 1];
		bool open = old->done_ps == UINT64_MAX || !ledger->holders[holder]->bound;
		if (old->call == call && old->what == what && open)
			return i - 1;
	}
	if (ledger->revocation_count == ledger->revocation_capacity) {
		uint32_t old = ledger->revocation_capacity;
		uint32_t capacity = old == 0 ? 16 : old * 2;
		ledger->revocations = arena_grow(ledger->machine->arena, ledger->revocations,
						 old * sizeof(*ledger->revocations),
						 capacity * sizeof(*ledger->revocations));
		ledger->revocation_capacity = capacity;
	}
	ledger->revocations[ledger->revocation_count] = (struct revocation){
		what, call, ledger->machine->clock.now_ps, UINT64_MAX, UINT64_MAX};
	return ledger->revocation_count++;
}

void ledger_tables_cleared(struct ledger *ledger)
{
	uint64_t call = current_call(ledger);
	for (uint32_t i = first_recent(ledger); i < ledger->revocation_count; i++) {
		struct revocation *revocation = &ledger->revocations[i];
		if (revocation->call == call && revocation->cleared_ps == UINT64_MAX)
			revocation->cleared_ps = ledger->machine->clock.now_ps;
	}
	machine_note(ledger->machine, &(struct note){.kind = NOTE_TABLES_CLEARED});
}

static void note_promise(struct ledger *ledger, enum note_kind kind, uint32_t holder,
			 const struct span *span)
{
	machine_note(ledger->machine, &(struct note){.kind = kind,
						     .who = holder,
						     .first = span->first,
						     .count = span->last - span->first + 1});
}

void ledger_revoke(struct ledger *ledger, uint32_t holder, uint64_t pfn, uint64_t count,
		   uint32_t revocation)
{
	struct spans *promises = &ledger->holders[holder]->promises;
	uint64_t last = pfn + count - 1;
	ledger->version++;
	for (uint64_t at = pfn; at <= last;) {
		struct span *span = take(promises, at, last);
		assert(span != NULL && unpack(span).state == PROMISE_GRANTED);
		struct promise promise = unpack(span);
		uint64_t grants = grants_of(span) - 1;
		if (grants == 0) {
			promise.state = PROMISE_REVOKING;
			promise.revocation = revocation;
			note_promise(ledger, NOTE_REVOKING, holder, span);
		}
		struct packed packed = pack(&promise, grants);
		span->base = packed.base;
		span->tag = packed.tag;
		at = span->last + 1;
	}
	spans_merge(promises, pfn, last);
}

void ledger_revoked(struct ledger *ledger, uint32_t holder, uint64_t pfn, uint64_t count)
{
	struct spans *promises = &ledger->holders[holder]->promises;
	uint64_t last = pfn + count - 1;
	ledger->version++;
	take(promises, pfn, last);
	struct span *span = spans_from(promises, pfn);
	for (; span != NULL && span->first <= last; span = spans_next(span)) {
		struct promise promise = unpack(span);
		if (promise.state != PROMISE_REVOKING)
			continue;
		promise.state = PROMISE_REVOKED;
		ledger->revocations[promise.revocation].done_ps = ledger->machine->clock.now_ps;
		span->tag = pack(&promise, 0).tag;
		note_promise(ledger, NOTE_REVOKED, holder, span);
	}
	spans_merge(promises, pfn, last);
}

void ledger_holder_gone(struct ledger *ledger, uint32_t holder)
{
	struct ledger_holder *gone = ledger->holders[holder];
	ledger->version++;
	gone->gone = true;
	if (!gone->bound) {
		spans_fini(&gone->promises);
		return;
	}
	uint32_t why = ledger_revocation_new(ledger, holder, "destroy");
	struct span *span;
	SPANS_FOREACH (span, &gone->promises) {
		struct promise promise = unpack(span);
		if (promise.state == PROMISE_REVOKED)
			continue;
		note_promise(ledger, NOTE_REVOKED, holder, span);
		promise.state = PROMISE_REVOKED;
		promise.revocation = why;
		struct packed packed = pack(&promise, 0);
		span->base = packed.base;
		span->tag = packed.tag;
	}
	ledger->revocations[why].done_ps = ledger->machine->clock.now_ps;
}

bool ledger_granted_run(struct ledger *ledger, uint32_t holder, uint64_t pfn, uint64_t *first,
			uint64_t *last)
{
	const struct span *span = spans_find(&ledger->holders[holder]->promises, pfn);
	if (span == NULL || unpack(span).state != PROMISE_GRANTED)
		return false;
	*first = span->first;
	*last = span->last;
	return true;
}

struct promise ledger_promise(struct ledger *ledger, uint32_t holder, uint64_t pfn)
{
	struct span *span = spans_find(&ledger->holders[holder]->promises, pfn);
	return span != NULL ? unpack(span) : (struct promise){0};
}

uint64_t ledger_granted(struct ledger *ledger, uint32_t holder)
{
	uint64_t frames = 0;
	struct span *span;
	SPANS_FOREACH (span, &ledger->holders[holder]->promises)
		if (unpack(span).state == PROMISE_GRANTED)
			frames += span->last - span->first + 1;
	return frames;
}

enum judgement checker_judge(struct ledger *ledger, uint32_t holder, struct pa pa)
{
	struct promise promise = ledger_promise(ledger, holder, pa_pfn(pa));
	switch (promise.state) {
	case PROMISE_GRANTED:
	case PROMISE_REVOKING:
		return ACCESS_LEGAL;
	case PROMISE_REVOKED:
		break;
	case PROMISE_NONE:
		return ACCESS_NEVER_PROMISED;
	}
	struct frame_state frame = memory_frame(&ledger->machine->memory, pa_pfn(pa), NULL);
	if (frame.references == 0 && frame.pins == 0)
		return ACCESS_AFTER_FREE;
	if (frame.generation == promise.generation)
		return ACCESS_AFTER_UNMAP;
	return frame.owner == promise.owner ? ACCESS_AFTER_UNMAP : ACCESS_FOREIGN;
}

void ledger_hash(struct ledger *ledger, struct hash *hash)
{
	for (uint32_t holder = 0; holder < ledger->holder_count; holder++) {
		struct span *span;
		hash_u64(hash, holder);
		hash_u64(hash, (uint64_t)ledger->holders[holder]->gone << 1 |
				       ledger->holders[holder]->bound);
		SPANS_FOREACH (span, &ledger->holders[holder]->promises) {
			hash_u64(hash, span->first);
			hash_u64(hash, span->last);
			hash_u64(hash, span->base);
			hash_u64(hash, span->tag);
		}
	}
	/* The table's order depends on its history: add up instead. */
	uint64_t bindings = 0;
	for (uint32_t i = 0; i < ledger->binding_capacity; i++) {
		const struct ledger_binding *binding = &ledger->bindings[i];
		struct hash one;
		if (!binding->used)
			continue;
		hash_init(&one);
		hash_u64(&one, (uint64_t)binding->engine << 32 | binding->context);
		hash_u64(&one, (uint64_t)binding->holder << 32 | binding->guest);
		bindings += one.value;
	}
	hash_u64(hash, bindings);
	for (uint32_t guest = 0; guest < ledger->guest_count; guest++)
		for (unsigned kind = 0; kind < REACH_KINDS; kind++) {
			struct span *span;
			hash_u64(hash, (uint64_t)guest << 32 | kind);
			SPANS_FOREACH (span, &ledger->guests[guest]->reach[kind]) {
				hash_u64(hash, span->first);
				hash_u64(hash, span->last);
			}
		}
}
