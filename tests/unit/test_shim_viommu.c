/* SPDX-License-Identifier: Apache-2.0 */
/* vIOMMUs, vDEVICEs and the mmap regions (iommufd 5.1, 5.3, 5.9, 7.6). */
#include <stdio.h>
#include <string.h>

#include "tests/kit/fake_iommu.h"
#include "tests/kit/test.h"

#define TYPE 0xdeadbeefU

static struct viommu_world v;

static void setup(void)
{
	v = world_make_viommu(world);
}

static int64_t viommu(struct iommu_viommu_alloc cmd)
{
	return world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd);
}

/* SIZE literal bytes, read back. */
static int64_t raw(uint32_t nr, uint32_t *words, uint32_t size)
{
	world_put(world, world->args, words, size);
	int64_t result = world_ioctl_raw(world, IOMMUFD_IO(nr), world->args);
	world_get(world, world->args, words, size);
	return result;
}

/* The call from a page that can be read and not written. */
static int64_t from_read_only(uint32_t nr, const void *cmd, uint32_t size)
{
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	world_put(world, ro, cmd, size);
	return world_ioctl_raw(world, IOMMUFD_IO(nr), ro);
}

/* The call while the NTH allocation named WHAT fails. */
#define WITHOUT(nth, what, call) \
	(machine_fail_nth(world->machine, (nth), (what)), end_failing(call))

static int64_t end_failing(int64_t result)
{
	ck_assert_uint_eq(world->machine->failures.countdown, 0);
	return result;
}

static uint32_t users(uint32_t id)
{
	return world_object(world, id)->users;
}

#define VIOMMU(...) viommu((struct iommu_viommu_alloc){__VA_ARGS__})

START_TEST(alloc_checks_its_arguments_in_order)
{
	setup();
	ck_assert_refused(VIOMMU(.flags = 1, .type = TYPE), EOPNOTSUPP);
	ck_assert_refused(VIOMMU(.type = 0, .dev_id = 99), EOPNOTSUPP);
	ck_assert_refused(VIOMMU(.type = 1, .dev_id = 99), ENOENT);
	ck_assert_refused(VIOMMU(.type = 1, .dev_id = v.mock.idev, .hwpt_id = 99), EOPNOTSUPP);
	ck_assert_refused(VIOMMU(.type = TYPE, .dev_id = v.mock.idev, .hwpt_id = 99), ENOENT);
	ck_assert_refused(VIOMMU(.type = TYPE, .dev_id = v.mock.idev, .hwpt_id = v.nested), ENOENT);
	ck_assert_refused(VIOMMU(.type = TYPE, .dev_id = v.mock.idev, .hwpt_id = v.mock.hwpt),
			  EINVAL);
	ck_assert_ok(
		VIOMMU(.type = TYPE, .dev_id = v.mock.idev, .hwpt_id = v.parent, .__reserved = 7));
	/* Any number on one parent. */
	ck_assert_int_eq(world_viommu(world, v.mock.idev, v.parent), 9);
}
END_TEST

START_TEST(the_bytes_of_alloc_are_the_sheet_s)
{
	setup();
	struct iommu_viommu_selftest data = {.in_data = 0x77};
	uint64_t va = world_data(world, &data, sizeof(data));
	uint32_t words[10] = {40, 0,  TYPE,       v.mock.idev,  v.parent,
			      0,  24, 0xffffffff, (uint32_t)va, (uint32_t)(va >> 32)};
	ck_assert_ok(raw(IOMMUFD_NR_VIOMMU_ALLOC, words, 40));
	ck_assert_uint_eq(words[5], 8);
	world_get(world, va, &data, sizeof(data));
	ck_assert_uint_eq(data.out_data, 0x77);
	words[1] = 1;
	ck_assert_refused(raw(IOMMUFD_NR_VIOMMU_ALLOC, words, 40), EOPNOTSUPP);
}
END_TEST

START_TEST(neither_a_plain_nor_an_automatic_hwpt_is_a_nest_parent)
{
	setup();
	uint32_t plain = made(world_hwpt(world, v.mock.idev, v.ioas, 0));
	ck_assert_refused(world_viommu(world, v.mock.idev, plain), EINVAL);
	ck_assert_refused(world_viommu(world, v.mock.idev, v.mock.hwpt), EINVAL);
	ck_assert_uint_eq(users(plain), 1);
}
END_TEST

