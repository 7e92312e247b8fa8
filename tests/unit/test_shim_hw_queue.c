/* SPDX-License-Identifier: Apache-2.0 */
/* HW queues: what they need, and what they block (iommufd 5.4, 5.5, 3.4, 7.6). */
#include "tests/kit/fake_iommu.h"
#include "tests/kit/test.h"

#define TYPE 0xdeadbeefU
#define B    APERTURE

static struct viommu_world v;
static uint64_t buffer;

static void setup(void)
{
	buffer = world_mmap_aligned(world, 512 * PAGE_SIZE);
	v = world_make_viommu(world);
}

static int64_t queue_cmd(struct iommu_hw_queue_alloc cmd)
{
	return world_ioctl(world, IOMMUFD_NR_HW_QUEUE_ALLOC, &cmd);
}

#define QUEUE(...) queue_cmd((struct iommu_hw_queue_alloc){__VA_ARGS__})

static int64_t queue(uint32_t index, uint64_t iova, uint64_t length)
{
	return world_hw_queue(world, v.viommu, index, iova, length);
}

static void map_page(uint32_t page)
{
	ck_assert_ok(world_map_at(world, v.ioas, buffer + page * PAGE_SIZE, PAGE_SIZE,
				  B + page * PAGE_SIZE));
}

/* Trace G.3. */
START_TEST(the_worked_trace_of_the_sheet)
{
	setup();
	uint64_t first = 0, second = 0, alignment;
	ck_assert_refused(QUEUE(.viommu_id = v.viommu, .length = 4096), EOPNOTSUPP);
	ck_assert_refused(QUEUE(.viommu_id = v.viommu, .type = TYPE), EINVAL);
	ck_assert_refused(QUEUE(.viommu_id = v.viommu, .type = TYPE,
				.nesting_parent_iova = UINT64_MAX, .length = 4096),
			  EOVERFLOW);
	ck_assert_refused(queue(0, B, 4096), ENOENT);
	ck_assert_ok(world_map(world, v.ioas, buffer, 4096, MAP_RW, &first));
	ck_assert_ok(world_map(world, v.ioas, buffer + 4096, 4096, MAP_RW, &second));
	ck_assert_uint_eq(first, 0x1000000);
	ck_assert_uint_eq(second, 0x1001000);
	ck_assert_refused(queue(1, B, 4096), EIO);
	ck_assert_refused(queue(2, B, 4096), EINVAL);
	ck_assert_int_eq(queue(0, B, 4096), 8);
	ck_assert_refused(queue(0, B, 4096), EEXIST);
	ck_assert_refused(world_unmap(world, v.ioas, B, 4096), EBUSY);
	ck_assert_refused(world_unmap(world, v.ioas, B, 2048), EBUSY);
	world_ranges(world, v.ioas, NULL, 0, NULL, &alignment);
	ck_assert_uint_eq(alignment, 4096);
	ck_assert_int_eq(world_unmap(world, v.ioas, B + 4096, 4096), 4096);
	ck_assert_int_eq(queue(1, B + 0x800, 2048), 10);
	ck_assert_refused(world_destroy(world, 8), EBUSY);
	ck_assert_refused(world_destroy(world, 9), EBUSY);
	ck_assert_refused(world_destroy(world, 6), EBUSY);
	ck_assert_ok(world_destroy(world, 10));
	ck_assert_ok(world_destroy(world, 8));
	ck_assert_int_eq(world_unmap(world, v.ioas, B, 4096), 4096);
}
END_TEST

START_TEST(the_mock_driver_always_empties_slot_0)
{
	setup();
	map_page(0);
	uint32_t zero = made(queue(0, B, 4096)), one = made(queue(1, B, 4096));
	ck_assert_ok(world_destroy(world, one));
	/* Slot 0 is empty although its queue lives; slot 1 stays filled. */
	uint32_t again = made(queue(0, B, 4096));
	ck_assert_refused(queue(1, B, 4096), EEXIST);
	ck_assert_refused(queue(0, B, 4096), EEXIST);
	/* Either of them empties it. */
	ck_assert_ok(world_destroy(world, zero));
	ck_assert_refused(queue(1, B, 4096), EEXIST);
	zero = made(queue(0, B, 4096));
	ck_assert_ok(world_destroy(world, again));
	ck_assert_ok(world_destroy(world, zero));
	/* A new vIOMMU starts afresh. */
	v.viommu = made(world_viommu(world, v.mock.idev, v.parent));
	made(queue(0, B, 4096));
	made(queue(1, B, 4096));
}
END_TEST

