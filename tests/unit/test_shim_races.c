/* SPDX-License-Identifier: Apache-2.0 */
/* What one call sees of another that is under way (iommufd app. F). */
#include <string.h>

#include "tests/kit/test.h"

static uint32_t ioas;
static struct mock mock;
static uint64_t buffer;

#define BUFFER (16 * PAGE_SIZE)

/* Runs a second call alone to its end: it must not have to wait. */
static int64_t aside_sized(uint32_t nr, void *cmd, uint32_t size)
{
	struct flight flight;
	flight_start_sized(&flight, world, 7, nr, cmd, size);
	while (flight_step(&flight))
		;
	ck_assert_msg(flight.call->done, "the call sleeps at %s", flight.thread->task.where);
	return flight_finish(&flight);
}

#define aside(nr, cmd) aside_sized((nr), (cmd), sizeof(*(cmd)))

static struct iommu_ioas_map map_cmd(uint64_t iova)
{
	return (struct iommu_ioas_map){.ioas_id = ioas,
				       .flags = MAP_RW | MAP_FIXED_,
				       .user_va = buffer,
				       .length = BUFFER,
				       .iova = iova};
}

static struct iommu_ioas_unmap unmap_cmd(uint64_t iova, uint64_t length)
{
	return (struct iommu_ioas_unmap){.ioas_id = ioas, .iova = iova, .length = length};
}

static void setup(void)
{
	buffer = world_mmap_aligned(world, BUFFER);
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
}

/* A MAP of BUFFER at APERTURE that is pinning its pages. */
static struct iommu_ioas_map mapping;
static struct flight map_flight;

static void start_map(void)
{
	mapping = map_cmd(APERTURE);
	world_stepwise(world, true);
	flight_start(&map_flight, world, 0, IOMMUFD_NR_IOAS_MAP, &mapping);
	ck_assert(flight_until(&map_flight, "pin pages"));
}

static void finish_map(void)
{
	ck_assert_ok(flight_finish(&map_flight));
	world_stepwise(world, false);
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, buffer, BUFFER));
	ck_assert_ok(world_refs(world, buffer, BUFFER, 1));
}

START_TEST(a_map_in_progress_takes_its_range)
{
	setup();
	start_map();
	struct iommu_ioas_map second = map_cmd(APERTURE + PAGE_SIZE);
	ck_assert_refused(aside(IOMMUFD_NR_IOAS_MAP, &second), EEXIST);
	struct iommu_ioas_map after = map_cmd(APERTURE + BUFFER);
	ck_assert_ok(aside(IOMMUFD_NR_IOAS_MAP, &after));
	world_stepwise(world, false);
	ck_assert_ok(flight_finish(&map_flight));
	ck_assert_int_eq(world_unmap_all(world, ioas), 2 * BUFFER);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
}
END_TEST

START_TEST(an_unmap_of_a_map_in_progress_is_ebusy)
{
	setup();
	start_map();
	struct iommu_ioas_unmap unmap = unmap_cmd(APERTURE, BUFFER);
	ck_assert_refused(aside(IOMMUFD_NR_IOAS_UNMAP, &unmap), EBUSY);
	unmap = unmap_cmd(0, UINT64_MAX);
	ck_assert_refused(aside(IOMMUFD_NR_IOAS_UNMAP, &unmap), EBUSY);
	finish_map();
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE, BUFFER), BUFFER);
}
END_TEST

START_TEST(a_map_in_progress_can_not_be_copied_or_accessed)
{
	setup();
	int access = (int)made(world_access(world, ioas, 1));
	start_map();
	struct iommu_ioas_copy copy = {.src_ioas_id = ioas,
				       .dst_ioas_id = ioas,
				       .flags = MAP_RW,
				       .src_iova = APERTURE,
				       .length = PAGE_SIZE};
	ck_assert_refused(aside(IOMMUFD_NR_IOAS_COPY, &copy), ENOENT);
	struct iommu_test_cmd pin = {.op = IOMMU_TEST_OP_ACCESS_PAGES, .id = (uint32_t)access};
	pin.access_pages.iova = APERTURE;
	pin.access_pages.length = PAGE_SIZE;
	ck_assert_refused(aside(IOMMUFD_NR_TEST_CMD, &pin), ENOENT);
	struct iommu_test_cmd rw = {.op = IOMMU_TEST_OP_ACCESS_RW,
				    .id = (uint32_t)access,
				    .access_rw = {APERTURE, 8, world->data, 0}};
	ck_assert_refused(aside(IOMMUFD_NR_TEST_CMD, &rw), ENOENT);
	finish_map();
}
END_TEST

START_TEST(change_process_during_a_map_is_ebusy)
{
	setup();
	start_map();
	struct iommu_ioas_change_process cmd = {0};
	ck_assert_refused(aside(IOMMUFD_NR_IOAS_CHANGE_PROCESS, &cmd), EBUSY);
	finish_map();
}
END_TEST

START_TEST(an_object_that_a_call_uses_is_ebusy)
{
	setup();
	start_map();
	struct iommu_destroy destroy = {.id = ioas};
	ck_assert_refused(aside(IOMMUFD_NR_DESTROY, &destroy), EBUSY);
	finish_map();
	/* Even if nothing else uses it. */
	ck_assert_int_gt(world_unmap_all(world, ioas), 0);
	ck_assert_ok(world_destroy(world, mock.stdev));
	mapping = map_cmd(APERTURE);
	mapping.size = 0;
	world_stepwise(world, true);
	flight_start(&map_flight, world, 0, IOMMUFD_NR_IOAS_MAP, &mapping);
	ck_assert(flight_until(&map_flight, "iova_rwsem"));
	ck_assert_refused(aside(IOMMUFD_NR_DESTROY, &destroy), EBUSY);
	ck_assert_ok(flight_finish(&map_flight));
	ck_assert_ok(aside(IOMMUFD_NR_DESTROY, &destroy));
}
END_TEST

