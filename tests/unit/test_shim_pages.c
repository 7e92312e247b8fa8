/* SPDX-License-Identifier: Apache-2.0 */
/* What is pinned when, and which page a domain maps (iommufd 3, 2.6). */
#include "tests/kit/test.h"

static uint32_t ioas;
static uint64_t buffer;

#define BUFFER (16 * PAGE_SIZE)

static void setup(void)
{
	buffer = world_mmap_aligned(world, BUFFER);
	ioas = made(world_ioas(world));
}

/* Trace G.2. */
START_TEST(the_worked_trace_of_the_sheet)
{
	setup();
	uint32_t second = made(world_ioas(world));
	uint64_t iova = APERTURE, other = APERTURE + 0x10000;
	ck_assert_ok(world_map_at(world, ioas, buffer, 4096, APERTURE));
	ck_assert_ok(world_refs(world, buffer, 4096, 0));
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_int_eq(world_pin(world, access, APERTURE, 4096, 0, buffer), 0);
	ck_assert_ok(world_refs(world, buffer, 4096, 1));
	ck_assert_int_eq(world_pin(world, access, APERTURE, 4096, 0, buffer), 1);
	ck_assert_ok(world_refs(world, buffer, 4096, 1));
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_ok(world_refs(world, buffer, 4096, 1));
	ck_assert_ok(world_mock(world, second, 0, NULL));
	ck_assert_ok(world_copy(world, ioas, APERTURE, 4096, second, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_ok(world_refs(world, buffer, 4096, 1));
	ck_assert_ok(world_map_at(world, second, buffer, 4096, other));
	ck_assert_ok(world_refs(world, buffer, 4096, 2));
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE, 4096), 4096);
	ck_assert_refused(world_unpin(world, access, 0), ENOENT);
	ck_assert_ok(world_refs(world, buffer, 4096, 2));
	ck_assert_int_eq(world_unmap(world, second, APERTURE, 4096), 4096);
	ck_assert_ok(world_refs(world, buffer, 4096, 1));
}
END_TEST

START_TEST(domains_come_and_go_with_one_pin)
{
	setup();
	struct mock mock;
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	ck_assert_ok(world_refs(world, buffer, BUFFER, 1));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, buffer, BUFFER));
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	ck_assert_ok(world_refs(world, buffer, BUFFER, 1));
	ck_assert_ok(world_check_map(world, hwpt, APERTURE, buffer, BUFFER));
	ck_assert_ok(world_destroy(world, mock.stdev));
	ck_assert_ok(world_refs(world, buffer, BUFFER, 1));
	ck_assert_ok(world_check_map(world, hwpt, APERTURE, buffer, BUFFER));
	ck_assert_ok(world_destroy(world, hwpt));
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
	/* The area itself is still there. */
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE, BUFFER), BUFFER);
}
END_TEST

START_TEST(overlapping_slices_share_pins_page_by_page)
{
	setup();
	uint64_t iova = APERTURE + 0x100000;
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_ok(world_map_at(world, ioas, buffer, 8 * PAGE_SIZE, APERTURE));
	/* The second slice begins in the middle of a page of the first. */
	ck_assert_ok(world_copy(world, ioas, APERTURE + 0x800, 0x2000, ioas, MAP_RW | MAP_FIXED_,
				&iova)); /* pages 0 to 2 */
	iova = APERTURE + 0x200000;
	ck_assert_ok(world_copy(world, ioas, APERTURE + 0x2800, 0x800, ioas, MAP_RW | MAP_FIXED_,
				&iova)); /* page 2 */
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE, 8 * PAGE_SIZE), 8 * PAGE_SIZE);
	ck_assert_ok(world_refs(world, buffer, 3 * PAGE_SIZE, 1));
	ck_assert_ok(world_refs(world, buffer + 3 * PAGE_SIZE, 5 * PAGE_SIZE, 0));
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE + 0x100000, 0x2000), 0x2000);
	ck_assert_ok(world_refs(world, buffer, 2 * PAGE_SIZE, 0));
	ck_assert_ok(world_refs(world, buffer + 2 * PAGE_SIZE, PAGE_SIZE, 1));
	ck_assert_int_eq(world_unmap_all(world, ioas), 0x800);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
}
END_TEST

