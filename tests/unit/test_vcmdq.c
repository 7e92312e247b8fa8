/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the engine fetches, executes and stops (tegra241-cmdqv 5.1, 7.1, 9.3, 11, 12, 14.4; smmuv3 1.4,
 * 2, 3.5, 8).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu.h"

/* Sums of these tell what they were summed from. */
#define NS             1000ULL
#define DOORBELL_NS    107ULL
#define FETCH_NS       211ULL
#define COMMAND_NS     59ULL
#define SYNC_NS        241ULL
#define ROUND_TRIP_NS  1009ULL
#define ATS_TIMEOUT_NS 60000000011ULL
#define LATE_NS        5003ULL

#define CONFIG     0x0bU /* of a guest's VINTF: VMID 5, ENABLE */
#define VIRT_SID   0x100U
#define PHYS_SID   0x10U
#define SILENT_SID 0x11U /* VIRT_SID + 1 */

static struct smmu_kit *kit;
static struct smmu_endpoint *silent;

static void setup(void)
{
	struct profile profile = smmu_kit_grace();
	smmu_kit_set(&profile, "doorbell.latency_ns", DOORBELL_NS);
	smmu_kit_set(&profile, "fetch.line_latency_ns", FETCH_NS);
	smmu_kit_set(&profile, "command.service_ns", COMMAND_NS);
	smmu_kit_set(&profile, "sync.drain_ns", SYNC_NS);
	smmu_kit_set(&profile, "ats.round_trip_ns", ROUND_TRIP_NS);
	smmu_kit_set(&profile, "ats.timeout_ns", ATS_TIMEOUT_NS);
	kit = smmu_kit_new(&profile);
	/* ATC_INV is ignored without it. */
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_SMMUEN);
	smmu_endpoint_new(kit->smmu, PHYS_SID);
	silent = smmu_endpoint_new(kit->smmu, SILENT_SID);
	silent->silent = true;
}

static void teardown(void)
{
	smmu_kit_free(kit);
}

static struct smmu_command tlbi(uint32_t number)
{
	return command_tlbi_nh_asid(0, (uint16_t)number);
}

static uint64_t commands(uint32_t count)
{
	uint64_t base = kit_frames(kit, 1);
	for (uint32_t entry = 0; entry < count; entry++)
		kit_put(kit, base, entry, tlbi(entry));
	return base;
}

/* QUEUE = 2 * VINTF + logical number, as Linux assigns them; full of commands with their number. */
static uint64_t start(uint32_t queue, uint32_t log2size)
{
	uint64_t base = commands(1U << log2size);
	for (uint32_t pair = 0; pair < 2; pair++) {
		kit_write(kit, kit_vintf(queue / 2, VINTF_SID_REPLACE + 4 * pair), 4,
			  PHYS_SID + pair);
		kit_write(kit, kit_vintf(queue / 2, VINTF_SID_MATCH + 4 * pair), 4,
			  (VIRT_SID + pair) << 1 | 1);
	}
	kit_enable(kit, queue, queue / 2, queue % 2, CONFIG, base | log2size);
	return base;
}

/* CONS and PROD of a queue that is enabled, and is then again. */
static void set_pointers(uint32_t queue, uint32_t cons, uint32_t prod)
{
	kit_switch(kit, queue, false);
	kit_write(kit, kit_direct(queue, VCMDQ_CONS), 4, cons);
	kit_ring(kit, queue, prod);
	kit_switch(kit, queue, true);
}

static void ring(uint32_t queue, uint32_t prod)
{
	kit_ring(kit, queue, prod);
	kit_run(kit);
}

/* Steps until QUEUE has executed COUNT commands in all. */
static void run_until(uint32_t queue, uint32_t count)
{
	while (kit_cons(kit, queue) < count)
		ck_assert(clock_step(&kit->machine->clock));
}

static void nothing(struct event *event)
{
	(void)event;
}

/* Time in which the engine has nothing to do. */
static void pass_ns(uint64_t ns)
{
	struct clock *clock = &kit->machine->clock;
	struct event event = {.fn = nothing};
	clock_post(clock, &event, clock->now_ps + ns * NS, EVENT_SOFTWARE);
	ck_assert(clock_step(clock));
	ck_assert(!event_pending(&event));
}

static uint64_t now_ns(void)
{
	return kit->machine->clock.now_ps / NS;
}

static uint64_t probe_ns(unsigned number)
{
	ck_assert_uint_lt(number, kit->probe_count);
	ck_assert_uint_eq(kit->probes[number].time_ps % NS, 0);
	return kit->probes[number].time_ps / NS;
}

static uint32_t fetched(unsigned number)
{
	ck_assert_uint_lt(number, kit->access_count);
	ck_assert_int_eq(kit->accesses[number].purpose, ACCESS_COMMAND_FETCH);
	return kit->accesses[number].size / COMMAND_SIZE;
}

/* --- fetch and execution --- */

START_TEST(a_command_runs_after_doorbell_fetch_and_service)
{
	start(2, 4);
	kit_ring(kit, 2, 1);
	ck_assert_uint_eq(kit->access_count, 0);
	kit_run(kit);
	ck_assert_uint_eq(kit->access_count, 1);
	ck_assert_uint_eq(kit->accesses[0].time_ps, DOORBELL_NS * NS);
	ck_assert_int_eq(kit->accesses[0].path, PATH_PHYSICAL);
	ck_assert_uint_eq(kit->probe_count, 1);
	ck_assert_uint_eq(probe_ns(0), DOORBELL_NS + FETCH_NS + COMMAND_NS);
}
END_TEST

START_TEST(a_line_of_four_is_fetched_at_once_and_runs_in_order)
{
	uint64_t base = start(2, 4);
	kit_put(kit, base, 5, command_sync(SYNC_CS_NONE));
	ring(2, 6);
	ck_assert_uint_eq(kit->access_count, 2);
	ck_assert_uint_eq(kit->accesses[0].size, 64);
	ck_assert_uint_eq(kit->accesses[0].pa.value, base);
	ck_assert_uint_eq(kit->accesses[1].size, 32);
	ck_assert_uint_eq(kit->accesses[1].pa.value, base + 64);
	ck_assert_uint_eq(kit->probe_count, 6);
	uint64_t at = DOORBELL_NS + FETCH_NS;
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert_uint_eq(kit->probes[i].index, i);
		ck_assert_uint_eq(probe_ns(i), at += COMMAND_NS);
	}
	ck_assert_uint_eq(kit->accesses[1].time_ps, at * NS);
	ck_assert_uint_eq(probe_ns(4), at += FETCH_NS + COMMAND_NS);
	ck_assert_uint_eq(probe_ns(5), at + SYNC_NS);
}
END_TEST

START_TEST(single_commands_may_be_fetched_one_by_one)
{
	uint64_t base = start(2, 4);
	kit_assume(kit, ASSUME_PREFETCH, PREFETCH_SINGLE);
	ring(2, 5);
	ck_assert_uint_eq(kit->access_count, 5);
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_uint_eq(fetched(i), 1);
		ck_assert_uint_eq(kit->accesses[i].pa.value, base + 16 * i);
		ck_assert_uint_eq(probe_ns(i), DOORBELL_NS + (i + 1) * (FETCH_NS + COMMAND_NS));
	}
}
END_TEST

/* [3, 14.4] At most CONFIG.MAX_CMD_BATCH commands a turn, which is 32 after reset. */
START_TEST(a_batch_may_be_fetched_at_once)
{
	start(2, 6);
	kit_assume(kit, ASSUME_PREFETCH, PREFETCH_BATCH);
	ring(2, 40);
	ck_assert_uint_eq(kit->access_count, 2);
	ck_assert_uint_eq(fetched(0), 32);
	ck_assert_uint_eq(fetched(1), 8);
	uint64_t at = DOORBELL_NS + 8 * FETCH_NS;
	for (unsigned i = 0; i < 32; i++)
		ck_assert_uint_eq(probe_ns(i), at += COMMAND_NS);
	ck_assert_uint_gt(32 * COMMAND_NS, 2 * FETCH_NS);
	ck_assert_uint_eq(probe_ns(32), at + COMMAND_NS); /* the second is there already */
}
END_TEST

START_TEST(a_batch_that_prod_covered_is_on_its_way)
{
	start(2, 7);
	kit_assume(kit, ASSUME_PREFETCH, PREFETCH_BATCH);
	/* 4 commands take less time than the 2 lines of the next 8: the rest is waited for. */
	kit_write(kit, CMDQV_CONFIG, 4, field_set(CONFIG_RESET, CONFIG_MAX_CMD_BATCH, 4));
	ring(2, 8);
	uint64_t at = DOORBELL_NS + FETCH_NS + 4 * COMMAND_NS;
	uint64_t rest = FETCH_NS > 4 * COMMAND_NS ? FETCH_NS - 4 * COMMAND_NS : 0;
	ck_assert_uint_eq(probe_ns(4), at + rest + COMMAND_NS);
	/* PROD that comes later starts a fetch of its own. */
	kit_write(kit, CMDQV_CONFIG, 4, field_set(CONFIG_RESET, CONFIG_MAX_CMD_BATCH, 32));
	smmu_kit_clear(kit);
	kit_ring(kit, 2, 40);
	run_until(2, 20);
	kit_ring(kit, 2, 48);
	kit_run(kit);
	ck_assert_uint_eq(fetched(0), 32);
	ck_assert_uint_eq(fetched(1), 8);
	ck_assert_uint_eq(probe_ns(32), probe_ns(31) + 2 * FETCH_NS + COMMAND_NS);
}
END_TEST

