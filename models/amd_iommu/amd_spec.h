/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMD IOMMU encodings: registers, commands, device table entries, v1 page tables, events.
 * Driver and model share them; golden bytes from captures and sheets test them.
 *
 * A field is a mask (emu/bits.h). qN is the N-th little-endian 64-bit word. Sections: sheet
 * "amd-iommu"; of the virtual functions: sheet "amd-viommu".
 */
#ifndef HWQ_MODELS_AMD_IOMMU_AMD_SPEC_H
#define HWQ_MODELS_AMD_IOMMU_AMD_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/bits.h"

/* --- PCI configuration space (1; amd-viommu 3) --- */
#define AMD_CONFIG_SIZE      0x100U
#define PCI_FUNCTION(device) ((uint64_t)(device) << 12) /* its space in that of all functions */
#define AMD_PCI_STATUS       0x04U
#define AMD_PCI_CLASS        0x08U
#define AMD_PCI_LIST         0x34U /* of capabilities: the first */
#define AMD_CAP              0x40U
#define AMD_CAP_BASE         0x44U /* a BAR: low, high */
#define AMD_CAP_RANGE        0x4cU
#define AMD_CAP_MISC0        0x50U
#define AMD_CAP_MISC1        0x54U
#define AMD_VSC              0x60U
#define AMD_VSC_VF           0x68U
#define AMD_VSC_VFCNTL       0x70U

#define PCI_STATUS_HAS_LIST BITS(20, 20)
#define PCI_CAP_ID          BITS(7, 0)
#define PCI_CAP_NEXT        BITS(15, 8)
#define PCI_CAP_VENDOR      0x09U
#define PCI_CAP_IOMMU       0x0fU
#define CAP_TYPE            BITS(18, 16)
#define CAP_REVISION        BITS(23, 19)
#define CAP_IOTLB_SUP       BITS(24, 24)
#define CAP_HT_TUNNEL       BITS(25, 25)
#define CAP_NP_CACHE        BITS(26, 26)
#define CAP_EFR_SUP         BITS(27, 27)
#define CAP_EXT             BITS(28, 28)
#define CAP_TYPE_IOMMU      BITS(17, 16) /* in place: 3 */
#define MISC0_GVA_SIZE      BITS(7, 5)   /* 2: 48 bits */
#define MISC0_PA_SIZE       BITS(14, 8)
#define MISC0_VA_SIZE       BITS(21, 15)
#define BAR_ENABLE          BITS(0, 0)

/* The address in the two words of a BAR, enabled or not. */
static inline uint64_t bar_address(uint32_t low, uint32_t high)
{
	return (uint64_t)high << 32 | (low & ~(uint32_t)BAR_ENABLE);
}

/* --- registers (2) --- */
#define AMD_WINDOW_SIZE     0x4000U
#define AMD_DEV_TABLE       0x0000U
#define AMD_CMD_BASE        0x0008U
#define AMD_EVENT_BASE      0x0010U
#define AMD_CONTROL         0x0018U
#define AMD_EXCL_BASE       0x0020U
#define AMD_EXCL_LIMIT      0x0028U
#define AMD_EFR             0x0030U
#define AMD_PPR_BASE        0x0038U
#define AMD_HW_EVENT_UPPER  0x0040U
#define AMD_HW_EVENT_LOWER  0x0048U
#define AMD_HW_EVENT_STATUS 0x0050U
#define AMD_GA_BASE         0x00e0U
#define AMD_GA_TAIL_COPY    0x00e8U
#define AMD_PPR_B_BASE      0x00f0U
#define AMD_EVENT_B_BASE    0x00f8U
#define AMD_DEV_TABLE_SEG   0x0100U /* of segments 1 to 7 */
#define AMD_XT_GENERAL      0x0170U
#define AMD_XT_PPR          0x0178U
#define AMD_XT_GA           0x0180U
#define AMD_EFR2            0x01a0U
/* The page that a guest's VF page shows: the same offsets less 0x2000 (amd-viommu 4). */
#define AMD_PAGE3        0x2000U
#define AMD_CMD_HEAD     0x2000U
#define AMD_CMD_TAIL     0x2008U
#define AMD_EVENT_HEAD   0x2010U
#define AMD_EVENT_TAIL   0x2018U
#define AMD_STATUS       0x2020U
#define AMD_PPR_HEAD     0x2030U
#define AMD_PPR_TAIL     0x2038U
#define AMD_GA_HEAD      0x2040U
#define AMD_GA_TAIL      0x2048U
#define AMD_PPR_B_HEAD   0x2050U
#define AMD_PPR_B_TAIL   0x2058U
#define AMD_EVENT_B_HEAD 0x2070U
#define AMD_EVENT_B_TAIL 0x2078U
#define AMD_PPR_AUTO     0x2080U
#define AMD_PPR_EARLY    0x2088U
#define AMD_PPR_B_EARLY  0x2090U

