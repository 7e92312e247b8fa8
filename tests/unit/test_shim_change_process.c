/* SPDX-License-Identifier: Apache-2.0 */
/* IOMMU_IOAS_CHANGE_PROCESS, rule by rule (iommufd 2.9). */
#include <string.h>

#include "tests/kit/test.h"

#define LIMIT 4U /* pages */

enum mode {
	NONE,
	USER,
	MM,
};

static uint32_t ioas;
static struct mock mock;
static int file;

static void setup(enum mode mode)
{
	uint64_t value = mode == MM;
	file = (int)made(world_memfd(world, 8 * PAGE_SIZE));
	world->process->credentials.cap_ipc_lock = mode == NONE;
	world->process->credentials.rlimit_memlock = LIMIT * PAGE_SIZE;
	ck_assert_ok(world_option(world, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &value));
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
}

static void map_pages(uint64_t count)
{
	uint64_t iova = APERTURE;
	ck_assert_ok(world_map_file(world, ioas, file, 0, count * PAGE_SIZE, MAP_RW | MAP_FIXED_,
				    &iova));
}

static int64_t change_to(struct world *to)
{
	struct iommu_ioas_change_process cmd = {0};
	return world_ioctl(to, IOMMUFD_NR_IOAS_CHANGE_PROCESS, &cmd);
}

static void check(struct world *of, uint64_t pinned, uint64_t locked, uint64_t user)
{
	ck_assert_uint_eq(of->process->mm->pinned_vm, pinned);
	ck_assert_uint_eq(of->process->mm->locked_vm, locked);
	ck_assert_uint_eq(of->process->credentials.user->locked_vm, user);
}

START_TEST(change_process_has_the_layout_of_the_sheet)
{
	setup(USER);
	uint8_t bytes[8] = {8};
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_ok(world_ioctl_raw(world, 0x3b92, world->args));
	bytes[0] = 7;
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_refused(world_ioctl_raw(world, 0x3b92, world->args), EINVAL);
	memcpy(bytes, (uint8_t[]){8, 0, 0, 0, 0, 0, 0, 1}, 8);
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_refused(world_ioctl_raw(world, 0x3b92, world->args), EOPNOTSUPP);
}
END_TEST

START_TEST(the_reserved_field_must_be_zero)
{
	setup(USER);
	struct iommu_ioas_change_process cmd = {.__reserved = 1};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_IOAS_CHANGE_PROCESS, &cmd), EOPNOTSUPP);
}
END_TEST

START_TEST(all_ioases_are_locked_before_any_is_looked_at)
{
	setup(USER);
	made(world_ioas(world));
	struct iommu_ioas_change_process change = {0};
	struct iommu_ioas_map_file map = {
		.flags = MAP_RW, .ioas_id = ioas, .fd = file, .length = PAGE_SIZE};
	struct flight changes, maps;
	world_stepwise(world, true);
	flight_start(&changes, world, 0, IOMMUFD_NR_IOAS_CHANGE_PROCESS, &change);
	ck_assert(flight_until(&changes, "iova_rwsem"));
	ck_assert(flight_until(&changes, "iova_rwsem")); /* the second; the first is held */
	flight_start(&maps, world, 1, IOMMUFD_NR_IOAS_MAP_FILE, &map);
	while (flight_step(&maps))
		;
	ck_assert(!maps.call->done);
	ck_assert_str_eq(maps.thread->task.where, "iova_rwsem");
	ck_assert_ok(flight_finish(&changes));
	ck_assert_ok(flight_finish(&maps));
}
END_TEST

START_TEST(without_memory_for_the_locks_it_is_enomem)
{
	setup(USER);
	struct failure_injector *failures = &world->machine->failures;
	bool found = false;
	for (uint64_t n = 1; !found; n++) {
		uint64_t hits = failures->hits;
		failures->countdown = n;
		int64_t result = change_to(world);
		failures->countdown = 0;
		ck_assert_uint_ne(failures->hits, hits);
		found = strcmp(failures->last, "list of IOASes") == 0;
		if (found)
			ck_assert_refused(result, ENOMEM);
	}
}
END_TEST

