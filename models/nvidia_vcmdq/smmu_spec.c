// SPDX-License-Identifier: Apache-2.0
#include "models/nvidia_vcmdq/smmu_spec.h"

#include <stddef.h>

void command_store(uint8_t bytes[COMMAND_SIZE], const struct smmu_command *command)
{
	store_le64(bytes, command->dw[0]);
	store_le64(bytes + 8, command->dw[1]);
}

struct smmu_command command_load(const uint8_t bytes[COMMAND_SIZE])
{
	return (struct smmu_command){{load_le64(bytes), load_le64(bytes + 8)}};
}

const char *command_name(unsigned opcode)
{
	switch (opcode) {
	case CMD_PREFETCH_CONFIG:
		return "PREFETCH_CONFIG";
	case CMD_PREFETCH_ADDR:
		return "PREFETCH_ADDR";
	case CMD_CFGI_STE:
		return "CFGI_STE";
	case CMD_CFGI_STE_RANGE:
		return "CFGI_STE_RANGE";
	case CMD_CFGI_CD:
		return "CFGI_CD";
	case CMD_CFGI_CD_ALL:
		return "CFGI_CD_ALL";
	case CMD_TLBI_NH_ALL:
		return "TLBI_NH_ALL";
	case CMD_TLBI_NH_ASID:
		return "TLBI_NH_ASID";
	case CMD_TLBI_NH_VA:
		return "TLBI_NH_VA";
	case CMD_TLBI_NH_VAA:
		return "TLBI_NH_VAA";
	case CMD_TLBI_S12_VMALL:
		return "TLBI_S12_VMALL";
	case CMD_TLBI_S2_IPA:
		return "TLBI_S2_IPA";
	case CMD_TLBI_NSNH_ALL:
		return "TLBI_NSNH_ALL";
	case CMD_ATC_INV:
		return "ATC_INV";
	case CMD_SYNC:
		return "CMD_SYNC";
	default:
		return NULL;
	}
}

static struct smmu_command command(unsigned opcode, uint64_t dw0, uint64_t dw1)
{
	return (struct smmu_command){{field_put(CMD_OPCODE, opcode) | dw0, dw1}};
}

/* As Linux writes it: inner shareable, write-back (3.2). */
struct smmu_command command_sync(unsigned completion)
{
	return command(CMD_SYNC,
		       field_put(CMD_SYNC_CS, completion) | field_put(CMD_SYNC_MSH, 3) |
			       field_put(CMD_SYNC_MSIATTR, 0xf),
		       0);
}

struct smmu_command command_cfgi_ste(uint32_t sid, unsigned leaf)
{
	return command(CMD_CFGI_STE, field_put(CMD_SID, sid), field_put(CMD_LEAF, leaf));
}

struct smmu_command command_cfgi_all(void)
{
	return command(CMD_CFGI_STE_RANGE, 0, field_put(CMD_CFGI_RANGE, CFGI_RANGE_ALL));
}

struct smmu_command command_tlbi_nsnh_all(void)
{
	return command(CMD_TLBI_NSNH_ALL, 0, 0);
}

struct smmu_command command_tlbi_nh_all(uint16_t vmid)
{
	return command(CMD_TLBI_NH_ALL, field_put(CMD_VMID, vmid), 0);
}

struct smmu_command command_tlbi_nh_asid(uint16_t vmid, uint16_t asid)
{
	return command(CMD_TLBI_NH_ASID, field_put(CMD_VMID, vmid) | field_put(CMD_ASID, asid), 0);
}

struct smmu_command command_tlbi_nh_va(uint16_t vmid, uint16_t asid, uint64_t va, unsigned leaf)
{
	return command(CMD_TLBI_NH_VA, field_put(CMD_VMID, vmid) | field_put(CMD_ASID, asid),
		       (va & CMD_ADDR) | field_put(CMD_LEAF, leaf));
}

struct smmu_command command_tlbi_s12_vmall(uint16_t vmid)
{
	return command(CMD_TLBI_S12_VMALL, field_put(CMD_VMID, vmid), 0);
}

struct smmu_command command_tlbi_s2_ipa(uint16_t vmid, uint64_t ipa, unsigned leaf)
{
	return command(CMD_TLBI_S2_IPA, field_put(CMD_VMID, vmid),
		       (ipa & CMD_ADDR) | field_put(CMD_LEAF, leaf));
}

struct smmu_command command_atc_inv(uint32_t sid, uint64_t address, unsigned size)
{
	return command(CMD_ATC_INV, field_put(CMD_SID, sid),
		       (address & CMD_ADDR) | field_put(CMD_ATC_SIZE, size));
}

const char *event_name(unsigned id)
{
	switch (id) {
	case EVT_C_BAD_STREAMID:
		return "C_BAD_STREAMID";
	case EVT_F_STE_FETCH:
		return "F_STE_FETCH";
	case EVT_C_BAD_STE:
		return "C_BAD_STE";
	case EVT_F_WALK_EABT:
		return "F_WALK_EABT";
	case EVT_F_TRANSLATION:
		return "F_TRANSLATION";
	case EVT_F_ADDR_SIZE:
		return "F_ADDR_SIZE";
	case EVT_F_ACCESS:
		return "F_ACCESS";
	case EVT_F_PERMISSION:
		return "F_PERMISSION";
	default:
		return NULL;
	}
}

static const unsigned address_bits[] = {32, 36, 40, 42, 44, 48, 52, 56};

unsigned smmu_address_bits(unsigned code)
{
	return address_bits[code & 7];
}

unsigned smmu_address_code(unsigned bits)
{
	unsigned code = 0;
	while (code < 7 && address_bits[code] < bits)
		code++;
	return code;
}
