/* SPDX-License-Identifier: Apache-2.0 */
/* vIOMMUs, vDEVICEs and the mmap regions (iommufd 5.1, 5.3, 5.9, 7.6). */
#include <string.h>

#include "tests/kit/fake_iommu.h"
#include "tests/kit/test.h"

#define TYPE 0xdeadbeefU

static struct viommu_world v;

static void setup(void)
{
	v = world_make_viommu(world);
}

static int64_t viommu(struct iommu_viommu_alloc cmd)
{
	return world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd);
}

#define VIOMMU(...) viommu((struct iommu_viommu_alloc){__VA_ARGS__})

START_TEST(alloc_checks_its_arguments_in_order)
{
	setup();
	ck_assert_refused(VIOMMU(.flags = 1, .type = TYPE), EOPNOTSUPP);
	ck_assert_refused(VIOMMU(.type = 0, .dev_id = 99), EOPNOTSUPP);
	ck_assert_refused(VIOMMU(.type = 1, .dev_id = 99), ENOENT);
	ck_assert_refused(VIOMMU(.type = 1, .dev_id = v.mock.idev, .hwpt_id = 99), EOPNOTSUPP);
	ck_assert_refused(VIOMMU(.type = TYPE, .dev_id = v.mock.idev, .hwpt_id = 99), ENOENT);
	ck_assert_refused(VIOMMU(.type = TYPE, .dev_id = v.mock.idev, .hwpt_id = v.nested), ENOENT);
	ck_assert_refused(VIOMMU(.type = TYPE, .dev_id = v.mock.idev, .hwpt_id = v.mock.hwpt),
			  EINVAL);
	ck_assert_ok(
		VIOMMU(.type = TYPE, .dev_id = v.mock.idev, .hwpt_id = v.parent, .__reserved = 7));
	/* Any number on one parent. */
	ck_assert_int_eq(world_viommu(world, v.mock.idev, v.parent), 9);
}
END_TEST

static int64_t with_data(uint32_t length, struct iommu_viommu_selftest *data, uint32_t *id)
{
	struct iommu_viommu_alloc cmd = {.type = TYPE,
					 .dev_id = v.mock.idev,
					 .hwpt_id = v.parent,
					 .data_len = length,
					 .data_uptr = world_data(world, data, sizeof(*data))};
	int64_t error = world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd);
	world_get(world, world->data, data, sizeof(*data));
	*id = cmd.out_viommu_id;
	return error;
}

START_TEST(data_comes_back_as_far_as_it_is_asked_for)
{
	setup();
	uint32_t id;
	struct iommu_viommu_selftest data = {.in_data = 0x1234};
	ck_assert_refused(with_data(7, &data, &id), EINVAL);
	ck_assert_refused(with_data(25, &data, &id), EINVAL);
	ck_assert_ok(with_data(8, &data, &id));
	ck_assert_uint_eq(data.out_data, 0x1234);
	ck_assert_uint_eq(data.out_mmap_offset, 0);
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_uint_eq(data.out_mmap_offset, 0x3000);
	ck_assert_uint_eq(data.out_mmap_length, 0x2000);
	ck_assert_refused(VIOMMU(.type = TYPE, .dev_id = v.mock.idev, .hwpt_id = v.parent,
				 .data_len = 8, .data_uptr = NOWHERE),
			  EFAULT);
	/* What can't be written back is undone: the next region is at 0x5000. */
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	ck_assert_refused(VIOMMU(.type = TYPE, .dev_id = v.mock.idev, .hwpt_id = v.parent,
				 .data_len = 24, .data_uptr = ro),
			  EFAULT);
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_uint_eq(data.out_mmap_offset, 0x5000);
	ck_assert_uint_eq(id, 10);
}
END_TEST

