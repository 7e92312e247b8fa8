// SPDX-License-Identifier: Apache-2.0
/* Fault queues and vIOMMU event queues (iommufd 5.6, 5.7). */
#include <assert.h>
#include <string.h>

#include "emu/bits.h"
#include "kernel_shim/iommufd.h"

#define VEVENTQ_DEPTH_MAX    (1U << 19)
#define VEVENT_SEQUENCE_MASK 0x7fffffffU

static void wake_pollers(struct machine *machine)
{
	machine->poll_events++;
	wait_queue_wake_all(sched_of(machine), &machine->poll_waiters);
}

/* A new anonymous file for OBJECT at the lowest descriptor; it keeps object and context. */
static int make_file(struct iommufd_ucmd *ucmd, const struct file_ops *ops,
		     struct iommufd_object *object, struct file **file)
{
	if (no_memory(ucmd->machine, "file"))
		return -ENOMEM;
	int fd = fd_reserve(ucmd->thread->process);
	if (fd < 0)
		return refuse(ucmd->machine, EMFILE, "iommufd 5.6 5", "no descriptor is free");
	*file = file_new(ucmd->machine, ops, object, O_RDWR_BIT | O_CLOEXEC_BIT);
	object->users++;
	file_get(ucmd->ictx->file);
	return fd;
}

/* The file of a queue whose answer could not be written; its object is still there. */
static void drop_file(struct iommufd_ucmd *ucmd, int fd, struct file *file)
{
	struct rule rule = ucmd->machine->rule;
	fd_release(ucmd->thread->process, fd);
	file_put(file);
	task_preempt(sched_of(ucmd->machine), 0, "queue file released");
	ucmd->machine->rule = rule;
}

/* --- fault queues (5.7) --- */

struct iommufd_fault *iommufd_get_fault(struct iommufd_ctx *ictx, uint32_t id)
{
	return (struct iommufd_fault *)iommufd_get_object(ictx, id, IOMMUFD_OBJ_FAULT);
}

static void free_groups(struct iommufd_fault *fault, struct iopf_groups *groups)
{
	struct iopf_group *group;
	while ((group = TAILQ_FIRST(groups)) != NULL) {
		TAILQ_REMOVE(groups, group, link);
		arena_delete(fault->ictx->machine->arena, group); /* answered INVALID */
	}
}

void iommufd_fault_destroy(struct iommufd_object *object)
{
	struct iommufd_fault *fault = (struct iommufd_fault *)object;
	free_groups(fault, &fault->queued);
	free_groups(fault, &fault->delivered);
}

static uint32_t lowest_cookie(struct iommufd_fault *fault)
{
	for (uint32_t cookie = 1;; cookie++) {
		struct iopf_group *group;
		TAILQ_FOREACH (group, &fault->delivered, link)
			if (group->cookie == cookie)
				break;
		if (group == NULL)
			return cookie;
	}
}

static int copy_group(struct thread *thread, const struct iopf_group *group, struct va to)
{
	for (uint32_t i = 0; i < group->count; i++) {
		const struct iopf_fault *fault = &group->faults[i];
		struct iommu_hwpt_pgfault record = {
			.flags = fault->flags,
			.dev_id = group->idev->object.id,
			.pasid = fault->pasid,
			.grpid = fault->grpid,
			.perm = fault->perm,
			.addr = fault->addr,
			.cookie = group->cookie,
		};
		struct va at = va_of(to.value + i * sizeof(record));
		if (copy_to_user(thread, at, &record, sizeof(record)) != 0)
			return -EFAULT;
	}
	return 0;
}