START_TEST(a_batch_is_as_large_as_config_says)
{
	start(2, 6);
	kit_assume(kit, ASSUME_PREFETCH, PREFETCH_BATCH);
	for (uint32_t limit = 0; limit < 256; limit += 5) {
		kit_write(kit, CMDQV_CONFIG, 4,
			  field_set(CONFIG_RESET, CONFIG_MAX_CMD_BATCH, limit));
		set_pointers(2, 0, 63);
		smmu_kit_clear(kit);
		kit_run(kit);
		ck_assert_uint_eq(kit_cons(kit, 2), 63);
		for (unsigned i = 0; i < kit->access_count; i++)
			ck_assert_uint_le(fetched(i), limit > 0 ? limit : 1);
		ck_assert_uint_eq(fetched(0), limit == 0 ? 1 : limit < 32 ? limit : 32);
	}
}
END_TEST

/* From entry FROM on, TO - FROM of 16 entries: each once, in order, and no other. */
static void check_range(uint64_t base, uint32_t from, uint32_t to)
{
	uint32_t count = 0;
	set_pointers(2, from, to);
	smmu_kit_clear(kit);
	kit_run(kit);
	for (unsigned i = 0; i < kit->access_count; i++) {
		uint64_t entry = (kit->accesses[i].pa.value - base) / COMMAND_SIZE;
		ck_assert_uint_eq(entry, (from + count) % 16);
		ck_assert_uint_le(entry + fetched(i), 16);
		ck_assert_uint_eq(kit->accesses[i].index, (from + count) & 31);
		count += fetched(i);
	}
	ck_assert_uint_eq(count, to - from);
	ck_assert_uint_eq(kit->probe_count, to - from);
	ck_assert_uint_eq(kit_cons(kit, 2), to & 31);
}

START_TEST(nothing_outside_cons_to_prod_is_fetched)
{
	uint64_t base = start(2, 4);
	for (unsigned prefetch = PREFETCH_LINE; prefetch <= PREFETCH_SINGLE; prefetch++) {
		kit_assume(kit, ASSUME_PREFETCH, prefetch);
		for (uint32_t from = 0; from < 32; from++)
			for (uint32_t to = from; to <= from + 16; to++)
				check_range(base, from, to);
	}
}
END_TEST

START_TEST(a_fetched_command_runs_although_memory_changed)
{
	uint64_t base = start(2, 4);
	kit_ring(kit, 2, 4);
	run_until(2, 1);
	for (uint32_t entry = 1; entry < 4; entry++)
		kit_put(kit, base, entry, command_cfgi_all());
	kit_run(kit);
	ck_assert_uint_eq(kit->access_count, 1);
	ck_assert_uint_eq(kit_cons(kit, 2), 4);
	ck_assert_uint_eq(kit->probes[3].fetched[0], tlbi(3).dw[0]);
}
END_TEST

/* How much was fetched before is seen in which commands still run as they were. */
START_TEST(a_change_is_missed_by_what_was_fetched_before_it)
{
	static const uint32_t old[] = {
		[PREFETCH_LINE] = 4, [PREFETCH_BATCH] = 32, [PREFETCH_SINGLE] = 1};
	for (unsigned prefetch = PREFETCH_LINE; prefetch <= PREFETCH_SINGLE; prefetch++) {
		uint64_t base = start(2, 6);
		kit_assume(kit, ASSUME_PREFETCH, prefetch);
		set_pointers(2, 0, 60);
		smmu_kit_clear(kit);
		run_until(2, 1);
		for (uint32_t entry = 1; entry < 60; entry++)
			kit_put(kit, base, entry, tlbi(1000 + entry));
		kit_run(kit);
		for (uint32_t i = 0; i < 60; i++)
			ck_assert_uint_eq(field_get(kit->probes[i].ran[0], CMD_ASID),
					  i < old[prefetch] ? i : 1000 + i);
		kit_switch(kit, 2, false);
	}
}
END_TEST

START_TEST(entries_past_prod_are_read_only_when_prod_covers_them)
{
	uint64_t base = start(2, 4);
	kit_ring(kit, 2, 2);
	run_until(2, 1);
	kit_put(kit, base, 2, tlbi(77));
	ring(2, 4);
	ck_assert_uint_eq(kit->access_count, 2);
	ck_assert_uint_eq(kit->accesses[1].pa.value, base + 32);
	ck_assert_uint_eq(field_get(kit->probes[2].ran[0], CMD_ASID), 77);
}
END_TEST

START_TEST(an_error_drops_what_was_fetched)
{
	uint64_t base = start(2, 4);
	kit_put(kit, base, 1, command_cfgi_all());
	ring(2, 4);
	kit_put(kit, base, 1, command_sync(SYNC_CS_NONE));
	kit_put(kit, base, 2, tlbi(99));
	kit_acknowledge(kit, 2);
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, 2), 4);
	ck_assert_uint_eq(field_get(kit->probes[3].ran[0], CMD_ASID), 99);
}
END_TEST

START_TEST(enabling_an_enabled_queue_changes_nothing)
{
	uint64_t base = start(2, 4);
	kit_ring(kit, 2, 4);
	run_until(2, 1);
	kit_put(kit, base, 1, command_cfgi_all());
	kit_switch(kit, 2, true);
	kit_run(kit);
	ck_assert_uint_eq(kit->access_count, 1);
	ck_assert_uint_eq(kit_cons(kit, 2), 4);
}
END_TEST

START_TEST(a_disabled_queue_fetches_nothing)
{
	start(2, 4);
	kit_switch(kit, 2, false);
	kit_ring(kit, 2, 4);
	ck_assert_uint_eq(kit_run(kit), 0);
	ck_assert_uint_eq(kit->access_count, 0);
}
END_TEST

START_TEST(a_doorbell_with_nothing_new_does_nothing)
{
	start(2, 4);
	kit_ring(kit, 2, 0);
	ck_assert_uint_eq(kit_run(kit), 0);
	ring(2, 3);
	kit_ring(kit, 2, 3);
	ck_assert_uint_eq(kit_run(kit), 0);
	ck_assert_uint_eq(kit->probe_count, 3);
}
END_TEST

/* --- pointers that make no sense: [5], smmuv3 2.1 --- */

static void check_pointers_run(uint32_t prod)
{
	uint32_t count = (prod - kit_cons(kit, 2)) & 15;
	smmu_kit_clear(kit);
	kit_ring(kit, 2, prod);
	ck_assert_uint_le(kit_run(kit), 2 * 16);
	ck_assert_uint_eq(kit->probe_count, count);
	ck_assert_uint_eq(kit_cons(kit, 2), prod & 15);
}

START_TEST(prod_anywhere_is_reached_in_bounded_steps)
{
	static const uint32_t corners[] = {0, 0xfffff, 0x80000, 0x7ffff, 0xffffffff, 0xfff00000};
	start(2, 3);
	uint32_t prod = 0x12345;
	for (unsigned i = 0; i < 3000; i++) {
		prod = (prod * 1103515245U + 12345) & 0xfffff;
		check_pointers_run(prod);
	}
	for (size_t i = 0; i < sizeof(corners) / sizeof(corners[0]); i++)
		check_pointers_run(corners[i]);
}
END_TEST

/* More entries ahead than the queue has: nothing, until the pointers make sense again. */
START_TEST(a_prod_too_far_ahead_may_count_as_empty)
{
	start(2, 3);
	kit_assume(kit, ASSUME_POINTER_DISTANCE, POINTER_DISTANCE_EMPTY);
	for (uint32_t cons = 0; cons < 16; cons++) {
		for (uint32_t distance = 0; distance < 16; distance++) {
			uint32_t prod = (cons + distance) & 15;
			set_pointers(2, cons, cons);
			smmu_kit_clear(kit);
			ring(2, prod);
			ck_assert_uint_eq(kit->probe_count, distance <= 8 ? distance : 0);
			ck_assert_uint_eq(kit_cons(kit, 2), distance <= 8 ? prod : cons);
			ring(2, (cons + 8) & 15);
			ck_assert_uint_eq(kit_cons(kit, 2), (cons + 8) & 15);
			ck_assert_uint_eq(kit->probe_count, 8);
		}
	}
}
END_TEST

