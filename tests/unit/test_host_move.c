/* SPDX-License-Identifier: Apache-2.0 */
/* What-if: the host moves or takes pages that an IOAS has pinned (host_move.c). */
#include "tests/kit/fake_iommu.h"
#include "tests/kit/test.h"

#define BUFFER (4 * PAGE_SIZE)
#define SECOND (buffer + PAGE_SIZE)

static uint32_t ioas;
static uint64_t buffer;
static struct mock mock;

static void set_up(enum host_move_rule rule)
{
	struct iommufd_module *module = world->machine->kernel;
	module->options.values[KERNEL_HOST_MOVE] = (uint8_t)rule;
	buffer = world_mmap_aligned(world, BUFFER);
	ioas = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
}

static uint64_t frame_of(uint64_t va)
{
	uint64_t pfn, count;
	ck_assert_int_eq(mm_fault(world->thread->process->mm, va_of(va), 1, 0, &pfn, &count), 0);
	return pfn;
}

static void ck_domain_has_all(void)
{
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, buffer, BUFFER));
	ck_assert_ok(world_refs(world, buffer, BUFFER, 1));
}

START_TEST(pinned_pages_stay)
{
	set_up(HOST_MOVE_REFUSED);
	ck_assert_refused(world_sys(world, SYS_HOST_MIGRATE, SECOND), EBUSY);
	ck_assert_refused(world_sys(world, SYS_HOST_RECLAIM, SECOND), EBUSY);
	ck_assert_refused(world_sys(world, SYS_HOST_UPDATE, SECOND), EBUSY);
	ck_domain_has_all();
}
END_TEST

START_TEST(moved_page_is_mapped_and_pinned_in_its_new_frame)
{
	set_up(HOST_MOVE_UPDATED);
	uint64_t old = frame_of(SECOND);
	ck_assert_ok(world_sys(world, SYS_HOST_MIGRATE, SECOND));
	ck_assert_uint_ne(frame_of(SECOND), old);
	ck_assert_uint_eq(memory_frame(&world->machine->memory, old, NULL).references, 0);
	ck_domain_has_all();
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE, BUFFER), BUFFER);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
}
END_TEST

START_TEST(late_domain_keeps_the_old_frame_until_it_is_updated)
{
	set_up(HOST_MOVE_DEFERRED);
	uint64_t old = frame_of(SECOND);
	ck_assert_ok(world_sys(world, SYS_HOST_MIGRATE, SECOND));
	ck_assert_uint_ne(frame_of(SECOND), old);
	ck_assert_int_ne(world_check_map(world, mock.hwpt, APERTURE, buffer, BUFFER), 0);
	ck_assert_ok(world_sys(world, SYS_HOST_UPDATE, SECOND));
	ck_domain_has_all();
}
END_TEST

START_TEST(late_domain_can_be_unmapped)
{
	set_up(HOST_MOVE_DEFERRED);
	ck_assert_ok(world_sys(world, SYS_HOST_MIGRATE, SECOND));
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE, BUFFER), BUFFER);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
	ck_assert_refused(world_sys(world, SYS_HOST_UPDATE, SECOND), EBUSY);
}
END_TEST

/* Nothing of a taken page is pinned; the others are where they were. */
static void take_and_unmap(enum host_move_rule rule)
{
	set_up(rule);
	uint64_t old = frame_of(SECOND);
	ck_assert_ok(world_sys(world, SYS_HOST_RECLAIM, SECOND));
	ck_assert_uint_eq(memory_frame(&world->machine->memory, old, NULL).pins, 0);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_refused(world_sys(world, SYS_HOST_RECLAIM, SECOND), EFAULT);
	ck_assert_ok(world_refs(world, SECOND, PAGE_SIZE, 0)); /* which brings it back */
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE, BUFFER), BUFFER);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	ck_domain_has_all();
}

START_TEST(taken_page_is_gone_from_the_cover)
{
	take_and_unmap(HOST_MOVE_UPDATED);
}
END_TEST

START_TEST(taken_page_is_gone_from_the_cover_of_a_late_domain)
{
	take_and_unmap(HOST_MOVE_DEFERRED);
}
END_TEST

