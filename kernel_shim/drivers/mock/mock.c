// SPDX-License-Identifier: Apache-2.0
/* The mock driver: devices, domains, vIOMMU, HW queues (iommufd 7.4 .. 7.6). */
#include "kernel_shim/drivers/mock/mock.h"

#include <assert.h>
#include <string.h>

#define MOCK_DEFAULT_PGSIZES 0x1ffffff800ULL /* every power of two 2^11 .. 2^36 */
#define MOCK_HUGE_PGSIZES    (MOCK_HUGE_PAGE_SIZE | PAGE_SIZE)
#define MOCK_PAGING_FLAGS \
	(IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING | IOMMU_HWPT_ALLOC_PASID)
#define MOCK_VIOMMU_PAGES     2U
#define INVALIDATE_BUFFER_MAX (4U << 20) /* kcalloc() fails above (7.5 [Q]) */

struct mock_dev *mock_device(struct device *device)
{
	return device->driver == &mock_ops ? (struct mock_dev *)device : NULL;
}

struct mock_domain *mock_paging_domain(struct iommu_domain *domain)
{
	if (domain->driver != &mock_ops || domain->kind != IOMMU_DOMAIN_PAGING)
		return NULL;
	return (struct mock_domain *)domain;
}

struct mock_nested *mock_nested_domain(struct iommu_domain *domain)
{
	if (domain->driver != &mock_ops || domain->kind != IOMMU_DOMAIN_NESTED)
		return NULL;
	return (struct mock_nested *)domain;
}

/* --- device --- */

struct mock_dev *mock_dev_new(struct machine *machine, uint32_t flags)
{
	struct iommufd_module *module = machine->kernel;
	struct mock_dev *dev = arena_new(machine->arena, struct mock_dev);
	dev->device.machine = machine;
	dev->device.driver = &mock_ops;
	dev->device.iommu = module;
	dev->device.group = ++module->groups;
	dev->device.max_pasids = flags & MOCK_FLAGS_DEVICE_PASID ? 1U << MOCK_PASID_WIDTH : 1;
	dev->flags = flags;
	for (uint32_t i = 0; i < MOCK_DEV_CACHE_NUM; i++)
		dev->cache[i] = IOMMU_TEST_DEV_CACHE_DEFAULT;
	return dev;
}

void mock_dev_free(struct mock_dev *dev)
{
	arena_delete(dev->device.machine->arena, dev);
}

static bool mock_capable(struct device *device, enum iommu_cap cap)
{
	switch (cap) {
	case IOMMU_CAP_CACHE_COHERENCY:
		return true;
	case IOMMU_CAP_DIRTY_TRACKING:
		return !(mock_device(device)->flags & MOCK_FLAGS_DEVICE_NO_DIRTY);
	case IOMMU_CAP_ATS:
	case IOMMU_CAP_ENFORCE_CACHE_COHERENCY:
		return false;
	}
	return false;
}

static int mock_hw_info(struct device *device, uint32_t *type, void *data, uint32_t max,
			uint32_t *length)
{
	struct iommu_test_hw_info info = {0, IOMMU_HW_INFO_SELFTEST_REGVAL};
	if (*type != 0 && *type != IOMMU_HW_INFO_TYPE_SELFTEST)
		return refuse(device->machine, EOPNOTSUPP, "iommufd 7.4 hw_info", "unknown type");
	assert(max >= sizeof(info));
	memcpy(data, &info, sizeof(info));
	*length = sizeof(info);
	*type = IOMMU_HW_INFO_TYPE_SELFTEST;
	return 0;
}

/* --- paging domains --- */

static int mock_map(struct iommu_domain *domain, struct iova iova, struct pa pa, uint64_t length,
		    uint32_t prot, uint64_t chunk)
{
	(void)prot;
	return mock_table_map((struct mock_domain *)domain, iova.value, pa.value, length, chunk);
}

static void mock_unmap(struct iommu_domain *domain, struct iova iova, uint64_t length)
{
	mock_table_unmap((struct mock_domain *)domain, iova.value, length);
}

static bool mock_translate(struct iommu_domain *domain, struct iova iova, struct pa *pa)
{
	return mock_table_translate((struct mock_domain *)domain, iova.value, &pa->value);
}

static int mock_set_dirty_tracking(struct iommu_domain *domain, bool enable)
{
	((struct mock_domain *)domain)->tracking = enable;
	return 0;
}