START_TEST(dependence_is_by_object_not_by_slot)
{
	setup();
	map_page(0);
	uint32_t zero = made(queue(0, B, 4096)), one = made(queue(1, B, 4096));
	ck_assert_refused(world_destroy(world, zero), EBUSY);
	ck_assert_ok(world_destroy(world, one));
	ck_assert_ok(world_destroy(world, zero));
}
END_TEST

START_TEST(alloc_checks_its_arguments_in_order)
{
	setup();
	ck_assert_refused(QUEUE(.flags = 1, .type = TYPE, .length = 1), EOPNOTSUPP);
	ck_assert_refused(QUEUE(.type = 0), EOPNOTSUPP);
	ck_assert_refused(QUEUE(.type = 1), EINVAL);
	ck_assert_refused(QUEUE(.type = 1, .nesting_parent_iova = 2, .length = UINT64_MAX),
			  EOVERFLOW);
	ck_assert_refused(QUEUE(.type = 1, .length = 1), ENOENT);
	ck_assert_refused(QUEUE(.viommu_id = v.viommu, .type = 1, .length = 1), EOPNOTSUPP);
	/* A window that overflows; an array too large to hold its pages. */
	ck_assert_refused(queue(0, 0, UINT64_MAX), ERANGE);
	ck_assert_refused(queue(0, 0, (1ULL << 40) + 1), ENOMEM);
	ck_assert_refused(queue(7, B, 4096), ENOENT);
	ck_assert_int_eq(world_ioas(world), 8);
}
END_TEST

START_TEST(whole_pages_must_be_mapped)
{
	setup();
	/* Half a page is mapped: enough for the queue, not for its page. */
	ck_assert_ok(world_map_at(world, v.ioas, buffer, 2048, B));
	ck_assert_refused(queue(0, B, 2048), EADDRINUSE);
	ck_assert_str_eq(world_rule(world), "iommufd 2");
	ck_assert_int_eq(world_unmap_all(world, v.ioas), 2048);
	map_page(0);
	ck_assert_refused(queue(0, B + 4095, 2), ENOENT);
	ck_assert_refused(queue(0, B - 1, 2), ENOENT);
	map_page(1);
	ck_assert_int_gt(queue(0, B + 4095, 2), 0);
	ck_assert_refused(world_unmap(world, v.ioas, B, 4096), EBUSY);
	ck_assert_refused(world_unmap(world, v.ioas, B + 4096, 4096), EBUSY);
}
END_TEST

START_TEST(a_failed_queue_gives_ids_pins_and_alignment_back)
{
	setup();
	uint64_t alignment;
	map_page(0);
	ck_assert_refused(queue(1, B, 4096), EIO);
	ck_assert_int_eq(world_unmap(world, v.ioas, B, 4096), 4096);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	world_ranges(world, v.ioas, NULL, 0, NULL, &alignment);
	ck_assert_uint_eq(alignment, 2048);
	ck_assert_int_eq(world_ioas(world), 8);
}
END_TEST

START_TEST(an_area_without_readable_is_eperm)
{
	setup();
	uint64_t iova = B;
	ck_assert_ok(world_map(world, v.ioas, buffer, 4096, MAP_WO | MAP_FIXED_, &iova));
	ck_assert_refused(queue(0, B, 4096), EPERM);
	iova = B + 4096;
	ck_assert_ok(world_map(world, v.ioas, buffer, 4096, MAP_RO | MAP_FIXED_, &iova));
	ck_assert_int_gt(queue(0, iova, 4096), 0);
}
END_TEST

START_TEST(pages_that_are_not_consecutive_are_efault)
{
	setup();
	for (uint64_t page = 0; page < 3; page++)
		world_put(world, buffer + page * PAGE_SIZE, "x", 1);
	ck_assert_ok(world_map_at(world, v.ioas, buffer, PAGE_SIZE, B));
	ck_assert_ok(world_map_at(world, v.ioas, buffer + 2 * PAGE_SIZE, PAGE_SIZE, B + PAGE_SIZE));
	ck_assert_refused(queue(0, B, 2 * PAGE_SIZE), EFAULT);
	ck_assert_str_eq(world_rule(world), "iommufd 5.4 11");
	/* A hole behind them comes first. */
	ck_assert_refused(queue(0, B, 3 * PAGE_SIZE), ENOENT);
	ck_assert_int_gt(world_unmap_all(world, v.ioas), 0);
	/* Inside one 2 MiB run they are. */
	ck_assert_ok(world_map_at(world, v.ioas, buffer + HPAGE_SIZE / 2, HPAGE_SIZE / 2, B));
	ck_assert_int_gt(queue(0, B + 100, 64 * PAGE_SIZE), 0);
}
END_TEST

