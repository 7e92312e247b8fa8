/* SPDX-License-Identifier: Apache-2.0 */
/* The core above a driver of the test's own: HWPTs, bind, groups, attach (iommufd 4.1 to 4.6). */
#include <string.h>

#include "kernel_shim/drivers/mock/mock.h"
#include "tests/kit/fake_iommu.h"
#include "tests/kit/test.h"

#define NEST  IOMMU_HWPT_ALLOC_NEST_PARENT
#define DIRTY IOMMU_HWPT_ALLOC_DIRTY_TRACKING
#define FAULT IOMMU_HWPT_FAULT_ID_VALID
#define PASID IOMMU_HWPT_ALLOC_PASID

static struct fake_iommu *fake;
static struct fake_device *a, *b; /* b of a's group, when setup_group() made it */
static uint32_t ioas, dev, dev_b;
static int fd, fd_b;
static uint64_t buffer;

static void setup(void)
{
	fake = fake_iommu_new(world->machine);
	a = fake_device_new(fake);
	ioas = made(world_ioas(world));
	dev = made(world_bind(world, &a->device, &fd));
	buffer = world_mmap_aligned(world, 4 * PAGE_SIZE);
}

static void make_b(void)
{
	b = fake_device_new(fake);
	b->device.group = a->device.group;
}

static void setup_group(void)
{
	setup();
	make_b();
	dev_b = made(world_bind(world, &b->device, &fd_b));
}

static int64_t attach(int file, uint32_t pt)
{
	return world_attach(world, file, &pt);
}

/* The HWPT that attaching to PT ends in. */
static uint32_t attached(int file, uint32_t pt)
{
	ck_assert_ok(world_attach(world, file, &pt));
	return pt;
}

static uint32_t users(uint32_t hwpt)
{
	return world_hwpt_of(world, hwpt)->object.users;
}

static uint32_t hwpt_on(uint32_t id, uint32_t pasid)
{
	struct iommufd_hwpt *hwpt = iommufd_device_hwpt(world_idev(world, id), pasid);
	return hwpt != NULL ? hwpt->object.id : 0;
}

static int64_t nested_with(uint32_t device, uint32_t pt, uint32_t flags, uint32_t type,
			   uint32_t length, uint64_t va)
{
	struct iommu_hwpt_alloc cmd = {.flags = flags,
				       .dev_id = device,
				       .pt_id = pt,
				       .data_type = type,
				       .data_len = length,
				       .data_uptr = va};
	int64_t error = world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_hwpt_id;
}

static int64_t nested(uint32_t pt, uint32_t flags)
{
	return nested_with(dev, pt, flags, FAKE_DATA_TYPE, FAKE_DATA_MAX, world->data);
}

/* --- HWPT_ALLOC (4.1.1 to 4.1.3) --- */

START_TEST(the_core_checks_a_paging_hwpt_before_the_driver_does)
{
	setup();
	fake->no_dirty = true;
	ck_assert_refused(world_hwpt(world, dev, ioas, 0x10), EOPNOTSUPP);
	ck_assert_refused(world_hwpt(world, dev, ioas, DIRTY), EOPNOTSUPP);
	ck_assert_refused(world_hwpt(world, dev, ioas, FAULT | NEST), EOPNOTSUPP);
	fake->no_dirty = false;
	made(world_hwpt(world, dev, ioas, DIRTY | NEST | PASID));
	ck_assert_uint_eq(fake->flags, DIRTY | NEST | PASID);
}
END_TEST

START_TEST(the_driver_gets_flags_and_data_and_its_errno_passes)
{
	setup();
	int queue;
	uint32_t fault = made(world_fault(world, &queue));
	struct iommu_hwpt_alloc cmd = {
		.flags = FAULT | PASID, .dev_id = dev, .pt_id = ioas, .fault_id = fault};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd));
	ck_assert_uint_eq(fake->flags, PASID);
	ck_assert(!fake->had_data);
	cmd = (struct iommu_hwpt_alloc){
		.dev_id = dev, .pt_id = ioas, .data_type = 1, .data_len = 4};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd));
	ck_assert(fake->had_data);
	fake->alloc_error = -ENXIO;
	ck_assert_refused(world_hwpt(world, dev, ioas, 0), ENXIO);
	/* Nothing is left of it. */
	fake->alloc_error = 0;
	ck_assert_int_eq(world_hwpt(world, dev, ioas, 0), cmd.out_hwpt_id + 1);
}
END_TEST

START_TEST(a_paging_hwpt_uses_its_ioas)
{
	setup();
	uint32_t hwpt = made(world_hwpt(world, dev, ioas, 0));
	ck_assert_refused(world_destroy(world, ioas), EBUSY);
	ck_assert_ok(world_destroy(world, hwpt));
	ck_assert_ok(world_destroy(world, ioas));
}
END_TEST

START_TEST(no_memory_for_a_hwpt_is_enomem)
{
	setup();
	struct failure_injector *failures = &world->machine->failures;
	int64_t result = -1;
	uint32_t no_memory = 0;
	for (uint64_t nth = 1; result < 0; nth++) {
		ck_assert_uint_lt(nth, 50);
		failures->countdown = nth;
		result = world_hwpt(world, dev, ioas, 0);
		failures->countdown = 0;
		no_memory += result == -ENOMEM;
		/* A user copy that fails is EFAULT, a lookup ENOENT or EINVAL. */
		ck_assert(result >= 0 || result == -ENOMEM || result == -EFAULT ||
			  result == -ENOENT || result == -EINVAL);
	}
	ck_assert_uint_ge(no_memory, 3);
}
END_TEST

