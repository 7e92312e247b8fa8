/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMMUv3 encodings: registers, commands, stream table entries, stage-2 descriptors, event records.
 * Driver and model share them; golden bytes from captures and sheets test them.
 *
 * A field is a mask (emu/bits.h). dwN is the N-th little-endian 64-bit word. Sections: sheet
 * "smmuv3".
 */
#ifndef HWQ_MODELS_NVIDIA_VCMDQ_SMMU_SPEC_H
#define HWQ_MODELS_NVIDIA_VCMDQ_SMMU_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/bits.h"

/* --- registers (1.2) --- */
#define SMMU_WINDOW_SIZE     0x20000U
#define SMMU_IDR0            0x00U
#define SMMU_IDR1            0x04U
#define SMMU_IDR3            0x0cU
#define SMMU_IDR5            0x14U
#define SMMU_IIDR            0x18U
#define SMMU_AIDR            0x1cU
#define SMMU_CR0             0x20U
#define SMMU_CR0ACK          0x24U
#define SMMU_CR1             0x28U
#define SMMU_CR2             0x2cU
#define SMMU_GBPA            0x44U
#define SMMU_AGBPA           0x48U
#define SMMU_IRQ_CTRL        0x50U
#define SMMU_IRQ_CTRLACK     0x54U
#define SMMU_GERROR          0x60U
#define SMMU_GERRORN         0x64U
#define SMMU_GERROR_IRQ_CFG0 0x68U
#define SMMU_GERROR_IRQ_CFG1 0x70U
#define SMMU_GERROR_IRQ_CFG2 0x74U
#define SMMU_STRTAB_BASE     0x80U
#define SMMU_STRTAB_BASE_CFG 0x88U
#define SMMU_CMDQ_BASE       0x90U
#define SMMU_CMDQ_PROD       0x98U
#define SMMU_CMDQ_CONS       0x9cU
#define SMMU_EVENTQ_BASE     0xa0U
#define SMMU_EVENTQ_IRQ_CFG0 0xb0U
#define SMMU_EVENTQ_IRQ_CFG1 0xb8U
#define SMMU_EVENTQ_IRQ_CFG2 0xbcU
#define SMMU_PRIQ_BASE       0xc0U
#define SMMU_PRIQ_IRQ_CFG0   0xd0U
#define SMMU_PRIQ_IRQ_CFG1   0xd8U
#define SMMU_PRIQ_IRQ_CFG2   0xdcU
#define SMMU_PIDR4           0xfd0U /* to 7, then 0 to 3 */
#define SMMU_PIDR0           0xfe0U
#define SMMU_CIDR0           0xff0U
#define SMMU_CIDR3           0xffcU
#define SMMU_EVENTQ_PROD     0x100a8U
#define SMMU_EVENTQ_CONS     0x100acU
#define SMMU_PRIQ_PROD       0x100c8U
#define SMMU_PRIQ_CONS       0x100ccU

#define CIDR_BYTES 0xb105f00dU /* CIDR0's lowest */