#define DEV_TABLE_SIZE BITS(8, 0) /* 4 KiB pages - 1; of a segment one bit less */
#define DEV_TABLE_ADDR BITS(51, 12)
#define RING_ADDR      BITS(51, 12)
#define RING_LENGTH    BITS(59, 56) /* 2^code entries, code 8 to 15 */
#define RING_POINTER   BITS(18, 4)  /* byte offset */
#define GA_POINTER     BITS(15, 3)
#define GA_BYTES_MAX   0x10000U    /* that a pointer reaches */
#define GA_TAIL_ADDR   BITS(51, 3) /* in place: an address */
#define RING_CODE_MIN  8U
#define RING_CODE_MAX  15U
/* Exclusion range: the limit's low 12 bits count as ones */
/* PPR auto response, overflow early */
#define PPR_AUTO_CODE       BITS(3, 0)
#define PPR_AUTO_MASK_GN    BITS(4, 4)
#define PPR_EARLY_THRESHOLD BITS(14, 0)
#define PPR_EARLY_INT_EN    BITS(30, 30)
#define PPR_EARLY_EN        BITS(31, 31)
#define EXCL_EN             BITS(0, 0)
#define EXCL_ALLOW          BITS(1, 1)
#define EXCL_ADDR           BITS(51, 12) /* in place */
#define HW_EVENT_VALID      BITS(0, 0)
#define HW_EVENT_OVERFLOW   BITS(1, 1)
#define XT_INTERRUPT        (BITS(2, 2) | BITS(40, 8) | BITS(63, 56))

/* Control (3) */
#define CONTROL_IOMMU_EN       BITS(0, 0)
#define CONTROL_EVENT_LOG_EN   BITS(2, 2)
#define CONTROL_EVENT_INT_EN   BITS(3, 3)
#define CONTROL_COMWAIT_INT_EN BITS(4, 4)
#define CONTROL_INV_TIMEOUT    BITS(7, 5)
#define CONTROL_CMD_BUF_EN     BITS(12, 12)
#define CONTROL_PPR_LOG_EN     BITS(13, 13)
#define CONTROL_PPR_INT_EN     BITS(14, 14)
#define CONTROL_PPR_EN         BITS(15, 15)
#define CONTROL_GT_EN          BITS(16, 16)
#define CONTROL_GA_EN          BITS(17, 17)
#define CONTROL_GA_LOG_EN      BITS(28, 28)
#define CONTROL_GA_INT_EN      BITS(29, 29)
#define CONTROL_DUAL_PPR_LOG   BITS(31, 30)
#define CONTROL_DUAL_EVENT_LOG BITS(33, 32)
#define CONTROL_DEV_TABLE_SEG  BITS(36, 34) /* log2 tables */
#define CONTROL_PPR_AUTO_RSP   BITS(39, 39)
#define CONTROL_HAD_UPDATE     BITS(47, 46)
#define CONTROL_GD_UPDATE_DIS  BITS(48, 48)
#define CONTROL_VCMD_EN        BITS(52, 52)
#define CONTROL_VIOMMU_EN      BITS(53, 53)
#define CONTROL_GA_UPDATE_DIS  BITS(54, 54)
#define CONTROL_GCR3_TRP       BITS(58, 58)
#define CONTROL_IRT_CACHE_DIS  BITS(59, 59)
#define CONTROL_GST_BUFFER_TRP BITS(60, 60)
#define INV_TIMEOUT_1S         4U

