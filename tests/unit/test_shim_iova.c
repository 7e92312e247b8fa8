/* SPDX-License-Identifier: Apache-2.0 */
/* Which IOVA a mapping gets (iommufd 2.5). */
#include <string.h>

#include "tests/kit/test.h"

static uint32_t ioas;

static uint64_t map_auto(uint64_t va, uint64_t length)
{
	uint64_t iova = 0;
	ck_assert_ok(world_map(world, ioas, va, length, MAP_RW, &iova));
	return iova;
}

static int64_t try_auto(uint64_t va, uint64_t length)
{
	uint64_t iova = 0;
	return world_map(world, ioas, va, length, MAP_RW, &iova);
}

/* Trace G.1. */
START_TEST(the_worked_trace_of_the_sheet)
{
	uint64_t b = world_mmap_aligned(world, 16 * PAGE_SIZE), alignment;
	struct iommu_iova_range range;
	uint32_t count;
	struct mock mock;
	ioas = made(world_ioas(world));
	ck_assert_uint_eq(ioas, 1);
	ck_assert_uint_eq(map_auto(b, 4096), 0x1000);
	ck_assert_uint_eq(map_auto(b, 4096), 0x2000);
	ck_assert_uint_eq(map_auto(b, 8192), 0x4000);
	ck_assert_uint_eq(map_auto(b, 1), 0x3000);
	ck_assert_uint_eq(map_auto(b + 1, 1), 0x3001);
	ck_assert_uint_eq(map_auto(b + 0x800, 0x800), 0x3800);
	ck_assert_int_eq(world_unmap(world, ioas, 0x1000, 4096), 4096);
	ck_assert_refused(world_unmap(world, ioas, 0x1000, 4096), ENOENT);
	ck_assert_refused(world_unmap(world, ioas, 0x4000, 4096), ENOENT);
	ck_assert_refused(world_mock(world, ioas, 0, &mock), EADDRINUSE);
	ck_assert_int_eq(world_unmap_all(world, ioas), 4096 + 8192 + 1 + 1 + 0x800);
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	ck_assert_uint_eq(mock.stdev, 2);
	ck_assert_uint_eq(mock.idev, 3);
	ck_assert_uint_eq(mock.hwpt, 4);
	ck_assert_ok(world_ranges(world, ioas, &range, 1, &count, &alignment));
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(range.start, 0x1000000);
	ck_assert_uint_eq(range.last, 0x7fffffff);
	ck_assert_uint_eq(alignment, 2048);
	ck_assert_uint_eq(map_auto(b, 4096), 0x1000000);
	ck_assert_uint_eq(map_auto(b + 0x800, 0x800), 0x1001800);
	ck_assert_refused(try_auto(b, 1000), EINVAL);
	ck_assert_refused(try_auto(b + 1, 2048), EINVAL);
	ck_assert_str_eq(world_rule(world), "iommufd 2.5.2 3");
	ck_assert_refused(world_map_at(world, ioas, b, 4096, 0x1000), EINVAL);
	ck_assert_refused(world_map_at(world, ioas, b, 4096, 0x1000000), EEXIST);
}
END_TEST

START_TEST(alignment_is_that_of_length_and_address_up_to_two_mebibytes)
{
	uint64_t b = 0x40000000; /* not mapped: no domain looks */
	ioas = made(world_ioas(world));
	ck_assert_uint_eq(map_auto(b, 5 * PAGE_SIZE), 0x8000);
	ck_assert_uint_eq(map_auto(b, 4 << 20), 0x200000);
	ck_assert_uint_eq(map_auto(b + 0x100000, 4 << 20), 0x600000);
	ck_assert_uint_eq(map_auto(b + 0x1000, 4 << 20), 0xa00000);
	/* Address 0 has no low bit. */
	ck_assert_uint_eq(map_auto(0, 0x10000), 0x10000);
}
END_TEST

START_TEST(the_first_and_the_last_page_are_never_chosen)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_reserve(world, ioas, 0x1000, UINT64_MAX - 0x1000 - 0x1fff));
	/* What is left: [0, 0xfff] and the last two pages. */
	ck_assert_uint_eq(map_auto(0x10000, 0x1000), UINT64_MAX - 0x1fff);
	ck_assert_refused(try_auto(0x10000, 0x1000), ENOSPC);
	ck_assert_refused(try_auto(0x10001, 1), ENOSPC);
}
END_TEST

