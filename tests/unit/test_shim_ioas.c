/* SPDX-License-Identifier: Apache-2.0 */
/* Map, unmap, copy, ranges and options of an IOAS (iommufd 2). */
#include <string.h>

#include "tests/kit/test.h"

static uint32_t ioas;
static uint64_t buffer; /* 64 pages, 2 MiB aligned */

#define BUFFER (64 * PAGE_SIZE)

static void setup(void)
{
	buffer = world_mmap_aligned(world, BUFFER);
	ioas = made(world_ioas(world));
}

static int64_t map_cmd(struct iommu_ioas_map cmd)
{
	return world_ioctl(world, IOMMUFD_NR_IOAS_MAP, &cmd);
}

#define MAP(...) map_cmd((struct iommu_ioas_map){__VA_ARGS__})

START_TEST(map_checks_its_arguments_in_order)
{
	setup();
	ck_assert_refused(MAP(.flags = 8 | MAP_RW, .iova = UINT64_MAX), EOPNOTSUPP);
	ck_assert_refused(MAP(.flags = MAP_RW, .__reserved = 1, .iova = UINT64_MAX), EOPNOTSUPP);
	/* Even without FIXED_IOVA. */
	ck_assert_refused(MAP(.flags = 0, .iova = UINT64_MAX), EOVERFLOW);
	ck_assert_refused(MAP(.flags = 0, .length = UINT64_MAX), EOVERFLOW);
	ck_assert_refused(MAP(.flags = MAP_FIXED_, .ioas_id = 99), EINVAL);
	ck_assert_refused(MAP(.flags = MAP_RW, .ioas_id = 99, .user_va = UINT64_MAX), ENOENT);
	/* A sum of exactly 2^64 overflows too. */
	ck_assert_refused(
		MAP(.flags = MAP_RW, .ioas_id = ioas, .user_va = -PAGE_SIZE, .length = PAGE_SIZE),
		EOVERFLOW);
	ck_assert_refused(MAP(.flags = MAP_RW, .ioas_id = ioas, .user_va = buffer), EINVAL);
	ck_assert_refused(
		MAP(.flags = MAP_RW, .ioas_id = ioas, .length = UINT64_MAX - PAGE_SIZE + 1),
		EINVAL);
	ck_assert_refused(MAP(.flags = MAP_RW, .ioas_id = ioas, .length = UINT64_MAX / 2),
			  EOVERFLOW);
}
END_TEST

START_TEST(without_a_domain_the_memory_is_not_looked_at)
{
	setup();
	uint64_t iova = 0x10000;
	ck_assert_ok(world_map(world, ioas, NOWHERE, 4096, MAP_RW, &iova));
	ck_assert_ok(world_map_at(world, ioas, 0, 123, 0));
	/* With one it is. */
	ck_assert_int_eq(world_unmap_all(world, ioas), 4096 + 123);
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_refused(world_map(world, ioas, NOWHERE, 4096, MAP_RW, &iova), EFAULT);
	ck_assert_refused(world_unmap(world, ioas, APERTURE, 4096), ENOENT);
}
END_TEST

START_TEST(a_fixed_map_checks_alignment_overflow_reserved_then_areas)
{
	setup();
	ck_assert_ok(world_reserve(world, ioas, 0x100000, 0x1000));
	ck_assert_ok(world_map_at(world, ioas, buffer, 0x1000, 0xff000));
	ck_assert_refused(world_map_at(world, ioas, buffer, 0x3000, 0xff000), EINVAL);
	ck_assert_refused(world_map_at(world, ioas, buffer, 0x1000, 0xff000), EEXIST);
	ck_assert_refused(world_map_at(world, ioas, buffer, 0x1001, 0xfe000), EEXIST);
	ck_assert_ok(world_map_at(world, ioas, buffer, 0x1000, 0xfe000));
	ck_assert_refused(world_map_at(world, ioas, buffer, 1, 0x100fff), EINVAL);
	ck_assert_ok(world_map_at(world, ioas, buffer, 1, 0x101000));
	ck_assert_refused(world_map_at(world, ioas, buffer, 2, UINT64_MAX - 0), EOVERFLOW);
	ck_assert_refused(world_map_at(world, ioas, buffer, 3, UINT64_MAX - 1), EOVERFLOW);
	ck_assert_ok(world_map_at(world, ioas, buffer, 2, UINT64_MAX - 1));
	/* Reserved comes first, then alignment is 2048 with a domain. */
	ck_assert_int_gt(world_unmap_all(world, ioas), 0);
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_refused(world_map_at(world, ioas, buffer, 4096, APERTURE + 1024), EINVAL);
	ck_assert_str_eq(world_rule(world), "iommufd 2.5.1 1");
	ck_assert_refused(world_map_at(world, ioas, buffer + 1024, 4096, APERTURE), EINVAL);
	ck_assert_str_eq(world_rule(world), "iommufd 2.4 10");
	ck_assert_refused(world_map_at(world, ioas, buffer, 4095, APERTURE), EINVAL);
	ck_assert_str_eq(world_rule(world), "iommufd 2.4 8");
	ck_assert_refused(world_map_at(world, ioas, buffer, 4096, 0x80000000), EINVAL);
	ck_assert_str_eq(world_rule(world), "iommufd 2.5.1 3");
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, 0x7ffff000));
}
END_TEST

START_TEST(a_mapping_survives_an_efault_of_its_answer)
{
	setup();
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_ioas_map cmd = {.size = sizeof(cmd),
				     .flags = MAP_RW | MAP_FIXED_,
				     .ioas_id = ioas,
				     .user_va = buffer,
				     .length = 4096,
				     .iova = 0x5000};
	world_put(world, va, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_IOAS_MAP), va), EFAULT);
	ck_assert_int_eq(world_unmap(world, ioas, 0x5000, 4096), 4096);
}
END_TEST

START_TEST(unmap_checks_its_arguments)
{
	setup();
	ck_assert_refused(world_unmap(world, 99, 0, 0), ENOENT);
	ck_assert_refused(world_unmap(world, ioas, UINT64_MAX, 1), EOVERFLOW);
	ck_assert_refused(world_unmap(world, ioas, 1, UINT64_MAX), EOVERFLOW);
	ck_assert_refused(world_unmap(world, ioas, 0x1000, 0), EINVAL);
	ck_assert_refused(world_unmap(world, ioas, UINT64_MAX - 1, 3), EOVERFLOW);
	ck_assert_refused(world_unmap(world, ioas, 0x1000, 4096), ENOENT);
	/* All of nothing is success. */
	ck_assert_ok(world_unmap_all(world, ioas));
}
END_TEST

