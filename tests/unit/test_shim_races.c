/* SPDX-License-Identifier: Apache-2.0 */
/* What one call sees of another that is under way (iommufd app. F). */
#include <string.h>

#include "kernel_shim/uapi/vfio.h"
#include "tests/kit/fake_iommu.h"
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
	uint8_t bits[3] = {0}, one = 1;
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
	struct iommu_hwpt_set_dirty_tracking track = {.flags = 1, .hwpt_id = hwpt};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &track));
	/* A dirty page behind what will be in construction. */
	uint64_t other = world_mmap(world, PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_map_at(world, ioas, other, PAGE_SIZE, APERTURE + BUFFER));
	struct iommu_test_cmd dirty = {.id = hwpt,
				       .dirty = {0, 0, APERTURE + BUFFER, PAGE_SIZE, PAGE_SIZE,
						 world_data(world, &one, 1), 0}};
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_DIRTY, &dirty));
	start_map();
	struct iommu_hwpt_get_dirty_bitmap get = {.hwpt_id = hwpt,
						  .iova = APERTURE,
						  .length = BUFFER + PAGE_SIZE,
						  .page_size = PAGE_SIZE,
						  .data = world_data(world, bits, sizeof(bits))};
	ck_assert_ok(aside(IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP, &get));
	world_get(world, world->data, bits, sizeof(bits));
	ck_assert_uint_eq(bits[2], 0);
	finish_map();
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP, &get));
	world_get(world, world->data, bits, sizeof(bits));
	ck_assert_uint_eq(bits[2], 1);
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

/* --- system calls of other kinds, and errors half way --- */

static void start_call(struct flight *flight, enum syscall_number number, const uint64_t args[6])
{
	*flight = (struct flight){.world = world,
				  .thread = thread_new(world->process),
				  .call = arena_new(world->machine->arena, struct syscall)};
	flight->call->number = number;
	memcpy(flight->call->args, args, sizeof(flight->call->args));
	ck_assert(syscall_start(flight->thread, flight->call));
}

static int64_t finish_call(struct flight *flight)
{
	while (!flight->call->done)
		if (!flight_step(flight))
			ck_assert(clock_step(&world->machine->clock));
	return flight->call->result;
}

/* A mapping keeps its vIOMMU, or the vIOMMU goes and there is nothing to map: never both. */
START_TEST(a_region_is_mapped_or_its_viommu_goes)
{
	bool kept = false, went = false;
	struct world *outer = world;
	for (uint32_t steps = 0; steps < 6; steps++) {
		world = world_new();
		struct viommu_world v = world_make_viommu(world);
		struct iommu_viommu_selftest data = {0};
		struct iommu_viommu_alloc alloc = {.type = IOMMU_VIOMMU_TYPE_SELFTEST,
						   .dev_id = v.mock.idev,
						   .hwpt_id = v.parent,
						   .data_len = sizeof(data),
						   .data_uptr =
							   world_data(world, &data, sizeof(data))};
		ck_assert_ok(world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &alloc));
		struct iommu_destroy destroy = {.id = alloc.out_viommu_id};
		struct flight maps, going;
		world_stepwise(world, true);
		start_call(&maps, SYS_MMAP,
			   (const uint64_t[6]){0, 0x2000, PROT_RW, MAP_SHARED_BIT,
					       (uint64_t)world->fd, 0x1000});
		flight_start(&going, world, 0, IOMMUFD_NR_DESTROY, &destroy);
		for (uint32_t i = 0; i < steps; i++)
			flight_step(&going);
		int64_t va = finish_call(&maps), gone = flight_finish(&going);
		world_stepwise(world, false);
		if (va > 0) {
			kept = true;
			ck_assert_refused(gone, EBUSY);
			ck_assert_ok(world_sys(world, SYS_MUNMAP, (uint64_t)va, 2 * PAGE_SIZE));
			ck_assert_ok(world_destroy(world, alloc.out_viommu_id));
		} else {
			went = true;
			ck_assert_refused(va, ENXIO);
			ck_assert_ok(gone);
		}
		world_free(world);
	}
	world = outer;
	ck_assert(kept && went);
}
END_TEST

