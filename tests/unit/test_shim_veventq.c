/* SPDX-License-Identifier: Apache-2.0 */
/* Event queues of vIOMMUs (iommufd 5.6, trace G.4). */
#include <string.h>

#include "tests/kit/fake_iommu.h"
#include "tests/kit/test.h"

static struct viommu_world v;
static int fd;
static uint32_t queue;

static int64_t trigger(void)
{
	struct iommu_test_cmd cmd = {.trigger_vevent = {v.mock.idev}};
	return world_test(world, IOMMU_TEST_OP_TRIGGER_VEVENT, &cmd);
}

/* A device whose virt_id is 0x88, attached to the nested domain, and a queue. */
static void setup(uint32_t depth)
{
	v = world_make_viommu(world);
	uint32_t pt = v.nested;
	made(world_vdevice(world, v.viommu, v.mock.idev, 0x88));
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	queue = made(world_veventq(world, v.viommu, depth, &fd));
}

/* Reads COUNT bytes and compares them with words. */
static void expect_words(uint64_t count, const uint32_t *words, uint64_t size)
{
	uint32_t got[64] = {0};
	ck_assert_int_eq(world_read(world, fd, got, count), (int64_t)size);
	ck_assert_mem_eq(got, words, size);
}

#define EXPECT(count, ...) \
	expect_words((count), (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}))

static int64_t read_bytes(uint64_t count)
{
	uint8_t bytes[256];
	return world_read(world, fd, bytes, count);
}

START_TEST(the_worked_trace_of_the_sheet)
{
	setup(2);
	ck_assert_ok(trigger());
	EXPECT(12, 0, 0, 0x88);
	for (int i = 0; i < 3; i++)
		ck_assert_ok(trigger());
	EXPECT(36, 0, 1, 0x88, 0, 2, 0x88, 1, 3);
	ck_assert_int_eq(read_bytes(36), 0);
	ck_assert_ok(trigger());
	EXPECT(36, 0, 4, 0x88);
}
END_TEST

START_TEST(a_normal_event_takes_the_marker_s_place)
{
	setup(2);
	for (int i = 0; i < 4; i++)
		ck_assert_ok(trigger());
	EXPECT(12, 0, 0, 0x88);
	ck_assert_ok(trigger());
	EXPECT(100, 0, 1, 0x88, 0, 4, 0x88);
	ck_assert_int_eq(read_bytes(100), 0);
}
END_TEST

START_TEST(there_is_one_marker_with_the_latest_number)
{
	setup(1);
	for (int i = 0; i < 5; i++)
		ck_assert_ok(trigger());
	EXPECT(100, 0, 0, 0x88, 1, 4);
	for (int i = 0; i < 2; i++)
		ck_assert_ok(trigger());
	EXPECT(100, 0, 5, 0x88, 1, 6);
}
END_TEST

START_TEST(a_read_must_have_room_for_a_record)
{
	setup(2);
	ck_assert_refused(read_bytes(0), EINVAL);
	ck_assert_refused(read_bytes(7), EINVAL);
	ck_assert_int_eq(read_bytes(8), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_ok(trigger());
	ck_assert_refused(read_bytes(8), EINVAL);
	ck_assert_refused(read_bytes(11), EINVAL);
	/* The second record does not fit any more: it waits. */
	EXPECT(23, 0, 0, 0x88);
	EXPECT(19, 0, 1, 0x88);
	EXPECT(8, 1, 2);
	ck_assert_int_eq(read_bytes(8), 0);
}
END_TEST

START_TEST(an_unwritable_buffer_loses_no_record)
{
	setup(4);
	ck_assert_ok(trigger());
	ck_assert_ok(trigger());
	ck_assert_refused(world_sys(world, SYS_READ, (uint64_t)fd, NOWHERE, 64), EFAULT);
	/* The second record runs off the page. */
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va + PAGE_SIZE, PAGE_SIZE));
	ck_assert_int_eq(world_sys(world, SYS_READ, (uint64_t)fd, va + PAGE_SIZE - 16, 64), 12);
	EXPECT(64, 0, 1, 0x88);
	/* Its place in the queue is free again. */
	for (int i = 0; i < 4; i++)
		ck_assert_ok(trigger());
	EXPECT(64, 0, 2, 0x88, 0, 3, 0x88, 0, 4, 0x88, 0, 5, 0x88);
}
END_TEST

