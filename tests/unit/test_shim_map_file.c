/* SPDX-License-Identifier: Apache-2.0 */
/* IOMMU_IOAS_MAP_FILE, rule by rule (iommufd 2.6). */
#include <string.h>

#include "kernel_shim/uapi/vfio.h"
#include "tests/kit/test.h"

#define BUFFER (8 * PAGE_SIZE)

static uint32_t ioas;
static int file;

/* A call with nothing wrong in it; WITH() sends it with some fields changed. */
static struct iommu_ioas_map_file good;

static void setup(void)
{
	file = (int)made(world_memfd(world, BUFFER));
	ioas = made(world_ioas(world));
}

static struct mock setup_domain(void)
{
	struct mock mock;
	setup();
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	return mock;
}

static void reset(void)
{
	good = (struct iommu_ioas_map_file){
		.flags = MAP_RW, .ioas_id = ioas, .fd = file, .length = PAGE_SIZE};
}

static int64_t send(void)
{
	return world_ioctl(world, IOMMUFD_NR_IOAS_MAP_FILE, &good);
}

#define WITH(...) (reset(), __VA_ARGS__, send())
#define GOOD()    (reset(), send())

static uint64_t map_memory(uint64_t length)
{
	return made(world_sys(world, SYS_MMAP, 0x20000000, length, PROT_RW,
			      MAP_SHARED_BIT | MAP_FIXED_BIT, (uint64_t)file, 0));
}

static void put(uint8_t *bytes, size_t at, size_t width, uint64_t value)
{
	for (size_t i = 0; i < width; i++)
		bytes[at + i] = (uint8_t)(value >> 8 * i);
}

START_TEST(map_file_has_the_layout_of_the_sheet)
{
	struct mock mock = setup_domain();
	uint8_t bytes[40] = {40, 0, 0, 0, 7}, after[40];
	uint64_t va = map_memory(BUFFER);
	put(bytes, 8, 4, ioas);
	put(bytes, 12, 4, (uint64_t)file);
	put(bytes, 16, 8, PAGE_SIZE);
	put(bytes, 24, 8, 3 * PAGE_SIZE);
	put(bytes, 32, 8, APERTURE + 0x10000);
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_ok(world_ioctl_raw(world, 0x3b8f, world->args));
	ck_assert_ok(world_check_map(world, mock.hwpt, APERTURE + 0x10000, va + PAGE_SIZE,
				     3 * PAGE_SIZE));
	put(bytes, 4, 4, 6);
	world_put(world, world->args, bytes, sizeof(bytes));
	ck_assert_ok(world_ioctl_raw(world, 0x3b8f, world->args));
	put(bytes, 32, 8, APERTURE);
	world_get(world, world->args, after, sizeof(after));
	ck_assert_mem_eq(after, bytes, sizeof(bytes));
}
END_TEST

START_TEST(unknown_flags_are_refused)
{
	setup();
	ck_assert_refused(WITH(good.flags = MAP_RW | 8), EOPNOTSUPP);
	ck_assert_refused(WITH(good.flags = 0x80000000, good.iova = UINT64_MAX), EOPNOTSUPP);
}
END_TEST

START_TEST(an_iova_or_length_of_u64_max_overflows)
{
	setup();
	ck_assert_refused(WITH(good.iova = UINT64_MAX), EOVERFLOW);
	ck_assert_refused(WITH(good.length = UINT64_MAX), EOVERFLOW);
	ck_assert_refused(WITH(good.iova = UINT64_MAX, good.flags = 0), EOVERFLOW);
	ck_assert_refused(WITH(good.length = UINT64_MAX, good.flags = 0), EOVERFLOW);
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
	setup();
	ck_assert_refused(WITH(good.ioas_id = 99), ENOENT);
	ck_assert_refused(WITH(good.ioas_id = 99, good.length = 0), ENOENT);
}
END_TEST

