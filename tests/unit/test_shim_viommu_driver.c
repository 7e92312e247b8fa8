/* SPDX-License-Identifier: Apache-2.0 */
/* vIOMMUs, vDEVICEs and HW queues above a driver of the test's own (iommufd 5.1 to 5.5, 5.9). */
#include <string.h>

#include "tests/kit/fake_iommu.h"
#include "tests/kit/test.h"

#define TYPE       7U /* the driver's only one, of vIOMMUs and of queues */
#define QUEUE_IOVA 0x100000ULL
#define NEST       IOMMU_HWPT_ALLOC_NEST_PARENT

static struct fake_iommu *fake;
static struct fake_device *a, *b; /* each in a group of its own */
static uint32_t ioas, dev, dev_b, parent;
static int fd, fd_b;
static uint64_t buffer;

/* What the driver does ... */
static struct {
	int viommu_error, vdevice_error, queue_error;
	bool no_ops;         /* its vIOMMUs get none */
	bool ops_then_error; /* a failed one has them */
	struct iommufd_hw_queue *depended;
	int depend_error; /* what depending on it gave */
	uint32_t entries_done;
	int invalidate_error;
} driver;

/* ... and what it saw. */
static struct {
	uint32_t type;
	struct device *device;
	struct iommufd_viommu viommu; /* as init found it */
	struct iommu_domain *parent;
	struct user_data data;
	bool had_data, tables_were_empty;
	uint32_t viommus_destroyed;
	struct device *found; /* by virt_id, while a vDEVICE is being made */
	int virt_id_error;
	uint32_t vdevices_made, vdevices_destroyed;
	struct iommufd_hw_queue *queue;
	uint32_t index;
	uint64_t base;
	uint32_t locks; /* of the area, while a queue is being made */
	uint32_t queues_made, queues_destroyed;
} seen;

static bool supported(struct device *device, uint32_t type)
{
	seen.device = device;
	seen.type = type;
	return type == TYPE;
}

static int viommu_init(struct iommufd_viommu *viommu, struct iommu_domain *domain,
		       const struct user_data *data)
{
	seen.viommu = *viommu;
	seen.tables_were_empty = TAILQ_EMPTY(&viommu->vdevices) && LIST_EMPTY(&viommu->veventqs);
	seen.parent = domain;
	seen.had_data = data != NULL;
	if (data != NULL)
		seen.data = *data;
	if (!driver.no_ops && (driver.viommu_error == 0 || driver.ops_then_error))
		viommu->ops = &fake->viommu_ops;
	viommu->driver_data = fake;
	return driver.viommu_error;
}

static void viommu_destroy(struct iommufd_viommu *viommu)
{
	(void)viommu;
	seen.viommus_destroyed++;
}

static int viommu_invalidate(struct iommufd_viommu *viommu, struct user_data_array *array)
{
	(void)viommu;
	array->entry_count = driver.entries_done;
	return driver.invalidate_error;
}

static int vdevice_init(struct iommufd_vdevice *vdevice)
{
	uint64_t virt_id;
	seen.vdevices_made++;
	seen.found = iommufd_viommu_find_device(vdevice->viommu, vdevice->virt_id);
	seen.virt_id_error =
		iommufd_viommu_virt_id(vdevice->viommu, vdevice->idev->device, &virt_id);
	return driver.vdevice_error;
}

static void vdevice_destroy(struct iommufd_vdevice *vdevice)
{
	(void)vdevice;
	seen.vdevices_destroyed++;
}

static bool queue_supported(struct iommufd_viommu *viommu, uint32_t type)
{
	(void)viommu;
	return type == TYPE;
}

static int queue_init(struct iommufd_hw_queue *queue, uint32_t index, struct pa base)
{
	struct iopt_area *area = iopt_find_area(&queue->viommu->hwpt->ioas->iopt, queue->base_iova);
	seen.queue = queue;
	seen.index = index;
	seen.base = base.value;
	seen.locks = area != NULL ? area->num_locks : 0;
	seen.queues_made++;
	if (driver.depended != NULL)
		driver.depend_error = iommufd_hw_queue_depend(queue, driver.depended);
	return driver.queue_error;
}