/* Status (4) */
#define STATUS_EVENT_OVERFLOW       BITS(0, 0)
#define STATUS_EVENT_INT            BITS(1, 1)
#define STATUS_COMWAIT_INT          BITS(2, 2)
#define STATUS_EVENT_LOG_RUN        BITS(3, 3)
#define STATUS_CMD_BUF_RUN          BITS(4, 4)
#define STATUS_PPR_OVERFLOW         BITS(5, 5)
#define STATUS_PPR_INT              BITS(6, 6)
#define STATUS_PPR_LOG_RUN          BITS(7, 7)
#define STATUS_GA_LOG_RUN           BITS(8, 8)
#define STATUS_GA_OVERFLOW          BITS(9, 9)
#define STATUS_GA_INT               BITS(10, 10)
#define STATUS_PPR_OVERFLOW_B       BITS(11, 11)
#define STATUS_PPR_LOG_ACTIVE       BITS(12, 12)
#define STATUS_EVENT_OVERFLOW_B     BITS(15, 15)
#define STATUS_EVENT_LOG_ACTIVE     BITS(16, 16)
#define STATUS_PPR_OVERFLOW_EARLY_B BITS(17, 17)
#define STATUS_PPR_OVERFLOW_EARLY   BITS(18, 18)
#define STATUS_W1C                  0x68e67ULL

/* EFR, EFR2 (5) */
#define EFR_PREFETCH       BITS(0, 0)
#define EFR_PPR            BITS(1, 1)
#define EFR_NX             BITS(3, 3)
#define EFR_GT             BITS(4, 4)
#define EFR_IA             BITS(6, 6)
#define EFR_GA             BITS(7, 7)
#define EFR_HE             BITS(8, 8)
#define EFR_HATS           BITS(11, 10)
#define EFR_GATS           BITS(13, 12)
#define EFR_GLX            BITS(15, 14)
#define EFR_DUAL_PPR_LOG   BITS(25, 24)
#define EFR_DUAL_EVENT_LOG BITS(29, 28)
#define EFR_PASMAX         BITS(36, 32)
#define EFR_DEV_TABLE_SEG  BITS(39, 38) /* the same, at most */
#define EFR_PPR_EARLY      BITS(40, 40)
#define EFR_PPR_AUTO_RSP   BITS(41, 41)
#define EFR_US             BITS(37, 37)
#define EFR_GIO            BITS(48, 48)
#define EFR_HA             BITS(49, 49)
#define EFR_HD             BITS(52, 52)
#define EFR_IOTLB_TYPE     BITS(54, 54)
#define EFR_VIOMMU         BITS(55, 55)
#define EFR2_GCR3_TRP      BITS(3, 3)

/* --- commands (7) --- */
#define COMMAND_SIZE 16U

struct amd_command {
	uint64_t q[2];
};

enum amd_opcode {
	CMD_COMPLETION_WAIT = 0x1,
	CMD_INVALIDATE_DEVTAB_ENTRY = 0x2,
	CMD_INVALIDATE_IOMMU_PAGES = 0x3,
	CMD_INVALIDATE_IOTLB_PAGES = 0x4,
	CMD_INVALIDATE_INTERRUPT_TABLE = 0x5,
	CMD_PREFETCH_IOMMU_PAGES = 0x6,
	CMD_COMPLETE_PPR_REQUEST = 0x7,
	CMD_INVALIDATE_IOMMU_ALL = 0x8,
	CMD_INSERT_GUEST_EVENT = 0x9,
	CMD_RESET_VMMIO = 0xa,
};

#define OPCODES 16U

