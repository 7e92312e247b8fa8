// SPDX-License-Identifier: Apache-2.0
/* VFIO device files: BIND, ATTACH, DETACH, close (iommufd 4.7). */
#include <string.h>

#include "kernel_shim/uapi/vfio.h"
#include "kernel_shim/vfio_cdev.h"
#include "tests/kit/fake_iommu.h"
#include "tests/kit/test.h"

static struct fake_iommu *fake;
static struct device *device;
static int cdev;

/* A device file that is open and not bound. */
static void setup(void)
{
	fake = fake_iommu_new(world->machine);
	device = &fake_device_new(fake)->device;
	vfio_cdev_register(world->machine, "/dev/vfio/devices/vfio0", device);
	cdev = (int)made(world_open(world, "/dev/vfio/devices/vfio0"));
}

/* SIZE bytes of WORDS at the end of a page that nothing follows: no byte more can be read. */
static uint64_t at_the_end(const uint32_t *words, uint32_t size)
{
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_READ_BIT | PROT_WRITE_BIT,
				 MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT);
	uint64_t at = va + PAGE_SIZE - size;
	ck_assert_ok(world_sys(world, SYS_MUNMAP, va + PAGE_SIZE, PAGE_SIZE));
	world_put(world, at, words, size);
	return at;
}

static int64_t call(int fd, uint32_t cmd, const uint32_t *words, uint32_t size)
{
	return world_sys(world, SYS_IOCTL, (uint64_t)fd, cmd, at_the_end(words, size));
}

static int64_t bind_words(int fd, uint32_t argsz, uint32_t flags, uint32_t iommufd, uint32_t size)
{
	const uint32_t words[8] = {argsz, flags, iommufd};
	return call(fd, VFIO_DEVICE_BIND_IOMMUFD, words, size);
}

static int64_t bind(void)
{
	return bind_words(cdev, 24, 0, (uint32_t)world->fd, 24);
}

/* ATTACH as 4 words; *PT in and out. */
static int64_t attach_pasid(uint32_t *pt, uint32_t pasid)
{
	uint32_t words[4] = {16, VFIO_DEVICE_ATTACH_PASID, *pt, pasid};
	uint64_t va = at_the_end(words, sizeof(words));
	int64_t result =
		world_sys(world, SYS_IOCTL, (uint64_t)cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, va);
	world_get(world, va, words, sizeof(words));
	*pt = words[2];
	return result;
}

static struct iommufd_hwpt *attached(uint32_t pasid)
{
	return iommufd_device_hwpt(world_idev(world, 1), pasid);
}

START_TEST(bind_reads_argsz_first)
{
	setup();
	ck_assert_refused(
		world_sys(world, SYS_IOCTL, (uint64_t)cdev, VFIO_DEVICE_BIND_IOMMUFD, NOWHERE),
		EFAULT);
	ck_assert_refused(bind_words(cdev, 15, 0, (uint32_t)world->fd, 4), EINVAL);
	/* Shorter than the struct: the rest counts as 0. Longer: it must be. */
	ck_assert_refused(bind_words(cdev, 16, 0, (uint32_t)world->fd, 12), EFAULT);
	const uint32_t tail[8] = {32, 0, (uint32_t)world->fd, 0, 0, 0, 1, 0};
	ck_assert_refused(call(cdev, VFIO_DEVICE_BIND_IOMMUFD, tail, 32), E2BIG);
	ck_assert_refused(bind_words(cdev, 32, 0, (uint32_t)world->fd, 28), EFAULT);
	ck_assert_ok(bind_words(cdev, 16, 0, (uint32_t)world->fd, 16));
}
END_TEST

START_TEST(bind_refuses_flags_and_negative_descriptors)
{
	setup();
	ck_assert_refused(bind_words(cdev, 24, 0, (uint32_t)-1, 24), EINVAL);
	ck_assert_refused(bind_words(cdev, 24, 2, (uint32_t)world->fd, 24), EINVAL);
	/* A token, which no device here asks for. */
	ck_assert_refused(bind_words(cdev, 24, 1, (uint32_t)world->fd, 24), EINVAL);
}
END_TEST