START_TEST(an_area_in_construction_is_ebusy)
{
	setup(USER);
	struct iommu_ioas_map_file map = {
		.flags = MAP_RW, .ioas_id = ioas, .fd = file, .length = PAGE_SIZE};
	struct iommu_ioas_change_process change = {0};
	struct flight maps, changes;
	world_stepwise(world, true);
	flight_start(&maps, world, 0, IOMMUFD_NR_IOAS_MAP_FILE, &map);
	ck_assert(flight_until(&maps, "pin pages"));
	flight_start(&changes, world, 1, IOMMUFD_NR_IOAS_CHANGE_PROCESS, &change);
	ck_assert_refused(flight_finish(&changes), EBUSY);
	ck_assert_ok(flight_finish(&maps));
}
END_TEST

START_TEST(an_area_of_memory_is_einval_in_any_ioas)
{
	setup(USER);
	map_pages(1);
	ck_assert_ok(change_to(world));
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, other, NOWHERE, PAGE_SIZE, 0x10000));
	ck_assert_refused(change_to(world), EINVAL);
}
END_TEST

START_TEST(a_dma_buf_is_einval)
{
	setup(USER);
	struct iommu_test_cmd cmd = {.dmabuf_get = {PAGE_SIZE, O_RDWR_BIT}};
	int buffer = (int)made(world_open(world, "/dev/zero"));
	uint64_t iova = 0;
	ck_assert_ok(world_close(world, buffer));
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_DMABUF_GET, &cmd));
	ck_assert_ok(world_map_file(world, ioas, buffer, 0, PAGE_SIZE, MAP_RW, &iova));
	ck_assert_refused(change_to(world), EINVAL);
}
END_TEST

START_TEST(a_page_array_is_charged_once_however_many_areas_it_has)
{
	setup(MM);
	uint64_t iova = 2 * APERTURE;
	map_pages(3);
	ck_assert_ok(
		world_copy(world, ioas, APERTURE, 3 * PAGE_SIZE, ioas, MAP_RW | MAP_FIXED_, &iova));
	struct world *child = world_fork(world);
	ck_assert_ok(change_to(child));
	check(child, 3, 3, 0);
	world_exit(child);
}
END_TEST

