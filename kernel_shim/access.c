// SPDX-License-Identifier: Apache-2.0
/* In-kernel accesses: users of an IOAS without a domain (iommufd 3.4, 6). */
#include <assert.h>

#include "kernel_shim/iommufd.h"

void iommufd_access_destroy_object(struct iommufd_object *object)
{
	struct iommufd_access *access = (struct iommufd_access *)object;
	if (access->ioas != NULL)
		iommufd_access_detach(access);
	if (access->ops != NULL)
		file_put(access->ictx->file);
}

static struct iommufd_access *create(struct iommufd_ctx *ictx, int *error)
{
	struct iommufd_access *access = (struct iommufd_access *)iommufd_object_alloc(
		ictx, sizeof(*access), IOMMUFD_OBJ_ACCESS, error);
	if (access == NULL)
		return NULL;
	access->ictx = ictx;
	access->iova_alignment = PAGE_SIZE;
	access->object.users++; /* its creator's: IOMMU_DESTROY is always EBUSY */
	mutex_init(&access->ioas_lock);
	return access;
}

struct iommufd_access *iommufd_access_create(struct iommufd_ctx *ictx,
					     const struct iommufd_access_ops *ops, void *context,
					     int *error)
{
	struct iommufd_access *access = create(ictx, error);
	if (access == NULL)
		return NULL;
	access->ops = ops;
	access->context = context;
	if (!ops->needs_pin_pages)
		access->iova_alignment = 1;
	file_get(ictx->file);
	iommufd_object_publish(ictx, &access->object);
	return access;
}

struct iommufd_access *iommufd_access_create_internal(struct iommufd_ctx *ictx, int *error)
{
	struct iommufd_access *access = create(ictx, error);
	if (access != NULL)
		iommufd_object_publish(ictx, &access->object);
	return access;
}

void iommufd_access_destroy(struct iommufd_access *access)
{
	/* An external access's own reference may be the last; at the close there is none any more. */
	struct file *file = access->ops != NULL ? access->ictx->file : NULL;
	if (file != NULL)
		file_get(file);
	iommufd_object_destroy_wait(access->ictx, &access->object, false);
	if (file != NULL)
		file_put(file);
}

/* Changes from the current IOAS (or none) to NEW (or none); the caller holds ioas_lock. */
static int change_ioas(struct iommufd_access *access, struct iommufd_ioas *new_ioas)
{
	struct iommufd_ioas *old = access->ioas;
	/* While a detach is under way replace finds nothing attached, and attach something. */
	assert(old == access->ioas_unpin);
	if (old == new_ioas)
		return 0;
	if (new_ioas != NULL) {
		int error = iopt_add_access(&new_ioas->iopt, access);
		if (error != 0)
			return error;
		new_ioas->object.users++;
	}
	access->ioas = NULL; /* no new pins in the old one */
	if (old != NULL) {
		if (access->ops != NULL && access->ops->unmap != NULL) {
			mutex_unlock(sched_of(access->ictx->machine), &access->ioas_lock);
			access->ops->unmap(access->context, 0, UINT64_MAX);
			mutex_lock(sched_of(access->ictx->machine), &access->ioas_lock,
				   "access ioas_lock");
		}
		iopt_remove_access(&old->iopt, access);
		old->object.users--;
	}
	access->ioas = new_ioas;
	access->ioas_unpin = new_ioas;
	return 0;
}

static int change_ioas_id(struct iommufd_access *access, uint32_t ioas_id)
{
	struct iommufd_ioas *ioas = iommufd_get_ioas(access->ictx, ioas_id);
	if (ioas == NULL)
		return refuse(access->ictx->machine, ENOENT, "iommufd 6 attach",
			      "no IOAS has this id");
	int error = change_ioas(access, ioas);
	iommufd_put_ioas(ioas);
	return error;
}

int iommufd_access_attach(struct iommufd_access *access, uint32_t ioas_id)
{
	struct scheduler *sched = sched_of(access->ictx->machine);
	mutex_lock(sched, &access->ioas_lock, "access ioas_lock");
	int error = access->ioas_unpin != NULL ? refuse(access->ictx->machine, EINVAL,
							"iommufd 6 attach", "already attached")
					       : change_ioas_id(access, ioas_id);
	mutex_unlock(sched, &access->ioas_lock);
	return error;
}

int iommufd_access_attach_ioas(struct iommufd_access *access, struct iommufd_ioas *ioas)
{
	struct scheduler *sched = sched_of(access->ictx->machine);
	mutex_lock(sched, &access->ioas_lock, "access ioas_lock");
	int error = change_ioas(access, ioas);
	mutex_unlock(sched, &access->ioas_lock);
	return error;
}

int iommufd_access_replace(struct iommufd_access *access, uint32_t ioas_id)
{
	struct scheduler *sched = sched_of(access->ictx->machine);
	mutex_lock(sched, &access->ioas_lock, "access ioas_lock");
	int error = access->ioas == NULL ? refuse(access->ictx->machine, ENOENT,
						  "iommufd 6 replace", "not attached")
					 : change_ioas_id(access, ioas_id);
	mutex_unlock(sched, &access->ioas_lock);
	return error;
}