static void queue_destroy(struct iommufd_hw_queue *queue)
{
	seen.queues_destroyed++;
	if (driver.depended != NULL && driver.depended != queue && driver.depend_error == 0)
		iommufd_hw_queue_undepend(queue, driver.depended);
}

static const struct iommufd_viommu_ops viommu_ops = {
	.destroy = viommu_destroy,
	.cache_invalidate = viommu_invalidate,
	.vdevice_init = vdevice_init,
	.vdevice_destroy = vdevice_destroy,
	.hw_queue_supported = queue_supported,
	.hw_queue_init_phys = queue_init,
	.hw_queue_destroy = queue_destroy,
};

static void setup(void)
{
	memset(&driver, 0, sizeof(driver));
	memset(&seen, 0, sizeof(seen));
	fake = fake_iommu_new(world->machine);
	fake->ops.viommu_supported = supported;
	fake->ops.viommu_init = viommu_init;
	struct iommufd_viommu_ops ops = viommu_ops;
	ops.alloc_domain_nested = fake->viommu_ops.alloc_domain_nested;
	fake->viommu_ops = ops;
	a = fake_device_new(fake);
	b = fake_device_new(fake);
	ioas = made(world_ioas(world));
	dev = made(world_bind(world, &a->device, &fd));
	dev_b = made(world_bind(world, &b->device, &fd_b));
	parent = made(world_hwpt(world, dev, ioas, NEST));
	buffer = world_mmap_aligned(world, 16 * PAGE_SIZE);
}

static int64_t viommu_with(uint32_t type, uint64_t va, uint32_t length)
{
	struct iommu_viommu_alloc cmd = {.type = type,
					 .dev_id = dev,
					 .hwpt_id = parent,
					 .data_uptr = va,
					 .data_len = length};
	int64_t error = world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_viommu_id;
}

static int64_t viommu(void)
{
	return viommu_with(TYPE, 0, 0);
}

