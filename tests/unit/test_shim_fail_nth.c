/* SPDX-License-Identifier: Apache-2.0 */
/* Each modelled failure in turn: a failed call leaves everything as it was (iommufd app. E). */
#include <string.h>

#include "kernel_shim/uapi/vfio.h"
#include "tests/kit/test.h"

#define BUFFER (16 * PAGE_SIZE)

static uint64_t buffer;
static uint32_t ioas, other, parent, viommu, nested, vdevice, fault, faulty, veventq, queue, dirty;
static struct mock mock, second;
static int access_fd, fault_fd, event_fd, file;

/* The number in *ID, or the error. */
static int64_t keep(uint32_t *id, int64_t result)
{
	if (result < 0)
		return result;
	*id = (uint32_t)result;
	return 0;
}

static int64_t alloc_ioas(void)
{
	return keep(&ioas, world_ioas(world));
}

static int64_t alloc_other(void)
{
	return keep(&other, world_ioas(world));
}

static int64_t map(void)
{
	return world_map_at(world, ioas, buffer, 4 * PAGE_SIZE, APERTURE);
}

static int64_t attach(void)
{
	return world_mock(world, ioas, MOCK_FLAGS_DEVICE_PASID, &mock);
}

static int64_t attach_second(void)
{
	return world_mock(world, other, 0, &second);
}

static int64_t map_with_domain(void)
{
	return world_map_at(world, ioas, buffer + 4 * PAGE_SIZE, 4 * PAGE_SIZE, 2 * APERTURE);
}

static int64_t map_auto(void)
{
	uint64_t iova = 0;
	return world_map(world, ioas, buffer, PAGE_SIZE, MAP_RO, &iova);
}

static int64_t map_file(void)
{
	uint64_t iova = 3 * APERTURE;
	return world_map_file(world, ioas, file, 0, 2 * PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova);
}

static int64_t copy(void)
{
	uint64_t iova = APERTURE;
	return world_copy(world, ioas, APERTURE, 2 * PAGE_SIZE, other, MAP_RW | MAP_FIXED_, &iova);
}

static int64_t reserve(void)
{
	return world_reserve(world, other, 0x1000, 0x1000);
}

static int64_t allow(void)
{
	struct iommu_iova_range ranges[] = {{0x10000, 0x1ffff}, {0x30000, 0x3ffff}};
	return world_allow(world, other, ranges, 2);
}

static int64_t allow_all(void)
{
	return world_allow(world, other, NULL, 0);
}

static int64_t ranges(void)
{
	struct iommu_iova_range got[4] = {0};
	return world_ranges(world, ioas, got, 4, NULL, NULL);
}

static int64_t alloc_parent(void)
{
	return keep(&parent, world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT));
}

static int64_t alloc_dirty(void)
{
	return keep(&dirty, world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
}

static int64_t alloc_viommu(void)
{
	struct iommu_viommu_selftest data = {0};
	struct iommu_viommu_alloc cmd = {.type = IOMMU_VIOMMU_TYPE_SELFTEST,
					 .dev_id = mock.idev,
					 .hwpt_id = parent,
					 .data_len = sizeof(data),
					 .data_uptr = world_data(world, &data, sizeof(data))};
	int64_t error = world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd);
	return error != 0 ? error : keep(&viommu, cmd.out_viommu_id);
}

static int64_t alloc_nested(void)
{
	return keep(&nested, world_nested(world, mock.idev, viommu, 0, 0, 1));
}

static int64_t alloc_vdevice(void)
{
	return keep(&vdevice, world_vdevice(world, viommu, mock.idev, 5));
}

static int64_t alloc_fault(void)
{
	return keep(&fault, world_fault(world, &fault_fd));
}

static int64_t alloc_faulty(void)
{
	return keep(&faulty,
		    world_nested(world, mock.idev, parent, IOMMU_HWPT_FAULT_ID_VALID, fault, 1));
}

static int64_t alloc_veventq(void)
{
	return keep(&veventq, world_veventq(world, viommu, 2, &event_fd));
}

static int64_t alloc_queue(void)
{
	return keep(&queue, world_hw_queue(world, viommu, 0, APERTURE, 2 * PAGE_SIZE));
}

static int64_t replace_nested(void)
{
	uint32_t pt = nested;
	return world_replace(world, mock.stdev, &pt);
}

static int64_t replace_faulty(void)
{
	uint32_t pt = faulty;
	return world_replace(world, mock.stdev, &pt);
}

