// SPDX-License-Identifier: Apache-2.0
#include "models/nvidia_vcmdq/cmdqv_spec.h"

const struct register_row cmdqv_config_registers[] = {
	{CMDQV_CONFIG, 1, 4, 4, REGISTER_RW, CONFIG_RESET, BITS(20, 0), "CONFIG",
	 "tegra241-cmdqv 3"},
	/* Straps: these are Grace's; a profile has its own. */
	{CMDQV_PARAM, 1, 4, 4, REGISTER_RO, 0x4671, BITS(15, 0), "PARAM", "tegra241-cmdqv 3"},
	{CMDQV_STATUS, 1, 4, 4, REGISTER_RO, 1, STATUS_CMDQV_ENABLED, "STATUS", "tegra241-cmdqv 3"},
	{CMDQV_VI_ERR_MAP, 2, 4, 4, REGISTER_RO, 0, UINT32_MAX, "VI_ERR_MAP_", "tegra241-cmdqv 3"},
	{CMDQV_VI_INT_MASK, 2, 4, 4, REGISTER_RW, 0, UINT32_MAX, "VI_INT_MASK_",
	 "tegra241-cmdqv 3"},
	{CMDQV_CMDQ_ERR_MAP, 4, 4, 4, REGISTER_RO, 0, UINT32_MAX, "CMDQ_ERR_MAP_",
	 "tegra241-cmdqv 3"},
	{CMDQV_ALLOC_MAP, CMDQV_QUEUES_MAX, 4, 4, REGISTER_RW, 0,
	 ALLOC_ALLOC | ALLOC_LVCMDQ | ALLOC_VINTF, "CMDQ_ALLOC_MAP_", "tegra241-cmdqv 3"},
	{0, 0, 0, 0, 0, 0, 0, NULL, NULL},
};

/* GLB_FILT_CFG_0 and GLB_FILT_DATA_0 have no row: nobody knows what they do (4). */
const struct register_row cmdqv_vintf_registers[] = {
	{VINTF_CONFIG, 1, 4, 4, REGISTER_RW, 0,
	 VINTF_CONFIG_ENABLE | VINTF_CONFIG_VMID | VINTF_CONFIG_HYP_OWN, "CONFIG",
	 "tegra241-cmdqv 4"},
	{VINTF_STATUS, 1, 4, 4, REGISTER_RO, 0,
	 VINTF_STATUS_ENABLE_OK | VINTF_STATUS_STATUS | VINTF_STATUS_NUM_LVCMDQ, "STATUS",
	 "tegra241-cmdqv 4"},
	{VINTF_SID_MATCH, CMDQV_SIDS_MAX, 4, 4, REGISTER_RW, 0, SID_MATCH_ENABLE | SID_MATCH_VIRT,
	 "SID_MATCH_", "tegra241-cmdqv 4"},
	{VINTF_SID_REPLACE, CMDQV_SIDS_MAX, 4, 4, REGISTER_RW, 0, SID_REPLACE_PHYS, "SID_REPLACE_",
	 "tegra241-cmdqv 4"},
	{VINTF_LVCMDQ_ERR_MAP, 4, 4, 4, REGISTER_RO, 0, UINT32_MAX, "LVCMDQ_ERR_MAP_",
	 "tegra241-cmdqv 4"},
	{0, 0, 0, 0, 0, 0, 0, NULL, NULL},
};

/* Without gaps from offset 0 on: a look-up is an index. */
const struct register_row cmdqv_page0_registers[CMDQV_PAGE0_ROWS + 1] = {
	{VCMDQ_CONS, 1, 4, 4, REGISTER_RW, 0, VCMDQ_POINTER | VCMDQ_CONS_ERR, "CONS_INDX",
	 "tegra241-cmdqv 5"},
	{VCMDQ_PROD, 1, 4, 4, REGISTER_RW, 0, VCMDQ_POINTER, "PROD_INDX", "tegra241-cmdqv 5"},
	{VCMDQ_CONFIG, 1, 4, 4, REGISTER_RW, 0, VCMDQ_EN, "CONFIG", "tegra241-cmdqv 5"},
	{VCMDQ_STATUS, 1, 4, 4, REGISTER_RO, 0, VCMDQ_EN, "STATUS", "tegra241-cmdqv 5"},
	{VCMDQ_GERROR, 1, 4, 4, REGISTER_RO, 0, VCMDQ_GERROR_KNOWN, "GERROR", "tegra241-cmdqv 5"},
	{VCMDQ_GERRORN, 1, 4, 4, REGISTER_RW, 0, VCMDQ_GERROR_KNOWN, "GERRORN", "tegra241-cmdqv 5"},
	{0, 0, 0, 0, 0, 0, 0, NULL, NULL},
};

/* The same. */
const struct register_row cmdqv_page1_registers[CMDQV_PAGE1_ROWS + 1] = {
	{VCMDQ_BASE, 1, 8, 8, REGISTER_RW, 0, VCMDQ_BASE_ADDR | VCMDQ_BASE_LOG2SIZE, "BASE",
	 "tegra241-cmdqv 5"},
	{VCMDQ_CONS_BASE, 1, 8, 8, REGISTER_RW, 0, VCMDQ_CONS_BASE_ADDR, "CONS_INDX_BASE_DRAM",
	 "tegra241-cmdqv 5"},
	{0, 0, 0, 0, 0, 0, 0, NULL, NULL},
};