START_TEST(an_item_may_be_unpinned_while_an_unmap_asks_for_it)
{
	setup();
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE));
	made(world_pin(world, access, APERTURE, PAGE_SIZE, 0, 0));
	struct iommu_ioas_unmap unmap = unmap_cmd(APERTURE, PAGE_SIZE);
	struct iommu_test_cmd unpin = {.op = IOMMU_TEST_OP_DESTROY_ACCESS_PAGES,
				       .id = (uint32_t)access};
	struct flight flight;
	world_stepwise(world, true);
	flight_start(&flight, world, 0, IOMMUFD_NR_IOAS_UNMAP, &unmap);
	ck_assert(flight_until(&flight, "unmap notification"));
	ck_assert_ok(aside(IOMMUFD_NR_TEST_CMD, &unpin));
	ck_assert_ok(flight_finish(&flight));
	ck_assert_uint_eq(unmap.length, PAGE_SIZE);
	unpin.size = 0;
	ck_assert_refused(aside(IOMMUFD_NR_TEST_CMD, &unpin), ENOENT);
	world_stepwise(world, false);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
}
END_TEST

START_TEST(an_access_may_be_closed_while_an_unmap_asks_it)
{
	setup();
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE));
	made(world_pin(world, access, APERTURE, PAGE_SIZE, 0, 0));
	struct iommu_ioas_unmap unmap = unmap_cmd(APERTURE, PAGE_SIZE);
	struct flight flight, closing;
	world_stepwise(world, true);
	flight_start(&flight, world, 0, IOMMUFD_NR_IOAS_UNMAP, &unmap);
	ck_assert(flight_until(&flight, "unmap notification"));
	start_call(&closing, SYS_CLOSE, (const uint64_t[6]){(uint64_t)access});
	while (flight_step(&closing))
		;
	/* It waits for the callback. */
	ck_assert(!closing.call->done);
	ck_assert_ok(flight_finish(&flight));
	ck_assert_ok(finish_call(&closing));
	world_stepwise(world, false);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
}
END_TEST

START_TEST(change_process_meets_a_file_map_at_every_step)
{
	struct world *outer = world;
	bool busy = false, moved = false;
	for (uint32_t steps = 0; steps < 24; steps++) {
		world = world_new();
		setup();
		int file = (int)made(world_memfd(world, BUFFER));
		struct iommu_ioas_map_file map = {.ioas_id = ioas,
						  .flags = MAP_RW | MAP_FIXED_,
						  .fd = file,
						  .length = BUFFER,
						  .iova = APERTURE};
		struct iommu_ioas_change_process change = {0};
		struct flight flights[2];
		world_stepwise(world, true);
		flight_start(&flights[0], world, 0, IOMMUFD_NR_IOAS_MAP_FILE, &map);
		flight_start(&flights[1], world, 1, IOMMUFD_NR_IOAS_CHANGE_PROCESS, &change);
		for (uint32_t i = 0; i < steps; i++)
			flight_step(&flights[0]);
		int64_t result = flight_finish(&flights[1]);
		busy |= result == -EBUSY;
		moved |= result == 0;
		ck_assert(result == 0 || result == -EBUSY);
		ck_assert_ok(flight_finish(&flights[0]));
		world_stepwise(world, false);
		ck_assert_int_eq(world_unmap_all(world, ioas), BUFFER);
		ck_assert_uint_eq(world->process->mm->pinned_vm, 0);
		world_free(world);
	}
	world = outer;
	ck_assert(busy && moved);
}
END_TEST

