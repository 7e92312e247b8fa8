// SPDX-License-Identifier: Apache-2.0
/* HWPT_INVALIDATE on a vIOMMU: a guest's commands by the main queue, never a VCMDQ (smmuv3 9.3; iommufd app. D). */
#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define GROUP_MAX 63U /* commands between two CMD_SYNCs */

static bool has_substreams(const struct arm_smmu *smmu)
{
	return field_get(smmu->idr[1], IDR1_SSIDSIZE) != 0;
}

static uint64_t asid_bits(const struct arm_smmu *smmu)
{
	return smmu->idr[0] & IDR0_ASID16 ? CMD_ASID : BITS(55, 48);
}

/* What user space may write into a TLBI by address; the range only where the hardware has ranges. */
static void allow_address(const struct arm_smmu *smmu, uint64_t bits[2])
{
	bool ranges = smmu->idr[3] & IDR3_RIL;
	bits[0] |= CMD_VMID | (ranges ? CMD_TLBI_RANGE0 : 0);
	bits[1] |= CMD_ADDR | CMD_LEAF | (ranges ? CMD_TLBI_RANGE1 : 0);
}

/* Bits that user space may set in a command; false: none of its business. */
static bool allowed_bits(const struct arm_smmu *smmu, unsigned opcode, uint64_t bits[2])
{
	bits[0] = CMD_OPCODE;
	bits[1] = 0;
	switch (opcode) {
	case CMD_TLBI_NSNH_ALL:
		return true;
	case CMD_TLBI_NH_ALL:
		bits[0] |= CMD_VMID;
		return true;
	case CMD_TLBI_NH_ASID:
		bits[0] |= CMD_VMID | asid_bits(smmu);
		return true;
	case CMD_TLBI_NH_VA:
		bits[0] |= asid_bits(smmu);
		allow_address(smmu, bits);
		return true;
	case CMD_TLBI_NH_VAA:
		allow_address(smmu, bits);
		return true;
	case CMD_ATC_INV:
		bits[0] |=
			CMD_SID | (has_substreams(smmu) ? CMD_SSV | CMD_SSID | CMD_ATC_GLOBAL : 0);
		bits[1] |= CMD_ATC_SIZE | CMD_ADDR;
		return smmu->idr[0] & IDR0_ATS;
	case CMD_CFGI_CD:
		bits[0] |= CMD_SID | (has_substreams(smmu) ? CMD_SSID : 0);
		bits[1] |= CMD_LEAF;
		return true;
	case CMD_CFGI_CD_ALL:
		bits[0] |= CMD_SID;
		return true;
	default:
		return false;
	}
}

/* A granule needs a range or a level, and these a granule; 16 KiB at level 1 and 2^32 pages need DS. */
static bool range_legal(const struct arm_smmu *smmu, const struct smmu_command *command)
{
	bool ds = smmu->idr[5] & IDR5_DS;
	uint64_t scale = field_get(command->dw[0], CMD_TLBI_SCALE);
	uint64_t ttl = field_get(command->dw[1], CMD_TLBI_TTL);
	uint64_t granule = field_get(command->dw[1], CMD_TLBI_TG);
	bool any = field_get(command->dw[0], CMD_TLBI_NUM) != 0 || scale != 0 || ttl != 0;
	return (granule != 0) == any && (ds || (scale < 32 && !(granule == 2 && ttl == 1)));
}

static bool fields_legal(const struct arm_smmu *smmu, const struct smmu_command *command)
{
	unsigned opcode = command_opcode(command);
	uint64_t bits[2];
	if (!allowed_bits(smmu, opcode, bits) || (command->dw[0] & ~bits[0]) != 0 ||
	    (command->dw[1] & ~bits[1]) != 0)
		return false;
	if (opcode == CMD_TLBI_NH_VA || opcode == CMD_TLBI_NH_VAA)
		return range_legal(smmu, command);
	return opcode != CMD_ATC_INV || field_get(command->dw[1], CMD_ATC_SIZE) <= ATC_SIZE_ALL;
}

