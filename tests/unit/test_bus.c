/* SPDX-License-Identifier: Apache-2.0 */
/* Which region and which register an access reaches, and writes that are lost or come late. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/machine.h"
#include "models/nvidia_vcmdq/smmu.h"
#include "tests/kit/run.h"

#define LOW       0x10000ULL
#define HIGH      0x11000ULL
#define LATE      700ULL /* ps */
#define NOTES_MAX 16U

struct device {
	uint64_t offset;
	uint64_t value;
	unsigned width;
	unsigned accesses;
};

static struct machine *machine;
static struct bus *bus;
static struct device low, high;
static struct note notes[NOTES_MAX];
static unsigned note_count;
static struct mmio_access told[NOTES_MAX];
static unsigned told_count;

static uint64_t read_device(void *owner, uint64_t offset, unsigned width)
{
	struct device *device = owner;
	device->offset = offset;
	device->width = width;
	device->accesses++;
	return device->value;
}

static void write_device(void *owner, uint64_t offset, unsigned width, uint64_t value)
{
	read_device(owner, offset, width);
	((struct device *)owner)->value = value;
}

static const struct mmio_ops ops = {read_device, write_device};

static void on_note(void *context, struct machine *from, const struct note *note)
{
	(void)context;
	(void)from;
	ck_assert_uint_lt(note_count, NOTES_MAX);
	notes[note_count++] = *note;
}

static void on_mmio(void *context, struct machine *from, const struct mmio_access *access)
{
	(void)context;
	ck_assert_ptr_eq(from, machine);
	ck_assert_uint_lt(told_count, NOTES_MAX);
	told[told_count++] = *access;
}

static void setup(void)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 64UL << 20;
	machine = machine_new(&config);
	machine_observe(machine, &(struct observer){.note = on_note, .mmio = on_mmio});
	note_count = 0;
	told_count = 0;
	bus = &machine->bus;
	memset(&low, 0, sizeof(low));
	memset(&high, 0, sizeof(high));
	bus_add(bus, pa_of(LOW), 0x1000, &ops, &low, "low");
	bus_add(bus, pa_of(HIGH), 0x2000, &ops, &high, "high");
}

static void teardown(void)
{
	machine_free(machine);
}

START_TEST(an_access_reaches_the_region_that_holds_it)
{
	bus_write(bus, pa_of(0x10ffc), 4, 7);
	ck_assert_uint_eq(low.offset, 0xffc);
	ck_assert_uint_eq(low.value, 7);
	bus_write(bus, pa_of(0x11000), 8, 8);
	ck_assert_uint_eq(high.offset, 0);
	ck_assert_uint_eq(high.width, 8);
	ck_assert_uint_eq(bus_read(bus, pa_of(0x12ff8), 8), 8);
	ck_assert_uint_eq(high.offset, 0x1ff8);
	ck_assert_uint_eq(low.accesses, 1);
}
END_TEST

START_TEST(an_access_outside_all_regions_reads_zero)
{
	high.value = 5;
	bus_write(bus, pa_of(0x13000), 4, 1);
	bus_write(bus, pa_of(0xfffc), 4, 1);
	ck_assert_uint_eq(bus_read(bus, pa_of(0x13000), 4), 0);
	ck_assert_uint_eq(bus_read(bus, pa_of(UINT64_MAX - 3), 4), 0);
	ck_assert_ptr_null(bus_find(bus, pa_of(0)));
	ck_assert_uint_eq(low.accesses + high.accesses, 0);
}
END_TEST

START_TEST(only_aligned_words_and_double_words_get_through)
{
	static const unsigned widths[] = {0, 1, 2, 3, 5, 6, 7, 16};
	low.value = 5;
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		bus_write(bus, pa_of(0x10000), widths[i], 1);
		ck_assert_uint_eq(bus_read(bus, pa_of(0x10000), widths[i]), 0);
	}
	for (unsigned offset = 1; offset < 8; offset++) {
		ck_assert_uint_eq(bus_read(bus, pa_of(0x10000 + offset), 8), 0);
		if (offset != 4)
			ck_assert_uint_eq(bus_read(bus, pa_of(0x10000 + offset), 4), 0);
	}
	ck_assert_uint_eq(low.accesses, 0);
	ck_assert_uint_eq(bus_read(bus, pa_of(0x10004), 4), 5);
}
END_TEST