START_TEST(without_memory_there_is_no_viommu)
{
	setup();
	ck_assert_refused(WITHOUT(1, "object", world_viommu(world, v.mock.idev, v.parent)), ENOMEM);
	ck_assert_refused(WITHOUT(1, "object id", world_viommu(world, v.mock.idev, v.parent)),
			  ENOMEM);
	ck_assert_uint_eq(users(v.parent), 2);
	ck_assert_int_eq(world_viommu(world, v.mock.idev, v.parent), 8);
	ck_assert_uint_eq(users(v.parent), 3);
}
END_TEST

START_TEST(a_viommu_that_can_not_be_answered_is_undone)
{
	setup();
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd), .type = TYPE, .dev_id = v.mock.idev, .hwpt_id = v.parent};
	ck_assert_refused(from_read_only(IOMMUFD_NR_VIOMMU_ALLOC, &cmd, sizeof(cmd)), EFAULT);
	ck_assert_uint_eq(users(v.parent), 2);
	ck_assert_int_eq(world_viommu(world, v.mock.idev, v.parent), 8);
}
END_TEST

START_TEST(a_parent_may_have_any_number_of_viommus)
{
	setup();
	for (uint32_t i = 0; i < 40; i++)
		ck_assert_int_eq(world_viommu(world, v.mock.idev, v.parent), 8 + i);
	ck_assert_uint_eq(users(v.parent), 42);
	ck_assert_refused(world_destroy(world, v.parent), EBUSY);
}
END_TEST

static int64_t with_data(uint32_t length, struct iommu_viommu_selftest *data, uint32_t *id)
{
	struct iommu_viommu_alloc cmd = {.type = TYPE,
					 .dev_id = v.mock.idev,
					 .hwpt_id = v.parent,
					 .data_len = length,
					 .data_uptr = world_data(world, data, sizeof(*data))};
	int64_t error = world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd);
	world_get(world, world->data, data, sizeof(*data));
	*id = cmd.out_viommu_id;
	return error;
}

START_TEST(data_comes_back_as_far_as_it_is_asked_for)
{
	setup();
	uint32_t id;
	struct iommu_viommu_selftest data = {.in_data = 0x1234};
	ck_assert_refused(with_data(7, &data, &id), EINVAL);
	ck_assert_refused(with_data(25, &data, &id), EINVAL);
	ck_assert_ok(with_data(8, &data, &id));
	ck_assert_uint_eq(data.out_data, 0x1234);
	ck_assert_uint_eq(data.out_mmap_offset, 0);
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_uint_eq(data.out_mmap_offset, 0x3000);
	ck_assert_uint_eq(data.out_mmap_length, 0x2000);
	ck_assert_refused(VIOMMU(.type = TYPE, .dev_id = v.mock.idev, .hwpt_id = v.parent,
				 .data_len = 8, .data_uptr = NOWHERE),
			  EFAULT);
	/* What can't be written back is undone: the next region is at 0x5000. */
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	ck_assert_refused(VIOMMU(.type = TYPE, .dev_id = v.mock.idev, .hwpt_id = v.parent,
				 .data_len = 24, .data_uptr = ro),
			  EFAULT);
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_uint_eq(data.out_mmap_offset, 0x5000);
	ck_assert_uint_eq(id, 10);
}
END_TEST

START_TEST(freed_regions_are_used_again_lowest_first)
{
	setup();
	uint32_t ids[3], id;
	struct iommu_viommu_selftest data = {0};
	for (int i = 0; i < 3; i++)
		ck_assert_ok(with_data(24, &data, &ids[i]));
	ck_assert_ok(world_destroy(world, ids[1]));
	ck_assert_ok(world_destroy(world, ids[0]));
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_uint_eq(data.out_mmap_offset, 0x1000);
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_uint_eq(data.out_mmap_offset, 0x3000);
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_uint_eq(data.out_mmap_offset, 0x7000);
}
END_TEST

static int64_t map_at(uint64_t length, uint32_t prot, uint32_t flags, uint64_t offset)
{
	return world_sys(world, SYS_MMAP, 0, length, prot, flags, (uint64_t)world->fd, offset);
}

