/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SMMUv3 model and the CMDQV next to it.
 *
 * Concepts
 *   smmu        registers, stream table, configuration caches, walks of both stages, TLB, main command
 *               queue, event queue
 *   tables      one tree of translation tables: stage 2's, or one half of a stage 1's
 *   context     what a context descriptor (CD) says: stage 1 of a stream, or of one of its substreams
 *   walks       the walk cache: tables on the way to leaves, kept until a TLBI that is not for leaves
 *               alone
 *   level 1     descriptors of the stream table and of tables of contexts, kept until a CFGI that is
 *               not for leaves alone
 *   cmdqv       up to 128 virtual command queues over 64 VINTFs; fetches by host physical address,
 *               untranslated, and feeds the same TLB and devices
 *   queue       one command queue of either kind; fetches ahead, executes in order
 *   turn        VCMDQs share one command processor and take turns at it
 *   owner       a VINTF with HYP_OWN runs any command; a guest's only four, with its VMID and its
 *               stream ids put in
 *   output      what the SMMU tells software: event queue, PRI queue, GERROR, MSIs and wires
 *   wake        what ends a CPU's WFE (SEV); no CPU waits here, so that it is only counted
 *   stall       an access that a fault holds up until software resumes or ends it
 *   endpoint    a device with ATS: it keeps translations, answers ATC_INV, or does not, and asks for
 *               pages
 *   assumption  what the sheets are unsure of, and an experiment may change (assumptions.h)
 *
 * The model sees registers and memory, nothing else. All of it lies in the machine's arena. What it
 * does with commands it tells observers (emu/observer.h), which changes nothing.
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
#include "models/atc.h"
#include "models/nvidia_vcmdq/assumptions.h"
#include "models/nvidia_vcmdq/cmdqv_spec.h"
#include "models/nvidia_vcmdq/smmu_spec.h"
#include "models/tlb.h"

#define LINE_COMMANDS      4U  /* a 64-byte line */
#define PREFETCH_MAX       32U /* commands that a queue holds, fetched and not run */
#define CONTEXT_MAIN_QUEUE 0xffffU
#define CONFIG_CACHE_MAX   4096U

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
	uint64_t ats_timeout_ps;
};

/* The parameters that a profile for this engine has. */
extern const struct parameter_range smmu_parameters[];

/* IDR0 to IDR5, as they are with PROFILE. */
void smmu_id_registers(const struct profile *profile, uint32_t idr[6]);

/* Registers of both pages. */
extern const struct register_row smmu_registers[];

/* --- configuration (config.c, context.c) --- */

enum stream_kind {
	STREAM_FAULT, /* the event is recorded */
	STREAM_ABORT, /* silently */
	STREAM_BYPASS,
	STREAM_STAGE2,
	STREAM_STAGE1,
	STREAM_NESTED,
};

struct tables {
	uint64_t root;      /* PA; behind stage 2: IPA */
	uint8_t page_shift; /* 12, 14, 16: the granule */
	uint8_t input_bits;
	int start_level; /* -1 to 3 */
	uint8_t output_bits;
	bool no_access_fault; /* AF = 0 is no fault */
	bool wide;            /* descriptors have 52 bits of address */
	bool ds;              /* DS: as those of the 4 and 16 KiB granules have them */
	bool big_endian;      /* ENDI: of their descriptors */
	bool set_access;      /* HA: the hardware sets AF */
	bool set_dirty;       /* HD: a write makes what is clean (DBM) writable */
	/* stage 1 */
	bool disabled;      /* EPD */
	bool flat;          /* HAD: tables restrict nothing */
	bool tagged;        /* TBI: the address's top byte is ignored */
	bool privileged;    /* E0PD: unprivileged accesses are refused */
	bool no_write_exec; /* WXN */
	bool no_user_data; /* PAN: privileged accesses to what unprivileged ones may use are refused */
	/* stage 2 */
	bool protected; /* S2PTW: no tables in device memory */
};