START_TEST(a_new_domain_must_fit_what_the_ioas_holds)
{
	struct mock mock;
	uint64_t alignment;
	struct iommu_iova_range range, allowed = {0x1000, 0x1fff};
	uint32_t count;
	setup();
	fake->pgsizes = 0x2000;
	ck_assert_refused(world_hwpt(world, dev, ioas, 0), EINVAL);
	fake->pgsizes = -(uint64_t)PAGE_SIZE;
	/* An area that the domain's pages can't show. */
	ck_assert_ok(world_map_at(world, ioas, buffer, 2048, APERTURE));
	ck_assert_refused(world_hwpt(world, dev, ioas, 0), EADDRINUSE);
	ck_assert_int_eq(world_unmap_all(world, ioas), 2048);
	/* Areas and allowed ranges outside its aperture. */
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(world_mock(world, other, 0, &mock));
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, 0x1000));
	ck_assert_refused(world_hwpt(world, mock.idev, ioas, 0), EADDRINUSE);
	ck_assert_int_eq(world_unmap_all(world, ioas), PAGE_SIZE);
	ck_assert_ok(world_allow(world, ioas, &allowed, 1));
	ck_assert_refused(world_hwpt(world, mock.idev, ioas, 0), EADDRINUSE);
	ck_assert_ok(world_allow(world, ioas, NULL, 0));
	/* What it reserves goes with it. */
	uint32_t hwpt = made(world_hwpt(world, mock.idev, ioas, 0));
	ck_assert_ok(world_ranges(world, ioas, &range, 1, &count, &alignment));
	ck_assert_uint_eq(range.start, APERTURE);
	ck_assert_uint_eq(range.last, 0x7fffffff);
	ck_assert_uint_eq(alignment, 2048);
	ck_assert_ok(world_destroy(world, hwpt));
	ck_assert_ok(world_ranges(world, ioas, &range, 1, &count, &alignment));
	ck_assert_uint_eq(range.start, 0);
	ck_assert_uint_eq(range.last, UINT64_MAX);
	ck_assert_uint_eq(alignment, 1);
}
END_TEST

START_TEST(a_new_domain_is_filled_although_no_device_uses_it)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, 0x1000));
	ck_assert_ok(world_map_at(world, ioas, buffer + 2 * PAGE_SIZE, PAGE_SIZE, 0x5000));
	fake_look(fake);
	uint32_t hwpt = made(world_hwpt(world, dev, ioas, 0));
	ck_assert_str_eq(fake->log, "mm");
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_uint_eq(hwpt_on(dev, 0), 0);
	/* Each one is filled, and counts for later maps. */
	fake_look(fake);
	made(world_hwpt(world, dev, ioas, 0));
	ck_assert_str_eq(fake->log, "mm");
	fake_look(fake);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, 0x9000));
	ck_assert_str_eq(fake->log, "mm");
	ck_assert_ok(world_destroy(world, hwpt));
}
END_TEST

START_TEST(coherency_is_enforced_before_anything_is_mapped)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, 0x1000));
	fake_look(fake);
	made(world_hwpt(world, dev, ioas, 0));
	ck_assert_str_eq(fake->log, "m");
	fake->enforces = true;
	fake_look(fake);
	made(world_hwpt(world, dev, ioas, 0));
	ck_assert_str_eq(fake->log, "em");
	/* Neither attach nor replace asks again. */
	fake_look(fake);
	uint32_t hwpt = attached(fd, ioas);
	ck_assert_str_eq(fake->log, "eam");
	fake_look(fake);
	ck_assert_uint_ne(attached(fd, made(world_hwpt(world, dev, ioas, 0))), hwpt);
	ck_assert_str_eq(fake->log, "emau");
	fake->refuses_enforce = true;
	ck_assert_refused(world_hwpt(world, dev, ioas, 0), EINVAL);
}
END_TEST

START_TEST(a_nested_hwpt_is_checked_by_the_core)
{
	setup();
	struct mock mock;
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(world_mock(world, other, 0, &mock));
	uint32_t theirs = made(world_hwpt(world, mock.idev, other, NEST));
	uint32_t parent = made(world_hwpt(world, dev, ioas, NEST));
	uint32_t plain = made(world_hwpt(world, dev, ioas, 0));
	uint32_t automatic = attached(fd, ioas);
	ck_assert_refused(nested(parent, NEST), EOPNOTSUPP);
	ck_assert_refused(nested(parent, DIRTY), EOPNOTSUPP);
	ck_assert_refused(nested(parent, 0x10), EOPNOTSUPP);
	ck_assert_refused(nested_with(dev, parent, 0, 0, 0, 0), EOPNOTSUPP);
	ck_assert_refused(nested(plain, 0), EINVAL);
	ck_assert_refused(nested(automatic, 0), EINVAL);
	ck_assert_refused(nested(theirs, 0), EINVAL);
	ck_assert_refused(nested(theirs, NEST), EOPNOTSUPP);
	fake->ops.domain_alloc_nested = NULL;
	ck_assert_refused(nested(plain, 0), EOPNOTSUPP);
}
END_TEST

