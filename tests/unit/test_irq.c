/* SPDX-License-Identifier: Apache-2.0 */
/* Edges of interrupt lines: when handlers run, and how often. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "emu/machine.h"
#include "tests/kit/run.h"

#define LINE     3U
#define RUNS_MAX 16U

static struct machine *machine;
static struct wait_queue *sleepers; /* in the arena: tasks wait in it */
static uint64_t started_ps[RUNS_MAX];
static unsigned runs;
static unsigned ends;
static unsigned raises_inside; /* edges that the handler raises on its own line */
static bool sleeps;
static unsigned others;
static struct event edge;
static unsigned noted[IRQ_LINES_MAX];

static void handler(void *context)
{
	ck_assert_ptr_eq(context, &runs);
	ck_assert_uint_lt(runs, RUNS_MAX);
	started_ps[runs++] = machine->clock.now_ps;
	for (; raises_inside > 0; raises_inside--)
		irq_raise(machine, LINE);
	if (sleeps)
		wait_queue_sleep(&machine->scheduler, sleepers, "asleep");
	ends++;
}

static void other_handler(void *context)
{
	(void)context;
	others++;
}

static void on_note(void *context, struct machine *from, const struct note *note)
{
	(void)context;
	(void)from;
	if (note->kind == NOTE_INTERRUPT)
		noted[note->who]++;
}

static void on_edge(struct event *event)
{
	(void)event;
	irq_raise(machine, LINE);
}

static void setup(void)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 64UL << 20;
	machine = machine_new(&config);
	sleepers = arena_new(machine->arena, struct wait_queue);
	wait_queue_init(sleepers);
	machine_observe(machine, &(struct observer){.note = on_note});
	runs = ends = raises_inside = others = 0;
	sleeps = false;
	edge = (struct event){.fn = on_edge};
	memset(noted, 0, sizeof(noted));
	irq_request(machine, LINE, handler, &runs);
}

static void teardown(void)
{
	machine_free(machine);
}

static void run_out(void)
{
	while (clock_step(&machine->clock))
		;
}

static void wake(void)
{
	wait_queue_wake_one(&machine->scheduler, sleepers);
	run_out();
}

START_TEST(an_edge_runs_the_handler_once_after_the_latency)
{
	machine->clock.now_ps = 500;
	irq_raise(machine, LINE);
	ck_assert_uint_eq(runs, 0); /* it is a task of its own, not a call */
	run_out();
	ck_assert_uint_eq(runs, 1);
	ck_assert_uint_eq(ends, 1);
	ck_assert_uint_eq(started_ps[0], 500 + IRQ_LATENCY_PS);
}
END_TEST

/* With something else due meanwhile, the latency is a switch to it and back. */
START_TEST(the_latency_is_the_same_on_a_busy_machine)
{
	irq_request(machine, LINE + 1, other_handler, NULL);
	clock_post(&machine->clock, &edge, 200, EVENT_HARDWARE);
	irq_raise(machine, LINE + 1);
	run_out();
	ck_assert_uint_eq(others, 1);
	ck_assert_uint_eq(started_ps[0], 200 + IRQ_LATENCY_PS);
}
END_TEST

START_TEST(each_edge_after_the_handler_ended_runs_it_anew)
{
	for (unsigned i = 1; i <= 5; i++) {
		uint64_t now_ps = machine->clock.now_ps;
		irq_raise(machine, LINE);
		run_out();
		ck_assert_uint_eq(runs, i);
		ck_assert_uint_eq(started_ps[i - 1], now_ps + IRQ_LATENCY_PS);
	}
}
END_TEST

START_TEST(edges_before_the_handler_began_are_one)
{
	irq_raise(machine, LINE);
	irq_raise(machine, LINE);
	clock_post(&machine->clock, &edge, IRQ_LATENCY_PS / 2, EVENT_HARDWARE);
	run_out();
	ck_assert_uint_eq(runs, 1);
	ck_assert_uint_eq(noted[LINE], 3);
}
END_TEST

START_TEST(an_edge_while_the_handler_runs_runs_it_once_more)
{
	raises_inside = 1;
	irq_raise(machine, LINE);
	run_out();
	ck_assert_uint_eq(runs, 2);
	ck_assert_uint_eq(ends, 2);
}
END_TEST

START_TEST(several_edges_while_the_handler_runs_are_one)
{
	raises_inside = 5;
	irq_raise(machine, LINE);
	run_out();
	ck_assert_uint_eq(runs, 2);
	ck_assert_uint_eq(noted[LINE], 6);
}
END_TEST

START_TEST(a_handler_may_sleep)
{
	sleeps = true;
	irq_raise(machine, LINE);
	run_out();
	ck_assert_uint_eq(runs, 1);
	ck_assert_uint_eq(ends, 0);
	wake();
	ck_assert_uint_eq(runs, 1);
	ck_assert_uint_eq(ends, 1);
}
END_TEST