static int64_t fault_read(struct thread *thread, struct file *file, struct va buffer,
			  uint64_t count)
{
	struct iommufd_fault *fault = file->priv;
	struct machine *machine = file->machine;
	struct scheduler *sched = sched_of(machine);
	struct iopf_group *group;
	uint64_t done = 0;
	int error = 0;
	if (count % sizeof(struct iommu_hwpt_pgfault) != 0)
		return refuse(machine, ESPIPE, "iommufd 5.7 read 1",
			      "count is no multiple of the record");
	mutex_lock(sched, &fault->mutex, "fault mutex");
	while ((group = TAILQ_FIRST(&fault->queued)) != NULL) {
		uint64_t size = group->count * sizeof(struct iommu_hwpt_pgfault);
		if (size > count - done) {
			error = refuse(machine, EINVAL, "iommufd 5.7 read 2",
				       "the group does not fit the buffer");
			break;
		}
		group->cookie = lowest_cookie(fault);
		if (copy_group(thread, group, va_of(buffer.value + done)) != 0) {
			group->cookie = 0;
			error = refuse(machine, EFAULT, "iommufd 5.7 read 2",
				       "the buffer can't be written");
			break;
		}
		TAILQ_REMOVE(&fault->queued, group, link);
		TAILQ_INSERT_TAIL(&fault->delivered, group, link);
		done += size;
	}
	mutex_unlock(sched, &fault->mutex);
	return done > 0 ? (int64_t)done : error;
}

static int answer(struct iommufd_fault *fault, const struct iommu_hwpt_page_response *response)
{
	struct machine *machine = fault->ictx->machine;
	struct iopf_group *group;
	if (response->code > 1)
		return refuse(machine, EINVAL, "iommufd 5.7 write 2", "code is not 0 or 1");
	TAILQ_FOREACH (group, &fault->delivered, link)
		if (group->cookie == response->cookie)
			break;
	if (group == NULL)
		return refuse(machine, EINVAL, "iommufd 5.7 write 2", "no group has this cookie");
	TAILQ_REMOVE(&fault->delivered, group, link);
	arena_delete(machine->arena, group);
	return 0;
}

static int64_t fault_write(struct thread *thread, struct file *file, struct va buffer,
			   uint64_t count)
{
	struct iommufd_fault *fault = file->priv;
	struct scheduler *sched = sched_of(file->machine);
	struct iommu_hwpt_page_response response;
	uint64_t done = 0;
	int error = 0;
	if (count % sizeof(response) != 0)
		return refuse(file->machine, ESPIPE, "iommufd 5.7 write 1",
			      "count is no multiple of the record");
	mutex_lock(sched, &fault->mutex, "fault mutex");
	while (error == 0 && done < count) {
		struct va at = va_of(buffer.value + done);
		if (copy_from_user(thread, &response, at, sizeof(response)) != 0)
			error = refuse(file->machine, EFAULT, "iommufd 5.7 write 2",
				       "the buffer can't be read");
		else
			error = answer(fault, &response);
		if (error == 0)
			done += sizeof(response);
	}
	mutex_unlock(sched, &fault->mutex);
	return done > 0 ? (int64_t)done : error;
}

static uint32_t fault_poll(struct file *file)
{
	struct iommufd_fault *fault = file->priv;
	uint32_t ready = POLLOUT_BIT;
	if (!TAILQ_EMPTY(&fault->queued))
		ready |= POLLIN_BIT | POLLRDNORM_BIT;
	return ready;
}

static void fault_release(struct file *file)
{
	struct iommufd_fault *fault = file->priv;
	struct file *context = fault->ictx->file;
	fault->object.users--;
	file_put(context);
}

static const struct file_ops fault_fops = {
	.name = "[iommufd-pgfault]",
	.release = fault_release,
	.read = fault_read,
	.write = fault_write,
	.poll = fault_poll,
};

/* IOMMU_FAULT_QUEUE_ALLOC (5.7) */
int iommufd_fault_alloc(struct iommufd_ucmd *ucmd)
{
	struct iommu_fault_alloc *cmd = ucmd->cmd;
	struct file *file;
	int error;
	if (cmd->flags != 0)
		return refuse(ucmd->machine, EOPNOTSUPP, "iommufd 5.7 1", "unknown flags");
	struct iommufd_fault *fault = (struct iommufd_fault *)iommufd_object_alloc(
		ucmd->ictx, sizeof(*fault), IOMMUFD_OBJ_FAULT, &error);
	if (fault == NULL)
		return error;
	ucmd->new_object = &fault->object;
	fault->ictx = ucmd->ictx;
	TAILQ_INIT(&fault->queued);
	TAILQ_INIT(&fault->delivered);
	mutex_init(&fault->mutex);
	int fd = make_file(ucmd, &fault_fops, &fault->object, &file);
	if (fd < 0)
		return fd;
	cmd->out_fault_id = fault->object.id;
	cmd->out_fault_fd = (uint32_t)fd;
	error = iommufd_respond(ucmd);
	if (error != 0) {
		drop_file(ucmd, fd, file);
		return error;
	}
	fd_install_at(ucmd->thread->process, fd, file);
	return 0;
}

