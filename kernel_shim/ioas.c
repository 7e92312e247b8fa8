// SPDX-License-Identifier: Apache-2.0
/* The IOAS ioctls and IOMMU_OPTION (iommufd 2). */
#include <string.h>

#include "kernel_shim/iommufd.h"

#define MAP_FLAGS (IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)

struct iommufd_ioas *iommufd_get_ioas(struct iommufd_ctx *ictx, uint32_t id)
{
	struct iommufd_object *object = iommufd_get_object(ictx, id, IOMMUFD_OBJ_IOAS);
	return (struct iommufd_ioas *)object;
}

void iommufd_put_ioas(struct iommufd_ioas *ioas)
{
	iommufd_put_object(ioas->ictx, &ioas->object);
}

static int no_ioas(struct iommufd_ucmd *ucmd, const char *id)
{
	return refuse(ucmd->machine, ENOENT, id, "no IOAS has this id");
}

static int reserved_not_zero(struct iommufd_ucmd *ucmd, const char *id)
{
	return refuse(ucmd->machine, EOPNOTSUPP, id, "a reserved field is not zero");
}

void iommufd_ioas_destroy(struct iommufd_object *object)
{
	struct iommufd_ioas *ioas = (struct iommufd_ioas *)object;
	uint64_t unmapped;
	iopt_unmap_all(&ioas->iopt, &unmapped);
	iopt_fini(&ioas->iopt);
}

static struct iommufd_ioas *ioas_new(struct iommufd_ctx *ictx, int *error)
{
	struct iommufd_ioas *ioas = (struct iommufd_ioas *)iommufd_object_alloc(
		ictx, sizeof(*ioas), IOMMUFD_OBJ_IOAS, error);
	if (ioas == NULL)
		return NULL;
	ioas->ictx = ictx;
	iopt_init(&ioas->iopt, ictx->machine);
	mutex_init(&ioas->mutex);
	LIST_INIT(&ioas->hwpts);
	return ioas;
}

/* IOMMU_IOAS_ALLOC (2.1) */
int iommufd_ioas_alloc_ioctl(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_alloc *cmd = ucmd->cmd;
	int error;
	if (cmd->flags != 0)
		return refuse(ucmd->machine, EOPNOTSUPP, "iommufd 2.1", "unknown flags");
	struct iommufd_ioas *ioas = ioas_new(ucmd->ictx, &error);
	if (ioas == NULL)
		return error;
	cmd->out_ioas_id = ioas->object.id;
	/* CHANGE_PROCESS must see all IOASes or none (2.9). */
	mutex_lock(sched_of(ucmd->machine), &ucmd->ictx->ioas_creation_lock, "ioas_creation_lock");
	error = iommufd_respond(ucmd);
	if (error == 0)
		iommufd_object_publish(ucmd->ictx, &ioas->object);
	mutex_unlock(sched_of(ucmd->machine), &ucmd->ictx->ioas_creation_lock);
	if (error != 0)
		iommufd_object_abort_and_destroy(ucmd->ictx, &ioas->object);
	return error;
}

/* Writes the holes between reserved ranges while they fit, and counts them all. */
static int put_iova_ranges(struct iommufd_ucmd *ucmd, struct io_pagetable *iopt)
{
	struct iommu_ioas_iova_ranges *cmd = ucmd->cmd;
	uint32_t capacity = cmd->num_iovas;
	uint64_t first = 0;
	bool more = true;
	cmd->num_iovas = 0;
	while (more) {
		struct span *reserved = spans_from(&iopt->holes_not, first);
		struct iommu_iova_range range = {first, UINT64_MAX};
		if (reserved != NULL) {
			range.last = reserved->first - 1;
			more = reserved->last != UINT64_MAX;
			first = reserved->last + 1;
			if (reserved->first <= range.start)
				continue; /* no hole in front of it */
		} else {
			more = false;
		}
		struct va to = va_of(cmd->allowed_iovas + sizeof(range) * cmd->num_iovas);
		if (cmd->num_iovas < capacity &&
		    copy_to_user(ucmd->thread, to, &range, sizeof(range)) != 0)
			return refuse(ucmd->machine, EFAULT, "iommufd 2.2 3",
				      "the array can't be written");
		cmd->num_iovas++;
	}
	return 0;
}

