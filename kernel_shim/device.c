// SPDX-License-Identifier: Apache-2.0
/* Devices: bind, attach, replace, detach, hardware information (iommufd 4.3, 4.5, 4.6). */
#include <assert.h>
#include <string.h>

#include "kernel_shim/iommufd.h"

#define HW_INFO_MAX 64U

struct iommufd_device *iommufd_get_device(struct iommufd_ctx *ictx, uint32_t id)
{
	return (struct iommufd_device *)iommufd_get_object(ictx, id, IOMMUFD_OBJ_DEVICE);
}

/* --- groups --- */

static struct iommufd_group *get_group(struct iommufd_ctx *ictx, uint32_t number)
{
	struct iommufd_group *group;
	TAILQ_FOREACH (group, &ictx->groups, link) {
		if (group->group == number) {
			group->users++;
			return group;
		}
	}
	group = arena_new(ictx->machine->arena, struct iommufd_group);
	group->ictx = ictx;
	group->users = 1;
	group->group = number;
	mutex_init(&group->lock);
	LIST_INIT(&group->attaches);
	TAILQ_INIT(&group->devices);
	TAILQ_INSERT_TAIL(&ictx->groups, group, link);
	LIST_INSERT_HEAD(&iommufd_module(ictx->machine)->igroups, group, module_link);
	return group;
}

static void put_group(struct iommufd_group *group)
{
	if (--group->users > 0)
		return;
	assert(LIST_EMPTY(&group->attaches));
	TAILQ_REMOVE(&group->ictx->groups, group, link);
	LIST_REMOVE(group, module_link);
	arena_delete(group->ictx->machine->arena, group);
}

/* Whether another context owns the DMA of the group with this number. */
static bool owned_elsewhere(struct iommufd_ctx *ictx, uint32_t number)
{
	struct iommufd_group *group;
	LIST_FOREACH (group, &iommufd_module(ictx->machine)->igroups, module_link)
		if (group->group == number && group->ictx != ictx)
			return true;
	return false;
}

static struct iommufd_attach *find_attach(struct iommufd_group *group, uint32_t pasid)
{
	struct iommufd_attach *attach;
	LIST_FOREACH (attach, &group->attaches, link)
		if (attach->pasid == pasid)
			return attach;
	return NULL;
}

static struct attached_device *find_device(struct iommufd_attach *attach,
					   const struct iommufd_device *idev)
{
	struct attached_device *device;
	TAILQ_FOREACH (device, &attach->devices, link)
		if (device->idev == idev)
			return device;
	return NULL;
}

static bool any_pasid_attached(struct iommufd_group *group)
{
	struct iommufd_attach *attach;
	LIST_FOREACH (attach, &group->attaches, link)
		if (attach->pasid > 0)
			return true;
	return false;
}

struct iommufd_hwpt *iommufd_device_hwpt(struct iommufd_device *idev, uint32_t pasid)
{
	struct iommufd_attach *attach = find_attach(idev->igroup, pasid);
	return attach != NULL ? attach->hwpt : NULL;
}

bool iommufd_device_is_attached(struct iommufd_device *idev, uint32_t pasid)
{
	struct iommufd_attach *attach = find_attach(idev->igroup, pasid);
	return attach != NULL && find_device(attach, idev) != NULL;
}

/* --- attach (4.6) --- */

static int check_pasid_compat(struct iommufd_device *idev, uint32_t pasid,
			      const struct iommufd_hwpt *hwpt)
{
	struct machine *machine = idev->ictx->machine;
	struct iommufd_attach *rid = find_attach(idev->igroup, 0);
	if (pasid == 0) {
		if (!hwpt->pasid_compat && any_pasid_attached(idev->igroup))
			return refuse(machine, EINVAL, "iommufd 4.6 PASID compatibility",
				      "a PASID is attached and the HWPT has no PASID flag");
		return 0;
	}
	if (!hwpt->pasid_compat)
		return refuse(machine, EINVAL, "iommufd 4.6 PASID compatibility",
			      "the HWPT has no PASID flag");
	if (rid != NULL && !rid->hwpt->pasid_compat)
		return refuse(machine, EINVAL, "iommufd 4.6 PASID compatibility",
			      "the RID's HWPT has no PASID flag");
	return 0;
}

