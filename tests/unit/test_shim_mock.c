/* SPDX-License-Identifier: Apache-2.0 */
/* The mock driver and the test operations that no other file covers (iommufd 7.3, 7.4). */
#include <string.h>

#include "kernel_shim/drivers/mock/mock.h"
#include "tests/kit/fake_iommu.h"
#include "tests/kit/test.h"

static uint32_t ioas;
static struct mock mock;
static uint64_t buffer;

static void setup(void)
{
	buffer = world_mmap_aligned(world, 4 * HPAGE_SIZE);
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
}

START_TEST(device_flags_are_checked)
{
	ioas = made(world_ioas(world));
	ck_assert_refused(world_mock(world, ioas, 2, NULL), EINVAL);
	ck_assert_refused(world_mock(world, ioas, 8, NULL), EINVAL);
	ck_assert_ok(world_mock(world, ioas, 5, NULL));
	/* The operation without flags looks at none. */
	struct iommu_test_cmd cmd = {.id = ioas};
	cmd.mock_domain_flags.dev_flags = 0xff;
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_MOCK_DOMAIN, &cmd));
	ck_assert_uint_eq(cmd.mock_domain_flags.dev_flags, 0xff);
}
END_TEST

START_TEST(a_mock_device_has_none_of_the_other_capabilities)
{
	struct mock_dev *dev = mock_dev_new(world->machine, MOCK_FLAGS_DEVICE_NO_DIRTY);
	ck_assert(mock_ops.capable(&dev->device, IOMMU_CAP_CACHE_COHERENCY));
	ck_assert(!mock_ops.capable(&dev->device, IOMMU_CAP_ENFORCE_CACHE_COHERENCY));
	ck_assert(!mock_ops.capable(&dev->device, IOMMU_CAP_DIRTY_TRACKING));
	ck_assert(!mock_ops.capable(&dev->device, IOMMU_CAP_ATS));
	mock_dev_free(dev);
}
END_TEST

START_TEST(an_answer_that_can_not_be_written_undoes_the_device)
{
	setup();
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	uint32_t other = made(world_ioas(world));
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd), .op = IOMMU_TEST_OP_MOCK_DOMAIN, .id = other};
	ck_assert_ok(world_map_at(world, other, buffer, PAGE_SIZE, APERTURE));
	world_put(world, ro, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_TEST_CMD), ro), EFAULT);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	ck_assert_int_eq(world_ioas(world), other + 1);
	ck_assert_ok(world_destroy(world, other));
}
END_TEST

START_TEST(check_map_compares_page_by_page)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, 4 * PAGE_SIZE, APERTURE));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, buffer, 4 * PAGE_SIZE));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, buffer, 0));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE + 2048, buffer + 2048, 2048));
	ck_assert_refused(world_check_map(world, mock.hwpt, APERTURE, buffer, 5 * PAGE_SIZE),
			  EINVAL);
	ck_assert_refused(world_check_map(world, mock.hwpt, APERTURE + 2048, buffer, 2048), EINVAL);
	ck_assert_refused(world_check_map(world, mock.hwpt, APERTURE, buffer + PAGE_SIZE, 2048),
			  EINVAL);
	ck_assert_refused(world_check_map(world, mock.hwpt, APERTURE + 1024, buffer, 2048), EINVAL);
	ck_assert_refused(world_check_map(world, mock.hwpt, APERTURE, buffer, 1024), EINVAL);
	ck_assert_refused(world_check_map(world, mock.hwpt, APERTURE, NOWHERE, 4096), EFAULT);
	ck_assert_refused(world_check_map(world, mock.hwpt, APERTURE, -4096ULL, 4096), EINVAL);
	ck_assert_refused(world_check_map(world, ioas, APERTURE, buffer, 4096), ENOENT);
}
END_TEST

