/* SPDX-License-Identifier: Apache-2.0 */
/* The VFIO type-1 ioctls that iommufd answers for compatibility (iommufd sheet, appendix C). */
#ifndef HWQ_KERNEL_SHIM_UAPI_VFIO_H
#define HWQ_KERNEL_SHIM_UAPI_VFIO_H

#include <stdint.h>

#define VFIO_GET_API_VERSION 0x3b64U
#define VFIO_CHECK_EXTENSION 0x3b65U
#define VFIO_SET_IOMMU       0x3b66U
#define VFIO_IOMMU_GET_INFO  0x3b70U
#define VFIO_IOMMU_MAP_DMA   0x3b71U
#define VFIO_IOMMU_UNMAP_DMA 0x3b72U

#define VFIO_TYPE1_IOMMU   1U
#define VFIO_TYPE1v2_IOMMU 3U
#define VFIO_DMA_CC_IOMMU  4U
#define VFIO_NOIOMMU_IOMMU 8U
#define VFIO_UNMAP_ALL     9U

#define VFIO_IOMMU_INFO_PGSIZES 1U
#define VFIO_IOMMU_INFO_CAPS    2U
#define VFIO_DMA_MAP_FLAG_READ  1U
#define VFIO_DMA_MAP_FLAG_WRITE 2U
#define VFIO_DMA_UNMAP_FLAG_ALL 2U

struct vfio_iommu_type1_info {
	uint32_t argsz;
	uint32_t flags;
	uint64_t iova_pgsizes;
	uint32_t cap_offset;
	uint32_t pad;
};

struct vfio_iommu_type1_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t vaddr;
	uint64_t iova;
	uint64_t size;
};

struct vfio_iommu_type1_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t iova;
	uint64_t size;
};

/* Device files (iommufd 4.7). */
#define VFIO_DEVICE_BIND_IOMMUFD      0x3b76U
#define VFIO_DEVICE_ATTACH_IOMMUFD_PT 0x3b77U
#define VFIO_DEVICE_DETACH_IOMMUFD_PT 0x3b78U

struct vfio_device_bind_iommufd {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
	uint64_t token_uuid_ptr;
};

#define VFIO_DEVICE_ATTACH_PASID 1U
#define VFIO_DEVICE_DETACH_PASID 1U

struct vfio_device_attach_iommufd_pt {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pt_id;
	uint32_t pasid; /* with ATTACH_PASID only */
};

struct vfio_device_detach_iommufd_pt {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pasid; /* with DETACH_PASID only */
};

struct vfio_info_cap_header {
	uint16_t id;
	uint16_t version;
	uint32_t next;
};

#define VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE 1U
#define VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL      3U

_Static_assert(sizeof(struct vfio_iommu_type1_info) == 24, "app. C");
_Static_assert(sizeof(struct vfio_iommu_type1_dma_map) == 32, "app. C");
_Static_assert(sizeof(struct vfio_iommu_type1_dma_unmap) == 24, "app. C");

#endif
