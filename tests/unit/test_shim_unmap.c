/* SPDX-License-Identifier: Apache-2.0 */
/* IOMMU_IOAS_UNMAP, rule by rule, and what pins do to it (iommufd 2.8, 3.4). */
#include <string.h>

#include "kernel_shim/uapi/vfio.h"
#include "tests/kit/test.h"

#define BUFFER (16 * PAGE_SIZE)
#define IOVA   APERTURE

static uint32_t ioas;
static uint64_t buffer;

static void setup(void)
{
	buffer = world_mmap_aligned(world, BUFFER);
	ioas = made(world_ioas(world));
}

/* An area of one page at page N of BUFFER and of IOVA. */
static uint64_t map_page(uint64_t n)
{
	uint64_t iova = IOVA + n * PAGE_SIZE;
	ck_assert_ok(world_map_at(world, ioas, buffer + n * PAGE_SIZE, PAGE_SIZE, iova));
	return iova;
}

static int64_t unmap_page(uint64_t n)
{
	return world_unmap(world, ioas, IOVA + n * PAGE_SIZE, PAGE_SIZE);
}

static struct iopt_area *area_at(uint64_t iova)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(fd_file(world->process, world->fd));
	struct iommufd_ioas *object = iommufd_get_ioas(ictx, ioas);
	struct iopt_area *area = iopt_find_area(&object->iopt, iova);
	iommufd_put_ioas(object);
	ck_assert_ptr_nonnull(area);
	return area;
}

static void put(uint8_t *bytes, size_t at, size_t width, uint64_t value)
{
	for (size_t i = 0; i < width; i++)
		bytes[at + i] = (uint8_t)(value >> 8 * i);
}

/* --- 2.8 --- */

START_TEST(unmap_has_the_layout_of_the_sheet)
{
	setup();
	uint8_t bytes[24] = {24}, after[24];
	uint64_t iova = map_page(0);
	put(bytes, 4, 4, ioas);
	put(bytes, 8, 8, iova);
	put(bytes, 16, 8, 4 * PAGE_SIZE);
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_ok(world_ioctl_raw(world, 0x3b86, world->args));
	put(bytes, 16, 8, PAGE_SIZE);
	world_get(world, world->args, after, sizeof(after));
	ck_assert_mem_eq(after, bytes, sizeof(bytes));
}
END_TEST

START_TEST(the_ioas_must_exist)
{
	setup();
	ck_assert_refused(world_unmap(world, 99, 0, UINT64_MAX), ENOENT);
	ck_assert_refused(world_unmap(world, 99, 1, UINT64_MAX), ENOENT);
	ck_assert_refused(world_unmap(world, 99, 1, 0), ENOENT);
}
END_TEST

START_TEST(iova_0_and_length_u64_max_are_all)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, 1, 0));
	ck_assert_ok(world_map_at(world, ioas, buffer, 2, UINT64_MAX - 1));
	map_page(3);
	ck_assert_int_eq(world_unmap_all(world, ioas), PAGE_SIZE + 3);
}
END_TEST

START_TEST(all_of_nothing_is_success)
{
	setup();
	struct iommu_ioas_unmap cmd = {.ioas_id = ioas, .length = UINT64_MAX};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_IOAS_UNMAP, &cmd));
	ck_assert_uint_eq(cmd.length, 0);
}
END_TEST

START_TEST(an_iova_of_u64_max_overflows)
{
	setup();
	ck_assert_refused(world_unmap(world, ioas, UINT64_MAX, 1), EOVERFLOW);
	ck_assert_refused(world_unmap(world, ioas, UINT64_MAX, 0), EOVERFLOW);
}
END_TEST

START_TEST(a_length_of_u64_max_overflows)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, 1, 1));
	/* From 1 on it would not wrap. */
	ck_assert_refused(world_unmap(world, ioas, 1, UINT64_MAX), EOVERFLOW);
	ck_assert_int_eq(world_unmap(world, ioas, 1, UINT64_MAX - 1), 1);
}
END_TEST

