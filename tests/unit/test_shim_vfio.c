/* SPDX-License-Identifier: Apache-2.0 */
/* The VFIO ioctls on an iommufd descriptor (iommufd 2.12, app. C). */
#include <string.h>

#include "kernel_shim/uapi/vfio.h"
#include "tests/kit/fake_iommu.h"
#include "tests/kit/test.h"

static uint32_t ioas;
static uint64_t buffer;

#define BUFFER (16 * PAGE_SIZE)

static int64_t compat(uint16_t op, uint32_t *id)
{
	struct iommu_vfio_ioas cmd = {.ioas_id = *id, .op = op};
	int64_t error = world_ioctl(world, IOMMUFD_NR_VFIO_IOAS, &cmd);
	*id = cmd.ioas_id;
	return error;
}

static void setup(uint32_t type)
{
	buffer = world_mmap_aligned(world, BUFFER);
	ioas = made(world_ioas(world));
	ck_assert_ok(compat(IOMMU_VFIO_IOAS_SET, &ioas));
	if (type != 0)
		ck_assert_ok(world_ioctl_raw(world, VFIO_SET_IOMMU, type));
}

static int64_t map_dma(uint64_t va, uint64_t iova, uint64_t size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map map = {sizeof(map), flags, va, iova, size};
	return world_ioctl_raw(world, VFIO_IOMMU_MAP_DMA, world_data(world, &map, sizeof(map)));
}

static uint64_t unmapped; /* the size field after the call */

static int64_t unmap_dma(uint64_t iova, uint64_t size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_unmap unmap = {sizeof(unmap), flags, iova, size};
	uint64_t va = world_data(world, &unmap, sizeof(unmap));
	int64_t error = world_ioctl_raw(world, VFIO_IOMMU_UNMAP_DMA, va);
	world_get(world, va, &unmap, sizeof(unmap));
	unmapped = unmap.size;
	return error;
}

START_TEST(the_compat_ioas_is_set_read_and_forgotten)
{
	uint32_t id = 5;
	struct iommu_vfio_ioas cmd = {.op = 0, .__reserved = 1};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_VFIO_IOAS, &cmd), EOPNOTSUPP);
	ck_assert_refused(compat(IOMMU_VFIO_IOAS_GET, &id), ENODEV);
	ck_assert_refused(compat(IOMMU_VFIO_IOAS_SET, &id), ENOENT);
	ck_assert_refused(compat(3, &id), EOPNOTSUPP);
	setup(0);
	id = 0;
	ck_assert_ok(compat(IOMMU_VFIO_IOAS_GET, &id));
	ck_assert_uint_eq(id, ioas);
	ck_assert_ok(compat(IOMMU_VFIO_IOAS_CLEAR, &id));
	ck_assert_refused(compat(IOMMU_VFIO_IOAS_GET, &id), ENODEV);
	/* No reference is taken: the IOAS may go, and is forgotten then. */
	ck_assert_ok(compat(IOMMU_VFIO_IOAS_SET, &ioas));
	ck_assert_ok(world_destroy(world, ioas));
	ck_assert_refused(compat(IOMMU_VFIO_IOAS_GET, &id), ENODEV);
}
END_TEST

START_TEST(version_and_extensions)
{
	ck_assert_ok(world_ioctl_raw(world, VFIO_GET_API_VERSION, 0));
	ck_assert_int_eq(world_ioctl_raw(world, VFIO_CHECK_EXTENSION, 1), 1);
	ck_assert_int_eq(world_ioctl_raw(world, VFIO_CHECK_EXTENSION, 3), 1);
	ck_assert_int_eq(world_ioctl_raw(world, VFIO_CHECK_EXTENSION, 9), 1);
	ck_assert_int_eq(world_ioctl_raw(world, VFIO_CHECK_EXTENSION, 2), 0);
	ck_assert_int_eq(world_ioctl_raw(world, VFIO_CHECK_EXTENSION, 8), 0);
	ck_assert_refused(world_ioctl_raw(world, VFIO_CHECK_EXTENSION, 4), ENODEV);
	setup(0);
	ck_assert_int_eq(world_ioctl_raw(world, VFIO_CHECK_EXTENSION, 4), 1);
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_int_eq(world_ioctl_raw(world, VFIO_CHECK_EXTENSION, 4), 0);
}
END_TEST