START_TEST(an_object_being_destroyed_is_enoent_and_its_id_free)
{
	uint32_t only = made(world_ioas(world));
	struct iommu_destroy first = {.id = only}, second = {.id = only};
	struct flight flight;
	world_stepwise(world, true);
	flight_start(&flight, world, 0, IOMMUFD_NR_DESTROY, &first);
	ck_assert(flight_until(&flight, "object removed"));
	ck_assert_refused(aside(IOMMUFD_NR_DESTROY, &second), ENOENT);
	ioas = only;
	struct iommu_ioas_unmap unmap = unmap_cmd(0, UINT64_MAX);
	ck_assert_refused(aside(IOMMUFD_NR_IOAS_UNMAP, &unmap), ENOENT);
	struct iommu_ioas_alloc alloc = {0};
	ck_assert_ok(aside(IOMMUFD_NR_IOAS_ALLOC, &alloc));
	ck_assert_uint_eq(alloc.out_ioas_id, only);
	ck_assert_ok(flight_finish(&flight));
	ck_assert_ok(aside(IOMMUFD_NR_DESTROY, &second));
}
END_TEST

START_TEST(a_dirty_read_stops_at_a_map_in_progress)
{
	setup();
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
	start_map();
	struct iommu_hwpt_get_dirty_bitmap get = {.hwpt_id = hwpt,
						  .iova = APERTURE,
						  .length = BUFFER,
						  .page_size = PAGE_SIZE,
						  .data = world->data};
	ck_assert_ok(aside(IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP, &get));
	finish_map();
}
END_TEST

START_TEST(an_unmap_in_progress_holds_its_area_until_it_is_deleted)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	struct iommu_ioas_unmap unmap = unmap_cmd(APERTURE, BUFFER), again = unmap;
	struct iommu_ioas_map map = map_cmd(APERTURE);
	struct flight flight;
	world_stepwise(world, true);
	flight_start(&flight, world, 0, IOMMUFD_NR_IOAS_UNMAP, &unmap);
	ck_assert(flight_until(&flight, "pages mutex"));
	ck_assert_refused(aside(IOMMUFD_NR_IOAS_UNMAP, &again), EBUSY);
	ck_assert_refused(aside(IOMMUFD_NR_IOAS_MAP, &map), EEXIST);
	ck_assert_ok(flight_finish(&flight));
	ck_assert_uint_eq(unmap.length, BUFFER);
	ck_assert_ok(aside(IOMMUFD_NR_IOAS_MAP, &map));
}
END_TEST

START_TEST(an_unmap_only_moves_forward)
{
	setup();
	for (uint64_t i = 0; i < 3; i++)
		ck_assert_ok(
			world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE + i * PAGE_SIZE));
	struct iommu_ioas_unmap unmap = unmap_cmd(APERTURE, 3 * PAGE_SIZE);
	struct iommu_ioas_map map = map_cmd(APERTURE);
	struct flight flight;
	map.length = PAGE_SIZE;
	world_stepwise(world, true);
	flight_start(&flight, world, 0, IOMMUFD_NR_IOAS_UNMAP, &unmap);
	ck_assert(flight_until(&flight, "pages mutex"));
	ck_assert(flight_until(&flight, "pages mutex")); /* of the second area */
	ck_assert_ok(aside(IOMMUFD_NR_IOAS_MAP, &map));
	ck_assert_ok(flight_finish(&flight));
	ck_assert_uint_eq(unmap.length, 3 * PAGE_SIZE);
	/* The new area survives. */
	world_stepwise(world, false);
	ck_assert_int_eq(world_unmap_all(world, ioas), PAGE_SIZE);
}
END_TEST

START_TEST(a_domain_waits_for_a_map_in_progress)
{
	setup();
	struct iommu_hwpt_alloc alloc = {.dev_id = mock.idev, .pt_id = ioas};
	struct flight flight;
	start_map();
	flight_start(&flight, world, 1, IOMMUFD_NR_HWPT_ALLOC, &alloc);
	while (flight_step(&flight))
		;
	ck_assert(!flight.call->done);
	ck_assert_str_eq(flight.thread->task.where, "domains_rwsem");
	ck_assert_ok(flight_finish(&flight));
	ck_assert(map_flight.call->done);
	finish_map();
	ck_assert_ok(world_check_map(world, alloc.out_hwpt_id, APERTURE, buffer, BUFFER));
}
END_TEST

START_TEST(two_automatic_attaches_share_one_hwpt)
{
	ioas = made(world_ioas(world));
	struct iommu_test_cmd cmds[2] = {{.op = IOMMU_TEST_OP_MOCK_DOMAIN, .id = ioas},
					 {.op = IOMMU_TEST_OP_MOCK_DOMAIN, .id = ioas}};
	struct flight flights[2];
	world_stepwise(world, true);
	for (uint32_t i = 0; i < 2; i++)
		flight_start(&flights[i], world, i, IOMMUFD_NR_TEST_CMD, &cmds[i]);
	for (bool moved = true; moved;) {
		moved = flight_step(&flights[0]);
		moved |= flight_step(&flights[1]);
	}
	for (uint32_t i = 0; i < 2; i++)
		ck_assert_ok(flight_finish(&flights[i]));
	ck_assert_uint_eq(cmds[0].mock_domain.out_hwpt_id, cmds[1].mock_domain.out_hwpt_id);
}
END_TEST

