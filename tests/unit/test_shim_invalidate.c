/* SPDX-License-Identifier: Apache-2.0 */
/* HWPT_INVALIDATE on nested HWPTs and vIOMMUs (iommufd 4.2, 7.5). */
#include <string.h>

#include "tests/kit/test.h"

#define TYPE 0xdeadbeefU

static struct viommu_world v;
static uint32_t done; /* entry_num after the last call */

static int64_t invalidate(struct iommu_hwpt_invalidate cmd)
{
	int64_t error = world_ioctl(world, IOMMUFD_NR_HWPT_INVALIDATE, &cmd);
	done = cmd.entry_num;
	return error;
}

#define INVALIDATE(...) invalidate((struct iommu_hwpt_invalidate){__VA_ARGS__})

#define ck_assert_partly(call, error, count)    \
	do {                                    \
		ck_assert_refused(call, error); \
		ck_assert_uint_eq(done, count); \
	} while (0)

static void setup(void)
{
	v = world_make_viommu(world);
}

static int64_t check_iotlb(uint32_t id, uint32_t value)
{
	struct iommu_test_cmd cmd = {.id = v.nested, .check_iotlb = {id, value}};
	return world_test(world, IOMMU_TEST_OP_MD_CHECK_IOTLB, &cmd);
}

static void check_iotlbs(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	ck_assert_ok(check_iotlb(0, a));
	ck_assert_ok(check_iotlb(1, b));
	ck_assert_ok(check_iotlb(2, c));
	ck_assert_ok(check_iotlb(3, d));
}

static int64_t check_cache(uint32_t id, uint32_t value)
{
	struct iommu_test_cmd cmd = {.id = v.mock.idev, .check_dev_cache = {id, value}};
	return world_test(world, IOMMU_TEST_OP_DEV_CHECK_CACHE, &cmd);
}

static int64_t invalidate_nested(const struct iommu_hwpt_invalidate_selftest *entries, uint32_t n)
{
	return INVALIDATE(.hwpt_id = v.nested,
			  .data_uptr = world_data(world, entries, n * sizeof(*entries)),
			  .data_type = TYPE, .entry_len = sizeof(*entries), .entry_num = n);
}

START_TEST(the_core_checks_in_order_and_always_answers)
{
	setup();
	uint64_t data = world->data;
	ck_assert_partly(INVALIDATE(.__reserved = 1, .entry_num = 5), EOPNOTSUPP, 0);
	ck_assert_partly(INVALIDATE(.entry_num = 5, .entry_len = 8), EINVAL, 0);
	ck_assert_partly(INVALIDATE(.entry_num = 5, .data_uptr = data), EINVAL, 0);
	ck_assert_partly(INVALIDATE(.entry_num = 5, .data_uptr = data, .entry_len = 4097), EINVAL,
			 0);
	ck_assert_partly(INVALIDATE(.entry_num = (1 << 19) + 1, .data_uptr = data, .entry_len = 8),
			 EINVAL, 0);
	ck_assert_partly(INVALIDATE(.entry_num = 1 << 19, .data_uptr = data, .entry_len = 4096),
			 ENOENT, 0);
	ck_assert_partly(
		INVALIDATE(.hwpt_id = v.parent, .entry_num = 1, .data_uptr = data, .entry_len = 8),
		EINVAL, 0);
	ck_assert_partly(INVALIDATE(.hwpt_id = v.ioas), EINVAL, 0);
}
END_TEST

START_TEST(a_fault_of_the_answer_replaces_any_other_error)
{
	setup();
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd), .__reserved = 1};
	world_put(world, va, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_HWPT_INVALIDATE), va),
			  EFAULT);
}
END_TEST

START_TEST(a_nested_hwpt_starts_with_the_caller_s_iotlb)
{
	setup();
	check_iotlbs(0xbadbeef, 0xbadbeef, 0xbadbeef, 0xbadbeef);
	ck_assert_refused(check_iotlb(0, 1), EINVAL);
	ck_assert_refused(check_iotlb(4, 0xbadbeef), EINVAL);
}
END_TEST