static void mock_read_dirty(struct iommu_domain *domain, uint64_t iova, uint64_t last, bool clear,
			    dirty_fn *report, void *context)
{
	mock_table_read_dirty((struct mock_domain *)domain, iova, last, clear, report, context);
}

/* The RID goes to anything but a nested domain on a vIOMMU: the cached virt_id is void. */
static void forget_viommu(struct mock_dev *dev)
{
	dev->viommu = NULL;
	dev->vdev_id = 0;
}

static int mock_attach(struct iommu_domain *domain, struct device *device)
{
	struct mock_dev *dev = mock_device(device);
	if (domain->dirty_ops && (dev->flags & MOCK_FLAGS_DEVICE_NO_DIRTY))
		return refuse(device->machine, EINVAL, "iommufd 7.4 attach",
			      "a device without dirty tracking on a domain with it");
	forget_viommu(dev);
	return 0;
}

static int mock_attach_pasid(struct iommu_domain *domain, struct device *device, uint32_t pasid)
{
	struct mock_dev *dev = mock_device(device);
	(void)domain;
	if (pasid != IOMMU_TEST_PASID_RESERVED)
		return 0;
	/* The driver's own fault injection: every second set fails (7.4). */
	dev->pasid_1024_armed = !dev->pasid_1024_armed;
	if (!dev->pasid_1024_armed)
		return refuse(device->machine, ENOMEM, "iommufd 7.4 pasid 1024",
			      "the mock driver's injected failure");
	return 0;
}

static void mock_free(struct iommu_domain *domain)
{
	struct mock_domain *mock = (struct mock_domain *)domain;
	mock_table_free(mock);
	arena_delete(domain->machine->arena, mock);
}

static const struct iommu_domain_ops mock_domain_ops = {
	.map = mock_map,
	.unmap = mock_unmap,
	.translate = mock_translate,
	.set_dirty_tracking = mock_set_dirty_tracking,
	.read_dirty = mock_read_dirty,
	.attach = mock_attach,
	.attach_pasid = mock_attach_pasid,
	.free = mock_free,
};

static const struct user_data_form hwpt_data = {
	.type = IOMMU_HWPT_DATA_SELFTEST,
	.size = sizeof(struct iommu_hwpt_selftest),
	.min = sizeof(((struct iommu_hwpt_selftest *)0)->iotlb),
	.not_type = "data_type is not IOMMU_HWPT_DATA_SELFTEST, 0xdead",
	.not_length = "data_len is not that of an iommu_hwpt_selftest, 4 to 8",
};

/* Data of both kinds of domain: {iotlb, pagetable_type}, the second optional. */
static int get_selftest_data(struct machine *machine, const struct user_data *data,
			     struct iommu_hwpt_selftest *selftest)
{
	if (data->type != IOMMU_HWPT_DATA_SELFTEST)
		return refuse(machine, EOPNOTSUPP, "iommufd 7.4", "data_type is not SELFTEST");
	return copy_user_data(data, &hwpt_data, selftest);
}

static int mock_domain_alloc_paging(struct device *device, uint32_t flags,
				    const struct user_data *data, struct iommu_domain **out)
{
	struct machine *machine = device->machine;
	struct iommu_hwpt_selftest selftest = {0};
	bool tracks = flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	/* The core has refused the others (4.1.1 steps 3 and 4). */
	assert(!(flags & ~MOCK_PAGING_FLAGS) &&
	       (!tracks || mock_capable(device, IOMMU_CAP_DIRTY_TRACKING)));
	if (data != NULL) {
		int error = get_selftest_data(machine, data, &selftest);
		if (error != 0)
			return error;
	}
	if (selftest.pagetable_type > MOCK_IOMMUPT_HUGE)
		return refuse(machine, EOPNOTSUPP, "iommufd 7.4 paging", "unknown pagetable_type");
	if (no_memory(machine, "domain"))
		return -ENOMEM;
	bool huge = selftest.pagetable_type == MOCK_IOMMUPT_HUGE;
	struct mock_domain *mock = arena_new(machine->arena, struct mock_domain);
	mock->domain = (struct iommu_domain){
		.kind = IOMMU_DOMAIN_PAGING,
		.machine = machine,
		.driver = &mock_ops,
		.ops = &mock_domain_ops,
		.pgsize_bitmap = huge ? MOCK_HUGE_PGSIZES : MOCK_DEFAULT_PGSIZES,
		.aperture_first = huge ? 0 : MOCK_APERTURE_START,
		.aperture_last = huge ? (1ULL << MOCK_TABLE_BITS) - 1 : MOCK_APERTURE_LAST,
		.dirty_ops = tracks,
	};
	*out = &mock->domain;
	return 0;
}

