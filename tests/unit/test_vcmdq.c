/* SPDX-License-Identifier: Apache-2.0 */
/* When the engine fetches and executes (tegra241-cmdqv 7.1, 11, 12, 14.4; smmuv3 2.2). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"
#include "tests/kit/run.h"

#define SMMU_AT  0x5000000ULL
#define CMDQV_AT 0x5200000ULL

#define NS          1000ULL
#define DOORBELL_NS 107ULL
#define FETCH_NS    211ULL
#define COMMAND_NS  59ULL
#define SYNC_NS     241ULL

#define LOGS_MAX 128U

static struct profile profile;
static struct machine *machine;
static struct smmu *smmu;
static struct probe probes[LOGS_MAX];
static unsigned probe_count;
static struct access fetches[LOGS_MAX];
static unsigned fetch_count;

static void on_probe(struct machine *from, const struct probe *probe)
{
	(void)from;
	if (probe_count < LOGS_MAX)
		probes[probe_count] = *probe;
	probe_count++;
}

static void on_access(struct machine *from, const struct access *access)
{
	(void)from;
	ck_assert_int_eq(access->purpose, ACCESS_COMMAND_FETCH);
	if (fetch_count < LOGS_MAX)
		fetches[fetch_count] = *access;
	fetch_count++;
}

static const char profile_text[] = "doorbell.latency_ns = 107 ; assumed ; test\n"
				   "fetch.line_latency_ns = 211 ; assumed ; test\n"
				   "command.service_ns = 59 ; assumed ; test\n"
				   "sync.drain_ns = 241 ; assumed ; test\n"
				   "memory.write_ns = 100 ; assumed ; test\n"
				   "walk.read_ns = 100 ; assumed ; test\n"
				   "tlb.hit_ns = 3 ; assumed ; test\n"
				   "ats.round_trip_ns = 1000 ; assumed ; test\n"
				   "tlb.entries = 64 ; assumed ; test\n"
				   "tlb.ways = 4 ; assumed ; test\n"
				   "oas.bits = 48 ; assumed ; test\n"
				   "cmdqs.log2 = 19 ; assumed ; test\n"
				   "vcmdq.count_log2 = 7 ; assumed ; test\n"
				   "vintf.count_log2 = 6 ; assumed ; test\n"
				   "sid_pairs.log2 = 4 ; assumed ; test\n";

static void setup(void)
{
	struct machine_config config = machine_config_default();
	struct trace_diag diag = {0};
	int result = profile_parse(&profile, "test", profile_text, sizeof(profile_text) - 1,
				   smmu_parameters, &diag);
	ck_assert_msg(result == 0, "%s", result ? trace_diag_text(&diag) : "");
	config.arena_bytes = 256ULL << 20; /* quicker to make */
	machine = machine_new(&config);
	smmu = smmu_new(machine, pa_of(SMMU_AT), pa_of(CMDQV_AT), &profile);
	machine->probe = on_probe;
	machine->watch = on_access;
	probe_count = 0;
	fetch_count = 0;
}

static void teardown(void)
{
	machine_free(machine);
}

static void set(uint64_t offset, unsigned width, uint64_t value)
{
	bus_write(&machine->bus, pa_of(CMDQV_AT + offset), width, value);
}

static uint64_t control(uint32_t queue, uint32_t offset)
{
	return CMDQV_DIRECT_PAGE0 + CMDQV_QUEUE_STRIDE * queue + offset;
}

static uint32_t cons(uint32_t queue)
{
	return smmu->vcmdqs[queue].queue.cons;
}

static void put(uint64_t base, uint32_t entry, struct smmu_command command)
{
	uint8_t bytes[COMMAND_SIZE];
	command_store(bytes, &command);
	memory_write(&machine->memory, pa_of(base + (uint64_t)COMMAND_SIZE * entry), bytes,
		     sizeof(bytes), 0);
}

