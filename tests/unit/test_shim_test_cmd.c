/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of the test interface, one by one: bytes, checks, effects (iommufd 7.1 to 7.3). */
#include <string.h>

#include "tests/kit/fake_iommu.h"
#include "tests/kit/test.h"

#define BUFFER (16 * PAGE_SIZE)
#define IOVA   0x10000ULL
#define PASID  IOMMU_HWPT_ALLOC_PASID
#define DIRTY  IOMMU_HWPT_ALLOC_DIRTY_TRACKING
#define ATTACH IOMMU_TEST_OP_PASID_ATTACH
#define SWITCH IOMMU_TEST_OP_PASID_REPLACE

static uint32_t ioas;
static struct mock mock;
static uint64_t buffer;

static void setup(void)
{
	buffer = world_mmap(world, BUFFER, PROT_RW, SHARED);
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, MOCK_FLAGS_DEVICE_PASID, &mock));
}

/* An IOAS without a domain, and an access to it. */
static int setup_access(uint32_t flags)
{
	buffer = world_mmap(world, BUFFER, PROT_RW, SHARED);
	ioas = made(world_ioas(world));
	return (int)made(world_access(world, ioas, flags));
}

/* The call with its struct where it can't be written. */
static int64_t unanswered(enum iommu_test_op op, struct iommu_test_cmd *cmd)
{
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	world_put(world, ro, cmd, sizeof(*cmd));
	int64_t result = world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_TEST_CMD), ro);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, ro, PAGE_SIZE));
	return result;
}

/* --- bytes (7.1, 7.2) --- */

#define WORDS 18U

static uint32_t words[WORDS];

/* OP with ID and the union's words, all else 0; the answer stays in words. */
static int64_t call_words(uint32_t op, uint32_t id, const uint32_t *with, uint32_t count)
{
	memset(words, 0, sizeof(words));
	words[0] = 72;
	words[1] = op;
	words[2] = id;
	memcpy(words + 4, with, count * sizeof(*with));
	return world_ioctl(world, 0xa0, &words);
}

#define CALL(op, id, ...)                                       \
	call_words((op), (id), (const uint32_t[]){__VA_ARGS__}, \
		   sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
/* A 64-bit field. */
#define LONG(value) (uint32_t)(value), (uint32_t)((uint64_t)(value) >> 32)

START_TEST(the_bytes_of_device_and_domain_operations_are_the_sheet_s)
{
	ioas = made(world_ioas(world));
	ck_assert_ok(CALL(1, ioas, LONG(0x1000), LONG(0x1000)));
	ck_assert_refused(CALL(1, ioas, LONG(0x1000), LONG(0)), EINVAL);
	ck_assert_ok(CALL(12, ioas, 0, 0, 0, 4));
	ck_assert_uint_eq(words[4], 2); /* stdev, HWPT, device; the flags are left */
	ck_assert_uint_eq(words[5], 4);
	ck_assert_uint_eq(words[6], 3);
	ck_assert_uint_eq(words[7], 4);
	ck_assert_ok(CALL(2, ioas, 7, 7, 7, 0xff));
	ck_assert_uint_eq(words[4], 5);
	ck_assert_uint_eq(words[5], 4);
	ck_assert_uint_eq(words[6], 6);
	ck_assert_uint_eq(words[7], 0xff);
	uint32_t parent = made(world_hwpt(world, 3, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT | PASID));
	ck_assert_ok(CALL(10, 2, parent));
	ck_assert_uint_eq(words[4], parent);
	ck_assert_ok(CALL(18, 2, 9, parent));
	ck_assert_ok(CALL(21, 2, 9, parent));
	ck_assert_ok(CALL(19, 2, 9, parent));
	ck_assert_uint_eq(words[5], parent);
	ck_assert_ok(CALL(20, 2, 9));
	ck_assert_ok(CALL(21, 2, 9, 0));
	uint32_t nested = made(world_nested(world, 3, parent, 0, 0, 0x1234));
	ck_assert_ok(CALL(14, nested, 3, 0x1234));
	ck_assert_ok(CALL(16, 3, 3, 0xbaddad));
	ck_assert_ok(CALL(15, 0, 3, 0, 0, 0, LONG(0)));
	ck_assert_refused(CALL(17, 3, 0), ENOENT);
	ck_assert_refused(CALL(17, 0, 3), ENOENT);
	ck_assert_str_eq(world_rule(world), "iommufd 7.3 TRIGGER_VEVENT");
}
END_TEST

START_TEST(the_bytes_of_memory_operations_are_the_sheet_s)
{
	setup();
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, DIRTY));
	struct iommu_hwpt_set_dirty_tracking track = {.flags = 1, .hwpt_id = hwpt};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &track));
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	ck_assert_ok(CALL(3, mock.hwpt, LONG(APERTURE), LONG(2 * PAGE_SIZE), LONG(buffer)));
	ck_assert_ok(CALL(4, 0, LONG(2 * PAGE_SIZE), LONG(buffer), 1));
	ck_assert_ok(CALL(9, 0, 12));
	uint8_t bits = 7;
	ck_assert_ok(CALL(13, hwpt, 0xff, 0, LONG(APERTURE), LONG(8 * PAGE_SIZE), LONG(PAGE_SIZE),
			  LONG(world_data(world, &bits, 1)), LONG(0)));
	ck_assert_uint_eq(words[14], 3);
	ck_assert_uint_eq(words[15], 0);
	ck_assert_ok(CALL(5, ioas, 0, 1));
	uint32_t access = words[4];
	ck_assert_uint_eq(access, 4);
	ck_assert_ok(CALL(7, access, 1, 0xff, LONG(APERTURE), LONG(PAGE_SIZE), LONG(buffer)));
	ck_assert_uint_eq(words[5], 0);
	ck_assert_ok(CALL(7, access, 1, 0xff, LONG(APERTURE), LONG(PAGE_SIZE), LONG(0)));
	ck_assert_uint_eq(words[5], 1);
	ck_assert_ok(CALL(6, access, 1));
	ck_assert_ok(CALL(6, access, 0));
	ck_assert_ok(CALL(8, access, LONG(APERTURE), LONG(8), LONG(world->data), 5));
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(CALL(11, access, other));
	ck_assert_ok(CALL(22, 0, PAGE_SIZE, O_RDWR_BIT));
	ck_assert_ok(CALL(23, 0, 5, 1));
}
END_TEST