/* What an STE says, decoded. */
struct stream_config {
	uint32_t sid;
	bool valid;
	bool record; /* S2R: faults of stage 2 are recorded */
	bool stall;  /* S2S: they hold the access up */
	uint8_t ats; /* EATS_* in effect */
	enum stream_kind kind;
	unsigned event; /* STREAM_FAULT */
	uint16_t vmid;
	struct tables stage2;
	/* stage 1 */
	uint64_t contexts;      /* CDs, or their level 1 */
	uint8_t context_bits;   /* log2 of their number; 0: one, and no substreams */
	uint8_t context_format; /* S1FMT_* */
	uint8_t unnumbered;     /* S1DSS_*: what becomes of accesses without a substream */
	bool no_stall;          /* S1STALLD */
	bool el2;               /* STRW: StreamWorld EL2, or EL2-E2H by CR2 */
	uint8_t privilege;      /* PRIVCFG */
	uint8_t instruction;    /* INSTCFG */
};

struct config_cache {
	struct stream_config *entries; /* direct-mapped */
	uint32_t count;                /* a power of two */
};

struct context_config {
	uint32_t sid;
	uint32_t ssid;
	bool valid;
	bool bad;    /* C_BAD_CD */
	bool record; /* R */
	bool stall;  /* S */
	bool ignore; /* A = 0 */
	uint16_t asid;
	struct tables halves[2]; /* TTB0, TTB1 */
};

struct context_cache {
	struct context_config *entries; /* direct-mapped; made when the first one comes */
	uint32_t count;
	uint32_t used;
};

#define LEVEL1_ALL 32U /* bits: all streams, all substreams */

/* What a level-1 descriptor is for: aligned powers of two of streams and substreams. */
struct level1_key {
	uint32_t sid; /* any of them */
	uint32_t ssid;
	uint8_t sid_bits;
	uint8_t ssid_bits;
};

/* An L1STD or an L1CD, as it was fetched. */
struct level1 {
	struct level1_key key;
	bool valid;
	uint64_t descriptor;
};

struct level1_cache {
	struct machine *machine;
	struct level1 *entries; /* direct-mapped; made when the first one comes */
	uint32_t count;         /* a power of two */
	uint32_t used;
	uint64_t hits;
};

/* --- queues (queue.c) --- */

struct vcmdq;

struct command_queue {
	struct smmu *smmu;
	struct vcmdq *vcmdq; /* it is this one's; NULL: the main queue */
	uint32_t context;    /* number of the VCMDQ, or CONTEXT_MAIN_QUEUE */
	uint64_t base;       /* PA */
	uint32_t entries;    /* a power of two */
	uint32_t prod;
	uint32_t cons;
	uint32_t error; /* CONS.ERR */
	uint32_t gerror;
	uint32_t gerrorn;
	bool enabled;
	bool fetching; /* a fetch was begun and has not happened: an injected fault holds it up */
	bool fetch_dropped; /* what it brings is not wanted any more: the queue was stopped since */
	bool stopping;      /* disabled, and a fetch is still under way */
	struct event work;
	uint64_t ready_ps; /* while it waits for its turn: when its command is at hand */
	/* Prefetched commands: entry numbers [line_at, line_at + line_count). */
	uint8_t *line; /* PREFETCH_MAX commands; made when the queue is first enabled */
	uint32_t line_at;
	uint32_t line_count;
	enum port_status line_status;
	uint64_t line_ps;   /* when they were at hand */
	uint32_t line_prod; /* PROD when they were fetched */
	/* The fetch that was begun last. */
	struct pa fetch_pa;
	uint32_t fetch_index;
	uint32_t fetch_count; /* commands */
	/* ATC_INVs since the last SYNC */
	uint64_t atc_done_ps; /* when the last of them is answered, or given up */
	bool atc_timed_out;
	struct probe probe; /* of the command at hand; kept for speed */
};

/* Who has the command processor (arbiter.c). */
struct arbiter {
	struct command_queue *serving; /* NULL: nobody, and nobody waits */
	uint32_t last;                 /* the VCMDQ served last */
	uint64_t start_ps;             /* when the command being served is, or will be, begun */
	uint64_t turn_ps;              /* when its queue's turn began */
	uint32_t turn_commands;
	uint64_t waiting[CMDQV_QUEUES_MAX / 64]; /* bit q: VCMDQ q, which has no event meanwhile */
};