START_TEST(a_length_of_0_is_refused)
{
	setup();
	map_page(0);
	ck_assert_refused(world_unmap(world, ioas, IOVA, 0), EINVAL);
	ck_assert_refused(world_unmap(world, ioas, 0, 0), EINVAL);
}
END_TEST

START_TEST(a_range_that_wraps_overflows)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, 2, UINT64_MAX - 1));
	ck_assert_refused(world_unmap(world, ioas, UINT64_MAX - 1, 3), EOVERFLOW);
	ck_assert_int_eq(world_unmap(world, ioas, UINT64_MAX - 1, 2), 2);
}
END_TEST

START_TEST(areas_go_from_the_lowest_on)
{
	setup();
	map_page(2);
	map_page(0);
	map_page(1);
	/* The last one is partly in the range. */
	ck_assert_refused(world_unmap(world, ioas, IOVA, 3 * PAGE_SIZE - 1), ENOENT);
	ck_assert_refused(unmap_page(0), ENOENT);
	ck_assert_refused(unmap_page(1), ENOENT);
	ck_assert_int_eq(unmap_page(2), PAGE_SIZE);
	/* The first one is: nothing goes. */
	map_page(0);
	map_page(1);
	ck_assert_refused(world_unmap(world, ioas, IOVA + 1, 2 * PAGE_SIZE), ENOENT);
	ck_assert_int_eq(unmap_page(1), PAGE_SIZE);
}
END_TEST

START_TEST(an_area_in_construction_is_ebusy)
{
	setup();
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	struct iommu_ioas_map map = {.ioas_id = ioas,
				     .flags = MAP_RW | MAP_FIXED_,
				     .user_va = buffer,
				     .length = BUFFER,
				     .iova = IOVA};
	struct iommu_ioas_unmap whole = {.ioas_id = ioas, .iova = IOVA, .length = BUFFER};
	/* Busy comes before partial. */
	struct iommu_ioas_unmap part = {.ioas_id = ioas, .iova = IOVA, .length = 1};
	struct flight flights[3];
	world_stepwise(world, true);
	flight_start(&flights[0], world, 0, IOMMUFD_NR_IOAS_MAP, &map);
	ck_assert(flight_until(&flights[0], "pin pages"));
	flight_start(&flights[1], world, 1, IOMMUFD_NR_IOAS_UNMAP, &whole);
	ck_assert_refused(flight_finish(&flights[1]), EBUSY);
	flight_start(&flights[2], world, 2, IOMMUFD_NR_IOAS_UNMAP, &part);
	ck_assert_refused(flight_finish(&flights[2]), EBUSY);
	ck_assert_ok(flight_finish(&flights[0]));
}
END_TEST

START_TEST(an_area_partly_in_the_range_is_enoent)
{
	setup();
	map_page(0);
	ck_assert_refused(world_unmap(world, ioas, IOVA, PAGE_SIZE - 1), ENOENT);
	ck_assert_refused(world_unmap(world, ioas, IOVA + 1, PAGE_SIZE), ENOENT);
	ck_assert_refused(world_unmap(world, ioas, IOVA + 1, 1), ENOENT);
	ck_assert_int_eq(world_unmap(world, ioas, IOVA - 1, PAGE_SIZE + 2), PAGE_SIZE);
}
END_TEST

START_TEST(a_removed_area_is_out_of_all_domains_and_unpinned)
{
	setup();
	struct mock mock;
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	map_page(0);
	ck_assert_int_eq(unmap_page(0), PAGE_SIZE);
	ck_assert_refused(world_check_map(world, mock.hwpt, IOVA, buffer, PAGE_SIZE), EINVAL);
	ck_assert_refused(world_check_map(world, hwpt, IOVA, buffer, PAGE_SIZE), EINVAL);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	map_page(0);
}
END_TEST