START_TEST(reserved_and_last_are_not_looked_at)
{
	ioas = made(world_ioas(world));
	struct iommu_test_cmd cmd = {
		.id = ioas, .__reserved = 1, .last = 1, .__tail = 1, .add_reserved = {0, 1}};
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_ADD_RESERVED, &cmd));
}
END_TEST

START_TEST(an_unknown_operation_is_eopnotsupp)
{
	static const uint32_t unknown[] = {0, IOMMU_TEST_OP_DMABUF_REVOKE + 1, UINT32_MAX};
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct iommu_test_cmd cmd = {.size = sizeof(cmd), .op = unknown[i]};
		ck_assert_refused(world_ioctl(world, IOMMUFD_NR_TEST_CMD, &cmd), EOPNOTSUPP);
	}
}
END_TEST

START_TEST(the_operations_that_answer_are_those_of_the_sheet)
{
	setup();
	int access = (int)made(world_access(world, ioas, 1));
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, DIRTY | PASID)), pt = hwpt;
	uint32_t nested = made(world_nested(
		world, mock.idev,
		made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT)), 0, 0, 5));
	struct iommu_hwpt_set_dirty_tracking track = {.flags = 1, .hwpt_id = hwpt};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &track));
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	ck_assert_int_eq(world_pin(world, access, APERTURE, 1, 0, 0), 0);
	ck_assert_ok(world_pasid(world, ATTACH, mock.stdev, 1, &pt));
	struct iommu_test_cmd dma_buf = {.dmabuf_get = {PAGE_SIZE, 0}};
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_DMABUF_GET, &dma_buf));
	struct {
		enum iommu_test_op op;
		bool answers;
		struct iommu_test_cmd cmd;
	} ops[] = {
		{IOMMU_TEST_OP_ADD_RESERVED, false, {.id = ioas, .add_reserved = {0, 1}}},
		{IOMMU_TEST_OP_MOCK_DOMAIN, true, {.id = ioas}},
		{IOMMU_TEST_OP_MD_CHECK_MAP, false, {.id = hwpt, .check_map = {APERTURE, 0, 0}}},
		{IOMMU_TEST_OP_MD_CHECK_REFS, false, {.check_refs = {0, 0, 0}}},
		{IOMMU_TEST_OP_CREATE_ACCESS, true, {.id = ioas}},
		{IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, false, {.id = (uint32_t)access}},
		{IOMMU_TEST_OP_ACCESS_PAGES,
		 true,
		 {.id = (uint32_t)access, .access_pages = {0, 0, APERTURE, 1, 0}}},
		{IOMMU_TEST_OP_ACCESS_RW,
		 false,
		 {.id = (uint32_t)access, .access_rw = {APERTURE, 8, world->data, 0}}},
		{IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT, false, {.memory_limit = {12}}},
		{IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
		 true,
		 {.id = mock.stdev, .mock_domain_replace = {hwpt}}},
		{IOMMU_TEST_OP_ACCESS_REPLACE_IOAS,
		 false,
		 {.id = (uint32_t)access, .access_replace_ioas = {ioas}}},
		{IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, true, {.id = ioas}},
		{IOMMU_TEST_OP_DIRTY,
		 true,
		 {.id = hwpt, .dirty = {0, 0, APERTURE, PAGE_SIZE, PAGE_SIZE, world->data, 0}}},
		{IOMMU_TEST_OP_MD_CHECK_IOTLB, false, {.id = nested, .check_iotlb = {0, 5}}},
		{IOMMU_TEST_OP_TRIGGER_IOPF, false, {.trigger_iopf = {mock.idev, 0, 0, 0, 0}}},
		{IOMMU_TEST_OP_DEV_CHECK_CACHE,
		 false,
		 {.id = mock.idev, .check_dev_cache = {0, 0xbaddad}}},
		{IOMMU_TEST_OP_PASID_ATTACH, true, {.id = mock.stdev, .pasid_attach = {2, hwpt}}},
		{IOMMU_TEST_OP_PASID_REPLACE, true, {.id = mock.stdev, .pasid_attach = {1, hwpt}}},
		{IOMMU_TEST_OP_PASID_CHECK_HWPT,
		 false,
		 {.id = mock.stdev, .pasid_check = {1, hwpt}}},
		{IOMMU_TEST_OP_PASID_DETACH, false, {.id = mock.stdev, .pasid_detach = {1}}},
		{IOMMU_TEST_OP_DMABUF_REVOKE, false, {.dmabuf_revoke = {5, 1}}},
		{IOMMU_TEST_OP_DMABUF_GET, false, {.dmabuf_get = {PAGE_SIZE, 0}}},
	};
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		int64_t result = unanswered(ops[i].op, &ops[i].cmd);
		ck_assert_msg(result == (ops[i].answers ? -EFAULT : 0), "op %d: %d", ops[i].op,
			      (int)result);
	}
}
END_TEST

