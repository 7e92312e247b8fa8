/* SPDX-License-Identifier: Apache-2.0 */
/* Dirty tracking and its quirks (iommufd 4.4, 7.3 DIRTY). */
#include <string.h>

#include "tests/kit/test.h"

#define PAGES 64U

static uint32_t ioas, hwpt;
static uint64_t buffer;
static struct mock mock;

/* 64 IOPTEs of 4 KiB from APERTURE on, tracked. */
static void setup_with(bool huge_pages, uint64_t pages)
{
	uint64_t off = 0;
	buffer = world_mmap_aligned(world, pages * PAGE_SIZE);
	ioas = made(world_ioas(world));
	if (!huge_pages)
		ck_assert_ok(world_option(world, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas,
					  &off));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	hwpt = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
	ck_assert_ok(world_map_at(world, ioas, buffer, pages * PAGE_SIZE, APERTURE));
}

static void setup(void)
{
	setup_with(false, PAGES);
}

static int64_t track(uint32_t id, uint32_t flags)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {.flags = flags, .hwpt_id = id, .__reserved = 7};
	return world_ioctl(world, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &cmd);
}

/* Marks the IOPTEs of set bits; the number of bits. */
static int64_t dirty(uint64_t iova, uint64_t length, uint64_t page_size, uint64_t bits)
{
	struct iommu_test_cmd cmd = {.id = hwpt};
	cmd.dirty.iova = iova;
	cmd.dirty.length = length;
	cmd.dirty.page_size = page_size;
	cmd.dirty.uptr = world_data(world, &bits, sizeof(bits));
	int64_t error = world_test(world, IOMMU_TEST_OP_DIRTY, &cmd);
	return error != 0 ? error : (int64_t)cmd.dirty.out_nr_dirty;
}

static int64_t get(struct iommu_hwpt_get_dirty_bitmap cmd)
{
	return world_ioctl(world, IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP, &cmd);
}

#define GET(...) get((struct iommu_hwpt_get_dirty_bitmap){__VA_ARGS__})

/* The bitmap of [iova, iova + length) into a field of zeros. */
static uint64_t bitmap(uint64_t iova, uint64_t length, uint64_t page_size, uint32_t flags)
{
	uint64_t bits = 0;
	world_data(world, &bits, sizeof(bits));
	ck_assert_ok(GET(.hwpt_id = hwpt, .flags = flags, .iova = iova, .length = length,
			 .page_size = page_size, .data = world->data));
	world_get(world, world->data, &bits, sizeof(bits));
	return bits;
}

static uint64_t all(uint32_t flags)
{
	return bitmap(APERTURE, PAGES * PAGE_SIZE, PAGE_SIZE, flags);
}

START_TEST(set_checks_flags_hwpt_and_ops)
{
	setup();
	uint32_t parent = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT));
	uint32_t nested = made(world_nested(world, mock.idev, parent, 0, 0, 1));
	ck_assert_refused(track(99, 2), EOPNOTSUPP);
	ck_assert_refused(track(99, 1), ENOENT);
	ck_assert_refused(track(nested, 1), ENOENT);
	ck_assert_refused(track(parent, 1), EOPNOTSUPP);
	for (int i = 0; i < 2; i++)
		ck_assert_ok(track(hwpt, 1));
	for (int i = 0; i < 2; i++)
		ck_assert_ok(track(hwpt, 0));
}
END_TEST

