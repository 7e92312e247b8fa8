/* SPDX-License-Identifier: Apache-2.0 */
/* Who is charged for pinned pages (iommufd 2.9, 2.11). */
#include "kernel_shim/uapi/vfio.h"
#include "tests/kit/test.h"

static uint32_t ioas;
static uint64_t buffer;

#define LIMIT 4U /* pages */

enum mode {
	NONE,
	USER,
	MM,
};

static void setup(enum mode mode)
{
	uint64_t value = mode == MM;
	buffer = world_mmap_aligned(world, 16 * PAGE_SIZE);
	world->process->credentials.cap_ipc_lock = mode == NONE;
	world->process->credentials.rlimit_memlock = LIMIT * PAGE_SIZE;
	ck_assert_ok(world_option(world, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &value));
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
}

static void check(struct world *of, uint64_t pinned, uint64_t locked, uint64_t user)
{
	ck_assert_uint_eq(of->process->mm->pinned_vm, pinned);
	ck_assert_uint_eq(of->process->mm->locked_vm, locked);
	ck_assert_uint_eq(of->process->credentials.user->locked_vm, user);
}

START_TEST(with_cap_ipc_lock_nothing_is_limited)
{
	setup(NONE);
	ck_assert_ok(world_map_at(world, ioas, buffer, 16 * PAGE_SIZE, APERTURE));
	check(world, 16, 0, 0);
	ck_assert_int_gt(world_unmap_all(world, ioas), 0);
	check(world, 0, 0, 0);
}
END_TEST

START_TEST(user_mode_charges_the_user_up_to_the_limit)
{
	setup(USER);
	ck_assert_ok(world_map_at(world, ioas, buffer, LIMIT * PAGE_SIZE, APERTURE));
	check(world, LIMIT, 0, LIMIT);
	ck_assert_refused(world_map_at(world, ioas, buffer, PAGE_SIZE, 2 * APERTURE), ENOMEM);
	ck_assert_str_eq(world_rule(world), "iommufd 2.11");
	check(world, LIMIT, 0, LIMIT);
	ck_assert_refused(world_unmap(world, ioas, 2 * APERTURE, PAGE_SIZE), ENOENT);
	ck_assert_ok(world_refs(world, buffer, LIMIT * PAGE_SIZE, 1));
	/* Another process of the same user has no room of its own. */
	struct world *child = world_fork(world);
	ck_assert_refused(world_map_at(child, ioas, buffer, PAGE_SIZE, 2 * APERTURE), ENOMEM);
	ck_assert_int_gt(world_unmap_all(world, ioas), 0);
	ck_assert_ok(world_map_at(child, ioas, buffer, PAGE_SIZE, 2 * APERTURE));
	check(child, 1, 0, 1);
	check(world, 0, 0, 1);
	world_exit(child);
	ck_assert_int_eq(world_unmap_all(world, ioas), PAGE_SIZE);
	check(world, 0, 0, 0);
}
END_TEST

START_TEST(mm_mode_charges_each_mm)
{
	setup(MM);
	ck_assert_ok(world_map_at(world, ioas, buffer, LIMIT * PAGE_SIZE, APERTURE));
	check(world, LIMIT, LIMIT, 0);
	ck_assert_refused(world_map_at(world, ioas, buffer, PAGE_SIZE, 2 * APERTURE), ENOMEM);
	struct world *child = world_fork(world);
	ck_assert_ok(world_map_at(child, ioas, buffer, LIMIT * PAGE_SIZE, 2 * APERTURE));
	check(child, LIMIT, LIMIT, 0);
	ck_assert_int_gt(world_unmap_all(world, ioas), 0);
	check(world, 0, 0, 0);
	check(child, 0, 0, 0);
	world_exit(child);
}
END_TEST