/* The constants of 7.2 that a client and the shim share. */
START_TEST(the_constants_are_those_of_the_sheet)
{
	ck_assert_uint_eq(MOCK_IOMMUPT_DEFAULT, 0);
	ck_assert_uint_eq(MOCK_IOMMUPT_HUGE, 1);
	ck_assert_uint_eq(MOCK_FLAGS_ACCESS_WRITE, 1);
	ck_assert_uint_eq(MOCK_FLAGS_ACCESS_SYZ, 0x10000);
	ck_assert_uint_eq(MOCK_ACCESS_RW_WRITE, 1);
	ck_assert_uint_eq(MOCK_ACCESS_RW_SLOW_PATH, 4);
	ck_assert_uint_eq(MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES, 1);
	ck_assert_uint_eq(MOCK_FLAGS_DEVICE_NO_DIRTY, 1);
	ck_assert_uint_eq(MOCK_FLAGS_DEVICE_PASID, 4);
	ck_assert_uint_eq(MOCK_NESTED_DOMAIN_IOTLB_NUM, 4);
	ck_assert_uint_eq(MOCK_DEV_CACHE_NUM, 4);
	ck_assert_uint_eq(IOMMU_TEST_PASID_RESERVED, 1024);
	ck_assert_uint_eq(MOCK_PASID_WIDTH, 20);
	ck_assert_uint_eq(IOMMU_HW_INFO_TYPE_SELFTEST, 0xfeedbeef);
	ck_assert_uint_eq(IOMMU_HW_INFO_SELFTEST_REGVAL, 0xdeadbeef);
	ck_assert_uint_eq(IOMMU_HWPT_DATA_SELFTEST, 0xdead);
	ck_assert_uint_eq(IOMMU_TEST_DEV_CACHE_DEFAULT, 0xbaddad);
	ck_assert_uint_eq(IOMMU_HWPT_INVALIDATE_DATA_SELFTEST, 0xdeadbeef);
	ck_assert_uint_eq(IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST, 0xdeadbeef);
	ck_assert_uint_eq(IOMMU_TEST_INVALIDATE_FLAG_ALL, 1);
	ck_assert_uint_eq(IOMMU_VIOMMU_TYPE_SELFTEST, 0xdeadbeef);
	ck_assert_uint_eq(IOMMU_VEVENTQ_TYPE_SELFTEST, 0xbeefbeef);
	ck_assert_uint_eq(IOMMU_HW_QUEUE_TYPE_SELFTEST, 0xdeadbeef);
	ck_assert_uint_eq(IOMMU_TEST_HW_QUEUE_MAX, 2);
}
END_TEST

/* --- reserved ranges --- */

START_TEST(reserved_ranges_are_checked_in_order)
{
	struct iommu_iova_range allowed = {0x40000, 0x4ffff};
	buffer = world_mmap(world, BUFFER, PROT_RW, SHARED);
	ioas = made(world_ioas(world));
	ck_assert_refused(world_reserve(world, 99, UINT64_MAX, 0), EINVAL);
	ck_assert_refused(world_reserve(world, 99, UINT64_MAX, 2), EOVERFLOW);
	ck_assert_refused(world_reserve(world, 99, UINT64_MAX, 1), ENOENT);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	ck_assert_ok(world_allow(world, ioas, &allowed, 1));
	ck_assert_refused(world_reserve(world, ioas, IOVA + PAGE_SIZE - 1, 1), EADDRINUSE);
	ck_assert_refused(world_reserve(world, ioas, IOVA - 1, 2), EADDRINUSE);
	ck_assert_refused(world_reserve(world, ioas, 0x4ffff, 1), EADDRINUSE);
	machine_fail_nth(world->machine, 1, "reserved range");
	ck_assert_refused(world_reserve(world, ioas, IOVA + PAGE_SIZE, 1), ENOMEM);
	ck_assert_ok(world_reserve(world, ioas, IOVA + PAGE_SIZE, 1));
}
END_TEST

START_TEST(reserved_ranges_overlap_at_any_byte_and_stay)
{
	struct iommu_iova_range ranges[4];
	uint32_t count;
	ioas = made(world_ioas(world));
	ck_assert_ok(world_reserve(world, ioas, 0x1001, 5));
	ck_assert_ok(world_reserve(world, ioas, 0x1003, 0x10));
	ck_assert_ok(world_reserve(world, ioas, 0x1001, 5));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	ck_assert_ok(world_destroy(world, mock.stdev));
	ck_assert_ok(world_ranges(world, ioas, ranges, 4, &count, NULL));
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(ranges[0].last, 0x1000);
	ck_assert_uint_eq(ranges[1].start, 0x1013);
}
END_TEST

/* --- devices --- */

START_TEST(a_mock_device_without_memory_gives_its_ids_back)
{
	static const char *const points[] = {"object", "object id", "mock device", "device group",
					     "attachment"};
	ioas = made(world_ioas(world));
	for (uint32_t i = 0; i < 5; i++) {
		machine_fail_nth(world->machine, 1, points[i]);
		ck_assert_refused(world_mock(world, ioas, 0, NULL), ENOMEM);
	}
	for (int64_t id = 2; id <= 4; id++)
		ck_assert_int_eq(world_ioas(world), id);
}
END_TEST

START_TEST(flags_of_a_device_are_checked_after_its_object_is_made)
{
	machine_fail_nth(world->machine, 1, "object");
	ck_assert_refused(world_mock(world, 99, 2, NULL), ENOMEM);
	ck_assert_refused(world_mock(world, 99, 2, NULL), EINVAL);
	ck_assert_refused(world_mock(world, 99, 1, NULL), ENOENT);
}
END_TEST

START_TEST(replacing_answers_with_what_is_attached_and_is_not_undone)
{
	setup();
	uint32_t other = made(world_ioas(world)), pt = other;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_uint_ne(pt, other);
	ck_assert_ok(world_pasid_check(world, mock.stdev, 0, pt));
	struct iommu_test_cmd cmd = {.id = mock.stdev, .mock_domain_replace = {ioas}};
	ck_assert_refused(unanswered(IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, &cmd), EFAULT);
	ck_assert_refused(world_pasid_check(world, mock.stdev, 0, pt), ENOENT);
	cmd = (struct iommu_test_cmd){.id = mock.idev, .mock_domain_replace = {99}};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, &cmd), ENOENT);
	ck_assert_str_eq(world_rule(world), "iommufd 7.3");
}
END_TEST