START_TEST(get_checks_its_arguments_in_order)
{
	setup();
	ck_assert_refused(GET(.flags = 2, .hwpt_id = 99), EOPNOTSUPP);
	ck_assert_refused(GET(.__reserved = 1, .hwpt_id = 99), EOPNOTSUPP);
	ck_assert_refused(GET(.hwpt_id = 99), ENOENT);
	ck_assert_refused(GET(.hwpt_id = hwpt, .page_size = 4096), EINVAL);
	ck_assert_refused(GET(.hwpt_id = hwpt, .iova = 8192, .length = -4096ULL), EOVERFLOW);
	ck_assert_refused(GET(.hwpt_id = hwpt, .iova = 2048, .length = 4096, .page_size = 2048),
			  EINVAL);
	ck_assert_refused(GET(.hwpt_id = hwpt, .length = 2048, .page_size = 2048), EINVAL);
	ck_assert_refused(GET(.hwpt_id = hwpt, .length = 4096), EINVAL);
	ck_assert_refused(GET(.hwpt_id = hwpt, .length = 4096, .page_size = 8192), EINVAL);
	ck_assert_refused(GET(.hwpt_id = hwpt, .iova = 4096, .length = 8192, .page_size = 8192),
			  EINVAL);
	/* Only then that the domain can't track. */
	ck_assert_refused(GET(.hwpt_id = mock.hwpt, .length = 4096), EINVAL);
	ck_assert_refused(GET(.hwpt_id = mock.hwpt, .length = 4096, .page_size = 4096), EOPNOTSUPP);
	/* No power of two: the lowest set bit is the granule. */
	ck_assert_ok(GET(.hwpt_id = hwpt, .length = 0x4000, .page_size = 0x3000));
	ck_assert_ok(track(hwpt, 1));
	ck_assert_int_eq(dirty(APERTURE, 4 * PAGE_SIZE, PAGE_SIZE, 5), 2);
	ck_assert_uint_eq(bitmap(APERTURE, 4 * PAGE_SIZE, 0x3000, 0), 5);
}
END_TEST

START_TEST(the_test_operation_checks_its_arguments)
{
	setup();
	ck_assert_refused(dirty(APERTURE, 4096, 4096, 1), EINVAL); /* not tracking */
	ck_assert_ok(track(hwpt, 1));
	ck_assert_refused(dirty(APERTURE, 4096, 0, 1), EINVAL);
	ck_assert_refused(dirty(APERTURE, 0, 4096, 1), EINVAL);
	ck_assert_refused(dirty(APERTURE + 2048, 4096, 4096, 1), EINVAL);
	ck_assert_refused(dirty(APERTURE, 2048, 4096, 1), EINVAL);
	ck_assert_refused(dirty(0, (1ULL << 27) + 1, 1, 1), EOVERFLOW);
	/* Unmapped addresses count too. */
	ck_assert_int_eq(dirty(0, 8 * 4096, 4096, 0xff), 8);
	ck_assert_uint_eq(all(0), 0);
}
END_TEST

START_TEST(reading_clears_unless_told_not_to)
{
	setup();
	ck_assert_ok(track(hwpt, 1));
	ck_assert_int_eq(dirty(APERTURE, PAGES * PAGE_SIZE, PAGE_SIZE, 0x8000000000000105), 4);
	ck_assert_uint_eq(all(1), 0x8000000000000105);
	ck_assert_uint_eq(all(0), 0x8000000000000105);
	ck_assert_uint_eq(all(0), 0);
	/* Tracking need not be on to read. */
	ck_assert_int_eq(dirty(APERTURE, PAGES * PAGE_SIZE, PAGE_SIZE, 2), 1);
	ck_assert_ok(track(hwpt, 0));
	ck_assert_uint_eq(all(0), 2);
}
END_TEST

START_TEST(enabling_clears_every_time)
{
	setup();
	ck_assert_ok(track(hwpt, 1));
	ck_assert_int_eq(dirty(APERTURE, PAGES * PAGE_SIZE, PAGE_SIZE, 2), 1);
	ck_assert_ok(track(hwpt, 1));
	ck_assert_uint_eq(all(0), 0);
}
END_TEST

START_TEST(bit_0_is_the_range_s_start)
{
	setup();
	ck_assert_ok(track(hwpt, 1));
	ck_assert_int_eq(dirty(APERTURE, PAGES * PAGE_SIZE, PAGE_SIZE, 0x70), 3);
	ck_assert_uint_eq(bitmap(APERTURE + 5 * PAGE_SIZE, 4 * PAGE_SIZE, PAGE_SIZE, 1), 3);
	/* One bit for two pages. */
	ck_assert_uint_eq(bitmap(APERTURE, 8 * PAGE_SIZE, 2 * PAGE_SIZE, 1), 0xc);
	/* Only the range is read, and cleared. */
	ck_assert_uint_eq(bitmap(APERTURE + 5 * PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, 0), 1);
	ck_assert_uint_eq(all(0), 0x50);
}
END_TEST

