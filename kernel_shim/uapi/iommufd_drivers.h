/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the user API that each driver has its own of. */
#ifndef HWQ_KERNEL_SHIM_UAPI_IOMMUFD_DRIVERS_H
#define HWQ_KERNEL_SHIM_UAPI_IOMMUFD_DRIVERS_H

/* SMMUv3 and CMDQV (iommufd sheet 4, 5; tegra241-cmdqv 9.5). */
#define IOMMU_HW_INFO_TYPE_ARM_SMMUV3           2U
#define IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV       3U
#define IOMMU_VIOMMU_TYPE_ARM_SMMUV3            1U
#define IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV        2U
#define IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV      1U
#define IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV       2U
#define IOMMU_VEVENTQ_TYPE_ARM_SMMUV3           1U
#define IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3 1U
#define IOMMU_HWPT_DATA_ARM_SMMUV3              2U

/* AMD (iommufd sheet 4; amd-viommu 13, 14). */
#define IOMMU_HW_INFO_TYPE_AMD      4U
#define IOMMU_HWPT_DATA_AMD_GUEST   3U
#define IOMMU_VIOMMU_TYPE_AMD       3U
#define IOMMU_HW_QUEUE_TYPE_AMD_CMD 2U
#define IOMMU_HW_QUEUE_TYPE_AMD_EVT 3U
#define IOMMU_HW_QUEUE_TYPE_AMD_PPR 4U

#endif
