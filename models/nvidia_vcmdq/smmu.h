/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SMMUv3 model and the CMDQV next to it.
 *
 * Concepts
 *   smmu      registers, stream table lookup, stage-2 walk, TLB, main command queue, event queue
 *   cmdqv     up to 128 virtual command queues over 64 VINTFs; fetches by host physical address,
 *             untranslated, and feeds the same TLB and devices
 *   queue     one command queue of either kind; fetches a line ahead, executes in order
 *   owner     a VINTF with HYP_OWN runs any command; a guest's only four, with its VMID and its
 *             stream ids put in
 *   probe     what the engine tells whoever watches: fetched, executed, stopped, resumed. It
 *             changes nothing
 *
 * The model sees registers and memory, nothing else. All of it lies in the machine's arena.
 */
#ifndef HWQ_MODELS_NVIDIA_VCMDQ_SMMU_H
#define HWQ_MODELS_NVIDIA_VCMDQ_SMMU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "emu/bus.h"
#include "emu/machine.h"
#include "emu/port.h"
#include "emu/profile.h"
#include "models/nvidia_vcmdq/cmdqv_spec.h"
#include "models/nvidia_vcmdq/smmu_spec.h"

#define FETCH_LINE_COMMANDS 4U /* a 64-byte line */
#define CONTEXT_MAIN_QUEUE  0xffffU

/* Picoseconds, from the profile. */
struct smmu_timing {
	uint64_t doorbell_ps;
	uint64_t fetch_line_ps;
	uint64_t command_ps;
	uint64_t sync_ps;
	uint64_t write_ps;
	uint64_t walk_read_ps;
	uint64_t tlb_hit_ps;
	uint64_t ats_round_trip_ps;
};

/* The parameters that a profile for this engine has. */
extern const struct parameter_range smmu_parameters[];

struct tlb_entry {
	bool valid;
	bool stage1; /* made by or with stage 1: what TLBI_NH_* reaches */
	uint16_t vmid;
	uint16_t asid;
	uint8_t order;  /* of the leaf: log2 of its pages; a whole block is one entry */
	uint64_t input; /* its first page, of the input address */
	uint64_t pa;    /* its first page */
	uint32_t perm;  /* PTE_S2_READ | PTE_S2_WRITE */
};

struct tlb {
	struct tlb_entry *entries;
	uint32_t sets;
	uint32_t ways;
	uint32_t next_victim; /* round robin over ways */
	uint32_t orders;      /* bit n: an entry of order n was inserted */
	uint64_t hits;
	uint64_t misses;
};

struct command_queue {
	struct smmu *smmu;
	uint32_t context; /* number of the VCMDQ, or CONTEXT_MAIN_QUEUE */
	uint64_t base;    /* PA */
	uint32_t log2size;
	uint32_t prod;
	uint32_t cons;
	uint32_t error; /* CONS.ERR */
	uint32_t gerror;
	uint32_t gerrorn;
	bool enabled;
	struct event work;
	bool fetching;
	/* Prefetched commands: entry numbers [line_at, line_at + line_count). */
	uint8_t line[FETCH_LINE_COMMANDS * COMMAND_SIZE];
	uint32_t line_at;
	uint32_t line_count;
	enum port_status line_status;
	bool atc_timed_out; /* an ATC_INV before the next SYNC was not answered */
};

struct vcmdq {
	struct command_queue queue;
	uint32_t alloc; /* CMDQ_ALLOC_MAP */
	uint64_t cons_base;
	uint64_t base_register;
};

struct vintf {
	uint32_t config;
	uint32_t sid_match[CMDQV_SIDS_MAX];
	uint32_t sid_replace[CMDQV_SIDS_MAX];
	struct vcmdq *slots[CMDQV_QUEUES_MAX]; /* logical -> queue, NULL: not allocated */
};

/* Someone who waits for the interrupt line of the engine: the driver. */
typedef void smmu_irq_fn(void *context);

