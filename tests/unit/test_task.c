/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks: when they are preempted, and who is woken, admitted and held back in which order. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/arena.h"
#include "emu/task.h"
#include "tests/kit/run.h"

static struct arena *arena;
static struct clock queue;
static struct scheduler scheduler;
static struct mutex mutex;
static struct rwsem sem;
static struct wait_queue sleepers;
static struct task *tasks[8];
static char names[8] = {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'};
static char notes[256];
static size_t note_count;

static void exhausted(void *context)
{
	(void)context;
	abort();
}

static void setup(void)
{
	arena = arena_create(1UL << 20, exhausted, NULL);
	clock_init(&queue, arena);
	scheduler_init(&scheduler, arena, &queue);
	mutex_init(&mutex);
	rwsem_init(&sem);
	wait_queue_init(&sleepers);
	for (int i = 0; i < 8; i++)
		tasks[i] = arena_new(arena, struct task);
	note_count = 0;
	memset(notes, 0, sizeof(notes));
}

static void teardown(void)
{
	arena_destroy(arena);
}

static void note(char what)
{
	ck_assert_uint_lt(note_count + 1, sizeof(notes));
	notes[note_count++] = what;
}

static void start(int i, task_fn *fn)
{
	ck_assert(task_start(&scheduler, tasks[i], fn, &names[i]));
}

static void run_out(void)
{
	while (clock_step(&queue))
		;
}

/* ---- preemption ---- */

static void two_points(void *arg)
{
	char name = *(char *)arg;
	note(name);
	task_preempt(&scheduler, 10, "first");
	note(name);
	task_preempt(&scheduler, 10, "second");
	note(name);
}

static void note_event(struct event *event)
{
	(void)event;
	note('!');
}

START_TEST(lone_task_is_not_switched)
{
	ck_assert(task_run(&scheduler, tasks[0], two_points, &names[0]));
	ck_assert(tasks[0]->done);
	ck_assert_str_eq(notes, "aaa");
	ck_assert_uint_eq(scheduler.switches, 1);
	ck_assert_uint_eq(queue.now_ps, 20);
}
END_TEST

START_TEST(later_event_does_not_preempt)
{
	struct event event = {.fn = note_event};
	clock_post(&queue, &event, 21, EVENT_HARDWARE);
	ck_assert(task_run(&scheduler, tasks[0], two_points, &names[0]));
	ck_assert_str_eq(notes, "aaa");
	run_out();
	ck_assert_str_eq(notes, "aaa!");
}
END_TEST

START_TEST(event_due_meanwhile_goes_first)
{
	struct event event = {.fn = note_event};
	clock_post(&queue, &event, 15, EVENT_HARDWARE);
	ck_assert(task_run(&scheduler, tasks[0], two_points, &names[0]));
	ck_assert(!tasks[0]->done);
	ck_assert_str_eq(tasks[0]->where, "second");
	run_out();
	ck_assert_str_eq(notes, "aa!a");
	ck_assert_uint_eq(scheduler.switches, 2);
}
END_TEST

START_TEST(event_due_at_the_same_instant_goes_first)
{
	struct event event = {.fn = note_event};
	clock_post(&queue, &event, 20, EVENT_SOFTWARE);
	ck_assert(task_run(&scheduler, tasks[0], two_points, &names[0]));
	run_out();
	ck_assert_str_eq(notes, "aa!a");
}
END_TEST

START_TEST(tasks_take_turns)
{
	start(0, two_points);
	start(1, two_points);
	ck_assert_str_eq(notes, "");
	run_out();
	ck_assert_str_eq(notes, "ababab");
	ck_assert_uint_eq(queue.now_ps, 20);
}
END_TEST

START_TEST(stepwise_task_stops_at_each_point)
{
	scheduler.stepwise = true;
	start(0, two_points);
	ck_assert_str_eq(tasks[0]->where, "start");
	ck_assert(clock_step(&queue));
	ck_assert_str_eq(tasks[0]->where, "first");
	ck_assert(clock_step(&queue));
	ck_assert_str_eq(tasks[0]->where, "second");
	ck_assert(!tasks[0]->done);
	ck_assert(clock_step(&queue));
	ck_assert(tasks[0]->done);
	ck_assert(!clock_step(&queue));
	ck_assert_uint_eq(scheduler.switches, 3);
}
END_TEST

START_TEST(task_does_not_pass_the_horizon)
{
	scheduler.horizon_ps = 15;
	ck_assert(task_run(&scheduler, tasks[0], two_points, &names[0]));
	ck_assert(!tasks[0]->done);
	ck_assert_str_eq(tasks[0]->where, "second");
	ck_assert_uint_eq(queue.now_ps, 10);
	ck_assert_uint_eq(clock_next(&queue), 20);
	ck_assert(clock_step(&queue));
	ck_assert(tasks[0]->done);
	ck_assert_str_eq(notes, "aaa");
	ck_assert_uint_eq(queue.now_ps, 20);
}
END_TEST

START_TEST(task_goes_as_far_as_the_horizon)
{
	scheduler.horizon_ps = 20;
	ck_assert(task_run(&scheduler, tasks[0], two_points, &names[0]));
	ck_assert(tasks[0]->done);
	ck_assert_uint_eq(scheduler.switches, 1);
}
END_TEST

START_TEST(delay_holds_a_task_at_its_point)
{
	scheduler.delay_at = "second";
	scheduler.delay_ps = 100;
	ck_assert(task_run(&scheduler, tasks[0], two_points, &names[0]));
	ck_assert_uint_eq(queue.now_ps, 120);
	ck_assert_uint_eq(scheduler.delays, 1);
	ck_assert(task_run(&scheduler, tasks[1], two_points, &names[1]));
	ck_assert_uint_eq(queue.now_ps, 240);
	ck_assert_uint_eq(scheduler.delays, 2);
}
END_TEST

START_TEST(delay_lets_what_is_due_go_first)
{
	struct event event = {.fn = note_event};
	scheduler.delay_at = "first";
	scheduler.delay_ps = 100;
	clock_post(&queue, &event, 50, EVENT_HARDWARE);
	ck_assert(task_run(&scheduler, tasks[0], two_points, &names[0]));
	run_out();
	ck_assert_str_eq(notes, "a!aa");
	ck_assert_uint_eq(queue.now_ps, 120);
}
END_TEST

START_TEST(delay_that_no_task_passes_is_not_counted)
{
	scheduler.delay_at = "third";
	scheduler.delay_ps = 100;
	ck_assert(task_run(&scheduler, tasks[0], two_points, &names[0]));
	ck_assert_uint_eq(queue.now_ps, 20);
	scheduler.delay_at = "nowhere";
	task_preempt(&scheduler, 10, "nowhere");
	ck_assert_uint_eq(scheduler.delays, 0);
}
END_TEST

START_TEST(points_outside_a_task_do_nothing)
{
	task_preempt(&scheduler, 10, "nowhere");
	ck_assert_uint_eq(queue.now_ps, 0);
	ck_assert_uint_eq(queue.pending, 0);
}
END_TEST

START_TEST(stack_of_a_done_task_is_free_again)
{
	for (unsigned i = 0; i < ARENA_STACKS + 1; i++, note_count = 0)
		ck_assert(task_run(&scheduler, tasks[0], two_points, &names[0]));
	for (unsigned i = 0; i < ARENA_STACKS; i++)
		ck_assert_ptr_nonnull(arena_stack_get(arena));
	ck_assert(!task_start(&scheduler, tasks[0], two_points, &names[0]));
	ck_assert(!task_run(&scheduler, tasks[0], two_points, &names[0]));
}
END_TEST

static void give_up(void *arg)
{
	(void)arg;
	note('g');
	task_abandon(&scheduler);
	note('?');
}

START_TEST(abandoned_task_never_goes_on)
{
	ck_assert(task_run(&scheduler, tasks[0], give_up, NULL));
	ck_assert(scheduler.broken);
	ck_assert(!tasks[0]->done);
	ck_assert_ptr_null(scheduler.current);
	ck_assert_str_eq(notes, "g");
}
END_TEST

/* ---- wait queues ---- */

static void sleeper(void *arg)
{
	wait_queue_sleep(&scheduler, &sleepers, "asleep");
	note(*(char *)arg);
}

static void bounded_sleeper(void *arg)
{
	bool woken = wait_queue_sleep_until(&scheduler, &sleepers, 100, "asleep");
	note(*(char *)arg);
	note(woken ? '+' : '-');
}

START_TEST(wake_one_wakes_who_came_first)
{
	for (int i = 0; i < 3; i++)
		start(i, sleeper);
	run_out();
	ck_assert_str_eq(notes, "");
	ck_assert(tasks[1]->waiting);
	ck_assert_str_eq(tasks[1]->where, "asleep");
	wait_queue_wake_one(&scheduler, &sleepers);
	run_out();
	ck_assert_str_eq(notes, "a");
	wait_queue_wake_one(&scheduler, &sleepers);
	run_out();
	ck_assert_str_eq(notes, "ab");
	wait_queue_wake_one(&scheduler, &sleepers);
	wait_queue_wake_one(&scheduler, &sleepers);
	run_out();
	ck_assert_str_eq(notes, "abc");
}
END_TEST

START_TEST(wake_all_keeps_the_order_of_arrival)
{
	for (int i = 4; i >= 0; i--)
		start(i, sleeper);
	run_out();
	wait_queue_wake_all(&scheduler, &sleepers);
	ck_assert_str_eq(notes, "");
	run_out();
	ck_assert_str_eq(notes, "edcba");
}
END_TEST

START_TEST(sleep_ends_at_its_deadline)
{
	start(0, bounded_sleeper);
	start(1, sleeper);
	run_out();
	ck_assert_str_eq(notes, "a-");
	ck_assert_uint_eq(queue.now_ps, 100);
	/* It no longer stands in the queue. */
	wait_queue_wake_one(&scheduler, &sleepers);
	run_out();
	ck_assert_str_eq(notes, "a-b");
}
END_TEST

START_TEST(sleep_ends_when_woken_before_its_deadline)
{
	start(0, bounded_sleeper);
	ck_assert(clock_step(&queue));
	wait_queue_wake_all(&scheduler, &sleepers);
	run_out();
	ck_assert_str_eq(notes, "a+");
	ck_assert_uint_eq(queue.now_ps, 0);
	ck_assert_uint_eq(queue.pending, 0);
}
END_TEST

/* ---- mutex ---- */

static void locker(void *arg)
{
	mutex_lock(&scheduler, &mutex, "lock");
	note(*(char *)arg);
	task_preempt(&scheduler, 10, "inside");
	note(*(char *)arg);
	mutex_unlock(&scheduler, &mutex);
}

START_TEST(mutex_excludes_in_order_of_arrival)
{
	scheduler.stepwise = _i == 1;
	for (int i = 0; i < 4; i++)
		start(i, locker);
	run_out();
	ck_assert_str_eq(notes, "aabbccdd");
	ck_assert(!mutex_held(&mutex));
}
END_TEST

static void late_locker(void *arg)
{
	task_preempt(&scheduler, 10, "before");
	locker(arg);
}

START_TEST(late_comer_does_not_pass_who_waits)
{
	/* d asks at the instant at which a lets go and b is woken. */
	start(3, late_locker);
	for (int i = 0; i < 3; i++)
		start(i, locker);
	run_out();
	ck_assert_str_eq(notes, "aabbccdd");
}
END_TEST

static void greedy(void *arg)
{
	locker(arg);
	locker(arg);
}

START_TEST(mutex_is_not_kept_from_who_waits)
{
	start(0, greedy);
	start(1, locker);
	run_out();
	ck_assert_str_eq(notes, "aabbaa");
}
END_TEST

START_TEST(mutex_works_outside_a_task)
{
	mutex_lock(&scheduler, &mutex, "lock");
	start(0, locker);
	run_out();
	ck_assert_str_eq(notes, "");
	mutex_unlock(&scheduler, &mutex);
	run_out();
	ck_assert_str_eq(notes, "aa");
}
END_TEST

/* ---- rwsem ---- */

static void reader(void *arg)
{
	down_read(&scheduler, &sem, "read");
	note(*(char *)arg);
	task_preempt(&scheduler, 10, "inside");
	note(*(char *)arg);
	up_read(&scheduler, &sem);
}

static void writer(void *arg)
{
	down_write(&scheduler, &sem, "write");
	note(*(char *)arg);
	task_preempt(&scheduler, 10, "inside");
	note(*(char *)arg);
	up_write(&scheduler, &sem);
}

static void late_reader(void *arg)
{
	task_preempt(&scheduler, 5, "before");
	reader(arg);
}

START_TEST(readers_share)
{
	for (int i = 0; i < 3; i++)
		start(i, reader);
	run_out();
	ck_assert_str_eq(notes, "abcabc");
	ck_assert_uint_eq(sem.readers, 0);
}
END_TEST

START_TEST(writer_excludes)
{
	start(0, writer);
	start(1, reader);
	start(2, writer);
	start(3, reader);
	run_out();
	ck_assert_uint_eq(note_count, 8);
	ck_assert_msg(strncmp(notes, "aa", 2) == 0, "%s", notes);
	ck_assert_msg(strstr(notes, "cc") != NULL, "%s", notes);
	ck_assert(!sem.writer);
	ck_assert_uint_eq(sem.readers + sem.writers_waiting, 0);
}
END_TEST

START_TEST(waiting_writer_holds_back_readers)
{
	start(0, reader);
	start(1, writer);
	start(2, late_reader);
	run_out();
	ck_assert_str_eq(notes, "aabbcc");
}
END_TEST

START_TEST(last_reader_lets_the_writer_in)
{
	start(0, reader);
	start(1, late_reader);
	ck_assert(clock_step(&queue));
	while (sem.readers < 2)
		ck_assert(clock_step(&queue));
	start(2, writer);
	run_out();
	ck_assert_str_eq(notes, "ababcc");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("task");
	TCase *preemption = tcase_create("preemption");
	tcase_add_checked_fixture(preemption, setup, teardown);
	tcase_add_test(preemption, lone_task_is_not_switched);
	tcase_add_test(preemption, later_event_does_not_preempt);
	tcase_add_test(preemption, event_due_meanwhile_goes_first);
	tcase_add_test(preemption, event_due_at_the_same_instant_goes_first);
	tcase_add_test(preemption, tasks_take_turns);
	tcase_add_test(preemption, stepwise_task_stops_at_each_point);
	tcase_add_test(preemption, task_does_not_pass_the_horizon);
	tcase_add_test(preemption, task_goes_as_far_as_the_horizon);
	tcase_add_test(preemption, delay_holds_a_task_at_its_point);
	tcase_add_test(preemption, delay_lets_what_is_due_go_first);
	tcase_add_test(preemption, delay_that_no_task_passes_is_not_counted);
	tcase_add_test(preemption, points_outside_a_task_do_nothing);
	tcase_add_test(preemption, stack_of_a_done_task_is_free_again);
	tcase_add_test(preemption, abandoned_task_never_goes_on);
	suite_add_tcase(s, preemption);

	TCase *waiting = tcase_create("waiting");
	tcase_add_checked_fixture(waiting, setup, teardown);
	tcase_add_test(waiting, wake_one_wakes_who_came_first);
	tcase_add_test(waiting, wake_all_keeps_the_order_of_arrival);
	tcase_add_test(waiting, sleep_ends_at_its_deadline);
	tcase_add_test(waiting, sleep_ends_when_woken_before_its_deadline);
	suite_add_tcase(s, waiting);

	TCase *locks = tcase_create("locks");
	tcase_add_checked_fixture(locks, setup, teardown);
	tcase_add_loop_test(locks, mutex_excludes_in_order_of_arrival, 0, 2);
	tcase_add_test(locks, late_comer_does_not_pass_who_waits);
	tcase_add_test(locks, mutex_is_not_kept_from_who_waits);
	tcase_add_test(locks, mutex_works_outside_a_task);
	tcase_add_test(locks, readers_share);
	tcase_add_test(locks, writer_excludes);
	tcase_add_test(locks, waiting_writer_holds_back_readers);
	tcase_add_test(locks, last_reader_lets_the_writer_in);
	suite_add_tcase(s, locks);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
