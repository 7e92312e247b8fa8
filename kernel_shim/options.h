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
	KERNEL_CMDQV_CONS_DRAM,
	KERNEL_CMDQV_DEINIT_SYNC,
};

enum hw_queue_pin {
	HW_QUEUE_PIN_DRIVER, /* as the driver wants: types that read physical addresses pin */
	HW_QUEUE_PIN_OFF,
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

enum kernel_switch {
	KERNEL_SWITCH_DEFAULT,
	KERNEL_SWITCH_OTHER,
};

/* In the order of enum kernel_option. */
extern const struct option kernel_options[];

#endif