static bool has_stream(unsigned opcode)
{
	return opcode == CMD_ATC_INV || opcode == CMD_CFGI_CD || opcode == CMD_CFGI_CD_ALL;
}

/* Makes a guest's command one of the host's: the parent's VMID, the device's own stream id. */
static int convert(struct iommufd_viommu *viommu, const struct arm_smmu *smmu, uint16_t vmid,
		   struct smmu_command *command)
{
	unsigned opcode = command_opcode(command);
	if (!fields_legal(smmu, command))
		return refuse(smmu->machine, EIO, "smmuv3 9.3", "not a command for user space");
	if (!has_stream(opcode)) {
		if (opcode == CMD_TLBI_NSNH_ALL)
			command->dw[0] = field_set(command->dw[0], CMD_OPCODE, CMD_TLBI_NH_ALL);
		command->dw[0] = field_set(command->dw[0], CMD_VMID, vmid);
		return 0;
	}
	const struct arm_smmu_master *master =
		(const struct arm_smmu_master *)iommufd_viommu_find_device(
			viommu, field_get(command->dw[0], CMD_SID));
	if (master == NULL)
		return refuse(smmu->machine, EIO, "smmuv3 9.3", "no vDEVICE has the stream id");
	command->dw[0] = field_set(command->dw[0], CMD_SID, master->sid);
	return 0;
}

static int copy_commands(const struct user_data_array *array, struct smmu_command *commands,
			 uint32_t count)
{
	int error = 0;
	for (uint32_t i = 0; error == 0 && i < count; i++) {
		uint8_t bytes[COMMAND_SIZE];
		error = copy_array_entry(array, i, bytes, sizeof(bytes));
		if (error == 0)
			commands[i] = command_load(bytes);
	}
	return error;
}

/* How many were converted; of a group with a bad one none is sent. */
static int send_commands(struct iommufd_viommu *viommu, struct arm_smmu *smmu, uint16_t vmid,
			 struct smmu_command *commands, uint32_t count, uint32_t *done)
{
	struct arm_smmu_batch batch = {.cmdq = &smmu->cmdq};
	for (*done = 0; *done < count;) {
		/* What is sent twice goes apart from what is not. */
		if (batch.count > 0 && arm_smmu_repeats(smmu, &batch.commands[0]) !=
					       arm_smmu_repeats(smmu, &commands[*done]))
			arm_smmu_batch_submit(&batch);
		int error = convert(viommu, smmu, vmid, &commands[*done]);
		if (error != 0)
			return error;
		arm_smmu_batch_add(&batch, commands[(*done)++]);
		if (batch.count == GROUP_MAX)
			arm_smmu_batch_submit(&batch);
	}
	arm_smmu_batch_submit(&batch);
	return 0;
}

int arm_vsmmu_cache_invalidate(struct iommufd_viommu *viommu, struct arm_smmu *smmu, uint16_t vmid,
			       struct user_data_array *array)
{
	struct machine *machine = smmu->machine;
	uint32_t count = array->entry_count;
	uint64_t size = (uint64_t)count * sizeof(struct smmu_command);
	if (no_memory(machine, "invalidation buffer"))
		return refuse(machine, ENOMEM, "smmuv3 9.3", "no memory for the commands");
	array->entry_count = 0;
	if (count == 0)
		return refuse(machine, EINVAL, "smmuv3 9.3", "entry_num is 0");
	if (array->type != IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3)
		return refuse(machine, EINVAL, "smmuv3 9.3",
			      "data_type is not IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3, 1");
	struct smmu_command *commands = arena_alloc(machine->arena, size);
	int error = copy_commands(array, commands, count);
	if (error == 0)
		error = send_commands(viommu, smmu, vmid, commands, count, &array->entry_count);
	arena_free(machine->arena, commands, size);
	return error;
}