START_TEST(a_pasid_that_can_not_be_answered_is_detached_but_not_replaced_back)
{
	setup();
	uint32_t a = made(world_hwpt(world, mock.idev, ioas, PASID)), pt = a;
	uint32_t b = made(world_hwpt(world, mock.idev, ioas, PASID));
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	struct iommu_test_cmd cmd = {.id = mock.stdev, .pasid_attach = {7, a}};
	ck_assert_refused(unanswered(ATTACH, &cmd), EFAULT);
	ck_assert_ok(world_pasid_check(world, mock.stdev, 7, 0));
	ck_assert_ok(world_pasid(world, ATTACH, mock.stdev, 7, &pt));
	ck_assert_uint_eq(pt, a);
	cmd.pasid_attach.pt_id = b;
	ck_assert_refused(unanswered(SWITCH, &cmd), EFAULT);
	ck_assert_ok(world_pasid_check(world, mock.stdev, 7, b));
}
END_TEST

START_TEST(pasid_operations_need_a_selftest_object)
{
	setup();
	uint32_t pt = mock.hwpt;
	ck_assert_refused(world_pasid(world, ATTACH, mock.idev, 1, &pt), ENOENT);
	ck_assert_refused(world_pasid(world, SWITCH, mock.idev, 1, &pt), ENOENT);
	ck_assert_refused(world_pasid_detach(world, mock.idev, 1), ENOENT);
	ck_assert_refused(world_pasid_check(world, mock.idev, 1, 0), ENOENT);
	/* Nothing is attached: success all the same. */
	ck_assert_ok(world_pasid_detach(world, mock.stdev, 1));
	ck_assert_ok(world_pasid_detach(world, mock.stdev, UINT32_MAX));
}
END_TEST

START_TEST(pasid_check_looks_for_exactly_this_hwpt)
{
	setup();
	uint32_t a = made(world_hwpt(world, mock.idev, ioas, PASID)), pt = a;
	uint32_t b = made(world_hwpt(world, mock.idev, ioas, PASID));
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_ok(world_pasid_check(world, mock.stdev, 7, 0));
	ck_assert_refused(world_pasid_check(world, mock.stdev, 7, a), EINVAL);
	ck_assert_ok(world_pasid(world, ATTACH, mock.stdev, 7, &pt));
	ck_assert_refused(world_pasid_check(world, mock.stdev, 7, 0), EINVAL);
	ck_assert_ok(world_pasid_check(world, mock.stdev, 7, a));
	ck_assert_refused(world_pasid_check(world, mock.stdev, 7, b), EINVAL);
	ck_assert_refused(world_pasid_check(world, mock.stdev, 7, ioas), EINVAL);
	ck_assert_refused(world_pasid_check(world, mock.stdev, 7, 99), ENOENT);
	/* 0 is the RID. */
	ck_assert_ok(world_pasid_check(world, mock.stdev, 0, a));
	ck_assert_refused(world_pasid_check(world, mock.stdev, 0, b), EINVAL);
}
END_TEST

/* The kernel leaves this undefined. */
START_TEST(pasids_that_are_left_go_with_their_device)
{
	setup();
	uint32_t a = made(world_hwpt(world, mock.idev, ioas, PASID)), pt = a;
	ck_assert_ok(world_replace(world, mock.stdev, &pt));
	ck_assert_ok(world_pasid(world, ATTACH, mock.stdev, 7, &pt));
	ck_assert_ok(world_destroy(world, mock.stdev));
	ck_assert_ok(world_destroy(world, a));
}
END_TEST

/* --- what is no mock's --- */

START_TEST(devices_and_domains_of_another_driver_are_einval)
{
	int fd;
	struct fake_iommu *fake = fake_iommu_new(world->machine);
	struct fake_device *device = fake_device_new(fake);
	uint8_t data[FAKE_DATA_MAX] = {0};
	buffer = world_mmap(world, BUFFER, PROT_RW, SHARED);
	ioas = made(world_ioas(world));
	uint32_t dev = made(world_bind(world, &device->device, &fd));
	uint32_t hwpt = made(world_hwpt(world, dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT));
	struct iommu_hwpt_alloc alloc = {.dev_id = dev,
					 .pt_id = hwpt,
					 .data_type = FAKE_DATA_TYPE,
					 .data_len = sizeof(data),
					 .data_uptr = world_data(world, data, sizeof(data))};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &alloc));
	ck_assert_refused(world_check_map(world, hwpt, APERTURE, buffer, 0), EINVAL);
	struct iommu_test_cmd cmd = {.id = alloc.out_hwpt_id};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_MD_CHECK_IOTLB, &cmd), EINVAL);
	cmd = (struct iommu_test_cmd){
		.id = hwpt, .dirty = {0, 0, APERTURE, PAGE_SIZE, PAGE_SIZE, world->data, 0}};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_DIRTY, &cmd), EINVAL);
	ck_assert_refused(world_iopf(world, dev, 0, 1), EINVAL);
	cmd = (struct iommu_test_cmd){.id = dev};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_DEV_CHECK_CACHE, &cmd), EINVAL);
	cmd = (struct iommu_test_cmd){.trigger_vevent = {dev}};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_TRIGGER_VEVENT, &cmd), ENOENT);
	ck_assert_ok(world_close(world, fd));
}
END_TEST

/* --- what is mapped and pinned --- */