struct smmu {
	struct machine *machine;
	struct port port;
	struct smmu_timing timing;
	struct pa base;
	uint32_t idr[6];
	uint32_t cr0;
	uint32_t cr1;
	uint32_t cr2;
	uint32_t irq_ctrl;
	uint32_t gbpa;
	uint32_t gerror;
	uint32_t gerrorn;
	uint64_t strtab_base;
	uint32_t strtab_cfg;
	uint64_t cmdq_base;
	uint64_t eventq_base;
	uint32_t eventq_prod;
	uint32_t eventq_cons;
	struct command_queue cmdq;
	struct tlb tlb;
	/* CMDQV */
	struct pa cmdqv_base;
	uint32_t cmdqv_config;
	uint32_t vi_int_mask[2];
	struct vcmdq vcmdqs[CMDQV_QUEUES_MAX];
	struct vintf *vintfs[CMDQV_VINTFS_MAX]; /* made on first use */
	uint32_t vcmdq_count;
	uint32_t vintf_count;
	smmu_irq_fn *cmdqv_irq;
	void *cmdqv_irq_context;
};

/*
 * A model at BASE (registers) and CMDQV_BASE, on the machine's bus. PROFILE has smmu_parameters.
 */
struct smmu *smmu_new(struct machine *machine, struct pa base, struct pa cmdqv_base,
		      const struct profile *profile);

/* Registers, queues and TLB, as far as a later step could depend on them. */
void smmu_hash(const struct smmu *smmu, struct hash *hash);

/* smmu.c: for the other files of this model */
void smmu_probe(struct smmu *smmu, const struct probe *probe);
/* Appends an event record, if the queue takes it. */
void smmu_record_event(struct smmu *smmu, const uint64_t record[4]);

/* queue.c */
void command_queue_init(struct command_queue *queue, struct smmu *smmu, uint32_t context);
/* Something changed that may let the queue go on: PROD, enable, an acknowledged error. */
void command_queue_kick(struct command_queue *queue, uint64_t delay_ps);
/* Runs it to its end, or to a stop, at this instant: for work in which time plays no part. */
void command_queue_run(struct command_queue *queue);
/* Stops it: nothing is fetched from now on, what was fetched ahead is dropped. */
void command_queue_stop(struct command_queue *queue);
uint32_t queue_mask(uint32_t log2size);

/* commands.c: executes one legal command; returns how many TLB entries it removed. */
uint32_t smmu_execute(struct smmu *smmu, const struct smmu_command *command);
/* Whether the main queue takes the command. */
bool smmu_command_legal(const struct smmu *smmu, const struct smmu_command *command);

/* cmdqv.c */
extern const struct mmio_ops cmdqv_mmio_ops;
/* Puts the owner's VMID and SIDs in. CERROR-like code when the command must not run. */
enum vcmdq_error cmdqv_substitute(struct smmu *smmu, struct vcmdq *vcmdq,
				  struct smmu_command *command);
void cmdqv_error_changed(struct smmu *smmu, struct vcmdq *vcmdq, bool raised);
void cmdqv_cons_moved(struct smmu *smmu, struct vcmdq *vcmdq);

/* tlb.c */
void tlb_init(struct tlb *tlb, struct machine *machine, uint32_t sets, uint32_t ways);
struct tlb_entry *tlb_lookup(struct tlb *tlb, uint16_t vmid, uint64_t input);
void tlb_insert(struct tlb *tlb, const struct tlb_entry *entry);
typedef bool tlb_match_fn(const struct tlb_entry *entry, const void *key);
/* Removes what matches; returns how many. */
uint32_t tlb_remove(struct tlb *tlb, tlb_match_fn *match, const void *key);
/* The same where only entries of one order, VMID and first page can match. */
uint32_t tlb_remove_at(struct tlb *tlb, uint32_t order, uint16_t vmid, uint64_t first,
		       tlb_match_fn *match, const void *key);

/* translate.c */
enum translate_result {
	TRANSLATE_OK,
	TRANSLATE_FAULT, /* an event was recorded, or the stream aborts silently */
};

struct translation {
	struct pa pa;
	bool from_tlb;
	uint16_t vmid;
	unsigned event; /* of the fault; 0: none recorded */
};

/* A DMA access of SID to IOVA. */
enum translate_result smmu_translate(struct smmu *smmu, uint32_t sid, uint64_t iova, bool write,
				     struct translation *translation);
/* A device's DMA: translates, then reads or writes SIZE bytes inside one page. */
enum translate_result smmu_dma(struct smmu *smmu, uint32_t sid, uint64_t iova, bool write,
			       void *data, uint32_t size, struct translation *translation);

#endif