static void mock_block(struct device *device)
{
	forget_viommu(mock_device(device));
}

static void mock_block_pasid(struct device *device, uint32_t pasid)
{
	if (pasid == IOMMU_TEST_PASID_RESERVED)
		mock_device(device)->pasid_1024_armed = false;
}

/* --- nested domains --- */

static int nested_attach(struct iommu_domain *domain, struct device *device)
{
	struct mock_nested *nested = (struct mock_nested *)domain;
	struct mock_dev *dev = mock_device(device);
	uint64_t virt_id;
	if (nested->viommu == NULL) {
		forget_viommu(dev);
		return 0;
	}
	if (iommufd_viommu_virt_id(nested->viommu->viommu, device, &virt_id) != 0)
		return refuse(device->machine, ENOENT, "iommufd 7.4 attach",
			      "the device has no vDEVICE on the domain's vIOMMU");
	if (dev->viommu != nested->viommu) {
		dev->viommu = nested->viommu;
		dev->vdev_id = virt_id;
	}
	return 0;
}

static int nested_cache_invalidate(struct iommu_domain *domain, struct user_data_array *array)
{
	struct mock_nested *nested = (struct mock_nested *)domain;
	struct machine *machine = domain->machine;
	uint32_t count = array->entry_count;
	array->entry_count = 0;
	if (array->type != IOMMU_HWPT_INVALIDATE_DATA_SELFTEST)
		return refuse(machine, EINVAL, "iommufd 7.5 HWPT", "data_type is not SELFTEST");
	for (uint32_t i = 0; i < count; i++) {
		struct iommu_hwpt_invalidate_selftest entry;
		if (array->entry_length != sizeof(entry))
			return refuse(machine, EINVAL, "iommufd 7.5 HWPT", "entry_len is not 8");
		int error = copy_array_entry(array, i, &entry, sizeof(entry));
		if (error != 0)
			return error;
		if (entry.flags & ~IOMMU_TEST_INVALIDATE_FLAG_ALL)
			return refuse(machine, EOPNOTSUPP, "iommufd 7.5 HWPT", "unknown flags");
		if (entry.iotlb_id >= MOCK_NESTED_DOMAIN_IOTLB_NUM)
			return refuse(machine, EINVAL, "iommufd 7.5 HWPT", "iotlb_id above 3");
		if (entry.flags & IOMMU_TEST_INVALIDATE_FLAG_ALL)
			memset(nested->iotlb, 0, sizeof(nested->iotlb));
		else
			nested->iotlb[entry.iotlb_id] = 0;
		array->entry_count = i + 1;
	}
	return 0;
}

static void nested_free(struct iommu_domain *domain)
{
	arena_free(domain->machine->arena, domain, sizeof(struct mock_nested));
}

static const struct iommu_domain_ops mock_nested_ops = {
	.attach = nested_attach,
	.attach_pasid = mock_attach_pasid,
	.cache_invalidate = nested_cache_invalidate,
	.free = nested_free,
};

static int alloc_nested(struct machine *machine, uint32_t flags, const struct user_data *data,
			struct mock_viommu *viommu, struct iommu_domain **out)
{
	struct iommu_hwpt_selftest selftest = {0};
	/* The core has refused the others (4.1.2 step 1, 4.1.3 step 2). */
	assert(!(flags & ~IOMMU_HWPT_ALLOC_PASID));
	int error = get_selftest_data(machine, data, &selftest);
	if (error != 0)
		return error;
	if (no_memory(machine, "nested domain"))
		return -ENOMEM;
	struct mock_nested *nested = arena_new(machine->arena, struct mock_nested);
	nested->domain.kind = IOMMU_DOMAIN_NESTED;
	nested->domain.machine = machine;
	nested->domain.driver = &mock_ops;
	nested->domain.ops = &mock_nested_ops;
	nested->viommu = viommu;
	for (uint32_t i = 0; i < MOCK_NESTED_DOMAIN_IOTLB_NUM; i++)
		nested->iotlb[i] = selftest.iotlb;
	*out = &nested->domain;
	return 0;
}

static int mock_domain_alloc_nested(struct device *device, struct iommu_domain *parent,
				    uint32_t flags, const struct user_data *data,
				    struct iommu_domain **out)
{
	(void)parent; /* the core has checked that it is a nest parent of this driver */
	return alloc_nested(device->machine, flags, data, NULL, out);
}