/* Also where PROD jumps while commands run. */
START_TEST(a_prod_that_jumps_ahead_may_hold_up_a_running_queue)
{
	start(2, 3);
	kit_assume(kit, ASSUME_POINTER_DISTANCE, POINTER_DISTANCE_EMPTY);
	kit_ring(kit, 2, 4);
	run_until(2, 1);
	ring(2, 12); /* 11 ahead */
	ck_assert_uint_eq(kit_cons(kit, 2), 1);
	ring(2, 3);
	ck_assert_uint_eq(kit_cons(kit, 2), 3);
}
END_TEST

static uint64_t start_main(uint32_t log2size)
{
	uint64_t base = commands(1U << log2size);
	kit_enable_main(kit, base, log2size);
	return base;
}

static uint64_t main_cons(void)
{
	return kit_smmu_read(kit, SMMU_CMDQ_CONS, 4);
}

START_TEST(a_prod_too_far_ahead_is_the_same_to_the_main_queue)
{
	start_main(3);
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, 11);
	kit_run(kit);
	ck_assert_uint_eq(main_cons(), 11);
	kit_assume(kit, ASSUME_POINTER_DISTANCE, POINTER_DISTANCE_EMPTY);
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, 10);
	kit_run(kit);
	ck_assert_uint_eq(main_cons(), 11);
}
END_TEST

/* --- queues beside each other: [12] --- */

START_TEST(two_queues_may_run_as_if_each_were_alone)
{
	uint64_t alone[2][8];
	for (uint32_t which = 0; which < 2; which++) {
		teardown();
		setup();
		start(2 + which, 4);
		ring(2 + which, which ? 8 : 5);
		for (unsigned i = 0; i < kit->probe_count; i++)
			alone[which][i] = kit->probes[i].time_ps;
	}
	teardown();
	setup();
	kit_assume(kit, ASSUME_ARBITER, ARBITER_NONE);
	start(2, 4);
	start(3, 4);
	kit_ring(kit, 2, 5);
	ring(3, 8);
	unsigned seen[2] = {0};
	ck_assert_uint_eq(kit->probe_count, 13);
	for (unsigned i = 0; i < kit->probe_count; i++) {
		uint32_t which = kit->probes[i].context - 2;
		ck_assert_uint_eq(kit->probes[i].time_ps, alone[which][seen[which]++]);
		ck_assert(i == 0 || kit->probes[i].time_ps >= kit->probes[i - 1].time_ps);
	}
	ck_assert_uint_eq(seen[0], 5);
}
END_TEST

START_TEST(an_error_of_one_queue_does_not_stop_another)
{
	uint64_t base = start(2, 4);
	start(3, 4);
	kit_put(kit, base, 1, command_cfgi_all());
	kit_ring(kit, 2, 4);
	ring(3, 4);
	ck_assert_uint_eq(kit_cons(kit, 2), 1);
	ck_assert_uint_eq(kit_cons(kit, 3), 4);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_GERROR, 4), 0);
}
END_TEST

START_TEST(a_stop_of_the_main_queue_does_not_stop_a_vcmdq)
{
	start(2, 4);
	kit_put(kit, start_main(4), 0, (struct smmu_command){{0xff, 0}});
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, 1);
	kit_run(kit);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_GERROR, 4), 1);
	ck_assert_uint_eq(main_cons(), CERROR_ILL << 24);
	ring(2, 3);
	ck_assert_uint_eq(kit_cons(kit, 2), 3);
	/* GERRORN starts the main queue again; it stops at the same command. */
	kit_smmu_write(kit, SMMU_GERRORN, 4, 1);
	kit_run(kit);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_GERROR, 4), 0);
}
END_TEST

static uint64_t hash_now(void)
{
	struct hash hash;
	hash_init(&hash);
	smmu_hash(kit->smmu, &hash);
	return hash.value;
}

/* --- turns: [3, 12, 14.4]. What the sheet is unsure of is as models/nvidia_vcmdq/arbiter.c has it. --- */

/* Queues FIRST and FIRST + 1 have fetched COUNT commands each, and none is done. */
static void start_two(uint32_t first, uint32_t count)
{
	kit_assume(kit, ASSUME_PREFETCH, PREFETCH_BATCH);
	for (uint32_t queue = first; queue < first + 2; queue++)
		start(queue, 5);
	for (uint32_t queue = first; queue < first + 2; queue++)
		kit_ring(kit, queue, count);
	while (kit->access_count < 2)
		ck_assert(clock_step(&kit->machine->clock));
	ck_assert_uint_eq(kit->probe_count, 0);
}

static void set_batch(uint64_t command_limit, uint64_t clocks_log2)
{
	uint64_t config = field_set(CONFIG_RESET, CONFIG_MAX_CMD_BATCH, command_limit);
	kit_write(kit, CMDQV_CONFIG, 4, field_set(config, CONFIG_MAX_CLK_BATCH, clocks_log2));
}

/* Commands of queues 2 and 3 came in turns of at most LENGTH, one every COMMAND_NS. */
static void check_turns(unsigned count, unsigned length)
{
	ck_assert_uint_eq(kit->probe_count, 2 * count);
	for (unsigned i = 0; i < 2 * count; i++) {
		unsigned round = i / (2 * length);
		unsigned left = count - round * length, turn = left < length ? left : length;
		uint32_t queue = (i - round * 2 * length) / turn;
		ck_assert_msg(kit->probes[i].context == 2 + queue, "command %u is of queue %u", i,
			      kit->probes[i].context);
		ck_assert_uint_eq(probe_ns(i), DOORBELL_NS + 5 * FETCH_NS + (i + 1) * COMMAND_NS);
	}
}

START_TEST(a_turn_is_of_as_many_commands_as_config_says)
{
	static const unsigned limits[] = {0, 1, 3, 7, 32};
	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		teardown();
		setup();
		start_two(2, 20);
		set_batch(limits[i], 255);
		kit_run(kit);
		check_turns(20, limits[i] == 0 ? 1 : limits[i]);
	}
}
END_TEST

/* Of 1 ns: 2^n of them, in which a command that was begun is finished. */
START_TEST(a_turn_is_of_as_many_clocks_as_config_says)
{
	static const struct {
		unsigned clocks_log2, commands;
	} rows[] = {{0, 1},   {5, 1},   {6, 2},   {7, 3},   {8, 5},
		    {12, 32}, {50, 32}, {63, 32}, {64, 32}, {255, 32}};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		teardown();
		setup();
		start_two(2, 20);
		set_batch(32, rows[i].clocks_log2);
		kit_run(kit);
		check_turns(20, rows[i].commands);
	}
}
END_TEST

START_TEST(a_turn_ends_with_what_is_at_hand)
{
	start(2, 4);
	start(3, 4);
	set_batch(32, 255);
	kit_ring(kit, 2, 8);
	ring(3, 4);
	/* A line of each; the second line of queue 2 comes while queue 3 is served. */
	for (unsigned i = 0; i < 12; i++)
		ck_assert_uint_eq(kit->probes[i].context, i / 4 == 1 ? 3 : 2);
	uint64_t at = DOORBELL_NS + FETCH_NS;
	ck_assert_uint_eq(kit->accesses[2].time_ps, (at + 4 * COMMAND_NS) * NS);
	ck_assert_uint_eq(probe_ns(4), at + 5 * COMMAND_NS);
	ck_assert_uint_eq(probe_ns(8), at + 9 * COMMAND_NS);
	ck_assert_uint_eq(probe_ns(11), at + 12 * COMMAND_NS);
}
END_TEST

/* What a queue ran before its fetch is not held against it. */
START_TEST(a_turn_begins_anew_after_a_fetch)
{
	static const uint32_t order[] = {2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 2, 3};
	start(2, 4);
	start(3, 4);
	set_batch(3, 255);
	kit_ring(kit, 2, 8);
	run_until(2, 4);
	ring(3, 4);
	ck_assert_uint_eq(kit->probe_count, 12);
	for (unsigned i = 0; i < 12; i++)
		ck_assert_uint_eq(kit->probes[i].context, order[i]);
}
END_TEST

START_TEST(a_queue_alone_is_not_held_up_by_its_batches)
{
	start(2, 4);
	set_batch(1, 0);
	ring(2, 4);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(probe_ns(i), DOORBELL_NS + FETCH_NS + (i + 1) * COMMAND_NS);
}
END_TEST

/* From the one that was served on: it is itself the last. */
START_TEST(turns_go_round_by_number)
{
	static const uint32_t queues[] = {70, 2, 127, 3, 69};
	static const uint32_t order[] = {70, 127, 2, 3, 69, 70, 127, 2, 3, 69};
	set_batch(1, 255);
	for (unsigned i = 0; i < 5; i++)
		start(queues[i], 4);
	for (unsigned i = 0; i < 5; i++)
		kit_ring(kit, queues[i], 2);
	kit_run(kit);
	ck_assert_uint_eq(kit->probe_count, 10);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_uint_eq(kit->probes[i].context, order[i]);
}
END_TEST

