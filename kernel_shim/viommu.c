// SPDX-License-Identifier: Apache-2.0
/* vIOMMUs, vDEVICEs, HW queues and mmap regions (iommufd 5.1 .. 5.5, 5.9). */
#include <assert.h>

#include "kernel_shim/iommufd.h"

#define UNPIN_COST_PS     300000ULL /* of CPU time; assumed */
#define MMAP_FIRST_OFFSET 0x1000ULL
#define PAGE_POINTERS_MAX (1ULL << 28) /* 2 GiB of pointers: the temporary array of 5.4 step 7 */

struct iommufd_viommu *iommufd_get_viommu(struct iommufd_ctx *ictx, uint32_t id)
{
	return (struct iommufd_viommu *)iommufd_get_object(ictx, id, IOMMUFD_OBJ_VIOMMU);
}

/* --- vIOMMU --- */

void iommufd_viommu_destroy(struct iommufd_object *object)
{
	struct iommufd_viommu *viommu = (struct iommufd_viommu *)object;
	if (viommu->ops != NULL && viommu->ops->destroy != NULL)
		viommu->ops->destroy(viommu);
	viommu->hwpt->object.users--;
}

static int make_viommu(struct iommufd_ucmd *ucmd, struct iommufd_device *idev,
		       struct iommufd_hwpt *parent)
{
	struct iommu_viommu_alloc *cmd = ucmd->cmd;
	struct user_data data = {ucmd->thread, cmd->type, va_of(cmd->data_uptr), cmd->data_len};
	int error;
	if (!parent->nest_parent)
		return refuse(ucmd->machine, EINVAL, "iommufd 5.1 5", "hwpt_id is no nest parent");
	struct iommufd_viommu *viommu = (struct iommufd_viommu *)iommufd_object_alloc(
		ucmd->ictx, sizeof(*viommu), IOMMUFD_OBJ_VIOMMU, &error);
	if (viommu == NULL)
		return error;
	ucmd->new_object = &viommu->object;
	viommu->ictx = ucmd->ictx;
	viommu->type = cmd->type;
	viommu->iommu = idev->device->iommu;
	viommu->hwpt = parent;
	parent->object.users++;
	TAILQ_INIT(&viommu->vdevices);
	LIST_INIT(&viommu->veventqs);
	rwsem_init(&viommu->veventqs_rwsem);
	error = idev->device->driver->viommu_init(viommu, parent->domain,
						  cmd->data_len > 0 ? &data : NULL);
	if (error != 0)
		return error;
	if (viommu->ops == NULL)
		return refuse(ucmd->machine, EOPNOTSUPP, "iommufd 5.2",
			      "the driver has no ops for the vIOMMU");
	cmd->out_viommu_id = viommu->object.id;
	return iommufd_respond(ucmd);
}

/* IOMMU_VIOMMU_ALLOC (5.1) */
int iommufd_viommu_alloc(struct iommufd_ucmd *ucmd)
{
	const struct iommu_viommu_alloc *cmd = ucmd->cmd;
	struct machine *machine = ucmd->machine;
	int error;
	if (cmd->flags != 0 || cmd->type == 0)
		return refuse(machine, EOPNOTSUPP, "iommufd 5.1 1",
			      cmd->type == 0 ? "type is 0" : "flags is not 0");
	struct iommufd_device *idev = iommufd_get_device(ucmd->ictx, cmd->dev_id);
	if (idev == NULL)
		return refuse(machine, ENOENT, "iommufd 5.1 2", "no device has this id");
	const struct iommu_ops *driver = idev->device->driver;
	if (driver->viommu_supported == NULL || driver->viommu_init == NULL ||
	    !driver->viommu_supported(idev->device, cmd->type)) {
		error = refuse(machine, EOPNOTSUPP, "iommufd 5.1 3",
			       "the driver has no vIOMMU of this type");
	} else {
		struct iommufd_hwpt *parent = (struct iommufd_hwpt *)iommufd_get_object(
			ucmd->ictx, cmd->hwpt_id, IOMMUFD_OBJ_HWPT_PAGING);
		if (parent == NULL) {
			error = refuse(machine, ENOENT, "iommufd 5.1 4",
				       "no paging HWPT has this id");
		} else {
			error = make_viommu(ucmd, idev, parent);
			iommufd_put_object(ucmd->ictx, &parent->object);
		}
	}
	iommufd_put_object(ucmd->ictx, &idev->object);
	return error;
}

/* --- vDEVICE --- */