START_TEST(bits_are_only_added_at_any_byte)
{
	setup();
	uint8_t bytes[16];
	memset(bytes, 0x80, sizeof(bytes));
	ck_assert_ok(track(hwpt, 1));
	ck_assert_int_eq(dirty(APERTURE, PAGES * PAGE_SIZE, PAGE_SIZE, 0x103), 3);
	world_data(world, bytes, sizeof(bytes));
	ck_assert_ok(GET(.hwpt_id = hwpt, .iova = APERTURE, .length = PAGES * PAGE_SIZE,
			 .page_size = PAGE_SIZE, .data = world->data + 3));
	world_get(world, world->data, bytes, sizeof(bytes));
	for (int i = 0; i < 16; i++)
		ck_assert_uint_eq(bytes[i], i == 3 ? 0x83 : i == 4 ? 0x81 : 0x80);
}
END_TEST

START_TEST(a_large_iopte_is_dirty_as_a_whole)
{
	setup_with(true, 512);
	uint8_t bytes[80] = {0};
	ck_assert_ok(track(hwpt, 1));
	ck_assert_int_eq(dirty(APERTURE, 16 * 2048, 2048, 0x100), 1);
	world_data(world, bytes, sizeof(bytes));
	ck_assert_ok(GET(.hwpt_id = hwpt, .flags = 1, .iova = APERTURE, .length = 512 * PAGE_SIZE,
			 .page_size = PAGE_SIZE, .data = world->data));
	world_get(world, world->data, bytes, sizeof(bytes));
	for (int i = 0; i < 80; i++)
		ck_assert_uint_eq(bytes[i], i < 64 ? 0xff : 0);
	/* It runs past the range: bits past the end are set. */
	ck_assert_uint_eq(bitmap(APERTURE, PAGE_SIZE, PAGE_SIZE, 1), UINT64_MAX);
	/* It begins before the range: nothing is told, but it is cleared. */
	ck_assert_uint_eq(bitmap(APERTURE + PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, 1), 0);
	ck_assert_uint_eq(bitmap(APERTURE, PAGE_SIZE, PAGE_SIZE, 1), UINT64_MAX);
	ck_assert_uint_eq(bitmap(APERTURE + PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, 0), 0);
	ck_assert_uint_eq(bitmap(APERTURE, PAGE_SIZE, PAGE_SIZE, 1), 0);
}
END_TEST

START_TEST(holes_end_the_walk_without_an_error)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE + PAGES * PAGE_SIZE));
	ck_assert_ok(
		world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE + (PAGES + 2) * PAGE_SIZE));
	ck_assert_ok(track(hwpt, 1));
	uint64_t at = APERTURE + (PAGES - 1) * PAGE_SIZE;
	ck_assert_int_eq(dirty(at, 4 * PAGE_SIZE, PAGE_SIZE, 0xf), 4);
	ck_assert_uint_eq(bitmap(at, 4 * PAGE_SIZE, PAGE_SIZE, 0), 3);
	ck_assert_uint_eq(bitmap(at + 3 * PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, 0), 1);
	ck_assert_uint_eq(bitmap(at + 2 * PAGE_SIZE, 2 * PAGE_SIZE, PAGE_SIZE, 0), 0);
	ck_assert_uint_eq(bitmap(0, 2 * PAGE_SIZE, PAGE_SIZE, 0), 0);
}
END_TEST

START_TEST(an_unwritable_bitmap_loses_the_bits)
{
	setup();
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	ck_assert_ok(track(hwpt, 1));
	ck_assert_int_eq(dirty(APERTURE, PAGES * PAGE_SIZE, PAGE_SIZE, 0xff), 8);
	ck_assert_ok(GET(.hwpt_id = hwpt, .flags = 1, .iova = APERTURE, .length = PAGE_SIZE,
			 .page_size = PAGE_SIZE, .data = ro));
	ck_assert_ok(GET(.hwpt_id = hwpt, .iova = APERTURE, .length = 4 * PAGE_SIZE,
			 .page_size = PAGE_SIZE, .data = NOWHERE));
	ck_assert_uint_eq(all(0), 0xf0);
}
END_TEST