/* The attachment that takes a fault (5.7, delivery). */
static struct iommufd_hwpt *route(struct iommufd_device *idev, const struct iopf_fault *last,
				  uint32_t *pasid)
{
	struct iommufd_hwpt *hwpt;
	*pasid = last->flags & IOMMU_PGFAULT_FLAGS_PASID_VALID ? last->pasid : 0;
	hwpt = iommufd_device_hwpt(idev, *pasid);
	if (hwpt == NULL && *pasid != 0 && idev->device->driver->user_pasid_table) {
		*pasid = 0;
		hwpt = iommufd_device_hwpt(idev, 0);
		if (hwpt != NULL && hwpt->domain->kind != IOMMU_DOMAIN_NESTED)
			hwpt = NULL;
	}
	return hwpt != NULL && hwpt->fault != NULL ? hwpt : NULL;
}

void iommufd_report_iopf(struct iommufd_device *idev, const struct iopf_fault *faults,
			 uint32_t count)
{
	struct machine *machine = idev->ictx->machine;
	uint32_t pasid;
	assert(count > 0 && count <= IOPF_GROUP_MAX);
	struct iommufd_hwpt *hwpt = route(idev, &faults[count - 1], &pasid);
	if (hwpt == NULL || fails_here(machine, "page fault group"))
		return; /* answered INVALID */
	struct iopf_group *group = arena_new(machine->arena, struct iopf_group);
	group->idev = idev;
	group->hwpt = hwpt;
	group->attach_pasid = pasid;
	group->count = count;
	memcpy(group->faults, faults, count * sizeof(*faults));
	TAILQ_INSERT_TAIL(&hwpt->fault->queued, group, link);
	wake_pollers(machine);
}

static void respond_from(struct iommufd_fault *fault, struct iopf_groups *groups,
			 const struct iommufd_hwpt *hwpt, const struct iommufd_device *idev,
			 uint32_t pasid)
{
	struct iopf_group *group = TAILQ_FIRST(groups);
	while (group != NULL) {
		struct iopf_group *next = TAILQ_NEXT(group, link);
		if (group->hwpt == hwpt && group->idev == idev && group->attach_pasid == pasid) {
			TAILQ_REMOVE(groups, group, link);
			arena_delete(fault->ictx->machine->arena, group);
		}
		group = next;
	}
}

void iommufd_auto_response_faults(struct iommufd_hwpt *hwpt, struct iommufd_device *idev,
				  uint32_t pasid)
{
	respond_from(hwpt->fault, &hwpt->fault->queued, hwpt, idev, pasid);
	respond_from(hwpt->fault, &hwpt->fault->delivered, hwpt, idev, pasid);
}

/* --- vIOMMU event queues (5.6) --- */

void iommufd_veventq_destroy(struct iommufd_object *object)
{
	struct iommufd_veventq *veventq = (struct iommufd_veventq *)object;
	struct vevent *event;
	while ((event = TAILQ_FIRST(&veventq->events)) != NULL) {
		TAILQ_REMOVE(&veventq->events, event, link);
		if (event != &veventq->lost)
			arena_delete(veventq->ictx->machine->arena, event);
	}
	LIST_REMOVE(veventq, link);
	veventq->viommu->object.users--;
}

static struct iommufd_veventq *find_veventq(struct iommufd_viommu *viommu, uint32_t type)
{
	struct iommufd_veventq *veventq;
	LIST_FOREACH (veventq, &viommu->veventqs, link)
		if (veventq->type == type)
			return veventq;
	return NULL;
}