struct vcmdq {
	struct command_queue queue;
	uint32_t config;     /* CONFIG, as it was written */
	uint32_t alloc;      /* CMDQ_ALLOC_MAP */
	struct vintf *vintf; /* the one that alloc names; NULL: it is absent, or not made yet */
	uint64_t cons_base;
	uint64_t base_register;
};

struct vintf {
	uint32_t config;
	uint32_t sid_match[CMDQV_SIDS_MAX];
	uint32_t sid_replace[CMDQV_SIDS_MAX];
	struct vcmdq *slots[CMDQV_QUEUES_MAX]; /* logical -> queue, NULL: not allocated */
};

/* What a device is told of a group of its page requests (3.2). */
struct smmu_page_response {
	bool has_ssid;
	uint32_t ssid;
	uint16_t group;
	uint8_t code; /* ATS_RESPONSE_* */
};

/* A PCIe function with ATS (ats.c). Lies in the arena. */
struct smmu_endpoint {
	LIST_ENTRY(smmu_endpoint) link;
	struct smmu *smmu;
	struct atc atc;
	uint32_t sid;
	bool silent;                        /* it answers no invalidation */
	struct smmu_page_response response; /* the last */
	uint64_t responses;
};

LIST_HEAD(smmu_endpoints, smmu_endpoint);

struct smmu_stall;
TAILQ_HEAD(smmu_stalls, smmu_stall);

/* --- what software is told (output.c) --- */

/* By their bits in IRQ_CTRL (1.6). */
enum smmu_source { SOURCE_GERROR, SOURCE_PRIQ, SOURCE_EVENTQ, SMMU_SOURCES };

struct smmu_msi {
	uint64_t address;    /* IRQ_CFG0; 0: a wire */
	uint32_t data;       /* IRQ_CFG1 */
	uint32_t attributes; /* IRQ_CFG2 */
};

/* The event queue or the PRI queue. */
struct output_queue {
	uint64_t base; /* the register */
	uint32_t prod; /* with OVFLG */
	uint32_t cons; /* with OVACKFLG */
};

/* Where the hardware is, and how it is wired. */
struct smmu_board {
	const char *name; /* literal; of the engine in reports and faults */
	struct pa base;
	struct pa cmdqv_base;
	uint32_t gerror_irq; /* lines (emu/irq.h) */
	uint32_t priq_irq;
	uint32_t eventq_irq;
	uint32_t sync_irq; /* CMD_SYNC with CS = IRQ */
	uint32_t cmdqv_irq;
};

struct smmu {
	struct machine *machine;
	struct port port;
	struct smmu_board board;
	struct smmu_timing timing;
	struct option_set assumptions;
	uint32_t idr[6];
	uint32_t aidr;
	uint32_t features;  /* COMMAND_NEEDS_*, from IDR0 */
	uint16_t asid_mask; /* 8 or 16 bits */
	uint16_t vmid_mask; /* 0: there is no stage 2 */
	uint32_t cr0;
	uint32_t cr1;
	uint32_t cr2;
	uint32_t irq_ctrl;
	uint32_t gbpa;
	uint32_t agbpa;
	uint32_t gerror;
	uint32_t gerrorn;
	struct smmu_msi msis[SMMU_SOURCES];
	uint64_t strtab_base;
	uint32_t strtab_cfg;
	uint64_t cmdq_base;
	struct output_queue eventq;
	struct output_queue priq;
	struct command_queue cmdq;
	struct config_cache configs;
	struct context_cache contexts;
	struct tlb tlb;     /* of NS-EL1 */
	struct tlb walks;   /* its walk cache: tables, by descriptor; of a nested stage 1 by IPA */
	struct tlb el2_tlb; /* where there is HYP */
	struct tlb el2_walks;
	struct level1_cache level1_streams;  /* L1STDs */
	struct level1_cache level1_contexts; /* L1CDs */
	struct smmu_endpoints endpoints;
	struct smmu_stalls stalls;
	uint64_t wakes; /* ever */
	uint16_t next_stag;
	bool atc_outstanding; /* of VCMDQs: an ATC_INV may still be unanswered, or failed */
	/* CMDQV */
	struct arbiter arbiter;
	uint32_t cmdqv_config;
	uint32_t vi_int_mask[2];
	struct vcmdq vcmdqs[CMDQV_QUEUES_MAX];
	struct vintf *vintfs[CMDQV_VINTFS_MAX]; /* made on first use */
	uint32_t vcmdq_count;
	uint32_t vintf_count;
	uint32_t sid_pairs; /* a VINTF */
};