/* q0 */
#define CMD_OPCODE            BITS(63, 60)
#define CMD_STORE             BITS(0, 0)
#define CMD_INTERRUPT         BITS(1, 1)
#define CMD_FLUSH             BITS(2, 2)
#define CMD_STORE_ADDR        BITS(51, 3) /* in place: an address */
#define CMD_DEVICE            BITS(15, 0)
#define CMD_PASID             BITS(19, 0)
#define CMD_DOMAIN            BITS(47, 32)
#define CMD_MAX_PEND          BITS(31, 24)
#define CMD_QUEUE             BITS(47, 32)
#define CMD_IOTLB_PASID_15_8  BITS(23, 16)
#define CMD_IOTLB_PASID_7_0   BITS(55, 48)
#define CMD_IOTLB_PASID_19_16 BITS(59, 56)
#define CMD_PPR_PASID         BITS(51, 32)
#define CMD_GUEST             BITS(15, 0) /* RESET_VMMIO */
#define CMD_RESET_ALL         BITS(28, 28)
#define CMD_RESET_VCMD        BITS(31, 31)
/* q1 */
#define CMD_SIZE_CODED BITS(0, 0)
#define CMD_PDE        BITS(1, 1)
#define CMD_GN         BITS(2, 2)
#define CMD_IOTLB_TYPE BITS(5, 4)
#define CMD_ADDR       BITS(63, 12) /* in place */
#define CMD_PPR_GROUP  BITS(40, 32)
#define CMD_PPR_CODE   BITS(47, 44)
/* MaxPend 0, as PCIe has it (7) */
#define ATS_QUEUE_DEPTH_MAX 32U
/* The whole address space, as Linux writes it (7, Size encoding). */
#define CMD_ADDR_ALL 0x7ffffffffffff000ULL

/* What a command needs, and what it may carry. */
struct amd_command_rules {
	const char *name; /* NULL: no such opcode */
	uint64_t used[2]; /* bits that are not reserved */
	uint64_t needs;   /* bits of EFR, all of them */
	bool guest;       /* a guest's ring takes it (amd-viommu 10) */
};

extern const struct amd_command_rules amd_command_rules[OPCODES];

static inline unsigned amd_command_opcode(const struct amd_command *command)
{
	return (unsigned)field_get(command->q[0], CMD_OPCODE);
}

static inline struct amd_command amd_command_load(const void *bytes)
{
	return (struct amd_command){{load_le64(bytes), load_le64((const uint8_t *)bytes + 8)}};
}

static inline void amd_command_store(void *bytes, const struct amd_command *command)
{
	store_le64(bytes, command->q[0]);
	store_le64((uint8_t *)bytes + 8, command->q[1]);
}

struct amd_command amd_command_completion_wait(uint64_t address, uint64_t data);
struct amd_command amd_command_invalidate_devtab(uint16_t device);
/* The 4 KiB pages [FIRST, LAST], bytes, in one command that may cover more; PDE: and tables. */
struct amd_command amd_command_invalidate_pages(uint16_t domain, uint64_t first, uint64_t last,
						bool pde);
struct amd_command amd_command_invalidate_domain(uint16_t domain);
/* The same of guest translations: GN = 1. */
struct amd_command amd_command_invalidate_guest_pages(uint16_t domain, uint32_t pasid,
						      uint64_t first, uint64_t last, bool pde);
struct amd_command amd_command_invalidate_iotlb(uint16_t device, uint16_t queue, uint8_t max_pend,
						uint64_t first, uint64_t last);
struct amd_command amd_command_invalidate_all(void);
struct amd_command amd_command_invalidate_interrupt(uint16_t device);
struct amd_command amd_command_reset_vmmio(uint16_t guest);

/* The bytes [*FIRST, *LAST] that S and addr of a command mean (7). */
void amd_command_range(const struct amd_command *command, uint64_t *first, uint64_t *last);

/* --- device table (10) --- */
#define DTE_SIZE  32U
#define DTE_WORDS 4U