static int core_attach_pasid(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt,
			     const struct iommufd_hwpt *old)
{
	struct machine *machine = idev->ictx->machine;
	struct iommu_domain *domain = hwpt->domain;
	if (domain->ops->attach_pasid == NULL)
		return refuse(machine, EOPNOTSUPP, "iommufd 4.6 core PASID attach",
			      "the domain can't serve a PASID");
	if (domain->driver != idev->device->driver)
		return refuse(machine, EINVAL, "iommufd 4.6 core PASID attach",
			      "the domain belongs to another driver");
	if (pasid >= idev->device->max_pasids)
		return refuse(machine, EINVAL, "iommufd 4.6 core PASID attach",
			      "pasid is beyond the device's max_pasids");
	if (old != NULL && old->domain == domain)
		return 0;
	return domain->ops->attach_pasid(domain, idev->device, pasid);
}

static int driver_attach(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt,
			 const struct iommufd_hwpt *old)
{
	struct iommu_domain *domain = hwpt->domain;
	int error;
	if (fails_here(idev->ictx->machine, "attach"))
		return refuse(idev->ictx->machine, ENOMEM, "iommufd 4.6 5", "attach");
	if (pasid > 0)
		error = core_attach_pasid(idev, pasid, hwpt, old);
	else if (domain->driver != idev->device->driver)
		error = refuse(idev->ictx->machine, EINVAL, "iommufd 4.6 5",
			       "the domain belongs to another driver");
	else
		error = domain->ops->attach(domain, idev->device);
	if (error == 0 && hwpt->fault != NULL)
		idev->device->fault_users++;
	return error;
}

static void driver_block(struct iommufd_device *idev, uint32_t pasid)
{
	if (pasid > 0)
		idev->device->driver->block_pasid(idev->device, pasid);
	else
		idev->device->driver->block(idev->device);
}

static void drop_fault_user(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt)
{
	if (hwpt->fault == NULL)
		return;
	iommufd_auto_response_faults(hwpt, idev, pasid);
	idev->device->fault_users--;
}

/* The DMA of a group moves as one; OLD, if not NULL, is where it was and stays on an error. */
static int group_set_hwpt(struct iommufd_group *group, uint32_t pasid, struct iommufd_hwpt *hwpt,
			  struct iommufd_hwpt *old)
{
	struct iommufd_device *idev, *failed = NULL;
	int error = 0;
	TAILQ_FOREACH (idev, &group->devices, group_link) {
		error = driver_attach(idev, pasid, hwpt, old);
		if (error != 0) {
			failed = idev;
			break;
		}
	}
	if (error == 0)
		return 0;
	struct rule rule = group->ictx->machine->rule;
	TAILQ_FOREACH (idev, &group->devices, group_link) {
		if (idev == failed)
			break;
		drop_fault_user(idev, pasid, hwpt);
		if (old == NULL)
			driver_block(idev, pasid);
		else
			(void)driver_attach(idev, pasid, old, hwpt);
	}
	group->ictx->machine->rule = rule;
	return error;
}

/* A device that is bound late finds the group's DMA where it is. */
static int join_group(struct iommufd_device *idev)
{
	struct scheduler *sched = sched_of(idev->ictx->machine);
	struct iommufd_attach *attach;
	int error = 0;
	if (!LIST_EMPTY(&idev->igroup->attaches)) {
		mutex_lock(sched, &idev->igroup->lock, "igroup lock");
		LIST_FOREACH (attach, &idev->igroup->attaches, link)
			if (error == 0)
				error = driver_attach(idev, attach->pasid, attach->hwpt, NULL);
		mutex_unlock(sched, &idev->igroup->lock);
	}
	if (error == 0)
		TAILQ_INSERT_TAIL(&idev->igroup->devices, idev, group_link);
	return error;
}

/* --- reserved regions: of a device while its RID is attached --- */

/* The IOAS whose addresses HWPT translates; of a nested one its parent's. */
static struct io_pagetable *iopt_of(const struct iommufd_hwpt *hwpt)
{
	return &(hwpt->parent != NULL ? hwpt->parent : hwpt)->ioas->iopt;
}