START_TEST(alloc_checks_its_arguments_in_order)
{
	v = world_make_viommu(world);
	struct iommu_veventq_alloc cmd = {.flags = 1, .type = 5};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_VEVENTQ_ALLOC, &cmd), EOPNOTSUPP);
	cmd = (struct iommu_veventq_alloc){.type = 5, .__reserved = 1};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_VEVENTQ_ALLOC, &cmd), EOPNOTSUPP);
	cmd = (struct iommu_veventq_alloc){.veventq_depth = 0};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_VEVENTQ_ALLOC, &cmd), EOPNOTSUPP);
	ck_assert_refused(world_veventq(world, 99, 0, &fd), EINVAL);
	ck_assert_refused(world_veventq(world, 99, (1 << 19) + 1, &fd), EINVAL);
	ck_assert_refused(world_veventq(world, 99, 1 << 19, &fd), ENOENT);
	ck_assert_int_eq(world_veventq(world, v.viommu, 1 << 19, &fd), 8);
	ck_assert_int_eq(fd, 4);
	ck_assert_refused(world_veventq(world, v.viommu, 1, &fd), EEXIST);
	/* Any other type is accepted, one queue each. */
	cmd = (struct iommu_veventq_alloc){.viommu_id = v.viommu, .type = 5, .veventq_depth = 1};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_VEVENTQ_ALLOC, &cmd));
	ck_assert_uint_eq(cmd.out_veventq_id, 9);
	cmd.size = 0;
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_VEVENTQ_ALLOC, &cmd), EEXIST);
}
END_TEST

START_TEST(an_event_needs_a_device_on_a_viommu_and_a_queue)
{
	v = world_make_viommu(world);
	struct iommu_test_cmd cmd = {.trigger_vevent = {99}};
	uint32_t pt = v.nested;
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_TRIGGER_VEVENT, &cmd), ENOENT);
	ck_assert_refused(trigger(), ENOENT);
	made(world_vdevice(world, v.viommu, v.mock.idev, 0x88));
	ck_assert_refused(trigger(), ENOENT);
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	ck_assert_refused(trigger(), EOPNOTSUPP);
	made(world_veventq(world, v.viommu, 2, &fd));
	ck_assert_ok(trigger());
	/* Attached to anything else the device forgets its virt_id. */
	pt = v.ioas;
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	ck_assert_refused(trigger(), ENOENT);
}
END_TEST

START_TEST(a_queue_lives_until_descriptor_and_id_are_gone)
{
	setup(4);
	ck_assert_refused(world_destroy(world, queue), EBUSY);
	ck_assert_ok(trigger());
	ck_assert_ok(world_close(world, fd));
	/* Without a descriptor events still queue. */
	ck_assert_ok(trigger());
	ck_assert_refused(world_destroy(world, v.viommu), EBUSY);
	ck_assert_ok(world_destroy(world, queue));
	ck_assert_refused(trigger(), EOPNOTSUPP);
	ck_assert_int_gt(world_veventq(world, v.viommu, 4, &fd), 0);
	ck_assert_ok(trigger());
	EXPECT(64, 0, 0, 0x88);
}
END_TEST

START_TEST(poll_tells_whether_there_is_a_record)
{
	setup(1);
	uint64_t events = 0x145;
	ck_assert_int_eq(world_sys(world, SYS_POLL, (uint64_t)fd, events, 0), 0);
	ck_assert_ok(trigger());
	ck_assert_int_eq(world_sys(world, SYS_POLL, (uint64_t)fd, events, 0), 1);
	ck_assert_uint_eq(world->call->out, 0x41);
	ck_assert_int_eq(read_bytes(12), 12);
	ck_assert_int_eq(world_sys(world, SYS_POLL, (uint64_t)fd, events, 0), 0);
	ck_assert_refused(world_sys(world, SYS_WRITE, (uint64_t)fd, world->data, 8), EINVAL);
	ck_assert_refused(
		world_sys(world, SYS_MMAP, 0, 4096, PROT_READ_BIT, MAP_SHARED_BIT, (uint64_t)fd, 0),
		ENODEV);
}
END_TEST

START_TEST(the_payload_is_the_low_half_of_virt_id)
{
	v = world_make_viommu(world);
	uint32_t pt = v.nested;
	made(world_vdevice(world, v.viommu, v.mock.idev, 0x1234567889abcdef));
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	made(world_veventq(world, v.viommu, 1, &fd));
	ck_assert_ok(trigger());
	EXPECT(12, 0, 0, 0x89abcdef);
}
END_TEST

START_TEST(a_queue_without_a_free_descriptor_is_emfile)
{
	v = world_make_viommu(world);
	while (world_open(world, "/dev/null") >= 0)
		;
	ck_assert_refused(world_veventq(world, v.viommu, 2, &fd), EMFILE);
	/* Its id, 8, and the vIOMMU are as before. */
	ck_assert_ok(world_close(world, FD_MAX - 1));
	ck_assert_int_eq(world_veventq(world, v.viommu, 2, &fd), 8);
	ck_assert_int_eq(fd, FD_MAX - 1);
}
END_TEST