START_TEST(a_length_of_0_is_refused)
{
	setup();
	ck_assert_refused(WITH(good.length = 0), EINVAL);
	/* Before the descriptor is looked up. */
	ck_assert_refused(WITH(good.length = 0, good.fd = 99), EINVAL);
}
END_TEST

START_TEST(a_range_of_the_file_that_wraps_overflows)
{
	setup();
	ck_assert_refused(WITH(good.start = -PAGE_SIZE + 1), EOVERFLOW);
	ck_assert_refused(WITH(good.start = -PAGE_SIZE + 1, good.fd = 99), EOVERFLOW);
	/* Up to the last byte it does not. */
	ck_assert_ok(WITH(good.start = -PAGE_SIZE));
}
END_TEST

static int new_dmabuf(uint32_t length)
{
	struct iommu_test_cmd cmd = {.dmabuf_get = {length, O_RDWR_BIT}};
	int fd = (int)made(world_open(world, "/dev/zero"));
	ck_assert_ok(world_close(world, fd));
	/* The answer is 0; the descriptor is the lowest free one. */
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_DMABUF_GET, &cmd));
	return fd;
}

static int64_t revoke(int fd, uint32_t revoked)
{
	struct iommu_test_cmd cmd = {.dmabuf_revoke = {fd, revoked}};
	return world_test(world, IOMMU_TEST_OP_DMABUF_REVOKE, &cmd);
}

START_TEST(a_range_must_be_inside_the_dma_buf)
{
	setup();
	file = new_dmabuf(2 * PAGE_SIZE);
	ck_assert_refused(WITH(good.length = 2 * PAGE_SIZE + 1), EINVAL);
	ck_assert_refused(WITH(good.start = 1, good.length = 2 * PAGE_SIZE), EINVAL);
	ck_assert_ok(WITH(good.start = 1, good.length = 2 * PAGE_SIZE - 1));
	ck_assert_ok(WITH(good.length = 2 * PAGE_SIZE));
}
END_TEST

START_TEST(a_length_in_the_last_page_is_refused)
{
	setup();
	ck_assert_refused(WITH(good.length = UINT64_MAX - PAGE_SIZE + 1), EINVAL);
	ck_assert_refused(WITH(good.length = UINT64_MAX - PAGE_SIZE), EOVERFLOW);
}
END_TEST

START_TEST(without_memory_for_the_page_array_it_is_enomem)
{
	struct failure_injector *failures = &world->machine->failures;
	bool found = false;
	setup();
	for (uint64_t n = 1; !found; n++) {
		uint64_t hits = failures->hits;
		failures->countdown = n;
		int64_t result = GOOD();
		failures->countdown = 0;
		ck_assert_uint_ne(failures->hits, hits);
		found = strcmp(failures->last, "page array") == 0;
		if (found)
			ck_assert_refused(result, ENOMEM);
	}
}
END_TEST

START_TEST(a_revoked_dma_buf_is_enodev)
{
	setup();
	file = new_dmabuf(PAGE_SIZE);
	ck_assert_ok(revoke(file, 1));
	ck_assert_refused(GOOD(), ENODEV);
	/* The range is tested first. */
	ck_assert_refused(WITH(good.start = 1), EINVAL);
}
END_TEST

START_TEST(the_descriptor_must_be_open)
{
	setup();
	ck_assert_refused(WITH(good.fd = 99), EBADF);
	ck_assert_refused(WITH(good.fd = -1), EBADF);
}
END_TEST

START_TEST(any_file_is_accepted_while_nothing_is_pinned)
{
	setup();
	ck_assert_ok(WITH(good.fd = 0));         /* /dev/null */
	ck_assert_ok(WITH(good.fd = world->fd)); /* the context's own */
	ck_assert_ok(WITH(good.length = 100 * PAGE_SIZE));
	ck_assert_int_gt(world_unmap_all(world, ioas), 0);
}
END_TEST

