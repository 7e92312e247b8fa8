/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The translation cache of a device with ATS (smmuv3 8, amd-iommu 8.4).
 *
 * Concepts
 *   atc            what the device was told, by address and PASID; without one: apart from those of any
 *   invalidation   under way until its answer is due: the latest moment that the hardware allows. Memory,
 *                  tables and the IOMMU's caches do not matter to the device meanwhile
 */
#ifndef HWQ_MODELS_ATC_H
#define HWQ_MODELS_ATC_H

#include <sys/queue.h>

#include "emu/clock.h"
#include "models/tlb.h"

#define ATC_READ  1U /* struct tlb_entry's perm */
#define ATC_WRITE 2U

struct atc_invalidation;
LIST_HEAD(atc_invalidations, atc_invalidation);

struct atc {
	struct tlb entries;
	struct atc_invalidations invalidations; /* it has yet to answer */
};

static inline struct tlb_tag atc_tag(bool has_pasid, uint32_t pasid)
{
	return (struct tlb_tag){.stage1 = has_pasid, .space = has_pasid ? pasid : 0};
}

void atc_init(struct atc *atc, struct machine *machine);
/* What permits the access to PAGE, or NULL. */
const struct tlb_entry *atc_find(struct atc *atc, struct tlb_tag tag, uint64_t page, bool write);
/*
 * At DUE_PS it answers, and has dropped what holds pages from FIRST to LAST; with ANY_PASID that of all
 * PASIDs.
 */
void atc_invalidate(struct atc *atc, struct tlb_tag tag, bool any_pasid, uint64_t first,
		    uint64_t last, uint64_t due_ps);
void atc_hash(const struct atc *atc, struct hash *hash);

#endif
