/* SPDX-License-Identifier: Apache-2.0 */
/* The dispatcher of /dev/iommu (iommufd 1.1 to 1.3). */
#include <string.h>

#include "kernel_shim/drivers/mock/mock.h"
#include "kernel_shim/uapi/vfio.h"
#include "kernel_shim/vfio_cdev.h"
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

/* --- 1.1 --- */

START_TEST(only_its_own_node_opens_a_context)
{
	struct world other = *world;
	other.fd = (int)made(world_open(world, "/dev/iommu"));
	ck_assert_int_eq(world_ioas(&other), 1);
	/* The container's node is VFIO's in this kernel. */
	other.fd = (int)made(world_open(world, "/dev/vfio/vfio"));
	ck_assert_refused(world_ioctl_raw(&other, VFIO_GET_API_VERSION, 0), ENOTTY);
	ck_assert_refused(world_ioas(&other), ENOTTY);
}
END_TEST

START_TEST(an_open_without_memory_is_enomem)
{
	world->machine->failures.countdown = 1;
	ck_assert_refused(world_open(world, "/dev/iommu"), ENOMEM);
	ck_assert_int_eq(world_open(world, "/dev/iommu"), world->fd + 1);
}
END_TEST

START_TEST(the_state_of_a_context_is_its_own)
{
	struct world other = *world;
	uint64_t mode = 7;
	ck_assert_ok(world_option(world, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &mode));
	ck_assert_uint_eq(mode, 0);
	mode = 1;
	ck_assert_ok(world_option(world, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &mode));
	other.fd = (int)made(world_open(world, "/dev/iommu"));
	ck_assert_ok(world_option(&other, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &mode));
	ck_assert_uint_eq(mode, 0);
	struct iommu_vfio_ioas cmd = {.ioas_id = made(world_ioas(world)),
				      .op = IOMMU_VFIO_IOAS_SET};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_VFIO_IOAS, &cmd));
	ck_assert_int_eq(world_ioas(&other), 1);
	cmd.op = IOMMU_VFIO_IOAS_GET;
	ck_assert_refused(world_ioctl(&other, IOMMUFD_NR_VFIO_IOAS, &cmd), ENODEV);
}
END_TEST

START_TEST(a_mapping_without_a_region_is_enxio)
{
	ck_assert_refused(world_sys(world, SYS_MMAP, 0, PAGE_SIZE, PROT_RW, MAP_SHARED_BIT,
				    (uint64_t)world->fd, 0x1000),
			  ENXIO);
}
END_TEST

START_TEST(asynchronous_notification_is_enotty)
{
	uint32_t on = 1, off = 0;
	ck_assert_refused(world_ioctl_raw(world, 0x5452, world_data(world, &on, sizeof(on))),
			  ENOTTY);
	ck_assert_ok(world_ioctl_raw(world, 0x5452, world_data(world, &off, sizeof(off))));
}
END_TEST

START_TEST(ioctls_of_the_vfs_never_reach_the_driver)
{
	ck_assert_ok(world_ioctl_raw(world, 0x5450, 0));
	ck_assert_ok(world_ioctl_raw(world, 0x5451, 0));
	ck_assert_ok(world_ioctl_raw(world, 0x5421, world->data));
	ck_assert_refused(world_ioctl_raw(world, 0x5421, NOWHERE), EFAULT);
}
END_TEST

/* A buffer that is pinned for as long as the context behind WORLD->fd lives. */
static uint64_t pinned;

static struct viommu_world pin_for_a_context(void)
{
	struct viommu_world v = world_make_viommu(world);
	pinned = world_mmap(world, PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_map_at(world, v.ioas, pinned, PAGE_SIZE, APERTURE));
	ck_assert_ok(world_refs(world, pinned, PAGE_SIZE, 1));
	return v;
}

static void close_iommufd(void)
{
	ck_assert_ok(world_close(world, world->fd));
	world->fd = (int)made(world_open(world, "/dev/iommu"));
}

static void check_kept_by(int fd)
{
	close_iommufd();
	ck_assert_ok(world_refs(world, pinned, PAGE_SIZE, 1));
	ck_assert_ok(world_close(world, fd));
	ck_assert_ok(world_refs(world, pinned, PAGE_SIZE, 0));
}

START_TEST(a_descriptor_of_another_process_keeps_the_context)
{
	pin_for_a_context();
	struct world *child = world_fork(world);
	close_iommufd();
	ck_assert_ok(world_refs(world, pinned, PAGE_SIZE, 1));
	world_exit(child);
	ck_assert_ok(world_refs(world, pinned, PAGE_SIZE, 0));
}
END_TEST

START_TEST(an_access_keeps_the_context)
{
	struct viommu_world v = pin_for_a_context();
	check_kept_by((int)made(world_access(world, v.ioas, 0)));
}
END_TEST