void iommufd_vdevice_destroy(struct iommufd_object *object)
{
	struct iommufd_vdevice *vdevice = (struct iommufd_vdevice *)object;
	struct iommufd_viommu *viommu = vdevice->viommu;
	struct iommufd_device *idev = vdevice->idev;
	struct scheduler *sched = sched_of(viommu->ictx->machine);
	mutex_lock(sched, &idev->igroup->lock, "igroup lock");
	if (vdevice->has_slot) {
		if (viommu->ops->vdevice_destroy != NULL)
			viommu->ops->vdevice_destroy(vdevice);
		TAILQ_REMOVE(&viommu->vdevices, vdevice, link);
	}
	viommu->object.users--;
	idev->vdevice = NULL;
	mutex_unlock(sched, &idev->igroup->lock);
	iommufd_put_object(viommu->ictx, &idev->object);
}

static struct iommufd_vdevice *find_vdevice(struct iommufd_viommu *viommu, uint64_t virt_id)
{
	struct iommufd_vdevice *vdevice;
	TAILQ_FOREACH (vdevice, &viommu->vdevices, link)
		if (vdevice->virt_id == virt_id)
			return vdevice;
	return NULL;
}

struct device *iommufd_viommu_find_device(struct iommufd_viommu *viommu, uint64_t virt_id)
{
	struct iommufd_vdevice *vdevice = find_vdevice(viommu, virt_id);
	return vdevice != NULL ? vdevice->idev->device : NULL;
}

int iommufd_viommu_virt_id(struct iommufd_viommu *viommu, struct device *device, uint64_t *virt_id)
{
	struct iommufd_vdevice *vdevice;
	TAILQ_FOREACH (vdevice, &viommu->vdevices, link) {
		if (vdevice->idev->device != device)
			continue;
		*virt_id = vdevice->virt_id;
		return 0;
	}
	return -ENOENT;
}

/* Steps 9 to 11 of 5.3. */
static int publish_vdevice(struct iommufd_ucmd *ucmd, struct iommufd_vdevice *vdevice)
{
	struct iommu_vdevice_alloc *cmd = ucmd->cmd;
	struct iommufd_viommu *viommu = vdevice->viommu;
	if (find_vdevice(viommu, cmd->virt_id) != NULL)
		return refuse(ucmd->machine, EEXIST, "iommufd 5.3 9",
			      "virt_id is taken on this vIOMMU");
	if (no_memory(ucmd->machine, "virt_id slot"))
		return -ENOMEM;
	if (viommu->ops->vdevice_init != NULL) {
		int error = viommu->ops->vdevice_init(vdevice);
		if (error != 0)
			return error;
	}
	TAILQ_INSERT_TAIL(&viommu->vdevices, vdevice, link);
	vdevice->has_slot = true;
	cmd->out_vdevice_id = vdevice->object.id;
	int error = iommufd_respond(ucmd);
	if (error == 0)
		iommufd_object_publish(ucmd->ictx, &vdevice->object);
	return error;
}

/* Steps 5 to 8 of 5.3; the caller holds the igroup lock. */
static int make_vdevice(struct iommufd_ucmd *ucmd, struct iommufd_viommu *viommu,
			struct iommufd_device *idev, struct iommufd_vdevice **made)
{
	const struct iommu_vdevice_alloc *cmd = ucmd->cmd;
	int error;
	*made = NULL;
	if (idev->destroying)
		return refuse(ucmd->machine, ENOENT, "iommufd 5.3 5",
			      "the device is being unbound");
	if (idev->vdevice != NULL)
		return refuse(ucmd->machine, EEXIST, "iommufd 5.3 6", "the device has a vDEVICE");
	struct iommufd_vdevice *vdevice = (struct iommufd_vdevice *)iommufd_object_alloc(
		ucmd->ictx, sizeof(*vdevice), IOMMUFD_OBJ_VDEVICE, &error);
	if (vdevice == NULL)
		return error;
	vdevice->viommu = viommu;
	vdevice->idev = idev;
	vdevice->virt_id = cmd->virt_id;
	viommu->object.users++;
	idev->object.users++; /* a lookup reference for its whole life */
	idev->object.wait_count++;
	idev->vdevice = vdevice;
	*made = vdevice;
	return publish_vdevice(ucmd, vdevice);
}

