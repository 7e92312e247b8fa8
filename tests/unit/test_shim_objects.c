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

int main(void)
{
	const TTest *const tests[] = {
		ids_are_the_lowest_free_numbers,
		destroy_of_no_object_is_enoent,
		a_mock_device_takes_its_ids_in_order,
		a_failed_creation_gives_its_ids_back,
		objects_in_use_are_ebusy,
		an_id_of_another_type_is_enoent,
		a_vdevice_of_an_unbound_device_leaves_a_tombstone,
		a_destroyed_vdevice_leaves_none,
		close_tears_everything_down,
		destroying_an_ioas_drops_its_areas,
	};
	return RUN_TESTS("shim_objects", tests);
}