/* IOMMU_IOAS_IOVA_RANGES (2.2) */
int iommufd_ioas_iova_ranges(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_iova_ranges *cmd = ucmd->cmd;
	struct scheduler *sched = sched_of(ucmd->machine);
	uint32_t capacity = cmd->num_iovas;
	if (cmd->__reserved != 0)
		return reserved_not_zero(ucmd, "iommufd 2.2 1");
	struct iommufd_ioas *ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (ioas == NULL)
		return no_ioas(ucmd, "iommufd 2.2 2");
	down_read(sched, &ioas->iopt.iova_rwsem, "iova_rwsem");
	cmd->out_iova_alignment = ioas->iopt.iova_alignment;
	int error = put_iova_ranges(ucmd, &ioas->iopt);
	if (error == 0)
		error = iommufd_respond(ucmd);
	if (error == 0 && cmd->num_iovas > capacity)
		error = refuse(ucmd->machine, EMSGSIZE, "iommufd 2.2 5",
			       "more ranges than the array holds");
	up_read(sched, &ioas->iopt.iova_rwsem);
	iommufd_put_ioas(ioas);
	return error;
}

static int get_allowed(struct iommufd_ucmd *ucmd, struct spans *allowed)
{
	const struct iommu_ioas_allow_iovas *cmd = ucmd->cmd;
	for (uint32_t i = 0; i < cmd->num_iovas; i++) {
		struct iommu_iova_range range;
		struct va from = va_of(cmd->allowed_iovas + sizeof(range) * i);
		if (copy_from_user(ucmd->thread, &range, from, sizeof(range)) != 0)
			return refuse(ucmd->machine, EFAULT, "iommufd 2.3 3",
				      "the array can't be read");
		if (range.start >= range.last)
			return refuse(ucmd->machine, EINVAL, "iommufd 2.3 3",
				      "a range must have start < last");
		struct span *clash = spans_from(allowed, range.start);
		if (clash != NULL && clash->first <= range.last)
			return refuse(ucmd->machine, EINVAL, "iommufd 2.3 3",
				      "ranges of one call intersect");
		if (no_memory(ucmd->machine, "allowed range"))
			return -ENOMEM;
		spans_set(allowed, range.start, range.last, 0, 0);
	}
	return 0;
}

/* IOMMU_IOAS_ALLOW_IOVAS (2.3) */
int iommufd_ioas_allow_iovas(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_allow_iovas *cmd = ucmd->cmd;
	if (cmd->__reserved != 0)
		return reserved_not_zero(ucmd, "iommufd 2.3 1");
	struct iommufd_ioas *ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (ioas == NULL)
		return no_ioas(ucmd, "iommufd 2.3 2");
	struct spans allowed;
	spans_init(&allowed, ucmd->machine->arena, false);
	int error = get_allowed(ucmd, &allowed);
	if (error == 0)
		error = iopt_set_allow_iova(&ioas->iopt, &allowed);
	spans_fini(&allowed);
	iommufd_put_ioas(ioas);
	return error;
}

static uint32_t prot_of(uint32_t map_flags)
{
	return (map_flags & IOMMU_IOAS_MAP_READABLE ? IOMMU_READ : 0) |
	       (map_flags & IOMMU_IOAS_MAP_WRITEABLE ? IOMMU_WRITE : 0);
}

static uint32_t iova_flags_of(uint32_t map_flags)
{
	return map_flags & IOMMU_IOAS_MAP_FIXED_IOVA ? 0 : IOPT_ALLOC_IOVA;
}

static int no_permission(struct iommufd_ucmd *ucmd, const char *id)
{
	return refuse(ucmd->machine, EINVAL, id, "neither READABLE nor WRITEABLE");
}

