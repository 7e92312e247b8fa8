/* SPDX-License-Identifier: Apache-2.0 */
/* HWPTs: allocation, attach, replace, PASIDs, hardware information (iommufd 4.1, 4.3, 4.6). */
#include <string.h>

#include "tests/kit/test.h"

static uint32_t ioas;
static struct mock mock;

#define NEST  IOMMU_HWPT_ALLOC_NEST_PARENT
#define DIRTY IOMMU_HWPT_ALLOC_DIRTY_TRACKING
#define FAULT IOMMU_HWPT_FAULT_ID_VALID
#define PASID IOMMU_HWPT_ALLOC_PASID

static void setup(void)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
}

static int64_t alloc(struct iommu_hwpt_alloc cmd)
{
	return world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd);
}

#define ALLOC(...) alloc((struct iommu_hwpt_alloc){__VA_ARGS__})

START_TEST(alloc_checks_its_arguments_in_order)
{
	setup();
	ck_assert_refused(ALLOC(.__reserved = 1, .data_len = 1), EOPNOTSUPP);
	ck_assert_refused(ALLOC(.data_len = 1), EINVAL);
	ck_assert_refused(ALLOC(.data_type = 1), EINVAL);
	ck_assert_refused(ALLOC(.pt_id = 99), ENOENT);
	ck_assert_refused(ALLOC(.dev_id = ioas, .pt_id = ioas), ENOENT);
	/* A missing pt_id is EINVAL, and so is one of another type. */
	ck_assert_refused(ALLOC(.dev_id = mock.idev, .pt_id = 99), EINVAL);
	ck_assert_refused(ALLOC(.dev_id = mock.idev, .pt_id = mock.idev), EINVAL);
	ck_assert_refused(ALLOC(.dev_id = mock.idev, .pt_id = mock.stdev), EINVAL);
	/* The second reserved field is not looked at. */
	ck_assert_ok(ALLOC(.dev_id = mock.idev, .pt_id = ioas, .__reserved2 = 7));
}
END_TEST

START_TEST(a_paging_hwpt_checks_flags_then_the_driver_s_data)
{
	setup();
	struct mock no_dirty;
	uint32_t data[3] = {0, 1, 0};
	uint64_t va = world_data(world, data, sizeof(data));
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_NO_DIRTY, &no_dirty));
	ck_assert_refused(world_hwpt(world, mock.idev, ioas, 0x10), EOPNOTSUPP);
	ck_assert_refused(world_hwpt(world, no_dirty.idev, ioas, DIRTY), EOPNOTSUPP);
	ck_assert_refused(world_hwpt(world, mock.idev, ioas, FAULT | NEST), EOPNOTSUPP);
#define WITH_DATA(type, length, pointer)                                                     \
	ALLOC(.dev_id = mock.idev, .pt_id = ioas, .data_type = (type), .data_len = (length), \
	      .data_uptr = (pointer))
	ck_assert_refused(WITH_DATA(1, 8, va), EOPNOTSUPP);
	ck_assert_refused(WITH_DATA(0xdead, 3, va), EINVAL);
	ck_assert_refused(WITH_DATA(0xdead, 9, va), EINVAL);
	ck_assert_refused(WITH_DATA(0xdead, 8, NOWHERE), EFAULT);
	ck_assert_ok(WITH_DATA(0xdead, 8, va));
	ck_assert_ok(WITH_DATA(0xdead, 4, va));
	data[1] = 2;
	world_data(world, data, sizeof(data));
	ck_assert_refused(WITH_DATA(0xdead, 8, va), EOPNOTSUPP);
	for (uint32_t flags = 0; flags < 16; flags++)
		if (!(flags & FAULT))
			ck_assert_int_gt(world_hwpt(world, mock.idev, ioas, flags), 0);
}
END_TEST