START_TEST(a_range_without_an_area_is_enoent)
{
	setup();
	map_page(1);
	ck_assert_refused(unmap_page(0), ENOENT);
	ck_assert_refused(unmap_page(2), ENOENT);
	ck_assert_int_eq(world_unmap(world, ioas, 0, UINT64_MAX - 1), PAGE_SIZE);
	ck_assert_refused(world_unmap(world, ioas, 0, UINT64_MAX - 1), ENOENT);
}
END_TEST

START_TEST(the_length_is_what_was_mapped)
{
	setup();
	map_page(0);
	map_page(2);
	ck_assert_ok(world_map_at(world, ioas, buffer, 7, IOVA + 4 * PAGE_SIZE));
	ck_assert_int_eq(world_unmap(world, ioas, IOVA - 5, BUFFER), 2 * PAGE_SIZE + 7);
}
END_TEST

START_TEST(what_is_gone_before_an_error_stays_gone)
{
	setup();
	map_page(0);
	map_page(1);
	ck_assert_refused(world_unmap(world, ioas, IOVA, PAGE_SIZE + 1), ENOENT);
	ck_assert_refused(unmap_page(0), ENOENT);
	ck_assert_int_eq(unmap_page(1), PAGE_SIZE);
}
END_TEST

START_TEST(a_failed_unmap_does_not_tell_a_length)
{
	setup();
	map_page(0);
	map_page(1);
	struct iommu_ioas_unmap cmd = {.ioas_id = ioas, .iova = IOVA, .length = PAGE_SIZE + 1};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_UNMAP, &cmd), ENOENT);
	ck_assert_uint_eq(cmd.length, PAGE_SIZE + 1);
}
END_TEST

START_TEST(iova_and_length_need_no_alignment)
{
	setup();
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	map_page(1);
	ck_assert_int_eq(world_unmap(world, ioas, IOVA + 3, 2 * PAGE_SIZE + 1), PAGE_SIZE);
}
END_TEST

START_TEST(an_area_is_never_split)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, 3 * PAGE_SIZE, IOVA));
	for (uint64_t first = 0; first < 3; first++)
		for (uint64_t last = first; last < 3; last++)
			if (last - first < 2)
				ck_assert_refused(world_unmap(world, ioas, IOVA + first * PAGE_SIZE,
							      (last - first + 1) * PAGE_SIZE),
						  ENOENT);
	ck_assert_int_eq(world_unmap(world, ioas, IOVA, 3 * PAGE_SIZE), 3 * PAGE_SIZE);
}
END_TEST

/* --- 3.4, external accesses --- */

/* An access of a driver that lets go of its pin when the COUNTDOWN-th notification comes. */
struct lazy {
	struct iommufd_access *access;
	uint32_t calls;
	uint64_t iova;
	uint64_t length;
	uint32_t countdown;
};

static void lazy_unmap(void *context, uint64_t iova, uint64_t length)
{
	struct lazy *lazy = context;
	lazy->calls++;
	lazy->iova = iova;
	lazy->length = length;
	if (lazy->countdown != 0 && --lazy->countdown == 0)
		iommufd_access_unpin_pages(lazy->access, iova, length);
}

static const struct iommufd_access_ops pin_ops = {.needs_pin_pages = true, .unmap = lazy_unmap};
static const struct iommufd_access_ops rw_ops = {.unmap = lazy_unmap};

static void make_lazy(struct lazy *lazy, const struct iommufd_access_ops *ops)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(fd_file(world->process, world->fd));
	int error;
	*lazy = (struct lazy){0};
	lazy->access = iommufd_access_create(ictx, ops, lazy, &error);
	ck_assert_ptr_nonnull(lazy->access);
	ck_assert_ok(iommufd_access_attach(lazy->access, ioas));
}

static int ignore_run(void *context, uint64_t pfn, uint64_t count)
{
	(void)context, (void)pfn, (void)count;
	return 0;
}

static int lazy_pin(struct lazy *lazy, uint64_t iova)
{
	return iommufd_access_pin_pages(lazy->access, iova, PAGE_SIZE, 0, ignore_run, NULL);
}