#define IDR0_S2P            BITS(0, 0)
#define IDR0_S1P            BITS(1, 1)
#define IDR0_TTF            BITS(3, 2)
#define TTF_AARCH64         2U /* a bit: 3 is both formats */
#define IDR0_COHACC         BITS(4, 4)
#define IDR0_BTM            BITS(5, 5)
#define IDR0_HTTU           BITS(7, 6)
#define HTTU_ACCESS         1U
#define HTTU_DIRTY          2U
#define IDR0_HYP            BITS(9, 9)
#define IDR0_ATS            BITS(10, 10)
#define IDR0_NS1ATS         BITS(11, 11)
#define IDR0_ASID16         BITS(12, 12)
#define IDR0_MSI            BITS(13, 13)
#define IDR0_SEV            BITS(14, 14)
#define IDR0_PRI            BITS(16, 16)
#define IDR0_VMW            BITS(17, 17)
#define IDR0_VMID16         BITS(18, 18)
#define IDR0_CD2L           BITS(19, 19)
#define IDR0_TTENDIAN       BITS(22, 21)
#define TTENDIAN_MIXED      0U
#define TTENDIAN_LITTLE     2U
#define TTENDIAN_BIG        3U
#define IDR0_ATSRECERR      BITS(23, 23)
#define IDR0_STALL_MODEL    BITS(25, 24)
#define STALL_MODEL_CHOICE  0U
#define STALL_MODEL_FORCED  2U
#define IDR0_TERM_MODEL     BITS(26, 26)
#define IDR0_ST_LEVEL       BITS(28, 27)
#define IDR1_SIDSIZE        BITS(5, 0)
#define IDR1_SSIDSIZE       BITS(10, 6)
#define IDR1_PRIQS          BITS(15, 11)
#define IDR1_EVENTQS        BITS(20, 16)
#define IDR1_CMDQS          BITS(25, 21)
#define IDR1_ATTR_PERMS_OVR BITS(26, 26)
#define IDR1_ATTR_TYPES_OVR BITS(27, 27)
#define IDR1_REL            BITS(28, 28)
#define IDR1_QUEUES_PRESET  BITS(29, 29)
#define IDR1_TABLES_PRESET  BITS(30, 30)
#define IDR3_HAD            BITS(2, 2)
#define IDR3_XNX            BITS(4, 4)
#define IDR3_FWB            BITS(8, 8)
#define IDR3_STT            BITS(9, 9)
#define IDR3_RIL            BITS(10, 10)
#define IDR3_E0PD           BITS(13, 13)
#define IDR5_OAS            BITS(2, 0)
#define IDR5_GRAN4K         BITS(4, 4)
#define IDR5_GRAN16K        BITS(5, 5)
#define IDR5_GRAN64K        BITS(6, 6)
#define IDR5_DS             BITS(7, 7)
#define IDR5_VAX            BITS(11, 10)
#define IDR5_STALL_MAX      BITS(31, 16)

#define CR0_SMMUEN      BITS(0, 0)
#define CR0_PRIQEN      BITS(1, 1)
#define CR0_EVENTQEN    BITS(2, 2)
#define CR0_CMDQEN      BITS(3, 3)
#define CR0_ATSCHK      BITS(4, 4)
#define CR0_VMW         BITS(8, 6)
#define CR0_KNOWN       (CR0_SMMUEN | CR0_PRIQEN | CR0_EVENTQEN | CR0_CMDQEN | CR0_ATSCHK | CR0_VMW)
#define VMW_MAX         4U /* bits of the VMID */
#define CR1_QUEUES      BITS(5, 0)
#define CR1_TABLES      BITS(11, 6)
#define CR2_E2H         BITS(0, 0)
#define CR2_RECINVSID   BITS(1, 1)
#define CR2_PTM         BITS(2, 2)
#define CR2_REC_CFG_ATS BITS(3, 3)
#define CR2_KNOWN       (CR2_E2H | CR2_RECINVSID | CR2_PTM | CR2_REC_CFG_ATS)
#define GBPA_ABORT      BITS(20, 20)
#define GBPA_UPDATE     BITS(31, 31)
#define GBPA_ATTRIBUTES (BITS(19, 16) | BITS(13, 8) | BITS(4, 0))
#define GBPA_KNOWN      (GBPA_ATTRIBUTES | GBPA_ABORT)

#define IRQ_CTRL_GERROR BITS(0, 0)
#define IRQ_CTRL_PRIQ   BITS(1, 1)
#define IRQ_CTRL_EVENTQ BITS(2, 2)
#define PRIQ_CFG2_LO    BITS(31, 31) /* only for the last request of a group */

#define GERROR_CMDQ_ERR           BITS(0, 0)
#define GERROR_EVENTQ_ABT_ERR     BITS(2, 2)
#define GERROR_PRIQ_ABT_ERR       BITS(3, 3)
#define GERROR_MSI_CMDQ_ABT_ERR   BITS(4, 4)
#define GERROR_MSI_EVENTQ_ABT_ERR BITS(5, 5)
#define GERROR_MSI_PRIQ_ABT_ERR   BITS(6, 6)
#define GERROR_MSI_GERROR_ABT_ERR BITS(7, 7)
#define GERROR_KNOWN              (BITS(10, 2) | GERROR_CMDQ_ERR)

#define STRTAB_BASE_ADDR    BITS(55, 6)
#define STRTAB_CFG_LOG2SIZE BITS(5, 0)
#define STRTAB_CFG_SPLIT    BITS(10, 6)
#define STRTAB_CFG_FMT      BITS(17, 16)
#define STRTAB_CFG_KNOWN    (STRTAB_CFG_LOG2SIZE | STRTAB_CFG_SPLIT | STRTAB_CFG_FMT)
#define STRTAB_FMT_2LEVEL   1U
#define QUEUE_BASE_LOG2SIZE BITS(4, 0)
#define QUEUE_BASE_ADDR     BITS(55, 5)
#define QUEUE_POINTER       BITS(19, 0)
#define CMDQ_CONS_ERR       BITS(30, 24)
#define QUEUE_OVERFLOW      BITS(31, 31)