START_TEST(a_nested_hwpt_uses_its_parent)
{
	setup();
	int queue;
	uint32_t fault = made(world_fault(world, &queue));
	uint32_t parent = made(world_hwpt(world, dev, ioas, NEST));
	ck_assert_uint_eq(users(parent), 1);
	uint32_t id = made(nested(parent, PASID));
	ck_assert_uint_eq(fake->flags, PASID);
	ck_assert_uint_eq(users(parent), 2);
	ck_assert_refused(world_destroy(world, parent), EBUSY);
	/* The driver does not see that it takes faults; its errno passes. */
	struct iommu_hwpt_alloc cmd = {.flags = FAULT,
				       .dev_id = dev,
				       .pt_id = parent,
				       .fault_id = fault,
				       .data_type = FAKE_DATA_TYPE,
				       .data_len = FAKE_DATA_MAX,
				       .data_uptr = world->data};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd));
	ck_assert_uint_eq(fake->flags, 0);
	fake->alloc_error = -ENXIO;
	ck_assert_refused(nested(parent, 0), ENXIO);
	ck_assert_uint_eq(users(parent), 3);
	ck_assert_ok(world_destroy(world, id));
	ck_assert_ok(world_destroy(world, cmd.out_hwpt_id));
	ck_assert_ok(world_destroy(world, parent));
}
END_TEST

START_TEST(data_of_a_driver_has_a_type_and_a_range_of_lengths)
{
	setup();
	uint32_t parent = made(world_hwpt(world, dev, ioas, NEST));
	uint8_t bytes[20];
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i < FAKE_DATA_MAX ? (uint8_t)(i + 1) : 0;
	uint64_t va = world_data(world, bytes, sizeof(bytes));
	ck_assert_refused(nested_with(dev, parent, 0, FAKE_DATA_TYPE + 1, 8, va), EINVAL);
	/* Longer than known is refused even when the tail is zero. */
	for (uint32_t length = 1; length <= sizeof(bytes); length++) {
		memset(fake->data, 0xff, sizeof(fake->data));
		int64_t id = nested_with(dev, parent, 0, FAKE_DATA_TYPE, length, va);
		if (length < FAKE_DATA_MIN || length > FAKE_DATA_MAX) {
			ck_assert_refused(id, EINVAL);
			continue;
		}
		ck_assert_int_gt(id, 0);
		for (uint32_t i = 0; i < FAKE_DATA_MAX; i++)
			ck_assert_uint_eq(fake->data[i], i < length ? i + 1 : 0);
	}
	ck_assert_refused(nested_with(dev, parent, 0, FAKE_DATA_TYPE, 8, NOWHERE), EFAULT);
}
END_TEST

START_TEST(a_nested_hwpt_on_a_viommu_is_checked_by_the_core)
{
	setup();
	struct mock mock;
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(world_mock(world, other, 0, &mock));
	uint32_t parent = made(world_hwpt(world, dev, ioas, NEST));
	uint32_t viommu = made(world_viommu(world, dev, parent));
	/* Another IOMMU comes before flags, flags before data, data before the missing op. */
	ck_assert_refused(nested_with(mock.idev, viommu, NEST, 1, 8, world->data), EINVAL);
	ck_assert_refused(nested(viommu, NEST), EOPNOTSUPP);
	ck_assert_refused(nested(viommu, DIRTY), EOPNOTSUPP);
	ck_assert_refused(nested(viommu, 0x10), EOPNOTSUPP);
	ck_assert_refused(nested_with(dev, viommu, 0, 0, 0, 0), EOPNOTSUPP);
	fake->viommu_ops.alloc_domain_nested = NULL;
	ck_assert_refused(nested(viommu, 0), EOPNOTSUPP);
}
END_TEST

START_TEST(a_nested_hwpt_on_a_viommu_uses_the_viommu)
{
	setup();
	uint32_t parent = made(world_hwpt(world, dev, ioas, NEST));
	uint32_t viommu = made(world_viommu(world, dev, parent));
	uint32_t before = users(parent);
	uint32_t id = made(nested(viommu, PASID));
	ck_assert_uint_eq(fake->flags, PASID);
	ck_assert_uint_eq(users(parent), before);
	ck_assert_refused(world_destroy(world, viommu), EBUSY);
	fake->alloc_error = -ENXIO;
	ck_assert_refused(nested(viommu, 0), ENXIO);
	ck_assert_ok(world_destroy(world, id));
	ck_assert_ok(world_destroy(world, viommu));
}
END_TEST

/* --- INVALIDATE, GET_HW_INFO, dirty tracking where the driver lacks the op --- */

static int64_t invalidate(uint32_t id)
{
	struct iommu_hwpt_invalidate cmd = {.hwpt_id = id};
	return world_ioctl(world, IOMMUFD_NR_HWPT_INVALIDATE, &cmd);
}

START_TEST(invalidation_needs_the_driver_s_op)
{
	setup();
	uint32_t parent = made(world_hwpt(world, dev, ioas, NEST));
	uint32_t viommu = made(world_viommu(world, dev, parent));
	ck_assert_refused(invalidate(made(nested(parent, 0))), EOPNOTSUPP);
	ck_assert_refused(invalidate(viommu), EOPNOTSUPP);
}
END_TEST

static const uint32_t fake_info[3] = {0x11, 0x22, 0x33};

static int fake_hw_info(struct device *device, uint32_t *type, void *data, uint32_t max,
			uint32_t *length)
{
	if (*type != 0)
		return refuse(device->machine, ENXIO, "fake", "another type");
	ck_assert_uint_ge(max, sizeof(fake_info));
	memcpy(data, fake_info, sizeof(fake_info));
	*length = sizeof(fake_info);
	*type = 0xf0;
	return 0;
}

