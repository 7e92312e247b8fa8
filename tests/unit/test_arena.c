/* SPDX-License-Identifier: Apache-2.0 */
/* The arena: allocation, accounting, and that a restore brings everything back. */
#include <check.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/arena.h"
#include "emu/clock.h"
#include "emu/machine.h"
#include "emu/task.h"
#include "tests/kit/run.h"

#define LIMIT (1UL << 20)

static struct arena *arena;
static jmp_buf out_of_arena;
static int exhaustions;

static void exhausted(void *context)
{
	(*(int *)context)++;
	longjmp(out_of_arena, 1);
}

static void setup(void)
{
	exhaustions = 0;
	arena = arena_create(LIMIT, exhausted, &exhaustions);
	ck_assert_ptr_nonnull(arena);
}

static void teardown(void)
{
	arena_destroy(arena);
}

static void assert_all(const void *block, size_t size, unsigned char value)
{
	const unsigned char *bytes = block;
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != value)
			ck_abort_msg("byte %zu of %zu is %u", i, size, bytes[i]);
}

/* ---- heap ---- */

static const size_t SIZES[] = {1, 7, 16, 17, 1000, 1024, 1025, 2048, 2049, 70000};

START_TEST(blocks_are_zeroed_and_aligned)
{
	size_t size = SIZES[_i];
	for (int i = 0; i < 3; i++) {
		unsigned char *block = arena_alloc(arena, size);
		ck_assert_uint_eq((uintptr_t)block % 16, 0);
		assert_all(block, size, 0);
		memset(block, 0xa5, size);
		if (i > 0)
			arena_free(arena, block, size);
	}
}
END_TEST

START_TEST(blocks_do_not_overlap)
{
	unsigned char *blocks[64];
	for (size_t i = 0; i < 64; i++) {
		blocks[i] = arena_alloc(arena, 33 * i + 1);
		memset(blocks[i], (int)i + 1, 33 * i + 1);
	}
	for (size_t i = 0; i < 64; i++)
		assert_all(blocks[i], 33 * i + 1, (unsigned char)(i + 1));
}
END_TEST

START_TEST(freed_block_is_used_again)
{
	void *first = arena_alloc(arena, 100);
	void *second = arena_alloc(arena, 112);
	arena_free(arena, first, 100);
	arena_free(arena, second, 112);
	/* Same class, last in first out; another class gets neither. */
	ck_assert_ptr_ne(arena_alloc(arena, 113), second);
	ck_assert_ptr_eq(arena_alloc(arena, 97), second);
	ck_assert_ptr_eq(arena_alloc(arena, 112), first);
	arena_free(arena, NULL, 112);
}
END_TEST

START_TEST(grown_block_keeps_its_bytes)
{
	unsigned char *block = arena_alloc(arena, 40);
	memset(block, 7, 40);
	block = arena_grow(arena, block, 40, 5000);
	assert_all(block, 40, 7);
	assert_all(block + 40, 4960, 0);
	block = arena_grow(arena, NULL, 0, 24);
	assert_all(block, 24, 0);
}
END_TEST

START_TEST(live_bytes_return_to_where_they_were)
{
	ck_assert_uint_eq(arena_live(arena), 0);
	void *small = arena_alloc(arena, 17);
	ck_assert_uint_eq(arena_live(arena), 32);
	void *large = arena_alloc(arena, 1025);
	ck_assert_uint_eq(arena_live(arena), 32 + 1280);
	small = arena_grow(arena, small, 17, 33);
	ck_assert_uint_eq(arena_live(arena), 48 + 1280);
	arena_free(arena, small, 33);
	arena_free(arena, large, 1025);
	ck_assert_uint_eq(arena_live(arena), 0);
}
END_TEST

START_TEST(used_bytes_count_heap_and_live_stacks)
{
	size_t before = arena_used(arena);
	arena_free(arena, arena_alloc(arena, 64), 64);
	ck_assert_uint_eq(arena_used(arena), before + 64);
	unsigned char *stack = arena_stack_get(arena);
	ck_assert_uint_eq(arena_used(arena), before + 64);
	arena_stack_live(arena, stack, stack + ARENA_STACK_SIZE - 160);
	ck_assert_uint_eq(arena_used(arena), before + 64 + 160);
	arena_stack_put(arena, stack);
	ck_assert_uint_eq(arena_used(arena), before + 64);
}
END_TEST