/* --- commands (3) --- */
#define COMMAND_SIZE 16U

struct smmu_command {
	uint64_t dw[2];
};

enum smmu_opcode {
	CMD_PREFETCH_CONFIG = 0x01,
	CMD_PREFETCH_ADDR = 0x02,
	CMD_CFGI_STE = 0x03,
	CMD_CFGI_STE_RANGE = 0x04,
	CMD_CFGI_CD = 0x05,
	CMD_CFGI_CD_ALL = 0x06,
	CMD_TLBI_NH_ALL = 0x10,
	CMD_TLBI_NH_ASID = 0x11,
	CMD_TLBI_NH_VA = 0x12,
	CMD_TLBI_NH_VAA = 0x13,
	CMD_TLBI_EL2_ALL = 0x20,
	CMD_TLBI_EL2_ASID = 0x21,
	CMD_TLBI_EL2_VA = 0x22,
	CMD_TLBI_EL2_VAA = 0x23,
	CMD_TLBI_S12_VMALL = 0x28,
	CMD_TLBI_S2_IPA = 0x2a,
	CMD_TLBI_NSNH_ALL = 0x30,
	CMD_ATC_INV = 0x40,
	CMD_PRI_RESP = 0x41,
	CMD_RESUME = 0x44,
	CMD_STALL_TERM = 0x45,
	CMD_SYNC = 0x46,
};

/* dw0 */
#define CMD_OPCODE       BITS(7, 0)
#define CMD_SSEC         BITS(10, 10)
#define CMD_SSV          BITS(11, 11)
#define CMD_SSID         BITS(31, 12)
#define CMD_SID          BITS(63, 32)
#define CMD_VMID         BITS(47, 32)
#define CMD_ASID         BITS(63, 48)
#define CMD_SYNC_CS      BITS(13, 12)
#define CMD_SYNC_MSH     BITS(23, 22)
#define CMD_SYNC_MSIATTR BITS(27, 24)
#define CMD_SYNC_MSIDATA BITS(63, 32)
#define CMD_ATC_GLOBAL   BITS(9, 9)
#define CMD_RESUME_AC    BITS(12, 12) /* retry */
#define CMD_RESUME_AB    BITS(13, 13) /* else: abort */
/* dw1 */
#define CMD_LEAF           BITS(0, 0)
#define CMD_CFGI_RANGE     BITS(4, 0)
#define CMD_ATC_SIZE       BITS(5, 0)
#define CMD_RESUME_STAG    BITS(15, 0)
#define CMD_PRI_GROUP      BITS(8, 0)
#define CMD_PRI_RESP_CODE  BITS(13, 12)
#define CMD_ADDR           BITS(63, 12)
#define CMD_IPA            BITS(51, 12)
#define CMD_SYNC_MSIADDR   BITS(55, 2)
#define CMD_PREFETCH_NS    BITS(9, 9)
#define CMD_PREFETCH_RANGE BITS(9, 0)
#define CMD_TLBI_NUM       BITS(16, 12) /* dw0 */
#define CMD_TLBI_SCALE     BITS(25, 20) /* dw0 */
#define CMD_TLBI_TTL       BITS(9, 8)
#define CMD_TLBI_TG        BITS(11, 10)
#define CMD_TLBI_RANGE0    (CMD_TLBI_NUM | CMD_TLBI_SCALE)
#define CMD_TLBI_RANGE1    (CMD_TLBI_TTL | CMD_TLBI_TG)

#define CFGI_RANGE_ALL 31U
#define SYNC_CS_NONE   0U
#define SYNC_CS_IRQ    1U
#define SYNC_CS_SEV    2U
#define ATC_SIZE_ALL   52U

/* CMDQ_CONS.ERR (3.4) */
enum command_error {
	CERROR_NONE = 0,
	CERROR_ILL = 1,
	CERROR_ABT = 2,
	CERROR_ATC_INV_SYNC = 3,
};

static inline unsigned command_opcode(const struct smmu_command *command)
{
	return (unsigned)field_get(command->dw[0], CMD_OPCODE);
}

