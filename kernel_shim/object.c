// SPDX-License-Identifier: Apache-2.0
/* Objects: ids, lookup, lifetimes, destroy, close (iommufd 1.4 .. 1.7, app. B). */
#include <assert.h>
#include <string.h>

#include "kernel_shim/iommufd.h"

typedef void destroy_fn(struct iommufd_object *object);

struct object_ops {
	destroy_fn *destroy;
	destroy_fn *pre_destroy; /* lets go of what a lookup reference is held for */
};

static const struct object_ops object_ops[IOMMUFD_OBJ_TYPES] = {
	[IOMMUFD_OBJ_DEVICE] = {iommufd_device_destroy, iommufd_device_pre_destroy},
	[IOMMUFD_OBJ_HWPT_PAGING] = {iommufd_hwpt_paging_destroy, NULL},
	[IOMMUFD_OBJ_HWPT_NESTED] = {iommufd_hwpt_nested_destroy, NULL},
	[IOMMUFD_OBJ_IOAS] = {iommufd_ioas_destroy, NULL},
	[IOMMUFD_OBJ_ACCESS] = {iommufd_access_destroy_object, NULL},
	[IOMMUFD_OBJ_FAULT] = {iommufd_fault_destroy, NULL},
	[IOMMUFD_OBJ_VIOMMU] = {iommufd_viommu_destroy, NULL},
	[IOMMUFD_OBJ_VDEVICE] = {iommufd_vdevice_destroy, NULL},
	[IOMMUFD_OBJ_VEVENTQ] = {iommufd_veventq_destroy, NULL},
	[IOMMUFD_OBJ_HW_QUEUE] = {iommufd_hw_queue_destroy, NULL},
	[IOMMUFD_OBJ_SELFTEST] = {iommufd_selftest_destroy, NULL},
};

static uint32_t reserve_id(struct iommufd_ctx *ictx)
{
	uint32_t id = ictx->lowest_free;
	while (id < ictx->slot_count && ictx->slots[id].state != SLOT_FREE)
		id++;
	if (id >= ictx->slot_capacity) {
		uint32_t capacity = ictx->slot_capacity == 0 ? 16 : ictx->slot_capacity * 2;
		ictx->slots = arena_grow(ictx->machine->arena, ictx->slots,
					 ictx->slot_capacity * sizeof(*ictx->slots),
					 capacity * sizeof(*ictx->slots));
		ictx->slot_capacity = capacity;
	}
	if (id >= ictx->slot_count)
		ictx->slot_count = id + 1;
	ictx->slots[id].state = SLOT_PLACEHOLDER;
	ictx->lowest_free = id + 1;
	ictx->objects++;
	return id;
}

static void free_id(struct iommufd_ctx *ictx, uint32_t id)
{
	ictx->slots[id] = (struct object_slot){SLOT_FREE, NULL};
	if (id < ictx->lowest_free)
		ictx->lowest_free = id;
	ictx->objects--;
}

static void free_object(struct iommufd_ctx *ictx, struct iommufd_object *object)
{
	arena_free(ictx->machine->arena, object, object->size);
}

bool no_memory(struct machine *machine, const char *what)
{
	if (!fails_here(machine, what))
		return false;
	refuse(machine, ENOMEM, "iommufd app. E", what);
	return true;
}

struct iommufd_object *iommufd_object_alloc(struct iommufd_ctx *ictx, uint32_t size,
					    enum iommufd_object_type type, int *error)
{
	if (no_memory(ictx->machine, "object")) {
		*error = -ENOMEM;
		return NULL;
	}
	if (no_memory(ictx->machine, "object id")) {
		*error = -ENOMEM;
		return NULL;
	}
	struct iommufd_object *object = arena_alloc(ictx->machine->arena, size);
	object->type = type;
	object->users = 1;
	object->wait_count = 1;
	object->size = size;
	object->id = reserve_id(ictx);
	return object;
}

void iommufd_object_publish(struct iommufd_ctx *ictx, struct iommufd_object *object)
{
	assert(ictx->slots[object->id].state == SLOT_PLACEHOLDER);
	ictx->slots[object->id] = (struct object_slot){SLOT_OBJECT, object};
}

void iommufd_object_abort(struct iommufd_ctx *ictx, struct iommufd_object *object)
{
	assert(ictx->slots[object->id].state == SLOT_PLACEHOLDER);
	free_id(ictx, object->id);
	free_object(ictx, object);
}