START_TEST(exhaustion_is_told_and_nothing_is_taken)
{
	size_t used = arena_used(arena);
	if (setjmp(out_of_arena) == 0) {
		arena_alloc(arena, 2 * LIMIT);
		ck_abort_msg("an allocation beyond the limit returned");
	}
	ck_assert_int_eq(exhaustions, 1);
	ck_assert_uint_eq(arena_used(arena), used);
	ck_assert_uint_eq(arena_live(arena), 0);
	arena_alloc(arena, 16);
}
END_TEST

START_TEST(heap_fills_up_to_its_limit)
{
	static volatile size_t blocks;
	blocks = 0;
	if (setjmp(out_of_arena) == 0)
		for (;; blocks++)
			memset(arena_alloc(arena, 4096), 1, 4096);
	/* All but the header, which is smaller than a page. */
	ck_assert_uint_eq(blocks, LIMIT / 4096 - 1);
}
END_TEST

START_TEST(root_is_found_again)
{
	int *root = arena_new(arena, int);
	arena_set_root(arena, root);
	struct arena_snapshot *snapshot = arena_save(arena, NULL);
	arena_set_root(arena, NULL);
	arena_restore(arena, snapshot);
	ck_assert_ptr_eq(arena_root(arena), root);
	arena_snapshot_free(snapshot);
}
END_TEST

/* ---- snapshots ---- */

START_TEST(restore_brings_contents_and_allocator_back)
{
	unsigned char *kept = arena_alloc(arena, 100);
	memset(kept, 1, 100);
	struct arena_snapshot *snapshot = arena_save(arena, NULL);
	size_t used = arena_used(arena);
	for (int i = 0; i < 3; i++) {
		arena_free(arena, kept, 100);
		for (int n = 0; n < 50; n++)
			memset(arena_alloc(arena, 100), 2, 100);
		arena_restore(arena, snapshot);
		assert_all(kept, 100, 1);
		ck_assert_uint_eq(arena_live(arena), 112);
		ck_assert_uint_eq(arena_used(arena), used);
		unsigned char *next = arena_alloc(arena, 100);
		ck_assert_ptr_ne(next, kept);
		assert_all(next, 100, 0);
	}
	arena_snapshot_free(snapshot);
}
END_TEST

START_TEST(restore_brings_freed_blocks_back)
{
	unsigned char *block = arena_alloc(arena, 48);
	arena_free(arena, block, 48);
	struct arena_snapshot *snapshot = arena_save(arena, NULL);
	ck_assert_ptr_eq(arena_alloc(arena, 48), block);
	arena_restore(arena, snapshot);
	ck_assert_ptr_eq(arena_alloc(arena, 48), block);
	arena_snapshot_free(snapshot);
}
END_TEST

START_TEST(snapshot_is_overwritten_when_reused)
{
	uint32_t *value = arena_new(arena, uint32_t);
	*value = 1;
	struct arena_snapshot *snapshot = arena_save(arena, NULL);
	*value = 2;
	memset(arena_alloc(arena, 50000), 3, 50000);
	ck_assert_ptr_eq(arena_save(arena, snapshot), snapshot);
	*value = 4;
	arena_restore(arena, snapshot);
	ck_assert_uint_eq(*value, 2);
	arena_snapshot_free(snapshot);
	arena_snapshot_free(NULL);
}
END_TEST

START_TEST(two_arenas_do_not_touch_each_other)
{
	struct arena *other = arena_create(LIMIT, exhausted, &exhaustions);
	int *mine = arena_new(arena, int);
	int *others = arena_new(other, int);
	*mine = 1;
	*others = 1;
	struct arena_snapshot *snapshot = arena_save(arena, NULL);
	*mine = 2;
	*others = 2;
	arena_restore(arena, snapshot);
	ck_assert_int_eq(*mine, 1);
	ck_assert_int_eq(*others, 2);
	arena_snapshot_free(snapshot);
	arena_destroy(other);
}
END_TEST

/* ---- stacks ---- */

START_TEST(stacks_are_distinct_and_run_out)
{
	void *stacks[ARENA_STACKS];
	for (unsigned i = 0; i < ARENA_STACKS; i++) {
		stacks[i] = arena_stack_get(arena);
		ck_assert_ptr_nonnull(stacks[i]);
		ck_assert_uint_eq((uintptr_t)stacks[i] - (uintptr_t)stacks[0],
				  i * ARENA_STACK_SIZE);
	}
	ck_assert_ptr_null(arena_stack_get(arena));
	arena_stack_put(arena, stacks[77]);
	ck_assert_ptr_eq(arena_stack_get(arena), stacks[77]);
}
END_TEST