START_TEST(hardware_information_is_the_driver_s)
{
	setup();
	uint8_t ones[16];
	struct iommu_hw_info cmd = {
		.dev_id = dev, .data_len = 16, .data_uptr = world->data, .data_type = 7};
	memset(ones, 0xff, sizeof(ones));
	world_data(world, ones, sizeof(ones));
	/* Without the op: no type, no length, and the buffer is zeroed. */
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_GET_HW_INFO, &cmd));
	ck_assert_uint_eq(cmd.data_type, 0);
	ck_assert_uint_eq(cmd.data_len, 0);
	world_get(world, world->data, ones, sizeof(ones));
	for (int i = 0; i < 16; i++)
		ck_assert_uint_eq(ones[i], 0);
	fake->ops.hw_info = fake_hw_info;
	cmd = (struct iommu_hw_info){.dev_id = dev};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_GET_HW_INFO, &cmd));
	ck_assert_uint_eq(cmd.data_type, 0xf0);
	ck_assert_uint_eq(cmd.data_len, 12);
	cmd = (struct iommu_hw_info){.flags = 1, .dev_id = dev, .data_type = 3};
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_GET_HW_INFO, &cmd), ENXIO);
}
END_TEST

START_TEST(capabilities_are_those_of_the_device)
{
	setup();
	struct iommu_hw_info cmd = {.dev_id = dev};
	/* No PCI device: none of the bits of its PASID capability, although it has PASIDs. */
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_GET_HW_INFO, &cmd));
	ck_assert_uint_eq(cmd.out_capabilities, 9);
	ck_assert_uint_eq(cmd.out_max_pasid_log2, 4);
	fake->ats = true;
	fake->no_dirty = true;
	a->device.max_pasids = 0;
	cmd = (struct iommu_hw_info){.dev_id = dev};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_GET_HW_INFO, &cmd));
	ck_assert_uint_eq(cmd.out_capabilities, 0);
	ck_assert_uint_eq(cmd.out_max_pasid_log2, 0);
	a->device.max_pasids = 1;
	cmd = (struct iommu_hw_info){.dev_id = dev};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_GET_HW_INFO, &cmd));
	ck_assert_uint_eq(cmd.out_max_pasid_log2, 0);
}
END_TEST

static int no_dirty_tracking(struct iommu_domain *domain, bool enable)
{
	(void)enable;
	return refuse(domain->machine, ENXIO, "fake", "no dirty tracking today");
}

START_TEST(enabling_reads_all_areas_then_sets_the_driver)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, 0x1000));
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, 0x5000));
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.flags = 1, .hwpt_id = made(world_hwpt(world, dev, ioas, DIRTY))};
	for (int i = 0; i < 2; i++) {
		fake_look(fake);
		ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &cmd));
		ck_assert_str_eq(fake->log, "rrs");
	}
	fake_look(fake);
	cmd.flags = 0;
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &cmd));
	ck_assert_str_eq(fake->log, "s");
	fake->domain_ops.set_dirty_tracking = no_dirty_tracking;
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, &cmd), ENXIO);
}
END_TEST

/* --- bind (4.5) --- */

START_TEST(a_device_that_is_not_coherent_is_not_bound)
{
	setup();
	int file;
	fake->incoherent = true;
	struct fake_device *other = fake_device_new(fake);
	ck_assert_refused(world_bind(world, &other->device, &file), EINVAL);
	/* Its id is free again. */
	ck_assert_int_eq(world_ioas(world), dev + 1);
}
END_TEST

START_TEST(a_bound_device_has_two_users)
{
	setup();
	ck_assert_uint_eq(world_idev(world, dev)->object.users, 2);
	ck_assert_refused(world_destroy(world, dev), EBUSY);
	ck_assert_ok(world_close(world, fd));
	ck_assert_refused(world_destroy(world, dev), ENOENT);
}
END_TEST

START_TEST(a_group_belongs_to_one_context)
{
	setup();
	make_b();
	int ours = world->fd, file;
	world->fd = (int)made(world_open(world, "/dev/iommu"));
	ck_assert_refused(world_bind(world, &b->device, &file), EPERM);
	/* Another group may go there, and this one once it is given up. */
	made(world_bind(world, &fake_device_new(fake)->device, &file));
	ck_assert_ok(world_close(world, fd));
	made(world_bind(world, &b->device, &file));
	world->fd = ours;
	ck_assert_refused(world_bind(world, &a->device, &file), EPERM);
}
END_TEST

START_TEST(devices_of_a_group_share_what_is_attached)
{
	setup_group();
	uint32_t hwpt = attached(fd, ioas);
	ck_assert_uint_eq(hwpt_on(dev_b, 0), hwpt);
	ck_assert_ptr_eq(world_idev(world, dev)->igroup, world_idev(world, dev_b)->igroup);
}
END_TEST

START_TEST(a_bound_device_keeps_its_context)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, 0x1000));
	ck_assert_ok(attach(fd, ioas));
	ck_assert_ok(world_close(world, world->fd));
	/* The file is closed, what was pinned through it is not. */
	world->fd = (int)made(world_open(world, "/dev/iommu"));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_ok(world_detach(world, fd));
	ck_assert_ptr_null(a->domain);
	ck_assert_ok(world_close(world, fd));
	/* Nobody else is left: the context is gone with its areas. */
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	ck_assert(LIST_EMPTY(&iommufd_module(world->machine)->iopts));
}
END_TEST

START_TEST(closing_the_file_detaches_and_unbinds)
{
	setup();
	uint32_t hwpt = made(world_hwpt(world, dev, ioas, 0));
	ck_assert_ok(attach(fd, hwpt));
	ck_assert_ok(world_close(world, fd));
	ck_assert_ptr_null(a->domain);
	ck_assert_uint_eq(users(hwpt), 1);
	ck_assert_refused(world_hwpt(world, dev, ioas, 0), ENOENT);
}
END_TEST