/* IOMMU_VDEVICE_ALLOC (5.3) */
int iommufd_vdevice_alloc(struct iommufd_ucmd *ucmd)
{
	const struct iommu_vdevice_alloc *cmd = ucmd->cmd;
	struct machine *machine = ucmd->machine;
	int error;
	struct iommufd_viommu *viommu = iommufd_get_viommu(ucmd->ictx, cmd->viommu_id);
	if (viommu == NULL)
		return refuse(machine, ENOENT, "iommufd 5.3 2", "no vIOMMU has this id");
	struct iommufd_device *idev = iommufd_get_device(ucmd->ictx, cmd->dev_id);
	if (idev == NULL) {
		error = refuse(machine, ENOENT, "iommufd 5.3 3", "no device has this id");
	} else if (idev->device->iommu != viommu->iommu) {
		error = refuse(machine, EINVAL, "iommufd 5.3 4",
			       "the device is behind another IOMMU");
	} else {
		struct iommufd_vdevice *made;
		mutex_lock(sched_of(machine), &idev->igroup->lock, "igroup lock");
		error = make_vdevice(ucmd, viommu, idev, &made);
		mutex_unlock(sched_of(machine), &idev->igroup->lock);
		if (error != 0 && made != NULL)
			iommufd_object_abort_and_destroy(ucmd->ictx, &made->object);
	}
	if (idev != NULL)
		iommufd_put_object(ucmd->ictx, &idev->object);
	iommufd_put_object(ucmd->ictx, &viommu->object);
	return error;
}

/* --- HW queue (5.4) --- */

/* The pin is a promise too: the frames stay the guest's while it holds (ledger.h). */
static void promise_pages(struct iommufd_hw_queue *queue, bool grant)
{
	struct ledger *ledger = &queue->viommu->ictx->machine->ledger;
	uint32_t holder = queue->viommu->hwpt->domain->holder;
	uint64_t pfn = queue->first_pfn, count = queue->page_count;
	if (grant) {
		ledger_grant(ledger, holder, pfn, count);
		return;
	}
	ledger_revoke(ledger, holder, pfn, count, ledger_revocation_new(ledger, holder, "unpin"));
	ledger_revoked(ledger, holder, pfn, count);
}

static uint64_t queue_bytes(const struct iommufd_hw_queue *queue)
{
	const struct iommufd_viommu_ops *ops = queue->viommu->ops;
	return ops->hw_queue_bytes != NULL ? ops->hw_queue_bytes(queue) : queue->length;
}

static void unpin_queue(struct iommufd_hw_queue *queue)
{
	uint64_t first = align_down(queue->base_iova, PAGE_SIZE);
	uint64_t end = align_up(queue->base_iova + queue_bytes(queue), PAGE_SIZE);
	if (queue->access == NULL)
		return;
	iommufd_access_unpin_pages(queue->access, first, end - first);
	if (queue->page_count > 0)
		promise_pages(queue, false);
	iommufd_access_detach(queue->access);
	iommufd_access_destroy(queue->access);
	queue->access = NULL;
	task_preempt(sched_of(queue->viommu->ictx->machine), UNPIN_COST_PS, "queue pages unpinned");
}

void iommufd_hw_queue_destroy(struct iommufd_object *object)
{
	struct iommufd_hw_queue *queue = (struct iommufd_hw_queue *)object;
	struct iommufd_viommu *viommu = queue->viommu;
	if (kernel_option(viommu->ictx->machine, KERNEL_HW_QUEUE_DESTROY) ==
	    HW_QUEUE_UNPIN_THEN_STOP)
		unpin_queue(queue);
	if (queue->initialised && viommu->ops->hw_queue_destroy != NULL)
		viommu->ops->hw_queue_destroy(queue);
	unpin_queue(queue);
	viommu->object.users--;
}

int iommufd_hw_queue_depend(struct iommufd_hw_queue *dependent, struct iommufd_hw_queue *depended)
{
	struct machine *machine = dependent->viommu->ictx->machine;
	if (dependent->viommu != depended->viommu || dependent == depended)
		return refuse(machine, EINVAL, "iommufd 5.5", "no queue of this vIOMMU");
	depended->object.users++;
	return 0;
}

void iommufd_hw_queue_undepend(struct iommufd_hw_queue *dependent,
			       struct iommufd_hw_queue *depended)
{
	assert(dependent->viommu == depended->viommu);
	depended->object.users--;
}

struct contiguous {
	struct machine *machine;
	bool any_layout; /* the queue is read by guest address */
	uint64_t first_pfn;
	uint64_t count;
};

static int check_contiguous(void *context, uint64_t pfn, uint64_t count)
{
	struct contiguous *frames = context;
	if (frames->any_layout)
		return 0;
	if (frames->count > 0 && pfn != frames->first_pfn + frames->count)
		return refuse(frames->machine, EFAULT, "iommufd 5.4 11",
			      "the pages are not physically consecutive");
	if (frames->count == 0)
		frames->first_pfn = pfn;
	frames->count += count;
	return 0;
}