START_TEST(freed_regions_are_used_again_lowest_first)
{
	setup();
	uint32_t ids[3], id;
	struct iommu_viommu_selftest data = {0};
	for (int i = 0; i < 3; i++)
		ck_assert_ok(with_data(24, &data, &ids[i]));
	ck_assert_ok(world_destroy(world, ids[1]));
	ck_assert_ok(world_destroy(world, ids[0]));
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_uint_eq(data.out_mmap_offset, 0x1000);
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_uint_eq(data.out_mmap_offset, 0x3000);
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_uint_eq(data.out_mmap_offset, 0x7000);
}
END_TEST

static int64_t map_at(uint64_t length, uint32_t prot, uint32_t flags, uint64_t offset)
{
	return world_sys(world, SYS_MMAP, 0, length, prot, flags, (uint64_t)world->fd, offset);
}

START_TEST(mmap_takes_exactly_one_region_shared_and_not_executable)
{
	setup();
	uint32_t id, shown = 0;
	struct iommu_viommu_selftest data = {.in_data = 0xabcd};
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_refused(map_at(0x2000, PROT_RW, MAP_PRIVATE_BIT, 0x1000), EINVAL);
	ck_assert_refused(map_at(0x2000, PROT_RW | PROT_EXEC_BIT, MAP_SHARED_BIT, 0x1000), EPERM);
	ck_assert_refused(map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0), ENXIO);
	ck_assert_refused(map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x5000), ENXIO);
	ck_assert_refused(map_at(0x1000, PROT_RW, MAP_SHARED_BIT, 0x1000), ENXIO);
	ck_assert_refused(map_at(0x4000, PROT_RW, MAP_SHARED_BIT, 0x1000), ENXIO);
	ck_assert_refused(map_at(0x1000, PROT_RW, MAP_SHARED_BIT, 0x2000), ENXIO);
	ck_assert_refused(map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x2000), ENXIO);
	ck_assert_refused(map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x1800), EINVAL);
	/* A length is rounded up before the driver sees it. */
	int64_t va = map_at(0x1001, PROT_READ_BIT, MAP_SHARED_BIT, 0x1000);
	ck_assert_int_gt(va, 0);
	world_get(world, (uint64_t)va, &shown, sizeof(shown));
	ck_assert_uint_eq(shown, 0xabcd);
}
END_TEST

START_TEST(a_mapped_region_keeps_its_viommu)
{
	setup();
	uint32_t id;
	struct iommu_viommu_selftest data = {0};
	ck_assert_ok(with_data(24, &data, &id));
	uint64_t va = (uint64_t)map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x1000);
	ck_assert_refused(world_destroy(world, id), EBUSY);
	/* Each VMA counts: split in two, and again by fork. */
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va, 0x1000));
	ck_assert_refused(world_destroy(world, id), EBUSY);
	struct world *child = world_fork(world);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va + 0x1000, 0x1000));
	ck_assert_refused(world_destroy(world, id), EBUSY);
	world_exit(child);
	ck_assert_ok(world_destroy(world, id));
}
END_TEST

START_TEST(a_mapping_keeps_the_context_open)
{
	setup();
	uint32_t id;
	struct iommu_viommu_selftest data = {0};
	uint64_t buffer = world_mmap_aligned(world, PAGE_SIZE);
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_ok(world_map_at(world, v.ioas, buffer, PAGE_SIZE, APERTURE));
	uint64_t va = (uint64_t)map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x1000);
	ck_assert_ok(world_close(world, world->fd));
	world->fd = (int)made(world_open(world, "/dev/iommu"));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va, 0x2000));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
}
END_TEST

START_TEST(registers_can_not_be_pinned)
{
	setup();
	uint32_t id;
	struct iommu_viommu_selftest data = {0};
	ck_assert_ok(with_data(24, &data, &id));
	uint64_t va = (uint64_t)map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x1000);
	ck_assert_refused(world_map_at(world, v.ioas, va, PAGE_SIZE, APERTURE), EFAULT);
}
END_TEST

