/* SPDX-License-Identifier: Apache-2.0 */
/* Ids, lifetimes, destroy and close (iommufd 1.4 to 1.7, app. B). */
#include "tests/kit/test.h"

START_TEST(ids_are_the_lowest_free_numbers)
{
	for (int i = 1; i <= 40; i++)
		ck_assert_int_eq(world_ioas(world), i);
	ck_assert_ok(world_destroy(world, 7));
	ck_assert_ok(world_destroy(world, 3));
	ck_assert_int_eq(world_ioas(world), 3);
	ck_assert_int_eq(world_ioas(world), 7);
	ck_assert_int_eq(world_ioas(world), 41);
}
END_TEST

START_TEST(destroy_of_no_object_is_enoent)
{
	ck_assert_refused(world_destroy(world, 0), ENOENT);
	ck_assert_refused(world_destroy(world, 1), ENOENT);
	ck_assert_refused(world_destroy(world, UINT32_MAX), ENOENT);
	uint32_t ioas = made(world_ioas(world));
	ck_assert_ok(world_destroy(world, ioas));
	ck_assert_refused(world_destroy(world, ioas), ENOENT);
}
END_TEST

START_TEST(a_mock_device_takes_its_ids_in_order)
{
	struct mock first, second;
	uint32_t ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &first));
	ck_assert_uint_eq(first.stdev, 2);
	ck_assert_uint_eq(first.idev, 3);
	ck_assert_uint_eq(first.hwpt, 4);
	/* The second one shares the automatic domain. */
	ck_assert_ok(world_mock(world, ioas, 0, &second));
	ck_assert_uint_eq(second.stdev, 5);
	ck_assert_uint_eq(second.idev, 6);
	ck_assert_uint_eq(second.hwpt, 4);
}
END_TEST

START_TEST(a_replace_takes_the_new_id_before_the_old_one_is_free)
{
	struct mock mock;
	uint32_t ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	uint32_t other = made(world_ioas(world)), pt = other;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_uint_eq(pt, other + 1);
	ck_assert_int_eq(world_ioas(world), mock.hwpt);
}
END_TEST

START_TEST(a_failed_creation_gives_its_ids_back)
{
	struct mock mock;
	ck_assert_refused(world_mock(world, 99, 0, &mock), ENOENT);
	/* Its own SELFTEST id is a placeholder, its DEVICE id a device. */
	ck_assert_refused(world_mock(world, 1, 0, &mock), ENOENT);
	ck_assert_refused(world_mock(world, 2, 0, &mock), EINVAL);
	ck_assert_refused(world_mock(world, 1, 2, &mock), EINVAL);
	ck_assert_int_eq(world_ioas(world), 1);
}
END_TEST

START_TEST(objects_in_use_are_ebusy)
{
	struct viommu_world v = world_make_viommu(world);
	int fd;
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	uint32_t veventq = made(world_veventq(world, v.viommu, 4, &fd));
	int access = (int)made(world_access(world, v.ioas, 0));
	uint32_t access_id = veventq + 1;
	ck_assert_refused(world_destroy(world, v.ioas), EBUSY);
	ck_assert_refused(world_destroy(world, v.mock.hwpt), EBUSY);
	ck_assert_refused(world_destroy(world, v.parent), EBUSY);
	ck_assert_refused(world_destroy(world, v.viommu), EBUSY);
	ck_assert_refused(world_destroy(world, v.mock.idev), EBUSY);
	ck_assert_refused(world_destroy(world, veventq), EBUSY);
	ck_assert_refused(world_destroy(world, access_id), EBUSY);
	ck_assert_ok(world_close(world, fd));
	ck_assert_ok(world_destroy(world, veventq));
	ck_assert_ok(world_destroy(world, vdevice));
	/* The nested domain still uses the vIOMMU, and that the parent. */
	ck_assert_refused(world_destroy(world, v.viommu), EBUSY);
	ck_assert_ok(world_destroy(world, v.nested));
	ck_assert_refused(world_destroy(world, v.parent), EBUSY);
	ck_assert_ok(world_destroy(world, v.viommu));
	ck_assert_ok(world_destroy(world, v.parent));
	ck_assert_ok(world_destroy(world, v.mock.stdev));
	/* The device and the automatic domain went with it; the access is left. */
	ck_assert_refused(world_destroy(world, v.mock.idev), ENOENT);
	ck_assert_refused(world_destroy(world, v.mock.hwpt), ENOENT);
	ck_assert_refused(world_destroy(world, v.ioas), EBUSY);
	ck_assert_ok(world_close(world, access));
	ck_assert_ok(world_destroy(world, v.ioas));
}
END_TEST