START_TEST(unmap_of_a_pinned_queue_is_refused)
{
	setup();
	map_page(0);
	map_page(1);
	map_page(2);
	made(queue(0, B + PAGE_SIZE, 4096));
	/* Locked comes before partial; areas in front are gone already. */
	ck_assert_refused(world_unmap(world, v.ioas, B + PAGE_SIZE + 8, 8), EBUSY);
	ck_assert_str_eq(world_rule(world), "iommufd 2.8 4b");
	ck_assert_refused(world_unmap_all(world, v.ioas), EBUSY);
	ck_assert_refused(world_unmap(world, v.ioas, B, PAGE_SIZE), ENOENT);
	ck_assert_int_eq(world_unmap(world, v.ioas, B + 2 * PAGE_SIZE, PAGE_SIZE), PAGE_SIZE);
	/* An access that pins too is not even told. */
	int access = (int)made(world_access(world, v.ioas, 1));
	made(world_pin(world, access, B + PAGE_SIZE, PAGE_SIZE, 0, 0));
	ck_assert_refused(world_unmap_all(world, v.ioas), EBUSY);
	ck_assert_ok(world_unpin(world, access, 0));
}
END_TEST

START_TEST(a_copy_of_locked_memory_is_free)
{
	setup();
	uint64_t iova = B + 0x10000;
	map_page(0);
	uint32_t id = made(queue(0, B, 4096));
	ck_assert_ok(world_copy(world, v.ioas, B, 4096, v.ioas, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_int_eq(world_unmap(world, v.ioas, iova, 4096), 4096);
	ck_assert_refused(world_unmap(world, v.ioas, B, 4096), EBUSY);
	/* The other way round: the copy is locked, the original is not. */
	ck_assert_ok(world_destroy(world, id));
	ck_assert_ok(world_copy(world, v.ioas, B, 4096, v.ioas, MAP_RW | MAP_FIXED_, &iova));
	made(queue(0, iova, 4096));
	ck_assert_int_eq(world_unmap(world, v.ioas, B, 4096), 4096);
	ck_assert_refused(world_unmap(world, v.ioas, iova, 4096), EBUSY);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
}
END_TEST

START_TEST(while_a_queue_lives_its_ioas_is_page_aligned)
{
	setup();
	map_page(0);
	uint32_t id = made(queue(0, B, 4096));
	ck_assert_refused(world_map_at(world, v.ioas, buffer, 2048, B + 0x10000), EINVAL);
	ck_assert_ok(world_destroy(world, id));
	ck_assert_ok(world_map_at(world, v.ioas, buffer, 2048, B + 0x10000));
	/* And now such an area refuses the queue. */
	ck_assert_refused(queue(0, B, 4096), EADDRINUSE);
}
END_TEST

START_TEST(queues_may_share_pages)
{
	setup();
	map_page(0);
	uint32_t zero = made(queue(0, B, 1024)), one = made(queue(1, B + 1024, 1024));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_ok(world_destroy(world, one));
	ck_assert_refused(world_unmap(world, v.ioas, B, 4096), EBUSY);
	ck_assert_ok(world_destroy(world, zero));
	ck_assert_int_eq(world_unmap(world, v.ioas, B, 4096), 4096);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
}
END_TEST

START_TEST(an_answer_that_can_not_be_written_undoes_the_queue)
{
	setup();
	map_page(0);
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_hw_queue_alloc cmd = {.size = sizeof(cmd),
					   .viommu_id = v.viommu,
					   .type = TYPE,
					   .nesting_parent_iova = B,
					   .length = 4096};
	world_put(world, ro, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_HW_QUEUE_ALLOC), ro),
			  EFAULT);
	ck_assert_int_eq(world_unmap(world, v.ioas, B, 4096), 4096);
	map_page(0);
	ck_assert_int_eq(queue(0, B, 4096), 8);
}
END_TEST