START_TEST(unmap_takes_whole_areas_and_counts_no_holes)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, 0x1000, 0x10000));
	ck_assert_ok(world_map_at(world, ioas, buffer, 0x1000, 0x12000));
	ck_assert_int_eq(world_unmap(world, ioas, 0xf000, 0x10000), 0x2000);
	ck_assert_ok(world_map_at(world, ioas, buffer, 3, 0x10001));
	ck_assert_refused(world_unmap(world, ioas, 0x10002, 1), ENOENT);
	ck_assert_refused(world_unmap(world, ioas, 0x10001, 2), ENOENT);
	ck_assert_refused(world_unmap(world, ioas, 0x10002, 2), ENOENT);
	ck_assert_int_eq(world_unmap(world, ioas, 0x10001, 3), 3);
}
END_TEST

START_TEST(a_failed_unmap_keeps_its_partial_effect_and_says_nothing)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, 0x1000, 0x10000));
	ck_assert_ok(world_map_at(world, ioas, buffer, 0x2000, 0x11000));
	ck_assert_ok(world_map_at(world, ioas, buffer, 0x1000, 0x13000));
	struct iommu_ioas_unmap cmd = {.ioas_id = ioas, .iova = 0x10000, .length = 0x2000};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_UNMAP, &cmd), ENOENT);
	ck_assert_str_eq(world_rule(world), "iommufd 2.8 4c");
	ck_assert_uint_eq(cmd.length, 0x2000);
	/* The first is gone, the others stay. */
	ck_assert_refused(world_unmap(world, ioas, 0x10000, 0x1000), ENOENT);
	ck_assert_int_eq(world_unmap_all(world, ioas), 0x3000);
}
END_TEST

START_TEST(ranges_are_the_holes_between_reserved_ones)
{
	setup();
	struct iommu_iova_range ranges[8] = {0};
	uint32_t count;
	uint64_t alignment;
	ck_assert_ok(world_ranges(world, ioas, ranges, 8, &count, &alignment));
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(alignment, 1);
	ck_assert_uint_eq(ranges[0].start, 0);
	ck_assert_uint_eq(ranges[0].last, UINT64_MAX);

	/* Overlapping and adjacent ones merge. */
	ck_assert_ok(world_reserve(world, ioas, 0x1000, 0x1000));
	ck_assert_ok(world_reserve(world, ioas, 0x1800, 0x1000));
	ck_assert_ok(world_reserve(world, ioas, 0x2800, 0x800));
	ck_assert_ok(world_reserve(world, ioas, 0x5000, 1));
	ck_assert_ok(world_ranges(world, ioas, ranges, 8, &count, &alignment));
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(ranges[0].start, 0);
	ck_assert_uint_eq(ranges[0].last, 0xfff);
	ck_assert_uint_eq(ranges[1].start, 0x3000);
	ck_assert_uint_eq(ranges[1].last, 0x4fff);
	ck_assert_uint_eq(ranges[2].start, 0x5001);

	/* Areas do not matter. */
	ck_assert_ok(world_map_at(world, ioas, buffer, 0x1000, 0x3000));
	struct iommu_iova_range two[2] = {0};
	ck_assert_refused(world_ranges(world, ioas, two, 2, &count, &alignment), EMSGSIZE);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(two[1].start, 0x3000);
	ck_assert_refused(world_ranges(world, ioas, NULL, 0, &count, NULL), EMSGSIZE);
	ck_assert_uint_eq(count, 3);
	ck_assert_ok(world_ranges(world, ioas, ranges, 3, &count, NULL));
}
END_TEST

START_TEST(a_fully_reserved_space_has_no_range)
{
	setup();
	uint32_t count;
	ck_assert_ok(world_reserve(world, ioas, 0, UINT64_MAX));
	ck_assert_ok(world_reserve(world, ioas, UINT64_MAX, 1));
	ck_assert_ok(world_ranges(world, ioas, NULL, 0, &count, NULL));
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(an_unwritable_range_array_is_efault_and_nothing_is_written)
{
	setup();
	struct iommu_ioas_iova_ranges cmd = {
		.ioas_id = ioas, .num_iovas = 1, .allowed_iovas = NOWHERE};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_IOVA_RANGES, &cmd), EFAULT);
	ck_assert_uint_eq(cmd.out_iova_alignment, 0);
	cmd.__reserved = 1;
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_IOVA_RANGES, &cmd), EOPNOTSUPP);
	cmd.__reserved = 0;
	cmd.ioas_id = 99;
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_IOVA_RANGES, &cmd), ENOENT);
}
END_TEST

START_TEST(allowed_ranges_are_checked_one_by_one)
{
	setup();
	struct iommu_iova_range one_byte[] = {{5, 5}}, reversed[] = {{6, 5}};
	struct iommu_iova_range overlap[] = {{0x1000, 0x1fff}, {0x3000, 0x3fff}, {0x1fff, 0x2fff}};
	struct iommu_iova_range good[] = {{0x1000, 0x1fff}, {0x2000, 0x2fff}};
	ck_assert_refused(world_allow(world, 99, good, 2), ENOENT);
	ck_assert_refused(world_allow(world, ioas, one_byte, 1), EINVAL);
	ck_assert_refused(world_allow(world, ioas, reversed, 1), EINVAL);
	ck_assert_refused(world_allow(world, ioas, overlap, 3), EINVAL);
	struct iommu_ioas_allow_iovas cmd = {
		.ioas_id = ioas, .num_iovas = 1, .allowed_iovas = NOWHERE};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_ALLOW_IOVAS, &cmd), EFAULT);
	cmd.__reserved = 1;
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_ALLOW_IOVAS, &cmd), EOPNOTSUPP);
	ck_assert_ok(world_allow(world, ioas, good, 2));
	ck_assert_refused(world_reserve(world, ioas, 0x2fff, 1), EADDRINUSE);
	ck_assert_ok(world_reserve(world, ioas, 0x3000, 1));
	/* A list that touches a reserved range leaves the old one in force. */
	struct iommu_iova_range touching[] = {{0x100, 0x1ff}, {0x2f00, 0x3000}};
	ck_assert_refused(world_allow(world, ioas, touching, 2), EADDRINUSE);
	ck_assert_refused(world_reserve(world, ioas, 0x2fff, 1), EADDRINUSE);
	ck_assert_ok(world_reserve(world, ioas, 0x100, 1));
	/* None clears the list; a domain that needs reserved space then fits. */
	ck_assert_refused(world_mock(world, ioas, 0, NULL), EADDRINUSE);
	ck_assert_ok(world_allow(world, ioas, NULL, 0));
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
}
END_TEST

START_TEST(fixed_maps_ignore_allowed_ranges_and_these_ignore_areas)
{
	setup();
	struct iommu_iova_range allowed[] = {{0x10000, 0x1ffff}};
	uint64_t iova = 0;
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, 0x11000));
	ck_assert_ok(world_allow(world, ioas, allowed, 1));
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, 0x5000));
	ck_assert_ok(world_map(world, ioas, buffer, 4096, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x10000);
}
END_TEST

