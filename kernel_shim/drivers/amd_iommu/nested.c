// SPDX-License-Identifier: Apache-2.0
/*
 * Nested domains on a vIOMMU (12; amd-viommu 9, 13): the guest's tables over the parent's. Each
 * DomainID of the guest has one of the host's, which the map of DomainIDs leads to.
 */
#include "kernel_shim/drivers/amd_iommu/amd.h"

struct amd_nested {
	struct iommu_domain domain;
	struct iommufd_viommu *object;
	struct amd_viommu *viommu;
	struct amd_guest_domain *number;
	struct amd_dte guest_dte;
};

/* --- DomainIDs --- */

static struct amd_guest_domain *find_number(struct amd_viommu *viommu, uint16_t guest)
{
	struct amd_guest_domain *number;
	LIST_FOREACH (number, &viommu->numbers, link)
		if (number->guest == guest)
			break;
	return number;
}

static void reach(const struct amd_viommu *viommu, uint16_t host, bool may)
{
	ledger_guest_reach(&viommu->amd->machine->ledger, viommu->ledger_guest, REACH_DOMAIN, host,
			   may);
}

/* NULL: none is free. */
static struct amd_guest_domain *take_number(struct amd_viommu *viommu, uint16_t guest)
{
	struct amd_guest_domain *number = find_number(viommu, guest);
	if (number != NULL) {
		number->users++;
		return number;
	}
	uint16_t host = amd_take_number(viommu->amd->domains);
	if (host == 0)
		return NULL;
	number = arena_new(viommu->amd->machine->arena, struct amd_guest_domain);
	number->guest = guest;
	number->host = host;
	number->users = 1;
	amd_domain_lock(viommu->parent);
	LIST_INSERT_HEAD(&viommu->numbers, number, link);
	amd_domain_unlock(viommu->parent);
	reach(viommu, host, true);
	amd_viommu_map_domain(viommu, guest, host);
	return number;
}

/* An entry of the map is never cleared: it leads to the parent's again (amd-viommu 5, 7). */
static void put_number(struct amd_viommu *viommu, struct amd_guest_domain *number)
{
	if (--number->users > 0)
		return;
	amd_viommu_map_domain(viommu, number->guest, viommu->parent->id);
	amd_queue(viommu->amd, amd_command_invalidate_domain(number->host));
	amd_completion_wait(viommu->amd);
	reach(viommu, number->host, false);
	amd_give_number(viommu->amd->domains, number->host);
	amd_domain_lock(viommu->parent);
	LIST_REMOVE(number, link);
	amd_domain_unlock(viommu->parent);
	arena_delete(viommu->amd->machine->arena, number);
}

/* --- attach --- */

/* The parent's tables and the guest's over them (12); whose device it is, where that is known. */
static struct amd_dte entry_for(const struct amd_nested *nested, struct device *device)
{
	const struct amd_viommu *viommu = nested->viommu;
	const struct amd_dte *guest = &nested->guest_dte;
	struct amd_dte dte = amd_domain_dte(viommu->parent, nested->number->host);
	uint64_t virt_id;
	dte.q[0] |= DTE_GV | (guest->q[0] & (DTE_PPR | DTE_GLX | DTE_GIOV | DTE_GCR3_14_12));
	dte.q[1] |= guest->q[1] & (DTE_GCR3_30_15 | DTE_GCR3_51_31);
	dte.q[2] |= guest->q[2] & DTE_GUEST_MODE;
	if (((const struct amd_device *)device)->ats)
		dte.q[1] |= DTE_I;
	if (iommufd_viommu_virt_id(nested->object, device, &virt_id) == 0)
		dte.q[3] |= DTE_VIOMMU_EN | field_put(DTE_GDEVICE, virt_id) |
			    field_put(DTE_GUEST, viommu->guest);
	return dte;
}