/* The file of a queue that could not be answered goes before its object does. */
START_TEST(an_unanswered_queue_is_seen_by_nobody)
{
	struct world *outer = world;
	for (uint32_t steps = 0; steps < 8; steps++) {
		world = world_new();
		struct viommu_world v = world_make_viommu(world);
		struct iommu_veventq_alloc alloc = {.viommu_id = v.viommu,
						    .type = IOMMU_VEVENTQ_TYPE_SELFTEST,
						    .veventq_depth = 1};
		struct iommu_destroy destroy = {.id = 8};
		struct flight making, going, other;
		struct iommu_veventq_alloc second = alloc;
		world_stepwise(world, true);
		flight_start(&making, world, 0, IOMMUFD_NR_VEVENTQ_ALLOC, &alloc);
		ck_assert_ok(world_sys(world, SYS_MPROTECT, making.va, PAGE_SIZE, PROT_READ_BIT));
		flight_start(&going, world, 1, IOMMUFD_NR_DESTROY, &destroy);
		flight_start(&other, world, 2, IOMMUFD_NR_VEVENTQ_ALLOC, &second);
		for (uint32_t i = 0; i < steps; i++)
			flight_step(&making);
		ck_assert_refused(flight_finish(&going), ENOENT);
		int64_t taken = flight_finish(&other);
		int64_t result = flight_finish(&making);
		ck_assert(result == -EFAULT || (taken == 0 && result == -EEXIST));
		ck_assert(taken == 0);
		world_stepwise(world, false);
		ck_assert_ok(world_close(world, (int)second.out_veventq_fd));
		ck_assert_ok(world_destroy(world, second.out_veventq_id));
		ck_assert_ok(world_destroy(world, v.nested));
		ck_assert_ok(world_destroy(world, v.viommu));
		world_free(world);
	}
	world = outer;
}
END_TEST

START_TEST(two_destroys_of_one_object_take_it_once)
{
	struct world *outer = world;
	for (uint32_t steps = 0; steps < 6; steps++) {
		world = world_new();
		uint32_t only = made(world_ioas(world));
		ioas = only;
		struct iommu_destroy destroys[2] = {{.id = only}, {.id = only}};
		struct iommu_ioas_unmap unmap = unmap_cmd(0, UINT64_MAX);
		struct flight flights[3];
		world_stepwise(world, true);
		flight_start(&flights[0], world, 0, IOMMUFD_NR_DESTROY, &destroys[0]);
		flight_start(&flights[1], world, 1, IOMMUFD_NR_DESTROY, &destroys[1]);
		flight_start(&flights[2], world, 2, IOMMUFD_NR_IOAS_UNMAP, &unmap);
		for (uint32_t i = 0; i < steps; i++)
			flight_step(&flights[i % 3]);
		int64_t unmapped = flight_finish(&flights[2]);
		int64_t first = flight_finish(&flights[0]), second = flight_finish(&flights[1]);
		world_stepwise(world, false);
		ck_assert(unmapped == 0 || unmapped == -ENOENT);
		ck_assert(first == 0 || first == -EBUSY || first == -ENOENT);
		ck_assert(second == 0 || second == -EBUSY || second == -ENOENT);
		ck_assert_int_le((first == 0) + (second == 0), 1);
		if (first != 0 && second != 0)
			ck_assert_ok(world_destroy(world, only));
		else
			ck_assert_refused(world_destroy(world, only), ENOENT);
		world_free(world);
	}
	world = outer;
}
END_TEST

START_TEST(readers_of_one_queue_take_records_one_by_one)
{
	struct viommu_world v = world_make_viommu(world);
	int fd;
	uint32_t pt = v.nested, words[2][6];
	made(world_vdevice(world, v.viommu, v.mock.idev, 0x88));
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	made(world_veventq(world, v.viommu, 4, &fd));
	struct iommu_test_cmd cmd = {.trigger_vevent = {v.mock.idev}};
	for (int i = 0; i < 4; i++)
		ck_assert_ok(world_test(world, IOMMU_TEST_OP_TRIGGER_VEVENT, &cmd));
	struct flight flights[2];
	world_stepwise(world, true);
	for (uint32_t i = 0; i < 2; i++)
		start_call(&flights[i], SYS_READ,
			   (const uint64_t[6]){(uint64_t)fd, world->data + i * PAGE_SIZE, 24});
	for (bool going = true; going;)
		going = flight_step(&flights[0]) | flight_step(&flights[1]);
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert_int_eq(finish_call(&flights[i]), 24);
		world_get(world, world->data + i * PAGE_SIZE, words[i], 24);
	}
	/* Two each, alternating. */
	ck_assert_uint_eq(words[0][1], 0);
	ck_assert_uint_eq(words[1][1], 1);
	ck_assert_uint_eq(words[0][4], 2);
	ck_assert_uint_eq(words[1][4], 3);
}
END_TEST