void iommufd_object_abort_and_destroy(struct iommufd_ctx *ictx, struct iommufd_object *object)
{
	object_ops[object->type].destroy(object);
	iommufd_object_abort(ictx, object);
}

static struct iommufd_object *object_at(struct iommufd_ctx *ictx, uint32_t id)
{
	if (id >= ictx->slot_count || ictx->slots[id].state != SLOT_OBJECT)
		return NULL;
	return ictx->slots[id].object;
}

struct iommufd_object *iommufd_get_object(struct iommufd_ctx *ictx, uint32_t id,
					  enum iommufd_object_type type)
{
	if (fails_here(ictx->machine, "object lookup"))
		return NULL;
	struct iommufd_object *object = object_at(ictx, id);
	if (object == NULL || (type != IOMMUFD_OBJ_ANY && object->type != type) ||
	    object->users == 0 || object->wait_count == 0)
		return NULL;
	object->users++;
	object->wait_count++;
	return object;
}

void iommufd_put_object(struct iommufd_ctx *ictx, struct iommufd_object *object)
{
	/* users first: a destroy that waits for wait_count then finds users at rest. */
	object->users--;
	if (--object->wait_count == 0)
		wait_queue_wake_all(sched_of(ictx->machine), &ictx->destroy_wait);
}

static void wait_for_lookups(struct iommufd_ctx *ictx, struct iommufd_object *object)
{
	object->wait_count--;
	while (object->wait_count > 0)
		wait_queue_sleep(sched_of(ictx->machine), &ictx->destroy_wait, "destroy_wait");
}

static void unpublish(struct iommufd_ctx *ictx, struct iommufd_object *object, bool tombstone)
{
	if (tombstone)
		ictx->slots[object->id] = (struct object_slot){SLOT_TOMBSTONE, NULL};
	else
		free_id(ictx, object->id);
	if (ictx->vfio_ioas != NULL && &ictx->vfio_ioas->object == object)
		ictx->vfio_ioas = NULL;
}

void iommufd_object_remove(struct iommufd_ctx *ictx, struct iommufd_object *object)
{
	unpublish(ictx, object, false);
	object_ops[object->type].destroy(object);
	free_object(ictx, object);
}

int iommufd_object_destroy_user(struct iommufd_ctx *ictx, uint32_t id)
{
	struct iommufd_object *object = object_at(ictx, id);
	if (object == NULL)
		return refuse(ictx->machine, ENOENT, "iommufd 1.6 1", "no object has this id");
	if (object->users != 1)
		return refuse(ictx->machine, EBUSY, "iommufd 1.6 2", "the object is in use");
	object->users = 0;
	unpublish(ictx, object, false);
	task_preempt(sched_of(ictx->machine), 0, "object removed");
	wait_for_lookups(ictx, object);
	object_ops[object->type].destroy(object);
	free_object(ictx, object);
	return 0;
}

void iommufd_object_destroy_wait(struct iommufd_ctx *ictx, struct iommufd_object *object,
				 bool tombstone)
{
	object->wait_count--;
	if (object->wait_count > 0 && object_ops[object->type].pre_destroy != NULL)
		object_ops[object->type].pre_destroy(object);
	while (object->wait_count > 0)
		wait_queue_sleep(sched_of(ictx->machine), &ictx->destroy_wait, "destroy_wait");
	object->users--; /* the caller's own */
	assert(object->users == 1);
	unpublish(ictx, object, tombstone);
	object_ops[object->type].destroy(object);
	free_object(ictx, object);
}

int iommufd_cmd_destroy(struct iommufd_ucmd *ucmd)
{
	const struct iommu_destroy *cmd = ucmd->cmd;
	return iommufd_object_destroy_user(ucmd->ictx, cmd->id);
}

/* Leaves first: passes in id order over what nothing else uses (1.7). */
void iommufd_objects_release(struct iommufd_ctx *ictx)
{
	for (bool found = true; found;) {
		bool destroyed = false;
		found = false;
		for (uint32_t id = 0; id < ictx->slot_count; id++) {
			struct iommufd_object *object = object_at(ictx, id);
			if (object == NULL)
				continue;
			found = true;
			if (object->users != 1)
				continue;
			destroyed = true;
			iommufd_object_remove(ictx, object);
		}
		assert(!found || destroyed);
	}
}