static int64_t replace_auto(void)
{
	uint32_t pt = other;
	return world_replace(world, mock.stdev, &pt);
}

static int64_t event(void)
{
	struct iommu_test_cmd cmd = {.trigger_vevent = {mock.idev}};
	return world_test(world, IOMMU_TEST_OP_TRIGGER_VEVENT, &cmd);
}

static int64_t read_event(void)
{
	uint32_t got[8];
	int64_t result = world_read(world, event_fd, got, sizeof(got));
	return result < 0 ? result : 0;
}

static int64_t iopf(void)
{
	return world_iopf(world, mock.idev, 0, 1);
}

static int64_t read_fault(void)
{
	struct iommu_hwpt_pgfault got;
	int64_t result = world_read(world, fault_fd, &got, sizeof(got));
	return result < 0 ? result : 0;
}

static int64_t answer_fault(void)
{
	struct iommu_hwpt_page_response response = {1, 0};
	int64_t result = world_write(world, fault_fd, &response, sizeof(response));
	return result < 0 ? result : 0;
}

static int64_t create_access(void)
{
	int64_t result = world_access(world, ioas, 1);
	if (result >= 0)
		access_fd = (int)result;
	return result < 0 ? result : 0;
}

static int64_t pin(void)
{
	int64_t result = world_pin(world, access_fd, APERTURE, 4 * PAGE_SIZE, 1, buffer);
	return result < 0 ? result : 0;
}

static int64_t pin_copy(void)
{
	/* In an IOAS without a domain, of pages that nothing else pins. */
	int64_t result = world_pin(world, access_fd, APERTURE + PAGE_SIZE, PAGE_SIZE, 0, 0);
	return result < 0 ? result : 0;
}

static int64_t rw(void)
{
	return world_rw(world, access_fd, APERTURE + 100, world->data, 200, 0);
}

static int64_t rw_slow(void)
{
	return world_rw(world, access_fd, APERTURE + PAGE_SIZE - 100, world->data, 200,
			MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH);
}

static int64_t rw_remote(void)
{
	return world_rw(world, access_fd, APERTURE, world->data, 20, MOCK_ACCESS_RW_SLOW_PATH);
}

static int64_t invalidate(void)
{
	struct iommu_viommu_invalidate_selftest entry = {0, 5, 1};
	struct iommu_hwpt_invalidate cmd = {.hwpt_id = viommu,
					    .data_type = IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST,
					    .data_uptr = world_data(world, &entry, sizeof(entry)),
					    .entry_len = sizeof(entry),
					    .entry_num = 1};
	return world_ioctl(world, IOMMUFD_NR_HWPT_INVALIDATE, &cmd);
}

static int64_t track(void)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {.flags = 1, .hwpt_id = dirty};
	return world_ioctl(world, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static int64_t get_dirty(void)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {.hwpt_id = dirty,
						  .iova = APERTURE,
						  .length = PAGE_SIZE,
						  .page_size = PAGE_SIZE,
						  .data = world->data};
	return world_ioctl(world, IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP, &cmd);
}

static int64_t hw_info(void)
{
	struct iommu_hw_info cmd = {.dev_id = mock.idev, .data_len = 16, .data_uptr = world->data};
	return world_ioctl(world, IOMMUFD_NR_GET_HW_INFO, &cmd);
}

static int64_t change_process(void)
{
	struct iommu_ioas_change_process cmd = {0};
	return world_ioctl(world, IOMMUFD_NR_IOAS_CHANGE_PROCESS, &cmd);
}

static int64_t set_compat(void)
{
	struct iommu_vfio_ioas cmd = {.ioas_id = other, .op = IOMMU_VFIO_IOAS_SET};
	return world_ioctl(world, IOMMUFD_NR_VFIO_IOAS, &cmd);
}

static int64_t map_dma(void)
{
	struct vfio_iommu_type1_dma_map cmd = {sizeof(cmd), 3, buffer, 4 * APERTURE, PAGE_SIZE};
	return world_ioctl_raw(world, VFIO_IOMMU_MAP_DMA, world_data(world, &cmd, sizeof(cmd)));
}

static int64_t get_info(void)
{
	struct vfio_iommu_type1_info cmd = {.argsz = 128};
	return world_ioctl_raw(world, VFIO_IOMMU_GET_INFO, world_data(world, &cmd, sizeof(cmd)));
}