START_TEST(bind_wants_an_iommufd)
{
	setup();
	ck_assert_refused(bind_words(cdev, 24, 0, 99, 24), EBADF);
	ck_assert_refused(bind_words(cdev, 24, 0, (uint32_t)cdev, 24), EBADFD);
}
END_TEST

START_TEST(bind_answers_with_the_device_s_id_alone)
{
	setup();
	const uint32_t words[6] = {24, 0, (uint32_t)world->fd, 77, 5, 6};
	uint32_t after[6];
	uint64_t va = at_the_end(words, sizeof(words));
	made(world_ioas(world));
	ck_assert_ok(world_sys(world, SYS_IOCTL, (uint64_t)cdev, VFIO_DEVICE_BIND_IOMMUFD, va));
	world_get(world, va, after, sizeof(after));
	ck_assert_uint_eq(after[3], 2);
	after[3] = 77;
	ck_assert_mem_eq(after, words, sizeof(words));
}
END_TEST

START_TEST(bind_is_undone_where_the_id_can_not_be_written)
{
	setup();
	const uint32_t words[6] = {24, 0, (uint32_t)world->fd};
	uint64_t va = at_the_end(words, sizeof(words));
	ck_assert_ok(world_sys(world, SYS_MPROTECT, align_down(va, PAGE_SIZE), PAGE_SIZE,
			       PROT_READ_BIT));
	ck_assert_refused(world_sys(world, SYS_IOCTL, (uint64_t)cdev, VFIO_DEVICE_BIND_IOMMUFD, va),
			  EFAULT);
	ck_assert_refused(world_destroy(world, 1), ENOENT);
	ck_assert_ok(bind());
}
END_TEST

START_TEST(a_device_is_bound_once)
{
	setup();
	int other = (int)made(world_open(world, "/dev/vfio/devices/vfio0"));
	ck_assert_ok(bind());
	ck_assert_refused(bind(), EINVAL);
	ck_assert_refused(bind_words(other, 24, 0, (uint32_t)world->fd, 24), EINVAL);
	ck_assert_ok(world_close(world, cdev));
	ck_assert_ok(bind_words(other, 24, 0, (uint32_t)world->fd, 24));
}
END_TEST

START_TEST(an_unbound_device_file_takes_bind_alone)
{
	setup();
	const uint32_t words[4] = {16, 0, 1, 0};
	ck_assert_refused(call(cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, words, 16), EINVAL);
	ck_assert_refused(call(cdev, VFIO_DEVICE_DETACH_IOMMUFD_PT, words, 16), EINVAL);
	ck_assert_refused(call(cdev, 0x3b99, words, 16), EINVAL);
	ck_assert_ok(bind());
	ck_assert_refused(call(cdev, 0x3b99, words, 16), ENOTTY);
}
END_TEST

START_TEST(attach_checks_its_struct_in_order)
{
	setup();
	ck_assert_ok(bind());
	uint32_t ioas = made(world_ioas(world));
	const uint32_t short_argsz[4] = {11, 0, ioas};
	const uint32_t unknown[4] = {16, 2, ioas};
	const uint32_t no_room[4] = {12, VFIO_DEVICE_ATTACH_PASID, ioas};
	const uint32_t beyond[4] = {16, VFIO_DEVICE_ATTACH_PASID, ioas};
	const uint32_t missing[4] = {12, 0, 99};
	uint32_t cmd = VFIO_DEVICE_ATTACH_IOMMUFD_PT;
	ck_assert_refused(call(cdev, cmd, short_argsz, 8), EFAULT);
	ck_assert_refused(call(cdev, cmd, short_argsz, 12), EINVAL);
	ck_assert_refused(call(cdev, cmd, unknown, 12), EINVAL);
	ck_assert_refused(call(cdev, cmd, no_room, 12), EINVAL);
	ck_assert_refused(call(cdev, cmd, beyond, 12), EFAULT);
	ck_assert_refused(call(cdev, cmd, missing, 12), ENOENT);
	ck_assert_ptr_null(attached(0));
}
END_TEST

START_TEST(attach_without_a_place_for_pt_id_detaches_the_rid)
{
	setup();
	ck_assert_ok(bind());
	const uint32_t words[3] = {12, 0, made(world_ioas(world))};
	uint64_t va = at_the_end(words, sizeof(words));
	ck_assert_ok(world_sys(world, SYS_MPROTECT, align_down(va, PAGE_SIZE), PAGE_SIZE,
			       PROT_READ_BIT));
	ck_assert_refused(
		world_sys(world, SYS_IOCTL, (uint64_t)cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, va),
		EFAULT);
	ck_assert_ptr_null(attached(0));
}
END_TEST