/* The what-if of host_move.c: the pinned page is elsewhere, and the parent does not know yet. */
START_TEST(a_queue_where_the_parent_translates_to_another_page_is_efault)
{
	struct iommufd_module *module = world->machine->kernel;
	module->options.values[KERNEL_HOST_MOVE] = HOST_MOVE_DEFERRED;
	setup();
	map_page(0);
	ck_assert_ok(world_sys(world, SYS_HOST_MIGRATE, buffer));
	ck_assert_refused(queue(0, B, PAGE_SIZE), EFAULT);
	ck_assert_str_eq(world_rule(world), "iommufd 7.6 init");
	ck_assert_ok(world_sys(world, SYS_HOST_UPDATE, buffer));
	ck_assert_int_eq(queue(0, B, PAGE_SIZE), 8);
}
END_TEST

START_TEST(the_bytes_of_alloc_are_the_sheet_s)
{
	setup();
	map_page(0);
	map_page(1);
	map_page(2);
	uint32_t words[10] = {40, 0, v.viommu, TYPE, 0, 0, B + 0x1800, 0, 0x1000, 0};
	world_put(world, world->args, words, 40);
	ck_assert_ok(world_ioctl_raw(world, IOMMUFD_IO(0x94), world->args));
	world_get(world, world->args, words, 40);
	ck_assert_uint_eq(words[5], 8);
	/* From the middle of page 1 to that of page 2. */
	ck_assert_int_eq(world_unmap(world, v.ioas, B, PAGE_SIZE), PAGE_SIZE);
	ck_assert_refused(world_unmap(world, v.ioas, B + PAGE_SIZE, PAGE_SIZE), EBUSY);
	ck_assert_refused(world_unmap(world, v.ioas, B + 2 * PAGE_SIZE, PAGE_SIZE), EBUSY);
	words[4] = 2;
	world_put(world, world->args, words, 40);
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x94), world->args), EINVAL);
	words[1] = 1;
	world_put(world, world->args, words, 40);
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(0x94), world->args), EOPNOTSUPP);
}
END_TEST

static void expect_enomem(uint64_t nth, const char *what)
{
	machine_fail_nth(world->machine, nth, what);
	ck_assert_refused(queue(0, B, PAGE_SIZE), ENOMEM);
	ck_assert_uint_eq(world->machine->failures.countdown, 0);
	ck_assert_str_eq(world->machine->failures.last, what);
	/* The fixture's nested HWPT is the other user; nothing is pinned. */
	ck_assert_uint_eq(world_object(world, v.viommu)->users, 2);
	ck_assert_int_eq(world_unmap(world, v.ioas, B, PAGE_SIZE), PAGE_SIZE);
	map_page(0);
	uint32_t id = made(world_ioas(world));
	ck_assert_uint_eq(id, 8);
	ck_assert_ok(world_destroy(world, id));
}

START_TEST(without_memory_for_the_queue_it_is_enomem)
{
	setup();
	map_page(0);
	expect_enomem(1, "object");
	expect_enomem(1, "object id");
}
END_TEST

START_TEST(without_memory_for_the_page_pointers_it_is_enomem)
{
	setup();
	map_page(0);
	expect_enomem(1, "page pointers");
	/* The array of 1 TiB and a page is above what the kernel gives at all. */
	ck_assert_refused(queue(0, B, (1ULL << 40) + PAGE_SIZE), ENOMEM);
	ck_assert_refused(queue(0, B, 1ULL << 39), ENOENT);
}
END_TEST

START_TEST(without_memory_for_its_access_it_is_enomem)
{
	setup();
	map_page(0);
	expect_enomem(2, "object");
	expect_enomem(2, "object id");
	expect_enomem(1, "access list");
}
END_TEST

START_TEST(without_memory_for_the_pin_it_is_enomem)
{
	setup();
	map_page(0);
	expect_enomem(1, "pin record");
}
END_TEST

START_TEST(the_access_takes_the_id_behind_the_queues)
{
	setup();
	map_page(0);
	uint32_t other = made(world_ioas(world)), third = made(world_ioas(world));
	ck_assert_ok(world_destroy(world, other));
	ck_assert_int_eq(queue(0, B, PAGE_SIZE), other);
	ck_assert_int_eq(world_object(world, third + 1)->type, IOMMUFD_OBJ_ACCESS);
}
END_TEST