/* IOMMU_IOAS_MAP (2.4) */
int iommufd_ioas_map(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_map *cmd = ucmd->cmd;
	struct machine *machine = ucmd->machine;
	uint64_t iova = cmd->iova, end;
	int error;
	if ((cmd->flags & ~MAP_FLAGS) != 0 || cmd->__reserved != 0)
		return refuse(machine, EOPNOTSUPP, "iommufd 2.4 1", "unknown flags or reserved");
	if (cmd->iova == UINT64_MAX || cmd->length == UINT64_MAX)
		return refuse(machine, EOVERFLOW, "iommufd 2.4 2", "iova or length is U64_MAX");
	if (prot_of(cmd->flags) == 0)
		return no_permission(ucmd, "iommufd 2.4 3");
	struct iommufd_ioas *ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (ioas == NULL)
		return no_ioas(ucmd, "iommufd 2.4 4");
	struct iopt_pages *pages = NULL;
	if (add_overflows(cmd->user_va, cmd->length, &end))
		error = refuse(machine, EOVERFLOW, "iommufd 2.4 5", "user_va + length overflows");
	else
		pages = iopt_alloc_user_pages(ucmd->ictx, ucmd->thread, cmd->user_va, cmd->length,
					      cmd->flags & IOMMU_IOAS_MAP_WRITEABLE, &error);
	if (pages != NULL) {
		struct map_list list = {.address = cmd->user_va, .length = cmd->length};
		map_list_add(machine, &list, pages, page_offset(cmd->user_va), cmd->length);
		error = iopt_map_pages(&ioas->iopt, &list, &iova, prot_of(cmd->flags),
				       iova_flags_of(cmd->flags));
		iopt_free_pages_list(machine, &list);
	}
	if (error == 0) {
		cmd->iova = iova;
		error = iommufd_respond(ucmd);
	}
	iommufd_put_ioas(ioas);
	return error;
}

static struct iopt_pages *file_pages(struct iommufd_ucmd *ucmd, int *error)
{
	const struct iommu_ioas_map_file *cmd = ucmd->cmd;
	struct file *file = fd_file(ucmd->thread->process, cmd->fd);
	bool writable = cmd->flags & IOMMU_IOAS_MAP_WRITEABLE;
	if (file != NULL && file->ops == &dmabuf_file_ops)
		return iopt_alloc_dmabuf_pages(ucmd->ictx, ucmd->thread, file, cmd->start,
					       cmd->length, writable, error);
	if (file == NULL) {
		*error = refuse(ucmd->machine, EBADF, "iommufd 2.6 7", "fd is not open");
		return NULL;
	}
	return iopt_alloc_file_pages(ucmd->ictx, ucmd->thread, file, cmd->start, cmd->length,
				     writable, error);
}

/* IOMMU_IOAS_MAP_FILE (2.6) */
int iommufd_ioas_map_file(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_map_file *cmd = ucmd->cmd;
	struct machine *machine = ucmd->machine;
	uint64_t iova = cmd->iova, last;
	int error;
	if ((cmd->flags & ~MAP_FLAGS) != 0)
		return refuse(machine, EOPNOTSUPP, "iommufd 2.6 1", "unknown flags");
	if (cmd->iova == UINT64_MAX || cmd->length == UINT64_MAX)
		return refuse(machine, EOVERFLOW, "iommufd 2.6 2", "iova or length is U64_MAX");
	if (prot_of(cmd->flags) == 0)
		return no_permission(ucmd, "iommufd 2.6 3");
	struct iommufd_ioas *ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (ioas == NULL)
		return no_ioas(ucmd, "iommufd 2.6 4");
	struct iopt_pages *pages = NULL;
	if (cmd->length == 0)
		error = refuse(machine, EINVAL, "iommufd 2.6 5", "length is 0");
	else if (add_overflows(cmd->start, cmd->length - 1, &last))
		error = refuse(machine, EOVERFLOW, "iommufd 2.6 6", "start + length overflows");
	else
		pages = file_pages(ucmd, &error);
	if (pages != NULL) {
		struct map_list list = {.address = cmd->start, .length = cmd->length};
		map_list_add(machine, &list, pages, page_offset(cmd->start), cmd->length);
		error = iopt_map_pages(&ioas->iopt, &list, &iova, prot_of(cmd->flags),
				       iova_flags_of(cmd->flags));
		iopt_free_pages_list(machine, &list);
	}
	if (error == 0) {
		cmd->iova = iova;
		error = iommufd_respond(ucmd);
	}
	iommufd_put_ioas(ioas);
	return error;
}