START_TEST(mmap_takes_exactly_one_region_shared_and_not_executable)
{
	setup();
	uint32_t id, shown = 0;
	struct iommu_viommu_selftest data = {.in_data = 0xabcd};
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_refused(map_at(0x2000, PROT_RW, MAP_PRIVATE_BIT, 0x1000), EINVAL);
	ck_assert_refused(map_at(0x2000, PROT_RW | PROT_EXEC_BIT, MAP_SHARED_BIT, 0x1000), EPERM);
	ck_assert_refused(map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0), ENXIO);
	ck_assert_refused(map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x5000), ENXIO);
	ck_assert_refused(map_at(0x1000, PROT_RW, MAP_SHARED_BIT, 0x1000), ENXIO);
	ck_assert_refused(map_at(0x4000, PROT_RW, MAP_SHARED_BIT, 0x1000), ENXIO);
	ck_assert_refused(map_at(0x1000, PROT_RW, MAP_SHARED_BIT, 0x2000), ENXIO);
	ck_assert_refused(map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x2000), ENXIO);
	ck_assert_refused(map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x1800), EINVAL);
	/* A length is rounded up before the driver sees it. */
	int64_t va = map_at(0x1001, PROT_READ_BIT, MAP_SHARED_BIT, 0x1000);
	ck_assert_int_gt(va, 0);
	world_get(world, (uint64_t)va, &shown, sizeof(shown));
	ck_assert_uint_eq(shown, 0xabcd);
}
END_TEST

START_TEST(the_mm_checks_a_mapping_first)
{
	setup();
	uint32_t id;
	struct iommu_viommu_selftest data = {0};
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_refused(map_at(0, PROT_RW, MAP_SHARED_BIT, 0x1000), EINVAL);
	ck_assert_refused(map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x1001), EINVAL);
	/* Shared and writable needs a descriptor that is both. */
	struct world reader = *world;
	snprintf(world->call->path, sizeof(world->call->path), "/dev/iommu");
	reader.fd = (int)made(world_sys(world, SYS_OPEN, 0, 0));
	ck_assert_refused(world_sys(&reader, SYS_MMAP, 0, 0x2000, PROT_RW, MAP_SHARED_BIT,
				    (uint64_t)reader.fd, 0x1000),
			  EACCES);
	ck_assert_refused(world_sys(&reader, SYS_MMAP, 0, 0x2000, PROT_READ_BIT, MAP_SHARED_BIT,
				    (uint64_t)reader.fd, 0x1000),
			  ENXIO);
}
END_TEST

START_TEST(mmap_checks_come_in_order)
{
	setup();
	uint32_t id;
	struct iommu_viommu_selftest data = {0};
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_refused(map_at(0x2000, PROT_RW | PROT_EXEC_BIT, MAP_PRIVATE_BIT, 0), EINVAL);
	ck_assert_str_eq(world_rule(world), "iommufd 5.9 2");
	ck_assert_refused(map_at(0x2000, PROT_RW | PROT_EXEC_BIT, MAP_SHARED_BIT, 0), EPERM);
	ck_assert_refused(map_at(0x1000, PROT_RW, MAP_SHARED_BIT, 0), ENXIO);
	ck_assert_str_eq(world_rule(world), "iommufd 5.9 4");
	ck_assert_refused(map_at(0x1000, PROT_RW, MAP_SHARED_BIT, 0x2000), ENXIO);
	ck_assert_str_eq(world_rule(world), "iommufd 5.9 5");
	/* None of them leaves a user. */
	ck_assert_ok(world_destroy(world, id));
}
END_TEST

START_TEST(each_mapping_begins_at_the_start_of_its_region)
{
	setup();
	uint32_t id, shown = 0;
	struct iommu_viommu_selftest data = {.in_data = 1};
	ck_assert_ok(with_data(24, &data, &id));
	data.in_data = 2;
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_uint_eq(data.out_mmap_offset, 0x3000);
	int64_t va = map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x3000);
	ck_assert_int_gt(va, 0);
	world_get(world, (uint64_t)va, &shown, sizeof(shown));
	ck_assert_uint_eq(shown, 2);
	world_get(world, (uint64_t)va + PAGE_SIZE, &shown, sizeof(shown));
	ck_assert_uint_eq(shown, 0);
	/* Twice is fine. */
	ck_assert_int_gt(map_at(0x2000, PROT_READ_BIT, MAP_SHARED_BIT, 0x3000), 0);
}
END_TEST