/* --- vIOMMU --- */

static bool mock_viommu_supported(struct device *device, uint32_t type)
{
	(void)device;
	return type == IOMMU_VIOMMU_TYPE_SELFTEST;
}

static void free_viommu(struct mock_viommu *mock)
{
	struct machine *machine = mock->viommu->ictx->machine;
	if (mock->has_pages)
		memory_put(&machine->memory, mock->page_pfn, MOCK_VIOMMU_PAGES);
	arena_delete(machine->arena, mock);
}

static void mock_viommu_destroy(struct iommufd_viommu *viommu)
{
	struct mock_viommu *mock = viommu->driver_data;
	if (mock->has_pages)
		iommufd_viommu_destroy_mmap(viommu, mock->mmap_offset);
	free_viommu(mock);
}

static int mock_viommu_alloc_nested(struct iommufd_viommu *viommu, uint32_t flags,
				    const struct user_data *data, struct iommu_domain **out)
{
	return alloc_nested(viommu->ictx->machine, flags, data, viommu->driver_data, out);
}

static int invalidate_device(struct iommufd_viommu *viommu,
			     const struct iommu_viommu_invalidate_selftest *entry)
{
	struct machine *machine = viommu->ictx->machine;
	if (entry->flags & ~IOMMU_TEST_INVALIDATE_FLAG_ALL)
		return refuse(machine, EOPNOTSUPP, "iommufd 7.5 VIOMMU", "unknown flags");
	if (entry->cache_id >= MOCK_DEV_CACHE_NUM)
		return refuse(machine, EINVAL, "iommufd 7.5 VIOMMU", "cache_id above 3");
	struct device *device = iommufd_viommu_find_device(viommu, entry->vdev_id);
	if (device == NULL)
		return refuse(machine, EINVAL, "iommufd 7.5 VIOMMU", "no vDEVICE has this vdev_id");
	struct mock_dev *dev = mock_device(device);
	assert(dev != NULL);
	if (entry->flags & IOMMU_TEST_INVALIDATE_FLAG_ALL)
		memset(dev->cache, 0, sizeof(dev->cache));
	else
		dev->cache[entry->cache_id] = 0;
	return 0;
}

static int mock_viommu_cache_invalidate(struct iommufd_viommu *viommu,
					struct user_data_array *array)
{
	struct machine *machine = viommu->ictx->machine;
	struct iommu_viommu_invalidate_selftest *entries;
	uint32_t count = array->entry_count;
	uint64_t size = (uint64_t)count * sizeof(*entries);
	int error = 0;
	if (count == 0 && array->type == IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST)
		return 0;
	/* [Q] 7.5: this failure leaves entry_num as given. */
	if (size > INVALIDATE_BUFFER_MAX || no_memory(machine, "invalidation buffer"))
		return refuse(machine, ENOMEM, "iommufd 7.5 VIOMMU", "too many entries to copy");
	array->entry_count = 0;
	if (count == 0 || array->type != IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST)
		return refuse(machine, EINVAL, "iommufd 7.5 VIOMMU", "data_type is not SELFTEST");
	entries = arena_alloc(machine->arena, size);
	for (uint32_t i = 0; error == 0 && i < count; i++)
		error = copy_array_entry(array, i, &entries[i], sizeof(*entries));
	for (uint32_t i = 0; error == 0 && i < count; i++) {
		error = invalidate_device(viommu, &entries[i]);
		if (error == 0)
			array->entry_count = i + 1;
	}
	arena_free(machine->arena, entries, size);
	return error;
}

static bool mock_hw_queue_supported(struct iommufd_viommu *viommu, uint32_t type)
{
	(void)viommu;
	return type == IOMMU_HW_QUEUE_TYPE_SELFTEST;
}

static int mock_hw_queue_init_phys(struct iommufd_hw_queue *queue, uint32_t index, struct pa base)
{
	struct mock_viommu *mock = queue->viommu->driver_data;
	struct machine *machine = queue->viommu->ictx->machine;
	struct pa translated;
	if (index >= IOMMU_TEST_HW_QUEUE_MAX)
		return refuse(machine, EINVAL, "iommufd 7.6 init", "index above 1");
	if (mock->hw_queues[index] != NULL)
		return refuse(machine, EEXIST, "iommufd 7.6 init", "the index is in use");
	/* The kernel does not look whether the previous one is on its way out, and only warns. */
	if (index > 0 &&
	    (mock->hw_queues[index - 1] == NULL || mock->hw_queues[index - 1]->object.users == 0))
		return refuse(machine, EIO, "iommufd 7.6 init", "the previous index is missing");
	if (!mock_translate(mock->parent, iova_of(queue->base_iova), &translated) ||
	    translated.value != base.value)
		return refuse(machine, EFAULT, "iommufd 7.6 init",
			      "the parent translates the base to another address");
	if (index > 0) {
		int error = iommufd_hw_queue_depend(queue, mock->hw_queues[index - 1]);
		if (error != 0)
			return error;
		queue->previous = mock->hw_queues[index - 1];
	}
	mock->hw_queues[index] = queue;
	return 0;
}