START_TEST(check_map_works_in_the_domain_s_granules)
{
	setup();
	uint32_t data[2] = {0, MOCK_IOMMUPT_HUGE}, other = made(world_ioas(world));
	struct iommu_hwpt_alloc cmd = {.dev_id = mock.idev,
				       .pt_id = other,
				       .data_type = IOMMU_HWPT_DATA_SELFTEST,
				       .data_len = 8,
				       .data_uptr = world_data(world, data, 8)};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd));
	ck_assert_ok(world_map_at(world, other, buffer, BUFFER, 0x10000));
	ck_assert_ok(world_check_map(world, cmd.out_hwpt_id, 0x10000, buffer, BUFFER));
	ck_assert_refused(world_check_map(world, cmd.out_hwpt_id, 0x10800, buffer + 0x800, 0x800),
			  EINVAL);
	ck_assert_str_eq(world_rule(world), "iommufd 7.3 MD_CHECK_MAP");
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE + 0x800, buffer + 0x800, 0x800));
	ck_assert_refused(world_check_map(world, mock.hwpt, APERTURE, buffer + 0x400, 0x800),
			  EINVAL);
	/* The page is only read. */
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	uint64_t iova = APERTURE + BUFFER;
	ck_assert_ok(world_map(world, ioas, ro, PAGE_SIZE, MAP_RO | MAP_FIXED_, &iova));
	ck_assert_ok(world_check_map(world, mock.hwpt, iova, ro, PAGE_SIZE));
	/* Nothing to compare, wherever it is. */
	ck_assert_ok(world_check_map(world, mock.hwpt, 0, NOWHERE, 0));
}
END_TEST

START_TEST(refs_are_counted_page_by_page_over_all_contexts)
{
	setup();
	struct world second = *world;
	ck_assert_refused(world_refs(world, buffer + 1, PAGE_SIZE, 0), EINVAL);
	ck_assert_refused(world_refs(world, buffer, PAGE_SIZE - 1, 0), EINVAL);
	ck_assert_refused(world_refs(world, -PAGE_SIZE, PAGE_SIZE, 0), EINVAL);
	ck_assert_refused(world_refs(world, NOWHERE & ~0xfffULL, PAGE_SIZE, 0), EFAULT);
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	ck_assert_ok(world_refs(world, ro, PAGE_SIZE, 0));
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_refused(world_refs(world, buffer, PAGE_SIZE, 0), EIO);
	ck_assert_refused(world_refs(world, buffer, 2 * PAGE_SIZE, 1), EIO);
	/* Another context pins it too, and sees both. */
	second.fd = (int)made(world_open(world, "/dev/iommu"));
	uint32_t other = made(world_ioas(&second));
	int access = (int)made(world_access(&second, other, 1));
	ck_assert_ok(world_map_at(&second, other, buffer, PAGE_SIZE, IOVA));
	made(world_pin(&second, access, IOVA, 1, 0, 0));
	ck_assert_ok(world_refs(&second, buffer, PAGE_SIZE, 2));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 2));
}
END_TEST

/* --- accesses --- */

START_TEST(an_access_that_can_not_be_made_leaves_nothing)
{
	static const char *const points[] = {"access file", "object", "object id", "access list"};
	struct iommu_iova_range range;
	uint64_t alignment;
	buffer = world_mmap(world, BUFFER, PROT_RW, SHARED);
	ioas = made(world_ioas(world));
	for (uint32_t i = 0; i < 4; i++) {
		machine_fail_nth(world->machine, 1, points[i]);
		ck_assert_refused(world_access(world, ioas, 1), ENOMEM);
	}
	struct iommu_test_cmd cmd = {.id = ioas, .create_access = {.flags = 1}};
	ck_assert_refused(unanswered(IOMMU_TEST_OP_CREATE_ACCESS, &cmd), EFAULT);
	ck_assert_ok(world_ranges(world, ioas, &range, 1, NULL, &alignment));
	ck_assert_uint_eq(alignment, 1);
	ck_assert_ok(world_map_at(world, ioas, buffer, 100, IOVA));
	ck_assert_refused(world_access(world, ioas, 1), EADDRINUSE);
	ck_assert_int_eq(world_access(world, ioas, 0), 4);
	ck_assert_int_eq(world_ioas(world), 3);
}
END_TEST

START_TEST(without_a_descriptor_an_access_is_enomem)
{
	ioas = made(world_ioas(world));
	int64_t last = 4;
	while (last < (int64_t)FD_MAX)
		ck_assert_int_eq(world_open(world, "/dev/null"), last++);
	ck_assert_refused(world_access(world, ioas, 0), ENOMEM);
	ck_assert_ok(world_close(world, 4));
	ck_assert_int_eq(world_access(world, ioas, 0), 4);
}
END_TEST

START_TEST(the_file_of_an_access_does_nothing_but_close)
{
	int access = setup_access(1);
	struct file *file = fd_file(world->process, access);
	ck_assert_str_eq(file->ops->name, "[iommufd_test_staccess]");
	ck_assert_uint_eq(file->flags & O_CLOEXEC_BIT, O_CLOEXEC_BIT);
	uint64_t fd = (uint64_t)access, data = world->data;
	ck_assert_refused(world_sys(world, SYS_READ, fd, data, 8), EINVAL);
	ck_assert_refused(world_sys(world, SYS_WRITE, fd, data, 8), EINVAL);
	ck_assert_refused(world_sys(world, SYS_IOCTL, fd, IOMMUFD_IO(0x80), data), ENOTTY);
	ck_assert_refused(
		world_sys(world, SYS_MMAP, 0, PAGE_SIZE, PROT_READ_BIT, MAP_SHARED_BIT, fd, 0),
		ENODEV);
}
END_TEST

