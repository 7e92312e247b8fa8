// SPDX-License-Identifier: Apache-2.0
/* HWPTs: allocation, dirty tracking, invalidation (iommufd 4.1, 4.2, 4.4). */
#include <string.h>

#include "kernel_shim/iommufd.h"

#define HWPT_FLAGS                                                        \
	(IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING | \
	 IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID)
#define NESTED_FLAGS           (IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID)
#define INVALIDATE_ENTRIES_MAX (1U << 19)

static void free_domain(struct iommufd_hwpt *hwpt)
{
	if (hwpt->domain == NULL)
		return;
	if (hwpt->domain->kind == IOMMU_DOMAIN_PAGING)
		ledger_holder_gone(&hwpt->ictx->machine->ledger, hwpt->domain->holder);
	hwpt->domain->ops->free(hwpt->domain);
	hwpt->domain = NULL;
}

static void drop_fault(struct iommufd_hwpt *hwpt)
{
	if (hwpt->fault != NULL)
		hwpt->fault->object.users--;
}

void iommufd_hwpt_paging_destroy(struct iommufd_object *object)
{
	struct iommufd_hwpt *hwpt = (struct iommufd_hwpt *)object;
	struct iommufd_ioas *ioas = hwpt->ioas;
	if (hwpt->in_ioas) {
		struct iommufd_hwpt *last = NULL, *other;
		LIST_REMOVE(hwpt, ioas_link);
		LIST_FOREACH (other, &ioas->hwpts, ioas_link)
			last = other;
		ioas->last_hwpt = last;
		iopt_table_remove_domain(&ioas->iopt, hwpt->domain);
	}
	free_domain(hwpt);
	drop_fault(hwpt);
	ioas->object.users--;
}

void iommufd_hwpt_nested_destroy(struct iommufd_object *object)
{
	struct iommufd_hwpt *hwpt = (struct iommufd_hwpt *)object;
	free_domain(hwpt);
	drop_fault(hwpt);
	if (hwpt->viommu != NULL)
		hwpt->viommu->object.users--;
	else
		hwpt->parent->object.users--;
}

/* Drops a user that an attachment or a driver held; automatic domains go with the last. */
void iommufd_hwpt_put(struct iommufd_ctx *ictx, struct iommufd_hwpt *hwpt)
{
	hwpt->object.users--;
	if (hwpt->auto_domain && hwpt->object.users == 1)
		iommufd_object_remove(ictx, &hwpt->object);
}

static struct iommufd_hwpt *hwpt_new(struct iommufd_ctx *ictx, enum iommufd_object_type type,
				     int *error)
{
	struct iommufd_hwpt *hwpt =
		(struct iommufd_hwpt *)iommufd_object_alloc(ictx, sizeof(*hwpt), type, error);
	if (hwpt != NULL)
		hwpt->ictx = ictx;
	return hwpt;
}

static int check_paging_flags(struct iommufd_ctx *ictx, struct iommufd_device *idev, uint32_t flags)
{
	struct machine *machine = ictx->machine;
	if (flags & ~HWPT_FLAGS)
		return refuse(machine, EOPNOTSUPP, "iommufd 4.1.1 3", "unknown flags");
	if ((flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) &&
	    !idev->device->driver->capable(idev->device, IOMMU_CAP_DIRTY_TRACKING))
		return refuse(machine, EOPNOTSUPP, "iommufd 4.1.1 4",
			      "the device can't track dirty pages");
	if ((flags & IOMMU_HWPT_FAULT_ID_VALID) && (flags & IOMMU_HWPT_ALLOC_NEST_PARENT))
		return refuse(machine, EOPNOTSUPP, "iommufd 4.1.1 5",
			      "a nest parent can't take faults");
	return 0;
}