/* 7.3: start and end at every half page of a few, against whole and shifted memory. */
START_TEST(every_alignment_maps_and_unmaps_what_it_should)
{
	setup();
	uint64_t size = 8 * PAGE_SIZE;
	for (uint64_t start = 0; start < size; start += 2048)
		for (uint64_t end = start + 2048; end <= size; end += 2048) {
			uint64_t iova = APERTURE + (start % PAGE_SIZE);
			ck_assert_ok(world_map_at(world, ioas, buffer + start, end - start, iova));
			ck_assert_ok(world_check_map(world, mock.hwpt, iova, buffer + start,
						     end - start));
			uint64_t first = align_down(start, PAGE_SIZE);
			uint64_t last = align_up(end, PAGE_SIZE);
			ck_assert_ok(world_refs(world, buffer + first, last - first, 1));
			ck_assert_ok(world_refs(world, buffer, first, 0));
			ck_assert_ok(world_refs(world, buffer + last, size - last, 0));
			ck_assert_int_eq(world_unmap(world, ioas, iova, end - start),
					 (int64_t)(end - start));
			ck_assert_refused(
				world_check_map(world, mock.hwpt, iova, buffer + start, 2048),
				EINVAL);
		}
}
END_TEST

/* IOPTE size at IOVA: how many 2 KiB granules one mark makes dirty. */
static uint64_t iopte_size_in(uint32_t hwpt, uint64_t iova, uint64_t page_size, uint64_t start,
			      uint64_t length)
{
	static uint8_t bytes[4096];
	uint8_t one = 1;
	uint64_t bits = 0;
	struct iommu_hwpt_set_dirty_tracking track = {.flags = 1, .hwpt_id = hwpt};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &track));
	struct iommu_test_cmd cmd = {.id = hwpt};
	cmd.dirty.iova = iova;
	cmd.dirty.length = cmd.dirty.page_size = page_size;
	cmd.dirty.uptr = world_data(world, &one, 1);
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_DIRTY, &cmd));
	memset(bytes, 0, sizeof(bytes));
	struct iommu_hwpt_get_dirty_bitmap get = {.hwpt_id = hwpt,
						  .iova = start,
						  .length = length,
						  .page_size = page_size,
						  .data = world_data(world, bytes, sizeof(bytes))};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP, &get));
	world_get(world, world->data, bytes, sizeof(bytes));
	for (uint32_t i = 0; i < sizeof(bytes) * 8; i++)
		bits += bytes[i / 8] >> i % 8 & 1;
	return bits * page_size;
}

static uint64_t iopte_size(uint32_t hwpt, uint64_t iova, uint64_t page_size)
{
	uint64_t length = 4 * HPAGE_SIZE;
	return iopte_size_in(hwpt, iova, page_size, align_down(iova, length), length);
}

START_TEST(ioptes_are_as_large_as_alignment_and_length_allow)
{
	setup();
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
	ck_assert_ok(world_map_at(world, ioas, buffer, 4 * HPAGE_SIZE, APERTURE));
	/* As large as the memory's own alignment allows. */
	uint64_t pfn, run, size;
	ck_assert_ok(mm_fault(world->process->mm, va_of(buffer), 1, 0, &pfn, &run));
	size = (pfn & -pfn) * PAGE_SIZE;
	ck_assert_uint_eq(iopte_size(hwpt, APERTURE, 2048),
			  size < 4 * HPAGE_SIZE ? size : 4 * HPAGE_SIZE);
	ck_assert_uint_ge(size, HPAGE_SIZE);
	ck_assert_int_gt(world_unmap_all(world, ioas), 0);
	/* From 0x800: 2 KiB, then 4, 8, 16 KiB up to what is left. */
	ck_assert_ok(world_map_at(world, ioas, buffer + 0x800, 0x8000 - 0x800 + 0x1800,
				  APERTURE + 0x800));
	ck_assert_uint_eq(iopte_size_in(hwpt, APERTURE + 0x800, 2048, APERTURE + 0x800, 0x9000),
			  0x800);
	ck_assert_uint_eq(iopte_size_in(hwpt, APERTURE + 0x1000, 2048, APERTURE + 0x800, 0x9000),
			  0x1000);
	ck_assert_uint_eq(iopte_size_in(hwpt, APERTURE + 0x2800, 2048, APERTURE + 0x800, 0x9000),
			  0x2000);
	ck_assert_uint_eq(iopte_size_in(hwpt, APERTURE + 0x4000, 2048, APERTURE + 0x800, 0x9000),
			  0x4000);
	ck_assert_uint_eq(iopte_size_in(hwpt, APERTURE + 0x8000, 2048, APERTURE + 0x800, 0x9000),
			  0x1000);
	ck_assert_uint_eq(iopte_size_in(hwpt, APERTURE + 0x9000, 2048, APERTURE + 0x800, 0x9000),
			  0x800);
	/* The memory's alignment limits too. */
	ck_assert_int_gt(world_unmap_all(world, ioas), 0);
	ck_assert_ok(world_map_at(world, ioas, buffer + 0x1000, 0x4000, APERTURE));
	ck_assert_uint_eq(iopte_size(hwpt, APERTURE, 2048), 0x1000);
}
END_TEST