void command_store(uint8_t bytes[COMMAND_SIZE], const struct smmu_command *command);
static inline struct smmu_command command_load(const uint8_t bytes[COMMAND_SIZE])
{
	return (struct smmu_command){{load_le64(bytes), load_le64(bytes + 8)}};
}
/* What is known of an opcode (3.2; tegra241-cmdqv 7.2). */
struct command_rules {
	const char *name; /* "TLBI_NH_ASID"; NULL: not known */
	uint8_t needs;    /* COMMAND_NEEDS_*: illegal without */
	uint8_t guest;    /* COMMAND_GUEST_* */
	uint64_t used[2]; /* bits that it has a use for, the opcode among them */
};

#define COMMAND_NEEDS_STAGE1 1U
#define COMMAND_NEEDS_STAGE2 2U
#define COMMAND_NEEDS_ATS    4U
#define COMMAND_NEEDS_STALL  8U
#define COMMAND_NEEDS_PRI    16U
#define COMMAND_NEEDS_HYP    32U

#define COMMAND_GUEST_LEGAL  1U /* in a guest's VCMDQ */
#define COMMAND_GUEST_UNSURE 2U /* perhaps legal there */
#define COMMAND_GUEST_VMID   4U /* the owner's VMID is put in */

extern const struct command_rules command_rules[256];

/* "TLBI_NH_ASID"; NULL: not known. */
static inline const char *command_name(unsigned opcode)
{
	return command_rules[opcode & 0xff].name;
}

struct smmu_command command_sync(unsigned completion);
struct smmu_command command_prefetch_config(uint32_t sid);
struct smmu_command command_cfgi_ste(uint32_t sid, unsigned leaf);
struct smmu_command command_cfgi_all(void);
struct smmu_command command_cfgi_cd(uint32_t sid, uint32_t ssid, unsigned leaf);
struct smmu_command command_tlbi_nsnh_all(void);
struct smmu_command command_tlbi_nh_all(uint16_t vmid);
struct smmu_command command_tlbi_nh_asid(uint16_t vmid, uint16_t asid);
struct smmu_command command_tlbi_nh_va(uint16_t vmid, uint16_t asid, uint64_t va, unsigned leaf);
struct smmu_command command_tlbi_s12_vmall(uint16_t vmid);
struct smmu_command command_tlbi_s2_ipa(uint16_t vmid, uint64_t ipa, unsigned leaf);
/* Ends a stalled access as an abort. */
struct smmu_command command_resume_abort(uint32_t sid, uint16_t stag);
struct smmu_command command_atc_inv(uint32_t sid, uint64_t address, unsigned size);

/* --- level-1 stream table descriptor (4.1) --- */
#define L1STD_SPAN  BITS(4, 0)
#define L1STD_L2PTR BITS(55, 6)
#define L1STD_SIZE  8U
#define SPAN_MAX    11U