START_TEST(without_a_compat_ioas_all_is_enodev)
{
	struct vfio_iommu_type1_info info = {.argsz = sizeof(info)};
	ck_assert_refused(world_ioctl_raw(world, VFIO_SET_IOMMU, 2), EINVAL);
	ck_assert_refused(world_ioctl_raw(world, VFIO_SET_IOMMU, 1), ENODEV);
	ck_assert_refused(world_ioctl_raw(world, VFIO_SET_IOMMU, 3), ENODEV);
	ck_assert_refused(
		world_ioctl_raw(world, VFIO_IOMMU_GET_INFO, world_data(world, &info, sizeof(info))),
		ENODEV);
	ck_assert_refused(map_dma(buffer, 0, 4096, 3), ENODEV);
	ck_assert_refused(map_dma(buffer, 0, 4096, 4), EINVAL);
	ck_assert_refused(unmap_dma(0, 4096, 0), ENODEV);
	ck_assert_refused(unmap_dma(0, 4096, 1), EINVAL);
	ck_assert_refused(world_ioctl_raw(world, VFIO_IOMMU_MAP_DMA, NOWHERE), EFAULT);
	ck_assert_refused(world_ioctl_raw(world, VFIO_IOMMU_UNMAP_DMA, NOWHERE), EFAULT);
	ck_assert_refused(world_ioctl_raw(world, VFIO_IOMMU_GET_INFO, NOWHERE), EFAULT);
}
END_TEST

START_TEST(argsz_below_the_struct_is_einval)
{
	setup(3);
	for (uint32_t argsz = 0; argsz < 32; argsz++) {
		struct vfio_iommu_type1_dma_map map = {argsz, 3, buffer, 0, 4096};
		ck_assert_refused(world_ioctl_raw(world, VFIO_IOMMU_MAP_DMA,
						  world_data(world, &map, sizeof(map))),
				  EINVAL);
		struct vfio_iommu_type1_dma_unmap unmap = {argsz, 0, 0, 4096};
		int64_t expected = argsz < 24 ? -EINVAL : 0;
		ck_assert_int_eq(world_ioctl_raw(world, VFIO_IOMMU_UNMAP_DMA,
						 world_data(world, &unmap, sizeof(unmap))),
				 expected);
	}
}
END_TEST

START_TEST(map_dma_is_a_fixed_map)
{
	setup(3);
	struct mock mock;
	ck_assert_ok(map_dma(buffer, 0x10001, 3, 3));
	ck_assert_refused(map_dma(buffer, 0x10002, 1, 3), EEXIST);
	ck_assert_refused(map_dma(buffer, 0x20000, 0, 3), EINVAL);
	ck_assert_refused(map_dma(UINT64_MAX, 0x20000, 1, 3), EOVERFLOW);
	/* Neither READ nor WRITE: fine until there is a domain. */
	ck_assert_ok(map_dma(buffer, 0x20000, 4096, 0));
	ck_assert_ok(unmap_dma(0, 0, 2));
	ck_assert_uint_eq(unmapped, 4099);
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	ck_assert_refused(map_dma(buffer, APERTURE, 4096, 0), EINVAL);
	ck_assert_ok(world_refs(world, buffer, 4096, 0));
	ck_assert_ok(map_dma(buffer, APERTURE, 4096, 1));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, buffer, 4096));
}
END_TEST

