/* SPDX-License-Identifier: Apache-2.0 */
/* IOMMU_IOAS_COPY, rule by rule (iommufd 2.7). */
#include <string.h>

#include "tests/kit/test.h"

#define BUFFER (16 * PAGE_SIZE)
#define SOURCE 0x10000ULL /* four pages of BUFFER */

static uint32_t ioas, other;
static uint64_t buffer;

/* A call with nothing wrong in it; WITH() sends it with some fields changed. */
static struct iommu_ioas_copy good;

static void setup(void)
{
	buffer = world_mmap_aligned(world, BUFFER);
	ioas = made(world_ioas(world));
	other = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, ioas, buffer, 4 * PAGE_SIZE, SOURCE));
}

/* OTHER has a domain. */
static struct mock setup_domain(void)
{
	struct mock mock;
	setup();
	ck_assert_ok(world_mock(world, other, 0, &mock));
	return mock;
}

static void reset(void)
{
	good = (struct iommu_ioas_copy){.flags = MAP_RW,
					.dst_ioas_id = other,
					.src_ioas_id = ioas,
					.src_iova = SOURCE,
					.length = PAGE_SIZE};
}

static int64_t send(void)
{
	return world_ioctl(world, IOMMUFD_NR_IOAS_COPY, &good);
}

#define WITH(...) (reset(), __VA_ARGS__, send())
#define GOOD()    (reset(), send())

static void put(uint8_t *bytes, size_t at, size_t width, uint64_t value)
{
	for (size_t i = 0; i < width; i++)
		bytes[at + i] = (uint8_t)(value >> 8 * i);
}

START_TEST(copy_has_the_layout_of_the_sheet)
{
	struct mock mock = setup_domain();
	uint8_t bytes[40] = {40, 0, 0, 0, 7}, after[40];
	put(bytes, 8, 4, other);
	put(bytes, 12, 4, ioas);
	put(bytes, 16, 8, 2 * PAGE_SIZE);
	put(bytes, 24, 8, APERTURE + 0x10000);
	put(bytes, 32, 8, SOURCE + PAGE_SIZE);
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_ok(world_ioctl_raw(world, 0x3b83, world->args));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE + 0x10000, buffer + PAGE_SIZE,
				     2 * PAGE_SIZE));
	put(bytes, 4, 4, 6);
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_ok(world_ioctl_raw(world, 0x3b83, world->args));
	put(bytes, 24, 8, APERTURE);
	world_get(world, world->args, after, sizeof(after));
	ck_assert_mem_eq(after, bytes, sizeof(bytes));
}
END_TEST

/* The n-th area, and an offset in it. */
static uint64_t nth(uint32_t n, uint32_t offset)
{
	return n | (uint64_t)offset << 32;
}

START_TEST(the_test_flag_takes_the_n_th_area)
{
	struct mock mock = setup_domain();
	ck_assert_ok(world_map_at(world, ioas, buffer + 8 * PAGE_SIZE, PAGE_SIZE, 0x80000));
	ck_assert_ok(
		WITH(good.flags |= 0x10000, good.src_iova = nth(1, 0x800), good.length = 2048));
	ck_assert_ok(world_check_map(world, mock.hwpt, good.dst_iova, buffer + 0x8800, 2048));
	ck_assert_ok(WITH(good.flags |= 0x10000, good.src_iova = nth(0, 0x1000)));
	ck_assert_ok(world_check_map(world, mock.hwpt, good.dst_iova, buffer + 0x1000, PAGE_SIZE));
}
END_TEST

START_TEST(an_n_th_area_that_is_missing_is_iova_0)
{
	setup();
	ck_assert_refused(WITH(good.flags |= 0x10000, good.src_iova = nth(1, 0)), ENOENT);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, 0));
	ck_assert_ok(WITH(good.flags |= 0x10000, good.src_iova = nth(7, 0x1000)));
	ck_assert_uint_eq(good.src_iova, 0);
}
END_TEST

START_TEST(the_source_stays_as_it_is_where_its_ioas_is_bad)
{
	setup();
	/* Else it would be 0, and pass. */
	ck_assert_refused(
		WITH(good.flags |= 0x10000, good.src_ioas_id = 99, good.src_iova = UINT64_MAX),
		EOVERFLOW);
}
END_TEST