START_TEST(an_open_fault_queue_keeps_the_context)
{
	int fd;
	pin_for_a_context();
	made(world_fault(world, &fd));
	check_kept_by(fd);
}
END_TEST

START_TEST(an_open_event_queue_keeps_the_context)
{
	int fd;
	struct viommu_world v = pin_for_a_context();
	made(world_veventq(world, v.viommu, 4, &fd));
	check_kept_by(fd);
}
END_TEST

START_TEST(a_mock_device_does_not_keep_the_context)
{
	pin_for_a_context();
	close_iommufd();
	ck_assert_ok(world_refs(world, pinned, PAGE_SIZE, 0));
}
END_TEST

static int vfio;

static int64_t bind_to(int fd)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = fd};
	struct world device = *world;
	device.fd = vfio;
	uint64_t va = world_data(world, &bind, sizeof(bind));
	int64_t error = world_ioctl_raw(&device, VFIO_DEVICE_BIND_IOMMUFD, va);
	world_get(world, va, &bind, sizeof(bind));
	return error != 0 ? error : bind.out_devid;
}

static void open_vfio_device(void)
{
	vfio_cdev_register(world->machine, "/dev/vfio/devices/vfio0",
			   &mock_dev_new(world->machine, 0)->device);
	vfio = (int)made(world_open(world, "/dev/vfio/devices/vfio0"));
}

START_TEST(a_bound_device_keeps_the_context)
{
	pin_for_a_context();
	open_vfio_device();
	made(bind_to(world->fd));
	check_kept_by(vfio);
}
END_TEST

START_TEST(a_bound_device_that_nothing_is_attached_to_can_not_be_destroyed)
{
	open_vfio_device();
	uint32_t device = made(bind_to(world->fd));
	ck_assert_refused(world_destroy(world, device), EBUSY);
	ck_assert_ok(world_close(world, vfio));
	ck_assert_refused(world_destroy(world, device), ENOENT);
}
END_TEST

START_TEST(a_context_is_taken_from_an_iommufd_only)
{
	open_vfio_device();
	ck_assert_refused(bind_to(99), EBADF);
	ck_assert_refused(bind_to(0), EBADFD);
	ck_assert_refused(bind_to(vfio), EBADFD);
	ck_assert_int_eq(bind_to(world->fd), 1);
}
END_TEST

/* --- 1.2, 1.3 --- */

/* The rule by which each handler refuses a struct of all ones. */
static const char *const first_rules[COMMANDS] = {
	"iommufd 1.6 1", "iommufd 2.1",       "iommufd 2.3 1",     "iommufd 2.7 1", "iommufd 2.2 1",
	"iommufd 2.4 1", "iommufd 2.8 1",     "iommufd 2.10",      "iommufd 2.12",  "iommufd 4.1 1",
	"iommufd 4.3 1", "iommufd 4.4 SET 1", "iommufd 4.4 GET 1", "iommufd 4.2 1", "iommufd 5.7 1",
	"iommufd 2.6 1", "iommufd 5.1 1",     "iommufd 5.3 2",     "iommufd 2.9 1", "iommufd 5.6 1",
	"iommufd 5.4 1", "iommufd 2.13",      "iommufd 7.1",
};

START_TEST(each_number_runs_its_own_handler)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		uint32_t size = commands[i].size;
		ck_assert_int_lt(call_with_size(commands[i].nr, size, size), 0);
		ck_assert_str_eq(world_rule(world), first_rules[i]);
		ck_assert_int_eq(IOMMUFD_IO(commands[i].nr), 0x3b00 | commands[i].nr);
	}
}
END_TEST

START_TEST(numbers_below_128_are_vfio_s_by_their_whole_value)
{
	ck_assert_ok(world_ioctl_raw(world, 0x3b64, 0));
	ck_assert_refused(world_ioctl_raw(world, 0x3c64, 0), ENOTTY);
	ck_assert_refused(world_ioctl_raw(world, 0x40003b64, 0), ENOTTY);
}
END_TEST

/* SIZE bytes of STRUCT of which the first KEPT lie on a readable page and the rest nowhere. */
static uint64_t put_cut(const void *bytes, uint32_t kept)
{
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va + PAGE_SIZE, PAGE_SIZE));
	world_put(world, va + PAGE_SIZE - kept, bytes, kept);
	return va + PAGE_SIZE - kept;
}

START_TEST(an_unreadable_struct_is_efault)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd)};
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x80), put_cut(&cmd, 4)), EFAULT);
	/* The minimum is looked at before. */
	cmd.size = 7;
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x80), put_cut(&cmd, 4)), EINVAL);
}
END_TEST

START_TEST(the_tail_is_scanned_before_the_struct_is_copied)
{
	put_struct(world->args, 16, 16);
	world->machine->failures.countdown = 2; /* the copy after that of the size */
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x81), world->args), E2BIG);
	world->machine->failures.countdown = 2;
	put_struct(world->args, 12, 12);
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x81), world->args), EFAULT);
	world->machine->failures.countdown = 0;
}
END_TEST

