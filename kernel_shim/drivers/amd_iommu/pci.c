// SPDX-License-Identifier: Apache-2.0
/* What the driver learns from the capabilities of the function (1; amd-viommu 3). */
#include "kernel_shim/drivers/amd_iommu/amd.h"

static uint32_t read_config(const struct amd *amd, uint32_t offset)
{
	return (uint32_t)bus_read(&amd->machine->bus, pa_of(amd->config.value + offset), 4);
}

/* Its offset; 0: there is none. The list is the hardware's: it ends, whatever it says. */
static uint32_t find_capability(const struct amd *amd, uint64_t id)
{
	uint32_t at = read_config(amd, AMD_PCI_LIST) & 0xfc;
	if (!(read_config(amd, AMD_PCI_STATUS) & PCI_STATUS_HAS_LIST))
		return 0;
	for (unsigned seen = 0; at != 0 && seen < AMD_CONFIG_SIZE / 4; seen++) {
		uint32_t header = read_config(amd, at);
		if (field_get(header, PCI_CAP_ID) == id)
			return at;
		at = (uint32_t)field_get(header, PCI_CAP_NEXT) & 0xfc;
	}
	return 0;
}

static struct pa read_bar(const struct amd *amd, uint32_t at)
{
	return pa_of(bar_address(read_config(amd, at), read_config(amd, at + 4)));
}

/* A clear enable bit is firmware's fault (amd-viommu 3). */
static struct pa read_enabled_bar(const struct amd *amd, uint32_t at)
{
	return read_config(amd, at) & BAR_ENABLE ? read_bar(amd, at) : pa_of(0);
}

void amd_discover(struct amd *amd)
{
	uint32_t iommu = find_capability(amd, PCI_CAP_IOMMU);
	uint32_t vendor = find_capability(amd, PCI_CAP_VENDOR);
	uint32_t header = read_config(amd, iommu);
	amd->base = read_bar(amd, iommu + AMD_CAP_BASE - AMD_CAP);
	amd->iotlb_sup = header & CAP_IOTLB_SUP;
	amd->np_cache = header & CAP_NP_CACHE;
	if (vendor == 0)
		return;
	amd->vf = read_enabled_bar(amd, vendor + AMD_VSC_VF - AMD_VSC);
	amd->vfcntl = read_enabled_bar(amd, vendor + AMD_VSC_VFCNTL - AMD_VSC);
}