START_TEST(an_area_that_is_not_page_aligned_refuses_the_queue)
{
	static const struct {
		uint64_t offset, length, iova;
	} odd[] = {
		{0, 2048, B + 0x10000},         /* length */
		{2048, 2048, B + 0x10800},      /* iova */
		{2048, PAGE_SIZE, B + 0x10800}, /* iova and offset in the page */
		{0, PAGE_SIZE + 2048, B + 0x10000},
	};
	setup();
	map_page(0);
	for (uint32_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		ck_assert_ok(world_map_at(world, v.ioas, buffer + odd[i].offset, odd[i].length,
					  odd[i].iova));
		ck_assert_refused(queue(0, B, PAGE_SIZE), EADDRINUSE);
		ck_assert_int_gt(world_unmap(world, v.ioas, odd[i].iova, odd[i].length), 0);
	}
	/* It comes before the queue's own range is looked at. */
	ck_assert_ok(world_map_at(world, v.ioas, buffer, 2048, B + 0x10000));
	ck_assert_refused(queue(0, B + PAGE_SIZE, PAGE_SIZE), EADDRINUSE);
}
END_TEST

START_TEST(an_area_being_unmapped_is_einval)
{
	setup();
	map_page(0);
	struct iommufd_ioas *ioas = (struct iommufd_ioas *)world_object(world, v.ioas);
	struct iopt_area *area = iopt_find_area(&ioas->iopt, B);
	area->prevent_access = true;
	ck_assert_refused(queue(0, B, PAGE_SIZE), EINVAL);
	ck_assert_str_eq(world_rule(world), "iommufd 6 pin_pages");
	area->prevent_access = false;
	made(queue(0, B, PAGE_SIZE));
}
END_TEST

START_TEST(a_dma_buf_is_einval)
{
	setup();
	uint64_t iova = B;
	struct iommu_test_cmd cmd = {.dmabuf_get = {PAGE_SIZE, O_RDWR_BIT}};
	int fd = (int)made(world_open(world, "/dev/zero"));
	ck_assert_ok(world_close(world, fd));
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_DMABUF_GET, &cmd));
	ck_assert_ok(world_map_file(world, v.ioas, fd, 0, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_refused(queue(0, B, PAGE_SIZE), EINVAL);
	ck_assert_str_eq(world_rule(world), "iommufd 6 pin_pages");
}
END_TEST

START_TEST(a_range_with_a_hole_leaves_what_was_pinned)
{
	setup();
	map_page(0);
	map_page(2);
	ck_assert_refused(queue(0, B, 3 * PAGE_SIZE), ENOENT);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_int_eq(world_unmap_all(world, v.ioas), 2 * PAGE_SIZE);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
}
END_TEST

START_TEST(a_destroyed_queue_gives_its_ids_back)
{
	setup();
	map_page(0);
	uint32_t id = made(queue(0, B, PAGE_SIZE));
	ck_assert_ok(world_destroy(world, id));
	ck_assert_uint_eq(world_object(world, v.viommu)->users, 2);
	ck_assert_int_eq(world_ioas(world), id);
	ck_assert_int_eq(world_ioas(world), id + 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_worked_trace_of_the_sheet,
		the_mock_driver_always_empties_slot_0,
		dependence_is_by_object_not_by_slot,
		alloc_checks_its_arguments_in_order,
		whole_pages_must_be_mapped,
		a_failed_queue_gives_ids_pins_and_alignment_back,
		an_area_without_readable_is_eperm,
		pages_that_are_not_consecutive_are_efault,
		unmap_of_a_pinned_queue_is_refused,
		a_copy_of_locked_memory_is_free,
		while_a_queue_lives_its_ioas_is_page_aligned,
		queues_may_share_pages,
		an_answer_that_can_not_be_written_undoes_the_queue,
		a_queue_where_the_parent_translates_to_another_page_is_efault,
		the_bytes_of_alloc_are_the_sheet_s,
		without_memory_for_the_queue_it_is_enomem,
		without_memory_for_the_page_pointers_it_is_enomem,
		without_memory_for_its_access_it_is_enomem,
		without_memory_for_the_pin_it_is_enomem,
		the_access_takes_the_id_behind_the_queues,
		an_area_that_is_not_page_aligned_refuses_the_queue,
		an_area_being_unmapped_is_einval,
		a_dma_buf_is_einval,
		a_range_with_a_hole_leaves_what_was_pinned,
		a_destroyed_queue_gives_its_ids_back,
	};
	return RUN_TESTS("shim_hw_queue", tests);
}