START_TEST(each_page_of_an_array_is_charged_once)
{
	setup(USER);
	uint64_t iova = 2 * APERTURE;
	ck_assert_ok(world_map_at(world, ioas, buffer, 2 * PAGE_SIZE, APERTURE));
	ck_assert_ok(
		world_copy(world, ioas, APERTURE, 2 * PAGE_SIZE, ioas, MAP_RW | MAP_FIXED_, &iova));
	int access = (int)made(world_access(world, ioas, 1));
	made(world_pin(world, access, APERTURE, PAGE_SIZE, 0, 0));
	check(world, 2, 0, 2);
	/* A page that is begun counts whole; a second map is a second array. */
	iova = 3 * APERTURE;
	ck_assert_ok(world_map_at(world, ioas, buffer, 2 * PAGE_SIZE, iova));
	check(world, 4, 0, 4);
	ck_assert_int_gt(world_unmap(world, ioas, APERTURE, 2 * PAGE_SIZE), 0);
	check(world, 4, 0, 4);
	ck_assert_int_gt(world_unmap(world, ioas, 2 * APERTURE, 2 * PAGE_SIZE), 0);
	check(world, 2, 0, 2);
}
END_TEST

START_TEST(pins_of_an_access_are_charged)
{
	setup(MM);
	uint32_t plain = made(world_ioas(world));
	int access = (int)made(world_access(world, plain, 1));
	ck_assert_ok(world_map_at(world, plain, buffer, 8 * PAGE_SIZE, 0x10000));
	check(world, 0, 0, 0);
	made(world_pin(world, access, 0x10000, 3 * PAGE_SIZE, 0, 0));
	check(world, 3, 3, 0);
	ck_assert_refused(world_pin(world, access, 0x14000, 2 * PAGE_SIZE, 0, 0), ENOMEM);
	check(world, 3, 3, 0);
	ck_assert_ok(world_refs(world, buffer + 4 * PAGE_SIZE, 2 * PAGE_SIZE, 0));
	made(world_pin(world, access, 0x12000, 2 * PAGE_SIZE, 0, 0));
	check(world, 4, 4, 0);
	/* rw pins for a moment, uncharged. */
	ck_assert_ok(world_rw(world, access, 0x14000, world->data, 2 * PAGE_SIZE,
			      MOCK_ACCESS_RW_SLOW_PATH));
	check(world, 4, 4, 0);
	ck_assert_ok(world_unpin(world, access, 0));
	check(world, 2, 2, 0);
}
END_TEST

START_TEST(a_domain_beyond_the_limit_is_refused_and_undone)
{
	setup(USER);
	uint32_t plain = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, plain, buffer, 3 * PAGE_SIZE, APERTURE));
	ck_assert_ok(
		world_map_at(world, plain, buffer + 8 * PAGE_SIZE, 2 * PAGE_SIZE, 2 * APERTURE));
	ck_assert_refused(world_mock(world, plain, 0, NULL), ENOMEM);
	check(world, 0, 0, 0);
	ck_assert_ok(world_refs(world, buffer, 16 * PAGE_SIZE, 0));
	ck_assert_int_gt(world_unmap(world, plain, 2 * APERTURE, 2 * PAGE_SIZE), 0);
	ck_assert_ok(world_mock(world, plain, 0, NULL));
	check(world, 3, 0, 3);
}
END_TEST

START_TEST(the_limit_is_read_when_it_is_charged)
{
	setup(USER);
	world->process->credentials.rlimit_memlock = PAGE_SIZE - 1;
	ck_assert_refused(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE), ENOMEM);
	world->process->credentials.rlimit_memlock = PAGE_SIZE;
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE));
}
END_TEST

START_TEST(mm_mode_can_not_charge_an_mm_that_is_gone)
{
	setup(MM);
	uint32_t plain = made(world_ioas(world));
	int file = (int)made(world_memfd(world, 4 * PAGE_SIZE));
	uint64_t iova = APERTURE;
	struct world *child = world_fork(world);
	ck_assert_ok(world_map_file(child, plain, file, 0, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	world_exit(child);
	ck_assert_refused(world_mock(world, plain, 0, NULL), EINVAL);
}
END_TEST

static int64_t change_process(struct world *to)
{
	struct iommu_ioas_change_process cmd = {0};
	return world_ioctl(to, IOMMUFD_NR_IOAS_CHANGE_PROCESS, &cmd);
}

START_TEST(change_process_needs_file_mappings_only)
{
	setup(USER);
	struct iommu_ioas_change_process cmd = {.__reserved = 1};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_CHANGE_PROCESS, &cmd), EOPNOTSUPP);
	ck_assert_ok(change_process(world));
	int file = (int)made(world_memfd(world, 4 * PAGE_SIZE));
	uint64_t iova = APERTURE;
	ck_assert_ok(world_map_file(world, ioas, file, 0, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_ok(change_process(world));
	/* Of any IOAS of the context. */
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, other, buffer, PAGE_SIZE, APERTURE));
	ck_assert_refused(change_process(world), EINVAL);
	check(world, 1, 0, 1);
}
END_TEST