START_TEST(the_huge_page_table_has_its_own_aperture_and_alignment)
{
	setup();
	uint32_t other = made(world_ioas(world));
	uint32_t data[2] = {0, MOCK_IOMMUPT_HUGE};
	struct iommu_iova_range range;
	uint64_t alignment;
	ck_assert_ok(ALLOC(.dev_id = mock.idev, .pt_id = other, .data_type = 0xdead, .data_len = 8,
			   .data_uptr = world_data(world, data, 8)));
	ck_assert_ok(world_ranges(world, other, &range, 1, NULL, &alignment));
	ck_assert_uint_eq(range.start, 0);
	ck_assert_uint_eq(range.last, (1ULL << 38) - 1);
	ck_assert_uint_eq(alignment, 4096);
}
END_TEST

START_TEST(the_fault_queue_is_looked_up_last)
{
	setup();
	int fd;
	uint32_t fault = made(world_fault(world, &fd));
	/* Everything else that is wrong wins. */
	ck_assert_refused(ALLOC(.flags = FAULT | 0x10, .dev_id = mock.idev, .pt_id = ioas),
			  EOPNOTSUPP);
	uint64_t buffer = world_mmap_aligned(world, PAGE_SIZE);
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, other, buffer, 100, APERTURE));
	ck_assert_refused(ALLOC(.flags = FAULT, .dev_id = mock.idev, .pt_id = other), EADDRINUSE);
	ck_assert_int_eq(world_unmap_all(world, other), 100);
	ck_assert_ok(world_map_at(world, other, buffer, PAGE_SIZE, APERTURE));
	ck_assert_refused(ALLOC(.flags = FAULT, .dev_id = mock.idev, .pt_id = other), ENOENT);
	ck_assert_str_eq(world_rule(world), "iommufd 4.1 6");
	ck_assert_refused(
		ALLOC(.flags = FAULT, .dev_id = mock.idev, .pt_id = other, .fault_id = ioas),
		ENOENT);
	/* Torn down: neither pins nor the id stay. */
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	struct iommu_hwpt_alloc cmd = {
		.flags = FAULT, .dev_id = mock.idev, .pt_id = other, .fault_id = fault};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd));
	ck_assert_uint_eq(cmd.out_hwpt_id, other + 1);
	/* It uses the queue. */
	ck_assert_ok(world_close(world, fd));
	ck_assert_refused(world_destroy(world, fault), EBUSY);
	ck_assert_ok(world_destroy(world, cmd.out_hwpt_id));
	ck_assert_ok(world_destroy(world, fault));
}
END_TEST

START_TEST(a_nested_hwpt_needs_data_and_a_nest_parent)
{
	setup();
	uint32_t parent = made(world_hwpt(world, mock.idev, ioas, NEST));
	uint32_t plain = made(world_hwpt(world, mock.idev, ioas, 0));
	uint32_t data[2] = {1, 0};
	uint64_t va = world_data(world, data, 8);
	ck_assert_refused(world_hwpt(world, mock.idev, parent, 0), EOPNOTSUPP);
	ck_assert_refused(world_nested(world, mock.idev, parent, NEST, 0, 1), EOPNOTSUPP);
	ck_assert_refused(world_nested(world, mock.idev, parent, DIRTY, 0, 1), EOPNOTSUPP);
	/* No data comes before an unfit parent. */
	ck_assert_refused(world_hwpt(world, mock.idev, mock.hwpt, 0), EOPNOTSUPP);
	ck_assert_refused(world_nested(world, mock.idev, mock.hwpt, 0, 0, 1), EINVAL);
	ck_assert_refused(world_nested(world, mock.idev, plain, 0, 0, 1), EINVAL);
	ck_assert_refused(ALLOC(.dev_id = mock.idev, .pt_id = parent, .data_type = 1, .data_len = 8,
				.data_uptr = va),
			  EOPNOTSUPP);
	ck_assert_refused(ALLOC(.dev_id = mock.idev, .pt_id = parent, .data_type = 0xdead,
				.data_len = 3, .data_uptr = va),
			  EINVAL);
	ck_assert_refused(ALLOC(.dev_id = mock.idev, .pt_id = parent, .data_type = 0xdead,
				.data_len = 8, .data_uptr = NOWHERE),
			  EFAULT);
	uint32_t nested = made(world_nested(world, mock.idev, parent, PASID, 0, 1));
	ck_assert_refused(world_nested(world, mock.idev, nested, 0, 0, 1), EINVAL);
	ck_assert_refused(world_destroy(world, parent), EBUSY);
	ck_assert_ok(world_destroy(world, nested));
	ck_assert_ok(world_destroy(world, parent));
}
END_TEST

