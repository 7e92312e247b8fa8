// SPDX-License-Identifier: Apache-2.0
/* VFIO type-1 ioctls on an iommufd descriptor, and IOMMU_VFIO_IOAS (iommufd 2.12, app. C). */
#include <string.h>

#include "kernel_shim/iommufd.h"
#include "kernel_shim/uapi/vfio.h"

/* The compat IOAS with a lookup reference, or NULL. */
static struct iommufd_ioas *get_compat_ioas(struct iommufd_ctx *ictx)
{
	if (ictx->vfio_ioas == NULL)
		return NULL;
	return iommufd_get_ioas(ictx, ictx->vfio_ioas->object.id);
}

static int no_compat_ioas(struct machine *machine)
{
	return refuse(machine, ENODEV, "iommufd app. C", "no compat IOAS is set");
}

/* IOMMU_VFIO_IOAS (2.12) */
int iommufd_vfio_ioas(struct iommufd_ucmd *ucmd)
{
	struct iommu_vfio_ioas *cmd = ucmd->cmd;
	struct machine *machine = ucmd->machine;
	struct iommufd_ioas *ioas;
	if (cmd->__reserved != 0)
		return refuse(machine, EOPNOTSUPP, "iommufd 2.12", "a reserved field is not zero");
	switch (cmd->op) {
	case IOMMU_VFIO_IOAS_GET:
		ioas = get_compat_ioas(ucmd->ictx);
		if (ioas == NULL)
			return refuse(machine, ENODEV, "iommufd 2.12 GET", "no compat IOAS is set");
		cmd->ioas_id = ioas->object.id;
		iommufd_put_ioas(ioas);
		return iommufd_respond(ucmd);
	case IOMMU_VFIO_IOAS_SET:
		ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
		if (ioas == NULL)
			return refuse(machine, ENOENT, "iommufd 2.12 SET", "no IOAS has this id");
		ucmd->ictx->vfio_ioas = ioas;
		iommufd_put_ioas(ioas);
		return 0;
	case IOMMU_VFIO_IOAS_CLEAR:
		ucmd->ictx->vfio_ioas = NULL;
		return 0;
	default:
		return refuse(machine, EOPNOTSUPP, "iommufd 2.12", "unknown op");
	}
}

static int64_t check_extension(struct iommufd_ctx *ictx, uint64_t extension)
{
	struct iommufd_ioas *ioas;
	const struct iommufd_hwpt *hwpt;
	int64_t result = 1;
	switch (extension) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
		return 1;
	case VFIO_DMA_CC_IOMMU:
		ioas = get_compat_ioas(ictx);
		if (ioas == NULL)
			return no_compat_ioas(ictx->machine);
		LIST_FOREACH (hwpt, &ioas->hwpts, ioas_link)
			if (!hwpt->enforce_cache_coherency)
				result = 0;
		iommufd_put_ioas(ioas);
		return result;
	default:
		return 0;
	}
}

static int set_iommu(struct iommufd_ctx *ictx, uint64_t type)
{
	int error = 0;
	if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU)
		return refuse(ictx->machine, EINVAL, "iommufd app. C SET_IOMMU", "unknown type");
	struct iommufd_ioas *ioas = get_compat_ioas(ictx);
	if (ioas == NULL)
		return no_compat_ioas(ictx->machine);
	if (type == VFIO_TYPE1_IOMMU)
		error = iopt_disable_large_pages(&ioas->iopt);
	iommufd_put_ioas(ioas);
	return error;
}

static int cant_read(struct machine *machine)
{
	return refuse(machine, EFAULT, "iommufd app. C", "the struct can't be read");
}

static int bad_argsz(struct machine *machine)
{
	return refuse(machine, EINVAL, "iommufd app. C", "argsz too small, or unknown flags");
}