struct iommufd_hwpt *iommufd_hwpt_paging_alloc(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
					       struct iommufd_device *idev, uint32_t pasid,
					       uint32_t flags, bool immediate,
					       const struct user_data *data, int *error)
{
	*error = check_paging_flags(ictx, idev, flags);
	if (*error != 0)
		return NULL;
	struct iommufd_hwpt *hwpt = hwpt_new(ictx, IOMMUFD_OBJ_HWPT_PAGING, error);
	if (hwpt == NULL)
		return NULL;
	hwpt->ioas = ioas;
	ioas->object.users++;
	hwpt->pasid_compat = flags & IOMMU_HWPT_ALLOC_PASID;
	hwpt->nest_parent = flags & IOMMU_HWPT_ALLOC_NEST_PARENT;
	*error = idev->device->driver->domain_alloc_paging(
		idev->device, flags & ~IOMMU_HWPT_FAULT_ID_VALID, data, &hwpt->domain);
	if (*error != 0)
		goto abort;
	hwpt->domain->holder = ledger_holder_new(&ictx->machine->ledger, "domain");
	if (idev->device->driver->capable(idev->device, IOMMU_CAP_ENFORCE_CACHE_COHERENCY)) {
		hwpt->enforce_cache_coherency =
			hwpt->domain->ops->enforce_cache_coherency(hwpt->domain);
		if (!hwpt->enforce_cache_coherency) {
			*error = refuse(ictx->machine, EINVAL, "iommufd 4.1.1 8",
					"the domain can't enforce cache coherency");
			goto abort;
		}
	}
	if (immediate) {
		*error = iommufd_group_attach(idev, pasid, hwpt);
		if (*error != 0)
			goto abort;
	}
	*error = iopt_table_add_domain(&ioas->iopt, hwpt->domain);
	if (*error != 0) {
		if (immediate)
			iommufd_group_detach(idev, pasid);
		goto abort;
	}
	if (ioas->last_hwpt != NULL)
		LIST_INSERT_AFTER(ioas->last_hwpt, hwpt, ioas_link);
	else
		LIST_INSERT_HEAD(&ioas->hwpts, hwpt, ioas_link);
	ioas->last_hwpt = hwpt;
	hwpt->in_ioas = true;
	return hwpt;
abort:
	iommufd_object_abort_and_destroy(ictx, &hwpt->object);
	return NULL;
}

static struct iommufd_hwpt *nested_on_hwpt(struct iommufd_ctx *ictx, struct iommufd_hwpt *parent,
					   struct iommufd_device *idev, uint32_t flags,
					   const struct user_data *data, int *error)
{
	struct machine *machine = ictx->machine;
	const struct iommu_ops *driver = idev->device->driver;
	if ((flags & ~NESTED_FLAGS) || data == NULL || driver->domain_alloc_nested == NULL) {
		*error = refuse(
			machine, EOPNOTSUPP, "iommufd 4.1.2 1",
			flags & ~NESTED_FLAGS ? "a flag that a nested HWPT does not take"
			: data == NULL
				? "data_len is 0: a HWPT on a HWPT needs data"
				: "this driver makes none on a HWPT: pt_id is to be a vIOMMU");
		return NULL;
	}
	if (parent->auto_domain || !parent->nest_parent || parent->domain->driver != driver) {
		*error = refuse(machine, EINVAL, "iommufd 4.1.2 2",
				parent->auto_domain    ? "pt_id is a HWPT that an attach made"
				: !parent->nest_parent ? "pt_id was made without NEST_PARENT"
						       : "pt_id belongs to another driver");
		return NULL;
	}
	struct iommufd_hwpt *hwpt = hwpt_new(ictx, IOMMUFD_OBJ_HWPT_NESTED, error);
	if (hwpt == NULL)
		return NULL;
	hwpt->pasid_compat = flags & IOMMU_HWPT_ALLOC_PASID;
	hwpt->parent = parent;
	parent->object.users++;
	*error = driver->domain_alloc_nested(idev->device, parent->domain,
					     flags & ~IOMMU_HWPT_FAULT_ID_VALID, data,
					     &hwpt->domain);
	if (*error == 0)
		return hwpt;
	iommufd_object_abort_and_destroy(ictx, &hwpt->object);
	return NULL;
}