/* Steps 7 to 11: the internal access that pins the queue's pages against unmap. */
static int pin_queue(struct iommufd_ucmd *ucmd, struct iommufd_hw_queue *queue, struct pa *base)
{
	struct machine *machine = ucmd->machine;
	uint64_t first = align_down(queue->base_iova, PAGE_SIZE);
	uint64_t offset = queue->base_iova - first, bytes;
	int error;
	if (add_overflows(offset, queue_bytes(queue), &bytes) ||
	    bytes > UINT64_MAX - (PAGE_SIZE - 1))
		return refuse(machine, ERANGE, "iommufd 5.4 7", "the page window overflows");
	uint64_t count = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
	if (count > PAGE_POINTERS_MAX || no_memory(machine, "page pointers"))
		return refuse(machine, ENOMEM, "iommufd 5.4 7", "too many pages");
	struct iommufd_access *access = iommufd_access_create_internal(ucmd->ictx, &error);
	if (access == NULL)
		return error;
	struct contiguous frames = {.machine = machine,
				    .any_layout = queue->viommu->ops->hw_queue_init != NULL};
	error = iommufd_access_attach_ioas(access, queue->viommu->hwpt->ioas);
	if (error == 0)
		error = iommufd_access_pin_pages(access, first, count * PAGE_SIZE, ACCESS_READ,
						 check_contiguous, &frames);
	if (error != 0) {
		struct rule rule = machine->rule;
		iommufd_access_detach(access);
		iommufd_access_destroy(access);
		machine->rule = rule;
		return error;
	}
	queue->access = access;
	queue->first_pfn = frames.first_pfn;
	queue->page_count = frames.count;
	if (frames.count > 0)
		promise_pages(queue, true);
	*base = pa_of(frames.first_pfn * PAGE_SIZE + offset);
	return 0;
}

static int make_hw_queue(struct iommufd_ucmd *ucmd, struct iommufd_viommu *viommu)
{
	struct iommu_hw_queue_alloc *cmd = ucmd->cmd;
	const struct iommufd_viommu_ops *ops = viommu->ops;
	struct pa base = {0};
	int error;
	if (ops->hw_queue_supported == NULL ||
	    (ops->hw_queue_init_phys == NULL && ops->hw_queue_init == NULL) ||
	    !ops->hw_queue_supported(viommu, cmd->type))
		return refuse(ucmd->machine, EOPNOTSUPP, "iommufd 5.4 5",
			      "the vIOMMU has no queue of this type");
	struct iommufd_hw_queue *queue = (struct iommufd_hw_queue *)iommufd_object_alloc(
		ucmd->ictx, sizeof(*queue), IOMMUFD_OBJ_HW_QUEUE, &error);
	if (queue == NULL)
		return error;
	ucmd->new_object = &queue->object;
	queue->viommu = viommu;
	viommu->object.users++;
	queue->type = cmd->type;
	queue->base_iova = cmd->nesting_parent_iova;
	if (kernel_option(ucmd->machine, KERNEL_HW_QUEUE_BASE) == HW_QUEUE_BASE_ROUNDED_UP)
		queue->base_iova = align_up(queue->base_iova, PAGE_SIZE);
	queue->length = cmd->length;
	bool by_address = ops->hw_queue_init != NULL;
	bool pins = !by_address || (ops->hw_queue_pins != NULL && ops->hw_queue_pins(viommu));
	error = 0;
	unsigned pin = kernel_option(ucmd->machine, KERNEL_HW_QUEUE_PIN);
	if (pins || pin == HW_QUEUE_PIN_ON)
		error = pin_queue(ucmd, queue, &base);
	if (error == 0)
		error = by_address ? ops->hw_queue_init(queue, cmd->index)
				   : ops->hw_queue_init_phys(queue, cmd->index, base);
	if (error != 0)
		return error;
	queue->initialised = true;
	if (pin == HW_QUEUE_PIN_OFF)
		unpin_queue(queue);
	cmd->out_hw_queue_id = queue->object.id;
	return iommufd_respond(ucmd);
}