START_TEST(an_automatic_hwpt_stays_while_it_is_attached_to)
{
	/* Its only other attachment goes at every step of the new one. */
	bool ended = false;
	for (uint32_t steps = 0; !ended; steps++) {
		world_free(world);
		world = world_new();
		setup();
		ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
		struct iommu_test_cmd attach = {.op = IOMMU_TEST_OP_MOCK_DOMAIN, .id = ioas};
		struct iommu_destroy destroy = {.id = mock.stdev};
		struct flight flights[2];
		world_stepwise(world, true);
		flight_start(&flights[0], world, 0, IOMMUFD_NR_TEST_CMD, &attach);
		for (uint32_t i = 0; i < steps; i++)
			flight_step(&flights[0]);
		ended = flights[0].call->done;
		flight_start(&flights[1], world, 1, IOMMUFD_NR_DESTROY, &destroy);
		while (flight_step(&flights[1]))
			;
		ck_assert_ok(flight_finish(&flights[0]));
		ck_assert_ok(flight_finish(&flights[1]));
		world_stepwise(world, false);
		ck_assert_ok(world_check_map(world, attach.mock_domain.out_hwpt_id, APERTURE,
					     buffer, BUFFER));
	}
}
END_TEST

START_TEST(an_unmap_notification_waits_for_the_access_to_let_go)
{
	setup();
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE));
	made(world_pin(world, access, APERTURE, PAGE_SIZE, 0, 0));
	struct iommu_ioas_unmap unmap = unmap_cmd(APERTURE, PAGE_SIZE);
	struct flight flight;
	world_stepwise(world, true);
	flight_start(&flight, world, 0, IOMMUFD_NR_IOAS_UNMAP, &unmap);
	ck_assert(flight_until(&flight, "unmap notification"));
	/* No new pin; the old one is still there. */
	struct iommu_test_cmd pin = {.op = IOMMU_TEST_OP_ACCESS_PAGES, .id = (uint32_t)access};
	pin.access_pages.iova = APERTURE;
	pin.access_pages.length = PAGE_SIZE;
	ck_assert_refused(aside(IOMMUFD_NR_TEST_CMD, &pin), EINVAL);
	ck_assert_ok(flight_finish(&flight));
	world_stepwise(world, false);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
}
END_TEST

/* --- a vDEVICE and its device at once --- */

START_TEST(a_device_may_go_while_its_vdevice_is_being_destroyed)
{
	struct viommu_world v = world_make_viommu(world);
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	struct iommu_destroy first = {.id = vdevice}, second = {.id = v.mock.stdev};
	struct flight flights[2];
	world_stepwise(world, true);
	flight_start(&flights[0], world, 0, IOMMUFD_NR_DESTROY, &first);
	ck_assert(flight_until(&flights[0], "object removed"));
	flight_start(&flights[1], world, 1, IOMMUFD_NR_DESTROY, &second);
	while (flight_step(&flights[1]))
		;
	ck_assert_ok(flight_finish(&flights[0]));
	ck_assert_ok(flight_finish(&flights[1]));
	/* No tombstone: the vDEVICE had left the table before. */
	world_stepwise(world, false);
	ck_assert_int_eq(world_ioas(world), 2);
	ck_assert_int_eq(world_ioas(world), 3);
	ck_assert_int_eq(world_ioas(world), 4);
	ck_assert_int_eq(world_ioas(world), vdevice);
}
END_TEST

START_TEST(a_vdevice_of_a_device_being_unbound_is_enoent_or_force_destroyed)
{
	for (uint32_t steps = 0; steps < 12; steps++) {
		struct world *fresh = world_new();
		struct viommu_world v = world_make_viommu(fresh);
		struct iommu_destroy destroy = {.id = v.mock.stdev};
		struct iommu_vdevice_alloc alloc = {
			.viommu_id = v.viommu, .dev_id = v.mock.idev, .virt_id = 5};
		struct flight flights[2];
		world_stepwise(fresh, true);
		flight_start(&flights[0], fresh, 0, IOMMUFD_NR_VDEVICE_ALLOC, &alloc);
		flight_start(&flights[1], fresh, 1, IOMMUFD_NR_DESTROY, &destroy);
		for (uint32_t i = 0; i < steps; i++)
			flight_step(&flights[i % 2]);
		int64_t made_it = flight_finish(&flights[0]);
		ck_assert_ok(flight_finish(&flights[1]));
		ck_assert(made_it == 0 || made_it == -ENOENT);
		world_stepwise(fresh, false);
		if (made_it == 0)
			ck_assert_refused(world_destroy(fresh, alloc.out_vdevice_id), ENOENT);
		ck_assert_ok(world_destroy(fresh, v.nested));
		ck_assert_ok(world_destroy(fresh, v.viommu));
		world_free(fresh);
	}
}
END_TEST

START_TEST(a_refused_vdevice_may_meet_an_unbind)
{
	/* The slot is taken: the new vDEVICE is undone while the device goes. */
	for (uint32_t steps = 0; steps < 16; steps++) {
		struct world *fresh = world_new();
		struct viommu_world v = world_make_viommu(fresh);
		struct mock other;
		ck_assert_ok(world_mock(fresh, v.ioas, 0, &other));
		made(world_vdevice(fresh, v.viommu, v.mock.idev, 5));
		struct iommu_destroy destroy = {.id = other.stdev};
		struct iommu_vdevice_alloc alloc = {
			.viommu_id = v.viommu, .dev_id = other.idev, .virt_id = 5};
		struct flight flights[2];
		world_stepwise(fresh, true);
		flight_start(&flights[0], fresh, 0, IOMMUFD_NR_VDEVICE_ALLOC, &alloc);
		flight_start(&flights[1], fresh, 1, IOMMUFD_NR_DESTROY, &destroy);
		for (uint32_t i = 0; i < steps; i++)
			flight_step(&flights[i >= steps / 2]);
		int64_t error = flight_finish(&flights[0]);
		ck_assert_ok(flight_finish(&flights[1]));
		ck_assert(error == -EEXIST || error == -ENOENT);
		world_free(fresh);
	}
}
END_TEST

/* --- bugs of the kernel, as interleavings of calls: each pair at every step --- */

