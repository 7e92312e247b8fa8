// SPDX-License-Identifier: Apache-2.0
/* Canonical hash of a context, in order of id and of IOVA. */
#include "kernel_shim/iommufd.h"

static void hash_ioas(struct iommufd_ioas *ioas, struct hash *hash)
{
	struct io_pagetable *iopt = &ioas->iopt;
	struct iopt_area *area = iopt_area_from(iopt, 0);
	struct iopt_reserved *reserved;
	struct span *span;
	for (; area != NULL; area = iopt_area_next(area)) {
		hash_u64(hash, area->iova);
		hash_u64(hash, area->last);
		hash_u64(hash, area->first_index * PAGE_SIZE + area->page_offset);
		hash_u64(hash, (uint64_t)area->prot << 32 | area->num_accesses);
		hash_u64(hash, (uint64_t)area->num_locks << 4 |
				       (uint64_t)area->prevent_access << 3 |
				       (uint64_t)area->filled << 2 | (uint64_t)area->revoked << 1 |
				       !area->busy);
		if (!area->busy) {
			hash_u64(hash, area->pages->npinned);
			hash_u64(hash, area->pages->charged);
		}
	}
	TAILQ_FOREACH (reserved, &iopt->reserved, link) {
		hash_u64(hash, reserved->first);
		hash_u64(hash, reserved->last);
	}
	SPANS_FOREACH (span, &iopt->allowed) {
		hash_u64(hash, span->first);
		hash_u64(hash, span->last);
	}
	hash_u64(hash, iopt->iova_alignment);
	hash_u64(hash, iopt->disable_large_pages);
	hash_u64(hash, (uint64_t)iopt->domain_count << 32 | iopt->access_count);
}

static void hash_hwpt(const struct iommufd_hwpt *hwpt, struct hash *hash)
{
	hash_u64(hash, (uint64_t)hwpt->enforce_cache_coherency << 3 |
			       (uint64_t)hwpt->auto_domain << 2 | (uint64_t)hwpt->nest_parent << 1 |
			       hwpt->pasid_compat);
	hash_u64(hash, hwpt->fault != NULL ? hwpt->fault->object.id : 0);
	hash_u64(hash, hwpt->ioas != NULL ? hwpt->ioas->object.id : 0);
	hash_u64(hash, hwpt->viommu != NULL ? hwpt->viommu->object.id : 0);
}

static void hash_device(const struct iommufd_device *idev, struct hash *hash)
{
	const struct iommufd_attach *attach;
	const struct attached_device *device;
	LIST_FOREACH (attach, &idev->igroup->attaches, link) {
		hash_u64(hash, attach->pasid);
		hash_u64(hash, attach->hwpt->object.id);
		TAILQ_FOREACH (device, &attach->devices, link)
			hash_u64(hash, device->idev->object.id);
	}
}

static void hash_veventq(const struct iommufd_veventq *veventq, struct hash *hash)
{
	const struct vevent *event;
	hash_u64(hash, (uint64_t)veventq->stored << 32 | veventq->sequence);
	TAILQ_FOREACH (event, &veventq->events, link) {
		hash_u64(hash, (uint64_t)event->flags << 32 | event->sequence);
		hash_bytes(hash, event->data, event->data_length);
	}
}

static void hash_fault(const struct iommufd_fault *fault, struct hash *hash)
{
	const struct iopf_group *group;
	TAILQ_FOREACH (group, &fault->queued, link)
		hash_u64(hash, group->faults[0].addr);
	TAILQ_FOREACH (group, &fault->delivered, link)
		hash_u64(hash, group->cookie);
}

static void hash_object(struct iommufd_object *object, struct hash *hash)
{
	switch (object->type) {
	case IOMMUFD_OBJ_IOAS:
		hash_ioas((struct iommufd_ioas *)object, hash);
		break;
	case IOMMUFD_OBJ_HWPT_PAGING:
	case IOMMUFD_OBJ_HWPT_NESTED:
		hash_hwpt((const struct iommufd_hwpt *)object, hash);
		break;
	case IOMMUFD_OBJ_DEVICE:
		hash_device((const struct iommufd_device *)object, hash);
		break;
	case IOMMUFD_OBJ_VEVENTQ:
		hash_veventq((const struct iommufd_veventq *)object, hash);
		break;
	case IOMMUFD_OBJ_FAULT:
		hash_fault((const struct iommufd_fault *)object, hash);
		break;
	default:
		break; /* type, users and id say it all */
	}
}

void iommufd_hash(struct file *file, struct hash *hash)
{
	struct iommufd_ctx *ictx = file->priv;
	hash_u64(hash, ictx->account_mm);
	hash_u64(hash, ictx->vfio_ioas != NULL ? ictx->vfio_ioas->object.id : 0);
	for (uint32_t id = 1; id < ictx->slot_count; id++) {
		const struct object_slot *slot = &ictx->slots[id];
		if (slot->state == SLOT_FREE)
			continue;
		hash_u64(hash, (uint64_t)id << 8 | slot->state);
		if (slot->state != SLOT_OBJECT)
			continue;
		hash_u64(hash, (uint64_t)slot->object->type << 32 | slot->object->users);
		hash_object(slot->object, hash);
	}
	const struct iommufd_mmap *region;
	TAILQ_FOREACH (region, &ictx->mmaps, link)
		hash_u64(hash, region->offset);
}