START_TEST(a_one_byte_hole_is_never_used)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_reserve(world, ioas, 0, 0x10000));
	ck_assert_ok(world_reserve(world, ioas, 0x10001, 0xffff));
	ck_assert_uint_eq(map_auto(0x50000000, 1), 0x20000);
	ck_assert_ok(world_map_at(world, ioas, 0, 1, 0x10000));
}
END_TEST

START_TEST(allowed_ranges_limit_and_adjacent_ones_join)
{
	ioas = made(world_ioas(world));
	struct iommu_iova_range ranges[] = {
		{0x12000, 0x12fff}, {0x10000, 0x11fff}, {0x30000, 0x30fff}};
	ck_assert_ok(world_allow(world, ioas, ranges, 3));
	ck_assert_uint_eq(map_auto(0x1000, 0x3000), 0x10000);
	ck_assert_uint_eq(map_auto(0x1000, 0x1000), 0x30000);
	ck_assert_refused(try_auto(0x1000, 0x1000), ENOSPC);
	/* The window still holds: neither the first page nor the last. */
	struct iommu_iova_range outside[] = {{0, 0xfff}, {UINT64_MAX - 0xffe, UINT64_MAX}};
	ck_assert_ok(world_allow(world, ioas, outside, 2));
	ck_assert_refused(try_auto(0x1000, 1), ENOSPC);
}
END_TEST