/* QUEUE = 2 * VINTF + logical number, as Linux assigns them; full of commands with its number. */
static uint64_t start(uint32_t queue, uint32_t log2size)
{
	uint64_t pfn;
	ck_assert_uint_eq(memory_alloc(&machine->memory, 0, 1, 1, 1, 0, &pfn), 1);
	uint64_t base = pfn * PAGE_SIZE;
	for (uint32_t entry = 0; entry < 1U << log2size; entry++)
		put(base, entry, command_tlbi_nh_asid(0, (uint16_t)entry));
	set(CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE * (queue / 2), 4, 0x0b);
	set(CMDQV_ALLOC_MAP + 4 * queue, 4, (queue / 2) << 15 | (queue % 2) << 1 | 1);
	set(CMDQV_DIRECT_PAGE1 + CMDQV_QUEUE_STRIDE * queue, 8, base | log2size);
	set(control(queue, VCMDQ_CONFIG), 4, 1);
	return base;
}

static void ring(uint32_t queue, uint32_t prod)
{
	set(control(queue, VCMDQ_PROD), 4, prod);
}

static unsigned run(void)
{
	unsigned steps = 0;
	while (clock_step(&machine->clock))
		steps++;
	return steps;
}

/* Steps until QUEUE has executed COUNT commands in all. */
static void run_until(uint32_t queue, uint32_t count)
{
	while (cons(queue) < count)
		ck_assert(clock_step(&machine->clock));
}

START_TEST(a_command_runs_after_doorbell_fetch_and_service)
{
	start(2, 4);
	ring(2, 1);
	ck_assert_uint_eq(fetch_count, 0);
	run();
	ck_assert_uint_eq(fetch_count, 1);
	ck_assert_uint_eq(fetches[0].time_ps, DOORBELL_NS * NS);
	ck_assert_uint_eq(probe_count, 1);
	ck_assert_uint_eq(probes[0].time_ps, (DOORBELL_NS + FETCH_NS + COMMAND_NS) * NS);
}
END_TEST

START_TEST(a_line_of_four_is_fetched_at_once_and_runs_in_order)
{
	uint64_t base = start(2, 4);
	put(base, 5, command_sync(SYNC_CS_NONE));
	ring(2, 6);
	run();
	ck_assert_uint_eq(fetch_count, 2);
	ck_assert_uint_eq(fetches[0].size, 64);
	ck_assert_uint_eq(fetches[0].pa.value, base);
	ck_assert_uint_eq(fetches[1].size, 32);
	ck_assert_uint_eq(fetches[1].pa.value, base + 64);
	ck_assert_uint_eq(probe_count, 6);
	uint64_t at = (DOORBELL_NS + FETCH_NS) * NS;
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert_uint_eq(probes[i].index, i);
		ck_assert_uint_eq(probes[i].time_ps, at += COMMAND_NS * NS);
	}
	ck_assert_uint_eq(fetches[1].time_ps, at);
	ck_assert_uint_eq(probes[4].time_ps, at += (FETCH_NS + COMMAND_NS) * NS);
	ck_assert_uint_eq(probes[5].time_ps, at + SYNC_NS * NS);
}
END_TEST

START_TEST(nothing_outside_cons_to_prod_is_fetched)
{
	for (uint32_t from = 0; from < 16; from++) {
		for (uint32_t to = from; to < from + 16; to++) {
			teardown();
			setup();
			uint64_t base = start(2, 4);
			set(control(2, VCMDQ_CONFIG), 4, 0);
			set(control(2, VCMDQ_CONS), 4, from);
			set(control(2, VCMDQ_CONFIG), 4, 1);
			ring(2, to);
			run();
			uint32_t fetched = 0;
			for (unsigned i = 0; i < fetch_count; i++) {
				uint64_t entry = (fetches[i].pa.value - base) / COMMAND_SIZE;
				ck_assert_uint_eq(entry, (from + fetched) % 16);
				ck_assert_uint_eq(entry / 4,
						  (entry + fetches[i].size / COMMAND_SIZE - 1) / 4);
				fetched += fetches[i].size / COMMAND_SIZE;
			}
			ck_assert_uint_eq(fetched, to - from);
			ck_assert_uint_eq(cons(2), to);
		}
	}
}
END_TEST

START_TEST(a_fetched_command_runs_although_memory_changed)
{
	uint64_t base = start(2, 4);
	ring(2, 4);
	run_until(2, 1);
	for (uint32_t entry = 1; entry < 4; entry++)
		put(base, entry, command_cfgi_all());
	run();
	ck_assert_uint_eq(fetch_count, 1);
	ck_assert_uint_eq(cons(2), 4);
	ck_assert_uint_eq(probes[3].fetched[0], command_tlbi_nh_asid(0, 3).dw[0]);
}
END_TEST