static int64_t queue_of(uint32_t id, uint32_t type, uint32_t index, uint64_t iova, uint64_t length)
{
	struct iommu_hw_queue_alloc cmd = {.viommu_id = id,
					   .type = type,
					   .index = index,
					   .nesting_parent_iova = iova,
					   .length = length};
	int64_t error = world_ioctl(world, IOMMUFD_NR_HW_QUEUE_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_hw_queue_id;
}

static int64_t queue(uint32_t id, uint32_t index)
{
	return queue_of(id, TYPE, index, QUEUE_IOVA, PAGE_SIZE);
}

/* Four pages for queues. */
static void map_pages(void)
{
	ck_assert_ok(world_map_at(world, ioas, buffer, 4 * PAGE_SIZE, QUEUE_IOVA));
}

static uint32_t users(uint32_t id)
{
	return world_object(world, id)->users;
}

/* --- vIOMMU (5.1, 5.2) --- */

START_TEST(the_driver_is_asked_for_the_type)
{
	setup();
	ck_assert_refused(viommu_with(TYPE + 1, 0, 0), EOPNOTSUPP);
	ck_assert_uint_eq(seen.type, TYPE + 1);
	ck_assert_ptr_eq(seen.device, &a->device);
	ck_assert_ptr_null(seen.parent);
	made(viommu());
	ck_assert_uint_eq(seen.type, TYPE);
}
END_TEST

START_TEST(a_driver_without_viommus_has_no_type)
{
	setup();
	fake->ops.viommu_supported = NULL;
	ck_assert_refused(viommu(), EOPNOTSUPP);
	fake->ops.viommu_supported = supported;
	fake->ops.viommu_init = NULL;
	ck_assert_refused(viommu(), EOPNOTSUPP);
}
END_TEST

START_TEST(before_the_driver_does_anything_the_core_has_filled_in_the_viommu)
{
	setup();
	uint32_t id = made(viommu());
	struct iommufd_hwpt *hwpt = world_hwpt_of(world, parent);
	ck_assert_ptr_eq(seen.parent, hwpt->domain);
	ck_assert_ptr_eq(seen.viommu.hwpt, hwpt);
	ck_assert_uint_eq(seen.viommu.type, TYPE);
	ck_assert_ptr_eq(seen.viommu.ictx,
			 iommufd_ctx_from_file(fd_file(world->process, world->fd)));
	ck_assert_ptr_eq(seen.viommu.iommu, fake);
	ck_assert(seen.tables_were_empty);
	ck_assert_uint_eq(seen.viommu.object.id, id);
}
END_TEST

START_TEST(the_driver_gets_data_when_there_is_any)
{
	setup();
	made(viommu_with(TYPE, world->data, 0));
	ck_assert(!seen.had_data);
	/* The core reads none of it. */
	made(viommu_with(TYPE, NOWHERE, 12));
	ck_assert(seen.had_data);
	ck_assert_uint_eq(seen.data.va.value, NOWHERE);
	ck_assert_uint_eq(seen.data.length, 12);
	ck_assert_uint_eq(seen.data.type, TYPE);
}
END_TEST

START_TEST(the_drivers_errno_passes_and_undoes_the_viommu)
{
	setup();
	driver.viommu_error = -ENXIO;
	ck_assert_refused(viommu(), ENXIO);
	ck_assert_uint_eq(users(parent), 1);
	/* Without ops there is nothing to tell the driver. */
	ck_assert_uint_eq(seen.viommus_destroyed, 0);
	driver.ops_then_error = true;
	ck_assert_refused(viommu(), ENXIO);
	ck_assert_uint_eq(seen.viommus_destroyed, 1);
	ck_assert_uint_eq(users(parent), 1);
	driver.viommu_error = 0;
	ck_assert_int_eq(viommu(), parent + 1);
}
END_TEST

START_TEST(a_viommu_that_the_driver_gives_no_ops_is_eopnotsupp)
{
	setup();
	driver.no_ops = true;
	ck_assert_refused(viommu(), EOPNOTSUPP);
	ck_assert_str_eq(world_rule(world), "iommufd 5.2");
	ck_assert_uint_eq(users(parent), 1);
	driver.no_ops = false;
	ck_assert_int_eq(viommu(), parent + 1);
}
END_TEST

START_TEST(an_answer_that_can_not_be_written_tells_the_driver)
{
	setup();
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd), .type = TYPE, .dev_id = dev, .hwpt_id = parent};
	world_put(world, ro, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_VIOMMU_ALLOC), ro), EFAULT);
	ck_assert_uint_eq(seen.viommus_destroyed, 1);
	ck_assert_uint_eq(users(parent), 1);
	ck_assert_int_eq(viommu(), parent + 1);
}
END_TEST

START_TEST(a_driver_need_not_hear_of_the_end)
{
	setup();
	uint32_t id = made(viommu());
	ck_assert_ok(world_destroy(world, id));
	ck_assert_uint_eq(seen.viommus_destroyed, 1);
	fake->viommu_ops.destroy = NULL;
	id = made(viommu());
	ck_assert_ok(world_destroy(world, id));
	ck_assert_uint_eq(seen.viommus_destroyed, 1);
}
END_TEST

START_TEST(the_device_is_neither_attached_nor_kept)
{
	setup();
	uint32_t id = made(viommu());
	ck_assert_ptr_null(a->domain);
	ck_assert_uint_eq(users(parent), 2);
	ck_assert_refused(world_destroy(world, parent), EBUSY);
	/* The vIOMMU stays when the device goes. */
	ck_assert_ok(world_close(world, fd));
	ck_assert_refused(world_destroy(world, dev), ENOENT);
	made(world_vdevice(world, id, dev_b, 5));
}
END_TEST

START_TEST(a_nested_domains_driver_does_not_see_who_takes_its_faults)
{
	int file;
	setup();
	uint32_t id = made(viommu()), fault = made(world_fault(world, &file));
	struct iommu_hwpt_alloc cmd = {.flags = IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID,
				       .dev_id = dev,
				       .pt_id = id,
				       .fault_id = fault,
				       .data_type = FAKE_DATA_TYPE,
				       .data_len = FAKE_DATA_MAX,
				       .data_uptr = world->data};
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd));
	ck_assert_uint_eq(fake->flags, IOMMU_HWPT_ALLOC_PASID);
}
END_TEST