START_TEST(a_sync_that_waits_holds_nobody_up)
{
	uint64_t base = start(2, 4);
	kit_put(kit, base, 0, command_atc_inv(VIRT_SID + 1, 0, 0));
	kit_put(kit, base, 1, command_sync(SYNC_CS_NONE));
	start(3, 4);
	kit_ring(kit, 2, 3);
	ring(3, 3);
	ck_assert_uint_eq(kit->probes[0].context, 2);
	for (unsigned i = 1; i < 4; i++) {
		ck_assert_uint_eq(kit->probes[i].context, 3);
		ck_assert_uint_eq(probe_ns(i), DOORBELL_NS + FETCH_NS + (i + 1) * COMMAND_NS);
	}
	ck_assert_uint_eq(probe_ns(4), DOORBELL_NS + FETCH_NS + COMMAND_NS + ATS_TIMEOUT_NS);
	ck_assert_uint_eq(kit_error(kit, 2), VCMDQ_ERR_ATC_INV_SYNC);
}
END_TEST

/* Queue 2 has its turn when its line is there; queue 3 comes later, and its line is there sooner. */
START_TEST(what_is_at_hand_does_not_wait_for_a_fetch)
{
	kit_assume(kit, ASSUME_PREFETCH, PREFETCH_BATCH);
	start(2, 5);
	start(3, 5);
	kit_ring(kit, 2, 32); /* eight lines */
	while (kit->access_count < 1)
		ck_assert(clock_step(&kit->machine->clock));
	kit_ring(kit, 3, 4);
	kit_run(kit);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_eq(kit->probes[i].context, 3);
		ck_assert_uint_eq(probe_ns(i), 2 * DOORBELL_NS + FETCH_NS + (i + 1) * COMMAND_NS);
	}
	ck_assert_uint_eq(kit->probe_count, 36);
	for (unsigned i = 4; i < 36; i++)
		ck_assert_uint_eq(probe_ns(i), DOORBELL_NS + 8 * FETCH_NS + (i - 3) * COMMAND_NS);
}
END_TEST

/* Nor does an acknowledgement: the queue waits already. */
START_TEST(a_doorbell_gives_no_turn)
{
	start_two(2, 6);
	set_batch(32, 255);
	kit_ring(kit, 3, 7);
	kit_acknowledge(kit, 3);
	kit_run(kit);
	ck_assert_uint_eq(kit->probe_count, 13);
	for (unsigned i = 0; i < 13; i++)
		ck_assert_uint_eq(kit->probes[i].context, i < 6 ? 2 : 3);
	ck_assert_uint_eq(probe_ns(11), DOORBELL_NS + 2 * FETCH_NS + 12 * COMMAND_NS);
}
END_TEST

START_TEST(a_queue_that_waits_can_be_stopped)
{
	start_two(2, 6);
	kit_switch(kit, 3, false);
	ck_assert(!kit_enabled(kit, 3));
	kit_run(kit);
	ck_assert_uint_eq(kit->probe_count, 6);
	ck_assert_uint_eq(kit_cons(kit, 3), 0);
	/* No turn was lost on it. */
	ck_assert_uint_eq(probe_ns(5), DOORBELL_NS + 2 * FETCH_NS + 6 * COMMAND_NS);
	/* It comes back with its own fetch and its own turn. */
	kit_switch(kit, 3, true);
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, 3), 6);
	ck_assert_uint_eq(kit->access_count, 3);
}
END_TEST

START_TEST(a_queue_that_is_served_can_be_stopped)
{
	start_two(2, 6);
	run_until(2, 1);
	uint64_t at = now_ns();
	kit_switch(kit, 2, false);
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, 2), 1);
	ck_assert_uint_eq(kit_cons(kit, 3), 6);
	ck_assert_uint_eq(probe_ns(1), at + COMMAND_NS);
	/* And the first turn of all, which waits for its fetch. */
	teardown();
	setup();
	start_two(2, 6);
	kit_switch(kit, 2, false);
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, 3), 6);
	ck_assert_uint_eq(probe_ns(0), DOORBELL_NS + 2 * FETCH_NS + COMMAND_NS);
}
END_TEST

/* Queues 2 and 3 are one VINTF's and 4 is another's; all have commands when OFFSET gets VALUE. */
static void switch_off_in_a_turn(uint64_t offset, uint32_t value)
{
	start(4, 5);
	start_two(2, 6);
	kit_ring(kit, 4, 6);
	run_until(2, 1);
	set_batch(1, 255);
	run_until(2, 2); /* 3 is being served, or waits, and so does 4 */
	kit_write(kit, offset, 4, value);
	ck_assert(!kit_enabled(kit, 2));
	ck_assert(!kit_enabled(kit, 3));
	kit_run(kit);
	ck_assert_uint_le(kit_cons(kit, 2), 2);
	ck_assert_uint_lt(kit_cons(kit, 3), 6);
}

START_TEST(a_vintf_that_goes_takes_its_queues_turns_along)
{
	switch_off_in_a_turn(kit_vintf(1, VINTF_CONFIG), CONFIG & ~1U);
	ck_assert_uint_eq(kit_cons(kit, 4), 6);
	ck_assert_uint_eq(kit_read(kit, kit_vintf(1, VINTF_STATUS), 4) & 1, 0);
	/* Enabled anew, they go on where they stood. */
	kit_write(kit, kit_vintf(1, VINTF_CONFIG), 4, CONFIG);
	for (uint32_t queue = 2; queue < 4; queue++)
		kit_switch(kit, queue, true);
	kit_run(kit);
	for (uint32_t queue = 2; queue < 5; queue++)
		ck_assert_uint_eq(kit_cons(kit, queue), 6);
	ck_assert_uint_eq(kit->probe_count, 18);
}
END_TEST

START_TEST(a_cmdqv_that_goes_takes_all_turns_along)
{
	switch_off_in_a_turn(CMDQV_CONFIG, CONFIG_RESET & ~1U);
	ck_assert(!kit_enabled(kit, 4));
	ck_assert_uint_lt(kit_cons(kit, 4), 6);
	ck_assert_uint_eq(kit_read(kit, CMDQV_STATUS, 4), 0);
}
END_TEST

/* The queue's MAP entry goes while it is served, and while it waits. */
START_TEST(a_queue_that_is_taken_away_gives_up_its_turn)
{
	start_two(2, 6);
	run_until(2, 1);
	kit_alloc(kit, 2, 1, 0, false);
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, 2), 1);
	ck_assert_uint_eq(kit_cons(kit, 3), 6);
	teardown();
	setup();
	start_two(2, 6);
	kit_alloc(kit, 3, 1, 1, false);
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, 2), 6);
	ck_assert_uint_eq(kit_cons(kit, 3), 0);
}
END_TEST

START_TEST(an_error_ends_a_turn)
{
	uint64_t base = start(2, 4);
	start(3, 4);
	kit_put(kit, base, 1, command_cfgi_all());
	kit_ring(kit, 2, 4);
	ring(3, 4);
	for (unsigned i = 0; i < 6; i++) {
		ck_assert_uint_eq(kit->probes[i].context, i < 2 ? 2 : 3);
		ck_assert_uint_eq(probe_ns(i), DOORBELL_NS + FETCH_NS + (i + 1) * COMMAND_NS);
	}
}
END_TEST

/* It is as fast beside a VCMDQ as alone, and the VCMDQ beside it. */
START_TEST(the_main_queue_takes_no_turns)
{
	uint64_t base = start_main(4);
	for (uint32_t entry = 0; entry < 4; entry++)
		kit_put(kit, base, entry, tlbi(entry));
	start(2, 4);
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, 4);
	ring(2, 4);
	ck_assert_uint_eq(kit->probe_count, 8);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_uint_eq(probe_ns(i), DOORBELL_NS + FETCH_NS + (i / 2 + 1) * COMMAND_NS);
}
END_TEST

START_TEST(the_hash_sees_who_waits)
{
	uint64_t hashes[4];
	for (unsigned i = 0; i < 4; i++) {
		teardown();
		setup();
		start_two(2, 6);
		run_until(2, 1);
		set_batch(32, 255);
		struct arbiter *arbiter = &kit->smmu->arbiter;
		ck_assert_uint_eq(arbiter->waiting[0], 1U << 3);
		if (i == 1)
			arbiter->turn_commands = 2;
		if (i == 2)
			arbiter->waiting[0] = 0;
		if (i == 3)
			arbiter->turn_ps -= NS;
		hashes[i] = hash_now();
		for (unsigned k = 0; k < i; k++)
			ck_assert_uint_ne(hashes[i], hashes[k]);
	}
}
END_TEST

/* Eight queues with one command each that stops, in places of their own. */
static void run_eight(void)
{
	for (uint32_t queue = 2; queue < 10; queue++)
		kit_put(kit, start(queue, 4), queue / 2, command_cfgi_all());
	for (uint32_t queue = 2; queue < 10; queue++)
		kit_ring(kit, queue, queue);
	kit_run(kit);
}