/* A call other than an ioctl, on a thread of its own. */
static void call_start(struct flight *flight, enum syscall_number number, const uint64_t args[6])
{
	*flight = (struct flight){.world = world,
				  .thread = thread_new(world->process),
				  .call = arena_new(world->machine->arena, struct syscall)};
	flight->call->number = number;
	memcpy(flight->call->args, args, sizeof(flight->call->args));
	ck_assert(syscall_start(flight->thread, flight->call));
}

static int64_t call_finish(struct flight *flight)
{
	while (!flight->call->done)
		if (!flight_step(flight))
			ck_assert(clock_step(&world->machine->clock));
	return flight->call->result;
}

static int64_t call_aside(enum syscall_number number, const uint64_t args[6])
{
	struct flight flight;
	call_start(&flight, number, args);
	while (flight_step(&flight))
		;
	ck_assert(flight.call->done);
	return flight.call->result;
}

/* STEPS steps; whether it has ended before. */
static bool ends_within(struct flight *flight, uint32_t steps)
{
	for (uint32_t i = 0; i < steps; i++)
		flight_step(flight);
	return flight->call->done;
}

/* Each round of a test begins anew. */
static void new_world(void)
{
	world_free(world);
	world = world_new();
}

/* A vIOMMU with a region at 0x1000 of the descriptor. */
static uint32_t viommu_with_region(const struct viommu_world *v)
{
	struct iommu_viommu_selftest data = {0};
	struct iommu_viommu_alloc cmd = {.type = IOMMU_VIOMMU_TYPE_SELFTEST,
					 .dev_id = v->mock.idev,
					 .hwpt_id = v->parent,
					 .data_len = sizeof(data),
					 .data_uptr = world_data(world, &data, sizeof(data))};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd));
	return cmd.out_viommu_id;
}

START_TEST(a_region_is_mapped_or_its_viommu_destroyed)
{
	bool ended = false;
	for (uint32_t steps = 0; !ended; steps++) {
		new_world();
		struct viommu_world v = world_make_viommu(world);
		struct iommu_destroy destroy = {.id = viommu_with_region(&v)};
		struct flight going;
		world_stepwise(world, true);
		flight_start(&going, world, 0, IOMMUFD_NR_DESTROY, &destroy);
		ended = ends_within(&going, steps);
		int64_t va = call_aside(SYS_MMAP, (const uint64_t[6]){0, 2 * PAGE_SIZE, PROT_RW,
								      MAP_SHARED_BIT,
								      (uint64_t)world->fd, 0x1000});
		int64_t gone = flight_finish(&going);
		if (va < 0) {
			ck_assert_refused(va, ENXIO);
			ck_assert_ok(gone);
			continue;
		}
		ck_assert_uint_eq(steps, 0);
		ck_assert_refused(gone, EBUSY);
		ck_assert_ok(world_sys(world, SYS_MUNMAP, (uint64_t)va, 2 * PAGE_SIZE));
		ck_assert_ok(world_destroy(world, destroy.id));
	}
}
END_TEST

START_TEST(a_queue_is_found_when_its_alloc_has_ended)
{
	bool ended = false;
	for (uint32_t steps = 0; !ended; steps++) {
		new_world();
		struct viommu_world v = world_make_viommu(world);
		buffer = world_mmap_aligned(world, BUFFER);
		ck_assert_ok(world_map_at(world, v.ioas, buffer, PAGE_SIZE, APERTURE));
		struct iommu_hw_queue_alloc first = {.viommu_id = v.viommu,
						     .type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
						     .nesting_parent_iova = APERTURE,
						     .length = PAGE_SIZE};
		struct iommu_hw_queue_alloc second = first;
		second.index = 1;
		struct flight flights[2];
		world_stepwise(world, true);
		flight_start(&flights[0], world, 0, IOMMUFD_NR_HW_QUEUE_ALLOC, &first);
		ended = ends_within(&flights[0], steps);
		/* Its id is the first free one. */
		struct iommu_destroy destroy = {.id = v.nested + 1};
		if (!ended)
			ck_assert_refused(aside(IOMMUFD_NR_DESTROY, &destroy), ENOENT);
		flight_start(&flights[1], world, 1, IOMMUFD_NR_HW_QUEUE_ALLOC, &second);
		while (flight_step(&flights[1]))
			;
		if (flights[1].call->done && !ended)
			ck_assert_refused(flights[1].call->result, EIO);
		ck_assert_ok(flight_finish(&flights[0]));
		int64_t error = flight_finish(&flights[1]);
		ck_assert(error == -EIO || error == 0);
		world_stepwise(world, false);
		if (error == 0) {
			ck_assert_refused(world_destroy(world, first.out_hw_queue_id), EBUSY);
			ck_assert_ok(world_destroy(world, second.out_hw_queue_id));
		}
		ck_assert_ok(world_destroy(world, first.out_hw_queue_id));
		ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	}
}
END_TEST

START_TEST(a_destroy_does_not_disturb_the_kernel_s_own)
{
	bool ended = false;
	for (uint32_t steps = 0; !ended; steps++) {
		new_world();
		ioas = made(world_ioas(world));
		ck_assert_ok(world_mock(world, ioas, 0, &mock));
		struct iommu_destroy unbind = {.id = mock.stdev};
		const uint32_t inner[] = {mock.idev, mock.hwpt, ioas};
		struct flight flight;
		world_stepwise(world, true);
		flight_start(&flight, world, 0, IOMMUFD_NR_DESTROY, &unbind);
		ended = ends_within(&flight, steps);
		for (uint32_t i = 0; i < 3; i++) {
			struct iommu_destroy destroy = {.id = inner[i]};
			int64_t error = aside(IOMMUFD_NR_DESTROY, &destroy);
			if (inner[i] == mock.idev && !ended)
				ck_assert(error == -EBUSY || error == -ENOENT);
		}
		ck_assert_ok(flight_finish(&flight));
		world_stepwise(world, false);
		ck_assert(world_destroy(world, ioas) != -EBUSY);
		for (uint32_t id = 1; id <= 4; id++)
			ck_assert_int_eq(world_ioas(world), id);
	}
}
END_TEST