static const struct register_row rows[] = {
	{0x100, 4, 0x10, 4, REGISTER_RW, 0, UINT32_MAX, "ARRAY", "1"},
	{0x20, 1, 0, 8, REGISTER_RW, 0, UINT64_MAX, "WIDE", "1"},
	{0x28, 1, 4, 4, REGISTER_RO, 0, UINT32_MAX, "NARROW", "1"},
	{0x40, 1, 4, 4, REGISTER_RO, 0, UINT32_MAX, "NARROWER", "1"},
	{0x44, 1, 4, 4, REGISTER_RO, 0, UINT32_MAX, "ARRAY_SIZE", "1"},
	{0x200, 12, 8, 8, REGISTER_RW, 0, UINT64_MAX, "LONG", "1"},
	{0, 0, 0, 0, 0, 0, 0, NULL, NULL},
};

START_TEST(a_row_covers_its_registers_and_no_gap)
{
	uint32_t index;
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert_ptr_eq(register_find(rows, 0x100 + 0x10 * i, &index), &rows[0]);
		ck_assert_uint_eq(index, i);
		ck_assert_ptr_null(register_find(rows, 0x104 + 0x10 * i, &index));
	}
	ck_assert_ptr_null(register_find(rows, 0x140, &index));
	ck_assert_ptr_null(register_find(rows, 0xfc, &index));
}
END_TEST

START_TEST(a_wide_register_covers_both_halves)
{
	uint32_t index;
	ck_assert_ptr_eq(register_find(rows, 0x20, &index), &rows[1]);
	ck_assert_ptr_eq(register_find(rows, 0x24, &index), &rows[1]);
	ck_assert_uint_eq(index, 0);
	ck_assert_ptr_eq(register_find(rows, 0x28, &index), &rows[2]);
	ck_assert_ptr_null(register_find(rows, 0x2c, &index));
	ck_assert_ptr_null(register_find(rows, 0, &index));
}
END_TEST

/* ---- registers by name ---- */

static void assert_found(const char *name, uint32_t offset, unsigned width)
{
	uint32_t at = 0;
	unsigned wide = 0;
	ck_assert_msg(register_by_name(rows, name, &at, &wide), "%s", name);
	ck_assert_msg(at == offset && wide == width, "%s at 0x%x, %u bytes", name, at, wide);
}

START_TEST(a_register_is_found_by_its_name)
{
	assert_found("WIDE", 0x20, 8);
	assert_found("NARROW", 0x28, 4);
	assert_found("NARROWER", 0x40, 4);
	assert_found("ARRAY_SIZE", 0x44, 4);
	assert_found("ARRAY0", 0x100, 4);
	assert_found("ARRAY3", 0x130, 4);
	assert_found("LONG11", 0x258, 8);
}
END_TEST

START_TEST(a_name_that_no_register_has_is_not_found)
{
	static const char *const names[] = {
		"",
		"WID",
		"wide",
		"WIDE0",
		"NARROWEST",
		"ARRAY",
		"ARRAY4",
		"ARRAY-1",
		"ARRAY+1",
		"ARRAY 1",
		"ARRAY1 ",
		"ARRAY1x",
		"LONG12",
		"LONG1.",
		"ARRAY_SI",
		"WIDE WIDE",
		"ARRAY18446744073709551616",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint32_t offset;
		unsigned width;
		ck_assert_msg(!register_by_name(rows, names[i], &offset, &width), "%s", names[i]);
	}
}
END_TEST

/* A name that is the beginning of another, or an array's with a number, could hide one. */
START_TEST(every_register_of_the_smmu_is_found_by_its_name)
{
	for (const struct register_row *row = smmu_registers; row->name != NULL; row++) {
		for (uint32_t i = 0; i < row->count; i++) {
			char name[64];
			uint32_t offset = 0, index = 0;
			unsigned width = 0;
			snprintf(name, sizeof(name), row->count > 1 ? "%s%u" : "%s", row->name, i);
			ck_assert_msg(register_by_name(smmu_registers, name, &offset, &width), "%s",
				      name);
			ck_assert_msg(register_find(smmu_registers, offset, &index) == row, "%s",
				      name);
			ck_assert_uint_eq(index, i);
			ck_assert_uint_eq(width, row->width);
		}
	}
}
END_TEST

