/* SPDX-License-Identifier: Apache-2.0 */
/* The dispatcher of /dev/iommu (iommufd 1.1 to 1.3). */
#include <string.h>

#include "tests/kit/test.h"

/* Table 1.2. */
static const struct {
	uint32_t nr, size, min_size;
} commands[] = {
	{0x80, 8, 8},   {0x81, 12, 12}, {0x82, 24, 24}, {0x83, 40, 40}, {0x84, 32, 32},
	{0x85, 40, 40}, {0x86, 24, 24}, {0x87, 24, 24}, {0x88, 12, 12}, {0x89, 48, 24},
	{0x8a, 40, 32}, {0x8b, 16, 16}, {0x8c, 48, 48}, {0x8d, 32, 32}, {0x8e, 16, 16},
	{0x8f, 40, 40}, {0x90, 40, 24}, {0x91, 24, 24}, {0x92, 8, 8},   {0x93, 32, 28},
	{0x94, 40, 40}, {0x95, 40, 40}, {0xa0, 72, 68},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* A struct of all ones but its size: every handler refuses it, and none with E2BIG. */
static void put_struct(uint64_t va, uint32_t size, uint32_t length)
{
	uint8_t bytes[256];
	memset(bytes, 0xff, sizeof(bytes));
	memcpy(bytes, &size, sizeof(size));
	world_put(world, va, bytes, length);
}

static int64_t call_with_size(uint32_t nr, uint32_t size, uint32_t length)
{
	put_struct(world->args, size, length);
	return world_ioctl_raw(world, IOMMUFD_IO(nr), world->args);
}

START_TEST(below_min_size_is_einval)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		uint32_t min_size = commands[i].min_size;
		ck_assert_refused(call_with_size(commands[i].nr, min_size - 1, min_size), EINVAL);
		ck_assert_str_eq(world_rule(world), "iommufd 1.3 4");
		call_with_size(commands[i].nr, min_size, commands[i].size);
		ck_assert_str_ne(world_rule(world), "iommufd 1.3 4");
	}
	ck_assert_refused(call_with_size(0x80, 0, 8), EINVAL);
}
END_TEST

START_TEST(a_nonzero_tail_is_e2big)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		uint32_t size = commands[i].size;
		ck_assert_refused(call_with_size(commands[i].nr, size + 1, size + 1), E2BIG);
		ck_assert_refused(call_with_size(commands[i].nr, size + 100, size + 100), E2BIG);
		ck_assert_int_ne(call_with_size(commands[i].nr, size, size + 8), -E2BIG);
	}
}
END_TEST

START_TEST(a_zero_tail_of_any_length_is_accepted)
{
	/* The tail is scanned over pages, and up to its very end. */
	uint32_t size = 3 * PAGE_SIZE;
	uint8_t zeros[PAGE_SIZE] = {0};
	struct iommu_ioas_alloc cmd = {.size = size};
	for (uint32_t page = 0; page < 3; page++)
		world_put(world, world->data + page * PAGE_SIZE, zeros, PAGE_SIZE);
	world_put(world, world->data, &cmd, sizeof(cmd));
	ck_assert_ok(world_ioctl_raw(world, IOMMUFD_IO(0x81), world->data));
	world_get(world, world->data, &cmd, sizeof(cmd));
	ck_assert_uint_eq(cmd.out_ioas_id, 1);
	ck_assert_uint_eq(cmd.size, size);

	uint8_t one = 1;
	world_put(world, world->data + size - 1, &one, 1);
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x81), world->data), E2BIG);
	world_put(world, world->data + size - 1, zeros, 1);
	world_put(world, world->data + size, &one, 1);
	ck_assert_ok(world_ioctl_raw(world, IOMMUFD_IO(0x81), world->data));
}
END_TEST

START_TEST(an_unreadable_tail_is_efault)
{
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va + PAGE_SIZE, PAGE_SIZE));
	uint64_t at = va + PAGE_SIZE - sizeof(struct iommu_ioas_alloc);
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd) + 4};
	world_put(world, at, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x81), at), EFAULT);
	cmd.size = sizeof(cmd);
	world_put(world, at, &cmd, sizeof(cmd));
	ck_assert_ok(world_ioctl_raw(world, IOMMUFD_IO(0x81), at));
}
END_TEST

START_TEST(a_missing_tail_reads_as_zero)
{
	/* HWPT_ALLOC may be as short as 24 bytes: no data, no fault queue. */
	uint32_t ioas = made(world_ioas(world));
	struct mock mock;
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	struct iommu_hwpt_alloc cmd = {.size = 24,
				       .dev_id = mock.idev,
				       .pt_id = ioas,
				       .data_type = 5,
				       .data_len = 5,
				       .fault_id = 77};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd));
	ck_assert_uint_eq(cmd.out_hwpt_id, 5);
	/* Not more than the caller's size is written back. */
	ck_assert_uint_eq(cmd.fault_id, 77);
	ck_assert_uint_eq(cmd.data_type, 5);
}
END_TEST

