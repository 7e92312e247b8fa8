/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hardware assumptions of this model: what nobody outside AMD has said, and an experiment may
 * change. The first value of each is the sheet's default (amd-viommu 12.4, 20).
 */
#ifndef HWQ_MODELS_AMD_IOMMU_ASSUMPTIONS_H
#define HWQ_MODELS_AMD_IOMMU_ASSUMPTIONS_H

#include "emu/option.h"

enum amd_assumption {
	AMD_PREFETCH,
	AMD_BUFFER_CACHE,
	AMD_BUFFER_TAG,
	AMD_WAIT_IN_FLIGHT,
	AMD_FAULT_LOG,
	AMD_FAULT_STOP,
	AMD_FAULT_HEAD,
	AMD_ILLEGAL_LOG,
	AMD_HALT_HEAD,
	AMD_TRANS_ZERO,
	AMD_DTE_V0,
	AMD_RESET_VMMIO,
	AMD_PDE_CACHE,
	AMD_ARBITER,
};

enum amd_prefetch {
	AMD_PREFETCH_LINE, /* the rest of a 64-byte line */
	AMD_PREFETCH_SINGLE,
};

enum amd_buffer_cache {
	AMD_BUFFER_CACHED, /* like a device's: by DomainID, until invalidated */
	AMD_BUFFER_WALKED, /* translated anew each time */
};

/* Of a cached translation for a guest's buffer. */
enum amd_buffer_tag {
	AMD_BUFFER_TAG_DOMAIN, /* of trans_devid's table entry: flushing the domain reaches it */
	AMD_BUFFER_TAG_DEVICE, /* trans_devid itself: only dropping its table entry does */
};

enum amd_wait_in_flight {
	AMD_WAIT_FOR_BUFFERS, /* COMPLETION_WAIT waits for accesses to guests' buffers too */
	AMD_WAIT_FOR_DMA_ONLY,
};

enum amd_fault_log {
	AMD_FAULT_TO_HOST,
	AMD_FAULT_TO_GUEST,
	AMD_FAULT_TO_BOTH,
};

enum amd_fault_stop {
	AMD_FAULT_HALTS, /* the guest's ring: CmdBufRun = 0 */
	AMD_FAULT_SKIPS, /* the line, or the store, is left out */
};

enum amd_head {
	AMD_HEAD_AT,
	AMD_HEAD_PAST,
};

enum amd_illegal_log {
	AMD_ILLEGAL_TO_GUEST,
	AMD_ILLEGAL_TO_HOST,
};

enum amd_trans_zero {
	AMD_TRANS_ZERO_IS_DEVICE_0,
	AMD_TRANS_ZERO_IS_NONE, /* a fault */
};

enum amd_dte_v0 {
	AMD_DTE_V0_FORWARDS, /* untranslated, as for a device */
	AMD_DTE_V0_FAULTS,   /* for guests' buffers */
};

enum amd_reset_vmmio {
	AMD_RESET_STOPS,
	AMD_RESET_REGISTERS_ONLY, /* a running ring goes on */
};

enum amd_pde_cache {
	AMD_PDE_CACHED,
	AMD_PDE_WALKED,
};

enum amd_arbiter_policy {
	AMD_ARBITER_NONE,       /* each ring runs as if it were alone */
	AMD_ARBITER_TURNS,      /* a command of each that waits, in the order in which they came */
	AMD_ARBITER_HOST_FIRST, /* the host's ring before the guests' */
};

/* In the order of enum amd_assumption. */
extern const struct option amd_assumptions[];

#endif
