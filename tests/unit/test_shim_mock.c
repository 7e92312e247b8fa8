/* SPDX-License-Identifier: Apache-2.0 */
/* The mock driver and the test operations that no other file covers (iommufd 7.3, 7.4). */
#include <string.h>

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

int main(void)
{
	const TTest *const tests[] = {
		device_flags_are_checked,
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
	};
	return RUN_TESTS("shim_mock", tests);
}