START_TEST(a_bad_pointer_is_efault_before_the_number_is_looked_at)
{
	for (uint32_t nr = 0x80; nr <= 0xa0; nr++) {
		ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(nr), 0), EFAULT);
		ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(nr), NOWHERE), EFAULT);
	}
	for (uint32_t nr = 0x96; nr < 0xa0; nr++)
		ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(nr), world->args), ENOTTY);
	/* Another type letter or direction is only noticed at the compare. */
	ck_assert_refused(world_ioctl_raw(world, 0x3c80, 0), EFAULT);
	ck_assert_refused(world_ioctl_raw(world, 0x3c80, world->args), ENOTTY);
	ck_assert_refused(world_ioctl_raw(world, 0x40003b80, world->args), ENOTTY);
}
END_TEST

START_TEST(numbers_out_of_range_never_touch_memory)
{
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x7f), 0), ENOTTY);
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0xa1), 0), ENOTTY);
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0xff), 0), ENOTTY);
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x75), 0), ENOTTY);
}
END_TEST

START_TEST(the_struct_is_not_written_back_on_failure)
{
	struct iommu_ioas_alloc cmd = {.flags = 1, .out_ioas_id = 55};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_ALLOC, &cmd), EOPNOTSUPP);
	ck_assert_uint_eq(cmd.out_ioas_id, 55);
}
END_TEST

START_TEST(a_read_only_struct_undoes_the_object)
{
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)};
	world_put(world, va, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x81), va), EFAULT);
	ck_assert_str_eq(world_rule(world), "iommufd 1.3 respond");
	struct iommu_fault_alloc fault = {.size = sizeof(fault)};
	world_put(world, va, &fault, sizeof(fault));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x8e), va), EFAULT);
	/* Id and descriptor are free again. */
	int fd;
	ck_assert_int_eq(world_fault(world, &fd), 1);
	ck_assert_int_eq(fd, 4);
}
END_TEST

START_TEST(file_operations_that_are_absent_answer_as_the_vfs_does)
{
	ck_assert_refused(world_sys(world, SYS_READ, (uint64_t)world->fd, world->data, 8), EINVAL);
	ck_assert_refused(world_sys(world, SYS_WRITE, (uint64_t)world->fd, world->data, 8), EINVAL);
	ck_assert_int_eq(world_sys(world, SYS_POLL, (uint64_t)world->fd, 0x145, 0), 1);
	ck_assert_uint_eq(world->call->out, 0x145);
	/* FIOCLEX never reaches the driver. */
	ck_assert_ok(world_ioctl_raw(world, 0x5451, 0));
}
END_TEST

START_TEST(each_open_is_a_context_of_its_own)
{
	struct world other = *world;
	other.fd = (int)made(world_open(world, "/dev/iommu"));
	ck_assert_int_eq(world_ioas(world), 1);
	ck_assert_int_eq(world_ioas(world), 2);
	ck_assert_int_eq(world_ioas(&other), 1);
	ck_assert_refused(world_destroy(&other, 2), ENOENT);
}
END_TEST

START_TEST(noiommu_get_pa_is_refused_after_the_size_checks)
{
	struct iommu_ioas_noiommu_get_pa cmd = {.ioas_id = 99, .flags = 7};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_NOIOMMU_GET_PA, &cmd), EOPNOTSUPP);
}
END_TEST

START_TEST(an_unknown_test_operation_is_eopnotsupp)
{
	struct iommu_test_cmd cmd = {0};
	ck_assert_refused(world_test(world, 0, &cmd), EOPNOTSUPP);
	ck_assert_refused(world_test(world, 24, &cmd), EOPNOTSUPP);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		below_min_size_is_einval,
		a_nonzero_tail_is_e2big,
		a_zero_tail_of_any_length_is_accepted,
		an_unreadable_tail_is_efault,
		a_missing_tail_reads_as_zero,
		a_bad_pointer_is_efault_before_the_number_is_looked_at,
		numbers_out_of_range_never_touch_memory,
		the_struct_is_not_written_back_on_failure,
		a_read_only_struct_undoes_the_object,
		file_operations_that_are_absent_answer_as_the_vfs_does,
		each_open_is_a_context_of_its_own,
		noiommu_get_pa_is_refused_after_the_size_checks,
		an_unknown_test_operation_is_eopnotsupp,
	};
	return RUN_TESTS("shim_dispatch", tests);
}