START_TEST(readers_and_writers_of_a_fault_queue_take_turns)
{
	setup();
	int fd;
	uint32_t fault = made(world_fault(world, &fd));
	struct iommu_hwpt_alloc alloc = {.flags = IOMMU_HWPT_FAULT_ID_VALID,
					 .dev_id = mock.idev,
					 .pt_id = ioas,
					 .fault_id = fault};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &alloc));
	uint32_t pt = alloc.out_hwpt_id;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	struct flight reading, writing;
	world_stepwise(world, true);
	start_call(&reading, SYS_READ, (const uint64_t[6]){(uint64_t)fd, world->data, 40});
	start_call(&writing, SYS_WRITE, (const uint64_t[6]){(uint64_t)fd, world->data, 8});
	/* While another holds the mutex both stand in front of it. */
	ck_assert(flight_until(&reading, "fault mutex"));
	ck_assert(flight_until(&writing, "fault mutex"));
	ck_assert_int_eq(finish_call(&reading), 0); /* nothing there: it does not wait for events */
	ck_assert_refused(finish_call(&writing), EINVAL);
}
END_TEST

START_TEST(two_attaches_of_a_group_take_turns)
{
	struct fake_iommu *fake = fake_iommu_new(world->machine);
	struct fake_device *devices[2] = {fake_device_new(fake), fake_device_new(fake)};
	struct vfio_device_attach_iommufd_pt pt;
	struct flight flights[2];
	int fds[2];
	uint32_t dev = 0;
	devices[1]->device.group = devices[0]->device.group;
	ioas = made(world_ioas(world));
	for (uint32_t i = 0; i < 2; i++) {
		devices[i]->regions[0] = (struct resv_region){.first = 0x1000, .last = 0x1fff};
		devices[i]->region_count = 1;
		dev = made(world_bind(world, &devices[i]->device, &fds[i]));
	}
	uint32_t hwpt = made(world_hwpt(world, dev, ioas, 0));
	pt = (struct vfio_device_attach_iommufd_pt){.argsz = sizeof(pt), .pt_id = hwpt};
	for (uint32_t i = 0; i < 2; i++)
		world_put(world, world->data + i * PAGE_SIZE, &pt, sizeof(pt));
	world_stepwise(world, true);
	for (uint32_t i = 0; i < 2; i++)
		start_call(&flights[i], SYS_IOCTL,
			   (const uint64_t[6]){(uint64_t)fds[i], VFIO_DEVICE_ATTACH_IOMMUFD_PT,
					       world->data + i * PAGE_SIZE});
	/* The first reserves its region: the second stands at the group. */
	ck_assert(flight_until(&flights[0], "iova_rwsem"));
	while (flight_step(&flights[1]))
		;
	ck_assert(!flights[1].call->done);
	ck_assert_str_eq(flights[1].thread->task.where, "igroup lock");
	uint32_t ids[2];
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert_ok(finish_call(&flights[i]));
		world_get(world, world->data + i * PAGE_SIZE, &pt, sizeof(pt));
		ids[i] = pt.pt_id;
	}
	ck_assert_uint_eq(ids[0], ids[1]);
	world_stepwise(world, false);
	for (uint32_t i = 0; i < 2; i++)
		ck_assert_ok(world_close(world, fds[i]));
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
		an_unmap_notification_waits_for_the_access_to_let_go,
		a_device_may_go_while_its_vdevice_is_being_destroyed,
		a_vdevice_of_a_device_being_unbound_is_enoent_or_force_destroyed,
		a_refused_vdevice_may_meet_an_unbind,
		a_region_is_mapped_or_its_viommu_goes,
		an_item_may_be_unpinned_while_an_unmap_asks_for_it,
		an_access_may_be_closed_while_an_unmap_asks_it,
		change_process_meets_a_file_map_at_every_step,
		an_unanswered_queue_is_seen_by_nobody,
		two_destroys_of_one_object_take_it_once,
		readers_of_one_queue_take_records_one_by_one,
		readers_and_writers_of_a_fault_queue_take_turns,
		two_attaches_of_a_group_take_turns,
		random_interleavings_neither_hang_nor_leak,
	};
	return RUN_TESTS("shim_races", tests);
}