START_TEST(reserving_over_an_area_is_eaddrinuse)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, 0x5000));
	ck_assert_refused(world_reserve(world, ioas, 0x5fff, 1), EADDRINUSE);
	ck_assert_ok(world_reserve(world, ioas, 0x6000, 1));
	ck_assert_refused(world_reserve(world, ioas, 0, 0), EINVAL);
	ck_assert_refused(world_reserve(world, ioas, UINT64_MAX, 2), EOVERFLOW);
	ck_assert_refused(world_reserve(world, 99, 0, 1), ENOENT);
}
END_TEST

static int64_t copy_cmd(struct iommu_ioas_copy cmd)
{
	return world_ioctl(world, IOMMUFD_NR_IOAS_COPY, &cmd);
}

#define COPY(...) copy_cmd((struct iommu_ioas_copy){__VA_ARGS__})

START_TEST(copy_checks_its_arguments_in_order)
{
	setup();
	ck_assert_refused(COPY(.flags = 8, .length = UINT64_MAX), EOPNOTSUPP);
	ck_assert_refused(COPY(.flags = 0, .length = UINT64_MAX), EOVERFLOW);
	ck_assert_refused(COPY(.flags = 0, .src_iova = UINT64_MAX), EOVERFLOW);
	ck_assert_refused(COPY(.flags = 0, .dst_iova = UINT64_MAX), EOVERFLOW);
	ck_assert_refused(COPY(.flags = MAP_FIXED_), EINVAL);
	ck_assert_refused(COPY(.flags = MAP_RO), ENOENT);
	ck_assert_str_eq(world_rule(world), "iommufd 2.7 4");
	ck_assert_refused(COPY(.flags = MAP_RO, .src_ioas_id = ioas), EINVAL);
	ck_assert_refused(
		COPY(.flags = MAP_RO, .src_ioas_id = ioas, .src_iova = 3, .length = -2ULL),
		EOVERFLOW);
	ck_assert_refused(COPY(.flags = MAP_RO, .src_ioas_id = ioas, .src_iova = 2, .length = 1),
			  ENOENT);
	ck_assert_str_eq(world_rule(world), "iommufd 2.7 7");
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, 0));
	ck_assert_refused(COPY(.flags = MAP_RO, .src_ioas_id = ioas, .src_iova = 2, .length = 1),
			  ENOENT);
	ck_assert_str_eq(world_rule(world), "iommufd 2.7 8");
}
END_TEST

START_TEST(copy_takes_any_slice_of_contiguous_areas)
{
	setup();
	uint32_t other = made(world_ioas(world));
	uint64_t iova = 0x100001;
	ck_assert_ok(world_map_at(world, ioas, buffer, 0x1003, 0x10000));
	ck_assert_ok(world_map_at(world, ioas, buffer + 0x5000, 0x1000, 0x11003));
	ck_assert_ok(world_copy(world, ioas, 0x10fff, 0x1000, other, MAP_RW | MAP_FIXED_, &iova));
	/* One area a piece. */
	ck_assert_refused(world_unmap(world, other, 0x100001, 0x1000 - 4), ENOENT);
	ck_assert_int_eq(world_unmap_all(world, other), 0x1000 - 4);
	iova = 0x100001;
	ck_assert_ok(world_copy(world, ioas, 0x10fff, 0x1000, other, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_int_eq(world_unmap(world, other, 0x100001, 4), 4);
	ck_assert_int_eq(world_unmap(world, other, 0x100005, 0xffc), 0xffc);
	/* One byte more than there is. */
	ck_assert_refused(world_copy(world, ioas, 0x10fff, 0x1005, other, MAP_RW, &iova), ENOENT);
	ck_assert_refused(world_copy(world, ioas, 0xffff, 4, other, MAP_RW, &iova), ENOENT);
	/* The source is untouched. */
	ck_assert_int_eq(world_unmap_all(world, ioas), 0x2003);
}
END_TEST

START_TEST(copy_within_one_ioas_is_independent_of_its_source)
{
	setup();
	struct mock mock;
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	uint64_t iova = APERTURE + 0x10000;
	ck_assert_ok(world_map_at(world, ioas, buffer, 0x4000, APERTURE));
	ck_assert_ok(world_copy(world, ioas, APERTURE + 0x1000, 0x2000, ioas, MAP_RW | MAP_FIXED_,
				&iova));
	ck_assert_ok(world_check_map(world, mock.hwpt, iova, buffer + 0x1000, 0x2000));
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE, 0x4000), 0x4000);
	ck_assert_ok(world_check_map(world, mock.hwpt, iova, buffer + 0x1000, 0x2000));
	ck_assert_ok(world_refs(world, buffer + 0x1000, 0x2000, 1));
	ck_assert_ok(world_refs(world, buffer, 0x1000, 0));
	ck_assert_refused(world_check_map(world, mock.hwpt, APERTURE, buffer, 2048), EINVAL);
}
END_TEST

START_TEST(copy_can_not_gain_write_permission)
{
	setup();
	uint32_t other = made(world_ioas(world));
	uint64_t iova = 0;
	iova = 0x1000;
	ck_assert_ok(world_map(world, ioas, buffer, 4096, MAP_RO | MAP_FIXED_, &iova));
	ck_assert_refused(world_copy(world, ioas, 0x1000, 4096, other, MAP_RW, &iova), EPERM);
	ck_assert_ok(world_copy(world, ioas, 0x1000, 4096, other, MAP_RO, &iova));
	/* EPERM comes before the alignment of the page offset. */
	ck_assert_int_eq(world_unmap_all(world, other), 4096);
	ck_assert_ok(world_mock(world, other, 0, NULL));
	iova = APERTURE;
	ck_assert_refused(world_copy(world, ioas, 0x1001, 2048, other, MAP_RW | MAP_FIXED_, &iova),
			  EPERM);
	ck_assert_refused(world_copy(world, ioas, 0x1001, 2048, other, MAP_RO | MAP_FIXED_, &iova),
			  EINVAL);
	ck_assert_ok(world_copy(world, ioas, 0x1800, 2048, other, MAP_RO | MAP_FIXED_, &iova));
}
END_TEST