/* A model on the machine's bus. PROFILE has smmu_parameters; ASSUMPTIONS are copied. */
struct smmu *smmu_new(struct machine *machine, const struct smmu_board *board,
		      const struct profile *profile, const struct option_set *assumptions);

/* Registers, queues and caches, as far as a later step could depend on them. */
void smmu_hash(const struct smmu *smmu, struct hash *hash);

/* --- output.c --- */

/* LOG2SIZE of a queue's base register, as far as the hardware goes (LIMIT: IDR1_CMDQS, _EVENTQS, _PRIQS). */
uint32_t smmu_queue_entries(const struct smmu *smmu, uint64_t base, uint64_t limit);
/* The base that counts: aligned to the queue's size. */
uint64_t smmu_queue_base(uint64_t base, uint32_t entries, uint32_t entry_size);
/* An edge of the source, if it is enabled: its MSI, or its wire. */
void smmu_interrupt(struct smmu *smmu, enum smmu_source source);
/* False: the write was aborted. */
bool smmu_write_msi(struct smmu *smmu, uint64_t address, uint32_t data);
/* Makes an error of GERROR active, unless it is. */
void smmu_raise_gerror(struct smmu *smmu, uint32_t bit);
/* Appends an event record; false: the queue does not take it now. LOSES: that is then an overflow. */
bool smmu_record_event(struct smmu *smmu, const uint64_t record[4], bool loses);

/* queue.c */
void command_queue_init(struct command_queue *queue, struct smmu *smmu, uint32_t context);
void command_queue_start(struct command_queue *queue);
/* Something changed that may let the queue go on: PROD, an acknowledged error. */
void command_queue_kick(struct command_queue *queue, uint64_t delay_ps);
/* Runs it to its end, or to a stop, at this instant: for work in which time plays no part. */
void command_queue_run(struct command_queue *queue);
/* Stops it: nothing more is fetched, but for a fetch that is under way; what was fetched is dropped. */
void command_queue_stop(struct command_queue *queue);
/* Of an index with its wrap flag, in a queue of so many entries. */
static inline uint32_t queue_mask(uint32_t entries)
{
	return 2 * entries - 1;
}

/* arbiter.c: of a VCMDQ whose next command is at hand AFTER_PS from now; its work comes when it is served. */
void arbiter_claim(struct command_queue *queue, uint64_t after_ps);
/* The queue's work has come. */
void arbiter_served(struct command_queue *queue);
/* Lets the next one be served, if nobody is. */
void arbiter_pass_on(struct smmu *smmu);
/* The queue was stopped. */
void arbiter_leave(struct command_queue *queue);
bool arbiter_waits(const struct command_queue *queue);
void arbiter_hash(const struct smmu *smmu, struct hash *hash);

/* commands.c: executes one legal command of QUEUE; what it did stands in PROBE. */
void smmu_execute(struct smmu *smmu, struct command_queue *queue,
		  const struct smmu_command *command, struct probe *probe);
/*
 * Whether the main queue takes the command. Illegal: not known, not implemented, of the secure
 * side, CS = 3, Resp = 3 (smmuv3 3.3). Inline: every command of every queue passes here.
 */
static inline bool smmu_command_legal(struct smmu *smmu, const struct smmu_command *command)
{
	unsigned opcode = command_opcode(command);
	const struct command_rules *rules = &command_rules[opcode];
	if (rules->name == NULL || (rules->needs & ~smmu->features) != 0 ||
	    (command->dw[0] & CMD_SSEC) ||
	    (opcode == CMD_SYNC && field_get(command->dw[0], CMD_SYNC_CS) == 3) ||
	    (opcode == CMD_PRI_RESP && field_get(command->dw[1], CMD_PRI_RESP_CODE) == 3))
		return false;
	uint64_t res0 = (command->dw[0] & ~rules->used[0]) | (command->dw[1] & ~rules->used[1]);
	return res0 == 0 || option_get(&smmu->assumptions, ASSUME_RES0) == RES0_IGNORED;
}