START_TEST(new_pins_beside_old_ones_are_counted_once)
{
	setup();
	int access = (int)made(world_access(world, ioas, 1));
	for (uint64_t page = 0; page < 16; page++)
		world_put(world, buffer + page * PAGE_SIZE, "x", 1); /* consecutive frames */
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	for (uint64_t first = 0; first < 4; first++)
		for (uint64_t last = first; last < 4; last++) {
			made(world_pin(world, access, APERTURE + PAGE_SIZE, 2 * PAGE_SIZE, 0, 0));
			uint32_t item = made(world_pin(world, access, APERTURE + first * PAGE_SIZE,
						       (last - first + 1) * PAGE_SIZE, 0, 0));
			ck_assert_ok(world_unpin(world, access, item - 1));
			ck_assert_ok(world_refs(world, buffer, first * PAGE_SIZE, 0));
			ck_assert_ok(world_refs(world, buffer + first * PAGE_SIZE,
						(last - first + 1) * PAGE_SIZE, 1));
			ck_assert_ok(world_unpin(world, access, item));
			ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
		}
}
END_TEST

START_TEST(a_pin_that_fails_half_way_is_undone)
{
	setup();
	struct mock mock;
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	ck_assert_ok(world_sys(world, SYS_MUNMAP, buffer + 4 * PAGE_SIZE, PAGE_SIZE));
	ck_assert_refused(world_map_at(world, ioas, buffer, 8 * PAGE_SIZE, APERTURE), EFAULT);
	ck_assert_str_eq(world_rule(world), "iommufd 3.2");
	ck_assert_ok(world_refs(world, buffer, 4 * PAGE_SIZE, 0));
	ck_assert_refused(world_unmap(world, ioas, APERTURE, 8 * PAGE_SIZE), ENOENT);
	ck_assert_refused(world_check_map(world, mock.hwpt, APERTURE, buffer, PAGE_SIZE), EINVAL);
	ck_assert_ok(world_map_at(world, ioas, buffer, 4 * PAGE_SIZE, APERTURE));
}
END_TEST

START_TEST(a_domain_that_can_not_be_filled_leaves_all_as_it_was)
{
	setup();
	struct mock mock;
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE));
	ck_assert_ok(world_map_at(world, ioas, NOWHERE, PAGE_SIZE, APERTURE + 0x10000));
	ck_assert_refused(world_mock(world, ioas, 0, &mock), EFAULT);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	uint64_t alignment;
	uint32_t count;
	struct iommu_iova_range range;
	ck_assert_ok(world_ranges(world, ioas, &range, 1, &count, &alignment));
	ck_assert_uint_eq(range.last, UINT64_MAX);
	ck_assert_uint_eq(alignment, 1);
	ck_assert_int_eq(world_ioas(world), 2);
	/* With a domain already there, that one keeps its mappings. */
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE + 0x10000, PAGE_SIZE), PAGE_SIZE);
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, buffer, PAGE_SIZE));
}
END_TEST

START_TEST(an_area_outside_the_aperture_refuses_the_domain)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE - PAGE_SIZE));
	ck_assert_refused(world_mock(world, ioas, 0, NULL), EADDRINUSE);
	ck_assert_int_eq(world_unmap_all(world, ioas), PAGE_SIZE);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, 0x80000000));
	ck_assert_refused(world_mock(world, ioas, 0, NULL), EADDRINUSE);
	ck_assert_int_eq(world_unmap_all(world, ioas), PAGE_SIZE);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, 0x7ffff000));
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
}
END_TEST