START_TEST(vdevice_checks_its_arguments_in_order)
{
	setup();
	struct mock other;
	uint32_t second = made(world_viommu(world, v.mock.idev, v.parent));
	ck_assert_ok(world_mock(world, v.ioas, 0, &other));
	ck_assert_refused(world_vdevice(world, 99, 99, 1), ENOENT);
	ck_assert_refused(world_vdevice(world, v.viommu, 99, 1), ENOENT);
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 0));
	/* One a device, on whatever vIOMMU; one a virt_id on each. */
	ck_assert_refused(world_vdevice(world, v.viommu, v.mock.idev, 1), EEXIST);
	ck_assert_refused(world_vdevice(world, second, v.mock.idev, 1), EEXIST);
	ck_assert_refused(world_vdevice(world, v.viommu, other.idev, 0), EEXIST);
	ck_assert_str_eq(world_rule(world), "iommufd 5.3 9");
	ck_assert_int_gt(world_vdevice(world, second, other.idev, 0), 0);
	ck_assert_ok(world_destroy(world, vdevice));
	ck_assert_int_eq(world_vdevice(world, v.viommu, v.mock.idev, UINT64_MAX), vdevice);
}
END_TEST

START_TEST(a_failed_vdevice_leaves_nothing_behind)
{
	setup();
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = v.viommu, .dev_id = v.mock.idev, .virt_id = 5};
	world_put(world, ro, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_VDEVICE_ALLOC), ro), EFAULT);
	ck_assert_int_eq(world_vdevice(world, v.viommu, v.mock.idev, 5), 8);
	ck_assert_ok(world_destroy(world, 8));
	ck_assert_ok(world_destroy(world, v.nested));
	ck_assert_ok(world_destroy(world, v.viommu));
}
END_TEST

START_TEST(a_nested_domain_on_a_viommu_needs_a_vdevice_to_attach)
{
	setup();
	struct mock other;
	uint32_t pt = v.nested, second = made(world_viommu(world, v.mock.idev, v.parent));
	ck_assert_refused(world_replace(world, v.mock.stdev, &pt), ENOENT);
	made(world_vdevice(world, second, v.mock.idev, 5));
	ck_assert_refused(world_replace(world, v.mock.stdev, &pt), ENOENT);
	ck_assert_ok(world_destroy(world, second + 1));
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	/* It may go while the domain is attached. */
	ck_assert_ok(world_destroy(world, vdevice));
	ck_assert_refused(world_mock(world, v.nested, 0, &other), ENOENT);
	ck_assert_ok(world_destroy(world, v.mock.stdev));
}
END_TEST

START_TEST(a_vdevice_of_another_iommu_s_device_is_refused)
{
	setup();
	int fd;
	struct fake_device *device = fake_device_new(fake_iommu_new(world->machine));
	uint32_t dev = made(world_bind(world, &device->device, &fd));
	ck_assert_refused(world_vdevice(world, v.viommu, dev, 1), EINVAL);
	/* After both lookups, and before the device's own vDEVICE would be in the way. */
	ck_assert_refused(world_vdevice(world, 99, dev, 1), ENOENT);
	ck_assert_int_eq(world_vdevice(world, v.viommu, v.mock.idev, 1), dev + 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		alloc_checks_its_arguments_in_order,
		data_comes_back_as_far_as_it_is_asked_for,
		freed_regions_are_used_again_lowest_first,
		mmap_takes_exactly_one_region_shared_and_not_executable,
		a_mapped_region_keeps_its_viommu,
		a_mapping_keeps_the_context_open,
		registers_can_not_be_pinned,
		vdevice_checks_its_arguments_in_order,
		a_failed_vdevice_leaves_nothing_behind,
		a_nested_domain_on_a_viommu_needs_a_vdevice_to_attach,
		a_vdevice_of_another_iommu_s_device_is_refused,
	};
	return RUN_TESTS("shim_viommu", tests);
}
