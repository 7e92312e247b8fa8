/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device's access gets by the structures as they lie in memory, found out slowly: each time
 * from the stream table on, nothing cached, fields taken out by their numbers in the sheet.
 *
 * It takes stream table entries and context descriptors to be legal, and substreams to be off.
 */
#ifndef HWQ_TESTS_KIT_SMMU_WALKER_H
#define HWQ_TESTS_KIT_SMMU_WALKER_H

#include "tests/kit/smmu.h"

struct walker_answer {
	bool ok;
	uint64_t pa;
	/* Of a fault. */
	unsigned event; /* 0: aborted without one */
	bool stage2;
	unsigned class;
	uint64_t ipa;
};

/* A linear stream table at STREAM_TABLE. */
struct walker_answer walker_translate(struct smmu_kit *kit, uint64_t stream_table,
				      const struct smmu_access *access);

#endif