START_TEST(an_automatic_hwpt_goes_with_its_last_attachment)
{
	setup();
	struct mock second;
	uint32_t other = made(world_ioas(world)), pt = other;
	ck_assert_ok(world_mock(world, ioas, 0, &second));
	ck_assert_uint_eq(second.hwpt, mock.hwpt);
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_refused(world_destroy(world, mock.hwpt), EBUSY);
	uint32_t moved = pt;
	pt = other;
	ck_assert_ok(world_replace(world, second.stdev, &pt));
	/* The second one shares the new one; the old id is gone. */
	ck_assert_uint_eq(pt, moved);
	ck_assert_refused(world_destroy(world, mock.hwpt), ENOENT);
	ck_assert_ok(world_destroy(world, ioas));
	/* A manual one is never chosen, and stays. */
	uint32_t manual = made(world_hwpt(world, mock.idev, other, 0));
	pt = manual;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_uint_eq(pt, manual);
	ck_assert_ok(world_replace(world, second.stdev, &pt));
	ck_assert_refused(world_destroy(world, moved), ENOENT);
	pt = other;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_uint_ne(pt, manual);
	ck_assert_ok(world_destroy(world, second.stdev));
	ck_assert_ok(world_destroy(world, manual));
}
END_TEST

START_TEST(replace_takes_the_new_id_before_it_frees_the_old)
{
	setup();
	uint32_t other = made(world_ioas(world)), pt = other;
	ck_assert_uint_eq(other, 5);
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_uint_eq(pt, 6);
	ck_assert_int_eq(world_ioas(world), mock.hwpt);
}
END_TEST

START_TEST(attach_and_replace_check_what_they_are_given)
{
	setup();
	uint32_t pt = 99;
	ck_assert_refused(world_mock(world, 99, 0, NULL), ENOENT);
	ck_assert_refused(world_mock(world, mock.idev, 0, NULL), EINVAL);
	ck_assert_refused(world_replace(world, mock.idev, &pt), ENOENT);
	ck_assert_refused(world_replace(world, mock.stdev, &pt), ENOENT);
	pt = mock.idev;
	ck_assert_refused(world_replace(world, mock.stdev, &pt), EINVAL);
	pt = mock.hwpt;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_ok(world_pasid_check(world, mock.stdev, 0, mock.hwpt));
	ck_assert_refused(world_pasid_check(world, mock.stdev, 0, 0), EINVAL);
	ck_assert_ok(world_pasid_check(world, mock.stdev, 1, 0));
	ck_assert_refused(world_pasid_check(world, mock.stdev, 0, ioas), EINVAL);
	ck_assert_refused(world_pasid_check(world, mock.stdev, 0, 99), ENOENT);
}
END_TEST

START_TEST(a_device_without_dirty_tracking_refuses_a_tracking_domain)
{
	setup();
	uint32_t tracking = made(world_hwpt(world, mock.idev, ioas, DIRTY));
	ck_assert_refused(world_mock(world, tracking, MOCK_FLAGS_DEVICE_NO_DIRTY, NULL), EINVAL);
	ck_assert_ok(world_mock(world, tracking, 0, NULL));
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_NO_DIRTY, NULL));
}
END_TEST

START_TEST(a_failed_replace_keeps_the_old_attachment)
{
	setup();
	struct mock plain;
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_NO_DIRTY, &plain));
	uint32_t tracking = made(world_hwpt(world, mock.idev, ioas, DIRTY)), pt = tracking;
	ck_assert_refused(world_replace(world, plain.stdev, &pt), EINVAL);
	ck_assert_ok(world_pasid_check(world, plain.stdev, 0, plain.hwpt));
	ck_assert_ok(world_destroy(world, tracking));
}
END_TEST

#define ATTACH  IOMMU_TEST_OP_PASID_ATTACH
#define REPLACE IOMMU_TEST_OP_PASID_REPLACE