START_TEST(unmap_dma_counts_and_writes_back_even_on_errors)
{
	setup(3);
	ck_assert_ok(map_dma(buffer, 0x10000, 0x2000, 3));
	ck_assert_ok(map_dma(buffer, 0x12000, 0x2000, 3));
	/* Nothing there is success here. */
	ck_assert_ok(unmap_dma(0x50000, 4096, 0));
	ck_assert_uint_eq(unmapped, 0);
	ck_assert_refused(unmap_dma(0x10000, 0, 0), EINVAL);
	ck_assert_uint_eq(unmapped, 0);
	ck_assert_refused(unmap_dma(2, UINT64_MAX, 0), EOVERFLOW);
	ck_assert_uint_eq(unmapped, 0);
	/* The first area is gone and counted although the second is cut short. */
	ck_assert_refused(unmap_dma(0x10000, 0x3000, 0), ENOENT);
	ck_assert_uint_eq(unmapped, 0x2000);
	/* ALL takes no range, and says nothing then. */
	ck_assert_refused(unmap_dma(0, 4096, 2), EINVAL);
	ck_assert_uint_eq(unmapped, 4096);
	ck_assert_refused(unmap_dma(4096, 0, 2), EINVAL);
	ck_assert_ok(unmap_dma(0, 0, 2));
	ck_assert_uint_eq(unmapped, 0x2000);
	ck_assert_ok(unmap_dma(0, 0, 2));
	ck_assert_uint_eq(unmapped, 0);
}
END_TEST

START_TEST(type_1_cuts_areas_where_it_unmaps)
{
	setup(1);
	struct mock mock;
	uint64_t value = 9;
	ck_assert_ok(
		world_option(world, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, ioas, &value));
	ck_assert_uint_eq(value, 0);
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	ck_assert_ok(map_dma(buffer, APERTURE, BUFFER, 3));
	ck_assert_ok(unmap_dma(APERTURE + 4 * PAGE_SIZE, 2 * PAGE_SIZE, 0));
	ck_assert_uint_eq(unmapped, 2 * PAGE_SIZE);
	ck_assert_ok(world_refs(world, buffer, 4 * PAGE_SIZE, 1));
	ck_assert_ok(world_refs(world, buffer + 4 * PAGE_SIZE, 2 * PAGE_SIZE, 0));
	ck_assert_ok(world_refs(world, buffer + 6 * PAGE_SIZE, 10 * PAGE_SIZE, 1));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE + 6 * PAGE_SIZE,
				     buffer + 6 * PAGE_SIZE, 10 * PAGE_SIZE));
	ck_assert_ok(unmap_dma(APERTURE, PAGE_SIZE, 0));
	ck_assert_ok(unmap_dma(APERTURE + 15 * PAGE_SIZE, PAGE_SIZE, 0));
	ck_assert_int_eq(world_unmap_all(world, ioas), 12 * PAGE_SIZE);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
}
END_TEST

START_TEST(a_cut_is_refused_where_it_is_not_aligned_or_the_area_pinned)
{
	setup(1);
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_ok(map_dma(buffer, 0x10000, 4 * PAGE_SIZE, 3));
	unmapped = 0;
	ck_assert_refused(unmap_dma(0x10000, PAGE_SIZE + 8, 0), EINVAL);
	ck_assert_uint_eq(unmapped, PAGE_SIZE + 8);
	/* A cut right behind the first byte is none: then the area is partial. */
	ck_assert_refused(unmap_dma(0x10000, 1, 0), ENOENT);
	ck_assert_uint_eq(unmapped, 0);
	/* With no length the cut at iova is made all the same. */
	ck_assert_refused(unmap_dma(0x13000, 0, 0), EINVAL);
	ck_assert_int_eq(world_unmap(world, ioas, 0x13000, PAGE_SIZE), PAGE_SIZE);
	made(world_pin(world, access, 0x10000, PAGE_SIZE, 0, 0));
	ck_assert_refused(unmap_dma(0x11000, PAGE_SIZE, 0), EINVAL);
	ck_assert_uint_eq(unmapped, PAGE_SIZE);
	ck_assert_ok(unmap_dma(0x10000, 3 * PAGE_SIZE, 0));
	ck_assert_uint_eq(unmapped, 3 * PAGE_SIZE);
}
END_TEST

START_TEST(v2_never_cuts)
{
	setup(3);
	ck_assert_ok(map_dma(buffer, 0x10000, 4 * PAGE_SIZE, 3));
	ck_assert_refused(unmap_dma(0x11000, PAGE_SIZE, 0), ENOENT);
	ck_assert_refused(unmap_dma(0x10000, PAGE_SIZE, 0), ENOENT);
	ck_assert_int_eq(world_unmap_all(world, ioas), 4 * PAGE_SIZE);
}
END_TEST

