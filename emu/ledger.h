/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: what the kernel has promised about each frame, and the core of the checker.
 *
 * Concepts
 *   holder      who may use frames: a guest's stage 2, a device's domain, a hardware queue's pin
 *   promise     (holder, frame): granted -> revoking -> revoked. Granted as often as it was
 *               mapped; only the last revocation counts
 *   revoking    from the start of the call that takes the promise away: an access is still legal
 *   revoked     that call returned success, or the last pin went
 *   revocation  the call that did it: number, name, when
 *   binding     on whose behalf a queue or a device of an engine acts
 *   guest       whom a guest's commands may reach: domains (VMID, DomainID) and devices
 *   judgement   what an access at this instant is, by the promise and by who owns the frame now
 *
 * The shim feeds it; engines never see it. It knows no kernel option and no scenario.
 */
#ifndef HWQ_EMU_LEDGER_H
#define HWQ_EMU_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/addr.h"
#include "emu/hash.h"
#include "emu/spans.h"

struct machine;

enum promise_state {
	PROMISE_NONE, /* never granted */
	PROMISE_GRANTED,
	PROMISE_REVOKING,
	PROMISE_REVOKED,
};

struct promise {
	enum promise_state state;
	uint32_t owner;      /* of the frame, when it was granted */
	uint32_t generation; /* of the frame, when it was granted */
	uint32_t revocation; /* index; meaningful when revoking or revoked */
};

struct revocation {
	const char *what; /* literal: "IOMMU_IOAS_UNMAP" */
	uint64_t call;    /* number of the system call (struct syscall) */
	uint64_t start_ps;
	uint64_t cleared_ps; /* the tables no longer have it; UINT64_MAX: not told */
	uint64_t done_ps;    /* UINT64_MAX while revoking */
};

struct ledger_holder {
	const char *name; /* literal */
	bool gone;
	bool bound;            /* an engine acts for it: its number is never used again */
	struct spans promises; /* pfn -> promise */
};

/* Nothing is promised to this holder, ever: a device whose DMA is blocked. */
#define LEDGER_NOTHING 0U
/* The kernel is moving it from one holder to another: nothing is judged meanwhile. */
#define LEDGER_IN_TRANSITION UINT32_MAX
#define LEDGER_NO_GUEST      UINT32_MAX

struct ledger_binding {
	bool used;
	uint32_t engine; /* number (machine.h) */
	uint32_t context;
	uint32_t holder;
	uint32_t guest; /* or LEDGER_NO_GUEST */
	uint64_t call;  /* number of the call that said so last */
};

enum ledger_reach {
	REACH_DOMAIN,
	REACH_DEVICE,
	REACH_KINDS,
};

struct ledger_guest {
	struct spans reach[REACH_KINDS];
};

struct ledger {
	struct machine *machine;
	struct ledger_holder **holders;
	uint32_t holder_count;
	uint32_t holder_capacity;
	struct revocation *revocations;
	uint32_t revocation_count;
	uint32_t revocation_capacity;
	struct ledger_binding *bindings; /* open-addressing table */
	uint32_t binding_count;
	uint32_t binding_capacity; /* a power of two */
	struct ledger_guest **guests;
	uint32_t guest_count;
	uint32_t guest_capacity;
	uint64_t call;    /* number of the system call that started last */
	uint64_t version; /* changes with every promise, binding and reach */
};

void ledger_init(struct ledger *ledger, struct machine *machine);
uint32_t ledger_holder_new(struct ledger *ledger, const char *name);
/*
 * Everything the holder still has is revoked. Its number is used again, but for one that an engine
 * acts for: what the engine does later must still find it.
 */
void ledger_holder_gone(struct ledger *ledger, uint32_t holder);

uint32_t ledger_guest_new(struct ledger *ledger);
/* The guest's commands may, or may no longer, reach domain or device NUMBER. */
void ledger_guest_reach(struct ledger *ledger, uint32_t guest, enum ledger_reach kind,
			uint32_t number, bool may);
bool ledger_guest_reaches(struct ledger *ledger, uint32_t guest, enum ledger_reach kind,
			  uint32_t number);

/* Says, or says anew, on whose behalf CONTEXT of ENGINE acts. It is never taken back. */
void ledger_bind(struct ledger *ledger, uint32_t engine, uint32_t context, uint32_t holder,
		 uint32_t guest);
/* NULL: nobody's, the host's own. */
const struct ledger_binding *ledger_binding(const struct ledger *ledger, uint32_t engine,
					    uint32_t context);

void ledger_grant(struct ledger *ledger, uint32_t holder, uint64_t pfn, uint64_t count);
/*
 * The current call's revocation by this name that is not done yet, or a new one. Of a holder that no
 * engine acts for, the call has one: nobody asks when each piece went.
 */
uint32_t ledger_revocation_new(struct ledger *ledger, uint32_t holder, const char *what);
/* The tables no longer have what the current call is taking away; caches may. */
void ledger_tables_cleared(struct ledger *ledger);
/* One grant fewer of each frame; where it was the last, the promise is revoking. */
void ledger_revoke(struct ledger *ledger, uint32_t holder, uint64_t pfn, uint64_t count,
		   uint32_t revocation);
/* The kernel kept its part: revoking frames of [pfn, pfn + count) are revoked from now on. */
void ledger_revoked(struct ledger *ledger, uint32_t holder, uint64_t pfn, uint64_t count);

struct promise ledger_promise(struct ledger *ledger, uint32_t holder, uint64_t pfn);
/* The frames around PFN that are granted to HOLDER like it; false: PFN is not. */
bool ledger_granted_run(struct ledger *ledger, uint32_t holder, uint64_t pfn, uint64_t *first,
			uint64_t *last);
/* Frames that are granted to HOLDER now. */
uint64_t ledger_granted(struct ledger *ledger, uint32_t holder);

enum judgement {
	ACCESS_LEGAL,
	ACCESS_AFTER_UNMAP,    /* use-after-unmap: still the old owner's */
	ACCESS_AFTER_FREE,     /* use-after-free: nobody's */
	ACCESS_FOREIGN,        /* foreign-fetch or foreign-write: somebody else's */
	ACCESS_NEVER_PROMISED, /* wrong-address */
};

enum judgement checker_judge(struct ledger *ledger, uint32_t holder, struct pa pa);

void ledger_hash(struct ledger *ledger, struct hash *hash);

#endif