START_TEST(each_pinned_piece_counts_for_its_area)
{
	setup();
	map_page(0);
	map_page(1);
	int access = (int)made(world_access(world, ioas, 1));
	made(world_pin(world, access, IOVA, 2 * PAGE_SIZE, 0, 0));
	made(world_pin(world, access, IOVA, PAGE_SIZE, 0, 0));
	ck_assert_uint_eq(area_at(IOVA)->num_accesses, 2);
	ck_assert_uint_eq(area_at(IOVA + PAGE_SIZE)->num_accesses, 1);
	ck_assert_uint_eq(area_at(IOVA)->num_locks, 0);
	ck_assert_ok(world_unpin(world, access, 0));
	ck_assert_uint_eq(area_at(IOVA)->num_accesses, 1);
	ck_assert_uint_eq(area_at(IOVA + PAGE_SIZE)->num_accesses, 0);
}
END_TEST

START_TEST(an_external_access_holds_its_context)
{
	setup();
	struct file *file = fd_file(world->process, world->fd);
	uint32_t before = file->references;
	struct lazy lazy;
	make_lazy(&lazy, &pin_ops);
	ck_assert_uint_eq(file->references, before + 1);
	iommufd_access_destroy(lazy.access);
	ck_assert_uint_eq(file->references, before);
}
END_TEST

START_TEST(every_external_access_is_told_of_the_area)
{
	setup();
	struct lazy pins, idle, reads;
	make_lazy(&reads, &rw_ops);
	make_lazy(&pins, &pin_ops);
	make_lazy(&idle, &pin_ops);
	map_page(0);
	ck_assert_ok(world_map_at(world, ioas, buffer, 2 * PAGE_SIZE, IOVA + PAGE_SIZE));
	ck_assert_ok(lazy_pin(&pins, IOVA + 2 * PAGE_SIZE));
	ck_assert_refused(world_unmap(world, ioas, IOVA, BUFFER), EDEADLOCK);
	ck_assert_uint_eq(pins.iova, IOVA + PAGE_SIZE);
	ck_assert_uint_eq(pins.length, 2 * PAGE_SIZE);
	ck_assert_uint_eq(idle.calls, pins.calls);
	ck_assert_uint_eq(reads.calls, pins.calls);
	iommufd_access_unpin_pages(pins.access, IOVA + 2 * PAGE_SIZE, PAGE_SIZE);
	ck_assert_int_eq(world_unmap_all(world, ioas), 2 * PAGE_SIZE);
	iommufd_access_destroy(pins.access);
	iommufd_access_destroy(idle.access);
	iommufd_access_destroy(reads.access);
}
END_TEST