/* cmdqv.c */
extern const struct mmio_ops cmdqv_mmio_ops;
/* What becomes of a command of a VCMDQ. */
enum vcmdq_admission {
	VCMDQ_RUN,
	VCMDQ_SKIP, /* consumed without effect */
	VCMDQ_STOP, /* with *ERROR */
};

/* Puts the owner's VMID and SIDs in. */
enum vcmdq_admission cmdqv_admit(struct smmu *smmu, struct vcmdq *vcmdq,
				 struct smmu_command *command, enum vcmdq_error *error);
void cmdqv_error_raised(struct smmu *smmu, struct vcmdq *vcmdq);
void cmdqv_cons_moved(struct smmu *smmu, struct vcmdq *vcmdq);

/* config.c */
void config_cache_init(struct config_cache *cache, struct machine *machine, uint32_t count);
/* The configuration of SID: cached, or fetched and then cached. NULL: none, and *EVENT says why. */
const struct stream_config *smmu_stream_config(struct smmu *smmu, uint32_t sid, unsigned *event,
					       uint64_t *fetch_address);
/* Drops what is cached of SIDs that agree with SID in all but the low RANGE bits. */
void config_cache_drop(struct config_cache *cache, uint32_t sid, uint32_t range);

/* level1.c: caches of level-1 descriptors, of the stream table and of tables of contexts. */
void level1_cache_init(struct level1_cache *cache, struct machine *machine, uint32_t count);
/* The descriptor that is for KEY; false: it is not there. */
bool level1_cache_find(struct level1_cache *cache, const struct level1_key *key,
		       uint64_t *descriptor);
void level1_cache_insert(struct level1_cache *cache, const struct level1_key *key,
			 uint64_t descriptor);
/* Drops all that is for any of KEY's. */
void level1_cache_drop(struct level1_cache *cache, const struct level1_key *key);
void level1_cache_hash(const struct level1_cache *cache, struct hash *hash);

/* context.c */
void context_cache_init(struct context_cache *cache, struct machine *machine, uint32_t count);
/* Drops contexts of SIDs that agree with SID in all but the low RANGE bits; of all substreams. */
void context_cache_drop(struct context_cache *cache, uint32_t sid, uint32_t range);
void context_cache_drop_one(struct context_cache *cache, uint32_t sid, uint32_t ssid);

/* translate.c */
enum translate_result {
	TRANSLATE_OK,
	TRANSLATE_FAULT, /* an event was recorded, or it was aborted without one */
	TRANSLATE_IGNORED, /* it succeeds without effect: reads as zero, drops what is written (CD.A = 0) */
	TRANSLATE_STALLED, /* it is held up; smmu_access.resumed is told the end (6.5) */
};

struct translation {
	struct pa pa;
	uint64_t ipa; /* of a fault of stage 2 */
	enum access_path path;
	unsigned event; /* of the fault; 0: none recorded */
	uint16_t vmid;
	uint8_t order; /* log2 4-KiB pages of the leaf */
	uint8_t perm;  /* PTE_S2_READ | PTE_S2_WRITE: of such an access */
	bool stage2;   /* the fault is one of stage 2 */
	bool stalled;  /* the fault holds the access up */
	bool ignored;  /* the fault is not told to the device */
};

struct smmu_access;
/* RESULT is none but OK, FAULT, IGNORED; the device may access again from here. */
typedef void smmu_resumed_fn(const struct smmu_access *access, enum translate_result result,
			     const struct translation *translation);

/* An access as it comes from a device. */
struct smmu_access {
	uint32_t sid;
	bool has_ssid;
	uint32_t ssid;
	uint64_t iova;
	bool write;
	bool privileged;
	bool instruction; /* and no write */
	bool speculative; /* faults of it are not recorded (6.2), and nothing is updated in tables */
	bool asks;        /* a translation request of ATS */
	bool translated;  /* IOVA is what such a request was told */
	/* Who waits if the access is held up; NULL: nobody. */
	smmu_resumed_fn *resumed;
	void *owner;
};

enum translate_result smmu_translate_access(struct smmu *smmu, const struct smmu_access *access,
					    struct translation *translation);
/* The same, whether or not the address was translated already. */
enum translate_result smmu_untranslated_access(struct smmu *smmu, const struct smmu_access *access,
					       struct translation *translation);