START_TEST(memory_of_a_process_that_is_gone_can_not_be_pinned)
{
	setup();
	struct world *child = world_fork(world);
	ck_assert_ok(world_map_at(child, ioas, buffer, PAGE_SIZE, APERTURE));
	world_exit(child);
	ck_assert_refused(world_mock(world, ioas, 0, NULL), EFAULT);
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_refused(world_pin(world, access, APERTURE, PAGE_SIZE, 0, 0), EFAULT);
	ck_assert_refused(world_rw(world, access, APERTURE, world->data, 8, 0), EFAULT);
}
END_TEST

START_TEST(pages_held_by_a_domain_outlive_their_process)
{
	setup();
	struct mock mock;
	uint64_t word = 0;
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	uint64_t own = world_mmap(world, PAGE_SIZE, PROT_RW, PRIVATE);
	struct world *child = world_fork(world);
	world_put(child, own, "remember", 8);
	ck_assert_ok(world_map_at(child, ioas, own, PAGE_SIZE, APERTURE));
	world_exit(child);
	/* A second domain takes them from the first one. */
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_ok(world_rw(world, access, APERTURE, world->data, 8, 0));
	world_get(world, world->data, &word, 8);
	ck_assert_mem_eq(&word, "remember", 8);
	made(world_pin(world, access, APERTURE, PAGE_SIZE, 0, 0));
	ck_assert_ok(world_destroy(world, hwpt));
}
END_TEST

START_TEST(memory_of_another_process_is_pinned_remotely)
{
	setup();
	struct mock mock;
	struct world *child = world_fork(world);
	uint64_t own = world_mmap(child, PAGE_SIZE, PROT_RW, PRIVATE);
	world_put(child, own, "child", 6);
	ck_assert_ok(world_map_at(child, ioas, own, PAGE_SIZE, APERTURE));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	ck_assert_ok(world_check_map(child, mock.hwpt, APERTURE, own, PAGE_SIZE));
	int access = (int)made(world_access(world, ioas, 0));
	char text[6] = "";
	ck_assert_ok(world_rw(world, access, APERTURE, world->data, 6, 0));
	world_get(world, world->data, text, 6);
	ck_assert_str_eq(text, "child");
	world_data(world, "adult", 6);
	ck_assert_ok(world_rw(world, access, APERTURE, world->data, 6, MOCK_ACCESS_RW_WRITE));
	world_get(child, own, text, 6);
	ck_assert_str_eq(text, "adult");
	world_exit(child);
}
END_TEST

START_TEST(a_write_pin_needs_writable_memory)
{
	setup();
	uint64_t iova = APERTURE;
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	uint64_t none = world_mmap(world, PAGE_SIZE, 0, SHARED);
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_refused(world_map(world, ioas, ro, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova),
			  EFAULT);
	ck_assert_refused(world_map(world, ioas, none, PAGE_SIZE, MAP_RO | MAP_FIXED_, &iova),
			  EFAULT);
	ck_assert_ok(world_map(world, ioas, ro, PAGE_SIZE, MAP_RO | MAP_FIXED_, &iova));
	ck_assert_ok(world_refs(world, ro, PAGE_SIZE, 1));
}
END_TEST

START_TEST(a_read_only_pin_keeps_its_page_when_the_process_writes)
{
	setup();
	struct mock mock;
	int file = (int)made(world_memfd(world, 4 * PAGE_SIZE));
	int64_t va = world_sys(world, SYS_MMAP, 0, 2 * PAGE_SIZE, PROT_RW, MAP_PRIVATE_BIT,
			       (uint64_t)file, 0);
	uint64_t iova = APERTURE;
	ck_assert_int_gt(va, 0);
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	ck_assert_ok(world_map(world, ioas, (uint64_t)va, PAGE_SIZE, MAP_RO | MAP_FIXED_, &iova));
	world_put(world, (uint64_t)va, "x", 1);
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, (uint64_t)va, PAGE_SIZE));
	/* After a fork, too: the parent keeps the pinned page. */
	struct world *child = world_fork(world);
	world_put(world, (uint64_t)va, "y", 1);
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, (uint64_t)va, PAGE_SIZE));
	ck_assert_refused(world_check_map(child, mock.hwpt, APERTURE, (uint64_t)va, PAGE_SIZE),
			  EINVAL);
	world_exit(child);
}
END_TEST

