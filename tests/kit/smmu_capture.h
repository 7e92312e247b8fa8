/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What traces/captures/smmuv3 recorded of Linux's arm-smmu-v3, read into memory. Its README.md says
 * what each file holds.
 *
 * Concepts
 *   run    one boot: a folder, the name of its commands ("strict"), the suffix of its other files
 *   line   something the driver did, in the order of its sequence numbers: a register write, a
 *          command put into the queue, a 64-bit store to a table, a mapping made or taken away, an
 *          event that was read
 *   DMA    something a device did between two doorbells
 *   probe  a translation that is right for the memory image
 */
#ifndef HWQ_TESTS_KIT_SMMU_CAPTURE_H
#define HWQ_TESTS_KIT_SMMU_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

enum smmu_capture_kind {
	SMMU_CAPTURE_MMIO,
	SMMU_CAPTURE_COMMAND,
	SMMU_CAPTURE_STE, /* one word */
	SMMU_CAPTURE_CD,
	SMMU_CAPTURE_L1STD,
	SMMU_CAPTURE_MAP,
	SMMU_CAPTURE_UNMAP,
	SMMU_CAPTURE_FREE, /* of a domain */
	SMMU_CAPTURE_EVENT,
};

struct smmu_capture_line {
	uint64_t seq;
	uint32_t order; /* in its file */
	enum smmu_capture_kind kind;
	union {
		struct {
			uint32_t offset;
			uint32_t width;
			uint64_t value;
		} mmio;
		uint64_t command[2];
		struct {
			uint32_t sid;
			uint32_t word;
			uint64_t at;
			uint64_t value;
		} store;
		struct {
			uint32_t domain; /* ASID; of stage 2: VMID */
			uint32_t prot;   /* SMMU_CAPTURE_READ... */
			uint64_t iova;
			uint64_t pa;
			uint64_t size;
		} map;
		uint64_t event[4];
	};
};

/* As the driver's callers pass them. */
#define SMMU_CAPTURE_READ  1U
#define SMMU_CAPTURE_WRITE 2U

struct smmu_capture_dma {
	uint64_t after_seq; /* of the last doorbell before it */
	uint32_t sid;
	bool readable;
	bool writable;
	uint64_t iova;
	uint64_t pa;
};

struct smmu_capture_register {
	uint32_t offset;
	uint32_t width;
	uint64_t value;
};

struct smmu_capture_translation {
	uint32_t sid;
	bool fault;
	char reason[32]; /* of a fault */
	bool readable;
	bool writable;
	uint32_t leaf_log2;
	uint64_t iova;
	uint64_t pa;
};

struct smmu_capture {
	const char *folder; /* in that of all captures */
	const char *name;
	struct smmu_capture_line *lines;
	uint32_t line_count;
	struct smmu_capture_dma *dma;
	uint32_t dma_count;
};

/* A file of the captures: of the folder that HWQ_SMMUV3_CAPTURES names, or of the source. g_free(). */
char *smmu_capture_path(const char *folder, const char *file);
/* NULL: there is no such run. */
struct smmu_capture *smmu_capture_load(const char *folder, const char *name, const char *suffix);
void smmu_capture_free(struct smmu_capture *capture);
/* Of the end of the strict run of FOLDER. NULL, and *COUNT 0: there are none. */
struct smmu_capture_register *smmu_capture_registers(const char *folder, uint32_t *count);
struct smmu_capture_translation *smmu_capture_translations(const char *folder, uint32_t *count);

#endif