START_TEST(nested_entries_are_done_one_by_one)
{
	setup();
	struct iommu_hwpt_invalidate_selftest entries[3] = {{0, 1}, {0, 3}, {0, 0}};
	ck_assert_ok(invalidate_nested(entries, 2));
	ck_assert_uint_eq(done, 2);
	check_iotlbs(0xbadbeef, 0, 0xbadbeef, 0);
	entries[0].iotlb_id = 0;
	entries[1].iotlb_id = 4;
	ck_assert_partly(invalidate_nested(entries, 3), EINVAL, 1);
	check_iotlbs(0, 0, 0xbadbeef, 0);
	entries[0] = (struct iommu_hwpt_invalidate_selftest){2, 0};
	ck_assert_partly(invalidate_nested(entries, 3), EOPNOTSUPP, 0);
	/* ALL does not excuse a bad id. */
	entries[0] = (struct iommu_hwpt_invalidate_selftest){1, 4};
	ck_assert_partly(invalidate_nested(entries, 1), EINVAL, 0);
	entries[0] = (struct iommu_hwpt_invalidate_selftest){1, 0};
	ck_assert_ok(invalidate_nested(entries, 1));
	check_iotlbs(0, 0, 0, 0);
}
END_TEST

START_TEST(a_nested_hwpt_checks_type_and_entry_length)
{
	setup();
	uint64_t data = world->data;
	/* The type even of no entries. */
	ck_assert_partly(INVALIDATE(.hwpt_id = v.nested, .data_type = 1), EINVAL, 0);
	ck_assert_ok(INVALIDATE(.hwpt_id = v.nested, .data_type = TYPE));
	static const uint32_t lengths[] = {4, 7, 9, 16};
	for (int i = 0; i < 4; i++)
		ck_assert_partly(INVALIDATE(.hwpt_id = v.nested, .data_type = TYPE,
					    .data_uptr = data, .entry_len = lengths[i],
					    .entry_num = 1),
				 EINVAL, 0);
	ck_assert_partly(INVALIDATE(.hwpt_id = v.nested, .data_type = TYPE, .data_uptr = NOWHERE,
				    .entry_len = 8, .entry_num = 1),
			 EFAULT, 0);
}
END_TEST

static int64_t invalidate_devices(const void *entries, uint32_t length, uint32_t n)
{
	return INVALIDATE(.hwpt_id = v.viommu, .data_uptr = world_data(world, entries, length * n),
			  .data_type = TYPE, .entry_len = length, .entry_num = n);
}

START_TEST(viommu_entries_are_copied_first_then_done_one_by_one)
{
	setup();
	struct iommu_viommu_invalidate_selftest entries[3] = {
		{0, 0x99, 1}, {0, 0x99, 2}, {2, 0, 0}};
	ck_assert_partly(invalidate_devices(entries, 12, 1), EINVAL, 0);
	made(world_vdevice(world, v.viommu, v.mock.idev, 0x99));
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_ok(check_cache(i, 0xbaddad));
	ck_assert_refused(check_cache(4, 0xbaddad), EINVAL);
	ck_assert_partly(invalidate_devices(entries, 12, 3), EOPNOTSUPP, 2);
	ck_assert_ok(check_cache(0, 0xbaddad));
	ck_assert_ok(check_cache(1, 0));
	ck_assert_ok(check_cache(2, 0));
	/* Flags, then the cache's number, then the device. */
	entries[0] = (struct iommu_viommu_invalidate_selftest){2, 1, 4};
	ck_assert_partly(invalidate_devices(entries, 12, 1), EOPNOTSUPP, 0);
	entries[0] = (struct iommu_viommu_invalidate_selftest){1, 0x99, 4};
	ck_assert_partly(invalidate_devices(entries, 12, 1), EINVAL, 0);
	entries[0] = (struct iommu_viommu_invalidate_selftest){1, 0x98, 0};
	ck_assert_partly(invalidate_devices(entries, 12, 1), EINVAL, 0);
	entries[0] = (struct iommu_viommu_invalidate_selftest){1, 0x99, 0};
	ck_assert_ok(invalidate_devices(entries, 12, 1));
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_ok(check_cache(i, 0));
}
END_TEST

START_TEST(viommu_entries_may_be_shorter_or_longer)
{
	setup();
	made(world_vdevice(world, v.viommu, v.mock.idev, 0x99));
	uint32_t shorter[] = {0, 0x99, 0, 0x99};
	ck_assert_ok(invalidate_devices(shorter, 8, 2));
	ck_assert_uint_eq(done, 2);
	ck_assert_ok(check_cache(0, 0));
	uint32_t longer[] = {0, 0x99, 1, 0, 0, 0x99, 2, 7};
	/* Copied as a whole before anything is done. */
	ck_assert_partly(invalidate_devices(longer, 16, 2), E2BIG, 0);
	ck_assert_ok(check_cache(1, 0xbaddad));
	longer[7] = 0;
	ck_assert_ok(invalidate_devices(longer, 16, 2));
	ck_assert_ok(check_cache(1, 0));
	ck_assert_ok(check_cache(2, 0));
}
END_TEST