static struct iommufd_hwpt *nested_on_viommu(struct iommufd_ctx *ictx,
					     struct iommufd_viommu *viommu,
					     struct iommufd_device *idev, uint32_t flags,
					     const struct user_data *data, int *error)
{
	struct machine *machine = ictx->machine;
	*error = 0;
	if (idev->device->iommu != viommu->iommu)
		*error = refuse(machine, EINVAL, "iommufd 4.1.3 1",
				"the device is behind another IOMMU");
	else if (flags & ~NESTED_FLAGS)
		*error = refuse(machine, EOPNOTSUPP, "iommufd 4.1.3 2", "unknown flags");
	else if (data == NULL)
		*error = refuse(machine, EOPNOTSUPP, "iommufd 4.1.3 3", "data_len is 0");
	else if (viommu->ops->alloc_domain_nested == NULL)
		*error = refuse(machine, EOPNOTSUPP, "iommufd 4.1.3 4",
				"the vIOMMU has no nested domains");
	if (*error != 0)
		return NULL;
	struct iommufd_hwpt *hwpt = hwpt_new(ictx, IOMMUFD_OBJ_HWPT_NESTED, error);
	if (hwpt == NULL)
		return NULL;
	hwpt->pasid_compat = flags & IOMMU_HWPT_ALLOC_PASID;
	hwpt->parent = viommu->hwpt;
	hwpt->viommu = viommu;
	viommu->object.users++;
	*error = viommu->ops->alloc_domain_nested(viommu, flags & ~IOMMU_HWPT_FAULT_ID_VALID, data,
						  &hwpt->domain);
	if (*error == 0)
		return hwpt;
	iommufd_object_abort_and_destroy(ictx, &hwpt->object);
	return NULL;
}

static struct iommufd_hwpt *alloc_by_pt(struct iommufd_ucmd *ucmd, struct iommufd_object *pt,
					struct iommufd_device *idev, const struct user_data *data,
					int *error)
{
	const struct iommu_hwpt_alloc *cmd = ucmd->cmd;
	struct iommufd_hwpt *hwpt;
	struct iommufd_ioas *ioas;
	switch (pt->type) {
	case IOMMUFD_OBJ_IOAS:
		ioas = (struct iommufd_ioas *)pt;
		mutex_lock(sched_of(ucmd->machine), &ioas->mutex, "ioas mutex");
		hwpt = iommufd_hwpt_paging_alloc(ucmd->ictx, ioas, idev, 0, cmd->flags, false, data,
						 error);
		mutex_unlock(sched_of(ucmd->machine), &ioas->mutex);
		return hwpt;
	case IOMMUFD_OBJ_HWPT_PAGING:
		return nested_on_hwpt(ucmd->ictx, (struct iommufd_hwpt *)pt, idev, cmd->flags, data,
				      error);
	case IOMMUFD_OBJ_VIOMMU:
		return nested_on_viommu(ucmd->ictx, (struct iommufd_viommu *)pt, idev, cmd->flags,
					data, error);
	default:
		*error = refuse(ucmd->machine, EINVAL, "iommufd 4.1 5",
				"pt_id is neither an IOAS, a paging HWPT nor a vIOMMU");
		return NULL;
	}
}

/* Steps 6 and 7 of 4.1: the fault queue is looked up last. */
static int finish_hwpt(struct iommufd_ucmd *ucmd, struct iommufd_hwpt *hwpt)
{
	struct iommu_hwpt_alloc *cmd = ucmd->cmd;
	if (cmd->flags & IOMMU_HWPT_FAULT_ID_VALID) {
		struct iommufd_fault *fault = iommufd_get_fault(ucmd->ictx, cmd->fault_id);
		if (fault == NULL)
			return refuse(ucmd->machine, ENOENT, "iommufd 4.1 6",
				      "no fault queue has this id");
		hwpt->fault = fault;
		fault->object.users++;
		iommufd_put_object(ucmd->ictx, &fault->object);
	}
	cmd->out_hwpt_id = hwpt->object.id;
	int error = iommufd_respond(ucmd);
	if (error == 0)
		iommufd_object_publish(ucmd->ictx, &hwpt->object);
	return error;
}

