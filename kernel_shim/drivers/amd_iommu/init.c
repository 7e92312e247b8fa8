// SPDX-License-Identifier: Apache-2.0
/* Enabling an instance, its devices, and what the iommufd core asks (3, 13; iommufd app. D). */

#include <assert.h>
#include <string.h>

#include "kernel_shim/drivers/amd_iommu/amd.h"

uint64_t amd_read(struct amd *amd, uint32_t offset, unsigned width)
{
	return bus_read(&amd->machine->bus, pa_of(amd->base.value + offset), width);
}

void amd_write(struct amd *amd, uint32_t offset, unsigned width, uint64_t value)
{
	bus_write(&amd->machine->bus, pa_of(amd->base.value + offset), width, value);
}

void amd_control(struct amd *amd, uint64_t bit, bool on)
{
	amd->control = on ? amd->control | bit : amd->control & ~bit;
	amd_write(amd, AMD_CONTROL, 8, amd->control);
}

static bool take(uint64_t map[1024], uint32_t number)
{
	bool taken = map[number / 64] >> number % 64 & 1;
	map[number / 64] |= 1ULL << number % 64;
	return !taken;
}

uint16_t amd_take_number(uint64_t map[1024])
{
	uint32_t number = 1;
	while (number < 65536 && !take(map, number))
		number++;
	return (uint16_t)number;
}

uint16_t amd_take_high_number(uint64_t map[1024])
{
	uint32_t number = 65535;
	while (number > 0 && !take(map, number))
		number--;
	return (uint16_t)number;
}

void amd_give_number(uint64_t map[1024], uint16_t number)
{
	map[number / 64] &= ~(1ULL << number % 64);
}

static void set_up_rings(struct amd *amd)
{
	uint64_t code = field_put(RING_LENGTH, AMD_RING_CODE);
	uint64_t bytes = (uint64_t)COMMAND_SIZE << AMD_RING_CODE;
	amd->ring_pfn = alloc_shared_frames(amd->machine, bytes);
	amd->semaphore_pa = alloc_shared_frames(amd->machine, PAGE_SIZE) * PAGE_SIZE;
	amd_write(amd, AMD_CMD_BASE, 8, amd->ring_pfn * PAGE_SIZE | code);
	amd_write(amd, AMD_CMD_HEAD, 4, 0);
	amd_write(amd, AMD_CMD_TAIL, 4, 0);
	amd_control(amd, CONTROL_CMD_BUF_EN, true);
}

/* A write for each, whatever is on. */
static void disable(struct amd *amd)
{
	static const uint64_t bits[] = {
		CONTROL_CMD_BUF_EN, CONTROL_EVENT_INT_EN, CONTROL_EVENT_LOG_EN,
		CONTROL_GA_LOG_EN,  CONTROL_GA_INT_EN,    CONTROL_PPR_LOG_EN,
		CONTROL_PPR_INT_EN, CONTROL_IOMMU_EN,     CONTROL_IRT_CACHE_DIS};
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		amd_control(amd, bits[i], false);
}

/* Without IASup: each DeviceID, and as many DomainIDs (amd-viommu 2). */
static void invalidate_one_by_one(struct amd *amd)
{
	for (uint32_t device = 0; device <= amd->last_device; device++)
		amd_queue(amd, amd_command_invalidate_devtab((uint16_t)device));
	amd_completion_wait(amd);
	for (uint32_t device = 0; device <= amd->last_device; device++)
		amd_queue(amd, amd_command_invalidate_interrupt((uint16_t)device));
	amd_completion_wait(amd);
	for (uint32_t domain = 0; domain <= amd->last_device; domain++)
		amd_queue(amd, amd_command_invalidate_domain((uint16_t)domain));
	amd_completion_wait(amd);
}

/* INVALIDATE_IOMMU_ALL is illegal without IASup, and would halt the ring (6.1, 6.2). */
static void invalidate_all(struct amd *amd)
{
	if (!(amd->efr & EFR_IA)) {
		invalidate_one_by_one(amd);
		return;
	}
	amd_queue(amd, amd_command_invalidate_all());
	amd_completion_wait(amd);
}

