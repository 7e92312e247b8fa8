// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/fake_iommu.h"

#include <stdio.h>
#include <stdlib.h>

#include "kernel_shim/uapi/vfio.h"
#include "kernel_shim/vfio_cdev.h"

static struct fake_iommu *fake_of(const struct iommu_domain *domain)
{
	/* domain->driver is the instance's ops. */
	return (struct fake_iommu *)((uintptr_t)domain->driver - offsetof(struct fake_iommu, ops));
}

static void note(struct fake_iommu *fake, char what)
{
	if (fake->log_length + 1 < FAKE_LOG_MAX)
		fake->log[fake->log_length++] = what;
}

void fake_look(struct fake_iommu *fake)
{
	fake->log_length = 0;
	for (uint32_t i = 0; i < FAKE_LOG_MAX; i++)
		fake->log[i] = 0;
}

/* --- domains --- */

static int fake_map(struct iommu_domain *domain, struct iova iova, struct pa pa, uint64_t length,
		    uint32_t prot, uint64_t chunk)
{
	(void)iova, (void)pa, (void)length, (void)prot, (void)chunk;
	note(fake_of(domain), FAKE_MAP);
	return 0;
}

static void fake_unmap(struct iommu_domain *domain, struct iova iova, uint64_t length)
{
	(void)iova, (void)length;
	note(fake_of(domain), FAKE_UNMAP);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): an op */
static bool fake_translate(struct iommu_domain *domain, struct iova iova, struct pa *pa)
{
	(void)domain, (void)iova, (void)pa;
	return false;
}

static int fake_set_dirty(struct iommu_domain *domain, bool enable)
{
	(void)enable;
	note(fake_of(domain), FAKE_DIRTY_SET);
	return 0;
}

static void fake_read_dirty(struct iommu_domain *domain, uint64_t iova, uint64_t last, bool clear,
			    dirty_fn *report, void *context)
{
	(void)iova, (void)last, (void)clear, (void)report, (void)context;
	note(fake_of(domain), FAKE_DIRTY_READ);
}

static int attach_result(struct fake_iommu *fake)
{
	if (fake->attach_error == 0)
		return 0;
	if (fake->attach_error_after > 0) {
		fake->attach_error_after--;
		return 0;
	}
	return refuse(fake->machine, -fake->attach_error, "fake", "attach_error");
}

static int fake_attach(struct iommu_domain *domain, struct device *device)
{
	struct fake_iommu *fake = fake_of(domain);
	note(fake, FAKE_ATTACH);
	int error = attach_result(fake);
	if (error == 0)
		((struct fake_device *)device)->domain = domain;
	return error;
}

static int fake_attach_pasid(struct iommu_domain *domain, struct device *device, uint32_t pasid)
{
	(void)device, (void)pasid;
	note(fake_of(domain), FAKE_ATTACH_PASID);
	return attach_result(fake_of(domain));
}

static void fake_free(struct iommu_domain *domain)
{
	arena_delete(domain->machine->arena, domain);
}

static bool fake_enforce(struct iommu_domain *domain)
{
	note(fake_of(domain), FAKE_ENFORCE);
	return !fake_of(domain)->refuses_enforce;
}

static struct iommu_domain *new_domain(struct fake_iommu *fake, enum iommu_domain_kind kind)
{
	struct iommu_domain *domain = arena_new(fake->machine->arena, struct iommu_domain);
	domain->kind = kind;
	domain->machine = fake->machine;
	domain->driver = &fake->ops;
	domain->ops = kind == IOMMU_DOMAIN_PAGING ? &fake->domain_ops : &fake->nested_ops;
	domain->pgsize_bitmap = fake->pgsizes;
	domain->aperture_last = UINT64_MAX;
	return domain;
}

static int fake_alloc(struct device *device, uint32_t flags, const struct user_data *data,
		      struct iommu_domain **domain)
{
	struct fake_iommu *fake = device->iommu;
	fake->flags = flags;
	fake->had_data = data != NULL;
	if (fake->alloc_error != 0)
		return refuse(fake->machine, -fake->alloc_error, "fake", "alloc_error");
	*domain = new_domain(fake, IOMMU_DOMAIN_PAGING);
	(*domain)->dirty_ops = flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	return 0;
}

static const struct user_data_form fake_data = {
	.type = FAKE_DATA_TYPE,
	.size = FAKE_DATA_MAX,
	.min = FAKE_DATA_MIN,
	.not_type = "another data type",
	.not_length = "another length",
};

static int fake_alloc_nested(struct device *device, struct iommu_domain *parent, uint32_t flags,
			     const struct user_data *data, struct iommu_domain **domain)
{
	struct fake_iommu *fake = device->iommu;
	(void)parent;
	fake->flags = flags;
	if (fake->alloc_error != 0)
		return refuse(fake->machine, -fake->alloc_error, "fake", "alloc_error");
	int error = copy_user_data(data, &fake_data, fake->data);
	if (error != 0)
		return error;
	*domain = new_domain(fake, IOMMU_DOMAIN_NESTED);
	return 0;
}

/* --- devices --- */

static bool fake_capable(struct device *device, enum iommu_cap cap)
{
	const struct fake_iommu *fake = device->iommu;
	switch (cap) {
	case IOMMU_CAP_CACHE_COHERENCY:
		return !fake->incoherent;
	case IOMMU_CAP_DIRTY_TRACKING:
		return !fake->no_dirty;
	case IOMMU_CAP_ATS:
		return fake->ats;
	case IOMMU_CAP_ENFORCE_CACHE_COHERENCY:
		return fake->enforces;
	}
	return false;
}