static int reserve_regions(struct iommufd_device *idev, struct io_pagetable *iopt)
{
	const struct iommu_ops *driver = idev->device->driver;
	uint32_t count = 0;
	const struct resv_region *regions =
		driver->resv_regions != NULL ? driver->resv_regions(idev->device, &count) : NULL;
	for (uint32_t i = 0; i < count; i++) {
		if (regions[i].relaxable)
			continue;
		int error = iopt_reserve_iova(iopt, regions[i].first, regions[i].last, idev);
		if (error != 0) {
			iopt_remove_reserved_iova(iopt, idev);
			return error;
		}
	}
	return 0;
}

static void release_regions(struct iommufd_device *idev, struct io_pagetable *iopt)
{
	if (idev->device->driver->resv_regions != NULL)
		iopt_remove_reserved_iova(iopt, idev);
}

/* The regions of all that is attached go into TO; on an error into none. */
static int reserve_all_regions(struct iommufd_attach *attach, struct io_pagetable *to)
{
	struct attached_device *device, *failed = NULL;
	int error = 0;
	TAILQ_FOREACH (device, &attach->devices, link) {
		error = reserve_regions(device->idev, to);
		if (error != 0) {
			failed = device;
			break;
		}
	}
	if (error == 0)
		return 0;
	TAILQ_FOREACH (device, &attach->devices, link) {
		if (device == failed)
			break;
		release_regions(device->idev, to);
	}
	return error;
}

static void release_all_regions(struct iommufd_attach *attach, struct io_pagetable *from)
{
	struct attached_device *device;
	TAILQ_FOREACH (device, &attach->devices, link)
		release_regions(device->idev, from);
}

/* --- attach, detach, replace --- */

/* The caller holds the group's lock. */
static int attach_locked(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt)
{
	struct machine *machine = idev->ictx->machine;
	struct iommufd_attach *attach = find_attach(idev->igroup, pasid);
	int error = 0;
	if (attach != NULL && find_device(attach, idev) != NULL)
		return refuse(machine, EBUSY, "iommufd 4.6 1",
			      "the device is attached on this pasid");
	if (no_memory(machine, "attachment"))
		return -ENOMEM;
	if (attach != NULL && attach->hwpt != hwpt)
		return refuse(machine, EINVAL, "iommufd 4.6 3",
			      "another device of the group is attached to another HWPT");
	if (pasid == 0)
		error = reserve_regions(idev, iopt_of(hwpt));
	if (error != 0)
		return error;
	if (attach == NULL) {
		error = check_pasid_compat(idev, pasid, hwpt);
		if (error == 0)
			error = group_set_hwpt(idev->igroup, pasid, hwpt, NULL);
		if (error != 0) {
			if (pasid == 0)
				release_regions(idev, iopt_of(hwpt));
			return error;
		}
		attach = arena_new(machine->arena, struct iommufd_attach);
		attach->pasid = pasid;
		attach->hwpt = hwpt;
		TAILQ_INIT(&attach->devices);
		LIST_INSERT_HEAD(&idev->igroup->attaches, attach, link);
	}
	struct attached_device *device = arena_new(machine->arena, struct attached_device);
	device->idev = idev;
	TAILQ_INSERT_TAIL(&attach->devices, device, link);
	hwpt->object.users++;
	return 0;
}

int iommufd_group_attach(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt)
{
	struct scheduler *sched = sched_of(idev->ictx->machine);
	mutex_lock(sched, &idev->igroup->lock, "igroup lock");
	int error = attach_locked(idev, pasid, hwpt);
	mutex_unlock(sched, &idev->igroup->lock);
	return error;
}

/* Ends the attachment and returns its HWPT, whose user the caller drops. */
static struct iommufd_hwpt *detach_locked(struct iommufd_device *idev, uint32_t pasid)
{
	struct iommufd_attach *attach = find_attach(idev->igroup, pasid);
	struct attached_device *device = attach != NULL ? find_device(attach, idev) : NULL;
	struct arena *arena = idev->ictx->machine->arena;
	if (device == NULL)
		return NULL;
	struct iommufd_hwpt *hwpt = attach->hwpt;
	TAILQ_REMOVE(&attach->devices, device, link);
	arena_delete(arena, device);
	if (TAILQ_EMPTY(&attach->devices)) {
		struct iommufd_device *member;
		LIST_REMOVE(attach, link);
		arena_delete(arena, attach);
		TAILQ_FOREACH (member, &idev->igroup->devices, group_link) {
			driver_block(member, pasid);
			drop_fault_user(member, pasid, hwpt);
		}
	}
	if (pasid == 0)
		release_regions(idev, iopt_of(hwpt));
	return hwpt;
}