struct amd *amd_probe(struct machine *machine, const struct amd_resources *resources)
{
	struct amd *amd = arena_new(machine->arena, struct amd);
	amd->machine = machine;
	amd->own_device = resources->own_device;
	amd->last_device = resources->last_device;
	amd->config = pa_of(resources->ecam.value + PCI_FUNCTION(amd->own_device));
	amd_discover(amd);
	amd->engine = machine_engine(machine, resources->name);
	amd->domains[0] = 1;
	amd->guests[0] = 1;
	mutex_init(&amd->lock);
	amd->efr = amd_read(amd, AMD_EFR, 8);
	amd->efr2 = amd_read(amd, AMD_EFR2, 8);
	amd->control = amd_read(amd, AMD_CONTROL, 8);
	disable(amd);
	amd->control &= ~CONTROL_INV_TIMEOUT;
	amd_control(amd, field_put(CONTROL_INV_TIMEOUT, INV_TIMEOUT_1S), true);
	amd_dte_init_all(amd);
	set_up_rings(amd);
	if (amd->efr & EFR_GT)
		amd_control(amd, CONTROL_GT_EN, true);
	if (amd->efr2 & EFR2_GCR3_TRP)
		amd_control(amd, CONTROL_GCR3_TRP, true);
	if (amd->efr & EFR_GA)
		amd_control(amd, CONTROL_GA_EN, true);
	if (amd->efr & EFR_HD) /* Linux leaves it as firmware has it */
		amd_control(amd, CONTROL_HAD_UPDATE, true);
	amd_control(amd, CONTROL_IOMMU_EN, true);
	invalidate_all(amd);
	irq_request(machine, resources->irq, amd_handle_irq, amd);
	amd_set_up_event_log(amd);
	invalidate_all(amd);
	amd_viommu_probe(amd);
	return amd;
}

/* --- devices --- */

struct amd_device *amd_device_new(struct amd *amd, uint16_t id, bool ats)
{
	struct iommufd_module *module = amd->machine->kernel;
	struct amd_device *device = arena_new(amd->machine->arena, struct amd_device);
	device->amd = amd;
	device->id = id;
	device->ats = ats && amd->iotlb_sup;
	device->device.machine = amd->machine;
	device->device.driver = &amd_ops;
	device->device.iommu = amd;
	device->device.group = ++module->groups;
	device->device.max_pasids = 1;
	return device;
}

/* Identity domain, one for all devices: Mode 0, all rights, a DomainID of its own (9). */
void amd_pass_through(struct amd *amd, uint16_t id)
{
	if (amd->identity_domain == 0)
		amd->identity_domain = amd_take_number(amd->domains);
	const struct amd_dte dte = {
		{DTE_V | DTE_TV | DTE_IR | DTE_IW, amd->identity_domain, DTE_IV, 0}};
	amd_dte_update(amd, id, &dte);
}

static bool capable(struct device *device, enum iommu_cap cap)
{
	const struct amd_device *amd_device = (const struct amd_device *)device;
	switch (cap) {
	case IOMMU_CAP_CACHE_COHERENCY:
		return true;
	case IOMMU_CAP_DIRTY_TRACKING:
		return amd_device->amd->efr & EFR_HD;
	case IOMMU_CAP_ATS:
		return amd_device->ats;
	default:
		return false;
	}
}

static int hw_info(struct device *device, uint32_t *type, void *data, uint32_t max,
		   uint32_t *length)
{
	const struct amd *amd = device->iommu;
	struct iommu_hw_info_amd info = {amd->efr, amd->efr2};
	if (*type != 0 && *type != IOMMU_HW_INFO_TYPE_AMD)
		return refuse(device->machine, EOPNOTSUPP, "iommufd app. D hw_info",
			      "unknown type");
	assert(max >= sizeof(info));
	memcpy(data, &info, sizeof(info));
	*length = sizeof(info);
	*type = IOMMU_HW_INFO_TYPE_AMD;
	return 0;
}

/* What Linux asks of the hardware for a nest parent (12; amd-viommu 2). */
static bool can_nest(const struct amd *amd)
{
	return (amd->efr & EFR_GT) && (amd->efr & EFR_GIO) && (amd->control & CONTROL_GCR3_TRP);
}

static int domain_alloc_paging(struct device *device, uint32_t flags, const struct user_data *data,
			       struct iommu_domain **domain)
{
	const uint32_t known = IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	if (data != NULL)
		return refuse(device->machine, EOPNOTSUPP, "iommufd app. D paging alloc",
			      "a HWPT on an IOAS takes no data: data_len is not 0");
	if (flags & ~known)
		return refuse(
			device->machine, EOPNOTSUPP, "iommufd app. D paging alloc",
			"a flag other than NEST_PARENT and DIRTY_TRACKING: it is not modelled");
	if ((flags & IOMMU_HWPT_ALLOC_NEST_PARENT) && !can_nest(device->iommu))
		return refuse(device->machine, EOPNOTSUPP, "amd-viommu 2",
			      "no guest tables, no GIoV, or no GCR3TRPMode");
	return amd_domain_alloc(device->iommu, flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING, domain);
}

static void block_pasid(struct device *device, uint32_t pasid)
{
	(void)device;
	(void)pasid;
}

const struct iommu_ops amd_ops = {
	.name = "amd-iommu",
	.capable = capable,
	.hw_info = hw_info,
	.domain_alloc_paging = domain_alloc_paging,
	.block = amd_block,
	.block_pasid = block_pasid,
	.viommu_supported = amd_viommu_supported,
	.viommu_init = amd_viommu_init,
};