START_TEST(an_id_of_another_type_is_enoent)
{
	struct viommu_world v = world_make_viommu(world);
	uint64_t iova = 0, value = 0;
	ck_assert_refused(world_map(world, v.mock.hwpt, NOWHERE, 4096, MAP_RW, &iova), ENOENT);
	ck_assert_refused(world_unmap(world, v.mock.idev, 0, 4096), ENOENT);
	ck_assert_refused(
		world_option(world, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, v.viommu, &value),
		ENOENT);
	ck_assert_refused(world_hwpt(world, v.ioas, v.ioas, 0), ENOENT);
	ck_assert_refused(world_viommu(world, v.mock.stdev, v.parent), ENOENT);
	ck_assert_refused(world_viommu(world, v.mock.idev, v.nested), ENOENT);
	ck_assert_refused(world_vdevice(world, v.parent, v.mock.idev, 1), ENOENT);
	ck_assert_refused(world_vdevice(world, v.viommu, v.mock.stdev, 1), ENOENT);
	ck_assert_refused(world_hw_queue(world, v.nested, 0, APERTURE, 4096), ENOENT);
	ck_assert_refused(world_pasid_detach(world, v.mock.idev, 1), ENOENT);
}
END_TEST

START_TEST(a_vdevice_of_an_unbound_device_leaves_a_tombstone)
{
	struct viommu_world v = world_make_viommu(world);
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	ck_assert_uint_eq(vdevice, 8);
	ck_assert_ok(world_destroy(world, v.mock.stdev));
	ck_assert_refused(world_destroy(world, vdevice), ENOENT);
	/* 2, 3 and 4 are free again; 8 never is. */
	ck_assert_int_eq(world_ioas(world), 2);
	ck_assert_int_eq(world_ioas(world), 3);
	ck_assert_int_eq(world_ioas(world), 4);
	ck_assert_int_eq(world_ioas(world), 9);
	ck_assert_ok(world_destroy(world, v.nested));
	ck_assert_ok(world_destroy(world, v.viommu));
	ck_assert_ok(world_close(world, world->fd));
}
END_TEST

START_TEST(a_destroyed_vdevice_leaves_none)
{
	struct viommu_world v = world_make_viommu(world);
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	ck_assert_ok(world_destroy(world, vdevice));
	ck_assert_int_eq(world_ioas(world), vdevice);
}
END_TEST

START_TEST(close_tears_everything_down)
{
	size_t before = arena_live(world->machine->arena);
	uint64_t va = world_mmap_aligned(world, 8 * PAGE_SIZE);
	for (int round = 0; round < 3; round++) {
		int fault_fd, event_fd;
		struct viommu_world v = world_make_viommu(world);
		uint64_t iova = 0;
		made(world_fault(world, &fault_fd));
		made(world_vdevice(world, v.viommu, v.mock.idev, 5));
		made(world_veventq(world, v.viommu, 4, &event_fd));
		ck_assert_ok(world_map(world, v.ioas, va, 8 * PAGE_SIZE, MAP_RW, &iova));
		made(world_hw_queue(world, v.viommu, 0, iova, 4096));
		made(world_hw_queue(world, v.viommu, 1, iova, 4096));
		int access = (int)made(world_access(world, v.ioas, 1));
		ck_assert_int_eq(world_pin(world, access, iova, 4096, 0, 0), 0);
		ck_assert_ok(world_refs(world, va, PAGE_SIZE, 1));
		/* The context lives as long as the last descriptor that needs it. */
		ck_assert_ok(world_close(world, world->fd));
		ck_assert_ok(world_close(world, access));
		ck_assert_ok(world_close(world, fault_fd));
		world->fd = (int)made(world_open(world, "/dev/iommu"));
		ck_assert_ok(world_refs(world, va, PAGE_SIZE, 1));
		ck_assert_ok(world_close(world, event_fd));
		ck_assert_ok(world_refs(world, va, 8 * PAGE_SIZE, 0));
		size_t live = arena_live(world->machine->arena);
		/* What remains of a round must not grow with the rounds. */
		if (round > 0)
			ck_assert_uint_eq(live, before);
		before = live;
	}
}
END_TEST

