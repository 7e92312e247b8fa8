/* SPDX-License-Identifier: Apache-2.0 */
/* Fault queues: delivery, reading, answering (iommufd 5.7, 4.6, trace G.5). */
#include <string.h>

#include "tests/kit/fake_iommu.h"
#include "tests/kit/test.h"

#define FAULT  IOMMU_HWPT_FAULT_ID_VALID
#define PASID  IOMMU_HWPT_ALLOC_PASID
#define RECORD 40U

static uint32_t ioas, parent, fault, hwpt;
static struct mock mock;
static int fd;

/* A fault-capable nested HWPT on the RID of a PASID device. */
static void setup(void)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_PASID, &mock));
	parent = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT));
	fault = made(world_fault(world, &fd));
	hwpt = made(world_nested(world, mock.idev, parent, FAULT | PASID, fault, 1));
	uint32_t pt = hwpt;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
}

static struct iommu_hwpt_pgfault records[8];

static int64_t read_records(uint32_t count)
{
	memset(records, 0, sizeof(records));
	return world_read(world, fd, records, count * RECORD);
}

static int64_t answer(uint32_t cookie, uint32_t code)
{
	struct iommu_hwpt_page_response response = {cookie, code};
	return world_write(world, fd, &response, sizeof(response));
}

/* Trace G.5. */
START_TEST(the_worked_trace_of_the_sheet)
{
	setup();
	ck_assert_ok(world_iopf(world, mock.idev, 1, 2));
	ck_assert_int_eq(read_records(1), RECORD);
	ck_assert_uint_eq(records[0].flags, 3);
	ck_assert_uint_eq(records[0].dev_id, mock.idev);
	ck_assert_uint_eq(records[0].pasid, 1);
	ck_assert_uint_eq(records[0].grpid, 2);
	ck_assert_uint_eq(records[0].perm, 3);
	ck_assert_uint_eq(records[0].__reserved, 0);
	ck_assert_uint_eq(records[0].addr, 0xdeadbeaf);
	ck_assert_uint_eq(records[0].length, 0);
	ck_assert_uint_eq(records[0].cookie, 1);
	ck_assert_refused(answer(1, 2), EINVAL);
	ck_assert_int_eq(answer(1, 0), 8);
	ck_assert_refused(answer(1, 0), EINVAL);
	ck_assert_refused(answer(5, 7), EINVAL);
	ck_assert_ok(world_iopf(world, mock.idev, 0, 2));
	ck_assert_int_eq(read_records(1), RECORD);
	ck_assert_uint_eq(records[0].flags, 2);
	ck_assert_uint_eq(records[0].cookie, 1);
}
END_TEST

START_TEST(a_paging_hwpt_takes_no_faults_of_other_pasids)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	fault = made(world_fault(world, &fd));
	struct iommu_hwpt_alloc cmd = {
		.flags = FAULT, .dev_id = mock.idev, .pt_id = ioas, .fault_id = fault};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd));
	/* Before it is attached nothing is delivered; the call is still 0. */
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_int_eq(read_records(1), 0);
	uint32_t pt = cmd.out_hwpt_id;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_ok(world_iopf(world, mock.idev, 1, 1));
	ck_assert_int_eq(read_records(1), 0);
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_int_eq(read_records(1), RECORD);
	ck_assert_refused(world_iopf(world, 99, 0, 1), ENOENT);
}
END_TEST

START_TEST(cookies_are_the_lowest_free_numbers)
{
	setup();
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_ok(world_iopf(world, mock.idev, 0, i));
	ck_assert_int_eq(read_records(3), 3 * RECORD);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(records[i].cookie, i + 1);
		ck_assert_uint_eq(records[i].grpid, i);
	}
	ck_assert_int_eq(answer(2, 1), 8);
	ck_assert_int_eq(read_records(4), RECORD);
	ck_assert_uint_eq(records[0].cookie, 2);
	ck_assert_uint_eq(records[0].grpid, 3);
	/* Not yet delivered, or delivered before: no such cookie. */
	ck_assert_refused(answer(0, 0), EINVAL);
	ck_assert_refused(answer(4, 0), EINVAL);
	/* Several answers; the first bad one ends the write. */
	struct iommu_hwpt_page_response many[4] = {{1, 0}, {3, 1}, {3, 0}, {2, 0}};
	ck_assert_int_eq(world_write(world, fd, many, sizeof(many)), 16);
	ck_assert_int_eq(answer(2, 0), 8);
}
END_TEST