/* An unprivileged data access of SID to IOVA, without a substream. */
enum translate_result smmu_translate(struct smmu *smmu, uint32_t sid, uint64_t iova, bool write,
				     struct translation *translation);
/*
 * A device's DMA: translates, by what the device keeps or asks for if it has ATS, then reads or writes
 * SIZE bytes inside one page.
 */
enum translate_result smmu_dma_access(struct smmu *smmu, const struct smmu_access *device,
				      void *data, uint32_t size, struct translation *translation);
enum translate_result smmu_dma(struct smmu *smmu, uint32_t sid, uint64_t iova, bool write,
			       void *data, uint32_t size, struct translation *translation);

/* --- ats.c --- */

/* Makes SID a function that takes part in ATS. */
struct smmu_endpoint *smmu_endpoint_new(struct smmu *smmu, uint32_t sid);
/* NULL: there is none. */
struct smmu_endpoint *smmu_endpoint_find(struct smmu *smmu, uint32_t sid);
void smmu_hash_endpoints(const struct smmu *smmu, struct hash *hash);
/* By what it keeps, or is told if it asks; else untranslated. ACCESS is of the device. */
enum translate_result smmu_endpoint_translate(struct smmu_endpoint *endpoint,
					      const struct smmu_access *access,
					      struct translation *translation);

/* How a translation request is completed. */
enum ats_status {
	ATS_SUCCESS, /* perhaps with no right */
	ATS_UNSUPPORTED,
	ATS_ABORTED,
};

struct ats_answer {
	enum ats_status status;
	bool readable;
	bool writable;
	uint8_t order;    /* log2 4-KiB pages */
	uint64_t address; /* of the byte that was asked for: PA, or IPA with split-stage ATS */
	enum access_path path;
};

/* ACCESS.write: the device wants to write, too. */
void smmu_ats_request(struct smmu *smmu, const struct smmu_access *access, struct ats_answer *out);
/* Of an access that is translated already. */
enum translate_result smmu_translated_access(struct smmu *smmu, const struct smmu_access *access,
					     struct translation *translation);

/* --- pri.c --- */

struct smmu_page_request {
	uint32_t sid;
	bool has_ssid;
	uint32_t ssid;
	bool read;
	bool write;
	bool instruction;
	bool privileged;
	bool last; /* of its group */
	uint16_t group;
	uint64_t address;
};

/* What became of a request (output.c). */
enum pri_admission {
	PRI_TAKEN,
	PRI_OVERFLOW,
	PRI_OFF, /* disabled, or an error is active */
};

enum pri_admission smmu_record_request(struct smmu *smmu, const uint64_t record[2]);
/* What the queue does not take is answered at its group's end. */
void smmu_page_request(struct smmu *smmu, const struct smmu_page_request *request);
/* PRI_RESP. */
void smmu_answer_request(struct smmu *smmu, const struct smmu_command *command);

/* --- stall.c --- */

/* Lies in the arena until it is resumed or ended. */
struct smmu_stall {
	TAILQ_ENTRY(smmu_stall) link; /* oldest first */
	struct smmu_access access;
	uint64_t record[4];
	uint16_t stag;
	bool recorded; /* it has its STAG, and software was told */
};

/* How RESUME ends a stall (3.2). */
enum smmu_resume {
	RESUME_IGNORE, /* as if it had succeeded, without effect */
	RESUME_RETRY,
	RESUME_ABORT,
};

void smmu_stall_access(struct smmu *smmu, const struct smmu_access *access,
		       const uint64_t record[4]);
/* Tells of stalls that the event queue did not take, or that had no STAG. */
void smmu_tell_stalls(struct smmu *smmu);
void smmu_resume(struct smmu *smmu, uint32_t sid, uint16_t stag, enum smmu_resume how);
/* Aborts those of SID, or all. */
void smmu_end_stalls(struct smmu *smmu, uint32_t sid);
void smmu_end_all_stalls(struct smmu *smmu);
void smmu_hash_stalls(const struct smmu *smmu, struct hash *hash);

/* --- inside the translation unit: translate.c, context.c, walk.c --- */