static int map_dma(struct iommufd_ctx *ictx, struct thread *thread, struct va arg)
{
	struct machine *machine = ictx->machine;
	struct vfio_iommu_type1_dma_map map;
	uint64_t end;
	int error;
	if (copy_from_user(thread, &map, arg, sizeof(map)) != 0)
		return cant_read(machine);
	if (map.argsz < sizeof(map) ||
	    (map.flags & ~(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)))
		return bad_argsz(machine);
	struct iommufd_ioas *ioas = get_compat_ioas(ictx);
	if (ioas == NULL)
		return no_compat_ioas(machine);
	uint32_t prot = (map.flags & VFIO_DMA_MAP_FLAG_READ ? IOMMU_READ : 0) |
			(map.flags & VFIO_DMA_MAP_FLAG_WRITE ? IOMMU_WRITE : 0);
	struct iopt_pages *pages = NULL;
	if (add_overflows(map.vaddr, map.size, &end))
		error = refuse(machine, EOVERFLOW, "iommufd 2.4 5", "vaddr + size overflows");
	else
		pages = iopt_alloc_user_pages(ictx, thread, map.vaddr, map.size, prot & IOMMU_WRITE,
					      &error);
	if (pages != NULL) {
		struct map_list list = {.address = map.vaddr, .length = map.size};
		map_list_add(machine, &list, pages, page_offset(map.vaddr), map.size);
		error = iopt_map_pages(&ioas->iopt, &list, &map.iova, prot, 0);
		iopt_free_pages_list(machine, &list);
	}
	iommufd_put_ioas(ioas);
	return error;
}

/* Type 1 may unmap inside areas: cut them at the range's ends first. */
static int cut_for_unmap(struct io_pagetable *iopt, const struct vfio_iommu_type1_dma_unmap *unmap)
{
	uint64_t behind[2] = {unmap->iova + unmap->size - 1, unmap->iova - 1};
	return iopt_cut_iova(iopt, behind, unmap->iova == 0 ? 1 : 2);
}

static int unmap_in(struct io_pagetable *iopt, struct vfio_iommu_type1_dma_unmap *unmap,
		    bool *write_back)
{
	uint64_t unmapped = 0;
	int error;
	*write_back = false;
	if (unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		if (unmap->iova != 0 || unmap->size != 0)
			return refuse(iopt->machine, EINVAL, "iommufd app. C UNMAP_DMA",
				      "ALL takes neither iova nor size");
		error = iopt_unmap_all(iopt, &unmapped);
	} else {
		if (iopt->disable_large_pages) {
			error = cut_for_unmap(iopt, unmap);
			if (error != 0)
				return error;
		}
		error = iopt_unmap_iova(iopt, unmap->iova, unmap->size, &unmapped);
	}
	*write_back = true;
	unmap->size = unmapped;
	return error;
}

static int unmap_dma(struct iommufd_ctx *ictx, struct thread *thread, struct va arg)
{
	struct machine *machine = ictx->machine;
	struct vfio_iommu_type1_dma_unmap unmap;
	bool write_back;
	if (copy_from_user(thread, &unmap, arg, sizeof(unmap)) != 0)
		return cant_read(machine);
	if (unmap.argsz < sizeof(unmap) || (unmap.flags & ~VFIO_DMA_UNMAP_FLAG_ALL))
		return bad_argsz(machine);
	struct iommufd_ioas *ioas = get_compat_ioas(ictx);
	if (ioas == NULL)
		return no_compat_ioas(machine);
	int error = unmap_in(&ioas->iopt, &unmap, &write_back);
	if (write_back && copy_to_user(thread, arg, &unmap, sizeof(unmap)) != 0)
		error = refuse(machine, EFAULT, "iommufd app. C UNMAP_DMA",
			       "the struct can't be written back");
	iommufd_put_ioas(ioas);
	return error;
}

/* --- GET_INFO --- */

#define CAP_DMA_AVAIL_OFFSET  24U
#define CAP_IOVA_RANGE_OFFSET 40U
#define CAP_RANGES_OFFSET     56U
#define RANGE_SIZE            16U

static uint64_t info_pgsizes(struct io_pagetable *iopt)
{
	uint64_t sizes = UINT64_MAX;
	for (uint32_t i = 0; i < iopt->domain_count; i++)
		sizes &= iopt->domains[i]->pgsize_bitmap;
	if (sizes & (PAGE_SIZE - 1))
		sizes = (sizes & ~(PAGE_SIZE - 1)) | PAGE_SIZE;
	return sizes > iopt->iova_alignment ? sizes : iopt->iova_alignment;
}

static uint32_t count_ranges(struct io_pagetable *iopt)
{
	uint32_t count = 0;
	uint64_t first = 0;
	struct span *span;
	SPANS_FOREACH (span, &iopt->holes_not) {
		count += span->first > first;
		if (span->last == UINT64_MAX)
			return count;
		first = span->last + 1;
	}
	return count + 1;
}