/* q0 */
#define DTE_V           BITS(0, 0)
#define DTE_TV          BITS(1, 1)
#define DTE_HAD         BITS(8, 7)
#define DTE_MODE        BITS(11, 9)
#define DTE_ROOT        BITS(51, 12) /* in place */
#define DTE_PPR         BITS(52, 52)
#define DTE_GIOV        BITS(54, 54)
#define DTE_GV          BITS(55, 55)
#define DTE_GLX         BITS(57, 56)
#define DTE_GCR3_14_12  BITS(60, 58)
#define DTE_IR          BITS(61, 61)
#define DTE_IW          BITS(62, 62)
#define DTE_Q0_RESERVED (BITS(6, 2) | BITS(63, 63))
/* q1 */
#define DTE_DOMAIN     BITS(15, 0)
#define DTE_GCR3_30_15 BITS(31, 16)
#define DTE_I          BITS(32, 32)
#define DTE_SE         BITS(33, 33)
#define DTE_SA         BITS(34, 34)
#define DTE_EX         BITS(39, 39)
#define DTE_GCR3_51_31 BITS(63, 43)
/* q2 */
#define DTE_IV          BITS(0, 0)
#define DTE_INT_LENGTH  BITS(4, 1) /* 2^n entries */
#define DTE_IG          BITS(5, 5)
#define DTE_INT_ROOT    BITS(51, 6) /* in place */
#define DTE_INT_CTL     BITS(61, 60)
#define DTE_GUEST_MODE  BITS(55, 54) /* 0: 4 levels, 1: 5 levels */
#define DTE_Q2_RESERVED BITS(53, 52)
/* q3 */
#define DTE_VIOMMU_EN BITS(15, 15)
#define DTE_GDEVICE   BITS(31, 16)
#define DTE_GUEST     BITS(47, 32)

/* HADUpdate, HAD: what may be written to host tables (11) */
#define HAD_ACCESSED       1U
#define HAD_ACCESSED_DIRTY 3U

#define DTE_GLX_RESERVED 3U
#define INT_CTL_ABORT    0U
#define INT_CTL_FORWARD  1U
#define INT_CTL_REMAP    2U

struct amd_dte {
	uint64_t q[DTE_WORDS];
};

/* The root of the GCR3 table lies in three fields. */
uint64_t amd_dte_gcr3(const struct amd_dte *dte);
void amd_dte_set_gcr3(struct amd_dte *dte, uint64_t root);

/* --- v1 page tables (11) --- */
#define PTE_PR          BITS(0, 0)
#define PTE_A           BITS(5, 5)
#define PTE_D           BITS(6, 6) /* of a leaf */
#define PTE_NEXT        BITS(11, 9)
#define PTE_ADDR        BITS(51, 12) /* in place */
#define PTE_FC          BITS(60, 60)
#define PTE_IR          BITS(61, 61)
#define PTE_IW          BITS(62, 62)
#define PTE_RESERVED    (BITS(56, 52) | BITS(63, 63))
#define NEXT_CODED_SIZE 7U
#define LEVELS_MAX      6U

/* log2 of what an entry of LEVEL (from 1) covers. */
static inline unsigned amd_level_shift(unsigned level)
{
	return 12 + 9 * (level - 1);
}

/* --- GCR3 tables, v2 page tables (12) --- */
#define GCR3_V            BITS(0, 0)
#define GCR3_ADDR         BITS(51, 12) /* in place: the next table, or CR3 */
#define GCR3_PASID_BITS   9U           /* a level */
#define GPTE_P            BITS(0, 0)
#define GPTE_RW           BITS(1, 1)
#define GPTE_US           BITS(2, 2)
#define GPTE_A            BITS(5, 5)
#define GPTE_D            BITS(6, 6) /* of a leaf */
#define GPTE_PS           BITS(7, 7) /* a leaf of 2 MiB or 1 GiB */
#define GPTE_ADDR         BITS(51, 12)
#define GPTE_NX           BITS(63, 63)
#define GUEST_LEVELS_MAX  5U
#define GUEST_LEAF_LEVELS 3U

/* --- events (13) --- */
#define EVENT_SIZE 16U

enum amd_event_code {
	EVENT_ILLEGAL_DEV_TABLE_ENTRY = 0x1,
	EVENT_IO_PAGE_FAULT = 0x2,
	EVENT_DEV_TAB_HARDWARE_ERROR = 0x3,
	EVENT_PAGE_TAB_HARDWARE_ERROR = 0x4,
	EVENT_ILLEGAL_COMMAND_ERROR = 0x5,
	EVENT_COMMAND_HARDWARE_ERROR = 0x6,
	EVENT_IOTLB_INV_TIMEOUT = 0x7,
	EVENT_INVALID_DEVICE_REQUEST = 0x8,
	EVENT_INVALID_PPR_REQUEST = 0x9,
	EVENT_GUEST_EVENT_FAULT = 0xb,
	EVENT_VIOMMU_HARDWARE_ERROR = 0xc,
};