START_TEST(the_driver_tells_how_many_entries_it_did)
{
	setup();
	struct iommu_hwpt_invalidate cmd = {.hwpt_id = made(viommu()),
					    .data_uptr = world->data,
					    .entry_len = 8,
					    .entry_num = 9};
	driver.entries_done = 9;
	ck_assert_ok(world_ioctl(world, IOMMUFD_NR_HWPT_INVALIDATE, &cmd));
	ck_assert_uint_eq(cmd.entry_num, 9);
	driver.entries_done = 4;
	driver.invalidate_error = -EIO;
	ck_assert_refused(world_ioctl(world, IOMMUFD_NR_HWPT_INVALIDATE, &cmd), EIO);
	ck_assert_uint_eq(cmd.entry_num, 4);
}
END_TEST

/* --- vDEVICE (5.3) --- */

START_TEST(a_device_behind_another_iommu_is_einval)
{
	int file;
	setup();
	struct fake_iommu *other = fake_iommu_new(world->machine);
	struct fake_device *device = fake_device_new(other);
	uint32_t id = made(viommu()), theirs = made(world_bind(world, &device->device, &file));
	ck_assert_refused(world_vdevice(world, id, theirs, 5), EINVAL);
	ck_assert_str_eq(world_rule(world), "iommufd 5.3 4");
	/* That comes before what the device is doing. */
	world_idev(world, theirs)->destroying = true;
	ck_assert_refused(world_vdevice(world, id, theirs, 5), EINVAL);
}
END_TEST

START_TEST(a_device_on_its_way_out_is_enoent)
{
	setup();
	uint32_t id = made(viommu());
	world_idev(world, dev)->destroying = true;
	ck_assert_refused(world_vdevice(world, id, dev, 5), ENOENT);
	ck_assert_str_eq(world_rule(world), "iommufd 5.3 5");
	world_idev(world, dev)->destroying = false;
	made(world_vdevice(world, id, dev, 5));
	world_idev(world, dev)->destroying = true;
	ck_assert_refused(world_vdevice(world, id, dev, 6), ENOENT);
	world_idev(world, dev)->destroying = false;
}
END_TEST

START_TEST(while_a_vdevice_is_being_made_its_virt_id_leads_nowhere)
{
	setup();
	uint32_t id = made(viommu());
	made(world_vdevice(world, id, dev, 5));
	ck_assert_uint_eq(seen.vdevices_made, 1);
	ck_assert_ptr_null(seen.found);
	ck_assert_int_eq(seen.virt_id_error, -ENOENT);
}
END_TEST

START_TEST(a_driver_finds_devices_by_virt_id_and_back)
{
	uint64_t virt_id = 0;
	setup();
	uint32_t id = made(viommu());
	struct iommufd_viommu *object = (struct iommufd_viommu *)world_object(world, id);
	ck_assert_ptr_null(iommufd_viommu_find_device(object, 5));
	ck_assert_refused(iommufd_viommu_virt_id(object, &a->device, &virt_id), ENOENT);
	uint32_t first = made(world_vdevice(world, id, dev, 5));
	made(world_vdevice(world, id, dev_b, 1ULL << 40 | 5));
	ck_assert_ptr_eq(iommufd_viommu_find_device(object, 5), &a->device);
	ck_assert_ptr_eq(iommufd_viommu_find_device(object, 1ULL << 40 | 5), &b->device);
	ck_assert_ok(iommufd_viommu_virt_id(object, &b->device, &virt_id));
	ck_assert_uint_eq(virt_id, 1ULL << 40 | 5);
	ck_assert_ok(iommufd_viommu_virt_id(object, &a->device, &virt_id));
	ck_assert_uint_eq(virt_id, 5);
	ck_assert_ok(world_destroy(world, first));
	ck_assert_ptr_null(iommufd_viommu_find_device(object, 5));
	ck_assert_refused(iommufd_viommu_virt_id(object, &a->device, &virt_id), ENOENT);
}
END_TEST

