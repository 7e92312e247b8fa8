/* SPDX-License-Identifier: Apache-2.0 */
/* The posted vIOMMU, as far as the rest of the driver sees it. */
#ifndef HWQ_KERNEL_SHIM_DRIVERS_AMD_IOMMU_VIOMMU_H
#define HWQ_KERNEL_SHIM_DRIVERS_AMD_IOMMU_VIOMMU_H

#include "kernel_shim/drivers/amd_iommu/amd.h"

struct amd_viommu {
	LIST_ENTRY(amd_viommu) link; /* of the parent domain */
	struct amd *amd;
	struct amd_domain *parent;
	uint16_t guest;       /* GuestID */
	uint16_t trans_devid; /* the DeviceID whose table entry translates its buffers */
	uint32_t ledger_guest;
	uint64_t device_map_pfn;
	uint64_t domain_map_pfn;
	uint64_t mmap_offset;
};

/* The range again for each host DomainID of the vIOMMUs' guests; not for the parent's own. */
void amd_viommus_queue_flush(struct amd_domain *domain, uint64_t first, uint64_t last, bool pde);

#endif