void iommufd_group_detach(struct iommufd_device *idev, uint32_t pasid)
{
	struct scheduler *sched = sched_of(idev->ictx->machine);
	mutex_lock(sched, &idev->igroup->lock, "igroup lock");
	struct iommufd_hwpt *hwpt = detach_locked(idev, pasid);
	mutex_unlock(sched, &idev->igroup->lock);
	if (hwpt != NULL)
		hwpt->object.users--;
}

static uint32_t count_devices(const struct iommufd_attach *attach)
{
	const struct attached_device *device;
	uint32_t count = 0;
	TAILQ_FOREACH (device, &attach->devices, link)
		count++;
	return count;
}

static int replace_locked(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt,
			  struct iommufd_hwpt **old)
{
	struct iommufd_attach *attach = find_attach(idev->igroup, pasid);
	*old = NULL;
	if (attach == NULL || find_device(attach, idev) == NULL)
		return refuse(idev->ictx->machine, EINVAL, "iommufd 4.6 replace",
			      "the device is not attached on this pasid");
	if (attach->hwpt == hwpt)
		return 0;
	struct io_pagetable *from = iopt_of(attach->hwpt), *to = iopt_of(hwpt);
	bool moves = pasid == 0 && from != to;
	int error = moves ? reserve_all_regions(attach, to) : 0;
	if (error != 0)
		return error;
	error = check_pasid_compat(idev, pasid, hwpt);
	if (error == 0)
		error = group_set_hwpt(idev->igroup, pasid, hwpt, attach->hwpt);
	if (moves)
		release_all_regions(attach, error == 0 ? from : to);
	if (error != 0)
		return error;
	*old = attach->hwpt;
	struct iommufd_device *member;
	TAILQ_FOREACH (member, &idev->igroup->devices, group_link)
		drop_fault_user(member, pasid, *old);
	uint32_t count = count_devices(attach);
	attach->hwpt = hwpt;
	hwpt->object.users += count;
	(*old)->object.users -= count - 1; /* the caller drops the last */
	return 0;
}

/* *OLD: the HWPT that was replaced, whose user the caller drops; NULL when nothing was. */
static int group_change(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt,
			bool replace, struct iommufd_hwpt **old)
{
	struct scheduler *sched = sched_of(idev->ictx->machine);
	*old = NULL;
	mutex_lock(sched, &idev->igroup->lock, "igroup lock");
	int error =
		replace ? replace_locked(idev, pasid, hwpt, old) : attach_locked(idev, pasid, hwpt);
	mutex_unlock(sched, &idev->igroup->lock);
	return error;
}

/* An automatic domain of IOAS that takes the device, or a new one (4.6). Holds the IOAS mutex. */
static int change_auto(struct iommufd_device *idev, uint32_t pasid, struct iommufd_ioas *ioas,
		       bool replace, struct iommufd_hwpt **used, struct iommufd_hwpt **old)
{
	struct iommufd_hwpt *hwpt;
	int error;
	LIST_FOREACH (hwpt, &ioas->hwpts, ioas_link) {
		if (!hwpt->auto_domain || hwpt->object.users == 0)
			continue;
		hwpt->object.users++; /* it may lose its last attachment meanwhile */
		hwpt->object.wait_count++;
		error = group_change(idev, pasid, hwpt, replace, old);
		iommufd_put_object(idev->ictx, &hwpt->object);
		if (error == -EINVAL)
			continue;
		*used = hwpt;
		return error;
	}
	hwpt = iommufd_hwpt_paging_alloc(idev->ictx, ioas, idev, pasid, 0, !replace, NULL, &error);
	if (hwpt == NULL)
		return error;
	hwpt->auto_domain = true;
	if (replace) {
		error = group_change(idev, pasid, hwpt, true, old);
		if (error != 0) {
			iommufd_object_abort_and_destroy(idev->ictx, &hwpt->object);
			return error;
		}
	}
	iommufd_object_publish(idev->ictx, &hwpt->object);
	*used = hwpt;
	return 0;
}