START_TEST(counts_must_be_whole_records)
{
	setup();
	ck_assert_int_eq(read_records(0), 0);
	ck_assert_refused(world_read(world, fd, records, 39), ESPIPE);
	ck_assert_refused(world_read(world, fd, records, 41), ESPIPE);
	ck_assert_refused(world_write(world, fd, records, 7), ESPIPE);
	ck_assert_refused(world_write(world, fd, records, 12), ESPIPE);
	ck_assert_int_eq(world_write(world, fd, records, 0), 0);
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	/* Nothing fits: EINVAL, but only now that there is a fault. */
	ck_assert_refused(read_records(0), EINVAL);
	ck_assert_refused(world_sys(world, SYS_READ, (uint64_t)fd, NOWHERE, RECORD), EFAULT);
	ck_assert_refused(world_sys(world, SYS_WRITE, (uint64_t)fd, NOWHERE, 8), EFAULT);
	ck_assert_int_eq(read_records(1), RECORD);
	ck_assert_uint_eq(records[0].cookie, 1);
}
END_TEST

static const struct iopf_fault group[3] = {
	{.grpid = 9, .addr = 0x1000},
	{.grpid = 9, .addr = 0x2000},
	{.flags = IOMMU_PGFAULT_FLAGS_LAST_PAGE, .grpid = 9, .addr = 0x3000},
};

START_TEST(a_group_is_delivered_and_answered_as_one)
{
	setup();
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(fd_file(world->process, world->fd));
	struct iommufd_device *idev = iommufd_get_device(ictx, mock.idev);
	iommufd_report_iopf(idev, group, 3);
	iommufd_put_object(ictx, &idev->object);
	ck_assert_refused(read_records(2), EINVAL);
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_int_eq(read_records(4), 4 * RECORD);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(records[i].addr, 0x1000 * (i + 1));
		ck_assert_uint_eq(records[i].cookie, 1);
	}
	ck_assert_uint_eq(records[2].flags, 2);
	ck_assert_uint_eq(records[3].cookie, 2);
	ck_assert_int_eq(answer(1, 0), 8);
	ck_assert_refused(answer(1, 0), EINVAL);
}
END_TEST

START_TEST(detaching_answers_what_came_through_it)
{
	setup();
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_ok(world_iopf(world, mock.idev, 7, 2)); /* by the RID fallback */
	ck_assert_int_eq(read_records(1), RECORD);
	uint32_t pt = ioas;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	/* Read or not, all are gone. */
	ck_assert_refused(answer(1, 0), EINVAL);
	ck_assert_int_eq(read_records(1), 0);
	ck_assert_ok(world_destroy(world, hwpt));
	ck_assert_ok(world_close(world, fd));
	ck_assert_ok(world_destroy(world, fault));
}
END_TEST

START_TEST(faults_of_another_pasid_stay_when_one_is_detached)
{
	setup();
	uint32_t pt = hwpt;
	ck_assert_ok(world_pasid(world, IOMMU_TEST_OP_PASID_ATTACH, mock.stdev, 7, &pt));
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_ok(world_iopf(world, mock.idev, 7, 2));
	ck_assert_ok(world_iopf(world, mock.idev, 8, 3)); /* belongs to the RID */
	ck_assert_int_eq(read_records(1), RECORD);
	ck_assert_ok(world_pasid_detach(world, mock.stdev, 7));
	ck_assert_int_eq(read_records(4), RECORD);
	ck_assert_uint_eq(records[0].grpid, 3);
	ck_assert_int_eq(answer(1, 0), 8);
	ck_assert_int_eq(answer(2, 0), 8);
}
END_TEST