static struct iommufd_veventq *the_queue(void)
{
	return (struct iommufd_veventq *)world_object(world, queue);
}

START_TEST(alloc_has_the_layout_of_the_sheet)
{
	v = world_make_viommu(world);
	uint8_t good[32] = {32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xef, 0xbe, 0xef, 0xbe, 2};
	uint8_t got[32], flags[32], reserved[32];
	good[8] = (uint8_t)v.viommu;
	good[20] = good[24] = 0x55;
	memcpy(got, good, sizeof(got));
	memcpy(flags, good, sizeof(got));
	memcpy(reserved, good, sizeof(got));
	ck_assert_ok(world_ioctl_sized(world, 0x93, got, 32));
	good[20] = 8;
	good[24] = 4;
	ck_assert_mem_eq(got, good, sizeof(got));
	flags[4] = 1;
	ck_assert_refused(world_ioctl_sized(world, 0x93, flags, 32), EOPNOTSUPP);
	reserved[28] = 1;
	ck_assert_refused(world_ioctl_sized(world, 0x93, reserved, 32), EOPNOTSUPP);
	queue = 8;
	ck_assert_uint_eq(the_queue()->depth, 2);
	ck_assert_uint_eq(the_queue()->type, 0xbeefbeef);
}
END_TEST

START_TEST(records_are_bytes_without_gaps)
{
	setup(2);
	static const uint8_t expected[32] = {0, 0, 0, 0, 0,    0, 0, 0, 0x88, 0, 0, 0, 0, 0, 0, 0,
					     1, 0, 0, 0, 0x88, 0, 0, 0, 1,    0, 0, 0, 2, 0, 0, 0};
	uint8_t bytes[64];
	for (int i = 0; i < 3; i++)
		ck_assert_ok(trigger());
	ck_assert_int_eq(world_read(world, fd, bytes, sizeof(bytes)), sizeof(expected));
	ck_assert_mem_eq(bytes, expected, sizeof(expected));
}
END_TEST

START_TEST(the_descriptor_is_the_lowest_free_anonymous_file)
{
	setup(2);
	ck_assert_int_eq(fd, 4);
	const struct file *file = fd_file(world->process, fd);
	ck_assert_uint_eq(file->flags, O_RDWR_BIT | O_CLOEXEC_BIT);
	ck_assert_str_eq(file->ops->name, "[iommufd-viommu-event]");
}
END_TEST

START_TEST(a_queue_without_memory_or_descriptor_is_undone)
{
	v = world_make_viommu(world);
	static const char *const points[] = {"object", "object id", "file"};
	int last = -1;
	for (int i = 0; i < 3; i++) {
		machine_fail_nth(world->machine, 1, points[i]);
		ck_assert_refused(world_veventq(world, v.viommu, 1, &fd), ENOMEM);
		machine_fail_nth(world->machine, 0, NULL);
	}
	for (int64_t more; (more = world_open(world, "/dev/zero")) >= 0;)
		last = (int)more;
	ck_assert_refused(world_veventq(world, v.viommu, 1, &fd), EMFILE);
	ck_assert_ok(world_close(world, last));
	ck_assert_int_eq(world_veventq(world, v.viommu, 1, &fd), 8);
	ck_assert_int_eq(fd, last);
}
END_TEST

START_TEST(an_answer_that_can_not_be_written_undoes_the_queue)
{
	v = world_make_viommu(world);
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = v.viommu, .type = 0xbeefbeef, .veventq_depth = 1};
	world_put(world, ro, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_VEVENTQ_ALLOC), ro), EFAULT);
	ck_assert_int_eq(world_veventq(world, v.viommu, 1, &fd), 8);
	ck_assert_int_eq(fd, 4);
}
END_TEST

START_TEST(a_record_without_memory_is_a_lost_one)
{
	setup(4);
	ck_assert_ok(trigger());
	machine_fail_nth(world->machine, 1, "event");
	ck_assert_refused(trigger(), ENOMEM);
	machine_fail_nth(world->machine, 0, NULL);
	EXPECT(64, 0, 0, 0x88, 1, 1);
	ck_assert_ok(trigger());
	EXPECT(64, 0, 2, 0x88);
}
END_TEST