START_TEST(a_file_and_its_mapping_are_the_same_pages)
{
	setup();
	struct mock mock;
	int file = (int)made(world_memfd(world, 8 * PAGE_SIZE));
	int64_t va = world_sys(world, SYS_MMAP, 0, 8 * PAGE_SIZE, PROT_RW, MAP_SHARED_BIT,
			       (uint64_t)file, 0);
	uint64_t iova = APERTURE + 0x800;
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	ck_assert_ok(world_map_file(world, ioas, file, 0x2800, 0x1800, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_ok(world_check_map(world, mock.hwpt, iova, (uint64_t)va + 0x2800, 0x1800));
	ck_assert_ok(world_refs(world, (uint64_t)va + 0x2000, 0x2000, 1));
	ck_assert_ok(world_refs(world, (uint64_t)va, 0x2000, 0));
	/* The mapping holds the file open. */
	ck_assert_ok(world_close(world, file));
	ck_assert_ok(world_sys(world, SYS_MUNMAP, (uint64_t)va, 8 * PAGE_SIZE));
	ck_assert_int_eq(world_unmap_all(world, ioas), 0x1800);
}
END_TEST

START_TEST(a_file_that_has_shrunk_is_einval)
{
	setup();
	int file = (int)made(world_memfd(world, 4 * PAGE_SIZE));
	uint64_t iova = APERTURE;
	ck_assert_ok(
		world_map_file(world, ioas, file, 0, 4 * PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_ok(world_sys(world, SYS_FTRUNCATE, (uint64_t)file, 3 * PAGE_SIZE));
	ck_assert_refused(world_mock(world, ioas, 0, NULL), EINVAL);
	ck_assert_ok(world_sys(world, SYS_FTRUNCATE, (uint64_t)file, 4 * PAGE_SIZE));
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
}
END_TEST

START_TEST(pinned_frames_are_not_free_before_the_last_unpin)
{
	setup();
	uint64_t pfn, run, va = world_mmap(world, PAGE_SIZE, PROT_RW, PRIVATE);
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_ok(world_map_at(world, ioas, va, PAGE_SIZE, APERTURE));
	ck_assert_ok(mm_fault(world->process->mm, va_of(va), 1, 0, &pfn, &run));
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va, PAGE_SIZE));
	ck_assert(!memory_is_free(&world->machine->memory, pfn));
	ck_assert_int_eq(world_unmap_all(world, ioas), PAGE_SIZE);
	ck_assert(memory_is_free(&world->machine->memory, pfn));
}
END_TEST

START_TEST(huge_pages_are_exempt_from_the_reference_check)
{
	setup();
	uint64_t va = world_mmap(world, HPAGE_SIZE, PROT_RW, SHARED | MAP_HUGETLB_BIT);
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_ok(world_map_at(world, ioas, va, HPAGE_SIZE, APERTURE));
	ck_assert_ok(world_refs(world, va, HPAGE_SIZE, 0));
	ck_assert_ok(world_refs(world, va, HPAGE_SIZE, 7));
	/* Other pages are not. */
	ck_assert_refused(world_refs(world, buffer, PAGE_SIZE, 1), EIO);
	ck_assert_refused(world_refs(world, buffer + 1, PAGE_SIZE, 0), EINVAL);
	ck_assert_refused(world_refs(world, NOWHERE, PAGE_SIZE, 0), EFAULT);
}
END_TEST

static int new_dmabuf(uint32_t length)
{
	struct iommu_test_cmd cmd = {.dmabuf_get = {length, O_RDWR_BIT}};
	int fd = (int)made(world_open(world, "/dev/zero"));
	ck_assert_ok(world_close(world, fd));
	/* The answer is 0; the descriptor is the lowest free one. */
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_DMABUF_GET, &cmd));
	return fd;
}