START_TEST(without_huge_pages_each_iopte_is_a_page)
{
	setup();
	uint64_t off = 0;
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
	ck_assert_ok(world_option(world, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, &off));
	ck_assert_ok(world_map_at(world, ioas, buffer, 0x10000, APERTURE));
	ck_assert_uint_eq(iopte_size(hwpt, APERTURE, 4096), 0x1000);
	ck_assert_uint_eq(iopte_size(hwpt, APERTURE + 0x4000, 4096), 0x1000);
}
END_TEST

START_TEST(the_huge_type_has_two_sizes)
{
	setup();
	uint32_t data[2] = {0, MOCK_IOMMUPT_HUGE}, other = made(world_ioas(world));
	struct iommu_hwpt_alloc cmd = {.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
				       .dev_id = mock.idev,
				       .pt_id = other,
				       .data_type = IOMMU_HWPT_DATA_SELFTEST,
				       .data_len = 8,
				       .data_uptr = world_data(world, data, 8)};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd));
	ck_assert_ok(world_map_at(world, other, buffer, HPAGE_SIZE + 0x4000, 0));
	ck_assert_uint_eq(iopte_size(cmd.out_hwpt_id, 0, 4096), 1 << 20);
	ck_assert_uint_eq(iopte_size(cmd.out_hwpt_id, HPAGE_SIZE, 4096), 4096);
	ck_assert_refused(world_map_at(world, other, buffer, 4096, 1ULL << 38), EINVAL);
	ck_assert_refused(world_map_at(world, other, buffer, 2048, 0x1000000), EINVAL);
}
END_TEST

START_TEST(dma_ownership_is_not_shared_between_devices)
{
	setup();
	struct mock other;
	uint32_t second = made(world_ioas(world)), pt = second;
	ck_assert_ok(world_mock(world, ioas, 0, &other));
	/* Each is alone in its group: one may move without the other. */
	ck_assert_ok(world_replace(world, other.stdev, &pt));
	ck_assert_ok(world_pasid_check(world, mock.stdev, 0, mock.hwpt));
	ck_assert_ok(world_pasid_check(world, other.stdev, 0, pt));
}
END_TEST

START_TEST(the_temporary_memory_limit_has_a_minimum)
{
	struct iommu_test_cmd cmd = {.memory_limit = {11}};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT, &cmd), EINVAL);
	cmd.memory_limit.limit = 12;
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT, &cmd));
}
END_TEST

START_TEST(a_replaced_domain_of_one_viommu_keeps_the_cached_virt_id)
{
	struct viommu_world v = world_make_viommu(world);
	int fd;
	uint32_t got[3], pt = v.nested;
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 1));
	uint32_t second = made(world_nested(world, v.mock.idev, v.viommu, 0, 0, 1));
	made(world_veventq(world, v.viommu, 4, &fd));
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	ck_assert_ok(world_destroy(world, vdevice));
	made(world_vdevice(world, v.viommu, v.mock.idev, 2));
	pt = second;
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	struct iommu_test_cmd cmd = {.trigger_vevent = {v.mock.idev}};
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_TRIGGER_VEVENT, &cmd));
	ck_assert_int_eq(world_read(world, fd, got, 12), 12);
	ck_assert_uint_eq(got[2], 1);
	/* By way of another domain it is read afresh. */
	pt = v.ioas;
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	pt = second;
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_TRIGGER_VEVENT, &cmd));
	ck_assert_int_eq(world_read(world, fd, got, 12), 12);
	ck_assert_uint_eq(got[2], 2);
}
END_TEST

