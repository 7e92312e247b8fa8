/* SPDX-License-Identifier: Apache-2.0 */
/* IOMMU_IOAS_MAP, rule by rule (iommufd 2.4). */
#include <string.h>

#include "tests/kit/test.h"

static uint32_t ioas;
static uint64_t buffer;

#define BUFFER (16 * PAGE_SIZE)

static void setup(void)
{
	buffer = world_mmap_aligned(world, BUFFER);
	ioas = made(world_ioas(world));
}

static struct mock setup_domain(void)
{
	struct mock mock;
	setup();
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	return mock;
}

/* A map with nothing wrong in it; WITH() sends it with some fields changed. */
static struct iommu_ioas_map good;

static void reset(void)
{
	good = (struct iommu_ioas_map){
		.flags = MAP_RW, .ioas_id = ioas, .user_va = buffer, .length = PAGE_SIZE};
}

static int64_t send(void)
{
	return world_ioctl(world, IOMMUFD_NR_IOAS_MAP, &good);
}

#define WITH(...) (reset(), __VA_ARGS__, send())
#define GOOD()    (reset(), send())

static void put(uint8_t *bytes, size_t at, size_t width, uint64_t value)
{
	for (size_t i = 0; i < width; i++)
		bytes[at + i] = (uint8_t)(value >> 8 * i);
}

START_TEST(map_has_the_layout_of_the_sheet)
{
	struct mock mock = setup_domain();
	uint8_t bytes[40] = {40, 0, 0, 0, 7};
	put(bytes, 8, 4, ioas);
	put(bytes, 16, 8, buffer + PAGE_SIZE);
	put(bytes, 24, 8, 3 * PAGE_SIZE);
	put(bytes, 32, 8, APERTURE + 0x10000);
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_ok(world_ioctl_raw(world, 0x3b85, world->args));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE + 0x10000, buffer + PAGE_SIZE,
				     3 * PAGE_SIZE));
	put(bytes, 4, 4, 6);
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_ok(world_ioctl_raw(world, 0x3b85, world->args));
	put(bytes, 32, 8, APERTURE);
	uint8_t after[40];
	world_get(world, world->args, after, sizeof(after));
	ck_assert_mem_eq(after, bytes, sizeof(bytes));
	put(bytes, 12, 4, 1);
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_refused(world_ioctl_raw(world, 0x3b85, world->args), EOPNOTSUPP);
}
END_TEST

START_TEST(unknown_flags_are_refused)
{
	setup();
	ck_assert_refused(WITH(good.flags = MAP_RW | 8), EOPNOTSUPP);
	ck_assert_refused(WITH(good.flags = MAP_RW | 0x10000), EOPNOTSUPP);
	ck_assert_refused(WITH(good.flags = MAP_RW | 0x80000000), EOPNOTSUPP);
	ck_assert_refused(WITH(good.flags = 8, good.iova = UINT64_MAX), EOPNOTSUPP);
}
END_TEST

START_TEST(the_reserved_field_must_be_zero)
{
	setup();
	ck_assert_refused(WITH(good.__reserved = 1), EOPNOTSUPP);
	ck_assert_refused(WITH(good.__reserved = 0x80000000, good.length = UINT64_MAX), EOPNOTSUPP);
}
END_TEST

START_TEST(an_iova_of_u64_max_overflows_even_when_it_is_not_asked_for)
{
	setup();
	ck_assert_refused(WITH(good.iova = UINT64_MAX), EOVERFLOW);
	ck_assert_refused(WITH(good.flags = MAP_RW | MAP_FIXED_, good.iova = UINT64_MAX),
			  EOVERFLOW);
	ck_assert_refused(WITH(good.flags = 0, good.iova = UINT64_MAX), EOVERFLOW);
	ck_assert_ok(WITH(good.iova = UINT64_MAX - 1));
}
END_TEST

