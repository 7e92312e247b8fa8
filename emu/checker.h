/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checker: judges every access of an engine by the ledger, at its instant.
 *
 * Concepts
 *   violation  an access after revocation, or another promise broken
 *   fetch      a read of commands. What it turns out to be is settled when the command runs or
 *              stops the queue: foreign bytes that ran are a foreign command
 *   reach      whom a guest's command may affect, as the ledger says; beyond it, it escaped
 *
 * It knows engines' accesses and the ledger; no engine, no kernel option and no scenario.
 */
#ifndef HWQ_EMU_CHECKER_H
#define HWQ_EMU_CHECKER_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/machine.h"

enum violation_kind {
	VIOLATION_USE_AFTER_UNMAP,
	VIOLATION_USE_AFTER_FREE,
	VIOLATION_FOREIGN_FETCH,
	VIOLATION_FOREIGN_WRITE,
	VIOLATION_FOREIGN_COMMAND,
	VIOLATION_STALE_IOTLB,
	VIOLATION_DMA_AFTER_SYNC,
	VIOLATION_UNTRANSLATED,
	VIOLATION_WRONG_ADDRESS,
	VIOLATION_ESCAPED_COMMAND,
	VIOLATION_KINDS,
};

struct violation {
	enum violation_kind kind;
	struct access access;
	struct promise promise;
	struct frame_state frame; /* at the instant of the access */
	uint32_t writer;          /* whose bytes they were */
	uint64_t bound_by;        /* number of the call that let the engine act for its holder */
	bool has_command;
	struct probe command; /* what ran, or where the queue stopped */
};

#define VIOLATIONS_MAX 64U
#define PENDING_MAX    16U

/* What was found legal last: most accesses and commands are like the one before. */
struct checker_memo {
	uint64_t version; /* of the ledger */
	uint64_t key;     /* engine, context */
	uint64_t first;   /* frames that are granted */
	uint64_t last;
	uint64_t reach_version;
	uint64_t reach_key;
	uint64_t reach_target; /* a domain that may be reached */
};

struct checker {
	struct checker_memo memo;
	struct violation violations[VIOLATIONS_MAX]; /* the first; more are counted */
	uint32_t count;
	uint32_t kinds[VIOLATION_KINDS];       /* how many of each */
	struct violation pending[PENDING_MAX]; /* fetches of foreign bytes, not settled */
	uint32_t pending_count;
};

/* Starts to watch; lies in the machine's arena. */
struct checker *checker_new(struct machine *machine);
/* Settles what is still pending: fetched, never run. Violations are then in the order of accesses. */
void checker_finish(struct checker *checker);
const char *violation_name(enum violation_kind kind);
/* -1: no such kind. */
int violation_by_name(const char *name, size_t length);

#endif