START_TEST(the_same_inputs_give_the_same_run)
{
	struct probe first[KIT_LOG_MAX];
	run_eight();
	unsigned count = kit->probe_count;
	uint64_t hash = hash_now();
	memcpy(first, kit->probes, sizeof(first));
	teardown();
	setup();
	run_eight();
	ck_assert_uint_eq(kit->probe_count, count);
	ck_assert_uint_eq(hash_now(), hash);
	for (unsigned i = 0; i < count; i++) {
		ck_assert_uint_eq(kit->probes[i].context, first[i].context);
		ck_assert_uint_eq(kit->probes[i].index, first[i].index);
		ck_assert_uint_eq(kit->probes[i].time_ps, first[i].time_ps);
		ck_assert_int_eq(kit->probes[i].kind, first[i].kind);
	}
}
END_TEST

/* A queue that wraps and meets an illegal command, in steps or at once. */
static void run_mixed(unsigned prefetch, bool at_once)
{
	uint64_t base = start(2, 4);
	kit_assume(kit, ASSUME_PREFETCH, prefetch);
	kit_put(kit, base, 1, command_cfgi_all());
	set_pointers(2, 10, 10);
	smmu_kit_clear(kit);
	for (unsigned i = 0; i < 2; i++) {
		kit_ring(kit, 2, 20);
		if (at_once)
			command_queue_run(&kit->smmu->vcmdqs[2].queue);
		kit_run(kit);
		kit_put(kit, base, 1, tlbi(1));
		kit_acknowledge(kit, 2);
	}
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, 2), 20);
}

/* Where time plays no part, what is read and what runs is the same. */
START_TEST(running_at_once_does_what_stepping_does)
{
	struct probe probes[KIT_LOG_MAX];
	struct access accesses[KIT_LOG_MAX];
	for (unsigned prefetch = PREFETCH_LINE; prefetch <= PREFETCH_SINGLE; prefetch++) {
		run_mixed(prefetch, false);
		unsigned probe_count = kit->probe_count, access_count = kit->access_count;
		memcpy(probes, kit->probes, sizeof(probes));
		memcpy(accesses, kit->accesses, sizeof(accesses));
		teardown();
		setup();
		run_mixed(prefetch, true);
		ck_assert_uint_eq(kit->probe_count, probe_count);
		ck_assert_uint_eq(kit->access_count, access_count);
		for (unsigned i = 0; i < probe_count; i++) {
			ck_assert_int_eq(kit->probes[i].kind, probes[i].kind);
			ck_assert_uint_eq(kit->probes[i].error, probes[i].error);
			ck_assert_uint_eq(kit->probes[i].index, probes[i].index);
			ck_assert_uint_eq(kit->probes[i].ran[0], probes[i].ran[0]);
		}
		for (unsigned i = 0; i < access_count; i++) {
			ck_assert_uint_eq(kit->accesses[i].pa.value, accesses[i].pa.value);
			ck_assert_uint_eq(kit->accesses[i].size, accesses[i].size);
		}
		teardown();
		setup();
	}
}
END_TEST

/* --- stopping: [5.1] --- */

static void inject(enum fault_action action)
{
	struct port_fault fault = {.engine = kit->smmu->port.engine,
				   .purpose = ACCESS_COMMAND_FETCH,
				   .action = action,
				   .late_ps = action == FAULT_LATE ? LATE_NS * NS : 0,
				   .nth = 1};
	ck_assert(port_inject(kit->machine, &fault));
}

/* A queue of which a fetch was begun, of four commands, and has not happened. */
static uint64_t start_held_up(uint32_t queue)
{
	uint64_t base = start(queue, 4);
	inject(FAULT_LATE);
	kit_ring(kit, queue, 4);
	ck_assert(clock_step(&kit->machine->clock));
	ck_assert_uint_eq(kit->access_count, 0);
	return base;
}

START_TEST(stopping_drops_what_was_fetched)
{
	uint64_t base = start(2, 4);
	kit_ring(kit, 2, 4);
	run_until(2, 1);
	kit_switch(kit, 2, false);
	ck_assert(!kit_enabled(kit, 2));
	ck_assert_uint_eq(kit_run(kit), 0);
	ck_assert_uint_eq(kit_cons(kit, 2), 1);
	kit_put(kit, base, 1, tlbi(88));
	kit_switch(kit, 2, true);
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, 2), 4);
	ck_assert_uint_eq(kit->access_count, 2);
	ck_assert_uint_eq(field_get(kit->probes[1].ran[0], CMD_ASID), 88);
}
END_TEST

/* No fetch is under way: it makes no difference when a stop is acknowledged. */
START_TEST(a_queue_at_rest_stops_at_once)
{
	for (unsigned value = STOP_ACK_DRAINED; value <= STOP_ACK_EARLY; value++) {
		kit_assume(kit, ASSUME_STOP_ACK, value);
		start(2, 4);
		ring(2, 3);
		kit_switch(kit, 2, false);
		ck_assert(!kit_enabled(kit, 2));
		set_pointers(2, 0, 0);
		kit_switch(kit, 2, false);
	}
	ck_assert(!kit->smmu->assumptions.consulted[ASSUME_STOP_ACK]);
}
END_TEST

START_TEST(a_fetch_that_is_held_up_happens_later_and_its_commands_run)
{
	uint64_t base = start_held_up(2);
	kit_put(kit, base, 0, tlbi(66)); /* read as it is when the fetch happens */
	kit_run(kit);
	ck_assert_uint_eq(kit->access_count, 1);
	ck_assert_uint_eq(kit->accesses[0].time_ps, (DOORBELL_NS + LATE_NS) * NS);
	ck_assert_uint_eq(kit_cons(kit, 2), 4);
	ck_assert_uint_eq(field_get(kit->probes[0].ran[0], CMD_ASID), 66);
	ck_assert_uint_eq(probe_ns(0), DOORBELL_NS + LATE_NS + FETCH_NS + COMMAND_NS);
}
END_TEST

static void stop_by_config(void)
{
	kit_switch(kit, 2, false);
}

static void stop_by_alloc(void)
{
	kit_alloc(kit, 2, 1, 0, false);
}

static void stop_by_vintf(void)
{
	kit_write(kit, kit_vintf(1, VINTF_CONFIG), 4, CONFIG & ~1U);
}

static void stop_by_cmdqv(void)
{
	kit_write(kit, CMDQV_CONFIG, 4, CONFIG_RESET & ~1U);
}

typedef void stop_fn(void);
static stop_fn *const stops[] = {stop_by_config, stop_by_alloc, stop_by_vintf, stop_by_cmdqv};

/* STATUS stays 1 until the fetch has happened; then no more fetches, and nothing of it runs. */
static void check_drained(stop_fn *stop)
{
	uint64_t base = start_held_up(2);
	stop();
	ck_assert(kit_enabled(kit, 2));
	ck_assert_uint_eq(kit_read(kit, kit_direct(2, VCMDQ_CONFIG), 4), stop != stop_by_config);
	kit_write(kit, kit_direct1(2, VCMDQ_BASE), 8, 0x12345000c);
	kit_write(kit, kit_direct(2, VCMDQ_CONS), 4, 9);
	ck_assert_uint_eq(kit_read(kit, kit_direct1(2, VCMDQ_BASE), 8), base | 4);
	pass_ns(LATE_NS - 1);
	ck_assert(kit_enabled(kit, 2));
	kit_run(kit);
	ck_assert_uint_eq(now_ns(), DOORBELL_NS + LATE_NS);
	ck_assert(!kit_enabled(kit, 2));
	ck_assert_uint_eq(kit->access_count, 1);
	ck_assert_uint_eq(kit->accesses[0].pa.value, base);
	ck_assert_uint_eq(kit->probe_count, 0);
	ck_assert_uint_eq(kit_cons(kit, 2), 0);
}

START_TEST(a_stop_is_acknowledged_when_the_fetch_under_way_has_happened)
{
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		check_drained(stops[i]);
		teardown();
		setup();
	}
}
END_TEST

/* What a stopped queue had fetched is read anew. */
START_TEST(a_queue_that_was_drained_starts_from_memory)
{
	uint64_t base = start_held_up(2);
	kit_switch(kit, 2, false);
	kit_run(kit);
	kit_put(kit, base, 0, tlbi(55));
	kit_switch(kit, 2, true);
	ck_assert(kit_enabled(kit, 2));
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, 2), 4);
	ck_assert_uint_eq(field_get(kit->probes[0].ran[0], CMD_ASID), 55);
}
END_TEST

