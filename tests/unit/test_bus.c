/* SPDX-License-Identifier: Apache-2.0 */
/* Which region and which register an access reaches. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "emu/bus.h"
#include "tests/kit/run.h"

struct device {
	uint64_t offset;
	uint64_t value;
	unsigned width;
	unsigned accesses;
};

static struct bus bus;
static struct device low, high;

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

static void setup(void)
{
	memset(&bus, 0, sizeof(bus));
	memset(&low, 0, sizeof(low));
	memset(&high, 0, sizeof(high));
	bus_add(&bus, pa_of(0x10000), 0x1000, &ops, &low, "low");
	bus_add(&bus, pa_of(0x11000), 0x2000, &ops, &high, "high");
}

START_TEST(an_access_reaches_the_region_that_holds_it)
{
	bus_write(&bus, pa_of(0x10ffc), 4, 7);
	ck_assert_uint_eq(low.offset, 0xffc);
	ck_assert_uint_eq(low.value, 7);
	bus_write(&bus, pa_of(0x11000), 8, 8);
	ck_assert_uint_eq(high.offset, 0);
	ck_assert_uint_eq(high.width, 8);
	ck_assert_uint_eq(bus_read(&bus, pa_of(0x12ff8), 8), 8);
	ck_assert_uint_eq(high.offset, 0x1ff8);
	ck_assert_uint_eq(low.accesses, 1);
}
END_TEST

START_TEST(an_access_outside_all_regions_reads_zero)
{
	high.value = 5;
	bus_write(&bus, pa_of(0x13000), 4, 1);
	bus_write(&bus, pa_of(0xfffc), 4, 1);
	ck_assert_uint_eq(bus_read(&bus, pa_of(0x13000), 4), 0);
	ck_assert_uint_eq(bus_read(&bus, pa_of(UINT64_MAX - 3), 4), 0);
	ck_assert_ptr_null(bus_find(&bus, pa_of(0)));
	ck_assert_uint_eq(low.accesses + high.accesses, 0);
}
END_TEST

START_TEST(only_aligned_words_and_double_words_get_through)
{
	static const unsigned widths[] = {0, 1, 2, 3, 5, 6, 7, 16};
	low.value = 5;
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		bus_write(&bus, pa_of(0x10000), widths[i], 1);
		ck_assert_uint_eq(bus_read(&bus, pa_of(0x10000), widths[i]), 0);
	}
	for (unsigned offset = 1; offset < 8; offset++) {
		ck_assert_uint_eq(bus_read(&bus, pa_of(0x10000 + offset), 8), 0);
		if (offset != 4)
			ck_assert_uint_eq(bus_read(&bus, pa_of(0x10000 + offset), 4), 0);
	}
	ck_assert_uint_eq(low.accesses, 0);
	ck_assert_uint_eq(bus_read(&bus, pa_of(0x10004), 4), 5);
}
END_TEST

static const struct register_row rows[] = {
	{0x100, 4, 0x10, 4, REGISTER_RW, 0, UINT32_MAX, "ARRAY", "1"},
	{0x20, 1, 0, 8, REGISTER_RW, 0, UINT64_MAX, "WIDE", "1"},
	{0x28, 1, 4, 4, REGISTER_RO, 0, UINT32_MAX, "NARROW", "1"},
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

int main(void)
{
	Suite *suite = suite_create("bus");
	TCase *tests = tcase_create("bus");
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, an_access_reaches_the_region_that_holds_it);
	tcase_add_test(tests, an_access_outside_all_regions_reads_zero);
	tcase_add_test(tests, only_aligned_words_and_double_words_get_through);
	tcase_add_test(tests, a_row_covers_its_registers_and_no_gap);
	tcase_add_test(tests, a_wide_register_covers_both_halves);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
