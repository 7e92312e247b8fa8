// SPDX-License-Identifier: Apache-2.0
/* IOMMU_HWPT_INVALIDATE of a vIOMMU: a guest's commands, made the host's, on the main queue (smmuv3 9.3). */
#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define GROUP_MAX 63U /* commands that go together; the CMD_SYNC is the 64th */

struct guest_command {
	uint64_t dw[2]; /* as iommu_viommu_arm_smmuv3_invalidate has it */
};

/* Bits that a guest may set. */
static struct smmu_command allowed(const struct arm_smmu *smmu, unsigned opcode)
{
	uint64_t asid = smmu->idr[0] & IDR0_ASID16 ? CMD_ASID : CMD_ASID & BITS(55, 48);
	bool ranges = smmu->idr[3] & IDR3_RIL;
	uint64_t range0 = ranges ? CMD_TLBI_RANGE0 : 0, range1 = ranges ? CMD_TLBI_RANGE1 : 0;
	switch (opcode) {
	case CMD_TLBI_NSNH_ALL:
		return (struct smmu_command){{CMD_OPCODE, 0}};
	case CMD_TLBI_NH_ALL:
		return (struct smmu_command){{CMD_OPCODE | CMD_VMID, 0}};
	case CMD_TLBI_NH_ASID:
		return (struct smmu_command){{CMD_OPCODE | CMD_VMID | asid, 0}};
	case CMD_TLBI_NH_VA:
		return (struct smmu_command){
			{CMD_OPCODE | CMD_VMID | asid | range0, CMD_LEAF | CMD_ADDR | range1}};
	case CMD_TLBI_NH_VAA:
		return (struct smmu_command){
			{CMD_OPCODE | CMD_VMID | range0, CMD_LEAF | CMD_ADDR | range1}};
	case CMD_ATC_INV:
		return (struct smmu_command){{CMD_OPCODE | CMD_SID, CMD_ATC_SIZE | CMD_ADDR}};
	case CMD_CFGI_CD:
		return (struct smmu_command){{CMD_OPCODE | CMD_SID, CMD_LEAF}};
	case CMD_CFGI_CD_ALL:
		return (struct smmu_command){{CMD_OPCODE | CMD_SID, 0}};
	default:
		return (struct smmu_command){{0, 0}};
	}
}

/* Without 52-bit addresses (DS): some combinations name nothing. */
static bool range_makes_sense(const struct smmu_command *command)
{
	uint64_t tg = field_get(command->dw[1], CMD_TLBI_TG);
	uint64_t ttl = field_get(command->dw[1], CMD_TLBI_TTL);
	uint64_t scale = field_get(command->dw[0], CMD_TLBI_SCALE);
	bool none = (command->dw[0] & CMD_TLBI_RANGE0) == 0 && ttl == 0;
	if (tg == 0 || none)
		return tg == 0 && none;
	return !(tg == 2 && ttl == 1) && scale < 32;
}

static bool takes_sid(unsigned opcode)
{
	return opcode == CMD_ATC_INV || opcode == CMD_CFGI_CD || opcode == CMD_CFGI_CD_ALL;
}

static bool takes_range(unsigned opcode)
{
	return opcode == CMD_TLBI_NH_VA || opcode == CMD_TLBI_NH_VAA;
}

static int refuse_command(struct arm_smmu *smmu, const char *why)
{
	return refuse(smmu->machine, EIO, "smmuv3 9.3", why);
}

/* The guest's StreamID becomes the device's, its VMID its vIOMMU's. */
static int convert(struct iommufd_viommu *viommu, struct arm_smmu *smmu, uint16_t vmid,
		   struct smmu_command *command)
{
	unsigned opcode = command_opcode(command);
	struct smmu_command mask = allowed(smmu, opcode);
	if (mask.dw[0] == 0)
		return refuse_command(smmu, "the command is not for guests");
	if (opcode == CMD_ATC_INV &&
	    (!(smmu->idr[0] & IDR0_ATS) || field_get(command->dw[1], CMD_ATC_SIZE) > ATC_SIZE_ALL))
		return refuse_command(smmu, "no ATS, or more than all");
	if (command->dw[0] & ~mask.dw[0] || command->dw[1] & ~mask.dw[1])
		return refuse_command(smmu, "a field is not for guests");
	if (takes_range(opcode) && !range_makes_sense(command))
		return refuse_command(smmu, "the range makes no sense");
	if (takes_sid(opcode)) {
		uint32_t virt = (uint32_t)field_get(command->dw[0], CMD_SID);
		const struct device *device = iommufd_viommu_find_device(viommu, virt);
		if (device == NULL)
			return refuse_command(smmu, "no vDEVICE has this StreamID");
		command->dw[0] = field_set(command->dw[0], CMD_SID,
					   ((const struct arm_smmu_master *)device)->sid);
		return 0;
	}
	if (opcode == CMD_TLBI_NSNH_ALL)
		command->dw[0] = CMD_TLBI_NH_ALL;
	command->dw[0] = field_set(command->dw[0], CMD_VMID, vmid);
	return 0;
}

/*
 * The command that is refused ends it: those converted before it, but not yet sent, are not sent, and
 * are counted all the same (UNSURE whether that is intended).
 */
static int run(struct iommufd_viommu *viommu, struct arm_smmu *smmu, uint16_t vmid,
	       const struct guest_command *commands, uint32_t count, uint32_t *done)
{
	struct arm_smmu_batch batch = {.smmu = smmu};
	for (*done = 0; *done < count; ++*done) {
		struct smmu_command command = {{commands[*done].dw[0], commands[*done].dw[1]}};
		int error = convert(viommu, smmu, vmid, &command);
		if (error != 0)
			return error;
		arm_smmu_batch_add(&batch, command);
		if (batch.count == GROUP_MAX)
			arm_smmu_batch_submit(&batch);
	}
	arm_smmu_batch_submit(&batch);
	return 0;
}

int arm_smmu_cache_invalidate(struct iommufd_viommu *viommu, struct arm_smmu *smmu, uint16_t vmid,
			      struct user_data_array *array)
{
	struct machine *machine = smmu->machine;
	uint32_t count = array->entry_count;
	uint64_t size = (uint64_t)count * sizeof(struct guest_command);
	array->entry_count = 0;
	if (count == 0 || array->type != IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3)
		return refuse(machine, EINVAL, "smmuv3 9.3", "no entries, or of another type");
	if (no_memory(machine, "invalidation commands"))
		return refuse(machine, ENOMEM, "smmuv3 9.3", "no memory for the commands");
	struct guest_command *commands = arena_alloc(machine->arena, size);
	int error = 0;
	for (uint32_t i = 0; error == 0 && i < count; i++)
		error = copy_array_entry(array, i, &commands[i], sizeof(*commands));
	if (error == 0)
		error = run(viommu, smmu, vmid, commands, count, &array->entry_count);
	arena_free(machine->arena, commands, size);
	return error;
}