START_TEST(bits_past_the_range_stay_in_the_bitmap_s_pages)
{
	setup_with(true, 512);
	uint8_t bytes[16] = {0};
	ck_assert_ok(track(hwpt, 1));
	ck_assert_int_eq(dirty(APERTURE, 2048, 2048, 1), 1);
	/* 2 MiB of IOPTE, 32 bytes a bit: two pages of bits for a range that needs 8 bytes. */
	world_put(world, world->data + PAGE_SIZE, bytes, sizeof(bytes));
	ck_assert_ok(GET(.hwpt_id = hwpt, .flags = 1, .iova = APERTURE, .length = 2048,
			 .page_size = 32, .data = world->data));
	world_get(world, world->data + PAGE_SIZE - 8, bytes, sizeof(bytes));
	for (int i = 0; i < 16; i++)
		ck_assert_uint_eq(bytes[i], i < 8 ? 0xff : 0);
}
END_TEST

START_TEST(the_bytes_of_both_calls_are_the_sheet_s)
{
	setup();
	/* SET: size, flags, hwpt_id, reserved. */
	uint32_t set[4] = {16, 1, hwpt, 0xffffffff};
	world_put(world, world->args, set, sizeof(set));
	ck_assert_ok(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING),
				     world->args));
	ck_assert_int_eq(dirty(APERTURE, PAGES * PAGE_SIZE, PAGE_SIZE, 5), 2);
	/* GET: size, hwpt_id, flags, reserved; iova, length, page_size, data. */
	uint64_t zero = 0, bits;
	uint64_t bytes[6] = {
		48 | (uint64_t)hwpt << 32, 1,         APERTURE,
		PAGES * PAGE_SIZE,         PAGE_SIZE, world_data(world, &zero, sizeof(zero))};
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_ok(
		world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP), world->args));
	world_get(world, world->data, &bits, sizeof(bits));
	ck_assert_uint_eq(bits, 5);
	/* Flags 1 was NO_CLEAR. */
	ck_assert_uint_eq(all(0), 5);
	bytes[1] = 1ULL << 32;
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_refused(
		world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP), world->args),
		EOPNOTSUPP);
}
END_TEST

START_TEST(set_does_not_answer)
{
	setup();
	/* A struct that can't be written is good enough. */
	struct iommu_hwpt_set_dirty_tracking cmd = {sizeof(cmd), 1, hwpt, 0};
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	world_put(world, va, &cmd, sizeof(cmd));
	ck_assert_ok(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING), va));
}
END_TEST

START_TEST(the_range_is_checked_before_the_domain)
{
	setup();
	/* Each argument is wrong in one way; the domain can't track in any case. */
	uint32_t plain = mock.hwpt;
	uint64_t data = world->data;
#define RANGE(at, bytes, page) \
	GET(.hwpt_id = plain, .iova = (at), .length = (bytes), .page_size = (page), .data = data)
	ck_assert_refused(RANGE(0, 0, 0), EINVAL);
	ck_assert_refused(RANGE(4096, -1ULL, 0), EOVERFLOW);
	ck_assert_refused(RANGE(1024, 4096, 1024), EINVAL);
	ck_assert_refused(RANGE(0, 1024, 1024), EINVAL);
	ck_assert_refused(RANGE(0, 4096, 0), EINVAL);
	ck_assert_refused(RANGE(4096, 4096, 8192), EINVAL);
	ck_assert_refused(RANGE(0, 4096, 8192), EINVAL);
	ck_assert_refused(RANGE(0, 4096, 4096), EOPNOTSUPP);
	/* The very last byte: the end wraps to 0, which is aligned. */
	ck_assert_refused(RANGE(-4096ULL, 4096, 4096), EOPNOTSUPP);
}
END_TEST

START_TEST(no_memory_for_the_bitmap_is_enomem)
{
	setup();
	struct failure_injector *failures = &world->machine->failures;
	int64_t result = -1;
	uint32_t no_memory = 0;
	for (uint64_t nth = 1; result < 0; nth++) {
		ck_assert_uint_lt(nth, 20);
		failures->countdown = nth;
		result = GET(.hwpt_id = hwpt, .iova = APERTURE, .length = PAGE_SIZE,
			     .page_size = PAGE_SIZE, .data = world->data);
		failures->countdown = 0;
		no_memory += result == -ENOMEM;
	}
	ck_assert_uint_eq(no_memory, 1);
}
END_TEST

START_TEST(nested_hwpts_track_nothing)
{
	setup();
	uint32_t parent = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT));
	uint32_t nested = made(world_nested(world, mock.idev, parent, 0, 0, 1));
	ck_assert_refused(
		GET(.hwpt_id = nested, .length = 4096, .page_size = 4096, .data = world->data),
		ENOENT);
	ck_assert_refused(track(nested, 1), ENOENT);
}
END_TEST