static const struct resv_region *fake_regions(struct device *device, uint32_t *count)
{
	const struct fake_device *fake = (const struct fake_device *)device;
	*count = fake->region_count;
	return fake->regions;
}

static void fake_block(struct device *device)
{
	note(device->iommu, FAKE_BLOCK);
	((struct fake_device *)device)->domain = NULL;
}

static void fake_block_pasid(struct device *device, uint32_t pasid)
{
	(void)pasid;
	note(device->iommu, FAKE_BLOCK_PASID);
}

/* --- vIOMMU --- */

static bool fake_viommu_supported(struct device *device, uint32_t type)
{
	(void)device, (void)type;
	return true;
}

static int fake_viommu_init(struct iommufd_viommu *viommu, struct iommu_domain *parent,
			    const struct user_data *data)
{
	(void)data;
	viommu->driver_data = fake_of(parent);
	viommu->ops = &fake_of(parent)->viommu_ops;
	return 0;
}

static int fake_viommu_nested(struct iommufd_viommu *viommu, uint32_t flags,
			      const struct user_data *data, struct iommu_domain **domain)
{
	struct fake_iommu *fake = viommu->driver_data;
	(void)data;
	fake->flags = flags;
	if (fake->alloc_error != 0)
		return refuse(fake->machine, -fake->alloc_error, "fake", "alloc_error");
	*domain = new_domain(fake, IOMMU_DOMAIN_NESTED);
	return 0;
}

static void fake_viommu_destroy(struct iommufd_viommu *viommu)
{
	viommu->driver_data = NULL;
}

static const struct iommu_domain_ops fake_domain_ops = {
	.map = fake_map,
	.unmap = fake_unmap,
	.translate = fake_translate,
	.set_dirty_tracking = fake_set_dirty,
	.read_dirty = fake_read_dirty,
	.attach = fake_attach,
	.attach_pasid = fake_attach_pasid,
	.enforce_cache_coherency = fake_enforce,
	.free = fake_free,
};

static const struct iommu_domain_ops fake_nested_ops = {
	.attach = fake_attach,
	.attach_pasid = fake_attach_pasid,
	.free = fake_free,
};

static const struct iommu_ops fake_ops = {
	.name = "fake",
	.capable = fake_capable,
	.domain_alloc_paging = fake_alloc,
	.domain_alloc_nested = fake_alloc_nested,
	.resv_regions = fake_regions,
	.block = fake_block,
	.block_pasid = fake_block_pasid,
	.viommu_supported = fake_viommu_supported,
	.viommu_init = fake_viommu_init,
};

struct fake_iommu *fake_iommu_new(struct machine *machine)
{
	struct fake_iommu *fake = arena_new(machine->arena, struct fake_iommu);
	fake->machine = machine;
	fake->ops = fake_ops;
	fake->domain_ops = fake_domain_ops;
	fake->nested_ops = fake_nested_ops;
	fake->viommu_ops = (struct iommufd_viommu_ops){
		.destroy = fake_viommu_destroy,
		.alloc_domain_nested = fake_viommu_nested,
	};
	fake->pgsizes = -(uint64_t)PAGE_SIZE;
	return fake;
}

struct fake_device *fake_device_new(struct fake_iommu *fake)
{
	struct fake_device *device = arena_new(fake->machine->arena, struct fake_device);
	device->device.machine = fake->machine;
	device->device.driver = &fake->ops;
	device->device.iommu = fake;
	device->device.group = ++iommufd_module(fake->machine)->groups;
	device->device.max_pasids = 16;
	return device;
}

/* --- VFIO --- */

int64_t world_bind(struct world *world, struct device *device, int *fd)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = world->fd};
	struct machine *machine = world->machine;
	char *path = arena_alloc(machine->arena, 32);
	snprintf(path, 32, "/dev/vfio/devices/vfio%u", machine->device_count);
	vfio_cdev_register(machine, path, device);
	*fd = (int)world_open(world, path);
	if (*fd < 0)
		return *fd;
	int64_t result =
		world_device_ioctl(world, *fd, VFIO_DEVICE_BIND_IOMMUFD, &bind, sizeof(bind));
	return result != 0 ? result : (int64_t)bind.out_devid;
}

int64_t world_attach(struct world *world, int fd, uint32_t *pt)
{
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach), .pt_id = *pt};
	int64_t result = world_device_ioctl(world, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach,
					    sizeof(attach));
	*pt = attach.pt_id;
	return result;
}

int64_t world_detach(struct world *world, int fd)
{
	struct vfio_device_detach_iommufd_pt detach = {.argsz = sizeof(detach)};
	world_put(world, world->args, &detach, sizeof(detach));
	return world_sys(world, SYS_IOCTL, (uint64_t)fd, VFIO_DEVICE_DETACH_IOMMUFD_PT,
			 world->args);
}

struct iommufd_object *world_object(struct world *world, uint32_t id)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(fd_file(world->process, world->fd));
	if (ictx == NULL || id >= ictx->slot_count || ictx->slots[id].state != SLOT_OBJECT)
		abort();
	return ictx->slots[id].object;
}

struct iommufd_device *world_idev(struct world *world, uint32_t id)
{
	return (struct iommufd_device *)world_object(world, id);
}

struct iommufd_hwpt *world_hwpt_of(struct world *world, uint32_t id)
{
	return (struct iommufd_hwpt *)world_object(world, id);
}