START_TEST(a_viommu_checks_type_and_number)
{
	setup();
	uint64_t data = world->data;
	ck_assert_ok(INVALIDATE(.hwpt_id = v.viommu, .data_type = TYPE));
	ck_assert_partly(INVALIDATE(.hwpt_id = v.viommu, .data_type = 1), EINVAL, 0);
	ck_assert_partly(INVALIDATE(.hwpt_id = v.viommu, .data_type = 1, .data_uptr = data,
				    .entry_len = 12, .entry_num = 1),
			 EINVAL, 0);
	ck_assert_partly(INVALIDATE(.hwpt_id = v.viommu, .data_type = TYPE, .data_uptr = NOWHERE,
				    .entry_len = 12, .entry_num = 1),
			 EFAULT, 0);
	/* Above 4 MiB of entries the buffer fails, and the count is left. */
	ck_assert_partly(INVALIDATE(.hwpt_id = v.viommu, .data_type = 1, .data_uptr = data,
				    .entry_len = 12, .entry_num = 349526),
			 ENOMEM, 349526);
	ck_assert_partly(INVALIDATE(.hwpt_id = v.viommu, .data_type = 1, .data_uptr = data,
				    .entry_len = 12, .entry_num = 349525),
			 EINVAL, 0);
}
END_TEST

START_TEST(the_bytes_of_invalidate_are_the_sheet_s)
{
	setup();
	/* size, hwpt_id; data_uptr; data_type, entry_len, entry_num, reserved. */
	uint32_t entries[4] = {0, 1, 0, 3}, bytes[8] = {32, v.nested, 0, 0, TYPE, 8, 2, 0};
	uint64_t va = world_data(world, entries, sizeof(entries));
	memcpy(bytes + 2, &va, sizeof(va));
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_ok(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_HWPT_INVALIDATE), world->args));
	world_get(world, world->args, bytes, sizeof(bytes));
	ck_assert_uint_eq(bytes[6], 2);
	check_iotlbs(0xbadbeef, 0, 0xbadbeef, 0);
	bytes[7] = 1;
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_refused(
		world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_HWPT_INVALIDATE), world->args),
		EOPNOTSUPP);
	world_get(world, world->args, bytes, sizeof(bytes));
	ck_assert_uint_eq(bytes[6], 0);
}
END_TEST

START_TEST(entries_are_limited_before_the_object_is_looked_up)
{
	setup();
	uint64_t data = world->data;
	/* At the limits it is the object that is missing. */
	ck_assert_partly(INVALIDATE(.entry_num = 1, .data_uptr = data, .entry_len = 4096), ENOENT,
			 0);
	ck_assert_partly(INVALIDATE(.entry_num = 1, .data_uptr = data, .entry_len = 4097), EINVAL,
			 0);
	ck_assert_partly(INVALIDATE(.entry_num = 1, .data_uptr = data, .entry_len = 0), EINVAL, 0);
	ck_assert_partly(INVALIDATE(.entry_num = 1, .data_uptr = 0, .entry_len = 8), EINVAL, 0);
	ck_assert_partly(INVALIDATE(.entry_num = 1 << 19, .data_uptr = data, .entry_len = 8),
			 ENOENT, 0);
	ck_assert_partly(INVALIDATE(.entry_num = (1 << 19) + 1, .data_uptr = data, .entry_len = 8),
			 EINVAL, 0);
	/* Nothing of that matters without entries. */
	ck_assert_partly(INVALIDATE(.hwpt_id = 99, .entry_len = 5000), ENOENT, 0);
}
END_TEST

START_TEST(a_fault_of_the_answer_replaces_success_too)
{
	setup();
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd), .hwpt_id = v.nested, .data_type = TYPE};
	world_put(world, va, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_HWPT_INVALIDATE), va),
			  EFAULT);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_core_checks_in_order_and_always_answers,
		a_fault_of_the_answer_replaces_any_other_error,
		a_nested_hwpt_starts_with_the_caller_s_iotlb,
		nested_entries_are_done_one_by_one,
		a_nested_hwpt_checks_type_and_entry_length,
		viommu_entries_are_copied_first_then_done_one_by_one,
		viommu_entries_may_be_shorter_or_longer,
		a_viommu_checks_type_and_number,
		the_bytes_of_invalidate_are_the_sheet_s,
		entries_are_limited_before_the_object_is_looked_up,
		a_fault_of_the_answer_replaces_success_too,
	};
	return RUN_TESTS("shim_invalidate", tests);
}
