/* SPDX-License-Identifier: Apache-2.0 */
/* Tegra241 CMDQV encodings: register offsets and fields. Sections: sheet "tegra241-cmdqv". */
#ifndef HWQ_MODELS_NVIDIA_VCMDQ_CMDQV_SPEC_H
#define HWQ_MODELS_NVIDIA_VCMDQ_CMDQV_SPEC_H

#include <stdint.h>

#include "emu/bits.h"
#include "emu/bus.h"

#define CMDQV_QUEUES_MAX 128U
#define CMDQV_VINTFS_MAX 64U
#define CMDQV_SIDS_MAX   16U

/* Windows (2) */
#define CMDQV_PAGE_SIZE    0x10000U
#define CMDQV_DIRECT_PAGE0 0x10000U
#define CMDQV_DIRECT_PAGE1 0x20000U
#define CMDQV_VINTF_PAGES  0x30000U
#define CMDQV_VINTF_STRIDE 0x20000U
#define CMDQV_QUEUE_STRIDE 0x80U
#define CMDQV_WINDOW_SIZE  (CMDQV_VINTF_PAGES + CMDQV_VINTF_STRIDE * CMDQV_VINTFS_MAX)

static inline uint64_t cmdqv_vintf_page0(unsigned vintf)
{
	return CMDQV_VINTF_PAGES + (uint64_t)CMDQV_VINTF_STRIDE * vintf;
}

static inline uint64_t cmdqv_vintf_page1(unsigned vintf)
{
	return cmdqv_vintf_page0(vintf) + CMDQV_PAGE_SIZE;
}

/* CONFIG page (3) */
#define CMDQV_CONFIG             0x000U
#define CMDQV_PARAM              0x004U
#define CMDQV_STATUS             0x008U
#define CMDQV_VI_ERR_MAP         0x014U
#define CMDQV_VI_INT_MASK        0x01cU
#define CMDQV_CMDQ_ERR_MAP       0x024U
#define CMDQV_ALLOC_MAP          0x200U
#define CMDQV_VINTF_BLOCKS       0x1000U
#define CMDQV_VINTF_BLOCK_STRIDE 0x100U

#define CONFIG_CMDQV_EN       BITS(0, 0)
#define CONFIG_PER_CMD_OFFSET BITS(3, 1)
#define CONFIG_MAX_CLK_BATCH  BITS(11, 4)
#define CONFIG_MAX_CMD_BATCH  BITS(19, 12)
#define CONFIG_CONS_DRAM_EN   BITS(20, 20)
#define CONFIG_RESET          0x00020083U
#define PARAM_VER             BITS(3, 0)
#define PARAM_NUM_VCMDQ_LOG2  BITS(7, 4)
#define PARAM_NUM_VINTF_LOG2  BITS(11, 8)
#define PARAM_NUM_SID_LOG2    BITS(15, 12)
#define STATUS_CMDQV_ENABLED  BITS(0, 0)
#define ALLOC_ALLOC           BITS(0, 0)
#define ALLOC_LVCMDQ          BITS(7, 1)
#define ALLOC_VINTF           BITS(20, 15)

/* VINTF block (4), offsets in the block */
#define VINTF_CONFIG            0x00U
#define VINTF_STATUS            0x04U
#define VINTF_SID_MATCH         0x40U
#define VINTF_SID_REPLACE       0x80U
#define VINTF_LVCMDQ_ERR_MAP    0xc0U
#define VINTF_CONFIG_ENABLE     BITS(0, 0)
#define VINTF_CONFIG_VMID       BITS(16, 1)
#define VINTF_CONFIG_HYP_OWN    BITS(17, 17)
#define VINTF_STATUS_ENABLE_OK  BITS(0, 0)
#define VINTF_STATUS_STATUS     BITS(3, 1)
#define VINTF_STATUS_NUM_LVCMDQ BITS(23, 16)
#define SID_MATCH_ENABLE        BITS(0, 0)
#define SID_MATCH_VIRT          BITS(20, 1)
#define SID_REPLACE_PHYS        BITS(19, 0)

/* VCMDQ (5), offsets in its slot of page 0 and page 1 */
#define VCMDQ_CONS             0x00U
#define VCMDQ_PROD             0x04U
#define VCMDQ_CONFIG           0x08U
#define VCMDQ_STATUS           0x0cU
#define VCMDQ_GERROR           0x10U
#define VCMDQ_GERRORN          0x14U
#define VCMDQ_BASE             0x00U /* page 1, 64 bits */
#define VCMDQ_CONS_BASE        0x08U /* page 1, 64 bits */
#define VCMDQ_POINTER          BITS(19, 0)
#define VCMDQ_CONS_ERR         BITS(30, 24)
#define VCMDQ_EN               BITS(0, 0)
#define VCMDQ_GERROR_CMDQ_ERR  BITS(0, 0)
#define VCMDQ_GERROR_CONS_DRAM BITS(1, 1)
#define VCMDQ_GERROR_INIT      BITS(2, 2)
#define VCMDQ_GERROR_KNOWN     BITS(2, 0)
#define VCMDQ_BASE_LOG2SIZE    BITS(4, 0)
#define VCMDQ_BASE_ADDR        BITS(47, 5)
#define VCMDQ_CONS_BASE_ADDR   BITS(47, 0)

#define CMDQV_PAGE0_ROWS 6U
#define CMDQV_PAGE1_ROWS 2U

/* What software can reach: offsets in the CONFIG page, a VINTF's block, a VCMDQ's slot of page 0, of page 1. */
extern const struct register_row cmdqv_config_registers[];
extern const struct register_row cmdqv_vintf_registers[];
extern const struct register_row cmdqv_page0_registers[CMDQV_PAGE0_ROWS + 1];
extern const struct register_row cmdqv_page1_registers[CMDQV_PAGE1_ROWS + 1];

/* CONS.ERR (5) */
enum vcmdq_error {
	VCMDQ_ERR_NONE = 0,
	VCMDQ_ERR_ILL_OPCODE = 1,
	VCMDQ_ERR_ABT = 2,
	VCMDQ_ERR_ATC_INV_SYNC = 3,
	VCMDQ_ERR_ILL_ACCESS = 4,
};

#endif