START_TEST(live_part_of_each_stack_is_restored)
{
	unsigned char *tops[3];
	for (int i = 0; i < 3; i++) {
		unsigned char *stack = arena_stack_get(arena);
		tops[i] = stack + ARENA_STACK_SIZE - 160 * (i + 1);
		memset(tops[i], i + 1, 160 * (size_t)(i + 1));
		arena_stack_live(arena, stack, tops[i]);
	}
	struct arena_snapshot *snapshot = arena_save(arena, NULL);
	for (int i = 0; i < 3; i++)
		memset(tops[i], 9, 160 * (size_t)(i + 1));
	arena_restore(arena, snapshot);
	for (int i = 0; i < 3; i++)
		assert_all(tops[i], 160 * (size_t)(i + 1), (unsigned char)(i + 1));
	arena_snapshot_free(snapshot);
}
END_TEST

struct world {
	struct clock clock;
	struct scheduler scheduler;
	struct task tasks[3];
	struct job {
		struct world *world;
		unsigned seed;
		unsigned steps;
		unsigned sum;
	} jobs[3];
};

/* Fills locals, sleeps in the middle of it, and goes on with them. */
static void worker(void *arg)
{
	struct job *job = arg;
	volatile unsigned char locals[200];
	for (unsigned i = 0; i < sizeof(locals); i++)
		locals[i] = (unsigned char)(job->seed * i);
	for (volatile unsigned round = 0; round < 4; round++) {
		task_preempt(&job->world->scheduler, 10, "worker");
		for (unsigned i = round; i < sizeof(locals); i += 4)
			job->sum += locals[i];
		job->steps++;
	}
}

static unsigned expected_sum(unsigned seed)
{
	unsigned sum = 0;
	for (unsigned i = 0; i < 200; i++)
		sum += (unsigned char)(seed * i);
	return sum;
}

static struct world *world_new(void)
{
	struct world *world = arena_new(arena, struct world);
	clock_init(&world->clock, arena);
	scheduler_init(&world->scheduler, arena, &world->clock);
	world->scheduler.stepwise = true;
	for (unsigned i = 0; i < 3; i++) {
		world->jobs[i] = (struct job){.world = world, .seed = 3 * i + 5};
		ck_assert(task_start(&world->scheduler, &world->tasks[i], worker, &world->jobs[i]));
	}
	return world;
}

static void run_out(struct world *world)
{
	while (clock_step(&world->clock))
		;
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(world->tasks[i].done);
		ck_assert_uint_eq(world->jobs[i].steps, 4);
		ck_assert_uint_eq(world->jobs[i].sum, expected_sum(3 * i + 5));
	}
}

START_TEST(restored_tasks_go_on_where_they_were)
{
	struct world *world = world_new();
	for (int i = 0; i < _i; i++)
		ck_assert(clock_step(&world->clock));
	struct arena_snapshot *snapshot = arena_save(arena, NULL);
	uint64_t now_ps = world->clock.now_ps;
	for (int i = 0; i < 3; i++) {
		run_out(world);
		arena_restore(arena, snapshot);
		ck_assert_uint_eq(world->clock.now_ps, now_ps);
	}
	run_out(world);
	arena_snapshot_free(snapshot);
}
END_TEST

/* ---- cleared ---- */

START_TEST(cleared_arena_is_like_a_new_one)
{
	size_t used = arena_used(arena);
	arena_set_root(arena, arena_alloc(arena, 100));
	memset(arena_alloc(arena, 70000), 0xa5, 70000);
	arena_free(arena, arena_alloc(arena, 32), 32);
	arena_clear(arena);
	ck_assert_uint_eq(arena_used(arena), used);
	ck_assert_uint_eq(arena_live(arena), 0);
	ck_assert_ptr_null(arena_root(arena));
}
END_TEST

/* Not the kernel's fresh zeros lie there but what was there before. */
START_TEST(blocks_of_a_cleared_arena_are_zeroed)
{
	size_t size = SIZES[_i];
	memset(arena_alloc(arena, 100000), 0xa5, 100000);
	arena_clear(arena);
	unsigned char *block = arena_alloc(arena, size);
	assert_all(block, size, 0);
	memset(block, 0x5a, size);
	arena_free(arena, block, size);
	assert_all(arena_alloc(arena, size), size, 0);
}
END_TEST

