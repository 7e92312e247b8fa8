/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dirty tracking of the Linux driver, through ioctls: what it enables, reads, clears and flushes
 * (iommufd 4.4; amd-iommu 3, 9, 10, 11).
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_shim/uapi/vfio.h"
#include "tests/kit/amd_world.h"
#include "tests/kit/run.h"

#define DOMAIN   2U /* 1 is the private addresses' */
#define IOVA     0x40000000ULL
#define PAGES    16U
#define HAD(n)   ((uint64_t)(n) << 7)
#define TRACKING IOMMU_HWPT_ALLOC_DIRTY_TRACKING

static struct amd_world *amd;
static struct world *world;
static struct amd_translation got;
static uint32_t hwpt;

static const struct amd_command wait = AMD_WAIT;
static const struct amd_command devtab = {{0x2000000000000028, 0}};

static void start(uint64_t features)
{
	struct profile profile = amd_world_profile();
	for (uint32_t i = 0; i < profile.count; i++)
		if (strcmp(profile.parameters[i].name, "efr.features") == 0)
			profile.parameters[i].value |= features;
	amd = amd_world_new_on(true, &profile);
	world = amd->world;
}

static void setup(void)
{
	start(EFR_HA | EFR_HD);
	hwpt = amd_world_hwpt(amd, TRACKING);
	amd_world_map(amd, IOVA, PAGES);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, hwpt), 0);
	amd_world_look(amd);
}

static void teardown(void)
{
	amd_world_free(amd);
}

static int64_t track(bool enable)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {.flags = enable, .hwpt_id = hwpt};
	return world_ioctl(world, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static uint64_t bitmap(uint32_t flags)
{
	uint64_t bits = 0;
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.hwpt_id = hwpt,
		.flags = flags,
		.iova = IOVA,
		.length = PAGES * PAGE_SIZE,
		.page_size = PAGE_SIZE,
		.data = world_data(world, &bits, sizeof(bits)),
	};
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP, &cmd), 0);
	world_get(world, world->data, &bits, sizeof(bits));
	return bits;
}

static void write_page(unsigned page)
{
	ck_assert(amd_world_works(amd, AMD_DEVICE, IOVA + page * PAGE_SIZE, true, &got));
}

static uint64_t had_of(uint16_t device)
{
	return amd_world_dte(amd, device).q[0] & HAD(3);
}

START_TEST(tracking_is_offered_where_the_hardware_has_hdsup)
{
	struct iommu_hw_info info = {.dev_id = amd->device};
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_GET_HW_INFO, &info), 0);
	ck_assert(info.out_capabilities & 1);
	teardown();
	start(EFR_HA);
	info = (struct iommu_hw_info){.dev_id = amd->device};
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_GET_HW_INFO, &info), 0);
	ck_assert(!(info.out_capabilities & 1));
	ck_assert_int_eq(world_hwpt(world, amd->device, amd->ioas, TRACKING), -EOPNOTSUPP);
	ck_assert(!(amd->driver->control & CONTROL_HAD_UPDATE));
}
END_TEST

START_TEST(a_domain_without_tracking_has_none)
{
	hwpt = amd_world_hwpt(amd, 0);
	ck_assert_int_eq(track(true), -EOPNOTSUPP);
	hwpt = amd_world_hwpt(amd, TRACKING | IOMMU_HWPT_ALLOC_NEST_PARENT);
	ck_assert_int_eq(track(true), 0);
}
END_TEST

START_TEST(tracking_is_had_of_each_device_and_a_flush_of_the_domain)
{
	const struct amd_command all = amd_command_invalidate_domain(DOMAIN);
	ck_assert_uint_eq(had_of(AMD_DEVICE), 0);
	ck_assert_int_eq(track(true), 0);
	ck_assert_uint_eq(had_of(AMD_DEVICE), HAD(3));
	ck_assert(AMD_SENT(amd, devtab, all, wait));
	amd_world_look(amd);
	ck_assert_int_eq(track(true), 0); /* again: nothing changes */
	ck_assert_uint_eq(amd_world_commands(amd), 0);
	ck_assert_int_eq(track(false), 0);
	ck_assert_uint_eq(had_of(AMD_DEVICE), 0);
	ck_assert(AMD_SENT(amd, devtab, all, wait));
}
END_TEST

START_TEST(what_is_written_while_tracking_is_in_the_bitmap_once)
{
	write_page(0);
	ck_assert_uint_eq(bitmap(0), 0);
	ck_assert_int_eq(track(true), 0);
	ck_assert(amd_world_works(amd, AMD_DEVICE, IOVA, false, &got));
	ck_assert_uint_eq(bitmap(0), 0); /* it was read */
	write_page(1);
	write_page(3);
	ck_assert_uint_eq(bitmap(IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR), 0xa);
	ck_assert_uint_eq(bitmap(0), 0xa);
	ck_assert_uint_eq(bitmap(0), 0);
	write_page(1); /* not by what was cached: the clearing has flushed it */
	ck_assert_uint_eq(bitmap(0), 2);
	ck_assert_int_eq(track(false), 0);
	write_page(1);
	ck_assert_uint_eq(bitmap(0), 0);
}
END_TEST