/* IOMMU_HWPT_ALLOC (4.1) */
int iommufd_hwpt_alloc(struct iommufd_ucmd *ucmd)
{
	const struct iommu_hwpt_alloc *cmd = ucmd->cmd;
	struct machine *machine = ucmd->machine;
	struct user_data data = {ucmd->thread, cmd->data_type, va_of(cmd->data_uptr),
				 cmd->data_len};
	int error;
	if (cmd->__reserved != 0)
		return refuse(machine, EOPNOTSUPP, "iommufd 4.1 1", "a reserved field is not zero");
	if ((cmd->data_type == IOMMU_HWPT_DATA_NONE) != (cmd->data_len == 0))
		return refuse(machine, EINVAL, "iommufd 4.1 2",
			      cmd->data_len == 0 ? "data_len is 0 and data_type is not"
						 : "data_type is 0 and data_len is not");
	struct iommufd_device *idev = iommufd_get_device(ucmd->ictx, cmd->dev_id);
	if (idev == NULL)
		return refuse(machine, ENOENT, "iommufd 4.1 3", "no device has this id");
	struct iommufd_object *pt = iommufd_get_object(ucmd->ictx, cmd->pt_id, IOMMUFD_OBJ_ANY);
	if (pt == NULL) {
		error = refuse(machine, EINVAL, "iommufd 4.1 4", "no object has the id pt_id");
	} else {
		struct iommufd_hwpt *hwpt =
			alloc_by_pt(ucmd, pt, idev, cmd->data_len > 0 ? &data : NULL, &error);
		if (hwpt != NULL) {
			error = finish_hwpt(ucmd, hwpt);
			if (error != 0)
				iommufd_object_abort_and_destroy(ucmd->ictx, &hwpt->object);
		}
		iommufd_put_object(ucmd->ictx, pt);
	}
	iommufd_put_object(ucmd->ictx, &idev->object);
	return error;
}

/* --- dirty tracking (4.4) --- */

struct dirty_bitmap {
	struct thread *thread;
	uint64_t iova; /* of bit 0 */
	uint64_t last;
	uint64_t page;    /* bytes a bit */
	uint64_t end;     /* address: last byte of the user pages that hold the range's bits */
	struct va bitmap; /* value 0: only clear */
	/* What was dirty, if anything was. */
	bool gathered;
	uint64_t first_dirty;
	uint64_t last_dirty;
};

static void gather(struct dirty_bitmap *dirty, uint64_t first, uint64_t last)
{
	if (!dirty->gathered || first < dirty->first_dirty)
		dirty->first_dirty = first;
	if (!dirty->gathered || last > dirty->last_dirty)
		dirty->last_dirty = last;
	dirty->gathered = true;
}

/* Once a call, for all that was cleared. */
static void sync_cleared(struct iommu_domain *domain, const struct dirty_bitmap *dirty)
{
	if (dirty->gathered && domain->ops->iotlb_sync != NULL)
		domain->ops->iotlb_sync(domain, dirty->first_dirty, dirty->last_dirty);
}

/* Bits of a whole IOPTE; of one that begins before the range none (4.4 [Q]). */
static void record_dirty(void *context, uint64_t iova, uint64_t length)
{
	struct dirty_bitmap *dirty = context;
	gather(dirty, iova, iova + length - 1);
	if (dirty->bitmap.value == 0 || iova < dirty->iova)
		return;
	uint64_t first = (iova - dirty->iova) / dirty->page;
	uint64_t last = (iova + length - 1 - dirty->iova) / dirty->page;
	for (uint64_t byte = first / 8; byte <= last / 8; byte++) {
		uint8_t bits;
		struct va at = va_of(dirty->bitmap.value + byte);
		if (byte > dirty->end - dirty->bitmap.value)
			return; /* only the bitmap's own pages are pinned */
		uint64_t low = byte * 8 < first ? first - byte * 8 : 0;
		uint64_t high = byte * 8 + 7 > last ? last - byte * 8 : 7;
		uint8_t mask = (uint8_t)(((2U << high) - 1) & ~((1U << low) - 1));
		struct mm *mm = dirty->thread->process->mm;
		if (mm_read(mm, at, &bits, 1) != 1)
			return; /* an address that can't be pinned loses the bits */
		bits |= mask;
		mm_write(mm, at, &bits, 1);
	}
}

/* The areas from IOVA on up to the first hole; the result is ignored (4.4 step 6). */
static void read_and_clear_dirty(struct io_pagetable *iopt, struct iommu_domain *domain,
				 struct dirty_bitmap *dirty, bool clear)
{
	struct scheduler *sched = sched_of(iopt->machine);
	uint64_t at = dirty->iova;
	down_read(sched, &iopt->iova_rwsem, "iova_rwsem");
	struct iopt_area *area;
	while ((area = iopt_find_area(iopt, at)) != NULL) {
		uint64_t last = area->last < dirty->last ? area->last : dirty->last;
		domain->ops->read_dirty(domain, at, last, clear, record_dirty, dirty);
		if (last == dirty->last)
			break;
		at = last + 1;
	}
	if (clear)
		sync_cleared(domain, dirty);
	up_read(sched, &iopt->iova_rwsem);
}