struct amd_event {
	uint64_t q[2]; /* q1: the address */
};

#define EVT_CODE        BITS(63, 60)
#define EVT_DEVICE      BITS(15, 0)
#define EVT_DOMAIN      BITS(47, 32)
#define EVT_PASID_19_16 BITS(19, 16)
#define EVT_PASID_15_0  BITS(47, 32)
#define EVT_GN          BITS(48, 48)
#define EVT_NX          BITS(49, 49)
#define EVT_US          BITS(50, 50)
#define EVT_I           BITS(51, 51)
#define EVT_PR          BITS(52, 52)
#define EVT_RW          BITS(53, 53)
#define EVT_PE          BITS(54, 54)
#define EVT_RZ          BITS(55, 55)
#define EVT_TR          BITS(56, 56)
#define EVT_TYPE        BITS(58, 57)
/* Which access of a guest's buffers it was. */
#define EVT_VNR    BITS(27, 27)
#define EVT_VEVENT BITS(29, 29)
#define EVT_VPPR   BITS(30, 30)
#define EVT_VCMD   BITS(31, 31)

/* Of INVALID_DEVICE_REQUEST */
#define EVT_REQUEST_US   BITS(49, 49)
#define EVT_REQUEST_TYPE BITS(59, 57)
/* Of INVALID_PPR_REQUEST */
#define EVT_PPR_PASID_15_0  BITS(31, 16)
#define EVT_PPR_TAG         BITS(41, 32)
#define EVT_PPR_PASID_19_16 BITS(45, 42)
#define EVT_PPR_RX          BITS(48, 48) /* it is not to be completed */
#define EVT_PPR_GN          BITS(57, 57)

#define EVT_TYPE_MASTER_ABORT 1U
#define EVT_TYPE_TARGET_ABORT 2U
#define EVT_TYPE_DATA_ERROR   3U

/* "IO_PAGE_FAULT"; NULL: no such code. */
const char *amd_event_name(unsigned code);

/* --- interrupt tables (15) --- */
#define IRTE_SIZE       4U
#define IRTE_WIDE_SIZE  16U /* GAEn */
#define INTERRUPT_INDEX 0x7ffU

struct amd_irte {
	uint64_t q[2];
};

/* q0 */
#define IRTE_REMAP_EN BITS(0, 0)
#define IRTE_SUP_IOPF BITS(1, 1)
#define IRTE_TYPE     BITS(4, 2)
#define IRTE_DM       BITS(6, 6)
/* In guest mode two of these bits mean something else. */
#define IRTE_GA_LOG        BITS(2, 2)
#define IRTE_IS_RUN        BITS(6, 6)
#define IRTE_GUEST_MODE    BITS(7, 7)
#define IRTE_DEST          BITS(15, 8)
#define IRTE_VECTOR        BITS(23, 16)
#define IRTE_WIDE_DEST_LOW BITS(31, 8)
#define IRTE_WIDE_TAG      BITS(63, 32)
/* q1 */
#define IRTE_WIDE_VECTOR    BITS(7, 0)
#define IRTE_WIDE_VAPIC     BITS(51, 12) /* in place */
#define IRTE_WIDE_DEST_HIGH BITS(63, 56)
/* Level 1 of the tables for guests' logs (amd-viommu 11) */
#define EXT_INT_VALID  BITS(0, 0)
#define EXT_INT_LENGTH BITS(5, 2)  /* 2^n entries */
#define EXT_INT_TABLE  BITS(51, 6) /* in place */