void iommufd_access_detach(struct iommufd_access *access)
{
	struct scheduler *sched = sched_of(access->ictx->machine);
	mutex_lock(sched, &access->ioas_lock, "access ioas_lock");
	if (access->ioas != NULL)
		change_ioas(access, NULL);
	mutex_unlock(sched, &access->ioas_lock);
}

/* --- unmap notification --- */

static struct iommufd_access *next_to_notify(struct io_pagetable *iopt, uint64_t notice)
{
	struct iopt_access_link *link;
	TAILQ_FOREACH (link, &iopt->accesses, link) {
		struct iommufd_access *access = link->access;
		if (access->ops != NULL && access->ops->unmap != NULL && access->notified < notice)
			return access;
	}
	return NULL;
}

void iommufd_access_notify_unmap(struct io_pagetable *iopt, uint64_t iova, uint64_t length)
{
	struct iommufd_access *access;
	if (TAILQ_EMPTY(&iopt->accesses))
		return;
	/* Callbacks may change the list: each access is told once by number. */
	uint64_t notice = ++TAILQ_FIRST(&iopt->accesses)->access->ictx->unmap_notices;
	while ((access = next_to_notify(iopt, notice)) != NULL) {
		access->notified = notice;
		access->object.users++;
		access->object.wait_count++;
		task_preempt(sched_of(iopt->machine), 0, "unmap notification");
		access->ops->unmap(access->context, iova, length);
		iommufd_put_object(access->ictx, &access->object);
	}
}

/* --- pin, unpin, rw: contiguous pieces of areas --- */

/* The piece of [iova, last] in the area at IOVA. */
struct piece {
	struct iopt_area *area;
	uint64_t last;
	uint64_t first_index;
	uint64_t last_index;
};

/* False at a gap. */
static bool piece_at(struct io_pagetable *iopt, uint64_t iova, uint64_t last, struct piece *piece)
{
	struct iopt_area *area = iopt_find_area(iopt, iova);
	if (area == NULL)
		return false;
	piece->area = area;
	piece->last = area->last < last ? area->last : last;
	piece->first_index = area_index(area, iova);
	piece->last_index = area_index(area, piece->last);
	return true;
}

static bool is_page_aligned(const struct piece *piece, uint64_t iova, uint64_t last)
{
	if (area_byte_offset(piece->area, iova) != 0)
		return false;
	return piece->last == last || area_byte_offset(piece->area, piece->last) == PAGE_SIZE - 1;
}

static int check_permission(struct machine *machine, const struct iopt_area *area, uint32_t flags)
{
	bool writes = flags & ACCESS_WRITE;
	if (!(area->prot & (writes ? IOMMU_WRITE : IOMMU_READ)))
		return refuse(machine, EPERM, "iommufd 6", "the area lacks the permission");
	assert(!writes || area->pages->writable); /* the area would not be WRITEABLE (2.7 step 9) */
	return 0;
}

static int pin_piece(struct iommufd_access *access, const struct piece *piece, uint64_t iova,
		     uint64_t last, uint32_t flags)
{
	struct machine *machine = access->ictx->machine;
	if (piece->area->prevent_access || !is_page_aligned(piece, iova, last))
		return refuse(machine, EINVAL, "iommufd 6 pin_pages",
			      "the area is being unmapped, or is not page aligned");
	int error = check_permission(machine, piece->area, flags);
	if (error != 0)
		return error;
	if (piece->area->pages->source == IOPT_PAGES_DMABUF)
		return refuse(machine, EINVAL, "iommufd 6 pin_pages", "a dma-buf has no CPU pages");
	return iopt_area_add_access(piece->area, piece->first_index, piece->last_index,
				    access->ops == NULL);
}

static void unpin_range(struct iommufd_access *access, struct io_pagetable *iopt, uint64_t iova,
			uint64_t last)
{
	struct piece piece;
	while (piece_at(iopt, iova, last, &piece)) {
		iopt_area_remove_access(piece.area, piece.first_index, piece.last_index,
					access->ops == NULL);
		if (piece.last == last)
			return;
		iova = piece.last + 1;
	}
	assert(!"unpin of what was never pinned");
}

static int pin_range(struct iommufd_access *access, struct io_pagetable *iopt, uint64_t iova,
		     uint64_t last, uint32_t flags)
{
	for (uint64_t at = iova;;) {
		struct piece piece;
		int error = piece_at(iopt, at, last, &piece)
				    ? pin_piece(access, &piece, at, last, flags)
				    : refuse(access->ictx->machine, ENOENT, "iommufd 6 pin_pages",
					     "the range is not wholly mapped");
		if (error != 0) {
			if (at > iova)
				unpin_range(access, iopt, iova, at - 1);
			return error;
		}
		if (piece.last == last)
			return 0;
		at = piece.last + 1;
	}
}