static void clear_all_dirty(struct io_pagetable *iopt, struct iommu_domain *domain)
{
	struct scheduler *sched = sched_of(iopt->machine);
	struct dirty_bitmap none = {0};
	down_read(sched, &iopt->iova_rwsem, "iova_rwsem");
	struct iopt_area *area = iopt_area_from(iopt, 0);
	for (; area != NULL; area = iopt_area_next(area))
		if (!area->busy)
			domain->ops->read_dirty(domain, area->iova, area->last, true, record_dirty,
						&none);
	sync_cleared(domain, &none);
	up_read(sched, &iopt->iova_rwsem);
}

static struct iommufd_hwpt *get_paging(struct iommufd_ucmd *ucmd, uint32_t id)
{
	return (struct iommufd_hwpt *)iommufd_get_object(ucmd->ictx, id, IOMMUFD_OBJ_HWPT_PAGING);
}

static int no_dirty_ops(struct machine *machine)
{
	return refuse(machine, EOPNOTSUPP, "iommufd 4.4",
		      "the HWPT was made without DIRTY_TRACKING");
}

/* IOMMU_HWPT_SET_DIRTY_TRACKING (4.4) */
int iommufd_hwpt_set_dirty_tracking(struct iommufd_ucmd *ucmd)
{
	const struct iommu_hwpt_set_dirty_tracking *cmd = ucmd->cmd;
	bool enable = cmd->flags & IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
	int error;
	if (cmd->flags & ~IOMMU_HWPT_DIRTY_TRACKING_ENABLE)
		return refuse(ucmd->machine, EOPNOTSUPP, "iommufd 4.4 SET 1", "unknown flags");
	struct iommufd_hwpt *hwpt = get_paging(ucmd, cmd->hwpt_id);
	if (hwpt == NULL)
		return refuse(ucmd->machine, ENOENT, "iommufd 4.4 SET 2",
			      "no paging HWPT has this id");
	if (!hwpt->domain->dirty_ops) {
		error = no_dirty_ops(ucmd->machine);
	} else {
		if (enable)
			clear_all_dirty(&hwpt->ioas->iopt, hwpt->domain);
		error = hwpt->domain->ops->set_dirty_tracking(hwpt->domain, enable);
	}
	iommufd_put_object(ucmd->ictx, &hwpt->object);
	return error;
}

static int check_dirty_range(struct machine *machine, const struct iommu_hwpt_get_dirty_bitmap *cmd,
			     uint64_t alignment, uint64_t *last)
{
	uint64_t page_mask = cmd->page_size - 1;
	if (cmd->length == 0)
		return refuse(machine, EINVAL, "iommufd 4.4 GET 3", "length is 0");
	if (add_overflows(cmd->iova, cmd->length - 1, last))
		return refuse(machine, EOVERFLOW, "iommufd 4.4 GET 3", "iova + length overflows");
	if ((cmd->iova | (*last + 1)) & (alignment - 1))
		return refuse(machine, EINVAL, "iommufd 4.4 GET 3",
			      "the range is not aligned as the IOAS needs");
	if (cmd->page_size == 0 || ((cmd->iova | (*last + 1)) & page_mask))
		return refuse(machine, EINVAL, "iommufd 4.4 GET 3",
			      "page_size is 0 or the range is not aligned to it");
	return 0;
}