START_TEST(clearing_flushes_what_was_dirty_and_waits)
{
	ck_assert_int_eq(track(true), 0);
	write_page(4);
	write_page(6);
	amd_world_look(amd);
	bitmap(IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR);
	ck_assert_uint_eq(amd_world_commands(amd), 0);
	bitmap(0);
	const struct amd_command range = amd_command_invalidate_pages(
		DOMAIN, IOVA + 4 * PAGE_SIZE, IOVA + 7 * PAGE_SIZE - 1, false);
	ck_assert(AMD_SENT(amd, range, wait));
	amd_world_look(amd);
	bitmap(0); /* nothing is dirty */
	ck_assert_uint_eq(amd_world_commands(amd), 0);
}
END_TEST

struct reported {
	uint64_t iova;
	uint64_t length;
	unsigned times;
};

static void report(void *context, uint64_t iova, uint64_t length)
{
	struct reported *reported = context;
	*reported = (struct reported){iova, length, reported->times + 1};
}

START_TEST(a_replica_is_enough_and_all_are_cleared)
{
	const uint64_t pages = 4;
	uint64_t pa = alloc_shared_frames(amd->machine, pages * PAGE_SIZE) * PAGE_SIZE;
	struct iommu_domain *domain;
	struct reported dirty = {.times = 0};
	ck_assert_int_eq(amd_domain_alloc(amd->driver, true, &domain), 0);
	ck_assert_int_eq(domain->ops->map(domain, iova_of(IOVA), pa_of(pa), pages * PAGE_SIZE,
					  IOMMU_READ | IOMMU_WRITE, 0),
			 0);
	ck_assert_int_eq(domain->ops->set_dirty_tracking(domain, true), 0);
	const struct amd_dte dte = amd_domain_dte(to_amd_domain(domain), 9);
	amd_dte_update(amd->driver, 0x31, &dte);
	for (unsigned page = 0; page < pages; page++) {
		ck_assert(amd_world_works(amd, 0x31, IOVA + page * PAGE_SIZE, true, &got));
		ck_assert_uint_eq(got.order, 2);
		dirty.times = 0;
		domain->ops->read_dirty(domain, IOVA + PAGE_SIZE, IOVA + PAGE_SIZE, true, report,
					&dirty);
		ck_assert_uint_eq(dirty.times, 1);
		ck_assert_uint_eq(dirty.iova, IOVA);
		ck_assert_uint_eq(dirty.length, pages * PAGE_SIZE);
		domain->ops->read_dirty(domain, 0, IOVA + 64 * PAGE_SIZE, true, report, &dirty);
		ck_assert_uint_eq(dirty.times, 1);
		amd_queue(amd->driver, amd_command_invalidate_domain(9));
		amd_completion_wait(amd->driver);
	}
}
END_TEST

START_TEST(enabling_starts_clean)
{
	ck_assert_int_eq(track(true), 0);
	write_page(0);
	ck_assert_int_eq(track(false), 0);
	ck_assert_int_eq(track(true), 0);
	ck_assert_uint_eq(bitmap(0), 0);
	write_page(0);
	ck_assert_uint_ne(bitmap(0), 0);
}
END_TEST

START_TEST(a_device_that_comes_later_is_tracked_and_a_grown_table_too)
{
	uint32_t id;
	ck_assert_int_eq(track(true), 0);
	int fd = amd_world_add(amd, amd->driver, "/dev/vfio/devices/vfio1", 0x30, false, &id);
	ck_assert_int_eq(amd_world_attach(amd, fd, hwpt), 0);
	ck_assert_uint_eq(had_of(0x30), HAD(3));
	amd_world_map(amd, 1ULL << 40, 1); /* another level */
	ck_assert_uint_eq(field_get(amd_world_dte(amd, AMD_DEVICE).q[0], DTE_MODE), 4);
	ck_assert_uint_eq(had_of(AMD_DEVICE), HAD(3));
}
END_TEST

START_TEST(a_device_with_ats_forgets_what_it_was_told)
{
	uint32_t id;
	int fd = amd_world_add(amd, amd->driver, "/dev/vfio/devices/vfio1", 0x30, true, &id);
	struct amd_endpoint *endpoint = amd_endpoint_new(amd->iommu, 0x30);
	const struct amd_request request = {.address = IOVA, .device = 0x30, .write = true};
	uint8_t byte = 1;
	ck_assert_int_eq(amd_world_attach(amd, fd, hwpt), 0);
	ck_assert_int_eq(track(true), 0);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(amd_endpoint_dma(endpoint, &request, &byte, 1, &got),
				 AMD_TRANSLATED);
		ck_assert_uint_ne(bitmap(0), 0);
		ck_assert_uint_eq(bitmap(0), 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_dirty_tracking");
	TCase *tests = tcase_create("driver");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, tracking_is_offered_where_the_hardware_has_hdsup);
	tcase_add_test(tests, a_domain_without_tracking_has_none);
	tcase_add_test(tests, tracking_is_had_of_each_device_and_a_flush_of_the_domain);
	tcase_add_test(tests, what_is_written_while_tracking_is_in_the_bitmap_once);
	tcase_add_test(tests, clearing_flushes_what_was_dirty_and_waits);
	tcase_add_test(tests, a_replica_is_enough_and_all_are_cleared);
	tcase_add_test(tests, enabling_starts_clean);
	tcase_add_test(tests, a_device_that_comes_later_is_tracked_and_a_grown_table_too);
	tcase_add_test(tests, a_device_with_ats_forgets_what_it_was_told);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