START_TEST(the_answer_shows_what_the_test_flag_did)
{
	setup();
	ck_assert_ok(WITH(good.flags |= 0x10000, good.src_iova = nth(0, 0x800)));
	ck_assert_uint_eq(good.flags, MAP_RW);
	ck_assert_uint_eq(good.src_iova, SOURCE + 0x800);
}
END_TEST

START_TEST(unknown_flags_are_refused)
{
	setup();
	ck_assert_refused(WITH(good.flags = MAP_RW | 8), EOPNOTSUPP);
	ck_assert_refused(WITH(good.flags = MAP_RW | 0x20000), EOPNOTSUPP);
	ck_assert_refused(WITH(good.flags = 8, good.length = UINT64_MAX), EOPNOTSUPP);
}
END_TEST

START_TEST(a_length_of_u64_max_overflows)
{
	setup();
	ck_assert_refused(WITH(good.length = UINT64_MAX, good.src_ioas_id = 99), EOVERFLOW);
	ck_assert_refused(WITH(good.length = UINT64_MAX, good.flags = 0), EOVERFLOW);
}
END_TEST

START_TEST(a_source_iova_of_u64_max_overflows)
{
	setup();
	ck_assert_refused(WITH(good.src_iova = UINT64_MAX, good.src_ioas_id = 99), EOVERFLOW);
	ck_assert_refused(WITH(good.src_iova = UINT64_MAX, good.flags = 0), EOVERFLOW);
}
END_TEST

START_TEST(a_target_iova_of_u64_max_overflows)
{
	setup();
	ck_assert_refused(WITH(good.dst_iova = UINT64_MAX), EOVERFLOW);
	ck_assert_refused(WITH(good.dst_iova = UINT64_MAX, good.flags = 0), EOVERFLOW);
}
END_TEST

START_TEST(a_permission_is_needed)
{
	setup();
	ck_assert_refused(WITH(good.flags = 0), EINVAL);
	ck_assert_refused(WITH(good.flags = MAP_FIXED_, good.src_ioas_id = 99), EINVAL);
	ck_assert_ok(WITH(good.flags = MAP_RO));
	ck_assert_ok(WITH(good.flags = MAP_WO));
}
END_TEST

START_TEST(the_source_must_exist)
{
	setup();
	ck_assert_refused(WITH(good.src_ioas_id = 99), ENOENT);
	ck_assert_refused(WITH(good.src_ioas_id = 99, good.length = 0), ENOENT);
}
END_TEST

START_TEST(a_length_of_0_is_refused)
{
	setup();
	ck_assert_refused(WITH(good.length = 0), EINVAL);
	/* Before the source is looked at, and the target. */
	ck_assert_refused(WITH(good.length = 0, good.src_iova = 1), EINVAL);
	ck_assert_refused(WITH(good.length = 0, good.dst_ioas_id = 99), EINVAL);
}
END_TEST

START_TEST(a_source_range_that_wraps_overflows)
{
	setup();
	ck_assert_refused(WITH(good.src_iova = -PAGE_SIZE + 1), EOVERFLOW);
	ck_assert_refused(WITH(good.src_iova = -PAGE_SIZE), ENOENT);
}
END_TEST

START_TEST(the_source_must_be_mapped_without_a_gap)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, SOURCE + 5 * PAGE_SIZE));
	ck_assert_refused(WITH(good.src_iova = SOURCE - 1, good.length = 2), ENOENT);
	ck_assert_refused(WITH(good.src_iova = SOURCE + 4 * PAGE_SIZE - 1, good.length = 2),
			  ENOENT);
	ck_assert_refused(WITH(good.length = 6 * PAGE_SIZE), ENOENT);
	ck_assert_ok(WITH(good.length = 4 * PAGE_SIZE));
	/* Before the target is looked up. */
	ck_assert_refused(WITH(good.src_iova = 0, good.dst_ioas_id = 99), ENOENT);
	ck_assert_str_eq(world_rule(world), "iommufd 2.7 7");
}
END_TEST