START_TEST(a_hw_queue_blocks_unmap_dma)
{
	struct viommu_world v = world_make_viommu(world);
	buffer = world_mmap_aligned(world, BUFFER);
	ck_assert_ok(compat(IOMMU_VFIO_IOAS_SET, &v.ioas));
	ck_assert_ok(map_dma(buffer, APERTURE, 4096, 3));
	made(world_hw_queue(world, v.viommu, 0, APERTURE, 4096));
	ck_assert_refused(unmap_dma(APERTURE, 4096, 0), EBUSY);
	ck_assert_uint_eq(unmapped, 0);
}
END_TEST

/* The bytes that GET_INFO leaves after ARGSZ are the caller's. */
static void info_bytes(uint32_t argsz, uint8_t bytes[128])
{
	memset(bytes, 0xa5, 128);
	memcpy(bytes, &argsz, sizeof(argsz));
	uint64_t va = world_data(world, bytes, 128);
	ck_assert_ok(world_ioctl_raw(world, VFIO_IOMMU_GET_INFO, va));
	world_get(world, va, bytes, 128);
}

static uint32_t u32(const uint8_t *bytes, uint32_t at)
{
	uint32_t value;
	memcpy(&value, bytes + at, sizeof(value));
	return value;
}

static uint64_t u64(const uint8_t *bytes, uint32_t at)
{
	uint64_t value;
	memcpy(&value, bytes + at, sizeof(value));
	return value;
}

START_TEST(get_info_never_writes_beyond_argsz)
{
	setup(3);
	uint8_t bytes[128];
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	for (uint32_t argsz = 0; argsz < 16; argsz++) {
		struct vfio_iommu_type1_info info = {.argsz = argsz};
		ck_assert_refused(world_ioctl_raw(world, VFIO_IOMMU_GET_INFO,
						  world_data(world, &info, sizeof(info))),
				  EINVAL);
	}
	for (uint32_t argsz = 16; argsz <= 128; argsz++) {
		info_bytes(argsz, bytes);
		for (uint32_t i = argsz; i < 128; i++)
			ck_assert_uint_eq(bytes[i], 0xa5);
		ck_assert_uint_eq(u32(bytes, 0), 72);
		ck_assert_uint_eq(u32(bytes, 4), 3);
		ck_assert_uint_eq(u64(bytes, 8), 0x1ffffff000);
		if (argsz >= 20)
			ck_assert_uint_eq(u32(bytes, 16), argsz >= 72 ? 24 : 0);
		if (argsz >= 24)
			ck_assert_uint_eq(u32(bytes, 20), 0);
		/* DMA_AVAIL: id 3, version 1, then the next one's place. */
		if (argsz >= 36) {
			ck_assert_uint_eq(u32(bytes, 24), 1 << 16 | 3);
			ck_assert_uint_eq(u32(bytes, 28), argsz >= 40 ? 40 : 0);
			ck_assert_uint_eq(u32(bytes, 32), UINT32_MAX);
		} else if (argsz >= 28) {
			ck_assert_uint_eq(u32(bytes, 24), 0xa5a5a5a5);
		}
		if (argsz < 72 && argsz > 44) {
			ck_assert_uint_eq(u32(bytes, 40), 0xa5a5a5a5);
		} else if (argsz >= 72) {
			ck_assert_uint_eq(u32(bytes, 40), 1 << 16 | 1);
			ck_assert_uint_eq(u32(bytes, 44), 0);
			ck_assert_uint_eq(u32(bytes, 48), 1);
			ck_assert_uint_eq(u64(bytes, 56), 0x1000000);
			ck_assert_uint_eq(u64(bytes, 64), 0x7fffffff);
		}
	}
}
END_TEST

