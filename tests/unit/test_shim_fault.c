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

START_TEST(the_bytes_of_alloc_fault_and_answer_are_the_sheet_s)
{
	setup();
	ck_assert_ok(world_close(world, 1));
	uint32_t alloc[4] = {16, 0, 0, 0}, got[10], hear[2] = {1, 0};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_FAULT_QUEUE_ALLOC, &alloc));
	const uint32_t answer[4] = {16, 0, 4, 1};
	ck_assert_mem_eq(alloc, answer, sizeof(alloc));
	uint32_t other = made(world_nested(world, mock.idev, parent, FAULT | PASID, alloc[2], 1));
	ck_assert_ok(world_replace(world, mock.stdev, &other));
	struct iommu_test_cmd cmd = {
		.trigger_iopf = {mock.idev, 0x12345, 7, 13, 0x123456789abcdef}};
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_TRIGGER_IOPF, &cmd));
	ck_assert_int_eq(world_read(world, 1, got, 40), 40);
	const uint32_t record[10] = {3, mock.idev, 0x12345, 7, 13, 0, 0x89abcdef, 0x1234567, 0, 1};
	ck_assert_mem_eq(got, record, sizeof(got));
	ck_assert_int_eq(world_write(world, 1, hear, 8), 8);
}
END_TEST

START_TEST(the_descriptor_is_the_lowest_and_closes_at_exec)
{
	ck_assert_ok(world_close(world, 1));
	made(world_fault(world, &fd));
	ck_assert_int_eq(fd, 1);
	ck_assert_uint_eq(fd_file(world->process, fd)->flags, O_RDWR_BIT | O_CLOEXEC_BIT);
	ck_assert_str_eq(fd_file(world->process, fd)->ops->name, "[iommufd-pgfault]");
}
END_TEST

static void expect_first_queue(void)
{
	ck_assert_int_eq(world_fault(world, &fd), 1);
	ck_assert_int_eq(fd, 4);
}

START_TEST(without_memory_there_is_no_queue)
{
	static const char *const points[] = {"object", "object id", "file"};
	for (uint32_t i = 0; i < 3; i++) {
		machine_fail_nth(world->machine, 1, points[i]);
		ck_assert_refused(world_fault(world, &fd), ENOMEM);
	}
	expect_first_queue();
}
END_TEST

START_TEST(an_answer_that_can_not_be_written_undoes_the_queue)
{
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_fault_alloc cmd = {.size = sizeof(cmd)};
	world_put(world, ro, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_FAULT_QUEUE_ALLOC), ro),
			  EFAULT);
	expect_first_queue();
}
END_TEST

/* 5.7 delivery: the attachment of the PASID, and no other if there is one. */
START_TEST(a_pasid_s_faults_go_to_its_attachment_alone)
{
	setup();
	int second;
	uint32_t other = made(world_fault(world, &second));
	uint32_t own = made(world_nested(world, mock.idev, parent, FAULT | PASID, other, 1));
	uint32_t deaf = made(world_nested(world, mock.idev, parent, PASID, 0, 1));
	ck_assert_ok(world_pasid(world, IOMMU_TEST_OP_PASID_ATTACH, mock.stdev, 7, &own));
	ck_assert_ok(world_pasid(world, IOMMU_TEST_OP_PASID_ATTACH, mock.stdev, 8, &deaf));
	ck_assert_ok(world_iopf(world, mock.idev, 7, 1));
	ck_assert_int_eq(read_records(1), 0);
	ck_assert_int_eq(world_read(world, second, records, RECORD), RECORD);
	/* Nobody takes it: a HWPT without a queue hides that of the RID. */
	ck_assert_ok(world_iopf(world, mock.idev, 8, 1));
	ck_assert_int_eq(read_records(1), 0);
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_int_eq(read_records(1), RECORD);
	ck_assert_int_eq(world_read(world, second, records, RECORD), 0);
}
END_TEST

START_TEST(a_fault_without_a_queue_is_dropped)
{
	setup();
	uint32_t deaf = made(world_nested(world, mock.idev, parent, PASID, 0, 1)), pt = deaf;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_ok(world_iopf(world, mock.idev, 7, 1));
	pt = hwpt;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_int_eq(read_records(2), 0);
}
END_TEST