START_TEST(length_and_offset_must_fit_the_alignment)
{
	setup_domain();
	ck_assert_refused(WITH(good.length = 1024), EINVAL);
	ck_assert_str_eq(world_rule(world), "iommufd 2.4 8");
	ck_assert_refused(
		WITH(good.flags = MAP_RW | MAP_FIXED_, good.iova = APERTURE, good.start = 1024),
		EINVAL);
	ck_assert_str_eq(world_rule(world), "iommufd 2.4 10");
	ck_assert_ok(WITH(good.start = 2048, good.length = 2048));
}
END_TEST

START_TEST(the_start_in_its_page_is_the_offset)
{
	struct mock mock = setup_domain();
	uint64_t va = map_memory(BUFFER);
	ck_assert_ok(WITH(good.start = 0x2800, good.length = 0x1000));
	ck_assert_uint_eq(good.iova, APERTURE + 0x800);
	ck_assert_ok(world_check_map(world, mock.hwpt, good.iova, va + 0x2800, 0x1000));
}
END_TEST

START_TEST(a_mapping_stays_when_its_answer_can_not_be_written)
{
	setup();
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	reset();
	good.size = sizeof(good);
	world_put(world, va, &good, sizeof(good));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_IOAS_MAP_FILE), va), EFAULT);
	ck_assert_int_eq(world_unmap(world, ioas, 0x1000, PAGE_SIZE), PAGE_SIZE);
}
END_TEST

START_TEST(only_a_memfd_can_be_pinned)
{
	setup();
	uint32_t plain = made(world_ioas(world));
	ck_assert_ok(WITH(good.fd = 0, good.flags |= MAP_FIXED_, good.iova = APERTURE));
	/* A domain that comes later, an access, a map with a domain. */
	ck_assert_refused(world_mock(world, ioas, 0, NULL), EINVAL);
	int access = (int)made(world_access(world, ioas, 1));
	ck_assert_refused(world_pin(world, access, APERTURE, PAGE_SIZE, 0, 0), EINVAL);
	ck_assert_ok(world_mock(world, plain, 0, NULL));
	ck_assert_refused(WITH(good.fd = 0, good.ioas_id = plain), EINVAL);
	ck_assert_ok(WITH(good.ioas_id = plain));
}
END_TEST

START_TEST(what_is_pinned_must_be_inside_the_file)
{
	setup_domain();
	ck_assert_refused(WITH(good.start = BUFFER), EINVAL);
	ck_assert_refused(WITH(good.start = PAGE_SIZE, good.length = BUFFER), EINVAL);
	ck_assert_ok(WITH(good.length = BUFFER));
}
END_TEST

START_TEST(missing_pages_of_the_file_are_made)
{
	struct mock mock = setup_domain();
	char text[5] = "";
	ck_assert_ok(WITH(good.length = BUFFER));
	int access = (int)made(world_access(world, ioas, 0));
	ck_assert_ok(world_rw(world, access, good.iova + PAGE_SIZE, world_data(world, "page", 5), 5,
			      MOCK_ACCESS_RW_WRITE));
	uint64_t va = map_memory(BUFFER);
	world_get(world, va + PAGE_SIZE, text, 5);
	ck_assert_str_eq(text, "page");
	ck_assert_ok(world_check_map(world, mock.hwpt, good.iova, va, BUFFER));
}
END_TEST

START_TEST(the_mapping_holds_its_file_and_no_process)
{
	setup();
	struct world *child = world_fork(world);
	struct iommu_ioas_map_file map = {
		.flags = MAP_RW, .ioas_id = ioas, .fd = file, .length = PAGE_SIZE};
	char text[6] = "";
	map.flags |= MAP_FIXED_;
	map.iova = APERTURE;
	uint64_t va = map_memory(BUFFER);
	world_put(world, va, "bytes", 6);
	ck_assert_ok(world_ioctl(child, IOMMUFD_NR_IOAS_MAP_FILE, &map));
	world_exit(child);
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va, BUFFER));
	ck_assert_ok(world_close(world, file));
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	int access = (int)made(world_access(world, ioas, 0));
	ck_assert_ok(world_rw(world, access, APERTURE, world->data, 6, 0));
	world_get(world, world->data, text, 6);
	ck_assert_str_eq(text, "bytes");
}
END_TEST