static int64_t unmap(void)
{
	int64_t result = world_unmap(world, ioas, 2 * APERTURE, 4 * PAGE_SIZE);
	return result < 0 ? result : 0;
}

static int64_t destroy_queue(void)
{
	return world_destroy(world, queue);
}

static int64_t destroy_vdevice(void)
{
	return world_destroy(world, vdevice);
}

static int64_t destroy_device(void)
{
	return world_destroy(world, mock.stdev);
}

static int64_t close_fd(void)
{
	return world_close(world, access_fd);
}

/* What a failure of the answer does not undo (2.4 step 12, 2.8, 4.6 replace). */
#define ANSWER_LAST 1U
/* A record that finds no memory is a lost one (5.6). */
#define LOSES 2U

struct step {
	const char *name;
	int64_t (*call)(void);
	uint32_t flags;
};

#define STEP_WITH(function, which)                                      \
	{                                                               \
		.name = #function, .call = (function), .flags = (which) \
	}
#define STEP(function)   STEP_WITH(function, 0)
#define STEP_A(function) STEP_WITH(function, ANSWER_LAST)
#define STEP_L(function) STEP_WITH(function, LOSES)

static const struct step without_domain[] = {
	STEP(alloc_ioas),
	STEP(alloc_other),
	STEP_A(map),
	STEP(create_access),
	STEP(pin_copy),
	STEP(pin),
	STEP(rw),
	STEP(rw_slow),
	STEP(rw_remote),
	STEP(allow),
	STEP(ranges),
	STEP(allow_all),
	STEP_A(copy),
	STEP(reserve),
	STEP(attach_second),
	STEP(attach),
};

static const struct step with_domain[] = {
	STEP(alloc_ioas),
	STEP(attach),
	STEP(alloc_other),
	STEP_A(map),
	STEP_A(map_auto),
	STEP_A(map_file),
	STEP_A(map_with_domain),
	STEP(attach_second),
	STEP_A(copy),
	STEP(alloc_parent),
	STEP(alloc_dirty),
	STEP(track),
	STEP(get_dirty),
	STEP(alloc_viommu),
	STEP(alloc_nested),
	STEP(alloc_vdevice),
	STEP(alloc_fault),
	STEP(alloc_faulty),
	STEP_A(replace_nested),
	STEP(alloc_veventq),
	STEP_L(event),
	STEP(read_event),
	STEP(invalidate),
	STEP(alloc_queue),
	STEP(create_access),
	STEP(pin),
	STEP(rw),
	STEP(rw_slow),
	STEP(hw_info),
	STEP_A(replace_faulty),
	STEP(iopf),
	STEP(read_fault),
	STEP(answer_fault),
	STEP_A(unmap),
	STEP(set_compat),
	STEP(map_dma),
	STEP(get_info),
	STEP(ranges),
	STEP_A(replace_auto),
	STEP(destroy_queue),
	STEP(destroy_vdevice),
	STEP(close_fd),
	STEP(destroy_device),
};

static const struct step files_only[] = {
	STEP(alloc_ioas),
	STEP(attach),
	STEP_A(map_file),
	STEP(change_process),
};

/* All that a call may change, but for the bytes of the process. */
struct state {
	uint64_t hash;
	size_t live;
	int lowest_fd;
	uint64_t pinned_vm;
	uint64_t locked_vm;
	uint32_t objects;
};

static int lowest_fd(void)
{
	int fd = 0;
	while (fd_file(world->process, fd) != NULL)
		fd++;
	return fd;
}

static struct state observe(void)
{
	struct hash hash;
	struct file *context = fd_file(world->process, world->fd);
	hash_init(&hash);
	iommufd_hash(context, &hash);
	return (struct state){
		.hash = hash.value,
		.live = arena_live(world->machine->arena),
		.lowest_fd = lowest_fd(),
		.pinned_vm = world->process->mm->pinned_vm,
		.locked_vm = world->machine->root_user.locked_vm,
		.objects = iommufd_ctx_from_file(context)->objects,
	};
}

static uint64_t failures;