static int change(struct iommufd_device *idev, uint32_t pasid, uint32_t *pt_id, bool replace)
{
	struct iommufd_ctx *ictx = idev->ictx;
	struct iommufd_object *pt = iommufd_get_object(ictx, *pt_id, IOMMUFD_OBJ_ANY);
	struct iommufd_hwpt *hwpt = NULL, *old = NULL;
	int error;
	if (pt == NULL)
		return refuse(ictx->machine, ENOENT, "iommufd 4.6", "no object has the id pt_id");
	switch (pt->type) {
	case IOMMUFD_OBJ_HWPT_PAGING:
	case IOMMUFD_OBJ_HWPT_NESTED:
		hwpt = (struct iommufd_hwpt *)pt;
		error = group_change(idev, pasid, hwpt, replace, &old);
		break;
	case IOMMUFD_OBJ_IOAS: {
		struct iommufd_ioas *ioas = (struct iommufd_ioas *)pt;
		mutex_lock(sched_of(ictx->machine), &ioas->mutex, "ioas mutex");
		error = change_auto(idev, pasid, ioas, replace, &hwpt, &old);
		mutex_unlock(sched_of(ictx->machine), &ioas->mutex);
		break;
	}
	default:
		error = refuse(ictx->machine, EINVAL, "iommufd 4.6",
			       "pt_id is neither an IOAS nor a HWPT");
	}
	if (error == 0) {
		assert(hwpt != NULL);
		*pt_id = hwpt->object.id;
	}
	iommufd_put_object(ictx, pt);
	if (old != NULL)
		iommufd_hwpt_put(ictx, old);
	return error;
}

int iommufd_device_attach(struct iommufd_device *idev, uint32_t pasid, uint32_t *pt_id)
{
	int error = change(idev, pasid, pt_id, false);
	if (error == 0)
		idev->object.users++;
	return error;
}

int iommufd_device_replace(struct iommufd_device *idev, uint32_t pasid, uint32_t *pt_id)
{
	return change(idev, pasid, pt_id, true);
}

void iommufd_device_detach(struct iommufd_device *idev, uint32_t pasid)
{
	struct scheduler *sched = sched_of(idev->ictx->machine);
	mutex_lock(sched, &idev->igroup->lock, "igroup lock");
	struct iommufd_hwpt *hwpt = detach_locked(idev, pasid);
	mutex_unlock(sched, &idev->igroup->lock);
	if (hwpt == NULL)
		return;
	iommufd_hwpt_put(idev->ictx, hwpt);
	idev->object.users--;
}

/* PASIDs too, in no order that anybody could see. */
void iommufd_device_detach_all(struct iommufd_device *idev)
{
	struct iommufd_attach *attach, *next;
	for (attach = LIST_FIRST(&idev->igroup->attaches); attach != NULL; attach = next) {
		next = LIST_NEXT(attach, link);
		if (find_device(attach, idev) != NULL)
			iommufd_device_detach(idev, attach->pasid);
	}
}

/* --- bind (4.5) --- */

int iommufd_device_bind(struct iommufd_ctx *ictx, struct device *device,
			struct iommufd_device **bound)
{
	int error;
	struct iommufd_device *idev = (struct iommufd_device *)iommufd_object_alloc(
		ictx, sizeof(*idev), IOMMUFD_OBJ_DEVICE, &error);
	if (idev == NULL)
		return error;
	if (!device->driver->capable(device, IOMMU_CAP_CACHE_COHERENCY))
		error = refuse(ictx->machine, EINVAL, "iommufd 4.5",
			       "the device's DMA is not cache coherent");
	else if (no_memory(ictx->machine, "device group"))
		error = -ENOMEM;
	else if (owned_elsewhere(ictx, device->group))
		error = refuse(ictx->machine, EPERM, "iommufd 4.5",
			       "another context owns the group's DMA");
	else
		error = 0;
	if (error != 0) {
		iommufd_object_abort(ictx, &idev->object);
		return error;
	}
	idev->ictx = ictx;
	idev->device = device;
	idev->igroup = get_group(ictx, device->group);
	error = join_group(idev);
	if (error != 0) {
		put_group(idev->igroup);
		iommufd_object_abort(ictx, &idev->object);
		return error;
	}
	idev->object.users++; /* the binding driver's */
	iommufd_object_publish(ictx, &idev->object);
	*bound = idev;
	return 0;
}

void iommufd_device_unbind(struct iommufd_device *idev)
{
	idev->destroying = true;
	iommufd_object_destroy_wait(idev->ictx, &idev->object, false);
}