START_TEST(destroying_an_ioas_drops_its_areas)
{
	uint32_t ioas = made(world_ioas(world)), other;
	uint64_t va = world_mmap_aligned(world, 4 * PAGE_SIZE), iova = 0;
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_ok(world_map(world, ioas, va, 4 * PAGE_SIZE, MAP_RW, &iova));
	other = made(world_ioas(world));
	made(world_pin(world, access, iova, 4096, 0, 0));
	ck_assert_ok(world_refs(world, va, PAGE_SIZE, 1));
	ck_assert_ok(world_access_replace(world, access, other));
	ck_assert_ok(world_refs(world, va, PAGE_SIZE, 0));
	ck_assert_ok(world_destroy(world, ioas));
}
END_TEST

/* --- 1.4 --- */

START_TEST(every_type_that_a_user_makes_can_be_destroyed)
{
	struct viommu_world v = world_make_viommu(world);
	int fd;
	uint64_t va = world_mmap_aligned(world, PAGE_SIZE);
	ck_assert_ok(world_map_at(world, v.ioas, va, PAGE_SIZE, APERTURE));
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	uint32_t veventq = made(world_veventq(world, v.viommu, 4, &fd));
	ck_assert_ok(world_close(world, fd));
	uint32_t fault = made(world_fault(world, &fd));
	ck_assert_ok(world_close(world, fd));
	uint32_t queue = made(world_hw_queue(world, v.viommu, 0, APERTURE, PAGE_SIZE));
	ck_assert_ok(world_destroy(world, queue));
	ck_assert_ok(world_destroy(world, fault));
	ck_assert_ok(world_destroy(world, veventq));
	ck_assert_ok(world_destroy(world, vdevice));
	ck_assert_ok(world_destroy(world, v.nested));
	ck_assert_ok(world_destroy(world, v.viommu));
	ck_assert_ok(world_destroy(world, v.parent));
	ck_assert_ok(world_destroy(world, v.mock.stdev));
	ck_assert_ok(world_destroy(world, v.ioas));
	ck_assert_int_eq(world_ioas(world), 1);
}
END_TEST

START_TEST(a_lookup_of_any_type_takes_several_and_refuses_the_rest_as_einval)
{
	struct viommu_world v = world_make_viommu(world);
	uint32_t pt = v.mock.idev;
	made(world_hwpt(world, v.mock.idev, v.ioas, 0));
	made(world_nested(world, v.mock.idev, v.parent, 0, 0, 0));
	made(world_nested(world, v.mock.idev, v.viommu, 0, 0, 0));
	ck_assert_refused(world_hwpt(world, v.mock.idev, v.mock.idev, 0), EINVAL);
	ck_assert_refused(world_mock(world, v.mock.idev, 0, NULL), EINVAL);
	ck_assert_refused(world_replace(world, v.mock.stdev, &pt), EINVAL);
	struct iommu_hwpt_invalidate cmd = {.hwpt_id = v.ioas};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_HWPT_INVALIDATE, &cmd), EINVAL);
}
END_TEST

START_TEST(an_object_without_memory_is_enomem)
{
	/* After the copies of size and struct: the object, then its id. */
	for (uint64_t n = 3; n <= 4; n++) {
		world->machine->failures.countdown = n;
		ck_assert_refused(world_ioas(world), ENOMEM);
	}
	ck_assert_int_eq(world_ioas(world), 1);
}
END_TEST