START_TEST(the_drivers_errno_undoes_the_vdevice)
{
	setup();
	uint32_t id = made(viommu());
	driver.vdevice_error = -ENXIO;
	ck_assert_refused(world_vdevice(world, id, dev, 5), ENXIO);
	ck_assert_uint_eq(seen.vdevices_destroyed, 0);
	ck_assert_uint_eq(users(id), 1);
	/* Neither the device nor virt_id is taken. */
	driver.vdevice_error = 0;
	ck_assert_int_eq(world_vdevice(world, id, dev, 5), id + 1);
	/* A taken virt_id never reaches the driver. */
	seen.vdevices_made = 0;
	ck_assert_refused(world_vdevice(world, id, dev_b, 5), EEXIST);
	ck_assert_uint_eq(seen.vdevices_made, 0);
}
END_TEST

START_TEST(a_driver_hears_of_each_vdevice_or_of_none)
{
	setup();
	uint32_t id = made(viommu()), vdevice = made(world_vdevice(world, id, dev, 5));
	ck_assert_ok(world_destroy(world, vdevice));
	ck_assert_uint_eq(seen.vdevices_destroyed, 1);
	/* One that can't be answered was made, too. */
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = id, .dev_id = dev, .virt_id = 5};
	world_put(world, ro, &cmd, sizeof(cmd));
	ck_assert_refused(world_ioctl_raw(world, IOMMUFD_IO(IOMMUFD_NR_VDEVICE_ALLOC), ro), EFAULT);
	ck_assert_uint_eq(seen.vdevices_made, 2);
	ck_assert_uint_eq(seen.vdevices_destroyed, 2);
	fake->viommu_ops.vdevice_init = NULL;
	fake->viommu_ops.vdevice_destroy = NULL;
	vdevice = made(world_vdevice(world, id, dev, 5));
	ck_assert_ok(world_destroy(world, vdevice));
	ck_assert_uint_eq(seen.vdevices_made, 2);
	ck_assert_uint_eq(seen.vdevices_destroyed, 2);
}
END_TEST

/* --- HW queue (5.4, 5.5) --- */

START_TEST(a_driver_without_queues_has_no_type)
{
	setup();
	map_pages();
	uint32_t id = made(viommu());
	ck_assert_refused(queue_of(id, TYPE + 1, 0, QUEUE_IOVA, PAGE_SIZE), EOPNOTSUPP);
	fake->viommu_ops.hw_queue_supported = NULL;
	ck_assert_refused(queue(id, 0), EOPNOTSUPP);
	fake->viommu_ops.hw_queue_supported = queue_supported;
	fake->viommu_ops.hw_queue_init_phys = NULL;
	ck_assert_refused(queue(id, 0), EOPNOTSUPP);
	ck_assert_uint_eq(seen.queues_made, 0);
}
END_TEST

START_TEST(the_driver_gets_index_and_physical_address_of_locked_memory)
{
	setup();
	map_pages();
	uint32_t id = made(viommu());
	made(queue_of(id, TYPE, 77, QUEUE_IOVA, PAGE_SIZE));
	uint64_t base = seen.base;
	ck_assert_uint_eq(seen.index, 77);
	ck_assert_uint_eq(page_offset(base), 0);
	ck_assert_uint_eq(seen.locks, 1);
	made(queue_of(id, TYPE, 78, QUEUE_IOVA + PAGE_SIZE + 0x120, 8));
	ck_assert_uint_eq(seen.base, base + PAGE_SIZE + 0x120);
	ck_assert_uint_eq(seen.index, 78);
	ck_assert_uint_eq(seen.locks, 2);
	ck_assert_uint_eq(seen.queue->base_iova, QUEUE_IOVA + PAGE_SIZE + 0x120);
	ck_assert_uint_eq(seen.queue->length, 8);
}
END_TEST