/* --- dma-buf --- */

START_TEST(a_dma_buf_is_charged_to_nobody)
{
	setup_domain();
	file = new_dmabuf(4 * PAGE_SIZE);
	world->process->credentials.cap_ipc_lock = false;
	world->process->credentials.rlimit_memlock = 0;
	ck_assert_ok(WITH(good.length = 4 * PAGE_SIZE));
	ck_assert_uint_eq(world->process->mm->pinned_vm, 0);
	ck_assert_uint_eq(world->process->credentials.user->locked_vm, 0);
}
END_TEST

static struct iommu_domain *domain_of(uint32_t hwpt)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(fd_file(world->process, world->fd));
	struct iommufd_hwpt *object =
		(struct iommufd_hwpt *)iommufd_get_object(ictx, hwpt, IOMMUFD_OBJ_HWPT_PAGING);
	ck_assert_ptr_nonnull(object);
	iommufd_put_object(ictx, &object->object);
	return object->domain;
}

static uint32_t seen_prot;

static int note_prot(struct iommu_domain *domain, struct iova iova, struct pa pa, uint64_t length,
		     uint32_t prot, uint64_t chunk)
{
	(void)domain, (void)iova, (void)pa, (void)length, (void)chunk;
	seen_prot = prot;
	return 0;
}

START_TEST(a_dma_buf_is_mapped_as_mmio)
{
	struct mock mock = setup_domain();
	struct iommu_domain *domain = domain_of(mock.hwpt);
	struct iommu_domain_ops ops = *domain->ops;
	ops.map = note_prot;
	domain->ops = &ops;
	ck_assert_ok(GOOD());
	ck_assert_uint_eq(seen_prot, IOMMU_READ | IOMMU_WRITE);
	file = new_dmabuf(PAGE_SIZE);
	ck_assert_ok(GOOD());
	ck_assert_uint_eq(seen_prot, IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO);
}
END_TEST

START_TEST(an_access_can_not_pin_a_dma_buf)
{
	setup();
	int access = (int)made(world_access(world, ioas, 1));
	file = new_dmabuf(PAGE_SIZE);
	ck_assert_ok(GOOD());
	ck_assert_refused(world_pin(world, access, good.iova, PAGE_SIZE, 0, 0), EINVAL);
	ck_assert_ok(world_unmap_all(world, ioas) == PAGE_SIZE ? 0 : -1);
}
END_TEST

START_TEST(an_access_can_not_read_or_write_a_dma_buf)
{
	setup();
	int access = (int)made(world_access(world, ioas, 0));
	file = new_dmabuf(PAGE_SIZE);
	ck_assert_ok(GOOD());
	ck_assert_refused(world_rw(world, access, good.iova, world->data, 8, 0), EINVAL);
	ck_assert_refused(world_rw(world, access, good.iova, world->data, 8, MOCK_ACCESS_RW_WRITE),
			  EINVAL);
}
END_TEST

START_TEST(a_dma_buf_can_not_be_split)
{
	setup();
	struct iommu_vfio_ioas set = {.ioas_id = ioas, .op = IOMMU_VFIO_IOAS_SET};
	struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof(unmap), .size = PAGE_SIZE};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_VFIO_IOAS, &set));
	ck_assert_ok(world_ioctl_raw(world, VFIO_SET_IOMMU, 1));
	file = new_dmabuf(2 * PAGE_SIZE);
	ck_assert_ok(WITH(good.length = 2 * PAGE_SIZE));
	unmap.iova = good.iova;
	ck_assert_refused(world_ioctl_raw(world, VFIO_IOMMU_UNMAP_DMA,
					  world_data(world, &unmap, sizeof(unmap))),
			  EOPNOTSUPP);
	ck_assert_int_eq(world_unmap_all(world, ioas), 2 * PAGE_SIZE);
}
END_TEST