START_TEST(an_id_is_no_object_before_it_is_published)
{
	struct iommu_ioas_alloc alloc = {0};
	struct iommu_destroy destroy = {.id = 1};
	struct iommu_ioas_unmap unmap = {.ioas_id = 1, .length = UINT64_MAX};
	struct flight making, aside;
	world_stepwise(world, true);
	flight_start(&making, world, 0, IOMMUFD_NR_IOAS_ALLOC, &alloc);
	ck_assert(flight_until(&making, "ioas_creation_lock"));
	flight_start(&aside, world, 1, IOMMUFD_NR_DESTROY, &destroy);
	ck_assert_refused(flight_finish(&aside), ENOENT);
	flight_start(&aside, world, 2, IOMMUFD_NR_IOAS_UNMAP, &unmap);
	ck_assert_refused(flight_finish(&aside), ENOENT);
	/* The number is taken already. */
	struct iommu_fault_alloc fault = {0};
	flight_start(&aside, world, 3, IOMMUFD_NR_FAULT_QUEUE_ALLOC, &fault);
	ck_assert_ok(flight_finish(&aside));
	ck_assert_uint_eq(fault.out_fault_id, 2);
	ck_assert_ok(flight_finish(&making));
	ck_assert_uint_eq(alloc.out_ioas_id, 1);
	flight_start(&aside, world, 1, IOMMUFD_NR_DESTROY, &destroy);
	ck_assert_ok(flight_finish(&aside));
}
END_TEST

/* --- 1.5 --- */

START_TEST(lookups_of_zero_and_of_a_tombstone_are_enoent)
{
	struct viommu_world v = world_make_viommu(world);
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	ck_assert_refused(world_unmap_all(world, 0), ENOENT);
	ck_assert_refused(world_unmap_all(world, UINT32_MAX), ENOENT);
	ck_assert_ok(world_destroy(world, v.mock.stdev));
	ck_assert_refused(world_unmap_all(world, vdevice), ENOENT);
	ck_assert_refused(world_destroy(world, vdevice), ENOENT);
	ck_assert_ok(world_unmap_all(world, v.ioas));
}
END_TEST

/* The user count of an object; 0: there is none. */
static uint32_t users(uint32_t id)
{
	const struct iommufd_ctx *ictx = fd_file(world->process, world->fd)->priv;
	if (id >= ictx->slot_count || ictx->slots[id].state != SLOT_OBJECT)
		return 0;
	return ictx->slots[id].object->users;
}

static uint64_t page;

static struct viommu_world make_mapped_viommu(void)
{
	struct viommu_world v = world_make_viommu(world);
	page = world_mmap(world, PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_map_at(world, v.ioas, page, PAGE_SIZE, APERTURE));
	return v;
}

START_TEST(an_ioas_is_used_by_hwpts_and_accesses)
{
	uint32_t plain = made(world_ioas(world));
	ck_assert_uint_eq(users(plain), 1);
	ck_assert_ok(world_destroy(world, plain));
	struct viommu_world v = make_mapped_viommu();
	ck_assert_uint_eq(users(v.ioas), 3);
	int access = (int)made(world_access(world, v.ioas, 0));
	ck_assert_uint_eq(users(v.ioas), 4);
	uint32_t queue = made(world_hw_queue(world, v.viommu, 0, APERTURE, PAGE_SIZE));
	ck_assert_uint_eq(users(v.ioas), 5);
	ck_assert_ok(world_destroy(world, queue));
	ck_assert_uint_eq(users(v.ioas), 4);
	ck_assert_ok(world_close(world, access));
	ck_assert_uint_eq(users(v.ioas), 3);
	ck_assert_ok(world_destroy(world, v.mock.stdev));
	ck_assert_uint_eq(users(v.ioas), 2);
}
END_TEST

START_TEST(a_paging_hwpt_is_used_by_attachments_nested_hwpts_and_viommus)
{
	struct viommu_world v = world_make_viommu(world);
	ck_assert_uint_eq(users(v.mock.hwpt), 2);
	/* The nested HWPT on the vIOMMU is no user of the parent. */
	ck_assert_uint_eq(users(v.parent), 2);
	uint32_t nested = made(world_nested(world, v.mock.idev, v.parent, 0, 0, 0));
	ck_assert_uint_eq(users(v.parent), 3);
	ck_assert_ok(world_destroy(world, nested));
	ck_assert_uint_eq(users(v.parent), 2);
	ck_assert_ok(world_destroy(world, v.nested));
	ck_assert_uint_eq(users(v.parent), 2);
	ck_assert_ok(world_destroy(world, v.viommu));
	ck_assert_uint_eq(users(v.parent), 1);
}
END_TEST