START_TEST(an_area_in_construction_is_a_gap)
{
	struct mock mock = setup_domain();
	struct iommu_ioas_map map = {.ioas_id = other,
				     .flags = MAP_RW | MAP_FIXED_,
				     .user_va = buffer,
				     .length = 2 * PAGE_SIZE,
				     .iova = APERTURE};
	struct iommu_ioas_copy copy = {.src_ioas_id = other,
				       .dst_ioas_id = ioas,
				       .flags = MAP_RW,
				       .src_iova = APERTURE,
				       .length = PAGE_SIZE};
	struct flight flights[2];
	(void)mock;
	world_stepwise(world, true);
	flight_start(&flights[0], world, 0, IOMMUFD_NR_IOAS_MAP, &map);
	ck_assert(flight_until(&flights[0], "pin pages"));
	flight_start(&flights[1], world, 1, IOMMUFD_NR_IOAS_COPY, &copy);
	ck_assert_refused(flight_finish(&flights[1]), ENOENT);
	ck_assert_ok(flight_finish(&flights[0]));
}
END_TEST

START_TEST(a_copy_may_begin_and_end_inside_areas)
{
	setup();
	char text[4] = "";
	int access = (int)made(world_access(world, other, 0));
	world_put(world, buffer + 4095, "abc", 4);
	ck_assert_ok(WITH(good.src_iova = SOURCE + 4095, good.length = 3));
	ck_assert_ok(world_rw(world, access, good.dst_iova, world->data, 3, 0));
	world_get(world, world->data, text, 3);
	ck_assert_str_eq(text, "abc");
	ck_assert_int_eq(world_unmap_all(world, other), 3);
}
END_TEST

START_TEST(a_copy_may_span_areas)
{
	struct mock mock = setup_domain();
	ck_assert_ok(world_map_at(world, ioas, buffer + 8 * PAGE_SIZE, PAGE_SIZE,
				  SOURCE + 4 * PAGE_SIZE));
	ck_assert_ok(WITH(good.length = 5 * PAGE_SIZE));
	ck_assert_ok(world_check_map(world, mock.hwpt, good.dst_iova, buffer, 4 * PAGE_SIZE));
	ck_assert_ok(world_check_map(world, mock.hwpt, good.dst_iova + 4 * PAGE_SIZE,
				     buffer + 8 * PAGE_SIZE, PAGE_SIZE));
}
END_TEST

START_TEST(the_target_must_exist)
{
	setup();
	ck_assert_refused(WITH(good.dst_ioas_id = 99), ENOENT);
	/* Nothing of the source is held. */
	ck_assert_int_eq(world_unmap_all(world, ioas), 4 * PAGE_SIZE);
	ck_assert_ok(world_destroy(world, ioas));
}
END_TEST

START_TEST(source_and_target_may_be_one)
{
	setup();
	ck_assert_ok(WITH(good.dst_ioas_id = ioas, good.length = 4 * PAGE_SIZE));
	ck_assert_int_eq(world_unmap(world, ioas, good.dst_iova, 4 * PAGE_SIZE), 4 * PAGE_SIZE);
}
END_TEST

START_TEST(the_target_is_chosen_and_checked_as_by_map)
{
	setup_domain();
	ck_assert_ok(WITH(good.flags |= MAP_FIXED_, good.dst_iova = APERTURE + 0x10000));
	ck_assert_refused(WITH(good.flags |= MAP_FIXED_, good.dst_iova = APERTURE + 0x10000),
			  EEXIST);
	ck_assert_refused(WITH(good.flags |= MAP_FIXED_, good.dst_iova = 0), EINVAL);
	ck_assert_refused(WITH(good.length = 1024), EINVAL);
	/* The length first. */
	ck_assert_refused(WITH(good.flags |= MAP_FIXED_, good.dst_iova = APERTURE + 0x10000,
			       good.length = 1024),
			  EINVAL);
	ck_assert_ok(GOOD());
	ck_assert_uint_eq(good.dst_iova, APERTURE);
}
END_TEST

START_TEST(a_copy_stays_when_its_answer_can_not_be_written)
{
	setup();
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	reset();
	good.size = sizeof(good);
	world_put(world, va, &good, sizeof(good));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_IOAS_COPY), va), EFAULT);
	ck_assert_int_eq(world_unmap(world, other, 0x1000, PAGE_SIZE), PAGE_SIZE);
}
END_TEST