START_TEST(entries_past_prod_are_read_only_when_prod_covers_them)
{
	uint64_t base = start(2, 4);
	ring(2, 2);
	run_until(2, 1);
	put(base, 2, command_tlbi_nh_asid(0, 77));
	ring(2, 4);
	run();
	ck_assert_uint_eq(fetch_count, 2);
	ck_assert_uint_eq(fetches[1].pa.value, base + 32);
	ck_assert_uint_eq(field_get(probes[2].ran[0], CMD_ASID), 77);
}
END_TEST

START_TEST(stopping_drops_what_was_fetched)
{
	uint64_t base = start(2, 4);
	ring(2, 4);
	run_until(2, 1);
	set(control(2, VCMDQ_CONFIG), 4, 0);
	ck_assert_uint_eq(run(), 0);
	ck_assert_uint_eq(cons(2), 1);
	put(base, 1, command_tlbi_nh_asid(0, 88));
	set(control(2, VCMDQ_CONFIG), 4, 1);
	run();
	ck_assert_uint_eq(cons(2), 4);
	ck_assert_uint_eq(fetch_count, 2);
	ck_assert_uint_eq(field_get(probes[1].ran[0], CMD_ASID), 88);
}
END_TEST

START_TEST(an_error_drops_what_was_fetched)
{
	uint64_t base = start(2, 4);
	put(base, 1, command_cfgi_all());
	ring(2, 4);
	run();
	put(base, 1, command_sync(SYNC_CS_NONE));
	put(base, 2, command_tlbi_nh_asid(0, 99));
	set(control(2, VCMDQ_GERRORN), 4, 1);
	run();
	ck_assert_uint_eq(cons(2), 4);
	ck_assert_uint_eq(field_get(probes[3].ran[0], CMD_ASID), 99);
}
END_TEST

START_TEST(a_disabled_queue_fetches_nothing)
{
	start(2, 4);
	set(control(2, VCMDQ_CONFIG), 4, 0);
	ring(2, 4);
	ck_assert_uint_eq(run(), 0);
	ck_assert_uint_eq(fetch_count, 0);
}
END_TEST

START_TEST(a_doorbell_with_nothing_new_does_nothing)
{
	start(2, 4);
	ring(2, 0);
	ck_assert_uint_eq(run(), 0);
	ring(2, 3);
	run();
	ring(2, 3);
	ck_assert_uint_eq(run(), 0);
	ck_assert_uint_eq(probe_count, 3);
}
END_TEST

START_TEST(prod_anywhere_is_reached_in_bounded_steps)
{
	start(2, 3);
	uint32_t prod = 0x12345;
	for (unsigned i = 0; i < 3000; i++) {
		prod = (prod * 1103515245U + 12345) & 0xfffff;
		uint32_t before = probe_count;
		ring(2, prod);
		ck_assert_uint_le(run(), 16 * 2);
		ck_assert_uint_le(probe_count - before, 15);
		ck_assert_uint_eq(cons(2), prod & 15);
	}
	/* The corners of the field, and bits beyond it. */
	static const uint32_t corners[] = {0, 0xfffff, 0x80000, 0x7ffff, 0xffffffff, 0xfff00000};
	for (size_t i = 0; i < sizeof(corners) / sizeof(corners[0]); i++) {
		ring(2, corners[i]);
		run();
		ck_assert_uint_eq(cons(2), corners[i] & 15);
	}
}
END_TEST

START_TEST(two_queues_run_as_if_each_were_alone)
{
	uint64_t alone[2][8];
	for (uint32_t which = 0; which < 2; which++) {
		teardown();
		setup();
		start(2 + which, 4);
		ring(2 + which, which ? 8 : 5);
		run();
		for (unsigned i = 0; i < probe_count; i++)
			alone[which][i] = probes[i].time_ps;
	}
	teardown();
	setup();
	start(2, 4);
	start(3, 4);
	ring(2, 5);
	ring(3, 8);
	run();
	unsigned seen[2] = {0};
	ck_assert_uint_eq(probe_count, 13);
	for (unsigned i = 0; i < probe_count; i++) {
		uint32_t which = probes[i].context - 2;
		ck_assert_uint_eq(probes[i].time_ps, alone[which][seen[which]++]);
		ck_assert(i == 0 || probes[i].time_ps >= probes[i - 1].time_ps);
	}
	ck_assert_uint_eq(seen[0], 5);
}
END_TEST

