// SPDX-License-Identifier: Apache-2.0
/* A guest's stage 1 over a stage-2 domain, and a vIOMMU without queues (smmuv3 9.1, 9.2). */
#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#include <string.h>

#define GUEST_S1CONTEXTPTR BITS(51, 6)

/* What of a guest's entry is taken (9.2). */
#define GUEST_DW0 (STE_V | STE_CONFIG | STE_S1FMT | GUEST_S1CONTEXTPTR | STE_S1CDMAX)
#define GUEST_DW1 (STE_S1DSS | STE_S1CIR | STE_S1COR | STE_S1CSH | STE_S1STALLD | STE_EATS)

static uint64_t config_of(const uint64_t ste[2])
{
	return ste[0] & STE_V ? field_get(ste[0], STE_CONFIG) : STE_CONFIG_ABORT;
}

/* --- the stream table entry --- */

void arm_smmu_nested_ste(const struct arm_smmu_nested *nested, uint64_t ste[STE_WORDS])
{
	switch (config_of(nested->ste)) {
	case STE_CONFIG_S1:
		ste[0] = (nested->ste[0] & ~STE_CONFIG) | field_put(STE_CONFIG, STE_CONFIG_NESTED);
		ste[1] |= nested->ste[1] | STE_MEV;
		break;
	case STE_CONFIG_BYPASS: /* of stage 1: the parent's entry as it is */
		break;
	default:
		memset(ste, 0, STE_WORDS * sizeof(*ste));
		ste[0] = STE_V | field_put(STE_CONFIG, STE_CONFIG_ABORT);
		break;
	}
}

static int attach(struct iommu_domain *domain, struct device *device)
{
	struct arm_smmu_nested *nested = (struct arm_smmu_nested *)domain;
	struct arm_smmu_master *master = (struct arm_smmu_master *)device;
	uint64_t virt_id;
	if (nested->parent->smmu != master->smmu)
		return refuse(device->machine, EINVAL, "smmuv3 9.1", "another SMMU");
	if (config_of(nested->ste) == STE_CONFIG_S1 &&
	    iommufd_viommu_virt_id(nested->viommu, device, &virt_id) != 0)
		return refuse(device->machine, ENOENT, "smmuv3 9.1",
			      "a device with a stage 1 of the guest's needs a vDEVICE");
	arm_smmu_install(master, nested->parent, nested);
	return 0;
}

static void free_nested(struct iommu_domain *domain)
{
	arena_delete(domain->machine->arena, (struct arm_smmu_nested *)domain);
}

static const struct iommu_domain_ops nested_ops = {
	.attach = attach,
	.free = free_nested,
};

/* --- the guest's entry --- */

static int check(struct machine *machine, const uint64_t ste[2])
{
	uint64_t config = field_get(ste[0], STE_CONFIG), eats = field_get(ste[1], STE_EATS);
	const char *why = NULL;
	if ((ste[0] & ~GUEST_DW0) != 0 || (ste[1] & ~GUEST_DW1) != 0)
		why = "a bit of the guest's stream table entry that is not for guests";
	else if (config != STE_CONFIG_ABORT && config != STE_CONFIG_BYPASS &&
		 config != STE_CONFIG_S1)
		why = "Config of the guest's stream table entry is not 0, 4 or 5";
	else if (eats != EATS_OFF && eats != EATS_FULL)
		why = "EATS of the guest's stream table entry is not 0 or 1";
	return why != NULL ? refuse(machine, EIO, "smmuv3 9.2", why) : 0;
}

static const struct user_data_form hwpt_data = {
	.type = IOMMU_HWPT_DATA_ARM_SMMUV3,
	.size = sizeof(struct iommu_hwpt_arm_smmuv3),
	.min = sizeof(struct iommu_hwpt_arm_smmuv3),
	.not_type = "data_type is not IOMMU_HWPT_DATA_ARM_SMMUV3, 2",
	.not_length = "data_len is not that of an iommu_hwpt_arm_smmuv3, 16",
};

int arm_smmu_nested_alloc(struct iommufd_viommu *viommu, struct arm_smmu_domain *parent,
			  uint32_t flags, const struct user_data *data, struct iommu_domain **out)
{
	struct machine *machine = parent->smmu->machine;
	struct iommu_hwpt_arm_smmuv3 guest;
	if (flags != 0)
		return refuse(machine, EOPNOTSUPP, "smmuv3 9.2", "a nested HWPT takes no flags");
	int error = copy_user_data(data, &hwpt_data, &guest);
	if (error != 0)
		return error;
	if (!(guest.ste[0] & STE_V)) /* and the rest is not looked at */
		memset(&guest, 0, sizeof(guest));
	error = check(machine, guest.ste);
	if (error != 0)
		return error;
	struct arm_smmu_nested *nested = arena_new(machine->arena, struct arm_smmu_nested);
	nested->domain.kind = IOMMU_DOMAIN_NESTED;
	nested->domain.machine = machine;
	nested->domain.driver = &arm_smmu_ops;
	nested->domain.ops = &nested_ops;
	nested->viommu = viommu;
	nested->parent = parent;
	nested->ats = config_of(guest.ste) == STE_CONFIG_S1 && (guest.ste[1] & STE_EATS);
	nested->ste[0] = guest.ste[0];
	nested->ste[1] = guest.ste[1] & ~STE_EATS;
	*out = &nested->domain;
	return 0;
}

/* --- a vIOMMU of its own --- */

static int alloc_domain_nested(struct iommufd_viommu *viommu, uint32_t flags,
			       const struct user_data *data, struct iommu_domain **out)
{
	return arm_smmu_nested_alloc(viommu, viommu->driver_data, flags, data, out);
}

static int cache_invalidate(struct iommufd_viommu *viommu, struct user_data_array *array)
{
	const struct arm_smmu_domain *parent = viommu->driver_data;
	return arm_vsmmu_cache_invalidate(viommu, parent->smmu, parent->vmid, array);
}

const struct iommufd_viommu_ops arm_vsmmu_ops = {
	.alloc_domain_nested = alloc_domain_nested,
	.cache_invalidate = cache_invalidate,
};

int arm_vsmmu_init(struct iommufd_viommu *viommu, struct arm_smmu_domain *parent,
		   const struct user_data *data)
{
	(void)data; /* the type has none */
	viommu->driver_data = parent;
	viommu->ops = &arm_vsmmu_ops;
	return 0;
}