START_TEST(get_info_without_a_domain)
{
	setup(3);
	uint8_t bytes[128];
	info_bytes(128, bytes);
	ck_assert_uint_eq(u64(bytes, 8), -4096ULL);
	ck_assert_uint_eq(u64(bytes, 56), 0);
	ck_assert_uint_eq(u64(bytes, 64), UINT64_MAX);
	/* Ranges that do not all fit: those that do are written, their header is not. */
	ck_assert_ok(world_reserve(world, ioas, 0x1000, 0x1000));
	ck_assert_ok(world_reserve(world, ioas, 0x3000, 0x1000));
	info_bytes(90, bytes);
	ck_assert_uint_eq(u32(bytes, 0), 24 + 16 + 16 + 48);
	ck_assert_uint_eq(u32(bytes, 16), 0);
	ck_assert_uint_eq(u32(bytes, 40), 0xa5a5a5a5);
	ck_assert_uint_eq(u64(bytes, 56), 0);
	ck_assert_uint_eq(u64(bytes, 64), 0xfff);
	ck_assert_uint_eq(u64(bytes, 72), 0x2000);
	ck_assert_uint_eq(bytes[88], 0xa5);
	info_bytes(104, bytes);
	ck_assert_uint_eq(u32(bytes, 48), 3);
	ck_assert_uint_eq(u64(bytes, 88), 0x4000);
}
END_TEST

START_TEST(type_1_is_refused_where_huge_pages_can_not_go)
{
	setup(0);
	ck_assert_ok(map_dma(buffer, 0x10000, 100, 3));
	ck_assert_refused(world_ioctl_raw(world, VFIO_SET_IOMMU, 1), EADDRINUSE);
	ck_assert_ok(world_ioctl_raw(world, VFIO_SET_IOMMU, 3));
	ck_assert_ok(unmap_dma(0, 0, 2));
	ck_assert_ok(world_ioctl_raw(world, VFIO_SET_IOMMU, 1));
	ck_assert_ok(world_ioctl_raw(world, VFIO_SET_IOMMU, 1));
	ck_assert_refused(map_dma(buffer, 0x10000, 100, 3), EINVAL);
}
END_TEST

START_TEST(a_new_ioas_is_not_taken_for_the_destroyed_one)
{
	uint32_t id = 0;
	setup(0);
	ck_assert_ok(world_destroy(world, ioas));
	ck_assert_int_eq(world_ioas(world), ioas);
	ck_assert_refused(compat(IOMMU_VFIO_IOAS_GET, &id), ENODEV);
}
END_TEST

START_TEST(a_compat_ioas_under_destruction_is_enodev)
{
	setup(0);
	struct iommu_destroy destroy = {.id = ioas};
	struct iommu_vfio_ioas get = {.op = IOMMU_VFIO_IOAS_GET};
	struct flight destroying, aside;
	world_stepwise(world, true);
	flight_start(&destroying, world, 0, IOMMUFD_NR_DESTROY, &destroy);
	ck_assert(flight_until(&destroying, "object removed"));
	flight_start(&aside, world, 1, IOMMUFD_NR_VFIO_IOAS, &get);
	ck_assert_refused(flight_finish(&aside), ENODEV);
	ck_assert_ok(flight_finish(&destroying));
}
END_TEST

START_TEST(vfio_ioas_reads_and_writes_its_four_fields)
{
	uint8_t set[12] = {12, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0};
	uint8_t get[12] = {12, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0};
	uint8_t reserved[12] = {12, 0, 0, 0, 9, 0, 0, 0, 0, 0, 1, 0};
	const uint8_t got[12] = {12, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0};
	made(world_ioas(world));
	made(world_ioas(world));
	ck_assert_ok(world_ioctl_sized(world, IOMMUFD_NR_VFIO_IOAS, set, sizeof(set)));
	ck_assert_ok(world_ioctl_sized(world, IOMMUFD_NR_VFIO_IOAS, get, sizeof(get)));
	ck_assert_mem_eq(get, got, sizeof(got));
	ck_assert_refused(world_ioctl_sized(world, IOMMUFD_NR_VFIO_IOAS, reserved, 12), EOPNOTSUPP);
}
END_TEST

START_TEST(only_get_of_the_compat_ioas_answers)
{
	setup(0);
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .op = IOMMU_VFIO_IOAS_SET};
	world_put(world, va, &cmd, sizeof(cmd));
	ck_assert_ok(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_VFIO_IOAS), va));
	cmd.op = IOMMU_VFIO_IOAS_GET;
	world_put(world, va, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_VFIO_IOAS), va), EFAULT);
	cmd.op = IOMMU_VFIO_IOAS_CLEAR;
	world_put(world, va, &cmd, sizeof(cmd));
	ck_assert_ok(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_VFIO_IOAS), va));
}
END_TEST