START_TEST(a_later_piece_on_an_unaligned_iova_fails_in_the_domain_only)
{
	setup();
	uint32_t plain = made(world_ioas(world)), domain = made(world_ioas(world));
	uint64_t iova = APERTURE;
	ck_assert_ok(world_mock(world, domain, 0, NULL));
	ck_assert_ok(world_map_at(world, ioas, buffer, 0x800 - 0x10, 0x10000));
	ck_assert_ok(world_map_at(world, ioas, buffer + 0x1000, 0x810, 0x107f0));
	ck_assert_ok(world_copy(world, ioas, 0x10000, 0x1000, plain, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_refused(
		world_copy(world, ioas, 0x10000, 0x1000, domain, MAP_RW | MAP_FIXED_, &iova),
		ENXIO);
	ck_assert_ok(world_refs(world, buffer, 0x2000, 0));
	ck_assert_refused(world_unmap(world, domain, APERTURE, 0x1000), ENOENT);
}
END_TEST

START_TEST(copy_converts_the_n_th_area_of_the_test_flag)
{
	setup();
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, 0x10000));
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, 0x20000));
	struct iommu_ioas_copy cmd = {.flags = 0x10000 | MAP_RW,
				      .src_ioas_id = ioas,
				      .dst_ioas_id = other,
				      .src_iova = 1 | 0x800ULL << 32,
				      .length = 0x100};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_IOAS_COPY, &cmd));
	ck_assert_uint_eq(cmd.flags, MAP_RW);
	ck_assert_uint_eq(cmd.src_iova, 0x20800);
}
END_TEST

START_TEST(options_check_object_operation_and_value)
{
	setup();
	uint64_t value = 7;
	ck_assert_refused(world_option(world, 2, 0, 0, &value), EOPNOTSUPP);
	ck_assert_refused(world_option(world, 1, 1, 0, &value), ENOENT);
	ck_assert_refused(world_option(world, 1, 2, 99, &value), ENOENT);
	ck_assert_refused(world_option(world, 1, 2, ioas, &value), EOPNOTSUPP);
	ck_assert_refused(world_option(world, 1, 0, ioas, &value), EINVAL);
	ck_assert_ok(world_option(world, 1, 1, ioas, &value));
	ck_assert_uint_eq(value, 1);
	value = 0;
	ck_assert_refused(world_option(world, 0, 0, ioas, &value), EOPNOTSUPP);
	ck_assert_refused(world_option(world, 0, 2, 0, &value), EOPNOTSUPP);
	/* Only before any object exists. */
	ck_assert_refused(world_option(world, 0, 0, 0, &value), EBUSY);
	ck_assert_ok(world_destroy(world, ioas));
	value = 2;
	ck_assert_refused(world_option(world, 0, 0, 0, &value), EINVAL);
	value = 1;
	ck_assert_ok(world_option(world, 0, 0, 0, &value));
	value = 9;
	ck_assert_ok(world_option(world, 0, 1, 0, &value));
	ck_assert_uint_eq(value, 1);
	world->process->credentials.cap_sys_resource = false;
	ck_assert_refused(world_option(world, 0, 0, 0, &value), EPERM);
}
END_TEST

START_TEST(huge_pages_off_raises_the_alignment_to_a_page)
{
	setup();
	uint64_t off = 0, on = 1, alignment;
	ck_assert_ok(world_map_at(world, ioas, buffer, 4095, 0x10000));
	ck_assert_refused(world_option(world, 1, 0, ioas, &off), EADDRINUSE);
	ck_assert_ok(world_ranges(world, ioas, NULL, 0, NULL, &alignment) == -EMSGSIZE ? 0 : 1);
	ck_assert_uint_eq(alignment, 1);
	ck_assert_int_eq(world_unmap_all(world, ioas), 4095);
	ck_assert_ok(world_option(world, 1, 0, ioas, &off));
	ck_assert_refused(world_map_at(world, ioas, buffer, 2048, 0x10000), EINVAL);
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, 0x10000));
	ck_assert_ok(world_option(world, 1, 0, ioas, &off));
	ck_assert_ok(world_option(world, 1, 0, ioas, &on));
	ck_assert_ok(world_map_at(world, ioas, buffer, 2, 0x20000));
	/* Not with a domain and an area; but off already is off. */
	ck_assert_int_eq(world_unmap_all(world, ioas), 4098);
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, APERTURE));
	ck_assert_refused(world_option(world, 1, 0, ioas, &off), EINVAL);
	ck_assert_int_eq(world_unmap_all(world, ioas), 4096);
	ck_assert_ok(world_option(world, 1, 0, ioas, &off));
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, APERTURE));
	ck_assert_ok(world_option(world, 1, 0, ioas, &off));
}
END_TEST

START_TEST(alignment_follows_domains_and_accesses)
{
	setup();
	uint64_t alignment;
	struct mock mock;
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	world_ranges(world, ioas, NULL, 0, NULL, &alignment);
	ck_assert_uint_eq(alignment, 2048);
	int any = (int)made(world_access(world, ioas, 0));
	world_ranges(world, ioas, NULL, 0, NULL, &alignment);
	ck_assert_uint_eq(alignment, 2048);
	int pin = (int)made(world_access(world, ioas, 1));
	world_ranges(world, ioas, NULL, 0, NULL, &alignment);
	ck_assert_uint_eq(alignment, 4096);
	ck_assert_ok(world_close(world, pin));
	ck_assert_ok(world_close(world, any));
	world_ranges(world, ioas, NULL, 0, NULL, &alignment);
	ck_assert_uint_eq(alignment, 2048);
	ck_assert_ok(world_map_at(world, ioas, buffer, 2048, APERTURE));
	ck_assert_refused(world_access(world, ioas, 1), EADDRINUSE);
	ck_assert_int_eq(world_access(world, ioas, 0), pin < any ? pin : any);
	ck_assert_ok(world_destroy(world, mock.stdev));
	world_ranges(world, ioas, NULL, 0, NULL, &alignment);
	ck_assert_uint_eq(alignment, 1);
}
END_TEST

START_TEST(map_file_accepts_any_file_until_it_must_pin)
{
	setup();
	int null = 0;
	int file = (int)made(world_memfd(world, 4 * PAGE_SIZE));
	uint64_t iova = 0;
	ck_assert_refused(world_map_file(world, ioas, file, 0, 4096, 8, &iova), EOPNOTSUPP);
	ck_assert_refused(world_map_file(world, ioas, file, 0, UINT64_MAX, 0, &iova), EOVERFLOW);
	ck_assert_refused(world_map_file(world, ioas, file, 0, 4096, 0, &iova), EINVAL);
	ck_assert_refused(world_map_file(world, 99, 99, 0, 4096, MAP_RW, &iova), ENOENT);
	ck_assert_refused(world_map_file(world, ioas, 99, 0, 0, MAP_RW, &iova), EINVAL);
	ck_assert_refused(world_map_file(world, ioas, 99, 3, UINT64_MAX - 1, MAP_RW, &iova),
			  EOVERFLOW);
	ck_assert_refused(world_map_file(world, ioas, 99, 0, 4096, MAP_RW, &iova), EBADF);
	ck_assert_refused(world_map_file(world, ioas, -1, 0, 4096, MAP_RW, &iova), EBADF);
	ck_assert_ok(world_map_file(world, ioas, null, 0, 4096, MAP_RW, &iova));
	ck_assert_ok(world_map_file(world, ioas, file, 0, 9 * PAGE_SIZE, MAP_RW, &iova));
	ck_assert_int_gt(world_unmap_all(world, ioas), 0);
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	iova = 0;
	ck_assert_refused(world_map_file(world, ioas, null, 0, 4096, MAP_RW, &iova), EINVAL);
	ck_assert_refused(world_map_file(world, ioas, file, 0, 5 * PAGE_SIZE, MAP_RW, &iova),
			  EINVAL);
	ck_assert_ok(world_map_file(world, ioas, file, 0, 4 * PAGE_SIZE, MAP_RW, &iova));
	ck_assert_refused(
		world_map_file(world, ioas, file, PAGE_SIZE, 4 * PAGE_SIZE, MAP_RW, &iova), EINVAL);
}
END_TEST