START_TEST(a_mapping_that_fails_leaves_no_user)
{
	setup();
	uint32_t id;
	struct iommu_viommu_selftest data = {0};
	ck_assert_ok(with_data(24, &data, &id));
	/* Below the lowest address that may be mapped. */
	ck_assert_int_lt(world_sys(world, SYS_MMAP, TASK_SIZE, 0x2000, PROT_RW,
				   MAP_SHARED_BIT | MAP_FIXED_BIT, (uint64_t)world->fd, 0x1000),
			 0);
	ck_assert_uint_eq(users(id), 1);
	ck_assert_ok(world_destroy(world, id));
}
END_TEST

START_TEST(a_region_whose_viommu_is_going_is_enxio)
{
	setup();
	uint32_t id;
	struct iommu_viommu_selftest data = {0};
	ck_assert_ok(with_data(24, &data, &id));
	struct iommu_destroy destroy = {.id = id};
	struct flight going, mapping = {.world = world, .thread = thread_new(world->process)};
	world_stepwise(world, true);
	flight_start(&going, world, 0, IOMMUFD_NR_DESTROY, &destroy);
	ck_assert(flight_until(&going, "object removed"));
	mapping.call = arena_new(world->machine->arena, struct syscall);
	*mapping.call = (struct syscall){
		.number = SYS_MMAP,
		.args = {0, 0x2000, PROT_RW, MAP_SHARED_BIT, (uint64_t)world->fd, 0x1000}};
	ck_assert(syscall_start(mapping.thread, mapping.call));
	while (flight_step(&mapping))
		;
	ck_assert(mapping.call->done);
	ck_assert_refused(mapping.call->result, ENXIO);
	ck_assert_ok(flight_finish(&going));
}
END_TEST

START_TEST(a_mapped_region_keeps_its_viommu)
{
	setup();
	uint32_t id;
	struct iommu_viommu_selftest data = {0};
	ck_assert_ok(with_data(24, &data, &id));
	uint64_t va = (uint64_t)map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x1000);
	ck_assert_refused(world_destroy(world, id), EBUSY);
	/* Each VMA counts: split in two, and again by fork. */
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va, 0x1000));
	ck_assert_refused(world_destroy(world, id), EBUSY);
	struct world *child = world_fork(world);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va + 0x1000, 0x1000));
	ck_assert_refused(world_destroy(world, id), EBUSY);
	world_exit(child);
	ck_assert_ok(world_destroy(world, id));
}
END_TEST

START_TEST(a_mapping_keeps_the_context_open)
{
	setup();
	uint32_t id;
	struct iommu_viommu_selftest data = {0};
	uint64_t buffer = world_mmap_aligned(world, PAGE_SIZE);
	ck_assert_ok(with_data(24, &data, &id));
	ck_assert_ok(world_map_at(world, v.ioas, buffer, PAGE_SIZE, APERTURE));
	uint64_t va = (uint64_t)map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x1000);
	ck_assert_ok(world_close(world, world->fd));
	world->fd = (int)made(world_open(world, "/dev/iommu"));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va, 0x2000));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
}
END_TEST

START_TEST(registers_can_not_be_pinned)
{
	setup();
	uint32_t id;
	struct iommu_viommu_selftest data = {0};
	ck_assert_ok(with_data(24, &data, &id));
	uint64_t va = (uint64_t)map_at(0x2000, PROT_RW, MAP_SHARED_BIT, 0x1000);
	ck_assert_refused(world_map_at(world, v.ioas, va, PAGE_SIZE, APERTURE), EFAULT);
}
END_TEST