/* --- PPR log (14): q0; q1 is the page's address --- */
#define PPR_PASID_15_0        BITS(31, 16)
#define PPR_GROUP             BITS(40, 32)
#define PPR_LAST              BITS(41, 41)
#define PPR_PASID_19_16       BITS(45, 42)
#define PPR_EXECUTE           BITS(49, 49)
#define PPR_READ              BITS(50, 50)
#define PPR_WRITE             BITS(53, 53)
#define PPR_USER              BITS(54, 54)
#define PPR_GN                BITS(56, 56)
#define PPR_TYPE              BITS(63, 60)
#define PPR_TYPE_PAGE_REQUEST 1U
/* Responses (7) */
#define PPR_SUCCESS 0U
#define PPR_INVALID 1U
#define PPR_FAILURE 0xfU

/* --- GA log (14) --- */
#define GA_ENTRY_SIZE       8U
#define GA_TAG              BITS(31, 0)
#define GA_DEVICE           BITS(47, 32)
#define GA_TYPE             BITS(63, 60)
#define GA_TYPE_NOT_RUNNING 1U

/* --- virtual functions (amd-viommu 3 to 5) --- */
#define VF_WINDOW_SIZE     0x10000000ULL
#define VF_STRIDE          0x1000U
#define VFCNTL_WINDOW_SIZE 0x400000ULL
#define VFCNTL_STRIDE      0x40U
#define GUESTS_MAX         0x10000U

#define VFCNTL_DEVICE_MAP 0x00U
#define VFCNTL_DOMAIN_MAP 0x08U
#define VFCNTL_MISC       0x10U
#define VFCNTL_EVENT_B    0x18U
#define VFCNTL_COMMAND    0x20U
#define VFCNTL_EVENT      0x28U
#define VFCNTL_PPR        0x30U
#define VFCNTL_PPR_B      0x38U

#define MAP_WRITE BITS(63, 63)
#define MAP_GUEST BITS(61, 46) /* GDeviceID, GDomainID */
#define MAP_HOST  BITS(29, 14) /* HDeviceID, HDomainID */
#define MAP_VALID BITS(0, 0)

#define MISC_TRANS_DEVICE BITS(31, 16)

#define GUEST_CMD_LENGTH     BITS(3, 0)
#define GUEST_CMD_EN         BITS(8, 8)
#define GUEST_CMD_COMWAIT_EN BITS(9, 9)
#define GUEST_EVENT_LENGTH   BITS(3, 0)
#define GUEST_EVENT_LENGTH_B BITS(7, 4)
#define GUEST_EVENT_EN       BITS(8, 8)
#define GUEST_EVENT_INT_EN   BITS(9, 9)
#define GUEST_EVENT_DUAL     BITS(11, 10)
#define GUEST_PPR_LENGTH     BITS(3, 0)
#define GUEST_PPR_LENGTH_B   BITS(7, 4)
#define GUEST_PPR_LOG_EN     BITS(8, 8)
#define GUEST_PPR_INT_EN     BITS(9, 9)
#define GUEST_PPR_EN         BITS(10, 10)
#define GUEST_PPR_DUAL       BITS(12, 11)
#define GUEST_PPR_AUTO_RSP   BITS(13, 13)
#define GUEST_PPR_BASE       BITS(55, 16) /* base[51:12] */
#define GUEST_BASE           BITS(51, 12) /* in place; a guest address */

/* --- the IOMMU's private addresses (amd-viommu 7) --- */
#define IPA_MMIO_STATE      0x0ULL
#define IPA_MMIO_STATE_SIZE 0x800000ULL /* with the dirty bits of command buffers behind it */
#define IPA_DEVICE_MAPS     0x1000000000ULL
#define DEVICE_MAP_SIZE     0x100000ULL
#define DEVICE_MAP_ENTRY    16U
#define IPA_DOMAIN_MAPS     0x2000000000ULL
#define DOMAIN_MAP_SIZE     0x80000ULL
#define DOMAIN_MAP_ENTRY    8U
/* Slots of guests' buffers, if GstBufferTRPMode is 0. */
#define IPA_RINGS        0x2800000000ULL
#define IPA_PPR_LOGS     0x3000000000ULL
#define IPA_PPR_LOGS_B   0x3800000000ULL
#define IPA_EVENT_LOGS   0x4000000000ULL
#define IPA_EVENT_LOGS_B 0x4800000000ULL
#define BUFFER_SLOT_SIZE 0x80000ULL

#endif