START_TEST(unmap_goes_on_when_the_access_lets_go)
{
	setup();
	struct lazy lazy;
	make_lazy(&lazy, &pin_ops);
	for (uint64_t n = 0; n < 3; n++)
		map_page(n);
	ck_assert_ok(lazy_pin(&lazy, IOVA + PAGE_SIZE));
	lazy.countdown = 100;
	ck_assert_int_eq(world_unmap(world, ioas, IOVA, 3 * PAGE_SIZE), 3 * PAGE_SIZE);
	ck_assert_uint_eq(lazy.calls, 100);
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(after_101_notifications_unmap_gives_up)
{
	setup();
	struct lazy lazy;
	make_lazy(&lazy, &pin_ops);
	map_page(0);
	ck_assert_ok(lazy_pin(&lazy, IOVA));
	ck_assert_refused(unmap_page(0), EDEADLOCK);
	ck_assert_uint_eq(lazy.calls, 101);
	iommufd_access_unpin_pages(lazy.access, IOVA, PAGE_SIZE);
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(an_area_that_could_not_be_unmapped_takes_no_more_accesses)
{
	setup();
	struct lazy lazy;
	make_lazy(&lazy, &pin_ops);
	map_page(0);
	ck_assert_ok(lazy_pin(&lazy, IOVA));
	ck_assert_refused(unmap_page(0), EDEADLOCK);
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_refused(world_pin(world, access, IOVA, PAGE_SIZE, 0, 0), EINVAL);
	iommufd_access_unpin_pages(lazy.access, IOVA, PAGE_SIZE);
	ck_assert_refused(world_pin(world, access, IOVA, PAGE_SIZE, 0, 0), EINVAL);
	ck_assert_refused(world_rw(world, access, IOVA, world->data, 8, 0), EINVAL);
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(an_area_is_closed_before_the_first_notification)
{
	setup();
	map_page(0);
	int access = (int)made(world_access(world, ioas, 1));
	made(world_pin(world, access, IOVA, PAGE_SIZE, 0, 0));
	struct iommu_ioas_unmap unmap = {.ioas_id = ioas, .iova = IOVA, .length = PAGE_SIZE};
	struct iommu_test_cmd pin = {.op = IOMMU_TEST_OP_ACCESS_PAGES, .id = (uint32_t)access};
	pin.access_pages.iova = IOVA;
	pin.access_pages.length = PAGE_SIZE;
	struct flight flights[2];
	world_stepwise(world, true);
	flight_start(&flights[0], world, 0, IOMMUFD_NR_IOAS_UNMAP, &unmap);
	ck_assert(flight_until(&flights[0], "unmap notification"));
	flight_start(&flights[1], world, 1, IOMMUFD_NR_TEST_CMD, &pin);
	ck_assert_refused(flight_finish(&flights[1]), EINVAL);
	ck_assert_ok(flight_finish(&flights[0]));
}
END_TEST

START_TEST(an_access_that_only_reads_neither_blocks_nor_is_told)
{
	setup();
	struct lazy lazy;
	bool stated;
	uint8_t byte;
	make_lazy(&lazy, &rw_ops);
	map_page(0);
	ck_assert_ok(iommufd_access_rw(lazy.access, world->thread, IOVA, &byte, 1, 0, &stated));
	ck_assert_int_eq(unmap_page(0), PAGE_SIZE);
	ck_assert_uint_eq(lazy.calls, 0);
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(the_end_of_an_access_waits_for_its_callback)
{
	setup();
	map_page(0);
	int access = (int)made(world_access(world, ioas, 1));
	made(world_pin(world, access, IOVA, PAGE_SIZE, 0, 0));
	struct iommu_ioas_unmap unmap = {.ioas_id = ioas, .iova = IOVA, .length = PAGE_SIZE};
	struct flight flight;
	struct flight closing = {.world = world,
				 .thread = thread_new(world->process),
				 .call = arena_new(world->machine->arena, struct syscall),
				 .arg = &unmap};
	world_stepwise(world, true);
	flight_start(&flight, world, 0, IOMMUFD_NR_IOAS_UNMAP, &unmap);
	ck_assert(flight_until(&flight, "unmap notification"));
	closing.call->number = SYS_CLOSE;
	closing.call->args[0] = (uint64_t)access;
	ck_assert(syscall_start(closing.thread, closing.call));
	while (flight_step(&closing))
		;
	ck_assert(!closing.call->done);
	ck_assert_ok(flight_finish(&flight));
	while (!closing.call->done)
		ck_assert(flight_step(&closing) || clock_step(&world->machine->clock));
	ck_assert_ok(closing.call->result);
}
END_TEST

/* --- 3.4, HW queues --- */

static struct viommu_world v;

static void setup_queue(void)
{
	buffer = world_mmap_aligned(world, BUFFER);
	v = world_make_viommu(world);
	ioas = v.ioas;
	for (uint64_t n = 0; n < 4; n++)
		map_page(n);
}

static uint32_t queue_at(uint64_t iova, uint64_t length)
{
	return made(world_hw_queue(world, v.viommu, 0, iova, length));
}

START_TEST(a_queue_locks_and_is_the_only_to_do_so)
{
	setup_queue();
	int access = (int)made(world_access(world, ioas, 1));
	made(world_pin(world, access, IOVA, PAGE_SIZE, 0, 0));
	uint32_t queue = queue_at(IOVA, PAGE_SIZE);
	ck_assert_uint_eq(area_at(IOVA)->num_accesses, 2);
	ck_assert_uint_eq(area_at(IOVA)->num_locks, 1);
	ck_assert_ok(world_destroy(world, queue));
	ck_assert_uint_eq(area_at(IOVA)->num_accesses, 1);
	ck_assert_uint_eq(area_at(IOVA)->num_locks, 0);
}
END_TEST

START_TEST(a_queue_holds_no_reference_to_its_context)
{
	setup_queue();
	struct file *file = fd_file(world->process, world->fd);
	uint32_t before = file->references;
	queue_at(IOVA, PAGE_SIZE);
	ck_assert_uint_eq(file->references, before);
}
END_TEST

START_TEST(a_locked_area_is_ebusy_until_the_queue_is_destroyed)
{
	setup_queue();
	uint32_t queue = queue_at(IOVA, PAGE_SIZE);
	ck_assert_refused(unmap_page(0), EBUSY);
	ck_assert_refused(unmap_page(0), EBUSY);
	ck_assert_ok(world_destroy(world, queue));
	ck_assert_int_eq(unmap_page(0), PAGE_SIZE);
}
END_TEST

START_TEST(nobody_is_told_of_a_locked_area)
{
	setup_queue();
	struct lazy lazy;
	make_lazy(&lazy, &pin_ops);
	ck_assert_ok(lazy_pin(&lazy, IOVA));
	queue_at(IOVA, PAGE_SIZE);
	ck_assert_refused(unmap_page(0), EBUSY);
	ck_assert_uint_eq(lazy.calls, 0);
	/* Nor is it closed. */
	ck_assert_ok(lazy_pin(&lazy, IOVA));
	iommufd_access_unpin_pages(lazy.access, IOVA, PAGE_SIZE);
	iommufd_access_unpin_pages(lazy.access, IOVA, PAGE_SIZE);
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(locked_comes_before_partial)
{
	setup_queue();
	queue_at(IOVA, PAGE_SIZE);
	ck_assert_refused(world_unmap(world, ioas, IOVA + 8, 8), EBUSY);
}
END_TEST

START_TEST(internal_accesses_are_not_told)
{
	setup_queue();
	struct lazy lazy;
	make_lazy(&lazy, &pin_ops);
	queue_at(IOVA, PAGE_SIZE);
	ck_assert_ok(lazy_pin(&lazy, IOVA + 2 * PAGE_SIZE));
	lazy.countdown = 1;
	ck_assert_int_eq(unmap_page(2), PAGE_SIZE);
	ck_assert_uint_eq(lazy.calls, 1);
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(a_queue_locks_every_area_that_its_pages_lie_in)
{
	setup_queue();
	/* Two bytes on both sides of a border between pages. */
	queue_at(IOVA + 2 * PAGE_SIZE - 1, 2);
	ck_assert_refused(unmap_page(1), EBUSY);
	ck_assert_refused(unmap_page(2), EBUSY);
	ck_assert_int_eq(unmap_page(0), PAGE_SIZE);
	ck_assert_int_eq(unmap_page(3), PAGE_SIZE);
}
END_TEST

START_TEST(a_copy_of_a_locked_area_is_not_locked)
{
	setup_queue();
	uint64_t iova = IOVA + 0x100000;
	ck_assert_ok(world_copy(world, ioas, IOVA, PAGE_SIZE, ioas, MAP_RW | MAP_FIXED_, &iova));
	queue_at(IOVA, PAGE_SIZE);
	ck_assert_int_eq(world_unmap(world, ioas, iova, PAGE_SIZE), PAGE_SIZE);
	ck_assert_refused(unmap_page(0), EBUSY);
}
END_TEST

START_TEST(the_original_of_a_locked_copy_leaves_the_pins)
{
	setup_queue();
	uint64_t iova = IOVA + 0x100000;
	ck_assert_ok(world_copy(world, ioas, IOVA, PAGE_SIZE, ioas, MAP_RW | MAP_FIXED_, &iova));
	queue_at(iova, PAGE_SIZE);
	ck_assert_int_eq(unmap_page(0), PAGE_SIZE);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
}
END_TEST

START_TEST(a_locked_area_can_be_copied)
{
	setup_queue();
	uint64_t iova = IOVA + 0x100000;
	queue_at(IOVA, PAGE_SIZE);
	ck_assert_ok(world_copy(world, ioas, IOVA, PAGE_SIZE, ioas, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
}
END_TEST

START_TEST(whatever_range_meets_a_locked_area_is_ebusy)
{
	setup_queue();
	queue_at(IOVA + PAGE_SIZE, PAGE_SIZE);
	ck_assert_refused(unmap_page(1), EBUSY);
	ck_assert_refused(world_unmap(world, ioas, IOVA + PAGE_SIZE + 1, 1), EBUSY);
	ck_assert_refused(world_unmap(world, ioas, IOVA, 4 * PAGE_SIZE), EBUSY);
	/* What lay before it is gone. */
	ck_assert_refused(unmap_page(0), ENOENT);
	ck_assert_refused(world_unmap_all(world, ioas), EBUSY);
	ck_assert_int_eq(unmap_page(2), PAGE_SIZE);
}
END_TEST

static int64_t unmap_dma(uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {sizeof(unmap), 0, iova, size};
	return world_ioctl_raw(world, VFIO_IOMMU_UNMAP_DMA,
			       world_data(world, &unmap, sizeof(unmap)));
}

static void set_vfio(uint64_t type)
{
	struct iommu_vfio_ioas set = {.ioas_id = ioas, .op = IOMMU_VFIO_IOAS_SET};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_VFIO_IOAS, &set));
	ck_assert_ok(world_ioctl_raw(world, VFIO_SET_IOMMU, type));
}

START_TEST(unmap_dma_of_a_locked_area_is_ebusy)
{
	setup_queue();
	set_vfio(3);
	queue_at(IOVA, PAGE_SIZE);
	ck_assert_refused(unmap_dma(IOVA, PAGE_SIZE), EBUSY);
}
END_TEST

START_TEST(a_cut_inside_a_locked_area_is_einval)
{
	buffer = world_mmap_aligned(world, BUFFER);
	v = world_make_viommu(world);
	ioas = v.ioas;
	set_vfio(1);
	ck_assert_ok(world_map_at(world, ioas, buffer, 2 * PAGE_SIZE, IOVA));
	queue_at(IOVA, PAGE_SIZE);
	ck_assert_refused(unmap_dma(IOVA, PAGE_SIZE), EINVAL);
	ck_assert_refused(unmap_dma(IOVA, 2 * PAGE_SIZE), EBUSY);
}
END_TEST

START_TEST(other_areas_can_be_unmapped)
{
	setup_queue();
	queue_at(IOVA + PAGE_SIZE, PAGE_SIZE);
	ck_assert_int_eq(unmap_page(0), PAGE_SIZE);
	ck_assert_int_eq(world_unmap(world, ioas, IOVA + 2 * PAGE_SIZE, BUFFER), 2 * PAGE_SIZE);
}
END_TEST

START_TEST(what_the_queue_stands_on_can_not_be_destroyed)
{
	setup_queue();
	uint32_t queue = queue_at(IOVA, PAGE_SIZE);
	ck_assert_ok(world_destroy(world, v.nested));
	ck_assert_refused(world_destroy(world, v.viommu), EBUSY);
	ck_assert_refused(world_destroy(world, v.parent), EBUSY);
	ck_assert_refused(world_destroy(world, ioas), EBUSY);
	ck_assert_ok(world_destroy(world, queue));
	ck_assert_ok(world_destroy(world, v.viommu));
}
END_TEST

START_TEST(the_access_of_a_queue_can_not_be_destroyed)
{
	setup_queue();
	uint32_t queue = queue_at(IOVA, PAGE_SIZE);
	ck_assert_refused(world_destroy(world, queue + 1), EBUSY);
	ck_assert_ok(world_destroy(world, queue));
	ck_assert_refused(world_destroy(world, queue + 1), ENOENT);
}
END_TEST

START_TEST(beside_a_queue_maps_and_copies_are_page_aligned)
{
	setup_queue();
	uint64_t iova = IOVA + 0x100000;
	ck_assert_ok(world_map_at(world, ioas, buffer, 2048, IOVA + 0x200000));
	ck_assert_int_eq(world_unmap(world, ioas, IOVA + 0x200000, 2048), 2048);
	queue_at(IOVA, PAGE_SIZE);
	ck_assert_refused(world_map_at(world, ioas, buffer, 2048, IOVA + 0x200000), EINVAL);
	ck_assert_refused(world_copy(world, ioas, IOVA, 2048, ioas, MAP_RW | MAP_FIXED_, &iova),
			  EINVAL);
	ck_assert_ok(world_copy(world, ioas, IOVA, PAGE_SIZE, ioas, MAP_RW | MAP_FIXED_, &iova));
}
END_TEST

START_TEST(a_close_takes_the_queue_down_and_all_it_stands_on)
{
	setup_queue();
	queue_at(IOVA, PAGE_SIZE);
	ck_assert_ok(world_close(world, world->fd));
	world->fd = (int)made(world_open(world, "/dev/iommu"));
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
	ck_assert_uint_eq(world->process->mm->pinned_vm, 0);
	ck_assert_int_eq(world_ioas(world), 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		unmap_has_the_layout_of_the_sheet,
		the_ioas_must_exist,
		iova_0_and_length_u64_max_are_all,
		all_of_nothing_is_success,
		an_iova_of_u64_max_overflows,
		a_length_of_u64_max_overflows,
		a_length_of_0_is_refused,
		a_range_that_wraps_overflows,
		areas_go_from_the_lowest_on,
		an_area_in_construction_is_ebusy,
		an_area_partly_in_the_range_is_enoent,
		a_removed_area_is_out_of_all_domains_and_unpinned,
		a_range_without_an_area_is_enoent,
		the_length_is_what_was_mapped,
		what_is_gone_before_an_error_stays_gone,
		a_failed_unmap_does_not_tell_a_length,
		iova_and_length_need_no_alignment,
		an_area_is_never_split,
		each_pinned_piece_counts_for_its_area,
		an_external_access_holds_its_context,
		every_external_access_is_told_of_the_area,
		unmap_goes_on_when_the_access_lets_go,
		after_101_notifications_unmap_gives_up,
		an_area_that_could_not_be_unmapped_takes_no_more_accesses,
		an_area_is_closed_before_the_first_notification,
		an_access_that_only_reads_neither_blocks_nor_is_told,
		the_end_of_an_access_waits_for_its_callback,
		a_queue_locks_and_is_the_only_to_do_so,
		a_queue_holds_no_reference_to_its_context,
		a_locked_area_is_ebusy_until_the_queue_is_destroyed,
		nobody_is_told_of_a_locked_area,
		locked_comes_before_partial,
		internal_accesses_are_not_told,
		a_queue_locks_every_area_that_its_pages_lie_in,
		a_copy_of_a_locked_area_is_not_locked,
		the_original_of_a_locked_copy_leaves_the_pins,
		a_locked_area_can_be_copied,
		whatever_range_meets_a_locked_area_is_ebusy,
		unmap_dma_of_a_locked_area_is_ebusy,
		a_cut_inside_a_locked_area_is_einval,
		other_areas_can_be_unmapped,
		what_the_queue_stands_on_can_not_be_destroyed,
		the_access_of_a_queue_can_not_be_destroyed,
		beside_a_queue_maps_and_copies_are_page_aligned,
		a_close_takes_the_queue_down_and_all_it_stands_on,
	};
	return RUN_TESTS("shim_unmap", tests);
}