/* The marker is always the tail, and there is at most one. */
static void put_lost_marker(struct iommufd_veventq *veventq)
{
	struct vevent *lost = &veventq->lost;
	lost->flags = IOMMU_VEVENTQ_FLAG_LOST_EVENTS;
	lost->sequence = veventq->sequence;
	if (veventq->lost_queued)
		return;
	TAILQ_INSERT_TAIL(&veventq->events, lost, link);
	veventq->lost_queued = true;
}

static void drop_lost_marker(struct iommufd_veventq *veventq)
{
	if (!veventq->lost_queued)
		return;
	TAILQ_REMOVE(&veventq->events, &veventq->lost, link);
	veventq->lost_queued = false;
}

int iommufd_viommu_report_event(struct iommufd_viommu *viommu, uint32_t type, const void *data,
				uint32_t length)
{
	struct machine *machine = viommu->ictx->machine;
	struct iommufd_veventq *veventq = find_veventq(viommu, type);
	bool full = veventq != NULL && veventq->stored >= veventq->depth;
	int error = 0;
	if (veventq == NULL)
		return refuse(machine, EOPNOTSUPP, "iommufd 5.6", "no event queue of this type");
	if (full) {
		put_lost_marker(veventq);
	} else if (no_memory(machine, "event")) {
		put_lost_marker(veventq);
		error = -ENOMEM;
	} else {
		struct vevent *event = arena_new(machine->arena, struct vevent);
		assert(length <= sizeof(event->data));
		event->sequence = veventq->sequence;
		event->data_length = length;
		memcpy(event->data, data, length);
		drop_lost_marker(veventq);
		TAILQ_INSERT_TAIL(&veventq->events, event, link);
		veventq->stored++;
	}
	machine_note(machine, &(struct note){.kind = NOTE_GUEST_EVENT,
					     .who = type,
					     .first = load_le(data, length < 8 ? length : 8),
					     .count = !full && error == 0});
	veventq->sequence = (veventq->sequence + 1) & VEVENT_SEQUENCE_MASK;
	wake_pollers(machine);
	return error;
}

/* Takes the head off the queue. */
static struct vevent *take_event(struct iommufd_veventq *veventq)
{
	struct vevent *event = TAILQ_FIRST(&veventq->events);
	if (event == NULL)
		return NULL;
	TAILQ_REMOVE(&veventq->events, event, link);
	if (event == &veventq->lost)
		veventq->lost_queued = false;
	return event;
}

/* A marker that could not be delivered comes back only to an empty queue (5.6 read 3). */
static void put_event_back(struct iommufd_veventq *veventq, struct vevent *event)
{
	if (event != &veventq->lost) {
		TAILQ_INSERT_HEAD(&veventq->events, event, link);
	} else if (TAILQ_EMPTY(&veventq->events)) {
		TAILQ_INSERT_HEAD(&veventq->events, event, link);
		veventq->lost_queued = true;
	}
}

static int copy_event(struct thread *thread, const struct vevent *event, struct va to)
{
	struct iommufd_vevent_header header = {event->flags, event->sequence};
	if (copy_to_user(thread, to, &header, sizeof(header)) != 0)
		return -EFAULT;
	if (event->data_length == 0)
		return 0;
	return copy_to_user(thread, va_of(to.value + sizeof(header)), event->data,
			    event->data_length);
}

static int64_t veventq_read(struct thread *thread, struct file *file, struct va buffer,
			    uint64_t count)
{
	struct iommufd_veventq *veventq = file->priv;
	struct machine *machine = file->machine;
	struct vevent *event;
	uint64_t done = 0;
	int error = 0;
	if (count < sizeof(struct iommufd_vevent_header))
		return refuse(machine, EINVAL, "iommufd 5.6 read 2",
			      "count is below a record's header");
	while ((event = take_event(veventq)) != NULL) {
		uint64_t left = count - done;
		uint64_t size = sizeof(struct iommufd_vevent_header) + event->data_length;
		if (size > left) {
			if (left >= sizeof(struct iommufd_vevent_header))
				error = refuse(machine, EINVAL, "iommufd 5.6 read 3",
					       "the record does not fit the buffer");
			put_event_back(veventq, event);
			break;
		}
		if (copy_event(thread, event, va_of(buffer.value + done)) != 0) {
			error = refuse(machine, EFAULT, "iommufd 5.6 read 3",
				       "the buffer can't be written");
			put_event_back(veventq, event);
			break;
		}
		done += size;
		if (event != &veventq->lost) {
			veventq->stored--;
			arena_delete(machine->arena, event);
		}
		task_preempt(sched_of(machine), 0, "event delivered");
	}
	return done > 0 ? (int64_t)done : error;
}

