// SPDX-License-Identifier: Apache-2.0
#include "emu/clock.h"

#include <assert.h>
#include <string.h>

#include "emu/arena.h"

#define PRIORITY_SHIFT 60

void clock_init(struct clock *clock, struct arena *arena)
{
	memset(clock, 0, sizeof(*clock));
	clock->arena = arena;
}

static bool before(const struct clock_entry *a, const struct clock_entry *b)
{
	return a->time_ps != b->time_ps ? a->time_ps < b->time_ps : a->order < b->order;
}

static void sift_up(struct clock_entry *heap, uint32_t hole, struct clock_entry entry)
{
	while (hole > 0) {
		uint32_t parent = (hole - 1) / 4;
		if (!before(&entry, &heap[parent]))
			break;
		heap[hole] = heap[parent];
		hole = parent;
	}
	heap[hole] = entry;
}

static void sift_down(struct clock_entry *heap, uint32_t count, struct clock_entry entry)
{
	uint32_t hole = 0;
	for (;;) {
		uint32_t child = 4 * hole + 1;
		if (child >= count)
			break;
		uint32_t end = child + 4 < count ? child + 4 : count;
		uint32_t least = child;
		for (uint32_t i = child + 1; i < end; i++)
			if (before(&heap[i], &heap[least]))
				least = i;
		if (!before(&heap[least], &entry))
			break;
		heap[hole] = heap[least];
		hole = least;
	}
	heap[hole] = entry;
}

static void drop_first(struct clock *clock)
{
	clock->count--;
	if (clock->count > 0)
		sift_down(clock->heap, clock->count, clock->heap[clock->count]);
}

/* A cancelled event stays in the heap until it comes up; its order no longer matches. */
static bool stale(const struct clock_entry *entry)
{
	return entry->event == NULL || entry->event->order != entry->order;
}

static void drop_stale(struct clock *clock)
{
	while (clock->count > 0 && stale(&clock->heap[0]))
		drop_first(clock);
}

void clock_post(struct clock *clock, struct event *event, uint64_t time_ps,
		enum event_priority priority)
{
	assert(!event_pending(event) && time_ps >= clock->now_ps);
	if (clock->count == clock->capacity) {
		uint32_t capacity = clock->capacity == 0 ? 32 : clock->capacity * 2;
		clock->heap = arena_grow(clock->arena, clock->heap,
					 clock->capacity * sizeof(*clock->heap),
					 capacity * sizeof(*clock->heap));
		clock->capacity = capacity;
	}
	event->order = (uint64_t)priority << PRIORITY_SHIFT | ++clock->sequence;
	struct clock_entry entry = {time_ps, event->order, event};
	sift_up(clock->heap, clock->count++, entry);
	clock->pending++;
}

void clock_cancel(struct clock *clock, struct event *event)
{
	if (!event_pending(event))
		return;
	/* The owner may be freed next: the entry must not look at the event again. */
	for (uint32_t i = 0; i < clock->count; i++)
		if (clock->heap[i].event == event)
			clock->heap[i].event = NULL;
	event->order = 0;
	clock->pending--;
}

uint64_t clock_next(struct clock *clock)
{
	drop_stale(clock);
	return clock->count > 0 ? clock->heap[0].time_ps : UINT64_MAX;
}

bool clock_step(struct clock *clock)
{
	drop_stale(clock);
	if (clock->count == 0)
		return false;
	struct clock_entry first = clock->heap[0];
	drop_first(clock);
	if (first.time_ps > clock->now_ps)
		clock->now_ps = first.time_ps;
	first.event->order = 0;
	clock->pending--;
	first.event->fn(first.event);
	return true;
}

size_t clock_enabled(struct clock *clock, struct event **events, size_t max)
{
	size_t found = 0;
	struct clock_entry last = {0, 0, NULL};
	while (found < max) {
		const struct clock_entry *least = NULL;
		for (uint32_t i = 0; i < clock->count; i++) {
			const struct clock_entry *entry = &clock->heap[i];
			if (stale(entry) || !before(&last, entry))
				continue;
			if (least == NULL || before(entry, least))
				least = entry;
		}
		if (least == NULL)
			break;
		last = *least;
		events[found++] = least->event;
	}
	return found;
}

void clock_do(struct clock *clock, struct event *event)
{
	assert(event_pending(event));
	for (uint32_t i = 0; i < clock->count; i++) {
		if (clock->heap[i].event != event || stale(&clock->heap[i]))
			continue;
		if (clock->heap[i].time_ps > clock->now_ps)
			clock->now_ps = clock->heap[i].time_ps;
		clock->heap[i].event = NULL;
	}
	event->order = 0;
	clock->pending--;
	event->fn(event);
}