/* Threaded and one-shot: never twice at once. */
START_TEST(an_edge_while_the_handler_sleeps_waits_for_its_end)
{
	sleeps = true;
	irq_raise(machine, LINE);
	run_out();
	irq_raise(machine, LINE);
	irq_raise(machine, LINE);
	run_out();
	ck_assert_uint_eq(runs, 1);
	wake();
	ck_assert_uint_eq(ends, 1);
	ck_assert_uint_eq(runs, 2);
	wake();
	ck_assert_uint_eq(ends, 2);
	ck_assert_uint_eq(runs, 2);
}
END_TEST

START_TEST(a_sleeping_handler_holds_back_no_other_line)
{
	irq_request(machine, LINE + 1, other_handler, NULL);
	sleeps = true;
	irq_raise(machine, LINE);
	run_out();
	irq_raise(machine, LINE + 1);
	run_out();
	ck_assert_uint_eq(others, 1);
	ck_assert_uint_eq(runs, 1);
}
END_TEST

START_TEST(an_edge_that_nobody_listens_to_is_lost)
{
	irq_raise(machine, LINE + 1);
	run_out();
	irq_request(machine, LINE + 1, other_handler, NULL);
	run_out();
	ck_assert_uint_eq(others, 0);
	ck_assert_uint_eq(noted[LINE + 1], 1);
	irq_raise(machine, LINE + 1);
	run_out();
	ck_assert_uint_eq(others, 1);
	ck_assert_uint_eq(runs, 0);
}
END_TEST

/* 512 system calls may be asleep: the edge must not get lost for it. */
START_TEST(an_edge_that_finds_no_stack_stays_latched)
{
	static void *stacks[ARENA_STACKS + 1];
	unsigned taken = 0;
	while ((stacks[taken] = arena_stack_get(machine->arena)) != NULL)
		taken++;
	ck_assert_uint_eq(taken, ARENA_STACKS);
	irq_raise(machine, LINE);
	run_out();
	ck_assert_uint_eq(runs, 0);
	ck_assert(machine->irqs.lines[LINE].pending);
	while (taken > 0)
		arena_stack_put(machine->arena, stacks[--taken]);
	irq_raise(machine, LINE);
	run_out();
	ck_assert_uint_eq(runs, 1);
	ck_assert(!machine->irqs.lines[LINE].pending);
}
END_TEST

START_TEST(a_latched_edge_is_part_of_the_state)
{
	struct hash idle, latched, asleep;
	hash_init(&idle);
	irq_hash(&machine->irqs, &idle);
	sleeps = true;
	irq_raise(machine, LINE);
	run_out();
	hash_init(&asleep);
	irq_hash(&machine->irqs, &asleep);
	irq_raise(machine, LINE);
	hash_init(&latched);
	irq_hash(&machine->irqs, &latched);
	ck_assert_uint_ne(idle.value, asleep.value);
	ck_assert_uint_ne(asleep.value, latched.value);
}
END_TEST

START_TEST(a_restored_machine_takes_the_edge_again)
{
	sleeps = true;
	irq_raise(machine, LINE);
	run_out();
	irq_raise(machine, LINE);
	struct arena_snapshot *asleep = arena_save(machine->arena, NULL);
	for (unsigned i = 0; i < 2; i++) {
		runs = ends = 0;
		wake();
		wake();
		ck_assert_uint_eq(runs, 1);
		ck_assert_uint_eq(ends, 2);
		arena_restore(machine->arena, asleep);
	}
	arena_snapshot_free(asleep);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("irq");
	TCase *tests = tcase_create("irq");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_edge_runs_the_handler_once_after_the_latency);
	tcase_add_test(tests, the_latency_is_the_same_on_a_busy_machine);
	tcase_add_test(tests, each_edge_after_the_handler_ended_runs_it_anew);
	tcase_add_test(tests, edges_before_the_handler_began_are_one);
	tcase_add_test(tests, an_edge_while_the_handler_runs_runs_it_once_more);
	tcase_add_test(tests, several_edges_while_the_handler_runs_are_one);
	tcase_add_test(tests, a_handler_may_sleep);
	tcase_add_test(tests, an_edge_while_the_handler_sleeps_waits_for_its_end);
	tcase_add_test(tests, a_sleeping_handler_holds_back_no_other_line);
	tcase_add_test(tests, an_edge_that_nobody_listens_to_is_lost);
	tcase_add_test(tests, an_edge_that_finds_no_stack_stays_latched);
	tcase_add_test(tests, a_latched_edge_is_part_of_the_state);
	tcase_add_test(tests, a_restored_machine_takes_the_edge_again);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