START_TEST(unmap_may_end_the_last_use_of_an_access_file)
{
	uint64_t iova = 0;
	uint32_t id = made(world_ioas(world));
	int access = (int)made(world_access(world, id, 1));
	ck_assert_ok(world_map_file(world, id, access, 0, PAGE_SIZE, MAP_RW, &iova));
	ck_assert_ok(world_close(world, access));
	ck_assert_refused(world_destroy(world, id), EBUSY);
	ck_assert_int_eq(world_unmap_all(world, id), PAGE_SIZE);
	ck_assert_ok(world_destroy(world, id));
}
END_TEST

/* --- alignment (2) --- */

static uint64_t alignment_of(uint32_t id)
{
	uint64_t alignment = 0;
	struct iommu_iova_range ranges[8];
	ck_assert_ok(world_ranges(world, id, ranges, 8, NULL, &alignment));
	return alignment;
}

START_TEST(a_new_ioas_is_byte_aligned_and_has_huge_pages)
{
	setup();
	uint64_t value = 7;
	ck_assert_uint_eq(alignment_of(ioas), 1);
	ck_assert_ok(
		world_option(world, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, ioas, &value));
	ck_assert_uint_eq(value, 1);
}
END_TEST

START_TEST(a_new_domain_does_not_lower_the_alignment)
{
	setup();
	int pin = (int)made(world_access(world, ioas, 1));
	ck_assert_uint_eq(alignment_of(ioas), 4096);
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_uint_eq(alignment_of(ioas), 4096);
	ck_assert_ok(world_close(world, pin));
	ck_assert_uint_eq(alignment_of(ioas), 2048);
}
END_TEST

START_TEST(huge_pages_on_lowers_the_alignment_again)
{
	setup();
	uint64_t off = 0, on = 1;
	ck_assert_ok(world_option(world, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, &off));
	ck_assert_uint_eq(alignment_of(ioas), 4096);
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_uint_eq(alignment_of(ioas), 4096);
	ck_assert_ok(world_option(world, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, &on));
	ck_assert_uint_eq(alignment_of(ioas), 2048);
	/* Never refused, whatever is mapped. */
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, APERTURE));
	ck_assert_ok(world_option(world, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, &on));
}
END_TEST

/* The area alone stands in the way of an access, of a domain, and of page-sized IOPTEs. */
static void check_unaligned(uint64_t va, uint64_t length, uint64_t iova)
{
	uint64_t off = 0;
	uint32_t id = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, id, va, length, iova));
	ck_assert_refused(world_access(world, id, 1), EADDRINUSE);
	ck_assert_refused(world_mock(world, id, 0, NULL), EADDRINUSE);
	ck_assert_refused(
		world_option(world, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, id, &off),
		EADDRINUSE);
	ck_assert_uint_eq(alignment_of(id), 1);
	made(world_access(world, id, 0));
}

START_TEST(alignment_can_not_grow_over_an_unaligned_iova)
{
	setup();
	check_unaligned(buffer, 4096, APERTURE + 1024);
}
END_TEST

START_TEST(alignment_can_not_grow_over_an_unaligned_length)
{
	setup();
	check_unaligned(buffer, 1024, APERTURE);
}
END_TEST

START_TEST(alignment_can_not_grow_over_an_unaligned_page_offset)
{
	setup();
	check_unaligned(buffer + 1024, 4096, APERTURE);
}
END_TEST

/* --- IOAS_ALLOC (2.1) --- */

START_TEST(alloc_reads_and_writes_its_three_words)
{
	uint8_t flags[12] = {12, 0, 0, 0, 1}, good[12] = {12, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9};
	const uint8_t got[12] = {12, 0, 0, 0, 0, 0, 0, 0, 1};
	ck_assert_refused(world_ioctl_sized(world, IOMMUFD_NR_IOAS_ALLOC, flags, 12), EOPNOTSUPP);
	ck_assert_ok(world_ioctl_sized(world, IOMMUFD_NR_IOAS_ALLOC, good, 12));
	ck_assert_mem_eq(good, got, 12);
}
END_TEST

START_TEST(alloc_takes_no_flags)
{
	for (uint32_t bit = 0; bit < 32; bit++) {
		struct iommu_ioas_alloc cmd = {.flags = 1U << bit};
		ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_ALLOC, &cmd), EOPNOTSUPP);
	}
}
END_TEST

START_TEST(alloc_that_can_not_answer_makes_nothing)
{
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)};
	world_put(world, va, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_IOAS_ALLOC), va), EFAULT);
	ck_assert_refused(world_unmap_all(world, 1), ENOENT);
	ck_assert_int_eq(world_ioas(world), 1);
}
END_TEST

/* --- IOVA_RANGES (2.2) --- */

START_TEST(ranges_reads_and_writes_its_six_fields)
{
	setup();
	uint8_t bytes[32] = {32, 0, 0, 0, (uint8_t)ioas, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0};
	uint8_t got[32], reserved[32] = {32, 0, 0, 0, (uint8_t)ioas, 0, 0, 0, 0, 0, 0, 0, 1};
	uint8_t elements[16];
	memcpy(bytes + 16, &world->data, 8);
	memcpy(got, bytes, 32);
	got[8] = 1;
	got[24] = 1;
	ck_assert_ok(world_ioctl_sized(world, IOMMUFD_NR_IOAS_IOVA_RANGES, bytes, 32));
	ck_assert_mem_eq(bytes, got, 32);
	world_get(world, world->data, elements, 16);
	for (int i = 0; i < 16; i++)
		ck_assert_uint_eq(elements[i], i < 8 ? 0 : 0xff);
	ck_assert_refused(world_ioctl_sized(world, IOMMUFD_NR_IOAS_IOVA_RANGES, reserved, 32),
			  EOPNOTSUPP);
}
END_TEST