START_TEST(map_file_and_copy_align_to_their_own_address)
{
	ioas = made(world_ioas(world));
	uint32_t other = made(world_ioas(world));
	uint64_t iova = 0;
	int fd = (int)made(world_memfd(world, 16 << 20));
	ck_assert_ok(world_map_file(world, ioas, fd, 0x3000, 0x4000, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x1000);
	iova = 0;
	ck_assert_ok(world_map_file(world, ioas, fd, 0x10000, 0x4000, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x8000);
	/* A copy goes by the source's file offset, here 0x10800. */
	iova = 0;
	ck_assert_ok(world_copy(world, ioas, 0x8800, 0x1000, other, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x1800);
	iova = 0;
	ck_assert_ok(world_copy(world, ioas, 0x8001, 0x10, other, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x1001);
}
END_TEST

/* --- against a model that tries addresses one by one --- */

#define SPACE 0x6000U /* everything above is reserved */

static uint8_t taken[SPACE]; /* 1: area, 2: reserved */
static uint8_t allowed[SPACE];
static bool limited;
static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 33) % limit;
}

/* The hole (or allowed span) that holds AT: its end, exclusive, not beyond END. */
static uint64_t end_of_run(const uint8_t *bytes, uint8_t value, uint64_t at, uint64_t end)
{
	while (at < end && (bytes[at] != 0) == value)
		at++;
	return at;
}

static bool fits(uint64_t start, uint64_t last, uint64_t length, uint64_t align, uint64_t offset,
		 uint64_t *at)
{
	*at = ((start + align - 1) / align * align) | offset;
	return *at < last && last - *at >= length - 1;
}

/* 2.5.2, with the spans and holes found byte by byte. 0: ENOSPC. */
static uint64_t model(uint64_t va, uint64_t length)
{
	uint64_t offset = va % PAGE_SIZE, align = 1, found;
	while (align < length)
		align *= 2;
	if (va != 0 && (va & -va) < align)
		align = va & -va;
	for (uint64_t at = PAGE_SIZE; at < SPACE;) {
		uint64_t end = SPACE;
		if (limited) {
			if (!allowed[at]) {
				at++;
				continue;
			}
			end = end_of_run(allowed, 1, at, SPACE);
		}
		uint64_t span_last = limited ? end - 1 : UINT64_MAX - PAGE_SIZE, from = at;
		at = end;
		if (!fits(from, span_last, length, align, offset, &from))
			continue;
		while (from < end) {
			if (taken[from]) {
				from++;
				continue;
			}
			uint64_t hole_end = end_of_run(taken, 0, from, end);
			if (fits(from, hole_end - 1, length, align, offset, &found))
				return found;
			from = hole_end;
		}
	}
	return 0;
}

static void mark(uint64_t at, uint64_t length, uint8_t value)
{
	for (uint64_t i = at; i < at + length; i++)
		taken[i] = value;
}

static bool is_free(uint64_t at, uint64_t length)
{
	for (uint64_t i = at; i < at + length; i++)
		if (taken[i] || (limited && allowed[i]))
			return false;
	return true;
}

static void change_allowed(void)
{
	struct iommu_iova_range ranges[4];
	uint32_t count = 0;
	memset(allowed, 0, sizeof(allowed));
	uint64_t at = random_below(0x800);
	while (count < 4 && random_below(4) != 0) {
		uint64_t length = 2 + random_below(0x1800);
		if (at + length > SPACE)
			break;
		bool clash = false;
		for (uint64_t i = at; i < at + length; i++)
			clash |= taken[i] == 2;
		if (!clash) {
			ranges[count++] = (struct iommu_iova_range){at, at + length - 1};
			memset(allowed + at, 1, length);
		}
		at += length + random_below(3) * random_below(0x900);
	}
	limited = count > 0;
	ck_assert_ok(world_allow(world, ioas, ranges, count));
}

static void random_step(void)
{
	static const uint64_t shifts[] = {0, 1, 2, 7, 8, 10, 11, 12, 13, 21};
	uint64_t length = 1 + random_below(1ULL << (1 + random_below(13)));
	uint64_t va = random_below(64) << shifts[random_below(10)];
	uint64_t at = random_below(SPACE - 0x100);
	switch (random_below(12)) {
	case 0:
		length = 1 + random_below(0x80);
		if (is_free(at, length)) {
			ck_assert_ok(world_reserve(world, ioas, at, length));
			mark(at, length, 2);
		}
		break;
	case 1:
		change_allowed();
		break;
	case 2:
	case 3:
	case 4: {
		/* The area at a random place, if there is one. */
		int64_t bytes = world_unmap(world, ioas, at, 0x100);
		for (uint64_t i = at; bytes > 0 && i < at + 0x100; i++)
			if (taken[i] == 1)
				taken[i] = 0;
		if (bytes == -ENOENT) {
			/* Areas before the partial one may be gone: start over. */
			ck_assert_int_ge(world_unmap_all(world, ioas), 0);
			for (uint64_t i = 0; i < SPACE; i++)
				taken[i] = taken[i] == 2 ? 2 : 0;
		}
		break;
	}
	default: {
		uint64_t expected = model(va, length), iova = 0;
		int64_t result = world_map(world, ioas, va, length, MAP_RW, &iova);
		if (expected == 0) {
			ck_assert_refused(result, ENOSPC);
			break;
		}
		ck_assert_ok(result);
		ck_assert_msg(iova == expected, "va %#lx length %#lx: %#lx, model %#lx",
			      (unsigned long)va, (unsigned long)length, (unsigned long)iova,
			      (unsigned long)expected);
		mark(iova, length, 1);
	}
	}
}

START_TEST(automatic_allocation_agrees_with_a_scan_of_all_addresses)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		random_state = seed;
		memset(taken, 0, sizeof(taken));
		limited = false;
		ioas = made(world_ioas(world));
		ck_assert_ok(world_reserve(world, ioas, SPACE, UINT64_MAX - SPACE + 1));
		for (int step = 0; step < 120; step++)
			random_step();
		ck_assert_ok(world_destroy(world, ioas));
	}
}
END_TEST

/* --- rule by rule (2.5.1, 2.5.2) --- */

START_TEST(a_fixed_iova_must_be_aligned)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	uint64_t b = world_mmap_aligned(world, 16 * PAGE_SIZE);
	ck_assert_ok(world_map_at(world, ioas, b, PAGE_SIZE, APERTURE));
	ck_assert_refused(world_map_at(world, ioas, b, PAGE_SIZE, APERTURE + 1024), EINVAL);
	/* Before the overflow. */
	ck_assert_refused(world_map_at(world, ioas, b, PAGE_SIZE, -1024ULL), EINVAL);
	ck_assert_ok(world_map_at(world, ioas, b, PAGE_SIZE, APERTURE + 0x2800));
}
END_TEST

