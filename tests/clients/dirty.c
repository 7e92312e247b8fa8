/* SPDX-License-Identifier: Apache-2.0 */
/* Dirty bitmaps: what the device wrote is told once, or again with NO_CLEAR (4.4, 7.3). */
#include "client.h"

#define PAGES 64UL

static int track(int fd, uint32_t hwpt, uint32_t flags)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd), .flags = flags, .hwpt_id = hwpt};

	return call(fd, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static int get(int fd, uint32_t hwpt, uint32_t flags, uint64_t iova, void *bitmap)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {.size = sizeof(cmd),
						  .hwpt_id = hwpt,
						  .flags = flags,
						  .iova = iova,
						  .length = PAGES * PAGE,
						  .page_size = PAGE,
						  .data = address_of(bitmap)};

	return call(fd, IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP, &cmd);
}

static int dirty(int fd, uint32_t hwpt, uint64_t iova, uint64_t *bitmap, uint64_t *count)
{
	struct iommu_test_cmd cmd = {.dirty = {.iova = iova,
					       .length = PAGES * PAGE,
					       .page_size = PAGE,
					       .uptr = address_of(bitmap)}};
	int result = test_call(fd, IOMMU_TEST_OP_DIRTY, hwpt, &cmd);

	*count = cmd.dirty.out_nr_dirty;
	return result;
}

static void bits_are_told(size_t misalignment)
{
	uint8_t *memory = shared_memory(PAGES * PAGE), *raw = private_memory(2 * PAGE);
	uint8_t *bitmap = raw + misalignment;
	uint64_t value = 1, pattern = 0x8000000180000101, none = 0, seen, count;
	struct device device, tracked;
	int fd = iommu_open();
	uint32_t ioas = ioas_alloc(fd), hwpt;
	uint64_t iova = APERTURE;

	value = 0;
	OK(option(fd, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, &value));
	OK(mock_device(fd, ioas, &device));
	hwpt = hwpt_alloc(fd, &device, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	OK(mock_device(fd, hwpt, &tracked));
	EQUAL(tracked.hwpt, hwpt);
	OK(map_fixed(fd, ioas, memory, PAGES * PAGE, iova));
	REFUSED(EOPNOTSUPP, track(fd, device.hwpt, IOMMU_HWPT_DIRTY_TRACKING_ENABLE));
	REFUSED(EOPNOTSUPP, track(fd, hwpt, 2));
	REFUSED(EINVAL, dirty(fd, hwpt, iova, &pattern, &count));
	OK(track(fd, hwpt, IOMMU_HWPT_DIRTY_TRACKING_ENABLE));
	OK(get(fd, hwpt, 0, iova, bitmap));
	memcpy(&seen, bitmap, 8);
	EQUAL(seen, none);
	OK(dirty(fd, hwpt, iova, &pattern, &count));
	EQUAL(count, __builtin_popcountll(pattern));
	for (int again = 0; again < 2; again++) {
		memset(raw, 0, 2 * PAGE);
		OK(get(fd, hwpt, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, iova, bitmap));
		memcpy(&seen, bitmap, 8);
		EQUAL(seen, pattern);
	}
	memset(raw, 0, 2 * PAGE);
	OK(get(fd, hwpt, 0, iova, bitmap));
	memcpy(&seen, bitmap, 8);
	EQUAL(seen, pattern);
	/* Told and forgotten; bits are set, never cleared. */
	OK(get(fd, hwpt, 0, iova, bitmap));
	memcpy(&seen, bitmap, 8);
	EQUAL(seen, pattern);
	memset(raw, 0, 2 * PAGE);
	OK(get(fd, hwpt, 0, iova, bitmap));
	for (size_t index = 0; index < 2 * PAGE; index++)
		EQUAL(raw[index], 0);
	/* A bitmap that can't be written costs the bits, not the call. */
	OK(dirty(fd, hwpt, iova, &pattern, &count));
	OK(get(fd, hwpt, 0, iova, nowhere()));
	OK(get(fd, hwpt, 0, iova, bitmap));
	memcpy(&seen, bitmap, 8);
	EQUAL(seen, none);
	OK(track(fd, hwpt, 0));
	OK(close(fd));
	OK(nothing_pinned(memory, PAGES * PAGE));
	OK(nothing_pinned(raw, 2 * PAGE));
	OK(munmap(memory, PAGES * PAGE));
	OK(munmap(raw, 2 * PAGE));
}

int main(void)
{
	bits_are_told(0);
	bits_are_told(2048);
	bits_are_told(0xff1);
	bits_are_told(PAGE - 3);
	return 0;
}
