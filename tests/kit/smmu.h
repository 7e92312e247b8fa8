/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SMMU with CMDQV on a machine of its own, and a log of what it did.
 *
 * Concepts
 *   kit   machine, hardware, log; no kernel, unless the test probes its driver
 *   log   commands, accesses and interrupts in order; what does not fit is counted
 */
#ifndef HWQ_TESTS_KIT_SMMU_H
#define HWQ_TESTS_KIT_SMMU_H

#include "models/nvidia_vcmdq/smmu.h"

#define SMMU_AT     0x5000000ULL
#define CMDQV_AT    0x5200000ULL
#define KIT_LOG_MAX 256U
/* Commands, and steps of one kit_run(), beyond which an engine is taken to have run away. */
#define KIT_RUNAWAY (1U << 20)

enum { KIT_IRQ_GERROR, KIT_IRQ_EVENTQ, KIT_IRQ_CMDQV, KIT_IRQ_PRIQ, KIT_IRQ_SYNC, KIT_IRQS };

/* Where it lies. */
extern const struct smmu_board smmu_kit_board;

struct smmu_kit {
	struct machine *machine;
	struct smmu *smmu;
	struct probe probes[KIT_LOG_MAX];
	unsigned probe_count;
	struct access accesses[KIT_LOG_MAX];
	unsigned access_count;
	unsigned interrupts[KIT_IRQS]; /* edges, by line */
};

/* A file of profiles/; and profiles/grace. */
struct profile smmu_kit_profile(const char *name);
struct profile smmu_kit_grace(void);
/* profiles/grace with all that the model can do besides, and KIT_STALL_MAX stalls. */
struct profile smmu_kit_everything(void);
#define KIT_STALL_MAX 4U
void smmu_kit_set(struct profile *profile, const char *name, uint64_t value);
/* Default assumptions; a test that wants another writes kit->smmu->assumptions.values[]. */
struct smmu_kit *smmu_kit_new(const struct profile *profile);
/* Frees the machine and all that lies in it. */
void smmu_kit_free(struct smmu_kit *kit);
/* Forgets the log. */
void smmu_kit_clear(struct smmu_kit *kit);

/* Registers of the CMDQV and of the SMMU, by offset. */
uint64_t kit_read(struct smmu_kit *kit, uint64_t offset, unsigned width);
void kit_write(struct smmu_kit *kit, uint64_t offset, unsigned width, uint64_t value);
uint64_t kit_smmu_read(struct smmu_kit *kit, uint64_t offset, unsigned width);
void kit_smmu_write(struct smmu_kit *kit, uint64_t offset, unsigned width, uint64_t value);
/* Empties the SMMU's caches. */
void kit_forget(struct smmu_kit *kit);
/* Steps until nothing is due; how many. */
unsigned kit_run(struct smmu_kit *kit);
/* COUNT consecutive fresh frames: their address. */
uint64_t kit_frames(struct smmu_kit *kit, uint32_t count);
/* Puts a command at entry ENTRY of the queue at BASE. */
void kit_put(struct smmu_kit *kit, uint64_t base, uint32_t entry, struct smmu_command command);
/* A little-endian word of memory. */
uint64_t kit_word(struct smmu_kit *kit, uint64_t pa);
void kit_set_word(struct smmu_kit *kit, uint64_t pa, uint64_t value);

/* --- VCMDQs: QUEUE is a number of all of them, not of one VINTF --- */

/* Offsets of the direct pages 0 and 1, and of a VINTF's block. */
static inline uint64_t kit_direct(uint32_t queue, uint32_t offset)
{
	return CMDQV_DIRECT_PAGE0 + CMDQV_QUEUE_STRIDE * queue + offset;
}

static inline uint64_t kit_direct1(uint32_t queue, uint32_t offset)
{
	return CMDQV_DIRECT_PAGE1 + CMDQV_QUEUE_STRIDE * queue + offset;
}

static inline uint64_t kit_vintf(uint32_t vintf, uint32_t offset)
{
	return CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE * vintf + offset;
}

/* Another value of an assumption. */
void kit_assume(struct smmu_kit *kit, enum smmu_assumption assumption, unsigned value);
/* CMDQ_ALLOC_MAP of QUEUE. */
void kit_alloc(struct smmu_kit *kit, uint32_t queue, uint32_t vintf, uint32_t logical, bool alloc);
/* Gives QUEUE to VINTF, sets the VINTF's CONFIG and the queue's BASE register, and enables it. */
void kit_enable(struct smmu_kit *kit, uint32_t queue, uint32_t vintf, uint32_t logical,
		uint32_t config, uint64_t base);
/* CONFIG.CMDQ_EN. */
void kit_switch(struct smmu_kit *kit, uint32_t queue, bool on);
/* PROD; steps nothing. */
void kit_ring(struct smmu_kit *kit, uint32_t queue, uint32_t prod);
/* STATUS.CMDQ_EN_OK; CONS_INDX.RD and ERR; whether GERROR.CMDQ_ERR is active. */
bool kit_enabled(struct smmu_kit *kit, uint32_t queue);
uint32_t kit_cons(struct smmu_kit *kit, uint32_t queue);
uint32_t kit_error(struct smmu_kit *kit, uint32_t queue);
bool kit_stopped(struct smmu_kit *kit, uint32_t queue);
/* GERRORN := GERROR. */
void kit_acknowledge(struct smmu_kit *kit, uint32_t queue);
/* The main queue at BASE, of 2^LOG2SIZE entries, empty; SMMUEN as it was. */
void kit_enable_main(struct smmu_kit *kit, uint64_t base, uint32_t log2size);

#endif