START_TEST(a_queue_that_can_not_be_answered_goes_after_its_file)
{
	struct viommu_world v = world_make_viommu(world);
	buffer = world_mmap_aligned(world, BUFFER);
	ck_assert_ok(world_map_at(world, v.ioas, buffer, PAGE_SIZE, APERTURE));
	uint32_t id = v.nested + 1;
	struct iommu_fault_alloc faults = {0};
	struct iommu_veventq_alloc events = {
		.viommu_id = v.viommu, .type = IOMMU_VEVENTQ_TYPE_SELFTEST, .veventq_depth = 1};
	struct flight flights[2];
	ck_assert_ok(world_sys(world, SYS_MPROTECT, world->args + PAGE_SIZE, 2 * PAGE_SIZE,
			       PROT_READ_BIT));
	world_stepwise(world, true);
	flight_start(&flights[0], world, 0, IOMMUFD_NR_FAULT_QUEUE_ALLOC, &faults);
	flight_start(&flights[1], world, 1, IOMMUFD_NR_VEVENTQ_ALLOC, &events);
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert(flight_until(&flights[i], "queue file released"));
		/* Its id is neither free nor an object. */
		struct iommu_destroy destroy = {.id = id + i};
		ck_assert_refused(aside(IOMMUFD_NR_DESTROY, &destroy), ENOENT);
	}
	struct iommu_ioas_alloc alloc = {0};
	ck_assert_ok(aside(IOMMUFD_NR_IOAS_ALLOC, &alloc));
	ck_assert_uint_eq(alloc.out_ioas_id, id + 2);
	ck_assert_ok(call_aside(SYS_CLOSE, (const uint64_t[6]){(uint64_t)world->fd}));
	for (uint32_t i = 0; i < 2; i++)
		ck_assert_refused(call_finish(&flights[i]), EFAULT);
	world_stepwise(world, false);
	/* The calls were the last to use the context. */
	ck_assert_int_eq(world_open(world, "/dev/iommu"), world->fd);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	ck_assert_int_eq(world_ioas(world), 1);
}
END_TEST

START_TEST(change_process_at_every_step_of_a_map_of_a_file)
{
	bool ended = false, busy = false;
	for (uint32_t steps = 0; !ended; steps++) {
		new_world();
		setup();
		int file = (int)made(world_memfd(world, BUFFER));
		struct iommu_ioas_map_file map = {.flags = MAP_RW | MAP_FIXED_,
						  .ioas_id = ioas,
						  .fd = file,
						  .length = BUFFER,
						  .iova = APERTURE};
		struct iommu_ioas_change_process change = {0};
		struct flight maps, changes;
		world_stepwise(world, true);
		flight_start(&maps, world, 0, IOMMUFD_NR_IOAS_MAP_FILE, &map);
		ended = ends_within(&maps, steps);
		flight_start(&changes, world, 1, IOMMUFD_NR_IOAS_CHANGE_PROCESS, &change);
		while (flight_step(&changes))
			;
		int64_t error = flight_finish(&changes);
		ck_assert(error == 0 || error == -EBUSY);
		busy |= error == -EBUSY;
		ck_assert_ok(flight_finish(&maps));
		world_stepwise(world, false);
		ck_assert_int_eq(world_unmap_all(world, ioas), BUFFER);
		ck_assert_uint_eq(world->machine->root_user.locked_vm, 0);
	}
	ck_assert(busy);
}
END_TEST

START_TEST(an_unpin_at_every_step_of_an_unmap)
{
	bool ended = false;
	for (uint32_t steps = 0; !ended; steps++) {
		new_world();
		setup();
		uint32_t access = made(world_access(world, ioas, 1));
		ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
		uint32_t item = made(world_pin(world, (int)access, APERTURE, BUFFER, 0, 0));
		uint32_t other = made(world_pin(world, (int)access, APERTURE, PAGE_SIZE, 0, 0));
		struct iommu_ioas_unmap unmap = unmap_cmd(APERTURE, BUFFER);
		struct iommu_test_cmd unpin = {.op = IOMMU_TEST_OP_DESTROY_ACCESS_PAGES,
					       .id = access};
		unpin.destroy_access_pages.access_pages_id = item;
		struct flight unmaps, unpins;
		world_stepwise(world, true);
		flight_start(&unmaps, world, 0, IOMMUFD_NR_IOAS_UNMAP, &unmap);
		ended = ends_within(&unmaps, steps);
		flight_start(&unpins, world, 1, IOMMUFD_NR_TEST_CMD, &unpin);
		while (flight_step(&unpins))
			;
		int64_t error = flight_finish(&unpins);
		ck_assert(error == 0 || error == -ENOENT);
		ck_assert(steps > 0 || error == 0);
		ck_assert_ok(flight_finish(&unmaps));
		ck_assert_uint_eq(unmap.length, BUFFER);
		world_stepwise(world, false);
		/* Who unpinned does not matter: nothing is left, and nothing went twice. */
		ck_assert_refused(world_unpin(world, (int)access, item), ENOENT);
		ck_assert_refused(world_unpin(world, (int)access, other), ENOENT);
		ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
		ck_assert_ok(world_close(world, (int)access));
	}
}
END_TEST

/* --- locks --- */

