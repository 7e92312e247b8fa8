// SPDX-License-Identifier: Apache-2.0
/* The function's PCI configuration space: two capabilities, and the windows that they enable (1; amd-viommu 3). */
#include "models/amd_iommu/amd_iommu.h"

#define HEADER (PCI_CAP_IOMMU | CAP_TYPE_IOMMU | CAP_EFR_SUP | CAP_EXT)
/* Guest addresses of 48 bits, physical ones of 52, others of 64. */
#define MISC0 (2U << 5 | 52U << 8 | 64U << 15)

#define RW REGISTER_RW
#define RO REGISTER_RO
const struct register_row amd_config_registers[] = {
	{AMD_PCI_STATUS, 1, 4, 4, RO, PCI_STATUS_HAS_LIST, PCI_STATUS_HAS_LIST, "PCI_STATUS", "1"},
	{AMD_PCI_CLASS, 1, 4, 4, RO, 0x08060000, BITS(31, 8), "PCI_CLASS", "1"},
	{AMD_PCI_LIST, 1, 4, 4, RO, AMD_CAP, BITS(7, 0), "PCI_LIST", "1"},
	{AMD_CAP, 1, 4, 4, RO, HEADER, BITS(31, 0), "CAP_HEADER", "1"},
	{AMD_CAP_BASE, 1, 4, 4, RW, 0, BITS(31, 14) | BAR_ENABLE, "CAP_BASE_LOW", "1"},
	{AMD_CAP_BASE + 4, 1, 4, 4, RW, 0, BITS(31, 0), "CAP_BASE_HIGH", "1"},
	{AMD_CAP_RANGE, 1, 4, 4, RO, 0, BITS(31, 7) | BITS(4, 0), "CAP_RANGE", "1"},
	{AMD_CAP_MISC0, 1, 4, 4, RO, MISC0, BITS(31, 27) | BITS(22, 0), "CAP_MISC0", "1"},
	{AMD_CAP_MISC1, 1, 4, 4, RO, 0, BITS(4, 0), "CAP_MISC1", "1"},
	{AMD_VSC, 1, 4, 4, RO, PCI_CAP_VENDOR, BITS(23, 0), "VSC_HEADER", "amd-viommu 3"},
	{AMD_VSC_VF, 1, 4, 4, RW, 0, BITS(31, 12) | BAR_ENABLE, "VSC_VF_LOW", "amd-viommu 3"},
	{AMD_VSC_VF + 4, 1, 4, 4, RW, 0, BITS(31, 0), "VSC_VF_HIGH", "amd-viommu 3"},
	{AMD_VSC_VFCNTL, 1, 4, 4, RW, 0, BITS(31, 12) | BAR_ENABLE, "VSC_VFCNTL_LOW",
	 "amd-viommu 3"},
	{AMD_VSC_VFCNTL + 4, 1, 4, 4, RW, 0, BITS(31, 0), "VSC_VFCNTL_HIGH", "amd-viommu 3"},
	{0, 0, 0, 0, 0, 0, 0, NULL, NULL},
};
#undef RW
#undef RO

uint32_t amd_config_read(const struct amd_iommu *amd, uint32_t offset)
{
	return amd->config[offset / 4];
}

void amd_config_write(struct amd_iommu *amd, uint32_t offset, uint32_t value)
{
	uint32_t index;
	const struct register_row *row = register_find(amd_config_registers, offset, &index);
	if (row == NULL || row->access != REGISTER_RW)
		return;
	if (row->offset == AMD_CAP_BASE) /* write-1-sticky */
		value |= amd->config[offset / 4] & BAR_ENABLE;
	amd->config[offset / 4] = value & (uint32_t)row->mask;
}

bool amd_answers_at(const struct amd_iommu *amd, uint32_t bar, struct pa base)
{
	uint32_t low = amd_config_read(amd, bar);
	return (low & BAR_ENABLE) && bar_address(low, amd_config_read(amd, bar + 4)) == base.value;
}

static void set_bar(struct amd_iommu *amd, uint32_t bar, struct pa base, bool enabled)
{
	amd_config_write(amd, bar + 4, (uint32_t)(base.value >> 32));
	amd_config_write(amd, bar, (uint32_t)base.value | (enabled ? BAR_ENABLE : 0));
}

/* The vendor's capability is there with the vIOMMU. */
static void reset(struct amd_iommu *amd, const struct profile *profile)
{
	for (const struct register_row *row = amd_config_registers; row->name != NULL; row++)
		amd->config[row->offset / 4] = (uint32_t)row->reset;
	amd->config[AMD_CAP / 4] |=
		(uint32_t)(field_put(CAP_IOTLB_SUP, profile_get(profile, "iotlb.supported")) |
			   field_put(CAP_NP_CACHE, profile_get(profile, "npcache.supported")) |
			   field_put(PCI_CAP_NEXT, amd->efr & EFR_VIOMMU ? AMD_VSC : 0));
	if (!(amd->efr & EFR_VIOMMU))
		amd->config[AMD_VSC / 4] = 0;
}

void amd_config_init(struct amd_iommu *amd, const struct profile *profile)
{
	reset(amd, profile);
	set_bar(amd, AMD_CAP_BASE, amd->board.base, true);
	set_bar(amd, AMD_VSC_VF, amd->board.vf_base, profile_get(profile, "vf.enabled") != 0);
	set_bar(amd, AMD_VSC_VFCNTL, amd->board.vfcntl_base,
		profile_get(profile, "vfcntl.enabled") != 0);
}

/* Registers of 32 bits, read and written whole. */
static uint64_t config_read(void *owner, uint64_t offset, unsigned width)
{
	return width == 4 ? amd_config_read(owner, (uint32_t)offset) : 0;
}

static void config_write(void *owner, uint64_t offset, unsigned width, uint64_t value)
{
	if (width == 4)
		amd_config_write(owner, (uint32_t)offset, (uint32_t)value);
}

const struct mmio_ops amd_config_ops = {config_read, config_write};