START_TEST(a_length_of_u64_max_overflows)
{
	setup();
	ck_assert_refused(WITH(good.user_va = 0, good.length = UINT64_MAX), EOVERFLOW);
	ck_assert_str_eq(world_rule(world), "iommufd 2.4 2");
	ck_assert_refused(WITH(good.flags = 0, good.length = UINT64_MAX), EOVERFLOW);
}
END_TEST

START_TEST(a_permission_is_needed)
{
	setup();
	ck_assert_refused(WITH(good.flags = 0), EINVAL);
	ck_assert_refused(WITH(good.flags = MAP_FIXED_, good.ioas_id = 99), EINVAL);
	ck_assert_ok(WITH(good.flags = MAP_RO));
	ck_assert_ok(WITH(good.flags = MAP_WO));
}
END_TEST

START_TEST(the_ioas_must_exist)
{
	struct mock mock = setup_domain();
	ck_assert_refused(WITH(good.ioas_id = 99), ENOENT);
	ck_assert_refused(WITH(good.ioas_id = mock.hwpt), ENOENT);
	ck_assert_refused(WITH(good.ioas_id = 99, good.user_va = -2048ULL), ENOENT);
}
END_TEST

START_TEST(memory_must_not_reach_over_2_to_the_64)
{
	setup();
	ck_assert_refused(WITH(good.user_va = -2048ULL), EOVERFLOW);
	/* Before the length is looked at. */
	ck_assert_refused(WITH(good.user_va = 2 * PAGE_SIZE, good.length = UINT64_MAX - 1),
			  EOVERFLOW);
	ck_assert_str_eq(world_rule(world), "iommufd 2.4 5");
}
END_TEST

START_TEST(memory_that_ends_at_2_to_the_64_overflows_too)
{
	setup();
	ck_assert_refused(WITH(good.user_va = -PAGE_SIZE), EOVERFLOW);
	ck_assert_ok(WITH(good.user_va = -PAGE_SIZE, good.length = PAGE_SIZE - 1));
}
END_TEST

START_TEST(a_length_of_0_is_refused)
{
	setup();
	ck_assert_refused(WITH(good.length = 0), EINVAL);
	ck_assert_str_eq(world_rule(world), "iommufd 2.4 6");
}
END_TEST

START_TEST(a_length_in_the_last_page_is_refused)
{
	setup();
	ck_assert_refused(WITH(good.user_va = 0, good.length = UINT64_MAX - PAGE_SIZE + 1), EINVAL);
	ck_assert_refused(WITH(good.user_va = 0, good.length = UINT64_MAX - 1), EINVAL);
	/* One less is too long for an automatic IOVA only. */
	ck_assert_refused(WITH(good.user_va = 0, good.length = UINT64_MAX - PAGE_SIZE), EOVERFLOW);
}
END_TEST

START_TEST(without_memory_for_the_page_array_it_is_enomem)
{
	struct failure_injector *failures = &world->machine->failures;
	uint32_t found = 0;
	setup();
	for (uint64_t n = 1;; n++) {
		uint64_t hits = failures->hits;
		failures->countdown = n;
		int64_t result = GOOD();
		failures->countdown = 0;
		if (failures->hits == hits)
			break;
		if (strcmp(failures->last, "page array") == 0 ||
		    strcmp(failures->last, "area") == 0) {
			found++;
			ck_assert_refused(result, ENOMEM);
			ck_assert_ok(world_unmap_all(world, ioas));
		}
		world_unmap_all(world, ioas);
	}
	ck_assert_uint_eq(found, 2);
}
END_TEST

START_TEST(the_length_must_fit_the_alignment)
{
	setup_domain();
	ck_assert_refused(WITH(good.length = 4095), EINVAL);
	ck_assert_refused(WITH(good.length = 1024), EINVAL);
	/* Before the IOVA is looked at. */
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, APERTURE));
	ck_assert_refused(world_map_at(world, ioas, buffer, 1024, APERTURE), EINVAL);
	ck_assert_ok(WITH(good.length = 2048));
}
END_TEST