START_TEST(each_pasid_is_an_attachment)
{
	struct mock mock;
	uint32_t ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_PASID, &mock));
	ck_assert_uint_eq(users(mock.idev), 3);
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_PASID)), pt = hwpt;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_ok(world_pasid(world, IOMMU_TEST_OP_PASID_ATTACH, mock.stdev, 1, &pt));
	ck_assert_uint_eq(users(hwpt), 3);
	ck_assert_uint_eq(users(mock.idev), 4);
	ck_assert_ok(world_pasid_detach(world, mock.stdev, 1));
	ck_assert_uint_eq(users(hwpt), 2);
	ck_assert_uint_eq(users(mock.idev), 3);
}
END_TEST

START_TEST(a_nested_hwpt_is_used_by_attachments)
{
	struct viommu_world v = world_make_viommu(world);
	uint32_t pt = v.nested;
	made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	ck_assert_uint_eq(users(v.nested), 1);
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	ck_assert_uint_eq(users(v.nested), 2);
}
END_TEST

START_TEST(a_fault_queue_is_used_by_its_file_and_hwpts)
{
	struct viommu_world v = world_make_viommu(world);
	int fd;
	uint32_t fault = made(world_fault(world, &fd));
	ck_assert_uint_eq(users(fault), 2);
	uint32_t nested = made(
		world_nested(world, v.mock.idev, v.parent, IOMMU_HWPT_FAULT_ID_VALID, fault, 0));
	ck_assert_uint_eq(users(fault), 3);
	ck_assert_ok(world_close(world, fd));
	ck_assert_uint_eq(users(fault), 2);
	ck_assert_ok(world_destroy(world, nested));
	ck_assert_uint_eq(users(fault), 1);
}
END_TEST

START_TEST(a_viommu_is_used_by_all_that_is_made_on_it)
{
	struct viommu_world v = make_mapped_viommu();
	int fd;
	ck_assert_uint_eq(users(v.viommu), 2);
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	ck_assert_uint_eq(users(v.viommu), 3);
	ck_assert_uint_eq(users(vdevice), 1);
	ck_assert_uint_eq(users(v.mock.idev), 4);
	uint32_t veventq = made(world_veventq(world, v.viommu, 4, &fd));
	ck_assert_uint_eq(users(v.viommu), 4);
	ck_assert_uint_eq(users(veventq), 2);
	ck_assert_ok(world_close(world, fd));
	ck_assert_uint_eq(users(veventq), 1);
	uint32_t first = made(world_hw_queue(world, v.viommu, 0, APERTURE, PAGE_SIZE));
	ck_assert_uint_eq(users(v.viommu), 5);
	ck_assert_uint_eq(users(first), 1);
	uint32_t second = made(world_hw_queue(world, v.viommu, 1, APERTURE, PAGE_SIZE));
	ck_assert_uint_eq(users(v.viommu), 6);
	ck_assert_uint_eq(users(first), 2);
	ck_assert_ok(world_destroy(world, second));
	ck_assert_uint_eq(users(first), 1);
	ck_assert_ok(world_destroy(world, first));
	ck_assert_uint_eq(users(v.viommu), 4);
	ck_assert_ok(world_destroy(world, veventq));
	ck_assert_uint_eq(users(v.viommu), 3);
	ck_assert_ok(world_destroy(world, vdevice));
	ck_assert_uint_eq(users(v.viommu), 2);
	ck_assert_uint_eq(users(v.mock.idev), 3);
	ck_assert_ok(world_destroy(world, v.nested));
	ck_assert_uint_eq(users(v.viommu), 1);
}
END_TEST