/* STATUS falls at once, BASE can be written, and the fetch still happens where it was to. */
static void check_early(stop_fn *stop)
{
	uint64_t base = start_held_up(2), other = commands(16);
	kit_assume(kit, ASSUME_STOP_ACK, STOP_ACK_EARLY);
	stop();
	ck_assert(!kit_enabled(kit, 2));
	kit_write(kit, kit_direct1(2, VCMDQ_BASE), 8, other | 4);
	ck_assert_uint_eq(kit_read(kit, kit_direct1(2, VCMDQ_BASE), 8), other | 4);
	ck_assert_uint_eq(kit->access_count, 0);
	kit_run(kit);
	ck_assert_uint_eq(kit->access_count, 1);
	ck_assert_uint_eq(kit->accesses[0].pa.value, base);
	ck_assert_uint_eq(kit->accesses[0].time_ps, (DOORBELL_NS + LATE_NS) * NS);
	ck_assert_uint_eq(kit->probe_count, 0);
	ck_assert(!kit_enabled(kit, 2));
}

START_TEST(a_stop_may_be_acknowledged_before_the_fetch_under_way)
{
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		check_early(stops[i]);
		teardown();
		setup();
	}
}
END_TEST

/* smmuv3 1.4: no reads of the queue are outstanding when CR0ACK.CMDQEN falls. */
static void check_main_stop(void)
{
	start_main(4);
	inject(FAULT_LATE);
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, 4);
	ck_assert(clock_step(&kit->machine->clock));
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_SMMUEN);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_CR0ACK, 4), CR0_SMMUEN | CR0_CMDQEN);
	kit_run(kit);
	ck_assert_uint_eq(kit->access_count, 1);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_CR0ACK, 4), CR0_SMMUEN);
	ck_assert_uint_eq(kit->probe_count, 0);
}

START_TEST(the_main_queue_acknowledges_a_stop_when_no_fetch_is_under_way)
{
	check_main_stop();
}
END_TEST

/* The assumption is about the CMDQV. */
START_TEST(the_main_queue_never_acknowledges_a_stop_early)
{
	kit_assume(kit, ASSUME_STOP_ACK, STOP_ACK_EARLY);
	check_main_stop();
}
END_TEST

/* It does not wait for the acknowledgement: the stop ceases, and what was fetched before is read again. */
START_TEST(a_queue_enabled_while_it_stops_goes_on)
{
	uint64_t base = start_held_up(2);
	kit_switch(kit, 2, false);
	kit_switch(kit, 2, true);
	ck_assert_uint_eq(kit_read(kit, kit_direct(2, VCMDQ_CONFIG), 4), 1);
	ck_assert(kit_enabled(kit, 2));
	kit_run(kit);
	ck_assert(kit_enabled(kit, 2));
	ck_assert_uint_eq(kit_cons(kit, 2), kit_read(kit, kit_direct(2, VCMDQ_PROD), 4));
	ck_assert_uint_eq(kit->accesses[0].pa.value, base);
	ck_assert_uint_eq(kit->accesses[1].pa.value, base);
	/* Not where what it needs has gone meanwhile. */
	teardown();
	setup();
	start_held_up(2);
	kit_write(kit, kit_vintf(1, VINTF_CONFIG), 4, CONFIG & ~1U);
	kit_switch(kit, 2, true);
	ck_assert_uint_eq(kit_read(kit, kit_direct(2, VCMDQ_CONFIG), 4), 1);
	kit_run(kit);
	ck_assert(!kit_enabled(kit, 2));
	ck_assert_uint_eq(kit->probe_count, 0);
}
END_TEST

/* The new value is ignored, or the stop ceases (smmuv3 1.4); CR0ACK tells which. */
START_TEST(a_main_queue_enabled_while_it_stops_is_what_cr0ack_says)
{
	start_main(4);
	inject(FAULT_LATE);
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, 4);
	ck_assert(clock_step(&kit->machine->clock));
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_SMMUEN);
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_SMMUEN | CR0_CMDQEN);
	kit_run(kit);
	bool runs = kit_smmu_read(kit, SMMU_CR0ACK, 4) & CR0_CMDQEN;
	ck_assert_uint_eq(main_cons(), runs ? 4 : 0);
}
END_TEST

/* [5.1] The same protocol for a VINTF and for the CMDQV: poll STATUS clear, no fetches after it. */
static void check_owner_status(stop_fn *stop, uint64_t status)
{
	start_held_up(2);
	stop();
	while (kit_read(kit, status, 4) & 1)
		ck_assert(clock_step(&kit->machine->clock));
	unsigned count = kit->access_count;
	kit_run(kit);
	ck_assert_uint_eq(kit->access_count, count);
}

START_TEST(a_vintf_acknowledges_its_stop_when_its_queues_have_drained)
{
	check_owner_status(stop_by_vintf, kit_vintf(1, VINTF_STATUS));
}
END_TEST

START_TEST(the_cmdqv_acknowledges_its_stop_when_its_queues_have_drained)
{
	check_owner_status(stop_by_cmdqv, CMDQV_STATUS);
}
END_TEST

/* What was fetched is dropped, even if the queue runs again before it comes (smmu.h). */
START_TEST(a_fetch_from_before_a_stop_is_not_run_after_it)
{
	uint64_t other = commands(0);
	start_held_up(2);
	kit_assume(kit, ASSUME_STOP_ACK, STOP_ACK_EARLY);
	for (uint32_t entry = 0; entry < 4; entry++)
		kit_put(kit, other, entry, tlbi(500 + entry));
	kit_switch(kit, 2, false);
	kit_write(kit, kit_direct1(2, VCMDQ_BASE), 8, other | 4);
	kit_switch(kit, 2, true);
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, 2), 4);
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_uint_eq(field_get(kit->probes[i].ran[0], CMD_ASID), 500 + i);
}
END_TEST

/* --- ATC_INV: smmuv3 3.5, 8; [9.3] --- */

static struct smmu_command atc(uint32_t virtual_sid)
{
	return command_atc_inv(virtual_sid, 0, ATC_SIZE_ALL);
}

/* ATC_INV, TLBI, SYNC and TLBI in the four entries of a line. */
static void put_atc(uint64_t base, uint32_t virtual_sid)
{
	kit_put(kit, base, 0, atc(virtual_sid));
	kit_put(kit, base, 2, command_sync(SYNC_CS_NONE));
}

START_TEST(a_sync_waits_for_the_endpoints_answer)
{
	put_atc(start(2, 4), VIRT_SID);
	ring(2, 4);
	uint64_t sent = DOORBELL_NS + FETCH_NS + COMMAND_NS;
	ck_assert_uint_eq(probe_ns(0), sent);
	ck_assert_uint_eq(probe_ns(1), sent + COMMAND_NS);
	ck_assert_uint_eq(probe_ns(2), sent + ROUND_TRIP_NS);
	ck_assert_uint_eq(probe_ns(3), sent + ROUND_TRIP_NS + COMMAND_NS);
	ck_assert(!kit_stopped(kit, 2));
}
END_TEST

START_TEST(a_sync_waits_for_the_last_of_several_answers)
{
	uint64_t base = start(2, 4);
	put_atc(base, VIRT_SID);
	kit_put(kit, base, 1, atc(VIRT_SID));
	ring(2, 3);
	ck_assert_uint_eq(probe_ns(2), probe_ns(1) + ROUND_TRIP_NS);
}
END_TEST

START_TEST(a_sync_after_the_answer_takes_no_longer_than_another)
{
	put_atc(start(2, 4), VIRT_SID);
	ring(2, 2);
	pass_ns(ROUND_TRIP_NS);
	uint64_t rung = now_ns();
	ring(2, 3);
	ck_assert_uint_eq(probe_ns(2), rung + DOORBELL_NS + FETCH_NS + SYNC_NS);
}
END_TEST

/* Unsupported Request: done, without an error. Only the hypervisor can name such a device. */
START_TEST(a_device_without_ats_counts_as_having_answered)
{
	uint64_t base = start(2, 4);
	kit_write(kit, kit_vintf(1, VINTF_CONFIG), 4, VINTF_CONFIG_HYP_OWN | 1);
	put_atc(base, 0x7777);
	ring(2, 3);
	ck_assert_uint_eq(kit_cons(kit, 2), 3);
	ck_assert_uint_eq(probe_ns(2), probe_ns(0) + ROUND_TRIP_NS);
}
END_TEST

/* An ATC_INV of no device at all is not waited for. */
START_TEST(a_dropped_atc_inv_is_not_waited_for)
{
	kit_assume(kit, ASSUME_UNMATCHED_SID, UNMATCHED_SID_DROPPED);
	put_atc(start(2, 4), VIRT_SID + 2);
	ring(2, 3);
	ck_assert_uint_eq(probe_ns(2), probe_ns(1) + SYNC_NS);
}
END_TEST

START_TEST(a_sync_in_the_next_line_waits_no_longer_than_for_the_answer)
{
	uint64_t base = start(2, 4);
	kit_put(kit, base, 3, atc(VIRT_SID));
	kit_put(kit, base, 4, command_sync(SYNC_CS_NONE));
	ring(2, 5);
	ck_assert_uint_eq(probe_ns(4), probe_ns(3) + ROUND_TRIP_NS);
}
END_TEST