START_TEST(unbinding_buries_a_vdevice_s_id)
{
	setup();
	uint32_t parent = made(world_hwpt(world, dev, ioas, NEST));
	uint32_t viommu = made(world_viommu(world, dev, parent));
	uint32_t vdevice = made(world_vdevice(world, viommu, dev, 5));
	ck_assert_ok(world_close(world, fd));
	/* The device's id is free, the vDEVICE's is not. */
	ck_assert_int_eq(world_ioas(world), dev);
	ck_assert_int_eq(world_ioas(world), vdevice + 1);
	ck_assert_ok(world_destroy(world, viommu));
}
END_TEST

/* The errnos that binding, or attaching to PT, gives while one modelled allocation fails. */
static uint32_t count_no_memory(bool bind, uint32_t pt)
{
	struct failure_injector *failures = &world->machine->failures;
	int64_t result = -1;
	uint32_t no_memory = 0;
	int file = -1;
	for (uint64_t nth = 1; result < 0; nth++) {
		ck_assert_uint_lt(nth, 30);
		failures->countdown = nth;
		if (bind)
			result = world_bind(world, &b->device, &file);
		else
			result = attach(fd, pt);
		failures->countdown = 0;
		no_memory += result == -ENOMEM;
		/* User copies are EFAULT, a lookup is ENOENT. */
		ck_assert(result >= 0 || result == -ENOMEM || result == -EFAULT ||
			  result == -ENOENT);
	}
	return no_memory;
}

START_TEST(no_memory_to_bind_is_enomem)
{
	setup();
	make_b();
	/* The object, its id, the group. */
	ck_assert_uint_eq(count_no_memory(true, 0), 3);
}
END_TEST

START_TEST(no_memory_to_attach_is_enomem)
{
	setup();
	/* The attachment, and what the driver needs. */
	ck_assert_uint_eq(count_no_memory(false, made(world_hwpt(world, dev, ioas, 0))), 2);
}
END_TEST

/* --- attach (4.6) --- */

START_TEST(attach_takes_hwpts_and_ioas_only)
{
	setup();
	uint32_t parent = made(world_hwpt(world, dev, ioas, NEST)), pt = 99;
	uint32_t child = made(nested(parent, 0));
	ck_assert_refused(attach(fd, 99), ENOENT);
	ck_assert_refused(attach(fd, dev), EINVAL);
	/* The answer is the HWPT's id: that given, or that chosen. */
	pt = child;
	ck_assert_ok(world_attach(world, fd, &pt));
	ck_assert_uint_eq(pt, child);
	pt = parent;
	ck_assert_ok(world_attach(world, fd, &pt));
	ck_assert_uint_eq(pt, parent);
	pt = ioas;
	ck_assert_ok(world_attach(world, fd, &pt));
	ck_assert_uint_eq(pt, child + 1);
}
END_TEST

START_TEST(each_device_of_a_group_attaches_once_to_the_same_hwpt)
{
	setup_group();
	uint32_t hwpt = made(world_hwpt(world, dev, ioas, 0));
	uint32_t other = made(world_hwpt(world, dev, ioas, 0));
	struct iommufd_device *idev = world_idev(world, dev);
	uint32_t pt = hwpt;
	uint32_t before = idev->object.users;
	fake_look(fake);
	ck_assert_ok(attach(fd, hwpt));
	/* The group's DMA moves with the first; the second only joins. */
	ck_assert_str_eq(fake->log, "aa");
	ck_assert_ptr_nonnull(b->domain);
	ck_assert_uint_eq(users(hwpt), 2);
	ck_assert_uint_eq(idev->object.users, before + 1);
	ck_assert_refused(iommufd_device_attach(idev, 0, &pt), EBUSY);
	pt = other;
	ck_assert_refused(iommufd_device_attach(idev, 0, &pt), EBUSY);
	ck_assert_refused(attach(fd_b, other), EINVAL);
	/* Detaching what is not attached is nothing, also to a neighbour. */
	iommufd_device_detach(world_idev(world, dev_b), 0);
	ck_assert_uint_eq(users(hwpt), 2);
	ck_assert_uint_eq(hwpt_on(dev, 0), hwpt);
	fake->attach_error = -ENXIO;
	ck_assert_ok(attach(fd_b, hwpt));
	ck_assert_str_eq(fake->log, "aa");
	ck_assert_uint_eq(users(hwpt), 3);
	/* The last to go blocks the group. */
	ck_assert_ok(world_detach(world, fd));
	ck_assert_str_eq(fake->log, "aa");
	ck_assert_uint_eq(users(hwpt), 2);
	ck_assert_uint_eq(idev->object.users, before);
	ck_assert_ok(world_detach(world, fd));
	ck_assert_ok(world_detach(world, fd_b));
	ck_assert_str_eq(fake->log, "aabb");
	ck_assert_uint_eq(users(hwpt), 1);
	ck_assert_uint_eq(hwpt_on(dev, 0), 0);
	ck_assert_ok(world_detach(world, fd_b));
	ck_assert_ptr_null(a->domain);
	ck_assert_ptr_null(b->domain);
}
END_TEST

START_TEST(a_device_bound_late_joins_the_group_s_domain)
{
	setup();
	ck_assert_ok(attach(fd, ioas));
	make_b();
	dev_b = made(world_bind(world, &b->device, &fd_b));
	ck_assert_ptr_eq(b->domain, a->domain);
	ck_assert_ok(world_detach(world, fd));
	ck_assert_ptr_null(b->domain);
	ck_assert_ok(attach(fd, ioas));
	fake->attach_error = -ENXIO;
	struct fake_device *c = fake_device_new(fake);
	int file;
	c->device.group = a->device.group;
	ck_assert_refused(world_bind(world, &c->device, &file), ENXIO);
}
END_TEST

