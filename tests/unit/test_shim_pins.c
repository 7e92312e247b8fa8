/* SPDX-License-Identifier: Apache-2.0 */
/* When pages are pinned and what a pin fails with, rule by rule (iommufd 3.1, 3.2, 3.3). */
#include <string.h>

#include "tests/kit/test.h"

#define BUFFER (8 * PAGE_SIZE)

static uint32_t ioas;
static uint64_t buffer;

static void setup(void)
{
	buffer = world_mmap_aligned(world, BUFFER);
	ioas = made(world_ioas(world));
}

static struct mock setup_domain(void)
{
	struct mock mock;
	setup();
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	return mock;
}

static void check_refs(uint64_t page, uint64_t count, uint32_t refs)
{
	ck_assert_ok(world_refs(world, buffer + page * PAGE_SIZE, count * PAGE_SIZE, refs));
}

/* --- 3.1 --- */

START_TEST(a_page_is_pinned_once_while_anything_covers_it)
{
	struct mock mock = setup_domain();
	uint64_t iova = 2 * APERTURE;
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	ck_assert_ok(world_copy(world, ioas, APERTURE, BUFFER, ioas, MAP_RW | MAP_FIXED_, &iova));
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	int access = (int)made(world_access(world, ioas, 1));
	made(world_pin(world, access, 2 * APERTURE, 2 * PAGE_SIZE, 0, 0));
	made(world_pin(world, access, 2 * APERTURE, 3 * PAGE_SIZE, 0, 0));
	check_refs(0, 8, 1);
	ck_assert_ok(world_destroy(world, hwpt));
	check_refs(0, 8, 1);
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE, BUFFER), BUFFER);
	check_refs(0, 8, 1);
	ck_assert_ok(world_destroy(world, mock.stdev));
	check_refs(0, 3, 1);
	check_refs(3, 5, 0);
	ck_assert_ok(world_unpin(world, access, 0));
	check_refs(0, 3, 1);
	ck_assert_ok(world_unpin(world, access, 1));
	check_refs(0, 8, 0);
}
END_TEST

START_TEST(two_maps_of_the_same_memory_are_two_pins)
{
	setup_domain();
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE));
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, 2 * APERTURE));
	check_refs(0, 1, 2);
}
END_TEST

START_TEST(identical_pins_share_an_interval_until_the_last_goes)
{
	setup();
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	made(world_pin(world, access, APERTURE, PAGE_SIZE, 0, 0));
	made(world_pin(world, access, APERTURE, PAGE_SIZE, 0, 0));
	ck_assert_ok(world_unpin(world, access, 0));
	check_refs(0, 1, 1);
	ck_assert_ok(world_unpin(world, access, 1));
	check_refs(0, 1, 0);
}
END_TEST

/* --- 3.2 --- */

START_TEST(map_and_copy_without_a_domain_pin_nothing)
{
	setup();
	uint64_t iova = 0;
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	ck_assert_ok(world_copy(world, ioas, APERTURE, BUFFER, ioas, MAP_RW, &iova));
	check_refs(0, 8, 0);
	/* Not even of a target without one, from a source with one. */
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(world_copy(world, ioas, APERTURE, BUFFER, other, MAP_RW, &iova));
	check_refs(0, 8, 0);
}
END_TEST

START_TEST(a_copy_into_domains_pins_what_is_missing)
{
	struct mock mock = setup_domain();
	uint32_t plain = made(world_ioas(world)),
		 hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	int access = (int)made(world_access(world, plain, 1));
	uint64_t iova = APERTURE;
	ck_assert_ok(world_map_at(world, plain, buffer, BUFFER, 0x10000));
	made(world_pin(world, access, 0x10000, 2 * PAGE_SIZE, 0, 0));
	ck_assert_ok(world_copy(world, plain, 0x10000, BUFFER, ioas, MAP_RW | MAP_FIXED_, &iova));
	check_refs(0, 8, 1);
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, buffer, BUFFER));
	ck_assert_ok(world_check_map(world, hwpt, APERTURE, buffer, BUFFER));
}
END_TEST