START_TEST(a_fixed_range_that_wraps_overflows)
{
	ioas = made(world_ioas(world));
	/* Before reserved ranges and areas. */
	ck_assert_ok(world_reserve(world, ioas, -0x1000ULL, 0x1000));
	ck_assert_ok(world_map_at(world, ioas, 0, 0x1000, -0x2000ULL));
	ck_assert_refused(world_map_at(world, ioas, 0, 3, UINT64_MAX - 1), EOVERFLOW);
	ck_assert_refused(world_map_at(world, ioas, 0, 0x3000, -0x2000ULL), EOVERFLOW);
}
END_TEST

START_TEST(a_fixed_range_may_not_meet_a_reserved_one)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_reserve(world, ioas, 0x20000, 0x1000));
	ck_assert_ok(world_map_at(world, ioas, 0, 0x1000, 0x1f000));
	ck_assert_refused(world_map_at(world, ioas, 0, 1, 0x20fff), EINVAL);
	ck_assert_refused(world_map_at(world, ioas, 0, 0x10000, 0x18000), EINVAL);
	/* Before areas. */
	ck_assert_refused(world_map_at(world, ioas, 0, 0x1001, 0x1f000), EINVAL);
	ck_assert_ok(world_map_at(world, ioas, 0, 1, 0x21000));
}
END_TEST

START_TEST(a_fixed_range_may_not_meet_an_area)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, ioas, 0, 0x1000, 0x20000));
	ck_assert_refused(world_map_at(world, ioas, 0, 0x1000, 0x20000), EEXIST);
	ck_assert_refused(world_map_at(world, ioas, 0, 2, 0x20800), EEXIST);
	ck_assert_refused(world_map_at(world, ioas, 0, 1, 0x20fff), EEXIST);
	ck_assert_refused(world_map_at(world, ioas, 0, 0x1001, 0x1f000), EEXIST);
	ck_assert_refused(world_map_at(world, ioas, 0, 0x10000, 0x18000), EEXIST);
	ck_assert_ok(world_map_at(world, ioas, 0, 0x1000, 0x1f000));
	ck_assert_ok(world_map_at(world, ioas, 0, 1, 0x21000));
}
END_TEST

START_TEST(a_fixed_range_may_not_meet_an_area_in_construction)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	uint64_t b = world_mmap_aligned(world, 16 * PAGE_SIZE);
	struct iommu_ioas_map first = {.ioas_id = ioas,
				       .flags = MAP_RW | MAP_FIXED_,
				       .user_va = b,
				       .length = 4 * PAGE_SIZE,
				       .iova = APERTURE};
	struct iommu_ioas_map second = first;
	second.iova += PAGE_SIZE;
	struct flight flights[2];
	world_stepwise(world, true);
	flight_start(&flights[0], world, 0, IOMMUFD_NR_IOAS_MAP, &first);
	ck_assert(flight_until(&flights[0], "pin pages"));
	flight_start(&flights[1], world, 1, IOMMUFD_NR_IOAS_MAP, &second);
	ck_assert_refused(flight_finish(&flights[1]), EEXIST);
	ck_assert_ok(flight_finish(&flights[0]));
}
END_TEST

START_TEST(iova_0_may_be_asked_for)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, ioas, 0, 0x1000, 0));
	ck_assert_int_eq(world_unmap(world, ioas, 0, 0x1000), 0x1000);
}
END_TEST

START_TEST(half_of_all_addresses_is_too_long_to_choose)
{
	ioas = made(world_ioas(world));
	ck_assert_refused(try_auto(0, UINT64_MAX / 2), EOVERFLOW);
	ck_assert_refused(try_auto(1, UINT64_MAX / 2), EOVERFLOW);
	ck_assert_uint_eq(map_auto(0, UINT64_MAX / 2 - 1), 0x200000);
	ck_assert_refused(try_auto(0, UINT64_MAX / 2 - 1), ENOSPC);
}
END_TEST