/* ---- writes that are lost or late ---- */

static void doorbell(uint64_t value)
{
	bus_write(bus, pa_of(LOW + 8), 4, value);
}

static void run_until(uint64_t time_ps)
{
	while (clock_next(&machine->clock) <= time_ps)
		clock_step(&machine->clock);
	machine->clock.now_ps = time_ps;
}

START_TEST(the_nth_write_to_a_register_is_lost)
{
	ck_assert(bus_inject(machine, pa_of(LOW + 8), 2, 0));
	for (unsigned i = 1; i <= 4; i++) {
		bus_write(bus, pa_of(LOW + 12), 4, 77); /* another register does not count */
		bus_read(bus, pa_of(LOW + 8), 4);       /* nor does a read */
		low.value = 0;
		doorbell(i);
		ck_assert_uint_eq(low.value, i == 2 ? 0 : i);
	}
	ck_assert(!clock_step(&machine->clock)); /* it never comes */
}
END_TEST

START_TEST(without_a_number_every_write_is_lost)
{
	ck_assert(bus_inject(machine, pa_of(LOW + 8), 0, 0));
	for (unsigned i = 1; i <= 4; i++)
		doorbell(i);
	ck_assert_uint_eq(low.accesses, 0);
	bus_write(bus, pa_of(HIGH + 8), 4, 5);
	ck_assert_uint_eq(high.value, 5);
}
END_TEST

START_TEST(a_late_write_arrives_as_it_was_made)
{
	machine->clock.now_ps = 1000;
	ck_assert(bus_inject(machine, pa_of(HIGH + 0x10), 1, LATE));
	bus_write(bus, pa_of(HIGH + 0x10), 8, 0x123456789abcdef0);
	run_until(1000 + LATE - 1);
	ck_assert_uint_eq(high.accesses, 0);
	ck_assert(clock_step(&machine->clock));
	ck_assert_uint_eq(machine->clock.now_ps, 1000 + LATE);
	ck_assert_uint_eq(high.accesses, 1);
	ck_assert_uint_eq(high.offset, 0x10);
	ck_assert_uint_eq(high.width, 8);
	ck_assert_uint_eq(high.value, 0x123456789abcdef0);
	bus_write(bus, pa_of(HIGH + 0x10), 8, 1);
	ck_assert_uint_eq(high.value, 1);
	ck_assert(!clock_step(&machine->clock));
}
END_TEST

START_TEST(a_write_on_time_passes_a_late_one)
{
	ck_assert(bus_inject(machine, pa_of(LOW + 8), 1, LATE));
	doorbell(1);
	doorbell(2);
	ck_assert_uint_eq(low.value, 2);
	run_until(LATE);
	ck_assert_uint_eq(low.value, 1);
	ck_assert_uint_eq(low.accesses, 2);
}
END_TEST

START_TEST(a_late_write_takes_the_place_of_one_under_way)
{
	ck_assert(bus_inject(machine, pa_of(LOW + 8), 0, LATE));
	doorbell(1);
	run_until(100);
	doorbell(2);
	run_until(100 + LATE - 1);
	ck_assert_uint_eq(low.accesses, 0);
	run_until(100 + LATE);
	ck_assert_uint_eq(low.accesses, 1);
	ck_assert_uint_eq(low.value, 2);
	doorbell(3); /* none is under way now */
	run_until(100 + 2 * LATE);
	ck_assert_uint_eq(low.value, 3);
}
END_TEST

START_TEST(each_fault_of_a_register_counts_for_itself)
{
	ck_assert(bus_inject(machine, pa_of(LOW + 8), 1, LATE));
	ck_assert(bus_inject(machine, pa_of(LOW + 8), 3, 0));
	ck_assert(bus_inject(machine, pa_of(LOW + 8), 2, 2 * LATE));
	for (unsigned i = 1; i <= 4; i++)
		doorbell(i);
	ck_assert_uint_eq(low.accesses, 1);
	ck_assert_uint_eq(low.value, 4);
	run_until(LATE);
	ck_assert_uint_eq(low.value, 1);
	run_until(2 * LATE);
	ck_assert_uint_eq(low.value, 2);
	ck_assert_uint_eq(low.accesses, 3);
}
END_TEST

