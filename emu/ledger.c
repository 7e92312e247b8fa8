// SPDX-License-Identifier: Apache-2.0
#include "emu/ledger.h"

#include <assert.h>
#include <string.h>

#include "emu/arena.h"
#include "emu/machine.h"

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
}

uint32_t ledger_holder_new(struct ledger *ledger, const char *name)
{
	struct arena *arena = ledger->machine->arena;
	uint32_t holder = 0;
	while (holder < ledger->holder_count && !ledger->holders[holder]->gone)
		holder++;
	if (holder == ledger->holder_count) {
		if (ledger->holder_count == ledger->holder_capacity) {
			uint32_t capacity = holder == 0 ? 8 : holder * 2;
			ledger->holders = arena_grow(arena, ledger->holders,
						     holder * sizeof(*ledger->holders),
						     capacity * sizeof(*ledger->holders));
			ledger->holder_capacity = capacity;
		}
		ledger->holders[holder] = arena_new(arena, struct ledger_holder);
		spans_init(&ledger->holders[holder]->promises, arena, false);
		ledger->holder_count++;
	}
	ledger->holders[holder]->name = name;
	ledger->holders[holder]->gone = false;
	return holder;
}

void ledger_holder_gone(struct ledger *ledger, uint32_t holder)
{
	spans_fini(&ledger->holders[holder]->promises);
	ledger->holders[holder]->gone = true;
}

const struct ledger_binding *ledger_binding(const struct ledger *ledger, const char *engine,
					    uint32_t context)
{
	for (uint32_t i = 0; i < ledger->binding_count; i++) {
		const struct ledger_binding *binding = &ledger->bindings[i];
		if (binding->context == context && strcmp(binding->engine, engine) == 0)
			return binding;
	}
	return NULL;
}

void ledger_bind(struct ledger *ledger, const char *engine, uint32_t context, uint32_t holder,
		 uint32_t vmid)
{
	struct ledger_binding binding = {engine, context, holder, vmid};
	for (uint32_t i = 0; i < ledger->binding_count; i++) {
		if (ledger->bindings[i].context == context &&
		    strcmp(ledger->bindings[i].engine, engine) == 0) {
			ledger->bindings[i] = binding;
			return;
		}
	}
	if (ledger->binding_count == ledger->binding_capacity) {
		uint32_t old = ledger->binding_capacity, capacity = old == 0 ? 8 : old * 2;
		ledger->bindings = arena_grow(ledger->machine->arena, ledger->bindings,
					      old * sizeof(binding), capacity * sizeof(binding));
		ledger->binding_capacity = capacity;
	}
	ledger->bindings[ledger->binding_count++] = binding;
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

uint32_t ledger_revocation_new(struct ledger *ledger, const char *what)
{
	if (ledger->revocation_count > 0) {
		/* One call takes many pieces away: one record. */
		const struct revocation *last = &ledger->revocations[ledger->revocation_count - 1];
		if (last->call == ledger->call && last->what == what)
			return ledger->revocation_count - 1;
	}
	if (ledger->revocation_count == ledger->revocation_capacity) {
		uint32_t old = ledger->revocation_capacity;
		uint32_t capacity = old == 0 ? 16 : old * 2;
		ledger->revocations = arena_grow(ledger->machine->arena, ledger->revocations,
						 old * sizeof(*ledger->revocations),
						 capacity * sizeof(*ledger->revocations));
		ledger->revocation_capacity = capacity;
	}
	ledger->revocations[ledger->revocation_count] =
		(struct revocation){what, ledger->call, ledger->machine->clock.now_ps, UINT64_MAX};
	return ledger->revocation_count++;
}

void ledger_revoke(struct ledger *ledger, uint32_t holder, uint64_t pfn, uint64_t count,
		   uint32_t revocation)
{
	struct spans *promises = &ledger->holders[holder]->promises;
	uint64_t last = pfn + count - 1;
	for (uint64_t at = pfn; at <= last;) {
		struct span *span = take(promises, at, last);
		assert(span != NULL && unpack(span).state == PROMISE_GRANTED);
		struct promise promise = unpack(span);
		uint64_t grants = grants_of(span) - 1;
		if (grants == 0) {
			promise.state = PROMISE_REVOKING;
			promise.revocation = revocation;
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
	take(promises, pfn, last);
	struct span *span = spans_from(promises, pfn);
	for (; span != NULL && span->first <= last; span = spans_next(span)) {
		struct promise promise = unpack(span);
		if (promise.state != PROMISE_REVOKING)
			continue;
		promise.state = PROMISE_REVOKED;
		ledger->revocations[promise.revocation].done_ps = ledger->machine->clock.now_ps;
		span->tag = pack(&promise, 0).tag;
	}
	spans_merge(promises, pfn, last);
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
	struct frame_state frame = memory_frame(&ledger->machine->memory, pa_pfn(pa), NULL);
	switch (promise.state) {
	case PROMISE_GRANTED:
	case PROMISE_REVOKING:
		return ACCESS_LEGAL;
	case PROMISE_REVOKED:
		break;
	case PROMISE_NONE:
		return ACCESS_NEVER_PROMISED;
	}
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
		SPANS_FOREACH (span, &ledger->holders[holder]->promises) {
			hash_u64(hash, span->first);
			hash_u64(hash, span->last);
			hash_u64(hash, span->base);
			hash_u64(hash, span->tag);
		}
	}
}