START_TEST(a_dirty_read_skips_all_behind_a_map_in_progress)
{
	setup();
	uint8_t bits[8] = {0}, one = 1;
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
	struct iommu_hwpt_set_dirty_tracking track = {.flags = 1, .hwpt_id = hwpt};
	uint64_t behind = world_mmap(world, PAGE_SIZE, PROT_RW, PRIVATE);
	ck_assert_ok(world_map_at(world, ioas, behind, PAGE_SIZE, APERTURE + BUFFER));
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &track));
	struct iommu_test_cmd mark = {.id = hwpt};
	mark.dirty.iova = APERTURE + BUFFER;
	mark.dirty.length = mark.dirty.page_size = PAGE_SIZE;
	mark.dirty.uptr = world_data(world, &one, 1);
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_DIRTY, &mark));
	start_map();
	struct iommu_hwpt_get_dirty_bitmap get = {.hwpt_id = hwpt,
						  .iova = APERTURE,
						  .length = 2 * BUFFER,
						  .page_size = PAGE_SIZE,
						  .data = world_data(world, bits, sizeof(bits))};
	struct iommu_hwpt_get_dirty_bitmap again = get;
	ck_assert_ok(aside(IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP, &get));
	world_get(world, world->data, bits, sizeof(bits));
	for (uint32_t i = 0; i < sizeof(bits); i++)
		ck_assert_uint_eq(bits[i], 0);
	/* It was only passed over. */
	finish_map();
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP, &again));
	world_get(world, world->data, bits, sizeof(bits));
	ck_assert_uint_eq(bits[BUFFER / PAGE_SIZE / 8], 1);
}
END_TEST

/* The call of FLIGHT waits at WHERE for the map to end. */
static void waits_for_the_map(struct flight *flight, const char *where)
{
	while (flight_step(flight))
		;
	ck_assert(!flight->call->done);
	ck_assert_str_eq(flight->thread->task.where, where);
	ck_assert_ok(flight_finish(flight));
	ck_assert(map_flight.call->done);
	finish_map();
}

START_TEST(huge_pages_wait_for_a_map_in_progress)
{
	setup();
	struct iommu_option option = {.option_id = IOMMU_OPTION_HUGE_PAGES,
				      .op = IOMMU_OPTION_OP_SET,
				      .object_id = ioas,
				      .val64 = 1};
	struct flight flight;
	start_map();
	flight_start(&flight, world, 1, IOMMUFD_NR_OPTION, &option);
	waits_for_the_map(&flight, "domains_rwsem");
}
END_TEST

START_TEST(an_access_waits_for_a_map_in_progress)
{
	setup();
	struct iommu_test_cmd create = {.op = IOMMU_TEST_OP_CREATE_ACCESS, .id = ioas};
	struct flight flight;
	start_map();
	flight_start(&flight, world, 1, IOMMUFD_NR_TEST_CMD, &create);
	waits_for_the_map(&flight, "domains_rwsem");
}
END_TEST

START_TEST(a_map_waits_for_a_domain_to_be_filled)
{
	setup();
	ck_assert_ok(world_destroy(world, mock.stdev));
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	struct iommu_test_cmd attach = {.op = IOMMU_TEST_OP_MOCK_DOMAIN, .id = ioas};
	struct iommu_ioas_map map = map_cmd(APERTURE + BUFFER);
	struct flight flights[2];
	world_stepwise(world, true);
	flight_start(&flights[0], world, 0, IOMMUFD_NR_TEST_CMD, &attach);
	ck_assert(flight_until(&flights[0], "pin pages"));
	flight_start(&flights[1], world, 1, IOMMUFD_NR_IOAS_MAP, &map);
	while (flight_step(&flights[1]))
		;
	ck_assert(!flights[1].call->done);
	ck_assert_ok(flight_finish(&flights[1]));
	ck_assert(flights[0].call->done);
	ck_assert_ok(flight_finish(&flights[0]));
	world_stepwise(world, false);
	ck_assert_ok(world_check_map(world, attach.mock_domain.out_hwpt_id, APERTURE + BUFFER,
				     buffer, BUFFER));
}
END_TEST

START_TEST(an_unmap_holds_off_domains)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	struct iommu_ioas_unmap unmap = unmap_cmd(APERTURE, BUFFER);
	struct iommu_hwpt_alloc alloc = {.dev_id = mock.idev, .pt_id = ioas};
	struct flight flights[2];
	world_stepwise(world, true);
	flight_start(&flights[0], world, 0, IOMMUFD_NR_IOAS_UNMAP, &unmap);
	ck_assert(flight_until(&flights[0], "pages mutex"));
	flight_start(&flights[1], world, 1, IOMMUFD_NR_HWPT_ALLOC, &alloc);
	while (flight_step(&flights[1]))
		;
	ck_assert_str_eq(flights[1].thread->task.where, "domains_rwsem");
	ck_assert(!flights[1].call->done);
	ck_assert_ok(flight_finish(&flights[1]));
	ck_assert(flights[0].call->done);
}
END_TEST

START_TEST(attaches_of_one_device_are_one_after_the_other)
{
	setup();
	uint32_t first = made(world_hwpt(world, mock.idev, ioas, 0));
	uint32_t second = made(world_hwpt(world, mock.idev, ioas, 0));
	struct iommu_test_cmd cmds[2] = {
		{.op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, .id = mock.stdev},
		{.op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, .id = mock.stdev}};
	struct flight flights[2];
	cmds[0].mock_domain_replace.pt_id = first;
	cmds[1].mock_domain_replace.pt_id = second;
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE));
	world_stepwise(world, true);
	for (uint32_t i = 0; i < 2; i++)
		flight_start(&flights[i], world, i, IOMMUFD_NR_TEST_CMD, &cmds[i]);
	ck_assert(flight_until(&flights[0], "igroup lock"));
	ck_assert(flight_until(&flights[1], "igroup lock"));
	ck_assert_ok(flight_finish(&flights[1]));
	ck_assert_ok(flight_finish(&flights[0]));
	world_stepwise(world, false);
	ck_assert_ok(world_pasid_check(world, mock.stdev, 0, first));
	ck_assert_ok(world_destroy(world, second));
}
END_TEST

/* --- readers --- */