/* Fails point 1, 2, 3 ... of STEP, each time from the same state, until it passes unhit. */
static void fail_each_point(const struct step *step)
{
	struct failure_injector *injector = &world->machine->failures;
	struct arena_snapshot *start = arena_save(world->machine->arena, NULL);
	struct state before = observe();
	for (uint64_t n = 1;; n++) {
		uint64_t hits = injector->hits;
		injector->countdown = n;
		int64_t result = step->call();
		injector->countdown = 0;
		if (injector->hits == hits) {
			ck_assert_msg(result == 0, "%s = %d: %s", step->name, (int)result,
				      world_rule(world));
			break;
		}
		failures++;
		const char *point = injector->last;
		bool answered = (step->flags & ANSWER_LAST) && strcmp(point, "copy to user") == 0;
		answered |= (step->flags & LOSES) && strcmp(point, "event") == 0;
		if (result < 0 && !answered) {
			struct state after = observe();
			ck_assert_msg(after.objects == before.objects, "%s, failing %s: objects",
				      step->name, point);
			ck_assert_msg(after.hash == before.hash, "%s, failing %s: state",
				      step->name, point);
			ck_assert_msg(after.lowest_fd == before.lowest_fd, "%s, failing %s: fds",
				      step->name, point);
			ck_assert_msg(after.pinned_vm == before.pinned_vm &&
					      after.locked_vm == before.locked_vm,
				      "%s, failing %s: counters", step->name, point);
			/* A table may have grown; it does not grow again. */
			injector->countdown = n;
			step->call();
			injector->countdown = 0;
			ck_assert_msg(observe().live == after.live, "%s, failing %s leaks",
				      step->name, point);
			/* And the same call then succeeds. */
			result = step->call();
			ck_assert_msg(result == 0, "%s after failing %s = %d", step->name, point,
				      (int)result);
		}
		arena_restore(world->machine->arena, start);
	}
	arena_snapshot_free(start);
}

static void prepare(void)
{
	uint8_t page[PAGE_SIZE] = {1};
	world->process->credentials.cap_ipc_lock = false;
	buffer = world_mmap_aligned(world, BUFFER);
	for (uint64_t at = 0; at < BUFFER; at += PAGE_SIZE)
		world_put(world, buffer + at, page, PAGE_SIZE);
	file = (int)made(world_memfd(world, 4 * PAGE_SIZE));
}

/* Runs the scenario once for the emulator's own tables to grow, then failing every point. */
static void run_scenario(const struct step *steps, size_t count)
{
	prepare();
	for (size_t i = 0; i < count; i++)
		ck_assert_ok(steps[i].call());
	world_sys(world, SYS_CLOSE, (uint64_t)world->fd);
	for (int fd = 5; fd < 16; fd++)
		world_close(world, fd);
	world->fd = (int)made(world_open(world, "/dev/iommu"));
	failures = 0;
	for (size_t i = 0; i < count; i++)
		fail_each_point(&steps[i]);
	ck_assert_uint_gt(failures, 2 * count);
	/* Nothing is left when all is closed. */
	for (int fd = 3; fd < 16; fd++)
		if (fd != file)
			world_close(world, fd);
	world->fd = (int)made(world_open(world, "/dev/iommu"));
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
	ck_assert_uint_eq(world->machine->root_user.locked_vm, 0);
	ck_assert_uint_eq(world->process->mm->pinned_vm, 0);
}

#define RUN_SCENARIO(steps) run_scenario((steps), sizeof(steps) / sizeof((steps)[0]))

START_TEST(failures_without_a_domain_change_nothing)
{
	RUN_SCENARIO(without_domain);
}
END_TEST

START_TEST(failures_with_domains_change_nothing)
{
	RUN_SCENARIO(with_domain);
}
END_TEST

START_TEST(failures_of_change_process_change_nothing)
{
	RUN_SCENARIO(files_only);
}
END_TEST

START_TEST(an_answer_that_fails_leaves_the_mapping)
{
	prepare();
	ck_assert_ok(alloc_ioas());
	/* The points of MAP: size, struct, lookup, memory ..., and last the answer. */
	uint64_t points = world->machine->failures.points;
	ck_assert_ok(map());
	points = world->machine->failures.points - points;
	ck_assert_int_gt(world_unmap_all(world, ioas), 0);
	world->machine->failures.countdown = points;
	ck_assert_refused(map(), EFAULT);
	ck_assert_str_eq(world->machine->failures.last, "copy to user");
	ck_assert_int_eq(world_unmap_all(world, ioas), 4 * PAGE_SIZE);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		failures_without_a_domain_change_nothing,
		failures_with_domains_change_nothing,
		failures_of_change_process_change_nothing,
		an_answer_that_fails_leaves_the_mapping,
	};
	return RUN_TESTS("shim_fail_nth", tests);
}