START_TEST(the_iova_is_taken_with_the_fixed_flag_only)
{
	setup();
	uint64_t iova = 0x50000;
	ck_assert_ok(world_map(world, ioas, buffer, PAGE_SIZE, MAP_RW, &iova));
	ck_assert_uint_eq(iova, 0x1000);
	iova = 0x50000;
	ck_assert_ok(world_map(world, ioas, buffer, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_uint_eq(iova, 0x50000);
	ck_assert_int_eq(world_unmap(world, ioas, 0x50000, PAGE_SIZE), PAGE_SIZE);
	ck_assert_int_eq(world_unmap(world, ioas, 0x1000, PAGE_SIZE), PAGE_SIZE);
}
END_TEST

START_TEST(the_offset_in_the_page_must_fit_the_alignment)
{
	setup_domain();
	ck_assert_refused(world_map_at(world, ioas, buffer + 1024, PAGE_SIZE, APERTURE), EINVAL);
	ck_assert_ok(world_map_at(world, ioas, buffer + 2048, PAGE_SIZE, APERTURE));
	/* After the IOVA was looked at. */
	ck_assert_refused(world_map_at(world, ioas, buffer + 1024, PAGE_SIZE, APERTURE), EEXIST);
}
END_TEST

START_TEST(a_range_is_taken_while_its_map_is_under_way)
{
	setup_domain();
	struct iommu_ioas_map first = {.ioas_id = ioas,
				       .flags = MAP_RW | MAP_FIXED_,
				       .user_va = buffer,
				       .length = 2 * PAGE_SIZE,
				       .iova = APERTURE};
	struct iommu_ioas_map second = {
		.ioas_id = ioas, .flags = MAP_RW, .user_va = buffer, .length = PAGE_SIZE};
	struct flight flights[2];
	world_stepwise(world, true);
	flight_start(&flights[0], world, 0, IOMMUFD_NR_IOAS_MAP, &first);
	ck_assert(flight_until(&flights[0], "pin pages"));
	flight_start(&flights[1], world, 1, IOMMUFD_NR_IOAS_MAP, &second);
	ck_assert_ok(flight_finish(&flights[1]));
	ck_assert_uint_eq(second.iova, APERTURE + 2 * PAGE_SIZE);
	ck_assert_ok(flight_finish(&flights[0]));
}
END_TEST

START_TEST(all_pages_are_pinned_and_mapped_into_every_domain)
{
	struct mock mock = setup_domain();
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, APERTURE));
	ck_assert_ok(world_refs(world, buffer, BUFFER, 1));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, buffer, BUFFER));
	ck_assert_ok(world_check_map(world, hwpt, APERTURE, buffer, BUFFER));
}
END_TEST

START_TEST(memory_that_can_not_be_pinned_is_efault)
{
	setup_domain();
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	ck_assert_refused(WITH(good.user_va = NOWHERE), EFAULT);
	ck_assert_refused(WITH(good.user_va = ro), EFAULT);
	struct world *child = world_fork(world);
	uint64_t own = world_mmap(child, PAGE_SIZE, PROT_RW, PRIVATE);
	struct iommu_ioas_map map = {
		.ioas_id = ioas, .flags = MAP_RW, .user_va = own, .length = PAGE_SIZE};
	uint32_t plain = made(world_ioas(world));
	map.ioas_id = plain;
	ck_assert_ok(world_ioctl(child, IOMMUFD_NR_IOAS_MAP, &map));
	world_exit(child);
	/* A copy needs the pages of a process that is gone. */
	uint64_t iova = APERTURE;
	ck_assert_refused(
		world_copy(world, plain, map.iova, PAGE_SIZE, ioas, MAP_RW | MAP_FIXED_, &iova),
		EFAULT);
}
END_TEST