START_TEST(taken_page_can_not_be_pinned_by_an_access)
{
	set_up(HOST_MOVE_UPDATED);
	ck_assert_ok(world_sys(world, SYS_HOST_RECLAIM, SECOND));
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_refused(world_pin(world, access, APERTURE, BUFFER, 0, buffer), EFAULT);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
}
END_TEST

START_TEST(page_that_something_else_holds_stays)
{
	set_up(HOST_MOVE_UPDATED);
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_int_eq(world_pin(world, access, APERTURE + PAGE_SIZE, PAGE_SIZE, 0, SECOND), 0);
	ck_assert_refused(world_sys(world, SYS_HOST_MIGRATE, SECOND), EBUSY);
	ck_assert_ok(world_sys(world, SYS_HOST_MIGRATE, buffer));
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE + 0x100000));
	ck_assert_refused(world_sys(world, SYS_HOST_MIGRATE, buffer), EBUSY);
}
END_TEST

START_TEST(page_moves_in_the_area_that_holds_it)
{
	set_up(HOST_MOVE_UPDATED);
	ck_assert_ok(world_sys(world, SYS_HOST_RECLAIM, SECOND));
	ck_assert_ok(world_refs(world, SECOND, PAGE_SIZE, 0)); /* which brings it back */
	ck_assert_ok(world_map_at(world, ioas, SECOND, PAGE_SIZE, APERTURE + 0x100000));
	uint64_t old = frame_of(SECOND);
	ck_assert_ok(world_sys(world, SYS_HOST_MIGRATE, SECOND));
	ck_assert_uint_ne(frame_of(SECOND), old);
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE + 0x100000, SECOND, PAGE_SIZE));
	ck_assert_ok(world_refs(world, SECOND, PAGE_SIZE, 1));
	/* The area that it was taken from still has a hole there. */
	ck_assert_refused(
		world_check_map(world, mock.hwpt, APERTURE + PAGE_SIZE, SECOND, PAGE_SIZE), EINVAL);
	ck_assert_int_eq(world_unmap_all(world, ioas), BUFFER + PAGE_SIZE);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
}
END_TEST

static int map_without_memory(struct iommu_domain *domain, struct iova iova, struct pa pa,
			      uint64_t length, uint32_t prot, uint64_t chunk)
{
	(void)iova, (void)pa, (void)length, (void)prot, (void)chunk;
	return refuse(domain->machine, ENOMEM, "test", "no memory for a table");
}

START_TEST(domain_that_can_not_map_the_new_frame_is_enomem)
{
	int fd;
	struct iommufd_module *module = world->machine->kernel;
	module->options.values[KERNEL_HOST_MOVE] = HOST_MOVE_UPDATED;
	struct fake_iommu *fake = fake_iommu_new(world->machine);
	uint32_t dev = made(world_bind(world, &fake_device_new(fake)->device, &fd));
	ioas = made(world_ioas(world));
	made(world_hwpt(world, dev, ioas, 0));
	buffer = world_mmap_aligned(world, BUFFER);
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	fake->domain_ops.map = map_without_memory;
	uint64_t old = frame_of(SECOND);
	ck_assert_refused(world_sys(world, SYS_HOST_MIGRATE, SECOND), ENOMEM);
	/* The page has moved all the same, and is pinned where it is. */
	ck_assert_uint_ne(frame_of(SECOND), old);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 1));
	ck_assert_int_eq(world_unmap_all(world, ioas), BUFFER);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		pinned_pages_stay,
		moved_page_is_mapped_and_pinned_in_its_new_frame,
		late_domain_keeps_the_old_frame_until_it_is_updated,
		late_domain_can_be_unmapped,
		taken_page_is_gone_from_the_cover,
		taken_page_is_gone_from_the_cover_of_a_late_domain,
		taken_page_can_not_be_pinned_by_an_access,
		page_that_something_else_holds_stays,
		page_moves_in_the_area_that_holds_it,
		domain_that_can_not_map_the_new_frame_is_enomem,
	};
	return RUN_TESTS("host_move", tests);
}
