/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulated time and the one queue of what is to happen.
 *
 * Concepts
 *   time     unsigned 64-bit picoseconds since the machine was made
 *   event    something that crosses components at an instant; embedded in its owner
 *   order    (time, priority, sequence): lower first; the sequence number is the order of posting,
 *            so order is fully defined
 *   step     one event taken from the queue and done. A normal run takes the first; an explorer
 *            may take any
 */
#ifndef HWQ_EMU_CLOCK_H
#define HWQ_EMU_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PS_PER_NS 1000U

struct arena;
struct event;

typedef void event_fn(struct event *event);

/* Priorities at one instant: hardware before software before observers. */
enum event_priority {
	EVENT_HARDWARE = 0,
	EVENT_SOFTWARE = 1,
	EVENT_OBSERVER = 2,
};

struct event {
	event_fn *fn;
	void *owner;
	uint64_t order; /* priority and sequence while it is pending, else 0 */
};

struct clock_entry {
	uint64_t time_ps;
	uint64_t order;
	struct event *event;
};

struct clock {
	struct arena *arena;
	uint64_t now_ps;
	uint64_t sequence;
	struct clock_entry *heap; /* 4-ary */
	uint32_t count;
	uint32_t capacity;
	uint32_t pending; /* count less the cancelled */
};

void clock_init(struct clock *clock, struct arena *arena);
/* Posts EVENT, which must not be pending, for TIME_PS (not before now). */
void clock_post(struct clock *clock, struct event *event, uint64_t time_ps,
		enum event_priority priority);
/* Takes a pending event back; does nothing to one that is not pending. */
void clock_cancel(struct clock *clock, struct event *event);
static inline bool event_pending(const struct event *event)
{
	return event->order != 0;
}

/* Time of the first event, or UINT64_MAX. */
uint64_t clock_next(struct clock *clock);
/* Moves time to the first event and does it. False when there is none. */
bool clock_step(struct clock *clock);
/* The pending events in order, up to MAX; returns how many. For an explorer. */
size_t clock_enabled(struct clock *clock, struct event **events, size_t max);
/* Does EVENT now, out of order; time moves to its time if that is later. */
void clock_do(struct clock *clock, struct event *event);

#endif