/* Calls RUN for each run of frames of a pinned range. */
static int report_pinned(struct io_pagetable *iopt, uint64_t iova, uint64_t last, pinned_fn *run,
			 void *context)
{
	struct piece piece;
	while (piece_at(iopt, iova, last, &piece)) {
		struct spans *pinned = &piece.area->pages->pinned;
		for (uint64_t at = piece.first_index; at <= piece.last_index;) {
			struct span *span = spans_find(pinned, at);
			uint64_t end =
				span->last < piece.last_index ? span->last : piece.last_index;
			int error = run(context, span_at(span, at), end - at + 1);
			if (error != 0)
				return error;
			at = end + 1;
		}
		if (piece.last == last)
			break;
		iova = piece.last + 1;
	}
	return 0;
}

static int not_attached(struct machine *machine)
{
	return refuse(machine, ENOENT, "iommufd 6", "the access is attached to no IOAS");
}

/* Overflow and length checks that pin and rw share. */
static int check_range(struct machine *machine, uint64_t iova, uint64_t length, uint64_t *last)
{
	if (length == 0)
		return refuse(machine, EINVAL, "iommufd 6", "length is 0");
	if (add_overflows(iova, length - 1, last))
		return refuse(machine, EOVERFLOW, "iommufd 6", "iova + length overflows");
	return 0;
}

int iommufd_access_pin_pages(struct iommufd_access *access, uint64_t iova, uint64_t length,
			     uint32_t flags, pinned_fn *run, void *context)
{
	struct machine *machine = access->ictx->machine;
	struct scheduler *sched = sched_of(machine);
	uint64_t last;
	if (access->iova_alignment != PAGE_SIZE)
		return refuse(machine, EINVAL, "iommufd 6 pin_pages",
			      "the access was made without needs_pin_pages");
	int error = check_range(machine, iova, length, &last);
	if (error != 0)
		return error;
	mutex_lock(sched, &access->ioas_lock, "access ioas_lock");
	if (access->ioas == NULL) {
		mutex_unlock(sched, &access->ioas_lock);
		return not_attached(machine);
	}
	struct io_pagetable *iopt = &access->ioas->iopt;
	down_read(sched, &iopt->iova_rwsem, "iova_rwsem");
	error = pin_range(access, iopt, iova, last, flags);
	if (error == 0) {
		error = report_pinned(iopt, iova, last, run, context);
		if (error != 0)
			unpin_range(access, iopt, iova, last);
	}
	up_read(sched, &iopt->iova_rwsem);
	mutex_unlock(sched, &access->ioas_lock);
	return error;
}

void iommufd_access_unpin_pages(struct iommufd_access *access, uint64_t iova, uint64_t length)
{
	struct scheduler *sched = sched_of(access->ictx->machine);
	mutex_lock(sched, &access->ioas_lock, "access ioas_lock");
	if (access->ioas_unpin != NULL) {
		struct io_pagetable *iopt = &access->ioas_unpin->iopt;
		down_read(sched, &iopt->iova_rwsem, "iova_rwsem");
		unpin_range(access, iopt, iova, iova + length - 1);
		up_read(sched, &iopt->iova_rwsem);
	}
	mutex_unlock(sched, &access->ioas_lock);
}

static int rw_range(struct iommufd_access *access, struct thread *thread, struct io_pagetable *iopt,
		    uint64_t iova, uint64_t last, uint8_t *data, uint32_t flags, bool *stated)
{
	struct machine *machine = access->ictx->machine;
	for (;;) {
		struct piece piece;
		if (!piece_at(iopt, iova, last, &piece))
			return refuse(machine, ENOENT, "iommufd 6 rw",
				      "the range is not wholly mapped");
		if (piece.area->prevent_access)
			return refuse(machine, EINVAL, "iommufd 6 rw",
				      "the area is being unmapped");
		int error = check_permission(machine, piece.area, flags);
		uint64_t length = piece.last - iova + 1;
		uint64_t start = piece.first_index * PAGE_SIZE + area_byte_offset(piece.area, iova);
		if (error == 0)
			error = iopt_pages_rw(piece.area->pages, thread, start, data, length, flags,
					      stated);
		if (error != 0 || piece.last == last)
			return error;
		data += length;
		iova = piece.last + 1;
	}
}

int iommufd_access_rw(struct iommufd_access *access, struct thread *thread, uint64_t iova,
		      void *data, uint64_t length, uint32_t flags, bool *stated)
{
	struct machine *machine = access->ictx->machine;
	struct scheduler *sched = sched_of(machine);
	uint64_t last;
	*stated = true;
	int error = check_range(machine, iova, length, &last);
	if (error != 0)
		return error;
	mutex_lock(sched, &access->ioas_lock, "access ioas_lock");
	if (access->ioas == NULL) {
		mutex_unlock(sched, &access->ioas_lock);
		return not_attached(machine);
	}
	struct io_pagetable *iopt = &access->ioas->iopt;
	down_read(sched, &iopt->iova_rwsem, "iova_rwsem");
	error = rw_range(access, thread, iopt, iova, last, data, flags, stated);
	up_read(sched, &iopt->iova_rwsem);
	mutex_unlock(sched, &access->ioas_lock);
	return error;
}
