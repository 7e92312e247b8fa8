// SPDX-License-Identifier: Apache-2.0
#include "models/nvidia_vcmdq/smmu_spec.h"

#include <stddef.h>

void command_store(uint8_t bytes[COMMAND_SIZE], const struct smmu_command *command)
{
	store_le64(bytes, command->dw[0]);
	store_le64(bytes + 8, command->dw[1]);
}

#define ROW(opcode, needs, guest, used0, used1) \
	[CMD_##opcode] = {#opcode, needs, guest, {CMD_OPCODE | (used0), (used1)}}
#define SYNC_ROW(used0, used1) \
	[CMD_SYNC] = {"CMD_SYNC", 0, COMMAND_GUEST_LEGAL, {CMD_OPCODE | (used0), (used1)}}
#define STAGE1 COMMAND_NEEDS_STAGE1
#define STAGE2 COMMAND_NEEDS_STAGE2
#define STALL  COMMAND_NEEDS_STALL
#define PRI    COMMAND_NEEDS_PRI
#define HYP    COMMAND_NEEDS_HYP
#define LEGAL  (COMMAND_GUEST_LEGAL | COMMAND_GUEST_VMID)
#define UNSURE (COMMAND_GUEST_UNSURE | COMMAND_GUEST_VMID)
#define RANGE0 (CMD_TLBI_RANGE0 | CMD_VMID)
#define RANGE1 (CMD_LEAF | CMD_TLBI_RANGE1 | CMD_ADDR)

const struct command_rules command_rules[256] = {
	ROW(PREFETCH_CONFIG, 0, 0, CMD_SSV | CMD_SSID | CMD_SID, 0),
	ROW(PREFETCH_ADDR, 0, 0, CMD_PREFETCH_NS | CMD_SSV | CMD_SSID | CMD_SID,
	    CMD_PREFETCH_RANGE | CMD_ADDR),
	ROW(CFGI_STE, 0, 0, CMD_SID, CMD_LEAF),
	ROW(CFGI_STE_RANGE, 0, 0, CMD_SID, CMD_CFGI_RANGE),
	ROW(CFGI_CD, STAGE1, 0, CMD_SSID | CMD_SID, CMD_LEAF),
	ROW(CFGI_CD_ALL, STAGE1, 0, CMD_SID, 0),
	ROW(TLBI_NH_ALL, STAGE1, 0, CMD_VMID, 0),
	ROW(TLBI_NH_ASID, STAGE1, LEGAL, CMD_VMID | CMD_ASID, 0),
	ROW(TLBI_NH_VA, STAGE1, LEGAL, RANGE0 | CMD_ASID, RANGE1),
	ROW(TLBI_NH_VAA, STAGE1, 0, RANGE0, RANGE1),
	ROW(TLBI_EL2_ALL, HYP, 0, 0, 0),
	ROW(TLBI_EL2_ASID, HYP, 0, CMD_ASID, 0),
	ROW(TLBI_EL2_VA, HYP, 0, CMD_TLBI_RANGE0 | CMD_ASID, RANGE1),
	ROW(TLBI_EL2_VAA, HYP, 0, CMD_TLBI_RANGE0, RANGE1),
	ROW(TLBI_S12_VMALL, STAGE2, UNSURE, CMD_VMID, 0),
	ROW(TLBI_S2_IPA, STAGE2, UNSURE, RANGE0, CMD_LEAF | CMD_TLBI_RANGE1 | CMD_IPA),
	ROW(TLBI_NSNH_ALL, 0, 0, 0, 0),
	ROW(ATC_INV, COMMAND_NEEDS_ATS, COMMAND_GUEST_LEGAL,
	    CMD_ATC_GLOBAL | CMD_SSV | CMD_SSID | CMD_SID, CMD_ATC_SIZE | CMD_ADDR),
	ROW(PRI_RESP, PRI, 0, CMD_SSV | CMD_SSID | CMD_SID, CMD_PRI_GROUP | CMD_PRI_RESP_CODE),
	ROW(RESUME, STALL, 0, CMD_RESUME_AC | CMD_RESUME_AB | CMD_SID, CMD_RESUME_STAG),
	ROW(STALL_TERM, STALL, 0, CMD_SID, 0),
	SYNC_ROW(CMD_SYNC_CS | CMD_SYNC_MSH | CMD_SYNC_MSIATTR | CMD_SYNC_MSIDATA,
		 CMD_SYNC_MSIADDR),
};

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

struct smmu_command command_prefetch_config(uint32_t sid)
{
	return (struct smmu_command){{CMD_PREFETCH_CONFIG | field_put(CMD_SID, sid), 0}};
}

struct smmu_command command_cfgi_ste(uint32_t sid, unsigned leaf)
{
	return command(CMD_CFGI_STE, field_put(CMD_SID, sid), field_put(CMD_LEAF, leaf));
}

struct smmu_command command_cfgi_all(void)
{
	return command(CMD_CFGI_STE_RANGE, 0, field_put(CMD_CFGI_RANGE, CFGI_RANGE_ALL));
}

struct smmu_command command_cfgi_cd(uint32_t sid, uint32_t ssid, unsigned leaf)
{
	return command(CMD_CFGI_CD, field_put(CMD_SID, sid) | field_put(CMD_SSID, ssid),
		       field_put(CMD_LEAF, leaf));
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
		       (ipa & CMD_IPA) | field_put(CMD_LEAF, leaf));
}

struct smmu_command command_resume_abort(uint32_t sid, uint16_t stag)
{
	return command(CMD_RESUME, field_put(CMD_SID, sid) | CMD_RESUME_AB,
		       field_put(CMD_RESUME_STAG, stag));
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
	case EVT_F_BAD_ATS_TREQ:
		return "F_BAD_ATS_TREQ";
	case EVT_F_STREAM_DISABLED:
		return "F_STREAM_DISABLED";
	case EVT_F_TRANSL_FORBIDDEN:
		return "F_TRANSL_FORBIDDEN";
	case EVT_C_BAD_SUBSTREAMID:
		return "C_BAD_SUBSTREAMID";
	case EVT_F_CD_FETCH:
		return "F_CD_FETCH";
	case EVT_C_BAD_CD:
		return "C_BAD_CD";
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
