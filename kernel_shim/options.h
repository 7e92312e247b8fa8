/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel options: what Linux decides, and an experiment may change. The first value of each is what
 * Linux 7.3.4 does; the tag of another says where it comes from.
 */
#ifndef HWQ_KERNEL_SHIM_OPTIONS_H
#define HWQ_KERNEL_SHIM_OPTIONS_H

#include "emu/option.h"

enum kernel_option {
	KERNEL_HW_QUEUE_PIN,
	KERNEL_HW_QUEUE_DESTROY,
	KERNEL_HW_QUEUE_BASE,
	KERNEL_UNMAP_FLUSH,
	KERNEL_IOMMU_STRICT,
	KERNEL_CMDQV_CONS_DRAM,
	KERNEL_CMDQV_DEINIT_SYNC,
	KERNEL_CMDQV_BYPASS,
	KERNEL_CMDQV_DISABLE,
	KERNEL_ARM_FORCE_SYNC,
	KERNEL_ARM_REPEAT_TLBI_CFGI,
	KERNEL_HOST_MOVE,
	KERNEL_AMD_VIOMMU,
	KERNEL_AMD_FLUSH_COVERAGE,
	KERNEL_AMD_DESTROY,
	KERNEL_AMD_ROOT_CHANGE,
	KERNEL_AMD_GUEST_ID,
	KERNEL_AMD_QUEUE_DESTROY,
	KERNEL_AMD_QUEUE_BASE,
	KERNEL_AMD_TRANS_CLEAR,
	KERNEL_AMD_BUFFERS,
};

enum hw_queue_pin {
	HW_QUEUE_PIN_DRIVER, /* as the driver wants: types that read physical addresses pin */
	HW_QUEUE_PIN_OFF,
	HW_QUEUE_PIN_ON, /* all types */
};

enum hw_queue_destroy_order {
	HW_QUEUE_STOP_THEN_UNPIN,
	HW_QUEUE_UNPIN_THEN_STOP,
};

/* Where a queue that does not begin at a page boundary is pinned and based. */
enum hw_queue_base {
	HW_QUEUE_BASE_EXACT,
	HW_QUEUE_BASE_ROUNDED_UP, /* to the next page */
};

/* What an unmap does with the IOTLB after the tables are cleared. */
enum unmap_flush {
	UNMAP_FLUSH_WAIT,    /* invalidates, and waits for it */
	UNMAP_FLUSH_NO_WAIT, /* invalidates, and returns */
	UNMAP_FLUSH_NONE,
};

/* When an unmap invalidates. */
enum iommu_strict {
	IOMMU_STRICT, /* each by itself, before it returns */
	IOMMU_LAZY,   /* many together, later: never so for iommufd's domains */
};

/* Of a page that is pinned for an IOAS. */
enum host_move_rule {
	HOST_MOVE_REFUSED,
	HOST_MOVE_UPDATED,  /* stage 2 first, then the page */
	HOST_MOVE_DEFERRED, /* the page; stage 2 when the kernel gets to it */
};

enum amd_viommu_state {
	AMD_VIOMMU_NONE,   /* an object without queues */
	AMD_VIOMMU_POSTED, /* queues by guest address */
};

/* Which IOMMUs an unmap invalidates. */
enum amd_flush_coverage {
	AMD_FLUSH_DEVICES, /* those with a device attached to the domain */
	AMD_FLUSH_VIOMMUS, /* those with a vIOMMU on it too */
};

enum amd_destroy_order {
	AMD_DESTROY_POSTED, /* the ring is never told to stop */
	AMD_DESTROY_SAFE,   /* stop, reset, wait; then what it used */
};

/* Whose device table entries learn of a domain's new root. */
enum amd_root_change {
	AMD_ROOT_DEVICES,
	AMD_ROOT_TRANS_DEVIDS, /* and those of its vIOMMUs */
};

enum amd_guest_id {
	AMD_GUEST_ID_FREED_LAST,
	AMD_GUEST_ID_FREED_FIRST, /* before what it used is torn down (AE-c) */
};

enum amd_queue_destroy {
	AMD_QUEUE_DESTROY_NOTHING,
	AMD_QUEUE_DESTROY_STOP, /* CmdBufEn, EventLogEn = 0, and waits for what is under way */
};

/* What setting a ring's base does with CmdBufEn. */
enum amd_queue_base {
	AMD_QUEUE_BASE_ENABLES,
	AMD_QUEUE_BASE_CLEARS_ENABLES, /* AE-a */
};

/* What becomes of the table entry of a translation DeviceID that is given back. */
enum amd_trans_clear {
	AMD_TRANS_CLEAR_BLOCKED, /* V = 1 and nothing else */
	AMD_TRANS_CLEAR_ZERO,    /* V = 0: forwards (AE-b, AE-c) */
};

/* Where guests' rings and logs are; settled when the vIOMMU is turned on. */
enum amd_buffers {
	AMD_BUFFERS_GUEST,   /* at guest addresses, not pinned: GstBufferTRPMode 1 */
	AMD_BUFFERS_PRIVATE, /* pinned, and mapped at private addresses (RFC23) */
};

enum kernel_switch {
	KERNEL_SWITCH_DEFAULT,
	KERNEL_SWITCH_OTHER,
};

/* In the order of enum kernel_option. */
extern const struct option kernel_options[];

#endif