/* The device is not the parent's: its iommu_array does not count it (amd-viommu 12.3, 1). */
static int attach(struct iommu_domain *domain, struct device *iommu_device)
{
	struct amd_nested *nested = (struct amd_nested *)domain;
	struct amd_device *device = (struct amd_device *)iommu_device;
	struct amd_dte dte = entry_for(nested, iommu_device);
	if (nested->viommu->amd != device->amd)
		return refuse(iommu_device->machine, EINVAL, "iommufd app. D attach",
			      "another IOMMU");
	const struct amd_nested *old = device->nested;
	if (device->domain != NULL)
		amd_block(iommu_device); /* a change goes through the detached state (9) */
	amd_bind_device(device, LEDGER_IN_TRANSITION);
	device->nested = nested;
	amd_dte_update(device->amd, device->id, &dte);
	if (old != NULL)
		amd_nested_flush(old);
	amd_bind_device(device, nested->viommu->parent->domain.holder);
	return 0;
}

void amd_nested_flush(const struct amd_nested *nested)
{
	amd_queue(nested->viommu->amd, amd_command_invalidate_domain(nested->number->host));
	amd_completion_wait(nested->viommu->amd);
}

static void free_nested(struct iommu_domain *domain)
{
	struct amd_nested *nested = (struct amd_nested *)domain;
	put_number(nested->viommu, nested->number);
	arena_delete(domain->machine->arena, nested);
}

static const struct iommu_domain_ops nested_ops = {
	.attach = attach,
	.free = free_nested,
};

/* --- the guest's table entry (12) --- */

static bool is_valid(const struct amd_dte *dte)
{
	bool translates = (dte->q[0] & DTE_V) && (dte->q[0] & DTE_GV);
	return field_get(dte->q[0], DTE_MODE) == 0 && (dte->q[0] & DTE_ROOT) == 0 &&
	       field_get(dte->q[0], DTE_GLX) != DTE_GLX_RESERVED &&
	       field_get(dte->q[2], DTE_GUEST_MODE) <= 1 && (!translates || amd_dte_gcr3(dte) != 0);
}

static const struct user_data_form hwpt_data = {
	.type = IOMMU_HWPT_DATA_AMD_GUEST,
	.size = sizeof(struct iommu_hwpt_amd_guest),
	.min = sizeof(struct iommu_hwpt_amd_guest),
	.not_type = "data_type is not IOMMU_HWPT_DATA_AMD_GUEST, 3",
	.not_length = "data_len is not that of an iommu_hwpt_amd_guest, 32",
};

int amd_nested_alloc(struct iommufd_viommu *object, uint32_t flags, const struct user_data *data,
		     struct iommu_domain **out)
{
	struct amd_viommu *viommu = object->driver_data;
	struct machine *machine = viommu->amd->machine;
	struct iommu_hwpt_amd_guest guest;
	(void)flags;
	int error = copy_user_data(data, &hwpt_data, &guest);
	if (error != 0)
		return error;
	const struct amd_dte dte = {{guest.dte[0], guest.dte[1], guest.dte[2], guest.dte[3]}};
	if (!is_valid(&dte))
		return refuse(
			machine, EINVAL, "amd-iommu 12",
			"the guest's table entry has a host table, a level that there is not, "
			"or no GCR3 table");
	struct amd_guest_domain *number =
		take_number(viommu, (uint16_t)field_get(dte.q[1], DTE_DOMAIN));
	if (number == NULL)
		return refuse(machine, ENOSPC, "amd-viommu 9", "no DomainID is free");
	struct amd_nested *nested = arena_new(machine->arena, struct amd_nested);
	nested->domain.kind = IOMMU_DOMAIN_NESTED;
	nested->domain.machine = machine;
	nested->domain.driver = &amd_ops;
	nested->domain.ops = &nested_ops;
	nested->object = object;
	nested->viommu = viommu;
	nested->number = number;
	nested->guest_dte = dte;
	*out = &nested->domain;
	return 0;
}