START_TEST(a_pin_that_can_not_be_finished_is_undone)
{
	int access = setup_access(1);
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, IOVA));
	machine_fail_nth(world->machine, 1, "pages array");
	ck_assert_refused(world_pin(world, access, IOVA, 1, 0, 0), ENOMEM);
	struct iommu_test_cmd cmd = {.id = (uint32_t)access,
				     .access_pages = {0, 0, IOVA, PAGE_SIZE, 0}};
	ck_assert_refused(unanswered(IOMMU_TEST_OP_ACCESS_PAGES, &cmd), EFAULT);
	ck_assert_refused(world_pin(world, access, IOVA, PAGE_SIZE, 0, buffer + PAGE_SIZE), EBADE);
	ck_assert_refused(world_pin(world, access, IOVA, PAGE_SIZE, 0, NOWHERE), EFAULT);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
	ck_assert_refused(world_unpin(world, access, 0), ENOENT);
}
END_TEST

START_TEST(pins_take_16_mib_at_most)
{
	int access = setup_access(1);
	ck_assert_refused(world_pin(world, 99, IOVA, (16 << 20) + 1, 2, 0), ENOMEM);
	ck_assert_refused(world_pin(world, 99, IOVA, 16 << 20, 2, 0), EOPNOTSUPP);
	ck_assert_refused(world_pin(world, 99, IOVA, 16 << 20, 0, 0), EBADFD);
	ck_assert_refused(world_pin(world, access, IOVA, 16 << 20, 0, 0), ENOENT);
	ck_assert_refused(world_rw(world, 99, IOVA, NOWHERE, (16 << 20) + 1, 8), ENOMEM);
	ck_assert_refused(world_rw(world, 99, IOVA, NOWHERE, 16 << 20, 8), EOPNOTSUPP);
	ck_assert_refused(world_rw(world, 99, IOVA, NOWHERE, 16 << 20, 0), EBADFD);
	ck_assert_refused(world_rw(world, access, IOVA, NOWHERE, 16 << 20, 0), ENOENT);
}
END_TEST

START_TEST(the_test_flag_names_the_n_th_area)
{
	int access = setup_access(1);
	struct iommu_test_cmd cmd = {.id = (uint32_t)access};
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	ck_assert_ok(world_map_at(world, ioas, buffer + PAGE_SIZE, 2 * PAGE_SIZE, IOVA + 0x10000));
	uint64_t named = 1 | (uint64_t)PAGE_SIZE << 32;
	cmd.access_pages.flags = MOCK_FLAGS_ACCESS_SYZ;
	cmd.access_pages.iova = named;
	cmd.access_pages.length = PAGE_SIZE;
	cmd.access_pages.uptr = buffer + 2 * PAGE_SIZE;
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_ACCESS_PAGES, &cmd));
	ck_assert_uint_eq(cmd.access_pages.iova, named);
	ck_assert_ok(world_refs(world, buffer + 2 * PAGE_SIZE, PAGE_SIZE, 1));
	world_put(world, buffer + 2 * PAGE_SIZE, "abcd", 4);
	ck_assert_ok(world_rw(world, access, named, world->data, 4, MOCK_FLAGS_ACCESS_SYZ));
	char text[5] = "";
	world_get(world, world->data, text, 4);
	ck_assert_str_eq(text, "abcd");
}
END_TEST

START_TEST(rw_copies_its_bytes_before_the_access_looks_at_them)
{
	int access = setup_access(0);
	machine_fail_nth(world->machine, 1, "rw buffer");
	ck_assert_refused(world_rw(world, access, IOVA, NOWHERE, 8, 1), ENOMEM);
	ck_assert_refused(world_rw(world, access, IOVA, NOWHERE, 8, 1), EFAULT);
	ck_assert_refused(world_rw(world, access, IOVA, NOWHERE, 8, 0), ENOENT);
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, IOVA));
	ck_assert_refused(world_rw(world, access, IOVA, NOWHERE, 8, 0), EFAULT);
	ck_assert_ok(world_rw(world, access, IOVA, world->data + 3, 8, 0));
}
END_TEST

/* Seen by the point where only the remote path can fail (app. E). */
START_TEST(the_slow_path_is_the_way_of_another_process)
{
	int access = setup_access(0);
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, IOVA));
	machine_fail_nth(world->machine, 1, "remote page");
	ck_assert_ok(world_rw(world, access, IOVA, world->data, 8, 0));
	ck_assert_refused(world_rw(world, access, IOVA, world->data, 8, MOCK_ACCESS_RW_SLOW_PATH),
			  EINVAL);
}
END_TEST

START_TEST(moving_an_access_needs_an_ioas)
{
	int access = setup_access(1);
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	ck_assert_int_eq(world_pin(world, access, IOVA, 1, 0, 0), 0);
	ck_assert_refused(world_access_replace(world, 0, 99), EBADFD);
	ck_assert_refused(world_access_replace(world, 99, 99), EBADFD);
	ck_assert_refused(world_access_replace(world, access, 99), ENOENT);
	ck_assert_ok(world_access_replace(world, access, ioas));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_ok(world_access_replace(world, access, other));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	ck_assert_refused(world_unpin(world, access, 0), ENOENT);
}
END_TEST

/* --- dirty bits --- */

static int64_t dirty(uint32_t hwpt, uint64_t iova, uint64_t length, uint64_t page, uint64_t bits,
		     uint64_t *count)
{
	struct iommu_test_cmd cmd = {.id = hwpt, .dirty = {~0U, 0, iova, length, page, bits, 0}};
	int64_t error = world_test(world, IOMMU_TEST_OP_DIRTY, &cmd);
	if (count != NULL)
		*count = cmd.dirty.out_nr_dirty;
	return error;
}

static void track(uint32_t hwpt)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {.flags = 1, .hwpt_id = hwpt};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &cmd));
}