START_TEST(the_drivers_errno_undoes_the_queue)
{
	setup();
	map_pages();
	uint32_t id = made(viommu());
	driver.queue_error = -ENXIO;
	ck_assert_refused(queue(id, 0), ENXIO);
	ck_assert_uint_eq(seen.queues_made, 1);
	ck_assert_uint_eq(seen.queues_destroyed, 0);
	ck_assert_uint_eq(users(id), 1);
	ck_assert_int_eq(world_unmap(world, ioas, QUEUE_IOVA, 4 * PAGE_SIZE), 4 * PAGE_SIZE);
	/* Two ids are free again. */
	ck_assert_int_eq(world_ioas(world), id + 1);
	ck_assert_int_eq(world_ioas(world), id + 2);
}
END_TEST

START_TEST(index_and_order_of_queues_are_the_drivers_matter)
{
	setup();
	map_pages();
	uint32_t id = made(viommu());
	uint32_t first = made(queue(id, 5)), second = made(queue(id, 5));
	made(queue(id, 0));
	ck_assert_ok(world_destroy(world, first));
	ck_assert_ok(world_destroy(world, second));
	ck_assert_uint_eq(seen.queues_destroyed, 2);
}
END_TEST

START_TEST(a_driver_need_not_hear_of_a_queues_end)
{
	setup();
	map_pages();
	uint32_t id = made(viommu()), first = made(queue(id, 0));
	fake->viommu_ops.hw_queue_destroy = NULL;
	ck_assert_ok(world_destroy(world, first));
	ck_assert_uint_eq(seen.queues_destroyed, 0);
	ck_assert_int_eq(world_unmap(world, ioas, QUEUE_IOVA, 4 * PAGE_SIZE), 4 * PAGE_SIZE);
}
END_TEST

START_TEST(a_queue_depends_on_another_of_its_viommu)
{
	setup();
	map_pages();
	uint32_t id = made(viommu()), first = made(queue(id, 0));
	driver.depended = (struct iommufd_hw_queue *)world_object(world, first);
	uint32_t second = made(queue(id, 1));
	ck_assert_ok(driver.depend_error);
	ck_assert_uint_eq(users(first), 2);
	ck_assert_refused(world_destroy(world, first), EBUSY);
	ck_assert_ok(world_destroy(world, second));
	ck_assert_uint_eq(users(first), 1);
	ck_assert_ok(world_destroy(world, first));
}
END_TEST

START_TEST(a_queue_does_not_depend_on_one_of_another_viommu)
{
	setup();
	map_pages();
	uint32_t id = made(viommu()), first = made(queue(id, 0)), other = made(viommu());
	driver.depended = (struct iommufd_hw_queue *)world_object(world, first);
	made(queue(other, 0));
	ck_assert_int_eq(driver.depend_error, -EINVAL);
	ck_assert_uint_eq(users(first), 1);
}
END_TEST

START_TEST(a_queue_does_not_depend_on_itself)
{
	setup();
	map_pages();
	uint32_t id = made(viommu()), first = made(queue(id, 0));
	struct iommufd_hw_queue *object = (struct iommufd_hw_queue *)world_object(world, first);
	ck_assert_int_eq(iommufd_hw_queue_depend(object, object), -EINVAL);
	ck_assert_uint_eq(users(first), 1);
}
END_TEST

/* --- mmap regions (5.9) --- */

static int64_t region_of(uint32_t id, uint64_t base, uint64_t length)
{
	uint64_t offset = 0;
	int error = iommufd_viommu_alloc_mmap((struct iommufd_viommu *)world_object(world, id),
					      pa_of(base), length, &offset);
	return error != 0 ? error : (int64_t)offset;
}

START_TEST(a_region_is_whole_pages)
{
	setup();
	uint32_t id = made(viommu());
	ck_assert_refused(region_of(id, 0x10000800, PAGE_SIZE), EINVAL);
	ck_assert_refused(region_of(id, 0x10000000, 0), EINVAL);
	ck_assert_refused(region_of(id, 0x10000000, PAGE_SIZE + 0x800), EINVAL);
	machine_fail_nth(world->machine, 1, "mmap region");
	ck_assert_refused(region_of(id, 0x10000000, PAGE_SIZE), ENOMEM);
	ck_assert_int_eq(region_of(id, 0x10000000, PAGE_SIZE), 0x1000);
}
END_TEST