/* What a TLB entry permits. Bits 7 and 6 are those of stage 2's descriptors. */
#define PERM_USER_WRITE BITS(7, 7)
#define PERM_USER_READ  BITS(6, 6)
#define PERM_WRITE      BITS(5, 5) /* privileged */
#define PERM_READ       BITS(4, 4)
#define PERM_EXEC       BITS(3, 3)
#define PERM_USER_EXEC  BITS(2, 2)
#define PERM_DEVICE     BITS(0, 0) /* stage 2: device memory */

struct request {
	struct smmu *smmu;
	const struct smmu_access *access;
	const struct stream_config *config;
	uint8_t need; /* PERM_* */
	uint64_t iova;
	struct translation *out;
};

/* One address on its way through one stage. */
struct stage_input {
	bool stage2;
	bool record;    /* faults of it are recorded */
	bool stall;     /* they hold the access up */
	bool ignore;    /* they are not told to the device */
	bool writes;    /* of class TT: the descriptor was to be updated */
	unsigned class; /* EVT_CLASS_*: what is at the address, for faults of stage 2 */
	uint64_t address;
};

/* A leaf, cut to a power of two of pages. */
struct leaf {
	uint64_t address; /* where its first byte is */
	uint8_t order;    /* log2 4-KiB pages */
	uint8_t perm;     /* PERM_* */
	uint8_t level;    /* where it stood; of both stages: in stage 1 */
	uint8_t reach;    /* of both stages: the order of stage 1's leaf */
	bool global;
	bool fleeting; /* as the tables would be, had they been updated: not to be cached */
};

/* A configuration fault: nothing but ids; FETCH_ADDRESS for what could not be read. */
enum translate_result smmu_config_fault(struct request *request, unsigned event,
					uint64_t fetch_address);
enum translate_result smmu_stage_fault(struct request *request, unsigned event,
				       const struct stage_input *input);
enum translate_result smmu_walk_abort(struct request *request, const struct stage_input *input,
				      uint64_t fetch_address);

/* walk.c: the leaf of INPUT in TABLES, or a fault. TAG: what tables on the way are cached under. */
enum translate_result smmu_walk(struct request *request, const struct tables *tables,
				struct tlb_tag tag, const struct stage_input *input,
				struct leaf *leaf);
/* translate.c: an IPA through stage 2, cached or walked. NEED: PERM_*, of any of which one will do. */
enum translate_result smmu_stage2(struct request *request, const struct stage_input *input,
				  uint8_t need, struct leaf *leaf, enum access_path *path);
/* context.c: stage 1 of the request; NULL: a fault. */
const struct context_config *smmu_context(struct request *request, uint32_t ssid);

/* StreamWorld EL2 without E2H: one half, no ASIDs, no unprivileged accesses (5.1, 7.2). */
static inline bool is_plain_el2(const struct smmu *smmu, const struct stream_config *config)
{
	return config->el2 && !(smmu->cr2 & CR2_E2H);
}

static inline uint64_t leaf_pa(const struct leaf *leaf, uint64_t input)
{
	return leaf->address + (input & ((PAGE_SIZE << leaf->order) - 1));
}

/* config.c: TxSZ, a granule of 2^PAGE_SHIFT; false where the hardware has no such tables (5.1). */
bool smmu_granule_exists(const struct smmu *smmu, unsigned page_shift);
/* DS, where ASKED for: sets what descriptors are like, and how many bits of address they have. */
void smmu_set_output(const struct smmu *smmu, bool asked, unsigned code, struct tables *tables);
bool smmu_input_size_legal(const struct smmu *smmu, unsigned txsz, unsigned page_shift);
/* AA64 of either stage, against IDR0.TTF; tables of AArch32 are not modelled, and never legal. */
bool smmu_format_legal(const struct smmu *smmu, bool aarch64);
/* ENDI of either stage, against IDR0.TTENDIAN. */
bool smmu_endianness_legal(const struct smmu *smmu, bool big_endian);
/* HA and HD, of either stage, against IDR0.HTTU. */
bool smmu_updates_legal(const struct smmu *smmu, bool access, bool dirty);
/* The base that counts: aligned to the table's size, which has 2^INDEX_BITS entries. */
static inline uint64_t smmu_table_base(uint64_t base, unsigned index_bits)
{
	return base & ~((index_bits < 3 ? 64ULL : 8ULL << index_bits) - 1);
}

#endif