static int64_t pasid(enum iommu_test_op op, uint32_t stdev, uint32_t number, uint32_t pt)
{
	return world_pasid(world, op, stdev, number, &pt);
}

START_TEST(pasids_need_compatible_hwpts_all_over)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_PASID, &mock));
	uint32_t s = mock.stdev, plain = made(world_hwpt(world, mock.idev, ioas, 0));
	uint32_t compat = made(world_hwpt(world, mock.idev, ioas, PASID)), pt;
	uint32_t other = made(world_hwpt(world, mock.idev, ioas, PASID));
	/* The automatic domain on the RID is not compatible. */
	ck_assert_refused(pasid(ATTACH, s, 100, compat), EINVAL);
	pt = compat;
	ck_assert_ok(world_replace(world, s, &pt));
	ck_assert_refused(pasid(ATTACH, s, 100, plain), EINVAL);
	ck_assert_refused(pasid(ATTACH, s, 100, ioas), EINVAL);
	ck_assert_refused(pasid(ATTACH, s, 100, 99), ENOENT);
	ck_assert_refused(pasid(ATTACH, s, 100, mock.idev), EINVAL);
	ck_assert_refused(pasid(REPLACE, s, 100, compat), EINVAL);
	ck_assert_ok(world_pasid_detach(world, s, 100));
	ck_assert_ok(pasid(ATTACH, s, 100, compat));
	ck_assert_ok(world_pasid_check(world, s, 100, compat));
	ck_assert_refused(pasid(ATTACH, s, 100, compat), EBUSY);
	ck_assert_refused(pasid(ATTACH, s, 100, other), EBUSY);
	ck_assert_ok(pasid(REPLACE, s, 100, compat));
	ck_assert_refused(pasid(REPLACE, s, 100, plain), EINVAL);
	ck_assert_ok(world_pasid_check(world, s, 100, compat));
	ck_assert_ok(pasid(REPLACE, s, 100, other));
	ck_assert_ok(world_pasid_check(world, s, 100, other));
	ck_assert_refused(world_destroy(world, other), EBUSY);
	/* While it is attached the RID must stay compatible. */
	pt = plain;
	ck_assert_refused(world_replace(world, s, &pt), EINVAL);
	pt = ioas;
	ck_assert_refused(world_replace(world, s, &pt), EINVAL);
	pt = other;
	ck_assert_ok(world_replace(world, s, &pt));
	ck_assert_ok(world_pasid_detach(world, s, 100));
	ck_assert_ok(world_pasid_check(world, s, 100, 0));
	pt = plain;
	ck_assert_ok(world_replace(world, s, &pt));
	ck_assert_ok(world_destroy(world, other));
	ck_assert_ok(world_destroy(world, compat));
}
END_TEST

START_TEST(a_pasid_must_be_below_the_device_s_limit)
{
	ioas = made(world_ioas(world));
	struct mock none;
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_PASID, &mock));
	ck_assert_ok(world_mock(world, ioas, 0, &none));
	uint32_t compat = made(world_hwpt(world, mock.idev, ioas, PASID)), pt = compat;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_ok(world_replace(world, none.stdev, &pt));
	ck_assert_refused(pasid(ATTACH, none.stdev, 1, compat), EINVAL);
	ck_assert_refused(pasid(ATTACH, mock.stdev, 1 << 20, compat), EINVAL);
	ck_assert_ok(pasid(ATTACH, mock.stdev, (1 << 20) - 1, compat));
	ck_assert_ok(world_pasid_detach(world, mock.stdev, (1 << 20) - 1));
}
END_TEST