START_TEST(only_user_pasid_tables_lead_to_the_rid)
{
	setup();
	struct iopf_fault of_7 = {.flags = IOMMU_PGFAULT_FLAGS_LAST_PAGE |
					   IOMMU_PGFAULT_FLAGS_PASID_VALID,
				  .pasid = 7};
	struct iommufd_device *idev = world_idev(world, mock.idev);
	const struct iommu_ops *driver = idev->device->driver;
	struct iommu_ops other = *driver;
	other.user_pasid_table = false;
	idev->device->driver = &other;
	iommufd_report_iopf(idev, &of_7, 1);
	idev->device->driver = driver;
	ck_assert_int_eq(read_records(1), 0);
	iommufd_report_iopf(idev, &of_7, 1);
	ck_assert_int_eq(read_records(1), RECORD);
}
END_TEST

START_TEST(a_fault_without_pasid_valid_is_the_rid_s)
{
	setup();
	struct iopf_fault last = {.flags = IOMMU_PGFAULT_FLAGS_LAST_PAGE, .pasid = 7, .grpid = 4};
	uint32_t deaf = made(world_nested(world, mock.idev, parent, PASID, 0, 1));
	ck_assert_ok(world_pasid(world, IOMMU_TEST_OP_PASID_ATTACH, mock.stdev, 7, &deaf));
	iommufd_report_iopf(world_idev(world, mock.idev), &last, 1);
	ck_assert_int_eq(read_records(1), RECORD);
	ck_assert_uint_eq(records[0].grpid, 4);
}
END_TEST

START_TEST(a_group_that_can_not_be_copied_stays_and_frees_its_cookie)
{
	setup();
	for (uint32_t i = 0; i < 2; i++)
		ck_assert_ok(world_iopf(world, mock.idev, 0, i));
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va + PAGE_SIZE, PAGE_SIZE));
	ck_assert_refused(world_sys(world, SYS_READ, (uint64_t)fd, va + PAGE_SIZE, 2 * RECORD),
			  EFAULT);
	ck_assert_int_eq(world_sys(world, SYS_READ, (uint64_t)fd, va + PAGE_SIZE - 48, 2 * RECORD),
			 RECORD);
	ck_assert_refused(answer(2, 0), EINVAL);
	ck_assert_int_eq(read_records(1), RECORD);
	ck_assert_uint_eq(records[0].grpid, 1);
	ck_assert_uint_eq(records[0].cookie, 2);
}
END_TEST

START_TEST(answers_before_the_first_error_count)
{
	setup();
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_ok(world_iopf(world, mock.idev, 0, i));
	ck_assert_int_eq(read_records(3), 3 * RECORD);
	/* The third answer lies on a page that is not there. */
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED);
	struct iommu_hwpt_page_response two[2] = {{1, 0}, {2, 1}};
	world_put(world, va + PAGE_SIZE - sizeof(two), two, sizeof(two));
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va + PAGE_SIZE, PAGE_SIZE));
	ck_assert_int_eq(
		world_sys(world, SYS_WRITE, (uint64_t)fd, va + PAGE_SIZE - sizeof(two), 24), 16);
	ck_assert_refused(answer(1, 0), EINVAL);
	ck_assert_refused(answer(2, 0), EINVAL);
	/* A bad code answers nothing. */
	ck_assert_refused(answer(3, 2), EINVAL);
	ck_assert_int_eq(answer(3, 1), 8);
}
END_TEST

START_TEST(a_queue_is_held_by_its_descriptor_and_by_each_hwpt)
{
	setup();
	uint32_t pt = ioas;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_ok(world_close(world, fd));
	ck_assert_refused(world_destroy(world, fault), EBUSY);
	ck_assert_ok(world_destroy(world, hwpt));
	ck_assert_ok(world_destroy(world, fault));
	fault = made(world_fault(world, &fd));
	ck_assert_refused(world_destroy(world, fault), EBUSY);
	ck_assert_ok(world_close(world, fd));
	ck_assert_ok(world_destroy(world, fault));
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
		the_bytes_of_alloc_fault_and_answer_are_the_sheet_s,
		the_descriptor_is_the_lowest_and_closes_at_exec,
		without_memory_there_is_no_queue,
		an_answer_that_can_not_be_written_undoes_the_queue,
		a_pasid_s_faults_go_to_its_attachment_alone,
		a_fault_without_a_queue_is_dropped,
		only_user_pasid_tables_lead_to_the_rid,
		a_fault_without_pasid_valid_is_the_rid_s,
		a_group_that_can_not_be_copied_stays_and_frees_its_cookie,
		answers_before_the_first_error_count,
		a_queue_is_held_by_its_descriptor_and_by_each_hwpt,
	};
	return RUN_TESTS("shim_fault", tests);
}