static int copy_source(struct iommufd_ucmd *ucmd, struct map_list *list)
{
	const struct iommu_ioas_copy *cmd = ucmd->cmd;
	uint64_t last;
	struct iommufd_ioas *source = iommufd_get_ioas(ucmd->ictx, cmd->src_ioas_id);
	if (source == NULL)
		return no_ioas(ucmd, "iommufd 2.7 4");
	int error;
	if (cmd->length == 0)
		error = refuse(ucmd->machine, EINVAL, "iommufd 2.7 5", "length is 0");
	else if (add_overflows(cmd->src_iova, cmd->length - 1, &last))
		error = refuse(ucmd->machine, EOVERFLOW, "iommufd 2.7 6",
			       "src_iova + length overflows");
	else
		error = iopt_get_pages(&source->iopt, cmd->src_iova, cmd->length, list);
	iommufd_put_ioas(source);
	return error;
}

/* IOMMU_IOAS_COPY (2.7) */
int iommufd_ioas_copy(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_copy *cmd = ucmd->cmd;
	struct machine *machine = ucmd->machine;
	iommufd_test_syz_conv_iova(ucmd->ictx, cmd->src_ioas_id, &cmd->src_iova, &cmd->flags);
	uint64_t iova = cmd->dst_iova;
	if ((cmd->flags & ~MAP_FLAGS) != 0)
		return refuse(machine, EOPNOTSUPP, "iommufd 2.7 1", "unknown flags");
	if (cmd->length == UINT64_MAX || cmd->src_iova == UINT64_MAX || cmd->dst_iova == UINT64_MAX)
		return refuse(machine, EOVERFLOW, "iommufd 2.7 2", "an iova or length is U64_MAX");
	if (prot_of(cmd->flags) == 0)
		return no_permission(ucmd, "iommufd 2.7 3");
	struct map_list list = {.length = cmd->length};
	int error = copy_source(ucmd, &list);
	if (error != 0)
		return error;
	struct iommufd_ioas *target = iommufd_get_ioas(ucmd->ictx, cmd->dst_ioas_id);
	if (target == NULL) {
		error = no_ioas(ucmd, "iommufd 2.7 8");
	} else {
		error = iopt_map_pages(&target->iopt, &list, &iova, prot_of(cmd->flags),
				       iova_flags_of(cmd->flags));
		if (error == 0) {
			cmd->dst_iova = iova;
			error = iommufd_respond(ucmd);
		}
		iommufd_put_ioas(target);
	}
	iopt_free_pages_list(machine, &list);
	return error;
}

static int unmap(struct iommufd_ucmd *ucmd, struct io_pagetable *iopt, uint64_t *unmapped)
{
	const struct iommu_ioas_unmap *cmd = ucmd->cmd;
	if (cmd->iova == 0 && cmd->length == UINT64_MAX)
		return iopt_unmap_all(iopt, unmapped);
	if (cmd->iova == UINT64_MAX || cmd->length == UINT64_MAX)
		return refuse(ucmd->machine, EOVERFLOW, "iommufd 2.8 3",
			      "iova or length is U64_MAX");
	int error = iopt_unmap_iova(iopt, cmd->iova, cmd->length, unmapped);
	if (error == 0 && *unmapped == 0)
		return refuse(ucmd->machine, ENOENT, "iommufd 2.8 5", "no area in the range");
	return error;
}