/* A HWPT and a device that are not the mock driver's. */
START_TEST(test_operations_on_another_driver_s_objects_are_einval)
{
	setup();
	int fd;
	struct fake_device *device = fake_device_new(fake_iommu_new(world->machine));
	uint32_t dev = made(world_bind(world, &device->device, &fd));
	uint32_t hwpt = made(
		world_hwpt(world, dev, made(world_ioas(world)), IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
	ck_assert_refused(world_check_map(world, hwpt, APERTURE, buffer, PAGE_SIZE), EINVAL);
	ck_assert_refused(world_check_map(world, hwpt, APERTURE, buffer, 0), EINVAL);
	struct iommu_test_cmd cmd = {
		.id = hwpt, .dirty = {0, 0, APERTURE, PAGE_SIZE, PAGE_SIZE, world->data, 0}};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_DIRTY, &cmd), EINVAL);
	ck_assert_refused(world_iopf(world, dev, 0, 1), EINVAL);
	cmd = (struct iommu_test_cmd){.id = dev, .check_dev_cache = {0, 0}};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_DEV_CHECK_CACHE, &cmd), EINVAL);
	/* It has no virt_id that the mock driver would know. */
	cmd = (struct iommu_test_cmd){.trigger_vevent = {dev}};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_TRIGGER_VEVENT, &cmd), ENOENT);
}
END_TEST

START_TEST(a_physical_address_beyond_the_table_s_output_is_erange)
{
	struct machine_config config = machine_config_default();
	struct mock far_mock;
	config.ram_base = 1ULL << 51;
	struct world *far = world_new_with(&config);
	uint64_t va = world_mmap_aligned(far, PAGE_SIZE);
	uint32_t id = (uint32_t)world_ioas(far);
	ck_assert_ok(world_mock(far, id, 0, &far_mock));
	ck_assert_refused(world_map_at(far, id, va, PAGE_SIZE, APERTURE), ERANGE);
	ck_assert_refused(world_unmap(far, id, APERTURE, PAGE_SIZE), ENOENT);
	ck_assert_ok(world_refs(far, va, PAGE_SIZE, 0));
	world_free(far);
}
END_TEST

/* A paging HWPT on PT with data of the driver. */
static int64_t with_data(uint32_t pt, uint32_t iotlb, uint32_t type)
{
	struct iommu_hwpt_selftest data = {iotlb, type};
	struct iommu_hwpt_alloc cmd = {.dev_id = mock.idev,
				       .pt_id = pt,
				       .data_type = IOMMU_HWPT_DATA_SELFTEST,
				       .data_len = sizeof(data),
				       .data_uptr = world_data(world, &data, sizeof(data))};
	return world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd);
}

START_TEST(the_iotlb_of_a_paging_domain_is_ignored)
{
	setup();
	ck_assert_ok(with_data(ioas, 0xffffffff, 0));
	ck_assert_ok(with_data(ioas, 0xffffffff, 1));
}
END_TEST

START_TEST(the_default_type_has_every_size_from_2_kib)
{
	struct iommu_iova_range ranges[2];
	uint64_t alignment;
	uint32_t count;
	setup();
	ck_assert_ok(world_ranges(world, ioas, ranges, 2, &count, &alignment));
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(alignment, 2048);
	ck_assert_uint_eq(ranges[0].start, 0x1000000);
	ck_assert_uint_eq(ranges[0].last, 0x7fffffff);
	ck_assert_uint_eq(world_hwpt_of(world, mock.hwpt)->domain->pgsize_bitmap, 0x1ffffff800);
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(with_data(other, 0, 1));
	ck_assert_ok(world_ranges(world, other, ranges, 2, &count, &alignment));
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(alignment, 4096);
	ck_assert_uint_eq(ranges[0].start, 0);
	ck_assert_uint_eq(ranges[0].last, (1ULL << 38) - 1);
}
END_TEST