START_TEST(a_failed_attach_of_a_group_leaves_all_blocked)
{
	setup_group();
	uint32_t hwpt = made(world_hwpt(world, dev, ioas, 0));
	fake->attach_error = -ENXIO;
	fake->attach_error_after = 1;
	fake_look(fake);
	ck_assert_refused(attach(fd, hwpt), ENXIO);
	ck_assert_str_eq(fake->log, "aab");
	ck_assert_ptr_null(a->domain);
	ck_assert_uint_eq(users(hwpt), 1);
	fake->attach_error = 0;
	ck_assert_ok(attach(fd, hwpt));
}
END_TEST

START_TEST(a_domain_of_another_driver_is_refused)
{
	setup();
	struct mock mock;
	uint32_t other = made(world_ioas(world)), pt;
	ck_assert_ok(world_mock(world, other, MOCK_FLAGS_DEVICE_PASID, &mock));
	uint32_t theirs = made(world_hwpt(world, mock.idev, other, PASID));
	fake_look(fake);
	ck_assert_refused(attach(fd, theirs), EINVAL);
	/* EINVAL of an automatic one leads to a new one. */
	uint32_t hwpt = attached(fd, other);
	ck_assert_uint_ne(hwpt, mock.hwpt);
	ck_assert_str_eq(fake->log, "a");
	pt = theirs;
	ck_assert_ok(
		world_attach(world, fd, &(uint32_t){made(world_hwpt(world, dev, other, PASID))}));
	ck_assert_refused(iommufd_device_attach(world_idev(world, dev), 3, &pt), EINVAL);
}
END_TEST

START_TEST(automatic_domains_are_tried_in_order)
{
	setup();
	struct fake_device *c = fake_device_new(fake), *d = fake_device_new(fake);
	int fd_c, fd_d;
	made(world_bind(world, &c->device, &fd_c));
	made(world_bind(world, &d->device, &fd_d));
	uint32_t manual = made(world_hwpt(world, dev, ioas, 0));
	uint32_t first = attached(fd, ioas);
	ck_assert_uint_ne(first, manual);
	/* The first one refuses: a second is made. */
	fake->attach_error = -EINVAL;
	fake->attach_error_after = 0;
	uint32_t pt = ioas;
	ck_assert_refused(world_attach(world, fd_c, &pt), EINVAL);
	fake->attach_error = 0;
	ck_assert_uint_eq(attached(fd_c, ioas), first);
	ck_assert_ok(world_detach(world, fd_c));
	/* Any other errno is final. */
	fake_look(fake);
	fake->attach_error = -ENXIO;
	ck_assert_refused(attach(fd_c, ioas), ENXIO);
	ck_assert_str_eq(fake->log, "a");
	fake->attach_error = 0;
	ck_assert_uint_eq(attached(fd_c, ioas), first);
	ck_assert_uint_eq(attached(fd_d, ioas), first);
	ck_assert_uint_eq(users(first), 4);
}
END_TEST

/* A domain that takes no device. */
static struct iommu_domain *refused_domain;

static int picky_attach(struct iommu_domain *domain, struct device *device)
{
	if (domain == refused_domain)
		return refuse(domain->machine, EINVAL, "fake", "not this one");
	((struct fake_device *)device)->domain = domain;
	return 0;
}

START_TEST(an_einval_of_one_automatic_domain_tries_the_next)
{
	setup();
	struct fake_device *c = fake_device_new(fake), *d = fake_device_new(fake);
	int fd_c, fd_d;
	made(world_bind(world, &c->device, &fd_c));
	made(world_bind(world, &d->device, &fd_d));
	uint32_t first = attached(fd, ioas);
	fake->domain_ops.attach = picky_attach;
	refused_domain = world_hwpt_of(world, first)->domain;
	uint32_t second = attached(fd_c, ioas);
	ck_assert_uint_ne(second, first);
	/* Both are automatic: what the first refuses goes to the second. */
	ck_assert_uint_eq(attached(fd_d, ioas), second);
	ck_assert_ok(world_detach(world, fd_d));
	refused_domain = NULL;
	ck_assert_uint_eq(attached(fd_d, ioas), first);
	ck_assert_ok(world_detach(world, fd_c));
	ck_assert_refused(world_destroy(world, second), ENOENT);
}
END_TEST

START_TEST(a_new_automatic_domain_is_attached_then_filled_but_filled_then_replaced)
{
	setup();
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, 0x1000));
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, other, buffer, PAGE_SIZE, 0x1000));
	fake_look(fake);
	uint32_t hwpt = attached(fd, ioas);
	ck_assert_str_eq(fake->log, "am");
	ck_assert_uint_eq(fake->flags, 0);
	ck_assert(!fake->had_data);
	fake_look(fake);
	ck_assert_uint_ne(attached(fd, other), hwpt);
	ck_assert_str_eq(fake->log, "mau");
	ck_assert_refused(world_destroy(world, hwpt), ENOENT);
	/* One that can't be filled is detached again. */
	fake->pgsizes = 0x2000;
	ck_assert_ok(world_detach(world, fd));
	fake_look(fake);
	ck_assert_refused(attach(fd, other), EINVAL);
	ck_assert_str_eq(fake->log, "ab");
	ck_assert_uint_eq(hwpt_on(dev, 0), 0);
}
END_TEST

/* --- replace --- */

START_TEST(replace_needs_an_attachment_of_this_device)
{
	setup_group();
	struct iommufd_device *idev = world_idev(world, dev_b);
	uint32_t hwpt = made(world_hwpt(world, dev, ioas, 0)), pt = hwpt;
	ck_assert_refused(iommufd_device_replace(idev, 0, &pt), EINVAL);
	ck_assert_ok(attach(fd, hwpt));
	ck_assert_refused(iommufd_device_replace(idev, 0, &pt), EINVAL);
	ck_assert_ok(attach(fd_b, hwpt));
	/* The same one again is nothing. */
	fake_look(fake);
	ck_assert_ok(iommufd_device_replace(idev, 0, &pt));
	ck_assert_str_eq(fake->log, "");
	ck_assert_uint_eq(users(hwpt), 3);
}
END_TEST