/* Trace G.6. */
START_TEST(pasid_1024_fails_every_second_time)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_PASID, &mock));
	uint32_t a = made(world_hwpt(world, mock.idev, ioas, PASID)), pt = a;
	uint32_t b = made(world_hwpt(world, mock.idev, ioas, PASID));
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_ok(pasid(ATTACH, mock.stdev, 1024, a));
	ck_assert_refused(pasid(REPLACE, mock.stdev, 1024, b), ENOMEM);
	ck_assert_ok(world_pasid_check(world, mock.stdev, 1024, a));
	ck_assert_ok(pasid(REPLACE, mock.stdev, 1024, b));
	ck_assert_ok(world_pasid_detach(world, mock.stdev, 1024));
	/* Detaching disarms. */
	ck_assert_ok(pasid(ATTACH, mock.stdev, 1024, a));
	ck_assert_ok(world_pasid_detach(world, mock.stdev, 1024));
	ck_assert_ok(pasid(ATTACH, mock.stdev, 1024, a));
	ck_assert_ok(world_pasid_detach(world, mock.stdev, 1024));
}
END_TEST

static int64_t hw_info(struct iommu_hw_info *cmd)
{
	return world_ioctl(world, IOMMUFD_NR_GET_HW_INFO, cmd);
}

START_TEST(hardware_information_fits_any_buffer)
{
	setup();
	static const uint32_t expected[2] = {0, 0xdeadbeef};
	uint8_t ones[32], got[32];
	memset(ones, 0xff, sizeof(ones));
	for (uint32_t length = 0; length <= 16; length++) {
		struct iommu_hw_info cmd = {.dev_id = mock.idev,
					    .data_len = length,
					    .data_uptr = length == 0 ? 0 : world->data,
					    .data_type = 0x77};
		world_data(world, ones, sizeof(ones));
		ck_assert_ok(hw_info(&cmd));
		ck_assert_uint_eq(cmd.data_len, 8);
		ck_assert_uint_eq(cmd.data_type, 0xfeedbeef);
		ck_assert_uint_eq(cmd.out_capabilities, 9);
		ck_assert_uint_eq(cmd.out_max_pasid_log2, 0);
		world_get(world, world->data, got, sizeof(got));
		for (uint32_t i = 0; i < 32; i++)
			ck_assert_uint_eq(got[i], i >= length ? 0xff
						  : i < 8     ? ((const uint8_t *)expected)[i]
							      : 0);
	}
}
END_TEST

START_TEST(hardware_information_checks_flags_type_and_device)
{
	setup();
	struct mock other;
	struct iommu_hw_info cmd = {.flags = 2};
	ck_assert_refused(hw_info(&cmd), EOPNOTSUPP);
	for (int i = 0; i < 3; i++) {
		cmd = (struct iommu_hw_info){0};
		cmd.__reserved[i] = 1;
		ck_assert_refused(hw_info(&cmd), EOPNOTSUPP);
	}
	cmd = (struct iommu_hw_info){.dev_id = ioas};
	ck_assert_refused(hw_info(&cmd), ENOENT);
	cmd = (struct iommu_hw_info){.dev_id = mock.idev, .flags = 1, .data_type = 1};
	ck_assert_refused(hw_info(&cmd), EOPNOTSUPP);
	cmd.data_type = 0xfeedbeef;
	ck_assert_ok(hw_info(&cmd));
	cmd = (struct iommu_hw_info){.dev_id = mock.idev, .data_len = 4, .data_uptr = NOWHERE};
	ck_assert_refused(hw_info(&cmd), EFAULT);
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_NO_DIRTY | MOCK_FLAGS_DEVICE_PASID,
				&other));
	cmd = (struct iommu_hw_info){.dev_id = other.idev};
	ck_assert_ok(hw_info(&cmd));
	ck_assert_uint_eq(cmd.out_capabilities, 8);
	ck_assert_uint_eq(cmd.out_max_pasid_log2, 20);
}
END_TEST

/* --- bytes of the structs, and what comes after the handler --- */

static uint32_t u32_at(const uint8_t *bytes, uint32_t at)
{
	uint32_t value;
	memcpy(&value, bytes + at, sizeof(value));
	return value;
}

static void put_u32(uint8_t *bytes, uint32_t at, uint32_t value)
{
	memcpy(bytes + at, &value, sizeof(value));
}

/* The call on SIZE literal bytes, which are read back. */
static int64_t raw(uint32_t nr, uint8_t *bytes, uint32_t size)
{
	world_put(world, world->args, bytes, size);
	int64_t result = world_ioctl_raw(world, IOMMUFD_IO(nr), world->args);
	world_get(world, world->args, bytes, size);
	return result;
}