START_TEST(each_source_area_becomes_an_area)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, SOURCE + 4 * PAGE_SIZE));
	ck_assert_ok(WITH(good.src_iova = SOURCE + 3 * PAGE_SIZE, good.length = 2 * PAGE_SIZE));
	ck_assert_int_eq(world_unmap(world, other, good.dst_iova + PAGE_SIZE, PAGE_SIZE),
			 PAGE_SIZE);
	ck_assert_int_eq(world_unmap(world, other, good.dst_iova, PAGE_SIZE), PAGE_SIZE);
}
END_TEST

START_TEST(write_permission_can_not_be_gained)
{
	setup();
	uint64_t iova = 0x80000;
	ck_assert_ok(world_map(world, ioas, buffer, PAGE_SIZE, MAP_RO | MAP_FIXED_, &iova));
	ck_assert_refused(WITH(good.src_iova = iova), EPERM);
	ck_assert_refused(WITH(good.src_iova = iova, good.flags = MAP_WO), EPERM);
	ck_assert_ok(WITH(good.src_iova = iova, good.flags = MAP_RO));
	/* It is the memory's map that counts, not the area's own permission. */
	uint64_t read_only = good.dst_iova;
	ck_assert_ok(WITH(good.flags = MAP_RO));
	iova = good.dst_iova;
	ck_assert_ok(WITH(good.src_ioas_id = other, good.src_iova = iova));
	ck_assert_refused(WITH(good.src_ioas_id = other, good.src_iova = read_only), EPERM);
}
END_TEST

START_TEST(the_offset_of_each_piece_must_fit_the_alignment)
{
	setup_domain();
	ck_assert_refused(WITH(good.flags |= MAP_FIXED_, good.dst_iova = APERTURE,
			       good.src_iova = SOURCE + 1024, good.length = 2048),
			  EINVAL);
	/* Of the second piece, too; nothing of the first stays. */
	ck_assert_ok(world_map_at(world, ioas, buffer + 1024, PAGE_SIZE, SOURCE + 4 * PAGE_SIZE));
	ck_assert_refused(WITH(good.flags |= MAP_FIXED_, good.dst_iova = APERTURE,
			       good.src_iova = SOURCE + 3 * PAGE_SIZE, good.length = 2 * PAGE_SIZE),
			  EINVAL);
	ck_assert_ok(world_unmap_all(world, other));
}
END_TEST

START_TEST(the_permission_is_tested_before_the_offset)
{
	setup_domain();
	uint64_t iova = 0x80000;
	ck_assert_ok(world_map(world, ioas, buffer, PAGE_SIZE, MAP_RO | MAP_FIXED_, &iova));
	ck_assert_refused(WITH(good.flags |= MAP_FIXED_, good.dst_iova = APERTURE,
			       good.src_iova = iova + 1, good.length = 2048),
			  EPERM);
}
END_TEST

/* Two areas of 2048 bytes together, the second at an odd IOVA. */
static uint64_t map_odd_pair(void)
{
	ck_assert_ok(world_map_at(world, ioas, buffer, 1008, 0x80000));
	ck_assert_ok(world_map_at(world, ioas, buffer + PAGE_SIZE, 1040, 0x80000 + 1008));
	return 0x80000;
}

START_TEST(later_pieces_may_stand_on_any_iova_without_a_domain)
{
	setup();
	/* An access that pins asks for pages: only the sum and the first IOVA are compared. */
	made(world_access(world, other, 1));
	ck_assert_ok(world_map_at(world, ioas, buffer, 1008, 0x80000));
	ck_assert_ok(
		world_map_at(world, ioas, buffer + PAGE_SIZE, PAGE_SIZE - 1008, 0x80000 + 1008));
	ck_assert_ok(WITH(good.src_iova = 0x80000));
	ck_assert_int_eq(world_unmap(world, other, good.dst_iova + 1008, PAGE_SIZE - 1008),
			 PAGE_SIZE - 1008);
}
END_TEST

