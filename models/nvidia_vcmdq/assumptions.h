/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hardware assumptions of this model: what the sheets mark UNSURE or inferred, and an experiment may
 * change. The first value of each is the sheet's default.
 */
#ifndef HWQ_MODELS_NVIDIA_VCMDQ_ASSUMPTIONS_H
#define HWQ_MODELS_NVIDIA_VCMDQ_ASSUMPTIONS_H

#include "emu/option.h"

enum smmu_assumption {
	ASSUME_PREFETCH,
	ASSUME_STOP_ACK,
	ASSUME_ENABLE_REFUSED,
	ASSUME_GUEST_STAGE2_TLBI,
	ASSUME_GUEST_SYNC_CS,
	ASSUME_UNMATCHED_SID,
	ASSUME_SID_CONFLICT,
	ASSUME_BASE_LOW_BITS,
	ASSUME_POINTER_DISTANCE,
	ASSUME_RES0,
	ASSUME_ARBITER,
	ASSUME_TTL,
};

enum assume_prefetch {
	PREFETCH_LINE,   /* the rest of a 64-byte line when the queue gets there */
	PREFETCH_BATCH,  /* up to CONFIG.MAX_CMD_BATCH commands */
	PREFETCH_SINGLE, /* one command */
};

enum assume_stop_ack {
	STOP_ACK_DRAINED, /* STATUS falls when no fetch is under way */
	STOP_ACK_EARLY,   /* at once; a fetch under way still happens */
};

enum assume_enable_refused {
	ENABLE_REFUSED_SILENT, /* EN_OK stays 0 */
	ENABLE_REFUSED_INIT_ERR,
};

enum assume_guest_stage2_tlbi {
	GUEST_STAGE2_TLBI_ILLEGAL,
	GUEST_STAGE2_TLBI_LEGAL,
};

enum assume_guest_sync_cs {
	GUEST_SYNC_CS_ILLEGAL,
	GUEST_SYNC_CS_AS_NONE,
};

enum assume_unmatched_sid {
	UNMATCHED_SID_ILL_ACCESS,
	UNMATCHED_SID_ILL_OPCODE,
	UNMATCHED_SID_DROPPED,
};

enum assume_sid_conflict {
	SID_CONFLICT_FIRST,
	SID_CONFLICT_LAST,
};

enum assume_base_low_bits {
	BASE_LOW_BITS_IGNORED,
	BASE_LOW_BITS_KEPT,
};

enum assume_pointer_distance {
	POINTER_DISTANCE_RUNS,  /* entries up to PROD are processed, whatever they are */
	POINTER_DISTANCE_EMPTY, /* nothing is processed until the pointers make sense */
};

enum assume_res0 {
	RES0_IGNORED,
	RES0_ILLEGAL,
};

enum assume_arbiter {
	ARBITER_TURNS, /* VCMDQs share one command processor, a batch at a time */
	ARBITER_NONE,  /* each runs as if it were alone */
};

enum assume_ttl {
	TTL_EXACT, /* a TLBI with TTL reaches leaves of that level alone, and no tables */
	TTL_IGNORED,
};

/* In the order of enum smmu_assumption. */
extern const struct option smmu_assumptions[];

#endif