/* A page of arguments that can be read and not written. */
static uint64_t read_only(const void *arg, uint32_t size)
{
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	world_put(world, va, arg, size);
	return va;
}

START_TEST(the_bytes_of_alloc_are_the_sheet_s)
{
	setup();
	int fd;
	uint32_t fault = made(world_fault(world, &fd));
	uint8_t data[8] = {0}, bytes[48] = {0};
	put_u32(data, 4, 1); /* the huge page table */
	uint32_t other = made(world_ioas(world));
	put_u32(bytes, 0, 48);
	put_u32(bytes, 4, 4); /* FAULT_ID_VALID */
	put_u32(bytes, 8, mock.idev);
	put_u32(bytes, 12, other);
	put_u32(bytes, 24, 0xdead);
	put_u32(bytes, 28, 8);
	put_u32(bytes, 32, (uint32_t)world_data(world, data, 8));
	put_u32(bytes, 36, (uint32_t)(world->data >> 32));
	put_u32(bytes, 40, fault);
	put_u32(bytes, 44, 0xffffffff);
	ck_assert_ok(raw(IOMMUFD_NR_HWPT_ALLOC, bytes, 48));
	ck_assert_uint_eq(u32_at(bytes, 16), other + 1);
	struct iommu_iova_range range;
	ck_assert_ok(world_ranges(world, other, &range, 1, NULL, NULL));
	ck_assert_uint_eq(range.last, (1ULL << 38) - 1);
	put_u32(bytes, 20, 1);
	ck_assert_refused(raw(IOMMUFD_NR_HWPT_ALLOC, bytes, 48), EOPNOTSUPP);
}
END_TEST

START_TEST(driver_data_has_the_sheet_s_bytes)
{
	setup();
	uint32_t parent = made(world_hwpt(world, mock.idev, ioas, NEST));
	uint8_t data[8] = {0x44, 0x33, 0x22, 0x11, 0, 0, 0, 0};
	struct iommu_hwpt_alloc cmd = {.dev_id = mock.idev,
				       .pt_id = parent,
				       .data_type = 0xdead,
				       .data_len = 8,
				       .data_uptr = world_data(world, data, 8)};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd));
	struct iommu_test_cmd check = {.id = cmd.out_hwpt_id, .check_iotlb = {3, 0x11223344}};
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_MD_CHECK_IOTLB, &check));
}
END_TEST

START_TEST(an_alloc_that_can_not_answer_leaves_nothing)
{
	setup();
	uint64_t buffer = world_mmap_aligned(world, PAGE_SIZE);
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, other, buffer, PAGE_SIZE, APERTURE));
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd), .dev_id = mock.idev, .pt_id = other};
	uint64_t va = read_only(&cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_HWPT_ALLOC), va), EFAULT);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	ck_assert_ok(world_destroy(world, other));
	ck_assert_int_eq(world_ioas(world), other);
	ck_assert_int_eq(world_ioas(world), other + 1);
}
END_TEST

START_TEST(a_device_without_pasids_of_its_own_has_a_log2_of_0)
{
	struct mock plain;
	setup();
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_PASID, &plain));
	struct iommu_hw_info cmd = {.dev_id = mock.idev};
	ck_assert_ok(hw_info(&cmd));
	ck_assert_uint_eq(cmd.out_max_pasid_log2, 0);
	cmd = (struct iommu_hw_info){.dev_id = plain.idev};
	ck_assert_ok(hw_info(&cmd));
	ck_assert_uint_eq(cmd.out_max_pasid_log2, 20);
	/* PASIDs alone are no PCI capability: bits 1 and 2 are clear. */
	ck_assert_uint_eq(cmd.out_capabilities, 9);
}
END_TEST