START_TEST(with_a_domain_such_a_piece_fails_and_all_is_undone)
{
	struct mock mock = setup_domain();
	uint64_t odd = map_odd_pair();
	ck_assert_refused(WITH(good.src_iova = odd, good.length = 2048), ENXIO);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
	ck_assert_ok(world_unmap_all(world, other));
	/* A whole first piece is taken out again. */
	ck_assert_ok(world_map_at(world, ioas, buffer, 1008, SOURCE + 4 * PAGE_SIZE));
	ck_assert_ok(world_map_at(world, ioas, buffer, 1040, SOURCE + 4 * PAGE_SIZE + 1008));
	ck_assert_refused(WITH(good.flags |= MAP_FIXED_, good.dst_iova = APERTURE,
			       good.src_iova = SOURCE + 3 * PAGE_SIZE,
			       good.length = PAGE_SIZE + 2048),
			  ENXIO);
	ck_assert_refused(world_check_map(world, mock.hwpt, APERTURE, buffer + 3 * PAGE_SIZE, 2048),
			  EINVAL);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
}
END_TEST

START_TEST(the_alignment_of_the_source_does_not_matter)
{
	setup();
	made(world_access(world, ioas, 1)); /* 4096 */
	ck_assert_ok(WITH(good.src_iova = SOURCE + 3, good.length = 5));
}
END_TEST

START_TEST(pins_are_shared_with_the_source)
{
	setup_domain();
	ck_assert_ok(GOOD());
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_ok(GOOD());
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
}
END_TEST

START_TEST(source_and_copy_are_unmapped_apart)
{
	struct mock mock = setup_domain();
	ck_assert_ok(GOOD());
	ck_assert_int_eq(world_unmap_all(world, ioas), 4 * PAGE_SIZE);
	ck_assert_ok(world_check_map(world, mock.hwpt, good.dst_iova, buffer, PAGE_SIZE));
	/* A copy of the copy keeps its pin when the other goes. */
	uint64_t first = good.dst_iova;
	ck_assert_ok(WITH(good.src_ioas_id = other, good.src_iova = first));
	ck_assert_int_eq(world_unmap(world, other, first, PAGE_SIZE), PAGE_SIZE);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_ok(world_check_map(world, mock.hwpt, good.dst_iova, buffer, PAGE_SIZE));
	ck_assert_ok(world_map_at(world, ioas, buffer, 4 * PAGE_SIZE, SOURCE));
	ck_assert_ok(GOOD());
	ck_assert_int_eq(world_unmap_all(world, other), 2 * PAGE_SIZE);
	ck_assert_int_eq(world_unmap_all(world, ioas), 4 * PAGE_SIZE);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		copy_has_the_layout_of_the_sheet,
		the_test_flag_takes_the_n_th_area,
		an_n_th_area_that_is_missing_is_iova_0,
		the_source_stays_as_it_is_where_its_ioas_is_bad,
		the_answer_shows_what_the_test_flag_did,
		unknown_flags_are_refused,
		a_length_of_u64_max_overflows,
		a_source_iova_of_u64_max_overflows,
		a_target_iova_of_u64_max_overflows,
		a_permission_is_needed,
		the_source_must_exist,
		a_length_of_0_is_refused,
		a_source_range_that_wraps_overflows,
		the_source_must_be_mapped_without_a_gap,
		an_area_in_construction_is_a_gap,
		a_copy_may_begin_and_end_inside_areas,
		a_copy_may_span_areas,
		the_target_must_exist,
		source_and_target_may_be_one,
		the_target_is_chosen_and_checked_as_by_map,
		a_copy_stays_when_its_answer_can_not_be_written,
		each_source_area_becomes_an_area,
		write_permission_can_not_be_gained,
		the_offset_of_each_piece_must_fit_the_alignment,
		the_permission_is_tested_before_the_offset,
		later_pieces_may_stand_on_any_iova_without_a_domain,
		with_a_domain_such_a_piece_fails_and_all_is_undone,
		the_alignment_of_the_source_does_not_matter,
		pins_are_shared_with_the_source,
		source_and_copy_are_unmapped_apart,
	};
	return RUN_TESTS("shim_copy", tests);
}
