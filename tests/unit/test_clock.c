/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which events come up, whatever was posted, cancelled and done out of order. */
#include <check.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>

#include "emu/arena.h"
#include "emu/clock.h"
#include "tests/kit/run.h"

#define EVENTS 64

static struct arena *arena;
static struct clock *queue;
static struct event events[EVENTS];
static int done[EVENTS];
static int done_count;

static void exhausted(void *context)
{
	(void)context;
	abort();
}

static void note(struct event *event)
{
	ck_assert(!event_pending(event));
	done[done_count++ % EVENTS] = (int)(event - events);
}

static void setup(void)
{
	arena = arena_create(1UL << 20, exhausted, NULL);
	queue = arena_new(arena, struct clock);
	clock_init(queue, arena);
	for (int i = 0; i < EVENTS; i++)
		events[i] = (struct event){.fn = note};
	done_count = 0;
}

static void teardown(void)
{
	arena_destroy(arena);
}

static void post(int i, uint64_t time_ps, enum event_priority priority)
{
	clock_post(queue, &events[i], time_ps, priority);
}

static void run_out(void)
{
	while (clock_step(queue))
		;
}

static void assert_done(const int *expected, int count)
{
	ck_assert_int_eq(done_count, count);
	for (int i = 0; i < count; i++)
		ck_assert_msg(done[i] == expected[i], "place %d: event %d, expected %d", i, done[i],
			      expected[i]);
}
#define assert_order(...) \
	assert_done((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

START_TEST(empty_queue_has_nothing_next)
{
	struct event *found;
	ck_assert_uint_eq(clock_next(queue), UINT64_MAX);
	ck_assert(!clock_step(queue));
	ck_assert_uint_eq(clock_enabled(queue, &found, 1), 0);
	ck_assert_uint_eq(queue->now_ps, 0);
}
END_TEST

START_TEST(earlier_events_come_first)
{
	post(0, 30, EVENT_HARDWARE);
	post(1, 10, EVENT_OBSERVER);
	post(2, 20, EVENT_SOFTWARE);
	ck_assert_uint_eq(clock_next(queue), 10);
	run_out();
	assert_order(1, 2, 0);
	ck_assert_uint_eq(queue->now_ps, 30);
}
END_TEST

START_TEST(priority_orders_one_instant)
{
	post(0, 5, EVENT_OBSERVER);
	post(1, 5, EVENT_SOFTWARE);
	post(2, 5, EVENT_HARDWARE);
	run_out();
	assert_order(2, 1, 0);
}
END_TEST

START_TEST(posting_order_decides_the_rest)
{
	for (int i = 0; i < 10; i++)
		post(9 - i, 5, EVENT_SOFTWARE);
	run_out();
	assert_order(9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}
END_TEST

START_TEST(cancelled_event_does_not_come)
{
	for (int i = 0; i < 4; i++)
		post(i, 10, EVENT_HARDWARE);
	clock_cancel(queue, &events[0]);
	clock_cancel(queue, &events[2]);
	clock_cancel(queue, &events[2]);
	ck_assert(!event_pending(&events[2]));
	ck_assert_uint_eq(queue->pending, 2);
	post(2, 20, EVENT_HARDWARE);
	run_out();
	assert_order(1, 3, 2);
	ck_assert_uint_eq(queue->pending, 0);
}
END_TEST

START_TEST(cancelled_event_may_be_freed)
{
	struct event *event = arena_new(arena, struct event);
	event->fn = note;
	clock_post(queue, event, 10, EVENT_HARDWARE);
	clock_cancel(queue, event);
	arena_delete(arena, event);
	struct event *found;
	ck_assert_uint_eq(clock_enabled(queue, &found, 1), 0);
	ck_assert_uint_eq(clock_next(queue), UINT64_MAX);
}
END_TEST

static void post_others(struct event *event)
{
	note(event);
	post(1, queue->now_ps, EVENT_HARDWARE);
	post(2, queue->now_ps + 1, EVENT_HARDWARE);
	if (done_count == 1)
		clock_post(queue, event, queue->now_ps + 2, EVENT_HARDWARE);
	else
		clock_cancel(queue, &events[2]);
}

START_TEST(event_may_post_itself_and_others)
{
	events[0].fn = post_others;
	post(0, 10, EVENT_SOFTWARE);
	post(3, 10, EVENT_SOFTWARE);
	run_out();
	assert_order(0, 1, 3, 2, 0, 1);
	ck_assert_uint_eq(queue->now_ps, 12);
}
END_TEST

START_TEST(enabled_events_are_listed_in_order)
{
	struct event *found[8];
	post(0, 9, EVENT_HARDWARE);
	post(1, 5, EVENT_SOFTWARE);
	post(2, 5, EVENT_HARDWARE);
	post(3, 5, EVENT_SOFTWARE);
	post(4, 0, EVENT_HARDWARE);
	clock_cancel(queue, &events[4]);
	ck_assert_uint_eq(clock_enabled(queue, found, 8), 4);
	ck_assert_ptr_eq(found[0], &events[2]);
	ck_assert_ptr_eq(found[1], &events[1]);
	ck_assert_ptr_eq(found[2], &events[3]);
	ck_assert_ptr_eq(found[3], &events[0]);
	ck_assert_uint_eq(clock_enabled(queue, found, 2), 2);
	ck_assert_int_eq(done_count, 0);
}
END_TEST

START_TEST(event_can_be_done_out_of_order)
{
	post(0, 10, EVENT_HARDWARE);
	post(1, 20, EVENT_HARDWARE);
	post(2, 30, EVENT_HARDWARE);
	clock_do(queue, &events[1]);
	ck_assert_uint_eq(queue->now_ps, 20);
	ck_assert_uint_eq(queue->pending, 2);
	/* The earlier one is late; time does not go back. */
	ck_assert(clock_step(queue));
	ck_assert_uint_eq(queue->now_ps, 20);
	clock_do(queue, &events[2]);
	ck_assert_uint_eq(queue->now_ps, 30);
	ck_assert(!clock_step(queue));
	assert_order(1, 0, 2);
}
END_TEST

/* ---- against a model: an array, searched for the least ---- */

struct model {
	uint64_t time_ps;
	uint64_t sequence;
	int priority;
	bool pending;
};

static struct model model[EVENTS];
static uint64_t model_sequence;
static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

static bool model_before(const struct model *a, const struct model *b)
{
	if (a->time_ps != b->time_ps)
		return a->time_ps < b->time_ps;
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return a->sequence < b->sequence;
}

static int model_first(void)
{
	int first = -1;
	for (int i = 0; i < EVENTS; i++)
		if (model[i].pending && (first < 0 || model_before(&model[i], &model[first])))
			first = i;
	return first;
}

static void random_post(int i)
{
	if (model[i].pending)
		return;
	uint64_t time_ps = queue->now_ps + random_below(20);
	int priority = (int)random_below(3);
	model[i] = (struct model){time_ps, ++model_sequence, priority, true};
	post(i, time_ps, (enum event_priority)priority);
}

static void random_do(int i)
{
	if (!model[i].pending)
		return;
	uint64_t now_ps = queue->now_ps;
	clock_do(queue, &events[i]);
	model[i].pending = false;
	ck_assert_uint_eq(queue->now_ps, model[i].time_ps > now_ps ? model[i].time_ps : now_ps);
}

static void random_step(int seed, int op)
{
	int first = model_first();
	uint64_t next = first < 0 ? UINT64_MAX : model[first].time_ps;
	ck_assert_msg(clock_next(queue) == next, "seed %d, operation %d: next is %" PRIu64, seed,
		      op, clock_next(queue));
	done_count = 0;
	ck_assert_int_eq(clock_step(queue), first >= 0);
	if (first < 0)
		return;
	ck_assert_msg(done[0] == first, "seed %d, operation %d: event %d, expected %d", seed, op,
		      done[0], first);
	model[first].pending = false;
}

START_TEST(order_agrees_with_a_sorted_model)
{
	random_state = (uint64_t)_i + 1;
	for (int i = 0; i < EVENTS; i++)
		model[i].pending = false;
	for (int op = 0; op < 10000; op++) {
		uint32_t kind = random_below(8);
		int i = (int)random_below(EVENTS);
		if (kind < 4) {
			random_post(i);
		} else if (kind == 4) {
			clock_cancel(queue, &events[i]);
			model[i].pending = false;
		} else if (kind == 5) {
			random_do(i);
		} else {
			random_step(_i, op);
		}
	}
	while (model_first() >= 0)
		random_step(_i, 10000);
	ck_assert_uint_eq(queue->pending, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("clock");
	TCase *order = tcase_create("order");
	tcase_add_checked_fixture(order, setup, teardown);
	tcase_add_test(order, empty_queue_has_nothing_next);
	tcase_add_test(order, earlier_events_come_first);
	tcase_add_test(order, priority_orders_one_instant);
	tcase_add_test(order, posting_order_decides_the_rest);
	tcase_add_test(order, cancelled_event_does_not_come);
	tcase_add_test(order, cancelled_event_may_be_freed);
	tcase_add_test(order, event_may_post_itself_and_others);
	tcase_add_test(order, enabled_events_are_listed_in_order);
	tcase_add_test(order, event_can_be_done_out_of_order);
	tcase_add_loop_test(order, order_agrees_with_a_sorted_model, 0, 4);
	suite_add_tcase(s, order);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