START_TEST(vdevice_checks_its_arguments_in_order)
{
	setup();
	struct mock other;
	uint32_t second = made(world_viommu(world, v.mock.idev, v.parent));
	ck_assert_ok(world_mock(world, v.ioas, 0, &other));
	ck_assert_refused(world_vdevice(world, 99, 99, 1), ENOENT);
	ck_assert_refused(world_vdevice(world, v.viommu, 99, 1), ENOENT);
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 0));
	/* One a device, on whatever vIOMMU; one a virt_id on each. */
	ck_assert_refused(world_vdevice(world, v.viommu, v.mock.idev, 1), EEXIST);
	ck_assert_refused(world_vdevice(world, second, v.mock.idev, 1), EEXIST);
	ck_assert_refused(world_vdevice(world, v.viommu, other.idev, 0), EEXIST);
	ck_assert_str_eq(world_rule(world), "iommufd 5.3 9");
	ck_assert_int_gt(world_vdevice(world, second, other.idev, 0), 0);
	ck_assert_ok(world_destroy(world, vdevice));
	ck_assert_int_eq(world_vdevice(world, v.viommu, v.mock.idev, UINT64_MAX), vdevice);
}
END_TEST

START_TEST(the_bytes_of_vdevice_alloc_are_the_sheet_s)
{
	setup();
	struct mock other;
	ck_assert_ok(world_mock(world, v.ioas, 0, &other));
	uint32_t words[6] = {24, v.viommu, v.mock.idev, 0, 5, 1};
	ck_assert_ok(raw(IOMMUFD_NR_VDEVICE_ALLOC, words, 24));
	ck_assert_uint_eq(words[3], other.idev + 1);
	ck_assert_refused(world_vdevice(world, v.viommu, other.idev, 1ULL << 32 | 5), EEXIST);
	/* All 64 bits count. */
	made(world_vdevice(world, v.viommu, other.idev, 5));
}
END_TEST

START_TEST(without_memory_there_is_no_vdevice)
{
	static const char *const points[] = {"object", "object id", "virt_id slot"};
	setup();
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_refused(
			WITHOUT(1, points[i], world_vdevice(world, v.viommu, v.mock.idev, 5)),
			ENOMEM);
	/* The viommu fixture's nested HWPT is its only other user. */
	ck_assert_uint_eq(users(v.viommu), 2);
	ck_assert_int_eq(world_vdevice(world, v.viommu, v.mock.idev, 5), 8);
	ck_assert_uint_eq(users(v.viommu), 3);
}
END_TEST

START_TEST(a_vdevice_goes_with_its_device)
{
	setup();
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	ck_assert_refused(world_destroy(world, v.viommu), EBUSY);
	ck_assert_ok(world_destroy(world, v.mock.stdev));
	ck_assert_refused(world_destroy(world, vdevice), ENOENT);
	ck_assert_uint_eq(users(v.viommu), 2);
	/* Its virt_id is free; its id is not. */
	struct mock other;
	ck_assert_ok(world_mock(world, v.ioas, 0, &other));
	ck_assert_int_eq(world_vdevice(world, v.viommu, other.idev, 5), vdevice + 1);
}
END_TEST

START_TEST(the_mock_remembers_the_id_of_a_destroyed_vdevice)
{
	setup();
	int queue;
	uint32_t pt = v.nested, record[3] = {0};
	made(world_veventq(world, v.viommu, 4, &queue));
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 0x55));
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	ck_assert_ok(world_destroy(world, vdevice));
	struct iommu_test_cmd cmd = {.trigger_vevent = {v.mock.idev}};
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_TRIGGER_VEVENT, &cmd));
	ck_assert_int_eq(world_read(world, queue, record, 12), 12);
	ck_assert_uint_eq(record[2], 0x55);
}
END_TEST

START_TEST(what_is_on_a_viommu_keeps_it_and_it_its_parent)
{
	setup();
	int queue;
	uint64_t buffer = world_mmap_aligned(world, PAGE_SIZE);
	ck_assert_ok(world_map_at(world, v.ioas, buffer, PAGE_SIZE, APERTURE));
	ck_assert_refused(world_destroy(world, v.viommu), EBUSY);
	ck_assert_ok(world_destroy(world, v.nested));
	uint32_t last = made(world_veventq(world, v.viommu, 1, &queue));
	ck_assert_refused(world_destroy(world, v.viommu), EBUSY);
	ck_assert_ok(world_close(world, queue));
	ck_assert_ok(world_destroy(world, last));
	last = made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	ck_assert_refused(world_destroy(world, v.viommu), EBUSY);
	ck_assert_ok(world_destroy(world, last));
	last = made(world_hw_queue(world, v.viommu, 0, APERTURE, PAGE_SIZE));
	ck_assert_refused(world_destroy(world, v.viommu), EBUSY);
	ck_assert_ok(world_destroy(world, last));
	ck_assert_refused(world_destroy(world, v.parent), EBUSY);
	ck_assert_ok(world_destroy(world, v.viommu));
	ck_assert_ok(world_destroy(world, v.parent));
}
END_TEST