START_TEST(a_region_takes_the_lowest_gap_that_holds_it)
{
	setup();
	uint32_t id = made(viommu());
	struct iommufd_viommu *object = (struct iommufd_viommu *)world_object(world, id);
	ck_assert_int_eq(region_of(id, 0x10000000, PAGE_SIZE), 0x1000);
	ck_assert_int_eq(region_of(id, 0x10000000, 3 * PAGE_SIZE), 0x2000);
	ck_assert_int_eq(region_of(id, 0x10000000, PAGE_SIZE), 0x5000);
	iommufd_viommu_destroy_mmap(object, 0x1000);
	iommufd_viommu_destroy_mmap(object, 0x2000);
	iommufd_viommu_destroy_mmap(object, 0x5000);
	ck_assert_int_eq(region_of(id, 0x10000000, PAGE_SIZE), 0x1000);
	ck_assert_int_eq(region_of(id, 0x10000000, 2 * PAGE_SIZE), 0x2000);
	ck_assert_int_eq(region_of(id, 0x10000000, PAGE_SIZE), 0x4000);
	iommufd_viommu_destroy_mmap(object, 0x2000);
	/* Too small a gap is passed over, and filled by what fits. */
	ck_assert_int_eq(region_of(id, 0x10000000, 3 * PAGE_SIZE), 0x5000);
	ck_assert_int_eq(region_of(id, 0x10000000, 2 * PAGE_SIZE), 0x2000);
}
END_TEST

START_TEST(each_descriptor_has_offsets_of_its_own)
{
	setup();
	ck_assert_int_eq(region_of(made(viommu()), 0x10000000, PAGE_SIZE), 0x1000);
	struct world other = *world;
	int file;
	other.fd = (int)made(world_open(world, "/dev/iommu"));
	struct fake_device *c = fake_device_new(fake);
	uint32_t device = made(world_bind(&other, &c->device, &file));
	uint32_t hwpt = made(world_hwpt(&other, device, made(world_ioas(&other)), NEST));
	struct iommu_viommu_alloc cmd = {.type = TYPE, .dev_id = device, .hwpt_id = hwpt};
	ck_assert_ok(world_ioctl(&other, IOMMUFD_NR_VIOMMU_ALLOC, &cmd));
	uint64_t offset = 0;
	ck_assert_ok(iommufd_viommu_alloc_mmap(
		(struct iommufd_viommu *)world_object(&other, cmd.out_viommu_id), pa_of(0x10000000),
		PAGE_SIZE, &offset));
	ck_assert_uint_eq(offset, 0x1000);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_driver_is_asked_for_the_type,
		a_driver_without_viommus_has_no_type,
		before_the_driver_does_anything_the_core_has_filled_in_the_viommu,
		the_driver_gets_data_when_there_is_any,
		the_drivers_errno_passes_and_undoes_the_viommu,
		a_viommu_that_the_driver_gives_no_ops_is_eopnotsupp,
		an_answer_that_can_not_be_written_tells_the_driver,
		a_driver_need_not_hear_of_the_end,
		the_device_is_neither_attached_nor_kept,
		a_nested_domains_driver_does_not_see_who_takes_its_faults,
		the_driver_tells_how_many_entries_it_did,
		a_device_behind_another_iommu_is_einval,
		a_device_on_its_way_out_is_enoent,
		while_a_vdevice_is_being_made_its_virt_id_leads_nowhere,
		a_driver_finds_devices_by_virt_id_and_back,
		the_drivers_errno_undoes_the_vdevice,
		a_driver_hears_of_each_vdevice_or_of_none,
		a_driver_without_queues_has_no_type,
		the_driver_gets_index_and_physical_address_of_locked_memory,
		the_drivers_errno_undoes_the_queue,
		index_and_order_of_queues_are_the_drivers_matter,
		a_driver_need_not_hear_of_a_queues_end,
		a_queue_depends_on_another_of_its_viommu,
		a_queue_does_not_depend_on_one_of_another_viommu,
		a_queue_does_not_depend_on_itself,
		a_region_is_whole_pages,
		a_region_takes_the_lowest_gap_that_holds_it,
		each_descriptor_has_offsets_of_its_own,
	};
	return RUN_TESTS("shim_viommu_driver", tests);
}