START_TEST(pins_beyond_the_limit_are_enomem)
{
	setup_domain();
	world->process->credentials.cap_ipc_lock = false;
	world->process->credentials.rlimit_memlock = PAGE_SIZE;
	ck_assert_refused(WITH(good.length = 2 * PAGE_SIZE), ENOMEM);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
	ck_assert_ok(GOOD());
}
END_TEST

/* A domain whose driver refuses. */

static int refuse_map(struct iommu_domain *domain, struct iova iova, struct pa pa, uint64_t length,
		      uint32_t prot, uint64_t chunk)
{
	(void)domain, (void)iova, (void)pa, (void)length, (void)prot, (void)chunk;
	return -ERANGE;
}

static struct iommu_domain_ops refusing_ops;

static struct iommu_domain *domain_of(uint32_t hwpt)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(fd_file(world->process, world->fd));
	struct iommufd_hwpt *object =
		(struct iommufd_hwpt *)iommufd_get_object(ictx, hwpt, IOMMUFD_OBJ_HWPT_PAGING);
	ck_assert_ptr_nonnull(object);
	iommufd_put_object(ictx, &object->object);
	return object->domain;
}

static void let_refuse(struct iommu_domain *domain)
{
	refusing_ops = *domain->ops;
	refusing_ops.map = refuse_map;
	domain->ops = &refusing_ops;
}

START_TEST(the_answer_of_a_domain_is_passed_on)
{
	struct mock mock = setup_domain();
	let_refuse(domain_of(mock.hwpt));
	ck_assert_refused(GOOD(), ERANGE);
}
END_TEST

START_TEST(a_refusal_of_one_domain_undoes_all)
{
	struct mock mock = setup_domain();
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	let_refuse(domain_of(hwpt));
	ck_assert_refused(world_map_at(world, ioas, buffer, BUFFER, APERTURE), ERANGE);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
	ck_assert_refused(world_check_map(world, mock.hwpt, APERTURE, buffer, PAGE_SIZE), EINVAL);
	ck_assert_refused(world_unmap(world, ioas, APERTURE, BUFFER), ENOENT);
}
END_TEST

START_TEST(without_a_domain_no_memory_is_looked_at)
{
	setup();
	ck_assert_ok(WITH(good.user_va = NOWHERE));
	ck_assert_ok(WITH(good.user_va = -BUFFER, good.length = PAGE_SIZE));
	ck_assert_ok(WITH(good.length = BUFFER));
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
}
END_TEST

START_TEST(the_chosen_iova_is_written_back)
{
	setup();
	struct iommu_ioas_map cmd = {.ioas_id = ioas,
				     .flags = MAP_RW,
				     .user_va = buffer,
				     .length = PAGE_SIZE,
				     .iova = 0x777};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_IOAS_MAP, &cmd));
	ck_assert_uint_eq(cmd.iova, 0x1000);
}
END_TEST

START_TEST(a_mapping_stays_when_its_answer_can_not_be_written)
{
	struct mock mock = setup_domain();
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_ioas_map cmd = {.size = sizeof(cmd),
				     .flags = MAP_RW,
				     .ioas_id = ioas,
				     .user_va = buffer,
				     .length = PAGE_SIZE};
	world_put(world, va, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_IOAS_MAP), va), EFAULT);
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE, buffer, PAGE_SIZE));
	ck_assert_int_eq(world_unmap(world, ioas, APERTURE, PAGE_SIZE), PAGE_SIZE);
}
END_TEST

START_TEST(memory_of_any_byte_alignment_is_mapped)
{
	setup();
	char text[6] = "";
	int access = (int)made(world_access(world, ioas, 0));
	world_put(world, buffer + 4093, "abcde", 6);
	ck_assert_ok(world_map_at(world, ioas, buffer + 4093, 6, 0x50001));
	ck_assert_ok(world_rw(world, access, 0x50001, world->data, 6, 0));
	world_get(world, world->data, text, 6);
	ck_assert_str_eq(text, "abcde");
}
END_TEST