START_TEST(a_failed_vdevice_leaves_nothing_behind)
{
	setup();
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = v.viommu, .dev_id = v.mock.idev, .virt_id = 5};
	ck_assert_refused(from_read_only(IOMMUFD_NR_VDEVICE_ALLOC, &cmd, sizeof(cmd)), EFAULT);
	ck_assert_int_eq(world_vdevice(world, v.viommu, v.mock.idev, 5), 8);
	ck_assert_ok(world_destroy(world, 8));
	ck_assert_ok(world_destroy(world, v.nested));
	ck_assert_ok(world_destroy(world, v.viommu));
}
END_TEST

START_TEST(a_nested_domain_on_a_viommu_needs_a_vdevice_to_attach)
{
	setup();
	struct mock other;
	uint32_t pt = v.nested, second = made(world_viommu(world, v.mock.idev, v.parent));
	ck_assert_refused(world_replace(world, v.mock.stdev, &pt), ENOENT);
	made(world_vdevice(world, second, v.mock.idev, 5));
	ck_assert_refused(world_replace(world, v.mock.stdev, &pt), ENOENT);
	ck_assert_ok(world_destroy(world, second + 1));
	uint32_t vdevice = made(world_vdevice(world, v.viommu, v.mock.idev, 5));
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	/* It may go while the domain is attached. */
	ck_assert_ok(world_destroy(world, vdevice));
	ck_assert_refused(world_mock(world, v.nested, 0, &other), ENOENT);
	ck_assert_ok(world_destroy(world, v.mock.stdev));
}
END_TEST

START_TEST(a_vdevice_of_another_iommu_s_device_is_refused)
{
	setup();
	int fd;
	struct fake_device *device = fake_device_new(fake_iommu_new(world->machine));
	uint32_t dev = made(world_bind(world, &device->device, &fd));
	ck_assert_refused(world_vdevice(world, v.viommu, dev, 1), EINVAL);
	/* After both lookups, and before the device's own vDEVICE would be in the way. */
	ck_assert_refused(world_vdevice(world, 99, dev, 1), ENOENT);
	ck_assert_int_eq(world_vdevice(world, v.viommu, v.mock.idev, 1), dev + 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		alloc_checks_its_arguments_in_order,
		the_bytes_of_alloc_are_the_sheet_s,
		neither_a_plain_nor_an_automatic_hwpt_is_a_nest_parent,
		without_memory_there_is_no_viommu,
		a_viommu_that_can_not_be_answered_is_undone,
		a_parent_may_have_any_number_of_viommus,
		data_comes_back_as_far_as_it_is_asked_for,
		freed_regions_are_used_again_lowest_first,
		mmap_takes_exactly_one_region_shared_and_not_executable,
		the_mm_checks_a_mapping_first,
		mmap_checks_come_in_order,
		each_mapping_begins_at_the_start_of_its_region,
		a_mapping_that_fails_leaves_no_user,
		a_region_whose_viommu_is_going_is_enxio,
		a_mapped_region_keeps_its_viommu,
		a_mapping_keeps_the_context_open,
		registers_can_not_be_pinned,
		vdevice_checks_its_arguments_in_order,
		the_bytes_of_vdevice_alloc_are_the_sheet_s,
		without_memory_there_is_no_vdevice,
		a_vdevice_goes_with_its_device,
		the_mock_remembers_the_id_of_a_destroyed_vdevice,
		what_is_on_a_viommu_keeps_it_and_it_its_parent,
		a_failed_vdevice_leaves_nothing_behind,
		a_nested_domain_on_a_viommu_needs_a_vdevice_to_attach,
		a_vdevice_of_another_iommu_s_device_is_refused,
	};
	return RUN_TESTS("shim_viommu", tests);
}