static int64_t revoke(int fd, uint32_t revoked)
{
	struct iommu_test_cmd cmd = {.dmabuf_revoke = {fd, revoked}};
	return world_test(world, IOMMU_TEST_OP_DMABUF_REVOKE, &cmd);
}

START_TEST(a_dma_buf_is_mapped_without_pins_and_revoked_for_good)
{
	setup();
	struct iommu_test_cmd cmd = {.dmabuf_get = {513 * PAGE_SIZE, 0}};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_DMABUF_GET, &cmd), EINVAL);
	int fd = new_dmabuf(2 * PAGE_SIZE);
	uint64_t iova = APERTURE;
	world->process->credentials.rlimit_memlock = 0;
	world->process->credentials.cap_ipc_lock = false;
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_refused(world_map_file(world, ioas, fd, PAGE_SIZE, 2 * PAGE_SIZE,
					 MAP_RW | MAP_FIXED_, &iova),
			  EINVAL);
	ck_assert_ok(world_map_file(world, ioas, fd, 0, 2 * PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_refused(world_pin(world, access, APERTURE, 8, 0, 0), EINVAL);
	ck_assert_refused(world_rw(world, access, APERTURE, world->data, 8, 0), EINVAL);
	ck_assert_ok(revoke(fd, 1));
	iova = APERTURE + 0x10000;
	ck_assert_refused(world_map_file(world, ioas, fd, 0, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova),
			  ENODEV);
	ck_assert_ok(revoke(fd, 0));
	ck_assert_ok(world_map_file(world, ioas, fd, 0, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_int_eq(world_unmap_all(world, ioas), 3 * PAGE_SIZE);
	ck_assert_refused(revoke(99, 1), EBADF);
	ck_assert_refused(revoke(0, 1), EINVAL);
	/* Close before unmap. */
	ck_assert_ok(world_map_file(world, ioas, fd, 0, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_ok(world_close(world, fd));
	ck_assert_int_eq(world_unmap_all(world, ioas), PAGE_SIZE);
}
END_TEST

START_TEST(a_mapping_holds_its_dma_buf_and_copies_share_the_revocation)
{
	setup();
	struct mock mock;
	uint64_t iova = APERTURE, bits = 3;
	int fd = new_dmabuf(PAGE_SIZE);
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
	ck_assert_ok(world_map_file(world, ioas, fd, 0, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_ok(revoke(fd, 1));
	iova = APERTURE + PAGE_SIZE;
	ck_assert_ok(
		world_copy(world, ioas, APERTURE, PAGE_SIZE, ioas, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_ok(revoke(fd, 0));
	iova = APERTURE + 2 * PAGE_SIZE;
	ck_assert_ok(
		world_copy(world, ioas, APERTURE, PAGE_SIZE, ioas, MAP_RW | MAP_FIXED_, &iova));
	iova = APERTURE + 3 * PAGE_SIZE;
	ck_assert_ok(world_map_file(world, ioas, fd, 0, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	/* The descriptor goes; the new mapping stays, and can be copied. */
	ck_assert_ok(world_close(world, fd));
	iova = APERTURE + 4 * PAGE_SIZE;
	ck_assert_ok(world_copy(world, ioas, APERTURE + 3 * PAGE_SIZE, PAGE_SIZE, ioas,
				MAP_RW | MAP_FIXED_, &iova));
	struct iommu_hwpt_set_dirty_tracking track = {.flags = 1, .hwpt_id = hwpt};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &track));
	for (uint32_t page = 0; page < 5; page++) {
		struct iommu_test_cmd cmd = {.id = hwpt};
		cmd.dirty.iova = APERTURE + page * PAGE_SIZE;
		cmd.dirty.length = PAGE_SIZE;
		cmd.dirty.page_size = PAGE_SIZE;
		cmd.dirty.uptr = world_data(world, &bits, sizeof(bits));
		ck_assert_ok(world_test(world, IOMMU_TEST_OP_DIRTY, &cmd));
		struct iommu_hwpt_get_dirty_bitmap get = {
			.hwpt_id = hwpt,
			.iova = cmd.dirty.iova,
			.length = PAGE_SIZE,
			.page_size = PAGE_SIZE,
		};
		uint64_t read = 0;
		get.data = world_data(world, &read, sizeof(read));
		ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP, &get));
		world_get(world, world->data, &read, sizeof(read));
		ck_assert_uint_eq(read, page >= 3);
	}
	ck_assert_int_eq(world_unmap_all(world, ioas), 5 * PAGE_SIZE);
}
END_TEST

static int64_t get_dmabuf(uint32_t length)
{
	struct iommu_test_cmd cmd = {.dmabuf_get = {length, O_RDWR_BIT}};
	return world_test(world, IOMMU_TEST_OP_DMABUF_GET, &cmd);
}

/* All RAM that is left. */
static void take_all_frames(void)
{
	uint64_t pfn;
	while (memory_alloc(&world->machine->memory, OWNER_KERNEL, 1ULL << 30, 1, 1, 0, &pfn) != 0)
		;
}

START_TEST(a_dma_buf_without_memory_is_enomem)
{
	setup();
	machine_fail_nth(world->machine, 1, "dma-buf");
	ck_assert_refused(get_dmabuf(PAGE_SIZE), ENOMEM);
	int fd = new_dmabuf(PAGE_SIZE);
	take_all_frames();
	ck_assert_refused(get_dmabuf(PAGE_SIZE), ENOMEM);
	/* The one that goes leaves its page to the next. */
	ck_assert_ok(world_close(world, fd));
	ck_assert_ok(get_dmabuf(PAGE_SIZE));
}
END_TEST

START_TEST(a_dma_buf_without_a_free_descriptor_gives_its_memory_back)
{
	setup();
	int fd = (int)made(world_open(world, "/dev/null"));
	while (world_open(world, "/dev/null") >= 0)
		;
	take_all_frames();
	ck_assert_ok(world_close(world, fd));
	ck_assert_refused(get_dmabuf(PAGE_SIZE), ENOMEM);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_worked_trace_of_the_sheet,
		domains_come_and_go_with_one_pin,
		overlapping_slices_share_pins_page_by_page,
		new_pins_beside_old_ones_are_counted_once,
		a_pin_that_fails_half_way_is_undone,
		a_domain_that_can_not_be_filled_leaves_all_as_it_was,
		an_area_outside_the_aperture_refuses_the_domain,
		memory_of_a_process_that_is_gone_can_not_be_pinned,
		pages_held_by_a_domain_outlive_their_process,
		memory_of_another_process_is_pinned_remotely,
		a_write_pin_needs_writable_memory,
		a_read_only_pin_keeps_its_page_when_the_process_writes,
		a_file_and_its_mapping_are_the_same_pages,
		a_file_that_has_shrunk_is_einval,
		pinned_frames_are_not_free_before_the_last_unpin,
		huge_pages_are_exempt_from_the_reference_check,
		a_dma_buf_is_mapped_without_pins_and_revoked_for_good,
		a_mapping_holds_its_dma_buf_and_copies_share_the_revocation,
		a_dma_buf_without_memory_is_enomem,
		a_dma_buf_without_a_free_descriptor_gives_its_memory_back,
	};
	return RUN_TESTS("shim_pages", tests);
}