START_TEST(ranges_checks_reserved_then_the_ioas)
{
	struct iommu_ioas_iova_ranges cmd = {.ioas_id = 99, .__reserved = 0x80000000};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_IOVA_RANGES, &cmd), EOPNOTSUPP);
	cmd.__reserved = 0;
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_IOVA_RANGES, &cmd), ENOENT);
}
END_TEST

START_TEST(ranges_writes_no_more_elements_than_it_may)
{
	setup();
	struct iommu_iova_range at[3];
	memset(at, 0xaa, sizeof(at));
	uint64_t va = world_data(world, at, sizeof(at));
	ck_assert_ok(world_reserve(world, ioas, 0x1000, 0x1000));
	ck_assert_ok(world_reserve(world, ioas, 0x3000, 0x1000));
	struct iommu_ioas_iova_ranges cmd = {.ioas_id = ioas, .num_iovas = 1, .allowed_iovas = va};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_IOVA_RANGES, &cmd), EMSGSIZE);
	/* The answer is written all the same. */
	ck_assert_uint_eq(cmd.num_iovas, 3);
	ck_assert_uint_eq(cmd.out_iova_alignment, 1);
	world_get(world, va, at, sizeof(at));
	ck_assert_uint_eq(at[0].start, 0);
	ck_assert_uint_eq(at[0].last, 0xfff);
	ck_assert_uint_eq(at[1].start, 0xaaaaaaaaaaaaaaaa);
}
END_TEST

START_TEST(ranges_that_can_not_answer_is_efault)
{
	setup();
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_ioas_iova_ranges cmd = {.size = sizeof(cmd), .ioas_id = ioas};
	world_put(world, va, &cmd, sizeof(cmd));
	/* Before EMSGSIZE. */
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_IOAS_IOVA_RANGES), va),
			  EFAULT);
}
END_TEST

START_TEST(an_element_that_can_not_be_written_ends_the_walk_without_an_answer)
{
	setup();
	ck_assert_ok(world_reserve(world, ioas, 0x1000, 0x1000));
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va + PAGE_SIZE, PAGE_SIZE));
	struct iommu_ioas_iova_ranges cmd = {.ioas_id = ioas,
					     .num_iovas = 2,
					     .allowed_iovas = va + PAGE_SIZE - 16,
					     .out_iova_alignment = 77};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_IOVA_RANGES, &cmd), EFAULT);
	ck_assert_uint_eq(cmd.num_iovas, 2);
	ck_assert_uint_eq(cmd.out_iova_alignment, 77);
	/* The element before it is written; one that is not asked for does no harm. */
	struct iommu_iova_range first;
	world_get(world, va + PAGE_SIZE - 16, &first, sizeof(first));
	ck_assert_uint_eq(first.last, 0xfff);
	cmd.num_iovas = 1;
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_IOVA_RANGES, &cmd), EMSGSIZE);
}
END_TEST

START_TEST(ranges_know_neither_areas_nor_allowed_ranges)
{
	setup();
	struct iommu_iova_range allowed[] = {{0x10000, 0x1ffff}}, ranges[4];
	uint32_t count;
	ck_assert_ok(world_allow(world, ioas, allowed, 1));
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, 0x5000));
	ck_assert_ok(world_ranges(world, ioas, ranges, 4, &count, NULL));
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(ranges[0].start, 0);
	ck_assert_uint_eq(ranges[0].last, UINT64_MAX);
}
END_TEST

/* --- ALLOW_IOVAS (2.3) --- */

static int64_t allow_cmd(struct iommu_ioas_allow_iovas cmd)
{
	return world_ioctl(world, IOMMUFD_NR_IOAS_ALLOW_IOVAS, &cmd);
}

START_TEST(allow_reads_its_five_fields)
{
	setup();
	uint64_t iova = 0;
	uint8_t elements[32] = {0, 0, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 1};
	uint8_t bytes[24] = {24, 0, 0, 0, (uint8_t)ioas, 0, 0, 0, 1};
	uint8_t reserved[24] = {24, 0, 0, 0, (uint8_t)ioas, 0, 0, 0, 0, 0, 0, 0, 1};
	uint64_t va = world_data(world, elements, sizeof(elements));
	memcpy(bytes + 16, &va, 8);
	ck_assert_ok(world_ioctl_sized(world, IOMMUFD_NR_IOAS_ALLOW_IOVAS, bytes, 24));
	ck_assert_ok(world_map(world, ioas, buffer, 4096, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x10000);
	ck_assert_refused(world_ioctl_sized(world, IOMMUFD_NR_IOAS_ALLOW_IOVAS, reserved, 24),
			  EOPNOTSUPP);
}
END_TEST

START_TEST(allow_checks_reserved_then_the_ioas_then_each_element)
{
	setup();
	ck_assert_refused(
		allow_cmd((struct iommu_ioas_allow_iovas){.ioas_id = 99, .__reserved = 1}),
		EOPNOTSUPP);
	ck_assert_refused(allow_cmd((struct iommu_ioas_allow_iovas){
				  .ioas_id = 99, .num_iovas = 1, .allowed_iovas = NOWHERE}),
			  ENOENT);
	/* The first element is looked at before the second is read. */
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va + PAGE_SIZE, PAGE_SIZE));
	struct iommu_iova_range one = {5, 5};
	world_put(world, va + PAGE_SIZE - 16, &one, sizeof(one));
	struct iommu_ioas_allow_iovas cmd = {
		.ioas_id = ioas, .num_iovas = 2, .allowed_iovas = va + PAGE_SIZE - 16};
	ck_assert_refused(allow_cmd(cmd), EINVAL);
	one.last = 6;
	world_put(world, va + PAGE_SIZE - 16, &one, sizeof(one));
	ck_assert_refused(allow_cmd(cmd), EFAULT);
	/* Reserved ranges matter only after that. */
	ck_assert_ok(world_reserve(world, ioas, 0, 16));
	ck_assert_refused(allow_cmd(cmd), EFAULT);
	cmd.num_iovas = 1;
	ck_assert_refused(allow_cmd(cmd), EADDRINUSE);
}
END_TEST

START_TEST(a_range_of_one_byte_can_not_be_allowed)
{
	setup();
	struct iommu_iova_range one[] = {{0x1000, 0x1000}}, two[] = {{0x1000, 0x1001}};
	ck_assert_refused(world_allow(world, ioas, one, 1), EINVAL);
	ck_assert_ok(world_allow(world, ioas, two, 1));
}
END_TEST

START_TEST(allowed_ranges_of_one_call_may_not_meet)
{
	setup();
	struct iommu_iova_range ranges[] = {{0x1000, 0x1fff}, {0x1fff, 0x2fff}};
	ck_assert_refused(world_allow(world, ioas, ranges, 2), EINVAL);
	ranges[1].start++;
	ck_assert_ok(world_allow(world, ioas, ranges, 2));
	/* Those of the call before do not count. */
	ck_assert_ok(world_allow(world, ioas, ranges, 2));
}
END_TEST