START_TEST(dirty_checks_its_arguments_in_order)
{
	setup();
	uint64_t page = PAGE_SIZE, data = world->data, most = 1ULL << 27;
	ck_assert_refused(dirty(99, 0, page, 0, data, NULL), EINVAL);
	ck_assert_refused(dirty(99, 0, 0, page, data, NULL), EINVAL);
	ck_assert_refused(dirty(99, 1, page, page, data, NULL), EINVAL);
	ck_assert_refused(dirty(99, 0, page + 1, page, data, NULL), EINVAL);
	ck_assert_refused(dirty(99, 0, (most + 1) * page, page, 0, NULL), EINVAL);
	ck_assert_refused(dirty(99, 0, (most + 1) * page, page, data, NULL), EOVERFLOW);
	ck_assert_refused(dirty(99, 0, most * page, page, data, NULL), ENOENT);
	ck_assert_refused(dirty(ioas, 0, page, page, data, NULL), ENOENT);
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, DIRTY));
	ck_assert_refused(dirty(hwpt, 0, page, page, NOWHERE, NULL), EINVAL);
	track(hwpt);
	machine_fail_nth(world->machine, 1, "dirty bits");
	ck_assert_refused(dirty(hwpt, 0, page, page, NOWHERE, NULL), ENOMEM);
	ck_assert_refused(dirty(hwpt, 0, page, page, NOWHERE, NULL), EFAULT);
	ck_assert_ok(dirty(hwpt, 0, page, page, data, NULL));
}
END_TEST

START_TEST(dirty_marks_what_is_mapped_and_counts_every_bit)
{
	setup();
	uint8_t bits[2] = {0x81, 0xff}, got[1] = {0};
	uint64_t count;
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, DIRTY));
	uint64_t off = 0;
	ck_assert_ok(world_option(world, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, &off));
	track(hwpt);
	ck_assert_ok(world_map_at(world, ioas, buffer, 4 * PAGE_SIZE, APERTURE));
	/* Nine bits are read: the second byte's upper seven are beyond the length. */
	ck_assert_ok(dirty(hwpt, APERTURE, 9 * PAGE_SIZE, PAGE_SIZE, world_data(world, bits, 2),
			   &count));
	ck_assert_uint_eq(count, 3);
	/* Two bytes are needed, and no more. */
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED) + PAGE_SIZE;
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va, PAGE_SIZE));
	world_put(world, va - 2, bits, 2);
	ck_assert_ok(dirty(hwpt, APERTURE, 9 * PAGE_SIZE, PAGE_SIZE, va - 2, &count));
	ck_assert_refused(dirty(hwpt, APERTURE, 9 * PAGE_SIZE, PAGE_SIZE, va - 1, NULL), EFAULT);
	struct iommu_hwpt_get_dirty_bitmap get = {.hwpt_id = hwpt,
						  .iova = APERTURE,
						  .length = 4 * PAGE_SIZE,
						  .page_size = PAGE_SIZE,
						  .data = world_data(world, got, 1)};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP, &get));
	world_get(world, world->data, got, 1);
	ck_assert_uint_eq(got[0], 1);
}
END_TEST

/* --- caches and faults --- */

START_TEST(cached_words_are_compared)
{
	setup();
	uint32_t parent = made(world_hwpt(world, mock.idev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT));
	uint32_t nested = made(world_nested(world, mock.idev, parent, 0, 0, 5));
	struct iommu_test_cmd cmd = {.id = nested, .check_iotlb = {3, 5}};
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_MD_CHECK_IOTLB, &cmd));
	cmd.check_iotlb.iotlb = 6;
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_MD_CHECK_IOTLB, &cmd), EINVAL);
	cmd.check_iotlb.id = 4;
	cmd.check_iotlb.iotlb = 5;
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_MD_CHECK_IOTLB, &cmd), EINVAL);
	cmd = (struct iommu_test_cmd){.id = parent, .check_iotlb = {3, 5}};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_MD_CHECK_IOTLB, &cmd), ENOENT);
	cmd = (struct iommu_test_cmd){.id = mock.idev, .check_dev_cache = {3, 0xbaddad}};
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_DEV_CHECK_CACHE, &cmd));
	cmd.check_dev_cache.cache = 0;
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_DEV_CHECK_CACHE, &cmd), EINVAL);
	cmd.check_dev_cache.id = 4;
	cmd.check_dev_cache.cache = 0xbaddad;
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_DEV_CHECK_CACHE, &cmd), EINVAL);
	cmd = (struct iommu_test_cmd){.id = mock.stdev, .check_dev_cache = {3, 0xbaddad}};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_DEV_CHECK_CACHE, &cmd), ENOENT);
}
END_TEST

START_TEST(a_fault_is_triggered_of_devices_only_and_always_succeeds)
{
	setup();
	ck_assert_refused(world_iopf(world, mock.stdev, 0, 1), ENOENT);
	ck_assert_ok(world_iopf(world, mock.idev, 0, 1));
	ck_assert_ok(world_iopf(world, mock.idev, 99, 1));
}
END_TEST

/* A virt_id of 0 is legal, but no event tells it. */
START_TEST(no_event_is_triggered_with_virt_id_0)
{
	struct viommu_world v = world_make_viommu(world);
	int fd;
	uint32_t pt = v.nested;
	made(world_vdevice(world, v.viommu, v.mock.idev, 0));
	made(world_veventq(world, v.viommu, 1, &fd));
	ck_assert_ok(world_replace(world, v.mock.stdev, &pt));
	struct iommu_test_cmd cmd = {.trigger_vevent = {v.mock.idev}};
	ck_assert_refused(world_test(world, IOMMU_TEST_OP_TRIGGER_VEVENT, &cmd), ENOENT);
}
END_TEST

/* --- dma-bufs --- */

static int64_t get_dma_buf(uint32_t length, uint32_t flags)
{
	struct iommu_test_cmd cmd = {.dmabuf_get = {length, flags}};
	return world_test(world, IOMMU_TEST_OP_DMABUF_GET, &cmd);
}

