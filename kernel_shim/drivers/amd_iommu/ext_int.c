// SPDX-License-Identifier: Apache-2.0
/*
 * Extended interrupt remapping, of guests' events and page requests (amd-viommu 11, 13): a table of level
 * 1 in the IOMMU's own entry, and below it one for 256 GuestIDs of a type. AE-d's ioctl names a vCPU of
 * KVM; there is none here, so that who calls says where its vAPIC page is.
 */
#include <assert.h>

#include "kernel_shim/drivers/amd_iommu/amd.h"

#define L1_CODE    10U /* 1024 entries of 8 bytes */
#define L2_CODE    8U  /* 256 of 16 */
#define ENTRY_SIZE 8U

bool amd_ext_int_init(struct amd *amd)
{
	amd->ext_int_pfn = alloc_shared_frames(amd->machine, (uint64_t)ENTRY_SIZE << L1_CODE);
	return amd->ext_int_pfn != 0;
}

void amd_ext_int_fini(struct amd *amd)
{
	if (amd->ext_int_pfn != 0)
		memory_put(&amd->machine->memory, amd->ext_int_pfn,
			   ((uint64_t)ENTRY_SIZE << L1_CODE) / PAGE_SIZE);
	amd->ext_int_pfn = 0;
}

uint64_t amd_ext_int_word(const struct amd *amd)
{
	return DTE_IV | field_put(DTE_INT_LENGTH, L1_CODE) | amd->ext_int_pfn * PAGE_SIZE |
	       field_put(DTE_INT_CTL, INT_CTL_REMAP);
}

/* Of an extended id: type << 16 | GuestID. */
static uint64_t l1_at(const struct amd *amd, uint16_t guest, unsigned type)
{
	return amd->ext_int_pfn * PAGE_SIZE + ENTRY_SIZE * (type << 8 | guest >> 8);
}

static uint64_t irte_at(const struct amd *amd, uint16_t guest, unsigned type)
{
	uint64_t entry = read_shared_word(amd->machine, l1_at(amd, guest, type));
	assert(entry & EXT_INT_VALID);
	return (entry & EXT_INT_TABLE) + (uint64_t)IRTE_WIDE_SIZE * (guest & 0xff);
}

/* What was not present needs no invalidation (amd-iommu 9). */
bool amd_ext_int_prepare(struct amd *amd, uint16_t guest)
{
	for (unsigned type = 0; type < AMD_EXT_INT_TYPES; type++) {
		uint64_t at = l1_at(amd, guest, type);
		if (read_shared_word(amd->machine, at) & EXT_INT_VALID)
			continue;
		uint64_t pfn =
			alloc_shared_frames(amd->machine, (uint64_t)IRTE_WIDE_SIZE << L2_CODE);
		if (pfn == 0)
			return false;
		write_shared_word(amd->machine, at,
				  EXT_INT_VALID | field_put(EXT_INT_LENGTH, L2_CODE) |
					  pfn * PAGE_SIZE);
	}
	return true;
}

/* Guest form: the vector goes to the vAPIC page. The valid bit is in the half that is written last. */
void amd_ext_int_set(struct amd *amd, uint16_t guest, unsigned type, struct pa vapic,
		     uint8_t vector, uint32_t tag)
{
	uint64_t at = irte_at(amd, guest, type);
	write_shared_word(amd->machine, at, 0);
	write_shared_word(amd->machine, at + 8, vapic.value | field_put(IRTE_WIDE_VECTOR, vector));
	write_shared_word(amd->machine, at,
			  IRTE_REMAP_EN | IRTE_GUEST_MODE | field_put(IRTE_WIDE_TAG, tag));
	amd_queue(amd, amd_command_invalidate_interrupt(amd->own_device));
	amd_completion_wait(amd);
}

void amd_ext_int_clear(struct amd *amd, uint16_t guest)
{
	bool any = false;
	for (unsigned type = 0; type < AMD_EXT_INT_TYPES; type++) {
		uint64_t at = irte_at(amd, guest, type);
		any = any || (read_shared_word(amd->machine, at) & IRTE_REMAP_EN);
		write_shared_word(amd->machine, at, 0);
		write_shared_word(amd->machine, at + 8, 0);
	}
	if (!any)
		return;
	amd_queue(amd, amd_command_invalidate_interrupt(amd->own_device));
	amd_completion_wait(amd);
}