/* IOMMU_IOAS_UNMAP (2.8) */
int iommufd_ioas_unmap(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_unmap *cmd = ucmd->cmd;
	struct iommufd_ioas *ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (ioas == NULL)
		return no_ioas(ucmd, "iommufd 2.8 1");
	uint64_t unmapped = 0;
	int error = unmap(ucmd, &ioas->iopt, &unmapped);
	if (error == 0) {
		cmd->length = unmapped;
		error = iommufd_respond(ucmd);
	}
	iommufd_put_ioas(ioas);
	return error;
}

/* --- CHANGE_PROCESS (2.9) --- */

typedef int area_fn(struct iommufd_ucmd *ucmd, struct iopt_area *area);

static int for_each_area(struct iommufd_ucmd *ucmd, area_fn *fn)
{
	struct iommufd_ctx *ictx = ucmd->ictx;
	for (uint32_t id = 0; id < ictx->slot_count; id++) {
		struct iommufd_object *object = ictx->slots[id].object;
		if (ictx->slots[id].state != SLOT_OBJECT || object->type != IOMMUFD_OBJ_IOAS)
			continue;
		struct io_pagetable *iopt = &((struct iommufd_ioas *)object)->iopt;
		struct iopt_area *area = iopt_area_from(iopt, 0);
		for (; area != NULL; area = iopt_area_next(area)) {
			int error = fn(ucmd, area);
			if (error != 0)
				return error;
		}
	}
	return 0;
}

static int check_movable(struct iommufd_ucmd *ucmd, struct iopt_area *area)
{
	if (area->busy)
		return refuse(ucmd->machine, EBUSY, "iommufd 2.9 3", "an area is being made");
	if (area->pages->source != IOPT_PAGES_FILE)
		return refuse(ucmd->machine, EINVAL, "iommufd 2.9 3",
			      "an area is not a file mapping");
	return 0;
}

static int charge_caller(struct iommufd_ucmd *ucmd, struct iopt_area *area)
{
	return iopt_pages_charge_new_owner(area->pages, ucmd->thread);
}

static int cancel_charge(struct iommufd_ucmd *ucmd, struct iopt_area *area)
{
	if (!area->busy)
		iopt_pages_cancel_charge(area->pages, ucmd->thread);
	return 0;
}

static int move_to_caller(struct iommufd_ucmd *ucmd, struct iopt_area *area)
{
	iopt_pages_change_owner(area->pages, ucmd->thread);
	return 0;
}

static void lock_all(struct iommufd_ucmd *ucmd, bool lock)
{
	struct iommufd_ctx *ictx = ucmd->ictx;
	struct scheduler *sched = sched_of(ucmd->machine);
	for (uint32_t id = 0; id < ictx->slot_count; id++) {
		struct iommufd_object *object = ictx->slots[id].object;
		if (ictx->slots[id].state != SLOT_OBJECT || object->type != IOMMUFD_OBJ_IOAS)
			continue;
		struct io_pagetable *iopt = &((struct iommufd_ioas *)object)->iopt;
		if (lock) {
			object->users++; /* a sleeping lock must not lose its IOAS */
			down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
		} else if (iopt->iova_rwsem.writer) {
			up_write(sched, &iopt->iova_rwsem);
			object->users--;
		}
	}
}

/* IOMMU_IOAS_CHANGE_PROCESS (2.9) */
int iommufd_ioas_change_process(struct iommufd_ucmd *ucmd)
{
	const struct iommu_ioas_change_process *cmd = ucmd->cmd;
	struct scheduler *sched = sched_of(ucmd->machine);
	if (cmd->__reserved != 0)
		return reserved_not_zero(ucmd, "iommufd 2.9 1");
	if (no_memory(ucmd->machine, "list of IOASes"))
		return -ENOMEM;
	mutex_lock(sched, &ucmd->ictx->ioas_creation_lock, "ioas_creation_lock");
	lock_all(ucmd, true);
	int error = for_each_area(ucmd, check_movable);
	if (error == 0)
		error = for_each_area(ucmd, charge_caller);
	for_each_area(ucmd, error == 0 ? move_to_caller : cancel_charge);
	lock_all(ucmd, false);
	mutex_unlock(sched, &ucmd->ictx->ioas_creation_lock);
	return error;
}