START_TEST(allow_without_memory_is_enomem_and_keeps_the_old_list)
{
	setup();
	uint64_t iova = 0;
	struct iommu_iova_range old[] = {{0x10000, 0x1ffff}}, new[] = {{0x30000, 0x3ffff}};
	ck_assert_ok(world_allow(world, ioas, old, 1));
	/* After the copies of size and struct, the lookup and the element. */
	world->machine->failures.countdown = 5;
	ck_assert_refused(world_allow(world, ioas, new, 1), ENOMEM);
	ck_assert_ok(world_map(world, ioas, buffer, 4096, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x10000);
}
END_TEST

START_TEST(an_allowed_range_in_a_reserved_one_keeps_the_old_list)
{
	setup();
	uint64_t iova = 0;
	struct iommu_iova_range old[] = {{0x10000, 0x1ffff}};
	struct iommu_iova_range new[] = {{0x30000, 0x3ffff}, {0x50000, 0x50fff}};
	ck_assert_ok(world_reserve(world, ioas, 0x50fff, 1));
	ck_assert_ok(world_allow(world, ioas, old, 1));
	ck_assert_refused(world_allow(world, ioas, new, 2), EADDRINUSE);
	ck_assert_ok(world_map(world, ioas, buffer, 4096, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x10000);
	/* The whole list is swapped. */
	new[1].last--;
	ck_assert_ok(world_allow(world, ioas, new, 2));
	ck_assert_ok(world_map(world, ioas, buffer, 4096, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x30000);
}
END_TEST

START_TEST(allow_does_not_answer)
{
	setup();
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_ioas_allow_iovas cmd = {.size = sizeof(cmd), .ioas_id = ioas};
	world_put(world, va, &cmd, sizeof(cmd));
	ck_assert_ok(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_IOAS_ALLOW_IOVAS), va));
}
END_TEST

START_TEST(allowing_nothing_lifts_the_limit)
{
	setup();
	uint64_t iova = 0;
	struct iommu_iova_range range[] = {{0x10000, 0x1ffff}};
	ck_assert_ok(world_allow(world, ioas, range, 1));
	ck_assert_ok(world_allow(world, ioas, NULL, 0));
	ck_assert_ok(world_map(world, ioas, buffer + 0x1000, 4096, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x1000);
	ck_assert_ok(world_reserve(world, ioas, 0x10000, 1));
}
END_TEST

START_TEST(a_domain_that_needs_an_allowed_range_is_refused)
{
	setup();
	struct iommu_iova_range low[] = {{0x1000, 0x1fff}}, high[] = {{APERTURE, APERTURE + 1}};
	ck_assert_ok(world_allow(world, ioas, low, 1));
	ck_assert_refused(world_mock(world, ioas, 0, NULL), EADDRINUSE);
	ck_assert_ok(world_allow(world, ioas, high, 1));
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
}
END_TEST

/* --- OPTION (2.10) --- */

#define OPTION(option, op, object, value) world_option(world, (option), (op), (object), (value))

START_TEST(option_reads_and_writes_its_six_fields)
{
	setup();
	uint8_t get[24] = {24, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, (uint8_t)ioas, 0, 0, 0, 7};
	uint8_t set[24] = {24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, (uint8_t)ioas};
	uint8_t reserved[24] = {24, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, (uint8_t)ioas};
	ck_assert_ok(world_ioctl_sized(world, IOMMUFD_NR_OPTION, get, 24));
	ck_assert_uint_eq(get[16], 1);
	ck_assert_ok(world_ioctl_sized(world, IOMMUFD_NR_OPTION, set, 24));
	ck_assert_ok(world_ioctl_sized(world, IOMMUFD_NR_OPTION, get, 24));
	ck_assert_uint_eq(get[16], 0);
	ck_assert_refused(world_ioctl_sized(world, IOMMUFD_NR_OPTION, reserved, 24), EOPNOTSUPP);
}
END_TEST

START_TEST(an_option_writes_back_its_value_alone)
{
	setup();
	/* Only the page with val64 can be written. */
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED), at = va + PAGE_SIZE - 16;
	ck_assert_int_gt(world_sys(world, SYS_MMAP, va, PAGE_SIZE, PROT_READ_BIT,
				   SHARED | MAP_FIXED_BIT, UINT64_MAX, 0),
			 0);
	struct iommu_option cmd = {.size = sizeof(cmd),
				   .option_id = IOMMU_OPTION_HUGE_PAGES,
				   .op = IOMMU_OPTION_OP_GET,
				   .object_id = ioas};
	world_put(world, at, &cmd, sizeof(cmd));
	ck_assert_ok(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_OPTION), at));
	world_get(world, at, &cmd, sizeof(cmd));
	ck_assert_uint_eq(cmd.val64, 1);
}
END_TEST

START_TEST(an_option_takes_effect_although_its_answer_fails)
{
	setup();
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED), value = 7;
	struct iommu_option cmd = {.size = sizeof(cmd),
				   .option_id = IOMMU_OPTION_HUGE_PAGES,
				   .op = IOMMU_OPTION_OP_SET,
				   .object_id = ioas};
	world_put(world, va, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_OPTION), va), EFAULT);
	ck_assert_ok(OPTION(IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, ioas, &value));
	ck_assert_uint_eq(value, 0);
}
END_TEST

START_TEST(the_rlimit_mode_is_checked_in_order)
{
	setup();
	uint64_t value = 2;
	/* The object, the operation, the right, other objects, the value. */
	world->process->credentials.cap_sys_resource = false;
	ck_assert_refused(OPTION(0, 2, ioas, &value), EOPNOTSUPP);
	ck_assert_refused(OPTION(0, IOMMU_OPTION_OP_GET, ioas, &value), EOPNOTSUPP);
	ck_assert_refused(OPTION(0, 2, 0, &value), EOPNOTSUPP);
	ck_assert_refused(OPTION(0, IOMMU_OPTION_OP_SET, 0, &value), EPERM);
	ck_assert_ok(OPTION(0, IOMMU_OPTION_OP_GET, 0, &value));
	world->process->credentials.cap_sys_resource = true;
	value = 2;
	ck_assert_refused(OPTION(0, IOMMU_OPTION_OP_SET, 0, &value), EBUSY);
	ck_assert_ok(world_destroy(world, ioas));
	ck_assert_refused(OPTION(0, IOMMU_OPTION_OP_SET, 0, &value), EINVAL);
	value = UINT64_MAX;
	ck_assert_refused(OPTION(0, IOMMU_OPTION_OP_SET, 0, &value), EINVAL);
}
END_TEST