static bool translates(uint32_t hwpt, uint64_t iova)
{
	struct iommu_domain *domain = domain_of(hwpt);
	struct pa pa;
	return domain->ops->translate(domain, iova_of(iova), &pa);
}

START_TEST(a_revocation_empties_the_domains)
{
	struct mock mock = setup_domain();
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	file = new_dmabuf(PAGE_SIZE);
	ck_assert_ok(GOOD());
	ck_assert(translates(mock.hwpt, good.iova) && translates(hwpt, good.iova));
	ck_assert_ok(revoke(file, 1));
	ck_assert(!translates(mock.hwpt, good.iova) && !translates(hwpt, good.iova));
}
END_TEST

START_TEST(a_later_domain_passes_over_a_revoked_area)
{
	struct mock mock = setup_domain();
	file = new_dmabuf(PAGE_SIZE);
	ck_assert_ok(GOOD());
	ck_assert_ok(revoke(file, 1));
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	ck_assert(!translates(hwpt, good.iova));
}
END_TEST

START_TEST(a_revoked_area_can_be_unmapped)
{
	setup_domain();
	file = new_dmabuf(PAGE_SIZE);
	ck_assert_ok(GOOD());
	ck_assert_ok(revoke(file, 1));
	ck_assert_int_eq(world_unmap(world, ioas, good.iova, PAGE_SIZE), PAGE_SIZE);
	ck_assert_ok(world_unmap_all(world, ioas));
}
END_TEST

START_TEST(an_area_that_was_revoked_stays_so)
{
	struct mock mock = setup_domain();
	file = new_dmabuf(PAGE_SIZE);
	ck_assert_ok(GOOD());
	uint64_t old = good.iova;
	ck_assert_ok(revoke(file, 1));
	ck_assert_ok(revoke(file, 0));
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	ck_assert(!translates(mock.hwpt, old) && !translates(hwpt, old));
	/* A new mapping lives. */
	ck_assert_ok(GOOD());
	ck_assert(translates(mock.hwpt, good.iova) && translates(hwpt, good.iova));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		map_file_has_the_layout_of_the_sheet,
		unknown_flags_are_refused,
		an_iova_or_length_of_u64_max_overflows,
		a_permission_is_needed,
		the_ioas_must_exist,
		a_length_of_0_is_refused,
		a_range_of_the_file_that_wraps_overflows,
		a_range_must_be_inside_the_dma_buf,
		a_length_in_the_last_page_is_refused,
		without_memory_for_the_page_array_it_is_enomem,
		a_revoked_dma_buf_is_enodev,
		the_descriptor_must_be_open,
		any_file_is_accepted_while_nothing_is_pinned,
		length_and_offset_must_fit_the_alignment,
		the_start_in_its_page_is_the_offset,
		a_mapping_stays_when_its_answer_can_not_be_written,
		only_a_memfd_can_be_pinned,
		what_is_pinned_must_be_inside_the_file,
		missing_pages_of_the_file_are_made,
		the_mapping_holds_its_file_and_no_process,
		a_dma_buf_is_charged_to_nobody,
		a_dma_buf_is_mapped_as_mmio,
		an_access_can_not_pin_a_dma_buf,
		an_access_can_not_read_or_write_a_dma_buf,
		a_dma_buf_can_not_be_split,
		a_revocation_empties_the_domains,
		a_later_domain_passes_over_a_revoked_area,
		a_revoked_area_can_be_unmapped,
		an_area_that_was_revoked_stays_so,
	};
	return RUN_TESTS("shim_map_file", tests);
}
