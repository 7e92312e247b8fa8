// SPDX-License-Identifier: Apache-2.0
/* What commands do to the TLB and to devices (smmuv3 3.2, 7.3). */
#include "models/nvidia_vcmdq/smmu.h"

bool smmu_command_legal(const struct smmu *smmu, const struct smmu_command *command)
{
	bool stage2 = field_get(smmu->idr[0], IDR0_S2P) != 0;
	bool stage1 = field_get(smmu->idr[0], IDR0_S1P) != 0;
	if (command->dw[0] & CMD_SSEC)
		return false; /* not in a non-secure queue (3.3) */
	switch (command_opcode(command)) {
	case CMD_PREFETCH_CONFIG:
	case CMD_PREFETCH_ADDR:
	case CMD_CFGI_STE:
	case CMD_CFGI_STE_RANGE:
	case CMD_TLBI_NSNH_ALL:
		return true;
	case CMD_CFGI_CD:
	case CMD_CFGI_CD_ALL:
	case CMD_TLBI_NH_ALL:
	case CMD_TLBI_NH_ASID:
	case CMD_TLBI_NH_VA:
	case CMD_TLBI_NH_VAA:
		return stage1;
	case CMD_TLBI_S12_VMALL:
	case CMD_TLBI_S2_IPA:
		return stage2;
	case CMD_ATC_INV:
		return field_get(smmu->idr[0], IDR0_ATS) != 0;
	case CMD_SYNC:
		return field_get(command->dw[0], CMD_SYNC_CS) != 3;
	default:
		return false;
	}
}

static bool match_all(const struct tlb_entry *entry, const void *key)
{
	(void)entry;
	(void)key;
	return true;
}

static uint16_t vmid_of(const struct smmu_command *command)
{
	return (uint16_t)field_get(command->dw[0], CMD_VMID);
}

static uint16_t asid_of(const struct smmu_command *command)
{
	return (uint16_t)field_get(command->dw[0], CMD_ASID);
}

static bool match_vmid(const struct tlb_entry *entry, const void *key)
{
	return entry->vmid == vmid_of(key);
}

static bool match_nh_all(const struct tlb_entry *entry, const void *key)
{
	return entry->stage1 && entry->vmid == vmid_of(key);
}

static bool match_nh_asid(const struct tlb_entry *entry, const void *key)
{
	return match_nh_all(entry, key) && entry->asid == asid_of(key);
}

static bool match_nh_vaa(const struct tlb_entry *entry, const void *key)
{
	const struct smmu_command *command = key;
	return match_nh_all(entry, key) && entry->input == command->dw[1] >> PAGE_SHIFT;
}

static bool match_nh_va(const struct tlb_entry *entry, const void *key)
{
	return match_nh_vaa(entry, key) && entry->asid == asid_of(key);
}

static bool match_s2_ipa(const struct tlb_entry *entry, const void *key)
{
	const struct smmu_command *command = key;
	return !entry->stage1 && entry->vmid == vmid_of(key) &&
	       entry->input == command->dw[1] >> PAGE_SHIFT;
}

static uint32_t remove_page(struct tlb *tlb, tlb_match_fn *match,
			    const struct smmu_command *command)
{
	uint32_t removed = 0;
	/* A leaf is cached under its first page. */
	for (uint32_t orders = tlb->orders; orders != 0; orders &= orders - 1) {
		uint32_t order = (uint32_t)__builtin_ctz(orders);
		struct smmu_command leaf = *command;
		leaf.dw[1] &= ~((PAGE_SIZE << order) - 1);
		removed += tlb_remove_at(tlb, order, vmid_of(command), leaf.dw[1] >> PAGE_SHIFT,
					 match, &leaf);
	}
	return removed;
}

uint32_t smmu_execute(struct smmu *smmu, const struct smmu_command *command)
{
	struct tlb *tlb = &smmu->tlb;
	switch (command_opcode(command)) {
	case CMD_TLBI_NSNH_ALL:
		return tlb_remove(tlb, match_all, command);
	case CMD_TLBI_S12_VMALL:
		return tlb_remove(tlb, match_vmid, command);
	case CMD_TLBI_S2_IPA:
		return remove_page(tlb, match_s2_ipa, command);
	case CMD_TLBI_NH_ALL:
		return tlb_remove(tlb, match_nh_all, command);
	case CMD_TLBI_NH_ASID:
		return tlb_remove(tlb, match_nh_asid, command);
	case CMD_TLBI_NH_VA:
		return remove_page(tlb, match_nh_va, command);
	case CMD_TLBI_NH_VAA:
		return remove_page(tlb, match_nh_vaa, command);
	default:
		return 0; /* configuration is read from memory each time: nothing cached to drop */
	}
}