START_TEST(a_pasid_needs_neither_vdevice_nor_tracking)
{
	setup();
	uint32_t plain = IOMMU_HWPT_ALLOC_PASID;
	uint32_t parent = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT));
	uint32_t viommu = made(world_viommu(world, mock.idev, parent));
	uint32_t nested = made(world_nested(world, mock.idev, viommu, plain, 0, 1));
	uint32_t tracking =
		made(world_hwpt(world, mock.idev, ioas, plain | IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
	uint32_t compatible = made(world_hwpt(world, mock.idev, ioas, plain)), pt = compatible;
	struct mock other;
	ck_assert_ok(world_mock(world, compatible,
				MOCK_FLAGS_DEVICE_PASID | MOCK_FLAGS_DEVICE_NO_DIRTY, &other));
	ck_assert_ok(world_pasid(world, IOMMU_TEST_OP_PASID_ATTACH, other.stdev, 1, &nested));
	ck_assert_ok(world_pasid(world, IOMMU_TEST_OP_PASID_ATTACH, other.stdev, 2, &tracking));
	ck_assert_refused(world_replace(world, other.stdev, &tracking), EINVAL);
	ck_assert_refused(world_replace(world, other.stdev, &nested), ENOENT);
	ck_assert_ok(world_replace(world, other.stdev, &pt));
	ck_assert_ok(world_pasid_detach(world, other.stdev, 1));
	ck_assert_ok(world_pasid_detach(world, other.stdev, 2));
}
END_TEST

START_TEST(nested_domains_check_flags_and_data_alike)
{
	struct viommu_world v = world_make_viommu(world);
	const uint32_t pts[] = {v.parent, v.viommu};
	uint32_t data[2] = {1, 0};
	for (uint32_t i = 0; i < 2; i++) {
		struct iommu_hwpt_alloc good = {.dev_id = v.mock.idev,
						.pt_id = pts[i],
						.flags = IOMMU_HWPT_ALLOC_PASID,
						.data_type = IOMMU_HWPT_DATA_SELFTEST,
						.data_len = 4,
						.data_uptr = world_data(world, data, 8)};
		struct iommu_hwpt_alloc cmd = good;
		ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd));
		cmd = good, cmd.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
		ck_assert_refused(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd), EOPNOTSUPP);
		cmd = good, cmd.data_type = 1;
		ck_assert_refused(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd), EOPNOTSUPP);
		cmd = good, cmd.data_len = 3;
		ck_assert_refused(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd), EINVAL);
		cmd = good, cmd.data_len = 9;
		ck_assert_refused(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd), EINVAL);
		cmd = good, cmd.data_uptr = NOWHERE;
		ck_assert_refused(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd), EFAULT);
	}
}
END_TEST

START_TEST(data_of_a_viommu_has_8_to_24_bytes)
{
	struct viommu_world v = world_make_viommu(world);
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	static const struct {
		uint32_t length;
		int error;
	} rows[] = {{4, EINVAL}, {7, EINVAL}, {25, EINVAL}, {8, 0}, {16, 0}, {24, 0}};
	uint32_t made_so_far = 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t words[7] = {0x1234, 0, 5, 5, 5, 5, 5};
		struct iommu_viommu_alloc cmd = {.type = IOMMU_VIOMMU_TYPE_SELFTEST,
						 .dev_id = v.mock.idev,
						 .hwpt_id = v.parent,
						 .data_len = rows[i].length,
						 .data_uptr =
							 world_data(world, words, sizeof(words))};
		ck_assert_refused(world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd), rows[i].error);
		world_get(world, world->data, words, sizeof(words));
		if (rows[i].error != 0)
			continue;
		uint32_t offset = 0x1000 + 0x2000 * made_so_far++;
		ck_assert_uint_eq(words[1], 0x1234);
		ck_assert_uint_eq(words[2], rows[i].length >= 16 ? offset : 5);
		ck_assert_uint_eq(words[4], rows[i].length >= 24 ? 8192 : 5);
		ck_assert_uint_eq(words[6], 5);
		uint32_t first;
		int64_t va = world_sys(world, SYS_MMAP, 0, 8192, PROT_READ_BIT, MAP_SHARED_BIT,
				       (uint64_t)world->fd, offset);
		ck_assert_int_gt(va, 0);
		world_get(world, (uint64_t)va, &first, sizeof(first));
		ck_assert_uint_eq(first, 0x1234);
	}
	struct iommu_viommu_alloc cmd = {.type = IOMMU_VIOMMU_TYPE_SELFTEST,
					 .dev_id = v.mock.idev,
					 .hwpt_id = v.parent,
					 .data_len = 24,
					 .data_uptr = NOWHERE};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd), EFAULT);
	cmd.data_uptr = world->data;
	machine_fail_nth(world->machine, 1, "vIOMMU pages");
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd), ENOMEM);
	cmd.data_uptr = ro;
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd), EFAULT);
	/* The region that it had is free. */
	ck_assert_refused(world_sys(world, SYS_MMAP, 0, 8192, PROT_READ_BIT, MAP_SHARED_BIT,
				    (uint64_t)world->fd, 0x7000),
			  ENXIO);
	ck_assert_int_gt(world_viommu(world, v.mock.idev, v.parent), 0);
}
END_TEST