START_TEST(blocks_freed_before_the_clearing_are_forgotten)
{
	unsigned char *late = NULL;
	for (int i = 0; i < 64; i++)
		late = arena_alloc(arena, 48);
	arena_free(arena, late, 48);
	arena_clear(arena);
	unsigned char *first = arena_alloc(arena, 48);
	ck_assert(first < late);
	memset(first, 1, 48);
	for (int i = 0; i < 128; i++)
		memset(arena_alloc(arena, 48), 2, 48);
	assert_all(first, 48, 1);
}
END_TEST

START_TEST(cleared_arena_has_all_its_stacks)
{
	void *first = arena_stack_get(arena);
	while (arena_stack_get(arena) != NULL)
		;
	arena_clear(arena);
	ck_assert_ptr_eq(arena_stack_get(arena), first);
	for (unsigned i = 1; i < ARENA_STACKS; i++)
		ck_assert_ptr_nonnull(arena_stack_get(arena));
	ck_assert_ptr_null(arena_stack_get(arena));
}
END_TEST

START_TEST(cleared_arena_keeps_its_limit)
{
	memset(arena_alloc(arena, LIMIT / 2), 1, LIMIT / 2);
	arena_clear(arena);
	static volatile size_t blocks;
	blocks = 0;
	if (setjmp(out_of_arena) == 0)
		for (;; blocks++)
			memset(arena_alloc(arena, 4096), 1, 4096);
	ck_assert_int_eq(exhaustions, 1);
	ck_assert_uint_eq(blocks, LIMIT / 4096 - 1);
}
END_TEST

START_TEST(cleared_arena_can_be_saved_and_restored)
{
	memset(arena_alloc(arena, 70000), 0xa5, 70000);
	arena_clear(arena);
	int *value = arena_new(arena, int);
	*value = 1;
	struct arena_snapshot *snapshot = arena_save(arena, NULL);
	memset(arena_alloc(arena, 5000), 0x5a, 5000);
	*value = 2;
	arena_restore(arena, snapshot);
	ck_assert_int_eq(*value, 1);
	assert_all(arena_alloc(arena, 5000), 5000, 0);
	arena_snapshot_free(snapshot);
}
END_TEST

/* ---- a machine made anew in the place of another ---- */

static struct machine_config small_machine(enum reuse_order reuse)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 64UL << 20;
	config.memory_bytes = 4096 * PAGE_SIZE;
	config.reuse = reuse;
	config.seed = 5;
	return config;
}

/* Some of everything that a machine remembers. */
static uint64_t hash_after_calls(struct machine *machine)
{
	struct process *process = process_new(machine, NULL);
	struct map_request request = {.length = 16 * PAGE_SIZE,
				      .prot = PROT_READ_BIT | PROT_WRITE_BIT,
				      .flags = MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT};
	struct hash hash;
	uint64_t va;
	ck_assert_int_eq(mm_map(process->mm, &request, &va), 0);
	for (uint64_t i = 0; i < 16; i++)
		ck_assert_uint_eq(mm_write(process->mm, va_of(va + i * PAGE_SIZE), "text", 5), 5);
	struct process *child = process_fork(process);
	ck_assert_uint_eq(mm_write(child->mm, va_of(va), "child", 6), 6);
	process_exit(child, 0);
	ck_assert_int_eq(mm_migrate(process->mm, va_of(va)), 0);
	ck_assert_int_eq(mm_reclaim(process->mm, va_of(va + PAGE_SIZE)), 0);
	ck_assert_int_eq(mm_dontneed(process->mm, va + 4 * PAGE_SIZE, 3 * PAGE_SIZE), 0);
	ck_assert_uint_eq(mm_write(process->mm, va_of(va + PAGE_SIZE), "again", 6), 6);
	ck_assert(memory_add_ram(&machine->memory, 0x40, 4, 1));
	machine->clock.now_ps += 1000;
	hash_init(&hash);
	machine_hash(machine, &hash);
	return hash.value;
}