START_TEST(a_new_domain_is_filled_with_every_area)
{
	setup();
	struct mock mock;
	ck_assert_ok(world_map_at(world, ioas, buffer, 2 * PAGE_SIZE, APERTURE));
	ck_assert_ok(
		world_map_at(world, ioas, buffer + 4 * PAGE_SIZE, 2 * PAGE_SIZE, 2 * APERTURE));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, buffer, 2 * PAGE_SIZE));
	ck_assert_ok(world_check_map(world, mock.hwpt, 2 * APERTURE, buffer + 4 * PAGE_SIZE,
				     2 * PAGE_SIZE));
	ck_assert_ok(world_check_map(world, hwpt, APERTURE, buffer, 2 * PAGE_SIZE));
	check_refs(0, 2, 1);
	check_refs(2, 2, 0);
	check_refs(4, 2, 1);
}
END_TEST

START_TEST(a_new_domain_is_filled_from_the_lowest_area_on)
{
	setup();
	uint64_t iova = 2 * APERTURE;
	/* The lower one is EINVAL, the higher one EFAULT. */
	ck_assert_ok(world_map_at(world, ioas, NOWHERE, PAGE_SIZE, 3 * APERTURE));
	ck_assert_ok(world_map_file(world, ioas, 0, 0, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_ok(world_map_at(world, ioas, NOWHERE, PAGE_SIZE, 4 * APERTURE));
	ck_assert_refused(world_mock(world, ioas, 0, NULL), EINVAL);
}
END_TEST

START_TEST(of_two_domains_one_may_go)
{
	struct mock mock = setup_domain();
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	/* The first, which the pages were pinned for. */
	ck_assert_ok(world_destroy(world, mock.stdev));
	check_refs(0, 8, 1);
	ck_assert_ok(world_check_map(world, hwpt, APERTURE, buffer, BUFFER));
}
END_TEST

START_TEST(the_last_domain_takes_the_pins_that_nothing_else_holds)
{
	struct mock mock = setup_domain();
	uint32_t other = made(world_ioas(world));
	uint64_t iova = APERTURE;
	ck_assert_ok(world_mock(world, other, 0, NULL));
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	int access = (int)made(world_access(world, ioas, 1));
	made(world_pin(world, access, APERTURE, 2 * PAGE_SIZE, 0, 0));
	ck_assert_ok(world_copy(world, ioas, APERTURE + PAGE_SIZE, 3 * PAGE_SIZE, other,
				MAP_RW | MAP_FIXED_, &iova));
	ck_assert_ok(world_destroy(world, mock.stdev));
	check_refs(0, 4, 1);
	check_refs(4, 4, 0);
}
END_TEST

START_TEST(an_access_pins_what_is_missing)
{
	setup();
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	made(world_pin(world, access, APERTURE + PAGE_SIZE, 2 * PAGE_SIZE, 0, 0));
	check_refs(0, 1, 0);
	check_refs(1, 2, 1);
	made(world_pin(world, access, APERTURE, 4 * PAGE_SIZE, 0, 0));
	check_refs(0, 4, 1);
	check_refs(4, 4, 0);
}
END_TEST

START_TEST(the_last_unpin_takes_what_nothing_else_holds)
{
	setup();
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	made(world_pin(world, access, APERTURE, 4 * PAGE_SIZE, 0, 0));
	made(world_pin(world, access, APERTURE + PAGE_SIZE, PAGE_SIZE, 0, 0));
	ck_assert_ok(world_unpin(world, access, 0));
	check_refs(0, 1, 0);
	check_refs(1, 1, 1);
	check_refs(2, 2, 0);
}
END_TEST

START_TEST(an_unmapped_area_takes_what_nothing_else_holds)
{
	setup_domain();
	uint64_t iova = 2 * APERTURE;
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	ck_assert_ok(world_copy(world, ioas, APERTURE + 2 * PAGE_SIZE, PAGE_SIZE, ioas,
				MAP_RW | MAP_FIXED_, &iova));
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE, BUFFER), BUFFER);
	check_refs(0, 2, 0);
	check_refs(2, 1, 1);
	check_refs(3, 5, 0);
	ck_assert_int_eq(world_unmap(world, ioas, iova, PAGE_SIZE), PAGE_SIZE);
	check_refs(2, 1, 0);
}
END_TEST