START_TEST(hw_queues_of_the_mock_check_in_order)
{
	struct viommu_world v = world_make_viommu(world);
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_map_at(world, v.ioas, va, PAGE_SIZE, APERTURE));
	struct iommu_hw_queue_alloc other = {.viommu_id = v.viommu, .type = 1, .length = 1};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_HW_QUEUE_ALLOC, &other), EOPNOTSUPP);
	struct iommu_domain *domain = world_hwpt_of(world, v.parent)->domain;
	struct pa pa;
	ck_assert(domain->ops->translate(domain, iova_of(APERTURE), &pa));
	/* The parent translates to another page; that comes last. */
	domain->ops->unmap(domain, iova_of(APERTURE), PAGE_SIZE);
	ck_assert_ok(domain->ops->map(domain, iova_of(APERTURE), pa_of(pa.value + PAGE_SIZE),
				      PAGE_SIZE, IOMMU_READ, 0));
	ck_assert_refused(world_hw_queue(world, v.viommu, 2, APERTURE, PAGE_SIZE), EINVAL);
	ck_assert_refused(world_hw_queue(world, v.viommu, 1, APERTURE, PAGE_SIZE), EIO);
	ck_assert_refused(world_hw_queue(world, v.viommu, 0, APERTURE, PAGE_SIZE), EFAULT);
	domain->ops->unmap(domain, iova_of(APERTURE), PAGE_SIZE);
	ck_assert_ok(domain->ops->map(domain, iova_of(APERTURE), pa, PAGE_SIZE, IOMMU_READ, 0));
	made(world_hw_queue(world, v.viommu, 0, APERTURE, PAGE_SIZE));
	ck_assert_refused(world_hw_queue(world, v.viommu, 0, APERTURE, PAGE_SIZE), EEXIST);
	ck_assert_int_gt(world_hw_queue(world, v.viommu, 1, APERTURE, PAGE_SIZE), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		device_flags_are_checked,
		a_mock_device_has_none_of_the_other_capabilities,
		an_answer_that_can_not_be_written_undoes_the_device,
		check_map_compares_page_by_page,
		every_alignment_maps_and_unmaps_what_it_should,
		ioptes_are_as_large_as_alignment_and_length_allow,
		without_huge_pages_each_iopte_is_a_page,
		the_huge_type_has_two_sizes,
		dma_ownership_is_not_shared_between_devices,
		the_temporary_memory_limit_has_a_minimum,
		a_replaced_domain_of_one_viommu_keeps_the_cached_virt_id,
		test_operations_on_another_driver_s_objects_are_einval,
		a_physical_address_beyond_the_table_s_output_is_erange,
		the_iotlb_of_a_paging_domain_is_ignored,
		the_default_type_has_every_size_from_2_kib,
		a_pasid_needs_neither_vdevice_nor_tracking,
		nested_domains_check_flags_and_data_alike,
		data_of_a_viommu_has_8_to_24_bytes,
		hw_queues_of_the_mock_check_in_order,
	};
	return RUN_TESTS("shim_mock", tests);
}