/* --- single rules of appendix C --- */

START_TEST(other_commands_are_enotty)
{
	setup(3);
	ck_assert_refused(world_ioctl_raw(world, 0x3b75, world->data), ENOTTY);
	ck_assert_refused(world_ioctl_raw(world, 0x3b67, world->data), ENOTTY);
	ck_assert_refused(world_ioctl_raw(world, 0x3b7f, world->data), ENOTTY);
}
END_TEST

START_TEST(dma_cc_is_what_every_hwpt_enforces)
{
	struct fake_iommu *fake = fake_iommu_new(world->machine);
	int fd;
	setup(0);
	uint32_t dev = made(world_bind(world, &fake_device_new(fake)->device, &fd));
	fake->enforces = true;
	uint32_t first = made(world_hwpt(world, dev, ioas, 0));
	ck_assert_int_eq(world_ioctl_raw(world, VFIO_CHECK_EXTENSION, 4), 1);
	fake->enforces = false;
	uint32_t second = made(world_hwpt(world, dev, ioas, 0));
	ck_assert_int_eq(world_ioctl_raw(world, VFIO_CHECK_EXTENSION, 4), 0);
	ck_assert_ok(world_destroy(world, first));
	ck_assert_int_eq(world_ioctl_raw(world, VFIO_CHECK_EXTENSION, 4), 0);
	ck_assert_ok(world_destroy(world, second));
	ck_assert_int_eq(world_ioctl_raw(world, VFIO_CHECK_EXTENSION, 4), 1);
}
END_TEST

START_TEST(type_3_leaves_huge_pages_alone)
{
	uint64_t value = 9;
	setup(3);
	ck_assert_ok(
		world_option(world, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, ioas, &value));
	ck_assert_uint_eq(value, 1);
}
END_TEST

/* SIZE bytes at the start of a page that can be read only; the rest of it is 0. */
static uint64_t read_only(const void *arg, uint32_t size)
{
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	world_put(world, va, arg, size);
	return va;
}

START_TEST(map_dma_has_the_sheet_s_bytes_and_writes_none)
{
	setup(3);
	/* argsz, flags; vaddr; iova; size. WRITE alone. */
	uint64_t bytes[4] = {32 | 2ULL << 32, buffer, 0x10000, PAGE_SIZE};
	ck_assert_ok(world_ioctl_raw(world, VFIO_IOMMU_MAP_DMA, read_only(bytes, sizeof(bytes))));
	ck_assert_int_eq(world_unmap(world, ioas, 0x10000, PAGE_SIZE), PAGE_SIZE);
	/* All 32 bytes are read, even if argsz is wrong. */
	uint64_t end = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED) + PAGE_SIZE;
	ck_assert_ok(world_sys(world, SYS_MUNMAP, end, PAGE_SIZE));
	ck_assert_refused(world_ioctl_raw(world, VFIO_IOMMU_MAP_DMA, end - 31), EFAULT);
	ck_assert_refused(world_ioctl_raw(world, VFIO_IOMMU_MAP_DMA, end - 32), EINVAL);
	ck_assert_refused(world_ioctl_raw(world, VFIO_IOMMU_UNMAP_DMA, end - 23), EFAULT);
	ck_assert_refused(world_ioctl_raw(world, VFIO_IOMMU_UNMAP_DMA, end - 24), EINVAL);
	ck_assert_refused(world_ioctl_raw(world, VFIO_IOMMU_GET_INFO, end - 15), EFAULT);
	ck_assert_refused(world_ioctl_raw(world, VFIO_IOMMU_GET_INFO, end - 16), EINVAL);
}
END_TEST