START_TEST(each_pasid_attaches_once_and_is_replaced_then)
{
	setup();
	ck_assert_ok(bind());
	uint32_t ioas = made(world_ioas(world));
	uint32_t first = made(world_hwpt(world, 1, ioas, IOMMU_HWPT_ALLOC_PASID));
	uint32_t second = made(world_hwpt(world, 1, ioas, IOMMU_HWPT_ALLOC_PASID));
	uint32_t pt = first;
	ck_assert_ok(attach_pasid(&pt, 3));
	ck_assert_uint_eq(pt, first);
	ck_assert_ptr_null(attached(0));
	pt = second;
	ck_assert_ok(attach_pasid(&pt, 3));
	ck_assert_uint_eq(attached(3)->object.id, second);
	pt = first;
	ck_assert_ok(attach_pasid(&pt, 4));
	ck_assert_uint_eq(attached(4)->object.id, first);
	ck_assert_uint_eq(attached(3)->object.id, second);
}
END_TEST

START_TEST(detach_checks_its_struct_in_order)
{
	setup();
	ck_assert_ok(bind());
	uint32_t pt = made(world_hwpt(world, 1, made(world_ioas(world)), IOMMU_HWPT_ALLOC_PASID));
	ck_assert_ok(attach_pasid(&pt, 3));
	const uint32_t short_argsz[3] = {7, 0};
	const uint32_t unknown[3] = {12, 2};
	const uint32_t no_room[3] = {8, VFIO_DEVICE_DETACH_PASID};
	const uint32_t pasid_3[3] = {12, VFIO_DEVICE_DETACH_PASID, 3};
	const uint32_t rid[3] = {8, 0};
	uint32_t cmd = VFIO_DEVICE_DETACH_IOMMUFD_PT;
	ck_assert_refused(call(cdev, cmd, short_argsz, 4), EFAULT);
	ck_assert_refused(call(cdev, cmd, short_argsz, 8), EINVAL);
	ck_assert_refused(call(cdev, cmd, unknown, 8), EINVAL);
	ck_assert_refused(call(cdev, cmd, no_room, 8), EINVAL);
	ck_assert_refused(call(cdev, cmd, pasid_3, 8), EFAULT);
	ck_assert_ok(call(cdev, cmd, rid, 8)); /* nothing is attached there */
	ck_assert_ptr_nonnull(attached(3));
	ck_assert_ok(call(cdev, cmd, pasid_3, 12));
	ck_assert_ptr_null(attached(3));
}
END_TEST

START_TEST(closing_the_file_detaches_all_and_drops_the_context)
{
	setup();
	ck_assert_ok(bind());
	uint32_t ioas = made(world_ioas(world));
	uint32_t hwpt = made(world_hwpt(world, 1, ioas, IOMMU_HWPT_ALLOC_PASID));
	uint32_t pt = hwpt;
	ck_assert_ok(attach_pasid(&pt, 3));
	ck_assert_ok(attach_pasid(&pt, 5));
	ck_assert_ok(world_attach(world, cdev, &pt));
	ck_assert_refused(world_destroy(world, hwpt), EBUSY);
	ck_assert_ok(world_close(world, cdev));
	ck_assert_refused(world_destroy(world, 1), ENOENT);
	ck_assert_ok(world_destroy(world, hwpt));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		bind_reads_argsz_first,
		bind_refuses_flags_and_negative_descriptors,
		bind_wants_an_iommufd,
		bind_answers_with_the_device_s_id_alone,
		bind_is_undone_where_the_id_can_not_be_written,
		a_device_is_bound_once,
		an_unbound_device_file_takes_bind_alone,
		attach_checks_its_struct_in_order,
		attach_without_a_place_for_pt_id_detaches_the_rid,
		each_pasid_attaches_once_and_is_replaced_then,
		detach_checks_its_struct_in_order,
		closing_the_file_detaches_all_and_drops_the_context,
	};
	return RUN_TESTS("vfio_cdev", tests);
}