START_TEST(beyond_the_limit_nothing_changes)
{
	setup(MM);
	uint64_t iova = 2 * APERTURE;
	map_pages(1);
	ck_assert_ok(
		world_map_file(world, ioas, file, 0, 2 * PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	struct world *child = world_fork(world);
	child->process->credentials.rlimit_memlock = 2 * PAGE_SIZE;
	/* The first of the two arrays fits. */
	ck_assert_refused(change_to(child), ENOMEM);
	check(child, 0, 0, 0);
	check(world, 3, 3, 0);
	child->process->credentials.rlimit_memlock = 3 * PAGE_SIZE;
	ck_assert_ok(change_to(child));
	world_exit(child);
}
END_TEST

START_TEST(the_old_owner_is_uncharged)
{
	setup(MM);
	map_pages(3);
	check(world, 3, 3, 0);
	struct world *child = world_fork(world);
	ck_assert_ok(change_to(child));
	check(world, 0, 0, 0);
	world_exit(child);
}
END_TEST

START_TEST(the_caller_owns_the_pages_from_then_on)
{
	setup(MM);
	map_pages(3);
	struct world *child = world_fork(world);
	ck_assert_ok(change_to(child));
	ck_assert_int_eq(world_unmap_all(world, ioas), 3 * PAGE_SIZE);
	check(world, 0, 0, 0);
	check(child, 0, 0, 0);
	/* New pins of an old array are the caller's too. */
	uint32_t plain = made(world_ioas(world));
	uint64_t iova = APERTURE;
	ck_assert_ok(
		world_map_file(world, plain, file, 0, 2 * PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_ok(change_to(child));
	ck_assert_ok(world_mock(world, plain, 0, NULL));
	check(world, 0, 0, 0);
	check(child, 2, 2, 0);
	world_exit(child);
}
END_TEST

START_TEST(without_areas_it_succeeds)
{
	setup(USER);
	ck_assert_ok(change_to(world));
}
END_TEST

START_TEST(mode_none_is_never_charged)
{
	setup(NONE);
	map_pages(8);
	struct world *child = world_fork(world);
	child->process->credentials.rlimit_memlock = 0;
	ck_assert_ok(change_to(child));
	ck_assert_uint_eq(child->process->mm->locked_vm, 0);
	ck_assert_uint_eq(child->process->credentials.user->locked_vm, 0);
	world_exit(child);
}
END_TEST

START_TEST(mode_none_leaves_the_pin_counter_behind)
{
	setup(NONE);
	map_pages(8);
	struct world *child = world_fork(world);
	ck_assert_ok(change_to(child));
	ck_assert_uint_eq(world->process->mm->pinned_vm, 8);
	ck_assert_uint_eq(child->process->mm->pinned_vm, 0);
	world_exit(child);
}
END_TEST

START_TEST(mode_mm_moves_between_mms_only)
{
	setup(MM);
	map_pages(LIMIT);
	/* To itself nothing is charged, even at the limit. */
	ck_assert_ok(change_to(world));
	check(world, LIMIT, LIMIT, 0);
	struct world *child = world_fork(world);
	ck_assert_ok(change_to(child));
	check(child, LIMIT, LIMIT, 0);
	world_exit(child);
}
END_TEST

START_TEST(mode_user_moves_where_the_mm_differs)
{
	setup(USER);
	map_pages(3);
	ck_assert_ok(change_to(world));
	/* Charged before it is uncharged: with one user both count. */
	struct world *child = world_fork(world);
	ck_assert_refused(change_to(child), ENOMEM);
	child->process->credentials.rlimit_memlock = 6 * PAGE_SIZE;
	ck_assert_ok(change_to(child));
	check(child, 3, 0, 3);
	check(world, 0, 0, 3);
	world_exit(child);
}
END_TEST

START_TEST(ids_iovas_and_domains_stay)
{
	setup(USER);
	map_pages(2);
	uint64_t va = made(world_sys(world, SYS_MMAP, 0x20000000, 2 * PAGE_SIZE, PROT_RW,
				     MAP_SHARED_BIT | MAP_FIXED_BIT, (uint64_t)file, 0));
	struct world *child = world_fork(world);
	ck_assert_ok(change_to(child));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, va, 2 * PAGE_SIZE));
	ck_assert_ok(world_refs(world, va, 2 * PAGE_SIZE, 1));
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE, 2 * PAGE_SIZE), 2 * PAGE_SIZE);
	world_exit(child);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		change_process_has_the_layout_of_the_sheet,
		the_reserved_field_must_be_zero,
		all_ioases_are_locked_before_any_is_looked_at,
		without_memory_for_the_locks_it_is_enomem,
		an_area_in_construction_is_ebusy,
		an_area_of_memory_is_einval_in_any_ioas,
		a_dma_buf_is_einval,
		a_page_array_is_charged_once_however_many_areas_it_has,
		beyond_the_limit_nothing_changes,
		the_old_owner_is_uncharged,
		the_caller_owns_the_pages_from_then_on,
		without_areas_it_succeeds,
		mode_none_is_never_charged,
		mode_none_leaves_the_pin_counter_behind,
		mode_mm_moves_between_mms_only,
		mode_user_moves_where_the_mm_differs,
		ids_iovas_and_domains_stay,
	};
	return RUN_TESTS("shim_change_process", tests);
}