/* An endpoint is silent: its SYNC is not consumed, and tells so when the time is over. */
START_TEST(a_timeout_stops_the_next_sync)
{
	put_atc(start(2, 4), VIRT_SID + 1);
	ring(2, 4);
	ck_assert_uint_eq(kit->probe_count, 3);
	ck_assert_uint_eq(probe_ns(1), probe_ns(0) + COMMAND_NS);
	ck_assert_int_eq(kit->probes[2].kind, PROBE_STOPPED);
	ck_assert_uint_eq(kit->probes[2].error, VCMDQ_ERR_ATC_INV_SYNC);
	ck_assert_uint_eq(probe_ns(2), probe_ns(0) + ATS_TIMEOUT_NS);
	ck_assert_uint_eq(kit_cons(kit, 2), 2);
	ck_assert_uint_eq(kit_error(kit, 2), 3);
	ck_assert(kit_stopped(kit, 2));
	ck_assert_uint_eq(kit->interrupts[KIT_IRQ_CMDQV], 1);
}
END_TEST

START_TEST(a_sync_is_retried_after_the_acknowledgement_and_completes)
{
	put_atc(start(2, 4), VIRT_SID + 1);
	ring(2, 4);
	uint64_t acknowledged = now_ns();
	kit_acknowledge(kit, 2);
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, 2), 4);
	ck_assert_int_eq(kit->probes[3].kind, PROBE_EXECUTED);
	ck_assert_uint_eq(kit->probes[3].index, 2);
	ck_assert_uint_eq(probe_ns(3), acknowledged + FETCH_NS + SYNC_NS);
	ck_assert(!kit_stopped(kit, 2));
}
END_TEST

START_TEST(a_timeout_stays_latent_without_a_sync)
{
	uint64_t base = start(2, 4);
	put_atc(base, VIRT_SID + 1);
	ring(2, 2);
	pass_ns(2 * ATS_TIMEOUT_NS);
	kit_put(kit, base, 2, tlbi(2));
	ring(2, 8);
	ck_assert_uint_eq(kit_cons(kit, 2), 8);
	ck_assert(!kit_stopped(kit, 2));
	kit_put(kit, base, 8, command_sync(SYNC_CS_NONE));
	ring(2, 9);
	ck_assert_uint_eq(kit_cons(kit, 2), 8);
	ck_assert_uint_eq(kit_error(kit, 2), VCMDQ_ERR_ATC_INV_SYNC);
}
END_TEST

/* [12] A SYNC covers its own queue only. */
START_TEST(a_sync_of_another_queue_neither_waits_nor_fails)
{
	put_atc(start(2, 4), VIRT_SID + 1);
	uint64_t other = start(3, 4);
	kit_put(kit, other, 0, command_sync(SYNC_CS_NONE));
	ring(2, 1);
	uint64_t rung = now_ns();
	ring(3, 1);
	ck_assert_uint_eq(kit_cons(kit, 3), 1);
	ck_assert_uint_eq(probe_ns(1), rung + DOORBELL_NS + FETCH_NS + SYNC_NS);
	/* Nor does it take the failure away. */
	ring(2, 3);
	ck_assert_uint_eq(kit_error(kit, 2), VCMDQ_ERR_ATC_INV_SYNC);
}
END_TEST

START_TEST(a_timeout_stops_the_main_queues_sync_alike)
{
	uint64_t base = start_main(4);
	kit_smmu_write(kit, SMMU_IRQ_CTRL, 4, IRQ_CTRL_GERROR);
	put_atc(base, SILENT_SID);
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, 4);
	kit_run(kit);
	ck_assert_uint_eq(main_cons(), CERROR_ATC_INV_SYNC << 24 | 2);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_GERROR, 4), GERROR_CMDQ_ERR);
	ck_assert_uint_eq(kit->interrupts[KIT_IRQ_GERROR], 1);
	ck_assert_uint_eq(now_ns(), probe_ns(0) + ATS_TIMEOUT_NS);
	kit_smmu_write(kit, SMMU_GERRORN, 4, GERROR_CMDQ_ERR);
	kit_run(kit);
	ck_assert_uint_eq(main_cons(), 4);
}
END_TEST

/* smmuv3 1.4, 3.2: without SMMUEN it is ignored, so there is nothing to wait for. */
START_TEST(an_atc_inv_is_ignored_while_the_smmu_is_disabled)
{
	kit_smmu_write(kit, SMMU_CR0, 4, 0);
	put_atc(start(2, 4), VIRT_SID + 1);
	ring(2, 4);
	ck_assert_uint_eq(kit_cons(kit, 2), 4);
	ck_assert_uint_eq(probe_ns(2), probe_ns(1) + SYNC_NS);
}
END_TEST

/* --- a queue's next owner, and the flush between: [9.3] --- */

/* Stops queue 2 with an ATC_INV outstanding, as the driver does, and clears its pointers. */
static void abandon(void)
{
	put_atc(start(2, 4), VIRT_SID + 1);
	ring(2, 1);
	kit_switch(kit, 2, false);
	kit_ring(kit, 2, 0);
	kit_write(kit, kit_direct(2, VCMDQ_CONS), 4, 0);
	kit_alloc(kit, 2, 1, 0, false);
}

/* Another VINTF gets queue 2; its first command is a SYNC. */
static void next_owner_syncs(void)
{
	uint64_t base = commands(4);
	kit_put(kit, base, 0, command_sync(SYNC_CS_NONE));
	kit_enable(kit, 2, 5, 0, 9 << 1 | 1, base | 4);
	ring(2, 1);
}

static void main_syncs(void)
{
	kit_put(kit, start_main(4), 0, command_sync(SYNC_CS_SEV));
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, 1);
	kit_run(kit);
	ck_assert_uint_eq(main_cons(), 1);
}

START_TEST(a_timeout_surfaces_in_the_next_owners_first_sync)
{
	abandon();
	next_owner_syncs();
	ck_assert_uint_eq(kit_cons(kit, 2), 0);
	ck_assert_uint_eq(kit_error(kit, 2), VCMDQ_ERR_ATC_INV_SYNC);
	ck_assert_uint_ge(now_ns(), probe_ns(0) + ATS_TIMEOUT_NS);
}
END_TEST

START_TEST(a_sync_of_the_main_queue_flushes_stopped_queues)
{
	abandon();
	main_syncs();
	ck_assert_uint_ge(now_ns(), probe_ns(0) + ATS_TIMEOUT_NS);
	next_owner_syncs();
	ck_assert_uint_eq(kit_cons(kit, 2), 1);
	ck_assert_uint_eq(probe_ns(2), probe_ns(1) + FETCH_NS + SYNC_NS + DOORBELL_NS);
}
END_TEST

/* It did not wait for a queue that was stopped after it was begun; a later one does. */
START_TEST(a_queue_stopped_under_a_sync_of_the_main_queue_is_left_to_the_next)
{
	put_atc(start(2, 4), VIRT_SID + 1);
	ring(2, 1);
	kit_put(kit, start_main(4), 0, command_sync(SYNC_CS_SEV));
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, 1);
	ck_assert(clock_step(&kit->machine->clock)); /* it is fetched, and under way */
	kit_switch(kit, 2, false);
	kit_run(kit);
	ck_assert_uint_eq(main_cons(), 1);
	ck_assert_uint_lt(now_ns(), probe_ns(0) + ATS_TIMEOUT_NS);
	if (_i != 0) {
		kit_smmu_write(kit, SMMU_CR0, 4, CR0_SMMUEN);
		main_syncs();
		ck_assert_uint_ge(now_ns(), probe_ns(0) + ATS_TIMEOUT_NS);
	}
	kit_switch(kit, 2, true);
	ring(2, 3);
	ck_assert_uint_eq(kit_error(kit, 2), _i != 0 ? 0 : VCMDQ_ERR_ATC_INV_SYNC);
}
END_TEST

/* It neither waits for a queue that runs, nor takes its failure away; a later one does. */
START_TEST(a_sync_of_the_main_queue_leaves_running_queues_alone)
{
	put_atc(start(2, 4), VIRT_SID + 1);
	ring(2, 1);
	uint64_t before = now_ns();
	main_syncs();
	ck_assert_uint_eq(now_ns(), before + DOORBELL_NS + FETCH_NS + SYNC_NS);
	kit_switch(kit, 2, false);
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_SMMUEN);
	main_syncs();
	ck_assert_uint_ge(now_ns(), probe_ns(0) + ATS_TIMEOUT_NS);
	kit_switch(kit, 2, true);
	ring(2, 3);
	ck_assert_uint_eq(kit_cons(kit, 2), 3);
}
END_TEST

START_TEST(a_failure_of_a_running_queue_outlives_the_main_queues_sync)
{
	put_atc(start(2, 4), VIRT_SID + 1);
	ring(2, 1);
	main_syncs();
	ring(2, 3);
	ck_assert_uint_eq(kit_error(kit, 2), VCMDQ_ERR_ATC_INV_SYNC);
}
END_TEST