START_TEST(readers_of_faults_are_one_after_the_other_and_never_wait_for_one)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	int fd;
	uint32_t fault = made(world_fault(world, &fd));
	struct iommu_hwpt_alloc alloc = {.flags = IOMMU_HWPT_FAULT_ID_VALID,
					 .dev_id = mock.idev,
					 .pt_id = ioas,
					 .fault_id = fault};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &alloc));
	uint32_t pt = alloc.out_hwpt_id;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	struct flight flights[2];
	world_stepwise(world, true);
	for (uint32_t i = 0; i < 2; i++)
		call_start(&flights[i], SYS_READ,
			   (const uint64_t[6]){(uint64_t)fd, world->data + i * PAGE_SIZE, 40});
	ck_assert(flight_until(&flights[0], "fault mutex"));
	ck_assert(flight_until(&flights[1], "fault mutex"));
	ck_assert_int_eq(call_finish(&flights[1]), 40);
	/* Nothing is left, and nothing is waited for. */
	ck_assert_int_eq(call_finish(&flights[0]), 0);
}
END_TEST

START_TEST(readers_of_events_may_interleave)
{
	struct viommu_world v = world_make_viommu(world);
	int fd;
	uint32_t pt = v.nested, got[2][3];
	made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	made(world_veventq(world, v.viommu, 4, &fd));
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	for (uint32_t i = 0; i < 3; i++) {
		struct iommu_test_cmd cmd = {.trigger_vevent = {v.mock.idev}};
		ck_assert_ok(world_test(world, IOMMU_TEST_OP_TRIGGER_VEVENT, &cmd));
	}
	struct flight flights[2];
	world_stepwise(world, true);
	for (uint32_t i = 0; i < 2; i++)
		call_start(&flights[i], SYS_READ,
			   (const uint64_t[6]){(uint64_t)fd, world->data + i * PAGE_SIZE, 24});
	ck_assert(flight_until(&flights[0], "event delivered"));
	ck_assert(flight_until(&flights[1], "event delivered"));
	ck_assert_int_eq(call_finish(&flights[0]), 24);
	ck_assert_int_eq(call_finish(&flights[1]), 12);
	world_get(world, world->data, got[0], 12);
	world_get(world, world->data + PAGE_SIZE, got[1], 12);
	ck_assert_uint_eq(got[0][1], 0);
	ck_assert_uint_eq(got[1][1], 1);
	world_get(world, world->data + 12, got[0], 12);
	ck_assert_uint_eq(got[0][1], 2);
}
END_TEST

/* --- any three calls in any order --- */

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((random_state >> 33) % limit);
}

union any_cmd {
	struct iommu_destroy destroy;
	struct iommu_ioas_map map;
	struct iommu_ioas_unmap unmap;
	struct iommu_ioas_copy copy;
	struct iommu_hwpt_alloc hwpt;
	struct iommu_vdevice_alloc vdevice;
	struct iommu_hw_queue_alloc queue;
	struct iommu_ioas_change_process change;
	struct iommu_option option;
	struct iommu_test_cmd test;
};

static uint64_t some_iova(void)
{
	return APERTURE + random_below(4) * PAGE_SIZE;
}

/* A call on objects of the fixture; returns its number. */
static uint32_t some_call(union any_cmd *cmd, const struct viommu_world *v, uint32_t access)
{
	memset(cmd, 0, sizeof(*cmd));
	switch (random_below(14)) {
	case 0:
	case 1:
		cmd->map = map_cmd(some_iova());
		cmd->map.length = (1 + random_below(3)) * PAGE_SIZE;
		return IOMMUFD_NR_IOAS_MAP;
	case 2:
		cmd->unmap = unmap_cmd(some_iova(), (1 + random_below(4)) * PAGE_SIZE);
		return IOMMUFD_NR_IOAS_UNMAP;
	case 3:
		cmd->unmap = unmap_cmd(0, UINT64_MAX);
		return IOMMUFD_NR_IOAS_UNMAP;
	case 4:
		cmd->copy = (struct iommu_ioas_copy){.src_ioas_id = ioas,
						     .dst_ioas_id = ioas,
						     .flags = MAP_RW,
						     .src_iova = some_iova(),
						     .length = PAGE_SIZE};
		return IOMMUFD_NR_IOAS_COPY;
	case 5:
	case 6:
		cmd->destroy.id = 1 + random_below(14);
		return IOMMUFD_NR_DESTROY;
	case 7:
		cmd->hwpt = (struct iommu_hwpt_alloc){.dev_id = v->mock.idev, .pt_id = ioas};
		return IOMMUFD_NR_HWPT_ALLOC;
	case 8:
		cmd->vdevice = (struct iommu_vdevice_alloc){
			.viommu_id = v->viommu, .dev_id = v->mock.idev, .virt_id = random_below(2)};
		return IOMMUFD_NR_VDEVICE_ALLOC;
	case 9:
		cmd->queue = (struct iommu_hw_queue_alloc){.viommu_id = v->viommu,
							   .type = 0xdeadbeef,
							   .index = random_below(2),
							   .nesting_parent_iova = some_iova(),
							   .length = PAGE_SIZE};
		return IOMMUFD_NR_HW_QUEUE_ALLOC;
	case 10:
		return IOMMUFD_NR_IOAS_CHANGE_PROCESS;
	case 11:
		cmd->option = (struct iommu_option){
			.option_id = IOMMU_OPTION_HUGE_PAGES, .object_id = ioas, .val64 = 1};
		return IOMMUFD_NR_OPTION;
	default:
		break;
	}
	static const uint32_t ops[] = {
		IOMMU_TEST_OP_MOCK_DOMAIN,         IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
		IOMMU_TEST_OP_ACCESS_PAGES,        IOMMU_TEST_OP_ACCESS_PAGES,
		IOMMU_TEST_OP_ACCESS_REPLACE_IOAS, IOMMU_TEST_OP_ACCESS_RW,
		IOMMU_TEST_OP_CREATE_ACCESS,       IOMMU_TEST_OP_TRIGGER_VEVENT,
	};
	cmd->test.op = ops[random_below(8)];
	cmd->test.id = ioas;
	if (cmd->test.op == IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE) {
		const uint32_t targets[] = {ioas, v->mock.hwpt, v->nested, v->parent};
		cmd->test.id = v->mock.stdev;
		cmd->test.mock_domain_replace.pt_id = targets[random_below(4)];
	} else if (cmd->test.op == IOMMU_TEST_OP_ACCESS_PAGES) {
		cmd->test.id = access;
		cmd->test.access_pages.iova = some_iova();
		cmd->test.access_pages.length = (1 + random_below(3)) * PAGE_SIZE;
	} else if (cmd->test.op == IOMMU_TEST_OP_ACCESS_REPLACE_IOAS) {
		cmd->test.id = access;
		cmd->test.access_replace_ioas.ioas_id = ioas + random_below(2) * 20;
	} else if (cmd->test.op == IOMMU_TEST_OP_ACCESS_RW) {
		cmd->test.id = access;
		cmd->test.access_rw.iova = some_iova();
		cmd->test.access_rw.length = 8;
		cmd->test.access_rw.uptr = world->data;
	} else if (cmd->test.op == IOMMU_TEST_OP_CREATE_ACCESS) {
		cmd->test.create_access.flags = random_below(2);
	} else if (cmd->test.op == IOMMU_TEST_OP_TRIGGER_VEVENT) {
		cmd->test.trigger_vevent.dev_id = v->mock.idev;
	}
	return IOMMUFD_NR_TEST_CMD;
}