static struct world *map_file_and_fork(uint64_t pages)
{
	int file = (int)made(world_memfd(world, 8 * PAGE_SIZE));
	uint64_t iova = APERTURE;
	ck_assert_ok(world_map_file(world, ioas, file, 0, pages * PAGE_SIZE, MAP_RW | MAP_FIXED_,
				    &iova));
	/* A copy shares the page array: it moves once. */
	iova = 2 * APERTURE;
	ck_assert_ok(
		world_copy(world, ioas, APERTURE, PAGE_SIZE, ioas, MAP_RW | MAP_FIXED_, &iova));
	return world_fork(world);
}

START_TEST(change_process_moves_the_charge_of_an_mm)
{
	setup(MM);
	struct world *child = map_file_and_fork(3);
	check(world, 3, 3, 0);
	ck_assert_ok(change_process(child));
	check(world, 0, 0, 0);
	check(child, 3, 3, 0);
	ck_assert_ok(change_process(child));
	check(child, 3, 3, 0);
	ck_assert_int_eq(world_unmap_all(world, ioas), 4 * PAGE_SIZE);
	check(child, 0, 0, 0);
	world_exit(child);
}
END_TEST

START_TEST(change_process_moves_pins_within_one_user)
{
	setup(USER);
	struct world *child = map_file_and_fork(2);
	ck_assert_ok(change_process(child));
	check(world, 0, 0, 2);
	check(child, 2, 0, 2);
	world_exit(child);
}
END_TEST

START_TEST(change_process_charges_before_it_uncharges)
{
	/* With one user both charges count at once. */
	setup(USER);
	struct world *child = map_file_and_fork(3);
	ck_assert_refused(change_process(child), ENOMEM);
	check(world, 3, 0, 3);
	check(child, 0, 0, 3);
	child->process->credentials.rlimit_memlock = 6 * PAGE_SIZE;
	ck_assert_ok(change_process(child));
	check(child, 3, 0, 3);
	world_exit(child);
}
END_TEST

START_TEST(a_refused_change_of_several_arrays_changes_nothing)
{
	setup(MM);
	struct world *child = map_file_and_fork(2);
	int file = (int)made(world_memfd(world, 8 * PAGE_SIZE));
	uint64_t iova = 3 * APERTURE;
	ck_assert_ok(
		world_map_file(world, ioas, file, 0, 2 * PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	child->process->credentials.rlimit_memlock = 3 * PAGE_SIZE;
	ck_assert_refused(change_process(child), ENOMEM);
	check(world, 4, 4, 0);
	check(child, 0, 0, 0);
	world_exit(child);
	ck_assert_int_eq(world_unmap_all(world, ioas), 5 * PAGE_SIZE);
	check(world, 0, 0, 0);
}
END_TEST

START_TEST(change_process_leaves_the_pin_counter_of_mode_none_behind)
{
	setup(NONE);
	struct world *child = map_file_and_fork(2);
	ck_assert_ok(change_process(child));
	check(world, 2, 0, 0);
	check(child, 0, 0, 0);
	world_exit(child);
}
END_TEST

START_TEST(the_mode_is_fixed_when_memory_is_mapped)
{
	setup(USER);
	uint32_t plain = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, plain, buffer, PAGE_SIZE, APERTURE));
	world->process->credentials.cap_ipc_lock = true;
	ck_assert_ok(world_map_at(world, plain, buffer, 2 * PAGE_SIZE, 2 * APERTURE));
	struct mock mock;
	ck_assert_ok(world_mock(world, plain, 0, &mock));
	check(world, 3, 0, 1);
	ck_assert_ok(world_destroy(world, mock.stdev));
	check(world, 0, 0, 0);
	world->process->credentials.cap_ipc_lock = false;
	ck_assert_ok(world_mock(world, plain, 0, NULL));
	check(world, 3, 0, 1);
}
END_TEST