static void mock_hw_queue_destroy(struct iommufd_hw_queue *queue)
{
	struct mock_viommu *mock = queue->viommu->driver_data;
	if (queue->previous != NULL)
		iommufd_hw_queue_undepend(queue, queue->previous);
	mock->hw_queues[0] = NULL; /* always slot 0: the index is never remembered (7.6 [Q]) */
}

static const struct iommufd_viommu_ops mock_viommu_ops = {
	.destroy = mock_viommu_destroy,
	.alloc_domain_nested = mock_viommu_alloc_nested,
	.cache_invalidate = mock_viommu_cache_invalidate,
	.hw_queue_supported = mock_hw_queue_supported,
	.hw_queue_init_phys = mock_hw_queue_init_phys,
	.hw_queue_destroy = mock_hw_queue_destroy,
};

static const struct user_data_form viommu_data = {
	.type = IOMMU_VIOMMU_TYPE_SELFTEST,
	.size = sizeof(struct iommu_viommu_selftest),
	.min = offsetof(struct iommu_viommu_selftest, out_mmap_offset),
	.not_length = "data_len is not that of an iommu_viommu_selftest, 8 to 24",
};

/* The loopback of 7.6: in_data comes back, and stands in a page that can be mapped. */
static int share_page(struct mock_viommu *mock, const struct user_data *data)
{
	struct iommufd_viommu *viommu = mock->viommu;
	struct machine *machine = viommu->ictx->machine;
	struct iommu_viommu_selftest loop;
	int error = copy_user_data(data, &viommu_data, &loop);
	if (error != 0)
		return error;
	if (no_memory(machine, "vIOMMU pages") ||
	    memory_alloc(&machine->memory, OWNER_KERNEL, MOCK_VIOMMU_PAGES, MOCK_VIOMMU_PAGES, 1, 0,
			 &mock->page_pfn) == 0)
		return refuse(machine, ENOMEM, "iommufd 7.6", "no memory for the pages");
	struct pa base = pa_of_pfn(mock->page_pfn);
	mock->has_pages = true;
	loop.out_data = loop.in_data;
	loop.out_mmap_length = MOCK_VIOMMU_PAGES * PAGE_SIZE;
	error = iommufd_viommu_alloc_mmap(viommu, base, loop.out_mmap_length, &mock->mmap_offset);
	if (error != 0)
		return error;
	loop.out_mmap_offset = mock->mmap_offset;
	memory_write(&machine->memory, base, &loop.in_data, sizeof(loop.in_data), OWNER_KERNEL);
	uint32_t size = data->length < sizeof(loop) ? data->length : sizeof(loop);
	if (copy_to_user(data->thread, data->va, &loop, size) == 0)
		return 0;
	iommufd_viommu_destroy_mmap(viommu, mock->mmap_offset);
	return refuse(machine, EFAULT, "iommufd 7.6", "the data can't be written back");
}

static int mock_viommu_init(struct iommufd_viommu *viommu, struct iommu_domain *parent,
			    const struct user_data *data)
{
	struct mock_viommu *mock = arena_new(viommu->ictx->machine->arena, struct mock_viommu);
	mock->viommu = viommu;
	mock->parent = parent;
	if (data != NULL) {
		int error = share_page(mock, data);
		if (error != 0) {
			free_viommu(mock);
			return error;
		}
	}
	viommu->driver_data = mock;
	viommu->ops = &mock_viommu_ops;
	return 0;
}

const struct iommu_ops mock_ops = {
	.name = "mock",
	.user_pasid_table = true,
	.capable = mock_capable,
	.hw_info = mock_hw_info,
	.domain_alloc_paging = mock_domain_alloc_paging,
	.domain_alloc_nested = mock_domain_alloc_nested,
	.block = mock_block,
	.block_pasid = mock_block_pasid,
	.viommu_supported = mock_viommu_supported,
	.viommu_init = mock_viommu_init,
};