static int64_t revoke(int fd, uint32_t revoked)
{
	struct iommu_test_cmd cmd = {.dmabuf_revoke = {fd, revoked}};
	return world_test(world, IOMMU_TEST_OP_DMABUF_REVOKE, &cmd);
}

START_TEST(a_dma_buf_has_1_to_512_pages_and_its_number_is_not_told)
{
	ck_assert_refused(get_dma_buf(0, 0), EINVAL);
	ck_assert_refused(get_dma_buf(512 * PAGE_SIZE + 1, 0), EINVAL);
	machine_fail_nth(world->machine, 1, "dma-buf");
	ck_assert_refused(get_dma_buf(1, 0), ENOMEM);
	ck_assert_int_eq(get_dma_buf(1, O_CLOEXEC_BIT), 0);
	struct file *file = fd_file(world->process, 4);
	ck_assert_uint_eq(file->flags, O_CLOEXEC_BIT);
	/* A whole page of it can be mapped. */
	ioas = made(world_ioas(world));
	uint64_t iova = IOVA;
	ck_assert_ok(world_map_file(world, ioas, 4, 0, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_ok(get_dma_buf(512 * PAGE_SIZE, 0));
}
END_TEST

START_TEST(a_dma_buf_is_zeroed_and_in_one_piece)
{
	ck_assert_ok(get_dma_buf(8 * PAGE_SIZE, 0));
	struct dmabuf *dma_buf = fd_file(world->process, 4)->priv;
	uint8_t bytes[PAGE_SIZE], zeros[PAGE_SIZE] = {0};
	for (uint64_t i = 0; i < 8; i++) {
		memory_read(&world->machine->memory, pa_of_pfn(dma_buf->pfn + i), bytes, PAGE_SIZE);
		ck_assert_mem_eq(bytes, zeros, PAGE_SIZE);
	}
	ck_assert_uint_eq(dma_buf->length, 8 * PAGE_SIZE);
	ioas = made(world_ioas(world));
	uint64_t iova = APERTURE;
	struct iova at = iova_of(APERTURE + 7 * PAGE_SIZE);
	struct pa pa;
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	ck_assert_ok(world_map_file(world, ioas, 4, 0, 8 * PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	struct iommu_domain *domain = world_hwpt_of(world, mock.hwpt)->domain;
	ck_assert(domain->ops->translate(domain, at, &pa));
	ck_assert_uint_eq(pa.value, (dma_buf->pfn + 7) * PAGE_SIZE);
}
END_TEST

START_TEST(a_revocation_with_either_value_is_for_ever)
{
	ck_assert_refused(revoke(-1, 1), EBADF);
	ck_assert_refused(revoke(99, 1), EBADF);
	ck_assert_refused(revoke(0, 1), EINVAL);
	ck_assert_ok(get_dma_buf(2 * PAGE_SIZE, 0));
	ioas = made(world_ioas(world));
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	struct iommu_domain *domain = world_hwpt_of(world, mock.hwpt)->domain;
	uint64_t iova = APERTURE;
	struct pa pa;
	ck_assert_ok(world_map_file(world, ioas, 4, 0, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert(domain->ops->translate(domain, iova_of(APERTURE), &pa));
	ck_assert_ok(revoke(4, 0));
	ck_assert(!domain->ops->translate(domain, iova_of(APERTURE), &pa));
	/* The flag is what later mappings find. */
	iova = APERTURE + PAGE_SIZE;
	ck_assert_ok(revoke(4, 1));
	ck_assert_refused(world_map_file(world, ioas, 4, 0, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova),
			  ENODEV);
	ck_assert_ok(revoke(4, 0));
	ck_assert_ok(world_map_file(world, ioas, 4, 0, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert(!domain->ops->translate(domain, iova_of(APERTURE), &pa));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_bytes_of_device_and_domain_operations_are_the_sheet_s,
		the_bytes_of_memory_operations_are_the_sheet_s,
		reserved_and_last_are_not_looked_at,
		an_unknown_operation_is_eopnotsupp,
		the_operations_that_answer_are_those_of_the_sheet,
		the_constants_are_those_of_the_sheet,
		reserved_ranges_are_checked_in_order,
		reserved_ranges_overlap_at_any_byte_and_stay,
		a_mock_device_without_memory_gives_its_ids_back,
		flags_of_a_device_are_checked_after_its_object_is_made,
		replacing_answers_with_what_is_attached_and_is_not_undone,
		a_pasid_that_can_not_be_answered_is_detached_but_not_replaced_back,
		pasid_operations_need_a_selftest_object,
		pasid_check_looks_for_exactly_this_hwpt,
		pasids_that_are_left_go_with_their_device,
		devices_and_domains_of_another_driver_are_einval,
		check_map_works_in_the_domain_s_granules,
		refs_are_counted_page_by_page_over_all_contexts,
		an_access_that_can_not_be_made_leaves_nothing,
		without_a_descriptor_an_access_is_enomem,
		the_file_of_an_access_does_nothing_but_close,
		a_pin_that_can_not_be_finished_is_undone,
		pins_take_16_mib_at_most,
		the_test_flag_names_the_n_th_area,
		rw_copies_its_bytes_before_the_access_looks_at_them,
		the_slow_path_is_the_way_of_another_process,
		moving_an_access_needs_an_ioas,
		dirty_checks_its_arguments_in_order,
		dirty_marks_what_is_mapped_and_counts_every_bit,
		cached_words_are_compared,
		a_fault_is_triggered_of_devices_only_and_always_succeeds,
		no_event_is_triggered_with_virt_id_0,
		a_dma_buf_has_1_to_512_pages_and_its_number_is_not_told,
		a_dma_buf_is_zeroed_and_in_one_piece,
		a_revocation_with_either_value_is_for_ever,
	};
	return RUN_TESTS("shim_test_cmd", tests);
}