static uint32_t veventq_poll(struct file *file)
{
	struct iommufd_veventq *veventq = file->priv;
	return TAILQ_EMPTY(&veventq->events) ? 0 : POLLIN_BIT | POLLRDNORM_BIT;
}

static void veventq_release(struct file *file)
{
	struct iommufd_veventq *veventq = file->priv;
	struct file *context = veventq->ictx->file;
	veventq->object.users--;
	file_put(context);
}

static const struct file_ops veventq_fops = {
	.name = "[iommufd-viommu-event]",
	.release = veventq_release,
	.read = veventq_read,
	.poll = veventq_poll,
};

static int make_veventq(struct iommufd_ucmd *ucmd, struct iommufd_viommu *viommu)
{
	struct iommu_veventq_alloc *cmd = ucmd->cmd;
	struct file *file;
	int error;
	if (find_veventq(viommu, cmd->type) != NULL)
		return refuse(ucmd->machine, EEXIST, "iommufd 5.6 4",
			      "the vIOMMU has an event queue of this type");
	struct iommufd_veventq *veventq = (struct iommufd_veventq *)iommufd_object_alloc(
		ucmd->ictx, sizeof(*veventq), IOMMUFD_OBJ_VEVENTQ, &error);
	if (veventq == NULL)
		return error;
	veventq->ictx = ucmd->ictx;
	veventq->viommu = viommu;
	veventq->type = cmd->type;
	veventq->depth = cmd->veventq_depth;
	TAILQ_INIT(&veventq->events);
	viommu->object.users++;
	LIST_INSERT_HEAD(&viommu->veventqs, veventq, link);
	int fd = make_file(ucmd, &veventq_fops, &veventq->object, &file);
	error = fd < 0 ? fd : 0;
	if (error == 0) {
		cmd->out_veventq_id = veventq->object.id;
		cmd->out_veventq_fd = (uint32_t)fd;
		error = iommufd_respond(ucmd);
		if (error != 0)
			drop_file(ucmd, fd, file);
	}
	if (error != 0) {
		iommufd_object_abort_and_destroy(ucmd->ictx, &veventq->object);
		return error;
	}
	iommufd_object_publish(ucmd->ictx, &veventq->object);
	fd_install_at(ucmd->thread->process, fd, file);
	return 0;
}

/* IOMMU_VEVENTQ_ALLOC (5.6) */
int iommufd_veventq_alloc(struct iommufd_ucmd *ucmd)
{
	const struct iommu_veventq_alloc *cmd = ucmd->cmd;
	struct machine *machine = ucmd->machine;
	if (cmd->flags != 0 || cmd->__reserved != 0 || cmd->type == 0)
		return refuse(machine, EOPNOTSUPP, "iommufd 5.6 1",
			      "unknown flags, reserved, or no type");
	if (cmd->veventq_depth == 0 || cmd->veventq_depth > VEVENTQ_DEPTH_MAX)
		return refuse(machine, EINVAL, "iommufd 5.6 2", "depth is 0 or above 2^19");
	struct iommufd_viommu *viommu = iommufd_get_viommu(ucmd->ictx, cmd->viommu_id);
	if (viommu == NULL)
		return refuse(machine, ENOENT, "iommufd 5.6 3", "no vIOMMU has this id");
	struct scheduler *sched = sched_of(machine);
	down_write(sched, &viommu->veventqs_rwsem, "veventqs_rwsem");
	int error = make_veventq(ucmd, viommu);
	up_write(sched, &viommu->veventqs_rwsem);
	iommufd_put_object(ucmd->ictx, &viommu->object);
	return error;
}