START_TEST(the_iova_is_aligned_to_the_length_rounded_up)
{
	ioas = made(world_ioas(world));
	ck_assert_uint_eq(map_auto(0x40000000, 5 * PAGE_SIZE), 0x8000);
	ck_assert_uint_eq(map_auto(0x40000000, 8 * PAGE_SIZE), 0x10000);
	ck_assert_uint_eq(map_auto(0x40000000, 8 * PAGE_SIZE + 1), 0x20000);
}
END_TEST

START_TEST(the_iova_is_aligned_no_more_than_the_address)
{
	ioas = made(world_ioas(world));
	ck_assert_uint_eq(map_auto(0x40002000, 0x10000), 0x2000);
	ck_assert_uint_eq(map_auto(0x40001000, 0x10000), 0x12000);
}
END_TEST

START_TEST(address_0_does_not_limit_the_alignment)
{
	ioas = made(world_ioas(world));
	ck_assert_uint_eq(map_auto(0, 0x10000), 0x10000);
}
END_TEST

START_TEST(the_iova_is_aligned_to_a_huge_page_at_most)
{
	ioas = made(world_ioas(world));
	ck_assert_uint_eq(map_auto(1ULL << 30, 1ULL << 30), 0x200000);
}
END_TEST

START_TEST(an_address_that_can_not_be_aligned_is_einval)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	/* Also where there is no space left. */
	ck_assert_ok(world_reserve(world, ioas, 0, UINT64_MAX));
	ck_assert_refused(try_auto(0x40000001, 2048), EINVAL);
	ck_assert_refused(try_auto(0x40000800, 2048), ENOSPC);
}
END_TEST

START_TEST(allowed_ranges_are_tried_from_the_lowest)
{
	ioas = made(world_ioas(world));
	struct iommu_iova_range ranges[] = {{0x30000, 0x3ffff}, {0x10000, 0x10fff}};
	ck_assert_ok(world_allow(world, ioas, ranges, 2));
	ck_assert_uint_eq(map_auto(0x1000, 0x1000), 0x10000);
	ck_assert_uint_eq(map_auto(0x1000, 0x1000), 0x30000);
}
END_TEST

START_TEST(holes_count_from_the_first_candidate_of_the_span)
{
	ioas = made(world_ioas(world));
	struct iommu_iova_range range = {0x10500, 0x1ffff};
	ck_assert_ok(world_allow(world, ioas, &range, 1));
	/* 0x10500 with the offset is 0x10d01; from the hole at 0x10601 it would be 0x10e01. */
	ck_assert_ok(world_map_at(world, ioas, 0, 0x101, 0x10500));
	ck_assert_uint_eq(map_auto(0x40000801, 1), 0x10d01);
}
END_TEST

START_TEST(a_span_whose_alignment_overflows_is_passed_over)
{
	ioas = made(world_ioas(world));
	struct iommu_iova_range range = {-0x100000ULL, -0x2000ULL};
	ck_assert_ok(world_allow(world, ioas, &range, 1));
	ck_assert_refused(try_auto(1ULL << 30, 0x200000), ENOSPC);
	ck_assert_refused(try_auto(1ULL << 30, 0xff000), ENOSPC);
}
END_TEST

START_TEST(holes_lie_between_areas_and_reserved_ranges)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_reserve(world, ioas, 0x3000, 0x1000));
	ck_assert_ok(world_map_at(world, ioas, 0, 0x1000, 0x5000));
	ck_assert_ok(world_map_at(world, ioas, 0, 0x1000, 0x8000));
	/* Holes: 0x1000 to 0x2fff, 0x4000, 0x6000 to 0x7fff, 0x9000 and on. */
	ck_assert_uint_eq(map_auto(0x1000, 0x3000), 0x9000);
	ck_assert_uint_eq(map_auto(0x1000, 0x2000), 0x1000);
	ck_assert_uint_eq(map_auto(0x1000, 0x2000), 0x6000);
	ck_assert_uint_eq(map_auto(0x1000, 0x1000), 0x4000);
	ck_assert_uint_eq(map_auto(0x1000, 0x1000), 0xc000);
}
END_TEST

