/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SMMU that is up, as its host has it: a linear stream table, an event queue, a PRI queue, a main queue.
 *
 * Concepts
 *   stream   SID below HOST_STREAMS; its tables have a start level of 1 GiB entries
 *   slot     such an entry: input slot n, 1 GiB each, is what the test puts there
 */
#ifndef HWQ_TESTS_KIT_SMMU_HOST_H
#define HWQ_TESTS_KIT_SMMU_HOST_H

#include "tests/kit/smmu.h"

#define HOST_STREAMS    64U
#define HOST_QUEUE_LOG2 4U /* of each queue */
#define HOST_QUEUE      (1U << HOST_QUEUE_LOG2)
#define SLOT(n)         ((uint64_t)(n) << 30)

struct smmu_host {
	struct smmu_kit *kit;
	uint64_t streams;
	uint64_t events;
	uint64_t requests;
	uint64_t queue;
	uint32_t queued;
};

/* CR0: all enabled that the hardware has, but ATSCHK; IRQ_CTRL: all. */
struct smmu_host smmu_host_new(const struct profile *profile);
void smmu_host_free(struct smmu_host *host);
/* Runs COMMAND on the main queue; what it does is done. */
void host_issue(struct smmu_host *host, struct smmu_command command);
/* The same of words, which may stop the queue. */
void host_issue_words(struct smmu_host *host, uint64_t dw0, uint64_t dw1);

/*
 * Stage 1 of SID alone, with ASID = SID: CD_* of BITS besides what makes it valid. The start table, to
 * be filled by host_map().
 */
uint64_t host_stage1(struct smmu_host *host, uint32_t sid, uint64_t bits);
/* Stage 2 of SID alone, with VMID = SID: STE_* of word 2. */
uint64_t host_stage2(struct smmu_host *host, uint32_t sid, uint64_t bits);
/* Both; *STAGE2 is stage 2's start table, in which the first 4 GiB are themselves. */
uint64_t host_nested(struct smmu_host *host, uint32_t sid, uint64_t bits1, uint64_t bits2,
		     uint64_t *stage2);
/* Sets or clears bits of a word of SID's STE, and invalidates it. */
void host_change_ste(struct smmu_host *host, uint32_t sid, unsigned word, uint64_t clear,
		     uint64_t set);
/* Input slot SLOT of a start table: a descriptor's BITS at output slot OUTPUT. */
void host_map(struct smmu_host *host, uint64_t table, unsigned slot, unsigned output,
	      uint64_t bits);

/* Word WORD of record N of the event queue or the PRI queue, by where it lies. */
uint64_t host_event(const struct smmu_host *host, uint32_t n, unsigned word);
uint64_t host_request(const struct smmu_host *host, uint32_t n, unsigned word);
/* PROD of the event queue, with OVFLG. */
uint32_t host_events(const struct smmu_host *host);

/* Leaves that anybody may read and write. */
#define HOST_LEAF1 (PTE_VALID | PTE_AF | PTE_S1_AP_EL0 | PTE_S1_NG)
#define HOST_LEAF2 (PTE_VALID | PTE_AF | PTE_S2_READ | PTE_S2_WRITE)

#endif