/* A page of a child that maps it into IOAS at APERTURE. */
static struct world *map_of_child(void)
{
	struct world *child = world_fork(world);
	uint64_t own = world_mmap(child, PAGE_SIZE, PROT_RW, PRIVATE);
	world_put(child, own, "child", 6);
	ck_assert_ok(world_map_at(child, ioas, own, PAGE_SIZE, APERTURE));
	return child;
}

static void check_text(int access)
{
	char text[6] = "";
	ck_assert_ok(world_rw(world, access, APERTURE, world->data, 6, 0));
	world_get(world, world->data, text, 6);
	ck_assert_str_eq(text, "child");
}

START_TEST(pages_that_an_access_holds_are_taken_from_it)
{
	setup();
	int access = (int)made(world_access(world, ioas, 1));
	struct world *child = map_of_child();
	made(world_pin(world, access, APERTURE, PAGE_SIZE, 0, 0));
	world_exit(child);
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	check_text(access);
}
END_TEST

START_TEST(pages_that_a_domain_holds_are_taken_from_it)
{
	struct mock mock = setup_domain();
	world_exit(map_of_child());
	made(world_hwpt(world, mock.idev, ioas, 0));
	int access = (int)made(world_access(world, ioas, 1));
	made(world_pin(world, access, APERTURE, PAGE_SIZE, 0, 0));
	check_text(access);
}
END_TEST

START_TEST(pages_that_nobody_holds_die_with_their_process)
{
	setup();
	world_exit(map_of_child());
	ck_assert_refused(world_mock(world, ioas, 0, NULL), EFAULT);
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_refused(world_pin(world, access, APERTURE, PAGE_SIZE, 0, 0), EFAULT);
}
END_TEST

START_TEST(a_hole_in_memory_is_efault)
{
	setup_domain();
	ck_assert_ok(world_sys(world, SYS_MUNMAP, buffer + PAGE_SIZE, PAGE_SIZE));
	ck_assert_refused(world_map_at(world, ioas, buffer, 3 * PAGE_SIZE, APERTURE), EFAULT);
	check_refs(0, 1, 0);
}
END_TEST

START_TEST(memory_without_a_right_is_efault)
{
	setup_domain();
	uint64_t none = world_mmap(world, PAGE_SIZE, 0, SHARED), iova = APERTURE;
	ck_assert_refused(world_map(world, ioas, none, PAGE_SIZE, MAP_RO | MAP_FIXED_, &iova),
			  EFAULT);
}
END_TEST

START_TEST(a_write_pin_of_read_only_memory_is_efault)
{
	setup_domain();
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED), iova = APERTURE;
	ck_assert_refused(world_map(world, ioas, ro, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova),
			  EFAULT);
	ck_assert_ok(world_map(world, ioas, ro, PAGE_SIZE, MAP_RO | MAP_FIXED_, &iova));
}
END_TEST

START_TEST(memory_of_another_process_is_pinned_from_here)
{
	setup();
	struct world *child = map_of_child();
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	int access = (int)made(world_access(world, ioas, 1));
	check_text(access);
	world_exit(child);
	check_text(access);
}
END_TEST

/* --- 3.3 --- */

