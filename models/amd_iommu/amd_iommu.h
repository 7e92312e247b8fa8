/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AMD IOMMU model, with its hardware vIOMMU.
 *
 * Concepts
 *   ring         one command buffer: the host's, read by physical address, or a guest's, read by
 *                guest address; head moves when a command is taken, not when it is done
 *   guest        what the hardware keeps of one GuestID: VF registers (the guest's), VFCntl
 *                registers (the host's), a ring, logs
 *   logs         of events, or of page requests: A, and with Dual...LogEn B, one of them in use
 *   trans_devid  the DeviceID whose table entry says how a guest's buffers are translated
 *   own device   the IOMMU's own table entry translates its private addresses (IPA), where the maps
 *                of DeviceIDs and DomainIDs lie
 *   caches       device table entries by DeviceID; leaves and tables by DomainID, those of guest
 *                tables by PASID too; with NpCache also what is not present. What memory says
 *                meanwhile does not matter until an invalidation
 *   assumption   what nobody outside AMD has said (assumptions.h)
 *
 * The model sees registers and memory, nothing else. All of it lies in the machine's arena. What it
 * does with commands it tells observers (emu/observer.h), which changes nothing.
 */
#ifndef HWQ_MODELS_AMD_IOMMU_AMD_IOMMU_H
#define HWQ_MODELS_AMD_IOMMU_AMD_IOMMU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "emu/bus.h"
#include "emu/machine.h"
#include "emu/port.h"
#include "emu/profile.h"
#include "models/amd_iommu/amd_spec.h"
#include "models/amd_iommu/assumptions.h"
#include "models/atc.h"
#include "models/tlb.h"

#define LINE_COMMANDS     4U /* a 64-byte line */
#define CONTEXT_HOST_RING 0x7fffffffU
#define AMD_REGISTERS_MAX 48U
#define AMD_DEV_TABLES    8U

/* Picoseconds, from the profile. */
struct amd_timing {
	uint64_t doorbell_ps;
	uint64_t fetch_line_ps;
	uint64_t command_ps;
	uint64_t store_ps;
	uint64_t walk_read_ps;
	uint64_t tlb_hit_ps;
	uint64_t ats_round_trip_ps;
};

/* The parameters that a profile for this engine has. */
extern const struct parameter_range amd_parameters[];

/* Registers of the host's window, and of the PCI configuration space. */
extern const struct register_row amd_registers[];
extern const struct register_row amd_config_registers[];

struct amd_iommu;
struct amd_guest;

/* --- translation (translate.c) --- */

struct dte_cache_entry {
	bool valid;
	bool fault_logged; /* since it was read: SE lets no other be logged */
	uint16_t device;
	struct amd_dte dte;
};

struct dte_cache {
	struct dte_cache_entry *entries; /* direct-mapped */
	uint32_t count;                  /* a power of two */
};

enum amd_translate_result {
	AMD_TRANSLATED,
	AMD_FAULT,
};

struct amd_translation {
	struct pa pa;
	enum access_path path;
	uint16_t domain;
	uint8_t order; /* log2 pages of the leaf */
	bool readable;
	bool writable;
	bool invalid_entry;     /* V = 0: forwarded for that */
	bool silent;            /* SA, SE: its IO_PAGE_FAULT is not logged */
	uint64_t cost_ps;       /* of table reads */
	struct amd_event event; /* of a fault */
};

/* Where leaves are looked up and kept. */
enum amd_leaf_cache {
	AMD_LEAVES_BY_DOMAIN, /* the TLB: INVALIDATE_IOMMU_PAGES drops them */
	AMD_LEAVES_BY_DEVICE, /* apart: INVALIDATE_DEVTAB_ENTRY drops them */
	AMD_LEAVES_NOWHERE,
};

/* What a device asks for. PASID, EXECUTE and PRIVILEGED are those of a PASID prefix. */
struct amd_request {
	uint64_t address;
	uint32_t pasid;
	uint16_t device;
	bool has_pasid;
	bool write;
	bool execute;
	bool privileged;
};

/* A fault is not logged. */
enum amd_translate_result amd_translate_request(struct amd_iommu *amd,
						const struct amd_request *request,
						enum amd_leaf_cache cache,
						struct amd_translation *translation);
/* DMA of SIZE bytes inside one page; a fault is logged. */
enum amd_translate_result amd_dma_request(struct amd_iommu *amd, const struct amd_request *request,
					  void *data, uint32_t size,
					  struct amd_translation *translation);
/* The same without a PASID. */
enum amd_translate_result amd_translate(struct amd_iommu *amd, uint16_t device, uint64_t address,
					bool write, enum amd_leaf_cache cache,
					struct amd_translation *translation);
enum amd_translate_result amd_dma(struct amd_iommu *amd, uint16_t device, uint64_t address,
				  bool write, void *data, uint32_t size,
				  struct amd_translation *translation);
/* The table entry of DEVICE, cached or read for an access to ADDRESS; false: EVENT says why not. */
bool amd_find_dte(struct amd_iommu *amd, const struct amd_request *request,
		  const struct amd_dte **dte, struct amd_event *event);
void dte_cache_drop(struct dte_cache *cache, uint16_t device);
void dte_cache_drop_all(struct dte_cache *cache);

/* --- rings (ring.c) --- */

enum ring_state {
	RING_IDLE,
	RING_FETCHING,  /* an access is under way: it was translated, and happens later */
	RING_WAITING,   /* for its turn: a command is at hand */
	RING_EXECUTING, /* a command was taken */
};

struct amd_ring {
	struct amd_iommu *amd;
	struct amd_guest *guest; /* NULL: the host's */
	uint32_t context;        /* GuestID, or CONTEXT_HOST_RING */
	uint64_t base;           /* physical address, or a guest's */
	uint32_t size;           /* bytes; 0: not usable */
	uint32_t head;           /* byte offsets */
	uint32_t tail;
	bool enabled; /* CmdBufEn */
	bool halted;  /* by an error, until CmdBufEn is written anew */
	enum ring_state state;
	struct event work;
	uint64_t due_ps; /* of the event */
	TAILQ_ENTRY(amd_ring) turn;
	/* The fetch under way. */
	uint64_t fetch_input; /* its address, before translation */
	struct pa fetch_pa;
	enum access_path fetch_path;
	uint32_t fetch_at;
	uint32_t fetch_count;
	bool dropped; /* the ring was stopped meanwhile: what comes back is nobody's */
	/* Fetched commands: [line_at, line_at + 16 * line_count). */
	uint8_t line[LINE_COMMANDS * COMMAND_SIZE];
	uint32_t line_at;
	uint32_t line_count;
	struct pa line_pa;
	uint64_t iotlb_done_ps; /* INVALIDATE_IOTLB_PAGES since the last COMPLETION_WAIT */
	bool waited;            /* for what was under way when this COMPLETION_WAIT was due */
	bool moved;       /* since the command at hand was taken: it can't halt what is there now */
	struct pa bad_pa; /* where the command at hand failed, */
	uint64_t bad_input; /* in the guest's addresses */
	struct amd_command taken;
	struct probe probe; /* of the command at hand */
};

void amd_ring_init(struct amd_ring *ring, struct amd_iommu *amd, struct amd_guest *guest,
		   uint32_t context);
/* Control bits changed. */
void amd_ring_enable(struct amd_ring *ring, bool enabled);
/* Something changed that may let the ring go on. */
void amd_ring_kick(struct amd_ring *ring, uint64_t delay_ps);
bool amd_ring_running(const struct amd_ring *ring);
/* Runs it to its end, or to a stop, at this instant: for work in which time plays no part. */
void amd_ring_run(struct amd_ring *ring);
/* What was fetched ahead is dropped: a part of what lets rings run was switched. */
void amd_ring_forget(struct amd_ring *ring);
/* A new base zeroes both pointers (2). */
void amd_ring_move(struct amd_ring *ring, uint64_t base, uint32_t size);
/* As it was made: nothing is under way. */
void amd_ring_reset(struct amd_ring *ring);
/* What comes next: the command that is at hand, in its turn, or a fetch. */
void amd_ring_go_on(struct amd_ring *ring);

/* --- turns (arbiter.c) --- */

TAILQ_HEAD(amd_rings, amd_ring);

struct amd_arbiter {
	struct amd_ring *serving; /* NULL: no ring */
	struct amd_rings waiting; /* in the order in which they came */
};

void amd_arbiter_init(struct amd_arbiter *arbiter);
/* The ring has a command at hand. False: it waits until amd_arbiter_pass_on() lets it go on. */
bool amd_arbiter_claim(struct amd_ring *ring);
/* Its command is done. */
void amd_arbiter_served(struct amd_ring *ring);
/* The next one's turn, if nobody is served. */
void amd_arbiter_pass_on(struct amd_iommu *amd);
/* The ring is reset. */
void amd_arbiter_leave(struct amd_ring *ring);
void amd_arbiter_hash(const struct amd_iommu *amd, struct hash *hash);

/* --- commands (commands.c) --- */

/* Whether the ring takes the command (6.2; amd-viommu 10). */
bool amd_command_legal(const struct amd_iommu *amd, const struct amd_ring *ring,
		       const struct amd_command *command);
enum amd_result {
	AMD_DONE,
	AMD_FAILED,  /* COMMAND_HARDWARE_ERROR, at ring->bad_pa */
	AMD_FAULTED, /* a guest's buffer is not mapped; it is logged */
};

/* Executes the taken command. */
enum amd_result amd_execute(struct amd_ring *ring);

/* --- logs that the hardware writes (log.c) --- */

struct amd_event_log {
	uint64_t base; /* physical address, or a guest's */
	uint32_t size; /* bytes; 0: not usable */
	uint32_t head;
	uint32_t tail;
	bool enabled; /* EventLogEn */
	bool overflow;
};

/* The second logs: none, one changed to by a restart after an overflow, or before one (13). */
enum amd_dual {
	AMD_DUAL_OFF,
	AMD_DUAL_RESTART,
	AMD_DUAL_AUTOSWAP,
};

/* Bits of the status register (4); of A and B. */
struct amd_log_bits {
	uint64_t overflow[2];
	uint64_t early[2];
	uint64_t interrupt;
	uint64_t run;
	uint64_t active;
};

extern const struct amd_log_bits amd_event_bits;
extern const struct amd_log_bits amd_ppr_bits;

struct amd_logs {
	struct amd_event_log of[2]; /* A, B */
	uint8_t active;             /* the one in use */
	uint8_t dual;               /* enum amd_dual */
};

static inline struct amd_event_log *amd_logs_current(struct amd_logs *logs)
{
	return &logs->of[logs->active];
}

/* Dual...LogEn, as far as Dual...LogSup has it. */
static inline unsigned amd_dual_of(uint64_t enabled, uint64_t supported)
{
	uint64_t dual = enabled < supported ? enabled : supported;
	return dual < AMD_DUAL_AUTOSWAP ? (unsigned)dual : AMD_DUAL_AUTOSWAP;
}

bool amd_event_log_running(const struct amd_iommu *amd, const struct amd_event_log *log);
/* A slot that is free; false: it overflows, and logging stops until software says otherwise. */
bool amd_log_take_slot(struct amd_event_log *log, uint32_t *offset);
/* The same of the log in use, or with autoswap of the other one. NULL: the one in use overflows. */
struct amd_event_log *amd_logs_take_slot(const struct amd_iommu *amd, struct amd_logs *logs,
					 uint32_t *offset);
/* ...LogEn, and DUAL of it: starts what had overflowed, and clears that in STATUS. */
void amd_logs_enable(struct amd_logs *logs, const struct amd_log_bits *bits, bool enabled,
		     unsigned dual, uint64_t *status);
/* Which bits of the status register say how the logs stand. */
uint64_t amd_logs_status(const struct amd_iommu *amd, const struct amd_logs *logs,
			 const struct amd_log_bits *bits);
/* Head or tail of a log at OFFSET of the third page. False: it is none of them. */
bool amd_logs_read(struct amd_logs *events, struct amd_logs *pprs, uint32_t offset,
		   uint64_t *value);
bool amd_logs_write(const struct amd_iommu *amd, struct amd_logs *events, struct amd_logs *pprs,
		    uint32_t offset, uint64_t value);
/* A pointer of software's, inside a ring of SIZE bytes. */
uint32_t amd_pointer_in(uint64_t value, uint32_t size);

/* --- events (event_log.c) --- */

bool amd_log_write(struct amd_iommu *amd, struct access *access, const struct amd_event *record);
/* What was written is software's. */
void amd_log_advance(struct amd_event_log *log);
void amd_log_event(struct amd_iommu *amd, const struct amd_event *event);
/* Into the guest's own log; a fault on the way is the host's to know. */
void amd_log_guest_event(struct amd_guest *guest, const struct amd_event *event);
/* A translation for a guest's buffer failed; V_FLAG says which (13). */
void amd_log_buffer_fault(struct amd_guest *guest, struct amd_event event, uint64_t v_flag);

/* --- page requests (ppr_log.c) --- */

/* Of a device, as PCIe's PRI has it. */
struct amd_page_request {
	uint64_t address;
	uint32_t pasid;
	uint16_t device;
	uint16_t group; /* page request group index */
	bool has_pasid;
	bool last; /* of its group */
	bool read;
	bool write;
	bool execute;
	bool privileged;
};

struct amd_ppr_response {
	uint32_t pasid;
	bool has_pasid;
	uint16_t group;
	uint8_t code;
};

enum amd_ppr_result {
	AMD_PPR_LOGGED,   /* software will answer */
	AMD_PPR_ANSWERED, /* the hardware did */
	AMD_PPR_DROPPED,
};

enum amd_ppr_result amd_page_request(struct amd_iommu *amd, const struct amd_page_request *request);
/* COMPLETE_PPR_REQUEST: its tag is not checked (7). */
void amd_complete_ppr(struct amd_iommu *amd, uint16_t device, const struct amd_command *command);
/* Whether LOG is as full as its early-overflow register EARLY says. */
bool amd_early_overflow(const struct amd_iommu *amd, const struct amd_event_log *log,
			uint64_t early);

/* --- the GA log (ga_log.c) --- */

struct amd_ga_log {
	uint64_t base; /* the register */
	uint64_t tail_copy;
	struct amd_event_log log;
};

/* A base that is written, GALogEn; and what becomes of them. */
void amd_ga_move(struct amd_iommu *amd, uint64_t value);
void amd_ga_enable(struct amd_iommu *amd, bool enabled);
bool amd_ga_running(const struct amd_iommu *amd);
/* An interrupt of DEVICE was posted, and the vCPU it is for does not run. */
void amd_log_ga(struct amd_iommu *amd, uint16_t device, uint32_t tag);

/* --- interrupts (interrupt.c) --- */

struct amd_irte_entry {
	bool valid;
	uint16_t device;
	uint32_t index;
	struct amd_irte irte;
};

struct amd_irte_cache {
	struct amd_irte_entry *entries; /* direct-mapped */
};

void amd_irte_cache_init(struct amd_irte_cache *cache, struct machine *machine);
void amd_irte_cache_drop(struct amd_irte_cache *cache, uint16_t device);
void amd_irte_cache_drop_all(struct amd_irte_cache *cache);
void amd_irte_cache_hash(const struct amd_irte_cache *cache, struct hash *hash);

enum amd_interrupt_result {
	AMD_INTERRUPT_FORWARDED, /* as it came */
	AMD_INTERRUPT_REMAPPED,
	AMD_INTERRUPT_POSTED, /* to a vAPIC page */
	AMD_INTERRUPT_ABORTED,
};

/* What an interrupt has become. */
struct amd_interrupt {
	uint8_t type;
	uint8_t vector;
	bool logical; /* destination mode */
	bool posted;
	uint32_t destination;
	struct pa vapic;
	uint32_t tag;
};

/* A device's MSI: DATA written to ADDRESS. */
enum amd_interrupt_result amd_interrupt(struct amd_iommu *amd, uint16_t device, uint64_t address,
					uint32_t data, struct amd_interrupt *out);

/* Of extended ids (amd-viommu 11). */
enum amd_extended_type {
	AMD_EXTENDED_EVENT,
	AMD_EXTENDED_PPR,
};

/* Sets a bit of the guest's status; an edge interrupts if ENABLED. */
void amd_guest_raise(struct amd_guest *guest, uint64_t bit, bool enabled,
		     enum amd_extended_type type);

/* --- guests (guest.c) --- */

struct amd_guest {
	struct amd_iommu *amd;
	LIST_ENTRY(amd_guest) link;
	uint16_t id;
	uint64_t misc;
	uint64_t command;
	uint64_t event;
	uint64_t event_b;
	uint64_t ppr;
	uint64_t ppr_b;
	uint64_t status; /* write-1-to-clear bits */
	struct amd_ring ring;
	struct amd_logs events;
	struct amd_logs pprs;
	uint64_t ppr_auto;
	uint64_t ppr_early[2]; /* of A, B */
};

LIST_HEAD(amd_guests, amd_guest);

extern const struct mmio_ops amd_vf_ops;
extern const struct mmio_ops amd_vfcntl_ops;

/* NULL: nothing has touched this GuestID. */
struct amd_guest *amd_guest_find(struct amd_iommu *amd, uint16_t id);
void amd_guest_reset(struct amd_guest *guest);
/* An access to a guest's buffer at guest address ADDRESS. */
enum amd_translate_result amd_guest_translate(struct amd_guest *guest, uint64_t address, bool write,
					      struct amd_translation *translation);
/*
 * Where the guest's ring or a log begins: at the guest address BASE, or with GstBufferTRPMode 0 in its
 * slot of the private addresses SLOTS.
 */
uint64_t amd_buffer_at(const struct amd_guest *guest, uint64_t slots, uint64_t base);
/* The same for an access to such an address. */
enum amd_translate_result amd_buffer_translate(struct amd_guest *guest, uint64_t address,
					       bool write, struct amd_translation *translation);
/* Through the maps: the host's number for a guest's. False: no entry, or no way to it. */
bool amd_map_device(struct amd_guest *guest, uint16_t guest_device, uint16_t *device);
bool amd_map_domain(struct amd_guest *guest, uint16_t guest_domain, uint16_t *domain);

/* --- PCI configuration space (pci.c) --- */

extern const struct mmio_ops amd_config_ops;

/* As firmware leaves it: the windows are where the board has them, enabled as PROFILE says. */
void amd_config_init(struct amd_iommu *amd, const struct profile *profile);
uint32_t amd_config_read(const struct amd_iommu *amd, uint32_t offset);
void amd_config_write(struct amd_iommu *amd, uint32_t offset, uint32_t value);
/* Whether BAR is enabled and at BASE: a window that is not reads as nothing. */
bool amd_answers_at(const struct amd_iommu *amd, uint32_t bar, struct pa base);

/* --- the IOMMU (amd_iommu.c) --- */

/* A PCIe function with ATS: it keeps translations of its own (endpoint.c). Lies in the arena. */
struct amd_endpoint {
	LIST_ENTRY(amd_endpoint) link;
	struct amd_iommu *amd;
	struct atc atc;
	uint16_t device;
	bool silent;                      /* it answers no invalidation */
	struct amd_ppr_response response; /* the last to a page request */
	uint64_t responses;
};

LIST_HEAD(amd_endpoints, amd_endpoint);

/* An invalidation that a device did not answer in time. Lies in the arena until it is logged. */
struct amd_timeout {
	LIST_ENTRY(amd_timeout) link;
	struct amd_iommu *amd;
	struct event event;
	uint64_t due_ps;
	struct amd_event record;
};

LIST_HEAD(amd_timeouts, amd_timeout);

/* An invalidation of a device's cache that a ring has put into a queue. Lies in the arena. */
struct amd_pending {
	TAILQ_ENTRY(amd_pending) link;
	uint32_t context; /* of the ring: a guest's QueueIDs are its own */
	uint16_t queue;
	uint64_t done_ps;
};

TAILQ_HEAD(amd_pendings, amd_pending);

/* Where the hardware is, and how it is wired. */
struct amd_board {
	const char *name; /* literal; of the engine in reports and faults */
	struct pa ecam;   /* configuration spaces of all functions, by DeviceID */
	struct pa base;
	struct pa vf_base;
	struct pa vfcntl_base;
	uint16_t own_device; /* its DeviceID */
	uint32_t irq;        /* events and completions */
};

struct amd_iommu {
	struct machine *machine;
	struct port port;
	struct amd_board board;
	struct amd_timing timing;
	struct option_set assumptions;
	uint64_t efr;
	uint64_t efr2;
	uint64_t control;
	uint64_t dev_table[AMD_DEV_TABLES]; /* segment 0 is the Device Table Base */
	uint64_t cmd_base;
	uint64_t event_base[2]; /* of A, B */
	uint64_t ppr_base[2];
	uint64_t excl_base;
	uint64_t excl_limit;
	uint64_t status; /* write-1-to-clear bits */
	uint32_t config[AMD_CONFIG_SIZE / 4];
	uint64_t kept[AMD_REGISTERS_MAX]; /* by row of amd_registers */
	struct amd_event hw_event;        /* a copy of the last event of HESup's kinds */
	uint64_t hw_event_status;
	struct amd_ring ring;
	struct amd_arbiter arbiter;
	struct amd_logs events;
	struct amd_logs pprs;
	struct amd_ga_log ga;
	uint64_t ppr_auto;
	uint64_t ppr_early[2]; /* of A, B */
	struct dte_cache dtes;
	struct tlb tlb;     /* leaves */
	struct tlb buffers; /* leaves of guests' buffers, by trans_devid; amd.buffer_tag says if */
	struct tlb pdes;    /* tables of level 1; a guest's by guest address */
	struct tlb gcr3;    /* tables of PASIDs: CR3, a guest address */
	struct amd_irte_cache irtes;
	struct amd_endpoints endpoints;
	struct amd_timeouts timeouts;
	struct amd_pendings pendings;         /* by the time when they are done */
	struct amd_guests guests;             /* that something has touched */
	struct amd_guest **guests_by_id[256]; /* high byte, low byte of the GuestID */
};

/* A model on the machine's bus. PROFILE has amd_parameters; ASSUMPTIONS are copied. */
struct amd_iommu *amd_iommu_new(struct machine *machine, const struct amd_board *board,
				const struct profile *profile,
				const struct option_set *assumptions);
struct amd_endpoint *amd_endpoint_new(struct amd_iommu *amd, uint16_t device);
/* A translation request; what it is told it keeps. False: nothing. REQUEST is of the device. */
bool amd_endpoint_ask(struct amd_endpoint *endpoint, const struct amd_request *request);
/* DMA of SIZE bytes inside one page, by what it keeps or asks for; else untranslated. */
enum amd_translate_result amd_endpoint_dma(struct amd_endpoint *endpoint,
					   const struct amd_request *request, void *data,
					   uint32_t size, struct amd_translation *translation);
/* INVALIDATE_IOTLB_PAGES: it answers at DUE_PS, and has dropped what COMMAND says by then. */
void amd_endpoint_invalidate(struct amd_endpoint *endpoint, const struct amd_command *command,
			     uint64_t due_ps);
void amd_endpoint_hash(const struct amd_endpoint *endpoint, struct hash *hash);
/* NULL: there is none. */
struct amd_endpoint *amd_endpoint_find(struct amd_iommu *amd, uint16_t device);
/* Registers, rings and caches, as far as a later step could depend on them. */
void amd_iommu_hash(const struct amd_iommu *amd, struct hash *hash);
/* Sets bits of the status register; an edge interrupts if ENABLED. */
void amd_raise_status(struct amd_iommu *amd, uint64_t bit, bool enabled);

#endif