START_TEST(sequence_numbers_have_31_bits)
{
	setup(4);
	the_queue()->sequence = 0x7ffffffe;
	for (int i = 0; i < 3; i++)
		ck_assert_ok(trigger());
	EXPECT(64, 0, 0x7ffffffe, 0x88, 0, 0x7fffffff, 0x88, 0, 0, 0x88);
}
END_TEST

START_TEST(a_read_returns_whole_records_only)
{
	setup(4);
	for (int i = 0; i < 3; i++)
		ck_assert_ok(trigger());
	/* 4 bytes are left, not even a header. */
	EXPECT(16, 0, 0, 0x88);
	EXPECT(24, 0, 1, 0x88, 0, 2, 0x88);
	ck_assert_int_eq(read_bytes(24), 0);
}
END_TEST

START_TEST(a_marker_that_can_not_be_copied_stays)
{
	setup(1);
	ck_assert_ok(trigger());
	ck_assert_ok(trigger());
	EXPECT(12, 0, 0, 0x88);
	ck_assert_refused(world_sys(world, SYS_READ, (uint64_t)fd, NOWHERE, 8), EFAULT);
	EXPECT(8, 1, 1);
	ck_assert_int_eq(read_bytes(8), 0);
}
END_TEST

START_TEST(a_header_is_not_delivered_without_its_payload)
{
	setup(2);
	ck_assert_ok(trigger());
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va + PAGE_SIZE, PAGE_SIZE));
	ck_assert_refused(world_sys(world, SYS_READ, (uint64_t)fd, va + PAGE_SIZE - 8, 12), EFAULT);
	EXPECT(64, 0, 0, 0x88);
}
END_TEST

START_TEST(the_descriptor_takes_neither_writes_nor_mappings)
{
	setup(1);
	ck_assert_refused(world_sys(world, SYS_WRITE, (uint64_t)fd, world->data, 8), EINVAL);
	ck_assert_refused(
		world_sys(world, SYS_MMAP, 0, 4096, PROT_READ_BIT, MAP_SHARED_BIT, (uint64_t)fd, 0),
		ENODEV);
}
END_TEST

START_TEST(a_queue_s_descriptor_keeps_the_context)
{
	setup(1);
	uint64_t buffer = world_mmap_aligned(world, PAGE_SIZE);
	ck_assert_ok(world_map_at(world, v.ioas, buffer, PAGE_SIZE, APERTURE));
	ck_assert_ok(world_close(world, world->fd));
	world->fd = (int)made(world_open(world, "/dev/iommu"));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_ok(world_close(world, fd));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
}
END_TEST

START_TEST(events_queue_without_a_descriptor)
{
	setup(4);
	ck_assert_ok(trigger());
	ck_assert_ok(world_close(world, fd));
	ck_assert_uint_eq(the_queue()->stored, 1);
	ck_assert_ok(trigger());
	ck_assert_uint_eq(the_queue()->stored, 2);
}
END_TEST

START_TEST(each_viommu_has_a_queue_of_each_type)
{
	setup(4);
	uint32_t second = made(world_viommu(world, v.mock.idev, v.parent));
	int other;
	made(world_veventq(world, second, 4, &other));
	ck_assert_ok(trigger());
	int mine = fd;
	fd = other;
	ck_assert_int_eq(read_bytes(64), 0);
	fd = mine;
	ck_assert_int_eq(read_bytes(64), 12);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_worked_trace_of_the_sheet,
		a_normal_event_takes_the_marker_s_place,
		there_is_one_marker_with_the_latest_number,
		a_read_must_have_room_for_a_record,
		an_unwritable_buffer_loses_no_record,
		alloc_checks_its_arguments_in_order,
		an_event_needs_a_device_on_a_viommu_and_a_queue,
		a_queue_lives_until_descriptor_and_id_are_gone,
		poll_tells_whether_there_is_a_record,
		the_payload_is_the_low_half_of_virt_id,
		a_queue_without_a_free_descriptor_is_emfile,
		alloc_has_the_layout_of_the_sheet,
		records_are_bytes_without_gaps,
		the_descriptor_is_the_lowest_free_anonymous_file,
		a_queue_without_memory_or_descriptor_is_undone,
		an_answer_that_can_not_be_written_undoes_the_queue,
		a_record_without_memory_is_a_lost_one,
		sequence_numbers_have_31_bits,
		a_read_returns_whole_records_only,
		a_marker_that_can_not_be_copied_stays,
		a_header_is_not_delivered_without_its_payload,
		the_descriptor_takes_neither_writes_nor_mappings,
		a_queue_s_descriptor_keeps_the_context,
		events_queue_without_a_descriptor,
		each_viommu_has_a_queue_of_each_type,
	};
	return RUN_TESTS("shim_veventq", tests);
}
