/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What traces/captures/amd recorded of Linux's driver, read into memory. Its README.md says what
 * each file holds.
 *
 * Concepts
 *   line   something the driver did, in the order of its sequence numbers: a register write, a
 *          command copied to the ring, a word of the device table, a mapping made or taken away
 *   DMA    something a device did between two doorbells
 *   probe  a translation that is right for the memory image
 */
#ifndef HWQ_TESTS_KIT_AMD_CAPTURE_H
#define HWQ_TESTS_KIT_AMD_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

enum capture_kind {
	CAPTURE_MMIO,
	CAPTURE_COMMAND,
	CAPTURE_DTE, /* one word */
	CAPTURE_MAP,
	CAPTURE_UNMAP,
	CAPTURE_FREE, /* of a domain */
};

struct capture_line {
	uint64_t seq;
	uint32_t order; /* in its file */
	enum capture_kind kind;
	union {
		struct {
			uint32_t offset;
			uint32_t width;
			uint64_t value;
		} mmio;
		uint64_t command[2];
		struct {
			uint16_t device;
			uint32_t word;
			uint64_t at;
			uint64_t value;
		} dte;
		struct {
			uint32_t domain;
			uint32_t prot; /* CAPTURE_READ, CAPTURE_WRITE */
			uint64_t iova;
			uint64_t pa;
			uint64_t size;
		} map;
	};
};

#define CAPTURE_READ  1U
#define CAPTURE_WRITE 2U

struct capture_dma {
	uint64_t after_seq; /* of the last doorbell before it */
	uint16_t device;
	bool fault;
	uint64_t iova;
	uint64_t pa;
};

struct capture_event {
	uint64_t seq;
	uint64_t q[2];
};

struct capture_register {
	uint32_t offset;
	uint32_t width;
	uint64_t value;
};

struct capture_translation {
	uint16_t device;
	bool fault;
	char reason[32]; /* of a fault */
	bool readable;
	bool writable;
	uint32_t leaf_log2;
	uint64_t iova;
	uint64_t pa;
};

struct capture {
	struct capture_line *lines;
	uint32_t line_count;
	struct capture_dma *dma;
	uint32_t dma_count;
	struct capture_event *events;
	uint32_t event_count;
};

/* The folder: what HWQ_AMD_CAPTURES names, or that of the source. */
const char *capture_folder(void);
/* A run by the name of its commands ("strict") and the suffix of its other files. NULL: not there. */
struct capture *capture_load(const char *name, const char *suffix);
void capture_free(struct capture *capture);
/* Of the strict run's end; how many. NULL where there are none. */
struct capture_register *capture_registers(uint32_t *count);
struct capture_translation *capture_translations(uint32_t *count);

#endif