START_TEST(a_group_is_replaced_as_one)
{
	setup_group();
	uint32_t hwpt = attached(fd, ioas);
	ck_assert_uint_eq(attached(fd_b, hwpt), hwpt);
	uint32_t other = made(world_hwpt(world, dev, ioas, 0));
	struct iommu_domain *before = a->domain;
	/* The second device's refusal brings the first back. */
	fake->attach_error = -ENXIO;
	fake->attach_error_after = 1;
	ck_assert_refused(attach(fd, other), ENXIO);
	fake->attach_error = 0;
	ck_assert_uint_eq(hwpt_on(dev, 0), hwpt);
	ck_assert_uint_eq(users(hwpt), 3);
	ck_assert_uint_eq(users(other), 1);
	ck_assert_ok(attach(fd_b, other));
	ck_assert_ptr_ne(a->domain, before);
	ck_assert_ptr_eq(a->domain, b->domain);
	ck_assert_uint_eq(hwpt_on(dev, 0), other);
	ck_assert_uint_eq(users(other), 3);
	/* Nothing uses the automatic one any more. */
	ck_assert_refused(world_destroy(world, hwpt), ENOENT);
}
END_TEST

START_TEST(a_failed_replace_brings_the_group_back)
{
	setup_group();
	uint32_t hwpt = attached(fd, ioas), other = made(world_hwpt(world, dev, ioas, 0));
	fake->attach_error = -ENXIO;
	fake->attach_error_after = 1;
	fake_look(fake);
	ck_assert_refused(attach(fd, other), ENXIO);
	/* New, new, old. */
	ck_assert_str_eq(fake->log, "aaa");
	ck_assert_uint_eq(hwpt_on(dev, 0), hwpt);
}
END_TEST

/* --- PASIDs --- */

START_TEST(the_core_checks_a_pasid_before_the_driver)
{
	setup();
	struct iommufd_device *idev = world_idev(world, dev);
	uint32_t compat = made(world_hwpt(world, dev, ioas, PASID)), pt = compat;
	uint32_t second = made(world_hwpt(world, dev, ioas, PASID));
	ck_assert_ok(attach(fd, compat));
	ck_assert_refused(iommufd_device_attach(idev, 16, &pt), EINVAL);
	fake->attach_error = -ENXIO;
	ck_assert_refused(iommufd_device_attach(idev, 15, &pt), ENXIO);
	fake->attach_error = 0;
	fake_look(fake);
	ck_assert_ok(iommufd_device_attach(idev, 15, &pt));
	ck_assert_str_eq(fake->log, "p");
	ck_assert_refused(iommufd_device_attach(idev, 15, &pt), EBUSY);
	ck_assert_uint_eq(hwpt_on(dev, 15), compat);
	ck_assert_uint_eq(hwpt_on(dev, 14), 0);
	/* The identical domain is no matter for the driver. */
	fake_look(fake);
	ck_assert_ok(iommufd_device_replace(idev, 15, &pt));
	ck_assert_str_eq(fake->log, "");
	pt = second;
	ck_assert_ok(iommufd_device_replace(idev, 15, &pt));
	ck_assert_str_eq(fake->log, "p");
	iommufd_device_detach(idev, 15);
	ck_assert_str_eq(fake->log, "pq");
	fake->domain_ops.attach_pasid = NULL;
	ck_assert_refused(iommufd_device_attach(idev, 15, &pt), EOPNOTSUPP);
	ck_assert_refused(iommufd_device_attach(idev, 16, &pt), EOPNOTSUPP);
}
END_TEST

/* --- reserved regions --- */

#define RESERVED 0x100000ULL

static struct iommu_iova_range range_of(uint32_t id)
{
	struct iommu_iova_range ranges[4] = {{0}};
	ck_assert_ok(world_ranges(world, id, ranges, 4, NULL, NULL));
	return ranges[0];
}

static void setup_regions(void)
{
	setup_group();
	a->regions[0] = (struct resv_region){0, RESERVED - 1, false};
	a->regions[1] = (struct resv_region){0x40000000, 0x40000fff, true};
	a->region_count = 2;
}

START_TEST(regions_are_reserved_while_the_rid_is_attached)
{
	setup_regions();
	uint32_t hwpt = attached(fd, ioas);
	/* That of a relaxable direct mapping is not. */
	ck_assert_uint_eq(range_of(ioas).start, RESERVED);
	ck_assert_uint_eq(range_of(ioas).last, UINT64_MAX);
	ck_assert_ok(attach(fd_b, hwpt));
	ck_assert_ok(world_detach(world, fd));
	ck_assert_uint_eq(range_of(ioas).start, 0);
	/* They are the device's, also when it is not the first. */
	ck_assert_ok(attach(fd, hwpt));
	ck_assert_uint_eq(range_of(ioas).start, RESERVED);
	ck_assert_ok(world_detach(world, fd_b));
	ck_assert_uint_eq(range_of(ioas).start, RESERVED);
	/* A nested HWPT's are its parent's. */
	uint32_t parent = made(world_hwpt(world, dev, ioas, NEST));
	uint32_t child = made(nested(parent, 0));
	ck_assert_ok(world_detach(world, fd));
	ck_assert_uint_eq(range_of(ioas).start, 0);
	ck_assert_ok(attach(fd, child));
	ck_assert_uint_eq(range_of(ioas).start, RESERVED);
}
END_TEST