START_TEST(poll_always_allows_answers)
{
	setup();
	uint64_t events = 0x145;
	ck_assert_int_eq(world_sys(world, SYS_POLL, (uint64_t)fd, events, 0), 1);
	ck_assert_uint_eq(world->call->out, 4);
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_int_eq(world_sys(world, SYS_POLL, (uint64_t)fd, events, 0), 1);
	ck_assert_uint_eq(world->call->out, 0x45);
	ck_assert_int_eq(read_records(1), RECORD);
	ck_assert_int_eq(world_sys(world, SYS_POLL, (uint64_t)fd, events, 0), 1);
	ck_assert_uint_eq(world->call->out, 4);
}
END_TEST

START_TEST(alloc_checks_flags_and_the_queue_is_kept_by_its_users)
{
	struct iommu_fault_alloc cmd = {.flags = 1};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_FAULT_QUEUE_ALLOC, &cmd), EOPNOTSUPP);
	setup();
	ck_assert_int_eq(fd, 4);
	ck_assert_refused(world_destroy(world, fault), EBUSY);
	ck_assert_ok(world_close(world, fd));
	ck_assert_refused(world_destroy(world, fault), EBUSY);
	/* Faults still queue, and go with the queue. */
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_ok(world_destroy(world, mock.stdev));
	ck_assert_ok(world_destroy(world, hwpt));
	ck_assert_ok(world_destroy(world, fault));
}
END_TEST

START_TEST(a_queue_without_a_free_descriptor_is_emfile)
{
	setup();
	while (world_open(world, "/dev/null") >= 0)
		;
	struct iommu_fault_alloc cmd = {0};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_FAULT_QUEUE_ALLOC, &cmd), EMFILE);
	ck_assert_ok(world_close(world, FD_MAX - 1));
	cmd.size = 0;
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_FAULT_QUEUE_ALLOC, &cmd));
	ck_assert_uint_eq(cmd.out_fault_fd, FD_MAX - 1);
	ck_assert_uint_eq(cmd.out_fault_id, 4); /* the automatic HWPT's, which is gone */
}
END_TEST

static void report(const struct iopf_fault *faults, uint32_t count)
{
	iommufd_report_iopf(world_idev(world, mock.idev), faults, count);
}

START_TEST(alloc_has_the_layout_of_the_sheet)
{
	uint8_t bytes[16] = {16, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9}, flags[16] = {16};
	const uint8_t expected[16] = {16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4};
	flags[4] = 1;
	ck_assert_refused(world_ioctl_sized(world, 0x8e, flags, 16), EOPNOTSUPP);
	ck_assert_ok(world_ioctl_sized(world, 0x8e, bytes, 16));
	ck_assert_mem_eq(bytes, expected, sizeof(bytes));
	const struct file *file = fd_file(world->process, 4);
	ck_assert_uint_eq(file->flags, O_RDWR_BIT | O_CLOEXEC_BIT);
	ck_assert_str_eq(file->ops->name, "[iommufd-pgfault]");
}
END_TEST

START_TEST(a_queue_without_memory_or_descriptor_is_undone)
{
	static const char *const points[] = {"object", "object id", "file"};
	int last = -1;
	for (int i = 0; i < 3; i++) {
		machine_fail_nth(world->machine, 1, points[i]);
		ck_assert_refused(world_fault(world, &fd), ENOMEM);
		machine_fail_nth(world->machine, 0, NULL);
	}
	for (int64_t more; (more = world_open(world, "/dev/zero")) >= 0;)
		last = (int)more;
	ck_assert_refused(world_fault(world, &fd), EMFILE);
	ck_assert_ok(world_close(world, last));
	ck_assert_int_eq(world_fault(world, &fd), 1);
	ck_assert_int_eq(fd, last);
}
END_TEST