START_TEST(the_address_is_one_of_the_caller)
{
	struct mock mock = setup_domain();
	uint64_t own = world_mmap(world, PAGE_SIZE, PROT_RW, PRIVATE);
	struct world *child = world_fork(world);
	world_put(world, own, "parent", 6);
	world_put(child, own, "child", 5);
	ck_assert_ok(world_map_at(child, ioas, own, PAGE_SIZE, APERTURE));
	ck_assert_ok(world_check_map(child, mock.hwpt, APERTURE, own, PAGE_SIZE));
	ck_assert_refused(world_check_map(world, mock.hwpt, APERTURE, own, PAGE_SIZE), EINVAL);
	world_exit(child);
}
END_TEST

START_TEST(readable_alone_pins_for_reading)
{
	setup_domain();
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED), iova = APERTURE;
	ck_assert_ok(world_map(world, ioas, ro, PAGE_SIZE, MAP_RO | MAP_FIXED_, &iova));
	ck_assert_ok(world_refs(world, ro, PAGE_SIZE, 1));
	/* And what was mapped so is not writable by a copy. */
	ck_assert_refused(world_copy(world, ioas, APERTURE, PAGE_SIZE, ioas, MAP_RW, &iova), EPERM);
}
END_TEST

START_TEST(writeable_alone_pins_for_writing)
{
	setup_domain();
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED), iova = APERTURE;
	ck_assert_refused(world_map(world, ioas, ro, PAGE_SIZE, MAP_WO | MAP_FIXED_, &iova),
			  EFAULT);
	ck_assert_ok(world_map(world, ioas, buffer, PAGE_SIZE, MAP_WO | MAP_FIXED_, &iova));
	int access = (int)made(world_access(world, ioas, 0));
	ck_assert_ok(world_rw(world, access, APERTURE, world->data, 8, MOCK_ACCESS_RW_WRITE));
}
END_TEST

START_TEST(a_write_only_area_is_not_readable)
{
	setup();
	uint64_t iova = 0x50000;
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_ok(world_map(world, ioas, buffer, PAGE_SIZE, MAP_WO | MAP_FIXED_, &iova));
	ck_assert_refused(world_rw(world, access, iova, world->data, 8, 0), EPERM);
	ck_assert_refused(world_pin(world, access, iova, PAGE_SIZE, 0, 0), EPERM);
	made(world_pin(world, access, iova, PAGE_SIZE, MOCK_FLAGS_ACCESS_WRITE, 0));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		map_has_the_layout_of_the_sheet,
		unknown_flags_are_refused,
		the_reserved_field_must_be_zero,
		an_iova_of_u64_max_overflows_even_when_it_is_not_asked_for,
		a_length_of_u64_max_overflows,
		a_permission_is_needed,
		the_ioas_must_exist,
		memory_must_not_reach_over_2_to_the_64,
		memory_that_ends_at_2_to_the_64_overflows_too,
		a_length_of_0_is_refused,
		a_length_in_the_last_page_is_refused,
		without_memory_for_the_page_array_it_is_enomem,
		the_length_must_fit_the_alignment,
		the_iova_is_taken_with_the_fixed_flag_only,
		the_offset_in_the_page_must_fit_the_alignment,
		a_range_is_taken_while_its_map_is_under_way,
		all_pages_are_pinned_and_mapped_into_every_domain,
		memory_that_can_not_be_pinned_is_efault,
		pins_beyond_the_limit_are_enomem,
		the_answer_of_a_domain_is_passed_on,
		a_refusal_of_one_domain_undoes_all,
		without_a_domain_no_memory_is_looked_at,
		the_chosen_iova_is_written_back,
		a_mapping_stays_when_its_answer_can_not_be_written,
		memory_of_any_byte_alignment_is_mapped,
		the_address_is_one_of_the_caller,
		readable_alone_pins_for_reading,
		writeable_alone_pins_for_writing,
		a_write_only_area_is_not_readable,
	};
	return RUN_TESTS("shim_map", tests);
}