/* IOMMU_HW_QUEUE_ALLOC (5.4) */
int iommufd_hw_queue_alloc(struct iommufd_ucmd *ucmd)
{
	const struct iommu_hw_queue_alloc *cmd = ucmd->cmd;
	struct machine *machine = ucmd->machine;
	uint64_t last;
	if (cmd->flags != 0 || cmd->type == 0)
		return refuse(machine, EOPNOTSUPP, "iommufd 5.4 1",
			      cmd->type == 0 ? "type is 0" : "flags is not 0");
	if (cmd->length == 0)
		return refuse(machine, EINVAL, "iommufd 5.4 2", "length is 0");
	if (add_overflows(cmd->nesting_parent_iova, cmd->length - 1, &last))
		return refuse(machine, EOVERFLOW, "iommufd 5.4 3", "iova + length overflows");
	struct iommufd_viommu *viommu = iommufd_get_viommu(ucmd->ictx, cmd->viommu_id);
	if (viommu == NULL)
		return refuse(machine, ENOENT, "iommufd 5.4 4", "no vIOMMU has this id");
	int error = make_hw_queue(ucmd, viommu);
	iommufd_put_object(ucmd->ictx, &viommu->object);
	return error;
}

/* --- mmap regions (5.9) --- */

int iommufd_viommu_alloc_mmap(struct iommufd_viommu *viommu, struct pa base, uint64_t length,
			      uint64_t *offset)
{
	struct iommufd_ctx *ictx = viommu->ictx;
	struct iommufd_mmap *region, *before = NULL;
	uint64_t at = MMAP_FIRST_OFFSET;
	if (page_offset(base.value) != 0 || length == 0 || page_offset(length) != 0)
		return refuse(ictx->machine, EINVAL, "iommufd 5.9",
			      "the region is not whole pages");
	if (no_memory(ictx->machine, "mmap region"))
		return -ENOMEM;
	/* The lowest gap; the list is in order of offset. */
	TAILQ_FOREACH (region, &ictx->mmaps, link) {
		if (region->offset - at >= length)
			break;
		at = region->offset + region->length;
		before = region;
	}
	region = arena_new(ictx->machine->arena, struct iommufd_mmap);
	region->owner = &viommu->object;
	region->ictx = ictx;
	region->offset = at;
	region->length = length;
	region->base = base;
	if (before != NULL)
		TAILQ_INSERT_AFTER(&ictx->mmaps, before, region, link);
	else
		TAILQ_INSERT_HEAD(&ictx->mmaps, region, link);
	*offset = at;
	return 0;
}

void iommufd_viommu_destroy_mmap(struct iommufd_viommu *viommu, uint64_t offset)
{
	struct iommufd_ctx *ictx = viommu->ictx;
	struct iommufd_mmap *region;
	TAILQ_FOREACH (region, &ictx->mmaps, link)
		if (region->owner == &viommu->object && region->offset == offset)
			break;
	assert(region != NULL);
	TAILQ_REMOVE(&ictx->mmaps, region, link);
	arena_delete(ictx->machine->arena, region);
}

static void mmap_opened(void *context)
{
	struct iommufd_mmap *region = context;
	region->owner->users++;
}

static void mmap_closed(void *context)
{
	struct iommufd_mmap *region = context;
	region->owner->users--;
}

static const struct vma_ops mmap_vma_ops = {.open = mmap_opened, .close = mmap_closed};

int iommufd_fops_mmap(struct thread *thread, struct file *file, struct map_request *request,
		      uint64_t offset)
{
	struct iommufd_ctx *ictx = file->priv;
	struct machine *machine = ictx->machine;
	struct iommufd_mmap *region;
	if ((request->flags & MAP_TYPE_MASK) == MAP_PRIVATE_BIT)
		return refuse(machine, EINVAL, "iommufd 5.9 2", "not MAP_SHARED");
	if (request->prot & PROT_EXEC_BIT)
		return refuse(machine, EPERM, "iommufd 5.9 3", "PROT_EXEC");
	TAILQ_FOREACH (region, &ictx->mmaps, link)
		if (region->offset <= offset && offset - region->offset < region->length)
			break;
	if (region == NULL || region->owner->users == 0)
		return refuse(machine, ENXIO, "iommufd 5.9 4", "no region at this offset");
	if (region->offset != offset || region->length != request->length)
		return refuse(machine, ENXIO, "iommufd 5.9 5", "not exactly one region");
	uint64_t frames = region->length / PAGE_SIZE;
	request->object =
		object_new(machine, OBJECT_DEVICE, region->length, thread->process->mm->owner);
	spans_set(&request->object->pages, 0, frames - 1, pa_pfn(region->base), 0);
	request->page_index = 0;
	request->ops = &mmap_vma_ops;
	request->ops_context = region;
	region->owner->users++;
	return 0;
}