/* A page that can be read only, with BYTES at its start. */
static uint64_t put_read_only(const void *bytes, uint32_t size)
{
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	world_put(world, va, bytes, size);
	return va;
}

START_TEST(an_answer_rewrites_the_whole_struct)
{
	/* Only its first bytes can't be written. */
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)};
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_int_gt(world_sys(world, SYS_MMAP, va, PAGE_SIZE, PROT_READ_BIT,
				   SHARED | MAP_FIXED_BIT, UINT64_MAX, 0),
			 0);
	world_put(world, va + PAGE_SIZE - 4, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x81), va + PAGE_SIZE - 4), EFAULT);
	ck_assert_int_eq(world_ioas(world), 1);
}
END_TEST

START_TEST(a_failed_call_writes_nothing)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		uint8_t bytes[256];
		memset(bytes, 0xff, sizeof(bytes));
		memcpy(bytes, &commands[i].size, sizeof(uint32_t));
		int64_t error = world_ioctl_raw(world, IOMMUFD_IO(commands[i].nr),
						put_read_only(bytes, sizeof(bytes)));
		/* HWPT_INVALIDATE always answers. */
		if (commands[i].nr == 0x8d)
			ck_assert_refused(error, EFAULT);
		else
			ck_assert_str_eq(world_rule(world), first_rules[i]);
	}
}
END_TEST

START_TEST(an_answer_that_fails_undoes_every_kind_of_object)
{
	struct mock mock;
	uint32_t ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	uint32_t parent = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT));
	struct iommu_hwpt_alloc hwpt = {.size = sizeof(hwpt), .dev_id = mock.idev, .pt_id = ioas};
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x89), put_read_only(&hwpt, 48)),
			  EFAULT);
	struct iommu_viommu_alloc viommu = {.size = sizeof(viommu),
					    .type = IOMMU_VIOMMU_TYPE_SELFTEST,
					    .dev_id = mock.idev,
					    .hwpt_id = parent};
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x90), put_read_only(&viommu, 40)),
			  EFAULT);
	ck_assert_int_eq(world_viommu(world, mock.idev, parent), parent + 1);
	struct iommu_vdevice_alloc vdevice = {.size = sizeof(vdevice),
					      .viommu_id = parent + 1,
					      .dev_id = mock.idev,
					      .virt_id = 5};
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x91), put_read_only(&vdevice, 24)),
			  EFAULT);
	struct iommu_veventq_alloc veventq = {.size = sizeof(veventq),
					      .viommu_id = parent + 1,
					      .type = IOMMU_VEVENTQ_TYPE_SELFTEST,
					      .veventq_depth = 4};
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x93), put_read_only(&veventq, 32)),
			  EFAULT);
	int fd;
	ck_assert_int_eq(world_veventq(world, parent + 1, 4, &fd), parent + 2);
	ck_assert_int_eq(world_vdevice(world, parent + 1, mock.idev, 5), parent + 3);
}
END_TEST

START_TEST(objects_of_the_dispatcher_are_published)
{
	struct viommu_world v = pin_for_a_context();
	int fd;
	uint32_t fault = made(world_fault(world, &fd));
	uint32_t queue = made(world_hw_queue(world, v.viommu, 0, APERTURE, PAGE_SIZE));
	ck_assert_ok(world_close(world, fd));
	ck_assert_ok(world_destroy(world, fault));
	ck_assert_ok(world_destroy(world, queue));
	ck_assert_refused(world_destroy(world, v.viommu), EBUSY);
	ck_assert_ok(world_destroy(world, v.nested));
	ck_assert_ok(world_destroy(world, v.viommu));
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
		only_its_own_node_opens_a_context,
		an_open_without_memory_is_enomem,
		the_state_of_a_context_is_its_own,
		a_mapping_without_a_region_is_enxio,
		asynchronous_notification_is_enotty,
		ioctls_of_the_vfs_never_reach_the_driver,
		a_descriptor_of_another_process_keeps_the_context,
		an_access_keeps_the_context,
		an_open_fault_queue_keeps_the_context,
		an_open_event_queue_keeps_the_context,
		a_mock_device_does_not_keep_the_context,
		a_bound_device_keeps_the_context,
		a_bound_device_that_nothing_is_attached_to_can_not_be_destroyed,
		a_context_is_taken_from_an_iommufd_only,
		each_number_runs_its_own_handler,
		numbers_below_128_are_vfio_s_by_their_whole_value,
		an_unreadable_struct_is_efault,
		the_tail_is_scanned_before_the_struct_is_copied,
		an_answer_rewrites_the_whole_struct,
		a_failed_call_writes_nothing,
		an_answer_that_fails_undoes_every_kind_of_object,
		objects_of_the_dispatcher_are_published,
	};
	return RUN_TESTS("shim_dispatch", tests);
}