START_TEST(unmap_dma_has_the_sheet_s_bytes)
{
	setup(3);
	ck_assert_ok(map_dma(buffer, 0x10000, PAGE_SIZE, 3));
	/* argsz, flags; iova; size. */
	uint64_t bytes[3] = {24, 0x10000, 2 * PAGE_SIZE};
	uint64_t va = world_data(world, bytes, sizeof(bytes));
	ck_assert_ok(world_ioctl_raw(world, VFIO_IOMMU_UNMAP_DMA, va));
	world_get(world, va, bytes, sizeof(bytes));
	ck_assert_uint_eq(bytes[0], 24);
	ck_assert_uint_eq(bytes[1], 0x10000);
	ck_assert_uint_eq(bytes[2], PAGE_SIZE);
	/* An answer that can't be written is EFAULT, whatever came before; the area is gone. */
	ck_assert_ok(map_dma(buffer, 0x10000, PAGE_SIZE, 3));
	bytes[2] = PAGE_SIZE;
	ck_assert_refused(
		world_ioctl_raw(world, VFIO_IOMMU_UNMAP_DMA, read_only(bytes, sizeof(bytes))),
		EFAULT);
	ck_assert_refused(world_unmap(world, ioas, 0x10000, PAGE_SIZE), ENOENT);
	bytes[2] = 0;
	ck_assert_refused(
		world_ioctl_raw(world, VFIO_IOMMU_UNMAP_DMA, read_only(bytes, sizeof(bytes))),
		EFAULT);
	/* Nothing is written back when ALL is used wrongly: no EFAULT. */
	bytes[0] = 24 | 2ULL << 32;
	ck_assert_refused(
		world_ioctl_raw(world, VFIO_IOMMU_UNMAP_DMA, read_only(bytes, sizeof(bytes))),
		EINVAL);
}
END_TEST

START_TEST(cuts_at_borders_and_outside_are_none)
{
	setup(1);
	ck_assert_ok(map_dma(buffer, 0x10000, 4 * PAGE_SIZE, 3));
	ck_assert_ok(map_dma(buffer, 0x20000, 4 * PAGE_SIZE, 3));
	/* Unaligned, but in no area. */
	ck_assert_ok(unmap_dma(0x14008, 0x100, 0));
	ck_assert_uint_eq(unmapped, 0);
	ck_assert_ok(unmap_dma(0x10000, 4 * PAGE_SIZE, 0));
	ck_assert_uint_eq(unmapped, 4 * PAGE_SIZE);
	/* From 0 on there is nothing to cut in front. */
	ck_assert_ok(map_dma(buffer, 0, 2 * PAGE_SIZE, 3));
	ck_assert_ok(unmap_dma(0, PAGE_SIZE, 0));
	ck_assert_uint_eq(unmapped, PAGE_SIZE);
	ck_assert_int_eq(world_unmap(world, ioas, PAGE_SIZE, PAGE_SIZE), PAGE_SIZE);
}
END_TEST

START_TEST(a_cut_needs_memory_and_an_area_at_rest)
{
	setup(1);
	ck_assert_ok(map_dma(buffer, 0x10000, 4 * PAGE_SIZE, 3));
	/* Points: the copy in, then the lookup of the IOAS, then the new area. */
	struct failure_injector *failures = &world->machine->failures;
	int64_t result = -1;
	uint32_t no_memory = 0;
	for (uint64_t nth = 1; result < 0; nth++) {
		ck_assert_uint_lt(nth, 20);
		struct vfio_iommu_type1_dma_unmap unmap = {24, 0, 0x11000, PAGE_SIZE};
		uint64_t va = world_data(world, &unmap, sizeof(unmap));
		failures->countdown = nth;
		result = world_ioctl_raw(world, VFIO_IOMMU_UNMAP_DMA, va);
		failures->countdown = 0;
		no_memory += result == -ENOMEM;
		if (result == -EFAULT && nth > 1)
			break; /* the write back: the area is gone */
	}
	ck_assert_uint_eq(no_memory, 2);
	/* An unmap that an access holds up leaves the area closed. */
	int access = (int)made(world_access(world, ioas, 0));
	ck_assert_int_ge(access, 0);
	struct iommufd_ioas *object = (struct iommufd_ioas *)world_object(world, ioas);
	struct iopt_area *area = iopt_find_area(&object->iopt, 0x12000);
	ck_assert_ptr_nonnull(area);
	area->prevent_access = true;
	ck_assert_refused(unmap_dma(0x12000, PAGE_SIZE, 0), EBUSY);
	ck_assert_uint_eq(unmapped, PAGE_SIZE);
}
END_TEST