START_TEST(the_bytes_of_hardware_information_are_the_sheet_s)
{
	struct mock pasids;
	setup();
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_PASID, &pasids));
	static const uint8_t expected[8] = {0, 0, 0, 0, 0xef, 0xbe, 0xad, 0xde};
	uint8_t bytes[40] = {0}, got[8];
	put_u32(bytes, 0, 40);
	put_u32(bytes, 4, 1);
	put_u32(bytes, 8, pasids.idev);
	put_u32(bytes, 12, 8);
	put_u32(bytes, 16, (uint32_t)world->data);
	put_u32(bytes, 20, (uint32_t)(world->data >> 32));
	put_u32(bytes, 24, 0xfeedbeef);
	put_u32(bytes, 32, 0xffffffff);
	put_u32(bytes, 36, 0xffffffff);
	ck_assert_ok(raw(IOMMUFD_NR_GET_HW_INFO, bytes, 40));
	world_get(world, world->data, got, 8);
	for (int i = 0; i < 8; i++)
		ck_assert_uint_eq(got[i], expected[i]);
	ck_assert_uint_eq(u32_at(bytes, 12), 8);
	ck_assert_uint_eq(u32_at(bytes, 24), 0xfeedbeef);
	ck_assert_uint_eq(bytes[28], 20);
	for (int i = 29; i < 32; i++)
		ck_assert_uint_eq(bytes[i], 0);
	ck_assert_uint_eq(u32_at(bytes, 32), 9);
	ck_assert_uint_eq(u32_at(bytes, 36), 0);
}
END_TEST

START_TEST(the_buffer_of_hardware_information_must_be_writeable)
{
	setup();
	/* The information fits, the zeros behind it do not. */
	uint64_t two = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED), end = two + PAGE_SIZE;
	ck_assert_ok(world_sys(world, SYS_MUNMAP, end, PAGE_SIZE));
	struct iommu_hw_info cmd = {.dev_id = mock.idev, .data_len = 8, .data_uptr = end - 8};
	ck_assert_ok(hw_info(&cmd));
	cmd = (struct iommu_hw_info){.dev_id = mock.idev, .data_len = 9, .data_uptr = end - 8};
	ck_assert_refused(hw_info(&cmd), EFAULT);
	cmd = (struct iommu_hw_info){.dev_id = mock.idev, .data_len = 8, .data_uptr = end - 4};
	ck_assert_refused(hw_info(&cmd), EFAULT);
	/* No length, no access. */
	cmd = (struct iommu_hw_info){.dev_id = mock.idev, .data_uptr = end};
	ck_assert_ok(hw_info(&cmd));
	/* Nor can the answer go where nothing can be written. */
	cmd = (struct iommu_hw_info){.size = sizeof(cmd), .dev_id = mock.idev};
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_GET_HW_INFO),
					  read_only(&cmd, sizeof(cmd))),
			  EFAULT);
}
END_TEST

/* --- faults of one attachment (4.6) --- */

static int fault_fd;

static int64_t unread(void)
{
	uint8_t records[160];
	return world_read(world, fault_fd, records, sizeof(records)) / 40;
}

static int64_t answer(uint32_t cookie)
{
	struct iommu_hwpt_page_response response = {cookie, 0};
	return world_write(world, fault_fd, &response, sizeof(response));
}

/* A nested HWPT with a fault queue on the RID and on PASID 5. */
static uint32_t setup_faults(uint32_t *fault)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_PASID, &mock));
	uint32_t parent = made(world_hwpt(world, mock.idev, ioas, NEST));
	*fault = made(world_fault(world, &fault_fd));
	uint32_t hwpt = made(world_nested(world, mock.idev, parent, FAULT | PASID, *fault, 1));
	uint32_t pt = hwpt;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_ok(world_pasid(world, ATTACH, mock.stdev, 5, &pt));
	return hwpt;
}

START_TEST(detach_answers_the_faults_of_its_attachment_only)
{
	uint32_t fault;
	setup_faults(&fault);
	/* Read and unanswered: 1 of the RID, 2 of PASID 5; 3 of PASID 6, which falls to the RID. */
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_ok(world_iopf(world, mock.idev, 5, 2));
	ck_assert_ok(world_iopf(world, mock.idev, 6, 3));
	ck_assert_int_eq(unread(), 3);
	/* Queued: the same again. */
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_ok(world_iopf(world, mock.idev, 5, 2));
	ck_assert_ok(world_iopf(world, mock.idev, 6, 3));
	ck_assert_ok(world_pasid_detach(world, mock.stdev, 5));
	ck_assert_refused(answer(2), EINVAL);
	ck_assert_int_eq(answer(3), 8);
	ck_assert_int_eq(answer(1), 8);
	ck_assert_int_eq(unread(), 2);
}
END_TEST

