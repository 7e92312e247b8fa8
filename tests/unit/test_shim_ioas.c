/* SPDX-License-Identifier: Apache-2.0 */
/* Map, unmap, copy, ranges and options of an IOAS (iommufd 2). */
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
	};
	return RUN_TESTS("shim_ioas", tests);
}