/* The device's vDEVICE holds a lookup reference; its id becomes a tombstone (1.6). */
void iommufd_device_pre_destroy(struct iommufd_object *object)
{
	struct iommufd_device *idev = (struct iommufd_device *)object;
	struct iommufd_vdevice *vdevice = idev->vdevice;
	/* One that is not (or no more) in the table lets go of the device by itself. */
	if (vdevice == NULL || idev->ictx->slots[vdevice->object.id].object != &vdevice->object)
		return;
	vdevice->object.users++;
	iommufd_object_destroy_wait(idev->ictx, &vdevice->object, true);
}

void iommufd_device_destroy(struct iommufd_object *object)
{
	struct iommufd_device *idev = (struct iommufd_device *)object;
	TAILQ_REMOVE(&idev->igroup->devices, idev, group_link);
	put_group(idev->igroup);
}

/* --- hardware information (4.3) --- */

static int put_hw_info(struct iommufd_ucmd *ucmd, const void *info, uint32_t length)
{
	const struct iommu_hw_info *cmd = ucmd->cmd;
	static const uint8_t zeros[256];
	uint32_t copied = cmd->data_len < length ? cmd->data_len : length;
	if (copied > 0 && copy_to_user(ucmd->thread, va_of(cmd->data_uptr), info, copied) != 0)
		return refuse(ucmd->machine, EFAULT, "iommufd 4.3 7", "the data can't be written");
	for (uint64_t at = copied; at < cmd->data_len;) {
		uint64_t n =
			cmd->data_len - at < sizeof(zeros) ? cmd->data_len - at : sizeof(zeros);
		if (copy_to_user(ucmd->thread, va_of(cmd->data_uptr + at), zeros, n) != 0)
			return refuse(ucmd->machine, EFAULT, "iommufd 4.3 7",
				      "the rest of the buffer can't be zeroed");
		at += n;
	}
	return 0;
}

static uint8_t log2_of(uint32_t value)
{
	return value <= 1 ? 0 : (uint8_t)(31 - __builtin_clz(value));
}

static int fill_hw_info(struct iommufd_ucmd *ucmd, struct device *device)
{
	struct iommu_hw_info *cmd = ucmd->cmd;
	uint8_t info[HW_INFO_MAX] = {0};
	uint32_t type = cmd->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE ? cmd->data_type : 0;
	uint32_t length = 0;
	if (device->driver->hw_info != NULL) {
		int error = device->driver->hw_info(device, &type, info, sizeof(info), &length);
		if (error != 0)
			return error;
	} else {
		type = 0;
	}
	int error = put_hw_info(ucmd, info, length);
	if (error != 0)
		return error;
	cmd->data_len = length;
	cmd->data_type = type;
	cmd->out_max_pasid_log2 = log2_of(device->max_pasids);
	cmd->out_capabilities = 0;
	if (device->driver->capable(device, IOMMU_CAP_DIRTY_TRACKING))
		cmd->out_capabilities |= IOMMU_HW_CAP_DIRTY_TRACKING;
	if (!device->driver->capable(device, IOMMU_CAP_ATS))
		cmd->out_capabilities |= IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
	return iommufd_respond(ucmd);
}

/* IOMMU_GET_HW_INFO (4.3) */
int iommufd_get_hw_info(struct iommufd_ucmd *ucmd)
{
	const struct iommu_hw_info *cmd = ucmd->cmd;
	struct machine *machine = ucmd->machine;
	if (cmd->flags & ~IOMMU_HW_INFO_FLAG_INPUT_TYPE)
		return refuse(machine, EOPNOTSUPP, "iommufd 4.3 1", "unknown flags");
	if (cmd->__reserved[0] != 0 || cmd->__reserved[1] != 0 || cmd->__reserved[2] != 0)
		return refuse(machine, EOPNOTSUPP, "iommufd 4.3 2", "a reserved byte is not zero");
	struct iommufd_device *idev = iommufd_get_device(ucmd->ictx, cmd->dev_id);
	if (idev == NULL)
		return refuse(machine, ENOENT, "iommufd 4.3 4", "no device has this id");
	int error = fill_hw_info(ucmd, idev->device);
	iommufd_put_object(ucmd->ictx, &idev->object);
	return error;
}