START_TEST(a_pasid_reserves_nothing)
{
	setup_regions();
	uint32_t other = made(world_ioas(world));
	uint32_t compat = made(world_hwpt(world, dev, ioas, PASID));
	uint32_t pt = made(world_hwpt(world, dev, other, PASID));
	ck_assert_ok(attach(fd, compat));
	ck_assert_ok(iommufd_device_attach(world_idev(world, dev), 1, &pt));
	ck_assert_uint_eq(range_of(other).start, 0);
	iommufd_device_detach(world_idev(world, dev), 1);
	ck_assert_uint_eq(range_of(ioas).start, RESERVED);
}
END_TEST

START_TEST(what_lies_in_a_region_keeps_the_device_out)
{
	setup_regions();
	struct iommu_iova_range allowed = {0x1000, 0x1fff};
	uint32_t hwpt = made(world_hwpt(world, dev, ioas, 0));
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, RESERVED - PAGE_SIZE));
	ck_assert_refused(attach(fd, hwpt), EADDRINUSE);
	ck_assert_int_eq(world_unmap_all(world, ioas), PAGE_SIZE);
	ck_assert_ok(world_allow(world, ioas, &allowed, 1));
	ck_assert_refused(attach(fd, hwpt), EADDRINUSE);
	ck_assert_ok(world_allow(world, ioas, NULL, 0));
	/* The driver's refusal leaves nothing reserved. */
	fake->attach_error = -ENXIO;
	ck_assert_refused(attach(fd, hwpt), ENXIO);
	ck_assert_uint_eq(range_of(ioas).start, 0);
	fake->attach_error = 0;
	ck_assert_ok(attach(fd, hwpt));
	ck_assert_refused(world_map_at(world, ioas, buffer, PAGE_SIZE, 0x1000), EINVAL);
}
END_TEST

START_TEST(replace_moves_the_regions_of_the_group)
{
	setup_regions();
	b->regions[0] = (struct resv_region){RESERVED, 2 * RESERVED - 1, false};
	b->region_count = 1;
	uint32_t other = made(world_ioas(world)), hwpt = attached(fd, ioas);
	ck_assert_ok(attach(fd_b, hwpt));
	ck_assert_uint_eq(range_of(ioas).start, 2 * RESERVED);
	/* Within one IOAS they stay. */
	ck_assert_ok(attach(fd, made(world_hwpt(world, dev, ioas, 0))));
	ck_assert_uint_eq(range_of(ioas).start, 2 * RESERVED);
	ck_assert_ok(world_map_at(world, other, buffer, PAGE_SIZE, RESERVED));
	ck_assert_refused(attach(fd, other), EADDRINUSE);
	ck_assert_uint_eq(range_of(other).start, 0);
	ck_assert_uint_eq(range_of(ioas).start, 2 * RESERVED);
	ck_assert_int_eq(world_unmap_all(world, other), PAGE_SIZE);
	fake->attach_error = -ENXIO;
	ck_assert_refused(attach(fd, other), ENXIO);
	ck_assert_uint_eq(range_of(other).start, 0);
	fake->attach_error = 0;
	ck_assert_ok(attach(fd, other));
	ck_assert_uint_eq(range_of(other).start, 2 * RESERVED);
	ck_assert_uint_eq(range_of(ioas).start, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_core_checks_a_paging_hwpt_before_the_driver_does,
		the_driver_gets_flags_and_data_and_its_errno_passes,
		a_paging_hwpt_uses_its_ioas,
		no_memory_for_a_hwpt_is_enomem,
		a_new_domain_must_fit_what_the_ioas_holds,
		a_new_domain_is_filled_although_no_device_uses_it,
		coherency_is_enforced_before_anything_is_mapped,
		a_nested_hwpt_is_checked_by_the_core,
		a_nested_hwpt_uses_its_parent,
		data_of_a_driver_has_a_type_and_a_range_of_lengths,
		a_nested_hwpt_on_a_viommu_is_checked_by_the_core,
		a_nested_hwpt_on_a_viommu_uses_the_viommu,
		invalidation_needs_the_driver_s_op,
		hardware_information_is_the_driver_s,
		capabilities_are_those_of_the_device,
		enabling_reads_all_areas_then_sets_the_driver,
		a_device_that_is_not_coherent_is_not_bound,
		a_bound_device_has_two_users,
		a_group_belongs_to_one_context,
		devices_of_a_group_share_what_is_attached,
		a_bound_device_keeps_its_context,
		closing_the_file_detaches_and_unbinds,
		unbinding_buries_a_vdevice_s_id,
		no_memory_to_bind_is_enomem,
		no_memory_to_attach_is_enomem,
		attach_takes_hwpts_and_ioas_only,
		each_device_of_a_group_attaches_once_to_the_same_hwpt,
		a_device_bound_late_joins_the_group_s_domain,
		a_failed_attach_of_a_group_leaves_all_blocked,
		a_domain_of_another_driver_is_refused,
		automatic_domains_are_tried_in_order,
		an_einval_of_one_automatic_domain_tries_the_next,
		a_new_automatic_domain_is_attached_then_filled_but_filled_then_replaced,
		replace_needs_an_attachment_of_this_device,
		a_group_is_replaced_as_one,
		a_failed_replace_brings_the_group_back,
		the_core_checks_a_pasid_before_the_driver,
		regions_are_reserved_while_the_rid_is_attached,
		a_pasid_reserves_nothing,
		what_lies_in_a_region_keeps_the_device_out,
		replace_moves_the_regions_of_the_group,
	};
	return RUN_TESTS("shim_device", tests);
}