/* --- OPTION (2.10) --- */

static int option_rlimit_mode(struct iommufd_ucmd *ucmd, struct iommu_option *cmd)
{
	struct machine *machine = ucmd->machine;
	if (cmd->object_id != 0)
		return refuse(machine, EOPNOTSUPP, "iommufd 2.10 RLIMIT_MODE",
			      "the option has no object");
	if (cmd->op == IOMMU_OPTION_OP_GET) {
		cmd->val64 = ucmd->ictx->account_mm;
		return 0;
	}
	if (cmd->op != IOMMU_OPTION_OP_SET)
		return refuse(machine, EOPNOTSUPP, "iommufd 2.10 RLIMIT_MODE", "unknown op");
	if (!ucmd->thread->process->credentials.cap_sys_resource)
		return refuse(machine, EPERM, "iommufd 2.10 RLIMIT_MODE",
			      "CAP_SYS_RESOURCE is missing");
	if (ucmd->ictx->objects > 0)
		return refuse(machine, EBUSY, "iommufd 2.10 RLIMIT_MODE",
			      "the context has objects already");
	if (cmd->val64 > 1)
		return refuse(machine, EINVAL, "iommufd 2.10 RLIMIT_MODE", "val64 is not 0 or 1");
	ucmd->ictx->account_mm = cmd->val64 == 1;
	return 0;
}

static int option_huge_pages(struct iommufd_ucmd *ucmd, struct iommu_option *cmd)
{
	struct iommufd_ioas *ioas = iommufd_get_ioas(ucmd->ictx, cmd->object_id);
	if (ioas == NULL)
		return no_ioas(ucmd, "iommufd 2.10 HUGE_PAGES");
	int error = 0;
	if (cmd->op == IOMMU_OPTION_OP_GET)
		cmd->val64 = !ioas->iopt.disable_large_pages;
	else if (cmd->op != IOMMU_OPTION_OP_SET)
		error = refuse(ucmd->machine, EOPNOTSUPP, "iommufd 2.10 HUGE_PAGES", "unknown op");
	else if (cmd->val64 == 0)
		error = iopt_disable_large_pages(&ioas->iopt);
	else if (cmd->val64 == 1)
		error = iopt_enable_large_pages(&ioas->iopt);
	else
		error = refuse(ucmd->machine, EINVAL, "iommufd 2.10 HUGE_PAGES",
			       "val64 is not 0 or 1");
	iommufd_put_ioas(ioas);
	return error;
}

/* IOMMU_OPTION (2.10) */
int iommufd_option(struct iommufd_ucmd *ucmd)
{
	struct iommu_option *cmd = ucmd->cmd;
	int error;
	if (cmd->__reserved != 0)
		return reserved_not_zero(ucmd, "iommufd 2.10");
	switch (cmd->option_id) {
	case IOMMU_OPTION_RLIMIT_MODE:
		error = option_rlimit_mode(ucmd, cmd);
		break;
	case IOMMU_OPTION_HUGE_PAGES:
		error = option_huge_pages(ucmd, cmd);
		break;
	default:
		return refuse(ucmd->machine, EOPNOTSUPP, "iommufd 2.10", "unknown option_id");
	}
	if (error != 0)
		return error;
	struct va to = va_of(ucmd->user.value + offsetof(struct iommu_option, val64));
	if (copy_to_user(ucmd->thread, to, &cmd->val64, sizeof(cmd->val64)) != 0)
		return refuse(ucmd->machine, EFAULT, "iommufd 2.10", "val64 can't be written back");
	return 0;
}

/* IOMMU_IOAS_NOIOMMU_GET_PA (2.13): the modelled kernel is built without no-IOMMU support. */
int iommufd_ioas_noiommu_get_pa(struct iommufd_ucmd *ucmd)
{
	return refuse(ucmd->machine, EOPNOTSUPP, "iommufd 2.13",
		      "the kernel has no VFIO_NOIOMMU support");
}