#define FLIGHTS 4U

static void random_flights(const struct viommu_world *v, uint32_t access)
{
	union any_cmd cmds[FLIGHTS];
	struct flight flights[FLIGHTS];
	struct event *events[FLIGHTS];
	struct clock *clock = &world->machine->clock;
	size_t count;
	world_stepwise(world, true);
	for (uint32_t i = 0; i < FLIGHTS; i++) {
		uint32_t nr = some_call(&cmds[i], v, access);
		uint32_t size = nr == IOMMUFD_NR_TEST_CMD ? sizeof(cmds[i].test) : 48;
		cmds[i].destroy.size = size;
		flight_start_sized(&flights[i], world, i, nr, &cmds[i], size);
	}
	while ((count = clock_enabled(clock, events, FLIGHTS)) > 0)
		clock_do(clock, events[random_below((uint32_t)count)]);
	for (uint32_t i = 0; i < FLIGHTS; i++)
		ck_assert_msg(flights[i].call->done, "seed %lu: nr %#x sleeps at %s for ever",
			      (unsigned long)random_state, (unsigned)flights[i].call->args[1],
			      flights[i].thread->task.where);
	world_stepwise(world, false);
}

START_TEST(random_interleavings_neither_hang_nor_leak)
{
	buffer = world_mmap_aligned(world, BUFFER);
	struct viommu_world v = world_make_viommu(world);
	ioas = v.ioas;
	uint32_t access = made(world_access(world, ioas, 1));
	int fd;
	ck_assert_int_eq(world_vdevice(world, v.viommu, v.mock.idev, 1), 9);
	made(world_veventq(world, v.viommu, 2, &fd));
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE));
	made(world_hw_queue(world, v.viommu, 0, APERTURE, PAGE_SIZE));
	made(world_hwpt(world, v.mock.idev, ioas, 0));
	struct arena_snapshot *start = arena_save(world->machine->arena, NULL);
	for (uint64_t seed = 1; seed <= 800; seed++) {
		random_state = seed;
		random_flights(&v, access);
		random_flights(&v, access);
		/* All that is left goes with the process: no frame is held. */
		world_sys(world, SYS_EXIT, 0);
		ck_assert_msg(RB_EMPTY(&world->machine->memory.frames.tree),
			      "seed %lu leaks frames", (unsigned long)seed);
		ck_assert_uint_eq(world->machine->root_user.locked_vm, 0);
		arena_restore(world->machine->arena, start);
	}
	arena_snapshot_free(start);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_map_in_progress_takes_its_range,
		an_unmap_of_a_map_in_progress_is_ebusy,
		a_map_in_progress_can_not_be_copied_or_accessed,
		change_process_during_a_map_is_ebusy,
		an_object_that_a_call_uses_is_ebusy,
		an_object_being_destroyed_is_enoent_and_its_id_free,
		a_dirty_read_stops_at_a_map_in_progress,
		an_unmap_in_progress_holds_its_area_until_it_is_deleted,
		an_unmap_only_moves_forward,
		a_domain_waits_for_a_map_in_progress,
		two_automatic_attaches_share_one_hwpt,
		an_automatic_hwpt_stays_while_it_is_attached_to,
		an_unmap_notification_waits_for_the_access_to_let_go,
		a_device_may_go_while_its_vdevice_is_being_destroyed,
		a_vdevice_of_a_device_being_unbound_is_enoent_or_force_destroyed,
		a_refused_vdevice_may_meet_an_unbind,
		a_region_is_mapped_or_its_viommu_destroyed,
		a_queue_is_found_when_its_alloc_has_ended,
		a_destroy_does_not_disturb_the_kernel_s_own,
		a_queue_that_can_not_be_answered_goes_after_its_file,
		change_process_at_every_step_of_a_map_of_a_file,
		an_unpin_at_every_step_of_an_unmap,
		a_dirty_read_skips_all_behind_a_map_in_progress,
		huge_pages_wait_for_a_map_in_progress,
		an_access_waits_for_a_map_in_progress,
		a_map_waits_for_a_domain_to_be_filled,
		an_unmap_holds_off_domains,
		attaches_of_one_device_are_one_after_the_other,
		readers_of_faults_are_one_after_the_other_and_never_wait_for_one,
		readers_of_events_may_interleave,
		random_interleavings_neither_hang_nor_leak,
	};
	return RUN_TESTS("shim_races", tests);
}