START_TEST(unmap_dma_of_whole_pinned_areas_needs_no_cut)
{
	setup(1);
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_ok(map_dma(buffer, 0x10000, PAGE_SIZE, 3));
	ck_assert_ok(map_dma(buffer, 0x11000, PAGE_SIZE, 3));
	made(world_pin(world, access, 0x10000, PAGE_SIZE, 0, 0));
	/* 0x11000 is behind the last byte of the pinned area. */
	ck_assert_ok(unmap_dma(0x11000, PAGE_SIZE, 0));
	ck_assert_ok(unmap_dma(0x10000, PAGE_SIZE, 0));
}
END_TEST

START_TEST(a_dma_buf_is_not_cut)
{
	uint64_t iova = 0x10000;
	setup(1);
	int fd = (int)made(world_open(world, "/dev/null"));
	ck_assert_ok(world_close(world, fd));
	struct iommu_test_cmd cmd = {.dmabuf_get = {.length = 2 * PAGE_SIZE}};
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_DMABUF_GET, &cmd));
	ck_assert_ok(world_map_file(world, ioas, fd, 0, 2 * PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_refused(unmap_dma(iova, PAGE_SIZE, 0), EOPNOTSUPP);
	ck_assert_uint_eq(unmapped, PAGE_SIZE);
	ck_assert_ok(unmap_dma(iova, 2 * PAGE_SIZE, 0));
}
END_TEST

START_TEST(page_sizes_are_what_all_domains_have)
{
	struct fake_iommu *fake = fake_iommu_new(world->machine);
	uint8_t bytes[128];
	int fd;
	setup(3);
	uint32_t dev = made(world_bind(world, &fake_device_new(fake)->device, &fd));
	fake->pgsizes = 1ULL << 30 | 1ULL << 21 | 4096;
	made(world_hwpt(world, dev, ioas, 0));
	fake->pgsizes = 1ULL << 30 | 4096 | 512;
	made(world_hwpt(world, dev, ioas, 0));
	info_bytes(128, bytes);
	ck_assert_uint_eq(u64(bytes, 8), 1ULL << 30 | 4096);
	/* No size in common: that of the alignment. */
	fake->pgsizes = 2048;
	made(world_hwpt(world, dev, ioas, 0));
	info_bytes(128, bytes);
	ck_assert_uint_eq(u64(bytes, 8), 4096);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_compat_ioas_is_set_read_and_forgotten,
		version_and_extensions,
		without_a_compat_ioas_all_is_enodev,
		argsz_below_the_struct_is_einval,
		map_dma_is_a_fixed_map,
		unmap_dma_counts_and_writes_back_even_on_errors,
		type_1_cuts_areas_where_it_unmaps,
		a_cut_is_refused_where_it_is_not_aligned_or_the_area_pinned,
		v2_never_cuts,
		a_hw_queue_blocks_unmap_dma,
		get_info_never_writes_beyond_argsz,
		get_info_without_a_domain,
		type_1_is_refused_where_huge_pages_can_not_go,
		a_new_ioas_is_not_taken_for_the_destroyed_one,
		a_compat_ioas_under_destruction_is_enodev,
		vfio_ioas_reads_and_writes_its_four_fields,
		only_get_of_the_compat_ioas_answers,
		other_commands_are_enotty,
		dma_cc_is_what_every_hwpt_enforces,
		type_3_leaves_huge_pages_alone,
		map_dma_has_the_sheet_s_bytes_and_writes_none,
		unmap_dma_has_the_sheet_s_bytes,
		cuts_at_borders_and_outside_are_none,
		a_cut_needs_memory_and_an_area_at_rest,
		unmap_dma_of_whole_pinned_areas_needs_no_cut,
		a_dma_buf_is_not_cut,
		page_sizes_are_what_all_domains_have,
	};
	return RUN_TESTS("shim_vfio", tests);
}