START_TEST(an_answer_that_can_not_be_written_undoes_the_queue)
{
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_fault_alloc cmd = {.size = sizeof(cmd)};
	world_put(world, ro, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_FAULT_QUEUE_ALLOC), ro),
			  EFAULT);
	ck_assert_int_eq(world_fault(world, &fd), 1);
	ck_assert_int_eq(fd, 4);
}
END_TEST

START_TEST(a_fault_has_the_bytes_of_the_sheet)
{
	setup();
	const struct iopf_fault one = {.flags = 3,
				       .pasid = 0x01020304,
				       .grpid = 0x05060708,
				       .perm = 0xf,
				       .addr = 0x1122334455667788};
	uint8_t expected[40] = {3,    0,    0,    0,    0, 0, 0, 0, 4, 3, 2,    1,    8,    7,
				6,    5,    0xf,  0,    0, 0, 0, 0, 0, 0, 0x88, 0x77, 0x66, 0x55,
				0x44, 0x33, 0x22, 0x11, 0, 0, 0, 0, 1, 0, 0,    0};
	uint8_t got[40];
	expected[4] = (uint8_t)mock.idev;
	report(&one, 1);
	ck_assert_int_eq(world_read(world, fd, got, 40), 40);
	ck_assert_mem_eq(got, expected, 40);
	/* The answer: a cookie, then a code. */
	const uint8_t response[8] = {1, 0, 0, 0, 0, 0, 0, 0};
	ck_assert_int_eq(world_write(world, fd, response, 8), 8);
}
END_TEST

/* PASID 7 has an HWPT of its own. */
static uint32_t attach_pasid_7(uint32_t flags, uint32_t queue)
{
	uint32_t own = made(world_nested(world, mock.idev, parent, flags | PASID, queue, 1));
	uint32_t pt = own;
	ck_assert_ok(world_pasid(world, IOMMU_TEST_OP_PASID_ATTACH, mock.stdev, 7, &pt));
	return own;
}

START_TEST(a_fault_of_a_pasid_goes_to_the_attachment_of_the_pasid)
{
	setup();
	int rid_fd = fd, pasid_fd;
	attach_pasid_7(FAULT, made(world_fault(world, &pasid_fd)));
	ck_assert_ok(world_iopf(world, mock.idev, 7, 1));
	ck_assert_int_eq(read_records(1), 0);
	fd = pasid_fd;
	ck_assert_int_eq(read_records(1), RECORD);
	/* Without the flag the number does not count. */
	const struct iopf_fault plain = {.flags = 2, .pasid = 7, .grpid = 9};
	report(&plain, 1);
	ck_assert_int_eq(read_records(1), 0);
	fd = rid_fd;
	ck_assert_int_eq(read_records(1), RECORD);
	ck_assert_uint_eq(records[0].grpid, 9);
}
END_TEST

START_TEST(a_fault_whose_hwpt_takes_none_is_dropped)
{
	setup();
	attach_pasid_7(0, 0);
	ck_assert_ok(world_iopf(world, mock.idev, 7, 1));
	ck_assert_int_eq(read_records(1), 0);
	ck_assert_ok(world_iopf(world, mock.idev, 8, 1));
	ck_assert_int_eq(read_records(1), RECORD);
}
END_TEST

START_TEST(the_rid_serves_pasids_of_drivers_with_user_pasid_tables_only)
{
	setup();
	const struct iopf_fault last = {.flags = 3, .pasid = 7};
	struct device *device = world_idev(world, mock.idev)->device;
	const struct iommu_ops *driver = device->driver;
	struct iommu_ops without = *driver;
	without.user_pasid_table = false;
	device->driver = &without;
	report(&last, 1);
	device->driver = driver;
	ck_assert_int_eq(read_records(1), 0);
	report(&last, 1);
	ck_assert_int_eq(read_records(1), RECORD);
}
END_TEST