START_TEST(an_access_is_used_by_its_maker_and_a_selftest_object_by_none)
{
	struct viommu_world v = make_mapped_viommu();
	made(world_access(world, v.ioas, 0));
	ck_assert_uint_eq(users(8), 2);
	made(world_hw_queue(world, v.viommu, 0, APERTURE, PAGE_SIZE));
	ck_assert_uint_eq(users(10), 2);
	ck_assert_refused(world_destroy(world, 10), EBUSY);
	ck_assert_uint_eq(users(v.mock.stdev), 1);
}
END_TEST

/* --- 1.6 --- */

START_TEST(destroy_reads_two_words)
{
	uint8_t bytes[8] = {8, 0, 0, 0, 1, 0, 0, 0};
	ck_assert_int_eq(world_ioas(world), 1);
	ck_assert_ok(world_ioctl_sized(world, IOMMUFD_NR_DESTROY, bytes, sizeof(bytes)));
	ck_assert_uint_eq(users(1), 0);
}
END_TEST

START_TEST(an_unbind_waits_for_calls_that_use_the_device)
{
	struct mock mock;
	uint32_t ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	struct iommu_hwpt_alloc alloc = {.dev_id = mock.idev, .pt_id = ioas};
	struct iommu_destroy destroy = {.id = mock.stdev};
	struct flight making, unbinding;
	world_stepwise(world, true);
	flight_start(&making, world, 0, IOMMUFD_NR_HWPT_ALLOC, &alloc);
	ck_assert(flight_until(&making, "domains_rwsem"));
	flight_start(&unbinding, world, 1, IOMMUFD_NR_DESTROY, &destroy);
	while (flight_step(&unbinding))
		;
	ck_assert(!unbinding.call->done);
	ck_assert_str_eq(unbinding.thread->task.where, "destroy_wait");
	ck_assert_ok(flight_finish(&making));
	ck_assert_ok(flight_finish(&unbinding));
	ck_assert_uint_eq(users(mock.idev), 0);
	ck_assert_uint_eq(users(alloc.out_hwpt_id), 1);
}
END_TEST

START_TEST(destroying_a_hwpt_unpins_at_once)
{
	struct mock mock;
	uint32_t ioas = made(world_ioas(world)), other = made(world_ioas(world));
	ck_assert_ok(world_mock(world, other, 0, &mock));
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_map_at(world, ioas, va, PAGE_SIZE, APERTURE));
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	ck_assert_ok(world_refs(world, va, PAGE_SIZE, 1));
	ck_assert_refused(world_map_at(world, ioas, va, PAGE_SIZE, 0), EINVAL);
	ck_assert_ok(world_destroy(world, hwpt));
	ck_assert_ok(world_refs(world, va, PAGE_SIZE, 0));
	/* The domain's reserved ranges and its alignment are gone, too. */
	ck_assert_ok(world_map_at(world, ioas, va, 1, 0));
}
END_TEST

START_TEST(a_destroyed_hwpt_is_not_attached_to)
{
	struct mock mock, second;
	uint32_t ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	ck_assert_ok(world_destroy(world, mock.stdev));
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_mock(world, ioas, 0, &second));
	ck_assert_uint_eq(second.hwpt, mock.hwpt);
	ck_assert_uint_eq(users(second.hwpt), 2);
	ck_assert_ok(world_map_at(world, ioas, va, PAGE_SIZE, APERTURE));
	ck_assert_ok(world_check_map(world, second.hwpt, APERTURE, va, PAGE_SIZE));
}
END_TEST

START_TEST(what_a_vdevice_and_an_event_queue_held_is_free_after_them)
{
	struct viommu_world v = world_make_viommu(world);
	struct mock other;
	int fd;
	ck_assert_ok(world_mock(world, v.ioas, 0, &other));
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	ck_assert_ok(world_destroy(world, vdevice));
	/* The virt_id, and the device. */
	made(world_vdevice(world, v.viommu, other.idev, 5));
	made(world_vdevice(world, v.viommu, v.mock.idev, 6));
	uint32_t veventq = made(world_veventq(world, v.viommu, 4, &fd));
	ck_assert_ok(world_close(world, fd));
	ck_assert_ok(world_destroy(world, veventq));
	made(world_veventq(world, v.viommu, 4, &fd));
}
END_TEST