/* --- stream table entry (4.2) --- */
#define STE_SIZE  64U
#define STE_WORDS 8U
/* dw0 */
#define STE_V             BITS(0, 0)
#define STE_CONFIG        BITS(3, 1)
#define STE_CONFIG_ABORT  0U
#define STE_CONFIG_BYPASS 4U
#define STE_CONFIG_S1     5U
#define STE_CONFIG_S2     6U
#define STE_CONFIG_NESTED 7U
#define STE_S1FMT         BITS(5, 4)
#define STE_S1CONTEXTPTR  BITS(55, 6)
#define STE_S1CDMAX       BITS(63, 59)
#define S1FMT_LINEAR      0U
#define S1FMT_4K          1U
#define S1FMT_64K         2U
/* dw1 */
#define STE_S1DSS      BITS(1, 0)
#define STE_S1CIR      BITS(3, 2)
#define STE_S1COR      BITS(5, 4)
#define STE_S1CSH      BITS(7, 6)
#define STE_MEV        BITS(19, 19)
#define STE_S2FWB      BITS(25, 25)
#define STE_S1STALLD   BITS(27, 27)
#define STE_EATS       BITS(29, 28)
#define STE_STRW       BITS(31, 30)
#define STE_SHCFG      BITS(45, 44)
#define STE_PRIVCFG    BITS(49, 48)
#define STE_INSTCFG    BITS(51, 50)
#define S1DSS_END      0U /* F_STREAM_DISABLED */
#define S1DSS_BYPASS   1U
#define S1DSS_SSID0    2U
#define EATS_OFF       0U
#define EATS_FULL      1U
#define EATS_SPLIT     2U
#define STRW_NS_EL1    0U
#define STRW_EL2       2U
#define PRIVCFG_UNPRIV 2U
#define PRIVCFG_PRIV   3U
#define INSTCFG_DATA   2U
#define INSTCFG_INST   3U
/* dw2 */
#define STE_S2VMID BITS(15, 0)
#define STE_S2T0SZ BITS(37, 32)
#define STE_S2SL0  BITS(39, 38)
#define STE_S2IR0  BITS(41, 40)
#define STE_S2OR0  BITS(43, 42)
#define STE_S2SH0  BITS(45, 44)
#define STE_S2TG   BITS(47, 46)
#define STE_S2PS   BITS(50, 48)
#define STE_S2AA64 BITS(51, 51)
#define STE_S2ENDI BITS(52, 52)
#define STE_S2AFFD BITS(53, 53)
#define STE_S2PTW  BITS(54, 54)
#define STE_S2HD   BITS(55, 55)
#define STE_S2HA   BITS(56, 56)
#define STE_S2S    BITS(57, 57)
#define STE_S2R    BITS(58, 58)
/* dw3 */
#define STE_S2SL0_2 BITS(2, 2)
#define STE_S2DS    BITS(3, 3)
#define STE_S2TTB   BITS(55, 4)

/* --- context descriptor (4.3) --- */
#define CD_SIZE    64U
#define CD_WORDS   8U
#define L1CD_SIZE  8U
#define L1CD_V     BITS(0, 0)
#define L1CD_L2PTR BITS(55, 12)
/* dw0: of TTB0, and of TTB1 */
#define CD_T0SZ BITS(5, 0)
#define CD_TG0  BITS(7, 6)
#define CD_IR0  BITS(9, 8)
#define CD_OR0  BITS(11, 10)
#define CD_SH0  BITS(13, 12)
#define CD_EPD0 BITS(14, 14)
#define CD_ENDI BITS(15, 15)
#define CD_T1SZ BITS(21, 16)
#define CD_TG1  BITS(23, 22)
#define CD_EPD1 BITS(30, 30)
#define CD_V    BITS(31, 31)
#define CD_IPS  BITS(34, 32)
#define CD_AFFD BITS(35, 35)
#define CD_WXN  BITS(36, 36)
#define CD_TBI0 BITS(38, 38)
#define CD_TBI1 BITS(39, 39)
#define CD_PAN  BITS(40, 40)
#define CD_AA64 BITS(41, 41)
#define CD_HD   BITS(42, 42)
#define CD_HA   BITS(43, 43)
#define CD_S    BITS(44, 44)
#define CD_R    BITS(45, 45)
#define CD_A    BITS(46, 46)
#define CD_ASET BITS(47, 47)
#define CD_ASID BITS(63, 48)
/* dw1: of TTB0; dw2: of TTB1 */
#define CD_HAD  BITS(1, 1)
#define CD_E0PD BITS(2, 2)
#define CD_TTB  BITS(55, 4)
/* dw2 */
#define CD_DS BITS(58, 58)

/* How walks reach memory: IR0, OR0 and SH0 of either stage. */
#define WALK_NOT_CACHED 0U
#define WALK_WRITE_BACK 1U