START_TEST(a_group_that_can_not_be_copied_ends_the_read)
{
	setup();
	for (uint32_t i = 0; i < 2; i++)
		ck_assert_ok(world_iopf(world, mock.idev, 0, i));
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va + PAGE_SIZE, PAGE_SIZE));
	ck_assert_int_eq(
		world_sys(world, SYS_READ, (uint64_t)fd, va + PAGE_SIZE - RECORD, 2 * RECORD),
		RECORD);
	/* It waits, and its cookie is free. */
	ck_assert_ok(world_iopf(world, mock.idev, 0, 2));
	ck_assert_int_eq(read_records(4), 2 * RECORD);
	ck_assert_uint_eq(records[0].grpid, 1);
	ck_assert_uint_eq(records[0].cookie, 2);
	ck_assert_uint_eq(records[1].cookie, 3);
}
END_TEST

START_TEST(the_first_bad_answer_ends_a_write)
{
	setup();
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_ok(world_iopf(world, mock.idev, 0, i));
	ck_assert_int_eq(read_records(3), 3 * RECORD);
	struct iommu_hwpt_page_response many[3] = {{1, 0}, {9, 0}, {2, 0}};
	ck_assert_int_eq(world_write(world, fd, many, sizeof(many)), 8);
	ck_assert_int_eq(answer(2, 0), 8);
	/* As does one that can't be read. */
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va + PAGE_SIZE, PAGE_SIZE));
	const struct iommu_hwpt_page_response last = {3, 1};
	world_put(world, va + PAGE_SIZE - 8, &last, 8);
	ck_assert_int_eq(world_sys(world, SYS_WRITE, (uint64_t)fd, va + PAGE_SIZE - 8, 16), 8);
	ck_assert_refused(world_sys(world, SYS_WRITE, (uint64_t)fd, va + PAGE_SIZE, 8), EFAULT);
}
END_TEST

START_TEST(groups_that_fit_come_in_one_read)
{
	setup();
	report(group, 3);
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_ok(world_iopf(world, mock.idev, 0, 2));
	report(group, 3);
	/* The last group does not fit whole. */
	ck_assert_int_eq(read_records(7), 5 * RECORD);
	ck_assert_uint_eq(records[4].cookie, 3);
	ck_assert_int_eq(read_records(7), 3 * RECORD);
	ck_assert_uint_eq(records[0].cookie, 4);
	ck_assert_uint_eq(records[2].flags, IOMMU_PGFAULT_FLAGS_LAST_PAGE);
}
END_TEST

START_TEST(a_queue_s_descriptor_keeps_the_context)
{
	setup();
	uint64_t buffer = world_mmap_aligned(world, PAGE_SIZE);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE));
	ck_assert_ok(world_close(world, world->fd));
	world->fd = (int)made(world_open(world, "/dev/iommu"));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_ok(world_close(world, fd));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_worked_trace_of_the_sheet,
		a_paging_hwpt_takes_no_faults_of_other_pasids,
		cookies_are_the_lowest_free_numbers,
		counts_must_be_whole_records,
		a_group_is_delivered_and_answered_as_one,
		detaching_answers_what_came_through_it,
		faults_of_another_pasid_stay_when_one_is_detached,
		poll_always_allows_answers,
		alloc_checks_flags_and_the_queue_is_kept_by_its_users,
		a_queue_without_a_free_descriptor_is_emfile,
		alloc_has_the_layout_of_the_sheet,
		a_queue_without_memory_or_descriptor_is_undone,
		an_answer_that_can_not_be_written_undoes_the_queue,
		a_fault_has_the_bytes_of_the_sheet,
		a_fault_of_a_pasid_goes_to_the_attachment_of_the_pasid,
		a_fault_whose_hwpt_takes_none_is_dropped,
		the_rid_serves_pasids_of_drivers_with_user_pasid_tables_only,
		a_group_that_can_not_be_copied_ends_the_read,
		the_first_bad_answer_ends_a_write,
		groups_that_fit_come_in_one_read,
		a_queue_s_descriptor_keeps_the_context,
	};
	return RUN_TESTS("shim_fault", tests);
}