/* IOMMU_HWPT_GET_DIRTY_BITMAP (4.4) */
int iommufd_hwpt_get_dirty_bitmap(struct iommufd_ucmd *ucmd)
{
	const struct iommu_hwpt_get_dirty_bitmap *cmd = ucmd->cmd;
	struct machine *machine = ucmd->machine;
	uint64_t last;
	if ((cmd->flags & ~IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR) || cmd->__reserved != 0)
		return refuse(machine, EOPNOTSUPP, "iommufd 4.4 GET 1",
			      "unknown flags or reserved");
	struct iommufd_hwpt *hwpt = get_paging(ucmd, cmd->hwpt_id);
	if (hwpt == NULL)
		return refuse(machine, ENOENT, "iommufd 4.4 GET 2", "no paging HWPT has this id");
	struct io_pagetable *iopt = &hwpt->ioas->iopt;
	int error = check_dirty_range(machine, cmd, iopt->iova_alignment, &last);
	if (error == 0 && !hwpt->domain->dirty_ops)
		error = no_dirty_ops(machine);
	if (error == 0 && no_memory(machine, "dirty bitmap"))
		error = -ENOMEM;
	if (error == 0) {
		uint64_t page = cmd->page_size & -cmd->page_size;
		uint64_t last_byte = cmd->data + (last - cmd->iova) / page / 8;
		struct dirty_bitmap dirty = {
			.thread = ucmd->thread,
			.iova = cmd->iova,
			.last = last,
			.page = page,
			.end = last_byte | (PAGE_SIZE - 1),
			.bitmap = va_of(cmd->data),
		};
		read_and_clear_dirty(iopt, hwpt->domain, &dirty,
				     !(cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR));
	}
	iommufd_put_object(ucmd->ictx, &hwpt->object);
	return error;
}

/* --- invalidation (4.2) --- */

static int invalidate_object(struct iommufd_ucmd *ucmd, struct iommufd_object *object,
			     struct user_data_array *array)
{
	if (object->type == IOMMUFD_OBJ_HWPT_NESTED) {
		struct iommu_domain *domain = ((struct iommufd_hwpt *)object)->domain;
		if (domain->ops->cache_invalidate != NULL)
			return domain->ops->cache_invalidate(domain, array);
	} else if (object->type == IOMMUFD_OBJ_VIOMMU) {
		struct iommufd_viommu *viommu = (struct iommufd_viommu *)object;
		if (viommu->ops->cache_invalidate != NULL)
			return viommu->ops->cache_invalidate(viommu, array);
	} else {
		array->entry_count = 0;
		return refuse(ucmd->machine, EINVAL, "iommufd 4.2 4",
			      "hwpt_id is neither a nested HWPT nor a vIOMMU");
	}
	array->entry_count = 0;
	return refuse(ucmd->machine, EOPNOTSUPP, "iommufd 4.2 4",
		      "the driver can't invalidate for user space");
}

/* NULL: the array can be one. */
static const char *bad_entries(const struct iommu_hwpt_invalidate *cmd)
{
	if (cmd->entry_num == 0)
		return NULL;
	if (cmd->data_uptr == 0)
		return "data_uptr is 0";
	if (cmd->entry_len == 0 || cmd->entry_len > PAGE_SIZE)
		return "entry_len is not 1 to 4096";
	return cmd->entry_num > INVALIDATE_ENTRIES_MAX ? "entry_num is above 2^19" : NULL;
}

/* IOMMU_HWPT_INVALIDATE (4.2) */
int iommufd_hwpt_invalidate(struct iommufd_ucmd *ucmd)
{
	struct iommu_hwpt_invalidate *cmd = ucmd->cmd;
	struct machine *machine = ucmd->machine;
	struct user_data_array array = {ucmd->thread, cmd->data_type, va_of(cmd->data_uptr),
					cmd->entry_len, cmd->entry_num};
	uint32_t done = 0;
	const char *why;
	int error;
	if (cmd->__reserved != 0) {
		error = refuse(machine, EOPNOTSUPP, "iommufd 4.2 1",
			       "a reserved field is not zero");
	} else if ((why = bad_entries(cmd)) != NULL) {
		error = refuse(machine, EINVAL, "iommufd 4.2 2", why);
	} else {
		struct iommufd_object *object =
			iommufd_get_object(ucmd->ictx, cmd->hwpt_id, IOMMUFD_OBJ_ANY);
		if (object == NULL) {
			error = refuse(machine, ENOENT, "iommufd 4.2 3", "no object has this id");
		} else {
			error = invalidate_object(ucmd, object, &array);
			done = array.entry_count;
			iommufd_put_object(ucmd->ictx, object);
		}
	}
	cmd->entry_num = done;
	/* Always written back; a fault here replaces any other errno (step 5). */
	struct rule rule = machine->rule;
	if (iommufd_respond(ucmd) != 0)
		return -EFAULT;
	machine->rule = rule;
	return error;
}