/* --- time and hash of what was fetched --- */

/* [14.4] One read for each line of four: entries 3 and 4 lie in two. */
START_TEST(a_batch_takes_the_time_of_the_lines_that_it_touches)
{
	start(2, 4);
	kit_assume(kit, ASSUME_PREFETCH, PREFETCH_BATCH);
	set_pointers(2, 3, 5);
	kit_run(kit);
	ck_assert_uint_eq(kit->access_count, 1);
	ck_assert_uint_eq(probe_ns(0), 2 * FETCH_NS + COMMAND_NS);
}
END_TEST

/* A line of zeros, fetched and not run: what happens next depends on whether it aborted. */
static uint64_t hash_of_line(bool aborts)
{
	if (aborts)
		inject(FAULT_ABORT);
	kit_enable(kit, 2, 1, 0, CONFIG, kit_frames(kit, 1) | 4);
	kit_ring(kit, 2, 1);
	ck_assert(clock_step(&kit->machine->clock));
	ck_assert_uint_eq(kit->access_count, 1);
	ck_assert_int_eq(kit->accesses[0].status, aborts ? PORT_ABORT : PORT_OK);
	return hash_now();
}

START_TEST(the_hash_sees_that_a_fetch_aborted)
{
	uint64_t hash = hash_of_line(false);
	teardown();
	setup();
	ck_assert_uint_ne(hash_of_line(true), hash);
}
END_TEST

/* A queue stopped early, with a fetch under way from the first or the second of two pages. */
static uint64_t hash_of_fetch(bool second)
{
	uint64_t pages = kit_frames(kit, 2);
	kit_assume(kit, ASSUME_STOP_ACK, STOP_ACK_EARLY);
	inject(FAULT_LATE);
	kit_enable(kit, 2, 1, 0, CONFIG, (pages + (second ? PAGE_SIZE : 0)) | 4);
	kit_ring(kit, 2, 1);
	ck_assert(clock_step(&kit->machine->clock));
	kit_switch(kit, 2, false);
	kit_write(kit, kit_direct1(2, VCMDQ_BASE), 8, pages | 4);
	return hash_now();
}

START_TEST(the_hash_sees_where_a_fetch_under_way_reads)
{
	uint64_t hash = hash_of_fetch(false);
	teardown();
	setup();
	ck_assert_uint_ne(hash_of_fetch(true), hash);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vcmdq");
	TCase *tests = tcase_create("engine");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_command_runs_after_doorbell_fetch_and_service);
	tcase_add_test(tests, a_line_of_four_is_fetched_at_once_and_runs_in_order);
	tcase_add_test(tests, single_commands_may_be_fetched_one_by_one);
	tcase_add_test(tests, a_batch_may_be_fetched_at_once);
	tcase_add_test(tests, a_batch_that_prod_covered_is_on_its_way);
	tcase_add_test(tests, a_batch_is_as_large_as_config_says);
	tcase_add_test(tests, nothing_outside_cons_to_prod_is_fetched);
	tcase_add_test(tests, a_fetched_command_runs_although_memory_changed);
	tcase_add_test(tests, a_change_is_missed_by_what_was_fetched_before_it);
	tcase_add_test(tests, entries_past_prod_are_read_only_when_prod_covers_them);
	tcase_add_test(tests, an_error_drops_what_was_fetched);
	tcase_add_test(tests, enabling_an_enabled_queue_changes_nothing);
	tcase_add_test(tests, a_disabled_queue_fetches_nothing);
	tcase_add_test(tests, a_doorbell_with_nothing_new_does_nothing);
	tcase_add_test(tests, prod_anywhere_is_reached_in_bounded_steps);
	tcase_add_test(tests, a_prod_too_far_ahead_may_count_as_empty);
	tcase_add_test(tests, a_prod_that_jumps_ahead_may_hold_up_a_running_queue);
	tcase_add_test(tests, a_prod_too_far_ahead_is_the_same_to_the_main_queue);
	tcase_add_test(tests, two_queues_may_run_as_if_each_were_alone);
	tcase_add_test(tests, a_turn_is_of_as_many_commands_as_config_says);
	tcase_add_test(tests, a_turn_is_of_as_many_clocks_as_config_says);
	tcase_add_test(tests, a_turn_ends_with_what_is_at_hand);
	tcase_add_test(tests, a_turn_begins_anew_after_a_fetch);
	tcase_add_test(tests, a_queue_alone_is_not_held_up_by_its_batches);
	tcase_add_test(tests, turns_go_round_by_number);
	tcase_add_test(tests, a_sync_that_waits_holds_nobody_up);
	tcase_add_test(tests, what_is_at_hand_does_not_wait_for_a_fetch);
	tcase_add_test(tests, a_doorbell_gives_no_turn);
	tcase_add_test(tests, a_queue_that_waits_can_be_stopped);
	tcase_add_test(tests, a_queue_that_is_served_can_be_stopped);
	tcase_add_test(tests, a_vintf_that_goes_takes_its_queues_turns_along);
	tcase_add_test(tests, a_cmdqv_that_goes_takes_all_turns_along);
	tcase_add_test(tests, a_queue_that_is_taken_away_gives_up_its_turn);
	tcase_add_test(tests, an_error_ends_a_turn);
	tcase_add_test(tests, the_main_queue_takes_no_turns);
	tcase_add_test(tests, the_hash_sees_who_waits);
	tcase_add_test(tests, an_error_of_one_queue_does_not_stop_another);
	tcase_add_test(tests, a_stop_of_the_main_queue_does_not_stop_a_vcmdq);
	tcase_add_test(tests, the_same_inputs_give_the_same_run);
	tcase_add_test(tests, running_at_once_does_what_stepping_does);
	tcase_add_test(tests, stopping_drops_what_was_fetched);
	tcase_add_test(tests, a_queue_at_rest_stops_at_once);
	tcase_add_test(tests, a_fetch_that_is_held_up_happens_later_and_its_commands_run);
	tcase_add_test(tests, a_stop_is_acknowledged_when_the_fetch_under_way_has_happened);
	tcase_add_test(tests, a_queue_that_was_drained_starts_from_memory);
	tcase_add_test(tests, a_stop_may_be_acknowledged_before_the_fetch_under_way);
	tcase_add_test(tests, the_main_queue_acknowledges_a_stop_when_no_fetch_is_under_way);
	tcase_add_test(tests, a_sync_waits_for_the_endpoints_answer);
	tcase_add_test(tests, a_sync_waits_for_the_last_of_several_answers);
	tcase_add_test(tests, a_sync_after_the_answer_takes_no_longer_than_another);
	tcase_add_test(tests, a_device_without_ats_counts_as_having_answered);
	tcase_add_test(tests, a_dropped_atc_inv_is_not_waited_for);
	tcase_add_test(tests, a_timeout_stops_the_next_sync);
	tcase_add_test(tests, a_sync_is_retried_after_the_acknowledgement_and_completes);
	tcase_add_test(tests, a_timeout_stays_latent_without_a_sync);
	tcase_add_test(tests, a_sync_of_another_queue_neither_waits_nor_fails);
	tcase_add_test(tests, a_timeout_stops_the_main_queues_sync_alike);
	tcase_add_test(tests, a_timeout_surfaces_in_the_next_owners_first_sync);
	tcase_add_test(tests, a_sync_of_the_main_queue_flushes_stopped_queues);
	tcase_add_loop_test(
		tests, a_queue_stopped_under_a_sync_of_the_main_queue_is_left_to_the_next, 0, 2);
	tcase_add_test(tests, a_sync_of_the_main_queue_leaves_running_queues_alone);
	tcase_add_test(tests, a_failure_of_a_running_queue_outlives_the_main_queues_sync);
	tcase_add_test(tests, the_main_queue_never_acknowledges_a_stop_early);
	tcase_add_test(tests, a_queue_enabled_while_it_stops_goes_on);
	tcase_add_test(tests, a_main_queue_enabled_while_it_stops_is_what_cr0ack_says);
	tcase_add_test(tests, a_vintf_acknowledges_its_stop_when_its_queues_have_drained);
	tcase_add_test(tests, the_cmdqv_acknowledges_its_stop_when_its_queues_have_drained);
	tcase_add_test(tests, a_fetch_from_before_a_stop_is_not_run_after_it);
	tcase_add_test(tests, a_sync_in_the_next_line_waits_no_longer_than_for_the_answer);
	tcase_add_test(tests, an_atc_inv_is_ignored_while_the_smmu_is_disabled);
	tcase_add_test(tests, a_batch_takes_the_time_of_the_lines_that_it_touches);
	tcase_add_test(tests, the_hash_sees_that_a_fetch_aborted);
	tcase_add_test(tests, the_hash_sees_where_a_fetch_under_way_reads);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