START_TEST(a_hw_queue_is_stopped_before_it_is_unpinned)
{
	struct viommu_world v = make_mapped_viommu();
	uint32_t first = made(world_hw_queue(world, v.viommu, 0, APERTURE, PAGE_SIZE));
	uint32_t second = made(world_hw_queue(world, v.viommu, 1, APERTURE, PAGE_SIZE));
	struct iommu_destroy destroy = {.id = second};
	struct flight flight;
	ck_assert_ok(world_refs(world, page, PAGE_SIZE, 1));
	world_stepwise(world, true);
	flight_start(&flight, world, 0, IOMMUFD_NR_DESTROY, &destroy);
	ck_assert(flight_until(&flight, "queue pages unpinned"));
	ck_assert_uint_eq(users(first), 1);
	/* The access is gone, the vIOMMU is used yet. */
	ck_assert_uint_eq(users(second + 1), 0);
	ck_assert_uint_eq(users(v.ioas), 4);
	ck_assert_uint_eq(users(v.viommu), 4);
	ck_assert_ok(flight_finish(&flight));
	ck_assert_uint_eq(users(v.viommu), 3);
	world_stepwise(world, false);
}
END_TEST

START_TEST(a_destroyed_hw_queue_lets_go_of_its_pages)
{
	struct mock mock;
	uint32_t ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	uint32_t parent = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT));
	uint32_t viommu = made(world_viommu(world, mock.idev, parent));
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_map_at(world, ioas, va, PAGE_SIZE, APERTURE));
	uint32_t queue = made(world_hw_queue(world, viommu, 0, APERTURE, PAGE_SIZE));
	ck_assert_refused(world_unmap_all(world, ioas), EBUSY);
	ck_assert_ok(world_destroy(world, queue));
	ck_assert_int_eq(world_unmap_all(world, ioas), PAGE_SIZE);
	/* Both of its ids are free. */
	ck_assert_int_eq(world_ioas(world), queue);
	ck_assert_int_eq(world_ioas(world), queue + 1);
}
END_TEST

/* Makes one of each and destroys them one by one. */
static void make_and_destroy_all(void)
{
	struct viommu_world v = make_mapped_viommu();
	struct iommu_iova_range allowed[] = {{APERTURE, 2 * APERTURE},
					     {3 * APERTURE, 4 * APERTURE}};
	int fd, fault_fd;
	ck_assert_ok(world_allow(world, v.ioas, allowed, 2));
	ck_assert_ok(world_reserve(world, v.ioas, 5 * APERTURE, PAGE_SIZE));
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	uint32_t veventq = made(world_veventq(world, v.viommu, 4, &fd));
	uint32_t fault = made(world_fault(world, &fault_fd));
	uint32_t nested = made(
		world_nested(world, v.mock.idev, v.parent, IOMMU_HWPT_FAULT_ID_VALID, fault, 0));
	uint32_t pt = v.nested;
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	struct iommu_test_cmd event = {.trigger_vevent = {v.mock.idev}};
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_TRIGGER_VEVENT, &event));
	uint32_t queue = made(world_hw_queue(world, v.viommu, 0, APERTURE, PAGE_SIZE));
	int access = (int)made(world_access(world, v.ioas, 1));
	ck_assert_ok(world_close(world, access));
	ck_assert_ok(world_close(world, fd));
	ck_assert_ok(world_close(world, fault_fd));
	ck_assert_ok(world_destroy(world, queue));
	ck_assert_ok(world_destroy(world, nested));
	ck_assert_ok(world_destroy(world, fault));
	ck_assert_ok(world_destroy(world, veventq));
	ck_assert_ok(world_destroy(world, vdevice));
	ck_assert_ok(world_destroy(world, v.mock.stdev));
	ck_assert_ok(world_destroy(world, v.nested));
	ck_assert_ok(world_destroy(world, v.viommu));
	ck_assert_ok(world_destroy(world, v.parent));
	ck_assert_ok(world_destroy(world, v.ioas));
	ck_assert_ok(world_sys(world, SYS_MUNMAP, page, PAGE_SIZE));
}