START_TEST(the_owner_is_who_mapped_the_memory)
{
	static struct user other;
	setup(USER);
	other.locked_vm = 0;
	uint32_t plain = made(world_ioas(world));
	struct world *child = world_fork(world);
	child->process->credentials.user = &other;
	ck_assert_ok(world_map_at(child, plain, buffer, 2 * PAGE_SIZE, APERTURE));
	ck_assert_ok(world_mock(world, plain, 0, NULL));
	check(world, 0, 0, 0);
	check(child, 2, 0, 2);
	ck_assert_int_eq(world_unmap_all(world, plain), 2 * PAGE_SIZE);
	check(child, 0, 0, 0);
	world_exit(child);
}
END_TEST

START_TEST(the_owner_s_limit_counts)
{
	setup(MM);
	uint32_t plain = made(world_ioas(world));
	struct world *child = world_fork(world);
	child->process->credentials.rlimit_memlock = PAGE_SIZE;
	ck_assert_ok(world_map_at(child, plain, buffer, 2 * PAGE_SIZE, APERTURE));
	ck_assert_refused(world_mock(world, plain, 0, NULL), ENOMEM);
	child->process->credentials.rlimit_memlock = 2 * PAGE_SIZE;
	world->process->credentials.rlimit_memlock = 0;
	ck_assert_ok(world_mock(world, plain, 0, NULL));
	check(child, 2, 2, 0);
	world_exit(child);
}
END_TEST

START_TEST(vfio_maps_follow_the_context_s_mode)
{
	setup(USER);
	struct iommu_vfio_ioas set = {.ioas_id = ioas, .op = IOMMU_VFIO_IOAS_SET};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_VFIO_IOAS, &set));
	struct vfio_iommu_type1_dma_map map = {sizeof(map), 3, buffer, APERTURE, 2 * PAGE_SIZE};
	ck_assert_ok(
		world_ioctl_raw(world, VFIO_IOMMU_MAP_DMA, world_data(world, &map, sizeof(map))));
	check(world, 2, 0, 2);
}
END_TEST

START_TEST(a_page_that_can_not_be_pinned_comes_before_the_limit)
{
	setup(USER);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, buffer + 8 * PAGE_SIZE, PAGE_SIZE));
	ck_assert_refused(world_map_at(world, ioas, buffer, 9 * PAGE_SIZE, APERTURE), EFAULT);
	ck_assert_refused(world_map_at(world, ioas, buffer, 8 * PAGE_SIZE, APERTURE), ENOMEM);
	check(world, 0, 0, 0);
	ck_assert_ok(world_refs(world, buffer, 8 * PAGE_SIZE, 0));
	ck_assert_ok(world_map_at(world, ioas, buffer, LIMIT * PAGE_SIZE, APERTURE));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		with_cap_ipc_lock_nothing_is_limited,
		user_mode_charges_the_user_up_to_the_limit,
		mm_mode_charges_each_mm,
		each_page_of_an_array_is_charged_once,
		pins_of_an_access_are_charged,
		a_domain_beyond_the_limit_is_refused_and_undone,
		the_limit_is_read_when_it_is_charged,
		mm_mode_can_not_charge_an_mm_that_is_gone,
		change_process_needs_file_mappings_only,
		change_process_moves_the_charge_of_an_mm,
		change_process_moves_pins_within_one_user,
		change_process_charges_before_it_uncharges,
		a_refused_change_of_several_arrays_changes_nothing,
		change_process_leaves_the_pin_counter_of_mode_none_behind,
		the_mode_is_fixed_when_memory_is_mapped,
		the_owner_is_who_mapped_the_memory,
		the_owner_s_limit_counts,
		vfio_maps_follow_the_context_s_mode,
		a_page_that_can_not_be_pinned_comes_before_the_limit,
	};
	return RUN_TESTS("shim_account", tests);
}