START_TEST(an_error_of_one_queue_does_not_stop_another)
{
	uint64_t base = start(2, 4);
	start(3, 4);
	put(base, 1, command_cfgi_all());
	ring(2, 4);
	ring(3, 4);
	run();
	ck_assert_uint_eq(cons(2), 1);
	ck_assert_uint_eq(cons(3), 4);
	ck_assert_uint_eq(smmu->gerror, 0);
}
END_TEST

START_TEST(a_stop_of_the_main_queue_does_not_stop_a_vcmdq)
{
	uint64_t pfn;
	start(2, 4);
	ck_assert_uint_eq(memory_alloc(&machine->memory, 0, 1, 1, 1, 0, &pfn), 1);
	put(pfn * PAGE_SIZE, 0, (struct smmu_command){{0xff, 0}});
	bus_write(&machine->bus, pa_of(SMMU_AT + SMMU_CMDQ_BASE), 8, pfn * PAGE_SIZE | 4);
	bus_write(&machine->bus, pa_of(SMMU_AT + SMMU_CR0), 4, CR0_CMDQEN);
	bus_write(&machine->bus, pa_of(SMMU_AT + SMMU_CMDQ_PROD), 4, 1);
	run();
	ck_assert_uint_eq(smmu->gerror, 1);
	ck_assert_uint_eq(bus_read(&machine->bus, pa_of(SMMU_AT + SMMU_CMDQ_CONS), 4), 1 << 24);
	ring(2, 3);
	run();
	ck_assert_uint_eq(cons(2), 3);
	/* GERRORN starts the main queue again; it stops at the same command. */
	bus_write(&machine->bus, pa_of(SMMU_AT + SMMU_GERRORN), 4, 1);
	run();
	ck_assert_uint_eq(smmu->gerror, 0);
}
END_TEST

START_TEST(the_same_inputs_give_the_same_run)
{
	struct probe first[LOGS_MAX];
	unsigned count = 0;
	for (unsigned pass = 0; pass < 2; pass++) {
		teardown();
		setup();
		for (uint32_t queue = 2; queue < 10; queue++)
			start(queue, 4);
		for (uint32_t queue = 2; queue < 10; queue++)
			ring(queue, queue);
		run();
		if (pass == 0) {
			count = probe_count;
			memcpy(first, probes, sizeof(first));
			continue;
		}
		ck_assert_uint_eq(probe_count, count);
		for (unsigned i = 0; i < count; i++) {
			ck_assert_uint_eq(probes[i].context, first[i].context);
			ck_assert_uint_eq(probes[i].index, first[i].index);
			ck_assert_uint_eq(probes[i].time_ps, first[i].time_ps);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vcmdq");
	TCase *tests = tcase_create("engine");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_command_runs_after_doorbell_fetch_and_service);
	tcase_add_test(tests, a_line_of_four_is_fetched_at_once_and_runs_in_order);
	tcase_add_test(tests, nothing_outside_cons_to_prod_is_fetched);
	tcase_add_test(tests, a_fetched_command_runs_although_memory_changed);
	tcase_add_test(tests, entries_past_prod_are_read_only_when_prod_covers_them);
	tcase_add_test(tests, stopping_drops_what_was_fetched);
	tcase_add_test(tests, an_error_drops_what_was_fetched);
	tcase_add_test(tests, a_disabled_queue_fetches_nothing);
	tcase_add_test(tests, a_doorbell_with_nothing_new_does_nothing);
	tcase_add_test(tests, prod_anywhere_is_reached_in_bounded_steps);
	tcase_add_test(tests, two_queues_run_as_if_each_were_alone);
	tcase_add_test(tests, an_error_of_one_queue_does_not_stop_another);
	tcase_add_test(tests, a_stop_of_the_main_queue_does_not_stop_a_vcmdq);
	tcase_add_test(tests, the_same_inputs_give_the_same_run);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