START_TEST(the_rlimit_mode_can_be_set_and_read)
{
	uint64_t value = 1;
	ck_assert_ok(OPTION(0, IOMMU_OPTION_OP_SET, 0, &value));
	value = 7;
	ck_assert_ok(OPTION(0, IOMMU_OPTION_OP_GET, 0, &value));
	ck_assert_uint_eq(value, 1);
	value = 0;
	ck_assert_ok(OPTION(0, IOMMU_OPTION_OP_SET, 0, &value));
	value = 7;
	ck_assert_ok(OPTION(0, IOMMU_OPTION_OP_GET, 0, &value));
	ck_assert_uint_eq(value, 0);
}
END_TEST

START_TEST(a_placeholder_keeps_the_rlimit_mode)
{
	struct iommu_ioas_alloc alloc = {0};
	struct iommu_option set = {.option_id = 0, .op = IOMMU_OPTION_OP_SET, .val64 = 1};
	struct flight making, aside;
	world_stepwise(world, true);
	flight_start(&making, world, 0, IOMMUFD_NR_IOAS_ALLOC, &alloc);
	ck_assert(flight_until(&making, "ioas_creation_lock"));
	flight_start(&aside, world, 1, IOMMUFD_NR_OPTION, &set);
	ck_assert_refused(flight_finish(&aside), EBUSY);
	ck_assert_ok(flight_finish(&making));
}
END_TEST

START_TEST(a_tombstone_keeps_the_rlimit_mode)
{
	uint64_t value = 1;
	struct viommu_world v = world_make_viommu(world);
	made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	ck_assert_ok(world_destroy(world, v.mock.stdev));
	ck_assert_ok(world_destroy(world, v.nested));
	ck_assert_ok(world_destroy(world, v.viommu));
	ck_assert_ok(world_destroy(world, v.parent));
	ck_assert_ok(world_destroy(world, v.ioas));
	ck_assert_refused(OPTION(0, IOMMU_OPTION_OP_SET, 0, &value), EBUSY);
}
END_TEST

START_TEST(huge_pages_needs_its_ioas_before_an_operation)
{
	setup();
	uint64_t value = 2;
	ck_assert_refused(OPTION(1, 2, 99, &value), ENOENT);
	ck_assert_refused(OPTION(1, 2, ioas, &value), EOPNOTSUPP);
	ck_assert_refused(OPTION(1, IOMMU_OPTION_OP_SET, ioas, &value), EINVAL);
	ck_assert_refused(OPTION(2, IOMMU_OPTION_OP_SET, ioas, &value), EOPNOTSUPP);
	struct iommu_option cmd = {.option_id = 2, .__reserved = 1};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_OPTION, &cmd), EOPNOTSUPP);
}
END_TEST

START_TEST(huge_pages_off_needs_no_domain_or_no_area)
{
	setup();
	uint64_t off = 0, value = 7;
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, APERTURE));
	ck_assert_refused(OPTION(1, IOMMU_OPTION_OP_SET, ioas, &off), EINVAL);
	ck_assert_ok(OPTION(1, IOMMU_OPTION_OP_GET, ioas, &value));
	ck_assert_uint_eq(value, 1);
	ck_assert_int_eq(world_unmap_all(world, ioas), 4096);
	ck_assert_ok(OPTION(1, IOMMU_OPTION_OP_SET, ioas, &off));
	ck_assert_ok(OPTION(1, IOMMU_OPTION_OP_GET, ioas, &value));
	ck_assert_uint_eq(value, 0);
	/* Off once more is nothing to do. */
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, APERTURE));
	ck_assert_ok(OPTION(1, IOMMU_OPTION_OP_SET, ioas, &off));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		map_checks_its_arguments_in_order,
		without_a_domain_the_memory_is_not_looked_at,
		a_fixed_map_checks_alignment_overflow_reserved_then_areas,
		a_mapping_survives_an_efault_of_its_answer,
		unmap_checks_its_arguments,
		unmap_takes_whole_areas_and_counts_no_holes,
		a_failed_unmap_keeps_its_partial_effect_and_says_nothing,
		ranges_are_the_holes_between_reserved_ones,
		a_fully_reserved_space_has_no_range,
		an_unwritable_range_array_is_efault_and_nothing_is_written,
		allowed_ranges_are_checked_one_by_one,
		fixed_maps_ignore_allowed_ranges_and_these_ignore_areas,
		reserving_over_an_area_is_eaddrinuse,
		copy_checks_its_arguments_in_order,
		copy_takes_any_slice_of_contiguous_areas,
		copy_within_one_ioas_is_independent_of_its_source,
		copy_can_not_gain_write_permission,
		a_later_piece_on_an_unaligned_iova_fails_in_the_domain_only,
		copy_converts_the_n_th_area_of_the_test_flag,
		options_check_object_operation_and_value,
		huge_pages_off_raises_the_alignment_to_a_page,
		alignment_follows_domains_and_accesses,
		map_file_accepts_any_file_until_it_must_pin,
		unmap_may_end_the_last_use_of_an_access_file,
		a_new_ioas_is_byte_aligned_and_has_huge_pages,
		a_new_domain_does_not_lower_the_alignment,
		huge_pages_on_lowers_the_alignment_again,
		alignment_can_not_grow_over_an_unaligned_iova,
		alignment_can_not_grow_over_an_unaligned_length,
		alignment_can_not_grow_over_an_unaligned_page_offset,
		alloc_reads_and_writes_its_three_words,
		alloc_takes_no_flags,
		alloc_that_can_not_answer_makes_nothing,
		ranges_reads_and_writes_its_six_fields,
		ranges_checks_reserved_then_the_ioas,
		ranges_writes_no_more_elements_than_it_may,
		ranges_that_can_not_answer_is_efault,
		an_element_that_can_not_be_written_ends_the_walk_without_an_answer,
		ranges_know_neither_areas_nor_allowed_ranges,
		allow_reads_its_five_fields,
		allow_checks_reserved_then_the_ioas_then_each_element,
		a_range_of_one_byte_can_not_be_allowed,
		allowed_ranges_of_one_call_may_not_meet,
		allow_without_memory_is_enomem_and_keeps_the_old_list,
		an_allowed_range_in_a_reserved_one_keeps_the_old_list,
		allow_does_not_answer,
		allowing_nothing_lifts_the_limit,
		a_domain_that_needs_an_allowed_range_is_refused,
		option_reads_and_writes_its_six_fields,
		an_option_writes_back_its_value_alone,
		an_option_takes_effect_although_its_answer_fails,
		the_rlimit_mode_is_checked_in_order,
		the_rlimit_mode_can_be_set_and_read,
		a_placeholder_keeps_the_rlimit_mode,
		a_tombstone_keeps_the_rlimit_mode,
		huge_pages_needs_its_ioas_before_an_operation,
		huge_pages_off_needs_no_domain_or_no_area,
	};
	return RUN_TESTS("shim_ioas", tests);
}