START_TEST(replace_answers_the_faults_of_its_attachment_only)
{
	uint32_t fault, hwpt = setup_faults(&fault);
	uint32_t pt = made(world_hwpt(world, mock.idev, ioas, PASID));
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_ok(world_iopf(world, mock.idev, 5, 2));
	ck_assert_ok(world_iopf(world, mock.idev, 6, 3));
	ck_assert_int_eq(unread(), 3);
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_ok(world_iopf(world, mock.idev, 5, 2));
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_refused(answer(1), EINVAL);
	/* One that came in through the RID goes with the RID, whatever its number. */
	ck_assert_refused(answer(3), EINVAL);
	ck_assert_int_eq(answer(2), 8);
	ck_assert_int_eq(unread(), 1);
	ck_assert_refused(world_destroy(world, hwpt), EBUSY);
	ck_assert_ok(world_pasid_detach(world, mock.stdev, 5));
	ck_assert_ok(world_destroy(world, hwpt));
}
END_TEST

START_TEST(page_requests_are_on_while_a_fault_queue_is_attached)
{
	uint32_t fault;
	setup_faults(&fault);
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_int_eq(unread(), 1);
	uint32_t pt = made(world_hwpt(world, mock.idev, ioas, PASID));
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_int_eq(unread(), 0);
}
END_TEST

START_TEST(a_failed_pasid_attach_leaves_the_pasid_free)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_PASID, &mock));
	uint32_t compat = made(world_hwpt(world, mock.idev, ioas, PASID)), pt = compat;
	/* Without a RID attachment that counts, only the HWPT itself is asked. */
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_refused(pasid(REPLACE, mock.stdev, 7, compat), EINVAL);
	ck_assert_ok(world_pasid_check(world, mock.stdev, 7, 0));
	ck_assert_ok(pasid(ATTACH, mock.stdev, 7, compat));
	/* An incompatible one is refused although the old one was compatible. */
	ck_assert_refused(pasid(REPLACE, mock.stdev, 7, ioas), EINVAL);
	ck_assert_ok(world_pasid_check(world, mock.stdev, 7, compat));
	ck_assert_ok(world_pasid_detach(world, mock.stdev, 7));
	ck_assert_ok(world_pasid_detach(world, mock.stdev, 7));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		alloc_checks_its_arguments_in_order,
		a_paging_hwpt_checks_flags_then_the_driver_s_data,
		the_huge_page_table_has_its_own_aperture_and_alignment,
		the_fault_queue_is_looked_up_last,
		a_nested_hwpt_needs_data_and_a_nest_parent,
		an_automatic_hwpt_goes_with_its_last_attachment,
		replace_takes_the_new_id_before_it_frees_the_old,
		attach_and_replace_check_what_they_are_given,
		a_device_without_dirty_tracking_refuses_a_tracking_domain,
		a_failed_replace_keeps_the_old_attachment,
		pasids_need_compatible_hwpts_all_over,
		a_pasid_must_be_below_the_device_s_limit,
		pasid_1024_fails_every_second_time,
		hardware_information_fits_any_buffer,
		hardware_information_checks_flags_type_and_device,
		the_bytes_of_alloc_are_the_sheet_s,
		driver_data_has_the_sheet_s_bytes,
		an_alloc_that_can_not_answer_leaves_nothing,
		a_device_without_pasids_of_its_own_has_a_log2_of_0,
		the_bytes_of_hardware_information_are_the_sheet_s,
		the_buffer_of_hardware_information_must_be_writeable,
		detach_answers_the_faults_of_its_attachment_only,
		replace_answers_the_faults_of_its_attachment_only,
		page_requests_are_on_while_a_fault_queue_is_attached,
		a_failed_pasid_attach_leaves_the_pasid_free,
	};
	return RUN_TESTS("shim_hwpt", tests);
}