START_TEST(enabling_clears_every_area)
{
	setup();
	uint64_t second = APERTURE + (PAGES + 8) * PAGE_SIZE;
	ck_assert_ok(world_map_at(world, ioas, buffer, 2 * PAGE_SIZE, second));
	ck_assert_ok(track(hwpt, 1));
	ck_assert_int_eq(dirty(APERTURE, PAGES * PAGE_SIZE, PAGE_SIZE, 3), 2);
	ck_assert_int_eq(dirty(second, 2 * PAGE_SIZE, PAGE_SIZE, 3), 2);
	/* Off and on again. */
	ck_assert_ok(track(hwpt, 0));
	ck_assert_uint_eq(bitmap(second, 2 * PAGE_SIZE, PAGE_SIZE, 1), 3);
	ck_assert_ok(track(hwpt, 1));
	ck_assert_uint_eq(all(0), 0);
	ck_assert_uint_eq(bitmap(second, 2 * PAGE_SIZE, PAGE_SIZE, 0), 0);
}
END_TEST

START_TEST(adjoining_areas_are_one_range)
{
	setup();
	ck_assert_ok(
		world_map_at(world, ioas, buffer, 4 * PAGE_SIZE, APERTURE + PAGES * PAGE_SIZE));
	ck_assert_ok(track(hwpt, 1));
	uint64_t at = APERTURE + (PAGES - 2) * PAGE_SIZE;
	ck_assert_int_eq(dirty(at, 6 * PAGE_SIZE, PAGE_SIZE, 0x3f), 6);
	/* Only what the range covers is read and cleared. */
	ck_assert_uint_eq(bitmap(at + PAGE_SIZE, 3 * PAGE_SIZE, PAGE_SIZE, 0), 7);
	ck_assert_uint_eq(bitmap(at, 6 * PAGE_SIZE, PAGE_SIZE, 0), 0x31);
}
END_TEST

START_TEST(the_test_operation_s_bitmap_must_be_readable)
{
	setup();
	ck_assert_ok(track(hwpt, 1));
	struct iommu_test_cmd cmd = {
		.id = hwpt, .dirty = {0, 0, APERTURE, 2 * PAGE_SIZE, PAGE_SIZE, NOWHERE, 77}};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_DIRTY, &cmd), EFAULT);
	ck_assert_uint_eq(cmd.dirty.out_nr_dirty, 77);
	ck_assert_uint_eq(all(0), 0);
	/* Nobody looks at it where there is no such HWPT. */
	cmd.id = 99;
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_DIRTY, &cmd), ENOENT);
}
END_TEST

START_TEST(no_memory_for_the_test_operation_s_bitmap_is_enomem)
{
	setup();
	ck_assert_ok(track(hwpt, 1));
	machine_fail_nth(world->machine, 1, "dirty bits");
	ck_assert_refused(dirty(APERTURE, PAGE_SIZE, PAGE_SIZE, 1), ENOMEM);
	ck_assert_uint_eq(all(0), 0);
	ck_assert_int_eq(dirty(APERTURE, PAGE_SIZE, PAGE_SIZE, 1), 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		set_checks_flags_hwpt_and_ops,
		get_checks_its_arguments_in_order,
		the_test_operation_checks_its_arguments,
		reading_clears_unless_told_not_to,
		enabling_clears_every_time,
		bit_0_is_the_range_s_start,
		bits_are_only_added_at_any_byte,
		a_large_iopte_is_dirty_as_a_whole,
		holes_end_the_walk_without_an_error,
		an_unwritable_bitmap_loses_the_bits,
		bits_past_the_range_stay_in_the_bitmap_s_pages,
		the_bytes_of_both_calls_are_the_sheet_s,
		set_does_not_answer,
		the_range_is_checked_before_the_domain,
		no_memory_for_the_bitmap_is_enomem,
		nested_hwpts_track_nothing,
		enabling_clears_every_area,
		adjoining_areas_are_one_range,
		the_test_operation_s_bitmap_must_be_readable,
		no_memory_for_the_test_operation_s_bitmap_is_enomem,
	};
	return RUN_TESTS("shim_dirty", tests);
}