START_TEST(an_attach_beyond_the_limit_is_enomem)
{
	setup();
	world->process->credentials.cap_ipc_lock = false;
	world->process->credentials.rlimit_memlock = 3 * PAGE_SIZE;
	ck_assert_ok(world_map_at(world, ioas, buffer, 4 * PAGE_SIZE, APERTURE));
	ck_assert_refused(world_mock(world, ioas, 0, NULL), ENOMEM);
	check_refs(0, 8, 0);
}
END_TEST

START_TEST(an_attach_with_a_file_that_can_not_be_pinned_is_einval)
{
	setup();
	uint64_t iova = APERTURE;
	int file = (int)made(world_memfd(world, PAGE_SIZE));
	ck_assert_ok(
		world_map_file(world, ioas, file, 0, 2 * PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_refused(world_mock(world, ioas, 0, NULL), EINVAL);
	ck_assert_ok(world_sys(world, SYS_FTRUNCATE, (uint64_t)file, 2 * PAGE_SIZE));
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
}
END_TEST

START_TEST(the_mock_table_refuses_what_is_mapped)
{
	struct mock mock = setup_domain();
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(fd_file(world->process, world->fd));
	struct iommufd_hwpt *hwpt =
		(struct iommufd_hwpt *)iommufd_get_object(ictx, mock.hwpt, IOMMUFD_OBJ_HWPT_PAGING);
	struct iommu_domain *domain = hwpt->domain;
	iommufd_put_object(ictx, &hwpt->object);
	ck_assert_ok(domain->ops->map(domain, iova_of(APERTURE + PAGE_SIZE), pa_of(0), PAGE_SIZE,
				      IOMMU_READ, 0));
	ck_assert_refused(world_map_at(world, ioas, buffer, 2 * PAGE_SIZE, APERTURE), EADDRINUSE);
	check_refs(0, 2, 0);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE));
}
END_TEST

START_TEST(a_failed_attach_leaves_areas_and_domains_as_they_were)
{
	struct mock mock = setup_domain();
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE));
	uint32_t plain = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, plain, buffer + 4 * PAGE_SIZE, 2 * PAGE_SIZE, APERTURE));
	ck_assert_ok(world_map_at(world, plain, NOWHERE, PAGE_SIZE, 2 * APERTURE));
	ck_assert_refused(world_mock(world, plain, 0, NULL), EFAULT);
	check_refs(4, 2, 0);
	ck_assert_int_eq(world_unmap_all(world, plain), 3 * PAGE_SIZE);
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, buffer, PAGE_SIZE));
	check_refs(0, 1, 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_page_is_pinned_once_while_anything_covers_it,
		two_maps_of_the_same_memory_are_two_pins,
		identical_pins_share_an_interval_until_the_last_goes,
		map_and_copy_without_a_domain_pin_nothing,
		a_copy_into_domains_pins_what_is_missing,
		a_new_domain_is_filled_with_every_area,
		a_new_domain_is_filled_from_the_lowest_area_on,
		of_two_domains_one_may_go,
		the_last_domain_takes_the_pins_that_nothing_else_holds,
		an_access_pins_what_is_missing,
		the_last_unpin_takes_what_nothing_else_holds,
		an_unmapped_area_takes_what_nothing_else_holds,
		pages_that_an_access_holds_are_taken_from_it,
		pages_that_a_domain_holds_are_taken_from_it,
		pages_that_nobody_holds_die_with_their_process,
		a_hole_in_memory_is_efault,
		memory_without_a_right_is_efault,
		a_write_pin_of_read_only_memory_is_efault,
		memory_of_another_process_is_pinned_from_here,
		an_attach_beyond_the_limit_is_enomem,
		an_attach_with_a_file_that_can_not_be_pinned_is_einval,
		the_mock_table_refuses_what_is_mapped,
		a_failed_attach_leaves_areas_and_domains_as_they_were,
	};
	return RUN_TESTS("shim_pins", tests);
}