/* Range K, or false past the last. */
static bool nth_range(struct io_pagetable *iopt, uint32_t k, struct iommu_iova_range *range)
{
	uint64_t first = 0;
	struct span *span;
	SPANS_FOREACH (span, &iopt->holes_not) {
		if (span->first > first && k-- == 0) {
			*range = (struct iommu_iova_range){first, span->first - 1};
			return true;
		}
		if (span->last == UINT64_MAX)
			return false;
		first = span->last + 1;
	}
	*range = (struct iommu_iova_range){first, UINT64_MAX};
	return k == 0;
}

static int put_at(struct thread *thread, struct va arg, uint32_t offset, const void *data,
		  uint32_t size)
{
	return copy_to_user(thread, va_of(arg.value + offset), data, size);
}

/* Each piece is written only if it lies below ARGSZ, as appendix C tells. */
static int put_caps(struct io_pagetable *iopt, struct thread *thread, struct va arg, uint32_t argsz,
		    uint32_t total)
{
	struct {
		struct vfio_info_cap_header header;
		uint32_t avail;
	} dma = {{VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 1, 0}, UINT32_MAX};
	struct iommu_iova_range range;
	int error = 0;
	if (argsz >= CAP_DMA_AVAIL_OFFSET + sizeof(dma)) {
		if (argsz >= CAP_IOVA_RANGE_OFFSET)
			dma.header.next = CAP_IOVA_RANGE_OFFSET;
		error |= put_at(thread, arg, CAP_DMA_AVAIL_OFFSET, &dma, sizeof(dma));
	}
	for (uint32_t k = 0; nth_range(iopt, k, &range); k++) {
		uint32_t offset = CAP_RANGES_OFFSET + k * RANGE_SIZE;
		if (argsz >= offset + RANGE_SIZE)
			error |= put_at(thread, arg, offset, &range, sizeof(range));
	}
	if (argsz >= total) {
		struct {
			struct vfio_info_cap_header header;
			uint32_t ranges;
			uint32_t reserved;
		} cap = {{VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1, 0}, count_ranges(iopt), 0};
		error |= put_at(thread, arg, CAP_IOVA_RANGE_OFFSET, &cap, sizeof(cap));
	}
	return error;
}

static int get_info(struct iommufd_ctx *ictx, struct thread *thread, struct va arg)
{
	struct machine *machine = ictx->machine;
	struct vfio_iommu_type1_info info = {0};
	uint32_t min = offsetof(struct vfio_iommu_type1_info, cap_offset);
	if (copy_from_user(thread, &info, arg, min) != 0)
		return cant_read(machine);
	uint32_t argsz = info.argsz;
	if (argsz < min)
		return bad_argsz(machine);
	struct iommufd_ioas *ioas = get_compat_ioas(ictx);
	if (ioas == NULL)
		return no_compat_ioas(machine);
	struct scheduler *sched = sched_of(machine);
	down_read(sched, &ioas->iopt.iova_rwsem, "iova_rwsem");
	uint32_t total = CAP_RANGES_OFFSET + RANGE_SIZE * count_ranges(&ioas->iopt);
	info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info.iova_pgsizes = info_pgsizes(&ioas->iopt);
	info.argsz = total;
	info.cap_offset = argsz >= total ? CAP_DMA_AVAIL_OFFSET : 0;
	int error = put_at(thread, arg, 0, &info, argsz < sizeof(info) ? argsz : sizeof(info));
	error |= put_caps(&ioas->iopt, thread, arg, argsz, total);
	up_read(sched, &ioas->iopt.iova_rwsem);
	iommufd_put_ioas(ioas);
	return error == 0 ? 0
			  : refuse(machine, EFAULT, "iommufd app. C GET_INFO",
				   "the struct can't be written");
}

int64_t iommufd_vfio_ioctl(struct iommufd_ctx *ictx, struct thread *thread, uint32_t cmd,
			   struct va arg)
{
	switch (cmd) {
	case VFIO_GET_API_VERSION:
		return 0;
	case VFIO_CHECK_EXTENSION:
		return check_extension(ictx, arg.value);
	case VFIO_SET_IOMMU:
		return set_iommu(ictx, arg.value);
	case VFIO_IOMMU_GET_INFO:
		return get_info(ictx, thread, arg);
	case VFIO_IOMMU_MAP_DMA:
		return map_dma(ictx, thread, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap_dma(ictx, thread, arg);
	default:
		return refuse(ictx->machine, ENOTTY, "iommufd 1.3 1", "no such command");
	}
}