START_TEST(renewed_machine_is_like_a_fresh_one)
{
	struct machine_config config = small_machine((enum reuse_order)(_i % 3));
	struct machine *fresh = machine_new(&config);
	uint64_t expected = hash_after_calls(fresh);
	machine_free(fresh);
	config = small_machine(REUSE_FIFO);
	struct machine *machine = machine_new(&config);
	hash_after_calls(machine);
	config = small_machine((enum reuse_order)(_i % 3));
	for (int round = 0; round < 3; round++) {
		machine = machine_renew(machine, &config);
		ck_assert_uint_eq(hash_after_calls(machine), expected);
	}
	machine_free(machine);
}
END_TEST

static void sleeps_for_good(void *arg)
{
	struct machine *machine = arg;
	wait_queue_sleep(&machine->scheduler, &machine->poll_waiters, "asleep");
}

static void takes_too_much(void *arg)
{
	struct machine *machine = arg;
	for (;;)
		memset(arena_alloc(machine->arena, 1UL << 20), 1, 1UL << 20);
}

START_TEST(machine_is_renewed_while_tasks_are_under_way)
{
	struct machine_config config = small_machine(REUSE_LIFO);
	struct machine *machine = machine_new(&config);
	uint64_t expected = hash_after_calls(machine);
	task_fn *const fns[] = {sleeps_for_good, takes_too_much};
	for (int i = 0; i < 2; i++) {
		machine = machine_renew(machine, &config);
		struct task *task = arena_new(machine->arena, struct task);
		ck_assert(task_run(&machine->scheduler, task, fns[i], machine));
		ck_assert(machine->scheduler.broken == (i == 1));
	}
	machine = machine_renew(machine, &config);
	ck_assert(!machine->scheduler.broken);
	ck_assert_uint_eq(hash_after_calls(machine), expected);
	machine_free(machine);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("arena");
	TCase *heap = tcase_create("heap");
	tcase_add_checked_fixture(heap, setup, teardown);
	tcase_add_loop_test(heap, blocks_are_zeroed_and_aligned, 0,
			    (int)(sizeof(SIZES) / sizeof(*SIZES)));
	tcase_add_test(heap, blocks_do_not_overlap);
	tcase_add_test(heap, freed_block_is_used_again);
	tcase_add_test(heap, grown_block_keeps_its_bytes);
	tcase_add_test(heap, live_bytes_return_to_where_they_were);
	tcase_add_test(heap, used_bytes_count_heap_and_live_stacks);
	tcase_add_test(heap, exhaustion_is_told_and_nothing_is_taken);
	tcase_add_test(heap, heap_fills_up_to_its_limit);
	tcase_add_test(heap, root_is_found_again);
	suite_add_tcase(s, heap);

	TCase *snapshots = tcase_create("snapshots");
	tcase_add_checked_fixture(snapshots, setup, teardown);
	tcase_add_test(snapshots, restore_brings_contents_and_allocator_back);
	tcase_add_test(snapshots, restore_brings_freed_blocks_back);
	tcase_add_test(snapshots, snapshot_is_overwritten_when_reused);
	tcase_add_test(snapshots, two_arenas_do_not_touch_each_other);
	suite_add_tcase(s, snapshots);

	TCase *stacks = tcase_create("stacks");
	tcase_add_checked_fixture(stacks, setup, teardown);
	tcase_add_test(stacks, stacks_are_distinct_and_run_out);
	tcase_add_test(stacks, live_part_of_each_stack_is_restored);
	tcase_add_loop_test(stacks, restored_tasks_go_on_where_they_were, 0, 15);
	suite_add_tcase(s, stacks);

	TCase *cleared = tcase_create("cleared");
	tcase_add_checked_fixture(cleared, setup, teardown);
	tcase_add_test(cleared, cleared_arena_is_like_a_new_one);
	tcase_add_loop_test(cleared, blocks_of_a_cleared_arena_are_zeroed, 0,
			    (int)(sizeof(SIZES) / sizeof(*SIZES)));
	tcase_add_test(cleared, blocks_freed_before_the_clearing_are_forgotten);
	tcase_add_test(cleared, cleared_arena_has_all_its_stacks);
	tcase_add_test(cleared, cleared_arena_keeps_its_limit);
	tcase_add_test(cleared, cleared_arena_can_be_saved_and_restored);
	tcase_add_loop_test(cleared, renewed_machine_is_like_a_fresh_one, 0, 3);
	tcase_add_test(cleared, machine_is_renewed_while_tasks_are_under_way);
	suite_add_tcase(s, cleared);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