START_TEST(no_hole_left_is_enospc)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_reserve(world, ioas, 0, 0x1000));
	ck_assert_ok(world_map_at(world, ioas, 0, UINT64_MAX - 0x1000, 0x1000));
	ck_assert_refused(try_auto(0x1000, 0x1000), ENOSPC);
	ck_assert_refused(try_auto(0x1000, 1), ENOSPC);
}
END_TEST

START_TEST(the_offset_of_the_address_in_its_page_is_kept)
{
	ioas = made(world_ioas(world));
	ck_assert_uint_eq(map_auto(0x40000800, 0x1000), 0x1800);
	ck_assert_uint_eq(map_auto(0x40000123, 0x10), 0x1123);
}
END_TEST

START_TEST(the_offset_is_ored_into_a_hole_that_has_one)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, ioas, 0, 0x1002, 0x1000));
	/* 0x2002 | 1: not the page's byte 1, neither here nor in the next one. */
	ck_assert_uint_eq(map_auto(0x40000001, 1), 0x2003);
}
END_TEST

START_TEST(map_aligns_to_its_user_address)
{
	ioas = made(world_ioas(world));
	ck_assert_uint_eq(map_auto(0x40001000, 0x3000), 0x1000);
	ck_assert_uint_eq(map_auto(0x40000000, 0x3000), 0x4000);
	ck_assert_uint_eq(map_auto(0x40000004, 0x4000), 0x7004);
}
END_TEST

START_TEST(map_file_aligns_to_its_offset_in_the_file)
{
	ioas = made(world_ioas(world));
	uint64_t iova = 0;
	ck_assert_ok(world_map_file(world, ioas, 0, 0x1000, 0x3000, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x1000);
	ck_assert_ok(world_map_file(world, ioas, 0, 0x10000, 0x3000, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x4000);
}
END_TEST

START_TEST(copy_aligns_to_the_source_of_its_first_byte)
{
	ioas = made(world_ioas(world));
	uint32_t other = made(world_ioas(world));
	uint64_t iova = 0;
	ck_assert_ok(world_map_at(world, ioas, 0x40002000, 0x8000, 0x100000));
	ck_assert_ok(world_map_at(world, ioas, 0x50000000, 0x8000, 0x108000));
	/* 0x40004000, although the IOVA is at a lower boundary, and the last byte of another map. */
	ck_assert_ok(world_copy(world, ioas, 0x102000, 0x8000, other, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x4000);
	ck_assert_ok(world_copy(world, ioas, 0x108010, 0x8, other, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x1010);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_worked_trace_of_the_sheet,
		alignment_is_that_of_length_and_address_up_to_two_mebibytes,
		the_first_and_the_last_page_are_never_chosen,
		a_one_byte_hole_is_never_used,
		allowed_ranges_limit_and_adjacent_ones_join,
		map_file_and_copy_align_to_their_own_address,
		automatic_allocation_agrees_with_a_scan_of_all_addresses,
		a_fixed_iova_must_be_aligned,
		a_fixed_range_that_wraps_overflows,
		a_fixed_range_may_not_meet_a_reserved_one,
		a_fixed_range_may_not_meet_an_area,
		a_fixed_range_may_not_meet_an_area_in_construction,
		iova_0_may_be_asked_for,
		half_of_all_addresses_is_too_long_to_choose,
		the_iova_is_aligned_to_the_length_rounded_up,
		the_iova_is_aligned_no_more_than_the_address,
		address_0_does_not_limit_the_alignment,
		the_iova_is_aligned_to_a_huge_page_at_most,
		an_address_that_can_not_be_aligned_is_einval,
		allowed_ranges_are_tried_from_the_lowest,
		holes_count_from_the_first_candidate_of_the_span,
		a_span_whose_alignment_overflows_is_passed_over,
		holes_lie_between_areas_and_reserved_ranges,
		no_hole_left_is_enospc,
		the_offset_of_the_address_in_its_page_is_kept,
		the_offset_is_ored_into_a_hole_that_has_one,
		map_aligns_to_its_user_address,
		map_file_aligns_to_its_offset_in_the_file,
		copy_aligns_to_the_source_of_its_first_byte,
	};
	return RUN_TESTS("shim_iova", tests);
}