START_TEST(a_late_write_that_is_not_aligned_still_reaches_nothing)
{
	ck_assert(bus_inject(machine, pa_of(LOW + 4), 0, LATE));
	bus_write(bus, pa_of(LOW + 4), 8, 1);
	run_until(LATE);
	ck_assert_uint_eq(low.accesses, 0);
}
END_TEST

START_TEST(what_arrives_is_told_and_what_is_lost_is_not)
{
	ck_assert(bus_inject(machine, pa_of(HIGH + 8), 0, 0));
	low.value = 7;
	bus_read(bus, pa_of(LOW + 0x10), 4);
	bus_write(bus, pa_of(HIGH + 8), 8, 1);
	bus_write(bus, pa_of(HIGH + 4), 4, 0x1ffffffffULL);
	bus_write(bus, pa_of(LOW - 4), 4, 1);
	bus_read(bus, pa_of(LOW + 2), 4);
	ck_assert_uint_eq(told_count, 2);
	ck_assert_str_eq(told[0].region->name, "low");
	ck_assert_uint_eq(told[0].offset, 0x10);
	ck_assert_uint_eq(told[0].width, 4);
	ck_assert_uint_eq(told[0].value, 7);
	ck_assert(!told[0].write);
	ck_assert_str_eq(told[1].region->name, "high");
	ck_assert_uint_eq(told[1].offset, 4);
	ck_assert_uint_eq(told[1].value, 0xffffffff);
	ck_assert(told[1].write);
}
END_TEST

START_TEST(lost_and_late_writes_are_noted)
{
	ck_assert(bus_inject(machine, pa_of(LOW + 8), 1, 0));
	ck_assert(bus_inject(machine, pa_of(LOW + 8), 2, LATE));
	doorbell(0x51);
	doorbell(0x52);
	doorbell(0x53);
	ck_assert_uint_eq(note_count, 2);
	ck_assert_int_eq(notes[0].kind, NOTE_DOORBELL_LOST);
	ck_assert_uint_eq(notes[0].first, LOW + 8);
	ck_assert_int_eq(notes[1].kind, NOTE_DOORBELL_LATE);
	ck_assert_uint_eq(notes[1].first, LOW + 8);
}
END_TEST

START_TEST(there_is_room_for_eight_faults)
{
	for (unsigned i = 0; i < BUS_FAULTS_MAX; i++)
		ck_assert(bus_inject(machine, pa_of(LOW + 8), 99, 0));
	ck_assert(!bus_inject(machine, pa_of(LOW + 8), 99, 0));
	doorbell(6);
	ck_assert_uint_eq(low.value, 6);
}
END_TEST

static void add_regions(Suite *suite)
{
	TCase *tests = tcase_create("regions");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_access_reaches_the_region_that_holds_it);
	tcase_add_test(tests, an_access_outside_all_regions_reads_zero);
	tcase_add_test(tests, only_aligned_words_and_double_words_get_through);
	tcase_add_test(tests, a_row_covers_its_registers_and_no_gap);
	tcase_add_test(tests, a_wide_register_covers_both_halves);
	tcase_add_test(tests, a_register_is_found_by_its_name);
	tcase_add_test(tests, a_name_that_no_register_has_is_not_found);
	tcase_add_test(tests, every_register_of_the_smmu_is_found_by_its_name);
	suite_add_tcase(suite, tests);
}

static void add_faults(Suite *suite)
{
	TCase *tests = tcase_create("faults");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, the_nth_write_to_a_register_is_lost);
	tcase_add_test(tests, without_a_number_every_write_is_lost);
	tcase_add_test(tests, a_late_write_arrives_as_it_was_made);
	tcase_add_test(tests, a_write_on_time_passes_a_late_one);
	tcase_add_test(tests, a_late_write_takes_the_place_of_one_under_way);
	tcase_add_test(tests, each_fault_of_a_register_counts_for_itself);
	tcase_add_test(tests, a_late_write_that_is_not_aligned_still_reaches_nothing);
	tcase_add_test(tests, lost_and_late_writes_are_noted);
	tcase_add_test(tests, what_arrives_is_told_and_what_is_lost_is_not);
	tcase_add_test(tests, there_is_room_for_eight_faults);
	suite_add_tcase(suite, tests);
}

int main(void)
{
	Suite *suite = suite_create("bus");
	add_regions(suite);
	add_faults(suite);
	return run_suite(suite);
}