START_TEST(destroyed_objects_leave_no_memory)
{
	make_and_destroy_all();
	size_t live = arena_live(world->machine->arena);
	make_and_destroy_all();
	ck_assert_uint_eq(arena_live(world->machine->arena), live);
}
END_TEST

START_TEST(destroying_a_selftest_object_unbinds_and_detaches_its_device)
{
	struct mock mock;
	uint32_t ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	ck_assert_ok(world_destroy(world, mock.stdev));
	ck_assert_uint_eq(users(mock.hwpt), 0);
	ck_assert_uint_eq(users(mock.idev), 0);
	ck_assert_uint_eq(users(ioas), 1);
}
END_TEST

START_TEST(a_context_with_a_tombstone_closes)
{
	struct viommu_world v = world_make_viommu(world);
	made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	ck_assert_ok(world_destroy(world, v.mock.stdev));
	ck_assert_ok(world_close(world, world->fd));
	world->fd = (int)made(world_open(world, "/dev/iommu"));
	ck_assert_int_eq(world_ioas(world), 1);
}
END_TEST

START_TEST(a_vdevice_is_destroyed_under_the_lock_of_its_group)
{
	struct viommu_world v = world_make_viommu(world);
	struct iommu_destroy destroy = {.id = made(world_vdevice(world, v.viommu, v.mock.idev, 5))};
	struct flight flight;
	world_stepwise(world, true);
	flight_start(&flight, world, 0, IOMMUFD_NR_DESTROY, &destroy);
	ck_assert(flight_until(&flight, "igroup lock"));
	/* Out of the table, but still the device's and on the vIOMMU. */
	ck_assert_uint_eq(users(destroy.id), 0);
	ck_assert_uint_eq(users(v.viommu), 3);
	ck_assert_uint_eq(users(v.mock.idev), 4);
	ck_assert_ok(flight_finish(&flight));
	ck_assert_uint_eq(users(v.viommu), 2);
	ck_assert_uint_eq(users(v.mock.idev), 3);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		ids_are_the_lowest_free_numbers,
		destroy_of_no_object_is_enoent,
		a_mock_device_takes_its_ids_in_order,
		a_replace_takes_the_new_id_before_the_old_one_is_free,
		a_failed_creation_gives_its_ids_back,
		objects_in_use_are_ebusy,
		an_id_of_another_type_is_enoent,
		a_vdevice_of_an_unbound_device_leaves_a_tombstone,
		a_destroyed_vdevice_leaves_none,
		close_tears_everything_down,
		destroying_an_ioas_drops_its_areas,
		every_type_that_a_user_makes_can_be_destroyed,
		a_lookup_of_any_type_takes_several_and_refuses_the_rest_as_einval,
		an_object_without_memory_is_enomem,
		an_id_is_no_object_before_it_is_published,
		lookups_of_zero_and_of_a_tombstone_are_enoent,
		an_ioas_is_used_by_hwpts_and_accesses,
		a_paging_hwpt_is_used_by_attachments_nested_hwpts_and_viommus,
		each_pasid_is_an_attachment,
		a_nested_hwpt_is_used_by_attachments,
		a_fault_queue_is_used_by_its_file_and_hwpts,
		a_viommu_is_used_by_all_that_is_made_on_it,
		an_access_is_used_by_its_maker_and_a_selftest_object_by_none,
		destroy_reads_two_words,
		an_unbind_waits_for_calls_that_use_the_device,
		destroying_a_hwpt_unpins_at_once,
		a_destroyed_hwpt_is_not_attached_to,
		what_a_vdevice_and_an_event_queue_held_is_free_after_them,
		a_hw_queue_is_stopped_before_it_is_unpinned,
		a_destroyed_hw_queue_lets_go_of_its_pages,
		destroyed_objects_leave_no_memory,
		destroying_a_selftest_object_unbinds_and_detaches_its_device,
		a_context_with_a_tombstone_closes,
		a_vdevice_is_destroyed_under_the_lock_of_its_group,
	};
	return RUN_TESTS("shim_objects", tests);
}