/* --- descriptors (5.2, 5.3) --- */
#define PTE_VALID       BITS(0, 0)
#define PTE_TABLE       BITS(1, 1) /* levels 0..2: table; level 3: page */
#define PTE_ADDR        BITS(47, 12)
#define PTE_ADDR_HIGH   BITS(15, 12) /* 64 KiB granule, 52 bits of address: bits 51..48 */
#define PTE_DS_ADDR     BITS(49, 48) /* the others with DS: bits 49 and 48, in place */
#define PTE_DS_ADDR_TOP BITS(9, 8)   /* bits 51 and 50; without DS: SH */
#define PTE_DBM         BITS(51, 51) /* read-only means clean */
#define PTE_CONTIGUOUS  BITS(52, 52)
#define PTE_S2_XN       BITS(54, 53)
#define PTE_S1_ATTRINDX BITS(4, 2)
#define PTE_S1_AP_EL0   BITS(6, 6) /* unprivileged too */
#define PTE_S1_AP_RO    BITS(7, 7)
#define PTE_S1_NG       BITS(11, 11)
#define PTE_S1_PXN      BITS(53, 53)
#define PTE_S1_UXN      BITS(54, 54)
/* of tables */
#define PTE_S1_PXN_TABLE    BITS(59, 59)
#define PTE_S1_UXN_TABLE    BITS(60, 60)
#define PTE_S1_AP_TABLE_EL0 BITS(61, 61) /* no unprivileged access below */
#define PTE_S1_AP_TABLE_RO  BITS(62, 62)
#define PTE_S1_TABLE_RIGHTS BITS(62, 59) /* all four */
#define PTE_S2_MEMATTR      BITS(5, 2)
#define PTE_S2_READ         BITS(6, 6)
#define PTE_S2_WRITE        BITS(7, 7)
#define PTE_SH              BITS(9, 8)
#define PTE_AF              BITS(10, 10)
#define PTE_MEMATTR_WB      0xfU
#define PTE_MEMATTR_DEVICE  0x1U
#define PTE_ATTRINDX_WB     1U /* of Linux's MAIR (4.3) */
#define PTE_ATTRINDX_DEVICE 2U
#define PTE_SH_OUTER        2U
#define PTE_SH_INNER        3U

/* --- event records (6) --- */
#define EVENT_SIZE 32U

enum smmu_event {
	EVT_C_BAD_STREAMID = 0x02,
	EVT_F_STE_FETCH = 0x03,
	EVT_C_BAD_STE = 0x04,
	EVT_F_BAD_ATS_TREQ = 0x05,
	EVT_F_STREAM_DISABLED = 0x06,
	EVT_F_TRANSL_FORBIDDEN = 0x07,
	EVT_C_BAD_SUBSTREAMID = 0x08,
	EVT_F_CD_FETCH = 0x09,
	EVT_C_BAD_CD = 0x0a,
	EVT_F_WALK_EABT = 0x0b,
	EVT_F_TRANSLATION = 0x10,
	EVT_F_ADDR_SIZE = 0x11,
	EVT_F_ACCESS = 0x12,
	EVT_F_PERMISSION = 0x13,
};

#define EVT_IPA  BITS(55, 12) /* dw3, in place */
#define EVT_ID   BITS(7, 0)
#define EVT_SSV  BITS(11, 11)
#define EVT_SSID BITS(31, 12)
#define EVT_SID  BITS(63, 32)
/* dw1 */
#define EVT_STAG     BITS(15, 0)
#define EVT_STALL    BITS(31, 31)
#define EVT_PNU      BITS(33, 33)
#define EVT_IND      BITS(34, 34)
#define EVT_RNW      BITS(35, 35)
#define EVT_S2       BITS(39, 39)
#define EVT_CLASS    BITS(41, 40)
#define EVT_CLASS_CD 0U
#define EVT_CLASS_TT 1U
#define EVT_CLASS_IN 2U
#define EVT_TTRNW    BITS(44, 44) /* of a table's descriptor: it was read */
/* F_BAD_ATS_TREQ: what was asked for */
#define EVT_TREQ_PRIV  BITS(28, 28)
#define EVT_TREQ_EXEC  BITS(29, 29)
#define EVT_TREQ_WRITE BITS(30, 30)
#define EVT_TREQ_READ  BITS(31, 31)

/* --- page requests (6.6) --- */
#define PRI_SIZE  16U
#define PRI_SID   BITS(31, 0)
#define PRI_SSID  BITS(51, 32)
#define PRI_PRIV  BITS(58, 58)
#define PRI_EXEC  BITS(59, 59)
#define PRI_READ  BITS(60, 60)
#define PRI_WRITE BITS(61, 61)
#define PRI_LAST  BITS(62, 62)
#define PRI_SSV   BITS(63, 63)
/* dw1 */
#define PRI_GROUP BITS(8, 0)
#define PRI_ADDR  BITS(63, 12)

/* What a device is answered, by the code of PCIe's PRG Response (3.2). */
#define ATS_RESPONSE_SUCCESS 0x0U
#define ATS_RESPONSE_INVALID 0x1U
#define ATS_RESPONSE_FAILURE 0xfU

const char *event_name(unsigned id);

/* OAS and PS codes (1.3): bits of address. */
unsigned smmu_address_bits(unsigned code);
unsigned smmu_address_code(unsigned bits);

#endif
